"""Tracks page by page, one track, and ETags that hold as long as the catalogue does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from earmark.library.store import Store
from earmark.plain_data import decode_array

from ...library.conftest import TAGS, track_id, track_row


@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_pages_hold_every_track_once(still: TestClient, limit: int) -> None:
    ids, cursor, n_pages = [], None, 0
    while True:
        answer = still.get("/v1/tracks", params={"limit": limit} | ({"cursor": cursor} if cursor else {})).json()
        ids += [track["id"] for track in answer["tracks"]]
        assert answer["total"] == 12
        n_pages += 1
        cursor = answer["next"]
        if cursor is None:
            break
    assert ids == [track_id(i) for i in range(12)]
    assert n_pages == -(-12 // limit)


def test_a_page_goes_on_though_tracks_came_and_went(client: TestClient, library_address: str) -> None:
    first = client.get("/v1/tracks?limit=4").json()
    store = Store(library_address)
    store.delete("tracks", [track_id(1), track_id(3)])
    store.put("tracks", [track_row(20)])
    second = client.get(f"/v1/tracks?limit=20&cursor={first['next']}").json()
    assert [track["id"] for track in second["tracks"]] == [track_id(i) for i in (*range(4, 12), 20)]


def test_filters(still: TestClient) -> None:
    answer = still.get("/v1/tracks", params={"filter": "artist:'Artist 1' and bpm > 90", "tags": 2}).json()
    assert [track["title"] for track in answer["tracks"]] == ["Title 4", "Title 5"]
    assert (answer["total"], answer["next"]) == (2, None)
    tags = answer["tracks"][0]["heard"]["standard"]["tags"]
    assert len(tags) == 2
    assert list(tags.values()) == sorted(tags.values(), reverse=True)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"filter": "nonsense"}, "'nonsense' is no condition"),
        ({"filter": "genre:zydeco"}, "there is no"),
        ({"filter": "(" * 300}, "more than 20 things"),
        ({"filter": "title:a\0b"}, "no text can hold"),
        ({"cursor": "' OR true"}, "the cursor is none"),
        ({"cursor": "z" * 32}, "the cursor is none"),
    ],
)
def test_what_is_no_filter_or_cursor(still: TestClient, query: dict[str, str], error: str) -> None:
    answer = still.get("/v1/tracks", params=query)
    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_long_filters_are_refused(still: TestClient) -> None:
    assert still.get("/v1/tracks", params={"filter": "a" * 3000}).status_code == 422


def test_one_track(client: TestClient, music: Path) -> None:
    answer = client.get(f"/v1/tracks/{track_id(7)}")
    track = answer.json()
    assert (track["title"], track["artist"], track["paths"]) == ("Title 7", "Artist 2", [str(music / "7.mp3")])
    assert set(track["heard"]["standard"]["tags"]) == set(TAGS)
    assert "embedding" not in track["heard"]["standard"]
    more = client.get(f"/v1/tracks/{track_id(7)}?embeddings=true&tags=0").json()["heard"]["standard"]
    assert more["tags"] == {}
    rng = np.random.default_rng(7)
    rng.random(len(TAGS))
    assert np.array_equal(decode_array(more["embedding"]), rng.random(8).astype(np.float32))


@pytest.mark.parametrize("name", ["f" * 32, "nothing", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "..%5c..%5cboot.ini"])
def test_tracks_that_are_not_there(still: TestClient, name: str) -> None:
    answer = still.get(f"/v1/tracks/{name}")
    assert answer.status_code == 404
    assert answer.json()["hint"]


def test_what_has_not_changed_is_not_sent_again(client: TestClient, library_address: str) -> None:
    for path in ("/v1/tracks", f"/v1/tracks/{track_id(1)}", "/v1/similar?track=Title 1", "/v1/search?q=calm"):
        first = client.get(path)
        tag = first.headers["etag"]
        again = client.get(path, headers={"if-none-match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get(path, headers={"if-none-match": '"other"'}).json() == first.json()
    tag = client.get("/v1/tracks").headers["etag"]
    assert client.get("/v1/tracks?limit=3").headers["etag"] != tag
    Store(library_address).put("tracks", [track_row(12)])
    changed = client.get("/v1/tracks", headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.json()["total"] == 13


def test_an_empty_catalogue(make_client: Callable[..., TestClient], tmp_path: Path) -> None:
    client = make_client(library=str(tmp_path / "empty"))
    assert client.get("/v1/tracks").json() == {"tracks": [], "total": 0, "next": None}
    assert client.get("/readyz").status_code == 200
    answer = client.get("/v1/search?q=calm")
    assert answer.status_code == 400
