"""Draw the features of a store as pictures: one for every track, nothing in it but the spectrogram.

A pixel is a frame and a band, low frequencies at the bottom. All pictures show the same range of values: a pixel p
stands for low + p / 255 * (high - low), and what lies outside is clipped. Cepstral coefficients, whose sizes differ
tenfold, have a range per row. ``pictures.csv`` says which track each picture shows. It is written first, so that
drawing can be interrupted: pictures that are there are not drawn again.
"""

import csv
import hashlib
import io
import json
import os
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkWarning, InputError, MissingExtraError, UsageError
from earmark.features.layout import LOCK, Entry, StoreInfo
from earmark.features.png import END, Pixels, encode_png
from earmark.features.store import Features, FeatureStore
from earmark.files import disk_errors, lock_for_writing, replacing
from earmark.parallel import cpu_count, map_ordered
from earmark.tables import storable

TABLE = "pictures.csv"
WIDEST = 65_535  # pixels that most programs open
COLUMNS = ("picture", "id", "path", "low", "high", "unit", "width", "height", "made_from")
_MEASURED_TRACKS, _MEASURED_FRAMES = 200, 500

Size = tuple[int, int]
Range = tuple[float, float]
Ranges = tuple[Range, ...]
"""A range per row of a picture, from the bottom."""


@dataclass(frozen=True)
class Style:
    """How pictures are drawn.

    Parameters
    ----------
    value_range : values of black and white, of the picture or of each row
    size : width and height, pixels; None for one pixel per frame and band
    colours : colours instead of greys
    """

    value_range: Range | Ranges
    size: Size | None = None
    colours: bool = False

    @property
    def rows(self) -> Ranges:
        """The range of each row from the bottom, or the one of all rows."""
        low, high = self.value_range[0], self.value_range[-1]
        if isinstance(low, tuple) or isinstance(high, tuple):
            return cast(Ranges, self.value_range)
        return ((low, high),)


def draw_pictures(
    store: FeatureStore,
    folder: str | os.PathLike[str],
    *,
    ids: Sequence[str] | None = None,
    value_range: Range | None = None,
    size: Size | None = None,
    colours: bool = False,
    jobs: int | None = None,
    on_picture: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Draw one picture per track into a folder, as ``NNN/NNNNNN.png``.

    The number is the id where all ids are whole numbers, as in FMA; else tracks are counted, in the order of `ids`.

    Parameters
    ----------
    store : where the features are
    folder : where to; made if it is not there
    ids : of the tracks; all unless given
    value_range : lowest and highest value shown; unless given that of the front end, or where it has none, that in
        which 98 % of the values of (up to 200 of) the tracks lie; of cepstral coefficients such a range for each
    size : width and height of every picture, pixels; unless given one pixel per frame and band
    colours : colours instead of greys
    jobs : pictures at a time; as many as there are CPUs unless given
    on_picture : called with the path of every picture, drawn now or before

    Returns
    -------
    paths of the pictures, in the order of `ids`

    Raises
    ------
    InputError
        If the folder holds something else, or cannot be written.
    UsageError
        If the store holds waveforms, or the range or the size is empty.
    MissingExtraError
        If a size is given and Pillow is not installed.

    Warns
    -----
    EarmarkWarning
        If pictures are wider than 65,535 pixels, which many programs do not open.
    """
    target = Path(folder)
    entries = [store.entry(id) for id in (store.ids if ids is None else ids)]
    check_drawable(store.info, value_range=value_range, size=size)
    former = _read_table(target)
    chosen = value_range or store.info.value_range or _former_range(store, former, size, colours)
    style = Style(chosen or measured_range(store, entries), size, colours)
    rows = _plan(entries, former, store.info, style)
    _warn_of_width(rows)

    def draw(work: tuple[Entry, Path]) -> Path:
        entry, path = work
        if not _is_whole(path):
            _write(path, picture(store[entry.id], style), entry, store.info, style)
        return path

    paths = [target / row["picture"] for row in rows.values()]
    with _locked(target):
        _prepare(target, rows, former)
        works = list(zip(entries, paths, strict=True))
        for path in map_ordered(draw, works, jobs=cpu_count() if jobs is None else jobs):
            if on_picture is not None:
                on_picture(path)
    return paths


def _warn_of_width(rows: dict[str, dict[str, str]]) -> None:
    """Warn of pictures that many programs do not open."""
    wide = [row for row in rows.values() if int(row["width"]) > WIDEST]
    if wide:
        first = f"{wide[0]['picture']} ({wide[0]['id']})"
        which = first if len(wide) == 1 else f"{len(wide)} pictures, such as {first},"
        text = f"{which} {'is' if len(wide) == 1 else 'are'} wider than {WIDEST:,} pixels: many programs open no such"
        warnings.warn(f"{text} picture; a size or a larger hop_length avoids it", EarmarkWarning, stacklevel=3)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other processes from drawing into it."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock: BinaryIO = (folder / LOCK).open("ab")
    with lock:
        if not lock_for_writing(lock):
            raise UsageError(f"{folder}: another process is drawing there", hint="wait until it ends")
        yield


def _prepare(folder: Path, rows: dict[str, dict[str, str]], former: dict[str, dict[str, str]]) -> None:
    """Take away pictures that are out of date, then write which picture shows what."""
    with disk_errors(folder):
        for id, row in rows.items():
            if id in former and row["made_from"] != former[id]["made_from"]:
                (folder / row["picture"]).unlink(missing_ok=True)
        for name in {Path(row["picture"]).parent for row in rows.values()}:
            (folder / name).mkdir(parents=True, exist_ok=True)
            for unfinished in (folder / name).glob(".*.part"):  # of a process that was killed
                unfinished.unlink(missing_ok=True)
    _write_table(folder, {**former, **rows})


def check_drawable(info: StoreInfo, *, value_range: Range | None = None, size: Size | None = None) -> None:
    """Raise what `draw_pictures` would, as far as it can be known before there are features."""
    if info.frontend == "raw":
        raise UsageError("a waveform is no picture", hint="choose another front end than raw")
    if value_range is not None and not value_range[0] < value_range[1]:
        raise UsageError(f"the range {value_range[0]:g} to {value_range[1]:g} is empty")
    if size is not None and not (size[0] > 0 and size[1] > 0):
        raise UsageError(f"a picture of {size[0]} × {size[1]} pixels")
    if size is not None:
        pillow()


def picture(features: Features, style: Style) -> Pixels:
    """Turn features into pixels.

    Parameters
    ----------
    features : shape (T, F)
    style : how

    Returns
    -------
    shape (F, T) or the size of the style, low frequencies last
    """
    low, high = np.array(style.rows).T  # (F,) or (1,)
    levels = np.subtract(features, low.astype(np.float32), dtype=np.float32)
    levels *= (255 / (high - low)).astype(np.float32)
    np.rint(np.clip(levels, 0, 255, out=levels), out=levels)
    pixels: Pixels = np.ascontiguousarray(levels.astype(np.uint8).T[::-1])
    return pixels if style.size is None else resized(pixels, style.size)


def resized(pixels: Pixels, size: Size) -> Pixels:
    """Bring a picture to a width and a height, each new pixel the mean of the old ones that it covers."""
    image = pillow()
    return np.asarray(image.fromarray(pixels).resize(size, image.Resampling.BOX))


def pillow() -> Any:
    """Import Pillow."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("resizing pictures", "features") from error
    return Image


def measured_range(store: FeatureStore, entries: Sequence[Entry]) -> Range | Ranges:
    """Return the values between which 98 % of the features of tracks lie; of very many tracks some are looked at.

    Cepstral coefficients have a range each: the first, the loudness, spans more than all others together.
    """
    parts: list[NDArray[np.float32]] = []
    for entry in entries[:: -(-len(entries) // _MEASURED_TRACKS) or 1]:
        frames = store[entry.id][:: -(-entry.n_frames // _MEASURED_FRAMES)]
        parts.append(np.asarray(frames, dtype=np.float32))
    if not parts:
        return 0.0, 1.0
    found = np.concatenate(parts)  # (T, F)
    if store.info.frontend != "mfcc":
        low, high = np.percentile(found, [1, 99]).tolist()
        return _not_empty(low, high)
    rows = np.percentile(found, [1, 99], axis=0).T.tolist()
    ranges = tuple(_not_empty(float(f"{low:.5g}"), float(f"{high:.5g}")) for low, high in rows)
    return ranges if len(ranges) > 1 else ranges[0]


def _not_empty(low: float, high: float) -> Range:
    return (low, high) if low < high else (low, low + 1.0)


def _plan(
    entries: Sequence[Entry], former: dict[str, dict[str, str]], info: StoreInfo, style: Style
) -> dict[str, dict[str, str]]:
    """Choose the picture of every track; one that has a picture keeps its number."""
    numbers = _numbers(entries, former)
    rows = {}
    for entry in entries:
        width, height = style.size or (entry.n_frames, info.n_features)
        number = f"{numbers[entry.id]:06d}"
        rows[storable(entry.id)] = {
            "picture": f"{number[:-3]}/{number}.png",
            "id": storable(entry.id),
            "path": storable(entry.path),
            "low": " ".join(repr(low) for low, _ in style.rows),
            "high": " ".join(repr(high) for _, high in style.rows),
            "unit": info.unit,
            "width": str(width),
            "height": str(height),
            "made_from": _made_from(entry, info, style),
        }
    return rows


def _numbers(entries: Sequence[Entry], former: dict[str, dict[str, str]]) -> dict[str, int]:
    taken = {id: int(Path(row["picture"]).stem) for id, row in former.items()}
    ids = {entry.id for entry in entries} | set(former)
    whole = {id: int(id) for id in ids if id.isascii() and id.isdecimal() and len(id) < 10}
    if len(set(whole.values())) == len(ids) and all(whole[id] == taken[id] for id in former):
        return whole
    numbers = {}
    following = max(taken.values(), default=-1) + 1
    for entry in entries:
        id = storable(entry.id)
        if id not in taken:
            taken[id], following = following, following + 1
        numbers[entry.id] = taken[id]
    return numbers


def _made_from(entry: Entry, info: StoreInfo, style: Style) -> str:
    """Return what tells a picture from others of the same track."""
    features = [info.frontend, dict(info.parameters), info.revision, info.dtype, entry.content, entry.segment]
    text = json.dumps([*features, style.value_range, style.size, style.colours], sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def _former_range(
    store: FeatureStore, former: dict[str, dict[str, str]], size: Size | None, colours: bool
) -> Range | Ranges | None:
    """Return the range of the pictures that are there, if they show this store in this style."""
    for entry in store.entries:
        row = former.get(storable(entry.id))
        if row is not None:
            rows = tuple(zip(map(float, row["low"].split()), map(float, row["high"].split()), strict=True))
            value_range = rows if len(rows) > 1 else rows[0]
            if row["made_from"] == _made_from(entry, store.info, Style(value_range, size, colours)):
                return value_range
    return None


def _read_table(folder: Path) -> dict[str, dict[str, str]]:
    """Read which pictures are there, by id."""
    try:
        with (folder / TABLE).open(encoding="utf-8", newline="") as file:
            rows = {row["id"]: row for row in csv.DictReader(file)}
        if any(set(row) != set(COLUMNS) or not Path(row["picture"]).stem.isdecimal() for row in rows.values()):
            raise ValueError
    except FileNotFoundError:
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
            hint = "name a folder that is empty or does not exist"
            raise InputError(f"{folder}: holds something else than pictures of features", hint=hint) from None
        return {}
    except OSError as error:
        raise InputError(f"{folder / TABLE}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, csv.Error):
        raise InputError(f"{folder / TABLE}: is not a table of pictures", hint="name another folder") from None
    return rows


def _write_table(folder: Path, rows: dict[str, dict[str, str]]) -> None:
    with replacing(folder / TABLE) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
        text.flush()
        text.detach()


def _write(path: Path, pixels: Pixels, entry: Entry, info: StoreInfo, style: Style) -> None:
    """Write a picture, whole or not at all."""
    lows, highs = zip(*style.rows, strict=True)
    low, high = (lows[0], highs[0]) if len(style.rows) == 1 else (lows, highs)
    text = {
        "Title": entry.id,
        "Software": "earmark",
        "Comment": f"0 is {low!r} {info.unit}, 255 is {high!r} {info.unit}" + (" (rows from below)" * (low is lows)),
        "earmark": json.dumps(
            {
                "id": entry.id,
                "low": low,
                "high": high,
                "unit": info.unit,
                "frontend": info.frontend,
                "parameters": dict(info.parameters),
                "content": entry.content,
                "segment": entry.segment,
            }
        ),
    }
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    with disk_errors(path):
        try:
            temporary.write_bytes(encode_png(pixels, colours=style.colours, text=text))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    """Say whether a picture is there to its end: after a power failure it may be there and empty."""
    try:
        with path.open("rb") as file:
            file.seek(-len(END), os.SEEK_END)
            return file.read() == END
    except OSError:
        return False
