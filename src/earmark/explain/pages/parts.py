"""Parts of a page: panels with axes, curves, players; and the page around them, with its style and its script."""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import hz_to_mel
from earmark.files import replacing
from earmark.plots.templates import page_part, self_contained
from earmark.plots.text import clock

Floats = NDArray[np.float64]

TIMES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
HERTZ = (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
MOST_TICKS = 8
LINE = 13  # height of a text beside a panel, pixels


@dataclass(frozen=True)
class Axis:
    """Where things lie along one side of a panel.

    Parameters
    ----------
    ticks : position from 0 (left, or bottom) to 1, and what is written there
    label : what the axis shows, with its unit
    """

    ticks: tuple[tuple[float, str], ...]
    label: str = ""


def time_axis(start: float, end: float) -> Axis:
    """Return an axis of time, both ends in seconds."""
    length = max(end - start, 1e-9)
    step = next((step for step in TIMES if length / step <= MOST_TICKS), TIMES[-1])
    marks = np.arange(np.ceil(start / step), np.floor(end / step) + 1) * step
    texts = [clock(mark, like=end) if step >= 1 else _fine(float(mark), end) for mark in marks]
    return Axis(tuple((float((mark - start) / length), text) for mark, text in zip(marks, texts, strict=True)))


def _fine(seconds: float, end: float) -> str:
    """Write a time to a tenth of a second."""
    if end < 60:
        return f"{seconds:.1f} s"
    tenths = round(seconds * 10)
    return f"{clock(tenths // 10, like=end)}.{tenths % 10}"


def mel_axis(low: float, high: float) -> Axis:
    """Return an axis of frequency with equal steps on the mel scale, both ends in Hz."""
    bottom, top = (float(hz_to_mel(np.array(hertz))) for hertz in (low, high))
    ticks = [
        (float(hz_to_mel(np.array(float(hertz)))), hertz) for hertz in HERTZ if hertz >= 200 and low <= hertz <= high
    ]
    return Axis(tuple(((mel - bottom) / (top - bottom), hertz_text(hertz)) for mel, hertz in ticks), "Hz")


def hertz_text(hertz: float) -> str:
    """Write a frequency.

    Examples
    --------
    >>> hertz_text(500), hertz_text(999.7), hertz_text(2345.6)
    ('500 Hz', '1 kHz', '2.35 kHz')
    """
    return f"{hertz / 1000:.3g} kHz" if hertz >= 999.5 else f"{hertz:.3g} Hz"


def panel(
    content: str,
    *,
    label: str,
    x: Axis | None = None,
    y: Axis | None = None,
    height: int = 160,
    is_timed: bool = False,
    span: tuple[float, float] | None = None,
) -> str:
    """Put axes around a picture.

    Parameters
    ----------
    content : HTML that fills the panel, of `image` or `curves`
    label : what it shows, for those who cannot see it
    x, y : its axes
    height : pixels
    is_timed : whether the axis below is the time of the page's song: then a line on it shows what is playing, and a
        click goes there
    span : the same for a panel that shows a part of the song: from when to when, seconds
    """
    rows = "".join(
        f'<span style="bottom:{100 * at:.2f}%">{html.escape(text)}</span>'
        for at, text in _apart(y.ticks if y else (), LINE / height)
    )
    marks = "".join(
        f'<span style="left:{100 * at:.2f}%{_turned(at)}">{html.escape(text)}</span>'
        for at, text in (x.ticks if x else ())
    )
    below = f'<div class="x" aria-hidden="true">{marks}</div>' if x else ""
    timed = " timed" if is_timed or span else ""
    ends = f' data-start="{span[0]:.3f}" data-end="{span[1]:.3f}"' if span else ""
    return (
        f'<div class="panel{timed}" role="img" aria-label="{html.escape(label)}"{ends}>'
        f'<div class="y" style="height:{height}px" aria-hidden="true">{rows}</div>'
        f'<div class="box" style="height:{height}px">{content}</div>{below}</div>'
    )


def _turned(at: float) -> str:
    """Keep a text at the right end of an axis within it."""
    return ";transform:translateX(-100%)" if 0.97 < at < 1 else ""


def _apart(ticks: Sequence[tuple[float, str]], least: float) -> list[tuple[float, str]]:
    """Leave out what would be written over what stands above it."""
    kept: list[tuple[float, str]] = []
    for at, text in sorted(ticks, reverse=True):
        if not kept or kept[-1][0] - at >= least:
            kept.append((at, text))
    return kept[::-1]


def image(address: str, *, is_smooth: bool = True) -> str:
    """Return a picture that fills its panel; `is_smooth` blurs between its pixels, else they have edges."""
    kind = "" if is_smooth else ' class="sharp"'
    return f'<img{kind} src="{address}" alt="">'


def curves(lines: Sequence[tuple[Floats, Floats, str]]) -> str:
    """Draw curves that fill a panel.

    Parameters
    ----------
    lines : x and y from 0 to 1, shapes (n,), and the class of the line: "first", "second", "muted" or "area"
    """
    drawn = []
    for x, y, kind in lines:
        points = " ".join(f"{1000 * a:.1f},{1000 * (1 - b):.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
        drawn.append(f'<polyline class="{kind}" points="{points}"/>')
    return f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{"".join(drawn)}</svg>'


def mark(start: float, end: float) -> str:
    """Mark a stretch of a panel from top to bottom, both ends from 0 (left) to 1."""
    return f'<i class="mark" style="left:{100 * start:.2f}%;width:{100 * (end - start):.2f}%"></i>'


def outline(envelope: NDArray[np.floating]) -> str:
    """Draw a waveform that fills a panel, from its lowest and highest samples, shape (2, n)."""
    n = envelope.shape[1]
    x = np.concatenate([np.arange(n), np.arange(n)[::-1]]) / max(n - 1, 1)
    y = np.concatenate([envelope[1], envelope[0][::-1]])
    top = max(float(np.abs(envelope).max(initial=0.0)), 1e-9)
    points = " ".join(f"{1000 * a:.1f},{500 - 490 * b / top:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true"><polygon points="{points}"/></svg>'
    )


def player(address: str, *, label: str, start: float | None = None) -> str:
    """Return a player.

    Parameters
    ----------
    address : of the sound
    label : what it plays
    start : where in the page's song it begins, seconds; None for what is on no time of the song
    """
    at = "" if start is None else f' data-start="{start:.3f}"'
    return f'<audio controls preload="metadata" src="{address}" aria-label="{html.escape(label)}"{at}></audio>'


def figure(content: str, caption: str = "") -> str:
    """Put a caption, which is HTML, under something."""
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"<figure>{content}{below}</figure>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, n_texts: int = 1) -> str:
    """Return a table; its cells are HTML, and all but the first `n_texts` of a row are numbers, set to the right."""

    def cells(row: Sequence[str], name: str) -> str:
        kinds = ["" if i < n_texts else ' class="number"' for i in range(len(row))]
        return "".join(f"<{name}{kind}>{cell}</{name}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{cells(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'


def page(title: str, sections: Sequence[str], *, start: float = 0.0, end: float = 0.0) -> str:
    """Make a page of sections.

    Parameters
    ----------
    title : plain text
    sections : HTML
    start, end : of the axes of time, seconds

    Returns
    -------
    HTML with its style, script, pictures and sounds inside: its content security policy lets it fetch nothing
    """
    return self_contained(
        title,
        "\n".join(section for section in sections if section),
        style=page_part("explain/page.css"),
        script=page_part("explain/page.js"),
        allowed="img-src data:; media-src data:",
        data={"start": f"{start:.3f}", "end": f"{end:.3f}"},
    )


def write_page(path: str | os.PathLike[str], text: str) -> None:
    """Write a page whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with replacing(Path(path)) as file:
        file.write(text.encode("utf-8", "replace"))
