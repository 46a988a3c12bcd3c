"""Who may ask: on this machine whoever does not come from somewhere else, from elsewhere whoever shows a token.

On a loopback address there is no token, so that pages of other sites, which a browser on this machine shows, must not
be able to ask: not under a name that suddenly leads here (the header Host), nor from their own origin (Origin,
Sec-Fetch-Site), nor through a proxy that passes strangers on.
"""

import ipaddress
import logging
import re
import time
from urllib.parse import quote, unquote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.errors import EarmarkError
from earmark.service.errors import NoToken, Refused, RequestError, defect, problem
from earmark.service.limits import RateLimit, address_of, header
from earmark.service.settings import Settings
from earmark.service.tokens import Tokens

OPEN = ("/healthz", "/")
"""Pages that everybody may see, and that no limit counts."""
OPEN_FILES = re.compile(r"/page/[a-z]+\.(?:js|css|svg|html)")
"""Files of the page, likewise: they say nothing of the music, and ask for a token."""
COOKIE = "earmark-token"
"""Where a browser keeps a token; a header with one goes before it."""
OWN_KEYS = ("/rest/",)
"""Where keys of another form are asked for by what answers there, on every address."""
JELLYFIN = ("/AudioMuseAI/",)
"""Where clients of Jellyfin ask, which show a token in their own way, too."""
_TOKEN = re.compile(r'(?:^|[\s,])token\s*=\s*"([^"]{1,200})"', re.IGNORECASE)
ACCESS = logging.getLogger("earmark.service.access")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PROXY = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class Guard:
    """Refuses requests that may not be answered; ASGI middleware.

    Parameters
    ----------
    app : what answers
    settings : of the service
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._tokens = Tokens(settings.data)
        self._rate = RateLimit(settings.rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = _Answer(scope, send)
        try:
            self._check(scope)
        except EarmarkError as error:
            await _refuse(error, scope, receive, exchange.send)
        else:
            try:
                await self._app(scope, receive, exchange.send)
            except Exception as error:  # noqa: BLE001 (logged; the client learns that it was not its fault)
                answer = problem(error) if isinstance(error, EarmarkError) else defect(error)
                if not exchange.status and scope["type"] == "http":  # else the answer has begun, and ends here
                    await answer(scope, receive, exchange.send)
        finally:
            exchange.log()

    def _check(self, scope: Scope) -> None:
        path = scope["path"]
        state = scope.setdefault("state", {})
        state["client"] = address_of(scope)
        if self._settings.is_local:
            _check_host(scope)
        is_own = path.startswith(OWN_KEYS)
        if not is_own:
            _check_origin(scope)
        if path in OPEN or OPEN_FILES.fullmatch(path):
            return
        name, state["token"] = (None, None) if is_own else self._client(scope)
        state["client"] = f"token {name}" if name else state["client"]
        self._rate.check(state["client"])
        if name is None and not is_own and self._needs_token(scope):
            raise NoToken("this service needs a token", hint="send the header 'Authorization: Bearer TOKEN'; whoever "
                          "runs the service makes one: earmark serve token add NAME")  # fmt: skip

    def _needs_token(self, scope: Scope) -> bool:
        return not self._settings.is_local or any(key in _PROXY for key, _ in scope.get("headers", ()))

    def _client(self, scope: Scope) -> tuple[str | None, str | None]:
        """Return the name of the token that is shown, and the token; None if none is.

        A cookie with one that is not known counts as none: another service on this machine may have set it.

        Raises
        ------
        NoToken
            If it is none of this service's.
        TooOften
            If too many wrong ones were shown.
        """
        token = _token_in(scope)
        if not token:
            kept = _token_in_cookie(scope)
            name = self._tokens.check(kept) if kept else None
            return (name, kept) if name else (None, None)
        name = self._tokens.check(token)
        if name is None:
            self._rate.check(address_of(scope))
            raise NoToken("the token is none of this service's", hint="earmark serve token list shows which there are")
        return name, token


def is_secure(scope: Scope) -> bool:
    """Tell whether a browser talks to the service, or to the proxy before it, over TLS."""
    return scope.get("scheme") == "https" or header(scope, b"x-forwarded-proto").lower() == "https"


def _token_in_cookie(scope: Scope) -> str:
    for one in header(scope, b"cookie").split(";"):
        name, _, value = one.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _token_in(scope: Scope) -> str:
    """Return the token that a request shows, "" if it shows none."""
    kind, _, rest = header(scope, b"authorization").partition(" ")
    token = rest.strip() if kind.lower() == "bearer" else header(scope, b"x-api-key")
    return token or (_token_of_player(scope) if scope["path"].startswith(JELLYFIN) else "")


def _token_of_player(scope: Scope) -> str:
    """Return the token that a client of Jellyfin shows.

    References
    ----------
    https://gist.github.com/nielsvanvelzen/ea047d9028f676185832e51ffaf12a6f (Jellyfin API Authorization)
    """
    for name in (b"authorization", b"x-emby-authorization"):
        kind, _, rest = header(scope, name).partition(" ")
        if kind.lower() in ("mediabrowser", "emby") and (found := _TOKEN.search(rest)):
            return unquote(found[1])
    return header(scope, b"x-emby-token") or header(scope, b"x-mediabrowser-token")


def _check_host(scope: Scope) -> None:
    """Refuse names that may lead here from a page of another site."""
    given = header(scope, b"host")
    if not is_loopback(given):
        raise Refused(
            f"this service is not called {given!r}" if given else "the request names no host",
            hint="open it as 127.0.0.1 or localhost; to be reached under other names it has to listen there: "
            "earmark serve --host 0.0.0.0, and a token",
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host, with or without a port, is this machine itself.

    Examples
    --------
    >>> is_loopback("localhost:8337"), is_loopback("[::1]"), is_loopback("127.0.0.1.example.com")
    (True, True, False)
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if "@" in host:
            return False
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_origin(scope: Scope) -> None:
    """Refuse what a page of another site lets the browser ask for."""
    site, mode = header(scope, b"sec-fetch-site").lower(), header(scope, b"sec-fetch-mode").lower()
    is_safe = scope["type"] == "http" and scope["method"] in _SAFE
    refused = Refused("the request comes from a page of another site", hint="open the service itself in the browser")
    if site in ("cross-site", "same-site") and not (is_safe and mode == "navigate"):
        raise refused
    origin = header(scope, b"origin")
    if origin and not is_safe:
        host = header(scope, b"host").lower()
        try:
            is_own = urlsplit(origin).netloc.lower() == host
        except ValueError:  # no address, such as "http://["
            is_own = False
        if not host or not is_own:
            raise refused


async def _refuse(error: EarmarkError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:100]})
        return
    answer = problem(error) if isinstance(error, RequestError) else defect(error)
    await answer(scope, receive, send)


class _Answer:
    """Adds what every answer says to browsers, and remembers what was answered."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._begun = time.perf_counter()
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            known = {key.lower() for key, _ in message.get("headers", ())}
            message = {
                **message,
                "headers": [*message.get("headers", ()), *(pair for pair in _HEADERS if pair[0] not in known)],
            }
        await self._send(message)

    def log(self) -> None:
        """Say what was answered; never what stood after the question mark, or in headers."""
        client = self._scope.get("state", {}).get("client", "")
        ACCESS.info(
            "%s %s %s %d %.0f ms", client, self._scope.get("method", "WS"), quote(self._scope["path"]), self.status,
            1000 * (time.perf_counter() - self._begun),
        )  # fmt: skip
