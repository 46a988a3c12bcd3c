"""The steps of a job: which apply in which state, and what they change."""

from dataclasses import replace
from typing import Any

import pytest

from earmark.service.jobs import job as steps
from earmark.service.jobs.job import STATES, Job, Progress, Rules, from_json, new_id

RULES = Rules(lease=10.0, first_delay=4.0, longest_delay=20.0, most_lost=4)
NEW = Job(new_id(), "add", {"paths": ["a"]}, 100.0, next_try=100.0)


def running(**values: Any) -> Job:
    job = steps.taken(NEW, owner="one", now=100.0, lease=10.0)
    assert job is not None
    return replace(job, **values)


def test_a_job_is_kept_as_it_is() -> None:
    job = running(
        result={"a": [1, None]}, progress=Progress(2, 7, "Sigur Rós \udcff"), error={"error": "x", "hint": None}
    )
    assert from_json(job.to_json()) == job
    newer = job.to_json()[:-1] + ',"of a newer version":1}'
    assert from_json(newer) == job


def test_taking() -> None:
    job = running()
    assert (job.state, job.owner, job.lease_until, job.attempts, job.version) == ("running", "one", 110.0, 1, 2)
    assert steps.taken(job, owner="two", now=100.0, lease=10.0) is None
    assert steps.taken(replace(NEW, next_try=101.0), owner="two", now=100.0, lease=10.0) is None


@pytest.mark.parametrize("owner", ["two", None])
def test_who_has_lost_it_changes_nothing(owner: str | None) -> None:
    job = running(owner=owner)
    assert steps.alive(job, owner="one", now=101.0, lease=10.0, progress=Progress()) is None
    assert steps.ended(job, owner="one", now=101.0, state="done", progress=Progress()) is None
    assert steps.postponed(job, owner="one", now=101.0, wait=0.0, counts=True) is None


def test_a_sign_of_life_keeps_the_lease_even_after_its_end_if_nobody_took_it() -> None:
    job = steps.alive(running(), owner="one", now=150.0, lease=10.0, progress=Progress(1, 2, "a"))
    assert job is not None
    assert (job.lease_until, job.beat_at, job.progress) == (160.0, 150.0, Progress(1, 2, "a"))


def test_a_lease_runs_out() -> None:
    assert steps.expired(running(), now=109.9, rules=RULES) is None
    job = steps.expired(running(), now=110.0, rules=RULES)
    assert job is not None
    assert (job.state, job.owner, job.lease_until, job.lost, job.next_try) == ("waiting", None, None, 1, 110.0)


def test_worker_after_worker_ends_at_a_job() -> None:
    waits = []
    job: Job | None = NEW
    now = 100.0
    for _ in range(RULES.most_lost):
        assert job is not None
        taken = steps.taken(job, owner="one", now=now, lease=10.0)
        assert taken is not None
        now += 10.0
        job = steps.expired(taken, now=now, rules=RULES)
        assert job is not None
        if job.state == "waiting":
            waits.append(job.next_try - now)
            now = job.next_try
    assert waits == [0.0, 4.0, 8.0]
    assert job is not None
    assert (job.state, job.attempts, job.finished) == ("failed", 4, now)
    assert job.error is not None
    assert "4 workers in a row" in str(job.error["error"])
    again = steps.retried(job, now=now)
    assert again is not None
    assert (again.state, again.lost, again.error, again.finished) == ("waiting", 0, None, None)


def test_a_worker_that_came_further_before_it_ended_does_not_count() -> None:
    job = steps.alive(running(lost=3), owner="one", now=105.0, lease=10.0, progress=Progress(1, 9))
    assert job is not None
    after = steps.expired(job, now=200.0, rules=RULES)
    assert after is not None
    assert (after.state, after.lost) == ("waiting", 1)


def test_cancelling() -> None:
    waiting = steps.cancelled(NEW, now=105.0)
    assert waiting is not None
    assert (waiting.state, waiting.finished) == ("cancelled", 105.0)
    flagged = steps.cancelled(running(), now=105.0)
    assert flagged is not None
    assert (flagged.state, flagged.cancel, flagged.to_dict()["cancelling"]) == ("running", True, True)
    assert steps.cancelled(flagged, now=106.0) is None
    for ended in (
        steps.expired(flagged, now=300.0, rules=RULES),
        steps.postponed(flagged, owner="one", now=300.0, wait=50.0, counts=True),
    ):
        assert ended is not None
        assert (ended.state, ended.finished, ended.to_dict()["cancelling"]) == ("cancelled", 300.0, False)


def test_trying_later() -> None:
    later = steps.postponed(
        running(), owner="one", now=105.0, wait=5.0, counts=True, error={"error": "x", "hint": None}
    )
    assert later is not None
    assert (later.state, later.failures, later.next_try, later.attempts) == ("waiting", 1, 110.0, 1)
    now = steps.retried(later, now=106.0)
    assert now is not None
    assert (now.next_try, now.failures) == (106.0, 1)
    uncounted = steps.postponed(running(), owner="one", now=105.0, wait=0.0, counts=False)
    assert uncounted is not None
    assert uncounted.failures == 0


@pytest.mark.parametrize("state", STATES)
def test_what_is_shown_tells_nothing_of_the_inside(state: Any) -> None:
    plain = running(state=state, owner="host:1:aa").to_dict(result=False)
    assert not {"owner", "lease_until", "place", "number", "result", "lost"} & set(plain)
    assert plain["progress"] == {"done": 0, "total": None, "text": ""}
