"""Find the tags of a file that can be written to, its own first, then the others that are kept in step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earmark.audio import mpeg
from earmark.audio.identity import find_kind
from earmark.audio.identity.plain import tags_behind, tags_in_front
from earmark.audio.identity.view import View
from earmark.tagfile.changes import Splice
from earmark.tagfile.editing import Damaged, EditableTag
from earmark.tagfile.write_ape import ApeTag, open_ape
from earmark.tagfile.write_asf import open_asf
from earmark.tagfile.write_chunks import open_chunks
from earmark.tagfile.write_id3 import Id3Tag, open_id3, open_id3v1
from earmark.tagfile.write_mp4 import open_mp4
from earmark.tagfile.write_vorbis import open_flac, open_ogg

_APE_NATIVE = (b"MAC ", b"wvpk", b"MPCK", b"MP+", b"OFR ", b"tBaK", b"TTA")
_NO_TAGS = {"matroska": "Matroska and WebM", "dsd": "DSD", "caf": "CAF", "au": "au"}
_TAKES = "tags go into mp3, FLAC, Ogg, Opus, m4a and mp4, WMA, APE, WavPack, Musepack, TTA, WAV and AIFF"


@dataclass(frozen=True)
class Opened:
    """The tags of a file.

    Parameters
    ----------
    tags : the first is the one to write to; the others are kept in step
    finish : returns what else changes in the file for given changes of its tags
    """

    tags: Sequence[EditableTag]
    finish: Callable[[Sequence[Splice]], Sequence[Splice]] = lambda splices: ()


def open_tags(view: View) -> Opened:
    """Find the tags of a file by its content.

    Raises
    ------
    Damaged
        If the file takes no tags here, or a tag cannot be followed to its end.
    """
    kind, begin = find_kind(view)
    if kind in _NO_TAGS:
        raise Damaged(f"no tags are written to {_NO_TAGS[kind]} files; {_TAKES}")
    if begin and kind not in ("plain", "flac"):
        raise Damaged("something stands before the beginning of the file, a tag perhaps, where none should be")
    behind, foremost = _behind(view, begin)
    if kind in ("wave", "aiff"):
        form, chunk_tags = open_chunks(view, begin)
        return Opened([*chunk_tags, *behind], form.finished)
    if kind == "plain":
        return Opened(_plain(view, begin, behind, foremost))
    return Opened([_open_own(view, kind, begin), *_in_front(view), *behind])


def _open_own(view: View, kind: str, begin: int) -> EditableTag:
    if kind == "flac":
        return open_flac(view, begin)
    if kind == "ogg":
        return open_ogg(view, begin)
    return open_mp4(view, begin) if kind == "mp4" else open_asf(view, begin)


def _in_front(view: View) -> list[EditableTag]:
    found = tags_in_front(view)
    return [(open_ape if tag.kind == "APEv2" else open_id3)(view, tag.begin, tag.end) for tag in found]


def _behind(view: View, begin: int) -> tuple[list[EditableTag], int]:
    """Open the tags at the end of the file; return where a new APEv2 tag would go, too."""
    tags: list[EditableTag] = []
    place = view.size
    for tag in tags_behind(view, begin):
        if tag.kind == "APEv2":
            tags.append(open_ape(view, tag.begin, tag.end))
        elif tag.kind == "ID3v2":
            tags.append(open_id3(view, tag.begin, tag.end))
        else:
            place = min(place, tag.begin)
            if tag.kind == "ID3v1" and (id3v1 := open_id3v1(view, tag.begin, tag.end)):
                tags.append(id3v1)
    return tags, place


def _plain(view: View, begin: int, behind: list[EditableTag], place: int) -> list[EditableTag]:
    """Put the tag first that programs read for this kind of file."""
    tags = [*_in_front(view), *behind]
    magic = view.at(begin, 4)
    missing: EditableTag
    if magic.startswith(_APE_NATIVE):
        has_id3 = magic[:3] == b"TTA" and any(tag.family == "id3" and tag.kind != "ID3v1" for tag in tags)
        family, missing = ("id3" if has_id3 else "ape"), ApeTag(place, place)
    elif mpeg.find_stream(view.file, begin) is not None:
        family, missing = "id3", Id3Tag(4, 0, 0)
    else:
        raise Damaged(f"this kind of file takes no tags here; {_TAKES}")
    own = next((tag for tag in tags if tag.family == family and tag.kind != "ID3v1"), missing)
    return [own, *(tag for tag in tags if tag is not own)]
