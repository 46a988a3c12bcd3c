"""Playlist files that players read: M3U8, PLS and JSPF.

Notes
-----
M3U8 is the extended M3U of Winamp in UTF-8: a line with whole seconds and what to show, then a line with the file. PLS
is version 2. JSPF is XSPF in JSON, in the shape that ListenBrainz gives and takes: recordings are named by the address
of their page at MusicBrainz.

References
----------
https://www.xspf.org/spec; https://www.xspf.org/jspf; https://musicbrainz.org/doc/jspf
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark._version import __version__
from earmark.audio.io import AUDIO_SUFFIXES
from earmark.batch import STDIN, check_free
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.files import replacing
from earmark.library.playlists.entries import (
    FORMATS,
    RECORDING_URI,
    PlaylistEntry,
    absolute,
    one_line,
    relative_to,
    to_line,
    to_reference,
    to_uri,
)

EXTENSION = "urn:earmark:playlist"  # whose block in a JSPF file


def write_playlist(
    entries: Sequence[PlaylistEntry],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    relative: bool = False,
    title: str | None = None,
    force: bool = False,
) -> None:
    """Write a playlist, whole or not at all.

    Parameters
    ----------
    entries : songs in order, each with a path (JSPF does without where a recording is known)
    path : of the file; its folder exists
    format : "m3u8", "pls" or "jspf"; by the suffix of `path` unless given
    relative : name the files as seen from the playlist's folder, so that both can move together
    title : of the list; the name of the file unless given
    force : replace a file that is there

    Raises
    ------
    UsageError
        If the format cannot be told, the file exists and `force` is not set, or it would be one that holds music.
    UnknownNameError
        If there is no such format.
    InputError
        If a song has no path, or the file cannot be written.
    """
    target = os.fspath(path)
    chosen = format_of(target, format)
    if Path(target).suffix.lower() in AUDIO_SUFFIXES:
        hint = f"give the playlist a name such as {Path(target).stem}.m3u8"
        raise UsageError(f"{target}: is the name of an audio file", hint=hint)
    check_free(target, source=STDIN, force=force)
    folder = os.path.dirname(absolute(target))  # noqa: PTH120 (bytes that are no text)
    name = Path(target).stem if title is None else title
    data = render_playlist(entries, format=chosen, folder=folder if relative else None, title=name)
    with replacing(target) as file:
        file.write(data)


def format_of(path: str, format: str | None = None) -> str:
    """Tell the format of a playlist from its name, unless it is given.

    Raises
    ------
    UsageError
        If the suffix is none of a playlist.
    UnknownNameError
        If there is no such format.
    """
    if format is not None:
        if format not in FORMATS:
            raise UnknownNameError("format of playlists", format, FORMATS)
        return format
    suffix = Path(path).suffix.lower()
    for name, suffixes in FORMATS.items():
        if suffix in suffixes:
            return name
    known = " ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise UsageError(f"{path}: cannot tell the format from {suffix or 'no suffix'}", hint=f"choose one of {known}")


def render_playlist(
    entries: Sequence[PlaylistEntry], *, format: str = "m3u8", folder: str | None = None, title: str = ""
) -> bytes:
    """Write a playlist as the bytes of a file.

    Parameters
    ----------
    entries : songs in order
    format : "m3u8", "pls" or "jspf"
    folder : name the files as seen from it; None for absolute names
    title : of the list
    """
    home = None if folder is None else absolute(folder)
    chosen = format_of("", format)
    if chosen == "jspf":
        return _jspf(entries, home, title)
    for number, entry in enumerate(entries, 1):
        if not entry.path:
            raise InputError(f"song {number}, {entry.label or 'without a name'}, has no file", hint="leave it out")
    return _m3u8(entries, home, title) if chosen == "m3u8" else _pls(entries, home)


def _m3u8(entries: Sequence[PlaylistEntry], home: str | None, title: str) -> bytes:
    lines = ["#EXTM3U"]
    if one_line(title):
        lines.append(f"#PLAYLIST:{one_line(title)}")
    for entry in entries:
        lines.append(f"#EXTINF:{_seconds(entry)},{entry.label}")
        lines.append(to_line(absolute(entry.path), home))
    return ("\n".join(lines) + "\n").encode()


def _pls(entries: Sequence[PlaylistEntry], home: str | None) -> bytes:
    lines = ["[playlist]"]
    for number, entry in enumerate(entries, 1):
        lines.append(f"File{number}={to_line(absolute(entry.path), home)}")
        lines.append(f"Title{number}={entry.label}")
        lines.append(f"Length{number}={_seconds(entry)}")
    lines += [f"NumberOfEntries={len(entries)}", "Version=2"]
    return ("\n".join(lines) + "\n").encode()


def _jspf(entries: Sequence[PlaylistEntry], home: str | None, title: str) -> bytes:
    tracks = []
    for number, entry in enumerate(entries, 1):
        if not entry.path and not entry.mb_recording_id:
            raise InputError(f"song {number}, {entry.label or 'without a name'}, has no file and no recording")
        track: dict[str, Any] = {"title": one_line(entry.title) or entry.label}
        texts = {"creator": one_line(entry.artist), "album": one_line(entry.album)}
        track |= {key: text for key, text in texts.items() if text}
        if entry.duration is not None:
            track["duration"] = round(1000 * entry.duration)
        if entry.mb_recording_id:
            track["identifier"] = [RECORDING_URI + entry.mb_recording_id]
        if entry.path:
            track["location"] = [_location(absolute(entry.path), home)]
        tracks.append(track)
    block = {"generator": f"earmark {__version__}"}
    playlist = {"title": one_line(title), "track": tracks, "extension": {EXTENSION: block}}
    return (json.dumps({"playlist": playlist}, ensure_ascii=False, indent=2) + "\n").encode()


def _location(path: str, home: str | None) -> str:
    way = None if home is None else relative_to(path, home)
    return to_uri(path) if way is None else to_reference(way)


def _seconds(entry: PlaylistEntry) -> int:
    return -1 if entry.duration is None else max(1, round(entry.duration))
