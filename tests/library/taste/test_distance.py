"""The distance of two samples, against its definition and what it has to fulfil."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.library.taste.distance import mean_similarities, resampled, similarities, weighted_distance, within


def points(n: int, size: int = 5, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, size))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def indicator(n: int, members: list[int]) -> np.ndarray:
    out = np.zeros(n)
    out[members] = 1
    return out


def by_definition(kernel: np.ndarray, a: list[int], b: list[int]) -> float:
    """Lemma 6 of Gretton et al. 2012, pair by pair; pairs of the same track left out across as well."""
    aa = np.mean([kernel[i, j] for i in a for j in a if i != j])
    bb = np.mean([kernel[i, j] for i in b for j in b if i != j])
    ab = np.mean([kernel[i, j] for i in a for j in b if i != j])
    return float(aa + bb - 2 * ab)


def test_the_kernel_is_gaussian() -> None:
    x = points(7)
    squared = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.testing.assert_allclose(similarities(x), np.exp(-squared / 2), rtol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(2, 8))
def test_it_is_the_mean_over_pairs(seed: int, n_a: int, n_b: int) -> None:
    rng = np.random.default_rng(seed)
    kernel = similarities(points(14, seed=seed))
    a, b = (list(rng.permutation(14)[:n]) for n in (n_a, n_b))
    expected = by_definition(kernel, a, b)
    one = weighted_distance(kernel, indicator(14, a)[None], indicator(14, b)[None])[0]
    assert one == pytest.approx(expected, abs=1e-12)
    assert mean_similarities(kernel, indicator(14, a), indicator(14, b)).distance == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10_000))
def test_it_is_symmetric_and_0_for_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel = similarities(points(12, seed=seed))
    a, b = rng.random((2, 12)) * (rng.random((2, 12)) < 0.6)
    a[:2], b[-2:] = 1, 1
    one, other = weighted_distance(kernel, a[None], b[None])[0], weighted_distance(kernel, b[None], a[None])[0]
    assert one == pytest.approx(other, abs=1e-12)
    assert weighted_distance(kernel, a[None], a[None])[0] == pytest.approx(0, abs=1e-12)


def test_samples_of_one_distribution_are_at_0_on_average_whatever_their_size() -> None:
    kernel = similarities(points(400, seed=3))
    rng = np.random.default_rng(0)
    for n_a, n_b in ((4, 4), (4, 60), (30, 30)):
        a, b = np.zeros((2, 1500, 400))
        for one, other in zip(a, b, strict=True):
            order = rng.permutation(400)
            one[order[:n_a]], other[order[n_a : n_a + n_b]] = 1, 1
        found = weighted_distance(kernel, a, b)
        assert abs(found.mean()) < 4 * found.std() / np.sqrt(1500)
        assert (found < 0).mean() > 0.3


def test_weights_count_as_so_many_tracks() -> None:
    kernel = similarities(points(6))
    weights = np.array([2.0, 1, 0, 0, 0, 0])
    expected = (2 * 1 * kernel[0, 1] * 2) / (9 - 5)
    assert within(kernel, weights) == pytest.approx(expected)


def test_one_track_is_no_sample() -> None:
    kernel = similarities(points(4))
    found = weighted_distance(kernel, np.array([[1.0, 0, 0, 0]]), np.array([[0, 1.0, 1.0, 0]]))
    assert np.isnan(found[0])


def test_resamples_have_as_many_tracks_and_centre_on_the_sample() -> None:
    kernel = similarities(points(80, seed=1))
    a, b = indicator(80, list(range(30))), indicator(80, list(range(30, 80)))
    rng = np.random.default_rng(0)
    drawn_a, drawn_b = resampled(a, 1500, rng), resampled(b, 1500, rng)
    assert np.all(drawn_a.sum(1) == 30)
    assert not drawn_a[:, 30:].any()
    found = weighted_distance(kernel, drawn_a, drawn_b)
    expected = weighted_distance(kernel, a[None], b[None])[0]
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / np.sqrt(1500))
