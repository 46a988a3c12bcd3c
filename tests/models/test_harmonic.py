"""The harmonic front end and the size of its network."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earmark.models.base import build  # noqa: E402
from earmark.models.harmonic import HarmonicSpectrum  # noqa: E402


def test_parameters_are_those_of_the_published_code() -> None:
    assert build("harmonic_cnn").n_parameters == 3_631_551


def test_the_last_map_has_one_position() -> None:
    model = build("harmonic_cnn", n_channels=4).eval()
    with torch.no_grad():
        (last,) = model.intermediates(torch.zeros(1, model.chunk_samples), ["block7"]).values()
    assert last.shape == (1, 8, 1, 1)


def test_bands_answer_to_their_own_pitch() -> None:
    front = HarmonicSpectrum()
    pitch = 90  # of 128
    frequency = float(front.centres[pitch])
    assert frequency == pytest.approx(440.0)  # quarter tone 90 above C1 is A4
    time = torch.arange(16000) / 16000
    with torch.no_grad():
        bands = front(torch.sin(2 * np.pi * 2 * frequency * time)).unflatten(0, (6, 128))[:, :, 20:40].mean(dim=-1)
    assert int(bands[1].argmax()) == pytest.approx(pitch, abs=1)  # the second harmonic stands at the same pitch
    assert int(bands[0].argmax()) == pytest.approx(pitch + 24, abs=1)  # and is the first of the octave above


def test_sharper_bands_are_narrower() -> None:
    front = HarmonicSpectrum()
    with torch.no_grad():
        before = front.filters()
        front.sharpness.fill_(2.0)
        after = front.filters()
    assert before.shape == (768, 257)
    assert 0 <= float(before.min()) < float(before.max()) <= 1
    assert bool((after <= before).all())
    assert float(after.sum()) < 0.6 * float(before.sum())


def test_the_power_spectrum_is_that_of_a_fourier_transform() -> None:
    front = HarmonicSpectrum()
    waveform = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    spectrum = torch.stft(waveform, 512, 256, window=torch.hann_window(512), return_complex=True).abs().square()
    with torch.no_grad():
        expected = 10 * torch.log10(torch.clamp(front.filters() @ spectrum, min=1e-10))
        torch.testing.assert_close(front(waveform), expected, rtol=0, atol=2e-3)
