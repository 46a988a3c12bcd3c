"""Files that earmark fetches: from several sources in turn, verified by sha256, kept in one folder.

EARMARK_CACHE     where fetched files are kept, instead of the user's cache folder
EARMARK_MIRROR    a folder or URL that is asked first, by the name of the file
EARMARK_OFFLINE   1: use the network for nothing; only what is kept, and a mirror that is a folder
"""

import os
import secrets
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from platformdirs import user_cache_dir

from earmark.assets.download import (
    Progress,
    Transfer,
    TransferError,
    download,
    is_local,
    redacted,
    sha256_of,
    unwritable,
)
from earmark.assets.package_index import PackageSource
from earmark.errors import AssetError, EarmarkWarning, UsageError

__all__ = [
    "Asset",
    "PackageSource",
    "Progress",
    "Source",
    "UrlSource",
    "cache_dir",
    "fetch",
    "fetch_first",
    "is_offline",
]

_STALE_SECONDS = 24 * 3600  # a partial file this old was left by a process that was killed


class Source(Protocol):
    """A place that a file can come from."""

    def describe(self) -> str:
        """Say in a few words which place this is."""
        ...

    def save(self, part: Path, file_name: str, sha256: str, transfer: Transfer) -> str:
        """Write the file to `part` and return the sha256 of what was written, or raise `TransferError`."""
        ...


@dataclass(frozen=True)
class UrlSource:
    """One file at one address.

    Parameters
    ----------
    url : http, https or file
    """

    url: str

    def describe(self) -> str:
        """Return the address, without a password."""
        return redacted(self.url)

    def save(self, part: Path, file_name: str, sha256: str, transfer: Transfer) -> str:
        """Download the file to `part`; return its sha256."""
        return download(self.url, part, transfer)


@dataclass(frozen=True)
class Asset:
    """One exact file and where it can come from.

    Parameters
    ----------
    file_name : under which it is kept, and looked up in a mirror
    sha256 : hexadecimal
    sources : tried in this order
    """

    file_name: str
    sha256: str
    sources: Sequence[Source] = field(default=())

    def __post_init__(self) -> None:
        if Path(self.file_name).name != self.file_name or not self.file_name:
            raise UsageError(f"the file name {self.file_name!r} holds a folder, or nothing")
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise UsageError(f"the sha256 of {self.file_name} is not 64 hexadecimal digits in lower case")


def cache_dir() -> Path:
    """Return the folder that earmark keeps its files in: `EARMARK_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("EARMARK_CACHE")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("earmark", appauthor=False))


def fetch(
    file_name: str,
    *,
    sha256: str,
    sources: Sequence[Source],
    dest: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    timeout: float = 3.0,
) -> Path:
    """Return the path of a file, after fetching it if it is not there yet.

    Parameters
    ----------
    file_name : under which it is kept, and looked up in a mirror
    sha256 : hexadecimal
    sources : tried in this order, after the mirror
    dest : the folder to keep it in; by default "downloads" in `cache_dir()`
    progress : called with the bytes done and the bytes in all (None while unknown)
    timeout : seconds for a host to answer; a transfer that has begun may take any time, unless it stalls

    Returns
    -------
    path of the file, its sha256 verified

    Raises
    ------
    AssetError
        If no source delivers it: the message lists each source with its reason.
    """
    asset = Asset(file_name, sha256, tuple(sources))
    return fetch_first([asset], dest=dest, progress=progress, timeout=timeout)[1]


def fetch_first(
    assets: Sequence[Asset],
    *,
    dest: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    timeout: float = 3.0,
) -> tuple[Asset, Path]:
    """Return the first of several files that can be had: those kept already, then the mirror, then each in turn.

    Parameters
    ----------
    assets : files that serve equally, the most welcome first
    dest, progress, timeout : see `fetch`

    Returns
    -------
    the asset that was found, and the path of its file, its sha256 verified

    Raises
    ------
    AssetError
        If none can be had: the message lists each source with its reason.
    """
    folder = Path(dest) if dest is not None else cache_dir() / "downloads"
    transfer = Transfer(timeout=timeout, progress=progress)
    tried: list[str] = []
    for asset in assets:
        path = folder / asset.file_name
        if not path.is_file():
            continue
        if _digest(path) == asset.sha256:
            return asset, path
        tried.append(f"{path}: another content than expected (its sha256 differs)")

    mirror = os.environ.get("EARMARK_MIRROR", "")
    attempts: list[tuple[Asset, Source]] = [(asset, _mirror_source(mirror, asset)) for asset in assets if mirror]
    attempts += [(asset, source) for asset in assets for source in asset.sources]
    n_mirrored = len(assets) if mirror else 0
    for i, (asset, source) in enumerate(attempts):
        try:
            path = _fetch_from(source, asset, folder, transfer)
        except TransferError as error:
            tried.append(f"{source.describe()}: {redacted(error.reason)}")
            continue
        if n_mirrored and i >= n_mirrored:
            failed = "; ".join(tried[-i:][:n_mirrored])
            warnings.warn(f"EARMARK_MIRROR did not deliver ({failed})", EarmarkWarning, stacklevel=2)
        return asset, path
    raise _not_found(assets, folder, tried)


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise AssetError(f"{path}: {error.strerror or error}", hint="remove it, or set EARMARK_CACHE") from error


def _mirror_source(mirror: str, asset: Asset) -> UrlSource:
    """Return where the mirror would hold a file."""
    base = mirror if "://" in mirror else Path(mirror).expanduser().absolute().as_uri()
    return UrlSource(f"{base.rstrip('/')}/{quote(asset.file_name)}")


def is_offline() -> bool:
    """Return whether the network is to be used for nothing: `EARMARK_OFFLINE`."""
    return os.environ.get("EARMARK_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _fetch_from(source: Source, asset: Asset, folder: Path, transfer: Transfer) -> Path:
    """Fetch a file from one source; it appears under its name only when it is whole and verified."""
    if is_offline() and not (isinstance(source, UrlSource) and is_local(source.url)):
        raise TransferError("not tried, EARMARK_OFFLINE is set")
    path = folder / asset.file_name
    with _partial(path) as part:
        digest = source.save(part, asset.file_name, asset.sha256, transfer)
        if digest != asset.sha256:
            raise TransferError(f"wrong content: sha256 {digest}, {asset.sha256} expected")
        try:
            part.replace(path)
        except OSError as error:
            # Windows lets nobody replace a file that another process has open; it holds the same bytes then.
            if not (path.is_file() and _digest(path) == asset.sha256):
                raise unwritable(folder, error) from error
    return path


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` that no other process uses, and remove it in the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f".{path.name}.*.part"):
            with suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                    old.unlink()
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        part.touch(exist_ok=False)
    except OSError as error:
        raise unwritable(path.parent, error) from error
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _not_found(assets: Sequence[Asset], folder: Path, tried: Sequence[str]) -> AssetError:
    """Make the error that says what was tried, and how to place the file by hand."""
    names = " or ".join(asset.file_name for asset in assets)
    lines = "".join(f"\n  - {line}" for line in tried) or " nothing, for no source is known"
    files = " or ".join(f"{asset.file_name} (sha256 {asset.sha256})" for asset in assets)
    by_hand = f"place {files} in {folder}, or set EARMARK_MIRROR to a folder or URL that holds it under this name"
    online = "unset EARMARK_OFFLINE once, while there is a network; or " if is_offline() else ""
    return AssetError(f"{names} could not be fetched; tried:{lines}", hint=online + by_hand)
