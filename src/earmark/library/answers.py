"""Answers: which tracks have a tag of the user's own and which do not, kept with their embeddings."""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.identity import content_id
from earmark.errors import InputError
from earmark.library.models import StoredModel
from earmark.library.resolving import find, matching
from earmark.library.rows import LibraryTrack
from earmark.library.schema import ANSWERS, now
from earmark.library.store import Store, among
from earmark.tagger import PRESETS, TagFailure, Tagger

_YES, _NO = frozenset({"yes", "y", "1", "true", "+"}), frozenset({"no", "n", "0", "false", "-"})


def answer_key(name: str, identity: str) -> str:
    """Return the key of an answer in its table."""
    return f"{identity} {name}"


def identity_of(store: Store, text: str) -> str:
    """Return the id of a track of the catalogue, or of a file."""
    if matching(store, text) or not os.path.isfile(text):  # noqa: PTH113
        return find(store, text).id
    return content_id(text)


def examples(store: Store, stored: StoredModel, texts: Iterable[str], *, answer: bool) -> dict[str, dict[str, Any]]:
    """Return the rows of examples by id; files that the catalogue does not know are heard."""
    rows: dict[str, dict[str, Any]] = {}
    unknown = []
    for text in dict.fromkeys(texts):
        if matching(store, text) or not os.path.isfile(text):  # noqa: PTH113
            track = find(store, text, embeddings=True)
            heard = track.heard.get(stored.name)
            if heard is None or heard.embedding is None:
                raise InputError(f"{track.name}: {stored.name} has not heard it", hint="earmark library add")
            rows[track.id] = {"id": track.id, "answer": answer, "group": _group(track), "embedding": heard.embedding,
                              "at": now()}  # fmt: skip
        else:
            unknown.append(text)
    if unknown:
        rows |= _listen(stored, unknown, answer=answer)
    return rows


def _group(track: LibraryTrack) -> str:
    """Return what says that two tracks are of one album."""
    return f"{track.album_artist or track.artist} / {track.album}" if track.album else ""


def _listen(stored: StoredModel, paths: Sequence[str], *, answer: bool) -> dict[str, dict[str, Any]]:
    is_preset = stored.name in PRESETS
    rows = {}
    with Tagger(None if is_preset else stored.name, preset=stored.name if is_preset else "standard") as tagger:
        for path, result in zip(paths, tagger.tag_many(paths), strict=True):
            if isinstance(result, TagFailure):
                raise result.error
            identity = content_id(path)
            rows[identity] = {"id": identity, "answer": answer, "group": "", "embedding": result.embedding,
                              "at": now()}  # fmt: skip
    return rows


def answers_of(store: Store, name: str) -> list[dict[str, Any]]:
    """Return the answers that a tag was taught with, the first one first."""
    rows = [row for batch in store.scan(ANSWERS, where=among("tag", [name])) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: (row["at"], row["id"]))


def current_embeddings(
    store: Store, stored: StoredModel, answers: Sequence[dict[str, Any]]
) -> tuple[NDArray[np.float32], list[str]]:
    """Return embeddings and albums of answers: as the catalogue has them now, else as they were then."""
    ids = [row["id"] for row in answers]
    tracks = {track.id: track for track in store.tracks(ids=ids, models=[stored], embeddings=True)}
    embeddings, groups = [], []
    for row in answers:
        track = tracks.get(row["id"])
        heard = None if track is None else track.heard.get(stored.name)
        is_known = track is not None and heard is not None and heard.embedding is not None
        embedding = heard.embedding if is_known and heard is not None else np.asarray(row["embedding"], np.float32)
        if embedding is None or len(embedding) != stored.n_features:
            raise InputError(f"{row['id']}: its answer was given with another model", hint="withdraw it with --forget")
        embeddings.append(embedding)
        groups.append(_group(track) if track is not None else row["group"])
    return np.stack(embeddings), groups


def read_answers(path: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """Read a table of answers: CSV with the columns path and answer.

    Parameters
    ----------
    path : of the table; paths in it are relative to its folder

    Returns
    -------
    tracks with yes, and tracks with no

    Raises
    ------
    InputError
        If it cannot be read, or a line has no path or another answer than yes or no.
    """
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 (may be no text)
    yes: list[str] = []
    no: list[str] = []
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"path", "answer"} - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{path}: there is no column {' and '.join(sorted(missing))}")
            for row in reader:
                answer = (row["answer"] or "").strip().lower()
                where = f"{path}, line {reader.line_num}"
                if not row["path"] or answer not in _YES | _NO:
                    raise InputError(f"{where}: expected a path, and yes or no, not {row['answer']!r}")
                (yes if answer in _YES else no).append(os.path.join(folder, row["path"]))  # noqa: PTH118
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no CSV in UTF-8: {error}") from error
    return yes, no
