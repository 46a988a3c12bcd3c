"""Which tracks are shown: what a confident mistake is."""

import numpy as np
import pytest

pytest.importorskip("torch")

from earmark.audio.frontends import LogMel
from earmark.predictions import Predictions
from earmark.train.examples import _hertz, confidence_of_errors


def predictions(targets: list[list[int]], scores: list[list[float]], **more: object) -> Predictions:
    names = tuple(f"{i}" for i in range(len(targets)))
    shares = np.array([0.5, 0.01, 0.5])[: len(targets[0])]
    known = {"ids": names, "tags": tuple("abc")[: len(targets[0])], "prevalence": shares} | more
    return Predictions(targets=np.array(targets, bool), scores=np.array(scores, np.float32), **known)  # type: ignore[arg-type]


def test_a_rare_tag_that_gets_the_score_of_every_track_is_no_mistake() -> None:
    found = confidence_of_errors(predictions([[0, 1], [1, 0], [0, 0]], [[0.5, 0.01], [0.1, 0.01], [0.2, 0.5]]))
    assert found[0, 1] == pytest.approx(0, abs=1e-6)
    assert found[1, 0] == pytest.approx(np.log(9), rel=1e-5)
    assert found[2, 1] == pytest.approx(np.log(99), rel=1e-5)
    assert found[2].argmax() == 1, "one half is much for a tag that one in a hundred has"


def test_small_doubts_are_none() -> None:
    assert not confidence_of_errors(predictions([[0, 0], [1, 1]], [[0.6, 0.015], [0.4, 0.009]])).any()


def test_where_tracks_have_one_tag_the_highest_score_counts() -> None:
    found = confidence_of_errors(
        predictions(
            [[1, 0, 0], [1, 0, 0]],
            [[0.5, 0.3, 0.2], [0.3, 0.4, 0.3]],
            task="single_label",
        )
    )
    assert not found[0].any()
    assert found[1].argmax() == 1
    assert found[1, 1] > 0


def test_certainty_is_finite() -> None:
    found = confidence_of_errors(predictions([[0, 0], [1, 1]], [[1.0, 1.0], [0.0, 0.0]]))
    assert np.isfinite(found).all()
    assert (found > 5).all()


def test_frequencies_stand_at_the_bands_that_hold_them() -> None:
    frontend = LogMel(n_mels=96, n_fft=1024)
    rows = {hertz: row for row, hertz in _hertz(frontend, 96)}
    assert {1000, 4000} <= set(rows)
    bank = frontend.power.bank.numpy()
    for hertz, row in rows.items():
        column = round(hertz * 1024 / 16000)
        assert bank[:, column].argmax() == pytest.approx(row, abs=1)
    assert _hertz(frontend, 40) == (), "rows that are no bands have no frequencies"
