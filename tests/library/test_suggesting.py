"""What is asked next is uncertain, varied, and not what was answered."""

import numpy as np
import pytest

from earmark.errors import UsageError
from earmark.library.suggesting import suggest, uncertainty
from earmark.library.teach import teach


def groups(n_each: int = 40, n_groups: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_groups, 12)) * 3
    labels = np.repeat(np.arange(n_groups), n_each)
    return (centres[labels] + rng.normal(size=(len(labels), 12))).astype(np.float32), labels


def head_on(points: np.ndarray, answers: np.ndarray, rows: list[int]):
    rest = np.delete(points, rows, axis=0)
    return teach("t", points[rows], answers[rows], background=rest, model="m", model_version="1")


def test_suggestions_are_new_distinct_and_the_most_uncertain_first() -> None:
    points, labels = groups()
    answers = labels < 3
    rows = [0, 1, 2, 200, 201, 202]
    head = head_on(points, answers, rows)
    found = suggest(head, points, n=8, exclude=rows)
    assert len(set(found)) == 8
    assert not set(found) & set(rows)
    doubt = uncertainty(head.probabilities(points))
    assert doubt[found].tolist() == sorted(doubt[found], reverse=True)
    rest = np.delete(np.arange(len(points)), rows)
    assert doubt[found].min() >= np.sort(doubt[rest])[::-1][79]  # among the ten times as many most uncertain


def test_copies_are_not_asked_about_twice() -> None:
    points, labels = groups()
    copies = np.concatenate([points, np.repeat(points[60:61], 50, axis=0)])
    head = head_on(points, labels < 3, [0, 1, 200, 201])
    found = suggest(head, copies, n=5, exclude=[0, 1, 200, 201])
    assert sum(row == 60 or row >= len(points) for row in found) <= 1


def test_few_tracks_are_all_asked_about() -> None:
    points, labels = groups()
    head = head_on(points, labels < 3, [0, 1, 200, 201])
    assert sorted(suggest(head, points[:5], n=10, exclude=[2])) == [0, 1, 3, 4]
    assert suggest(head, points[:3], exclude=[0, 1, 2]) == []
    with pytest.raises(UsageError, match="expected 1 or more"):
        suggest(head, points, n=0)
