"""From the raw value of a linear model to a probability and an answer, however few examples there are.

What can be measured on examples that were held back is drawn to what is usual, as by `USUAL_COUNTS_AS` examples: the
slope and offset that turn values into evidence. How frequent the tag is comes from unlabelled tracks, whose values mix
those of "yes" and of "no" in some share. Where evidence is strong, that share is found well (Saerens et al. 2002);
where it is weak, the likelihood says little and the answer stays near what is usual of a tag.

References
----------
Platt, J. "Probabilistic outputs for support vector machines", 1999.
Saerens, M., Latinne, P. and Decaestecker, C. "Adjusting the outputs of a classifier to new a priori probabilities".
Neural Computation 14, 2002.
Chow, C. K. "On optimum recognition error and reject tradeoff". IEEE Transactions on Information Theory 16, 1970.
"""

from dataclasses import dataclass

import numpy as np

from earmark.library.fitting import Array64, Bools
from earmark.metrics.calibration import fit_calibration, logit, sigmoid

USUAL_SLOPE = 1.6  # of values of models that `earmark.library.fitting` fits; benchmarks/few_shot.py
USUAL_COUNTS_AS = 20.0  # examples
SHARE_BEFORE = (1.0, 2.0)  # counts of yes and no that stand for what is usual, before any track is seen
SHARES = sigmoid(np.linspace(-6.0, 4.0, 101))
RIGHT, RIGHT_OF_FEW = (
    0.8,
    0.1,
)  # share of the answers on one side that have to be right, and what few examples add to it
SWALLOWED = 0.1  # share of the tracks of the other side that they may take in
THRESHOLD_COUNTS_AS = 10.0  # examples that speak for a threshold of 0.5
UNTOLD = (0.1, 0.9)  # bounds where nothing tells them
MOST_EVIDENCE = 30.0  # nats
MOST_APART = 4.0  # a slope that was measured and the usual one


@dataclass(frozen=True)
class Evidence:
    """What makes values into evidence: slope * value + offset, the logarithm of the odds if yes is as frequent as no.

    Parameters
    ----------
    slope : at least 0
    offset : nats
    """

    slope: float
    offset: float

    def __call__(self, values: Array64) -> Array64:
        """Return the evidence, nats."""
        return np.asarray(self.slope * values + self.offset)


def effective_examples(n_yes: float, n_no: float) -> float:
    """Return the harmonic mean of the two: what little there is on one side counts.

    Examples
    --------
    >>> effective_examples(5, 5), effective_examples(2, 100)
    (5.0, 3.9215686274509802)
    """
    return 2 * n_yes * n_no / (n_yes + n_no) if n_yes and n_no else 0.0


def usual_evidence(n_yes: int) -> Evidence:
    """Return what is usual of models from so many examples.

    A model from few examples fits them so well that others of their kind lie far below: the offset makes up for it.
    """
    return Evidence(USUAL_SLOPE, 2.0 / (1.0 + 0.4 * n_yes))


def fit_evidence(values: Array64, answers: Bools, *, n_independent: float, usual: Evidence) -> Evidence:
    """Measure slope and offset on examples that were held back, drawn to what is usual.

    Parameters
    ----------
    values, answers : shape (n,)
    n_independent : examples, or albums, that the measurement rests on
    usual : what it is drawn to

    Notes
    -----
    Platt's fit, less the odds of the examples. The slope is averaged with the usual one as a logarithm, and does not
    count as more than four times or less than a quarter of it: values that are no better than chance have a slope of 0.
    """
    if not answers.any() or answers.all():
        return usual
    fitted = fit_calibration(answers[:, None], sigmoid(values)[:, None])
    trust = n_independent / (n_independent + USUAL_COUNTS_AS)
    ratio = float(np.clip(fitted.scale[0] / usual.slope, 1 / MOST_APART, MOST_APART))
    offset = float(fitted.offset[0] - logit(answers.mean()))
    return Evidence(usual.slope * ratio**trust, trust * offset + (1 - trust) * usual.offset)


def expected_share(evidence: Array64, *, n_counts: float) -> float:
    """Estimate which share of tracks has the tag, from unlabelled ones: the mean over what it may be.

    Parameters
    ----------
    evidence : shape (n,), of tracks such as the tag will be asked about, nats; may be empty
    n_counts : so many tracks they count as at most, since evidence from few examples is not to be trusted far

    Returns
    -------
    in (0, 1); a third if there are no tracks
    """
    logs = SHARE_BEFORE[0] * np.log(SHARES) + SHARE_BEFORE[1] * np.log1p(-SHARES)  # even steps of the log odds
    if len(evidence):
        odds = np.exp(np.clip(evidence, -MOST_EVIDENCE, MOST_EVIDENCE))
        each = np.log1p(SHARES[:, None] * (odds - 1)).mean(axis=1)
        logs += each * min(n_counts, len(evidence))
    weights = np.exp(logs - logs.max())
    return float(weights @ SHARES / weights.sum())


@dataclass(frozen=True)
class Bounds:
    """Where probabilities become answers.

    Parameters
    ----------
    low, threshold, high : probabilities, ascending
    """

    low: float
    threshold: float
    high: float


def choose_bounds(probabilities: Array64, weights: Array64, *, n_examples: float) -> Bounds:
    """Choose from which probability on tracks are answered.

    Parameters
    ----------
    probabilities : shape (n,), of tracks such as the tag will be asked about
    weights : shape (n,), how much each counts
    n_examples : effective number of examples

    Returns
    -------
    `threshold` is where F1 is expected to be best. From `high` on, eight in ten are expected to have the tag, and no
    more than a tenth of the tracks without it to be among them; up to `low`, eight in ten not to have it, and no more
    than a tenth of the tracks with it to be lost. Where both are met with room to spare, the bounds meet at the
    threshold

    Notes
    -----
    All of that is what probabilities say themselves: they are believed as far as they were calibrated. With few
    examples the threshold is drawn to 0.5, and up to nine in ten answers have to be right.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked, counts = probabilities[order], weights[order]
    trust = n_examples / (n_examples + THRESHOLD_COUNTS_AS)
    threshold = trust * _best_f1(ranked, counts) + (1 - trust) * 0.5
    right = RIGHT + (1 - trust) * RIGHT_OF_FEW
    high, low = _surest(ranked, counts, right), 1 - _surest(1 - ranked[::-1], counts[::-1], right)
    if low > high:
        low = high = float(np.clip(threshold, high, low))
    return Bounds(float(low), float(np.clip(threshold, low, high)), float(high))


def _best_f1(ranked: Array64, counts: Array64) -> float:
    """Return the probability down to which answering yes has the highest expected F1."""
    found = np.cumsum(ranked * counts)
    f1 = np.where(_ends(ranked), 2 * found / (np.cumsum(counts) + found[-1]), -1)
    return float(ranked[int(np.argmax(f1))])


def _surest(ranked: Array64, counts: Array64, least: float) -> float:
    """Return the lowest probability down to which the answer is expected to be right, and to take in few of the others.

    Parameters
    ----------
    ranked, counts : shape (n,), probabilities, descending, and how much each counts
    least : share of the answers that has to be right

    Returns
    -------
    above all of them if none fits
    """
    n = np.cumsum(counts)
    right = np.cumsum(ranked * counts)
    wrong = n - right
    fits = _ends(ranked) & (right >= least * n) & (wrong <= SWALLOWED * wrong[-1])
    return float(ranked[np.flatnonzero(fits)[-1]]) if fits.any() else max(UNTOLD[1], (1 + float(ranked[0])) / 2)


def _ends(ranked: Array64) -> Bools:
    """Say which is the last of its run of equal ones: they are answered alike."""
    return np.append(ranked[1:] != ranked[:-1], True)
