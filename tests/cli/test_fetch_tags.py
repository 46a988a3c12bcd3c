"""`earmark datasets fetch-tags`, against a service on this machine that answers as Last.fm does."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from earmark.sources import lastfm

from .conftest import json_service

Cli = Callable[..., Any]
KEY = "0123456789abcdef" * 2
TAGS = {
    ("track.gettoptags", "Believe"): {"pop": 100, "dance": 58},
    ("album.gettoptags", "Arrival"): {"swedish": 100},
    ("artist.gettoptags", "ABBA"): {"70s": 100},
}


class Service:
    """Last.fm, in small."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.errors: dict[str, dict[str, Any] | BaseException] = {}

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        self.asked.append(query)
        if query.get("track") in self.errors:
            return 200, self.errors[query["track"]]
        method = query["method"].lower()
        name = query[{"track.gettoptags": "track", "album.gettoptags": "album"}.get(method, "artist")]
        tags = TAGS.get((method, name), {})
        return 200, {"toptags": {"tag": [{"name": tag, "count": count} for tag, count in tags.items()]}}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service()
    monkeypatch.setenv("EARMARK_LASTFM_KEY", KEY)
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_SECRETS", str(tmp_path / "secrets.toml"))
    monkeypatch.setattr(lastfm, "INTERVAL", 0.0)
    with json_service(made.answer) as url:
        monkeypatch.setenv("EARMARK_LASTFM_URL", f"{url}/2.0/")
        yield made


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "größer.csv"
    path.write_text(
        "title,artist,album\nBelieve,Cher,Believe\nSOS,ABBA,ABBA\nTiger,ABBA,Arrival\nNothing,Nobody,\n",
        encoding="utf-8",
    )
    return path


def test_a_table_is_filled(cli: Cli, service: Service, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    answer = cli("datasets", "fetch-tags", table, "--from", "lastfm", "-o", out)
    assert (answer.status, answer.out) == (0, "")
    assert (
        "4 tracks: 1 with tags of the track, 1 with tags of the album, 1 with tags of the artist, 1 without tags"
        in answer.err
    )
    assert "non-commercial" in answer.err
    with out.open(encoding="utf-8", newline="") as file:
        assert [row[-3:] for row in csv.reader(file)] == [
            ["tags", "weights", "tags_from"],
            ["pop;dance", "100;58", "track"],
            ["70s", "100", "artist"],
            ["swedish", "100", "album"],
            ["", "", ""],
        ]
    assert {query["api_key"] for query in service.asked} == {KEY}
    assert KEY not in answer.err + out.read_text(encoding="utf-8")
    stats = cli("datasets", "split", "table", out, "--by", "artist")
    assert stats.status == 0
    assert len(stats.out.splitlines()) == 5


def test_counts_as_json(cli: Cli, service: Service, table: Path, tmp_path: Path) -> None:
    answer = cli("datasets", "fetch-tags", table, "-o", tmp_path / "out.tsv", "--json", "--quiet")
    assert (answer.status, answer.err) == (0, "")
    plain = json.loads(answer.out)
    assert (plain["n_tracks"], plain["n_asked"], plain["n_not_found"]) == (4, 4, 1)
    assert plain["n_found"] == {"track": 1, "album": 1, "artist": 1}
    assert service.asked


def test_failures_are_named_and_the_same_command_mends_them(
    cli: Cli, service: Service, table: Path, tmp_path: Path
) -> None:
    service.errors["SOS"] = {"error": 8, "message": "Operation failed"}
    command = ("datasets", "fetch-tags", table, "-o", tmp_path / "out.csv")
    answer = cli(*command)
    assert answer.status == 1
    assert "1 failed" in answer.err
    assert "ABBA – SOS: Last.fm: something went wrong there" in answer.err
    service.errors.clear()
    service.asked.clear()
    assert cli(*command).status == 0
    assert {query.get("track") for query in service.asked} <= {"SOS", None}
    again = cli(*command)
    assert (again.status, "--force replaces it" in again.err) == (2, True)


def test_ctrl_c_loses_nothing(
    cli: Cli, service: Service, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = lastfm.LastFm.track_tags

    def interrupted(self: lastfm.LastFm, artist: str, title: str) -> dict[str, float]:
        if title == "Tiger":
            raise KeyboardInterrupt
        return original(self, artist, title)

    command = ("datasets", "fetch-tags", table, "-o", tmp_path / "out.csv")
    with monkeypatch.context() as patch:
        patch.setattr(lastfm.LastFm, "track_tags", interrupted)
        answer = cli(*command)
    assert answer.status == 130
    assert "2 of 4 tracks done; the same command goes on from there" in answer.err
    assert not (tmp_path / "out.csv").exists()
    service.asked.clear()
    assert cli(*command).status == 0
    assert [query["track"] for query in service.asked if "track" in query] == ["Tiger", "Nothing"]


@pytest.mark.parametrize("code", [10, 26])
def test_a_key_that_will_not_do_ends_it_at_once(
    cli: Cli, service: Service, table: Path, tmp_path: Path, code: int
) -> None:
    service.errors |= {"Believe": {"error": code, "message": f"Invalid API key {KEY}"}}
    answer = cli("datasets", "fetch-tags", table, "-o", tmp_path / "out.csv")
    assert answer.status == 2
    assert "the key" in answer.err
    assert KEY not in answer.err
    assert len(service.asked) == 1


def test_no_key(cli: Cli, service: Service, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARMARK_LASTFM_KEY")
    answer = cli("datasets", "fetch-tags", table, "-o", tmp_path / "out.csv")
    assert answer.status == 2
    assert "lastfm needs a key" in answer.err
    assert "EARMARK_LASTFM_KEY" in answer.err
    assert not service.asked
    assert not list(tmp_path.glob("out*"))


@pytest.mark.usefixtures("service")
def test_other_sources_there_are_not(cli: Cli, table: Path, tmp_path: Path) -> None:
    answer = cli("datasets", "fetch-tags", table, "--from", "spotify", "-o", tmp_path / "out.csv")
    assert (answer.status, "there is no source of tags 'spotify'" in answer.err) == (2, True)
