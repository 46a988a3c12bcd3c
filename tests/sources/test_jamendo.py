"""Likes of Jamendo, in answers as its documentation shows them; audio under licences that allow a copy."""

import traceback
from pathlib import Path
from typing import Any

import pytest

from earmark.errors import EarmarkError, InputError, SourceError, UsageError
from earmark.sources import jamendo
from earmark.sources.cache import Cache
from earmark.sources.http import Api
from earmark.sources.jamendo import credit, fetch_audio, forget, jamendo_likes, licence_name, may_be_analysed, search
from earmark.sources.likes import Like

from .conftest import Asked, Reply, Server, Time

USER = {"id": "972174", "name": "claudod", "dispname": "Claudod", "lang": "en", "creationdate": "2010-10-17"}
BY = "http://creativecommons.org/licenses/by-nc-nd/3.0/"


def answer(results: Any, **headers: Any) -> Reply:
    given = {"status": "success", "code": 0, "error_message": "", "warnings": "", "results_count": len(results)}
    return Reply({"headers": given | headers, "results": results})


def failed(code: int) -> Reply:
    """Refuse as Jamendo does: with status 200, and with what was asked in the message."""
    message = "client_id key-of-mine is wrong"
    return answer([], status="failed", code=code, error_message=message)


def liked(number: int, **changed: Any) -> dict[str, Any]:
    """A track as `users/tracks` tells it."""
    return {
        "id": str(number),
        "name": f"Title {number}",
        "releasedate": "2009-07-23",
        "artist_id": "351716",
        "duration": "233",
        "artist_name": "Diablo Swing Orchestra",
        "license_ccurl": BY,
        "updatedate": "2014-02-18 15:39:55",
        "audio": f"https://prod-1.storage.jamendo.com/?trackid={number}&format=mp31&from=app-devsite",
        "audiodownload": f"https://prod-1.storage.jamendo.com/download/track/{number}/mp32/",
        "relations": {"review": "10", "favorite": "0", "like": "1"},
        "audiodownload_allowed": True,
    } | changed


def full(number: int, **changed: Any) -> dict[str, Any]:
    """A track as `tracks` tells it."""
    return (
        liked(number)
        | {
            "duration": 233,
            "album_name": "The Butcher's Ballroom",
            "shareurl": f"https://www.jamendo.com/track/{number}",
            "musicinfo": {
                "vocalinstrumental": "vocal",
                "lang": "en",
                "gender": "female",
                "acousticelectric": "electric",
                "speed": "high",
                "tags": {
                    "genres": ["metal", "swing"],
                    "instruments": ["electricguitar"],
                    "vartags": ["metal", "groovy"],
                },
            },
        }
        | changed
    )


@pytest.fixture(autouse=True)
def service(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Jamendo with one user, who likes 5 tracks."""
    monkeypatch.setenv("EARMARK_JAMENDO_CLIENT_ID", "key-of-mine")
    monkeypatch.setattr(jamendo, "PAGE", 2)
    monkeypatch.setattr(jamendo, "MOST_IDS", 3)

    def users(asked: Asked) -> Reply:
        return answer([USER] if asked.query.get("name") == "claudod" or asked.query.get("id") == "972174" else [])

    def likes(asked: Asked) -> Reply:
        begin, size = int(asked.query["offset"]), int(asked.query["limit"])
        tracks = [liked(i) for i in range(1, 6)][begin : begin + size]
        return answer([USER | {"tracks": tracks}] if tracks else [])

    def tracks(asked: Asked) -> Reply:
        return answer([full(int(number)) for number in reversed(asked.query["id"].split())])

    server.answers = {"/users/": users, "/users/tracks/": likes, "/tracks/": tracks}
    return server


def asked(server: Server, path: str) -> list[Asked]:
    return [one for one in server.asked if one.path == path]


def test_likes_come_page_by_page_and_with_tags(server: Server, api: Api) -> None:
    steps: list[tuple[int, int | None]] = []
    likes = jamendo_likes("claudod", api=api, on_progress=lambda *x: steps.append(x))
    assert [like.source_id for like in likes.likes] == ["1", "2", "3", "4", "5"]
    assert likes.likes[0] == Like(
        artist="Diablo Swing Orchestra",
        title="Title 1",
        album="The Butcher's Ballroom",
        duration=233.0,
        tags=dict.fromkeys(("metal", "swing", "electricguitar", "groovy", "vocal", "fast"), 1.0),
        url="https://www.jamendo.com/track/1",
        licence=BY,
        source_id="1",
    )
    assert (likes.listener, likes.service, likes.mixable) == ("Claudod", "jamendo", True)
    assert (likes.url, likes.attribution) == ("https://www.jamendo.com/user/972174", "Likes from Jamendo")
    assert "non-commercial" in likes.notice
    assert steps == [(2, None), (4, None), (5, None)]
    first = asked(server, "/users/tracks/")[0].query
    assert first == {
        "client_id": "key-of-mine",
        "format": "json",
        "id": "972174",
        "relation": "favorite like",
        "track_type": "single albumtrack",
        "order": "updatedate_desc",
        "limit": "2",
        "offset": "0",
    }
    assert [one.query["id"] for one in asked(server, "/tracks/")] == ["1 2 3", "4 5"]
    assert asked(server, "/tracks/")[0].query["include"] == "musicinfo"


@pytest.mark.parametrize(
    "user", ["972174", "https://www.jamendo.com/user/972174/claudod", "jamendo.com/en/user/972174"]
)
def test_a_number_is_an_id(server: Server, api: Api, user: str) -> None:
    assert len(jamendo_likes(user, limit=3, api=api).likes) == 3
    assert asked(server, "/users/")[0].query["id"] == "972174"
    assert len(asked(server, "/users/tracks/")) == 2


def test_answers_are_kept_and_forgotten(server: Server, api: Api) -> None:
    first = jamendo_likes("Claudod".lower(), api=api)
    n = len(server.asked)
    assert jamendo_likes("CLAUDOD", api=api) == first
    assert len(server.asked) == n
    assert "key-of-mine" not in "".join(path.read_text() for path in Cache("jamendo", 1).folder.rglob("*.json"))
    assert forget("claudod") == 1
    jamendo_likes("claudod", api=api)
    assert len(server.asked) > n
    assert forget() == 1


def test_nobody_and_nothing(server: Server, api: Api) -> None:
    with pytest.raises(InputError, match="does not know the user 'nobody'"):
        jamendo_likes("nobody", api=api)
    with pytest.raises(InputError, match="does not know the user '7'") as caught:
        jamendo_likes("7", api=api)
    assert "address of the profile" in str(caught.value.hint)
    with pytest.raises(UsageError, match="empty"):
        jamendo_likes(" ", api=api)
    with pytest.raises(UsageError, match="limit"):
        jamendo_likes("claudod", limit=0, api=api)
    server.answers["/users/tracks/"] = answer([])
    assert jamendo_likes("claudod", api=api).likes == ()
    assert not asked(server, "/tracks/")


def test_tracks_of_which_no_more_is_said(server: Server, api: Api) -> None:
    server.answers["/tracks/"] = answer([None, {"id": "999"}, full(2, musicinfo="x", shareurl=4)])
    one, two, *_ = jamendo_likes("claudod", api=api).likes
    assert (one.title, one.album, dict(one.tags)) == ("Title 1", "", {})
    assert (two.album, dict(two.tags)) == ("The Butcher's Ballroom", {})
    assert one.url == "https://www.jamendo.com/track/1"
    assert two.url == "https://www.jamendo.com/track/2"


def test_odd_entries_are_counted_not_used(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jamendo, "PAGE", 200)
    tracks = [
        None, 3, "x", {}, liked(0), liked(1, id="1 OR 2"), liked(2, relations={"like": "0", "favorite": 0}),
        liked(3, relations={"like": -1}), liked(4, relations="x", duration="long", license_ccurl=None, artist_name=7),
        liked(5, id=5, name=None), liked(5),
    ]  # fmt: skip
    server.answers["/users/tracks/"] = answer([USER | {"tracks": tracks}, 3, {"tracks": "x"}])
    server.answers["/tracks/"] = answer([])
    likes = jamendo_likes("claudod", api=api)
    assert likes.n_unusable == 8
    four, five = likes.likes
    assert (four.source_id, four.duration, four.licence, four.artist) == ("4", None, "", "")
    assert (five.source_id, five.title) == ("5", "")


def test_pages_that_repeat_themselves_end(server: Server, api: Api) -> None:
    server.answers["/users/tracks/"] = answer([USER | {"tracks": [liked(1), liked(2)]}])
    with pytest.raises(SourceError, match="repeat themselves"):
        jamendo_likes("claudod", api=api)
    server.answers["/users/tracks/"] = answer([USER | {"tracks": [None, None]}])
    assert jamendo_likes("claudod", limit=2, api=api).n_unusable == 2 * 21


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (failed(5), "does not know the client id"),
        (failed(11), "suspended this client id"),
        (failed(6), "too many requests"),
        (failed(3), r"refuses \(code 3\)"),
        (Reply({"headers": {"code": 5}}, status=401), "does not know the client id"),
        (Reply({}), "nothing that can be understood"),
        (Reply([]), "nothing that can be understood"),
        (Reply(b"<html>no</html>", status=404), "status 404"),
        (Reply({"headers": {"status": "success", "code": 0}, "results": {}}), "without results"),
        (Reply(b"{"), "no JSON"),
        (Reply(status=500), "status 500"),
        (Reply(status=429, headers={"Retry-After": "9999"}), "minutes without requests"),
    ],
)
def test_refusals_in_words_and_without_the_key(server: Server, api: Api, reply: Reply, message: str) -> None:
    server.answers["/users/tracks/"] = reply
    with pytest.raises(SourceError, match=message) as caught:
        jamendo_likes("claudod", api=api)
    assert "key-of-mine" not in "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)


def test_too_many_requests_are_made_again(server: Server, passing: Time) -> None:
    api = Api("Jamendo", server.url, is_transient=jamendo.is_busy, sleep=passing.sleep, draw=lambda: 0.0)
    server.answers["/users/tracks/"] = [failed(6), failed(6), answer([])]
    assert jamendo_likes("claudod", api=api).likes == ()
    assert passing.slept == [1.0, 2.0]
    assert jamendo.make_api().is_transient is jamendo.is_busy


def test_slow_answers(server: Server) -> None:
    server.answers["/users/"] = Reply({}, seconds=0.4)
    with pytest.raises(SourceError, match=r"no answer within 0\.1 s"):
        jamendo_likes("claudod", api=Api("Jamendo", server.url, timeout=0.1, tries=1))


def test_a_user_without_an_id(server: Server, api: Api) -> None:
    server.answers["/users/"] = answer([{"name": "claudod", "id": "x"}])
    with pytest.raises(SourceError, match="says no id"):
        jamendo_likes("claudod", api=api)


def test_without_a_key_it_says_where_to_get_one(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    monkeypatch.delenv("EARMARK_JAMENDO_CLIENT_ID")
    with pytest.raises(UsageError, match=r"it is free, from https://devportal\.jamendo\.com") as caught:
        jamendo_likes("claudod", api=api)
    assert "EARMARK_JAMENDO_CLIENT_ID" in str(caught.value.hint)


def test_search(server: Server, api: Api) -> None:
    server.answers["/tracks/"] = lambda one: answer(
        [full(int(one.query["offset"]) + i) for i in (1, 2)] if one.query["offset"] != "2" else [full(3), {}]
    )
    found = search(tags=["electric guitar", " ", "jazz"], text=" night ", limit=4, api=api)
    assert [like.source_id for like in found] == ["1", "2", "3"]
    query = server.asked[0].query
    assert (query["tags"], query["search"], query["order"]) == ("electricguitar jazz", "night", "popularity_total")
    search(tags=["a", "b"], any_tag=True, limit=1, api=api)
    assert server.asked[-1].query["fuzzytags"] == "a b"
    assert "tags" not in server.asked[-1].query
    with pytest.raises(UsageError, match="nothing to look for"):
        search(api=api)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (BY, "CC BY-NC-ND 3.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/deed.de", "CC BY-SA 4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "public domain"),
        ("http://artlibre.org/licence/lal/", "Free Art License"),
        ("https://creativecommons.org.example/licenses/by/3.0/", ""),
        ("https://www.jamendo.com/legal", ""),
        ("", ""),
    ],
)
def test_licences_have_names(url: str, name: str) -> None:
    like = Like("A", "B", licence=url)
    assert licence_name(url) == name
    assert may_be_analysed(like) is bool(name)
    assert (name or url or "licence not known") in credit(like)


# Audio.

LIKE = Like("Diablo Swing Orchestra", "Balrog Boogie", source_id="7")


def serve(server: Server, **changed: Any) -> None:
    server.answers["/tracks/"] = answer(
        [full(7, audio=f"{server.url}/stream", audiodownload=f"{server.url}/download") | changed]
    )
    server.answers["/download"] = Reply(b"the download", headers={"Content-Type": "audio/mpeg"})
    server.answers["/stream"] = Reply(b"the stream", headers={"Content-Type": "audio/mpeg"})


def test_the_download_where_it_is_allowed_else_the_stream(server: Server, api: Api, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    serve(server)
    path = fetch_audio(LIKE, folder, api=api)
    assert (path, path.read_bytes()) == (folder / "jamendo-7.mp3", b"the download")
    assert server.asked[0].query["audiodlformat"] == "mp32"
    assert "client_id" not in server.asked[1].query
    for changed in ({"audiodownload_allowed": False}, {"audiodownload": ""}, {"audiodownload_allowed": None}):
        serve(server, **changed)
        assert fetch_audio(LIKE, folder, api=api).read_bytes() == b"the stream"
    assert [file.name for file in folder.iterdir()] == ["jamendo-7.mp3"]


@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"license_ccurl": ""}, UsageError, "licence is not known .none is given"),
        ({"license_ccurl": "https://example.com/mine"}, UsageError, "licence is not known"),
        ({"audio": "", "audiodownload": None}, SourceError, "no address of its own"),
        ({"audio": "https://evil.example/a", "audiodownload": "https://jamendo.com.evil.example/"}, SourceError,
         "no address of its own"),
        ({"id": "8"}, InputError, "does not have the track"),
    ],
)  # fmt: skip
def test_audio_that_is_left_alone(
    server: Server, api: Api, tmp_path: Path, changed: dict[str, Any], kind: type[EarmarkError], message: str
) -> None:
    serve(server, **changed)
    with pytest.raises(kind, match=message):
        fetch_audio(LIKE, tmp_path / "audio", api=api)
    assert len(server.asked) == 1
    assert not (tmp_path / "audio").exists()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply({"error": 1}, status=404), "status 404"),
        (Reply(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "no audio .text/html"),
        (Reply({"error": 1}), "no audio .application/json"),
        (Reply(b"", headers={"Content-Type": "audio/mpeg"}), "no audio"),
        (Reply(b"x" * 300, headers={"Content-Type": "audio/mpeg"}, cut=10), "connection broke"),
        (Reply(b"x" * 3000, headers={"Content-Type": "audio/mpeg"}), "more than 1000 bytes"),
    ],
)
def test_audio_that_does_not_come(
    server: Server, api: Api, tmp_path: Path, reply: Reply, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jamendo, "MOST_AUDIO_BYTES", 1000)
    serve(server)
    server.answers["/download"] = reply
    with pytest.raises(SourceError, match=message):
        fetch_audio(LIKE, tmp_path / "audio", api=api)
    assert not list((tmp_path / "audio").iterdir())


def test_no_track_of_jamendo(server: Server, api: Api, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no track of Jamendo"):
        fetch_audio(Like("A", "B", source_id="soundcloud:tracks:1"), tmp_path, api=api)
    server.answers["/tracks/"] = answer([])
    with pytest.raises(InputError, match="does not have the track"):
        fetch_audio(LIKE, tmp_path, api=api)
