"""`earmark sources`: what a service needs and has, logging in and out, forgetting; no key is ever shown."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

import pytest
import typer

from earmark.cli import sources
from earmark.errors import InputError, UsageError
from earmark.sources import soundcloud_login
from earmark.sources.cache import DAY, Cache
from earmark.sources.soundcloud_login import has_login, tokens_path

from ..sources.conftest import Reply, Server

KEYS = {
    "LASTFM_KEY": "k-1",
    "SOUNDCLOUD_CLIENT_ID": "k-2",
    "SOUNDCLOUD_CLIENT_SECRET": "k-3",
    "JAMENDO_CLIENT_ID": "k-4",
}
Call = Callable[..., tuple[str, str]]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_SECRETS", str(tmp_path / "secrets.toml"))
    for name in (*KEYS, "LISTENBRAINZ_TOKEN"):
        monkeypatch.delenv(f"EARMARK_{name}", raising=False)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(f"EARMARK_{name}", value)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the group as a program of its own; return what stands on stdout and stderr."""
    program = typer.Typer()
    sources.register(program)

    @program.command("other")
    def other() -> None: ...

    def run(*arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        typer.main.get_command(program).main(["sources", *arguments], standalone_mode=False)
        return tuple(capsys.readouterr())  # type: ignore[return-value]

    return run


def rows(text: str) -> dict[str, list[str]]:
    return {line.split("\t")[0]: line.split("\t")[1:] for line in text.splitlines()}


def test_what_is_needed(call: Call) -> None:
    out, _ = call()
    found = rows(out)
    assert list(found) == ["listenbrainz", "lastfm", "soundcloud", "jamendo"]
    assert found["listenbrainz"][:4] == ["not needed", "-", "0", ""]
    assert found["lastfm"][:2] == ["no key", "-"]
    assert found["soundcloud"][:2] == ["no client_id, client_secret", "no"]
    assert "Artist Pro" in found["soundcloud"][4]
    assert found["jamendo"][0] == "no client_id"


def test_keys_are_told_of_and_not_shown(call: Call, keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_LISTENBRAINZ_TOKEN", "k-5")
    plain, _ = call()
    assert {line[0] for line in rows(plain).values()} == {"set"}
    out, _ = call("--json")
    listed = [json.loads(line) for line in out.splitlines()]
    assert all(row["ready"] and all(key["set"] for key in row["keys"]) for row in listed)
    assert listed[2]["keys"][1] == {
        "name": "client_secret",
        "variable": "EARMARK_SOUNDCLOUD_CLIENT_SECRET",
        "required": True,
        "set": True,
    }
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    table, words = call()
    assert table.splitlines()[0].split() == ["service", "key", "login", "kept", "until", "needs"]
    assert "secrets.toml" in words
    assert not any(value in plain + out + table + words for value in (*KEYS.values(), "k-5"))


def test_what_is_kept_and_until_when(call: Call) -> None:
    Cache("lastfm", DAY).put("anna", "likes", 1)
    Cache("lastfm", 3 * DAY).put("berta", "likes", 1)
    Cache("jamendo", DAY, clock=lambda: 1000.0).put("anna", "likes", 1)
    out, _ = call("--json")
    listed = {row["service"]: row for row in map(json.loads, out.splitlines())}
    assert listed["lastfm"]["n_kept"] == 2
    assert listed["lastfm"]["kept_until"] == pytest.approx(time.time() + 3 * DAY, abs=60)
    assert (listed["jamendo"]["n_kept"], listed["jamendo"]["kept_until"]) == (0, None)
    assert rows(call()[0])["lastfm"][2] == "2"
    assert rows(call()[0])["lastfm"][3].startswith("20")


@pytest.mark.parametrize(
    ("service", "user"),
    [
        ("listenbrainz", " Anna "),
        ("lastfm", "ANNA"),
        ("soundcloud", "soundcloud.com/anna"),
        ("jamendo", "Anna"),
    ],
)
def test_forgetting(call: Call, service: str, user: str) -> None:
    for listener in ("anna", "berta", "carla"):
        Cache(service, DAY).put(listener, "likes", 1)
    assert f"1 answer of {service} of {user} deleted" in call("forget", service, user)[1]
    assert Cache(service, DAY).get("anna", "likes") is None
    assert Cache(service, DAY).get("berta", "likes") == 1
    assert f"2 answers of {service} deleted" in call("forget", service)[1]
    assert f"0 answers of {service} deleted" in call("forget", service)[1]


def test_forgetting_what_is_no_name(call: Call) -> None:
    with pytest.raises(InputError, match="no name of a SoundCloud user"):
        call("forget", "soundcloud", "a b")
    with pytest.raises(typer.BadParameter.__mro__[1], match="spotify"):
        call("forget", "spotify")


@pytest.fixture
def soundcloud(monkeypatch: pytest.MonkeyPatch, keys: None) -> Any:
    server = Server()
    monkeypatch.setenv("EARMARK_SOUNDCLOUD_LOGIN_URL", server.url)
    server.answers["/oauth/token"] = Reply({"access_token": "a-1", "refresh_token": "r-1", "expires_in": 3599})
    yield server
    server.close()


def come_back(address: str) -> bool:
    query = dict(parse_qsl(urlsplit(address).query))

    def go() -> None:
        with urlopen(f"{query['redirect_uri']}?code=c-1&state={query['state']}", timeout=5) as page:
            page.read()

    threading.Thread(target=go, daemon=True).start()
    return True


def test_logging_in_and_out(call: Call, soundcloud: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", come_back)
    _, words = call("login", "soundcloud", "--port", "0")
    assert f"{soundcloud.url}/authorize?client_id=k-2&redirect_uri=http%3A%2F%2F127.0.0.1%3A" in words
    assert "your likes are now soundcloud:me" in words
    assert not any(secret in words for secret in ("k-3", "a-1", "r-1", "c-1"))
    assert has_login()
    assert rows(call()[0])["soundcloud"][:2] == ["set", "yes"]
    assert "logged out of soundcloud" in call("logout", "soundcloud")[1]
    assert not tokens_path().exists()
    assert "there was no login" in call("logout", "soundcloud")[1]


def test_logging_in_without_a_browser(call: Call, soundcloud: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("no browser was asked for"))
    monkeypatch.setattr("earmark.cli.output.note", lambda text: come_back(text.split("\n")[1]) if "\n" in text else 0)
    call("login", "soundcloud", "--port", "0", "--no-browser")
    assert has_login()


def test_the_port(call: Call, soundcloud: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []
    monkeypatch.setattr(soundcloud_login, "login", lambda _, *, port, open_browser: ports.append(port))
    call("login", "soundcloud")
    call("login", "soundcloud", "--port", "9000")
    assert ports == [soundcloud_login.PORT, 9000]
    assert str(soundcloud_login.PORT) in sources.Port.__metadata__[0].help


def test_a_port_that_is_taken(call: Call, soundcloud: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot be used"):
        call("login", "soundcloud", "--no-browser", "--port", str(taken.getsockname()[1]))


def test_logging_in_needs_a_key(call: Call) -> None:
    with pytest.raises(UsageError, match="Artist Pro"):
        call("login", "soundcloud", "--no-browser")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_file_of_secrets_that_others_can_read(call: Call, tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_text("[lastfm]\nkey = 'k'\n")
    (tmp_path / "secrets.toml").chmod(0o644)
    with pytest.raises(InputError, match="others can read it"):
        call()


def test_help_loads_no_client() -> None:
    code = "import sys, earmark.cli.sources; sys.exit(any(name.startswith('earmark.sources.') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
