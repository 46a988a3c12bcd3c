"""Likes of Jamendo, with the tags, the licence and, where that allows it, the audio of each track.

Music on Jamendo stands under Creative Commons licences. Each lets one copy and listen for oneself without an aim to
earn money, and analysing is no more than that: nothing is passed on, and nothing is made of a track that would be a
work of its own (ND). What is shown of a track names its licence, and Jamendo's API is for non-commercial use.

References
----------
https://developer.jamendo.com/v3.0/users/tracks, /v3.0/users, /v3.0/tracks, /v3.0/response-codes (codes of errors, which
come with status 200). `users/tracks` answers users with tracks in them; it has no tags and no albums, which are asked
for in a second question. A client id is free: https://devportal.jamendo.com/ (35,000 requests a month).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from earmark.errors import InputError, SourceError, UsageError
from earmark.files import disk_errors, replacing
from earmark.sources.answers import (
    DEFAULT_LIMIT,
    Progress,
    address_of,
    as_list,
    as_mapping,
    as_number,
    as_seconds,
    as_text,
    as_url,
    check_limit,
    check_user,
    kept_likes,
    tell,
)
from earmark.sources.cache import DAY, Cache
from earmark.sources.http import Answer, Api, Text, origin
from earmark.sources.likes import Like, Likes
from earmark.sources.secrets import need_secret

SERVICE = "jamendo"
BASE_URL = "https://api.jamendo.com/v3.0"
KEY_PAGE = "https://devportal.jamendo.com/"
WHY = f"it is free, from {KEY_PAGE}"
PAGE = 200  # the most that one answer holds
MOST_SPARE = 20  # pages that are read because others held what was no like
MOST_IDS = 50  # in one question; the documentation leaves the most open
MOST_AUDIO_BYTES = 1 << 28
RATE_LIMIT = 6
KINDS = "single albumtrack"  # without it, tracks outside albums are left out
ATTRIBUTION = "Likes from Jamendo"
NOTICE = "Jamendo's API is for non-commercial use. Each track has a licence of its own, which is to be named with it."
SPEEDS = {"verylow": "very slow", "low": "slow", "medium": "medium tempo", "high": "fast", "veryhigh": "very fast"}
_LICENCES = re.compile(r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z0-9+-]+)/?([\d.]*)")


def jamendo_likes(
    user: str, *, limit: int = DEFAULT_LIMIT, api: Api | None = None, on_progress: Progress | None = None
) -> Likes:
    """Read which tracks somebody likes on Jamendo, or has as favourites, the newest first.

    Parameters
    ----------
    user : name on Jamendo; a number is an id, as it stands in the address of a profile, which is taken, too
    limit : tracks at the most
    api : of https://api.jamendo.com/v3.0
    on_progress : is given how many likes have come; how many there are is not known

    Returns
    -------
    the likes, from Jamendo or from an answer that is at most a day old

    Raises
    ------
    InputError
        If there is no such user.
    SourceError
        If Jamendo does not answer, refuses, or answers what cannot be understood.
    UsageError
        If there is no client id.
    """
    check_limit(limit)
    wanted = _user_of(user)
    way = api or make_api()

    def make() -> Likes:
        client = _Client(way)
        profile = client.user(wanted)
        number = _id(profile.get("id"))
        if not number:
            raise SourceError(f"Jamendo: the answer for {wanted!r} says no id")
        name = as_text(profile.get("dispname")) or as_text(profile.get("name")) or wanted
        plain, n_unusable = client.liked(number, limit, on_progress)
        return Likes(
            name,
            SERVICE,
            tuple(client.described(plain)),
            url=f"https://www.jamendo.com/user/{number}",
            attribution=ATTRIBUTION,
            notice=NOTICE,
            n_unusable=n_unusable,
        )

    key = json.dumps([way.base, limit])
    return kept_likes(Cache(SERVICE, DAY), wanted.casefold(), key, make, on_progress)


def search(
    *, tags: Sequence[str] = (), any_tag: bool = False, text: str = "", limit: int = 50, api: Api | None = None
) -> tuple[Like, ...]:
    """Look for tracks, the most popular first.

    Parameters
    ----------
    tags : genres, instruments, moods, as Jamendo writes them ("electricguitar"); spaces are taken out
    any_tag : whether one of them is enough; else a track has all of them
    text : what stands in title, artist, album or tags
    limit : tracks at the most
    api : see `jamendo_likes`

    Raises
    ------
    SourceError, UsageError
        See `jamendo_likes`.
    """
    check_limit(limit)
    names = [name for name in (re.sub(r"\s+", "", tag) for tag in tags) if name]
    if not names and not text.strip():
        raise UsageError("nothing to look for", hint="give tags, or a text")
    query: dict[str, Text] = {"order": "popularity_total"}
    if names:
        query["fuzzytags" if any_tag else "tags"] = " ".join(names)
    if text.strip():
        query["search"] = text.strip()
    client, found = _Client(api or make_api()), list[Like]()
    for page in client.pages("tracks", query | _described(), limit):
        found += [like for like in map(_like, page) if like is not None]
    return tuple(found[:limit])


def forget(user: str | None = None) -> int:
    """Delete what is kept of a user, or of everybody; return how many answers that were."""
    return Cache(SERVICE, DAY).forget(None if user is None else _user_of(user).casefold())


def licence_name(url: str) -> str:
    """Return what a licence is called, "" where it is none that is known.

    Examples
    --------
    >>> licence_name("http://creativecommons.org/licenses/by-nc-nd/3.0/"), licence_name("https://example.com/")
    ('CC BY-NC-ND 3.0', '')
    """
    if re.match(r"https?://(www\.)?artlibre\.org/", url):
        return "Free Art License"
    found = _LICENCES.match(url)
    if found is None:
        return ""
    if found[1] == "publicdomain":
        return f"CC0 {found[3]}".rstrip() if found[2] == "zero" else "public domain"
    return f"CC {found[2].upper()} {found[3]}".rstrip()


def may_be_analysed(like: Like) -> bool:
    """Return whether a track's licence is known, and lets one copy it for oneself, as all of Creative Commons do."""
    return bool(licence_name(like.licence))


def credit(like: Like) -> str:
    """Return what to show beside a track: who made it, under which licence, and where it is from.

    Examples
    --------
    >>> credit(Like("K.R", "Dawn", licence="http://creativecommons.org/licenses/by/3.0/", url="https://jamen.do/t/1"))
    'K.R – Dawn, CC BY 3.0 (http://creativecommons.org/licenses/by/3.0/), from Jamendo: https://jamen.do/t/1'
    """
    name = licence_name(like.licence)
    licence = f"{name} ({like.licence})" if name else like.licence or "licence not known"
    return f"{like.name}, {licence}, from Jamendo" + (f": {like.url}" if like.url else "")


def fetch_audio(like: Like, folder: Path | str, *, api: Api | None = None) -> Path:
    """Fetch the audio of a track, for analysis: the download where the artist allows it, else the stream.

    Parameters
    ----------
    like : of Jamendo
    folder : where to; it is made if need be. Whoever calls this deletes the file after the analysis
    api : see `jamendo_likes`

    Returns
    -------
    the file, whole: jamendo-ID.mp3

    Raises
    ------
    InputError
        If the like is no track of Jamendo, or the folder cannot be written.
    SourceError
        If Jamendo does not answer, refuses, has no audio, or it is more than 256 MiB.
    UsageError
        If the licence is not known, or none that lets one copy the track for oneself.
    """
    number = _id(like.source_id)
    if not number:
        raise InputError(f"{like.name}: {like.source_id!r} is no track of Jamendo")
    client = _Client(api or make_api())
    entries = client.results("tracks", {"id": number, "audioformat": "mp32", "audiodlformat": "mp32", "type": KINDS})
    track = as_mapping(entries[0]) if entries else {}
    if _id(track.get("id")) != number:
        raise InputError(f"Jamendo does not have the track {like.name} any more", hint="leave this track out")
    licence = as_url(track.get("license_ccurl"))
    if not licence_name(licence):
        raise UsageError(
            f"{like.name}: its licence is not known ({licence or 'none is given'}), so it is left alone",
            hint="leave this track out",
        )
    allowed = track.get("audiodownload_allowed") in (True, 1, "1", "true")
    url = (as_url(track.get("audiodownload")) if allowed else "") or as_url(track.get("audio"))
    if not _is_own(client.api, url):
        raise SourceError(f"{like.name}: Jamendo gives no address of its own for the audio", hint="leave it out")
    target = Path(folder) / f"jamendo-{number}.mp3"
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        answer = client.api.fetch(url, file, most_bytes=MOST_AUDIO_BYTES)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not answer.ok:
            raise SourceError(f"{like.name}: Jamendo does not give the audio (status {answer.status})")
        if kind.startswith(("text/", "application/json")) or file.tell() == 0:
            raise SourceError(f"{like.name}: Jamendo gives no audio ({kind or 'nothing'})", hint="leave it out")
    return target


def make_api() -> Api:
    """Return the way to Jamendo, or to what stands in the variable EARMARK_JAMENDO_URL."""
    return Api("Jamendo", address_of(SERVICE, BASE_URL), min_interval=0.2, is_transient=is_busy)


def is_busy(answer: Answer) -> bool:
    """Return whether an answer says that there have been too many questions for now."""
    return as_number(as_mapping(as_mapping(answer.data).get("headers")).get("code")) == RATE_LIMIT


class _Client:
    """Asks Jamendo, and reads what stands in the headers of its answers."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.client_id = need_secret(SERVICE, "client_id", why=WHY)

    def results(self, path: str, query: Mapping[str, Text]) -> list[Any]:
        """Ask for something; return its entries."""
        answer = self.api.get(f"{path}/", {"client_id": self.client_id, "format": "json", **query})
        plain = as_mapping(answer.data)
        headers = as_mapping(plain.get("headers"))
        code = as_number(headers.get("code"))
        if not answer.ok or code != 0 or headers.get("status") == "failed":
            _refuse(answer, code)
        entries = plain.get("results")
        if not isinstance(entries, list):
            raise SourceError("Jamendo: an answer without results where they were expected", hint="try again later")
        return entries

    def pages(self, path: str, query: Mapping[str, Text], limit: int) -> Iterator[list[Any]]:
        """Yield pages of entries until there are no more, or as many as are wanted."""
        for offset in range(0, limit, PAGE):
            size = min(PAGE, limit - offset)
            page = self.results(path, {**query, "limit": str(size), "offset": str(offset)})
            yield page
            if len(page) < size:
                return

    def user(self, wanted: str) -> Mapping[str, Any]:
        """Look a user up, by id if it is a number, else by name."""
        entries = self.results("users", {"id" if wanted.isdecimal() else "name": wanted})
        if not entries:
            hint = "a name that is a number: give the address of the profile" if wanted.isdecimal() else None
            raise InputError(f"Jamendo does not know the user {wanted!r}", hint=hint)
        return as_mapping(entries[0])

    def liked(self, user_id: str, limit: int, on_progress: Progress | None) -> tuple[list[Mapping[str, Any]], int]:
        """Return what Jamendo says of the tracks that a user likes, and how many entries were none."""
        query: dict[str, Text] = {
            "id": user_id,
            "relation": "favorite like",
            "track_type": KINDS,
            "order": "updatedate_desc",
        }
        found: dict[str, Mapping[str, Any]] = {}
        n_unusable = 0
        for offset in range(0, limit + MOST_SPARE * PAGE, PAGE):
            users = self.results("users/tracks", query | {"limit": str(PAGE), "offset": str(offset)})
            tracks = [track for user in users for track in as_list(as_mapping(user).get("tracks"))]
            ids = {_id(as_mapping(track).get("id")) for track in tracks}
            if offset and ids and ids <= found.keys():
                raise SourceError("Jamendo: the pages of likes repeat themselves", hint="try again later")
            for track in tracks:
                number = _id(as_mapping(track).get("id"))
                if number and _is_liked(track):
                    found.setdefault(number, track)
                else:
                    n_unusable += 1
            tell(on_progress, min(len(found), limit), None)
            if len(tracks) < PAGE or len(found) >= limit:
                break
        return list(found.values())[:limit], n_unusable

    def described(self, tracks: Sequence[Mapping[str, Any]]) -> Iterator[Like]:
        """Yield likes with tags and albums; of tracks that Jamendo does not say more of, what is known of them."""
        for begin in range(0, len(tracks), MOST_IDS):
            some = {_id(track.get("id")): track for track in tracks[begin : begin + MOST_IDS]}
            query = {"id": " ".join(some), "limit": str(PAGE)} | _described()
            full = {_id(as_mapping(entry).get("id")): entry for entry in self.results("tracks", query)}
            for number, track in some.items():
                like = _like({**track, **as_mapping(full.get(number))})
                if like is not None:
                    yield like


def _described() -> dict[str, Text]:
    """Return what to ask for so that tracks come with tags."""
    return {"include": "musicinfo", "type": KINDS}


def _is_liked(track: Mapping[str, Any]) -> bool:
    """Return whether a track is liked or a favourite; where nothing is said of that, it is what was asked for."""
    relations = as_mapping(track.get("relations"))
    said = [as_number(relations[name]) or 0.0 for name in ("favorite", "like") if name in relations]
    return not said or max(said) > 0


def _like(track: Any) -> Like | None:
    """Make a like of what Jamendo says of a track; None if that is none."""
    plain = as_mapping(track)
    number, title = _id(plain.get("id")), as_text(plain.get("name"))
    if not number and not title:
        return None
    like = Like(
        artist=as_text(plain.get("artist_name")),
        title=title,
        album=as_text(plain.get("album_name")),
        duration=as_seconds(plain.get("duration")),
        tags=dict.fromkeys(_tags(as_mapping(plain.get("musicinfo"))), 1.0),
        url=as_url(plain.get("shareurl")),
        licence=as_url(plain.get("license_ccurl")),
        source_id=number,
    )
    return like if like.url or not number else replace(like, url=f"https://www.jamendo.com/track/{number}")


def _tags(info: Mapping[str, Any]) -> list[str]:
    """Return genres, instruments and further tags, whether there is a voice, and how fast it is."""
    tags = as_mapping(info.get("tags"))
    listed = [tag for name in ("genres", "instruments", "vartags") for tag in as_list(tags.get(name))]
    voice, speed = as_text(info.get("vocalinstrumental")), as_text(info.get("speed"))
    found = [*map(as_text, listed), voice if voice in ("vocal", "instrumental") else "", SPEEDS.get(speed, "")]
    return [tag for tag in dict.fromkeys(found) if tag]


def _id(value: Any) -> str:
    """Return a number that names something, as a text; "" if it is none."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else as_text(value)
    return text if re.fullmatch(r"[1-9]\d{0,17}", text, re.ASCII) else ""


def _user_of(user: str) -> str:
    """Return the name or the number of a user, also out of the address of a profile."""
    found = re.match(r"(?:https?://)?(?:www\.)?jamendo\.com/(?:\w\w/)?user/([^/?#]+)", user.strip(), re.IGNORECASE)
    return check_user(found[1] if found else user)


def _is_own(api: Api, url: str) -> bool:
    """Return whether an address is one of Jamendo's machines."""
    scheme, host = origin(url)
    return (scheme, host) == origin(api.base) or (scheme == "https" and host.endswith((".jamendo.com", ".jamen.do")))


def _refuse(answer: Answer, code: float | None) -> NoReturn:
    """Say why Jamendo does not answer; its own words are not repeated, because they may hold the client id."""
    if code == 5 or answer.status in (401, 403):
        raise SourceError("Jamendo does not know the client id", hint=f"compare it with {KEY_PAGE}")
    if code == 11:
        raise SourceError("Jamendo has suspended this client id", hint=f"ask Jamendo, or get another: {KEY_PAGE}")
    if code == RATE_LIMIT:
        raise SourceError("Jamendo: too many requests for now", hint="try again in an hour; 35,000 a month are free")
    said = f"code {code:g}" if code is not None else f"status {answer.status}, and nothing that can be understood"
    raise SourceError(f"Jamendo refuses ({said})", hint="try again later")
