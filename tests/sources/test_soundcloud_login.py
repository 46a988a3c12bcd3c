"""Logging in to SoundCloud: tokens that are good for once, kept where only their owner sees them."""

import base64
import hashlib
import json
import os
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

import pytest

from earmark.errors import InputError, SourceError, UsageError
from earmark.sources import soundcloud_login
from earmark.sources.cache import DAY, Cache
from earmark.sources.http import Api
from earmark.sources.secrets import Secret
from earmark.sources.soundcloud_login import access_token, has_login, login, logout, tokens_path

from .conftest import Asked, Reply, Server


class Now:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_SOUNDCLOUD_CLIENT_ID", "my-app")
    monkeypatch.setenv("EARMARK_SOUNDCLOUD_CLIENT_SECRET", "hush-hush")


@pytest.fixture
def now() -> Now:
    return Now()


class Issuer:
    """Gives tokens as SoundCloud does: those to renew with are good for once."""

    def __init__(self) -> None:
        self.n = 0
        self.refresh: set[str] = set()
        self.challenge = ""
        self.lock = threading.Lock()

    def __call__(self, asked: Asked) -> Reply:
        form, kind = asked.form, asked.form.get("grant_type")
        with self.lock:
            if kind == "refresh_token":
                if form["refresh_token"] not in self.refresh:
                    return Reply({"code": 400, "message": "invalid_grant", "link": "https://x"}, status=400)
                self.refresh.remove(form["refresh_token"])
            if kind == "authorization_code":
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                if base64.urlsafe_b64encode(digest).decode().rstrip("=") != self.challenge:
                    return Reply({"error": "invalid_grant"}, status=400)
            self.n += 1
            self.refresh.add(f"r{self.n}")
            return Reply(
                {"access_token": f"a{self.n}", "refresh_token": f"r{self.n}", "expires_in": 3599,
                 "scope": "", "token_type": "bearer"}
            )  # fmt: skip


@pytest.fixture
def issuer(server: Server) -> Issuer:
    made = Issuer()
    server.answers["/oauth/token"] = made
    return made


def browser(address: str, **changed: str) -> None:
    """Do what a browser does once the person has said yes, and what else may come to that port."""
    query = dict(parse_qsl(urlsplit(address).query))
    back = query["redirect_uri"]

    def go() -> None:
        for path in (back.replace("/callback", "/favicon.ico"), f"{back}?code=evil&state=guess", f"{back}?code=evil"):
            with pytest.raises(HTTPError) as caught:
                urlopen(path, timeout=5)
            caught.value.close()
        answer = {"code": "the-code", "state": query["state"]} | changed
        with urlopen(back + "?" + "&".join(f"{k}={v}" for k, v in answer.items()), timeout=5) as page:
            page.read()

    threading.Thread(target=go, daemon=True).start()


def log_in(issuer: Issuer, api: Api, now: Now, shown: list[str] | None = None) -> None:
    def show(address: str) -> None:
        issuer.challenge = dict(parse_qsl(urlsplit(address).query))["code_challenge"]
        if shown is not None:
            shown.append(address)
        browser(address)

    login(show, port=0, open_browser=False, seconds=5, api=api, clock=now)


def test_a_token_of_the_app_is_kept_until_its_end(server: Server, api: Api, issuer: Issuer, now: Now) -> None:
    assert access_token(own=False, api=api, clock=now).reveal() == "a1"
    [asked] = server.asked
    assert asked.form == {"grant_type": "client_credentials"}
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"my-app:hush-hush").decode()
    now.seconds += 3500
    assert access_token(own=False, api=api, clock=now).reveal() == "a1"
    assert len(server.asked) == 1
    now.seconds += 60  # so close to its end it is renewed, which costs none of the 50 tokens per 12 hours
    assert access_token(own=False, api=api, clock=now).reveal() == "a2"
    assert server.asked[1].form["grant_type"] == "refresh_token"
    issuer.refresh.clear()
    now.seconds += 4000
    assert access_token(own=False, api=api, clock=now).reveal() == "a3"
    assert [a.form["grant_type"] for a in server.asked[2:]] == ["refresh_token", "client_credentials"]


def test_logging_in(server: Server, api: Api, issuer: Issuer, now: Now) -> None:
    shown: list[str] = []
    Cache("soundcloud", DAY).put("me", "likes", "of somebody else")
    assert not has_login()
    log_in(issuer, api, now, shown)
    address = urlsplit(shown[0])
    query = dict(parse_qsl(address.query))
    assert address.path == "/authorize"
    assert (query["client_id"], query["response_type"], query["code_challenge_method"]) == ("my-app", "code", "S256")
    assert len(query["state"]) >= 43
    assert "hush-hush" not in shown[0]
    [asked] = server.asked
    assert asked.form["code"] == "the-code"  # not the one that came with a guessed state
    assert asked.form["redirect_uri"] == query["redirect_uri"]
    assert 43 <= len(asked.form["code_verifier"]) <= 128
    assert has_login()
    assert access_token(own=True, api=api, clock=now).reveal() == "a1"
    assert Cache("soundcloud", DAY).get("me", "likes") is None
    assert logout()
    assert not has_login()
    assert not tokens_path().exists()
    assert not logout()


def test_the_browser_is_opened(
    api: Api, issuer: Issuer, now: Now, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    def opened(address: str) -> bool:
        issuer.challenge = dict(parse_qsl(urlsplit(address).query))["code_challenge"]
        browser(address)
        return True

    monkeypatch.setattr("webbrowser.open", opened)
    login(lambda _: None, port=0, seconds=5, api=api, clock=now)
    assert has_login()


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"error": "access_denied"}, "not given \\(access_denied\\)"), ({"error": "<b>%0a"}, "not given \\(refused\\)")],
)
def test_a_login_that_is_refused(api: Api, issuer: Issuer, changed: dict[str, str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        login(lambda address: browser(address, **changed), port=0, open_browser=False, seconds=5, api=api)
    assert not has_login()


def test_nobody_comes(api: Api) -> None:
    with pytest.raises(SourceError, match=r"nobody logged in within 0\.05 s") as caught:
        login(lambda _: None, port=0, open_browser=False, seconds=0.05, api=api)
    assert "/callback as the redirect URI" in str(caught.value.hint)


def test_a_connection_that_says_nothing_keeps_nobody_out(api: Api, issuer: Issuer, now: Now) -> None:
    silent: list[socket.socket] = []

    def show(address: str) -> None:
        query = dict(parse_qsl(urlsplit(address).query))
        issuer.challenge = query["code_challenge"]
        silent.append(socket.create_connection(("127.0.0.1", urlsplit(query["redirect_uri"]).port or 0)))
        browser(address)

    login(show, port=0, open_browser=False, seconds=4, api=api, clock=now)
    assert has_login()
    silent[0].close()


def test_a_port_that_is_taken(api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot be used"):
        login(lambda _: None, port=taken.getsockname()[1], open_browser=False, api=api)
    with pytest.raises(UsageError, match="no port 70000"):
        login(lambda _: None, port=70000, open_browser=False, api=api)


def test_what_renews_next_is_on_the_disk_before_the_token_is_used(
    server: Server, api: Api, issuer: Issuer, now: Now
) -> None:
    log_in(issuer, api, now)
    now.seconds += 4000
    token = access_token(own=True, api=api, clock=now)
    assert token.reveal() == "a2"
    kept = json.loads(tokens_path().read_text())["user"]
    assert (kept["access"], kept["refresh"]) == ("a2", "r2")
    now.seconds += 4000
    assert access_token(own=True, api=api, clock=now).reveal() == "a3"


def test_nothing_is_spent_where_nothing_can_be_written(
    server: Server, api: Api, issuer: Issuer, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(issuer, api, now)
    now.seconds += 4000

    def full(_: object) -> None:
        raise InputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(soundcloud_login, "_write", full)
        with pytest.raises(InputError, match="the disk is full"):
            access_token(own=True, api=api, clock=now)
    assert len(server.asked) == 1
    assert access_token(own=True, api=api, clock=now).reveal() == "a2"


def test_many_at_once_renew_once(server: Server, issuer: Issuer, api: Api, now: Now) -> None:
    log_in(issuer, api, now)
    now.seconds += 4000
    got: list[str] = []
    workers = [
        threading.Thread(target=lambda: got.append(access_token(own=True, api=api, clock=now).reveal()))
        for _ in range(5)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert got == ["a2"] * 5
    assert len(server.asked) == 2


def test_a_token_that_was_refused_is_renewed(server: Server, api: Api, issuer: Issuer, now: Now) -> None:
    log_in(issuer, api, now)
    first = access_token(own=True, api=api, clock=now)
    assert access_token(own=True, rejected=first, api=api, clock=now).reveal() == "a2"
    assert access_token(own=True, rejected=first, api=api, clock=now).reveal() == "a2"
    assert len(server.asked) == 2


def test_a_login_that_has_ended_says_what_to_do(server: Server, api: Api, issuer: Issuer, now: Now) -> None:
    with pytest.raises(UsageError, match="nobody is logged in") as caught:
        access_token(own=True, api=api, clock=now)
    assert caught.value.hint == "earmark sources login soundcloud"
    log_in(issuer, api, now)
    access_token(own=False, api=api, clock=now)
    issuer.refresh.clear()
    now.seconds += 4000
    with pytest.raises(UsageError, match="login to SoundCloud has ended"):
        access_token(own=True, api=api, clock=now)
    assert not has_login()
    assert "app" in json.loads(tokens_path().read_text())


def test_tokens_of_another_app_are_not_used(
    api: Api, issuer: Issuer, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(issuer, api, now)
    assert access_token(own=False, api=api, clock=now).reveal() == "a2"
    monkeypatch.setenv("EARMARK_SOUNDCLOUD_CLIENT_ID", "another-app")
    assert access_token(own=False, api=api, clock=now).reveal() == "a3"
    with pytest.raises(UsageError, match="has ended"):
        access_token(own=True, api=api, clock=now)


REFUSALS = [
    (Reply({"code": 401, "message": "invalid_client"}, status=401), "client id or the client secret.*invalid_client"),
    (Reply({"error": "invalid_client"}, status=400), "client id or the client secret"),
    (Reply(b"<html>", status=403), "gives this app no tokens"),
    (Reply({"error": "my hush-hush is \x1b[2J"}, status=400), r"gives no token \(status 400\)"),
    (Reply({"access_token": 7}), "holds no token"),
    (Reply({"access_token": "a b\r\nX: y"}), "holds no token"),
    (Reply([]), "holds no token"),
    (Reply(b"{"), "no JSON"),
    (Reply(status=503), "HTTP status 503"),
    (Reply(status=429, headers={"Retry-After": "7200"}), "120 minutes without requests"),
]


@pytest.mark.parametrize(("reply", "message"), REFUSALS)
def test_refusals_in_words_and_without_secrets(server: Server, api: Api, now: Now, reply: Reply, message: str) -> None:
    server.answers["/oauth/token"] = reply
    with pytest.raises(SourceError, match=message) as caught:
        access_token(own=False, api=api, clock=now)
    shown = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint) + repr(api)
    assert "hush-hush" not in shown
    assert base64.b64encode(b"my-app:hush-hush").decode() not in shown
    assert len(server.asked) == 1


def test_odd_times_count_as_an_hour(server: Server, api: Api, now: Now) -> None:
    for seconds in (None, "soon", True, -5, 1e30):
        server.answers["/oauth/token"] = Reply({"access_token": "a", "expires_in": seconds})
        now.seconds += 4000
        access_token(own=False, api=api, clock=now)
        assert json.loads(tokens_path().read_text())["app"]["until"] == now.seconds + 3600


def test_without_a_key_it_says_where_to_get_one(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    monkeypatch.delenv("EARMARK_SOUNDCLOUD_CLIENT_SECRET")
    with pytest.raises(UsageError, match="Artist Pro") as caught:
        access_token(own=False, api=api)
    assert "EARMARK_SOUNDCLOUD_CLIENT_SECRET" in str(caught.value.hint)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_the_file_is_for_its_owner_alone(api: Api, issuer: Issuer, now: Now) -> None:
    log_in(issuer, api, now)
    assert tokens_path().stat().st_mode & 0o777 == 0o600
    assert "hush-hush" not in tokens_path().read_text()
    tokens_path().chmod(0o644)
    with pytest.raises(InputError, match="others can read it") as caught:
        access_token(own=True, api=api, clock=now)
    assert "chmod 600" in str(caught.value.hint)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"user": 1}', '{"user": {"access": "a"}}', "\x00"])
def test_a_damaged_file_holds_no_login(content: str) -> None:
    tokens_path().write_text(content)
    tokens_path().chmod(0o600)
    assert not has_login()


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EARMARK_SECRETS", str(tmp_path / "file" / "secrets.toml"))
    with pytest.raises(InputError, match=r"cannot be (read|written)"):
        access_token(own=False, api=api)


def test_a_lock_that_is_held_too_long(api: Api, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundcloud_login, "_LOCK_SECONDS", 0.1)
    monkeypatch.setattr(soundcloud_login, "lock_for_writing", lambda _: False)
    with pytest.raises(SourceError, match="another process has held it"):
        access_token(own=False, api=api)


def test_tokens_do_not_show_themselves(api: Api, issuer: Issuer, now: Now) -> None:
    log_in(issuer, api, now)
    token: Any = access_token(own=True, api=api, clock=now)
    assert isinstance(token, Secret)
    read: Callable[[], Any] = soundcloud_login._read
    assert "a1" not in repr(token) + repr(read())
