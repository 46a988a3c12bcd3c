"""Playlists that players make, kept in the folder for data. They are the house's: whoever may log in has them all.

References
----------
https://opensubsonic.netlify.app/docs/endpoints/: createplaylist, updateplaylist, deleteplaylist
"""

import datetime
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from earmark.service.kept import Kept
from earmark.service.players.failures import GENERIC, NOT_FOUND, Failure

FILE = "playlists.json"
MOST_PLAYLISTS, MOST_SONGS, _MOST_TEXT = 2000, 20_000, 2000


@dataclass(frozen=True)
class Playlist:
    """A playlist.

    Parameters
    ----------
    id : made at random
    name, comment : as the player gave them
    owner : who made it
    public : as the player wishes; everybody sees it here
    created, changed : when, UTC, ISO 8601
    songs : ids, in their order
    """

    id: str
    name: str
    comment: str
    owner: str
    public: bool
    created: str
    changed: str
    songs: tuple[str, ...]


class Playlists:
    """The playlists of a service.

    Parameters
    ----------
    folder : for data of the service
    """

    def __init__(self, folder: Path) -> None:
        self._kept: Kept[tuple[Playlist, ...]] = Kept(folder / FILE, _parse, ())

    def list(self) -> tuple[Playlist, ...]:
        """Return them in the order in which they were made."""
        return self._kept.read()

    def get(self, key: str) -> Playlist:
        """Return one.

        Raises
        ------
        Failure
            If there is none of that id.
        """
        return _find(self.list(), key)

    def create(self, name: str, owner: str, songs: Sequence[str]) -> Playlist:
        """Make one.

        Parameters
        ----------
        name : need not be unique
        owner : who makes it
        songs : ids that exist

        Raises
        ------
        Failure
            If it is too long, or there are too many.
        """
        now = _now()
        made = Playlist(f"pl-{secrets.token_hex(8)}", _short(name), "", owner, True, now, now, _few(songs))
        with self._kept.changing() as known:
            if len(known) >= MOST_PLAYLISTS:
                raise Failure(GENERIC, f"there are {MOST_PLAYLISTS} playlists already", hint="delete some first")
            self._write((*known, made))
        return made

    def change(
        self,
        key: str,
        *,
        name: str | None = None,
        comment: str | None = None,
        public: bool | None = None,
        songs: Callable[[tuple[str, ...]], Sequence[str]] | None = None,
    ) -> Playlist:
        """Change one.

        Parameters
        ----------
        key : its id
        name, comment, public : as it is to be; None leaves it as it is
        songs : makes of its songs those that it is to have

        Raises
        ------
        Failure
            If there is none of that id, or it becomes too long.
        """
        with self._kept.changing() as known:
            old = _find(known, key)
            made = replace(
                old,
                name=old.name if name is None else _short(name),
                comment=old.comment if comment is None else _short(comment),
                public=old.public if public is None else public,
                songs=old.songs if songs is None else _few(songs(old.songs)),
                changed=_now(),
            )
            self._write(tuple(made if one.id == key else one for one in known))
        return made

    def delete(self, key: str) -> None:
        """Let one be none.

        Raises
        ------
        Failure
            If there is none of that id.
        """
        with self._kept.changing() as known:
            _find(known, key)
            self._write(tuple(one for one in known if one.id != key))

    def _write(self, playlists: Sequence[Playlist]) -> None:
        self._kept.write({"playlists": [asdict(one) for one in playlists]})


def edited(songs: Sequence[str], visible: Collection[str], remove: Collection[int], add: Sequence[str]) -> list[str]:
    """Return the songs of a playlist after some went and some came.

    Parameters
    ----------
    songs : ids, as they are kept
    visible : ids of songs that exist; a player counts those alone
    remove : places among those that it sees, from 0
    add : ids that come at the end

    Raises
    ------
    Failure
        If there is no such place.

    Examples
    --------
    >>> edited(["a", "gone", "b", "c"], {"a", "b", "c"}, [1], ["a"])
    ['a', 'gone', 'c', 'a']
    """
    places = [i for i, one in enumerate(songs) if one in visible]
    beyond = [place for place in remove if not 0 <= place < len(places)]
    if beyond:
        raise Failure(GENERIC, f"songIndexToRemove is {beyond[0]}, but the playlist has {len(places)} songs")
    gone = {places[place] for place in remove}
    return [one for i, one in enumerate(songs) if i not in gone] + list(add)


def _find(playlists: Sequence[Playlist], key: str) -> Playlist:
    for one in playlists:
        if one.id == key:
            return one
    raise Failure(NOT_FOUND, f"there is no playlist {key[:80]!r}")


def _short(text: str) -> str:
    if len(text) > _MOST_TEXT:
        raise Failure(GENERIC, f"a name or comment of {len(text)} characters, at most {_MOST_TEXT} are kept")
    return text


def _few(songs: Sequence[str]) -> tuple[str, ...]:
    if len(songs) > MOST_SONGS:
        raise Failure(GENERIC, f"{len(songs)} songs in a playlist, at most {MOST_SONGS} are kept")
    return tuple(songs)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse(plain: Any) -> tuple[Playlist, ...]:
    texts = ("id", "name", "comment", "owner", "created", "changed")
    return tuple(
        Playlist(
            **{name: str(one[name]) for name in texts},
            public=bool(one["public"]),
            songs=tuple(str(song) for song in one["songs"]),
        )
        for one in plain["playlists"]
    )
