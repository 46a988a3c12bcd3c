"""Read the tags that a file brings along, whatever its container; damaged ones as far as they go."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from earmark.audio.identity import find_kind
from earmark.audio.identity.plain import tags_behind, tags_in_front
from earmark.audio.identity.view import View, viewing
from earmark.errors import MissingExtraError
from earmark.tagfile.containers import own_tags
from earmark.tagfile.id3 import read_ape, read_id3
from earmark.tagfile.source import Source
from earmark.tagfile.values import number, split_names, tempo, year

_MAX_BYTES = 1 << 26
_APE_NATIVE = (b"MAC ", b"wvpk", b"MPCK", b"MP+", b"OFR ", b"tBaK")


@dataclass(frozen=True)
class FileTags:
    """The tags of a file.

    Parameters
    ----------
    artist, title, album, album_artist : several values are joined by "; "; "" where there is none
    genres, moods : single ones, in the order of the file
    year : of the date; of the original date where there is no other
    track_number, disc_number : without how many there are
    bpm : beats per minute
    key : as it is written, such as "F#m" or "8A"
    comment : the first one that is for people
    isrc, mb_recording_id, mb_artist_id, mb_release_id : identifiers, "" where there is none; of several the first
    fields : every text, by the name that it has in the file; ID3 with a description as "TXXX:description", names of
        Vorbis comments and Matroska in capitals; pictures are left out
    kinds : what tags there are, the one that counts most first, such as ("ID3v2.3", "ID3v1")
    problem : what could not be read; "" if all could
    """

    artist: str = ""
    title: str = ""
    album: str = ""
    album_artist: str = ""
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    year: int | None = None
    track_number: int | None = None
    disc_number: int | None = None
    bpm: float | None = None
    key: str = ""
    comment: str = ""
    isrc: str = ""
    mb_recording_id: str = ""
    mb_artist_id: str = ""
    mb_release_id: str = ""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    problem: str = ""


def read_tags(path: str | os.PathLike[str]) -> FileTags:
    """Read the tags of a file, by its content, not its name.

    Parameters
    ----------
    path : of a file

    Returns
    -------
    what the tags say; where a file has several tags, each field is taken from the first that has it. Empty if there
    are none

    Raises
    ------
    InputError
        If the file cannot be read, or is empty. A damaged tag is no error: see `FileTags.problem`.
    MissingExtraError
        If mutagen is not installed.
    """
    try:
        from mutagen.id3 import TCON
    except ImportError:
        raise MissingExtraError("reading tags", "library") from None
    with viewing(path) as view:
        sources = _sources(view)
    return _understood(sources, TCON.GENRES)


def _sources(view: View) -> list[Source]:
    """Read every tag of a file, the one that counts most first."""
    kind, begin = find_kind(view)
    own = own_tags(view, kind, begin)
    around = []
    for tag in tags_in_front(view):
        data = view.at(tag.begin, min(tag.end - tag.begin, _MAX_BYTES))
        around.append(read_ape(data) if tag.kind == "APEv2" else read_id3(data, tag.end - tag.begin))
    last: list[Source] = []
    for tag in tags_behind(view, begin):
        data = view.at(tag.begin, min(tag.end - tag.begin, _MAX_BYTES))
        if tag.kind == "ID3v1":
            at = data.find(b"TAG", max(len(data) - 131, 0))  # not the "TAG+" before it
            last.append(read_id3(data[at:], kind="ID3v1"))
        elif tag.kind == "APEv2":
            around.append(read_ape(data))
        elif tag.kind == "ID3v2":
            around.append(read_id3(data, tag.end - tag.begin))
    if view.at(begin, 4).startswith(_APE_NATIVE):
        around.sort(key=lambda source: source.family != "ape")
    return [source for source in own + around + last if source.kind or source.problem]


def _understood(sources: Sequence[Source], genre_names: Sequence[str]) -> FileTags:
    """Say what the fields of all tags mean."""

    def values(meaning: str) -> tuple[str, ...]:
        return next((found for source in sources if (found := source.find(meaning))), ())

    def names(meaning: str) -> tuple[str, ...]:
        for source in sources:
            if found := split_names(source.find(meaning), genre_names, slash=source.slash):
                return found
        return ()

    def first(meaning: str) -> str:
        return next(iter(values(meaning)), "")

    texts: dict[str, Any] = {
        name: "; ".join(dict.fromkeys(values(name))) for name in ("artist", "title", "album", "album_artist")
    }
    fields: dict[str, tuple[str, ...]] = {}
    for source in reversed(sources):
        fields |= source.fields
    return FileTags(
        **texts,
        genres=names("genre"),
        moods=names("mood"),
        year=year(values("date")) or year(values("original_date")),
        track_number=number(values("track")),
        disc_number=number(values("disc")),
        bpm=tempo(values("bpm")),
        key=first("key"),
        comment=first("comment") or _any_comment(fields),
        isrc=first("isrc"),
        mb_recording_id=first("mb_recording"),
        mb_artist_id=first("mb_artist"),
        mb_release_id=first("mb_release"),
        fields=fields,
        kinds=tuple(source.kind for source in sources if source.kind),
        problem="; ".join(source.problem for source in sources if source.problem),
    )


def _any_comment(fields: Mapping[str, tuple[str, ...]]) -> str:
    """Return the first ID3 comment with a description that no program wrote for itself."""
    programs = ("COMM:iTun", "COMM:Songs-DB", "COMM:MusicMatch", "COMM:ID3v1")
    return next((v[0] for name, v in fields.items() if name.startswith("COMM:") and not name.startswith(programs)), "")
