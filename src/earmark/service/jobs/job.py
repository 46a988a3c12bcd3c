"""A job as plain data, and the steps from one of its states to the next. Nothing here keeps anything.

A step is a function of a job, and of the time, that returns the job after it, or None where it does not apply: two
workers that try the same step on the same job see that one of them was first.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
OPEN: tuple[State, ...] = ("waiting", "running")
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Rules:
    """How long, how often and how much.

    Parameters
    ----------
    lease : seconds that a worker holds a job without a sign of life
    beat : seconds between two signs of life, and between two looks at whether it was cancelled
    poll : seconds between two looks at the table, for wake-ups that were lost
    most_attempts : of a job whose errors pass, in all
    first_delay, longest_delay : seconds until a job is tried again; they double from one to the other
    busy_delay : seconds until a job is tried again that found the catalogue locked, at most
    most_lost : workers in a row that ended while at a job, without it having come further
    most_open : jobs that wait or run
    most_ended : jobs that have ended, kept to be looked at
    kept : seconds that they are kept
    """

    lease: float = 20.0
    beat: float = 1.0
    poll: float = 1.0
    most_attempts: int = 6
    first_delay: float = 5.0
    longest_delay: float = 600.0
    busy_delay: float = 15.0
    most_lost: int = 8
    most_open: int = 1000
    most_ended: int = 10_000
    kept: float = 7 * 86400.0


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Parameters
    ----------
    done, total : what is counted depends on the job: files, seconds of audio; None where it is not known
    text : for people
    """

    done: float = 0
    total: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Job:
    """A job.

    Parameters
    ----------
    id : 32 hexadecimal digits
    kind : what is done
    parameters : of it, checked
    created : when, seconds since 1970, as are all times here
    number : in the order of adding; the table gives it
    version : counts the changes
    state : waiting, running, done, failed, or cancelled
    place : the folder for data whose files it needs; "" if any worker can do it
    next_try : when it may be taken, or taken again
    owner : the worker that has it
    lease_until : when it loses it, unless it is heard of
    beat_at : when it was heard of last
    attempts : how often it was taken
    failures : attempts that ended with an error that may pass
    lost : workers in a row that ended while at it, without it having come further
    progress : how far it is
    cancel : whether it is to end, which is looked at between files
    result : what came of it
    error : {"error", "hint"}: why it failed, or is tried again
    started, finished : when
    """

    id: str
    kind: str
    parameters: Mapping[str, Any]
    created: float
    number: int = 0
    version: int = 1
    state: State = "waiting"
    place: str = ""
    next_try: float = 0.0
    owner: str | None = None
    lease_until: float | None = None
    beat_at: float | None = None
    attempts: int = 0
    failures: int = 0
    lost: int = 0
    progress: Progress = field(default_factory=Progress)
    cancel: bool = False
    result: Any = None
    error: Mapping[str, str | None] | None = None
    started: float | None = None
    finished: float | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.state in ENDED

    @property
    def due(self) -> float:
        """When something is to be done about it: take it, take it away from its worker, forget it."""
        if self.state == "waiting":
            return self.next_try
        return (self.lease_until if self.state == "running" else self.finished) or 0.0

    def to_json(self) -> str:
        """Write it as it is kept."""
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False)

    def to_dict(self, *, result: bool = True) -> dict[str, Any]:
        """Return what clients see of it.

        Parameters
        ----------
        result : give the result, too
        """
        hidden = {"number", "place", "owner", "lease_until", "failures", "lost", "cancel"} | (
            set() if result else {"result"}
        )
        plain = {name: value for name, value in asdict(self).items() if name not in hidden}
        return plain | {"cancelling": self.cancel and not self.has_ended}


def new_id() -> str:
    """Make an id up, which nobody can guess."""
    return secrets.token_hex(16)


def from_json(text: str | bytes) -> Job:
    """Read what `Job.to_json` wrote; what a newer version may have added is left out."""
    plain = json.loads(text)
    known = {one.name for one in fields(Job)}
    return Job(**{key: value for key, value in plain.items() if key in known} | {
        "progress": Progress(**plain["progress"])
    })  # fmt: skip


def _changed(job: Job, **values: Any) -> Job:
    return replace(job, version=job.version + 1, **values)


_FREE: dict[str, Any] = {"owner": None, "lease_until": None, "beat_at": None}


def taken(job: Job, *, owner: str, now: float, lease: float) -> Job | None:
    """Give a job that waits to a worker."""
    if job.state != "waiting" or job.next_try > now:
        return None
    return _changed(
        job, state="running", owner=owner, lease_until=now + lease, beat_at=now, attempts=job.attempts + 1,
        started=job.started or now, error=None,
    )  # fmt: skip


def alive(job: Job, *, owner: str, now: float, lease: float, progress: Progress) -> Job | None:
    """Let a worker keep its job, and note how far it is. What a job came forward, the next worker need not do."""
    if job.state != "running" or job.owner != owner:
        return None
    lost = 0 if progress.done > 0 else job.lost
    return _changed(job, lease_until=now + lease, beat_at=now, progress=progress, lost=lost)


def ended(
    job: Job,
    *,
    owner: str,
    now: float,
    state: State,
    progress: Progress,
    result: Any = None,
    error: Mapping[str, str | None] | None = None,
) -> Job | None:
    """Note what came of a job, if it still is this worker's."""
    if job.state != "running" or job.owner != owner:
        return None
    return _changed(job, state=state, progress=progress, result=result, error=error, finished=now, **_FREE)


def postponed(
    job: Job, *, owner: str, now: float, wait: float, counts: bool, error: Mapping[str, str | None] | None = None
) -> Job | None:
    """Let a worker give its job back, to be tried later.

    Parameters
    ----------
    job, owner, now : the job, if it still is this worker's
    wait : seconds
    counts : whether it failed, which a job may but a few times
    error : why
    """
    if job.state != "running" or job.owner != owner:
        return None
    if job.cancel:
        return _changed(job, state="cancelled", finished=now, **_FREE)
    failures = job.failures + 1 if counts else job.failures
    return _changed(job, state="waiting", next_try=now + wait, failures=failures, error=error, **_FREE)


def expired(job: Job, *, now: float, rules: Rules) -> Job | None:
    """Take a job away from a worker that was not heard of: it waits again, or ends if worker after worker ended at it.

    The first to come may take it at once; later ones wait, longer each time, as the job may be what ends them.
    """
    if job.state != "running" or (job.lease_until or 0.0) > now:
        return None
    lost = job.lost + 1
    if job.cancel:
        return _changed(job, state="cancelled", finished=now, lost=lost, **_FREE)
    if lost >= rules.most_lost:
        error = {
            "error": f"{lost} workers in a row ended while they were at it",
            "hint": "look why they did (memory? killed?), then try again: POST /v1/jobs/{id}/retry",
        }
        return _changed(job, state="failed", finished=now, lost=lost, error=error, **_FREE)
    wait = 0.0 if lost == 1 else min(rules.longest_delay, rules.first_delay * 2.0 ** (lost - 2))
    return _changed(job, state="waiting", next_try=now + wait, lost=lost, **_FREE)


def cancelled(job: Job, *, now: float) -> Job | None:
    """End a job that waits; tell the worker of one that runs."""
    if job.state == "waiting":
        return _changed(job, state="cancelled", finished=now, **_FREE)
    if job.state == "running" and not job.cancel:
        return _changed(job, cancel=True)
    return None


def retried(job: Job, *, now: float) -> Job | None:
    """Let a job that failed or was cancelled wait again, as if it were new; one that waits need not wait longer."""
    if job.state in ("failed", "cancelled"):
        return _changed(
            job, state="waiting", next_try=now, attempts=0, failures=0, lost=0, cancel=False, error=None, finished=None,
            started=None, progress=Progress(),
        )  # fmt: skip
    if job.state == "waiting" and job.next_try > now:
        return _changed(job, next_try=now)
    return None
