"""How a feature store lies on disk.

A store is a folder:

- ``store.json``: what the features are. Written first and never changed.
- ``data-00000.bin``, ``data-00001.bin``, ...: the features of track after track, each a block of shape (T, F) in C
  order, so that a crop in time is one piece. A block that would end beyond `SHARD_BYTES` begins a new file.
- ``index.jsonl``: a line for every track, appended when its block is safe on the disk: where the block lies, and the
  sha256 of the audio file that it was computed from. A later line of the same track takes the place of an earlier one.
- ``failures.jsonl``: what failed in the last run, and why.

A line that is no entry is as if it were not there, and so is one whose block is not whole.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import InputError

FORMAT = 1
STORE, INDEX, FAILURES, LOCK = "store.json", "index.jsonl", "failures.jsonl", ".lock"
SHARD_BYTES = 1 << 30
INT16_SCALE = 32768.0
DTYPES = ("float16", "float32", "int16")

Segment = tuple[float, float] | None
Key = tuple[str, Segment]
"""What features depend on besides the parameters of their store: the sha256 of the file, and the part that is read."""


@dataclass(frozen=True)
class StoreInfo:
    """What the features of a store are.

    Parameters
    ----------
    frontend : name in `earmark.audio.spectra.SPECTRA`
    parameters : of the front end, all of them, plain values
    revision : of the front end's code: raised when the same parameters give other numbers
    dtype : "float16", "float32", or "int16" for waveforms: samples times 32768
    n_features : F, the numbers of a frame
    sample_rate : Hz
    hop_length : samples from frame to frame
    unit : of the values, such as "dB"
    value_range : lowest and highest value of a picture; None where only the data can tell
    shard_bytes : size after which another data file is begun, bytes
    """

    frontend: str
    parameters: Mapping[str, Any]
    revision: int
    dtype: str
    n_features: int
    sample_rate: int
    hop_length: int
    unit: str
    value_range: tuple[float, float] | None
    shard_bytes: int = SHARD_BYTES

    @property
    def frame_bytes(self) -> int:
        """Size of a frame, bytes."""
        return self.n_features * np.dtype(self.dtype).itemsize

    @property
    def frames_per_second(self) -> float:
        """Frames per second of audio."""
        return self.sample_rate / self.hop_length

    def to_json(self) -> str:
        """Write it as the text of `STORE`."""
        return json.dumps({"earmark_features": FORMAT} | asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "StoreInfo":
        """Read that of a store.

        Raises
        ------
        InputError
            If the folder is no store of this format.
        """
        hint = "features are written there by: earmark features extract SOURCE -o STORE"
        try:
            plain = json.loads((folder / STORE).read_text(encoding="utf-8"))
            if plain.pop("earmark_features") != FORMAT:
                hint = "it was written by another version of earmark; extract the features anew"
                raise InputError(f"{folder}: a feature store of another format", hint=hint)
            plain["value_range"] = plain["value_range"] and tuple(plain["value_range"])
            info = cls(**plain)
            np.dtype(info.dtype)
        except FileNotFoundError:
            raise InputError(f"{folder}: no feature store: there is no {STORE} in it", hint=hint) from None
        except OSError as error:
            raise InputError(f"{folder / STORE}: cannot be read: {error.strerror or error}") from error
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{folder / STORE}: does not describe a feature store", hint=hint) from None
        return info


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the features of a track lie, and what they were computed from.

    Parameters
    ----------
    id : of the track
    content : sha256 of the audio file, in hexadecimal digits
    segment : start and end of what was read, seconds; None for the whole file
    shard : number of the data file
    offset : of the block in it, bytes
    n_frames : T
    crc32 : of the block
    duration : of the audio that was read, seconds
    path : of the audio file when it was read
    tags : of the track, as far as they were given
    notes : what was odd about the audio, such as "truncated: ..."
    """

    id: str
    content: str
    segment: Segment
    shard: int
    offset: int
    n_frames: int
    crc32: int
    duration: float
    path: str
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What the features depend on."""
        return self.content, self.segment

    def to_line(self) -> bytes:
        """Write it as a line of `INDEX`."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A track whose former features are not served any more: its file has changed and cannot be read, or they have.

    Parameters
    ----------
    id : of the track
    reason : why
    damaged : the features themselves are not right: no other track may share them either
    """

    id: str
    reason: str
    damaged: bool = False

    def to_line(self) -> bytes:
        """Write it as a line of `INDEX`."""
        return json.dumps({"id": self.id, "dropped": self.reason, "damaged": self.damaged}).encode("ascii") + b"\n"


def parse(line: bytes) -> Entry | Dropped | None:
    """Read a line of `INDEX`; None if it is none."""
    try:
        plain = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    match plain:
        case {"id": str(id_), "dropped": str(reason), "damaged": bool(damaged)}:
            return Dropped(id_, reason, damaged)
        case {
            "id": str(), "content": str(), "segment": [float() | int(), float() | int()] | None,
            "shard": int(shard), "offset": int(offset), "n_frames": int(n_frames), "crc32": int(),
            "duration": float() | int(), "path": str(), "tags": [*tags], "notes": [*notes], **rest,
        } if not rest and shard >= 0 and offset >= 0 and n_frames > 0 and _is_text((*tags, *notes)):  # fmt: skip
            values: dict[str, Any] = plain or {}
            segment = None if values["segment"] is None else tuple(values["segment"])
            return Entry(**values | {"segment": segment, "tags": tuple(tags), "notes": tuple(notes)})
    return None


def _is_text(values: tuple[object, ...]) -> bool:
    return all(isinstance(value, str) for value in values)


class Index:
    """What the index of a store says, as far as the data are there.

    Parameters
    ----------
    folder : of the store
    info : what the store holds
    checked : how much at the end of the data is compared with its checksums, bytes: not every disk keeps what it says
        that it has written

    Attributes
    ----------
    entries : id to entry, in the order in which the tracks came
    by_key : every block that may be used; two tracks of the same content share one
    ends : where the last block of every data file ends, bytes
    end : where the last line that counts ends, bytes

    Raises
    ------
    InputError
        If the index cannot be read.
    """

    def __init__(self, folder: Path, info: StoreInfo, *, checked: int = 0) -> None:
        self.entries: dict[str, Entry] = {}
        self.by_key: dict[Key, Entry] = {}
        self.ends: dict[int, int] = {}
        self.end = 0
        self._info, self._folder, self._checked = info, folder, checked
        self._sizes = shard_sizes(folder)
        last = max(self._sizes, default=0)
        place = 0
        for line in _lines(folder / INDEX):
            place += len(line)
            record = parse(line)
            if isinstance(record, Entry) and record.shard >= last and not self._is_whole(record):
                return  # the data were cut off here: what follows is done again, in the same order
            if isinstance(record, Entry) and not (self._is_whole(record) and self._is_right(record, last)):
                continue
            if record is not None:
                self.add(record)
                self.end = place

    def _is_whole(self, entry: Entry) -> bool:
        aligned = entry.offset % np.dtype(self._info.dtype).itemsize == 0
        return aligned and self._end_of(entry) <= self._sizes.get(entry.shard, 0)

    def _is_right(self, entry: Entry, last: int) -> bool:
        """Compare a block with its checksum, if it is one of the last."""
        if entry.shard < last or self._end_of(entry) <= self._sizes[last] - self._checked:
            return True
        with shard_path(self._folder, entry.shard).open("rb") as file:
            file.seek(entry.offset)
            return zlib.crc32(file.read(self._end_of(entry) - entry.offset)) == entry.crc32

    def _end_of(self, entry: Entry) -> int:
        return entry.offset + entry.n_frames * self._info.frame_bytes

    def add(self, record: Entry | Dropped) -> None:
        """Let a line count."""
        if isinstance(record, Entry):
            self.by_key[record.key] = record
            self.entries[record.id] = record
            self.ends[record.shard] = max(self.ends.get(record.shard, 0), self._end_of(record))
            return
        former = self.entries.pop(record.id, None)
        if former is not None and record.damaged:
            self.by_key.pop(former.key, None)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def shard_path(folder: Path, shard: int) -> Path:
    """Return the path of a data file."""
    return folder / f"data-{shard:05d}.bin"


def shard_sizes(folder: Path) -> dict[int, int]:
    """Return number and size in bytes of every data file."""
    sizes = {}
    for path in folder.glob("data-*.bin"):
        number = path.stem.removeprefix("data-")
        if number.isdecimal() and path == shard_path(folder, int(number)):
            sizes[int(number)] = path.stat().st_size
    return sizes
