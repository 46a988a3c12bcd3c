"""What datasets of one's own files share: names of parts, vocabularies, groups, splits, and a walk through folders."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from earmark.audio.io import AUDIO_SUFFIXES
from earmark.datasets.base import DatasetInfo, Split, Targets, Track, by_frequency, count_tags, covering, most_frequent
from earmark.datasets.reading import group_keys, how_to_get, name_key
from earmark.datasets.splitting import By, split_by_group
from earmark.errors import InputError
from earmark.files import walk_files
from earmark.vocabulary import Vocabulary, from_tags

PUBLISHED = "published"
PARTS = {
    "train": ("train", "training", "tr"),
    "validation": ("validation", "valid", "val", "dev", "development", "cv"),
    "test": ("test", "testing", "tt", "eval", "evaluation"),
}
"""Part to the names that people give it."""
_PART_OF = {name: part for part, names in PARTS.items() for name in names}


def part_called(name: str) -> str | None:
    """Return the part that a name stands for, or None.

    Examples
    --------
    >>> part_called("Val"), part_called("fold3")
    ('validation', None)
    """
    return _PART_OF.get(name.strip().lower())


def split_makers(
    tracks: Sequence[Track], part_of: Mapping[str, str], *, description: str, otherwise: str
) -> dict[str, Callable[[], Split]]:
    """Make the splits of tracks: the one that came with them, if one did, and ours.

    Parameters
    ----------
    tracks : all there are
    part_of : id to part, as it came with the tracks; empty if nothing came
    description : of the split that came
    otherwise : why a track is in no part of it

    Returns
    -------
    "published" where `part_of` says anything, and "artist", "track" or "random": what is known of the tracks decides
    whether all tracks of an artist, all pieces of a recording, or nothing in particular stays together
    """

    def published() -> Split:
        parts: dict[str, list[str]] = {part: [] for part in PARTS if part in part_of.values()}
        for id, part in part_of.items():
            parts[part].append(id)
        return covering(PUBLISHED, description, parts, tracks, otherwise=otherwise)

    by: By = next((by for by in ("artist", "track") if any(by in track.groups for track in tracks)), "id")
    name = "random" if by == "id" else by
    makers: dict[str, Callable[[], Split]] = {PUBLISHED: published} if part_of else {}
    return makers | {name: lambda: split_by_group(tracks, by=by, name=name)}


def vocabulary_of(name: str, tracks: Sequence[Track], chosen: str | int) -> Vocabulary:
    """Return the tags of tracks, the most frequent first.

    Parameters
    ----------
    name : of the dataset
    tracks : all there are
    chosen : "all", or how many of the most frequent tags

    Raises
    ------
    UsageError
        If `chosen` is something else.
    InputError
        If no track has a tag.
    """
    tags = by_frequency(count_tags(tracks))
    if not tags:
        raise InputError("no track has a tag", hint=f"what {name} reads: earmark datasets info {name}")
    if chosen == "all":
        return from_tags(name, tags)
    return from_tags(f"{name}-top{chosen}", most_frequent(tags, chosen, names="all"))


def groups_of(artist: str, album: str, recording: str = "") -> Mapping[str, str]:
    """Return group keys made of names; upper and lower case make no difference, nor how accents are encoded.

    Examples
    --------
    >>> groups_of("The Band", "Live")
    {'artist': 'the band', 'album': 'the band / live'}
    """
    artist, album = name_key(artist), name_key(album)
    return group_keys(artist=artist, album=album and " / ".join(filter(None, (artist, album))), track=recording)


def tag_tuple(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags without spaces around them, each once, empty ones left out."""
    return tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))


def find_file(folder: Path, name: str) -> Path:
    """Return where a file lies, also if the disk encodes its accents in another way than the name."""
    path = folder / name
    if name.isascii() or os.path.lexists(path):
        return path
    forms = (folder / unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return next((other for other in forms if os.path.lexists(other)), path)


def walk_audio(root: Path) -> Iterator[Path]:
    """Yield the audio files below a folder, relative to it, sorted; hidden files and folders are left out.

    Warns
    -----
    EarmarkWarning
        If a folder cannot be read.
    """
    for name in walk_files(str(root)):
        path = Path(name)
        if path.suffix.lower() in AUDIO_SUFFIXES:
            yield path.relative_to(root)


@contextmanager
def naming(info: DatasetInfo, path: Path) -> Iterator[None]:
    """Put the name of a file in front of what is wrong with it, and the reason of the disk into words."""
    try:
        yield
    except InputError as error:
        hint = error.hint or how_to_get(info, path)
        named = error.message.startswith(os.fspath(path))
        raise InputError(error.message if named else f"{path}: {error.message}", hint=hint) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def task_of(tracks: Sequence[Track], vocabulary: Vocabulary) -> Targets:
    """Return "single_label" if every track has exactly one tag of the vocabulary, else "multi_label"."""
    known = set(vocabulary.tags)
    one = all(sum(tag in known for tag in track.tags) == 1 for track in tracks)
    return "single_label" if one else "multi_label"
