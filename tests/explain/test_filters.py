"""First filters of networks on the waveform, against filters that were put there and scipy's `freqz`."""

import numpy as np
import pytest
import torch
from scipy import signal

from earmark.audio.filters import hz_to_mel, mel_to_hz
from earmark.errors import UnknownNameError, UsageError
from earmark.explain.bands import compare_with_mel, coverage, passbands
from earmark.explain.filters import first_layer
from earmark.models.base import build
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet

RATE = 16000
BANDS = ((2800.0, 3200.0), (150.0, 250.0), (900.0, 1100.0), (5500.0, 6500.0))  # in no order


def band_pass_network(*, width: int = 513, stride: int = 1) -> RawNet:
    """A network whose first filters pass known bands."""
    plan = Plan(layers=(Layer((Branch((Conv(len(BANDS), width, stride),)),)),), has_norm=False, activation="relu")
    model = RawNet(plan, n_tags=2, chunk_samples=4000).eval()
    kernels = np.array([signal.firwin(width, band, pass_zero=False, fs=RATE) for band in BANDS])
    with torch.no_grad():
        conv = model.layers[0].branches[0][0].conv
        conv.weight.copy_(torch.from_numpy(kernels[:, None]))
        conv.bias.zero_()
    return model


def test_planted_bands_are_found() -> None:
    found = first_layer(band_pass_network())
    assert found.channels.tolist() == [1, 2, 0, 3]
    middles = np.array([np.mean(BANDS[i]) for i in found.channels])
    widths = np.array([np.diff(BANDS[i])[0] for i in found.channels])
    assert found.bands.centroid == pytest.approx(middles, rel=0.02)
    assert found.bands.middle == pytest.approx(middles, rel=0.02)
    assert found.bands.half_power[1:] == pytest.approx(widths[1:], rel=0.2)  # 100 Hz is at the limit of 513 samples
    assert found.bands.rectangular[2:] == pytest.approx(widths[2:], rel=0.1)
    assert (found.bands.low < found.bands.peak).all()
    assert (found.bands.high > found.bands.peak).all()


def test_peaks_of_filters_with_one_top_are_found() -> None:
    plan = Plan(layers=(Layer((Branch((Conv(6, 400),)),)),))
    model = RawNet(plan, n_tags=2, chunk_samples=2000)
    centres = np.array([120.0, 333.3, 1234.5, 2500.0, 4321.0, 7000.0])
    t = (np.arange(400) - 200) / RATE
    kernels = np.cos(2 * np.pi * centres[:, None] * t + 0.3) * np.exp(-0.5 * (t / 0.004) ** 2)
    with torch.no_grad():
        model.layers[0].branches[0][0].conv.weight.copy_(torch.from_numpy(kernels[:, None]))
    found = first_layer(model, n_fft=2048)
    assert found.bands.peak == pytest.approx(centres, rel=0.002)
    spread = 1 / (2 * np.pi * 0.004)  # of the Gaussian in Hz
    assert found.bands.half_power == pytest.approx(np.full(6, 2 * spread * np.sqrt(np.log(2))), rel=0.02)
    assert found.bands.rectangular == pytest.approx(np.full(6, spread * np.sqrt(np.pi)), rel=0.02)


def test_responses_are_those_of_freqz() -> None:
    model = build("mul16ds")
    found = first_layer(model, n_fft=1024)
    assert sorted(set(found.lengths.tolist())) == [16, 64]
    for i in (0, 40, 95):
        kernel = dict(model.named_modules())[found.modules[i]].weight[found.channels[i], 0].detach().numpy()
        _, response = signal.freqz(kernel[::-1], worN=found.frequencies, fs=RATE)
        assert found.magnitudes[i] == pytest.approx(np.abs(response), abs=1e-6)


def test_dilation_counts() -> None:
    plan = Plan(layers=(Layer((Branch((Conv(3, 5, 1, 4),)),)),))
    model = RawNet(plan, n_tags=1, chunk_samples=400)
    found = first_layer(model)
    assert set(found.lengths.tolist()) == {17}
    quarter = len(found.frequencies) // 2  # the response repeats at a fourth of the sample rate
    assert found.magnitudes[:, :quarter] == pytest.approx(found.magnitudes[:, quarter:-1], abs=1e-9)


def test_dense_layers_on_the_waveform_and_shortcuts_count() -> None:
    assert first_layer(build("mlp_waveform", n_units=4, sample_rate=800)).kernels.shape == (4, 1600)
    names = set(first_layer(build("sample_cnn_rese_won", n_filters=4)).modules)
    assert names == {"strided.conv1", "strided.shortcut.0"}


def test_a_mel_bank_is_mel_and_a_linear_one_is_linear() -> None:
    mel = mel_to_hz(np.linspace(0.0, float(hz_to_mel(np.array(RATE / 2))), 66)[1:-1])
    one = compare_with_mel(mel[::-1].copy(), RATE)
    assert (one.slope, one.r2, one.r2_as_is, one.rms_octaves) == pytest.approx((1.0, 1.0, 1.0, 0.0), abs=1e-9)
    half = compare_with_mel(mel / 2 + 100, RATE)
    assert (half.slope, half.intercept, half.r2) == pytest.approx((0.5, 100.0, 1.0))
    linear = compare_with_mel(np.linspace(0, RATE / 2, 66)[1:-1], RATE)
    assert (linear.linear_slope, linear.linear_r2) == pytest.approx((1.0, 1.0))
    assert linear.r2 < 0.95


def test_a_filter_of_zeros_has_no_centre_and_stands_last() -> None:
    model = band_pass_network()
    with torch.no_grad():
        model.layers[0].branches[0][0].conv.weight[0] = 0.0
    found = first_layer(model)
    assert found.channels[-1] == 0
    assert np.isnan(found.bands.peak[-1])
    assert np.isfinite(found.bands.peak[:-1]).all()


def test_coverage_counts_what_is_passed() -> None:
    edges = np.linspace(0, 1000, 11)
    responses = np.array([[0, 1, 1, 0.5, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 3, 0, 0], [0.0] * 10])
    found = coverage(edges, responses)
    assert found.covered == pytest.approx(0.3)
    assert found.covered_mel == pytest.approx(0.3)  # the mel scale is linear there
    assert found.ignored.tolist() == [[0, 100], [300, 700], [800, 1000]]
    network = first_layer(band_pass_network()).coverage
    assert network.covered == pytest.approx(1700 / 8000, rel=0.1)


def test_half_power_lies_between_frequencies() -> None:
    frequencies = np.arange(5.0)
    bands = passbands(frequencies, np.array([[0.0, 0.5, 1.0, 0.5, 0.0]]))
    expected = 2 - (1 - np.sqrt(0.5)) / 0.5
    assert (bands.low[0], bands.high[0], bands.peak[0]) == pytest.approx((expected, 4 - expected, 2.0))
    assert passbands(frequencies, np.array([[2.0, 2.0, 2.0, 2.0, 2.0]])).half_power[0] == 4.0


def test_errors_say_what_to_do() -> None:
    with pytest.raises(UsageError, match="spectrogram") as error:
        first_layer(build("fcn"))
    assert "mel_filters" in str(error.value.hint)
    with pytest.raises(UsageError, match="shorter than the filters of 513"):
        first_layer(band_pass_network(), n_fft=256)
    with pytest.raises(UnknownNameError, match=r"no model 'musicnn\.pons_mt'") as unknown:
        first_layer("musicnn.pons_mt")
    assert "musicnn.pons_mtt" in str(unknown.value.hint)
    with pytest.raises(UsageError, match="ONNX"):
        first_layer("some/model.onnx")
