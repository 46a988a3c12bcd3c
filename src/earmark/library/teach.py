"""Teach a tag of your own from a few examples: on embeddings that are there already, in a second or two.

What is learned is one linear function, so few examples do; `benchmarks/few_shot.py` says how few. Tracks of the
library without an answer help: they say what is ordinary, count together as a few weak examples of "no", and tell how
frequent the tag is. All of it is judged on examples whose album was held back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import ArrayLike

from earmark.errors import InputError
from earmark.library.answering import (
    UNTOLD,
    Bounds,
    Evidence,
    choose_bounds,
    effective_examples,
    expected_share,
    fit_evidence,
    usual_evidence,
)
from earmark.library.fitting import (
    Array64,
    Bools,
    Floats,
    Scaling,
    as_embeddings,
    example_weights,
    fit_logistic,
    fit_scaling,
    rotated,
)
from earmark.library.heads import Head, Measured, Report, check_name
from earmark.library.holding_out import (
    HeldOut,
    Indices,
    auc_interval,
    balanced_accuracy,
    group_numbers,
    hold_out,
    share_interval,
)
from earmark.metrics.calibration import logit, sigmoid

FEW = 5  # examples of an answer, below which a warning says so
ENOUGH_BACKGROUND = 50  # tracks of it that say alone what is ordinary
MOST_BACKGROUND = 150  # tracks of it that are learned from; more than that gains nothing
MOST_ASKED = 20_000  # tracks of it that tell how frequent the tag is
SAME = 0.05  # distance of scaled embeddings, 0 to 2, below which two tracks sound the same
DOUBT = np.log(9.0)  # nats of evidence against an answer


@dataclass(frozen=True, eq=False)
class _Lesson:
    """Examples and background, scaled; the background's rows come after the examples'."""

    scaling: Scaling
    rows: Array64
    answers: Bools
    groups: Indices
    n_background: int

    @property
    def n(self) -> int:
        return len(self.answers)

    @property
    def n_yes(self) -> int:
        return int(np.count_nonzero(self.answers))

    def n_groups(self, answer: bool) -> int:
        return len(np.unique(self.groups[self.answers == answer]))


def teach(
    name: str,
    embeddings: ArrayLike,
    answers: ArrayLike,
    groups: Sequence[str] | None = None,
    background: ArrayLike | None = None,
    *,
    model: str,
    model_version: str,
    category: str = "other",
    seed: int = 0,
) -> Head:
    """Teach a tag.

    Parameters
    ----------
    name : of the tag
    embeddings : shape (n, D), of the examples
    answers : shape (n,), whether each has the tag
    groups : n names, of the album of each: examples of one album are held back together. An empty one, or no groups,
        says that nothing is known: the example counts as an album of its own
    background : shape (m, D), of tracks of the same library without an answer; examples among them are left out
    model, model_version : whose embeddings these are
    category : one of `earmark.vocabulary.CATEGORIES`
    seed : of the folds and of the part of a large background that is learned from

    Raises
    ------
    InputError
        If there is no example of "yes", or neither one of "no" nor a background; if arrays do not fit, or hold numbers
        that are not finite.
    UsageError, UnknownNameError
        If the name or the category cannot be one.

    Notes
    -----
    Features are standardised by the background (without one, by the examples) and every track is brought to length 1.
    Logistic regression with an L2 penalty follows, both answers weighing the same, the background as three examples of
    "no". The penalty depends on the number of examples alone: choosing it and the weight of the background anew by an
    inner cross-validation was no better in the benchmark, up to twenty examples of either answer. Values become
    evidence by Platt's fit on held-out examples, drawn to what is usual as far as there are few, and evidence becomes a
    probability with the share of tracks that the background lets expect. Scores are of models that have learned from
    about four fifths of the examples: the head itself is a little better.
    """
    check_name(name)
    x, y = _checked(embeddings, answers)
    numbers = group_numbers(_own(groups, len(y)))
    others, notes = _background(background, x, y)
    rng = np.random.default_rng(seed)
    lesson = _lesson(x, y, numbers, others, rng)
    weights, offset = _fit_all(lesson)
    held = hold_out(_fitter(lesson), y, numbers, seed=seed)
    few = effective_examples(lesson.n_groups(True), lesson.n_groups(False))
    usual = usual_evidence(lesson.n_yes)
    to_evidence = usual if held is None else fit_evidence(held.values, y, n_independent=few, usual=usual)
    asked = others if len(others) <= MOST_ASKED else others[rng.choice(len(others), MOST_ASKED, replace=False)]
    evidence = to_evidence(lesson.scaling.apply(asked) @ weights + offset) if len(asked) else np.zeros(0)
    share = expected_share(evidence, n_counts=len(y))
    bounds = _bounds(lesson, evidence, None if held is None else to_evidence(held.values), share, few)
    report = replace(_report(lesson, held, usual, bounds, share, notes), n_background=len(others))
    return Head(
        name,
        category,
        model,
        model_version,
        lesson.scaling,
        weights.astype(np.float32),
        to_evidence.slope,
        to_evidence.slope * offset + to_evidence.offset,
        share,
        bounds.threshold,
        bounds.low,
        bounds.high,
        report,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _checked(embeddings: ArrayLike, answers: ArrayLike) -> tuple[Floats, Bools]:
    x = as_embeddings(embeddings, what="embeddings of the examples")
    y = np.asarray(answers)
    if y.shape != (len(x),) or not np.isin(y, (0, 1)).all():
        raise InputError(f"answers have shape {y.shape}, expected {(len(x),)}, one yes or no for each embedding")
    y = y.astype(bool)
    if not y.any():
        raise InputError("there is no example of a track that has the tag", hint="give at least one, better ten")
    return x, y


def _own(groups: Sequence[str] | None, n: int) -> list[str]:
    """Return a name for every example's group; those of unknown ones occur once."""
    if groups is not None and len(groups) != n:
        raise InputError(f"there are {len(groups)} groups for {n} examples, expected one for each")
    return [f"album {groups[i]}" if groups is not None and groups[i] else f"example {i}" for i in range(n)]


def _background(background: ArrayLike | None, x: Floats, y: Bools) -> tuple[Floats, list[str]]:
    """Return the background without the examples, and what is to be said of it."""
    others = x[:0] if background is None else as_embeddings(background, what="embeddings of the background")
    if others.shape[1] != x.shape[1]:
        raise InputError(f"examples have {x.shape[1]} features, the background {others.shape[1]}, expected the same")
    known = {row.tobytes() for row in x}
    others = others[[row.tobytes() not in known for row in others]]
    if y.all() and not len(others):
        raise InputError(
            "all examples have the tag: nothing says what has not",
            hint="give tracks without it, or tracks of your library as background",
        )
    notes = [] if len(others) else ["no other tracks of the library stood beside the examples: give some"]
    return others, notes


def _lesson(x: Floats, y: Bools, groups: Indices, others: Floats, rng: np.random.Generator) -> _Lesson:
    ordinary = others if len(others) >= ENOUGH_BACKGROUND else np.vstack([x, others])
    if len(ordinary) > MOST_ASKED:
        ordinary = ordinary[rng.choice(len(ordinary), MOST_ASKED, replace=False)]
    scaling = fit_scaling(ordinary)
    weak = others if len(others) <= MOST_BACKGROUND else others[rng.choice(len(others), MOST_BACKGROUND, replace=False)]
    rows = np.vstack([scaling.apply(x), scaling.apply(weak)]) if len(weak) else scaling.apply(x)
    return _Lesson(scaling, rows, y, groups, len(weak))


def _fit_all(lesson: _Lesson) -> tuple[Array64, float]:
    rows, axes = rotated(lesson.rows)
    weights = example_weights(lesson.answers, lesson.n_background)
    every = np.append(lesson.answers, np.zeros(lesson.n_background, bool))
    found = fit_logistic(rows, every, weights)
    return found[:-1] @ axes, float(found[-1])


def _fitter(lesson: _Lesson) -> Callable[[Indices], Callable[[Indices], Array64]]:
    """Return what learns from some of the examples, beside the whole background."""
    rows, _ = rotated(lesson.rows)
    weak = np.arange(lesson.n, len(rows))

    def fit(train: Indices) -> Callable[[Indices], Array64]:
        chosen = np.append(train, weak)
        weights = example_weights(lesson.answers[train], len(weak))
        every = np.append(lesson.answers[train], np.zeros(len(weak), bool))
        found = fit_logistic(rows[chosen], every, weights)
        return lambda test: np.asarray(rows[test] @ found[:-1] + found[-1])

    return fit


def _bounds(lesson: _Lesson, evidence: Array64, known: Array64 | None, share: float, few: float) -> Bounds:
    """Choose bounds by the background; without one, by what is known of held-out examples."""
    prior = logit(np.array(share))
    if len(evidence):
        return choose_bounds(sigmoid(evidence + prior), np.ones(len(evidence)), n_examples=few)
    if known is None:
        return Bounds(UNTOLD[0], 0.5, UNTOLD[1])
    return choose_bounds(sigmoid(known + prior), _library_weights(lesson.answers, share), n_examples=few)


def _report(
    lesson: _Lesson, held: HeldOut | None, usual: Evidence, bounds: Bounds, share: float, notes: Sequence[str]
) -> Report:
    """Score held-out examples and write warnings."""
    n_yes, n_no = lesson.n_yes, lesson.n - lesson.n_yes
    yes_groups, no_groups = lesson.n_groups(True), lesson.n_groups(False)
    conflicts = _conflicts(lesson)
    found = Report(n_yes, n_no, yes_groups, no_groups, lesson.n_background, share=share, conflicts=conflicts)
    if held is not None:
        evidence = _cross_fitted(lesson, held, usual)
        decided, right = _decisions(lesson, sigmoid(evidence + logit(np.array(share))), share, bounds)
        against = np.where(lesson.answers, -evidence, evidence)
        found = replace(
            found,
            roc_auc=auc_interval(held.auc, yes_groups, no_groups),
            balanced_accuracy=balanced_accuracy(lesson.answers, evidence >= 0, lesson.groups),
            decided=decided,
            right=right,
            doubtful=tuple(int(i) for i in np.flatnonzero(against > DOUBT)),
        )
    return replace(found, warnings=(*_warnings(found), *notes))


def _cross_fitted(lesson: _Lesson, held: HeldOut, usual: Evidence) -> Array64:
    """Turn held-out values into evidence by what the other folds say."""
    evidence = np.zeros(lesson.n)
    for fold in np.unique(held.folds):
        here = held.folds == fold
        y, groups = lesson.answers[~here], lesson.groups[~here]
        few = effective_examples(len(np.unique(groups[y])), len(np.unique(groups[~y])))
        fitted = fit_evidence(held.values[~here], y, n_independent=few, usual=usual)
        evidence[here] = fitted(held.values[here])
    return evidence


def _decisions(lesson: _Lesson, probabilities: Array64, share: float, bounds: Bounds) -> tuple[float, Measured | None]:
    """Compute which share of the library would be answered with yes or no, and which share of that would be right."""
    weights = _library_weights(lesson.answers, share)
    yes, no = probabilities >= bounds.high, probabilities <= bounds.low
    decided = weights[yes | no]
    if not len(decided):
        return 0.0, None
    right = weights[(yes & lesson.answers) | (no & ~lesson.answers)]
    n_groups = len(np.unique(lesson.groups[yes | no]))
    n = min(float(decided.sum() ** 2 / (decided**2).sum()), n_groups)  # examples of equal weight that say as much
    return float(decided.sum()), share_interval(float(right.sum() / decided.sum()), n)


def _library_weights(answers: Bools, share: float) -> Array64:
    """Weigh examples so that those of "yes" come to the share that they have in the library; the sum is 1."""
    n_yes = int(np.count_nonzero(answers))
    return np.where(answers, share / max(n_yes, 1), (1 - share) / max(len(answers) - n_yes, 1))


def _conflicts(lesson: _Lesson) -> tuple[tuple[int, int], ...]:
    """Find examples of "yes" and of "no" that sound the same."""
    yes, no = np.flatnonzero(lesson.answers), np.flatnonzero(~lesson.answers)
    distances = np.sqrt(np.maximum(0, 2 - 2 * lesson.rows[yes] @ lesson.rows[no].T))
    return tuple((int(yes[i]), int(no[j])) for i, j in np.argwhere(distances < SAME))


def _warnings(found: Report) -> list[str]:
    """Say what a person should know before believing the tag."""
    told = [
        f"only {n} example{'s' * (n != 1)} {of}: {FEW} or more make a tag, 20 a good one"
        for n, of in ((found.n_yes, "with the tag"), (found.n_no, "without it"))
        if n < FEW
    ]
    for n, n_groups, of in (
        (found.n_yes, found.n_yes_groups, "with the tag"),
        (found.n_no, found.n_no_groups, "without it"),
    ):
        if n > 1 and n_groups == 1:
            told.append(f"all examples {of} are of one album: the tag may have learned the album; add tracks of others")
    if found.conflicts:
        yes, no = found.conflicts[0]
        more = f", and {len(found.conflicts) - 1} more pairs" if len(found.conflicts) > 1 else ""
        told.append(f"example {yes + 1} has the tag and example {no + 1} has not, but they sound the same{more}")
    if found.roc_auc is None:
        told.append("it could not be tested: that takes two albums with the tag and two without it")
    elif found.verdict != "better than chance":
        low, high = found.roc_auc.low, found.roc_auc.high
        told.append(f"{found.verdict}: ROC-AUC {found.roc_auc.value:.2f}, and anything from {low:.2f} to {high:.2f}")
    if found.doubtful:
        numbers = ", ".join(str(i + 1) for i in found.doubtful[:5])
        more = ", ..." if len(found.doubtful) > 5 else ""
        told.append(f"{len(found.doubtful)} examples sound unlike their answer, listen again: number {numbers}{more}")
    return told
