"""Every answer has the fields that the API's documents give it, of their types; XML says the same as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from earmark.service.players.methods import METHODS
from earmark.service.players.tree import album_id, artist_id

from ...library.conftest import track_id

CONTRACT = json.loads((Path(__file__).parents[2] / "golden" / "subsonic.json").read_text())
OBJECTS: Mapping[str, Mapping[str, str]] = CONTRACT["objects"]
PLAIN = {"string": str, "int": int, "boolean": bool}
NAMES = {
    "SONG": track_id(9), "OTHER": track_id(0), "ALBUM": album_id("The Éclairs", "Best of"),
    "ARTIST": artist_id("the eclairs"),
}  # fmt: skip
SPACE = "{http://subsonic.org/restapi}"


def check(value: Any, kind: str, place: str) -> None:
    """Fail if a value is not what the contract says."""
    if kind.startswith("["):
        assert isinstance(value, list), place
        for one in value:
            check(one, kind[1:-1], f"{place}[]")
    elif kind == "number":
        assert isinstance(value, int | float), place
        assert not isinstance(value, bool), place
    elif kind in PLAIN:
        assert type(value) is PLAIN[kind], f"{place} is {value!r}, not {kind}"
    else:
        check_object(value, kind, place)


def check_object(value: Any, kind: str, place: str) -> None:
    fields = {name.removesuffix("!"): one for name, one in OBJECTS[kind].items()}
    assert isinstance(value, dict), place
    for name in OBJECTS[kind]:
        assert not name.endswith("!") or name[:-1] in value, f"{place} lacks {name[:-1]}"
    for name, one in value.items():
        assert name in fields, f"{place} has {name}, which the API does not know"
        check(one, fields[name], f"{place}.{name}")


def same(node: ElementTree.Element, value: Any, place: str) -> None:
    """Fail if an element of XML does not say what JSON does."""
    if not isinstance(value, dict):
        assert (node.text or "") == text(value), place
        return
    plain = {name: text(one) for name, one in value.items() if not isinstance(one, dict | list) and name != "value"}
    assert dict(node.attrib) == plain, place
    assert (node.text or "") == text(value.get("value", "")), place
    children: list[tuple[str, Any]] = []
    for name, one in value.items():
        if isinstance(one, list):
            children += [(name, each) for each in one]
        elif isinstance(one, dict):
            children.append((name, one))
    assert [child.tag.removeprefix(SPACE) for child in node] == [name for name, _ in children], place
    for child, (name, one) in zip(node, children, strict=True):
        same(child, one, f"{place}.{name}")


def text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


@pytest.fixture
def names(players: Any) -> dict[str, str]:
    return {**NAMES, "PLAYLIST": players.playlists.create("Evening", "anna", [track_id(9), track_id(0)]).id}


def test_answers_have_the_shape_that_the_api_gives_them(client: Any, key: str, names: dict[str, str]) -> None:
    for method, given, holds in CONTRACT["requests"]:
        parameters = {name: names.get(value, value) for name, value in given.items()} | {"apiKey": key}
        answer = client.get(f"/rest/{method}", params=parameters | {"f": "json"})
        assert answer.headers["content-type"] == "application/json", method
        body = answer.json()["subsonic-response"]
        check_object(body, "Response", method)
        assert body["status"] == ("failed" if "error" in holds else "ok"), (method, body)
        assert (body["version"], body["type"], body["openSubsonic"]) == ("1.16.1", "earmark", True)
        assert list(body)[5:] == holds, method
        xml = client.get(f"/rest/{method}.view", params=parameters)
        assert xml.headers["content-type"].startswith("application/xml"), method
        root = ElementTree.fromstring(xml.content)
        assert root.tag == f"{SPACE}subsonic-response"
        same(root, body, method)


def test_the_contract_is_about_every_method() -> None:
    rest = {"star", "unstar", "setRating", "getRandomSongs"} | {"stream", "download", "getCoverArt"}
    rest |= {"createPlaylist", "updatePlaylist", "deletePlaylist"}  # tested where they change something
    assert set(METHODS) == {request[0] for request in CONTRACT["requests"]} | rest


def test_a_song_field_by_field(ask: Any) -> None:
    song = ask("getSong", id=track_id(9))["song"]
    album, eclairs, guest = NAMES["ALBUM"], NAMES["ARTIST"], artist_id("Guest")
    created = song.pop("created")
    assert created.endswith("Z")
    assert song == {
        "id": track_id(9), "parent": album, "isDir": False, "title": "Title 9", "album": "Best of",
        "artist": "The Éclairs; Guest", "track": 9, "discNumber": 2, "year": 1999, "genre": "Pop", "bitRate": 320,
        "coverArt": track_id(9), "size": 1009, "contentType": "audio/mpeg", "suffix": "mp3", "duration": 69,
        "samplingRate": 44100, "channelCount": 2, "path": "The Éclairs/Best of/09 - Title 9.mp3", "isVideo": False,
        "albumId": album, "artistId": eclairs, "type": "music", "mediaType": "song", "bpm": 150,
        "sortName": "title 9", "musicBrainzId": "189002e7-3285-4e2e-92a3-7f6c30d407a2", "isrc": ["USABC1234567"],
        "genres": [{"name": "Pop"}, {"name": "Rock"}],
        "artists": [{"id": eclairs, "name": "The Éclairs"}, {"id": guest, "name": "Guest"}],
        "displayArtist": "The Éclairs; Guest", "albumArtists": [{"id": eclairs, "name": "The Éclairs"}],
        "displayAlbumArtist": "The Éclairs", "moods": ["calm"],
    }  # fmt: skip


def test_audiomuse_answers_have_their_shape(client: Any) -> None:
    check_object(client.get("/AudioMuseAI/info").json(), "AudioMuseInfo", "info")
    for prefix in ("/AudioMuseAI", "/AudioMuseAI/api"):
        tracks = client.get(f"{prefix}/similar_tracks", params={"item_id": track_id(0)}).json()
        assert tracks
        check(tracks, "[AudioMuseTrack]", prefix)
        ends = {"start_song_id": track_id(0), "end_song_id": track_id(9), "max_steps": 5}
        way = client.get(f"{prefix}/find_path", params=ends).json()
        assert len(way["path"]) == 5
        check_object(way, "AudioMusePath", prefix)
