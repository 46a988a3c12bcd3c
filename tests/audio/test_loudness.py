"""Loudness against the recommendation itself, and against pyloudnorm where that is installed."""

import math

import numpy as np
import pytest

from earmark.audio.loudness import limited, loudness, matched, weighting_filters
from earmark.errors import InputError, UsageError

RATE = 16000


def noise(seconds: float, *, level: float = 0.1, rate: int = RATE, channels: int = 1) -> np.ndarray:
    samples = level * np.random.default_rng(0).standard_normal((channels, round(seconds * rate)))
    return samples[0] if channels == 1 else samples


def test_the_filters_at_48_khz_are_those_of_the_recommendation() -> None:
    """ITU-R BS.1770-4, tables 1 and 2."""
    (shelf, below), (above, low) = weighting_filters(48000)
    assert shelf == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-11)
    assert below == pytest.approx([1.0, -1.69065929318241, 0.73248077421585], abs=1e-11)
    assert above.tolist() == [1.0, -2.0, 1.0]
    assert low == pytest.approx([1.0, -1.99004745483398, 0.99007225036621], abs=1e-11)


@pytest.mark.parametrize(("rate", "amplitude"), [(48000, 1.0), (16000, 1.0), (44100, 0.1)])
def test_a_sine_of_997_hz_has_the_loudness_of_the_recommendation(rate: int, amplitude: float) -> None:
    tone = amplitude * np.sin(2 * np.pi * 997 * np.arange(2 * rate) / rate)
    level = 20 * math.log10(amplitude)
    within = 0.05 if rate < 44100 else 0.02  # the analogue filters, brought to a low rate, differ a little
    assert loudness(tone, rate) == pytest.approx(level - 3.01, abs=within)
    assert loudness(np.stack([tone, tone]), rate) == pytest.approx(level, abs=within)


def test_pauses_do_not_count() -> None:
    loud = noise(4.0)
    paused = np.concatenate([loud, np.zeros(8 * RATE), 0.001 * loud])
    assert loudness(paused, RATE) == pytest.approx(loudness(loud, RATE), abs=0.2)


@pytest.mark.parametrize("rate", [12000, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_agrees_with_pyloudnorm(rate: int, channels: int) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    sound = noise(3.0, rate=rate, channels=channels)
    sound = sound * np.linspace(0.01, 1.0, sound.shape[-1])
    meter = pyloudnorm.Meter(rate, filter_class="DeMan")
    assert loudness(sound, rate) == pytest.approx(meter.integrated_loudness(sound.T), abs=0.02)


def test_a_matched_sound_has_the_loudness_that_was_asked_for() -> None:
    sound, gain = matched(noise(2.0, level=0.01), RATE, target=-20.0)
    assert loudness(sound, RATE) == pytest.approx(-20.0, abs=0.01)
    np.testing.assert_allclose(sound, noise(2.0, level=0.01) * 10 ** (gain / 20), rtol=1e-4)


def test_peaks_are_held_down_so_that_the_rest_can_be_loud() -> None:
    sound = noise(3.0, level=0.05)
    sound[RATE] = 0.9
    louder, gain = matched(sound, RATE, target=-20.0)
    assert loudness(louder, RATE) == pytest.approx(-20.0, abs=0.05)
    assert np.abs(louder).max() <= 0.98
    away = np.r_[0 : RATE - 200, RATE + 200 : sound.size]
    np.testing.assert_allclose(louder[away], sound[away] * 10 ** (gain / 20), rtol=0, atol=1e-5)


def test_a_limited_sound_keeps_its_waves() -> None:
    tone = 1.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    held = limited(tone, RATE, peak=0.9)
    assert np.abs(held).max() == pytest.approx(0.9, abs=1e-6)
    spectrum = np.abs(np.fft.rfft(held[2000:-2000] * np.hanning(RATE - 4000))) ** 2
    peak = int(spectrum.argmax())
    assert spectrum[peak - 4 : peak + 5].sum() > 0.9999 * spectrum.sum()  # clipping would leave 0.96
    assert limited(0.5 * tone, RATE, peak=0.9) is not held
    assert limited(0.5 * tone, RATE, peak=0.9).tolist() == (0.5 * tone).tolist()


def test_a_sound_that_is_nothing_but_peaks_stays_softer() -> None:
    clicks = np.zeros(RATE)
    clicks[::4000] = 0.5
    sound, _ = matched(clicks, RATE, target=-10.0)
    assert np.abs(sound).max() <= 0.98
    assert loudness(sound, RATE) < -10.0


def test_what_has_no_loudness_is_an_error() -> None:
    assert loudness(np.zeros(RATE), RATE) == -math.inf
    with pytest.raises(InputError, match="silent"):
        matched(np.zeros(RATE), RATE)
    with pytest.raises(InputError, match=r"0\.10 s of sound"):
        loudness(noise(0.1), RATE)
    with pytest.raises(InputError, match="shape"):
        loudness(np.zeros((6, RATE)), RATE)
    with pytest.raises(InputError, match="NaN"):
        loudness(np.full(RATE, np.nan), RATE)
    with pytest.raises(UsageError, match="4000 Hz"):
        loudness(noise(1.0), 4000)
