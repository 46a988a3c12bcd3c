"""A catalogue taken out and in again is the same, bit by bit."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.errors import InputError, UsageError
from earmark.library.exchange import Imported, export, import_from
from earmark.library.rows import FilePlace
from earmark.library.schema import TRACKS, files_columns
from earmark.library.store import Store, among

from .conftest import MODEL, TAGS, track_id


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_everything_comes_back(store: Store, tmp_path: Path, suffix: str) -> None:
    odd = FilePlace("/music/caf\udce9 \u2028.mp3", 3, 4)
    store.put(TRACKS, [{"id": track_id(0), **files_columns([odd])}])
    path = tmp_path / f"out{suffix}"
    assert export(store, path) == 12
    other = Store(tmp_path / "other", create=True)
    assert import_from(other, path) == Imported(12, 0, 0)
    assert other.models() == [MODEL]
    columns = store.table(TRACKS).schema.names
    ours, theirs = (sorted(one.arrow(columns).to_pylist(), key=lambda row: row["id"]) for one in (store, other))
    assert ours == theirs
    assert import_from(other, path) == Imported(0, 0, 12)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_what_is_known_is_filled_in_only(make_store: Callable[..., Store], tmp_path: Path, suffix: str) -> None:
    store = make_store(3)
    export(store, tmp_path / f"out{suffix}")
    other = Store(tmp_path / "other", create=True)
    other.put(TRACKS, [{"id": track_id(0), "title": "mine", **files_columns([FilePlace("/mine.mp3", 1, 2)])}])
    assert import_from(other, tmp_path / f"out{suffix}") == Imported(2, 1, 0)
    (track,) = other.tracks(ids=[track_id(0)], embeddings=True)
    assert (track.title, track.path) == ("mine", "/mine.mp3")
    assert set(track.heard["standard"].scores) == set(TAGS)
    assert track.heard["standard"].embedding is not None


def test_csv_is_for_spreadsheets(store: Store, tmp_path: Path) -> None:
    assert export(store, tmp_path / "out.csv", where=among("id", [track_id(4)])) == 1
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["title"], row["paths"], row["genres"]) == (track_id(4), "Title 4", "/music/4.mp3", "Own")
    assert 0 <= float(row["standard: female vocals"]) <= 1
    with pytest.raises(UsageError, match="holds no embeddings"):
        import_from(store, tmp_path / "out.csv")


def test_other_files_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot export to this"):
        export(store, tmp_path / "out.xlsx")
    with pytest.raises(UsageError, match="cannot import this"):
        import_from(store, tmp_path / "out.xlsx")
    for name, content in (("a.parquet", b"no parquet"), ("b.jsonl", b"[1]\n"), ("c.jsonl", b"{"), ("d.jsonl", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="exported"):
            import_from(store, tmp_path / name)
    with pytest.raises(InputError, match="No such file"):
        import_from(store, tmp_path / "none.jsonl")


def test_a_file_that_was_cut_off_brings_its_whole_batches_only(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out.jsonl")
    whole = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(whole[:-100])
    other = Store(tmp_path / "other", create=True)
    with pytest.raises(InputError, match="no catalogue that earmark exported"):
        import_from(other, tmp_path / "cut.jsonl")
    assert other.count() == 0
    assert json.loads(whole.splitlines()[0])["earmark_catalogue"] == 1
