"""A small MagnaTagATune in the published layout: both tables, and two clips of audio."""

import csv
from pathlib import Path

import numpy as np
import soundfile

OPTIONS = [{}, {"vocabulary": "all"}, {"vocabulary": "merged"}, {"vocabulary": 2}]
TAGS = ["guitar", "woman", "female voice", "no voice"]
CLIPS = [
    # id, path, tags, artist
    ("2", "f/ana_b-first_album-01-a_song-30-59.mp3", "1000", "Ana B"),
    ("6", "f/ana_b-first_album-01-a_song-146-175.mp3", "1100", "Ana B"),
    ("10", "0/the_x-y-02-say__what_-0-29.mp3", "0010", 'The "X"'),
    ("11", "0/the_x-y-02-say__what_-29-58.mp3", "0000", 'The "X"'),
    ("20", "c/zoe-z-1-one-two-0-29.mp3", "0001", "Zoë\tZ"),
    ("35644", "6/norine_braun-now_and_zen-08-gently-117-146.mp3", "1000", "Norine Braun"),
]


def make(root: Path) -> None:
    with (root / "annotations_final.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerow(["clip_id", *TAGS, "mp3_path"])
        writer.writerows([id, *tags, path] for id, path, tags, _ in CLIPS)
    with (root / "clip_info_final.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        header = ["clip_id", "track_number", "title", "artist", "album", "url", "segmentStart", "segmentEnd"]
        writer.writerow([*header, "original_url", "mp3_path"])
        for id, path, _, artist in CLIPS:
            writer.writerow([id, "1", "A\nsong", artist, "An album", "http://example.org", "0", "29", "", path])
    for _, path, _, _ in CLIPS[:3]:
        audio = root / "mp3" / path
        audio.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(audio, 0.1 * np.sin(np.arange(16000) / 7), 16000, format="MP3", subtype="MPEG_LAYER_III")
