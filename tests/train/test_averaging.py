"""Averages of weights, and the statistics that they need."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from earmark.train.averaging import LateAverage, MovingAverage, averaged, measure_statistics  # noqa: E402


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def set_weights(model: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def test_a_moving_average_forgets_exponentially() -> None:
    model = network()
    set_weights(model, 0.0)
    average = MovingAverage(0.9, model)
    for value in (1.0, 2.0):
        set_weights(model, value)
        average.after_step(model)
    assert average.state["0.weight"].unique().tolist() == pytest.approx([0.9 * 0.1 * 1 + 0.1 * 2])
    assert int(average.state["1.num_batches_tracked"]) == 0


def test_a_late_average_is_the_mean_of_the_last_epochs() -> None:
    model = network()
    average = LateAverage(first=2)
    for epoch, value in enumerate((5.0, 7.0, 1.0, 2.0, 6.0)):
        set_weights(model, value)
        average.after_step(model)
        average.after_epoch(model, epoch)
    assert average.n == 3
    assert average.state["3.bias"].unique().tolist() == pytest.approx([3.0])


def test_statistics_are_the_mean_over_batches() -> None:
    model = network()
    batches = [torch.randn(16, 3, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    model[1].momentum = 0.1
    measure_statistics(model, iter(batches))
    with torch.no_grad():
        outputs = [model[0](batch) for batch in batches]
    expected = torch.stack([output.mean(dim=0) for output in outputs]).mean(dim=0)
    torch.testing.assert_close(model[1].running_mean, expected)
    variance = torch.stack([output.var(dim=0) for output in outputs]).mean(dim=0)
    torch.testing.assert_close(model[1].running_var, variance)
    assert (model[1].momentum, model.training) == (0.1, True)


def test_frozen_statistics_are_not_measured_anew() -> None:
    model = nn.Sequential(network(), nn.BatchNorm1d(2))
    model[0].eval()
    frozen, learning = model[0][1].running_mean.clone(), model[1].running_mean.clone()
    modes = [module.training for module in model.modules()]
    measure_statistics(model, iter([torch.randn(16, 3)]))
    assert torch.equal(model[0][1].running_mean, frozen)
    assert not torch.equal(model[1].running_mean, learning)
    assert [module.training for module in model.modules()] == modes


def test_a_moving_average_begins_a_stage_with_the_weights_as_they_are() -> None:
    model = network()
    average = MovingAverage(0.9, model)
    set_weights(model, 3.0)
    average.begin_stage(model)
    assert average.state["0.weight"].unique().tolist() == [3.0]


def test_averaged_weights_stand_in_for_a_while() -> None:
    model = network()
    own = {name: value.clone() for name, value in model.state_dict().items()}
    average = LateAverage(first=0)
    with averaged(model, average, lambda: iter(())):
        assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items()), "nothing averaged yet"
    average.after_epoch(model, 0)
    average.state["0.weight"] += 1
    with averaged(model, average, lambda: iter([torch.randn(8, 3)])):
        torch.testing.assert_close(model[0].weight, own["0.weight"] + 1)
        assert not torch.equal(model[1].running_mean, own["1.running_mean"])
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())
