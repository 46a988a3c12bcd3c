"""A song as playlist files name it, and names of files as paths, lines and URIs."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from earmark.library.rows import LibraryTrack

# Suffixes of each format, the usual one first.
FORMATS = {"m3u8": (".m3u8", ".m3u"), "pls": (".pls",), "jspf": (".jspf",)}
RECORDING_URI = "https://musicbrainz.org/recording/"

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(?=//)|file:", re.ASCII)  # one letter would be a drive of Windows
_DRIVE = re.compile(r"/?[A-Za-z][:|]([\\/]|$)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SAFE = "/!$&'()*+,;=@~"  # what stands in the path of a URI as it is (RFC 3986, 3.3), without the colon


@dataclass(frozen=True)
class PlaylistEntry:
    """One song of a playlist.

    Parameters
    ----------
    path : of its file; "" where only its name is known, as in playlists from elsewhere
    artist, title, album : "" where not known
    duration : seconds; None where not known
    mb_recording_id : MusicBrainz's identifier of the recording; "" where not known
    """

    path: str = ""
    artist: str = ""
    title: str = ""
    album: str = ""
    duration: float | None = None
    mb_recording_id: str = ""

    @classmethod
    def of(cls, track: LibraryTrack) -> Self:
        """Describe a track of the catalogue."""
        return cls(track.path, track.artist, track.title, track.album, track.duration, track.mb_recording_id)

    @property
    def label(self) -> str:
        """What a player shows: "artist - title", or the name of the file."""
        title = one_line(self.title)
        if not title:
            return one_line(os.path.splitext(os.path.basename(self.path))[0])  # noqa: PTH119, PTH122 (any name)
        artist = one_line(self.artist)
        return f"{artist} - {title}" if artist else title


def one_line(text: str) -> str:
    """Bring text into one line that any encoding of Unicode can hold; bytes that are no text become U+FFFD."""
    readable = _SURROGATE.sub("\ufffd", text)
    return " ".join("".join(char if char.isprintable() else " " for char in readable).split())


def to_uri(path: str) -> str:
    """Write an absolute path as a file URI, byte by byte.

    Examples
    --------
    >>> to_uri("/music/50% of A.mp3")
    'file:///music/50%25%20of%20A.mp3'
    """
    if sys.platform == "win32":
        return PurePath(path).as_uri()
    return "file://" + quote_from_bytes(os.fsencode(path), _SAFE + ":")


def to_reference(path: str) -> str:
    """Write a relative path as a URI reference, with "./" before it where it begins like a scheme."""
    way = _slashes(path)
    return ("./" if ":" in way.partition("/")[0] else "") + quote_from_bytes(os.fsencode(way), _SAFE + ":")


def from_uri(text: str) -> str | None:
    """Read the path in a file URI; None if it leads elsewhere, such as to the web.

    Examples
    --------
    >>> from_uri("file:///music/50%25%20of%20A.mp3"), from_uri("https://radio.example/stream")
    ('/music/50% of A.mp3', None)
    """
    if text[:5].casefold() != "file:":
        return None
    rest = text[5:]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        at_home = host.casefold() in ("", "localhost", "127.0.0.1")
        rest = slash + path if at_home else "//" + host + slash + path
    path = os.fsdecode(unquote_to_bytes(os.fsencode(rest)))
    if "\0" in path:  # no file is called so
        return None
    if sys.platform == "win32":
        return path.lstrip("/").replace("|", ":", 1) if _DRIVE.match(path) else path
    return path


def is_uri(text: str) -> bool:
    """Whether text begins with a scheme, such as "file:" or "https://"."""
    return _URI.match(text) is not None


def is_foreign(text: str) -> bool:
    """Whether text is an absolute path of Windows on a system that is not, which no folder can go before."""
    return sys.platform != "win32" and _DRIVE.match(text) is not None and not text.startswith("/")


def absolute(path: str) -> str:
    """Return a path from the root; what is absolute stays as it is."""
    return path if os.path.isabs(path) else os.path.abspath(path)  # noqa: PTH100, PTH117 (bytes that are no text)


def relative_to(path: str, folder: str) -> str | None:
    """Say how to get from a folder to a file.

    Parameters
    ----------
    path, folder : absolute

    Returns
    -------
    a path with "/" between its parts; None where there is none, as between drives of Windows. Links are followed only
    where the way leads out of the folder: the system takes ".." from where a link leads to.
    """
    inside = os.path.join(folder, "")  # noqa: PTH118
    if path.startswith(inside) and len(path) > len(inside) and ".." not in PurePath(path).parts:
        return _slashes(path[len(inside) :].lstrip(os.sep))
    parent, name = os.path.split(path)
    try:
        way = os.path.relpath(os.path.realpath(parent), os.path.realpath(folder))
    except ValueError:
        return None
    return _slashes(os.path.normpath(os.path.join(way, name)))  # noqa: PTH118


def to_line(path: str, folder: str | None) -> str:
    """Write a path so that it survives as a line of a text in UTF-8.

    Parameters
    ----------
    path : absolute
    folder : absolute, to be relative to; None to stay absolute

    Returns
    -------
    the path as it is; with "./" before it where it begins like a comment, a scheme or a space; a file URI where it
    holds what no line can: control characters, bytes that are no text, a space at the end
    """
    if not _fits_a_line(path):
        return to_uri(path)
    way = None if folder is None else relative_to(path, folder)
    if way is None:
        return path
    if not _fits_a_line(way):  # a folder on the way out of here
        return to_uri(path)
    first = way.partition("/")[0]
    return f"./{way}" if way[0] == "#" or way[0].isspace() or ":" in first or "\\" in first else way


def _fits_a_line(path: str) -> bool:
    ends_well = not path[-1:].isspace()
    return ends_well and len(path.splitlines()) == 1 and all(ord(char) >= 32 and not _odd(char) for char in path)


def _odd(char: str) -> bool:
    return 0x7F <= ord(char) <= 0x9F or 0xD800 <= ord(char) <= 0xDFFF or char == "\ufeff"


def _slashes(path: str) -> str:
    return path.replace(os.sep, "/")
