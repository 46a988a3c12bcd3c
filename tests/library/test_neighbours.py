"""The nearest of all others, against sorting everything."""

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.errors import InputError, UsageError
from earmark.library import neighbours as module
from earmark.library.neighbours import mean_rank, nearest, prepare, principal


def sorted_out(table: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    exact = table.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * exact @ exact.T
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, : min(n, len(table) - 1)]


@pytest.mark.parametrize(("n", "d", "k"), [(2, 3, 5), (9, 4, 3), (700, 8, 15), (1300, 6, 4)])
def test_the_nearest_are_those_of_a_full_sort(n: int, d: int, k: int) -> None:
    table = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)
    which, far = nearest(table, k)
    assert which.shape == (n, min(k, n - 1))
    assert (which == sorted_out(table, k)).mean() > 0.9999  # but for rounding
    np.testing.assert_allclose(far, np.linalg.norm(table[:, None] - table[which], axis=2), rtol=1e-4)


def test_many_dimensions_are_searched_through_few_and_hardly_one_is_missed() -> None:
    random = np.random.default_rng(0)
    table = (random.normal(size=(700, 30)) @ random.normal(size=(30, 200))).astype(np.float32)
    table += 0.3 * random.normal(size=table.shape).astype(np.float32)
    which, _ = nearest(table, 10)
    true = sorted_out(table, 10)
    kept = [len(set(a) & set(b)) for a, b in zip(which.tolist(), true.tolist(), strict=True)]
    assert np.mean(kept) > 9.95


def test_blocks_and_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(4).normal(size=(500, 5)).astype(np.float32)
    whole = nearest(table, 6)[0]
    monkeypatch.setattr(module, "BLOCK", 7)
    monkeypatch.setattr(module, "GROUP", 3)
    assert (nearest(table, 6)[0] == whole).all()


def test_equal_vectors_are_neighbours_and_never_their_own() -> None:
    which, far = nearest(np.ones((40, 3), np.float32), 5)
    assert (which != np.arange(40)[:, None]).all()
    assert (far == 0).all()
    assert nearest(np.ones((1, 3), np.float32), 5)[0].shape == (1, 0)


def test_cosine_is_distance_after_lengths_are_made_one() -> None:
    table = prepare([[3.0, 4.0], [0.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(table, [[0.6, 0.8], [0, 0], [0, 1]], rtol=1e-6)
    assert (prepare([[3.0, 4.0]], metric="euclidean") == [[3, 4]]).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [([], "expected .tracks, dimensions."), ([[1.0, np.nan]], "vector 0 holds NaN"), ([1.0, 2.0], "shape .2,.")],
)
def test_what_is_no_table_of_numbers_is_refused(vectors: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(vectors)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(UsageError, match="no metric 'dot'"):
        prepare([[1.0]], metric="dot")  # type: ignore[arg-type]


def test_principal_axes_hold_what_they_say() -> None:
    random = np.random.default_rng(1)
    table = (random.normal(size=(300, 3)) * [10, 3, 1] @ np.linalg.qr(random.normal(size=(3, 3)))[0]).astype(np.float32)
    turned, part = principal(table, 2)
    variances = np.linalg.svd(table - table.mean(axis=0), compute_uv=False) ** 2
    assert part == pytest.approx(variances[:2].sum() / variances.sum(), rel=1e-4)
    np.testing.assert_allclose((turned**2).sum(axis=0), variances[:2], rtol=1e-3)
    assert principal(np.ones((4, 3), np.float32), 2)[1] == 1.0


def test_a_true_map_has_rank_near_nothing_and_a_blind_one_half() -> None:
    random = np.random.default_rng(2)
    table = random.normal(size=(800, 2)).astype(np.float32)
    true, blind = mean_rank(table, table), mean_rank(table, random.normal(size=(800, 2)))
    assert true == pytest.approx(4.5 / 799, rel=1e-3)  # ranks 0 to 9
    assert blind == pytest.approx(0.5, abs=0.02)
    assert mean_rank(table[:11], table[:11]) is None
