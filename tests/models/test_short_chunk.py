"""Sizes of the short-chunk networks."""

import pytest

torch = pytest.importorskip("torch")

from earmark.errors import UsageError  # noqa: E402
from earmark.models.base import build  # noqa: E402


@pytest.mark.parametrize(
    ("architecture", "n_channels", "n_parameters"),
    [
        ("short_chunk", 128, 3_687_348),
        ("short_chunk_res", 128, 12_104_244),
        ("short_chunk_res", 64, 3_037_492),
        ("short_chunk_res", 32, 765_108),
    ],
)
def test_parameters_are_those_of_the_published_code(architecture: str, n_channels: int, n_parameters: int) -> None:
    assert build(architecture, n_channels=n_channels).n_parameters == n_parameters


@pytest.mark.parametrize("architecture", ["short_chunk", "short_chunk_res"])
def test_the_last_map_has_one_band(architecture: str) -> None:
    model = build(architecture, n_channels=4).eval()
    with torch.no_grad():
        stages = model.intermediates(torch.zeros(1, model.chunk_samples))
        longer = model.intermediates(torch.zeros(1, 2 * model.chunk_samples), ["pooled"])
    assert stages["block7"].shape[:3] == (1, 16, 1)
    assert stages["block1"].shape[2] == 64
    assert longer["pooled"].shape == (1, 16, 1, 1)


@pytest.mark.parametrize("architecture", ["short_chunk", "short_chunk_res"])
def test_the_input_has_a_length_of_choice(architecture: str) -> None:
    model = build(architecture, n_channels=4, chunk_samples=80_000).eval()
    assert model.chunk_samples == 80_000
    assert model(torch.zeros(1, 80_000)).shape == (1, 50)
    assert build(architecture, n_channels=4, chunk_samples=127 * 256).eval()(torch.zeros(1, 127 * 256)).shape == (1, 50)
    with pytest.raises(UsageError, match="chunk_samples=32511"):
        build(architecture, chunk_samples=127 * 256 - 1)
