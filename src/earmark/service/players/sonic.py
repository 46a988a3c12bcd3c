"""What sounds alike, and the way from one song to another, among the songs that players may have.

References
----------
https://opensubsonic.netlify.app/docs/extensions/sonicsimilarity/,
https://opensubsonic.netlify.app/docs/responses/sonicmatch/ (similarity in [0, 1], 1 for the same)
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError
from earmark.library.folding import fold
from earmark.library.models import StoredModel
from earmark.library.search import Seed
from earmark.library.store import Store
from earmark.library.vectors import search_vector
from earmark.service.players.failures import NOT_FOUND, Failure
from earmark.service.players.songs import Song
from earmark.service.players.tree import Tree
from earmark.service.state import Service

_MARGIN = 20


def is_ready(service: Service) -> bool:
    """Tell whether anything was heard that songs can be compared by."""
    return any(model.n_features for model in service.library().store.models())


def similar_songs(
    service: Service, tree: Tree, seeds: Sequence[Song], n: int, *, one_per_artist: bool = False
) -> list[tuple[Song, float]]:
    """Find the songs that sound most like some.

    Parameters
    ----------
    service : whose catalogue
    tree : the songs that may be found
    seeds : what to be like
    n : how many
    one_per_artist : take the nearest song of each artist alone

    Returns
    -------
    songs with their similarity, most similar first, without the seeds

    Raises
    ------
    Failure
        If a seed was not heard.
    """
    if n < 1:
        return []
    library = service.library()
    wanted = n if not one_per_artist and len(library) == len(tree.songs) else 2 * n + _MARGIN
    while True:
        try:
            matches = library.similar(*(Seed(song.id) for song in seeds), n=wanted)
        except InputError as error:
            raise Failure(NOT_FOUND, error.message, hint=error.hint) from error
        found, artists = [], set()
        for match in matches:
            song = tree.songs.get(match.track.id)
            if song is None or (one_per_artist and fold(song.artist) in artists):
                continue
            artists.add(fold(song.artist))
            found.append((song, scaled(match.similarity)))
        if len(found) >= n or len(matches) < wanted:
            return found[:n]
        wanted *= 4


def path_of_songs(service: Service, tree: Tree, start: Song, end: Song, n: int) -> list[tuple[Song, float, float]]:
    """Find songs that lead from one to another.

    Parameters
    ----------
    service : whose catalogue
    tree : the songs that may be found
    start, end : the first and the last
    n : how many, both ends counted; 2 at least

    Returns
    -------
    songs with their similarity to the first one, and to the one before (1 for the first)

    Raises
    ------
    Failure
        If one of the ends was not heard.
    """
    if start.id == end.id:
        return [(start, 1.0, 1.0)]
    library = service.library()
    try:
        tracks = library.path(start.id, end.id, n=max(2, n))
        songs = [tree.songs[track.id] for track in tracks if track.id in tree.songs]
        model = library.store.model()
    except InputError as error:
        raise Failure(NOT_FOUND, error.message, hint=error.hint) from error
    vectors = _vectors(library.store, model, [song.id for song in songs])
    values = [vectors[song.id] for song in songs]
    to_first = [scaled(float(values[0] @ value)) for value in values]
    to_last = [1.0] + [scaled(float(a @ b)) for a, b in pairwise(values)]
    return list(zip(songs, [1.0, *to_first[1:]], to_last, strict=True))


def _vectors(store: Store, model: StoredModel, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    heard = (
        (track.id, track.heard[model.name].embedding)
        for track in store.tracks(ids=ids, models=[model], embeddings=True)
    )
    return {key: search_vector(embedding, model.parts) for key, embedding in heard if embedding is not None}


def scaled(similarity: float) -> float:
    """Bring a similarity from [-1, 1], where it is a cosine, to [0, 1].

    Examples
    --------
    >>> scaled(1.0), scaled(0.0), scaled(-1.00001)
    (1.0, 0.5, 0.0)
    """
    return round(min(1.0, max(0.0, (1 + similarity) / 2)), 6)
