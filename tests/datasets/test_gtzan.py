"""GTZAN: the published lists, all layouts of the audio, the faults, and what is wrong with a list."""

import gzip
import io
import json
from pathlib import Path

import pytest

from earmark.datasets import open_dataset
from earmark.datasets.gtzan import GENRES, LISTS, published_lists, read_index, read_list, repetitions
from earmark.errors import InputError


@pytest.mark.shared
def test_equals_the_published_lists(shared: Path) -> None:
    dataset = open_dataset("gtzan", shared / "datasets" / "gtzan")
    assert len(dataset) == 1000
    assert dataset.split().sizes == {"train": 443, "validation": 197, "test": 290}
    assert len(dataset.split().left_out) == 70
    for part, name in LISTS.items():
        with (shared / "datasets" / "gtzan" / name).open() as file:
            assert published_lists()[part] == [line.strip().removesuffix(".wav").split("/")[1] for line in file]


@pytest.mark.shared
def test_equals_the_json_of_jukemir(shared: Path) -> None:
    dataset = open_dataset("gtzan", shared / "datasets" / "gtzan")
    with gzip.open(shared / "datasets" / "gtzan" / "gtzan_ff.json.gz", "rt") as file:
        theirs = {row["extra"]["id"]: row for row in json.load(file).values()}
    part_of = dataset.split().part_of()
    assert part_of == {id: row["split"].replace("valid", "validation") for id, row in theirs.items() if row["split"]}
    assert all(dataset[id].tags == (row["y"],) for id, row in theirs.items())


def test_the_split_needs_no_lists(tmp_path: Path) -> None:
    (tmp_path / "genres" / "blues").mkdir(parents=True)
    dataset = open_dataset("gtzan", tmp_path)
    assert len(dataset) == 1000
    assert dataset.split().sizes == {"train": 443, "validation": 197, "test": 290}
    assert dataset.vocabulary.tags == GENRES
    assert "artist" not in dataset.split_names


def test_the_lists_keep_at_most_one_of_each_repetition() -> None:
    kept = {id for ids in published_lists().values() for id in ids}
    groups = repetitions()
    assert sum(len(group) - 1 for group in groups) == 50, "as many as Sturm counts"
    assert all(len(kept & set(group)) <= 1 for group in groups)


def test_ten_folds_hold_every_track_once_and_every_genre_alike(tmp_path: Path) -> None:
    (tmp_path / "rock").mkdir()
    dataset = open_dataset("gtzan", tmp_path)
    tested: list[str] = []
    for number in range(1, 11):
        test = dataset.split(f"fold-{number}")["test"]
        assert sorted(dataset[id].tags[0] for id in test) == sorted(GENRES * 10)
        tested += test
    assert sorted(tested) == sorted(track.id for track in dataset)


@pytest.mark.parametrize("folder", ["genres", "genres_original", "Data/genres_original", "."])
def test_layouts(tmp_path: Path, folder: str) -> None:
    jazz = tmp_path / folder / "jazz"
    jazz.mkdir(parents=True)
    for name in ("._jazz.00054.wav", "jazz.00054.wav", "jazz.00007.au"):
        (jazz / name).touch()
    dataset = open_dataset("gtzan", tmp_path)
    assert dataset["jazz.00054"].audio == jazz / "jazz.00054.wav"
    assert dataset["jazz.00007"].audio == jazz / "jazz.00007.au"
    assert dataset["pop.00000"].audio == jazz.parent / "pop" / "pop.00000.wav", "where it would lie"
    (fault,) = [fault for fault in dataset.faults if fault.track == "jazz.00054"]
    assert fault.is_fatal == ("genres_original" in folder)
    assert "jazz.00054" in dataset.split()["train"], "the published membership stays"


def test_sun_audio_alone(tmp_path: Path) -> None:
    (tmp_path / "genres" / "rock").mkdir(parents=True)
    (tmp_path / "genres" / "rock" / "rock.00000.au").touch()
    assert open_dataset("gtzan", tmp_path)["rock.00001"].audio == tmp_path / "genres" / "rock" / "rock.00001.au"


def test_repetitions_are_one_recording(tmp_path: Path) -> None:
    (tmp_path / "rock").mkdir()
    dataset = open_dataset("gtzan", tmp_path)
    assert len({dataset[f"reggae.000{n}"].groups["track"] for n in (80, 81, 82)}) == 1
    assert dataset["metal.00058"].groups == dataset["rock.00016"].groups
    assert dataset.split().left_out["disco.00050"] == "the same audio as disco.00051 and disco.00070"
    assert {fault.track for fault in dataset.faults if fault.kind == "mislabelled"} == {"metal.00058"}


def test_index_gives_artists_and_a_split(tmp_path: Path) -> None:
    lines = [
        f"{genre}.000{n:02d}.wav ::: Artist {n // 25} of {genre} ::: Song {n}" for genre in GENRES for n in range(100)
    ]
    (tmp_path / "GTZANindex.txt").write_text("\n".join(lines))
    dataset = open_dataset("gtzan", tmp_path)
    assert (dataset["jazz.00030"].artist, dataset["jazz.00030"].title) == ("Artist 1 of jazz", "Song 30")
    split = dataset.split("artist")
    artists = [{dataset[id].artist for id in ids} for ids in split.parts.values()]
    assert sum(map(len, artists)) == len(set.union(*artists)) == 40


def test_index_lines() -> None:
    text = "# comment\nblues.00082.wav ::: Zoë ::: A ::: B\nblues.00083.au ::: Zoë :::\nclassical.00059.wav ::: :::\n\n"
    assert read_index(io.StringIO(text)) == {
        "blues.00082": ("Zoë", "A ::: B"),
        "blues.00083": ("Zoë", ""),
        "classical.00059": ("", ""),
    }
    with pytest.raises(InputError, match=r"line 1: 'blues.00082.wav, Zoë'"):
        read_index(io.StringIO("blues.00082.wav, Zoë"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("blues/blues.00029.wav\nblues.0003", "line 2: 'blues.0003'"),
        ("soul/soul.00001.wav", "no track of GTZAN"),
        ("rock.00100.wav", "no track of GTZAN"),
        ("rock.00001\nrock/rock.00001.wav", "line 2: rock.00001 stands in line 1"),
    ],
)
def test_damaged_lists(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_list(io.StringIO(text))


def test_lists_that_share_a_track_or_are_incomplete(tmp_path: Path) -> None:
    (tmp_path / "train_filtered.txt").write_text("rock/rock.00001.wav\n")
    with pytest.raises(InputError, match=r"valid_filtered.txt is missing"):
        open_dataset("gtzan", tmp_path)
    (tmp_path / "valid_filtered.txt").write_text("rock/rock.00002.wav\n")
    (tmp_path / "test_filtered.txt").write_text("rock/rock.00001.wav\n")
    with pytest.raises(InputError, match=r"test_filtered.txt: rock.00001 stands in train_filtered.txt"):
        open_dataset("gtzan", tmp_path)
