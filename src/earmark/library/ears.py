"""Hear what two listeners like: from the catalogue where it is known, else into one that is kept beside it.

What somebody else likes does not belong into a user's catalogue. It is heard into a second one in the cache folder, so
that it is heard once.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from earmark.assets import cache_dir
from earmark.errors import EarmarkError, InputError
from earmark.library.adding import AddProgress, add
from earmark.library.listening import Setup, place_of
from earmark.library.managing import failures
from earmark.library.models import StoredModel, describe
from earmark.library.rows import FilePlace, LibraryTrack
from earmark.library.schema import TRACKS, read_files
from earmark.library.store import Store
from earmark.library.taste.listener import TasteTrack
from earmark.library.vectors import search_vector
from earmark.models.weights import Progress
from earmark.tagger import PRESETS


def side_address() -> str:
    """Return where music is heard into that is not in the user's catalogue."""
    return str(cache_dir() / "listeners")


@dataclass
class Ears:
    """A model that hears files once.

    Parameters
    ----------
    store : the user's catalogue; None if there is none
    jobs : files at a time; CPUs unless given
    on_progress : called after every file that is heard
    on_download : called while weights are fetched
    """

    store: Store | None
    jobs: int | None = None
    on_progress: Callable[[AddProgress], None] | None = None
    on_download: Progress | None = None
    failures: list[tuple[str, EarmarkError]] = field(default_factory=list)
    _model: StoredModel | None = None
    _side: Store | None = None
    _known: dict[str, tuple[str, FilePlace]] | None = None

    @property
    def model(self) -> StoredModel:
        """The model, or preset, that hears: the one that the catalogue used first, else the preset "standard"."""
        if self._model is None:
            used = [] if self.store is None else [one for one in self.store.models() if one.n_features]
            self._model = used[0] if used else describe(progress=self.on_download)
        return self._model

    def catalogue(self, *, where: str | None = None, ids: Sequence[str] | None = None) -> Iterator[TasteTrack]:
        """Yield tracks of the user's catalogue that were heard."""
        if self.store is not None and self.store.count():
            for track in self.store.tracks(where=where, ids=ids, models=[self.model], embeddings=True):
                yield from self._taste(track)

    def files(self, paths: Sequence[str], *, folder: str | None = None) -> list[TasteTrack]:
        """Return the tracks of files, in order, each once; see `by_path`."""
        return list({track.id: track for track in self.by_path(paths, folder=folder).values()}.values())

    def by_path(self, paths: Sequence[str], *, folder: str | None = None) -> dict[str, TasteTrack]:
        """Return the tracks of files; those that are not known are heard, those that cannot be are left out.

        Parameters
        ----------
        paths : of audio files, absolute
        folder : that holds them all, if one does
        """
        known = self._places()
        ids = {path: known[path][0] for path in paths if path in known and _is_same(path, known[path][1])}
        mine = {track.id: track for track in self.catalogue(ids=list(dict.fromkeys(ids.values())))}
        missing = [path for path in paths if path not in ids or ids[path] not in mine]
        other = self._hear(missing, folder if len(missing) == len(paths) else None) if missing else {}
        found = {path: other.get(path) or mine.get(ids.get(path, "")) for path in paths}
        return {path: track for path, track in found.items() if track is not None}

    def _hear(self, paths: Sequence[str], folder: str | None) -> dict[str, TasteTrack]:
        """Hear files into the second catalogue; return what is known of each that could be heard."""
        side = self._opened()
        setup = Setup(preset=self.model.name) if self.model.name in PRESETS else Setup(model=self.model.name)
        described = describe(setup.model, preset=setup.preset, progress=self.on_download)
        with side.writing():
            add(
                side, [folder] if folder is not None else list(paths), described, setup=setup, jobs=self.jobs,
                on_progress=self.on_progress,
            )  # fmt: skip
        wanted = set(paths)
        self.failures += [
            (one.path, InputError(one.reason, hint=one.hint)) for one in failures(side) if one.path in wanted
        ]  # also those of earlier times, which are not tried again
        ids = {path: one for path, (one, _) in places_of(side).items() if path in wanted}
        tracks = side.tracks(ids=list(dict.fromkeys(ids.values())), models=[described], embeddings=True)
        heard = {track.id: track for one in tracks for track in self._taste(one, described)}
        return {path: heard[one] for path, one in ids.items() if one in heard}

    def aside(self, ids: Sequence[str]) -> dict[str, TasteTrack]:
        """Return tracks that were heard into the second catalogue by the same model, by their ids."""
        if not ids:
            return {}
        side = self._opened()
        same = [one for one in side.models() if (one.name, one.version) == (self.model.name, self.model.version)]
        tracks = side.tracks(ids=list(dict.fromkeys(ids)), models=same, embeddings=True) if same else ()
        return {track.id: track for one in tracks for track in self._taste(one, same[0])}

    def _opened(self) -> Store:
        if self._side is None:
            self._side = Store(side_address(), create=True)
        return self._side

    def _places(self) -> dict[str, tuple[str, FilePlace]]:
        if self._known is None:
            self._known = {} if self.store is None else places_of(self.store)
        return self._known

    def _taste(self, track: LibraryTrack, model: StoredModel | None = None) -> Iterator[TasteTrack]:
        """Give what a comparison looks at; nothing of a track that was not heard."""
        stored = model or self.model
        heard = track.heard.get(stored.name)
        if heard is None or heard.embedding is None or not np.any(heard.embedding):
            return
        limits = dict(zip(stored.tags, stored.thresholds, strict=True))
        yield TasteTrack(
            id=track.id,
            name=track.name,
            artist=track.artist,
            title=track.title,
            vector=search_vector(heard.embedding, stored.parts),
            tags={tag: score for tag, score in heard.scores.items() if score >= limits.get(tag, 1.0) and score > 0},
            scores=heard.scores,
            duration=track.duration,
            path=track.path,
        )


def places_of(store: Store) -> dict[str, tuple[str, FilePlace]]:
    """Return id and place of every file of a catalogue, by its path."""
    return {
        file.path: (row["id"], file)
        for batch in store.scan(TRACKS, ["id", "files"])
        for row in batch.to_pylist()
        for file in read_files(row["files"])
    }


def _is_same(path: str, place: FilePlace) -> bool:
    """Tell whether a file is as it was when it was heard."""
    if not os.path.isfile(path):  # noqa: PTH113 (any name)
        return True  # what was heard still counts
    return place_of(path) == place
