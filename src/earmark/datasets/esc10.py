"""ESC-10: 400 clips of 5 s of environmental sound in ten classes, a subset of ESC-50.

It is read from the files of ESC-50, whose table marks it, or from its own first publication, a folder per class. Both
give the same ids, classes and folds.

Splits
------
fold-1 ... fold-5    the published folds, 80 clips each; no recording is in two
"""

from pathlib import Path

from earmark.datasets.base import Dataset, DatasetInfo
from earmark.datasets.esc import ARCHIVE, CITATION, LAYOUT, TABLES, find_old, make_dataset, open_table
from earmark.datasets.reading import check_root
from earmark.errors import InputError

INFO = DatasetInfo(
    name="esc10",
    title="ESC-10: Environmental Sound Classification",
    description="Clips of 5 s from Freesound in ten classes, 40 of each; a subset of ESC-50 that is free to use.",
    n_tracks=400,
    hours=0.6,
    licence="CC BY 3.0",
    home="https://github.com/karolpiczak/ESC-50",
    how_to_get="fetch the repository karolpiczak/ESC-50 from GitHub, by git or as a zip file: ESC-10 is a part of it",
    citation=CITATION,
    layout=(
        *LAYOUT,
        "001 - Dog bark/1-100032-A.ogg ... 010 - Fire crackling/    in place of both: ESC-10 as first published",
    ),
    remotes=(ARCHIVE,),
)


def load(root: Path) -> Dataset:
    """Read the table of clips, or the names of the folders and files.

    Parameters
    ----------
    root : holds the repository of ESC-50, or the folders of the ten classes; see `INFO.layout`
    """
    check_root(INFO, root)
    old = [] if any((root / name).exists() for name in TABLES) else find_old(root)
    if old:
        return make_dataset(INFO, root, old)
    audio, clips = open_table(INFO, root)
    chosen = [(audio / clip.file_name, clip) for clip in clips if clip.in_esc10]
    if not chosen:
        raise InputError(f"{audio.parent / 'meta' / 'esc50.csv'}: no clip is marked as one of ESC-10")
    return make_dataset(INFO, root, chosen)
