"""Duplicates: which tracks hold the same recording, whole or in part, whatever their files are named and encoded with.

Copies have many words of their fingerprints in common, bit by bit, and other recordings next to none. So all words are
sorted; where two tracks share one, the next second and a half is looked at; and where that agrees, the two tracks are
laid over each other. Every word is looked at once, whatever the number of tracks.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.audio.fingerprint import FRAME_SECONDS, Fingerprint, best_offset, count_bits, overlay
from earmark.errors import InputError, UsageError

Relation = Literal["same recording", "excerpt", "longer version"]
SAME, EXCERPT, LONGER = get_args(Relation)
FingerprintReader = Callable[[Sequence[str]], Sequence[Fingerprint]]
OnProgress = Callable[[str, float], None]

WHOLE = 0.9
"""Share of what is to hear in both that must agree for them to be the same recording."""
PART = 0.8
"""Share of the shorter one that must agree for it to be an excerpt."""

_READ_TRACKS = 512  # that a reader is asked for at a time
_MAX_ENTRIES = 1 << 24  # words that are sorted at a time: 128 MB
_MAX_PARTS = 32  # in which all words are sorted; beyond it, some kinds of words are not looked at
_SLAB = 1 << 21  # sorted words that are compared at a time
_LINKS = 24  # tracks with the same word that each is paired with
_AHEAD = np.arange(2, 14, 2)  # frames behind a common word that are looked at
_MAX_PIECES = 8  # that two tracks may have in common at different offsets


@dataclass(frozen=True)
class Duplicate:
    """A track of a group, and why it is there.

    Parameters
    ----------
    id : the track
    relation : to `of`: "same recording", "excerpt" (all of it lies in `of`), "longer version" (all of `of` lies in it)
    of : the track it was compared with: the group's reference, or one that is the same recording as the reference
    bit_error_rate : share of the settled bits that differ where the two agree; 0 for copies, 0.01 for low bit rates
    offset_seconds : into `of`, at which the track begins; negative where `of` begins inside the track
    matched_seconds : where the two agree, silence not counted
    coverage : share of what is to hear in the track that agrees with `of`
    coverage_of : share of what is to hear in `of` that agrees with the track
    n_pieces : 1 where both run alike; more where something was cut out of one, or one runs slightly faster
    """

    id: str
    relation: Relation
    of: str
    bit_error_rate: float
    offset_seconds: float
    matched_seconds: float
    coverage: float
    coverage_of: float
    n_pieces: int = 1


@dataclass(frozen=True)
class DuplicateGroup:
    """Tracks with the same recording.

    Parameters
    ----------
    reference : the first of those that are the same recording, in the order that was given
    duplicates : the others: the same recording first, then longer versions, then excerpts
    """

    reference: str
    duplicates: tuple[Duplicate, ...]

    @property
    def same(self) -> tuple[str, ...]:
        """The reference, and the tracks that are the same recording."""
        return (self.reference, *(each.id for each in self.duplicates if each.relation == SAME))


def find_duplicates(
    ids: Sequence[str],
    fingerprints: Sequence[Fingerprint] | FingerprintReader,
    *,
    min_seconds: float = 5.0,
    max_bit_error_rate: float = 0.03,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
) -> list[DuplicateGroup]:
    """Find tracks that hold the same recording.

    Parameters
    ----------
    ids : names of n tracks, each different; of a group, the first stands for it, so put the best first
    fingerprints : n arrays as of `earmark.audio.fingerprint.Fingerprinter`; or a function that reads them, which is
        called with some hundred ids at a time, in order, once for each
    min_seconds : what two tracks must have in common, silence not counted
    max_bit_error_rate : of what two tracks have in common, settled bits only (`earmark.audio.fingerprint.Overlay`)
    folder : where all fingerprints are laid down in a temporary file; the system's folder for such files unless given
    on_progress : called with the name of the step and the share of it that is done, in [0, 1]

    Returns
    -------
    groups in the order of their references. A track may stand in several: in that of its own recording and, as an
    excerpt, in that of a mix which holds it. A mix does not join the tracks that lie in it.

    Raises
    ------
    InputError
        If ids repeat, or the number of fingerprints is another one.
    UsageError
        If `min_seconds` is not positive, or `max_bit_error_rate` not between 0 and 0.5.

    Notes
    -----
    `benchmarks/duplicates.py` measures what is found and what is not, false matches among real tracks, and time and
    memory for 100,000 tracks. Another mastering is found as the same recording; it differs in more bits, as copies of
    low quality do. Copies that run more than about half a percent faster or slower are not found, nor are other takes.

    Examples
    --------
    >>> prints = np.random.default_rng(0).integers(1, 1 << 32, (2, 400), dtype=np.uint32)
    >>> groups = find_duplicates(["song", "other", "part"], [prints[0], prints[1], prints[0, 100:250]])
    >>> for each in groups[0].duplicates:
    ...     print(each.id, "is", each.relation, "of", each.of, "from", round(each.offset_seconds, 1), "s on")
    part is excerpt of song from 12.8 s on
    """
    if min_seconds <= 0 or not 0 < max_bit_error_rate < 0.5:
        raise UsageError(
            f"min_seconds={min_seconds}, max_bit_error_rate={max_bit_error_rate}: expected a positive number of "
            "seconds, and a rate between 0 and 0.5"
        )
    if len(set(ids)) != len(ids):
        raise InputError("several tracks have the same id", hint="leave out the tracks that stand there twice")
    tell = on_progress or (lambda step, done: None)
    limits = _Limits(max(round(min_seconds / FRAME_SECONDS), 1), max_bit_error_rate)
    with _laid_down(ids, fingerprints, folder, tell) as prints:
        pairs, offsets = _candidates(prints, tell)
        joined = _Joined(len(ids))
        found: dict[tuple[int, int], _Evidence] = {}
        for k, (i, j) in enumerate(pairs.tolist()):
            # What is known to be the same recording needs no further proof: of n copies, n pairs are compared.
            evidence = _relate(prints[i], prints[j], int(offsets[k]), limits) if joined[i] != joined[j] else None
            if evidence is not None:
                found[i, j] = evidence
                if evidence.relation == SAME:
                    joined.join(i, j)
            if k % 256 == 0:
                tell("comparing", k / len(pairs))
        tell("comparing", 1.0)
        return _groups(ids, prints, found, joined, limits)


@dataclass(frozen=True)
class _Limits:
    n_frames: int  # that two tracks must have in common
    bit_error_rate: float


class _Prints:
    """All fingerprints, one behind the other, in a file that is mapped into memory.

    Parameters
    ----------
    words : shape (n_words,)
    starts : shape (n_tracks + 1,), where each begins
    """

    def __init__(self, words: Fingerprint, starts: NDArray[np.int64]) -> None:
        self.words = words
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, track: int) -> Fingerprint:
        return np.asarray(self.words[self.starts[track] : self.starts[track + 1]])

    def tracks_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which tracks some places of `words` belong to."""
        return np.searchsorted(self.starts, places, side="right") - 1


@contextmanager
def _laid_down(
    ids: Sequence[str], fingerprints: Sequence[Fingerprint] | FingerprintReader, folder: Path | None, tell: OnProgress
) -> Iterator[_Prints]:
    if not callable(fingerprints) and len(fingerprints) != len(ids):
        raise InputError(
            f"{len(fingerprints)} fingerprints of {len(ids)} tracks", hint="give one for each id, in order"
        )
    lengths = [0]
    with tempfile.TemporaryFile(dir=folder, prefix="earmark-") as file:
        for begin in range(0, len(ids), _READ_TRACKS):
            wanted = ids[begin : begin + _READ_TRACKS]
            given = fingerprints(wanted) if callable(fingerprints) else fingerprints[begin : begin + len(wanted)]
            if len(given) != len(wanted):
                raise InputError(f"asked for {len(wanted)} fingerprints, {len(given)} came")
            for name, words in zip(wanted, given, strict=True):
                if words.dtype != np.uint32 or words.ndim != 1:
                    raise InputError(
                        f"{name}: {words.dtype} of shape {words.shape} is no fingerprint",
                        hint="expected uint32, shape (n,)",
                    )
                lengths.append(len(words))
                file.write(np.ascontiguousarray(words).data)
            tell("reading", (begin + len(wanted)) / len(ids))
        file.flush()
        starts = np.cumsum(lengths, dtype=np.int64)
        if starts[-1] >= 1 << 32:
            raise InputError(
                f"{starts[-1] * FRAME_SECONDS / 3600:,.0f} hours of music are more than can be searched at once",
                hint="look for duplicates in parts of them, up to 150,000 hours each",
            )
        words = np.memmap(file, dtype=np.uint32, mode="r") if starts[-1] else np.zeros(0, dtype=np.uint32)
        yield _Prints(words, starts)


def _candidates(prints: _Prints, tell: OnProgress) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of tracks that agree somewhere, shape (n_pairs, 2), and the offset at which most of it does."""
    n_parts = -(-len(prints.words) // (_MAX_ENTRIES * 15 // 16))
    found = []
    for part in range(min(n_parts, _MAX_PARTS)):
        for first, second in _common_words(prints, part, n_parts):
            found.append(_tallied(_offsets(prints, first, second)))
        tell("searching", (part + 1) / min(n_parts, _MAX_PARTS))
    if not found:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int64)
    rows = _tallied(np.concatenate(found))
    # Of each pair the offset that most words speak for.
    rows = rows[np.lexsort((-rows["n"], rows["j"], rows["i"]))]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (rows["i"][1:] != rows["i"][:-1]) | (rows["j"][1:] != rows["j"][:-1])
    best = rows[is_first]
    return np.stack([best["i"], best["j"]], axis=1).astype(np.int64), best["offset"].astype(np.int64)


_HIT = np.dtype([("i", np.int32), ("j", np.int32), ("offset", np.int32), ("n", np.int32)])


def _common_words(prints: _Prints, part: int, n_parts: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield places of the same word in two tracks, behind which both go on alike. Each word falls into one part."""
    entries = _sorted_entries(prints, part, n_parts)
    for begin in range(0, len(entries), _SLAB):
        slab = entries[begin : begin + _SLAB + _LINKS]
        words, places = (slab >> np.uint64(32)).astype(np.uint32), (slab & np.uint64(_LOW)).astype(np.int64)
        alive = np.arange(min(_SLAB, len(slab)))
        for distance in range(1, _LINKS + 1):
            alive = alive[alive + distance < len(slab)]
            alive = alive[words[alive] == words[alive + distance]]
            if not alive.size:
                break
            first, second = places[alive], places[alive + distance]
            goes_on = _go_on_alike(prints.words, first, second)
            yield first[goes_on], second[goes_on]


def _sorted_entries(prints: _Prints, part: int, n_parts: int) -> NDArray[np.uint64]:
    """Return words and their places as one number each, sorted; of each track, a word counts where it comes first."""
    entries, n = np.empty(_MAX_ENTRIES, dtype=np.uint64), 0
    for begin in range(0, len(prints.words), _SLAB):
        words = np.asarray(prints.words[begin : begin + _SLAB])
        # Fibonacci hashing: Knuth, "The Art of Computer Programming" 3, section 6.4.
        kinds = ((words * np.uint32(0x9E3779B1)) >> 16).astype(np.uint32) * np.uint32(n_parts) >> np.uint32(16)
        places = np.flatnonzero((words != 0) & (kinds == part))
        if n + len(places) > len(entries):  # parts are equal in the mean only
            entries = np.concatenate([entries, np.empty(len(entries) // 4 + len(places), dtype=np.uint64)])
        entries[n : n + len(places)] = (words[places].astype(np.uint64) << np.uint64(32)) | (places + begin).astype(
            np.uint64
        )
        n += len(places)
    entries = entries[:n]
    entries.sort()
    words = (entries >> np.uint64(32)).astype(np.uint32)
    again = np.flatnonzero(words[1:] == words[:-1]) + 1
    tracks = [prints.tracks_of((entries[at] & np.uint64(_LOW)).astype(np.int64)) for at in (again, again - 1)]
    is_first = np.ones(n, dtype=bool)
    is_first[again[tracks[0] == tracks[1]]] = False
    return entries[is_first]


_LOW = 0xFFFFFFFF


def _go_on_alike(words: Fingerprint, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell behind which places a quarter of the bits or fewer differ for a second and a half."""
    errors = np.zeros(len(first), dtype=np.int64)
    is_inside = second + _AHEAD[-1] < len(words)
    for ahead in _AHEAD:
        one, other = (words[np.minimum(places + ahead, len(words) - 1)] for places in (first, second))
        errors += np.where((one == 0) | (other == 0), 16, count_bits(one ^ other))
    alike: NDArray[np.bool_] = is_inside & (errors <= 8 * len(_AHEAD))
    return alike


def _offsets(prints: _Prints, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.void]:
    rows = np.empty(len(first), dtype=_HIT)
    rows["i"], rows["j"] = prints.tracks_of(first), prints.tracks_of(second)
    rows["offset"] = (first - prints.starts[rows["i"]]) - (second - prints.starts[rows["j"]])
    rows["n"] = 1
    return rows


def _tallied(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Add up the rows of the same pair and offset."""
    if not len(rows):
        return rows
    rows = rows[np.lexsort((rows["offset"], rows["j"], rows["i"]))]
    changes = np.any([rows[name][1:] != rows[name][:-1] for name in ("i", "j", "offset")], axis=0)
    begins = np.concatenate([[0], np.flatnonzero(changes) + 1])
    out: NDArray[np.void] = rows[begins]
    out["n"] = np.add.reduceat(rows["n"], begins)
    return out


@dataclass(frozen=True)
class _Evidence:
    """What track i and track j have in common, seen from i.

    Parameters
    ----------
    relation : of j to i
    offset : frames into i at which j begins, by the longest piece
    """

    relation: Relation
    bit_error_rate: float
    offset: int
    n_frames: int
    coverage_i: float
    coverage_j: float
    n_pieces: int

    def turned(self) -> "_Evidence":
        other: Relation = {SAME: SAME, EXCERPT: LONGER, LONGER: EXCERPT}[self.relation]
        return replace(
            self, relation=other, offset=-self.offset, coverage_i=self.coverage_j, coverage_j=self.coverage_i
        )


def _relate(a: Fingerprint, b: Fingerprint, offset: int, limits: _Limits) -> _Evidence | None:
    """Say what b is to a, beginning with what they have in common at `offset`; None for different recordings."""
    heard_a, heard_b = int(np.count_nonzero(a)), int(np.count_nonzero(b))
    pieces = list(_pieces(a, b, offset, limits, WHOLE * min(heard_a, heard_b)))
    n_frames = sum(piece.n_frames for piece in pieces)
    n_compared = sum(piece.n_compared for piece in pieces)
    if not n_compared:
        return None
    rate = sum(piece.n_errors for piece in pieces) / n_compared
    coverage_a, coverage_b = n_frames / heard_a, n_frames / heard_b
    if rate > limits.bit_error_rate or max(coverage_a, coverage_b) < PART:
        return None
    longest = max(pieces, key=lambda piece: piece.n_frames)
    relation = SAME if min(coverage_a, coverage_b) >= WHOLE else EXCERPT if heard_b <= heard_a else LONGER
    return _Evidence(relation, rate, longest.offset, n_frames, coverage_a, coverage_b, len(pieces))


@dataclass(frozen=True)
class _Piece:
    offset: int
    n_frames: int
    n_errors: int
    n_compared: int


def _pieces(a: Fingerprint, b: Fingerprint, offset: int, limits: _Limits, enough: float) -> Iterator[_Piece]:
    """Yield what two tracks have in common, each frame once, until it is enough or no more is found."""
    rest_a, rest_b = a.copy(), b.copy()
    n_found = 0
    for k in range(_MAX_PIECES):
        laid = overlay(rest_a, rest_b, offset)
        agrees = laid.agrees()
        if k == 0 and np.count_nonzero(agrees) < enough:
            # What the words in common speak for may be one of many places where a loop fits.
            offset = _best(rest_a, rest_b, limits)
            laid = overlay(rest_a, rest_b, offset)
            agrees = laid.agrees()
        n_frames = int(np.count_nonzero(agrees))
        if n_frames < limits.n_frames:
            return
        yield _Piece(offset, n_frames, _sum(laid.errors[agrees]), _sum(laid.compared[agrees]))
        n_found += n_frames
        if n_found >= enough:
            return
        for rest, begin in zip((rest_a, rest_b), laid.begins, strict=True):
            rest[begin : begin + len(agrees)][agrees] = 0
        offset = _best(rest_a, rest_b, limits)


def _best(a: Fingerprint, b: Fingerprint, limits: _Limits) -> int:
    return round(best_offset(a, b, min_frames=limits.n_frames) or 0)


def _sum(counts: NDArray[np.uint8]) -> int:
    return int(counts.sum(dtype=np.int64))


def _groups(
    ids: Sequence[str],
    prints: _Prints,
    found: dict[tuple[int, int], _Evidence],
    core_of: "_Joined",
    limits: _Limits,
) -> list[DuplicateGroup]:
    """Make a group of the tracks that are the same recording, and add what holds it and what lies in it."""
    seen: _Seen = defaultdict(dict)
    for (i, j), evidence in found.items():
        seen[i][j], seen[j][i] = evidence, evidence.turned()
    cores: dict[int, list[int]] = defaultdict(list)
    for track in sorted(seen):
        cores[core_of[track]].append(track)
    groups: dict[int, _Group] = {}
    for number, core in cores.items():
        group = groups[number] = {track: _same(prints, core[0], track, seen, limits) for track in core[1:]}
        for relation in (LONGER, EXCERPT) if group else (EXCERPT,):  # a single track is named by what it lies in
            for track in core:
                for other, evidence in sorted(seen[track].items()):
                    if core_of[other] != number and evidence.relation == relation:
                        group.setdefault(other, (track, evidence))
    told = []
    for number, group in groups.items():
        first = cores[number][0]
        # A single track whose excerpts lie, as it does itself, in something longer.
        holders = {core_of[other] for other, evidence in seen[first].items() if evidence.relation == LONGER}
        is_again = len(cores[number]) == 1 and any({first, *group} <= groups[holder].keys() for holder in holders)
        if group and not is_again:
            told.append((first, tuple(_duplicate(ids, of, track, each) for track, (of, each) in group.items())))
    return [DuplicateGroup(ids[first], duplicates) for first, duplicates in sorted(told, key=lambda item: item[0])]


_Seen = defaultdict[int, dict[int, _Evidence]]  # from a track: what others are to it
_Group = dict[int, tuple[int, _Evidence]]  # of a track: what it was compared with, and what it is to that


class _Joined:
    """Which of n tracks are the same recording: for each, one that stands for all."""

    def __init__(self, n: int) -> None:
        self._heads = list(range(n))

    def __getitem__(self, track: int) -> int:
        heads = self._heads
        while heads[track] != track:
            heads[track] = heads[heads[track]]
            track = heads[track]
        return track

    def join(self, i: int, j: int) -> None:
        self._heads[self[j]] = self[i]


def _same(prints: _Prints, first: int, track: int, seen: _Seen, limits: _Limits) -> tuple[int, _Evidence]:
    """Say why a track is the same recording: compared with the first, or else with one that joined them."""
    evidence = seen[first].get(track) or _relate(prints[first], prints[track], 0, limits)
    if evidence is not None and evidence.relation == SAME:
        return first, evidence
    others = [(other, each.turned()) for other, each in seen[track].items() if each.relation == SAME]
    return min(others, key=lambda item: item[1].bit_error_rate)


def _duplicate(ids: Sequence[str], of: int, track: int, evidence: _Evidence) -> Duplicate:
    return Duplicate(
        id=ids[track],
        relation=evidence.relation,
        of=ids[of],
        bit_error_rate=evidence.bit_error_rate,
        offset_seconds=evidence.offset * FRAME_SECONDS,
        matched_seconds=evidence.n_frames * FRAME_SECONDS,
        coverage=min(evidence.coverage_j, 1.0),
        coverage_of=min(evidence.coverage_i, 1.0),
        n_pieces=evidence.n_pieces,
    )
