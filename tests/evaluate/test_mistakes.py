"""The worst mistakes are the ones that are furthest from what is true, and not all of one tag."""

from collections import Counter

import numpy as np
import pytest

from earmark.evaluate.mistakes import MOST_PER_TAG, draw_taggrams, worst_mistakes
from earmark.metrics import fit_calibration


def test_the_worst_come_first(make) -> None:
    made = make(audio=tuple(f"{i}.mp3" for i in range(120)))
    found = worst_mistakes(made, 4)
    wrong, missed = [[one for one in found if one.kind == kind] for kind in ("wrong", "missed")]
    assert wrong[0].score == made.scores[~made.targets].max()
    assert missed[0].score == made.scores[made.targets].min()
    assert [one.score for one in wrong] == sorted((one.score for one in wrong), reverse=True)
    assert all(one.tag not in one.truth for one in wrong)
    assert all(one.tag in one.truth for one in missed)
    assert wrong[0].audio == f"{made.ids.index(wrong[0].track)}.mp3"
    assert wrong[0].given[0][1] == made.scores[made.ids.index(wrong[0].track)].max()


def test_neither_a_tag_nor_a_track_fills_the_list(make) -> None:
    for kind in ("wrong", "missed"):
        found = [one for one in worst_mistakes(make(), 50) if one.kind == kind]
        assert len({one.track for one in found}) == len(found)
        assert max(sum(one.tag == tag for one in found) for tag in make().tags) == MOST_PER_TAG


def test_pairs_of_classes_take_turns_and_the_list_is_filled(make) -> None:
    made = make(40, task="single_label", skill=0.0)
    truth, best = made.targets.argmax(axis=1), made.scores.argmax(axis=1)
    pairs = Counter((made.tags[i], made.tags[j]) for i, j in zip(truth, best, strict=True) if i != j)
    n_first = sum(min(n, MOST_PER_TAG) for n in pairs.values())
    assert len(made.tags) * MOST_PER_TAG < n_first < pairs.total()
    few = worst_mistakes(made, n_first)
    found = Counter((one.truth[0], one.tag) for one in few)
    assert found == {pair: min(n, MOST_PER_TAG) for pair, n in pairs.items()}
    every = worst_mistakes(made, 100)
    assert len(every) == pairs.total()
    assert [one.score for one in every] == sorted((one.score for one in every), reverse=True)
    assert len(worst_mistakes(made, n_first + 1)) == n_first + 1


def test_calibration_makes_tags_comparable(make) -> None:
    made, validation = make(), make(seed=1)
    calibration = fit_calibration(validation.targets, validation.scores)
    found = worst_mistakes(made, 1, calibration=calibration)
    assert found[0].probability == pytest.approx(calibration.apply(made.scores)[~made.targets].max())


def test_without_mistakes_there_are_none(make) -> None:
    made = make(task="single_label", skill=50)
    assert np.array_equal(made.scores.argmax(axis=1), made.targets.argmax(axis=1))
    assert worst_mistakes(made, 5) == ()
    assert worst_mistakes(make(), 0) == ()


def test_pictures_that_cannot_be_made_are_told(make, tmp_path) -> None:
    made = make(audio=(str(tmp_path / "a.wav"),) * 120)
    found = worst_mistakes(made, 2)
    assert draw_taggrams(found, "no.such_model", segments={}) == ({}, "")
    (tmp_path / "a.wav").write_bytes(b"letter")
    pictures, problem = draw_taggrams(found, "no.such_model", segments={})
    assert pictures == {}
    assert "the model cannot be run: there is no model 'no.such_model'" in problem
