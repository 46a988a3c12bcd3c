"""`earmark explain` from what is typed to what is written, and what it says when it cannot."""

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from earmark.audio.loudness import TARGET, loudness
from earmark.cli.explain import choose_model, spread
from earmark.errors import UnknownNameError, UsageError

from .conftest import tone

Cli = Callable[..., Any]
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(write_run: Write) -> Path:
    """A small network on the waveform, with an axis of time."""
    options = {"chunk_samples": 16000, "length": 64, "stride": 64}
    return write_run("mine", "dieleman_raw", tags=("jazz", "Hip-Hop", "woman"), options=options)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a song.wav", tone(2.5, 440.0), 16000)
    return tmp_path / "a song.wav"


def test_a_song_stands_right_behind_the_command() -> None:
    assert spread(["explain", "a.mp3", "-t", "jazz"]) == ["explain", "song", "a.mp3", "-t", "jazz"]
    assert spread(["explain", "-o", "b.html", "a.mp3"]) == ["explain", "song", "-o", "b.html", "a.mp3"]
    for same in (
        ["explain"],
        ["explain", "--help"],
        ["explain", "filters", "x"],
        ["explain", "song", "x"],
        ["tag", "a"],
    ):
        assert spread(same) == same


def test_the_help_shows_how_a_song_is_given(cli: Cli) -> None:
    for words in (("explain",), ("explain", "--help")):
        answer = cli(*words)
        assert answer.status == 0
        assert "earmark explain SONG" in answer.out
        assert "filters" in answer.out
    assert "--tag" in cli("explain", "song", "--help").out


def test_a_page_and_its_numbers_are_written(cli: Cli, song: Path, run: Path, music: Path) -> None:
    pytest.importorskip("captum")
    pytest.importorskip("PIL")
    answer = cli(
        "explain", song, "-m", run, "-t", "hip hop", "--method", "occlusion", "--at", "0:01", "--channels", "1",
        "--library", music, "--layer", "layer1", "--sounds", "heard",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert answer.out == ""
    page = Path("a song.explained.html").read_text()
    assert "Why Hip-Hop" in page
    assert "Layer layer1" in page
    assert "a song.wav, heard by mine" in answer.err
    assert "of 9 random orders" in answer.err
    assert "written to a song.explained.html" in answer.err
    assert "broken.mp3" in answer.err  # in the library, and left out
    sounds = sorted(Path("heard").iterdir())
    assert re.fullmatch(r"Hip-Hop layer1 \d+ excerpts\.wav", sounds[0].name)
    assert {one.name for one in sounds} >= {"Hip-Hop marked.wav", "Hip-Hop moment.wav", "Hip-Hop without.wav"}
    assert f"{len(sounds)} sounds written to heard" in answer.err
    assert loudness(*soundfile.read(Path("heard") / "Hip-Hop moment.wav")) == pytest.approx(TARGET, abs=0.1)
    quiet = cli(
        "explain",
        song,
        "-m",
        run,
        "-o",
        "out/a.npz",
        "--method",
        "grad_cam",
        "--channels",
        "0",
        "--quiet",
        "-t",
        "jazz",
    )
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    with np.load("out/a.npz") as stored:
        assert stored["explained"].tolist() == ["jazz"]
        assert stored["jazz/saliency"].ndim == 2


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--tag", "jaz"), "there is no tag 'jaz'", "'jazz'"),
        (("--layer", "layr1"), "there is no layer 'layr1'", "'layer1'"),
        (("--layer", "logits"), "layer 'logits' has no axis of time", "layer1"),
        (("--at", "0:72"), "--at 0:72: this is no time", "1:02"),
        (("--at", "3"), "the moment 3 s lies outside of the song", "2.5 s"),
        (("--seconds", "0"), "seconds=0", "some seconds"),
        (("-o", "a.mp3"), "a.mp3: cannot write .mp3", "-o page.html"),
        (("-o", "page"), "page: cannot write a file without suffix", "-o page.html"),
        (("--model", "mine.onnx"), "neither layers nor gradients", "exported from"),
    ],
)
def test_wrong_options_are_told(
    cli: Cli, song: Path, run: Path, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    Path("mine.onnx").write_bytes(b"")
    given = arguments if "--model" in arguments else (*arguments, "--model", str(run))
    answer = cli("explain", song, *given)
    assert answer.status == 2
    assert message in answer.err
    assert hint in answer.err.partition("hint:")[2]
    assert not list(Path().glob("*.html"))


def test_songs_that_cannot_be_explained_are_told(cli: Cli, run: Path, tmp_path: Path) -> None:
    soundfile.write("silent.wav", np.zeros(32000), 16000)
    soundfile.write("short.wav", tone(0.3, 440.0), 16000)
    Path("text.mp3").write_text("a letter")
    for name, words in {"silent.wav": "silent", "short.wav": "too short to explain", "text.mp3": "not audio",
                        "none.wav": "no such file"}.items():  # fmt: skip
        answer = cli("explain", name, "-m", run)
        assert answer.status == 1
        assert words in answer.err
    answer = cli("explain", "none.wav", "-m", "musicnn.pons_msd")  # whose weights would have to be fetched
    assert answer.status == 1
    assert "no such file" in answer.err


def test_a_song_is_never_written_over(cli: Cli, run: Path) -> None:
    soundfile.write("song.wav", tone(1.0, 440.0), 16000)
    Path("song.wav").rename("song.html")  # whatever it is called
    answer = cli("explain", "song.html", "-m", run, "-o", "song.html")
    assert answer.status == 2
    assert "is what would be read" in answer.err
    assert soundfile.info("song.html").frames == 16000


@pytest.mark.parametrize("missing", ["torch", "captum", "PIL"])
def test_a_missing_extra_is_named(
    cli: Cli, song: Path, run: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    answer = cli("explain", song, "-m", run)
    assert answer.status == 1
    assert "explaining what a network hears needs the extra [explain]" in answer.err
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install 'earmark[explain]'" in answer.err


def test_the_model_is_the_first_that_knows_the_tags() -> None:
    assert choose_model((), None) == "musicnn.pons_msd"
    assert choose_model(("jazz",), None) == "musicnn.pons_msd"
    assert choose_model(("harpsichord",), None) == "musicnn.pons_mtt"
    assert choose_model(("Hip Hop",), None) == "musicnn.pons_msd"
    assert choose_model(("jazz",), "mine") == "mine"
    with pytest.raises(UnknownNameError, match="no tag 'jaz'"):
        choose_model(("jaz",), None)
    with pytest.raises(UsageError, match="no model knows all of harpsichord, hip-hop") as caught:
        choose_model(("harpsichord", "hip-hop"), None)
    assert "harpsichord: musicnn.pons_mtt" in str(caught.value.hint)
