"""A report says what is so: floors, leaks, thresholds from other tracks, and what could not be had."""

import json
from dataclasses import replace

import numpy as np
import pytest

from earmark import metrics
from earmark.errors import InputError, UsageError
from earmark.evaluate import evaluate
from earmark.evaluate.evaluating import resampling_of

FEW = {"resamples": 20, "mistakes": 3}


def test_metrics_and_prior_stand_side_by_side(make) -> None:
    made = make()
    report = evaluate(made, validation=make(seed=1, part="validation"), **FEW)
    found, prior = report.model.estimates, report.floors[0].estimates
    assert found["pr_auc"].value == metrics.pr_auc(made.targets, made.scores)
    assert found["pr_auc"].low < found["pr_auc"].value < found["pr_auc"].high
    assert prior["roc_auc"].value == 0.5
    assert prior["pr_auc"].value == pytest.approx(made.targets.mean())
    assert report.prior_of == "the training part"
    assert set(found) == set(prior)
    assert (report.resampling.unit, report.resampling.n_groups) == ("artist", 30)


def test_the_prior_of_classes_is_the_most_frequent_one(make) -> None:
    made = make(task="single_label", prevalence=np.array([0.1, 0.6, 0.2, 0.1]))
    report = evaluate(made, **FEW)
    assert report.floors[0].estimates["accuracy"].value == made.targets[:, 1].mean()
    assert report.model.estimates["accuracy"].value == metrics.accuracy(made.targets, made.scores)
    assert report.model.estimates["macro_recall"].value == metrics.macro_recall(made.targets, made.scores)
    assert np.trace(np.array(report.to_dict()["confusion"])) == round(report.model.estimates["accuracy"].value * 120)
    assert {one.kind for one in report.mistakes} == {"wrong"}
    assert all(one.truth != (one.tag,) and one.given[0][0] == one.tag for one in report.mistakes)


def test_thresholds_and_calibration_come_from_the_validation_part(make) -> None:
    made, validation = make(), make(seed=1, part="validation")
    report = evaluate(made, validation=validation, **FEW)
    thresholds = metrics.best_thresholds(validation.targets, validation.scores)
    assert report.thresholds == tuple(thresholds.tolist())
    assert report.model.estimates["f1"].value == pytest.approx(metrics.f1(made.targets, made.scores, thresholds))
    fitted = metrics.fit_calibration(validation.targets, validation.scores)
    assert report.calibrated.log_loss == pytest.approx(
        (metrics.log_loss(made.targets, made.scores), metrics.log_loss(made.targets, fitted.apply(made.scores)))
    )
    assert report.to_dict()["thresholds"] == dict(zip(made.tags, thresholds, strict=True))
    assert metrics.Calibration.from_dict(report.to_dict()["calibration"]).scale.tolist() == fitted.scale.tolist()


def test_without_a_validation_part_f1_is_left_out_and_said(make) -> None:
    report = evaluate(make(), **FEW)
    assert report.thresholds is report.calibration is report.calibrated is None
    assert "f1" not in report.model.estimates
    assert any("F1 and calibration are left out" in note for note in report.notes)
    assert "nothing: there is no validation part" in report.to_markdown()


def test_halves_keep_artists_whole_and_judge_the_other_half(make) -> None:
    made = make()
    report = evaluate(made, halves=True, **FEW)
    first = np.array([int(key.split()[1]) % 2 == 0 for key in made.groups["artist"]])
    thresholds = metrics.best_thresholds(made.targets[first], made.scores[first])
    assert report.model.estimates["f1"].value == pytest.approx(
        metrics.f1(made.targets[~first], made.scores[~first], thresholds)
    )
    assert report.model.estimates["pr_auc"].value == metrics.pr_auc(made.targets, made.scores)
    assert "one half of the part (every other artist: 60 tracks)" in report.to_markdown()
    assert report.calibrated.n_tracks == 60


def test_a_leak_is_the_first_thing_that_a_report_says(make) -> None:
    shared = {"artist": (True,) * 40 + (False,) * 80}
    made = make(shared=shared)
    report = evaluate(made, **FEW)
    (leak,) = report.leaks
    assert (leak.by, leak.n_shared, leak.n_left) == ("artist", 40, 80)
    assert leak.estimates["pr_auc"].value == metrics.pr_auc(made.targets[40:], made.scores[40:])
    text = report.to_markdown()
    assert text.index("**Leakage: the artist of 40 of 120 tracks (33 %)") < text.index("## What was evaluated")
    assert "without known artists" in text


def test_a_leak_of_a_model_from_elsewhere_is_a_note(make) -> None:
    shared = {"artist": (True,) * 40 + (False,) * 80}
    report = evaluate(make(shared=shared, model="musicnn.pons_mtt"), **FEW)
    assert report.learned_from == "elsewhere"
    assert report.leaks[0].n_shared == 40
    text = report.to_markdown()
    assert "Leakage" not in text
    assert "without known artists" not in text
    assert "the artist of 40 of 120 tracks (33 %) is in the training part of the dataset too; that concerns" in text
    own = evaluate(make(shared=shared, model="musicnn.pons_mtt", dataset="magnatagatune"), **FEW)
    assert own.to_dict()["learned_from"] == "dataset"
    assert "**Leakage: the artist of 40 of 120 tracks (33 %) is in the training part too, and the model" in (
        own.to_markdown()
    )


def test_equal_shares_are_told_once(make) -> None:
    targets = np.eye(4, dtype=bool)[np.arange(120) % 4]
    text = evaluate(replace(make(task="single_label"), targets=targets), **FEW).to_markdown()
    assert "| 25 % of each |" in text
    assert " % on average |" in evaluate(make(), **FEW).to_markdown()


def test_when_all_leaks_nothing_is_left_to_score(make) -> None:
    report = evaluate(make(shared={"track": (True,) * 120}), **FEW)
    assert report.leaks[0].estimates == {}
    assert "nothing here says how the model does on new ones" in report.to_markdown()


def test_tags_without_tracks_are_named_and_left_out(make) -> None:
    made = make()
    targets = made.targets.copy()
    targets[:, 2] = False
    report = evaluate(replace(made, targets=targets), validation=make(seed=1), **FEW)
    rest = [0, 1, 3]
    assert report.model.estimates["roc_auc"].value == pytest.approx(
        metrics.roc_auc(targets[:, rest], made.scores[:, rest])
    )
    assert "because no track of the part has them: choir" in report.to_markdown()
    plain = report.to_dict()
    assert plain["without_positives"] == ["choir"]
    assert plain["tags"][2]["pr_auc"] == {"value": None, "low": None, "high": None}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_no_positives_at_all_is_an_error_that_says_so(make) -> None:
    made = make()
    with pytest.raises(InputError, match="no track of the test part has any of the 4 tags"):
        evaluate(replace(made, targets=np.zeros_like(made.targets)))


def test_a_file_of_predictions_is_a_floor(make, tmp_path) -> None:
    made, weaker = make(), make(skill=0.5, model="logistic")
    order = np.random.default_rng(0).permutation(120)
    from earmark.evaluate.columns import choose_tracks

    choose_tracks(weaker, order).save(tmp_path / "floor.npz")
    report = evaluate(made, floors=["prior", str(tmp_path / "floor.npz")], **FEW)
    assert [floor.name for floor in report.floors] == ["constant prior", "logistic"]
    assert report.floors[1].estimates["pr_auc"].value == metrics.pr_auc(weaker.targets, weaker.scores)
    make(50, model="other").save(tmp_path / "few.npz")
    report = evaluate(made, floors=[str(tmp_path / "few.npz")], **FEW)
    assert len(report.floors) == 1
    (note,) = (note for note in report.notes if "few.npz' is left out" in note)
    assert "it does not have all tracks and tags" in note
    with pytest.raises(InputError, match=r"gone\.npz: cannot be read"):
        evaluate(made, floors=[str(tmp_path / "gone.npz")], **FEW)


def test_a_floor_that_has_to_be_trained_needs_the_dataset(make) -> None:
    with pytest.raises(UsageError, match="has to be trained"):
        evaluate(make(), floors=["mfcc_logistic"], **FEW)


@pytest.mark.parametrize(
    ("group", "unit", "n"), [(None, "artist", 30), ("artist", "artist", 30), ("none", "none", 120)]
)  # fmt: skip
def test_what_is_drawn(make, group, unit, n) -> None:
    found = resampling_of(make(), group)
    assert (found.unit, found.n_groups) == (unit, n)


def test_unknown_artists_are_one_each(make) -> None:
    found = resampling_of(make(groups={"artist": ("a", "b") + ("",) * 118}), None)
    assert (found.unit, found.n_groups) == ("artist", 120)
    assert resampling_of(make(groups={"artist": ("a",) * 120, "track": ("x", "y") * 60}), None).unit == "track"
    with pytest.raises(InputError, match="several known albums"):
        resampling_of(make(), "album")


def test_what_is_left_of_one_artist_has_values_without_intervals(make) -> None:
    made = make(shared={"artist": (True,) * 112 + (False,) * 8}, groups={"artist": ("a",) * 60 + ("b",) * 60})
    (leak,) = evaluate(made, **FEW).leaks
    assert leak.estimates["pr_auc"].value == metrics.pr_auc(made.targets[112:], made.scores[112:])
    assert leak.estimates["pr_auc"].low is None


def test_one_track_cannot_be_ranked(make) -> None:
    with pytest.raises(InputError, match="no tag is left to score"):
        evaluate(make(1, seed=3, groups={}), **FEW)


def test_validation_of_other_tags(make) -> None:
    from earmark.evaluate.columns import choose_tags

    validation = choose_tags(make(seed=1), ("piano", "rock"))
    with pytest.raises(InputError, match="differ"):
        evaluate(make(), validation=validation, **FEW)
    report = evaluate(make(), validation=validation, common_tags=True, **FEW)
    assert report.predictions.tags == ("rock", "piano")
    assert any("only the 2 tags" in note for note in report.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to evaluate is named"),
        ({"scores": "a.csv"}, "two files"),
        ({"what": "net", "dataset": "gtzan"}, "a dataset needs its folder"),
        ({"what": "net"}, "a model needs tracks"),
        ({"what": "a", "tags": "mtt"}, "names of tags are for stored scores"),
        ({"what": "a", "halves": True, "validation": "b"}, "not from both"),
        ({"what": "a", "resamples": 1}, "at least 2"),
        ({"what": "a", "mistakes": -1}, "0 or more"),
        ({"what": "a.npz", "chunks": 3}, "chunks are of a model"),
    ],
)
def test_options_that_do_not_go_together(options, message) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(**options)
