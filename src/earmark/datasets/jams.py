"""A folder of JAMS files of your own, or one of them: tags of the namespace `tag_open`, and the other tags of JAMS.

A JAMS file annotates one audio file. Its tags are the values of the annotations whose namespace begins with "tag_"; the
option `namespace` takes one of them alone. With `pieces`, every interval that tags are given for becomes a track of its
own, with that interval as its segment; else the tags of all intervals become those of the whole. Where all annotations
say that they hold for the same part of the audio, that part is the segment. Confidences become weights of tags; of a
tag that stands there twice the highest counts. Where one tag has none, no weights are known.

JAMS has no place for the path of the audio. It is the audio file that is called as the JAMS file, in the same place, or
in the same place below `audio_root`. `earmark.datasets.export` writes it into the sandbox of the file, with id, part,
groups, segment and origin; these count before all else.

Splits
------
published  the parts in the sandboxes, where there are any
artist     earmark's, if artists are known; "track" if not, but identifiers or pieces of recordings; else "random"

References
----------
Humphrey, E. J. et al. "JAMS: a JSON annotated music specification for reproducible MIR research", ISMIR 2014.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from earmark.datasets.base import GROUPS, Dataset, DatasetInfo, Track
from earmark.datasets.own import (
    groups_of,
    naming,
    part_called,
    split_makers,
    tag_tuple,
    task_of,
    vocabulary_of,
    walk_audio,
)
from earmark.datasets.reading import group_keys, how_to_get, open_text, read_json
from earmark.errors import InputError
from earmark.files import walk_files

SUFFIXES = (".jams",)
NAMESPACE = "tag_open"
SANDBOX = "earmark"
INFO = DatasetInfo(
    name="jams",
    title="JAMS files",
    description="Audio of your own with annotations in JAMS files (JSON Annotated Music Specification).",
    n_tracks=0,
    hours=None,
    licence="that of your files",
    home="",
    how_to_get="put one JAMS file per track into a folder; the package jams writes them",
    citation="none: the files are yours",
    options={
        "namespace": "all that begin with tag_, or one, such as tag_open or tag_gtzan",
        "pieces": "whether every interval that tags are given for is a track",
        "audio_root": "folder of the audio, relative to that of the JAMS files; theirs unless given",
        "vocabulary": "all, or a number of the most frequent tags",
    },
    layout=(
        "**/*.jams     one per track; the root may be such a file itself",
        "**/*.mp3      audio, called as its JAMS file (may be absent)",
    ),
    no_download="the files are yours",
)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Observation:
    """One tag of a JAMS file.

    Parameters
    ----------
    tag : its value
    time, duration : of the interval that it is given for, seconds
    confidence : None where none is given
    extent : (start, end) in seconds that its annotation holds for; None if it does not say
    """

    tag: str
    time: float
    duration: float
    confidence: float | None
    extent: Interval | None


@dataclass(frozen=True)
class Jam:
    """What a JAMS file says of tags.

    Parameters
    ----------
    observations : of all namespaces asked for, in their order
    duration : of the audio file, seconds
    artist, title, release : empty where unknown
    identifiers : of the recording, in other catalogues
    sandbox : what earmark wrote into it
    """

    observations: tuple[Observation, ...]
    duration: float | None = None
    artist: str = ""
    title: str = ""
    release: str = ""
    identifiers: Mapping[str, str] = field(default_factory=dict)
    sandbox: Mapping[str, Any] = field(default_factory=dict)


def load(
    root: Path,
    *,
    namespace: str = "all",
    pieces: bool = False,
    audio_root: str | None = None,
    vocabulary: str | int = "all",
) -> Dataset:
    """Read a folder of JAMS files, or one.

    Parameters
    ----------
    root : the folder, or the file
    namespace, pieces, audio_root, vocabulary : see `INFO.options`

    Raises
    ------
    InputError
        If there is no JAMS file, or one is damaged.
    """
    options = {"namespace": namespace, "pieces": pieces, "audio_root": audio_root, "vocabulary": vocabulary}
    folder, files = _find(root)
    place = folder if audio_root is None else folder / audio_root
    if not place.is_dir():
        raise InputError(f"{place}: there is no such folder of audio", hint="audio_root is relative to the JAMS files")
    heard = sorted(walk_audio(place), reverse=True)
    audio = {path.with_suffix("").as_posix(): place / path for path in heard}
    audio |= {path.as_posix(): place / path for path in heard}
    tracks: list[Track] = []
    part_of: dict[str, str] = {}
    for name in files:
        with naming(INFO, folder / name), open_text(folder / name) as file:
            jam = read_jams(file, namespace=namespace)
            key = name.with_suffix("").as_posix()
            made = list(_tracks(jam, key, audio.get(key), folder, pieces=pieces))
            part = jam.sandbox.get("split")
            if part is not None and part_called(str(part)) is None:
                raise InputError(f"the split of the sandbox is {part!r}, expected train, validation or test")
        tracks += made
        part_of |= {track.id: part_called(str(part)) or "" for track in made if part is not None}
    with naming(INFO, root):
        learned = vocabulary_of(INFO.name, tracks, vocabulary)
    makers = split_makers(tracks, part_of, description="as the files say", otherwise="its file gives it no part")
    return Dataset(INFO, folder, options, tuple(tracks), learned, task=task_of(tracks, learned), split_makers=makers)


def read_jams(file: TextIO, *, namespace: str = "all") -> Jam:
    """Read a JAMS file.

    Parameters
    ----------
    file : text
    namespace : of the annotations to read; "all" that begin with "tag_"

    Raises
    ------
    InputError
        If it is no JAMS.
    """
    try:
        content = read_json(file)
        about, sandbox = content["file_metadata"], (content.get("sandbox") or {}).get(SANDBOX) or {}
        wanted = [
            annotation
            for annotation in content["annotations"]
            if annotation["namespace"] == namespace or (namespace == "all" and annotation["namespace"][:4] == "tag_")
        ]
        return Jam(
            tuple(observation for annotation in wanted for observation in _observations(annotation)),
            duration=_number(about.get("duration"), "duration") or None,
            artist=str(about.get("artist") or ""),
            title=str(about.get("title") or ""),
            release=str(about.get("release") or ""),
            identifiers={str(key): str(value) for key, value in (about.get("identifiers") or {}).items() if value},
            sandbox=dict(sandbox),
        )
    except (AttributeError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"no JAMS: {type(error).__name__}: {error}") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"no JAMS: {error}") from error


def to_jams(
    track: Track, *, corpus: str, audio: str | None, length: float | None, part: str | None, version: str
) -> dict[str, Any]:
    """Return the content of a JAMS file that says all that is known of a track.

    Parameters
    ----------
    track : to describe
    corpus : name of its dataset
    audio : path to write
    length : of the audio file, seconds; None if not known
    part : of the split, or None
    version : of earmark

    Notes
    -----
    Tags hold for the segment, or from 0 to the duration. JAMS wants numbers there: what is not known is written as 0,
    and the length of a file as the end of the segment.
    """
    start, end = track.segment or (0.0, track.duration or length or 0.0)
    weights: Sequence[float | None] = track.tag_weights or [None] * len(track.tags)
    own = {"id": track.id, "audio": audio, "split": part, "segment": track.segment, "origin": track.origin}
    return {
        "annotations": [
            {
                "annotation_metadata": {"corpus": corpus, "annotation_tools": f"earmark {version}"},
                "namespace": NAMESPACE,
                "data": [
                    {"time": start, "duration": end - start, "value": tag, "confidence": weight}
                    for tag, weight in zip(track.tags, weights, strict=True)
                ],
                "sandbox": {},
                "time": start,
                "duration": end - start or None,
            }
        ],
        "file_metadata": {
            "title": track.title,
            "artist": track.artist,
            "release": track.album,
            "duration": end if length is None else length,
            "identifiers": {},
            "jams_version": "0.3.4",
        },
        "sandbox": {SANDBOX: {**own, "duration": track.duration, "groups": dict(track.groups)}},
    }


def _find(root: Path) -> tuple[Path, list[Path]]:
    """Return the folder, and the JAMS files in it, relative to it."""
    if root.is_file():
        return root.parent, [Path(root.name)]
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder or JAMS file", hint=how_to_get(INFO, root))
    found = (Path(name).relative_to(root) for name in walk_files(str(root)))
    files = [path for path in found if path.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError(f"{root}: no JAMS file is there", hint=how_to_get(INFO, root))
    return root, files


def _observations(annotation: Mapping[str, Any]) -> Iterator[Observation]:
    data = annotation["data"]
    if isinstance(data, dict):  # dense: one list per field
        fields = ("time", "duration", "value", "confidence")
        data = [dict(zip(fields, values, strict=True)) for values in zip(*(data[f] for f in fields), strict=True)]
    start, length = (_number(annotation.get(key), key) for key in ("time", "duration"))
    extent = (start or 0.0, (start or 0.0) + length) if length else None
    for entry in data:
        value = entry["value"]
        if not isinstance(value, str | int | float):
            raise TypeError(f"value {value!r} is no tag")
        yield Observation(
            str(value),
            _number(entry.get("time"), "time") or 0.0,
            _number(entry.get("duration"), "duration") or 0.0,
            _confidence(entry.get("confidence")),
            extent,
        )


def _tracks(jam: Jam, key: str, audio: Path | None, folder: Path, *, pieces: bool) -> Iterator[Track]:
    """Yield the track of a JAMS file, or its pieces."""
    id = str(jam.sandbox.get("id") or key)
    if jam.sandbox.get("audio"):
        audio = folder / str(jam.sandbox["audio"])
    said = jam.sandbox if not pieces else {}
    recording = next((f"{name}:{value}" for name, value in sorted(jam.identifiers.items())), "")
    whole = (0.0, jam.duration) if jam.duration else None

    def track(id: str, observations: Sequence[Observation], segment: Interval | None, recording: str) -> Track:
        tags, weights = _strongest(observations)
        heard = None if "duration" in said else jam.duration
        length = segment[1] - segment[0] if segment else heard
        groups = groups_of(jam.artist, jam.release, recording)
        own = jam.sandbox.get("groups")
        if isinstance(own, dict):
            groups = group_keys(**{group: str(own.get(group) or "") for group in GROUPS})
        return Track(
            id,
            audio,
            tags,
            artist=jam.artist,
            album=jam.release,
            title=jam.title,
            groups=groups,
            segment=segment,
            origin=_interval(jam.sandbox.get("origin")),
            duration=_number(said.get("duration"), "duration") or length,
            tag_weights=weights,
        )

    if not pieces:
        extents = {observation.extent for observation in jam.observations}
        extent = next(iter(extents)) if len(extents) == 1 else None
        is_part = extent is not None and extent != whole and (extent[0] > 0 or whole is not None)
        segment = _interval(said.get("segment")) or (extent if is_part else None)
        yield track(id, jam.observations, segment, recording)
        return
    by_interval: dict[Interval, list[Observation]] = {}
    for observation in jam.observations:
        end = observation.time + observation.duration
        by_interval.setdefault((observation.time, end), []).append(observation)
    for (start, end), observations in sorted(by_interval.items()):
        is_all = end <= start or (start, end) == whole
        name = id if is_all else f"{id}@{start:.10g}-{end:.10g}"
        yield track(name, observations, None if is_all else (start, end), recording or id)


def _strongest(observations: Sequence[Observation]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return every tag once, and the highest confidence of each if all have one."""
    highest: dict[str, float] = {}
    for observation in observations:
        if observation.confidence is not None:
            tag = observation.tag.strip()
            highest[tag] = max(observation.confidence, highest.get(tag, -math.inf))
    tags = tag_tuple([observation.tag for observation in observations])
    return tags, tuple(highest[tag] for tag in tags) if all(tag in highest for tag in tags) else ()


def _number(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"{what} is {value!r}, expected seconds")
    return float(value)


def _confidence(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _interval(value: Any) -> Interval | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(f"a segment is {value!r}, expected its start and end")
    start, end = (_number(time, "the end of a segment") or 0.0 for time in value)
    if end <= start:
        raise InputError(f"a segment from {start:g} s to {end:g} s")
    return start, end
