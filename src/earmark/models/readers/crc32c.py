"""CRC-32C (Castagnoli), fast without compiled code: many stretches of the data at once, then joined."""

from functools import cache

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reflected
_SHORT = 64  # bytes up to which the plain loop is faster
_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | memoryview) -> int:
    """Compute the CRC-32C of `data`.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    the checksum, in [0, 2**32)

    Notes
    -----
    A CRC is linear over GF(2). The data are cut into `2**k` equal lanes, whose remainders advance side by side,
    four bytes a step; neighbours are then joined pairwise, the left one moved past the length of the right one.
    Zeros in front do not change a remainder that starts at zero, so they fill the data up to whole lanes, and
    starting at all ones is the same as flipping the first four bytes.

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) <= _SHORT:
        return _crc_of_few(bytes(data))
    n_words = -(-len(data) // 4)
    exponent = (n_words - 1).bit_length() // 2
    n_steps = -(-n_words >> exponent)
    step_exponent = (n_steps - 1).bit_length()  # lanes of a power of two: their shifts are cached
    n_lanes = 1 << exponent
    while (n_lanes // 2) << step_exponent >= n_words:
        n_lanes //= 2
    padded = np.zeros(n_lanes << (step_exponent + 2), dtype=np.uint8)
    padded[-len(data) :] = np.frombuffer(data, dtype=np.uint8)
    padded[-len(data) : padded.size - len(data) + 4] ^= 0xFF
    lanes = np.ascontiguousarray(padded.view("<u4").reshape(n_lanes, -1).T)  # (n_steps, n_lanes)

    low, high = _word_tables()
    state = np.zeros(n_lanes, dtype=np.uint32)
    for word in lanes:
        state ^= word
        state = low[state & 0xFFFF] ^ high[state >> 16]
    lane_exponent = step_exponent + 2
    while state.size > 1:
        state = _apply(_shift(lane_exponent), state[0::2]) ^ state[1::2]
        lane_exponent += 1
    return int(state[0]) ^ 0xFFFFFFFF


def masked_crc32c(data: bytes | memoryview) -> int:
    """Compute the CRC-32C as TensorFlow and LevelDB store it: rotated right by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


@cache
def _byte_table() -> Words:
    """Return what each byte becomes when a remainder advances by one byte, shape (256,)."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@cache
def _word_tables() -> tuple[Words, Words]:
    """Return what the low and the high 16 bits become in four bytes, each of shape (65536,)."""
    values = np.arange(1 << 16, dtype=np.uint32)
    high = _advance(_advance(values))
    return _advance(_advance(high)), high


def _advance(state: Words) -> Words:
    """Move remainders past one zero byte."""
    advanced: Words = _byte_table()[state & 0xFF] ^ (state >> 8)
    return advanced


@cache
def _shift(exponent: int) -> Words:
    """Return the operator that moves a remainder past `2**exponent` zero bytes: the image of each bit, shape (32,)."""
    if exponent == 0:
        return _advance(np.uint32(1) << np.arange(32, dtype=np.uint32))
    half = _shift(exponent - 1)
    return _apply(half, half)


def _apply(operator: Words, state: Words) -> Words:
    """Apply an operator of `_shift` to each remainder."""
    moved = np.zeros_like(state)
    for bit in range(32):
        moved ^= (state >> bit & 1) * operator[bit]
    return moved


def _crc_of_few(data: bytes) -> int:
    """Compute the CRC-32C byte by byte."""
    table = _byte_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = int(table[(crc ^ byte) & 0xFF]) ^ crc >> 8
    return crc ^ 0xFFFFFFFF
