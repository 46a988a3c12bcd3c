"""What a method of the players' API is given: who asks, for what, and what the service keeps for players."""

from functools import cached_property

from earmark.service.players.failures import GENERIC, MISSING, NOT_FOUND, Failure
from earmark.service.players.parameters import Parameters
from earmark.service.players.passwords import Passwords
from earmark.service.players.playlists import Playlists
from earmark.service.players.songs import Song
from earmark.service.players.tree import Album, Artist, Shelf, Tree
from earmark.service.state import Service
from earmark.service.tokens import Tokens


class Players:
    """What the service keeps for players.

    Parameters
    ----------
    service : whose catalogue, settings and data
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.shelf = Shelf(service)
        self.playlists = Playlists(service.settings.data)
        self.tokens = Tokens(service.settings.data)
        self.passwords = Passwords(service.settings.data)


class Call:
    """A request of a player.

    Parameters
    ----------
    players : what the service keeps
    parameters : of the request
    user : who asks; "" where nobody has to log in
    """

    def __init__(self, players: Players, parameters: Parameters, user: str) -> None:
        self.players, self.parameters, self.user = players, parameters, user

    @cached_property
    def tree(self) -> Tree:
        """What can be browsed, the same throughout the request."""
        return self.players.shelf.tree()


def need_song(tree: Tree, parameters: Parameters, name: str = "id", *, path: str = "path", mbid: str = "mbid") -> Song:
    """Return the song that a request means.

    Parameters
    ----------
    tree : what can be browsed
    parameters : of the request
    name : of the parameter that holds its id
    path, mbid : of the parameters by which other servers may name it instead: its path there, or its MusicBrainz
        recording

    Raises
    ------
    Failure
        If none is named, there is none, or there are several.
    """
    if key := parameters.get(name):
        return song_by_id(tree, key)
    if text := parameters.get(path):
        found = tree.by_path(text)
        if len(found) > 1:
            names = "; ".join(f"{song.id} {song.artist} – {song.title}" for song in found[:5])
            raise Failure(GENERIC, f"{text[:200]}: {len(found)} songs have such a path: {names}", hint="give the id")
        if found:
            return found[0]
        raise Failure(NOT_FOUND, f"there is no song with the path {text[:200]!r}")
    if text := parameters.get(mbid):
        song = tree.by_mbid(text)
        if song is None:
            raise Failure(NOT_FOUND, f"there is no song of the recording {text[:80]!r}")
        return song
    raise Failure(MISSING, f"required parameter is missing: {name}", hint=f"or {path}, or {mbid}")


def song_by_id(tree: Tree, key: str) -> Song:
    """Return a song by its id.

    Raises
    ------
    Failure
        If there is none.
    """
    song = tree.songs.get(key) or tree.songs.get(key.replace("-", "").lower())  # as Jellyfin writes such ids
    if song is None:
        raise Failure(NOT_FOUND, f"there is no song {key[:80]!r}")
    return song


def need_album(tree: Tree, key: str) -> Album:
    """Return an album by its id.

    Raises
    ------
    Failure
        If there is none.
    """
    found = tree.albums.get(key)
    if found is None:
        raise Failure(NOT_FOUND, f"there is no album {key[:80]!r}")
    return found


def need_artist(tree: Tree, key: str) -> Artist:
    """Return an artist by its id.

    Raises
    ------
    Failure
        If there is none.
    """
    found = tree.artists.get(key)
    if found is None:
        raise Failure(NOT_FOUND, f"there is no artist {key[:80]!r}")
    return found
