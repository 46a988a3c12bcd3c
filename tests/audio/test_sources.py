"""Where audio comes from: names, file objects that fail, and what is joined in one file."""

import gzip
import io
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio import mpeg
from earmark.audio.io import open_audio, probe, read, source_name, write
from earmark.errors import InputError, UsageError


def tone(container="WAV", subtype="PCM_16", *, rate=44100, n_channels=2, frequency=440.0, seconds=3.0) -> bytes:
    """A sine in a file."""
    t = np.arange(round(rate * seconds)) / rate
    samples = np.repeat(0.3 * np.sin(2 * np.pi * frequency * t)[:, None], n_channels, axis=1)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, n_channels, subtype, format=container) as sound:
        for start in range(0, len(samples), 50000):
            sound.write(samples[start : start + 50000])
    return file.getvalue()


def vorbis(**options) -> bytes:
    return tone("OGG", "VORBIS", **options)


def mp3(*, xing=True, **options) -> bytes:
    data = tone("MP3", "MPEG_LAYER_III", **options)
    return data if xing else data[data.index(data[:2], 4) :]


def listen(source, **options):
    with open_audio(source, **options) as reader:
        return np.concatenate(list(reader.blocks()), axis=-1), reader.notes


def loudest(samples, rate=44100):
    """The strongest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return np.argmax(spectrum) * rate / samples.size


# Names


def test_source_names(tmp_path):
    file = tmp_path / "a.wav"
    file.write_bytes(b"x")
    with file.open("rb") as opened:
        assert source_name(opened) == str(file)
        with open(opened.fileno(), "rb", closefd=False) as by_number:
            assert source_name(by_number) == "file object"
    names = [source_name(source) for source in ("b.wav", Path("c") / "d.wav", "-", b"b", bytearray(), io.BytesIO())]
    assert names == ["b.wav", str(Path("c") / "d.wav"), "stdin", "bytes", "bytes", "file object"]


def test_names_stand_once_and_hints_stay(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{tmp_path}: this is a folder"
    with pytest.raises(InputError, match="a int is no audio source") as caught:
        read(5)
    assert caught.value.hint == "a path, bytes, or a binary file"
    with pytest.raises(InputError, match="text file object") as caught:
        read(io.StringIO("x"))
    assert "'rb'" in caught.value.hint


def test_an_empty_path_is_an_error_of_its_own():
    with pytest.raises(InputError, match="an empty path") as caught:
        read("")
    assert caught.value.hint


def test_bytes_of_any_kind():
    data = tone()
    for source in (bytearray(data), memoryview(data), memoryview(data + data)[: len(data)]):
        np.testing.assert_array_equal(read(source)[0], read(data)[0])


# File objects


def test_a_file_object_at_its_end():
    file = io.BytesIO(tone())
    read(file)
    file.seek(0, io.SEEK_END)
    with pytest.raises(InputError, match="nothing left to read") as caught:
        read(file)
    assert caught.value.hint == "rewind it with seek(0)"
    file.seek(0)
    assert read(file)[0].size == 3 * 44100
    with pytest.raises(InputError, match=r"empty \(0 bytes\)"):
        read(io.BytesIO())


def test_a_closed_file_object():
    file = io.BytesIO(tone())
    file.close()
    with pytest.raises(InputError, match="closed"):
        read(file)


class Failing(io.BytesIO):
    """Raises when it is read behind `limit` bytes."""

    def __init__(self, data: bytes, error: BaseException, limit: int) -> None:
        super().__init__(data)
        self.error, self.limit = error, limit

    def read(self, size=-1, /):
        if self.tell() >= self.limit:
            raise self.error
        return super().read(size)

    def readinto(self, buffer, /):
        if self.tell() >= self.limit:
            raise self.error
        return super().readinto(buffer)


ERRORS = [EOFError("cut"), zlib.error("bad block"), OverflowError("too far"), OSError(5, "Input/output error")]


@pytest.mark.parametrize("error", [*ERRORS, ValueError("odd"), RuntimeError()], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("make", [tone, mp3, vorbis, lambda: tone("FLAC")])
@pytest.mark.parametrize("share", [0, 0.5])
def test_what_a_file_object_raises_is_an_error_with_a_name(error, make, share, capfd):
    data = make()
    file = Failing(data, error, int(len(data) * share))
    file.name = "song.bin"
    text = error.strerror if isinstance(error, OSError) else str(error) or "RuntimeError"
    with pytest.raises(InputError, match=rf"song\.bin: reading failed: {text}") as caught:
        listen(file, block_seconds=0.5)
    assert caught.value.__cause__ is error
    assert capfd.readouterr() == ("", "")


def test_what_a_file_object_raises_in_pyav(audio_file):
    pytest.importorskip("av")
    data = audio_file("adts.aac").read_bytes()
    with pytest.raises(InputError, match="file object: reading failed: cut"):
        listen(Failing(data, EOFError("cut"), len(data) // 2), block_seconds=0.1)


def test_an_interrupt_while_a_file_is_read_is_passed_on():
    data = tone()
    with pytest.raises(KeyboardInterrupt):
        listen(Failing(data, KeyboardInterrupt(), len(data) // 2), block_seconds=0.1)


def test_a_cut_gzip_file():
    packed = gzip.compress(tone(seconds=20))
    with (
        gzip.open(io.BytesIO(packed[: len(packed) // 2])) as file,
        pytest.raises(InputError, match="reading failed: Compressed file ended"),
    ):
        listen(file)


def test_a_file_object_closed_between_blocks():
    file = io.BytesIO(tone())
    with open_audio(file, block_seconds=0.5) as reader:
        blocks = reader.blocks()
        next(blocks)
        file.close()
        with pytest.raises(InputError, match=r"file object: reading failed: .*closed"):
            list(blocks)


@pytest.mark.parametrize("make", [tone, mp3])
def test_blocks_of_a_closed_reader(make):
    with open_audio(make(), block_seconds=0.5) as reader:
        blocks = reader.blocks()
        next(blocks)
    with pytest.raises(UsageError, match="closed") as caught:
        next(blocks)
    assert "with statement" in caught.value.hint
    with open_audio(make()) as reader:
        pass
    with pytest.raises(UsageError, match="closed"):
        reader.blocks()


# The peak


@pytest.mark.parametrize("rate", [None, 8000])
def test_peak_is_that_of_the_loudest_channel(rate):
    samples = np.zeros((44100, 2), dtype=np.float32)
    samples[1000:2000] = 0.25, -0.25
    samples[30000] = 0.1, -0.75
    file = io.BytesIO()
    soundfile.write(file, samples, 44100, format="WAV", subtype="FLOAT")
    with open_audio(file.getvalue(), sample_rate=rate, block_seconds=0.1) as reader:
        assert reader.peak == 0
        blocks = list(reader.blocks())
        assert reader.peak == 0.75
        assert rate or max(np.abs(block).max() for block in blocks) < 0.4
    with open_audio(file.getvalue(), duration=0.5) as reader:
        list(reader.blocks())
        assert reader.peak == 0.25


# Joined files

JOINED = {
    "vorbis": (vorbis, {}),
    "vorbis, another rate": (vorbis, {"rate": 22050}),
    "vorbis, another number of channels": (vorbis, {"n_channels": 1}),
    "mp3, another rate": (mp3, {"rate": 22050}),
    "mp3, another number of channels": (mp3, {"n_channels": 1}),
    "mp3 without xing, another number of channels": (lambda **options: mp3(xing=False, **options), {"n_channels": 1}),
}


@pytest.mark.parametrize(("make", "other"), JOINED.values(), ids=JOINED)
@pytest.mark.parametrize("swap", [False, True])
def test_joined_streams_are_read_to_the_end(make, other, swap):
    parts = [make(frequency=440), make(frequency=1000, **other)]
    frequencies = [440, 1000]
    if swap:
        parts, frequencies = parts[::-1], frequencies[::-1]
    data = b"".join(parts)
    info = probe(data)
    whole, notes = listen(data, block_seconds=0.7, mono=False)
    rate = info.sample_rate
    assert notes == []
    assert info.duration is None
    assert (info.n_channels, rate) == (probe(parts[0]).n_channels, probe(parts[0]).sample_rate)
    assert whole.shape[1] / rate == pytest.approx(6, abs=0.15)
    for begin, frequency in zip((0.5, 3.5), frequencies, strict=True):
        for channel in whole[:, round(begin * rate) : round((begin + 2) * rate)]:
            assert loudest(channel, rate) == pytest.approx(frequency, abs=2)
            assert np.abs(channel).max() == pytest.approx(0.3, abs=0.03)
    for offset in (1.0, 4.5):
        got = listen(data, offset=offset, mono=False)[0]
        np.testing.assert_allclose(got, whole[:, round(offset * rate) :], atol=1e-6)
    with pytest.raises(InputError, match="past the end"):
        listen(data, offset=7)


def test_chained_opus_and_many_links():
    data = tone("OGG", "OPUS", rate=48000)
    assert listen(data + data)[0].size == 6 * 48000
    assert probe(data + data).duration is None
    got, notes = listen(vorbis(seconds=1) * 9)
    assert (got.size, notes) == (9 * 44100, [])


def test_chained_links_are_each_whole():
    first, second = vorbis(frequency=440), vorbis(frequency=700)
    wanted = np.concatenate([read(first)[0], read(second)[0]])
    np.testing.assert_array_equal(listen(first + second)[0], wanted)


def test_a_cut_last_link_is_noted():
    data = vorbis(seconds=20)
    got, (note,) = listen(data + data[: len(data) * 2 // 3])
    assert note.startswith("damaged or truncated")
    assert 25 < got.size / 44100 < 40


def test_an_mp3_behind_tags_of_another():
    tag = b"ID3\3\0\0\0\0\x10\0" + bytes(2048)
    for xing in (True, False):
        got, notes = listen(mp3(xing=xing) + tag + mp3(xing=xing))
        assert got.size / 44100 == pytest.approx(6, abs=0.15)
        assert notes == []


def test_an_mp3_behind_stray_bytes_of_another():
    data = mp3() + bytes(range(1, 130)) + mp3()
    assert probe(data).duration is None
    got, notes = listen(data, offset=4)
    assert got.size / 44100 == pytest.approx(2, abs=0.15)
    assert notes == []


def test_what_cannot_be_read_behind_the_end_is_noted():
    rest = np.random.default_rng(0).integers(1, 255, 50000, dtype=np.uint8).tobytes()  # no 0xff: no frames
    for data in (vorbis(), mp3()):
        got, (note,) = listen(data + rest)
        assert got.size == 3 * 44100
        assert "bytes at the end are no audio that can be read" in note
        assert listen(data + bytes(50000))[1] == []
    assert listen(mp3() + b"LYRICSBEGIN" + rest)[1] == []


def test_joined_flac_of_another_rate():
    pytest.importorskip("av")
    got, _ = listen(tone("FLAC") + tone("FLAC", rate=22050))
    assert got.size / 44100 == pytest.approx(6, abs=0.01)


def test_memory_of_a_long_chain():
    data = vorbis(seconds=2) * 60
    tracemalloc.start()
    try:
        with open_audio(io.BytesIO(data), block_seconds=1) as reader:
            n = sum(block.size for block in reader.blocks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == 120 * 44100
    assert peak < 8e6


# Offsets beyond numbers


@pytest.mark.parametrize("offset", [1e12, 1e300, 1.7e308])
def test_offsets_far_past_the_end(audio_file, offset):
    sources = [tone(), mp3(), mp3(xing=False), vorbis()]
    if probe_av(audio_file):
        sources.append(audio_file("adts.aac").read_bytes())
    for data in sources:
        with pytest.raises(InputError, match="past the end"):
            listen(data, offset=offset)
        assert listen(data, duration=offset)[0].size


def probe_av(audio_file) -> bool:
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return audio_file("adts.aac").exists()


def test_the_stretched_end_of_a_splice_can_be_read_at_once():
    splice = mpeg.Splice(io.BytesIO(b"abcdef"), 1, 5, stretch=mpeg.STRETCH)
    assert splice.read() == b"bcde"
    assert splice.read() == b""
    end = splice.seek(0, io.SEEK_END)
    splice.seek(-100, io.SEEK_CUR)
    assert splice.read(-1) == bytes(100)
    assert splice.tell() == end


# Writing


def test_write_a_name_as_long_as_names_may_be(tmp_path):
    path = tmp_path / ("a" * 251 + ".wav")
    write(path, np.zeros(100), 8000)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / ("a" * 252 + ".wav"), np.zeros(100), 8000)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("rate", [44100.5, 0, -1, float("nan"), "44100", None])
def test_write_impossible_rates(tmp_path, rate):
    with pytest.raises(UsageError, match="sample_rate="):
        write(tmp_path / "a.wav", np.zeros(100), rate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [
        (np.zeros((2, 3, 4)), r"waveform of shape \(2, 3, 4\)"),
        (None, "a NoneType is no waveform"),
        (np.zeros(5, dtype=np.int64), "64-bit integers"),
        (np.zeros(5, dtype=complex), "complex128"),
        (np.zeros(5, dtype=bool), "bool"),
        (["a"], "a waveform of str"),
        ([np.zeros((2, 5)), np.zeros(5)], "a block of 1 channels behind blocks of 2"),
    ],
)
def test_write_refuses_what_is_no_waveform(tmp_path, waveform, reason):
    with pytest.raises(InputError, match=reason):
        write(tmp_path / "a.wav", waveform, 8000)
    assert list(tmp_path.iterdir()) == []


def test_write_refuses_what_is_no_path(tmp_path):
    for path in (None, 5, "a\0.wav"):
        with pytest.raises(UsageError, match="no path"):
            write(path, np.zeros(5), 8000)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_write_scales_integers(tmp_path, dtype):
    limits = np.iinfo(dtype)
    samples = np.linspace(limits.min, limits.max, 50).astype(dtype)
    write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], np.linspace(-1, 1, 50), atol=0.02)
    if dtype is np.int16:
        write(tmp_path / "b.wav", samples, 8000)
        np.testing.assert_array_equal(soundfile.read(tmp_path / "b.wav", dtype="int16")[0], samples)
