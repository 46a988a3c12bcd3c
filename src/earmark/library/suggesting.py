"""Which tracks to answer next: those whose answers would say most about all the others.

The most uncertain tracks alone are often ten variants of one song, or odd ones out, and a tag that holds for several
kinds of music keeps asking about the kind that it knows. So the linear model of a tag is seen as what it is, one of
many that fit the answers (Laplace's approximation): every track that is answered narrows down what the model says about
the tracks that sound like it. Tracks are chosen one by one such that, summed over the library, the variance of what is
said falls most, most where yes and no are close (A-optimal design, Schein and Ungar 2007). A copy of a track that
was chosen says nothing new, so no ten near-identical ones are asked about.

How that compares with chance, with the most uncertain, and with groups of uncertain ones: `benchmarks/few_shot.py`.

References
----------
MacKay, D. J. C. "Information-based objective functions for active data selection". Neural Computation 4, 1992.
Schein, A. I. and Ungar, L. H. "Active learning for logistic regression: an evaluation". Machine Learning 68, 2007.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike

from earmark.errors import InputError, UsageError
from earmark.library.fitting import Array64, as_embeddings, examples_per_side, penalty_for
from earmark.library.heads import Head
from earmark.metrics.calibration import logit, sigmoid

MOST_HEARD = 1500  # tracks, drawn by chance, that stand for a large library
MOST_DOUBTED = 500  # of the others, the most uncertain are asked about too
RARITY = 0.5  # how far the tag's share counts in what is close: 1 asks about likely yes only, 0 takes both as frequent


def suggest(
    head: Head, embeddings: ArrayLike, *, n: int = 10, exclude: Collection[int] = (), seed: int = 0
) -> list[int]:
    """Choose the tracks whose answers would help a tag most.

    Parameters
    ----------
    head : of the tag
    embeddings : shape (m, D), of the tracks to choose from, and of those that have an answer
    n : how many
    exclude : rows that have an answer already
    seed : of what is drawn from a library of more than `MOST_HEARD` tracks

    Returns
    -------
    at most n rows, the most helpful first

    Raises
    ------
    UsageError
        If `n` is below 1.
    InputError
        If the embeddings do not fit the tag, or `exclude` names a row that is not there.
    """
    if n < 1:
        raise UsageError(f"n is {n}, expected 1 or more")
    rows = as_embeddings(embeddings)
    answered = np.array(sorted(set(exclude)), dtype=np.intp)
    if len(answered) and not 0 <= answered[0] <= answered[-1] < len(rows):
        raise InputError(f"exclude names row {answered[-1]}, there are {len(rows)}")
    free = np.setdiff1d(np.arange(len(rows)), answered)
    doubts = uncertainty(head, rows)
    heard = free
    if len(free) > MOST_HEARD:
        heard = np.random.default_rng(seed).choice(free, MOST_HEARD, replace=False)
    others = np.setdiff1d(free, heard)
    doubted = others[np.argsort(-doubts[others], kind="stable")][:MOST_DOUBTED]
    candidates = np.concatenate([heard, doubted])
    scale = head.scaling.apply
    report = head.report
    per_side = examples_per_side(report.n_yes, report.n_no, has_background=report.n_background > 0)
    spread = _spread(scale(rows[answered]), doubts[answered], penalty_for(per_side))
    chosen = _choose(scale(rows[candidates]), doubts[candidates], scale(rows[heard]), doubts[heard], spread, n)
    return [int(candidates[i]) for i in chosen]


def uncertainty(head: Head, embeddings: ArrayLike) -> Array64:
    """Say how close yes and no are: p * (1 - p), a quarter at most.

    Parameters
    ----------
    embeddings : shape (n, D)

    Returns
    -------
    shape (n,). The probability p is that of a tag more frequent than this one, see `RARITY`: what is rare is all but
    certainly not there by its own probability, and would never be asked about
    """
    prior = RARITY * float(logit(np.array(head.share)))
    p = sigmoid(head.evidence(embeddings) + prior)
    return np.asarray(p * (1 - p))


def _spread(answered: Array64, doubts: Array64, penalty: float) -> Array64:
    """Return the covariance of the weights that fit the answers, shape (D, D).

    Parameters
    ----------
    answered, doubts : shapes (k, D), (k,)
    penalty : that they were fitted with
    """
    n_features = answered.shape[1]
    narrowed = answered @ answered.T + penalty * np.diag(1 / np.maximum(doubts, 1e-9))
    return np.asarray((np.eye(n_features) - answered.T @ np.linalg.solve(narrowed, answered)) / penalty)


def _choose(
    candidates: Array64, doubts: Array64, heard: Array64, weights: Array64, spread: Array64, n: int
) -> list[int]:
    """Choose one candidate after another by how much less is left to know.

    Parameters
    ----------
    candidates, doubts : shapes (c, D), (c,)
    heard, weights : shapes (m, D), (m,), the tracks about which something is to be known, and how much each counts
    spread : shape (D, D), covariance of the weights
    """
    across = candidates @ spread @ heard.T  # (c, m), how much what is said of either goes together
    own = np.einsum("cd,de,ce->c", candidates, spread, candidates, optimize=True)
    chosen: list[int] = []
    for _ in range(min(n, len(candidates))):
        gained = (across**2 @ weights) * doubts / (1 + doubts * own)
        gained[chosen] = -1.0
        best = int(gained.argmax())
        chosen.append(best)
        x = candidates[best]
        along = spread @ x
        less = doubts[best] / (1 + doubts[best] * own[best])
        toward = candidates @ along
        across -= less * np.outer(toward, heard @ along)
        own -= less * toward**2
        spread = spread - less * np.outer(along, along)
    return chosen
