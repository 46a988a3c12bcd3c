"""Networks of convolutions over time: sizes, and pooling by mean, maximum and L2 norm."""

import pytest

torch = pytest.importorskip("torch")

from earmark.errors import UsageError  # noqa: E402
from earmark.models.base import build  # noqa: E402
from earmark.models.content import summarise_time  # noqa: E402


def test_content_has_the_parameters_of_the_published_code() -> None:
    convolutions = 128 * 4 * 256 + 256 + 256 * 4 * 256 + 256 + 256 * 4 * 512 + 512
    dense = 3 * 512 * 2048 + 2048 + 2048 * 2048 + 2048
    assert build("content").n_parameters == convolutions + dense + 2049 * 50 == 8_365_106


@pytest.mark.parametrize(
    ("length", "stride", "n_frames"),
    [(256, 256, 187), (512, 256, 186), (512, 512, 93), (1024, 512, 92), (1024, 1024, 46)],
)
def test_dieleman_counts_its_frames(length: int, stride: int, n_frames: int) -> None:
    model = build("dieleman_mel", length=length, stride=stride).eval()
    expected = 128 * 8 * 32 + 32 + 32 * 8 * 32 + 32 + (32 * (n_frames // 4 // 4) + 1) * 100 + 101 * 50
    assert model.n_parameters == expected
    waveform = 0.1 * torch.randn(1, model.chunk_samples, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert model.represent(waveform).shape == (1, 128, n_frames)
        assert model(waveform).shape == (1, 50)


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="12 frames of 256 samples"):
        build("dieleman_mel", stride=4096)


def test_content_takes_29_seconds() -> None:
    model = build("content", n_channels=2, n_units=2)
    with torch.no_grad():
        spectrogram = model.represent(torch.randn(1, model.chunk_samples, generator=torch.Generator().manual_seed(0)))
    assert spectrogram.shape == (1, 128, 625)
    assert 0 <= float(spectrogram.min()) < float(spectrogram.max()) == 1


def test_silent_filters_have_a_gradient_of_zero() -> None:
    x = torch.zeros(1, 2, 5)
    x[0, 1] = torch.tensor([0.0, 3.0, 0.0, 4.0, 0.0])
    x.requires_grad_()
    pooled = summarise_time(x)
    torch.testing.assert_close(pooled, torch.tensor([[0.0, 1.4, 0.0, 4.0, 1e-6, 5.0]]))
    pooled[:, 4].sum().backward()
    assert x.grad is not None
    assert bool((x.grad == 0).all())
