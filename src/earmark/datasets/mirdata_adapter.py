"""Any of mirdata's loaders as a dataset of earmark: `open_dataset("mirdata:gtzan_genre", root)`.

mirdata (extra [mirdata]) knows some 60 datasets: where their files lie, how they are read, what they cost to get. The
root is what mirdata calls `data_home`. Its list of files, the index, is a download of its own, which mirdata keeps in
its own folder; it may as well lie in the root, where `earmark datasets download` puts it.

Tags are what a track has under names such as genre, tags, instrument or mood (`TAG_ATTRIBUTES`), or under those that
the option `tags` names: texts, lists of them, or weights by tag; of weights from 0 to 1 those of 0.5 and more count.

Splits
------
published  mirdata's get_track_splits, where there is one; parts called otherwise than train, validation or test are
           left out
artist     earmark's, if artists are known; "track" if not, but pieces of recordings; else "random"
mirdata    mirdata's get_random_track_splits with seed 42, 12:1:3
"""

import importlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from earmark.datasets.base import Dataset, DatasetInfo, Remote, Split, Track, check_choice, covering
from earmark.datasets.own import groups_of, part_called, split_makers, tag_tuple, task_of, vocabulary_of
from earmark.datasets.reading import check_root
from earmark.datasets.splitting import PARTS
from earmark.datasets.unpacking import SUFFIXES
from earmark.errors import EarmarkError, InputError, MissingExtraError, UnknownNameError, UsageError

TAG_ATTRIBUTES = (
    *("tags", "tag", "genre", "genres", "subgenre", "style", "mood", "moods", "theme", "emotion"),
    *("instrument", "instruments", "raga", "taala", "tala", "makam"),
)
ARTIST = ("artist", "artists", "artist_name", "performer", "artist_id")
ALBUM = ("album", "album_name", "release", "album_id")
TITLE = ("title", "track_title", "track_name")
RECORDING = ("song_id",)
AUDIO = ("audio_path", "audio_mix_path", "audio_mic_path", "audio_path_stereo")
ENOUGH = 0.5  # of a weight from 0 to 1
SEED = 42  # mirdata's own
_LABELS = re.compile(r"annot|label|meta|index|readme|split|partition|tag", re.IGNORECASE)
_FAILURES = (OSError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError, ImportError)


def adapt(name: str) -> SimpleNamespace:
    """Return what stands for the module of a dataset: `INFO`, and `load(root, *, tags, version, vocabulary)`.

    Parameters
    ----------
    name : of a loader

    Raises
    ------
    MissingExtraError
        If mirdata is not installed.
    UnknownNameError
        If it has no such loader.
    InputError
        If the loader needs another package that is not installed.
    """
    module = _module(name)
    return SimpleNamespace(INFO=_info(name, module), load=partial(_load, name))


def _load(name: str, root: Path, *, tags: str = "", version: str = "default", vocabulary: str | int = "all") -> Dataset:
    module = _module(name)
    info = _info(name, module)
    check_root(info, root)
    check_choice("version", version, module.INDEXES)
    with _failures(f"{root}: mirdata's loader {name!r}", info):
        loader = _mirdata().initialize(name, data_home=str(root), version=version)
        _find_index(loader, root, info)
        ids = [str(id) for id in loader.track_ids]
    chosen = [part.strip() for part in tags.split(",") if part.strip()]
    found = [_track(loader, id, chosen, root, info) for id in ids]
    if ids and not any(track.tags for track in found):
        offered = ", ".join(_attributes(loader.track(ids[0])))
        raise UsageError(f"{info.name}: no track has tags", hint=f"say which attributes are: tags=..., of {offered}")
    with _failures(f"{root}: the splits of mirdata's loader {name!r}", info):
        part_of, reasons = _published(loader)
    made = split_makers(found, part_of, description="mirdata's get_track_splits", otherwise="in no part of it")
    if "published" in made:
        made["published"] = partial(_with_reasons, made["published"](), reasons)
    made["mirdata"] = partial(_random, loader, found)
    learned = vocabulary_of(info.name, found, vocabulary)
    return Dataset(
        info,
        root,
        {"tags": tags, "version": version, "vocabulary": vocabulary},
        tuple(found),
        learned,
        task=task_of(found, learned),
        split_makers=made,
    )


def _mirdata() -> ModuleType:
    try:
        return importlib.import_module("mirdata")
    except ImportError as error:
        raise MissingExtraError("reading datasets of mirdata", "mirdata") from error


def _module(name: str) -> ModuleType:
    known = _mirdata().list_datasets()
    if name not in known:
        raise UnknownNameError("loader of mirdata", name, known)
    try:
        return importlib.import_module(f"mirdata.datasets.{name}")
    except ImportError as error:
        raise InputError(
            f"mirdata's loader {name!r} needs a package that is not installed" + (f": {error}" if str(error) else ""),
            hint=f"pip install 'mirdata[{name}]'",
        ) from error


def _info(name: str, module: ModuleType) -> DatasetInfo:
    title, description = _described(module)
    remotes, obstacle = _remotes(name, module)
    return DatasetInfo(
        name=f"mirdata:{name}",
        title=title,
        description=description,
        n_tracks=0,
        hours=None,
        licence=" ".join(str(getattr(module, "LICENSE_INFO", None) or "not stated by mirdata").split()),
        home=f"https://mirdata.readthedocs.io/en/stable/source/mirdata.html#module-mirdata.datasets.{name}",
        how_to_get=f"in Python: mirdata.initialize({name!r}, data_home=...).download()",
        citation=str(getattr(module, "BIBTEX", None) or "not stated by mirdata").strip(),
        options={
            "tags": f"attributes of a track, such as genre,mood; unless given those of {', '.join(TAG_ATTRIBUTES)}",
            "version": f"of the dataset: {', '.join(module.INDEXES)}",
            "vocabulary": "all, or a number of the most frequent tags",
        },
        layout=("as mirdata's download leaves it", "the index of mirdata may lie beside it"),
        remotes=remotes,
        no_download=obstacle,
    )


def _described(module: ModuleType) -> tuple[str, str]:
    """Return the title and the first words of a loader's docstring."""
    title, _, rest = (module.__doc__ or module.__name__).strip().partition("\n")
    lines = (line.strip() for line in rest.splitlines())
    plain = "\n".join(line for line in lines if not line.startswith(("..", ":class:", "**")))
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", plain) if paragraph.strip()]
    return re.sub(r"\s+loader\.?\s*$", "", title, flags=re.IGNORECASE), next(
        (p for p in paragraphs if len(p) > 40), title
    )


def _remotes(name: str, module: ModuleType) -> tuple[tuple[Remote, ...], str]:
    """Return what the default version is published in, and why it cannot be downloaded here."""
    version = module.INDEXES.get("default")
    index = module.INDEXES.get(version) if isinstance(version, str) else version
    every: Mapping[str, Any] = getattr(module, "REMOTES", None) or {}
    wanted = getattr(index, "partial_download", None)
    chosen = {key: remote for key, remote in every.items() if wanted is None or key in wanted}
    if any(getattr(remote, "unpack_directories", None) for remote in chosen.values()):
        return (), f"mirdata moves files after it has unpacked them: mirdata.initialize({name!r}, ...).download()"
    listed = {"index": index.remote} if getattr(index, "remote", None) else {}
    remotes = tuple(_remote(key, remote) for key, remote in {**listed, **chosen}.items())
    if any(remote.kind == "audio" for remote in remotes):
        return remotes, ""
    obstacle = str(getattr(module, "DOWNLOAD_INFO", None) or ("" if chosen else "mirdata knows of none"))
    return remotes, " ".join(obstacle.split())


def _remote(key: str, remote: Any) -> Remote:
    folder = "." if key == "index" else str(remote.destination_dir or ".")  # an index belongs into mirdata's own folder
    is_archive = str(remote.filename).lower().endswith(SUFFIXES)
    is_audio = is_archive and not _LABELS.search(f"{key} {remote.filename}")
    return Remote(
        Path(remote.filename).name,
        remote.url,
        f"md5:{remote.checksum}" if remote.checksum else None,
        kind="audio" if is_audio else "labels",
        unpack=is_archive,
        into=folder,
    )


def _find_index(loader: Any, root: Path, info: DatasetInfo) -> None:
    """Let the loader take the list of files from the root if mirdata has none itself."""
    index = Path(loader.index_path)
    if index.is_file():
        return
    beside = root / index.name
    if not beside.is_file():
        raise InputError(
            f"{root}: mirdata's index {index.name} is missing, {info.name} needs it",
            hint=f"it is a download: earmark datasets download {info.name} {root}, or {info.how_to_get}",
        )
    loader.index_path = str(beside)


def _track(loader: Any, id: str, chosen: Sequence[str], root: Path, info: DatasetInfo) -> Track:
    with _failures(f"{root}: track {id!r} of {info.name}", info):
        track = loader.track(id)
        missing = [name for name in chosen if not _has(track, name)]
        if missing:
            hint = f"it has {', '.join(_attributes(track))}"
            raise UsageError(f"a track of {info.name} has no attribute {missing[0]!r}", hint=hint)
        pairs = [pair for name in chosen or TAG_ATTRIBUTES for pair in _weighted(_get(track, name))]
        weights = {tag: weight for tag, weight in reversed(pairs) if weight is not None}
        tags = tag_tuple([tag for tag, _ in pairs])
        artist, album, title = (_words(_first(track, names)) for names in (ARTIST, ALBUM, TITLE))
        audio = _audio(track)
        duration = _get(track, "duration")
    is_length = isinstance(duration, int | float) and 0 < duration < math.inf
    return Track(
        id,
        None if audio is None else Path(audio),
        tags,
        artist=artist,
        album=album,
        title=title,
        groups=groups_of(artist, album, _words(_first(track, RECORDING))),
        duration=float(duration) if is_length else None,
        tag_weights=tuple(weights[tag] for tag in tags) if all(tag in weights for tag in tags) else (),
    )


def _has(track: Any, name: str) -> bool:
    return name in vars(track) or hasattr(type(track), name)


def _get(track: Any, name: str) -> Any:
    """Return an attribute; None if there is none, or nothing is known of this track."""
    return getattr(track, name, None) if _has(track, name) else None


def _first(track: Any, names: Sequence[str]) -> Any:
    return next((value for value in (_get(track, name) for name in names) if value), None)


def _attributes(track: Any) -> list[str]:
    names = {name for name in (*vars(track), *dir(type(track))) if not name.startswith("_")}
    return sorted(name for name in names if "path" not in name and not callable(getattr(type(track), name, None)))


def _audio(track: Any) -> str | None:
    others = [name for name in vars(track) if "audio" in name and name.endswith("path")]
    return next((path for path in (_get(track, name) for name in (*AUDIO, *others)) if isinstance(path, str)), None)


def _weighted(value: Any) -> list[tuple[str, float | None]]:
    """Return the tags that a value holds, with their weights where it has them.

    Examples
    --------
    >>> _weighted({"flute": 0.8, "voice": 0.1}), _weighted(["rock", None]), _weighted("pop")
    ([('flute', 0.8)], [('rock', None)], [('pop', None)])
    """
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, str | int | float):
        return [(str(value).strip(), None)] if str(value).strip() else []
    if isinstance(value, Mapping):
        numbers = {str(tag).strip(): weight for tag, weight in value.items() if isinstance(weight, int | float)}
        if len(numbers) == len(value):
            lowest = ENOUGH if max(numbers.values(), default=0) <= 1 else -math.inf
            return [(tag, float(weight)) for tag, weight in numbers.items() if tag and weight >= lowest]
        return [pair for entry in value.values() for pair in _weighted(entry)]
    if isinstance(value, list | tuple | set):
        match value:
            case (str(tag), int() | float() as weight) if isinstance(value, tuple):
                return [(tag.strip(), float(weight))] if tag.strip() else []
        return [pair for entry in (sorted(value) if isinstance(value, set) else value) for pair in _weighted(entry)]
    return []


def _words(value: Any) -> str:
    return ", ".join(tag for tag, _ in _weighted(value))


def _published(loader: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Return the part of every track that mirdata's split names, and why others are in none."""
    try:
        listed = loader.get_track_splits()
    except (NotImplementedError, AttributeError):
        return {}, {}
    part_of: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name, ids in listed.items():
        parts = {part for word in re.split(r"[\W_]+", str(name)) if (part := part_called(word))}
        for id in map(str, ids):
            if len(parts) == 1:
                part_of[id] = next(iter(parts))
            else:
                reasons[id] = f"in the part {str(name)!r} of mirdata's split"
    return part_of, reasons


def _with_reasons(split: Split, reasons: Mapping[str, str]) -> Split:
    left_out = {id: reasons.get(id, reason) for id, reason in split.left_out.items()}
    return Split(split.name, split.description, split.parts, left_out)


def _random(loader: Any, tracks: Sequence[Track]) -> Split:
    shares = [share / sum(PARTS.values()) for share in PARTS.values()]
    drawn = loader.get_random_track_splits(shares, seed=SEED, split_names=list(PARTS))
    parts = {part: [str(id) for id in ids] for part, ids in drawn.items()}
    return covering("mirdata", f"mirdata's get_random_track_splits, 12:1:3, seed {SEED}", parts, tracks)


@contextmanager
def _failures(what: str, info: DatasetInfo) -> Iterator[None]:
    """Turn what a loader raises about files that are missing or damaged into words."""
    try:
        yield
    except _FAILURES as error:
        if isinstance(error, EarmarkError):
            raise
        reason = str(error) or type(error).__name__
        raise InputError(f"{what} cannot be read: {type(error).__name__}: {reason}", hint=info.how_to_get) from error
