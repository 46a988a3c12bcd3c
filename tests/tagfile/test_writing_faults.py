"""Whatever goes wrong while tags are written, every file is the old one or the new one, whole, and can be undone."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("mutagen")
pytest.importorskip("av")
sys.path.insert(0, str(Path(__file__).parent))

from songs import SONGS, song

from earmark.audio.identity import content_id
from earmark.audio.identity.view import viewing
from earmark.errors import InputError
from earmark.tagfile import read_tags, swapping, writing
from earmark.tagfile.changes import NewTags
from earmark.tagfile.editing import Damaged, patched
from earmark.tagfile.journal import Journal
from earmark.tagfile.write_id3 import open_id3
from earmark.tagfile.write_vorbis import open_ogg
from earmark.tagfile.writing import apply, plan

DRIVER = Path(__file__).with_name("writing_driver.py")
NEW = NewTags({"genre": ("Jazz",)}, {"EARMARK_STAMP": ("1",)})
SMALL = [name for name in SONGS if "huge" not in name and "fake" not in name]
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    file = folder / "v23.mp3"
    file.write_bytes(song("v23.mp3"))
    return file


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal") as opened:
        yield opened


def is_untouched(path: Path) -> bool:
    return path.read_bytes() == song("v23.mp3") and [p.name for p in path.parent.iterdir()] == [path.name]


# The disk


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod", "utime"])
@pytest.mark.parametrize("n_before", range(4))
def test_a_full_disk_at_any_step_leaves_the_file_whole(path, journal, monkeypatch, step, n_before):
    change = plan(path, NEW)
    calls = 0
    original = getattr(os, step)

    def fail(*args, **options):
        nonlocal calls
        calls += 1
        if calls == n_before + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*args, **options)

    monkeypatch.setattr(os, step, fail)
    try:
        apply(change, journal)
    except InputError as error:
        assert "No space left on device" in str(error)  # noqa: PT017
        monkeypatch.setattr(os, step, original)
        assert is_untouched(path)
        apply(plan(path, NEW), journal)
    monkeypatch.setattr(os, step, original)
    assert read_tags(path).fields["TXXX:EARMARK_STAMP"] == ("1",)
    assert all(undone.is_restored for undone in journal.undo())
    assert is_untouched(path)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1000))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017


@posix
def test_a_disk_that_is_really_full(tmp_path, journal):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        path = disk / "v23.mp3"
        path.write_bytes(song("v23.mp3"))
        fill(disk / "filler")
        with pytest.raises(InputError, match="cannot be written: No space left") as caught:
            apply(plan(path, NEW), journal)
        assert caught.value.hint == "free some space, then give the same command again"
        assert path.read_bytes() == song("v23.mp3")
        assert sorted(p.name for p in disk.iterdir()) == ["filler", "v23.mp3"]
        change = plan(path, NEW)
        with Journal(disk / "journal") as full, pytest.raises(InputError, match="No space left"):
            apply(change, full)
        assert path.read_bytes() == song("v23.mp3")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@posix
@pytest.mark.parametrize("is_folder_writable", [False, True])
def test_a_folder_or_a_file_of_somebody_else(path, journal, is_folder_writable):
    if os.geteuid() != 0:
        path.parent.chmod(0o555)
        message = "Permission denied"
    else:
        path.parent.chmod(0o777 if is_folder_writable else 0o755)
        message = "owner, rights or attributes could not be kept" if is_folder_writable else "Permission denied"
    for folder in [journal.folder, *path.parents]:
        folder.mkdir(exist_ok=True)
        if folder.owner() == "root" and "pytest" in str(folder) and folder != path.parent:
            folder.chmod(0o777 if folder == journal.folder else 0o755)
    change = plan(path, NEW)
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            with pytest.raises(InputError, match=message):
                apply(change, journal)
        finally:
            os.seteuid(0)
    else:
        with pytest.raises(InputError, match=message):
            apply(change, journal)
        path.parent.chmod(0o755)
    assert is_untouched(path)


@posix
def test_a_read_only_file_is_left_alone(path, journal):
    path.chmod(0o444)
    with pytest.raises(InputError, match="the file is read-only") as caught:
        apply(plan(path, NEW), journal)
    assert "chmod u+w" in caught.value.hint
    assert is_untouched(path)


# Others


def test_a_file_that_was_changed_or_replaced_or_is_gone_since_the_plan(path, journal):
    change = plan(path, NEW)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    stamps = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    with pytest.raises(InputError, match="it has changed since what would change was shown"):
        apply(change, journal)
    assert path.read_bytes() == data

    change = plan(path, NEW)
    other = path.with_name("other")
    other.write_bytes(data)
    os.utime(other, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    other.replace(path)
    with pytest.raises(InputError, match="it has changed since"):
        apply(change, journal)
    assert path.read_bytes() == data

    change = plan(path, NEW)
    path.unlink()
    with pytest.raises(InputError, match=r"not written: .*(no such file|not found|there is no)"):
        apply(change, journal)
    assert not list(path.parent.iterdir())


def test_a_file_that_changes_while_it_is_copied(path, journal, monkeypatch):
    change = plan(path, NEW)

    def check(*args):
        with path.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(writing, "check_written", check)
    with pytest.raises(InputError, match=r"it has changed since|could not be turned back"):
        apply(change, journal)
    assert path.read_bytes() == song("v23.mp3") + b"more"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    (undone,) = journal.undo()
    assert (undone.is_restored, undone.reason) == (False, "changed since by another program, so it is left alone")


@posix
def test_a_file_that_somebody_writes_to(path, journal):
    change = plan(path, NEW)
    with swapping.holding(str(path)), pytest.raises(InputError, match="another process is writing to it"):
        apply(change, journal)
    assert is_untouched(path)
    apply(change, journal)


@posix
def test_two_writers_at_once(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    names = SMALL[:12]
    for name in names:
        (folder / name).write_bytes(song(name))
    refused: list[str] = []

    def write(i: int) -> None:
        with Journal(tmp_path / "journal") as journal:
            for name in names:
                try:
                    apply(plan(folder / name, NewTags({}, {f"EARMARK_W{i}": ("x" * 50,)})), journal)
                except InputError as error:
                    refused.append(str(error))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("it has changed since" in text or "another process" in text for text in refused), refused
    n_written = 0
    for name in names:
        n_written += sum("EARMARK_W" in field for field in read_tags(folder / name).fields)
    assert n_written == 3 * len(names) - len(refused)
    assert sorted(p.name for p in folder.iterdir()) == sorted(names)
    journal = Journal(tmp_path / "journal")
    for _ in range(30):  # runs that wrote to the same files in turns are undone in turns
        results = [undone for run in reversed(journal.runs()) for undone in journal.undo(run.id)]
        if all(undone.is_restored for undone in results):
            break
    assert all((folder / name).read_bytes() == song(name) for name in names)


# Links, rights


@posix
def test_a_link_stays_one_and_what_it_leads_to_changes(path, journal, tmp_path):
    link = tmp_path / "link.mp3"
    link.symlink_to(path)
    change = plan(link, NEW)
    assert (change.path, change.target) == (str(link), str(path))
    apply(change, journal)
    assert link.is_symlink()
    assert read_tags(path).fields["TXXX:EARMARK_STAMP"] == ("1",)
    journal.undo()
    assert is_untouched(path)


@posix
def test_hard_links_are_refused_or_split(path, journal, tmp_path):
    twin = tmp_path / "twin.mp3"
    os.link(path, twin)
    with pytest.raises(InputError, match=r"2 names \(hard links\)"):
        plan(path, NEW)
    apply(plan(path, NEW, hard_links="split"), journal)
    assert twin.read_bytes() == song("v23.mp3")
    assert (path.stat().st_nlink, twin.stat().st_nlink) == (1, 1)
    journal.undo()
    assert is_untouched(path)


@posix
def test_rights_owner_attributes_and_times_stay(path, journal):
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    has_attributes = hasattr(os, "setxattr")
    if has_attributes:
        try:
            os.setxattr(path, "user.rating", b"5")
        except OSError:
            has_attributes = False
    os.utime(path, ns=(10**18 + 7, 10**18 + 9))
    before = path.stat()
    apply(plan(path, NEW), journal)
    after = path.stat()
    for field in ("st_mode", "st_uid", "st_gid", "st_mtime_ns"):
        assert getattr(after, field) == getattr(before, field), field
    assert after.st_ino != before.st_ino
    assert not has_attributes or os.getxattr(path, "user.rating") == b"5"


@pytest.mark.parametrize(("times", "low", "high"), [("step", 1, 1), ("new", 10**6, 10**10)])
def test_the_time_of_change_may_tell_of_it(path, journal, times, low, high):
    os.utime(path, ns=(10**18, 10**18))
    apply(plan(path, NEW), journal, times=times)
    assert low <= path.stat().st_mtime - 10**9 <= high
    journal.undo()
    assert path.stat().st_mtime_ns == 10**18


# Kills


def kill_many_times(tmp_path: Path, *, n_kills: int, n_files: int, seed: int) -> list[int]:
    """Kill writes and their undoing at random moments; return how many files were new after each kill."""
    rng = random.Random(seed)
    folder = tmp_path / "music"
    folder.mkdir()
    olds = {f"{i:03} {SMALL[i % len(SMALL)]}": song(SMALL[i % len(SMALL)]) for i in range(n_files)}
    for name, data in olds.items():
        (folder / name).write_bytes(data)
    news = {name: changed(folder / name, olds[name]) for name in olds}
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    driver = subprocess.Popen(
        [sys.executable, str(DRIVER), str(tmp_path / "journal"), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert driver.stdin is not None
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"

    def run(command: str, seconds: float | None) -> float:
        driver.stdin.write(f"{command}\n")
        driver.stdin.flush()
        begun, child = time.monotonic(), int(driver.stdout.readline())
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it has ended
                os.kill(child, signal.SIGKILL)
        status = int(driver.stdout.readline())
        assert status in (0, signal.SIGKILL)
        return time.monotonic() - begun

    def n_new() -> int:
        states = [(folder / name).read_bytes() for name in olds]
        assert all(data in (olds[name], news[name]) for name, data in zip(olds, states, strict=True))
        return sum(data == news[name] for name, data in zip(olds, states, strict=True))

    counts = []
    try:
        seconds = run("write v", None)
        assert n_new() == n_files
        for _ in range(n_kills):
            run("undo", rng.uniform(0, seconds / 2) if rng.random() < 0.3 else None)
            counts.append(n_new())
            Journal(tmp_path / "journal").undo() if counts[-1] else None
            assert n_new() == 0
            run("write v", rng.uniform(0, seconds))
            counts.append(n_new())
    finally:
        driver.communicate()
    journal = Journal(tmp_path / "journal")
    for one in journal.runs():
        if one.n_undone == one.n_files:
            continue
        assert all(undone.is_restored for undone in journal.undo(one.id))
    assert n_new() == 0
    with journal:
        apply(plan(folder / next(iter(olds)), NEW, keep_existing=False), journal)
    assert sorted(p.name for p in folder.iterdir()) == sorted(olds), "a copy was left behind"
    return counts


def changed(path: Path, old: bytes) -> bytes:
    """What the driver makes of a file."""
    new = NewTags({"genre": ("v", "Jazz")}, {"EARMARK_STAMP": ("v",)})
    return patched(old, plan(path, new, keep_existing=False).splices)


@posix
def test_killed_at_random_moments_every_file_is_old_or_new(tmp_path):
    kill_many_times(tmp_path, n_kills=5, n_files=12, seed=1)


@posix
@pytest.mark.slow
def test_killed_two_hundred_times_every_file_is_old_or_new(tmp_path):
    counts = kill_many_times(tmp_path, n_kills=200, n_files=200, seed=2)
    assert len({count for count in counts if 0 < count < 200}) > 50


# Damage


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Change, add or take away bytes near the beginning, the end, or anywhere."""
    made = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(min(rng.choice([len(made), 400, 100]), len(made)))
        at = at if rng.random() < 0.7 else len(made) - 1 - at
        change = rng.randrange(5)
        if change == 0:
            made[at] = rng.choice([0, 255, rng.randrange(256), made[at] ^ 1, made[at] ^ 128])
        elif change == 1:
            del made[at : at + rng.choice([1, 2, 4, 50])]
        elif change == 2:
            made[at:at] = rng.randbytes(rng.choice([1, 4, 10]))
        elif change == 3 and rng.random() < 0.5:
            del made[at:]
        else:
            made[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
        made = made or bytearray(b"x")
    return bytes(made)


def write_to_damaged(folder: Path, *, n: int, seed: int) -> int:
    """Write to damaged files and undo it; return to how many it was possible."""
    rng = random.Random(seed)
    n_written = 0
    values = {"genre": ("Jazz", "Düb"), "bpm": ("120",), "comment": ("hi",)}
    for _ in range(n):
        path = folder / rng.choice(SMALL)
        data = damaged(song(path.name), rng)
        path.write_bytes(data)
        with Journal(folder / "journal") as journal:
            try:
                apply(plan(path, NewTags(values, {"EARMARK_X": ("y",)}), keep_existing=False), journal)
            except InputError:  # anything else is a failure of the test
                assert path.read_bytes() == data
                continue
        n_written += 1
        assert all(undone.is_restored for undone in journal.undo(journal.run))
        assert path.read_bytes() == data
    assert not list(folder.glob(".earmark*"))
    return n_written


@pytest.mark.parametrize("lacing", [b"", b"\0", b"\0\0"])
@pytest.mark.parametrize("first", [b"\x7fFLAC\1\0\0\1", b"OpusHead", b"\x01vorbis"])
def test_an_ogg_stream_whose_headers_are_empty_is_refused(tmp_path, first, lacing):
    def page(flags: int, number: int, lacing: bytes, body: bytes) -> bytes:
        head = b"OggS\0" + bytes([flags]) + bytes(8) + b"\1\0\0\0" + number.to_bytes(4, "little") + bytes(4)
        return head + bytes([len(lacing)]) + lacing + body

    path = tmp_path / "song.ogg"
    path.write_bytes(page(2, 0, bytes([len(first)]), first) + page(0, 1, lacing, b""))
    with viewing(path) as view, pytest.raises(Damaged):
        open_ogg(view, 0)


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("size", [0, 1, 3])
def test_an_extended_header_that_is_cut_off_is_refused(tmp_path, version, size):
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3" + bytes([version, 0, 0x40, 0, 0, 0, size]) + bytes(size))
    with viewing(path) as view, pytest.raises(Damaged, match="extended header"):
        open_id3(view, 0, 10 + size)


def test_damaged_files_are_refused_or_written_and_undone(tmp_path):
    assert write_to_damaged(tmp_path, n=60, seed=1) > 10


@pytest.mark.slow
def test_many_damaged_files_are_refused_or_written_and_undone(tmp_path):
    assert write_to_damaged(tmp_path, n=10_000, seed=2) > 2000


@pytest.mark.shared
def test_real_music_is_written_to_and_undone(shared, tmp_path):
    files = sorted(path for kind in ("mp3", "m4a", "wav") for path in shared.rglob(f"*.{kind}"))
    assert files
    for original in files[:12]:
        path = tmp_path / original.name
        path.write_bytes(original.read_bytes())
        with Journal(tmp_path / "journal") as journal:
            apply(plan(path, NEW, keep_existing=False), journal)
        assert read_tags(path).genres == ("Jazz",)
        assert content_id(path) == content_id(original)
        assert all(undone.is_restored for undone in journal.undo())
        assert path.read_bytes() == original.read_bytes()
