"""What a dataset is: facts, tracks with their tags, splits that cover every track, and the faults it is known for.

A dataset is a module with two names: `INFO`, what is known before anything is on disk, and `load(root, ...)`, which
reads the published files as they lie there after unpacking and returns a `Dataset`. Parsers are pure: `read_*(file)`.
Nothing here opens audio; labels, splits and statistics work without it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.vocabulary import SPLITS, Vocabulary

Targets = Literal["multi_label", "single_label"]
GROUPS = ("artist", "album", "track")
NO_TAG = "no tag of the vocabulary"


@dataclass(frozen=True)
class Remote:
    """A file that a dataset is published in.

    Parameters
    ----------
    file_name : under which it is kept in the dataset's folder
    url : http or https
    checksum : "sha256:...", "sha1:..." or "md5:..." as published; None if nobody published one
    n_bytes : size; None if not known
    kind : "labels" or "audio"
    unpack : whether it is an archive to unpack in the dataset's folder
    joins : name of the archive that it is one piece of; the pieces joined in order are unpacked
    into : folder below the dataset's, created, that it belongs into
    inner : pattern of archives within the archive that are unpacked in their turn
    """

    file_name: str
    url: str
    checksum: str | None = None
    n_bytes: int | None = None
    kind: Literal["labels", "audio"] = "labels"
    unpack: bool = False
    joins: str | None = None
    into: str = "."
    inner: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a dataset before it is on disk.

    Parameters
    ----------
    name : as it is looked up
    title : as it is published
    description : what it holds, a sentence or two
    n_tracks : as published, of the largest variant
    hours : of audio, about; None if unknown
    licence : of the labels and of the audio
    home : URL
    how_to_get : what to fetch and how it must lie in the folder
    citation : the paper: authors, title, where, year
    options : what `load` takes besides the folder -> what it means and which values there are
    layout : files and folders as they must lie in the root, one per line
    remotes : what `download` fetches, in order
    consent : what the user has to agree to before a download; empty if nothing
    no_download : why there is no legal download of it, or of its audio; empty if there is one
    """

    name: str
    title: str
    description: str
    n_tracks: int
    hours: float | None
    licence: str
    home: str
    how_to_get: str
    citation: str
    layout: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    remotes: tuple[Remote, ...] = ()
    consent: str = ""
    no_download: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "options": dict(self.options),
            "layout": list(self.layout),
            "remotes": [dict(vars(remote)) for remote in self.remotes],
        }


@dataclass(frozen=True, slots=True)
class Track:
    """One labelled recording, or piece of one.

    Parameters
    ----------
    id : unique in its dataset
    audio : where the audio lies, whether or not it does; None where the dataset has none
    tags : as published under the options, in the published order, each once
    artist, album, title : as published, empty where unknown
    groups : of `GROUPS`, the keys of what the track shares with others: tracks of one artist, of one album, clips of
        one recording
    segment : (start, end) in seconds of the part of the audio that is meant; None is all of it
    origin : (start, end) in seconds in the recording that the audio was cut from
    duration : of what is meant, seconds, as published
    tag_weights : one per tag where the dataset has them, such as 0 to 100 of Last.fm
    """

    id: str
    audio: Path | None = None
    tags: tuple[str, ...] = ()
    artist: str = ""
    album: str = ""
    title: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    segment: tuple[float, float] | None = None
    origin: tuple[float, float] | None = None
    duration: float | None = None
    tag_weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fault:
    """Something known to be wrong with a track.

    Parameters
    ----------
    track : its id
    kind : such as "unreadable", "empty", "short", "repetition", "mislabelled", "distorted"
    detail : what is known
    source : who found it
    """

    track: str
    kind: str
    detail: str = ""
    source: str = ""

    @property
    def is_fatal(self) -> bool:
        """Whether there is no audio to be had from the track."""
        return self.kind in ("unreadable", "empty")


@dataclass(frozen=True)
class Split:
    """Who is in which part.

    Parameters
    ----------
    name : as it is looked up
    description : whose split it is, and by which rule
    parts : part ("train", "validation", "test") to the ids of its tracks
    left_out : id of every other track to the reason
    """

    name: str
    description: str
    parts: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in SPLITS:
                raise UnknownNameError("part", part, SPLITS)
        counts = Counter(id for ids in (*self.parts.values(), tuple(self.left_out)) for id in ids)
        twice = [id for id, count in counts.items() if count > 1]
        if twice:
            raise InputError(f"split {self.name!r}: track {twice[0]!r} stands in it {counts[twice[0]]} times")

    def __getitem__(self, part: str) -> tuple[str, ...]:
        if part not in self.parts:
            raise UnknownNameError(f"part of split {self.name!r}", part, self.parts)
        return self.parts[part]

    @property
    def sizes(self) -> dict[str, int]:
        """How many tracks each part has."""
        return {part: len(ids) for part, ids in self.parts.items()}

    def part_of(self) -> dict[str, str]:
        """Return the part of every track that has one, by its id."""
        return {id: part for part, ids in self.parts.items() for id in ids}


@dataclass(frozen=True)
class Dataset:
    """A dataset as it lies on disk.

    Parameters
    ----------
    info : what it is
    root : its folder
    options : that it was loaded with
    tracks : in the published order
    vocabulary : the tags to learn, K of them, in the order of the columns of `targets`
    task : whether a track has any number of tags or exactly one
    split_makers : name of a split to the function that makes it; the first is the default
    faults : known ones of tracks that are there
    """

    info: DatasetInfo
    root: Path
    options: Mapping[str, Any]
    tracks: tuple[Track, ...]
    vocabulary: Vocabulary
    task: Targets = "multi_label"
    split_makers: Mapping[str, Callable[[], Split]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if len(self._by_id) != len(self.tracks):
            twice = next(id for id, n in Counter(track.id for track in self.tracks).items() if n > 1)
            raise InputError(f"{self.root}: two tracks of {self.info.name} have the id {twice!r}")

    @cached_property
    def _by_id(self) -> dict[str, Track]:
        return {track.id: track for track in self.tracks}

    @cached_property
    def _splits(self) -> dict[str, Split]:
        return {}

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[Track]:
        return iter(self.tracks)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __getitem__(self, id: str) -> Track:
        if id not in self._by_id:
            raise InputError(
                f"{self.info.name} in {self.root} has no track {id!r}", hint=f"such as {_some(self._by_id)}"
            )
        return self._by_id[id]

    @property
    def split_names(self) -> tuple[str, ...]:
        """The published splits, and ours; the first is the default."""
        return tuple(self.split_makers)

    def split(self, name: str | None = None) -> Split:
        """Return a split by its name, or the default one.

        Raises
        ------
        UnknownNameError
            If the dataset has no such split, or none at all.
        InputError
            If it does not cover every track exactly once.
        """
        if name is None or name not in self.split_makers:
            if not self.split_makers or name is not None:
                raise UnknownNameError(f"split of {self.info.name}", name or "default", self.split_makers)
            name = self.split_names[0]
        if name not in self._splits:
            made = self.split_makers[name]()
            check_covers(made, self._by_id)
            self._splits[name] = made
        return self._splits[name]

    def targets(self, ids: Iterable[str] | None = None) -> NDArray[np.bool_]:
        """Return which tags of the vocabulary tracks carry.

        Parameters
        ----------
        ids : of tracks; all unless given

        Returns
        -------
        shape (n, K)
        """
        tracks = self.tracks if ids is None else [self[id] for id in ids]
        column = {tag: k for k, tag in enumerate(self.vocabulary.tags)}
        found = np.zeros((len(tracks), len(column)), dtype=np.bool_)
        for i, track in enumerate(tracks):
            found[i, [column[tag] for tag in track.tags if tag in column]] = True
        return found


def check_covers(split: Split, ids: Mapping[str, object]) -> None:
    """Raise `InputError` unless a split names every one of `ids` and nothing else."""
    named = {id for part in split.parts.values() for id in part} | set(split.left_out)
    strange = next((id for id in named if id not in ids), None)
    if strange is not None:
        raise InputError(f"split {split.name!r} names track {strange!r}, which the dataset does not have")
    missing = next((id for id in ids if id not in named), None)
    if missing is not None:
        raise InputError(f"split {split.name!r} says nothing of track {missing!r}")


def covering(
    name: str,
    description: str,
    parts: Mapping[str, Sequence[str]],
    tracks: Iterable[Track],
    *,
    reasons: Mapping[str, str] | None = None,
    otherwise: str = "not in the published lists",
) -> Split:
    """Make a split of lists, and give every track that is in none a reason.

    Parameters
    ----------
    name, description, parts : see `Split`; ids that no track has are dropped: a folder may hold a part of a dataset
    tracks : all there are
    reasons : id to why it is left out
    otherwise : the reason of the others
    """
    ids = [track.id for track in tracks]
    known, why = set(ids), dict(reasons or {})
    kept = {part: tuple(id for id in listed if id in known) for part, listed in parts.items()}
    taken = {id for listed in kept.values() for id in listed}
    return Split(name, description, kept, {id: why.get(id, otherwise) for id in ids if id not in taken})


def count_tags(tracks: Iterable[Track]) -> Counter[str]:
    """Count the tracks of every tag."""
    return Counter(tag for track in tracks for tag in track.tags)


def by_frequency(counts: Mapping[str, int]) -> list[str]:
    """Sort tags: the most frequent first, those of equal frequency by their names (code points)."""
    return sorted(counts, key=lambda tag: (-counts[tag], tag))


def most_frequent(ranked: Sequence[str], chosen: object, *, names: str) -> Sequence[str]:
    """Return as many tags as the option `vocabulary` asks for.

    Parameters
    ----------
    ranked : all tags, the most frequent first
    chosen : how many
    names : what else the option may be, such as "all"

    Raises
    ------
    UsageError
        If `chosen` is no number from 1 to that of all tags.
    """
    if isinstance(chosen, int) and not isinstance(chosen, bool) and 0 < chosen <= len(ranked):
        return ranked[:chosen]
    digits = chosen.removeprefix("top") if isinstance(chosen, str) else ""
    fits = digits.isdecimal() and 0 < int(digits) <= len(ranked)
    hint = f"vocabulary={digits} takes the {digits} most frequent" if fits else None
    expected = f"{names}, or a number of tags from 1 to {len(ranked)}"
    raise UsageError(f"vocabulary={chosen!r}, expected {expected}", hint=hint)


def check_choice(name: str, value: object, known: Iterable[str]) -> None:
    """Raise `UsageError` if the value of an option is none of those it takes.

    Examples
    --------
    >>> check_choice("subset", "genres", ("genre", "moodtheme"))
    Traceback (most recent call last):
    earmark.errors.UsageError: subset='genres', expected one of genre, moodtheme
    """
    words = list(known)
    if value not in words:
        close = get_close_matches(str(value), words, n=1)
        hint = f"did you mean {close[0]!r}?" if close else None
        raise UsageError(f"{name}={value!r}, expected one of {', '.join(words)}", hint=hint)


def _some(names: Iterable[str], n: int = 3) -> str:
    return ", ".join(repr(name) for name in islice(names, n))
