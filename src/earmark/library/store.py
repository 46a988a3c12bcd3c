"""The catalogue on disk: opened, read lazily, written by one process at a time, a batch at a time, whole or not at all.

It lies in LanceDB, embedded: every commit is a new version, so that a reader never sees half of one, and what a killed
writer left behind is no part of any version.
"""

import datetime
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.engine import load_lancedb, worded
from earmark.library.index import ensure_index
from earmark.library.lock import WriterLock
from earmark.library.models import TAUGHT, StoredModel
from earmark.library.rows import LibraryTrack
from earmark.library.schema import (
    FAILURES,
    KEYS,
    MODELS,
    TRACKS,
    model_fields,
    model_row,
    read_model,
    read_track,
    table_schemas,
)
from earmark.library.vectors import search_vector

ENVIRONMENT = "EARMARK_LIBRARY"
KEEP_VERSIONS = datetime.timedelta(hours=1)  # for readers that are under way
MOST_KEPT = 30_000
"""Rows of a catalogue, up to which they are kept in memory between questions: 1 KB each, and 2 KB with vectors."""
BEING_MADE = 2.0
"""Seconds that another process may take to make a table, from its folder to its first version."""
_KEPT_SETS = 3  # of columns
_ROWS_AT_ONCE = 1000
_ID = re.compile(r"[0-9a-f]{32}")


def default_address() -> str:
    """Return where the catalogue lies unless told otherwise: EARMARK_LIBRARY, or the user's folder for data."""
    from platformdirs import user_data_dir

    return os.environ.get(ENVIRONMENT) or str(Path(user_data_dir("earmark", appauthor=False)) / "library")


class Store:
    """A catalogue.

    Parameters
    ----------
    address : a folder, or the address of an object store such as "s3://bucket/library"; the user's own unless given
    create : make it if it is not there; else that is an error

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    UsageError
        If the CPU cannot run LanceDB.
    MissingExtraError
        If LanceDB is not installed.
    """

    def __init__(self, address: str | os.PathLike[str] | None = None, *, create: bool = False) -> None:
        self.address = os.fspath(address) if address is not None else default_address()
        self.folder = None if "://" in self.address else Path(self.address)
        lancedb = load_lancedb()
        self._check_folder(create=create)
        with worded(self.address, "cannot be opened"):
            self._database = lancedb.connect(self.address)
            self._names = set(self._database.list_tables().tables)
        if TRACKS not in self._names and not create:
            raise self._nothing_here()
        self._tables: dict[str, Any] = {}
        self._kept: OrderedDict[tuple[str, ...], tuple[int, _Rows | None]] = OrderedDict()
        self._keeping = Lock()
        self._models: tuple[int, list[StoredModel]] = 0, []  # the version they are of

    def _check_folder(self, *, create: bool) -> None:
        if self.folder is None:
            return
        if create:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{self.folder}: cannot be created: {error.strerror or error}") from error
        elif not self.folder.is_dir():
            raise self._nothing_here()

    def _nothing_here(self) -> InputError:
        return InputError(f"{self.address}: there is no catalogue here", hint="earmark library add FOLDER begins one")

    # Tables -----------------------------------------------------------------------------------------------------------

    def table(self, name: str) -> Any:
        """Return a table of LanceDB in its newest version; made if it is not there yet."""
        with worded(self.address, f"its table {name} cannot be opened"):
            if name not in self._tables:
                if not self._has(name):
                    self._database.create_table(name, schema=table_schemas()[name], exist_ok=True)
                    self._names.add(name)
                self._tables[name] = self._open(name)
            self._tables[name].checkout_latest()
        return self._tables[name]

    def _open(self, name: str) -> Any:
        """Open a table whose folder is there: another process may be making it, or was killed while it did."""
        until = time.monotonic() + BEING_MADE
        while time.monotonic() < until:
            try:
                return self._database.open_table(name)
            except ValueError as error:
                if "was not found" not in str(error):
                    raise
            time.sleep(0.02)
        self._database.create_table(name, schema=table_schemas()[name], exist_ok=True)
        return self._database.open_table(name)

    def _has(self, name: str) -> bool:
        """Tell whether there is a table; another process may have made it since this one looked."""
        if name not in self._names:
            with worded(self.address, "cannot be read"):
                self._names = set(self._database.list_tables().tables)
        return name in self._names

    def scan(
        self, name: str = TRACKS, columns: Sequence[str] | None = None, *, where: str | None = None
    ) -> Iterator[Any]:
        """Read a table in batches.

        Parameters
        ----------
        name : of the table
        columns : to read; all unless given
        where : an SQL condition, built by `earmark.library.filters.to_sql` or from column names alone

        Yields
        ------
        pyarrow.RecordBatch
        """
        if not self._has(name):
            return
        query = self.table(name).search()
        if where is not None:
            query = query.where(where)
        if columns is not None:
            query = query.select(list(columns))
        with worded(self.address, "cannot be read"):
            yield from query.to_batches(batch_size=_ROWS_AT_ONCE)

    def arrow(self, columns: Sequence[str] | None = None, *, where: str | None = None, name: str = TRACKS) -> Any:
        """Read a table at once, as a pyarrow.Table; the parameters are those of `scan`."""
        import pyarrow as pa

        batches = list(self.scan(name, columns, where=where))
        if batches:
            return pa.Table.from_batches(batches)
        schema = self.table(name).schema
        return (schema if columns is None else pa.schema([schema.field(one) for one in columns])).empty_table()

    def count(self, where: str | None = None, *, name: str = TRACKS) -> int:
        """Count rows."""
        if not self._has(name):
            return 0
        with worded(self.address, "cannot be read"):
            n: int = self.table(name).count_rows(where)
        return n

    def upgrade(self) -> None:
        """Add the columns that tables of an earlier version of earmark lack."""
        for name, schema in table_schemas().items():
            if self._has(name):
                table = self.table(name)
                missing = [field for field in schema if field.name not in table.schema.names]
                if missing:
                    with worded(self.address, "cannot be written"):
                        table.add_columns(missing)

    # Models and tags --------------------------------------------------------------------------------------------------

    def models(self) -> list[StoredModel]:
        """Return the models that were used, the first one first; the tags that the user taught come last."""
        if not self._has(MODELS):
            return []
        version = int(self.table(MODELS).version)
        if self._models[0] != version:
            rows = [row for batch in self.scan(MODELS) for row in batch.to_pylist()]
            rows.sort(key=lambda row: (row["name"] == TAUGHT, row["first_used"]))
            self._models = version, [read_model(row) for row in rows]
        return list(self._models[1])

    def model(self, name: str | None = None) -> StoredModel:
        """Return a model by its name, or the one that was used first.

        Raises
        ------
        UnknownNameError
            If the catalogue knows no such model.
        InputError
            If it knows none at all.
        """
        models = [model for model in self.models() if model.n_features]
        if not models:
            raise InputError(f"{self.address}: nothing was heard yet", hint="earmark library add FOLDER")
        if name is None:
            return models[0]
        for model in models:
            if model.name == name:
                return model
        raise UnknownNameError("model in this catalogue", name, [model.name for model in models])

    def keep_model(self, model: StoredModel) -> None:
        """Make room for what a model hears. One of the same name whose tags or embeddings differ makes way."""
        for known in self.models():
            if known == model:
                return
            if known.name == model.name and (known.tags, known.parts) != (model.tags, model.parts) and model.n_features:
                self.forget_model(known.name)
            elif known.name == model.name and known.vectors_version != model.vectors_version:
                self._remake_vectors(model)
        table = self.table(TRACKS)
        missing = [field for field in model_fields(model) if field.name not in table.schema.names]
        if missing:
            with worded(self.address, "cannot be written"):
                table.add_columns(missing)
        self.put(MODELS, [model_row(model)])

    def _remake_vectors(self, model: StoredModel) -> None:
        """Make the search vectors of a model anew from its embeddings: the mapping has changed."""
        embedding = model.column("embedding")
        for batch in self.scan(TRACKS, ["id", embedding], where=f"{embedding} IS NOT NULL"):
            rows = batch.to_pylist()
            vectors = search_vector(np.array([row[embedding] for row in rows], np.float32), model.parts)
            ids = [row["id"] for row in rows]
            self.put(
                TRACKS,
                [{"id": one, model.column("vector"): vector} for one, vector in zip(ids, vectors, strict=True)],
            )

    def forget_model(self, name: str) -> None:
        """Take out everything that a model heard."""
        known = [model for model in self.models() if model.name == name]
        table = self.table(TRACKS)
        for model in known:
            columns = [field.name for field in model_fields(model) if field.name in table.schema.names]
            with worded(self.address, "cannot be written"):
                if columns:
                    table.drop_columns(columns)
        self.delete(MODELS, [name])

    # Tracks -----------------------------------------------------------------------------------------------------------

    def tracks(
        self,
        *,
        where: str | None = None,
        ids: Sequence[str] | None = None,
        models: Sequence[StoredModel] | None = None,
        embeddings: bool = False,
    ) -> Iterator[LibraryTrack]:
        """Yield tracks, a batch at a time.

        Parameters
        ----------
        where : an SQL condition, as `scan` takes it
        ids : only these, in this order; what is not there is left out
        models : whose scores to read; all unless given
        embeddings : read embeddings, too
        """
        chosen = self.models() if models is None else list(models)
        names = set(self.table(TRACKS).schema.names)
        hidden = {"fingerprint", "file_tags", "added_at", "analysed_at", "path_text"}
        columns = [name for name in table_schemas()[TRACKS].names if name not in hidden and "_folded" not in name]
        for model in chosen:
            kinds = ("peaks", "listened", "embedding") if embeddings else ("peaks", "listened")
            columns += [*model.score_columns, *(model.column(kind) for kind in kinds)]
        columns = [column for column in columns if column in names]
        if ids is None:
            for batch in self.scan(columns=columns, where=where):
                yield from (read_track(row, chosen) for row in batch.to_pylist())
            return
        kept = self._keep(tuple(columns)) if where is None and not embeddings else None
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            wanted = ids[start : start + _ROWS_AT_ONCE]
            if kept is not None:
                found = kept.find(wanted)
            else:
                condition = among("id", wanted) if where is None else f"({among('id', wanted)}) AND ({where})"
                batches = self.scan(columns=columns, where=condition)
                found = {row["id"]: row for batch in batches for row in batch.to_pylist()}
            yield from (read_track(found[one], chosen) for one in wanted if one in found)

    def rows(self, columns: Sequence[str], ids: Sequence[str]) -> Any:
        """Return the rows with some ids, those that are there and in no order, as a pyarrow.Table.

        Parameters
        ----------
        columns : to read; "id" is one of them
        ids : of tracks
        """
        kept = self._keep(tuple(columns))
        return self.arrow(columns, where=among("id", ids)) if kept is None else kept.take(ids)

    def _keep(self, columns: tuple[str, ...]) -> "_Rows | None":
        """Return all rows if this state of the table was asked for them before; the first time only take note of it.

        To find ten rows with a hundred columns takes LanceDB 20 ms, whatever the size of the table.
        """
        table = self.table(TRACKS)
        version = int(table.version)
        with self._keeping:
            known = self._kept.get(columns)
            if known is None or known[0] != version:
                self._kept[columns] = (version, None)
            elif known[1] is None and table.count_rows() <= MOST_KEPT:
                rows = self.arrow(columns)
                if int(table.version) == version:
                    self._kept[columns] = (version, _Rows(rows))
            self._kept.move_to_end(columns)
            while len(self._kept) > _KEPT_SETS:
                self._kept.popitem(last=False)
            return self._kept[columns][1]

    def failures(self) -> list[dict[str, Any]]:
        """Return the files that could not be analysed: path, size, mtime_ns, reason, hint, at."""
        return [row for batch in self.scan(FAILURES) for row in batch.to_pylist()]

    # Writing ----------------------------------------------------------------------------------------------------------

    def writing(self, *, wait: float | None = None, on_wait: Callable[[], None] | None = None) -> WriterLock:
        """Keep other processes from writing in a ``with`` block; see `WriterLock`."""
        return WriterLock(self.folder, wait=wait, on_wait=on_wait)

    def put(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows, or change those whose key is there; columns that a row does not name stay as they are.

        Raises
        ------
        InputError
            If the disk is full or gone: nothing of what was to be written last is there then.
        """
        import pyarrow as pa

        kinds: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for row in rows:
            kinds.setdefault(tuple(sorted(row)), []).append(row)
        for columns, alike in kinds.items():
            table = self.table(name)
            schema = pa.schema([field for field in table.schema if field.name in columns])
            batch = pa.Table.from_pylist([dict(row) for row in alike], schema=schema)
            with worded(self.address, "cannot be written"):
                merge = table.merge_insert(KEYS[name]).when_matched_update_all().when_not_matched_insert_all()
                merge.execute(batch)

    def delete(self, name: str, keys: Sequence[str | bytes]) -> None:
        """Delete rows by their keys."""
        if not self._has(name):
            return
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            with worded(self.address, "cannot be written"):
                self.table(name).delete(among(KEYS[name], keys[start : start + _ROWS_AT_ONCE]))

    def tidy(self) -> None:
        """Bring the pieces of many commits together, bring indexes up to date, and drop versions that nobody reads."""
        for name in sorted(name for name in KEYS if self._has(name)):
            with worded(self.address, "cannot be tidied"):
                self.table(name).optimize(cleanup_older_than=KEEP_VERSIONS)
        for model in self.models():
            if model.n_features:
                ensure_index(self.table(TRACKS), model.column("vector"))


class _Rows:
    """Rows of a table in memory, found by their ids.

    Parameters
    ----------
    rows : a pyarrow.Table with a column "id"
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows.combine_chunks()
        self._places = {one: place for place, one in enumerate(rows["id"].to_pylist())}

    def take(self, ids: Sequence[str]) -> Any:
        """Return the rows that are there."""
        places = [place for one in ids if (place := self._places.get(one)) is not None]
        return self._rows.take(places) if places else self._rows.slice(0, 0)

    def find(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the rows that are there, by id."""
        return {row["id"]: row for row in self.take(ids).to_pylist()}


def among(column: str, values: Sequence[str | bytes]) -> str:
    """Return the SQL condition that a column holds one of some values; only ids and bytes come here as they are.

    Examples
    --------
    >>> among("name", ["it's", "b"])
    "name IN ('it''s', 'b')"
    >>> among("path", [b"\\xff"])
    "path IN (X'FF')"
    """
    if not values:
        return "false"
    if any(isinstance(value, str) and "\0" in value for value in values):
        raise UsageError("a name with a NUL in it")
    literals = (f"X'{v.hex().upper()}'" if isinstance(v, bytes) else "'" + v.replace("'", "''") + "'" for v in values)
    return f"{column} IN ({', '.join(literals)})"


def is_id(text: str) -> bool:
    """Tell whether a text is a content id.

    Examples
    --------
    >>> is_id("0123456789abcdef0123456789abcdef"), is_id("song.mp3")
    (True, False)
    """
    return _ID.fullmatch(text) is not None
