"""An index over the words of all fingerprints: which tracks have something in common, and where.

Copies have many words in common, bit by bit, and other recordings next to none. So all words are sorted, and every word
is looked at once, whatever the number of tracks. The fingerprints lie in a file that is mapped into memory, so that
what is needed of them is at hand and no more.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.audio.fingerprint import FRAME_SECONDS, Fingerprint, count_bits
from earmark.errors import InputError

FingerprintReader = Callable[[Sequence[str]], Sequence[Fingerprint]]
OnProgress = Callable[[str, float], None]

_READ_TRACKS = 512  # that a reader is asked for at a time
_MAX_ENTRIES = 1 << 24  # words that are sorted at a time: 128 MB
_MAX_PARTS = 32  # in which all words are sorted; beyond it, some kinds of words are not looked at
_THOROUGH = 1 << 26  # words of all tracks up to which each is looked up; beyond, in long tracks, as many as this
_SHORT = 470  # words, a minute: of a track that has fewer each is looked up in any case
_SLAB = 1 << 21  # sorted words that are compared at a time
_LINKS = 24  # tracks with the same word that each is paired with
_NEXT = np.array([3, 6, 9, 12, 15])  # frames from a common word on that are looked at, in one direction or the other
_FIRST = 6, 11  # one frame in each direction and the bits that may differ there: most chance ends with these
_ALIKE = 7  # bits of a word that may differ there; of words of different recordings half of 32 do
_SAMPLES = 48  # frames of two tracks that are looked at before all of them are
_PAIRS = 1 << 13  # for which that is done at a time
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_HIT = np.dtype([("i", np.int32), ("j", np.int32), ("offset", np.int32), ("n", np.int32)])

Words = Fingerprint  # here, of all tracks
Places = NDArray[np.int64]  # in these


class Candidates(NamedTuple):
    """Pairs of tracks that may have much in common.

    Parameters
    ----------
    pairs : shape (n, 2), ascending
    offsets : shape (n,), frames into the first at which the second begins, by most of the words that speak for a pair
    """

    pairs: NDArray[np.int64]
    offsets: NDArray[np.int64]


def candidates(prints: "Prints", least: float, tell: OnProgress) -> Candidates:
    """Find pairs of tracks that may have much in common.

    Parameters
    ----------
    prints : of all tracks
    least : share of the shorter one that must agree, roughly
    tell : called with "searching" and the share of it that is done

    Notes
    -----
    A pair has a word in common; from there on, or up to there, the two go on alike for two seconds; and a sample of
    frames says that, with what lies at other offsets, at least half of `least` may agree.
    """
    n_parts = max(-(-len(prints.words) // (_MAX_ENTRIES * 15 // 16)), 1)
    n_looked_at = min(n_parts, _MAX_PARTS)
    found = [np.empty(0, dtype=_HIT)]
    for part in range(n_looked_at):
        for first, second in _common_words(prints, part, n_parts):
            found.append(_tallied(_offsets(prints, first, second)))
        tell("searching", (part + 1) / n_looked_at)
    rows = _tallied(np.concatenate(found))
    rows = rows[np.lexsort((-rows["n"], rows["j"], rows["i"]))]
    begins = np.flatnonzero(_changes(rows, "i", "j"))
    best = rows[begins]
    totals = np.add.reduceat(rows["n"], begins) if len(rows) else rows["n"]
    keep = np.zeros(len(best), dtype=bool)
    for start in range(0, len(best), _PAIRS):
        block = slice(start, start + _PAIRS)
        keep[block] = _sampled(prints, best[block]) * totals[block] / best["n"][block] >= least / 2
    best = best[keep]
    return Candidates(np.stack([best["i"], best["j"]], axis=1).astype(np.int64), best["offset"].astype(np.int64))


def _sampled(prints: "Prints", rows: NDArray[np.void]) -> NDArray[np.float64]:
    """Estimate of some pairs which share of the shorter one agrees at the offset, from a sample of frames."""
    begins = np.maximum(rows["offset"], 0).astype(np.int64)
    lengths = np.diff(prints.starts)
    n_common = np.minimum(lengths[rows["i"]] - begins, lengths[rows["j"]] - np.maximum(-rows["offset"], 0))
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    at = begins[:, np.newaxis] + (n_common[:, np.newaxis] * steps).astype(np.int64)  # (pairs, samples)
    one = prints.words[prints.starts[rows["i"], np.newaxis] + at]
    other = prints.words[prints.starts[rows["j"], np.newaxis] + at - rows["offset"][:, np.newaxis]]
    alike = (one != 0) & (other != 0) & (count_bits(one ^ other) <= _ALIKE)
    shorter = np.minimum(prints.heard[rows["i"]], prints.heard[rows["j"]])
    estimates: NDArray[np.float64] = alike.mean(axis=1) * n_common / np.maximum(shorter, 1)
    return estimates


class Prints:
    """All fingerprints, one behind the other, in a file that is mapped into memory.

    Parameters
    ----------
    words : shape (n_words,)
    starts : shape (n_tracks + 1,), where each begins
    heard : shape (n_tracks,), how many of its words are not silence
    """

    def __init__(self, words: Fingerprint, starts: Places, heard: NDArray[np.int64]) -> None:
        self.words = words
        self.starts = starts
        self.heard = heard

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, track: int) -> Fingerprint:
        return np.asarray(self.words[self.starts[track] : self.starts[track + 1]])

    def tracks_of(self, places: Places) -> NDArray[np.int64]:
        """Return which tracks some places of `words` belong to."""
        return np.searchsorted(self.starts, places, side="right") - 1


@contextmanager
def laid_down(
    ids: Sequence[str], fingerprints: Sequence[Fingerprint] | FingerprintReader, folder: Path | None, tell: OnProgress
) -> Iterator[Prints]:
    """Copy fingerprints into a temporary file, for as long as the context lasts.

    Parameters
    ----------
    ids : names of n tracks
    fingerprints : n arrays, or a function that reads them by their names, some hundred at a time
    folder : where the file lies; the system's folder for such files if None
    tell : called with "reading" and the share of it that is done

    Raises
    ------
    InputError
        If their number is another one, something is no fingerprint, or they are more than 2 ** 32 words.
    """
    if not callable(fingerprints) and len(fingerprints) != len(ids):
        raise InputError(
            f"{len(fingerprints)} fingerprints of {len(ids)} tracks", hint="give one for each id, in order"
        )
    lengths, heard = [0], []
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
                heard.append(np.count_nonzero(words))
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
        yield Prints(words, starts, np.array(heard, dtype=np.int64))


def _common_words(prints: Prints, part: int, n_parts: int) -> Iterator[tuple[Places, Places]]:
    """Yield places of the same word in two tracks, around which both are alike. Each word falls into one part."""
    entries = _sorted_entries(prints, part, n_parts)
    thorough = int(min(_THOROUGH / max(len(prints.words), 1), 1) * (1 << 16))
    is_short = np.append(np.diff(prints.starts) < _SHORT, False)
    for begin in range(0, len(entries), _SLAB):
        slab = entries[begin : begin + _SLAB + _LINKS]
        words, places = (slab >> _HALF).astype(np.uint32), (slab & _LOW).astype(np.int64)
        is_wanted = _hashed(words, 0x85EBCA6B) < thorough
        if thorough < 1 << 16:
            is_wanted |= is_short[prints.tracks_of(places)]
        alive = np.arange(min(_SLAB, len(slab)))
        for distance in range(1, _LINKS + 1):
            alive = alive[alive + distance < len(slab)]
            alive = alive[words[alive] == words[alive + distance]]
            if not alive.size:
                break
            wanted = alive[is_wanted[alive] | is_wanted[alive + distance]]
            first, second = places[wanted], places[wanted + distance]
            alike = _alike(prints.words, first, second)
            yield first[alike], second[alike]


def _sorted_entries(prints: Prints, part: int, n_parts: int) -> NDArray[np.uint64]:
    """Return words and their places as one number each, sorted; of each track, a word counts where it comes first."""
    entries, n = np.empty(min(_MAX_ENTRIES, len(prints.words)), dtype=np.uint64), 0
    for begin in range(0, len(prints.words), _SLAB):
        words = np.asarray(prints.words[begin : begin + _SLAB])
        kinds = _hashed(words, 0x9E3779B1).astype(np.uint32) * np.uint32(n_parts) >> np.uint32(16)
        places = np.flatnonzero((words != 0) & (kinds == part))
        if n + len(places) > len(entries):  # parts are equal in the mean only
            entries = np.concatenate([entries, np.empty(len(entries) // 4 + len(places), dtype=np.uint64)])
        entries[n : n + len(places)] = words[places].astype(np.uint64) << _HALF | (places + begin).astype(np.uint64)
        n += len(places)
    entries = entries[:n]
    entries.sort()
    again = np.flatnonzero(entries[1:] >> _HALF == entries[:-1] >> _HALF) + 1
    tracks = [prints.tracks_of((entries[at] & _LOW).astype(np.int64)) for at in (again, again - 1)]
    is_first = np.ones(n, dtype=bool)
    is_first[again[tracks[0] == tracks[1]]] = False
    return entries[is_first]


def _hashed(words: Words, factor: int) -> NDArray[np.uint32]:
    """Return numbers of 16 bits, after Knuth, "The Art of Computer Programming" 3, section 6.4."""
    return words * np.uint32(factor) >> np.uint32(16)


def _alike(words: Words, first: Places, second: Places) -> NDArray[np.bool_]:
    """Tell from which places on, or up to which, two tracks are alike for two seconds."""
    alike = np.zeros(len(first), dtype=bool)
    for direction in (1, -1):
        rest = np.flatnonzero(~alike)
        rest = rest[_errors(words, first[rest], second[rest], _FIRST[0] * direction) <= _FIRST[1]]
        errors = np.zeros(len(rest), dtype=np.int64)
        for step in _NEXT * direction:
            errors += _errors(words, first[rest], second[rest], step)
        alike[rest] = errors <= _ALIKE * len(_NEXT)
    return alike


def _errors(words: Words, first: Places, second: Places, step: int) -> NDArray[np.uint8]:
    """Count the bits that differ `step` frames away; where one is silent, half of them."""
    one, other = (words[np.clip(places + step, 0, len(words) - 1)] for places in (first, second))
    errors = count_bits(one ^ other)
    errors[(one == 0) | (other == 0)] = 16
    return errors


def _offsets(prints: Prints, first: Places, second: Places) -> NDArray[np.void]:
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
    begins = np.flatnonzero(_changes(rows, "i", "j", "offset"))
    out: NDArray[np.void] = rows[begins]
    out["n"] = np.add.reduceat(rows["n"], begins)
    return out


def _changes(rows: NDArray[np.void], *names: str) -> NDArray[np.bool_]:
    """Tell which rows differ from the one before in one of some fields; the first does."""
    changes = np.ones(len(rows), dtype=bool)
    changes[1:] = np.any([rows[name][1:] != rows[name][:-1] for name in names], axis=0)
    return changes
