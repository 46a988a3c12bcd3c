"""Paths between songs: ends, evenness against the best there is, catalogues with gaps."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playlist_tracks import CLOSE, points, unit

from earmark.errors import InputError, UsageError
from earmark.library.playlists.between import path_between
from earmark.library.playlists.plan import between
from earmark.library.playlists.smoothness import smoothness, steps

VECTORS = points(800)


def arc(n: int, degrees: float = 100) -> np.ndarray:
    angle = np.radians(np.linspace(0, degrees, n))
    return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


@given(st.integers(0, 799), st.integers(0, 799), st.integers(2, 40))
@settings(max_examples=20, deadline=None)
def test_begins_and_ends_where_it_should_without_repeats(a: int, b: int, n: int) -> None:
    if a == b:
        return
    path = path_between(VECTORS, a, b, n, same_below=CLOSE)
    assert (path[0], path[-1], len(path)) == (a, b, n)
    assert len(set(path)) == n


def test_even_steps_where_there_are_songs_for_them() -> None:
    assert path_between(arc(101), 0, 100, 5, same_below=0.01) == [0, 25, 50, 75, 100]
    assert path_between(arc(101), 100, 0, 5, same_below=0.01) == [100, 75, 50, 25, 0]
    path = path_between(arc(101), 0, 100, 8, same_below=0.01)
    assert steps(arc(101), path).max() < 1.05 * steps(arc(101), path).mean()


def test_the_largest_step_is_the_smallest_there_is() -> None:
    for seed in range(3):
        few = points(12, seed=seed)
        found = smoothness(few, path_between(few, 0, 1, 5, same_below=0)).largest
        every = [smoothness(few, [0, *inner, 1]).largest for inner in itertools.permutations(range(2, 12), 3)]
        assert found <= 1.25 * min(every)  # songs that go back are not among those looked at
        forward = [
            smoothness(few, [0, *inner, 1]).largest
            for inner in itertools.permutations(range(2, 12), 3)
            if np.all(np.diff([0, *((few[list(inner)] - few[0]) @ (few[1] - few[0]))]) >= 0)
        ]
        inside = min(forward, default=np.inf)
        assert found <= inside + 1e-6


def test_smoother_than_the_songs_nearest_to_points_on_the_way() -> None:
    largest, naive = [], []
    rng = np.random.default_rng(1)
    for _ in range(15):
        a, b = rng.choice(800, 2, replace=False).tolist()
        taken = [a, b]
        for point in between(VECTORS[a], VECTORS[b], np.linspace(0, 1, 12)[1:-1, None]):
            similar = VECTORS @ point
            similar[taken] = -2
            taken.append(int(similar.argmax()))
        naive.append(smoothness(VECTORS, [a, *taken[2:], b]).largest)
        largest.append(smoothness(VECTORS, path_between(VECTORS, a, b, 12, same_below=CLOSE)).largest)
    assert np.mean(largest) < 0.85 * np.mean(naive)


def test_a_catalogue_of_two_islands_has_a_path() -> None:
    rng = np.random.default_rng(0)
    islands = unit(np.repeat(np.eye(2, 8), 20, axis=0) + 0.1 * rng.normal(size=(40, 8)))
    path = path_between(islands, 0, 39, 10, same_below=CLOSE)
    assert len(set(path)) == 10
    crossings = np.diff([row >= 20 for row in path]).sum()
    assert crossings == 1
    assert 3 <= sum(row < 20 for row in path) <= 7


def test_small_catalogues_give_what_they_have() -> None:
    few = arc(4)
    assert path_between(few[[0, 3]], 0, 1, 25, same_below=CLOSE) == [0, 1]
    assert path_between(few, 3, 0, 25, same_below=CLOSE) == [3, 2, 1, 0]
    assert path_between(few, 0, 3, 2, same_below=CLOSE) == [0, 3]


def test_the_same_recording_comes_once() -> None:
    copies = np.concatenate([arc(9)] * 3)
    path = path_between(copies, 0, 8, 25, same_below=CLOSE)
    assert sorted(row % 9 for row in path) == list(range(9))
    keys = [row // 4 for row in range(800)]
    path = path_between(VECTORS, 0, 799, 25, recordings=keys, same_below=0)
    assert len({row // 4 for row in path}) == 25


def test_ends_that_sound_alike_or_opposite() -> None:
    vectors = VECTORS.copy()
    vectors[1] = vectors[0]
    vectors[2] = -vectors[0]
    path = path_between(vectors, 0, 1, 9, same_below=CLOSE)
    assert (path[0], path[-1], len(set(path))) == (0, 1, 9)
    assert smoothness(vectors, path).largest < 0.8
    path = path_between(vectors, 0, 2, 9, same_below=CLOSE)
    assert (path[0], path[-1], len(set(path))) == (0, 2, 9)


def test_only_what_is_allowed_stands_between() -> None:
    allowed = np.arange(800) % 2 == 0
    path = path_between(VECTORS, 1, 3, 12, allowed=allowed, same_below=CLOSE)
    assert all(row % 2 == 0 for row in path[1:-1])
    assert len(path) == 12


def test_says_what_is_wrong() -> None:
    with pytest.raises(UsageError, match="two different tracks"):
        path_between(VECTORS, 3, 3, same_below=CLOSE)
    with pytest.raises(UsageError, match="a path of 1 songs"):
        path_between(VECTORS, 3, 4, 1, same_below=CLOSE)
    with pytest.raises(InputError, match="track 800"):
        path_between(VECTORS, 3, 800, same_below=CLOSE)
    with pytest.raises(InputError, match="allowed has the shape"):
        path_between(VECTORS, 3, 4, allowed=np.ones(3, bool))
    with pytest.raises(InputError, match="the length 3, expected 1"):
        path_between(3 * VECTORS, 3, 4)
