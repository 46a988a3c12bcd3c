"""MTG-Jamendo: 55,000 full tracks of Jamendo with the tags of their uploaders, in five subsets and five splits.

The tables of the authors' repository are read as they lie there (`data/splits/split-N/`), or with the folders
`split-N` in the root, plain or gzipped. A table has one row per track with any number of tags behind one column TAGS.
The tracks of a dataset are those of all splits that are there. Eight genres, one instrument and three moods of the
whole table, `data/autotagging.tsv`, are in no split, for too few artists have them; it is read only where there are no
splits, and then divided by artists.

Audio comes in two qualities, `41/241.mp3` (320 kbit/s) and `41/241.low.mp3` (mono); for every track the better one that
is there is taken. Results in the literature are mostly of split 0, some of the whole tracks, some of their centre: say
which.

References
----------
Bogdanov, D., Won, M., Tovstogan, P., Porter, A. and Serra, X. "The MTG-Jamendo dataset for automatic music tagging",
ML4MD at ICML 2019.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO

from earmark.datasets.base import Dataset, DatasetInfo, Fault, Remote, Split, Track, check_choice, count_tags, covering
from earmark.datasets.cells import seconds
from earmark.datasets.mtg_jamendo_files import TARS
from earmark.datasets.reading import csv_rows, group_keys, inside, list_folder, locate, open_text
from earmark.datasets.splitting import split_by_group
from earmark.errors import InputError
from earmark.vocabulary import SPLITS, Vocabulary, category

REPOSITORY = "https://raw.githubusercontent.com/MTG/mtg-jamendo-dataset/master"
AUDIO_HOST = "https://cdn.freesound.org/mtg-jamendo/raw_30s"
SUBSETS = {
    "top50tags": "autotagging_top50tags",
    "genre": "autotagging_genre",
    "instrument": "autotagging_instrument",
    "moodtheme": "autotagging_moodtheme",
    "all": "autotagging",
}
"""Name of every subset to how the names of its files begin."""
N_SPLITS = 5
INFO = DatasetInfo(
    name="mtg_jamendo",
    title="The MTG-Jamendo Dataset",
    description="Full tracks of Jamendo with 195 tags of genre, instrument and mood or theme, given by the uploaders.",
    n_tracks=55_701,
    hours=3_777,
    licence="labels: CC BY-NC-SA 4.0; audio: Creative Commons, of each track its own (audio_licenses.txt)",
    home="https://mtg.github.io/mtg-jamendo-dataset/",
    how_to_get="clone https://github.com/MTG/mtg-jamendo-dataset for the labels; its scripts/download/download.py "
    f"fetches the audio, 508 GB, from {AUDIO_HOST}/audio, or 156 GB in low quality from {AUDIO_HOST}/audio-low",
    citation="Bogdanov, D., Won, M., Tovstogan, P., Porter, A. and Serra, X. The MTG-Jamendo dataset for automatic "
    "music tagging. Machine Learning for Music Discovery Workshop, ICML 2019.",
    options={
        "subset": "top50tags, genre (87 tags), instrument (40), moodtheme (56), or all (183)",
        "audio": "full tracks, or centre: the 30 s in their middle",
    },
    layout=(
        "data/splits/split-0 ... split-4    tables of tracks and tags (or split-0 ... split-4 in the root)",
        "data/raw.meta.tsv                  names of tracks, artists, albums (may be absent)",
        "audio/00 ... audio/99              audio, of either quality (may be absent; or 00 to 99 in the root)",
    ),
    remotes=(
        *(
            Remote(
                f"{stem}-{part}.tsv",
                f"{REPOSITORY}/data/splits/split-{i}/{stem}-{part}.tsv",
                into=f"data/splits/split-{i}",
            )
            for i in range(N_SPLITS)
            for stem in SUBSETS.values()
            for part in SPLITS
        ),
        Remote("raw.meta.tsv", f"{REPOSITORY}/data/raw.meta.tsv", into="data"),
        Remote("audio_licenses.txt", f"{REPOSITORY}/audio_licenses.txt"),
        *(
            Remote(name, f"{AUDIO_HOST}/audio/{name}", f"sha256:{digest}", kind="audio", unpack=True, into="audio")
            for name, digest in TARS.items()
        ),
    ),
)

FAULTS = tuple(
    Fault(
        f"track_{track:07d}",
        "repetition",
        f"the same file as track_{other:07d}; 990 of all tracks have such a copy, these are the published examples",
        "MTG/mtg-jamendo-dataset, issue 52",
    )
    for pair in ((1056334, 1077641), (1399334, 1389919))
    for track, other in (pair, pair[::-1])
)
CENTRE = 30.0  # seconds
COLUMNS = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
NAMES = ("TRACK_ID", "TRACK_NAME", "ARTIST_NAME", "ALBUM_NAME")
FOLDERS = tuple(
    f"{above}{name}" for name in ("audio", "audio-low") for above in ("", "raw_30s/", "autotagging_moodtheme/")
)
PREFIXES = {"genre": "genre", "instrument": "instrument", "mood/theme": "mood"}


class Row(NamedTuple):
    """A row of a table of tracks; path of the audio and duration in seconds as published."""

    id: str
    artist: str
    album: str
    path: str
    duration: float
    tags: tuple[str, ...]


class Names(NamedTuple):
    """What track, artist and album are called."""

    title: str = ""
    artist: str = ""
    album: str = ""


def load(root: Path, *, subset: str = "top50tags", audio: str = "full") -> Dataset:
    """Read the tracks of a subset.

    Parameters
    ----------
    root : the repository's folder, its folder `data`, or one that holds `split-0`; see `INFO.layout`
    subset : one of `SUBSETS`
    audio : "full" or "centre", the middle 30 s of each track
    """
    check_choice("subset", subset, SUBSETS)
    check_choice("audio", audio, ("full", "centre"))
    splits = _read_splits(root, SUBSETS[subset])
    rows: dict[str, Row] = {}
    for parts in splits.values():
        for listed in parts.values():
            for row in listed:
                rows.setdefault(row.id, row)
    if not splits:
        rows = {row.id: row for row in _read_table(root, SUBSETS[subset])}
    names, audio_of = _read_names(root), _find_audio(root)
    tracks = tuple(
        _track(row, names.get(row.id, Names()), audio_of(row.path), centre=audio == "centre")
        for row in sorted(rows.values())
    )
    published = {name: partial(_published, name, parts, tracks) for name, parts in splits.items()}
    ours = partial(split_by_group, tracks, by="artist", parts={"train": 3, "validation": 1, "test": 1}, name="artist")
    return Dataset(
        INFO,
        root,
        {"subset": subset, "audio": audio},
        tracks,
        _vocabulary(f"mtg_jamendo-{subset}", tracks),
        split_makers=published or {"artist": ours},
        faults=tuple(fault for fault in FAULTS if fault.track in rows),
    )


def read_tracks(file: TextIO) -> list[Row]:
    """Read a table of tracks: TRACK_ID, ARTIST_ID, ALBUM_ID, PATH, DURATION, and any number of cells from TAGS on."""
    table = csv_rows(file, "\t")
    _, header = next(table, (0, list[str]()))
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise InputError(f"the table has no column {', '.join(missing)}; it has {', '.join(header[:8]) or 'none'}")
    track, artist, album, path, length, tags = (header.index(name) for name in COLUMNS)
    rows: dict[str, Row] = {}
    for line, cells in table:
        if len(cells) < len(header):
            raise InputError(f"line {line}: {len(cells)} cells, expected {len(header)} or more", hint="get it again")
        id = cells[track]
        if not id or id in rows:
            raise InputError(f"line {line}: track {id!r} stands in the table already" if id else f"line {line}: no id")
        duration = seconds(cells[length], f"line {line}: duration")
        if duration is None:
            raise InputError(f"line {line}: duration is {cells[length]!r}, expected seconds")
        place = inside(cells[path], f"line {line}: path")
        named = tuple(dict.fromkeys(tag.strip() for tag in cells[tags:] if tag.strip()))
        rows[id] = Row(id, cells[artist], cells[album], place, duration, named)
    return list(rows.values())


def read_names(file: TextIO) -> dict[str, Names]:
    """Read `raw.meta.tsv`: track to what it, its artist and its album are called.

    Notes
    -----
    Quotes mean nothing there; two rows have an empty cell too many behind the title.
    """
    header = next(iter(file), "").rstrip("\r\n").split("\t")
    missing = [name for name in NAMES if name not in header]
    if missing:
        raise InputError(f"the table has no column {', '.join(missing)}")
    track, title, artist, album = (header.index(name) for name in NAMES)
    found = {}
    for line in file:
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) == len(header) + 1 and not cells[title + 1]:
            del cells[title + 1]
        if len(cells) == len(header):
            found[cells[track]] = Names(cells[title].strip(), cells[artist].strip(), cells[album].strip())
    return found


def _read_splits(root: Path, stem: str) -> dict[str, dict[str, list[Row]]]:
    """Read the splits that are there: name to part to rows."""
    found: dict[str, dict[str, list[Row]]] = {}
    for i in range(N_SPLITS):
        name = f"split-{i}"
        above = next((a for a in ("data/splits/", "splits/", "") if any(_files(root / a / name, stem))), None)
        if above is not None:
            found[name] = {part: _read(root, f"{above}{name}/{stem}-{part}.tsv") for part in SPLITS}
    return found


def _files(folder: Path, stem: str) -> list[Path]:
    names = (f"{stem}-{part}.tsv{suffix}" for part in SPLITS for suffix in ("", ".gz"))
    return [folder / name for name in names if (folder / name).is_file()]


def _read_table(root: Path, stem: str) -> list[Row]:
    """Read the table of a subset where there is no split of it."""
    first = f"data/splits/split-0/{stem}-train.tsv"
    tables = ("raw_30s_cleantags_50artists", stem) if stem == SUBSETS["all"] else (stem,)
    return _read(root, first, *(f"{above}{table}.tsv" for table in tables for above in ("data/", "")))


def _read(root: Path, *names: str) -> list[Row]:
    with open_text(locate(INFO, root, *names)) as file:
        return read_tracks(file)


def _read_names(root: Path) -> dict[str, Names]:
    try:
        path = locate(INFO, root, "data/raw.meta.tsv", "raw.meta.tsv")
    except InputError:
        return {}
    with open_text(path) as file:
        return read_names(file)


def _find_audio(root: Path) -> Callable[[str], Path]:
    """Return what gives the file of a published path: in the better quality that is there, else where it would lie."""
    folder = next((root / name for name in FOLDERS if (root / name).is_dir()), root / FOLDERS[0])
    if not folder.is_dir() and any((root / f"{i:02d}").is_dir() for i in range(100)):
        folder = root
    there = {f"{i:02d}/{path.name}" for i in range(100) for path in list_folder(folder / f"{i:02d}")}

    def file_of(path: str) -> Path:
        low = path.removesuffix(".mp3") + ".low.mp3"
        return folder / (low if path not in there and low in there else path)

    return file_of


def _track(row: Row, names: Names, audio: Path, *, centre: bool) -> Track:
    begin = round((row.duration - CENTRE) / 2, 3)
    cut = centre and begin > 0
    return Track(
        row.id,
        audio,
        row.tags,
        artist=names.artist,
        album=names.album,
        title=names.title,
        groups=group_keys(artist=row.artist, album=row.album),
        segment=(begin, round(begin + CENTRE, 3)) if cut else None,
        duration=CENTRE if cut else row.duration,
    )


def _vocabulary(name: str, tracks: Sequence[Track]) -> Vocabulary:
    """All tags in alphabetical order of their full names, the order of the published models."""
    tags = sorted(count_tags(tracks))
    kinds = (category(tag, default=PREFIXES.get(tag.partition("---")[0], "other")) for tag in tags)
    return Vocabulary(name, tuple(tags), tuple(kinds))


def _published(name: str, parts: Mapping[str, Sequence[Row]], tracks: Sequence[Track]) -> Split:
    return covering(
        name,
        f"published {name.replace('-', ' ')}: 3:1:1, no artist in two parts (Bogdanov et al. 2019)",
        {part: [row.id for row in rows] for part, rows in parts.items()},
        tracks,
        otherwise="not in this split",
    )
