"""Statistics of a track: those of scipy, of the MFCC and the contrast that earmark computes."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy")
import scipy.stats

from earmark.audio.contrast import SpectralContrast
from earmark.audio.spectra import SPECTRA
from earmark.errors import InputError, UsageError
from earmark.floors.statistics import STATISTICS, TrackStatistics, slopes, summary


def noise(n: int, *, seed: int = 0) -> Any:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def test_summary_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.standard_normal(301), rng.gamma(0.5, size=301), 1e4 + rng.random(301)]).astype(np.float32)
    wide = rows.astype(np.float64)
    expected = {
        "mean": wide.mean(axis=1),
        "std": wide.std(axis=1),
        "skew": scipy.stats.skew(wide, axis=1),
        "kurtosis": scipy.stats.kurtosis(wide, axis=1),
        "median": np.median(wide, axis=1),
        "min": wide.min(axis=1),
        "max": wide.max(axis=1),
    }
    found = summary(rows)
    for row, name in enumerate(STATISTICS):
        np.testing.assert_allclose(found[row], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_a_constant_row_has_no_skew() -> None:
    for n in (1, 50):
        found = summary(np.full((2, n), 0.1, np.float32))
        np.testing.assert_array_equal(found[1:4], 0.0)
        np.testing.assert_allclose(found[[0, 4, 5, 6]], 0.1)


def test_features_of_a_track() -> None:
    waveform = noise(24000)
    statistics = TrackStatistics()
    features = statistics(waveform)
    assert features.dtype == np.float32
    assert len(features) == statistics.n_features == len(statistics.names) == 189
    value = dict(zip(statistics.names, features, strict=True))
    cepstrum = SPECTRA.build("mfcc")(waveform).astype(np.float64)
    contrast = SpectralContrast(sample_rate=16000)(waveform).astype(np.float64)
    assert value["mfcc_0 mean"] == pytest.approx(cepstrum[0].mean(), rel=1e-5)
    assert value["mfcc_19 kurtosis"] == pytest.approx(scipy.stats.kurtosis(cepstrum[19]), rel=1e-4)
    assert value["contrast_6 max"] == pytest.approx(contrast[6].max(), rel=1e-5)
    assert value["contrast_0 std"] == pytest.approx(contrast[0].std(), rel=1e-5)


def test_slopes_are_lines_through_nine_frames() -> None:
    rows = np.random.default_rng(0).standard_normal((2, 40)).astype(np.float32)
    found = slopes(rows)
    for t in (4, 20, 35):
        expected = np.polyfit(np.arange(9), rows[:, t - 4 : t + 5].T, 1)[0]
        np.testing.assert_allclose(found[:, t], expected, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], np.polyfit(np.arange(9), rows[:, :9].T, 1)[0], atol=1e-5)
    np.testing.assert_array_equal(slopes(rows[:, :8]), 0.0)


def test_slopes_stand_between_mfcc_and_contrast() -> None:
    with_slopes = TrackStatistics(deltas=True)
    waveform = noise(16000)
    assert with_slopes.n_features == 7 * 47
    value = dict(zip(with_slopes.names, with_slopes(waveform), strict=True))
    expected = slopes(SPECTRA.build("mfcc")(waveform))
    assert value["delta_3 max"] == pytest.approx(expected[3].max(), rel=1e-5)
    plain = dict(zip(TrackStatistics().names, TrackStatistics()(waveform), strict=True))
    assert {name: value[name] for name in plain} == plain


@pytest.mark.parametrize("n_samples", [1, 100, 2047, 2048, 2600])
def test_short_audio_is_filled_up(n_samples: int) -> None:
    waveform = noise(n_samples)
    features = TrackStatistics()(waveform)
    assert np.isfinite(features).all()
    filled = np.pad(waveform, (0, max(0, 2048 - n_samples)))
    np.testing.assert_array_equal(features, TrackStatistics()(filled))


def test_silence_is_finite() -> None:
    assert np.isfinite(TrackStatistics(deltas=True)(np.zeros(16000, np.float32))).all()


def test_another_sample_rate() -> None:
    statistics = TrackStatistics(sample_rate=22050)
    assert statistics.parameters == {
        "sample_rate": 22050, "n_coefficients": 20, "n_fft": 2048, "hop_length": 512, "deltas": False,
    }  # fmt: skip
    assert not np.array_equal(statistics(noise(8000)), TrackStatistics()(noise(8000)))


def test_what_cannot_be_used() -> None:
    with pytest.raises(UsageError, match="n_coefficients=0"):
        TrackStatistics(n_coefficients=0)
    with pytest.raises(UsageError, match="6 octaves from 200"):
        TrackStatistics(sample_rate=8000)
    with pytest.raises(InputError, match=r"shape \(0,\)"):
        TrackStatistics()(np.zeros(0, np.float32))
    with pytest.raises(InputError, match="NaN or an infinity"):
        TrackStatistics()(np.array([0.0, np.nan], np.float32))
