"""The tagger, whole: from a file to tags, and what it says of files that cannot be tagged."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import earmark
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.track_tags import TrackTags

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("published_weights")]

PIANO = "audio/clips/bensound-thejazzpiano.mp3"


@pytest.fixture(scope="module")
def tagger(published_weights: None) -> earmark.Tagger:
    return earmark.Tagger()


@pytest.fixture(scope="module")
def piano(tagger: earmark.Tagger, shared: Path) -> TrackTags:
    return tagger.tag(shared / PIANO)


def tone(seconds: float, *, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * 16000)) / 16000
    return (level * np.sin(2 * np.pi * 440 * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2).astype(np.float32)


def write(path: Path, waveform: np.ndarray, *, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, waveform, 16000, subtype=subtype)
    return path


def test_jazz_leads_the_genres_and_piano_the_instruments(piano: TrackTags) -> None:
    assert piano.top(1, category="genre")[0].tag == "jazz"
    assert piano.top(1, category="instrument")[0].tag == "piano"


def test_a_track_is_covered_to_its_end(piano: TrackTags) -> None:
    assert piano.duration == pytest.approx(1413504 / 44100, abs=1e-3)
    assert piano.times[0, 0] == 0
    assert piano.times[-1, 1] == pytest.approx(piano.duration, abs=1e-6)
    assert np.all(piano.times[1:, 0] <= piano.times[:-1, 1] + 1e-9)  # no gap
    assert piano.taggram.shape == (11, len(piano.tags))
    assert piano.embedding.shape == (400,)
    assert piano.models == ("musicnn.pons_msd", "musicnn.pons_mtt")


def test_scores_peaks_and_lifts_hang_together(piano: TrackTags) -> None:
    jazz = piano["jazz"]
    column = piano.taggram[:, piano.vocabulary.index("jazz")]
    assert jazz.score == pytest.approx(column.mean(), abs=1e-6)
    assert jazz.peak == pytest.approx(column.max(), abs=1e-6)
    assert jazz.peak_time == pytest.approx(piano.centres[column.argmax()], abs=1e-6)
    assert jazz.lift is not None
    assert jazz.lift > 5
    both = piano["guitar"].scores_by_model
    assert set(both) == set(piano.models)
    assert piano["guitar"].score == pytest.approx(sum(both.values()) / 2, abs=1e-6)


@pytest.mark.parametrize("name", ["musicnn.pons_mtt", "musicnn.pons_msd", "vgg.pons_mtt", "vgg.pons_msd"])
def test_the_whole_path_gives_the_published_taggram(name: str, shared: Path) -> None:
    golden = json.loads((shared / "references" / "pons_musicnn.json").read_text())
    kind, dataset = name.split(".pons_")
    for clip in ("bensound-cute", "bensound-thejazzpiano"):
        expected = np.array(golden["taggram"][f"{dataset.upper()}_{kind}/{clip}"])
        result = earmark.tag(shared / "references" / "audio" / f"{clip}_16k.wav", model=name)
        assert list(result.vocabulary) == golden["vocabularies"][f"{dataset.upper()}_{kind}"]
        assert len(result.taggram) == len(expected) + 1  # one more, to the end of the track
        np.testing.assert_allclose(result.taggram[:-1], expected, rtol=0, atol=1e-4)


def test_other_models_hear_their_first_chunk_as_published(shared: Path) -> None:
    golden = json.loads((shared / "references" / "won2020.json").read_text())
    wav = shared / "references" / "audio" / "bensound-cute_16k.wav"
    for name, key in (("musicnn.won_jamendo", "jamendo_musicnn"), ("crnn.won_msd", "msd_crnn")):
        taggram = earmark.tag(wav, model=name).taggram
        np.testing.assert_allclose(
            taggram[0], golden["outputs"][f"{key}/bensound-cute"]["first_chunk"], rtol=0, atol=1e-4
        )


def test_path_bytes_file_object_and_stdin_are_the_same(tagger: earmark.Tagger, piano: TrackTags, shared: Path) -> None:
    data = (shared / PIANO).read_bytes()
    assert np.array_equal(tagger.tag(data).taggram, piano.taggram)
    assert np.array_equal(tagger.tag(io.BytesIO(data)).taggram, piano.taggram)
    code = "import earmark; print(earmark.tag('-').to_json())"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    again = TrackTags.from_json(done.stdout.decode())
    assert [t.score for t in again.tags] == pytest.approx([t.score for t in piano.tags], abs=1e-6)


def test_json_round_trip(piano: TrackTags) -> None:
    again = TrackTags.from_json(piano.to_json(taggram=True, embedding=True))
    assert again == piano
    assert len(piano.to_dict()["tags"]) == len(piano.vocabulary)


def test_overlap_and_excerpts(tagger: earmark.Tagger, piano: TrackTags, shared: Path) -> None:
    dense = earmark.tag(shared / PIANO, hop_seconds=1.0)
    assert len(dense.taggram) > 2.5 * len(piano.taggram)
    assert dense.times[1, 0] == pytest.approx(1.0, abs=256 / 16000)
    sparse = earmark.tag(shared / PIANO, hop_seconds=10)
    assert "heard 2.99 s of every 10.00 s" in sparse.warnings[0]
    part = tagger.tag(shared / PIANO, offset=10, duration=9)
    assert part.times[0, 0] == 10
    assert part.times[-1, 1] == pytest.approx(19, abs=1e-3)
    assert part.duration >= 19


def test_embedding_is_that_of_the_result(tagger: earmark.Tagger, piano: TrackTags, shared: Path) -> None:
    assert np.array_equal(tagger.embed(shared / PIANO), piano.embedding)
    assert earmark.embed(shared / PIANO, model="vgg.pons_mtt").shape == (256,)


def test_full_preset_and_raw_tags(shared: Path) -> None:
    full = earmark.tag(shared / PIANO, preset="full", duration=12)
    assert full.models[-1] == "musicnn.won_jamendo"
    assert full.embedding.shape == (600,)
    assert np.isfinite(full.taggram).all()
    raw = earmark.tag(shared / PIANO, raw=True, duration=12)
    assert len(raw.tags) == 100
    assert {"female vocal", "female voice", "woman"} <= {t.tag.removesuffix(" (mtt)") for t in raw.tags}


def test_all_real_files_and_a_broken_one_in_one_batch(tagger: earmark.Tagger, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    broken = tmp_path / "broken.mp3"
    broken.write_text("this is no music\n" * 100)
    songs = [*sorted((shared / "audio" / "clips").glob("*.mp3")), broken]
    folder = shared / "audio" / "kevin_macleod"
    songs += [folder / n for n in ("amazing_plan.m4a", "hand_trolley.webm", "fluffing_a_duck.mp3")]
    outcomes = list(tagger.tag_many(songs))
    assert len(outcomes) == len(songs)
    for song, outcome in zip(songs, outcomes, strict=True):
        assert outcome.path == str(song)
        if song == broken:
            assert isinstance(outcome, earmark.TagFailure)
            assert "broken.mp3" in str(outcome.error)
        else:
            assert isinstance(outcome, TrackTags)
            assert outcome.warnings == ()


def test_a_batch_gives_what_single_calls_give(tagger: earmark.Tagger, piano: TrackTags, shared: Path) -> None:
    for outcome in tagger.tag_many([shared / PIANO] * 3, jobs=3):
        assert isinstance(outcome, TrackTags)
        np.testing.assert_allclose(outcome.taggram, piano.taggram, rtol=0, atol=1e-6)


def test_short_tracks_are_repeated_and_the_result_says_so(tagger: earmark.Tagger, tmp_path: Path) -> None:
    path = write(tmp_path / "short.wav", tone(1.2))
    result = tagger.tag(path)
    assert len(result.taggram) == 1
    assert result.times.tolist() == [[0.0, pytest.approx(1.2)]]
    assert "repeated to fill 2.99 s" in result.warnings[0]
    zeros = earmark.tag(path, pad="zeros")
    assert "filled with zeros" in zeros.warnings[0]
    assert not np.allclose(zeros.taggram, result.taggram, atol=1e-3)
    with pytest.raises(InputError, match=r"1\.20 s of audio, 'standard' needs at least 2\.99 s") as error:
        earmark.tag(path, pad="none")
    assert "--pad repeat" in str(error.value.hint)
    with pytest.raises(InputError, match=r"0\.20 s of audio, 'standard' needs at least 0\.50 s"):
        tagger.tag(write(tmp_path / "click.wav", tone(0.2)))


def test_files_that_cannot_be_tagged_say_why(tagger: earmark.Tagger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="silent: the highest peak"):
        tagger.tag(write(tmp_path / "silent.wav", np.zeros(80000, np.float32)))
    with pytest.raises(InputError, match="silent"):
        tagger.tag(write(tmp_path / "hiss.wav", tone(5, level=1e-5)))
    nan = tone(5)
    nan[40000] = np.nan
    with pytest.raises(InputError, match=r"holds NaN at 2\.50 s"):
        tagger.tag(write(tmp_path / "nan.wav", nan))
    (tmp_path / "empty.mp3").touch()
    for name in ("missing.mp3", "empty.mp3", "."):
        with pytest.raises(InputError, match=r".+"):
            tagger.tag(tmp_path / name)


def test_samples_in_other_units_are_refused(tagger: earmark.Tagger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"loud\.wav: samples of up to \d+ where about 1 is full scale"):
        tagger.tag(write(tmp_path / "loud.wav", tone(5) * 32768))


def test_a_closed_tagger_says_so(shared: Path) -> None:
    with earmark.Tagger("musicnn.pons_mtt") as tagger:
        tagger.tag(shared / PIANO, duration=4)
    with pytest.raises(UsageError, match="this Tagger is closed"):
        tagger.tag(shared / PIANO)


def test_whatever_a_source_raises_stops_no_batch(tagger: earmark.Tagger, shared: Path) -> None:
    class Odd(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ZeroDivisionError("odd")

        def readinto(self, buffer: object) -> int:
            raise ZeroDivisionError("odd")

    outcomes = list(tagger.tag_many([Odd(b"x" * 1000), shared / PIANO]))
    assert isinstance(outcomes[0], earmark.TagFailure)
    assert isinstance(outcomes[1], TrackTags)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_tagging_works_in_a_forked_process(shared: Path) -> None:
    code = (
        "import os, sys, earmark; song = sys.argv[1]; before = earmark.tag(song, duration=4).embedding\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0 if (earmark.tag(song, duration=4).embedding == before).all() else 3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(shared / PIANO)], timeout=60, check=False)
    assert done.returncode == 0


def test_a_truncated_file_is_tagged_with_a_warning(tagger: earmark.Tagger, shared: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole.flac", tone(30), 16000)
    data = (tmp_path / "whole.flac").read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(data[: len(data) // 2])
    result = tagger.tag(cut)
    assert 5 < result.duration < 25
    assert "of 30.0 s" in result.warnings[0]


def test_unknown_names_and_values_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"there is no model 'musicnn\.pons_mtg'") as error:
        earmark.Tagger("musicnn.pons_mtg")
    assert "musicnn.pons_mtt" in str(error.value.hint)
    with pytest.raises(UnknownNameError, match="preset 'standart'"):
        earmark.Tagger(preset="standart")
    with pytest.raises(UsageError, match="exclude each other"):
        earmark.Tagger("musicnn.pons_mtt", preset="full")
    for options in ({"hop_seconds": 0.0}, {"threads": 0}, {"pad": "repaet"}):
        with pytest.raises(UsageError, match="="):
            earmark.Tagger(**options)


MEMORY = """
import io, sys, wave
import numpy as np
import earmark

class Long(io.RawIOBase):
    "A wav file of many hours that exists only as it is read."
    def __init__(self, seconds):
        n = seconds * 8000
        head = io.BytesIO()
        with wave.open(head, "wb") as file:
            file.setnchannels(1); file.setsampwidth(1); file.setframerate(8000); file.setnframes(n)
            file.writeframesraw(b"")
        import struct
        head = bytearray(head.getvalue()[:44])
        head[4:8], head[40:44] = struct.pack("<I", 36 + n), struct.pack("<I", n)
        self.head, self.size, self.at = bytes(head), 44 + n, 0
        self.noise = np.random.default_rng(0).integers(60, 190, 1 << 16, dtype=np.uint8).tobytes()
    def readable(self): return True
    def seekable(self): return True
    def tell(self): return self.at
    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at
    def readinto(self, buffer):
        n = max(0, min(len(buffer), self.size - self.at))
        for i in range(0, n, 1 << 16):
            part = self.noise[: min(1 << 16, n - i)]
            buffer[i : i + len(part)] = part
        head = self.head[self.at : self.at + n]
        buffer[: len(head)] = head
        self.at += n
        return n

result = earmark.tag(Long(int(sys.argv[1])), model="musicnn.pons_mtt")
# ru_maxrss would count the process that started this one
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(result.taggram), int(peak.split()[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
@pytest.mark.parametrize(
    "hours", [0.25, pytest.param(10, marks=pytest.mark.slow)], ids=["quarter of an hour", "ten hours"]
)
def test_memory_does_not_grow_with_the_track(hours: float) -> None:
    seconds = str(round(hours * 3600))
    done = subprocess.run([sys.executable, "-c", MEMORY, seconds], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    n_chunks, megabytes = map(int, done.stdout.split())
    assert n_chunks == -(-round(hours * 3600 * 16000) // (187 * 256))
    assert megabytes < 700
