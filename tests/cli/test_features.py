"""`earmark features`: from files, or a dataset, to a store and pictures."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.audio.spectra import SPECTRA
from earmark.cli import extraction
from earmark.cli.settings import literal, settings
from earmark.datasets.base import Track
from earmark.errors import UsageError
from earmark.features import writing
from earmark.features.store import FeatureStore
from earmark.files import cannot_write

from .conftest import Cli, tone

SMALL = ("--set", "n_mels=8", "--jobs", 1)


def test_a_folder_becomes_a_store(cli: Cli, music: Path, tmp_path: Path) -> None:
    (music / "broken.mp3").unlink()
    answer = cli("features", "extract", music, "-o", tmp_path / "store", *SMALL)
    assert (answer.status, answer.out) == (0, "")
    assert answer.err.startswith("3 of 3 tracks in the store, in ")
    assert "× real time" in answer.err
    store = FeatureStore.open(tmp_path / "store")
    assert store.ids == ["a.wav", "b.wav", "more/c.flac"]
    assert store.info.n_features == 8
    assert store["more/c.flac"].shape == (1 + 6 * 16000 // 256, 8)
    again = cli("features", "extract", music, "-o", tmp_path / "store", *SMALL)
    assert again.err.startswith("3 of 3 tracks in the store (3 of them were there), in ")


def test_failures_are_listed_at_the_end(cli: Cli, music: Path, tmp_path: Path) -> None:
    answer = cli("features", "extract", music, music / "gone.wav", "-o", tmp_path / "store", *SMALL, "--quiet")
    assert answer.status == 1
    assert answer.err.splitlines()[0] == "2 of 5 tracks failed:"
    assert f"error: {music / 'broken.mp3'}: this is text, not audio" in answer.err
    assert f"error: {music / 'gone.wav'}: there is no such file" in answer.err


def test_of_very_many_failures_the_first_are_listed(cli: Cli, music: Path, tmp_path: Path) -> None:
    gone = [music / f"{i}.wav" for i in range(1, 31)]
    answer = cli("features", "extract", music / "a.wav", *gone, "-o", tmp_path / "store", *SMALL, "--quiet")
    assert answer.status == 1
    assert answer.err.startswith("30 of 31 tracks failed:\n")
    assert answer.err.count("error: ") == 20
    assert answer.err.endswith(f"and 10 more, see {tmp_path / 'store' / 'failures.jsonl'}\n")
    assert len((tmp_path / "store" / "failures.jsonl").read_text().splitlines()) == 30


def test_a_full_disk_says_how_to_go_on(cli: Cli, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (music / "broken.mp3").unlink()
    room, original = iter([True]), writing._File.append

    def append(file: Any, data: bytes) -> None:
        if file.path.name.startswith("data-") and not next(room, False):
            raise cannot_write(file.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        original(file, data)

    monkeypatch.setattr(writing._File, "append", append)
    answer = cli("features", "extract", music, "-o", tmp_path / "store", *SMALL, "--quiet")
    assert answer.status == 1
    assert answer.err.startswith("1 of 3 tracks done; the same command goes on from here\nerror: ")
    assert answer.err.endswith("No space left on device\nhint: free some space, then give the same command again\n")
    monkeypatch.undo()
    assert cli("features", "extract", music, "-o", tmp_path / "store", *SMALL).err.startswith("3 of 3 tracks in")


def test_a_dataset_needs_its_folder(cli: Cli, tmp_path: Path) -> None:
    answer = cli("features", "extract", "esc10", "-o", tmp_path / "store")
    assert (answer.status, (tmp_path / "store").exists()) == (2, False)
    assert "esc10 is a dataset\nhint: say with --root where it lies" in answer.err


def test_json_has_a_line_per_track(cli: Cli, music: Path, tmp_path: Path) -> None:
    answer = cli("features", "extract", music, "-o", tmp_path / "store", *SMALL, "--json", "--quiet")
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert [line["status"] for line in lines] == ["computed", "computed", "failed", "computed"]
    assert lines[0] == {
        "id": "a.wav",
        "path": str(music / "a.wav"),
        "status": "computed",
        "n_frames": 251,
        "duration": 4.0,
        "notes": [],
    }
    assert "text, not audio" in lines[2]["error"]


@pytest.mark.parametrize(
    ("sources", "ids"),
    [
        (["a.wav"], ["a.wav"]),
        (["more", "b.wav"], ["c.flac", "b.wav"]),
        (["**/*.[wf]*"], ["a.wav", "b.wav", "more/c.flac"]),
        (["mo*/*.flac", "more/c.flac"], ["more/c.flac"]),
    ],
)
def test_ids_are_paths_in_what_was_named(
    cli: Cli, music: Path, tmp_path: Path, sources: list[str], ids: list[str]
) -> None:
    answer = cli("features", "extract", *(music / source for source in sources), "-o", tmp_path / "store", *SMALL)
    assert answer.status == 0
    assert FeatureStore.open(tmp_path / "store").ids == ids


def test_one_id_for_two_files_is_refused(cli: Cli, music: Path, tmp_path: Path) -> None:
    soundfile.write(music / "more" / "a.wav", tone(4, 300), 16000)
    answer = cli("features", "extract", music / "a.wav", music / "more", "-o", tmp_path / "store")
    assert answer.status == 2
    assert "two tracks have the id 'a.wav'" in answer.err
    assert "hint: name the folder that holds both" in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "n_mel=3"], "takes no option 'n_mel'\nhint: did you mean 'n_mels'?"),
        (["--set", "n_mels"], "--set n_mels: expected NAME=VALUE"),
        (["--set", "n_mels=many"], "front end 'log_mel': n_mels='many', expected a whole number"),
        (["--set", "scaling=loud"], "scaling='loud', expected db, unit, log"),
        (["--set", "f_max=high"], "f_max='high', expected a number or none"),
        (["--set", "center=1"], "center=1, expected true or false"),
        (["--set", "n_mels=3", "--set", "n_mels=4"], "n_mels is given twice, 3 and 4"),
        (["--frontend", "log_mell"], "there is no front end 'log_mell'\nhint: did you mean 'log_mel'"),
        (["--dtype", "int16"], "int16 holds waveforms, not log_mel"),
        (["--with", "split=0"], "--with is for datasets"),
        (["--png", "x", "--png-size", "3"], "--png-size 3: expected two numbers"),
        (["--png", "x", "--png-range", "0:-80"], "the range 0 to -80 is empty"),
        (["--png", "x", "--frontend", "raw"], "a waveform is no picture"),
        (["--root", "x", "more"], "--root goes with one dataset, not with 2 sources"),
    ],
)
def test_wrong_options(cli: Cli, music: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    answer = cli("features", "extract", music, "-o", tmp_path / "store", *arguments)
    assert answer.status == 2
    assert said in answer.err
    assert not (tmp_path / "store").exists()


def test_empty_bands_are_said_once(cli: Cli, music: Path, tmp_path: Path) -> None:
    answer = cli("features", "extract", music / "a.wav", music / "b.wav", "-o", tmp_path / "s", "--set", "n_mels=256")
    assert answer.status == 0
    assert answer.err.count("warning: 24 of 256 mel bands are empty") == answer.err.count("warning:") == 1


def test_stdin_is_no_source(cli: Cli, tmp_path: Path) -> None:
    assert cli("features", "extract", "-", "-o", tmp_path / "store").status == 2


def test_waveforms(cli: Cli, music: Path, tmp_path: Path) -> None:
    (music / "broken.mp3").unlink()
    arguments = ["--frontend", "raw", "--set", "sample_rate=8000", "--jobs", 1]
    assert cli("features", "extract", music, "-o", tmp_path / "store", *arguments).status == 0
    store = FeatureStore.open(tmp_path / "store")
    assert (store.info.dtype, store["a.wav"].shape) == ("int16", (32000, 1))


def test_pictures(cli: Cli, music: Path, tmp_path: Path) -> None:
    (music / "broken.mp3").unlink()
    arguments = ["-o", tmp_path / "store", *SMALL, "--png", tmp_path / "png"]
    answer = cli("features", "extract", music, *arguments, "--png-size", "64x32", "--png-range=-80:0", "--png-colour")
    assert answer.status == 0
    assert answer.err.endswith(f"3 pictures in {tmp_path / 'png'}\n")
    names = sorted(path.relative_to(tmp_path / "png").as_posix() for path in (tmp_path / "png").rglob("*.[pc]*"))
    assert names == ["000/000000.png", "000/000001.png", "000/000002.png", "pictures.csv"]


# A dataset ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(music: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A dataset of two tracks with audio, and one without."""
    asked: dict[str, Any] = {}
    tracks = [
        Track("2", music / "a.wav", ("jazz", "piano"), segment=(1.0, 2.0)),
        Track("17", music / "b.wav", ("jazz",)),
        Track("100000", None, ("rock",)),
    ]

    class Opened:
        def __init__(self) -> None:
            self.tracks = tracks

    def open_dataset(name: str, root: str, **options: object) -> Opened:
        asked.update(name=name, root=root, options=options)
        return Opened()

    monkeypatch.setattr(extraction, "open_dataset", open_dataset)
    return asked


def test_a_dataset_names_its_tracks(cli: Cli, dataset: dict[str, Any], tmp_path: Path) -> None:
    arguments = ["--root", "somewhere", "--with", "subset=genre", "--with", "n=5", "--png", tmp_path / "png"]
    answer = cli("features", "extract", "songs", *arguments, "-o", tmp_path / "store", *SMALL)
    assert dataset == {"name": "songs", "root": "somewhere", "options": {"subset": "genre", "n": 5}}
    assert answer.status == 1
    assert "error: 100000: there is no audio of it" in answer.err
    assert "2 pictures in" in answer.err
    assert "2 contact sheets" in answer.err
    store = FeatureStore.open(tmp_path / "store")
    assert store.ids == ["2", "17"]
    assert (store.entry("2").segment, store.entry("2").tags, store.entry("2").duration) == (
        (1.0, 2.0),
        ("jazz", "piano"),
        1.0,
    )
    assert (tmp_path / "png" / "000" / "000017.png").is_file()
    assert sorted(path.name for path in (tmp_path / "png" / "sheets").iterdir()) == [
        "jazz.png",
        "piano.png",
        "sheets.csv",
    ]


def test_a_dataset_without_audio_says_how_to_get_it(
    cli: Cli, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opened:
        tracks = (Track("1", music / "gone.mp3"),)

    monkeypatch.setattr(extraction, "open_dataset", lambda name, root: Opened())
    answer = cli("features", "extract", "magnatagatune", "--root", music, "-o", tmp_path / "store")
    assert answer.status == 1
    assert f"{music}: no audio of magnatagatune is there\nhint: " in answer.err


# Looking at a store ---------------------------------------------------------------------------------------------------


@pytest.fixture
def store(cli: Cli, music: Path, tmp_path: Path) -> Path:
    (music / "broken.mp3").unlink()
    cli("features", "extract", music, "-o", tmp_path / "store", *SMALL)
    return tmp_path / "store"


def test_info(cli: Cli, store: Path) -> None:
    answer = cli("features", "info", store)
    assert (answer.status, answer.err) == (0, "")
    assert "front end:  log_mel\n" in answer.out
    assert "n_mels=8" in answer.out
    assert "3, 0:15 of audio" in answer.out
    plain = json.loads(cli("features", "info", store, "--json").out)
    assert (plain["n_tracks"], plain["seconds"], plain["parameters"]["n_mels"]) == (3, 15.0, 8)


def test_frontends(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = cli("features", "frontends")
    lines = [line.split("\t") for line in answer.out.splitlines()]
    assert (answer.status, answer.err) == (0, "")
    assert list(dict.fromkeys(line[0] for line in lines)) == list(SPECTRA)
    assert ["log_mel", "n_mels", "128", "a whole number"] in lines
    assert ["log_mel", "f_max", "none", "a number or none"] in lines
    assert ["mfcc", "center", "true", "true or false"] in lines
    assert ["choi"] in lines
    assert all(line[3] for line in lines if len(line) > 1)
    (plain,) = (json.loads(line) for line in cli("features", "frontends", "cqt", "--json").out.splitlines())
    assert (plain["frontend"], plain["what"][:26]) == ("cqt", "the constant-Q transform, ")
    assert plain["parameters"][-1] == {"name": "range_db", "default": None, "takes": "a number or none"}
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    shown = cli("features", "frontends", "raw").out
    assert shown == "raw: The waveform itself as one row.\n  sample_rate=16000  a whole number\n"
    assert cli("features", "frontends", "row").status == 2


def test_info_of_what_is_no_store(cli: Cli, music: Path) -> None:
    answer = cli("features", "info", music)
    assert answer.status == 1
    assert "no feature store" in answer.err


def test_verify(cli: Cli, store: Path, music: Path) -> None:
    answer = cli("features", "verify", store, "--audio")
    assert (answer.status, answer.out, answer.err) == (0, "", "3 tracks, all right\n")
    with (store / "data-00000.bin").open("r+b") as file:
        file.write(b"xx")
    soundfile.write(music / "b.wav", np.zeros(16000), 16000)
    (music / "more" / "c.flac").unlink()
    answer = cli("features", "verify", store)
    assert (answer.status, answer.out) == (1, "a.wav\tdamaged\n")
    answer = cli("features", "verify", store, "--audio", "--drop")
    assert (answer.status, answer.out) == (1, "a.wav\tdamaged\nb.wav\tchanged\nmore/c.flac\tmissing\n")
    assert answer.err == ("3 of 3 tracks are not right\n2 taken out; earmark features extract computes them again\n")
    assert FeatureStore.open(store).ids == ["more/c.flac"]
    cli("features", "extract", music, "-o", store, *SMALL)
    assert cli("features", "verify", store, "-q").status == 0


# Interruptions --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for children on Windows")
def test_an_interrupted_run_says_how_to_go_on(music: Path, tmp_path: Path) -> None:
    (music / "broken.mp3").unlink()
    rng = np.random.default_rng(0)
    soundfile.write(music / "more" / "z.wav", rng.normal(0, 0.1, 16000 * 1500).astype(np.float32), 16000)  # the last
    command = [sys.executable, "-m", "earmark", "features", "extract", music, "-o", tmp_path / "store", "--json"]
    command += ["--set", "n_mels=8", "--set", "hop_length=32"]  # takes a while
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "3 of 4 tracks done; the same command goes on from here\ninterrupted\n"
    assert len(FeatureStore.open(tmp_path / "store")) == 3


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("1.5", 1.5), ("1e-10", 1e-10), (".5", 0.5), ("None", None), ("null", None),
        ("True", True), ("false", False), ("slaney", "slaney"), ('"12"', "12"), ("nan", "nan"), ("", ""),
    ],
)  # fmt: skip
def test_values(text: str, value: object) -> None:
    assert literal(text) == value
    assert type(literal(text)) is type(value)


def test_settings() -> None:
    assert settings("--set", ["a=1", "b-c = x=y"]) == {"a": 1, "b_c": "x=y"}
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        settings("--set", ["=1"])


# Real audio -----------------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_400_clips_with_one_command(cli: Cli, shared: Path, tmp_path: Path) -> None:
    folder = shared / "datasets" / "esc10"
    arguments = ["--set", "n_mels=64", "--set", "hop_length=512", "--quiet"]
    assert cli("features", "extract", folder, "-o", tmp_path / "store", *arguments).status == 0
    store = FeatureStore.open(tmp_path / "store")
    assert len(store) == 400
    assert all(np.isfinite(store[id]).all() for id in store)
    assert min(entry.duration for entry in store.entries) > 3.5
