"""What was written is undone byte for byte, in any order of events, and nobody else's change is lost for it."""

import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutagen")
pytest.importorskip("av")
sys.path.insert(0, str(Path(__file__).parent))

from songs import HUGE, song

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.tagfile import journal as journals
from earmark.tagfile import read_tags
from earmark.tagfile.changes import NewTags, Splice
from earmark.tagfile.journal import Entry, Journal
from earmark.tagfile.writing import apply, plan

NAMES = ("v23.mp3", "full.flac", "full.m4a", "info.wav")


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(song(name))
    return folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "journal"


def write(music: Path, folder: Path, stamp: str, names: tuple[str, ...] = NAMES) -> str:
    with Journal(folder) as journal:
        for name in names:
            new = NewTags({"genre": ("Jazz", f"Dub {stamp}")}, {"EARMARK_STAMP": (stamp,)})
            apply(plan(music / name, new, keep_existing=False), journal)
        assert journal.run is not None
        return journal.run


def originals(music: Path) -> list[str]:
    return [name for name in NAMES if (music / name).exists() and (music / name).read_bytes() == song(name)]


def test_runs_are_listed_and_undone_last_first(music, folder):
    first, second = write(music, folder, "1"), write(music, folder, "2")
    journal = Journal(folder)
    assert [(run.id, run.n_files, run.n_undone, run.is_running) for run in journal.runs()] == [
        (first, 4, 0, False), (second, 4, 0, False),
    ]  # fmt: skip
    assert journal.runs()[0].begun.tzinfo is not None
    undone = journal.undo()
    assert [Path(one.path).name for one in undone] == list(reversed(NAMES))
    assert [read_tags(music / name).genres for name in NAMES] == [("Jazz", "Dub 1")] * 4
    assert [run.n_undone for run in journal.runs()] == [0, 4]
    assert all(one.is_restored for one in journal.undo())
    assert originals(music) == list(NAMES)
    with pytest.raises(UsageError, match="there is no run that could be undone"):
        journal.undo()
    assert all(one.is_restored for one in journal.undo(first))  # says so again, and touches nothing
    assert sorted(p.suffix for p in folder.iterdir()) == [".journal", ".journal"]


def test_a_run_with_a_later_one_over_it_is_left_alone_and_told_why(music, folder):
    first = write(music, folder, "1")
    second = write(music, folder, "2", NAMES[:1])
    undone = {Path(one.path).name: one for one in Journal(folder).undo(first)}
    assert [undone[name].is_restored for name in NAMES] == [False, True, True, True]
    assert undone[NAMES[0]].reason == f"changed since, by the run {second}: undo that one first"
    assert Journal(folder).runs()[0].n_undone == 3
    Journal(folder).undo(second)
    Journal(folder).undo(first)
    assert originals(music) == list(NAMES)


def test_a_file_that_somebody_changed_or_took_away_stays_as_it_is(music, folder):
    write(music, folder, "1")
    (music / NAMES[0]).write_bytes(b"somebody's")
    (music / NAMES[1]).unlink()
    (music / NAMES[2]).chmod(0o444)
    os.link(music / NAMES[3], music / "twin")
    reasons = {Path(one.path).name: one.reason for one in Journal(folder).undo()}
    assert reasons[NAMES[0]] == "changed since by another program, so it is left alone"
    assert "no such file" in reasons[NAMES[1]].lower() or "not" in reasons[NAMES[1]]
    assert "read-only" in reasons[NAMES[2]]
    assert reasons[NAMES[3]] == "the file has 2 names (hard links) by now"
    assert (music / NAMES[0]).read_bytes() == b"somebody's"
    (music / NAMES[2]).chmod(0o644)
    (music / "twin").unlink()
    Journal(folder).undo()
    assert originals(music) == list(NAMES[2:])


def test_times_of_change_come_back_and_rights_of_now_stay(music, folder):
    path = music / NAMES[0]
    os.utime(path, ns=(10**18, 10**18 + 1))
    with Journal(folder) as journal:
        apply(plan(path, NewTags({"mood": ("Sad",)})), journal, times="new")
    path.chmod(0o600)
    Journal(folder).undo()
    assert (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) == (10**18 + 1, 0o600)


def test_a_run_cut_off_anywhere_can_be_undone(music, folder):
    """The journal as a crash leaves it: with any part of its end missing, and the file old or new."""
    path = music / NAMES[0]
    run = write(music, folder, "1", NAMES[:1])
    new = path.read_bytes()
    record = folder / f"{run}.journal"
    whole = record.read_bytes()
    entry_end = whole.index(b"\n", whole.index(b'"file"')) + 1
    for n in [*range(0, len(whole), 41), entry_end, len(whole)]:
        record.write_bytes(whole[:n])
        path.write_bytes(new if n >= entry_end else song(NAMES[0]))
        journal = Journal(folder)
        if n >= entry_end - 1:  # the line is whole, be it without its end
            assert all(one.is_restored for one in journal.undo(run))
            assert [run.n_undone for run in journal.runs()] == [1]
        else:
            assert journal.runs() == []
            assert journal.undo(run) == []
        assert originals(music) == list(NAMES)


def test_copies_that_a_killed_run_left_behind_go_with_the_next_one(music, folder):
    run = write(music, folder, "1", NAMES[:1])
    left, other = music / f".earmark-{'0' * 32}.part", music / ".precious.part"
    for path in (left, other):
        path.write_bytes(b"x")
    with (folder / f"{run}.journal").open("ab") as file:
        file.write(json.dumps({"copy": str(left)}).encode() + b"\n" + json.dumps({"copy": str(other)}).encode() + b"\n")
    (folder / f"{run}.lock").write_bytes(b"")
    write(music, folder, "2", NAMES[1:2])
    assert not left.exists()
    assert other.exists()
    assert not list(folder.glob("*.lock"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_run_that_goes_on_is_not_undone(music, folder):
    with Journal(folder) as journal:
        apply(plan(music / NAMES[0], NewTags({"mood": ("Sad",)})), journal)
        assert [run.is_running for run in journal.runs()] == [True]
        assert [run.is_running for run in Journal(folder).runs()] == [True]
        with pytest.raises(UsageError, match="is still writing"):
            Journal(folder).undo(journal.run)
        apply(plan(music / NAMES[1], NewTags({"mood": ("Sad",)})), journal)
    assert [run.n_files for run in Journal(folder).runs()] == [2]
    assert all(one.is_restored for one in Journal(folder).undo())
    assert originals(music) == list(NAMES)


def test_a_journal_that_was_tampered_with_changes_no_file(music, folder, monkeypatch):
    run = write(music, folder, "1", NAMES[:1])
    new = (music / NAMES[0]).read_bytes()
    (entry,) = Journal(folder).entries(run)
    broken = Entry(entry.path, entry.before, entry.after, entry.stamps, (Splice(0, 3, b"???"),))
    monkeypatch.setattr(Journal, "entries", lambda self, run: [broken])
    (undone,) = Journal(folder).undo(run)
    assert undone.reason == "what the journal says does not lead back to the file as it was"
    assert (music / NAMES[0]).read_bytes() == new


def test_unknown_runs_and_folders(music, folder):
    write(music, folder, "1", NAMES[:1])
    with pytest.raises(UnknownNameError, match="there is no run 'nonsense'"):
        Journal(folder).undo("nonsense")
    with pytest.raises(UnknownNameError):
        Journal(folder).entries("../journal/x")
    assert Journal(folder / "nothing here").runs() == []
    (folder / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"), Journal(folder / "file" / "below") as journal:
        apply(plan(music / NAMES[1], NewTags({"mood": ("Sad",)})), journal)
    assert originals(music) == list(NAMES[1:])


def test_the_journal_holds_what_changed_and_no_audio_or_picture(tmp_path, folder):
    sizes = {}
    for name in ("v24 huge.mp3", "huge.ogg", "full.wma", "index first full.m4a", "bare.wav"):
        path = tmp_path / name
        path.write_bytes(song(name))
        with Journal(folder) as journal:
            apply(plan(path, NewTags({"genre": ("Jazz",), "mood": ("Sad",)}), keep_existing=False), journal)
        sizes[name] = (folder / f"{journal.run}.journal").stat().st_size
        assert all(one.is_restored for one in journal.undo())
        assert path.read_bytes() == song(name)
    assert sizes["v24 huge.mp3"] < 3000 < len(HUGE)
    assert sizes["bare.wav"] < 2000
    assert sizes["full.wma"] < 3000
    assert sizes["huge.ogg"] < len(song("huge.ogg"))


def test_names_that_are_no_text(tmp_path, folder):
    path = os.fsencode(tmp_path) + b"/caf\xe9.mp3"
    try:
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(song("v23.mp3"))
    except OSError:
        pytest.skip("this file system takes no such name")
    with Journal(folder) as journal:
        apply(plan(path, NewTags({"mood": ("Sad",)})), journal)
    (undone,) = Journal(folder).undo()
    assert os.fsencode(undone.path) == os.path.realpath(path)
    with open(path, "rb") as file:  # noqa: PTH123
        assert file.read() == song("v23.mp3")


def test_an_entry_survives_the_journal():
    entry = Entry("/a\udce9", "0", "1", (1, 2), (Splice(0, 4, b"abc"), Splice(10, 10, bytes(5))))
    line = json.loads(json.dumps(entry.to_line()))
    assert Entry.from_line(line, is_undone=False) == entry
    assert journals.Undone("/a", True).reason == ""
