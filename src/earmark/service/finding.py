"""What requests name: tracks of the catalogue, models, listeners. No name leads to a file outside the folders of music.

On the command line a track may be any file, a model any path. Here a client says the names, so that each is looked up
first and handed on as what it was found to be: an id, the name of a card, a path in the folders of music.
"""

import os
import re
from pathlib import Path

from earmark.batch import walk
from earmark.errors import EarmarkError, InputError, UnknownNameError, UsageError
from earmark.library.columns import condition
from earmark.library.folding import fold
from earmark.library.listeners import PLAYLISTS, SERVICES
from earmark.library.playlists.reading import read_playlist
from earmark.library.resolving import by_title, ids_where, matching
from earmark.library.store import Store, among, is_id
from earmark.models.weights import is_local, iter_cards
from earmark.service.errors import NotFound
from earmark.service.settings import Settings, inside
from earmark.service.state import Service
from earmark.tagger import PRESETS

_MAX_SHOWN = 5
_PREFIX = re.compile(r"[0-9a-f]{6,31}")


def find_id(service: Service, text: str) -> str:
    """Return the id of the one track that a client means.

    Parameters
    ----------
    service : whose catalogue and folders of music
    text : an id, or at least 6 digits of its beginning; a title, or "artist - title"; a file in the folders of music

    Raises
    ------
    NotFound
        If there is none.
    InputError
        If there are several.
    """
    store = service.library().store
    ids = _ids_of(store, service.settings, text)
    if not ids:
        raise NotFound(f"there is no track {text!r} in the catalogue", hint="GET /v1/tracks lists them with their ids")
    if len(ids) > 1:
        names = [f"{track.id} {track.name}" for track in store.tracks(ids=ids[:_MAX_SHOWN], models=[])]
        more = f" and {len(ids) - _MAX_SHOWN} more" if len(ids) > _MAX_SHOWN else ""
        raise InputError(f"{text}: {len(ids)} tracks answer to this: {'; '.join(names)}{more}", hint="give the id")
    return ids[0]


def _ids_of(store: Store, settings: Settings, text: str) -> list[str]:
    if not _is_text(text):
        return []
    lower = text.lower()
    if is_id(lower):
        return [lower] if store.count(among("id", [lower])) else []
    if _PREFIX.fullmatch(lower) and (found := ids_where(store, f"starts_with(id, '{lower}')")):
        return found
    if found := by_title(store, fold(text)):
        return found
    try:
        path = inside(settings, text)
    except InputError:
        return []
    names = [str(path), *(str(root / text) for root in settings.music)]  # links kept, as the catalogue may have it
    return next((ids for name in names if (ids := matching(store, name))), [])


def _is_text(text: str) -> bool:
    """Tell whether a text is one that the catalogue can be asked for: no NUL in it, no halves of characters."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def find_ears(settings: Settings, model: str | None, preset: str | None) -> tuple[str | None, str]:
    """Return model and preset that are to hear, as `Tagger` takes them.

    Parameters
    ----------
    settings : of the service; its preset hears unless another, or a model, is asked for
    model : name of a card, never a path
    preset : "standard" or "full"

    Raises
    ------
    UnknownNameError
        If there is no such model or preset.
    UsageError
        If both are given, or the weights are not on this machine: no client lets them be fetched.
    """
    if model is not None and preset is not None:
        raise UsageError(f"model {model!r} and preset {preset!r} exclude each other", hint="give one of the two")
    if model is not None:
        known = [card.name for card in iter_cards()]
        if model not in known:
            raise UnknownNameError("model", model, known)
        if not is_local(model):
            raise UsageError(f"the weights of {model} are not on this machine", hint=f"earmark models pull {model}")
        return model, "standard"
    name = settings.preset if preset is None else preset
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    missing = [one for one in PRESETS[name] if not is_local(one)]
    if missing and name != settings.preset:
        raise UsageError(f"the weights of preset {name} are not on this machine", hint=f"earmark models pull {name}")
    return None, name


def find_listener_text(service: Service, text: str) -> str:
    """Return what a client calls a listener in a form that leads to no file outside the folders of music.

    Parameters
    ----------
    service : whose catalogue and folders of music
    text : a folder or a playlist in the folders of music; SERVICE:USER; or a filter of the catalogue

    Raises
    ------
    InputError, UsageError, UnknownNameError
        If it is none of these, or names files outside.
    """
    if not text or not _is_text(text):
        raise UsageError("a listener is named by a filter, SERVICE:USER, or a path in the folders of music")
    kind, colon, user = text.partition(":")
    if colon and kind.lower() in SERVICES:
        return _of_service(service.settings, kind.lower(), user)
    path = _listed(service.settings, text)
    if path is not None:
        _check_files(service.settings, path)
        return str(path)
    try:
        condition(service.library().store, text)
    except EarmarkError as error:
        error.hint = error.hint or "a filter such as 'artist:Beatles', SERVICE:USER, or a path in the folders of music"
        raise
    while os.path.lexists(text):  # in brackets a filter means the same, and names no file of the server
        text = f"({text})"
    return text


def _of_service(settings: Settings, kind: str, user: str) -> str:
    if not re.fullmatch(r"[^\x00-\x1f/\\]{1,200}", user.strip()):
        raise UsageError(f"{kind}:{user}: whose likes?", hint=f"such as {kind}:NAME")
    if user.strip().lower() == "me" and not settings.is_local:
        raise UsageError(f"{kind}:me is whoever runs the service", hint=f"give a name, such as {kind}:NAME")
    return f"{kind}:{user.strip()}"


def _listed(settings: Settings, text: str) -> Path | None:
    """Return a folder or a playlist in the folders of music, None if a text names neither."""
    try:
        path = inside(settings, text)
    except InputError:
        return None
    return path if path.is_dir() or path.suffix.lower() in PLAYLISTS else None


def _check_files(settings: Settings, path: Path) -> None:
    """Refuse a folder or playlist that leads out of the folders of music, by links or by what it names."""
    paths = walk(str(path)) if path.is_dir() else read_playlist(path)
    for one in paths:
        if not settings.hold(one) and (path.is_dir() or os.path.lexists(one)):
            raise InputError(f"{path.name}: leads to files outside the folders of music of this service")
