"""Songs, albums and artists in the words of the Subsonic API.

References
----------
https://opensubsonic.netlify.app/docs/responses/: child, albumid3, albumid3withsongs, artistid3, artistwithalbumsid3,
sonicmatch, directory, genre
"""

import datetime
import os
import posixpath
import re
from typing import Any

from earmark.service.players.songs import Song, shown, split_artists
from earmark.service.players.tree import Album, Artist, Genre, album_id, artist_id, sort_name

TYPES = {
    "mp3": "audio/mpeg", "mp2": "audio/mpeg", "flac": "audio/flac", "ogg": "audio/ogg", "oga": "audio/ogg",
    "opus": "audio/ogg", "spx": "audio/ogg", "m4a": "audio/mp4", "m4b": "audio/mp4", "mp4": "audio/mp4",
    "aac": "audio/aac", "wav": "audio/wav", "wma": "audio/x-ms-wma", "aif": "audio/aiff", "aiff": "audio/aiff",
    "ape": "audio/x-ape", "wv": "audio/x-wavpack", "mpc": "audio/x-musepack", "tta": "audio/x-tta",
    "mka": "audio/x-matroska", "webm": "audio/webm", "dsf": "audio/x-dsf", "caf": "audio/x-caf", "au": "audio/basic",
}  # fmt: skip
"""Media types by what names of files end in."""
UNKNOWN_TYPE = "application/octet-stream"
_UNSAFE = re.compile(r'[\x00-\x1f/\\:*?"<>|]')


def media_type(suffix: str) -> str:
    """Return the media type of a file.

    Examples
    --------
    >>> media_type("flac"), media_type("html")
    ('audio/flac', 'application/octet-stream')
    """
    return TYPES.get(suffix, UNKNOWN_TYPE)


def child(song: Song) -> dict[str, Any]:
    """Return a song; its `path` is made of names, and tells nothing of the server's folders."""
    album = album_id(song.album_artist, song.album)
    plain: dict[str, Any] = {
        "id": song.id, "parent": album, "isDir": False, "title": song.title, "album": song.album,
        "artist": song.artist, "coverArt": song.id, "size": song.size, "contentType": media_type(song.suffix),
        "suffix": song.suffix, "duration": round(song.duration), "samplingRate": song.sample_rate,
        "channelCount": song.n_channels, "path": _made_path(song), "isVideo": False, "created": _when(song.added),
        "albumId": album, "artistId": artist_id(song.artists[0]), "type": "music", "mediaType": "song",
        "bpm": round(song.bpm) if song.bpm else 0, "sortName": sort_name(song.title), "musicBrainzId": song.mbid,
        "isrc": [song.isrc] if song.isrc else [], "genres": _named(song.genres), "artists": _artists(song.artists),
        "displayArtist": song.artist, "albumArtists": _artists(split_artists(song.album_artist)),
        "displayAlbumArtist": song.album_artist, "moods": list(song.moods),
    }  # fmt: skip
    for name, value in (("track", song.track), ("discNumber", song.disc), ("year", song.year)):
        if value is not None:
            plain[name] = value
    if song.genres:
        plain["genre"] = song.genres[0]
    if song.bit_rate:
        plain["bitRate"] = round(song.bit_rate / 1000)
    return plain


def album(one: Album) -> dict[str, Any]:
    """Return an album without its songs."""
    plain: dict[str, Any] = {
        "id": one.id, "name": one.name, "artist": one.artist, "artistId": artist_id(one.artists[0]),
        "coverArt": one.id, "songCount": len(one.songs), "duration": round(sum(song.duration for song in one.songs)),
        "created": _when(one.added), "genres": _named(one.genres), "artists": _artists(one.artists),
        "displayArtist": one.artist, "moods": list(one.moods[:10]), "sortName": sort_name(one.name),
    }  # fmt: skip
    if one.year is not None:
        plain["year"] = one.year
    if one.genres:
        plain["genre"] = one.genres[0]
    return plain


def album_with_songs(one: Album) -> dict[str, Any]:
    """Return an album with its songs."""
    return {**album(one), "song": [child(song) for song in one.songs]}


def artist(one: Artist) -> dict[str, Any]:
    """Return an artist without albums."""
    return {
        "id": one.id, "name": one.name, "albumCount": len(one.albums), "coverArt": one.id,
        "sortName": sort_name(one.name),
    }  # fmt: skip


def artist_with_albums(one: Artist) -> dict[str, Any]:
    """Return an artist with albums."""
    return {**artist(one), "album": [album(each) for each in one.albums]}


def album_as_folder(one: Album) -> dict[str, Any]:
    """Return an album as a folder, for players that browse folders."""
    plain = album(one)
    kept = ("id", "artist", "coverArt", "duration", "created", "year", "genre", "artistId")
    return {
        **{name: plain[name] for name in kept if name in plain}, "parent": plain["artistId"], "isDir": True,
        "title": one.name, "album": one.name, "albumId": one.id, "mediaType": "album", "isVideo": False,
    }  # fmt: skip


def genre(one: Genre) -> dict[str, Any]:
    """Return a genre."""
    return {"songCount": one.n_songs, "albumCount": one.n_albums, "value": one.name}


def sonic_match(song: Song, similarity: float) -> dict[str, Any]:
    """Return a song with how alike it sounds, in [0, 1]."""
    return {"entry": child(song), "similarity": similarity}


def file_name(song: Song) -> str:
    """Return the name that a download of a song is saved under."""
    return shown(os.path.basename(song.files[0]))  # noqa: PTH119 (may be no text)


def _made_path(song: Song) -> str:
    number = f"{song.track:02d} - " if song.track is not None else ""
    parts = [song.album_artist, song.album, f"{number}{song.title}.{song.suffix}"]
    return posixpath.join(*(_UNSAFE.sub("_", part).strip(". ") or "_" for part in parts))


def _when(time: datetime.datetime) -> str:
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def _artists(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"id": artist_id(name), "name": name} for name in names]
