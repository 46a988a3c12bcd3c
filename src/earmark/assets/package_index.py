"""A file from the user's own package index: read from the index directly, or by pip where that fails."""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import unquote, urljoin, urlsplit

from earmark.assets.download import Transfer, TransferError, download, is_local, local_path, read_url, sha256_of
from earmark.assets.package_config import index_config

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.5, text/html;q=0.2"


@dataclass(frozen=True)
class PackageSource:
    """A file of a Python package, from the package index that this machine is configured for.

    Parameters
    ----------
    package, version : as in `pip download package==version`

    Notes
    -----
    The index is read directly (PEP 503 and PEP 691), with the settings of pip and uv: that needs no pip, shows
    progress, and bounds the time that a host may take that does not answer. If an index answers but does not
    deliver, say because pip alone knows the password, `pip download --no-deps` is tried where pip is installed.
    """

    package: str
    version: str

    def describe(self) -> str:
        """Return package and version."""
        return f"Python package {self.package}=={self.version}"

    def save(self, part: Path, file_name: str, sha256: str, transfer: Transfer) -> str:
        """Download the file to `part`; return its sha256."""
        try:
            return _save_from_indexes(self.package, part, file_name, sha256, transfer)
        except TransferError as error:
            if error.unreachable or find_spec("pip") is None or not sys.executable:
                raise
            try:
                return _save_by_pip(f"{self.package}=={self.version}", part, file_name, transfer)
            except TransferError as pip_error:
                raise TransferError(f"{error.reason}; pip: {pip_error.reason}") from pip_error


def _save_from_indexes(package: str, part: Path, file_name: str, sha256: str, transfer: Transfer) -> str:
    """Download the file from the first index or folder that has it."""
    config = index_config()
    transfer = replace(transfer, network=config.network)
    name = re.sub(r"[-_.]+", "-", package).lower()
    pages = [_as_url(page) for page in config.find_links]
    pages += [f"{_as_url(index).rstrip('/')}/{name}/" for index in config.indexes]
    failures: list[TransferError] = []
    for page, found in _look_up(pages, file_name, sha256, transfer):
        try:
            if isinstance(found, TransferError):
                raise found
            digest = download(found, part, transfer)
            if digest != sha256:
                raise TransferError(f"wrong content: sha256 {digest}, {sha256} expected")
            return digest
        except TransferError as error:
            failures.append(TransferError(f"{page}: {error.reason}", unreachable=error.unreachable))
    reason = "; ".join(error.reason for error in failures) or "no package index is configured"
    raise TransferError(reason, unreachable=any(error.unreachable for error in failures))


def _as_url(place: str) -> str:
    """Return the URL of a place that may be a path."""
    return place if "://" in place else Path(place.removeprefix("file:")).expanduser().absolute().as_uri()


def _look_up(
    pages: Sequence[str], file_name: str, sha256: str, transfer: Transfer
) -> Iterator[tuple[str, str | TransferError]]:
    """Yield each page with the file's URL, or why it has none; remote pages are asked together, the quickest first."""

    def look_up(page: str) -> str | TransferError:
        try:
            return _link(page, file_name, sha256, transfer)
        except TransferError as error:
            return error

    remote = [page for page in pages if not is_local(page)]
    transfer = replace(transfer, stall_timeout=transfer.timeout, progress=None)  # pages are short
    answers: SimpleQueue[tuple[str, str | TransferError]] = SimpleQueue()
    for page in pages:
        if is_local(page):
            yield page, look_up(page)
    for page in remote:
        threading.Thread(target=lambda page=page: answers.put((page, look_up(page))), daemon=True).start()
    deadline = time.monotonic() + 2 * transfer.timeout
    for _ in remote:
        try:
            yield answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            yield "package index", TransferError("the page did not arrive in time")


def _link(page: str, file_name: str, sha256: str, transfer: Transfer) -> str:
    """Return the URL of a file that a page or folder lists."""
    if is_local(page):
        links = _local_links(local_path(page))
    else:
        content, content_type = read_url(page, transfer, headers={"Accept": _ACCEPT})
        links = _page_links(content, content_type, page)
    other: str | None = None
    for link, digest in links:
        if unquote(urlsplit(link).path.rpartition("/")[2]) == file_name:
            if digest in (None, sha256):
                return _with_login(link, page)
            other = digest
    raise TransferError(f"it has another {file_name} (sha256 {other})" if other else f"it has no {file_name}")


def _local_links(path: Path) -> list[tuple[str, str | None]]:
    """List the links of a page on disk, or the files of a folder."""
    try:
        page = path / "index.html" if path.is_dir() else path
        if page.is_file():
            return _page_links(page.read_bytes(), "text/html", page.absolute().as_uri())
        return [(entry.absolute().as_uri(), None) for entry in path.iterdir()]
    except OSError as error:
        raise TransferError(error.strerror or str(error)) from error


def _page_links(content: bytes, content_type: str, page: str) -> list[tuple[str, str | None]]:
    """List the URLs on a page of an index, each with the sha256 that the page states."""
    if content_type.endswith("json"):
        try:
            files = json.loads(content)["files"]
            return [(urljoin(page, file["url"]), file.get("hashes", {}).get("sha256")) for file in files]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransferError(f"its page is no valid JSON of PEP 691 ({error})") from error
    parser = _Anchors(page)
    parser.feed(content.decode("utf-8", "replace"))
    links: list[tuple[str, str | None]] = []
    for link in parser.links:
        url, _, fragment = link.partition("#")
        stated = re.search(r"(?:^|&)sha256=([0-9a-fA-F]{64})", fragment)
        links.append((url, stated[1].lower() if stated else None))
    return links


class _Anchors(HTMLParser):
    """Collects the addresses of the anchors of a page."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an anchor, or the base of those that follow."""
        target = dict(attrs).get("href")
        if tag == "base" and target:
            self.base = urljoin(self.base, target)
        elif tag == "a" and target:
            self.links.append(urljoin(self.base, target.strip()))


def _with_login(link: str, page: str) -> str:
    """Give a link on the page's own host the page's user and password."""
    login, at, host = urlsplit(page).netloc.rpartition("@")
    parts = urlsplit(link)
    return parts._replace(netloc=f"{login}@{host}").geturl() if at and parts.netloc == host else link


# pip.


def _save_by_pip(requirement: str, part: Path, file_name: str, transfer: Transfer) -> str:
    """Have pip download a wheel into a folder beside `part`, and move it there; return its sha256."""
    if not file_name.endswith(".whl"):
        raise TransferError("not tried, for pip would run the package's setup to download anything but a wheel")
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=part.parent, ignore_cleanup_errors=True) as folder:
        target, log = Path(folder) / "files", Path(folder) / "log"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--retries", "0"]
        command += ["--timeout", str(math.ceil(transfer.timeout)), "--dest", str(target), requirement]
        environ = os.environ | {"TMPDIR": folder, "TEMP": folder, "TMP": folder}
        with log.open("wb") as sink:
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environ)
            except OSError as error:
                raise TransferError(f"it cannot be started ({error})") from error
            with process:
                _watch(process, Path(folder), transfer)
        if process.returncode != 0:
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no reason given"]
            raise TransferError(errors[-1].removeprefix("ERROR: "))
        found = target / file_name
        if not found.is_file():
            raise TransferError(
                f"it delivered {', '.join(sorted(path.name for path in target.glob('*'))) or 'nothing'}"
            )
        digest = sha256_of(found)
        found.replace(part)
        return digest


def _watch(process: "subprocess.Popen[bytes]", folder: Path, transfer: Transfer) -> None:
    """Wait for pip, and end it when nothing in its temporary folder has grown for long."""
    size, since = 0, time.monotonic()
    try:
        while process.poll() is None:
            time.sleep(0.05)
            now = _size(folder)
            if now != size:
                size, since = now, time.monotonic()
                if transfer.progress is not None:
                    transfer.progress(size, None)
            elif time.monotonic() - since > transfer.stall_timeout:
                raise TransferError(f"it made no progress for {transfer.stall_timeout:g} s")
    finally:
        if process.poll() is None:
            process.kill()


def _size(folder: Path) -> int:
    """Sum the sizes of all files below a folder that another process changes."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:  # it went away between listing and asking
                continue
    return total
