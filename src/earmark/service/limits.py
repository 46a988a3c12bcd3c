"""Limits of requests: how often a client may ask, how much it may send, how long an answer may take."""

import asyncio
import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.errors import EarmarkError
from earmark.service.errors import Gone, TookTooLong, TooLarge, TooOften, TwoEnds, problem
from earmark.service.settings import MIB

MOST_PLAIN = MIB
"""Bytes of a request that uploads no file."""
LEAST_RATE = 64 * 1024
"""Bytes a second that an upload has to bring, beyond the time that every request has."""
_FORM = 64 * 1024  # bytes that a form adds to the file in it
_MOST_CLIENTS = 10_000


class RateLimit:
    """How often each client may ask: a bucket of requests that fills again evenly.

    Parameters
    ----------
    rate : requests a minute, on average; 0 for no limit. So many may come at once, if none came for a minute
    clock : seconds, which never go back

    Examples
    --------
    >>> now = [0.0]
    >>> limit = RateLimit(2, clock=lambda: now[0])
    >>> limit.take("a"), limit.take("a"), limit.take("a"), limit.take("b")
    (0, 0, 30, 0)
    >>> now[0] = 30.0
    >>> limit.take("a")
    0
    """

    def __init__(self, rate: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, at what time
        self._lock = threading.Lock()

    def take(self, client: str) -> int:
        """Count a request of a client; return 0, or the seconds after which it may ask again."""
        if not self._rate:
            return 0
        now = self._clock()
        with self._lock:
            left, then = self._buckets.pop(client, (float(self._rate), now))
            left = min(float(self._rate), left + (now - then) * self._rate / 60)
            wait = 0 if left >= 1 else math.ceil((1 - left) * 60 / self._rate)
            self._buckets[client] = (left if wait else left - 1, now)
            if len(self._buckets) > _MOST_CLIENTS:
                self._buckets.popitem(last=False)
        return wait

    def check(self, client: str) -> None:
        """Count a request of a client.

        Raises
        ------
        TooOften
            If it asks more often than it may.
        """
        wait = self.take(client)
        if wait:
            hint = f"ask again in {wait} s; {self._rate} requests a minute are answered"
            raise TooOften("too many requests", hint=hint, retry_after=wait)


def address_of(scope: Scope) -> str:
    """Return where a request comes from; of IPv6 the network, in which one client has all addresses.

    Examples
    --------
    >>> address_of({"client": ("192.0.2.7", 5000)}), address_of({"client": ("2001:db8::7", 5000)}), address_of({})
    ('192.0.2.7', '2001:db8::/64', 'unknown')
    """
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return str(client[0])
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network(f"{address}/64", strict=False))


class Limits:
    """Gives requests up that send too much or take too long; ASGI middleware.

    Parameters
    ----------
    app : what answers
    most_upload : bytes of a form with a file; other requests may hold `MOST_PLAIN`
    timeout : seconds until the answer begins. What a client sends adds to it, `LEAST_RATE` bytes a second: long uploads
        go through, and those that hardly move do not
    """

    def __init__(self, app: ASGIApp, *, most_upload: int, timeout: float) -> None:
        self._app, self._most_upload, self._timeout = app, most_upload, timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._most(scope), self._timeout)
        error: EarmarkError
        try:
            exchange.check_announced(scope)
            async with asyncio.timeout(self._timeout) as exchange.deadline:
                await self._app(scope, exchange.receive, exchange.send)
            if exchange.too_large is None or exchange.has_begun:
                return
            error = exchange.too_large  # whatever the app made of it
        except (TooLarge, TwoEnds) as refused:
            error = refused
        except TimeoutError:
            if exchange.deadline is None or not exchange.deadline.expired():
                raise  # another one, of what the app did
            error = exchange.late()
        if exchange.has_begun:
            raise error  # nothing can be said any more: the connection is cut
        await problem(error)(scope, receive, send)

    def _most(self, scope: Scope) -> int:
        kind = header(scope, b"content-type").partition(";")[0].strip().lower()
        return self._most_upload + _FORM if kind == "multipart/form-data" else MOST_PLAIN


class _Exchange:
    """What goes back and forth in one request."""

    def __init__(self, receive: Receive, send: Send, most: int, timeout: float) -> None:
        self._receive, self._send, self._most, self._timeout = receive, send, most, timeout
        self.deadline: asyncio.Timeout | None = None
        self.has_begun = False
        self._begun = time.monotonic()
        self._n_bytes = 0
        self._has_all = False
        self.too_large: TooLarge | None = None

    def check_announced(self, scope: Scope) -> None:
        """Refuse a request that says itself that it is too large, or says twice where it ends."""
        announced = header(scope, b"content-length")
        if announced and header(scope, b"transfer-encoding"):
            raise TwoEnds("the request has both a Content-Length and a Transfer-Encoding", hint="send one of them")
        if announced.isdecimal() and int(announced[:20]) > self._most:
            raise self._larger()

    def _larger(self) -> TooLarge:
        most = f"{self._most / MIB:.0f} MiB"
        return TooLarge(f"the request is too large: at most {most} are taken here", hint="split it, or send less")

    def late(self) -> EarmarkError:
        """Say who was late."""
        if not self._has_all and self._n_bytes:
            return Gone("the rest of the request did not come in time", hint="send it again over a faster connection")
        seconds = f"{self._timeout:g} s"
        return TookTooLong(f"no answer within {seconds}", hint="ask for less, or let a job do it: POST /v1/jobs")

    async def receive(self) -> Message:
        """Receive a part of the request."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._n_bytes += len(message.get("body", b""))
            self._has_all = not message.get("more_body", False)
            if self._n_bytes > self._most:
                self.too_large = self._larger()
                raise self.too_large
            if self.deadline is not None and not self.has_begun and not self.deadline.expired():
                seconds = self._timeout + self._n_bytes / LEAST_RATE - (time.monotonic() - self._begun)
                self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; from its begin on it may take its time."""
        if self.too_large is not None and not self.has_begun:
            return  # another answer is given
        if message["type"] == "http.response.start" and not self.has_begun:
            self.has_begun = True
            if self.deadline is not None and not self.deadline.expired():
                self.deadline.reschedule(None)
        await self._send(message)


def header(scope: Scope, name: bytes) -> str:
    """Return a header of a request, the first of its name; "" if there is none."""
    for key, value in scope.get("headers", ()):
        if key == name:
            return bytes(value).decode("latin-1").strip()
    return ""
