"""What sounds alike: what Python finds, in [0, 1], among the songs that players may have; ids of other servers."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from earmark.library.facade import Library
from earmark.library.store import Store
from earmark.service.players.failures import Failure
from earmark.service.players.sonic import path_of_songs, similar_songs

from ...library.conftest import track_id, track_row
from .conftest import MBID


def pairs(body: dict[str, Any]) -> list[tuple[str, float]]:
    return [(one["entry"]["id"], one["similarity"]) for one in body["sonicMatch"]]


def test_similar_tracks_are_those_that_python_finds(ask: Any, store: Store) -> None:
    expected = Library(store.address).similar(track_id(0), n=4)
    found = pairs(ask("getSonicSimilarTracks", id=track_id(0), count=4))
    assert [key for key, _ in found] == [match.track.id for match in expected]
    assert [value for _, value in found] == pytest.approx([(1 + match.similarity) / 2 for match in expected], abs=1e-5)
    assert len(pairs(ask("getSonicSimilarTracks", id=track_id(0)))) == 10
    assert len(pairs(ask("getSonicSimilarTracks", id=track_id(0), count=400))) == 11
    assert pairs(ask("getSonicSimilarTracks", id=track_id(0), count=0)) == []


def test_a_path_leads_from_one_song_to_the_other(ask: Any, store: Store) -> None:
    expected = [track.id for track in Library(store.address).path(track_id(0), track_id(7), n=5)]
    found = pairs(ask("findSonicPath", startSongId=track_id(0), endSongId=track_id(7), count=5))
    assert [key for key, _ in found] == expected
    assert (found[0], found[-1][0]) == ((track_id(0), 1.0), track_id(7))
    alike = dict(pairs(ask("getSonicSimilarTracks", id=track_id(0), count=50)))
    assert [value for _, value in found[1:]] == pytest.approx([alike[key] for key, _ in found[1:]], abs=1e-5)
    assert pairs(ask("findSonicPath", startSongId=track_id(3), endSongId=track_id(3))) == [(track_id(3), 1.0)]
    for name in ("startSongId", "endSongId"):
        assert ask("findSonicPath", **{name: track_id(1)})["error"]["code"] == 10
    assert ask("findSonicPath", startSongId=track_id(1), endSongId="x")["error"]["code"] == 70
    assert ask("findSonicPath", startSongId=track_id(1), endSongId=track_id(2), count=1)["error"]["code"] == 0


def test_songs_elsewhere_are_not_found(players: Any, service: Any, store: Store) -> None:
    store.put("tracks", [track_row(i, folder="/elsewhere") for i in range(12, 60)])
    tree = players.shelf.tree()
    everything = similar_songs(service, tree, [tree.songs[track_id(0)]], 11)
    assert {song.id for song, _ in everything} == {track_id(i) for i in range(1, 12)}
    values = [value for _, value in everything]
    assert values == sorted(values, reverse=True)
    for n in (5, 20):
        way = path_of_songs(service, tree, tree.songs[track_id(0)], tree.songs[track_id(9)], n)
        assert (way[0][0].id, way[-1][0].id) == (track_id(0), track_id(9))
        assert all(song.id in tree.songs for song, _, _ in way)


def test_one_song_of_each_artist(players: Any, service: Any) -> None:
    tree = players.shelf.tree()
    found = similar_songs(service, tree, [tree.songs[track_id(0)]], 10, one_per_artist=True)
    artists = [song.artist for song, _ in found]
    assert sorted(artists) == ["Artist 0", "Artist 1", "Artist 2", "The Éclairs; Guest"]
    everything = similar_songs(service, tree, [tree.songs[track_id(0)]], 11)
    assert [pair[0].id for pair in found] == [
        next(song.id for song, _ in everything if song.artist == artist) for artist in artists
    ]


def test_albums_and_artists_have_similar_songs(ask: Any) -> None:
    album = ask("getSong", id=track_id(9))["song"]["albumId"]
    artist = ask("getSong", id=track_id(9))["song"]["artistId"]
    by_album = [one["id"] for one in ask("getSimilarSongs", id=album)["similarSongs"]["song"]]
    assert len(by_album) == 9
    assert not {track_id(i) for i in (9, 10, 11)} & set(by_album)
    assert [one["id"] for one in ask("getSimilarSongs2", id=artist, count=9)["similarSongs2"]["song"]] == by_album
    assert len(ask("getSimilarSongs", id=track_id(0), count=3)["similarSongs"]["song"]) == 3


def test_a_song_that_nobody_heard_is_no_seed(players: Any, service: Any, store: Store, music: Any) -> None:
    row = track_row(30, folder=str(music))
    store.put("tracks", [{name: value for name, value in row.items() if "__standard" not in name}])
    tree = players.shelf.tree()
    with pytest.raises(Failure, match="has not heard it") as caught:
        similar_songs(service, tree, [tree.songs[track_id(30)]], 3)
    assert caught.value.code == 70
    with pytest.raises(Failure, match="has not heard it"):
        path_of_songs(service, tree, tree.songs[track_id(0)], tree.songs[track_id(30)], 3)


def test_other_servers_name_songs_by_path(ask: Any) -> None:
    known = {
        "/navidrome/Best/9.mp3": 9, "Best/9.mp3": 9, "9.mp3": 9, "D:\\Music\\Best\\9.mp3": 9, "/other/music/3.mp3": 3,
        "./music//3.mp3": 3,
    }  # fmt: skip
    for path, i in known.items():
        assert ask("getSong", path=path)["song"]["id"] == track_id(i), path
    for path in ("/elsewhere/3.mp3", "Worst/9.mp3", "3.MP3", "../../music/3.mp3", "/", "."):
        assert ask("getSong", path=path)["error"]["code"] == 70, path
    assert ask("getSong", path="")["error"]["code"] == 10


def test_a_path_that_fits_two_songs_is_no_name(ask: Any, store: Store, music: Any) -> None:
    store.put("tracks", [track_row(9, folder=f"{music}/Best"), track_row(40, folder=f"{music}/Other/Best") | {"files": [
        {"path": f"{music}/Other/Best/9.mp3".encode(), "size": 1, "mtime_ns": 1}]}])  # fmt: skip
    error = ask("getSong", path="Best/9.mp3")["error"]
    assert (error["code"], track_id(9) in error["message"], track_id(40) in error["message"]) == (0, True, True)
    assert ask("getSong", path="Other/Best/9.mp3")["song"]["id"] == track_id(40)


def test_other_servers_name_songs_by_recording(ask: Any) -> None:
    assert ask("getSong", mbid=MBID.upper())["song"]["id"] == track_id(9)
    assert ask("getSong", mbid="x")["error"]["code"] == 70
    by_mbid = ask("getSonicSimilarTracks", mbid=MBID)
    assert by_mbid == ask("getSonicSimilarTracks", id=track_id(9)) == ask("getSonicSimilarTracks", path="Best/9.mp3")
    by_path = ask("findSonicPath", startPath="Best/9.mp3", endMbid=MBID)
    assert pairs(by_path) == [(track_id(9), 1.0)]


def test_audiomuse(client: Any) -> None:
    assert client.get("/AudioMuseAI/health").content == b""
    info = client.get("/AudioMuseAI/info").json()["AvailableEndpoints"]
    assert info == ["GET /AudioMuseAI/find_path", "GET /AudioMuseAI/health", "GET /AudioMuseAI/similar_tracks"]

    def similar(where: str = "/AudioMuseAI/similar_tracks", **given: Any) -> Any:
        return client.get(where, params=given)

    tracks = similar(item_id=track_id(0), n=20, eliminate_duplicates="false").json()
    assert len(tracks) == 11
    distances = [one["distance"] for one in tracks]
    assert distances == sorted(distances)
    assert 0 <= distances[0] < distances[-1] <= 1
    assert set(tracks[0]) == {"author", "distance", "item_id", "title", "album"}
    assert len(similar(item_id=track_id(0), n=20).json()) == 4  # one of each artist
    assert len(similar(item_id=track_id(0)).json()) == 4
    as_guid = "00000000-0000-0000-0000-000000000000"
    for named in ({"item_id": as_guid}, {"path": "music/0.mp3"}, {"title": "title 0", "artist": "ARTIST 0"}):
        assert similar(n=20, eliminate_duplicates="false", **named).json() == tracks
    for named in ({}, {"item_id": "x"}, {"title": "x", "artist": "y"}, {"title": "Title 0"}):
        assert similar(**named).json() == []
    own = "/AudioMuseAI/api/similar_tracks"
    assert similar(own, item_id=track_id(0), radius_similarity="true").json() == similar(item_id=track_id(0)).json()
    assert (similar(own).status_code, similar(own, item_id="x").status_code) == (400, 404)
    assert set(similar(own).json()) == {"error", "hint"}
    assert similar(item_id=track_id(0), n="x").status_code == 400


def test_audiomuse_paths(client: Any) -> None:
    ends = {"start_song_id": track_id(0), "end_song_id": track_id(9)}
    found = client.get("/AudioMuseAI/find_path", params=ends | {"max_steps": 4}).json()
    assert [one["item_id"] for one in found["path"]][::3] == [track_id(0), track_id(9)]
    assert found["path"][0] == {
        "item_id": track_id(0), "title": "Title 0", "author": "Artist 0", "album": "Album 0", "tempo": 60.0, "key": "A",
        "scale": "minor",
    }  # fmt: skip
    steps = []
    for a, b in pairwise(one["item_id"] for one in found["path"]):
        near = client.get("/AudioMuseAI/similar_tracks", params={"item_id": a, "n": 50, "eliminate_duplicates": "no"})
        steps.append(next(one["distance"] for one in near.json() if one["item_id"] == b))
    assert found["total_distance"] == pytest.approx(np.sum(steps), abs=1e-5)
    assert client.get("/AudioMuseAI/find_path", params={"start_song_id": track_id(0)}).status_code == 400
    nothing = client.get("/AudioMuseAI/find_path", params=ends | {"end_song_id": "x"})
    assert (nothing.status_code, nothing.json()) == (200, {"path": [], "total_distance": 0.0})
    assert client.get("/AudioMuseAI/api/find_path", params=ends | {"end_song_id": "x"}).status_code == 404
    by_path = {"start_path": "music/0.mp3", "end_mbid": MBID, "max_steps": 4}
    assert client.get("/AudioMuseAI/api/find_path", params=by_path).json() == found


def test_audiomuse_while_nothing_was_heard(tmp_path: Any) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from earmark.service import errors
    from earmark.service.players.routes import router
    from earmark.service.settings import make_settings
    from earmark.service.state import Service

    service = Service(make_settings(library=tmp_path / "none", data=tmp_path / "data"))
    app = FastAPI()
    errors.register(app)
    app.include_router(router(service))
    client = TestClient(app)
    assert client.get("/AudioMuseAI/info").json()["AvailableEndpoints"] == []
    assert client.get("/AudioMuseAI/health").status_code == 404
    service.close()
