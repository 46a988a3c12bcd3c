"""Sounds found by climbing, against bands that were put there."""

import numpy as np
import pytest
import torch
from scipy import signal

from earmark.errors import UnknownNameError, UsageError
from earmark.explain.ascent import preferred_inputs
from earmark.models.base import build
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet

RATE = 16000
BANDS = ((400.0, 600.0), (2000.0, 2600.0))


@pytest.fixture(scope="module", name="model")
def band_passes() -> RawNet:
    plan = Plan(layers=(Layer((Branch((Conv(2, 201, 4),)),)),), has_norm=False, activation="relu")
    model = RawNet(plan, n_tags=1, chunk_samples=3200).eval()
    kernels = np.array([signal.firwin(201, band, pass_zero=False, fs=RATE) for band in BANDS])
    with torch.no_grad():
        conv = model.layers[0].branches[0][0].conv
        conv.weight.copy_(torch.from_numpy(kernels[:, None]))
        conv.bias.zero_()
    return model


def test_sounds_lie_in_the_bands_that_channels_pass(model: RawNet) -> None:
    found = preferred_inputs(model, "layer1", n_steps=60)
    for (low, high), before, after, spectrum in zip(BANDS, found.starts, found.activations, found.spectra, strict=True):
        inside = (found.frequencies > low - 50) & (found.frequencies < high + 50)
        assert spectrum[inside].sum() > 0.9
        assert after > 1.5 * before
    assert found.spectra.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert np.sqrt((found.waveforms**2).mean(axis=1)) == pytest.approx([0.1, 0.1], rel=1e-4)
    t = np.sqrt(2) * 0.1 / np.pi  # a full sine of that level, rectified
    assert found.activations.max() < 1.3 * t


def test_the_prior_makes_low_sounds(model: RawNet) -> None:
    flat = preferred_inputs(model, "layer1", [1], n_steps=1, exponent=0.0)
    pink = preferred_inputs(model, "layer1", [1], n_steps=1, exponent=1.0)
    below = flat.frequencies < 1000
    assert pink.spectra[0, below].sum() > 0.8
    assert flat.spectra[0, below].sum() < 0.3


def test_the_same_seed_gives_the_same_sound(model: RawNet) -> None:
    one, two, other = (preferred_inputs(model, "layer1", [0], n_steps=3, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(one.waveforms, two.waveforms)
    assert not np.array_equal(one.waveforms, other.waveforms)
    assert one.waveforms.dtype == np.float32


def test_channels_of_networks_on_mel_are_climbed_too() -> None:
    torch.manual_seed(2)
    found = preferred_inputs(build("ds256f").eval(), "layer1", [3, 5], n_steps=8)
    assert (found.activations > found.starts).all()


def test_errors_name_what_exists(model: RawNet) -> None:
    with pytest.raises(UnknownNameError, match="no layer 'conv1'"):
        preferred_inputs(model, "conv1")
    with pytest.raises(UsageError, match=r"channels \[2\]") as error:
        preferred_inputs(model, "layer1", [2])
    assert error.value.hint == "0 to 1"
    with pytest.raises(UsageError, match="n_steps=0"):
        preferred_inputs(model, "layer1", n_steps=0)
    with pytest.raises(UsageError, match=r"does not take 0\.01 s"):
        preferred_inputs(build("ds256f"), "layer1", n_seconds=0.01)
