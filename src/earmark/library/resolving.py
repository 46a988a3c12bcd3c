"""Find the tracks that a user means: by id, by file, by name."""

import os
import re
from collections.abc import Sequence

from earmark.audio.identity import content_id
from earmark.errors import InputError
from earmark.library.filter_sql import literal
from earmark.library.folding import fold
from earmark.library.models import StoredModel
from earmark.library.rows import LibraryTrack
from earmark.library.schema import TRACKS, read_files
from earmark.library.store import Store, among, is_id

MIN_PREFIX = 6  # digits of an id that have to be given
MIN_NAME = 2  # characters of a file's name
_MAX_SHOWN = 5


def find(store: Store, text: str, *, embeddings: bool = False) -> LibraryTrack:
    """Find one track.

    Parameters
    ----------
    store : the catalogue
    text : a file, in the catalogue by its path or by its audio; an id, or at least 6 digits of its beginning; a title,
        or "artist - title", whatever the case of its letters
    embeddings : read embeddings, too

    Raises
    ------
    InputError
        If nothing, or more than one track, answers to it.
    """
    ids = matching(store, text)
    if not ids:
        raise nothing(store, text)
    return one_of(store, text, ids, embeddings=embeddings)


def one_of(
    store: Store,
    text: str,
    ids: Sequence[str],
    *,
    models: Sequence[StoredModel] | None = None,
    embeddings: bool = False,
) -> LibraryTrack:
    """Return the one track that a text means.

    Parameters
    ----------
    store : the catalogue
    text : what was asked for
    ids : that answer to it, at least one; see `matching`
    models, embeddings : see `Store.tracks`

    Raises
    ------
    InputError
        If several do.
    """
    if len(ids) > 1:
        names = [f"{track.id[:12]} {track.name}" for track in store.tracks(ids=ids[:_MAX_SHOWN], models=[])]
        more = f" and {len(ids) - _MAX_SHOWN} more" if len(ids) > _MAX_SHOWN else ""
        raise InputError(f"{text}: {len(ids)} tracks answer to this: {'; '.join(names)}{more}", hint="give the id")
    return next(iter(store.tracks(ids=ids, models=models, embeddings=embeddings)))


def nothing(store: Store, text: str) -> InputError:
    """Say that no track answers to a text."""
    if os.path.exists(text):  # noqa: PTH110 (False for a name that no file can have)
        return InputError(f"{text}: not in the catalogue {store.address}", hint="earmark library add FOLDER")
    return InputError(
        f"{text}: no track of the catalogue {store.address} answers to this",
        hint="give a file, an id (earmark library list), or a title",
    )


def matching(store: Store, text: str) -> list[str]:
    """Return the ids of the tracks that a text may mean, as `find` understands it."""
    for way in (_by_id, _by_file, _by_name):
        ids = way(store, text)
        if ids:
            return ids
    return []


def _by_id(store: Store, text: str) -> list[str]:
    lower = text.lower()
    if is_id(lower):
        return [lower] if store.count(among("id", [lower])) else []
    if MIN_PREFIX <= len(lower) < 32 and re.fullmatch("[0-9a-f]+", lower):
        return ids_where(store, f"starts_with(id, '{lower}')")
    return []


def _by_file(store: Store, text: str) -> list[str]:
    if not text or "\0" in text:
        return []
    path = os.path.abspath(text)  # noqa: PTH100 (keeps links)
    known = [
        row["id"]
        for batch in store.scan(TRACKS, ["id", "files"], where=_holds(path))
        for row in batch.to_pylist()
        if any(file.path == path for file in read_files(row["files"]))
    ]
    if known or not os.path.isfile(path):  # noqa: PTH113
        return known
    return _by_id(store, content_id(path))


def _holds(path: str) -> str:
    return f"contains(path_text, {literal(fold(path))})"


def _by_name(store: Store, text: str) -> list[str]:
    folded = fold(text)
    return by_title(store, folded) or _by_file_name(store, folded)


def by_title(store: Store, folded: str) -> list[str]:
    """Return the ids of the tracks with a title, or an artist and a title.

    Parameters
    ----------
    folded : "title", or "artist - title", as `fold` writes it
    """
    if not folded:
        return []
    found = ids_where(store, among("title_folded", [folded]))
    for dash in (" - ", " – "):
        artist, separator, title = folded.partition(dash)
        if separator and not found:
            found = ids_where(store, f"{among('artist_folded', [artist])} AND {among('title_folded', [title])}")
    return found


def _by_file_name(store: Store, folded: str) -> list[str]:
    """Find tracks whose file is called so, with or without its suffix."""
    if len(folded) < MIN_NAME:
        return []
    return [
        row["id"]
        for batch in store.scan(TRACKS, ["id", "files"], where=f"contains(path_text, {literal(folded)})")
        for row in batch.to_pylist()
        if any(folded in _names_of(file.path) for file in read_files(row["files"]))
    ]


def _names_of(path: str) -> tuple[str, str]:
    name = os.path.basename(path)  # noqa: PTH119 (may be no text)
    return fold(name), fold(os.path.splitext(name)[0])  # noqa: PTH122


def ids_where(store: Store, where: str) -> list[str]:
    """Return the ids of the tracks that fulfil an SQL condition."""
    return [one for batch in store.scan(TRACKS, ["id"], where=where) for one in batch.column("id").to_pylist()]


def find_all(store: Store, texts: Sequence[str]) -> list[LibraryTrack]:
    """Find tracks, each once, in the order given.

    Raises
    ------
    InputError
        If nothing, or more than one track, answers to one of the texts.
    """
    found = {track.id: track for track in (find(store, text) for text in texts)}
    return list(found.values())
