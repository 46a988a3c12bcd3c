"""From a filter as text to a condition on the tables of a catalogue."""

from copy import copy
from functools import lru_cache

from earmark.library.filters import parse_filter, to_sql
from earmark.library.models import StoredModel
from earmark.library.schema import TRACKS
from earmark.library.store import Store
from earmark.library.tag_index import TagIndex


def tag_index(store: Store) -> TagIndex:
    """Return the tags of a catalogue by name; genres that stand in files are read when they are needed."""

    def file_genres() -> frozenset[str]:
        batches = store.scan(TRACKS, ["genres_folded"])
        return frozenset(genre for batch in batches for genre in batch.column(0).flatten().to_pylist())

    found = copy(_index_of(tuple(store.models())))
    found.file_genres = file_genres
    return found


@lru_cache(maxsize=8)
def _index_of(models: tuple[StoredModel, ...]) -> TagIndex:
    return TagIndex.of(models)


def condition(store: Store, text: str | None) -> str | None:
    """Return the SQL condition of a filter; None if there is no filter.

    Parameters
    ----------
    store : the catalogue
    text : such as "genre:jazz and bpm < 100"

    Raises
    ------
    UsageError
        If the filter cannot be understood.
    UnknownNameError
        If the catalogue has no such tag.
    """
    return None if text is None else to_sql(parse_filter(text), tag_index(store))
