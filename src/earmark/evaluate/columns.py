"""Rows and columns of predictions: choose tracks, choose tags, and match two lists of tags by their names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError
from earmark.metrics.checks import Bools
from earmark.predictions import Predictions

MOST_NAMES = 8
Value = TypeVar("Value")


def choose_tracks(predictions: Predictions, rows: Bools | NDArray[np.intp]) -> Predictions:
    """Return predictions of some tracks: a yes or no for each, shape (n,), or their numbers in the order wanted."""
    numbers = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows

    def of(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(values[i] for i in numbers)

    return replace(
        predictions,
        targets=predictions.targets[numbers],
        scores=predictions.scores[numbers],
        ids=of(predictions.ids),
        audio=of(predictions.audio) if predictions.audio else (),
        groups={kind: of(keys) for kind, keys in predictions.groups.items()},
        shared={kind: of(values) for kind, values in predictions.shared.items()},
    )


def choose_tags(predictions: Predictions, tags: Sequence[str]) -> Predictions:
    """Return predictions with some of the tags, in the order wanted."""
    column = {tag: k for k, tag in enumerate(predictions.tags)}
    numbers = [column[tag] for tag in tags]
    return replace(
        predictions,
        targets=predictions.targets[:, numbers],
        scores=predictions.scores[:, numbers],
        tags=tuple(tags),
        categories=tuple(predictions.categories[k] for k in numbers) if predictions.categories else (),
        prevalence=None if predictions.prevalence is None else predictions.prevalence[numbers],
    )


def common_tags(
    ours: Sequence[str], theirs: Sequence[str], *, who: str, whose: str, only_common: bool
) -> tuple[str, ...]:
    """Return the tags to evaluate, in the order of `theirs`.

    Parameters
    ----------
    ours, theirs : names
    who, whose : what has them, for messages
    only_common : whether tags that stand on one side only may be left out

    Raises
    ------
    InputError
        If a tag stands on one side only and may not be left out, or none stands on both.
    """
    here, there = set(ours), set(theirs)
    if here == there:
        return tuple(theirs)
    common = tuple(tag for tag in theirs if tag in here)
    lacking = [
        f"{whose} lacks {named([tag for tag in ours if tag not in there])}" if here - there else "",
        f"{who} lacks {named([tag for tag in theirs if tag not in here])}" if there - here else "",
    ]
    words = "; ".join(filter(None, lacking))
    if not common:
        raise InputError(f"{who} and {whose} have no tag in common: {words}", hint="tags are matched by their names")
    if not only_common:
        hint = f"--common-tags evaluates what both have ({named(common)}) and says so in the report"
        raise InputError(f"the tags of {who} and {whose} differ: {words}", hint=hint)
    return common


def named(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """List the first of some names.

    Examples
    --------
    >>> named(["rock", "piano", "choir"], most=2)
    "3 tags ('rock', 'piano', ...)"
    """
    shown = ", ".join(map(repr, names[:most])) + (", ..." if len(names) > most else "")
    return f"{len(names)} tag{'' if len(names) == 1 else 's'} ({shown})"
