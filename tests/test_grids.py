"""Values on chunks brought onto other chunks."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from earmark.grids import chunk_centres, onto_grid


def grid(n: int, hop: float, length: float, start: float = 0.0) -> np.ndarray:
    starts = start + hop * np.arange(n)
    return np.stack([starts, starts + length], axis=1)


def by_definition(taggram: np.ndarray, times: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The overlap-weighted mean, the slow way."""
    low = np.maximum(times[None, :, 0], target[:, None, 0])
    high = np.minimum(times[None, :, 1], target[:, None, 1])
    weights = np.maximum(high - low, 0)
    out = np.empty((len(target), taggram.shape[1]))
    for i, row in enumerate(weights):
        if row.sum() > 1e-6:
            out[i] = row @ taggram / row.sum()
        else:
            out[i] = taggram[np.argmin(np.abs(times.mean(1) - target[i].mean()))]
    return out


def test_equal_grids_keep_their_values():
    taggram = np.random.default_rng(0).random((9, 4), np.float32)
    times = grid(9, 1.0, 3.0)  # overlapping chunks: averaging would smooth them
    assert onto_grid(taggram, times, times.copy()) is taggram


def test_by_hand():
    taggram = np.array([[0.0], [1.0]], np.float32)
    target = np.array([[0.0, 2.0], [1.0, 5.0], [3.0, 4.0], [20.0, 21.0], [-9.0, -8.0]])
    out = onto_grid(taggram, np.array([[0.0, 2.0], [2.0, 4.0]]), target)
    assert out[:, 0] == pytest.approx([0.0, 2 / 3, 1.0, 1.0, 0.0])
    assert out.dtype == np.float32


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.floats(0.1, 5),
    st.floats(0.1, 5),
    st.floats(0.1, 9),
    st.floats(0.1, 9),
    st.floats(-5, 30),
    st.integers(0, 999),
)
def test_equals_the_definition(n, m, hop, target_hop, length, target_length, start, seed):
    taggram = np.random.default_rng(seed).random((n, 3))
    times, target = grid(n, hop, length), grid(m, target_hop, target_length, start)
    out = onto_grid(taggram, times, target)
    expected = by_definition(taggram, times, target)
    touching = np.minimum(target[:, 1], times[-1, 1]) - np.maximum(target[:, 0], 0) > 1e-3
    assume(n != m or not np.allclose(times, target, atol=1e-6))
    assert np.allclose(out[touching], expected[touching], atol=1e-6)
    assert np.all(out >= taggram.min(0))
    assert np.all(out <= taggram.max(0))


def test_a_constant_stays_constant():
    out = onto_grid(np.full((12_000, 5), 0.3, np.float32), grid(12_000, 3.0, 3.0), grid(1_250, 28.8, 28.8))
    assert np.all(out == np.float32(0.3))


def test_centres_end_with_the_track():
    times = np.array([[0.0, 3.0], [3.0, 6.0]])
    assert chunk_centres(times, 10.0).tolist() == [1.5, 4.5]
    assert chunk_centres(times, 4.0).tolist() == [1.5, 3.5]
    assert chunk_centres(times[:1], 1.0).tolist() == [0.5]
