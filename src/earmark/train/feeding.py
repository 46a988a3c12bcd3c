"""What a step is fed: which tracks, which crops of them, cut into pieces for devices and read ahead."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.crops import StoreCrops, order, place
from earmark.parallel import map_ordered
from earmark.train.options import RunOptions

REPEAT = 1 << 32  # the second crop of a track in an epoch is that of the epoch so many later


@dataclass(frozen=True)
class Piece:
    """What a device works on at once.

    Parameters
    ----------
    indices : shape (B,), of the tracks in the training part
    crops : shape (B, S), float32
    share : of the step's items
    """

    indices: NDArray[np.int64]
    crops: NDArray[np.float32]
    share: float


def n_batches(n_tracks: int, options: RunOptions) -> int:
    """Return the steps of an epoch; a last batch that is not full is left out, unless it is the only one."""
    return max(n_tracks // options.batch_size, 1)


def drawn(targets: NDArray[np.bool_], options: RunOptions, epoch: int) -> list[tuple[int, int]]:
    """Return which tracks an epoch hears, in order, each with the epoch that its crop is of.

    Parameters
    ----------
    targets : shape (n, K), of the training tracks
    options : their `balance`, "tags" or "none", and `seed`
    epoch : from 0

    Notes
    -----
    Balanced, an epoch draws n tracks with replacement, each with the mean over its tags of one over the tracks with
    that tag; a track without tags counts as one with a tag that all of them share. The idea is that of the balanced
    sampling of Kong et al., "PANNs", 2020, which goes through the classes in turn.
    """
    n = len(targets)
    if options.balance == "none":
        return [(int(index), epoch) for index in order(n, options.seed, epoch)]
    counts = targets.sum(axis=0)
    weights = targets @ (1 / np.maximum(counts, 1)) / np.maximum(targets.sum(axis=1), 1)
    without = ~targets.any(axis=1)
    weights[without] = 1 / max(int(without.sum()), 1)
    edges = np.cumsum(weights) / weights.sum()
    places = [place(options.seed, epoch, n + i) for i in range(n)]
    found = np.minimum(np.searchsorted(edges, places, side="right"), n - 1)
    seen: dict[int, int] = {}
    out = []
    for index in found.tolist():
        out.append((index, epoch + REPEAT * seen.get(index, 0)))
        seen[index] = seen.get(index, 0) + 1
    return out


def steps(
    crops: StoreCrops, chosen: list[tuple[int, int]], options: RunOptions, *, rank: int = 0, world: int = 1
) -> Iterator[list[Piece]]:
    """Yield the pieces of one device, step by step, read ahead by `options.readers` threads.

    Parameters
    ----------
    crops : of the training part
    chosen : what `drawn` returned
    options : of the run
    rank, world : which device of how many
    """
    size = options.batch_size
    whole = [chosen[i * size : (i + 1) * size] for i in range(n_batches(len(chosen), options))]

    def read(batch: list[tuple[int, int]]) -> list[Piece]:
        pieces = []
        parts = np.array_split(np.arange(len(batch)), world * options.accumulate)
        for part in parts[rank * options.accumulate : (rank + 1) * options.accumulate]:
            items = [batch[i] for i in part]
            stacked = np.empty((len(items), *crops.shape), np.float32)
            for row, (index, epoch) in zip(stacked, items, strict=True):
                row[...] = crops.at(index, epoch)
            indices = np.array([index for index, _ in items], np.int64)
            pieces.append(Piece(indices, stacked, len(items) / len(batch)))
        return [piece for piece in pieces if len(piece.indices)]

    return map_ordered(read, whole, jobs=options.readers)
