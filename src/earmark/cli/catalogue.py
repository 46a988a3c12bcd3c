"""What the commands on the catalogue share: opening it, a table of tracks, a track in full."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import output
from earmark.progress import clock_text

if TYPE_CHECKING:
    from earmark.library.facade import Library
    from earmark.library.rows import LibraryTrack

Address = Annotated[
    str | None,
    typer.Option("--library", "-l", metavar="ADDRESS", help="The catalogue: a folder or an object store; "
                 "EARMARK_LIBRARY, or your own, unless given."),
]  # fmt: skip
Filter = Annotated[
    str | None,
    typer.Option("--filter", "-f", metavar="FILTER", help="Such as 'genre:jazz and not voice:female and bpm < 100'."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines.")]
_TOP = 3


def open_library(address: str | None, *, create: bool = False) -> "Library":
    """Open the catalogue; say so if another process has to be waited for."""
    from earmark.library.facade import Library

    def tell() -> None:
        output.note("another process is writing to this catalogue; waiting until it ends")

    return Library(address, create=create, on_wait=tell)


def seconds_text(seconds: float) -> str:
    """Write a long time: days and hours, or hours and minutes.

    Examples
    --------
    >>> seconds_text(100), seconds_text(7260), seconds_text(200_000)
    ('1:40', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 3600:
        return clock_text(seconds)
    minutes = int(seconds // 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def track_table(tracks: Iterable["LibraryTrack"], *, extra: dict[str, list[str]] | None = None) -> None:
    """Write tracks as a table on a terminal, else as lines with tabs.

    Parameters
    ----------
    tracks : to write
    extra : further columns that come first, by their head
    """
    more = extra or {}
    heads = [*more, "id", "length", "bpm", "key", "track", "heard"]
    rows = []
    for i, track in enumerate(tracks):
        best = [tag for heard in track.heard.values() for tag, _ in heard.top(_TOP)][:_TOP]
        own = [values[i] for values in more.values()]
        bpm = "" if track.bpm is None else f"{track.bpm:.0f}"
        rows.append(
            [*own, track.id[:12], clock_text(track.duration), bpm, track.key or "", track.name, ", ".join(best)]
        )
        if not sys.stdout.isatty():
            sys.stdout.write("\t".join(map(output.printable, rows.pop())) + "\n")
    if not sys.stdout.isatty():
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        numeric = head in ("length", "bpm", *more)
        table.add_column(head, justify="right" if numeric else "left", no_wrap=head != "heard", overflow="ellipsis")
    for row in rows:
        table.add_row(*map(output.printable, row))
    console = output.console()
    console.soft_wrap = False
    console.print(table, soft_wrap=False)


def track_card(track: "LibraryTrack") -> None:
    """Write all that is known of a track."""
    lines = [("id", track.id), ("length", clock_text(track.duration))]
    lines += [(name, str(value)) for name in ("artist", "title", "album", "year") if (value := getattr(track, name))]
    lines += [("genres in the file", ", ".join(track.genres))] if track.genres else []
    lines += [("isrc", track.isrc)] if track.isrc else []
    lines += [("recording", track.mb_recording_id)] if track.mb_recording_id else []
    if track.bpm is not None:
        lines.append(("tempo", f"{track.bpm:.1f} bpm, confidence {track.bpm_confidence or 0:.2f}"))
    if track.key is not None:
        lines.append(("key", f"{track.key}, confidence {track.key_confidence or 0:.2f}"))
    lines += [("audio", f"{track.container}, {track.sample_rate} Hz, {output.counted(track.n_channels, 'channel')}")]
    lines += [("file", file.path) for file in track.files] or [("file", "none is there any more")]
    for model, heard in track.heard.items():
        best = ", ".join(f"{tag} {score:.2f}" for tag, score in heard.top(10))
        lines.append((model, f"{best} ({heard.listened})" if heard.listened else best))
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        sys.stdout.write(output.printable(f"{name:<{width}}  {value}") + "\n")
