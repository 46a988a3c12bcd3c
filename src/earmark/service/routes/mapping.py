"""The map of the catalogue: a place on a plane for every track, alike near alike, as numbers."""

import asyncio
from collections import OrderedDict
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.responses import Response

from earmark.library.charting import chart
from earmark.library.columns import condition
from earmark.plots.map_data import MapData
from earmark.service.errors import FAILED, Json, TooBusy
from earmark.service.routes.caching import UNCHANGED, state_of, unless_known
from earmark.service.routes.shapes import Filter, MapOfTracks, Model
from earmark.service.routes.turns import Turns
from earmark.service.state import Service

MOST_KEPT = 4
"""Maps that are kept in memory."""
N_TAGS = 3
"""Tags that are told of a track."""
_PATIENCE = 0.5  # of the time that a request has in all; then a client is told to ask again, and the map goes on
_RETRY = 10  # seconds
_EMPTY: dict[str, Any] = {
    "method": None, "points": [], "ids": [], "titles": [], "artists": [], "genres": [], "top_tags": [], "groups": [],
    "group_names": [],
}  # fmt: skip


def router(service: Service, maps: "Maps") -> APIRouter:
    """Answer requests for the map."""
    routes = APIRouter(prefix="/v1", tags=["catalogue"], responses=FAILED)

    @routes.get("/map", summary="Map tracks", responses={200: {"model": MapOfTracks}, **UNCHANGED}, response_model=None)
    async def map_tracks(request: Request, filter: Filter = None, model: Model = None) -> Response:
        """Give every track a place on a plane, alike near alike, and group them by style.

        A large catalogue takes a while: then the answer is 503 until its map is there, and it is kept until the
        catalogue changes.
        """

        async def make() -> Response:
            found = await maps.now(filter, model)
            return Json(_EMPTY if found is None else await service.run(plain_map, found))

        return await unless_known(service, request, make)

    return routes


class Maps:
    """Maps of a service, made one at a time; those that were asked for last are kept.

    Parameters
    ----------
    service : whose catalogue
    """

    def __init__(self, service: Service) -> None:
        self._service, self._turns = service, Turns(service)
        self._tasks: OrderedDict[str, asyncio.Task[MapData | None]] = OrderedDict()

    async def now(self, filter: str | None = None, model: str | None = None) -> MapData | None:
        """Return a map of the catalogue as it is now; see `get`."""
        state = await self._service.run(state_of, self._service)
        return await self.get(repr((state, filter, model)), filter, model)

    async def get(self, key: str, filter: str | None, model: str | None) -> MapData | None:
        """Return a map, None if there is no track.

        Parameters
        ----------
        key : what changes when the map may
        filter, model : see `tracks_on_a_map`

        Raises
        ------
        TooBusy
            If it is not there in time; it is being made.
        InputError, UsageError, UnknownNameError
            As `tracks_on_a_map` does.
        """
        task = self._tasks.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._tasks[key] = asyncio.create_task(
                self._turns.run(tracks_on_a_map, self._service, filter, model)
            )
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._tasks.move_to_end(key)
        self._drop()
        try:
            return await asyncio.wait_for(asyncio.shield(task), _PATIENCE * self._service.settings.timeout)
        except TimeoutError:
            raise TooBusy("the map is being made", hint=f"ask again in {_RETRY} s", retry_after=_RETRY) from None

    def _drop(self) -> None:
        """Drop the maps that were asked for the longest time ago; not those that are being made."""
        ready = [key for key, task in self._tasks.items() if task.done()]
        for key in ready[: max(0, len(self._tasks) - MOST_KEPT)]:
            del self._tasks[key]


def tracks_on_a_map(service: Service, filter: str | None, model: str | None) -> MapData | None:
    """Return a map of tracks, None if there is no track.

    Parameters
    ----------
    service : whose catalogue
    filter : which tracks; all if None
    model : whose embeddings; the one that was used first if None

    Raises
    ------
    InputError, UsageError, UnknownNameError
        If the filter is none, or there is no such model.
    """
    store = service.library().store
    if not any(one.n_features for one in store.models()):
        return None
    where = condition(store, filter)
    heard = f"{store.model(model).column('version')} IS NOT NULL"
    if not store.count(heard if where is None else f"{heard} AND ({where})"):
        return None
    return chart(store, groups=True, filter=filter, model=model)


def plain_map(data: MapData) -> dict[str, Any]:
    """Return a map as plain data that JSON can hold."""
    groups = data.groups if data.groups is not None else np.zeros(len(data.points), np.int32)
    return {
        "method": data.method,
        "points": [[round(x, 5), round(y, 5)] for x, y in to_unit(data.points).tolist()],
        "ids": list(data.ids),
        "titles": list(data.titles),
        "artists": list(data.artists),
        "genres": list(data.genres),
        "top_tags": best_tags(data),
        "groups": groups.tolist(),
        "group_names": list(data.group_names),
    }


def to_unit(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fit points into a square without changing their shape.

    Parameters
    ----------
    points : shape (n, 2)

    Returns
    -------
    shape (n, 2), in [0, 1]; the longer side fills it, the shorter one lies in its middle

    Examples
    --------
    >>> to_unit(np.array([[-2.0, 0.0], [2.0, 2.0]])).tolist(), to_unit(np.array([[7.0, 7.0]])).tolist()
    ([[0.0, 0.25], [1.0, 0.75]], [[0.5, 0.5]])
    """
    wide = np.asarray(points, np.float64)
    low, high = wide.min(axis=0), wide.max(axis=0)
    extent = float((high - low).max()) or 1.0
    unit: NDArray[np.float64] = np.clip((wide - (low + high) / 2) / extent + 0.5, 0.0, 1.0)
    return unit


def best_tags(data: MapData) -> list[list[str]]:
    """Return the names of the tags with the highest scores of every track, each once, best first."""
    n = min(N_TAGS + len(data.tags) - len(set(data.tags)), len(data.tags))  # a taught tag may have a model's name
    if not n:
        return [[] for _ in data.titles]
    places = np.argpartition(-data.scores, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(data.scores, places, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(places, order, axis=1).tolist()
    return [list(dict.fromkeys(data.tags[i] for i in row))[:N_TAGS] for row in best]
