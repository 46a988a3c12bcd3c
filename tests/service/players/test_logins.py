import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.service.players.passwords import FILE, KEY_FILE, Passwords
from earmark.service.settings import Settings

pytest.importorskip("cryptography")


def code(client: Any, method: str = "ping", **parameters: Any) -> int | None:
    """Ask without a key of our own; returns the number of the error, None if there was none."""
    body = client.get(f"/rest/{method}", params={"f": "json", **parameters}).json()["subsonic-response"]
    assert (body["status"] == "ok") is ("error" not in body)
    return body["error"]["code"] if "error" in body else None


def proof(password: str, salt: str = "abc123") -> dict[str, str]:
    return {"t": hashlib.md5((password + salt).encode()).hexdigest(), "s": salt}


def test_keys(client: Any, key: str) -> None:
    assert code(client, apiKey=key) is None
    assert code(client, apiKey=key + "x") == 44
    assert code(client, apiKey="earmark_" + "é" * 100) == 44
    assert code(client) == 10
    assert code(client, apiKey="") == 10
    assert code(client, u="anna") == 10
    for more in ({"u": "anna"}, {"p": "x"}, {"t": "x", "s": "y"}):
        assert code(client, apiKey=key, **more) == 43
    assert code(client, "getOpenSubsonicExtensions") is None
    assert client.get("/rest/tokenInfo", params={"f": "json", "apiKey": key}).json()["subsonic-response"][
        "tokenInfo"
    ] == {"username": "kitchen radio"}


def test_a_removed_key_is_none(client: Any, key: str, settings: Settings) -> None:
    from earmark.service.tokens import Tokens

    Tokens(settings.data).remove("kitchen radio")
    assert code(client, apiKey=key) == 44


def test_token_and_salt_have_to_be_allowed(client: Any, settings: Settings) -> None:
    assert code(client, u="anna", **proof("guess")) == 41
    assert code(client, u="anna", p="guess") == 42
    password = Passwords(settings.data).add("anna")
    assert code(client, u="anna", **proof(password)) is None
    assert code(client, u="anna", **proof(password, "other salt")) is None
    assert code(client, u="anna", **proof("guess")) == 40
    assert code(client, u="bob", **proof(password)) == 40
    assert code(client, u="anna", t="é", s="abc") == 40
    assert code(client, u="anna", p=password) == 42
    assert code(client, u="anna", p=password, **proof(password)) == 43
    assert code(client, u="anna", t=proof(password)["t"]) == 10
    assert code(client, **proof(password)) == 10
    Passwords(settings.data).remove("anna")
    assert code(client, u="anna", **proof(password)) == 41


def test_a_user_learns_of_itself_alone(client: Any, settings: Settings) -> None:
    login = {"u": "anna", **proof(Passwords(settings.data).add("anna"))}
    user = client.get("/rest/getUser", params={"f": "json", "username": "anna", **login}).json()["subsonic-response"][
        "user"
    ]
    assert (user["username"], user["streamRole"], user["adminRole"], user["videoConversionRole"]) == (
        "anna",
        True,
        False,
        False,
    )
    assert code(client, "getUser", username="bob", **login) == 50
    assert code(client, "getUser", **login) == 10


def test_passwords_are_kept_encrypted(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path)
    first, second = passwords.add("anna"), passwords.add("bob@home")
    assert first != second
    assert len(first) >= 24
    for name in (FILE, KEY_FILE):
        assert first.encode() not in (tmp_path / name).read_bytes()
        if os.name == "posix":
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert Passwords(tmp_path).names() == ["anna", "bob@home"]
    with pytest.raises(UsageError, match="has a password already"):
        passwords.add("anna")
    with pytest.raises(UsageError, match="cannot be a name"):
        passwords.add("a/../b")
    with pytest.raises(UnknownNameError, match="no password for 'carl'"):
        passwords.remove("carl")
    with pytest.raises(UsageError, match="nor has anybody"):
        Passwords(tmp_path / "..").remove("anna")


def test_a_key_that_is_gone_is_said(tmp_path: Path, client: Any, settings: Settings) -> None:
    passwords = Passwords(settings.data)
    passwords.add("anna")
    key = settings.data / KEY_FILE
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        passwords.check("anna", "x", "y")
    with pytest.raises(InputError, match="cannot be read"):
        passwords.add("bob")  # under a new key anna's would be lost
    assert code(client, u="anna", **proof("x")) == 0
    key.write_bytes(kept[::-1])
    with pytest.raises(InputError, match="key of the app passwords"):
        passwords.check("anna", "x", "y")
    (settings.data / FILE).write_text('{"passwords": 3}')
    with pytest.raises(InputError, match="not as earmark writes it"):
        passwords.names()
