"""Side by side: who is better, and whether that is more than luck."""

import json
from dataclasses import replace

import numpy as np
import pytest

from earmark import metrics
from earmark.errors import InputError, UsageError
from earmark.evaluate import compare, evaluate, write_report
from earmark.evaluate.columns import choose_tags, choose_tracks


def test_a_better_model_is_found_on_the_same_tracks(make) -> None:
    weak, strong = make(400, skill=1.0, model="weak"), make(400, skill=3.0, model="strong")
    found = compare([weak, strong], resamples=100)
    assert found.best["pr_auc"] == found.best["log_loss"] == ("strong",)
    differences = {one.metric: one for one in found.differences}
    assert differences["pr_auc"].is_sure
    expected = metrics.pr_auc(strong.targets, strong.scores) - metrics.pr_auc(weak.targets, weak.scores)
    assert differences["pr_auc"].interval.value == pytest.approx(expected)
    assert set(differences["pr_auc"].tags) <= set(weak.tags)
    text = found.to_markdown()
    assert "| strong | PR-AUC |" in text
    assert "zero is excluded" in text


def test_a_model_is_no_better_than_itself(make) -> None:
    made = make()
    order = np.random.default_rng(1).permutation(120)
    found = compare([made, replace(choose_tracks(made, order), model="again")], resamples=20)
    assert [one.interval.value for one in found.differences] == [0, 0]
    assert not any(one.is_sure for one in found.differences)
    assert found.notes == ()
    assert found.best["pr_auc"] == ("net", "again")


def test_classes_are_compared_by_accuracy(make) -> None:
    first, second = make(task="single_label", skill=1.0, model="a"), make(task="single_label", skill=3.0, model="b")
    found = {one.metric: one.interval.value for one in compare([first, second], resamples=20).differences}
    assert found["accuracy"] == pytest.approx(
        metrics.accuracy(second.targets, second.scores) - metrics.accuracy(first.targets, first.scores)
    )


def test_other_tracks_are_noted_and_not_paired(make) -> None:
    found = compare([make(model="a"), make(100, part="fold-2", model="b")], resamples=10)
    assert found.differences == ()
    assert any("the tracks differ" in note for note in found.notes)
    assert [entry.n_tracks for entry in found.entries] == [120, 100]


def test_other_tags_leave_those_in_common(make) -> None:
    made = make(model="a")
    other = choose_tags(make(model="b"), ("choir", "rock"))
    found = compare([made, other], resamples=10)
    both = choose_tags(made, ("rock", "choir"))
    assert found.entries[0].estimates["pr_auc"].value == metrics.pr_auc(both.targets, both.scores)
    assert any("only the 2 that all have are compared, without 2 tags ('piano', 'quiet')" in one for one in found.notes)
    strange = replace(made, tags=("w", "x", "y", "z"))
    with pytest.raises(InputError, match="no tag in common"):
        compare([made, strange])


def test_labels_that_differ_are_an_error(make) -> None:
    made = make(model="a")
    targets = made.targets.copy()
    targets[7, 1] ^= True
    with pytest.raises(InputError, match="1 labels differ, the first is tag 'piano' of track 'test-7'"):
        compare([made, replace(made, targets=targets, model="b")])


def test_classes_and_tags_cannot_be_mixed(make) -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        compare([make(), make(task="single_label")])


def test_means_over_runs(make) -> None:
    runs = [make(seed=seed, part=f"fold-{seed}") for seed in range(5)]
    found = compare(runs, mean=True, resamples=5)
    values = [metrics.pr_auc(one.targets, one.scores) for one in runs]
    assert found.means["pr_auc"] == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert "mean ± deviation" in found.to_markdown()
    assert len({entry.name for entry in found.entries}) == 5
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["means"]["pr_auc"]["mean"] == pytest.approx(
        np.mean(values)
    )


def test_reports_are_compared_with_their_thresholds(make, tmp_path) -> None:
    made, validation = make(model="a"), make(seed=1, part="validation")
    write_report(evaluate(made, validation=validation, resamples=5, mistakes=0), tmp_path / "a")
    write_report(evaluate(replace(made, model="b"), halves=True, resamples=5, mistakes=0), tmp_path / "b")
    found = compare([tmp_path / "a", tmp_path / "a" / "predictions.npz"], resamples=5)
    thresholds = metrics.best_thresholds(validation.targets, validation.scores)
    assert found.entries[0].estimates["f1"].value == pytest.approx(metrics.f1(made.targets, made.scores, thresholds))
    assert [entry.name for entry in found.entries] == ["a", "predictions.npz"]
    assert "f1" not in compare([tmp_path / "a", tmp_path / "b"], resamples=5).entries[0].estimates


def test_one_alone_is_nothing_to_compare(make) -> None:
    with pytest.raises(UsageError, match="nothing to compare with"):
        compare([make()])


@pytest.mark.parametrize(
    ("what", "hint"),
    [
        ("musicnn.pons_mtt", "earmark evaluate musicnn.pons_mtt --dataset NAME --root FOLDER -o FOLDER"),
        ("runs/gone", "--dataset NAME"),
        ("best.safetensors", "--dataset NAME"),
        ("scores.npy", "earmark evaluate --scores scores.npy --targets FILE -o FOLDER"),
    ],
)
def test_what_was_not_judged_yet_is_told_how(make, what, hint) -> None:
    with pytest.raises(UsageError, match="is no run, no report and no file of predictions") as caught:
        compare([make(), what])
    assert hint in str(caught.value.hint)


def test_every_number_is_on_a_row(make) -> None:
    weak, strong = make(skill=1.0, model="weak"), make(skill=3.0, model="strong")
    rows = compare([weak, strong], mean=True, resamples=20).rows()
    values = {(metric, name): (value, low, high) for metric, name, value, low, high in rows}
    assert values["pr_auc", "weak"][0] == metrics.pr_auc(weak.targets, weak.scores)
    difference, low, high = values["pr_auc", "strong - weak"]
    assert difference == pytest.approx(values["pr_auc", "strong"][0] - values["pr_auc", "weak"][0])
    assert low < difference < high
    assert values["pr_auc", "mean"][1:] == (None, None)
    assert values["log_loss", "deviation"][0] > 0
