"""Floors beside a model: checked at once, trained first, and never the end of an evaluation."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.datasets import open_dataset
from earmark.errors import UnknownNameError, UsageError
from earmark.evaluate.floors import Floors
from earmark.evaluate.sources import Material
from earmark.predictions import of_part


def quiet(fraction: float | None, note: str) -> None:
    pass


def table(folder: Path, train: list[tuple[str, str]]) -> Path:
    """Write a dataset: training tracks as (artist, recording), and two tracks to test by."""
    folder.mkdir()
    lines = ["path,id,tags,split,artist,start,end\n"]
    rows = [(artist, recording, "train") for artist, recording in train] + [("x", "x", "test"), ("y", "y", "test")]
    for i, (artist, recording, part) in enumerate(rows):
        time = np.arange(8000 * len(rows)) / 16000
        soundfile.write(folder / f"{recording}.wav", 0.3 * np.sin(2 * np.pi * (220 + 40 * i) * time), 16000)
        lines.append(f"{recording}.wav,{i},{('rock', 'guitar')[i % 2]},{part},{artist},{i / 2},{i / 2 + 0.5}\n")
    (folder / "tracks.csv").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")], "; validation held back by artist"),
        ([("a", "1"), ("a", "2"), ("a", "3"), ("a", "4")], "; validation held back by recording"),
        ([("a", "1"), ("a", "1"), ("a", "1"), ("a", "1")], "; validation held back track by track"),
    ],
)
def test_a_validation_part_is_held_back_however_it_can_be(tmp_path, monkeypatch, train, words) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    dataset = open_dataset("table", table(tmp_path / "music", train))
    split = dataset.split("published")
    floors = Floors(["prior", "mfcc_logistic"], "test", quiet)
    floors.train(dataset, split)
    scores = np.full((2, 2), 0.5, np.float32)
    (found,) = floors.scores(Material(predictions=of_part(dataset, split, "test", scores, model="net", protocol="")))
    assert floors.notes == []
    assert (found.name, found.scores.shape) == ("mfcc_logistic", (2, 2))
    assert found.detail.endswith(words)


def test_what_goes_wrong_is_a_note_that_names_the_floor(tmp_path) -> None:
    dataset = open_dataset("table", table(tmp_path / "music", [("a", "1")]))
    floors = Floors(["mfcc_logistic"], "test", quiet)
    floors.train(dataset, dataset.split("published"))
    (note,) = floors.notes
    assert note.startswith("the floor 'mfcc_logistic' is left out: split 'published' has no validation part")
    floors.train(dataset, dataset.split("published"))
    assert floors.notes == [note]


def test_wrong_names_and_a_missing_dataset_are_errors_at_once() -> None:
    with pytest.raises(UnknownNameError, match="there is no floor 'mfcc_logistik'"):
        Floors(["mfcc_logistik"], "test", quiet)
    with pytest.raises(UsageError, match="has to be trained"):
        Floors(["mfcc_logistic"], "test", quiet).train(None, None)
    Floors(["prior", "none"], "test", quiet).train(None, None)
