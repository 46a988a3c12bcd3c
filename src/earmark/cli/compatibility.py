"""`earmark compatibility`: how well two people's taste agrees, and why."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import output
from earmark.cli.catalogue import Address, Json
from earmark.cli.library import LinksChoice, print_json
from earmark.errors import UsageError
from earmark.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earmark.library.taste import Compatibility
    from earmark.library.taste.explaining import TagFact

WHO = (
    "A folder, a playlist, a CSV file of likes, a filter of the catalogue, or listenbrainz:NAME, lastfm:NAME, "
    "soundcloud:NAME, jamendo:NAME."
)


class ByChoice(StrEnum):
    """What is compared."""

    AUTO = "auto"
    AUDIO = "audio"
    TAGS = "tags"


First = Annotated[str, typer.Argument(metavar="A", help=WHO)]
Second = Annotated[str, typer.Argument(metavar="B", help="The other, in the same ways.")]
By = Annotated[
    ByChoice, typer.Option("--by", help="How tracks sound and their tags, or tags alone; auto takes what is there.")
]
Limit = Annotated[int, typer.Option(metavar="N", help="How many likes to ask a service for.", min=1)]
Mix = Annotated[
    bool, typer.Option("--mix", help="Let likes of SoundCloud stand beside another service's: you have the right to.")
]
Page = Annotated[str | None, typer.Option("--output", "-o", metavar="PAGE.html", help="Write a page.")]
Playlist = Annotated[
    str | None, typer.Option("--playlist", metavar="FILE", help="Write the playlist for two: .m3u8, .pls or .jspf.")
]
LinksOption = Annotated[
    LinksChoice, typer.Option("--links", help="How the page leads to the music.", show_default=True)
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", metavar="N", help="Files to hear at a time; CPUs unless given.")
]
Seed = Annotated[int, typer.Option("--random-seed", metavar="N", help="What the pairs of listeners are drawn from.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("compatibility")(compatibility)


def compatibility(
    a: First,
    b: Second,
    by: By = ByChoice.AUTO,
    limit: Limit = 1000,
    mix: Mix = False,
    page: Page = None,
    playlist: Playlist = None,
    links: LinksOption = LinksChoice.RELATIVE,
    force: Force = False,
    jobs: Jobs = None,
    random_seed: Seed = 0,
    quiet: Quiet = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Tell how well two people's taste agrees, and why.

    The score says of how many of 100 pairs of listeners are further apart than these two. Music that is not in the
    catalogue is heard, and kept apart from it.
    """
    _check(page, playlist, force=force)
    found = _compare(a, b, by=by.value, limit=limit, mix=mix, seed=random_seed, jobs=jobs, quiet=quiet, address=address)
    if page is not None:
        from earmark.plots.taste_page import write_taste_page

        write_taste_page(page, found.to_dict(), links=links.value)
    if playlist is not None:
        _write_playlist(found, playlist, force=force)
    if as_json:
        print_json(found.to_dict())
    else:
        sys.stdout.write(summary(found))
    if page is not None:
        output.note(f"the page is {page}")


def _check(page: str | None, playlist: str | None, *, force: bool) -> None:
    """Refuse files that cannot be written, before any work."""
    from earmark.batch import STDIN, check_free
    from earmark.library.playlists.writing import format_of

    if page is not None:
        if Path(page).suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"{page}: the page is HTML", hint="such as -o page.html; --json writes the numbers")
        check_free(page, source=STDIN, force=force)
    if playlist is not None:
        format_of(playlist)
        check_free(playlist, source=STDIN, force=force)


def _compare(
    a: str, b: str, *, by: str, limit: int, mix: bool, seed: int, jobs: int | None, quiet: bool, address: str | None
) -> "Compatibility":
    from earmark.library.adding import AddProgress
    from earmark.library.agreeing import compatibility as run

    with ProgressBar("listening", enabled=False if quiet else None) as bar:

        def heard(done: AddProgress) -> None:
            bar.update(done.n_bytes_done / done.n_bytes if done.n_bytes else None, f"{done.n_done} of {done.n_total}")

        def liked(n: int, total: int | None) -> None:
            bar.update(n / total if total else None, f"{n} likes")

        def fetched(done: int, total: int | None) -> None:
            bar.update(done / total if total else None, f"weights, {done / 1e6:.0f} MB")

        return run(
            a, b, library=address, by=by, limit=limit, mix=mix, seed=seed, jobs=jobs, on_progress=heard,
            on_likes=liked, on_download=fetched,
        )  # fmt: skip


def _write_playlist(found: "Compatibility", path: str, *, force: bool) -> None:
    from earmark.library.playlists.entries import PlaylistEntry
    from earmark.library.playlists.writing import write_playlist

    songs = [song for song in found.explanation.playlist if song.path]
    if not songs:
        output.note("no playlist was written: none of its songs is a file here")
        return
    entries = [PlaylistEntry(song.path, song.artist, song.title, duration=song.duration) for song in songs]
    write_playlist(entries, path, relative=False, force=force)
    output.note(f"{output.counted(len(songs), 'song')}, written to {path}")


def summary(found: "Compatibility") -> str:
    """Say in lines what was found."""
    from earmark.plots.taste_page import shown, verdict

    best = found.agreement
    why = found.explanation
    lines = [
        f"{found.a.name} and {found.b.name}: {shown(best.score)} of 100 "
        f"({verdict(best.score, best.low, best.high).lower()})",
        f"Of 100 pairs of listeners {shown(best.score)} are further apart; nine times of ten between {shown(best.low)} "
        f"and {shown(best.high)}.",
    ]
    for name, one in found.by_category.items():
        lines.append(f"{name} alone: {shown(one.score)} (between {shown(one.low)} and {shown(one.high)})")
    lines.append(f"random deals of their songs that are at least as far apart: {shown(found.as_one)} of 100")
    lines += _tag_lines("shared ground", why.shared, found)
    lines += _tag_lines("where they differ", why.differences, found)
    if why.bridges:
        lines += ["", "songs that bridge"]
        lines += [f"  {pair.similarity:.2f}  {pair.a.name}  ~  {pair.b.name}" for pair in why.bridges]
    for who, whom, songs in ((found.a, found.b, why.for_b), (found.b, found.a, why.for_a)):
        if songs:
            lines += ["", f"what {who.name} could play to {whom.name}", *(f"  {song.name}" for song in songs)]
    for head, names in (("songs that both like", why.same_tracks), ("artists that both like", why.same_artists)):
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            lines += ["", f"{head}: {', '.join(names[:10])}{more}"]
    lines += ["", *_rest(found)]
    return "".join(output.printable(line) + "\n" for line in lines)


def _tag_lines(head: str, facts: "Sequence[TagFact]", found: "Compatibility") -> list[str]:
    if not facts:
        return []
    width = max(len(fact.tag) for fact in facts)
    has_usual = any(fact.usual is not None for fact in facts)
    names = f"{found.a.name} / {found.b.name}{' / usual' if has_usual else ''}"
    return [
        "",
        f"{head} ({names})",
        *(
            f"  {fact.tag:<{width}}  {fact.a:5.0%} {fact.b:5.0%}{'' if fact.usual is None else f' {fact.usual:5.0%}'}"
            for fact in facts
        ),
    ]


def _rest(found: "Compatibility") -> list[str]:
    lines = []
    for listener, covered in ((found.a, found.coverage_a), (found.b, found.coverage_b)):
        text = f"{listener.name}: {output.counted(covered.n, 'track')} from {listener.source}: {covered.audio} heard, "
        lines.append(text + f"{covered.tags_alone} by tags alone, {covered.neither} by neither")
        if listener.attribution:
            lines.append(f"{listener.attribution}: {listener.url}" if listener.url else listener.attribution)
    what = "sound and tags" if found.way == "audio" else "tags alone"
    lines.append(f"compared by {what}; held against pairs that choose from {found.n_pool:,} tracks")
    return [*lines, *found.notes]
