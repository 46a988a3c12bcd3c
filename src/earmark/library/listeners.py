"""Who a listener is: a folder, a playlist, a part of the catalogue, a file of likes, or somebody on a service."""

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from earmark.batch import walk
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.columns import condition
from earmark.library.ears import Ears
from earmark.library.fetching import hear_likes
from earmark.library.matching import match_likes, plain_artist, plain_title
from earmark.library.playlists.reading import read_playlist
from earmark.library.taste.listener import Listener, Matched, TasteTrack, merged
from earmark.sources import jamendo, lastfm, listenbrainz, soundcloud
from earmark.sources.likes import Like, Likes
from earmark.sources.likes_csv import read_likes
from earmark.vocabulary import merged_name

SERVICES = ("listenbrainz", "lastfm", "soundcloud", "jamendo")
PLAYLISTS = (".m3u8", ".m3u", ".pls", ".jspf", ".xspf")
TABLES = (".csv", ".tsv")
# Tags of Last.fm and others that say nothing of the music.
NO_MUSIC = frozenset({
    "seen live", "favorites", "favourites", "favorite", "favourite", "favorite songs", "favourite songs", "love",
    "loved", "love at first listen", "awesome", "amazing", "best", "great", "good", "my music", "spotify",
    "albums i own", "under 2000 listeners", "all", "check out", "buy", "owned",
})  # fmt: skip
LEAST_WEIGHT = 0.03  # of a tag beside the strongest

_CONDITION = re.compile(r"\s*(not\s+|\()*\w{2,}\s*[:=<>~!]")  # how a filter begins; a drive has one letter

OnLikes = Callable[[int, int | None], None]


def find_listener(
    text: str, ears: Ears, *, limit: int = 1000, fetch_audio: bool = True, on_likes: OnLikes | None = None
) -> Listener:
    """Find out what a listener likes.

    Parameters
    ----------
    text : a folder; a playlist (M3U, PLS, JSPF, XSPF); a CSV or TSV file of likes; SERVICE:USER with one of
        listenbrainz, lastfm, soundcloud, jamendo; or a filter of the catalogue, such as "artist:Beatles"
    ears : hears what is not known yet
    limit : how many likes to ask a service for
    fetch_audio : fetch the audio of likes from services whose terms and licences let it be analysed
    on_likes : called with how many likes have come and how many there are

    Raises
    ------
    InputError
        If there is no such folder, file or user, or nothing that he or she likes.
    SourceError
        If a service does not answer.
    UsageError
        If a service needs a key and there is none.
    """
    service, colon, user = text.partition(":")
    if os.path.isdir(text):  # noqa: PTH112 (any name)
        return _of_folder(text, ears)
    suffix = Path(text).suffix.lower()
    if os.path.isfile(text):  # noqa: PTH113
        if suffix in PLAYLISTS:
            return _of_playlist(text, ears)
        if suffix in TABLES:
            return of_likes(read_likes(text), ears, fetch_audio=False)
        raise InputError(
            f"{text}: is no folder, playlist or file of likes", hint=f"known are {' '.join((*PLAYLISTS, *TABLES))}"
        )
    if colon and service.lower() in SERVICES:
        if not user:
            raise UsageError(f"{text}: whose likes?", hint=f"such as {service}:NAME")
        return of_likes(_ask(service.lower(), user, limit, on_likes), ears, fetch_audio=fetch_audio)
    is_path = suffix in (*PLAYLISTS, *TABLES) or "/" in text or os.sep in text
    if is_path and not _CONDITION.match(text):
        raise InputError(f"{text}: there is no such file or folder")
    return _of_filter(text, ears)


def _ask(service: str, user: str, limit: int, on_likes: OnLikes | None) -> Likes:
    if service == "listenbrainz":
        return listenbrainz.listenbrainz_likes(user, what="both", limit=limit, on_progress=on_likes)
    if service == "lastfm":
        return lastfm.lastfm_likes(user, what="both", limit=limit, on_progress=on_likes)
    if service == "jamendo":
        return jamendo.jamendo_likes(user, limit=limit, on_progress=on_likes)
    return soundcloud.soundcloud_likes(user, limit=limit, on_progress=on_likes)


def _of_folder(text: str, ears: Ears) -> Listener:
    folder = os.path.abspath(text)  # noqa: PTH100 (keeps links)
    paths = list(walk(folder))
    if not paths:
        raise InputError(f"{text}: no audio files in it")
    name = os.path.basename(folder) or folder  # noqa: PTH119
    return _heard(name, ears.files(paths, folder=folder), ears, source="folder", n=len(paths))


def _of_playlist(text: str, ears: Ears) -> Listener:
    paths = list(dict.fromkeys(read_playlist(text)))
    there = [path for path in paths if os.path.isfile(path)]  # noqa: PTH113
    if not there:
        raise InputError(f"{text}: none of its {len(paths)} songs is here")
    return _heard(Path(text).stem, ears.files(there), ears, source="playlist", n=len(paths))


def _of_filter(text: str, ears: Ears) -> Listener:
    if ears.store is None:
        raise InputError(
            f"{text}: there is no such file or folder, and no catalogue of which it could be a filter",
            hint=f"a folder, a playlist, a CSV file, a filter, or one of {', '.join(f'{s}:USER' for s in SERVICES)}",
        )
    try:
        where = condition(ears.store, text)
    except (InputError, UnknownNameError, UsageError) as error:
        raise InputError(
            f"{text}: there is no such file or folder, and it is no filter of the catalogue: {error.message}",
            hint=error.hint,
        ) from error
    tracks = list(ears.catalogue(where=where))
    if not tracks:
        raise InputError(f"{text}: no track of the catalogue fits")
    return _heard(text, tracks, ears, source="catalogue", n=len(tracks))


def _heard(name: str, tracks: Sequence[TasteTrack], ears: Ears, *, source: str, n: int) -> Listener:
    model = ears.model
    return Listener(
        name, merged(tracks), source, n_without=max(n - len(tracks), 0), model=model.name, version=model.version
    )


def of_likes(likes: Likes, ears: Ears, *, fetch_audio: bool = True) -> Listener:
    """Make a listener of likes: found in the catalogue, heard from the service where it may be, else by their tags.

    Raises
    ------
    InputError
        If there are no likes.
    """
    if not likes.likes:
        unusable = f", and {likes.n_unusable} entries that name no track" if likes.n_unusable else ""
        raise InputError(f"{likes.listener}: {likes.service} tells of no likes{unusable}")
    matches = [] if ears.store is None else match_likes(ears.store, likes.likes)
    known = {track.id: track for track in ears.catalogue(ids=list(dict.fromkeys(one.id for one in matches)))}
    found: dict[int, TasteTrack] = {match.like: known[match.id] for match in matches if match.id in known}
    matched = tuple(
        Matched(likes.likes[m.like].name, known[m.id].name, m.by, m.similarity) for m in matches if m.id in known
    )
    rest = [i for i in range(len(likes.likes)) if i not in found]
    if fetch_audio:
        found |= hear_likes(likes, rest, ears)
    tracks, least = [], min(like.weight for like in likes.likes)
    n_without = likes.n_unusable
    for i, like in enumerate(likes.likes):
        track = found.get(i) or _by_tags(like)
        if track is None:
            n_without += 1
            continue
        weight = 1.0 + math.log(max(like.weight, least) / least)  # ten times as often counts about three times
        licence = jamendo.licence_name(like.licence) if like.licence else ""
        tracks.append(replace(track, weight=weight, url=like.url or track.url, licence=licence))
    return Listener(
        likes.listener, merged(tracks), likes.service, likes.url, likes.attribution, likes.notice,
        n_without, matched, ears.model.name if found else "", ears.model.version if found else "",
    )  # fmt: skip


def _by_tags(like: Like) -> TasteTrack | None:
    """Make a track of what a service calls it; None if it calls it nothing."""
    tags: dict[str, float] = {}
    for name, weight in like.tags.items():
        tag = merged_name(name.lower())
        if weight >= LEAST_WEIGHT and tag not in NO_MUSIC and tag != like.artist.lower():
            tags[tag] = max(weight, tags.get(tag, 0.0))
    if not tags:
        return None
    identity = f"like:{plain_artist(like.artist)}:{plain_title(like.title)}"
    return TasteTrack(identity, like.name, like.artist, like.title, tags=tags, duration=like.duration, url=like.url)
