"""Sizes and maps of the sample-level networks."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from earmark.errors import InputError, UnknownNameError  # noqa: E402
from earmark.models.base import build  # noqa: E402

KIM = ("sample_cnn_se", "sample_cnn_res", "sample_cnn_rese")


def conv(n_in: int, n_out: int, width: int) -> int:
    """Count a convolution with its bias and the batch norm behind it."""
    return n_in * n_out * width + n_out + 2 * n_out


def dense(n_in: int, n_out: int) -> int:
    return n_in * n_out + n_out


def kim(name: str, *, multi_level: bool) -> int:
    """Count the network as its authors' code builds it."""
    channels = [128, 128, 128, *[256] * 6, 512]
    total = conv(1, 128, 3)
    for n_in, n_out in itertools.pairwise(channels):
        total += conv(n_in, n_out, 3)
        if name != "sample_cnn_se":
            total += conv(n_out, n_out, 3) + (conv(n_in, n_out, 1) if n_in != n_out else 0)
        if name != "sample_cnn_res":
            total += dense(n_out, 16 * n_out) + dense(16 * n_out, n_out)
    n_pooled = 256 + 256 + 512 if multi_level else 512
    return total + dense(n_pooled, n_pooled) + 2 * n_pooled + dense(n_pooled, 50)


def test_parameters_are_those_of_the_published_code() -> None:
    assert build("sample_cnn").n_parameters == 1_869_874
    assert build("sample_cnn_rese_won").n_parameters == 6_951_858


@pytest.mark.parametrize("multi_level", [True, False])
@pytest.mark.parametrize("name", KIM)
def test_parameters_are_those_of_the_authors_layers(name: str, multi_level: bool) -> None:
    assert build(name, multi_level=multi_level).n_parameters == kim(name, multi_level=multi_level)


@pytest.mark.parametrize("name", ["sample_cnn", *KIM, "sample_cnn_rese_won"])
def test_ten_levels_of_three_leave_one_position(name: str) -> None:
    model = build(name, n_filters=4).eval()
    with torch.no_grad():
        stages = model.intermediates(torch.zeros(1, model.chunk_samples))
    assert [stages[f"block{i}"].shape[-1] for i in range(1, 10)] == [3**i for i in range(8, -1, -1)]
    assert [stages[f"block{i}"].shape[1] // 4 for i in (1, 2, 3, 8, 9)] == [1, 1, 2, 2, 4]


def test_levels_are_pooled_together() -> None:
    model = build("sample_cnn_rese", n_filters=4).eval()
    with torch.no_grad():
        stages = model.intermediates(0.1 * torch.randn(1, 2 * model.chunk_samples))
    expected = torch.cat([stages[f"block{i}"].amax(dim=-1) for i in (7, 8, 9)], dim=1)
    assert stages["block9"].shape[-1] == 2
    torch.testing.assert_close(stages["pooled"].flatten(1), expected.flatten(1))


def test_the_excitation_weighs_channels() -> None:
    model = build("sample_cnn_se", n_filters=4).eval()
    waveform = 0.1 * torch.randn(1, model.chunk_samples)
    excitation = model.blocks[0].excitation
    with torch.no_grad():
        torch.nn.init.zeros_(excitation.excite.weight)
        torch.nn.init.constant_(excitation.excite.bias, 30.0)  # weights of 1
        (open_,) = model.intermediates(waveform, ["block1"]).values()
        torch.nn.init.constant_(excitation.excite.bias, 0.0)  # weights of 1/2
        (half,) = model.intermediates(waveform, ["block1"]).values()
    torch.testing.assert_close(half, open_ / 2)
    assert open_.abs().max() > 0


def test_a_residual_block_without_convolutions_is_its_input() -> None:
    model = build("sample_cnn_res", n_filters=4).eval()
    torch.nn.init.zeros_(model.blocks[0].norm2.weight)
    with torch.no_grad():
        stages = model.intermediates(0.1 * torch.randn(1, model.chunk_samples), ["strided", "block1"])
    expected = torch.nn.functional.max_pool1d(stages["strided"].squeeze(2), 3)
    torch.testing.assert_close(stages["block1"].squeeze(2), expected)


def test_too_short_an_input_and_an_unknown_pooling_are_refused() -> None:
    model = build("sample_cnn", n_filters=4).eval()
    with pytest.raises(InputError, match="59048 samples is too short"):
        model(torch.zeros(1, 59048))
    with pytest.raises(UnknownNameError, match="no pooling 'maxx'"):
        build("sample_cnn", pooling="maxx")
