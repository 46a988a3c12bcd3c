"""Peaks over frequency by Fourier transform are those of the convolution."""

import pytest

torch = pytest.importorskip("torch")

from earmark.models.base import build  # noqa: E402
from earmark.models.peaks import peaks_of_long_filters, peaks_over_frequency  # noqa: E402


@pytest.mark.parametrize("height", [1, 2, 38, 67, 95, 96])
def test_peaks_are_those_of_a_convolution(height: int) -> None:
    generator = torch.Generator().manual_seed(height)
    x = torch.randn(2, 96, 50, generator=generator)
    weight = torch.randn(9, height, 7, generator=generator)
    expected = torch.nn.functional.conv2d(x[:, None], weight[:, None], padding=(0, 3)).amax(dim=2)
    (found,) = peaks_over_frequency(x, [weight], filters_at_once=4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("n_times", "n_frames"), [(187, 128), (188, 64), (10, 128), (50, 2)])
def test_peaks_of_long_filters_are_those_of_a_convolution(n_times: int, n_frames: int) -> None:
    generator = torch.Generator().manual_seed(n_frames)
    x = torch.randn(2, 96, n_times, generator=generator)
    weight = torch.randn(9, n_frames, generator=generator)
    padded = torch.nn.functional.pad(x[:, None], ((n_frames - 1) // 2, n_frames // 2))
    expected = torch.nn.functional.conv2d(padded, weight[:, None, None]).amax(dim=2)
    found = peaks_of_long_filters(x, weight, filters_at_once=4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["musicnn", "musicnn_won"])
def test_the_fast_form_equals_the_plain_one_whatever_the_signs(name: str) -> None:
    torch.manual_seed(0)
    model = build(name).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.weight)  # half of the scales are negative
            torch.nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    waveform = 0.1 * torch.randn(2, model.chunk_samples)
    with torch.no_grad():
        plain = model.intermediates(waveform, ["timbral", "temporal", "logits"])
        model.is_fast = True
        fast = model.intermediates(waveform, ["timbral", "temporal", "logits"])
    for layer, value in plain.items():
        torch.testing.assert_close(fast[layer], value, rtol=1e-3, atol=1e-3 * float(value.abs().max()))
