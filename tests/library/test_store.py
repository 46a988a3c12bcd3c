"""The catalogue on disk: what is put in comes out, by key, in batches, whatever the names."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Timer

import lancedb
import pytest

from earmark.errors import InputError, UnknownNameError
from earmark.library.models import TAUGHT, StoredModel
from earmark.library.rows import FilePlace, LibraryTrack
from earmark.library.schema import FAILURES, TRACKS, files_columns, now, table_schemas
from earmark.library.store import ENVIRONMENT, Store, among, default_address

from .conftest import MODEL, TAGS, track_id, track_row


def test_rows_come_out_as_they_went_in(store: Store) -> None:
    tracks = sorted(store.tracks(embeddings=True), key=lambda track: track.id)
    assert len(tracks) == store.count() == 12
    track, row = tracks[3], track_row(3)
    assert (track.artist, track.title, track.genres, track.container) == ("Artist 1", "Title 3", ("Own",), "mp3")
    assert track.files == (FilePlace("/music/3.mp3", 1003, 5),)
    assert (track.bpm, track.key) == (90.0, "A minor")
    heard = track.heard["standard"]
    assert list(heard.scores) == list(TAGS)
    assert heard.scores["rock"] == pytest.approx(row["score__standard__rock"])
    assert heard.embedding is not None
    assert heard.embedding.tolist() == row["embedding__standard"].tolist()
    assert heard.listened == "whole"
    assert next(iter(store.tracks())).heard["standard"].embedding is None


def test_a_row_changes_in_the_columns_that_it_names_only(store: Store) -> None:
    store.put(TRACKS, [{"id": track_id(0), "title": "other"}])
    (track,) = store.tracks(ids=[track_id(0)])
    assert (track.title, track.artist, track.heard["standard"].scores.keys()) == (
        "other",
        "Artist 0",
        dict.fromkeys(TAGS).keys(),
    )
    assert store.count() == 12


def test_tracks_come_in_the_order_asked_for(store: Store) -> None:
    wanted = [track_id(i) for i in (5, 1, 99, 7)]
    assert [track.id for track in store.tracks(ids=wanted)] == [track_id(i) for i in (5, 1, 7)]
    assert [track.id for track in store.tracks(ids=wanted, where="bpm > 100")] == [track_id(5), track_id(7)]


def test_names_of_files_are_bytes(store: Store) -> None:
    odd = "/music/caf\udce9 '\".mp3"
    store.put(TRACKS, [{"id": track_id(0), **files_columns([FilePlace(odd, 1, 2)])}])
    (track,) = store.tracks(ids=[track_id(0)])
    assert track.path == odd
    store.put(FAILURES, [{"path": track.files[0].raw, "size": 1, "mtime_ns": 2, "reason": "r", "hint": None,
                          "at": now()}])  # fmt: skip
    assert [row["path"] for row in store.failures()] == [track.files[0].raw]
    store.delete(FAILURES, [track.files[0].raw])
    assert store.failures() == []


def test_a_second_model_stands_beside_the_first(store: Store) -> None:
    other = StoredModel("musicnn.pons_mtt", "9", ("flute",), ("flute",), ("instrument",), (None,), (0.2,), (("m", 2),))
    store.keep_model(other)
    store.put(TRACKS, [{"id": track_id(0), "score__musicnn_pons_mtt__flute": 0.5}])
    (track,) = store.tracks(ids=[track_id(0)])
    assert set(track.heard) == {"standard", "musicnn.pons_mtt"}
    assert [model.name for model in store.models()] == ["standard", "musicnn.pons_mtt"]
    assert store.model().name == "standard"
    assert store.model("musicnn.pons_mtt") == other
    with pytest.raises(UnknownNameError, match="no model in this catalogue 'nune'"):
        store.model("nune")


def test_a_model_whose_tags_have_changed_makes_way(store: Store) -> None:
    store.keep_model(replace(MODEL, version="2"))
    assert next(iter(store.tracks())).heard["standard"].scores.keys() == dict.fromkeys(TAGS).keys()
    fewer = replace(MODEL, version="3", tags=TAGS[:4], slugs=MODEL.slugs[:4], categories=MODEL.categories[:4],
                    base_rates=MODEL.base_rates[:4], thresholds=MODEL.thresholds[:4])  # fmt: skip
    store.keep_model(fewer)
    assert store.models() == [fewer]
    assert all(not track.heard for track in store.tracks())
    assert store.count() == 12


def test_search_vectors_are_made_anew_when_their_mapping_changes(store: Store) -> None:
    store.put("models", [{"name": "standard", "vectors_version": 0}])
    store.put(TRACKS, [{"id": track_id(1), "vector__standard": [1.0] + [0.0] * 7}])
    store.keep_model(MODEL)
    assert store.models() == [MODEL]
    (row,) = store.arrow(["vector__standard"], where=among("id", [track_id(1)])).to_pylist()
    assert row["vector__standard"] == pytest.approx(track_row(1)["vector__standard"].tolist())


def test_tables_of_an_earlier_version_get_what_they_lack(store: Store) -> None:
    store.table("models").drop_columns(["vectors_version"])
    store.table(TRACKS).drop_columns(["isrc"])
    older = Store(store.address)
    assert [model.vectors_version for model in older.models()] == [0]
    assert next(iter(older.tracks())).isrc == ""
    older.upgrade()
    older.keep_model(MODEL)
    assert older.models() == [MODEL]
    older.put(TRACKS, [{"id": track_id(1), "isrc": "X"}])


def test_taught_tags_come_last(store: Store) -> None:
    taught = StoredModel(TAUGHT, "", ("for dinner",), ("for_dinner",), ("other",), (None,), (0.5,))
    store.keep_model(taught)
    store.put(TRACKS, [{"id": track_id(1), "score__taught__for_dinner": 0.75}])
    assert [model.name for model in store.models()] == ["standard", TAUGHT]
    (track,) = store.tracks(ids=[track_id(1)])
    assert track.heard[TAUGHT].scores == {"for dinner": 0.75}
    assert store.model().name == "standard"


def test_what_is_not_there_is_told(tmp_path: Path, make_store: Callable[..., Store]) -> None:
    with pytest.raises(InputError, match="there is no catalogue here"):
        Store(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be created"):
        Store(tmp_path / "file" / "x", create=True)
    with pytest.raises(InputError, match="nothing was heard yet"):
        Store(tmp_path / "new", create=True).model()
    with pytest.raises(InputError, match="there is no catalogue here"):
        Store(tmp_path)


def test_tidying_keeps_what_is_there(store: Store) -> None:
    for i in range(12, 20):
        store.put(TRACKS, [track_row(i)])
    store.delete(TRACKS, [track_id(13)])
    store.tidy()
    assert sorted(track.id for track in store.tracks()) == [track_id(i) for i in range(20) if i != 13]


def test_a_reader_sees_what_another_wrote(store: Store, make_store: Callable[..., Store]) -> None:
    reader = Store(store.address)
    assert reader.count() == 12
    store.put(TRACKS, [track_row(12)])
    assert reader.count() == 13


def test_arrow_tables_have_the_columns_asked_for(store: Store) -> None:
    table = store.arrow(["title", "score__standard__jazz"], where=among("id", [track_id(2)]))
    assert table.column_names == ["title", "score__standard__jazz"]
    assert table.column("title").to_pylist() == ["Title 2"]
    assert store.arrow(["title"], where="bpm < 0").num_rows == 0


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "/somewhere")
    assert default_address() == "/somewhere"
    monkeypatch.delenv(ENVIRONMENT)
    assert Path(default_address()).name == "library"


def test_a_catalogue_that_another_fills_later_is_seen(tmp_path: Path) -> None:
    early = Store(tmp_path / "catalogue", create=True)
    assert early.count() == 0
    assert early.models() == []
    other = Store(tmp_path / "catalogue", create=True)
    other.keep_model(MODEL)
    other.put("tracks", [track_row(1), track_row(2)])
    assert early.count() == 2
    assert [model.name for model in early.models()] == [MODEL.name]
    assert {track.id for track in early.tracks()} == {track_id(1), track_id(2)}


def test_a_table_that_another_begins_meanwhile_is_opened(tmp_path: Path) -> None:
    early = Store(tmp_path / "catalogue", create=True)
    other = Store(tmp_path / "catalogue", create=True)
    other.keep_model(MODEL)  # the table has more columns from now on than one that is begun
    other.put("tracks", [track_row(1)])
    assert {track.id for track in early.tracks()} == {track_id(1)}


def test_rows_that_are_kept_are_those_on_the_disk(make_store: Callable[..., Store]) -> None:
    store = make_store(12)
    ids = [track_id(i) for i in (7, 99, 3, 3)]

    def read() -> list[LibraryTrack]:
        return list(store.tracks(ids=ids))

    def same() -> list[list[str]]:
        return [[repr(track) for track in read()] for _ in range(3)]

    first = read()
    assert [track.id for track in first] == [track_id(i) for i in (7, 3, 3)]
    assert all(rows is None for _, rows in store._kept.values())
    assert same() == [[repr(track) for track in first]] * 3  # from memory, from the second question on
    assert any(rows is not None for _, rows in store._kept.values())
    Store(store.address).put("tracks", [track_row(3, title="Another")])  # somebody else writes
    assert [read()[1].title for _ in range(3)] == ["Another"] * 3
    store.delete("tracks", [track_id(7)])
    assert [len(read()) for _ in range(3)] == [2] * 3


def test_rows_of_a_large_catalogue_are_not_kept(
    make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.library.store.MOST_KEPT", 11)
    store = make_store(12)
    for _ in range(3):
        assert len(list(store.tracks(ids=[track_id(1)]))) == 1
    assert all(rows is None for _, rows in store._kept.values())


def test_a_table_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "tracks.lance").mkdir()
    waiting = Store(tmp_path, create=True)
    finished = Timer(0.2, lambda: lancedb.connect(tmp_path).create_table("tracks", schema=table_schemas()["tracks"]))
    finished.start()
    assert waiting.count() == 0
    finished.join()


def test_a_table_that_nobody_finished_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.library.store.BEING_MADE", 0.1)
    (tmp_path / "tracks.lance").mkdir()
    store = Store(tmp_path, create=True)
    assert store.count() == 0
    store.put("tracks", [track_row(1)])
    assert Store(tmp_path).count() == 1
