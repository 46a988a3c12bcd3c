"""`earmark explain`: why a network gives a song its tags, and what it hears, to see and to listen to."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import explain_compare, explain_filters, options, output
from earmark.cli.networks import check_extra, load_network
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.progress import ProgressBar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from earmark.explain.report import SongReport
    from earmark.models.base import TaggingModel

SUFFIXES = (".html", ".htm", ".npz")
ENDING = ".explained.html"
COMMANDS = ("filters", "compare", "song", "-h", "--help")
"""What may stand behind `explain`; anything else is a song."""

EPILOG = (
    "A song is given right behind: earmark explain SONG.mp3 --tag jazz -o report.html. Its options: earmark explain "
    "song --help. A song whose file is called like a command: earmark explain ./filters."
)


class MethodChoice(StrEnum):
    """How what speaks for a tag is found."""

    INTEGRATED_GRADIENTS = "integrated_gradients"
    OCCLUSION = "occlusion"
    GRAD_CAM = "grad_cam"


app = typer.Typer(subcommand_metavar="SONG | COMMAND [ARGS]...", rich_markup_mode=None, pretty_exceptions_enable=False)

Song = Annotated[str, typer.Argument(metavar="SONG", help="A music file; - is stdin.")]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="OUT", help="Where to: .html a page, .npz the numbers; "
                 "SONG.explained.html in this folder unless given."),
]  # fmt: skip
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", "-t", metavar="TAG", help="To explain; repeatable. The two strongest unless given."),
]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layer", metavar="NAME", help="Whose channels to hear; repeatable. An early and a late one unless given."
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="NAME", help="A name (earmark models list), the folder of a run, or a "
                 ".safetensors file. The first of the presets that knows the tags unless given."),
]  # fmt: skip
Method = Annotated[MethodChoice, typer.Option("--method", help="How to find what speaks for a tag.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="The moment to explain, such as 62 or 1:02. Each tag's strongest unless given."
    ),
]
Channels = Annotated[
    int, typer.Option("--channels", metavar="N", help="To hear of each layer; 0 leaves them out.", min=0)
]
Seconds = Annotated[
    float, typer.Option("--seconds", metavar="SECONDS", help="Of the song around the moment to hear channels on.")
]
Library = Annotated[
    list[str] | None,
    typer.Option("--library", metavar="FOLDER", help="Music to find what excites each channel most; repeatable."),
]
Invert = Annotated[bool, typer.Option("--invert", help="Make a sound of all that each layer keeps; a minute each.")]
Sounds = Annotated[
    str | None, typer.Option("--sounds", metavar="FOLDER", help="Write the sounds of the page as WAV files, too.")
]
Check = Annotated[
    bool, typer.Option("--check", help="Compare with networks of shuffled weights; takes four times as long.")
]


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    app.command("filters")(explain_filters.filters)
    app.command("compare")(explain_compare.compare)
    parent.add_typer(app, name="explain", help="Why a song gets its tags: see and hear what a network listens to.")


def spread(arguments: Sequence[str]) -> list[str]:
    """Let a song stand right behind `explain`: "explain a.mp3" becomes "explain song a.mp3".

    Examples
    --------
    >>> spread(["explain", "a.mp3", "-o", "a.html"]), spread(["explain", "filters", "runs/mine"])
    (['explain', 'song', 'a.mp3', '-o', 'a.html'], ['explain', 'filters', 'runs/mine'])
    """
    if len(arguments) < 2 or arguments[0] != "explain" or arguments[1] in COMMANDS:
        return list(arguments)
    return ["explain", "song", *arguments[1:]]


@app.callback(invoke_without_command=True, epilog=EPILOG)
def explain(context: typer.Context) -> None:
    """Why a song gets its tags: see and hear what a network listens to.

    earmark explain SONG writes a page: the tags over time, what in the sound speaks for them, whether that is true, and
    the network's channels to listen to.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("song", hidden=True)
def song(
    song: Song,
    output_: Output = None,
    tags: Tags = None,
    layers: Layers = None,
    model: Model = None,
    method: Method = MethodChoice.INTEGRATED_GRADIENTS,
    at: At = None,
    channels: Channels = 4,
    seconds: Seconds = 30.0,
    library: Library = None,
    invert: Invert = False,
    check: Check = False,
    sounds: Sounds = None,
    quiet: options.Quiet = False,
) -> None:
    """Write a page of what a network hears in a song, and why it gives its tags.

    earmark explain SONG does the same. The page is one file, with its pictures and sounds inside: the tags over time;
    for each tag what in its strongest moment speaks for it, and whether that is true; the channels that do most for it,
    to listen to; and the network's first filters.
    """
    from earmark.batch import find_audio

    target = _target(song, output_)
    moment = None if at is None else seconds_of(at)
    names = find_audio(library or ())
    chosen = choose_model(tags or (), model)
    needed = ("torch", "captum") if target.suffix.lower() == ".npz" else ("torch", "captum", "PIL")
    check_extra("explaining what a network hears", *needed)
    _check_song(song)
    network = load_network(chosen, quiet=quiet)
    from earmark.explain.report import explain_song
    from earmark.explain.sound_files import write_sounds

    with ProgressBar("explaining", enabled=False if quiet else None) as bar:
        report = explain_song(
            network, song, tags=tags or (), layers=layers or (), method=method.value, moment=moment,
            n_channels=channels, seconds=seconds, library=_songs(names, bar, network), is_inverted=invert,
            is_checked=check, on_progress=bar.update,
        )  # fmt: skip
        bar.update(1.0, f"writing {target.name}", force=True)
        _write(target, report)
        n_sounds = 0 if sounds is None else len(write_sounds(sounds, report))
    if not quiet:
        output.note(f"{summary(report)}\nwritten to {target}")
        if sounds is not None:
            output.note(f"{output.counted(n_sounds, 'sound')} written to {sounds}")


def _target(song: str, given: str | None) -> Path:
    """Choose where the page goes; refuse what is, or may be, music."""
    from earmark.audio.io import AUDIO_SUFFIXES
    from earmark.batch import STDIN, check_free, make_folders

    name = "stdin" if song == STDIN else Path(song).stem
    target = Path(f"{name}{ENDING}" if given is None else given)
    if target.is_dir():
        target = target / f"{name}{ENDING}"
    suffix = target.suffix.lower()
    if suffix in AUDIO_SUFFIXES or suffix not in SUFFIXES:
        raise UsageError(f"{target}: cannot write {suffix or 'a file without suffix'}", hint="-o page.html or -o x.npz")
    check_free(str(target), source=song, force=True)
    make_folders([target])
    return target


def _check_song(song: str) -> None:
    """Tell what is no music before a model is loaded; a pipe can be read once only, and is told when it is."""
    from earmark.audio.io import open_audio
    from earmark.batch import STDIN

    if song != STDIN and (Path(song).is_file() or not Path(song).exists()):
        with open_audio(song):
            pass


def seconds_of(text: str) -> float:
    """Read a time: seconds, minutes and seconds, or hours too.

    Raises
    ------
    UsageError
        If it is no time.

    Examples
    --------
    >>> seconds_of("62.5"), seconds_of("1:02"), seconds_of("1:00:00")
    (62.5, 62.0, 3600.0)
    """
    total, parts = 0.0, text.strip().split(":")
    for i, part in enumerate(parts):
        is_number = part.replace(".", "", 1 if i == len(parts) - 1 else 0).isdecimal() and part.isascii()
        if not is_number or len(parts) > 3 or (i and float(part) >= 60):
            raise UsageError(
                f"--at {text}: this is no time", hint="seconds, such as 62.5, or minutes and seconds: 1:02"
            )
        total = 60 * total + float(part)
    return total


def choose_model(tags: Sequence[str], model: str | None) -> str:
    """Choose a model: the one that is named, else the first of the presets that knows all tags.

    Raises
    ------
    UnknownNameError
        If none of them knows a tag.
    UsageError
        If each is known, though not to one model.
    """
    from earmark.explain.naming import position_of
    from earmark.models.weights import get_card
    from earmark.tagger import PRESETS

    if model is not None:
        return model
    names = list(dict.fromkeys(name for preset in PRESETS.values() for name in preset))
    known = {name: get_card(name).tags for name in names}
    knowing: dict[str, list[str]] = {tag: [] for tag in tags}
    for tag in tags:
        for name in names:
            try:
                position_of(tag, known[name])
            except UnknownNameError:
                continue
            knowing[tag].append(name)
        if not knowing[tag]:
            raise UnknownNameError("tag", tag, {one for card in known.values() for one in card})
    shared = [name for name in names if all(name in knowing[tag] for tag in tags)]
    if not shared:
        which = "; ".join(f"{tag}: {', '.join(knowing[tag])}" for tag in tags)
        raise UsageError(f"no model knows all of {', '.join(tags)}", hint=f"explain them apart ({which})")
    return shared[0]


def _songs(
    names: Sequence[str], bar: ProgressBar, network: "TaggingModel"
) -> "Iterator[tuple[str, NDArray[np.float32]]]":
    """Read the music of a library, one after the other; what cannot be read or is silent is named and left out."""
    from earmark.explain.opening import read_song

    for name in names:
        try:
            samples = read_song(name, to_rate=network.sample_rate)
        except InputError as error:
            with bar.hidden():
                output.warn(error.message)
            continue
        yield Path(name).name, samples


def _write(target: Path, report: "SongReport") -> None:
    if target.suffix.lower() == ".npz":
        from earmark.explain.report_arrays import write_arrays

        write_arrays(target, report)
        return
    from earmark.explain.pages.song import write_song_page

    write_song_page(target, report)


def summary(report: "SongReport") -> str:
    """Say in lines what was found: for every tag its score and moment, and whether the explanation holds."""
    from earmark.plots.text import clock

    lines = [f"{report.song}, heard by {report.model}"]
    for tag in report.explained:
        n, beaten = len(tag.deletion.random), tag.deletion.n_random_beaten
        lines.append(
            f"  {tag.tag} {tag.marked.score_whole:.2f} at {clock(tag.start)}: taking away what is marked lowers the "
            f"score faster than {beaten} of {n} random orders"
        )
    return "\n".join(lines)
