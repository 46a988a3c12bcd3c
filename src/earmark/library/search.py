"""Find tracks by sound: like these and unlike those, or by tags."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkWarning, InputError, UsageError
from earmark.library.columns import condition, tag_index
from earmark.library.folding import fold
from earmark.library.index import nearest
from earmark.library.models import StoredModel
from earmark.library.query import Query, parse_query, rank
from earmark.library.resolving import matching, nothing, one_of
from earmark.library.rows import Heard, LibraryTrack
from earmark.library.schema import TRACKS
from earmark.library.store import Store
from earmark.library.vectors import search_vector
from earmark.tagger import PRESETS, Tagger

Vector = NDArray[np.float32]

BLEND_CANDIDATES = 1000  # tracks near by sound that are put in order by sound and tags together
_MARGIN = 20


@dataclass(frozen=True)
class Seed:
    """What to be like, or unlike.

    Parameters
    ----------
    track : a track of the catalogue (`earmark.library.resolving.find`), or any audio file
    weight : how much it counts; below 0 the results are to be unlike it
    """

    track: str
    weight: float = 1.0


@dataclass(frozen=True)
class Match:
    """A track that was found.

    Parameters
    ----------
    track : it
    similarity : of a search by sound the mean over seeds, weighted, 1 for the same; of one by tags the relevance in
        [0, 1]
    """

    track: LibraryTrack
    similarity: float

    def to_dict(self, *, tags: int | None = None) -> dict[str, Any]:
        """Return plain data that JSON can hold; `tags` as `LibraryTrack.to_dict` takes it."""
        return {"similarity": self.similarity, **self.track.to_dict(tags=tags)}


@dataclass(frozen=True)
class _Ear:
    """A seed as numbers: its search vector, its scores, and who made it."""

    id: str
    artist: str
    weight: float
    vector: Vector
    tags: Vector


def similar(
    store: Store,
    seeds: Sequence[str | Seed],
    *,
    n: int = 10,
    same_artist: bool = True,
    blend: Mapping[str, float] | None = None,
    filter: str | None = None,
    model: str | None = None,
) -> list[Match]:
    """Find the tracks that sound most like some, and least like others.

    Parameters
    ----------
    store : the catalogue
    seeds : at least one with a weight above 0
    n : how many
    same_artist : False leaves out tracks by the artists of the seeds
    blend : weights of "embedding" (how it sounds) and "tags" (what can be said of it); the embedding alone unless given
    filter : such as "genre:jazz and bpm < 100"
    model : whose embeddings; the one that was used first unless given

    Returns
    -------
    matches, most similar first, without the seeds themselves

    Raises
    ------
    InputError
        If a seed is not found, or the catalogue is empty.
    UsageError
        If `n` is below 1, or weights do not go together.
    UnknownNameError
        If there is no such model, or no such tag in `filter`.
    """
    if n < 1:
        raise UsageError(f"n is {n}, expected 1 or more")
    weights = blend_weights(blend)
    stored = store.model(model)
    with_tags = weights["tags"] > 0
    ears = [_hear(store, stored, seed if isinstance(seed, Seed) else Seed(seed), with_tags) for seed in seeds]
    if not any(ear.weight > 0 for ear in ears):
        raise UsageError("there is nothing to be like", hint="give a seed with a weight above 0")
    artists = set() if same_artist else {fold(ear.artist) for ear in ears if ear.weight > 0 and ear.artist}
    return _matches(store, stored, ears, n, artists, weights, condition(store, filter))


def similar_to_heard(store: Store, heard: Heard, *, n: int = 10, track: str = "") -> list[Match]:
    """Find the tracks that sound most like what was heard just now.

    Parameters
    ----------
    store : the catalogue, which the same model has heard
    heard : with an embedding
    n : how many
    track : its id, if it is in the catalogue itself: it is left out

    Raises
    ------
    UnknownNameError, InputError
        If the model has heard nothing of the catalogue.
    UsageError
        If `n` is below 1, or the embedding is of another size than those of the catalogue.
    """
    if n < 1:
        raise UsageError(f"n is {n}, expected 1 or more")
    stored = store.model(heard.model)
    if heard.embedding is None or heard.embedding.shape != (stored.n_features,):
        raise UsageError(f"the embedding is none of {stored.name}, which has {stored.n_features} numbers")
    ear = _ear(Seed(track), stored, track, "", heard)
    return _matches(store, stored, [ear], n, set(), blend_weights(None), None)


def _matches(
    store: Store,
    stored: StoredModel,
    ears: Sequence[_Ear],
    n: int,
    artists: set[str],
    weights: Mapping[str, float],
    where: str | None,
) -> list[Match]:
    """Return the nearest tracks, without the seeds themselves and tracks by some artists."""
    aim = np.sum([ear.weight * ear.vector for ear in ears], axis=0)
    by_sound = weights["tags"] == 0  # then the vectors that are searched tell all
    column = stored.column("vector")
    unwanted = {ear.id for ear in ears}
    wanted = n + len(unwanted) + _MARGIN if by_sound else max(BLEND_CANDIDATES, 20 * n)
    while True:
        ids, _ = nearest(store.table(TRACKS), column, aim, n=wanted, where=where)
        vectors = _vectors(store, column, [one for one in ids if one not in unwanted])
        near = [one for one in ids if one in vectors and (not artists or fold(vectors[one][0]) not in artists)]
        if len(near) >= n or len(ids) < wanted:
            break
        wanted *= 4
    if by_sound:
        alike = {one: _likeness(ears, vectors[one][1]) for one in near}
        best = sorted(near, key=lambda one: -alike[one])[:n]
        return [Match(track, alike[track.id]) for track in store.tracks(ids=best, models=[stored])]
    tracks = store.tracks(ids=near, models=[stored], embeddings=True)
    matches = [Match(track, _similarity(track, stored, ears, weights)) for track in tracks]
    return sorted(matches, key=lambda match: -match.similarity)[:n]


def _vectors(store: Store, column: str, ids: Sequence[str]) -> dict[str, tuple[str, Vector]]:
    """Return artist and vector of the tracks that have one, by id."""
    rows = store.rows(["id", "artist", column], ids)
    rows = rows.filter(rows[column].is_valid())
    values = rows[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = values.reshape(rows.num_rows, -1) if rows.num_rows else ()
    told = zip(rows["id"].to_pylist(), rows["artist"].to_pylist(), vectors, strict=True)
    return {one: (artist or "", vector) for one, artist, vector in told}


def _likeness(ears: Sequence[_Ear], vector: Vector) -> float:
    """Return how much a track sounds like the seeds."""
    return sum(ear.weight * float(ear.vector @ vector) for ear in ears) / sum(abs(ear.weight) for ear in ears)


def blend_weights(blend: Mapping[str, float] | None) -> dict[str, float]:
    """Check the weights of a blend, and make their sum 1.

    Raises
    ------
    UsageError
        If one is unknown or below 0, or all are 0.

    Examples
    --------
    >>> blend_weights({"embedding": 3, "tags": 1})
    {'embedding': 0.75, 'tags': 0.25}
    """
    if blend is None:
        return {"embedding": 1.0, "tags": 0.0}
    weights = {"embedding": 0.0, "tags": 0.0}
    for name, weight in blend.items():
        if name not in weights:
            raise UsageError(f"there is no {name!r} to blend", hint="one of embedding, tags")
        if not 0 <= weight < float("inf"):
            raise UsageError(f"the weight of {name} is {weight}, expected 0 or more")
        weights[name] = float(weight)
    total = sum(weights.values())
    if not total:
        raise UsageError("all weights are 0", hint="such as embedding=0.7,tags=0.3")
    return {name: weight / total for name, weight in weights.items()}


def _hear(store: Store, stored: StoredModel, seed: Seed, with_tags: bool) -> _Ear:
    """Return a seed as numbers; a file that the catalogue does not know is heard now."""
    ids = matching(store, seed.track)
    if len(ids) == 1 and not with_tags:
        for one, (artist, vector) in _vectors(store, stored.column("vector"), ids).items():
            return _Ear(one, artist, seed.weight, vector, np.zeros(0, np.float32))
    if ids:
        track = one_of(store, seed.track, ids, models=[stored], embeddings=True)
        known = track.heard.get(stored.name)
        if known is None or known.embedding is None:
            hint = f"earmark library add --model {stored.name}" if stored.name not in PRESETS else "earmark library add"
            raise InputError(f"{track.name}: {stored.name} has not heard it", hint=hint)
        return _ear(seed, stored, track.id, track.artist, known)
    if not os.path.isfile(seed.track):  # noqa: PTH113
        raise nothing(store, seed.track)
    is_preset = stored.name in PRESETS
    with Tagger(None if is_preset else stored.name, preset=stored.name if is_preset else "standard") as tagger:
        tags = tagger.tag(seed.track)
    scores = {tag.tag: tag.score for tag in tags.tags}
    return _ear(seed, stored, "", "", Heard(stored.name, scores, embedding=tags.embedding))


def _ear(seed: Seed, stored: StoredModel, identity: str, artist: str, heard: Heard) -> _Ear:
    assert heard.embedding is not None
    vector = search_vector(heard.embedding, stored.parts)
    return _Ear(identity, artist, seed.weight, vector, _tag_vector(heard, stored))


def _tag_vector(heard: Heard, stored: StoredModel) -> Vector:
    """Return the roots of the scores, unit length: their product is the Bhattacharyya coefficient of two tag mixes."""
    roots: Vector = np.sqrt(np.array([heard.scores.get(tag, 0.0) for tag in stored.tags], np.float32))
    length = float(np.linalg.norm(roots))
    return (roots / length).astype(np.float32) if length else roots


def _similarity(track: LibraryTrack, stored: StoredModel, ears: Sequence[_Ear], weights: Mapping[str, float]) -> float:
    heard = track.heard[stored.name]
    assert heard.embedding is not None
    vector, tags = search_vector(heard.embedding, stored.parts), _tag_vector(heard, stored)
    total = sum(abs(ear.weight) for ear in ears)
    each = (
        ear.weight * (weights["embedding"] * float(ear.vector @ vector) + weights["tags"] * float(ear.tags @ tags))
        for ear in ears
    )
    return sum(each) / total


def search(store: Store, text: str, *, n: int = 10, filter: str | None = None) -> list[Match]:
    """Find the tracks that a few words describe.

    Parameters
    ----------
    store : the catalogue
    text : such as "calm piano -vocals"; docs/concepts/finding-music.md has the grammar
    n : how many
    filter : such as "bpm < 100"

    Returns
    -------
    matches, most relevant first

    Raises
    ------
    UsageError
        If the words cannot be understood, or `n` is below 1.
    UnknownNameError
        If the catalogue has no such tag.

    Warns
    -----
    EarmarkWarning
        If a word is no tag, and others stand in for it.
    """
    if n < 1:
        raise UsageError(f"n is {n}, expected 1 or more")
    query: Query = parse_query(text, tag_index(store))
    for note in query.notes:
        warnings.warn(note, EarmarkWarning, stacklevel=2)
    columns = query.columns
    ids: list[str] = []
    blocks = []
    for batch in store.scan(TRACKS, ["id", *dict.fromkeys(columns)], where=condition(store, filter)):
        ids += batch.column("id").to_pylist()
        blocks.append(np.stack([batch.column(column).to_numpy(zero_copy_only=False) for column in columns], axis=1))
    if not ids:
        return []
    relevance = rank(query, np.concatenate(blocks))
    best = np.argsort(-relevance, kind="stable")[:n]
    known = [i for i in best.tolist() if np.isfinite(relevance[i])]
    tracks = {track.id: track for track in store.tracks(ids=[ids[i] for i in known])}
    return [Match(tracks[ids[i]], float(relevance[i])) for i in known]
