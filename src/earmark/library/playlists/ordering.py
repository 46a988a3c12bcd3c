"""Which track goes into which slot: beam search builds a list, exchanges and moves make it better.

The cost of a list is the sum of what its tracks cost in their slots and of the squared steps between neighbours. A
track stands in it once; an artist keeps the distance asked for. All of it is deterministic.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from earmark.library.playlists.candidates import Rows
from earmark.library.playlists.plan import Array32

BEAMS, TRIED = 24, 400
SOFT_GAP = 3  # songs within which an artist is not liked to come again, where no rule says it
_WINDOW, _SWEEPS = 32, 20
_LEAST = 1e-6  # gain that counts


@dataclass(frozen=True, eq=False)
class Problem:
    """A list to be found.

    Parameters
    ----------
    costs : shape (L, m), of track j in slot i
    vectors : shape (m, D)
    smooth : cost of a squared step of 1
    artists : shape (m,), numbers
    gap : an artist does not come again within so many songs
    artist_cost : cost of each time that it does; infinite where it must not
    fixed : slot to track, both counted within the problem
    durations : shape (m,), seconds
    seconds : how long the list should last; None where it does not matter
    """

    costs: Array32
    vectors: Array32
    smooth: float
    artists: Rows
    gap: int
    artist_cost: float
    fixed: dict[int, int]
    durations: NDArray[np.float64]
    seconds: float | None = None

    def steps(self, members: Rows, to: Rows | None = None) -> Array32:
        """Cost of the step from each of k tracks to each of some others, or to all, shape (k, m)."""
        others = self.vectors if to is None else self.vectors[to]
        return np.asarray(self.smooth * np.maximum(2 - 2 * (self.vectors[members] @ others.T), 0), np.float32)

    def time_cost(self, lasts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cost of lists that last so many seconds: little within a third of a track, then much."""
        if self.seconds is None:
            return np.zeros_like(lasts)
        off = np.abs(lasts - self.seconds) * len(self.costs) / self.seconds  # in tracks
        return np.asarray(0.3 * off + 20 * np.maximum(off - 1 / 3, 0), np.float64)

    def artist_costs(self, orders: Rows) -> NDArray[np.float64]:
        """Cost of artists that come again too soon, of lists of shape (k, L)."""
        codes = self.artists[orders]
        again = np.zeros(len(orders))
        for gap in range(1, min(self.gap, codes.shape[1] - 1) + 1):
            again += ((codes[:, gap:] == codes[:, :-gap]) & (codes[:, gap:] >= 0)).sum(axis=1)
        return np.where(again > 0, again * self.artist_cost, 0.0) if np.isfinite(self.artist_cost) else 1e6 * again


def solve(problem: Problem) -> list[int]:
    """Find a good list.

    Returns
    -------
    tracks, counted within the problem; fewer than slots where the rules leave no more
    """
    slots, order = beam_search(problem)
    return [int(track) for track in improve(problem, np.array(slots, np.intp), np.array(order, np.intp))]


def beam_search(problem: Problem) -> tuple[list[int], list[int]]:
    """Build lists from the first slot to the last, keeping the best few.

    Returns
    -------
    the slots that could be filled and their tracks
    """
    costs = np.zeros(1)
    lists = np.empty((1, 0), np.intp)
    used = np.zeros((1, len(problem.vectors)), np.bool_)
    used[:, list(problem.fixed.values())] = True
    filled: list[int] = []
    for slot, line in enumerate(problem.costs):
        if slot in problem.fixed:
            tried = np.array([problem.fixed[slot]], np.intp)
        else:
            open_line = np.where(used.all(axis=0), np.inf, line)
            n = min(len(line), TRIED)
            tried = np.sort(np.argpartition(open_line, n - 1)[:n])
            tried = tried[np.isfinite(open_line[tried])]
        total = costs[:, None] + line[tried][None]
        if filled:
            last, of = np.unique(lists[:, -1], return_inverse=True)
            total = total + problem.steps(last, tried)[of]
        if slot not in problem.fixed:
            total[used[:, tried]] = np.inf
            total = total + _artist_costs_of_next(problem, lists, tried, slot)
        flat = total.ravel()
        best = np.argpartition(flat, BEAMS)[:BEAMS] if flat.size > BEAMS else np.arange(flat.size)
        best = best[np.lexsort((best, flat[best]))]
        best = best[np.isfinite(flat[best])]
        if not best.size:  # the rules leave nothing for this slot
            continue
        filled.append(slot)
        came_from, track = best // len(tried), tried[best % len(tried)]
        lists, used = np.column_stack([lists[came_from], track]), used[came_from]
        used[np.arange(len(used)), track] = True
        costs = flat[best]
    return filled, lists[0].tolist()


def _artist_costs_of_next(problem: Problem, lists: Rows, tried: Rows, slot: int) -> NDArray[np.float64]:
    """Cost of each track's artist after each list, shape (k, t); tracks fixed in later slots count as well."""
    near = problem.artists[lists[:, max(0, lists.shape[1] - problem.gap) :]] if problem.gap else lists[:, :0]
    codes = problem.artists[tried]
    again = (near[:, :, None] == codes).sum(axis=1)
    ahead = [problem.artists[track] for at, track in problem.fixed.items() if slot < at <= slot + problem.gap]
    again = np.where(codes < 0, 0, again + np.isin(codes, ahead))
    return np.where(again > 0, problem.artist_cost, 0.0)


def improve(problem: Problem, slots: Rows, order: Rows) -> Rows:
    """Exchange tracks for others and move them within the list until nothing gains.

    Parameters
    ----------
    slots : shape (k,), ascending; the slots that are filled
    order : shape (k,); their tracks

    Returns
    -------
    shape (k,), at no higher cost than before
    """
    held = np.array([slot in problem.fixed for slot in slots], np.bool_)
    costs = problem.costs[slots]
    settled: dict[int, bytes] = {}
    for _ in range(_SWEEPS):
        exchanged = _exchange(problem, costs, order, held)
        moved = False
        for begin in range(0, max(1, len(order) - _WINDOW // 2), _WINDOW // 2):
            moved |= _move(problem, costs, order, held, begin, settled)
        if not exchanged and not moved:
            break
    return order


def _exchange(problem: Problem, costs: Array32, order: Rows, held: NDArray[np.bool_]) -> bool:
    """Put a track from outside into each slot where that gains; changes `order`."""
    gained = False
    steps = problem.steps(order)
    lasts = float(problem.durations[order].sum())
    for i in np.flatnonzero(~held).tolist():
        new = costs[i].astype(np.float64)
        for j in (i - 1, i + 1):
            if 0 <= j < len(order):
                new += steps[j]
        new += problem.time_cost(lasts - problem.durations[order[i]] + problem.durations)
        around = np.delete(order[max(0, i - problem.gap) : i + problem.gap + 1], min(i, problem.gap))
        codes = problem.artists[around]
        again = np.isin(problem.artists, codes[codes >= 0])
        new[again] += problem.artist_cost
        old = new[order[i]]
        new[np.delete(order, i)] = np.inf
        best = int(np.argmin(new))
        if new[best] < old - _LEAST:
            lasts += problem.durations[best] - problem.durations[order[i]]
            order[i] = best
            steps[i] = problem.steps(order[i : i + 1])[0]
            gained = True
    return gained


def _move(
    problem: Problem, costs: Array32, order: Rows, held: NDArray[np.bool_], begin: int, settled: dict[int, bytes]
) -> bool:
    """Turn parts of a window of the list round, swap tracks and shift them where that gains; changes `order`.

    Parameters
    ----------
    begin : of the window
    settled : by begin, the window as it was when nothing gained any more
    """
    margin = max(1, problem.gap)
    end = min(len(order), begin + _WINDOW)
    low, high = max(0, begin - margin), min(len(order), end + margin)
    frozen = held[low:high].copy()
    frozen[: begin - low] = True
    frozen[end - low :] = True
    ways = _arrangements(high - low)
    ways = ways[(ways == ways[0])[:, frozen].all(axis=1)]
    gained = False
    while settled.get(begin) != order[low:high].tobytes():
        part = order[low:high]
        steps = problem.steps(part, part)
        total = costs[low:high, part][np.arange(len(part)), ways].sum(axis=1, dtype=np.float64)
        total += steps[ways[:, :-1], ways[:, 1:]].sum(axis=1, dtype=np.float64)
        total += problem.artist_costs(part[ways])
        best = int(np.argmin(total))
        if total[best] < total[0] - _LEAST:
            order[low:high] = part[ways[best]]
            gained = True
        else:
            settled[begin] = part.tobytes()
    return gained


@cache
def _arrangements(n: int) -> Rows:
    """List ways to arrange n tracks: as they are, a part turned round, two swapped, one shifted; shape (k, n)."""
    as_is = list(range(n))
    found = {tuple(as_is): None}
    for i in range(n):
        for j in range(i + 1, n):
            found[(*as_is[:i], *as_is[i : j + 1][::-1], *as_is[j + 1 :])] = None
            swapped = as_is.copy()
            swapped[i], swapped[j] = j, i
            found[tuple(swapped)] = None
            found[(*as_is[:i], *as_is[i + 1 : j + 1], i, *as_is[j + 1 :])] = None
            found[(*as_is[:i], j, *as_is[i:j], *as_is[j + 1 :])] = None
    return np.array(list(found), np.intp)
