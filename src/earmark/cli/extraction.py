"""What `earmark features extract` does: finding the tracks, a progress bar, a list of failures."""

import glob
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from earmark.batch import STDIN, find_audio
from earmark.cli import output
from earmark.cli.settings import Plain
from earmark.datasets import DATASETS, MIRDATA, dataset_info, open_dataset
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.features.extract import Extraction, Outcome, extract
from earmark.features.layout import FAILURES
from earmark.features.pictures import draw_pictures
from earmark.features.sheets import draw_sheets
from earmark.features.store import FeatureStore, Item
from earmark.progress import ProgressBar, clock_text

Number = TypeVar("Number", int, float)

MOST_FAILURES = 20  # that are listed; failures.jsonl in the store has all


def items_of(sources: Sequence[str], *, root: str | None, dataset_options: Mapping[str, Plain]) -> list[Item]:
    """Find the tracks that arguments stand for.

    Parameters
    ----------
    sources : files, folders and patterns; or the name of a dataset
    root : where the dataset lies; None if `sources` are files
    dataset_options : of the dataset

    Raises
    ------
    UsageError
        If there are options of a dataset and none is named.
    InputError
        If there is no audio.
    """
    if root is None:
        if dataset_options:
            raise UsageError("--with is for datasets", hint="say with --root where the dataset lies")
        return _of_files(sources)
    if len(sources) != 1:
        raise UsageError(f"--root goes with one dataset, not with {len(sources)} sources")
    return _of_dataset(sources[0], root, dataset_options)


def _of_files(sources: Sequence[str]) -> list[Item]:
    items, seen = [], set()
    for source in sources:
        if source == STDIN:
            raise UsageError("- is no track that could be found again", hint="name a file")
        if (source in DATASETS or source.startswith(MIRDATA)) and not os.path.lexists(source):
            raise UsageError(f"{source} is a dataset", hint="say with --root where it lies")
        base = _base(source)
        for path in find_audio([source]):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                items.append(Item(os.path.relpath(path, base).replace(os.sep, "/"), path))
    return items


def _base(source: str) -> str:
    """Return the folder that ids of what is found by an argument are relative to."""
    if os.path.isdir(source):  # noqa: PTH112 (False for what no file can be called)
        return source
    if os.path.lexists(source) or not glob.has_magic(source):
        return os.path.dirname(source) or os.curdir  # noqa: PTH120
    fixed = source
    while glob.has_magic(fixed):
        fixed = os.path.dirname(fixed)  # noqa: PTH120
    return fixed or os.curdir


def _of_dataset(name: str, root: str, dataset_options: Mapping[str, Plain]) -> list[Item]:
    tracks = open_dataset(name, root, **dataset_options).tracks
    if not any(track.audio is not None and track.audio.exists() for track in tracks):
        raise InputError(f"{root}: no audio of {name} is there", hint=dataset_info(name).how_to_get)
    return [Item(track.id, str(track.audio or ""), track.segment, track.tags) for track in tracks]


def number_pair(
    option: str, text: str, kind: Callable[[str], Number], sign: str, example: str
) -> tuple[Number, Number]:
    """Read two numbers with a sign between them."""
    try:
        first, second = (kind(part) for part in text.split(sign))
    except ValueError:
        raise UsageError(f"{option} {text}: expected two numbers", hint=f"for instance {option} {example}") from None
    return first, second


class Run:
    """One run over many tracks.

    Parameters
    ----------
    items : the tracks
    as_json : write a line of JSON per track
    quiet : no progress and no summary
    """

    def __init__(self, items: Sequence[Item], *, as_json: bool, quiet: bool) -> None:
        self.items = items
        self.done = Extraction()
        self._as_json, self._quiet = as_json, quiet
        self._ids: list[str] = []  # of what is in the store
        self._store = ""

    def extract(
        self,
        store: str,
        *,
        frontend: str,
        parameters: Mapping[str, Plain],
        dtype: str | None,
        jobs: int | None,
    ) -> None:
        """Compute the features; the parameters are those of `earmark.features.extract.extract`."""
        self._store = store
        with ProgressBar("extracting", enabled=False if self._quiet else None) as bar:
            try:
                extract(
                    self.items, store, frontend=frontend, parameters=parameters, dtype=dtype, jobs=jobs,
                    on_outcome=lambda outcome: self._note(outcome, bar),
                )  # fmt: skip
            except (KeyboardInterrupt, EarmarkError):
                bar.clear()
                n = len(self._ids) + len(self.done.failures)
                if n:
                    output.note(f"{n} of {len(self.items)} tracks done; the same command goes on from here")
                raise
            elapsed = bar.elapsed
        if not self._quiet:
            self._sum_up(elapsed)

    def _note(self, outcome: Outcome, bar: ProgressBar) -> None:
        self.done.count(outcome)
        if outcome.entry is not None:
            self._ids.append(outcome.item.id)
        if self._as_json:
            with bar.hidden():
                sys.stdout.write(json.dumps(_plain(outcome)) + "\n")
                sys.stdout.flush()  # a program that reads the lines sees them as they come
        if outcome.status == "computed" and outcome.entry is not None:
            for text in outcome.entry.notes:
                with bar.hidden():
                    output.warn(f"{outcome.item.path}: {text}")
        bar.update(self._fraction(), f"{len(self._ids)}/{len(self.items)} tracks{self._rate(bar.elapsed)}")

    def _fraction(self) -> float:
        """Say how much of what is to be computed is done; what the store had is no work."""
        n_work = len(self.items) - self.done.n_known
        return (self.done.n_computed + len(self.done.failures)) / n_work if n_work else 1.0

    def _rate(self, elapsed: float) -> str:
        failed = f", {len(self.done.failures)} failed" if self.done.failures else ""
        if not self.done.n_computed:
            return failed
        elapsed = max(elapsed, 1e-3)
        rate = self.done.n_computed / elapsed
        shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        return f"{failed}  {shown} tracks/s, {self.done.seconds / elapsed:,.0f}× real time"

    def draw(
        self,
        store: str,
        folder: str,
        *,
        value_range: tuple[float, float] | None,
        size: tuple[int, int] | None,
        colours: bool,
        jobs: int | None,
    ) -> None:
        """Draw pictures and sheets; the parameters are those of `draw_pictures`."""
        opened = FeatureStore.open(store)
        with ProgressBar("drawing", enabled=False if self._quiet else None) as bar:
            n_drawn = 0

            def show(_: Path) -> None:
                nonlocal n_drawn
                n_drawn += 1
                bar.update(n_drawn / len(self._ids), f"{n_drawn}/{len(self._ids)} pictures")

            try:
                draw_pictures(
                    opened, folder, ids=self._ids, value_range=value_range, size=size, colours=colours, jobs=jobs,
                    on_picture=show,
                )  # fmt: skip
                sheets = draw_sheets(opened, Path(folder) / "sheets", ids=self._ids, value_range=value_range)
            except KeyboardInterrupt:
                bar.clear()
                output.note(f"{n_drawn} of {len(self._ids)} pictures drawn; the same command goes on from here")
                raise
        if not self._quiet:
            tags = f", {output.counted(len(sheets), 'contact sheet')}" if sheets else ""
            output.note(f"{output.counted(len(self._ids), 'picture')} in {folder}{tags}")

    def _sum_up(self, elapsed: float) -> None:
        n, n_failed = len(self.items), len(self.done.failures)
        known = f" ({self.done.n_known} of them were there)" if self.done.n_known else ""
        time = clock_text(elapsed) if elapsed >= 10 else f"{elapsed:.1f} s"
        rate = self._rate(elapsed).partition("  ")[2] if self.done.n_computed else ""
        output.note(
            f"{n - n_failed} of {output.counted(n, 'track')} in the store{known}, in {time}{', ' if rate else ''}{rate}"
        )

    def finish(self) -> int:
        """List the failures, the first of very many; return the exit status."""
        failures = self.done.failures
        if failures:
            output.note(f"{len(failures):,} of {output.counted(len(self.items), 'track')} failed:")
        for failure in failures[:MOST_FAILURES]:
            assert failure.error is not None
            output.error(failure.error)
        if len(failures) > MOST_FAILURES:
            output.note(f"and {len(failures) - MOST_FAILURES:,} more, see {Path(self._store) / FAILURES}")
        return 1 if failures else 0


def _plain(outcome: Outcome) -> dict[str, object]:
    plain: dict[str, object] = {"id": outcome.item.id, "path": outcome.item.path, "status": outcome.status}
    if outcome.entry is not None:
        entry = outcome.entry
        plain |= {"n_frames": entry.n_frames, "duration": entry.duration, "notes": list(entry.notes)}
    if outcome.error is not None:
        plain |= {"error": outcome.error.message, "hint": outcome.error.hint}
    return plain
