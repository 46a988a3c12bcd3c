"""A small CAL500 as it lies after unpacking: songs of artists with hyphens, tags with odd characters, both matrices."""

from pathlib import Path

import numpy as np

OPTIONS = [{}, {"annotations": "soft"}, {"vocabulary": 2}]
TAGS = [
    "Emotion-Angry_/_Agressive",
    "NOT-Emotion-Angry_/_Agressive",
    "Genre--_R&B",
    "Instrument_-_Piano",
    "Vocals-Falsetto",
]
SONGS = ["go-gos-vacation", "sir_mix-a-lot-baby_got_back", "zoë-für_alle", "a-ha", "2pac-trapped", "zoë-second"]
SONGS += [f"artist_{i}-song-{i}" for i in range(10)]


def make(root: Path) -> None:
    folder = root / "CAL500_noAudioFeatures"
    folder.mkdir()
    (folder / "songNames.txt").write_text("\ufeff" + "\r\n".join(SONGS) + "\r\n", encoding="utf-8", newline="")
    (folder / "vocab.txt").write_text("\n".join(TAGS) + "\n\n")
    soft = np.random.default_rng(0).integers(0, 5, (len(SONGS), len(TAGS))) / 4
    soft[0] = [1, 0, 0.75, 0, 0.25]
    soft[1] = 0
    np.savetxt(folder / "softAnnotations.txt", soft, fmt="%.4f", delimiter=",")
    np.savetxt(folder / "hardAnnotations.txt", soft > 0.6, fmt="%d", delimiter=",")
