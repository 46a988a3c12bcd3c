"""Methods that give files away: songs as they lie on the disk, pictures of albums.

A file is given if the catalogue has it, it lies in the folders of music (links resolved), and it is an ordinary file.
Its path comes from the catalogue, never from the player. Nothing is transcoded: a player that asks for another format
or a lower bit rate gets the file as it is, under its own media type.

References
----------
https://opensubsonic.netlify.app/docs/endpoints/: stream, download, getcoverart
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from starlette.responses import FileResponse, Response

from earmark.service.players import shapes
from earmark.service.players.answers import HEADERS
from earmark.service.players.calls import Call, need_song
from earmark.service.players.covers import find_cover, resized
from earmark.service.players.failures import NOT_FOUND, Failure
from earmark.service.players.songs import Places, Song
from earmark.service.players.tree import Shelf

_KEEP = {**HEADERS, "Cache-Control": "private, max-age=86400"}
_MOST_PIXELS = 4096  # of a side that is asked for


def stream(call: Call) -> Response:
    """Give a song to be played; parts of it, where the request has a header Range."""
    return _file(call.players.shelf, need_song(call.tree, call.parameters), is_download=False)


def download(call: Call) -> Response:
    """Give a song to be kept."""
    return _file(call.players.shelf, need_song(call.tree, call.parameters), is_download=True)


def _file(shelf: Shelf, song: Song, *, is_download: bool) -> Response:
    headers = {**_KEEP, "X-Content-Duration": f"{song.duration:.3f}"}
    name = shapes.file_name(song) if is_download else None
    found = give_file(song.files, shelf.places, headers=headers, name=name)
    if found is None:
        raise Failure(
            NOT_FOUND, f"the file of {song.id} ({song.title}) is gone", hint="earmark library prune forgets it"
        )
    return found


def give_file(
    paths: Iterable[str], places: Places, *, headers: Mapping[str, str], name: str | None = None
) -> FileResponse | None:
    """Answer with the first of a track's files that is there and may be given away; None if there is none.

    Parameters
    ----------
    paths : as the catalogue has them
    places : where files may lie
    headers : of the answer, beside those that tell of the file
    name : that a browser saves it under; None to have it played
    """
    found = readable_file(paths, places)
    if found is None:
        return None
    real, entry = found
    suffix = os.path.splitext(real)[1].removeprefix(".").lower()  # noqa: PTH122 (may be no text)
    return FileResponse(
        real, media_type=shapes.media_type(suffix), headers=dict(headers), filename=name, stat_result=entry
    )


def readable_file(paths: Iterable[str], places: Places) -> tuple[str, os.stat_result] | None:
    """Return the first of a track's files that is there, can be read and may be given away, links resolved.

    Parameters
    ----------
    paths : as the catalogue has them
    places : where files may lie
    """
    for path in paths:
        real = places.resolve(path)
        if real is None:
            continue
        try:
            entry = os.stat(real)  # noqa: PTH116 (may be no text)
        except OSError:
            continue
        if stat.S_ISREG(entry.st_mode) and os.access(real, os.R_OK):
            return real, entry
    return None


def get_cover_art(call: Call) -> Response:
    """Give the picture of a song, an album, an artist or a playlist."""
    key = call.parameters.need("id")
    found = find_cover([song.files for song in _songs(call, key)], call.players.shelf.places)
    if found is None:
        raise Failure(NOT_FOUND, f"there is no picture for {key[:80]!r}")
    if size := call.parameters.number("size", 0, most=_MOST_PIXELS):
        found = resized(found, size)
    tag = f'"{hashlib.sha256(found.data).hexdigest()[:32]}"'
    return Response(found.data, media_type=found.media_type, headers={**_KEEP, "ETag": tag})


def _songs(call: Call, key: str) -> Sequence[Song]:
    """Return the songs whose picture stands for something."""
    tree = call.tree
    if key in tree.songs:
        return [tree.songs[key]]
    if key in tree.albums:
        return tree.albums[key].songs
    if key in tree.artists:
        return [album.songs[0] for album in tree.artists[key].albums]
    if key.startswith("pl-"):
        return [tree.songs[one] for one in call.players.playlists.get(key).songs if one in tree.songs]
    raise Failure(NOT_FOUND, f"there is nothing called {key[:80]!r}")
