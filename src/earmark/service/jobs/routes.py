"""Jobs over HTTP: made, listed, followed, cancelled, tried again."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from earmark.errors import EarmarkError, UsageError
from earmark.service.errors import FAILED, Json, TooBusy
from earmark.service.forms import FORM_CONTENT, plain_name, sent_file
from earmark.service.jobs import kinds
from earmark.service.jobs.events import follow
from earmark.service.jobs.job import Job, State, new_id
from earmark.service.jobs.managing import Jobs
from earmark.service.jobs.shapes import MOST_LISTED, Chosen, Identity, JobFacts, JobPage, NewJob
from earmark.service.state import Service

MOST_STREAMS = 200
"""Jobs that are followed at a time."""
_HOW = 'send a form (multipart/form-data) with the audio as its field "file"'
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": 'Events "progress", then one "end"; data: a job.'},
    204: {"description": "The last event was seen already; nothing follows."},
}
_FORM: dict[str, Any] = {"requestBody": {"required": True, "content": FORM_CONTENT}}

Limit = Annotated[int, Query(ge=1, le=MOST_LISTED, description="How many jobs a page holds.")]
Cursor = Annotated[str | None, Query(max_length=18, description="`next` of the page before.")]
LastEvent = Annotated[str | None, Header(alias="Last-Event-ID", max_length=40, description="What was seen last.")]
OfState = Annotated[State | None, Query(description="Only jobs in this state.")]


def router(service: Service, jobs: Jobs) -> APIRouter:
    """Answer requests about jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=FAILED)
    _add_making(routes, service, jobs)
    _add_looking(routes, service, jobs)
    _add_changing(routes, service, jobs)
    return routes


def _add_making(routes: APIRouter, service: Service, jobs: Jobs) -> None:
    @routes.post("", summary="Begin a job", status_code=202, responses={202: {"model": JobFacts}}, response_model=None)
    async def begin(new: NewJob) -> Response:
        """Begin what takes longer than a request may; the answer comes at once, with the id to ask by."""

        def make() -> Job:
            return jobs.queue.add(new.kind, kinds.check(service, new.kind, new.parameters))

        return _made(await service.run(make))

    @routes.post("/upload", summary="Tag a file that is sent", status_code=202, responses={202: {"model": JobFacts}},
                 response_model=None, openapi_extra=_FORM)  # fmt: skip
    async def upload(request: Request, how: Annotated[Chosen, Query()]) -> Response:
        """Take a file, and tag it in a job: for long ones."""
        async with sent_file(request, how=_HOW) as file:
            return _made(await service.run(_keep, service, jobs, file, how))


def _keep(service: Service, jobs: Jobs, sent: UploadFile, how: Chosen) -> Job:
    """Keep a file that was sent, and add its job."""
    parameters = kinds.check(service, "tag", how)
    id, uploads = new_id(), jobs.uploads
    sent.file.seek(0)
    uploads.keep(id, sent.file)
    try:
        name = {"upload": plain_name(sent.filename)}
        return jobs.queue.add("tag", {**parameters, **name}, id=id, place=uploads.place())
    except EarmarkError:
        uploads.drop(id)
        raise


def _add_looking(routes: APIRouter, service: Service, jobs: Jobs) -> None:
    streams = 0

    @routes.get("", summary="List jobs", responses={200: {"model": JobPage}}, response_model=None)
    async def list_jobs(state: OfState = None, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List jobs, the newest first; those that have ended are kept for a week."""
        return _fresh(await service.run(page, jobs, state, limit, cursor))

    @routes.get("/{id}", summary="Show a job", responses={200: {"model": JobFacts}}, response_model=None)
    async def show(id: Identity) -> Response:
        """Tell how far a job is, and what came of it."""
        return _fresh((await service.run(jobs.queue.get, id)).to_dict())

    @routes.get("/{id}/events", summary="Follow a job", responses=_EVENTS, response_model=None)
    async def events(id: Identity, last: LastEvent = None) -> Response:
        """Tell how far a job is as it happens, until it has ended: server-sent events."""
        nonlocal streams
        job = await service.run(jobs.queue.get, id)
        seen = int(last) if last is not None and last.isascii() and last.isdecimal() else None
        if job.has_ended and seen == job.version:
            return Response(status_code=204)  # which lets a browser stop asking
        if streams >= MOST_STREAMS:
            raise TooBusy(f"{streams} jobs are followed already", hint="GET /v1/jobs/{id} now and then", retry_after=30)

        async def counted() -> AsyncIterator[bytes]:
            nonlocal streams
            streams += 1
            try:
                async for one in follow(jobs, job, seen):
                    yield one
            finally:
                streams -= 1

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(counted(), media_type="text/event-stream", headers=headers)


def _add_changing(routes: APIRouter, service: Service, jobs: Jobs) -> None:
    @routes.post("/{id}/cancel", summary="Cancel a job", responses={200: {"model": JobFacts}}, response_model=None)
    async def cancel(id: Identity) -> Response:
        """End a job; one that runs ends after the file that it is at, and what it did until then stays."""
        return _fresh((await service.run(jobs.queue.cancel, id)).to_dict())

    @routes.post("/{id}/retry", summary="Try a job again", responses={200: {"model": JobFacts}}, response_model=None)
    async def retry(id: Identity) -> Response:
        """Let a job that failed or was cancelled be done; let one that waits for its next try be tried now."""
        return _fresh((await service.run(jobs.queue.retry, id)).to_dict())


def page(jobs: Jobs, state: State | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return a page of jobs.

    Parameters
    ----------
    jobs : of the service
    state : of these; all if None
    limit : how many
    cursor : `next` of the page before; None for the first
    """
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal()):
        raise UsageError("the cursor is none", hint="take it from `next` of the page before, as it is")
    before = int(cursor) if cursor is not None else None
    found = jobs.queue.page(state=state, before=before, limit=limit + 1)
    return {
        "jobs": [job.to_dict(result=False) for job in found[:limit]],
        "counts": jobs.queue.table.counts(),
        "next": str(found[limit - 1].number) if len(found) > limit else None,
    }


def _made(job: Job) -> Json:
    return Json(job.to_dict(), status_code=202, headers={"Location": f"/v1/jobs/{job.id}", "Cache-Control": "no-store"})


def _fresh(plain: dict[str, Any]) -> Json:
    return Json(plain, headers={"Cache-Control": "no-store"})
