"""What keeps array work of many threads quick: memory that a thread keeps, and products that stay on their thread.

Fresh memory costs: the C library gives large blocks back to the system at once, and to get their pages anew takes as
long as half a mel spectrogram. So do large matrix products: OpenBLAS hands them to its own threads, for which callers
that run side by side wait.
"""

import math
import threading

import numpy as np
from numpy.typing import NDArray

# Multiply-adds up to which OpenBLAS keeps a product on the calling thread.
PRODUCT_SIZE = 1 << 18


class _Memory(threading.local):
    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.float32]] = {}


_MEMORY = _Memory()


def scratch(name: str, *shape: int) -> NDArray[np.float32]:
    """Return memory with anything in it, which is the caller's until the same thread asks for `name` again.

    Parameters
    ----------
    name : what it is for
    shape : any

    Returns
    -------
    shape `shape`

    Examples
    --------
    >>> scratch("example", 2, 3).shape
    (2, 3)
    """
    size = math.prod(shape)
    if name not in _MEMORY.arrays or _MEMORY.arrays[name].size < size:
        _MEMORY.arrays[name] = np.empty(size, dtype=np.float32)
    return _MEMORY.arrays[name][:size].reshape(shape)
