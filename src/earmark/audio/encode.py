"""Encode waveforms with libsndfile. `earmark.audio.io.write` is the way in."""

import contextlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark.errors import InputError

Samples = NDArray[np.float32]

# Suffix of a file to write -> libsndfile's format and default subtype.
WRITABLE = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aif": ("AIFF", "PCM_16"),
    ".au": ("AU", "PCM_16"),
}
# Samples of integers that can be written -> how many make 1.0, and which is zero.
INTEGERS = {np.dtype("u1"): (1 << 7, 1 << 7), np.dtype("i2"): (1 << 15, 0), np.dtype("i4"): (1 << 31, 0)}
WRITE_FRAMES = 1 << 16  # libsndfile's Vorbis encoder overflows the stack on much longer blocks


def encode(file: BinaryIO, blocks: Iterable[Any], sample_rate: int, container: str, subtype: str) -> tuple[float, int]:
    """Encode a waveform into an open file.

    Parameters
    ----------
    file : binary, writable
    blocks : shapes (n,) or (n_channels, n)
    sample_rate : Hz
    container, subtype : libsndfile's names

    Returns
    -------
    the peak, and how many samples were clipped

    Raises
    ------
    InputError
        If there is nothing to write, or a block is not finite or of another shape or type.
    """
    peak, n_clipped = 0.0, 0
    sound: soundfile.SoundFile | None = None
    with contextlib.ExitStack() as stack:
        for block in blocks:
            frames = _frames(block)
            if not frames.size:
                continue
            if not np.isfinite(frames).all():
                raise InputError("a waveform that holds NaN or infinity cannot be written")
            if sound is None:
                sound = soundfile.SoundFile(file, "w", sample_rate, frames.shape[1], subtype, format=container)
                stack.enter_context(sound)
            if frames.shape[1] != sound.channels:
                raise InputError(f"a block of {frames.shape[1]} channels behind blocks of {sound.channels}")
            peak = max(peak, float(np.abs(frames).max()))
            if peak > 1 and subtype not in ("FLOAT", "DOUBLE"):
                n_clipped += int(np.count_nonzero(np.abs(frames) > 1))
                frames = np.clip(frames, -1, 1)
            for start in range(0, len(frames), WRITE_FRAMES):
                sound.write(frames[start : start + WRITE_FRAMES])
    if sound is None:
        raise InputError("an empty waveform cannot be written")
    return peak, n_clipped


def _frames(block: Any) -> Samples:
    """Return one block as shape (n, n_channels), float32."""
    samples = np.asarray(block)
    if samples.ndim > 2:
        raise InputError(f"a waveform of shape {samples.shape}", hint="shape it (n,) or (n_channels, n)")
    if samples.dtype in INTEGERS:
        scale, middle = INTEGERS[samples.dtype]
        samples = (samples.astype(np.float64) - middle) / scale
    elif samples.dtype.kind != "f":
        kind = "64-bit integers" if samples.dtype == np.int64 else samples.dtype.name
        raise InputError(f"a waveform of {kind}", hint="floats in [-1, 1], or integers of 8, 16 or 32 bit")
    return np.atleast_2d(samples.astype(np.float32)).T
