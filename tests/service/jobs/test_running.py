"""A worker: what it notes of a job that goes well, fails, passes, is cancelled, lost, or interrupted."""

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earmark.errors import AssetError, EarmarkError, InputError, SourceError, UsageError
from earmark.files import cannot_write
from earmark.library.engine import worded
from earmark.library.store import Store
from earmark.service.jobs.job import Job, Progress
from earmark.service.jobs.queue import Queue
from earmark.service.jobs.running import Worker, is_busy, passes
from earmark.service.jobs.watching import Watch

from .conftest import RedisServer
from .fast import FAST


@contextmanager
def working(queue: Queue, do: Callable[[Job, Watch], Any]) -> Iterator[Worker]:
    """Let a worker work in a thread."""
    worker = Worker(queue, do)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.halting.set()
        thread.join(10)
        assert not thread.is_alive()


def wait_for(queue: Queue, id: str, *states: str, seconds: float = 10.0) -> Job:
    until = time.monotonic() + seconds
    while (job := queue.get(id)).state not in states:
        assert time.monotonic() < until, job
        time.sleep(0.01)
    return job


def test_a_job_is_done(queue: Queue) -> None:
    def do(job: Job, watch: Watch) -> Any:
        watch.report(3, 4, "three of four")
        return {"heard": job.parameters["n"]}

    with working(queue, do):
        job = wait_for(queue, queue.add("add", {"n": 4}).id, "done")
    assert (job.result, job.error, job.owner, job.attempts) == ({"heard": 4}, None, None, 1)
    assert job.progress == Progress(3, 4, "three of four")
    assert job.created <= (job.started or 0) <= (job.finished or 0)


def test_a_wake_up_is_at_once_and_a_lost_one_loses_nothing(queue: Queue) -> None:
    slow = Queue(queue.table, queue.waking, replace(FAST, poll=60.0))
    with working(slow, lambda job, watch: None):
        time.sleep(0.1)
        begun = time.monotonic()
        wait_for(slow, slow.add("add", {}).id, "done")
        assert time.monotonic() - begun < 5
        slow.waking.stop()
    with working(queue, lambda job, watch: None):
        unheard = queue.table.insert(Job("a" * 32, "add", {}, 0.0), most_open=9)  # nobody is woken
        assert unheard is not None
        wait_for(queue, unheard.id, "done")


def test_an_error_that_passes_is_tried_again_and_again_but_not_for_ever(queue: Queue) -> None:
    begun: list[float] = []

    def do(job: Job, watch: Watch) -> Any:
        begun.append(time.monotonic())
        if job.parameters["passes"] and len(begun) == FAST.most_attempts:
            return "at last"
        raise SourceError("Last.fm does not answer", hint="try again later")

    with working(queue, do):
        job = wait_for(queue, queue.add("compatibility", {"passes": True}).id, "done", "failed")
        assert (job.state, job.result, job.attempts, job.error) == ("done", "at last", 3, None)
        assert begun[1] - begun[0] > 0.8 * FAST.first_delay
        assert begun[2] - begun[1] > 0.8 * 2 * FAST.first_delay, "the delay doubles, a fifth more or less"
        job = wait_for(queue, queue.add("compatibility", {"passes": False}).id, "done", "failed")
    assert (job.state, job.attempts) == ("failed", FAST.most_attempts)
    assert job.error == {"error": "Last.fm does not answer", "hint": "try again later"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("a.mp3: no audio", hint="none"), {"error": "a.mp3: no audio", "hint": "none"}),
        (ZeroDivisionError("a secret"), {"error": "a defect of earmark"}),
    ],
)
def test_other_errors_end_a_job_at_once(
    queue: Queue, error: Exception, expected: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    def do(job: Job, watch: Watch) -> Any:
        raise error

    with working(queue, do), caplog.at_level(logging.CRITICAL):
        job = wait_for(queue, queue.add("tag", {}).id, "done", "failed")
        assert (job.state, job.attempts) == ("failed", 1)
        assert job.error is not None
        assert expected.items() <= job.error.items()
        assert "secret" not in str(job.error)
        again = queue.retry(job.id)
        assert again.attempts == 0
        assert wait_for(queue, job.id, "failed").attempts == 1


def test_a_result_that_cannot_be_kept_is_a_defect(queue: Queue) -> None:
    with working(queue, lambda job, watch: {"score": float("nan")}):
        job = wait_for(queue, queue.add("tag", {}).id, "done", "failed")
    assert job.state == "failed"


def test_which_errors_pass(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert passes(SourceError("away"))
    assert passes(AssetError("no weights"))
    assert passes(cannot_write_from("a", full))
    with pytest.raises(InputError) as caught, worded("catalogue", "cannot be written"):
        raise RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)")
    assert passes(caught.value)
    for error in (InputError("no audio"), UsageError("a and b"), cannot_write_from("a", OSError(errno.EACCES, "no"))):
        assert not passes(error)
        assert not is_busy(error)
    store = Store(tmp_path / "catalogue", create=True)
    with store.writing(), pytest.raises(UsageError) as locked, store.writing(wait=0):
        pass
    assert is_busy(locked.value)


def cannot_write_from(path: str, error: OSError) -> EarmarkError:
    try:
        raise cannot_write(path, error) from error
    except InputError as wrapped:
        return wrapped


def test_a_locked_catalogue_is_waited_for_without_end(queue: Queue) -> None:
    n = 0

    def do(job: Job, watch: Watch) -> Any:
        nonlocal n
        n += 1
        if n <= 2 * FAST.most_attempts:
            raise UsageError("c: another process is writing to this catalogue")
        return n

    with working(queue, do):
        job = wait_for(queue, queue.add("add", {}).id, "done", "failed")
    assert (job.state, job.attempts, job.failures) == ("done", 7, 0)


def test_a_job_that_runs_is_cancelled_between_files(queue: Queue) -> None:
    n_files = 0

    def do(job: Job, watch: Watch) -> Any:
        nonlocal n_files
        for n_files in range(10_000):
            watch.report(n_files, 10_000, "")
            time.sleep(0.005)

    with working(queue, do):
        id = queue.add("add", {}).id
        wait_for(queue, id, "running")
        assert queue.cancel(id).cancel
        job = wait_for(queue, id, "cancelled", "done", "failed")
    assert (job.state, job.error) == ("cancelled", None)
    assert 0 < job.progress.done <= n_files < 9_999


def test_what_cannot_look_is_told(queue: Queue) -> None:
    told = threading.Event()

    def do(job: Job, watch: Watch) -> Any:
        watch.on_stop(told.set)
        assert told.wait(10)
        raise InputError("interrupted")  # as a process says that was ended

    with working(queue, do):
        id = queue.add("tag", {}).id
        wait_for(queue, id, "running")
        queue.cancel(id)
        assert wait_for(queue, id, "cancelled", "failed").state == "cancelled"


def test_a_worker_that_halts_gives_its_job_back(queue: Queue) -> None:
    going = threading.Event()

    def do(job: Job, watch: Watch) -> Any:
        going.set()
        while True:
            watch.report(1, 2, "half")
            time.sleep(0.005)

    with working(queue, do):
        id = queue.add("add", {}).id
        assert going.wait(10)
    job = queue.get(id)
    assert (job.state, job.owner, job.failures, job.next_try <= time.time()) == ("waiting", None, 0, True)


def test_a_worker_that_lost_its_job_stops_and_notes_nothing(queue: Queue) -> None:
    stopped = threading.Event()

    def do(job: Job, watch: Watch) -> Any:
        if job.attempts > 1:
            return "the second"
        try:
            while True:
                watch.report(1, 2, "half")
                time.sleep(0.005)
        finally:
            stopped.set()

    with working(queue, do):
        id = queue.add("add", {}).id
        wait_for(queue, id, "running")
        queue.table.change(
            id, lambda job: replace(job, owner="another", lease_until=time.time() + 60)
        )  # as if it slept
        assert stopped.wait(10)
        time.sleep(3 * FAST.beat)
        job = queue.get(id)
        assert (job.state, job.owner, job.result) == ("running", "another", None)
        queue.table.change(id, lambda job: replace(job, lease_until=0.0))
        assert wait_for(queue, id, "done").result == "the second"


def test_two_workers_with_a_table_that_goes_away(redis_server: RedisServer, redis_url: str) -> None:
    """Redis is stopped while jobs run: what was done is noted when it is back, or done once more; nothing is lost."""
    from earmark.service.jobs.redis_table import RedisTable
    from earmark.service.jobs.waking import RedisWaking

    queue = Queue(RedisTable(redis_url), RedisWaking(redis_url, longest=0.1), replace(FAST, lease=2.0))
    done: list[int] = []

    def do(job: Job, watch: Watch) -> Any:
        for _ in range(20):
            time.sleep(0.005)
            watch.check()
        done.append(job.parameters["n"])

    with working(queue, do), working(queue, do):
        ids = [queue.add("add", {"n": n}).id for n in range(8)]
        time.sleep(0.15)
        redis_server.stop()
        time.sleep(0.2)
        redis_server.start()
        for id in ids:
            wait_for(queue, id, "done")
        queue.waking.stop()
    assert sorted(done) == list(range(8))
    queue.table.close()
    queue.waking.close()


def test_wake_ups_do_not_pile_up_and_are_never_unpickled(redis_url: str) -> None:
    import redis

    from earmark.service.jobs.waking import RedisWaking

    waking = RedisWaking(redis_url, longest=0.05)
    waking.MOST = 5
    for _ in range(20):
        waking.wake()
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("huey.redis.earmark") == 5
        client.delete("huey.redis.earmark")
        client.lpush("huey.redis.earmark", b"cos\nsystem\n(S'exit 1'\ntR.")
    waking.wait(1.0)
    begun = time.monotonic()
    waking.wait(1.0)
    assert 0.04 < time.monotonic() - begun < 0.9
    waking.stop()
    waking.close()
