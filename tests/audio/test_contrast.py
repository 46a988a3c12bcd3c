"""Spectral contrast: the numbers of librosa, and what every call owes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("scipy")

from earmark.audio import contrast
from earmark.audio.contrast import SpectralContrast
from earmark.errors import InputError, MissingExtraError, UsageError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "contrast.json").read_text())
NAMES = {"fmin": "f_min", "n_bands": "n_octaves"}  # librosa's to ours


def plan(name: str) -> SpectralContrast:
    given = {NAMES.get(key, key): value for key, value in GOLDEN["options"][name].items()}
    return SpectralContrast(sample_rate=16000, **given)


def fading() -> NDArray[np.float32]:
    """The waveform of tests/golden/make_contrast.py."""
    t = np.arange(48000)
    noise = np.random.default_rng(0).standard_normal(48000)
    tones = np.sin(2 * np.pi * 0.03 * t) + 0.5 * np.sin(2 * np.pi * 0.11 * t)
    return ((0.02 * noise + 0.2 * tones) * 10.0 ** (-t / 4000)).astype(np.float32)


def check(source: str, name: str, waveform: NDArray[np.float32]) -> None:
    golden = GOLDEN["values"][f"{source} {name}"]
    ours = plan(name)(waveform)
    assert ours.dtype == np.float32
    assert list(ours.shape) == golden["shape"]
    np.testing.assert_allclose(ours[:, :: golden["step"]], golden["values"], rtol=0, atol=1e-4)  # dB


@pytest.mark.parametrize("name", GOLDEN["options"])
def test_equals_librosa_on_a_fade(name: str) -> None:
    check("fading", name, fading())


@pytest.mark.shared
@pytest.mark.parametrize("name", GOLDEN["options"])
def test_equals_librosa_on_real_music(name: str, shared: Path) -> None:
    waveform, _ = soundfile.read(shared / "references" / "audio" / "bensound-cute_16k.wav", dtype="float32")
    check("music", name, waveform)


def test_a_tone_stands_out_of_its_band_and_noise_does_not() -> None:
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(16000)
    tone = 0.3 * np.sin(2 * np.pi * 500 * np.arange(16000) / 16000)  # in the band from 400 to 800 Hz
    without, with_tone = (SpectralContrast(sample_rate=16000)(w.astype(np.float32)) for w in (noise, noise + tone))
    gain = np.median(with_tone - without, axis=1)
    assert gain.argmax() == 2
    assert gain[2] > 10
    assert (without >= 0).all()


def test_silence_and_digital_zeros_have_no_contrast() -> None:
    np.testing.assert_array_equal(SpectralContrast(sample_rate=16000)(np.zeros(4096, np.float32)), 0.0)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = plan("default")(fading())
    monkeypatch.setattr(contrast, "_BLOCK_SAMPLES", 3 * 2048)
    np.testing.assert_array_equal(plan("default")(fading()), whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_octaves": 7}, "7 octaves from 200.0 Hz exceed 8000.0 Hz"),
        ({"n_fft": 128}, "fewer than two bins"),
        ({"n_fft": 1025}, "n_fft even"),
        ({"hop_length": 0}, "expected positive"),
        ({"quantile": 0.5}, "quantile below 0.5"),
        ({"f_min": 0.0}, "f_min=0.0"),
    ],
)
def test_wrong_parameters(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SpectralContrast(**({"sample_rate": 16000} | options))


def test_wrong_waveforms() -> None:
    compute = SpectralContrast(sample_rate=16000)
    with pytest.raises(InputError, match="2047 samples are fewer"):
        compute(np.zeros(2047, np.float32))
    with pytest.raises(InputError, match="NaN or an infinity"):
        compute(np.full(4096, np.nan, np.float32))
    with pytest.raises(InputError, match="not one row"):
        compute(np.zeros((2, 4096), np.float32))


def test_without_scipy_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    contrast._rfft.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "scipy.fft", None)
        with pytest.raises(MissingExtraError, match=r"spectral contrast needs the extra \[features\]"):
            SpectralContrast(sample_rate=16000)(np.zeros(4096, np.float32))
    assert SpectralContrast(sample_rate=16000)(np.zeros(4096, np.float32)).shape == (7, 9)
