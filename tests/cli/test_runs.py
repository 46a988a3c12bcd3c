"""Runs on the command line: tag, taggram, embed, show, import, export."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from earmark.metrics import Calibration

Cli = Callable[..., Any]
Write = Callable[..., Path]
CALIBRATION = Calibration("platt", ("a", "b", "c"), np.array([1.0, 2.0, 0.5]), np.array([0.5, -1.0, 1.0])).to_dict()


@pytest.fixture
def run(write_run: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    facts = {"thresholds": (0.0, 1.0, math.inf), "calibration": CALIBRATION, "scores": {"validation_pr_auc": 0.5}}
    return write_run("mine", "mlp_spectrum", options={"n_units": 16}, licence="not stated", **facts)


def test_a_run_tags(cli: Cli, music: Path, run: Path) -> None:
    answer = cli("tag", music / "a.wav", "--model", run, "--json")
    assert (answer.status, answer.err) == (0, "")
    plain = json.loads(answer.out)
    assert (plain["model"], plain["models"]) == ("mine", ["mine"])
    assert [tag["threshold"] for tag in plain["tags"]] == [0.0, 1.0, None]
    chosen = json.loads(cli("tag", music / "a.wav", "--model", run, "--json", "--above-threshold").out)
    assert [tag["tag"] for tag in chosen["tags"]] == ["a"]
    lines = cli("tag", music / "a.wav", "-m", run, "--above-threshold").out.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["a"]
    calibrated = json.loads(cli("tag", music / "a.wav", "--model", run, "--json", "--calibrated").out)
    odds = [tag["score"] / (1 - tag["score"]) for tag in plain["tags"]]
    assert calibrated["tags"][1]["score"] == pytest.approx(odds[1] ** 2 / math.e / (1 + odds[1] ** 2 / math.e))


def test_the_table_marks_what_is_above_its_threshold(
    cli: Cli, music: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    lines = cli("tag", music / "a.wav", "--model", run, "--top", 3).out.splitlines()
    marked = [line for line in lines if "✓" in line or " *" in line]
    assert len(marked) == 1
    assert "a  " in marked[0]


def test_models_without_what_is_asked_for(cli: Cli, music: Path, write_run: Write, run: Path) -> None:
    plain = write_run("plain", "mlp_spectrum", options={"n_units": 16})
    for option, words in (("--above-threshold", "holds no thresholds"), ("--calibrated", "holds no calibration")):
        answer = cli("tag", music / "a.wav", "--model", plain, option)
        assert (answer.status, answer.out) == (2, "")
        assert f"the card of plain {words}" in answer.err
    (run / "best.safetensors").unlink()
    answer = cli("tag", music / "a.wav", "--model", run)
    assert answer.status == 1
    assert "the run has not finished its first epoch" in answer.err


def test_parquet(cli: Cli, music: Path, run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert cli("tag", music / "a.wav", "--model", run, "--parquet", tmp_path / "tags.parquet").status == 0
    assert parquet.read_table(tmp_path / "tags.parquet")["tag"].to_pylist() == ["a", "b", "c"]


def test_taggram_and_embed(cli: Cli, music: Path, run: Path, tmp_path: Path) -> None:
    assert cli("taggram", music / "a.wav", "-o", tmp_path / "a.npz", "--model", run, "--calibrated").status == 0
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["tags"].tolist() == ["a", "b", "c"]
    assert cli("embed", music / "a.wav", "-o", tmp_path / "e.npz", "--model", run).status == 0
    with np.load(tmp_path / "e.npz") as stored:
        assert stored["embeddings"].shape == (1, 8)
        assert stored["models"].tolist() == ["mine"]


def test_a_journal_belongs_to_the_weights_of_the_run(
    cli: Cli, music: Path, run: Path, write_run: Write, tmp_path: Path
) -> None:
    tag = ("tag", music / "a.wav", "--json", "--resume", tmp_path / "state", "--model")
    first = cli(*tag, run)
    assert first.status == 0
    assert cli(*tag, run / "best.safetensors").out == first.out
    other = write_run("other", "mlp_spectrum", options={"n_units": 12})
    (other / "best.safetensors").replace(run / "best.safetensors")
    assert "begun with" in cli(*tag, run).err


def test_show(cli: Cli, run: Path) -> None:
    out = cli("models", "show", run).out
    assert "scores:          validation_pr_auc 0.5000\n" in out
    assert "has:             calibration, thresholds\n" in out
    assert f"on this machine: {run / 'best.safetensors'}\n" in out
    plain = json.loads(cli("models", "show", run, "--json").out)
    assert (plain["name"], plain["local"], plain["thresholds"]) == ("mine", True, [0.0, 1.0, None])


def test_import_puts_a_run_among_the_models(cli: Cli, music: Path, run: Path) -> None:
    assert "mine" not in cli("models", "list").out
    assert cli("models", "import", run, "--name", "my.model", "--licence", "CC0").out == "my.model\n"
    assert "my.model\t" in cli("models", "list").out
    shown = json.loads(cli("models", "show", "my.model", "--json").out)
    assert (shown["name"], shown["licence"]) == ("my.model", "CC0")
    by_name, by_path = (json.loads(cli("tag", music / "a.wav", "--json", "-m", m).out) for m in ("my.model", run))
    assert by_name["tags"] == by_path["tags"]
    again = cli("models", "import", run, "--name", "my.model")
    assert again.status == 2
    assert "--force" in again.err
    assert cli("models", "import", run, "--name", "my.model", "--force").status == 0
    refused = cli("models", "import", run, "--architecture", "fcn")
    assert refused.status == 2
    assert "says itself what it is" in refused.err
    assert "say what it was made with" in cli("models", "import", music / "a.wav").err


def test_export_for_where_pytorch_is_not(cli: Cli, music: Path, run: Path, tmp_path: Path) -> None:
    exported = cli("models", "export", run, "-o", tmp_path / "mine.onnx")
    assert exported.status == 0
    assert exported.err == f"{tmp_path / 'mine.onnx'}: the model; earmark tag --model {tmp_path / 'mine.onnx'} SONG\n"
    expected = json.loads(cli("tag", music / "a.wav", "--json", "-m", run).out)
    answer = cli("tag", music / "a.wav", "--json", "-m", tmp_path / "mine.onnx", "--resume", tmp_path / "state")
    tags = json.loads(answer.out)["tags"]
    assert [tag["score"] for tag in tags] == pytest.approx([tag["score"] for tag in expected["tags"]], abs=1e-4)
    assert json.loads(cli("models", "show", tmp_path / "mine.onnx", "--json").out)["name"] == "mine"
    assert "an exported graph" in cli("models", "import", tmp_path / "mine.onnx").err
