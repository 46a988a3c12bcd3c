"""What targets and scores have to be, and words for what they are not."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, UsageError

Average = Literal["macro", "micro"]
Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
Array64 = NDArray[np.float64]


def validate(targets: ArrayLike, scores: ArrayLike) -> tuple[Bools, Floats]:
    """Check that targets and scores can be compared.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1: whether an item has a tag
    scores : shape (n_items, n_tags), the higher the surer

    Returns
    -------
    both as arrays; scores keep their precision, for rounding them would make ties

    Raises
    ------
    InputError
        If shapes differ or are not two-dimensional, if there is no item or no tag, if a target is neither 0 nor 1, or
        if a score is NaN or infinite.
    """
    answers, values = as_matrix(targets, "targets"), as_matrix(scores, "scores")
    if answers.shape != values.shape:
        raise InputError(
            f"targets have shape {answers.shape} and scores {values.shape}, expected one (n_items, n_tags) for both",
            hint="items and tags have to be in the same order in both",
        )
    return as_targets(answers), as_scores(values)


def as_targets(targets: ArrayLike) -> Bools:
    """Check targets alone: shape (n_items, n_tags), each 0 or 1."""
    answers = as_matrix(targets, "targets")
    if answers.dtype == np.bool_:
        return answers
    wrong = (answers != 0) & (answers != 1)
    if wrong.any():
        item, tag = np.argwhere(wrong)[0]
        raise InputError(
            f"targets[{item}, {tag}] is {answers[item, tag]:g}, expected 0 or 1",
            hint="targets come first, scores second; ratings are made into targets with a threshold: ratings >= 0.5",
        )
    return np.asarray(answers != 0)


def as_scores(scores: ArrayLike) -> Floats:
    """Check scores alone: shape (n_items, n_tags), each finite."""
    values = as_matrix(scores, "scores")
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        item, tag = np.argwhere(~finite)[0]
        raise InputError(
            f"{np.count_nonzero(~finite)} of the scores are NaN or infinite, the first is scores[{item}, {tag}]",
            hint="leave out the items that could not be scored, or look for what made them so",
        )
    return values


def as_matrix(array: ArrayLike, name: str) -> NDArray[Any]:
    """Check that `array` holds numbers, in shape (n_items, n_tags), and at least one."""
    try:
        matrix: NDArray[Any] = np.asarray(array)
    except ValueError as error:
        raise InputError(f"{name} have rows of different lengths, expected shape (n_items, n_tags)") from error
    if matrix.dtype.kind not in "biuf":
        raise InputError(f"{name} are of type {matrix.dtype}, expected numbers")
    if matrix.ndim != 2:
        hint = "one tag is a column: array[:, None]" if matrix.ndim == 1 else None
        raise InputError(f"{name} have shape {matrix.shape}, expected (n_items, n_tags)", hint=hint)
    if not matrix.size:
        raise InputError(f"{name} have shape {matrix.shape}, expected at least one item and one tag")
    return matrix


def as_probabilities(scores: Floats) -> Floats:
    """Check that scores lie in [0, 1]."""
    if not are_probabilities(scores):
        raise InputError(
            f"scores go from {scores.min():g} to {scores.max():g}, expected probabilities in [0, 1]",
            hint="apply the sigmoid to logits first",
        )
    return scores


def are_probabilities(scores: Floats) -> bool:
    """Tell whether all scores lie in [0, 1]."""
    return bool(scores.min() >= 0 and scores.max() <= 1)


def one_per_tag(values: ArrayLike, n_tags: int, name: str) -> Array64:
    """Check that there is one number per tag, or one for all: shape (n_tags,) or ()."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are not numbers: {error}") from error
    if array.shape not in ((), (n_tags,)):
        raise InputError(f"{name} have shape {array.shape}, expected ({n_tags},), one per tag")
    if np.isnan(array).any():
        raise InputError(f"{name} hold NaN, expected numbers")
    return np.broadcast_to(array, (n_tags,))


def tag_names(tags: Sequence[str] | None, n_tags: int) -> tuple[str, ...]:
    """Return the tags' names; without any they are called by their column: "0", "1", ..."""
    if tags is None:
        return tuple(map(str, range(n_tags)))
    if len(tags) != n_tags:
        raise InputError(f"there are {len(tags)} names for {n_tags} tags", hint="the columns' names, in their order")
    return tuple(tags)


def check_average(average: Average) -> None:
    """Check the option `average`."""
    if average not in get_args(Average):
        raise UsageError(f"average is {average!r}, expected 'macro' or 'micro'")


def mean_over_tags(per_tag: Array64, why_none: str) -> float:
    """Average over the tags whose value is defined.

    Raises
    ------
    InputError
        If there is none.
    """
    defined = per_tag[~np.isnan(per_tag)]
    if not len(defined):
        raise InputError(f"no tag is left to score: {why_none}", hint="use more items, or other tags")
    return float(defined.mean())
