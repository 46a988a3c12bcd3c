"""Fingerprints: what they survive, what they tell apart, and that alignment is that of trying every offset."""

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark.audio import fingerprint as fp
from earmark.audio.fingerprint import Fingerprinter, compare, count_bits, fingerprint, overlay
from earmark.audio.io import open_audio
from earmark.errors import InputError, UsageError

Samples = NDArray[np.float32]
RATE = 16000
# Of four seconds of noise (below), as version 1 gave them when it was written.
GOLDEN = [
    0x5B349989,
    0x53269DA9,
    0xD70A8DA6,
    0xA60B65B6,
    0xAEAB6DB6,
    0x2AAB68B4,
    0x59AB68B5,
    0x51DA68B5,
    0x50DAECB1,
    0x34D2C6BB,
    0x34D5571A,
    0x2655535A,
    0xA715535A,
    0x8F2D635B,
    0x892D6251,
    0x89AAAE55,
    0xB8A2AE8C,
    0x54A23CAC,
    0x56E23CA6,
    0x565224A6,
]


def piece(seed: int, seconds: float = 30.0) -> Samples:
    """A melody of plucked notes with overtones over chords, and a noise on every beat."""
    rng = np.random.default_rng(seed)
    out = np.zeros(round(seconds * RATE), dtype=np.float32)
    start = 0.0
    while start < seconds:
        length = rng.choice([0.15, 0.25, 0.4])
        t = np.arange(min(round(0.4 * RATE), len(out) - round(start * RATE))) / RATE
        pitches = 110 * 2 ** (rng.choice([0, 12, 24], 3) / 12 + rng.choice([0, 2, 4, 5, 7, 9, 11], 3) / 12)
        for pitch in pitches:
            overtones = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 6))
            out[round(start * RATE) :][: len(t)] += 0.05 * rng.uniform(0.3, 1) * overtones * np.exp(-6 * t)
        out[round(start * RATE) :][: len(t)] += 0.03 * rng.standard_normal(len(t)) * np.exp(-40 * t)
        start += length
    return np.clip(out, -1, 1)


@pytest.fixture(scope="module")
def music() -> Samples:
    return piece(1)


@pytest.fixture(scope="module")
def original(music: Samples) -> NDArray[np.uint32]:
    return fingerprint(music, RATE)


def encoded(samples: Samples, container: str, subtype: str, level: float) -> Samples:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, subtype, format=container, compression_level=level) as sound:
        for start in range(0, len(samples), 1 << 16):
            sound.write(samples[start : start + (1 << 16)])
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def noisy(samples: Samples, snr: float) -> Samples:
    noise = np.random.default_rng(0).standard_normal(len(samples))
    return (samples + noise * np.sqrt(np.mean(samples**2)) * 10 ** (-snr / 20)).astype(np.float32)


def faded(samples: Samples) -> Samples:
    curve = np.minimum(np.minimum(np.arange(len(samples)), np.arange(len(samples))[::-1]) / (3 * RATE), 1)
    return (samples * curve).astype(np.float32)


def brighter(samples: Samples) -> Samples:
    """About 6 dB more at 4 kHz than at 500 Hz."""
    return (samples - 0.4 * np.concatenate([[0], samples[:-1]])).astype(np.float32)


CHANGES: dict[str, Callable[[Samples], Samples]] = {
    "mp3, lowest quality": lambda x: encoded(x, "MP3", "MPEG_LAYER_III", 0.95),
    "vorbis, lowest quality": lambda x: encoded(x, "OGG", "VORBIS", 1.0),
    "half the rate": lambda x: soxr.resample(soxr.resample(x, RATE, 8000), 8000, RATE),
    "32 dB less": lambda x: 0.025 * x,
    "equaliser": brighter,
    "faded in and out": faded,
    "noise, 20 dB below": lambda x: noisy(x, 20),
    "half a frame later": lambda x: x[1024:],
    "5.43 s later": lambda x: x[round(5.43 * RATE) :],
    "12 s from the middle": lambda x: x[9 * RATE : 21 * RATE],
    "0.1 % faster": lambda x: soxr.resample(x, 1001.0, 1000.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(music: Samples, original: NDArray[np.uint32], change: str) -> None:
    copy = fingerprint(CHANGES[change](music), RATE)
    match = compare(original, copy)
    assert match.bit_error_rate < 0.03
    assert match.matched_seconds > 0.95 * fp.FRAME_SECONDS * min(len(copy), len(original))


@pytest.mark.parametrize("seed", range(2, 6))
def test_another_piece_by_the_same_hand_is_not(original: NDArray[np.uint32], seed: int) -> None:
    match = compare(original, fingerprint(piece(seed), RATE))
    assert match.bit_error_rate > 0.25
    assert match.matched_seconds == 0
    assert match.similarity < 0.5


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_another_speed_is_not_found(music: Samples, original: NDArray[np.uint32], factor: float) -> None:
    match = compare(original, fingerprint(soxr.resample(music, factor, 1.0), RATE))
    assert match.bit_error_rate > 0.35


@pytest.mark.parametrize("late", [0.0, 0.03, 0.064, 1.0, 5.432, 17.3])
def test_the_offset_is_that_of_the_cut(music: Samples, original: NDArray[np.uint32], late: float) -> None:
    copy = fingerprint(music[round(late * RATE) :], RATE)
    assert compare(original, copy).offset_seconds == pytest.approx(late, abs=0.02)
    assert compare(copy, original).offset_seconds == pytest.approx(-late, abs=0.02)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_the_rate_of_the_blocks_does_not_matter(music: Samples, original: NDArray[np.uint32], rate: int) -> None:
    other = fingerprint(soxr.resample(music, RATE, rate), rate)
    assert abs(len(other) - len(original)) <= 1
    match = compare(original, other)
    assert match.bit_error_rate < 0.02
    assert match.offset_seconds == pytest.approx(0, abs=0.01)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 50000), min_size=1, max_size=30), rate=st.sampled_from([16000, 44100]))
def test_blocks_of_any_size_give_the_same(sizes: list[int], rate: int) -> None:
    samples = piece(3, 4)
    prints = Fingerprinter(rate)
    position = 0
    for size in sizes:
        prints.push(samples[position : position + size])
        position += size
    prints.push(samples[position:])
    np.testing.assert_array_equal(prints.finish(), fingerprint(samples, rate))


def test_a_block_may_be_written_over_once_it_was_pushed(music: Samples, original: NDArray[np.uint32]) -> None:
    prints = Fingerprinter(RATE)
    buffer = np.empty(4000, dtype=np.float32)
    for start in range(0, len(music), 4000):
        buffer[:] = music[start : start + 4000]
        prints.push(buffer)
    np.testing.assert_array_equal(prints.finish(), original)


@pytest.mark.parametrize(
    ("n_samples", "n_frames"), [(0, 0), (23550, 0), (23552, 1), (25598, 1), (25600, 2), (160000, 67)]
)
def test_number_of_frames(n_samples: int, n_frames: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, n_samples).astype(np.float32)
    found = fingerprint(noise, RATE)
    assert found.dtype == np.uint32
    assert found.shape == (n_frames,)


def test_silence_is_zero() -> None:
    assert not fingerprint(np.zeros(RATE * 5, dtype=np.float32), RATE).any()
    dither = np.random.default_rng(0).integers(-1, 2, RATE * 5) / 32768
    assert not fingerprint(dither.astype(np.float32), RATE).any()


def test_a_tail_far_below_the_rest_is_silence(music: Samples, original: NDArray[np.uint32]) -> None:
    hiss = 3e-5 * np.random.default_rng(0).standard_normal(10 * RATE)
    longer = fingerprint(np.concatenate([music, hiss.astype(np.float32)]), RATE)
    assert not longer[-60:].any()
    match = compare(original, longer)
    assert match.bit_error_rate < 0.01
    assert match.matched_seconds > 0.95 * fp.FRAME_SECONDS * len(original)


def test_memory_does_not_grow_with_the_track() -> None:
    block = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE).astype(np.float32)
    prints = Fingerprinter(RATE)
    prints.push(block)
    tracemalloc.start()
    for _ in range(60):  # 10 minutes, 38 MB of samples
        prints.push(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


def test_version_1_stays_what_it_is() -> None:
    """Fingerprints lie in catalogues: other bits need another VERSION."""
    noise = np.random.default_rng(7).uniform(-0.5, 0.5, 4 * RATE).astype(np.float32)
    golden = np.array(GOLDEN, dtype=np.uint32)
    found = fingerprint(noise, RATE)
    assert fp.VERSION == 1
    assert found.shape == golden.shape
    assert count_bits(found ^ golden).sum() <= 2  # another Fourier transform may round to the other side


@pytest.mark.parametrize("bad", [np.zeros((2, 8), np.float32), np.array([0, np.nan], np.float32), np.array([np.inf])])
def test_blocks_that_cannot_be_used(bad: Samples) -> None:
    with pytest.raises(InputError, match="block"):
        Fingerprinter(RATE).push(bad)


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(UsageError, match="0 Hz"):
        Fingerprinter(0)


def score_at(a: NDArray[np.uint32], b: NDArray[np.uint32], offset: int) -> tuple[int, int]:
    """Frames that both hear, and bits that agree less bits that differ."""
    pairs = [(int(a[t + offset]), int(word)) for t, word in enumerate(b) if 0 <= t + offset < len(a)]
    heard = [(x, y) for x, y in pairs if x and y]
    return len(heard), sum(32 - 2 * (x ^ y).bit_count() for x, y in heard)


words = st.lists(st.one_of(st.just(0), st.integers(1, (1 << 32) - 1)), min_size=1, max_size=60).map(
    lambda values: np.array(values, dtype=np.uint32)
)


@settings(max_examples=40, deadline=None)
@given(a=words, b=words)
def test_correlation_is_that_of_trying_every_offset(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> None:
    scores, counts = fp._correlate(a, b)
    assert len(scores) == len(counts) == len(a) + len(b) - 1
    for i, offset in enumerate(range(1 - len(b), len(a))):
        assert (counts[i], scores[i]) == score_at(a, b, offset)


@pytest.mark.parametrize("lengths", [(9000, 50), (50, 9000), (20000, 700), (5000, 5000), (1, 3000)])
def test_long_ones_are_taken_in_blocks(lengths: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 1 << 32, n, dtype=np.uint32) * (rng.random(n) > 0.1).astype(np.uint32) for n in lengths)
    scores, counts = fp._correlate(a, b)
    assert len(scores) == sum(lengths) - 1
    for i in [0, 1, *rng.integers(0, len(scores), 200), len(scores) - 1]:
        assert (counts[i], scores[i]) == score_at(a, b, int(i) - len(b) + 1)


def test_half_an_overlap_is_laid_where_it_belongs() -> None:
    words = np.random.default_rng(0).integers(1, 1 << 32, 300, dtype=np.uint32)
    match = compare(words[:200], words[120:])
    assert match.offset_seconds == pytest.approx(120 * fp.FRAME_SECONDS, abs=0.01)
    assert match.overlap_seconds == match.matched_seconds == pytest.approx(80 * fp.FRAME_SECONDS)


def test_bits_about_to_flip_are_left_out() -> None:
    held = np.repeat(np.array([0xF0F0F0F0, 0x0FF00FF0], dtype=np.uint32), 4)
    early = np.roll(held, 1)[1:]
    laid = overlay(held[1:], early, 0)
    assert laid.begins == (0, 0)
    assert count_bits(held[1:] ^ early).sum() == 16
    assert laid.errors.sum() == 0
    # Of held: 3 frames, then 4; every frame beside the flip leaves out the 16 bits that flip, in either.
    assert laid.compared.tolist() == [32, 32, 16, 16, 16, 32, 32]


def test_a_bit_that_stays_wrong_is_an_error_where_it_is_settled() -> None:
    held = np.full(9, 0x12345678, dtype=np.uint32)
    wrong = held.copy()
    wrong[3:8] ^= 1
    laid = overlay(held, wrong, 0)
    assert laid.errors.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0]
    assert laid.compared.tolist() == [32, 32, 31, 31, 32, 32, 32, 31, 31]
    assert laid.bit_error_rate() == 3 / 284
    assert laid.bit_error_rate(np.arange(9) < 3) == 0
    assert laid.bit_error_rate(np.zeros(9, dtype=bool)) == 0.5


def test_frames_beside_silence_are_compared() -> None:
    words = np.array([0, 5, 5, 0, 9], dtype=np.uint32)
    laid = overlay(words, words, 0)
    assert laid.compared.tolist() == [0, 32, 32, 0, 32]
    assert laid.is_heard.tolist() == [False, True, True, False, True]


def test_the_part_that_agrees_is_told_from_the_rest() -> None:
    rng = np.random.default_rng(0)
    a, b = np.repeat(rng.integers(1, 1 << 32, (2, 100), dtype=np.uint32), 8, axis=1)
    b[300:600] = a[300:600]
    match = compare(a, b)
    assert match.offset_seconds == pytest.approx(0, abs=0.01)
    assert match.bit_error_rate == pytest.approx(0.5 * 500 / 800, abs=0.03)
    assert match.matched_seconds == pytest.approx(300 * fp.FRAME_SECONDS, abs=3.0)


def test_nothing_to_hear_matches_nothing() -> None:
    words = np.random.default_rng(0).integers(1, 1 << 32, 100, dtype=np.uint32)
    for nothing in (np.zeros(0, np.uint32), np.zeros(50, np.uint32)):
        assert compare(words, nothing) == compare(nothing, words) == fp.Match(0.5, 0.0, 0.0, 0.0, 0.0)


def test_silences_that_leave_less_than_the_overlap_in_common() -> None:
    words = np.random.default_rng(0).integers(1, 1 << 32, 120, dtype=np.uint32)
    first, second = words.copy(), words.copy()
    first[60:] = 0
    second[:30] = 0
    match = compare(first, second, min_overlap_seconds=12.8)
    assert match.overlap_seconds > 0


@pytest.mark.parametrize("options", [{"min_overlap_seconds": 0}, {"max_bit_error_rate": 0.5}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    words = np.ones(9, dtype=np.uint32)
    with pytest.raises(UsageError, match="expected"):
        compare(words, words, **options)


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((2, 3), np.uint32), np.ones(3, np.int64)])
def test_what_is_no_fingerprint(bad: NDArray[np.uint32]) -> None:
    with pytest.raises(InputError, match="no fingerprint"):
        compare(np.ones(3, np.uint32), bad)


@given(st.lists(st.integers(0, (1 << 32) - 1)))
def test_bits_are_counted(values: list[int]) -> None:
    found = count_bits(np.array(values, dtype=np.uint32))
    assert found.tolist() == [value.bit_count() for value in values]


def heard(path: Path, *, offset: float = 0.0, duration: float | None = None) -> Iterator[Samples]:
    with open_audio(path, sample_rate=RATE, offset=offset, duration=duration) as reader:
        yield from reader.blocks()


def of_file(path: Path, *, offset: float = 0.0, duration: float | None = None) -> NDArray[np.uint32]:
    prints = Fingerprinter(RATE)
    for block in heard(path, offset=offset, duration=duration):
        prints.push(block)
    return prints.finish()


@pytest.mark.shared
@pytest.mark.parametrize("name", ["hustle.mp3", "fluffing_a_duck.mp3", "amazing_plan.m4a"])
def test_real_tracks_are_found_in_other_encodings_and_in_part(shared: Path, name: str) -> None:
    if name.endswith("m4a"):
        pytest.importorskip("av")
    track = shared / "audio" / "kevin_macleod" / name
    whole = of_file(track)
    part = np.concatenate(list(heard(track, offset=21.7, duration=30)))
    lossy = fingerprint(encoded(part, "MP3", "MPEG_LAYER_III", 0.95), RATE)
    match = compare(whole, lossy)
    assert match.bit_error_rate < 0.03
    assert match.offset_seconds == pytest.approx(21.7, abs=0.15)  # an mp3 encoder adds up to 0.1 s of its own
    assert match.matched_seconds > 27


@pytest.mark.shared
def test_real_tracks_of_one_composer_are_told_apart(shared: Path) -> None:
    names = ("hustle.mp3", "fluffing_a_duck.mp3", "sneaky_snitch.mp3", "scheming_weasel.mp3")
    found = [of_file(shared / "audio" / "kevin_macleod" / name, duration=60) for name in names]
    for i, first in enumerate(found):
        for second in found[:i]:
            match = compare(first, second, min_overlap_seconds=20)
            assert match.bit_error_rate > 0.4
            assert match.matched_seconds == 0
