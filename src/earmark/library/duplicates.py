"""Duplicates: which tracks hold the same recording, whole or in part, whatever their files are named and encoded with.

An index over the words of their fingerprints says which tracks may have much in common (`earmark.library.word_index`).
These are laid over each other, and groups are made of those that agree.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.audio.fingerprint import FRAME_SECONDS, Fingerprint, best_offset, overlay
from earmark.errors import InputError, UsageError
from earmark.library.word_index import FingerprintReader, OnProgress, Prints, candidates, laid_down

__all__ = ["Duplicate", "DuplicateGroup", "FingerprintReader", "OnProgress", "Relation", "find_duplicates"]

Relation = Literal["same recording", "excerpt", "longer version"]
SAME, EXCERPT, LONGER = get_args(Relation)

WHOLE = 0.9
"""Share of what is to hear in both that must agree for them to be the same recording."""
PART = 0.8
"""Share of the shorter one that must agree for it to be an excerpt."""

_ENOUGH = 78  # frames, ten seconds: other takes of one phrase that come near each other are shorter
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
    min_seconds: float = 3.0,
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
    min_seconds : what two tracks must have in common, silence not counted, nor the first 1.4 s
    max_bit_error_rate : of what two tracks have in common, settled bits only (`earmark.audio.fingerprint.Overlay`);
        below ten seconds in common, in proportion less
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
    with laid_down(ids, fingerprints, folder, tell) as prints:
        pairs, offsets = candidates(prints, PART, tell)
        joined = _Joined(len(ids))
        found: dict[tuple[int, int], _Evidence] = {}
        for k, ((i, j), offset) in enumerate(zip(pairs.tolist(), offsets.tolist(), strict=True)):
            # What is known to be the same recording needs no further proof: of n copies, n pairs are compared.
            if joined[i] == joined[j]:
                continue
            evidence = _relate(prints[i], prints[j], limits, offset=offset)
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


def _relate(a: Fingerprint, b: Fingerprint, limits: _Limits, *, offset: int | None = None) -> _Evidence | None:
    """Say what b is to a, looking at `offset` first; None for different recordings."""
    heard_a, heard_b = int(np.count_nonzero(a)), int(np.count_nonzero(b))
    least = min(heard_a, heard_b)
    # Where it is not all that agrees, it may be one of many places where a loop fits.
    if offset is not None and np.count_nonzero(overlay(a, b, offset).agrees()) < WHOLE * least:
        offset = None
    pieces = list(_pieces(a, b, offset, limits, WHOLE * least))
    n_frames = sum(piece.n_frames for piece in pieces)
    n_compared = sum(piece.n_compared for piece in pieces)
    if not n_compared:
        return None
    rate = sum(piece.n_errors for piece in pieces) / n_compared
    coverage_a, coverage_b = n_frames / heard_a, n_frames / heard_b
    limit = limits.bit_error_rate * min(n_frames / _ENOUGH, 1)
    if rate > limit or max(coverage_a, coverage_b) < PART:
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


def _pieces(a: Fingerprint, b: Fingerprint, offset: int | None, limits: _Limits, enough: float) -> Iterator[_Piece]:
    """Yield what two tracks have in common, each frame once, until it is enough or no more is found."""
    rest_a, rest_b = a.copy(), b.copy()
    n_found = 0
    for _ in range(_MAX_PIECES):
        if offset is None:
            offset = round(best_offset(rest_a, rest_b, min_frames=limits.n_frames) or 0)
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
        offset = None


def _sum(counts: NDArray[np.uint8]) -> int:
    return int(counts.sum(dtype=np.int64))


def _groups(
    ids: Sequence[str],
    prints: Prints,
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


def _same(prints: Prints, first: int, track: int, seen: _Seen, limits: _Limits) -> tuple[int, _Evidence]:
    """Say why a track is the same recording: compared with the first, or else with one that joined them."""
    evidence = seen[first].get(track) or _relate(prints[first], prints[track], limits)
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
