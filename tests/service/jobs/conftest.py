"""Tables of jobs in SQLite and in a Redis of our own; listening that takes no time."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("lancedb")
sys.path.insert(0, str(Path(__file__).parents[2] / "library"))

import stub_listening

from earmark.library import adding, facade
from earmark.library.models import StoredModel
from earmark.service.jobs.queue import Queue
from earmark.service.jobs.sqlite_table import SqliteTable
from earmark.service.jobs.table import JobTable
from earmark.service.jobs.waking import LocalWaking

from .fast import FAST


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class RedisServer:
    """A `redis-server` that writes everything to its disk before it answers."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no", "--loglevel", "warning",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as one:
                    one.sendall(b"PING\r\n")
                    if one.recv(5) == b"+PONG":
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError((self._folder / "log").read_text())

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    server = RedisServer(program, tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop(kill=True)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "redis"])
def make_table(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], JobTable]]:
    """Open the same table once more, as another worker would."""
    opened: list[JobTable] = []
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None

    def make() -> JobTable:
        if url is None:
            opened.append(SqliteTable(tmp_path / "jobs.sqlite3", clock=clock))
        else:
            from earmark.service.jobs.redis_table import RedisTable

            opened.append(RedisTable(url, clock=clock))
        return opened[-1]

    yield make
    for table in opened:
        table.close()


@pytest.fixture
def table(make_table: Callable[[], JobTable]) -> JobTable:
    return make_table()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """Jobs in SQLite, by the real time, with short leases."""
    table = SqliteTable(tmp_path / "jobs.sqlite3")
    yield Queue(table, LocalWaking(), FAST)
    table.close()


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let files be heard by a stand-in; it notes here what it heard."""
    log = tmp_path / "heard.log"
    monkeypatch.setenv("EARMARK_STUB_LOG", str(log))
    monkeypatch.setattr(adding, "SERVICE", stub_listening.SERVICE)
    monkeypatch.setattr(facade, "describe", describe)
    return log


def describe(model: object = None, *, preset: str = "standard", progress: object = None) -> StoredModel:
    return stub_listening.model()
