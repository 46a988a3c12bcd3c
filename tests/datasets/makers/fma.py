"""A small FMA in the published layout: tracks and genres, features of both kinds, tags, and two clips."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

OPTIONS = [
    {},
    {"subset": "medium"},
    {"subset": "large", "targets": "genres"},
    {"subset": "large", "targets": "genres_all"},
    {"subset": "full", "targets": "genres_all", "level": "top"},
    {"subset": "medium", "targets": "lastfm", "lastfm": "lastfm.csv"},
]
COLUMNS = [
    ("album", "id"),
    ("album", "information"),
    ("album", "title"),
    ("artist", "id"),
    ("artist", "name"),
    ("set", "split"),
    ("set", "subset"),
    ("track", "duration"),
    ("track", "genre_top"),
    ("track", "genres"),
    ("track", "genres_all"),
    ("track", "title"),
]
BIOGRAPHY = '<p>Born in "X",\nraised in Y;\r\nsee http://example.org</p>'
TRACKS = [
    # id, album id and title, artist id and name, split, subset, duration, genre_top, genres, genres_all, title
    (2, "1", "AWOL, A Way", "1", "AWOL", "training", "small", "168", "Hip-Hop", "[21]", "[21]", "Food"),
    (3, "1", "AWOL, A Way", "1", "AWOL", "training", "medium", "237", "Hip-Hop", "[21]", "[21]", 'Electric "Ave"'),
    (10, "6", "Constant", "6", "Kurt\nVile", "test", "small", "161", "Pop", "[10, 76]", "[10, 76]", "Über alles"),
    (20, "4", "Nice", "4", "Nicky", "training", "large", "311", "", "[76, 103]", "[17, 10, 76, 103]", "Spiritual"),
    (30, "4", "Nice", "4", "Nicky", "training", "large", "20", "", "[]", "[]", ""),
    (40, "", "", "9", "Zoë", "validation", "large", "", "Folk", "[104, 9999]", "[17, 104, 9999]", "A\tB"),
    (98565, "7", "Q", "7", "Q", "validation", "small", "158", "Pop", "[10]", "[10]", "Short"),
    (99134, "8", "R", "8", "R", "test", "small", "308", "Pop", "[10]", "[10]", "Nothing"),
    (140449, "8", "R", "8", "R", "", "large", "45", "Folk", "[17]", "[17]", "Hard"),
]
GENRES = [
    (10, 4, 0, "Pop", 10),
    (17, 3, 0, "Folk", 17),
    (21, 2, 0, "Hip-Hop", 21),
    (76, 2, 10, "Experimental, Pop", 10),
    (103, 1, 17, "Singer", 17),
    (104, 1, 103, "Singer", 17),
]
FEATURES = [("chroma", "mean", "01"), ("mfcc", "mean", "01"), ("mfcc", "std", "20")]
ECHONEST = [
    ("echonest", "audio_features", "tempo"),
    ("echonest", "metadata", "artist_name"),
    ("echonest", "temporal_features", "000"),
]
LASTFM = [("2", "hip-hop", "100"), ("2", "seen, live", "7.5"), ("000010", "pop", "50"), ("10", "rock", "80")]


def make(root: Path) -> None:
    folder = root / "fma_metadata"
    folder.mkdir()
    rows = [
        (id, album_id, BIOGRAPHY, album, artist_id, artist, split, subset, duration, top, genres, above, title)
        for id, album_id, album, artist_id, artist, split, subset, duration, top, genres, above, title in TRACKS
    ]
    write(folder / "tracks.csv", COLUMNS, rows, encoding="utf-8-sig")
    with (folder / "genres.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["genre_id", "#tracks", "parent", "title", "top_level"])
        writer.writerows(GENRES)
    write(folder / "features.csv", FEATURES, [(2, "0.5", "-163.77", "1e-3"), (3, "", "-159.0", "2")])
    write(folder / "echonest.csv", ECHONEST, [(2, "165.9", "AWOL, the\nartist", "0.877"), (10, "114.3", "Kurt", "")])
    with (root / "lastfm.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("track_id", "tag", "count"), *LASTFM])
    for name in ("000/000002.mp3", "000/000010.mp3"):
        audio = root / "fma_small" / name
        audio.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(audio, 0.1 * np.sin(np.arange(16000) / 7), 16000, format="MP3", subtype="MPEG_LAYER_III")


def write(
    path: Path, columns: Sequence[tuple[str, ...]], rows: Sequence[tuple[object, ...]], *, encoding: str = "utf-8"
) -> None:
    """Write a table with several rows of header, and the row that names only the first column."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        for names in zip(*columns, strict=True):
            writer.writerow(["", *names])
        writer.writerow(["track_id", *[""] * len(columns)])
        writer.writerows(rows)
