"""A small MTG-Jamendo in the published layout: two splits of two subsets, names of tracks, and two files of audio."""

from pathlib import Path

import numpy as np
import soundfile

OPTIONS = [{}, {"audio": "centre"}, {"subset": "all"}]
HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
TRACKS = {
    "track_0000241": ("artist_000005", "album_000033", "41/241.mp3", "340.1", ["genre---rock", "mood/theme---calm"]),
    "track_0000242": ("artist_000005", "album_000033", "42/242.mp3", "30.0", ["genre---rock", "genre---rock", ""]),
    "track_0000773": ("artist_000104", "album_000126", "73/773.mp3", "275.3", ["instrument---voice"]),
    "track_0000774": ("artist_000104", "", "74/774.mp3", "31.5", ["genre---electronic", "instrument---piano"]),
    "track_1056334": ("artist_000014", "album_000031", "34/1056334.mp3", "124.6", ["mood/theme---film"]),
}
PARTS = {
    "split-0": {"train": ["241", "242"], "validation": ["773", "774"], "test": ["1056334"]},
    "split-3": {"train": ["1056334"], "validation": ["241"], "test": ["773"]},
}


def row(number: str) -> str:
    id = f"track_{int(number):07d}"
    *cells, tags = TRACKS[id]
    return "\t".join([id, *cells, *tags])


def make(root: Path) -> None:
    for split, parts in PARTS.items():
        folder = root / "data" / "splits" / split
        folder.mkdir(parents=True)
        for part, numbers in parts.items():
            for stem in ("autotagging_top50tags", "autotagging"):
                encoding = "utf-8-sig" if part == "validation" else "utf-8"
                with (folder / f"{stem}-{part}.tsv").open("w", newline="", encoding=encoding) as file:
                    file.writelines(line + "\r\n" for line in (HEADER, *map(row, numbers)))
    with (root / "data" / "raw.meta.tsv").open("w", encoding="utf-8") as file:
        file.write("TRACK_ID\tARTIST_ID\tALBUM_ID\tTRACK_NAME\tARTIST_NAME\tALBUM_NAME\tRELEASEDATE\tURL\n")
        file.write('track_0000241\tartist_000005\talbum_000033\t"Où es-tu\tJo "X" Y\tÉté\t2004-12-28\thttp://e.org\n')
        file.write("track_0000773\tartist_000104\talbum_000126\tNight\t\tThe Band\tDay\t2004-12-28\thttp://e.org\n")
    for name in ("41/241.mp3", "42/242.low.mp3"):
        audio = root / "audio" / name
        audio.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(audio, 0.1 * np.sin(np.arange(16000) / 7), 16000, format="MP3", subtype="MPEG_LAYER_III")
