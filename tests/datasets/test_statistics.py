"""Statistics of datasets: by hand on few tracks, and the published figures on the real labels."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.datasets import DATASETS, magnatagatune, open_dataset
from earmark.datasets.base import NO_TAG, Dataset, Fault, Split, Track
from earmark.datasets.statistics import compute, count_together, describe_durations
from earmark.errors import UnknownNameError, UsageError
from earmark.vocabulary import from_tags

MAKERS = Path(__file__).parent / "makers"
TRACKS = (
    Track("1", tags=("a", "b", "x"), groups={"artist": "A", "album": "A1"}, duration=10.0),
    Track("2", tags=("a",), groups={"artist": "A", "album": "A2"}, duration=20.0),
    Track("3", tags=("b",), groups={"artist": "B"}, segment=(5.0, 35.0)),
    Track("4", tags=("x",), groups={"artist": "A"}),
    Track("5", tags=("a", "b")),
)


def toy(tracks: tuple[Track, ...] = TRACKS, **facts: object) -> Dataset:
    split = Split("half", "by hand", {"train": ("1", "3"), "test": ("2", "4")}, {"5": "why not"})
    ids = {track.id for track in tracks}
    made = {"half": lambda: split} if ids == {"1", "2", "3", "4", "5"} else {}
    return Dataset(
        magnatagatune.INFO, Path("root"), {}, tracks, from_tags("toy", ["b", "a", "c"]), split_makers=made, **facts
    )  # type: ignore[arg-type]


def test_tags() -> None:
    found = compute(toy())
    assert found.vocabulary == ("b", "a", "c")
    assert found.tags == (3, 3, 0)
    assert found.published_tags == (("a", 3), ("b", 3), ("x", 2))
    assert found.tags_per_track == {0: 1, 1: 2, 2: 2}
    assert found.without_tag == ("4",)
    assert found.mean_tags == pytest.approx(6 / 5)
    assert found.together_counts.tolist() == [[3, 2, 0], [2, 3, 0], [0, 0, 0]]
    conditional = found.conditional()
    assert conditional[0].tolist() == pytest.approx([1, 2 / 3, 0])
    assert np.isnan(conditional[2]).all()


def test_durations() -> None:
    found = compute(toy()).durations
    assert found is not None
    assert (found.n, found.total, found.shortest, found.median, found.longest) == (3, 60.0, 10.0, 20.0, 30.0)
    assert sum(found.counts) == 3
    assert len(found.edges) == len(found.counts) + 1
    same = describe_durations([29.1] * 5)
    assert same is not None
    assert (same.counts, same.edges) == ((5,), (29.1, 29.1))
    assert describe_durations([]) is None


def test_parts_and_leaks() -> None:
    found = compute(toy())
    train, test = found.parts
    assert (train.part, train.n_tracks, train.n_without_tag, train.tags) == ("train", 2, 0, (2, 1, 0))
    assert (test.part, test.n_tracks, test.n_without_tag, test.tags) == ("test", 2, 1, (0, 1, 0))
    assert train.n_groups == {"artist": 2, "album": 1}
    assert found.n_groups == {"artist": 2, "album": 2}
    artist, album = found.leaks
    assert (artist.by, artist.part, artist.other) == ("artist", "test", "train")
    assert (artist.n_groups, artist.n_shared, artist.n_tracks, artist.n_shared_tracks) == (1, 1, 2, 2)
    assert artist.share == 1.0
    assert (album.n_groups, album.n_shared, album.n_shared_tracks) == (1, 0, 0)
    assert found.left_out == {"half": {"why not": 1}}
    assert found.splits == {"half": "by hand"}


def test_a_track_of_which_nothing_is_known_is_a_recording_of_its_own() -> None:
    tracks = tuple(replace(track, groups={"track": "x"} if track.id in "23" else {}) for track in TRACKS)
    found = compute(toy(tracks))
    assert found.n_groups == {"track": 4}
    (leak,) = found.leaks
    assert (leak.by, leak.n_groups, leak.n_shared, leak.n_shared_tracks) == ("track", 2, 1, 1)


def test_a_split_that_the_tracks_cannot_fill_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "rock").mkdir()
    (tmp_path / "rock" / "a.mp3").touch()
    few = open_dataset("folder", tmp_path)
    assert compute(few).parts == ()
    with pytest.raises(UsageError, match="cannot fill 3 parts"):
        compute(few, splits=["random"])


def test_splits_are_chosen() -> None:
    assert compute(toy(), splits=()).parts == ()
    with pytest.raises(UnknownNameError):
        compute(toy(), splits=["third"])


def test_a_dataset_without_anything() -> None:
    found = compute(toy((Track("1"),)))
    assert found.without_tag == ("1",)
    assert found.durations is None
    assert found.n_groups == {}
    assert json.loads(json.dumps(found.to_dict()))["together_shares"] == [[None] * 3] * 3
    assert compute(toy(())).mean_tags == 0.0


def test_the_table_of_tags_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.datasets.statistics.MOST_TOGETHER", 2)
    found = compute(toy())
    assert found.together == ("b", "a")
    assert found.together_counts.tolist() == [[3, 2], [2, 3]]


def test_counts_are_those_of_the_obvious_way() -> None:
    rng = np.random.default_rng(0)
    tags = [f"t{k}" for k in range(7)]
    tracks = [[tag for tag in tags if rng.random() < 0.3] for _ in range(20_500)]
    counts = count_together(tracks, tags)
    assert counts[2, 5] == sum("t2" in track and "t5" in track for track in tracks)
    assert counts[3, 3] == sum("t3" in track for track in tracks)
    assert (counts == counts.T).all()


def test_audio(tmp_path: Path) -> None:
    runpy.run_path(str(MAKERS / "magnatagatune.py"))["make"](tmp_path)
    dataset = open_dataset("magnatagatune", tmp_path)
    bad = dataset["10"].audio
    assert bad is not None
    bad.write_bytes(b"no song")
    told: list[tuple[int, int]] = []
    found = compute(dataset, audio=True, jobs=1, journal=tmp_path / "j", progress=lambda *n: told.append(n)).audio
    assert found is not None
    assert (found.n_expected, found.n_present) == (6, 3)
    assert [id for id, _ in found.unreadable] == ["10"]
    assert found.unreadable[0][1]
    assert found.sample_rates == {16000: 2}
    assert found.n_channels == {1: 2}
    assert found.durations is not None
    assert found.durations.median == pytest.approx(1.0, abs=0.2)
    assert told[-1] == (3, 3)
    assert (tmp_path / "j").is_file()
    json.dumps(compute(dataset, audio=True).to_dict())
    assert compute(dataset).audio is None


def test_of_a_file_the_meant_part_counts(tmp_path: Path) -> None:
    runpy.run_path(str(MAKERS / "magnatagatune.py"))["make"](tmp_path)
    audio = open_dataset("magnatagatune", tmp_path)["2"].audio
    tracks = tuple(Track(str(i), audio, ("a",), segment=s) for i, s in enumerate([(0.0, 0.25), (0.5, 9.0), (7.0, 9.0)]))
    found = compute(toy(tracks), audio=True).audio
    assert found is not None
    assert found.durations is not None
    assert found.durations.shortest == 0.0
    assert found.durations.median == pytest.approx(0.25)


def test_faults_are_told() -> None:
    faults = (Fault("1", "short", "3 s", "someone"),)
    assert compute(toy(faults=faults)).to_dict()["faults"][0]["detail"] == "3 s"


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_statistics(name: str, tmp_path: Path) -> None:
    made = runpy.run_path(str(MAKERS / f"{name}.py"))
    made["make"](tmp_path)
    dataset = open_dataset(name, tmp_path, **made.get("OPTIONS", [{}])[0])
    found = compute(dataset)
    assert sum(found.tags_per_track.values()) == len(dataset)
    assert {part.split for part in found.parts} <= set(dataset.split_names)
    json.dumps(found.to_dict())


@pytest.mark.shared
def test_magnatagatune_leaks_as_it_is_known_to(shared: Path) -> None:
    dataset = open_dataset("magnatagatune", shared / "datasets" / "magnatagatune")
    found = compute(dataset)
    leaks = {(leak.split, leak.by, leak.part, leak.other): leak for leak in found.leaks}
    full = leaks["full", "artist", "test", "train"]
    assert (full.n_shared, full.n_groups) == (45, 75)
    assert full.share == pytest.approx(0.616, abs=5e-4)
    assert (full.n_shared_tracks, full.n_tracks) == (3284, 5329)
    assert leaks["full", "album", "test", "train"].n_shared == 0
    assert all(leak.n_shared == 0 for leak in found.leaks if leak.split == "artist")
    sizes = {(part.split, part.part): part.n_tracks for part in found.parts}
    assert [sizes["clean", part] for part in ("train", "validation", "test")] == [15247, 1529, 4332]
    assert found.left_out["clean"][NO_TAG] == 4752
    assert len(found.without_tag) == 4752
    assert max(found.tags) == found.tags[0] == dataset.targets()[:, 0].sum()
    assert np.array_equal(found.together_counts, dataset.targets().T.astype(int) @ dataset.targets().astype(int))
