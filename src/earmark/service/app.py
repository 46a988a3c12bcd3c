"""The service as an ASGI app: what it answers, and what stands before it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from earmark._version import __version__
from earmark.service import errors
from earmark.service.guarding import Guard
from earmark.service.hearing import Hearing
from earmark.service.jobs import routes as job_routes
from earmark.service.jobs.managing import N_WORKERS, Jobs
from earmark.service.limits import Limits
from earmark.service.metrics import Measuring, Metrics
from earmark.service.pages import routes as pages
from earmark.service.players import routes as players
from earmark.service.routes import (
    choosing,
    comparing,
    docs,
    facts,
    hearing,
    mapping,
    playing,
    teaching,
    tracks,
    writing,
)
from earmark.service.settings import Settings
from earmark.service.state import Service

_ABOUT = (
    "Listens to music and tells what is in it. Answers are JSON; one that tells of a mistake holds `error` and `hint`. "
    "On an address that other machines reach, send the header `Authorization: Bearer TOKEN`, with a token that "
    "`earmark serve token add NAME` made."
)


def create_app(settings: Settings, *, n_jobs: int = N_WORKERS) -> FastAPI:
    """Make the app of a service.

    Parameters
    ----------
    settings : what it is told
    n_jobs : that are done at a time in this process; 0 leaves them to workers of their own

    Returns
    -------
    an app; what it opens is closed when it ends (its lifespan)
    """
    service, metrics = Service(settings), Metrics()
    ears, jobs = Hearing(settings, metrics), Jobs(service, metrics=metrics, n_workers=n_jobs)
    maps = mapping.Maps(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.run(jobs.start)
        yield
        ears.close()
        await service.run(jobs.stop)
        service.close()

    app = FastAPI(
        title="earmark",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service, app.state.metrics, app.state.hearing, app.state.jobs = service, metrics, ears, jobs
    errors.register(app)
    app.include_router(hearing.router(service, ears))
    app.include_router(tracks.router(service))
    app.include_router(playing.router(service))
    app.include_router(mapping.router(service, maps))
    app.include_router(choosing.router(service))
    app.include_router(comparing.router(service))
    app.include_router(writing.router(service))
    app.include_router(teaching.router(service))
    app.include_router(job_routes.router(service, jobs))
    app.include_router(facts.router(service, metrics))
    app.include_router(players.router(service))
    app.include_router(docs.router(app.openapi))
    app.include_router(pages.router(service, maps))
    # The last one that is added stands first.
    app.add_middleware(Limits, most_upload=settings.most_upload, timeout=settings.timeout)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Measuring, metrics=metrics)
    _describe_tokens(app)
    return app


def _describe_tokens(app: FastAPI) -> None:
    """Let the OpenAPI document say how a token is shown."""
    made = app.openapi

    def describe() -> dict[str, Any]:
        document = made()
        schemes = {
            "token": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document.setdefault("components", {})["securitySchemes"] = schemes
        document["security"] = [{}, {"token": []}, {"key": []}]
        return document

    app.openapi = describe  # type: ignore[method-assign]
