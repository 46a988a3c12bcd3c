"""Sizes of Choi's networks."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from earmark.errors import UsageError  # noqa: E402
from earmark.models.base import build  # noqa: E402


def convolutions(*channels: int) -> int:
    """Count kernels, biases, and scales and shifts of the batch norms."""
    return sum(9 * a * b + 3 * b for a, b in pairwise(channels))


def test_the_published_code_counts_its_parameters() -> None:
    assert build("fcn_choi").n_parameters == 865_950


@pytest.mark.parametrize(
    ("architecture", "channels"),
    [("fcn3", (128, 768, 2048)), ("fcn4", (128, 384, 768, 2048)), ("fcn5", (128, 256, 512, 1024, 2048))],
)
def test_fcns_have_the_maps_of_the_paper(architecture: str, channels: tuple[int, ...]) -> None:
    assert build(architecture).n_parameters == convolutions(1, *channels) + 2049 * 50


@pytest.mark.parametrize("budget", [100, 250, 500, 1000, 3000])
@pytest.mark.parametrize("architecture", ["k1c2", "k2c1", "k2c2"])
def test_networks_keep_their_budget(architecture: str, budget: int) -> None:
    assert build(architecture, budget=budget).n_parameters == pytest.approx(1000 * budget, rel=0.12)


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("fcn3", {"n_channels": 1}),
        ("fcn4", {"n_channels": 1}),
        ("fcn5", {"n_channels": 1}),
        ("k1c2", {"budget": 100}),
        ("k2c1", {"budget": 100}),
        ("k2c2", {"budget": 100}),
    ],
)
def test_the_clip_ends_as_one_frame(architecture: str, options: dict[str, int]) -> None:
    model = build(architecture, **options).eval()
    with torch.no_grad():
        spectrogram = model.represent(torch.zeros(1, model.chunk_samples))
        maps = [value for name, value in model.stages(spectrogram) if name.startswith("block")]
    assert spectrogram.shape == (1, 96, 1366)
    assert maps[-1].shape[-1] == 1
    assert maps[-1].shape[-2] == (96 if architecture == "k1c2" else 1)


def test_other_budgets_are_refused() -> None:
    with pytest.raises(UsageError, match="2000 thousand") as error:
        build("k2c2", budget=2000)
    assert "1000" in str(error.value.hint)
