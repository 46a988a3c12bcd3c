"""A picture of a track: its spectrogram, and below it the tags that were heard and that are true."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.plots.colours import LIGHT, even_ramp
from earmark.plots.text import shorten

# Pixels. TensorBoard shows pictures some 400 wide: a wide one could not be read there.
WIDTH = 480
BOX = (62, 34, 470, 194)  # of the spectrogram: left, top, right, bottom
KEY, ROWS, STEP = 226, 254, 20  # where the key stands, where the first tag does, from one tag to the next
BARS, SCORES = (262, 424), 470  # from where to where bars go; the right end of scores
SIZE = 15  # of the letters
N_COLOURS = 160
N_TAGS = 9
# Files of fonts, tried in turn for letters that Pillow's own font lacks; whichever of them the machine has.
FONTS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "malgun.ttf",
    "YuGothR.ttc",
    "wqy-zenhei.ttc",
    "arial.ttf",
)

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Heard:
    """A tag of a track.

    Parameters
    ----------
    tag : its name
    score : of the track
    is_true : whether the track has it
    """

    tag: str
    score: float
    is_true: bool


@dataclass(frozen=True)
class Example:
    """A track to look at.

    Parameters
    ----------
    id : of the track
    picture : shape (F, T): what the network sees, low frequencies first
    hertz : rows to frequencies that may stand beside them
    seconds : where in the track it begins and ends
    heard : the tags with the highest scores, and the true ones, highest first
    """

    id: str
    picture: Floats
    hertz: tuple[tuple[float, int], ...]
    seconds: tuple[float, float]
    heard: tuple[Heard, ...]


def draw(example: Example) -> Pixels:
    """Draw a track: the spectrogram, and below it the tags, those that are true in another colour.

    Parameters
    ----------
    example : the track

    Returns
    -------
    shape (height, `WIDTH`, 3); the height depends on the number of tags
    """
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (WIDTH, ROWS + len(example.heard) * STEP + 8), LIGHT.background)
    pen = ImageDraw.Draw(page)
    left, top, right, bottom = BOX
    page.paste(Image.fromarray(_coloured(example.picture, (right - left, bottom - top))), (left, top))
    pen.rectangle((left - 1, top - 1, right, bottom), outline=LIGHT.line)
    _write(pen, (left, 10), example.id, right - left)
    begin, end = example.seconds
    for share, anchor in ((0.0, "lt"), (0.5, "mt"), (1.0, "rt")):
        text = f"{begin + share * (end - begin):.1f} s"
        _write(pen, (left + share * (right - left), bottom + 8), text, colour=LIGHT.muted, anchor=anchor)
    for row, hertz in example.hertz:
        y = bottom - (row + 0.5) / len(example.picture) * (bottom - top)
        pen.line((left - 5, y, left - 1, y), fill=LIGHT.muted)
        text = f"{hertz // 1000} kHz" if hertz >= 1000 else f"{hertz} Hz"
        _write(pen, (left - 8, y), text, colour=LIGHT.muted, anchor="rm")
    _draw_tags(pen, example.heard)
    return np.asarray(page)


def as_png(pixels: Pixels) -> bytes:
    """Encode a picture with few colours.

    Parameters
    ----------
    pixels : shape (height, width, 3)
    """
    from PIL import Image

    memory = io.BytesIO()
    Image.fromarray(pixels).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(memory, "PNG")
    return memory.getvalue()


def plain(text: str) -> str:
    """Return a text that can be written anywhere: no line ends, nothing that is no character."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in whole)


def _draw_tags(pen: Any, heard: Sequence[Heard]) -> None:
    true, other = LIGHT.categories[2], LIGHT.waveform
    for x, text, colour in ((BOX[0], "true", true), (BOX[0] + 64, "not true", other)):
        pen.rectangle((x, KEY + 1, x + 11, KEY + 12), fill=colour)
        _write(pen, (x + 18, KEY), text, colour=LIGHT.muted)
    _write(pen, (SCORES, KEY), "score", colour=LIGHT.muted, anchor="rt")
    begin, end = BARS
    for i, one in enumerate(heard):
        y = ROWS + (i + 0.5) * STEP
        length = round(min(one.score, 1.0) * (end - begin))
        name = true if one.is_true else LIGHT.text
        _write(pen, (begin - 10, y), one.tag, begin - 20, colour=name, anchor="rm")
        pen.rectangle((begin, y - 6, end, y + 6), fill=LIGHT.ramp[0])
        pen.rectangle((begin, y - 6, begin + length, y + 6), fill=true if one.is_true else other)
        _write(pen, (SCORES, y), f"{one.score:.2f}", anchor="rm")


def _write(
    pen: Any,
    place: tuple[float, float],
    text: str,
    room: float = WIDTH,
    *,
    colour: str = LIGHT.text,
    anchor: str = "lt",
) -> None:
    """Write a text, cut in its middle if it has no room."""
    whole = shown = plain(text)
    font, length = _font_for(whole), len(whole)
    while length > 10 and pen.textlength(shown, font) > room:
        length -= 1
        shown = shorten(whole, length)
    pen.text(place, shown, fill=colour, font=font, anchor=anchor)


@cache
def _fonts() -> tuple[Any, ...]:
    """Load the fonts that there are; matplotlib, where it is installed, brings one."""
    from PIL import ImageFont

    spec = find_spec("matplotlib")
    brought = (
        () if spec is None or spec.origin is None else (Path(spec.origin).parent / "mpl-data/fonts/ttf" / FONTS[0],)
    )
    found = [ImageFont.load_default(SIZE)]
    for name in (*map(str, brought), *FONTS):
        try:
            found.append(ImageFont.truetype(name, SIZE))
        except OSError:
            continue
    return tuple(found)


def _font_for(text: str) -> Any:
    """Choose the first font that has all letters of a text, or else the one that has most of them."""
    own, *others = _fonts()
    if text.isascii():
        return own
    letters = set(text)
    return max((own, *others), key=lambda font: sum(_has(font, letter) for letter in letters))


def _has(font: Any, letter: str) -> bool:
    """Say whether a font has a letter: one that it lacks looks as one that no font has."""
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


def _coloured(picture: Floats, size: tuple[int, int]) -> Pixels:
    """(F, T) -> (height, width, 3), low frequencies last."""
    from PIL import Image

    low, high = np.nanpercentile(picture, (1, 99.5))
    levels = np.clip(np.nan_to_num((picture[::-1] - low) / max(high - low, 1e-9)), 0, 1)
    resized = Image.fromarray(levels.astype(np.float32)).resize(size, Image.Resampling.BOX)
    ramp = (even_ramp(LIGHT.ramp, N_COLOURS) * 255).round().astype(np.uint8)
    coloured: Pixels = ramp[(np.asarray(resized) * (N_COLOURS - 1)).round().astype(int)]
    return coloured
