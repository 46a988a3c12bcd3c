"""Pickles and object arrays of strangers, read without running anything that they name.

A pickle is a small program that may call any function by its name. Here the names that lists, dictionaries, texts and
numpy arrays need stand for inert substitutes, and every other name is refused before it is looked up. Arrays are laid
out from the numbers that the pickle holds; numpy's own unpickling, which trusts its input, is not used.
"""

import io
import pickle
import pickletools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError

# What a pickle that is damaged, or made to harm, can raise while it is read.
_PICKLE_ERRORS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)
_NUMPY = ("numpy.core", "numpy._core")
_DTYPE = re.compile(r"[<>|=]?(?:b1|\?|[iu][1248]|f[248]|[SUa][1-9]\d{0,5}|O8?)")


def read_pickle(file: BinaryIO) -> Any:
    """Read a pickle of lists, tuples, dictionaries, sets, texts, bytes, numbers and numpy arrays.

    Parameters
    ----------
    file : the pickle, of any protocol; what Python 2 wrote as `str` becomes text, byte by byte (Latin-1)

    Returns
    -------
    the content; arrays of objects become nested lists

    Raises
    ------
    InputError
        If it is damaged, or names anything else (the message says what).

    Examples
    --------
    >>> read_pickle(io.BytesIO(pickle.dumps({"a": [1, 2]})))
    {'a': [1, 2]}
    """
    data = file.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of escapes in damaged texts
            if _may_ask_for_memory(data):
                _check_memo(data)
            reader = _Unpickler(io.BytesIO(data), encoding="latin-1")
            content = reader.load()
        return _plain(content, {}) if reader.made_arrays else content
    except InputError:
        raise
    except _PICKLE_ERRORS as error:
        raise InputError(f"no pickle, or a damaged one: {error}", hint="get it again") from error


def read_npy(file: BinaryIO) -> NDArray[Any]:
    """Read an array that `numpy.save` wrote; one of objects by `read_pickle`, in which case they must be alike.

    Raises
    ------
    InputError
        If it is damaged, or holds objects other than texts, bytes and numbers.
    """
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if not dtype.hasobject:
            file.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            return array
    except (ValueError, TypeError, EOFError, OSError, MemoryError, OverflowError) as error:
        raise InputError(f"no .npy file, or a damaged one: {error}", hint="get it again") from error
    content = read_pickle(file)
    try:
        array = np.array(content)
        if array.dtype.hasobject or array.shape != shape:
            raise ValueError(f"shape {array.shape} of {array.dtype}, the header says {shape}")
    except ValueError as error:
        raise InputError(f"an array of objects that are not alike: {error}") from error
    return array


@dataclass(eq=False)
class _Dtype:
    """Stands for a `numpy.dtype`."""

    name: str
    order: str = "="

    def __setstate__(self, state: Any) -> None:
        _, order, subarray, names, fields, *_ = state
        if subarray is not None or names is not None or fields is not None or order not in "<>=|":
            raise pickle.UnpicklingError("an array of records")
        self.order = order

    def real(self) -> np.dtype[Any]:
        return np.dtype(self.name).newbyteorder(self.order)  # type: ignore[arg-type]


@dataclass(eq=False)
class _Array:
    """Stands for a `numpy.ndarray` until all of the pickle is read."""

    state: Any = None
    made: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def real(self) -> Any:
        if self.made is None:
            _, shape, dtype, fortran, raw = self.state
            self.made = _lay_out(shape, dtype, raw, "F" if fortran else "C")
        return self.made


class _Unpickler(pickle.Unpickler):
    """Builds plain values and stands-in for arrays; refuses to look up any other name."""

    def __init__(self, stream: BinaryIO, *, encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self.made_arrays = False
        self._names = self._substitutes()

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the substitute of a name."""
        root, _, rest = module.partition(".")
        if root == "numpy" and module.startswith(_NUMPY):
            module = f"numpy.core.{rest.partition('.')[2]}"
        substitute = self._names.get((module, name))
        if substitute is None:
            raise InputError(
                f"the pickle asks for {module}.{name}, which is refused: only plain values and arrays are read",
                hint="get it from its published home; such a file may run code of a stranger elsewhere",
            )
        return substitute

    def persistent_load(self, reference: Any, /) -> Any:
        """Refuse what is stored elsewhere."""
        raise pickle.UnpicklingError("it refers to something outside of it")

    def _substitutes(self) -> dict[tuple[str, str], Any]:
        """Make the substitutes anew for each pickle, so that none can change those of the next."""

        def reconstruct(*_: object) -> _Array:
            self.made_arrays = True
            return _Array()

        def dtype(name: object, *_: object) -> _Dtype:
            text = name.decode("latin-1") if isinstance(name, bytes) else name
            if not isinstance(text, str) or not _DTYPE.fullmatch(text):
                raise pickle.UnpicklingError(f"an array of type {name!r}")
            return _Dtype(text)

        def scalar(kind: object, raw: object) -> Any:
            return _lay_out((), kind, raw, "C")[()].item()

        def from_buffer(raw: object, kind: object, shape: object, order: object) -> _Array:
            self.made_arrays = True
            return _Array((1, shape, kind, order == "F", raw))

        def ordered(*pairs: Any) -> dict[Any, Any]:
            return dict(*pairs)

        callables: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy", "dtype"): dtype,
            ("numpy", "ndarray"): reconstruct,
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy.core.multiarray", "scalar"): scalar,
            ("numpy.core.numeric", "_frombuffer"): from_buffer,
            ("_codecs", "encode"): lambda *parts: _bytes(*parts),
            ("collections", "OrderedDict"): ordered,
        }
        for module in ("builtins", "__builtin__"):
            callables |= {(module, "set"): set, (module, "frozenset"): frozenset}
            callables |= {(module, "bytes"): lambda *parts: _bytes(*parts)}
            callables |= {(module, "bytearray"): lambda *parts: bytearray(_bytes(*parts))}
        return callables


def _bytes(content: object = b"", encoding: object = "latin-1") -> bytes:
    """Make bytes of bytes or text; not of a length, which could ask for all memory."""
    if isinstance(content, str) and encoding in ("latin1", "latin-1"):
        return content.encode("latin-1")
    if not isinstance(content, bytes):
        raise pickle.UnpicklingError("bytes of something else")
    return content


def _lay_out(shape: Any, dtype: Any, raw: Any, order: Any) -> Any:
    """Make an array of its parts; nested lists of one of objects."""
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
        raise pickle.UnpicklingError("an array without type and shape")
    if not all(isinstance(n, int) and n >= 0 for n in shape):
        raise pickle.UnpicklingError(f"an array of shape {shape}")
    count = 1
    for n in shape:
        count *= n
    real = dtype.real()
    if real.hasobject:
        if not isinstance(raw, list) or len(raw) != count:
            raise pickle.UnpicklingError("an array of objects without them")
        if not count:
            return []
        values = [_plain(value, {}) for value in raw]
        return _nested(values, shape) if order == "C" or len(shape) < 2 else None
    data = raw.encode("latin-1") if isinstance(raw, str) else bytes(raw)
    if len(data) != count * real.itemsize:
        raise pickle.UnpicklingError(f"{len(data)} bytes for an array of shape {shape} and type {real}")
    return np.frombuffer(data, real).reshape(shape, order=order).copy()


def _nested(values: list[Any], shape: tuple[int, ...]) -> Any:
    if len(shape) <= 1:
        return values if shape else values[0]
    step = len(values) // shape[0]
    return [_nested(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def _plain(value: Any, known: dict[int, Any]) -> Any:
    """Put arrays in the place of what stands for them; what stands in several places is made once."""
    if not isinstance(value, _Array | dict | list | tuple):
        return value
    if id(value) not in known:
        known[id(value)] = _made(value, known)
    return known[id(value)]


def _made(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, _Array):
        return value.real()
    if isinstance(value, dict):
        return {key: _plain(item, known) for key, item in value.items()}
    items = [_plain(item, known) for item in value]
    return tuple(items) if isinstance(value, tuple) else items


def _may_ask_for_memory(data: bytes) -> bool:
    """Say whether a pickle could name a place in its memo that is larger than itself; cheap, and sometimes wrong."""
    values = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(values[:-4] == ord("r")) if len(data) > 4 else np.empty(0, np.intp)
    numbers = np.zeros(len(places), np.uint64)
    for i in range(4):
        numbers |= values[places + 1 + i].astype(np.uint64) << np.uint64(8 * i)
    if (numbers > len(data)).any():
        return True
    return any(int(found[1]) > len(data) for found in re.finditer(rb"p(\d{1,20})", data))


def _check_memo(data: bytes) -> None:
    """Raise unless every place in the memo is smaller than the pickle: a larger one could ask for all memory."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name.endswith("PUT") and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError("its memo has gaps")
