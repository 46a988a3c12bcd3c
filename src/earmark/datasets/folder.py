"""A folder of your own with a folder of audio per class, as `rock/a.mp3`, `jazz/live/b.flac`.

Above the classes there may be folders of parts: `train/rock/a.mp3`, `test/rock/b.mp3`. Everything below the folder of a
class belongs to it, however deep; hidden files, and those that macOS leaves behind, are no audio.

Splits
------
published  the folders of parts, where there are any
random     earmark's: classes in balance. Recordings of one artist may stand in two parts: nothing is known of artists.
"""

import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path

from earmark.datasets.base import Dataset, DatasetInfo, Track
from earmark.datasets.own import part_called, split_makers, vocabulary_of, walk_audio
from earmark.datasets.reading import check_root
from earmark.errors import EarmarkWarning, InputError

INFO = DatasetInfo(
    name="folder",
    title="A folder per class",
    description="Audio of your own, sorted into one folder per class.",
    n_tracks=0,
    hours=None,
    licence="that of your files",
    home="",
    how_to_get="put the audio into one folder per class, as rock/a.mp3",
    citation="none: the files are yours",
    layout=(
        "CLASS/**/*.mp3           audio of every kind, at any depth below the folder of its class",
        "train/CLASS/**/*.mp3     or: folders train, validation (also valid, val) and test above the classes",
    ),
    no_download="the files are yours",
)


def load(root: Path) -> Dataset:
    """Read which files lie in which folder.

    Parameters
    ----------
    root : the folder of the classes, or of the parts

    Raises
    ------
    InputError
        If there is no audio in a folder of a class, or folders of parts lie beside others.

    Warns
    -----
    EarmarkWarning
        If audio lies in no folder of a class: it is left out.
    """
    check_root(INFO, root)
    files = list(walk_audio(root))
    depth = 1 if _has_parts(root, files) else 0  # of the classes
    usable = [file for file in files if len(file.parts) > depth + 1]
    if not usable:
        raise InputError(f"{root}: no audio file in a folder of a class", hint=INFO.how_to_get)
    stray = [file for file in files if len(file.parts) <= depth + 1]
    if stray:
        what = f"such as {stray[0].as_posix()}: left out"
        warnings.warn(f"{root}: {len(stray)} audio files in no folder of a class, {what}", EarmarkWarning, stacklevel=2)
    tracks = tuple(Track(file.as_posix(), root / file, (_class(file.parts[depth]),)) for file in usable)
    part_of = {track.id: part_called(file.parts[0]) or "" for track, file in zip(tracks, usable, strict=True) if depth}
    return Dataset(
        INFO,
        root,
        {},
        tracks,
        vocabulary_of(INFO.name, tracks, "all"),
        task="single_label",
        split_makers=split_makers(tracks, part_of, description="the folders of parts", otherwise="in no part"),
    )


def _has_parts(root: Path, files: Sequence[Path]) -> bool:
    """Tell whether the folders on top are parts; one of such a name among others is a class, such as "train"."""
    tops = dict.fromkeys(file.parts[0] for file in files if len(file.parts) > 1)
    parts = [name for name in tops if part_called(name)]
    others = [name for name in tops if not part_called(name)]
    if len({part_called(name) for name in parts}) > 1 and others:
        raise InputError(
            f"{root}: beside the parts {', '.join(parts)} lies a folder {others[0]!r}",
            hint="move it out, or into one of the parts",
        )
    return bool(parts) and not others and any(len(file.parts) > 2 for file in files)


def _class(folder: str) -> str:
    return unicodedata.normalize("NFC", folder).strip()
