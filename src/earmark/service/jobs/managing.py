"""The jobs of a running service: their table, and the workers in its process."""

import contextlib
import logging
import threading
import time
from functools import partial

from earmark.errors import EarmarkError
from earmark.service.jobs.job import Rules, State
from earmark.service.jobs.kinds import Doing
from earmark.service.jobs.queue import Queue
from earmark.service.jobs.redis_table import RedisTable
from earmark.service.jobs.running import Worker
from earmark.service.jobs.table import open_table
from earmark.service.jobs.uploads import KEPT, ON_ITS_WAY, SHARE, Uploads
from earmark.service.jobs.waking import make_waking
from earmark.service.metrics import Metrics
from earmark.service.state import Service

LOGGER = logging.getLogger("earmark.service")
N_WORKERS = 2
"""Jobs at a time: a long one does not keep short ones waiting."""
_DEFECT_WAIT = 5.0  # seconds before a worker goes on after a defect


class Jobs:
    """The jobs of a service.

    Parameters
    ----------
    service : whose catalogue and folders of music
    metrics : where their numbers are shown, if anywhere
    n_workers : jobs that are done at a time in this process; 0 leaves them to others
    rules : how long, how often, how much

    Examples
    --------
    >>> jobs = Jobs(service)  # doctest: +SKIP
    >>> jobs.start()  # doctest: +SKIP
    >>> jobs.queue.add("add", {"paths": ["Jazz"]})  # doctest: +SKIP
    >>> jobs.stop()  # doctest: +SKIP
    """

    def __init__(
        self,
        service: Service,
        *,
        metrics: Metrics | None = None,
        n_workers: int = N_WORKERS,
        rules: Rules | None = None,
    ) -> None:
        self.service, self.rules = service, rules or Rules()
        self.uploads = Uploads(service.settings.data, most_bytes=SHARE * service.settings.most_upload)
        self.ending = threading.Event()
        self._n_workers = n_workers
        self._workers: list[tuple[Worker, threading.Thread]] = []
        self._queue: Queue | None = None
        self._lock = threading.Lock()
        if metrics is not None:
            states: tuple[State, ...] = ("waiting", "running", "failed")
            for state in states:
                metrics.watch(f"earmark_jobs_{state}", f"Jobs that are {state}.", partial(self._count, state))

    @property
    def queue(self) -> Queue:
        """The jobs; their table is opened when it is needed first.

        Raises
        ------
        InputError
            If it cannot be.
        """
        with self._lock:
            if self._queue is None:
                settings = self.service.settings
                self._queue = Queue(
                    open_table(settings), make_waking(settings, longest=self.rules.poll), self.rules
                )  # fmt: skip
            return self._queue

    def _count(self, state: State) -> float:
        try:
            return self.queue.table.counts()[state]
        except EarmarkError:
            return float("nan")

    def start(self) -> None:
        """Start the workers.

        Raises
        ------
        InputError
            If the table cannot be opened.
        """
        queue, do = self.queue, Doing(self.service, self.uploads)
        places = ("", self.uploads.place())
        if isinstance(queue.table, RedisTable):
            _check_log(queue.table)
        for i in range(self._n_workers):
            worker = Worker(queue, do, places=places, tidy=self.tidy)
            thread = threading.Thread(target=_run, args=(worker,), name=f"earmark-jobs-{i}", daemon=True)
            self._workers.append((worker, thread))
            thread.start()

    def end_streams(self) -> None:
        """Let those who follow jobs go: a server that stops waits for them else."""
        self.ending.set()

    def stop(self, *, timeout: float = 10.0) -> None:
        """Halt the workers after the files that they are at; jobs that are not done wait for the next worker.

        Parameters
        ----------
        timeout : seconds until a worker that is at a long file is not waited for: its job is given back
        """
        self.end_streams()
        until = time.monotonic() + timeout
        for worker, _ in self._workers:
            worker.halting.set()
        if self._queue is not None:
            self._queue.waking.stop()
        is_idle = True
        for worker, thread in self._workers:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                is_idle = False
                worker.give_back()
        self._workers.clear()
        with self._lock:
            if self._queue is not None and is_idle:
                self._queue.table.close()
                self._queue.waking.close()
            self._queue = None

    def tidy(self) -> None:
        """Drop jobs that ended long ago, and files that none needs."""
        queue = self.queue
        for id in queue.forget():
            self.uploads.drop(id)

        def keeps(id: str) -> float:
            job = queue.table.get(id)
            if job is None:
                return ON_ITS_WAY
            if job.state == "failed":
                return KEPT
            return 0.0 if job.has_ended else float("inf")

        self.uploads.tidy(keeps)


def _check_log(table: RedisTable) -> None:
    """Say so if jobs are lost with the power."""
    with contextlib.suppress(EarmarkError):  # it is away: workers say so
        if table.is_kept() is False:
            LOGGER.warning("this Redis keeps no log, and may lose jobs when it ends: CONFIG SET appendonly yes")


def _run(worker: Worker) -> None:
    """Run a worker; a defect does not end it."""
    while not worker.halting.is_set():
        try:
            worker.run()
        except Exception:  # logged; jobs go on
            LOGGER.exception("a worker met a defect, and goes on")
            worker.halting.wait(_DEFECT_WAIT)
