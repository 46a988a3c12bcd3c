"""A small Million Song Dataset in the published layout: lists, SQLite and JSON tags, splits, the summary, songs."""

import json
import pickle
import sqlite3
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

OPTIONS = [
    {"summary": True},
    {},
    {"labels": "lee"},
    {"labels": "choi"},
    {"labels": "cals"},
    {"vocabulary": 2, "min_weight": 0},
    {"tracks": "all", "audio": "msd"},
    {"audio": "7digital", "summary": True},
]
# fmt: off
TOP50 = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock", "jazz",
    "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow", "electronica",
    "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
)
# fmt: on


def track(letters: str) -> str:
    return f"TR{letters}{'128F42' + letters:0<13}"[:18]


def song(letters: str) -> str:
    return f"SO{letters}{'12AB01' + letters:0<13}"[:18]


# letters, artist, title, tags (as Last.fm spells them), 7digital id
ROWS: list[tuple[str, str, str, list[tuple[str, float]], int]] = [
    ("AAAAA", "Ana B", "A song", [("rock", 100), ("seen live", 60), ("Mellow", 51), ("pop", 50)], 3974574),
    ("AAABC", "Ana B", "Say <SEP> what?", [("Hip-Hop", 100), ("rock", 3)], 11925),
    ("BAXYZ", "Zoë & Åke", "Ünïcode – ニ", [(" jazz ", 88), ("jazz", 90), ("", 70), ('it\'s "quoted"', 55)], 278),
    ("CCCCC", "The Others", "", [("House", 75), ("electronic", 74)], 63812),
    ("CDEFG", "The Others", "Only, light", [("sad", 10), ("happy", 0)], 79),
    ("DDDDD", "Nobody", "No tags at all", [], -1),
    ("EEEEE", "Björk's friend", "Six", [("folk", 100)], 8902211),
]
TRACKS = [track(row[0]) for row in ROWS]
LISTED = {"train": [0, 1], "valid": [2], "test": [3, 6]}

METADATA = [
    ("analyzer_version", "S32"), ("artist_7digitalid", "<i4"), ("artist_familiarity", "<f8"),
    ("artist_hotttnesss", "<f8"), ("artist_id", "S32"), ("artist_latitude", "<f8"), ("artist_location", "S1024"),
    ("artist_longitude", "<f8"), ("artist_mbid", "S40"), ("artist_name", "S1024"), ("artist_playmeid", "<i4"),
    ("genre", "S1024"), ("idx_artist_terms", "<i4"), ("idx_similar_artists", "<i4"), ("release", "S1024"),
    ("release_7digitalid", "<i4"), ("song_hotttnesss", "<f8"), ("song_id", "S32"), ("title", "S1024"),
    ("track_7digitalid", "<i4"),
]  # fmt: skip
FLOATS = (
    "bars_confidence", "bars_start", "beats_confidence", "beats_start", "sections_confidence", "sections_start",
    "segments_confidence", "segments_loudness_max", "segments_loudness_max_time", "segments_loudness_start",
    "segments_pitches", "segments_start", "segments_timbre", "tatums_confidence", "tatums_start",
)  # fmt: skip
ANALYSIS = [
    ("analysis_sample_rate", "<i4"), ("audio_md5", "S32"), ("danceability", "<f8"), ("duration", "<f8"),
    ("end_of_fade_in", "<f8"), ("energy", "<f8"), *((f"idx_{name}", "<i4") for name in FLOATS), ("key", "<i4"),
    ("key_confidence", "<f8"), ("loudness", "<f8"), ("mode", "<i4"), ("mode_confidence", "<f8"),
    ("start_of_fade_out", "<f8"), ("tempo", "<f8"), ("time_signature", "<i4"), ("time_signature_confidence", "<f8"),
    ("track_id", "S32"),
]  # fmt: skip
MUSICBRAINZ = [("idx_artist_mbtags", "<i4"), ("year", "<i4")]
GROUPS = {"metadata": METADATA, "analysis": ANALYSIS, "musicbrainz": MUSICBRAINZ}
# column that says where a song begins: its arrays with their types
ARRAYS: dict[str, dict[str, list[tuple[str, str, tuple[int, ...]]]]] = {
    "metadata": {
        "idx_artist_terms": [
            ("artist_terms", "S256", ()), ("artist_terms_freq", "<f8", ()), ("artist_terms_weight", "<f8", ()),
        ],
        "idx_similar_artists": [("similar_artists", "S20", ())],
    },
    "analysis": {
        f"idx_{name}": [(name, "<f8", (12,) if name in ("segments_pitches", "segments_timbre") else ())]
        for name in FLOATS
    },
    "musicbrainz": {"idx_artist_mbtags": [("artist_mbtags", "S256", ()), ("artist_mbtags_count", "<i4", ())]},
}  # fmt: skip


def facts(i: int) -> dict[str, Any]:
    """Made-up values of a song; what is not named is 0 or empty."""
    letters, artist, title, _, number = ROWS[i]
    nan = float("nan")
    return {
        "artist_7digitalid": -1 if i == 5 else 100 + i, "artist_familiarity": 0.5, "artist_hotttnesss": 0.25,
        "artist_id": f"AR{artist[:4].upper()}", "artist_latitude": nan if i % 2 else 50.5, "artist_longitude": nan,
        "artist_location": "Malmö", "artist_name": artist, "artist_playmeid": -1, "release": f"Album {i // 2}",
        "release_7digitalid": 7, "song_hotttnesss": nan, "song_id": song(letters), "title": title,
        "track_7digitalid": number, "analysis_sample_rate": 22050, "audio_md5": "0" * 32, "duration": 200.5 + i,
        "end_of_fade_in": 0.1, "key": i, "key_confidence": 0.3, "loudness": -7.5, "mode": i % 2,
        "start_of_fade_out": 190.0, "tempo": 113.25, "time_signature": 4, "track_id": track(letters),
        "year": 0 if i % 2 else 1980 + i,
    }  # fmt: skip


def write_songs(path: Path, songs: Sequence[Mapping[str, Any]], lengths: Sequence[int] | None = None) -> None:
    """Write a song file, an aggregate file, or, without lengths of the arrays, a summary file."""
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for group, columns in GROUPS.items():
            table = np.zeros(len(songs), np.dtype(columns))
            for i, values in enumerate(songs):
                for name, kind in columns:
                    value = values.get(name, "" if kind[0] == "S" else 0)
                    table[name][i] = value.encode() if isinstance(value, str) else value
            place = file.create_group(group)
            if lengths is not None:
                for column, arrays in ARRAYS[group].items():
                    table[column] = np.concatenate([[0], np.cumsum(lengths)])[:-1]
                    for name, kind, shape in arrays:
                        numbers = generator.random((sum(lengths), *shape)) * 9
                        content = [f"tag ö{k}".encode() for k in range(len(numbers))] if kind[0] == "S" else numbers
                        options = {"maxshape": (None, *shape), "compression": "gzip"}
                        place.create_dataset(name, data=np.array(content).astype(kind), **options)
            place.create_dataset("songs", data=table, maxshape=(None,), chunks=(2,), compression="gzip")


def write_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE tids (tid TEXT PRIMARY KEY)")
    connection.execute("CREATE TABLE tags (tag TEXT)")
    connection.execute("CREATE TABLE tid_tag (tid INT, tag INT, val REAL)")
    numbers: dict[str, int] = {}
    for letters, _, _, tags, _ in reversed(ROWS):
        if not tags:
            continue
        tid = connection.execute("INSERT INTO tids VALUES (?)", (track(letters),)).lastrowid
        for tag, weight in tags:
            if tag not in numbers:
                numbers[tag] = connection.execute("INSERT INTO tags VALUES (?)", (tag,)).lastrowid or 0
            connection.execute("INSERT INTO tid_tag VALUES (?, ?, ?)", (tid, numbers[tag], weight))
    connection.commit()
    connection.close()


def json_of(i: int) -> str:
    letters, artist, title, tags, _ = ROWS[i]
    return json.dumps(
        {
            "artist": artist,
            "timestamp": "2011-08-02 20:13:25.674526",
            "similars": [[TRACKS[0], 0.98]],
            "tags": [[tag, f"{weight:g}"] for tag, weight in tags],
            "track_id": track(letters),
            "title": title,
        }
    )


def member(i: int) -> str:
    return f"{'/'.join(TRACKS[i][2:5])}/{TRACKS[i]}.json"


def write_archives(root: Path) -> None:
    for name, indices in (("lastfm_train", range(4)), ("lastfm_test", range(4, len(ROWS)))):
        with zipfile.ZipFile(root / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for i in indices:
                archive.writestr(f"{name}/{member(i)}", json_of(i))


def python2_list(texts: Sequence[str]) -> bytes:
    """A list as Python 2 pickles it."""
    items = "".join(f"S'{text}'\np{i}\na" for i, text in enumerate(texts, start=2))
    return f"(lp1\n{items}.".encode()


def vector(i: int) -> np.ndarray[Any, Any]:
    names = {tag.strip() for tag, weight in ROWS[i][3] if weight > 50}
    return np.array([tag in names for tag in TOP50])


def write_splits(root: Path) -> None:
    for name in ("choi", "cals"):
        (root / name).mkdir()
    everyone = [i for indices in LISTED.values() for i in indices]
    for part, indices in LISTED.items():
        choi, cals = root / "choi" / f"{part}_x", root / "cals" / part
        Path(f"{choi}_msd_id.txt").write_text("".join(f"{TRACKS[i]}\n" for i in indices))
        Path(f"{choi}_7d_id.txt").write_text("".join(f"{ROWS[i][4]}\n" for i in indices))
        np.save(root / "choi" / f"{part}_y.npy", np.array([vector(i) for i in indices], np.float64))
        # as numpy saved texts that were objects
        np.save(f"{cals}_ids.npy", np.array([TRACKS[i] for i in indices], object), allow_pickle=True)
        np.save(f"{cals}_binaries.npy", np.array([vector(i)[:20] for i in indices]))
    np.save(root / "cals" / "cals_tags.npy", np.array([tag.lower() for tag in TOP50[:20]]))
    np.save(root / "cals" / "student_ids.npy", np.array([TRACKS[4]]))
    (root / "choi" / "train_x_7d_bad_duration_id.txt").write_text(f"{ROWS[1][4]}\n1\n")
    (root / "filtered_list_train.cP").write_bytes(python2_list([TRACKS[i] for i in everyone[:3]]))
    (root / "filtered_list_test.cP").write_bytes(python2_list([TRACKS[i] for i in everyone[3:]]))
    vectors = {TRACKS[i].encode(): vector(i)[:, None] for i in everyone}
    (root / "msd_id_to_tag_vector.cP").write_bytes(pickle.dumps(vectors, protocol=2))
    numbers = {TRACKS[i]: str(ROWS[i][4]) for i in range(len(ROWS)) if ROWS[i][4] > 0}
    (root / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps(numbers, protocol=0))
    paths = {number: f"{number[0]}/{number[1]}/{number}.clip.mp3" for number in numbers.values()}
    (root / "7D_id_to_path.pkl").write_bytes(pickle.dumps(paths, protocol=2))


def make(root: Path) -> None:
    lines = [f"{track(x)}<SEP>{song(x)}<SEP>{artist}<SEP>{title}\n" for x, artist, title, _, _ in ROWS]
    (root / "unique_tracks.txt").write_text("".join(lines), encoding="utf-8-sig")
    wrong = f"ERROR: <{song('BAXYZ')} {track('BAXYZ')}> Zoë & Åke  -  Uni  !=  Somebody  -  Else\nand a line more\n"
    (root / "sid_mismatches.txt").write_text(wrong, encoding="utf-8")
    write_database(root / "lastfm_tags.db")
    write_archives(root)
    write_splits(root)
    write_songs(root / "msd_summary_file.h5", [facts(i) for i in range(len(ROWS))])
    triplets = [("a" * 40, "AAAAA", 2), ("b" * 40, "AAABC", 1), ("a" * 40, "BAXYZ", 7), ("a" * 40, "AAAAA", 3)]
    (root / "train_triplets.txt").write_text("".join(f"{user}\t{song(x)}\t{n}\n" for user, x, n in triplets))
