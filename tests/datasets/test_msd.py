"""The Million Song Dataset: every field of two real files, the summary, lists, labels, splits, audio, damage."""

import io
import math
import pickle
import runpy
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from earmark.datasets import dataset_info, msd, msd_lists, open_dataset
from earmark.datasets.msd_audio import places
from earmark.datasets.msd_hdf5 import ARRAYS, COLUMNS, Song, Summary, open_hdf5, read_song
from earmark.datasets.msd_lists import (
    Mismatch,
    read_array_of_ids,
    read_cals_table,
    read_mismatches,
    read_pickled_ids,
    read_tracks_per_year,
    read_unique_tracks,
    song_tracks,
)
from earmark.datasets.statistics import leaks
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.vocabulary import get_vocabulary

MAKER = runpy.run_path(str(Path(__file__).parent / "makers" / "msd.py"))
ROWS, TRACKS, TOP50 = MAKER["ROWS"], MAKER["TRACKS"], MAKER["TOP50"]
NEVER = "TRAXLZU12903D05F94"
SONG_FILES = (NEVER, "TRAAAFP128F931B4E3")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    MAKER["make"](tmp_path)
    return tmp_path


# HDF5


def song_of(path: Path, index: int = 0) -> Song:
    with open_hdf5(path) as file:
        return read_song(file, index)


def direct(path: Path, index: int = 0) -> dict[str, Any]:
    """Every value of a song, read without earmark: tables as records, arrays cut where the tables say."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        for group in file.values():
            table = group["songs"][()]
            scalars = [name for name in table.dtype.names if not name.startswith("idx_")]
            found |= {name: table[name][index] for name in scalars}
            for name in set(group) - {"songs"}:
                column = {"artist_terms_freq": "artist_terms", "artist_terms_weight": "artist_terms"}.get(name, name)
                begins = [*table[f"idx_{column.removesuffix('_count')}"], len(group[name])]
                found[name] = group[name][()][begins[index] : begins[index + 1]]
    return found


def plain(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        return [v.decode() for v in value] if value.dtype.kind == "S" else value
    if isinstance(value, np.floating) and math.isnan(value):
        return None
    if name == "year":
        return value or None
    return None if name.endswith(("7digitalid", "playmeid")) and value == -1 else value


def assert_equal_fields(song: Song, values: dict[str, Any]) -> None:
    assert {field.name for field in fields(Song)} == values.keys()
    for name, value in values.items():
        got, expected = getattr(song, name), plain(name, value)
        if isinstance(expected, np.ndarray):
            assert got.dtype == expected.dtype, name
            np.testing.assert_array_equal(got, expected, err_msg=name)
        else:
            assert (list(got) if isinstance(got, tuple) else got) == expected, name
            assert isinstance(got, (str, int, float, tuple, type(None))), name


@pytest.mark.shared
@pytest.mark.parametrize("track", SONG_FILES)
def test_every_field_of_real_files(shared: Path, track: str) -> None:
    path = shared / "datasets" / "msd" / f"{track}.h5"
    song = song_of(path)
    assert song.track_id == track
    assert_equal_fields(song, direct(path))


@pytest.mark.shared
def test_a_known_song(shared: Path) -> None:
    song = song_of(shared / "datasets" / "msd" / f"{NEVER}.h5")
    assert (song.title, song.artist_name) == ("Never Gonna Give You Up", "Rick Astley")
    assert (song.song_id, song.track_7digitalid) == ("SOCWJDB12A58A776AF", 8707738)
    assert song.release == "Big Tunes - Back 2 The 80s"
    assert (song.year, song.key, song.mode, song.time_signature) == (1987, 1, 1, 4)
    assert song.duration == pytest.approx(211.69587)
    assert song.tempo == pytest.approx(113.359)
    assert song.artist_location == "Newton-le-Willows, Merseyside, England"
    assert song.segments_pitches.shape == song.segments_timbre.shape == (935, 12)
    assert len(song.artist_terms) == len(song.artist_terms_weight) == 12
    assert len(song.artist_mbtags) == len(song.artist_mbtags_count) == 4
    assert len(song.similar_artists) == 100
    assert (song.segments_pitches >= 0).all()
    assert (song.segments_pitches <= 1).all()
    assert (np.diff(song.beats_start) > 0).all()


def test_the_layout_of_the_maker_is_the_real_one(shared: Path, tmp_path: Path) -> None:
    path = shared / "datasets" / "msd" / f"{NEVER}.h5"
    if not path.is_file():
        pytest.skip("no real file here")
    MAKER["write_songs"](tmp_path / "a.h5", [MAKER["facts"](0)], [3])
    with h5py.File(path) as real, h5py.File(tmp_path / "a.h5") as made:
        for group in COLUMNS:
            assert set(made[group]) == set(real[group])
            for name in real[group]:
                assert made[group][name].dtype == real[group][name].dtype, name
                assert made[group][name].shape[1:] == real[group][name].shape[1:], name


def test_songs_of_an_aggregate_file(tmp_path: Path) -> None:
    path = tmp_path / "several.h5"
    MAKER["write_songs"](path, [MAKER["facts"](i) for i in range(4)], [3, 0, 5, 1])
    for i, length in enumerate((3, 0, 5, 1)):
        song = song_of(path, i)
        assert song.title == ROWS[i][2]
        assert len(song.segments_timbre) == len(song.artist_terms) == len(song.artist_mbtags_count) == length
        assert_equal_fields(song, direct(path, i))
    for index in (-1, 4):
        with pytest.raises(InputError, match=f"several.h5: there is no song {index} among 4"):
            song_of(path, index)


def test_what_is_unknown_is_none(tmp_path: Path) -> None:
    path = tmp_path / "songs.h5"
    MAKER["write_songs"](path, [MAKER["facts"](i) for i in (4, 5)], [1, 1])
    known, unknown = song_of(path, 0), song_of(path, 1)
    assert (known.year, known.artist_latitude, known.track_7digitalid, known.key) == (1984, 50.5, 79, 4)
    assert (unknown.year, unknown.artist_latitude, unknown.track_7digitalid) == (None, None, None)
    assert known.song_hotttnesss is known.artist_playmeid is None
    assert known.artist_location == "Malmö"


def test_the_summary_is_read_in_blocks(root: Path) -> None:
    with open_hdf5(root / "msd_summary_file.h5") as file:
        summary = Summary(file)
        assert len(summary) == len(ROWS)
        for block in (1, 3, 100):
            parts = list(summary.blocks(["year", "title", "duration", "track_id"], block=block))
            assert list(parts[0]) == ["year", "title", "duration", "track_id"]
            assert max(len(part["title"]) for part in parts) <= block
            assert [title for part in parts for title in part["title"]] == [row[2] for row in ROWS]
            assert np.concatenate([part["duration"] for part in parts]).tolist() == [200.5 + i for i in range(7)]
        assert summary.find("track_id", [TRACKS[3], "TRNONE", TRACKS[0]]) == {TRACKS[0]: 0, TRACKS[3]: 3}
        assert summary.find("track_7digitalid", [278, 5]) == {278: 2}
        assert summary.find("song_id", []) == {}
        song = summary[2]
        assert (song.title, song.artist_name, song.segments_timbre.shape) == (ROWS[2][2], "Zoë & Åke", (0, 12))
        with pytest.raises(UnknownNameError, match="column 'titel'"):
            next(summary.blocks(["titel"]))
        with pytest.raises(InputError, match="no array metadata/artist_terms"):
            read_song(file)


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 900, 2500, 5000, 0.3, 0.5, 0.9, 0.99])
def test_truncated_files_are_named(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "song.h5"
    MAKER["write_songs"](path, [MAKER["facts"](0)], [40])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(InputError, match=r"song.h5: no HDF5 file, or a damaged one"):
        song_of(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "song.h5"
    with pytest.raises(InputError, match=r"song.h5: there is no such file"):
        song_of(path)
    path.write_bytes(b"rubbish" * 999)
    with pytest.raises(InputError, match=r"song.h5: no HDF5 file"):
        song_of(path)
    with h5py.File(path, "w") as file:
        file["metadata/songs"] = [1, 2]
    with pytest.raises(InputError, match=r"song.h5: no table metadata/songs"):
        song_of(path)
    for group, name in (("metadata", "similar_artists"), ("analysis", "bars_start")):
        MAKER["write_songs"](path, [MAKER["facts"](0)], [2])
        with h5py.File(path, "a") as file:
            del file[group][name]
        with pytest.raises(InputError, match=f"song.h5: no array {group}/{name}"):
            song_of(path)
    MAKER["write_songs"](path, [MAKER["facts"](0)], [2])
    with h5py.File(path, "a") as file:
        table = file["musicbrainz/songs"][()]
        del file["musicbrainz/songs"]
        file["musicbrainz/songs"] = table[["idx_artist_mbtags"]]
    with pytest.raises(InputError, match="musicbrainz/songs has no column 'year'"):
        song_of(path)


@pytest.mark.shared
def test_damaged_bytes_of_a_real_file_are_no_other_error(shared: Path, tmp_path: Path) -> None:
    whole = (shared / "datasets" / "msd" / f"{NEVER}.h5").read_bytes()
    path = tmp_path / "song.h5"
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 20):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            song_of(path)
        except InputError as error:
            assert error.message.startswith(str(path))  # noqa: PT017


def test_every_field_is_read_once() -> None:
    names = [name for part in (COLUMNS, ARRAYS) for group in part.values() for name in group]
    assert sorted(names) == sorted(field.name for field in fields(Song))
    assert len(names) == 35 + 21


# Lists


def test_titles_may_hold_the_separator() -> None:
    line = f"{TRACKS[0]}<SEP>SOAAAAA12AB01AAAAA<SEP>Ana<SEP>Say <SEP> what\r\n"
    assert next(read_unique_tracks([line])).title == "Say <SEP> what"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["TRAAAAA128F42AAAAA<SEP>SOAAAAA12AB01AAAAA<SEP>x"], "line 1: .* expected track<SEP>song"),
        (["\n", "SOAAAAA12AB01AAAAA<SEP>TRAAAAA128F42AAAAA<SEP>x<SEP>y"], "line 2: .* expected track"),
        (["TRAAAAA128F42AAAAA<SEP>SOAAAAA12AB01AAAAA<SEP>x<SEP>y"] * 2, "line 2: track .* earlier line"),
    ],
)
def test_malformed_lists_of_tracks(lines: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(read_unique_tracks(lines))


def test_mismatches() -> None:
    lines = [
        "ERROR: <SOUMNSI12AB0182807 TRMMGKQ128F9325E10> An Artist  -  A Way  !=  Another  -  Whät\n",
        "that goes on\n",
        "< ERROR: <SOLZXUM12AB018BE39 TRMRSOF12903CCF516> 許  -  男  !=  A  -  B\n",
    ]
    found = read_mismatches(lines)
    assert found[0] == Mismatch("SOUMNSI12AB0182807", "TRMMGKQ128F9325E10", "An Artist - A Way != Another - Whät")
    assert [entry.track for entry in found] == ["TRMMGKQ128F9325E10", "TRMRSOF12903CCF516"]
    assert read_mismatches([]) == []
    with pytest.raises(InputError, match=r"line 1: .*expected ERROR: <song track>"):
        read_mismatches(["ERROR: <short> A - B\n"])
    with pytest.raises(InputError, match="no line says ERROR"):
        read_mismatches(["a,b\n"])


def test_years() -> None:
    assert read_tracks_per_year([f"1922<SEP>{TRACKS[0]}<SEP>A<SEP>B <SEP> C\n"]) == {TRACKS[0]: 1922}
    with pytest.raises(InputError, match=r"line 1: .*expected year"):
        read_tracks_per_year([f"MCM<SEP>{TRACKS[0]}<SEP>A<SEP>B\n"])


def test_a_song_is_its_first_track_that_is_no_mismatch() -> None:
    tracks = [msd_lists.ListedTrack(track, song, "", "") for track, song in (("T1", "S"), ("T2", "S"), ("T3", "R"))]
    assert song_tracks(tracks) == {"S": "T1", "R": "T3"}
    assert song_tracks(tracks, [Mismatch("S", "T1", ""), Mismatch("R", "T3", ""), Mismatch("S", "T3", "")]) == {
        "S": "T2"
    }


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [str, str.encode])
def test_pickled_ids_of_any_python(protocol: int, kind: Callable[[str], str | bytes]) -> None:
    data = pickle.dumps([kind(id) for id in TRACKS], protocol=protocol)
    assert read_pickled_ids(io.BytesIO(data)) == TRACKS


def test_ids_as_python_2_wrote_them() -> None:
    assert read_pickled_ids(io.BytesIO(MAKER["python2_list"](TRACKS))) == TRACKS


@pytest.mark.parametrize("dtype", [object, "U18", "S18"])
def test_arrays_of_ids(dtype: Any) -> None:
    file = io.BytesIO()
    np.save(file, np.array(TRACKS, dtype), allow_pickle=True)
    file.seek(0)
    assert read_array_of_ids(file) == TRACKS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": 1}, "a dict, expected a list"),
        (["TRAAAAA128F42AAAAA", "x"], "'x' is no track id"),
        (["TRAAAAA128F42AAAAA"] * 2, "TRAAAAA128F42AAAAA stands in the list twice"),
    ],
)
def test_other_lists(content: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_pickled_ids(io.BytesIO(pickle.dumps(content)))


def test_table_of_cals() -> None:
    text = io.StringIO("clip_ids\tsplits\tlength\nTRA\tTRAIN\t22050\nTRB\tSTUDENT\t1\nTRC\tTRAIN\t1\n")
    assert read_cals_table(text) == {"TRAIN": ["TRA", "TRC"], "STUDENT": ["TRB"]}


# The dataset


def tags_of(root: Path, **options: Any) -> dict[str, tuple[str, ...]]:
    return {track.id: track.tags for track in open_dataset("msd", root, **options)}


def test_lastfm_tags_over_the_weight_of_choi(root: Path) -> None:
    dataset = open_dataset("msd", root)
    assert [track.id for track in dataset] == [TRACKS[i] for i in (0, 1, 2, 3, 6)]
    assert dataset[TRACKS[0]].tags == ("rock", "seen live", "Mellow")
    assert dataset[TRACKS[0]].tag_weights == (100.0, 60.0, 51.0)
    assert dataset[TRACKS[2]].tags == ("jazz", 'it\'s "quoted"')
    assert dataset.vocabulary == get_vocabulary("msd")
    assert dataset[TRACKS[1]].title == "Say <SEP> what?"
    assert (dataset[TRACKS[2]].artist, dataset[TRACKS[2]].title) == ("Zoë & Åke", "Ünïcode – ニ")


def test_archives_and_folders_hold_the_same(root: Path) -> None:
    expected = {weight: tags_of(root, min_weight=weight) for weight in (0, 51)}
    (root / "lastfm_tags.db").unlink()
    assert {weight: tags_of(root, min_weight=weight) for weight in (0, 51)} == expected
    for name in ("lastfm_train", "lastfm_test"):
        shutil.unpack_archive(root / f"{name}.zip", root)
        (root / f"{name}.zip").unlink()
    shutil.copytree(root / "lastfm_train", root / "lastfm_subset")  # its tracks are in the others too
    assert {weight: tags_of(root, min_weight=weight) for weight in (0, 51)} == expected
    for name in ("lastfm_train", "lastfm_test"):
        shutil.rmtree(root / name)
    assert set(tags_of(root, min_weight=0)) < set(expected[0])
    shutil.rmtree(root / "lastfm_subset")
    with pytest.raises(InputError, match=r"none of lastfm_tags.db, lastfm_train.zip"):
        open_dataset("msd", root)
    assert tags_of(root, labels="lee"), "labels of a split need no Last.fm"


def test_labels_of_the_splits_are_the_published_targets(root: Path) -> None:
    names = set(TOP50)
    heavy = {id: tuple(sorted(set(tags) & names)) for id, tags in tags_of(root).items()}
    for labels in ("lee", "choi"):
        assert {id: tuple(sorted(tags)) for id, tags in tags_of(root, labels=labels).items()} == heavy
    cals = open_dataset("msd", root, labels="cals")
    assert cals.vocabulary.tags == tuple(tag.lower() for tag in TOP50[:20])
    assert cals[TRACKS[0]].tags == ("rock", "mellow")


def test_every_track(root: Path) -> None:
    dataset = open_dataset("msd", root, tracks="all")
    assert [track.id for track in dataset] == TRACKS
    assert dataset[TRACKS[5]].tags == ()


def test_vocabularies(root: Path) -> None:
    assert open_dataset("msd", root, vocabulary=2, min_weight=0).vocabulary.tags == ("rock", "Hip-Hop")
    for wrong in ("top5", 0, 99):
        with pytest.raises(UsageError, match=r"vocabulary=.*, expected top50, or a number of tags from 1 to \d+$"):
            open_dataset("msd", root, vocabulary=wrong)
    with pytest.raises(UsageError, match="'many'") as error:
        open_dataset("msd", root, vocabulary="many")
    assert error.value.hint is None
    with pytest.raises(UsageError, match="'top2'") as error:
        open_dataset("msd", root, vocabulary="top2")
    assert error.value.hint == "vocabulary=2 takes the 2 most frequent"
    with pytest.raises(UsageError, match="dataset 'msd': min_weight='abc', expected a number"):
        open_dataset("msd", root, min_weight="abc")


@pytest.mark.parametrize("option", [{"labels": "x"}, {"tracks": "x"}, {"audio": "x"}, {"min_weight": 101}])
def test_wrong_options(root: Path, option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        open_dataset("msd", root, **option)


def test_splits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msd_lists, "TRAIN_OF_LEE", 2)
    dataset = open_dataset("msd", root, tracks="all")
    assert dataset.split_names == ("cals", "lee", "choi", "artist")
    parts = {"train": (TRACKS[0], TRACKS[1]), "validation": (TRACKS[2],), "test": (TRACKS[3], TRACKS[6])}
    for name in ("cals", "lee", "choi"):
        assert dataset.split(name).parts == parts
    assert dataset.split("cals").left_out[TRACKS[4]] == "student set: no labels"
    assert dataset.split("lee").left_out == dict.fromkeys((TRACKS[4], TRACKS[5]), "not in the published lists")


def test_what_a_split_leaks(root: Path) -> None:
    (root / "choi" / "test_x_msd_id.txt").write_text(f"{TRACKS[1]}\n{TRACKS[6]}\n")
    (root / "choi" / "train_x_msd_id.txt").write_text(f"{TRACKS[0]}\n")
    dataset = open_dataset("msd", root, audio="msd")
    found = {(leak.part, leak.other): leak for leak in leaks(dataset, dataset.split("choi")) if leak.by == "artist"}
    leak = found["test", "train"]
    assert (leak.n_shared, leak.n_shared_tracks, leak.n_tracks) == (1, 1, 2)


def test_splits_whose_files_are_absent_are_not_offered(root: Path) -> None:
    (root / "filtered_list_test.cP").unlink()
    shutil.rmtree(root / "choi")
    (root / "cals" / "test_ids.npy").unlink()
    assert open_dataset("msd", root).split_names == ("artist",)
    rows = "".join(f"{TRACKS[i]}\t{part}\t0\n" for i, part in enumerate(("TRAIN", "VALID", "NONE", "TEST", "STUDENT")))
    (root / "cals" / "msd_splits.tsv").write_text(f"clip_ids\tsplits\tlength\n{rows}")
    split = open_dataset("msd", root, tracks="all").split("cals")
    assert split.parts == {"train": (TRACKS[0],), "validation": (TRACKS[1],), "test": (TRACKS[3],)}
    info = dataset_info("msd")
    for home in ("MSD_split_for_tagging", "music_dataset_split", "semi-supervised-music-tagging-transformer"):
        assert home in info.how_to_get


def test_a_track_in_two_parts_is_an_error(root: Path) -> None:
    (root / "choi" / "test_x_msd_id.txt").write_text(f"{TRACKS[0]}\n{TRACKS[6]}\n")
    with pytest.raises(InputError, match=f"choi: track {TRACKS[0]} stands in train and in test"):
        open_dataset("msd", root).split("choi")


def test_faults(root: Path) -> None:
    faults = {fault.track: fault for fault in open_dataset("msd", root).faults}
    assert faults[TRACKS[2]].kind == "mismatched"
    assert "Zoë & Åke - Uni != Somebody - Else" in faults[TRACKS[2]].detail
    assert (faults[TRACKS[1]].kind, len(faults)) == ("short", 2)
    assert len(set(msd_lists.SKIPPED_BY_WON)) == len(msd_lists.SKIPPED_BY_WON) == 54


def test_audio(root: Path) -> None:
    places = {track.id: track.audio for track in open_dataset("msd", root, tracks="all")}
    assert places[TRACKS[0]] == root / "3" / "9" / "3974574.clip.mp3"
    assert places[TRACKS[2]] == root / "2" / "7" / "278.clip.mp3"
    assert places[TRACKS[5]] is None
    wav = root / "audio" / "C" / "C" / "C" / f"{TRACKS[3]}.wav"
    wav.parent.mkdir(parents=True)
    wav.touch()
    dataset = open_dataset("msd", root, audio="msd")
    assert dataset[TRACKS[3]].audio == wav
    assert dataset[TRACKS[0]].audio == root / "audio" / "A" / "A" / "A" / f"{TRACKS[0]}.wav"


def test_numbers_of_previews_from_other_files(root: Path) -> None:
    (root / "7D_id_to_path.pkl").unlink()
    expected = root / "1" / "1" / "11925.clip.mp3"
    assert open_dataset("msd", root)[TRACKS[1]].audio == expected
    (root / "MSD_id_to_7D_id.pkl").unlink()
    assert open_dataset("msd", root)[TRACKS[1]].audio == expected, "from Choi's lists"
    shutil.rmtree(root / "choi")
    assert open_dataset("msd", root)[TRACKS[1]].audio == root / "A" / "A" / "A" / f"{TRACKS[1]}.mp3"
    with pytest.raises(InputError, match=r"MSD_id_to_7D_id.pkl is missing"):
        open_dataset("msd", root, audio="7digital")
    assert open_dataset("msd", root, audio="7digital", summary=True)[TRACKS[1]].audio == expected


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.mp3", "1/../../x.mp3"])
def test_paths_stay_in_the_folder(root: Path, path: str) -> None:
    (root / "7D_id_to_path.pkl").write_bytes(pickle.dumps({"278": path}))
    with pytest.raises(InputError, match=r"7D_id_to_path.pkl: the path .* leads out of the folder"):
        open_dataset("msd", root)


def test_the_suffix_of_audio_is_that_of_the_first_file(tmp_path: Path) -> None:
    for name in ("A/A/B/TRAAB.ogg", "A/A/A/TRAAA.h5", "A/A/C/TRAAC.wav", "A/A/B/TRAAA.json", "A/A/A/readme.mp3"):
        (tmp_path / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "audio" / name).touch()
    place = places(tmp_path, "msd", {})(TRACKS[2])
    assert place is not None
    assert place.suffix == ".ogg"


def test_the_summary_adds_artist_ids_and_albums(root: Path) -> None:
    track = open_dataset("msd", root, summary=True)[TRACKS[2]]
    assert (track.album, track.groups["artist"], track.groups["album"]) == ("Album 1", "ARZOË ", "ARZOË -Album 1")
    assert open_dataset("msd", root)[TRACKS[2]].groups["artist"] == "zoë & åke"
    (root / "msd_summary_file.h5").unlink()
    with pytest.raises(InputError, match=r"msd_summary_file.h5"):
        open_dataset("msd", root, summary=True)


def test_targets_that_do_not_fit_their_ids(root: Path) -> None:
    np.save(root / "choi" / "test_y.npy", np.zeros((3, 50)))
    with pytest.raises(InputError, match="5 ids, but targets of 6 tracks"):
        open_dataset("msd", root, labels="choi")
    np.save(root / "choi" / "test_y.npy", np.zeros((2, 49)))
    with pytest.raises(InputError, match="targets of 49 tags, expected 50"):
        open_dataset("msd", root, labels="choi")
    (root / "choi" / "test_y.npy").unlink()
    with pytest.raises(InputError, match=r"test_y.npy is missing, the labels of 'choi' need it"):
        open_dataset("msd", root, labels="choi")


def test_the_taste_profile_of_tracks(root: Path) -> None:
    played = msd.taste_profile(root)
    assert (played.users, played.items) == (("a" * 40, "b" * 40), (TRACKS[0], TRACKS[1]))
    assert played.counts.tolist() == [5, 1]
    everything = msd.taste_profile(root, leave_mismatched=False)
    assert everything.items == (TRACKS[0], TRACKS[1], TRACKS[2])
    assert msd.taste_profile(root, by="song").items == tuple(MAKER["song"](x) for x in ("AAAAA", "AAABC"))
    with pytest.raises(UsageError, match="by='album'"):
        msd.taste_profile(root, by="album")
