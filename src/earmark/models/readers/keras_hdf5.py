"""Weights that Keras saved as HDF5, read without Keras."""

import io
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from earmark.errors import AssetError

Array = npt.NDArray[Any]

_ROOT = "model_weights/"  # a whole model keeps its weights there; a file of weights alone has no root
_OTHER_ROOTS = ("optimizer_weights/",)
_LIMIT_BYTES = 1 << 31


def read_keras(file: BinaryIO | bytes) -> dict[str, Array]:
    """Read the weights of a Keras model, whole models (Keras 2) and weights alone (Keras 1) alike.

    Parameters
    ----------
    file : the HDF5 file

    Returns
    -------
    arrays by path inside the file, such as "conv1/conv1_W" or "dense/dense/kernel_1:0"; the root "model_weights/"
    is left off, and so is what the optimizer kept

    Raises
    ------
    AssetError
        If the file is damaged, holds no weights, or refers to other files.
    """
    import h5py  # here, because most runs read no Keras file

    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    arrays: dict[str, Array] = {}

    def visit(path: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or path.startswith(_OTHER_ROOTS) or item.dtype.kind not in "biufc":
            return
        if item.external or item.is_virtual:
            raise AssetError(f"Keras weights: {path!r} refers to another file, which earmark refuses to follow")
        if item.nbytes > _LIMIT_BYTES:
            raise AssetError(f"Keras weights: {path!r} claims {item.nbytes} bytes; at most {_LIMIT_BYTES} are read")
        arrays[path.removeprefix(_ROOT)] = np.asarray(item[()])

    try:
        with h5py.File(stream, "r") as content:
            content.visititems(visit)
    except AssetError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise AssetError(
            f"Keras weights: the HDF5 file is truncated or damaged ({error})", hint="fetch the file again"
        ) from error
    if not arrays:
        raise AssetError("Keras weights: the HDF5 file holds no arrays")
    return arrays
