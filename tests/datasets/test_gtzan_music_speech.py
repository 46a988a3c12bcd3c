"""GTZAN music/speech: both layouts, folds, and missing folders."""

from pathlib import Path

import pytest

from earmark.datasets import open_dataset
from earmark.errors import InputError


def make(base: Path, n: int = 64) -> None:
    for label in ("music", "speech"):
        (base / f"{label}_wav").mkdir(parents=True)
        for i in range(n):
            (base / f"{label}_wav" / f"piece{i}.wav").touch()


@pytest.mark.parametrize("folder", [".", "music_speech"])
def test_layouts_and_folds(tmp_path: Path, folder: str) -> None:
    make(tmp_path / folder)
    dataset = open_dataset("gtzan_music_speech", tmp_path)
    assert len(dataset) == 128
    assert dataset["speech/piece3"].tags == ("speech",)
    tested = [id for number in range(1, 11) for id in dataset.split(f"fold-{number}")["test"]]
    assert sorted(tested) == sorted(track.id for track in dataset)
    for number in range(1, 11):
        test = dataset.split(f"fold-{number}")["test"]
        n_music = sum(id.startswith("music/") for id in test)
        assert n_music in (6, 7)
        assert len(test) - n_music in (6, 7)


def test_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "music_wav").mkdir()
    (tmp_path / "music_wav" / "bach.wav").touch()
    with pytest.raises(InputError, match="no audio in speech_wav"):
        open_dataset("gtzan_music_speech", tmp_path)
