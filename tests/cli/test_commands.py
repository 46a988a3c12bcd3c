"""The other commands: taggram, embed, models, convert, demo."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import earmark
from earmark.cli.taggram import write_picture
from earmark.models.card import PUBLISHED

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("published_weights")]

Cli = Callable[..., Any]


def test_taggram_as_a_picture_and_as_numbers(cli: Cli, music: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert cli("taggram", music / "a.wav", "-o", tmp_path / "a.png").status == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert cli("taggram", music / "a.wav", "-o", tmp_path / "a.npz").status == 0
    with np.load(tmp_path / "a.npz") as stored:
        assert np.array_equal(stored["taggram"], earmark.tag(music / "a.wav").taggram)


def test_taggram_makes_the_folder(cli: Cli, music: Path, tmp_path: Path) -> None:
    assert cli("taggram", music / "a.wav", "-o", tmp_path / "new" / "deep" / "a.csv").status == 0
    assert (tmp_path / "new" / "deep" / "a.csv").is_file()
    (tmp_path / "file").touch()
    answer = cli("taggram", music / "a.wav", "-o", tmp_path / "file" / "a.csv")
    assert answer.status == 1
    assert "cannot be created" in answer.err


def test_the_waveform_is_as_long_as_the_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    drawn: list[np.ndarray] = []
    monkeypatch.setattr(
        "earmark.plots.taggram.write_taggram", lambda *_, waveform_envelope, **__: drawn.append(waveform_envelope)
    )
    samples = np.sin(np.arange(16000 * 12)) * np.repeat([0.05, 0.8], 16000 * 6)
    soundfile.write(tmp_path / "louder.wav", samples, 16000)
    result = earmark.tag(tmp_path / "louder.wav")
    for seconds in (6.0, 12.0):
        write_picture(tmp_path / "a.png", str(tmp_path / "louder.wav"), replace(result, duration=seconds))
    early, whole = (np.abs(envelope).max() for envelope in drawn)
    assert early < 0.06
    assert whole > 0.7


def test_taggram_is_refused_before_the_work(cli: Cli, music: Path, tmp_path: Path) -> None:
    answer = cli("taggram", music / "a.wav", "-o", tmp_path / "a.gif")
    assert answer.status == 2
    assert "cannot write .gif" in answer.err
    answer = cli("taggram", music / "broken.mp3", "-o", tmp_path / "b.csv")
    assert answer.status == 1
    assert answer.err.startswith("error: ")
    assert not (tmp_path / "b.csv").exists()


def test_embeddings_of_what_can_be_heard(cli: Cli, music: Path, tmp_path: Path) -> None:
    answer = cli("embed", music, "-o", tmp_path / "e.npz", "--model", "musicnn.pons_mtt")
    assert answer.status == 1
    assert "1 of 4 files failed" in answer.err
    with np.load(tmp_path / "e.npz") as stored:
        assert [Path(path).name for path in stored["paths"]] == ["a.wav", "b.wav", "c.flac"]
        assert np.array_equal(stored["embeddings"][0], earmark.embed(music / "a.wav", model="musicnn.pons_mtt"))
        assert stored["layer"].tolist() == ["penultimate"]


def test_no_embedding_no_file(cli: Cli, music: Path, tmp_path: Path) -> None:
    assert cli("embed", music / "broken.mp3", "-o", tmp_path / "e.npz").status == 1
    assert not (tmp_path / "e.npz").exists()


def test_the_list_of_models(cli: Cli) -> None:
    lines = [line.split("\t") for line in cli("models").out.splitlines()]
    assert [line[0] for line in lines[:12]] == list(PUBLISHED)
    assert lines[0][:7] == ["musicnn.pons_mtt", "MagnaTagATune", "50", "ISC", "0.9067", "0.3831", "787159"]
    cards = [json.loads(line) for line in cli("models", "list", "--json", "--min-seconds", 3).out.splitlines()]
    assert cards
    assert all(card["chunk_seconds"] <= 3 for card in cards)
    nothing = cli("models", "--min-seconds", 0.4)
    assert (nothing.status, nothing.out) == (0, "")
    assert "no model hears 0.4 s at once" in nothing.err


def test_the_list_fits_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.cli import models

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for width in (40, 60, 80, 100, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = cli("models").out.splitlines()
        assert len(lines) >= 13
        assert max(map(len, lines)) <= width
        assert all(name in lines[0] for name, least in models.COLUMNS.items() if width >= least)
        assert lines[5].startswith("musicnn.won_mtt ")


def test_show_and_pull(cli: Cli) -> None:
    assert "licence:         MIT" in cli("models", "show", "fcn.won_mtt").out
    assert json.loads(cli("models", "show", "fcn.won_mtt", "--json").out)["licence"] == "MIT"
    answer = cli("models", "pull", "fcn.won_mtt", "fcn.won_mtt")
    assert answer.status == 0
    name, path = answer.out.rstrip("\n").split("\t")
    assert (name, Path(path).is_file()) == ("fcn.won_mtt", True)
    assert cli("models", "pull").status == 2
    assert cli("models", "pull", "fcn.won_mtt", "fcn.wno").status == 2


def test_a_model_that_cannot_be_fetched(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path))
    monkeypatch.setenv("EARMARK_MIRROR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    answer = cli("models", "pull", "fcn.won_mtt", "vgg.pons_mtt")
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.count("error: ") == 2
    assert "2 of 2 models could not be fetched" in answer.err


def test_an_imported_checkpoint_is_a_model(cli: Cli, shared: Path, music: Path, tmp_path: Path) -> None:
    file = shared / "weights" / "won_mtat_fcn.pth"
    named = ("--architecture", "fcn", "--name", "test.import", "--force")
    told = cli("models", "import", file, *named)
    assert told.status == 0
    assert "took the tags of 'mtt'" in told.err
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"tag {i}" for i in range(50)), encoding="utf-8")
    assert cli("models", "import", file, *named, "--tags", labels).out == "test.import\n"
    plain = json.loads(cli("tag", music / "a.wav", "--model", "test.import", "--json").out)
    assert [tag["tag"] for tag in plain["tags"]][:2] == ["tag 0", "tag 1"]
    assert all(tag["lift"] is None for tag in plain["tags"])
    assert "test.import" in cli("models").out
    assert cli("models", "import", file, "--architecture", "fcm", "--vocabulary", "mtt").status == 2


def test_export(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    assert cli("models", "export", "musicnn.pons_mtt", "-o", tmp_path / "m.onnx").status == 0
    assert (tmp_path / "m.onnx").stat().st_size > 3_000_000


def test_convert(cli: Cli, music: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.flac"
    stereo = np.stack([np.sin(np.arange(48000) / 20), np.zeros(48000)], axis=1) * 0.5
    soundfile.write(tmp_path / "s.wav", stereo, 48000)
    assert cli("convert", tmp_path / "s.wav", target).status == 0
    assert soundfile.info(target).channels == 2
    again = cli("convert", tmp_path / "s.wav", target)
    assert again.status == 2
    assert "hint: --force replaces it" in again.err
    options = ("--sample-rate", 16000, "--mono", "--offset", 0.25, "--duration", 0.5, "--force")
    assert cli("convert", tmp_path / "s.wav", target, *options).status == 0
    info = soundfile.info(target)
    assert (info.samplerate, info.channels, info.frames) == (16000, 1, 8000)
    assert cli("convert", music / "broken.mp3", tmp_path / "b.wav").status == 1
    assert cli("convert", music / "a.wav", music / "a.wav", "--force").status == 2


def test_a_warning_is_a_line_of_words(cli: Cli, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hot.wav", np.full(16000, 1.5, np.float32), 16000, subtype="FLOAT")
    answer = cli("convert", tmp_path / "hot.wav", tmp_path / "clipped.flac")
    assert answer.status == 0
    assert answer.err.startswith(f"warning: {tmp_path / 'clipped.flac'}: 16000 samples outside of [-1, 1]")
    assert answer.err.count("\n") == 1


def test_demo(cli: Cli, tmp_path: Path) -> None:
    answer = cli("demo", "--output", tmp_path / "demo.wav")
    assert answer.status == 0
    tags = [line.split("\t")[2] for line in answer.out.splitlines()]
    assert "piano" in tags
    assert "drums join at 0:" in answer.err
    assert soundfile.info(tmp_path / "demo.wav").duration > 20
    again = cli("demo", "--output", tmp_path / "demo.wav")
    assert again.status == 2
    assert "there is such a file already" in again.err
