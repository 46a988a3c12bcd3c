"""Made listeners, random deals, and shares of a reference."""

import numpy as np
import pytest

from earmark.library.taste.distance import similarities
from earmark.library.taste.features import sound_points
from earmark.library.taste.references import (
    STEEPNESS,
    Habit,
    Pool,
    closeness,
    habit_for,
    made_listeners,
    share_above,
    split_pairs,
)

from .conftest import Music


@pytest.fixture(scope="module")
def pool(music: Music) -> Pool:
    return Pool(similarities(sound_points(music.all)))


def alike(pool: Pool, habit: Habit, count: int = 60) -> np.ndarray:
    made = made_listeners(pool, 15, habit, count, np.random.default_rng(0))
    return np.mean([closeness(pool.kernel, np.flatnonzero(one)) for one in made], axis=0)


@pytest.mark.parametrize("steepness", [0.0, 4.0, 500.0])
@pytest.mark.parametrize("interests", [1, 4])
def test_made_listeners_like_so_many_different_tracks(pool: Pool, interests: int, steepness: float) -> None:
    made = made_listeners(pool, 15, Habit(interests, steepness), 50, np.random.default_rng(0))
    assert made.shape == (50, pool.n)
    assert set(np.unique(made)) == {0.0, 1.0}
    assert np.all(made.sum(axis=1) == 15)


def test_the_steeper_the_more_alike_and_the_more_interests_the_less(pool: Pool) -> None:
    means = [alike(pool, Habit(1, steep))[0] for steep in STEEPNESS]
    assert means[-1] > means[4] > means[2] > means[0]
    by_interests = [alike(pool, Habit(n, 35.0))[0] for n in (1, 2, 5)]
    assert by_interests == sorted(by_interests, reverse=True)


def test_closeness_is_the_mean_over_pairs_and_over_nearest(pool: Pool) -> None:
    members = np.array([0, 5, 50, 200])
    block = pool.kernel[np.ix_(members, members)]
    pairs = [block[i, j] for i in range(4) for j in range(4) if i != j]
    nearest = [max(block[i, j] for j in range(4) if i != j) for i in range(4)]
    np.testing.assert_allclose(closeness(pool.kernel, members), [np.mean(pairs), np.mean(nearest)])


@pytest.mark.parametrize("habit", [Habit(1, 0.0), Habit(2, 12.0), Habit(5, 35.0), Habit(1, 9.0)])
def test_made_listeners_are_as_alike_as_wanted(pool: Pool, habit: Habit) -> None:
    wanted = alike(pool, habit, 200)
    found = habit_for(pool, 15, wanted, np.random.default_rng(1))
    np.testing.assert_allclose(alike(pool, found, 200), wanted, atol=0.02)


def test_listeners_that_no_pool_has_get_the_nearest_habit(pool: Pool) -> None:
    rng = np.random.default_rng(0)
    assert habit_for(pool, 15, np.array([1.0, 1.0]), rng).interests == 1
    assert habit_for(pool, 15, np.array([0.0, 0.0]), rng).steepness < 4


def test_a_made_listener_never_likes_most_of_a_small_pool() -> None:
    assert Pool(np.eye(40)).size_for(10) == 10
    assert Pool(np.eye(40)).size_for(30) == 20
    assert Pool(np.eye(3)).size_for(30) == 2


def test_deals_keep_sizes_weights_and_what_both_like() -> None:
    a = np.array([1.0, 2, 3, 0, 0, 0, 0])
    b = np.array([0, 0, 3.0, 4, 5, 6, 0])
    first, second = split_pairs(a, b, 200, np.random.default_rng(0))
    assert np.all((first > 0).sum(1) == 3)
    assert np.all((second > 0).sum(1) == 4)
    assert np.all(first[:, 2] == 3)
    assert np.all(second[:, 2] == 3)
    only = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal((first + second)[:, only], np.tile((a + b)[only], (200, 1)))
    assert 0.2 < (first[:, 0] > 0).mean() < 0.6
    assert not first[:, 6].any()


def test_shares_of_a_reference() -> None:
    reference = np.arange(99.0)
    found = share_above(reference, np.array([-1.0, 49.0, 98.5, 1000.0]))
    np.testing.assert_allclose(found, [0.995, 0.5, 0.005, 0.005])
    assert share_above(np.zeros(9), np.zeros(1))[0] == pytest.approx(0.5)
