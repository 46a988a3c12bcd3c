"""A small ESC-10 as it was first published: a folder per class, the classes under their old names."""

from pathlib import Path

import numpy as np
import soundfile

CLASSES = ["Dog bark", "Rain", "Sea waves", "Baby cry", "Clock tick"]
CLASSES += ["Person sneeze", "Helicopter", "Chainsaw", "Rooster", "Fire crackling"]


def make(root: Path) -> None:
    (root / "README.md").write_text("ESC-10")
    for number, name in enumerate(CLASSES, start=1):
        folder = root / f"{number:03d} - {name}"
        folder.mkdir()
        for fold in range(1, 6):
            (folder / f"{fold}-{1000 * fold + number}-A.ogg").touch()
        (folder / ".DS_Store").write_bytes(b"x")
    soundfile.write(root / "001 - Dog bark" / "1-1001-B.ogg", 0.1 * np.sin(np.arange(4410) / 7), 44100)
