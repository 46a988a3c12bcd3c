"""The formats that tags are printed in."""

import csv
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from earmark.cli.output import console
from earmark.cli.table import print_table
from earmark.errors import UnknownNameError, UsageError
from earmark.highlights import highlights
from earmark.tables import ParquetTags
from earmark.track_tags import Tag, TrackTags
from earmark.vocabulary import CATEGORIES


@dataclass(frozen=True)
class Selection:
    """Which tags to print; the parameters are those of `TrackTags.top`."""

    top: int | None = None
    min_score: float | None = None
    category: Collection[str] | None = None
    above_threshold: bool = False

    def __post_init__(self) -> None:
        for name in self.category or ():
            if name not in CATEGORIES:
                raise UnknownNameError("category", name, CATEGORIES)
        if self.top is not None and self.top < 1:
            raise UsageError(f"--top is {self.top}, expected 1 or more")

    @property
    def is_everything(self) -> bool:
        """Whether nothing was chosen."""
        return self.top is None and self.min_score is None and not self.category and not self.above_threshold

    def options(self) -> dict[str, Any]:
        """Return the arguments for `TrackTags.top`, `to_dict` and `to_json` but the first's name."""
        chosen = {"min_score": self.min_score, "category": self.category or None}
        return chosen | {"above_threshold": self.above_threshold}

    def of(self, result: TrackTags) -> Sequence[Tag]:
        """Return the chosen tags; every tag, if nothing was chosen."""
        return result.tags if self.is_everything else result.top(self.top, **self.options())

    def worth_showing(self, result: TrackTags) -> Sequence[Tag]:
        """Return the chosen tags; the highlights, if nothing was chosen."""
        return highlights(result) if self.is_everything else self.of(result)


class Format(Protocol):
    """Prints results in one format."""

    def begin(self, names: Sequence[str]) -> None:
        """Print what comes before the first result; `names` are those of all tags."""
        ...

    def write(self, result: TrackTags) -> None:
        """Print a result."""
        ...


class Writer:
    """Prints results in every format that was asked for.

    Parameters
    ----------
    selection : which tags
    as_json, as_csv : print this on stdout
    parquet : write this file
    """

    def __init__(
        self, selection: Selection, *, as_json: bool = False, as_csv: bool = False, parquet: str | None = None
    ) -> None:
        if as_json and as_csv:
            raise UsageError("--json and --csv both write to stdout", hint="choose one of them")
        if parquet is not None and not parquet.lower().endswith((".parquet", ".pq")):
            hint = "--parquet takes the name of the file to write, ending in .parquet"
            raise UsageError(f"{parquet}: this would become a Parquet file", hint=hint)
        self._stack = ExitStack()
        self._parquet = None if parquet is None else self._stack.enter_context(ParquetTags(parquet))
        self._selection = selection
        self._format: Format | None
        if as_json:
            self._format = _Json(selection)
        elif as_csv:
            self._format = _Csv(selection)
        elif parquet is not None:
            self._format = None
        else:
            self._format = _Table(selection) if sys.stdout.isatty() else _Lines(selection)

    def begin(self, names: Sequence[str]) -> None:
        """Print what comes before the first result."""
        if self._format is not None:
            self._format.begin(names)

    def write(self, result: TrackTags) -> None:
        """Print a result."""
        if self._format is not None:
            self._format.write(result)
            sys.stdout.flush()
        if self._parquet is not None:
            self._parquet.add(result, self._selection.of(result))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class _Table:
    """A table with bars, for a terminal."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._console = console()
        self._is_first = True

    def begin(self, names: Sequence[str]) -> None:
        """Print nothing."""

    def write(self, result: TrackTags) -> None:
        """Print the table of a track, after an empty line."""
        if not self._is_first:
            self._console.print()
        self._is_first = False
        print_table(self._console, result, self._selection.worth_showing(result))


class _Lines:
    """Lines of path, category, tag, score and lift, separated by tabs, for a pipe."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    def begin(self, names: Sequence[str]) -> None:
        """Print nothing: every line is data."""

    def write(self, result: TrackTags) -> None:
        """Print a line per tag."""
        path = result.path.replace("\\", "\\\\") if any(c in result.path for c in "\t\n\r") else result.path
        path = path.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
        for tag in self._selection.worth_showing(result):
            lift = "" if tag.lift is None else f"{tag.lift:.4g}"
            sys.stdout.write(f"{path}\t{tag.category}\t{tag.tag}\t{tag.score:.4f}\t{lift}\n")


class _Json:
    """JSON lines."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    def begin(self, names: Sequence[str]) -> None:
        """Print nothing."""

    def write(self, result: TrackTags) -> None:
        """Print an object."""
        sys.stdout.write(result.to_json(top=self._selection.top, **self._selection.options()) + "\n")


class _Csv:
    """One row per track: path, duration, model, and the score of every tag, empty where it was not chosen."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._names: Sequence[str] = ()
        self._writer = csv.writer(sys.stdout, lineterminator="\n")

    def begin(self, names: Sequence[str]) -> None:
        """Print the names of the columns."""
        self._names = names
        self._writer.writerow(["path", "duration", "model", *names])

    def write(self, result: TrackTags) -> None:
        """Print a row."""
        scores = {tag.tag: f"{tag.score:.6f}" for tag in self._selection.of(result)}
        row = [result.path, f"{result.duration:.3f}", result.model, *(scores.get(name, "") for name in self._names)]
        self._writer.writerow(row)
