"""Real music through the whole way: heard, killed, continued, moved, found."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lancedb")

from earmark.library.facade import Library

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("published_weights")]


def add(catalogue: Path, folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "earmark", "library", "add", str(folder), "--library", str(catalogue), "--json"]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, problem = process.communicate(timeout=600)
    assert process.returncode == 0, problem
    found: dict[str, Any] = json.loads(out)
    return found


def test_clips_are_heard_once_wherever_they_lie(shared: Path, tmp_path: Path) -> None:
    clips = sorted((shared / "audio" / "clips").glob("bensound*.mp3"))
    music = tmp_path / "music"
    music.mkdir()
    for clip in clips:
        shutil.copy(clip, music)
    done = result(add(tmp_path / "catalogue", music, "--jobs", "1"))
    assert (done["n_heard"], done["failures"]) == (len(clips), [])
    library = Library(tmp_path / "catalogue", create=False)
    piano = library.show("bensound-thejazzpiano")
    assert piano.heard["standard"].scores["jazz"] > 0.5
    assert piano.heard["standard"].scores["piano"] > 0.5
    assert piano.bpm is not None
    assert 40 < piano.bpm < 240
    music.rename(tmp_path / "moved")
    again = library.add(tmp_path / "moved", jobs=1)
    assert (again.n_heard, again.n_recognised) == (0, len(clips))
    assert len(library) == len(clips)
    other = library.similar(str(clips[0]), n=5)  # the original, which the catalogue does not name
    assert len(other) == len(clips) - 1
    assert [match.track.name for match in library.search("jazz piano", n=1)] == [piano.name]


@pytest.mark.slow
def test_twenty_tracks_killed_continued_and_moved(shared: Path, tmp_path: Path) -> None:
    music, catalogue = tmp_path / "music", tmp_path / "catalogue"
    shutil.copytree(shared / "audio" / "kevin_macleod", music)
    killed = add(catalogue, music)
    deadline = time.monotonic() + 300
    while not (catalogue / "tracks.lance").exists() or not 0 < len(Library(catalogue)) < 20:
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    kept = len(Library(catalogue))
    assert 0 < kept < 20
    done = result(add(catalogue, music))
    assert (done["n_heard"], done["n_known"], done["failures"]) == (20 - kept, kept, [])
    music.rename(tmp_path / "moved")
    moved = result(add(catalogue, tmp_path / "moved"))
    assert (moved["n_heard"], moved["n_recognised"]) == (0, 20)
    library = Library(catalogue)
    assert len(library) == 20
    for track in library:
        assert Path(track.path).parent == tmp_path / "moved"
        found = {match.track.id for match in library.similar(track.id, n=30)}
        assert len(found) == 19
