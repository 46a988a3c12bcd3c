from pathlib import Path
from typing import Any

import pytest

from earmark.library.store import Store
from earmark.service.players.songs import NO_ALBUM, NO_ARTIST, SEVERAL
from earmark.service.players.tree import album_id, artist_id

from ...library.conftest import track_id, track_row

ECLAIRS, BEST = artist_id("The Éclairs"), album_id("The Éclairs", "Best of")


def ids(things: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in things]


def names(things: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in things]


def test_artists_stand_under_their_letters(ask: Any) -> None:
    index = ask("getArtists")["artists"]["index"]
    found = {one["name"]: names(one["artist"]) for one in index}
    assert found == {"A": ["Artist 0", "Artist 1", "Artist 2"], "E": ["The Éclairs"], "G": ["Guest"]}
    assert ask("getIndexes")["indexes"]["index"] == index


def test_indexes_that_did_not_change_are_empty(ask: Any) -> None:
    modified = ask("getIndexes")["indexes"]["lastModified"]
    assert ask("getIndexes", ifModifiedSince=modified)["indexes"]["index"] == []
    assert ask("getIndexes", ifModifiedSince=modified - 1)["indexes"]["index"]


def test_from_artist_to_song(ask: Any) -> None:
    artist = ask("getArtist", id=ECLAIRS)["artist"]
    assert (artist["name"], artist["albumCount"], ids(artist["album"])) == ("The Éclairs", 1, [BEST])
    assert ids(ask("getArtist", id=artist_id("Guest"))["artist"]["album"]) == [BEST]  # with songs by the guest
    album = ask("getAlbum", id=BEST)["album"]
    assert (album["songCount"], album["duration"], album["year"], album["genre"]) == (3, 69 + 70 + 71, 1999, "Pop")
    assert ids(album["song"]) == [track_id(10), track_id(11), track_id(9)]  # discs, then tracks
    assert ids(ask("getAlbum", id=album_id("Artist 0", "Album 0"))["album"]["song"]) == [track_id(i) for i in (2, 1, 0)]


def test_folders_lead_to_the_same_songs(ask: Any) -> None:
    top = ask("getMusicDirectory", id="1")["directory"]["child"]
    assert ECLAIRS in ids(top)
    albums = ask("getMusicDirectory", id=ECLAIRS)["directory"]["child"]
    assert ids(albums) == [BEST]
    assert albums[0]["isDir"]
    songs = ask("getMusicDirectory", id=BEST)["directory"]
    assert songs["parent"] == ECLAIRS
    assert ids(songs["child"]) == [track_id(10), track_id(11), track_id(9)]


def test_genres_of_files_and_heard_ones(ask: Any) -> None:
    genres = {one["value"]: (one["songCount"], one["albumCount"]) for one in ask("getGenres")["genres"]["genre"]}
    assert genres == {"Own": (8, 3), "Pop": (3, 1), "rock": (4, 2)}  # song 0 has none in its file, and sounds like rock
    assert ids(ask("getSongsByGenre", genre="POP", count=2)["songsByGenre"]["song"]) == [track_id(10), track_id(11)]
    assert ids(ask("getSongsByGenre", genre="pop", count=2, offset=2)["songsByGenre"]["song"]) == [track_id(9)]
    assert ask("getSongsByGenre", genre="none")["songsByGenre"]["song"] == []


def test_lists_of_albums(ask: Any) -> None:
    def albums(kind: str, **more: Any) -> list[str]:
        found = ask("getAlbumList2", type=kind, **more)["albumList2"]["album"]
        assert (
            names(found) == [one["title"] for one in ask("getAlbumList", type=kind, **more)["albumList"]["album"]]
            or kind == "random"
        )
        return names(found)

    assert albums("alphabeticalByName") == ["Album 0", "Album 1", "Album 2", "Best of"]
    assert albums("alphabeticalByName", size=2, offset=3) == ["Best of"]
    assert albums("alphabeticalByName", size=0) == []
    assert albums("alphabeticalByArtist")[-1] == "Best of"
    assert sorted(albums("newest")) == sorted(albums("random")) == albums("alphabeticalByName")
    assert len(albums("random", size=2)) == 2
    assert albums("byYear", fromYear=1990, toYear=2000) == albums("byYear", fromYear=2000, toYear=1990) == ["Best of"]
    assert albums("byYear", fromYear=2000, toYear=2010) == []
    assert albums("byGenre", genre="ROCK") == ["Album 0", "Best of"]
    for kind in ("recent", "frequent", "highest", "starred"):  # nothing of it is kept
        assert albums(kind) == []


def test_newest_comes_first(ask: Any, store: Store, music: Path) -> None:
    store.put("tracks", [track_row(20, album="Fresh", artist="Zed", folder=str(music))])
    assert names(ask("getAlbumList2", type="newest")["albumList2"]["album"])[0] == "Fresh"


def test_random_songs(ask: Any) -> None:
    assert len(ask("getRandomSongs")["randomSongs"]["song"]) == 10
    everything = ids(ask("getRandomSongs", size=600)["randomSongs"]["song"])
    assert sorted(everything) == [track_id(i) for i in range(12)]
    assert set(ids(ask("getRandomSongs", fromYear=1999)["randomSongs"]["song"])) == {track_id(i) for i in (9, 10, 11)}
    assert ask("getRandomSongs", toYear=1998)["randomSongs"]["song"] == []
    assert len(ask("getRandomSongs", genre="pop", size=2)["randomSongs"]["song"]) == 2


def test_search(ask: Any) -> None:
    def search(query: str, **more: Any) -> tuple[list[str], list[str], list[str]]:
        found = ask("search3", query=query, **more)["searchResult3"]
        return names(found["artist"]), names(found["album"]), [one["title"] for one in found["song"]]

    assert search("ECLAIRS best") == ([], ["Best of"], ["Title 10", "Title 11", "Title 9"])
    assert search("éclairs")[0] == ["The Éclairs"]
    assert search("title 1*")[2][0] in ("Title 1", "Title 10")
    assert search("zzz") == ([], [], [])
    for query in ("", '""', " "):
        everything = search(query, songCount=100)
        assert [len(one) for one in everything] == [5, 4, 12]
    pages = [search("", songCount=5, songOffset=i, albumCount=0, artistCount=0)[2] for i in (0, 5, 10, 15)]
    assert [len(page) for page in pages] == [5, 5, 2, 0]
    assert sorted(title for page in pages for title in page) == sorted(search("", songCount=99)[2])
    assert ask("search2", query="best")["searchResult2"]["album"][0]["isDir"]
    assert len(ask("search3")["searchResult3"]["song"]) == 12  # as some players ask


def test_albums_of_several_artists(ask: Any, store: Store, music: Path) -> None:
    rows = [track_row(i, folder=f"{music}/mix", album="Mix", artist=f"Singer {i}") for i in (20, 21)]
    rows += [track_row(22, folder=str(music), album="", artist="", title="")]
    rows += [track_row(23, folder=f"{music}/own", album="Mix", artist="Singer 20")]
    store.put("tracks", rows)
    mix = ask("getAlbum", id=album_id(SEVERAL, "Mix"))["album"]
    assert (mix["artist"], ids(mix["song"])) == (SEVERAL, [track_id(20), track_id(21)])
    assert ids(ask("getAlbum", id=album_id("Singer 20", "Mix"))["album"]["song"]) == [track_id(23)]
    unknown = ask("getAlbum", id=album_id(NO_ARTIST, NO_ALBUM))["album"]
    assert [one["title"] for one in unknown["song"]] == ["22"]  # the name of its file


def test_only_songs_in_the_folders_of_music_are_there(ask: Any, store: Store, music: Path) -> None:
    (music / "link").symlink_to(music.parent)
    for i, folder in ((30, "/etc"), (31, f"{music}/../x"), (32, f"{music}/link/x"), (33, f"{music}2")):
        store.put("tracks", [track_row(i, folder=folder)])
    store.put("tracks", [{"id": track_id(8), "files": [], "path_text": ""}])
    assert ask("getScanStatus")["scanStatus"]["count"] == 11
    for i in (8, 30, 31, 32, 33):
        assert ask("getSong", id=track_id(i))["error"]["code"] == 70


def test_an_empty_catalogue_is_answered(tmp_path: Any) -> None:
    from earmark.service.players.calls import Call, Players
    from earmark.service.players.methods import METHODS
    from earmark.service.players.parameters import Parameters
    from earmark.service.settings import make_settings
    from earmark.service.state import Service

    service = Service(make_settings(library=tmp_path / "none", data=tmp_path / "data"))
    call = Call(Players(service), Parameters([("query", ""), ("type", "random")]), "anna")
    assert METHODS["search3"](call) == {"searchResult3": {"artist": [], "album": [], "song": []}}
    assert METHODS["getAlbumList2"](call) == {"albumList2": {"album": []}}
    extensions = METHODS["getOpenSubsonicExtensions"](call)
    assert isinstance(extensions, dict)
    assert [one["name"] for one in extensions["openSubsonicExtensions"]] == ["apiKeyAuthentication", "formPost"]
    service.close()


def test_the_tree_is_read_again_when_the_catalogue_changed(service: Any, store: Store, music: Path) -> None:
    from earmark.service.players.tree import Shelf

    now = [0.0]

    def clock() -> float:
        now[0] += 1.0  # reading takes a second
        return now[0]

    shelf = Shelf(service, clock=clock)
    first = shelf.tree()
    store.put("tracks", [track_row(40, folder=str(music))])
    assert shelf.tree() is first  # read a moment ago
    now[0] += 100
    second = shelf.tree()
    assert len(second.songs) == len(first.songs) + 1
    now[0] += 100
    assert shelf.tree() is second
    assert set(first.albums) < set(second.albums)
    assert pytest.approx(second.modified.timestamp(), abs=60) == first.modified.timestamp()
