"""What is asked next says much about the rest, is varied, and was not answered."""

import numpy as np
import pytest

from earmark.errors import InputError, UsageError
from earmark.library.heads import Head
from earmark.library.suggesting import MOST_HEARD, suggest, uncertainty
from earmark.library.teach import teach
from earmark.metrics import pr_auc

START = [0, 1, 200, 201]


def groups(n_each: int = 40, n_groups: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_groups, 12)) * 3
    labels = np.repeat(np.arange(n_groups), n_each)
    return (centres[labels] + rng.normal(size=(len(labels), 12))).astype(np.float32), labels


def head_on(points: np.ndarray, answers: np.ndarray, rows: list[int]) -> Head:
    rest = np.delete(points, rows, axis=0)
    return teach("t", points[rows], answers[rows], background=rest, model="m", model_version="1")


def test_suggestions_are_new_and_distinct() -> None:
    points, labels = groups()
    head = head_on(points, labels < 3, START)
    found = suggest(head, points, n=8, exclude=START)
    assert len(set(found)) == 8
    assert not set(found) & set(START)
    assert suggest(head, points, n=8, exclude=START) == found


def test_every_kind_of_sound_is_asked_about() -> None:
    points, labels = groups()
    found = suggest(head_on(points, labels < 3, START), points, n=6, exclude=START)
    assert len(set(labels[found])) >= 4


def test_copies_are_not_asked_about_twice() -> None:
    points, labels = groups()
    copies = np.concatenate([points, np.repeat(points[60:61], 50, axis=0)])
    head = head_on(points, labels < 3, START)
    found = suggest(head, copies, n=5, exclude=START)
    assert sum(row == 60 or row >= len(points) for row in found) <= 1


def test_what_sounds_like_an_answered_track_is_not_asked_about() -> None:
    points, labels = groups(seed=1)
    rng = np.random.default_rng(0)
    rows = [*START, *np.flatnonzero(labels == 2)[:20]]
    head = head_on(points, labels < 3, rows)
    found = suggest(head, points + 0.01 * rng.standard_normal(points.shape), n=5, exclude=rows)
    assert np.count_nonzero(labels[found] == 2) <= 1


def test_answers_that_were_asked_for_teach_more_than_any() -> None:
    """A tag of two kinds of sound, of which the examples show one."""
    asked, drawn = [], []
    for seed in range(20):
        points, labels = groups(n_each=50, n_groups=10, seed=seed)
        answers = labels < 2
        start = [0, 1, 250, 251]
        head = head_on(points, answers, start)
        mine = start + suggest(head, points, n=8, exclude=start)
        rest = np.setdiff1d(np.arange(len(points)), start)
        others = start + [int(i) for i in np.random.default_rng(seed).choice(rest, 8, replace=False)]
        for rows, areas in ((mine, asked), (others, drawn)):
            scores = head_on(points, answers, rows).evidence(points)
            areas.append(pr_auc(answers[:, None], scores[:, None]))
    assert np.mean(asked) > np.mean(drawn) + 0.03


def test_the_most_helpful_comes_first() -> None:
    points, labels = groups()
    head = head_on(points, labels < 3, START)
    assert suggest(head, points, n=3, exclude=START) == suggest(head, points, n=9, exclude=START)[:3]


def test_few_tracks_are_all_asked_about() -> None:
    points, labels = groups()
    head = head_on(points, labels < 3, START)
    assert sorted(suggest(head, points[:5], n=10, exclude=[2])) == [0, 1, 3, 4]
    assert suggest(head, points[:3], exclude=[0, 1, 2]) == []
    assert suggest(head, points[:0]) == []


def test_a_large_library_is_drawn_from_and_its_most_uncertain_are_kept() -> None:
    points, labels = groups(n_each=MOST_HEARD // 3, seed=2)
    head = head_on(points, labels < 3, [0, 1, 2900, 2901])
    found = suggest(head, points, n=10)
    assert len(set(found)) == 10
    assert suggest(head, points, n=10, seed=1) != found


def test_what_is_uncertain_lies_between_yes_and_no() -> None:
    points, labels = groups()
    head = head_on(points, labels < 3, START)
    doubts = uncertainty(head, points)
    assert doubts.max() <= 0.25
    order = np.argsort(head.evidence(points))
    best = int(np.flatnonzero(order == doubts.argmax())[0])
    assert 0 < best < len(points) - 1
    assert (np.diff(doubts[order[:best]]) >= 0).all()
    assert (np.diff(doubts[order[best:]]) <= 0).all()


def test_requests_that_make_no_sense() -> None:
    points, labels = groups()
    head = head_on(points, labels < 3, START)
    with pytest.raises(UsageError, match="expected 1 or more"):
        suggest(head, points, n=0)
    with pytest.raises(InputError, match="row 999, there are 240"):
        suggest(head, points, exclude=[999])
    with pytest.raises(InputError, match="5 features, expected 12"):
        suggest(head, points[:, :5])
