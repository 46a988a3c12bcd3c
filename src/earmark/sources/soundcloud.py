"""Likes of SoundCloud, of any public profile or one's own; audio only with a written right to analyse it.

SoundCloud's terms: an app's key comes with a paid account (Artist Pro); what is read is shown with a link to where it
came from, not mixed with other services' data, and not kept (here: 24 hours at the most, and `forget` deletes it);
audio is for playing, not for storing or for machines to learn from. So audio is left alone unless the file of secrets
says `right_to_analyse_audio = true` under [soundcloud], as is the case for one's own music or with leave in writing.

References
----------
SoundCloud, API Guide: https://developers.soundcloud.com/docs/api/guide; fields and paths:
https://github.com/soundcloud/api/blob/master/openapi/api.yaml; terms:
https://developers.soundcloud.com/docs/api/terms-of-use. That `next_href` has led to a host of SoundCloud's own network:
https://github.com/soundcloud/api/issues/368; that streams are fetched with the token:
https://github.com/soundcloud/api/issues/478.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from earmark.errors import InputError, SourceError, UsageError
from earmark.files import disk_errors, replacing
from earmark.sources import hls
from earmark.sources.answers import (
    DEFAULT_LIMIT,
    Progress,
    address_of,
    as_isrc,
    as_mapping,
    as_seconds,
    as_text,
    check_limit,
    kept_likes,
    tell,
)
from earmark.sources.cache import DAY, Cache
from earmark.sources.http import Answer, Api, Text, origin
from earmark.sources.likes import Like, Likes
from earmark.sources.secrets import Secret, secrets_path, setting
from earmark.sources.soundcloud_login import APPS_PAGE, SERVICE, access_token, has_login

BASE_URL = "https://api.soundcloud.com"
SITE = "https://soundcloud.com"
ME = "me"
KEPT_SECONDS = DAY  # no more, by the terms
PAGE = 200  # the most that one answer holds
MOST_EMPTY_PAGES = 20
MOST_AUDIO_BYTES = 1 << 28
ATTRIBUTION = "Likes from SoundCloud"
RIGHT = "right_to_analyse_audio"
STREAMS = {"hls_aac_160_url": ".m4a", "hls_mp3_128_url": ".mp3", "http_mp3_128_url": ".mp3"}
# What stands behind a dash and says which version of a track it is, not what the track is called.
VERSION_WORDS = frozenset(
    ("acapella", "acoustic", "album", "bootleg", "clean", "club", "cover", "demo", "dub", "edit", "explicit",
     "extended", "full", "instrumental", "live", "mix", "original", "radio", "remaster", "remastered", "remix",
     "rework", "session", "short", "single", "version", "vip")
)  # fmt: skip


def soundcloud_likes(
    user: str, *, limit: int = DEFAULT_LIMIT, api: Api | None = None, on_progress: Progress | None = None
) -> Likes:
    """Read which tracks somebody likes on SoundCloud, the newest first.

    Parameters
    ----------
    user : what stands in the address of a profile, that address, or "soundcloud:users:N"; "me" is who has logged in
    limit : tracks at the most
    api : of https://api.soundcloud.com
    on_progress : is given how many likes have come, and how many there are, if that is known

    Returns
    -------
    the likes, from SoundCloud or from an answer that is at most 24 hours old

    Raises
    ------
    InputError
        If there is no such user.
    SourceError
        If SoundCloud does not answer, refuses, or answers what cannot be understood.
    UsageError
        If there is no key, or nobody is logged in.

    Notes
    -----
    Titles are often "Artist - Title", uploaded by somebody else; see `split_title`.
    """
    check_limit(limit)
    name = user_name(user)
    way = api or make_api()

    def make() -> Likes:
        client = _Client(way, own=name == ME)
        profile = client.user(name)
        shown = as_text(profile.get("username")) or as_text(profile.get("permalink")) or name
        likes, n_unusable = _read_likes(client, name, profile, limit, on_progress)
        return Likes(
            shown,
            SERVICE,
            tuple(likes),
            url=_page(profile.get("permalink_url")) or (f"{SITE}/{name}" if _is_name(name) and name != ME else SITE),
            attribution=ATTRIBUTION,
            notice=_notice(shown, is_own=name == ME),
            mixable=False,
            n_unusable=n_unusable,
        )

    return kept_likes(Cache(SERVICE, KEPT_SECONDS), name, json.dumps([way.base, limit]), make, on_progress)


def make_api() -> Api:
    """Return the way to SoundCloud, or to what stands in the variable EARMARK_SOUNDCLOUD_URL."""
    return Api("SoundCloud", address_of(SERVICE, BASE_URL), min_interval=0.1)


def forget(user: str | None = None) -> int:
    """Delete what is kept of a user, or of everybody; return how many answers that were."""
    return Cache(SERVICE, KEPT_SECONDS).forget(None if user is None else user_name(user))


def user_name(user: str) -> str:
    """Return how a user is called here: the last part of the profile's address, "soundcloud:users:N", or "me".

    Parameters
    ----------
    user : such a name, or the address of a profile

    Raises
    ------
    InputError
        If it can be neither.

    Examples
    --------
    >>> user_name("https://soundcloud.com/Some-Body/likes?x=1"), user_name("@some_body")
    ('some-body', 'some_body')
    """
    text = user.strip()
    found = re.fullmatch(r"(?:https?://)?(?:www\.|m\.)?soundcloud\.com/([^/?#]+)(?:[/?#].*)?", text, re.IGNORECASE)
    name = (found[1] if found else text).removeprefix("@").casefold()
    if not _is_name(name) and not re.fullmatch(r"soundcloud:users:\d{1,19}", name):
        raise InputError(
            f"{user!r} is no name of a SoundCloud user",
            hint=f"give what stands in the address of the profile behind {SITE}/, or that address",
        )
    return name


def split_title(title: str, uploader: str, artist: str = "") -> tuple[str, str]:
    """Find artist and title.

    Parameters
    ----------
    title : as it was uploaded
    uploader : name of the account
    artist : where SoundCloud says who plays, that

    Returns
    -------
    artist, title

    Notes
    -----
    Where SoundCloud names the artist, only that name is taken off the title's beginning. Else what stands before the
    first dash between spaces is the artist, whether it is the uploader or not; unless that is a number (of a track), or
    all behind the dash says which version it is ("Radio Edit").

    Examples
    --------
    >>> split_title("Nina Simone - Sinnerman", "A Label")
    ('Nina Simone', 'Sinnerman')
    >>> split_title("Sinnerman - Live Version", "Nina Simone")
    ('Nina Simone', 'Sinnerman - Live Version')
    """
    parts = re.split(r"\s+[-–—]\s+", title, maxsplit=1)
    if len(parts) < 2 or not parts[0].strip() or not parts[1].strip():
        return artist or uploader, title
    before, behind = parts[0].strip(), parts[1].strip()
    if artist:
        return artist, behind if before.casefold() == artist.casefold() else title
    if set(re.findall(r"\w+", behind.casefold())) <= VERSION_WORDS:
        return uploader, title
    if re.fullmatch(r"\d{1,3}\.?", before):
        return uploader, behind
    return (uploader if before.casefold() == uploader.casefold() else before), behind


def audio_allowed() -> bool:
    """Return whether the file of secrets says that audio of SoundCloud may be analysed here."""
    return setting(SERVICE, RIGHT) is True


def fetch_audio(like: Like, folder: Path | str, *, api: Api | None = None, on_progress: Progress | None = None) -> Path:
    """Fetch the audio of a track, for analysis, where there is a right to that.

    Parameters
    ----------
    like : of SoundCloud
    folder : where to; it is made if need be. Whoever calls this deletes the file after the analysis
    api : see `soundcloud_likes`
    on_progress : is given how many pieces have come, and how many there are

    Returns
    -------
    the file, whole: .m4a or .mp3

    Raises
    ------
    InputError
        If the like is no track of SoundCloud, or the folder cannot be written.
    SourceError
        If SoundCloud does not answer, refuses, or has no stream that can be joined; or it is more than 256 MiB.
    UsageError
        If there is no right, or the track can only be heard in part.
    """
    if not audio_allowed():
        raise UsageError(
            "audio of SoundCloud is not analysed: its terms allow playing it only",
            hint=f"with leave in writing, or for your own music: {RIGHT} = true under [{SERVICE}] in {secrets_path()}",
        )
    urn = _urn("tracks", like.source_id, None)
    if not urn:
        raise InputError(f"{like.name}: {like.source_id!r} is no track of SoundCloud")
    client = _Client(api or make_api(), own=has_login())
    track = client.mapping(client.get(f"tracks/{urn}", what=f"the track {like.name}"))
    access = track.get("access")
    if access != "playable":
        said = access if access in ("preview", "blocked") else "not said to be playable"
        raise UsageError(f"{like.name}: SoundCloud does not play it whole ({said})", hint="leave this track out")
    streams = client.mapping(client.get(f"tracks/{urn}/streams", what=f"the audio of {like.name}"))
    for name, suffix in STREAMS.items():
        url = as_text(streams.get(name))
        if url:
            target = Path(folder) / f"soundcloud-{urn.rpartition(':')[2]}{suffix}"
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            return _fetched(client, url, target, on_progress, in_pieces=name.startswith("hls"))
    raise SourceError(f"{like.name}: SoundCloud gives no stream of it", hint="leave this track out")


def _fetched(client: "_Client", url: str, target: Path, on_progress: Progress | None, *, in_pieces: bool) -> Path:
    """Write a stream to a file."""
    api, headers = client.api, client.headers()
    if not in_pieces:
        with replacing(target) as file:
            answer = api.fetch(url, file, headers=hls.own_headers(api, url, headers), most_bytes=MOST_AUDIO_BYTES)
            if not answer.ok:
                raise SourceError(f"SoundCloud: the audio is not given (status {answer.status})")
        return target
    pieces = hls.read_playlist(api, url, headers)
    if target.suffix == ".m4a" and not pieces.has_map:
        target = target.with_suffix(".aac")
    with replacing(target) as file:
        hls.join(api, pieces, file, headers, most_bytes=MOST_AUDIO_BYTES, on_progress=on_progress)
    return target


class _Client:
    """Asks SoundCloud with a token, and once more with a new one where that was not taken."""

    def __init__(self, api: Api, *, own: bool) -> None:
        self.api = api
        self.own = own
        self.token: Secret = access_token(own=own)

    def headers(self) -> dict[str, Text]:
        """Return what goes with each request to SoundCloud's own host."""
        return {"Authorization": Secret(f"OAuth {self.token.reveal()}")}

    def get(self, path: str, query: Mapping[str, Text] | None = None, *, what: str) -> Answer:
        """Ask for something; `what` says in errors what that was."""
        answer = self.api.get(path, query, headers=self.headers())
        if answer.status == 401:
            self.token = access_token(own=self.own, rejected=self.token)
            answer = self.api.get(path, query, headers=self.headers())
        if not answer.ok:
            _refuse(answer, what)
        return answer

    def user(self, name: str) -> Mapping[str, Any]:
        """Look a user up."""
        if name == ME:
            return self.mapping(self.get("me", what="who is logged in"))
        what = f"the user {name!r}"
        if ":" in name:
            return self.mapping(self.get(f"users/{name}", what=what))
        found = self.mapping(self.get("resolve", {"url": f"{SITE}/{name}"}, what=what))
        kind = found.get("kind")
        if isinstance(kind, str) and kind != "user":
            raise InputError(f"{SITE}/{name} is no user", hint="give the address of a profile")
        return found

    def mapping(self, answer: Answer) -> Mapping[str, Any]:
        """Return what an answer holds, which has to be one thing with names."""
        if not isinstance(answer.data, dict):
            raise SourceError(f"SoundCloud answers {type(answer.data).__name__} where an object was expected")
        return answer.data

    def next_page(self, page: Mapping[str, Any]) -> str:
        """Return the address of the next page, "" at the end; it has to lie on SoundCloud's own host."""
        url = page.get("next_href")
        if url is None or url == "":
            return ""
        if not isinstance(url, str) or origin(url) != origin(self.api.base):
            raise SourceError(
                "SoundCloud: the next page lies on another host than SoundCloud's; the token is not sent there",
                hint="try again later, or with a smaller limit",
            )
        return url


def _read_likes(
    client: _Client, name: str, profile: Mapping[str, Any], limit: int, on_progress: Progress | None
) -> tuple[list[Like], int]:
    """Read likes page by page; return them and how many entries were none."""
    if name == ME:
        path = "me/likes/tracks"
    else:
        urn = _urn("users", profile.get("urn"), profile.get("id"))
        if not urn:
            raise SourceError(f"SoundCloud: the answer for {name!r} says no id")
        path = f"users/{urn}/likes/tracks"
    query: dict[str, Text] | None = {
        "limit": str(min(limit, PAGE)),
        "linked_partitioning": "true",
        "access": "playable,preview,blocked",
    }
    count = profile.get("likes_count" if name == ME else "public_favorites_count")
    total = min(count, limit) if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
    likes: list[Like] = []
    n_unusable, n_empty, seen = 0, 0, {path}
    while path and len(likes) < limit:
        answer = client.get(path, query, what=f"the likes of {name!r}")
        page = {"collection": answer.data} if isinstance(answer.data, list) else client.mapping(answer)
        entries = page.get("collection")
        if not isinstance(entries, list):
            raise SourceError("SoundCloud: an answer without likes where they were expected")
        for entry in entries[: limit - len(likes)]:
            like = _like(entry)
            likes += [like] if like else []
            n_unusable += like is None
        n_empty = 0 if entries else n_empty + 1
        path, query = client.next_page(page), None
        if path in seen or n_empty > MOST_EMPTY_PAGES:
            raise SourceError("SoundCloud: the pages of likes lead in a circle", hint="try again later")
        seen.add(path)
        tell(on_progress, len(likes), None if total is None else max(total, len(likes)))
    return likes, n_unusable


def _like(entry: Any) -> Like | None:
    """Make a like of what SoundCloud says of a track; None if that is none."""
    if not isinstance(entry, dict) or entry.get("kind", "track") != "track":
        return None
    title = as_text(entry.get("title"))
    urn = _urn("tracks", entry.get("urn"), entry.get("id"))
    if not title and not urn:
        return None
    user, publisher = as_mapping(entry.get("user")), as_mapping(entry.get("publisher_metadata"))
    uploader = as_text(user.get("username")) or as_text(user.get("permalink"))
    named = as_text(publisher.get("artist")) or as_text(entry.get("metadata_artist"))
    artist, title = split_title(title, uploader, named)
    return Like(
        artist=artist,
        title=title,
        album=as_text(publisher.get("album_title")) or as_text(publisher.get("release_title")),
        duration=as_seconds(entry.get("duration"), per_second=1000.0),
        isrc=as_isrc(publisher.get("isrc")) or as_isrc(entry.get("isrc")),
        tags=dict.fromkeys(_tags(entry.get("genre"), entry.get("tag_list")), 1.0),
        url=_page(entry.get("permalink_url")),
        licence=as_text(entry.get("license")),
        source_id=urn,
    )


def _tags(genre: Any, tag_list: Any) -> list[str]:
    """Return genre and tags: those of several words stand in quotes; those for machines (geo:lat=1) are left out."""
    found = [as_text(genre)]
    if isinstance(tag_list, str):
        for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', tag_list):
            found.append(as_text(quoted or plain.strip('"')))
    tags: dict[str, str] = {}
    for text in found:
        tag = text.lstrip("#").strip()
        if tag and not re.match(r"\w+:\w+=", tag):
            tags.setdefault(tag.casefold(), tag)
    return list(tags.values())


def _urn(kind: str, urn: Any, number: Any) -> str:
    """Return "soundcloud:KIND:N" out of that, or of the number that stood there before; "" if it is neither."""
    if isinstance(urn, str) and re.fullmatch(rf"soundcloud:{kind}:\d{{1,19}}", urn):
        return urn
    if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 10**19:
        return f"soundcloud:{kind}:{number}"
    return ""


def _page(url: Any) -> str:
    """Return the address of a page of SoundCloud, "" if it is none."""
    found = as_text(url)
    scheme, host = origin(found)
    return found if scheme in ("http", "https") and re.fullmatch(r"([\w-]+\.)*soundcloud\.com", host) else ""


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[a-z0-9_-]{1,100}", text) is not None


def _notice(shown: str, *, is_own: bool) -> str:
    own = "These are your own likes." if is_own else (
        f"These are the likes that {shown} shows publicly on SoundCloud; earmark does not know whether they agree to a "
        "comparison."
    )  # fmt: skip
    return f"{own} They are kept for 24 hours at the most: earmark sources forget soundcloud"


def _refuse(answer: Answer, what: str) -> NoReturn:
    """Say why SoundCloud does not give something."""
    if answer.status == 404:
        raise InputError(f"SoundCloud does not know {what}", hint=f"look whether {SITE} has it, and how it is written")
    if answer.status == 401:
        raise SourceError(
            f"SoundCloud takes no token for {what} (status 401)",
            hint=f"log in again (earmark sources login soundcloud), or look after the app: {APPS_PAGE}",
        )
    if answer.status == 403:
        raise SourceError(
            f"SoundCloud does not give {what} (status 403): it is not public, or the app may not ask",
            hint=f"keys work while the account is a paid Artist Pro one: {APPS_PAGE}",
        )
    raise SourceError(f"SoundCloud does not give {what} (status {answer.status})", hint="try again later")
