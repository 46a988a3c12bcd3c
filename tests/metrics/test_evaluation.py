"""All metrics at once: each is what its own function says, tags that say nothing are named, and JSON can hold it."""

import json
import math

import numpy as np
import pytest

from earmark import metrics
from earmark.errors import InputError, UsageError
from earmark.metrics import Evaluation, evaluate

TAGS = ["rock", "never", "piano", "always"]


def drawn(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.random((n, 4)) < [0.3, 0.0, 0.1, 1.0]
    return targets, np.clip(rng.normal(0.3 + 0.2 * targets, 0.15), 0, 1)


def test_every_figure_is_that_of_its_function() -> None:
    targets, scores = drawn()
    found = evaluate(targets, scores, tags=TAGS, thresholds=0.4, ks=(1, 3, 9))
    assert found.roc_auc == metrics.roc_auc(targets, scores)
    assert found.pr_auc == metrics.pr_auc(targets, scores)
    assert found.roc_auc_micro == metrics.roc_auc(targets, scores, average="micro")
    assert found.pr_auc_micro == metrics.pr_auc(targets, scores, average="micro")
    assert found.decisions is not None
    assert np.nanmean(found.decisions.f1()) == metrics.f1(targets, scores, 0.4)
    assert found.log_loss == metrics.log_loss(targets, scores)
    assert found.calibration_error == metrics.calibration_error(targets, scores)
    assert found.precision_at_k == {k: metrics.precision_at_k(targets, scores, k) for k in (1, 3)}
    assert found.chance_pr_auc == pytest.approx(metrics.pr_auc(targets, np.zeros_like(scores)))
    np.testing.assert_array_equal(found.prevalence, metrics.prevalence(targets))
    assert (found.accuracy, found.macro_recall, found.confusion) == (None, None, None)


def test_what_was_left_out_has_a_name() -> None:
    found = evaluate(*drawn(), tags=TAGS, categories=["genre", "mood", "instrument", "mood"])
    assert found.without_positives == ("never",)
    assert found.without_negatives == ("always",)
    assert np.isnan(found.roc_auc_per_tag).tolist() == [False, True, False, True]
    assert found.roc_auc == pytest.approx(found.roc_auc_per_tag[[0, 2]].mean())
    assert found.by_category["genre"] == {
        "roc_auc": found.roc_auc_per_tag[0],
        "pr_auc": found.pr_auc_per_tag[0],
        "n_tags": 1,
    }
    assert found.by_category["mood"] == {"roc_auc": None, "pr_auc": 1.0, "n_tags": 1}
    assert found.n_without_tag == 0
    targets, scores = drawn()
    untagged = np.count_nonzero(~targets[:, :3].any(axis=1))
    assert evaluate(targets[:, :3], scores[:, :3]).n_without_tag == untagged > 0


def test_single_label() -> None:
    rng = np.random.default_rng(1)
    targets = np.eye(3, dtype=bool)[rng.integers(0, 3, 90)]
    scores = np.exp(rng.normal(2.0 * targets, 1.0))
    scores /= scores.sum(axis=1, keepdims=True)
    found = evaluate(targets, scores, task="single_label")
    assert found.accuracy == metrics.accuracy(targets, scores) == found.precision_at_k[1]
    assert found.macro_recall == metrics.macro_recall(targets, scores)
    assert found.log_loss == metrics.cross_entropy(targets, scores)
    assert found.confusion is not None
    assert found.confusion.sum() == 90
    best = scores.max(axis=1)
    bins = np.clip(np.ceil(best * 10) - 1, 0, 9)
    right = targets[np.arange(90), scores.argmax(axis=1)]
    by_hand = sum(abs(right[bins == i].sum() - best[bins == i].sum()) for i in range(10)) / 90
    assert found.calibration_error == pytest.approx(by_hand)
    assert evaluate(targets, scores * 2 / 3, task="single_label").log_loss is None


def test_logits_are_scored_without_what_needs_probabilities() -> None:
    targets, scores = drawn()
    found = evaluate(targets, 20 * scores - 10)
    assert found.log_loss is None
    assert found.calibration_error is None
    assert found.pr_auc == pytest.approx(metrics.pr_auc(targets, scores))


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [x for item in value.values() for x in numbers(item)]
    if isinstance(value, list):
        return [x for item in value for x in numbers(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("task", ["multi_label", "single_label"])
def test_json_holds_all_of_it(task) -> None:
    targets, scores = drawn()
    if task == "single_label":
        targets = np.eye(4, dtype=bool)[targets[:, 0].astype(int)]
    found = evaluate(targets, scores, tags=TAGS, thresholds=[0.4, np.inf, 0.4, 0.2], task=task)
    read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert all(math.isfinite(number) for number in numbers(read))
    assert read["roc_auc"] == found.roc_auc
    assert read["tags"] == TAGS
    assert read["thresholds"] == [0.4, None, 0.4, 0.2]
    assert read["decisions"]["f1"]["macro"] == pytest.approx(metrics.f1(targets, scores, found.thresholds))
    assert set(read) == {*Evaluation.__dataclass_fields__, "prevalence"}


def test_errors() -> None:
    targets, scores = drawn()
    with pytest.raises(InputError, match="1 names for 4 tags"):
        evaluate(targets, scores, tags=["a"])
    with pytest.raises(InputError, match="1 categories for 4 tags"):
        evaluate(targets, scores, categories=["a"])
    with pytest.raises(InputError, match="thresholds have shape"):
        evaluate(targets, scores, thresholds=[0.1, 0.2])
    with pytest.raises(UsageError, match="task is 'both'"):
        evaluate(targets, scores, task="both")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no tag is left"):
        evaluate(np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(InputError, match="item 0 has 2 classes"):
        evaluate([[1, 1], [0, 1]], [[0.1, 0.2], [0.3, 0.4]], task="single_label")
