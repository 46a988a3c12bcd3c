"""How well a list flows: the steps between its neighbours, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.library.playlists.candidates import Candidates, Vectors


@dataclass(frozen=True)
class Smoothness:
    """The steps of a list, as distances of unit vectors: 0 for the same sound, 2 at most.

    Parameters
    ----------
    mean : of all steps
    largest : of them
    variation : their standard deviation over their mean; 0 for even steps
    """

    mean: float
    largest: float
    variation: float


def steps(vectors: Vectors, order: Sequence[int]) -> NDArray[np.float64]:
    """Measure the distance from each song to the next.

    Parameters
    ----------
    vectors : shape (n, D), each of length 1
    order : L rows

    Returns
    -------
    shape (L - 1,), in [0, 2]
    """
    members = Candidates(vectors).take(np.asarray(order, np.intp)).astype(np.float64)
    return np.asarray(np.linalg.norm(np.diff(members, axis=0), axis=1), np.float64)


def smoothness(vectors: Vectors, order: Sequence[int]) -> Smoothness:
    """Measure how well a list flows.

    Parameters
    ----------
    vectors : shape (n, D), each of length 1
    order : rows, at least one; a single song has no steps, all numbers are 0

    Examples
    --------
    >>> smoothness(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), [0, 1, 2])  # doctest: +ELLIPSIS
    Smoothness(mean=1.414..., largest=1.414..., variation=0.0)
    """
    lengths = steps(vectors, order)
    if not lengths.size:
        return Smoothness(0.0, 0.0, 0.0)
    mean = float(lengths.mean())
    return Smoothness(mean, float(lengths.max()), float(lengths.std()) / mean if mean else 0.0)
