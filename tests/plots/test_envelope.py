"""The outline of a waveform, streamed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.plots.envelope import waveform_envelope


def test_short_waveforms_are_exact():
    samples = np.array([0.0, 1.0, -2.0, 0.5, 0.25, 0.75])
    assert waveform_envelope([samples], columns=3).tolist() == [[0.0, -2.0, 0.25], [1.0, 0.5, 0.75]]
    assert waveform_envelope([samples], columns=100).shape == (2, 6)


@pytest.mark.parametrize("blocks", [[], [np.zeros(0)]])
def test_nothing_gives_nothing(blocks):
    assert waveform_envelope(blocks).shape == (2, 0)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60_000), st.lists(st.integers(0, 60_000), max_size=8), st.integers(1, 64))
def test_blocks_do_not_matter_and_extremes_survive(n, cuts, columns):
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    whole = waveform_envelope([samples], columns=columns)
    pieces = waveform_envelope(np.split(samples, sorted(min(cut, n) for cut in cuts)), columns=columns)
    assert whole.shape == pieces.shape == (2, min(columns, n))
    for outline in (whole, pieces):
        assert outline[0].min() == samples.min()
        assert outline[1].max() == samples.max()
        assert np.all(outline[0] <= outline[1])


def test_columns_lie_where_they_should():
    n, columns = 1_000_003, 100
    samples = np.zeros(n, np.float32)
    marks = [0, 123_456, 500_001, n - 1]
    samples[marks] = 1.0
    outline = waveform_envelope(np.array_split(samples, 97), columns=columns)
    found = np.flatnonzero(outline[1])
    expected = np.array(marks) * columns / n
    assert len(found) == 4
    assert np.all(np.abs(found + 0.5 - expected) < 0.5 + 2 / 8)
