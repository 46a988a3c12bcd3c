"""`Library`: everything that the command line does with a catalogue, from Python."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from earmark.library import exchange, managing, own_tags
from earmark.library.adding import Added, AddProgress, add
from earmark.library.agreeing import compatibility
from earmark.library.charting import draw_map
from earmark.library.checking import Checked, check
from earmark.library.choosing import path, playlist
from earmark.library.columns import condition
from earmark.library.duplicates import DuplicateGroup, OnProgress
from earmark.library.heads import Head, save_head
from earmark.library.listeners import OnLikes
from earmark.library.listening import Setup
from earmark.library.mapping import Method
from earmark.library.models import describe
from earmark.library.playlists.making import Route
from earmark.library.resolving import find, find_all
from earmark.library.rows import LibraryTrack
from earmark.library.search import Match, Seed, search, similar
from earmark.library.store import Store
from earmark.library.taste.comparing import Compatibility
from earmark.models.paths import ModelName
from earmark.models.weights import Progress
from earmark.plots.links import Links
from earmark.plots.map_data import MapData


class Library:
    """A catalogue of music.

    Parameters
    ----------
    path : a folder, or the address of an object store; EARMARK_LIBRARY, or the user's own, unless given
    create : make it if it is not there
    wait : seconds to wait for another process that writes to it; None waits until that ends
    on_wait : called when it has to be waited

    Raises
    ------
    InputError
        If there is none and `create` is not set, or it cannot be read.
    UsageError
        If the CPU cannot run LanceDB.
    MissingExtraError
        If the extra [library] is not installed.

    Examples
    --------
    >>> import earmark
    >>> library = earmark.Library("catalogue")  # doctest: +SKIP
    >>> library.add("~/Music")  # doctest: +SKIP
    >>> for match in library.similar("song.mp3"):  # doctest: +SKIP
    ...     print(match.track.name, match.similarity)
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        wait: float | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self.store = Store(path, create=create)
        self._wait, self._on_wait = wait, on_wait

    def __len__(self) -> int:
        return self.store.count()

    def __repr__(self) -> str:
        return f"<Library {self.store.address!r}, {len(self)} tracks>"

    def _writing(self) -> AbstractContextManager[Any]:
        return self.store.writing(wait=self._wait, on_wait=self._on_wait)

    def add(
        self,
        *sources: str | os.PathLike[str],
        model: ModelName | None = None,
        preset: str = "standard",
        engine: str = "auto",
        device: str = "auto",
        whole: bool = False,
        jobs: int | None = None,
        retry_failed: bool = False,
        on_progress: Callable[[AddProgress], None] | None = None,
        on_download: Progress | None = None,
    ) -> Added:
        """Hear what is new or changed in folders.

        Parameters
        ----------
        sources : folders, or files; those that were added before if there is none
        model, preset, engine, device : as `Tagger` takes them
        whole : listen to every chunk; else to one of every 12 s
        jobs : files at a time, each in a process; CPUs unless given
        retry_failed : try files again that failed before and have not changed since
        on_progress : called after every file
        on_download : called with the bytes done and the bytes in all while weights are fetched
        """
        described = describe(model, preset=preset, progress=on_download)
        setup = Setup(model, preset, engine, device, whole)
        with self._writing():
            added = add(
                self.store, [os.fspath(source) for source in sources], described, setup=setup, jobs=jobs,
                retry_failed=retry_failed, on_progress=on_progress,
            )  # fmt: skip
            own_tags.refresh(self.store)
            return added

    def status(self) -> managing.Status:
        """Count what is in the catalogue."""
        return managing.status(self.store)

    def failures(self) -> list[managing.Failure]:
        """Return the files that could not be analysed, and why."""
        return managing.failures(self.store)

    def list(self, *, filter: str | None = None, embeddings: bool = False) -> Iterator[LibraryTrack]:
        """Yield tracks, read as they are needed.

        Parameters
        ----------
        filter : such as "genre:jazz and bpm < 100"; docs/concepts/finding-music.md has the whole grammar
        embeddings : read embeddings, too
        """
        return self.store.tracks(where=condition(self.store, filter), embeddings=embeddings)

    def __iter__(self) -> Iterator[LibraryTrack]:
        return self.list()

    def show(self, track: str, *, embeddings: bool = False) -> LibraryTrack:
        """Find one track by a file, an id or a title; see `earmark.library.resolving.find`."""
        return find(self.store, track, embeddings=embeddings)

    def remove(self, *tracks: str) -> int:
        """Take tracks out of the catalogue, not off the disk; return how many went."""
        found = find_all(self.store, tracks)
        with self._writing():
            return managing.remove(self.store, [track.id for track in found])

    def missing(self) -> Sequence[str]:
        """Return the files that are not there any more."""
        return managing.missing_files(self.store)

    def prune(self, paths: Sequence[str] | None = None) -> int:
        """Forget files that are gone, and tracks that have no other; return how many tracks went.

        Parameters
        ----------
        paths : of files; all that are missing unless given
        """
        gone = self.missing() if paths is None else paths
        with self._writing():
            return managing.prune(self.store, gone)

    def similar(
        self,
        *seeds: str | Seed,
        n: int = 10,
        same_artist: bool = True,
        blend: Mapping[str, float] | None = None,
        filter: str | None = None,
        model: str | None = None,
    ) -> Sequence[Match]:
        """Find the tracks that sound most like some, and least like others; see `earmark.library.search.similar`."""
        return similar(self.store, seeds, n=n, same_artist=same_artist, blend=blend, filter=filter, model=model)

    def search(self, words: str, *, n: int = 10, filter: str | None = None) -> Sequence[Match]:
        """Find the tracks that a few tags describe; see `earmark.library.search.search`."""
        return search(self.store, words, n=n, filter=filter)

    def duplicates(
        self, *, filter: str | None = None, min_seconds: float = 5.0, on_progress: OnProgress | None = None
    ) -> Sequence[DuplicateGroup]:
        """Find tracks that hold the same recording; see `earmark.library.duplicates.find_duplicates`."""
        where = condition(self.store, filter)
        return managing.duplicates(self.store, where=where, min_seconds=min_seconds, on_progress=on_progress)

    def playlist(
        self,
        *seeds: str | Seed,
        length: int | None = None,
        minutes: float | None = None,
        moods: Sequence[str] = (),
        filter: str | None = None,
        no_repeat_artist: int | None = None,
        route: Route = "around",
        variety: float = 0.0,
        random_seed: int = 0,
        model: str | None = None,
    ) -> Sequence[LibraryTrack]:
        """Make a playlist; see `earmark.library.choosing.playlist`, and `write_playlist` for a file."""
        return playlist(
            self.store, seeds, length=length, minutes=minutes, moods=moods, filter=filter,
            no_repeat_artist=no_repeat_artist, route=route, variety=variety, random_seed=random_seed, model=model,
        )  # fmt: skip

    def path(
        self, start: str, end: str, *, n: int = 10, filter: str | None = None, model: str | None = None
    ) -> Sequence[LibraryTrack]:
        """Find tracks that lead from one to another in even steps; see `earmark.library.choosing.path`."""
        return path(self.store, start, end, n=n, filter=filter, model=model)

    def compatibility(
        self,
        a: str,
        b: str,
        *,
        by: str = "auto",
        limit: int = 1000,
        mix: bool = False,
        seed: int = 0,
        jobs: int | None = None,
        on_progress: Callable[[AddProgress], None] | None = None,
        on_likes: OnLikes | None = None,
    ) -> Compatibility:
        """Tell how well two people's taste agrees, and why; see `earmark.library.agreeing.compatibility`."""
        return compatibility(
            a, b, library=self.store, by=by, limit=limit, mix=mix, seed=seed, jobs=jobs, on_progress=on_progress,
            on_likes=on_likes,
        )  # fmt: skip

    def map(
        self,
        path: str | os.PathLike[str],
        *,
        colour: str | None = None,
        method: Method = "auto",
        groups: int | bool = False,
        filter: str | None = None,
        links: Links = "relative",
        dark: bool = False,
        model: str | None = None,
        seed: int = 0,
        heading: str = "Your music",
    ) -> MapData:
        """Draw every track as a dot, alike near alike; return the dots.

        Parameters
        ----------
        path : of a .html page, or a .png, .svg or .pdf picture
        colour : what dots are coloured by at first: a tag, or "group", "artist", "genre", "key", "bpm", "year",
            "duration"
        dark : a picture on black; a page does as the browser does
        method, groups, filter, model, seed, heading : see `earmark.library.charting.chart`
        links : how a page leads to the music: "relative" to its folder, "absolute", or "none"

        Raises
        ------
        UsageError
            If the suffix is another one.
        """
        return draw_map(
            self.store, path, colour=colour, method=method, groups=groups, filter=filter, links=links, dark=dark,
            model=model, seed=seed, heading=heading,
        )  # fmt: skip

    def teach(
        self,
        name: str,
        *,
        yes: Sequence[str] = (),
        no: Sequence[str] = (),
        forget: Sequence[str] = (),
        category: str | None = None,
        model: str | None = None,
    ) -> Head:
        """Teach a tag of your own, or teach it further; see `earmark.library.own_tags.teach_tag`."""
        with self._writing():
            return own_tags.teach_tag(self.store, name, yes=yes, no=no, forget=forget, category=category, model=model)

    def suggest(self, name: str, *, n: int = 10) -> Sequence[tuple[LibraryTrack, float]]:
        """Choose the tracks whose answer would help a tag most; see `earmark.library.own_tags.suggestions`."""
        return own_tags.suggestions(self.store, name, n=n)

    def apply(self, name: str) -> own_tags.Applied:
        """Give every track its score of a tag that was taught."""
        with self._writing():
            return own_tags.apply_tag(self.store, name)

    def taught(self) -> Sequence[own_tags.OwnTag]:
        """Return the tags that were taught, by name."""
        return own_tags.own_tags(self.store)

    def export_tag(self, name: str, path: str | os.PathLike[str]) -> None:
        """Write a tag that was taught to a small file, to be shared."""
        save_head(own_tags.get_head(self.store, name), path)

    def import_tag(self, path: str | os.PathLike[str], *, force: bool = False) -> Head:
        """Take a tag in that was shared as a file; see `earmark.library.own_tags.import_tag`."""
        with self._writing():
            return own_tags.import_tag(self.store, path, force=force)

    def remove_tag(self, name: str) -> None:
        """Take out a tag that was taught, its answers and its scores."""
        with self._writing():
            own_tags.remove_tag(self.store, name)

    def check(
        self,
        labels: str | os.PathLike[str],
        *,
        options: Mapping[str, Any] | None = None,
        floors: Sequence[str] = ("prior",),
        resamples: int = 1000,
    ) -> Checked:
        """Judge the scores of the catalogue by labels of your own; see `earmark.library.checking.check`."""
        return check(labels, store=self.store, options=options, floors=floors, resamples=resamples)

    def export(self, path: str | os.PathLike[str], *, filter: str | None = None) -> int:
        """Write tracks to a .parquet, .csv or .jsonl file; return how many. See `earmark.library.exchange.export`."""
        return exchange.export(self.store, path, where=condition(self.store, filter))

    def import_from(self, path: str | os.PathLike[str]) -> exchange.Imported:
        """Read tracks that `export` wrote; see `earmark.library.exchange.import_from`."""
        with self._writing():
            done = exchange.import_from(self.store, path)
            self.store.tidy()
            return done

    def to_arrow(self, *, filter: str | None = None, columns: Sequence[str] | None = None) -> Any:
        """Return the catalogue as a pyarrow.Table; its columns are described in `earmark.library.schema`."""
        return self.store.arrow(columns, where=condition(self.store, filter))

    def to_polars(self, *, filter: str | None = None, columns: Sequence[str] | None = None) -> Any:
        """Return the catalogue as a polars.DataFrame.

        Raises
        ------
        UsageError
            If polars is not installed.
        """
        from earmark.errors import UsageError

        try:
            import polars
        except ImportError as error:
            raise UsageError("polars is not installed", hint="pip install polars; or take to_arrow()") from error
        return polars.from_arrow(self.to_arrow(filter=filter, columns=columns))
