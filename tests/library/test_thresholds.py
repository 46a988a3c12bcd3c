"""Thresholds: the rule, its limits, and what it is worth on real predictions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import InputError
from earmark.evaluate.stored import read_stored
from earmark.library.thresholds import HIGHEST, N_ENOUGH, UNKNOWN, default_threshold, threshold_from_scores
from earmark.metrics import best_thresholds, f1
from earmark.vocabulary import get_vocabulary


def test_rates_that_are_not_known() -> None:
    assert default_threshold(None) == default_threshold(float("nan")) == default_threshold(0) == UNKNOWN


@given(st.floats(1e-9, 1), st.floats(1e-9, 1))
def test_a_rarer_tag_never_has_a_higher_threshold(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 < default_threshold(low) <= default_threshold(high) <= HIGHEST


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("inf")])
def test_a_base_rate_is_a_share(wrong: float) -> None:
    with pytest.raises(InputError, match="base rate"):
        default_threshold(wrong)


def test_scores_that_part_clearly_move_the_threshold_between_them() -> None:
    rng = np.random.default_rng(0)
    heard = np.concatenate([rng.uniform(0, 0.05, 950), rng.uniform(0.7, 0.9, 50)])
    found = threshold_from_scores(heard, base_rate=0.01)
    assert 0.05 < found < 0.7
    assert found > default_threshold(0.01)


def test_too_few_scores_leave_the_rule() -> None:
    few = np.full(N_ENOUGH - 1, 0.9)
    assert threshold_from_scores(few, base_rate=0.1) == default_threshold(0.1)
    assert threshold_from_scores([], base_rate=None) == UNKNOWN
    not_heard = np.full(1000, np.nan)
    assert threshold_from_scores(not_heard, base_rate=0.1) == default_threshold(0.1)
    assert threshold_from_scores(np.zeros(1000), base_rate=0.1) == default_threshold(0.1)


def test_scores_are_checked() -> None:
    with pytest.raises(InputError, match="above 1"):
        threshold_from_scores([0.1, 1.5])


@pytest.mark.shared
def test_the_rule_on_real_predictions(shared: Path, tmp_path: Path) -> None:
    """The figures of docs/concepts/finding-music.md."""
    import json

    folder = shared / "datasets" / "stored_predictions"
    order = json.loads((shared / "references" / "won2020.json").read_text())["vocabularies"]["mtat"]
    (tmp_path / "tags.txt").write_text("\n".join(order))
    found = read_stored(
        folder / "won_musicnn_mtt_test_est.csv.gz",
        folder / "won_musicnn_mtt_test_gt.csv.gz",
        tags=tmp_path / "tags.txt",
    )
    vocabulary = get_vocabulary("mtt")
    rates = dict(zip(vocabulary.tags, vocabulary.base_rates(15247), strict=True))
    rule = np.array([default_threshold(rates[tag]) for tag in found.tags])
    by_scores = np.array(
        [threshold_from_scores(found.scores[:, k], base_rate=rates[tag]) for k, tag in enumerate(found.tags)]
    )
    measured = {
        "0.5": f1(found.targets, found.scores, 0.5),
        "0.2": f1(found.targets, found.scores, 0.2),
        "rule": f1(found.targets, found.scores, rule),
        "by scores": f1(found.targets, found.scores, by_scores),
        "best": f1(found.targets, found.scores, best_thresholds(found.targets, found.scores)),
    }
    expected = {"0.5": 0.228, "0.2": 0.445, "rule": 0.457, "by scores": 0.471, "best": 0.497}
    assert measured == pytest.approx(expected, abs=6e-4)
