"""Plain data that JSON can hold: arrays bit by bit, and values that are checked when they are read back."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode_array(array: NDArray[np.floating]) -> dict[str, Any]:
    """Turn an array into plain data that JSON can hold, bit by bit."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    text = base64.b64encode(little.tobytes()).decode("ascii")
    return {"dtype": little.dtype.str, "shape": list(array.shape), "base64": text}


def decode_array(plain: Mapping[str, Any]) -> NDArray[Any]:
    """Turn what `encode_array` returned into the array again.

    Examples
    --------
    >>> decode_array({"dtype": "<f4", "shape": [2], "base64": "AACAPwAAAEA="})
    array([1., 2.], dtype=float32)
    """
    if plain["dtype"] not in ("<f4", "<f8"):
        raise ValueError(f"arrays are '<f4' or '<f8', not {plain['dtype']!r}")
    dtype = np.dtype(plain["dtype"])
    data = base64.b64decode(plain["base64"], validate=True)
    return np.frombuffer(data, dtype).reshape(plain["shape"]).astype(dtype.newbyteorder("="))


def read_number(plain: Mapping[str, Any], key: str) -> float:
    """Read a number; `TypeError` if it is none."""
    value = plain[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} is {value!r}, expected a number")
    return float(value)


def read_text(plain: Mapping[str, Any], key: str) -> str:
    """Read a text; `TypeError` if it is none."""
    value = plain[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r}, expected text")
    return value


def read_texts(plain: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Read a list of texts; `TypeError` if it is none."""
    values = plain[key]
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{key} is {values!r}, expected a list of texts")
    return tuple(values)
