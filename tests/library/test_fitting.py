"""Logistic regression by Newton's method against scikit-learn, and what makes embeddings comparable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import InputError
from earmark.library.fitting import (
    PENALTY,
    Scaling,
    example_weights,
    examples_per_side,
    fit_logistic,
    fit_scaling,
    penalty_for,
    rotated,
)

SIZES = [(12, 5), (6, 40), (60, 20)]


def problem(n: int, n_features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, answers with a slope in the first feature, and weights."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, n_features))
    answers = x[:, 0] + 0.5 * rng.standard_normal(n) > 0
    answers[:2] = True, False
    return x, answers, rng.uniform(0.2, 2, n)


@pytest.mark.parametrize(("n", "n_features"), SIZES)
@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_the_solution_is_that_of_scikit_learn(n: int, n_features: int, penalty: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, answers, weights = problem(n, n_features)
    peer = linear.LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
    peer.fit(x, answers, sample_weight=weights)
    found = fit_logistic(x, answers, weights, penalty=penalty)
    np.testing.assert_allclose(found, np.append(peer.coef_[0], peer.intercept_), atol=2e-4, rtol=2e-3)


@pytest.mark.parametrize(("n", "n_features"), SIZES)
def test_turned_rows_give_the_same_answers(n: int, n_features: int) -> None:
    x, answers, weights = problem(n, n_features)
    rows, axes = rotated(x)
    assert rows.shape == (n, min(n, n_features))
    whole = fit_logistic(x, answers, weights, penalty=0.1)
    turned = fit_logistic(rows, answers, weights, penalty=0.1)
    np.testing.assert_allclose(turned[:-1] @ axes, whole[:-1], atol=1e-5)
    assert turned[-1] == pytest.approx(whole[-1], abs=1e-5)


def test_a_solution_is_where_a_fit_that_starts_there_ends() -> None:
    x, answers, weights = problem(12, 5)
    found = fit_logistic(x, answers, weights, penalty=0.1)
    np.testing.assert_allclose(fit_logistic(x, answers, weights, penalty=0.1, start=found), found, atol=1e-5)


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 50), st.floats(0.5, 10))
def test_both_answers_weigh_the_same(n_yes: int, n_no: int, n_background: int, background_weight: float) -> None:
    if n_no + n_background == 0:
        return
    answers = np.array([True] * n_yes + [False] * n_no)
    weights = example_weights(answers, n_background, background_weight)
    assert len(weights) == len(answers) + n_background
    assert weights[:n_yes].sum() == pytest.approx(weights[n_yes:].sum())
    if n_no and n_background:
        assert weights[n_yes + n_no :].sum() / weights[n_yes] == pytest.approx(
            background_weight * weights[-n_background - 1] / weights[n_yes]
        )


@given(st.integers(1, 30), st.integers(0, 30), st.booleans())
def test_either_side_weighs_as_much_as_it_has_examples(n_yes: int, n_no: int, has_background: bool) -> None:
    if not n_no and not has_background:
        return
    weights = example_weights(np.array([True] * n_yes + [False] * n_no), 40 if has_background else 0)
    per_side = examples_per_side(n_yes, n_no, has_background=has_background)
    assert weights.sum() == pytest.approx(2 * per_side)


def test_more_examples_are_held_down_less() -> None:
    x, answers, weights = problem(12, 5)
    weights *= 8 / weights.sum()
    assert penalty_for(0.5) == PENALTY > penalty_for(4) == PENALTY / 2
    np.testing.assert_allclose(
        fit_logistic(x, answers, weights), fit_logistic(x, answers, weights, penalty=penalty_for(4)), rtol=1e-9
    )


def test_scaled_rows_are_of_length_1_and_take_little_notice_of_units() -> None:
    x = np.random.default_rng(0).standard_normal((400, 6)).astype(np.float32)
    units = np.array([1, 3, 0.5, 2, 1, 0.4], np.float32)
    plain, other = fit_scaling(x).apply(x), fit_scaling(x * units + 5).apply(x * units + 5)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1)
    assert (plain * other).sum(axis=1).min() > 0.9


def test_a_unit_that_hardly_ever_fires_does_not_drown_the_others() -> None:
    x = np.random.default_rng(0).standard_normal((400, 6)).astype(np.float32)
    x[:, 3] = 0
    scaling = fit_scaling(x)
    assert scaling.gain[3] < 6 * scaling.gain[0]


def test_features_of_few_tracks_are_not_blown_up() -> None:
    x = np.zeros((3, 4), np.float32)
    x[:, 0] = 1, 2, 3
    x[:, 1] = 1e-6, 0, 0
    gain = fit_scaling(x).gain
    assert gain[1] < 3 * gain[0]


def test_a_track_at_the_mean_stays_at_zero() -> None:
    scaling = Scaling(np.ones(3, np.float32), np.ones(3, np.float32))
    assert not scaling.apply(np.ones((1, 3))).any()


def test_equal_embeddings_tell_nothing() -> None:
    with pytest.raises(InputError, match="all embeddings are the same"):
        fit_scaling(np.ones((4, 3), np.float32))


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.ones(3), "shape"),
        (np.full((2, 3), np.nan), "row 0 holds a value that is not finite"),
        (np.ones((2, 4)), "4 features, expected 3"),
    ],
)
def test_embeddings_that_do_not_fit(embeddings: np.ndarray, message: str) -> None:
    scaling = Scaling(np.zeros(3, np.float32), np.ones(3, np.float32))
    with pytest.raises(InputError, match=message):
        scaling.apply(embeddings)
