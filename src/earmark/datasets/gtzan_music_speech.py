"""GTZAN music/speech: 64 excerpts of music and 64 of speech, 30 s each, as one folder per label.

The labels are the folders, so there is nothing without audio files; empty ones do. Nobody published a split.

Splits
------
fold-1 ... fold-10    earmark's ten stratified folds, every excerpt for itself: who speaks or plays is not published

References
----------
Tzanetakis, G. "GTZAN Music/Speech Collection", 1999.
"""

from collections.abc import Iterator
from pathlib import Path

from earmark.audio.io import AUDIO_SUFFIXES
from earmark.datasets.base import Dataset, DatasetInfo, Remote, Track
from earmark.datasets.folding import own_folds
from earmark.datasets.reading import check_root, how_to_get, list_folder
from earmark.errors import InputError
from earmark.vocabulary import from_tags

FOLDERS = {"music": "music_wav", "speech": "speech_wav"}
N_FOLDS = 10

INFO = DatasetInfo(
    name="gtzan_music_speech",
    title="GTZAN Music/Speech Collection",
    description="Excerpts of 30 s of music and of speech, 64 of each, 22,050 Hz mono.",
    n_tracks=128,
    hours=1.1,
    licence="none stated",
    home="http://marsyas.info/downloads/datasets.html",
    how_to_get="fetch music_speech.tar.gz of Marsyas and unpack it",
    citation="Tzanetakis, G. GTZAN Music/Speech Collection. 1999. http://marsyas.info",
    layout=(
        "music_wav/*.wav     music (both folders may also lie in music_speech/)",
        "speech_wav/*.wav    speech",
    ),
    remotes=(
        Remote(
            "music_speech.tar.gz",
            "http://opihi.cs.uvic.ca/sound/music_speech.tar.gz",
            "sha256:8753bc4129fc0a916d6efcf25dbcaf30e06b41acb44ad7c3d0b5c9d9c90ff546",
            297_055_930,
            kind="audio",
            unpack=True,
        ),
    ),
)


def load(root: Path) -> Dataset:
    """Read which files lie in the two folders.

    Parameters
    ----------
    root : holds the folders; see `INFO.layout`

    Raises
    ------
    InputError
        If one is missing or holds no audio.
    """
    check_root(INFO, root)
    base = root / "music_speech" if (root / "music_speech").is_dir() else root
    tracks = tuple(track for label, name in FOLDERS.items() for track in _tracks(label, base / name, root))
    return Dataset(
        INFO,
        root,
        {},
        tracks,
        from_tags("gtzan_music_speech", tuple(FOLDERS)),
        "single_label",
        own_folds(tracks, N_FOLDS, "nobody published a split"),
    )


def _tracks(label: str, folder: Path, root: Path) -> Iterator[Track]:
    audio = [path for path in list_folder(folder) if path.suffix.lower() in AUDIO_SUFFIXES]
    if not audio:
        raise InputError(f"{root}: there is no audio in {folder.relative_to(root)}", hint=how_to_get(INFO, root))
    for path in audio:
        yield Track(f"{label}/{path.stem}", path, (label,), title=path.stem)
