"""Pictures of an evaluation as SVG text: tags with intervals, precision over recall, reliability, confusion.

They go into a page as they are. Colours are variables of the page, so that one picture serves light and dark, with
fallbacks for a file on its own; no other software is needed.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.plots.colours import LIGHT
from earmark.plots.text import shorten

Array64 = NDArray[np.float64]

TEXT = f"var(--text, {LIGHT.text})"
MUTED = f"var(--muted, {LIGHT.muted})"
LINE = f"var(--line, {LIGHT.line})"
FIRST = f"var(--first, {LIGHT.categories[0]})"
SECOND = f"var(--second, {LIGHT.categories[3]})"
FONT = "font-family='system-ui, sans-serif'"
ROW, LABEL, LETTER = 18, 26, 6.6  # height of a row; letters of a name; width of one
WIDTH = 560.0  # of the picture of tags
SIDE, EDGE = 300, 44  # of a square plot, and what its axis takes
MOST_POINTS = 160  # of a curve
NUMBERED = 24  # classes up to which cells of a confusion matrix have numbers


class Bar(NamedTuple):
    """A row of a picture of tags.

    Parameters
    ----------
    name : of the tag
    value, low, high : in [0, 1]; NaN where not defined
    chance : what constant scores get; NaN where not defined
    """

    name: str
    value: float
    low: float
    high: float
    chance: float


def draw_bars(bars: Sequence[Bar], *, label: str) -> str:
    """Draw a bar per tag, its interval as a line through the end, and what constant scores get as a stroke.

    Parameters
    ----------
    bars : from above
    label : of the axis

    Returns
    -------
    an svg element
    """
    left = LETTER * min(max((len(bar.name) for bar in bars), default=1), LABEL) + 14
    width, length, height = WIDTH, WIDTH - left - 54, len(bars) * ROW + 34
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = left + tick * length
        parts += [_line(x, 0, x, height - 30, LINE, 0.7), _text(x, height - 16, f"{tick:g}", "middle", MUTED, 10.5)]
    parts.append(_text(left + length / 2, height - 2, label, "middle", MUTED, 10.5))
    for i, bar in enumerate(bars):
        y = i * ROW + ROW / 2
        parts.append(_text(left - 8, y + 4, shorten(bar.name, LABEL), "end", TEXT, 11.5, title=bar.name))
        if math.isnan(bar.value):
            parts.append(_text(left + 4, y + 4, "no track has it", "start", MUTED, 10.5))
            continue
        about = f"{bar.name}: {bar.value:.3f}"
        about += "" if math.isnan(bar.low) else f" ({bar.low:.3f} to {bar.high:.3f})"
        parts.append(
            f"<rect x='{left:.1f}' y='{y - 5.5:.1f}' width='{max(bar.value, 0) * length:.1f}' height='11' rx='2' "
            f"style='fill:{FIRST}' fill-opacity='.75'><title>{escape(about)}</title></rect>"
        )
        if not math.isnan(bar.low):
            parts.append(_line(left + bar.low * length, y, left + bar.high * length, y, TEXT, 1.6))
        if not math.isnan(bar.chance):
            x = left + bar.chance * length
            parts.append(_line(x, y - 7, x, y + 7, SECOND, 2))
        parts.append(_text(left + length + 8, y + 4, f"{bar.value:.3f}", "start", MUTED, 10.5))
    return _svg(parts, width, height, label)


def draw_curves(
    targets: NDArray[np.bool_],
    scores: NDArray[np.floating],
    tags: Sequence[str],
    *,
    label: str = "precision and recall",
) -> str:
    """Draw precision over recall: of every tag thin, of all pairs of track and tag together thick.

    Parameters
    ----------
    targets, scores : shape (n, K)
    tags : names, shown where a pointer rests on a curve
    label : of the picture
    """
    parts = _frame("recall", "precision")
    for k, tag in enumerate(tags):
        if targets[:, k].any():
            points = precision_recall(targets[:, k], scores[:, k])
            parts.append(_path(points, FIRST, 1, 0.35, title=tag))
    parts.append(_path(precision_recall(targets.ravel(), scores.ravel()), SECOND, 2.5, 1, title="all tags together"))
    return _svg(parts, EDGE + SIDE + 10, SIDE + EDGE, label)


def precision_recall(targets: NDArray[np.bool_], scores: NDArray[np.floating]) -> Array64:
    """Return the points of the curve: shape (n_points, 2), recall and precision, from the best scores down.

    Parameters
    ----------
    targets, scores : shape (n,), some of the targets true

    Notes
    -----
    Equal scores are one point. No line between points is meant: the curve is a staircase, as average precision sums it.
    Points before the first true target, where both are zero, are left out. Of more than 160 points, those nearest to
    even steps of recall are kept, the ends among them.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(targets[order])[ends]
    points: Array64 = np.column_stack([found / found[-1], found / (ends + 1)])[found > 0]
    if len(points) > MOST_POINTS:
        wanted = np.searchsorted(points[:, 0], np.linspace(points[0, 0], 1, MOST_POINTS))
        points = points[np.unique(np.minimum(wanted, len(points) - 1))]
    return np.asarray(points)


def draw_reliability(before: tuple[Array64, Array64, Array64], after: tuple[Array64, Array64, Array64]) -> str:
    """Draw how often what got a score is true, before and after calibration; right is on the diagonal.

    Parameters
    ----------
    before, after : mean score, share that is true, and number of scores of each bin, shape (n_bins,)
    """
    parts = _frame("score", "share that is true")
    parts.append(_line(EDGE, SIDE + 6, EDGE + SIDE, 6, MUTED, 1, dash="4 4"))
    kinds = ((before, FIRST, "as they are"), (after, SECOND, "calibrated"))
    for (score, rate, counts), colour, name in kinds:
        is_there = counts > 0
        points = np.column_stack([score[is_there], rate[is_there]])
        parts.append(_path(points, colour, 2, 0.9, title=name))
        for (x, y), count in zip(points, counts[is_there], strict=True):
            radius = 2.5 + 5 * math.sqrt(count / counts.sum())
            about = f"{name}: {count:,.0f} scores of {x:.2f} on average, {y:.2f} of them true"
            parts.append(
                f"<circle cx='{EDGE + x * SIDE:.1f}' cy='{6 + (1 - y) * SIDE:.1f}' r='{radius:.1f}' "
                f"style='fill:{colour}'><title>{escape(about)}</title></circle>"
            )
    for i, (_, colour, name) in enumerate(kinds):
        parts.append(f"<rect x='{EDGE + 12}' y='{16 + 18 * i}' width='10' height='10' rx='2' style='fill:{colour}'/>")
        parts.append(_text(EDGE + 28, 25 + 18 * i, name, "start", TEXT, 11))
    return _svg(parts, EDGE + SIDE + 10, SIDE + EDGE, "reliability of scores")


def draw_confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Draw which class is taken for which: rows are true, columns given, shades are shares of the row.

    Parameters
    ----------
    matrix : shape (K, K), tracks
    classes : names
    """
    n = len(classes)
    cell = max(14.0, min(38.0, 460 / n))
    margin = LETTER * min(max(map(len, classes)), LABEL) + 12
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    parts = []
    for i, name in enumerate(classes):
        short = shorten(name, LABEL)
        parts.append(_text(margin - 6, margin + (i + 0.5) * cell + 4, short, "end", TEXT, 11.5, title=name))
        x = margin + (i + 0.5) * cell + 4
        parts.append(
            f"<text transform='translate({x:.1f} {margin - 6:.1f}) rotate(-90)' font-size='11.5' {FONT} "
            f"style='fill:{TEXT}'>{escape(short)}</text>"
        )
    for i in range(n):
        for j in range(n):
            x, y, count, share = margin + j * cell, margin + i * cell, int(matrix[i, j]), float(shares[i, j])
            about = f"{classes[i]} taken for {classes[j]}: {count:,}"
            colour = FIRST if i == j else SECOND
            parts.append(
                f"<rect x='{x + 0.5:.1f}' y='{y + 0.5:.1f}' width='{cell - 1:.1f}' height='{cell - 1:.1f}' "
                f"style='fill:{colour}' fill-opacity='{0.04 + 0.8 * share:.2f}'><title>{escape(about)}</title></rect>"
            )
            if count and n <= NUMBERED:
                colour = "var(--on-fill, #fff)" if share > 0.55 else TEXT
                parts.append(_text(x + cell / 2, y + cell / 2 + 4, str(count), "middle", colour, 10.5))
    side = margin + n * cell + 4
    return _svg(parts, side, side, "confusion of classes")


def _frame(x: str, y: str) -> list[str]:
    """Draw a square with thin lines; what it holds lies between 0 and 1 on both axes."""
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        along, down = EDGE + tick * SIDE, 6 + (1 - tick) * SIDE
        parts += [
            _line(along, 6, along, SIDE + 6, LINE, 0.7),
            _line(EDGE, down, EDGE + SIDE, down, LINE, 0.7),
            _text(along, SIDE + 20, f"{tick:g}", "middle", MUTED, 10.5),
            _text(EDGE - 6, down + 4, f"{tick:g}", "end", MUTED, 10.5),
        ]
    parts.append(_text(EDGE + SIDE / 2, SIDE + 36, x, "middle", MUTED, 10.5))
    middle = 6 + SIDE / 2
    parts.append(
        f"<text transform='translate(11 {middle:.1f}) rotate(-90)' text-anchor='middle' font-size='10.5' {FONT} "
        f"style='fill:{MUTED}'>{escape(y)}</text>"
    )
    return parts


def _path(points: Array64, colour: str, width: float, opacity: float, *, title: str) -> str:
    steps = " ".join(f"{EDGE + x * SIDE:.1f},{6 + (1 - y) * SIDE:.1f}" for x, y in points)
    return (
        f"<polyline points='{steps}' fill='none' style='stroke:{colour}' stroke-width='{width}' "
        f"stroke-opacity='{opacity}' stroke-linejoin='round'><title>{escape(title)}</title></polyline>"
    )


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float, *, dash: str = "") -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    return (
        f"<line x1='{x:.1f}' y1='{y:.1f}' x2='{to_x:.1f}' y2='{to_y:.1f}' style='stroke:{colour}' "
        f"stroke-width='{width}'{dashes}/>"
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str, size: float, *, title: str = "") -> str:
    about = f"<title>{escape(title)}</title>" if title and title != text else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}' {FONT} style='fill:{colour}'>"
        f"{about}{escape(text)}</text>"
    )


def _svg(parts: Sequence[str], width: float, height: float, label: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' role='img' "
        f"aria-label='{escape(label, quote=True)}' style='width:100%;max-width:{width:.0f}px;height:auto'>"
        + "".join(parts)
        + "</svg>"
    )
