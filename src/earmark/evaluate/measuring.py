"""Every metric of one set of scores, with its interval: resampled over groups of tracks, never over chunks.

`earmark.metrics.bootstrap` calls a function anew for every resample. Most metrics are made of sums over tracks, so here
what each track adds is computed once and only the sums are taken anew: the values are those of `earmark.metrics`, which
tests/evaluate/test_measuring.py holds them to, and a thousand resamples take seconds.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError
from earmark.metrics import Decisions, Evaluation, Interval, bootstrap, compare, cross_entropy, precision_at_k
from earmark.metrics import evaluate as evaluate_scores
from earmark.metrics.calibration import N_BINS, log_loss_per_tag
from earmark.metrics.checks import Array64, Bools, Floats
from earmark.metrics.decisions import decide
from earmark.metrics.single_label import classes_of

Task = Literal["multi_label", "single_label"]
Groups = Sequence[Hashable] | None
KS = (1, 3, 5)
TITLES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "macro_recall": "recall, mean over classes",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "roc_auc_micro": "ROC-AUC, micro",
    "pr_auc_micro": "PR-AUC, micro",
    "f1": "F1",
    "f1_micro": "F1, micro",
    "precision_at_1": "precision at 1",
    "precision_at_3": "precision at 3",
    "precision_at_5": "precision at 5",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
"""Names of metrics to what they are called in reports, in their order there."""
LOW_IS_BETTER = ("log_loss", "calibration_error")


@dataclass(frozen=True)
class Estimate:
    """A metric and its interval.

    Parameters
    ----------
    value : on all tracks
    low, high : ends of the interval; None if there is none, because all tracks are of one group
    n_tracks : that it is of
    """

    value: float
    low: float | None
    high: float | None
    n_tracks: int


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One set of scores, measured.

    Parameters
    ----------
    name : of the model or the floor
    detail : what it is, in words
    estimates : of `TITLES`, those that are defined
    roc_auc, pr_auc : intervals of every tag; empty if they were not asked for
    evaluation : the values of all metrics that need no thresholds
    decisions : at the thresholds, on the tracks that had no part in choosing them; None without
    """

    name: str
    detail: str = ""
    estimates: Mapping[str, Estimate]
    roc_auc: tuple[Interval, ...] = ()
    pr_auc: tuple[Interval, ...] = ()
    evaluation: Evaluation = field(repr=False)
    decisions: Decisions | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are made.

    Parameters
    ----------
    groups : key of the group of each track, None for one that is alone; None altogether: every track is one
    unit : "artist", "album", "track" (a recording that tracks were cut from) or "none" (the tracks themselves)
    n_tracks : how many there are
    resamples : how many are drawn
    level : share of intervals that hold the true value
    seed : of the draws
    """

    groups: Groups
    unit: str
    n_tracks: int
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    @property
    def n_groups(self) -> int:
        """How many groups there are to draw from."""
        if self.groups is None:
            return self.n_tracks
        return len({*self.groups} - {None}) + sum(key is None for key in self.groups)

    def only(self, rows: Bools | None) -> "Resampling":
        """Return the same for some of the tracks, shape (n,)."""
        if rows is None:
            return self
        groups = self.groups
        if groups is not None:
            groups = [key for key, is_chosen in zip(groups, rows, strict=True) if is_chosen]
        return replace(self, groups=groups, n_tracks=int(np.count_nonzero(rows)))


@dataclass(frozen=True, kw_only=True)
class Decided:
    """Thresholds, and the tracks that decisions are judged on.

    Parameters
    ----------
    thresholds : shape (K,), infinite for a tag that is never given
    rows : shape (n,), which tracks had no part in choosing them; None for all
    """

    thresholds: Array64
    rows: Bools | None = None

    def compare(self, targets: Bools, scores: Floats) -> Decisions:
        """Count right and wrong decisions on the tracks to judge."""
        rows = np.ones(len(targets), bool) if self.rows is None else self.rows
        return compare(targets[rows], scores[rows], self.thresholds.tolist())


def measure(
    targets: Bools,
    scores: Floats,
    *,
    name: str,
    resampling: Resampling,
    detail: str = "",
    tags: Sequence[str] = (),
    categories: Sequence[str] = (),
    task: Task = "multi_label",
    decided: Decided | None = None,
    only: Sequence[str] | None = None,
    per_tag: bool = True,
    on_metric: Callable[[str], None] = lambda _: None,
) -> Contender:
    """Compute every metric and its interval.

    Parameters
    ----------
    targets : shape (n, K)
    scores : shape (n, K)
    name, detail : of what made the scores
    resampling : of tracks
    tags, categories : of the columns
    task : whether a track has any number of tags or exactly one
    decided : thresholds for F1; without them it is left out
    only : names of metrics; all unless given
    per_tag : whether every tag gets an interval
    on_metric : called with the name of each metric before it is computed

    Raises
    ------
    InputError
        If no track has any of the tags.
    """
    evaluation = evaluate_scores(targets, scores, tags=tags or None, categories=categories or None, ks=KS, task=task)
    estimates: dict[str, Estimate] = {}
    intervals: dict[str, tuple[Interval, ...]] = {}
    for metric, rows, function in _metrics(targets, scores, task, decided, evaluation):
        if only is not None and metric not in only:
            continue
        on_metric(metric)
        estimates[metric], intervals[metric] = _estimate(metric, targets, scores, rows, function, resampling)
    return Contender(
        name=name,
        detail=detail,
        estimates={key: estimates[key] for key in TITLES if key in estimates},
        roc_auc=intervals.get("roc_auc", ()) if per_tag else (),
        pr_auc=intervals.get("pr_auc", ()) if per_tag else (),
        evaluation=evaluation,
        decisions=None if decided is None else decided.compare(targets, scores),
    )


BySum = Callable[[Array64], float]


def _metrics(
    targets: Bools, scores: Floats, task: Task, decided: Decided | None, found: Evaluation
) -> Iterator[tuple[str, Bools | None, "_BySums | None"]]:
    """Yield the name of each metric, the tracks that it is of, and how it is computed; None for areas."""
    for area in ("roc_auc", "pr_auc", "roc_auc_micro", "pr_auc_micro"):
        yield area, None, None
    if task == "single_label":
        yield from _of_single_labels(targets, scores)
    else:
        for k in found.precision_at_k:
            has_tag = targets.any(axis=1)
            each = np.zeros(len(targets))
            each[has_tag] = [
                precision_at_k(one[None], given[None], k)
                for one, given in zip(targets[has_tag], scores[has_tag], strict=True)
            ]
            yield f"precision_at_{k}", None, _BySums(np.column_stack([each, has_tag]), _ratio)
    if decided is not None:
        rows = np.ones(len(targets), bool) if decided.rows is None else decided.rows
        answers, given = targets[rows], decide(scores[rows], decided.thresholds.tolist())
        if answers.any():
            parts = np.concatenate([given & answers, given & ~answers, ~given & answers], axis=1)
            yield "f1", decided.rows, _BySums(parts, _f1)
            yield "f1_micro", decided.rows, _BySums(parts, _f1_micro)
    if found.log_loss is not None:
        if task == "multi_label":
            each = log_loss_per_tag(targets.T, scores.T)
        else:
            each = np.array([cross_entropy(t[None], s[None]) for t, s in zip(targets, scores, strict=True)])
        yield "log_loss", None, _BySums(np.column_stack([each, np.ones(len(each))]), _ratio)
    if found.calibration_error is not None:
        yield "calibration_error", None, _calibration_error(targets, scores, task)


def _of_single_labels(targets: Bools, scores: Floats) -> Iterator[tuple[str, None, "_BySums"]]:
    classes, best = classes_of(targets), scores.argmax(axis=1)
    right = (classes == best)[:, None]
    yield "accuracy", None, _BySums(np.column_stack([right, np.ones(len(right))]), _ratio)
    yield "macro_recall", None, _BySums(np.concatenate([targets & right, targets], axis=1), _mean_ratio)


def _estimate(
    metric: str,
    targets: Bools,
    scores: Floats,
    rows: Bools | None,
    function: "_BySums | None",
    resampling: Resampling,
) -> tuple[Estimate, tuple[Interval, ...]]:
    chosen = resampling.only(rows)
    n = chosen.n_tracks
    plain: dict[str, Any] = {
        "groups": chosen.groups,
        "n_resamples": resampling.resamples,
        "level": resampling.level,
        "seed": resampling.seed,
    }
    if chosen.n_groups < 2:
        return Estimate(_value(metric, targets, scores, function), None, None, n), ()
    if function is None:
        average: Any = "micro" if metric.endswith("_micro") else "macro"
        area: Any = metric.removesuffix("_micro")
        found = bootstrap(area, targets, scores, average=average, **plain)
    else:
        found = bootstrap(function, np.zeros((n, 1), bool), np.arange(n, dtype=np.float64)[:, None], **plain)
    highest = np.inf if metric == "log_loss" else 1.0
    low, high = np.clip([found.interval.low, found.interval.high], 0.0, highest).tolist()
    return Estimate(found.interval.value, low, high, n), found.per_tag


def _value(metric: str, targets: Bools, scores: Floats, function: "_BySums | None") -> float:
    if function is None:
        return float(getattr(evaluate_scores(targets, scores), metric))
    return function(None, np.arange(function.n_tracks)[:, None])


class _BySums:
    """A metric out of sums over tracks.

    Parameters
    ----------
    parts : shape (n, m), what each track adds
    finish : from the sums, shape (m,), to the value
    """

    def __init__(self, parts: NDArray[Any], finish: BySum) -> None:
        self.parts = np.asarray(parts, np.float64)
        self.finish = finish
        self.n_tracks = len(parts)

    def __call__(self, _: object, drawn: NDArray[Any]) -> float:
        """Compute it of the tracks whose numbers are drawn, shape (n, 1)."""
        counts = np.bincount(drawn[:, 0].astype(np.intp), minlength=self.n_tracks)
        return self.finish(self.sums(counts.astype(np.float64)))

    def sums(self, counts: Array64) -> Array64:
        """Add up the tracks, each as often as it counts."""
        return np.asarray(counts @ self.parts)


class _ByCells(_BySums):
    """The same where each track adds to one cell per tag: too many cells for a table of all.

    Parameters
    ----------
    cells : shape (n, K), number of the cell
    added : shape (n, K), what is added there
    finish : from the sums, shape (n_cells + 1,), the last of them the number of tracks, to the value
    """

    def __init__(self, cells: NDArray[np.intp], added: Array64, n_cells: int, finish: BySum) -> None:
        super().__init__(added, finish)
        self.cells, self.n_cells = cells, n_cells

    def sums(self, counts: Array64) -> Array64:
        """Add up the tracks, each as often as it counts, and their number."""
        weights = (counts[:, None] * self.parts).ravel()
        return np.append(np.bincount(self.cells.ravel(), weights, minlength=self.n_cells), counts.sum())


def _calibration_error(targets: Bools, scores: Floats, task: Task) -> _BySums:
    """In every bin of every tag: how far the sum of the scores is from the number of tracks that have it."""
    values = np.asarray(scores, np.float64)
    if task == "single_label":
        right = scores.argmax(axis=1) == classes_of(targets)
        targets, values = right[:, None], values.max(axis=1)[:, None]
    n_tags = targets.shape[1]
    edges = np.linspace(0, 1, N_BINS + 1)
    cells = np.searchsorted(edges[1:-1], values) + N_BINS * np.arange(n_tags)

    def finish(sums: Array64) -> float:
        return float(np.abs(sums[:-1]).sum() / sums[-1] / n_tags)

    return _ByCells(cells, targets - values, n_tags * N_BINS, finish)


def _ratio(sums: Array64) -> float:
    if not sums[1]:
        raise InputError("no track is left")
    return float(sums[0] / sums[1])


def _mean_ratio(sums: Array64) -> float:
    above, below = np.split(sums, 2)
    return float(np.mean(above[below > 0] / below[below > 0]))


def _f1(sums: Array64) -> float:
    f1 = Decisions(*np.split(sums, 3)).f1()
    if np.isnan(f1).all():
        raise InputError("no track has any of the tags")
    return float(np.nanmean(f1))


def _f1_micro(sums: Array64) -> float:
    return float(Decisions(*np.split(sums, 3)).pooled().f1()[0])
