"""`earmark features`: compute the features of many tracks, look at a store, check it."""

import json
import sys
from typing import Annotated

import typer

from earmark.cli import options

Source = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help="Audio: files, folders, patterns in quotes. With --root the name of a dataset."
    ),
]
Frontend = Annotated[
    str,
    typer.Option(metavar="NAME", help="log_mel, mfcc, cqt, raw, musicnn, won or choi (earmark features frontends)."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the front end, such as n_mels=96; repeatable."),
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="STORE", help="Folder of the store, new or begun.")]
Dtype = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="float16 or float32, of raw also int16; float16 (of raw int16) unless given."),
]
Jobs = Annotated[int | None, typer.Option(metavar="N", help="Tracks at a time, each in a process; CPUs unless given.")]
Root = Annotated[str | None, typer.Option(metavar="FOLDER", help="Where the dataset lies that SOURCE names.")]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="OPTION=VALUE", help="An option of the dataset (earmark datasets info NAME)."),
]
Png = Annotated[str | None, typer.Option(metavar="FOLDER", help="Also draw a picture per track, and a sheet per tag.")]
PngSize = Annotated[
    str | None, typer.Option(metavar="WxH", help="Exact size of pictures; a pixel per frame and band unless given.")
]
PngRange = Annotated[str | None, typer.Option(metavar="LOW:HIGH", help="Values of black and white.")]
PngColour = Annotated[bool, typer.Option("--png-colour", help="Pictures in colours, not in greys.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines: one object per track.")]
InfoJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
OneFrontend = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of one front end; all unless given.")]
FrontendsJson = Annotated[bool, typer.Option("--json", help="JSON lines: one object per front end.")]
Store = Annotated[str, typer.Argument(metavar="STORE", help="Folder of a store.")]
Audio = Annotated[bool, typer.Option("--audio", help="Also compare with the audio files as they are now.")]
Drop = Annotated[bool, typer.Option("--drop", help="Take out what is damaged or changed; extract computes it again.")]

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="features", help="Compute the features of many tracks into a store.")


@app.callback()
def features() -> None:
    """Compute the features of many tracks into a store, draw them, check them."""


@app.command("extract")
def extract(
    source: Source,
    output: Output,
    frontend: Frontend = "log_mel",
    parameters: Set = None,
    dtype: Dtype = None,
    jobs: Jobs = None,
    root: Root = None,
    with_: With = None,
    png: Png = None,
    png_size: PngSize = None,
    png_range: PngRange = None,
    png_colour: PngColour = False,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Compute features, and keep them in a store that is mapped into memory.

    The same command goes on where it was interrupted. Tracks whose audio and segment are as they were are not
    computed again; those that have changed are. A store holds features of one front end with one set of parameters.

    Of files and folders the id of a track is its path in the folder; a dataset names its tracks, their segments and
    tags itself.

    --png writes NNN/NNNNNN.png: pixel 0 to 255 is the lowest to the highest value of the range, the same for all
    pictures, and pictures.csv says which track is which. If the tracks have tags, sheets/ has one picture per tag.

    Tracks that fail are reported at the end, and the exit status is 1.
    """
    from warnings import catch_warnings

    from earmark.cli.extraction import Run, items_of, number_pair
    from earmark.cli.settings import settings
    from earmark.errors import EarmarkWarning
    from earmark.features.extract import describe
    from earmark.features.pictures import check_drawable, pillow

    chosen = settings("--set", parameters or ())
    size = None if png_size is None else number_pair("--png-size", png_size, int, "x", "640x96")
    value_range = None if png_range is None else number_pair("--png-range", png_range, float, ":", "-80:0")
    with catch_warnings(action="ignore", category=EarmarkWarning):  # `run.extract` gives them
        info = describe(frontend, chosen, dtype)
    if png is not None:
        check_drawable(info, value_range=value_range, size=size)
    items = items_of(source, root=root, dataset_options=settings("--with", with_ or ()))
    if png is not None and any(item.tags for item in items):
        pillow()  # now, not when hours of work are done
    run = Run(items, as_json=as_json, quiet=quiet)
    run.extract(output, frontend=frontend, parameters=chosen, dtype=dtype, jobs=jobs)
    if png is not None:
        run.draw(output, png, value_range=value_range, size=size, colours=png_colour, jobs=jobs)
    return run.finish()


@app.command("frontends")
def frontends(name: OneFrontend = None, as_json: FrontendsJson = False) -> None:
    """List the front ends, their parameters with defaults, and what the parameters may be.

    In a pipe there is a line per parameter, separated by tabs: front end, parameter, default, what it may be; a front
    end without parameters has a line with its name.
    """
    from inspect import getdoc

    from earmark.audio.spectra import SPECTRA
    from earmark.registry import parameters_of

    for i, each in enumerate(SPECTRA if name is None else [name]):
        what = (getdoc(SPECTRA[each]) or "").partition("\n")[0].removeprefix("Build ")
        parameters = parameters_of(SPECTRA[each])
        if as_json:
            plain = {"frontend": each, "what": what, "parameters": [parameter._asdict() for parameter in parameters]}
            sys.stdout.write(json.dumps(plain) + "\n")
        elif sys.stdout.isatty():
            columns = [(f"{parameter.name}={_as_set(parameter.default)}", parameter.takes) for parameter in parameters]
            width = max((len(first) for first, _ in columns), default=0)
            lines = [f"{each}: {what}", *(f"  {first:<{width}}  {second}" for first, second in columns)]
            sys.stdout.write("\n" * bool(i) + "\n".join(lines) + "\n")
        else:
            rows = [f"\t{parameter.name}\t{_as_set(parameter.default)}\t{parameter.takes}" for parameter in parameters]
            sys.stdout.write("".join(f"{each}{row}\n" for row in rows or [""]))


def _as_set(value: object) -> str:
    """Write a value as --set takes it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


@app.command("info")
def info(store: Store, as_json: InfoJson = False) -> None:
    """Say what a store holds."""
    from earmark.features.layout import shard_sizes
    from earmark.features.store import FeatureStore
    from earmark.progress import clock_text

    opened = FeatureStore.open(store)
    what = opened.info
    n_frames = sum(entry.n_frames for entry in opened.entries)
    seconds = sum(entry.duration for entry in opened.entries)
    n_bytes = sum(shard_sizes(opened.path).values())
    n_noted = sum(bool(entry.notes) for entry in opened.entries)
    if as_json:
        plain = {
            "path": str(opened.path), "frontend": what.frontend, "parameters": dict(what.parameters),
            "revision": what.revision, "dtype": what.dtype, "n_features": what.n_features,
            "sample_rate": what.sample_rate, "hop_length": what.hop_length, "unit": what.unit,
            "n_tracks": len(opened), "n_frames": n_frames, "seconds": seconds, "n_bytes": n_bytes,
            "n_noted": n_noted,
        }  # fmt: skip
        sys.stdout.write(json.dumps(plain, ensure_ascii=False) + "\n")
        return
    lines = {
        "front end": what.frontend,
        "parameters": ", ".join(f"{name}={value}" for name, value in what.parameters.items()),
        "values": f"{what.dtype}, unit {what.unit}",
        "frames": f"{what.n_features} numbers, {what.frames_per_second:,.6g} per second, of {what.sample_rate} Hz",
        "tracks": f"{len(opened):,}, {clock_text(seconds)} of audio, {n_frames:,} frames",
        "size": f"{n_bytes / 1e6:,.1f} MB",
        "with notes": f"{n_noted:,}, such as truncated audio" if n_noted else "",
    }
    for key, value in lines.items():
        if value:
            sys.stdout.write(f"{key + ':':<12}{value}\n")


@app.command("verify")
def verify(store: Store, audio: Audio = False, drop: Drop = False, quiet: options.Quiet = False) -> int:
    """Check a store: features against their checksums, with --audio also the audio files against what was read.

    Prints a line per track that is not right: its id, and damaged, changed or missing, separated by a tab. The exit
    status is 1 if there is one.
    """
    from earmark.cli import output
    from earmark.features.store import FeatureStore
    from earmark.features.writing import StoreWriter
    from earmark.progress import ProgressBar

    opened = FeatureStore.open(store)
    n = len(opened)
    wrong: dict[str, str] = {}
    with ProgressBar("checking", enabled=False if quiet else None) as bar:
        for i, (id, verdict) in enumerate(opened.check(audio=audio), 1):
            bar.update(i / n, f"{i}/{n} tracks")
            if verdict != "right":
                wrong[id] = verdict
                with bar.hidden():
                    sys.stdout.write(f"{output.printable(id)}\t{verdict}\n")
    out = [id for id, verdict in wrong.items() if drop and verdict != "missing"]
    if out:
        with StoreWriter(store, opened.info) as writer:
            for id in out:
                writer.drop(id, wrong[id], damaged=wrong[id] == "damaged")
    if not quiet:
        output.note(f"{len(wrong)} of {n} tracks are not right" if wrong else f"{n} tracks, all right")
    if out and not quiet:
        output.note(f"{len(out)} taken out; earmark features extract computes them again")
    return 1 if wrong else 0
