"""The methods of the Subsonic API that are answered, by name.

References
----------
https://opensubsonic.netlify.app/docs/endpoints/
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from earmark.service.players import browsing, media, shapes
from earmark.service.players.calls import Call, need_song, song_by_id
from earmark.service.players.failures import MISSING, NOT_ALLOWED, Failure
from earmark.service.players.parameters import whole
from earmark.service.players.playlists import Playlist, edited
from earmark.service.players.sonic import is_ready, path_of_songs, similar_songs

Body = dict[str, Any]
Method = Callable[[Call], Body | Response]
_MOST, _SEEDS = 500, 10


# System ---------------------------------------------------------------------------------------------------------------


def ping(call: Call) -> Body:
    """Say that somebody is there."""
    return {}


def get_license(call: Call) -> Body:
    """Say that no licence is needed."""
    return {"license": {"valid": True}}


def get_extensions(call: Call) -> Body:
    """Say which extensions are answered; of similarity as soon as something was heard."""
    names = ["apiKeyAuthentication", "formPost"]
    names += ["sonicSimilarity"] if is_ready(call.players.service) else []
    return {"openSubsonicExtensions": [{"name": name, "versions": [1]} for name in names]}


def token_info(call: Call) -> Body:
    """Say whose key it is."""
    return {"tokenInfo": {"username": call.user}}


def get_user(call: Call) -> Body:
    """Say what whoever asks may do."""
    if call.parameters.need("username") != call.user:
        raise Failure(NOT_ALLOWED, "only what concerns yourself is told", hint=f"you are {call.user}")
    may = {"streamRole", "downloadRole", "playlistRole", "scrobblingEnabled"}
    names = (
        "scrobblingEnabled", "adminRole", "settingsRole", "downloadRole", "uploadRole", "playlistRole", "coverArtRole",
        "commentRole", "podcastRole", "streamRole", "jukeboxRole", "shareRole", "videoConversionRole",
    )  # fmt: skip
    return {"user": {"username": call.user, **{name: name in may for name in names}, "folder": [browsing.FOLDER["id"]]}}


def get_scan_status(call: Call) -> Body:
    """Say how many songs there are."""
    return {"scanStatus": {"scanning": False, "count": len(call.tree.songs)}}


def scrobble(call: Call) -> Body:
    """Take note that a song is played, and forget it: plays are not kept."""
    for key in call.parameters.all("id") or [call.parameters.need("id")]:
        song_by_id(call.tree, key)
    return {}


def keep_no_stars(call: Call) -> Body:
    """Say that stars and ratings are not kept."""
    raise Failure(NOT_ALLOWED, "stars and ratings are not kept here")


def get_now_playing(call: Call) -> Body:
    """Say who plays what: plays are not kept."""
    return {"nowPlaying": {"entry": []}}


def get_top_songs(call: Call) -> Body:
    """Return the songs of an artist that are played most: plays are not kept."""
    call.parameters.need("artist")
    return {"topSongs": {"song": []}}


def get_artist_info2(call: Call) -> Body:
    """Return what is known of an artist beyond the music: nothing."""
    call.parameters.need("id")
    return {"artistInfo2": {}}


def get_album_info(call: Call) -> Body:
    """Return what is known of an album beyond the music: nothing."""
    call.parameters.need("id")
    return {"albumInfo": {}}


# Similarity -----------------------------------------------------------------------------------------------------------


def get_sonic_similar_tracks(call: Call) -> Body:
    """Return the songs that sound most like one."""
    tree = call.tree
    song = need_song(tree, call.parameters)
    n = call.parameters.number("count", 10, most=_MOST)
    found = similar_songs(call.players.service, tree, [song], n)
    return {"sonicMatch": [shapes.sonic_match(one, similarity) for one, similarity in found]}


def find_sonic_path(call: Call) -> Body:
    """Return songs that lead from one to another, with their similarity to the first."""
    tree, parameters = call.tree, call.parameters
    start = need_song(tree, parameters, "startSongId", path="startPath", mbid="startMbid")
    end = need_song(tree, parameters, "endSongId", path="endPath", mbid="endMbid")
    n = parameters.number("count", 25, least=2, most=_MOST)
    found = path_of_songs(call.players.service, tree, start, end, n)
    return {"sonicMatch": [shapes.sonic_match(song, similarity) for song, similarity, _ in found]}


def get_similar_songs(call: Call) -> Body:
    """Return songs that sound like a song, an album or an artist."""
    return {"similarSongs": {"song": _similar(call)}}


def get_similar_songs2(call: Call) -> Body:
    """Return songs that sound like a song, an album or an artist."""
    return {"similarSongs2": {"song": _similar(call)}}


def _similar(call: Call) -> list[Body]:
    seeds = browsing.similar_seeds(call, call.parameters.need("id"), most=_SEEDS)
    n = call.parameters.number("count", 50, most=_MOST)
    return [shapes.child(song) for song, _ in similar_songs(call.players.service, call.tree, seeds, n)]


# Playlists ------------------------------------------------------------------------------------------------------------


def get_playlists(call: Call) -> Body:
    """Return the playlists without their songs."""
    return {"playlists": {"playlist": [_playlist(call, one) for one in call.players.playlists.list()]}}


def get_playlist(call: Call) -> Body:
    """Return a playlist with its songs."""
    return _with_songs(call, call.players.playlists.get(call.parameters.need("id")))


def create_playlist(call: Call) -> Body:
    """Make a playlist, or give one other songs."""
    songs = _known(call, call.parameters.all("songId"))
    key = call.parameters.get("playlistId")
    if key:
        made = call.players.playlists.change(key, name=call.parameters.get("name") or None, songs=lambda _: songs)
        return _with_songs(call, made)
    name = call.parameters.get("name")
    if not name:
        raise Failure(MISSING, "required parameter is missing: name", hint="or playlistId")
    return _with_songs(call, call.players.playlists.create(name, call.user, songs))


def update_playlist(call: Call) -> Body:
    """Change the name, the comment or the songs of a playlist."""
    parameters, visible = call.parameters, call.tree.songs
    add = _known(call, parameters.all("songIdToAdd"))
    remove = [whole("songIndexToRemove", one) for one in parameters.all("songIndexToRemove")]
    call.players.playlists.change(
        parameters.need("playlistId"),
        name=parameters.get("name") or None,
        comment=parameters.get("comment"),
        public=parameters.flag("public", default=True) if parameters.get("public") else None,
        songs=lambda songs: edited(songs, visible.keys(), remove, add),
    )
    return {}


def delete_playlist(call: Call) -> Body:
    """Let a playlist be none."""
    call.players.playlists.delete(call.parameters.need("id"))
    return {}


def _known(call: Call, keys: Sequence[str]) -> list[str]:
    tree = call.tree
    return [song_by_id(tree, key).id for key in keys]


def _playlist(call: Call, one: Playlist) -> Body:
    songs = [song for key in one.songs if (song := call.tree.songs.get(key))]
    return {
        "id": one.id, "name": one.name, "comment": one.comment, "owner": one.owner, "public": one.public,
        "songCount": len(songs), "duration": round(sum(song.duration for song in songs)), "created": one.created,
        "changed": one.changed, "coverArt": one.id,
    }  # fmt: skip


def _with_songs(call: Call, one: Playlist) -> Body:
    songs = [song for key in one.songs if (song := call.tree.songs.get(key))]
    return {"playlist": {**_playlist(call, one), "entry": [shapes.child(song) for song in songs]}}


OPEN = frozenset({"getOpenSubsonicExtensions"})
"""Methods for which nobody has to log in."""

METHODS: Mapping[str, Method] = {
    "ping": ping, "getLicense": get_license, "getOpenSubsonicExtensions": get_extensions, "tokenInfo": token_info,
    "getUser": get_user, "getScanStatus": get_scan_status, "scrobble": scrobble, "getNowPlaying": get_now_playing,
    "getTopSongs": get_top_songs, "getArtistInfo2": get_artist_info2, "getAlbumInfo2": get_album_info,
    "star": keep_no_stars, "unstar": keep_no_stars, "setRating": keep_no_stars,
    "getMusicFolders": browsing.get_music_folders, "getIndexes": browsing.get_indexes,
    "getMusicDirectory": browsing.get_music_directory, "getArtists": browsing.get_artists,
    "getArtist": browsing.get_artist, "getAlbum": browsing.get_album, "getSong": browsing.get_song,
    "getGenres": browsing.get_genres, "getAlbumList": browsing.get_album_list,
    "getAlbumList2": browsing.get_album_list2, "getRandomSongs": browsing.get_random_songs,
    "getSongsByGenre": browsing.get_songs_by_genre, "getStarred": browsing.get_starred,
    "getStarred2": browsing.get_starred2, "search2": browsing.search2, "search3": browsing.search3,
    "getSonicSimilarTracks": get_sonic_similar_tracks, "findSonicPath": find_sonic_path,
    "getSimilarSongs": get_similar_songs, "getSimilarSongs2": get_similar_songs2,
    "getPlaylists": get_playlists, "getPlaylist": get_playlist, "createPlaylist": create_playlist,
    "updatePlaylist": update_playlist, "deletePlaylist": delete_playlist,
    "stream": media.stream, "download": media.download, "getCoverArt": media.get_cover_art,
}  # fmt: skip
