"""A map of a library as a picture; needs matplotlib (the extra [plots])."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import MissingExtraError, UsageError
from earmark.files import replacing
from earmark.plots.colours import DARK, LIGHT, Theme, even_ramp
from earmark.plots.map_data import (
    DARK_CATEGORIES,
    DARK_CIRCLE,
    LIGHT_CATEGORIES,
    LIGHT_CIRCLE,
    MapData,
    clean,
    common,
    fifths,
    group_centres,
    group_colours,
    limits,
)
from earmark.plots.text import clock, fonts, printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
SIZE = (12.0, 9.0)  # inches
FAINT = 0.15  # of a ramp, left out at its faint end
WORDS = {"group": "group by sound", "genre": "genre in the file", "bpm": "tempo, bpm", "duration": "length"}
FEW = 60  # tracks: so many have their titles in the picture
TOP_SCORE = 0.1  # the scale of a tag reaches at least here


@dataclass(frozen=True, eq=False)
class Colouring:
    """What dots are coloured by: values on a scale, or numbers of names."""

    label: str
    values: NDArray[np.float64]  # NaN where nothing is known; numbers of names, -1 for none
    low: float = 0.0
    high: float = 1.0
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    others: int = 0  # tracks whose name is none of these
    is_score: bool = False


def map_picture(
    data: MapData, path: str | os.PathLike[str], *, colour_by: str | None = None, dark: bool = False
) -> None:
    """Draw a map into a file; the options are those of `plot_map`.

    Parameters
    ----------
    path : where to, ending in .png, .svg or .pdf; written whole or not at all

    Raises
    ------
    UsageError
        If the suffix is none of these.
    InputError
        If the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in PICTURES:
        known = " ".join(PICTURES)
        raise UsageError(
            f"{target.name}: no picture ends in {target.suffix!r}", hint=f"choose one of {known}, or .html"
        )
    figure = plot_map(data, colour_by=colour_by, dark=dark)
    with replacing(target) as file:
        figure.savefig(file, format=target.suffix.lower()[1:], dpi=150, facecolor=figure.get_facecolor())


def plot_map(data: MapData, *, colour_by: str | None = None, dark: bool = False) -> "Figure":
    """Draw a map.

    Parameters
    ----------
    data : the dots and what is known of them
    colour_by : a tag, or one of group, artist, genre, key, bpm, year and duration; the group where there are groups,
        and one colour elsewhere, unless given
    dark : light on dark

    Returns
    -------
    a figure of its own, outside pyplot

    Raises
    ------
    UnknownNameError
        If nothing is known by that name.
    MissingExtraError
        If matplotlib is not installed.
    """
    theme = DARK if dark else LIGHT
    colouring = _colouring(data, colour_by, theme)
    figure = _figure(theme)
    families = fonts()
    in_place = data.groups is not None and colour_by in (None, "group")  # the names stand on the map
    beside = 0.2 if colouring is not None and not in_place else 0.02  # for what explains the colours
    axes = figure.add_axes((beside, 0.05, 0.98 - beside, 0.86), facecolor="none")
    axes.set_axis_off()
    points = np.asarray(data.points, np.float64)
    _draw_dots(axes, points, colouring, theme)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.1, 0.05)
    axes.apply_aspect()  # so that it is known where the names of groups come to lie
    taken: list[Any] = []  # where texts stand
    if data.groups is not None:
        _draw_groups(axes, points, data.groups, data.group_names, theme, families, taken)
    if len(points) <= FEW:
        for point, title in zip(points, data.titles, strict=True):
            text = printable(shorten(clean(title), 40), families)
            _write_free(
                axes, text, point, taken, xytext=(6, 0), ha="left", fontsize=8, color=theme.muted, family=families
            )
    if colouring is not None and colouring.names and not in_place:
        _draw_names(figure, colouring, theme, families)
    elif colouring is not None and not colouring.names:
        _draw_scale(figure, colouring, theme, families)
    _draw_words(figure, data, theme, families)
    return figure


def _figure(theme: Theme) -> "Figure":
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing a map", "plots") from error
    figure = Figure(figsize=SIZE, facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def _colouring(data: MapData, colour_by: str | None, theme: Theme) -> Colouring | None:
    if colour_by is None:
        if data.groups is None:
            return None
        colour_by = "group"
    kind, k = data.find_colour(colour_by)
    label = WORDS.get(kind, kind)
    if kind == "tag":
        scores = np.asarray(data.scores[:, k], np.float64)
        highest = max(float(np.quantile(scores, 0.995)), TOP_SCORE)
        return Colouring(clean(data.tags[k]), scores, 0.0, highest, is_score=True)
    if kind in ("bpm", "year", "duration"):
        values = np.asarray({"bpm": data.bpm, "year": data.years, "duration": data.durations}[kind], np.float64)
        return Colouring(label, np.where(np.isfinite(values), values, np.nan), *limits(values))
    categories = DARK_CATEGORIES if theme is DARK else LIGHT_CATEGORIES
    if kind == "group" and data.groups is not None:
        chosen = group_colours(group_centres(data.points, data.groups, len(data.group_names)))
        names = tuple(clean(name) for name in data.group_names)
        return Colouring(label, data.groups.astype(np.float64), 0, 1, names, tuple(categories[c] for c in chosen))
    if kind == "key":
        keys = sorted({key for key in data.keys if fifths(key) is not None}, key=lambda key: (fifths(key), key))
        numbers = np.array([keys.index(key) if key in keys else -1 for key in data.keys], np.float64)
        circle = even_ramp(DARK_CIRCLE if theme is DARK else LIGHT_CIRCLE, 13)[:12]
        hexadecimal = ["#" + "".join(f"{round(255 * value):02x}" for value in row) for row in circle.tolist()]
        return Colouring(label, numbers, 0, 1, tuple(keys), tuple(hexadecimal[fifths(key) or 0] for key in keys))
    texts = [clean(text) for text in (data.artists if kind == "artist" else data.genres)]
    found, which = common(texts)
    others = sum(bool(text) for text in texts) - int((which >= 0).sum())
    return Colouring(label, which.astype(np.float64), 0, 1, tuple(found), categories[: len(found)], others)


def _draw_dots(axes: "Axes", points: NDArray[np.float64], colouring: Colouring | None, theme: Theme) -> None:
    area = float(np.clip(25_000 / len(points), 1.5, 60))  # points squared
    style: dict[str, Any] = {"s": area, "linewidths": 0, "rasterized": len(points) > 2000}
    if colouring is None:
        axes.scatter(points[:, 0], points[:, 1], color=theme.categories[0], **style)
        return
    values = colouring.values
    known = values >= 0 if colouring.names else np.isfinite(values)
    axes.scatter(points[~known, 0], points[~known, 1], color=theme.line, zorder=1, **style)
    if colouring.names:
        colours = [colouring.colours[int(value)] for value in values[known]]
        axes.scatter(points[known, 0], points[known, 1], c=colours, zorder=2, **style)
        return
    order = np.flatnonzero(known)[np.argsort(values[known], kind="stable")]  # the highest on top
    cmap, norm = _scale(colouring, theme)
    axes.scatter(points[order, 0], points[order, 1], c=values[order], cmap=cmap, norm=norm, zorder=2, **style)


def _scale(colouring: Colouring, theme: Theme) -> tuple[Any, Any]:
    from matplotlib.colors import ListedColormap, Normalize, PowerNorm

    ramp = even_ramp(theme.ramp, 300)[round(300 * FAINT) :]
    if colouring.is_score:  # small scores keep their differences
        return ListedColormap(ramp), PowerNorm(0.5, colouring.low, colouring.high, clip=True)
    return ListedColormap(ramp), Normalize(colouring.low, colouring.high, clip=True)


def _draw_groups(
    axes: "Axes",
    points: NDArray[np.float64],
    groups: NDArray[np.integer],
    names: Sequence[str],
    theme: Theme,
    families: Sequence[str],
    taken: list[Any],
) -> None:
    """Write the names of groups where they lie, the largest first."""
    from matplotlib.patheffects import withStroke

    centres = group_centres(points, groups, len(names))
    sizes = np.bincount(groups[groups >= 0], minlength=len(names))
    halo = [withStroke(linewidth=2.5, foreground=theme.background, alpha=0.85)]
    for label in np.argsort(-sizes, kind="stable"):
        if sizes[label]:
            text = printable(shorten(clean(names[label]), 40), families)
            _write_free(
                axes, text, centres[label], taken, xytext=(0, 7), ha="center", fontsize=9, color=theme.text,
                family=families, weight="bold", path_effects=halo,
            )  # fmt: skip


def _write_free(
    axes: "Axes",
    text: str,
    point: NDArray[np.float64],
    taken: list[Any],
    *,
    xytext: tuple[float, float],
    ha: str,
    fontsize: float,
    color: str,
    family: Sequence[str],
    weight: str = "normal",
    path_effects: Sequence[Any] = (),
) -> None:
    """Write a text at a point, unless it would cover one of those before."""
    written = axes.annotate(
        text, (float(point[0]), float(point[1])), xytext=xytext, textcoords="offset points", ha=ha, va="center",
        fontsize=fontsize, weight=weight,
        color=color, family=family, path_effects=path_effects, parse_math=False, zorder=4,
    )  # fmt: skip
    box = written.get_window_extent()
    if any(box.overlaps(other) for other in taken):
        written.remove()
    else:
        taken.append(box)


def _draw_names(figure: "Figure", colouring: Colouring, theme: Theme, families: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    counts = np.bincount(colouring.values[colouring.values >= 0].astype(int), minlength=len(colouring.names))
    marks = [
        Line2D([], [], linestyle="", marker="o", markersize=6, markeredgewidth=0, color=colour,
               label=f"{printable(shorten(name, 34), families)}  {count:,}".replace("$", r"\$"))
        for name, colour, count in zip(colouring.names, colouring.colours, counts, strict=True)
        if count
    ]  # fmt: skip
    if colouring.others:
        marks.append(
            Line2D(
                [], [], linestyle="", marker="o", markersize=6, color=theme.line, label=f"other  {colouring.others:,}"
            )
        )
    legend = figure.legend(
        handles=marks, title=colouring.label, loc="lower left", bbox_to_anchor=(0.02, 0.05), frameon=False,
        prop={"family": families, "size": 8.5}, labelcolor=theme.text, alignment="left",
    )  # fmt: skip
    legend.get_title().set(color=theme.muted, fontsize=9)


def _draw_scale(figure: "Figure", colouring: Colouring, theme: Theme, families: Sequence[str]) -> None:
    from matplotlib.cm import ScalarMappable

    cmap, norm = _scale(colouring, theme)
    axes = figure.add_axes((0.03, 0.085, 0.17, 0.016))
    bar = figure.colorbar(ScalarMappable(norm, cmap), cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)
    ticks = [colouring.low, float(norm.inverse(0.5)), colouring.high]
    as_length = not colouring.is_score and colouring.label == WORDS["duration"]
    texts = [clock(tick) if as_length else f"{tick:.2f}" if colouring.is_score else f"{tick:.0f}" for tick in ticks]
    bar.set_ticks(ticks, labels=texts)
    bar.minorticks_off()
    axes.tick_params(length=0, colors=theme.muted, labelsize=8.5)
    axes.set_title(printable(colouring.label, families), fontsize=9.5, color=theme.text, loc="left", pad=4,
                   family=families, parse_math=False)  # fmt: skip


def _draw_words(figure: "Figure", data: MapData, theme: Theme, families: Sequence[str]) -> None:
    n = len(data.points)
    figure.text(0.03, 0.955, printable(shorten(clean(data.heading), 70), families), fontsize=15, weight="bold",
                color=theme.text, va="center", family=families, parse_math=False)  # fmt: skip
    said = {
        "umap": "UMAP: near means alike; distances between far groups mean little",
        "tsne": "t-SNE: near means alike; distances between far groups mean little",
        "pca": "principal axes: far apart means different; what is near can still differ",
    }[data.method]
    words = f"{n:,} {'track' if n == 1 else 'tracks'}  ·  {said}"
    figure.text(0.03, 0.925, words, fontsize=9.5, color=theme.muted, va="center", parse_math=False)
