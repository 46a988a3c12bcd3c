"""What a table of jobs has to be able to do: the same in SQLite and in Redis."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from earmark.errors import InputError, SourceError, UsageError
from earmark.service.errors import NotFound, TooBusy
from earmark.service.jobs import job as steps
from earmark.service.jobs.job import Job, Progress, Rules, new_id
from earmark.service.jobs.queue import Queue
from earmark.service.jobs.sqlite_table import SqliteTable
from earmark.service.jobs.table import JobTable
from earmark.service.jobs.waking import LocalWaking

from .conftest import Clock, RedisServer

RULES = Rules(lease=10.0, most_open=6, most_ended=3, kept=100.0)
Make = Callable[[], JobTable]


@pytest.fixture
def queue(table: JobTable) -> Queue:
    return Queue(table, LocalWaking(), RULES)


def test_what_is_kept_is_there_for_others(table: JobTable, make_table: Make) -> None:
    new = Job(new_id(), "add", {"paths": ["Sigur Rós", "\udcff"]}, 5.0)
    kept = table.insert(new, most_open=1)
    assert kept is not None
    assert kept == replace(new, number=kept.number)
    assert kept.number > 0
    assert make_table().get(new.id) == kept
    assert table.get("0" * 32) is None
    assert table.insert(replace(new, id=new_id()), most_open=1) is None


def test_a_step_is_taken_or_not(table: JobTable) -> None:
    job = table.insert(Job(new_id(), "add", {}, 5.0), most_open=9)
    assert job is not None
    assert table.change(job.id, lambda one: None) is None
    assert table.change("0" * 32, lambda one: one) is None
    after = table.change(job.id, partial(steps.taken, owner="one", now=10.0, lease=5.0))
    assert after == table.get(job.id)
    assert table.counts() == {"waiting": 0, "running": 1, "done": 0, "failed": 0, "cancelled": 0}
    with pytest.raises(ZeroDivisionError):
        table.change(job.id, lambda one: 1 / 0)  # type: ignore[arg-type, return-value]
    assert table.get(job.id) == after


def test_a_job_from_its_begin_to_its_end(queue: Queue, clock: Clock) -> None:
    job = queue.add("add", {"paths": ["a"]})
    taken = queue.take("one")
    assert taken is not None
    assert (taken.id, taken.owner, queue.take("two")) == (job.id, "one", None)
    clock.now += 9
    assert queue.beat(job.id, "one", Progress(1, 2)) is not None
    clock.now += 9
    assert queue.take("two") is None
    assert queue.end(job.id, "two", "done", Progress()) is None
    ended = queue.end(job.id, "one", "done", Progress(2, 2), result={"n": 2})
    assert ended is not None
    assert (queue.get(job.id).state, queue.get(job.id).result) == ("done", {"n": 2})
    clock.now += 50
    assert queue.take("two") is None


def test_a_worker_that_is_not_heard_of_loses_its_job(queue: Queue, clock: Clock) -> None:
    job = queue.add("add", {})
    queue.take("one")
    clock.now += 10
    again = queue.take("two")
    assert again is not None
    assert (again.id, again.owner, again.attempts) == (job.id, "two", 2)
    assert queue.beat(job.id, "one", Progress()) is None
    assert queue.end(job.id, "one", "done", Progress(), result=1) is None
    assert queue.put_back(job.id, "one", wait=0, counts=False) is None
    assert queue.end(job.id, "two", "done", Progress(), result=2) is not None
    assert queue.get(job.id).result == 2


def test_first_come_first_served_and_later_tries_wait(queue: Queue, clock: Clock) -> None:
    first = queue.add("add", {})
    clock.now += 1
    second, third = queue.add("tag", {}), queue.add("tag", {})
    assert getattr(queue.take("one"), "id", None) == first.id
    queue.put_back(first.id, "one", wait=30.0, counts=True, error={"error": "away", "hint": None})
    clock.now += 1
    assert {getattr(queue.take(name), "id", None) for name in "ab"} == {second.id, third.id}
    assert queue.take("one") is None
    assert queue.get(first.id).error == {"error": "away", "hint": None}
    clock.now += 29
    again = queue.take("one")
    assert again is not None
    assert (again.id, again.error, again.attempts, again.failures) == (first.id, None, 2, 1)


def test_jobs_with_files_go_where_the_files_are(queue: Queue) -> None:
    job = queue.add("tag", {}, place="here")
    assert queue.take("one") is None
    assert queue.take("one", places=("", "there")) is None
    assert getattr(queue.take("one", places=("", "here")), "id", None) == job.id


def test_cancelling_and_trying_again(queue: Queue) -> None:
    waiting = queue.add("add", {})
    assert queue.cancel(waiting.id).state == "cancelled"
    assert queue.cancel(waiting.id).state == "cancelled"
    assert queue.take("one") is None
    assert queue.retry(waiting.id).state == "waiting"
    going = queue.take("one")
    assert going is not None
    assert queue.cancel(going.id).cancel
    kept = queue.beat(going.id, "one", Progress())
    assert kept is not None
    assert kept.cancel
    with pytest.raises(UsageError, match="the job runs"):
        queue.retry(going.id)
    queue.end(going.id, "one", "done", Progress())
    with pytest.raises(UsageError, match="done already"):
        queue.cancel(going.id)
    with pytest.raises(UsageError, match="the job is done"):
        queue.retry(going.id)
    for ask in (queue.get, queue.cancel, queue.retry):
        with pytest.raises(NotFound, match="there is no job"):
            ask("0" * 32)


def test_no_more_than_so_many_wait(queue: Queue) -> None:
    jobs = [queue.add("add", {}) for _ in range(RULES.most_open)]
    with pytest.raises(TooBusy, match="6 jobs wait or run already") as caught:
        queue.add("add", {})
    assert caught.value.headers()["Retry-After"] == "60"
    queue.take("one")
    with pytest.raises(TooBusy):
        queue.add("add", {})
    queue.cancel(jobs[-1].id)
    queue.add("add", {})
    with pytest.raises(TooBusy):
        queue.retry(jobs[-1].id)
    assert queue.retry(jobs[1].id).state == "waiting"


def test_pages(queue: Queue) -> None:
    jobs = [queue.add("add", {"n": i}) for i in range(5)]
    queue.cancel(jobs[1].id)
    queue.take("one")
    newest = [job.id for job in reversed(jobs)]
    assert [job.id for job in queue.page(limit=3)] == newest[:3]
    before = queue.page(limit=3)[-1].number
    assert [job.id for job in queue.page(before=before, limit=9)] == newest[3:]
    assert [job.id for job in queue.page(state="cancelled", limit=9)] == [jobs[1].id]
    assert [job.id for job in queue.page(state="running", limit=9)] == [jobs[0].id]
    assert len(queue.page(state="waiting", limit=9)) == 3
    assert queue.page(state="waiting", before=jobs[2].number, limit=9) == []
    assert queue.table.counts() == {"waiting": 3, "running": 1, "done": 0, "failed": 0, "cancelled": 1}


def test_old_jobs_are_forgotten_and_no_more_than_so_many_are_kept(queue: Queue, clock: Clock) -> None:
    ids = []
    for _ in range(5):
        ids.append(queue.cancel(queue.add("add", {}).id).id)
        clock.now += 10
    open_job = queue.add("add", {})
    assert sorted(queue.forget()) == sorted(ids[:2])
    assert [job.id for job in queue.page()] == [open_job.id, *reversed(ids[2:])]
    clock.now += 75  # the third ended 105 s ago
    assert queue.forget() == ids[2:3]
    clock.now += 1000
    assert sorted(queue.forget()) == sorted(ids[3:])
    assert queue.forget() == []
    assert queue.get(open_job.id).state == "waiting"
    assert sum(queue.table.counts().values()) == 1


def test_many_workers_take_each_job_once(make_table: Make, queue: Queue) -> None:
    n_jobs = 40
    for i in range(n_jobs):
        queue.table.insert(Job(new_id(), "add", {"i": i}, 0.0), most_open=1000)
    taken: Counter[str] = Counter()
    lock = threading.Lock()
    begin = threading.Barrier(4)

    def work(name: str) -> None:
        own = Queue(make_table(), LocalWaking(), RULES)
        begin.wait()
        idle = 0
        while idle < 3:
            job = own.take(name)
            if job is None:
                idle += 1
                continue
            with lock:
                taken[job.id] += 1
            assert own.end(job.id, name, "done", Progress(), result=name) is not None

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == n_jobs
    assert set(taken.values()) == {1}
    assert queue.table.counts()["done"] == n_jobs


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="cannot be used") as caught:
        SqliteTable(path)
    assert caught.value.hint is not None
    assert "move it away" in caught.value.hint
    path.unlink()
    SqliteTable(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="a newer version of earmark"):
        SqliteTable(path)
    with pytest.raises(InputError, match="cannot be used"):
        SqliteTable(tmp_path / "nowhere" / "jobs.sqlite3")


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "jobs.sqlite3")
    table.close()
    assert (tmp_path / "jobs.sqlite3").stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="is closed"):
        table.get("0" * 32)


def test_a_redis_that_is_stopped_killed_and_started_again_loses_no_job(
    redis_server: RedisServer, redis_url: str
) -> None:
    from earmark.service.jobs.redis_table import RedisTable

    queue = Queue(RedisTable(redis_url), LocalWaking(), RULES)
    ids = [queue.add("add", {"n": 0}).id]
    for i, kill in enumerate((False, True), start=1):
        redis_server.stop(kill=kill)
        try:
            with pytest.raises(SourceError, match="Redis does not answer"):
                queue.take("one")
        finally:
            redis_server.start()
        ids.append(queue.add("add", {"n": i}).id)
    assert [job.id for job in reversed(queue.page())] == ids
    assert {getattr(queue.take("one"), "id", None) for _ in ids} == set(ids)
    assert isinstance(queue.table, RedisTable)
    assert queue.table.is_kept() is True
    queue.table.close()


def test_an_address_that_is_none_gives_no_password_away() -> None:
    pytest.importorskip("redis")
    from earmark.service.jobs.redis_table import RedisTable

    with pytest.raises(InputError, match="EARMARK_REDIS_URL is no address of a Redis") as caught:
        RedisTable("http://:secret@host/0")
    assert "secret" not in f"{caught.value.message}{caught.value.hint}"
    table = RedisTable("redis://:secret@127.0.0.1:1/0")
    with pytest.raises(SourceError, match="Redis does not answer") as silent:
        table.now()
    assert "secret" not in f"{silent.value.message}{silent.value.hint}"
