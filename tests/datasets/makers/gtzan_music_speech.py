"""A small music/speech collection as it lies after unpacking: two folders, one name in both, a hidden file."""

from pathlib import Path

import numpy as np
import soundfile

NAMES = {
    "music": ["bagpipe", "ballad", "Größe", "jazz", "jazz1", "rock"],
    "speech": ["acomic", "female", "jazz", "a b"],
}


def make(root: Path) -> None:
    for label, names in NAMES.items():
        folder = root / "music_speech" / f"{label}_wav"
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.wav").touch()
        soundfile.write(folder / f"{names[0]}.wav", 0.1 * np.sin(np.arange(2205) / 7), 22050)
        (folder / f"._{names[0]}.wav").write_bytes(b"\x00\x05\x16\x07")
