"""The tags of a track as a table with bars, for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from earmark.cli.output import printable
from earmark.highlights import by_category
from earmark.progress import bar, clock_text
from earmark.track_tags import Tag, TrackTags

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLOURS = {"genre": "magenta", "mood": "yellow", "instrument": "cyan", "voice": "green", "era": "blue", "other": "red"}
CATEGORY, SCORE, MARK, LIFT, PEAK = 12, 6, 2, 9, 15  # columns on the terminal
MAX_TAG, MIN_BAR, MAX_BAR = 24, 8, 32


def print_table(console: "Console", result: TrackTags, tags: Sequence[Tag]) -> None:
    """Print one track: its name, and below it the tags by category.

    Parameters
    ----------
    console : to print on; its width decides which columns there is room for
    result : a tagged track
    tags : those to show
    """
    from rich.text import Text

    width = max(min(console.width, 110), 20)
    title = Text(_shorten(printable(result.path), width), style="bold", no_wrap=True)
    console.print(title)
    about = f"{clock_text(result.duration)} · {result.model}"
    if not tags:
        console.print(Text(f"{about} · no tag to show", style="dim"))
        return
    layout = _Layout(width, tags, ascii_only=console.options.ascii_only)
    console.print(layout.heading(about))
    previous = ""
    for tag in by_category(list(tags)):
        for line in layout.row(tag, first=tag.category != previous):
            console.print(line)
        previous = tag.category


def _shorten(text: str, width: int) -> str:
    """Cut a long text in its middle, by its width on the terminal."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    end = text[-(width // 3) :]
    while cell_len(end) > width // 3:
        end = end[1:]
    return set_cell_size(text, width - cell_len(end) - 1).rstrip() + "…" + end


class _Layout:
    """Which columns a table has, and how wide they are."""

    def __init__(self, width: int, tags: Sequence[Tag], *, ascii_only: bool) -> None:
        from rich.cells import cell_len

        self.ascii_only = ascii_only
        self.name = min(max(cell_len(tag.tag) for tag in tags), MAX_TAG, max(width - SCORE - MIN_BAR - 2, 8)) + 2
        self.category = CATEGORY if width >= CATEGORY + self.name + SCORE + MIN_BAR else 0
        self.time = max(len(clock_text(tag.peak_time)) for tag in tags)
        self.mark = MARK if any(tag.threshold is not None for tag in tags) else 0
        rest = width - self.category - self.name - SCORE - self.mark
        self.lift = LIFT if rest >= LIFT + 12 and any(tag.lift is not None for tag in tags) else 0
        self.peak = PEAK if rest >= self.lift + PEAK + 16 else 0
        self.bar = max(min(rest - self.lift - self.peak, MAX_BAR), 0)

    def heading(self, about: str) -> "Text":
        """Make the line above the columns."""
        from rich.text import Text

        left = self.category + self.name + self.bar
        columns = "score".rjust(SCORE) + " " * self.mark + "× usual".rjust(self.lift) * bool(self.lift)
        columns += "peak at".rjust(self.peak) * bool(self.peak)
        if len(about) + 1 > left:
            return Text(about, style="dim")
        return Text(about.ljust(left) + columns, style="dim", no_wrap=True)

    def row(self, tag: Tag, *, first: bool) -> list["Text"]:
        """Make the line of a tag; above it the category where it has no column of its own."""
        from rich.cells import set_cell_size
        from rich.text import Text

        colour = COLOURS[tag.category]
        lines = []
        line = Text(no_wrap=True)
        if self.category:
            line.append((tag.category if first else "").ljust(self.category), style=colour)
        elif first:
            lines.append(Text(tag.category, style=colour))
        line.append(set_cell_size(_shorten(printable(tag.tag), self.name - 1), self.name))
        drawn = bar(tag.score, self.bar, ascii_only=self.ascii_only)
        filled = drawn.rstrip("─-")
        line.append(filled, style=colour)
        line.append(drawn[len(filled) :], style="dim")
        line.append(f"{tag.score:.2f}".rjust(SCORE), style="bold")
        line.append((" *" if self.ascii_only else " ✓") if tag.is_above_threshold else " " * self.mark, style="bold")
        if self.lift:
            line.append(("" if tag.lift is None else f"{tag.lift:.1f}").rjust(self.lift))
        if self.peak:
            line.append(f"{tag.peak:.2f}  {clock_text(tag.peak_time):>{self.time}}".rjust(self.peak), style="dim")
        line.rstrip()
        return [*lines, line]
