"""Where scores come from: a catalogue, a table, or listening now; each gives the same `TrackScores`."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from earmark.audio.identity import content_id
from earmark.audio.key import estimate_key
from earmark.audio.tempo import estimate_tempo
from earmark.errors import EarmarkError, InputError
from earmark.library.listening import Middle
from earmark.library.models import TAUGHT, StoredModel
from earmark.library.rows import LibraryTrack
from earmark.library.schema import TRACKS, read_files
from earmark.library.store import Store, default_address
from earmark.library.thresholds import default_threshold
from earmark.models.paths import ModelName
from earmark.models.weights import fingerprint
from earmark.parallel import map_ordered
from earmark.plain_data import read_number
from earmark.tagfile.choosing import ScoredTag, TrackScores
from earmark.tagger import Tagger
from earmark.track_tags import Tag, TrackTags

_AT_ONCE = 200


@dataclass(frozen=True)
class NotHeard:
    """A file of which nothing is known.

    Parameters
    ----------
    path : of the file
    error : why
    """

    path: str
    error: EarmarkError


class ScoreSource(Protocol):
    """Tells what is known of files by their sound."""

    @property
    def heard_by(self) -> tuple[str, str] | None:
        """Model and version, where getting scores takes long enough for files that are done to be left out."""
        ...

    def scores(self, paths: Sequence[str]) -> Iterator[TrackScores | NotHeard]:
        """Yield for every path in order what is known of it, or why nothing is."""
        ...


class TableSource:
    """Scores from a table of JSON lines, as `earmark tag --json` writes it.

    A row may hold bpm, bpm_confidence, key and key_confidence beside the tags; a confidence that is not there counts
    as 1. Of several rows for a file the last one counts.

    Parameters
    ----------
    path : of the table; paths in it are as seen from the current folder

    Raises
    ------
    InputError
        If it cannot be read, or a line is no row.
    """

    heard_by = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._places: dict[str, tuple[int, int]] = {}  # of the file -> where its row begins, and its line
        place = 0
        with self._opened() as file:
            for number, line in enumerate(file, 1):
                if line.strip(_BLANK):
                    plain = self._parse(line, number)
                    if not self._places:
                        self._row(plain, line, number)  # tells at once if this is another kind of table
                    self._places[os.path.realpath(plain["path"])] = (place, number)
                place += len(line)
        if not self._places:
            raise InputError(f"{self.path}: no row in this table", hint=_JSON_HINT)

    def scores(self, paths: Sequence[str]) -> Iterator[TrackScores | NotHeard]:
        """Yield the rows of files."""
        with self._opened() as file:
            for path in paths:
                place, number = self._places.get(os.path.realpath(path), (-1, 0))
                if place < 0:
                    hint = (
                        "paths in the table are as seen from the current folder; write it anew, or give absolute ones"
                    )
                    yield NotHeard(path, InputError(f"{path}: not in {self.path}", hint=hint))
                    continue
                try:
                    file.seek(place)
                    line = file.readline()
                    yield replace(self._row(self._parse(line, number), line, number), path=path)
                except InputError as error:
                    yield NotHeard(path, error)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123
                yield file
        except OSError as error:
            if isinstance(error, EarmarkError):
                raise
            raise InputError(f"{self.path}: cannot be read: {error.strerror or error}") from error

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            plain = json.loads(line.strip(_BLANK))
        except ValueError as error:
            raise InputError(f"{self.path}: line {number}: no JSON: {error}", hint=_JSON_HINT) from error
        if not isinstance(plain, dict) or not isinstance(plain.get("path"), str):
            raise InputError(f"{self.path}: line {number}: no JSON object with a path", hint=_JSON_HINT)
        return plain

    def _row(self, plain: Mapping[str, Any], line: bytes, number: int) -> TrackScores:
        try:
            heard = from_track_tags(TrackTags.from_dict(plain), version=_digest(line.decode("utf-8", "replace")))
            return replace(heard, **_tempo_and_key(plain))
        except InputError as error:
            raise InputError(f"{self.path}: line {number}: {error.message}", hint=_JSON_HINT) from error


_BLANK = b" \t\r\n\xef\xbb\xbf"  # and the mark that some editors begin a file with
_JSON_HINT = "earmark tag Music/ --json > scores.jsonl writes such a table"


def _tempo_and_key(plain: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        for name in ("bpm", "key"):
            if plain.get(name) is None:
                continue
            found[name] = read_number(plain, "bpm") if name == "bpm" else str(plain["key"])
            sure = f"{name}_confidence"
            found[sure] = 1.0 if plain.get(sure) is None else read_number(plain, sure)
    except TypeError as error:
        raise InputError(str(error)) from error
    return found


def from_track_tags(result: TrackTags, *, version: str = "") -> TrackScores:
    """Return what tagging a track gave; thresholds that no card holds follow from the tags' base rates."""
    tags = tuple(ScoredTag(tag.tag, tag.category, tag.score, threshold_of(tag)) for tag in result.tags)
    return TrackScores(result.path, result.model, version, tags)


def threshold_of(tag: Tag) -> float:
    """Return the threshold of a tag: its own, or that of its base rate, which is its score over its lift."""
    if tag.threshold is not None:
        return tag.threshold
    rate = tag.score / tag.lift if tag.lift and tag.score > 0 else None
    return default_threshold(None if rate is None else min(rate, 1.0))


class LibrarySource:
    """Scores from a catalogue: those of a model, what the user taught, tempo and key.

    A file is found by its path as long as it has not changed since it was heard, else by its audio.

    Parameters
    ----------
    store : the catalogue
    model : whose scores; those of the model that was used first unless given
    otherwise : asked about files that the catalogue does not know; they are an error unless given

    Raises
    ------
    InputError, UnknownNameError
        If nothing was heard yet, or not by this model.
    """

    heard_by = None

    def __init__(self, store: Store, *, model: str | None = None, otherwise: ScoreSource | None = None) -> None:
        self._store, self._otherwise = store, otherwise
        self._model = store.model(model)
        self._models = [one for one in store.models() if one.name in (self._model.name, TAUGHT)]
        self._places: dict[bytes, tuple[str, int, int]] | None = None

    def scores(self, paths: Sequence[str]) -> Iterator[TrackScores | NotHeard]:
        """Yield what the catalogue knows of files."""
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            ids = [self._id(path) for path in some]
            wanted = list(dict.fromkeys(one for one in ids if isinstance(one, str)))
            tracks = {track.id: track for track in self._store.tracks(ids=wanted, models=self._models)}
            for path, one in zip(some, ids, strict=True):
                track = tracks.get(one) if isinstance(one, str) else None
                if isinstance(one, EarmarkError):
                    yield NotHeard(path, one)
                elif track is not None and self._model.name in track.heard:
                    yield from_library_track(track, path, self._models)
                elif self._otherwise is not None:
                    yield from self._otherwise.scores([path])
                else:
                    hint = "earmark library add adds it; --fresh listens to it now"
                    yield NotHeard(path, InputError(f"{path}: not in the catalogue {self._store.address}", hint=hint))

    def _id(self, path: str) -> str | EarmarkError:
        if self._places is None:
            self._places = {
                file.raw: (row["id"], file.size, file.mtime_ns)
                for batch in self._store.scan(TRACKS, ["id", "files"])
                for row in batch.to_pylist()
                for file in read_files(row["files"])
            }
        try:
            entry = os.stat(path)  # noqa: PTH116 (a str may hold what Path cannot)
            known = self._places.get(os.fsencode(os.path.abspath(path)))  # noqa: PTH100
            if known is not None and known[1:] == (entry.st_size, entry.st_mtime_ns):
                return known[0]
            return content_id(path)
        except OSError as error:
            return error if isinstance(error, EarmarkError) else InputError(f"{path}: {error.strerror or error}")
        except EarmarkError as error:
            return error


def from_library_track(track: LibraryTrack, path: str, models: Sequence[StoredModel]) -> TrackScores:
    """Return what the catalogue knows of a track; a taught tag counts more than one of the same name that was not.

    Parameters
    ----------
    track : with the scores of `models`
    path : of the file that is meant
    models : the one that heard it, and the taught tags
    """
    tags: dict[str, ScoredTag] = {}
    for model in sorted(models, key=lambda one: one.name == TAUGHT):
        heard = track.heard.get(model.name)
        scores: Mapping[str, float] = {} if heard is None else heard.scores
        for name, category, threshold in zip(model.tags, model.categories, model.thresholds, strict=True):
            if name in scores:
                tags[name] = ScoredTag(name, category, scores[name], threshold, model.name == TAUGHT)
    name = next((model.name for model in models if model.name != TAUGHT), TAUGHT)
    found = TrackScores(
        path, name, "", tuple(tags.values()), track.bpm, track.bpm_confidence, track.key, track.key_confidence
    )
    return replace(found, version=_digest(repr(replace(found, path=""))))


class FreshSource:
    """Scores from listening now.

    Parameters
    ----------
    tagger : hears tags
    model : as it was given to the tagger: a path where it is no name
    tempo, key : whether these are wanted, too
    jobs : files at a time; one more than the tagger's threads unless given
    """

    def __init__(
        self,
        tagger: Tagger,
        *,
        model: ModelName | None = None,
        tempo: bool = False,
        key: bool = False,
        jobs: int | None = None,
    ) -> None:
        self._tagger, self._tempo, self._key = tagger, tempo, key
        self._jobs = tagger.threads + 1 if jobs is None else jobs
        names = [model or card.name for card in tagger.cards]
        self.heard_by = tagger.name, _digest(" ".join(map(fingerprint, names)))

    def scores(self, paths: Sequence[str]) -> Iterator[TrackScores | NotHeard]:
        """Listen to files, several at a time."""
        return map_ordered(self._hear, paths, jobs=self._jobs)

    def _hear(self, path: str) -> TrackScores | NotHeard:
        middle = Middle(self._tagger.sample_rate)
        wants_window = self._tempo or self._key
        try:
            result = self._tagger.tag(path, on_block=middle.push if wants_window else None)
        except EarmarkError as error:
            return NotHeard(path, error)
        heard = replace(from_track_tags(result, version=self.heard_by[1]), path=path)
        window = middle.samples() if wants_window else np.zeros(0, np.float32)
        if self._tempo:
            tempo = estimate_tempo(window, self._tagger.sample_rate)
            heard = replace(heard, bpm=tempo.bpm, bpm_confidence=tempo.confidence)
        if self._key:
            found = estimate_key(window, self._tagger.sample_rate)
            heard = replace(heard, key=None if found.key is None else found.key.name, key_confidence=found.confidence)
        return heard


class LaterSource:
    """A source that is made when it is first asked.

    Parameters
    ----------
    make : makes it
    """

    heard_by = None

    def __init__(self, make: Callable[[], ScoreSource]) -> None:
        self._make = make
        self._made: ScoreSource | None = None

    def scores(self, paths: Sequence[str]) -> Iterator[TrackScores | NotHeard]:
        """Ask the source."""
        if self._made is None:
            self._made = self._make()
        return self._made.scores(paths)


def known_or_heard(listen: Callable[[], ScoreSource]) -> ScoreSource:
    """Return scores from the user's own catalogue, if there is one, and from listening for what it does not know.

    Parameters
    ----------
    listen : makes the source that listens
    """
    address = default_address()
    if "://" in address or Path(address).is_dir():
        store = Store(address)
        if any(model.n_features for model in store.models()):
            return LibrarySource(store, otherwise=LaterSource(listen))
    return listen()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
