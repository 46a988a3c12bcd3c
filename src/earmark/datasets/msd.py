"""The Million Song Dataset with Last.fm tags: facts about a million tracks, tags of half of them, and published splits.

What a track is tagged with comes from one of four published sources (option `labels`): the Last.fm dataset itself,
with a lowest weight, or the targets that the authors of a split published beside it. There has never been a legal
download of the audio: previews of 30 s were fetched from 7digital, which stopped giving them out.

A split is offered where its files are. Published protocols differ by up to 0.10 in average precision for the same
model: always name labels and split. How many artists stand in two parts of a split is counted by
`earmark.datasets.statistics.leaks`.

`sid_mismatches.txt` lists pairs of song and track that are different recordings. Last.fm tags and the Taste Profile
came by song: such tracks are faults of kind "mismatched", and `taste_profile` leaves them out.

A song's own file (`A/B/C/TRABC....h5`), with all that the Echo Nest found in it, is read by
`earmark.datasets.msd_hdf5`: `with open_hdf5(path) as file: song = read_song(file)` gives tempo, key, segments_timbre
and the rest under their published names. `Summary` reads msd_summary_file.h5.

Splits
------
cals    Won et al. 2021: no artist in two parts; 163,504 / 34,730 / 34,913 labelled tracks, and 516,415 without labels
        for semi-supervised training
lee     Lee et al. 2017: that of Choi, previews over 29.1 s only; 201,680 / 11,774 / 28,435. Artists stand in several
        parts.
choi    Choi et al. 2016: 201,680 / 12,634 / 28,540. Artists stand in several parts.
artist  earmark's: no artist in two parts, tags in balance

References
----------
Bertin-Mahieux, T., Ellis, D. P. W., Whitman, B. and Lamere, P. "The Million Song Dataset", ISMIR 2011.
Won, M., Choi, K. and Serra, X. "Semi-supervised music tagging transformer", ISMIR 2021.
Lee, J. et al. "Sample-level deep convolutional neural networks for music auto-tagging", SMC 2017.
Choi, K., Fazekas, G. and Sandler, M. "Automatic tagging using deep convolutional neural networks", ISMIR 2016.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.datasets import msd_lists as lists
from earmark.datasets.base import (
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
    most_frequent,
)
from earmark.datasets.interactions import Interactions, load_triplets
from earmark.datasets.lastfm_tags import ARCHIVES, stream_tags
from earmark.datasets.msd_audio import LAYOUTS, places, sevendigital_ids
from earmark.datasets.msd_hdf5 import Summary, open_hdf5
from earmark.datasets.reading import check_root, group_keys, how_to_get, locate, name_key, open_text, read_lines
from earmark.datasets.safe_pickle import read_npy
from earmark.datasets.splitting import split_by_group
from earmark.errors import InputError, UsageError
from earmark.vocabulary import Vocabulary, from_tags, get_vocabulary

Fact = tuple[str, str, int]
"""Artist id, album and 7digital id of a track."""

Tagged = dict[str, tuple[tuple[str, float], ...]]

SITE = "http://millionsongdataset.com/sites/default/files"
CHOI = "https://raw.githubusercontent.com/keunwoochoi/MSD_split_for_tagging/master"
LEE = "https://github.com/jongpillee/music_dataset_split/raw/master/MSD_split"
CALS = "https://github.com/minzwon/semi-supervised-music-tagging-transformer/raw/master/data/splits"
LABELS = ("lastfm", "lee", "choi", "cals")
LOWEST_OF_CHOI = 51  # Choi counts weights over 50

INFO = DatasetInfo(
    name="msd",
    title="Million Song Dataset with Last.fm tags",
    description="Facts and Echo Nest analyses of a million popular tracks; Last.fm tags of 505,216 of them.",
    n_tracks=1_000_000,
    hours=None,
    licence="labels: free for research that is not commercial; audio: not published",
    home="http://millionsongdataset.com",
    how_to_get="fetch unique_tracks.txt, sid_mismatches.txt and lastfm_tags.db (or lastfm_train.zip and "
    "lastfm_test.zip) from millionsongdataset.com; splits: choi from github.com/keunwoochoi/MSD_split_for_tagging, "
    "lee from github.com/jongpillee/music_dataset_split (MSD_split), cals from "
    "github.com/minzwon/semi-supervised-music-tagging-transformer (data/splits)",
    citation="Bertin-Mahieux, T., Ellis, D. P. W., Whitman, B. and Lamere, P. The Million Song Dataset. ISMIR 2011.",
    options={
        "labels": "lastfm (the Last.fm dataset), or lee, choi, cals: the targets published with that split",
        "vocabulary": "top50 (as published: Choi's for lastfm, lee and choi, its own for cals), or a number of the "
        "most frequent tags",
        "min_weight": f"of a Last.fm tag, 0 to 100; {LOWEST_OF_CHOI} as Choi and Lee count",
        "tracks": "labelled (those with a tag), or all of unique_tracks.txt",
        "audio": "layout of the audio: 7digital (N/N/NNN.clip.mp3), msd (A/B/C/TRABC....mp3), or auto: 7digital where "
        "7digital ids are known",
        "summary": "also read msd_summary_file.h5: artist ids, albums, 7digital ids (takes a while)",
    },
    layout=(
        "unique_tracks.txt                       track, song, artist, title",
        "lastfm_tags.db                          tags; or lastfm_train.zip and lastfm_test.zip, or these unpacked",
        "sid_mismatches.txt                      wrong pairs of song and track (may be absent)",
        "msd_summary_file.h5                     facts about all tracks (may be absent)",
        "train_x_msd_id.txt, ...                 lists of Choi, in the folder itself or in choi/ (may be absent)",
        "filtered_list_train.cP, ...             lists of Lee, in the folder itself or in lee/ (may be absent)",
        "train_ids.npy, ... or msd_splits.tsv    lists of CALS, in the folder itself or in cals/ (may be absent)",
        "MSD_id_to_7D_id.pkl, 7D_id_to_path.pkl  where previews lie, as published with Lee's lists (may be absent)",
        "train_triplets.txt.zip                  the Taste Profile (may be absent)",
        "audio/                                  audio; its folders may also lie in songs/, mp3/ or the root itself",
    ),
    remotes=(
        # The md5 sums are those that the project MTLMusicRepresentation checks its downloads by.
        Remote(
            "unique_tracks.txt", f"{SITE}/AdditionalFiles/unique_tracks.txt", "md5:a02eb8275b10286d678309a19e229bd0"
        ),
        Remote("sid_mismatches.txt", f"{SITE}/tasteprofile/sid_mismatches.txt"),
        Remote("lastfm_tags.db", f"{SITE}/lastfm/lastfm_tags.db", "md5:ed3ce4acaa8fc1935267c7cb98601804"),
        *(Remote(name, f"{CHOI}/{name}", into="choi") for name in lists.FILES["choi"]),
        *(
            Remote(name, f"{LEE}/{name}", into="lee")
            for name in (*lists.FILES["lee"], "MSD_id_to_7D_id.pkl", "7D_id_to_path.pkl", "msd_id_to_tag_vector.cP")
        ),
        *(Remote(name, f"{CALS}/{name}", into="cals") for name in lists.FILES["cals"]),
        Remote("msd_summary_file.h5", f"{SITE}/AdditionalFiles/msd_summary_file.h5"),
        Remote(
            "train_triplets.txt.zip", f"{SITE}/challenge/train_triplets.txt.zip", "md5:fadbc813c11881b3147af3c26006335f"
        ),
    ),
    no_download="the audio was never published; the previews that papers used came from 7digital, which no longer "
    "gives them out. Labels, lists and analyses can be downloaded.",
)


def load(
    root: Path,
    *,
    labels: str = "lastfm",
    vocabulary: str | int = "top50",
    min_weight: float = LOWEST_OF_CHOI,
    tracks: str = "labelled",
    audio: str = "auto",
    summary: bool = False,
) -> Dataset:
    """Read tracks with their tags.

    Parameters
    ----------
    root : holds the lists and the tags; see `INFO.layout`
    labels : "lastfm", "lee", "choi" or "cals"
    vocabulary : "top50" or a number of tags
    min_weight : of a Last.fm tag, 0 to 100; of no effect on other labels
    tracks : "labelled" or "all"
    audio : "7digital", "msd" or "auto"
    summary : whether to read `msd_summary_file.h5` too
    """
    for name, value, known in (
        ("labels", labels, LABELS),
        ("tracks", tracks, ("labelled", "all")),
        ("audio", audio, LAYOUTS),
    ):
        check_choice(name, value, known)
    if not 0 <= min_weight <= 100:
        raise UsageError(f"min_weight={min_weight!r}, expected a number from 0 to 100")
    check_root(INFO, root)
    listing = locate(INFO, root, "unique_tracks.txt", "AdditionalFiles/unique_tracks.txt", "subset_unique_tracks.txt")
    tagged, top50 = _labels(root, labels, min_weight)
    facts = _facts(root) if summary else {}
    numbers = sevendigital_ids(root)
    place = places(root, audio, numbers or {track: str(fact[2]) for track, fact in facts.items() if fact[2] > 0})
    with open_text(listing) as file:
        found = tuple(
            _track(row, tagged.get(row.track, ()), place(row.track), facts.get(row.track))
            for row in lists.read_unique_tracks(file)
            if tracks == "all" or tagged.get(row.track)
        )
    options = {"labels": labels, "vocabulary": vocabulary, "min_weight": min_weight}
    return Dataset(
        INFO,
        root,
        options | {"tracks": tracks, "audio": audio, "summary": summary},
        found,
        _vocabulary(found, vocabulary, top50, labels),
        split_makers={name: _splitter(root, name, found) for name in lists.available_splits(root)}
        | {"artist": lambda: split_by_group(found, by="artist", tags=top50.tags, name="artist")},
        faults=tuple(_faults(root, {track.id for track in found}, numbers)),
    )


def taste_profile(root: Path, *, by: str = "track", leave_mismatched: bool = True) -> Interactions:
    """Read the Taste Profile.

    Parameters
    ----------
    root : holds `train_triplets.txt`, plain, gzipped or zipped, and `unique_tracks.txt`
    by : "track" names items by the first track of a song, "song" leaves them as published
    leave_mismatched : whether songs whose track is another recording are left out; of no effect without
        `sid_mismatches.txt`
    """
    check_choice("by", by, ("track", "song"))
    path = locate(INFO, root, "train_triplets.txt", "train_triplets.txt.zip")
    listing = locate(INFO, root, "unique_tracks.txt")
    wrong = _mismatches(root) if leave_mismatched else []
    with open_text(listing) as file:
        songs = lists.song_tracks(lists.read_unique_tracks(file), wrong)
    played = load_triplets(path)
    return played.renamed(songs) if by == "track" else played.without(set(played.items) - songs.keys())


def _labels(root: Path, labels: str, min_weight: float) -> tuple[Tagged, Vocabulary]:
    """Return the tags of every labelled track, and the published 50."""
    usual = get_vocabulary("msd")
    if labels == "lastfm":
        return _lastfm(root, min_weight), usual
    if labels == "lee":
        vectors = lists.parse(_needed(root, "lee", "msd_id_to_tag_vector.cP"), lists.read_pickled_targets)
        return _of_targets(list(vectors), list(vectors.values()), usual.tags, root), usual
    names, ids, targets = usual.tags, [], []
    if labels == "cals":
        tags = lists.parse(_needed(root, "cals", "cals_tags.npy"), read_npy)
        names = tuple(dict.fromkeys(str(tag) for tag in tags.ravel().tolist()))
    for part in lists.PARTS:
        if labels == "cals":
            ids += lists.parse(_needed(root, labels, f"{part}_ids.npy"), lists.read_array_of_ids)
        else:
            ids += lists.parse_text(_needed(root, labels, f"{part}_x_msd_id.txt"), lists.read_ids)
        file = f"{part}_binaries.npy" if labels == "cals" else f"{part}_y.npy"
        targets += list(lists.parse(_needed(root, labels, file), lists.read_targets))
    return _of_targets(ids, targets, names, root), usual if labels == "choi" else from_tags("msd-cals", names)


def _needed(root: Path, split: str, file: str) -> Path:
    found = lists.beside(root, split, file)
    if found is None:
        raise InputError(f"{root}: {file} is missing, the labels of {split!r} need it", hint=how_to_get(INFO, root))
    return found


def _of_targets(ids: Sequence[str], targets: Sequence[NDArray[np.bool_]], names: Sequence[str], root: Path) -> Tagged:
    if len(ids) != len(targets):
        raise InputError(f"{root}: {len(ids)} ids, but targets of {len(targets)} tracks")
    wrong = next((len(row) for row in targets if len(row) != len(names)), None)
    if wrong is not None:
        raise InputError(f"{root}: targets of {wrong} tags, expected {len(names)}")
    return {
        id: tuple((names[k], 100.0) for k in np.flatnonzero(row).tolist()) for id, row in zip(ids, targets, strict=True)
    }


def _lastfm(root: Path, min_weight: float) -> Tagged:
    """Read the SQLite file, else the archives."""
    database = root / "lastfm_tags.db"
    archives = [p for name in ARCHIVES for p in (root / f"{name}.zip", root / name) if p.exists()]
    sources = [database] if database.is_file() else list({path.stem: path for path in reversed(archives)}.values())
    if len(sources) > 1:  # the tracks of the subset are in the others too
        sources = [path for path in sources if path.stem != ARCHIVES[-1]]
    if not sources:
        raise InputError(
            f"{root}: none of lastfm_tags.db, lastfm_train.zip, lastfm_test.zip is there, msd needs tags",
            hint=how_to_get(INFO, root),
        )
    names: dict[str, str] = {}  # one text per tag, however many tracks have it
    found: Tagged = {}
    for source in sources:
        for entry in stream_tags(source):
            if entry.track in found:
                raise InputError(f"{source}: track {entry.track} stands there twice, or in two archives")
            heavy = tuple((names.setdefault(tag, tag), weight) for tag, weight in entry.tags if weight >= min_weight)
            found[entry.track] = heavy
    return found


def _facts(root: Path) -> dict[str, Fact]:
    """Read the summary file."""
    path = locate(INFO, root, "msd_summary_file.h5", "subset_msd_summary_file.h5")
    columns = ["track_id", "artist_id", "release", "track_7digitalid"]
    found: dict[str, Fact] = {}
    with open_hdf5(path) as file:
        for part in Summary(file).blocks(columns):
            values = [part[name] if isinstance(part[name], list) else part[name].tolist() for name in columns]  # type: ignore[union-attr]
            found |= {row[0]: row[1:] for row in zip(*values, strict=True)}
    return found


def _track(
    row: lists.ListedTrack,
    tags: tuple[tuple[str, float], ...],
    audio: Path | None,
    fact: Fact | None,
) -> Track:
    artist = row.artist
    groups = group_keys(artist=fact[0] if fact and fact[0] else name_key(artist), track=row.song)
    album = fact[1] if fact else ""
    if fact and album:
        groups = {**groups, "album": f"{groups.get('artist', '')}-{album}"}
    return Track(
        row.track,
        audio,
        tuple(tag for tag, _ in tags),
        artist=artist,
        album=album,
        title=row.title,
        groups=groups,
        tag_weights=tuple(weight for _, weight in tags),
    )


def _vocabulary(tracks: Sequence[Track], chosen: str | int, top50: Vocabulary, labels: str) -> Vocabulary:
    if chosen == "top50":
        return top50
    tags = by_frequency(count_tags(tracks))
    return from_tags(f"msd-{labels}-top{chosen}", most_frequent(tags, chosen, names="top50"))


def _splitter(root: Path, name: str, tracks: Sequence[Track]) -> Callable[[], Split]:
    def make() -> Split:
        parts, reasons = lists.read_split(root, name)
        return covering(name, lists.DESCRIPTIONS[name], parts, tracks, reasons=reasons)

    return make


def _mismatches(root: Path) -> list[lists.Mismatch]:
    path = root / "sid_mismatches.txt"
    return lists.parse_text(path, lists.read_mismatches) if path.is_file() else []


def _faults(root: Path, ids: set[str], numbers: Mapping[str, str]) -> Iterator[Fault]:
    details: dict[str, str] = {}
    for entry in _mismatches(root):
        if entry.track in ids:
            details.setdefault(entry.track, f"its tags and plays are of another song: {entry.detail}")
    for track, detail in details.items():
        yield Fault(track, "mismatched", detail, "sid_mismatches.txt of the dataset's authors")
    track_of = {number: track for track, number in numbers.items()}
    for file, (kind, detail) in lists.FAULTS_OF_CHOI.items():
        path = lists.beside(root, "choi", file)
        for number in lists.parse_text(path, read_lines) if path else ():
            if (found := track_of.get(number)) in ids and found is not None:
                yield Fault(found, kind, detail, f"{file} of Choi")
    for track in lists.SKIPPED_BY_WON:
        if track in ids:
            yield Fault(track, "skipped", "left out of training and tests, for no stated reason", "Won et al. 2020")
