"""Files that other programs load."""

from pathlib import Path

import numpy as np
import pytest

from earmark.errors import InputError, UsageError
from earmark.tables import TAG_COLUMNS, ParquetTags, embedding_only, write_embeddings
from earmark.track_tags import Tag, TrackTags


def track(path: str, lift: float | None = 2.0) -> TrackTags:
    tags = (Tag("jazz", "genre", 0.5, lift, 0.6, 1.5), Tag("slow", "other", 0.25, 1.0, 0.3, 0.0))
    zeros = np.zeros((1, 2), np.float32)
    return TrackTags(path, 3.0, tags, zeros, np.array([[0.0, 3.0]]), np.arange(4, dtype=np.float32), "m", ("m",))


def test_tags_in_parquet_are_long(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "tags.parquet"
    with ParquetTags(path) as table:
        table.add(track("a\udce9.mp3", None))
        table.add(track("b.mp3"), track("b.mp3").tags[:1])
        assert not path.exists()
    rows = parquet.read_table(path).to_pylist()
    assert tuple(rows[0]) == TAG_COLUMNS
    assert [(row["path"], row["tag"], row["lift"]) for row in rows] == [
        ("a\\udce9.mp3", "jazz", None), ("a\\udce9.mp3", "slow", 1.0), ("b.mp3", "jazz", 2.0),
    ]  # fmt: skip


def test_an_interrupted_table_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table = ParquetTags(tmp_path / "tags.parquet")
    table.add(track("a.mp3"))
    table.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    full = OSError(28, "No space left on device")

    def fail(*_: object) -> None:
        raise full

    table = ParquetTags(tmp_path / "tags.parquet")
    table.add(track("a.mp3"))
    monkeypatch.setattr(parquet.ParquetWriter, "write_table", fail)
    with pytest.raises(InputError, match="cannot be written: No space left"), table:
        pass
    assert table._file.closed
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setattr(parquet.ParquetWriter, "close", fail)
    with (
        pytest.raises(InputError, match="cannot be written: No space left"),
        ParquetTags(tmp_path / "b.parquet") as other,
    ):
        other.add(track("a.mp3"))
    assert other._file.closed
    with pytest.raises(KeyboardInterrupt), ParquetTags(tmp_path / "c.parquet"):
        raise KeyboardInterrupt  # and not that it could not be closed
    assert list(tmp_path.iterdir()) == []


def test_a_table_in_no_folder(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="there is no folder"):
        ParquetTags(tmp_path / "no" / "tags.parquet")


def test_embeddings_in_npz(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "e.npz", [track("a.mp3"), embedding_only(track("b\udce9.mp3"))], ["penultimate"])
    with np.load(tmp_path / "e.npz") as stored:
        assert stored["paths"].tolist() == ["a.mp3", "b\\udce9.mp3"]
        assert stored["embeddings"].tolist() == [[0, 1, 2, 3]] * 2
        assert stored["embeddings"].dtype == np.float32
        assert (stored["model"].item(), stored["layer"].tolist()) == ("m", ["penultimate"])
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_embeddings_in_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_embeddings(tmp_path / "e.parquet", [track("a.mp3"), track("b.mp3")], ["penultimate"])
    table = parquet.read_table(tmp_path / "e.parquet")
    assert table.column_names == ["path", "duration", "model", "embedding"]
    assert table["embedding"].to_pylist() == [[0, 1, 2, 3]] * 2
    assert table.schema.metadata[b"earmark.layer"] == b"penultimate"


def test_embeddings_are_refused_where_they_cannot_go(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write \.txt"):
        write_embeddings(tmp_path / "e.txt", [track("a.mp3")], ["x"])
    with pytest.raises(InputError, match="there is no folder"):
        write_embeddings(tmp_path / "no" / "e.npz", [track("a.mp3")], ["x"])
    with pytest.raises(InputError, match="no embedding to write"):
        write_embeddings(tmp_path / "e.npz", [], ["x"])
