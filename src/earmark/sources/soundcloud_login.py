"""Tokens of SoundCloud: of the app for what is public, of a person who logs in for what is theirs; kept, renewed.

A key of an app needs a paid account (Artist Pro), one app per person: https://soundcloud.com/you/apps. The file of
tokens lies beside the file of secrets, for its owner alone.

References
----------
SoundCloud, API Guide, "Authentication": https://developers.soundcloud.com/docs/api/guide#authentication (OAuth 2.1;
tokens last about an hour; a token to renew with is good for once; 50 tokens of an app per 12 hours, 30 per hour and
address). RFC 7636 (PKCE), RFC 8252 (logging in from a program: the address 127.0.0.1), RFC 6749.
"""

import base64
import hashlib
import json
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from earmark.errors import InputError, SourceError, UsageError
from earmark.files import disk_errors, lock_for_writing, replacing
from earmark.sources.cache import DAY, Cache
from earmark.sources.http import Answer, Api, Text
from earmark.sources.loopback import is_token, listening
from earmark.sources.secrets import Secret, need_secret, secrets_path

SERVICE = "soundcloud"
LOGIN_URL = "https://secure.soundcloud.com"
LOGIN_VARIABLE = "EARMARK_SOUNDCLOUD_LOGIN_URL"
PORT = 8765  # of this machine, that the browser is sent to
APPS_PAGE = "https://soundcloud.com/you/apps"
WHY = f"SoundCloud gives one to those who pay for Artist Pro: {APPS_PAGE}"
USER, APP = "user", "app"
HOUR = 3600.0
_MARGIN = 60.0  # seconds before its end from which on a token is not used any more
_LOCK_SECONDS = 60.0
_AGAIN = "earmark sources login soundcloud"


@dataclass(frozen=True)
class Tokens:
    """What SoundCloud gave to ask with.

    Parameters
    ----------
    access : goes with each request
    refresh : renews it, once; None if there is none
    until : seconds since 1970 when `access` ends
    client : which app it was given to, as a checksum
    """

    access: Secret
    refresh: Secret | None
    until: float
    client: str


def tokens_path() -> Path:
    """Return where the tokens lie: beside the file of secrets."""
    return secrets_path().with_name("soundcloud_tokens.json")


def has_login() -> bool:
    """Return whether somebody is logged in here.

    Raises
    ------
    InputError
        If the file of tokens cannot be read, or others can read it.
    """
    return USER in _read()


def access_token(
    *, own: bool, rejected: Secret | None = None, api: Api | None = None, clock: Callable[[], float] = time.time
) -> Secret:
    """Return a token that is good for now: the one that is kept, a renewed one, or, for what is public, a new one.

    Parameters
    ----------
    own : of the person who is logged in; else of the app, which sees what is public
    rejected : a token that SoundCloud did not take, so that another is needed
    api : of https://secure.soundcloud.com
    clock : seconds since 1970

    Returns
    -------
    the token; what renews it next time is on the disk by then

    Raises
    ------
    InputError
        If the file of tokens cannot be read or written.
    SourceError
        If SoundCloud does not answer, or refuses the key.
    UsageError
        If there is no key, or nobody is logged in.
    """
    app = _App(api)
    kind = USER if own else APP
    found = _usable(_read().get(kind), app, rejected, clock())
    if found is not None:
        return found
    with _locked():
        kept = _read()
        found = _usable(kept.get(kind), app, rejected, clock())  # another process was quicker
        if found is not None:
            return found
        if kept:
            _write(kept)  # if that fails, the token to renew with is not spent yet
        tokens = _renewed(app, kept, clock) if own else _of_app(app, kept.get(APP), clock)
        _write({**kept, kind: tokens})
    return tokens.access


def login(
    show: Callable[[str], None],
    *,
    port: int = PORT,
    open_browser: bool = True,
    seconds: float = 300.0,
    api: Api | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Let a person log in with their browser, and keep the tokens.

    Parameters
    ----------
    show : is given the address to log in at
    port : of this machine; http://127.0.0.1:PORT/callback has to stand as the redirect URI of the app. 0 is a free one
    open_browser : open the address, too
    seconds : how long to wait
    api, clock : see `access_token`

    Raises
    ------
    SourceError
        If nobody logs in, SoundCloud does not answer, or refuses.
    UsageError
        If there is no key, or the port cannot be used.
    """
    app = _App(api)
    _read()  # if that fails, nobody has logged in for nothing
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    with listening("SoundCloud", port, state) as listener:
        redirect = listener.address
        address = authorize_address(app.base, app.client_id, redirect, challenge_of(verifier), state)
        show(address)
        if open_browser:
            import webbrowser

            webbrowser.open(address)
        hint = f"if SoundCloud showed an error, enter {redirect} as the redirect URI of the app: {APPS_PAGE}"
        code = listener.code(seconds, hint=hint)
    form: dict[str, Text] = {
        "grant_type": "authorization_code",
        "redirect_uri": redirect,
        "code_verifier": Secret(verifier),
        "code": code,
    }
    answer = app.ask(form | app.in_form())
    if not answer.ok:
        app.refuse(answer)
    tokens = app.tokens(answer, clock())
    with _locked():
        _write({**_read(), USER: tokens})
    Cache(SERVICE, DAY).forget("me")  # it may have been somebody else's


def logout() -> bool:
    """Delete the tokens, and what is kept of the person's own likes.

    Returns
    -------
    whether there were any tokens
    """
    Cache(SERVICE, DAY).forget("me")
    path = tokens_path()
    if not path.exists():
        return False
    with _locked(), disk_errors(path):
        path.unlink(missing_ok=True)
    return True


def challenge_of(verifier: str) -> str:
    """Return what is told of a secret before it is told itself (PKCE, S256).

    Examples
    --------
    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")  # RFC 7636, appendix B
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode("ascii").rstrip("=")


def authorize_address(base: str, client_id: Secret, redirect: str, challenge: str, state: str) -> str:
    """Return the address to log in at; it shows the client id, which is no secret there.

    Parameters
    ----------
    base : of SoundCloud's pages for logging in
    client_id : of the app
    redirect : where the browser is sent to, with a code
    challenge : see `challenge_of`
    state : comes back with the code
    """
    query = {
        "client_id": client_id.reveal(),
        "redirect_uri": redirect,
        "response_type": "code",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": state,
    }
    return f"{base.rstrip('/')}/authorize?{urlencode(query)}"


# The endpoint of tokens.


class _App:
    """The app's key, and what it can ask SoundCloud for."""

    def __init__(self, api: Api | None) -> None:
        self.api = api or Api("SoundCloud", os.environ.get(LOGIN_VARIABLE) or LOGIN_URL)
        self.base = self.api.base
        self.client_id = need_secret(SERVICE, "client_id", why=WHY)
        self.client_secret = need_secret(SERVICE, "client_secret", why=WHY)
        self.checksum = hashlib.sha256(self.client_id.reveal().encode()).hexdigest()[:16]

    def ask(self, form: Mapping[str, Text], headers: Mapping[str, Text] | None = None) -> Answer:
        """Ask for tokens; never twice, because codes and tokens to renew with are good for once."""
        return self.api.post("oauth/token", form, headers=headers, tries=1)

    def in_form(self) -> dict[str, Text]:
        """Return what says in a form which app asks."""
        return {"client_id": self.client_id, "client_secret": self.client_secret}

    def in_header(self) -> dict[str, Text]:
        """Return what says in a header which app asks (RFC 6749, 2.3.1)."""
        pair = f"{quote(self.client_id.reveal(), safe='')}:{quote(self.client_secret.reveal(), safe='')}"
        return {"Authorization": Secret("Basic " + base64.b64encode(pair.encode()).decode())}

    def tokens(self, answer: Answer, now: float) -> Tokens:
        """Read tokens out of an answer; without a time they are taken to last an hour, as the guide says."""
        plain = answer.data if isinstance(answer.data, dict) else {}
        access, refresh, seconds = plain.get("access_token"), plain.get("refresh_token"), plain.get("expires_in")
        if not is_token(access):
            raise SourceError("SoundCloud: the answer holds no token", hint="try again later")
        is_time = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 1e9
        until = now + (float(seconds) if is_time and seconds is not None else HOUR)
        return Tokens(Secret(access), Secret(refresh) if is_token(refresh) else None, until, self.checksum)

    def refuse(self, answer: Answer) -> NoReturn:
        """Say why there is no token."""
        reason = _reason(answer)
        if answer.status == 403:
            raise SourceError(
                f"SoundCloud gives this app no tokens (status 403{reason})",
                hint=f"keys work while the account is a paid Artist Pro one: {APPS_PAGE}",
            )
        if answer.status == 401 or "client" in reason:
            raise SourceError(
                f"SoundCloud refuses the client id or the client secret (status {answer.status}{reason})",
                hint=f"compare them with {APPS_PAGE}",
            )
        raise SourceError(f"SoundCloud gives no token (status {answer.status}{reason})", hint=_AGAIN)


def _renewed(app: _App, kept: Mapping[str, Tokens], clock: Callable[[], float]) -> Tokens:
    """Renew the tokens of the person who is logged in."""
    old = kept.get(USER)
    if old is None:
        raise UsageError("nobody is logged in to SoundCloud", hint=_AGAIN)
    tokens = _refreshed(app, old, clock) if old.client == app.checksum else None
    if tokens is None:
        _write({kind: tokens for kind, tokens in kept.items() if kind != USER})
        raise UsageError("the login to SoundCloud has ended", hint=_AGAIN)
    return tokens


def _of_app(app: _App, old: Tokens | None, clock: Callable[[], float]) -> Tokens:
    """Renew the tokens of the app; where that does not work, get new ones, of which there are few."""
    if old is not None and old.client == app.checksum:
        tokens = _refreshed(app, old, clock)
        if tokens is not None:
            return tokens
    answer = app.ask({"grant_type": "client_credentials"}, app.in_header())
    if not answer.ok:
        app.refuse(answer)
    return app.tokens(answer, clock())


def _refreshed(app: _App, old: Tokens, clock: Callable[[], float]) -> Tokens | None:
    """Renew tokens; None if that is not possible any more."""
    if old.refresh is None:
        return None
    form: dict[str, Text] = {"grant_type": "refresh_token", "refresh_token": old.refresh}
    answer = app.ask(form | app.in_form())
    if not answer.ok:
        if answer.status in (400, 401) and "client" not in _reason(answer):
            return None
        app.refuse(answer)
    tokens = app.tokens(answer, clock())
    return tokens if tokens.refresh is not None else Tokens(tokens.access, old.refresh, tokens.until, tokens.client)


def _reason(answer: Answer) -> str:
    """Return the code of an error, such as ", invalid_grant"; other texts of an answer are not repeated."""
    plain = answer.data if isinstance(answer.data, dict) else {}
    for name in ("error", "message", "error_code"):
        value = plain.get(name)
        if isinstance(value, str) and re.fullmatch(r"[a-z_]{3,40}", value):
            return f", {value}"
    return ""


# The file of tokens.


def _usable(kept: Tokens | None, app: _App, rejected: Secret | None, now: float) -> Secret | None:
    """Return a token that was kept, if it is of this app, not at its end, and not the one that was refused."""
    if kept is None or kept.client != app.checksum or not now < kept.until - _MARGIN:
        return None
    if rejected is not None and rejected.reveal() == kept.access.reveal():
        return None
    return kept.access


def _read() -> dict[str, Tokens]:
    """Read the tokens that are kept; a damaged file holds none."""
    path = tokens_path()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise InputError(f"{path}: others can read it, and it holds tokens", hint=f"chmod 600 {path}")
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(plain, dict):
        return {}
    return {kind: tokens for kind in (USER, APP) if (tokens := _tokens_of(plain.get(kind))) is not None}


def _tokens_of(plain: Any) -> Tokens | None:
    if not isinstance(plain, dict) or not is_token(plain.get("access")):
        return None
    refresh, until, client = plain.get("refresh"), plain.get("until"), plain.get("client")
    if not isinstance(until, int | float) or not isinstance(client, str):
        return None
    return Tokens(Secret(plain["access"]), Secret(str(refresh)) if is_token(refresh) else None, float(until), client)


def _write(tokens: Mapping[str, Tokens]) -> None:
    """Write the tokens, whole or not at all, for their owner alone."""
    plain = {
        kind: {
            "access": one.access.reveal(),
            "refresh": one.refresh.reveal() if one.refresh else None,
            "until": one.until,
            "client": one.client,
        }
        for kind, one in tokens.items()
    }
    path = tokens_path()
    with replacing(path, private=True) as file:
        file.write(json.dumps(plain).encode("ascii"))


@contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time renew tokens."""
    path = tokens_path().with_suffix(".lock")
    with disk_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        end = time.monotonic() + _LOCK_SECONDS
        while not lock_for_writing(file):
            if time.monotonic() > end:
                raise SourceError(f"{path}: another process has held it for {_LOCK_SECONDS:.0f} s", hint="try again")
            time.sleep(0.05)
        yield
