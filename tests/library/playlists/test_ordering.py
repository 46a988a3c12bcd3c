"""Beam search and improvement by exchange, against all lists there are and against promises."""

import itertools

import numpy as np
import pytest
from playlist_tracks import points

from earmark.library.playlists.ordering import Problem, beam_search, improve, solve


def problem(n_slots: int, n_tracks: int, **options: object) -> Problem:
    seed = int(str(options.pop("seed", 0)))
    rng = np.random.default_rng(seed)
    given = {
        "costs": rng.random((n_slots, n_tracks)).astype(np.float32),
        "vectors": points(n_tracks, seed=seed),
        "smooth": 1.0,
        "artists": np.arange(n_tracks),
        "gap": 0,
        "artist_cost": np.inf,
        "fixed": {},
        "durations": rng.uniform(100, 300, n_tracks),
        **options,
    }
    return Problem(**given)  # type: ignore[arg-type]


def cost(task: Problem, order: list[int]) -> float:
    steps = np.sum((task.vectors[order[1:]] - task.vectors[order[:-1]]) ** 2)
    total = float(task.costs[np.arange(len(order)), order].sum() + task.smooth * steps)
    codes = task.artists[order]
    for gap in range(1, task.gap + 1):
        again = int((codes[gap:] == codes[:-gap]).sum())
        total += again * task.artist_cost if again else 0.0
    return total


@pytest.mark.parametrize("seed", range(8))
def test_finds_the_best_of_all_lists(seed: int) -> None:
    rng = np.random.default_rng(seed)
    task = problem(4, 8, seed=seed, artists=rng.integers(3, size=8), gap=1, artist_cost=0.5, fixed={0: 2})
    every = (order for order in itertools.permutations(range(8), 4) if order[0] == 2)
    best = min(cost(task, list(order)) for order in every)
    assert cost(task, solve(task)) == pytest.approx(best, rel=1e-5)


def test_improvement_never_costs_more_and_helps_a_bad_list() -> None:
    task = problem(60, 200, fixed={0: 5, 30: 6}, gap=2, artists=np.arange(200) // 10, artist_cost=0.5)
    rng = np.random.default_rng(3)
    bad = np.array([5, *np.setdiff1d(rng.permutation(200), [5, 6])[:59]])
    bad[30] = 6
    better = improve(task, np.arange(60), bad.copy()).tolist()
    assert (better[0], better[30]) == (5, 6)
    assert len(set(better)) == 60
    slots, built = beam_search(task)
    best = solve(task)
    assert slots == list(range(60))
    assert cost(task, best) <= cost(task, built) < 0.7 * cost(task, bad.tolist())
    assert cost(task, better) < 0.7 * cost(task, bad.tolist())
    for slot in (1, 29, 31, 59):  # no exchange and no swap gains any more
        for track in set(range(200)) - set(better):
            other = [*better[:slot], track, *better[slot + 1 :]]
            assert cost(task, other) > cost(task, better) - 1e-4
        for at in (2, 28, 40, 58):
            swapped = better.copy()
            swapped[slot], swapped[at] = swapped[at], swapped[slot]
            assert abs(slot - at) > 16 or cost(task, swapped) > cost(task, better) - 1e-4


@pytest.mark.parametrize("gap", [1, 3])
def test_an_artist_keeps_the_distance(gap: int) -> None:
    task = problem(20, 100, artists=np.arange(100) % (gap + 2), gap=gap, fixed={7: 50})
    order = solve(task)
    assert len(order) == 20
    assert order[7] == 50
    for i, track in enumerate(order):
        assert task.artists[track] not in task.artists[order[max(0, i - gap) : i]]


def test_stops_where_the_rules_leave_nothing() -> None:
    task = problem(10, 30, artists=np.zeros(30, int), gap=2)
    assert len(solve(task)) == 1
    task = problem(10, 30, artists=np.arange(30) % 2, gap=1)
    assert len(solve(task)) == 10
    unknown = problem(10, 30, artists=-1 - np.arange(30), gap=5)
    assert len(solve(unknown)) == 10


def test_fixed_tracks_come_even_where_others_are_left_out() -> None:
    task = problem(6, 10, artists=np.zeros(10, int), gap=3, fixed={0: 1, 5: 2})
    assert solve(task) == [1, 2]


def test_meets_the_time() -> None:
    task = problem(12, 150, seconds=12 * 150.0)
    assert abs(task.durations[solve(task)].sum() - 1800) <= 75
    free = problem(12, 150)
    assert free.time_cost(np.array([5.0])).tolist() == [0.0]
