"""Playlist files as they come: M3U in any encoding, PLS, JSPF and XSPF, of other systems and with small faults."""

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from earmark.errors import InputError
from earmark.library.playlists.entries import (
    RECORDING_URI,
    PlaylistEntry,
    absolute,
    from_uri,
    is_foreign,
    is_uri,
)

_BY_SUFFIX = {".m3u8": "m3u", ".m3u": "m3u", ".pls": "pls", ".jspf": "jspf", ".xspf": "xspf"}
_LINE = re.compile(rb"\r\n|\n|\r")
_INFO = re.compile(r"#EXTINF:\s*(?P<seconds>-?\d+(\.\d+)?)?[^,]*,?(?P<label>.*)", re.IGNORECASE | re.DOTALL)
_HEADER = re.compile(rb"^[ \t]*\[playlist\]\s*$", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(r"(?P<key>file|title|length)(?P<number>\d{1,9})\s*=(?P<value>.*)", re.IGNORECASE | re.DOTALL)
_MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UTF_16 = re.compile(rb"\sencoding=.utf-16\w*.", re.IGNORECASE)  # of a declaration that holds no more
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def read_playlist(path: str | os.PathLike[str]) -> list[str]:
    """Read which files a playlist names.

    Parameters
    ----------
    path : an M3U, M3U8, PLS, JSPF or XSPF file

    Returns
    -------
    absolute paths in order, whether there are such files or not; songs without one, such as streams, are left out

    Raises
    ------
    InputError
        If it cannot be read or is no playlist.
    """
    return [entry.path for entry in read_entries(path) if entry.path]


def read_entries(path: str | os.PathLike[str]) -> list[PlaylistEntry]:
    """Read the songs of a playlist with what it says of them; see `read_playlist`.

    Returns
    -------
    all songs in order; `path` is "" for those that name no file here

    Notes
    -----
    A name is taken as it stands. Only if there is no such file, the other ways in which programs write names are
    tried: percent-encoded, with the backslashes of Windows, in Latin-1. The first that leads to a file counts.
    """
    name = os.fspath(path)
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{name!r}: no file can have such a name") from error
    data = _to_utf8(data)
    if b"\0" in data:
        raise InputError(f"{name}: is no playlist but binary data", hint="M3U, M3U8, PLS, JSPF or XSPF are read")
    kind = _BY_SUFFIX.get(Path(name).suffix.lower()) or _kind(data)
    folder = os.path.dirname(absolute(name))  # noqa: PTH120 (bytes that are no text)
    try:
        if kind == "pls":
            return _read_pls(data, folder)
        if kind == "jspf":
            return _read_jspf(data, folder)
        return _read_xspf(data, folder) if kind == "xspf" else _read_m3u(data, folder)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", hint=error.hint) from error


def _kind(data: bytes) -> str:
    """Tell the format from how the content begins; M3U is what is nothing else."""
    begin = data.lstrip()[:200].lower()
    if begin.startswith(b"{"):
        return "jspf"
    if begin.startswith((b"<?xml", b"<playlist")):
        return "xspf"
    return "pls" if _HEADER.search(data) else "m3u"


def _to_utf8(data: bytes) -> bytes:
    """Drop a byte order mark, and bring UTF-16 into UTF-8."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data[2:].decode(encoding, "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def _read_m3u(data: bytes, folder: str) -> list[PlaylistEntry]:
    entries: list[PlaylistEntry] = []
    told: dict[str, Any] = {}
    for line in _LINE.split(data):
        raw = line.strip()
        if raw.startswith(b"#"):
            info = _INFO.match(_text(raw))
            if info:
                told = _label(info["label"]) | {"duration": _seconds(info["seconds"])}
        elif raw:
            entries.append(PlaylistEntry(_path_of_line(raw, folder), **told))
            told = {}
    return entries


def _read_pls(data: bytes, folder: str) -> list[PlaylistEntry]:
    if not _HEADER.search(data):
        raise InputError("is no PLS playlist: the line [playlist] is missing")
    found: dict[int, dict[str, bytes]] = {}
    for line in _LINE.split(data):
        # Latin-1 keeps every byte as one character, so that the value is got back as it was
        read = _KEY.fullmatch(line.strip().decode("latin-1"))
        if read:
            value = read["value"].strip().encode("latin-1")
            found.setdefault(int(read["number"]), {})[read["key"].lower()] = value
    entries = []
    for number in sorted(found):
        told = found[number]
        if told.get("file"):
            label = _label(_text(told.get("title", b"")))
            duration = _seconds(_text(told.get("length", b"")))
            entries.append(PlaylistEntry(_path_of_line(told["file"], folder), **label, duration=duration))
    return entries


def _read_jspf(data: bytes, folder: str) -> list[PlaylistEntry]:
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no JSPF playlist: {error}") from error
    playlist = plain.get("playlist") if isinstance(plain, dict) else None
    tracks = playlist.get("track", []) if isinstance(playlist, dict) else None
    if not isinstance(tracks, list) or not all(isinstance(track, dict) for track in tracks):
        raise InputError("is no JSPF playlist: there is no list of objects at playlist.track")
    return [
        PlaylistEntry(
            path=_path_of_locations(_texts(track.get("location")), folder),
            artist=_first(track.get("creator")),
            title=_first(track.get("title")),
            album=_first(track.get("album")),
            duration=_milliseconds(track.get("duration")),
            mb_recording_id=_recording(_texts(track.get("identifier"))),
        )
        for track in tracks
    ]


def _read_xspf(data: bytes, folder: str) -> list[PlaylistEntry]:
    from xml.etree import ElementTree

    if b"<!doctype" in data.lower() or b"<!entity" in data.lower():
        raise InputError("is no XSPF playlist: it declares a document type, which XSPF has none of")
    try:
        root = ElementTree.fromstring(_UTF_16.sub(b"", data, count=1))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"is no XSPF playlist: {error}") from error
    if root.tag.rpartition("}")[2] != "playlist":
        raise InputError(f"is no XSPF playlist: it begins with <{root.tag.rpartition('}')[2]}>")
    entries = []
    for track in root.iter():
        if track.tag.rpartition("}")[2] == "track":
            told: dict[str, list[str]] = {}
            for child in track:
                told.setdefault(str(child.tag).rpartition("}")[2], []).append((child.text or "").strip())
            entries.append(
                PlaylistEntry(
                    path=_path_of_locations(told.get("location", []), folder),
                    artist=_first(told.get("creator")),
                    title=_first(told.get("title")),
                    album=_first(told.get("album")),
                    duration=_milliseconds(_first(told.get("duration"))),
                    mb_recording_id=_recording(told.get("identifier", [])),
                )
            )
    return entries


def _path_of_line(raw: bytes, folder: str) -> str:
    """Find the file that a line of M3U or PLS names; "" for what is elsewhere."""
    ways = [raw.decode("utf-8", "replace")] if sys.platform == "win32" else [os.fsdecode(raw)]
    if is_uri(ways[0]):
        return from_uri(ways[0]) or ""
    if _text(raw) not in ways:
        ways.insert(0 if sys.platform == "win32" else 1, _text(raw))
    if b"%" in raw:
        ways.append(os.fsdecode(unquote_to_bytes(raw)))
    return _first_there(ways, folder)


def _path_of_locations(locations: Sequence[str], folder: str) -> str:
    """Find the first file that locations of JSPF or XSPF name; "" if all are elsewhere."""
    for location in locations:
        if is_uri(location):
            path = from_uri(location)
            if path:
                return path
        elif location:
            return _first_there([os.fsdecode(unquote_to_bytes(location)), location], folder)
    return ""


def _first_there(ways: Sequence[str], folder: str) -> str:
    """Return the first path that leads to a file; if none does, the first one."""
    ways = [way for way in ways if way and "\0" not in way]
    if not ways:
        return ""
    paths = [_joined(way, folder) for way in ways]
    if sys.platform != "win32":
        paths += [_joined(way.replace("\\", "/"), folder) for way in ways if "\\" in way]
    paths = list(dict.fromkeys(paths))
    if len(paths) > 1:
        for path in paths:
            if os.path.isfile(path):  # noqa: PTH113 (False for what no file can be called)
                return path
    return paths[0]


def _joined(way: str, folder: str) -> str:
    """Go from a folder; ".." leads up from where the folder really lies."""
    if os.path.isabs(way) or is_foreign(way):  # noqa: PTH117
        return way
    short = os.path.normpath(way)
    leads_out = short.partition(os.sep)[0] == os.pardir
    start = os.path.realpath(folder) if leads_out else folder
    return os.path.normpath(os.path.join(start, short))  # noqa: PTH118


def _text(raw: bytes) -> str:
    """Decode UTF-8, else what old programs for Windows wrote."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _label(text: str) -> dict[str, Any]:
    artist, dash, title = text.strip().partition(" - ")
    return {"artist": artist.strip(), "title": title.strip()} if dash else {"title": artist.strip()}


def _seconds(text: str | None) -> float | None:
    """Read seconds; None where they are not known, which is written as 0 or -1."""
    if not text or not re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return None
    return float(text) or None


def _milliseconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    seconds = _seconds(str(value)) if isinstance(value, str) else float(value)
    return seconds / 1000 if seconds and 0 < seconds < float("inf") else None


def _texts(value: Any) -> list[str]:
    """Return one text or several as a list, without halves of characters, which JSON can name."""
    values = value if isinstance(value, list) else [value]
    return [text.encode("utf-8", "replace").decode() for text in values if isinstance(text, str)]


def _first(value: Any) -> str:
    return next(iter(_texts(value)), "").strip()


def _recording(identifiers: Sequence[str]) -> str:
    """Find the identifier of MusicBrainz's recording in addresses; "" if there is none."""
    for identifier in identifiers:
        found = _MBID.search(identifier)
        if found and identifier.startswith(RECORDING_URI.removesuffix("/")):
            return found[0].lower()
    return ""
