"""Optimisers and schedules: which weights decay, and what the rate does."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from earmark.errors import UsageError  # noqa: E402
from earmark.optimizers import OPTIMIZERS, SCHEDULES  # noqa: E402


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_kernels_alone_decay_if_asked(name: str) -> None:
    model = network()
    all_decay = OPTIMIZERS.build(name, parameters=model.parameters(), weight_decay=0.5)
    assert [group["weight_decay"] for group in all_decay.param_groups] == [0.5]
    some = OPTIMIZERS.build(name, parameters=model.parameters(), weight_decay=0.5, decay_kernels_only=True)
    assert [(group["weight_decay"], len(group["params"])) for group in some.param_groups] == [(0.5, 1), (0.0, 3)]
    assert some.param_groups[0]["params"][0] is model[0].weight


def test_decay_in_the_gradient_is_the_penalty_on_half_the_square() -> None:
    """What the code of musicnn adds to its loss, weight_decay * sum(kernel ** 2) / 2."""
    torch.manual_seed(0)
    plain, penalised = nn.Linear(3, 2), nn.Linear(3, 2)
    penalised.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3)
    decaying = OPTIMIZERS.build("adam", parameters=plain.parameters(), weight_decay=0.1, decay_kernels_only=True)
    free = OPTIMIZERS.build("adam", parameters=penalised.parameters())
    for _ in range(3):
        for model, optimizer, penalty in ((plain, decaying, 0.0), (penalised, free, 0.1)):
            optimizer.zero_grad()
            (model(x).square().mean() + penalty * model.weight.square().sum() / 2).backward()
            optimizer.step()
    torch.testing.assert_close(plain.weight, penalised.weight)
    torch.testing.assert_close(plain.bias, penalised.bias)


def test_cosine_rises_then_falls_to_its_last_factor() -> None:
    schedule = SCHEDULES.build("cosine", n_steps=100, warm_up=0.1, last=0.2)
    factors = [schedule.factor(step) for step in range(100)]
    assert factors[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert factors[10] == 1.0
    assert all(a > b for a, b in pairwise(factors[10:]))
    assert schedule.factor(100) == pytest.approx(0.2)


def test_one_cycle_starts_low_peaks_and_ends_lower() -> None:
    schedule = SCHEDULES.build("one_cycle", n_steps=100, rise=0.3, first=0.04, last=1e-4)
    factors = [schedule.factor(step) for step in range(101)]
    assert factors[0] == pytest.approx(0.04)
    assert (max(factors), factors.index(max(factors))) == (1.0, 30)
    assert factors[100] == pytest.approx(1e-4)


def test_inverse_is_the_decay_of_keras() -> None:
    schedule = SCHEDULES.build("inverse", n_steps=5, decay=1e-3)
    schedule.measured(1.0)
    assert [schedule.factor(step) for step in (0, 1000, 3000)] == [1.0, 0.5, 0.25]


def factors(values: list[float], **options: object) -> list[float]:
    schedule = SCHEDULES.build("plateau", n_steps=1, shrink=0.5, patience=2, **options)
    found = []
    for value in values:
        schedule.measured(value)
        found.append(schedule.factor(0))
    return found


def test_plateau_counts_epochs_without_a_better_value() -> None:
    assert factors([1, 0, 2, 0, 0, 0, 0]) == [1, 1, 1, 1, 0.5, 0.5, 0.25]
    assert factors([1, 0, 0, 0, 0], least=0.4) == [1, 1, 0.5, 0.5, 0.4]


def test_plateau_counts_on_over_better_values_if_asked() -> None:
    assert factors([1, 0, 2, 0, 3, 0, 0], in_a_row=False) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cosine", {"warm_up": 1.0}),
        ("cosine", {"last": 2.0}),
        ("one_cycle", {"rise": 0.0}),
        ("inverse", {"decay": -1.0}),
        ("plateau", {"shrink": 1.0}),
        ("plateau", {"patience": 0}),
    ],
)
def test_senseless_schedules_are_errors(name: str, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        SCHEDULES.build(name, n_steps=10, **options)


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("adam", {"lr": -1.0}, "lr=-1"),
        ("adamw", {"weight_decay": -0.1}, "weight_decay=-0.1"),
        ("sgd", {"lr": float("nan")}, "lr=nan"),
        ("sgd", {"momentum": -0.9}, "momentum=-0.9"),
        ("sgd", {"momentum": 0.0}, "nesterov is a kind of momentum"),
        ("adadelta", {"rho": 2.0}, "rho=2"),
    ],
)
def test_values_that_no_optimiser_takes(name: str, options: dict[str, float], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        OPTIMIZERS.build(name, parameters=network().parameters(), **options)
    assert OPTIMIZERS.build("sgd", parameters=network().parameters(), momentum=0.0, nesterov=False)
