"""FMA: 106,574 tracks of the Free Music Archive with genres in a tree, as clips of 30 s or in full.

A track is of its subset and of all larger ones: small (8,000, eight genres of equal size), medium (25,000, one of 16
top genres each), large (all, clips of 30 s), full (all, whole tracks). Targets are the top genre, one label per track;
the genres that the artist gave; the same with all genres above them; or Last.fm's tags out of a table of your own.

Notes
-----
The top genre is missing where a track has genres of several roots, or none: with `targets="genre_top"` those tracks
are no part of the dataset (all of small and medium have one). Genres that `genres.csv` does not know are left out and
listed among the faults.

Splits
------
official    the published one, by artists, 8:1:1, without clips that hold no audio and without tracks that have no genre
published   the same lists as they stand

References
----------
Defferrard, M., Benzi, K., Vandergheynst, P. and Bresson, X. "FMA: a dataset for music analysis", ISMIR 2017.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO, TypeVar

from earmark.datasets.base import (
    NO_TAG,
    Dataset,
    DatasetInfo,
    Fault,
    Remote,
    Split,
    Track,
    by_frequency,
    check_choice,
    count_tags,
    covering,
)
from earmark.datasets.fma_faults import WRONG, clip_faults, full_faults
from earmark.datasets.fma_tables import (
    SUBSETS,
    Features,
    GenreTree,
    Row,
    read_echonest,
    read_features,
    read_genres,
    read_lastfm,
    read_tracks,
)
from earmark.datasets.reading import check_root, group_keys, locate, name_key, open_text
from earmark.errors import InputError, UsageError
from earmark.vocabulary import SPLITS, Vocabulary, from_tags

T = TypeVar("T")
HOST = "https://os.unil.cloud.switch.ch/fma"
INFO = DatasetInfo(
    name="fma",
    title="FMA: A Dataset For Music Analysis",
    description="Music of the Free Music Archive with 163 genres in a tree, in four subsets, and features of it.",
    n_tracks=106_574,
    hours=8_232,
    licence="labels: CC BY 4.0; audio: of each track its own, mostly Creative Commons; for research",
    home="https://github.com/mdeff/fma",
    how_to_get="fetch fma_metadata.zip and the archive of a subset, such as fma_small.zip, from its home; unpack both",
    citation="Defferrard, M., Benzi, K., Vandergheynst, P. and Bresson, X. FMA: a dataset for music analysis. "
    "ISMIR 2017.",
    options={
        "subset": "small (8,000 clips), medium (25,000), large (106,574), or full (106,574 whole tracks)",
        "targets": "genre_top (one label), genres, genres_all (with all genres above), or lastfm",
        "level": "all genres, or top: each replaced by its root",
        "lastfm": "table of Last.fm's tags: columns track_id, tag, count, as CSV or JSON lines; a path relative to the "
        "folder of the dataset",
    },
    layout=(
        "fma_metadata/tracks.csv      names, genres, split (or tracks.csv in the root)",
        "fma_metadata/genres.csv      the tree of genres",
        "fma_metadata/features.csv    features, see load_features (may be absent; echonest.csv alike)",
        "fma_small/000 ...            audio of the subset or a larger one (may be absent; or 000 ... in the root)",
    ),
    remotes=(
        Remote(
            "fma_metadata.zip",
            f"{HOST}/fma_metadata.zip",
            "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
            358_412_441,
            unpack=True,
        ),
        *(
            Remote(f"fma_{subset}.zip", f"{HOST}/fma_{subset}.zip", f"sha1:{digest}", size, kind="audio", unpack=True)
            for subset, digest, size in (
                ("small", "ade154f733639d52e35e32f5593efe5be76c6d70", 7_679_594_875),
                ("medium", "c67b69ea232021025fca9231fc1c7c1a063ab50b", None),
                ("large", "497109f4dd721066b5ce5e5f250ec604dc78939e", 100_306_112_191),
                ("full", "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab", None),
            )
        ),
    ),
)

TARGETS = ("genre_top", "genres", "genres_all", "lastfm")
LEVELS = ("all", "top")
N_LASTFM = 50  # tags of Last.fm in the vocabulary
CLIP = 30.0  # seconds


def load(
    root: Path, *, subset: str = "small", targets: str = "genre_top", level: str = "all", lastfm: str | None = None
) -> Dataset:
    """Read the tracks of a subset.

    Parameters
    ----------
    root : holds `fma_metadata` and `fma_small`; see `INFO.layout`
    subset : one of `SUBSETS`
    targets : one of `TARGETS`
    level : "all", or "top" to replace each genre by the root that it is below
    lastfm : table of tags, for `targets="lastfm"`; the vocabulary is the 50 most frequent
    """
    _check(subset, targets, level, lastfm)
    rows = _read(root, read_tracks, "fma_metadata/tracks.csv", "tracks.csv")
    rows = [row for row in rows if SUBSETS.index(row.subset) <= SUBSETS.index(subset)]
    faults = full_faults() if subset == "full" else clip_faults()
    weights: dict[int, dict[str, float]] = {}
    if targets == "lastfm":
        weights = _read_lastfm(root, str(lastfm))
        tags_of: Callable[[Row], Iterable[str]] = partial(_weighted, weights=weights)
    elif targets == "genre_top":
        rows = [row for row in rows if row.genre_top]
        tags_of = _top
    else:
        tree = _read(root, read_genres, "fma_metadata/genres.csv", "genres.csv")
        column = "genres" if targets == "genres" else "genres_all"
        tags_of = partial(_genres, tree=tree, column=column, top=level == "top")
        faults += _unknown_genres(rows, tree, column)
    folder = _find_audio(root, subset)
    tracks = tuple(_track(row, tuple(tags_of(row)), weights.get(row.id), folder, subset) for row in rows)
    ids = {track.id for track in tracks}
    known = tuple(fault for fault in faults if fault.track in ids)
    listed = {part: [str(row.id) for row in rows if row.part == part] for part in SPLITS}
    untagged = {track.id: NO_TAG for track in tracks if not track.tags}
    return Dataset(
        INFO,
        root,
        {"subset": subset, "targets": targets, "level": level, "lastfm": lastfm},
        tracks,
        _vocabulary(f"fma-{targets}", tracks, targets),
        task="single_label" if targets == "genre_top" else "multi_label",
        split_makers={
            "official": partial(_official, listed, tracks, untagged | {f.track: f.detail for f in known if f.is_fatal}),
            "published": partial(_published, listed, tracks),
        },
        faults=known,
    )


def load_features(root: Path) -> Features:
    """Read `features.csv`, 518 statistics of features of librosa per track, computed from the whole tracks.

    Parameters
    ----------
    root : see `INFO.layout`
    """
    return _read(root, read_features, "fma_metadata/features.csv", "features.csv")


def load_echonest(root: Path) -> Features:
    """Read the numbers of `echonest.csv`, of 13,129 tracks.

    Parameters
    ----------
    root : see `INFO.layout`
    """
    return _read(root, read_echonest, "fma_metadata/echonest.csv", "echonest.csv")


def load_genres(root: Path) -> GenreTree:
    """Read the tree of genres.

    Parameters
    ----------
    root : see `INFO.layout`
    """
    return _read(root, read_genres, "fma_metadata/genres.csv", "genres.csv")


def _check(subset: str, targets: str, level: str, lastfm: str | None) -> None:
    for name, value, known in (("subset", subset, SUBSETS), ("targets", targets, TARGETS), ("level", level, LEVELS)):
        check_choice(name, value, known)
    if (targets == "lastfm") != (lastfm is not None):
        raise UsageError(
            f"targets={targets!r} with lastfm={lastfm!r}",
            hint="targets=lastfm needs lastfm=TABLE, and the other targets take none",
        )


def _read(root: Path, parse: Callable[[TextIO], T], *names: str) -> T:
    with open_text(locate(INFO, root, *names)) as file:
        return parse(file)


def _read_lastfm(root: Path, name: str) -> dict[int, dict[str, float]]:
    check_root(INFO, root)
    path = root / name
    if not path.is_file():
        raise InputError(f"{path}: there is no such table of Last.fm's tags", hint="columns track_id, tag, count")
    with open_text(path) as file:
        return read_lastfm(file)


def _weighted(row: Row, *, weights: Mapping[int, Mapping[str, float]]) -> tuple[str, ...]:
    return tuple(weights.get(row.id, ()))


def _top(row: Row) -> tuple[str, ...]:
    return (row.genre_top,)


def _genres(row: Row, *, tree: GenreTree, column: str, top: bool) -> tuple[str, ...]:
    known = (id for id in getattr(row, column) if id in tree)
    return tuple(dict.fromkeys(tree.names[tree.root(id) if top else id] for id in known))


def _unknown_genres(rows: Iterable[Row], tree: GenreTree, column: str) -> list[Fault]:
    unknown = ((row.id, [id for id in getattr(row, column) if id not in tree]) for row in rows)
    return [
        Fault(str(id), "unknown_genre", f"not in genres.csv: {', '.join(map(str, ids))}", "earmark")
        for id, ids in unknown
        if ids
    ]


def _find_audio(root: Path, subset: str) -> Path:
    """Return the folder of the audio: of the subset or, for clips, a larger one; the root if the files lie there."""
    larger = ("full",) if subset == "full" else SUBSETS[SUBSETS.index(subset) : -1]
    folders = [root / f"fma_{name}" for name in larger]
    there = next((folder for folder in folders if folder.is_dir()), None)
    if there is None and any((root / f"{i:03d}").is_dir() for i in range(156)):
        there = root
    return there or folders[0]


def _track(row: Row, tags: tuple[str, ...], weights: Mapping[str, float] | None, folder: Path, subset: str) -> Track:
    length, origin = _times(row, clip=subset != "full")
    return Track(
        str(row.id),
        folder / f"{row.id:06d}"[:3] / f"{row.id:06d}.mp3",
        tags,
        artist=row.artist,
        album=row.album,
        title=row.title,
        groups=group_keys(artist=row.artist_id or name_key(row.artist), album=row.album_id),
        origin=origin,
        duration=length,
        tag_weights=tuple(weights.values()) if weights else (),
    )


def _times(row: Row, *, clip: bool) -> tuple[float | None, tuple[float, float] | None]:
    """Return how long the audio lasts, and where in the whole track it was cut.

    Notes
    -----
    A clip of a track over 30 s begins at half its published duration, whole seconds, less 15 s.
    """
    wrong, published = WRONG.get(row.id), row.duration or None
    if not clip:
        return (wrong.real if wrong else published), None
    if wrong is not None:
        return wrong.clip or None, None
    if published is None:
        return None, None
    start = float(published // 2 - 15) if published > CLIP else 0.0
    length = min(published, CLIP)
    return length, (start, start + length)


def _vocabulary(name: str, tracks: Sequence[Track], targets: str) -> Vocabulary:
    """Genres in alphabetical order; of Last.fm's tags the most frequent, these first."""
    counts = count_tags(tracks)
    if targets == "lastfm":
        return from_tags(name, tuple(islice(by_frequency(counts), N_LASTFM)))
    return Vocabulary(name, tuple(sorted(counts)), ("genre",) * len(counts))


def _official(listed: Mapping[str, Sequence[str]], tracks: Sequence[Track], reasons: Mapping[str, str]) -> Split:
    parts = {part: [id for id in ids if id not in reasons] for part, ids in listed.items()}
    return covering(
        "official",
        "published: 8:1:1, no artist in two parts (Defferrard et al. 2017); without tracks that have no audio or tag",
        parts,
        tracks,
        reasons=reasons,
        otherwise="in no part of the published split",
    )


def _published(listed: Mapping[str, Sequence[str]], tracks: Sequence[Track]) -> Split:
    return covering(
        "published",
        "published: 8:1:1, no artist in two parts (Defferrard et al. 2017), with clips that hold no audio",
        listed,
        tracks,
        otherwise="in no part of the published split",
    )
