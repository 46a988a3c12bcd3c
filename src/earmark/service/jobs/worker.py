"""A worker as a process of its own, on this machine or another, for a service that it shares the table of jobs with."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

from earmark.service.jobs.managing import N_WORKERS, Jobs
from earmark.service.jobs.redis_table import RedisTable
from earmark.service.settings import Settings
from earmark.service.state import Service

GRACE = 30.0
"""Seconds that jobs have to come to the end of a file when the worker is stopped."""


def work(settings: Settings, *, on_ready: Callable[[str], None], n_workers: int = N_WORKERS) -> None:
    """Do jobs until SIGTERM or SIGINT come.

    Parameters
    ----------
    settings : those of the service
    on_ready : called with where the table of jobs is, once workers look at it
    n_workers : jobs at a time

    Raises
    ------
    InputError
        If the table or the catalogue cannot be opened.
    """
    halting = threading.Event()

    def halt(number: int, frame: FrameType | None) -> None:
        halting.set()

    service = Service(settings)
    service.library()  # what is wrong with it is said now
    jobs = Jobs(service, n_workers=n_workers)
    before = {one: signal.signal(one, halt) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        jobs.start()
        is_shared = isinstance(jobs.queue.table, RedisTable)
        on_ready("the Redis of EARMARK_REDIS_URL" if is_shared else str(settings.data / "jobs.sqlite3"))
        while not halting.wait(1.0):  # signals come between waits on every system
            pass
    finally:
        jobs.stop(timeout=GRACE)
        service.close()
        for one, handler in before.items():
            signal.signal(one, handler)
