"""Scores as probabilities: loss, reliability, and a fit that equals logistic regression."""

import json
import warnings

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as reference_loss

from earmark.errors import InputError, UsageError
from earmark.metrics import (
    Calibration,
    calibration_error,
    fit_calibration,
    log_loss,
    log_loss_per_tag,
    prevalence,
    reliability,
    roc_auc_per_tag,
)
from earmark.metrics.calibration import logit, sigmoid, soft_targets

PREVALENCE = np.array([0.02, 0.1, 0.3, 0.6])


def drawn(seed: int = 0, *, n: int = 3000, scale: float = 1.0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Targets that follow probabilities p, and scores whose logit is scale * logit(p) + offset."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(logit(PREVALENCE), 1.5, (n, len(PREVALENCE)))
    targets = rng.random(logits.shape) < sigmoid(logits)
    return targets, sigmoid(scale * logits + offset)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_is_that_of_scikit_learn(dtype) -> None:
    targets, scores = drawn()
    scores = scores.astype(dtype)
    scores[:5], scores[5:9] = 0, 1
    each = [reference_loss(targets[:, i], scores[:, i], labels=[0, 1]) for i in range(4)]
    np.testing.assert_allclose(log_loss_per_tag(targets, scores), each, rtol=1e-5)
    assert log_loss(targets, scores) == pytest.approx(np.mean(each), rel=1e-5)


def test_reliability_is_that_of_scikit_learn() -> None:
    targets, scores = drawn()
    scores = np.round(scores, 1)  # many lie on the edges
    rows = reliability(targets, scores, n_bins=10, per_tag=True)
    for i in range(4):
        rate, score = calibration_curve(targets[:, i], scores[:, i], n_bins=10)
        full = rows.counts[i] > 0
        np.testing.assert_allclose(rows.rate[i, full], rate)
        np.testing.assert_allclose(rows.score[i, full], score)
    pooled = reliability(targets, scores)
    np.testing.assert_array_equal(pooled.counts, rows.counts.sum(axis=0, keepdims=True))
    rate, _ = calibration_curve(targets.ravel(), scores.ravel(), n_bins=10)
    np.testing.assert_allclose(pooled.rate[0, pooled.counts[0] > 0], rate)


def test_calibration_error_by_hand() -> None:
    targets, scores = [[1, 0], [0, 0], [1, 0], [1, 1]], [[0.9, 0.2], [0.3, 0.2], [0.35, 0.2], [0.95, 0.2]]
    assert calibration_error(targets, scores, n_bins=2) == pytest.approx(((2 * 0.175 + 2 * 0.075) / 4 + 0.05) / 2)
    assert calibration_error([[1], [0]], [[1.0], [0.0]]) == 0
    with pytest.raises(UsageError, match="n_bins is 0"):
        reliability([[1]], [[1.0]], n_bins=0)
    with pytest.raises(InputError, match=r"scores go from -2 to 3, expected probabilities in \[0, 1\]"):
        calibration_error([[1], [0]], [[3.0], [-2.0]])


def test_constant_at_prevalence_is_calibrated() -> None:
    targets, _ = drawn()
    assert calibration_error(targets, np.broadcast_to(prevalence(targets), targets.shape)) == pytest.approx(
        0, abs=1e-12
    )


def regression(answers: np.ndarray, scores: np.ndarray, *, has_offset: bool) -> tuple[float, float]:
    """Logistic regression on drawn-in targets: each item counts as a positive and as a negative, in part."""
    x, wanted = logit(scores)[:, None], soft_targets(answers[:, None])[:, 0]
    model = LogisticRegression(C=np.inf, fit_intercept=has_offset, tol=1e-10, max_iter=10_000, solver="newton-cholesky")
    model.fit(np.vstack([x, x]), np.repeat([1, 0], len(x)), sample_weight=np.concatenate([wanted, 1 - wanted]))
    return model.coef_[0, 0], model.intercept_[0] if has_offset else 0.0


@pytest.mark.parametrize(("method", "has_offset"), [("platt", True), ("temperature", False)])
def test_fit_is_logistic_regression(method, has_offset) -> None:
    targets, scores = drawn(scale=1.7, offset=-0.8)
    found = fit_calibration(targets, scores, method=method)
    for i in range(4):
        scale, offset = regression(targets[:, i], scores[:, i], has_offset=has_offset)
        assert found.scale[i] == pytest.approx(scale, rel=1e-4)
        assert found.offset[i] == pytest.approx(offset, rel=1e-4, abs=1e-6)


def test_fit_undoes_what_was_done_and_serves_other_items() -> None:
    targets, scores = drawn(0, n=20_000, scale=2.0, offset=1.0)
    found = fit_calibration(targets, scores)
    assert found.scale == pytest.approx(np.full(4, 0.5), rel=0.1)
    others, other_scores = drawn(1, scale=2.0, offset=1.0)
    calibrated = found.apply(other_scores)
    assert log_loss(others, calibrated) < log_loss(others, other_scores) - 0.05
    assert calibration_error(others, calibrated) < calibration_error(others, other_scores) / 3
    np.testing.assert_allclose(roc_auc_per_tag(others, calibrated), roc_auc_per_tag(others, other_scores))
    np.testing.assert_allclose(found.apply(other_scores[0]), calibrated[0])


def test_awkward_tags() -> None:
    targets = np.zeros((60, 6), bool)
    targets[:20, [1, 2, 3, 4]] = True
    targets[:, 5] = True
    scores = np.linspace(0.9, 0.1, 60)[:, None].repeat(6, axis=1)
    scores[:, 2] = 0.3  # constant
    scores[:, 3] = scores[::-1, 3]  # the wrong way round
    scores[:, 4] = targets[:, 4]  # nothing but 0 and 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_calibration(targets, scores, tags=list("abcdef"))
        calibrated = found.apply(scores)
    assert found.not_fitted == ("a", "f")
    np.testing.assert_allclose(calibrated[:, [0, 5]], scores[:, [0, 5]], rtol=1e-6)
    assert np.isfinite(calibrated).all()
    assert (found.scale >= 0).all()
    smoothed = soft_targets(targets[:, :4]).mean(axis=0)
    np.testing.assert_allclose(calibrated[:, 2], smoothed[2], rtol=1e-5)
    np.testing.assert_allclose(calibrated[:, 3], smoothed[3], rtol=1e-5)
    np.testing.assert_allclose(np.unique(calibrated[:, 4]), [1 / 42, 21 / 22], rtol=1e-3)
    assert calibrated[:20, 1].min() > 0.5 > calibrated[20:, 1].max()


def test_constant_scores_become_prevalence() -> None:
    targets, _ = drawn(n=997)
    for constant in np.random.default_rng(0).random(20):
        found = fit_calibration(targets, np.full(targets.shape, constant, np.float32))
        assert (found.scale == 0).all()
        np.testing.assert_allclose(found.apply([constant] * 4), soft_targets(targets).mean(axis=0))
    flat = fit_calibration(targets, np.full(targets.shape, 0.5), method="temperature")
    np.testing.assert_array_equal(flat.apply([0.5] * 4), 0.5)


@pytest.mark.parametrize("method", ["platt", "temperature"])
def test_stored_and_read(method) -> None:
    targets, scores = drawn(n=300)
    found = fit_calibration(targets, scores, method=method, tags=["a", "b", "c", "d"])
    read = Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    assert (read.method, read.tags, read.not_fitted) == (found.method, found.tags, ())
    np.testing.assert_array_equal(read.apply(scores), found.apply(scores))


def test_errors() -> None:
    targets, scores = drawn(n=30)
    found = fit_calibration(targets, scores)
    with pytest.raises(UsageError, match="method is 'isotonic', expected 'platt' or 'temperature'"):
        fit_calibration(targets, scores, method="isotonic")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected probabilities"):
        fit_calibration(targets, logit(scores))
    with pytest.raises(InputError, match="2 names for 4 tags"):
        fit_calibration(targets, scores, tags=["a", "b"])
    with pytest.raises(InputError, match=r"scores have shape \(30, 3\), expected \(\.\.\., 4\)"):
        found.apply(scores[:, :3])
    stored = found.to_dict()
    for key, value, message in (
        ("method", "x", "its method is 'x'"),
        ("scale", [1.0], r"scale have shape \(1,\), expected \(4,\)"),
        ("scale", None, "scale"),
        ("tags", 3, "no calibration"),
    ):
        with pytest.raises(InputError, match=message):
            Calibration.from_dict({**stored, key: value})
    with pytest.raises(InputError, match="no calibration: 'offset'"):
        Calibration.from_dict({key: value for key, value in stored.items() if key != "offset"})
