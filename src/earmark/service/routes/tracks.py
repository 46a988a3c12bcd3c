"""Tracks of the catalogue: listed page by page, and one alone."""

import heapq
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from earmark.errors import UsageError
from earmark.library.columns import condition
from earmark.library.rows import LibraryTrack
from earmark.library.schema import TRACKS
from earmark.library.store import is_id
from earmark.plain_data import encode_array
from earmark.service.errors import FAILED, NotFound
from earmark.service.finding import find_id
from earmark.service.routes.caching import UNCHANGED, cached
from earmark.service.routes.shapes import MOST_FOUND, MOST_TEXT, FewTags, Filter, Tags, Track, TrackPage
from earmark.service.state import Service

Limit = Annotated[int, Query(ge=1, le=MOST_FOUND, description="How many tracks a page holds.")]
Cursor = Annotated[str | None, Query(max_length=32, description="`next` of the page before.")]
Embeddings = Annotated[bool, Query(description="Give embeddings, too.")]
Identity = Annotated[str, Path(max_length=MOST_TEXT, description="An id, or at least 6 digits of its beginning.")]


def router(service: Service) -> APIRouter:
    """Answer requests for tracks."""
    routes = APIRouter(prefix="/v1/tracks", tags=["catalogue"], responses=FAILED)

    @routes.get("", summary="List tracks", responses={200: {"model": TrackPage}, **UNCHANGED}, response_model=None)
    async def list_tracks(
        request: Request, filter: Filter = None, limit: Limit = 50, cursor: Cursor = None, tags: FewTags = 10
    ) -> Response:
        """List the tracks that fit a filter, in the order of their ids, page by page."""
        return await cached(service, request, lambda: page(service, filter, limit, cursor, tags))

    @routes.get("/{id}", summary="Show a track", responses={200: {"model": Track}, **UNCHANGED}, response_model=None)
    async def show_track(request: Request, id: Identity, tags: Tags = None, embeddings: Embeddings = False) -> Response:
        """Show all that is known of a track."""
        return await cached(service, request, lambda: show(service, id, tags, embeddings=embeddings))

    return routes


def page(service: Service, filter: str | None, limit: int, cursor: str | None, tags: int) -> dict[str, Any]:
    """Return a page of tracks.

    Parameters
    ----------
    service : whose catalogue
    filter : which tracks
    limit : how many
    cursor : the last id of the page before; None for the first page
    tags : of each model, given with every track
    """
    if cursor is not None and not is_id(cursor):
        raise UsageError("the cursor is none", hint="take it from `next` of the page before, as it is")
    store = service.library().store
    where = condition(store, filter)
    parts = [f"({where})"] if where is not None else []
    parts += [f"id > '{cursor}'"] if cursor is not None else []
    batches = store.scan(TRACKS, ["id"], where=" AND ".join(parts) or None)
    ids = heapq.nsmallest(limit + 1, (one for batch in batches for one in batch.column("id").to_pylist()))
    tracks = [plain_track(track, tags) for track in store.tracks(ids=ids[:limit])]
    return {"tracks": tracks, "total": store.count(where), "next": ids[limit - 1] if len(ids) > limit else None}


def show(service: Service, text: str, tags: int | None, *, embeddings: bool = False) -> dict[str, Any]:
    """Return one track.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = service.library().store.tracks(ids=[find_id(service, text)], embeddings=embeddings)
    track = next(found, None)
    if track is None:  # taken out meanwhile
        raise NotFound(f"there is no track {text!r} in the catalogue")
    plain = plain_track(track, tags)
    if embeddings:
        for name, heard in track.heard.items():
            if heard.embedding is not None:
                plain["heard"][name]["embedding"] = encode_array(heard.embedding)
    return plain


def plain_track(track: LibraryTrack, tags: int | None) -> dict[str, Any]:
    """Return a track as plain data, with so many tags of each model; with all if None."""
    return fewer_tags(track.to_dict(), tags)


def fewer_tags(plain: dict[str, Any], tags: int | None) -> dict[str, Any]:
    """Leave so many tags of each model, best first."""
    heard: Mapping[str, Any] = plain["heard"]
    kept = {name: one | {"tags": dict(list(one["tags"].items())[:tags])} for name, one in heard.items()}
    return plain | {"heard": kept}
