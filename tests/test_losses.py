"""Losses against their formulas, and against each other where they meet."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from earmark.errors import InputError, UsageError  # noqa: E402
from earmark.losses import LOSSES  # noqa: E402

RATES = torch.tensor([0.5, 0.1, 0.001])


def make(name: str, **options: object) -> torch.nn.Module:
    given = {"prevalence": RATES} if name == "weighted_bce" else {}
    return LOSSES.build(name, **given, **options)


def example(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(n, 3, generator=generator)
    return logits.requires_grad_(), F.one_hot(torch.arange(n) % 3, 3).float()


@pytest.mark.parametrize("name", list(LOSSES))
def test_right_answers_cost_less_and_every_logit_gets_a_gradient(name: str) -> None:
    logits, targets = example()
    loss = make(name)(logits, targets)
    assert loss.shape == ()
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    right = make(name)(20 * (targets - 0.5), targets)
    assert right < 0.01 < loss < make(name)(-20 * (targets - 0.5), targets)
    extreme = make(name)(200 * (0.5 - targets), targets)
    assert torch.isfinite(extreme)


@pytest.mark.parametrize("name", list(LOSSES))
def test_shapes_must_agree(name: str) -> None:
    with pytest.raises(InputError, match=r"targets of shape \(6, 2\) for logits of shape \(6, 3\)"):
        make(name)(example()[0], torch.zeros(6, 2))


def test_where_losses_meet() -> None:
    logits, targets = example()
    bce = make("bce")(logits, targets)
    torch.testing.assert_close(bce, F.binary_cross_entropy(torch.sigmoid(logits), targets))
    torch.testing.assert_close(make("focal", gamma=0.0)(logits, targets), bce)
    torch.testing.assert_close(make("weighted_bce", power=0.0)(logits, targets), bce)
    asymmetric = make("asymmetric", gamma_negative=0.0, margin=0.0)(logits, targets)
    torch.testing.assert_close(asymmetric, bce, rtol=1e-4, atol=1e-5)
    mixed = 0.3 * targets + 0.7 * targets.roll(1, 0)
    torch.testing.assert_close(
        make("cross_entropy")(logits, mixed), -(mixed * torch.log_softmax(logits, 1)).sum(1).mean()
    )


def test_the_positive_weight_stands_in_both_terms() -> None:
    """The derivative for a positive is w (σ - 1) everywhere, without a jump at zero."""
    loss = make("weighted_bce", most=100.0)
    weight = loss.weight[1]
    assert weight == pytest.approx(9.0)
    for value in (-2.0, -1e-3, 1e-3, 2.0):
        logits = torch.full((1, 3), value, requires_grad=True)
        loss(logits, torch.tensor([[0.0, 1.0, 0.0]])).backward()
        expected = weight * (torch.sigmoid(torch.tensor(value)) - 1) / 3
        assert logits.grad[0, 1] == pytest.approx(float(expected), rel=1e-5)


def test_weights_are_bounded() -> None:
    assert make("weighted_bce", most=10.0).weight.tolist() == pytest.approx([1.0, 9.0, 10.0])
    assert make("weighted_bce", power=0.5, most=100.0).weight.tolist() == pytest.approx([1.0, 3.0, 999**0.5], rel=1e-4)


def test_focal_and_asymmetric_by_hand() -> None:
    logits, targets = torch.tensor([[0.0, 2.0, -1.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    score = torch.sigmoid(logits)[0]
    focal = (0.5**2 * -torch.log(score[0]) + score[1] ** 2 * -torch.log(1 - score[1])
             + score[2] ** 2 * -torch.log(1 - score[2])) / 3  # fmt: skip
    torch.testing.assert_close(make("focal")(logits, targets), focal)
    shifted = score - 0.05
    asymmetric = (-torch.log(score[0]) - shifted[1] ** 4 * torch.log(1 - shifted[1])
                  - shifted[2] ** 4 * torch.log(1 - shifted[2])) / 3  # fmt: skip
    torch.testing.assert_close(make("asymmetric")(logits, targets), asymmetric)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("weighted_bce", {"power": 2.0}),
        ("weighted_bce", {"most": 0.5}),
        ("focal", {"gamma": -1.0}),
        ("focal", {"alpha": 1.0}),
        ("asymmetric", {"margin": 1.0}),
        ("cross_entropy", {"smoothing": 1.0}),
    ],
)
def test_options_out_of_range(name: str, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        make(name, **options)
