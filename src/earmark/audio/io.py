"""Read and write audio files: decode, mix to mono, resample, in blocks.

What a file is, its content says, not its suffix. libsndfile reads wav, au, aiff, flac, ogg, opus and mp3; everything
else goes through PyAV, an extra. Files cut off in the middle yield what can be read, and a note.
"""

import contextlib
import numbers
import os
import sys
import uuid
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from earmark.audio.decode import NO_AUDIO, Decoder, open_decoder
from earmark.audio.encode import WRITABLE, encode
from earmark.audio.joined import JoinedDecoder
from earmark.audio.sources import Guard, Source, open_source, reason, source_name
from earmark.errors import AudioWarning, EarmarkError, InputError, UsageError

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioInfo",
    "AudioReader",
    "Source",
    "mix_down",
    "open_audio",
    "probe",
    "read",
    "source_name",
    "write",
]

Samples = NDArray[np.float32]

AUDIO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffixes in (
        ("wav", "wave", "w64", "rf64", "au", "snd", "aif", "aiff", "aifc", "caf", "flac", "ogg", "oga", "opus"),
        ("mp3", "mp2", "mpga", "m4a", "m4b", "m4r", "aac", "alac", "wma", "asf", "webm", "weba", "mka", "mkv"),
        ("mp4", "m4v", "mov", "avi", "3gp", "amr", "ac3", "ape", "wv", "tta", "mpc", "tak", "dsf", "dff"),
    )
    for suffix in suffixes
)
"""Suffixes that a walk through folders takes for audio, in lower case."""

MAX_BLOCK_SECONDS = 3600.0
MAX_SAMPLE_RATE = 10_000_000
LONGEST_SECONDS = 1e9  # 32 years: an offset beyond is past every end, and would overflow decoders' integers


@dataclass(frozen=True)
class AudioInfo:
    """What a file says about itself.

    Parameters
    ----------
    name : the path as given, or what kind of source it is
    duration : seconds; None where the container does not say
    sample_rate : Hz
    n_channels : of the file
    container : such as "wav", "mp3", "mp4", in lower case
    codec : such as "pcm_16", "mpeg_layer_iii", "aac", in lower case
    """

    name: str
    duration: float | None
    sample_rate: int
    n_channels: int
    container: str
    codec: str


def probe(source: Source) -> AudioInfo:
    """Read what a file says about itself, without decoding it.

    Parameters
    ----------
    source : a path, the bytes of a file, a binary file object, or "-" for stdin

    Raises
    ------
    InputError
        If it is missing, empty, or no audio.
    MissingExtraError
        If it needs PyAV, which is not installed.
    """
    with open_audio(source) as reader:
        return reader.info


def open_audio(
    source: Source,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    offset: float = 0.0,
    duration: float | None = None,
    block_seconds: float = 10.0,
) -> "AudioReader":
    """Open audio to be read in blocks; memory does not grow with its length.

    Parameters
    ----------
    source : a path, the bytes of a file, a binary file object, or "-" for stdin; what cannot seek is copied to a
        temporary file first. A file object stays open.
    sample_rate : Hz to resample to; None keeps the file's
    mono : mix down by the mean over channels
    offset : seconds to skip
    duration : seconds to read at most; None reads to the end
    block_seconds : most that is decoded at once, seconds

    Returns
    -------
    a context manager; close it, or use it in a ``with`` statement

    Raises
    ------
    InputError
        If the source is missing, empty or no audio, `offset` is negative or past the end, or `duration` is not
        positive.
    UsageError
        If `sample_rate` is no positive whole number, or `block_seconds` is not between 0 and an hour.
    MissingExtraError
        If it needs PyAV, which is not installed.

    Examples
    --------
    >>> import io, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, np.zeros((44100, 2)), 44100, format="WAV")
    >>> with open_audio(file.getvalue(), sample_rate=16000) as reader:
    ...     print(reader.info.duration, sum(block.size for block in reader.blocks()))
    1.0 16000
    """
    name = source_name(source)
    if not 0 <= offset < float("inf"):
        raise UsageError(f"offset is {offset:g} s, expected 0 or more")
    if duration is not None and not 0 < duration < float("inf"):
        raise UsageError(f"duration is {duration:g} s, expected more than 0")
    if not 0 < block_seconds <= MAX_BLOCK_SECONDS:
        raise UsageError(f"block_seconds={block_seconds}", hint=f"more than 0, at most {MAX_BLOCK_SECONDS:g}")
    rate = None if sample_rate is None else _checked_rate(sample_rate)
    with contextlib.ExitStack() as stack:
        guard = open_source(source, stack)
        try:
            decoder = JoinedDecoder(open_decoder(cast(BinaryIO, guard), name))
        except EarmarkError:
            guard.check()  # what the file raised comes before what the decoders made of it
            raise
        stack.callback(decoder.close)
        guard.check()
        reader = AudioReader(name, decoder, guard, rate, mono, offset, duration, block_seconds)
        reader._resources = stack.pop_all()
    return reader


def _checked_rate(sample_rate: Any) -> int:
    whole = isinstance(sample_rate, numbers.Real) and float(sample_rate).is_integer()
    if not whole or not 0 < sample_rate <= MAX_SAMPLE_RATE:
        raise UsageError(f"sample_rate={sample_rate!r}", hint=f"a whole number of Hz, 1 to {MAX_SAMPLE_RATE}")
    return int(sample_rate)


class AudioReader:
    """An open audio file; made by `open_audio`.

    Attributes
    ----------
    name : of the source
    info : what the file says about itself
    sample_rate : of the blocks, Hz
    n_channels : of the blocks
    notes : what was odd about the file, known once its blocks have been read
    seconds : of audio read so far
    peak : the highest absolute sample of any channel so far, before mixing and resampling
    """

    def __init__(
        self,
        name: str,
        decoder: Decoder,
        guard: Guard,
        sample_rate: int | None,
        mono: bool,
        offset: float,
        duration: float | None,
        block_seconds: float,
    ) -> None:
        rate = decoder.sample_rate
        length = None if decoder.announced is None else decoder.announced / rate
        self.name = name
        self.info = AudioInfo(name, length, rate, decoder.n_channels, decoder.container, decoder.codec)
        self.sample_rate = sample_rate or rate
        self.n_channels = 1 if mono else decoder.n_channels
        self.notes: list[str] = []
        self.peak = 0.0
        self._decoder = decoder
        self._guard = guard
        self._mono = mono
        self._offset = offset
        self._start = round(min(offset, LONGEST_SECONDS) * rate)
        endless = duration is None or duration > LONGEST_SECONDS
        self._limit = None if duration is None or endless else max(round(duration * rate), 1)
        self._n_block = min(max(round(block_seconds * rate), 1), self._limit or sys.maxsize)
        self._n_read = 0
        self._begun = self._closed = False
        self._resources = contextlib.ExitStack()
        if decoder.announced == 0:
            raise InputError(f"{name}: {NO_AUDIO}")
        if offset > LONGEST_SECONDS:
            raise self._past_end(length)
        if length is not None and self._start >= round(length * rate) + decoder.tolerance * rate:
            raise self._past_end(length)

    @property
    def seconds(self) -> float:
        """Seconds of audio read so far."""
        return self._n_read / self.info.sample_rate

    def blocks(self) -> Iterator[Samples]:
        """Yield the audio, once.

        Yields
        ------
        shapes (n,) if mono, else (n_channels, n), float32, at `sample_rate`

        Raises
        ------
        InputError
            If there is nothing to read at this offset, a sample is not finite, or the file object raised something.
        UsageError
            If the blocks were asked for before, or the reader is closed.
        """
        self._check_open()
        if self._begun:
            raise UsageError(f"{self.name}: the blocks of a reader can be read once", hint="open it again")
        self._begun = True
        return self._resampled()

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError(f"{self.name}: the reader is closed", hint="read its blocks inside of the with statement")

    def _resampled(self) -> Iterator[Samples]:
        if self.sample_rate == self.info.sample_rate:
            for block in self._mixed():
                yield block if self._mono else np.array(block.T, order="C")
            return
        stream = soxr.ResampleStream(
            self.info.sample_rate, self.sample_rate, self.n_channels, dtype="float32", quality="HQ"
        )
        empty = np.zeros((0,) if self._mono else (0, self.n_channels), dtype=np.float32)
        for block in self._mixed():
            resampled = stream.resample_chunk(block)
            if len(resampled):
                yield resampled if self._mono else np.ascontiguousarray(resampled.T)
        resampled = stream.resample_chunk(empty, last=True)
        yield resampled if self._mono else np.ascontiguousarray(resampled.T)

    def _mixed(self) -> Iterator[Samples]:
        """Yield blocks as decoded, shapes (n,) if mono, else (n, n_channels); check them, count them."""
        for block in self._decoded():
            if self._limit is not None:
                block = block[: self._limit - self._n_read]
            mixed = mix_down(block) if self._mono else block
            with np.errstate(over="ignore", invalid="ignore"):
                suspicious = not np.isfinite(mixed.sum())
            if suspicious:
                self._check_finite(block)
            self._n_read += len(block)
            if len(block):
                self.peak = max(self.peak, float(block.max()), -float(block.min()))
            yield mixed
            if self._limit is not None and self._n_read >= self._limit:
                return
        self._take_stock()

    def _decoded(self) -> Iterator[Samples]:
        """Yield blocks of the decoder, as long as the reader is open and its file raised nothing."""
        blocks = self._decoder.blocks(self._start, self._n_block)
        while True:
            self._check_open()
            block = next(blocks, None)
            self._guard.check()
            if block is None:
                return
            yield block

    def _check_finite(self, block: Samples) -> None:
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if bad.size:
            at = (self._start + self._n_read + bad[0]) / self.info.sample_rate
            what = "NaN" if np.isnan(block[bad[0]]).any() else "infinity"
            raise InputError(f"{self.name}: the audio holds {what} at {at:.2f} s")

    def _take_stock(self) -> None:
        """Compare what was read to the end with what the container announced."""
        announced, trouble, rate = self._decoder.announced, self._decoder.trouble, self.info.sample_rate
        if not self._n_read:
            if self._start:
                raise self._past_end(self.info.duration)
            raise InputError(f"{self.name}: {NO_AUDIO} that can be decoded" + (f" ({trouble})" if trouble else ""))
        end = (self._start + self._n_read) / rate
        if announced is not None and announced / rate - end > self._decoder.tolerance:
            reason = f" ({trouble})" if trouble else ""
            self.notes.append(f"truncated: {end:.1f} s of {announced / rate:.1f} s could be read{reason}")
        elif trouble is not None:
            self.notes.append(f"damaged or truncated: {trouble}; {end:.1f} s could be read")

    def _past_end(self, length: float | None) -> InputError:
        of = "" if length is None else f" ({length:.2f} s)"
        return InputError(f"{self.name}: offset {self._offset:g} s is past the end{of}")

    def close(self) -> None:
        """Release the decoder and every file opened for it."""
        self._closed = True
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mix_down(block: Samples) -> Samples:
    """Average over channels.

    Parameters
    ----------
    block : shape (n, n_channels)

    Returns
    -------
    shape (n,), its own memory
    """
    n_channels = block.shape[1]
    if n_channels == 1:
        return block[:, 0].copy()
    mixed: Samples = block[:, 0] + block[:, 1]  # a sum costs a tenth of numpy's mean over a short axis
    for channel in range(2, n_channels):
        mixed += block[:, channel]
    mixed *= np.float32(1 / n_channels)
    return mixed


def read(
    source: Source,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    offset: float = 0.0,
    duration: float | None = None,
) -> tuple[Samples, int]:
    """Read audio as one array.

    Parameters
    ----------
    source : a path, the bytes of a file, a binary file object, or "-" for stdin
    sample_rate : Hz to resample to; None keeps the file's
    mono : mix down by the mean over channels
    offset : seconds to skip
    duration : seconds to read at most; None reads to the end

    Returns
    -------
    shape (n,) if mono, else (n_channels, n), float32, in [-1, 1] as a rule; and its sample rate, Hz

    Raises
    ------
    InputError, UsageError, MissingExtraError
        As `open_audio` and `AudioReader.blocks` do.

    Warns
    -----
    AudioWarning
        If the file is truncated or damaged.
    """
    with open_audio(source, sample_rate=sample_rate, mono=mono, offset=offset, duration=duration) as reader:
        waveform = np.concatenate(list(reader.blocks()), axis=-1)
    for note in reader.notes:
        warnings.warn(f"{reader.name}: {note}", AudioWarning, stacklevel=2)
    return waveform, reader.sample_rate


def write(
    path: str | os.PathLike[str],
    waveform: NDArray[Any] | Iterable[NDArray[Any]],
    sample_rate: int,
    *,
    subtype: str | None = None,
) -> None:
    """Write audio; the suffix chooses the format. The file appears whole or not at all.

    Parameters
    ----------
    path : ends in .wav, .flac, .ogg (Vorbis), .opus, .mp3, .aiff, .aif or .au
    waveform : shape (n,) or (n_channels, n), in [-1, 1]; or blocks of such shapes. Integers of 8, 16 or 32 bit are
        taken for samples of that width and scaled.
    sample_rate : Hz
    subtype : libsndfile's name of the sample format, such as "PCM_24" or "FLOAT"; by default 16 bit or the codec

    Raises
    ------
    UsageError
        If the suffix is unknown, the format takes no such subtype, or `sample_rate` is no positive whole number.
    InputError
        If the waveform is empty or of another shape or type, or the file cannot be written.

    Warns
    -----
    AudioWarning
        If samples outside of [-1, 1] were clipped, which happens in every subtype but "FLOAT" and "DOUBLE".
    """
    if not isinstance(path, str | os.PathLike) or "\0" in os.fspath(path):
        raise UsageError(f"{path!r} is no path to write to")
    path, sample_rate = Path(path), _checked_rate(sample_rate)
    if path.suffix.lower() not in WRITABLE:
        raise UsageError(f"{path}: cannot write {path.suffix or 'a file without suffix'}", hint=_one_of(WRITABLE))
    container, default = WRITABLE[path.suffix.lower()]
    subtype = (subtype or default).upper()
    known = soundfile.available_subtypes(container)
    if subtype not in known:
        raise UsageError(f"{path}: {container} takes no subtype {subtype!r}", hint=_one_of(known))
    blocks: Iterable[Any] = [waveform] if hasattr(waveform, "__array__") else waveform
    if not isinstance(blocks, Iterable):
        raise InputError(f"a {type(waveform).__name__} is no waveform", hint="an array, or arrays one by one")
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")  # its length does not depend on the name's
    try:
        with temporary.open("xb+") as file:
            peak, n_clipped = encode(file, blocks, sample_rate, container, subtype)
        temporary.replace(path)
    except (soundfile.LibsndfileError, OSError) as error:
        why = error.error_string if isinstance(error, soundfile.LibsndfileError) else reason(error)
        raise InputError(f"{path}: cannot be written at {sample_rate} Hz: {why}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    if n_clipped:
        message = f"{path}: {n_clipped} samples outside of [-1, 1] were clipped (peak {peak:.2f})"
        warnings.warn(message, AudioWarning, stacklevel=2)


def _one_of(names: Iterable[str]) -> str:
    return f"one of {', '.join(names)}"
