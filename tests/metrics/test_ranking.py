"""Areas under curves: equal to scikit-learn, whatever ties there are, and tags that say nothing are left out."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, roc_auc_score

from earmark.errors import InputError, UsageError
from earmark.metrics import pr_auc, pr_auc_per_tag, roc_auc, roc_auc_per_tag
from earmark.metrics.ranking import rank


@st.composite
def scored(draw: st.DrawFn, *, max_items: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Targets and scores with many ties, some of them constant, in single and double precision."""
    shape = (draw(st.integers(2, max_items)), draw(st.integers(1, 5)))
    targets = draw(hnp.arrays(np.bool_, shape))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    few = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0])
    width = 32 if dtype == np.float32 else 64
    any_value = st.floats(-1e6, 1e6, width=width)
    values = draw(hnp.arrays(dtype, shape, elements=draw(st.sampled_from([few, any_value, st.just(0.3)]))))
    return targets, values.astype(dtype)


def reference(metric, targets: np.ndarray, scores: np.ndarray, *, needs_negatives: bool) -> np.ndarray:
    """scikit-learn tag by tag; NaN where it is not defined."""
    out = np.full(targets.shape[1], np.nan)
    for i, answers in enumerate(targets.T):
        if answers.any() and not (needs_negatives and answers.all()):
            out[i] = metric(answers, scores[:, i])
    return out


@given(scored())
@settings(max_examples=150, deadline=None)
def test_equal_to_scikit_learn(pair) -> None:
    targets, scores = pair
    np.testing.assert_allclose(
        roc_auc_per_tag(targets, scores), reference(roc_auc_score, targets, scores, needs_negatives=True), atol=1e-12
    )
    np.testing.assert_allclose(
        pr_auc_per_tag(targets, scores),
        reference(average_precision_score, targets, scores, needs_negatives=False),
        atol=1e-12,
    )
    if targets.any() and not targets.all():
        assert roc_auc(targets, scores, average="micro") == pytest.approx(
            roc_auc_score(targets.ravel(), scores.ravel()), abs=1e-12
        )
        assert pr_auc(targets, scores, average="micro") == pytest.approx(
            average_precision_score(targets.ravel(), scores.ravel()), abs=1e-12
        )


@given(scored(max_items=12), st.data())
@settings(max_examples=100, deadline=None)
def test_counts_are_as_good_as_copies(pair, data) -> None:
    targets, scores = pair
    counts = data.draw(hnp.arrays(np.int64, len(targets), elements=st.integers(0, 3)))
    rows = np.repeat(np.arange(len(targets)), counts)
    if not len(rows):
        return
    for average in ("macro", "micro"):
        ranked = rank(targets, scores, average=average)
        copies = rank(targets[rows], scores[rows], average=average)
        for area in ("roc_auc", "pr_auc"):
            np.testing.assert_allclose(ranked.area(area, counts), copies.area(area), atol=1e-12)


@given(scored(max_items=12))
@settings(max_examples=60, deadline=None)
def test_influence_is_the_derivative_by_weights(pair) -> None:
    targets, scores = pair
    n, many = len(targets), 10**6
    for average in ("macro", "micro"):
        ranked = rank(targets, scores, average=average)
        for area in ("roc_auc", "pr_auc"):
            found = ranked.influence(area)
            assert found.sum(axis=1) == pytest.approx(0, abs=1e-9)
            for item in range(n):
                counts = np.full(n, many, np.int64)
                counts[item] += 1
                step = (ranked.area(area, counts) - ranked.area(area)) * many
                np.testing.assert_allclose(found[:, item], np.nan_to_num(step), atol=1e-4)


def test_order_of_items_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    targets, scores = rng.random((200, 7)) < 0.2, rng.integers(0, 9, (200, 7)) / 9
    rows = rng.permutation(200)
    assert pr_auc(targets[rows], scores[rows]) == pytest.approx(pr_auc(targets, scores), abs=1e-14)
    assert roc_auc(targets[rows], scores[rows]) == pytest.approx(roc_auc(targets, scores), abs=1e-14)


def test_constant_scores_get_chance() -> None:
    targets = np.random.default_rng(1).random((300, 4)) < [0.01, 0.1, 0.5, 0.9]
    targets[0] = True
    assert roc_auc(targets, np.full(targets.shape, 0.7)) == 0.5
    np.testing.assert_allclose(pr_auc_per_tag(targets, np.full(targets.shape, 0.7)), targets.mean(axis=0))


def test_perfect_and_reversed() -> None:
    targets = np.array([[1, 0], [0, 1], [0, 1]])
    assert roc_auc(targets, targets) == pr_auc(targets, targets) == 1.0
    assert roc_auc(targets, -targets) == 0.0


def test_neighbours_in_single_precision_are_no_tie() -> None:
    near = np.nextafter(np.float32(0.5), np.float32(1))
    assert roc_auc([[1], [0]], np.array([[near], [0.5]], np.float32)) == 1.0
    assert roc_auc([[1], [0]], np.array([[near], [0.5]], np.float16)) == 0.5
    assert roc_auc([[1], [0]], [[0.0], [-0.0]]) == 0.5


def test_tags_without_positives_or_negatives_are_left_out() -> None:
    targets = np.array([[1, 0, 1, 1], [0, 0, 1, 1], [1, 0, 1, 0]])
    scores = np.array([[0.9, 0.1, 0.2, 0.5], [0.3, 0.2, 0.1, 0.6], [0.2, 0.9, 0.3, 0.4]])
    roc, pr = roc_auc_per_tag(targets, scores), pr_auc_per_tag(targets, scores)
    assert np.isnan(roc).tolist() == [False, True, True, False]
    assert np.isnan(pr).tolist() == [False, True, False, False]
    assert roc_auc(targets, scores) == (roc[0] + roc[3]) / 2 == 0.75
    assert pr_auc(targets, scores) == pytest.approx((pr[0] + 1 + pr[3]) / 3)


def test_no_tag_left() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="no tag is left to score: no item has any"):
            pr_auc(np.zeros((3, 2)), np.ones((3, 2)))
        with pytest.raises(InputError, match="no tag is left to score: none has both"):
            roc_auc(np.ones((3, 2)), np.ones((3, 2)))
        with pytest.raises(InputError, match="no tag is left"):
            roc_auc([[1]], [[0.5]], average="micro")


@pytest.mark.parametrize(
    ("targets", "scores", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), r"targets have shape \(3, 2\) and scores \(3, 1\)"),
        (np.zeros(3), np.zeros(3), r"targets have shape \(3,\), expected \(n_items, n_tags\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "at least one item and one tag"),
        ([[0, 2]], [[0.1, 0.2]], r"targets\[0, 1\] is 2, expected 0 or 1"),
        ([[0, np.nan]], [[0.1, 0.2]], r"targets\[0, 1\] is nan, expected 0 or 1"),
        ([[0, 1]], [[0.1, np.nan]], r"1 of the scores are NaN or infinite, the first is scores\[0, 1\]"),
        ([[0, 1]], [[0.1, np.inf]], "NaN or infinite"),
        ([[0, 1], [1]], [[0.1, 0.2]], "targets have rows of different lengths"),
        ([["a", "b"]], [[0.1, 0.2]], "expected numbers"),
        ([[0, 1]], [[0.1, None]], "expected numbers"),
    ],
)
def test_what_cannot_be_compared(targets, scores, message) -> None:
    for metric in (roc_auc, pr_auc):
        with pytest.raises(InputError, match=message):
            metric(targets, scores)


def test_average_is_checked() -> None:
    with pytest.raises(UsageError, match="average is 'weighted', expected 'macro' or 'micro'"):
        pr_auc([[1], [0]], [[1], [0]], average="weighted")  # type: ignore[arg-type]
