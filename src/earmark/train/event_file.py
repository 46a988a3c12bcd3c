"""Event files, which TensorBoard reads: a run begins one, and one more each time it goes on.

TensorBoard's own writer hands records to a thread, whose errors end up on the terminal as tracebacks, and puts the name
of the machine into that of the file. This one writes at once: an error of the disk is known where it happens.
"""

import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from earmark.errors import EarmarkWarning, MissingExtraError
from earmark.files import cannot_write

FLUSH_SECONDS = 20.0  # what a run that is killed may lose
NAME = "events.out.tfevents.{:010d}"  # TensorBoard reads the files of a folder in the order of their names


class EventFile:
    """A new event file. What cannot be written is left out: the first time that warns, and nothing more is written.

    Parameters
    ----------
    folder : where it lies; made if need be
    first_step : what the files before it say of this step and later ones does not hold any more

    Raises
    ------
    MissingExtraError
        If TensorBoard is not installed.

    Warns
    -----
    EarmarkWarning
        If it cannot be created; the other methods, if it cannot be written.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        need_tensorboard()
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.folder, self._event, self._file = folder, Event, _created(folder)
        self._records: Any = RecordWriter(self._file)
        self._next_flush = 0.0
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=time.time(), step=first_step, session_log=start))

    @property
    def is_open(self) -> bool:
        """Whether anything is written."""
        return self._file is not None

    def add(self, summary: Any, step: int, *, when: float | None = None) -> None:
        """Write a record.

        Parameters
        ----------
        summary : from a function of `torch.utils.tensorboard.summary`
        step : that it belongs to
        when : seconds since 1970; now unless given
        """
        self._write(self._event(wall_time=time.time() if when is None else when, step=step, summary=summary))

    def flush(self) -> None:
        """Let TensorBoard see what was written."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """Write what is left, and nothing after it."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, event: Any) -> None:
        if self._file is None:
            return
        try:
            self._records.write(event.SerializeToString())
            if time.monotonic() >= self._next_flush:
                self._file.flush()
                self._next_flush = time.monotonic() + FLUSH_SECONDS
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self._file is not None:
            with suppress(OSError):  # it tries once more to write what it holds
                self._file.close()
            self._file = None
        _warn(self.folder, error)


def need_tensorboard() -> None:
    """Raise `MissingExtraError` if TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("records for TensorBoard", "train") from error


def _created(folder: Path) -> BinaryIO | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        former = sorted(folder.glob(NAME.split("{")[0] + "*"))
        number = int(former[-1].name.rsplit(".", 1)[-1]) + 1 if former else 0
        return (folder / NAME.format(number)).open("xb")
    except OSError as error:
        _warn(folder, error)
        return None


def _warn(folder: Path, error: OSError) -> None:
    message = f"{cannot_write(folder, error)}; the run goes on without records for TensorBoard"
    warnings.warn(message, EarmarkWarning, stacklevel=2)
