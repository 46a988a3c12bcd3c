"""What the fields of tags are called, by meaning and family of tags: one table for reading and for writing.

The first name of each is the one to write; the others are read as well. ID3 frames with a description are written
"TXXX:description", "COMM:description", "UFID:owner"; those of MP4 as mutagen has them.

References
----------
MusicBrainz Picard, Appendix B: Tag Mapping; ID3v2.4.0 native frames; Matroska tag specification; EXIF 2.3 (INFO).
"""

from collections.abc import Mapping

FAMILIES = ("id3", "vorbis", "ape", "mp4", "asf", "info", "aiff", "matroska")
_FREE = "----:com.apple.iTunes:"


def _fields(*names: str | tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Give names to the families in their order; "" for none."""
    pairs = zip(FAMILIES, names, strict=True)
    return {family: (name,) if isinstance(name, str) else name for family, name in pairs if name}


FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "title": _fields("TIT2", "TITLE", "Title", "©nam", "Title", "INAM", "NAME", ("TITLE", "INFO:TITLE")),
    "artist": _fields(
        "TPE1", "ARTIST", "Artist", "©ART", ("Author", "WM/Artist"), "IART", "AUTH", ("ARTIST", "ALBUM:ARTIST")
    ),
    "album": _fields("TALB", "ALBUM", "Album", "©alb", "WM/AlbumTitle", "IPRD", "", ("ALBUM", "ALBUM:TITLE")),
    "album_artist": _fields(
        ("TPE2", "TXXX:ALBUMARTIST", "TXXX:ALBUM ARTIST"),
        ("ALBUMARTIST", "ALBUM ARTIST", "ALBUM_ARTIST"),
        ("Album Artist", "ALBUMARTIST"),
        "aART",
        "WM/AlbumArtist",
        "",
        "",
        ("ALBUM_ARTIST", "ALBUMARTIST", "ALBUM:ARTIST"),
    ),
    "genre": _fields("TCON", "GENRE", "Genre", "©gen", "WM/Genre", "IGNR", "", ("GENRE", "ALBUM:GENRE")),
    "mood": _fields(
        ("TMOO", "TXXX:MOOD"), "MOOD", "Mood", _FREE + "MOOD", "WM/Mood", "", "", ("MOOD", "ALBUM:MOOD")
    ),
    "date": _fields(
        ("TDRC", "TYER", "TDRL"),
        ("DATE", "YEAR"),
        ("Year", "Date"),
        "©day",
        "WM/Year",
        "ICRD",
        "",
        ("DATE", "DATE_RELEASED", "DATE_RECORDED", "YEAR", "ALBUM:DATE_RELEASED", "ALBUM:DATE_RECORDED", "ALBUM:DATE"),
    ),
    "original_date": _fields(
        ("TDOR", "TORY"),
        ("ORIGINALDATE", "ORIGINALYEAR"),
        ("ORIGINALDATE", "ORIGINALYEAR"),
        (_FREE + "originaldate", _FREE + "originalyear"),
        ("WM/OriginalReleaseTime", "WM/OriginalReleaseYear"),
        "",
        "",
        "",
    ),
    "track": _fields(
        "TRCK", ("TRACKNUMBER", "TRACK"), "Track", "trkn", ("WM/TrackNumber", "WM/Track"), ("ITRK", "IPRT"), "",
        ("PART_NUMBER", "TRACK", "TRACKNUMBER"),
    ),
    "disc": _fields(
        "TPOS", ("DISCNUMBER", "DISC"), ("Disc", "DISCNUMBER"), "disk", "WM/PartOfSet", "", "", ("DISC", "DISCNUMBER")
    ),
    "bpm": _fields(
        "TBPM", ("BPM", "TEMPO"), "BPM", ("tmpo", _FREE + "BPM"), "WM/BeatsPerMinute", "IBPM", "", "BPM"
    ),
    "key": _fields(
        ("TKEY", "TXXX:INITIALKEY", "TXXX:KEY"),
        ("INITIALKEY", "KEY", "INITIAL_KEY"),
        ("KEY", "INITIALKEY"),
        (_FREE + "initialkey", _FREE + "KEY"),
        "WM/InitialKey",
        "",
        "",
        ("INITIAL_KEY", "INITIALKEY", "KEY"),
    ),
    "grouping": _fields(
        ("TIT1", "GRP1"), "GROUPING", "Grouping", "©grp", "WM/ContentGroupDescription", "", "", "GROUPING"
    ),
    "comment": _fields(
        ("COMM", "COMM:Comment", "COMM:ID3v1 Comment"),
        ("COMMENT", "DESCRIPTION"),
        "Comment",
        "©cmt",
        ("Description", "WM/Comments"),
        "ICMT",
        "ANNO",
        ("COMMENT", "DESCRIPTION", "ALBUM:COMMENT"),
    ),
    "isrc": _fields("TSRC", "ISRC", "ISRC", _FREE + "ISRC", "WM/ISRC", "", "", "ISRC"),
    "mb_recording": _fields(
        ("UFID:http://musicbrainz.org", "TXXX:MusicBrainz Recording Id", "TXXX:MusicBrainz Track Id"),
        "MUSICBRAINZ_TRACKID",
        "MUSICBRAINZ_TRACKID",
        _FREE + "MusicBrainz Track Id",
        "MusicBrainz/Track Id",
        "",
        "",
        "MUSICBRAINZ_TRACKID",
    ),
    "mb_artist": _fields(
        "TXXX:MusicBrainz Artist Id",
        "MUSICBRAINZ_ARTISTID",
        "MUSICBRAINZ_ARTISTID",
        _FREE + "MusicBrainz Artist Id",
        "MusicBrainz/Artist Id",
        "",
        "",
        "MUSICBRAINZ_ARTISTID",
    ),
    "mb_release": _fields(
        "TXXX:MusicBrainz Album Id",
        "MUSICBRAINZ_ALBUMID",
        "MUSICBRAINZ_ALBUMID",
        _FREE + "MusicBrainz Album Id",
        "MusicBrainz/Album Id",
        "",
        "",
        "MUSICBRAINZ_ALBUMID",
    ),
}  # fmt: skip
# What ID3v2.3 has another frame for: TMOO and TDRC came with ID3v2.4.
ID3V23 = {"mood": "TXXX:MOOD", "date": "TYER", "original_date": "TORY"}


def names_of(meaning: str, family: str) -> tuple[str, ...]:
    """Return the names of a field in a family of tags, the one to write first; none if the family has no such field.

    Examples
    --------
    >>> names_of("mood", "id3"), names_of("isrc", "info")
    (('TMOO', 'TXXX:MOOD'), ())
    """
    return FIELDS[meaning].get(family, ())
