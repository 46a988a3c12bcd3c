"""Pictures of what networks' filters hear: centres against mel, responses as heat maps, bandwidths layer by layer.

They need matplotlib (the extra [plots]).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import hz_to_mel, mel_to_hz
from earmark.errors import MissingExtraError, UsageError
from earmark.explain.filter_report import FilterReport
from earmark.files import replacing
from earmark.plots.colours import DARK, LIGHT, Theme, even_ramp
from earmark.plots.text import fonts, printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
FigureKind = Literal["centres", "responses", "stages"]

SUFFIXES = (".png", ".svg", ".pdf")
HERTZ = (100, 200, 500, 1000, 2000, 4000, 8000, 16000)
FLOOR_DB = -40.0
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (8, 2)), (0, (6, 2, 1, 2)))
MOST_COLUMNS = 4


def write_picture(
    path: str | os.PathLike[str], reports: Sequence[FilterReport], *, figure: FigureKind = "centres", dark: bool = False
) -> None:
    """Draw networks into a file.

    Parameters
    ----------
    path : ending in .png, .svg or .pdf; written whole or not at all
    reports : of one network or several
    figure : "centres", "responses" or "stages", see `plot_centres` and its neighbours
    dark : light on dark

    Raises
    ------
    UsageError
        If the suffix or the figure is another one, or the figure cannot be drawn of these networks.
    InputError
        If the file cannot be written.
    MissingExtraError
        If matplotlib is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"a picture cannot be written as {suffix!r}", hint=f"one of {' '.join(SUFFIXES)}")
    drawers = {"centres": plot_centres, "responses": plot_responses, "stages": plot_stages}
    if figure not in drawers:
        raise UsageError(f"figure={figure!r}", hint=f"one of {', '.join(drawers)}")
    drawn = drawers[figure](reports, dark=dark)
    with replacing(path) as file:
        drawn.savefig(file, format=suffix[1:], dpi=150, facecolor=drawn.get_facecolor())


def plot_centres(reports: Sequence[FilterReport], *, dark: bool = False) -> "Figure":
    """Draw the centre frequencies of first filters over their rank, beside those of a mel bank and of equal steps.

    Parameters
    ----------
    reports : of networks on the waveform
    dark : light on dark

    Returns
    -------
    a figure of its own, outside pyplot; frequencies on a mel scale, on which a mel bank is a straight line

    Raises
    ------
    UsageError
        If a network does not hear the waveform, or has no filter that varies.
    """
    _check(reports)
    for report in reports:
        if report.first is None:
            raise UsageError(
                f"{report.model}: its first filters do not hear the waveform, so that they have no centre frequency",
                hint="--figure responses or --figure stages draws any network",
            )
        if not len(report.centres):
            raise UsageError(f"{report.model}: none of its first filters varies", hint="train it first")
    canvas = _Canvas(
        "Centre frequencies of the first filters",
        "filters in the order of their centre; dashed: a mel bank, dotted: equal steps in Hz",
        (8.6, 4.6),
        dark,
    )
    theme, axes = canvas.theme, canvas.axes(0.085, 0.62)
    top = max(report.sample_rate for report in reports) / 2
    for rate in sorted({report.sample_rate for report in reports}):
        ranks = np.linspace(0.0, 1.0, 200)
        mel = mel_to_hz(ranks * float(hz_to_mel(np.array(rate / 2))))
        for hertz, style in ((mel, (0, (4, 3))), (ranks * rate / 2, (0, (1, 2)))):
            axes.plot(ranks, hz_to_mel(np.asarray(hertz)), linestyle=style, color=theme.muted, linewidth=1.1, zorder=1)
    for i, report in enumerate(reports):
        n = len(report.centres)
        rank = np.arange(1, n + 1) / (n + 1)
        label = canvas.text(report.model, 26)
        if report.mel is not None:
            label += f"\n  {n} filters, slope {report.mel.slope:.2f}, R² {report.mel.r2:.3f}"
        axes.plot(rank, hz_to_mel(report.centres), label=label, linewidth=1.9, **_line(i, theme))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, float(hz_to_mel(np.array(top))))
    axes.set_xticks(np.linspace(0, 1, 6), ["0", "20 %", "40 %", "60 %", "80 %", "100 %"])
    _hertz(axes, 0.0, top, along="y")
    canvas.scales(axes, "rank of the filter", "centre frequency", along="both")
    canvas.legend(axes)
    return canvas.figure


def plot_responses(reports: Sequence[FilterReport], *, dark: bool = False) -> "Figure":
    """Draw what filters let through as heat maps: a row for each, the lowest centre at the bottom.

    Parameters
    ----------
    reports : of one network, whose first filters and layers are drawn; or of several, of each the first filters, or the
        first layer that was measured where they are not on the waveform
    dark : light on dark

    Raises
    ------
    UsageError
        If there is none.
    """
    _check(reports)
    maps = [one for report in reports for one in _maps(report, is_alone=len(reports) == 1)]
    n_columns = min(len(maps), MOST_COLUMNS)
    n_rows = -(-len(maps) // n_columns)
    width, cell = max(2.75 * n_columns + 0.5, 6.4), 2.6
    name = reports[0].model if len(reports) == 1 else f"{len(reports)} networks"
    canvas = _Canvas(
        f"What the filters of {name} let through",
        f"each row is one channel, its highest answer at 0 dB; {FLOOR_DB:.0f} dB and below is plain",
        (width, (cell + 0.62) * n_rows - 0.62),
        dark,
        below=0.42,
    )
    for k, (title, edges, values) in enumerate(maps):
        row, column = divmod(k, n_columns)
        left = (0.45 + column * (width - 0.5) / n_columns) / width
        right = left + ((width - 0.5) / n_columns - 0.4) / width
        bottom = (canvas.below + (n_rows - 1 - row) * (cell + 0.62)) / canvas.height
        axes = canvas.figure.add_axes((left, bottom, right - left, cell / canvas.height))
        _heat(axes, edges, values, canvas.theme)
        axes.set_title(canvas.text(title, 34), fontsize=9, color=canvas.theme.text, loc="left", family=canvas.families,
                       parse_math=False)  # fmt: skip
        canvas.scales(axes, "", "", along="none")
        axes.set_yticks([])
        axes.set_ylabel(f"{len(values)} channels", color=canvas.theme.muted, fontsize=8, labelpad=3)
    return canvas.figure


def plot_stages(reports: Sequence[FilterReport], *, dark: bool = False) -> "Figure":
    """Draw the bandwidth and the time resolution of the median channel, layer by layer.

    Parameters
    ----------
    reports : of one network or several
    dark : light on dark

    Raises
    ------
    UsageError
        If there is none, or no layer was measured.
    """
    _check(reports)
    for report in reports:
        if not report.stages:
            raise UsageError(f"{report.model}: none of its layers was measured", hint="name some with layers=")
    canvas = _Canvas(
        "Layer by layer: what the median channel resolves",
        "bandwidth at half the power of its answer to gliding sines; length of its answer to a click",
        (8.6 if len(reports) == 1 else 10.4, 3.6),
        dark,
        below=0.95 if len(reports) == 1 else 0.6,
    )
    from matplotlib.ticker import LogLocator

    theme = canvas.theme
    n = max(len(report.stages) for report in reports)
    ends = (0.09, 0.49, 0.585, 0.985) if len(reports) == 1 else (0.075, 0.395, 0.475, 0.795)
    panels = (("bandwidth", *ends[:2]), ("time resolution", *ends[2:]))
    for k, (title, left, right) in enumerate(panels):
        axes = canvas.axes(left, right)
        for i, report in enumerate(reports):
            own = [(stage.half_power if k == 0 else 1000 * stage.time_resolution) for stage in report.stages]
            marks: dict[str, Any] = {"marker": "o", "markersize": 4}
            axes.plot(np.arange(1, len(own) + 1), own, label=canvas.text(report.model, 26), linewidth=1.8,
                      **marks, **_line(i, theme))  # fmt: skip
        axes.set_yscale("log")
        axes.set_xlim(0.7, n + 0.3)
        if len(reports) == 1:
            names = [canvas.text(stage.layer, 14) for stage in reports[0].stages]
            axes.set_xticks(np.arange(1, n + 1), names, rotation=35, ha="right", family=canvas.families)
        else:
            axes.set_xticks(np.arange(1, n + 1))
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(_hertz_tick if k == 0 else _ms_tick)
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        canvas.scales(axes, "" if len(reports) == 1 else "layer", title, along="y")
        if k == 1 and len(reports) > 1:
            canvas.legend(axes)
    return canvas.figure


def relative_db(values: Floats) -> Floats:
    """Return answers in dB re the highest of each row, not below `FLOOR_DB`.

    Parameters
    ----------
    values : amplitudes, shape (C, K); what is below zero counts as zero
    """
    amplitudes = np.maximum(np.asarray(values, np.float64), 0.0)
    highest = amplitudes.max(axis=1, keepdims=True, initial=0.0)
    relative = np.divide(amplitudes, highest, out=np.zeros_like(amplitudes), where=highest > 0)
    return np.asarray(20 * np.log10(np.maximum(relative, 10 ** (FLOOR_DB / 20))))


def onto_mel(frequencies: Floats, values: Floats, n: int = 256) -> tuple[Floats, Floats]:
    """Bring responses to frequencies that are equally far apart on the mel scale.

    Parameters
    ----------
    frequencies : shape (M,), Hz, ascending
    values : amplitudes, shape (C, M)
    n : cells, each with the highest amplitude within it, or taken linearly between two frequencies

    Returns
    -------
    the edges (n + 1,), Hz, and the amplitudes (C, n)
    """
    ends = hz_to_mel(frequencies[[0, -1]])
    edges = np.asarray(mel_to_hz(np.linspace(ends[0], ends[1], n + 1)))
    middles = (edges[:-1] + edges[1:]) / 2
    found = np.stack([np.interp(middles, frequencies, row) for row in values])
    first, last = np.searchsorted(frequencies, edges[:-1]), np.searchsorted(frequencies, edges[1:])
    for i in np.flatnonzero(last > first):
        found[:, i] = np.maximum(found[:, i], values[:, first[i] : last[i]].max(axis=1))
    return edges, found


def _check(reports: Sequence[FilterReport]) -> None:
    if not reports:
        raise UsageError("no networks to draw", hint="name one at least")


def _maps(report: FilterReport, *, is_alone: bool) -> list[tuple[str, Floats, Floats]]:
    """Return titles, edges in Hz (K + 1,), and levels in dB (C, K), of the heat maps of a network."""
    found = []
    if report.first is not None:
        edges, amplitudes = onto_mel(report.first.frequencies, report.first.magnitudes[report.alive])
        found.append(("first filters" if is_alone else report.model, edges, relative_db(amplitudes)))
    for response in report.responses:
        order = np.argsort(response.bands.peak, kind="stable")[: int(response.answers.sum())]
        title = response.layer if is_alone else f"{report.model}, {response.layer}"
        found.append((title, response.edges, relative_db(response.sweep[order])))
    if not found:
        raise UsageError(f"{report.model}: nothing of it was measured", hint="name some layers")
    return found if is_alone else found[:1]


def _heat(axes: "Axes", edges: Floats, values: Floats, theme: Theme) -> None:
    from matplotlib.colors import ListedColormap

    rows = np.arange(len(values) + 1)
    axes.pcolormesh(hz_to_mel(edges), rows, values, cmap=ListedColormap(even_ramp(theme.ramp)), vmin=FLOOR_DB, vmax=0.0,
                    rasterized=True)  # fmt: skip
    axes.set_ylim(0, max(len(values), 1))
    axes.set_facecolor(theme.ramp[0])
    _hertz(axes, float(edges[0]), float(edges[-1]), along="x", lowest=500)


def _hertz(axes: "Axes", low: float, high: float, *, along: Literal["x", "y"], lowest: float = 200) -> None:
    """Put frequencies on an axis that is in mel."""
    ticks = [hertz for hertz in HERTZ if max(low, lowest) <= hertz <= high]
    places = hz_to_mel(np.array(ticks, np.float64))
    texts = [f"{hertz / 1000:g}k" if hertz >= 1000 else f"{hertz:g}" for hertz in ticks]
    if along == "x":
        axes.set_xticks(places, texts)
        axes.set_xlim(*hz_to_mel(np.array([low, high])))
    else:
        axes.set_yticks(places, [f"{text[:-1]} kHz" if text.endswith("k") else f"{text} Hz" for text in texts])


def _hertz_tick(value: float, _: object) -> str:
    return f"{value / 1000:g} kHz" if value >= 1000 else f"{value:g} Hz"


def _ms_tick(value: float, _: object) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def _line(i: int, theme: Theme) -> dict[str, Any]:
    """Return colour and dashes of the i-th network: colours first, then the same ones dashed."""
    colours = theme.categories[:-1]
    return {"color": colours[i % len(colours)], "linestyle": DASHES[i // len(colours) % len(DASHES)]}


class _Canvas:
    """A figure with a title, measured in inches.

    Parameters
    ----------
    title, text : above: what it is, and how to read it
    size : width, and height of what stands between title and foot
    dark : light on dark
    below : height of the foot
    """

    def __init__(self, title: str, text: str, size: tuple[float, float], dark: bool, *, below: float = 0.6) -> None:
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingExtraError("drawing what filters hear", "plots") from error
        self.theme, self.below, self.width = DARK if dark else LIGHT, below, size[0]
        self.inner, self.height = size[1], size[1] + below + 0.95
        self.families = fonts()
        self.figure = Figure(figsize=(self.width, self.height), facecolor=self.theme.background)
        FigureCanvasAgg(self.figure)
        left, top = 0.14 / self.width, self.height
        self.figure.text(left, 1 - 0.27 / top, self.text(title, int(self.width * 8)), fontsize=12.5, weight="bold",
                         color=self.theme.text, va="center", family=self.families, parse_math=False)  # fmt: skip
        self.figure.text(left, 1 - 0.53 / top, text, fontsize=9, color=self.theme.muted, va="center", parse_math=False)

    def axes(self, left: float, right: float) -> "Axes":
        """Add axes between title and foot: left and right in parts of the width."""
        return self.figure.add_axes(
            (left, self.below / self.height, right - left, self.inner / self.height), facecolor="none"
        )

    def scales(self, axes: "Axes", x: str, y: str, *, along: Literal["x", "y", "both", "none"]) -> None:
        """Name the axes, take the frame away, and put thin lines along one of them."""
        axes.spines[:].set_visible(False)
        axes.set_xlabel(x, color=self.theme.muted, fontsize=8.5)
        axes.set_ylabel(y, color=self.theme.muted, fontsize=8.5)
        axes.tick_params(length=0, which="both", labelsize=8.5, colors=self.theme.muted)
        axes.set_axisbelow(True)
        if along != "none":
            axes.grid(visible=True, axis=along, color=self.theme.line, linewidth=0.6)

    def legend(self, axes: "Axes") -> None:
        """Name the lines, to the right of the axes."""
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1.02), frameon=False, fontsize=8.5,
                             handlelength=2.2, labelspacing=0.8, borderaxespad=0)  # fmt: skip
        for text in legend.get_texts():
            text.set_color(self.theme.text)
            text.set_parse_math(False)
            text.set_fontfamily(self.families)

    def text(self, text: str, length: int) -> str:
        """Shorten a text, with boxes for what cannot be drawn."""
        return printable(shorten(text, length), self.families)
