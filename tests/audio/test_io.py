import contextlib
import gzip
import io
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.io import AUDIO_SUFFIXES, open_audio, probe, read, write
from earmark.errors import AudioWarning, EarmarkError, InputError, MissingExtraError, UsageError

LOSSLESS = {"u8.wav": 1e-2, "s16.wav": 1e-4, "s24.wav": 1e-6, "s32.wav": 1e-6, "float.wav": 0, "double.wav": 0}
LOSSLESS |= {"s16.au": 1e-4, "s24.aiff": 1e-6, "s16.flac": 1e-4, "alac.m4a": 1e-4}


def wav(data: bytes, *, n_channels=1, rate=8000, bits=16, code=1, announced=None) -> bytes:
    width = max(n_channels, 1) * bits // 8
    fmt = struct.pack("<HHIIHH", code, n_channels, rate, rate * width, width, bits)
    size = len(data) if announced is None else announced
    riff = min(36 + size, 0xFFFFFFFF)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def listen(source, **options):
    """Return the waveform and the notes."""
    with open_audio(source, **options) as reader:
        return np.concatenate(list(reader.blocks()), axis=-1), reader.notes


def half(path: Path, share: float = 0.5) -> bytes:
    data = path.read_bytes()
    return data[: int(len(data) * share)]


def noise_then_silence_mp3(rate=44100, *, variable=False, xing=True, id3=b"", seconds=6.0) -> bytes:
    """An mp3 with or without its Xing header, noise first and silence then."""
    rng = np.random.default_rng(0)
    n = round(rate * seconds / 3)
    samples = np.concatenate([rng.normal(0, 0.2, n), np.zeros(2 * n)]).astype(np.float32)
    file = io.BytesIO()
    mode = "VARIABLE" if variable else "CONSTANT"
    soundfile.write(
        file, samples, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.3
    )
    data = file.getvalue()
    at = max(data.find(b"Xing", 0, 200), data.find(b"Info", 0, 200))
    assert at > 0
    return id3 + (data if xing else data[data.index(data[:2], 4) :])


# What is read


def test_every_container_of_libsndfile(audio_file, sndfile_name):
    waveform_at = {44100: None, 48000: None}
    path = audio_file(sndfile_name)
    got, notes = listen(path, mono=False)
    info = probe(path)
    from_start = got[:, :]
    assert notes == []
    assert info.n_channels == 2
    assert info.sample_rate in waveform_at
    assert info.duration == pytest.approx(6, abs=1e-3)
    assert from_start.dtype == np.float32
    assert from_start.flags.c_contiguous
    assert from_start.shape == (2, 6 * info.sample_rate)
    check_content(sndfile_name, got, info.sample_rate)


def check_content(name, got, rate):
    t = np.arange(6 * rate) / rate
    left = 0.4 * np.sin(2 * np.pi * (200 + 150 * t) * t)
    if name in LOSSLESS:
        assert np.abs(got[0] - left).max() <= LOSSLESS[name] + 1e-6
    else:
        inner = slice(rate, 5 * rate)
        lags = {lag: np.dot(got[0][inner], np.roll(left, lag)[inner]) for lag in (-1200, -1105, 0, 256, 1024, 1105)}
        wanted = {"adts.aac": 1024, "mp3.avi": 1105, "ac3.ac3": 256}.get(
            name, 0
        )  # containers that do not tell the delay
        assert name == "wma.wma" or max(lags, key=lags.get) == wanted


def test_every_container_of_pyav(audio_file, av_name):
    pytest.importorskip("av")
    path = audio_file(av_name)
    got, notes = listen(path, mono=False)
    info = probe(path)
    assert notes == []
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert got.shape[0] == info.n_channels == 2
    assert got.shape[1] / info.sample_rate == pytest.approx(6, abs=0.15)
    assert info.duration is None or info.duration == pytest.approx(6, abs=0.15)
    assert (info.duration is None) == (path.suffix in (".aac", ".ac3"))
    check_content(av_name, got, info.sample_rate)


def test_content_decides_not_the_suffix(audio_file, tmp_path):
    for name in ("s16.flac", "vorbis.ogg", "aac.m4a", "lame.mp3"):
        path = tmp_path / f"{name}.wav"
        path.write_bytes(audio_file(name).read_bytes())
        assert (
            probe(path).container
            == {"s16.flac": "flac", "vorbis.ogg": "ogg", "aac.m4a": "mp4", "lame.mp3": "mp3"}[name]
        )


def test_mono_is_the_mean_before_resampling(audio_file, waveform):
    got, rate = read(audio_file("float.wav"), sample_rate=16000)
    assert rate == 16000
    mean = waveform.mean(axis=0)
    np.testing.assert_allclose(got, soxr.resample(mean, 44100, 16000, "HQ"), atol=1e-6)


def test_stereo_is_resampled_by_channel(audio_file, waveform):
    got, _ = read(audio_file("float.wav"), sample_rate=16000, mono=False)
    np.testing.assert_allclose(got.T, soxr.resample(waveform.T, 44100, 16000, "HQ"), atol=1e-6)


@pytest.mark.parametrize("rate", [None, 8000, 44100, 48000])
@pytest.mark.parametrize("mono", [True, False])
@pytest.mark.parametrize("name", ["float.wav", "lame.mp3", "aac.m4a"])
def test_blocks_of_any_size_hold_the_same_audio(audio_file, rate, mono, name):
    whole, _ = listen(audio_file(name), sample_rate=rate, mono=mono, block_seconds=100)
    for block_seconds in (0.05, 0.9):
        parts, _ = listen(audio_file(name), sample_rate=rate, mono=mono, block_seconds=block_seconds)
        np.testing.assert_allclose(parts, whole, atol=1e-6)


@pytest.mark.parametrize("n_channels", [1, 3, 6])
def test_any_number_of_channels(n_channels):
    samples = np.random.default_rng(0).uniform(-1, 1, (16000, n_channels)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="WAV", subtype="FLOAT")
    np.testing.assert_allclose(listen(file.getvalue(), block_seconds=0.1)[0], samples.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(listen(file.getvalue(), mono=False, block_seconds=0.1)[0], samples.T)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_samples(n):
    data = wav(b"\1\1" * n, rate=48000)
    assert read(data)[0].shape == (n,)
    assert read(data, sample_rate=8000)[0].size <= 1
    assert read(data, sample_rate=8000, mono=False)[0].shape[0] == 1


def test_blocks_kept_by_the_caller_stay_as_they_are():
    samples = np.arange(1000, dtype=np.float32) / 1000
    data = wav(samples.tobytes(), bits=32, code=3, rate=1000)
    for mono in (True, False):
        with open_audio(data, mono=mono, block_seconds=0.1) as reader:
            kept = list(reader.blocks())
        assert len(kept) == 10
        np.testing.assert_array_equal(np.concatenate(kept, axis=-1).ravel(), samples)


# Where it comes from


def test_sources_agree(audio_file, monkeypatch, tmp_path):
    path = audio_file("lame.mp3")
    data = path.read_bytes()
    wanted, _ = read(path)
    relative = tmp_path / "http:song.mp3"
    relative.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    packed = gzip.compress(data)
    with path.open("rb") as file, gzip.open(io.BytesIO(packed)) as unpacked:
        for source in (str(path), data, file, io.BytesIO(data), unpacked, "http:song.mp3"):
            np.testing.assert_array_equal(read(source)[0], wanted)
        assert not file.closed


@pytest.mark.parametrize("name", ["lame.mp3", "s16.wav", "aac.m4a"])
def test_what_cannot_seek_is_read_too(audio_file, name):
    path = audio_file(name)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        np.testing.assert_array_equal(read(process.stdout)[0], read(path)[0])


def test_stdin(audio_file, monkeypatch):
    data = audio_file("s16.flac").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert probe("-").name == "stdin"


def test_a_file_object_is_read_from_where_it_stands(audio_file):
    data = audio_file("s16.flac").read_bytes()
    file = io.BytesIO(b"prefix" + data)
    file.seek(6)
    np.testing.assert_array_equal(read(file)[0], read(data)[0])


def test_threads_do_not_disturb_each_other(audio_file):
    names = ["lame.mp3", "vorbis.ogg", "s16.flac", "aac.m4a", "opus.webm", "s16.wav"] * 2
    wanted = {name: read(audio_file(name), sample_rate=16000)[0] for name in set(names)}
    barrier = threading.Barrier(len(names))

    def work(name: str) -> np.ndarray:
        barrier.wait()
        return listen(audio_file(name), sample_rate=16000, block_seconds=0.05)[0]

    with ThreadPoolExecutor(len(names)) as pool:
        for name, got in zip(names, pool.map(work, names), strict=True):
            np.testing.assert_allclose(got, wanted[name], atol=1e-6)


class LongWav:
    """A wav of an hour that exists only while it is read."""

    def __init__(self, seconds: int = 3600, rate: int = 8000) -> None:
        self.head = wav(b"", rate=rate, announced=2 * rate * seconds)
        self.size = len(self.head) + 2 * rate * seconds
        self.position = 0

    def seekable(self):
        return True

    def tell(self):
        return self.position

    def seek(self, offset, whence=0):
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def read(self, size=-1):
        stop = min(self.position + size, self.size) if size >= 0 else self.size
        data = self.head[self.position : stop].ljust(stop - self.position, b"\1")
        self.position = stop
        return data


def test_memory_does_not_grow_with_duration():
    tracemalloc.start()
    try:
        with open_audio(LongWav(), sample_rate=4000) as reader:
            n = sum(block.size for block in reader.blocks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == 3600 * 4000
    assert peak < 8e6


# Offset and duration


@pytest.mark.parametrize("name", ["s16.wav", "s16.flac", "vorbis.ogg", "lame.mp3", "s24.aiff", "opus.opus"])
@settings(max_examples=15, deadline=None)
@given(offset=st.floats(0, 5.9), duration=st.one_of(st.none(), st.floats(0.001, 7)))
def test_offset_and_duration_are_exact(audio_file, name, offset, duration):
    path = audio_file(name)
    whole, rate = read(path, mono=False)
    start = round(offset * rate)
    stop = None if duration is None else start + max(round(duration * rate), 1)
    got, notes = listen(path, mono=False, offset=offset, duration=duration, block_seconds=0.7)
    assert notes == []
    np.testing.assert_allclose(got, whole[:, start:stop], atol=1e-6)


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("xing", [False, True])
def test_offset_in_mp3_is_exact_with_and_without_xing(variable, xing):
    data = noise_then_silence_mp3(variable=variable, xing=xing, seconds=12)
    whole, rate = read(data)
    for offset in (0.01, 1.2345, 3.9, 8.0):
        np.testing.assert_allclose(read(data, offset=offset)[0], whole[round(offset * rate) :], atol=1e-6)


def test_offset_with_pyav(audio_file):
    for name, tolerance in (("aac.m4a", 0), ("faststart.m4a", 0), ("alac.m4a", 0), ("opus.webm", 48)):
        whole, rate = read(audio_file(name))
        for offset in (0.5, 3.3, 5.5):
            got, _ = read(audio_file(name), offset=offset, duration=0.3)
            assert got.size == round(0.3 * rate)
            start = round(offset * rate)
            errors = [np.abs(whole[start + lag :][: got.size] - got).max() for lag in range(-tolerance, tolerance + 1)]
            assert min(errors) < 1e-3


@pytest.mark.parametrize("name", ["s16.wav", "lame.mp3", "vorbis.ogg", "aac.m4a", "opus.webm", "adts.aac"])
@pytest.mark.parametrize("offset", [7, 100])
def test_offset_past_the_end(audio_file, name, offset):
    with pytest.raises(InputError, match=rf"offset {offset} s is past the end"):
        read(audio_file(name), offset=offset)


def test_offset_past_the_end_of_an_mp3_without_xing():
    for variable in (False, True):
        with pytest.raises(InputError, match="offset 100 s is past the end"):
            read(noise_then_silence_mp3(variable=variable, xing=False), offset=100)


@pytest.mark.parametrize("offset", [-1, -0.001, float("nan"), float("inf")])
def test_impossible_offsets(audio_file, offset):
    with pytest.raises(UsageError, match="offset is"):
        read(audio_file("s16.wav"), offset=offset)


@pytest.mark.parametrize("duration", [0, -1, float("nan"), float("inf")])
def test_impossible_durations(audio_file, duration):
    with pytest.raises(UsageError, match="duration is"):
        read(audio_file("s16.wav"), duration=duration)


def test_impossible_rates(audio_file):
    wrong = [{"sample_rate": rate} for rate in (0, -5, 22050.5, float("nan"), float("inf"), 1e12, "8000")]
    wrong += [{"block_seconds": seconds} for seconds in (0, -1, float("nan"), float("inf"), 1e9)]
    for options in wrong:
        with pytest.raises(UsageError, match=r"block_seconds=|sample_rate="):
            open_audio(audio_file("s16.wav"), **options)
    assert read(audio_file("s16.wav"), sample_rate=22050.0)[0].size == 6 * 22050


# Truncated and damaged


@pytest.mark.parametrize(
    "name",
    ["s16.wav", "float.wav", "s16.au", "s24.aiff", "s16.flac", "lame.mp3", "faststart.m4a", "opus.webm", "wavpack.wv"],
)
def test_truncated_files_yield_what_is_readable(audio_file, name):
    data = half(audio_file(name))
    whole, rate = read(audio_file(name))
    got, notes = listen(data)
    (note,) = notes
    assert note.startswith(f"truncated: {got.size / rate:.1f} s of 6.0 s could be read")
    assert 2 < got.size / rate < 4
    np.testing.assert_allclose(got[: got.size - 4000], whole[: got.size - 4000], atol=1e-4)


@pytest.mark.parametrize("name", ["vorbis.ogg", "opus.opus", "adts.aac"])
def test_truncated_files_that_announce_nothing(audio_file, name):
    got, notes = listen(half(audio_file(name), 0.7))
    (note,) = notes
    assert note.startswith("damaged or truncated")
    assert "s could be read" in note
    assert got.size > 2 * 44100


def test_truncated_mp3_without_xing_says_so_when_a_frame_is_cut():
    data = noise_then_silence_mp3(xing=False)
    got, notes = listen(data[: len(data) // 2 + 100])
    assert notes == [f"damaged or truncated: the last frame is cut; {got.size / 44100:.1f} s could be read"]


def test_no_decoder_talks_to_the_terminal(audio_file, capfd):
    listen(audio_file("lame.mp3"))
    listen(half(audio_file("lame.mp3")))
    for xing in (False, True):
        listen(noise_then_silence_mp3(variable=True, xing=xing))
    with pytest.raises(EarmarkError):
        read(np.random.default_rng(0).bytes(100000))
    assert capfd.readouterr() == ("", "")


def test_pyav_does_not_talk_to_the_terminal(audio_file, capfd):
    listen(half(audio_file("faststart.m4a")))
    assert capfd.readouterr() == ("", "")


def test_duration_that_ends_before_the_cut_gives_no_note(audio_file):
    assert listen(half(audio_file("s16.wav")), duration=2)[1] == []


def test_read_warns_with_the_name(audio_file, tmp_path):
    path = tmp_path / "cut.wav"
    path.write_bytes(half(audio_file("s16.wav")))
    with pytest.warns(AudioWarning, match=r"cut\.wav: truncated: 3\.0 s of 6\.0 s"):
        read(path)


def test_an_m4a_without_its_index_is_an_error(audio_file):
    with pytest.raises(InputError, match="no audio that can be read") as caught:
        read(half(audio_file("aac.m4a")))
    assert "index" in caught.value.hint


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("xing", [False, True])
@pytest.mark.parametrize("id3", [b"", b"ID3\4\0\0\0\0\2\0" + bytes(256), b"ID3\4\0\0\0\0\0\4abcd" + bytes(50)])
def test_mp3_is_read_to_its_end_whatever_its_header_says(variable, xing, id3):
    data = noise_then_silence_mp3(variable=variable, xing=xing, id3=id3)
    got, notes = listen(data)
    assert notes == []
    assert got.size / 44100 == pytest.approx(6, abs=0 if xing else 0.06)
    assert probe(data).duration == (6 if xing else None)


def test_tags_at_the_end_of_an_mp3_are_no_damage():
    ape = b"some value" + struct.pack("<8sIIII8x", b"APETAGEX", 2000, 42, 1, 0)
    for tags in (b"TAG" + b"x" * 125, ape, ape + b"TAG" + b"x" * 125):
        data = noise_then_silence_mp3(xing=False)
        assert listen(data + tags)[1] == []
        np.testing.assert_array_equal(listen(data + tags)[0], listen(data)[0])


def test_mp3_behind_stray_bytes_is_found():
    data = noise_then_silence_mp3()
    assert probe(b"\x01\x02garbage" * 20 + data).container == "mp3"


def test_two_mp3_in_one_file_are_both_read():
    data = noise_then_silence_mp3()
    got, notes = listen(data + data)
    assert got.size / 44100 == pytest.approx(12, abs=0.15)
    assert notes == []


def test_a_damaged_piece_is_left_out(audio_file):
    pytest.importorskip("av")
    data = bytearray(audio_file("lame.mp3").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(0).bytes(4000)
    got, notes = listen(bytes(data))
    assert len(notes) == 1
    assert 5 < got.size / 44100 < 6


# Errors


def test_missing_folder_empty(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read(tmp_path / "none.wav")
    with pytest.raises(InputError, match="this is a folder"):
        read(tmp_path)
    (tmp_path / "empty.mp3").touch()
    with pytest.raises(InputError, match=r"empty \(0 bytes\)"):
        read(tmp_path / "empty.mp3")
    with pytest.raises(InputError, match="empty"):
        read(b"")
    with pytest.raises(InputError, match="null"):
        read("a\0b.wav")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user without all permissions")
def test_no_permission(tmp_path):
    (tmp_path / "locked.wav").touch(0o000)
    with pytest.raises(InputError, match="no permission"):
        read(tmp_path / "locked.wav")


def test_no_permission_is_said(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"locked\.wav: no permission"):
        read(tmp_path / "locked.wav")


@pytest.mark.parametrize("text", ["hello, this is text\n" * 300, "#EXTM3U\nsong.mp3\n", "Größe: ä" * 1000, "x"])
def test_text_is_no_audio(tmp_path, text):
    path = tmp_path / "song.mp3"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"song\.mp3: this is text, not audio"):
        read(path)


def test_what_is_no_source_is_refused():
    with pytest.raises(InputError, match="a ndarray is no audio source"):
        read(np.zeros(5))


def test_text_file_objects_are_refused():
    with pytest.raises(InputError, match="text file object"):
        read(io.StringIO("x"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wav(b"\0\0" * 100, n_channels=0), "zero channels"),
        (wav(b""), "holds no audio"),
        (wav(b"\0\0" * 100)[:30], "the header cannot be read: No 'data' chunk"),
        (wav(b"\0\0" * 100)[:9], "no audio that can be read|header cannot be read"),
        (wav(b"\0\0" * 100, rate=0), "header cannot be read"),
        (np.random.default_rng(0).bytes(50000), "audio"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "no audio"),
        (b"ID3\4\0\0\0\0\0\4abcd", "no audio that can be read"),
        (b"\xff\xfb\x90\x64" + bytes(50), "cannot be"),
    ],
)
def test_broken_headers_are_errors_with_a_reason(data, reason):
    pytest.importorskip("av")
    for attempt in (read, probe):
        if attempt is read or "no audio" not in reason:
            with pytest.raises(InputError, match=reason) as caught:
                attempt(data)
            assert caught.value.__cause__ is None


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_values_that_are_not_finite(value, what, n_channels):
    samples = np.zeros((32000, n_channels), dtype=np.float32)
    samples[20000, -1] = value
    data = wav(samples.tobytes(), n_channels=n_channels, bits=32, code=3)
    for options in ({}, {"mono": False}, {"sample_rate": 4000}, {"offset": 1.0}):
        with pytest.raises(InputError, match=rf"holds {what} at 2\.50 s"):
            read(data, **options)
    assert read(data, duration=2.4)[0].size == 19200


def test_huge_finite_values_are_no_error():
    samples = np.full(32000, 3e38, dtype=np.float32)
    assert np.isfinite(listen(wav(samples.tobytes(), bits=32, code=3))[0]).all()


@given(
    data=st.binary(max_size=300),
    prefix=st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"ID3\4", b"\xff\xfb\x90", b"\0\0\0\x18ftyp"]),
)
@settings(max_examples=150, deadline=None)
def test_no_bytes_lead_to_a_foreign_error(data, prefix):
    with contextlib.suppress(EarmarkError):
        listen(prefix + data)


def test_a_reader_yields_once_and_checks_nothing_late(audio_file):
    with open_audio(audio_file("s16.wav")) as reader:
        list(reader.blocks())
        assert reader.seconds == 6
        with pytest.raises(UsageError, match="once"):
            reader.blocks()


def test_without_pyav_the_extra_is_named(audio_file, monkeypatch):
    path = audio_file("aac.m4a")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra \[formats\]") as caught:
        read(path)
    assert "earmark[formats]" in caught.value.hint
    assert probe(audio_file("lame.mp3")).container == "mp3"
    with pytest.raises(InputError, match="this is text"):
        read(b"text " * 100)
    with pytest.raises(InputError, match="zero channels"):
        read(wav(b"\0\0" * 100, n_channels=0))


def test_wav_from_a_pipe_announces_no_length():
    data = wav(b"\1\0" * 16000, announced=0xFFFFFFFF)
    assert probe(data).duration is None
    got, notes = listen(data)
    assert got.size == 16000
    assert notes == []


# Writing


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".au", ".ogg", ".opus", ".mp3", ".WAV"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_write_and_read_back(tmp_path, waveform, suffix, n_channels):
    samples = waveform[:n_channels] if n_channels == 2 else waveform[0]
    path = tmp_path / f"out{suffix}"
    rate = 48000 if suffix == ".opus" else 44100
    write(path, samples, rate)
    got, got_rate = read(path, mono=n_channels == 1)
    assert got_rate == rate
    assert got.shape == samples.shape
    if suffix not in (".ogg", ".opus", ".mp3"):
        np.testing.assert_allclose(got, samples, atol=1e-4)
    assert list(tmp_path.iterdir()) == [path]


def test_write_blocks(tmp_path, waveform):
    write(tmp_path / "whole.flac", waveform, 44100)
    write(tmp_path / "blocks.flac", np.array_split(waveform, 7, axis=1), 44100)
    np.testing.assert_array_equal(read(tmp_path / "whole.flac")[0], read(tmp_path / "blocks.flac")[0])


def test_write_subtypes(tmp_path, waveform):
    write(tmp_path / "a.wav", 2 * waveform[0] / np.abs(waveform[0]).max(), 44100, subtype="float")
    assert read(tmp_path / "a.wav")[0].max() == pytest.approx(2, abs=1e-3)
    with pytest.raises(UsageError, match="takes no subtype 'MP7'") as caught:
        write(tmp_path / "b.wav", waveform, 44100, subtype="mp7")
    assert "PCM_24" in caught.value.hint


def test_write_notes_clipping(tmp_path):
    with pytest.warns(AudioWarning, match=r"2 samples .* clipped \(peak 1\.50\)"):
        write(tmp_path / "a.wav", np.array([0, 1.5, -1.2, 1.0, -1.0]), 8000)
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], [0, 1, -1, 1, -1], atol=1e-4)


def test_write_refuses(tmp_path, waveform):
    with pytest.raises(UsageError, match=r"cannot write \.xyz") as caught:
        write(tmp_path / "a.xyz", waveform, 44100)
    assert ".flac" in caught.value.hint
    with pytest.raises(InputError, match="empty waveform"):
        write(tmp_path / "a.wav", np.zeros(0, dtype=np.float32), 44100)
    with pytest.raises(InputError, match="NaN"):
        write(tmp_path / "a.wav", np.full(5, np.nan), 44100)
    with pytest.raises(InputError, match="there is no such"):
        write(tmp_path / "none" / "a.wav", waveform, 44100)
    with pytest.raises(InputError, match="cannot be written at 44100 Hz"):
        write(tmp_path / "a.opus", waveform, 44100)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, waveform):
    path = tmp_path / "a.wav"
    write(path, waveform, 44100)

    def blocks():
        yield waveform
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write(path, blocks(), 44100)
    assert read(path)[0].size == waveform.shape[1]
    assert list(tmp_path.iterdir()) == [path]


# Real music


@pytest.mark.shared
def test_all_shared_music_is_read_whole_and_without_a_note(shared):
    pytest.importorskip("av")
    paths = [path for path in sorted(shared.glob("audio/*/*")) if path.suffix in AUDIO_SUFFIXES]
    assert len(paths) == 23
    for path in paths:
        info = probe(path)
        with open_audio(path, sample_rate=16000) as reader:
            n = sum(block.size for block in reader.blocks())
        assert reader.notes == [], path.name
        assert n / 16000 == pytest.approx(reader.seconds, abs=1e-3)
        assert reader.seconds > 29
        if path.parent.name == "kevin_macleod":
            assert info.duration == pytest.approx(reader.seconds, abs=0.05), path.name
        else:
            assert info.duration is None  # no Xing header


@pytest.mark.shared
def test_libsndfile_and_pyav_agree_on_mp3(shared):
    pytest.importorskip("av")
    from earmark.audio.decode import AvDecoder

    for name in ("kevin_macleod/scheming_weasel.mp3", "clips/bensound-cute.mp3"):
        path = shared / "audio" / name
        wanted, _ = read(path, mono=False)
        with path.open("rb") as file:
            decoder = AvDecoder(file, name)
            got = np.concatenate([block.T for block in decoder.blocks(0, 441000)], axis=1)
            decoder.close()
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["clips/bensound-cute.mp3", "kevin_macleod/fluffing_a_duck.mp3", "kevin_macleod/hand_trolley.webm"]
)
def test_real_files_cut_in_the_middle(shared, name):
    if name.endswith("webm"):
        pytest.importorskip("av")
    path = shared / "audio" / name
    whole, rate = read(path)
    got, notes = listen(half(path))
    assert 0.3 < got.size / whole.size < 0.7
    if "clips" not in name:
        assert notes == [f"truncated: {got.size / rate:.1f} s of {probe(path).duration:.1f} s could be read"]
    np.testing.assert_allclose(got[: got.size - 4000], whole[: got.size - 4000], atol=1e-5)


@pytest.mark.shared
def test_offsets_into_real_mp3_are_exact(shared):
    for name in ("clips/bensound-thejazzpiano.mp3", "kevin_macleod/fluffing_a_duck.mp3"):
        path = shared / "audio" / name
        whole, rate = read(path)
        for offset in (0.1, 7.77, 25.0):
            got, _ = read(path, offset=offset, duration=2)
            np.testing.assert_allclose(got, whole[round(offset * rate) :][: 2 * rate], atol=1e-6)
