"""ESC-50 and its subset ESC-10 share their files: the table of clips, the names of the files, the five folds.

A file is named fold-clip-take-target, such as 1-100032-A-0.wav: the fold, the number of the recording on Freesound, a
letter for each piece of it, and the class. In the first publication of ESC-10 a class is a folder, the target is not in
the name, and classes have other names; here both get the ids, names and targets of ESC-50, so that results compare.

References
----------
Piczak, K. J. "ESC: dataset for environmental sound classification", ACM Multimedia 2015.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.audio.io import AUDIO_SUFFIXES
from earmark.datasets.base import Dataset, DatasetInfo, Remote, Track
from earmark.datasets.folding import given_folds
from earmark.datasets.reading import group_keys, inside, list_folder, locate, open_text, read_table, whole_number
from earmark.errors import InputError
from earmark.vocabulary import from_tags

N_FOLDS = 5
SECONDS = 5.0
COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
TABLES = ("meta/esc50.csv", "ESC-50-master/meta/esc50.csv")
ARCHIVE = Remote(
    "ESC-50-master.zip",
    "https://github.com/karolpiczak/ESC-50/archive/master.zip",
    kind="audio",  # no checksum: GitHub packs this archive on demand, and the sums on record differ
    unpack=True,
)
LAYOUT = (
    "meta/esc50.csv    filename, fold, target, category, esc10, src_file, take",
    "audio/*.wav       clips (may be absent; both folders may also lie in ESC-50-master/)",
)
CITATION = "Piczak, K. J. ESC: dataset for environmental sound classification. ACM Multimedia 2015, 1015-1018."

OLD_CLASSES = {
    "Dog bark": ("dog", 0),
    "Rooster": ("rooster", 1),
    "Rain": ("rain", 10),
    "Sea waves": ("sea_waves", 11),
    "Fire crackling": ("crackling_fire", 12),
    "Baby cry": ("crying_baby", 20),
    "Person sneeze": ("sneezing", 21),
    "Clock tick": ("clock_tick", 38),
    "Helicopter": ("helicopter", 40),
    "Chainsaw": ("chainsaw", 41),
}
_OLD_FOLDER = re.compile(r"\d{3} - (.+)")
_OLD_FILE = re.compile(r"([1-5])-(\d+)-([A-Z])")


@dataclass(frozen=True)
class Clip:
    """A clip as the table or the name of its file describes it.

    Parameters
    ----------
    file_name : in the folder of the audio
    fold : 1 to 5
    target : number of the class
    category : name of the class
    in_esc10 : whether it is one of the 400 of ESC-10
    source : number of the recording on Freesound
    take : which piece of the recording, a letter
    """

    file_name: str
    fold: int
    target: int
    category: str
    in_esc10: bool
    source: str
    take: str

    @property
    def id(self) -> str:
        """The name of the file in ESC-50, without its ending."""
        return f"{self.fold}-{self.source}-{self.take}-{self.target}"


def read_clips(file: Iterable[str]) -> list[Clip]:
    """Read `meta/esc50.csv`.

    Raises
    ------
    InputError
        If a column is missing, a cell is wrong, a class has two names, or there is no clip.
    """
    clips: list[Clip] = []
    names: dict[int, str] = {}
    for row in read_table(file, columns=COLUMNS, delimiter=",", key="filename"):
        clip = _clip(row)
        if names.setdefault(clip.target, clip.category) != clip.category:
            raise InputError(f"target {clip.target} is {names[clip.target]!r} and {clip.category!r}")
        clips.append(clip)
    if not clips:
        raise InputError("the table holds no clip", hint="get it again")
    return clips


def open_table(info: DatasetInfo, root: Path) -> tuple[Path, list[Clip]]:
    """Return the folder of the audio and the clips of the table.

    Raises
    ------
    InputError
        If the table is missing or damaged.
    """
    table = locate(info, root, *TABLES)
    with open_text(table) as file:
        return table.parents[1] / "audio", read_clips(file)


def find_old(root: Path) -> list[tuple[Path, Clip]]:
    """Find the clips of the first publication of ESC-10: a folder per class, such as "001 - Dog bark".

    Returns
    -------
    path and clip; none if there is no such folder

    Raises
    ------
    InputError
        If a folder or a file is called otherwise.
    """
    found: list[tuple[Path, Clip]] = []
    for folder in list_folder(root):
        name = _OLD_FOLDER.fullmatch(folder.name)
        if name is None or not folder.is_dir():
            continue
        if name[1] not in OLD_CLASSES:
            known = ", ".join(OLD_CLASSES)
            raise InputError(f"{folder}: {name[1]!r} is no class of ESC-10", hint=f"they are {known}")
        category, target = OLD_CLASSES[name[1]]
        for path in list_folder(folder):
            if path.suffix.lower() not in AUDIO_SUFFIXES:
                continue
            parts = _OLD_FILE.fullmatch(path.stem)
            if parts is None:
                raise InputError(f"{path}: expected a name like 1-100032-A, of fold, clip and take")
            found.append((path, Clip(path.name, int(parts[1]), target, category, True, parts[2], parts[3])))
    return found


def make_dataset(info: DatasetInfo, root: Path, clips: Sequence[tuple[Path, Clip]]) -> Dataset:
    """Make a dataset of clips and where they lie, with the five published folds."""
    tracks = tuple(
        Track(
            clip.id,
            path,
            (clip.category,),
            title=f"{clip.source} {clip.take}",
            groups=group_keys(track=clip.source),
            duration=SECONDS,
        )
        for path, clip in clips
    )
    names = {clip.target: clip.category for _, clip in clips}
    listed = {fold: [clip.id for _, clip in clips if clip.fold == fold] for fold in range(1, N_FOLDS + 1)}
    return Dataset(
        info,
        root,
        {},
        tracks,
        from_tags(info.name, [names[target] for target in sorted(names)]),
        "single_label",
        given_folds(listed, tracks, "Piczak 2015; no recording is in two folds"),
    )


def _clip(row: dict[str, str]) -> Clip:
    name = row["filename"]
    fold, target = row["fold"], whole_number(row["target"], f"{name}: target")
    if fold not in {str(number) for number in range(1, N_FOLDS + 1)}:
        raise InputError(f"{name}: fold is {fold!r}, expected 1 to {N_FOLDS}")
    if row["esc10"] not in ("True", "False"):
        raise InputError(f"{name}: esc10 is {row['esc10']!r}, expected True or False")
    for column in ("category", "src_file", "take"):
        if not row[column].strip():
            raise InputError(f"{name}: {column} is empty")
    if Path(inside(name, "filename")).name != name:
        raise InputError(f"{name!r} is no name of a file")
    esc10 = row["esc10"] == "True"
    return Clip(name, int(fold), target, row["category"].strip(), esc10, row["src_file"], row["take"])
