"""Results of many tracks in files that other programs load: Parquet and npz.

Tags in Parquet are long: one row per track and tag, with the columns of `TAG_COLUMNS`. Embeddings have one row per
track: path, duration, model and embedding, a list of D float32; the file's metadata name the models and their layers.
"""

import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.files import disk_errors
from earmark.track_tags import Tag, TrackTags

TAG_COLUMNS = ("path", "duration", "model", "tag", "category", "score", "lift", "peak", "peak_time")
EMBEDDINGS = (".npz", ".parquet")
_ROWS_PER_GROUP = 100_000


class ParquetTags:
    """Writes the tags of track after track; the file appears when it is closed without an error.

    Parameters
    ----------
    path : of the file

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    InputError
        If the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _in_folder(Path(path))
        self._arrow, self._parquet = _pyarrow()
        text, number = self._arrow.string(), self._arrow.float64()
        types = [text, number, text, text, text, number, number, number, number]
        self._schema = self._arrow.schema(list(zip(TAG_COLUMNS, types, strict=True)))
        self._temporary = _temporary(self.path)
        self._rows: list[dict[str, Any]] = []
        with disk_errors(self.path):
            self._file = self._temporary.open("wb")
            self._writer = self._parquet.ParquetWriter(self._file, self._schema)

    def add(self, result: TrackTags, tags: Sequence[Tag] | None = None) -> None:
        """Add a track.

        Parameters
        ----------
        result : its tags
        tags : only these; all unless given
        """
        track = {"path": storable(result.path), "duration": result.duration, "model": result.model}
        self._rows += [track | tag.to_dict() for tag in (result.tags if tags is None else tags)]
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        with disk_errors(self.path):
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
        self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                with disk_errors(self.path):
                    self._writer.close()
                    self._file.close()
                    self._temporary.replace(self.path)
        finally:
            self._discard()

    def _discard(self) -> None:
        """Close what is still open and delete what is still there; if that fails too, the first error counts."""
        with suppress(OSError):
            self._writer.close()
        self._writer.is_open = False  # else it tries once more when it is collected
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def write_embeddings(path: str | os.PathLike[str], results: Sequence[TrackTags], layers: Sequence[str]) -> None:
    """Write the embeddings of tracks.

    Parameters
    ----------
    path : ends in .npz or .parquet
    results : tagged tracks of one model or preset
    layers : the layer that each of its models gave

    Raises
    ------
    UsageError
        If the suffix is another.
    InputError
        If there is no track, or the file cannot be written.

    Notes
    -----
    .npz holds paths (n,), durations (n,) in seconds, embeddings (n, D), model, and one after the other as in an
    embedding models and layer. It is read with `np.load`, without pickle.
    """
    target = check_embeddings(path)
    if not results:
        raise InputError(f"{target}: no embedding to write")
    embeddings = np.stack([result.embedding for result in results])
    temporary = _temporary(target)
    try:
        with disk_errors(target):
            if target.suffix.lower() == ".npz":
                _write_npz(temporary, results, embeddings, layers)
            else:
                _write_parquet(temporary, results, embeddings, layers)
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def embedding_only(result: TrackTags) -> TrackTags:
    """Drop the tags and the taggram, so that the results of very many tracks fit into memory."""
    return replace(result, tags=(), taggram=np.zeros((0, 0), np.float32), times=np.zeros((0, 2)))


def check_embeddings(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file for embeddings, if its suffix is one of `EMBEDDINGS` and its folder exists."""
    target = Path(path)
    if target.suffix.lower() not in EMBEDDINGS:
        hint = f"choose one of {' '.join(EMBEDDINGS)}"
        raise UsageError(f"{target}: cannot write {target.suffix or 'a file without suffix'}", hint=hint)
    if target.suffix.lower() == ".parquet":
        _pyarrow()
    return _in_folder(target)


def _write_npz(
    path: Path, results: Sequence[TrackTags], embeddings: NDArray[np.float32], layers: Sequence[str]
) -> None:
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            paths=np.array([storable(result.path) for result in results]),
            durations=np.array([result.duration for result in results]),
            embeddings=embeddings,
            model=np.array(results[0].model),
            models=np.array(results[0].models),
            layer=np.array(list(layers)),
        )


def _write_parquet(
    path: Path, results: Sequence[TrackTags], embeddings: NDArray[np.float32], layers: Sequence[str]
) -> None:
    arrow, parquet = _pyarrow()
    vectors = arrow.FixedSizeListArray.from_arrays(arrow.array(embeddings.ravel()), embeddings.shape[1])
    columns = {
        "path": arrow.array([storable(result.path) for result in results]),
        "duration": arrow.array([result.duration for result in results]),
        "model": arrow.array([result.model for result in results]),
        "embedding": vectors,
    }
    metadata = {"earmark.models": "+".join(results[0].models), "earmark.layer": "+".join(layers)}
    parquet.write_table(arrow.table(columns).replace_schema_metadata(metadata), path)


def storable(path: str) -> str:
    r"""Escape bytes that are no UTF-8, so that a name can be stored as text.

    Examples
    --------
    >>> print(storable("caf\udce9.mp3"))
    caf\udce9.mp3
    """
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("writing Parquet files", "parquet") from error
    return pyarrow, pyarrow.parquet


def _in_folder(path: Path) -> Path:
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}", hint="create it first")
    return path


def _temporary(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
