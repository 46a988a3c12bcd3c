"""ESC-50: 2,000 clips of 5 s of environmental sound in 50 classes.

Splits
------
fold-1 ... fold-5    the published folds, 400 clips each; no recording is in two. A published accuracy is the mean of
                     the five.

No part is for validation: take one of the training folds. Its author warns that some recordings had been band-limited
in ways that may depend on the class.
"""

from pathlib import Path

from earmark.datasets.base import Dataset, DatasetInfo
from earmark.datasets.esc import ARCHIVE, CITATION, LAYOUT, make_dataset, open_table

INFO = DatasetInfo(
    name="esc50",
    title="ESC-50: Environmental Sound Classification",
    description="Clips of 5 s from Freesound in 50 classes, 40 of each: animals, nature, people, house, city.",
    n_tracks=2_000,
    hours=2.8,
    licence="CC BY-NC 3.0",
    home="https://github.com/karolpiczak/ESC-50",
    how_to_get="fetch the repository karolpiczak/ESC-50 from GitHub, by git or as a zip file",
    citation=CITATION,
    layout=LAYOUT,
    remotes=(ARCHIVE,),
)


def load(root: Path) -> Dataset:
    """Read the table of clips.

    Parameters
    ----------
    root : holds the repository; see `INFO.layout`
    """
    audio, clips = open_table(INFO, root)
    return make_dataset(INFO, root, [(audio / clip.file_name, clip) for clip in clips])
