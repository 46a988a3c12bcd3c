"""Songs in moments, the same for two networks with other sample rates, chunks and steps."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.errors import UsageError
from earmark.explain.activations import Activations, LayerMaps, activations
from earmark.explain.opening import Song
from earmark.explain.passages import quickly
from earmark.models.base import TaggingModel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_N_SHIFTS = 8
_STEPS_PER_CELL = 4.0  # of faster maps so many neighbouring steps are averaged that this is left


def hear(
    model: TaggingModel,
    songs: Sequence[Song],
    layers: Sequence[str],
    *,
    cell_seconds: float,
    sample_rate: int | None = None,
) -> list[Activations]:
    """Return the maps of some layers on songs, to be compared in cells.

    Parameters
    ----------
    model, songs, layers, cell_seconds, sample_rate : as of `cka`

    Raises
    ------
    UsageError
        If there are no songs, or a cell has no length.
    """
    if not cell_seconds > 0 or not songs:
        raise UsageError(f"{len(songs)} songs in cells of {cell_seconds:g} s", hint="a song at least, cells above 0 s")
    found = []
    with quickly(model):
        for song in songs:
            rate = sample_rate if isinstance(song, np.ndarray) else None
            max_rate = _STEPS_PER_CELL / cell_seconds
            found.append(activations(model, song, layers, is_ranked=False, max_rate=max_rate, sample_rate=rate))
    return found


def shifts(n: int) -> list[int]:
    """Return by how many of n moments one network's answers are shifted against the other's, to see what chance gives.

    Examples
    --------
    >>> shifts(60), shifts(4)
    ([15, 19, 24, 28, 32, 36, 41, 45], [1, 2, 3])
    """
    return sorted({int(k) for k in np.linspace(n / 4, 3 * n / 4, _N_SHIFTS).round() if 0 < k < n})


class Cells:
    """The same moments of songs as two networks hear them.

    Only steps that see no padding count, unless a layer has no others: what a network answers to the seams between its
    chunks comes at the same times in any network with chunks as long, whatever the music.

    Parameters
    ----------
    a, b : of every song the maps of the first network, and those of the second
    cell_seconds : length of a moment at least
    has_rows : whether the rows of a map are features of their own, or averaged
    """

    def __init__(
        self, a: Sequence[Activations], b: Sequence[Activations], cell_seconds: float, *, has_rows: bool
    ) -> None:
        self.sides, self.cell_seconds, self.has_rows = (a, b), cell_seconds, has_rows
        self.known: dict[tuple[int, str], list[tuple[Floats, Mask]]] = {}
        both = zip(a, b, strict=True)  # rates may differ by a fraction of a cell
        self.lengths = [min(_n_cells(one, cell_seconds), _n_cells(other, cell_seconds)) for one, other in both]

    def group(self, side: int, layer: str) -> int:
        """How many cells a step of a layer takes."""
        steps = [heard[layer].step_seconds for heard in self.sides[side]]
        return max(int(np.ceil(max(steps) / self.cell_seconds - 1e-6)), 1)

    def n_moments(self, n: int) -> int:
        """How many moments of n cells there are in all songs."""
        return sum(length // n for length in self.lengths)

    def table(self, side: int, layer: str, n: int) -> tuple[Floats, Mask]:
        """Return the features of moments of n cells, shape (n_moments, p), and which of them count, (n_moments,)."""
        if (side, layer) not in self.known:
            self.known[side, layer] = [
                _cells(heard, heard[layer], self.cell_seconds, has_rows=self.has_rows) for heard in self.sides[side]
            ]
        parts, masks = [], []
        for length, (cells, counts) in zip(self.lengths, self.known[side, layer], strict=True):
            whole, weights = cells[: length // n * n], counts[: length // n * n].reshape(length // n, n)
            sums = (whole.reshape(length // n, n, cells.shape[1]) * weights[:, :, None]).sum(axis=1)
            parts.append(sums / np.maximum(weights.sum(axis=1), 1)[:, None])
            masks.append(weights.any(axis=1))
        return np.concatenate(parts), np.concatenate(masks)


def _n_cells(heard: Activations, cell_seconds: float) -> int:
    return max(int(heard.n_seconds / cell_seconds + 1e-6), 1)


def _cells(heard: Activations, maps: LayerMaps, cell_seconds: float, *, has_rows: bool) -> tuple[Floats, Mask]:
    """Average maps over moments, (C, F, T) -> (n_cells, C F), or (n_cells, C) without rows; and say which count."""
    values = maps.values.reshape(-1, maps.values.shape[-1]) if has_rows else maps.values.mean(axis=1)
    counts = np.ones(len(maps.times), bool) if maps.is_padded.all() else ~maps.is_padded
    n_cells = _n_cells(heard, cell_seconds)
    begin = float(heard.chunk_starts[0])
    cell = np.floor((maps.times - begin) / cell_seconds).astype(int)
    middles = begin + (np.arange(n_cells) + 0.5) * cell_seconds
    between = (maps.times[:-1] + maps.times[1:]) / 2
    nearest = np.searchsorted(between, middles)  # what stands for a cell that no step lies in
    table, mask = values[:, nearest].astype(np.float64).T, counts[nearest]
    for i in np.unique(cell[(cell >= 0) & (cell < n_cells)]).tolist():
        mask[i] = bool(counts[cell == i].any())
        if mask[i]:
            table[i] = values[:, (cell == i) & counts].mean(axis=1)
    return table, mask
