"""Where jobs are kept: what a table has to be able to do, and which one a service has."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from earmark.service.jobs.job import Job, State
from earmark.service.settings import Settings

Step = Callable[[Job], Job | None]
"""From a job to the job after it; None leaves it as it is. May be called again, with a newer one."""


class JobTable(Protocol):
    """Keeps jobs. What a call changed is kept, whatever happens afterwards; calls of several workers do not mix.

    Every call raises `SourceError` if the table is elsewhere and does not answer, `InputError` if it is here and
    cannot be used.
    """

    def now(self) -> float:
        """Return the time, seconds since 1970: the same for all workers that share the table."""
        ...

    def insert(self, job: Job, *, most_open: int) -> Job | None:
        """Keep a new job; return it with its number, None if so many wait or run already."""
        ...

    def get(self, id: str) -> Job | None:
        """Return a job, None if there is none."""
        ...

    def change(self, id: str, step: Step) -> Job | None:
        """Take a step that nothing comes between; return the job after it, None if it did not apply."""
        ...

    def waiting(self, *, now: float, places: Collection[str], limit: int) -> Sequence[str]:
        """Return the ids of jobs that may be taken, those first that may be for longest.

        Parameters
        ----------
        now : the time
        places : that can be reached; see `Job`
        limit : how many
        """
        ...

    def expired(self, *, now: float, limit: int) -> Sequence[str]:
        """Return the ids of jobs that run, and whose workers were not heard of in time."""
        ...

    def page(self, *, state: State | None, before: int | None, limit: int) -> Sequence[Job]:
        """Return jobs, the newest first.

        Parameters
        ----------
        state : of these; all if None
        before : below this number; from the newest on if None
        limit : how many
        """
        ...

    def counts(self) -> dict[State, int]:
        """Count the jobs in every state."""
        ...

    def forget(self, *, ended_before: float, most_ended: int) -> Sequence[str]:
        """Drop jobs that ended before a time, and the oldest if more than so many have ended; return their ids."""
        ...

    def close(self) -> None:
        """End the connection; what is kept stays."""
        ...


def open_table(settings: Settings) -> JobTable:
    """Open the table of a service: in its Redis if it has one, else in a file in its folder for data.

    Raises
    ------
    InputError
        If the file cannot be used, or the address is none of a Redis.
    """
    if settings.redis_url is not None:
        from earmark.service.jobs.redis_table import RedisTable

        return RedisTable(settings.redis_url)
    from earmark.service.jobs.sqlite_table import SqliteTable

    return SqliteTable(settings.data / "jobs.sqlite3")
