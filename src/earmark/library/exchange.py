"""Take a catalogue out into a file, and in again: Parquet and JSON lines hold everything, CSV what a spreadsheet shows.

What was heard on one machine need not be heard again on another: a track is known by its audio, wherever it lies.
"""

import base64
import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from earmark.errors import InputError, UsageError
from earmark.files import replacing
from earmark.library.models import TAUGHT, StoredModel
from earmark.library.schema import TRACKS, model_fields, model_row, read_model, table_schemas
from earmark.library.store import Store, among

FORMATS = (".parquet", ".csv", ".jsonl")
_HEADER = "earmark_catalogue"
_VERSION = 1
_ROWS_AT_ONCE = 500
_HEARD = ("duration", "bpm", "bpm_confidence", "key", "key_confidence", "fingerprint", "analysed_at")
_PLAIN = ("key", "artist", "title", "album", "album_artist", "isrc", "mb_recording_id", "container")


@dataclass(frozen=True)
class Imported:
    """What importing did.

    Parameters
    ----------
    n_new : tracks that the catalogue did not know
    n_filled : tracks that it knew, and that a model of the file had heard which it had not
    n_known : tracks of which the file told nothing new
    """

    n_new: int
    n_filled: int
    n_known: int


def export(store: Store, path: str | os.PathLike[str], *, where: str | None = None) -> int:
    """Write tracks to a file.

    Parameters
    ----------
    store : the catalogue
    path : of the file, which is replaced if it is there; its suffix is one of `FORMATS`
    where : an SQL condition, built by `earmark.library.filters.to_sql`

    Returns
    -------
    number of tracks

    Raises
    ------
    UsageError
        If the suffix is another one.
    InputError
        If the file cannot be written.

    Notes
    -----
    CSV holds a row per track: id, facts, paths (one to a line; bytes that are no text escaped) and scores, no peaks and
    no embeddings. JSON lines begin with a line that describes the models; arrays and fingerprints are base64,
    little-endian, paths base64 of their bytes, so that they come back bit by bit.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{os.fspath(path)}: cannot export to this", hint=f"choose one of {' '.join(FORMATS)}")
    writers = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_jsonl}
    return writers[suffix](store, Path(path), where)


def _write_parquet(store: Store, path: Path, where: str | None) -> int:
    import pyarrow.parquet as parquet

    schema = store.table(TRACKS).schema
    described = json.dumps([_plain_model(model) for model in store.models()])
    schema = schema.with_metadata({_HEADER: str(_VERSION), "earmark_models": described})
    n = 0
    with replacing(path) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in store.scan(TRACKS, where=where):
            writer.write_batch(batch.select(schema.names).replace_schema_metadata(schema.metadata))
            n += batch.num_rows
    return n


def _write_csv(store: Store, path: Path, where: str | None) -> int:
    facts = [name for name in table_schemas()[TRACKS].names if name in _csv_facts()]
    scores = [(model, tag, column) for model in store.models()
              for tag, column in zip(model.tags, model.score_columns, strict=True)]  # fmt: skip
    head = ["id", "paths", *facts[1:], *(f"{model.name}: {tag}" for model, tag, _ in scores)]
    n = 0
    with replacing(path) as file:
        text = TextIOWrapper(file, "utf-8", newline="")
        writer = csv.writer(text)
        writer.writerow(head)
        for batch in store.scan(TRACKS, [*facts, "files", *(column for _, _, column in scores)], where=where):
            for row in batch.to_pylist():
                paths = "\n".join(_shown(one["path"]) for one in row["files"] or ())
                values = [_cell(row[name]) for name in facts[1:]]
                rounded = ("" if row[c] is None else f"{row[c]:.6g}" for _, _, c in scores)
                writer.writerow([row["id"], paths, *values, *rounded])
                n += 1
        text.flush()
        text.detach()
    return n


def _csv_facts() -> frozenset[str]:
    numbers = ("duration", "year", "track_number", "sample_rate", "n_channels", "bit_rate", "bpm", "bpm_confidence")
    return frozenset({"id", "genres", "key_confidence", "added_at", "analysed_at", *_PLAIN, *numbers})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _write_jsonl(store: Store, path: Path, where: str | None) -> int:
    n = 0
    with replacing(path) as file:
        head = {_HEADER: _VERSION, "models": [_plain_model(model) for model in store.models()]}
        file.write(json.dumps(head).encode() + b"\n")
        for batch in store.scan(TRACKS, where=where):
            for row in batch.to_pylist():
                plain = {name: _to_json(value) for name, value in row.items() if value is not None}
                file.write(json.dumps(plain, ensure_ascii=False).encode() + b"\n")
                n += 1
    return n


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, list) and value and isinstance(value[0], float):
        import numpy as np

        return {"float32": base64.b64encode(np.asarray(value, "<f4").tobytes()).decode()}
    if isinstance(value, list):
        return [_to_json(one) for one in value]
    if isinstance(value, dict):
        return {name: _to_json(one) for name, one in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(one) for one in value]
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"], validate=True)
        if set(value) == {"float32"}:
            import numpy as np

            return np.frombuffer(base64.b64decode(value["float32"], validate=True), "<f4").tolist()
        return {name: _from_json(one) for name, one in value.items()}
    return value


def _plain_model(model: StoredModel) -> dict[str, Any]:
    row = model_row(model)
    return {name: value for name, value in row.items() if name != "first_used"}


def import_from(store: Store, path: str | os.PathLike[str]) -> Imported:
    """Read tracks that `export` wrote; the caller holds the lock of the catalogue.

    Parameters
    ----------
    store : the catalogue
    path : a Parquet file or JSON lines

    Returns
    -------
    what came in. A track that is known keeps its files, facts and what was heard of it; what a model of the file has
    heard, and no model here, is filled in. A new one comes as it is, with the files as they lay where it was written.

    Raises
    ------
    InputError
        If it is no such file, or is damaged: then nothing of the batch that holds the damage came in.
    UsageError
        If it is CSV, which holds no embeddings.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        raise UsageError(f"{os.fspath(path)}: a CSV file holds no embeddings", hint="export to .parquet or .jsonl")
    if suffix not in FORMATS:
        raise UsageError(f"{os.fspath(path)}: cannot import this", hint="choose one of .parquet .jsonl")
    read = _read_parquet if suffix == ".parquet" else _read_jsonl
    try:
        models, batches = read(Path(path))
        store.upgrade()
        for model in models:
            if model.name != TAUGHT:
                store.keep_model(model)
        counts = [_import_rows(store, rows, models) for rows in batches]
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError | UsageError):
            raise
        raise InputError(f"{os.fspath(path)}: no catalogue that earmark exported: {error}") from error
    return Imported(*(sum(column) for column in zip(*counts, strict=True))) if counts else Imported(0, 0, 0)


Rows = list[dict[str, Any]]


def _read_parquet(path: Path) -> tuple[list[StoredModel], Iterator[Rows]]:
    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(path)
    metadata = file.schema_arrow.metadata or {}
    if metadata.get(_HEADER.encode()) != str(_VERSION).encode():
        raise InputError(f"{path}: not a catalogue that this version of earmark exported")
    models = [read_model(one) for one in json.loads(metadata[b"earmark_models"])]
    return models, (batch.to_pylist() for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE))


def _read_jsonl(path: Path) -> tuple[list[StoredModel], Iterator[Rows]]:
    with path.open("rb") as file:
        head = json.loads(file.readline() or b"{}")
    if not isinstance(head, dict) or head.get(_HEADER) != _VERSION:
        raise InputError(f"{path}: not a catalogue that this version of earmark exported")
    return [read_model(one) for one in head["models"]], _json_batches(path)


def _json_batches(path: Path) -> Iterator[Rows]:
    import datetime

    with path.open("rb") as file:
        file.readline()
        rows: Rows = []
        for line in file:
            row = {name: _from_json(value) for name, value in json.loads(line).items()}
            for name in ("added_at", "analysed_at"):
                if name in row:
                    row[name] = datetime.datetime.fromisoformat(row[name])
            rows.append(row)
            if len(rows) == _ROWS_AT_ONCE:
                yield rows
                rows = []
        if rows:
            yield rows


def _import_rows(store: Store, rows: Rows, models: Sequence[StoredModel]) -> tuple[int, int, int]:
    """Put a batch in; return how many tracks were new, filled and known."""
    columns = set(store.table(TRACKS).schema.names)
    heard = {model.name: [field.name for field in model_fields(model)] for model in models if model.name != TAUGHT}
    versions = {model.name: model.column("version") for model in models if model.name != TAUGHT}
    ids = [row["id"] for row in rows]
    known = {
        row["id"]: row
        for batch in store.scan(TRACKS, ["id", "analysed_at", *versions.values()], where=among("id", ids))
        for row in batch.to_pylist()
    }
    taught = {column for model in models if model.name == TAUGHT for column in model.score_columns}
    changed: list[Mapping[str, Any]] = []
    n_new = n_filled = 0
    for row in rows:
        here = known.get(row["id"])
        if here is None:
            n_new += 1
            changed.append({name: value for name, value in row.items() if name in columns - taught})
            continue
        fill = [
            name
            for model, names in heard.items()
            if here[versions[model]] is None and row.get(versions[model]) is not None
            for name in names
        ]
        if fill:
            n_filled += 1
            fill += [name for name in _HEARD if here["analysed_at"] is None]
            changed.append({"id": row["id"], **{name: row.get(name) for name in fill}})
    store.put(TRACKS, changed)
    return n_new, n_filled, len(rows) - n_new - n_filled
