"""The page for browsers: plain files, made for a policy that lets no script run that is not one of them.

Everything the page does goes through ``/v1``, as what any other client does. Its own routes are its files, the map of
the catalogue as a page to be shown in it, and a cookie for the token: a browser sends no header of its own for pictures
and music.
"""

import hashlib
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from earmark.errors import InputError
from earmark.plots.map_page import map_page
from earmark.service.errors import FAILED, NotFound
from earmark.service.guarding import COOKIE, is_secure
from earmark.service.routes.caching import is_known, unless_known
from earmark.service.routes.mapping import Maps
from earmark.service.state import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The map has its script and style inside; its own policy, which holds besides, allows these two alone, by their hashes.
MAP_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_MONTH = 30 * 86400

Match = Annotated[str | None, Header(alias="If-None-Match", max_length=1000)]


def router(service: Service, maps: Maps) -> APIRouter:
    """Answer what browsers ask for.

    Parameters
    ----------
    service : whose catalogue the map shows
    maps : of it
    """
    routes = APIRouter(responses=FAILED)
    _add_map(routes, service, maps)
    _add_files(routes)
    _add_session(routes)
    return routes


def _add_files(routes: APIRouter) -> None:
    files = read_files()

    @routes.get("/", include_in_schema=False)
    async def start(match: Match = None) -> Response:
        return _file(files, "index.html", match)

    @routes.get("/page/{name}", include_in_schema=False)
    async def file(name: str, match: Match = None) -> Response:
        return _file(files, name, match)


def read_files() -> dict[str, bytes]:
    """Return the files of the page, by name."""
    folder = resources.files("earmark.service.pages").joinpath("static")
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(tuple(_KINDS))}


def _file(files: dict[str, bytes], name: str, match: str | None) -> Response:
    if name not in files:
        raise NotFound(f"there is no page {name[:80]!r}", hint="/ leads to the page, /docs to all requests")
    tag = f'"{hashlib.sha256(files[name]).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    if is_known(match or "", tag):
        return Response(status_code=304, headers=headers)
    kind = _KINDS[name[name.rindex(".") :]]
    return Response(files[name], media_type=kind, headers=headers)


def _add_map(routes: APIRouter, service: Service, maps: Maps) -> None:
    @routes.get("/page/map", include_in_schema=False)
    async def draw(request: Request, filter: str | None = None) -> Response:
        async def make() -> Response:
            found = await maps.now(filter or None)
            if found is None:
                raise InputError("there is no track to be drawn", hint="hear music first, or take a wider filter")
            return Response(await service.run(map_page, found, links="served"), media_type="text/html")

        headers = {"X-Frame-Options": "SAMEORIGIN", "Content-Security-Policy": MAP_POLICY}
        return await unless_known(service, request, make, headers)


def _add_session(routes: APIRouter) -> None:
    @routes.post("/v1/session", summary="Sign in", status_code=204, tags=["service"], response_class=Response)
    async def sign_in(request: Request) -> Response:
        """Keep the token of this request in a cookie, for browsers: they send it with pictures and music, too."""
        answer = Response(status_code=204)
        if token := request.state.token:
            is_safe = is_secure(request.scope)
            answer.set_cookie(COOKIE, token, _MONTH, path="/", httponly=True, samesite="strict", secure=is_safe)
        return answer

    @routes.delete("/v1/session", summary="Sign out", status_code=204, tags=["service"], response_class=Response)
    async def sign_out() -> Response:
        """Forget the token that a cookie holds."""
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer
