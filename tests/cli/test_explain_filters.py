"""`earmark explain filters`: pages, pictures and tables from the command line, and errors before any work."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

from earmark.cli.explain_filters import filters
from earmark.errors import MissingExtraError, UnknownNameError, UsageError

pytest.importorskip("torch")
RAW = {"length": 64, "stride": 64, "chunk_samples": 3200}


@pytest.fixture
def command() -> Callable[..., None]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("filters")(filters)
    run = typer.main.get_command(app)
    return lambda *arguments: run.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def raw(write_run: Callable[..., Path]) -> Path:
    return write_run("raw", "dieleman_raw", options=RAW)


@pytest.fixture
def on_bands(write_run: Callable[..., Path]) -> Path:
    return write_run("bands", "ds256f", options={"chunk_samples": 16000})


def test_a_page_of_a_run(
    command: Callable[..., None], raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(raw, "-o", tmp_path / "new" / "f.html", "--bands", 6, "--layer", "layer1")
    page = (tmp_path / "new" / "f.html").read_text()
    assert "What the filters of raw hear" in page
    assert "<td>layer1</td>" in page
    assert "<td>layer2</td>" not in page.split("How much of the sound")[0]
    out, err = capsys.readouterr()
    assert out == ""
    assert "raw: 128 first filters, 1 layer measured. The centres" in err
    assert f"written to {tmp_path / 'new' / 'f.html'}" in err


def test_several_networks_in_one_picture_and_one_table(
    command: Callable[..., None], raw: Path, write_run: Callable[..., Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    other = write_run("other", "dieleman_raw", options={**RAW, "length": 128})
    command(raw, other, "-o", tmp_path / "f.png", "--quiet")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    command(raw, other, "-o", tmp_path / "f.csv", "--bands", 4, "--layer", "layer1", "-q")
    with (tmp_path / "f.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["model"] for line in lines} == {"raw", "other"}
    assert len(lines) == 4 * 128  # filters and channels of each
    command(raw, raw, "-o", tmp_path / "f.npz", "--bands", 4, "--layer", "layer1", "-q")
    with np.load(tmp_path / "f.npz") as held:
        assert held[f"{raw}/first.kernels"].shape == (128, 64)
    assert capsys.readouterr() == ("", "")


def test_networks_on_bands_are_drawn_as_responses(
    command: Callable[..., None], raw: Path, on_bands: Path, tmp_path: Path
) -> None:
    command(on_bands, raw, "-o", tmp_path / "f.svg", "--bands", 4, "-q")
    picture = (tmp_path / "f.svg").read_text()
    assert "2 networks" in picture or picture.count("<image") == 2
    with pytest.raises(UsageError, match="no centre frequency of their own") as error:
        command(raw, on_bands, "-o", tmp_path / "g.png", "--figure", "centres")
    assert str(on_bands) in error.value.message
    assert str(raw) not in error.value.message
    assert not (tmp_path / "g.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("a", "b", "-o", "f.html"), "2 models, but one page is about one model", "filters.png"),
        (("a", "-o", "f.gif"), "cannot be written as .gif", ".html .png"),
        (("a", "-o", "f"), "without a suffix", ".html .png"),
        (("a", "-o", "."), "is a folder", "filters.html"),
        (("a", "-o", "f.csv", "--figure", "stages"), "--figure goes with a picture", "leave it out"),
        (("m.onnx", "-o", "f.html"), "an exported ONNX graph has neither layers", "what it was exported from"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    command: Callable[..., None], arguments: tuple[str, ...], message: str, hint: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message) as error:
        command(*arguments)
    assert hint in str(error.value.hint)
    assert not list(tmp_path.iterdir())


def test_unknown_models_and_layers_are_suggested(command: Callable[..., None], raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no model 'musicnn\.pons_mt'") as unknown:
        command("musicnn.pons_mt", "-o", tmp_path / "f.html")
    assert "musicnn.pons_mtt" in str(unknown.value.hint)
    with pytest.raises(UnknownNameError, match="no layer 'layer11'") as layer:
        command(raw, "-o", tmp_path / "f.html", "--layer", "layer11")
    assert "'layer1'" in str(layer.value.hint)


def test_what_is_not_installed_is_named(
    command: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "earmark.explain.opening", None)
    with pytest.raises(MissingExtraError, match=r"\[explain\]"):
        command("musicnn.pons_mtt", "-o", tmp_path / "f.html")
