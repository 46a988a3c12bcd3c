"""The feature store: what goes in comes out, whatever interrupts it, and never for other audio or other parameters."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark import processes
from earmark.audio.io import read
from earmark.audio.spectra import SPECTRA, Spectrum
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.features import extract as extracting
from earmark.features import workers, writing
from earmark.features.extract import Outcome, extract
from earmark.features.layout import Entry, Index, StoreInfo
from earmark.features.layout import parse as parse_line
from earmark.features.store import FeatureStore, Item
from earmark.features.writing import StoreWriter

from .conftest import RATE, SMALL, Files, sound

Content = Callable[[Path], Files]


def run(items: list[Item], store: Path, *, jobs: int = 1, **options: object) -> extracting.Extraction:
    settings = {"parameters": SMALL, **options}
    return extract(items, store, jobs=jobs, **settings)  # type: ignore[arg-type]


# Round trip -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_the_front_end_computes_comes_out(items: list[Item], tmp_path: Path, dtype: str) -> None:
    done = run(items, tmp_path / "store", dtype=dtype)
    assert (done.n_computed, done.n_known, done.failures) == (4, 1, [])  # two hold the same
    store = FeatureStore.open(tmp_path / "store")
    assert store.ids == [item.id for item in items] == list(store)
    assert len(store) == 5
    spectrum = SPECTRA.build("log_mel", **SMALL)
    for item in items:
        waveform, _ = read(item.path, sample_rate=RATE)
        expected = spectrum(waveform).T.astype(dtype)
        features = store[item.id]
        assert features.dtype == dtype
        np.testing.assert_array_equal(features, expected)
        np.testing.assert_array_equal(store.crop(item.id, 3, 5), expected[3:8])
        assert store.crop(item.id, 3, 5).flags.c_contiguous
        entry = store.entry(item.id)
        assert (entry.n_frames, entry.tags, entry.path) == (len(expected), item.tags, item.path)
        assert entry.duration == len(waveform) / RATE
    assert store.info.parameters == spectrum.parameters
    assert (store.info.n_features, store.info.sample_rate, store.info.hop_length) == (8, RATE, 128)
    assert list(store.check(audio=True)) == [(item.id, "right") for item in items]


def test_waveforms_are_kept_to_the_bit(items: list[Item], tmp_path: Path) -> None:
    done = run(items, tmp_path / "store", frontend="raw", parameters={"sample_rate": RATE})
    assert not done.failures
    store = FeatureStore.open(tmp_path / "store")
    assert store.info.dtype == "int16"
    for item in items:
        samples, _ = soundfile.read(item.path, dtype="int16")
        np.testing.assert_array_equal(store[item.id][:, 0], samples)


def test_waveforms_outside_of_the_range_are_clipped_with_a_note(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.5, -1.5, 2.0, 1.0], np.float32), RATE, subtype="FLOAT")
    run([Item("a", str(tmp_path / "a.wav"))], tmp_path / "store", frontend="raw", parameters={"sample_rate": RATE})
    store = FeatureStore.open(tmp_path / "store")
    assert store["a"][:, 0].tolist() == [16384, -32768, 32767, 32767]
    assert store.entry("a").notes == ("3 samples outside of [-1, 1] were clipped",)


def test_a_segment_is_read(items: list[Item], tmp_path: Path) -> None:
    parts = [replace(items[4], id=f"{i}", segment=(0.1 * i, 0.1 * i + 0.3)) for i in range(3)]
    run(parts, tmp_path / "store", frontend="raw", parameters={"sample_rate": RATE})
    store = FeatureStore.open(tmp_path / "store")
    whole, _ = soundfile.read(items[4].path, dtype="int16")
    for i in range(3):
        np.testing.assert_array_equal(store[str(i)][:, 0], whole[800 * i : 800 * i + 2400])
        assert store.entry(str(i)).segment == parts[i].segment


def test_a_segment_beyond_the_end_is_noted(items: list[Item], tmp_path: Path) -> None:
    run([replace(items[4], segment=(0.5, 3.0))], tmp_path / "store")
    notes = FeatureStore.open(tmp_path / "store").entry(items[4].id).notes
    assert notes == ("0.4 s of the segment's 2.5 s are there",)


def test_equal_contents_are_stored_once(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    store = FeatureStore.open(tmp_path / "store")
    assert store.entry("a.wav").offset == store.entry("d.wav").offset
    n_frames = sum(entry.n_frames for entry in store.entries if entry.id != "d.wav")
    assert (tmp_path / "store" / "data-00000.bin").stat().st_size == n_frames * 8 * 2


def test_data_go_to_a_new_file_when_one_is_full(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(items, tmp_path / "one")
    monkeypatch.setattr(extracting, "SHARD_BYTES", 1500)
    run(items, tmp_path / "many")
    one, many = FeatureStore.open(tmp_path / "one"), FeatureStore.open(tmp_path / "many")
    assert {entry.shard for entry in many.entries} == {0, 1, 2}
    for item in items:
        np.testing.assert_array_equal(one[item.id], many[item.id])


def test_any_number_of_jobs_gives_the_same_files(items: list[Item], tmp_path: Path, content: Content) -> None:
    for jobs in (1, 3):
        run(items, tmp_path / str(jobs), jobs=jobs)
    assert content(tmp_path / "1") == content(tmp_path / "3")


def test_a_store_survives_pickling(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    store = FeatureStore.open(tmp_path / "store")
    expected = np.array(store["a.wav"])
    packed = pickle.dumps(store)
    assert len(packed) < 5000  # no data in it
    np.testing.assert_array_equal(pickle.loads(packed)["a.wav"], expected)


def test_what_is_not_there(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    store = FeatureStore.open(tmp_path / "store")
    with pytest.raises(UnknownNameError, match=r"no track in .* 'a.mp3'"):
        store["a.mp3"]
    assert "a.mp3" not in store
    for start, n_frames in ((-1, 5), (0, 1000), (30, 5)):
        with pytest.raises(UsageError, match="frames"):
            store.crop("a.wav", start, n_frames)
    with pytest.raises(ValueError, match="read-only"):
        store["a.wav"][0] = 0
    with pytest.raises(InputError, match="no feature store"):
        FeatureStore.open(tmp_path)
    with pytest.raises(InputError, match="no feature store"):
        FeatureStore.open(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"earmark_features": 1}', '{"earmark_features": 99}', "\0"])
def test_a_store_that_describes_itself_wrongly(items: list[Item], tmp_path: Path, text: str) -> None:
    run(items[:1], tmp_path / "store")
    (tmp_path / "store" / "store.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"does not describe|another format"):
        FeatureStore.open(tmp_path / "store")
    with pytest.raises(InputError, match=r"does not describe|another format"):
        run(items[:1], tmp_path / "store")


# Never stale ----------------------------------------------------------------------------------------------------------


def test_nothing_is_computed_twice(items: list[Item], tmp_path: Path, content: Content) -> None:
    run(items, tmp_path / "store")
    before = content(tmp_path / "store")
    done = run(items, tmp_path / "store", jobs=2)
    assert (done.n_computed, done.n_known) == (0, 5)
    assert content(tmp_path / "store") == before


def test_a_changed_file_is_computed_again(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    old = FeatureStore.open(tmp_path / "store")
    former = np.array(old["b.flac"])
    stamp = Path(items[1].path).stat()
    soundfile.write(items[1].path, sound(0.6, seed=9), RATE)
    os.utime(items[1].path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # the time says that nothing happened
    assert old.stale(items) == ["b.flac"]
    done = run(items, tmp_path / "store")
    assert (done.n_computed, done.n_known) == (1, 4)
    store = FeatureStore.open(tmp_path / "store")
    assert store.stale(items) == []
    assert len(store) == 5
    assert not np.array_equal(store["b.flac"], former)
    np.testing.assert_array_equal(old["b.flac"], former)  # until it looks again
    old.refresh()
    np.testing.assert_array_equal(old["b.flac"], store["b.flac"])


def test_a_changed_file_that_cannot_be_read_is_not_served(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    Path(items[0].path).write_bytes(b"RIFF and nothing else")
    done = run(items, tmp_path / "store")
    assert [failure.item.id for failure in done.failures] == ["a.wav"]
    store = FeatureStore.open(tmp_path / "store")
    assert "a.wav" not in store
    assert "d.wav" in store  # which held the same
    Path(items[0].path).write_bytes(Path(items[3].path).read_bytes())
    assert run(items, tmp_path / "store").n_known == 5
    assert "a.wav" in FeatureStore.open(tmp_path / "store")


def test_features_outlive_their_audio(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    Path(items[0].path).unlink()
    done = run(items, tmp_path / "store")
    assert [str(failure.error) for failure in done.failures] == [f"{items[0].path}: there is no such file"]
    store = FeatureStore.open(tmp_path / "store")
    assert len(store["a.wav"])
    assert store.stale(items) == ["a.wav"]


def test_another_segment_is_computed_again(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    cut = [replace(items[0], segment=(0.0, 0.25)), *items[1:]]
    assert FeatureStore.open(tmp_path / "store").stale(cut) == ["a.wav"]
    done = run(cut, tmp_path / "store")
    assert (done.n_computed, done.n_known) == (1, 4)
    assert FeatureStore.open(tmp_path / "store").entry("a.wav").duration == 0.25


def test_new_tags_need_no_computing(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    done = run([replace(items[0], tags=("new",)), *items[1:]], tmp_path / "store")
    assert done.n_computed == 0
    assert FeatureStore.open(tmp_path / "store").entry("a.wav").tags == ("new",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parameters": {**SMALL, "n_mels": 9}}, "n_mels=8, now it is n_mels=9"),
        ({"dtype": "float32"}, "dtype=float16, now it is dtype=float32"),
        ({"parameters": {**SMALL, "scaling": "log"}}, "scaling=db, now it is scaling=log"),
        ({"frontend": "raw", "dtype": "float16", "parameters": {"sample_rate": RATE}}, "now it is frontend=raw"),
    ],
)
def test_other_parameters_are_refused(
    items: list[Item], tmp_path: Path, content: Content, options: dict[str, object], said: str
) -> None:
    run(items, tmp_path / "store")
    before = content(tmp_path / "store")
    with pytest.raises(UsageError, match=said):
        run(items, tmp_path / "store", **options)
    assert content(tmp_path / "store") == before


def test_another_revision_of_the_code_is_refused(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(items, tmp_path / "store")
    monkeypatch.setattr(extracting, "REVISION", 99)
    with pytest.raises(UsageError, match="revision=1, now it is revision=99"):
        run(items, tmp_path / "store")


def test_a_file_that_changes_while_it_is_read_fails(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = iter([(1, 1), (1, 2)])
    monkeypatch.setattr(extracting, "_stamp", lambda path: next(stamps))
    done = run(items[:1], tmp_path / "store")
    assert "changed while it was read" in str(done.failures[0].error)


# Failures -------------------------------------------------------------------------------------------------------------


def test_failures_are_listed_and_tried_again(items: list[Item], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", sound(0.01, seed=0), RATE)
    (tmp_path / "letter.mp3").write_text("no song", encoding="utf-8")
    (tmp_path / "empty.wav").touch()
    bad = [Item(name, str(tmp_path / name)) for name in ("short.wav", "letter.mp3", "empty.wav", "missing.wav")]
    seen: list[Outcome] = []
    mixed = [items[0], *bad, *items[1:]]
    done = run(mixed, tmp_path / "store", jobs=2, on_outcome=seen.append)
    assert [outcome.item for outcome in seen] == mixed
    assert [failure.item for failure in done.failures] == bad
    reasons = ["80 samples are fewer than", "text, not audio", r"empty \(0 bytes\)", "no such file"]
    for failure, item, why in zip(done.failures, bad, reasons, strict=True):
        with pytest.raises(InputError, match=f"{item.id}: .*{why}"):
            raise failure.error or AssertionError
    listed = [json.loads(line) for line in (tmp_path / "store" / "failures.jsonl").read_text().splitlines()]
    assert [failure["id"] for failure in listed] == [item.id for item in bad]
    soundfile.write(tmp_path / "missing.wav", sound(0.7, seed=7), RATE)
    done = run(mixed, tmp_path / "store")
    assert (done.n_computed, done.n_known, len(done.failures)) == (1, 5, 3)


def test_truncated_audio_is_kept_with_a_note(items: list[Item], tmp_path: Path) -> None:
    whole = Path(items[0].path).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    done = run([Item("cut", str(tmp_path / "cut.wav"))], tmp_path / "store")
    assert not done.failures
    assert "truncated" in FeatureStore.open(tmp_path / "store").entry("cut").notes[0]


def test_what_does_not_fit_float16_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", np.sin(np.arange(RATE) * np.pi / 4).astype(np.float32), RATE)
    options = {"parameters": {**SMALL, "scaling": "power", "mel_norm": None, "n_fft": 2048}}
    item = Item("loud", str(tmp_path / "loud.wav"))
    done = run([item], tmp_path / "half", **options)
    error = done.failures[0].error
    assert error is not None
    assert "does not fit float16" in error.message
    assert error.hint == "store float32: --dtype float32"
    assert not run([item], tmp_path / "single", dtype="float32", **options).failures


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dtype": "float64"}, "dtype 'float64'"),
        ({"dtype": "int16"}, "int16 holds waveforms"),
        ({"parameters": {"n_mel": 96}}, "takes no option 'n_mel'"),
        ({"jobs": 0}, "jobs is 0"),
    ],
)
def test_wrong_options(items: list[Item], tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(items, tmp_path / "store", **options)  # type: ignore[arg-type]


def test_one_id_for_two_tracks_is_refused(items: list[Item], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"two tracks have the id 'a.wav'"):
        run([items[0], replace(items[1], id="a.wav")], tmp_path / "store")


def test_a_folder_with_other_things_is_refused(items: list[Item], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no feature store, and not empty: müsik"):
        run(items, tmp_path)


# Interruptions --------------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of several data files, one of which is open."""
    monkeypatch.setattr(extracting, "SHARD_BYTES", 1500)
    run(items, tmp_path / "whole")
    return tmp_path / "whole"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_anywhere_and_resumed_the_store_is_the_same(
    data: st.DataObject, whole: Path, items: list[Item], tmp_path: Path, content: Content
) -> None:
    cut = tmp_path / "cut"
    shutil.rmtree(cut, ignore_errors=True)
    shutil.copytree(whole, cut)
    for name in data.draw(st.sets(st.sampled_from(["index.jsonl", "data-00002.bin", "failures.jsonl"]))):
        size = (cut / name).stat().st_size
        with (cut / name).open("r+b") as file:
            file.truncate(data.draw(st.integers(0, size)))
            if data.draw(st.booleans()):  # what a power failure may leave at the end
                file.seek(0, os.SEEK_END)
                file.write(data.draw(st.binary(max_size=20)) if name == "index.jsonl" else b"\0" * 300)
    if data.draw(st.booleans()):
        (cut / "data-00002.bin").unlink()
    seen = FeatureStore.open(cut)
    for id in seen:
        assert len(seen[id])
    run(items, cut)
    assert content(cut) == content(whole)


def test_damage_in_the_middle_of_the_index_costs_one_track(whole: Path, items: list[Item], tmp_path: Path) -> None:
    lines = (whole / "index.jsonl").read_bytes().splitlines(keepends=True)
    (whole / "index.jsonl").write_bytes(b"".join([lines[0], b"x" + lines[1][1:], *lines[2:]]))
    assert FeatureStore.open(whole).ids == [item.id for item in items if item.id != "b.flac"]
    done = run(items, whole)
    assert (done.n_computed, done.n_known) == (1, 4)


def test_damage_in_the_data_is_found_and_mended(whole: Path, items: list[Item]) -> None:
    with (whole / "data-00001.bin").open("r+b") as file:
        file.seek(20)
        file.write(b"x")
    store = FeatureStore.open(whole)
    assert dict(store.check()) == {item.id: "right" for item in items} | {"täg/ç 音.wav": "damaged"}
    with StoreWriter(whole, store.info) as writer:
        writer.drop("täg/ç 音.wav", "damaged", damaged=True)
    assert len(FeatureStore.open(whole)) == 4
    done = run(items, whole)
    assert (done.n_computed, done.n_known) == (1, 4)
    assert {verdict for _, verdict in FeatureStore.open(whole).check()} == {"right"}


_KILLED = """
import sys, time
from earmark.features import extract, writing
from earmark.features.store import Item
writing.COMMIT_SECONDS = 0
def slowly(outcome):
    print(outcome.item.id, flush=True)
    time.sleep(0.05)
items = [Item(name, sys.argv[1] + "/" + name) for name in sys.argv[3:]]
extract.extract(items, sys.argv[2], parameters=%r, jobs=2, on_outcome=slowly)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")
def test_killed_and_resumed_the_store_is_the_same(tmp_path: Path, content: Content) -> None:
    names = [f"{i:02d}.wav" for i in range(30)]
    for i, name in enumerate(names):
        soundfile.write(tmp_path / name, sound(0.3 + 0.01 * i, seed=i), RATE)
    items = [Item(name, str(tmp_path / name)) for name in names]
    command = [sys.executable, "-c", _KILLED % SMALL, str(tmp_path), str(tmp_path / "killed"), *names]
    for n_lines in (3, 14):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(n_lines):
                assert process.stdout.readline()
            process.send_signal(signal.SIGKILL)
    assert 3 <= len(FeatureStore.open(tmp_path / "killed")) < 30
    done = run(items, tmp_path / "killed", jobs=2)
    assert done.n_known >= 3
    run(items, tmp_path / "whole")
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_interrupted_in_this_process_what_is_done_is_kept(items: list[Item], tmp_path: Path, content: Content) -> None:
    def stop(outcome: Outcome) -> None:
        if outcome.item.id == "b.flac":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(items, tmp_path / "store", jobs=2, on_outcome=stop)
    assert FeatureStore.open(tmp_path / "store").ids == ["a.wav", "b.flac"]
    run(items, tmp_path / "store")
    run(items, tmp_path / "whole")
    assert content(tmp_path / "store") == content(tmp_path / "whole")


_SECOND = """
import sys
import threading
from earmark.features.extract import extract
try:
    extract([], sys.argv[1], parameters=%r)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_second_writer_is_refused(items: list[Item], tmp_path: Path) -> None:
    run(items, tmp_path / "store")
    info = StoreInfo.read(tmp_path / "store")
    with StoreWriter(tmp_path / "store", info):
        command = [sys.executable, "-c", _SECOND % SMALL, str(tmp_path / "store")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "UsageError" in done.stdout
        assert "another process is writing to this store" in done.stdout
        assert len(FeatureStore.open(tmp_path / "store")) == 5  # reading is possible
    run(items, tmp_path / "store")


_LIMITED = """
import resource, signal, sys
from earmark.errors import InputError
from earmark.features.extract import extract
from earmark.features.store import Item
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
items = [Item(name, sys.argv[1] + "/" + name) for name in sys.argv[4:]]
try:
    extract(items, sys.argv[2], parameters=%r, jobs=1)
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file sizes on Windows")
@pytest.mark.parametrize("limit", [150, 700, 1200, 3000])
def test_when_the_disk_is_full_nothing_is_lost(tmp_path: Path, content: Content, limit: int) -> None:
    names = [f"{i}.wav" for i in range(12)]
    for i, name in enumerate(names):
        soundfile.write(tmp_path / name, sound(0.3, seed=i), RATE)
    command = [sys.executable, "-c", _LIMITED % SMALL, str(tmp_path), str(tmp_path / "store"), str(limit), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot be written: File too large" in done.stdout
    items = [Item(name, str(tmp_path / name)) for name in names]
    run(items, tmp_path / "store")
    run(items, tmp_path / "whole")
    assert content(tmp_path / "store") == content(tmp_path / "whole")


def test_a_reader_sees_what_is_written_meanwhile(items: list[Item], tmp_path: Path) -> None:
    run(items[:2], tmp_path / "store")
    store = FeatureStore.open(tmp_path / "store")
    assert len(store["a.wav"])
    run(items, tmp_path / "store")
    assert len(store) == 2
    store.refresh()
    assert len(store) == 5
    assert len(store["e.wav"])


def test_lines_are_committed_in_time(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "COMMIT_SECONDS", -1.0)
    seen = []
    run(items, tmp_path / "store", on_outcome=lambda _: seen.append(len(FeatureStore.open(tmp_path / "store"))))
    assert seen == [1, 2, 3, 4, 5]


# Lines ----------------------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=20)


@given(
    st.builds(
        Entry,
        id=TEXT,
        content=TEXT,
        segment=st.none() | st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)),
        shard=st.integers(0, 10**6),
        offset=st.integers(0, 10**15),
        n_frames=st.integers(1, 10**9),
        crc32=st.integers(0, 2**32 - 1),
        duration=st.floats(0, 1e6),
        path=TEXT,
        tags=st.lists(TEXT, max_size=3).map(tuple),
        notes=st.lists(TEXT, max_size=3).map(tuple),
    )
)
def test_a_line_is_read_as_it_was_written(entry: Entry) -> None:
    assert parse_line(entry.to_line()) == entry
    assert parse_line(entry.to_line()[:-1]) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_a_line_or_none(line: bytes) -> None:
    assert parse_line(line) is None


def test_an_index_of_a_hundred_thousand_tracks_is_read_in_seconds(tmp_path: Path, items: list[Item]) -> None:
    run(items[:1], tmp_path / "store")
    line = (tmp_path / "store" / "index.jsonl").read_bytes()
    lines = [line.replace(b'"a.wav"', b'"%d.wav"' % i) for i in range(20_000)]
    (tmp_path / "store" / "index.jsonl").write_bytes(b"".join(lines))
    begun = time.monotonic()
    assert len(Index(tmp_path / "store", StoreInfo.read(tmp_path / "store")).entries) == 20_000
    assert time.monotonic() - begun < 10


# Processes ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_file_that_kills_the_decoder_stops_nothing(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lethal = "import earmark.features.workers as w, os, signal; c = w.compute\n"
    lethal += "w.compute = lambda path, *a: os.kill(os.getpid(), 9) if path.endswith('b.flac') else c(path, *a)\n"
    monkeypatch.setattr(processes, "_CODE", processes._CODE.replace("from earmark", lethal + "from earmark", 1))
    done = run(items, tmp_path / "store", jobs=2)
    assert [str(failure.error) for failure in done.failures] == [
        f"{items[1].path}: the process that decoded it ended with status -9"
    ]
    assert done.n_computed + done.n_known == 4


def test_a_front_end_of_the_caller_is_computed_in_its_process(items: list[Item], tmp_path: Path) -> None:
    name = "louder"
    if name not in SPECTRA:

        @SPECTRA.register(name)
        def louder(*, sample_rate: int = RATE) -> Spectrum:
            return SPECTRA.build("log_mel", sample_rate=sample_rate, n_mels=4)

    done = run(items, tmp_path / "store", frontend=name, parameters={}, jobs=2)
    assert not done.failures
    assert FeatureStore.open(tmp_path / "store").info.n_features == 4


def test_workers_that_are_closed_end_at_once(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", sound(1200, seed=0), RATE)
    failed = []
    with workers.Workers("log_mel", SMALL, "float16", 1) as team:

        def compute() -> None:
            try:
                team.compute(str(tmp_path / "long.wav"), None)
            except InputError as error:
                failed.append(str(error))

        thread = threading.Thread(target=compute)
        thread.start()
        while not team.n_busy:
            time.sleep(0.01)
    thread.join(10)
    assert failed in ([f"{tmp_path / 'long.wav'}: interrupted"], [])


# Front ends -----------------------------------------------------------------------------------------------------------


def melody() -> np.ndarray:
    time = np.arange(2 * 44100) / 44100
    return (0.3 * np.sin(2 * np.pi * (220 + 200 * time) * time)).astype(np.float32)


@pytest.mark.parametrize("name", [name for name in SPECTRA if SPECTRA[name].__module__.startswith("earmark.")])
def test_every_front_end_fills_a_store(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / "a.wav", melody(), 44100)
    done = extract([Item("a", str(tmp_path / "a.wav"))], tmp_path / "store", frontend=name, jobs=1)
    assert not done.failures
    store = FeatureStore.open(tmp_path / "store")
    waveform, _ = read(tmp_path / "a.wav", sample_rate=store.info.sample_rate)
    expected = SPECTRA.build(name)(waveform).T
    features = store["a"] / 32768 if name == "raw" else store["a"].astype(np.float32)
    assert features.shape == expected.shape
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    frames = store.info.frames_per_second * store.entry("a").duration
    assert abs(len(features) - frames) <= 1


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [
        ("log_mel", -77.2436, 29.405),
        ("mfcc", -26.3714, 115.756),
        ("cqt", -72.252, 27.9014),
        ("musicnn", 0.329821, 1.08335),
    ],
)
def test_numbers_are_those_of_this_revision(name: str, mean: float, deviation: float) -> None:
    spectrum = SPECTRA.build(name)
    features = spectrum(soxr.resample(melody(), 44100, spectrum.sample_rate))
    found = float(features.mean()), float(features.std())
    assert found == pytest.approx((mean, deviation), rel=1e-3), "raise earmark.features.extract.REVISION"
    assert extracting.REVISION == 1


def test_a_second_writer_may_wait(tmp_path: Path) -> None:
    info = extracting.describe("raw", {"sample_rate": 8000}, "int16")
    first = StoreWriter(tmp_path / "store", info)
    with pytest.raises(UsageError, match="another process is writing"):
        StoreWriter(tmp_path / "store", info)
    release = threading.Timer(0.3, first.__exit__, (None, None, None))
    release.start()
    begun = time.monotonic()
    with StoreWriter(tmp_path / "store", info, wait=True):
        assert time.monotonic() - begun > 0.2
    release.join()
