"""Where the audio of the Million Song Dataset lies: 7digital previews by their number, or files by track id.

Previews have the paths that `7D_id_to_path.pkl` gives, or, without it, the same by their rule: the first two digits,
then the number. The number of a track comes from `MSD_id_to_7D_id.pkl`, from Choi's lists, or from the summary file.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from earmark.audio.io import AUDIO_SUFFIXES
from earmark.datasets import msd_lists as lists
from earmark.datasets.reading import inside, list_folder, read_lines
from earmark.errors import InputError

LAYOUTS = ("auto", "7digital", "msd")
HINT = "it is published with the split of Lee: earmark datasets info msd; or open with summary=True"
FOLDERS = ("audio", "songs", "mp3")


def places(root: Path, layout: str, numbers: Mapping[str, str]) -> Callable[[str], Path | None]:
    """Return the function that says where the audio of a track lies, None where that is not known.

    Parameters
    ----------
    root : the folder of the dataset; audio lies in one of `FOLDERS` or in itself
    layout : out of `LAYOUTS`; "auto" is 7digital where numbers are known
    numbers : track to its 7digital id
    """
    folder = next((root / name for name in FOLDERS if (root / name).is_dir()), root)
    if layout == "msd" or (layout == "auto" and not numbers):
        suffix = _suffix(folder)
        return lambda track: folder / path_of_track(track, suffix)
    if not numbers:
        raise InputError(f"{root}: MSD_id_to_7D_id.pkl is missing, the 7digital layout needs it", hint=HINT)
    listed = lists.beside(root, "lee", "7D_id_to_path.pkl")
    paths = lists.parse(listed, lists.read_pickled_texts) if listed else {}
    for path in paths.values():
        inside(path, f"{listed}: the path")

    def place(track: str) -> Path | None:
        number = numbers.get(track)
        return None if number is None else folder / (paths.get(number) or path_of_preview(number))

    return place


def sevendigital_ids(root: Path) -> dict[str, str]:
    """Read the 7digital ids of tracks, from Lee's dictionary or Choi's lists; none where neither is there."""
    listed = lists.beside(root, "lee", "MSD_id_to_7D_id.pkl")
    if listed:
        return lists.parse(listed, lists.read_pickled_texts)
    found: dict[str, str] = {}
    for part in lists.PARTS:
        tracks, numbers = (lists.beside(root, "choi", f"{part}_x_{kind}_id.txt") for kind in ("msd", "7d"))
        if tracks and numbers:
            ids = lists.parse_text(tracks, lists.read_ids)
            values = lists.parse_text(numbers, read_lines)
            if len(ids) != len(values):
                raise InputError(f"{numbers}: {len(values)} lines, but {tracks.name} has {len(ids)}")
            found |= dict(zip(ids, values, strict=True))
    return found


def _suffix(folder: Path) -> str:
    """Look at the first file in the layout A/B/C for what audio files are called."""

    def letters(above: Path) -> Iterator[Path]:
        return (path for path in list_folder(above) if len(path.name) == 1 and path.is_dir())

    files = (f for a in letters(folder) for b in letters(a) for c in letters(b) for f in list_folder(c))
    return next((f.suffix for f in files if f.stem[:2] == "TR" and f.suffix.lower() in AUDIO_SUFFIXES), ".mp3")


def path_of_preview(number: str) -> str:
    """Return where a preview lies by its 7digital id.

    Examples
    --------
    >>> path_of_preview("8947470")
    '8/9/8947470.clip.mp3'
    """
    return f"{number[:1]}/{number[1:2] or '0'}/{number}.clip.mp3"


def path_of_track(track: str, suffix: str = ".mp3") -> str:
    """Return where the audio of a track lies by its id.

    Examples
    --------
    >>> path_of_track("TRAXLZU12903D05F94")
    'A/X/L/TRAXLZU12903D05F94.mp3'
    """
    return f"{track[2]}/{track[3]}/{track[4]}/{track}{suffix}"
