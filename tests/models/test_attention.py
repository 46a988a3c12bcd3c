"""Self-attention, and sizes of the networks that use it."""

import pytest

torch = pytest.importorskip("torch")

from earmark.errors import InputError, UsageError  # noqa: E402
from earmark.models.attention import SelfAttention  # noqa: E402
from earmark.models.base import build  # noqa: E402


@pytest.mark.parametrize(
    ("architecture", "options", "n_parameters"),
    [
        ("cnn_attention", {}, 10_521_652),
        ("music_tagging_transformer", {}, 4_567_732),
        ("music_tagging_transformer", {"n_units": 64}, 1_108_852),
    ],
)
def test_parameters_are_those_of_the_published_code(
    architecture: str, options: dict[str, int], n_parameters: int
) -> None:
    assert build(architecture, **options).n_parameters == n_parameters


@pytest.mark.parametrize("bias", [False, True])
def test_attention_is_that_of_torch(bias: bool) -> None:
    torch.manual_seed(0)
    ours = SelfAttention(16, bias=bias).eval()
    theirs = torch.nn.MultiheadAttention(16, 8, bias=True, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.project.weight)
        theirs.in_proj_bias.copy_(ours.project.bias if bias else torch.zeros(48))
        theirs.out_proj.weight.copy_(ours.join.weight)
        theirs.out_proj.bias.copy_(ours.join.bias)
        x = torch.randn(2, 5, 16)
        torch.testing.assert_close(ours(x), theirs(x, x, x)[0], rtol=1e-4, atol=1e-5)


def test_features_must_fit_the_heads() -> None:
    with pytest.raises(UsageError, match="12 features"):
        SelfAttention(12)


def test_tokens_of_the_published_chunks() -> None:
    small = build("cnn_attention", n_channels=4).eval()
    with torch.no_grad():
        (layer,) = small.intermediates(torch.zeros(1, small.chunk_samples), ["layer2"]).values()
    assert small.chunk_samples == 240_000
    assert layer.shape == (1, 8, 1, 1 + 118)
    small = build("music_tagging_transformer", n_channels=2, n_units=8).eval()
    with torch.no_grad():
        stages = small.intermediates(torch.zeros(1, small.chunk_samples))
    assert small.chunk_samples == 220_500
    assert stages["tokens"].shape == (1, 8, 1, 107)
    assert stages["layer4"].shape == (1, 8, 1, 108)


def test_too_long_a_chunk_is_refused() -> None:
    model = build("music_tagging_transformer", n_channels=2, n_units=8, n_layers=1, n_seconds=48).eval()
    with pytest.raises(InputError, match="positions are learned for 512"):
        model(torch.zeros(1, model.chunk_samples))


def test_attention_without_positions_ignores_the_order_of_tokens() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16).eval()
    x = torch.randn(1, 6, 16)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    with torch.no_grad():
        torch.testing.assert_close(attention(x)[:, order], attention(x[:, order]))
