"""`earmark datasets`: published datasets, from their download to their splits."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import fetch_tags, options

if TYPE_CHECKING:
    from earmark.datasets.base import Dataset, Split
    from earmark.datasets.splitting import By as Group
    from earmark.datasets.statistics import Statistics


class ByChoice(StrEnum):
    """What stays whole in a split."""

    ARTIST = "artist"
    ALBUM = "album"
    TRACK = "track"
    ID = "id"


class ToChoice(StrEnum):
    """What a dataset is exported to."""

    TABLE = "table"
    JAMS = "jams"


class PictureChoice(StrEnum):
    """What pictures are written as."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Of a dataset (earmark datasets list), or mirdata:NAME of mirdata.")
]
Root = Annotated[str, typer.Argument(metavar="ROOT", help="The folder of the dataset.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines: one object per dataset.")]
OneJson = Annotated[bool, typer.Option("--json", help="One JSON object with everything.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="An option of the dataset (earmark datasets info); repeatable."),
]
LabelsOnly = Annotated[bool, typer.Option("--labels-only", help="Leave the audio alone.")]
AudioOnly = Annotated[bool, typer.Option("--audio-only", help="Fetch the audio, not the labels.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="FILE", help="Only this file; patterns such as 'fma_small*' too; repeatable."),
]
Accept = Annotated[bool, typer.Option("--accept", help="Agree to what the dataset asks you to agree to.")]
Keep = Annotated[bool, typer.Option("--keep-archives", help="Keep archives after they are unpacked.")]
Again = Annotated[bool, typer.Option("--again", help="Fetch also what is there, or was unpacked before.")]
Deep = Annotated[bool, typer.Option("--deep", help="Decode all audio to its end.")]
Jobs = Annotated[int | None, typer.Option(metavar="N", help="Files open at a time; as many as CPUs unless given.")]
Resume = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Journal: an interrupted --deep goes on with the same command."),
]
Folder = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FOLDER", help="Of the pictures; NAME-stats unless given.")
]
Splits = Annotated[
    list[str] | None, typer.Option("--split", metavar="NAME", help="Only of this split; repeatable. All unless given.")
]
NoAudio = Annotated[bool, typer.Option("--no-audio", help="Do not look into the audio files.")]
NoPictures = Annotated[bool, typer.Option("--no-pictures", help="Statistics only.")]
Picture = Annotated[PictureChoice, typer.Option("--picture", help="What pictures are written as.")]
Dark = Annotated[bool, typer.Option("--dark", help="Pictures light on dark.")]
By = Annotated[
    ByChoice | None,
    typer.Option(help="Make a split, and keep whole: every artist, album or recording (track); id: nothing."),
]
SplitName = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Print this published split.")]
Parts = Annotated[
    str, typer.Option(metavar="N:N:N", help="Shares of train, validation and test; two are train and test.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Another seed gives another split.")]
File = Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write there; else to stdout.")]
LinesJson = Annotated[bool, typer.Option("--json", help="JSON lines: one object per track.")]
To = Annotated[ToChoice, typer.Option(help="A table of tracks (the suffix of OUT says which), or a folder of JAMS.")]
Out = Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="Where to.")]
OneSplit = Annotated[str | None, typer.Option("--split", metavar="NAME", help="Whose parts go into the table.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    fetch_tags.register(app)
    parent.add_typer(app, name="datasets", help="Download, verify, look at, split, tag and export datasets.")


@app.callback(invoke_without_command=True)
def datasets(context: typer.Context, as_json: Json = False) -> None:
    """Download, verify, look at, split and export datasets; without a command, list them."""
    if context.invoked_subcommand is None:
        list_datasets(as_json)


@app.command("list")
def list_datasets(as_json: Json = False) -> None:
    """List the datasets. This works offline.

    In a pipe the columns are separated by tabs: name, title, number of tracks, hours of audio, what can be downloaded,
    licence, home. Besides these, mirdata:NAME takes any loader of mirdata.
    """
    from earmark.cli.dataset_views import print_list
    from earmark.datasets import DATASETS, dataset_info

    infos = [dataset_info(name) for name in DATASETS]
    if as_json:
        for info in infos:
            _print_json(info.to_dict())
    else:
        print_list(infos)


@app.command("info")
def info(name: Name, as_json: OneJson = False) -> None:
    """Say what a dataset is: how to get it, how it must lie on disk, its options and splits."""
    from earmark.cli.dataset_views import print_info
    from earmark.datasets import dataset_info, dataset_options

    facts, defaults = dataset_info(name), dataset_options(name)
    if as_json:
        _print_json(facts.to_dict() | {"defaults": defaults})
    else:
        print_info(facts, defaults)


@app.command("download")
def download(
    name: Name,
    root: Root,
    labels_only: LabelsOnly = False,
    audio_only: AudioOnly = False,
    only: Only = None,
    accept: Accept = False,
    keep_archives: Keep = False,
    again: Again = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch the files of a dataset, verify and unpack them.

    Interrupted, the same command goes on where it stopped, in the middle of a file if need be. What is there and right
    is not fetched again. stdout has a line per file: name, what became of it, bytes, sha256, path.
    """
    from earmark.cli import output
    from earmark.datasets import downloading
    from earmark.errors import UsageError

    if labels_only and audio_only:
        raise UsageError("--labels-only and --audio-only leave nothing", hint="choose one of them")
    with _bytes_progress(quiet) as progress:
        done = downloading.download(
            name, root, kind="labels" if labels_only else "audio" if audio_only else "all", accept=accept,
            only=tuple(only or ()), keep_archives=keep_archives, again=again, progress=progress,
        )  # fmt: skip
    for file in done.files:
        row = (file.name, file.outcome, str(file.n_bytes), file.sha256, str(file.path))
        sys.stdout.write("\t".join(map(output.printable, row)) + "\n")
    unverified = [file.name for file in done.files if file.verified is None and file.outcome == "fetched"]
    if unverified and not quiet:
        output.note(f"without a published checksum, so only their sha256 was recorded: {', '.join(unverified)}")
    for archive, n_files in done.unpacked.items():
        if not quiet:
            output.note(f"{archive}: {n_files:,} files unpacked")
    for text in done.notes:
        output.note(text)


@app.command("verify")
def verify(
    name: Name,
    root: Root,
    deep: Deep = False,
    labels_only: LabelsOnly = False,
    set_: Set = None,
    jobs: Jobs = None,
    resume: Resume = None,
    as_json: OneJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Compare a dataset on disk with what it should be.

    Label files are read, checksums compared, and audio that is missing, empty or unexpected is listed; with --deep also
    what cannot be decoded. The exit status is 1 if something is missing or damaged that the dataset is not known for.

    In a pipe there is a line per finding, separated by tabs: kind, track or file, path, what is wrong, and, if the
    dataset is known for it, how.
    """
    from earmark.cli.dataset_views import print_verification
    from earmark.cli.settings import settings
    from earmark.datasets.verification import verify as verify_dataset
    from earmark.errors import UsageError

    if resume is not None and not deep:
        raise UsageError("--resume belongs to --deep: nothing else takes long")
    with _counting_progress(quiet) as progress:
        found = verify_dataset(
            name, root, options=settings("--set", set_ or ()), kind="labels" if labels_only else "all", deep=deep,
            jobs=jobs, journal=resume, progress=progress,
        )  # fmt: skip
    if as_json:
        _print_json(found.to_dict())
    else:
        print_verification(found, quiet=quiet)
    return 0 if found.is_good else 1


@app.command("stats")
def stats(
    name: Name,
    root: Root,
    output: Folder = None,
    split: Splits = None,
    no_audio: NoAudio = False,
    no_pictures: NoPictures = False,
    picture: Picture = PictureChoice.PNG,
    dark: Dark = False,
    set_: Set = None,
    jobs: Jobs = None,
    as_json: OneJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Print the statistics of a dataset, and draw them.

    The folder gets statistics.json and pictures: tags by frequency, which come together, tags per track, durations,
    tags in the parts, and what the parts share. Where there is audio, the headers of all files are read; interrupted,
    the same command goes on, for audio.journal in the folder keeps what was found.

    In a pipe there is a line per figure, separated by tabs; the first column says of what.
    """
    from earmark.cli.dataset_views import print_statistics
    from earmark.datasets.statistics import compute
    from earmark.files import disk_errors, replacing

    folder = Path(output or f"{name.replace(':', '-')}-stats")
    dataset = _open(name, root, set_)
    splits = tuple(split) if split else None
    for chosen in splits or ():
        dataset.split(chosen)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _counting_progress(quiet) as progress:
        found = compute(
            dataset, splits=splits, audio=not no_audio, jobs=jobs, journal=folder / "audio.journal",
            progress=lambda done, total: progress("reading audio", done, total),
        )  # fmt: skip
    with replacing(folder / "statistics.json") as file:
        file.write((json.dumps(found.to_dict(), ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
    if as_json:
        _print_json(found.to_dict())
    else:
        print_statistics(found)
    if not no_pictures:
        _draw(found, folder, f".{picture.value}", dark=dark, quiet=quiet)


def _draw(found: "Statistics", folder: Path, suffix: str, *, dark: bool, quiet: bool) -> None:
    """Write the pictures, or say what they need."""
    from earmark.cli import output
    from earmark.errors import MissingExtraError
    from earmark.plots.statistics import write_pictures

    try:
        written = write_pictures(found, folder, suffix=suffix, dark=dark)
    except MissingExtraError as problem:
        output.note(f"no pictures: {problem.message} ({problem.hint})")
        return
    if not quiet:
        output.note(f"{folder}: statistics.json, {', '.join(path.name for path in written)}")


@app.command("split")
def split(
    name: Name,
    root: Root,
    by: By = None,
    published: SplitName = None,
    parts: Parts = "12:1:3",
    seed: Seed = 0,
    output: File = None,
    set_: Set = None,
    as_json: LinesJson = False,
) -> None:
    """Print a published split, or make one that keeps groups whole and tags in balance.

    There is a line per track, separated by tabs: id and part, below a line with these words. The same labels, options
    and seed give the same split on every machine. Tracks known to hold no audio are left out.
    """
    from earmark.cli import output as words
    from earmark.errors import UsageError
    from earmark.files import replacing

    if (by is None) == (published is None):
        raise UsageError("a published split needs --name, a new one --by", hint="earmark datasets split --help")
    dataset = _open(name, root, set_)
    made = dataset.split(published) if by is None else _make(dataset, by.value, parts, seed)
    text = _listed(dataset, made, as_json=as_json)
    if output is None:
        sys.stdout.write(text)
    else:
        with replacing(output) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    sizes = ", ".join(f"{part} {n:,}" for part, n in made.sizes.items())
    words.note(f"{made.description}\n{sizes}" + (f", left out {len(made.left_out):,}" if made.left_out else ""))


def _listed(dataset: "Dataset", made: "Split", *, as_json: bool) -> str:
    """Return a split as text, in the order of the tracks."""
    part_of = made.part_of()
    rows = [(track.id, part_of[track.id]) for track in dataset if track.id in part_of]
    if as_json:
        return "".join(json.dumps({"id": id, "part": part}, ensure_ascii=False) + "\n" for id, part in rows)
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([("id", "part"), *rows])
    return text.getvalue()


def _make(dataset: "Dataset", by: "Group", parts: str, seed: int) -> "Split":
    from earmark.cli import output as words
    from earmark.datasets.splitting import split_by_group
    from earmark.errors import UsageError

    n_without = sum(not track.groups.get(by) for track in dataset) if by in ("artist", "album") else 0
    if n_without == len(dataset):
        raise UsageError(f"{dataset.info.name}: no {by} of any track is known", hint="--by track, or --by id")
    if n_without:
        words.note(f"of {n_without:,} of {len(dataset):,} tracks no {by} is known: each stands for itself")
    broken = {fault.track: fault.detail or fault.kind for fault in dataset.faults if fault.is_fatal}
    tags = sorted(dataset.vocabulary.tags)
    return split_by_group(dataset, by=by, parts=parse_parts(parts), seed=seed, tags=tags, left_out=broken)


def parse_parts(text: str) -> dict[str, float]:
    """Read shares of parts: train:validation:test, or train:test.

    Raises
    ------
    UsageError
        If they are none.

    Examples
    --------
    >>> parse_parts("12:1:3"), parse_parts("0.8:0.2")
    ({'train': 12.0, 'validation': 1.0, 'test': 3.0}, {'train': 0.8, 'test': 0.2})
    """
    from math import isfinite

    from earmark.errors import UsageError
    from earmark.vocabulary import SPLITS

    pieces = text.split(":")
    names = {2: ("train", "test"), 3: SPLITS}.get(len(pieces))
    try:
        shares = [float(piece) for piece in pieces]
    except ValueError:
        shares = []
    if names is None or not shares or not all(isfinite(share) and share > 0 for share in shares):
        raise UsageError(f"--parts {text}: expected two or three numbers above 0", hint="for instance --parts 12:1:3")
    return dict(zip(names, shares, strict=True))


@app.command("export")
def export(
    name: Name,
    root: Root,
    to: To,
    output: Out,
    split: OneSplit = None,
    force: Force = False,
    set_: Set = None,
) -> None:
    """Write the labels of a dataset for other programs: one table, or a JAMS file per track."""
    from earmark.cli import output as words
    from earmark.datasets.export import export as export_dataset

    dataset = _open(name, root, set_)
    export_dataset(dataset, output, form=to.value, split=split, force=force)
    words.note(f"{output}: {len(dataset):,} tracks of {dataset.info.name}")


# What the commands share.


def _open(name: str, root: str, set_: Sequence[str] | None) -> "Dataset":
    from earmark.cli.settings import settings
    from earmark.datasets import open_dataset

    return open_dataset(name, root, **settings("--set", set_ or ()))


def _print_json(plain: object) -> None:
    sys.stdout.write(json.dumps(plain, ensure_ascii=False, default=str) + "\n")


@contextmanager
def _bytes_progress(quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Give a function that shows how far a transfer is, and how fast."""
    from earmark.progress import ProgressBar

    with ProgressBar("", enabled=False if quiet else None) as bar:
        begun: dict[str, tuple[int, int]] = {}

        def show(label: str, done: int, total: int | None) -> None:
            if label != bar.label:
                bar.label = label
                bar.restart()
                begun[label] = (done, 0)
            first, _ = begun[label]
            rate = (done - first) / bar.elapsed / 1e6 if bar.elapsed > 0.5 else None
            text = f"{done / 1e6:,.1f} MB" if total is None else f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
            bar.update(done / total if total else None, text + (f"  {rate:.1f} MB/s" if rate else ""))

        yield show


@contextmanager
def _counting_progress(quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Give a function that shows how many files are done, or bytes of a file that is checked."""
    from earmark.progress import ProgressBar

    with ProgressBar("", enabled=False if quiet else None) as bar:

        def show(label: str, done: int, total: int | None) -> None:
            if total == 0:
                return
            if label != bar.label:
                bar.label = label
                bar.restart()
            rate = f"  {done / bar.elapsed:.0f}/s" if bar.elapsed > 0.5 and not label.startswith("checking") else ""
            count = f"{done:,}" if total is None else f"{done:,} of {total:,}"
            if label.startswith("checking"):
                count = f"{done / 1e6:,.1f} MB" if total is None else f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
            bar.update(done / total if total else None, count + rate)

        yield show
