"""A few samples as they lie after unpacking, in two formats, with instruments that have no notes."""

from pathlib import Path

import numpy as np
import soundfile

NAMES = {
    "cello": ["cello_A3_phrase_forte_arco-legato", "cello_A3_05_forte_arco-normal", "cello_As3_1_piano_con-sord"],
    "viola": ["viola_D6_05_piano_arco-normal", "viola_D6_025_piano_arco-normal", "viola_E4_long_piano_"],
    "percussion": ["bass-drum__phrase_forte_rute", "bass-drum__1_forte_rute", "tam-tam__long_piano_rimshot"],
}


def make(root: Path) -> None:
    for folder, names in NAMES.items():
        (root / "all-samples" / folder).mkdir(parents=True)
        for name in names:
            path = root / "all-samples" / folder / f"{name}.mp3"
            soundfile.write(path, 0.1 * np.sin(np.arange(4410) / 7), 44100, format="MP3", subtype="MPEG_LAYER_III")
    (root / "all-samples" / "cello" / "._cello_A3_05_forte_arco-normal.mp3").write_bytes(b"\x00\x05")
    (root / "all-samples" / "cello" / "my own take.mp3").write_bytes(b"x")
