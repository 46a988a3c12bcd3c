"""Front ends against librosa's numbers, and what a module owes: gradients, shapes, errors."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from earmark.audio.filters import Scaling, dct_basis, frontend_constants, hz_to_mel, mel_filter_bank, mel_to_hz  # noqa: E402
from earmark.audio.frontends import FRONTENDS, PowerMel, decibels  # noqa: E402
from earmark.errors import EarmarkWarning, InputError, UnknownNameError, UsageError  # noqa: E402


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "frontends.json").read_text())
    return data


@pytest.fixture(scope="module")
def music(shared: Path) -> Any:
    waveform, _ = soundfile.read(shared / "references" / "audio" / "bensound-cute_16k.wav", dtype="float32")
    return torch.from_numpy(waveform)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["musicnn", "won", "choi", "log_mel", "mfcc"])
def test_front_end_equals_librosa_on_real_music(name: str, golden: dict[str, Any], music: Any) -> None:
    ours = FRONTENDS.build(name)(music).numpy()
    assert list(ours.shape) == golden["shapes"][name]
    expected = np.array(golden["values"][name])
    # float16 rounds a power that lies between two of its values either way: one step is 2**-11 of it
    atol = 3e-4 if name == "musicnn" else 1e-3
    np.testing.assert_allclose(ours[:, :: golden["frames_step"]], expected, rtol=1e-4, atol=atol)


@pytest.mark.shared
def test_mel_power_equals_librosa_on_real_music(golden: dict[str, Any], music: Any) -> None:
    ours = PowerMel(16000)(music).numpy()[:, :: golden["frames_step"]]
    expected = np.array(golden["values"]["power"])
    audible = expected > 1e-10 * expected.max()  # 100 dB below the loudest, float32's rounding shows
    assert audible.mean() > 0.9
    np.testing.assert_allclose(ours[audible], expected[audible], rtol=1e-4)


@pytest.mark.parametrize("name", list(FRONTENDS))
def test_gradients_reach_the_waveform(name: str) -> None:
    waveform = (0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))).requires_grad_()
    FRONTENDS.build(name)(waveform).sum().backward()
    assert waveform.grad is not None
    assert torch.isfinite(waveform.grad).all()
    assert waveform.grad.abs().max() > 0


@pytest.mark.parametrize("scaling", get_args(Scaling))
@pytest.mark.parametrize("name", ["log_mel", "cqt"])
def test_every_scaling_has_finite_gradients_even_in_silence(name: str, scaling: Scaling) -> None:
    waveform = torch.zeros(2, 8000)
    waveform[1] = 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(3))
    FRONTENDS.build(name, scaling=scaling)(waveform.requires_grad_()).square().sum().backward()
    assert waveform.grad is not None
    assert torch.isfinite(waveform.grad).all()
    assert waveform.grad[1].abs().max() > 0


@pytest.mark.parametrize("name", list(FRONTENDS))
def test_leading_axes_pass_through(name: str) -> None:
    frontend = FRONTENDS.build(name)
    waveform = 0.1 * torch.randn(2, 3, 6000, generator=torch.Generator().manual_seed(1))
    batch = frontend(waveform)
    assert batch.shape[:2] == (2, 3)
    torch.testing.assert_close(batch[1, 2], frontend(waveform[1, 2]), rtol=5e-4, atol=5e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", list(FRONTENDS))
def test_front_end_is_the_same_on_a_gpu(name: str) -> None:
    waveform = 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(2))
    frontend = FRONTENDS.build(name)
    torch.testing.assert_close(frontend.cuda()(waveform.cuda()).cpu(), frontend.cpu()(waveform), rtol=1e-3, atol=1e-3)


def test_silence_gives_finite_values() -> None:
    for name in FRONTENDS:
        assert torch.isfinite(FRONTENDS.build(name)(torch.zeros(1, 8000))).all()


def test_range_clips_each_item_by_its_own_maximum() -> None:
    power = torch.tensor([[[1.0, 1e-9]], [[1e-4, 1e-9]]])
    torch.testing.assert_close(decibels(power, range_db=80.0), torch.tensor([[[0.0, -80.0]], [[-40.0, -90.0]]]))


def test_too_short_a_waveform_is_refused() -> None:
    with pytest.raises(InputError, match="100 samples are fewer than one frame of 512"):
        PowerMel(16000)(torch.zeros(100))


def test_less_than_a_hop_is_refused() -> None:
    with pytest.raises(InputError, match="100 samples are fewer than one hop of 256"):
        FRONTENDS.build("cqt")(torch.zeros(100))


def test_constants_of_the_runtime_are_those_of_the_modules() -> None:
    for name in ("musicnn", "won", "choi"):
        buffers = dict(FRONTENDS.build(name).named_buffers())
        constants = frontend_constants(name)
        assert set(constants) == set(buffers)
        for key, value in constants.items():
            np.testing.assert_array_equal(value, buffers[key].numpy())
    with pytest.raises(UnknownNameError, match="published front end 'raw'"):
        frontend_constants("raw")


def test_mel_scales_invert() -> None:
    hertz = np.linspace(0, 8000, 50)
    for scale in ("slaney", "htk"):
        np.testing.assert_allclose(mel_to_hz(hz_to_mel(hertz, scale), scale), hertz, atol=1e-8)


def test_filters_have_area_one_and_height_one() -> None:
    area = mel_filter_bank(16000, n_fft=4096, n_mels=40)
    np.testing.assert_allclose(area.sum(axis=1) * 16000 / 4096, 1.0, rtol=0.02)
    assert mel_filter_bank(16000, n_fft=4096, n_mels=40, norm=None).max() <= 1.0


def test_frequencies_out_of_order_are_refused() -> None:
    with pytest.raises(UsageError, match="must lie in order"):
        mel_filter_bank(16000, n_fft=512, n_mels=40, f_min=5000, f_max=4000)


def test_dct_is_orthonormal() -> None:
    basis = dct_basis(16, 16).astype(np.float64)
    np.testing.assert_allclose(basis @ basis.T, np.eye(16), atol=1e-6)


@pytest.mark.parametrize(("name", "options"), [("log_mel", {}), ("mfcc", {"n_fft": 512})])
def test_empty_bands_are_warned_of_once(name: str, options: dict[str, object]) -> None:
    with pytest.warns(EarmarkWarning, match="24 of 256 mel bands are empty") as found:
        FRONTENDS.build(name, n_mels=256, **options)
    assert len(found) == 1
