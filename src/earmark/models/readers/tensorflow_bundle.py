"""Checkpoints of TensorFlow 1 and 2 ("tensor bundles"), read without TensorFlow.

A bundle is two files. The index is a LevelDB table: blocks of sorted keys with shared prefixes, each block with a
checksum, and a footer that says where the block of blocks lies. Its values are protocol buffers: under the empty key
a header, under each variable's name the type, shape, place and checksum of its bytes in the data file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from earmark.errors import AssetError
from earmark.models.readers.crc32c import masked_crc32c

Array = npt.NDArray[Any]

_FOOTER_BYTES = 48
_FOOTER_MAGIC = 0xDB4775248B80FB57
_BLOCK_TRAILER_BYTES = 5  # compression, then the checksum

_BFLOAT16, _STRING = 14, 7
_DTYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 8: "<c8", 9: "<i8", 10: "?",
    _BFLOAT16: "<u2", 17: "<u2", 18: "<c16", 19: "<f2", 22: "<u4", 23: "<u8",
}  # fmt: skip


@dataclass
class _Entry:
    """Where one variable lies (BundleEntryProto)."""

    dtype: int = 0
    shape: list[int] = field(default_factory=list)
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int | None = None
    sliced: bool = False


def read_bundle(index: BinaryIO | bytes, data: BinaryIO | bytes) -> dict[str, Array]:
    """Read every variable of a TensorFlow checkpoint.

    Parameters
    ----------
    index : the `.index` file
    data : the `.data-00000-of-00001` file

    Returns
    -------
    arrays by variable name; strings are left out, bfloat16 becomes float32 (exactly)

    Raises
    ------
    AssetError
        If a file is damaged (every block and every array has a checksum), compressed, or of several parts.
    """
    table = index if isinstance(index, bytes) else index.read()
    payload = memoryview(data if isinstance(data, bytes) else data.read())
    arrays: dict[str, Array] = {}
    try:
        for key, value in _table_items(table):
            if key == b"":
                _check_header(value)
                continue
            name = key.decode()
            entry = _parse_entry(value)
            if entry.dtype != _STRING:
                arrays[name] = _array(name, entry, payload)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise _damaged("the index ends too early or holds an unknown field") from error
    return arrays


def _damaged(reason: str) -> AssetError:
    return AssetError(f"TensorFlow checkpoint: {reason}", hint="fetch the file again")


def _array(name: str, entry: _Entry, payload: memoryview) -> Array:
    """Cut one variable out of the data file."""
    if entry.dtype not in _DTYPES:
        raise AssetError(f"TensorFlow checkpoint: variable {name!r} has the unknown type {entry.dtype}")
    if entry.shard != 0 or entry.sliced:
        raise AssetError(f"TensorFlow checkpoint: variable {name!r} is spread over several parts; one is expected")
    dtype = np.dtype(_DTYPES[entry.dtype])
    n_values = 1
    for length in entry.shape:
        n_values *= length
    if n_values * dtype.itemsize != entry.size or min(entry.shape, default=0) < 0:
        raise _damaged(f"variable {name!r} of shape {tuple(entry.shape)} has {entry.size} bytes")
    raw = payload[entry.offset : entry.offset + entry.size]
    if len(raw) != entry.size:
        raise _damaged(f"the data file has {len(payload)} bytes, too few to hold variable {name!r}")
    if entry.crc is not None and masked_crc32c(raw) != entry.crc:
        raise _damaged(f"the bytes of variable {name!r} do not match their checksum")
    array = np.frombuffer(raw, dtype=dtype)
    if entry.dtype == _BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32).reshape(entry.shape)
    return array.reshape(entry.shape).copy()


# The table.


def _table_items(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a LevelDB table in their order."""
    if len(table) < _FOOTER_BYTES or int.from_bytes(table[-8:], "little") != _FOOTER_MAGIC:
        raise _damaged("the index has no valid footer: it is truncated, or something else")
    footer = table[-_FOOTER_BYTES:]
    _block(table, footer, 0)  # the meta-index, which TensorFlow leaves empty: only checked
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)
    for _, handle in _block_items(_block(table, footer, at)):
        yield from _block_items(_block(table, handle, 0))


def _block(table: bytes, handle: bytes, at: int) -> bytes:
    """Return the block that the handle at `handle[at:]` points to."""
    offset, at = _varint(handle, at)
    size, _ = _varint(handle, at)
    end = offset + size
    if end + _BLOCK_TRAILER_BYTES > len(table):
        raise _damaged("the index ends inside a block")
    (stored,) = struct.unpack_from("<I", table, end + 1)
    if masked_crc32c(table[offset : end + 1]) != stored:
        raise _damaged("a block of the index does not match its checksum")
    if table[end] != 0:
        raise AssetError(
            "TensorFlow checkpoint: the index is compressed (snappy), which earmark does not read",
            hint="save the checkpoint again with TensorFlow's default options, which do not compress",
        )
    return table[offset:end]


def _block_items(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of one block; a key names only what differs from the key before."""
    (n_restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (n_restarts + 1)
    at, key = 0, b""
    while at < end:
        n_shared, at = _varint(block, at)
        n_own, at = _varint(block, at)
        n_value, at = _varint(block, at)
        if n_shared > len(key) or at + n_own + n_value > end:
            raise _damaged("a block of the index is inconsistent")
        key = key[:n_shared] + block[at : at + n_own]
        at += n_own
        yield key, block[at : at + n_value]
        at += n_value


# Protocol buffers: as much as three messages need.


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number of variable length at `data[at:]`, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise _damaged("a number of the index is longer than 64 bits")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(message, at)
        elif wire in (1, 5):
            width = 8 if wire == 1 else 4
            (value,) = struct.unpack_from("<Q" if wire == 1 else "<I", message, at)
            at += width
        elif wire == 2:
            size, at = _varint(message, at)
            value = message[at : at + size]
            if len(value) != size:
                raise _damaged("an entry of the index ends too early")
            at += size
        else:
            raise _damaged(f"an entry of the index has a field of the unknown kind {wire}")
        yield number, value


def _check_header(message: bytes) -> None:
    """Check what BundleHeaderProto says of the data files: their number, and their byte order."""
    header = dict(_fields(message))
    n_shards = header.get(1, 0)
    if n_shards != 1:
        raise AssetError(f"TensorFlow checkpoint: the data lie in {n_shards!r} files; one is expected")
    if header.get(2, 0) != 0:
        raise AssetError("TensorFlow checkpoint: the data are big-endian, which earmark does not read")


def _parse_entry(message: bytes) -> _Entry:
    """Parse a BundleEntryProto."""
    entry = _Entry()
    for number, value in _fields(message):
        if isinstance(value, bytes):
            if number == 2:
                entry.shape = _parse_shape(value)
            elif number == 7:
                entry.sliced = True
        elif number == 1:
            entry.dtype = value
        elif number == 3:
            entry.shard = value
        elif number == 4:
            entry.offset = value
        elif number == 5:
            entry.size = value
        elif number == 6:
            entry.crc = value
    return entry


def _parse_shape(message: bytes) -> list[int]:
    """Parse a TensorShapeProto."""
    lengths = []
    for number, dimension in _fields(message):
        if number == 2 and isinstance(dimension, bytes):
            size = dict(_fields(dimension)).get(1, 0)
            lengths.append(size if isinstance(size, int) else 0)
    return lengths
