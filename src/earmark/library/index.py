"""Nearest neighbours in a table of the catalogue: exact while it is small, through an index when it is large.

Below `EXACT_BELOW` rows every vector is compared. The first question about a state of the table goes to LanceDB, which
answers it without reading all vectors into Python; if a second one follows, the vectors are read once and kept. From
`EXACT_BELOW` rows on there is an index, made by `ensure_index`: IVF_RQ, vectors in partitions with 5 bits for a value.
The best candidates are compared again with their true vectors, so similarities are exact either way. Rows that came
after the index was made are compared one by one, so they are found at once.

References
----------
Gao et al. 2025, Practical and asymptotically optimal quantization of high-dimensional vectors (RaBitQ with more bits).
`benchmarks/library_search.py speed` measures it against the other indexes of LanceDB.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.engine import worded

EXACT_BELOW = 100_000  # rows
UNINDEXED_LIMIT = 10_000  # rows; to compare them takes about as long as the index itself
SEGMENT_LIMIT = 12  # every `optimize` adds one for the new rows; each costs about a tenth of a query
_PROBES = 32  # partitions of about 4096 rows that are looked at
_PROBES_FILTERED = 96  # with a filter, which leaves fewer in each: those wanted lie in more of them
_CANDIDATES = 50  # at least so many are compared again with their true vectors, and
_CANDIDATES_EACH = 3  # at least so many times n
_BITS = 5  # per value
_KEPT = 2  # tables whose vectors stay in memory

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class IndexState:
    """What an index covers.

    Parameters
    ----------
    name : of the index
    kind : such as "IvfRq"
    n_rows : rows that it holds
    n_unindexed : rows of the table that it does not hold yet
    n_segments : parts that it is made of, one per `optimize` with new rows
    n_bytes : size on disk
    """

    name: str
    kind: str
    n_rows: int
    n_unindexed: int
    n_segments: int
    n_bytes: int


def nearest(
    table: Any,
    column: str,
    vector: ArrayLike,
    *,
    n: int = 10,
    where: str | None = None,
    n_rows: int | None = None,
    id_column: str = "id",
    exact: bool = False,
    exact_below: int = EXACT_BELOW,
) -> tuple[list[str], Vector]:
    """Find the rows whose vectors are most like one.

    Parameters
    ----------
    table : of LanceDB
    column : holds vectors of unit length, shape (D,); rows without one are left out
    vector : shape (D,); of any length but 0, it is scaled to 1
    n : how many rows; fewer come if there are fewer
    where : SQL condition that a row must fulfil, such as "bpm > 120"
    n_rows : rows of the table, where that is known
    id_column : what is returned of a row
    exact : compare all vectors, whatever the size
    exact_below : rows from which on an index is used, if there is one

    Returns
    -------
    ids of at most n rows, the most similar first, and their similarities, shape (n,), in [-1, 1]

    Raises
    ------
    InputError
        If `vector` does not fit the column, holds NaN or infinity or only zeros, or `where` cannot be read.
    UsageError
        If `n` is less than 1.
    UnknownNameError
        If the table has no such column of vectors.

    Notes
    -----
    A table that is large enough for an index and has none is searched row by row: right, but slow. `ensure_index` makes
    one.
    """
    if n < 1:
        raise UsageError(f"n={n}: it must be at least 1")
    query = _checked(table, column, vector)
    size = table.count_rows() if n_rows is None else n_rows
    if not exact and size >= exact_below and index_state(table, column) is not None:
        return _asked(table, column, query, n, where, id_column, indexed=True)
    if size < EXACT_BELOW:
        matrix = _matrix(table, column, id_column)
        if matrix is not None:
            return matrix.nearest(query, n, None if where is None else _passing(table, where, id_column))
    return _asked(table, column, query, n, where, id_column, indexed=False)


def ensure_index(table: Any, column: str, *, exact_below: int = EXACT_BELOW) -> IndexState | None:
    """Make the index of a column if the table is large enough, or bring it up to date if it has fallen behind.

    Parameters
    ----------
    table : of LanceDB
    column : holds vectors of unit length
    exact_below : rows from which on there is an index

    Returns
    -------
    state of the index; None if there is none, because the table is small

    Raises
    ------
    UnknownNameError
        If the table has no such column of vectors.
    InputError
        If the index cannot be written.

    Notes
    -----
    To be called by whoever writes, after a batch; nothing happens while all is well. An index that lacks more than
    `UNINDEXED_LIMIT` rows gets them by `table.optimize()`. It is made anew where that would be slower in the end: if
    it lacks half of the rows, or is in more than `SEGMENT_LIMIT` parts.
    """
    size = _dimension(table, column)
    n_rows = table.count_rows()
    state = index_state(table, column)
    if n_rows < exact_below:
        return state
    with _words(table, "cannot make its index"):
        if state is None or state.n_unindexed > n_rows / 2 or state.n_segments > SEGMENT_LIMIT:
            table.create_index(column, config=_config(size), replace=True)
        elif state.n_unindexed > UNINDEXED_LIMIT:
            table.optimize()
    return index_state(table, column)


def index_state(table: Any, column: str) -> IndexState | None:
    """Return what the index of a column covers; None if it has none."""
    for index in table.list_indices():
        if list(index.columns) == [column]:
            return IndexState(
                name=index.name,
                kind=index.index_type,
                n_rows=index.num_indexed_rows or 0,
                n_unindexed=index.num_unindexed_rows or 0,
                n_segments=index.num_segments or 1,
                n_bytes=index.size_bytes or 0,
            )
    return None


def _config(dimension: int) -> Any:
    """Return what kind of index is made: IVF_RQ takes multiples of 8 only."""
    from lancedb.index import IvfRq, IvfSq

    return IvfRq(distance_type="l2", num_bits=_BITS) if dimension % 8 == 0 else IvfSq(distance_type="l2")


def _asked(
    table: Any, column: str, query: Vector, n: int, where: str | None, id_column: str, *, indexed: bool
) -> tuple[list[str], Vector]:
    """Ask LanceDB. For vectors of unit length the squared distance is 2 - 2 * similarity."""
    with _words(table, "cannot be searched"):
        search = table.search(query, vector_column_name=column).distance_type("l2")
        search = search.select([id_column, "_distance"]).limit(n)
        if where is not None:
            search = search.where(where)
        if not indexed:
            found = search.bypass_vector_index().to_arrow()
        else:
            search = search.refine_factor(max(_CANDIDATES_EACH, -(-_CANDIDATES // n)))
            found = search.nprobes(_PROBES if where is None else _PROBES_FILTERED).to_arrow()
            if found.num_rows < n:
                found = search.maximum_nprobes(0).to_arrow()  # no limit
    distances = found["_distance"].to_numpy()
    return found[id_column].to_pylist(), np.clip(1 - distances / 2, -1, 1).astype(np.float32)


# Vectors that are kept ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Matrix:
    """All vectors of a column, and where each id stands."""

    ids: list[str]
    vectors: Vector
    places: dict[str, int]

    def nearest(self, query: Vector, n: int, passing: Iterable[str] | None) -> tuple[list[str], Vector]:
        """Return the n rows, of those that pass, that are most like the query."""
        if passing is None:
            similarities, rows = self.vectors @ query, None
        else:
            places = (self.places.get(one) for one in passing)
            rows = np.fromiter((place for place in places if place is not None), np.int64)
            similarities = self.vectors[rows] @ query
        n = min(n, len(similarities))
        best = np.argpartition(-similarities, n - 1)[:n] if n else np.zeros(0, np.int64)
        best = best[np.argsort(-similarities[best], kind="stable")]
        chosen = best if rows is None else rows[best]
        return [self.ids[row] for row in chosen], np.clip(similarities[best], -1, 1)


_matrices: OrderedDict[tuple[str, ...], tuple[int, _Matrix | None]] = OrderedDict()
_lock = Lock()


def _matrix(table: Any, column: str, id_column: str) -> _Matrix | None:
    """Return the vectors if this state of the table was asked before; the first time only take note of it."""
    key, version = (str(table.uri), column, id_column), int(table.version)
    with _lock:
        known = _matrices.get(key)
        if known is None or known[0] != version:
            _matrices[key] = (version, None)
        elif known[1] is None:
            _matrices[key] = (version, _read(table, column, id_column))
        _matrices.move_to_end(key)
        while len(_matrices) > _KEPT:
            _matrices.popitem(last=False)
        return _matrices[key][1]


def _read(table: Any, column: str, id_column: str) -> _Matrix:
    """Read all vectors of a column."""
    with _words(table, "cannot be read"):
        rows = table.search().where(f"`{column}` IS NOT NULL").select([id_column, column]).to_arrow()
    vectors = np.empty((rows.num_rows, _dimension(table, column)), np.float32)
    begin = 0
    for chunk in rows[column].chunks:
        values = chunk.flatten().to_numpy(zero_copy_only=False)
        vectors[begin : begin + len(chunk)] = values.reshape(len(chunk), -1)
        begin += len(chunk)
    ids = rows[id_column].to_pylist()
    return _Matrix(ids, vectors, {one: place for place, one in enumerate(ids)})


def _passing(table: Any, where: str, id_column: str) -> list[str]:
    """Return the ids of the rows that fulfil a condition."""
    with _words(table, "cannot be searched"):
        ids: list[str] = table.search().where(where).select([id_column]).to_arrow()[id_column].to_pylist()
    return ids


# Checks ---------------------------------------------------------------------------------------------------------------


def _checked(table: Any, column: str, vector: ArrayLike) -> Vector:
    """Return the query, of unit length."""
    query, size = np.asarray(vector, np.float64), _dimension(table, column)
    if query.shape != (size,):
        raise InputError(f"a vector of shape {query.shape}; column {column!r} holds vectors of {size} values")
    length = np.linalg.norm(query)
    if not np.isfinite(length) or length == 0:
        raise InputError("the vector to search for is zero, or holds NaN or infinity", hint="analyse the track again")
    unit: Vector = (query / length).astype(np.float32)
    return unit


def _dimension(table: Any, column: str) -> int:
    """Return the size of a column's vectors."""
    sizes = {field.name: getattr(field.type, "list_size", None) for field in table.schema}
    size = sizes.get(column)
    if size is None:
        raise UnknownNameError("column of vectors", column, [name for name, known in sizes.items() if known])
    return int(size)


@contextmanager
def _words(table: Any, doing: str) -> Iterator[None]:
    with worded(str(table.uri), doing):
        yield
