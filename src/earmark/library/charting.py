"""A map of a catalogue: from the tables to the dots of `earmark.plots`."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkWarning, InputError, UsageError
from earmark.library.columns import condition
from earmark.library.mapping import Method, cluster, name_clusters, project
from earmark.library.models import TAUGHT, StoredModel
from earmark.library.schema import TRACKS, read_track
from earmark.library.store import Store
from earmark.plots.links import Links
from earmark.plots.map_data import MapData
from earmark.plots.map_page import write_map_page

SUFFIXES = (".html", ".png", ".svg", ".pdf")


def chart(
    store: Store,
    *,
    method: Method = "auto",
    groups: int | bool = False,
    filter: str | None = None,
    model: str | None = None,
    seed: int = 0,
    heading: str = "Your music",
) -> MapData:
    """Give every track a place on a plane, alike near alike.

    Parameters
    ----------
    store : the catalogue
    method : "umap", "tsne", "pca", or "auto"; see `earmark.library.mapping.project`
    groups : True groups tracks by style and names each group by the tags that set it apart; or how many groups
    filter : which tracks; all unless given
    model : whose embeddings; the one that was used first unless given
    seed : the same seed gives the same map
    heading : of the map

    Raises
    ------
    InputError
        If nothing was heard, or nothing fits the filter.
    UsageError
        If options do not go together.
    MissingExtraError
        If t-SNE is asked for and scikit-learn is not installed.
    """
    if groups is not False and groups is not True and groups < 1:
        raise UsageError(f"{groups} groups, expected 1 or more")
    stored = store.model(model)
    taught = [one for one in store.models() if one.name == TAUGHT]
    rows, vectors = _read(store, stored, taught, condition(store, filter))
    projection = project(vectors, method=method, seed=seed)
    if projection.note:
        warnings.warn(projection.note, EarmarkWarning, stacklevel=2)
    tags = (*(tag for one in taught for tag in one.tags), *stored.tags)
    columns = [*(column for one in taught for column in one.score_columns), *stored.score_columns]
    scores = np.array([[row[column] or 0.0 for column in columns] for row in rows], np.float32)
    labels, names = None, []
    if groups is not False:
        labels = cluster(vectors, projection, n=None if groups is True else groups, seed=seed)
        named = name_clusters(labels, scores, tags, base_rates=None)
        names = [one.name for one in named]
    tracks = [read_track(row, []) for row in rows]
    rates = [rate if rate is not None else np.nan for one in (*taught, stored) for rate in one.base_rates]
    return MapData(
        points=projection.points,
        titles=[track.title or track.name for track in tracks],
        artists=[track.artist for track in tracks],
        genres=[track.genres[0] if track.genres else "" for track in tracks],
        keys=[track.key or "" for track in tracks],
        paths=[track.path for track in tracks],
        ids=[track.id for track in tracks],
        durations=np.array([track.duration for track in tracks]),
        bpm=_numbers([track.bpm for track in tracks]),
        years=_numbers([track.year for track in tracks]),
        scores=np.clip(scores, 0.0, 1.0),
        tags=tags,
        categories=[category for one in (*taught, stored) for category in one.categories],
        base_rates=rates,
        groups=labels,
        group_names=names,
        neighbours=projection.neighbours,
        method=projection.method,
        mean_rank=projection.mean_rank,
        explained=projection.explained,
        model=stored.name,
        heading=heading,
    )


def draw_map(
    store: Store,
    path: str | os.PathLike[str],
    *,
    colour: str | None = None,
    method: Method = "auto",
    groups: int | bool = False,
    filter: str | None = None,
    links: Links = "relative",
    dark: bool = False,
    model: str | None = None,
    seed: int = 0,
    heading: str = "Your music",
) -> MapData:
    """Draw a map as a page or a picture; see `earmark.library.facade.Library.map` for the parameters."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{os.fspath(path)}: cannot draw a map there", hint=f"choose one of {' '.join(SUFFIXES)}")
    data = chart(store, method=method, groups=groups, filter=filter, model=model, seed=seed, heading=heading)
    if suffix == ".html":
        write_map_page(path, data, links=links, colour_by=colour)
    else:
        from earmark.plots.map_picture import map_picture

        map_picture(data, path, colour_by=colour, dark=dark)
    return data


def _read(
    store: Store, stored: StoredModel, taught: list[StoredModel], where: str | None
) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    """Read the rows of a map, and their vectors."""
    heard = f"{stored.column('version')} IS NOT NULL" + ("" if where is None else f" AND ({where})")
    facts = ["id", "files", "duration", "artist", "title", "genres", "year", "bpm", "key"]
    scores = [column for one in (*taught, stored) for column in one.score_columns]
    vector = stored.column("vector")
    rows: list[dict[str, Any]] = []
    blocks = []
    for batch in store.scan(TRACKS, [*facts, *scores, vector], where=heard):
        blocks.append(batch.column(vector).flatten().to_numpy().reshape(batch.num_rows, -1))
        rows += batch.drop_columns([vector]).to_pylist()
    if not rows:
        what = "nothing was heard yet" if where is None else "no track fits the filter"
        raise InputError(f"{store.address}: {what}", hint="earmark library add FOLDER" if where is None else None)
    return rows, np.concatenate(blocks)


def _numbers(values: list[float | None] | list[int | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else float(value) for value in values])
