"""Folds keep albums whole; what chance is comes out as chance; intervals hold what they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.library.holding_out import (
    HeldOut,
    auc_interval,
    balanced_accuracy,
    deal,
    group_numbers,
    hold_out,
    n_folds,
    share_interval,
)
from earmark.metrics import roc_auc


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=4, max_size=40), st.integers(0, 5))
def test_albums_stay_whole_and_every_fold_has_both_answers(pairs: list[tuple[bool, int]], seed: int) -> None:
    answers = np.array([answer for answer, _ in pairs])
    groups = group_numbers([f"{int(answer)} {group}" for answer, group in pairs])  # one answer per album
    k = n_folds(answers, groups)
    if k < 2:
        return
    folds = deal(answers, groups, k, np.random.default_rng(seed))
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    for fold in range(k):
        assert answers[folds == fold].any()
        assert not answers[folds == fold].all()


def test_folds_are_about_as_large() -> None:
    answers = np.arange(100) < 30
    folds = deal(answers, np.arange(100), 5, np.random.default_rng(0))
    assert np.bincount(folds[answers]).tolist() == [6] * 5
    assert np.bincount(folds[~answers]).tolist() == [14] * 5


def learn(x: np.ndarray, answers: np.ndarray):
    """A model that knows an example by heart, and others by the distance of two means."""

    def fit(train: np.ndarray):
        direction = x[train][answers[train]].mean(axis=0) - x[train][~answers[train]].mean(axis=0)
        known = set(train.tolist())

        def predict(test: np.ndarray) -> np.ndarray:
            assert not known & set(test.tolist())
            return x[test] @ direction

        return predict

    return fit


def test_what_cannot_be_learned_scores_like_chance() -> None:
    scores = []
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((16, 30))
        answers = np.arange(16) % 2 == 0
        held = hold_out(learn(x, answers), answers, np.arange(16), seed=seed)
        assert held is not None
        scores.append(held.auc)
    assert abs(np.mean(scores) - 0.5) < 0.08


def test_albums_that_are_known_by_heart_do_not_flatter() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 4)
    answers = groups % 2 == 0
    x = 10 * rng.standard_normal((8, 20))[groups] + 0.1 * rng.standard_normal((32, 20))
    by_album = hold_out(learn(x, answers), answers, groups, seed=0)
    by_track = hold_out(learn(x, answers), answers, np.arange(32), seed=0)
    assert by_album is not None
    assert by_track is not None
    assert by_track.auc > 0.95
    assert by_album.auc < 0.8


def test_what_is_easy_scores_well_and_seeds_decide_the_folds() -> None:
    rng = np.random.default_rng(0)
    answers = np.arange(20) < 10
    x = rng.standard_normal((20, 5)) + 2 * answers[:, None]
    one, same, other = (hold_out(learn(x, answers), answers, np.arange(20), seed=seed) for seed in (1, 1, 2))
    assert isinstance(one, HeldOut)
    assert isinstance(same, HeldOut)
    assert isinstance(other, HeldOut)
    assert one.auc > 0.9
    assert roc_auc(answers[:, None], one.values[:, None]) > 0.9
    assert np.array_equal(one.values, same.values)
    assert not np.array_equal(one.folds, other.folds)


@pytest.mark.parametrize("groups", [[0, 0, 1, 2], [0, 1, 2, 2]])
def test_one_album_cannot_be_held_back(groups: list[int]) -> None:
    answers = np.array([True, True, False, False])
    assert hold_out(learn(np.eye(4), answers), answers, np.array(groups), seed=0) is None


def test_albums_with_both_answers_are_held_back_too() -> None:
    answers = np.array([True, False] * 4)
    groups = np.repeat(np.arange(4), 2)
    x = np.where(answers, 1.0, -1.0)[:, None]
    held = hold_out(learn(x, answers), answers, groups, seed=0)
    assert held is not None
    assert held.auc == 1


@pytest.mark.parametrize(("n", "separation"), [(4, 0.0), (10, 1.0), (30, 2.0)])
def test_intervals_of_the_area_hold_the_truth(n: int, separation: float) -> None:
    truth = 0.5 * math.erfc(-separation / 2)
    rng = np.random.default_rng(n)
    answers = (np.arange(2 * n) < n)[:, None]
    n_held = 0
    for _ in range(300):
        value = roc_auc(answers, rng.standard_normal((2 * n, 1)) + separation * answers)
        found = auc_interval(value, n, n)
        n_held += found.low <= truth <= found.high
    assert n_held >= 300 * 0.92


def test_a_perfect_score_of_few_is_not_certain() -> None:
    assert auc_interval(1.0, 2, 2).low < 0.5 < auc_interval(1.0, 5, 5).low
    assert auc_interval(1.0, 2, 2).high == 1
    assert auc_interval(0.0, 3, 3).low == 0


@given(st.floats(0, 1), st.integers(1, 100), st.integers(1, 100))
def test_intervals_lie_around_the_value(value: float, n_yes: int, n_no: int) -> None:
    for found in (auc_interval(value, n_yes, n_no), share_interval(value, n_yes)):
        assert 0 <= found.low <= value + 1e-9
        assert value - 1e-9 <= found.high <= 1


def test_shares_are_those_of_wilson() -> None:
    found = share_interval(0.75, 20)  # 15 of 20: 0.5313 to 0.8881 (statsmodels, method "wilson")
    assert (round(found.low, 4), round(found.high, 4)) == (0.5313, 0.8881)


def test_balanced_accuracy_counts_albums() -> None:
    answers = np.array([True] * 10 + [False] * 10)
    given_answers = answers.copy()
    given_answers[0] = False
    apart = balanced_accuracy(answers, given_answers, np.arange(20))
    together = balanced_accuracy(answers, given_answers, np.arange(20) // 5)
    assert apart.value == together.value == pytest.approx(0.95)
    assert together.low < apart.low
