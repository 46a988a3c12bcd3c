"""Two decoders behind one face: libsndfile, and PyAV for what that cannot open. `earmark.audio.io` is the way in.

The mp3 decoder inside libsndfile (mpg123) writes remarks about damaged streams to stderr itself. Healthy and merely
truncated files cause none. For the rest they are let through: to silence them the process's file descriptor would
have to be redirected, and what other threads write meanwhile would be lost.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark.audio import mpeg, ogg
from earmark.errors import InputError, MissingExtraError

Samples = NDArray[np.float32]

NO_AUDIO = "holds no audio"
SALVAGE_FRAMES = 1152
END_BYTES = 1 << 14  # an error this close to the file's end is taken for the end
NO_COUNT = 1 << 62  # from here on libsndfile's number of frames means that it knows none
# Containers that state how long they are; the others are estimated from bit rates, or not at all.
ANNOUNCING = {"mov", "matroska", "asf", "avi", "flac", "ape", "wv", "tta", "caf", "tak", "wav", "aiff", "au"}
PREROLL_SECONDS = 1.0
# What libsndfile decodes before a place that was sought: mp3 is exact from 0.5 s on (0.3 s is not enough at low rates).
RUN_UP_SECONDS = {"mp3": 0.5, "ogg": 1.0}
_CUT = "is it music at all? an m4a or mp4 that was cut off cannot be read either: its index stood at the end"


class Decoder(Protocol):
    """What `earmark.audio.io` reads from.

    Attributes
    ----------
    sample_rate : Hz
    n_channels : of the file
    container, codec : lower-case names
    announced : sample frames that the container states; None where it states none
    tolerance : seconds by which `announced` may be off in a healthy file
    trouble : why reading ended, if the end was not a proper one; None otherwise
    """

    sample_rate: int
    n_channels: int
    container: str
    codec: str
    announced: int | None
    tolerance: float
    trouble: str | None

    def blocks(self, start: int, n_block: int) -> Iterator[Samples]:
        """Yield the sample frames from `start` on.

        Parameters
        ----------
        start : sample frames
        n_block : most sample frames of a block

        Yields
        ------
        shapes (n, n_channels); the memory may be used again for the next block
        """
        ...

    def count(self, n_block: int) -> int:
        """Count the sample frames of the stream, by decoding it in blocks of `n_block`; that leads to its end."""
        ...

    def following(self) -> "Decoder | None":
        """Open the stream that follows in the file; None if there is none. Only when this one was read to its end."""
        ...

    def close(self) -> None:
        """Release the decoder, not the file under it."""
        ...


def open_decoder(file: BinaryIO, name: str) -> Decoder:
    """Choose the decoder by the content of `file`.

    Parameters
    ----------
    file : seekable, at its begin
    name : for messages, with the suffix if there is one

    Raises
    ------
    InputError
        If this is no audio that either decoder can open.
    MissingExtraError
        If libsndfile cannot open it and PyAV is not installed.
    """
    head = file.read(4096)
    if not head:
        raise InputError(f"{name}: the file is empty (0 bytes)")
    begin = mpeg.skip_id3(file)
    stream = mpeg.find_stream(file, begin, only_first=True)
    reason = ""
    if stream is None:
        try:
            return _open_ogg(file, 0) if ogg.is_ogg(file) else SndfileDecoder(file, True)
        except soundfile.LibsndfileError as error:
            reason = error.error_string
        if "hannel count" in reason:
            raise InputError(f"{name}: the header announces zero channels")
        if _is_text(head):
            raise InputError(f"{name}: this is text, not audio")
        if "not recognised" in reason and not _is_container(head):
            stream = mpeg.find_stream(file, begin)  # behind stray bytes
    if stream is not None:
        try:
            return SndfileDecoder(*mpeg.open_stream(file, stream))
        except soundfile.LibsndfileError as error:
            reason = error.error_string
    try:
        file.seek(0)
        return AvDecoder(file, name)
    except (MissingExtraError, InputError):
        if "not recognised" in reason:
            raise
        raise InputError(f"{name}: the header cannot be read: {_plain(reason)}") from None


def _open_ogg(file: BinaryIO, begin: int) -> "SndfileDecoder":
    """Open the link of an Ogg file that begins at `begin`; what is chained states no length of the whole."""
    end = ogg.find_link(file, begin)
    if not begin and end == file.seek(0, io.SEEK_END):
        return SndfileDecoder(file, True)
    return SndfileDecoder(mpeg.Splice(file, begin, end), False)


def _is_container(head: bytes) -> bool:
    """Say whether this begins like a container that may hold mp3 frames among other things."""
    boxes = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
    magics = (b"RIFF", b"\x1aE\xdf\xa3", b"0&\xb2u", b"FLV", b"OggS", b"\0\0\1\xba", b"G@")
    return head[4:8] in boxes or head.startswith(magics)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not merely a character cut by the end of the head
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\t\r\n\f\v\ufeff" for char in text)


def _plain(reason: str) -> str:
    """Reduce libsndfile's message to its content."""
    if any(word in reason for word in ("nspecified", "psf_f", "regular file")):
        return "the data cannot be decoded"
    return re.sub(r"^(Internal e|E)rror( in \w+ file)?\s*[:.]\s*", "", reason).strip().rstrip(".")


class _Sound(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A `SoundFile` that does not seek after every read.

    soundfile does so whenever a file can seek. In mp3 a seek loses the bit reservoir: the first few hundred samples
    of a block can come out wrong (`docs/log.md`), and with small blocks it would take twice the time.
    """

    def seekable(self) -> bool:
        """Deny it; `seek` works all the same."""
        return False


class SndfileDecoder:
    """Decode with libsndfile.

    Parameters
    ----------
    file : seekable
    counted : whether the number of sample frames that libsndfile states is the file's, not an estimate
    """

    tolerance = 0.1

    def __init__(self, file: BinaryIO | mpeg.Splice, counted: bool) -> None:
        # mpg123 reads in small steps: a buffer keeps them out of Python.
        self._file: Any = io.BufferedReader(file, 1 << 16) if isinstance(file, mpeg.Splice) else file
        self._size = file.size if isinstance(file, mpeg.Splice) else file.seek(0, io.SEEK_END)
        self._splice = file if isinstance(file, mpeg.Splice) else None
        self._whole = file.file if isinstance(file, mpeg.Splice) else file
        ended = not ogg.is_ogg(self._file) or ogg.has_end_page(self._file)
        self._sound = self._open()  # from here on nobody else may move in the file
        self.sample_rate: int = self._sound.samplerate
        self.n_channels: int = self._sound.channels
        self.container: str = self._sound.format.lower()
        self.codec: str = self._sound.subtype.lower()
        if self.container == "mp3" and self._whole is file:  # layer I or II: an estimate
            counted = False
        self.announced = self._announced() if counted else None
        self._gone_on = False
        self.trouble = None if ended else "the stream has no end mark"

    def _open(self) -> _Sound:
        self._file.seek(0)
        return _Sound(self._file)

    def _announced(self) -> int | None:
        """Return the header's number of sample frames; libsndfile lowers it to what the file holds, and logs that."""
        n_frames: int = self._sound.frames
        log = self._sound.extra_info
        if match := re.search(r"^\s*(?:data|Data Size)\s*: (\d+) \(should be (\d+)\)", log, re.MULTILINE):
            stated, held = map(int, match.groups())
            if stated >= 0x7FFFFF00:  # written to a pipe: the length was not known
                return None
            return stated // max(held // n_frames, 1) if n_frames else 0
        if n_frames >= NO_COUNT:
            return None
        if match := re.search(r"'COMM' chunk \((\d+)\) not equal", log):
            return int(match.group(1))
        return n_frames

    def blocks(self, start: int, n_block: int) -> Iterator[Samples]:
        """Yield the sample frames from `start` on; see `Decoder`."""
        if start and not self._seek(start):
            return
        position = start
        buffer = np.empty((n_block, self.n_channels), dtype=np.float32)
        while True:
            try:
                block = self._sound.read(out=buffer)
            except soundfile.LibsndfileError as error:
                at_end = self._file.tell() >= self._size - END_BYTES
                self.trouble = "the last frame is cut" if at_end else _plain(error.error_string)
                for block in self._salvage(position, n_block):
                    position += len(block)
                    yield block
                if not at_end:
                    yield from self._go_on(position, n_block)
                return
            if not len(block):
                return
            position += len(block)
            yield block

    def _seek(self, start: int) -> bool:
        """Go to `start`; False if that is past the end. Lossy codecs are given a run-up, so that it is exact."""
        if self.announced is not None and start >= self._sound.frames:
            return False
        run_up = min(round(RUN_UP_SECONDS.get(self.container, 0.0) * self.sample_rate), start)
        try:
            self._sound.seek(start - run_up)
            skipped = self._sound.read(out=np.empty((run_up, self.n_channels), dtype=np.float32)) if run_up else ()
        except soundfile.LibsndfileError as error:
            self.trouble = _plain(error.error_string)
            return False
        return len(skipped) == run_up

    def _salvage(self, position: int, n_frames: int) -> Iterator[Samples]:
        """Read on from `position` in small steps, as far as it goes."""
        self._sound.close()
        try:
            self._sound = self._open()
            if position and not self._seek(position):
                return
            for _ in range(-(-n_frames // SALVAGE_FRAMES)):
                block = self._sound.read(out=np.empty((SALVAGE_FRAMES, self.n_channels), dtype=np.float32))
                if not len(block):
                    return
                yield block
        except soundfile.LibsndfileError:
            return

    def _go_on(self, position: int, n_block: int) -> Iterator[Samples]:
        """Read what lies behind a damaged piece at `position`, with PyAV if there is one: libsndfile stops there."""
        try:
            self._whole.seek(0)
            other = AvDecoder(self._whole, "")
        except (InputError, MissingExtraError):
            return
        with contextlib.closing(other):
            if (other.sample_rate, other.n_channels) != (self.sample_rate, self.n_channels):
                return
            blocks = other.blocks(position, n_block, seek=False)
            block = next(blocks, None)
            if block is not None:
                self._gone_on = True
                self.trouble = f"a damaged piece at {position / self.sample_rate:.1f} s was left out"
                yield block
                yield from blocks

    def count(self, n_block: int) -> int:
        """Count the sample frames; see `Decoder`."""
        self._sound.close()
        self._sound = self._open()
        return sum(len(block) for block in self.blocks(0, n_block))

    def following(self) -> "SndfileDecoder | None":
        """Open the stream that follows; see `Decoder`. What is left and cannot be read becomes `trouble`."""
        if self._gone_on or self.container not in ("mp3", "ogg", "flac"):
            return None
        splice = self._splice
        end = self._file.tell()
        if splice and self.container == "ogg":
            end = splice.end
        elif splice:
            end = splice.under(end)
        left = mpeg.find_end(self._whole) - end
        found: int | None = None
        try:
            if left > 0 and self.container == "ogg":
                self._whole.seek(end)
                if self._whole.read(4) == b"OggS":
                    return _open_ogg(self._whole, end)
            elif left > 0 and splice:
                found = mpeg.find_stream(self._whole, mpeg.skip_id3(self._whole, max(end - 4, splice.begin + 1)))
                if found is not None:
                    return SndfileDecoder(*mpeg.open_stream(self._whole, found))
        except soundfile.LibsndfileError as error:
            self.trouble = f"the {left} bytes behind cannot be read ({_plain(error.error_string)})"
            return None
        if left > END_BYTES and not self.trouble and mpeg.is_substance(self._whole, end):
            self.trouble = f"{left} bytes at the end are no audio that can be read"
        return None

    def close(self) -> None:
        """Release the decoder, not the file under it."""
        self._sound.close()


def _av_open(av: Any, file: BinaryIO) -> Any:
    """Open a container whatever the encoding of its tags; from version 19 PyAV has no option for that."""
    try:
        return av.open(file, metadata_errors="ignore")
    except TypeError:
        return av.open(file)


class AvDecoder:
    """Decode with PyAV.

    Parameters
    ----------
    file : seekable
    name : for messages

    Raises
    ------
    MissingExtraError
        If PyAV is not installed.
    InputError
        If it cannot be opened, or holds no audio.
    """

    tolerance = 0.5

    def __init__(self, file: BinaryIO, name: str) -> None:
        try:
            import av
        except ImportError:
            raise MissingExtraError(f"{name}: reading this format", "formats") from None
        self._av = av
        self.trouble: str | None = None
        try:
            self._container = _av_open(av, file)
        except (av.FFmpegError, ValueError) as error:
            raise InputError(f"{name}: this is no audio that can be read ({_reason(error)})", hint=_CUT) from None
        try:
            if not self._container.streams.audio:
                raise InputError(f"{name}: {NO_AUDIO}")
            self._stream = self._container.streams.audio[0]
            self._stream.thread_type = "NONE"
            self._frames = self._decode()
            first = next(self._frames, None)
        except (InputError, av.FFmpegError) as error:
            self._container.close()
            raise InputError(error.message if isinstance(error, InputError) else f"{name}: {_reason(error)}") from None
        if first is None or not first.sample_rate or not first.layout.nb_channels:
            self._container.close()
            reason = f" ({self.trouble})" if self.trouble else ""
            raise InputError(f"{name}: {NO_AUDIO} that can be decoded{reason}")
        self._first = first
        self.sample_rate: int = first.sample_rate
        self.n_channels: int = first.layout.nb_channels
        names = self._container.format.name.split(",")
        self.container: str = names[1] if len(names) > 1 else names[0]
        self.codec: str = self._stream.codec_context.codec.name
        seconds = self._seconds() if names[0] in ANNOUNCING else None
        self.announced = None if seconds is None else round(seconds * self.sample_rate)

    def _seconds(self) -> float | None:
        """Return the length of the audio stream as the container states it, in seconds."""
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        if match := re.match(r"(\d+):(\d+):([\d.]+)$", self._stream.metadata.get("DURATION", "")):
            hours, minutes, seconds = match.groups()
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if self._container.duration and len(self._container.streams) == 1:
            return float(self._container.duration / self._av.time_base)
        return None

    def _decode(self) -> Iterator[Any]:
        """Yield frames, past packets that cannot be decoded."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except self._av.InvalidDataError as error:
                self.trouble = _reason(error)
                continue
            except self._av.FFmpegError as error:
                self.trouble = _reason(error)
                return
            yield from frames

    def blocks(self, start: int, n_block: int, *, seek: bool = True) -> Iterator[Samples]:
        """Yield the sample frames from `start` on, counted if not `seek`, else by time stamps; see `Decoder`."""
        parts: list[Samples] = []
        n_held = 0
        for part in self._parts(start, seek):
            parts.append(part)
            n_held += part.shape[1]
            if n_held >= n_block:
                yield np.concatenate(parts, axis=1).T
                parts, n_held = [], 0
        if parts:
            yield np.concatenate(parts, axis=1).T

    def _parts(self, start: int, seek: bool) -> Iterator[Samples]:
        """Yield what single frames hold from `start` on, shapes (n_channels, n)."""
        rate = self.sample_rate
        origin = self._first.pts
        resampler: Any = None
        shape: Any = None
        sought = seek and start > 2 * PREROLL_SECONDS * rate and origin is not None and self._seek(start)
        position: int | None = None if sought else 0
        frames = self._frames if sought else self._rewound()
        for frame in frames:
            if position is None:
                if frame.pts is None:
                    continue
                position = round(float((frame.pts - origin) * frame.time_base) * rate)
            plain = frame.format.name == "fltp" and frame.sample_rate == rate and frame.layout == self._first.layout
            if not plain and (resampler is None or shape != (frame.format.name, frame.sample_rate, frame.layout.name)):
                shape = frame.format.name, frame.sample_rate, frame.layout.name  # a resampler takes one shape only
                resampler = self._av.AudioResampler(format="fltp", layout=self._first.layout, rate=rate)
            for planar in [frame] if plain else resampler.resample(frame):
                samples: Samples = planar.to_ndarray()
                position += samples.shape[1]
                if position > start:
                    yield samples[:, max(start - position + samples.shape[1], 0) :]

    def _rewound(self) -> Iterator[Any]:
        yield self._first
        yield from self._frames

    def _seek(self, start: int) -> bool:
        """Go to a frame before `start`, early enough for codecs that need a run-up; False if the file cannot."""
        seconds = start / self.sample_rate - PREROLL_SECONDS
        target = self._first.pts + int(seconds / self._stream.time_base)
        if target >= 1 << 63:
            return False
        try:
            self._container.seek(target, stream=self._stream)
        except self._av.FFmpegError:
            return False
        self._frames = self._decode()
        return True

    def count(self, n_block: int) -> int:
        """Say nothing of use: nothing follows; see `Decoder`."""
        return 0

    def following(self) -> None:
        """Say that nothing follows: FFmpeg reads on by itself; see `Decoder`."""

    def close(self) -> None:
        """Release the decoder, not the file under it."""
        self._container.close()


def _reason(error: Exception) -> str:
    text: str = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
