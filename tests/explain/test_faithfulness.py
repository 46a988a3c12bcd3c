"""Deleting what a true explanation marks lowers the score faster; other weights give another explanation."""

import copy
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("captum")

from scipy.stats import spearmanr

from earmark.errors import InputError, UsageError
from earmark.explain.faithfulness import check_sanity, delete, rank_correlation, shuffled
from earmark.explain.saliency import Saliency, explain_tag

from .planted import PlantedTagger, RawBandTagger, white_noise

SONG = white_noise(2.5)
MODEL = PlantedTagger(seconds=2.5, when=(1.0, 2.0))


@pytest.fixture(scope="module")
def saliency() -> Saliency:
    return explain_tag(MODEL, SONG, tag="beep", n_steps=16)


def test_deletion_beats_random(saliency: Saliency) -> None:
    deletion = delete(MODEL, SONG, saliency, n_points=9, n_random=2)
    assert deletion.fractions[[0, -1]].tolist() == [0.0, 1.0]
    for curve in (deletion.salient_first, deletion.least_first, *deletion.random):
        assert curve[0] == pytest.approx(saliency.score, abs=1e-3)
        assert curve[-1] == pytest.approx(saliency.baseline_score, abs=1e-3)
    assert deletion.n_random_beaten == 2
    assert deletion.relative_area > 0.5
    assert deletion.area_least > deletion.area > 0
    again = delete(MODEL, SONG, saliency, n_points=3, n_random=2)
    assert again.random.tolist() == deletion.random[:, [0, 4, 8]].tolist()
    other = delete(MODEL, SONG, saliency, n_points=3, n_random=2, seed=1)
    assert other.random.tolist() != again.random.tolist()


def test_a_false_explanation_does_not_beat_random(saliency: Saliency) -> None:
    upside_down = replace(saliency, values=-saliency.values)
    deletion = delete(MODEL, SONG, upside_down, n_points=5, n_random=2)
    assert deletion.area < 0
    assert deletion.n_random_beaten == 0


def test_another_song_is_an_error(saliency: Saliency) -> None:
    with pytest.raises(InputError, match="cells"):
        delete(MODEL, white_noise(9.0), saliency)
    with pytest.raises(UsageError, match="n_points=1"):
        delete(MODEL, SONG, saliency, n_points=1)


def test_other_weights_give_another_explanation() -> None:
    model = RawBandTagger(seconds=2.5, when=(1.0, 2.0))
    check = check_sanity(model, SONG, tag="beep", n_steps=8, seeds=(0, 1))
    assert check.repeated == 1.0
    assert len(check.correlations) == 2
    assert check.mean < 0.5
    with pytest.raises(UsageError, match="seeds"):
        check_sanity(model, SONG, tag="beep", seeds=())


def test_shuffled_weights_that_leave_grad_cam_nothing_are_no_likeness(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(model: RawBandTagger, *, seed: int) -> RawBandTagger:
        twin = copy.deepcopy(model)
        twin.conv.weight.data.zero_()
        return twin

    monkeypatch.setattr("earmark.explain.faithfulness.shuffled", dead)
    model = RawBandTagger(seconds=2.5, when=(1.0, 2.0))
    check = check_sanity(model, SONG, tag="beep", method="grad_cam", layer="band", seeds=(0,))
    assert check.correlations == (0.0,)
    assert check.repeated == 1.0


def test_shuffled_weights_are_the_same_numbers_in_another_order() -> None:
    model = RawBandTagger(seconds=2.5, when=(1.0, 2.0))
    twin = shuffled(model, seed=3)
    own, other = (m.state_dict()["conv.weight"].flatten() for m in (model, twin))
    assert own.sort().values.equal(other.sort().values)
    assert not own.equal(other)
    assert shuffled(model, seed=3).state_dict()["conv.weight"].flatten().equal(other)


def test_rank_correlation_is_that_of_scipy() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 5, 40).astype(float), generator.standard_normal(40)
    assert rank_correlation(one, one + other) == pytest.approx(spearmanr(one, one + other).statistic, abs=1e-9)
    assert rank_correlation(one, np.ones(40)) == 0.0
    with pytest.raises(InputError, match="shapes"):
        rank_correlation(one, one[:5])
