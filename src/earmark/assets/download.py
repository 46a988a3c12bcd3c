"""Read from an address, http, https or file: hosts that do not answer cost little, slow transfers may go on."""

import base64
import errno
import hashlib
import netrc
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from io import BufferedReader
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import gaierror
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
    url2pathname,
)

from earmark._version import __version__
from earmark.errors import AssetError

Progress = Callable[[int, int | None], None]

_BLOCK_BYTES = 1 << 16
_FORGET_SECONDS = 300.0  # after which a host that did not answer is asked again

_unreachable: dict[str, float] = {}  # host -> when it did not answer
_unreachable_lock = threading.Lock()


class TransferError(Exception):
    """One source did not deliver.

    Parameters
    ----------
    reason : in words
    unreachable : whether its host did not answer at all
    status : of HTTP, where it answered with an error
    broke : whether the connection ended in the middle
    """

    def __init__(
        self, reason: str, *, unreachable: bool = False, status: int | None = None, broke: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unreachable = unreachable
        self.status = status
        self.broke = broke


@dataclass(frozen=True)
class Network:
    """What a package index asks of a connection beyond the defaults.

    Parameters
    ----------
    ca_file : certificates to trust besides the system's; a file or a folder
    proxy : URL; None for what the environment says
    trusted_hosts : hosts, with or without port, whose certificates are not checked
    use_netrc : whether ~/.netrc may name user and password
    """

    ca_file: str | None = None
    proxy: str | None = None
    trusted_hosts: frozenset[str] = frozenset()
    use_netrc: bool = False


@dataclass(frozen=True)
class Transfer:
    """How long to wait, and whom to tell.

    Parameters
    ----------
    timeout : seconds until the host has answered: name look-up, connection and redirections together
    stall_timeout : seconds that may pass without a byte once it has
    progress : called with the bytes done and the bytes in all (None while unknown)
    """

    timeout: float = 3.0
    stall_timeout: float = 20.0
    progress: Progress | None = None
    network: Network = field(default_factory=Network)


def download(url: str, part: Path, transfer: Transfer) -> str:
    """Write what lies at `url` to `part`; return its sha256."""
    if is_local(url):
        path = local_path(url)
        try:
            stream = path.open("rb")
        except OSError as error:
            raise TransferError(error.strerror or str(error)) from error
        with stream:
            return _copy(reader_of(stream, transfer), part, path.stat().st_size, transfer.progress)
    with open_url(url, transfer) as response:
        return _copy(reader_of(response, transfer), part, _length(response.headers), transfer.progress)


def read_url(url: str, transfer: Transfer, *, headers: Mapping[str, str], limit: int = 1 << 25) -> tuple[bytes, str]:
    """Return the content of a page, at most `limit` bytes, and its content type."""
    with open_url(url, transfer, headers=headers) as response:
        read = reader_of(response, transfer)
        content = bytearray()
        while block := read(_BLOCK_BYTES):
            content += block
            if len(content) > limit:
                raise TransferError(f"the page is longer than {limit} bytes")
        return bytes(content), response.headers.get_content_type()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_local(url: str) -> bool:
    """Return whether a URL is a file's."""
    return urlsplit(url).scheme == "file"


def local_path(url: str) -> Path:
    """Return the path that a file URL stands for."""
    return Path(url2pathname(urlsplit(url).path))


def redacted(text: str) -> str:
    """Hide user and password of the URLs in a text.

    Examples
    --------
    >>> redacted("https://me:secret@index.example/simple/")
    'https://***@index.example/simple/'
    """
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)


def unwritable(folder: Path, error: OSError) -> AssetError:
    """Make the error for a folder that takes no files."""
    return AssetError(
        f"{folder}: cannot be written to ({error.strerror or error})",
        hint="set EARMARK_CACHE to a folder that can be written to and has space",
    )


def forget_unreachable() -> None:
    """Forget which hosts did not answer."""
    with _unreachable_lock:
        _unreachable.clear()


def _copy(read: Callable[[int], bytes], part: Path, total: int | None, progress: Progress | None) -> str:
    """Copy all that `read` gives to `part`; return its sha256."""
    digest, done = hashlib.sha256(), 0
    try:
        with part.open("wb") as sink:
            while block := read(_BLOCK_BYTES):
                sink.write(block)
                digest.update(block)
                done += len(block)
                if progress is not None:
                    progress(done, total)
    except OSError as error:  # of the disk: `read` raises its own as TransferError
        raise unwritable(part.parent, error) from error
    if total is not None and done != total:
        raise TransferError(f"the connection broke after {done} of {total} bytes", broke=True)
    return digest.hexdigest()


def _length(headers: Message) -> int | None:
    value = headers.get("Content-Length", "")
    return int(value) if value.isdecimal() else None


def reader_of(response: HTTPResponse | BufferedReader, transfer: Transfer) -> Callable[[int], bytes]:
    """Return a function that reads what has arrived, and fails with a reason (`TransferError`)."""

    def read(n_bytes: int) -> bytes:
        try:
            return response.read1(n_bytes)
        except TimeoutError as error:
            raise TransferError(f"the transfer stalled for {transfer.stall_timeout:g} s", broke=True) from error
        except (OSError, HTTPException) as error:
            raise TransferError(f"the connection broke ({error})", broke=True) from error

    return read


# Opening a connection.


def open_url(url: str, transfer: Transfer, *, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """Open an http or https URL; a host that did not answer lately is not asked again.

    Notes
    -----
    The time that opening takes has no other bound: a name look-up takes no time limit, and a limit for connecting
    counts anew for each address of the host. So it happens in a thread of its own, which is left behind when late.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise TransferError("not an http, https or file URL")
    host = _host(url)
    with _unreachable_lock:
        since = _unreachable.get(host)
    if since is not None and time.monotonic() - since < _FORGET_SECONDS:
        raise TransferError(f"{host} did not answer just before", unreachable=True)
    redirects = _Redirects(url)
    try:
        request = _request(url, transfer.network, headers or {})
        opener = _opener(transfer.network, _host(url), redirects)
    except (OSError, ValueError) as error:
        raise TransferError(f"{type(error).__name__}: {error}") from error
    try:
        return _open_in_time(opener, request, transfer)
    except TransferError as error:
        if error.unreachable:
            with _unreachable_lock:
                _unreachable[_host(redirects.url)] = time.monotonic()
        raise


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _open_in_time(opener: OpenerDirector, request: Request, transfer: Transfer) -> HTTPResponse:
    """Open a request, or raise `TransferError` when the answer takes longer than `transfer.timeout`."""
    answers: SimpleQueue[HTTPResponse | TransferError] = SimpleQueue()
    lock, late = threading.Lock(), threading.Event()

    def work() -> None:
        try:
            answer: HTTPResponse | TransferError = opener.open(request, timeout=transfer.stall_timeout)
        except (OSError, HTTPException, ValueError) as error:
            answer = _reason(error, min(transfer.timeout, transfer.stall_timeout))
        with lock:
            if late.is_set() and isinstance(answer, HTTPResponse):
                answer.close()
            answers.put(answer)

    threading.Thread(target=work, name="earmark-open-url", daemon=True).start()
    try:
        answer = answers.get(timeout=transfer.timeout)
    except Empty:
        with lock:
            late.set()
        try:
            answer = answers.get_nowait()  # it came at the last moment
        except Empty:
            raise TransferError(f"no answer within {transfer.timeout:g} s", unreachable=True) from None
    if isinstance(answer, TransferError):
        raise answer
    return answer


def _reason(error: OSError | HTTPException | ValueError, timeout: float) -> TransferError:
    """Put into words why a connection failed, within `timeout` seconds."""
    if isinstance(error, HTTPError):
        error.close()
        return TransferError(f"HTTP status {error.code} ({error.reason})", status=error.code)
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(cause, gaierror):
        return TransferError("the host name is not known", unreachable=True)
    if isinstance(cause, ssl.SSLError):
        return TransferError(f"the encrypted connection failed ({cause})")
    if isinstance(cause, TimeoutError):
        return TransferError(f"no answer within {timeout:g} s", unreachable=True)
    if isinstance(cause, ConnectionRefusedError) or (
        isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    ):
        return TransferError(f"the host cannot be reached ({cause})", unreachable=True)
    return TransferError(f"the connection failed ({cause})")


def _request(url: str, network: Network, headers: Mapping[str, str]) -> Request:
    """Make a request; user and password of the URL become a header that goes to this host alone."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user and network.use_netrc:
        user, password = _netrc_login(parts.hostname or "")
    request = Request(urlunsplit(parts._replace(netloc=_host(url), fragment="")), headers=dict(headers))
    request.add_header("User-Agent", f"earmark/{__version__}")
    if user:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _netrc_login(host: str) -> tuple[str, str]:
    """Look up user and password of a host in ~/.netrc (or where NETRC says)."""
    try:
        login = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return "", ""
    return (login[0], login[2]) if login else ("", "")


class _Redirects(HTTPRedirectHandler):
    """Follows redirections, notes where they lead, and keeps user and password on the same host."""

    def __init__(self, url: str) -> None:
        self.url = url

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """Return the request that a redirection asks for."""
        request = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        self.url = newurl
        login = req.unredirected_hdrs.get("Authorization")
        if request is not None and login and urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]:
            request.add_unredirected_header("Authorization", login)
        return request


def _opener(network: Network, host: str, redirects: _Redirects) -> OpenerDirector:
    """Put together what a connection needs."""
    checked = not {host, host.rpartition(":")[0] or host} & network.trusted_hosts
    handlers = [redirects, HTTPSHandler(context=_tls_context(network.ca_file, checked=checked))]
    if network.proxy:
        handlers.append(ProxyHandler({"http": network.proxy, "https": network.proxy}))
    return build_opener(*handlers)


def tls_context() -> ssl.SSLContext:
    """Return what encrypted connections trust unless an index says otherwise."""
    return _tls_context(None, checked=True)


@lru_cache(maxsize=8)
def _tls_context(ca_file: str | None, *, checked: bool) -> ssl.SSLContext:
    """Trust what the system trusts, and what the usual variables and `ca_file` add."""
    context = ssl.create_default_context()
    for path in (ca_file, os.environ.get("REQUESTS_CA_BUNDLE"), os.environ.get("CURL_CA_BUNDLE")):
        if path and Path(path).is_dir():
            context.load_verify_locations(capath=path)
        elif path and Path(path).is_file():
            context.load_verify_locations(cafile=path)
    if not checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
