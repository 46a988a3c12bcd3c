"""Run the service: listen, say where, answer until told to stop, then let what is under way end."""

import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn

from earmark.errors import InputError
from earmark.service.app import create_app
from earmark.service.settings import Settings

GRACE = 10
"""Seconds that requests under way have to end when the service is stopped."""
MOST_CONNECTIONS = 500
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
        config = uvicorn.Config(
            app,
            host=settings.host,
            http="h11",  # whose headers end at 64 KiB; those of httptools do not
            log_config=None,
            access_log=False,  # its lines would hold the keys that stand in addresses
            proxy_headers=False,  # or a client could say itself where it comes from
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=GRACE,
            timeout_keep_alive=10,
        )
        where = address_of(settings.host, listener)
        _Server(config, lambda: on_ready(where), app.state.jobs.end_streams).run(sockets=[listener])
    finally:
        listener.close()


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
