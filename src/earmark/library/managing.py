"""Look after a catalogue: what is in it, what no longer has a file, what goes."""

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.library.duplicates import DuplicateGroup, OnProgress, find_duplicates
from earmark.library.ledger import is_gone
from earmark.library.models import TAUGHT
from earmark.library.schema import FAILURES, FOLDERS, TRACKS, files_columns, read_files
from earmark.library.store import Store, among


@dataclass(frozen=True)
class ModelStatus:
    """How much of a catalogue a model has heard.

    Parameters
    ----------
    name, version : of the model
    n_tags : that it knows
    listened : how much of a track was heard -> how many tracks
    """

    name: str
    version: str
    n_tags: int
    listened: dict[str, int]

    @property
    def n_tracks(self) -> int:
        """Tracks that it has heard."""
        return sum(self.listened.values())


@dataclass(frozen=True)
class Status:
    """What is in a catalogue.

    Parameters
    ----------
    address : of the catalogue
    n_tracks, n_files : tracks, and files that hold them
    n_lost : tracks without a file
    seconds : of all tracks together
    n_bytes : of all files together
    size : of the catalogue on disk, bytes; None where it lies in an object store
    models : that have listened
    n_taught : tags that were taught
    n_failures : files that could not be analysed
    folders : that were added
    newest : when the last track was heard; None if there is none
    """

    address: str
    n_tracks: int
    n_files: int
    n_lost: int
    seconds: float
    n_bytes: int
    size: int | None
    models: tuple[ModelStatus, ...]
    n_taught: int
    n_failures: int
    folders: tuple[str, ...]
    newest: datetime.datetime | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        plain = {name: value for name, value in vars(self).items() if name not in ("models", "newest", "folders")}
        models = [{**vars(model), "n_tracks": model.n_tracks} for model in self.models]
        newest = None if self.newest is None else self.newest.isoformat()
        return plain | {"models": models, "folders": list(self.folders), "newest": newest}


@dataclass(frozen=True)
class Failure:
    """A file that could not be analysed.

    Parameters
    ----------
    path : the file
    reason, hint : why, and what to do
    at : when
    """

    path: str
    reason: str
    hint: str | None
    at: datetime.datetime

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {**vars(self), "at": self.at.isoformat()}


def status(store: Store) -> Status:
    """Count what is in a catalogue."""
    models = store.models()
    columns = ["files", "duration", "analysed_at"]
    listened: dict[str, dict[str, int]] = {model.name: {} for model in models}
    kinds = {model.name: model.column("listened") for model in models if model.n_features}
    n_tracks = n_files = n_lost = n_bytes = 0
    seconds, newest = 0.0, None
    for batch in store.scan(TRACKS, [*columns, *kinds.values()]):
        for row in batch.to_pylist():
            n_tracks += 1
            n_files += len(row["files"] or ())
            n_lost += not row["files"]
            n_bytes += sum(one["size"] for one in row["files"] or ())
            seconds += row["duration"] or 0.0
            newest = max(filter(None, (newest, row["analysed_at"])), default=None)
            for name, column in kinds.items():
                if row[column] is not None:
                    listened[name][row[column]] = listened[name].get(row[column], 0) + 1
    return Status(
        address=store.address,
        n_tracks=n_tracks,
        n_files=n_files,
        n_lost=n_lost,
        seconds=seconds,
        n_bytes=n_bytes,
        size=None if store.folder is None else _size(store.folder),
        models=tuple(
            ModelStatus(model.name, model.version, len(model.tags), listened[model.name])
            for model in models
            if model.name != TAUGHT
        ),
        n_taught=sum(len(model.tags) for model in models if model.name == TAUGHT),
        n_failures=store.count(name=FAILURES),
        folders=tuple(sorted(os.fsdecode(row["path"]) for b in store.scan(FOLDERS) for row in b.to_pylist())),
        newest=newest,
    )


def failures(store: Store) -> list[Failure]:
    """Return the files that could not be analysed, by name."""
    found = [Failure(os.fsdecode(row["path"]), row["reason"], row["hint"], row["at"]) for row in store.failures()]
    return sorted(found, key=lambda failure: failure.path)


def missing_files(store: Store) -> list[str]:
    """Return the files of a catalogue that are not there any more."""
    paths = [
        file.path
        for batch in store.scan(TRACKS, ["files"])
        for row in batch.to_pylist()
        for file in read_files(row["files"])
    ]
    return sorted(path for path in paths if is_gone(path))


def prune(store: Store, paths: Sequence[str]) -> int:
    """Forget files that are gone, and tracks that have no other file; the caller holds the lock of the catalogue.

    Parameters
    ----------
    store : the catalogue
    paths : of files; those that are there again are kept

    Returns
    -------
    number of tracks that went
    """
    gone = {path for path in paths if is_gone(path)}
    changed, lost = [], []
    for batch in store.scan(TRACKS, ["id", "files"]):
        for row in batch.to_pylist():
            files = read_files(row["files"])
            kept = [file for file in files if file.path not in gone]
            if not kept and files:
                lost.append(row["id"])
            elif len(kept) < len(files):
                changed.append({"id": row["id"], **files_columns(kept)})
    store.put(TRACKS, changed)
    store.delete(TRACKS, lost)
    store.delete(FAILURES, [os.fsencode(path) for path in gone])
    return len(lost)


def remove(store: Store, ids: Sequence[str]) -> int:
    """Take tracks out of a catalogue, not off the disk; the caller holds its lock.

    Returns
    -------
    number of tracks that went
    """
    before = store.count(among("id", ids))
    store.delete(TRACKS, ids)
    return before


def duplicates(
    store: Store,
    *,
    where: str | None = None,
    min_seconds: float = 5.0,
    on_progress: OnProgress | None = None,
) -> list[DuplicateGroup]:
    """Find tracks that hold the same recording, in other encodings or lengths.

    Parameters
    ----------
    store : the catalogue
    where : an SQL condition, built by `earmark.library.filters.to_sql`
    min_seconds : what two tracks must have in common
    on_progress : called with the name of the step and the share of it that is done

    Raises
    ------
    UsageError
        If `min_seconds` is not positive.
    """
    known = "fingerprint IS NOT NULL" + ("" if where is None else f" AND ({where})")
    ids = sorted(one for batch in store.scan(TRACKS, ["id"], where=known) for one in batch.column("id").to_pylist())

    def read(wanted: Sequence[str]) -> list[NDArray[np.uint32]]:
        batches = store.scan(TRACKS, ["id", "fingerprint"], where=among("id", wanted))
        found = {row["id"]: row["fingerprint"] for batch in batches for row in batch.to_pylist()}
        return [np.frombuffer(found[one], "<u4").astype(np.uint32) for one in wanted]

    return find_duplicates(ids, read, min_seconds=min_seconds, on_progress=on_progress)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
