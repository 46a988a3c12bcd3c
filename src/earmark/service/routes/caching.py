"""Answers that change only when the catalogue does: whoever has one already is told that it still holds."""

import hashlib
from collections.abc import Callable
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
    tag = await service.run(etag, service, request)
    headers = HEADERS | {"ETag": tag}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Json(await service.run(work), headers=headers)


def etag(service: Service, request: Request) -> str:
    """Return what changes when the answer to a request may."""
    store = service.library().store
    versions = [store.table(name).version for name in (TRACKS, MODELS)]
    text = repr((__version__, store.address, versions, request.url.path, request.url.query))
    return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def is_known(header: str, tag: str) -> bool:
    """Tell whether a header If-None-Match names an ETag.

    Examples
    --------
    >>> is_known('W/"a", "b"', '"b"'), is_known("*", '"b"'), is_known('"ab"', '"b"')
    (True, True, False)
    """
    names = [one.strip().removeprefix("W/") for one in header.split(",")]
    return "*" in names or tag in names
