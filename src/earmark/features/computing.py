"""From an audio file to a block of a feature store."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.audio.io import open_audio
from earmark.audio.spectra import Spectrum
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.features.layout import DTYPES, INT16_SCALE, Segment

SHORT_SECONDS = 0.1  # a segment that is shorter than it should be by less is none of which to speak


@dataclass(frozen=True)
class Block:
    """The features of a track, as they go to the store.

    Parameters
    ----------
    data : shape (T, F) in C order
    n_frames : T
    duration : of the audio, seconds
    notes : what was odd about it
    """

    data: bytes
    n_frames: int
    duration: float
    notes: tuple[str, ...]


def check_dtype(dtype: str | None, frontend: str) -> str:
    """Return the type that features are stored as: by default int16 for waveforms, else float16.

    Raises
    ------
    UsageError
        If it is none of them, or int16 for anything but waveforms.
    """
    if dtype is None:
        return "int16" if frontend == "raw" else "float16"
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r}", hint=f"one of {', '.join(DTYPES)}")
    if dtype == "int16" and frontend != "raw":
        raise UsageError(f"int16 holds waveforms, not {frontend}", hint="choose float16 or float32")
    return dtype


def compute(path: str, segment: Segment, spectrum: Spectrum, dtype: str) -> Block:
    """Decode an audio file and compute its features.

    Parameters
    ----------
    path : of the file
    segment : start and end of the part to read, seconds; None for the whole file
    spectrum : the front end
    dtype : see `check_dtype`

    Raises
    ------
    InputError
        If the file is missing, no audio, or too short, or the features do not fit `dtype`.
    UsageError
        If the segment is empty.
    MissingExtraError
        If the format needs PyAV, which is not installed.
    """
    start, end = segment or (0.0, None)
    length = None if end is None else end - start
    with open_audio(path, sample_rate=spectrum.sample_rate, offset=start, duration=length) as reader:
        waveform = np.concatenate(list(reader.blocks()))
    notes = list(reader.notes)
    if length is not None and reader.seconds < length - SHORT_SECONDS:
        notes.append(f"{reader.seconds:.1f} s of the segment's {length:.1f} s are there")
    try:
        features = spectrum(waveform)  # (F, T)
        stored = _stored(features.T, dtype, notes)  # (T, F)
    except EarmarkError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    return Block(stored.tobytes(), len(stored), reader.seconds, tuple(notes))


def _stored(features: NDArray[np.float32], dtype: str, notes: list[str]) -> NDArray[np.generic]:
    """Convert to the type of the store; what does not fit is an error, or for waveforms a note."""
    if dtype == "int16":
        samples = np.rint(features * np.float32(INT16_SCALE))
        n_clipped = int(np.count_nonzero((samples > INT16_SCALE - 1) | (samples < -INT16_SCALE)))
        if n_clipped:
            notes.append(f"{n_clipped} samples outside of [-1, 1] were clipped")
        clipped: NDArray[np.int16] = np.clip(samples, -INT16_SCALE, INT16_SCALE - 1).astype(np.int16)
        return clipped
    largest = max(float(features.max()), -float(features.min()))
    if not largest <= float(np.finfo(dtype).max):
        if not np.isfinite(largest):
            raise InputError("the features hold NaN or infinity")
        raise InputError(f"a feature of {largest:g} does not fit {dtype}", hint="store float32: --dtype float32")
    return np.ascontiguousarray(features, dtype=dtype)
