"""What was heard, written into the files of tracks: first what would change, then the change, which can be undone."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from earmark.audio.identity import content_id
from earmark.errors import EarmarkError, InputError, UnknownNameError, UsageError
from earmark.library.models import TAUGHT, StoredModel
from earmark.library.rows import FilePlace, LibraryTrack
from earmark.library.store import is_id
from earmark.service.errors import FAILED, Json, NotFound, Refused, TooBusy
from earmark.service.finding import find_id
from earmark.service.players.media import readable_file
from earmark.service.players.songs import Places
from earmark.service.routes.shapes import Profiles, UndoBody, UndoneFiles, WriteBody, WriteRuns, Written
from earmark.service.settings import Settings
from earmark.service.state import Service
from earmark.tagfile.choosing import FIELDS, Choice, TrackScores
from earmark.tagfile.filling import Outcome, fill
from earmark.tagfile.journal import Journal
from earmark.tagfile.profiles import PROFILES, get_profile
from earmark.tagfile.scores import NotHeard, from_library_track

MOST_SECONDS = 60.0
"""That a request may write for; tracks that are left are told, and asked for again."""
_SHARE = 0.5  # of the time that a request has in all
_RETRY = 10  # seconds
_FRESH = {"Cache-Control": "no-store"}


def journal_folder(settings: Settings) -> Path:
    """Return where the service keeps what undoes its own runs."""
    return settings.data / "journal"


def need_writing(settings: Settings) -> None:
    """Refuse requests that change something where clients may not.

    Raises
    ------
    Refused
        If they may not.
    """
    if not settings.may_write:
        raise Refused(
            "clients of this service may not change files or own tags",
            hint="whoever runs it allows that: earmark serve --may-write",
        )


def router(service: Service) -> APIRouter:
    """Answer requests to write into files."""
    routes = APIRouter(prefix="/v1/write", tags=["writing"], responses=FAILED)
    lock = asyncio.Lock()  # one of those who change files at a time

    def check() -> None:
        need_writing(service.settings)
        if lock.locked():
            raise TooBusy("files are being written already", hint=f"ask again in {_RETRY} s", retry_after=_RETRY)

    @routes.post("", summary="Write into files", responses={200: {"model": Written}}, response_model=None)
    async def write(wish: WriteBody) -> Response:
        """Tell what would change in the files of tracks; with `apply`, change it.

        Scores are those of the catalogue. Values that somebody else wrote are kept unless `force` is set. Tracks that
        there was no time for stand in `left`: ask for them again.
        """
        if not wish.apply:
            return Json(await service.run(write_files, service, wish), headers=_FRESH)
        check()
        async with lock:
            return Json(await service.run(write_files, service, wish), headers=_FRESH)

    @routes.get("/profiles", summary="List profiles", responses={200: {"model": Profiles}}, response_model=None)
    async def list_profiles() -> Response:
        """List the players that can be written for, and the fields."""
        return Json(profiles(service.settings))

    @routes.get("/runs", summary="List runs", responses={200: {"model": WriteRuns}}, response_model=None)
    async def list_runs() -> Response:
        """List the runs that wrote into files, the newest first."""
        return Json({"runs": await service.run(runs, service.settings)}, headers=_FRESH)

    @routes.post("/undo", summary="Undo a run", responses={200: {"model": UndoneFiles}}, response_model=None)
    async def undo_run(which: UndoBody) -> Response:
        """Bring the files of a run back to what they were before, byte for byte.

        A file that somebody has changed since is left alone, and told.
        """
        check()
        async with lock:
            return Json(await service.run(undo, service.settings, which.run), headers=_FRESH)

    return routes


def write_files(service: Service, wish: WriteBody) -> dict[str, Any]:
    """Write into the files of tracks, or only tell what would change.

    Parameters
    ----------
    service : whose catalogue and folders of music
    wish : what is to be written

    Raises
    ------
    UsageError
        If there is no folder of music.
    UnknownNameError
        If there is no such profile or field.
    InputError
        If nothing was heard yet.
    """
    if not service.settings.music:
        raise UsageError("this service has no folder of music", hint="start it with one: earmark serve --music FOLDER")
    profile = get_profile(wish.profile)
    names = profile.fields if wish.fields is None else tuple(dict.fromkeys(wish.fields))
    choice = Choice(names, wish.count, key_notation=profile.key_notation)
    models, tracks = _find(service, wish.tracks)
    places = Places(service.settings.music)
    deadline = time.monotonic() + min(MOST_SECONDS, _SHARE * service.settings.timeout)
    files: list[dict[str, Any]] = []
    left: list[str] = []
    journal = Journal(journal_folder(service.settings)) if wish.apply else None
    try:
        for name, track in tracks.items():
            if isinstance(track, EarmarkError):
                files.append(_failed(name, None, track))
            elif time.monotonic() > deadline:
                left.append(track.id)
            else:
                source = _Known(track, models, places)
                found = fill(source.paths, source, choice, profile=profile, force=wish.force, journal=journal)
                files += [_plain(track.id, one) for one in found]
                files += [_failed(track.id, path, error) for path, error in source.refused]
    finally:
        if journal is not None:
            journal.close()
    return {"files": files, "run": journal.run if journal is not None else None, "left": left}


def _find(
    service: Service, names: Sequence[str]
) -> tuple[list[StoredModel], Mapping[str, LibraryTrack | EarmarkError]]:
    """Return the models whose scores count, and the tracks that are named, each once, or why there is none."""
    store = service.library().store
    first = store.model()  # raises if nothing was heard yet
    models = [one for one in store.models() if one.name in (first.name, TAUGHT)]
    ids: dict[str, str | EarmarkError] = {}
    for name in dict.fromkeys(names):
        try:
            ids[name] = name.lower() if is_id(name.lower()) else find_id(service, name)
        except EarmarkError as error:
            ids[name] = error
    wanted = list(dict.fromkeys(one for one in ids.values() if isinstance(one, str)))
    known = {track.id: track for track in store.tracks(ids=wanted, models=models)}
    tracks: dict[str, LibraryTrack | EarmarkError] = {}
    for name, one in ids.items():
        track = known.pop(one, None) if isinstance(one, str) else None
        if isinstance(one, EarmarkError):
            tracks[name] = one
        elif track is None:
            if one not in (other.id for other in tracks.values() if isinstance(other, LibraryTrack)):
                tracks[name] = NotFound(f"there is no track {name!r} in the catalogue")
        elif first.name not in track.heard:
            tracks[name] = InputError(f"{track.name}: {first.name} has not heard it", hint="earmark library add")
        elif not track.files:
            tracks[name] = NotFound(f"{track.name}: all of its files are gone")
        else:
            tracks[name] = track
    return models, tracks


class _Known:
    """What the catalogue knows of the files of one track, as a source of scores.

    Parameters
    ----------
    track : with the scores that count
    models : whose scores these are
    places : where files may lie

    Attributes
    ----------
    paths : of its files in the folders of music
    refused : its other files, and why each is none of them
    """

    heard_by = None

    def __init__(self, track: LibraryTrack, models: Sequence[StoredModel], places: Places) -> None:
        self._track, self._models = track, models
        self._places: dict[str, FilePlace] = {file.path: file for file in track.files}
        self.paths = [path for path in self._places if readable_file([path], places) is not None]
        why = "is gone, or lies outside the folders of music of this service"
        self.refused = [(path, InputError(f"{path}: {why}")) for path in self._places if path not in self.paths]

    def scores(self, paths: Sequence[str]) -> Iterator[TrackScores | NotHeard]:
        """Yield the scores of the track for each of its files that holds its audio still."""
        for path in paths:
            try:
                entry = os.stat(path)  # noqa: PTH116 (may be no text)
                place = self._places[path]
                is_same = (entry.st_size, entry.st_mtime_ns) == (place.size, place.mtime_ns)
                if is_same or content_id(path) == self._track.id:
                    yield from_library_track(self._track, path, self._models)
                else:
                    hint = "let it be heard anew: earmark library add, or a job of the kind add"
                    yield NotHeard(path, InputError(f"{path}: holds other audio than what was heard", hint=hint))
            except EarmarkError as error:
                yield NotHeard(path, error)
            except OSError as error:
                yield NotHeard(path, InputError(f"{path}: {error.strerror or error}"))


def _plain(track: str, outcome: Outcome) -> dict[str, Any]:
    if outcome.error is not None:
        return _failed(track, outcome.path, outcome.error)
    change = outcome.change
    changes = [
        {"field": one.name, "names": list(one.fields), "before": list(one.before), "after": list(one.after)}
        for one in (() if change is None else change.changes)
    ]
    kept = [] if change is None else list(change.kept)
    return {
        "path": outcome.path, "track": track, "status": outcome.status, "changes": changes, "kept": kept,
        "problem": None,
    }  # fmt: skip


def _failed(track: str, path: str | None, error: EarmarkError) -> dict[str, Any]:
    problem = {"error": error.message, "hint": error.hint}
    return {"path": path, "track": track, "status": "failed", "changes": [], "kept": [], "problem": problem}


def profiles(settings: Settings) -> dict[str, Any]:
    """Return the players that can be written for, and whether clients may write."""
    plain = [
        {"name": one.name, "fields": list(one.fields), "key_notation": one.key_notation, "reads": one.reads}
        for one in PROFILES.values()
    ]
    return {"profiles": plain, "fields": list(FIELDS), "may_write": settings.may_write}


def runs(settings: Settings) -> list[Mapping[str, Any]]:
    """Return the runs of this service that wrote into files, the newest first."""
    return [
        {"run": one.id, "begun": one.begun.isoformat(), "n_files": one.n_files, "n_undone": one.n_undone,
         "is_running": one.is_running}
        for one in reversed(Journal(journal_folder(settings)).runs())
    ]  # fmt: skip


def undo(settings: Settings, run: str | None) -> dict[str, Any]:
    """Undo a run.

    Parameters
    ----------
    settings : of the service
    run : its id; the latest that is not undone if None

    Raises
    ------
    NotFound
        If there is no such run, or none is left.
    Refused
        If it wrote into files that lie outside the folders of music now.
    UsageError
        If it is being written.
    """
    with Journal(journal_folder(settings)) as journal:
        try:
            if run is None:
                left = [one.id for one in journal.runs() if one.n_undone < one.n_files]
                if not left:
                    raise NotFound("there is no run that could be undone", hint="GET /v1/write/runs lists all runs")
                run = left[-1]
            entries = journal.entries(run)
        except UnknownNameError as error:
            raise NotFound(error.message, hint="GET /v1/write/runs lists them") from error
        for entry in entries:
            if not settings.hold(entry.path):
                raise Refused(
                    "the run wrote into files that lie outside the folders of music by now",
                    hint=f"on the machine of the service: earmark undo {run} --journal {journal.folder}",
                )
        undone = journal.undo(run)
    files = [{"path": one.path, "is_restored": one.is_restored, "reason": one.reason} for one in undone]
    return {"run": run, "files": files}
