"""An independent client of the OpenSubsonic API against the service as it runs: on a port, behind its guard."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from earmark.service.app import create_app
from earmark.service.players.passwords import Passwords
from earmark.service.serving import listen
from earmark.service.settings import Settings

from ...library.conftest import track_id

libopensonic = pytest.importorskip("libopensonic")
uvicorn = pytest.importorskip("uvicorn")


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    """The port of a running service."""
    app = create_app(settings)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


Use = Callable[..., Any]


@pytest.fixture
def connect(port: int) -> Iterator[Use]:
    """Make a client; options are those of the library's."""
    made: list[Any] = []

    def connect(**options: Any) -> Any:
        made.append(libopensonic.Connection("http://127.0.0.1", port=port, **options))
        return made[-1]

    yield connect
    for one in made:
        one.cleanup()
        one._loop.close()  # which the library leaves open


@pytest.mark.parametrize("use_get", [False, True])
def test_a_client_browses_searches_and_makes_playlists(connect: Use, key: str, use_get: bool) -> None:
    client = connect(api_key=key, use_get=use_get, use_views=use_get)
    assert client.ping()
    assert {one.name for one in client.get_open_subsonic_extensions()} == {
        "apiKeyAuthentication", "formPost", "sonicSimilarity",
    }  # fmt: skip
    assert client.token_info().username == "kitchen radio"
    assert client.get_license()["license"]["valid"]
    assert client.get_user("kitchen radio").stream_role
    assert client.get_scan_status().count == 12
    artists = {one.name: one for index in client.get_artists().index for one in index.artist}
    album = client.get_artist(artists["The Éclairs"].id).album[0]
    songs = client.get_album(album.id).song
    assert [song.id for song in songs] == [track_id(10), track_id(11), track_id(9)]
    assert client.get_song(track_id(9)).genres[0].name == "Pop"
    assert [one.name for one in client.get_album_list2("byYear", from_year=1999, to_year=1999)] == ["Best of"]
    assert {one.value for one in client.get_genres()} == {"Own", "Pop", "rock"}
    assert len(client.get_random_songs(size=4)) == 4
    assert len(client.get_songs_by_genre("Pop")) == 3
    found = client.search3("eclairs best")
    assert [one.name for one in found.album] == ["Best of"]
    assert len(client.search3("", song_count=100).song) == 12
    assert client.get_starred2().song == []
    assert client.scrobble(track_id(1))

    alike = client.get_sonic_similar_tracks(track_id(0), count=3)
    assert [one.similarity for one in alike] == sorted((one.similarity for one in alike), reverse=True)
    way = client.find_sonic_path(track_id(0), track_id(9), count=4)
    assert (way[0].entry.id, way[-1].entry.id, len(way)) == (track_id(0), track_id(9), 4)

    client.create_playlist(name="Évening & more", song_ids=[one.entry.id for one in way])
    playlist = client.get_playlists()[0]
    client.update_playlist(playlist.id, name="Night", song_ids_to_add=[track_id(5)], song_indices_to_remove=[0, 1])
    assert [one.id for one in client.get_playlist(playlist.id).entry] == [way[2].entry.id, track_id(9), track_id(5)]
    assert client.delete_playlist(playlist.id)
    assert client.get_playlists() == []
    with pytest.raises(libopensonic.errors.DataNotFoundError, match="there is no song"):
        client.get_song("nobody")


def test_a_client_logs_in_by_token_and_salt(connect: Use, settings: Settings) -> None:
    password = Passwords(settings.data).add("anna")
    assert connect(username="anna", password=password).get_user("anna").username == "anna"
    with pytest.raises(libopensonic.errors.CredentialError, match="wrong username or password"):
        connect(username="anna", password="guess").get_genres()


def test_a_client_plays(connect: Use, key: str, music: Path) -> None:
    (music / "3.mp3").write_bytes(bytes(range(256)))
    (music / "cover.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    client = connect(api_key=key)

    def read(answer: Any) -> bytes:
        data: bytes = asyncio.run_coroutine_threadsafe(answer.read(), client._loop).result(10)
        return data

    assert read(client.stream(track_id(3))) == read(client.download(track_id(3))) == bytes(range(256))
    assert read(client.get_cover_art(track_id(3))) == b"\xff\xd8\xff" + bytes(50)
    with pytest.raises(libopensonic.errors.DataNotFoundError, match="is gone"):
        client.stream(track_id(4))


def test_the_key_is_asked_for_though_the_address_is_local(
    port: int, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"http://127.0.0.1:{port}"
    with caplog.at_level("INFO", logger="earmark.service.access"), httpx.Client(base_url=address) as client:
        from_page = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        answer = client.get("/rest/getGenres?f=json", headers=from_page)
        assert answer.json()["subsonic-response"]["error"]["code"] == 10
        assert client.get("/rest/getGenres", params={"f": "json", "apiKey": key}, headers=from_page).status_code == 200
        assert client.get("/AudioMuseAI/info", headers=from_page).status_code == 403
        assert client.get("/AudioMuseAI/info").status_code == 200
    assert key not in caplog.text
    assert "token kitchen radio GET /rest/getGenres" in caplog.text
