"""`earmark compatibility` from what is typed to what is written; music is told by tags, so nothing has to be heard."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import json_service

pytest.importorskip("lancedb")

Cli = Callable[..., Any]
TASTES = {"anna": ["rock", "guitar", "loud"], "berta": ["jazz", "piano", "calm"], "carla": ["rock", "guitar", "90s"]}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_SECRETS", str(tmp_path / "secrets.toml"))
    monkeypatch.setenv("EARMARK_LIBRARY", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)


def table(name: str, n: int = 12) -> str:
    tags = TASTES[name]
    rows = [f"{name} {i % 5},Song {i},{tags[0]};{tags[1 + i % 2]}" for i in range(n)]
    Path(f"{name}.csv").write_text("\n".join(["artist,title,tags", *rows]))
    return f"{name}.csv"


def test_text_says_the_score_and_why(cli: Cli) -> None:
    done = cli("compatibility", table("anna"), table("berta"))
    assert done.status == 0, done.err
    for expected in (
        "anna and berta: ", "of 100 pairs of listeners", "where they differ (anna / berta)", "rock", "jazz",
        "anna: 12 tracks from csv: 0 heard, 12 by tags alone", "compared by tags alone",
    ):  # fmt: skip
        assert expected.lower() in done.out.lower(), expected


def test_json_is_the_result_and_repeats(cli: Cli) -> None:
    arguments = ("compatibility", table("anna"), table("carla"), "--json")
    one, other = (json.loads(cli(*arguments).out) for _ in range(2))
    assert one == other
    far = json.loads(cli("compatibility", "anna.csv", table("berta"), "--json").out)
    assert one["distance"] < far["distance"]
    assert {fact["tag"] for fact in one["shared"]} >= {"rock"}


def test_a_page_is_written_and_not_over_another(cli: Cli) -> None:
    arguments = ("compatibility", table("anna"), table("berta"), "-o", "page.html")
    assert cli(*arguments).status == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert "anna" in page
    assert "Where they differ" in page
    again = cli(*arguments)
    assert again.status == 2
    assert "--force" in again.err
    assert cli(*arguments, "--force").status == 0
    wrong = cli("compatibility", "anna.csv", "berta.csv", "-o", "page.pdf")
    assert wrong.status == 2
    assert "the page is HTML" in wrong.err


def test_errors_are_words(cli: Cli) -> None:
    few = cli("compatibility", table("anna"), table("berta", 3))
    assert few.status == 1
    assert "berta: 3 of 3 tracks have" in few.err
    assert not few.out
    assert "no such file" in cli("compatibility", "anna.csv", "nobody").err
    assert cli("compatibility", "anna.csv", "lastfm:x").status == 2  # no key


class ListenBrainz:
    """The service, in small: everybody loves a dozen songs."""

    def __init__(self) -> None:
        self.n_asked = 0

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        self.n_asked += 1
        user = next((name for name in TASTES if f"/{name}/" in path), None)
        if "/metadata/recording" in path:
            ids = query["recording_mbids"].split(",")
            return 200, {one: self.described(one) for one in ids}
        if user is None:
            return 404, {"code": 404, "error": "User not found"}
        if "stats" in path:
            return 204, None
        if "get-feedback" not in path:
            return 200, {"payload": {"listens": [], "count": 0}}
        begin = int(query.get("offset", "0"))
        entries = [
            {"recording_mbid": self.mbid(user, i), "score": 1, "created": 1700000000, "user_id": user,
             "track_metadata": {"artist_name": f"{user} {i}", "track_name": f"Song {i}",
                                "mbid_mapping": {"recording_mbid": self.mbid(user, i)}}}
            for i in range(begin, 12)
        ]  # fmt: skip
        return 200, {"count": len(entries), "feedback": entries, "offset": begin, "total_count": 12}

    @staticmethod
    def mbid(user: str, i: int) -> str:
        return f"{list(TASTES).index(user):04d}{i:04d}-51d4-4930-9052-3820358044d5"

    @staticmethod
    def described(one: str) -> dict[str, Any]:
        tags = TASTES[list(TASTES)[int(one[:4])]]
        return {"tag": {"recording": [{"tag": tag, "count": 3 - k} for k, tag in enumerate(tags)]}}


@pytest.fixture
def listenbrainz(monkeypatch: pytest.MonkeyPatch) -> Iterator[ListenBrainz]:
    service = ListenBrainz()
    with json_service(service.answer) as url:
        monkeypatch.setenv("EARMARK_LISTENBRAINZ_URL", url)
        yield service


def test_two_users_of_a_service(cli: Cli, listenbrainz: ListenBrainz) -> None:
    arguments = ("compatibility", "listenbrainz:anna", "listenbrainz:carla", "--json")
    near = json.loads(cli(*arguments).out)
    assert near["a"]["name"] == "anna"
    assert near["a"]["attribution"] == "Likes from ListenBrainz"
    assert near["a"]["tracks"] == {"n": 12, "audio": 0, "tags_alone": 12, "neither": 0}
    far = json.loads(cli("compatibility", "listenbrainz:anna", "listenbrainz:berta", "--json").out)
    assert near["distance"] < far["distance"]
    asked = listenbrainz.n_asked
    assert json.loads(cli(*arguments).out) == near
    assert listenbrainz.n_asked == asked  # it was kept
    nobody = cli("compatibility", "listenbrainz:anna", "listenbrainz:nobody")
    assert nobody.status == 1
    assert "nobody" in nobody.err
