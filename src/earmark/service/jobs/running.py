"""A worker: takes jobs, does them, and notes what came of them; survives what goes wrong in one."""

import contextlib
import errno
import json
import logging
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

from earmark.errors import AssetError, EarmarkError, SourceError, UsageError
from earmark.service.jobs.job import Job
from earmark.service.jobs.queue import Queue
from earmark.service.jobs.watching import Heart, Stopped, Watch

LOGGER = logging.getLogger("earmark.service")
Do = Callable[[Job, Watch], Any]
"""Does a job, and returns what came of it, as plain data."""
_TIDY = 600.0  # seconds between two times that old jobs are dropped
_CAUSES = 10  # of an error that are looked at
_DEFECT = {"error": "a defect of earmark", "hint": "what happened stands in the log of the service; report it"}


def new_owner() -> str:
    """Return a name for a worker that no other has: machine and process, for people, and something at random."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class Worker:
    """Does jobs, one after the other.

    Parameters
    ----------
    queue : where they come from
    do : does one
    places : that can be reached; see `Job`
    tidy : called now and then, and when a job has ended
    """

    def __init__(
        self, queue: Queue, do: Do, *, places: Collection[str] = ("",), tidy: Callable[[], None] = lambda: None
    ) -> None:
        self.owner = new_owner()
        self.halting = threading.Event()
        self._queue, self._do, self._places, self._tidy = queue, do, places, tidy
        self._tidied: float | None = None
        self._job: Job | None = None

    def run(self) -> None:
        """Do jobs until told to halt."""
        n_failures = 0
        while not self.halting.is_set():
            try:
                self._tidy_now_and_then()
                job = self._queue.take(self.owner, places=self._places)
                n_failures = 0
            except EarmarkError as error:  # the table is away, or the disk full: that may pass
                n_failures += 1
                level = logging.ERROR if n_failures == 1 else logging.DEBUG
                LOGGER.log(level, "no jobs can be taken: %s", error.message)
                self.halting.wait(min(10.0, self._queue.rules.poll * 2.0 ** min(n_failures, 10)))
                continue
            if job is None:
                self._queue.waking.wait(self._queue.rules.poll)
            else:
                self._job = job
                self._run_one(job)
                self._job = None

    def _tidy_now_and_then(self) -> None:
        now = time.monotonic()
        if self._tidied is None or now - self._tidied > _TIDY:
            self._tidied = now
            self._tidy()

    def give_back(self) -> None:
        """Let another worker have the job that this one is at; what this one still does with it is not noted."""
        job = self._job
        if job is not None:
            with contextlib.suppress(EarmarkError):
                self._queue.put_back(job.id, self.owner, wait=0.0, counts=False)

    def _run_one(self, job: Job) -> None:
        """Do a job and note what came of it."""
        watch = Watch(self.halting)
        with Heart(self._queue, job, self.owner, watch):
            note = self._try(job, watch)
            self._note(job, note)  # while the heart beats: the table may be away for a time
        self._tidied = None if job.place else self._tidied  # it had files

    def _try(self, job: Job, watch: Watch) -> Callable[[], Job | None]:
        """Do a job; return what notes what came of it."""
        queue, owner = self._queue, self.owner
        try:
            watch.check()
            result = json.loads(json.dumps(self._do(job, watch), allow_nan=False))
        except Stopped as stopped:
            return self._stopped(job, watch, stopped)
        except EarmarkError as error:
            if watch.reason is not None:  # what was stopped may say so in its own way
                return self._stopped(job, watch, Stopped(watch.reason))
            return self._failed(job, watch, error)
        except Exception:  # logged; one job never stops the others
            LOGGER.exception("job %s (%s)", job.id, job.kind)
            return lambda: queue.end(job.id, owner, "failed", watch.progress, error=_DEFECT)
        return lambda: queue.end(job.id, owner, "done", watch.progress, result=result)

    def _stopped(self, job: Job, watch: Watch, stopped: Stopped) -> Callable[[], Job | None]:
        if stopped.reason == "lost":
            LOGGER.warning("job %s is another worker's now", job.id)
            return lambda: None
        if stopped.reason == "halted":
            return lambda: self._queue.put_back(job.id, self.owner, wait=0.0, counts=False)
        return lambda: self._queue.end(job.id, self.owner, "cancelled", watch.progress)

    def _failed(self, job: Job, watch: Watch, error: EarmarkError) -> Callable[[], Job | None]:
        queue, rules = self._queue, self._queue.rules
        told = {"error": error.message, "hint": error.hint}
        if is_busy(error):
            wait = rules.busy_delay * random.uniform(0.2, 1.0)
            return lambda: queue.put_back(job.id, self.owner, wait=wait, counts=False, error=told)
        if passes(error) and job.failures + 1 < rules.most_attempts:
            wait = queue.delay(job.failures + 1)
            LOGGER.warning("job %s: %s; it is tried again in %.0f s", job.id, error.message, wait)
            return lambda: queue.put_back(job.id, self.owner, wait=wait, counts=True, error=told)
        return lambda: queue.end(job.id, self.owner, "failed", watch.progress, error=told)

    def _note(self, job: Job, note: Callable[[], Job | None]) -> None:
        """Note what came of a job; again and again if the table is away, until this worker halts."""
        n_failures = 0
        while True:
            try:
                note()
                return
            except EarmarkError as error:
                LOGGER.error("job %s: what came of it cannot be noted: %s", job.id, error.message)
                n_failures += 1
                if self.halting.wait(min(10.0, self._queue.rules.poll * 2.0 ** min(n_failures, 10))):
                    return  # its lease runs out, and another worker does it again


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it came from, and so on."""
    one: BaseException | None = error
    for _ in range(_CAUSES):
        if one is None:
            return
        yield one
        one = one.__cause__


def passes(error: EarmarkError) -> bool:
    """Tell whether an error may be gone after a while: something on the network, or a full disk."""
    for one in causes(error):
        if isinstance(one, SourceError | AssetError):
            return True
        if isinstance(one, OSError) and one.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            return True
        if "os error 28" in str(one):  # as LanceDB says it
            return True
    return False


def is_busy(error: EarmarkError) -> bool:
    """Tell whether a job failed only because another process writes to the catalogue."""
    return isinstance(error, UsageError) and "another process is writing to this catalogue" in error.message
