"""How well two people's taste agrees: by filters, services, and what lies in the folders of music."""

import asyncio
import threading
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from earmark.library.adding import AddProgress
from earmark.service.errors import FAILED, Json, TooBusy, TookTooLong
from earmark.service.finding import find_listener_text
from earmark.service.routes.shapes import CompatibilityBody, Likeness
from earmark.service.state import Service

MOST_AT_ONCE = 2
_RETRY = 30  # seconds


def router(service: Service) -> APIRouter:
    """Answer requests to compare two listeners."""
    routes = APIRouter(prefix="/v1", tags=["comparing"], responses=FAILED)
    running: set[threading.Event] = set()

    @routes.post("/compatibility", summary="Compare two listeners", responses={200: {"model": Likeness}},
                 response_model=None)  # fmt: skip
    async def compare(who: CompatibilityBody) -> Response:
        """Tell how well two people's taste agrees, and why.

        Music that is in the catalogue is compared at once. What has to be heard, or fetched from a service, first may
        take longer than a request may.
        """
        if len(running) >= MOST_AT_ONCE:
            raise TooBusy(
                "other listeners are being compared", hint=f"ask again in {_RETRY} s", retry_after=_RETRY
            )  # fmt: skip
        stop = threading.Event()
        running.add(stop)
        try:
            work = asyncio.ensure_future(service.run(compatibility, service, who, stop))
            work.add_done_callback(lambda _: running.discard(stop))
            return Json(await work)
        finally:
            stop.set()

    return routes


def compatibility(service: Service, who: CompatibilityBody, stop: threading.Event | None = None) -> dict[str, Any]:
    """Compare two listeners.

    Parameters
    ----------
    service : whose catalogue and folders of music
    who : they are, and how they are compared
    stop : set when nobody waits any more: looked at between files and answers

    Raises
    ------
    InputError, UsageError, UnknownNameError, SourceError
        As `earmark.library.agreeing.compatibility` does; no path outside the folders of music is taken.
    """

    def check() -> None:
        if stop is not None and stop.is_set():
            raise TookTooLong("nobody waits for it any more")

    def heard(progress: AddProgress) -> None:
        check()

    def liked(n: int, total: int | None) -> None:
        check()

    a, b = find_listener_text(service, who.a), find_listener_text(service, who.b)
    found = service.library().compatibility(
        a, b, by=who.by, limit=who.limit, seed=who.seed, jobs=service.settings.workers, on_progress=heard,
        on_likes=liked,
    )  # fmt: skip
    return found.to_dict()
