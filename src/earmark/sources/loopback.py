"""Wait on this machine for a browser that comes back from logging in to a service, with a code.

References
----------
RFC 8252, 7.3 (redirection to 127.0.0.1); RFC 6749, 10.12 (the state keeps others from handing in a code).
"""

import hmac
import re
import socketserver
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from queue import Empty, SimpleQueue
from typing import Any, TypeGuard
from urllib.parse import parse_qs, urlsplit

from earmark.errors import SourceError, UsageError
from earmark.sources.secrets import Secret

PATH = "/callback"


@contextmanager
def listening(service: str, port: int, state: str) -> Iterator["Listener"]:
    """Listen for a browser.

    Parameters
    ----------
    service : in messages
    port : of this machine; 0 is a free one
    state : what the browser has to bring along, of ASCII

    Raises
    ------
    UsageError
        If the port cannot be used.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"there is no port {port}", hint="ports are 1 to 65535; 0 takes a free one")
    try:
        listener = Listener(service, port, state)
    except OSError as error:
        hint = "choose another, and enter its address as the redirect URI of the app"
        raise UsageError(f"port {port} cannot be used: {error.strerror or error}", hint=hint) from error
    with listener:
        yield listener


class Listener(socketserver.ThreadingTCPServer):
    """Takes one code, from this machine only; see `listening`."""

    allow_reuse_address = sys.platform != "win32"  # there it would let two programs share a port
    daemon_threads = True
    block_on_close = False

    def __init__(self, service: str, port: int, state: str) -> None:
        self.service = service
        self.state = state
        self.codes: SimpleQueue[Secret | SourceError] = SimpleQueue()
        super().__init__(("127.0.0.1", port), _Page)

    @property
    def address(self) -> str:
        """The address that the browser is to be sent to."""
        return f"http://127.0.0.1:{self.server_address[1]}{PATH}"

    def code(self, seconds: float, *, hint: str) -> Secret:
        """Wait for the code.

        Parameters
        ----------
        seconds : how long
        hint : of the error if nobody comes

        Raises
        ------
        SourceError
            If nobody comes in time, or the service says that the login was not given.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.timeout = min(0.2, seconds)
            self.handle_request()
            try:
                found = self.codes.get(timeout=0.01)
            except Empty:
                continue
            if isinstance(found, SourceError):
                raise found
            return found
        raise SourceError(f"{self.service}: nobody logged in within {seconds:g} s", hint=hint)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a connection that broke."""


class _Page(BaseHTTPRequestHandler):
    """Takes the code, and tells the person that all is done."""

    timeout = 5.0
    server_version = "earmark"
    sys_version = ""
    server: Listener

    def do_GET(self) -> None:
        """Answer the browser; what does not know the state of this login changes nothing."""
        parts = urlsplit(self.path)
        if parts.path != PATH:
            self._say(404, "There is nothing here.")
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        state = query.get("state", "").encode("utf-8", "replace")
        service = self.server.service
        if not hmac.compare_digest(state, self.server.state.encode("ascii")):
            self._say(400, "This is not the login that earmark waits for. Use the address that it shows now.")
            return
        refused, code = query.get("error"), query.get("code")
        if refused is not None:
            self._say(200, f"{service} did not let earmark in. You can close this page.")
            reason = refused if re.fullmatch(r"[a-z_]{1,40}", refused) else "refused"
            self.server.codes.put(SourceError(f"{service}: the login was not given ({reason})", hint="try again"))
        elif is_token(code):
            self._say(200, "Logged in. You can close this page and go back to earmark.")
            self.server.codes.put(Secret(code))
        else:
            self._say(400, f"{service} sent no code. Try again.")

    def _say(self, status: int, text: str) -> None:
        content = (text + "\n").encode("utf-8")
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Connection": "close",
        }
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_: Any) -> None:
        """Write nothing down: the address holds the code."""


def is_token(value: Any) -> TypeGuard[str]:
    """Return whether something can be a code or a token: letters of ASCII without spaces, which headers can hold.

    Examples
    --------
    >>> is_token("2-abc"), is_token(""), is_token("a b"), is_token(7)
    (True, False, False, False)
    """
    return isinstance(value, str) and bool(value) and value.isascii() and value.isprintable() and " " not in value
