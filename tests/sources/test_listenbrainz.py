"""ListenBrainz: loves, listens, what is known of recordings, errors in words, and the token shown nowhere."""

import traceback
from typing import Any

import pytest

from earmark.assets import cache_dir
from earmark.errors import InputError, SourceError, UsageError
from earmark.sources import listenbrainz
from earmark.sources.http import Api
from earmark.sources.likes import Like, Likes
from earmark.sources.listenbrainz import listenbrainz_likes

from .conftest import Asked, Reply, Server

LOVES = "/1/feedback/user/anna/get-feedback"
TOP = "/1/stats/user/anna/recordings"
LISTENS = "/1/user/anna/listens"
RECORDINGS = "/1/metadata/recording/"
TOKEN = "-".join(["a1b2c3d4"] * 3)


def mbid(number: int) -> str:
    return f"{number:08x}-51d4-4930-9052-3820358044d5"


def love(title: str, number: int | None = None, **more: Any) -> dict[str, Any]:
    """An entry as ListenBrainz writes it."""
    mapping = {} if number is None else {"recording_mbid": mbid(number), "artist_mbids": [], "release_mbid": mbid(0)}
    return {
        "created": 1700000000,
        "recording_mbid": None if number is None else mbid(number),
        "recording_msid": "d23f4719-9212-49f0-ad08-ddbfbfc50d6f",
        "score": 1,
        "track_metadata": {"artist_name": "Cher", "track_name": title, "mbid_mapping": mapping, **more},
        "user_id": "anna",
    }


def loves(*entries: Any, total: Any = None, offset: int = 0) -> dict[str, Any]:
    total = len(entries) if total is None else total
    return {"count": len(entries), "feedback": list(entries), "offset": offset, "total_count": total}


def top(*entries: Any) -> dict[str, Any]:
    return {"payload": {"recordings": list(entries), "total_recording_count": len(entries), "range": "all_time"}}


def played(title: str, count: Any, number: int | None = None) -> dict[str, Any]:
    return {
        "artist_name": "Cher",
        "track_name": title,
        "release_name": "Believe",
        "listen_count": count,
        "recording_mbid": None if number is None else mbid(number),
    }


def heard(title: str, time: Any, **more: Any) -> dict[str, Any]:
    track = {"artist_name": "Cher", "track_name": title, "additional_info": {"recording_msid": f"m-{title}"}, **more}
    return {"listened_at": time, "track_metadata": track}


def likes_of(api: Api, **options: Any) -> Likes:
    return listenbrainz_likes("anna", api=api, **{"tags": False, **options})


def test_loves_page_by_page(server: Server, api: Api) -> None:
    def page(asked: Asked) -> Reply:
        offset = int(asked.query["offset"])
        # As a server does that gives fewer than it was asked for.
        return Reply(loves(*(love(str(i), i) for i in range(offset, min(offset + 100, 250))), total=250, offset=offset))

    server.answers[LOVES] = page
    told: list[tuple[int, int | None]] = []
    likes = likes_of(api, on_progress=lambda *numbers: told.append(numbers))
    assert (likes.listener, likes.service, likes.n_unusable, likes.mixable) == ("anna", "listenbrainz", 0, True)
    assert likes.url == "https://listenbrainz.org/user/anna/"
    assert likes.notice == listenbrainz.NOTICE
    assert [like.title for like in likes.likes] == [str(i) for i in range(250)]
    assert told == [(100, 250), (200, 250), (250, 250)]
    assert [asked.query["offset"] for asked in server.asked] == ["0", "100", "200"]
    query = server.asked[0].query
    assert (query["score"], query["metadata"], query["count"]) == ("1", "true", "200")
    assert "authorization" not in server.asked[0].headers


def test_a_love_as_it_is_read(server: Server, api: Api) -> None:
    more = {"duration_ms": 205500, "isrc": "us-wb1-98-01234", "recording_msid": "x"}
    server.answers[LOVES] = Reply(
        loves(love("Believe", 7, release_name=" Believe ", additional_info=more), love("Only a name"))
    )
    assert likes_of(api).likes == (
        Like(
            "Cher",
            "Believe",
            album="Believe",
            duration=205.5,
            isrc="USWB19801234",
            mb_recording_id=mbid(7),
            url=f"https://musicbrainz.org/recording/{mbid(7)}",
            source_id=mbid(7),
        ),
        Like("Cher", "Only a name", source_id="d23f4719-9212-49f0-ad08-ddbfbfc50d6f"),
    )


def test_odd_entries_are_counted(server: Server, api: Api) -> None:
    nameless = {**love("x"), "track_metadata": None}
    odd = {"recording_mbid": "none", "track_metadata": {"track_name": 3}}
    server.answers[LOVES] = Reply(loves(None, 3, {}, nameless, odd, love("ok"), total="?"))
    server.answers[RECORDINGS] = Reply({})
    likes = likes_of(api)
    assert [like.title for like in likes.likes] == ["ok"]
    assert likes.n_unusable == 5
    assert len(server.asked) == 2


def test_a_list_of_nothing_usable_ends(server: Server, api: Api) -> None:
    def page(asked: Asked) -> Reply:
        return Reply(loves(*({"n": int(asked.query["offset"]) + i} for i in range(200)), total=10**9))

    server.answers[LOVES] = page
    assert likes_of(api, limit=300).likes == ()
    assert len(server.asked) == 4


def test_what_moves_to_the_next_page_counts_once(server: Server, api: Api) -> None:
    server.answers[TOP] = lambda asked: Reply(
        {"payload": {"recordings": [played("a", 9), played("b", 4 if asked.query["offset"] == "0" else 3)],
                     "total_recording_count": 4}}
    )  # fmt: skip
    likes = likes_of(api, what="listens")
    assert [(like.title, like.weight) for like in likes.likes] == [("a", 9.0), ("b", 7.0)]
    server.answers[LOVES] = Reply(loves(love("a", 1), love("A"), total=2))
    assert [like.weight for like in likes_of(api).likes] == [1.0]


def test_no_more_than_is_wanted(server: Server, api: Api) -> None:
    server.answers[LOVES] = Reply(loves(*(love(str(i)) for i in range(200)), total=900))
    assert [like.title for like in likes_of(api, limit=2).likes] == ["0", "1"]
    assert len(server.asked) == 1


def test_no_likes_are_no_error(server: Server, api: Api) -> None:
    server.answers[LOVES] = Reply(loves())
    server.answers[TOP] = Reply(b"", status=204)
    server.answers[LISTENS] = Reply({"payload": {"count": 0, "listens": [], "latest_listen_ts": 0}})
    likes = likes_of(api, what="both")
    assert (likes.likes, likes.n_unusable) == ((), 0)


def test_listens_weigh_as_many_as_they_are(server: Server, api: Api) -> None:
    server.answers[TOP] = Reply(top(played("a", 25, 1), played("b", "23"), played("c", None), played("d", 0)))
    likes = likes_of(api, what="listens", period="this_year")
    assert [(like.title, like.album, like.weight) for like in likes.likes] == [
        ("a", "Believe", 25.0),
        ("b", "Believe", 23.0),
    ]
    assert likes.n_unusable == 2
    assert server.asked[0].query["range"] == "this_year"


def test_a_love_counts_as_much_as_a_listen(server: Server, api: Api) -> None:
    server.answers[LOVES] = Reply(loves(love("a", 1), love("b")))
    server.answers[TOP] = Reply(top(played("c", 9, 3), played("A ", 4, 1), played("B", 2, 2), played("a", 1, 5)))
    likes = likes_of(api, what="both")
    assert [(like.title, like.mb_recording_id, like.weight) for like in likes.likes] == [
        ("a", mbid(1), 5.0),
        ("b", mbid(2), 3.0),
        ("c", mbid(3), 9.0),
        ("a", mbid(5), 1.0),
    ]
    assert [like.title for like in likes_of(api, what="both", limit=1).likes] == ["a"]


def test_listens_are_counted_where_there_are_no_statistics(server: Server, api: Api) -> None:
    server.answers[TOP] = Reply(b"", status=204)
    mapping = {"mbid_mapping": {"recording_mbid": mbid(1), "recording_name": "B"}}
    pages = {
        None: [heard("a", 900), heard("b", 800, **mapping), heard("b", 700, **mapping)],
        "700": [heard("b", 600), heard("c", 500), {"track_metadata": None}],
        "500": [],
    }

    def page(asked: Asked) -> Reply:
        listens = pages[asked.query.get("max_ts")]
        return Reply({"payload": {"count": len(listens), "listens": listens, "user_id": "anna"}})

    server.answers[LISTENS] = page
    likes = likes_of(api, what="listens")
    assert [(like.title, like.weight) for like in likes.likes] == [("b", 3.0), ("a", 1.0), ("c", 1.0)]
    assert (likes.likes[0].mb_recording_id, likes.n_unusable) == (mbid(1), 1)
    assert server.asked[1].query["count"] == "1000"
    assert likes_of(api, what="listens", period="week").likes == ()


def test_listens_that_do_not_go_on_end(server: Server, api: Api) -> None:
    server.answers[TOP] = Reply(b"", status=204)
    server.answers[LISTENS] = Reply({"payload": {"listens": [heard("a", 900)]}})
    assert likes_of(api, what="listens").likes[0].weight == 2.0
    assert len(server.asked) == 3


# What is known of recordings ------------------------------------------------------------------------------------------


def known(name: str, **tags: Any) -> dict[str, Any]:
    return {
        "recording": {"name": name, "length": 205000, "rels": []},
        "artist": {"name": "Cher & Co", "artists": []},
        "release": {"name": "Hits", "year": 1999},
        "tag": {level: [{"tag": tag, "count": n} for tag, n in given.items()] for level, given in tags.items()},
    }


def test_tags_are_those_of_the_recording_else_of_what_it_belongs_to(server: Server, api: Api) -> None:
    server.answers[LOVES] = Reply(loves(*(love(str(i), i) for i in range(1, 5)), love("none")))
    server.answers[RECORDINGS] = Reply(
        {
            mbid(1): known("1", recording={"pop": 4, "dance": 1, "odd": 0}, artist={"diva": 9}),
            mbid(2): known("2", release_group={"dance": 2}, artist={"diva": 9}),
            mbid(3): known("3", recording={}, artist={"diva": 9, "pop": 3}),
            mbid(9): known("9", recording={"not asked": 1}),
        }
    )
    likes = likes_of(api, tags=True)
    assert [dict(like.tags) for like in likes.likes] == [
        {"pop": 1.0, "dance": 0.25},
        {"dance": 1.0},
        {"diva": 1.0, "pop": pytest.approx(1 / 3)},
        {},
        {},
    ]
    assert [like.duration for like in likes.likes] == [205.0, 205.0, 205.0, None, None]
    assert (likes.likes[0].artist, likes.likes[0].album) == ("Cher", "Hits")
    query = server.asked[1].query
    assert query == {"recording_mbids": ",".join(map(mbid, range(1, 5))), "inc": "artist tag release"}
    # Another list of the same recordings asks about none of them again.
    assert likes_of(api, tags=True, limit=3).likes == likes.likes[:3]
    assert [asked.path for asked in server.asked] == [LOVES, RECORDINGS, LOVES]


def test_recordings_are_asked_about_in_batches(server: Server, api: Api) -> None:
    server.answers[LOVES] = Reply(loves(*(love(str(i), i) for i in range(120))))
    server.answers[RECORDINGS] = lambda asked: Reply(
        {one: known("x", recording={"pop": 1}) for one in asked.query["recording_mbids"].split(",")}
    )
    likes = likes_of(api, tags=True)
    assert all(like.tags == {"pop": 1.0} for like in likes.likes)
    assert [len(asked.query["recording_mbids"].split(",")) for asked in server.asked[1:]] == [50, 50, 20]


def test_a_love_without_a_name_gets_it(server: Server, api: Api) -> None:
    server.answers[LOVES] = Reply(loves({**love("", 1), "track_metadata": None}, love("named", 2)))
    server.answers[RECORDINGS] = Reply({mbid(1): known("Believe", recording={"pop": 1})})
    first, second = likes_of(api).likes
    assert (first.name, first.album, first.tags) == ("Cher & Co – Believe", "Hits", {})
    assert second.title == "named"
    assert server.asked[1].query["recording_mbids"] == mbid(1)


@pytest.mark.parametrize("answer", [{mbid(1): None}, {mbid(1): {"tag": "x", "recording": []}}, {mbid(1): {"tag": {
    "recording": [None, {"tag": 3, "count": 1}, {"tag": "x", "count": "many"}]}}}])  # fmt: skip
def test_odd_recordings_have_no_tags(server: Server, api: Api, answer: Any) -> None:
    server.answers[LOVES] = Reply(loves(love("a", 1)))
    server.answers[RECORDINGS] = Reply(answer)
    [like] = likes_of(api, tags=True).likes
    assert (like.title, like.tags) == ("a", {})


def test_likes_are_kept_for_an_hour(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers[LOVES] = Reply(loves(love("a")))
    first = likes_of(api)
    told: list[tuple[int, int | None]] = []
    assert likes_of(api, on_progress=lambda *numbers: told.append(numbers)) == first
    assert (len(server.asked), told) == (1, [(1, 1)])
    monkeypatch.setattr(listenbrainz, "HOUR", 0.0)
    for n_asked in (2, 3):
        likes_of(api, limit=7)
        assert len(server.asked) == n_asked


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (Reply({"code": 404, "error": "Cannot find user: anna"}, status=404), InputError, "knows no listener 'anna'"),
        (Reply({"code": 401, "error": "Invalid authorization token."}, status=401), UsageError, "accept the token"),
        (Reply({"code": 403, "error": "no"}, status=403), SourceError, "the data of anna is private"),
        (Reply({"code": 400, "error": "Odd count"}, status=400), SourceError, "HTTP status 400: Odd count"),
        (Reply(b"<html>no such page</html>", status=404), SourceError, "HTTP status 404"),
        (Reply(status=429), SourceError, "HTTP status 429"),
        (Reply(status=502), SourceError, "HTTP status 502"),
        (Reply(b"{"), SourceError, "the answer is no JSON"),
        (Reply([1, 2]), SourceError, "answers something else than expected"),
        (Reply(b""), SourceError, "answers something else than expected"),
        (Reply({"a": "b" * 99}, cut=20), SourceError, "the connection broke"),
    ],
)
def test_errors_in_words(server: Server, api: Api, reply: Reply, kind: type[Exception], message: str) -> None:
    server.answers[LOVES] = reply
    with pytest.raises(kind, match=message) as caught:
        likes_of(api)
    assert getattr(caught.value, "hint", "")


def test_limits_of_requests_are_kept(server: Server, api: Api, passing: Any) -> None:
    limited = Reply({"code": 429, "error": "slow down"}, status=429, headers={"X-RateLimit-Reset-In": "8"})
    server.answers[LOVES] = [limited, Reply(loves(love("a")))]
    assert len(likes_of(api).likes) == 1
    assert passing.slept == [8.0]


def test_slow_answers_end(server: Server) -> None:
    server.answers[LOVES] = Reply(loves(), seconds=0.4)
    with pytest.raises(SourceError, match="no answer within"):
        likes_of(Api("ListenBrainz", server.url, timeout=0.1, tries=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"what": "hates"}, "what='hates'"), ({"period": "day"}, "period='day'"), ({"limit": -1}, "limit=-1")],
)
def test_options_that_there_are_not(api: Api, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        likes_of(api, **options)
    with pytest.raises(UsageError, match="name of the listener is empty"):
        listenbrainz_likes("", api=api)


def test_names_are_written_into_addresses_as_they_should(server: Server, api: Api) -> None:
    server.answers["/1/feedback/user/a%2Fb%20%3F/get-feedback"] = Reply(loves(love("x")))
    likes = listenbrainz_likes("a/b ?", tags=False, api=api)
    assert likes.url == "https://listenbrainz.org/user/a%2Fb%20%3F/"


def test_a_server_of_ones_own(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listenbrainz.make_api().base == "https://api.listenbrainz.org"
    monkeypatch.setenv("EARMARK_LISTENBRAINZ_URL", f"{server.url}/apis/listenbrainz")
    server.answers[f"/apis/listenbrainz{LOVES}"] = Reply(loves(love("a")))
    assert len(listenbrainz_likes("anna", tags=False).likes) == 1


def test_the_token_is_sent_and_shown_nowhere(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_LISTENBRAINZ_TOKEN", TOKEN)
    server.answers[LOVES] = Reply(loves(love("a", 1)))
    server.answers[RECORDINGS] = Reply({mbid(1): known("a", recording={"pop": 1})})
    likes_of(api, tags=True)
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Token {TOKEN}"}
    files = [path for path in cache_dir().rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not [path for path in files if TOKEN in path.read_text()]
    for reply in (
        Reply({"error": f"Odd token {TOKEN}"}, status=400),
        Reply({"error": f"Invalid {TOKEN}"}, status=401),
        Reply(status=500),
        Reply(f"no {TOKEN}".encode()),
    ):
        server.answers[LOVES] = reply
        with pytest.raises((SourceError, UsageError)) as caught:
            likes_of(api, limit=3)
        shown = "".join(traceback.format_exception(caught.value)) + str(getattr(caught.value, "hint", ""))
        assert TOKEN not in shown
