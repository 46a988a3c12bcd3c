"""Published figures out of stored predictions."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from earmark.metrics import best_thresholds, bootstrap, evaluate, f1, pr_auc, roc_auc

pytestmark = pytest.mark.shared


def read(path: Path) -> tuple[list[str], np.ndarray]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return [row[0] for row in rows], np.array([row[1:] for row in rows], np.float64)


@pytest.fixture(scope="module")
def musicnn(shared) -> tuple[np.ndarray, np.ndarray]:
    folder = shared / "datasets" / "stored_predictions"
    clips, targets = read(folder / "won_musicnn_mtt_test_gt.csv.gz")
    same_clips, scores = read(folder / "won_musicnn_mtt_test_est.csv.gz")
    assert clips == same_clips
    return targets, scores


def test_musicnn_on_magnatagatune(musicnn) -> None:
    targets, scores = musicnn
    assert targets.shape == scores.shape == (4332, 50)
    found = evaluate(targets, scores)
    assert (round(found.roc_auc, 4), round(found.pr_auc, 4)) == (0.9109, 0.4509)
    assert found.roc_auc == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)
    assert found.pr_auc == pytest.approx(average_precision_score(targets, scores), abs=1e-12)
    assert found.without_positives == found.without_negatives == ()


def test_intervals(musicnn) -> None:
    pr = bootstrap("pr_auc", *musicnn, n_resamples=200).interval
    assert (pr.low, pr.high) == pytest.approx((0.438, 0.457), abs=0.003)
    assert pr.bias == pytest.approx(0.0035, abs=0.001)
    roc = bootstrap("roc_auc", *musicnn, n_resamples=200).interval
    assert (roc.low, roc.high) == pytest.approx((0.908, 0.914), abs=0.001)


def test_thresholds_serve_the_other_half(musicnn) -> None:
    targets, scores = musicnn
    first, second = slice(None, None, 2), slice(1, None, 2)
    thresholds = best_thresholds(targets[first], scores[first])
    assert f1(targets[second], scores[second], thresholds) > f1(targets[second], scores[second], 0.5) + 0.1


def test_moodtheme_baseline(shared) -> None:
    folder = shared / "datasets" / "stored_predictions"
    targets = np.load(folder / "jamendo_moodtheme_groundtruth.npy")
    scores = np.load(folder / "jamendo_moodtheme_baseline_vggish_predictions.npy")
    assert scores.dtype == np.float32
    assert roc_auc(targets, scores) == pytest.approx(0.725821, abs=5e-7)
    assert pr_auc(targets, scores) == pytest.approx(0.107734, abs=5e-7)
