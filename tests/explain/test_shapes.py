"""Names of filters over frequency and time, against filters of known shape."""

import numpy as np
import pytest

from earmark.audio.filters import mel_to_hz
from earmark.explain.shapes import SHAPES, nearest_shapes

FREQUENCIES = mel_to_hz(np.linspace(0.0, 45.0, 98)[1:-1])[:67]  # of musicnn's taller filters, from the lowest band on
TIMES = 16.0 * (np.arange(7) - 3)
ROWS, COLUMNS = np.ones((67, 1)), np.ones((1, 7))


def named(kernel: np.ndarray, noise: float = 0.1) -> tuple[str, float, dict[str, float]]:
    rng = np.random.default_rng(0)
    dirty = kernel / np.abs(kernel).max() + noise * rng.standard_normal(kernel.shape)
    (shape,), chance = nearest_shapes(dirty[None], FREQUENCIES, TIMES)
    assert abs(shape.correlation) > chance
    assert shape.name in SHAPES
    return shape


def test_an_onset_is_named_and_placed() -> None:
    step = ROWS * np.array([[-1.0, -1, -1, 1, 1, 1, 1]])
    name, correlation, parameters = named(step)
    assert (name, parameters["at_ms"]) == ("onset", -8.0)
    assert correlation > 0.9
    assert named(-step)[0] == "offset"
    assert named(-step)[1] > 0.9


def test_a_band_is_named_and_placed() -> None:
    kernel = np.exp(-0.5 * (np.arange(67)[:, None] - 30.0) ** 2) * COLUMNS
    name, correlation, parameters = named(kernel - kernel.mean())
    assert (name, parameters["at_hz"]) == ("band", pytest.approx(FREQUENCIES[30]))
    assert correlation > 0.8
    assert named(kernel.mean() - kernel)[1] < -0.8  # a gap


@pytest.mark.parametrize("pitch", [220.0, 440.0])
def test_a_harmonic_stack_is_named_with_its_pitch(pitch: float) -> None:
    partials = pitch * np.arange(1, 6)
    places = np.interp(partials, FREQUENCIES, np.arange(67))
    comb = np.exp(-0.5 * ((np.arange(67)[:, None] - places) / 0.8) ** 2).sum(axis=1, keepdims=True) * COLUMNS
    name, correlation, parameters = named(comb - comb.mean())
    assert name == "harmonic stack"
    assert parameters["pitch_hz"] == pytest.approx(pitch, rel=0.04)
    assert correlation > 0.8


def test_bursts_edges_glides_and_levels_are_named() -> None:
    burst = ROWS * np.exp(-0.5 * ((np.arange(7) - 4.0) / 0.5) ** 2)
    assert (named(burst - burst.mean())[0], named(burst - burst.mean())[2]["at_ms"]) == ("burst", 16.0)
    edge = np.where(np.arange(67)[:, None] < 20, -1.0, 1.0) * COLUMNS
    assert named(edge - edge.mean())[0] == "edge"
    y, x = np.mgrid[:67, :7]
    glide = np.exp(-0.5 * ((y - 30 - 2.0 * (x - 3)) / np.sqrt(5) / 0.7) ** 2)
    name, _, parameters = named(glide - glide.mean(), noise=0.02)
    assert name == "glide"
    assert parameters["octaves_per_second"] > 0
    assert named(ROWS * COLUMNS)[0] == "level"


def test_beats_are_named_with_their_period() -> None:
    times = 16.0 * np.arange(128)
    wave = np.cos(2 * np.pi * times / 500.0)
    (shape,), _ = nearest_shapes(wave[None, None], np.array([1000.0]), times)
    assert shape.name == "beat"
    assert shape.parameters["period_ms"] == pytest.approx(500.0, rel=0.06)


def test_correlations_are_shares_and_noise_is_told() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((60, 67, 7))
    shapes, chance = nearest_shapes(noise, FREQUENCIES, TIMES)
    assert np.mean([abs(shape.correlation) > chance for shape in shapes]) < 0.2
    assert 0.05 < chance < 0.3
    zeros, _ = nearest_shapes(np.zeros((1, 67, 7)), FREQUENCIES, TIMES)
    assert zeros[0] == ("level", 0.0, {})
    everything, _ = nearest_shapes(np.ones((1, 1, 1)), np.array([100.0]), np.array([0.0]))
    assert (everything[0].name, everything[0].correlation) == ("level", 1.0)
