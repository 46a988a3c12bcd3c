"""The table of jobs in a Redis, for workers on several machines.

A job is one JSON text; sorted sets say which jobs are in which state, and when something is due about them. A step
watches the job that it changes, so that of two workers that take the same one the later finds that it came too late,
and job and sets change together or not at all. Redis loses what it does not write to its disk: turn its log on
(``appendonly yes``).
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import redis

from earmark.errors import InputError, SourceError
from earmark.service.jobs.job import ENDED, OPEN, STATES, Job, State, from_json
from earmark.service.jobs.table import Step

TIMEOUT = 5.0
"""Seconds until Redis counts as gone."""
_PREFIX = "{earmark}:jobs"  # in braces: all keys in one slot of a cluster
_OPEN, _LEASES, _ENDED = (f"{_PREFIX}:{name}" for name in ("open", "leases", "ended"))
_TRIES = 50  # of a step that others come before


class RedisTable:
    """Jobs in a Redis; may be used by several threads at a time. One database of a Redis is for one catalogue.

    Parameters
    ----------
    url : such as "redis://:password@host:6379/0"
    clock : seconds since 1970; that of Redis unless given, as machines differ

    Raises
    ------
    InputError
        If the address is none.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._redis = connect(url)

    def _pipeline(self) -> Any:
        return self._redis.pipeline()

    @contextmanager
    def _worded(self) -> Iterator[None]:
        with worded():
            yield

    def now(self) -> float:
        """Return the time of Redis."""
        if self._clock is not None:
            return self._clock()
        with self._worded():
            seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1e6

    def insert(self, job: Job, *, most_open: int) -> Job | None:
        """See `JobTable`."""
        with self._worded():
            number = int(self._redis.incr(f"{_PREFIX}:number"))
            numbered = replace(job, number=number)
            for _ in range(_TRIES):
                with self._pipeline() as pipe, contextlib.suppress(redis.WatchError):
                    pipe.watch(_OPEN)
                    if int(pipe.zcard(_OPEN)) >= most_open:
                        return None
                    pipe.multi()
                    self._write(pipe, None, numbered)
                    pipe.execute()
                    return numbered
        raise _too_many()

    def _write(self, pipe: Any, before: Job | None, after: Job) -> None:
        """Write a job, and put it into its sets."""
        pipe.set(_key(after.id), after.to_json())
        if before is not None:
            for name in _sets(before).keys() - _sets(after).keys():
                pipe.zrem(name, _sets(before)[name][0])
        for name, (member, score) in _sets(after).items():
            pipe.zadd(name, {member: score})

    def get(self, id: str) -> Job | None:
        """See `JobTable`."""
        with self._worded():
            text = self._redis.get(_key(id))
        return from_json(text) if text is not None else None

    def change(self, id: str, step: Step) -> Job | None:
        """See `JobTable`."""
        with self._worded():
            for _ in range(_TRIES):
                with self._pipeline() as pipe, contextlib.suppress(redis.WatchError):
                    pipe.watch(_key(id))
                    text = pipe.get(_key(id))
                    before = from_json(text) if text is not None else None
                    after = step(before) if before is not None else None
                    if after is None:
                        return None
                    pipe.multi()
                    self._write(pipe, before, after)
                    pipe.execute()
                    return after
        raise _too_many()

    def waiting(self, *, now: float, places: Collection[str], limit: int) -> Sequence[str]:
        """See `JobTable`."""
        found: list[tuple[float, str]] = []
        with self._worded():
            for place in places:
                some: Any = self._redis.zrangebyscore(_waiting(place), "-inf", now, 0, limit, withscores=True)
                found += [(score, member.decode()) for member, score in some]
        return [member.partition(":")[2] for _, member in sorted(found)[:limit]]

    def expired(self, *, now: float, limit: int) -> Sequence[str]:
        """See `JobTable`."""
        with self._worded():
            some: Any = self._redis.zrangebyscore(_LEASES, "-inf", now, 0, limit)
        return [id.decode() for id in some]

    def page(self, *, state: State | None, before: int | None, limit: int) -> Sequence[Job]:
        """See `JobTable`."""
        highest = "+inf" if before is None else f"({before}"
        with self._worded():
            ids: Any = self._redis.zrevrangebyscore(_listed(state), highest, "-inf", 0, limit)
            texts: Any = self._redis.mget([_key(id.decode()) for id in ids]) if ids else []
        return [from_json(text) for text in texts if text is not None]

    def counts(self) -> dict[State, int]:
        """See `JobTable`."""
        with self._worded(), self._redis.pipeline(transaction=True) as pipe:
            for state in STATES:
                pipe.zcard(_listed(state))
            return {state: int(n) for state, n in zip(STATES, pipe.execute(), strict=True)}

    def forget(self, *, ended_before: float, most_ended: int) -> Sequence[str]:
        """See `JobTable`."""
        with self._worded():
            old: Any = self._redis.zrangebyscore(_ENDED, "-inf", f"({ended_before}")
            surplus: Any = self._redis.zrange(_ENDED, 0, -most_ended - 1)
        ids = [id.decode() for id in dict.fromkeys([*old, *surplus])]
        return [id for id in ids if self._forget(id)]

    def _forget(self, id: str) -> bool:
        with self._worded(), self._pipeline() as pipe, contextlib.suppress(redis.WatchError):
            pipe.watch(_key(id))
            text = pipe.get(_key(id))
            if text is None:
                return False
            job = from_json(text)
            if not job.has_ended:  # tried again meanwhile
                return False
            pipe.multi()
            pipe.delete(_key(id))
            for name, (member, _) in _sets(job).items():
                pipe.zrem(name, member)
            pipe.execute()
            return True
        return False

    def is_kept(self) -> bool | None:
        """Tell whether Redis logs what it is told to its disk; None if it does not say."""
        with self._worded():
            facts: Any = self._redis.info("persistence")
        on = facts.get("aof_enabled")
        return None if on is None else bool(on)

    def close(self) -> None:
        """See `JobTable`."""
        self._redis.close()


def connect(url: str) -> redis.Redis:
    """Make a client of a Redis, which connects when it is used first.

    Raises
    ------
    InputError
        If the address is none.
    """
    try:
        return redis.Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, health_check_interval=15
        )
    except ValueError as error:
        raise InputError(
            "EARMARK_REDIS_URL is no address of a Redis", hint="such as redis://localhost:6379/0"
        ) from error  # what it is may hold a password


@contextmanager
def worded() -> Iterator[None]:
    """Turn what goes wrong with Redis into a `SourceError`; the address is not told, as it may hold a password."""
    try:
        yield
    except redis.WatchError:
        raise
    except redis.AuthenticationError as error:
        raise SourceError(
            "Redis refuses the password", hint="EARMARK_REDIS_URL=redis://:PASSWORD@HOST:6379/0"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise SourceError("Redis does not answer", hint="start it, or see where EARMARK_REDIS_URL leads") from error
    except redis.RedisError as error:
        raise SourceError(f"Redis refuses: {error}", hint="its log says more") from error


def _too_many() -> SourceError:
    return SourceError("too many workers change the same job", hint="try again")


def _key(id: str) -> str:
    return f"{_PREFIX}:job:{id}"


def _waiting(place: str) -> str:
    return f"{_PREFIX}:due:{place}"


def _listed(state: State | None) -> str:
    return f"{_PREFIX}:list:{state or 'all'}"


def _sets(job: Job) -> dict[str, tuple[str, float]]:
    """Return the sorted sets in which a job is: under which name, and its score."""
    number = float(job.number)
    sets = {_listed(None): (job.id, number), _listed(job.state): (job.id, number)}
    if job.state in OPEN:
        sets[_OPEN] = (job.id, number)
    if job.state == "waiting":
        sets[_waiting(job.place)] = (f"{job.number:015d}:{job.id}", job.due)  # equal scores are in order of names
    elif job.state == "running":
        sets[_LEASES] = (job.id, job.due)
    elif job.state in ENDED:
        sets[_ENDED] = (job.id, job.due)
    return sets
