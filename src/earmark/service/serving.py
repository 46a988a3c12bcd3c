"""Run the service: listen, say where, answer until told to stop, then let what is under way end."""

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from earmark.errors import InputError
from earmark.parallel import one_blas_thread
from earmark.service.app import create_app
from earmark.service.settings import Settings

GRACE = 10
"""Seconds that requests under way have to end when the service is stopped."""
MOST_CONNECTIONS = 500
HEAD_SECONDS = 20.0
"""Seconds that the head of a request may take, and what is left of a request that was answered before its end."""
STALLED_SECONDS = 600.0
"""Seconds in which a client reads nothing of its answer, after which it is given up: a player may pause for a while."""
_BACKLOG = 256


def serve(settings: Settings, *, on_ready: Callable[[str], None], access_log: bool = False) -> None:
    """Answer requests until SIGTERM or SIGINT come.

    Parameters
    ----------
    settings : what the service is told
    on_ready : called with the address once it listens there
    access_log : log every request on stderr, without what stands after the question mark

    Raises
    ------
    InputError
        If it cannot listen there, or the catalogue cannot be opened.
    UsageError
        If this CPU cannot run the catalogue.
    """
    listener = listen(settings.host, settings.port)
    try:
        app = create_app(settings)
        app.state.service.library()  # what is wrong with it is said now, not to the first client
        _set_up_logging(access_log=access_log)
        where = address_of(settings.host, listener)
        with one_blas_thread():  # requests fill the cores: threads that help numpy multiply would only wait
            make_server(app, on_ready=lambda: on_ready(where)).run(sockets=[listener])
    finally:
        listener.close()


def make_server(app: FastAPI, *, on_ready: Callable[[], None]) -> uvicorn.Server:
    """Make what lets an app answer on a socket.

    Parameters
    ----------
    app : see `earmark.service.app.create_app`
    on_ready : called once it listens
    """
    config = uvicorn.Config(
        app,
        host=app.state.service.settings.host,
        http=Connection,  # h11, whose headers end at 64 KiB; those of httptools do not
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # or a client could say itself where it comes from
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=10,
    )
    return _Server(config, on_ready, app.state.jobs.end_streams)


class Connection(H11Protocol):
    """A connection that nobody holds by sending nothing, byte after byte, or by reading nothing of an answer.

    uvicorn watches over the time between requests alone. How long a request itself may take, `Limits` says.
    """

    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self.access_log = False  # else uvicorn writes one as soon as any logger listens, with the keys in addresses
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the rest of the request, and for the next one."""
        super().on_response_complete()
        names = {name for name, _ in self.headers}
        if {
            b"content-length",
            b"transfer-encoding",
        } <= names:  # where it ends, others may see otherwise (RFC 9112, 6.1)
            self.transport.close()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch no more."""
        super().connection_lost(exc)
        for timer in (self._head, self._stall):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        """Wait until the client has read some of the answer."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _watch(self) -> None:
        waits = self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE
        if waits and self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._give_up)
        elif not waits and self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if self.transport.get_write_buffer_size():  # closing would wait for a client that does not read
            self.pause_writing()
        self.transport.close()


class _Server(uvicorn.Server):
    """A server that says when it listens, and for which a signal to stop is no failure."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready, self._on_stop = on_ready, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go those who only listen on, then wait for the others."""
        self._on_stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal; uvicorn raises it once more at the end, which is no way to end well."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens.

    Parameters
    ----------
    host : an address, or a name
    port : 0 takes a free one

    Raises
    ------
    InputError
        If it cannot be had.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(
            f"{host}: is no address of this machine", hint="--host 127.0.0.1, or 0.0.0.0 for all addresses"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        with suppress(OSError):  # Windows lets others take the port with it
            if hasattr(socket, "SO_REUSEPORT"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> InputError:
    if error.errno == errno.EADDRINUSE:
        return InputError(
            f"port {port} of {host} is in use", hint="--port with another number; --port 0 takes a free one"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"port {port} of {host} may not be used", hint="--port with a number of 1024 or more")
    if error.errno == errno.EADDRNOTAVAIL:
        return InputError(
            f"{host}: is no address of this machine", hint="--host 127.0.0.1, or 0.0.0.0 for all addresses"
        )
    return InputError(f"{host}:{port}: cannot listen: {error.strerror or error}")


def address_of(host: str, listener: socket.socket) -> str:
    """Return the address that a browser opens.

    Parameters
    ----------
    host : as it was asked for
    listener : that listens there
    """
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _set_up_logging(*, access_log: bool) -> None:
    """Write the service's own words on stderr; nothing of it holds a token, a key or what was searched for."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    levels = {
        "earmark.service": logging.INFO if access_log else logging.WARNING,
        "uvicorn.error": logging.WARNING,
        "python_multipart": logging.CRITICAL,  # what is wrong with a form, its sender is told
    }
    for name, level in levels.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
