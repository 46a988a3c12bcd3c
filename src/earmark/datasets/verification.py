"""Verify a dataset on disk: label files, checksums, audio that is missing, empty, damaged or unexpected."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from earmark.assets.resuming import checksums
from earmark.audio.io import AUDIO_SUFFIXES
from earmark.datasets import dataset_info, open_dataset
from earmark.datasets.base import Dataset, Fault, Remote, Track
from earmark.datasets.downloading import placed, read_record, remote_name
from earmark.datasets.listening import listen
from earmark.datasets.reading import how_to_get
from earmark.errors import InputError, UsageError

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and how much there is in all."""
Kind = Literal["all", "labels"]
ProblemKind = Literal["missing", "empty", "unreadable", "damaged", "short"]
SHORT = 1.0  # seconds that audio may lack of its published length, which is often rounded


@dataclass(frozen=True)
class Problem:
    """Something wrong with a track's audio.

    Parameters
    ----------
    track : id
    path : of its audio
    kind : "missing", "empty", "unreadable", "damaged", or "short": it can be read, and is shorter than published
    detail : what is known
    known : how the dataset is known for it; empty if it is not
    """

    track: str
    path: str
    kind: ProblemKind
    detail: str = ""
    known: str = ""


@dataclass(frozen=True)
class FileCheck:
    """What became of a published file.

    Parameters
    ----------
    name : of the file, as `remote_name` has it
    outcome : "right" (equals the published checksum), "as it came" (equals what was recorded at its download),
        "unchecked" (nothing to compare it with), "wrong" or "absent"
    detail : what is known
    """

    name: str
    outcome: Literal["right", "as it came", "unchecked", "wrong", "absent"]
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """What was found of a dataset.

    Parameters
    ----------
    name, root, options : of the dataset
    n_tracks : with labels
    n_audio : tracks that should have audio in the folder
    n_present : of them do
    is_deep : whether audio was decoded to its end
    files : the published files
    problems : of the audio, known ones too
    unexpected : audio in the folder that belongs to no track
    faults : what the dataset is known for
    labels_problem : why the labels cannot be read; empty if they can
    labels_hint : what to do then
    """

    name: str
    root: Path
    options: Mapping[str, Any]
    n_tracks: int
    n_audio: int
    n_present: int
    is_deep: bool
    files: tuple[FileCheck, ...]
    problems: tuple[Problem, ...] = ()
    unexpected: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    labels_problem: str = ""
    labels_hint: str = ""

    @property
    def unknown_problems(self) -> tuple[Problem, ...]:
        """Those that the dataset is not known for; short audio may be published like that, so it is none of them."""
        return tuple(problem for problem in self.problems if not problem.known and problem.kind != "short")

    @property
    def is_good(self) -> bool:
        """Whether nothing is missing or damaged but what the dataset is known for."""
        wrong = any(file.outcome == "wrong" for file in self.files)
        return not (self.labels_problem or wrong or self.unknown_problems)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"root": str(self.root), "options": dict(self.options), "is_good": self.is_good}


def verify(
    name: str,
    root: str | os.PathLike[str],
    *,
    options: Mapping[str, Any] | None = None,
    kind: Kind = "all",
    deep: bool = False,
    jobs: int | None = None,
    journal: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare a dataset on disk with what it should be.

    Parameters
    ----------
    name : of the dataset
    root : its folder
    options : of the dataset
    kind : "all", or "labels" to leave audio alone
    deep : decode all audio to its end; else only files that are missing or empty are found
    jobs : files open at a time; as many as there are CPUs unless given
    journal : file that a deep verification goes on with after an interruption
    progress : see `Progress`

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    UsageError
        If it takes no such option, or `kind` is none.
    InputError
        If there is no such folder.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"kind={kind!r}", hint=f"one of {', '.join(get_args(Kind))}")
    info, folder, chosen = dataset_info(name), Path(root), dict(options or {})
    if not folder.exists():
        raise InputError(f"{folder}: there is no such folder", hint=how_to_get(info, folder))
    files = tuple(_check_files(info.remotes, folder, kind, progress))
    try:
        dataset = open_dataset(name, folder, **chosen)
    except InputError as error:
        if isinstance(error, UsageError):
            raise
        return Verification(
            info.name, folder, chosen, 0, 0, 0, deep, files,
            labels_problem=error.message, labels_hint=error.hint or "",
        )  # fmt: skip
    audio = [track for track in dataset if track.audio is not None] if kind == "all" else []
    problems = list(_missing(dataset, audio))
    bad = {problem.track for problem in problems}
    present = [track for track in audio if track.id not in bad]
    if deep:
        problems += _damaged(dataset, present, jobs, journal, progress)
    n_missing = sum(problem.kind == "missing" for problem in problems)
    unexpected = tuple(_unexpected(folder, audio)) if kind == "all" else ()
    return Verification(
        info.name, folder, dict(dataset.options), len(dataset), len(audio), len(audio) - n_missing, deep, files,
        tuple(problems), unexpected, dataset.faults,
    )  # fmt: skip


def _check_files(remotes: Iterable[Remote], root: Path, kind: Kind, progress: Progress | None) -> Iterable[FileCheck]:
    record = read_record(root)
    for remote in remotes:
        if kind == "labels" and remote.kind != "labels":
            continue
        path, entry = placed(root, remote), record.get(remote_name(remote), {})
        if not path.is_file():
            detail = f"{entry['unpacked']} files were unpacked from it" if "unpacked" in entry else ""
            yield FileCheck(remote_name(remote), "absent", detail)
            continue
        yield _check_file(remote, path, entry, progress)


def _check_file(remote: Remote, path: Path, entry: Mapping[str, Any], progress: Progress | None) -> FileCheck:
    algorithm, _, published = (remote.checksum or "").partition(":")
    recorded = entry.get("sha256")
    n_bytes = path.stat().st_size
    if remote.n_bytes not in (None, n_bytes):
        return FileCheck(remote_name(remote), "wrong", f"{n_bytes:,} bytes, {remote.n_bytes:,} expected")
    if not published and recorded is None:
        return FileCheck(remote_name(remote), "unchecked", "there is no published checksum")
    wanted = published or recorded
    algorithm = algorithm or "sha256"

    def tell(done: int, total: int | None) -> None:
        if progress is not None:
            progress(f"checking {remote_name(remote)}", done, total)

    found = checksums(path, (algorithm,), progress=tell)[algorithm]
    if found != wanted:
        return FileCheck(remote_name(remote), "wrong", f"{algorithm} {found}, {wanted} expected")
    return FileCheck(remote_name(remote), "right" if published else "as it came", f"{algorithm} {found}")


def _missing(dataset: Dataset, tracks: Iterable[Track]) -> Iterable[Problem]:
    """Find audio that is missing or empty."""
    known = _known(dataset)
    for track in tracks:
        path = Path(track.audio or "")
        try:
            n_bytes = path.stat().st_size if path.is_file() else None
        except OSError as error:
            yield Problem(track.id, str(path), "unreadable", error.strerror or str(error), known.get(track.id, ""))
            continue
        if n_bytes is None:
            yield Problem(track.id, str(path), "missing", "", known.get(track.id, ""))
        elif n_bytes == 0:
            yield Problem(track.id, str(path), "empty", "0 bytes", known.get(track.id, ""))


def _damaged(
    dataset: Dataset,
    tracks: list[Track],
    jobs: int | None,
    journal: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> Iterable[Problem]:
    """Find audio that cannot be decoded to its end."""
    known, paths = _known(dataset), {track.id: Path(track.audio or "") for track in tracks}

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("decoding", done, total)

    heard = listen(paths.values(), decode=True, jobs=jobs, journal=journal, progress=tell)
    for id, path in paths.items():
        found = heard[path]
        if found.problem:
            kind: ProblemKind = "damaged" if found.is_readable else "unreadable"
            yield Problem(id, str(path), kind, found.problem, known.get(id, ""))
            continue
        published = dataset[id].duration if dataset[id].segment is None else None
        if published is not None and found.duration is not None and found.duration < published - SHORT:
            detail = f"{found.duration:.1f} s, {published:.1f} s as published"
            yield Problem(id, str(path), "short", detail, known.get(id, ""))


def _known(dataset: Dataset) -> dict[str, str]:
    """Return id of a track to how its audio is known to be bad."""
    kinds = ("unreadable", "unreadable in a copy", "empty", "short", "missing", "suspect", "wrong_duration")
    return {fault.track: fault.detail or fault.kind for fault in dataset.faults if fault.kind in kinds}


def _unexpected(root: Path, tracks: Iterable[Track]) -> Iterable[str]:
    """Find audio in the folder that belongs to no track, in order."""
    expected = {os.path.normpath(track.audio) for track in tracks if track.audio is not None}
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for file in sorted(files):
            path = os.path.join(folder, file)  # noqa: PTH118 (for speed: datasets have a million files)
            is_audio = os.path.splitext(file)[1].lower() in AUDIO_SUFFIXES and not file.startswith(".")  # noqa: PTH122
            if is_audio and os.path.normpath(path) not in expected:
                yield os.path.relpath(path, root)
