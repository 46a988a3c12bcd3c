"""Workers and servers are killed at any moment: no job is lost, and nothing that was done is done twice."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest

from earmark.library.facade import Library
from earmark.service.jobs.job import Job
from earmark.service.jobs.queue import Queue
from earmark.service.jobs.table import open_table
from earmark.service.jobs.waking import LocalWaking
from earmark.service.settings import Settings

from .fast import FAST

DRIVER = Path(__file__).with_name("killing_driver.py")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("music", "data", "steps"):
        (tmp_path / name).mkdir()
    return tmp_path


@contextmanager
def killing(folder: Path, **plan: Any) -> Iterator[None]:
    """Let workers be killed, and give over when the last ones live."""
    environment = os.environ | {
        "EARMARK_STUB_LOG": str(folder / "heard.log"), "EARMARK_STUB_SECONDS": "0.02", "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    command = [sys.executable, str(DRIVER), json.dumps({"folder": str(folder)} | plan)]
    driver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert driver.stdin is not None
    assert driver.stdout is not None
    try:
        assert driver.stdout.readline() == "last\n"
        yield
    finally:
        driver.stdin.close()
        driver.wait(20)
        driver.stdout.close()


def open_queue(folder: Path, redis_url: str | None = None) -> Queue:
    table = open_table(Settings("", (), folder / "data", redis_url=redis_url))
    return Queue(table, LocalWaking(), FAST)


def wait_for_all(queue: Queue, ids: list[str], *, seconds: float) -> list[Job]:
    until = time.monotonic() + seconds
    while not all(queue.get(id).has_ended for id in ids):
        assert time.monotonic() < until, [(job.state, job.progress, job.error) for job in map(queue.get, ids)]
        time.sleep(0.05)
    return [queue.get(id) for id in ids]


@pytest.mark.parametrize("where", ["sqlite", pytest.param("redis", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_two_workers(folder: Path, request: pytest.FixtureRequest, where: str, kills: int) -> None:
    url = request.getfixturevalue("redis_url") if where == "redis" else None
    queue, n_steps = open_queue(folder, url), 6
    ids = [queue.add("add", {"steps": n_steps}).id for _ in range(2 * kills)]
    plan = {"what": "steps", "kills": kills, "shortest": 0.05, "longest": 0.35, "lease": 1.5, "redis_url": url}
    with killing(folder, **plan):
        jobs = wait_for_all(queue, ids, seconds=120)
    assert Counter(job.state for job in jobs) == {"done": len(ids)}
    assert {job.result for job in jobs} == {n_steps}
    assert sum(job.attempts - 1 for job in jobs) > 0  # jobs were under way when workers were killed
    lines = [line.split() for line in (folder / "steps" / "log").read_text().splitlines()]
    done = Counter(id for id, _, what in lines if what == "end")
    cut = Counter(id for id, _, what in lines if what == "begin")
    assert all((folder / "steps" / f"{id}.{step}").exists() for id in ids for step in range(n_steps))
    assert all(done[id] <= n_steps <= cut[id] for id in ids)
    for id in ids:  # nobody was at a job while another had it
        owners = [owner for owner, _ in groupby(owner for one, owner, _ in lines if one == id)]
        assert len(owners) == len(set(owners)) <= queue.get(id).attempts
    queue.table.close()


@pytest.mark.slow  # its counts depend on how quickly a server starts
@pytest.mark.parametrize("kills", [3, 100])
def test_a_server_that_adds_a_folder(folder: Path, kills: int) -> None:
    n_files = 15 + 8 * kills
    for i in range(n_files):
        (folder / "music" / f"{i}.wav").write_bytes(b"music %d" % i)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    queue = open_queue(folder)
    id = queue.add("add", {}).id
    plan = {"what": "server", "kills": kills, "shortest": 0.3, "longest": 1.6, "lease": 0.4, "port": port}
    with killing(folder, **plan):
        (job,) = wait_for_all(queue, [id], seconds=60)
        assert (job.state, job.error) == ("done", None)
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/jobs/{id}").json()
        assert (answer["state"], answer["result"]["n_files"], answer["attempts"]) == ("done", n_files, job.attempts)
    assert job.attempts > 1
    library = Library(folder / "catalogue", create=False)
    assert len(library) == n_files
    assert len({track.id for track in library}) == n_files
    heard = (folder / "heard.log").read_text().splitlines()
    assert len(set(heard)) == n_files
    assert len(heard) <= n_files + 2 * (job.attempts - 1)  # what was under way, and what was just about to be written
    queue.table.close()
