"""What a player needs of a track: its file as it lies on the disk, how loud it is along the way, its picture."""

import hashlib
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from earmark.library.rows import LibraryTrack
from earmark.service.errors import FAILED, Json, NotFound, Problem, RequestError
from earmark.service.finding import find_id
from earmark.service.players.covers import find_cover, resized
from earmark.service.players.media import give_file, readable_file
from earmark.service.players.songs import Places
from earmark.service.routes.caching import HEADERS, is_known
from earmark.service.routes.shapes import Waveform
from earmark.service.routes.tracks import Identity
from earmark.service.routes.waveforms import MOST_PEAKS, Waveforms
from earmark.service.state import Service

MOST_PIXELS = 4096
_KEEP = {**HEADERS, "Cache-Control": "private, max-age=86400"}
_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"audio/*": {}}, "description": "The file, as it lies on the disk."},
    206: {"content": {"audio/*": {}}, "description": "The part that `Range` asks for."},
    304: {"description": "The client has it already."},
    416: {"model": Problem, "description": "There is no such part."},
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}}, "description": "The picture."},
    304: {"description": "The client has it already."},
}

Peaks = Annotated[int, Query(ge=1, le=MOST_PEAKS, description="How many peaks.")]
Size = Annotated[
    int | None, Query(ge=1, le=MOST_PIXELS, description="Pixels of the longer side, at most; as it is if left out.")
]


class NoSuchPart(RequestError):
    """A part of a file is asked for that lies behind its end.

    Parameters
    ----------
    n_bytes : of the file
    """

    status = 416

    def __init__(self, n_bytes: int) -> None:
        super().__init__(f"the file has {n_bytes} bytes, and the part that is asked for lies behind them",
                         hint="ask without the header Range, or for a part of these")  # fmt: skip
        self._n_bytes = n_bytes

    def headers(self) -> dict[str, str]:
        """Say how long the file is."""
        return {"Content-Range": f"bytes */{self._n_bytes}"}


def router(service: Service) -> APIRouter:
    """Answer requests for what a player needs of tracks."""
    routes = APIRouter(prefix="/v1/tracks", tags=["playing"], responses=FAILED)
    places = Places(service.settings.music)
    waveforms = Waveforms(service)

    @routes.get("/{id}/audio", summary="Play a track", responses=_AUDIO, response_class=Response)
    async def play(request: Request, id: Identity) -> Response:
        """Give the file of a track as it lies on the disk, or the part of it that the header `Range` asks for."""
        found = await service.run(audio, service, places, id)
        if _has(request, found):
            return _unchanged(found)
        _check_range(request, found)
        return found

    @routes.head("/{id}/audio", include_in_schema=False)
    async def play_for_head(request: Request, id: Identity) -> Response:
        return await play(request, id)

    @routes.get("/{id}/waveform", summary="Draw a track", responses={200: {"model": Waveform}}, response_model=None)
    async def draw(request: Request, id: Identity, n: Peaks = 800) -> Response:
        """Tell how loud a track is along the way: the highest absolute sample of each of `n` equal slices."""
        track, path, key = await service.run(_readable, service, places, id)
        tag = _etag(*key, n)
        headers = HEADERS | {"ETag": tag}
        if is_known(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        found = await waveforms.envelope(path, key, track.name)
        return Json({"duration": found.duration, "peaks": found.peaks(n)}, headers=headers)

    @routes.get("/{id}/cover", summary="Show the picture of a track", responses=_PICTURE, response_class=Response)
    async def show_cover(request: Request, id: Identity, size: Size = None) -> Response:
        """Give the picture that a track's file holds, or that lies beside it."""
        found = await service.run(cover, service, places, id, size)
        return _unchanged(found) if _has(request, found) else found

    return routes


def _has(request: Request, found: Response) -> bool:
    """Tell whether a client has what it is about to be given."""
    return is_known(request.headers.get("if-none-match", ""), found.headers["etag"])


def _unchanged(found: Response) -> Response:
    return Response(status_code=304, headers={**_KEEP, "ETag": found.headers["etag"]})


def audio(service: Service, places: Places, text: str) -> FileResponse:
    """Answer with the file of a track.

    Parameters
    ----------
    service : whose catalogue
    places : where files may lie
    text : as `find_id` takes it

    Raises
    ------
    NotFound
        If there is no such track, or its file is gone.
    """
    track = _track(service, text)
    headers = {**_KEEP, "X-Content-Duration": f"{track.duration:.3f}"}
    found = give_file([file.path for file in track.files], places, headers=headers)
    if found is None:
        raise _gone(track)
    return found


def cover(service: Service, places: Places, text: str, size: int | None) -> Response:
    """Answer with the picture of a track; the parameters are those of `audio`, and pixels of the longer side.

    Raises
    ------
    NotFound
        If there is no such track, or it has no picture.
    """
    track = _track(service, text)
    found = find_cover([[file.path for file in track.files]], places)
    if found is None:
        raise NotFound(f"there is no picture of {track.name}", hint="put one into its file, or cover.jpg beside it")
    if size is not None:
        found = resized(found, size)
    tag = f'"{hashlib.sha256(found.data).hexdigest()[:32]}"'
    return Response(found.data, media_type=found.media_type, headers={**_KEEP, "ETag": tag})


def _track(service: Service, text: str) -> LibraryTrack:
    track = next(service.library().store.tracks(ids=[find_id(service, text)], models=[]), None)
    if track is None:  # taken out meanwhile
        raise NotFound(f"there is no track {text!r} in the catalogue")
    return track


def _readable(service: Service, places: Places, text: str) -> tuple[LibraryTrack, str, tuple[str, int, int]]:
    """Return a track, its file, and what tells whether that has changed."""
    track = _track(service, text)
    found = readable_file([file.path for file in track.files], places)
    if found is None:
        raise _gone(track)
    path, entry = found
    return track, path, (path, entry.st_size, entry.st_mtime_ns)


def _gone(track: LibraryTrack) -> NotFound:
    return NotFound(
        f"the file of {track.name} is gone, or lies outside the folders of music of this service",
        hint="earmark library prune forgets what is gone; earmark serve --music FOLDER names a folder of music",
    )


def _etag(*parts: Any) -> str:
    return f'"{hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def _check_range(request: Request, file: FileResponse) -> None:
    """Refuse a part that lies behind the end; pass over what is no range, or several, as a server may (RFC 9110)."""
    given = request.headers.get("range")
    if given is None:
        return
    n_bytes = int(file.headers["content-length"])
    parts = _ONE_RANGE.fullmatch(given.replace(" ", ""))
    first, last = parts.groups() if parts else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    elif (first and int(first) >= n_bytes) or (not first and not int(last)):
        raise NoSuchPart(n_bytes)
