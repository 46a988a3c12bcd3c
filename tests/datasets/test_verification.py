"""Verifying datasets: what is missing, empty, damaged, unexpected, and what is known to be."""

import hashlib
import io
import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.datasets import magnatagatune, open_dataset, verification
from earmark.datasets.base import Fault, Remote
from earmark.datasets.downloading import RECORD
from earmark.datasets.verification import verify
from earmark.errors import InputError, UnknownNameError, UsageError

MAKER = Path(__file__).parent / "makers" / "magnatagatune.py"
WHOLE = ["f/ana_b-first_album-01-a_song-30-59.mp3", "f/ana_b-first_album-01-a_song-146-175.mp3"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small MagnaTagATune with the audio of all clips but the one that is known to be empty."""
    made = runpy.run_path(str(MAKER))
    made["make"](tmp_path)
    for _, path, _, _ in made["CLIPS"]:
        target = tmp_path / "mp3" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            empty = "norine_braun" in path
            target.write_bytes(b"" if empty else (tmp_path / "mp3" / WHOLE[0]).read_bytes())
    return tmp_path


def test_a_whole_copy_is_good(root: Path) -> None:
    for deep in (False, True):
        found = verify("magnatagatune", root, deep=deep)
        assert found.is_good
        assert (found.n_tracks, found.n_audio, found.n_present, found.is_deep) == (6, 6, 6, deep)
        [known] = found.problems
        assert (known.track, known.kind, known.known) == ("35644", "empty", "the published mp3 holds no audio")
        assert found.unexpected == ()
    outcomes = {file.name: file.outcome for file in found.files}
    assert outcomes["annotations_final.csv"] == "unchecked"
    assert outcomes["mp3.zip.001"] == "absent"
    assert json.loads(json.dumps(found.to_dict()))["is_good"] is True


def test_what_is_missing_empty_and_unexpected(root: Path) -> None:
    (root / "mp3" / WHOLE[0]).unlink()
    (root / "mp3" / WHOLE[1]).write_bytes(b"")
    (root / "mp3" / "f" / "who is this.MP3").touch()
    (root / "mp3" / "f" / ".hidden.mp3").touch()
    (root / "mp3" / "readme.txt").touch()
    found = verify("magnatagatune", root)
    assert [(p.track, p.kind) for p in found.unknown_problems] == [("2", "missing"), ("6", "empty")]
    assert found.n_present == 5
    assert found.unexpected == (str(Path("mp3/f/who is this.MP3")),)
    assert not found.is_good
    assert verify("magnatagatune", root, kind="labels").is_good


def test_deep_finds_what_cannot_be_decoded(root: Path) -> None:
    wav = io.BytesIO()
    soundfile.write(wav, np.zeros(80_000), 16000, format="WAV")
    (root / "mp3" / WHOLE[0]).write_bytes(wav.getvalue()[:90_000])  # what a file is, its content says
    (root / "mp3" / WHOLE[1]).write_bytes(b"a letter")
    assert verify("magnatagatune", root).is_good
    told: list[str] = []
    journal = root / "deep.journal"
    found = verify(
        "magnatagatune", root, deep=True, jobs=2, journal=journal, progress=lambda label, *_: told.append(label)
    )
    assert {(p.track, p.kind) for p in found.unknown_problems} == {("2", "damaged"), ("6", "unreadable")}
    assert all(p.detail for p in found.unknown_problems)
    assert set(told) == {"decoding"}
    assert verify("magnatagatune", root, deep=True, journal=journal).problems == found.problems


def test_deep_tells_of_short_audio(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut mp3 does not show it: only its published length does. Clips may be published short, so it is no error."""
    dataset = open_dataset("magnatagatune", root)
    longer = replace(dataset, tracks=tuple(replace(track, duration=29.1) for track in dataset))
    monkeypatch.setattr(verification, "open_dataset", lambda *_: longer)
    found = verify("magnatagatune", root, deep=True)
    assert [p.kind for p in found.problems] == ["empty"] + ["short"] * 5
    assert "29.1 s as published" in found.problems[1].detail
    assert found.is_good


def test_checksums(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (root / "annotations_final.csv").read_bytes()
    right = f"md5:{hashlib.md5(content).hexdigest()}"

    def outcome(**facts: object) -> str:
        remote = Remote("annotations_final.csv", "https://example.org/a", **facts)  # type: ignore[arg-type]
        monkeypatch.setattr(verification, "dataset_info", lambda _: replace(magnatagatune.INFO, remotes=(remote,)))
        told: list[tuple[str, int, int | None]] = []
        found = verify("magnatagatune", root, kind="labels", progress=lambda *x: told.append(x))
        assert found.is_good == (found.files[0].outcome != "wrong")
        return found.files[0].outcome

    assert outcome(checksum=right) == "right"
    assert outcome(checksum="md5:" + "0" * 32) == "wrong"
    assert outcome(n_bytes=len(content) + 1) == "wrong"
    assert outcome() == "unchecked"
    for digest, expected in ((hashlib.sha256(content).hexdigest(), "as it came"), ("0" * 64, "wrong")):
        (root / RECORD).write_text(json.dumps({"files": {"annotations_final.csv": {"sha256": digest}}}))
        assert outcome() == expected


def test_known_faults_are_no_surprise(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "mp3" / WHOLE[1]).unlink()
    faults = (Fault("6", "unreadable", "lost", "someone"),)
    monkeypatch.setattr(magnatagatune, "FAULTS", (*magnatagatune.FAULTS, *faults))
    assert verify("magnatagatune", root).is_good


def test_labels_that_cannot_be_read(root: Path) -> None:
    (root / "annotations_final.csv").write_text("clip_id\tguitar\n1\tx\n")
    found = verify("magnatagatune", root)
    assert "annotations_final.csv" in found.labels_problem
    assert not found.is_good
    (root / "annotations_final.csv").unlink()
    found = verify("magnatagatune", root)
    assert "none of" in found.labels_problem
    assert "earmark datasets download" in found.labels_hint


def test_wrong_arguments(root: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        verify("magnatagatune", root / "gone")
    with pytest.raises(UnknownNameError):
        verify("magnatagatunes", root)
    with pytest.raises(UsageError, match="takes no option"):
        verify("magnatagatune", root, options={"vocabluary": 2})
    with pytest.raises(UsageError, match="vocabulary='none'"):
        verify("magnatagatune", root, options={"vocabulary": "none"})
    with pytest.raises(UsageError, match="kind='sound'"):
        verify("magnatagatune", root, kind="sound")  # type: ignore[arg-type]
