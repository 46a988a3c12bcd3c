"""Statistics of a dataset: tags, which of them come together, durations, parts, leakage between parts, audio.

Everything but the audio comes from the labels alone.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.datasets.base import GROUPS, Dataset, Fault, Split, Track, by_frequency, count_tags
from earmark.datasets.listening import Heard, listen
from earmark.errors import UsageError
from earmark.vocabulary import SPLITS

MOST_TOGETHER = 500  # tags in the table of co-occurrences, the most frequent ones
BINS = 60  # of a histogram of durations
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Durations:
    """How long tracks are, seconds.

    Parameters
    ----------
    n : tracks whose duration is known
    total, shortest, median, mean, longest : seconds
    edges : of the bins of the histogram, one more than counts
    counts : tracks in each bin
    """

    n: int
    total: float
    shortest: float
    median: float
    mean: float
    longest: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """One part of a split.

    Parameters
    ----------
    split, part : which
    n_tracks : in it
    n_without_tag : of them carry no tag of the vocabulary
    n_groups : group key, such as "artist", to how many different ones are in it
    tags : tracks with each tag of the vocabulary, in its order
    """

    split: str
    part: str
    n_tracks: int
    n_without_tag: int
    n_groups: Mapping[str, int]
    tags: tuple[int, ...]


@dataclass(frozen=True)
class Leak:
    """What two parts of a split share.

    Parameters
    ----------
    split : which
    by : group key: "artist", "album" or "track" (clips of one recording)
    part, other : whose groups are looked for in which
    n_groups : in `part`
    n_shared : of them are also in `other`
    n_tracks : in `part`
    n_shared_tracks : of them are of a group that is also in `other`
    """

    split: str
    by: str
    part: str
    other: str
    n_groups: int
    n_shared: int
    n_tracks: int
    n_shared_tracks: int

    @property
    def share(self) -> float:
        """The share of the tracks of `part` whose group is also in `other`."""
        return self.n_shared_tracks / self.n_tracks if self.n_tracks else 0.0


@dataclass(frozen=True)
class Audio:
    """What was found of the audio.

    Parameters
    ----------
    n_expected : tracks that have audio
    n_present : of them lie in the folder
    durations : as the files say; None if there are none
    sample_rates, n_channels, codecs : value to how many files have it
    unreadable : id and reason of every track whose audio cannot be read
    """

    n_expected: int
    n_present: int
    durations: Durations | None = None
    sample_rates: Mapping[int, int] = field(default_factory=dict)
    n_channels: Mapping[int, int] = field(default_factory=dict)
    codecs: Mapping[str, int] = field(default_factory=dict)
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Statistics:
    """Statistics of a dataset.

    Parameters
    ----------
    name, title, options, task : of the dataset
    n_tracks : in it
    vocabulary : its tags, K of them
    tags : tracks with each tag of the vocabulary, in its order
    published_tags : tag and number of tracks of every tag there is, the most frequent first
    tags_per_track : number of tags of the vocabulary on a track to how many tracks have so many
    without_tag : ids of tracks that carry no tag of the vocabulary
    together : tags of `together_counts`: the vocabulary, or its most frequent 500
    together_counts : shape (K, K), tracks that carry both tags; on the diagonal, those that carry the tag
    n_groups : group key to how many different ones there are; a track of which nothing is known counts as a recording
        of its own, but not as an artist or album
    durations : as published; None if the dataset says nothing of them
    parts, leaks : of every split
    splits : name of every split to its description
    left_out : name of every split to reasons and how many tracks are left out for them
    faults : known ones
    audio : None if it was not looked into
    """

    name: str
    title: str
    options: Mapping[str, Any]
    task: str
    n_tracks: int
    vocabulary: tuple[str, ...]
    tags: tuple[int, ...]
    published_tags: tuple[tuple[str, int], ...]
    tags_per_track: Mapping[int, int]
    without_tag: tuple[str, ...]
    together: tuple[str, ...]
    together_counts: Counts
    n_groups: Mapping[str, int]
    durations: Durations | None
    parts: tuple[Part, ...]
    leaks: tuple[Leak, ...]
    splits: Mapping[str, str]
    left_out: Mapping[str, Mapping[str, int]]
    faults: tuple[Fault, ...]
    audio: Audio | None = None

    @property
    def mean_tags(self) -> float:
        """Tags of the vocabulary on a track, on average."""
        return sum(self.tags) / self.n_tracks if self.n_tracks else 0.0

    def conditional(self) -> NDArray[np.float64]:
        """Return how likely a tag is given another one.

        Returns
        -------
        shape (K, K): in row i and column j the share of the tracks with tag i that also carry tag j; NaN where no
        track carries tag i
        """
        own = np.diag(self.together_counts).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares: NDArray[np.float64] = self.together_counts / own[:, None]
        return shares

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        conditional = self.conditional()
        return plain | {
            "options": dict(self.options),
            "mean_tags": self.mean_tags,
            "together_counts": self.together_counts.tolist(),
            "together_shares": [[None if np.isnan(x) else round(x, 4) for x in row] for row in conditional.tolist()],
            "durations": None if self.durations is None else asdict(self.durations),
            "parts": [asdict(part) for part in self.parts],
            "leaks": [asdict(leak) | {"share": leak.share} for leak in self.leaks],
            "left_out": {name: dict(reasons) for name, reasons in self.left_out.items()},
            "faults": [{name: getattr(fault, name) for name in Fault.__dataclass_fields__} for fault in self.faults],
            "audio": None if self.audio is None else asdict(self.audio),
        }


def compute(
    dataset: Dataset,
    *,
    splits: Iterable[str] | None = None,
    audio: bool = False,
    jobs: int | None = None,
    journal: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Statistics:
    """Compute the statistics of a dataset.

    Parameters
    ----------
    dataset : whose labels are there; its audio may be absent
    splits : names of splits; unless given all, but those that so few tracks cannot fill
    audio : look into the audio files too
    jobs, journal, progress : of looking into them; see `listen`

    Raises
    ------
    UnknownNameError
        If there is no such split.
    InputError
        If the journal cannot be used.
    """
    made = list(_possible_splits(dataset) if splits is None else map(dataset.split, splits))
    per_tag = count_tags(dataset)
    held = [known & set(track.tags) for known in [set(dataset.vocabulary.tags)] for track in dataset]
    together = by_frequency({tag: per_tag[tag] for tag in dataset.vocabulary.tags})[:MOST_TOGETHER]
    together = [tag for tag in dataset.vocabulary.tags if tag in set(together)]
    published = [seconds for track in dataset if (seconds := _published(track)) is not None]
    return Statistics(
        dataset.info.name,
        dataset.info.title,
        dict(dataset.options),
        dataset.task,
        len(dataset),
        tuple(dataset.vocabulary.tags),
        tuple(per_tag[tag] for tag in dataset.vocabulary.tags),
        tuple((tag, per_tag[tag]) for tag in by_frequency(per_tag)),
        dict(sorted(Counter(map(len, held)).items())),
        tuple(track.id for track, tags in zip(dataset, held, strict=True) if not tags),
        tuple(together),
        count_together(held, together),
        _count_groups(dataset),
        describe_durations(published),
        tuple(part for split in made for part in _parts(dataset, split)),
        tuple(leak for split in made for leak in leaks(dataset, split)),
        {split.name: split.description for split in made},
        {split.name: dict(Counter(split.left_out.values()).most_common()) for split in made},
        dataset.faults,
        _listened(dataset, jobs, journal, progress) if audio else None,
    )


def count_together(tracks: Sequence[Iterable[str]], tags: Sequence[str]) -> Counts:
    """Count the tracks that carry two tags.

    Parameters
    ----------
    tracks : the tags of each
    tags : K of them

    Returns
    -------
    shape (K, K)

    Examples
    --------
    >>> count_together([["a", "b"], ["b"]], ["a", "b"]).tolist()
    [[1, 1], [1, 2]]
    """
    column = {tag: k for k, tag in enumerate(tags)}
    counts = np.zeros((len(tags), len(tags)), dtype=np.int64)
    for begin in range(0, len(tracks), 20_000):  # a block at a time: memory
        block = tracks[begin : begin + 20_000]
        held = np.zeros((len(block), len(tags)), dtype=np.float32)
        for i, track in enumerate(block):
            held[i, [column[tag] for tag in track if tag in column]] = 1
        counts += (held.T @ held).astype(np.int64)
    return counts


def leaks(dataset: Dataset, split: Split) -> list[Leak]:
    """Count what the parts of a split share: artists, albums, recordings.

    Parameters
    ----------
    dataset : that is split
    split : of it

    Returns
    -------
    for every group key that the dataset has and every two parts: what of the later part is also in the earlier one
    """
    found = []
    parts = [part for part in SPLITS if split.parts.get(part)]
    for by in _group_names(dataset):
        keys = {part: Counter(_keys(map(dataset.__getitem__, split[part]), by)) for part in parts}
        for other, part in combinations(parts, 2):
            shared = keys[part].keys() & keys[other].keys()
            n_shared_tracks = sum(keys[part][key] for key in shared)
            found.append(
                Leak(split.name, by, part, other, len(keys[part]), len(shared), len(split[part]), n_shared_tracks)
            )
    return found


def describe_durations(seconds: Sequence[float]) -> Durations | None:
    """Describe durations; None if there are none.

    Parameters
    ----------
    seconds : one per track
    """
    if not len(seconds):
        return None
    values = np.asarray(seconds, np.float64)
    counts, edges = np.histogram(values, bins=BINS)
    if values.max() - values.min() < 1e-9:
        counts, edges = np.array([len(values)]), np.array([values[0], values[0]])
    return Durations(
        len(values),
        float(values.sum()),
        float(values.min()),
        float(np.median(values)),
        float(values.mean()),
        float(values.max()),
        tuple(edges.tolist()),
        tuple(counts.tolist()),
    )


def _possible_splits(dataset: Dataset) -> Iterable[Split]:
    for name in dataset.split_names:
        with suppress(UsageError):  # a split of our own has more parts than there are groups
            yield dataset.split(name)


def _group_names(dataset: Dataset) -> list[str]:
    return [by for by in GROUPS if any(by in track.groups for track in dataset)]


def _count_groups(dataset: Dataset) -> dict[str, int]:
    return {by: len(set(_keys(dataset, by))) for by in _group_names(dataset)}


def _keys(tracks: Iterable[Track], by: str) -> Iterable[tuple[str, bool]]:
    """Give the group of every track that has one; a track alone is a recording of its own."""
    for track in tracks:
        if key := track.groups.get(by):
            yield key, True
        elif by == "track":
            yield track.id, False


def _parts(dataset: Dataset, split: Split) -> Iterable[Part]:
    column = {tag: k for k, tag in enumerate(dataset.vocabulary.tags)}
    for part in SPLITS:
        if part not in split.parts:
            continue
        counts, n_without = [0] * len(column), 0
        for id in split[part]:
            held = [column[tag] for tag in dataset[id].tags if tag in column]
            n_without += not held
            for k in held:
                counts[k] += 1
        n_groups = {by: len(set(_keys(map(dataset.__getitem__, split[part]), by))) for by in _group_names(dataset)}
        yield Part(split.name, part, len(split[part]), n_without, n_groups, tuple(counts))


def _published(track: Track) -> float | None:
    """Return how long a track is as far as the labels say."""
    if track.duration is not None:
        return track.duration
    return None if track.segment is None else track.segment[1] - track.segment[0]


def _listened(
    dataset: Dataset,
    jobs: int | None,
    journal: str | os.PathLike[str] | None,
    progress: Callable[[int, int], None] | None,
) -> Audio:
    """Look into the audio files that are there."""
    expected = [track for track in dataset if track.audio is not None]
    paths = {track.id: track.audio for track in expected if track.audio is not None and track.audio.is_file()}
    heard = listen(paths.values(), jobs=jobs, journal=journal if paths else None, progress=progress)
    by_id = {id: heard[path] for id, path in paths.items()}
    readable = [found for path, found in heard.items() if found.is_readable]
    lengths = [_heard_duration(dataset[id], found) for id, found in by_id.items()]
    return Audio(
        len(expected),
        len(paths),
        describe_durations([seconds for seconds in lengths if seconds is not None]),
        dict(Counter(found.sample_rate for found in readable).most_common()),
        dict(Counter(found.n_channels for found in readable).most_common()),
        dict(Counter(found.codec for found in readable).most_common()),
        tuple((id, found.problem) for id, found in by_id.items() if not found.is_readable),
    )


def _heard_duration(track: Track, heard: Heard) -> float | None:
    """Return how long the meant part of a file is, as its header says."""
    if heard.duration is None or track.segment is None:
        return heard.duration
    begin, end = track.segment
    return max(min(end, heard.duration) - begin, 0.0)
