"""Floors from a folder of audio to predictions, and what is kept between two runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("sklearn")

from earmark.datasets import open_dataset
from earmark.datasets.base import Split
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.features.extract import extract
from earmark.features.store import FeatureStore, Item
from earmark.floors import TrackStatistics, floor_data, run_floor, track_features
from earmark.floors.svm import Svm
from earmark.metrics import accuracy
from earmark.predictions import load_predictions
from earmark.training_data import DataOptions, TrainingData, prepare

from .conftest import RATE, sound


def data_of(music: Path, cache: Path, **options: Any) -> TrainingData:
    return floor_data(
        open_dataset("folder", music), cache=cache, jobs=1, **({"by": "id", "validation": 0.25} | options)
    )


@pytest.fixture
def data(music: Path, tmp_path: Path) -> TrainingData:
    return data_of(music, tmp_path / "cache")


@pytest.fixture
def untouchable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note whose statistics are computed."""
    computed: list[str] = []
    original = TrackStatistics.__call__

    def noting(self: TrackStatistics, waveform: Any) -> Any:
        computed.append("computed")
        return original(self, waveform)

    monkeypatch.setattr(TrackStatistics, "__call__", noting)
    return computed


def test_data_has_all_three_parts(data: TrainingData, music: Path, tmp_path: Path) -> None:
    assert data.split.sizes == {"train": 18, "validation": 6, "test": 9}
    assert data.store.info.sample_rate == 16000
    assert data.unreadable == {}
    again = data_of(music, tmp_path / "cache")
    assert again.split.parts == data.split.parts
    assert data_of(music, tmp_path / "cache", seed=1).split.parts != data.split.parts
    assert data_of(music, tmp_path / "cache", sample_rate=22050).store.info.sample_rate == 22050
    assert sorted(path.name[:13] for path in (tmp_path / "cache").iterdir()) == ["folder-16000-", "folder-22050-"]


@pytest.mark.parametrize(("name", "expected"), [("mfcc_logistic", 1.0), ("mfcc_svm", 1.0), ("prior", 1 / 3)])
def test_a_whole_run(name: str, expected: float, data: TrainingData, tmp_path: Path) -> None:
    found = run_floor(name, data)
    assert list(found) == ["validation", "test"]
    test = found["test"]
    assert accuracy(test.targets, test.scores) == pytest.approx(expected)
    assert test.ids == data.split["test"]
    assert (test.model, test.dataset, test.part, test.tags) == (name, "folder", "test", ("low", "mid", "noise"))
    assert test.task == "single_label"
    assert test.prevalence is not None
    np.testing.assert_allclose(test.scores.sum(axis=1), 1.0, atol=1e-6)
    test.save(tmp_path / "test.npz")
    assert load_predictions(tmp_path / "test.npz").protocol == test.protocol
    again = run_floor(name, data, parts=("test",))
    assert list(again) == ["test"]
    np.testing.assert_array_equal(again["test"].scores, test.scores)


def test_the_protocol_says_what_was_chosen(data: TrainingData) -> None:
    assert run_floor("mfcc_knn", data, options={"k_grid": (3,)})["test"].protocol.endswith("neighbours, k = 3")
    assert "C = 0.5" in run_floor("mfcc_logistic", data, options={"c_grid": (0.5,)})["test"].protocol
    options = {"c_grid": (2.0,), "gamma_grid": (0.5,)}
    assert "C = 2, gamma = 0.5 / D" in run_floor("mfcc_svm", data, options=options)["test"].protocol


def test_statistics_are_computed_once(data: TrainingData, music: Path, tmp_path: Path, untouchable: list[str]) -> None:
    first = run_floor("mfcc_logistic", data, jobs=2)["test"].scores
    assert len(untouchable) == 33
    second = run_floor("mfcc_logistic", data_of(music, tmp_path / "cache"))["test"].scores
    run_floor("mfcc_knn", data)
    assert len(untouchable) == 33
    np.testing.assert_array_equal(first, second)
    run_floor("mfcc_logistic", data, statistics=TrackStatistics(n_coefficients=13))  # other parameters
    assert len(untouchable) == 66


def test_statistics_follow_the_audio(data: TrainingData, music: Path, tmp_path: Path, untouchable: list[str]) -> None:
    ids = data.split["test"]
    before = track_features(data.store, ids)
    soundfile.write(music / ids[2], sound("noise", seed=77), RATE)
    untouchable.clear()
    again = data_of(music, tmp_path / "cache")
    after = track_features(again.store, ids)
    assert len(untouchable) == 1
    changed = (before != after).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [2]
    np.testing.assert_array_equal(track_features(again.store, ids), after)
    assert len(untouchable) == 1


def test_statistics_are_those_of_the_waveform(data: TrainingData, music: Path) -> None:
    id = data.split["test"][0]
    waveform, _ = soundfile.read(music / id, dtype="float32")
    found = track_features(data.store, [id, id])
    np.testing.assert_array_equal(found, np.stack([TrackStatistics()(waveform)] * 2))
    assert track_features(data.store, []).shape == (0, 189)


def test_a_folder_of_other_statistics_is_refused(data: TrainingData, tmp_path: Path) -> None:
    ids, cache = data.split["test"], tmp_path / "statistics"
    track_features(data.store, ids, cache=cache)
    with pytest.raises(UsageError, match="holds features of n_coefficients=20"):
        track_features(data.store, ids, cache=cache, statistics=TrackStatistics(n_coefficients=12))
    with pytest.raises(UsageError, match="audio at 16000 Hz, expected 22050 Hz"):
        track_features(data.store, ids, statistics=TrackStatistics(sample_rate=22050))


def test_statistics_need_waveforms(music: Path, tmp_path: Path) -> None:
    item = Item("a", str(music / "test" / "low" / "0.wav"))
    extract([item], tmp_path / "mel", frontend="log_mel", jobs=1)
    with pytest.raises(UsageError, match="holds log_mel, expected waveforms"):
        track_features(FeatureStore.open(tmp_path / "mel"), ["a"])


def test_data_of_a_training_run_will_do(music: Path, tmp_path: Path) -> None:
    options = DataOptions("folder", str(music), by="id", validation=0.25, cache=str(tmp_path / "decoded"))
    ours = data_of(music, tmp_path / "cache")
    theirs = prepare(options, sample_rate=16000, jobs=1)
    assert theirs.split.parts == ours.split.parts
    expected = run_floor("mfcc_svm", ours)["test"].scores
    np.testing.assert_array_equal(run_floor("mfcc_svm", theirs)["test"].scores, expected)


def test_decoded_audio_is_shared_with_training(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    ours = floor_data(open_dataset("folder", music), by="id", jobs=1)
    assert ours.store.path == prepare(DataOptions("folder", str(music), by="id"), sample_rate=16000, jobs=1).store.path


def test_what_cannot_be_read_is_left_out(music: Path, tmp_path: Path) -> None:
    (music / "test" / "mid" / "1.wav").write_bytes(b"no audio")
    data = data_of(music, tmp_path / "cache")
    assert list(data.unreadable) == ["test/mid/1.wav"]
    assert data.split.sizes["test"] == 8
    assert "test/mid/1.wav" in data.split.left_out
    assert len(run_floor("mfcc_knn", data)["test"]) == 8


def test_a_tag_without_training_tracks_stops_nothing(music: Path, tmp_path: Path) -> None:
    dataset = open_dataset("folder", music)
    whole = dataset.split()
    train = tuple(id for id in whole["train"] if "/mid/" not in id)
    split = Split("own", "no mid", {"train": train, "test": whole["test"]},
                  {id: "for the test" for id in whole["train"] if id not in train})  # fmt: skip
    data = floor_data(dataset, split, cache=tmp_path / "cache", by="id", jobs=1)
    for name in ("mfcc_logistic", "mfcc_svm"):
        scores = run_floor(name, data)["test"].scores
        np.testing.assert_array_equal(scores[:, 1], 0.0)


def test_parts_that_are_not_there(data: TrainingData, music: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no floor 'mfcc_swm'"):
        run_floor("mfcc_swm", data)
    with pytest.raises(UnknownNameError, match="no part of split 'published' 'tests'"):
        run_floor("prior", data, parts=("tests",))
    with pytest.raises(UnknownNameError, match="split of folder"):
        floor_data(open_dataset("folder", music), "fold-1", cache=tmp_path / "cache")
    empty = Split("own", "", {**data.split.parts, "test": ()}, dict.fromkeys(data.split["test"], ""))
    with pytest.raises(UsageError, match="the test part of split 'own' has no track"):
        run_floor("prior", TrainingData(data.dataset, empty, data.store, {}))


def test_without_audio(music: Path, tmp_path: Path) -> None:
    dataset = open_dataset("folder", music)
    for track in dataset:
        assert track.audio is not None
        track.audio.unlink()
    with pytest.raises(InputError, match="no track of the train part could be read"):
        floor_data(dataset, cache=tmp_path / "cache", by="id", jobs=1)


def test_an_svm_of_many_tracks_learns_from_some_and_of_every_tag() -> None:
    rng = np.random.default_rng(0)
    y = np.stack([rng.random(400) < 0.5, np.arange(400) == 123], axis=1)
    x = (y[:, :1] * 2.0 + y[:, 1:] * 9.0 + 0.5 * rng.standard_normal((400, 3))).astype(np.float32)
    floor = Svm(n_search=20, n_tracks=50)
    floor.fit(x, y, x, y, "multi_label")
    scores = floor.scores(x)
    assert scores[:, 1].argmax() == 123
    assert ((scores[:, 0] > 0.5) == y[:, 0]).mean() > 0.9


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mfcc_logistic", {"c_grid": ()}, "c_grid"),
        ("mfcc_logistic", {"c_grid": (1.0, 0.1)}, "ascending"),
        ("mfcc_svm", {"gamma_grid": (-1.0,)}, "gamma_grid"),
        ("mfcc_svm", {"n_search": 1}, "n_search=1"),
        ("mfcc_knn", {"k_grid": (0,)}, "positive whole numbers"),
    ],
)
def test_grids_that_make_no_sense(name: str, options: dict[str, Any], message: str, data: TrainingData) -> None:
    with pytest.raises(UsageError, match=message):
        run_floor(name, data, options=options)
