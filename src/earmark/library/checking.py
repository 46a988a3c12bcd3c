"""How right are the tags on the user's own labels? A table of files and tags, judged by `earmark.evaluate`."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.identity import content_id
from earmark.datasets.base import Dataset, Track
from earmark.datasets.table import load
from earmark.errors import InputError
from earmark.evaluate import Report, evaluate
from earmark.library.models import describe
from earmark.library.schema import TRACKS, read_files
from earmark.library.store import Store, among
from earmark.library.tag_index import TagColumn, TagIndex
from earmark.models.paths import ModelName
from earmark.predictions import Predictions
from earmark.tagger import TagFailure, Tagger

OnProgress = Callable[[float | None, str], None]


@dataclass(frozen=True)
class Checked:
    """What checking found.

    Parameters
    ----------
    report : the judgement
    left_out : tags of the table that nothing hears
    missing : files of the table without scores, and why
    """

    report: Report
    left_out: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]


def check(
    labels: str | os.PathLike[str],
    *,
    store: Store | None = None,
    model: ModelName | None = None,
    preset: str = "standard",
    options: Mapping[str, Any] | None = None,
    floors: Sequence[str] = ("prior",),
    resamples: int = 1000,
    mistakes: int = 6,
    on_progress: OnProgress = lambda fraction, note: None,
) -> Checked:
    """Judge tags by labels of one's own.

    Parameters
    ----------
    labels : a table with a row per track, its path and its tags; see `earmark.datasets.table`
    store : a catalogue: its scores are judged, of models and of tags that were taught; files that it does not hold are
        left out. Without one, the files are heard
    model, preset : that listens to the files, without a catalogue
    options : of the table, such as {"tags": "genre,mood"}; see `earmark.datasets.table.load`
    floors, resamples, mistakes : as `earmark.evaluate.evaluate` takes them
    on_progress : called with the share that is done, None where that is not known, and a note

    Raises
    ------
    InputError
        If the table cannot be read, names no tag that is heard, or none of its tracks has scores.
    """
    table = load(Path(labels), **(options or {}))
    hearers = store.models() if store is not None else [describe(model, preset=preset)]
    index = TagIndex.of(hearers)
    found = {tag: index.find(tag) for tag in table.vocabulary.tags}
    left_out = tuple(tag for tag, column in found.items() if column is None)
    columns = {column.tag: column for column in found.values() if column is not None}
    if not columns:
        raise InputError(
            f"{os.fspath(labels)}: nothing hears any of its tags", hint=f"such as {', '.join(left_out[:5])}"
        )
    if store is not None:
        scores, missing = _from_store(store, table, columns)
        name = "+".join(hearer.name for hearer in hearers)
    else:
        scores, missing = _by_listening(table, columns, model, preset, on_progress)
        name = hearers[0].name
    if not scores:
        reason = f": {missing[0][1]}" if missing else ""
        raise InputError(f"{os.fspath(labels)}: none of its {len(table)} tracks has scores{reason}")
    meanings = {tag: [own for own, one in found.items() if one is not None and one.tag == tag] for tag in columns}
    protocol = "mean over the chunks of a track" if store is None else "scores as the catalogue holds them"
    predictions = _predictions(table, columns, meanings, scores, model=name, protocol=protocol)
    report = evaluate(predictions, floors=list(floors), resamples=resamples, mistakes=mistakes, on_progress=on_progress)
    return Checked(report, left_out, missing)


Scores = dict[str, NDArray[np.float32]]
Missing = tuple[tuple[str, str], ...]


def _from_store(store: Store, table: Dataset, columns: Mapping[str, TagColumn]) -> tuple[Scores, Missing]:
    """Look up the tracks of a table in a catalogue."""
    ids = {
        file.path: row["id"]
        for batch in store.scan(TRACKS, ["id", "files"])
        for row in batch.to_pylist()
        for file in read_files(row["files"])
    }
    wanted, missing = {}, []
    for track in table:
        try:
            path = _audio_of(track)
            wanted[track.id] = ids.get(os.path.abspath(path)) or content_id(path)  # noqa: PTH100 (as the store does)
        except InputError as error:
            missing.append((track.id, error.message))
    names = [column.column for column in columns.values()]
    known: dict[str, list[float | None]] = {}
    unique = sorted(set(wanted.values()))
    for start in range(0, len(unique), 1000):
        for batch in store.scan(TRACKS, ["id", *names], where=among("id", unique[start : start + 1000])):
            known |= {row["id"]: [row[name] for name in names] for row in batch.to_pylist()}
    scores = {}
    for name, identity in wanted.items():
        values = known.get(identity)
        if values is None:
            missing.append((name, "not in the catalogue"))
        elif any(value is None for value in values):
            missing.append((name, "not heard for all of these tags"))
        else:
            scores[name] = np.array(values, np.float32)
    return scores, tuple(missing)


def _by_listening(
    table: Dataset,
    columns: Mapping[str, TagColumn],
    model: ModelName | None,
    preset: str,
    on_progress: OnProgress,
) -> tuple[Scores, Missing]:
    """Listen to the tracks of a table."""
    scores: Scores = {}
    missing, paths = [], {}
    for track in table:
        try:
            paths[track.id] = _audio_of(track)
        except InputError as error:
            missing.append((track.id, error.message))
    with Tagger(model, preset=preset) as tagger:
        for n, (name, result) in enumerate(zip(paths, tagger.tag_many(paths.values()), strict=True), start=1):
            on_progress(n / len(paths), f"{n}/{len(paths)} files")
            if isinstance(result, TagFailure):
                missing.append((name, result.error.message))
            else:
                scores[name] = np.array([result[column.tag].score for column in columns.values()], np.float32)
    return scores, tuple(missing)


def _audio_of(track: Track) -> str:
    if track.audio is None:
        raise InputError(f"{track.id}: the table names no file for it")
    if not track.audio.is_file():
        raise InputError(f"{track.audio}: there is no such file")
    return str(track.audio)


def _predictions(
    table: Dataset,
    columns: Mapping[str, TagColumn],
    meanings: Mapping[str, Sequence[str]],
    scores: Scores,
    *,
    model: str,
    protocol: str,
) -> Predictions:
    """Put scores beside the labels; labels that mean one tag, such as flute and flutes, are one."""
    ids = tuple(track.id for track in table if track.id in scores)
    targets = table.targets(ids)
    places = {tag: [table.vocabulary.tags.index(own) for own in owns] for tag, owns in meanings.items()}
    groups = {}
    for kind in ("artist", "album", "track"):
        keys = tuple(table[id].groups.get(kind, "") for id in ids)
        if any(keys):
            groups[kind] = keys
    return Predictions(
        targets=np.stack([targets[:, places[tag]].any(axis=1) for tag in columns], axis=1),
        scores=np.stack([scores[id] for id in ids]),
        ids=ids,
        tags=tuple(columns),
        categories=tuple(column.category for column in columns.values()),
        model=model,
        dataset="table",
        part="all",
        protocol=protocol,
        audio=tuple(str(table[id].audio) for id in ids),
        groups=groups,
    )
