"""`earmark datasets fetch-tags`: what listeners call the tracks of a table."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options

if TYPE_CHECKING:
    from earmark.datasets.fetching_tags import Fetched

N_NAMED = 5  # tracks that nothing was answered about; the table marks all

Table = Annotated[
    str, typer.Argument(metavar="TABLE", help="CSV or TSV with the columns artist and title, best with album too.")
]
From = Annotated[str, typer.Option("--from", metavar="SERVICE", help="Who is asked: lastfm.")]
Output = Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="The new table, .csv or .tsv.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a finished table.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object with the counts.")]


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("fetch-tags")(fetch_tags)


def fetch_tags(
    table: Table,
    output: Output,
    source: From = "lastfm",
    force: Force = False,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Fill a table of tracks with the tags that listeners give them.

    Last.fm is asked about each track, where it has no tags about its album, else about its artist, 5 times a second at
    most. It takes a key, which is free (https://www.last.fm/api/account/create): set EARMARK_LASTFM_KEY.

    OUT gets the columns of the table and behind them tags (separated by ";", the heaviest first), weights (one per tag,
    0 to 100) and tags_from (track, album or artist; failed where nothing was answered). It is a dataset as it is:
    earmark datasets stats table OUT. Interrupted, the same command goes on, for OUT.journal keeps what was answered.
    The exit status is 1 if something failed; the same command then asks about that again.
    """
    from earmark.cli import output as words
    from earmark.datasets.fetching_tags import fetch_tags as fetch
    from earmark.progress import ProgressBar

    done, total = 0, 0
    with ProgressBar("asking Last.fm", enabled=False if quiet else None) as bar:

        def show(n_done: int, n_all: int | None) -> None:
            nonlocal done, total
            done, total = n_done, n_all or 0
            bar.update(done / total if total else None, f"{done:,} of {total:,}")

        try:
            found = fetch(table, output, source=source, force=force, on_progress=show)
        except KeyboardInterrupt:
            bar.clear()
            words.note(f"{done:,} of {words.counted(total, 'track')} done; the same command goes on from there")
            raise
    if as_json:
        sys.stdout.write(json.dumps(found.to_dict(), ensure_ascii=False) + "\n")
    if not quiet:
        _sum_up(found)
    return 1 if found.failures else 0


def _sum_up(found: "Fetched") -> None:
    from earmark.cli import output as words

    counts = [f"{n:,} with tags of the {level}" for level, n in found.n_found.items() if n]
    counts += [f"{found.n_not_found:,} without tags"] if found.n_not_found else []
    counts += [f"{found.n_failed:,} failed"] if found.n_failed else []
    words.note(f"{found.output}: {words.counted(found.n_tracks, 'track')}: {', '.join(counts) or 'no tags'}")
    if found.n_unnamed:
        words.note(f"{words.counted(found.n_unnamed, 'row')} without an artist: nobody can be asked about them")
    for name, reason in list(found.failures.items())[:N_NAMED]:
        words.warn(f"{name}: {reason}")
    if found.failures:
        words.note("the same command asks about what failed again")
    words.note("tags from Last.fm: for non-commercial use; ask them before you publish a data set made of them")
