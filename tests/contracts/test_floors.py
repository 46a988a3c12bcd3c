"""The contract of every registered floor."""

import sys
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("sklearn")

from earmark.errors import InputError, MissingExtraError, UnknownNameError, UsageError
from earmark.floors import FLOORS, Floor
from earmark.floors.base import Features, Scores, Targets, Task
from earmark.metrics import accuracy, roc_auc

NAMES = list(FLOORS)
LISTENING = [name for name in NAMES if FLOORS.build(name).needs_features]
TASKS: tuple[Task, ...] = ("multi_label", "single_label")
N_TAGS = 5


class Part(NamedTuple):
    features: Features
    targets: Targets


def part(n: int, task: Task, *, seed: int) -> Part:
    """Twelve features, of very different sizes, of which noise and the tags' own directions are made."""
    rng = np.random.default_rng(seed)
    if task == "single_label":
        targets = np.eye(N_TAGS, dtype=bool)[np.arange(n) % N_TAGS]
    else:
        targets = rng.random((n, N_TAGS)) < 0.3
    directions = 1.5 * np.random.default_rng(99).standard_normal((N_TAGS, 12))
    features = targets @ directions + rng.standard_normal((n, 12))
    features[:, 11] = 7.0  # says nothing
    return Part((features * np.geomspace(1e-3, 1e3, 12)).astype(np.float32), targets)


def fitted(name: str, task: Task, train: Part | None = None, validation: Part | None = None) -> Floor:
    floor = FLOORS.build(name)
    learn, choose = train or part(120, task, seed=0), validation or part(40, task, seed=1)
    floor.fit(*learn, *choose, task)
    return floor


def check_scores(scores: Scores, shape: tuple[int, int], task: Task) -> None:
    assert scores.dtype == np.float32
    assert scores.shape == shape
    assert np.isfinite(scores).all()
    assert scores.min(initial=0) >= 0
    assert scores.max(initial=1) <= 1
    if task == "single_label":
        np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_probabilities(name: str, task: Task) -> None:
    test = part(30, task, seed=2)
    floor = fitted(name, task)
    check_scores(floor.scores(test.features), (30, N_TAGS), task)
    check_scores(floor.scores(test.features[:0]), (0, N_TAGS), task)
    assert floor.protocol


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", LISTENING)
def test_what_listens_beats_the_prior(name: str, task: Task) -> None:
    test = part(200, task, seed=2)
    scores = fitted(name, task).scores(test.features)
    prior = fitted("prior", task).scores(test.features)
    assert roc_auc(test.targets, prior) == pytest.approx(0.5)
    assert roc_auc(test.targets, scores) > 0.85
    if task == "single_label":
        assert accuracy(test.targets, scores) > 0.7
    # as probabilities, too: nearer to the truth than the share of the tag
    assert np.square(test.targets - scores).mean() < 0.75 * np.square(test.targets - prior).mean()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_chance(name: str, task: Task) -> None:
    test = part(30, task, seed=2).features
    floor = fitted(name, task)
    first = floor.scores(test)
    np.testing.assert_array_equal(fitted(name, task).scores(test), first)
    floor.fit(*part(60, task, seed=5), *part(30, task, seed=6), task)
    floor.fit(*part(120, task, seed=0), *part(40, task, seed=1), task)  # remembers nothing
    np.testing.assert_array_equal(floor.scores(test), first)


@pytest.mark.parametrize("name", NAMES)
def test_a_track_does_not_depend_on_the_others(name: str) -> None:
    test = part(30, "multi_label", seed=2).features
    floor = fitted(name, "multi_label")
    alone = np.concatenate([floor.scores(test[i : i + 1]) for i in range(30)])
    np.testing.assert_allclose(alone, floor.scores(test), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_rare_and_common_tags(name: str) -> None:
    """One track with the tag, one without it, none, all; in the validation part nothing but the last."""
    train, validation = part(80, "multi_label", seed=0), part(30, "multi_label", seed=1)
    y = train.targets.copy()
    y[:, 0], y[:, 1], y[:, 2], y[:, 3] = False, True, False, True
    y[11, 0], y[17, 1] = True, False
    only = np.zeros_like(validation.targets)
    only[:, 4] = validation.targets[:, 4]
    scores = fitted(name, "multi_label", Part(train.features, y), Part(validation.features, only)).scores(
        train.features
    )
    check_scores(scores, (80, N_TAGS), "multi_label")
    assert scores[:, 0].mean() < 0.2
    assert scores[:, 1].mean() > 0.8
    assert scores[:, 2].max() < 0.05
    assert scores[:, 3].min() > 0.95
    if name in LISTENING:
        assert scores[:, 0].argmax() == 11


@pytest.mark.parametrize("n_present", [1, 2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_classes_without_training_tracks(name: str, n_present: int) -> None:
    train = part(100, "single_label", seed=0)
    rows = train.targets[:, :n_present].any(axis=1)
    learn = Part(train.features[rows], train.targets[rows])
    test = part(50, "single_label", seed=2)
    scores = fitted(name, "single_label", learn).scores(test.features)
    check_scores(scores, (50, N_TAGS), "single_label")
    np.testing.assert_array_equal(scores[:, n_present:], 0.0)
    known = test.targets[:, :n_present].any(axis=1)
    if name in LISTENING:
        assert accuracy(test.targets[known], scores[known]) > 0.7


@pytest.mark.parametrize("name", NAMES)
def test_very_few_tracks(name: str) -> None:
    train = Part(np.array([[0.0, 1.0], [4.0, 1.0]], np.float32), np.array([[True, False], [False, True]]))
    for task in TASKS:
        check_scores(fitted(name, task, train, train).scores(train.features), (2, 2), task)


@pytest.mark.parametrize("name", NAMES)
def test_scores_before_fit(name: str) -> None:
    with pytest.raises(UsageError, match=f"floor '{name}' has learned nothing yet"):
        FLOORS.build(name).scores(np.zeros((1, 2), np.float32))


@pytest.mark.parametrize("name", LISTENING)
def test_other_features_than_it_was_fitted_to(name: str) -> None:
    floor = fitted(name, "multi_label")
    with pytest.raises(InputError, match="3 features, fitted to 12"):
        floor.scores(np.zeros((1, 3), np.float32))
    with pytest.raises(InputError, match="not finite"):
        floor.scores(np.full((1, 12), np.nan, np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_parts_that_do_not_fit(name: str) -> None:
    x, y = part(20, "single_label", seed=0)
    both = y.copy()
    both[3] = True
    broken = x.copy()
    broken[2, 2] = np.inf
    floor = FLOORS.build(name)
    with pytest.raises(InputError, match=r"training part: features \(20, 12\) and targets \(19, 5\)"):
        floor.fit(x, y[1:], x, y, "single_label")
    with pytest.raises(InputError, match="validation part is empty"):
        floor.fit(x, y, x[:0], y[:0], "single_label")
    with pytest.raises(InputError, match="validation part: a track of a single-label task"):
        floor.fit(x, y, x, both, "single_label")
    with pytest.raises(InputError, match="not finite"):
        floor.fit(broken, y, x, y, "single_label")
    with pytest.raises(InputError, match="different features"):
        floor.fit(x, y, x[:, 1:], y, "single_label")
    with pytest.raises(InputError, match="different tags"):
        floor.fit(x, y, x, y[:, 1:], "multi_label")
    with pytest.raises(UsageError, match="task 'tags'"):
        floor.fit(x, y, x, y, "tags")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "module"), [("mfcc_logistic", "sklearn.linear_model"), ("mfcc_svm", "sklearn.svm")])
def test_without_scikit_learn_the_error_names_the_extra(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"floor '{name}' needs the extra \[train\]"):
        fitted(name, "multi_label")


def test_names() -> None:
    assert NAMES == ["mfcc_knn", "mfcc_logistic", "mfcc_svm", "prior"]
    with pytest.raises(UnknownNameError, match="no floor 'mfcc_logistics'"):
        FLOORS.build("mfcc_logistics")
    with pytest.raises(UsageError, match="takes no option 'grid'"):
        FLOORS.build("mfcc_svm", grid=(1.0,))
