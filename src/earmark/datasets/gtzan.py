"""GTZAN: 1,000 excerpts of 30 s in ten genres, the oldest and most used set for genre recognition.

The tracks are known by name, so labels and splits need no audio; but something of the dataset must lie in the folder: a
genre's folder, the lists of the fault-filtered split, or Sturm's index of artists and titles.

Splits
------
fault_filtered        443 / 197 / 290 (Kereliuk et al. 2015): no repetitions, no distorted tracks, no artist in two
                      parts. Use this one. If the published lists lie in the folder, they are read; else earmark's own
                      copy is taken, which is equal. jazz.00054 is in the training list and cannot be read in the copy
                      on Kaggle: the published membership is kept, the fault is marked, and 442 tracks remain there.
fold-1 ... fold-10    earmark's ten stratified folds that know nothing of artists and repetitions, as in most papers
                      before 2013. Results are far too good (Jukebox with an SVM: 92.5 % against 79.7 % above); only for
                      comparison with such papers, none of which published its folds.
artist                earmark's: no artist in two parts; there if Sturm's index is. Artists that he does not name are
                      taken for different ones.

With 290 test tracks a difference below 4 to 5 points is no difference.

References
----------
Tzanetakis, G. and Cook, P. "Musical genre classification of audio signals", IEEE Trans. Speech and Audio Proc. 2002.
Sturm, B. L. "The GTZAN dataset: its contents, its faults, their effects on evaluation, and its future use", 2013.
Kereliuk, C., Sturm, B. L. and Larsen, J. "Deep learning and music adversaries", IEEE Trans. Multimedia 2015.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from earmark.audio.io import AUDIO_SUFFIXES
from earmark.datasets.base import Dataset, DatasetInfo, Fault, Remote, Split, Track, covering
from earmark.datasets.folding import Makers, own_folds
from earmark.datasets.reading import check_root, group_keys, how_to_get, list_folder, locate, name_key, open_text
from earmark.datasets.splitting import split_by_group
from earmark.errors import InputError
from earmark.vocabulary import Vocabulary

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
N_PER_GENRE = 100
N_FOLDS = 10
KAGGLE = "genres_original"
FOLDERS = ("genres", KAGGLE, f"Data/{KAGGLE}", ".")
LISTS = {"train": "train_filtered.txt", "validation": "valid_filtered.txt", "test": "test_filtered.txt"}
INDEX = "GTZANindex.txt"
STURM = "Sturm 2013, arXiv:1306.1461"

INFO = DatasetInfo(
    name="gtzan",
    title="GTZAN Genre Collection",
    description="Excerpts of 30 s in ten genres, 100 of each, 22,050 Hz mono, with repetitions and wrong labels.",
    n_tracks=1_000,
    hours=8.3,
    licence="none stated; the excerpts come from commercial recordings",
    home="http://marsyas.info/downloads/datasets.html",
    how_to_get="fetch genres.tar.gz of Marsyas, or the copy on Kaggle (andradaolteanu/gtzan-dataset-music-genre-"
    "classification), and unpack it; for labels alone put the fault-filtered lists in the folder",
    citation="Tzanetakis, G. and Cook, P. Musical genre classification of audio signals. IEEE Transactions on Speech "
    "and Audio Processing 10(5), 2002.",
    layout=(
        "genres/<genre>/<genre>.NNNNN.wav or .au    audio (the ten folders may also lie in genres_original/, as in",
        "                                           the copy on Kaggle, or in the root itself)",
        "train_filtered.txt, valid_filtered.txt, test_filtered.txt    the fault-filtered lists (may be absent)",
        "GTZANindex.txt                             Sturm's artists and titles (may be absent)",
    ),
    remotes=(
        Remote(
            "genres.tar.gz",
            "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
            "sha256:24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
            1_225_571_541,
            kind="audio",
            unpack=True,
        ),
    ),
)

_NAME = re.compile(rf"(?:.*/)?((?:{'|'.join(GENRES)})\.000\d\d)(?:\.[A-Za-z0-9]+)?")


def load(root: Path) -> Dataset:
    """Read which audio is there, and the lists and the index if they are.

    Parameters
    ----------
    root : holds the genres' folders, or a folder that does; see `INFO.layout`
    """
    check_root(INFO, root)
    base = next((root / name for name in FOLDERS if any((root / name / genre).is_dir() for genre in GENRES)), None)
    has_lists = any(_exists(root, name) for name in LISTS.values())
    if base is None and not has_lists and not _exists(root, INDEX):
        raise InputError(
            f"{root}: no folder of a genre, no fault-filtered list and no {INDEX} is there, {INFO.name} needs one",
            hint=how_to_get(INFO, root),
        )
    names = {}
    if _exists(root, INDEX):
        with open_text(locate(INFO, root, INDEX)) as file:
            names = read_index(file)
    tracks = tuple(_tracks(_audio(base or root / FOLDERS[0]), names))
    listed = _read_lists(root) if has_lists else published_lists()
    vocabulary = Vocabulary("gtzan", GENRES, ("genre",) * len(GENRES))
    makers: Makers = {"fault_filtered": lambda: _fault_filtered(listed, tracks)}
    makers |= own_folds(tracks, N_FOLDS, "they know nothing of artists and repetitions")
    if any(track.artist for track in tracks):
        makers["artist"] = lambda: split_by_group(tracks, by="artist", name="artist")
    return Dataset(INFO, root, {}, tracks, vocabulary, "single_label", makers, tuple(_faults(tracks)))


def read_list(file: Iterable[str]) -> list[str]:
    """Read a list of the fault-filtered split: one file a line, such as "blues/blues.00029.wav".

    Raises
    ------
    InputError
        If a line is something else or stands there twice, or there is none.
    """
    ids: dict[str, int] = {}
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        found = _NAME.fullmatch(line.strip())
        if found is None:
            raise InputError(f"line {number}: {line.strip()!r} is no track of GTZAN, such as 'jazz/jazz.00001.wav'")
        if found[1] in ids:
            raise InputError(f"line {number}: {found[1]} stands in line {ids[found[1]]} already")
        ids[found[1]] = number
    if not ids:
        raise InputError("the list is empty", hint="get it again, or remove it: earmark knows the lists")
    return list(ids)


def read_index(file: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Read Sturm's index, lines of "name ::: artist ::: title": track to artist and title, empty where unknown."""
    names: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(file, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split(":::", 2)]
        found = _NAME.fullmatch(cells[0])
        if found is None or len(cells) != 3:
            raise InputError(f"line {number}: {line.strip()!r}, expected 'name ::: artist ::: title'")
        names[found[1]] = (cells[1], cells[2])
    return names


def published_lists() -> dict[str, list[str]]:
    """Return the fault-filtered lists as earmark knows them: part to ids."""
    return {
        part: [_id(genre, number) for genre, text in genres.items() for number in _numbers(text)]
        for part, genres in _known()["fault_filtered"].items()
    }


def repetitions() -> list[list[str]]:
    """Return the groups of tracks that are the same audio."""
    within = [[_id(genre, int(n)) for n in g.split()] for genre, gs in _known()["repetitions"].items() for g in gs]
    return within + [[right, wrong] for wrong, right in _known()["contradictions"].items()]


@cache
def _known() -> dict[str, Any]:
    text = resources.files("earmark").joinpath("data/gtzan.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _id(genre: str, number: int) -> str:
    return f"{genre}.{number:05d}"


def _numbers(text: str) -> Iterator[int]:
    """Yield the numbers of "1 3-5"."""
    for piece in text.split():
        first, _, last = piece.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _exists(root: Path, name: str) -> bool:
    return (root / name).is_file() or (root / f"{name}.gz").is_file()


def _audio(base: Path) -> dict[str, Path]:
    """Find where the audio of every track lies; where there is none, where it would."""
    found: dict[str, Path] = {}
    for genre in GENRES:
        for path in list_folder(base / genre):  # wav comes behind au, and goes before it
            if path.suffix.lower() in AUDIO_SUFFIXES and _NAME.fullmatch(path.name):
                found[path.stem] = path
    usual = ".au" if found and all(path.suffix == ".au" for path in found.values()) else ".wav"
    return {
        id: found.get(id, base / genre / f"{id}{usual}")
        for genre in GENRES
        for id in (_id(genre, number) for number in range(N_PER_GENRE))
    }


def _tracks(audio: Mapping[str, Path], names: Mapping[str, tuple[str, str]]) -> Iterator[Track]:
    recording = {id: group[0] for group in repetitions() for id in group}
    for id, path in audio.items():
        artist, title = names.get(id, ("", ""))
        keys = group_keys(artist=name_key(artist), track=recording.get(id))
        yield Track(id, path, (id.partition(".")[0],), artist=artist, title=title, groups=keys)


def _read_lists(root: Path) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for part, name in LISTS.items():
        path = locate(INFO, root, name)
        with open_text(path) as file:
            ids = read_list(file)
        for other, taken in listed.items():
            twice = set(ids) & set(taken)
            if twice:
                raise InputError(f"{path}: {min(twice)} stands in {LISTS[other]} already", hint="get the lists again")
        listed[part] = ids
    return listed


def _fault_filtered(listed: Mapping[str, Sequence[str]], tracks: Sequence[Track]) -> Split:
    reasons = {
        id: f"the same audio as {' and '.join(other for other in group if other != id)}"
        for group in repetitions()
        for id in group
    }
    return covering(
        "fault_filtered",
        "without the faults that Sturm found, no artist in two parts (Kereliuk et al. 2015)",
        listed,
        tracks,
        reasons=reasons,
        otherwise="left out by Kereliuk et al. for a fault that Sturm found",
    )


def _faults(tracks: Iterable[Track]) -> Iterator[Fault]:
    known, paths = _known(), {track.id: track.audio for track in tracks}
    for first, *others in repetitions():
        for id in others:
            yield Fault(id, "repetition", f"the same audio as {first}", STURM)
    for wrong, right in known["contradictions"].items():
        yield Fault(wrong, "mislabelled", f"the same audio as {right}, which Kereliuk et al. keep", STURM)
    for id, detail in known["distorted"].items():
        yield Fault(id, "distorted", detail, STURM)
    for id, detail in known["unreadable"].items():
        path = paths[id]
        in_kaggle = path is not None and path.parent.parent.name == KAGGLE
        yield Fault(id, "unreadable" if in_kaggle else "unreadable in a copy", detail, "users of the copy on Kaggle")
