"""One class per item: as in scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss
from sklearn.metrics import confusion_matrix as reference_matrix

from earmark.errors import InputError
from earmark.metrics import accuracy, confusion_matrix, cross_entropy, macro_recall


def drawn(seed: int = 0, *, n: int = 80, k: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, k, n)
    return classes, np.eye(k, dtype=bool)[classes], rng.dirichlet(np.ones(k), n)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(seed) -> None:
    classes, targets, scores = drawn(seed)
    best = scores.argmax(axis=1)
    assert accuracy(targets, scores) == pytest.approx(accuracy_score(classes, best))
    assert macro_recall(targets, scores) == pytest.approx(balanced_accuracy_score(classes, best))
    np.testing.assert_array_equal(confusion_matrix(targets, scores), reference_matrix(classes, best, labels=range(5)))
    assert cross_entropy(targets, scores) == pytest.approx(log_loss(classes, scores, labels=range(5)))


def test_classes_without_items_are_left_out() -> None:
    targets, scores = np.array([[1, 0, 0], [0, 1, 0]]), np.array([[0.9, 0.1, 0.0], [0.2, 0.1, 0.7]])
    assert macro_recall(targets, scores) == 0.5
    assert confusion_matrix(targets, scores).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_errors() -> None:
    with pytest.raises(InputError, match="item 1 has 2 classes, expected one"):
        accuracy([[1, 0], [1, 1]], [[1, 0], [1, 0]])
    with pytest.raises(InputError, match="item 0 has 0 classes"):
        accuracy([[0, 0]], [[1, 0]])
    with pytest.raises(InputError, match=r"probabilities sum to 1\.5, expected 1"):
        cross_entropy([[1, 0]], [[0.5, 1.0]])
    with pytest.raises(InputError, match="expected probabilities"):
        cross_entropy([[1, 0]], [[-0.5, 1.5]])
