"""Compute the features of many tracks into a store, several at a time; go on where an interrupted run stopped."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from earmark.audio.spectra import SPECTRA, Spectrum, default_range
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.features.computing import Block, check_dtype
from earmark.features.layout import SHARD_BYTES, Entry, StoreInfo
from earmark.features.store import Item, content_digest
from earmark.features.workers import Workers
from earmark.features.writing import StoreWriter
from earmark.parallel import cpu_count, map_ordered
from earmark.registry import check_values

REVISION = 1
"""Of the numbers that front ends compute. It is raised when the same parameters and audio give others."""


@dataclass(frozen=True)
class Outcome:
    """What came of a track.

    Parameters
    ----------
    item : the track
    status : "computed"; "known" if the store had it; "failed"
    entry : where its features are, unless it failed
    error : why it failed
    """

    item: Item
    status: Literal["computed", "known", "failed"]
    entry: Entry | None = None
    error: EarmarkError | None = None


@dataclass
class Extraction:
    """What came of a run.

    Parameters
    ----------
    n_computed, n_known : tracks that were computed, and that the store had
    seconds : of audio that was computed, seconds
    failures : the tracks that failed
    """

    n_computed: int = 0
    n_known: int = 0
    seconds: float = 0.0
    failures: list[Outcome] = field(default_factory=list)

    def count(self, outcome: Outcome) -> None:
        """Add a track."""
        if outcome.status == "failed":
            self.failures.append(outcome)
        elif outcome.status == "known":
            self.n_known += 1
        else:
            self.n_computed += 1
            self.seconds += outcome.entry.duration if outcome.entry is not None else 0.0


def extract(
    items: Sequence[Item],
    store_path: str | os.PathLike[str],
    *,
    frontend: str = "log_mel",
    parameters: Mapping[str, Any] | None = None,
    dtype: str | None = None,
    jobs: int | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    wait: bool = False,
) -> Extraction:
    """Compute the features of tracks into a store; one that fails stops nothing.

    A track that the store has is not computed again, unless the content of its file or its segment has changed. When
    a run is interrupted, however it is, another goes on from there, and the store ends byte for byte as if there had
    been no interruption.

    Parameters
    ----------
    items : the tracks, each id once
    store_path : folder of the store; begun if it is not there
    frontend : name in `earmark.audio.spectra.SPECTRA`
    parameters : of the front end; the others keep their defaults
    dtype : "float16", "float32", or, of waveforms, "int16"; by default int16 for waveforms, else float16
    jobs : tracks at a time, each in a process of its own; as many as there are CPUs unless given
    on_outcome : called with every track, in their order
    wait : until another process that writes to the store ends; its work need not be done again

    Raises
    ------
    UsageError
        If an id comes twice, the front end takes no such parameters, or the store holds other features or is being
        written to and nobody is to wait for that.
    UnknownNameError
        If there is no such front end.
    InputError
        If the store cannot be written.
    MissingExtraError
        If the front end needs an extra that is not installed.
    """
    _check_unique(items)
    jobs = cpu_count() if jobs is None else jobs
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}, expected 1 or more")
    info = describe(frontend, parameters or {}, dtype)
    done = Extraction()
    n_workers = 0 if min(jobs, len(items)) == 1 or not _is_own(frontend) else jobs
    with (
        StoreWriter(store_path, info, wait=wait) as writer,
        Workers(frontend, parameters or {}, info.dtype, n_workers) as workers,
    ):
        found = map_ordered(lambda item: _compute(item, writer, workers), items, jobs=jobs)
        try:
            for item, result in zip(items, found, strict=True):
                outcome = _keep(item, result, writer)
                done.count(outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
        except (KeyboardInterrupt, EarmarkError):
            with suppress(InputError):  # the first error counts
                writer.write_failures(map(_plain, done.failures))
            raise
        writer.write_failures(map(_plain, done.failures))
    return done


def describe(frontend: str, parameters: Mapping[str, Any], dtype: str | None) -> StoreInfo:
    """Resolve the parameters of a front end; the parameters here are those of `extract`."""
    check_values(f"front end {frontend!r}", SPECTRA[frontend], parameters)
    try:
        spectrum: Spectrum = SPECTRA.build(frontend, **parameters)
    except (TypeError, ArithmeticError) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
        raise UsageError(f"front end {frontend!r} cannot be made with {given}: {error}") from error
    return StoreInfo(
        frontend=frontend,
        parameters=spectrum.parameters,
        revision=REVISION,
        dtype=check_dtype(dtype, frontend),
        n_features=spectrum.n_features,
        sample_rate=spectrum.sample_rate,
        hop_length=spectrum.hop_length,
        unit=spectrum.unit,
        value_range=default_range(spectrum),
        shard_bytes=SHARD_BYTES,
    )


def _check_unique(items: Iterable[Item]) -> None:
    seen: dict[str, str] = {}
    for item in items:
        if item.id in seen:
            hint = "name the folder that holds both, or make two stores"
            raise UsageError(f"two tracks have the id {item.id!r}: {seen[item.id]} and {item.path}", hint=hint)
        seen[item.id] = item.path


def _is_own(frontend: str) -> bool:
    """Say whether a fresh process knows the front end, too: it is not one that the caller registered."""
    return str(getattr(SPECTRA[frontend], "__module__", "")).startswith("earmark.")


@dataclass(frozen=True)
class _Result:
    """What a thread found out about a track."""

    content: str | None
    block: Block | None = None
    error: EarmarkError | None = None


def _compute(item: Item, writer: StoreWriter, workers: Workers) -> _Result:
    """Look at the content of a file, and compute its features if the store has none of it."""
    content = None
    try:
        if not item.path:
            raise InputError(f"{item.id}: there is no audio of it")
        before = _stamp(item.path)
        content = content_digest(item.path)
        if writer.find((content, item.segment)) is not None:
            return _Result(content)
        block = workers.compute(item.path, item.segment)
        if _stamp(item.path) != before:
            raise InputError(f"{item.path}: changed while it was read", hint="extract again when it is at rest")
    except EarmarkError as error:
        return _Result(content, error=error)
    return _Result(content, block)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        entry = Path(path).stat()
    except (OSError, ValueError):
        return None
    return entry.st_size, entry.st_mtime_ns


def _keep(item: Item, result: _Result, writer: StoreWriter) -> Outcome:
    """Write what came of a track to the store."""
    if result.error is not None or result.content is None:
        former = writer.entry(item.id)
        if former is not None and result.content is not None and former.key != (result.content, item.segment):
            writer.drop(item.id, str(result.error))
        return Outcome(item, "failed", error=result.error)
    block, path = result.block, os.path.abspath(item.path)  # noqa: PTH100 (keeps links)
    found = writer.find((result.content, item.segment))
    if found is not None:
        entry = replace(found, id=item.id, path=path, tags=item.tags)
        return Outcome(item, "known" if block is None else "computed", writer.link(entry))
    assert block is not None
    entry = Entry(
        id=item.id, content=result.content, segment=item.segment, shard=0, offset=0, n_frames=block.n_frames, crc32=0,
        duration=block.duration, path=path, tags=item.tags, notes=block.notes,
    )  # fmt: skip
    return Outcome(item, "computed", writer.add(entry, block.data))


def _plain(failure: Outcome) -> dict[str, Any]:
    error = failure.error
    assert error is not None
    return {"id": failure.item.id, "path": failure.item.path, "error": error.message, "hint": error.hint}
