"""`earmark train` on a small folder of tones."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from earmark.audio import io
from earmark.cli.app import run
from earmark.datasets import open_dataset

RECIPE = """
[run]
epochs = 2
batch_size = 4
n_chunks = 1
accelerator = "cpu"
overfit_check = false
monitor = "loss"
[data]
dataset = "folder"
root = "tones"
by = "id"
cache = "decoded"
repeat = true
[model]
name = "short_chunk_res"
n_channels = 4
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    times = np.arange(8000) / 8000
    for name, frequency in (("low", 200.0), ("high", 2000.0)):
        (tmp_path / "tones" / name).mkdir(parents=True)
        for i in range(10):
            io.write(tmp_path / "tones" / name / f"{i}.wav", 0.3 * np.sin(6.28 * (frequency + 20 * i) * times), 8000)
    (tmp_path / "tones.toml").write_text(RECIPE)
    return tmp_path


def test_a_recipe_becomes_a_model(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "tones.toml", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == ["epoch 1", "epoch 2"]
    assert lines[2].startswith("validation (")
    assert lines[3].startswith("test (")
    assert (place / "runs" / "tones" / "best.safetensors").is_file()
    assert run(["train", "tones.toml", "--quiet"]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_json_and_going_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "tones.toml", "-o", "r", "--set", "run.epochs=1", "--json", "--quiet"]) == 0
    first = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("number") for line in first] == [1, None]
    assert run(["train", "--set", "run.epochs=3", "--resume", "r", "--json", "--quiet"]) == 0
    more = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("number") for line in more] == [2, 3, None]
    assert more[-1]["epochs"] == 3


def test_what_could_not_be_read_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = open_dataset("folder", "tones").split()["train"][0]
    (place / "tones" / name).write_text("this is no audio")
    assert run(["train", "tones.toml", "--quiet", "--set", "run.epochs=1"]) == 0
    err = capsys.readouterr().err
    assert f"left out, because it cannot be read, 1 track: {name}" in err
    assert "the run;" not in err


def test_an_interrupted_run_says_how_it_goes_on(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("earmark.train.loop.train", interrupted)
    assert run(["train", "tones.toml", "-o", "r"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    (place / "r").mkdir()
    (place / "r" / "run.toml").write_text(RECIPE)
    assert run(["train", "tones.toml", "-o", "r"]) == 130
    assert capsys.readouterr().err == "to go on: earmark train --resume r\ninterrupted\n"


def test_wrong_recipes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status, said in (
        (["gone.toml"], 1, "cannot be read"),
        (["tones.toml", "--set", "model.width=3"], 2, "takes no option 'width'"),
        (["tones.toml", "--set", "epochs"], 2, "sets nothing"),
        (["tones.toml", "--resume", "none"], 1, "no checkpoint"),
        (["--resume", "none"], 1, "none/run.toml: cannot be read"),
        ([], 2, "which recipe?"),
        (["tones.toml", "--resume", "r", "-o", "s"], 2, "name a folder each"),
        (["tones.toml", "--devices", "none"], 2, "--devices"),
        (["tones.toml", "--freeze", "encoder"], 2, "its weights are random"),
    ):
        assert run(["train", *arguments]) == status
        assert said in capsys.readouterr().err
