"""Contact sheets: many small spectrograms that share a tag, side by side."""

import csv
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import MissingExtraError
from earmark.features.layout import Entry
from earmark.features.pictures import Range, Style, check_drawable, measured_range, picture, resized
from earmark.features.png import Pixels, palette
from earmark.features.store import FeatureStore
from earmark.files import disk_errors, replacing
from earmark.plots.colours import DARK
from earmark.plots.text import shorten
from earmark.tables import storable

MAX_TAGS = 200
COLUMNS, ROWS = 8, 6
_WIDTH, _HEIGHT, _GAP, _CAPTION, _TITLE, _MARGIN = 180, 96, 12, 18, 58, 24  # pixels
_SECONDS = 10.0  # of a track at most
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{i}" for name in ("com", "lpt") for i in range(1, 10))}
# Tried in turn for text that the built-in font lacks; whichever of them the machine has.
_FONTS = ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf", "msyh.ttc", "YuGothM.ttc", "malgun.ttf")


def draw_sheets(
    store: FeatureStore,
    folder: str | os.PathLike[str],
    *,
    ids: Sequence[str] | None = None,
    value_range: Range | None = None,
) -> list[Path]:
    """Draw a contact sheet per tag: up to 48 of its tracks, from each up to 10 s of its middle.

    Parameters
    ----------
    store : where the features and the tags are
    folder : where to; made if it is not there. ``sheets.csv`` in it says which tag each picture shows
    ids : of the tracks; all unless given
    value_range : lowest and highest value shown; see `earmark.features.pictures.draw_pictures`

    Returns
    -------
    paths of the pictures; none if no track has a tag. Of more than 200 tags those with the most tracks are drawn

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    InputError
        If they cannot be written.
    UsageError
        If the store holds waveforms.
    """
    check_drawable(store.info, value_range=value_range)
    entries = [store.entry(id) for id in (store.ids if ids is None else ids)]
    counts = Counter(tag for entry in entries for tag in dict.fromkeys(entry.tags))
    tags = sorted(tag for tag, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_TAGS])
    if not tags:
        return []
    style = Style(value_range or store.info.value_range or measured_range(store, entries))
    target = Path(folder)
    with disk_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    names = file_names(tags)
    for tag, name in names.items():
        sheet = draw_sheet(store, tag, [entry for entry in entries if tag in entry.tags], style)
        with replacing(target / name) as file:
            sheet.save(file, "PNG", compress_level=3)
    with replacing(target / "sheets.csv") as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["picture", "tag", "tracks"])
        writer.writerows([name, storable(tag), counts[tag]] for tag, name in names.items())
        text.flush()
        text.detach()
    return [target / name for name in names.values()]


def draw_sheet(store: FeatureStore, tag: str, entries: Sequence[Entry], style: Style) -> Any:
    """Draw the sheet of one tag.

    Parameters
    ----------
    store : where the features are
    tag : its name
    entries : its tracks
    style : the range of values

    Returns
    -------
    a Pillow image
    """
    image, draw_on, _ = _pillow()
    shown = spread(entries, COLUMNS * ROWS)
    n_columns = min(COLUMNS, len(shown))
    n_rows = -(-len(shown) // n_columns)
    seconds = min(_SECONDS, max(entry.n_frames for entry in shown) / store.info.frames_per_second)
    n_frames = max(round(seconds * store.info.frames_per_second), 1)
    width = max(2 * _MARGIN + n_columns * (_WIDTH + _GAP) - _GAP, 420)
    height = _TITLE + n_rows * (_HEIGHT + _CAPTION + _GAP) + _MARGIN - _GAP
    sheet = image.new("RGB", (width, height), DARK.background)
    pen = draw_on.Draw(sheet)
    number = f"{len(entries)} tracks" if len(entries) > 1 else "1 track"
    number = f"{len(shown)} of {number}" if len(shown) < len(entries) else number
    part = f"{number}, {'up to ' if len(shown) > 1 else ''}{round(seconds, 1):g} s"
    title = shorten(tag, 40)
    pen.text((_MARGIN, 16), printable(title), fill=DARK.text, font=_font(title, 22))
    pen.text((width - _MARGIN, 24), part, fill=DARK.muted, font=_font(part, 13), anchor="ra")
    for i, entry in enumerate(shown):
        x = _MARGIN + i % n_columns * (_WIDTH + _GAP)
        y = _TITLE + i // n_columns * (_HEIGHT + _CAPTION + _GAP)
        sheet.paste(image.fromarray(palette()[thumbnail(store, entry, n_frames, style)]), (x, y))
        caption = shorten(entry.id, 28)
        pen.text((x, y + _HEIGHT + 2), printable(caption), fill=DARK.muted, font=_font(caption, 12))
    return sheet


def thumbnail(store: FeatureStore, entry: Entry, n_frames: int, style: Style) -> Pixels:
    """Draw the middle `n_frames` of a track in small, shape (96, up to 180); a shorter track is narrower."""
    n_shown = min(n_frames, entry.n_frames)
    frames = store.crop(entry.id, (entry.n_frames - n_shown) // 2, n_shown)
    return resized(picture(frames, style), (max(round(_WIDTH * n_shown / n_frames), 1), _HEIGHT))


def spread(entries: Sequence[Entry], n: int) -> list[Entry]:
    """Choose up to `n` at equal distances."""
    places = np.linspace(0, len(entries) - 1, min(n, len(entries))).round().astype(int)
    return [entries[i] for i in places]


def file_names(tags: Sequence[str]) -> dict[str, str]:
    """Choose a file name for each tag: letters, digits, dot, minus and underscore of any script, none twice.

    Examples
    --------
    >>> list(file_names(["genre---rock", "drum & bass", "Drum/bass", "日本"]).values())
    ['genre---rock.png', 'drum_bass.png', 'Drum_bass-2.png', '日本.png']
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for tag in tags:
        text = unicodedata.normalize("NFC", storable(tag))
        safe = "".join(c if c.isalnum() or c in "-_." else " " for c in text)
        stem = "_".join(safe.split()).strip(".") or "tag"
        stem = stem.encode("utf-8")[:80].decode("utf-8", "ignore")
        stem = f"_{stem}" if stem.casefold().partition(".")[0] in _RESERVED else stem
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        names[tag] = f"{name}.png"
    return names


def printable(text: str) -> str:
    """Replace what no font draws."""
    return "".join(c if c.isprintable() else "�" for c in storable(text))


def _font(text: str, size: int) -> Any:
    _, _, font = _pillow()
    if not _is_latin(text):
        for name in _FONTS:
            try:
                return font.truetype(name, size)
            except OSError:
                continue
    return font.load_default(size)


def _is_latin(text: str) -> bool:
    return all(ord(c) < 256 or c in "…–—" for c in text)


def _pillow() -> tuple[Any, Any, Any]:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise MissingExtraError("contact sheets", "features") from error
    return Image, ImageDraw, ImageFont
