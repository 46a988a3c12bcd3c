"""Taggrams as pictures and tables.

`plot_taggram` needs matplotlib (the extra [plots]); `write_taggram` needs it for pictures only.
"""

import csv
import math
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.grids import onto_grid
from earmark.plots.colours import DARK, LIGHT, Theme, even_ramp
from earmark.plots.text import clock, fonts, printable, shorten
from earmark.track_tags import Tag, TrackTags
from earmark.vocabulary import CATEGORIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
TABLES = (".npz", ".csv")

WIDTH = 11.0  # inches
LEFT, RIGHT = 0.205, 0.835  # of the heat map, in parts of the width
ABOVE, WAVEFORM, BELOW = 0.82, 0.95, 0.4  # inches
ROW = 0.27  # inches
GAP = 0.4  # rows between two categories
MAX_COLUMNS = 1000  # of the heat map; a longer track is averaged
MIN_WORTH = 0.01  # bits; tags below are drawn only to fill up to MIN_ROWS
MIN_ROWS = 6
GAMMA = 0.6  # scores of rare tags are small: lift the dark end of the colour map
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)


def write_taggram(
    path: str | os.PathLike[str],
    result: TrackTags,
    *,
    waveform_envelope: NDArray[np.floating] | None = None,
    top: int = 20,
    dark: bool = False,
) -> None:
    """Write a taggram as the suffix says: .png, .svg or .pdf a picture, .npz arrays, .csv a table.

    Parameters
    ----------
    path : where to; written beside and renamed, so that no half file stays
    result : a tagged track
    waveform_envelope, top, dark : of a picture, as in `plot_taggram`

    Raises
    ------
    UsageError
        If the suffix is none of these.
    InputError
        If `result` has no taggram.
    MissingExtraError
        If a picture is asked for and matplotlib is not installed.

    Notes
    -----
    .npz holds taggram (n_chunks, n_tags), times (n_chunks, 2) in seconds, tags, categories, scores, embedding, model,
    models, path and duration. .csv has one line per chunk: start, end, and every tag in column order.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix in PICTURES:
        save_taggram(target, result, waveform_envelope, top=top, dark=dark)
        return
    if suffix not in TABLES:
        known = " ".join(PICTURES + TABLES)
        raise UsageError(f"{target.name}: a taggram cannot be written as {suffix!r}", hint=f"choose one of {known}")
    _need_taggram(result)
    with _beside(target) as temporary:
        if suffix == ".npz":
            _write_npz(temporary, result)
        else:
            _write_csv(temporary, result)


def save_taggram(
    path: str | os.PathLike[str],
    result: TrackTags,
    waveform_envelope: NDArray[np.floating] | None = None,
    *,
    top: int = 20,
    dark: bool = False,
) -> None:
    """Draw a taggram into a file; the options are those of `plot_taggram`.

    Parameters
    ----------
    path : where to, with one of the suffixes of `PICTURES`
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in PICTURES:
        raise UsageError(f"{target.name}: no picture ends in {suffix!r}", hint=f"choose one of {' '.join(PICTURES)}")
    figure = plot_taggram(result, waveform_envelope, top=top, dark=dark)
    with _beside(target) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=150, facecolor=figure.get_facecolor())


def plot_taggram(
    result: TrackTags,
    waveform_envelope: NDArray[np.floating] | None = None,
    *,
    top: int = 20,
    dark: bool = False,
) -> "Figure":
    """Draw the waveform, below it the strongest tags over time by category, and beside them their scores.

    Parameters
    ----------
    result : a tagged track
    waveform_envelope : shape (2, n), minimum and maximum over n equal stretches of the track
        (`earmark.plots.envelope.waveform_envelope`); None leaves the waveform out
    top : at most so many tags
    dark : light on dark

    Returns
    -------
    a figure of its own, outside pyplot

    Raises
    ------
    InputError
        If `result` has no taggram, or the envelope has another shape.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Which tags are the strongest: see `strongest`. A small mark in a row shows where the tag peaks; a stroke through a
    score bar shows the base rate of the tag. Tracks of more than 1,000 chunks are averaged into as many columns.
    """
    _need_taggram(result)
    if top < 1:
        raise UsageError(f"top is {top}, expected 1 or more")
    if waveform_envelope is not None and (waveform_envelope.ndim != 2 or len(waveform_envelope) != 2):
        raise InputError(f"the envelope has shape {waveform_envelope.shape}, expected (2, n)")
    rows = strongest(result, top)
    tops, bottom = _row_positions(rows)
    theme = DARK if dark else LIGHT
    wave = WAVEFORM if waveform_envelope is not None and waveform_envelope.shape[1] else 0.0
    figure = _figure(ABOVE + wave + bottom * ROW + BELOW, theme)
    families = fonts()
    if waveform_envelope is not None and wave:
        axes = _add_axes(figure, LEFT, RIGHT, ABOVE, wave - 0.1, theme)
        _draw_waveform(axes, waveform_envelope, result.duration, theme)
    heat = _add_axes(figure, LEFT, RIGHT, ABOVE + wave, bottom * ROW, theme)
    _draw_heat(heat, result, rows, tops, theme)
    _draw_labels(heat, rows, tops, theme, families)
    heat.set_ylim(bottom, 0)
    bars = _add_axes(figure, 0.85, 0.945, ABOVE + wave, bottom * ROW, theme)
    _draw_bars(bars, rows, tops, theme)
    bars.set_ylim(bottom, 0)
    _draw_title(figure, result, theme, families)
    _draw_key(_add_axes(figure, 0.705, RIGHT, 0.5, 0.09, theme), theme)
    return figure


def _figure(height: float, theme: Theme) -> "Figure":
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing a taggram", "plots") from error
    figure = Figure(figsize=(WIDTH, height), facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def _add_axes(figure: "Figure", left: float, right: float, top: float, inches: float, theme: Theme) -> "Axes":
    """Add bare axes: left and right in parts of the width, top in inches from above, and their height."""
    height = figure.get_figheight()
    axes = figure.add_axes((left, (height - top - inches) / height, right - left, inches / height), facecolor="none")
    axes.tick_params(length=0, colors=theme.muted, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def strongest(result: TrackTags, n: int) -> list[Tag]:
    """Choose the tags that tell most about a track, by category and then by score.

    Parameters
    ----------
    result : a tagged track
    n : at most so many

    Notes
    -----
    What a chunk tells about a tag is ``score * log2(score / base rate)``, at least 0; a tag is worth its mean over the
    chunks. Frequent tags at their usual score thus drop out, and so do rare ones at a tiny score, while a tag that
    holds in one part of the track keeps a place. Tags worth less than 0.01 bit are left out unless fewer than 6 are
    left. Where a base rate is not known, 0.05 stands for it.
    """
    rates = np.array([tag.score / tag.lift if tag.lift else 0.05 for tag in result.tags])
    taggram = np.maximum(result.taggram, 1e-6).astype(np.float64)
    worth = np.maximum(taggram * np.log2(taggram / np.maximum(rates, 1e-6)), 0).mean(axis=0)
    order = sorted(range(len(result.tags)), key=lambda k: (-worth[k], -result.tags[k].score))
    n_telling = max(int((worth >= MIN_WORTH).sum()), MIN_ROWS)
    chosen = [result.tags[k] for k in order[: min(n, n_telling)]]
    return sorted(chosen, key=lambda tag: (CATEGORIES.index(tag.category), -tag.score))


def _row_positions(rows: Sequence[Tag]) -> tuple[list[float], float]:
    """Give the top of each row, in rows, with a gap between categories; and the bottom of the last."""
    tops: list[float] = []
    y = 0.0
    for k, tag in enumerate(rows):
        if k and tag.category != rows[k - 1].category:
            y += GAP
        tops.append(y)
        y += 1
    return tops, y


def _draw_heat(axes: "Axes", result: TrackTags, rows: Sequence[Tag], tops: Sequence[float], theme: Theme) -> None:
    columns = {name: k for k, name in enumerate(result.vocabulary)}
    values, edges = _over_time(result, [columns[tag.tag] for tag in rows])  # (n_columns, n_rows)
    cmap, norm = _colour_map(theme)
    for k, y in enumerate(tops):
        cells = values[None, :, k]
        axes.pcolormesh(edges, [y + 0.04, y + 0.96], cells, cmap=cmap, norm=norm, rasterized=True)
    for tag, y in zip(rows, tops, strict=True):
        axes.plot([tag.peak_time], [y + 0.5], clip_on=False, **_peak_mark(theme))
    _time_axis(axes, result.duration)
    axes.set_xlabel("time", color=theme.muted, fontsize=8.5)
    axes.xaxis.set_label_coords(-0.045, -0.055 / ((tops[-1] + 1) * ROW))  # level with the numbers
    axes.xaxis.label.set(ha="right", va="top")


def _over_time(result: TrackTags, columns: Sequence[int]) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    """Give the values to draw, one row per column of the picture, and the n + 1 edges in seconds."""
    end = _end(result.duration)
    values = result.taggram[:, columns]
    if len(values) > MAX_COLUMNS:
        edges = np.linspace(0, end, MAX_COLUMNS + 1)
        return onto_grid(values, result.times, np.stack([edges[:-1], edges[1:]], axis=1)), edges
    centres = result.centres
    between = (centres[1:] + centres[:-1]) / 2
    return values, np.concatenate([result.times[:1, 0], between, [end]])


def _draw_labels(
    axes: "Axes", rows: Sequence[Tag], tops: Sequence[float], theme: Theme, families: Sequence[str]
) -> None:
    transform = axes.get_yaxis_transform()  # x in parts of the axes, y in rows
    for k, (tag, y) in enumerate(zip(rows, tops, strict=True)):
        colour = _category_colour(tag, theme)
        joined = 0.1 if k and tag.category == rows[k - 1].category else 0.0
        axes.text(
            -0.022, y + 0.53, printable(shorten(tag.tag, 24), families), transform=transform, ha="right",
            va="center", fontsize=10, color=theme.text, family=families, parse_math=False,
        )  # fmt: skip
        axes.plot([-0.01, -0.01], [y - joined, y + 1], transform=transform, color=colour, linewidth=3.5, clip_on=False,
                  solid_capstyle="butt")  # fmt: skip
        if k == 0 or tag.category != rows[k - 1].category:
            axes.text(
                -0.305, y + 0.53, tag.category.upper(), transform=transform, ha="left", va="center", fontsize=8,
                color=colour, weight="bold",
            )  # fmt: skip
            if k:
                axes.plot([-0.305, 1.19], [y - GAP / 2] * 2, transform=transform, color=theme.line, linewidth=0.8,
                          clip_on=False)  # fmt: skip


def _draw_bars(axes: "Axes", rows: Sequence[Tag], tops: Sequence[float], theme: Theme) -> None:
    axes.set_xlim(0, 1)
    for tag, y in zip(rows, tops, strict=True):
        axes.barh(y + 0.5, 1, height=0.5, color=theme.line, alpha=0.45)
        axes.barh(y + 0.5, tag.score, height=0.5, color=_category_colour(tag, theme))
        if tag.lift:
            rate = tag.score / tag.lift
            axes.plot([rate, rate], [y + 0.17, y + 0.83], color=theme.text, linewidth=1.2, solid_capstyle="butt")
        axes.text(1.1, y + 0.53, f"{tag.score:.2f}", va="center", fontsize=9.5, color=theme.text)
    transform = axes.get_xaxis_transform()
    axes.text(0, 1.0, "score", transform=transform, va="bottom", fontsize=8.5, color=theme.muted)
    if any(tag.lift for tag in rows):
        axes.text(
            1.5, 1.0, "| base rate", transform=transform, ha="right", va="bottom", fontsize=8.5, color=theme.muted
        )


def _draw_waveform(axes: "Axes", envelope: NDArray[np.floating], duration: float, theme: Theme) -> None:
    low, high = np.nan_to_num(np.asarray(envelope, np.float64))
    peak = max(float(np.abs([low, high]).max()), 1e-3)
    times = (np.arange(len(low)) + 0.5) * _end(duration) / len(low)
    thin = 0.004 * peak  # silence stays a line
    axes.fill_between(times, low - thin, high + thin, color=theme.waveform, linewidth=0)
    axes.set_ylim(-1.05 * peak, 1.05 * peak)
    axes.set_xlim(0, _end(duration))
    axes.text(
        -0.022, 0.5, "waveform", transform=axes.transAxes, ha="right", va="center", fontsize=8.5, color=theme.muted
    )


def _draw_title(figure: "Figure", result: TrackTags, theme: Theme, families: Sequence[str]) -> None:
    height = figure.get_figheight()
    name = printable(shorten(Path(result.path).name or result.path, 70), families)
    figure.text(0.013, 1 - 0.3 / height, name, fontsize=14, weight="bold", color=theme.text, va="center",
                family=families, parse_math=False)  # fmt: skip
    models = result.model if result.models in ((), (result.model,)) else f"{result.model} ({' + '.join(result.models)})"
    figure.text(0.013, 1 - 0.57 / height, f"{clock(result.duration)}  ·  {models}", fontsize=9.5, color=theme.muted,
                va="center", parse_math=False)  # fmt: skip


def _draw_key(axes: "Axes", theme: Theme) -> None:
    cmap, norm = _colour_map(theme)
    edges = np.linspace(0, 1, 129)  # in parts of the colour map
    scores = ((edges[1:] + edges[:-1]) / 2) ** (1 / GAMMA)
    axes.pcolormesh(edges, [0, 1], scores[None], cmap=cmap, norm=norm, rasterized=True)
    axes.set_xticks([score**GAMMA for score in (0, 0.1, 0.25, 0.5, 1)], ["0", "0.1", "0.25", "0.5", "1"])
    axes.tick_params(labelsize=8, pad=2)
    axes.plot([-0.72], [0.5], clip_on=False, **_peak_mark(theme))
    axes.set_xlim(0, 1)
    for x, text in ((-0.68, "peak"), (-0.31, "score")):
        axes.text(x, 0.45, text, va="center", fontsize=8.5, color=theme.muted)


def _peak_mark(theme: Theme) -> dict[str, Any]:
    return {
        "marker": "o",
        "markersize": 3,
        "markerfacecolor": theme.background,
        "markeredgecolor": theme.text,
        "markeredgewidth": 0.7,
    }


def _colour_map(theme: Theme) -> tuple[Any, Any]:
    from matplotlib.colors import ListedColormap, PowerNorm

    return ListedColormap(even_ramp(theme.ramp)), PowerNorm(GAMMA, 0, 1, clip=True)


def _category_colour(tag: Tag, theme: Theme) -> str:
    return theme.categories[CATEGORIES.index(tag.category)]


def _time_axis(axes: "Axes", duration: float) -> None:
    end = _end(duration)
    step = next((step for step in TICKS if end / step <= 10), TICKS[-1] * math.ceil(end / TICKS[-1] / 10))
    ticks = np.arange(0, end + 1e-9, step)
    axes.set_xlim(0, end)
    axes.set_xticks(ticks, [clock(tick, like=end) for tick in ticks])


def _end(duration: float) -> float:
    return max(duration, 1e-3)


def _need_taggram(result: TrackTags) -> None:
    if not len(result.taggram) or not result.tags:
        hint = "tag it again, or write its JSON with the taggram: to_json(taggram=True)"
        raise InputError(f"the tags of {result.path} come without a taggram", hint=hint)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`, and rename it to `target` when all went well."""
    temporary = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        hint = None if target.parent.is_dir() else f"create the folder {target.parent} first"
        raise InputError(f"{target} cannot be written: {error.strerror or error}", hint=hint) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_npz(path: Path, result: TrackTags) -> None:
    np.savez_compressed(
        path,
        taggram=result.taggram,
        times=result.times,
        tags=np.array(result.vocabulary),
        categories=np.array([tag.category for tag in result.tags]),
        scores=result.scores,
        embedding=result.embedding,
        model=np.array(result.model),
        models=np.array(result.models),
        path=np.array(result.path),
        duration=np.array(result.duration),
    )


def _write_csv(path: Path, result: TrackTags) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["start", "end", *result.vocabulary])
        for (start, end), scores in zip(result.times.tolist(), result.taggram.tolist(), strict=True):
            writer.writerow([f"{start:.3f}", f"{end:.3f}", *(f"{score:.6f}" for score in scores)])
