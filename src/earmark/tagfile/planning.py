"""What would change in a file for given fields: compared with every tag that it has, nothing written."""

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from earmark.audio.identity.view import View, viewing
from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.tagfile.changes import FieldChange, FileChange, FileState, NewTags, Splice
from earmark.tagfile.editing import Damaged, EditableTag, has, in_order, texts_of
from earmark.tagfile.fields import ID3V23, names_of
from earmark.tagfile.opening import Opened, open_tags
from earmark.tagfile.write_id3 import Id3v1Tag

NO_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType({})
_RAW = {"id3": "TXXX:", "vorbis": "", "ape": "", "mp4": "----:com.apple.iTunes:", "asf": ""}
_ID3V1 = ("TCON", "COMM")
_CARRIED = ("title", "artist", "album", "album_artist", "date", "track", "disc", "genre", "comment")
_NUMBERED = re.compile(r"\d{1,3}$|\((\d+|RX|CR)\)|(RX|CR)$")
_ONE_TEXT = ("COMM", "Description", "TBPM", "tmpo")


def plan(
    path: str | os.PathLike[str],
    new: NewTags,
    *,
    keep_existing: bool | Collection[str] = True,
    names: Mapping[str, Mapping[str, tuple[str, ...]]] = NO_NAMES,
    hard_links: Literal["refuse", "split"] = "refuse",
) -> FileChange:
    """Say what would change in a file; nothing is written.

    Parameters
    ----------
    path : of the file; a link is followed
    new : what is to stand in it
    keep_existing : whether a meaning that has a value in any tag of the file keeps it; or the meanings that do. Fields
        of earmark's own are always replaced
    names : to write instead of the first of `fields.FIELDS`, by meaning and family of tags
    hard_links : "split" lets a file that has several names become one of its own under this name; the other names keep
        what was there before

    Returns
    -------
    false if nothing would change

    Raises
    ------
    InputError
        If the file cannot be read, its container takes no tags here, a tag is so damaged that a change is a risk, or
        the file has several names (hard links).
    UsageError
        If a tempo is no number, or the genre of an ID3 tag is one.
    MissingExtraError
        If mutagen is not installed.

    Notes
    -----
    Each tag stays in its version. A new tag of an mp3, WAV or AIFF file is ID3v2.4; ID3v2.2 and 2.3 hold one text in a
    frame, so values are joined by "; ". The field goes into the file's own tag; in further ones (APEv2 beside ID3, ID3
    before FLAC, INFO lists) it is brought up to date where it is there. An ID3v1 tag that is there follows: the first
    genre that has a number, 255 ("none") if none has, and as much of the comment as there is room for.

    Many programs read the file's own tag alone once there is one. So if it is new, or empty, what the others say of
    title, artist, album, date, track, genre and comment goes into it, too.
    """
    name = os.fsdecode(path)
    try:
        import mutagen  # noqa: F401
    except ImportError:
        raise MissingExtraError("writing tags", "library") from None
    with viewing(path) as view:
        before = FileState.of(view.file.fileno())
        entry = os.fstat(view.file.fileno())
        if entry.st_nlink > 1 and hard_links == "refuse" and stat.S_ISREG(entry.st_mode):
            raise InputError(
                f"{name}: not written: the file has {entry.st_nlink} names (hard links), and a new one would have one",
                hint="let it become a file of its own under this name, and the others keep what they are",
            )
        try:
            opened = open_tags(view)
            changes, kept, wanted = _compare(opened.tags, new, keep_existing, names)
            splices = _splices(view, opened, wanted)
        except Damaged as error:
            raise InputError(f"{name}: not written: {error}", hint="the file stays as it is") from None
    kinds = tuple(dict.fromkeys(tag.kind for tag, fields in zip(opened.tags, wanted, strict=True) if fields))
    if not splices:
        changes, kinds = [], ()
    return FileChange(name, os.path.realpath(name), before, tuple(changes), kept, kinds, tuple(splices))


def _compare(
    tags: Sequence[EditableTag],
    new: NewTags,
    keep_existing: bool | Collection[str],
    names: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> tuple[list[FieldChange], tuple[str, ...], list[dict[str, tuple[str, ...]]]]:
    """Return the changes, the meanings that keep their value, and for each tag what its fields are to say."""
    wanted: list[dict[str, tuple[str, ...]]] = [{} for _ in tags]
    changes, kept = [], []
    for meaning, values in new.values.items():
        is_kept = keep_existing if isinstance(keep_existing, bool) else meaning in keep_existing
        if is_kept and any(texts_of(tag, name) for tag in tags for name in names_of(meaning, tag.family)):
            kept.append(meaning)
            continue
        targets = [_names(tag, meaning, names, is_own=i == 0) for i, tag in enumerate(tags)]
        changes += _field_change(tags, meaning, values, targets, wanted)
    for raw, values in new.raw.items():
        targets = []
        for i, tag in enumerate(tags):
            name = f"{_RAW[tag.family]}{raw}" if tag.family in _RAW and tag.kind != "ID3v1" else ""
            targets.append([name] if name and (i == 0 or has(tag, name)) else [])
        changes += _field_change(tags, raw, values, targets, wanted)
    if wanted[0] and not any(item.texts for item in tags[0].items):
        changes += _carried(tags, new, kept, wanted)
    return changes, tuple(kept), wanted


def _carried(
    tags: Sequence[EditableTag],
    new: NewTags,
    kept: Collection[str],
    wanted: Sequence[dict[str, tuple[str, ...]]],
) -> Iterator[FieldChange]:
    """Yield what the file's own tag, which is empty, takes from the others; note it in `wanted`."""
    for meaning in _CARRIED:
        is_number = tags[0].family == "mp4" and meaning in ("track", "disc")  # kept there in another form
        if is_number or (meaning in new.values and meaning not in kept):
            continue
        found = (texts_of(tag, name) for tag in tags[1:] for name in names_of(meaning, tag.family))
        values = next((texts for texts in found if texts), ())
        if values:
            targets = [_names(tags[0], meaning, NO_NAMES, is_own=True)[:1], *([] for _ in tags[1:])]
            yield from _field_change(tags, meaning, values, targets, wanted)


def _names(
    tag: EditableTag, meaning: str, names: Mapping[str, Mapping[str, tuple[str, ...]]], *, is_own: bool
) -> list[str]:
    """Return the fields of a tag that are to hold a meaning: the ones to write, and the others that are there."""
    known = names_of(meaning, tag.family)
    there = [name for name in known if has(tag, name)]
    if not is_own:
        return [name for name in there if tag.kind != "ID3v1" or name in _ID3V1]
    first = names.get(meaning, {}).get(tag.family) or known[:1]
    if tag.kind in ("ID3v2.2", "ID3v2.3") and meaning in ID3V23:
        first = tuple(ID3V23[meaning] if name == known[0] else name for name in first)
    return list(dict.fromkeys([*first, *there]))


def _field_change(
    tags: Sequence[EditableTag],
    name: str,
    values: tuple[str, ...],
    targets: Sequence[Sequence[str]],
    wanted: Sequence[dict[str, tuple[str, ...]]],
) -> list[FieldChange]:
    """Note in `wanted` what is to change; return it as one change, or none."""
    fields, before, after = [], [], []
    for tag, names, own in zip(tags, targets, wanted, strict=True):
        for field in names:
            texts = _texts(tag, field, values)
            was = texts_of(tag, field)
            if texts == was and (texts or not has(tag, field)):
                continue
            if isinstance(tag, Id3v1Tag) and tag.holds(field, texts):  # it has less room than the text may need
                continue
            own[field] = texts
            fields.append(field if tag is tags[0] else f"{tag.kind}:{field}")
            before.append(was)
            after.append(texts)
    if not fields:
        return []
    return [FieldChange(name, tuple(fields), next((texts for texts in before if texts), ()), after[0])]


def _texts(tag: EditableTag, field: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return values as a field of this tag holds them."""
    if not values:
        return ()
    if field in ("TBPM", "tmpo", "BPM", "IBPM", "WM/BeatsPerMinute"):
        try:
            tempo = float(values[0])
        except ValueError:
            raise UsageError(f"{values[0]!r} is no tempo", hint="give beats per minute, such as 128 or 127.5") from None
        if not 0 < tempo < 1 << 15:
            raise UsageError(f"{values[0]} beats per minute are no tempo")
        if field in ("TBPM", "tmpo"):
            return (str(max(round(tempo), 1)),)
    if field == "TCON" and (numbers := [text for text in values if _NUMBERED.match(text)]):
        raise UsageError(
            f"the genre {numbers[0]!r} would be read as the number of another one in ID3 tags",
            hint="give it a name that neither is a number nor begins with one in brackets",
        )
    is_old = tag.kind in ("ID3v2.2", "ID3v2.3", "APEv1") or tag.family in ("info", "aiff")
    return ("; ".join(values),) if is_old or field.partition(":")[0] in _ONE_TEXT else values


def _splices(view: View, opened: Opened, wanted: Sequence[Mapping[str, tuple[str, ...]]]) -> list[Splice]:
    """Return the bytes that change, without those that come out the same."""
    splices = [
        splice
        for tag, fields in zip(opened.tags, wanted, strict=True)
        if fields
        for splice in in_order(tag.splices(fields))
    ]
    splices = in_order([*splices, *opened.finish(splices)])
    for splice, following in pairwise(splices):
        if splice.end > following.begin:
            raise Damaged("two of its tags lie in one place")
    return [trimmed for splice in splices if (trimmed := _trimmed(view, splice))]


def _trimmed(view: View, splice: Splice) -> Splice | None:
    """Leave out what is the same before and after at both ends."""
    old, new = view.at(splice.begin, splice.end - splice.begin), splice.data
    if old == new:
        return None
    n = min(len(old), len(new))
    head = _n_common(old[:n], new[:n])
    n -= head
    tail = _n_common(old[len(old) - n :][::-1], new[len(new) - n :][::-1])
    return Splice(splice.begin + head, splice.end - tail, new[head : len(new) - tail])


def _n_common(a: bytes, b: bytes) -> int:
    """Count the bytes that two texts of one length begin with in common."""
    low, high = 0, len(a)
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
