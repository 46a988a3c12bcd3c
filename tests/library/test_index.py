"""Nearest neighbours: the same answer from LanceDB, from memory and through an index, before and after rows come in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lancedb", reason="needs the extra [library]")

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library import index
from earmark.library.engine import load_lancedb
from earmark.library.index import ensure_index, index_state, nearest

pa = pytest.importorskip("pyarrow")

COLUMN, SIZE = "vector__standard", 40
Rows = dict[str, np.ndarray]


def unit(values: np.ndarray) -> np.ndarray:
    out: np.ndarray = (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)
    return out


def some(n: int, *, seed: int = 0, first: int = 0, size: int = SIZE) -> Rows:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(8, size))
    vectors = unit(centres[rng.integers(8, size=n)] + rng.normal(0, 0.7, (n, size)))
    return {
        "id": np.array([f"{i:032x}" for i in range(first, first + n)]),
        COLUMN: vectors,
        "bpm": rng.uniform(60, 180, n).astype(np.float32),
    }


def arrow(rows: Rows) -> Any:
    vectors = rows[COLUMN]
    flat = pa.array(vectors.ravel(), pa.float32())
    return pa.table(
        {
            "id": rows["id"].tolist(),
            COLUMN: pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            "bpm": rows["bpm"],
        }
    )


def best(rows: Rows, query: np.ndarray, n: int, mask: np.ndarray | None = None) -> tuple[list[str], np.ndarray]:
    """What nearest() must say, computed the plain way."""
    similarities = rows[COLUMN].astype(np.float64) @ unit(query)
    if mask is not None:
        similarities = np.where(mask, similarities, -np.inf)
    order = np.argsort(-similarities)[: n if mask is None else min(n, mask.sum())]
    return rows["id"][order].tolist(), similarities[order]


def joined(*parts: Rows) -> Rows:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def merge(table: Any, rows: Rows) -> None:
    table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(arrow(rows))


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Rows], Any]:
    database = load_lancedb().connect(str(tmp_path / "library"))

    def create(rows: Rows) -> Any:
        return database.create_table("tracks", arrow(rows))

    return create


@pytest.fixture
def queries() -> np.ndarray:
    return some(12, seed=5)[COLUMN]


def recall(table: Any, rows: Rows, queries: np.ndarray, **options: Any) -> float:
    hits = [len(set(nearest(table, COLUMN, q, **options)[0]) & set(best(rows, q, 10)[0])) for q in queries]
    return sum(hits) / (10 * len(queries))


@pytest.mark.parametrize("where", [None, "bpm > 120", "bpm > 178", "bpm > 1000"])
def test_exact_first_by_lancedb_then_from_memory(
    make: Callable[[Rows], Any], queries: np.ndarray, where: str | None
) -> None:
    rows = some(300)
    table = make(rows)
    mask = None if where is None else rows["bpm"] > float(where.split()[-1])
    for query in queries[:3]:
        expected, similarities = best(rows, query, 7, mask)
        for _ in range(2):
            ids, found = nearest(table, COLUMN, query, n=7, where=where)
            assert ids == expected
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, similarities, atol=1e-5)


def test_the_second_question_is_answered_from_memory(
    make: Callable[[Rows], Any], queries: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = some(60)
    table = make(rows)
    read: list[str] = []
    plain = index._read
    monkeypatch.setattr(index, "_read", lambda *given: read.append("read") or plain(*given))
    for asked in range(4):
        nearest(table, COLUMN, queries[0])
        assert len(read) == min(asked, 1)
    merge(table, some(5, seed=1, first=60))
    nearest(table, COLUMN, queries[0])
    assert len(read) == 1, "a new state is asked for the first time"
    nearest(table, COLUMN, queries[0])
    assert len(read) == 2


def test_rows_that_come_in_are_found_at_once(make: Callable[[Rows], Any]) -> None:
    rows = some(200)
    table = make(rows)
    assert ensure_index(table, COLUMN, exact_below=100) is not None
    new = some(20, seed=3, first=200)
    for exact_below in (100, 10_000):
        nearest(table, COLUMN, new[COLUMN][0], exact_below=exact_below)
    merge(table, new)
    for exact_below in (100, 10_000):
        for _ in range(2):
            ids, similarities = nearest(table, COLUMN, new[COLUMN][7], n=1, exact_below=exact_below)
            assert ids == [new["id"][7]]
            assert similarities[0] == pytest.approx(1, abs=1e-5)


def test_rows_that_were_changed_or_removed(make: Callable[[Rows], Any]) -> None:
    rows = some(200)
    table = make(rows)
    ensure_index(table, COLUMN, exact_below=100)
    changed = {name: values[:1] for name, values in rows.items()} | {COLUMN: -rows[COLUMN][:1]}
    merge(table, changed)
    table.delete(f"id = '{rows['id'][1]}'")
    for exact_below in (100, 10_000):
        for _ in range(2):
            ids, _ = nearest(table, COLUMN, -rows[COLUMN][0], n=1, exact_below=exact_below)
            assert ids == [rows["id"][0]]
            ids, similarities = nearest(table, COLUMN, rows[COLUMN][0], n=199, exact_below=exact_below)
            assert len(ids) == len(set(ids)) == 199
            assert (ids[-1], rows["id"][1] in ids) == (rows["id"][0], False)
            assert np.all(np.diff(similarities) <= 0)


def test_index_finds_what_comparing_all_finds(make: Callable[[Rows], Any], queries: np.ndarray) -> None:
    rows = some(600)
    table = make(rows)
    assert index_state(table, COLUMN) is None
    state = ensure_index(table, COLUMN, exact_below=500)
    assert state == index_state(table, COLUMN)
    assert state is not None
    assert (state.kind, state.n_rows, state.n_unindexed, state.n_segments) == ("IvfRq", 600, 0, 1)
    assert state.n_bytes > 600 * SIZE * 5 / 8
    assert recall(table, rows, queries, exact_below=500) >= 0.97
    assert recall(table, rows, queries, exact=True) == 1
    for query in queries[:4]:
        mask = rows["bpm"] > 170
        ids, similarities = nearest(table, COLUMN, query, where="bpm > 170", exact_below=500)
        expected, exactly = best(rows, query, 10, mask)
        assert ids == expected
        np.testing.assert_allclose(similarities, exactly, atol=1e-5)


def test_sizes_that_rabitq_does_not_take(make: Callable[[Rows], Any]) -> None:
    rows = some(300, size=30)
    table = make(rows)
    state = ensure_index(table, COLUMN, exact_below=100)
    assert state is not None
    assert state.kind == "IvfSq"
    assert recall(table, rows, some(10, seed=5, size=30)[COLUMN], exact_below=100) >= 0.97


def test_index_keeps_up(make: Callable[[Rows], Any], queries: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "UNINDEXED_LIMIT", 20)
    monkeypatch.setattr(index, "SEGMENT_LIMIT", 2)
    rows = some(300)
    table = make(rows)
    ensure_index(table, COLUMN, exact_below=100)
    states = []
    for batch in range(4):
        new = some(30, seed=10 + batch, first=300 + 30 * batch)
        rows = joined(rows, new)
        merge(table, new)
        before = index_state(table, COLUMN)
        assert before is not None
        assert before.n_unindexed == 30
        states.append(ensure_index(table, COLUMN, exact_below=100))
    assert [state.n_unindexed for state in states if state] == [0, 0, 0, 0]
    assert [state.n_segments for state in states if state] == [2, 3, 1, 2], "made anew once it is in too many parts"
    assert recall(table, rows, queries, exact_below=100) >= 0.97


def test_index_is_left_alone_while_little_is_missing(make: Callable[[Rows], Any]) -> None:
    table = make(some(300))
    ensure_index(table, COLUMN, exact_below=100)
    merge(table, some(30, seed=1, first=300))
    version = table.version
    state = ensure_index(table, COLUMN, exact_below=100)
    assert state is not None
    assert (state.n_unindexed, table.version) == (30, version)


def test_index_is_made_anew_when_most_rows_were_written_again(make: Callable[[Rows], Any]) -> None:
    rows = some(300)
    table = make(rows)
    ensure_index(table, COLUMN, exact_below=100)
    merge(table, rows)
    state = ensure_index(table, COLUMN, exact_below=100)
    assert state is not None
    assert (state.n_rows, state.n_unindexed, state.n_segments) == (300, 0, 1)


def test_small_tables_get_no_index(make: Callable[[Rows], Any]) -> None:
    table = make(some(30))
    assert ensure_index(table, COLUMN) is None
    assert index_state(table, COLUMN) is None


def test_rows_without_a_vector_are_left_out(make: Callable[[Rows], Any], queries: np.ndarray) -> None:
    rows = some(200)
    table = make(rows)
    lacking = pa.table({"id": ["none-1", "none-2"], "bpm": pa.array([100.0, 100.0], pa.float32())})
    table.add(lacking)
    for _ in range(2):
        ids, _ = nearest(table, COLUMN, queries[0], n=500)
        assert sorted(ids) == rows["id"].tolist()
        assert nearest(table, COLUMN, queries[0], where="id = 'none-1'")[0] == []
    ensure_index(table, COLUMN, exact_below=100)
    ids, _ = nearest(table, COLUMN, queries[0], n=500, exact_below=100)
    assert sorted(ids) == rows["id"].tolist()


def test_an_empty_table(make: Callable[[Rows], Any], queries: np.ndarray) -> None:
    table = make(some(1))
    table.delete("true")
    for _ in range(2):
        ids, similarities = nearest(table, COLUMN, queries[0])
        assert (ids, similarities.shape) == ([], (0,))


def test_the_length_of_the_vector_does_not_matter(make: Callable[[Rows], Any], queries: np.ndarray) -> None:
    table = make(some(50))
    first = nearest(table, COLUMN, queries[0])
    again = nearest(table, COLUMN, 17.0 * queries[0], n_rows=50)
    assert first[0] == again[0]
    np.testing.assert_allclose(first[1], again[1], atol=1e-6)


def test_what_cannot_be_searched_is_an_error(make: Callable[[Rows], Any], queries: np.ndarray) -> None:
    table = make(some(50))
    with pytest.raises(UsageError, match="n=0"):
        nearest(table, COLUMN, queries[0], n=0)
    with pytest.raises(UnknownNameError, match="no column of vectors 'vector__standart'") as raised:
        nearest(table, "vector__standart", queries[0])
    assert raised.value.hint == "did you mean 'vector__standard'?"
    with pytest.raises(UnknownNameError, match="'bpm'"):
        ensure_index(table, "bpm")
    with pytest.raises(InputError, match="holds vectors of 40 values"):
        nearest(table, COLUMN, queries[0][:10])
    for bad in (np.zeros(SIZE), np.full(SIZE, np.nan), np.full(SIZE, np.inf)):
        with pytest.raises(InputError, match="zero, or holds NaN"):
            nearest(table, COLUMN, bad)
    for _ in range(2):
        for where in ("bpm >", "tempo > 3"):
            with pytest.raises(InputError, match="cannot be searched"):
                nearest(table, COLUMN, queries[0], where=where)
