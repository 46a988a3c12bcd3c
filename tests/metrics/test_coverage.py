"""How often intervals hold the truth, where it is known: the figures in earmark.metrics.resampling.

`pytest -m slow -s tests/metrics/test_coverage.py` prints them.
"""

from collections.abc import Callable

import numpy as np
import pytest

from earmark.metrics.intervals import interval_of
from earmark.metrics.ranking import rank
from earmark.metrics.resampling import _Sample

METHODS = ("basic", "bca", "percentile")
N_TAGS, RUNS, N_RESAMPLES = 10, 300, 300
Drawn = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def tracks(rng: np.random.Generator, n: int) -> Drawn:
    """Tracks one by one; 2 to 30 % of them have a tag."""
    targets = rng.random((n, N_TAGS)) < np.geomspace(0.02, 0.3, N_TAGS)
    return targets, rng.normal(1.3 * targets), None


def artists(rng: np.random.Generator, n: int) -> Drawn:
    """Artists of 20 tracks; 8 to 50 % of them have a tag at all, and a model hears it in some better than in others."""
    rate = np.where(rng.random((n, N_TAGS)) < np.geomspace(0.08, 0.5, N_TAGS), rng.beta(1, 1.5, (n, N_TAGS)), 0)
    artist = np.repeat(np.arange(n), 20)
    targets = rng.random((len(artist), N_TAGS)) < rate[artist]
    return targets, rng.normal(1.3 * targets + 0.7 * rng.normal(size=rate.shape)[artist]), artist


def misses(make: Callable[[np.random.Generator, int], Drawn], area: str, n: int, n_all: int) -> dict[str, np.ndarray]:
    """Share of 95 % intervals that miss the truth: of the mean over tags, and of single tags."""
    rng = np.random.default_rng(1)
    targets, scores, _ = make(rng, n_all)
    truth = rank(targets, scores).area(area)
    found = {method: np.zeros(2) for method in METHODS}
    for run in range(RUNS):
        sample = _Sample(area, *(lambda t, s, g: (t, (s,), g))(*make(rng, n)), "macro")
        draws = np.array([sample.draw(counts) for counts in sample._counts(N_RESAMPLES, run)])
        draws = np.column_stack([np.where(np.isnan(draws), sample.whole, draws).mean(axis=1), draws])
        whole, skews = np.append(sample.whole.mean(), sample.whole), sample.accelerations()
        for method in METHODS:
            for i, true in enumerate([truth.mean(), *truth]):
                one = interval_of(draws[:, i], whole[i], skews[i], 0.95, method, (0, 1), is_paired=False)
                found[method][int(i > 0)] += not one.low <= true <= one.high
    return {method: counts / RUNS / [1, N_TAGS] for method, counts in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "area", "n", "n_all", "most_of_means", "most_of_tags"),
    [
        (tracks, "pr_auc", 300, 300_000, 0.13, 0.11),
        (tracks, "pr_auc", 1000, 300_000, 0.08, 0.10),
        (tracks, "roc_auc", 300, 300_000, 0.12, 0.12),
        (artists, "pr_auc", 100, 20_000, 0.12, 0.13),
    ],
)
def test_intervals_hold_the_truth(make, area, n, n_all, most_of_means, most_of_tags) -> None:
    found = misses(make, area, n, n_all)
    print(make.__name__, area, n, {method: np.round(100 * shares, 1).tolist() for method, shares in found.items()})
    assert found["basic"][0] < most_of_means
    assert found["bca"][1] < most_of_tags
    if area == "pr_auc" and make is tracks:
        assert found["percentile"][0] > 2 * found["basic"][0]
