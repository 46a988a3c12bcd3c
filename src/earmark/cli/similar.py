"""`earmark similar` and `earmark search`: find tracks by sound, and by tags."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.catalogue import Address, Filter, Json, open_library, track_table
from earmark.cli.library import print_json
from earmark.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earmark.library.search import Match, Seed

Songs = Annotated[
    list[str],
    typer.Argument(metavar="SONG[^WEIGHT]...", help="Tracks of the catalogue (a file, an id, a title), or any file."),
]
Unlike = Annotated[
    list[str] | None, typer.Option(metavar="SONG[^WEIGHT]", help="What the results are to be unlike; repeatable.")
]
N = Annotated[int, typer.Option("-n", "--count", metavar="N", help="How many.")]
SameArtist = Annotated[bool, typer.Option("--same-artist/--no-same-artist", help="Also tracks by the same artists.")]
Blend = Annotated[
    str | None, typer.Option(metavar="embedding=0.7,tags=0.3", help="How much sound and tags count; sound alone unless "
                             "given."),
]  # fmt: skip
Model = Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="Whose embeddings to compare.")]
Text = Annotated[str, typer.Argument(metavar="WORDS", help="Tags in quotes, such as 'calm piano -vocals'.")]

UNLIKE_WEIGHT = 0.5


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.command("similar")(similar)
    parent.command("search")(search)


def similar(
    songs: Songs,
    unlike: Unlike = None,
    n: N = 10,
    same_artist: SameArtist = True,
    blend: Blend = None,
    filter: Filter = None,
    model: Model = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Find the tracks of the catalogue that sound most like others.

    A weight says how much a song counts: A^2 B. What --unlike names counts half unless it has a weight of its own.
    """
    seeds = [read_seed(song) for song in songs] + [read_seed(song, unlike=True) for song in unlike or ()]
    weights = None if blend is None else read_blend(blend)
    matches = open_library(address).similar(
        *seeds, n=n, same_artist=same_artist, blend=weights, filter=filter, model=model
    )
    _write(matches, as_json=as_json, head="similarity")


def search(words: Text, n: N = 10, filter: Filter = None, address: Address = None, as_json: Json = False) -> None:
    """Find the tracks of the catalogue that a few tags describe.

    -TAG is what must not be there, TAG^2 counts double, "two words" is one tag.
    """
    _write(open_library(address).search(words, n=n, filter=filter), as_json=as_json, head="relevance")


def _write(matches: "Sequence[Match]", *, as_json: bool, head: str) -> None:
    if as_json:
        for match in matches:
            print_json(match.to_dict())
    else:
        column = {head: [f"{match.similarity:.3f}" for match in matches]}
        track_table([match.track for match in matches], extra=column)


def read_seed(text: str, *, unlike: bool = False) -> "Seed":
    """Read SONG or SONG^WEIGHT.

    Examples
    --------
    >>> read_seed("a.mp3^2"), read_seed("a.mp3", unlike=True)
    (Seed(track='a.mp3', weight=2.0), Seed(track='a.mp3', weight=-0.5))
    """
    from earmark.library.search import Seed

    found = re.fullmatch(r"(.+)\^(\d+(?:\.\d*)?|\.\d+)", text, re.DOTALL)
    if found is None or Path(text).exists():
        return Seed(text, -UNLIKE_WEIGHT if unlike else 1.0)
    return Seed(found[1], -float(found[2]) if unlike else float(found[2]))


def read_blend(text: str) -> dict[str, float]:
    """Read embedding=0.7,tags=0.3.

    Examples
    --------
    >>> read_blend("embedding=0.7, tags=0.3")
    {'embedding': 0.7, 'tags': 0.3}
    """
    weights = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            weights[name.strip()] = float(value)
        except ValueError:
            raise UsageError(f"--blend {text}", hint="such as embedding=0.7,tags=0.3") from None
    return weights
