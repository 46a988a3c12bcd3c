"""Pictures of albums: those in files, and those that lie beside them."""

import base64
import binascii
import contextlib
import io
import os
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from earmark.service.players.songs import Places
from earmark.tagfile.unpacking import bound_frames

FRONT = 3
"""What a picture shows, of the kinds that ID3v2 counts: the front."""
_NAMES = ("cover", "folder", "front", "album", "albumart")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))
_MOST_BYTES = 32 << 20
_MOST_PIXELS = 36_000_000
_RESIZING = threading.Lock()  # one may take 300 MB; and filters of warnings belong to the whole process
_MOST_LOOKED_AT = 8  # songs of an album
_DAMAGED = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, struct.error)


@dataclass(frozen=True)
class Cover:
    """A picture.

    Parameters
    ----------
    data : of the picture
    media_type : such as "image/jpeg", told by its first bytes
    """

    data: bytes
    media_type: str


def find_cover(songs: Sequence[Sequence[str]], places: Places) -> Cover | None:
    """Return the picture of the first song that has one, in its file or beside it.

    Parameters
    ----------
    songs : of an album, or one: the paths of the files of each
    places : where pictures may lie
    """
    folders: set[str] = set()
    for files in songs[:_MOST_LOOKED_AT]:
        for path in files:
            real = places.resolve(path)
            if real is None:
                continue
            if found := embedded(real):
                return found
            folder = os.path.dirname(real)  # noqa: PTH120 (may be no text)
            if folder not in folders and (found := beside(folder, places)):
                return found
            folders.add(folder)
    return None


def beside(folder: str, places: Places) -> Cover | None:
    """Return the picture that lies in a folder of music as cover.jpg, folder.jpg or the like."""
    ranks = {name + suffix: (i, j) for i, name in enumerate(_NAMES) for j, suffix in enumerate(_SUFFIXES)}
    try:
        entries = os.listdir(folder)  # noqa: PTH208 (may be no text)
    except OSError:
        return None
    for name in sorted((one for one in entries if one.lower() in ranks), key=lambda one: ranks[one.lower()]):
        real = places.resolve(os.path.join(folder, name))  # noqa: PTH118
        with contextlib.suppress(OSError):
            if real is not None and os.path.getsize(real) <= _MOST_BYTES:  # noqa: PTH202
                with open(real, "rb") as file:  # noqa: PTH123
                    found = as_cover(file.read(_MOST_BYTES))
                if found is not None:
                    return found
    return None


def embedded(path: str) -> Cover | None:
    """Return the picture that a file of music holds: the front, else the first one."""
    import mutagen

    bound_frames()
    try:
        opened = mutagen.File(path)
        pictures = list(_pictures(opened)) if opened is not None else []
    except (mutagen.MutagenError, *_DAMAGED):  # a damaged file has no picture
        return None
    for _, data in sorted(pictures, key=lambda pair: pair[0] != FRONT):
        if found := as_cover(data):
            return found
    return None


def _pictures(opened: Any) -> Iterator[tuple[int, bytes]]:
    """Yield the pictures of an opened file with what they show."""
    from mutagen.flac import Picture

    for picture in getattr(opened, "pictures", ()):
        yield picture.type, picture.data
    tags = opened.tags
    if tags is None:
        return
    if hasattr(tags, "getall"):
        for frame in (*tags.getall("APIC"), *tags.getall("PIC")):
            yield int(frame.type), frame.data
        return
    for key in tags.keys():  # noqa: SIM118 (mutagen's own)
        name = key.lower() if isinstance(key, str) else ""
        values = tags[key] if name in ("metadata_block_picture", "covr", "wm/picture") else ()
        for value in values:
            if name == "covr":
                yield FRONT, bytes(value)
            elif name == "wm/picture":
                yield from _of_windows(bytes(value.value))
            else:
                with contextlib.suppress(binascii.Error, mutagen_error()):
                    picture = Picture(base64.b64decode(value))
                    yield picture.type, picture.data
        if name.startswith("cover art ("):
            yield FRONT if "front" in name else 0, bytes(tags[key].value).partition(b"\0")[2]


def mutagen_error() -> type[Exception]:
    """Return the error that mutagen raises for what is damaged."""
    import mutagen

    error: type[Exception] = mutagen.MutagenError
    return error


def _of_windows(value: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the picture of a WM/Picture: its kind, its size, two texts in UTF-16 that end in NUL, its bytes."""
    kind, size = struct.unpack_from("<BI", value)
    place = 5
    for _ in range(2):
        while value[place : place + 2] not in (b"\0\0", b""):
            place += 2
        place += 2
    yield kind, value[place : place + size]


def as_cover(data: bytes) -> Cover | None:
    """Return a picture if bytes are one; what they call themselves does not count.

    Examples
    --------
    >>> as_cover(b"<svg onload=...>"), as_cover(bytes.fromhex("ffd8ffe0")).media_type
    (None, 'image/jpeg')
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Cover(data, "image/webp")
    kind = next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)
    return None if kind is None else Cover(data, kind)


def resized(cover: Cover, size: int) -> Cover:
    """Return a picture whose longer side has so many pixels at most; as it is where Pillow is not installed.

    Parameters
    ----------
    cover : a picture
    size : pixels
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        return cover
    try:
        with _RESIZING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a picture of somebody's file is no news here
            with Image.open(io.BytesIO(cover.data), formats=("JPEG", "PNG", "GIF", "WEBP")) as opened:
                if max(opened.size) <= size or opened.width * opened.height > _MOST_PIXELS:
                    return cover
                opened.draft("RGB", (size, size))
                is_clear = opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info
                mode = "RGBA" if is_clear else "RGB"
                picture: Image.Image = opened if opened.mode == mode else opened.convert(mode)
                picture.thumbnail((size, size), Image.Resampling.LANCZOS)
                made = io.BytesIO()
                picture.save(made, "PNG") if is_clear else picture.save(made, "JPEG", quality=88)
    except (UnidentifiedImageError, Image.DecompressionBombError, *_DAMAGED):
        return cover
    return Cover(made.getvalue(), "image/png" if is_clear else "image/jpeg")
