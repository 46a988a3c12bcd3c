"""`Library` has every verb of the command line."""

from pathlib import Path

import pytest

import earmark
from earmark.library.store import Store

from .conftest import track_id


@pytest.fixture
def library(store: Store) -> earmark.Library:
    return earmark.Library(store.address, create=False)


def test_it_is_iterated_lazily_and_filtered(library: earmark.Library) -> None:
    assert len(library) == 12
    tracks = iter(library)
    assert next(tracks).heard["standard"].scores
    assert [track.title for track in library.list(filter="bpm > 150")] == ["Title 10", "Title 11"]
    assert "12 tracks" in repr(library)


def test_tables_for_other_tools(library: earmark.Library) -> None:
    table = library.to_arrow(filter="bpm > 150", columns=["title", "score__standard__jazz"])
    assert table.column("title").to_pylist() == ["Title 10", "Title 11"]
    polars = pytest.importorskip("polars")
    frame = library.to_polars(columns=["title", "bpm", "genres"])
    assert isinstance(frame, polars.DataFrame)
    assert frame.filter(polars.col("bpm") > 150)["title"].to_list() == ["Title 10", "Title 11"]


def test_verbs_of_the_command_line(library: earmark.Library, tmp_path: Path) -> None:
    assert library.status().n_tracks == 12
    assert library.show("title 3").id == track_id(3)
    assert len(library.similar("title 3", n=4)) == 4
    assert len(library.search("jazz -rock", n=4)) == 4
    assert len(library.playlist("title 3", length=5)) == 5
    assert [track.id for track in library.path("title 3", "title 9", n=4)][::3] == [track_id(3), track_id(9)]
    assert len(library.duplicates()) == 0
    assert len(library.missing()) == 12
    assert library.export(tmp_path / "out.jsonl", filter="bpm > 150") == 2
    head = library.teach("mine", yes=["title 1", "title 2"], no=["title 3"])
    assert head.name == "mine"
    assert len(library.suggest("mine", n=3)) == 3
    library.apply("mine")
    assert [own.is_applied for own in library.taught()] == [True]
    library.export_tag("mine", tmp_path / "mine.tag.json")
    library.remove_tag("mine")
    assert library.import_tag(tmp_path / "mine.tag.json").name == "mine"
    assert library.remove("title 3", "title 4") == 2
    other = earmark.Library(tmp_path / "other")
    assert other.import_from(tmp_path / "out.jsonl").n_new == 2
    assert library.prune() == 10
