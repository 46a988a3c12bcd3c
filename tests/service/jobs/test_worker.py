"""A worker as a process of its own: does what others asked for, and ends well when it is told to."""

import os
import signal
import sys
import threading
import time
from typing import Any

import pytest

from earmark.errors import InputError
from earmark.service.jobs import kinds, managing
from earmark.service.jobs.job import Job
from earmark.service.jobs.queue import Queue
from earmark.service.jobs.table import open_table
from earmark.service.jobs.waking import LocalWaking
from earmark.service.jobs.watching import Watch
from earmark.service.jobs.worker import work
from earmark.service.settings import Settings

from .fast import FAST


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_jobs_are_done_until_a_signal_comes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def do(self: kinds.Doing, job: Job, watch: Watch) -> Any:
        while job.parameters["ends"] is False:
            watch.report(1, 2, "half")
            time.sleep(0.005)
        return os.getpid()

    monkeypatch.setattr(kinds.Doing, "__call__", do)
    monkeypatch.setattr(managing, "Rules", lambda: FAST)
    queue = Queue(open_table(settings), LocalWaking(), FAST)  # as the service has it
    ids = [queue.add("add", {"ends": ends}).id for ends in (True, False)]
    told: list[str] = []

    def stop_once_both_are_taken() -> None:
        until = time.monotonic() + 10
        while [queue.get(id).state for id in ids] != ["done", "running"] and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=stop_once_both_are_taken)
    thread.start()
    work(settings, on_ready=told.append)
    thread.join()
    assert signal.getsignal(number) is before
    assert told == [str(settings.data / "jobs.sqlite3")]
    done, given_back = (queue.get(id) for id in ids)
    assert (done.state, done.result) == ("done", os.getpid())
    assert (given_back.state, given_back.owner, given_back.failures) == ("waiting", None, 0)
    queue.table.close()


def test_what_is_wrong_is_said_before_jobs_are_taken(settings: Settings) -> None:
    (settings.data / "jobs.sqlite3").write_bytes(b"no table" * 1000)
    with pytest.raises(InputError, match="cannot be used"):
        work(settings, on_ready=lambda table: None)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert handlers == (signal.SIG_DFL, signal.default_int_handler)
