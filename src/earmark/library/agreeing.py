"""How well two people's taste agrees: from what was typed to the result. `earmark.compatibility` is this."""

import os
from collections.abc import Callable
from dataclasses import replace

from earmark.errors import UsageError
from earmark.library.adding import AddProgress
from earmark.library.ears import Ears
from earmark.library.listeners import SERVICES, OnLikes, find_listener
from earmark.library.schema import TRACKS
from earmark.library.store import Store, default_address
from earmark.library.taste.comparing import MOST_POOL, N_PAIRS, Compatibility, compare
from earmark.library.taste.listener import Listener, TasteTrack
from earmark.models.weights import Progress


def compatibility(
    a: str,
    b: str,
    *,
    library: str | os.PathLike[str] | Store | None = None,
    by: str = "auto",
    limit: int = 1000,
    mix: bool = False,
    n_pairs: int = N_PAIRS,
    seed: int = 0,
    jobs: int | None = None,
    on_progress: Callable[[AddProgress], None] | None = None,
    on_likes: OnLikes | None = None,
    on_download: Progress | None = None,
) -> Compatibility:
    """Tell how well two listeners' taste agrees, and why.

    Parameters
    ----------
    a, b : who: a folder; a playlist; a CSV file of likes; a filter of the catalogue, such as "artist:Beatles"; or
        "listenbrainz:NAME", "lastfm:NAME", "soundcloud:NAME", "jamendo:NAME"
    library : the catalogue in which likes are looked for, and whose music the two are held against; the user's own, if
        there is one, unless given
    by : "audio", "tags", or "auto"; see `earmark.library.taste.comparing.compare`
    limit : how many likes to ask a service for
    mix : let likes of SoundCloud stand beside those of another service, which its terms do not allow by themselves
    n_pairs, seed : see `compare`
    jobs : files to hear at a time; CPUs unless given
    on_progress : called after every file that is heard
    on_likes : called with how many likes have come and how many there are
    on_download : called while weights are fetched

    Raises
    ------
    InputError
        If a listener cannot be found, or too little is known of one.
    SourceError
        If a service does not answer.
    UsageError
        If a key is missing, or services are not to be mixed.
    """
    store = library if isinstance(library, Store) else open_store(library)
    ears = Ears(store, jobs, on_progress, on_download)
    check_mixing(a, b, mix=mix)
    first, second = (find_listener(one, ears, limit=limit, on_likes=on_likes) for one in (a, b))
    if first.name == second.name and a != b:
        first, second = replace(first, name=a), replace(second, name=b)
    result = compare(
        first, second, pool=pool_of(store, ears, first, second), by=by, usual=usual_rates(ears, first, second),
        n_pairs=n_pairs, seed=seed,
    )  # fmt: skip
    failed = [f"{name} could not be heard: {error.message}" for name, error in ears.failures]
    return replace(result, notes=(*result.notes, *failed[:5]))


def open_store(library: str | os.PathLike[str] | None) -> Store | None:
    """Open a catalogue; without an address the user's own, None if there is none."""
    if library is None and not os.path.isdir(default_address()) and "://" not in default_address():  # noqa: PTH112
        return None
    return Store(library)


def check_mixing(a: str, b: str, *, mix: bool) -> None:
    """Refuse to let likes of SoundCloud stand beside those of another service.

    Raises
    ------
    UsageError
        If they would, and `mix` is not set.
    """
    services = {one.partition(":")[0].lower() for one in (a, b)} & set(SERVICES)
    if "soundcloud" in services and len(services) > 1 and not mix:
        raise UsageError(
            "SoundCloud's terms do not let its data be mixed with another service's",
            hint="compare two SoundCloud users, or say --mix if you have the right",
        )


def pool_of(store: Store | None, ears: Ears, a: Listener, b: Listener) -> list[TasteTrack]:
    """Choose music of the catalogue that the two are held against: the lowest ids, which are as good as random."""
    if store is None or not (a.model or b.model):
        return []
    ids = sorted(one for batch in store.scan(TRACKS, ["id"]) for one in batch.column("id").to_pylist())
    return list(ears.catalogue(ids=ids[:MOST_POOL]))


def usual_rates(ears: Ears, a: Listener, b: Listener) -> dict[str, float] | None:
    """Return how often tags hold in the training data of the model that heard both; None if it did not."""
    if not (a.model and b.model):
        return None
    model = ears.model
    return {tag: rate for tag, rate in zip(model.tags, model.base_rates, strict=True) if rate is not None}
