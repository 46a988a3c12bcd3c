"""Methods that browse: folders, artists, albums, songs, genres; lists of albums and songs; search.

References
----------
https://opensubsonic.netlify.app/docs/endpoints/, sections Browsing, Lists, Searching
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from earmark.library.folding import fold
from earmark.service.players import shapes
from earmark.service.players.calls import Call, need_album, need_artist, need_song
from earmark.service.players.failures import GENERIC, NOT_FOUND, Failure
from earmark.service.players.songs import Song
from earmark.service.players.tree import ARTICLES, Album, Artist, index_of

T = TypeVar("T")
Body = dict[str, Any]
FOLDER = {"id": 1, "name": "Music"}
_MOST = 500  # of lists, as the API has it


def get_music_folders(call: Call) -> Body:
    """Return the one folder that everything lies in."""
    return {"musicFolders": {"musicFolder": [FOLDER]}}


def get_artists(call: Call) -> Body:
    """Return the artists under their letters."""
    return {"artists": {"ignoredArticles": ARTICLES, "index": _index(call.tree.artists.values(), shapes.artist)}}


def get_indexes(call: Call) -> Body:
    """Return the artists as folders under their letters."""
    tree = call.tree
    modified = int(tree.modified.timestamp() * 1000)
    since = call.parameters.number("ifModifiedSince", 0)
    index = [] if since and modified <= since else _index(tree.artists.values(), shapes.artist)
    return {"indexes": {"lastModified": modified, "ignoredArticles": ARTICLES, "index": index}}


def _index(artists: Iterable[Artist], shape: Callable[[Artist], Body]) -> list[Body]:
    letters: dict[str, list[Body]] = {}
    for artist in artists:
        letters.setdefault(index_of(artist.name), []).append(shape(artist))
    return [{"name": letter, "artist": letters[letter]} for letter in sorted(letters)]


def get_music_directory(call: Call) -> Body:
    """Return what a folder holds: the one folder artists, an artist albums, an album songs."""
    tree, key = call.tree, call.parameters.need("id")
    if key == str(FOLDER["id"]):
        children = [{"id": one.id, "parent": key, "isDir": True, "title": one.name} for one in tree.artists.values()]
        return {"directory": {"id": key, "name": FOLDER["name"], "child": children}}
    if key in tree.artists:
        artist = tree.artists[key]
        albums = [{**shapes.album_as_folder(one), "parent": key} for one in artist.albums]
        return {"directory": {"id": key, "parent": str(FOLDER["id"]), "name": artist.name, "child": albums}}
    album = need_album(tree, key)
    parent = shapes.album(album)["artistId"]
    return {
        "directory": {
            "id": key,
            "parent": parent,
            "name": album.name,
            "child": [shapes.child(one) for one in album.songs],
        }
    }


def get_artist(call: Call) -> Body:
    """Return an artist with albums."""
    return {"artist": shapes.artist_with_albums(need_artist(call.tree, call.parameters.need("id")))}


def get_album(call: Call) -> Body:
    """Return an album with songs."""
    return {"album": shapes.album_with_songs(need_album(call.tree, call.parameters.need("id")))}


def get_song(call: Call) -> Body:
    """Return a song."""
    return {"song": shapes.child(need_song(call.tree, call.parameters))}


def get_genres(call: Call) -> Body:
    """Return the genres."""
    return {"genres": {"genre": [shapes.genre(one) for one in call.tree.genres]}}


# Lists ----------------------------------------------------------------------------------------------------------------


def get_album_list2(call: Call) -> Body:
    """Return albums of a kind."""
    return {"albumList2": {"album": [shapes.album(one) for one in _albums(call)]}}


def get_album_list(call: Call) -> Body:
    """Return albums of a kind, as folders."""
    return {"albumList": {"album": [shapes.album_as_folder(one) for one in _albums(call)]}}


def _albums(call: Call) -> Sequence[Album]:
    kind = call.parameters.need("type")
    albums = list(call.tree.albums.values())
    size = call.parameters.number("size", 10, most=_MOST)
    if kind == "random":
        return random.sample(albums, min(size, len(albums)))
    if kind in ("highest", "frequent", "recent", "starred"):
        chosen: Sequence[Album] = []  # neither plays, stars nor ratings are kept
    elif kind == "newest":
        chosen = sorted(albums, key=lambda album: album.added, reverse=True)
    elif kind == "alphabeticalByName":
        chosen = albums
    elif kind == "alphabeticalByArtist":
        chosen = call.tree.albums_by_artist
    elif kind == "byYear":
        chosen = _by_year(call, albums)
    elif kind == "byGenre":
        wanted = fold(call.parameters.need("genre"))
        chosen = [album for album in albums if any(fold(genre) == wanted for genre in album.genres)]
    else:
        raise Failure(GENERIC, f"type is {kind[:40]!r}, which is no list of albums", hint="such as newest or byYear")
    return _page(chosen, call.parameters.number("offset", 0), size)


def _by_year(call: Call, albums: Sequence[Album]) -> list[Album]:
    call.parameters.need("fromYear")
    call.parameters.need("toYear")
    first, last = call.parameters.number("fromYear", 0), call.parameters.number("toYear", 0)
    low, high = min(first, last), max(first, last)
    chosen = [album for album in albums if album.year is not None and low <= album.year <= high]
    return sorted(chosen, key=lambda album: album.year or 0, reverse=first > last)


def get_random_songs(call: Call) -> Body:
    """Return songs drawn at random."""
    parameters = call.parameters
    first, last = parameters.number("fromYear", 0), parameters.number("toYear", 1 << 30)
    has_years = bool(parameters.get("fromYear") or parameters.get("toYear"))
    songs = _of_genre(call, parameters.get("genre"))
    songs = [song for song in songs if not has_years or (song.year is not None and first <= song.year <= last)]
    size = parameters.number("size", 10, most=_MOST)
    return {"randomSongs": {"song": [shapes.child(one) for one in random.sample(songs, min(size, len(songs)))]}}


def get_songs_by_genre(call: Call) -> Body:
    """Return the songs of a genre."""
    songs = _of_genre(call, call.parameters.need("genre"))
    size = call.parameters.number("count", 10, most=_MOST)
    page = _page(songs, call.parameters.number("offset", 0), size)
    return {"songsByGenre": {"song": [shapes.child(one) for one in page]}}


def _of_genre(call: Call, genre: str | None) -> list[Song]:
    songs = list(call.tree.songs.values())
    if not genre:
        return songs
    wanted = fold(genre)
    return [song for song in songs if any(fold(one) == wanted for one in song.genres)]


def get_starred2(call: Call) -> Body:
    """Return what is starred: nothing, as stars are not kept."""
    return {"starred2": {"artist": [], "album": [], "song": []}}


def get_starred(call: Call) -> Body:
    """Return what is starred: nothing, as stars are not kept."""
    return {"starred": {"artist": [], "album": [], "song": []}}


# Searching ------------------------------------------------------------------------------------------------------------


def search3(call: Call) -> Body:
    """Return the artists, albums and songs that hold all words; all there are if no words are given."""
    artists, albums, songs = _search(call)
    return {
        "searchResult3": {
            "artist": [shapes.artist(one) for one in artists],
            "album": [shapes.album(one) for one in albums],
            "song": [shapes.child(one) for one in songs],
        }
    }


def search2(call: Call) -> Body:
    """Return what `search3` does, albums as folders."""
    artists, albums, songs = _search(call)
    return {
        "searchResult2": {
            "artist": [shapes.artist(one) for one in artists],
            "album": [shapes.album_as_folder(one) for one in albums],
            "song": [shapes.child(one) for one in songs],
        }
    }


def _search(call: Call) -> tuple[Sequence[Artist], Sequence[Album], Sequence[Song]]:
    parameters, tree = call.parameters, call.tree
    words = fold((parameters.get("query") or "").replace('"', " ").replace("*", " ")).split()

    def page(kind: str, found: Sequence[T]) -> Sequence[T]:
        return _page(found, parameters.number(f"{kind}Offset", 0), parameters.number(f"{kind}Count", 20))

    artists, albums, songs = tree.texts
    return (
        page("artist", _matching(tree.artists, artists, words)),
        page("album", _matching(tree.albums, albums, words)),
        page("song", _matching(tree.songs, songs, words)),
    )


def _matching(things: Mapping[str, T], texts: Sequence[str], words: Sequence[str]) -> list[T]:
    """Return what holds all words; what begins with the first one comes first."""
    if not words:
        return list(things.values())
    found = [
        (text, thing) for text, thing in zip(texts, things.values(), strict=True) if all(one in text for one in words)
    ]
    return [thing for _, thing in sorted(found, key=lambda pair: not pair[0].startswith(words[0]))]


def _page(things: Sequence[T], offset: int, size: int) -> Sequence[T]:
    return things[offset : offset + size]


def similar_seeds(call: Call, key: str, *, most: int) -> Sequence[Song]:
    """Return the songs that stand for a song, an album or an artist.

    Raises
    ------
    Failure
        If there is nothing of that id.
    """
    tree = call.tree
    if key in tree.songs:
        return [tree.songs[key]]
    if key in tree.albums:
        songs: Sequence[Song] = tree.albums[key].songs
    elif key in tree.artists:
        name = tree.artists[key].name
        everything = [song for album in tree.artists[key].albums for song in album.songs]
        songs = [song for song in everything if name in song.artists] or everything
    else:
        raise Failure(NOT_FOUND, f"there is no song, album or artist {key[:80]!r}")
    step = max(1, len(songs) // most)
    return songs[::step][:most]
