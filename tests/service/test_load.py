"""The load benchmark asks what it says, and counts what it gets: against a service with a stand-in for the models."""

import importlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earmark.service import serving
from earmark.service.app import create_app
from earmark.service.settings import Settings

from ..library.conftest import TAGS, track_id
from .listener import FakeTagger, put


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("service_load")


@pytest.fixture
def listening(settings: Settings) -> Iterator[tuple[int, FakeTagger]]:
    """The port of a running service, and what hears for it."""
    app = create_app(replace(settings, rate=0), n_jobs=0)
    fake = put(app.state.hearing)
    listener, ready = serving.listen("127.0.0.1", 0), threading.Event()
    server = serving.make_server(app, on_ready=ready.set)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    assert ready.wait(10)
    yield listener.getsockname()[1], fake
    server.should_exit = True
    thread.join(10)
    listener.close()


def test_a_few_clients_for_a_moment(benchmark_module: Any, listening: tuple[int, FakeTagger]) -> None:
    load, (port, fake) = benchmark_module, listening
    asks = load.questions([track_id(i) for i in range(12)], TAGS)
    found = load.measure(port, os.getpid(), asks, mix=load.MIX, n_clients=4, seconds=0.5)
    assert not found["tally"].errors
    assert set(found["tally"].times) == {"similar", "search", "tag"}
    assert all(0 < one < 5 for times in found["tally"].times.values() for one in times)
    assert fake.n_blocks >= len(found["tally"].times["tag"])
    assert found["floor"].times["health"]
    rows = {row[0]: row for row in load.rows_of(found["tally"])}
    assert rows["all"][1] == f"{sum(map(len, found['tally'].times.values())):,}"
    assert rows["all"][-1] == "0"


def test_what_goes_wrong_is_counted(benchmark_module: Any, listening: tuple[int, FakeTagger]) -> None:
    load, (port, _) = benchmark_module, listening
    asks = {"similar": lambda rng: load.get("/v1/similar?track=nobody"), "search": lambda rng: b"no HTTP\r\n\r\n"}
    tally = load.load(port, asks, mix={"similar": 0.5, "search": 0.5}, n_clients=2, seconds=0.2, seed=0)
    assert not tally.times
    assert set(tally.errors) <= {"similar: status 404", "search: status 400", "search: ValueError"}
    assert "similar: status 404" in tally.errors
    with pytest.raises(SystemExit, match="the first request was not answered"):
        load.measure(port, os.getpid(), asks, mix={"similar": 1.0}, n_clients=1, seconds=0.1)


def test_mixes(benchmark_module: Any) -> None:
    assert benchmark_module.parse_mix("similar=4,tag=1") == {"similar": 0.8, "tag": 0.2}
    with pytest.raises(Exception, match="nothing: expected similar, search, tag"):
        benchmark_module.parse_mix("nothing=1")
