"""What a recipe may hold: the tables and their keys."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from earmark.audio.augment import AUGMENTATIONS
from earmark.config import Config, Section
from earmark.errors import UsageError
from earmark.losses import LOSSES
from earmark.models.base import ARCHITECTURES, build
from earmark.models.weights import get_card
from earmark.optimizers import OPTIMIZERS, SCHEDULES
from earmark.registry import check_options, check_values
from earmark.training_data import DataOptions

STAGE_ENDS = ("epochs", "patience")

Monitor = Literal["pr_auc", "roc_auc", "accuracy", "loss"]
Balance = Literal["none", "tags"]
Freeze = Literal["none", "frontend", "encoder"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True)
class RunOptions:
    """What the table [run] of a recipe says.

    Parameters
    ----------
    seed : of weights, crops, order, augmentation, mixtures and dropout, from 0 to 2**63 - 1
    epochs : how many; each hears as many crops as there are training tracks
    batch_size : items of a step, over all devices and pieces
    accumulate : pieces in which a device computes its share of a batch, one after the other
    n_chunks : of each track when it is judged; scores are averaged over them
    monitor : metric of the validation part that chooses the best weights
    patience : epochs without a better value after which the run ends; 0 never
    clip : largest norm of the gradient; 0 for none
    mixup : parameter of the Beta distribution that mixes pairs of items; 0 for none
    ema : weight of the past in the moving average of the weights that is judged; 0 for none
    swa : share of the epochs, at the end, whose weights are averaged and judged; 0 for none
    balance : "tags" draws tracks of rare tags more often, "none" every track once
    overfit_check : whether a copy must first learn one batch by heart
    precision : "32-true", "bf16-mixed" or "16-mixed"; weights and the front end are float32 in each
    accelerator : "auto", "cpu" or "cuda"
    devices : on each machine
    nodes : machines
    readers : threads that read crops ahead
    tensorboard : whether to write records for TensorBoard into the run's folder
    """

    seed: int = 0
    epochs: int = 50
    batch_size: int = 16
    accumulate: int = 1
    n_chunks: int = 8
    monitor: Monitor = "pr_auc"
    patience: int = 0
    clip: float = 0.0
    mixup: float = 0.0
    ema: float = 0.0
    swa: float = 0.0
    balance: Balance = "none"
    overfit_check: bool = True
    precision: Precision = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    readers: int = 2
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if min(self.epochs, self.n_chunks, self.accumulate, self.devices, self.nodes, self.readers) < 1:
            raise UsageError("[run] needs epochs, n_chunks, accumulate, devices, nodes and readers of 1 or more")
        if not 0 <= self.seed < 1 << 63:
            raise UsageError(f"run.seed is {self.seed}", hint="a whole number from 0 to 2**63 - 1")
        if self.batch_size < 2:
            raise UsageError("[run] needs a batch_size of 2 or more")
        pieces = self.devices * self.nodes * self.accumulate
        if self.batch_size < 2 * pieces:
            raise UsageError(
                f"a batch of {self.batch_size} items cannot be shared among {pieces} pieces, two items in each",
                hint=f"run.batch_size = {2 * pieces} or more: it counts the items over all devices",
            )
        if not 0 <= self.ema < 1 or not 0 <= self.swa < 1 or self.mixup < 0 or self.clip < 0 or self.patience < 0:
            raise UsageError("[run] needs ema and swa from 0 to below 1, and no negative mixup, clip or patience")
        if self.ema and self.swa:
            raise UsageError("run.ema and run.swa both average the weights", hint="choose one of the two")
        for name, value, choices in (("monitor", self.monitor, Monitor), ("balance", self.balance, Balance)):
            if value not in get_args(choices):
                raise UsageError(f"run.{name} is {value!r}", hint=f"one of {', '.join(get_args(choices))}")


@dataclass(frozen=True)
class StartOptions:
    """What the table [start] of a recipe says: where the weights come from, and which of them learn.

    Parameters
    ----------
    init : name of a published or imported model, folder of a run, or file that `save` wrote; random weights without
    freeze : "frontend" keeps the front end as it is, "encoder" everything but the last layer (a linear probe)
    """

    init: str | None = None
    freeze: Freeze = "none"

    def __post_init__(self) -> None:
        if self.freeze not in get_args(Freeze):
            raise UsageError(f"start.freeze is {self.freeze!r}", hint=f"one of {', '.join(get_args(Freeze))}")


@dataclass(frozen=True)
class StageOptions:
    """What the table [stages] of a recipe says: optimisers one after the other.

    Each stage after the first begins with the best weights so far. A stage ends after `epochs`, or when `patience`
    epochs of it brought nothing better than its best, whichever comes first; the run ends with the last one.

    Parameters
    ----------
    epochs, patience : of the first stage, with the optimiser of [optimizer]; 0 for no such end
    next : the stages after it, each a table with epochs or patience or both, and the name and options of an optimiser
    """

    epochs: int = 0
    patience: int = 0
    next: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        for number, one in enumerate(self.next, start=2):
            _check_stage(f"stage {number}", one)
        ends = [(self.epochs, self.patience), *((one.get("epochs", 0), one.get("patience", 0)) for one in self.next)]
        for number, (epochs, patience) in enumerate(ends[: len(self.next)], start=1):
            if epochs < 1 and patience < 1:
                raise UsageError(f"stage {number} never ends", hint="give it epochs or patience")


def _check_stage(what: str, table: object) -> None:
    """Raise an error before any work: a stage may begin days after the run does."""
    if not isinstance(table, Mapping):
        raise UsageError(
            f"{what} is {table!r}, expected a table", hint='next = [{name = "sgd", lr = 1e-3, epochs = 20}]'
        )
    check_values(what, StageOptions, {key: table[key] for key in STAGE_ENDS if key in table})
    optimizer_of_stage(what, table, [nn.Parameter(torch.zeros(1))])


def optimizer_of_stage(
    what: str, table: Mapping[str, Any], parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Build the optimiser of a stage.

    Parameters
    ----------
    what : is built, for messages
    table : name and options of the optimiser, and when the stage ends
    parameters : to learn
    """
    name = str(table.get("name", ""))
    options = {key: value for key, value in table.items() if key not in ("name", *STAGE_ENDS)}
    check_options(what, OPTIMIZERS[name], options, given=("parameters",))
    check_values(what, OPTIMIZERS[name], options)
    return OPTIMIZERS.build(name, parameters=parameters, **options)


def schema() -> dict[str, Section]:
    """Return what a recipe may hold."""
    build("fcn")  # importing the families registers them
    return {
        "run": Section(RunOptions),
        "data": Section(DataOptions, required=True),
        "start": Section(StartOptions),
        "model": Section(ARCHITECTURES, required=True, reserved=("n_tags",)),
        "augment": Section(AUGMENTATIONS, reserved=("sample_rate",), several=True),
        "loss": Section(LOSSES, default="bce", reserved=("prevalence",)),
        "optimizer": Section(OPTIMIZERS, default="adamw", reserved=("parameters",)),
        "schedule": Section(SCHEDULES, default="constant", reserved=("n_steps",)),
        "stages": Section(StageOptions),
    }


def resolved(config: Config) -> Config:
    """Return a recipe that says which model it is of: one that starts from a model may leave that to the model's card.

    Raises
    ------
    UsageError
        If [model] names another architecture than the model to start from is.
    UnknownNameError, AssetError
        If there is no such model.
    """
    init = config.get("start", {}).get("init")
    if not isinstance(init, str):
        return config
    card = get_card(init)
    of_card = {"name": card.architecture} | {key: value for key, value in card.options.items() if key != "n_tags"}
    changed = copy.deepcopy(config)
    asked = changed.get("model", {})
    if asked.get("name", card.architecture) != card.architecture:
        raise UsageError(
            f"start.init is {init!r}, which is of architecture {card.architecture!r}, not {asked['name']!r}",
            hint="leave the table [model] out: it follows from the model",
        )
    changed["model"] = of_card | asked
    return changed
