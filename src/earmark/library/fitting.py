"""A linear model from few examples: embeddings made comparable, then logistic regression with a penalty."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError
from earmark.metrics.calibration import sigmoid

Floats = NDArray[np.float32]
Array64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

PENALTY = 0.1  # of one example on either side, see `penalty_for`; this and the next chosen by benchmarks/few_shot.py
BACKGROUND_WEIGHT = 3.0  # the background counts as so many examples of "no"
SHARED_DEVIATION = 20  # a feature's variance is drawn to the mean of all features' as by so many tracks
MOST_STEPS, MOST_HALVINGS = 50, 30
CONVERGED = 1e-9  # fall of the loss, as a share of it
FREE = 1e-6  # penalty of the offset, so that there is always one solution


@dataclass(frozen=True, eq=False)
class Scaling:
    """Make embeddings comparable: every feature standardised, then every track brought to length 1.

    Parameters
    ----------
    mean : shape (D,)
    gain : shape (D,), one over the deviation
    """

    mean: Floats
    gain: Floats

    @property
    def n_features(self) -> int:
        """D."""
        return len(self.mean)

    def apply(self, embeddings: ArrayLike) -> Array64:
        """Return rows of length 1, shape (n, D); a track that lies at the mean stays at 0.

        Raises
        ------
        InputError
            If the embeddings are not (n, D) and finite.
        """
        rows = as_embeddings(embeddings)
        if rows.shape[1] != self.n_features:
            raise InputError(
                f"embeddings have {rows.shape[1]} features, expected {self.n_features}",
                hint="a tag works with the embeddings of the model that it was taught with",
            )
        centred = (rows.astype(np.float64) - self.mean) * self.gain
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        return np.asarray(centred / np.where(lengths > 0, lengths, 1.0))


def as_embeddings(embeddings: ArrayLike, *, what: str = "embeddings") -> Floats:
    """Return embeddings as an array, or raise `InputError` if they are not (n, D) and finite."""
    found = np.asarray(embeddings, dtype=np.float32)
    if found.ndim != 2:
        raise InputError(f"{what} have shape {found.shape}, expected (n, D)")
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        raise InputError(
            f"{what}: row {bad[0]} holds a value that is not finite", hint="hear this track again, or leave it out"
        )
    return found


def fit_scaling(embeddings: Floats) -> Scaling:
    """Measure mean and deviation of every feature.

    Parameters
    ----------
    embeddings : shape (n, D), of tracks such as the tag will be asked about; no answers are needed

    Raises
    ------
    InputError
        If all rows are equal.

    Notes
    -----
    Few tracks say little of a single feature's deviation: its variance is averaged with that of all features, which
    counts as `SHARED_DEVIATION` tracks.
    """
    wide = embeddings.astype(np.float64)
    variance = wide.var(axis=0)
    shared = variance.mean()
    if not shared > 0:
        raise InputError(
            "all embeddings are the same", hint="give examples of different tracks, or other tracks as background"
        )
    n = len(wide)
    variance = (n * variance + SHARED_DEVIATION * shared) / (n + SHARED_DEVIATION)
    return Scaling(wide.mean(axis=0).astype(np.float32), (1 / np.sqrt(variance)).astype(np.float32))


def examples_per_side(n_yes: int, n_no: int, *, has_background: bool) -> float:
    """Return how many examples stand on either side: the harmonic mean, with the background among those of "no".

    A hundred examples of "no" beside two of "yes" do not pass for a hundred of each.

    Examples
    --------
    >>> examples_per_side(5, 5, has_background=False), examples_per_side(2, 98, has_background=False)
    (5.0, 3.92)
    """
    other = n_no + (BACKGROUND_WEIGHT if has_background else 0.0)
    return 2 * n_yes * other / (n_yes + other)


def penalty_for(per_side: float) -> float:
    """Return the penalty on half the squared length of the weights: `PENALTY`, over the root of the examples.

    Parameters
    ----------
    per_side : see `examples_per_side`
    """
    return PENALTY / math.sqrt(max(per_side, 1.0))


def example_weights(answers: Bools, n_background: int, background_weight: float = BACKGROUND_WEIGHT) -> Array64:
    """Say how much every row counts: both answers the same in all, background as weak examples of "no".

    Parameters
    ----------
    answers : shape (n,)
    n_background : rows after those
    background_weight : examples of "no" that all of them together count as

    Returns
    -------
    shape (n + n_background,). The sum of either side is that of `examples_per_side`
    """
    n_yes = int(np.count_nonzero(answers))
    n_no = len(answers) - n_yes
    weak = background_weight if n_background else 0.0
    per_side = 2 * n_yes * (n_no + weak) / (n_yes + n_no + weak)
    no = per_side / (n_no + weak)
    of_examples = np.where(answers, per_side / n_yes, no)
    return np.append(of_examples, np.full(n_background, no * weak / max(n_background, 1)))


def fit_logistic(
    x: Array64, answers: Bools, weights: Array64, *, penalty: float | None = None, start: Array64 | None = None
) -> Array64:
    """Fit logistic regression by Newton's method, steps halved until they help.

    Parameters
    ----------
    x : shape (n, D)
    answers : shape (n,)
    weights : shape (n,), how much each row counts
    penalty : on half the squared length of the weights of features; that of `penalty_for` unless given, half the sum of
        `weights` being what stands on either side
    start : what is returned, of a fit to similar rows

    Returns
    -------
    shape (D + 1,), of the features, then the offset
    """
    rows = np.column_stack([x, np.ones(len(x))])
    ridge = np.full(rows.shape[1], penalty_for(float(weights.sum()) / 2) if penalty is None else penalty)
    ridge[-1] = FREE
    found = np.zeros(rows.shape[1]) if start is None else start
    z = rows @ found

    def loss(z: Array64, candidate: Array64) -> float:
        return float(weights @ (np.logaddexp(0, z) - answers * z) + 0.5 * (ridge @ candidate**2))

    value = loss(z, found)
    for _ in range(MOST_STEPS):
        given = sigmoid(z)
        slope = rows.T @ (weights * (given - answers)) + ridge * found
        curvature = (rows.T * (weights * given * (1 - given))) @ rows
        curvature[np.diag_indices_from(curvature)] += ridge
        step = np.linalg.solve(curvature, slope)
        for _ in range(MOST_HALVINGS):
            candidate = found - step
            new_z = rows @ candidate
            new = loss(new_z, candidate)
            if new <= value:
                break
            step /= 2
        else:
            break
        gained, value, found, z = value - new, new, candidate, new_z
        if gained <= CONVERGED * max(abs(value), 1e-9):
            break
    return found


def rotated(x: Array64) -> tuple[Array64, Array64]:
    """Turn rows so that they need no more columns than there are rows: fits to some of them come out the same, sooner.

    Parameters
    ----------
    x : shape (n, D)

    Returns
    -------
    the rows in r <= min(n, D) columns, shape (n, r); and the axes, shape (r, D): weights w of the columns are weights
    w @ axes of the features
    """
    if len(x) >= x.shape[1]:
        return x, np.eye(x.shape[1])
    axes = np.linalg.qr(x.T)[0].T  # (n, D)
    return x @ axes.T, np.asarray(axes)
