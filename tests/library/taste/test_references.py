"""Made listeners, random deals, and shares of a reference."""

import numpy as np
import pytest

from earmark.library.taste.distance import similarities, within
from earmark.library.taste.features import sound_points
from earmark.library.taste.references import (
    STEEPNESS,
    Pool,
    made_listeners,
    share_above,
    split_pairs,
    steepness_for,
)

from .conftest import Music


@pytest.fixture(scope="module")
def pool(music: Music) -> Pool:
    return Pool(similarities(sound_points(music.all)))


@pytest.mark.parametrize("steepness", [0.0, 4.0, 90.0])
def test_made_listeners_like_so_many_different_tracks(pool: Pool, steepness: float) -> None:
    made = made_listeners(pool, 15, steepness, 50, np.random.default_rng(0))
    assert made.shape == (50, pool.n)
    assert set(np.unique(made)) == {0.0, 1.0}
    assert np.all(made.sum(axis=1) == 15)


def test_the_steeper_the_more_alike(pool: Pool) -> None:
    rng = np.random.default_rng(0)
    means = [
        np.mean([within(pool.kernel, one) for one in made_listeners(pool, 15, steep, 60, rng)]) for steep in STEEPNESS
    ]
    assert means[-1] > means[6] > means[3] > means[0]


def test_made_listeners_are_as_alike_as_wanted(pool: Pool) -> None:
    rng = np.random.default_rng(0)
    lowest = np.mean([within(pool.kernel, one) for one in made_listeners(pool, 15, 0.0, 60, rng)])
    highest = np.mean([within(pool.kernel, one) for one in made_listeners(pool, 15, STEEPNESS[-1], 60, rng)])
    wanted = 0.5 * (lowest + highest)
    steep = steepness_for(pool, 15, wanted, rng)
    got = np.mean([within(pool.kernel, one) for one in made_listeners(pool, 15, steep, 200, rng)])
    assert got == pytest.approx(wanted, abs=0.1 * (highest - lowest))
    assert steepness_for(pool, 15, 2.0, rng) == STEEPNESS[-1]
    assert steepness_for(pool, 15, 0.0, rng) == STEEPNESS[0]


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
