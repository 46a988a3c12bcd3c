"""Read and write audio files: decode, mix to mono, resample, in blocks.

What a file is, its content says, not its suffix. libsndfile reads wav, au, aiff, flac, ogg, opus and mp3; everything
else goes through PyAV, an extra. Files cut off in the middle yield what can be read, and a note.
"""

import contextlib
import io
import os
import shutil
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from earmark.audio.decode import NO_AUDIO, Decoder, open_decoder
from earmark.errors import AudioWarning, InputError, UsageError

Samples = NDArray[np.float32]
Source = str | os.PathLike[str] | bytes | BinaryIO

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
WRITE_FRAMES = 1 << 16  # libsndfile's Vorbis encoder overflows the stack on much longer blocks


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
        If `sample_rate` or `block_seconds` is not positive.
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
    name = _name(source)
    if not 0 <= offset < float("inf"):
        raise InputError(f"{name}: offset {offset:g} s", hint="an offset is at least 0 s")
    if duration is not None and not 0 < duration < float("inf"):
        raise InputError(f"{name}: duration {duration:g} s", hint="a duration is more than 0 s")
    if block_seconds <= 0 or (sample_rate is not None and sample_rate <= 0):
        raise UsageError(f"sample_rate={sample_rate}, block_seconds={block_seconds}", hint="both must be positive")
    with contextlib.ExitStack() as stack:
        file = _open(source, name, stack)
        decoder = open_decoder(file, name)
        stack.callback(decoder.close)
        reader = AudioReader(name, decoder, sample_rate, mono, offset, duration, block_seconds)
        reader._resources = stack.pop_all()
    return reader


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
    """

    def __init__(
        self,
        name: str,
        decoder: Decoder,
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
        self._decoder = decoder
        self._mono = mono
        self._start = round(offset * rate)
        self._limit = None if duration is None else max(round(duration * rate), 1)
        self._n_block = max(round(block_seconds * rate), 1)
        self._n_read = 0
        self._begun = False
        self._resources = contextlib.ExitStack()
        if decoder.announced == 0:
            raise InputError(f"{name}: {NO_AUDIO}")
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
            If there is nothing to read at this offset, or a sample is not finite.
        UsageError
            If the blocks were asked for before.
        """
        if self._begun:
            raise UsageError(f"{self.name}: the blocks of a reader can be read once", hint="open it again")
        self._begun = True
        return self._resampled()

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
        for block in self._decoder.blocks(self._start, self._n_block):
            if self._limit is not None:
                block = block[: self._limit - self._n_read]
            mixed = mix_down(block) if self._mono else block
            with np.errstate(over="ignore", invalid="ignore"):
                suspicious = not np.isfinite(mixed.sum())
            if suspicious:
                self._check_finite(block)
            self._n_read += len(block)
            yield mixed
            if self._limit is not None and self._n_read >= self._limit:
                return
        self._take_stock()

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
        return InputError(f"{self.name}: offset {self._start / self.info.sample_rate:g} s is past the end{of}")

    def close(self) -> None:
        """Release the decoder and every file opened for it."""
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
    waveform: NDArray[np.floating[Any]] | Iterable[NDArray[np.floating[Any]]],
    sample_rate: int,
    *,
    subtype: str | None = None,
) -> None:
    """Write audio; the suffix chooses the format. The file appears whole or not at all.

    Parameters
    ----------
    path : ends in .wav, .flac, .ogg (Vorbis), .opus, .mp3, .aiff, .aif or .au
    waveform : shape (n,) or (n_channels, n), in [-1, 1]; or blocks of such shapes
    sample_rate : Hz
    subtype : libsndfile's name of the sample format, such as "PCM_24" or "FLOAT"; by default 16 bit or the codec

    Raises
    ------
    UsageError
        If the suffix is unknown, or the format takes no such subtype.
    InputError
        If the waveform is empty, or the file cannot be written.

    Warns
    -----
    AudioWarning
        If samples outside of [-1, 1] were clipped, which happens in every subtype but "FLOAT" and "DOUBLE".
    """
    path = Path(path)
    if path.suffix.lower() not in WRITABLE:
        raise UsageError(f"{path}: cannot write {path.suffix or 'a file without suffix'}", hint=_one_of(WRITABLE))
    container, default = WRITABLE[path.suffix.lower()]
    subtype = (subtype or default).upper()
    known = soundfile.available_subtypes(container)
    if subtype not in known:
        raise UsageError(f"{path}: {container} takes no subtype {subtype!r}", hint=_one_of(known))
    blocks = [waveform] if isinstance(waveform, np.ndarray) else waveform
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("xb+") as file:
            peak, n_clipped = _encode(file, blocks, sample_rate, container, subtype)
        temporary.replace(path)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = error.error_string if isinstance(error, soundfile.LibsndfileError) else _reason(error)
        raise InputError(f"{path}: cannot be written at {sample_rate} Hz: {reason}") from None
    finally:
        temporary.unlink(missing_ok=True)
    if n_clipped:
        message = f"{path}: {n_clipped} samples outside of [-1, 1] were clipped (peak {peak:.2f})"
        warnings.warn(message, AudioWarning, stacklevel=2)


def _encode(
    file: BinaryIO, blocks: Iterable[NDArray[np.floating[Any]]], sample_rate: int, container: str, subtype: str
) -> tuple[float, int]:
    """Encode `blocks`; return the peak and how many samples were clipped."""
    peak, n_clipped = 0.0, 0
    sound: soundfile.SoundFile | None = None
    with contextlib.ExitStack() as stack:
        for block in blocks:
            frames = np.asarray(block, dtype=np.float32)
            frames = np.atleast_2d(frames).T  # (n, n_channels)
            if not frames.size:
                continue
            if not np.isfinite(frames).all():
                raise InputError("a waveform that holds NaN or infinity cannot be written")
            if sound is None:
                sound = soundfile.SoundFile(file, "w", sample_rate, frames.shape[1], subtype, format=container)
                stack.enter_context(sound)
            peak = max(peak, float(np.abs(frames).max()))
            if peak > 1 and subtype not in ("FLOAT", "DOUBLE"):
                n_clipped += int(np.count_nonzero(np.abs(frames) > 1))
                frames = np.clip(frames, -1, 1)
            for start in range(0, len(frames), WRITE_FRAMES):
                sound.write(frames[start : start + WRITE_FRAMES])
    if sound is None:
        raise InputError("an empty waveform cannot be written")
    return peak, n_clipped


def _one_of(names: Iterable[str]) -> str:
    return f"one of {', '.join(names)}"


def _name(source: Source) -> str:
    if isinstance(source, bytes):
        return "bytes"
    if isinstance(source, str | os.PathLike):
        return "stdin" if source == "-" else os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "file object"


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, PermissionError):
        return "no permission"
    return error.strerror or str(error)


def _open(source: Source, name: str, stack: contextlib.ExitStack) -> BinaryIO:
    """Return a seekable binary file at its begin; what is opened here is closed by `stack`."""
    file: BinaryIO
    try:
        if isinstance(source, bytes):
            return io.BytesIO(source)
        if isinstance(source, str | os.PathLike):
            if source == "-":
                file = sys.stdin.buffer
            else:
                if Path(source).is_dir():
                    raise InputError(f"{name}: this is a folder")
                file = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115  (the stack closes it)
        elif not hasattr(source, "read"):
            raise InputError(f"a {type(source).__name__} is no audio source", hint="a path, bytes, or a binary file")
        elif not isinstance(source.read(0), bytes):
            raise InputError(f"{name}: a text file object", hint="open the file in binary mode, 'rb'")
        else:
            file = source
        if hasattr(file, "seekable") and file.seekable() and file.tell() == 0:
            return file
        spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(file, spool, 1 << 20)
        spool.seek(0)
    except OSError as error:
        raise InputError(f"{name}: {_reason(error)}") from None
    except ValueError as error:  # a NUL in the path, a closed file
        raise InputError(f"{name}: {error}") from None
    return spool
