"""The jobs of a service: added, taken, kept, given back, ended. The table is the truth; a wake-up may be lost."""

import random
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from earmark.errors import UsageError
from earmark.service.errors import NotFound, TooBusy
from earmark.service.jobs import job as steps
from earmark.service.jobs.job import Job, Progress, Rules, State
from earmark.service.jobs.table import JobTable
from earmark.service.jobs.waking import Waking

_N_TRIED = 8  # jobs looked at in one go, as other workers take some meanwhile
_RETRY = 60  # seconds


class Queue:
    """Jobs and what is done with them.

    Parameters
    ----------
    table : where they are kept
    waking : how workers learn of them at once
    rules : how long, how often, how much
    """

    def __init__(self, table: JobTable, waking: Waking, rules: Rules) -> None:
        self.table, self.waking, self.rules = table, waking, rules

    def add(self, kind: str, parameters: Mapping[str, Any], *, id: str | None = None, place: str = "") -> Job:
        """Add a job.

        Parameters
        ----------
        kind, parameters, place : see `Job`; checked
        id : for files that were kept under it before; a new one unless given

        Raises
        ------
        TooBusy
            If too many wait already.
        """
        now = self.table.now()
        new = Job(steps.new_id() if id is None else id, kind, parameters, now, place=place, next_try=now)
        job = self.table.insert(new, most_open=self.rules.most_open)
        if job is None:
            raise self._full()
        self.waking.wake()
        return job

    def _full(self) -> TooBusy:
        hint = "wait until some have ended, or cancel some"
        return TooBusy(f"{self.rules.most_open} jobs wait or run already", hint=hint, retry_after=_RETRY)

    def get(self, id: str) -> Job:
        """Return a job.

        Raises
        ------
        NotFound
            If there is none.
        """
        job = self.table.get(id)
        if job is None:
            raise NotFound(
                f"there is no job {id!r:.80}", hint="jobs that have ended are kept for a week; GET /v1/jobs lists them"
            )  # fmt: skip
        return job

    def page(self, *, state: State | None = None, before: int | None = None, limit: int = 50) -> Sequence[Job]:
        """Return jobs, the newest first; see `JobTable.page`."""
        return self.table.page(state=state, before=before, limit=limit)

    def cancel(self, id: str) -> Job:
        """End a job that waits; let one that runs end after the file that it is at.

        Raises
        ------
        NotFound
            If there is none.
        UsageError
            If it has ended already.
        """
        after = self.table.change(id, partial(steps.cancelled, now=self.table.now()))
        job = after or self.get(id)
        if after is None and job.has_ended and job.state != "cancelled":
            raise UsageError(f"the job is {job.state} already", hint="there is nothing to cancel")
        return job

    def retry(self, id: str) -> Job:
        """Let a job that failed or was cancelled wait again; let one that waits for its next try be tried now.

        Raises
        ------
        NotFound
            If there is none.
        UsageError
            If it runs or is done.
        TooBusy
            If too many wait already.
        """
        counts = self.table.counts()
        if self.get(id).has_ended and counts["waiting"] + counts["running"] >= self.rules.most_open:
            raise self._full()
        after = self.table.change(id, partial(steps.retried, now=self.table.now()))
        job = after or self.get(id)
        if job.state == "waiting":
            self.waking.wake()
            return job
        words = {"running": "the job runs", "done": "the job is done"}
        raise UsageError(words.get(job.state, f"the job is {job.state}"), hint="jobs that failed can be tried again")

    # For workers ------------------------------------------------------------------------------------------------------

    def take(self, owner: str, *, places: Collection[str] = ("",)) -> Job | None:
        """Take a job; those whose workers were not heard of in time are among them. Returns None if there is none.

        Parameters
        ----------
        owner : who takes it
        places : that can be reached; see `Job`
        """
        now, lease = self.table.now(), self.rules.lease
        for id in self.table.expired(now=now, limit=_N_TRIED):
            self.table.change(id, partial(steps.expired, now=now, rules=self.rules))
        for id in self.table.waiting(now=now, places=places, limit=_N_TRIED):
            job = self.table.change(id, partial(steps.taken, owner=owner, now=now, lease=lease))
            if job is not None:
                return job
        return None

    def beat(self, id: str, owner: str, progress: Progress) -> Job | None:
        """Give a sign of life; return the job, None if it is another's now."""
        now, lease = self.table.now(), self.rules.lease
        return self.table.change(
            id, partial(steps.alive, owner=owner, now=now, lease=lease, progress=progress)
        )  # fmt: skip

    def end(
        self,
        id: str,
        owner: str,
        state: State,
        progress: Progress,
        *,
        result: Any = None,
        error: Mapping[str, str | None] | None = None,
    ) -> Job | None:
        """Note what came of a job; return None if it is another's now, and nothing was noted."""
        step = partial(
            steps.ended, owner=owner, now=self.table.now(), state=state, progress=progress, result=result, error=error
        )
        return self.table.change(id, step)

    def put_back(
        self, id: str, owner: str, *, wait: float, counts: bool, error: Mapping[str, str | None] | None = None
    ) -> Job | None:
        """Give a job back, to be tried after so many seconds; return None if it is another's now."""
        step = partial(steps.postponed, owner=owner, now=self.table.now(), wait=wait, counts=counts, error=error)
        job = self.table.change(id, step)
        if job is not None and job.state == "waiting" and wait <= 0:
            self.waking.wake()
        return job

    def delay(self, n_failures: int) -> float:
        """Return the seconds until a job is tried again: doubled every time, and apart for jobs that failed together.

        Parameters
        ----------
        n_failures : so far, 1 or more
        """
        rules = self.rules
        return min(rules.longest_delay, rules.first_delay * 2.0 ** (n_failures - 1)) * random.uniform(0.8, 1.2)

    def forget(self) -> Sequence[str]:
        """Drop jobs that ended long ago, or are too many; return their ids."""
        ended_before = self.table.now() - self.rules.kept
        return self.table.forget(ended_before=ended_before, most_ended=self.rules.most_ended)
