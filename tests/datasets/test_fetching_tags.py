"""Tables filled with tags: the order of levels, interruptions, failures, and that earmark reads what it wrote."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.datasets import fetching_tags, open_dataset
from earmark.datasets.fetching_tags import Fetched, fetch_tags
from earmark.datasets.journal import open_journal
from earmark.errors import InputError, SourceError, UnknownNameError, UsageError
from earmark.sources.lastfm import Tags
from earmark.sources.likes_csv import read_likes

TABLE = """Artist,Track Name,Year,Album
Cher,Believe,1998,Believe
ABBA,SOS,1975,
Nobody,Nothing,,
Cher,Believe,1999,Believe
"""
ANSWERS = {
    "Believe": Tags({"pop": 1.0, "dance": 0.58, "a;b": 0.07}, "track"),
    "SOS": Tags({"70s": 1.0}, "artist"),
}
Result = Tags | BaseException


class Known:
    """A service that knows a little."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.answers: dict[str, Result] = dict(ANSWERS)

    def best_tags(self, artist: str, title: str, album: str = "") -> Tags:
        self.asked.append((artist, title, album))
        answer = self.answers.get(title, Tags())
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Known:
    known = Known()
    monkeypatch.setattr(fetching_tags, "LastFm", lambda **_: known)
    return known


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., Fetched]:
    def call(content: str = TABLE, **options: bool) -> Fetched:
        table = tmp_path / "mine.csv"
        table.write_text(content, encoding="utf-8")
        return fetch_tags(table, tmp_path / "out.csv", **options)  # type: ignore[arg-type]

    return call


Fill = Callable[..., Fetched]


def rows(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_the_table_keeps_its_columns_and_gets_tags(service: Known, fill: Fill, tmp_path: Path) -> None:
    found = fill()
    out = tmp_path / "out.csv"
    assert rows(out) == [
        ["id", "artist", "title", "Year", "album", "tags", "weights", "tags_from"],
        ["1", "Cher", "Believe", "1998", "Believe", '["pop", "dance", "a;b"]', "100;58;7", "track"],
        ["2", "ABBA", "SOS", "1975", "", "70s", "100", "artist"],
        ["3", "Nobody", "Nothing", "", "", "", "", ""],
        ["4", "Cher", "Believe", "1999", "Believe", '["pop", "dance", "a;b"]', "100;58;7", "track"],
    ]
    assert found == Fetched(4, 3, {"track": 2, "album": 0, "artist": 1}, 1, 0, 0, {}, str(out))
    assert service.asked == [("Cher", "Believe", "Believe"), ("ABBA", "SOS", ""), ("Nobody", "Nothing", "")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "out.csv"]


@pytest.mark.usefixtures("service")
def test_earmark_reads_what_it_wrote(fill: Fill, tmp_path: Path) -> None:
    fill()
    dataset = open_dataset("table", tmp_path / "out.csv")
    first, second, third, _ = dataset
    assert (first.id, first.artist, first.title, first.album) == ("1", "Cher", "Believe", "Believe")
    assert (first.tags, first.tag_weights) == (("pop", "dance", "a;b"), (100.0, 58.0, 7.0))
    assert (second.tags, third.tags, third.tag_weights) == (("70s",), (), ())
    assert set(dataset.vocabulary.tags) == {"pop", "dance", "a;b", "70s"}
    likes = {like.name: dict(like.tags) for like in read_likes(tmp_path / "out.csv").likes}
    assert likes["Cher – Believe"] == {"pop": 1.0, "dance": 0.58, "a;b": 0.07}


@pytest.mark.usefixtures("service")
def test_tsv_ids_and_paths(tmp_path: Path) -> None:
    table = tmp_path / "in.tsv"
    absolute = (tmp_path / "x.mp3").as_posix()
    table.write_text(f"ID\tartist\ttitle\tpath\na\tCher\tBelieve\tmusic/1.mp3\nb\tABBA\tSOS\t{absolute}\nc\tX\tY\t\n")
    (tmp_path / "more").mkdir()
    out = tmp_path / "more" / "out.TSV"
    fetch_tags(table, out)
    found = rows(out, "\t")
    assert found[0] == ["id", "artist", "title", "path", "tags", "weights", "tags_from"]
    assert [row[0] for row in found[1:]] == ["a", "b", "c"]
    assert [row[3] for row in found[1:]] == [os.path.join("..", "music/1.mp3"), absolute, ""]  # noqa: PTH118
    fetch_tags(table, tmp_path / "beside.tsv")
    assert rows(tmp_path / "beside.tsv", "\t")[1][3] == "music/1.mp3"


def test_an_interrupted_run_goes_on(service: Known, fill: Fill, tmp_path: Path) -> None:
    service.answers["SOS"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        fill()
    assert not (tmp_path / "out.csv").exists()
    journal = tmp_path / "out.csv.journal"
    with journal.open("ab") as file:
        file.write(b'{"track": ["ABBA", "SOS"')  # as a crash leaves it
    service.answers["SOS"] = ANSWERS["SOS"]
    service.asked.clear()
    told: list[tuple[int, int | None]] = []
    found = fill(on_progress=lambda *numbers: told.append(numbers))
    assert [title for _, title, _ in service.asked] == ["SOS", "Nothing"]
    assert (found.n_asked, found.n_found["track"], found.n_found["artist"]) == (2, 2, 1)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert not journal.exists()


def test_a_table_that_grew_asks_about_the_new_rows(service: Known, fill: Fill) -> None:
    service.answers["Nothing"] = SourceError("no answer")
    fill()
    service.asked.clear()
    service.answers["Nothing"] = Tags({"quiet": 1.0}, "album")
    found = fill(TABLE + "ABBA,Waterloo,1974,Waterloo\n")
    assert [title for _, title, _ in service.asked] == ["Nothing", "Waterloo"]
    assert (found.n_tracks, found.n_found["album"], found.n_not_found) == (5, 1, 1)


def test_what_failed_is_marked_and_asked_about_again(service: Known, fill: Fill, tmp_path: Path) -> None:
    service.answers["SOS"] = SourceError("Last.fm: something went wrong there")
    found = fill()
    assert found.failures == {"ABBA – SOS": "Last.fm: something went wrong there"}
    assert (found.n_failed, found.n_not_found, found.n_found["track"]) == (1, 1, 2)
    assert rows(tmp_path / "out.csv")[2][-3:] == ["", "", "failed"]
    json.dumps(found.to_dict())
    service.asked.clear()
    service.answers["SOS"] = ANSWERS["SOS"]
    again = fill()
    assert [title for _, title, _ in service.asked] == ["SOS"]
    assert (again.failures, again.n_failed) == ({}, 0)
    assert rows(tmp_path / "out.csv")[2][-3:] == ["70s", "100", "artist"]
    assert not (tmp_path / "out.csv.journal").exists()


def test_a_service_that_is_down_ends_it(service: Known, fill: Fill, tmp_path: Path) -> None:
    titles = [f"t{i}" for i in range(20)]
    service.answers |= {title: SourceError("nothing comes") for title in titles[3:]}
    content = "artist,title\n" + "".join(f"A,{title}\n" for title in titles)
    with pytest.raises(SourceError, match="nothing comes") as caught:
        fill(content)
    assert "the same command goes on" in str(caught.value.hint)
    assert len(service.asked) == 3 + fetching_tags.MOST_FAILURES
    assert len((tmp_path / "out.csv.journal").read_text().splitlines()) == 1 + 3


def test_rows_that_nobody_can_be_asked_about(service: Known, fill: Fill) -> None:
    found = fill("artist,title\n,Believe\nCher,\n  ,x,extra\n")
    assert service.asked == [("Cher", "", "")]
    assert (found.n_tracks, found.n_unnamed, found.n_not_found, found.n_asked) == (3, 2, 3, 1)


def test_a_finished_table_is_not_replaced_unless_told(service: Known, fill: Fill, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(UsageError, match="there is such a file already") as caught:
        fill()
    assert caught.value.hint == "--force replaces it"
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert not service.asked
    assert fill(force=True).n_tracks == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title,album\nx,y\n", "no column of artists"),
        ("artist,isrc\nx,GBAYE0601477\n", "no column of titles"),
        ("artist,title,tags\nx,y,z\n", "the column 'tags' is in the way"),
        ("artist,title,tags_from\nx,y,z\n", "the column 'tags_from' is in the way"),
        ("artist,title,Track Name,Track Name\nx,y,z,z\n", "the column 'Track Name' is in the way"),
        ("id,artist,title\n1,x,y\n1,x,z\n", "row 2: id '1' stands in row 1 already"),
        ("id,artist,title\n,x,y\n", "row 1: id is empty"),
        ("path,artist,title\na.mp3,x,y\na.mp3,x,z\n", "row 2: path 'a.mp3' stands in row 1 already"),
    ],
)
def test_tables_that_will_not_do(service: Known, fill: Fill, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fill(content)
    assert not service.asked


def test_numbers_of_other_services_are_no_ids(service: Known, fill: Fill, tmp_path: Path) -> None:
    fill("Track URI,Track Name,Artist Name(s)\nspotify:1,Believe,Cher\nspotify:1,Believe,Cher\n")
    assert rows(tmp_path / "out.csv")[0][:4] == ["id", "Track URI", "title", "artist"]
    assert len(service.asked) == 1


@pytest.mark.usefixtures("service")
def test_places_that_will_not_do(fill: Fill, tmp_path: Path) -> None:
    fill()
    table = tmp_path / "mine.csv"
    for name, kind, message in (
        ("out.txt", UsageError, r"\.txt, expected \.csv or \.tsv"),
        ("none/out.csv", InputError, "there is no folder"),
        ("mine.csv", UsageError, "is what would be read"),
    ):
        with pytest.raises(kind, match=message):
            fetch_tags(table, tmp_path / name)
    with pytest.raises(UnknownNameError, match="there is no source of tags 'lastfn'") as caught:
        fetch_tags(table, tmp_path / "other.csv", source="lastfn")
    assert caught.value.hint == "did you mean 'lastfm'?"
    (tmp_path / "other.csv.journal").write_text("my letters\n")
    with pytest.raises(InputError, match="not a journal of tags"):
        fetch_tags(table, tmp_path / "other.csv")
    assert (tmp_path / "other.csv.journal").read_text() == "my letters\n"


def test_a_journal_is_written_by_one(service: Known, fill: Fill, tmp_path: Path) -> None:
    with (
        open_journal(tmp_path / "out.csv.journal", fetching_tags._HEADER, refused=("no journal", "none")),
        pytest.raises(InputError, match="another process writes to this journal"),
    ):
        fill()
    assert not service.asked


def test_odd_lines_of_a_journal_are_passed_over(service: Known, fill: Fill, tmp_path: Path) -> None:
    lines = [
        json.dumps(fetching_tags._HEADER),
        '{"track": ["Cher", "Believe", "Believe"], "level": "track", "tags": {"kept": 0.5}}',
        '{"track": ["ABBA", "SOS", ""], "level": "label", "tags": {"x": 1}}',
        '{"track": ["ABBA", "SOS", ""], "level": "track", "tags": {"x": "many"}}',
        "[]",
        "{",
    ]
    (tmp_path / "out.csv.journal").write_text("\n".join(lines) + "\n")
    fill()
    assert [title for _, title, _ in service.asked] == ["SOS", "Nothing"]
    assert rows(tmp_path / "out.csv")[1][-3:] == ["kept", "50", "track"]
