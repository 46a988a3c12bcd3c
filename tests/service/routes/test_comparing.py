"""Two listeners over HTTP: by filters and services, never by files outside the folders of music."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from earmark.errors import SourceError
from earmark.library.facade import Library
from earmark.library.store import Store

from ...library.conftest import track_row


@pytest.fixture
def many(library_address: str, music: Path) -> str:
    """A catalogue large enough for two."""
    Store(library_address).put("tracks", [track_row(i, folder=str(music)) for i in range(12, 60)])
    return library_address


def test_two_filters(client: TestClient, many: str) -> None:
    who = {"a": "bpm < 340", "b": "bpm > 360", "seed": 3}
    answer = client.post("/v1/compatibility", json=who)
    assert answer.status_code == 200, answer.text
    expected = Library(many).compatibility("bpm < 340", "bpm > 360", seed=3).to_dict()
    assert answer.json()["score"] == expected["score"]
    assert answer.json()["a"] == expected["a"]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ({"a": "/etc", "b": "bpm > 1"}, 400),
        ({"a": "..", "b": "bpm > 1"}, 400),
        ({"a": "bpm > 1", "b": "../likes.csv"}, 400),
        ({"a": "bpm > 1", "b": "lastfm:../x"}, 400),
        ({"a": "bpm > 1", "b": "http://evil.example/list.m3u8"}, 400),
        ({"a": "genre:zydeco", "b": "bpm > 1"}, 400),
        ({"a": "bpm > 1"}, 422),
        ({"a": "bpm > 1", "b": "bpm > 2", "by": "magic"}, 422),
        ({"a": "bpm > 1", "b": "bpm > 2", "mix": True}, 422),
    ],
)
def test_who_cannot_be_compared(still: TestClient, who: dict[str, Any], status: int) -> None:
    answer = still.post("/v1/compatibility", json=who)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "hint"}


def test_a_service_that_does_not_answer(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*arguments: Any, **options: Any) -> None:
        raise SourceError("Last.fm does not answer", hint="try again later")

    monkeypatch.setattr(Library, "compatibility", silent)
    answer = client.post("/v1/compatibility", json={"a": "lastfm:anna", "b": "lastfm:bo"})
    assert (answer.status_code, answer.json()["hint"]) == (502, "try again later")


def test_few_are_compared_at_a_time(make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is given up on stops at the next file, and only then is there room."""
    ended = threading.Event()

    def slow(self: Library, a: str, b: str, *, on_progress: Any, **options: Any) -> None:
        try:
            while True:
                on_progress(None)
        finally:
            ended.set()

    monkeypatch.setattr(Library, "compatibility", slow)
    monkeypatch.setattr("earmark.service.routes.comparing.MOST_AT_ONCE", 1)
    client = make_client(timeout=1.0)  # time enough to begin
    answer = client.post("/v1/compatibility", json={"a": "bpm > 1", "b": "bpm > 2"})
    assert answer.status_code == 504
    assert ended.wait(5)


def test_no_room(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.service.routes.comparing.MOST_AT_ONCE", 0)
    answer = client.post("/v1/compatibility", json={"a": "bpm > 1", "b": "bpm > 2"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
