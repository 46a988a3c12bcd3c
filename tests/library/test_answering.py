"""Probabilities that mean what they say, drawn to what is usual where there is little to go by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from earmark.library.answering import (
    RIGHT,
    SWALLOWED,
    Evidence,
    choose_bounds,
    effective_examples,
    expected_share,
    fit_evidence,
    usual_evidence,
)
from earmark.metrics.calibration import logit, sigmoid


def normal_values(n_yes: int, n_no: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values whose evidence is 4 * value: normal around 1/2 and -1/2, variance 1/4."""
    rng = np.random.default_rng(seed)
    answers = np.arange(n_yes + n_no) < n_yes
    return np.where(answers, 0.5, -0.5) + 0.5 * rng.standard_normal(n_yes + n_no), answers


def test_many_examples_tell_slope_and_offset_whatever_their_mix() -> None:
    values, answers = normal_values(20_000, 4_000)
    found = fit_evidence(values + 1, answers, n_independent=1e9, usual=Evidence(1.6, 0))
    assert found.slope == pytest.approx(4, rel=0.03)
    assert found.offset == pytest.approx(-4, rel=0.05)


def test_few_examples_stay_near_what_is_usual() -> None:
    values, answers = np.array([-3.0, -2.0, 2.0, 3.0]), np.array([False, False, True, True])
    usual = usual_evidence(2)
    found = fit_evidence(values, answers, n_independent=2, usual=usual)
    assert usual.slope / 1.5 < found.slope < usual.slope * 1.5
    assert abs(found.offset - usual.offset) < 0.5


def test_values_like_chance_lose_their_slope_and_are_never_turned_round() -> None:
    values, answers = normal_values(200, 200)
    wrong = fit_evidence(values, ~answers, n_independent=200, usual=Evidence(1.6, 0))
    assert 0 < wrong.slope < 0.6


def test_one_answer_tells_nothing() -> None:
    usual = Evidence(1.6, 1.0)
    assert fit_evidence(np.arange(3.0), np.ones(3, bool), n_independent=3, usual=usual) == usual


def test_effective_examples_are_those_of_the_smaller_side_and_a_little_more() -> None:
    assert effective_examples(4, 4) == 4
    assert 4 < effective_examples(4, 1000) < 8
    assert effective_examples(0, 5) == effective_examples(5, 0) == 0


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6])
def test_the_share_of_a_library_is_found(share: float) -> None:
    values, answers = normal_values(int(5000 * share), int(5000 * (1 - share)))
    strong = np.where(answers, 4.0, -4.0) + 2.83 * np.random.default_rng(1).standard_normal(len(answers))
    assert expected_share(strong, n_counts=1000) == pytest.approx(share, rel=0.15, abs=0.005)
    assert expected_share(4 * values, n_counts=1000) == pytest.approx(share, rel=0.25, abs=0.02)


def test_without_evidence_the_share_is_what_is_usual() -> None:
    assert expected_share(np.zeros(0), n_counts=10) == pytest.approx(1 / 3, abs=0.01)
    assert expected_share(np.zeros(1000), n_counts=10) == pytest.approx(1 / 3, abs=0.01)


def test_few_examples_are_not_trusted_with_the_share() -> None:
    evidence = np.full(1000, -9.0)
    shares = [expected_share(evidence, n_counts=n) for n in (2, 10, 100, 1000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.15
    assert shares[-1] < 0.01


probabilities = arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(0.001, 0.999))


@given(probabilities, st.floats(0, 100))
def test_bounds_are_in_order(p: np.ndarray, n_examples: float) -> None:
    found = choose_bounds(p, np.ones(len(p)), n_examples=n_examples)
    assert 0 <= found.low <= found.threshold <= found.high <= 1


@given(probabilities)
def test_bounds_keep_their_promise(p: np.ndarray) -> None:
    found = choose_bounds(p, np.ones(len(p)), n_examples=1e9)
    if found.low == found.high:
        return
    yes, no = p >= found.high, p <= found.low
    if yes.any():
        assert p[yes].mean() >= RIGHT - 1e-6
        assert (1 - p[yes]).sum() <= SWALLOWED * (1 - p).sum() + 1e-6
    if no.any():
        assert (1 - p[no]).mean() >= RIGHT - 1e-6
        assert p[no].sum() <= SWALLOWED * p.sum() + 1e-6


def test_the_threshold_has_the_best_f1() -> None:
    rng = np.random.default_rng(0)
    p = sigmoid(3 * rng.standard_normal(20_000) + logit(np.array(0.05)))
    answers = rng.random(len(p)) < p
    found = choose_bounds(p, np.ones(len(p)), n_examples=1e9)

    def f1(threshold: float) -> float:
        given_tags = p >= threshold
        return float(2 * np.count_nonzero(given_tags & answers) / (given_tags.sum() + answers.sum()))

    assert f1(found.threshold) > max(f1(t) for t in np.linspace(0.05, 0.95, 19)) - 0.01
    assert found.threshold < 0.45


def test_fewer_examples_widen_the_bounds_and_draw_the_threshold_to_half() -> None:
    p = sigmoid(np.linspace(-4, 2, 500))
    few, many = (choose_bounds(p, np.ones(500), n_examples=n) for n in (1, 1000))
    assert few.high > many.high
    assert abs(few.threshold - 0.5) < abs(many.threshold - 0.5)


def test_weights_count_as_copies() -> None:
    p = np.array([0.05, 0.2, 0.5, 0.8, 0.95])
    counts = np.array([5, 1, 2, 1, 3])
    assert choose_bounds(p, counts.astype(float), n_examples=20) == choose_bounds(
        np.repeat(p, counts), np.ones(counts.sum()), n_examples=20
    )
