"""Losses: from logits and targets to one number to make small. They take logits, never scores after the sigmoid.

A loss is an `nn.Module` of LOSSES, called with logits (B, K) and targets (B, K) in [0, 1]; mixed targets of mixup
are welcome. What depends on the data, such as how often each tag holds, is given when it is built.

References
----------
Lin, T.-Y. et al. "Focal loss for dense object detection", ICCV 2017.
Ridnik, T. et al. "Asymmetric loss for multi-label classification", ICCV 2021.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import InputError, UsageError
from earmark.registry import Registry

LOSSES: Registry[nn.Module] = Registry("loss")
EPSILON = 1e-8


@LOSSES.register("bce")
class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy: every tag is a question of its own."""

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over items and tags, ()."""
        return F.binary_cross_entropy_with_logits(logits, _checked(logits, targets))


@LOSSES.register("weighted_bce")
class WeightedBinaryCrossEntropy(nn.Module):
    """Binary cross-entropy in which the rare answer of each tag weighs more.

    Parameters
    ----------
    prevalence : shape (K,), share of the training tracks with each tag
    power : 1 lets positives and negatives of a tag weigh the same in all, 0 changes nothing
    most : largest weight of a positive

    Notes
    -----
    The weight stands before both terms that a positive has in the logit: w y log σ(x) + (1 - y) log(1 - σ(x)). Older
    code weighs parts of a rewritten formula, which changes the gradient's sign structure at zero.
    """

    weight: Tensor

    def __init__(self, *, prevalence: Tensor, power: float = 1.0, most: float = 10.0) -> None:
        super().__init__()
        if not 0 <= power <= 1 or most < 1:
            raise UsageError(f"power={power}, most={most}", hint="power from 0 to 1, most at least 1")
        ratio = (1 - prevalence.double()) / prevalence.double().clamp(min=EPSILON)
        self.register_buffer("weight", ratio.pow(power).clamp(1 / most, most).float())

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over items and tags, ()."""
        return F.binary_cross_entropy_with_logits(logits, _checked(logits, targets), pos_weight=self.weight)


@LOSSES.register("focal")
class Focal(nn.Module):
    """Focal loss: what is right already counts less.

    Parameters
    ----------
    gamma : how much less; 0 is binary cross-entropy
    alpha : weight of positives, 1 - alpha of negatives; None weighs both 1
    """

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        if gamma < 0 or (alpha is not None and not 0 < alpha < 1):
            raise UsageError(f"gamma={gamma}, alpha={alpha}", hint="gamma at least 0, alpha between 0 and 1")
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over items and tags, ()."""
        targets = _checked(logits, targets)
        wrong = (torch.sigmoid(logits) - targets).abs()
        loss = wrong.pow(self.gamma) * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        if self.alpha is not None:
            loss = loss * (self.alpha * targets + (1 - self.alpha) * (1 - targets))
        return loss.mean()


@LOSSES.register("asymmetric")
class Asymmetric(nn.Module):
    """Asymmetric loss: easy negatives are let go, positives are not.

    Parameters
    ----------
    gamma_positive, gamma_negative : exponents of focusing
    margin : scores of negatives below it cost nothing
    """

    def __init__(self, *, gamma_positive: float = 0.0, gamma_negative: float = 4.0, margin: float = 0.05) -> None:
        super().__init__()
        if min(gamma_positive, gamma_negative) < 0 or not 0 <= margin < 1:
            raise UsageError("exponents must be at least 0, the margin from 0 to below 1")
        self.gamma_positive, self.gamma_negative, self.margin = gamma_positive, gamma_negative, margin

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over items and tags, ()."""
        targets = _checked(logits, targets)
        score = torch.sigmoid(logits)
        shifted = (score - self.margin).clamp(min=0)
        positive = targets * (1 - score).pow(self.gamma_positive) * F.logsigmoid(logits)
        negative = (1 - targets) * shifted.pow(self.gamma_negative) * torch.log((1 - shifted).clamp(min=EPSILON))
        return -(positive + negative).mean()


@LOSSES.register("cross_entropy")
class CrossEntropy(nn.Module):
    """Cross-entropy over classes: every item has exactly one.

    Parameters
    ----------
    smoothing : share of each target that is spread over all classes
    """

    def __init__(self, *, smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise UsageError(f"smoothing={smoothing}", hint="from 0 to below 1")
        self.smoothing = smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over items, ()."""
        return F.cross_entropy(logits, _checked(logits, targets), label_smoothing=self.smoothing)


def _checked(logits: Tensor, targets: Tensor) -> Tensor:
    if logits.shape != targets.shape:
        raise InputError(f"targets of shape {tuple(targets.shape)} for logits of shape {tuple(logits.shape)}")
    return targets.to(logits.dtype)
