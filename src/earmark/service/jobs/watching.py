"""Watching over a job while it runs: signs of life, how far it is, and whether it is to stop."""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from earmark.errors import EarmarkError
from earmark.service.jobs.job import Job, Progress
from earmark.service.jobs.queue import Queue

LOGGER = logging.getLogger("earmark.service")
Reason = Literal["cancelled", "lost", "halted"]


class Stopped(Exception):
    """A job is to stop.

    Parameters
    ----------
    reason : cancelled by a client; lost to another worker; halted with this worker
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Watch:
    """What a job is given to tell how far it is, and to learn that it is to stop.

    Parameters
    ----------
    halting : set when the worker is to stop
    """

    def __init__(self, halting: threading.Event) -> None:
        self._halting = halting
        self._lock = threading.Lock()
        self._reason: Reason | None = None
        self._on_stop: list[Callable[[], None]] = []
        self._progress: Callable[[], Progress] = Progress

    @property
    def reason(self) -> Reason | None:
        """Why it is to stop; None if it is not."""
        return self._reason or ("halted" if self._halting.is_set() else None)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._progress()

    def follow(self, progress: Callable[[], Progress]) -> None:
        """Have something asked, in another thread, how far it is."""
        self._progress = progress

    def check(self) -> None:
        """Stop here if the job is to stop.

        Raises
        ------
        Stopped
            If it is.
        """
        if (reason := self.reason) is not None:
            raise Stopped(reason)

    def report(self, done: float, total: float | None = None, text: str = "") -> None:
        """Tell how far it is, and stop here if it is to.

        Parameters
        ----------
        done, total, text : see `Progress`

        Raises
        ------
        Stopped
            If it is to stop.
        """
        now = Progress(done, total, text)
        self._progress = lambda: now
        self.check()

    def stop(self, reason: Reason) -> None:
        """Let it stop."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            calls = list(self._on_stop)
        for call in calls:
            call()

    def on_stop(self, call: Callable[[], None]) -> None:
        """Have something called, in another thread, when it is to stop before it comes to look."""
        with self._lock:
            self._on_stop.append(call)
            is_late = self._reason is not None
        if is_late:
            call()


class Heart:
    """Beats for a job in a ``with`` block: keeps its lease, and tells the job what it has to know.

    Parameters
    ----------
    queue : that the job is from
    job : as it was taken
    owner : the worker that has it
    watch : of the job
    """

    def __init__(self, queue: Queue, job: Job, owner: str, watch: Watch) -> None:
        self._queue, self._job, self._owner, self._watch = queue, job, owner, watch
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"earmark-heart-{job.id[:6]}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        rules = self._queue.rules
        told, last = Progress(), time.monotonic()  # when it was certain last that the job is this worker's
        while not self._over.wait(rules.beat):
            if self._watch.reason == "halted":
                self._watch.stop("halted")
            progress = self._watch.progress
            begun = time.monotonic()
            try:
                if progress != told or begun - last > rules.lease / 4:
                    job = self._queue.beat(self._job.id, self._owner, progress)
                    told, last = progress, begun
                else:
                    job = self._queue.table.get(self._job.id)
            except EarmarkError as error:
                LOGGER.warning("job %s: no sign of life could be given: %s", self._job.id, error.message)
                if time.monotonic() - last > rules.lease:
                    self._watch.stop("lost")  # another may have it by now
                continue
            if job is None or job.owner != self._owner:
                self._watch.stop("lost")
            elif job.cancel:
                self._watch.stop("cancelled")
