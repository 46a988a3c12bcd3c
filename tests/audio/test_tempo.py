"""Tempo: clicks, drums and real music of known tempo, and what keeps no time."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scipy")

from earmark.audio import tempo as module
from earmark.audio.io import read
from earmark.audio.tempo import Tempo, estimate_tempo
from earmark.errors import InputError, MissingExtraError, UsageError

RATE = 16000


def struck(times: NDArray[np.float64], seconds: float, *, rate: int = RATE, low: bool = False) -> NDArray[np.float32]:
    """Short sounds at the given times: a thud of 60 Hz if `low`, else a hiss."""
    rng = np.random.default_rng(0)
    n = round((0.15 if low else 0.04) * rate)
    decay = np.exp(-5 * np.arange(n) / n)
    sound = decay * (np.sin(2 * np.pi * 60 * np.arange(n) / rate) if low else 0.5 * rng.standard_normal(n))
    waveform = np.zeros(round(seconds * rate) + n)
    for time in times[times < seconds]:
        start = round(time * rate)
        waveform[start : start + n] += sound
    return waveform[: round(seconds * rate)].astype(np.float32)


def clicks(bpm: float, *, seconds: float = 30.0, start: float = 0.3, rate: int = RATE) -> NDArray[np.float32]:
    return 0.5 * struck(np.arange(start, seconds, 60 / bpm), seconds, rate=rate)


def drums(bpm: float, *, per_bar: int = 4, seconds: float = 30.0) -> NDArray[np.float32]:
    """Bass drum on the first beat (and on the third of four), snare on the others, hi-hat twice a beat."""
    beats = 0.2 + np.arange(int(seconds * bpm / 60)) * 60 / bpm
    place = np.arange(len(beats)) % per_bar
    on_bass = (place % 2 == 0) if per_bar == 4 else (place == 0)
    hats = np.concatenate([beats, beats + 30 / bpm])
    mixed = struck(beats[on_bass], seconds, low=True) + 0.6 * struck(beats[~on_bass], seconds)
    return (0.5 * mixed + 0.1 * struck(hats, seconds)).astype(np.float32)


def is_none(found: Tempo) -> bool:
    return found.bpm is None and found.confidence == 0.0 and len(found.beats) == 0


@pytest.mark.parametrize("bpm", [60, 66, 72, 85, 97.3, 110, 120, 133, 150, 174, 182, 190])
def test_clicks(bpm: float) -> None:
    found = estimate_tempo(clicks(bpm), RATE)
    assert found.bpm == pytest.approx(bpm, rel=5e-4)
    assert 0.3 < found.confidence <= 1.0
    truth = np.arange(0.3, 30.0, 60 / bpm)
    assert len(found.beats) == pytest.approx(len(truth), abs=1)
    nearest = np.abs(found.beats[:, None] - truth).min(axis=1)
    assert nearest.max() < 0.015


@pytest.mark.parametrize("bpm", [92, 100, 108, 118, 126, 133, 140, 155])
@pytest.mark.parametrize("per_bar", [3, 4])
def test_drums(bpm: float, per_bar: int) -> None:
    assert estimate_tempo(drums(bpm, per_bar=per_bar), RATE).bpm == pytest.approx(bpm, rel=2e-3)


@pytest.mark.parametrize("bpm", [60, 66, 72, 80, 165, 172, 180, 190, 200])
@pytest.mark.parametrize("per_bar", [3, 4])
def test_slow_and_fast_drums_may_be_taken_for_double_or_half(bpm: float, per_bar: int) -> None:
    found = estimate_tempo(drums(bpm, per_bar=per_bar), RATE).bpm
    assert found is not None
    assert min(abs(found / bpm / ratio - 1) for ratio in (0.5, 1, 2)) < 2e-3


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_other_sample_rates(rate: int) -> None:
    found = estimate_tempo(clicks(101.5, rate=rate), rate)
    assert found.bpm == pytest.approx(101.5, rel=1e-3)
    assert found.beats[0] == pytest.approx(0.3, abs=0.015)


def test_the_level_does_not_matter() -> None:
    loud, soft = (estimate_tempo(level * drums(118), RATE) for level in (1.0, 1e-3))
    assert soft.bpm == pytest.approx(loud.bpm, rel=1e-3)
    assert soft.confidence == pytest.approx(loud.confidence, abs=0.05)


def test_a_tempo_that_drifts_is_followed() -> None:
    times = [0.3]
    while times[-1] < 40:
        times.append(times[-1] + 60 / (116 + 8 * times[-1] / 40))  # from 116 to 124
    found = estimate_tempo(0.5 * struck(np.array(times), 40.0), RATE)
    assert found.bpm == pytest.approx(120, rel=0.04)
    nearest = np.abs(found.beats[:, None] - np.array(times)).min(axis=1)
    assert (nearest < 0.02).mean() > 0.95
    assert len(found.beats) == pytest.approx(len(times), abs=2)


def test_beats_stay_within_the_music() -> None:
    music = np.concatenate([np.zeros(10 * RATE, np.float32), drums(120, seconds=20), np.zeros(10 * RATE, np.float32)])
    found = estimate_tempo(music, RATE)
    assert found.bpm == pytest.approx(120, rel=2e-3)
    assert found.beats[0] > 9.5
    assert found.beats[-1] < 30.5


def test_the_range_decides_between_double_and_half() -> None:
    music = drums(172)
    low = estimate_tempo(music, RATE, slowest_bpm=65, fastest_bpm=130)
    high = estimate_tempo(music, RATE, slowest_bpm=100, fastest_bpm=200)
    assert low.bpm == pytest.approx(86, rel=2e-3)
    assert high.bpm == pytest.approx(172, rel=2e-3)


def noise(kind: str) -> NDArray[np.float32]:
    white = np.random.default_rng(3).standard_normal(30 * RATE)
    slope = {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind]
    shaped = np.fft.irfft(np.fft.rfft(white) / np.arange(1, len(white) // 2 + 2) ** slope)
    return (0.5 * shaped / np.abs(shaped).max()).astype(np.float32)


@pytest.mark.parametrize(
    "waveform",
    [
        pytest.param(np.zeros(0, np.float32), id="nothing"),
        pytest.param(np.zeros(30 * RATE, np.float32), id="silence"),
        pytest.param(np.full(30 * RATE, 0.2, np.float32), id="constant"),
        pytest.param(np.sin(np.arange(30 * RATE) * 0.2).astype(np.float32), id="tone"),
        pytest.param(np.eye(1, 30 * RATE, 8 * RATE, dtype=np.float32)[0], id="one click"),
        pytest.param(noise("white"), id="white noise"),
        pytest.param(noise("pink"), id="pink noise"),
        pytest.param(noise("brown"), id="brown noise"),
        pytest.param(clicks(120, seconds=4.9), id="too short"),
    ],
)
def test_what_keeps_no_time(waveform: NDArray[np.float32]) -> None:
    assert is_none(estimate_tempo(waveform, RATE))


@pytest.mark.parametrize("seconds", [5.0, 5.5, 7.0, 12.0])
@pytest.mark.parametrize("slowest", [20.0, 45.0])
def test_short_audio(seconds: float, slowest: float) -> None:
    rng = np.random.default_rng(2)
    found = estimate_tempo(drums(120, seconds=seconds), RATE, slowest_bpm=slowest)
    assert found.bpm == pytest.approx(120, rel=0.01)
    hum = rng.standard_normal(round(seconds * RATE)).astype(np.float32)
    assert is_none(estimate_tempo(hum, RATE, slowest_bpm=slowest))


def test_free_rhythm_is_less_sure_than_a_steady_one() -> None:
    rng = np.random.default_rng(1)
    free = np.cumsum(rng.uniform(0.15, 1.2, 60))
    found = estimate_tempo(0.5 * struck(free, 30.0), RATE)
    assert found.confidence < 0.35
    assert estimate_tempo(drums(125), RATE).confidence > 0.6


@pytest.mark.shared
def test_environmental_sounds_have_no_tempo(shared: Path) -> None:
    for name in ("001 - Dog bark", "002 - Rain", "004 - Baby cry"):
        files = sorted((shared / "datasets" / "esc10" / name).glob("*.ogg"))[:8]
        waveform = np.concatenate([read(file, sample_rate=RATE)[0] for file in files])
        assert is_none(estimate_tempo(waveform, RATE)), name


@pytest.mark.shared
def test_tempi_of_a_composer(shared: Path) -> None:
    folder = shared / "audio" / "kevin_macleod"
    with (folder / "labels.csv").open() as file:
        truth = {row["file"]: float(row["bpm"]) for row in csv.DictReader(file) if row["bpm"]}
    right: list[float] = []
    wrong: list[float] = []
    for name, bpm in truth.items():
        if not name.endswith(".mp3"):  # the others take longer to decode
            continue
        waveform, _ = read(folder / name, sample_rate=RATE, duration=60.0)
        found = estimate_tempo(waveform, RATE)
        assert found.bpm is not None
        (right if abs(found.bpm / bpm - 1) <= 0.04 else wrong).append(found.confidence)
    assert len(right) >= 10
    assert len(right) + len(wrong) == 12


def test_what_is_wrong_is_said() -> None:
    good = clicks(120, seconds=6)
    broken = good.copy()
    broken[77] = np.nan
    with pytest.raises(InputError, match="NaN"):
        estimate_tempo(broken, RATE)
    with pytest.raises(InputError, match="not one row"):
        estimate_tempo(good.reshape(2, -1), RATE)
    with pytest.raises(UsageError, match="slowest_bpm=100"):
        estimate_tempo(good, RATE, slowest_bpm=100, fastest_bpm=150)
    with pytest.raises(UsageError, match="sample_rate=4000"):
        estimate_tempo(good, 4000)


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module._scipy_fft.cache_clear()
    monkeypatch.setitem(sys.modules, "scipy.fft", None)
    with pytest.raises(MissingExtraError, match=r"\[library\]"):
        estimate_tempo(clicks(120, seconds=6), RATE)


def test_no_compiler_is_loaded() -> None:
    code = (
        "import sys, numpy as np\n"
        "from earmark.audio.key import estimate_key\n"
        "from earmark.audio.tempo import estimate_tempo\n"
        "estimate_tempo(np.ones(96000, np.float32), 16000); estimate_key(np.ones(96000, np.float32), 16000)\n"
        "sys.exit(len({'numba', 'librosa', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
