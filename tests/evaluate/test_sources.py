"""What can be evaluated: runs, also those that were killed, reports, files, models on datasets."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.config import to_toml
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.evaluate import evaluate, sources
from earmark.evaluate.sources import Data, first_half, gather

TABLE = """path,id,tags,split,artist,start,end
a.wav,a,guitar;rock,test,x,,
b.wav,b,rock,test,x,1,4
c.wav,c,guitar,test,y,,
none.wav,d,rock,test,z,,
c.wav,e,guitar;rock,validation,w,,
a.wav,f,guitar,validation,w,,
b.wav,g,rock,train,x,,
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A dataset of the user's own: three files, one that is missing, parts that share an artist."""
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "tracks.csv").write_text(TABLE, encoding="utf-8")
    for i, name in enumerate("abc"):
        time = np.arange(5 * 16000) / 16000
        soundfile.write(folder / f"{name}.wav", 0.3 * np.sin(2 * np.pi * 220 * (i + 1) * time), 16000)
    return folder


@pytest.fixture
def run(make, tmp_path: Path) -> Path:
    """What training leaves, without weights and without the dataset."""
    folder = tmp_path / "run"
    (folder / "predictions").mkdir(parents=True)
    (folder / "run.toml").write_text(to_toml({"data": {"dataset": "table", "root": str(tmp_path / "gone")}}))
    (folder / "results.json").write_text('{"tracks": {"train": 500, "validation": 120, "test": 120}}')
    make(seed=1, part="validation").save(folder / "predictions" / "validation.npz")
    make().save(folder / "predictions" / "test.npz")
    return folder


def test_a_run_brings_its_validation_part(run) -> None:
    found = gather(run)
    assert (found.predictions.part, found.validation.part) == ("test", "validation")
    assert found.sizes == {"train": 500, "validation": 120, "test": 120}
    assert "could not be opened" in found.notes[0]
    report = evaluate(run, resamples=5)
    assert "train 500, validation 120, test 120" in report.to_markdown()
    assert gather(run, part="validation").validation is None


def test_a_file_of_a_run_finds_the_validation_part_beside_it(run, make) -> None:
    file = run / "predictions" / "test.npz"
    assert gather(file).validation is not None
    make(model="another", part="validation").save(run / "predictions" / "validation.npz")
    assert gather(file).validation is None


def test_a_killed_run_says_what_to_do(run) -> None:
    (run / "predictions" / "test.npz").unlink()
    with pytest.raises(InputError, match="has no predictions of the test part") as caught:
        gather(run)
    assert caught.value.hint == "--part validation"
    (run / "predictions" / "validation.npz").unlink()
    (run / "best.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="did not come to its end") as caught:
        gather(run)
    assert f"earmark train --resume {run} ends it" in str(caught.value.hint)
    assert "--dataset NAME" in str(caught.value.hint)


def test_a_damaged_file_is_named(run) -> None:
    file = run / "predictions" / "test.npz"
    file.write_text("this is a letter", encoding="utf-8")
    with pytest.raises(InputError, match=r"test\.npz: holds no predictions"):
        gather(run)


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("nothing/there", InputError, "nothing/there: is not there"),
        ("scores.csv", UsageError, "scores alone say nothing"),
        ("musicnn.pons_mtt", UsageError, "a model needs tracks"),
        ("missing.npz", InputError, "cannot be read"),
    ],
)
def test_what_is_nothing(tmp_path, monkeypatch, what, error, message) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        gather(what)
    with pytest.raises(InputError, match="neither a run nor a report"):
        gather(tmp_path)


def test_a_dataset_without_that_split_or_part(table) -> None:
    with pytest.raises(UnknownNameError, match="split of table 'fold-1'"):
        gather("musicnn.pons_mtt", data=Data(dataset="table", root=table, split="fold-1"))
    with pytest.raises(UnknownNameError, match=r"part .* 'dev'"):
        gather("musicnn.pons_mtt", data=Data(dataset="table", root=table), part="dev")
    with pytest.raises(InputError, match="has no best"):
        gather(table, data=Data(dataset="table", root=table))


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_a_model_hears_every_track_that_can_be_heard(table) -> None:
    data = {"dataset": "table", "root": table}
    with pytest.raises(InputError, match=r"the tags of model 'musicnn.pons_mtt' and table differ"):
        evaluate("musicnn.pons_mtt", **data)
    report = evaluate("musicnn.pons_mtt", **data, common_tags=True, resamples=5, mistakes=1)
    assert report.predictions.ids == ("a", "b", "c")
    assert set(report.predictions.tags) == {"guitar", "rock"}
    assert list(report.failures["test"]) == ["d"]
    assert "could not be scored" in report.to_markdown()
    assert report.leaks[0].by == "artist"
    assert report.learned_from == "elsewhere"
    assert "Leakage" not in report.to_markdown()
    assert report.thresholds is not None
    assert any("only the 2 tags" in note for note in report.notes)
    assert all(picture.light[:4] == b"\x89PNG" for picture in report.taggrams.values())
    assert report.taggrams
    whole = dict(zip(report.predictions.ids, report.predictions.scores, strict=True))
    from earmark.tagger import Tagger

    with Tagger(model="musicnn.pons_mtt") as tagger:
        heard = tagger.tag(table / "b.wav", offset=1.0, duration=3.0)
    column = report.predictions.tags.index("rock")
    assert whole["b"][column] == pytest.approx(heard["rock"].score, abs=1e-6)


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_floors_come_first_and_end_nothing(table, monkeypatch) -> None:
    steps: list[str] = []
    real = sources.score_part

    def score_part(*given: object, **options: object) -> object:
        steps.append("scoring")
        return real(*given, **options)

    monkeypatch.setattr(sources, "score_part", score_part)
    kept = [row for row in TABLE.splitlines(keepends=True) if ",validation," not in row]
    (table / "tracks.csv").write_text("".join(kept), encoding="utf-8")

    def on_progress(fraction: float | None, note: str) -> None:
        steps.extend(["floor"] if note == "floor mfcc_logistic: training" else [])

    data = {"dataset": "table", "root": table, "common_tags": True, "resamples": 5, "mistakes": 0}
    report = evaluate("musicnn.pons_mtt", **data, floors=["mfcc_logistic"], on_progress=on_progress)
    assert steps == ["floor", "scoring"]
    assert [floor.name for floor in report.floors] == ["constant prior"]
    (note,) = (note for note in report.notes if note.startswith("the floor 'mfcc_logistic' is left out"))
    assert "1 training tracks are too few" in note
    with pytest.raises(UnknownNameError, match="there is no floor 'mfcc_logistik'"):
        evaluate("musicnn.pons_mtt", **data, floors=["mfcc_logistik"])
    assert steps == ["floor", "scoring"]


def test_halves() -> None:
    assert first_half(3, None).tolist() == [True, False, True]
    assert first_half(5, ["x", "x", None, "y", None]).tolist() == [True, True, False, True, False]


def test_the_table_is_what_it_seems() -> None:
    assert [row["id"] for row in csv.DictReader(TABLE.splitlines())] == list("abcdefg")
