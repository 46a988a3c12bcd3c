"""The bootstrap: what it draws, what it makes of it, and that it knows groups, pairs and tags that go missing."""

import json

import numpy as np
import pytest
from scipy import stats

from earmark.errors import InputError, UsageError
from earmark.metrics import accuracy, bootstrap, f1, paired_bootstrap, pr_auc, pr_auc_per_tag, roc_auc
from earmark.metrics.resampling import group_indices

PREVALENCE = np.array([0.1, 0.2, 0.4])


def drawn(seed: int = 0, *, n: int = 300, gain: float = 1.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.random((n, 3)) < PREVALENCE
    return targets, rng.normal(gain * targets)


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("metric", [roc_auc, pr_auc])
@pytest.mark.parametrize("method", ["basic", "percentile"])
def test_fast_and_slow_draws_agree(metric, average, method) -> None:
    targets, scores = drawn(n=60)
    groups = np.arange(60) // 2
    fast = bootstrap(metric, targets, scores, groups=groups, average=average, n_resamples=40, method=method, seed=3)

    def slow_metric(t: np.ndarray, s: np.ndarray) -> float:
        return metric(t, s, average=average)

    slow = bootstrap(slow_metric, targets, scores, groups=groups, n_resamples=40, method=method, seed=3)
    assert fast.interval.value == pytest.approx(metric(targets, scores, average=average))
    for one in ("value", "low", "high", "standard_error", "bias"):
        assert getattr(fast.interval, one) == pytest.approx(getattr(slow.interval, one), abs=1e-12)
    assert len(fast.per_tag) == (3 if average == "macro" else 0)
    assert fast.metric == metric.__name__
    assert slow.metric == "slow_metric"


@pytest.mark.parametrize("method", ["bca", "basic", "percentile"])
def test_intervals_are_those_of_scipy(method) -> None:
    targets, scores = drawn(5, n=80)
    ours = bootstrap("pr_auc", targets, scores, n_resamples=4000, method=method)

    def score(rows: np.ndarray) -> float:
        return pr_auc(targets[rows], scores[rows])

    theirs = stats.bootstrap(
        (np.arange(80),), score, vectorized=False, n_resamples=2000, method=method, rng=np.random.default_rng(0)
    ).confidence_interval
    near = ours.interval.standard_error / 4
    assert ours.interval.low == pytest.approx(theirs.low, abs=near)
    assert ours.interval.high == pytest.approx(theirs.high, abs=near)


def test_bca_of_any_function_is_near_that_of_the_fast_ones() -> None:
    targets, scores = drawn(2)
    fast = bootstrap("pr_auc", targets, scores, n_resamples=300, method="bca").interval
    slow = bootstrap(lambda t, s: pr_auc(t, s), targets, scores, n_resamples=300, method="bca").interval
    assert (slow.low, slow.high) == pytest.approx((fast.low, fast.high), abs=0.15 * fast.standard_error)


def test_average_precision_of_resamples_is_too_high() -> None:
    targets, scores = drawn()
    ends = {}
    for method in ("percentile", "basic", "bca"):
        found = bootstrap("pr_auc", targets, scores, method=method, n_resamples=400)
        ends[method] = found.interval.low + found.interval.high
        assert found.interval.bias > 0
        assert found.interval.low < found.interval.value < found.interval.high
    assert ends["percentile"] > ends["bca"] > ends["basic"]


def test_per_tag() -> None:
    targets, scores = drawn()
    found = bootstrap("pr_auc", targets, scores, n_resamples=200)
    assert [one.value for one in found.per_tag] == pytest.approx(pr_auc_per_tag(targets, scores).tolist())
    alone = bootstrap("pr_auc", targets[:, 1:2], scores[:, 1:2], n_resamples=200, method="bca")
    assert (found.method, found.tag_method) == ("basic", "bca")
    assert found.per_tag[1] == alone.interval == alone.per_tag[0]


def test_groups_that_are_alike_make_intervals_wider() -> None:
    targets, scores = drawn()
    copies = np.repeat(np.arange(300), 4)
    plain = bootstrap("roc_auc", targets, scores, n_resamples=300)
    naive = bootstrap("roc_auc", targets[copies], scores[copies], n_resamples=300)
    grouped = bootstrap("roc_auc", targets[copies], scores[copies], groups=copies, n_resamples=300)
    assert (grouped.n_groups, naive.n_groups) == (300, 1200)
    assert grouped.interval == plain.interval
    assert naive.interval.standard_error == pytest.approx(plain.interval.standard_error / 2, rel=0.2)
    for metric in ("roc_auc", "pr_auc"):
        wide = bootstrap(metric, targets[copies], scores[copies], groups=copies, n_resamples=50, method="bca").interval
        plain_too = bootstrap(metric, targets, scores, n_resamples=50, method="bca").interval
        assert (wide.value, wide.low, wide.high) == pytest.approx((plain_too.value, plain_too.low, plain_too.high))


def test_groups_have_any_names() -> None:
    assert group_indices(["b", "a", "b", None, None, 7], 6)[0].tolist() == [0, 1, 0, 2, 3, 4]
    assert group_indices(np.array(["x", "y", "x"]), 3)[0].tolist() == [0, 1, 0]
    with pytest.raises(InputError, match="2 groups for 3 items"):
        group_indices(["a", "b"], 3)
    with pytest.raises(InputError, match="all items are of one group"):
        group_indices(["a", "a"], 2)
    with pytest.raises(InputError, match="all items are of one group"):
        bootstrap("roc_auc", [[1, 0]], [[1, 0]])


def test_tags_that_resamples_lose() -> None:
    targets, scores = drawn(n=50)
    targets[:, 0] = False
    targets[7, 0] = True  # lost in 0.98^50 = 36 % of the draws
    targets[:, 2] = False
    for method in ("basic", "bca"):
        found = bootstrap("pr_auc", targets, scores, n_resamples=500, method=method)
        assert found.n_incomplete == pytest.approx(0.364 * 500, abs=40)
        assert found.interval.value == pytest.approx(pr_auc(targets, scores))
        assert np.isfinite([found.interval.low, found.interval.high, found.interval.standard_error]).all()
        assert np.isfinite(found.per_tag[0].low)
        assert np.isnan([found.per_tag[2].value, found.per_tag[2].low]).all()
        stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert stored["per_tag"][2]["value"] is None
        assert stored["interval"]["low"] == found.interval.low
    assert bootstrap("pr_auc", *drawn(), n_resamples=100).n_incomplete == 0


def test_perfect_scores_have_no_width() -> None:
    targets, _ = drawn()
    for method in ("basic", "bca", "percentile"):
        for metric in ("roc_auc", "pr_auc"):
            found = bootstrap(metric, targets, targets, n_resamples=50, method=method).interval
            assert (found.value, found.low, found.high, found.bias) == (1, 1, 1, 0)


def test_ends_stay_where_scores_can_be() -> None:
    targets = np.zeros((40, 1), bool)
    targets[:4] = True
    scores = -np.arange(40.0)[:, None]
    scores[3] = -5.5
    found = bootstrap("pr_auc", targets, scores, n_resamples=200).interval
    assert found.low < found.high == 1.0


def test_any_function() -> None:
    rng = np.random.default_rng(0)
    targets = np.eye(4, dtype=bool)[rng.integers(0, 4, 200)]
    scores = rng.normal(1.5 * targets)
    found = bootstrap(accuracy, targets, scores, n_resamples=500)
    share = accuracy(targets, scores)
    assert found.interval.value == share
    assert found.interval.standard_error == pytest.approx(np.sqrt(share * (1 - share) / 200), rel=0.15)
    assert found.per_tag == ()
    bca = bootstrap(lambda t, s: f1(t, s, 0.7), targets, scores, n_resamples=200, method="bca")
    assert bca.interval.low < bca.interval.value < bca.interval.high


def test_function_without_value_on_some_draws() -> None:
    targets, scores = drawn(n=40)
    targets[:] = False
    targets[0] = True
    found = bootstrap(lambda t, s: pr_auc(t, s), targets, scores, n_resamples=200, method="bca")
    assert found.n_incomplete == pytest.approx(200 * 0.363, abs=30)
    assert np.isfinite(found.interval.high)
    with pytest.raises(InputError, match="no tag is left"):
        bootstrap(lambda t, s: pr_auc(t, s), np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(InputError, match="of all items is NaN"):
        bootstrap(lambda t, s: float("nan"), targets, scores)


def test_difference() -> None:
    targets, good = drawn(gain=2.0)
    noise = np.random.default_rng(9).normal(size=good.shape)
    worse, alike = good + noise, good + 0.01 * noise
    for metric in ("roc_auc", "pr_auc", accuracy_like):
        found = paired_bootstrap(metric, targets, good, worse, n_resamples=300)
        assert found.interval.value > 0
        assert found.interval.low > 0
        assert found.interval.p == pytest.approx(1 / 301)
        back = paired_bootstrap(metric, targets, worse, good, n_resamples=300)
        assert (back.interval.value, back.interval.low) == pytest.approx((-found.interval.value, -found.interval.high))
        assert back.interval.p == found.interval.p
    one = bootstrap("pr_auc", targets, good, n_resamples=300).interval
    close = paired_bootstrap("pr_auc", targets, good, alike, n_resamples=300)
    assert close.interval.standard_error < one.standard_error / 5
    assert close.interval.p is not None
    assert len(close.per_tag) == 3
    assert all(tag.p is not None for tag in close.per_tag)
    same = paired_bootstrap("pr_auc", targets, good, 2 * good, n_resamples=20, method="bca").interval
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def accuracy_like(targets: np.ndarray, scores: np.ndarray) -> float:
    return float(((scores > 1) == targets).mean())


def test_p_values_are_even_where_there_is_no_difference() -> None:
    values = []
    for seed in range(60):
        targets, scores = drawn(seed, n=150)
        other = drawn(1000 + seed, n=150, gain=0)[1] + 1.3 * targets
        found = paired_bootstrap("pr_auc", targets, scores, other, n_resamples=100, seed=seed).interval
        assert found.p is not None
        values.append(found.p)
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_seed() -> None:
    targets, scores = drawn(n=50)
    one, again, other = (bootstrap("pr_auc", targets, scores, n_resamples=50, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.interval != other.interval


def test_options_are_checked() -> None:
    targets, scores = drawn(n=20)
    for options, message in (
        ({"n_resamples": 1}, "n_resamples is 1, expected at least 2"),
        ({"level": 95}, "level is 95, expected more than 0 and less than 1"),
        ({"method": "normal"}, "^method is 'normal'"),
        ({"tag_method": "normal"}, "tag_method is 'normal'"),
        ({"seed": -1}, "seed is -1"),
        ({"average": "weighted"}, "average is 'weighted'"),
    ):
        with pytest.raises(UsageError, match=message):
            bootstrap("pr_auc", targets, scores, **options)
    with pytest.raises(UsageError, match="metric is 'map', expected"):
        bootstrap("map", targets, scores)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="average is for"):
        bootstrap(accuracy_like, targets, scores, average="micro")
    with pytest.raises(InputError, match="no tag is left"):
        bootstrap("roc_auc", np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(InputError, match="targets have shape"):
        paired_bootstrap("roc_auc", targets, scores, scores[:-1])
