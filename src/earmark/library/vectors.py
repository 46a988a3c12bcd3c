"""Search vectors: an embedding turned so that the dot product of two tells how alike two tracks sound.

A raw embedding answers first of all "is this music, and how full does it sound": a few directions hold most of what
varies, and all tracks look alike along them. Here every model's part of the embedding is centred, its strongest
directions are held down to the strength of the next one, and it is brought to unit length, so that no model and no
direction has the last word. Mean and directions are constants (`data/search_vectors.npz`), so a vector depends on its
own track alone, whatever else is in the catalogue.

References
----------
Mu & Viswanath 2018, All-but-the-Top (which removes the strongest directions; here they are held down).
`benchmarks/library_search.py similarity` measures what each step is worth, and `fit` makes the constants.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError

VECTORS_VERSION = 1
"""Changes with the mapping or its constants: vectors of another version have to be made again from the embeddings."""


@dataclass(frozen=True, eq=False)
class Background:
    """What sounds of all kinds have in common in one model's embedding.

    Parameters
    ----------
    mean : shape (D,)
    directions : shape (k, D), orthogonal, strongest first; the square of a row's length is the share that is taken away
        along it
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    def remove(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Centre embeddings, shape (..., D), and hold the strongest directions down."""
        centred = (embedding - self.mean).astype(np.float32, copy=False)
        along = centred @ self.directions.T
        return (centred - along @ self.directions).astype(np.float32, copy=False)


def search_vector(embedding: ArrayLike, parts: Sequence[tuple[str, int]] = ()) -> NDArray[np.float32]:
    """Turn an embedding into the vector that search compares.

    Parameters
    ----------
    embedding : shape (..., D), as `Tagger` gives it
    parts : the models whose embeddings stand one after the other in it, with their sizes; one part unless given

    Returns
    -------
    shape (..., D), of unit length: the dot product of two is their similarity, in [-1, 1]

    Raises
    ------
    InputError
        If the sizes do not add up to D, the embedding holds NaN or infinity, or all its parts are zero.

    Notes
    -----
    Every part counts the same. A model without constants (`backgrounds`) has its part brought to unit length as it is.

    Examples
    --------
    >>> search_vector([3.0, 4.0, 0.0, 2.0], [("a", 2), ("b", 2)]).round(3)
    array([0.424, 0.566, 0.   , 0.707], dtype=float32)
    """
    values = np.asarray(embedding, np.float32)
    n = values.shape[-1] if values.ndim else 0
    parts = parts or (("", n),)
    if not n or sum(size for _, size in parts) != n:
        sizes = " + ".join(str(size) for _, size in parts)
        raise InputError(f"an embedding of shape {values.shape} for parts of the sizes {sizes}")
    if not np.isfinite(values).all():
        raise InputError("the embedding holds NaN or infinity", hint="analyse the track again")
    known = backgrounds()
    made, begin = [], 0
    for name, size in parts:
        part = values[..., begin : begin + size]
        background = known.get(name)
        if background is not None and background.mean.shape == (size,):
            part = background.remove(part)
        made.append(_unit(part))
        begin += size
    vector = _unit(np.concatenate(made, axis=-1))
    if not vector.any(axis=-1).all():
        raise InputError("an embedding of zeros points nowhere", hint="analyse the track again")
    return vector


@lru_cache(maxsize=1)
def backgrounds() -> dict[str, Background]:
    """Return the constants of the models that have some, by name."""
    with (
        resources.files("earmark").joinpath("data", "search_vectors.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        names = {key.split("/")[0] for key in arrays.files}
        return {
            name: Background(arrays[f"{name}/mean"].astype(np.float32), arrays[f"{name}/directions"].astype(np.float32))
            for name in sorted(names)
        }


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the last axis to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(values.astype(np.float64), axis=-1, keepdims=True)
    scaled: NDArray[np.float64] = values / np.where(lengths > 0, lengths, 1.0)
    return scaled.astype(np.float32)
