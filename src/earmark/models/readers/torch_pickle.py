"""Checkpoints written by `torch.save`, read without PyTorch, and without running anything that they name.

A checkpoint is a pickle, a small program that may call any function by its name. Here the names that a plain
dictionary of tensors needs stand for inert substitutes, and every other name is refused before it is looked up.
Both layouts are read: the zip archive (PyTorch 1.6 and later) and the sequence of pickles before it.
"""

import io
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import AssetError

Array = npt.NDArray[Any]
_Order = Literal["<", ">"]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_EXPANDED_LIMIT = 1 << 24  # values; a tensor larger than its storage may have this many

_STORAGES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "ComplexFloatStorage": "c8", "ComplexDoubleStorage": "c16",
}  # fmt: skip

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
    struct.error,
)


@dataclass(frozen=True)
class _StorageType:
    """Stands for a class such as `torch.FloatStorage`."""

    dtype: str


@dataclass(frozen=True)
class _Storage:
    """A stretch of numbers that is named in the pickle and stored outside of it."""

    key: str
    dtype: str
    n_values: int

    @property
    def n_bytes(self) -> int:
        return self.n_values * (2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize)


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage; lengths and strides count values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch(file: BinaryIO | bytes) -> dict[str, Array]:
    """Read the tensors of a state dict that `torch.save` wrote.

    Parameters
    ----------
    file : the checkpoint; a dict of tensors, or a dict that holds one under "state_dict" (as Lightning writes)

    Returns
    -------
    arrays by name, in the order of the file; bfloat16 becomes float32 (exactly); entries that are no tensors are
    left out

    Raises
    ------
    AssetError
        If the file is damaged, names anything but tensors and dictionaries (the message says what), or holds none.
    """
    data = file if isinstance(file, bytes) else file.read()
    if data[:4] == b"PK\x03\x04":
        tensors, storages, order = _read_zip(data)
    else:
        tensors, storages, order = _read_legacy(data)
    if not tensors:
        raise AssetError("PyTorch checkpoint: it holds no dictionary of tensors")
    return {name: _array(name, tensor, storages[tensor.storage.key], order) for name, tensor in tensors.items()}


def _damaged(reason: str) -> AssetError:
    return AssetError(f"PyTorch checkpoint: {reason}", hint="fetch the file again")


# The two layouts. Each gives the tensors by name, the bytes of the storages, and their byte order ("<" or ">").


def _read_zip(data: bytes) -> tuple[dict[str, _Tensor], dict[str, bytes], _Order]:
    """Read the zip archive: one member holds the pickle, one each storage."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
            if len(names) != 1:
                raise AssetError("PyTorch checkpoint: the zip archive holds no data.pkl")
            root = names[0].removesuffix("data.pkl")
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise AssetError("PyTorch checkpoint: its members are compressed, which PyTorch never does")
            tensors = _tensors(_unpickle(io.BytesIO(archive.read(names[0]))))
            order: _Order = ">" if _member(archive, f"{root}byteorder") == b"big" else "<"
            storages = {
                tensor.storage.key: archive.read(f"{root}data/{tensor.storage.key}") for tensor in tensors.values()
            }
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(f"the zip archive is damaged ({error})") from error
    return tensors, storages, order


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    return archive.read(name) if name in archive.namelist() else b""


def _read_legacy(data: bytes) -> tuple[dict[str, _Tensor], dict[str, bytes], _Order]:
    """Read the layout before PyTorch 1.6: pickles in sequence, then the storages."""
    stream = io.BytesIO(data)
    if _unpickle(stream) != LEGACY_MAGIC:
        raise AssetError("PyTorch checkpoint: this is a pickle, though none that torch.save wrote")
    protocol = _unpickle(stream)
    if protocol != _LEGACY_PROTOCOL:
        raise AssetError(f"PyTorch checkpoint: protocol {protocol!r}; {_LEGACY_PROTOCOL} is expected")
    system = _unpickle(stream)
    little = system.get("little_endian", True) if isinstance(system, dict) else True
    order: _Order = "<" if little else ">"
    used: dict[str, _Storage] = {}
    tensors = _tensors(_unpickle(stream, used))
    keys = _unpickle(stream)
    if not isinstance(keys, list):
        raise _damaged("the list of storages is missing")
    storages: dict[str, bytes] = {}
    for key in keys:
        storage = used.get(key) if isinstance(key, str) else None
        count = stream.read(8)
        if (
            storage is None
            or len(count) != 8
            or int.from_bytes(count, "little" if little else "big") != (storage.n_values)
        ):
            raise _damaged("it ends too early, or its list of storages is inconsistent")
        storages[storage.key] = stream.read(storage.n_bytes)
    missing = {tensor.storage.key for tensor in tensors.values()} - storages.keys()
    if missing:
        raise _damaged(f"{len(missing)} storages are missing")
    return tensors, storages, order


def _tensors(content: object) -> dict[str, _Tensor]:
    """Pick the tensors of a state dict, or of the one under "state_dict"."""
    if not isinstance(content, Mapping):
        return {}
    inner = content.get("state_dict")
    entries = inner if isinstance(inner, Mapping) else content
    return {key: value for key, value in entries.items() if isinstance(key, str) and isinstance(value, _Tensor)}


def _array(name: str, tensor: _Tensor, raw: bytes, order: _Order) -> Array:
    """Lay one tensor out as an array of its own."""
    storage = tensor.storage
    if len(raw) != storage.n_bytes:
        raise _damaged(f"the storage of {name!r} has {len(raw)} bytes, not {storage.n_bytes}: the file is truncated")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    n_values = 1
    for length in tensor.shape:
        n_values *= length
    if n_values > max(storage.n_values, _EXPANDED_LIMIT) or (n_values and last >= storage.n_values):
        raise _damaged(f"tensor {name!r} of shape {tensor.shape} does not fit its storage")
    if storage.dtype == "bfloat16":
        values: Array = (np.frombuffer(raw, dtype=f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    else:
        dtype = np.dtype(storage.dtype)
        values = np.frombuffer(raw, dtype=dtype.newbyteorder(order)).astype(dtype, copy=False)
    if n_values == 0:
        return np.empty(tensor.shape, dtype=values.dtype)
    strides = tuple(step * values.itemsize for step in tensor.strides)
    view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides, writeable=False)
    return np.array(view, order="C")


# The pickle.


def _unpickle(stream: BinaryIO, storages: dict[str, _Storage] | None = None) -> object:
    """Read one pickle with the substitutes, and note the storages it names by key."""
    start = stream.tell()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            # The place in the memo decides how much memory is taken: a damaged one could ask for all of it.
            if opcode.name.endswith("PUT") and isinstance(argument, int) and argument > stream.tell():
                raise _damaged("the pickle is damaged")
        end = stream.tell()
        stream.seek(start)
        content: object = _Unpickler(io.BytesIO(stream.read(end - start)), {} if storages is None else storages).load()
    except _PICKLE_ERRORS as error:
        raise _damaged(f"it is truncated, damaged, or no checkpoint ({error})") from error
    return content


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries, numbers, strings and `_Tensor`s; refuses to look up any other name."""

    def __init__(self, stream: BinaryIO, storages: dict[str, _Storage]) -> None:
        super().__init__(stream)
        self._storages = storages
        self._names = _substitutes()

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the substitute of a name."""
        substitute = self._names.get((module, name))
        if substitute is None:
            raise AssetError(
                f"PyTorch checkpoint: it asks for {module}.{name}, which earmark refuses: only tensors are read",
                hint="save its state_dict alone: torch.save(model.state_dict(), path)",
            )
        return substitute

    def persistent_load(self, reference: Any, /) -> _Storage:
        """Return the storage that a reference in the pickle names."""
        kind, storage_type, key, _location, n_values, *view = reference
        if kind != "storage" or not isinstance(storage_type, _StorageType) or view not in ([], [None]):
            raise pickle.UnpicklingError("a reference is no plain storage")
        if not isinstance(key, str) or not isinstance(n_values, int) or n_values < 0:
            raise pickle.UnpicklingError("a storage has no valid key and size")
        storage = _Storage(key, storage_type.dtype, n_values)
        if self._storages.setdefault(key, storage) != storage:
            raise pickle.UnpicklingError("a storage is named with two sizes or types")
        return storage


def _substitutes() -> dict[tuple[str, str], object]:
    """Make the substitutes anew for each pickle, so that none can change those of the next."""

    def rebuild_tensor(storage: object, offset: object, shape: object, strides: object, *_ignored: object) -> _Tensor:
        shape, strides = _lengths(shape), _lengths(strides)
        valid = isinstance(storage, _Storage) and isinstance(offset, int) and offset >= 0
        if not valid or len(shape) != len(strides):
            raise pickle.UnpicklingError("a tensor has no valid storage, shape and strides")
        return _Tensor(storage, offset, shape, strides)  # type: ignore[arg-type]

    def rebuild_parameter(tensor: object, *_ignored: object) -> object:
        return tensor

    callables: dict[tuple[str, str], Callable[..., object]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
        ("torch", "Size"): tuple,
    }
    return callables | {("torch", name): _StorageType(dtype) for name, dtype in _STORAGES.items()}


def _lengths(value: object) -> tuple[int, ...]:
    """Check a shape or strides: whole numbers, none negative."""
    if not isinstance(value, tuple) or not all(isinstance(n, int) and n >= 0 for n in value):
        raise pickle.UnpicklingError("a shape or its strides are no whole numbers")
    return value
