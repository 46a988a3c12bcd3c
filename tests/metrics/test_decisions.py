"""Thresholds, precision, recall, F1 as in scikit-learn; precision at k with ties counted fairly."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, precision_recall_fscore_support

from earmark.errors import InputError
from earmark.metrics import best_thresholds, compare, decide, f1, precision, precision_at_k, recall

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 5))
PAIRS = SHAPES.flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.bool_, shape),
        hnp.arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0])).map(np.asarray),
    )
)


@given(PAIRS, st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_equal_to_scikit_learn(pair, threshold) -> None:
    targets, scores = pair
    given_tags = scores.astype(float) >= threshold
    has = targets.any(axis=0)
    if not has.any():
        return
    per_tag = np.array(
        [
            precision_recall_fscore_support(targets[:, i], given_tags[:, i], average="binary", zero_division=0)[:3]
            for i in np.flatnonzero(has)
        ]
    ).T
    pooled = precision_recall_fscore_support(targets.ravel(), given_tags.ravel(), average="binary", zero_division=0)
    found = compare(targets, scores, threshold)
    for i, (name, function) in enumerate((("precision", precision), ("recall", recall), ("f1", f1))):
        values = getattr(found, name)()
        assert np.isnan(values).tolist() == (~has).tolist()
        np.testing.assert_allclose(values[has], per_tag[i], atol=1e-12)
        assert function(targets, scores, threshold) == pytest.approx(per_tag[i].mean())
        assert function(targets, scores, threshold, average="micro") == pytest.approx(pooled[i])


@given(PAIRS)
@settings(max_examples=100, deadline=None)
def test_no_threshold_is_better_than_the_best(pair) -> None:
    targets, scores = pair
    found = best_thresholds(targets, scores)
    for i, (answers, values) in enumerate(zip(targets.T, scores.T, strict=True)):
        if not answers.any():
            assert found[i] == np.inf
            continue
        all_f1 = {t: f1_score(answers, values >= t) for t in np.unique(values)}
        assert all_f1[np.float32(found[i])] == pytest.approx(max(all_f1.values()))
        assert found[i] == min(t for t, value in all_f1.items() if value >= max(all_f1.values()) - 1e-12)


def test_thresholds_come_from_one_part_and_serve_another() -> None:
    thresholds = best_thresholds([[1, 0], [0, 0], [1, 0]], [[0.4, 0.9], [0.1, 0.8], [0.3, 0.7]])
    assert thresholds.tolist() == [0.3, np.inf]
    targets, scores = [[1, 0], [0, 1], [0, 0]], np.array([[0.5, 0.9], [0.3, 0.9], [0.2, 0.9]])
    assert decide(scores, thresholds).tolist() == [[True, False], [True, False], [False, False]]
    assert compare(targets, scores, thresholds).precision().tolist() == [0.5, 0.0]
    assert f1(targets, scores, thresholds) == pytest.approx((2 / 3 + 0) / 2)
    assert f1(targets, scores, [0.3, None]) == f1(targets, scores, thresholds)  # out of JSON


def test_wrong_thresholds() -> None:
    with pytest.raises(InputError, match=r"thresholds have shape \(3,\), expected \(2,\)"):
        f1([[1, 0]], [[0.5, 0.5]], [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="thresholds hold NaN"):
        f1([[1, 0]], [[0.5, 0.5]], [0.1, np.nan])
    with pytest.raises(InputError, match="thresholds are not numbers"):
        f1([[1, 0]], [[0.5, 0.5]], ["low", "high"])
    with pytest.raises(InputError, match="no tag is left"):
        f1([[0, 0]], [[0.5, 0.5]], 0.5)


@given(PAIRS, st.data())
@settings(max_examples=80, deadline=None)
def test_precision_at_k_is_the_mean_over_all_orders_of_ties(pair, data) -> None:
    targets, scores = pair
    k = data.draw(st.integers(1, targets.shape[1]))
    if not targets.any():
        return
    each = []
    for answers, values in zip(targets, scores, strict=True):
        if not answers.any():
            continue
        orders = [
            order
            for order in itertools.permutations(range(len(values)))
            if all(values[a] >= values[b] for a, b in itertools.pairwise(order))
        ]
        each.append(np.mean([answers[list(order[:k])].mean() for order in orders]))
    assert precision_at_k(targets, scores, k) == pytest.approx(np.mean(each))


def test_precision_at_k_errors() -> None:
    with pytest.raises(InputError, match="k is 3, expected 1 to 2"):
        precision_at_k([[1, 0]], [[0.5, 0.5]], 3)
    with pytest.raises(InputError, match="no item has a tag"):
        precision_at_k([[0, 0]], [[0.5, 0.5]], 1)
