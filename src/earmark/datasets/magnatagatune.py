"""MagnaTagATune: clips of 29 s with tags that players of an online game gave.

Two published forms are read: the tables of the authors, and one JSON file of the jukemir project that holds the same
25,863 annotated clips. Artists come from the table of clips; without it, from the names of the files, which begin with
the artist: both give the same groups.

Splits
------
full      folders 0 to b, c, and d to f: 18,706 / 1,825 / 5,329 clips, without the three that cannot be read. Used by
          Dieleman & Schrauwen 2014, Pons, jukemir, MARBLE and others.
clean     the same folders without clips that have no tag of the top 50: 15,247 / 1,529 / 4,332 (Won et al. 2020)
lee       clean, and only clips over 29.1 s: 15,244 / 1,529 / 4,332 (Lee et al. 2017). The published durations are all
          29.124 s; the three shorter clips are known from the audio, so this equals `clean` where there is none.
artist    earmark's: no artist in two parts, tags in balance. In the others 45 of 75 test artists are also in training.

The splits are not comparable: average precision differs by 0.08 between full and clean for the same model. `clean` and
`lee` follow the top 50 whatever vocabulary is chosen.

References
----------
Law, E. et al. "Evaluation of algorithms using games: the case of music tagging", ISMIR 2009.
Dieleman, S. and Schrauwen, B. "End-to-end learning for music audio", ICASSP 2014.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020.
Lee, J. et al. "Sample-level deep convolutional neural networks for music auto-tagging", SMC 2017.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from earmark.audio.io import probe
from earmark.datasets.base import (
    NO_TAG,
    Dataset,
    DatasetInfo,
    Fault,
    Remote,
    Split,
    Track,
    count_tags,
    covering,
    most_frequent,
)
from earmark.datasets.cells import seconds
from earmark.datasets.reading import group_keys, inside, locate, open_text, read_json, read_table
from earmark.datasets.splitting import PARTS, split_by_group
from earmark.errors import EarmarkError, InputError
from earmark.parallel import cpu_count, map_ordered
from earmark.vocabulary import Vocabulary, from_tags, get_vocabulary, merged_name

HOST = "https://mirg.city.ac.uk/datasets/magnatagatune"
INFO = DatasetInfo(
    name="magnatagatune",
    title="MagnaTagATune",
    description="Clips of 29 s from the label Magnatune with 188 tags, gathered in the game TagATune.",
    n_tracks=25_863,
    hours=209,
    licence="labels: free for research; audio: CC BY-NC-SA 1.0",
    home="https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset",
    how_to_get="fetch annotations_final.csv, clip_info_final.csv and the three pieces of mp3.zip from its home",
    citation="Law, E., West, K., Mandel, M., Bay, M. and Downie, J. S. Evaluation of algorithms using games: the case "
    "of music tagging. ISMIR 2009.",
    options={
        "vocabulary": "top50 (as published), all (188 tags), a number of the most frequent tags, or merged: tags that "
        "mean the same become one, then the 50 most frequent",
    },
    layout=(
        "annotations_final.csv    tags, separated by tabs",
        "clip_info_final.csv      artist, album, title (may be absent)",
        "mp3/0 ... mp3/f          audio (may be absent; the folders 0 to f may also lie in the root itself)",
        "magnatagatune.json.gz    in place of both tables: the file of jukemir",
    ),
    remotes=(
        Remote("annotations_final.csv", f"{HOST}/annotations_final.csv"),
        Remote("clip_info_final.csv", f"{HOST}/clip_info_final.csv"),
        *(
            Remote(f"mp3.zip.00{i}", f"{HOST}/mp3.zip.00{i}", kind="audio", unpack=True, joins="mp3.zip", into="mp3")
            for i in (1, 2, 3)
        ),
    ),
)

FAULTS = tuple(
    Fault(id, "unreadable", "the published mp3 holds no audio", "jukemir") for id in ("35644", "55753", "57881")
)
FOLDERS = {"train": "0123456789ab", "validation": "c", "test": "def"}
SHORTEST_OF_LEE = 29.1  # seconds
DESCRIPTIONS = {
    "full": "folders 0 to b, c, d to f; every clip that can be read (Dieleman & Schrauwen 2014, Pons, jukemir, MARBLE)",
    "clean": "as full, without clips that have no tag of the top 50 (Won et al. 2020)",
    "lee": "as clean, only clips over 29.1 s (Lee et al. 2017)",
}
_NAME = re.compile(
    r"(?P<recording>(?P<artist>[^-/]+)-(?P<album>[^/]+?)-\d+-(?P<title>[^/]*))-(?P<start>\d+)-(?P<end>\d+)\.mp3$"
)

# Tags that mean the same, beyond those of the top 50, which earmark's vocabularies know.
SYNONYMS = {
    "beat": ("fast beat",),
    "celtic": ("irish",),
    "chant": ("chanting",),
    "choir": ("chorus",),
    "classical": ("clasical",),
    "drums": ("drum",),
    "electronic": ("electro", "electronica"),
    "fast": ("quick", "upbeat"),
    "female vocals": ("female singer", "female singing", "woman singing", "women", "girl"),
    "flute": ("flutes",),
    "funk": ("funky",),
    "guitar": ("guitars",),
    "harpsichord": ("harpsicord",),
    "heavy metal": ("metal", "heavy"),
    "horns": ("horn",),
    "indian": ("india",),
    "instrumental": ("no singer", "no singing", "no voices"),
    "jazz": ("jazzy",),
    "male vocals": ("male singer", "man singing", "men"),
    "no drums": ("no beat",),
    "not english": ("foreign",),
    "opera": ("operatic",),
    "orchestra": ("orchestral",),
    "eastern": ("oriental",),
    "space": ("spacey",),
    "strings": ("string",),
    "violin": ("violins", "fiddle"),
    "vocals": ("singer", "voices"),
    "weird": ("strange",),
}
_MERGED = {tag: name for name, tags in SYNONYMS.items() for tag in tags}


def load(root: Path, *, vocabulary: str | int = "top50") -> Dataset:
    """Read the annotated clips.

    Parameters
    ----------
    root : holds the tables or the JSON file; see `INFO.layout`
    vocabulary : "top50", "all", "merged" or a number of tags
    """
    published = _with_audio(_read(root), root)
    usual = set(by_frequency(count_tags(published))[:50])
    untagged = {track.id: NO_TAG for track in published if usual.isdisjoint(track.tags)}
    tracks = published
    if vocabulary == "merged":
        tracks = [replace(track, tags=merge(track.tags)) for track in published]
    ids = {track.id for track in tracks}
    faults = tuple(fault for fault in FAULTS if fault.track in ids)
    broken = {fault.track: fault.detail for fault in faults}
    return Dataset(
        INFO,
        root,
        {"vocabulary": vocabulary},
        tuple(tracks),
        _vocabulary(tracks, vocabulary),
        split_makers={
            "full": lambda: _by_folder("full", tracks, broken),
            "clean": lambda: _by_folder("clean", tracks, untagged | broken),
            "lee": lambda: _by_folder("lee", tracks, _too_short(tracks, leave=untagged | broken) | untagged | broken),
            "artist": lambda: split_by_group(
                published, by="artist", parts=PARTS, tags=sorted(usual), name="artist", left_out=broken
            ),
        },
        faults=faults,
    )


def read_annotations(file: TextIO) -> list[Track]:
    """Read `annotations_final.csv`: clip_id, one column of 0 and 1 per tag, mp3_path."""
    rows = read_table(file, columns=("clip_id", "mp3_path"), key="clip_id")
    tags = [name for name in (rows[0] if rows else ()) if name not in ("clip_id", "mp3_path")]
    tracks = []
    for row in rows:
        wrong = next((tag for tag in tags if row[tag] not in ("0", "1")), None)
        if wrong is not None:
            raise InputError(f"clip {row['clip_id']}: {wrong!r} is {row[wrong]!r}, expected 0 or 1")
        tracks.append(_from_name(row["clip_id"], row["mp3_path"], tuple(tag for tag in tags if row[tag] == "1")))
    return tracks


def read_clip_info(file: TextIO) -> dict[str, dict[str, str]]:
    """Read `clip_info_final.csv`: clip_id to the cells of its row."""
    columns = ("clip_id", "track_number", "title", "artist", "album")
    return {row["clip_id"]: row for row in read_table(file, columns=columns, key="clip_id")}


def read_jukemir(file: TextIO) -> list[Track]:
    """Read the JSON of jukemir: clip to its tags ("y_all", null for clips that nobody annotated), names and path."""
    content = read_json(file)
    tracks = []
    try:
        for clip in content.values():
            if clip["y_all"] is None:
                continue
            extra, tags = clip["extra"], clip["y_all"]
            if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
                raise TypeError(f"y_all is {tags!r:.80}")
            track = _from_name(str(extra["clip_id"]), extra["mp3_path"], tuple(dict.fromkeys(tags)))
            length = seconds(str(clip["clip"].get("clip_duration") or ""), f"clip {track.id}: clip_duration")
            names = {name: str(extra[name] or "") for name in ("artist", "album", "title")}
            tracks.append(_with_names(replace(track, duration=length), names))
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"not the JSON of jukemir: {type(error).__name__} {error}") from error
    return tracks


def merge(tags: Iterable[str]) -> tuple[str, ...]:
    """Replace tags by the name of what they mean, each once.

    Examples
    --------
    >>> merge(["woman", "female singing", "clasical"])
    ('female vocals', 'classical')
    """
    return tuple(dict.fromkeys(_MERGED.get(tag) or merged_name(tag) for tag in tags))


def by_frequency(counts: Mapping[str, int]) -> list[str]:
    """Sort tags: the most frequent first; those of equal frequency as in the published top 50, others by name.

    Notes
    -----
    Over all 25,863 clips the first 50 are the published list, in its order.
    """
    place = {tag: i for i, tag in enumerate(get_vocabulary("mtt").tags)}
    return sorted(counts, key=lambda tag: (-counts[tag], place.get(tag, len(place)), tag))


def _read(root: Path) -> list[Track]:
    labels = locate(INFO, root, "annotations_final.csv", "magnatagatune.json")
    with open_text(labels) as file:
        if ".json" in labels.suffixes:
            return read_jukemir(file)
        tracks = read_annotations(file)
    try:
        names = locate(INFO, root, "clip_info_final.csv")
    except InputError:
        return tracks
    with open_text(names) as file:
        rows = read_clip_info(file)
    return [_with_names(track, rows[track.id]) if track.id in rows else track for track in tracks]


def _from_name(id: str, path: str, tags: tuple[str, ...]) -> Track:
    """Make a track of what the name of its file says."""
    found = _NAME.search(inside(path, f"clip {id}: mp3_path"))
    if found is None:
        return Track(id, Path(path), tags)
    artist, album = found["artist"], found["album"]
    return Track(
        id,
        Path(path),
        tags,
        artist=artist.replace("_", " "),
        album=album.replace("_", " "),
        title=found["title"].replace("_", " "),
        groups=group_keys(artist=artist, album=f"{artist}-{album}", track=found["recording"]),
        origin=(float(found["start"]), float(found["end"])),
    )


def _with_names(track: Track, row: Mapping[str, str]) -> Track:
    """Put in names as the table of clips has them; the groups stay those of the file's name."""
    return replace(track, artist=row["artist"], album=row["album"], title=row["title"])


def _with_audio(tracks: Iterable[Track], root: Path) -> list[Track]:
    folder = root / "mp3" if (root / "mp3").is_dir() or not (root / "0").is_dir() else root
    return [replace(track, audio=None if track.audio is None else folder / track.audio) for track in tracks]


def _vocabulary(tracks: Sequence[Track], chosen: str | int) -> Vocabulary:
    tags = by_frequency(count_tags(tracks))
    if chosen in ("top50", "merged"):
        return from_tags(f"magnatagatune-{chosen}", tags[:50])
    if chosen == "all":
        return from_tags("magnatagatune-all", tags)
    return from_tags(f"magnatagatune-top{chosen}", most_frequent(tags, chosen, names="top50, all, merged"))


def _by_folder(name: str, tracks: Sequence[Track], reasons: Mapping[str, str]) -> Split:
    usable = [track for track in tracks if track.id not in reasons]
    parts = {
        part: [track.id for track in usable if track.audio is not None and track.audio.parent.name in folders]
        for part, folders in FOLDERS.items()
    }
    return covering(name, DESCRIPTIONS[name], parts, tracks, reasons=reasons, otherwise="in none of the folders 0 to f")


def _too_short(tracks: Sequence[Track], *, leave: Mapping[str, str]) -> dict[str, str]:
    """Find clips of at most 29.1 s: by their audio where it is there, else as published."""
    asked = [track for track in tracks if track.id not in leave]
    lengths = map_ordered(_seconds, asked, jobs=cpu_count())
    return {
        track.id: f"{length:.1f} s, at most {SHORTEST_OF_LEE} s"
        for track, length in zip(asked, lengths, strict=True)
        if length is not None and length <= SHORTEST_OF_LEE
    }


def _seconds(track: Track) -> float | None:
    if track.audio is None or not track.audio.is_file():
        return track.duration
    try:
        return probe(track.audio).duration
    except EarmarkError:
        return track.duration
