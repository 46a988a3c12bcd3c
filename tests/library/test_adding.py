"""Adding folders: nothing is heard twice, nothing is lost, whatever happens meanwhile."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("lancedb")
sys.path.insert(0, str(Path(__file__).parent))

import stub_listening

from earmark.errors import EarmarkWarning, InputError, UsageError
from earmark.library import adding, managing
from earmark.library.adding import Added
from earmark.library.listening import Setup
from earmark.library.store import Store

DRIVER = Path(__file__).with_name("adding_driver.py")
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "heard.log"
    monkeypatch.setenv("EARMARK_STUB_LOG", str(path))
    monkeypatch.setattr(adding, "SERVICE", stub_listening.SERVICE)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "catalogue", create=True)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    write(folder, range(6))
    return folder


def write(folder: Path, numbers: Sequence[int] | range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        (folder / f"{i}.wav").write_bytes(b"music %d" % i)


def add(
    store: Store,
    *folders: Path | str,
    whole: bool = False,
    version: str = "1",
    jobs: int = 1,
    retry_failed: bool = False,
) -> Added:
    model, setup = stub_listening.model(version), Setup(whole=whole)
    with store.writing(wait=0):
        return adding.add(
            store, [str(folder) for folder in folders], model, setup=setup, jobs=jobs, retry_failed=retry_failed
        )


def n_heard(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def paths(store: Store) -> list[str]:
    return sorted(file.path for track in store.tracks() for file in track.files)


def test_what_is_known_is_not_heard_again(store: Store, music: Path, log: Path) -> None:
    first = add(store, music)
    assert (first.n_files, first.n_heard, first.n_known, first.failures) == (6, 6, 0, [])
    write(music, [6])
    second = add(store, music)
    assert (second.n_files, second.n_heard, second.n_known) == (7, 1, 6)
    assert n_heard(log) == 7
    tracks = list(store.tracks(embeddings=True))
    assert len(tracks) == 7
    for track in tracks:
        heard = track.heard["standard"]
        assert set(heard.scores) == set(stub_listening.TAGS) == set(heard.peaks)
        assert heard.embedding is not None
        assert heard.embedding.shape == (8,)
        assert heard.listened.startswith("a chunk")
        assert (track.bpm, track.key, track.duration, track.genres) == (120.0, "A minor", 60.0, ("Stub",))


def test_moved_renamed_and_copied_files_are_recognised(store: Store, music: Path, log: Path, tmp_path: Path) -> None:
    add(store, music)
    moved = tmp_path / "elsewhere"
    music.rename(moved)
    (moved / "0.wav").rename(moved / "renamed.wav")
    (moved / "copy.wav").write_bytes((moved / "1.wav").read_bytes())
    done = add(store, moved)
    assert (done.n_heard, done.n_recognised, n_heard(log)) == (0, 7, 6)
    assert paths(store) == sorted(str(path) for path in moved.iterdir())
    assert store.count() == 6


def test_a_file_with_other_audio_leaves_its_track_without_a_file(store: Store, music: Path, log: Path) -> None:
    add(store, music)
    (music / "0.wav").write_bytes(b"music that is new")
    done = add(store, music)
    assert (done.n_heard, store.count()) == (1, 7)
    lost = [track for track in store.tracks() if not track.files]
    assert [track.title for track in lost] == ["0"]
    assert managing.status(store).n_lost == 1


def test_files_that_are_gone_are_told_and_forgotten_only_when_asked(store: Store, music: Path, log: Path) -> None:
    add(store, music)
    (music / "0.wav").unlink()
    done = add(store, music)
    assert done.missing == [str(music / "0.wav")]
    assert store.count() == 6
    assert managing.missing_files(store) == done.missing
    assert managing.prune(store, done.missing) == 1
    assert store.count() == 5
    assert str(music / "0.wav") not in paths(store)


def test_pruning_keeps_what_is_there_again(store: Store, music: Path, log: Path) -> None:
    add(store, music)
    assert managing.prune(store, [str(music / "0.wav")]) == 0
    assert store.count() == 6


def test_failures_are_kept_and_left_alone_until_they_change(store: Store, music: Path, log: Path) -> None:
    (music / "bad.wav").write_bytes(b"bad")
    (music / "deaf.wav").write_bytes(b"deaf")
    done = add(store, music)
    assert sorted(Path(path).name for path, _ in done.failures) == ["bad.wav", "deaf.wav"]
    assert {Path(failure.path).name: failure.reason for failure in managing.failures(store)} == {
        "bad.wav": f"{music / 'bad.wav'}: no audio",
        "deaf.wav": f"{music / 'deaf.wav'}: silent",
    }
    again = add(store, music)
    assert (again.n_known_failures, again.failures) == (2, [])
    retried = add(store, music, retry_failed=True)
    assert len(retried.failures) == 2
    (music / "bad.wav").write_bytes(b"good now")
    mended = add(store, music)
    assert (mended.n_heard, mended.n_known_failures) == (1, 1)
    assert [Path(failure.path).name for failure in managing.failures(store)] == ["deaf.wav"]


@posix
def test_a_file_that_kills_the_decoder_stops_nothing(store: Store, music: Path, log: Path) -> None:
    (music / "crash.wav").write_bytes(b"crash")
    done = add(store, music)
    assert done.n_heard == 6
    assert [str(error) for _, error in done.failures] == [
        f"{music / 'crash.wav'}: the process that decoded it ended with status -9"
    ]


def test_files_with_the_same_audio_are_one_track_heard_once(store: Store, music: Path, log: Path) -> None:
    for i in range(5):
        (music / f"copy{i}.wav").write_bytes(b"music 0")
    done = add(store, music, jobs=2)
    assert (done.n_heard, n_heard(log), store.count()) == (6, 6, 6)
    assert len(paths(store)) == 11


def test_copies_of_a_file_that_cannot_be_heard_fail_each(store: Store, tmp_path: Path, log: Path) -> None:
    write(tmp_path / "music", [1])
    for i in range(3):
        (tmp_path / "music" / f"deaf{i}.wav").write_bytes(b"deaf")
    done = add(store, tmp_path / "music", jobs=2)
    assert (len(done.failures), done.n_heard, store.count()) == (3, 1, 1)


def test_another_version_and_the_whole_are_heard_anew(store: Store, music: Path, log: Path) -> None:
    add(store, music)
    assert add(store, music, version="2").n_heard == 6
    assert add(store, music, version="2", whole=True).n_heard == 6
    assert add(store, music, version="2").n_heard == 0  # the whole is more than what was asked for
    assert {track.heard["standard"].listened for track in store.tracks()} == {"whole"}
    assert n_heard(log) == 18
    assert store.count() == 6


@posix
def test_names_that_are_no_text(store: Store, music: Path, log: Path) -> None:
    raw = os.fsencode(music) + b"/caf\xe9 '\"\\%_\n.wav"
    try:
        with open(raw, "wb") as file:  # noqa: PTH123 (bytes)
            file.write(b"odd")
    except OSError as error:
        assert error.errno == errno.EILSEQ  # noqa: PT017
        pytest.skip("this file system takes UTF-8 names only")
    add(store, music)
    assert os.fsdecode(raw) in paths(store)
    assert add(store, music).n_known == 7
    os.unlink(raw)  # noqa: PTH108
    assert add(store, music).missing == [os.fsdecode(raw)]
    assert managing.prune(store, [os.fsdecode(raw)]) == 1
    assert store.count() == 6


@posix
def test_links_that_lead_in_circles(store: Store, music: Path, log: Path) -> None:
    (music / "loop").symlink_to(music)
    (music / "again.wav").symlink_to(music / "0.wav")
    (music / "nowhere.wav").symlink_to(music / "none.wav")
    done = add(store, music)
    assert (done.n_files, done.n_heard, done.failures) == (6, 6, [])


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(store: Store, music: Path, log: Path) -> None:
    write(music / "closed", [7])
    (music / "closed").chmod(0)
    try:
        with pytest.warns(EarmarkWarning, match="closed"):
            assert add(store, music).n_heard == 6
    finally:
        (music / "closed").chmod(0o755)


def test_several_folders_are_remembered(store: Store, music: Path, log: Path, tmp_path: Path) -> None:
    write(tmp_path / "more", [20, 21])
    add(store, music, tmp_path / "more" / "20.wav")
    assert store.count() == 7
    write(music, [8])
    assert add(store).n_heard == 1
    assert set(managing.status(store).folders) == {str(music), str(tmp_path / "more" / "20.wav")}


def test_what_cannot_be_added_is_told(store: Store, tmp_path: Path, log: Path) -> None:
    with pytest.raises(UsageError, match="no folder was added yet"):
        add(store)
    with pytest.raises(InputError, match="no such file or folder"):
        add(store, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert add(store, tmp_path / "empty").n_files == 0


def test_files_that_appear_and_vanish_while_others_are_heard(
    store: Store, music: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_STUB_SECONDS", "0.2")

    def meddle() -> None:
        while n_heard(log) < 1:
            time.sleep(0.01)
        (music / "5.wav").unlink()
        write(music, [9])

    thread = threading.Thread(target=meddle)
    thread.start()
    done = add(store, music)
    thread.join()
    assert done.failures == []
    assert {Path(path).name for path in paths(store)} >= {"0.wav", "1.wav", "2.wav", "3.wav", "4.wav", "9.wav"}


def test_a_file_that_is_replaced_while_it_is_heard_is_heard_anew(
    store: Store, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_STUB_SECONDS", "0.5")
    write(tmp_path / "music", [0])
    file = tmp_path / "music" / "0.wav"

    def meddle() -> None:
        while n_heard(log) < 1:
            time.sleep(0.01)
        (tmp_path / "new").write_bytes(b"another piece of music")
        (tmp_path / "new").replace(file)

    thread = threading.Thread(target=meddle)
    thread.start()
    done = add(store, tmp_path / "music")
    thread.join()
    (track,) = store.tracks()
    assert done.n_heard == 1
    assert track.files[0].size == file.stat().st_size
    assert add(store, tmp_path / "music").n_known == 1


# Killed ---------------------------------------------------------------------------------------------------------------


def start(catalogue: Path, *folders: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(DRIVER), str(catalogue), "2", *map(str, folders)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_whole(catalogue: Path, music: Path) -> int:
    """See that every row is whole and there once; return how many there are."""
    store = Store(catalogue)
    if "standard" not in {model.name for model in store.models()}:
        assert store.count() == 0
        return 0
    tracks = list(store.tracks(embeddings=True))
    ids = [track.id for track in tracks]
    assert len(ids) == len(set(ids))
    for track in tracks:
        assert len(track.heard["standard"].scores) == len(stub_listening.TAGS)
        assert track.heard["standard"].embedding is not None
        assert [file.path for file in track.files]
        assert all(Path(file.path).parent == music for file in track.files)
    return len(tracks)


def kill_many_times(tmp_path: Path, *, n_kills: int, n_files: int, seed: int) -> tuple[int, int]:
    """Kill a run at random moments until it has been killed so often; return rows seen last, and files heard in all."""
    rng = random.Random(seed)
    catalogue, music = tmp_path / "catalogue", tmp_path / "music"
    write(music, range(n_files))
    seen = 0
    for _ in range(n_kills):
        process = start(catalogue, music)
        assert process.stdout is not None
        if rng.random() < 0.8:
            process.stdout.readline()  # "begun": most kills hit the work, the others the start
            time.sleep(rng.uniform(0, 0.6))
        else:
            time.sleep(rng.uniform(0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (catalogue / "tracks.lance").exists():
            n = check_whole(catalogue, music)
            assert n >= seen, "a row was lost"
            seen = n
        if seen == n_files:  # all done: change something, so that there is work again
            n_files += 10
            write(music, range(n_files))
    process = start(catalogue, music)
    out, problem = process.communicate(timeout=120)
    assert process.returncode == 0, problem
    assert out.splitlines()[-1].split()[3] == "0"
    return check_whole(catalogue, music), n_files


@posix
def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_STUB_SECONDS", "0.01")
    n_rows, n_files = kill_many_times(tmp_path, n_kills=3, n_files=30, seed=1)
    assert n_rows == n_files


@posix
@pytest.mark.slow
def test_killed_two_hundred_times_nothing_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_STUB_SECONDS", "0.01")
    n_rows, n_files = kill_many_times(tmp_path, n_kills=200, n_files=40, seed=2)
    assert n_rows == n_files


@posix
def test_children_end_with_a_parent_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_STUB_SECONDS", "0.3")
    write(tmp_path / "music", range(10))
    process = start(tmp_path / "catalogue", tmp_path / "music")
    assert process.stdout is not None
    process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        process.communicate()
        pytest.skip("no /proc")
    while not (pids := children.read_text().split()):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@posix
def test_a_second_process_waits_and_readers_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_STUB_SECONDS", "0.02")
    write(tmp_path / "a", range(12))
    write(tmp_path / "b", range(100, 112))
    first = start(tmp_path / "catalogue", tmp_path / "a")
    assert first.stdout is not None
    first.stdout.readline()
    store = Store(tmp_path / "catalogue", create=True)
    with pytest.raises(UsageError, match="another process is writing"), store.writing(wait=0):
        pass
    second = start(tmp_path / "catalogue", tmp_path / "b")
    while first.poll() is None:
        assert store.count() <= 24
        time.sleep(0.02)
    for process in (first, second):
        _, problem = process.communicate(timeout=60)
        assert process.returncode == 0, problem
    assert store.count() == 24


# Disks ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes; needs the right to mount one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(tiny_disk: Path, music: Path, log: Path) -> None:
    store = Store(tiny_disk / "catalogue", create=True)
    add(store, music)
    ballast = tiny_disk / "ballast"
    with pytest.raises(OSError, match="space"), ballast.open("wb") as file:  # noqa: PT012
        while True:
            file.write(bytes(4096))
            file.flush()
    write(music, range(6, 30))
    with pytest.raises(InputError, match="cannot be written") as caught:
        add(store, music)
    assert caught.value.hint is not None
    assert "free some space" in caught.value.hint
    assert Store(tiny_disk / "catalogue").count() == 6
    ballast.unlink()
    add(store, music)
    assert check_whole(tiny_disk / "catalogue", music) == 30


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_catalogue_that_may_not_be_written_is_told(store: Store, music: Path, log: Path) -> None:
    add(store, music)
    assert store.folder is not None
    store.folder.chmod(0o555)
    try:
        write(music, [30])
        with pytest.raises(InputError, match="cannot be written"):
            add(store, music)
    finally:
        store.folder.chmod(0o755)
    assert store.count() == 6
