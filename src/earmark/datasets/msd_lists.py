"""The lists around the Million Song Dataset: all tracks, mismatches, years, and the published splits.

Ids have 18 characters: tracks begin with TR, songs with SO. Lines of the text files are separated by `<SEP>`, which a
title may hold too. A split is read from the files that its authors published; those that are absent give no split.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from earmark.datasets.reading import naming, open_text, read_table
from earmark.datasets.safe_pickle import read_npy, read_pickle
from earmark.errors import InputError

T = TypeVar("T")

SEPARATOR = "<SEP>"
TRAIN_OF_LEE = 201_680  # the first so many of filtered_list_train.cP; the others are for validation
PARTS = {"train": "train", "valid": "validation", "test": "test"}
DESCRIPTIONS = {
    "cals": "no artist in two parts; 163,504 / 34,730 / 34,913 labelled tracks (Won et al. 2021)",
    "lee": "the list of Choi, previews over 29.1 s; artists stand in several parts (Lee et al. 2017)",
    "choi": "top-50 tags with a weight over 50; artists stand in several parts (Choi et al. 2016)",
}
FILES = {
    "cals": ("train_ids.npy", "valid_ids.npy", "test_ids.npy"),
    "lee": ("filtered_list_train.cP", "filtered_list_test.cP"),
    "choi": ("train_x_msd_id.txt", "valid_x_msd_id.txt", "test_x_msd_id.txt"),
}
FAULTS_OF_CHOI = {
    "train_x_7d_bad_duration_id.txt": ("short", "the preview is shorter than 29 s"),
    "train_x_7d_invalid_audio_id.txt": ("unreadable", "the preview holds no audio"),
}
SKIPPED_BY_WON = (
    "TRAIISZ128F42684BB", "TRAONEQ128F42A8AB7", "TRADRNH128E0784511", "TRBGHEU128F92D778F", "TRCHYIF128F1464CE7",
    "TRCVDKQ128E0790C86", "TREWVFM128F146816E", "TREQRIV128F1468B08", "TREUVBN128F1468AC9", "TRDKNBI128F14682B0",
    "TRFWOAG128F14B12CB", "TRFIYAF128F14688A6", "TRGYAEZ128F14A473F", "TRIXPRK128F1468472", "TRAQKCW128F9352A52",
    "TRLAWQU128F1468AC8", "TRMSPLW128F14A544A", "TRLNGQT128F1468261", "TROTUWC128F1468AB4", "TRNDAXE128F934C50E",
    "TRNHIBI128EF35F57D", "TRMOREL128F1468AC4", "TRPNFAG128F146825F", "TRIXPOY128F14A46C7", "TROCQVE128F1468AC6",
    "TRPCXJI128F14688A8", "TRQKRKL128F1468AAE", "TRPKNDC128F145998B", "TRRUHEH128F1468AAD", "TRLUSKX128F14A4E50",
    "TRMIRQA128F92F11F1", "TRSRUXF128F1468784", "TRTNQKQ128F931C74D", "TRTTUYE128F4244068", "TRUQZKD128F1468243",
    "TRUINWL128F1468258", "TRVRHOY128F14680BC", "TRWVEYR128F1458A6F", "TRVLISA128F1468960", "TRYDUYU128F92F6BE0",
    "TRYOLFS128F9308346", "TRMVCVS128F1468256", "TRZSPHR128F1468AAC", "TRXBJBW128F92EBD96", "TRYPGJX128F1468479",
    "TRYNNNZ128F1468994", "TRVDOVF128F92DC7F3", "TRWUHZQ128F1451979", "TRXMAVV128F146825C", "TRYNMEX128F14A401D",
    "TREGWSL128F92C9D42", "TRJKZDA12903CFBA43", "TRBGJIZ128F92E42BC", "TRVWNOH128E0788B78",
)  # fmt: skip
"""Tracks that the code of Won et al. 2020 leaves out."""
CALS_TABLE = "msd_splits.tsv"
_MISMATCH = re.compile(r"ERROR:\s*<(SO\w{16})\s+(TR\w{16})>\s*(.*)")
_TRACK = re.compile(r"TR[0-9A-Z]{16}")
_SONG = re.compile(r"SO[0-9A-Z]{16}")


class ListedTrack(NamedTuple):
    """A line of `unique_tracks.txt`."""

    track: str
    song: str
    artist: str
    title: str


class Mismatch(NamedTuple):
    """A song and a track that are not the same recording; `detail` has both names."""

    song: str
    track: str
    detail: str


def read_unique_tracks(file: Iterable[str]) -> Iterator[ListedTrack]:
    """Yield the lines of `unique_tracks.txt`: `track<SEP>song<SEP>artist<SEP>title`.

    Raises
    ------
    InputError
        If a line is malformed, or names a track again.

    Examples
    --------
    >>> line = "TRAXLZU12903D05F94<SEP>SOCWJDB12A58A776AF<SEP>Rick Astley<SEP>Never Gonna Give You Up"
    >>> next(read_unique_tracks([line])).artist
    'Rick Astley'
    """
    seen: set[str] = set()
    for number, line in enumerate(file, start=1):
        if not (text := line.rstrip("\r\n")):
            continue
        cells = text.split(SEPARATOR, 3)
        if len(cells) != 4 or not _TRACK.fullmatch(cells[0]) or not _SONG.fullmatch(cells[1]):
            raise InputError(f"line {number}: {text[:80]!r}, expected track<SEP>song<SEP>artist<SEP>title")
        if cells[0] in seen:
            raise InputError(f"line {number}: track {cells[0]} stands in an earlier line already")
        seen.add(cells[0])
        yield ListedTrack(*cells)


def read_tracks_per_year(file: Iterable[str]) -> dict[str, int]:
    """Read `tracks_per_year.txt`, `year<SEP>track<SEP>artist<SEP>title`; track to its year."""
    years = {}
    for number, line in enumerate(file, start=1):
        cells = line.rstrip("\r\n").split(SEPARATOR, 3)
        if len(cells) == 4 and cells[0].isdigit() and _TRACK.fullmatch(cells[1]):
            years[cells[1]] = int(cells[0])
        elif line.strip():
            raise InputError(f"line {number}: {line[:80]!r}, expected year<SEP>track<SEP>artist<SEP>title")
    return years


def read_mismatches(file: Iterable[str]) -> list[Mismatch]:
    """Read `sid_mismatches.txt`, `ERROR: <song track> artist - title != artist - title`.

    Notes
    -----
    A line that does not begin with ERROR goes on with a title that holds a line end; it is skipped.
    """
    found, n_others = [], 0
    for number, line in enumerate(file, start=1):
        match = _MISMATCH.match(line.lstrip("< "))
        if match:
            found.append(Mismatch(match[1], match[2], " ".join(match[3].split())))
        elif "ERROR:" in line:
            raise InputError(f"line {number}: {line[:80]!r}, expected ERROR: <song track> names")
        else:
            n_others += bool(line.strip())
    if n_others and not found:
        raise InputError("no line says ERROR: <song track> names", hint="is it the published file?")
    return found


def read_ids(file: Iterable[str]) -> list[str]:
    """Read one track id per line, as in `train_x_msd_id.txt`."""
    return track_ids([line.strip() for line in file if line.strip()])


def read_pickled_ids(file: BinaryIO) -> list[str]:
    """Read a pickled list of track ids, as in `filtered_list_train.cP`."""
    return track_ids(read_pickle(file))


def read_array_of_ids(file: BinaryIO) -> list[str]:
    """Read an array of track ids, as in `train_ids.npy`."""
    return track_ids(read_npy(file).tolist())


def read_pickled_texts(file: BinaryIO) -> dict[str, str]:
    """Read a pickled dictionary of texts or numbers, as in `MSD_id_to_7D_id.pkl` and `7D_id_to_path.pkl`."""
    content = read_pickle(file)
    if not isinstance(content, dict):
        raise InputError(f"it holds a {type(content).__name__}, expected a dictionary")
    return {_text(key): _text(value) for key, value in content.items()}


def read_pickled_targets(file: BinaryIO) -> dict[str, NDArray[np.bool_]]:
    """Read a pickled dictionary of track ids to vectors of tags, as in `msd_id_to_tag_vector.cP`."""
    content = read_pickle(file)
    if not isinstance(content, dict):
        raise InputError(f"it holds a {type(content).__name__}, expected a dictionary")
    ids = track_ids(list(content))
    try:
        return {id: np.asarray(v, np.float64).ravel() > 0 for id, v in zip(ids, content.values(), strict=True)}
    except (ValueError, TypeError) as error:
        raise InputError(f"a track has no vector of numbers: {error}") from error


def read_targets(file: BinaryIO) -> NDArray[np.bool_]:
    """Read an array of shape (n, K), as in `train_y.npy` and `train_binaries.npy`."""
    array = read_npy(file)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InputError(f"an array of shape {array.shape} and type {array.dtype}, expected numbers of shape (n, K)")
    return array > 0


def track_ids(values: Any) -> list[str]:
    """Check that values are track ids, each once; bytes become text."""
    if not isinstance(values, (list, tuple)):
        raise InputError(f"a {type(values).__name__}, expected a list of track ids")
    ids = [_text(value) for value in values]
    wrong = next((id for id in ids if not _TRACK.fullmatch(id)), None)
    if wrong is not None:
        raise InputError(f"{wrong[:40]!r} is no track id, such as TRAXLZU12903D05F94")
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = next(id for id in ids if id in seen or seen.add(id))  # type: ignore[func-returns-value]
        raise InputError(f"track {twice} stands in the list twice")
    return ids


def available_splits(root: Path) -> tuple[str, ...]:
    """Return the names of the splits whose files lie in the folder."""
    return tuple(name for name in FILES if split_files(root, name))


def split_files(root: Path, name: str) -> tuple[Path, ...]:
    """Return the files of a split, in the folder or in one in it with the split's name; none if some are missing."""
    found = tuple(path for file in FILES[name] if (path := beside(root, name, file)) is not None)
    if len(found) == len(FILES[name]):
        return found
    table = beside(root, name, CALS_TABLE) if name == "cals" else None
    return (table,) if table else ()


def beside(root: Path, split: str, file: str) -> Path | None:
    """Find a file in the folder, or in the one in it that has the split's name."""
    return next((path for path in (root / file, root / split / file) if path.is_file()), None)


def read_split(root: Path, name: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Read the lists of a split.

    Parameters
    ----------
    root : the folder of the dataset
    name : out of `available_splits`

    Returns
    -------
    part to its tracks, and track to the reason of those that its authors left out
    """
    files = split_files(root, name)
    if name == "cals":
        return _cals(root, files)
    if name == "choi":
        lists = {part: parse_text(path, read_ids) for part, path in zip(PARTS.values(), files, strict=True)}
        return _disjoint(lists, files[0]), {}
    train, test = (parse(path, read_pickled_ids) for path in files)
    cut = min(TRAIN_OF_LEE, len(train))
    return _disjoint({"train": train[:cut], "validation": train[cut:], "test": test}, files[0]), {}


def _cals(root: Path, files: tuple[Path, ...]) -> tuple[dict[str, list[str]], dict[str, str]]:
    student = beside(root, "cals", "student_ids.npy")
    if len(files) == 3:
        lists = {part: parse(path, read_array_of_ids) for part, path in zip(PARTS.values(), files, strict=True)}
        others = parse(student, read_array_of_ids) if student else []
    else:
        named = parse_text(files[0], read_cals_table)
        lists = {part: named.get(short.upper(), []) for short, part in PARTS.items()}
        others = named.get("STUDENT", [])
    return _disjoint(lists, files[0]), dict.fromkeys(others, "student set: no labels")


def read_cals_table(file: TextIO) -> dict[str, list[str]]:
    """Read `msd_splits.tsv` of CALS: set (TRAIN, VALID, TEST, STUDENT, NONE) to its tracks."""
    named: dict[str, list[str]] = {}
    for row in read_table(file, columns=("clip_ids", "splits"), key="clip_ids"):
        named.setdefault(row["splits"].upper(), []).append(row["clip_ids"])
    return named


def _disjoint(lists: dict[str, list[str]], path: Path) -> dict[str, list[str]]:
    """Raise unless no track stands in two parts."""
    seen: dict[str, str] = {}
    for part, ids in lists.items():
        for id in ids:
            if seen.setdefault(id, part) != part:
                raise InputError(f"{path.parent}: track {id} stands in {seen[id]} and in {part}")
    return lists


def parse(path: Path, parser: Callable[[BinaryIO], T]) -> T:
    """Parse a binary file; errors get its name."""
    with naming(path), path.open("rb") as file:
        return parser(file)


def parse_text(path: Path, parser: Callable[[TextIO], T]) -> T:
    """Parse a text file; errors get its name."""
    with open_text(path) as file:
        return parser(file)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str | int | float):
        raise InputError(f"a {type(value).__name__} is there, expected a text or a number")
    return str(value)


def song_tracks(tracks: Iterable[ListedTrack], mismatches: Collection[Mismatch] = ()) -> Mapping[str, str]:
    """Say which track stands for each song: the first one listed that is not known to be another recording."""
    wrong = {(entry.song, entry.track) for entry in mismatches}
    found: dict[str, str] = {}
    for track in tracks:
        if (track.song, track.track) not in wrong:
            found.setdefault(track.song, track.track)
    return found
