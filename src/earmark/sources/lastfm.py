"""Last.fm: what a listener loves and plays most, and what listeners call tracks, albums and artists.

It takes a key, which is free: https://www.last.fm/api/account/create. Its terms ask for non-commercial use and for
showing where the data comes from; whoever wants to publish a data set made of it asks them first.

Answers are kept on the disk: likes for an hour, tags for 30 days.

Notes
-----
The field "mbid" of a track is at times the MusicBrainz identifier of a track on a release, not of a recording. Those
that MusicBrainz made of older numbers (UUIDs of version 3) are of tracks for certain, and are left out.

References
----------
https://www.last.fm/api (user.getLovedTracks, user.getTopTracks, track.getTopTags, album.getTopTags, artist.getTopTags),
https://lastfm-docs.github.io/api-docs/codes/ (what errors mean, and that they come with status 200, too)
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NoReturn, get_args
from urllib.parse import quote

from earmark.errors import EarmarkError, InputError, SourceError, UsageError
from earmark.sources.answers import (
    DEFAULT_LIMIT,
    Progress,
    address_of,
    as_list,
    as_mapping,
    as_mbid,
    as_number,
    as_seconds,
    as_text,
    as_url,
    check_choice,
    check_limit,
    check_user,
    kept_likes,
    tag_weights,
    take,
    tell,
    united,
)
from earmark.sources.cache import DAY, HOUR, Cache
from earmark.sources.http import Answer, Api
from earmark.sources.likes import Like, Likes
from earmark.sources.secrets import Secret, need_secret, variable

SERVICE, ADDRESS = "lastfm", "https://ws.audioscrobbler.com/2.0/"
KEY_PAGE = "https://www.last.fm/api/account/create"
INTERVAL = 0.2  # seconds between requests: 5 a second
PAGE = 200  # entries of a list asked for at a time
What = Literal["loved", "top", "both"]
Period = Literal["overall", "7day", "1month", "3month", "6month", "12month"]
Level = Literal["track", "album", "artist"]
LEVELS: tuple[Level, ...] = get_args(Level)
NOTICE = "Data of Last.fm is for non-commercial use."
_PASSING = {11, 16, 29}
_UNKNOWN = {6, 7}


@dataclass(frozen=True)
class Tags:
    """What listeners call something.

    Parameters
    ----------
    weights : tag to weight in (0, 1], the heaviest first
    level : whose tags they are, "track", "album" or "artist"; "" where there are none
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    level: Level | Literal[""] = ""


def make_api() -> Api:
    """Return the way to Last.fm, or to what stands in the variable EARMARK_LASTFM_URL."""
    return Api("Last.fm", address_of(SERVICE, ADDRESS), min_interval=INTERVAL, is_transient=is_passing)


def is_passing(answer: Answer) -> bool:
    """Say whether an answer tells of an error that may be over at the next try: offline, temporary, too many calls."""
    return as_number(as_mapping(answer.data).get("error")) in _PASSING


class LastFm:
    """Last.fm, asked with a key.

    Parameters
    ----------
    api : the way there; `make_api` unless given
    keep_tracks : keep the tags of tracks on the disk. Without, only those of albums and artists are, which many tracks
        share

    Raises
    ------
    UsageError
        If there is no key.
    """

    def __init__(self, *, api: Api | None = None, keep_tracks: bool = True) -> None:
        self._key = need_secret(SERVICE, "key", why=f"it is free, from {KEY_PAGE}")
        self._api = api or make_api()
        self._cache = Cache(SERVICE, 30 * DAY)
        self._keep_tracks = keep_tracks

    def track_tags(self, artist: str, title: str) -> dict[str, float]:
        """Look up the tags of a track.

        Parameters
        ----------
        artist, title : misspelt names are put right by Last.fm

        Returns
        -------
        tag to weight in (0, 1], the heaviest first; none for a track that Last.fm does not know

        Raises
        ------
        UsageError
            If Last.fm does not accept the key.
        SourceError
            If it does not answer, or refuses.
        """
        return self._tags("track", {"artist": artist, "track": title}, keep=self._keep_tracks)

    def album_tags(self, artist: str, album: str) -> dict[str, float]:
        """Look up the tags of an album; see `track_tags`."""
        return self._tags("album", {"artist": artist, "album": album})

    def artist_tags(self, artist: str) -> dict[str, float]:
        """Look up the tags of an artist; see `track_tags`."""
        return self._tags("artist", {"artist": artist})

    def best_tags(self, artist: str, title: str, album: str = "") -> Tags:
        """Look up the tags of a track; where it has none, those of its album, else of its artist.

        Raises
        ------
        UsageError, SourceError
            See `track_tags`.
        """
        lookups: tuple[tuple[Level, Callable[[], dict[str, float]]], ...] = (
            ("track", lambda: self.track_tags(artist, title)),
            ("album", lambda: self.album_tags(artist, album)),
            ("artist", lambda: self.artist_tags(artist)),
        )
        for level, look_up in lookups:
            weights = look_up()
            if weights:
                return Tags(weights, level)
        return Tags()

    def _tags(self, level: Level, names: Mapping[str, str], *, keep: bool = True) -> dict[str, float]:
        names = {name: as_text(value) for name, value in names.items()}
        if not all(names.values()):
            return {}
        key = json.dumps([self._api.base, level, *(value.casefold() for value in names.values())])
        kept = self._cache.get("", key) if keep else None
        if isinstance(kept, list):
            return dict(kept)
        try:
            data = self._ask(f"{level}.getTopTags", {**names, "autocorrect": "1"})
        except _Refusal as refusal:
            if refusal.code not in _UNKNOWN:
                self._fail(refusal)
            data = {"toptags": {}}
        if "toptags" not in data:
            raise SourceError(f"Last.fm: {level}.getTopTags answers no list of tags", hint="try again later")
        entries = map(as_mapping, as_list(as_mapping(data["toptags"]).get("tag")))
        weights = tag_weights(((entry.get("name"), entry.get("count")) for entry in entries), most=100.0)
        if keep:
            self._cache.put("", key, list(weights.items()))
        return weights

    def loved(self, user: str, *, limit: int = DEFAULT_LIMIT, on_progress: Progress | None = None) -> "Listed":
        """List what a listener loves, the newest first; see `lastfm_likes`."""
        listed = self._list("user.getLovedTracks", "lovedtracks", {"user": user}, limit, on_progress)
        return replace(listed, likes=tuple(replace(like, weight=1.0) for like in listed.likes))

    def top(
        self,
        user: str,
        *,
        period: Period = "overall",
        limit: int = DEFAULT_LIMIT,
        on_progress: Progress | None = None,
    ) -> "Listed":
        """List what a listener plays most, the weight being the number of plays; see `lastfm_likes`."""
        return self._list("user.getTopTracks", "toptracks", {"user": user, "period": period}, limit, on_progress)

    def _list(
        self, method: str, name: str, query: Mapping[str, str], limit: int, on_progress: Progress | None
    ) -> "Listed":
        likes: dict[str, Like] = {}
        n_unusable, user = 0, query["user"]
        for page in range(1, 2 * math.ceil(limit / PAGE) + 1):  # an end also where no entry can be used
            try:
                data = self._ask(method, {**query, "limit": str(PAGE), "page": str(page)})
            except _Refusal as refusal:
                self._fail(refusal, user)
            if name not in data:
                raise SourceError(f"Last.fm: {method} answers no list of tracks", hint="try again later")
            content = as_mapping(data[name])
            facts = as_mapping(content.get("@attr"))
            user = as_text(facts.get("user")) or user
            entries = as_list(content.get("track"))
            for entry in entries:
                like = read_track(entry)
                if like is None:
                    n_unusable += 1
                else:  # what moved to the next page meanwhile counts once
                    likes.setdefault(json.dumps({**entry, "@attr": None}, sort_keys=True), like)
            total = as_number(facts.get("total"))
            tell(on_progress, min(len(likes), limit), min(int(total), limit) if total is not None else None)
            if not entries or len(likes) >= limit or page >= (as_number(facts.get("totalPages")) or 1):
                break
        return Listed(user, tuple(united(likes.values())[:limit]), n_unusable)

    def _ask(self, method: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        answer = self._api.get("", {"method": method, **query, "api_key": self._key, "format": "json"})
        data = answer.data
        if isinstance(data, dict) and "error" in data:
            code = as_number(data["error"])
            raise _Refusal(int(code) if code is not None else 0, as_text(data.get("message")))
        if not answer.ok or not isinstance(data, dict):
            what = "an answer that is none of Last.fm's" if answer.ok else f"HTTP status {answer.status}"
            raise SourceError(
                f"Last.fm: {method}: {what}", hint=f"try again later, or look at {variable(SERVICE, 'url')}"
            )
        return data

    def _fail(self, refusal: "_Refusal", user: str = "") -> NoReturn:
        raise _worded(refusal, user, self._key) from None


@dataclass(frozen=True)
class Listed:
    """Likes out of one list of Last.fm.

    Parameters
    ----------
    user : the listener's name as Last.fm writes it
    likes : in the order of the list
    n_unusable : entries that name no track
    """

    user: str
    likes: tuple[Like, ...]
    n_unusable: int


def lastfm_likes(
    user: str,
    *,
    what: What = "loved",
    period: Period = "overall",
    limit: int = DEFAULT_LIMIT,
    tags: bool = True,
    api: Api | None = None,
    on_progress: Progress | None = None,
) -> Likes:
    """Get what a listener of Last.fm likes.

    Parameters
    ----------
    user : name on Last.fm
    what : "loved", the newest first; "top", those played most, with the number of plays as weight; or "both", the loved
        ones first, a love counting as much as a play
    period : that plays are counted in
    limit : number of likes at most
    tags : look up the tags of each (of the track, else of its artist). At 5 requests a second, 1,000 likes take minutes
        the first time; what was looked up is kept, also when it is interrupted
    api : the way to Last.fm; `make_api` unless given
    on_progress : takes how many likes are listed, and of how many; then, if tags are looked up, of how many they are

    Raises
    ------
    UsageError
        If there is no key, Last.fm does not accept it, or an option has no such value.
    InputError
        If there is no such listener.
    SourceError
        If Last.fm does not answer, or the listener's data is private.
    """
    user = check_user(user)
    check_limit(limit)
    check_choice("what", what, get_args(What))
    check_choice("period", period, get_args(Period))
    client = LastFm(api=api)

    def make() -> Likes:
        parts = []
        if what != "top":
            parts.append(client.loved(user, limit=limit, on_progress=on_progress))
        if what != "loved":
            parts.append(client.top(user, period=period, limit=limit, on_progress=on_progress))
        name = parts[0].user
        return Likes(
            name,
            SERVICE,
            take(united(like for part in parts for like in part.likes), limit),
            url=f"https://www.last.fm/user/{quote(name, safe='')}",
            attribution="Likes and tags from Last.fm" if tags else "Likes from Last.fm",
            notice=NOTICE,
            n_unusable=sum(part.n_unusable for part in parts),
        )

    key = json.dumps([address_of(SERVICE, ADDRESS) if api is None else api.base, what, period, limit])
    likes = kept_likes(Cache(SERVICE, HOUR), user.casefold(), key, make, on_progress)
    return _tagged(client, likes, on_progress) if tags else likes


def _tagged(client: LastFm, likes: Likes, on_progress: Progress | None) -> Likes:
    tagged = []
    for done, like in enumerate(likes.likes, start=1):
        tagged.append(replace(like, tags=client.best_tags(like.artist, like.title, like.album).weights))
        tell(on_progress, done, len(likes.likes))
    return replace(likes, likes=tuple(tagged), attribution="Likes and tags from Last.fm")


def read_track(entry: Any) -> Like | None:
    """Read an entry of a list of tracks; None if it names no track."""
    entry = as_mapping(entry)
    artist = entry.get("artist")
    name = as_mapping(artist)
    title = as_text(entry.get("name"))
    if not title:
        return None
    plays = as_number(entry.get("playcount"))
    mbid = as_mbid(entry.get("mbid"))
    url = as_url(entry.get("url"))
    return Like(
        as_text(name.get("name")) or as_text(name.get("#text")) or as_text(artist),
        title,
        duration=as_seconds(entry.get("duration")),
        mb_recording_id="" if mbid[14:15] == "3" else mbid,
        weight=plays if plays is not None and plays > 0 else 1.0,
        url=url,
        source_id=url,
    )


class _Refusal(Exception):
    """An error that Last.fm answers."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def _worded(refusal: _Refusal, user: str, key: Secret) -> EarmarkError:
    """Say what an error of Last.fm means, and what to do."""
    later = "try again later"
    match refusal.code:
        case 6 | 7 if user:
            page = f"https://www.last.fm/user/{quote(user, safe='')}"
            return InputError(f"Last.fm knows no listener {user!r}", hint=f"is the name right? {page}")
        case 8:
            return SourceError("Last.fm: something went wrong there", hint=later)
        case 10:
            hint = f"is {variable(SERVICE, 'key')} right? A key is free: {KEY_PAGE}"
            return UsageError("Last.fm does not accept the key", hint=hint)
        case 4 | 9 | 17:
            hint = "the listener can show it: Settings, Privacy, no 'Hide recent listening information'"
            return SourceError(f"Last.fm: the data of {user or 'this listener'} is private", hint=hint)
        case 11 | 16:
            return SourceError("Last.fm is out of order for a while", hint=later)
        case 26:
            return UsageError("Last.fm has suspended the key", hint=f"ask there why, or take another: {KEY_PAGE}")
        case 29:
            return SourceError("Last.fm: too many requests from this address", hint="try again in some minutes")
    said = refusal.message.replace(key.reveal(), str(key))[:200]
    return SourceError(f"Last.fm: error {refusal.code}{': ' if said else ''}{said}", hint=later)
