"""`earmark evaluate`: how good a model is; `earmark compare`: which of several is better."""

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options

if TYPE_CHECKING:
    from earmark.evaluate import Report
    from earmark.evaluate.blocks import Block, Table


class GroupChoice(StrEnum):
    """What intervals are drawn over."""

    ARTIST = "artist"
    ALBUM = "album"
    TRACK = "track"
    NONE = "none"


What = Annotated[
    str | None,
    typer.Argument(metavar="[WHAT]", help="A run, a report, predictions.npz, or a model, which needs --dataset."),
]
Whats = Annotated[list[str], typer.Argument(metavar="A B ...", help="Runs, reports or predictions.npz.")]
DatasetName = Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Evaluate on this dataset.")]
Root = Annotated[str | None, typer.Option("--root", metavar="FOLDER", help="The folder of the dataset.")]
Split = Annotated[str | None, typer.Option("--split", metavar="NAME", help="Of the dataset; its default unless given.")]
Part = Annotated[str, typer.Option("--part", metavar="NAME", help="Part of the split: train, validation or test.")]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="An option of the dataset (earmark datasets info); repeatable."),
]
Chunks = Annotated[
    int | None, typer.Option("--chunks", metavar="N", help="Mean over N chunks of a track; over all unless given.")
]
Scores = Annotated[
    str | None, typer.Option("--scores", metavar="FILE", help="Stored scores of other software: .npy, .csv, .csv.gz.")
]
Targets = Annotated[str | None, typer.Option("--targets", metavar="FILE", help="What is true, for --scores.")]
Tags = Annotated[
    str | None, typer.Option("--tags", metavar="FILE", help="Names of the tags, for --scores; or a vocabulary: mtt.")
]
Validation = Annotated[
    str | None, typer.Option("--validation", metavar="FILE", help="Predictions to choose thresholds by.")
]
Halves = Annotated[
    bool, typer.Option("--halves", help="Choose thresholds on one half of the part, judge decisions on the other.")
]
Group = Annotated[
    GroupChoice | None,
    typer.Option("--group", help="Draw intervals over these; artists if known, else recordings, else tracks."),
]
Floors = Annotated[
    str, typer.Option("--floors", metavar="NAMES", help="Baselines beside the prior, with commas: names or FILE.npz.")
]
CommonTags = Annotated[bool, typer.Option("--common-tags", help="Leave out tags that model or dataset does not have.")]
Resamples = Annotated[int, typer.Option("--resamples", metavar="N", help="For intervals.")]
Mistakes = Annotated[int, typer.Option("--mistakes", metavar="N", help="How many of the worst to show; 0 for none.")]
Output = Annotated[str | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write the report there.")]
Store = Annotated[bool, typer.Option("--store", help="Write thresholds and calibration into the card of the model.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object with everything.")]
LinesJson = Annotated[bool, typer.Option("--json", help="JSON lines: one object per model, difference, mean and note.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Tables in Markdown.")]
Mean = Annotated[bool, typer.Option("--mean", help="Also mean and standard deviation: runs over folds or seeds.")]


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.command("evaluate")(evaluate)
    parent.command("compare", short_help="Put models side by side: which are better than the first?")(compare)


def evaluate(
    what: What = None,
    dataset: DatasetName = None,
    root: Root = None,
    split: Split = None,
    part: Part = "test",
    option: Option = None,
    scores: Scores = None,
    targets: Targets = None,
    tags: Tags = None,
    validation: Validation = None,
    halves: Halves = False,
    chunks: Chunks = None,
    group: Group = None,
    floors: Floors = "prior",
    common_tags: CommonTags = False,
    resamples: Resamples = 1000,
    mistakes: Mistakes = 6,
    output: Output = None,
    store: Store = False,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Judge a model: every metric with its interval, beside baselines.

    With --output, the folder gets report.html (one page), report.md, report.json, and predictions.npz for earmark
    compare. In a pipe there is a line per metric, separated by tabs: name, value, low, high, tracks.
    """
    from earmark import evaluate as evaluation
    from earmark.cli import output as streams
    from earmark.cli.settings import settings
    from earmark.errors import UsageError

    if store and (what is None or dataset is not None):
        raise UsageError("--store is for a run, judged by its own validation part")
    with progress("evaluating", quiet=quiet) as on_progress:
        report = evaluation.evaluate(
            what,
            dataset=dataset,
            root=root,
            split=split,
            part=part,
            options=settings("--option", option or ()),
            scores=scores,
            targets=targets,
            tags=tags,
            validation=validation,
            halves=halves,
            chunks=chunks,
            group=None if group is None else group.value,
            floors=[name.strip() for name in floors.split(",") if name.strip()],
            common_tags=common_tags,
            resamples=resamples,
            mistakes=mistakes if output or as_json else 0,
            on_progress=on_progress,
        )
    written = evaluation.write_report(report, output) if output else ()
    stored = evaluation.store(report, what) if store and what is not None else None
    print_report(report, as_json=as_json, quiet=quiet)
    if stored is not None and not quiet:
        streams.note(f"{stored}: its card has the thresholds and the calibration now")
    if written and not quiet:
        streams.note(f"{written[2]}: the report")


def compare(
    whats: Whats,
    part: Part = "test",
    group: Group = None,
    mean: Mean = False,
    resamples: Resamples = 1000,
    markdown: Markdown = False,
    as_json: LinesJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Put models side by side, and say which are better than the first.

    On the same tracks, the difference of each to the first has an interval of its own, from the same draws; it may
    exclude zero where the intervals of the two overlap. In a pipe there is a line per value, separated by tabs: metric,
    model, value, low, high; "B - A" is a difference.
    """
    from earmark import evaluate as evaluation
    from earmark.cli import output as streams
    from earmark.errors import UsageError

    if markdown and as_json:
        raise UsageError("--markdown and --json exclude each other", hint="choose one of them")
    with progress("comparing", quiet=quiet) as on_progress:
        found = evaluation.compare(
            whats, part=part, group=None if group is None else group.value, mean=mean, resamples=resamples,
            on_progress=on_progress,
        )  # fmt: skip
    if as_json:
        plain = found.to_dict()
        lines = [{"entry": entry} for entry in plain["entries"]]
        lines += [{"difference": one} for one in plain["differences"]]
        lines += [{"means": plain["means"]}] if plain["means"] else []
        lines += [{"note": note} for note in plain["notes"]]
        sys.stdout.writelines(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    elif markdown:
        sys.stdout.write(found.to_markdown())
    else:
        if sys.stdout.isatty():
            print_blocks(found.blocks(width=shutil.get_terminal_size().columns))
        else:
            _print_rows(found.rows())
        for note in found.notes:
            streams.warn(note)


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Callable[[float | None, str], None]]:
    """Give a function that shows how far a judgement is."""
    from earmark.progress import ProgressBar

    with ProgressBar(label, enabled=False if quiet else None) as bar:
        yield bar.update


def print_report(report: "Report", *, as_json: bool, quiet: bool) -> None:
    """Print a judgement: as one JSON object, as tables, or as lines for a pipe."""
    from earmark.cli import output
    from earmark.evaluate.blocks import Text
    from earmark.evaluate.sections import leak_texts, scores_table, title

    if as_json:
        sys.stdout.write(json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")
        return
    for text in leak_texts(report):
        output.warn(text)
    if sys.stdout.isatty():
        sys.stdout.write(output.printable(title(report)) + "\n\n")
        table = scores_table(report, width=shutil.get_terminal_size().columns)
        is_whole = table == scores_table(report)
        left_out = Text(
            "Lower is better of log loss and calibration error. Intervals are left out for want of room: a wider "
            "terminal, --json or --output has them."
        )
        print_blocks([table] if is_whole else [table, left_out])
    else:
        _print_rows((name, one.value, one.low, one.high, one.n_tracks) for name, one in report.model.estimates.items())
    failed = {part: len(ids) for part, ids in report.failures.items() if ids}
    for part, n in failed.items():
        output.warn(f"{output.counted(n, 'track')} of the {part} part could not be scored and are left out")
    found = report.model.evaluation
    if found.without_positives:
        output.warn(f"left out of all means, no track has them: {', '.join(found.without_positives)}")
    for note in () if quiet else report.notes:
        output.note(note)


def _print_rows(rows: Iterable[tuple[str | float | None, ...]]) -> None:
    """Print what a pipe gets: numbers as they are, tabs between them, nothing where there is none."""
    from earmark.cli.output import printable

    for row in rows:
        sys.stdout.write("\t".join("" if cell is None else printable(str(cell)) for cell in row) + "\n")


def print_blocks(blocks: "Sequence[Block]") -> None:
    """Print tables in columns, with the texts and headings between them."""
    from earmark.cli.output import printable
    from earmark.evaluate.blocks import Heading, Table, Text

    width = shutil.get_terminal_size().columns
    for block in blocks:
        if isinstance(block, Table):
            _print_table(block)
        elif isinstance(block, Heading | Text):
            sys.stdout.write("\n" + textwrap.fill(printable(block.text), width) + "\n")


def _print_table(table: "Table") -> None:
    from rich.cells import cell_len

    from earmark.cli.output import printable

    rows = [[printable(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(cell_len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        cells = []
        for k, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell_len(cell))
            cells.append(cell + space if k < table.left else space + cell)
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
