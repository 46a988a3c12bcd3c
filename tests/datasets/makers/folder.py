"""A folder per class, with names that are no ASCII, folders below, and files that are no audio."""

from pathlib import Path

import numpy as np
import soundfile

OPTIONS = [{}]
FILES = ["rock/a.wav", "rock/live/b.WAV", "größer/c d.wav", "größer/ähm.flac", "hip-hop/e;f,g.wav", "hip-hop/x.wav"]


def make(root: Path) -> None:
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.sin(np.arange(800) / 7), 8000)
    (root / "rock" / "._a.wav").write_bytes(b"left behind")
    (root / "rock" / "notes.pdf").write_bytes(b"no audio")
    (root / ".trash").mkdir()
    (root / ".trash" / "z.wav").write_bytes(b"hidden")
