"""Artists, albums and songs as a tree, built from one scan of the catalogue, and kept until the catalogue changes."""

import datetime
import hashlib
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from earmark.library.folding import fold
from earmark.library.schema import MODELS, TRACKS
from earmark.service.players.songs import Places, Song, read_songs, split_artists
from earmark.service.state import Service

ARTICLES = "The El La Los Las Le Les"
"""Words at the beginning of a name that do not count where names are put in order."""
_ARTICLE = re.compile(f"(?:{'|'.join(ARTICLES.lower().split())}) +(?=.)")
_PATIENCE = 10.0  # times what reading took; sooner it is not read again, while somebody fills the catalogue


@dataclass(frozen=True, eq=False)
class Album:
    """An album.

    Parameters
    ----------
    id : stable, made of the folded names
    name, artist : as they are shown
    songs : in their order
    """

    id: str
    name: str
    artist: str
    songs: tuple[Song, ...]

    @property
    def artists(self) -> tuple[str, ...]:
        """The artists one by one."""
        return split_artists(self.artist)

    @cached_property
    def genres(self) -> tuple[str, ...]:
        """The genres of its songs, the most frequent first."""
        return tuple(_by_number(genre for song in self.songs for genre in song.genres))

    @cached_property
    def moods(self) -> tuple[str, ...]:
        """The moods of its songs, the most frequent first."""
        return tuple(_by_number(mood for song in self.songs for mood in song.moods))

    @property
    def year(self) -> int | None:
        """The year of its first song that has one."""
        return next((song.year for song in self.songs if song.year), None)

    @property
    def added(self) -> datetime.datetime:
        """When its first song came into the catalogue."""
        return min(song.added for song in self.songs)


@dataclass(frozen=True, eq=False)
class Artist:
    """An artist.

    Parameters
    ----------
    id : stable, made of the folded name
    name : as it is shown
    albums : by this artist, then those with a song by this artist
    """

    id: str
    name: str
    albums: tuple[Album, ...]


@dataclass(frozen=True, eq=False)
class Genre:
    """A genre: its name, how many songs and albums have it."""

    name: str
    n_songs: int
    n_albums: int


class Tree:
    """Everything that players can browse.

    Parameters
    ----------
    songs : of the catalogue
    modified : when it was read
    """

    def __init__(self, songs: Iterable[Song], modified: datetime.datetime) -> None:
        self.modified = modified
        groups: dict[str, list[Song]] = {}
        for song in songs:
            groups.setdefault(album_id(song.album_artist, song.album), []).append(song)
        made = [
            Album(key, group[0].album, group[0].album_artist, tuple(sorted(group, key=_place)))
            for key, group in ((key, sorted(group, key=lambda song: song.id)) for key, group in groups.items())
        ]
        self.albums = {album.id: album for album in sorted(made, key=lambda album: (sort_name(album.name), album.id))}
        self.songs = {song.id: song for album in self._by_artist for song in album.songs}
        self.artists = {artist.id: artist for artist in self._artists()}

    @cached_property
    def _by_artist(self) -> list[Album]:
        return sorted(
            self.albums.values(), key=lambda album: (sort_name(album.artist), album.year or 0, sort_name(album.name))
        )

    @property
    def albums_by_artist(self) -> Sequence[Album]:
        """Albums in the order of their artists, the oldest first."""
        return self._by_artist

    def _artists(self) -> list[Artist]:
        names: dict[str, str] = {}
        own: dict[str, list[Album]] = {}
        guest: dict[str, list[Album]] = {}
        for album in self._by_artist:
            for name in album.artists:
                key = artist_id(name)
                names.setdefault(key, name)
                own.setdefault(key, []).append(album)
            for name in dict.fromkeys(name for song in album.songs for name in song.artists):
                key = artist_id(name)
                names.setdefault(key, name)
                if album not in own.get(key, ()):
                    guest.setdefault(key, []).append(album)
        made = [Artist(key, name, (*own.get(key, ()), *guest.get(key, ()))) for key, name in names.items()]
        return sorted(made, key=lambda artist: (sort_name(artist.name), artist.id))

    @cached_property
    def genres(self) -> list[Genre]:
        """The genres, by name."""
        names: dict[str, str] = {}
        counts: dict[str, list[int]] = {}
        for album in self.albums.values():
            seen = set()
            for song in album.songs:
                for genre in {fold(one): one for one in song.genres}.items():
                    names.setdefault(*genre)
                    counts.setdefault(genre[0], [0, 0])[0] += 1
                    seen.add(genre[0])
            for key in seen:
                counts[key][1] += 1
        return [Genre(names[key], *counts[key]) for key in sorted(names)]

    @cached_property
    def texts(self) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
        """Folded texts of artists, albums and songs, in the order in which the tree holds them."""
        return (
            [fold(artist.name) for artist in self.artists.values()],
            [fold(f"{album.name} {album.artist}") for album in self.albums.values()],
            [fold(f"{song.title} {song.artist} {song.album}") for song in self.songs.values()],
        )

    @cached_property
    def _by_file(self) -> Mapping[str, Sequence[tuple[tuple[str, ...], str]]]:
        found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for song in self.songs.values():
            for path in song.files:
                parts = _parts(path)
                found.setdefault(parts[-1], []).append((parts, song.id))
        return found

    @cached_property
    def _by_mbid(self) -> Mapping[str, str]:
        return {song.mbid.lower(): song.id for song in reversed(self.songs.values()) if song.mbid}

    @cached_property
    def _by_name(self) -> Mapping[tuple[str, str], str]:
        return {(fold(song.artist), fold(song.title)): song.id for song in reversed(self.songs.values())}

    def by_path(self, text: str) -> list[Song]:
        """Return the songs whose file another server calls by a path; no file is looked at.

        Parameters
        ----------
        text : of the other server: its folders may lie elsewhere, so that paths are compared from their end. All of a
            relative path has to be the same; of an absolute one the name of the file and its folder at least
        """
        wanted = _parts(text)
        if not wanted:
            return []
        is_absolute = text.startswith(("/", "\\")) or wanted[0].endswith(":")
        least = min(2, len(wanted)) if is_absolute else len(wanted)
        scores: dict[str, int] = {}
        for parts, key in self._by_file.get(wanted[-1], ()):
            same = 0
            while same < min(len(parts), len(wanted)) and parts[-1 - same] == wanted[-1 - same]:
                same += 1
            if same >= least:
                scores[key] = max(same, scores.get(key, 0))
        best = max(scores.values(), default=0)
        return [self.songs[key] for key, same in scores.items() if same == best]

    def by_mbid(self, text: str) -> Song | None:
        """Return the song of a MusicBrainz recording."""
        key = self._by_mbid.get(text.strip().lower())
        return None if key is None else self.songs[key]

    def by_name(self, artist: str, title: str) -> Song | None:
        """Return the song of an artist that has a title, whatever the case of its letters."""
        key = self._by_name.get((fold(artist), fold(title)))
        return None if key is None else self.songs[key]


class Shelf:
    """Keeps the tree of a service until its catalogue changes.

    Parameters
    ----------
    service : whose catalogue
    clock : seconds, which never go back
    """

    def __init__(self, service: Service, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._service, self._clock = service, clock
        self.places = Places(service.settings.music)
        self._lock = threading.Lock()
        self._tree: Tree | None = None
        self._version: tuple[int, ...] = ()
        self._not_before = 0.0

    def tree(self) -> Tree:
        """Return the tree; read anew if the catalogue has changed.

        While a catalogue is being filled it changes all the time: then the tree may be so old as ten times what
        reading it takes.
        """
        with self._lock:
            begun = self._clock()
            if self._tree is not None and begun < self._not_before:
                return self._tree
            store = self._service.library().store
            version = tuple(store.table(name).version for name in (TRACKS, MODELS))
            if self._tree is None or version != self._version:
                self._tree = Tree(
                    read_songs(store, Places(self._service.settings.music)), datetime.datetime.now(datetime.UTC)
                )
                self._version = version
                self._not_before = self._clock() + _PATIENCE * (self._clock() - begun)
            return self._tree


def artist_id(name: str) -> str:
    """Return the id of an artist: the same as long as the name is, whatever the case of its letters.

    Examples
    --------
    >>> artist_id("Beyoncé") == artist_id("BEYONCE"), artist_id("ABBA")[:6]
    (True, 'ar-e22')
    """
    return f"ar-{_digest(fold(name))}"


def album_id(artist: str, name: str) -> str:
    """Return the id of an album."""
    return "al-" + _digest("\0".join((fold(artist), fold(name))))


def sort_name(name: str) -> str:
    """Return what a name is put in order by: folded, without an article.

    Examples
    --------
    >>> sort_name("The Beatles"), sort_name("The The"), sort_name("Therapy?"), sort_name("The")
    ('beatles', 'the', 'therapy?', 'the')
    """
    folded = fold(name)
    return _ARTICLE.sub("", folded, count=1) if _ARTICLE.match(folded) else folded


def index_of(name: str) -> str:
    """Return the letter under which a name stands; "#" for what is none.

    Examples
    --------
    >>> index_of("The Beatles"), index_of("2Pac"), index_of("Éros")
    ('B', '#', 'E')
    """
    first = sort_name(name)[:1].upper()
    return first if first.isalpha() else "#"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _place(song: Song) -> tuple[int, int, str, str]:
    return (song.disc or 1, song.track or 0, fold(song.title), song.id)


def _by_number(names: Iterable[str]) -> list[str]:
    """Return names, each once, the most frequent first."""
    counts: dict[str, int] = {}
    shown: dict[str, str] = {}
    for name in names:
        key = fold(name)
        shown.setdefault(key, name)
        counts[key] = counts.get(key, 0) + 1
    return [shown[key] for key in sorted(counts, key=lambda key: -counts[key])]


def _parts(path: str) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part) for part in re.split(r"[/\\]+", path) if part not in ("", "."))
