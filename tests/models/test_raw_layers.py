"""Padding and pooling of the networks on the waveform."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from earmark.errors import UnknownNameError  # noqa: E402
from earmark.models.raw_layers import ConvUnit, StochasticPool, make_pool, same_padding  # noqa: E402


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 8), st.integers(1, 4))
def test_same_padding_loses_no_step(n_steps: int, width: int, stride: int, dilation: int) -> None:
    if stride > 1:
        dilation = 1
    unit = ConvUnit(1, 2, width=width, stride=stride, dilation=dilation).eval()
    assert unit(torch.zeros(1, 1, n_steps)).shape[-1] == -(-n_steps // stride)
    before, behind = same_padding(n_steps, reach=dilation * (width - 1) + 1, stride=stride)
    assert behind - before in (0, 1)


def test_a_convolution_has_a_bias_only_where_no_norm_replaces_it() -> None:
    assert ConvUnit(1, 2, width=3).conv.bias is None
    assert ConvUnit(1, 2, width=3, has_norm=False).conv.bias is not None


def test_stochastic_pooling_draws_in_proportion_and_expects_the_mean() -> None:
    torch.manual_seed(0)
    region = torch.tensor([1.0, 3.0, 0.0, -2.0])
    x = region.repeat(20_000).reshape(1, 1, -1)
    pool = StochasticPool(4)
    drawn = pool.train()(x).flatten()
    assert set(drawn.tolist()) == {1.0, 3.0}  # neither zero nor negative responses
    assert float((drawn == 3.0).float().mean()) == pytest.approx(0.75, abs=0.02)
    expected = pool.eval()(x).flatten()
    torch.testing.assert_close(expected, torch.full_like(expected, 0.25 * 1.0 + 0.75 * 3.0))


def test_a_region_without_positive_response_is_drawn_evenly() -> None:
    torch.manual_seed(0)
    x = torch.tensor([-1.0, -0.5]).repeat(5000).reshape(1, 1, -1)
    pool = StochasticPool(2)
    assert float((pool.train()(x) == -1.0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(pool.eval()(x).mean()) == pytest.approx(-0.75)


@pytest.mark.parametrize("is_training", [True, False])
def test_stochastic_pooling_passes_gradients_and_drops_the_rest(is_training: bool) -> None:
    x = torch.rand(2, 3, 10, requires_grad=True)
    pool = StochasticPool(4).train(is_training)
    y = pool(x)
    y.sum().backward()
    assert y.shape == (2, 3, 2)
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad[..., :8].abs().sum() > 0
    assert x.grad[..., 8:].abs().sum() == 0


def test_kinds_of_pooling() -> None:
    x = torch.tensor([[[1.0, 2.0, 6.0]]])
    assert make_pool("max", 2)(x).flatten().tolist() == [2.0]
    assert make_pool("average", 3)(x).flatten().tolist() == [3.0]
    np.testing.assert_array_equal(make_pool("max", 1)(x), x)
    with pytest.raises(UnknownNameError, match="no pooling 'mean'"):
        make_pool("mean", 2)
