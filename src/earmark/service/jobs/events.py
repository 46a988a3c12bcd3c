"""How far a job is, as it happens: server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

from earmark.errors import EarmarkError
from earmark.service.jobs.job import Job
from earmark.service.jobs.managing import Jobs

HEARTBEAT = 15.0
"""Seconds without news after which a line is sent, so that nobody on the way takes the connection for dead."""
LONGEST = 3600.0
"""Seconds that a connection is kept; browsers come again by themselves, and are asked for their token again."""
_EVERY = 0.5  # seconds between two looks
_AGAIN = 2000  # milliseconds after which a browser comes again


async def follow(jobs: Jobs, job: Job, seen: int | None) -> AsyncIterator[bytes]:
    """Yield an event for every change of a job that is seen, until it has ended.

    Parameters
    ----------
    jobs : of the service
    job : as it is now
    seen : the version that the client has; None if it has none

    Notes
    -----
    Every event holds all there is to know, so that none has to be kept for those who missed it: the id of an event is
    the version of the job, and who comes again with the last one gets the next.
    """
    yield b"retry: %d\n\n" % _AGAIN
    begun = sent = time.monotonic()
    now: Job | None = job
    while now is not None:
        if now.version != seen:
            yield event(now)
            seen, sent = now.version, time.monotonic()
        elif time.monotonic() - sent > HEARTBEAT:
            yield b": it goes on\n\n"
            sent = time.monotonic()
        if now.has_ended or jobs.ending.is_set() or time.monotonic() - begun > LONGEST:
            return
        await asyncio.sleep(_EVERY)
        try:
            now = await jobs.service.run(jobs.queue.table.get, job.id)
        except EarmarkError:  # the table is away: it may come back
            continue


def event(job: Job) -> bytes:
    """Write a job as an event: "progress", or "end" with its result."""
    name = "end" if job.has_ended else "progress"
    plain = json.dumps(job.to_dict(), separators=(",", ":"), allow_nan=False)
    return f"id: {job.version}\nevent: {name}\ndata: {plain}\n\n".encode()
