"""The tables of a catalogue: their columns, and rows as `LibraryTrack`s.

| table | one row for | key |
|---|---|---|
| tracks | a track: content id, files, facts, tags of the file, tempo, key, fingerprint, what each model heard | id |
| models | a model: its version, tags, categories, base rates, thresholds | name |
| failures | a file that could not be analysed, and why | path |
| folders | a folder that was added | path |
| heads | a tag that the user taught | name |
| answers | an example of such a tag: a track, yes or no | key: id and tag |

What a model heard stands in columns of its own, added when the model is first used: one per tag (`score__MODEL__TAG`),
and `peaks__MODEL`, `embedding__MODEL`, `vector__MODEL` (the embedding as search compares it), `listened__MODEL` and
`version__MODEL`. Paths are bytes: Arrow's strings are UTF-8, and names of files need not be.
"""

import datetime
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from earmark.library.folding import fold, path_text
from earmark.library.models import StoredModel
from earmark.library.rows import FilePlace, Heard, LibraryTrack

TRACKS, MODELS, FAILURES, FOLDERS = "tracks", "models", "failures", "folders"
HEADS, ANSWERS = "heads", "answers"
KEYS = {TRACKS: "id", MODELS: "name", FAILURES: "path", FOLDERS: "path", HEADS: "name", ANSWERS: "key"}

_FACTS = (
    "duration", "artist", "title", "album", "album_artist", "genres", "year", "track_number", "isrc",
    "mb_recording_id", "container", "sample_rate", "n_channels", "bit_rate", "bpm", "bpm_confidence", "key",
    "key_confidence",
)  # fmt: skip
FOLDED = ("artist", "title", "album")
"""Text columns that have a twin in folded letters (`artist_folded`), for searches that do not mind upper case."""


def table_schemas() -> dict[str, Any]:
    """Return the Arrow schema of every table, of tracks without any model."""
    import pyarrow as pa

    text, number, whole, when = pa.string(), pa.float32(), pa.int64(), pa.timestamp("us", tz="UTC")
    texts, numbers = pa.list_(text), pa.list_(pa.float64())
    place = pa.struct([("path", pa.binary()), ("size", whole), ("mtime_ns", whole)])
    tracks: dict[str, Any] = {
        "id": text, "files": pa.list_(place), "path_text": text, "duration": pa.float64(), "artist": text,
        "title": text, "album": text, "album_artist": text, "genres": texts, "year": pa.int32(),
        "track_number": pa.int32(), "isrc": text, "mb_recording_id": text, "container": text,
        "sample_rate": pa.int32(), "n_channels": pa.int32(), "bit_rate": pa.int32(), "artist_folded": text,
        "title_folded": text, "album_folded": text, "genres_folded": texts, "file_tags": text, "bpm": number,
        "bpm_confidence": number, "key": text, "key_confidence": number, "fingerprint": pa.binary(),
        "added_at": when, "analysed_at": when,
    }  # fmt: skip
    models = {
        "name": text, "version": text, "tags": texts, "slugs": texts, "categories": texts, "base_rates": numbers,
        "thresholds": numbers, "part_names": texts, "part_sizes": pa.list_(pa.int32()),
        "vectors_version": pa.int32(), "first_used": when,
    }  # fmt: skip
    failures = {"path": pa.binary(), "size": whole, "mtime_ns": whole, "reason": text, "hint": text, "at": when}
    return {
        TRACKS: pa.schema(list(tracks.items())),
        MODELS: pa.schema(list(models.items())),
        FAILURES: pa.schema(list(failures.items())),
        FOLDERS: pa.schema([("path", pa.binary()), ("added_at", when)]),
        ANSWERS: pa.schema(
            [
                ("key", text),
                ("tag", text),
                ("id", text),
                ("answer", pa.bool_()),
                ("group", text),
                ("embedding", pa.list_(number)),
                ("at", when),
            ]
        ),
        HEADS: pa.schema([("name", text), ("file", pa.binary()), ("taught_at", when)]),
    }


def model_fields(model: StoredModel) -> list[Any]:
    """Return the Arrow fields that hold what a model hears."""
    import pyarrow as pa

    fields = [pa.field(name, pa.float32()) for name in model.score_columns]
    if model.n_features:
        fields += [
            pa.field(model.column("peaks"), pa.list_(pa.float32(), len(model.tags))),
            pa.field(model.column("embedding"), pa.list_(pa.float32(), model.n_features)),
            pa.field(model.column("vector"), pa.list_(pa.float32(), model.n_features)),
            pa.field(model.column("listened"), pa.string()),
            pa.field(model.column("version"), pa.string()),
        ]
    return fields


def model_row(model: StoredModel) -> dict[str, Any]:
    """Return the row of a model."""
    names = ("name", "version", "tags", "slugs", "categories", "base_rates", "thresholds")
    row = {name: value if isinstance(value := getattr(model, name), str) else list(value) for name in names}
    return row | {
        "part_names": [name for name, _ in model.parts],
        "part_sizes": [size for _, size in model.parts],
        "vectors_version": model.vectors_version,
        "first_used": now(),
    }


def read_model(row: Mapping[str, Any]) -> StoredModel:
    """Return the model of a row."""
    return StoredModel(
        name=row["name"],
        version=row["version"],
        tags=tuple(row["tags"]),
        slugs=tuple(row["slugs"]),
        categories=tuple(row["categories"]),
        base_rates=tuple(row["base_rates"]),
        thresholds=tuple(row["thresholds"]),
        parts=tuple(zip(row["part_names"], row["part_sizes"], strict=True)),
        vectors_version=row.get("vectors_version") or 0,
    )


def files_columns(files: Sequence[FilePlace]) -> dict[str, Any]:
    """Return the columns that say where a track's files lie."""
    return {
        "files": [{"path": file.raw, "size": file.size, "mtime_ns": file.mtime_ns} for file in files],
        "path_text": path_text(file.path for file in files),
    }


def text_columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts with their folded twins."""
    folded: dict[str, Any] = {f"{name}_folded": fold(facts[name]) for name in FOLDED if name in facts}
    if "genres" in facts:
        folded["genres_folded"] = [fold(genre) for genre in facts["genres"]]
    return {**facts, **folded}


def read_files(value: Sequence[Mapping[str, Any]] | None) -> tuple[FilePlace, ...]:
    """Return the files of a row."""
    return tuple(FilePlace(os.fsdecode(one["path"]), one["size"], one["mtime_ns"]) for one in value or ())


def read_track(row: Mapping[str, Any], models: Sequence[StoredModel]) -> LibraryTrack:
    """Return the track of a row; of models whose columns the row lacks, or that have not heard it, there is nothing.

    Parameters
    ----------
    row : column to value
    models : that may have heard it
    """
    facts = {name: row[name] for name in _FACTS if row.get(name) is not None}
    facts.setdefault("duration", 0.0)
    facts["genres"] = tuple(facts.get("genres", ()))
    heard = {model.name: one for model in models if (one := _read_heard(row, model)) is not None}
    return LibraryTrack(id=row["id"], files=read_files(row.get("files")), heard=heard, **facts)


def _read_heard(row: Mapping[str, Any], model: StoredModel) -> Heard | None:
    scores = {
        tag: row[column]
        for tag, column in zip(model.tags, model.score_columns, strict=True)
        if row.get(column) is not None
    }
    if not scores:
        return None
    peaks, embedding = row.get(model.column("peaks")), row.get(model.column("embedding"))
    return Heard(
        model=model.name,
        scores=scores,
        peaks={} if peaks is None else dict(zip(model.tags, peaks, strict=True)),
        embedding=None if embedding is None else np.asarray(embedding, np.float32),
        listened=row.get(model.column("listened")) or "",
    )


def now() -> datetime.datetime:
    """Return the time, as tables keep it."""
    return datetime.datetime.now(datetime.UTC)
