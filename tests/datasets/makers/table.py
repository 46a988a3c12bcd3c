"""A table of tracks with a byte-order mark, quoted cells, several columns of tags, pieces of a recording, and parts."""

import csv
from pathlib import Path

import numpy as np
import soundfile

OPTIONS = [{}, {"vocabulary": 2}, {"tags": "tags,mood"}, {"tags": "mood", "separator": ","}]
ROWS = [
    # path, id, tags, mood, split, artist, album, title, duration, start, end
    ("a.wav", "1", "rock;guitar", "dark, calm", "train", "Ana B", "One", 'The "first"', "2:07", "", ""),
    ("größer/ä, b.wav", "2", '["a;b", "rock"]', "calm", "train", "Zoë", "One", "Two\nlines", "0.5", "", ""),
    ("mix.wav", "3", "rock", "dark", "val", "DJ, X", "", "", "", "0", "30.5"),
    ("mix.wav", "4", " rock ; ;rock", "", "valid", "DJ, X", "", "", "", "30.5", "60"),
    ("", "5", "", "happy", "test", "", "", "", "", "", ""),
    ("gone.wav", "6", "guitar", "happy", "", "ana b", "", "", "", "", ""),
]


def make(root: Path) -> None:
    header = ["path", "id", "tags", "mood", "split", "artist", "album", "title", "duration", "start", "end", "bpm"]
    with (root / "tracks.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(header)
        writer.writerows([*row, "120"] for row in ROWS)
    (root / "größer").mkdir()
    soundfile.write(root / "a.wav", 0.1 * np.sin(np.arange(800) / 7), 8000)
