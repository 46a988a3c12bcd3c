"""What to hear: similar tracks, tracks that words describe, playlists, paths."""

import threading
import warnings
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from earmark.errors import EarmarkWarning
from earmark.library.columns import tag_index
from earmark.library.query import parse_query
from earmark.library.search import Match, Seed
from earmark.service.errors import FAILED, Json
from earmark.service.finding import find_id
from earmark.service.routes.caching import UNCHANGED, cached
from earmark.service.routes.shapes import (
    MOST_FOUND,
    Count,
    FewTags,
    Filter,
    Matches,
    Model,
    PlaylistBody,
    TrackName,
    Tracks,
)
from earmark.service.routes.tracks import fewer_tags, plain_track
from earmark.service.state import Service

_MOST_SEEDS = 50
_WARNING_LOCK = threading.Lock()  # filters of warnings belong to the whole process

Like = Annotated[
    list[str], Query(max_length=_MOST_SEEDS, description="What to be like: ids or titles; may be given several times.")
]
Unlike = Annotated[list[str], Query(max_length=_MOST_SEEDS, description="What not to be like.")]
SameArtist = Annotated[bool, Query(description="False leaves out tracks by the artists that are asked for.")]
Words = Annotated[str, Query(min_length=1, max_length=1000, description="Such as `calm piano -vocals`.")]
Steps = Annotated[int, Query(ge=2, le=MOST_FOUND, description="How many tracks, both ends counted.")]


def router(service: Service) -> APIRouter:
    """Answer requests for what to hear."""
    routes = APIRouter(prefix="/v1", tags=["choosing"], responses=FAILED)

    @routes.get(
        "/similar", summary="Find similar tracks", responses={200: {"model": Matches}, **UNCHANGED}, response_model=None
    )
    async def find_similar(
        request: Request,
        track: Like,
        unlike: Unlike = [],  # noqa: B006 (never changed)
        n: Count = 10,
        filter: Filter = None,
        same_artist: SameArtist = True,
        model: Model = None,
        tags: FewTags = 10,
    ) -> Response:
        """Find the tracks that sound most like one or several others."""
        return await cached(
            service, request, lambda: similar(service, track, unlike, n, filter, same_artist, model, tags)
        )

    @routes.get(
        "/search", summary="Find tracks by words", responses={200: {"model": Matches}, **UNCHANGED}, response_model=None
    )
    async def find_by_words(
        request: Request, q: Words, n: Count = 10, filter: Filter = None, tags: FewTags = 10
    ) -> Response:
        """Find the tracks that a few tags describe."""
        return await cached(service, request, lambda: search(service, q, n, filter, tags))

    @routes.post("/playlist", summary="Make a playlist", responses={200: {"model": Tracks}}, response_model=None)
    async def make_playlist(wish: PlaylistBody, tags: FewTags = 10) -> Response:
        """Make a playlist from seeds, moods and a filter."""
        return Json(await service.run(playlist, service, wish, tags))

    @routes.get("/path", summary="Find a path", responses={200: {"model": Tracks}, **UNCHANGED}, response_model=None)
    async def find_path(
        request: Request,
        start: TrackName,
        end: TrackName,
        n: Steps = 10,
        filter: Filter = None,
        model: Model = None,
        tags: FewTags = 10,
    ) -> Response:
        """Find tracks that lead from one to another in even steps."""
        return await cached(service, request, lambda: path(service, start, end, n, filter, model, tags))

    return routes


def similar(
    service: Service,
    like: list[str],
    unlike: list[str],
    n: int,
    filter: str | None,
    same_artist: bool,
    model: str | None,
    tags: int,
) -> dict[str, Any]:
    """Return what sounds like some tracks, and unlike others."""
    seeds = [Seed(find_id(service, one)) for one in like]
    seeds += [Seed(find_id(service, one), -1.0) for one in unlike]
    found = service.library().similar(*seeds, n=n, same_artist=same_artist, filter=filter, model=model)
    return {"matches": [_plain(match, tags) for match in found], "notes": []}


def search(service: Service, words: str, n: int, filter: str | None, tags: int) -> dict[str, Any]:
    """Return what words describe, and what stood in for words that are no tags."""
    library = service.library()
    notes = list(parse_query(words, tag_index(library.store)).notes)
    if notes:  # they come as warnings, too
        with _WARNING_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore", EarmarkWarning)
            found = library.search(words, n=n, filter=filter)
    else:
        found = library.search(words, n=n, filter=filter)
    return {"matches": [_plain(match, tags) for match in found], "notes": notes}


def playlist(service: Service, wish: PlaylistBody, tags: int) -> dict[str, Any]:
    """Return a playlist."""
    seeds = [find_id(service, one) for one in wish.seeds]
    chosen = service.library().playlist(
        *seeds, length=wish.length, minutes=wish.minutes, moods=wish.moods, filter=wish.filter,
        no_repeat_artist=wish.no_repeat_artist, route=wish.route, variety=wish.variety, random_seed=wish.random_seed,
        model=wish.model,
    )  # fmt: skip
    return {"tracks": [plain_track(track, tags) for track in chosen]}


def path(
    service: Service, start: str, end: str, n: int, filter: str | None, model: str | None, tags: int
) -> dict[str, Any]:
    """Return tracks that lead from one to another."""
    first, last = find_id(service, start), find_id(service, end)
    chosen = service.library().path(first, last, n=n, filter=filter, model=model)
    return {"tracks": [plain_track(track, tags) for track in chosen]}


def _plain(match: Match, tags: int) -> dict[str, Any]:
    return fewer_tags(match.to_dict(), tags)
