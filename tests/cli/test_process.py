"""The program as a process of its own: pipes, interruption, names in bytes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("published_weights")]

Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_stdin_is_one_track(program: Program, music: Path) -> None:
    done = program("tag", "-", "-", "--json", input=(music / "a.wav").read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["path"] == "stdin"


def test_a_reader_that_leaves_early_is_no_error(music: Path) -> None:
    command = [sys.executable, "-m", "earmark", "tag", str(music / "a.wav"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for children on Windows")
def test_an_interrupted_batch_says_so_and_keeps_what_is_done(music: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.wav", rng.normal(0, 0.1, 16000 * 3600).astype(np.float32), 16000)
    state = tmp_path / "state"
    command = [sys.executable, "-m", "earmark", "tag", music / "a.wav", tmp_path / "long.wav", "--resume", state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(str(music / "a.wav"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "1 of 2 files done; the same command goes on from here\ninterrupted\n"
    assert len(state.read_bytes().splitlines()) == 2


def test_names_that_are_no_utf8_in_a_plain_locale(program: Program, music: Path) -> None:
    strange = os.fsencode(music) + b"/caf\xe9.wav"
    try:
        os.rename(os.fsencode(music / "a.wav"), strange)  # noqa: PTH104 (bytes)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = program("tag", music, "-q", env=environment)
    assert done.returncode == 1  # the broken one
    assert b"caf\\udce9.wav\t" in done.stdout
    assert b"Traceback" not in done.stderr


def test_debug_shows_where(program: Program) -> None:
    plain, debug = program("models", "show", "nothing"), program("models", "show", "nothing", "--debug")
    assert (plain.returncode, debug.returncode) == (2, 1)
    assert b"Traceback" not in plain.stderr
    assert b"Traceback" in debug.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_an_error_in_words(music: Path) -> None:
    command = [sys.executable, "-m", "earmark", "tag", str(music / "a.wav")]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: [Errno 28]")
    assert done.stderr.count(b"\n") == 1
