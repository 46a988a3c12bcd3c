"""How requests come, and what is said where they are wrong."""

from typing import Any
from xml.etree import ElementTree

import pytest

from earmark.service.players.answers import to_xml

from ...library.conftest import track_id


def error(ask: Any, method: str, **parameters: Any) -> tuple[int, str]:
    found = ask(method, **parameters)["error"]
    return found["code"], found["message"]


def test_forms_and_suffixes(client: Any, key: str) -> None:
    song = {"id": track_id(3), "apiKey": key, "f": "json"}
    by_get = client.get("/rest/getSong", params=song).json()
    assert by_get["subsonic-response"]["song"]["id"] == track_id(3)
    assert client.get("/rest/getSong.view", params=song).json() == by_get
    assert client.post("/rest/getSong.view", data=song).json() == by_get
    assert client.post("/rest/getSong", params={"id": song["id"]}, data={"apiKey": key, "f": "json"}).json() == by_get
    as_json = client.post("/rest/getSong", params={"f": "json"}, json=song).json()["subsonic-response"]
    assert as_json["error"]["code"] == 10  # a body that is no form is not read
    assert client.head("/rest/ping", params=song).status_code == 200


def test_players_in_browsers_may_read_answers(client: Any, key: str) -> None:
    answer = client.get("/rest/ping", params={"apiKey": key})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_missing_or_wrong_is_said(ask: Any, client: Any, key: str) -> None:
    assert error(ask, "getSong") == (10, "required parameter is missing: id (or path, or mbid)")
    assert error(ask, "getSong", id="x") == (70, "there is no song 'x'")
    assert error(ask, "getAlbum", id="x")[0] == error(ask, "getArtist", id="x")[0] == 70
    assert error(ask, "getMusicDirectory", id="x")[0] == error(ask, "getSimilarSongs", id="x")[0] == 70
    assert error(ask, "getAlbumList2")[0] == 10
    assert error(ask, "getAlbumList2", type="best") == (
        0,
        "type is 'best', which is no list of albums (such as newest or byYear)",
    )
    assert error(ask, "getAlbumList2", type="newest", size="ten") == (0, "size is 'ten', expected a whole number")
    assert error(ask, "getAlbumList2", type="newest", size="-1")[0] == 0
    assert error(ask, "getAlbumList2", type="newest", size="٣")[0] == 0
    assert error(ask, "getAlbumList2", type="byYear", fromYear="1990") == (10, "required parameter is missing: toYear")
    assert error(ask, "star", id=track_id(0)) == (50, "stars and ratings are not kept here")
    assert error(ask, "scrobble", id="x")[0] == 70
    unknown = client.get("/rest/getPodcasts", params={"f": "json", "apiKey": key})
    assert unknown.status_code == 404
    assert unknown.json()["subsonic-response"]["error"]["code"] == 0
    jsonp = client.get("/rest/ping", params={"f": "jsonp", "callback": "alert", "apiKey": key})
    assert "expected json or xml" in jsonp.text
    assert "alert" not in jsonp.text


def test_a_long_message_is_cut(ask: Any) -> None:
    assert len(error(ask, "getSong", id="x" * 5000)[1]) < 200
    assert len(error(ask, "getSong", path="x" * 5000)[1]) < 300


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "<&\"'>", "\x07bell", "\uffff", "line\nbreak"])
def test_no_text_breaks_xml(text: str) -> None:
    root = ElementTree.fromstring(to_xml({"a": text, "b": [{"value": text}], "c": [text]}))
    assert len(root) == 2


def test_odd_bytes_do_no_harm(client: Any, key: str) -> None:
    for query in ("id=%00%ff%fe", "id=%ed%a0%80", "&&=&id", "path=%00", "mbid=%00"):
        answer = client.get(f"/rest/getSong?apiKey={key}&f=json&{query}")
        assert answer.json()["subsonic-response"]["error"]["code"] in (10, 70)


def test_the_document_of_the_service_holds_it(client: Any) -> None:
    paths = client.app.openapi()["paths"]
    assert set(paths["/rest/{method}"]) == {"get", "post"}
    given = {one["name"] for one in paths["/AudioMuseAI/similar_tracks"]["get"]["parameters"]}
    assert {"item_id", "path", "mbid", "n"} <= given
