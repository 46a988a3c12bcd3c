"""Pictures of a dataset's statistics: tags, which of them come together, durations, parts, what the parts share.

They need matplotlib (the extra [plots]). A picture that would show nothing is not made.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.datasets import changed_options
from earmark.datasets.statistics import Leak, Statistics
from earmark.errors import MissingExtraError, UsageError
from earmark.files import replacing
from earmark.plots.colours import DARK, LIGHT, Theme, even_ramp
from earmark.plots.text import fonts, printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
ROW = 0.2  # inches
ROWS = 50  # of bars in one column
MOST_BARS = 200
MOST_CELLS = 60  # rows and columns of the table of tags
LABEL = 30  # letters of a tag
GROUP_WORDS = {"artist": "artist", "album": "album", "track": "recording"}


def write_pictures(
    statistics: Statistics,
    folder: str | os.PathLike[str],
    *,
    suffix: str = ".png",
    split: str | None = None,
    dark: bool = False,
) -> list[Path]:
    """Write every picture that shows something.

    Parameters
    ----------
    statistics : of a dataset
    folder : where to; it exists
    suffix : ".png", ".svg" or ".pdf"
    split : whose parts are drawn; the first one unless given
    dark : light on dark

    Returns
    -------
    paths of the pictures: tags, together, tags_per_track, durations, parts, leaks

    Raises
    ------
    UsageError
        If the suffix is another one.
    InputError
        If a picture cannot be written.
    MissingExtraError
        If matplotlib is not installed.
    """
    if suffix not in SUFFIXES:
        raise UsageError(f"a picture cannot be written as {suffix!r}", hint=f"one of {' '.join(SUFFIXES)}")
    drawers: Mapping[str, Callable[..., Figure | None]] = {
        "tags": plot_tags,
        "together": plot_together,
        "tags_per_track": plot_tags_per_track,
        "durations": plot_durations,
        "parts": lambda statistics, dark: plot_parts(statistics, split=split, dark=dark),
        "leaks": plot_leaks,
    }
    written = []
    for name, draw in drawers.items():
        figure = draw(statistics, dark=dark)
        if figure is not None:
            written.append(Path(folder) / f"{name}{suffix}")
            with replacing(written[-1]) as file:
                figure.savefig(file, format=suffix[1:], dpi=130)
    return written


def plot_tags(statistics: Statistics, *, dark: bool = False) -> "Figure | None":
    """Draw the tags by frequency; None if there are none.

    Parameters
    ----------
    statistics : of a dataset
    dark : light on dark
    """
    order = [k for k in _by_frequency(statistics.tags) if statistics.tags[k]][:MOST_BARS]
    if not order:
        return None
    n_columns = -(-len(order) // ROWS)
    n_rows = -(-len(order) // n_columns)
    few = (
        f"the {len(order)} most frequent of {len(statistics.tags)}" if len(order) < len(statistics.tags) else len(order)
    )
    columns = [order[i : i + n_rows] for i in range(0, len(order), n_rows)]
    unit = (4.6 if n_columns == 1 else 2.2) / max(statistics.tags)  # inches per track
    lengths = [unit * statistics.tags[column[0]] for column in columns]
    margin = _margin(statistics.vocabulary[k] for k in order)
    width, theme = max(sum(margin + length + 1.1 for length in lengths), 6.0), _theme(dark)
    text = f"{few} tags: tracks, and their share of {statistics.n_tracks:,}"
    page, left = _Page(statistics, text, width, n_rows * ROW, theme), 0.0
    for column, length in zip(columns, lengths, strict=True):
        axes = page.axes((left + margin) / width, (left + margin + length) / width, n_rows)
        left += margin + length + 1.1
        counts = [statistics.tags[k] for k in column]
        axes.barh(np.arange(len(column)) + 0.5, counts, height=0.72, color=theme.categories[0])
        axes.set_xlim(0, counts[0])
        for y, (k, count) in enumerate(zip(column, counts, strict=True)):
            page.label(axes, y, statistics.vocabulary[k])
            share = f"{count:,}  {_percent(count, statistics.n_tracks)}"
            axes.text(count + 0.06 / unit, y + 0.52, share, va="center", fontsize=8, color=theme.muted)
    return page.figure


def plot_together(statistics: Statistics, *, dark: bool = False) -> "Figure | None":
    """Draw how often tags come together; None if they never do.

    Parameters
    ----------
    statistics : of a dataset
    dark : light on dark

    Notes
    -----
    Tags stand beside those that they come together with: they are sorted by the second eigenvector of the normalised
    Laplacian of the table of joint counts.
    """
    counts = statistics.together_counts
    kept = [k for k in _by_frequency(np.diag(counts).tolist()) if counts[k, k]][:MOST_CELLS]
    if not (counts[np.ix_(kept, kept)] - np.diag(np.diag(counts)[kept])).any():
        return None
    kept = [kept[i] for i in neighbours(counts[np.ix_(kept, kept)])]
    shares = statistics.conditional()[np.ix_(kept, kept)]
    np.fill_diagonal(shares, np.nan)
    n, theme = len(kept), _theme(dark)
    side = n * max(0.185, min(0.45, 4.0 / n))
    few = f" ({n} most frequent of {len(statistics.vocabulary)})" if n < len(statistics.vocabulary) else ""
    text = f"of the tracks with the tag of the row, the share that also has the tag of the column{few}"
    margin = _margin((statistics.together[k] for k in kept), least=1.75)
    page = _Page(statistics, text, max(margin + side + 0.3, 7.6), side, theme, below=margin)
    axes = page.axes(margin / page.width, (margin + side) / page.width, n)
    cmap, norm = _colours(theme)
    axes.set_facecolor(theme.line)  # shows on the diagonal
    axes.pcolormesh(np.arange(n + 1), np.arange(n + 1), np.ma.masked_invalid(shares), cmap=cmap,
                    norm=norm, rasterized=True)  # fmt: skip
    axes.set_xlim(0, n)
    for i, k in enumerate(kept):
        page.label(axes, i, statistics.together[k])
        axes.text(i + 0.5, n + 0.25, page.text(statistics.together[k]), rotation=90, ha="center", va="top",
                  fontsize=8.5, color=theme.text, family=page.families, parse_math=False)  # fmt: skip
    key = page.figure.add_axes(
        (0.2 / page.width, (page.below - 0.3) / page.height, 1.3 / page.width, 0.1 / page.height)
    )
    edges = np.linspace(0, 1, 129)
    key.pcolormesh(edges, [0, 1], (edges[None, :-1] + edges[None, 1:]) / 2, cmap=cmap, norm=norm, rasterized=True)
    key.set_xticks([0, 0.25, 0.5, 1], ["0", "25 %", "50 %", "100 %"])
    key.set_yticks([])
    key.tick_params(length=0, labelsize=7.5, colors=theme.muted)
    key.spines[:].set_visible(False)
    return page.figure


def plot_tags_per_track(statistics: Statistics, *, dark: bool = False) -> "Figure | None":
    """Draw how many tags tracks have; None if all have the same number.

    Parameters
    ----------
    statistics : of a dataset
    dark : light on dark
    """
    found = statistics.tags_per_track
    if len(found) < 2:
        return None
    theme, most = _theme(dark), max(found)
    text = (
        f"tags of the vocabulary on a track: {statistics.mean_tags:.2f} on average, none on {found.get(0, 0):,} tracks"
    )
    page = _Page(statistics, text, 7.5, 3.0, theme, below=0.6)
    axes = page.axes(0.8 / 7.5, 7.2 / 7.5)
    numbers = range(most + 1)
    colours = [theme.categories[3] if n == 0 else theme.categories[0] for n in numbers]
    axes.bar(numbers, [found.get(n, 0) for n in numbers], width=0.8 if most < 60 else 1.0, color=colours)
    axes.set_xlim(-0.7, most + 0.7)
    _scales(axes, theme, "tags", "tracks")
    return page.figure


def plot_durations(statistics: Statistics, *, dark: bool = False) -> "Figure | None":
    """Draw how long tracks are, as the audio says or as published; None if that is not known or always the same.

    Parameters
    ----------
    statistics : of a dataset
    dark : light on dark
    """
    heard = statistics.audio.durations if statistics.audio is not None else None
    found = heard or statistics.durations
    if found is None or found.longest - found.shortest < 0.02 * found.longest:
        return None
    theme = _theme(dark)
    unit, size = ("minutes", 60.0) if found.longest > 180 else ("seconds", 1.0)
    text = (
        f"duration of {found.n:,} tracks, {'read from the audio' if heard else 'as published'}: "
        f"{found.total / 3600:,.1f} h in all, median {found.median / size:.1f} {unit}"
    )
    page = _Page(statistics, text, 7.5, 3.0, theme, below=0.6)
    axes = page.axes(0.8 / 7.5, 7.2 / 7.5)
    edges = np.array(found.edges) / size
    axes.bar(edges[:-1], found.counts, width=np.diff(edges) * 0.92, align="edge", color=theme.categories[0])
    if max(found.counts) > 50 * max(float(np.median(found.counts)), 1.0):  # else one bar hides all others
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
    axes.set_xlim(edges[0], edges[-1])
    _scales(axes, theme, unit, "tracks")
    return page.figure


def plot_parts(statistics: Statistics, *, split: str | None = None, dark: bool = False) -> "Figure | None":
    """Draw how frequent tags are in the parts of a split; None if there is no split.

    Parameters
    ----------
    statistics : of a dataset
    split : its name; the first one unless given
    dark : light on dark
    """
    name = split or next(iter(statistics.splits), None)
    parts = [part for part in statistics.parts if part.split == name and part.n_tracks]
    if len(parts) < 2:
        return None
    order = [k for k in _by_frequency(statistics.tags) if statistics.tags[k]][:MOST_CELLS]
    theme = _theme(dark)
    sizes = ", ".join(f"{part.part} {part.n_tracks:,}" for part in parts)
    margin = _margin(statistics.vocabulary[k] for k in order)
    few = f", {len(order)} most frequent tags" if len(order) < len(statistics.tags) else ""
    page = _Page(statistics, f"share of the tracks with a tag, in each part of “{name}” ({sizes}){few}",
                 margin + 6.75, len(order) * ROW, theme, below=0.6)  # fmt: skip
    axes = page.axes(margin / page.width, 1 - 0.3 / page.width, len(order))
    # The later part is drawn upon the earlier one, and smaller, so that equal shares are rings around a dot.
    dots = {"train": (theme.categories[0], 9.5), "validation": (theme.categories[1], 6.8),
            "test": (theme.categories[3], 4.2)}  # fmt: skip
    shares = np.array([[part.tags[k] / part.n_tracks for k in order] for part in parts])
    least = max(float(shares[shares > 0].min(initial=1.0)) / 1.5, 1e-5)
    rows = np.arange(len(order)) + 0.5
    shown = np.maximum(shares, least)
    axes.hlines(rows, least, shown.min(axis=0), color=theme.line, linewidth=0.6)
    axes.hlines(rows, shown.min(axis=0), shown.max(axis=0), color=theme.line, linewidth=3)
    for part, values, drawn in zip(parts, shares, shown, strict=True):
        colour, size = dots[part.part]
        dot: dict[str, Any] = {"markersize": size, "color": colour, "clip_on": False}
        axes.plot(drawn[values > 0], rows[values > 0], "o", label=part.part, markeredgecolor=theme.background,
                  markeredgewidth=0.5, **dot)  # fmt: skip
        axes.plot(drawn[values == 0], rows[values == 0], "o", markerfacecolor=theme.background, **dot)
    for y, k in enumerate(order):
        page.label(axes, y, statistics.vocabulary[k])
    axes.set_xscale("log")
    axes.set_xlim(least, min(float(shown.max()) * 1.3, 1.0))
    ticks = _ticks(least, axes.get_xlim()[1])
    axes.set_xticks(ticks, [f"{100 * tick:.3g} %" for tick in ticks])
    axes.set_xticks([], minor=True)
    hollow = "" if shares.all() else " (hollow: none)"
    _scales(axes, theme, f"share of the tracks of the part{hollow}", "", along="x")
    _legend(axes, theme)
    return page.figure


def plot_leaks(statistics: Statistics, *, dark: bool = False) -> "Figure | None":
    """Draw which share of the tracks to test on is by an artist (of an album, of a recording) to train on.

    Parameters
    ----------
    statistics : of a dataset
    dark : light on dark

    Returns
    -------
    None if no split leaks
    """
    found = [leak for leak in statistics.leaks if leak.other == "train" and leak.n_tracks]
    if not any(leak.n_shared for leak in found):
        return None
    theme = _theme(dark)
    chosen = _worth_drawing(found)
    words = " or ".join(dict.fromkeys(GROUP_WORDS[leak.by] for leak in chosen))
    page = _Page(statistics, f"share of the tracks whose {words} is also in the training part", 8.5,
                 len(chosen) * 0.3, theme)  # fmt: skip
    axes = page.axes(2.6 / 8.5, 6.3 / 8.5, len(chosen))
    for y, leak in enumerate(chosen):
        axes.barh(y + 0.5, 1, height=0.6, color=theme.line, alpha=0.45)
        axes.barh(y + 0.5, leak.share, height=0.6, color=theme.categories[3])
        page.label(axes, y, f"{shorten(leak.split, 18)}: {leak.part}, by {GROUP_WORDS[leak.by]}", length=40)
        of = f"{leak.n_shared:,} of {leak.n_groups:,} {GROUP_WORDS[leak.by]}s"
        axes.text(1.02, y + 0.52, f"{100 * leak.share:.1f} %   {of}",
                  va="center", fontsize=8.5, color=theme.text)  # fmt: skip
    axes.set_xlim(0, 1)
    return page.figure


def neighbours(counts: NDArray[np.int64]) -> list[int]:
    """Return an order in which tags stand beside those that they come together with.

    Parameters
    ----------
    counts : shape (K, K), symmetric; its diagonal is not used
    """
    joint = counts.astype(np.float64)
    own = np.sqrt(np.diag(joint))
    joint /= np.outer(own, own)  # else frequent tags draw all others
    np.fill_diagonal(joint, 0)
    degree = np.maximum(joint.sum(axis=1), 1e-9)
    scale = 1 / np.sqrt(degree)
    values, vectors = np.linalg.eigh(np.eye(len(joint)) - scale[:, None] * joint * scale[None, :])
    second = vectors[:, int(np.argsort(values)[1])] * scale if len(joint) > 1 else vectors[:, 0]
    strongest = int(np.abs(second).argmax())
    order = np.argsort(second * np.sign(second[strongest] or 1.0), kind="stable")
    return [int(i) for i in order]


def _worth_drawing(leaks: Sequence[Leak]) -> list[Leak]:
    """Leave out group keys that no split leaks by."""
    leaking = {leak.by for leak in leaks if leak.n_shared}
    return [leak for leak in leaks if leak.by in leaking]


def _by_frequency(counts: Sequence[int]) -> list[int]:
    return sorted(range(len(counts)), key=lambda k: -counts[k])


def _ticks(low: float, high: float) -> list[float]:
    """Choose round numbers on a logarithmic axis."""
    found: list[float] = []
    for digits in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        found = [digit * 10.0**power for power in range(-5, 1) for digit in digits]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) > 2:
            break
    return found


def _percent(count: int, total: int) -> str:
    share = 100 * count / total if total else 0.0
    return f"{share:.0f} %" if share >= 9.95 else f"{share:.1f} %" if share >= 0.095 else f"{share:.2f} %"


def _theme(dark: bool) -> Theme:
    return DARK if dark else LIGHT


def _colours(theme: Theme) -> tuple[Any, Any]:
    from matplotlib.colors import ListedColormap, PowerNorm

    return ListedColormap(even_ramp(theme.ramp)), PowerNorm(0.6, 0, 1, clip=True)


def _legend(axes: "Axes", theme: Theme) -> None:
    legend = axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=8.5, handletextpad=0.1,
        columnspacing=1.2, borderpad=0, borderaxespad=0.1,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_color(theme.muted)


def _scales(axes: "Axes", theme: Theme, x: str, y: str, *, along: Literal["x", "y"] = "y") -> None:
    """Put numbers and thin lines on the axes."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(x, color=theme.muted, fontsize=8.5)
    axes.set_ylabel(y, color=theme.muted, fontsize=8.5)
    axes.tick_params(length=0, which="both", labelsize=8.5, colors=theme.muted)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=along, color=theme.line, linewidth=0.6)
    if along == "y":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, steps=[1, 2, 5, 10]))
        if axes.get_yscale() != "log":
            axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")


def _margin(tags: Iterable[str], *, least: float = 1.2) -> float:
    """Return the inches that the names of tags need on the left."""
    return max(0.4 + 0.077 * min(max(map(len, tags), default=0), LABEL), least)


class _Page:
    """A figure with a title, measured in inches."""

    def __init__(
        self, statistics: Statistics, text: str, width: float, height: float, theme: Theme, *, below: float = 0.2
    ) -> None:
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingExtraError("drawing statistics", "plots") from error
        self.theme, self.width, self.inner, self.below = theme, width, height, below
        self.height = 0.95 + height + below
        self.families = fonts()
        self.figure = Figure(figsize=(width, self.height), facecolor=theme.background)
        FigureCanvasAgg(self.figure)
        changed = changed_options(statistics.name, statistics.options)
        options = ", ".join(f"{key}={value}" for key, value in changed.items())
        title = f"{statistics.title}  ·  {options}" if options else statistics.title
        title = printable(shorten(title, int(width * 8)), self.families)
        self.figure.text(0.14 / width, 1 - 0.27 / self.height, title, fontsize=12.5, weight="bold", color=theme.text,
                         va="center", family=self.families, parse_math=False)  # fmt: skip
        self.figure.text(0.14 / width, 1 - 0.53 / self.height, text, fontsize=9, color=theme.muted, va="center",
                         parse_math=False)  # fmt: skip

    def axes(self, left: float, right: float, n_rows: int | None = None) -> "Axes":
        """Add bare axes below the title: left and right in parts of the width; rows count from above."""
        bottom = self.below / self.height
        axes = self.figure.add_axes((left, bottom, right - left, self.inner / self.height), facecolor="none")
        axes.spines[:].set_visible(False)
        if n_rows is not None:
            axes.set_ylim(n_rows, 0)
            axes.set_xticks([])
            axes.set_yticks([])
        return axes

    def label(self, axes: "Axes", row: int, text: str, *, length: int = LABEL) -> None:
        """Write what a row is."""
        axes.text(-0.06 / (axes.get_position().width * self.width), row + 0.52, self.text(text, length),
                  transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8.5, color=self.theme.text,
                  family=self.families, parse_math=False)  # fmt: skip

    def text(self, text: str, length: int = LABEL) -> str:
        """Shorten a text, with boxes for what cannot be drawn."""
        return printable(shorten(text, length), self.families)
