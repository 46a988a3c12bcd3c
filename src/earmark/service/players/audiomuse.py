"""The paths of AudioMuse that its clients call, and Navidrome answers to Jellyfin players.

Under /AudioMuseAI there is what the Jellyfin plugin of AudioMuse and Navidrome's Jellyfin API have: nothing found is an
empty answer. Under /AudioMuseAI/api there is what AudioMuse itself has: so a client of it, such as its plugin for
Navidrome, is given http://HOST:8337/AudioMuseAI as its address. There, what is not found is an error.

A distance is 1 - similarity: 0 for the same, 1 for the most different.

References
----------
https://github.com/NeptuneHub/audiomuse-ai-plugin (README: info, similar_tracks),
https://github.com/navidrome/navidrome (server/jellyfin: README, "AudioMuse-AI compatible endpoints"),
https://github.com/NeptuneHub/AudioMuse-AI (app_ivf.py, app_path.py: /api/similar_tracks, /api/find_path)
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from earmark._version import __version__
from earmark.errors import InputError
from earmark.service.errors import FAILED, Json, NotFound
from earmark.service.players.calls import Players, need_song
from earmark.service.players.failures import MISSING, NOT_FOUND, Failure
from earmark.service.players.parameters import Parameters, described, read_parameters
from earmark.service.players.songs import Song
from earmark.service.players.sonic import is_ready, path_of_songs, similar_songs
from earmark.service.players.tree import Tree

PREFIX = "/AudioMuseAI"
_MOST = 500


class SongFacts(BaseModel):
    """A song."""

    item_id: str
    title: str
    author: str
    album: str


class Near(SongFacts):
    """A song that sounds like another."""

    distance: float = Field(description="From 0 for the same to 1 for the most different.")


class Step(SongFacts):
    """A song on a path, with its tempo and key where they are known."""

    tempo: float | None = Field(default=None, description="Beats a minute.")
    key: str | None = None
    scale: str | None = None


class Way(BaseModel):
    """Songs that lead from one to another."""

    path: list[Step]
    total_distance: float = Field(description="The sum over its steps.")


class Info(BaseModel):
    """What is answered here."""

    Version: str
    AvailableEndpoints: list[str]


_SIMILAR = described(
    item_id="The song's id.",
    path="Its path on another server, in place of the id.",
    mbid="Its MusicBrainz recording, in place of the id.",
    title="Its title, together with `artist`, in place of the id.",
    artist="Its artist.",
    n="How many; 10 unless given.",
    eliminate_duplicates="`true`: one song of each artist, which is so unless given; or `false`.",
)
_PATH = described(
    start_song_id="The first song's id; or start_path, or start_mbid.",
    end_song_id="The last song's id; or end_path, or end_mbid.",
    max_steps="How many songs, both ends counted; 25 unless given.",
)

_NEAR: dict[int | str, dict[str, Any]] = {200: {"model": list[Near]}}
_WAY: dict[int | str, dict[str, Any]] = {200: {"model": Way}}


def router(players: Players) -> APIRouter:
    """Answer requests of AudioMuse's clients."""
    routes = APIRouter(prefix=PREFIX, tags=["players"], responses=FAILED)
    run = players.service.run

    async def answer(request: Request, work: Callable[[Players, Parameters], Any]) -> Response:
        try:
            return Json(await run(work, players, read_parameters(request.scope["query_string"])))
        except Failure as failure:
            kind = NotFound if failure.code == NOT_FOUND else InputError
            raise kind(failure.message, hint=failure.hint) from failure

    @routes.get(
        "/info", summary="What AudioMuse's clients may ask", responses={200: {"model": Info}}, response_model=None
    )
    async def info() -> Response:
        """List the paths that are answered; none while nothing was heard."""
        names = ["find_path", "health", "similar_tracks"] if await run(is_ready, players.service) else []
        return Json({"Version": __version__, "AvailableEndpoints": [f"GET {PREFIX}/{name}" for name in names]})

    @routes.get("/health", summary="Can songs be compared?", response_class=Response)
    async def health() -> Response:
        """Answer with nothing if songs can be compared."""
        if not await run(is_ready, players.service):
            raise NotFound("nothing was heard yet", hint="earmark library add FOLDER")
        return Response(status_code=200)

    @routes.get(
        "/similar_tracks", summary="Similar songs, for Jellyfin players", responses=_NEAR, openapi_extra=_SIMILAR
    )
    async def similar_or_none(request: Request) -> Response:
        """Find similar songs; none if the song is not named, or not known."""
        return await answer(request, _or_empty(similar_tracks, [], (MISSING, NOT_FOUND)))

    @routes.get("/find_path", summary="A path, for Jellyfin players", responses=_WAY, openapi_extra=_PATH)
    async def path_or_none(request: Request) -> Response:
        """Find songs that lead from one to another; none if one is not known."""
        return await answer(request, _or_empty(find_path, {"path": [], "total_distance": 0.0}, (NOT_FOUND,)))

    @routes.get(
        "/api/similar_tracks", summary="Similar songs, for AudioMuse's clients", responses=_NEAR, openapi_extra=_SIMILAR
    )
    async def similar(request: Request) -> Response:
        """Find similar songs."""
        return await answer(request, similar_tracks)

    @routes.get("/api/find_path", summary="A path, for AudioMuse's clients", responses=_WAY, openapi_extra=_PATH)
    async def path(request: Request) -> Response:
        """Find songs that lead from one to another."""
        return await answer(request, find_path)

    return routes


def _or_empty(
    work: Callable[[Players, Parameters], Any], empty: Any, codes: tuple[int, ...]
) -> Callable[[Players, Parameters], Any]:
    """Return work that finds nothing where the song that is asked for is not known."""

    def found(players: Players, parameters: Parameters) -> Any:
        try:
            return work(players, parameters)
        except Failure as failure:
            if failure.code in codes:
                return empty
            raise

    return found


def similar_tracks(players: Players, parameters: Parameters) -> list[dict[str, Any]]:
    """Return the songs that sound most like one.

    Raises
    ------
    Failure
        If none is named, or it is not known.
    """
    tree = players.shelf.tree()
    song = _named(tree, parameters) or need_song(tree, parameters, "item_id")
    n = parameters.number("n", 10, least=1, most=_MOST)
    alone = parameters.flag("eliminate_duplicates", default=True)
    found = similar_songs(players.service, tree, [song], n, one_per_artist=alone)
    return [{**_plain(one), "distance": _distance(similarity)} for one, similarity in found]


def find_path(players: Players, parameters: Parameters) -> dict[str, Any]:
    """Return songs that lead from one to another, and how far that is, step by step.

    Raises
    ------
    Failure
        If an end is not named, or not known.
    """
    tree = players.shelf.tree()
    start = need_song(tree, parameters, "start_song_id", path="start_path", mbid="start_mbid")
    end = need_song(tree, parameters, "end_song_id", path="end_path", mbid="end_mbid")
    n = parameters.number("max_steps", 25, least=2, most=_MOST)
    found = path_of_songs(players.service, tree, start, end, n)
    total = sum(_distance(step) for _, _, step in found)
    return {"path": [_on_path(song) for song, _, _ in found], "total_distance": round(total, 6)}


def _named(tree: Tree, parameters: Parameters) -> Song | None:
    title, artist = parameters.get("title"), parameters.get("artist")
    if parameters.get("item_id") or not (title and artist):
        return None
    found = tree.by_name(artist, title)
    if found is None:
        raise Failure(NOT_FOUND, f"there is no song {title[:80]!r} by {artist[:80]!r}")
    return found


def _plain(song: Song) -> dict[str, Any]:
    return {"item_id": song.id, "title": song.title, "author": song.artist, "album": song.album}


def _on_path(song: Song) -> dict[str, Any]:
    """Return a song with its tempo and key, where they are known."""
    plain = _plain(song)
    if song.bpm:
        plain["tempo"] = round(song.bpm, 2)
    if song.key:
        plain["key"], _, plain["scale"] = song.key.partition(" ")
    return plain


def _distance(similarity: float) -> float:
    return round(1 - similarity, 6)
