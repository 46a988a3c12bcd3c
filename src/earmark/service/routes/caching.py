"""Answers that change only when the catalogue does: whoever has one already is told that it still holds."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response

from earmark._version import __version__
from earmark.library.schema import MODELS, TRACKS
from earmark.service.errors import Json
from earmark.service.state import Service

HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key, Cookie"}

UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "What the client has still holds."}}
"""How OpenAPI tells of it."""


async def cached(service: Service, request: Request, work: Callable[[], Any]) -> Response:
    """Answer with what `work` returns; with status 304 if the client has it already.

    Parameters
    ----------
    service : whose catalogue
    request : that is answered
    work : makes the answer of the catalogue and the request alone; run in a thread
    """

    async def make() -> Response:
        return Json(await service.run(work))

    return await unless_known(service, request, make)


async def unless_known(
    service: Service,
    request: Request,
    make: Callable[[], Awaitable[Response]],
    extra: Mapping[str, str] | None = None,
) -> Response:
    """Answer with what `make` returns; with status 304 if the client has it already.

    Parameters
    ----------
    service, request : see `cached`
    make : makes the answer of the catalogue and the request alone
    extra : more headers, of either answer: a browser takes those of a 304 over
    """
    tag = await service.run(etag, service, request)
    headers = {**HEADERS, "ETag": tag, **(extra or {})}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    answer = await make()
    answer.headers.update(headers)
    return answer


def etag(service: Service, request: Request) -> str:
    """Return what changes when the answer to a request may."""
    text = repr((__version__, state_of(service), request.url.path, request.url.query))
    return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def state_of(service: Service) -> tuple[str, int, int]:
    """Return what changes when the catalogue does."""
    store = service.library().store
    return store.address, int(store.table(TRACKS).version), int(store.table(MODELS).version)


def is_known(header: str, tag: str) -> bool:
    """Tell whether a header If-None-Match names an ETag.

    Examples
    --------
    >>> is_known('W/"a", "b"', '"b"'), is_known("*", '"b"'), is_known('"ab"', '"b"')
    (True, True, False)
    """
    names = [one.strip().removeprefix("W/") for one in header.split(",")]
    return "*" in names or tag in names
