"""Responses of deeper layers, against bands that were put there."""

import numpy as np
import pytest
import torch
from scipy import signal

from earmark.errors import UnknownNameError, UsageError
from earmark.explain.responses import band_noises, compare_stages, layer_response, layer_responses, sweeps
from earmark.models.base import build
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet

RATE = 16000
BANDS = ((300.0, 500.0), (900.0, 1100.0), (1900.0, 2100.0), (3500.0, 4500.0))
CHOSEN = (2, 0)  # which band each channel of the second layer takes


def two_layers(*, stride: int = 1, pool: int = 1) -> RawNet:
    """Band passes, of which the second layer lets one through for each channel; the last channel takes none."""
    first = Layer((Branch((Conv(len(BANDS), 257, stride),)),), pool=pool)
    second = Layer((Branch((Conv(len(CHOSEN) + 1, 5),)),))
    plan = Plan(layers=(first, second), has_norm=False, activation="relu")
    model = RawNet(plan, n_tags=2, chunk_samples=8000)
    kernels = np.array([signal.firwin(257, band, pass_zero=False, fs=RATE) for band in BANDS])
    with torch.no_grad():
        convs = [layer.branches[0][0].conv for layer in model.layers]
        convs[0].weight.copy_(torch.from_numpy(kernels[:, None]))
        convs[1].weight.zero_()
        for channel, band in enumerate(CHOSEN):
            convs[1].weight[channel, band] = 0.2
        for conv in convs:
            conv.bias.zero_()
    return model.eval()


@pytest.mark.parametrize("stride", [1, 4])
def test_the_band_that_a_second_layer_passes_is_found(stride: int) -> None:
    found = layer_response(two_layers(stride=stride, pool=2), "layer2")
    expected = [np.mean(BANDS[i]) for i in CHOSEN]
    assert found.bands.centroid[:2] == pytest.approx(expected, rel=0.05)
    assert found.bands.peak[:2] == pytest.approx(expected, rel=0.05)
    assert found.noise_bands.centroid[:2] == pytest.approx(expected, rel=0.05)
    assert found.answers.tolist() == [True, True, False]
    assert found.bands.half_power[:2] == pytest.approx([200.0, 200.0], rel=0.35)
    inside = (found.frequencies > BANDS[2][0] - 150) & (found.frequencies < BANDS[2][1] + 150)
    assert found.sweep[0, ~inside].max() < 0.1 * found.sweep[0].max()  # -20 dB


def test_the_first_layer_answers_as_freqz_says() -> None:
    model = two_layers()
    edges = np.linspace(100, 5000, 50)
    found = layer_response(model, "layer1", edges=edges.tolist())
    kernel = model.layers[0].branches[0][0].conv.weight[1, 0].detach().numpy()
    fine = np.linspace(edges[:-1], edges[1:], 9)  # a sine glides through its band
    _, response = signal.freqz(kernel, worN=fine.ravel(), fs=RATE)
    expected = np.abs(response).reshape(fine.shape).mean(axis=0) * 0.1 * np.sqrt(2) / np.pi  # the positive half
    assert found.sweep[1] == pytest.approx(expected, abs=0.03 * expected.max())
    assert found.silence == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_sine_does_not_lock_to_the_stride() -> None:
    """At 1 kHz a stride of 16 meets a still sine at one phase only."""
    plan = Plan(layers=(Layer((Branch((Conv(2, 16, 16),)),)),), has_norm=False, activation="relu")
    model = RawNet(plan, n_tags=1, chunk_samples=8000).eval()
    t = np.arange(16) / RATE
    with torch.no_grad():
        conv = model.layers[0].branches[0][0].conv
        conv.weight[0, 0] = torch.from_numpy(np.sin(2 * np.pi * 1000 * t))
        conv.weight[1, 0] = torch.from_numpy(np.cos(2 * np.pi * 1000 * t))
        conv.bias.zero_()
    found = layer_response(model, "layer1", edges=[800.0, 900.0, 950.0, 1050.0, 1100.0])
    assert found.sweep[0, 2] == pytest.approx(found.sweep[1, 2], rel=0.1)


def test_clicks_tell_the_time_resolution() -> None:
    found = layer_response(two_layers(), "layer1")
    assert found.field.n_samples == 257
    assert found.click_times[found.click.argmax(axis=1)] == pytest.approx(np.zeros(4), abs=0.002)
    assert (found.time_resolution < 257 / RATE).all()
    assert found.time_resolution[3] < found.time_resolution[0]  # the wide band is the short one
    whole = layer_response(two_layers(stride=4, pool=16), "flat", n_bands=8)
    assert np.isnan(whole.time_resolution).all()


def test_stages_are_set_against_the_one_before() -> None:
    responses = layer_responses(two_layers(stride=4), n_bands=64)
    assert [one.layer for one in responses] == ["layer1", "layer2"]
    first, second = compare_stages(responses)
    assert (first.before, second.before) == ("", "layer1")
    assert np.isnan(first.half_power_ratio)
    lost = (1100 - 900) + (4500 - 3500)
    assert second.lost == pytest.approx(lost / 8000, abs=0.04)
    assert second.gained < 0.02
    assert second.n_answering == pytest.approx(2 / 3)
    assert second.field_seconds == pytest.approx((257 + 4 * 4) / RATE)
    assert 0.2 < second.likeness < 1
    with pytest.raises(UsageError, match="different bands"):
        compare_stages([responses[0], layer_response(two_layers(stride=4), "layer2", n_bands=10)])


def test_networks_on_mel_answer_too() -> None:
    torch.manual_seed(1)
    found = layer_response(build("ds256f").eval(), "layer1", n_bands=12, measure="absolute")
    assert found.sweep.shape == (32, 12)
    assert (found.sweep > 0).all()
    assert found.click.shape[1] == len(found.click_times)


def test_sounds_are_what_they_are_called() -> None:
    edges = np.array([500.0, 600.0, 1000.0, 1010.0])
    for sounds in (sweeps(edges, RATE, 8000, 0.1), band_noises(edges, RATE, 8000, 0.1, seed=0)):
        power = np.abs(np.fft.rfft(sounds.double().numpy())) ** 2
        frequencies = np.fft.rfftfreq(8000, 1 / RATE)
        for row, low, high in zip(power, edges[:-1], edges[1:], strict=True):
            inside = (frequencies > low - 100) & (frequencies < high + 100)
            assert row[inside].sum() > 0.99 * row.sum()
        assert np.sqrt((sounds.numpy() ** 2).mean(axis=1)) == pytest.approx(0.1 * np.ones(3), rel=0.05)
    assert torch.equal(band_noises(edges, RATE, 400, 0.1, seed=3), band_noises(edges, RATE, 400, 0.1, seed=3))


def test_errors_name_what_exists() -> None:
    model = two_layers()
    with pytest.raises(UnknownNameError, match="no layer 'layer3'") as error:
        layer_response(model, "layer3")
    assert "layer2" in str(error.value.hint)
    with pytest.raises(UsageError, match="edges"):
        layer_response(model, "layer1", edges=[100.0, 50.0, 20.0, 10.0])
    with pytest.raises(UsageError, match="f_min"):
        layer_response(model, "layer1", f_min=9000.0)
    with pytest.raises(UsageError, match="above full scale"):
        layer_response(model, "layer1", level_db=3.0)
    with pytest.raises(UsageError, match="measure"):
        layer_response(model, "layer1", measure="loud")  # type: ignore[arg-type]
