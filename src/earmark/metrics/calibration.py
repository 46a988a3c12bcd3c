"""Scores as probabilities: how far they are to be believed, and how they become what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from earmark.errors import InputError, UsageError
from earmark.metrics.checks import (
    Array64,
    Bools,
    Floats,
    as_probabilities,
    as_targets,
    one_per_tag,
    tag_names,
    validate,
)
from earmark.metrics.ranking import divide

Method = Literal["platt", "temperature"]
N_BINS = 10
CLOSEST = 1e-7  # how near to 0 and 1 a score may be when it becomes a logit
MOST_STEPS, MOST_HALVINGS = 100, 40
FLAT = 1e-9  # spread of logits of which no slope can be told
CONVERGED = 1e-10  # change of the loss per item


def prevalence(targets: ArrayLike) -> Array64:
    """Compute the share of items that have each tag: shape (n_tags,), in [0, 1].

    It is the score of a constant in `pr_auc`, and what a calibrated score is on average.
    """
    return np.asarray(as_targets(targets).mean(axis=0))


def log_loss(targets: ArrayLike, scores: ArrayLike) -> float:
    """Compute the mean of minus the logarithm of the probability that was given to what is true, over items and tags.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags), probabilities

    Returns
    -------
    nats, 0 is best. Scores that are 0 or 1 are moved off by the precision of their type, as scikit-learn does. Tags
    that no item has count too: a low score is right there.
    """
    return float(log_loss_per_tag(targets, scores).mean())


def log_loss_per_tag(targets: ArrayLike, scores: ArrayLike) -> Array64:
    """Compute `log_loss` of every tag: shape (n_tags,)."""
    answers, values = validate(targets, scores)
    eps = float(np.finfo(values.dtype).eps)
    given = np.clip(as_probabilities(values).astype(np.float64), eps, 1 - eps)
    return np.asarray(-np.log(np.where(answers, given, 1 - given)).mean(axis=0))


@dataclass(frozen=True)
class Reliability:
    """How often what got a score is true.

    Parameters
    ----------
    edges : shape (n_bins + 1,), of equal width from 0 to 1; a score on an edge belongs to the bin below
    counts : shape (n_rows, n_bins), scores in each bin
    score : same shape, their mean, NaN in empty bins
    rate : same shape, the share of them that is true, NaN in empty bins
    """

    edges: Array64
    counts: Array64
    score: Array64
    rate: Array64

    def error(self) -> Array64:
        """Compute the expected calibration error: (n_rows,), the mean distance of rate and score over all scores."""
        distance = np.nan_to_num(np.abs(self.rate - self.score))
        return np.asarray((self.counts * distance).sum(axis=1) / self.counts.sum(axis=1))


def reliability(targets: ArrayLike, scores: ArrayLike, *, n_bins: int = N_BINS, per_tag: bool = False) -> Reliability:
    """Sort scores into bins and compare each bin's mean score with the share of them that is true.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags), probabilities
    n_bins : of equal width
    per_tag : a row for every tag, instead of one for all
    """
    answers, values = validate(targets, scores)
    if n_bins < 1:
        raise UsageError(f"n_bins is {n_bins}, expected at least 1")
    given = as_probabilities(values).astype(np.float64)
    n_rows = given.shape[1] if per_tag else 1
    edges = np.linspace(0, 1, n_bins + 1)
    cells = np.searchsorted(edges[1:-1], given)
    if per_tag:
        cells += n_bins * np.arange(n_rows)

    def sums(weights: Array64 | Bools | None) -> Array64:
        flat = None if weights is None else weights.ravel()
        return np.bincount(cells.ravel(), flat, minlength=n_rows * n_bins).reshape(n_rows, n_bins).astype(np.float64)

    counts = sums(None)
    return Reliability(edges, counts, divide(sums(given), counts), divide(sums(answers), counts))


def calibration_error(targets: ArrayLike, scores: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Compute the expected calibration error (ECE), the mean over tags.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1
    scores : shape (n_items, n_tags), probabilities
    n_bins : of equal width

    Returns
    -------
    in [0, 1], 0 is best. A constant score at a tag's prevalence has an error of 0 too: this says nothing of how well
    tags are recognised.
    """
    return float(reliability(targets, scores, n_bins=n_bins, per_tag=True).error().mean())


@dataclass(frozen=True)
class Calibration:
    """What makes scores into probabilities: sigmoid(scale * logit(score) + offset), tag by tag.

    Parameters
    ----------
    method : "platt" or "temperature"
    tags : names, in the order of the columns
    scale : shape (n_tags,), at least 0, so that no two items of a tag change places
    offset : shape (n_tags,)
    not_fitted : tags that no item or every item had: their scores stay
    """

    method: Method
    tags: tuple[str, ...]
    scale: Array64
    offset: Array64
    not_fitted: tuple[str, ...] = ()

    def apply(self, scores: ArrayLike) -> Array64:
        """Calibrate scores, probabilities of shape (..., n_tags)."""
        values = np.asarray(scores)
        if values.shape[-1:] != self.scale.shape:
            raise InputError(f"scores have shape {values.shape}, expected (..., {len(self.scale)}), one per tag")
        return sigmoid(self.scale * logit(values) + self.offset)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "method": self.method,
            "tags": list(self.tags),
            "scale": self.scale.tolist(),
            "offset": self.offset.tolist(),
            "not_fitted": list(self.not_fitted),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Calibration":
        """Read what `to_dict` returned.

        Raises
        ------
        InputError
            If something is missing or does not fit.
        """
        try:
            tags = tuple(map(str, stored["tags"]))
            scale, offset = (one_per_tag(stored[key], len(tags), key) for key in ("scale", "offset"))
            method, not_fitted = stored["method"], tuple(map(str, stored.get("not_fitted", ())))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is no calibration: {error}", hint="fit one with fit_calibration") from error
        if method not in get_args(Method):
            raise InputError(f"this is no calibration: its method is {method!r}, expected 'platt' or 'temperature'")
        return cls(method, tags, scale, offset, not_fitted)


def fit_calibration(
    targets: ArrayLike, scores: ArrayLike, *, method: Method = "platt", tags: Sequence[str] | None = None
) -> Calibration:
    """Find, tag by tag, what makes scores into probabilities.

    Parameters
    ----------
    targets : shape (n_items, n_tags), each 0 or 1; of the validation part
    scores : shape (n_items, n_tags), probabilities
    method : "platt" fits a scale and an offset of the logit, "temperature" a scale alone
    tags : names of the columns

    Raises
    ------
    InputError
        If the arrays cannot be compared, or scores are not in [0, 1].

    Notes
    -----
    Targets are drawn in to (n + 1) / (n + 2) of the n positives and 1 / (n + 2) of the n negatives, as Platt does, so
    that a tag which scores separate perfectly still gets finite numbers. Platt fits the logit's scale without a bound;
    here it is at least 0, so a tag that is ranked worse than by chance gets its prevalence and is not turned round.

    References
    ----------
    Platt, J. "Probabilistic outputs for support vector machines", 1999. Guo, C. et al. "On calibration of modern
    neural networks", ICML 2017.
    """
    answers, values = validate(targets, scores)
    if method not in get_args(Method):
        raise UsageError(f"method is {method!r}, expected 'platt' or 'temperature'")
    names = tag_names(tags, values.shape[1])
    positives = np.count_nonzero(answers, axis=0)
    fits = (positives > 0) & (positives < len(answers))
    scale, offset = np.ones(len(names)), np.zeros(len(names))
    if fits.any():
        wanted = soft_targets(answers[:, fits])
        scale[fits], offset[fits] = _fit(wanted, logit(as_probabilities(values[:, fits])), has_offset=method == "platt")
    left = tuple(name for name, is_fitted in zip(names, fits, strict=True) if not is_fitted)
    return Calibration(method, names, scale, offset, left)


def soft_targets(targets: Bools) -> Array64:
    """Draw targets in, as Platt does: (n + 1) / (n + 2) of n positives, 1 / (n + 2) of n negatives."""
    positives = np.count_nonzero(targets, axis=0)
    return np.asarray(np.where(targets, (positives + 1) / (positives + 2), 1 / (len(targets) - positives + 2)))


def _fit(wanted: Array64, logits: Array64, *, has_offset: bool) -> tuple[Array64, Array64]:
    """Minimise the log loss of all tags at once, with Newton steps that are halved until they help."""
    centre = logits.mean(axis=0) if has_offset else np.zeros(logits.shape[1])
    spread = logits.std(axis=0) if has_offset else np.abs(logits).max(axis=0)
    is_flat = spread < FLAT
    spread = np.where(is_flat, 1, spread)
    x = np.where(is_flat, 0, logits - centre) / spread
    prior = logit(wanted.mean(axis=0))
    a, b = np.zeros_like(prior), prior if has_offset else np.zeros_like(prior)
    loss = _loss(wanted, a * x + b)
    for _ in range(MOST_STEPS):
        step_a, step_b = _newton_step(wanted, x, sigmoid(a * x + b), has_offset=has_offset)
        for _ in range(MOST_HALVINGS):
            new = _loss(wanted, (a + step_a) * x + b + step_b)
            worse = new > loss
            if not worse.any():
                break
            step_a, step_b = np.where(worse, step_a / 2, step_a), np.where(worse, step_b / 2, step_b)
        better = new <= loss
        a, b = np.where(better, a + step_a, a), np.where(better, b + step_b, b)
        gained = np.where(better, loss - new, 0)
        loss = np.minimum(new, loss)
        if gained.max() < CONVERGED:
            break
    turned = a < 0
    a, b = np.where(turned, 0, a), np.where(turned & has_offset, prior, b)
    return a / spread, b - a * centre / spread


def _newton_step(wanted: Array64, x: Array64, given: Array64, *, has_offset: bool) -> tuple[Array64, Array64]:
    error, weight = wanted - given, given * (1 - given)
    slope_a, aa = (error * x).mean(axis=0), (weight * x * x).mean(axis=0) + 1e-12
    if not has_offset:
        return slope_a / aa, np.zeros_like(aa)
    slope_b, bb, ab = error.mean(axis=0), weight.mean(axis=0) + 1e-12, (weight * x).mean(axis=0)
    determinant = np.maximum(aa * bb - ab * ab, 1e-24)
    return (bb * slope_a - ab * slope_b) / determinant, (aa * slope_b - ab * slope_a) / determinant


def _loss(wanted: Array64, z: Array64) -> Array64:
    return np.asarray((np.logaddexp(0, z) - wanted * z).mean(axis=0))


def logit(probabilities: Floats) -> Array64:
    """Return the logarithm of the odds; what is nearer to 0 or 1 than 1e-7 counts as that near."""
    inside = np.clip(np.asarray(probabilities, np.float64), CLOSEST, 1 - CLOSEST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def sigmoid(z: Array64) -> Array64:
    """Return 1 / (1 + exp(-z)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -z)))
