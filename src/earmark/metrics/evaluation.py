"""All metrics at once: what a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, UsageError
from earmark.metrics.calibration import calibration_error, log_loss, reliability
from earmark.metrics.checks import (
    Array64,
    Bools,
    Floats,
    are_probabilities,
    mean_over_tags,
    tag_names,
    validate,
)
from earmark.metrics.decisions import Decisions, Thresholds, as_thresholds, compare, precision_at_k
from earmark.metrics.ranking import NO_BOTH, NO_POSITIVES, rank
from earmark.metrics.single_label import classes_of, confusion_matrix, cross_entropy, recall_per_class

Task = Literal["multi_label", "single_label"]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of a model on a set of items. Arrays have a number per tag; NaN is one that is not defined.

    Parameters
    ----------
    task : "multi_label" or "single_label"
    n_items : that were scored
    n_without_tag : of them have none
    tags : names
    n_positives : items that have each tag
    roc_auc, pr_auc : mean over the tags for which they are defined
    roc_auc_micro, pr_auc_micro : of all pairs of item and tag
    roc_auc_per_tag, pr_auc_per_tag : of every tag
    without_positives, without_negatives : tags that no item, or every item has; both are left out of `roc_auc`, the
        first of `pr_auc` too
    by_category : category to roc_auc, pr_auc (None where not defined) and n_tags
    chance_pr_auc : what constant scores get in `pr_auc`; in `roc_auc` they get 0.5
    thresholds : that decisions were made with; None without
    decisions : counts and, from them, precision, recall and F1; None without thresholds
    precision_at_k : k to the share of right tags among the k best
    log_loss, calibration_error : None if scores are not probabilities; the second, for single labels, is of the best
        class's score
    accuracy, macro_recall, confusion : of single labels; None else
    """

    task: Task
    n_items: int
    n_without_tag: int
    tags: tuple[str, ...]
    n_positives: NDArray[np.int64]
    roc_auc: float
    pr_auc: float
    roc_auc_micro: float
    pr_auc_micro: float
    roc_auc_per_tag: Array64
    pr_auc_per_tag: Array64
    without_positives: tuple[str, ...]
    without_negatives: tuple[str, ...]
    by_category: Mapping[str, Mapping[str, float | int | None]] = field(default_factory=dict)
    chance_pr_auc: float
    thresholds: Array64 | None = None
    decisions: Decisions | None = None
    precision_at_k: Mapping[int, float] = field(default_factory=dict)
    log_loss: float | None = None
    calibration_error: float | None = None
    accuracy: float | None = None
    macro_recall: float | None = None
    confusion: NDArray[np.int64] | None = None

    @property
    def prevalence(self) -> Array64:
        """Share of items that have each tag."""
        return np.asarray(self.n_positives / self.n_items)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: what is not defined as None, and of decisions precision, recall and F1."""
        out: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            out[one.name] = value.tolist() if isinstance(value, np.ndarray) else value
        out["prevalence"] = self.prevalence.tolist()
        if self.decisions is not None:
            kinds = {"macro": self.decisions, "micro": self.decisions.pooled()}
            out["decisions"] = {
                name: {
                    **{average: float(np.nanmean(getattr(of, name)())) for average, of in kinds.items()},
                    "per_tag": getattr(self.decisions, name)().tolist(),
                }
                for name in ("precision", "recall", "f1")
            }
        return _without_nan(out)  # type: ignore[no-any-return]


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def evaluate(
    targets: ArrayLike,
    scores: ArrayLike,
    *,
    tags: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    ks: Sequence[int] = (1, 3, 5),
    task: Task = "multi_label",
) -> Evaluation:
    """Compute every metric.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags), one per item: chunks are averaged first
    tags : names of the columns
    categories : category of each tag, for means over each
    thresholds : shape (n_tags,), or one for all, chosen on other items (see `best_thresholds`)
    ks : for precision at k; those above the number of tags are left out
    task : "single_label" if every item has one tag

    Returns
    -------
    all of it, with the tags that were left out

    Raises
    ------
    InputError
        If the arrays cannot be compared (see `validate`), or no tag is left.
    UsageError
        If the task is neither.

    Examples
    --------
    >>> targets = [[1, 0, 0], [0, 1, 0], [1, 1, 0]]
    >>> scores = [[0.9, 0.2, 0.1], [0.3, 0.8, 0.2], [0.4, 0.1, 0.3]]
    >>> found = evaluate(targets, scores, tags=["rock", "piano", "choir"])
    >>> found.roc_auc, found.roc_auc_per_tag.tolist(), found.without_positives
    (0.75, [1.0, 0.5, nan], ('choir',))
    """
    answers, values = validate(targets, scores)
    if task not in get_args(Task):
        raise UsageError(f"task is {task!r}, expected 'multi_label' or 'single_label'")
    names = tag_names(tags, values.shape[1])
    if categories is not None and len(categories) != len(names):
        raise InputError(f"there are {len(categories)} categories for {len(names)} tags, expected one for each")
    positives = np.count_nonzero(answers, axis=0)
    ranked, pooled = rank(answers, values), rank(answers, values, average="micro")
    roc, pr = ranked.area("roc_auc"), ranked.area("pr_auc")
    limits = None if thresholds is None else as_thresholds(thresholds, len(names))
    return Evaluation(
        task=task,
        n_items=len(answers),
        n_without_tag=int(np.count_nonzero(~answers.any(axis=1))),
        tags=names,
        n_positives=positives,
        roc_auc=mean_over_tags(roc, NO_BOTH),
        pr_auc=mean_over_tags(pr, NO_POSITIVES),
        roc_auc_micro=float(pooled.area("roc_auc")[0]),
        pr_auc_micro=float(pooled.area("pr_auc")[0]),
        roc_auc_per_tag=roc,
        pr_auc_per_tag=pr,
        without_positives=_named(names, positives == 0),
        without_negatives=_named(names, positives == len(answers)),
        by_category=_by_category(categories, roc, pr),
        chance_pr_auc=float(positives[positives > 0].mean() / len(answers)),
        thresholds=limits,
        decisions=None if limits is None else compare(answers, values, limits),
        precision_at_k={k: precision_at_k(answers, values, k) for k in ks if k <= len(names)},
        **_as_probabilities(answers, values, task),
        **_single_label(answers, values) if task == "single_label" else {},
    )


def _named(names: Sequence[str], chosen: Bools) -> tuple[str, ...]:
    return tuple(name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen)


def _by_category(
    categories: Sequence[str] | None, roc: Array64, pr: Array64
) -> dict[str, dict[str, float | int | None]]:
    if categories is None:
        return {}
    out: dict[str, dict[str, float | int | None]] = {}
    for category in dict.fromkeys(categories):
        chosen = np.array([one == category for one in categories])
        means = {
            name: None if np.isnan(values[chosen]).all() else float(np.nanmean(values[chosen]))
            for name, values in (("roc_auc", roc), ("pr_auc", pr))
        }
        out[category] = {**means, "n_tags": int(np.count_nonzero(chosen & ~np.isnan(pr)))}
    return out


def _as_probabilities(answers: Bools, values: Floats, task: Task) -> dict[str, Any]:
    if not are_probabilities(values):
        return {}
    if task == "multi_label":
        return {"log_loss": log_loss(answers, values), "calibration_error": calibration_error(answers, values)}
    if not np.allclose(values.sum(axis=1), 1, atol=1e-3):
        return {}
    right = values.argmax(axis=1) == classes_of(answers)
    best = reliability(right[:, None], values.max(axis=1)[:, None])
    return {"log_loss": cross_entropy(answers, values), "calibration_error": float(best.error()[0])}


def _single_label(answers: Bools, values: Floats) -> dict[str, Any]:
    matrix = confusion_matrix(answers, values)
    return {
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "macro_recall": float(np.nanmean(recall_per_class(matrix))),
        "confusion": matrix,
    }
