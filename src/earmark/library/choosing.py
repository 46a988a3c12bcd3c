"""Playlists and paths of a catalogue's tracks: from the tables to `earmark.library.playlists`, and back to tracks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UsageError
from earmark.library.columns import condition, tag_index
from earmark.library.models import StoredModel
from earmark.library.playlists.between import path_between
from earmark.library.playlists.candidates import Candidates
from earmark.library.playlists.making import Route, make_playlist
from earmark.library.playlists.moods import Trajectory, parse_trajectory
from earmark.library.resolving import find
from earmark.library.rows import LibraryTrack
from earmark.library.schema import TRACKS
from earmark.library.search import Seed
from earmark.library.store import Store


@dataclass(frozen=True)
class _Gathered:
    """The tracks that a model has heard, in the order of their rows."""

    ids: list[str]
    candidates: Candidates
    has_file: NDArray[np.bool_]

    def row_of(self, track: LibraryTrack, stored: StoredModel) -> int:
        """Return the row of a track."""
        try:
            return self.ids.index(track.id)
        except ValueError:
            raise InputError(f"{track.name}: {stored.name} has not heard it", hint="earmark library add") from None


def playlist(
    store: Store,
    seeds: Sequence[str | Seed] = (),
    *,
    length: int | None = None,
    minutes: float | None = None,
    moods: Sequence[str] = (),
    filter: str | None = None,
    no_repeat_artist: int | None = None,
    route: Route = "around",
    variety: float = 0.0,
    random_seed: int = 0,
    model: str | None = None,
) -> list[LibraryTrack]:
    """Make a playlist of tracks that have a file.

    Parameters
    ----------
    store : the catalogue
    seeds : tracks of it to start from; none are needed where moods are given
    length : how many songs; 25 unless `minutes` is given
    minutes : how long it lasts
    moods : such as "calm:0.2 -> energetic:0.8": from the first song to the last, as places in the catalogue
    filter : such as "genre:jazz and bpm < 100"; the seeds need not fit it
    no_repeat_artist : an artist does not come again within so many songs
    route : "around" the seeds, or "through" one after the other
    variety, random_seed : chance; see `earmark.library.playlists.making.make_playlist`
    model : whose embeddings; the one that was used first unless given

    Raises
    ------
    UsageError
        If options do not go together.
    InputError
        If a seed is not in the catalogue, or was not heard.
    UnknownNameError
        If a mood or the filter names a tag that there is not.
    """
    stored = store.model(model)
    trajectories = [_trajectory(store, mood) for mood in moods]
    tags = {tag for trajectory in trajectories for tag in trajectory.tags}
    gathered = _gather(store, stored, sorted(tags))
    wishes = [seed if isinstance(seed, Seed) else Seed(seed) for seed in seeds]
    rows = [gathered.row_of(find(store, wish.track), stored) for wish in wishes]
    weights = [wish.weight for wish in wishes]
    chosen = make_playlist(
        gathered.candidates,
        rows,
        seed_weights=weights if any(weight != 1 for weight in weights) else None,
        route=route,
        length=length,
        minutes=minutes,
        moods=trajectories,
        no_repeat_artist=no_repeat_artist,
        allowed=_allowed(store, gathered, filter),
        variety=variety,
        random_seed=random_seed,
    )
    return list(store.tracks(ids=[gathered.ids[row] for row in chosen]))


def path(
    store: Store, start: str, end: str, *, n: int = 10, filter: str | None = None, model: str | None = None
) -> list[LibraryTrack]:
    """Find tracks that lead from one to another in even steps.

    Parameters
    ----------
    store : the catalogue
    start, end : tracks of it
    n : how many, both ends counted
    filter : which tracks may stand between the ends
    model : whose embeddings; the one that was used first unless given

    Returns
    -------
    tracks, `start` first and `end` last; fewer than n where there are no more

    Raises
    ------
    UsageError
        If the ends are one track, or `n` is below 2 or above 500.
    InputError
        If an end is not in the catalogue, or was not heard.
    """
    stored = store.model(model)
    first, last = find(store, start), find(store, end)
    if first.id == last.id:
        raise UsageError(f"{first.name}: a path leads from one track to another", hint="name two tracks")
    gathered = _gather(store, stored, [])
    a, b = gathered.row_of(first, stored), gathered.row_of(last, stored)
    allowed = _allowed(store, gathered, filter)
    chosen = path_between(gathered.candidates.vectors, a, b, n, allowed=allowed)
    return list(store.tracks(ids=[gathered.ids[row] for row in chosen]))


def _trajectory(store: Store, text: str) -> Trajectory:
    """Read a trajectory; its tags may be called as filters call them."""
    index = tag_index(store)
    read = parse_trajectory(text)
    points = tuple(type(point)(index.tag_column(point.tag).tag, point.level) for point in read.points)
    return Trajectory(points)


def _gather(store: Store, stored: StoredModel, tags: Sequence[str]) -> _Gathered:
    """Read what playlists are chosen from."""
    index = tag_index(store)
    columns = {tag: index.tag_column(tag).column for tag in tags}
    vector = stored.column("vector")
    wanted = ["id", "duration", "artist", "files", vector, *columns.values()]
    batches = list(store.scan(TRACKS, wanted, where=f"{stored.column('version')} IS NOT NULL"))
    ids = [one for batch in batches for one in batch.column("id").to_pylist()]
    if not ids:
        raise InputError(f"{store.address}: {stored.name} has heard nothing yet", hint="earmark library add FOLDER")
    vectors = np.concatenate(
        [batch.column(vector).flatten().to_numpy().reshape(batch.num_rows, -1) for batch in batches]
    )
    scores = {
        tag: np.concatenate([batch.column(column).to_numpy(zero_copy_only=False) for batch in batches])
        for tag, column in columns.items()
    }
    candidates = Candidates(
        vectors=vectors,
        durations=np.concatenate([batch.column("duration").to_numpy(zero_copy_only=False) for batch in batches]),
        artists=[one or "" for batch in batches for one in batch.column("artist").to_pylist()],
        scores=scores,
    )
    lengths = [batch.column("files").value_lengths().to_numpy(zero_copy_only=False) for batch in batches]
    return _Gathered(ids, candidates, np.nan_to_num(np.concatenate(lengths)) > 0)


def _allowed(store: Store, gathered: _Gathered, filter: str | None) -> NDArray[np.bool_]:
    """Return which rows have a file and fit a filter."""
    where = condition(store, filter)
    if where is None:
        return gathered.has_file
    fits = {one for batch in store.scan(TRACKS, ["id"], where=where) for one in batch.column("id").to_pylist()}
    allowed: NDArray[np.bool_] = gathered.has_file & np.array([one in fits for one in gathered.ids])
    return allowed
