"""Metrics out of sums over tracks are those of `earmark.metrics`, on all tracks and on every resample."""

import numpy as np
import pytest

from earmark import metrics
from earmark.errors import InputError
from earmark.evaluate.measuring import LOW_IS_BETTER, TITLES, Decided, Resampling, measure

THRESHOLDS = np.array([0.3, 0.4, 0.2, np.inf])


def resampling(groups: object = None, n: int = 120, resamples: int = 50) -> Resampling:
    return Resampling(groups=groups, unit="none", n_tracks=n, resamples=resamples)  # type: ignore[arg-type]


def reference(targets: np.ndarray, scores: np.ndarray, task: str) -> dict[str, object]:
    found = {"log_loss": metrics.log_loss, "calibration_error": metrics.calibration_error}
    if task == "single_label":
        right = scores.argmax(axis=1) == targets.argmax(axis=1)
        best = metrics.calibration_error(right[:, None], scores.max(axis=1)[:, None])
        return {
            "accuracy": metrics.accuracy,
            "macro_recall": metrics.macro_recall,
            "log_loss": metrics.cross_entropy,
            "calibration_error": lambda *_: best,
        }
    for k in (1, 3):
        found[f"precision_at_{k}"] = lambda t, s, k=k: metrics.precision_at_k(t, s, k)
    found["f1"] = lambda t, s: metrics.f1(t, s, THRESHOLDS)
    found["f1_micro"] = lambda t, s: metrics.f1(t, s, THRESHOLDS, average="micro")
    return found


@pytest.mark.parametrize("task", ["multi_label", "single_label"])
def test_values_are_those_of_the_metrics(make, task) -> None:
    made = make(task=task)
    decided = Decided(thresholds=THRESHOLDS) if task == "multi_label" else None
    found = measure(made.targets, made.scores, name="net", resampling=resampling(), task=task, decided=decided)
    for name, function in reference(made.targets, made.scores, task).items():
        assert found.estimates[name].value == pytest.approx(function(made.targets, made.scores), abs=1e-6), name
    for area in ("roc_auc", "pr_auc"):
        assert found.estimates[area].value == getattr(metrics, area)(made.targets, made.scores)
        micro = getattr(metrics, area)(made.targets, made.scores, average="micro")
        assert found.estimates[f"{area}_micro"].value == micro


@pytest.mark.parametrize("name", ["f1", "f1_micro", "precision_at_3", "log_loss", "calibration_error"])
def test_intervals_are_those_of_the_plain_bootstrap(make, name) -> None:
    made = make()
    groups = list(made.groups["artist"])
    found = measure(made.targets, made.scores, name="net", resampling=resampling(groups), only=[name],
                    decided=Decided(thresholds=THRESHOLDS))  # fmt: skip
    function = reference(made.targets, made.scores, "multi_label")[name]
    plain = metrics.bootstrap(function, made.targets, made.scores, groups=groups, n_resamples=50).interval
    assert (found.estimates[name].low, found.estimates[name].high) == pytest.approx((plain.low, plain.high), abs=1e-6)


def test_artists_make_intervals_wider_than_tracks(make) -> None:
    made = make(200)
    same = np.repeat(np.arange(50), 4)  # tracks of an artist alike: then they count as one
    targets, scores = made.targets[same], made.scores[same]
    of_tracks = measure(targets, scores, name="", resampling=resampling(n=200, resamples=200), only=["pr_auc"])
    of_artists = measure(
        targets, scores, name="", resampling=resampling(same.tolist(), n=200, resamples=200), only=["pr_auc"]
    )
    widths = [one.estimates["pr_auc"].high - one.estimates["pr_auc"].low for one in (of_tracks, of_artists)]
    assert widths[1] > 1.5 * widths[0]


def test_decisions_are_judged_on_the_rows_that_thresholds_do_not_know(make) -> None:
    made = make()
    rows = np.arange(120) % 2 == 1
    found = measure(made.targets, made.scores, name="", resampling=resampling(),
                    decided=Decided(thresholds=THRESHOLDS, rows=rows))  # fmt: skip
    assert found.estimates["f1"].value == pytest.approx(metrics.f1(made.targets[rows], made.scores[rows], THRESHOLDS))
    assert (found.estimates["f1"].n_tracks, found.estimates["pr_auc"].n_tracks) == (60, 120)


def test_one_group_has_values_and_no_intervals(make) -> None:
    made = make(40)
    found = measure(made.targets, made.scores, name="", resampling=resampling(["one"] * 40, n=40))
    one = found.estimates["pr_auc"]
    assert (one.value, one.low, one.high) == (metrics.pr_auc(made.targets, made.scores), None, None)
    assert found.pr_auc == ()
    assert found.estimates["log_loss"].value == pytest.approx(metrics.log_loss(made.targets, made.scores))


def test_scores_that_are_no_probabilities_have_no_log_loss(make) -> None:
    made = make()
    found = measure(made.targets, made.scores * 9 - 4, name="", resampling=resampling(resamples=5))
    assert set(LOW_IS_BETTER).isdisjoint(found.estimates)
    assert list(found.estimates) == [name for name in TITLES if name in found.estimates]


def test_nothing_but_negatives_is_an_error(make) -> None:
    made = make()
    with pytest.raises(InputError, match=r"no tag is left|no item has"):
        measure(np.zeros_like(made.targets), made.scores, name="", resampling=resampling())


def test_intervals_stay_where_values_can_be(make) -> None:
    made = make(30)
    rates = np.repeat(made.targets.mean(axis=0, keepdims=True), 30, axis=0)
    found = measure(made.targets, rates, name="", resampling=resampling(n=30), only=["calibration_error"])
    one = found.estimates["calibration_error"]
    assert (one.value, one.low, one.high) == pytest.approx((0, 0, 0), abs=1e-6)
