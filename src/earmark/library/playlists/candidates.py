"""What a playlist is chosen from: vectors and facts of tracks, checked, and which of them are the same recording."""

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError

Vectors = NDArray[np.floating]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

SAME_RECORDING = 0.3  # distance of search vectors, 0 to 2; `benchmarks/playlists.py copies` measures it
_BLOCK = 512
_NOBODY = frozenset({"", "unknown", "unknown artist", "various", "various artists", "va"})
_GUESTS = re.compile(r"[\s(\[]+(feat\.?|ft\.?|featuring)\s.*", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Tracks as a playlist sees them, one row each.

    Parameters
    ----------
    vectors : shape (n, D), each of length 1
    durations : shape (n,), seconds
    artists : n names, "" where it is not known
    recordings : n keys, equal for the same recording, None where nothing is known; near-duplicates are found by their
        vectors in any case
    scores : by tag, shape (n,), in [0, 1]; NaN where a track has none
    liking : shape (n,), in [0, 1]; what speaks for a track apart from its sound, such as how often it was played
    same_below : distance of two vectors from which on they are two recordings; 0 leaves that to `recordings`

    Raises
    ------
    InputError
        If something has another number of rows.
    """

    vectors: Vectors
    durations: NDArray[np.floating] | None = None
    artists: Sequence[str] | None = None
    recordings: Sequence[Hashable | None] | None = None
    scores: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    liking: NDArray[np.floating] | None = None
    same_below: float = SAME_RECORDING

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2:
            raise InputError(f"vectors have the shape {self.vectors.shape}, expected (n, D)")
        named = {"durations": self.durations, "artists": self.artists, "recordings": self.recordings}
        named |= {f"scores of {tag!r}": scores for tag, scores in self.scores.items()} | {"liking": self.liking}
        for name, values in named.items():
            if values is not None and len(values) != len(self):
                raise InputError(f"{name}: {len(values)} rows, but there are {len(self)} vectors")

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: Rows) -> NDArray[np.float32]:
        """Copy the vectors of some rows, shape (m, D).

        Raises
        ------
        InputError
            If one of them is not of length 1.
        """
        taken = np.asarray(self.vectors[rows], np.float32)
        check_unit(taken, rows)
        return taken

    def known_durations(self, rows: Rows | slice) -> NDArray[np.float64]:
        """Return the durations of some rows, shape (m,), seconds; 0 where they are not known."""
        if self.durations is None:
            return np.zeros(len(np.arange(len(self))[rows]))
        durations = np.nan_to_num(np.asarray(self.durations[rows], np.float64), posinf=0.0)
        return np.maximum(durations, 0.0)

    def artist_codes(self, rows: Rows) -> Rows:
        """Number the artists of some rows, shape (m,); negative and all different where the artist is not known."""
        if self.artists is None:
            return -1 - np.arange(len(rows), dtype=np.intp)
        return codes_of([artist_key(self.artists[row]) or None for row in rows.tolist()])

    def distinct(self, rows: Rows, vectors: NDArray[np.float32]) -> Mask:
        """Find which rows to keep so that no recording comes twice; the first one of each stays.

        Parameters
        ----------
        rows : shape (m,), best first
        vectors : shape (m, D); of those rows

        Returns
        -------
        shape (m,)
        """
        keep = far_apart(vectors, self.same_below)
        if self.recordings is not None:
            codes = codes_of([self.recordings[row] for row in rows.tolist()])
            seen: set[int] = set()
            for i in np.flatnonzero(keep).tolist():
                keep[i] = codes[i] not in seen
                seen.add(int(codes[i]))
        return keep


def artist_key(name: str) -> str:
    """Bring an artist's name into the form that is compared: folded, without guests; "" for nobody.

    Examples
    --------
    >>> artist_key("Daft Punk feat. Pharrell Williams"), artist_key("Various Artists")
    ('daft punk', '')
    """
    folded = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    main = _GUESTS.sub("", folded)
    return "" if main in _NOBODY else main


def codes_of(keys: Iterable[Hashable | None]) -> Rows:
    """Number keys, equal ones alike; None gets a negative number of its own each time."""
    numbers: dict[Hashable, int] = {}
    codes = [-1 - i if key is None else numbers.setdefault(key, len(numbers)) for i, key in enumerate(keys)]
    return np.array(codes, np.intp)


def far_apart(vectors: NDArray[np.float32], same_below: float) -> Mask:
    """Keep rows, first come first served, so that no two are nearer than `same_below`; shape (m,)."""
    keep = np.ones(len(vectors), np.bool_)
    if same_below <= 0:
        return keep
    similar = 1 - same_below**2 / 2
    for begin in range(0, len(vectors), _BLOCK):
        near = vectors[begin : begin + _BLOCK] @ vectors[begin:].T > similar
        for i in range(len(near)):
            if keep[begin + i]:
                keep[begin + i + 1 :] &= ~near[i, i + 1 :]
    return keep


def check_unit(vectors: Vectors, rows: Rows) -> None:
    """Raise `InputError` if a vector is not of length 1 (within 1 %), naming its row."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = ~(np.abs(lengths - 1) < 0.01)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(
            f"vector {int(rows[first])} has the length {lengths[first]:.4g}, expected 1",
            hint="divide each vector by its length",
        )


def check_rows(rows: Sequence[int], n: int, what: str) -> None:
    """Raise `InputError` if a row does not exist."""
    for row in rows:
        if not 0 <= row < n:
            raise InputError(f"{what} {row}: there are {n} tracks, numbered from 0")
