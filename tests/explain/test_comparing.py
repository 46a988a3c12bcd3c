"""Likeness of layers and channels, against networks that are made alike."""

import copy

import numpy as np
import pytest
import torch

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.explain.activations import activations
from earmark.explain.comparing import cka, linear_cka, match_channels, matches_of
from earmark.models.base import TaggingModel, build
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet

RNG = np.random.default_rng(0)


def song(n_seconds: float = 6.0, seed: int = 0) -> np.ndarray:
    """Noise whose level and colour change all the time."""
    rng = np.random.default_rng(seed)
    n = int(n_seconds * 16000)
    level = np.repeat(rng.uniform(0.02, 0.3, n // 1600 + 1), 1600)[:n]
    white = rng.standard_normal(n)
    dark = np.convolve(white, np.ones(8) / 3, mode="same")
    mix = np.repeat(rng.uniform(0, 1, n // 4000 + 1), 4000)[:n]
    return (level * (mix * white + (1 - mix) * dark)).astype(np.float32)


@pytest.fixture(scope="module", name="model")
def small() -> TaggingModel:
    torch.manual_seed(0)
    return build("ds256c", chunk_samples=20000, n_tags=3).eval()


@pytest.mark.parametrize("is_unbiased", [True, False])
def test_cka_ignores_rotation_scale_and_shift_only(is_unbiased: bool) -> None:
    x = RNG.standard_normal((200, 12)) * np.arange(1, 13)
    rotation, _ = np.linalg.qr(RNG.standard_normal((12, 12)))
    assert linear_cka(x, x, is_unbiased=is_unbiased) == pytest.approx(1.0)
    assert linear_cka(x, 5 * x @ rotation - 3, is_unbiased=is_unbiased) == pytest.approx(1.0)
    assert linear_cka(x, x @ RNG.standard_normal((12, 12)), is_unbiased=is_unbiased) < 0.98


def test_cka_is_that_of_the_paper() -> None:
    """Kornblith et al. 2019, equation 5: from the features themselves, not from their Gram matrices."""
    x, y = torch.randn(40, 6), torch.randn(40, 9)
    y[:, :3] += x[:, :3]
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    expected = (y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
    found = linear_cka(x.double().numpy(), y.double().numpy(), is_unbiased=False)
    assert found == pytest.approx(float(expected), abs=1e-5)


def test_independent_features_are_not_alike_without_the_bias() -> None:
    wide, other = RNG.standard_normal((60, 500)), RNG.standard_normal((60, 500))
    assert abs(linear_cka(wide, other)) < 0.1
    assert linear_cka(wide, other, is_unbiased=False) > 0.8  # which is why it is the default
    narrow, third = RNG.standard_normal((2000, 5)), RNG.standard_normal((2000, 5))
    assert abs(linear_cka(narrow, third)) < 0.02
    assert linear_cka(narrow, third, is_unbiased=False) < 0.02
    assert np.isnan(linear_cka(np.ones((10, 2)), RNG.standard_normal((10, 2))))


def test_a_network_is_like_itself_and_like_its_rotated_copy(model: TaggingModel) -> None:
    rotated = copy.deepcopy(model)
    rotation, _ = np.linalg.qr(RNG.standard_normal((3, 3)))
    with torch.no_grad():
        rotated.head.weight.copy_(torch.from_numpy(rotation).float() @ rotated.head.weight)
        rotated.head.bias.copy_(torch.from_numpy(rotation).float() @ rotated.head.bias)
    songs = [song(), song(4.0, seed=1)]
    found = cka(model, rotated, songs, cell_seconds=0.25)
    assert np.diag(found.cka) == pytest.approx(np.ones(5), abs=1e-5)
    assert found.n_cells == 24 + 16
    assert found.models == ("RawNet", "RawNet")
    first = cka(model, model, songs, layers_a=["layer1"], layers_b=["layer1", "layer3"], cell_seconds=0.25)
    assert first.best() == ("layer1", "layer1", pytest.approx(1.0))
    assert first.cka[0, 1] < 0.99


def test_networks_of_other_chunks_and_kinds_compare(model: TaggingModel) -> None:
    torch.manual_seed(3)
    other = build("ds256f").eval()
    songs = [song(10.0)]
    found = cka(model, other, songs, layers_a=["layer1", "logits"], layers_b=["layer1", "flat"], cell_seconds=0.25)
    assert found.cka.shape == (2, 2)
    assert np.isfinite(found.cka).all()
    assert (found.cka < 0.999).all()
    assert found.n_moments.tolist() == [[40, 4], [8, 4]]  # a chunk of 1.25 s is five cells, one of 2.43 s ten


def test_permuted_channels_find_each_other(model: TaggingModel) -> None:
    permuted = copy.deepcopy(model)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        unit = permuted.layers[1].branches[0][0]
        unit.conv.weight.copy_(unit.conv.weight[order])
    found = match_channels(model, permuted, [song()], layer_a="layer2", layer_b="layer2")
    assert len(found.shared) == 32
    assert order.numpy()[found.partner_a].tolist() == list(range(32))
    assert found.correlation_a == pytest.approx(np.ones(32), abs=1e-5)
    assert not len(found.unique_a)


def test_unique_and_silent_channels_are_told_apart() -> None:
    x = RNG.standard_normal((400, 3))
    a = np.stack([x[:, 0], x[:, 1], np.full(400, 2.0), -x[:, 2]], axis=1)
    b = np.stack([x[:, 2], 3 * x[:, 0] + 0.1 * RNG.standard_normal(400)], axis=1)
    found = matches_of(a, b)
    assert found.shared.tolist() == [[0, 1]]
    assert sorted(found.unique_a.tolist()) == [1, 3]  # the opposite of another is not the same
    assert found.unique_b.tolist() == [0]
    assert found.silent_a.tolist() == [2]
    assert not len(found.silent_b)


def test_errors_say_what_to_do(model: TaggingModel) -> None:
    with pytest.raises(InputError, match="too few"):
        cka(model, model, [song(1.0)], cell_seconds=0.5)
    with pytest.raises(UnknownNameError, match="no layer 'layer8'"):
        cka(model, model, [song(1.0)], layers_a=["layer8"])
    with pytest.raises(UsageError, match="0 songs"):
        cka(model, model, [])
    with pytest.raises(UsageError, match="threshold"):
        match_channels(model, model, [song(1.0)], layer_a="layer1", layer_b="layer1", threshold=0.0)
    with pytest.raises(InputError, match="shapes"):
        linear_cka(np.ones((5, 2)), np.ones((6, 2)))


def test_layers_that_change_as_slowly_are_not_alike_for_that() -> None:
    """Networks whose layers have one step for a chunk: repeated in every cell, unlike answers would look alike."""
    torch.manual_seed(1)
    songs = [song(12.0), song(8.0, seed=1)]
    one, other = (build("ds256c", chunk_samples=16000, n_tags=3).eval() for _ in range(2))
    found = cka(one, other, songs, layers_a=["layer1", "pooled"], layers_b=["pooled"], cell_seconds=0.1)
    assert found.n_moments.tolist() == [[20], [20]]
    assert found.n_cells == 200
    assert found.chance.shape == (2, 1)
    assert np.abs(found.chance).max() < 0.3
    own = cka(one, one, songs, layers_a=["pooled"], layers_b=["pooled"], cell_seconds=0.1)
    assert own.cka[0, 0] == pytest.approx(1.0)
    assert own.chance[0, 0] < 0.3


def test_chance_is_told_of_channels_that_only_change_slowly() -> None:
    slow = np.cumsum(RNG.standard_normal((200, 20)), axis=0)
    quick = RNG.standard_normal((200, 20))
    assert matches_of(slow, slow[::-1]).chance > 0.6
    assert matches_of(quick, quick).chance < 0.3


def test_what_networks_answer_to_the_seams_of_chunks_is_not_shared() -> None:
    """Two filters as long as half a chunk, of two networks with chunks as long: padding ramps them at every seam."""
    plan = Plan(layers=(Layer((Branch((Conv(2, 8001, 200),)),)),), has_norm=False, activation="relu", is_flat=False)
    models = [RawNet(plan, n_tags=1, chunk_samples=16000).eval() for _ in range(2)]
    generator = torch.Generator().manual_seed(0)
    for one in models:
        conv = one.layers[0].branches[0][0].conv
        with torch.no_grad():
            conv.weight.copy_(0.1 * torch.randn(conv.weight.shape, generator=generator) + 1.0)
            conv.bias.zero_()
    level = song(20.0) + 0.5  # a constant, of which a filter hears less at the seams
    found = activations(models[0], level, "layer1", is_ranked=False, max_rate=None)["layer1"]
    inside = found.times[~found.is_padded] % 1.0
    assert 0.24 < inside.min() < 0.27
    assert 0.73 < inside.max() < 0.76
    assert found.values[0, 0, found.is_padded].min() < 0.6 * found.values[0, 0].max()
    matches = match_channels(models[0], models[1], [level], layer_a="layer1", layer_b="layer1")
    assert matches.n_cells == pytest.approx(20 * 6, abs=20)
