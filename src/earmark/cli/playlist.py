"""`earmark playlist` and `earmark path`: songs that go together, and songs that lead from one to another."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import output
from earmark.cli.catalogue import Address, Filter, Json, open_library, track_table
from earmark.cli.library import print_json
from earmark.cli.similar import read_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earmark.library.rows import LibraryTrack


class RouteChoice(StrEnum):
    """How a playlist goes."""

    AROUND = "around"
    THROUGH = "through"


Seeds = Annotated[
    list[str] | None,
    typer.Option("--seed", "-s", metavar="SONG[^WEIGHT]", help="A track of the catalogue to start from; repeatable."),
]
Unlike = Annotated[
    list[str] | None, typer.Option(metavar="SONG[^WEIGHT]", help="What the list is to stay away from; repeatable.")
]
Length = Annotated[int | None, typer.Option(metavar="N", help="How many songs; 25 unless --minutes is given.")]
Minutes = Annotated[float | None, typer.Option(metavar="N", help="How long it lasts.")]
Moods = Annotated[
    list[str] | None,
    typer.Option("--mood", metavar="calm:0.2..energetic:0.8", help="From the first song to the last, as places in "
                 "the catalogue: 0.8 is higher than 80 % of it; repeatable."),
]  # fmt: skip
NoRepeat = Annotated[
    int | None, typer.Option("--no-repeat-artist", metavar="N", help="No artist twice within so many songs.")
]
RouteOption = Annotated[
    RouteChoice, typer.Option("--route", help="around the seeds, or through one after the other to the last.")
]
Variety = Annotated[float, typer.Option(metavar="X", help="How much chance counts: 0 is the same list every time.")]
RandomSeed = Annotated[int, typer.Option("--random-seed", metavar="N", help="What chance draws from.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Write the list: .m3u8, .pls or .jspf.")
]
Relative = Annotated[bool, typer.Option("--relative", help="Name files as seen from the list's folder.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]
Model = Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="Whose embeddings to compare.")]
Start = Annotated[str, typer.Argument(metavar="A", help="A file, an id or a title.")]
End = Annotated[str, typer.Argument(metavar="B", help="A file, an id or a title.")]
N = Annotated[int, typer.Option("-n", "--count", metavar="N", help="How many songs, both ends counted.")]


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.command("playlist")(playlist)
    parent.command("path")(path)


def playlist(
    seeds: Seeds = None,
    unlike: Unlike = None,
    length: Length = None,
    minutes: Minutes = None,
    moods: Moods = None,
    filter: Filter = None,
    no_repeat_artist: NoRepeat = None,
    route: RouteOption = RouteChoice.AROUND,
    variety: Variety = 0.0,
    random_seed: RandomSeed = 0,
    model: Model = None,
    output_path: Output = None,
    relative: Relative = False,
    force: Force = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Make a playlist that flows: around a few songs, through them, or along a mood."""
    _check(output_path, force=force)
    wishes = [read_seed(song) for song in seeds or ()] + [read_seed(song, unlike=True) for song in unlike or ()]
    tracks = open_library(address).playlist(
        *wishes, length=length, minutes=minutes, moods=moods or (), filter=filter, no_repeat_artist=no_repeat_artist,
        route=route.value, variety=variety, random_seed=random_seed, model=model,
    )  # fmt: skip
    _write(tracks, output_path, relative=relative, force=force, as_json=as_json)
    wanted = length if length is not None or minutes is not None else 25
    if wanted is not None and len(tracks) < wanted:
        output.note(f"{len(tracks)} of {wanted} songs: filter, rules and catalogue leave no more")


def path(
    start: Start,
    end: End,
    n: N = 10,
    filter: Filter = None,
    model: Model = None,
    output_path: Output = None,
    relative: Relative = False,
    force: Force = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Find songs that lead from one to another in even steps."""
    _check(output_path, force=force)
    tracks = open_library(address).path(start, end, n=n, filter=filter, model=model)
    _write(tracks, output_path, relative=relative, force=force, as_json=as_json)


def _check(path: str | None, *, force: bool) -> None:
    """Refuse a file that cannot be written, before any work."""
    if path is not None:
        from earmark.batch import STDIN, check_free
        from earmark.library.playlists.writing import format_of

        format_of(path)
        check_free(path, source=STDIN, force=force)


def _write(tracks: "Sequence[LibraryTrack]", path: str | None, *, relative: bool, force: bool, as_json: bool) -> None:
    from earmark.library.playlists.entries import PlaylistEntry
    from earmark.library.playlists.writing import write_playlist

    if path is not None:
        write_playlist([PlaylistEntry.of(track) for track in tracks], path, relative=relative, force=force)
        seconds = sum(track.duration for track in tracks)
        output.note(f"{output.counted(len(tracks), 'song')}, {seconds / 60:.0f} minutes, written to {path}")
    elif as_json:
        for track in tracks:
            print_json(track.to_dict())
    else:
        track_table(tracks)
