"""Similar tracks, search, playlists and paths: what Python gives, over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from earmark.library.facade import Library
from earmark.library.search import Seed

from ...library.conftest import track_id


@pytest.fixture
def client(still: TestClient) -> TestClient:
    """Nothing here changes the service: one serves all tests."""
    return still


@pytest.fixture
def library_address(still: TestClient) -> str:
    address: str = still.app.state.service.settings.library  # type: ignore[attr-defined]
    return address


def ids(answer: Any, key: str = "matches") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [track["id"] for track in answer.json()[key]]


def test_similar_is_what_python_gives(client: TestClient, library_address: str) -> None:
    answer = client.get("/v1/similar", params={"track": track_id(1), "n": 4})
    expected = Library(library_address).similar(track_id(1), n=4)
    assert ids(answer) == [match.track.id for match in expected]
    assert [one["similarity"] for one in answer.json()["matches"]] == [match.similarity for match in expected]


def test_like_some_and_unlike_others(client: TestClient, library_address: str) -> None:
    answer = client.get(
        "/v1/similar",
        params={"track": ["Title 1", "Title 2"], "unlike": "Title 9", "filter": "bpm > 90", "same_artist": False},
    )
    expected = Library(library_address).similar(
        track_id(1), track_id(2), Seed(track_id(9), -1), filter="bpm > 90", same_artist=False
    )
    assert ids(answer) == [match.track.id for match in expected]
    assert not {track["artist"] for track in answer.json()["matches"]} & {"Artist 0"}


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"track": "nothing"}, 404),
        ({"track": "/etc/passwd"}, 404),
        ({"track": "../../etc/passwd"}, 404),
        ({"track": "Title 1", "n": 0}, 422),
        ({"track": "Title 1", "n": 501}, 422),
        ({"track": "Title 1", "model": "nothing"}, 400),
        ({"track": ["Title 1"] * 51}, 422),
        ({}, 422),
    ],
)
def test_similar_to_what_cannot_be(still: TestClient, params: dict[str, Any], status: int) -> None:
    answer = still.get("/v1/similar", params=params)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "hint"}


def test_search_is_what_python_gives(client: TestClient, library_address: str) -> None:
    answer = client.get("/v1/search", params={"q": "calm piano -rock", "n": 5, "filter": "bpm > 80"})
    expected = Library(library_address).search("calm piano -rock", n=5, filter="bpm > 80")
    assert ids(answer) == [match.track.id for match in expected]
    assert answer.json()["notes"] == []


def test_words_that_others_stand_in_for_are_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from earmark.library import query, search
    from earmark.service.routes import choosing

    def noting(*arguments: Any) -> query.Query:
        return replace(query.parse_query(*arguments), notes=("no tag is called so; taken for: calm",))

    for module in (search, choosing):
        monkeypatch.setattr(module, "parse_query", noting)
    answer = client.get("/v1/search", params={"q": "calm", "n": 2})  # the note is no warning of the server's
    assert len(ids(answer)) == 2
    assert answer.json()["notes"] == ["no tag is called so; taken for: calm"]


@pytest.mark.parametrize("words", ["", "-", "zzzzqqq", "((("])
def test_words_that_mean_nothing(still: TestClient, words: str) -> None:
    answer = still.get("/v1/search", params={"q": words})
    assert answer.status_code == (400 if words else 422)
    assert answer.json()["error"]


def test_playlists_are_what_python_gives(client: TestClient, library_address: str) -> None:
    wish = {"seeds": ["Title 1"], "length": 5, "no_repeat_artist": 2, "variety": 0.3, "random_seed": 4}
    expected = Library(library_address).playlist(track_id(1), length=5, no_repeat_artist=2, variety=0.3, random_seed=4)
    assert ids(client.post("/v1/playlist", json=wish), "tracks") == [track.id for track in expected]
    moods = client.post("/v1/playlist?tags=1", json={"moods": ["calm:0.2 -> 0.9"], "minutes": 5})
    assert len(ids(moods, "tracks")) >= 3
    assert all(len(track["heard"]["standard"]["tags"]) == 1 for track in moods.json()["tracks"])


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({}, 400),
        ({"seeds": ["nothing"]}, 404),
        ({"seeds": ["/etc/passwd"]}, 404),
        ({"moods": ["zydeco:0.1 -> 0.3"]}, 400),
        ({"seeds": ["Title 1"], "route": "zigzag"}, 422),
        ({"seeds": ["Title 1"], "lenght": 3}, 422),
        ({"seeds": ["Title 1"], "length": 3, "minutes": 5}, 400),
        ({"seeds": ["\ud800"]}, 422),
        ([], 422),
    ],
)
def test_playlists_that_cannot_be(still: TestClient, wish: Any, status: int) -> None:
    import json

    answer = still.post("/v1/playlist", content=json.dumps(wish), headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "hint"}


def test_paths_are_what_python_gives(client: TestClient, library_address: str) -> None:
    answer = client.get("/v1/path", params={"start": "Title 1", "end": "Title 8", "n": 4})
    expected = Library(library_address).path(track_id(1), track_id(8), n=4)
    assert ids(answer, "tracks") == [track.id for track in expected]
    assert ids(answer, "tracks")[0] == track_id(1)
    assert ids(answer, "tracks")[-1] == track_id(8)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"start": "Title 1", "end": "Title 1"}, 400),
        ({"start": "Title 1", "end": "nothing"}, 404),
        ({"start": "Title 1", "end": "Title 2", "n": 1}, 422),
        ({"start": "Title 1"}, 422),
    ],
)
def test_paths_that_cannot_be(still: TestClient, params: dict[str, Any], status: int) -> None:
    assert still.get("/v1/path", params=params).status_code == status
