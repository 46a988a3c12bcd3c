"""Tagging for jobs, in a process of its own: a damaged file ends that, not the service; cancelling ends it at once."""

import io
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audio.identity import content_id
from earmark.audio.io import AudioInfo
from earmark.errors import EarmarkError
from earmark.processes import Processes
from earmark.service.errors import TooLarge
from earmark.service.hearing import check_audio
from earmark.service.jobs.job import Progress
from earmark.service.jobs.watching import Watch
from earmark.tagger import Tagger
from earmark.track_tags import TrackTags

SERVICE = "earmark.service.jobs.tagging:tagger"
_EVERY = 0.5  # seconds between two notes of how far it is
_NOTE = struct.Struct("<dd")  # seconds of audio that were heard; in all, or NaN


@dataclass(frozen=True)
class Ears:
    """How files are heard.

    Parameters
    ----------
    model, preset : as `Tagger` takes them
    most_seconds : of audio in a file
    """

    model: str | None
    preset: str
    most_seconds: float


@dataclass(frozen=True)
class Request:
    """A file to be tagged.

    Parameters
    ----------
    path : where it is
    name : what it is called in messages
    notes : a file for how far it is
    wants_id : whether its content id is wanted
    """

    path: str
    name: str
    notes: str
    wants_id: bool = False


@dataclass(frozen=True)
class Answer:
    """What was heard.

    Parameters
    ----------
    tags : of the file
    id : its content id, as the catalogue has it; None if it was not asked for, or there is none
    """

    tags: TrackTags
    id: str | None = None


def tag(ears: Ears, path: Path, name: str, watch: Watch, *, wants_id: bool = False) -> Answer:
    """Tag a file in a process of its own.

    Parameters
    ----------
    ears : how
    path : of the file, checked
    name : that it has for whoever asked
    watch : that learns how far it is, and may end it
    wants_id : whether its content id is wanted

    Raises
    ------
    InputError
        If it cannot be heard, or was stopped.
    TooLarge
        If there is more audio in it than is taken.
    """
    with tempfile.NamedTemporaryFile(prefix="earmark-notes-") as notes, Processes(SERVICE, ears, 1) as processes:
        noted = Path(notes.name)
        watch.follow(lambda: read_note(noted, name))
        watch.on_stop(processes.close)
        try:
            answer = processes.call(name, Request(str(path), name, notes.name, wants_id))
        finally:
            last = read_note(noted, name)
            watch.follow(lambda: last)
    assert isinstance(answer, Answer)
    return answer


def read_note(notes: Path, name: str) -> Progress:
    """Return how far tagging is."""
    try:
        done, total = _NOTE.unpack(notes.read_bytes())
    except (OSError, struct.error):  # nothing yet
        return Progress(0, None, name)
    return Progress(round(done, 1), None if total != total else round(max(done, total), 1), name)


def tagger(ears: Ears) -> Callable[[Request], Answer]:
    """Load the models; return what tags a file. Runs in the process."""
    heard_by = Tagger(ears.model, preset=ears.preset)

    def answer(request: Request) -> Answer:
        n_samples, noted = 0, 0.0

        def note(info: AudioInfo, block: NDArray[np.float32]) -> None:
            nonlocal n_samples, noted
            n_samples += block.size
            seconds = n_samples / heard_by.sample_rate
            if seconds > ears.most_seconds:
                raise TooLarge(
                    f"{info.name}: more than {ears.most_seconds / 3600:g} h of audio, which is not taken here",
                    hint="take an excerpt of it",
                )
            if time.monotonic() - noted > _EVERY:
                noted = time.monotonic()
                total = info.duration if info.duration is not None else float("nan")
                Path(request.notes).write_bytes(_NOTE.pack(seconds, total))

        raw = io.FileIO(request.path)
        raw.name = request.name  # in messages; where it lies is nobody's business
        with io.BufferedReader(raw) as file:
            check_audio(file, ears.most_seconds)
            tags = heard_by.tag(file, on_block=note)
        return Answer(tags, _id_of(request.path) if request.wants_id else None)

    return answer


def _id_of(path: str) -> str | None:
    try:
        return content_id(path)
    except EarmarkError:  # a container that the catalogue knows no ids of
        return None
