"""Thresholds and calibration go into the card; the weights stay as they are."""

from dataclasses import replace

import numpy as np
import pytest

from earmark.errors import InputError
from earmark.evaluate import evaluate, store
from earmark.evaluate.columns import choose_tags
from earmark.models.card import ModelCard
from earmark.models.weights import read_weights, write_weights


@pytest.fixture
def weights(make, tmp_path):
    """Weights of a model whose tags stand in another order than the report's."""
    card = ModelCard(
        name="own.net", architecture="fcn", sample_rate=16000, chunk_samples=16000, hop_samples=16000, frontend="won",
        vocabulary="own", tags=make().tags[::-1], n_parameters=3, embedding="pooled", n_features=2,
    )  # fmt: skip
    write_weights(tmp_path / "best.safetensors", {"a": np.arange(3, dtype=np.float32)}, card)
    return tmp_path


def test_the_card_gets_both_in_its_own_order(make, weights) -> None:
    report = evaluate(make(), validation=make(seed=1), resamples=5, mistakes=0)
    assert store(report, weights) == weights / "best.safetensors"
    arrays, card = read_weights(weights / "best.safetensors")
    assert arrays["a"].tolist() == [0, 1, 2]
    assert card.thresholds == report.thresholds[::-1]
    assert card.get_calibration().tags == card.tags
    assert card.get_calibration().scale.tolist() == report.calibration.scale[::-1].tolist()


def test_a_tag_that_is_never_given_stays_so(make, weights) -> None:
    validation = make(seed=1)
    targets = validation.targets.copy()
    targets[:, 3] = False
    store(evaluate(make(), validation=replace(validation, targets=targets), resamples=5, mistakes=0), weights)
    assert read_weights(weights / "best.safetensors")[1].thresholds[0] == np.inf


def test_what_cannot_be_stored(make, weights, tmp_path) -> None:
    with pytest.raises(InputError, match="no thresholds to store"):
        store(evaluate(make(), resamples=5, mistakes=0), weights)
    few = [choose_tags(one, ("rock", "piano")) for one in (make(), make(seed=1))]
    with pytest.raises(InputError, match="other tags than the report"):
        store(evaluate(few[0], validation=few[1], resamples=5, mistakes=0), weights)
    with pytest.raises(InputError, match="has no weights"):
        store(evaluate(make(), validation=make(seed=1), resamples=5, mistakes=0), tmp_path / "predictions.npz")
