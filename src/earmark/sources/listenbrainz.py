"""ListenBrainz: what a listener loves, and listens to most; tags of MusicBrainz for both.

What listeners love and listen to on ListenBrainz is public, and no key is needed. A token of one's own (the variable
EARMARK_LISTENBRAINZ_TOKEN, from https://listenbrainz.org/settings/) raises the number of requests that are allowed.
Servers of one's own that speak the same language are reached by the variable EARMARK_LISTENBRAINZ_URL.

Answers are kept on the disk: likes for an hour, what is known of a recording for 30 days.

References
----------
https://listenbrainz.readthedocs.io/en/latest/users/api/recordings.html (/1/feedback/user/.../get-feedback),
.../statistics.html (/1/stats/user/.../recordings; status 204 where there are none yet; at most 1,000 of all time),
.../core.html (/1/user/.../listens), .../metadata.html (/1/metadata/recording/; an address holds about 75 recordings)
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, get_args
from urllib.parse import quote

from earmark.errors import EarmarkError, InputError, SourceError, UsageError
from earmark.sources.answers import (
    DEFAULT_LIMIT,
    Progress,
    address_of,
    as_isrc,
    as_list,
    as_mapping,
    as_mbid,
    as_number,
    as_seconds,
    as_text,
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
from earmark.sources.http import Answer, Api, Text
from earmark.sources.likes import Like, Likes
from earmark.sources.secrets import Secret, find_secret, variable

SERVICE, ADDRESS = "listenbrainz", "https://api.listenbrainz.org"
PAGE = 200  # entries of a list asked for at a time
LISTENS_PAGE, MOST_LISTENS = 1000, 5000  # listens at a time, and in all, where there are no statistics yet
SCHEME = "Token "
BATCH = 50  # recordings asked about at a time
What = Literal["loves", "listens", "both"]
Period = Literal[
    "all_time", "this_week", "this_month", "this_year", "week", "month", "quarter", "half_yearly", "year"
]  # fmt: skip
NOTICE = "What listeners love and listen to on ListenBrainz is public."
TAGGED = ("recording", "release_group", "artist")  # whose tags are taken: of the first that has any


def listenbrainz_likes(
    user: str,
    *,
    what: What = "loves",
    period: Period = "all_time",
    limit: int = DEFAULT_LIMIT,
    tags: bool = True,
    api: Api | None = None,
    on_progress: Progress | None = None,
) -> Likes:
    """Get what a listener of ListenBrainz likes.

    Parameters
    ----------
    user : name on ListenBrainz
    what : "loves", the newest first; "listens", the recordings listened to most, with the number of listens as weight;
        or "both", the loved ones first, a love counting as much as a listen
    period : of the statistics that listens come from. Of a listener who has none of all time yet, the last 5,000
        listens are counted
    limit : number of likes at most
    tags : look up the tags of each recording; where it has none, of its release group, else of its artist
    api : the way to ListenBrainz; `make_api` unless given
    on_progress : takes how many likes are listed, and of how many

    Raises
    ------
    InputError
        If there is no such listener.
    UsageError
        If ListenBrainz does not accept the token, or an option has no such value.
    SourceError
        If ListenBrainz does not answer, or refuses.
    """
    user = check_user(user)
    check_limit(limit)
    check_choice("what", what, get_args(What))
    check_choice("period", period, get_args(Period))
    client = _Client(api or make_api(), _headers(), user)

    def make() -> Likes:
        loves = client.loves(limit, on_progress) if what != "listens" else _Listed()
        listens = client.top(period, limit, on_progress) if what != "loves" else _Listed()
        return Likes(
            user,
            SERVICE,
            client.described(take(united([*loves.likes, *listens.likes]), limit), tags=tags),
            url=f"https://listenbrainz.org/user/{quote(user, safe='')}/",
            attribution="Likes from ListenBrainz",
            notice=NOTICE,
            n_unusable=loves.n_unusable + listens.n_unusable,
        )

    key = json.dumps([client.api.base, what, period, limit, tags])
    return kept_likes(Cache(SERVICE, HOUR), user.casefold(), key, make, on_progress)


def make_api() -> Api:
    """Return the way to ListenBrainz, or to what stands in the variable EARMARK_LISTENBRAINZ_URL."""
    return Api("ListenBrainz", address_of(SERVICE, ADDRESS))


def _headers() -> dict[str, Text]:
    token = find_secret(SERVICE, "token")
    return {"Authorization": Secret(SCHEME + token.reveal())} if token else {}


@dataclass(frozen=True)
class _Listed:
    likes: Sequence[Like] = ()
    n_unusable: int = 0


@dataclass(frozen=True)
class _Client:
    """ListenBrainz, asked about one listener."""

    api: Api
    headers: Mapping[str, Text]
    user: str

    def loves(self, limit: int, on_progress: Progress | None) -> _Listed:
        """List what the listener loves, the newest first."""
        path = f"1/feedback/user/{quote(self.user, safe='')}/get-feedback"
        query = {"score": "1", "metadata": "true"}
        listed = self._list(path, query, ("feedback", "total_count"), _read_love, limit, on_progress)
        return replace(listed, likes=[replace(like, weight=1.0) for like in listed.likes[:limit]])

    def top(self, period: str, limit: int, on_progress: Progress | None) -> _Listed:
        """List the recordings that the listener listened to most."""
        path = f"1/stats/user/{quote(self.user, safe='')}/recordings"
        names = ("recordings", "total_recording_count")
        listed = self._list(path, {"range": period}, names, _read_top, limit, on_progress)
        if listed.likes or period != "all_time":
            return replace(listed, likes=listed.likes[:limit])
        return self._counted(limit, on_progress)

    def _list(
        self,
        path: str,
        query: Mapping[str, str],
        names: tuple[str, str],
        read: Callable[[Mapping[str, Any]], Like | None],
        limit: int,
        on_progress: Progress | None,
    ) -> _Listed:
        """Go through the pages of a list; what moved to the next page meanwhile counts once."""
        likes: dict[str, Like] = {}
        n_seen = n_unusable = 0
        last: list[Any] = []
        while len(likes) < limit and n_seen < 2 * limit + PAGE:  # an end also where no entry can be used
            data = self._ask(path, {**query, "count": str(PAGE), "offset": str(n_seen)})
            content = as_mapping(data.get("payload", data))
            entries = as_list(content.get(names[0]))
            if entries == last:  # also of a server that knows no pages
                break
            for entry in entries:
                like = read(as_mapping(entry))
                if like is None:
                    n_unusable += 1
                else:
                    likes.setdefault(json.dumps(entry, sort_keys=True), like)
            last, n_seen = entries, n_seen + len(entries)
            total = as_number(content.get(names[1]))
            tell(on_progress, min(len(likes), limit), min(int(total), limit) if total is not None else None)
            if total is not None and n_seen >= total:
                break
        return _Listed(united(likes.values()), n_unusable)

    def _counted(self, limit: int, on_progress: Progress | None) -> _Listed:
        """Count the last listens by recording."""
        path = f"1/user/{quote(self.user, safe='')}/listens"
        listens: list[Like] = []
        n_seen = n_unusable = 0
        before: float | None = None
        while n_seen < MOST_LISTENS:
            query = {"count": str(LISTENS_PAGE)} | ({"max_ts": f"{before:.0f}"} if before is not None else {})
            content = as_mapping(self._ask(path, query).get("payload"))
            entries = as_list(content.get("listens"))
            n_seen += len(entries)
            for entry in map(as_mapping, entries):
                like = _read_listen(as_mapping(entry.get("track_metadata")))
                listens += [like] if like else []
                n_unusable += like is None
            tell(on_progress, min(len(listens), MOST_LISTENS), None)
            times = [time for time in (as_number(as_mapping(entry).get("listened_at")) for entry in entries) if time]
            if not times or (before is not None and min(times) >= before):
                break
            before = min(times)
        return _Listed(take(united(listens), limit, by_weight=True), n_unusable)

    def described(self, likes: Sequence[Like], *, tags: bool) -> tuple[Like, ...]:
        """Return likes with what ListenBrainz knows of their recordings: tags, and the names that they lack."""
        wanted = [like.mb_recording_id for like in likes if like.mb_recording_id and (tags or not like.title)]
        known = self._recordings(dict.fromkeys(wanted))
        found = []
        for like in likes:
            facts = known.get(like.mb_recording_id, {})
            names = {name: facts[name] for name in ("artist", "title", "album", "duration") if facts.get(name)}
            lacking = {name: value for name, value in names.items() if not getattr(like, name)}
            found.append(replace(like, **lacking, tags=facts.get("tags", {}) if tags else {}))
        return tuple(found)

    def _recordings(self, mbids: Mapping[str, None]) -> dict[str, dict[str, Any]]:
        """Look recordings up, those that are not kept in batches."""
        cache = Cache(SERVICE, 30 * DAY)
        known: dict[str, dict[str, Any]] = {}
        for mbid in mbids:
            kept = cache.get("", f"{self.api.base} {mbid}")
            if isinstance(kept, dict):
                known[mbid] = kept
        waiting = iter([mbid for mbid in mbids if mbid not in known])
        while batch := list(islice(waiting, BATCH)):
            query = {"recording_mbids": ",".join(batch), "inc": "artist tag release"}
            data = self._ask("1/metadata/recording/", query)
            for mbid in batch:
                known[mbid] = _read_recording(as_mapping(data.get(mbid)))
                cache.put("", f"{self.api.base} {mbid}", known[mbid])
        return known

    def _ask(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what is answered, an empty object where there is nothing yet."""
        answer = self.api.get(path, query, headers=self.headers)
        if not answer.ok:
            raise _worded(answer, self.user, self._said(answer))
        if answer.data is None and answer.status == 204:
            return {}
        if not isinstance(answer.data, dict):
            raise SourceError(f"ListenBrainz: /{path} answers something else than expected", hint=_hint())
        return answer.data

    def _said(self, answer: Answer) -> str:
        """Return what ListenBrainz says of an error, without the token."""
        said = as_text(as_mapping(answer.data).get("error"))
        for text in self.headers.values():
            said = said.replace(text.reveal().removeprefix(SCHEME), "***") if isinstance(text, Secret) else said
        return said[:200]


def _read_love(entry: Mapping[str, Any]) -> Like | None:
    track = as_mapping(entry.get("track_metadata"))
    return _like(track, as_mbid(entry.get("recording_mbid")), as_text(entry.get("recording_msid")), weight=1.0)


def _read_top(entry: Mapping[str, Any]) -> Like | None:
    count = as_number(entry.get("listen_count"))
    if count is None or count <= 0:
        return None
    return _like(entry, as_mbid(entry.get("recording_mbid")), as_text(entry.get("recording_msid")), weight=count)


def _read_listen(track: Mapping[str, Any]) -> Like | None:
    return _like(track, "", "", weight=1.0)


def _like(track: Mapping[str, Any], mbid: str, msid: str, *, weight: float) -> Like | None:
    """Make a like of what ListenBrainz says about a track; None if that is neither title nor identifier."""
    mapping, more = as_mapping(track.get("mbid_mapping")), as_mapping(track.get("additional_info"))
    mbid = mbid or as_mbid(mapping.get("recording_mbid")) or as_mbid(more.get("recording_mbid"))
    title = as_text(track.get("track_name")) or as_text(mapping.get("recording_name"))
    if not title and not mbid:
        return None
    return Like(
        as_text(track.get("artist_name")),
        title,
        album=as_text(track.get("release_name")),
        duration=as_seconds(more.get("duration_ms"), per_second=1000.0) or as_seconds(more.get("duration")),
        isrc=as_isrc(more.get("isrc")),
        mb_recording_id=mbid,
        weight=weight,
        url=f"https://musicbrainz.org/recording/{mbid}" if mbid else "",
        source_id=mbid or msid or as_text(more.get("recording_msid")),
    )


def _read_recording(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Read what is known of a recording, as plain data."""
    recording, tags = as_mapping(entry.get("recording")), as_mapping(entry.get("tag"))
    weights: dict[str, float] = {}
    for level in TAGGED:
        given = map(as_mapping, as_list(tags.get(level)))
        weights = weights or tag_weights((tag.get("tag"), tag.get("count")) for tag in given)
    return {
        "title": as_text(recording.get("name")),
        "artist": as_text(as_mapping(entry.get("artist")).get("name")),
        "album": as_text(as_mapping(entry.get("release")).get("name")),
        "duration": as_seconds(recording.get("length"), per_second=1000.0),
        "tags": weights,
    }


def _worded(answer: Answer, user: str, said: str) -> EarmarkError:
    """Say what an error of ListenBrainz means, and what to do."""
    match answer.status:
        case 404 if "user" in said.lower():
            hint = f"is the name right? https://listenbrainz.org/user/{quote(user, safe='')}/"
            return InputError(f"ListenBrainz knows no listener {user!r}", hint=hint)
        case 401:
            hint = f"is {variable(SERVICE, 'token')} right? It is at https://listenbrainz.org/settings/; none is needed"
            return UsageError("ListenBrainz does not accept the token", hint=hint)
        case 403:
            return SourceError(f"ListenBrainz: the data of {user} is private", hint="ask the listener to show it")
    return SourceError(f"ListenBrainz: HTTP status {answer.status}{': ' if said else ''}{said}", hint=_hint())


def _hint() -> str:
    return f"try again later; is {variable(SERVICE, 'url')} right, if it is set?"
