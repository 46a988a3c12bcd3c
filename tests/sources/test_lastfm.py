"""Last.fm: lists, tags, errors in words, and the key shown nowhere."""

import traceback
from pathlib import Path
from typing import Any

import pytest

from earmark.assets import cache_dir
from earmark.errors import InputError, SourceError, UsageError
from earmark.sources import lastfm
from earmark.sources.http import Api
from earmark.sources.lastfm import LastFm, Tags, lastfm_likes
from earmark.sources.likes import Like, Likes

from .conftest import Asked, Reply, Server, Time

KEY = "".join(["0123456789abcdef"] * 2)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_LASTFM_KEY", KEY)


@pytest.fixture
def api(server: Server, passing: Time) -> Api:
    return Api(
        "Last.fm",
        f"{server.url}/2.0/",
        min_interval=lastfm.INTERVAL,
        is_transient=lastfm.is_passing,
        sleep=passing.sleep,
        clock=passing.clock,
        draw=lambda: 0.0,
    )


def track(name: str, **more: Any) -> dict[str, Any]:
    """An entry as Last.fm writes it."""
    return {
        "name": name,
        "mbid": "",
        "url": f"https://www.last.fm/music/Cher/_/{name}",
        "artist": {"name": "Cher", "mbid": "", "url": "https://www.last.fm/music/Cher"},
        "image": [{"size": "small", "#text": ""}],
        **more,
    }


def listing(name: str, tracks: Any, *, page: int = 1, pages: int = 1, total: int = 1) -> dict[str, Any]:
    facts = {"user": "Anna", "page": str(page), "perPage": "200", "totalPages": str(pages), "total": str(total)}
    return {name: {"track": tracks, "@attr": facts}}


def toptags(**counts: Any) -> dict[str, Any]:
    tags = [{"name": name, "count": count, "url": ""} for name, count in counts.items()]
    return {"toptags": {"tag": tags, "@attr": {}}}


def serve(server: Server, **replies: Any) -> None:
    """Answer methods by their names, "_" for the dot; what is not given are no tags."""

    def answer(asked: Asked) -> Reply:
        reply = replies.get(asked.query["method"].replace(".", "_"), toptags())
        reply = reply(asked) if callable(reply) else reply
        return reply if isinstance(reply, Reply) else Reply(reply)

    server.answers["/2.0/"] = answer


def loved(api: Api, **options: Any) -> Likes:
    return lastfm_likes("anna", api=api, **{"tags": False, **options})


def test_loved_tracks_page_by_page(server: Server, api: Api) -> None:
    def page(asked: Asked) -> dict[str, Any]:
        number = int(asked.query["page"])
        tracks = [track(f"{number}-{i}") for i in range(200 if number < 3 else 40)]
        return listing("lovedtracks", tracks, page=number, pages=3, total=440)

    serve(server, user_getLovedTracks=page)
    told: list[tuple[int, int | None]] = []
    likes = loved(api, on_progress=lambda done, total: told.append((done, total)))
    assert (likes.listener, likes.service, likes.n_unusable) == ("Anna", "lastfm", 0)
    assert likes.url == "https://www.last.fm/user/Anna"
    assert (likes.attribution, likes.mixable) == ("Likes from Last.fm", True)
    assert [like.title for like in likes.likes[199:201]] == ["1-199", "2-0"]
    assert len(likes.likes) == 440
    assert told == [(200, 440), (400, 440), (440, 440)]
    assert [asked.query["page"] for asked in server.asked] == ["1", "2", "3"]
    first = server.asked[0].query
    assert (first["api_key"], first["format"], first["user"], first["limit"]) == (KEY, "json", "anna", "200")


def test_no_more_is_asked_for_than_is_wanted(server: Server, api: Api) -> None:
    tracks = [track(str(i)) for i in range(200)]
    serve(server, user_getLovedTracks=listing("lovedtracks", tracks, pages=50, total=10_000))
    assert [like.title for like in loved(api, limit=3).likes] == ["0", "1", "2"]
    assert len(server.asked) == 1


def test_a_track_as_it_is_read(server: Server, api: Api) -> None:
    recording, of_a_release = "59da79dd-aed6-447c-951c-070f6b8446a1", "00046764-a84c-3568-b8b1-6a8174f7ca0b"
    entries = [
        track("Believe", playcount="440", duration="205", mbid=recording),
        track("Ohne", playcount="x", duration="0", mbid=of_a_release, artist={"#text": "Kraftwerk"}, url="no page"),
    ]
    serve(server, user_getTopTracks=listing("toptracks", entries, total=2))
    url = "https://www.last.fm/music/Cher/_/Believe"
    assert loved(api, what="top", period="7day").likes == (
        Like("Cher", "Believe", duration=205.0, mb_recording_id=recording, weight=440.0, url=url, source_id=url),
        Like("Kraftwerk", "Ohne"),
    )
    assert server.asked[0].query["period"] == "7day"


def test_one_track_alone_is_no_list(server: Server, api: Api) -> None:
    serve(server, user_getLovedTracks=listing("lovedtracks", track("Believe")))
    assert [like.name for like in loved(api).likes] == ["Cher – Believe"]


@pytest.mark.parametrize(
    "data",
    [listing("lovedtracks", [], total=0), {"lovedtracks": {"#text": "\n", "user": "anna", "total": "0"}}],
)
def test_no_likes_are_no_error(server: Server, api: Api, data: Any) -> None:
    serve(server, user_getLovedTracks=data)
    likes = loved(api)
    assert (likes.likes, likes.n_unusable) == ((), 0)


def test_odd_entries_are_counted(server: Server, api: Api) -> None:
    entries = [None, 3, "x", {}, {"name": ["x"]}, {"name": "  "}, {"name": "Just a name", "artist": None}, track("ok")]
    serve(server, user_getLovedTracks=listing("lovedtracks", entries, total=8))
    likes = loved(api)
    assert [like.name for like in likes.likes] == ["Just a name", "Cher – ok"]
    assert likes.n_unusable == 6


def test_a_list_of_nothing_usable_ends(server: Server, api: Api) -> None:
    serve(server, user_getLovedTracks=listing("lovedtracks", [{}] * 200, pages=10_000, total=2_000_000))
    assert loved(api).likes == ()
    assert len(server.asked) == 10


def test_what_moves_to_the_next_page_counts_once(server: Server, api: Api) -> None:
    def page(asked: Asked) -> dict[str, Any]:
        number = int(asked.query["page"])
        tracks = [track("a", playcount="9", **{"@attr": {"rank": str(number)}}), track("b", playcount=str(number))]
        return listing("toptracks", tracks, page=number, pages=2, total=4)

    serve(server, user_getTopTracks=page, user_getLovedTracks=listing("lovedtracks", [track("a"), track("A")]))
    assert [(like.title, like.weight) for like in loved(api, what="top").likes] == [("a", 9.0), ("b", 3.0)]
    assert [like.weight for like in loved(api).likes] == [1.0]


def test_both_lists_are_united(server: Server, api: Api) -> None:
    serve(
        server,
        user_getLovedTracks=listing("lovedtracks", [track("a"), track("b")], total=2),
        user_getTopTracks=listing("toptracks", [track("c", playcount="9"), track("B", playcount="4")], total=2),
    )
    likes = loved(api, what="both")
    assert [(like.title, like.weight) for like in likes.likes] == [("a", 1.0), ("b", 5.0), ("c", 9.0)]
    assert len(loved(api, what="both", limit=2).likes) == 2


def test_likes_are_kept_for_an_hour(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, user_getLovedTracks=listing("lovedtracks", [track("a", mbid="x")]))
    first = loved(api)
    told: list[tuple[int, int | None]] = []
    assert loved(api, on_progress=lambda *numbers: told.append(numbers)) == first
    assert (len(server.asked), told) == (1, [(1, 1)])
    loved(api, limit=5)
    assert len(server.asked) == 2
    monkeypatch.setattr(lastfm, "HOUR", 0.0)
    for n_asked in (3, 4):
        loved(api, limit=6)
        assert len(server.asked) == n_asked


# Tags -----------------------------------------------------------------------------------------------------------------


def test_weights_of_tags(server: Server, api: Api) -> None:
    data = toptags(pop=100, dance=58, odd=0, none="x", loud="250")
    data["toptags"]["tag"] += [None, {"count": 3}, {"name": " 90s\n", "count": "7"}]
    serve(server, track_getTopTags=data)
    tags = LastFm(api=api).track_tags(" Cher ", "Believe")
    assert list(tags.items()) == [("loud", 1.0), ("pop", 1.0), ("dance", 0.58), ("90s", 0.07)]
    query = server.asked[0].query
    assert (query["artist"], query["track"], query["autocorrect"]) == ("Cher", "Believe", "1")


@pytest.mark.parametrize(
    ("replies", "expected", "methods"),
    [
        ({"track_getTopTags": toptags(a=50)}, Tags({"a": 0.5}, "track"), ["track"]),
        ({"album_getTopTags": {"toptags": {"tag": {"name": "b", "count": 100}}}}, Tags({"b": 1.0}, "album"),
         ["track", "album"]),
        ({"track_getTopTags": toptags(a=0), "album_getTopTags": {"error": 6, "message": "Album not found"},
          "artist_getTopTags": toptags(c=100)}, Tags({"c": 1.0}, "artist"), ["track", "album", "artist"]),
        ({"artist_getTopTags": Reply({"error": 6, "message": "The artist could not be found"}, status=404)},
         Tags(), ["track", "album", "artist"]),
    ],
)  # fmt: skip
def test_the_best_tags_are_the_nearest(
    server: Server, api: Api, replies: dict[str, Any], expected: Tags, methods: list[str]
) -> None:
    serve(server, **replies)
    client = LastFm(api=api)
    assert client.best_tags("Cher", "Believe", "Believe") == expected
    assert [asked.query["method"] for asked in server.asked] == [f"{method}.getTopTags" for method in methods]
    assert client.best_tags("cher", "BELIEVE", "Believe") == expected
    assert len(server.asked) == len(methods)


def test_nothing_is_asked_about_no_name(server: Server, api: Api) -> None:
    serve(server)
    client = LastFm(api=api)
    assert client.best_tags("", "Believe", "Believe") == Tags()
    assert not server.asked
    client.best_tags("Cher", "Believe")
    assert [asked.query["method"] for asked in server.asked] == ["track.getTopTags", "artist.getTopTags"]


def test_tags_of_tracks_need_not_be_kept(server: Server, api: Api) -> None:
    serve(server, artist_getTopTags=toptags(pop=100))
    for _ in range(2):
        LastFm(api=api, keep_tracks=False).best_tags("Cher", "Believe")
    methods = [asked.query["method"] for asked in server.asked]
    assert methods == ["track.getTopTags", "artist.getTopTags", "track.getTopTags"]


def test_likes_get_tags_and_a_second_run_asks_nothing(server: Server, api: Api, passing: Time) -> None:
    serve(
        server,
        user_getLovedTracks=listing("lovedtracks", [track("a"), track("b")], total=2),
        track_getTopTags=lambda asked: toptags(pop=80) if asked.query["track"] == "a" else toptags(),
        artist_getTopTags=toptags(diva=40),
    )
    told: list[tuple[int, int | None]] = []
    likes = lastfm_likes("anna", api=api, on_progress=lambda *numbers: told.append(numbers))
    assert [like.tags for like in likes.likes] == [{"pop": 0.8}, {"diva": 0.4}]
    assert likes.attribution == "Likes and tags from Last.fm"
    assert told == [(2, 2), (1, 2), (2, 2)]
    assert len(server.asked) == 4
    assert passing.now - 1000 == pytest.approx(3 * lastfm.INTERVAL)
    assert lastfm_likes("anna", api=api) == likes
    assert len(server.asked) == 4


def test_an_answer_without_tags_is_said(server: Server, api: Api) -> None:
    serve(server, track_getTopTags={"tags": []})
    with pytest.raises(SourceError, match=r"track\.getTopTags answers no list of tags"):
        LastFm(api=api).track_tags("Cher", "Believe")
    serve(server, user_getLovedTracks={"toptracks": {}})
    with pytest.raises(SourceError, match="answers no list of tracks"):
        loved(api)


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "kind", "message"),
    [
        (6, 404, InputError, "Last.fm knows no listener 'anna'"),
        (6, 200, InputError, "Last.fm knows no listener 'anna'"),
        (8, 200, SourceError, "something went wrong"),
        (10, 403, UsageError, "does not accept the key"),
        ("10", 403, UsageError, "does not accept the key"),
        (17, 403, SourceError, "the data of anna is private"),
        (26, 403, UsageError, "has suspended the key"),
        (13, 403, SourceError, "error 13: Odd"),
        ("x", 400, SourceError, "error 0: Odd"),
    ],
)
def test_errors_in_words(server: Server, api: Api, code: Any, status: int, kind: type[Exception], message: str) -> None:
    serve(server, user_getLovedTracks=Reply({"error": code, "message": "Odd"}, status=status))
    with pytest.raises(kind, match=message) as caught:
        loved(api)
    assert getattr(caught.value, "hint", "")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("code", "message"), [(11, "out of order"), (16, "out of order"), (29, "too many requests from this address")]
)
def test_errors_that_pass_are_tried_again(server: Server, api: Api, code: int, message: str) -> None:
    busy = Reply({"error": code, "message": "Try again"})
    server.answers["/2.0/"] = [busy, busy, Reply(listing("lovedtracks", track("a")))]
    assert len(loved(api).likes) == 1
    server.answers["/2.0/"] = busy
    with pytest.raises(SourceError, match=message):
        loved(api, limit=7)
    assert len(server.asked) == 3 + 5


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(b"<html>no</html>", status=403), "HTTP status 403"),
        (Reply({"x": 1}, status=404), "HTTP status 404"),
        (Reply([1, 2]), "an answer that is none of Last.fm's"),
        (Reply(status=429), "HTTP status 429"),
        (Reply(status=503), "HTTP status 503"),
        (Reply(b"{"), "the answer is no JSON"),
        (Reply({"a": "b" * 99}, cut=20), "the connection broke"),
    ],
)
def test_what_is_no_answer(server: Server, api: Api, reply: Reply, message: str) -> None:
    server.answers["/2.0/"] = reply
    with pytest.raises(SourceError, match=message):
        loved(api)


def test_slow_answers_end(server: Server) -> None:
    server.answers["/2.0/"] = Reply(1, seconds=0.4)
    slow = Api("Last.fm", f"{server.url}/2.0/", timeout=0.1, tries=1)
    with pytest.raises(SourceError, match=r"no answer within 0\.1 s"):
        loved(slow)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"what": "hated"}, "what='hated'"), ({"period": "2day"}, "period='2day'"), ({"limit": 0}, "limit=0")],
)
def test_options_that_there_are_not(api: Api, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loved(api, **options)
    with pytest.raises(UsageError, match="name of the listener is empty"):
        lastfm_likes("  ", api=api)


def test_no_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARMARK_LASTFM_KEY")
    with pytest.raises(UsageError, match="lastfm needs a key: it is free, from https"):
        loved(api)


def test_the_address_may_be_another(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lastfm.make_api().base == "https://ws.audioscrobbler.com/2.0/"
    monkeypatch.setenv("EARMARK_LASTFM_URL", f"{server.url}/2.0/")
    serve(server, user_getLovedTracks=listing("lovedtracks", track("a")))
    assert len(lastfm_likes("anna", tags=False).likes) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"error": 10, "message": f"Invalid API key {KEY}"}),
        Reply({"error": 99, "message": f"Odd {KEY}"}),
        Reply(status=500),
        Reply(b"{"),
        Reply(f"no key {KEY}".encode(), status=403),
    ],
)
def test_the_key_is_in_no_error(server: Server, api: Api, reply: Reply) -> None:
    server.answers["/2.0/"] = reply
    with pytest.raises((SourceError, UsageError)) as caught:
        loved(api)
    shown = "".join(traceback.format_exception(caught.value)) + str(getattr(caught.value, "hint", ""))
    assert KEY not in shown


def test_the_key_is_in_no_file(server: Server, api: Api) -> None:
    serve(server, user_getLovedTracks=listing("lovedtracks", track("a")), track_getTopTags=toptags(pop=1))
    lastfm_likes("anna", api=api)
    files: list[Path] = [path for path in cache_dir().rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not [path for path in files if KEY in path.read_text() or KEY in path.name]
