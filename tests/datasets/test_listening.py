"""Looking into audio: what is found, and a journal that survives interruptions and notices changes."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.datasets import listening
from earmark.datasets.listening import Heard, listen
from earmark.errors import InputError
from earmark.files import lock_for_writing


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = []
    for i in range(4):
        made.append(tmp_path / f"{i}.wav")
        soundfile.write(made[-1], 0.1 * np.ones((8000 * (i + 1), 2)), 8000)
    made.append(tmp_path / "letter.mp3")
    made[-1].write_text("no song")
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which files were really looked into."""
    seen: list[Path] = []
    real = listening._hear
    monkeypatch.setattr(listening, "_hear", lambda path, decode: (seen.append(path), real(path, decode))[1])
    return seen


def test_what_is_found(files: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    heard = listen([*files, files[0]], jobs=2, progress=lambda *n: told.append(n))
    assert list(heard) == files
    assert heard[files[1]] == Heard(2.0, 8000, 2, "pcm_16", False, "")
    assert not heard[files[4]].is_readable
    assert heard[files[4]].problem
    assert str(files[4]) not in heard[files[4]].problem
    assert told[0] == (0, 5)
    assert told[-1] == (5, 5)


def test_decoding_finds_what_is_cut_off(files: list[Path]) -> None:
    whole = files[3].read_bytes()
    files[3].write_bytes(whole[: len(whole) // 2])
    assert listen(files, decode=True)[files[3]].problem.startswith("truncated: 2.0 s of 4.0 s")
    assert listen(files, decode=True)[files[0]] == Heard(1.0, 8000, 2, "pcm_16", True, "")


def test_the_journal_knows_what_was_done(files: list[Path], tmp_path: Path, opened: list[Path]) -> None:
    journal = tmp_path / "audio.journal"
    first = listen(files, journal=journal)
    assert listen(files, journal=journal) == first
    assert len(opened) == 5
    listen(files, journal=journal, decode=True)
    assert len(opened) == 9, "headers do not tell what decoding does; a file that cannot be opened need not be tried"
    assert listen(files, journal=journal)[files[0]].is_decoded, "what was decoded tells all that headers do"
    os.utime(files[0], ns=(1, 1))
    listen(files, journal=journal)
    assert opened[9:] == [files[0]]


def test_an_interrupted_run_goes_on(files: list[Path], tmp_path: Path, opened: list[Path]) -> None:
    journal = tmp_path / "audio.journal"

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        listen(files, journal=journal, progress=stop, jobs=1)
    opened.clear()
    listen(files, journal=journal)
    assert files[0] not in opened
    assert files[1] not in opened
    assert set(opened) <= set(files[2:])


@pytest.mark.parametrize("rubbish", [b'{"path": "x", "si', b"[]\n", b'{"path": 1}\n', b"\xff\xfe\n", b"null\n"])
def test_damaged_lines_are_as_if_they_were_not_there(
    files: list[Path], tmp_path: Path, rubbish: bytes, opened: list[Path]
) -> None:
    journal = tmp_path / "audio.journal"
    first = listen(files, journal=journal)
    journal.write_bytes(journal.read_bytes() + rubbish)
    more = tmp_path / "more.wav"
    soundfile.write(more, np.ones(800), 8000)
    listen([*files, more], journal=journal)
    assert listen([*files, more], journal=journal) | first
    assert len(opened) == 6


def test_what_is_no_journal_is_left_alone(files: list[Path], tmp_path: Path) -> None:
    journal = tmp_path / "letter"
    journal.write_text("dear reader\n")
    with pytest.raises(InputError, match="not a journal"):
        listen(files, journal=journal)
    assert journal.read_text() == "dear reader\n"
    with pytest.raises(InputError, match="cannot be written"):
        listen(files, journal=tmp_path)


def test_one_process_writes_to_a_journal(files: list[Path], tmp_path: Path) -> None:
    journal = tmp_path / "audio.journal"
    listen(files, journal=journal)
    with journal.open("ab") as file:
        assert lock_for_writing(file)
        with pytest.raises(InputError, match="another process"):
            listen(files, journal=journal)
    assert json.loads(journal.read_text().splitlines()[0])["format"] == 1


def test_a_full_disk_is_named(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk takes a part of a line, as one that is full does: what was kept before is kept."""
    journal = tmp_path / "audio.journal"
    listen(files[:2], journal=journal)

    class Full(io.FileIO):
        def write(self, data: object) -> int:
            return super().write(bytes(data)[:20])  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", lambda path, mode, buffering=-1: Full(path, mode.replace("b", "")))
    with pytest.raises(InputError, match=r"audio\.journal: cannot be written: No space"):
        listen(files, journal=journal)
    monkeypatch.undo()
    told: list[int] = []
    listen(files, journal=journal, progress=lambda done, _: told.append(done))
    assert told[0] == 2
