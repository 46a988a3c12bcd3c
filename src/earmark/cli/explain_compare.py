"""`earmark explain compare`: which layers and channels two networks share, as a page or numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, output
from earmark.cli.explain_filters import differing_parts
from earmark.cli.networks import check_extra, load_network
from earmark.errors import MissingExtraError, UsageError
from earmark.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earmark.explain.comparison import Comparison
    from earmark.models.base import TaggingModel

PAGES = (".html", ".htm")
SUFFIXES = (".html", ".npz", ".csv")
WHICH = "A name (earmark models list), the folder of a run, or a .safetensors file."

First = Annotated[str, typer.Argument(metavar="A", help=WHICH)]
Second = Annotated[str, typer.Argument(metavar="B", help="The other network, named in the same ways.")]
Songs = Annotated[
    list[str], typer.Argument(metavar="SONG...", help="Music files or folders; channels are heard on the first.")
]
Output = Annotated[
    str, typer.Option("--output", "-o", metavar="OUT", help="Where to: .html a page, .npz all numbers, .csv CKA.")
]
LayerA = Annotated[
    str | None, typer.Option("--layer-a", metavar="NAME", help="Of A, whose channels to match.", show_default=False)
]
LayerB = Annotated[
    str | None,
    typer.Option(
        "--layer-b", metavar="NAME", help="Of B. The two that are most alike unless given.", show_default=False
    ),
]
Threshold = Annotated[
    float, typer.Option("--threshold", metavar="R", help="Correlation from which on two channels are the same.")
]
Channels = Annotated[
    int, typer.Option("--channels", metavar="N", help="To hear of each kind; 0 leaves them out.", min=0)
]
Seconds = Annotated[float, typer.Option("--seconds", metavar="SECONDS", help="Of each song, from its middle.")]


def compare(
    a: First,
    b: Second,
    songs: Songs,
    output_path: Output = "comparison.html",
    layer_a: LayerA = None,
    layer_b: LayerB = None,
    threshold: Threshold = 0.7,
    channels: Channels = 4,
    seconds: Seconds = 30.0,
    quiet: options.Quiet = False,
) -> None:
    """Show which layers and channels two networks share, on songs.

    The page has a map of how alike their layers are (CKA), the channels of two layers that answer to the same moments
    and those that one network has alone, to listen to, and the tags of both side by side. The more songs, the surer.
    """
    from earmark.batch import find_audio

    names = find_audio(songs)
    target = _target(output_path, names)
    try:
        from earmark.explain.comparison import compare_models
    except ImportError as error:
        raise MissingExtraError("comparing networks", "explain") from error
    networks = load_network(a, quiet=quiet), load_network(b, quiet=quiet)
    with ProgressBar("comparing", enabled=False if quiet else None) as bar:
        found = compare_models(
            networks[0], networks[1], names, layer_a=layer_a, layer_b=layer_b, threshold=threshold, n_sounds=channels,
            seconds=seconds, names=_called(networks, a, b), on_progress=bar.update,
        )  # fmt: skip
        bar.update(1.0, f"writing {target.name}", force=True)
        _write(target, found)
    if not quiet:
        output.note(f"{summary(found)}\nwritten to {target}")


def _target(given: str, songs: "Sequence[str]") -> Path:
    """Refuse what cannot be written, or may be music, before any work."""
    from earmark.batch import check_free, make_folders

    target = Path(given)
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint=f"name a file in it: -o {target / 'comparison.html'}")
    suffix = target.suffix.lower()
    if suffix not in (*SUFFIXES, *PAGES):
        raise UsageError(
            f"{target.name}: a comparison cannot be written as {suffix or 'a file without a suffix'}",
            hint=f"choose one of {' '.join(SUFFIXES)}",
        )
    for song in songs:
        check_free(str(target), source=song, force=True)
    if suffix in PAGES:
        check_extra("pages of what a network hears", "PIL")
    make_folders([target])
    return target


def _called(networks: "tuple[TaggingModel, TaggingModel]", a: str, b: str) -> tuple[str, str] | None:
    """Call networks of the same name by what they were asked for as; None where their own names differ."""
    from earmark.explain.opening import name_of

    if name_of(networks[0]) != name_of(networks[1]):
        return None
    one, other = differing_parts([a, b])
    return (one, other) if one != other else None


def _write(target: Path, found: "Comparison") -> None:
    if target.suffix.lower() in PAGES:
        from earmark.explain.pages.comparison import write_comparison_page

        write_comparison_page(target, found)
        return
    from earmark.explain.comparison_arrays import write_comparison

    write_comparison(target, found)


def summary(found: "Comparison") -> str:
    """Say in lines what was found."""
    one, other, value = found.likeness.best()
    matches = found.matches
    return (
        f"A {found.models[0]}, B {found.models[1]}, on {output.counted(len(found.songs), 'song')}\n"
        f"  most alike: {one} of A and {other} of B, CKA {value:.2f}\n"
        f"  channels of {found.layers[0]} and {found.layers[1]}: {len(matches.shared)} shared, "
        f"{len(matches.unique_a)} A has alone, {len(matches.unique_b)} B has alone"
    )
