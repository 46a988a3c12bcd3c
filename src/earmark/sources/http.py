"""Ask a service that answers in JSON: politely, in time, again where that helps, and without telling secrets."""

import http.client
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from earmark._version import __version__
from earmark.assets import is_offline
from earmark.errors import SourceError
from earmark.files import disk_errors
from earmark.sources.secrets import Secret

Text = str | Secret
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
MOST_BYTES = 1 << 25
MOST_REDIRECTS = 5
LONGEST_WAIT = 120.0  # seconds that a service may ask to wait; longer ones are told to the user
_BLOCK = 1 << 16
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Answer:
    """What a service answered.

    Parameters
    ----------
    status : of HTTP
    data : what the JSON holds; None of an empty answer
    headers : names in lower case
    url : that answered, without its query
    """

    status: int
    data: Any
    headers: Mapping[str, str]
    url: str

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


@dataclass
class Api:
    """A service that is asked over HTTP.

    Parameters
    ----------
    name : in messages, such as "Last.fm"
    base : its address; what is asked for stands behind it
    min_interval : seconds between two requests
    timeout : seconds until an answer has come whole
    tries : how often a request is made that fails for a while: no connection, status 408, 429 or 5xx, broken JSON
    is_transient : further answers that are worth another try
    sleep, clock, draw : of time, seconds; a number in [0, 1)
    """

    name: str
    base: str
    min_interval: float = 0.0
    timeout: float = 30.0
    tries: int = 5
    is_transient: Callable[[Answer], bool] | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    _free_at: float = field(default=0.0, init=False)

    def get(
        self, path: str, query: Mapping[str, Text] | None = None, *, headers: Mapping[str, Text] | None = None
    ) -> Answer:
        """Ask for something.

        Parameters
        ----------
        path : behind the address of the service; or a whole address, such as one that leads to a next page
        query : what stands behind the question mark
        headers : of the request; they are not sent to another host than the one asked

        Returns
        -------
        the answer, also where its status says that there is an error that another try does not mend

        Raises
        ------
        SourceError
            If there is no answer, or none that is JSON; no message holds a query or a header.
        """
        return self._ask("GET", path, query or {}, None, headers or {})

    def post(
        self,
        path: str,
        form: Mapping[str, Text],
        *,
        headers: Mapping[str, Text] | None = None,
        tries: int | None = None,
    ) -> Answer:
        """Send a form; see `get`.

        Parameters
        ----------
        tries : 1 for what must not be sent twice
        """
        return self._ask("POST", path, {}, urlencode(_revealed(form)).encode("ascii"), headers or {}, tries)

    def fetch(
        self,
        path: str,
        sink: BinaryIO,
        *,
        headers: Mapping[str, Text] | None = None,
        most_bytes: int = MOST_BYTES,
        timeout: float = 600.0,
    ) -> Answer:
        """Fetch a file, such as audio; see `get`.

        Parameters
        ----------
        path : see `get`; over another machine's network it is always encrypted
        sink : file to write to from where it stands; of a try that failed nothing stays in it
        headers : see `get`
        most_bytes : more of them are an error
        timeout : seconds until the file has come whole; the limit of `Api` is for how long nothing comes

        Returns
        -------
        the answer without data; where its status says that there is an error, with data, and nothing is written

        Raises
        ------
        InputError
            If the sink takes no more.
        SourceError
            See `get`.
        """
        return self._ask("GET", path, {}, None, headers or {}, into=_Sink(sink, sink.tell(), most_bytes, timeout))

    def _ask(
        self, method: str, path: str, query: Mapping[str, Text], body: bytes | None, headers: Mapping[str, Text],
        tries: int | None = None, into: "_Sink | None" = None,
    ) -> Answer:  # fmt: skip
        url = path if "://" in path else f"{self.base.rstrip('/')}/{path.lstrip('/')}"
        if query:
            url += ("&" if urlsplit(url).query else "?") + urlencode(_revealed(query))
        self._check_safe(url, bool(query or body or headers or into))
        n_tries = self.tries if tries is None else tries
        for attempt in range(n_tries):
            is_last = attempt == n_tries - 1
            self._wait_turn()
            try:
                answer = self._once(method, url, body, headers, into)
            except _PassingError as error:
                if into:
                    into.rewind()
                if is_last:
                    self._fail(url, str(error), n_tries)
                self.sleep(self._back_off(attempt))
                continue
            self._heed(answer)
            again = answer.status in TRANSIENT or (self.is_transient is not None and self.is_transient(answer))
            if not again:
                return answer
            wait = self._wanted_wait(answer)
            if wait is not None and wait > LONGEST_WAIT:
                self._fail(url, f"it wants {wait / 60:.0f} minutes without requests", attempt + 1)
            if is_last:
                if answer.status in TRANSIENT:
                    self._fail(url, f"HTTP status {answer.status}", n_tries)
                return answer
            self.sleep(max(wait or 0.0, self._back_off(attempt) if wait is None else 0.0))
        raise AssertionError("unreachable: the last try returns or fails")

    def _once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, Text], into: "_Sink | None" = None
    ) -> Answer:
        """Make a request and follow where it is sent on to."""
        until = self.clock() + (into.timeout if into else self.timeout)
        accept = "*/*" if into else "application/json"
        sent = _revealed(headers) | {"User-Agent": f"earmark/{__version__}", "Accept": accept}
        for _ in range(MOST_REDIRECTS + 1):
            request = Request(url, data=body, headers=sent, method=method)
            status, got, content = self._exchange(request, until, into)
            if status not in (301, 302, 303, 307, 308):
                data = None if into and status < 300 else _parsed(status, content)
                return Answer(status, data, got, url.partition("?")[0])
            target = self._target(url, got.get("location", ""))
            if origin(target) != origin(url):
                sent = {name: sent[name] for name in ("User-Agent", "Accept")}
            if not target.startswith("https://") and url.startswith("https://"):
                self._fail(url, "it leads from an encrypted address to one that is not", 1)
            self._check_safe(target, needs=False)
            url, method, body = target, "GET", None
        self._fail(url, f"it leads on more than {MOST_REDIRECTS} times", 1)

    def _target(self, url: str, location: str) -> str:
        try:
            return urljoin(url, location)
        except ValueError:
            self._fail(url, "it leads to what is no http or https address", 1)

    def _exchange(
        self, request: Request, until: float, into: "_Sink | None" = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request; return status, headers and content, whatever the status; of success it goes to the sink."""
        from earmark.assets.download import tls_context

        opener = build_opener(HTTPSHandler(context=tls_context()), _NoRedirects())
        try:
            with opener.open(request, timeout=max(0.01, min(self.timeout, until - self.clock()))) as response:
                return response.status, _lower(response.headers), self._read(response, until, into)
        except HTTPError as error:
            with error:
                return error.code, _lower(error.headers), self._read(error, until)
        except SourceError:
            raise
        except TimeoutError:
            raise _PassingError(f"no answer within {self.timeout:g} s") from None
        except URLError as error:
            cause = error.reason
            text = f"no answer within {self.timeout:g} s" if isinstance(cause, TimeoutError) else _said(cause)
            raise _PassingError(text) from None
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(_said(error)) from None

    def _read(self, response: Any, until: float, into: "_Sink | None" = None) -> bytes:
        """Return the content, or nothing where it is written to a sink."""
        content, n_bytes, most = bytearray(), 0, into.most_bytes if into else MOST_BYTES
        while block := response.read1(_BLOCK):
            n_bytes += len(block)
            if n_bytes > most:
                if into:
                    into.rewind()
                raise SourceError(f"{self.name}: an answer of more than {_size(most)}")
            if into:
                into.write(block)
            else:
                content += block
            if self.clock() > until:
                limit = into.timeout if into else self.timeout
                raise _PassingError(f"no answer within {limit:g} s")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and n_bytes < int(length):
            raise _PassingError(f"the connection broke after {n_bytes} of {length} bytes")
        return bytes(content)

    def _check_safe(self, url: str, needs: bool) -> None:
        """Refuse addresses that are none, sending anything unencrypted to another machine, and all of it offline."""
        if origin(url)[0] not in ("http", "https") or not url.isascii() or not url.isprintable() or " " in url:
            self._fail(url, "it is no http or https address", 1)
        parts = urlsplit(url)
        if needs and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            self._fail(url, "the address is not encrypted (https)", 1)
        if parts.hostname not in _LOOPBACK and is_offline():
            raise SourceError(f"{self.name}: the network is not to be used", hint="unset EARMARK_OFFLINE")

    def _wait_turn(self) -> None:
        now = self.clock()
        if now < self._free_at:
            self.sleep(self._free_at - now)
            now = self._free_at
        self._free_at = max(now, self.clock()) + self.min_interval

    def _heed(self, answer: Answer) -> None:
        """Where a service says that no request is left, wait with the next until there are some again."""
        left, reset = answer.headers.get("x-ratelimit-remaining"), _number(answer.headers.get("x-ratelimit-reset-in"))
        if left == "0" and reset is not None:
            self._free_at = max(self._free_at, self.clock() + min(reset, LONGEST_WAIT))

    def _wanted_wait(self, answer: Answer) -> float | None:
        """Return how long an answer asks to wait, seconds."""
        for name in ("retry-after", "x-ratelimit-reset-in"):
            value = answer.headers.get(name)
            seconds = _number(value)
            if seconds is None and value and name == "retry-after":
                seconds = _until(value)
            if seconds is not None:
                return max(0.0, seconds)
        return None

    def _back_off(self, attempt: int) -> float:
        """Return how long to wait after a failed try: 1 s, 2 s, 4 s ..., up to half as much again by chance."""
        return float(min(2.0**attempt, 30.0) * (1 + 0.5 * self.draw()))

    def _fail(self, url: str, reason: str, n_tries: int) -> NoReturn:
        times = f" ({n_tries} tries)" if n_tries > 1 else ""
        parts = urlsplit(url) if origin(url)[0] else urlsplit("")
        where = f"{parts.hostname or url.partition('?')[0]}{parts.path}"
        raise SourceError(f"{self.name}: {where}: {reason}{times}", hint="try again later") from None


@dataclass(frozen=True)
class _Sink:
    """A file that an answer is written to; what stood in it before `start` stays."""

    file: BinaryIO
    start: int
    most_bytes: int
    timeout: float

    def write(self, block: bytes) -> None:
        """Write, with errors of the disk in words."""
        with disk_errors(self._name()):
            self.file.write(block)

    def rewind(self) -> None:
        """Take back what an earlier try wrote."""
        with disk_errors(self._name()):
            self.file.seek(self.start)
            self.file.truncate()

    def _name(self) -> str:
        return str(getattr(self.file, "name", "the file"))


class _PassingError(Exception):
    """A request failed in a way that may be over at the next try."""


class _NoRedirects(HTTPRedirectHandler):
    def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> None:
        """Leave the answer as it is."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _parsed(status: int, content: bytes) -> Any:
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        if 200 <= status < 300:
            raise _PassingError("the answer is no JSON") from None
        return None  # errors come as pages of HTML, too


def _revealed(texts: Mapping[str, Text]) -> dict[str, str]:
    return {name: text.reveal() if isinstance(text, Secret) else text for name, text in texts.items()}


def _size(n_bytes: int) -> str:
    return f"{n_bytes >> 20} MiB" if n_bytes >= 1 << 20 else f"{n_bytes} bytes"


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e9 else None


def _until(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return None


def _said(problem: Any) -> str:
    """Say what a connection failed at, without what was asked."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return type(problem).__name__ if isinstance(problem, Exception) else "the connection failed"


def origin(url: str) -> tuple[str, str]:
    """Return whom an address asks: how, and host and port in small letters; twice "" if it is no address.

    Examples
    --------
    >>> origin("HTTPS://API.example/a?b=1"), origin("https://[x/")
    (('https', 'api.example'), ('', ''))
    """
    try:
        parts = urlsplit(url)
        is_one = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return "", ""
    return (parts.scheme, parts.netloc.lower()) if is_one else ("", "")
