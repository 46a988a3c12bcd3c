"""Last.fm tags: the same from SQLite, zip archives and folders; duplicates, empty tags, damage."""

import io
import json
import runpy
import shutil
import sqlite3
import zipfile
from pathlib import Path

import pytest

from earmark.datasets.lastfm_tags import clean_tags, parse_json, read_archive, stream_tags, tags_in_database
from earmark.errors import InputError

MAKER = runpy.run_path(str(Path(__file__).parent / "makers" / "msd.py"))
TRACKS = MAKER["TRACKS"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    MAKER["write_database"](tmp_path / "lastfm_tags.db")
    MAKER["write_archives"](tmp_path)
    return tmp_path


def test_all_sources_give_the_same(root: Path) -> None:
    database = {entry.track: entry.tags for entry in stream_tags(root / "lastfm_tags.db")}
    zipped, unpacked = {}, {}
    for name in ("lastfm_train", "lastfm_test"):
        zipped |= {entry.track: entry.tags for entry in stream_tags(root / f"{name}.zip")}
        shutil.unpack_archive(root / f"{name}.zip", root)
        unpacked |= {entry.track: entry.tags for entry in stream_tags(root / name)}
    assert zipped == unpacked
    assert list(zipped) == TRACKS
    assert zipped.pop(TRACKS[5]) == ()
    assert database == zipped
    assert list(database) == [track for track in reversed(TRACKS) if track != TRACKS[5]], "in the order of the table"
    assert database[TRACKS[2]] == (("jazz", 90.0), ('it\'s "quoted"', 55.0))


def test_one_track(root: Path) -> None:
    path = root / "lastfm_tags.db"
    assert tags_in_database(path, TRACKS[1]) == (("Hip-Hop", 100.0), ("rock", 3.0))
    assert tags_in_database(path, "TR' OR '1'='1") == ()
    assert tags_in_database(path, TRACKS[5]) == ()


def test_nothing_is_written_beside_the_database(root: Path) -> None:
    before = {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}
    list(stream_tags(root / "lastfm_tags.db"))
    assert {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()} == before


def test_names_with_marks_of_addresses(root: Path) -> None:
    odd = root / "50% of #1?.db"
    shutil.copy(root / "lastfm_tags.db", odd)
    assert tags_in_database(odd, TRACKS[1])


def test_what_is_no_database_is_named(root: Path) -> None:
    path = root / "lastfm_tags.db"
    whole = path.read_bytes()
    for damaged in (b"", b"rubbish" * 1000, whole[: len(whole) // 2], whole[:100]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"lastfm_tags.db: no SQLite file with Last.fm tags"):
            list(stream_tags(path))
        with pytest.raises(InputError, match=r"lastfm_tags.db"):
            tags_in_database(path, TRACKS[0])
    path.unlink()
    with pytest.raises(InputError, match="there is no such file"):
        list(stream_tags(path))
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DROP TABLE tags", "no such table: tags"),
        ("DELETE FROM tids WHERE ROWID = 1", "names row 1 of tids"),
        ("DELETE FROM tags", "of tags, that is not there"),
        ("UPDATE tid_tag SET val = 'much'", "is 'much', expected a number"),
        ("UPDATE tid_tag SET val = 101", "is 101.0, expected 0 to 100"),
        ("UPDATE tid_tag SET val = NULL", "is None, expected a number"),
    ],
)
def test_tables_that_do_not_fit(root: Path, change: str, words: str) -> None:
    connection = sqlite3.connect(root / "lastfm_tags.db")
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match=words) as error:
        list(stream_tags(root / "lastfm_tags.db"))
    assert str(root) in error.value.message


def test_weights_and_repetitions() -> None:
    assert clean_tags([("a", "5"), ("b", 7), ("a ", "9"), ("  ", 1), ("c", 7)], "x") == (("a", 9), ("b", 7), ("c", 7))
    assert clean_tags([], "x") == ()
    with pytest.raises(InputError, match="x: the weight of tag 'a' is 'nan', expected 0 to 100"):
        clean_tags([("a", "nan")], "x")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b"\xff", b'{"track_id": "T"}', b'{"track_id": "T", "tags": 5}',
        b'{"track_id": "T", "tags": [["a"]]}', b'{"track_id": "T", "tags": [["a", "b"]]}', b"[" * 100_000,
        b'{"track_id": "", "tags": []}', b'{"track_id": null, "tags": []}',
    ],
)  # fmt: skip
def test_damaged_json(content: bytes) -> None:
    with pytest.raises(InputError):
        parse_json(content)


def test_names_of_the_archive_are_kept() -> None:
    entry = parse_json(json.dumps({"track_id": "T", "tags": [], "artist": "Zoë", "title": None}).encode())
    assert (entry.artist, entry.title, entry.tags) == ("Zoë", "", ())


def test_damaged_archives_are_named(root: Path) -> None:
    path = root / "lastfm_train.zip"
    whole = path.read_bytes()
    for damaged in (b"", b"rubbish", whole[: len(whole) // 2], whole[:60] + b"\0\0\0\0" + whole[64:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"lastfm_train.zip: "):
            list(stream_tags(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lastfm_train/A/B/C/x.json", "[]")
        archive.writestr("__MACOSX/y.json", "no JSON")
    with pytest.raises(InputError, match=r"lastfm_train.zip: lastfm_train/A/B/C/x.json: no JSON of a track"):
        list(stream_tags(path))


def test_a_damaged_file_of_a_folder_is_named(root: Path) -> None:
    shutil.unpack_archive(root / "lastfm_train.zip", root)
    file = next((root / "lastfm_train").rglob("*.json"))
    file.write_text("{")
    with pytest.raises(InputError, match=file.name):
        list(stream_tags(root / "lastfm_train"))


def test_archives_are_read_one_track_at_a_time(root: Path) -> None:
    """The first track is there before a later member is looked at."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.json", MAKER["json_of"](0))
        archive.writestr("b.json", "[]")
    stream = read_archive(file)
    assert next(stream).track == TRACKS[0]
    with pytest.raises(InputError, match=r"b.json"):
        next(stream)


def test_a_weight_of_hundreds_of_digits_is_an_error() -> None:
    content = '{"track_id": "x", "tags": [["a", 1' + "0" * 400 + "]]}"
    with pytest.raises(InputError, match=r"x: the weight of tag 'a' is 10{79}, expected a number"):
        parse_json(content.encode())


def test_of_a_tag_that_stands_there_twice_the_heaviest_counts() -> None:
    assert clean_tags([("a", 9), ("a", 5)], "x") == clean_tags([("a", 5), ("a", 9)], "x") == (("a", 9),)
