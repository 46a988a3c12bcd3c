"""Large downloads that go on where they stopped: after a broken connection at once, after a kill when asked again.

A file on its way is NAME.part, and beside it NAME.part.json says where it comes from and which version of it: what the
server calls its ETag, or when it was last changed. Only the rest of the same version is asked for; a server that knows
no ranges, or has another version by now, sends everything anew.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from http.client import HTTPResponse
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from earmark.assets.download import Progress, Transfer, TransferError, is_local, local_path, open_url, reader_of
from earmark.errors import InputError
from earmark.files import disk_errors, replacing

ATTEMPTS = 5  # in a row without a single new byte
WAIT = 1.0  # seconds before the second attempt; twice as long before every further one
_BLOCK_BYTES = 1 << 18
_RETRIED = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that may be another one a little later


@dataclass(frozen=True)
class Version:
    """Which content a partial file is the beginning of.

    Parameters
    ----------
    url : it was asked from
    validator : strong ETag, or date of the last change; empty if the server says neither
    n_bytes : of the whole; None if the server does not say
    """

    url: str
    validator: str = ""
    n_bytes: int | None = None


@dataclass(frozen=True)
class Received:
    """A download that is complete.

    Parameters
    ----------
    n_bytes : of the whole
    n_resumed : of them were there already
    digests : name of an algorithm to the checksum of the whole, hexadecimal
    """

    n_bytes: int
    n_resumed: int
    digests: dict[str, str]


def part_path(path: Path) -> Path:
    """Return where a file lies while it is on its way."""
    return path.with_name(f"{path.name}.part")


def forget_part(part: Path) -> None:
    """Remove a partial file and what is known of it."""
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def receive(url: str, part: Path, transfer: Transfer, *, algorithms: Collection[str] = ("sha256",)) -> Received:
    """Write what lies at `url` to `part`, beginning behind what is there of the same version.

    Parameters
    ----------
    url : http, https or file
    part : see `part_path`; it stays when the connection breaks, and its caller renames it when it is complete
    transfer : how long to wait; its `progress` hears of the bytes of the whole file
    algorithms : of the checksums to compute, as `hashlib` calls them

    Raises
    ------
    TransferError
        If the source does not deliver.
    InputError
        If there is no space for it, or it cannot be written.
    """
    try:
        if is_local(url):
            return _copied(url, part, transfer, algorithms)
        return _received(url, part, transfer, algorithms)
    except (TransferError, InputError):
        with suppress(OSError):
            if not part.stat().st_size:
                forget_part(part)
        raise


def _received(url: str, part: Path, transfer: Transfer, algorithms: Collection[str]) -> Received:
    with disk_errors(part), part.open("ab+") as sink:
        there, known = sink.tell(), _read_note(part)
        if not there or known is None or known.url != url or not known.validator:
            there, known = 0, None
            sink.truncate(0)
        digests = {name: hashlib.new(name) for name in algorithms}
        _hash_what_is_there(sink, digests)
        n_resumed, failures = there, 0
        while True:
            before = sink.seek(0, 2)
            try:
                known, restarted = _receive_once(url, part, sink, known, digests, transfer)
                n_resumed = 0 if restarted else n_resumed
                break
            except TransferError as error:
                known = _read_note(part) or known
                grown = sink.seek(0, 2) > before
                failures = 1 if grown else failures + 1
                if not _is_passing(error) or failures >= ATTEMPTS:
                    raise
                time.sleep(WAIT * 2 ** (failures - 1))
        n_bytes = sink.seek(0, 2)
    _note_path(part).unlink(missing_ok=True)
    return Received(n_bytes, min(n_resumed, n_bytes), {name: digest.hexdigest() for name, digest in digests.items()})


def _is_passing(error: TransferError) -> bool:
    """Return whether another attempt may help."""
    if error.unreachable:
        return False
    return error.status in _RETRIED if error.status is not None else error.broke


def _receive_once(
    url: str, part: Path, sink: BinaryIO, known: Version | None, digests: dict[str, Any], transfer: Transfer
) -> tuple[Version, bool]:
    """Ask once for what is missing; return the version, and whether the server began anew."""
    there = sink.seek(0, 2)
    if known is not None and known.n_bytes is not None and there == known.n_bytes:
        return known, False
    headers = {}
    if there and known is not None and known.validator:
        headers = {"Range": f"bytes={there}-", "If-Range": known.validator}
    try:
        response = open_url(url, transfer, headers=headers)
    except TransferError as error:
        if error.status != 416 or not headers:  # 416: the file ends before what is there
            raise
        response = open_url(url, transfer)
    with response:
        version = _version(url, response)
        goes_on = bool(headers) and _goes_on(response, there, known, version)
        if goes_on and known is not None:
            version = replace(version, validator=known.validator, n_bytes=version.n_bytes or known.n_bytes)
        elif response.status == 206:  # a range that was not asked for
            return _receive_anew(url, part, sink, digests, transfer), True
        else:
            _empty(sink, digests)
            there = 0
        _check_space(part, None if version.n_bytes is None else version.n_bytes - there)
        _write_note(part, version)
        _append(response, sink, version, digests, transfer)
    return version, not goes_on


def _receive_anew(url: str, part: Path, sink: BinaryIO, digests: dict[str, Any], transfer: Transfer) -> Version:
    _empty(sink, digests)
    version, _ = _receive_once(url, part, sink, None, digests, transfer)
    return version


def _goes_on(response: HTTPResponse, there: int, known: Version | None, version: Version) -> bool:
    """Return whether an answer is the rest of what is there."""
    if response.status != 206:
        return False
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != there or known is None:
        return False
    same_length = found[2] == "*" or known.n_bytes is None or int(found[2]) == known.n_bytes
    return same_length and (not version.validator or version.validator == known.validator)


def _version(url: str, response: HTTPResponse) -> Version:
    tag = response.headers.get("ETag", "").strip()
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "").strip()
    if response.status == 206:
        _, _, length = response.headers.get("Content-Range", "").rpartition("/")
    else:
        length = response.headers.get("Content-Length", "")
    return Version(url, validator, int(length) if length.strip().isdecimal() else None)


def _append(
    response: HTTPResponse | BufferedReader,
    sink: BinaryIO,
    version: Version,
    digests: dict[str, Any],
    transfer: Transfer,
) -> None:
    """Write an answer behind what is there."""
    read, done = reader_of(response, transfer), sink.seek(0, 2)
    try:
        while block := read(_BLOCK_BYTES):
            sink.write(block)
            done += len(block)
            for digest in digests.values():
                digest.update(block)
            if transfer.progress is not None:
                transfer.progress(done, version.n_bytes)
    finally:
        sink.flush()
    if version.n_bytes is not None and done != version.n_bytes:
        raise TransferError(f"the connection broke after {done} of {version.n_bytes} bytes", broke=True)


def _empty(sink: BinaryIO, digests: dict[str, Any]) -> None:
    sink.seek(0)
    sink.truncate(0)
    for name in digests:
        digests[name] = hashlib.new(name)


def _hash_what_is_there(sink: BinaryIO, digests: dict[str, Any]) -> None:
    sink.seek(0)
    while block := sink.read(_BLOCK_BYTES):
        for digest in digests.values():
            digest.update(block)


def _copied(url: str, part: Path, transfer: Transfer, algorithms: Collection[str]) -> Received:
    path, digests = local_path(url), {name: hashlib.new(name) for name in algorithms}
    try:
        n_bytes = path.stat().st_size
        stream = path.open("rb")
    except OSError as error:
        raise TransferError(error.strerror or str(error), status=404) from error
    _check_space(part, n_bytes)
    with stream, disk_errors(part), part.open("wb") as sink:
        _append(stream, sink, Version(url, "", n_bytes), digests, transfer)
    return Received(n_bytes, 0, {name: digest.hexdigest() for name, digest in digests.items()})


def checksums(path: Path, algorithms: Collection[str], *, progress: Progress | None = None) -> dict[str, str]:
    """Return the checksums of a file, read once.

    Parameters
    ----------
    path : of the file
    algorithms : as `hashlib` calls them
    progress : hears of the bytes read
    """
    digests = {name: hashlib.new(name) for name in algorithms}
    total, done = path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            done += len(block)
            for digest in digests.values():
                digest.update(block)
            if progress is not None:
                progress(done, total)
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _check_space(part: Path, n_bytes: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if n_bytes is not None and n_bytes > free:
        raise InputError(
            f"{part.parent}: {n_bytes / 1e6:,.1f} MB are to come, {free / 1e6:,.1f} MB are free",
            hint="make space and give the same command again; what is there already is kept",
        )


# The note beside a partial file.


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _write_note(part: Path, version: Version) -> None:
    with replacing(_note_path(part)) as file:
        file.write(json.dumps(vars(version)).encode())


def _read_note(part: Path) -> Version | None:
    """Read which version a partial file is of; None if that is not known."""
    try:
        plain = json.loads(_note_path(part).read_text(encoding="utf-8"))
        url, validator, n_bytes = plain["url"], plain["validator"], plain["n_bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(url, str) or not isinstance(validator, str) or not isinstance(n_bytes, int | None):
        return None
    return Version(url, validator, n_bytes)
