"""One class per item: accuracy, recall per class, and which class is taken for which."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError
from earmark.metrics.checks import Array64, Bools, as_probabilities, mean_over_tags, validate
from earmark.metrics.ranking import divide


def accuracy(targets: ArrayLike, scores: ArrayLike) -> float:
    """Compute the share of items whose best class is theirs.

    Parameters
    ----------
    targets : shape (n_items, n_classes), one 1 per item
    scores : shape (n_items, n_classes); of equal best scores the first counts

    Returns
    -------
    in [0, 1]
    """
    matrix = confusion_matrix(targets, scores)
    return float(np.trace(matrix) / matrix.sum())


def macro_recall(targets: ArrayLike, scores: ArrayLike) -> float:
    """Average over classes the share of their items that were recognised; parameters as of `accuracy`.

    It is also called balanced accuracy. Classes without items are left out.
    """
    return mean_over_tags(recall_per_class(confusion_matrix(targets, scores)), "there are no items")


def recall_per_class(matrix: NDArray[np.int64]) -> Array64:
    """Compute from a confusion matrix the recall of every class: (n_classes,), NaN for those without items."""
    return divide(np.diagonal(matrix), matrix.sum(axis=1))


def confusion_matrix(targets: ArrayLike, scores: ArrayLike) -> NDArray[np.int64]:
    """Count which class is taken for which; parameters as of `accuracy`.

    Returns
    -------
    shape (n_classes, n_classes): in row i and column j the items of class i whose best class is j
    """
    answers, values = validate(targets, scores)
    n = answers.shape[1]
    cells = classes_of(answers) * n + values.argmax(axis=1)
    return np.bincount(cells, minlength=n * n).reshape(n, n)


def cross_entropy(targets: ArrayLike, scores: ArrayLike) -> float:
    """Compute the mean of minus the logarithm of the probability that an item's class was given.

    Parameters
    ----------
    targets : shape (n_items, n_classes), one 1 per item
    scores : shape (n_items, n_classes), probabilities; those of an item sum to 1

    Returns
    -------
    nats, 0 is best; scores that are 0 or 1 are moved off by the precision of their type, as scikit-learn does
    """
    answers, values = validate(targets, scores)
    probabilities = as_probabilities(values)
    sums = probabilities.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-3):
        raise InputError(
            f"an item's probabilities sum to {sums[np.abs(sums - 1).argmax()]:g}, expected 1",
            hint="apply the softmax, or use log_loss for tags that do not exclude each other",
        )
    given = probabilities[np.arange(len(values)), classes_of(answers)]
    eps = float(np.finfo(values.dtype).eps)
    return float(-np.log(np.clip(given.astype(np.float64), eps, 1 - eps)).mean())


def classes_of(targets: Bools) -> NDArray[np.intp]:
    """Return the class of every item.

    Raises
    ------
    InputError
        If an item has none, or several.
    """
    counts = np.count_nonzero(targets, axis=1)
    if (counts != 1).any():
        item = int(np.flatnonzero(counts != 1)[0])
        raise InputError(
            f"item {item} has {counts[item]} classes, expected one",
            hint="items with several tags are scored with roc_auc, pr_auc and f1",
        )
    return np.asarray(targets.argmax(axis=1))
