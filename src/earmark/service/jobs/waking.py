"""Waking workers when there is a job. A wake-up may be lost: workers look at the table every second or so, too.

In one process a condition does it. For processes of one machine Huey's queue in SQLite would be a file that every
worker has to look into again and again, as it has to look into the table of jobs anyway, so there is none. With a Redis
Huey's queue there lets workers on all machines sleep until something comes. What is in it is never taken for more than
"look": nothing is unpickled, and a worker that is killed with a wake-up in its hand takes nothing with it.
"""

import threading
from contextlib import suppress
from typing import Protocol

import redis

from earmark.service.settings import Settings


class Waking(Protocol):
    """Tells workers that there is something to do."""

    def wake(self) -> None:
        """Wake a worker, wherever it is; never fails, as the table has the job already."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait until woken, or so long."""
        ...

    def stop(self) -> None:
        """Wake all workers of this process, and let none wait any more."""
        ...

    def close(self) -> None:
        """End connections."""
        ...


class LocalWaking:
    """Wakes workers of the same process; those of others find out when they look."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._n_calls = 0  # wake-ups that nobody has had yet
        self._is_stopping = False

    def wake(self) -> None:
        """Wake one of them, or the next that would wait."""
        with self._condition:
            self._n_calls += 1
            self._condition.notify()

    def wait(self, seconds: float) -> None:
        """See `Waking`."""
        with self._condition:
            self._condition.wait_for(lambda: self._n_calls > 0 or self._is_stopping, timeout=seconds)
            self._n_calls = max(0, self._n_calls - 1)

    def stop(self) -> None:
        """See `Waking`."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()

    def close(self) -> None:
        """Nothing is open."""


class RedisWaking:
    """Wakes workers on all machines, with Huey's queue in a Redis.

    Parameters
    ----------
    url : of the Redis
    longest : seconds that a worker sleeps in Redis at a time
    """

    MOST = 1000
    """Wake-ups that are kept where no worker is there to take them."""

    def __init__(self, url: str, *, longest: float = 1.0) -> None:
        from huey import RedisHuey  # type: ignore[import-untyped]

        from earmark.service.jobs.redis_table import connect

        self._client = connect(url)
        self._huey = RedisHuey(
            "earmark", connection_pool=self._client.connection_pool, blocking=True, read_timeout=longest
        )  # fmt: skip
        self._stopping = threading.Event()

    def wake(self) -> None:
        """See `Waking`."""
        storage = self._huey.storage
        with suppress(redis.RedisError):  # workers look by themselves, too
            if storage.queue_size() < self.MOST:
                storage.enqueue(b"look")

    def wait(self, seconds: float) -> None:
        """See `Waking`."""
        if self._stopping.is_set():
            return
        try:
            self._huey.storage.dequeue()
        except redis.RedisError:
            self._stopping.wait(seconds)  # Redis is away: as if nothing had come

    def stop(self) -> None:
        """See `Waking`; they find out when they wake by themselves."""
        self._stopping.set()

    def close(self) -> None:
        """See `Waking`."""
        self._client.close()


def make_waking(settings: Settings, *, longest: float = 1.0) -> Waking:
    """Make what wakes the workers of a service.

    Parameters
    ----------
    settings : of the service
    longest : seconds that a worker sleeps at a time
    """
    return LocalWaking() if settings.redis_url is None else RedisWaking(settings.redis_url, longest=longest)
