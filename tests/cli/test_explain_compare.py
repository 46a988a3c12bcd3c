"""`earmark explain compare`: a page and tables from the command line, and errors before any work."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

from earmark.audio.io import write
from earmark.cli.explain_compare import compare
from earmark.errors import InputError, MissingExtraError, UnknownNameError, UsageError

pytest.importorskip("torch")
pytest.importorskip("PIL")
OPTIONS = {"chunk_samples": 16000}


@pytest.fixture
def command() -> Callable[..., None]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("compare")(compare)
    run = typer.main.get_command(app)
    return lambda *arguments: run.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def runs(write_run: Callable[..., Path]) -> tuple[Path, Path]:
    return (
        write_run("one", "ds256c", tags=("rock", "jazz"), options=OPTIONS),
        write_run("other", "ds256c", tags=("jazz", "hum"), options=OPTIONS),
    )


@pytest.fixture
def song(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    level = np.repeat(rng.uniform(0.02, 0.3, 60), 1600)
    write(tmp_path / "song.wav", (level * rng.standard_normal(level.size)).astype(np.float32), 16000, subtype="FLOAT")
    return tmp_path / "song.wav"


def test_a_page_and_a_table(
    command: Callable[..., None],
    runs: tuple[Path, Path],
    song: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "c.html"
    command(*runs, song, "-o", page, "--channels", 1, "--layer-a", "layer1", "--layer-b", "layer1", "--seconds", 4)
    text = page.read_text(encoding="utf-8")
    assert "<code>one</code>" in text
    assert "song.wav, 0:01 to 0:05" in text
    assert "Tags that only B knows, its strongest: hum" in text
    out, err = capsys.readouterr()
    assert out == ""
    assert "A one, B other, on 1 song" in err
    assert f"written to {page}" in err
    command(runs[0], runs[0], song, "-o", tmp_path / "c.csv", "--channels", 0, "--quiet")
    head, first, *_ = (tmp_path / "c.csv").read_text().splitlines()
    assert head == "layer,layer1,layer2,layer3,pooled,logits"
    assert float(first.split(",")[1]) == pytest.approx(1.0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("-o", "c.txt"), UsageError, "cannot be written as .txt"),
        (("-o", "."), UsageError, "is a folder"),
        (("--layer-a", "layr1"), UnknownNameError, "layer 'layr1'"),
        (("--layer-b", "pooled"), UsageError, "no axis of time"),
        (("--threshold", "2"), UsageError, "threshold"),
        (("gone.wav",), InputError, "gone.wav"),
    ],
)
def test_errors_come_before_any_work(
    command: Callable[..., None],
    runs: tuple[Path, Path],
    song: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    error: type[Exception],
    match: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=match) as caught:
        command(*runs, song, "--quiet", *arguments)
    assert getattr(caught.value, "hint", None) or error is InputError
    assert not list(tmp_path.glob("*.html"))


def test_models_and_songs_that_cannot_be_compared(
    command: Callable[..., None], runs: tuple[Path, Path], song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "c.html"
    with pytest.raises(UnknownNameError, match="musicn"):
        command("musicn.pons_mtt", runs[0], song, "-o", target)
    (tmp_path / "model.onnx").write_bytes(b"graph")
    with pytest.raises(UsageError, match="ONNX"):
        command(runs[0], tmp_path / "model.onnx", song, "-o", target)
    write(tmp_path / "silent.wav", np.zeros(64000, np.float32), 16000)
    with pytest.raises(InputError, match="silent"):
        command(*runs, tmp_path / "silent.wav", "-o", target)
    (tmp_path / "music.html").write_bytes(b"music")
    with pytest.raises(UsageError, match="what would be read"):
        command(*runs, song, tmp_path / "music.html", "-o", tmp_path / "music.html")
    monkeypatch.setitem(sys.modules, "earmark.explain.comparison", None)
    with pytest.raises(MissingExtraError, match="comparing networks"):
        command(*runs, song, "-o", target)
