"""A small GTZAN in the layout of the copy on Kaggle: few audio files, the lists, and Sturm's index with its gaps."""

from pathlib import Path

import numpy as np
import soundfile

GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]


def make(root: Path) -> None:
    for genre in GENRES:
        folder = root / "Data" / "genres_original" / genre
        folder.mkdir(parents=True)
        (folder / f"._{genre}.00000.wav").write_bytes(b"\x00\x05\x16\x07 of macOS")
        (folder / "Thumbs.db").write_bytes(b"x")
    for name in ("blues.00000", "jazz.00001"):
        path = root / "Data" / "genres_original" / name.partition(".")[0] / f"{name}.wav"
        soundfile.write(path, 0.1 * np.sin(np.arange(2205) / 7), 22050)
    (root / "train_filtered.txt").write_text("blues/blues.00029.wav\nblues/blues.00030.wav\njazz/jazz.00054.wav\n")
    (root / "valid_filtered.txt").write_text("\ufeffpop/pop.00010.wav\r\nrock/rock.00038.wav\r\n", newline="")
    (root / "test_filtered.txt").write_text("rock/rock.00010.wav\n\n")
    (root / "GTZANindex.txt").write_text(
        "# of Sturm\n"
        "blues.00000.wav ::: The First ::: A Song\n"
        "blues.00001.wav ::: the first ::: \n"
        "blues.00082.wav ::: Zoë ::: Für ::: Klavier\n"
        "blues.00083.wav ::: Zoë :::\n"
        "jazz.00001.wav ::: :::\n",
        encoding="utf-8",
    )
