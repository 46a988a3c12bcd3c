"""Check a copy before it takes the place of a file: the audio, what was to change, and all that was not."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from earmark.audio.identity import content_id
from earmark.errors import InputError
from earmark.tagfile.changes import FieldChange, FileChange
from earmark.tagfile.reading import read_tags
from earmark.tagfile.unpacking import bound_frames
from earmark.tagfile.values import clean

_MAX_CHARACTERS = 1 << 20  # longer texts are not read
_SAME = {"©gen": ("gnre",), "Description": ("description",)}


def check_written(change: FileChange, copy: Path) -> None:
    """Compare a copy with the file that it is to replace.

    Parameters
    ----------
    change : that the copy has
    copy : on the disk

    Raises
    ------
    InputError
        If the audio is another, a field does not say what it was to say, or any other field or picture differs.

    Notes
    -----
    Fields and pictures are compared as mutagen reads them, which had no part in the writing. Where it cannot read the
    file, there is nothing to compare with; that no other byte changed is proved by turning the copy back.
    """
    if content_id(change.target) != content_id(copy):
        raise _failed(change, "the audio would have changed")
    found = {name.casefold(): texts for name, texts in read_tags(copy).fields.items()}
    for field in change.changes:
        for name in _own_names([field])[:1]:
            wanted = clean(text for text in field.after if len(text) <= _MAX_CHARACTERS)
            if len(wanted) == len(field.after) and found.get(name.casefold(), ()) != wanted:
                raise _failed(change, f"the field {name} would say {found.get(name.casefold(), ())}, not {wanted}")
    kind = _kind(change.target)
    before, after = (_others(kind, path, change.changes) if kind else None for path in (change.target, copy))
    if before is not None and before != after:
        names = _different(before, after)
        raise _failed(change, f"other fields would have changed: {', '.join(names) or 'all'}")


def _failed(change: FileChange, what: str) -> InputError:
    return InputError(f"{change.path}: not written: {what}", hint="the file stays as it is; please report this")


def _own_names(fields: Iterable[FieldChange]) -> list[str]:
    """Return the names of fields in the file's own tag."""
    kinds = ("APEv2:", "APEv1:", "ID3v1:", "ID3v2.", "RIFF INFO:", "AIFF chunks:")
    return [name for field in fields for name in field.fields if not name.startswith(kinds)]


def _different(before: list[tuple[str, Any]], after: list[tuple[str, Any]] | None) -> list[str]:
    left = list(after or ())
    names = []
    for pair in before:
        if pair in left:
            left.remove(pair)
        else:
            names.append(pair[0])
    return sorted({*names, *(name for name, _ in left)})


def _kind(path: str) -> Any:
    """Return the class of mutagen that reads a file; None if there is none."""
    import mutagen

    bound_frames()
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            found = mutagen.File(file)
    except Exception:  # noqa: BLE001  (what a damaged tag makes mutagen raise is not foreseeable)
        return None
    return None if found is None else type(found)


def _others(kind: Any, path: str | os.PathLike[str], fields: Sequence[FieldChange]) -> list[tuple[str, Any]] | None:
    """Return all fields and pictures but those that change; None if the file cannot be read."""
    names = _own_names(fields)
    changed = {name.casefold() for name in names} | {alias for name in names for alias in _SAME.get(name, ())}
    if any("ID3v1:COMM" in field.fields for field in fields):  # mutagen shows it beside the others
        changed.add("comm:id3v1 comment")
    try:
        found = list(_all_fields(kind, path))
    except Exception:  # noqa: BLE001  (what a damaged tag makes mutagen raise is not foreseeable)
        return None
    return [(name, value) for name, value in found if name.casefold() not in changed]


def _all_fields(kind: Any, path: str | os.PathLike[str]) -> Iterator[tuple[str, Any]]:
    """Yield every field and picture as mutagen reads it."""
    from mutagen.flac import FLAC, VCFLACDict
    from mutagen.flac import Padding as FlacPadding
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4

    with open(path, "rb") as opened:  # noqa: PTH123
        file = kind(opened)
        tags = file.tags
        if isinstance(file, FLAC):
            others = [block for block in file.metadata_blocks if not isinstance(block, VCFLACDict | FlacPadding)]
            yield from ((f"block {block.code}", block.write()) for block in others)
        if isinstance(file, MP4) and file.chapters is not None:
            yield "chapters", [(chapter.start, chapter.title) for chapter in file.chapters]
        if tags is None:
            return
        if isinstance(tags, ID3):
            yield from _frames(tags)
        elif isinstance(tags, list):
            yield from ((name, str(value) if isinstance(value, str) else value) for name, value in tags)
        else:
            yield from tags.items()


def _frames(tags: Any) -> Iterator[tuple[str, Any]]:
    """Yield the frames of an ID3 tag; those that mutagen does not know as bytes."""
    for key, frame in tags.items():
        name = key if key.startswith("TXXX:") else frame.FrameID
        name = name.removesuffix(":")
        if frame.FrameID == "COMM":
            name = f"COMM:{frame.desc}" if frame.desc else "COMM"
        yield name, (type(frame).__name__, [(part, repr(value)) for part, value in sorted(vars(frame).items())])
    for i, data in enumerate(tags.unknown_frames):
        yield f"unknown frame {i}", data
