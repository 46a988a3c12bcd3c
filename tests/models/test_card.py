"""Model cards: what they say about scores, and that they survive a file."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from earmark.errors import InputError
from earmark.metrics import fit_calibration
from earmark.models.card import PUBLISHED, ModelCard

CARD = ModelCard(
    name="own.run",
    architecture="fcn",
    sample_rate=16000,
    chunk_samples=464000,
    hop_samples=464000,
    frontend="won",
    vocabulary="own",
    tags=("dog", "rain", "jazz"),
    n_parameters=1,
    embedding="pooled",
    n_features=64,
)


def calibration(*tags: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    scores = rng.random((50, len(tags)))
    return fit_calibration(rng.random(scores.shape) < scores, scores, tags=tags).to_dict()


def test_what_training_adds_survives_json() -> None:
    card = replace(
        CARD,
        activation="softmax",
        base_rates=(0.5, 0.25, 0.25),
        thresholds=(0.3, math.inf, 0.7),
        calibration=calibration("dog", "rain", "jazz"),
    )
    text = card.to_json()
    assert json.loads(text)["thresholds"] == [0.3, None, 0.7]
    assert ModelCard.from_json(text) == card
    fitted = card.get_calibration()
    assert fitted is not None
    assert fitted.to_dict() == card.calibration


def test_cards_of_before_load() -> None:
    plain = PUBLISHED["fcn.won_mtt"].to_dict()
    for name in ("activation", "base_rates", "thresholds", "calibration"):
        del plain[name]
    card = ModelCard.from_json(json.dumps(plain))
    assert card == replace(PUBLISHED["fcn.won_mtt"], assets=())
    assert (card.activation, card.thresholds, card.get_calibration()) == ("sigmoid", (), None)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"activation": "relu"}, "activation is 'relu'"),
        ({"thresholds": (0.5,)}, "1 thresholds for 3 tags"),
        ({"thresholds": (0.5, math.nan, 0.5)}, "thresholds numbers"),
        ({"base_rates": (0.5, 1.5, 0.5)}, "shares from 0 to 1"),
        ({"base_rates": (0.5, 0.5)}, "2 base_rates for 3 tags"),
        ({"calibration": {"method": "platt"}}, "no calibration: 'tags'"),
        ({"calibration": calibration("dog", "rain", "rock")}, "of other tags than the model"),
    ],
)
def test_facts_that_do_not_fit_are_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(CARD, **facts)
    plain = CARD.to_dict() | facts
    with pytest.raises(InputError, match=message):
        ModelCard.from_json(json.dumps(plain))


def test_base_rates_come_from_the_card_or_the_vocabulary() -> None:
    assert CARD.get_base_rates() is None
    own = replace(CARD, base_rates=(0.5, 0.25, 0.0)).get_base_rates()
    assert own is not None
    assert own.tolist() == [0.5, 0.25, 0.0]
    published = PUBLISHED["fcn.won_mtt"]
    rates = published.get_base_rates()
    assert rates is not None
    assert rates[0] == published.get_vocabulary().counts["train"][0] / published.n_train
    # Trained on a part of the data set: the vocabulary's counts are not those of the run.
    assert replace(published, n_train=100).get_base_rates() is None


def test_categories_are_found_for_what_is_known() -> None:
    assert CARD.get_vocabulary().categories == ("other", "other", "genre")
    assert PUBLISHED["musicnn.pons_mtt"].get_vocabulary().counts
