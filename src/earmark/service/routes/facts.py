"""What the service can tell of itself: its models, whether it is well, what it measures."""

import os
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from earmark.errors import EarmarkError
from earmark.models.weights import is_local, iter_cards
from earmark.service.errors import FAILED, Json, TooBusy
from earmark.service.metrics import CONTENT_TYPE, Metrics
from earmark.service.routes.shapes import Health, Models
from earmark.service.state import Service
from earmark.tagger import PRESETS


def router(service: Service, metrics: Metrics) -> APIRouter:
    """Answer requests about the service."""
    routes = APIRouter(tags=["service"], responses=FAILED)

    @routes.get("/v1/models", summary="List models", responses={200: {"model": Models}}, response_model=None)
    async def list_models() -> Response:
        """List the models that can hear, and those that have heard the catalogue."""
        return Json(await service.run(models, service))

    @routes.get("/healthz", summary="Is it alive?", responses={200: {"model": Health}}, response_model=None)
    async def is_alive() -> Response:
        """Answer as long as the process does; needs no token."""
        return Json({"status": "ok"}, headers={"Cache-Control": "no-store"})

    @routes.get("/readyz", summary="Is it ready?", responses={200: {"model": Health}}, response_model=None)
    async def is_ready() -> Response:
        """Tell whether the catalogue can be read and the folder for data be written."""
        await service.run(check, service)
        return Json({"status": "ok"}, headers={"Cache-Control": "no-store"})

    measured = {"content": {"text/plain": {}}, "description": "Prometheus' text format."}

    @routes.get("/metrics", summary="What it measures", responses={200: measured}, response_model=None)
    async def give_metrics() -> Response:
        """Give what is measured, for Prometheus."""
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    return routes


def models(service: Service) -> dict[str, Any]:
    """Return the models that there are."""
    cards = [card.to_dict() | {"chunk_seconds": card.chunk_seconds, "local": is_local(card.name)}
             for card in iter_cards()]  # fmt: skip
    return {
        "models": cards,
        "presets": {name: list(parts) for name, parts in PRESETS.items()},
        "preset": service.settings.preset,
        "library": [model.name for model in service.library().store.models()],
    }


def check(service: Service) -> None:
    """Raise if the catalogue cannot be read, or the folder for data not be written."""
    try:
        len(service.library())
        writable = os.access(service.settings.data, os.W_OK | os.X_OK)
    except EarmarkError as error:
        raise TooBusy(f"the catalogue cannot be read: {error.message}", retry_after=5) from error
    if not writable:
        raise TooBusy("the folder for data cannot be written", retry_after=5)
