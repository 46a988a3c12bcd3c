"""Likes of SoundCloud, in answers as its public description shows them; audio with a written right only."""

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.errors import EarmarkError, InputError, SourceError, UsageError
from earmark.sources import soundcloud
from earmark.sources.cache import Cache
from earmark.sources.http import Api
from earmark.sources.likes import Like
from earmark.sources.secrets import secrets_path
from earmark.sources.soundcloud import fetch_audio, forget, soundcloud_likes, split_title
from earmark.sources.soundcloud_login import access_token, tokens_path

from .conftest import Asked, Reply, Server

URN = "soundcloud:users:12345"
USER = {
    "urn": URN,
    "kind": "user",
    "username": "Some Body",
    "permalink": "some-body",
    "permalink_url": "https://soundcloud.com/some-body",
    "public_favorites_count": 5,
}


def track(number: int, **changed: Any) -> dict[str, Any]:
    """What SoundCloud says of a track; fields as in its description of July 2026."""
    return {
        "kind": "track",
        "access": "playable",
        "duration": 40000 + number,
        "genre": "Rock",
        "isrc": None,
        "license": "all-rights-reserved",
        "permalink_url": f"https://soundcloud.com/uploader/track-{number}",
        "tag_list": 'garage "deep house" geo:lat=43.5 rock',
        "title": f"Title {number}",
        "urn": f"soundcloud:tracks:{number}",
        "uri": f"https://api.soundcloud.com/tracks/{number}",
        "user": {"username": "Uploader", "urn": "soundcloud:users:9"},
    } | changed


@pytest.fixture(autouse=True)
def service(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """SoundCloud with one user who likes five tracks, two to a page."""
    monkeypatch.setenv("EARMARK_SOUNDCLOUD_CLIENT_ID", "my-app")
    monkeypatch.setenv("EARMARK_SOUNDCLOUD_CLIENT_SECRET", "hush-hush")
    monkeypatch.setenv("EARMARK_SOUNDCLOUD_LOGIN_URL", server.url)
    n_tokens = 0

    def give(_: Asked) -> Reply:
        nonlocal n_tokens
        n_tokens += 1
        return Reply({"access_token": f"token-{n_tokens}", "refresh_token": f"next-{n_tokens}", "expires_in": 3599})

    def resolve(asked: Asked) -> Reply:
        if asked.query["url"] != "https://soundcloud.com/some-body":
            return Reply({"code": 404, "message": "", "status": "404 - Not Found"}, status=404)
        return Reply({"status": "302 - Found"}, status=302, headers={"Location": f"{server.url}/users/{URN}"})

    def likes(asked: Asked) -> Reply:
        begin = int(asked.query.get("cursor", "0"))
        page: dict[str, Any] = {"collection": [track(i) for i in range(begin, min(begin + 2, 5))]}
        if begin + 2 < 5:
            page["next_href"] = f"{server.url}/users/{URN}/likes/tracks?page_size=2&cursor={begin + 2}"
        return Reply(page)

    server.answers = {
        "/oauth/token": give,
        "/resolve": resolve,
        f"/users/{URN}": Reply(USER),
        f"/users/{URN}/likes/tracks": likes,
    }
    return server


def asked(server: Server, path: str) -> list[Asked]:
    return [one for one in server.asked if one.path == path]


def test_likes_come_page_by_page(server: Server, api: Api) -> None:
    steps: list[tuple[int, int | None]] = []
    likes = soundcloud_likes("https://soundcloud.com/Some-Body/likes", api=api, on_progress=lambda *x: steps.append(x))
    assert [like.title for like in likes.likes] == [f"Title {i}" for i in range(5)]
    assert likes.likes[0] == Like(
        artist="Uploader",
        title="Title 0",
        duration=40.0,
        tags={"Rock": 1.0, "garage": 1.0, "deep house": 1.0},
        url="https://soundcloud.com/uploader/track-0",
        licence="all-rights-reserved",
        source_id="soundcloud:tracks:0",
    )
    assert (likes.listener, likes.service, likes.mixable, likes.n_unusable) == ("Some Body", "soundcloud", False, 0)
    assert likes.attribution == "Likes from SoundCloud"
    assert likes.url == "https://soundcloud.com/some-body"
    assert "Some Body shows publicly" in likes.notice
    assert steps == [(2, 5), (4, 5), (5, 5)]
    first, *rest = asked(server, f"/users/{URN}/likes/tracks")
    assert first.query == {"limit": "200", "linked_partitioning": "true", "access": "playable,preview,blocked"}
    assert len(rest) == 2
    assert {one.headers["authorization"] for one in server.asked[1:]} == {"OAuth token-1"}


def test_no_more_than_are_wanted(server: Server, api: Api) -> None:
    assert len(soundcloud_likes("some-body", limit=3, api=api).likes) == 3
    pages = asked(server, f"/users/{URN}/likes/tracks")
    assert len(pages) == 2
    assert pages[0].query["limit"] == "3"
    with pytest.raises(UsageError, match="limit=0"):
        soundcloud_likes("some-body", limit=0, api=api)


def test_answers_are_kept_and_forgotten(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = soundcloud_likes("some-body", api=api)
    n = len(server.asked)
    assert soundcloud_likes("@Some-Body", api=api) == first
    assert len(server.asked) == n
    kept = "".join(path.read_text() for path in Cache("soundcloud", 1).folder.rglob("*.json"))
    assert "token-1" not in kept
    assert "hush" not in kept
    until = max(json.loads(path.read_text())["until"] for path in Cache("soundcloud", 1).folder.rglob("*.json"))
    assert until <= time.time() + 24 * 3600
    assert forget("https://soundcloud.com/some-body") == 1
    soundcloud_likes("some-body", api=api)
    assert len(server.asked) > n
    assert forget() == 1


def test_a_user_by_urn_and_answers_with_numbers(server: Server, api: Api) -> None:
    server.answers[f"/users/{URN}"] = Reply({"id": 12345, "kind": "user", "username": "Old"})
    server.answers[f"/users/{URN}/likes/tracks"] = Reply([track(1, urn=None, id=77)])
    likes = soundcloud_likes(URN, api=api)
    assert (likes.listener, likes.likes[0].source_id) == ("Old", "soundcloud:tracks:77")
    assert not asked(server, "/resolve")


def logged_in(access: str = "own-1", refresh: str = "again-1") -> None:
    tokens_path().write_text("{}")
    tokens_path().chmod(0o600)
    access_token(own=False)
    kept = json.loads(tokens_path().read_text())
    kept["user"] = kept["app"] | {"access": access, "refresh": refresh}
    tokens_path().write_text(json.dumps(kept))


def test_ones_own_likes_need_the_login(server: Server, api: Api) -> None:
    with pytest.raises(UsageError, match="nobody is logged in"):
        soundcloud_likes("me", api=api)
    logged_in()
    server.answers["/me"] = Reply(USER | {"likes_count": 1})
    server.answers["/me/likes/tracks"] = Reply({"collection": [track(1)], "next_href": None})
    likes = soundcloud_likes("me", api=api)
    assert (likes.listener, len(likes.likes)) == ("Some Body", 1)
    assert likes.notice.startswith("These are your own likes.")
    assert asked(server, "/me/likes/tracks")[0].headers["authorization"] == "OAuth own-1"


def test_a_token_that_is_not_taken_is_renewed_once(server: Server, api: Api) -> None:
    wanted = "OAuth token-2"
    page = Reply({"collection": []})

    def picky(one: Asked) -> Reply:
        return page if one.headers["authorization"] == wanted else Reply({"code": 401}, status=401)

    server.answers[f"/users/{URN}/likes/tracks"] = picky
    likes = soundcloud_likes("some-body", api=api)
    assert likes.likes == ()
    assert [one.form["grant_type"] for one in asked(server, "/oauth/token")] == ["client_credentials", "refresh_token"]
    forget()
    wanted = "never"
    with pytest.raises(SourceError, match=r"takes no token .*401"):
        soundcloud_likes("some-body", api=api)
    assert len(asked(server, f"/users/{URN}/likes/tracks")) == 4


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (403, SourceError, "does not give the likes of 'some-body'.*not public"),
        (404, InputError, "does not know the likes"),
        (429, SourceError, "status 429"),
        (503, SourceError, "status 503"),
        (400, SourceError, "status 400"),
    ],
)
def test_refusals_in_words(server: Server, api: Api, status: int, kind: type[EarmarkError], message: str) -> None:
    server.answers[f"/users/{URN}/likes/tracks"] = Reply({"code": status, "message": "hush-hush"}, status=status)
    with pytest.raises(kind, match=message) as caught:
        soundcloud_likes("some-body", api=api)
    shown = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)
    assert "hush-hush" not in shown
    assert "token-1" not in shown


def test_an_unknown_user_and_what_is_none(server: Server, api: Api) -> None:
    with pytest.raises(InputError, match="does not know the user 'nobody'"):
        soundcloud_likes("nobody", api=api)
    server.answers[f"/users/{URN}"] = Reply(track(1))
    with pytest.raises(InputError, match="is no user"):
        soundcloud_likes("some-body", api=api)
    for odd in ("", "a b", "https://evil.example/me", "soundcloud:tracks:1", "../me", "soundcloud.com/"):
        with pytest.raises(InputError, match="no name of a SoundCloud user"):
            soundcloud_likes(odd, api=api)


@pytest.mark.parametrize("answer", [b"{", [1], {"collection": 3}, {}, "text", None])
def test_answers_of_the_wrong_kind(server: Server, api: Api, answer: Any) -> None:
    server.answers[f"/users/{URN}/likes/tracks"] = Reply(answer)
    if answer == [1]:
        assert soundcloud_likes("some-body", api=api).n_unusable == 1
        return
    with pytest.raises(SourceError, match=r"SoundCloud|no JSON"):
        soundcloud_likes("some-body", api=api)


def test_a_user_without_an_id(server: Server, api: Api) -> None:
    server.answers[f"/users/{URN}"] = Reply({"kind": "user", "urn": "../../me"})
    with pytest.raises(SourceError, match="says no id"):
        soundcloud_likes("some-body", api=api)


def test_slow_answers(server: Server) -> None:
    api = Api("SoundCloud", server.url, timeout=0.1, tries=1)
    server.answers["/resolve"] = Reply({}, seconds=0.4)
    with pytest.raises(SourceError, match=r"no answer within 0\.1 s"):
        soundcloud_likes("some-body", api=api)


def test_the_token_goes_to_no_other_host(server: Server, api: Api) -> None:
    other = Server()
    for href in (f"{other.url}/next", "https://api.soundcloud.com@evil.example/", "//evil.example/", 7, "http://[::1"):
        server.answers[f"/users/{URN}/likes/tracks"] = Reply({"collection": [track(1)], "next_href": href})
        with pytest.raises(SourceError, match="another host"):
            soundcloud_likes("some-body", api=api)
    assert not other.asked
    other.close()


def test_pages_in_a_circle_end(server: Server, api: Api) -> None:
    here = f"{server.url}/users/{URN}/likes/tracks?cursor=1"
    server.answers[f"/users/{URN}/likes/tracks"] = Reply({"collection": [track(1)], "next_href": here})
    with pytest.raises(SourceError, match="in a circle"):
        soundcloud_likes("some-body", api=api)
    server.answers[f"/users/{URN}/likes/tracks"] = lambda one: Reply(
        {"collection": [], "next_href": here + one.query.get("cursor", "")}
    )
    with pytest.raises(SourceError, match="in a circle"):
        soundcloud_likes("some-body", api=api)


def test_odd_entries_are_counted_not_used(server: Server, api: Api) -> None:
    entries = [
        None, 7, "x", [], {}, {"kind": "playlist", "title": "A list"}, {"title": "  ", "urn": "soundcloud:users:1"},
        track(1, user=None, genre=3, tag_list=["a"], duration="long", permalink_url="javascript:alert(1)", isrc=4,
              license=None, publisher_metadata="x"),
        track(2, title=None, duration=True, permalink_url="https://soundcloud.com.evil.example/x"),
        track(3, tag_list='#Dub "" a:b=c "open end', genre=" ", isrc="us-rc1-76-07839", duration=-1),
        track(4, publisher_metadata={"artist": "The Band", "isrc": "GBAYE0601498", "album_title": "LP"}, isrc="x",
              title="the band - A Song"),
        track(5, metadata_artist="DJ Other", title="A - B"),
    ]  # fmt: skip
    server.answers[f"/users/{URN}/likes/tracks"] = Reply({"collection": entries})
    likes = soundcloud_likes("some-body", api=api)
    assert likes.n_unusable == 7
    one, two, three, four, five = likes.likes
    assert (one.artist, one.title, one.duration, dict(one.tags), one.url) == ("", "Title 1", None, {}, "")
    assert (two.title, two.source_id, two.duration, two.url) == ("", "soundcloud:tracks:2", None, "")
    assert (list(three.tags), three.isrc, three.duration) == (["Dub", "open", "end"], "USRC17607839", None)
    assert (four.artist, four.title, four.isrc, four.album) == ("The Band", "A Song", "GBAYE0601498", "LP")
    assert (five.artist, five.title) == ("DJ Other", "A - B")


@pytest.mark.parametrize(
    ("title", "uploader", "artist", "title_alone"),
    [
        ("Nina Simone - Sinnerman", "A Label", "Nina Simone", "Sinnerman"),
        ("nina simone – Sinnerman", "Nina Simone", "Nina Simone", "Sinnerman"),
        ("A — B - C", "X", "A", "B - C"),
        ("Sinnerman - Radio Edit", "Nina Simone", "Nina Simone", "Sinnerman - Radio Edit"),
        ("03. - Sinnerman", "Nina Simone", "Nina Simone", "Sinnerman"),
        ("Sinner-man", "Nina Simone", "Nina Simone", "Sinner-man"),
        (" - Sinnerman", "Nina Simone", "Nina Simone", " - Sinnerman"),
        ("", "X", "X", ""),
    ],
)
def test_titles_are_split(title: str, uploader: str, artist: str, title_alone: str) -> None:
    assert split_title(title, uploader) == (artist, title_alone)


# Audio.

LIKE = Like("Artist", "Title", source_id="soundcloud:tracks:1")


def give_right(value: str = "true") -> None:
    secrets_path().write_text(f"[soundcloud]\nright_to_analyse_audio = {value}\n")
    secrets_path().chmod(0o600)


Streams = Callable[..., None]


@pytest.fixture
def streams(server: Server) -> Streams:
    """Serve track 1 with a stream in pieces, from the service's host and, without a token, from another."""
    server.answers["/tracks/soundcloud:tracks:1"] = Reply(track(1))

    def give(lines: list[str], *, name: str = "hls_aac_160_url") -> None:
        server.answers["/tracks/soundcloud:tracks:1/streams"] = Reply(
            {name: f"{server.url}/list", "preview_mp3_128_url": f"{server.url}/preview"}
        )
        server.answers["/list"] = Reply("\n".join(lines).encode())

    return give


WHOLE = ["#EXTM3U", '#EXT-X-MAP:URI="init.mp4"', "#EXTINF:9.9,", "0.m4s", "#EXTINF:3,", "a/1.m4s", "#EXT-X-ENDLIST"]


@pytest.mark.parametrize("content", [None, "false", '"true"', "1"])
def test_without_a_right_in_writing_no_audio_is_fetched(server: Server, api: Api, tmp_path: Path, content: str) -> None:
    if content is not None:
        give_right(content)
    with pytest.raises(UsageError, match="not analysed") as caught:
        fetch_audio(LIKE, tmp_path, api=api)
    assert "right_to_analyse_audio = true" in str(caught.value.hint)
    assert not server.asked


def test_pieces_are_joined(server: Server, api: Api, tmp_path: Path, streams: Streams) -> None:
    give_right()
    other = Server()
    streams([line.replace("a/1.m4s", f"{other.url}/1.m4s") for line in WHOLE])
    server.answers["/init.mp4"] = Reply(b"INIT")
    server.answers["/0.m4s"] = [Reply(b"piece 0", cut=3), Reply(b"piece 0")]
    other.answers["/1.m4s"] = Reply(b"piece 1")
    steps: list[tuple[int, int | None]] = []
    path = fetch_audio(LIKE, tmp_path / "new", api=api, on_progress=lambda *x: steps.append(x))
    assert path == tmp_path / "new" / "soundcloud-1.m4a"
    assert path.read_bytes() == b"INITpiece 0piece 1"
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert asked(server, "/list")[0].headers["authorization"] == "OAuth token-1"
    assert "authorization" not in other.asked[0].headers
    other.close()


def test_the_list_may_lie_elsewhere_and_the_login_is_used(
    server: Server, api: Api, tmp_path: Path, streams: Streams
) -> None:
    give_right()
    logged_in()
    other = Server()
    streams([], name="hls_mp3_128_url")
    server.answers["/list"] = Reply(status=302, headers={"Location": f"{other.url}/media/list.m3u8?Signature=x"})
    other.answers["/media/list.m3u8"] = Reply(b"#EXTM3U\n#EXTINF:1\n0.mp3\n#EXT-X-ENDLIST\n")
    other.answers["/media/0.mp3"] = Reply(b"mp3")
    path = fetch_audio(LIKE, tmp_path, api=api)
    assert (path.name, path.read_bytes()) == ("soundcloud-1.mp3", b"mp3")
    assert asked(server, "/list")[0].headers["authorization"] == "OAuth own-1"
    assert not any("authorization" in one.headers for one in other.asked)
    other.close()


def test_a_stream_in_one_piece(server: Server, api: Api, tmp_path: Path, streams: Streams) -> None:
    give_right()
    streams(["the whole mp3"], name="http_mp3_128_url")
    assert fetch_audio(LIKE, tmp_path, api=api).read_bytes() == b"the whole mp3"
    server.answers["/list"] = Reply({"code": 403}, status=403)
    with pytest.raises(SourceError, match="not given"):
        fetch_audio(LIKE, tmp_path / "audio", api=api)
    assert not list((tmp_path / "audio").iterdir())


def test_aac_without_a_beginning_is_no_mp4(server: Server, api: Api, tmp_path: Path, streams: Streams) -> None:
    give_right()
    streams(["#EXTM3U", "#EXTINF:1", "0.aac", "#EXT-X-ENDLIST"])
    server.answers["/0.aac"] = Reply(b"adts")
    assert fetch_audio(LIKE, tmp_path, api=api).name == "soundcloud-1.aac"


@pytest.mark.parametrize("access", ["preview", "blocked", None, 3])
def test_what_can_be_heard_in_part_only_is_left_out(
    server: Server, api: Api, tmp_path: Path, access: object, streams: Streams
) -> None:
    give_right()
    server.answers["/tracks/soundcloud:tracks:1"] = Reply(track(1, access=access))
    with pytest.raises(UsageError, match="does not play it whole"):
        fetch_audio(LIKE, tmp_path, api=api)
    assert not asked(server, "/tracks/soundcloud:tracks:1/streams")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["<html>"], "no HLS list"),
        ([], "no HLS list"),
        ([*WHOLE[:4], '#EXT-X-KEY:METHOD=AES-128,URI="key"', *WHOLE[4:]], "encrypted"),
        (["#EXTM3U", "#EXT-X-STREAM-INF:BANDWIDTH=1", "low.m3u8", "#EXT-X-ENDLIST"], "not joined here"),
        (["#EXTM3U", "#EXT-X-BYTERANGE:10@0", "0.m4s", "#EXT-X-ENDLIST"], "not joined here"),
        (["#EXTM3U", '#EXT-X-MAP:URI="i",BYTERANGE="1@0"', "0.m4s", "#EXT-X-ENDLIST"], "not joined here"),
        (["#EXTM3U", "#EXT-X-MAP:X=1", "0.m4s", "#EXT-X-ENDLIST"], "without an address"),
        (WHOLE[:-1], "has no end"),
        (["#EXTM3U", '#EXT-X-MAP:URI="init.mp4"', "#EXT-X-ENDLIST"], "holds 1 pieces"),
        (["#EXTM3U", "#EXTINF:1", "http://[::1/0.mp3", "#EXT-X-ENDLIST"], "no address"),
        (["#EXTM3U", "#EXTINF:1", "file:///etc/passwd", "#EXT-X-ENDLIST"], "no http or https address"),
        (["#EXTM3U", "#EXTINF:1", "http://media.example/0.mp3", "#EXT-X-ENDLIST"], "not encrypted"),
        (["#EXTM3U", "#EXTINF:1", "/gone.mp3", "#EXT-X-ENDLIST"], "piece 1 of the audio is not given"),
    ],
)
def test_lists_that_are_not_joined(
    server: Server, api: Api, tmp_path: Path, streams: Streams, lines: list[str], message: str
) -> None:
    give_right()
    streams(lines)
    with pytest.raises(SourceError, match=message):
        fetch_audio(LIKE, tmp_path / "audio", api=api)
    assert not list((tmp_path / "audio").iterdir())


def test_audio_of_endless_size_is_given_up(
    server: Server, api: Api, tmp_path: Path, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_right()
    monkeypatch.setattr(soundcloud, "MOST_AUDIO_BYTES", 1000)
    streams(WHOLE)
    server.answers["/init.mp4"] = Reply(b"x" * 400)
    server.answers["/0.m4s"] = server.answers["/a/1.m4s"] = Reply(b"x" * 400)
    with pytest.raises(SourceError, match="more than 200 bytes"):
        fetch_audio(LIKE, tmp_path / "audio", api=api)
    assert not list((tmp_path / "audio").iterdir())


def test_no_stream_no_track(server: Server, api: Api, tmp_path: Path, streams: Streams) -> None:
    give_right()
    server.answers["/tracks/soundcloud:tracks:1/streams"] = Reply({"preview_mp3_128_url": f"{server.url}/preview"})
    with pytest.raises(SourceError, match="no stream"):
        fetch_audio(LIKE, tmp_path, api=api)
    with pytest.raises(InputError, match="is no track of SoundCloud"):
        fetch_audio(Like("A", "B", source_id="../me"), tmp_path, api=api)
    with pytest.raises(InputError, match="does not know the track"):
        fetch_audio(Like("A", "B", source_id="soundcloud:tracks:404"), tmp_path, api=api)
