"""Download datasets: resumable, verified, unpacked.

`.earmark-downloads.json` in the dataset's folder records what came: size, sha256, address, and which archives were
unpacked, so that nothing is fetched twice and files without a published checksum can be compared later.

EARMARK_MIRROR (a folder or URL) is asked first, for DATASET/FILE and then for FILE; with EARMARK_OFFLINE only a mirror
that is a folder is.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from earmark.assets import is_offline
from earmark.assets.download import Transfer, TransferError, is_local, redacted
from earmark.assets.resuming import checksums, forget_part, part_path, receive
from earmark.datasets import dataset_info
from earmark.datasets.base import DatasetInfo, Remote
from earmark.datasets.unpacking import unpack
from earmark.errors import AssetError, InputError, UsageError
from earmark.files import disk_errors, lock_for_writing, replacing

Kind = Literal["all", "labels", "audio"]
Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, such as "fetching a.zip", the bytes done, and the bytes in all (None if unknown)."""

RECORD = ".earmark-downloads.json"
LOCK = ".earmark-downloads.lock"
TIMEOUT, STALL_TIMEOUT = 20.0, 60.0  # seconds; servers of universities take their time


@dataclass(frozen=True)
class Downloaded:
    """What became of a file.

    Parameters
    ----------
    name : of the remote; see `remote_name`
    path : where it lies, or lay before it was unpacked and removed
    outcome : "fetched", "kept" (it was there) or "unpacked before"
    n_bytes : of the file
    n_resumed : of them were there from an earlier attempt
    sha256 : of its content; empty where it was not computed
    verified : whether it equals the published checksum; None if nobody published one
    note : what else there is to say
    """

    name: str
    path: Path
    outcome: Literal["fetched", "kept", "unpacked before"]
    n_bytes: int = 0
    n_resumed: int = 0
    sha256: str = ""
    verified: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Download:
    """What `download` did.

    Parameters
    ----------
    name, root : of the dataset
    files : in the order of the remotes
    unpacked : archive to the number of files in it
    notes : what the user should know
    """

    name: str
    root: Path
    files: tuple[Downloaded, ...]
    unpacked: Mapping[str, int]
    notes: tuple[str, ...] = ()


def download(
    name: str,
    root: str | os.PathLike[str],
    *,
    kind: Kind = "all",
    accept: bool = False,
    only: Sequence[str] = (),
    keep_archives: bool = False,
    again: bool = False,
    progress: Progress | None = None,
) -> Download:
    """Fetch the published files of a dataset and unpack them; interrupted, the same call goes on.

    Parameters
    ----------
    name : of the dataset
    root : its folder; created
    kind : "labels", "audio" or "all"
    accept : agree to what the dataset asks one to agree to (`info.consent`)
    only : names of files, or patterns such as "fma_small*"; all unless given
    keep_archives : keep archives after they are unpacked
    again : fetch also what is there or was unpacked before
    progress : see `Progress`

    Raises
    ------
    UsageError
        If the dataset asks for consent, and `accept` is not given; or a pattern matches no file.
    InputError
        If there is no legal download, no space, or an archive is damaged.
    AssetError
        If files could not be fetched; the others were.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"kind={kind!r}", hint=f"one of {', '.join(get_args(Kind))}")
    info = dataset_info(name)
    remotes = choose(info, kind, only)
    if info.consent and not accept:
        raise UsageError(f"{info.title}: {info.consent}", hint="if you agree: --accept (in Python: accept=True)")
    folder = Path(root)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    notes = [f"no download of the audio: {info.no_download}"] if info.no_download and kind != "labels" else []
    with _alone(folder):
        work = _Work(info, folder, again=again, progress=progress)
        work.check_space(remotes)
        files, failures = [], []
        for remote in remotes:
            try:
                files.append(work.get(remote))
            except AssetError as error:
                failures.append(error.message)
        unpacked = work.unpack(remotes, {file.name for file in files}, keep=keep_archives)
    if failures:
        raise AssetError(
            f"{len(failures)} of {len(remotes)} files of {info.name} could not be fetched:"
            + "".join(f"\n  - {line}" for line in failures),
            hint="give the same command again: what came is kept, also parts of files; or set EARMARK_MIRROR to a "
            f"folder or URL that holds them, or get them by hand: {info.how_to_get}",
        )
    return Download(info.name, folder, tuple(files), unpacked, tuple(notes))


def choose(info: DatasetInfo, kind: Kind, only: Sequence[str] = ()) -> list[Remote]:
    """Return the remotes of a kind, all or those that patterns name.

    Raises
    ------
    InputError
        If there are none: it says why.
    UsageError
        If a pattern matches none of them.
    """
    remotes = [remote for remote in info.remotes if kind in ("all", remote.kind)]
    if not remotes:
        what = info.name if kind == "all" else f"{kind} of {info.name}"
        none = "its labels come with the audio" if kind == "labels" else "nobody publishes them apart"
        raise InputError(f"{what}: there is no download: {info.no_download or none}", hint=info.how_to_get)
    for pattern in only:
        if not any(_matches(remote, pattern) for remote in remotes):
            names = [remote_name(remote) for remote in remotes]
            shown = ", ".join(names[:12]) + (f", and {len(names) - 12} more" if len(names) > 12 else "")
            raise UsageError(f"{info.name} has no file {pattern!r} to download", hint=f"there are {shown}")
    chosen = [remote for remote in remotes if not only or any(_matches(remote, pattern) for pattern in only)]
    whole = {remote.joins for remote in chosen if remote.joins}  # one piece of an archive is of no use
    return [remote for remote in remotes if remote in chosen or remote.joins in whole]


def remote_name(remote: Remote) -> str:
    """Return what tells the file of a remote from all others: its path in the dataset's folder."""
    return remote.file_name if remote.unpack or remote.into == "." else f"{remote.into}/{remote.file_name}"


def _matches(remote: Remote, pattern: str) -> bool:
    names = (remote_name(remote), remote.file_name, remote.joins or remote.file_name)
    return any(fnmatchcase(name, pattern) for name in names)


def placed(root: Path, remote: Remote) -> Path:
    """Return where the file of a remote is kept: archives in the dataset's folder, others where they belong."""
    return root / remote_name(remote)


def read_record(root: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of the files that were downloaded, by their names; empty if nothing."""
    try:
        plain = json.loads((root / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    files = plain.get("files") if isinstance(plain, dict) else None
    if not isinstance(files, dict):
        return {}
    return {name: entry for name, entry in files.items() if isinstance(entry, dict)}


class _Work:
    """One download of one dataset."""

    def __init__(self, info: DatasetInfo, root: Path, *, again: bool, progress: Progress | None) -> None:
        self.info, self.root, self.again = info, root, again
        self.progress = progress
        self.record = read_record(root)

    def check_space(self, remotes: Sequence[Remote]) -> None:
        """Raise `InputError` if the files are known not to fit."""
        needed = 0
        for remote in remotes:
            if remote.n_bytes is not None and not self._is_unpacked(remote):
                path = placed(self.root, remote)
                there = [p.stat().st_size for p in (path, part_path(path)) if p.is_file()]
                needed += max(remote.n_bytes - max(there, default=0), 0)
        free = shutil.disk_usage(self.root).free
        if needed > free:
            raise InputError(
                f"{self.root}: {needed / 1e9:,.2f} GB are to come, {free / 1e9:,.2f} GB are free",
                hint="make space, choose another folder, or fetch the labels alone (--labels-only)",
            )

    def get(self, remote: Remote) -> Downloaded:
        """Fetch a file unless it is there."""
        path = placed(self.root, remote)
        if self._is_unpacked(remote):
            return Downloaded(
                remote_name(remote), path, "unpacked before", sha256=self._known(remote).get("sha256", "")
            )
        kept = None if self.again else self._kept(remote, path)
        return kept or self._fetch(remote, path)

    def _known(self, remote: Remote) -> dict[str, Any]:
        return self.record.get(remote_name(remote), {})

    def _is_unpacked(self, remote: Remote) -> bool:
        return remote.unpack and "unpacked" in self._known(remote) and not self.again

    def _kept(self, remote: Remote, path: Path) -> Downloaded | None:
        """Return what there is to say of a file that is there, or None if it has to be fetched."""
        if not path.is_file():
            return None
        n_bytes = path.stat().st_size
        algorithm, wanted = _checksum(remote)
        found = checksums(path, {algorithm, "sha256"}, progress=self._told(f"checking {remote_name(remote)}"))
        if wanted:
            if found[algorithm] != wanted:
                return None
            return Downloaded(remote_name(remote), path, "kept", n_bytes, sha256=found["sha256"], verified=True)
        if remote.n_bytes not in (None, n_bytes):
            return None
        recorded = self._known(remote).get("sha256")
        if recorded is not None and recorded != found["sha256"]:
            return None
        note = "as it came" if recorded else "there is no published checksum to compare it with"
        return Downloaded(remote_name(remote), path, "kept", n_bytes, sha256=found["sha256"], note=note)

    def _fetch(self, remote: Remote, path: Path) -> Downloaded:
        """Fetch a file from the mirror or its home; it takes its name only if its content is right."""
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        tried = []
        for url in sources(self.info.name, remote):
            if is_offline() and not is_local(url):
                tried.append(f"{redacted(url)}: not tried, EARMARK_OFFLINE is set")
                continue
            try:
                return self._fetch_from(url, remote, path)
            except TransferError as error:
                tried.append(f"{redacted(url)}: {redacted(error.reason)}")
        raise AssetError(f"{remote_name(remote)}: {'; '.join(tried)}")

    def _fetch_from(self, url: str, remote: Remote, path: Path) -> Downloaded:
        algorithm, wanted = _checksum(remote)
        part = part_path(path)
        told = self._told(f"fetching {remote_name(remote)}")
        transfer = Transfer(timeout=TIMEOUT, stall_timeout=STALL_TIMEOUT, progress=told)
        received = receive(url, part, transfer, algorithms={algorithm, "sha256"})
        wrong = _wrong(remote, received.n_bytes, received.digests)
        if wrong and received.n_resumed:  # the halves may not belong together
            forget_part(part)
            received = receive(url, part, transfer, algorithms={algorithm, "sha256"})
            wrong = _wrong(remote, received.n_bytes, received.digests)
        if wrong:
            forget_part(part)
            raise TransferError(f"wrong content: {wrong}")
        with disk_errors(path):
            part.replace(path)
        sha256 = received.digests["sha256"]
        self.record[remote_name(remote)] = {"sha256": sha256, "n_bytes": received.n_bytes, "url": redacted(url)}
        self._save()
        note = "" if wanted else "there is no published checksum; its sha256 is recorded"
        verified = True if wanted else None
        return Downloaded(
            remote_name(remote), path, "fetched", received.n_bytes, received.n_resumed, sha256, verified, note
        )

    def unpack(self, remotes: Sequence[Remote], there: set[str], *, keep: bool) -> dict[str, int]:
        """Unpack the archives that are whole, and remove them unless they are kept."""
        unpacked = {}
        for name, pieces in archives(remotes).items():
            if any(remote_name(piece) not in there for piece in pieces) or all(map(self._is_unpacked, pieces)):
                continue
            paths = [placed(self.root, piece) for piece in pieces]
            if not all(path.is_file() for path in paths):
                raise InputError(f"{self.root}: a piece of {name} is gone", hint="fetch it anew: --again")
            told = self._told(f"unpacking {name}")
            n_files, _ = unpack(paths, self.root / pieces[0].into, name=name, inner=pieces[0].inner, progress=told)
            unpacked[name] = n_files
            for piece in pieces:
                self.record.setdefault(remote_name(piece), {})["unpacked"] = n_files
            self._save()
            if not keep:
                for piece, path in zip(pieces, paths, strict=True):
                    if "url" in self._known(piece):  # not what someone put there by hand
                        path.unlink()
        return unpacked

    def _told(self, label: str) -> Callable[[int, int | None], None]:
        def tell(done: int, total: int | None) -> None:
            if self.progress is not None:
                self.progress(label, done, total)

        return tell

    def _save(self) -> None:
        content = {"dataset": self.info.name, "files": self.record}
        with replacing(self.root / RECORD) as file:
            file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def archives(remotes: Sequence[Remote]) -> dict[str, list[Remote]]:
    """Return the archives to unpack with their pieces in order."""
    found: dict[str, list[Remote]] = {}
    for remote in remotes:
        if remote.unpack:
            found.setdefault(remote.joins or remote.file_name, []).append(remote)
    return found


def sources(name: str, remote: Remote) -> list[str]:
    """Return the addresses that a file is asked from, in order."""
    mirror = os.environ.get("EARMARK_MIRROR", "")
    if not mirror:
        return [remote.url]
    base = (mirror if "://" in mirror else Path(mirror).expanduser().absolute().as_uri()).rstrip("/")
    names = dict.fromkeys((remote_name(remote), remote.file_name))
    folders = [f"{base}/{quote(name)}/{quote(file)}" for file in names]
    return [*folders, *(f"{base}/{quote(file)}" for file in names), remote.url]


def _checksum(remote: Remote) -> tuple[str, str]:
    """Return algorithm and digits of the published checksum; no digits if nobody published one."""
    algorithm, _, digits = (remote.checksum or "sha256:").partition(":")
    return algorithm, digits


def _wrong(remote: Remote, n_bytes: int, digests: Mapping[str, str]) -> str:
    """Say in what a file differs from what was published; empty if in nothing."""
    algorithm, wanted = _checksum(remote)
    if wanted and digests[algorithm] != wanted:
        return f"{algorithm} {digests[algorithm]}, {wanted} expected"
    if not wanted and remote.n_bytes not in (None, n_bytes):
        return f"{n_bytes} bytes, {remote.n_bytes} expected"
    return ""


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one process at a time download into a folder."""
    path = root / LOCK
    with disk_errors(path), path.open("ab") as file:
        if not lock_for_writing(file):
            raise InputError(f"{root}: another process is downloading into it", hint="wait for it to end")
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
