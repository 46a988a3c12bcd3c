"""What the clients of services share: odd values made plain or left out, likes of one track made one, likes kept."""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from earmark.errors import UsageError
from earmark.sources.cache import Cache
from earmark.sources.likes import Like, Likes, like_from_dict
from earmark.sources.secrets import variable

Progress = Callable[[int, int | None], None]
"""Takes how many are done, and of how many, None where that is not known."""

DEFAULT_LIMIT = 1000
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")


def as_text(value: Any) -> str:
    r"""Return a text on one line, without spaces at its ends; empty if it is none.

    Examples
    --------
    >>> as_text(" hip\n hop "), as_text(None), as_text(3)
    ('hip hop', '', '')
    """
    if not isinstance(value, str):
        return ""
    return " ".join(value.encode("utf-8", "replace").decode("utf-8").split())


def as_number(value: Any) -> float | None:
    """Return a number, also one that is written as a text; None if it is none, or no finite one.

    Examples
    --------
    >>> as_number("440"), as_number(2.5), as_number("many"), as_number(True), as_number("nan")
    (440.0, 2.5, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_seconds(value: Any, *, per_second: float = 1.0) -> float | None:
    """Return a duration in seconds; None if it is none, or 0, which stands for "not known"."""
    number = as_number(value)
    return number / per_second if number is not None and number > 0 else None


def as_mbid(value: Any) -> str:
    """Return an identifier of MusicBrainz in small letters, also out of its address; empty if it is none.

    Examples
    --------
    >>> as_mbid("https://musicbrainz.org/recording/0EF2F43E-51D4-4930-9052-3820358044D5"), as_mbid("none")
    ('0ef2f43e-51d4-4930-9052-3820358044d5', '')
    """
    text = as_text(value).rstrip("/").rpartition("/")[2]
    return text.lower() if _MBID.fullmatch(text) else ""


def as_isrc(value: Any) -> str:
    """Return an ISRC without hyphens; empty if it is none.

    Examples
    --------
    >>> as_isrc("us-rc1-76-07839"), as_isrc("USRC1")
    ('USRC17607839', '')
    """
    text = re.sub(r"[\s-]", "", as_text(value)).upper()
    return text if _ISRC.fullmatch(text) else ""


def as_url(value: Any) -> str:
    """Return an address of a page; empty if it is none."""
    text = as_text(value)
    return text if text.startswith(("https://", "http://")) and " " not in text else ""


def as_list(value: Any) -> list[Any]:
    """Return a list; of services that leave the list out around one entry, that entry.

    Examples
    --------
    >>> as_list([1, 2]), as_list({"name": "rock"}), as_list(None), as_list("")
    ([1, 2], [{'name': 'rock'}], [], [])
    """
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, Mapping) else []


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return an object of JSON; an empty one if it is none."""
    return value if isinstance(value, Mapping) else {}


def tag_weights(pairs: Iterable[tuple[Any, Any]], *, most: float | None = None) -> dict[str, float]:
    """Bring counts of tags to weights in (0, 1], the heaviest first; what has no name or no count is left out.

    Parameters
    ----------
    pairs : names and counts; of one that stands there twice the larger count is taken
    most : the count that has weight 1; the largest there is unless given

    Examples
    --------
    >>> tag_weights([("rock", 2), ("pop", "8"), ("", 9), ("odd", 0)])
    {'pop': 1.0, 'rock': 0.25}
    """
    counts: dict[str, float] = {}
    for name, count in ((as_text(name), as_number(count)) for name, count in pairs):
        if name and count is not None and count > counts.get(name, 0.0):
            counts[name] = count
    top = most or max(counts.values(), default=1.0)
    return {name: min(counts[name] / top, 1.0) for name in sorted(counts, key=lambda name: -counts[name])}


def united(likes: Iterable[Like]) -> list[Like]:
    """Make one like of those of the same recording: the first one with the weights of all, and what it lacked.

    Recordings are the same if their identifiers of MusicBrainz or their ISRCs are, or, where one of two has none, if
    artist and title are, upper and lower case making no difference.
    """
    found: list[Like] = []
    places: dict[tuple[str, ...], int] = {}
    for like in likes:
        keys = _keys(like)
        place = next((places[key] for key in keys if key in places and _may_be(like, found[places[key]])), None)
        if place is None:
            place = len(found)
            found.append(like)
        else:
            found[place] = _with(found[place], like)
        for key in keys:
            places.setdefault(key, place)
    return found


def _keys(like: Like) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = [("mbid", like.mb_recording_id)] if like.mb_recording_id else []
    keys += [("isrc", like.isrc)] if like.isrc else []
    return [*keys, ("name", like.artist.casefold(), like.title.casefold())] if like.title else keys


def _may_be(one: Like, other: Like) -> bool:
    """Say whether no identifier tells two likes apart."""
    if one.mb_recording_id and other.mb_recording_id:
        return one.mb_recording_id == other.mb_recording_id
    return not (one.isrc and other.isrc and one.isrc != other.isrc)


def _with(like: Like, other: Like) -> Like:
    lacking = {name: value for name, value in vars(other).items() if value and not getattr(like, name)}
    return replace(like, **{**lacking, "weight": like.weight + other.weight})


def take(likes: Sequence[Like], limit: int, *, by_weight: bool = False) -> tuple[Like, ...]:
    """Return the first likes, or those of the largest weight, the largest first."""
    chosen = sorted(likes, key=lambda like: -like.weight) if by_weight else likes
    return tuple(chosen[:limit])


def kept_likes(cache: Cache, listener: str, key: str, make: Callable[[], Likes], on_progress: Progress | None) -> Likes:
    """Return the likes that were kept under a key, or make and keep them."""
    plain = cache.get(listener, key)
    try:
        likes = Likes(**{**plain, "likes": tuple(like_from_dict(like) for like in plain["likes"])})
    except (TypeError, KeyError):
        likes = make()
        cache.put(listener, key, asdict(likes))
    else:
        tell(on_progress, len(likes.likes), len(likes.likes))
    return likes


def tell(on_progress: Progress | None, done: int, total: int | None) -> None:
    """Tell somebody who wants to know."""
    if on_progress is not None:
        on_progress(done, total)


def address_of(service: str, default: str) -> str:
    """Return the address of a service: the variable EARMARK_<SERVICE>_URL, else its own."""
    return os.environ.get(variable(service, "url")) or default


def check_user(user: str) -> str:
    """Return the name of a listener without spaces around it.

    Raises
    ------
    UsageError
        If there is none.
    """
    if not user.strip():
        raise UsageError("the name of the listener is empty")
    return user.strip()


def check_limit(limit: int) -> None:
    """Raise `UsageError` unless a number of likes is above 0."""
    if limit < 1:
        raise UsageError(f"limit={limit}: expected at least 1")


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise `UsageError` unless a value is one of those there are."""
    if value not in known:
        raise UsageError(f"{name}={value!r}", hint=f"one of {', '.join(known)}")
