"""The dense floors."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earmark.models.base import build  # noqa: E402
from earmark.models.mlp import MagnitudeSpectrum  # noqa: E402


@pytest.mark.parametrize(("architecture", "n_inputs"), [("mlp_waveform", 6300), ("mlp_spectrum", 3151)])
def test_parameters(architecture: str, n_inputs: int) -> None:
    model = build(architecture, n_tags=10)
    assert model.n_parameters == (n_inputs + 1) * 256 + 257 * 128 + 129 * 10
    assert (model.sample_rate, model.chunk_samples) == (3150, 6300)


def test_magnitudes_are_those_of_numpy() -> None:
    waveform = np.random.default_rng(0).normal(size=(2, 101)).astype(np.float32)
    magnitudes = MagnitudeSpectrum()(torch.from_numpy(waveform))
    assert magnitudes.shape == (2, 51, 1)
    np.testing.assert_allclose(magnitudes[..., 0].numpy(), np.abs(np.fft.rfft(waveform)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["mlp_waveform", "mlp_spectrum"])
def test_loudness_does_not_matter_and_silence_is_no_error(architecture: str) -> None:
    model = build(architecture).eval()
    waveform = torch.randn(1, model.chunk_samples, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(waveform), model(0.01 * waveform), rtol=1e-3, atol=1e-5)
    silence = torch.zeros(1, model.chunk_samples, requires_grad=True)
    model(silence).sum().backward()
    assert silence.grad is not None
    assert bool(torch.isfinite(silence.grad).all())
