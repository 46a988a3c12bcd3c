"""Catalogues made of random numbers: clusters of songs on a sphere, with artists, durations and scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.library.playlists.candidates import Candidates

CLOSE = 0.05  # there are few dimensions, so songs lie nearer than search vectors do


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def points(n: int, *, seed: int = 0, n_features: int = 12, spread: float = 0.6) -> NDArray[np.float32]:
    """Unit vectors around a dozen centres, shape (n, D)."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, n_features))
    return unit(centres[rng.integers(12, size=n)] + spread * rng.normal(size=(n, n_features)))


def catalogue(n: int, *, seed: int = 0, n_artists: int = 20, **options: Any) -> Candidates:
    """Tracks of 100 to 300 s whose scores follow two directions of the vectors."""
    vectors = points(n, seed=seed, **options)
    rng = np.random.default_rng(seed + 1)
    artists = [f"Artist {i}" for i in rng.integers(n_artists, size=n)]
    scores = {"calm": 1 / (1 + np.exp(-4 * vectors[:, 0])), "energetic": 1 / (1 + np.exp(4 * vectors[:, 1]))}
    return Candidates(vectors, rng.uniform(100, 300, size=n), artists, scores=scores, same_below=CLOSE)
