"""A run in progress, and how it is set up from a recipe."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn

from earmark.audio.augment import Augment
from earmark.config import Config, build_table, naming_table, provenance
from earmark.errors import UsageError
from earmark.losses import CrossEntropy
from earmark.models.base import TaggingModel
from earmark.optimizers import Schedule
from earmark.train.averaging import Average, LateAverage, MovingAverage
from earmark.train.feeding import drawn, n_batches, steps
from earmark.train.options import RunOptions, StageOptions, StartOptions, optimizer_of_stage, schema
from earmark.train.starting import Taken, start_from
from earmark.training_data import DataOptions, TrainingData, check_lengths, choose, decoded

FEW = 10  # validation tracks
TIMEOUT = timedelta(minutes=20)  # of a device that waits for another: decoding a dataset for the first time takes long


@dataclass(frozen=True)
class Epoch:
    """What came of an epoch.

    Parameters
    ----------
    number : from 1
    train_loss : mean over the steps
    scores : of the validation part: pr_auc, roc_auc, loss, and accuracy where tracks have one tag
    learning_rate : at its end
    seconds : that it took
    is_best : whether its weights are the best so far
    stage : of the optimisers, from 0
    """

    number: int
    train_loss: float
    scores: Mapping[str, float]
    learning_rate: float
    seconds: float
    is_best: bool
    stage: int = 0


class Learner(nn.Module):
    """The network with its augmentation, as it learns.

    Parameters
    ----------
    model : the network
    augment : of waveforms and spectrograms
    """

    def __init__(self, model: TaggingModel, augment: Augment) -> None:
        super().__init__()
        self.model, self.augment = model, augment

    def forward(self, waveform: Tensor, seed: int, number: int) -> Tensor:
        """(B, S) -> logits (B, K), augmented.

        Parameters
        ----------
        waveform : shape (B, S)
        seed, number : of what is drawn
        """
        *_, (_, logits) = self.model.stages(self.pictures(waveform, seed, number))
        return logits

    def pictures(self, waveform: Tensor, seed: int, number: int) -> Tensor:
        """(B, S) -> (B, ..., F, T): what the network sees, augmented; parameters as of `forward`."""
        spectrogram = self.model.represent(self.augment.waveform(waveform, seed, number))
        pictures = spectrogram.reshape(-1, *spectrogram.shape[-2:])  # windows of a clip are pictures of their own
        return self.augment.spectrogram(pictures, seed, number).reshape(spectrogram.shape)


@dataclass
class Run:
    """A run in progress: what the loop works with."""

    options: RunOptions
    start: StartOptions
    stages: StageOptions
    data: TrainingData
    fabric: Fabric
    model: TaggingModel
    network: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    config: Config
    rate: float
    average: Average | None
    taken: Taken | None = None
    step: int = 0
    stage: int = 0
    stage_began: int = 0
    history: list[Epoch] = field(default_factory=list)
    provenance: Mapping[str, Any] = field(default_factory=provenance)

    @property
    def is_single_label(self) -> bool:
        """Whether the network tells one class out of many, so that scores are a softmax."""
        return isinstance(self.loss, CrossEntropy)

    @property
    def n_steps(self) -> int:
        """How many steps the run has in all."""
        return self.options.epochs * n_batches(len(self.data.split["train"]), self.options)

    def best_epoch(self) -> int:
        """Return the number of the best epoch so far; 0 before the first."""
        return max((epoch.number for epoch in self.history if epoch.is_best), default=0)


def set_up(config: Config, *, on_stage: Callable[[str], None] | None = None) -> Run:
    """Build everything that a run works with.

    Parameters
    ----------
    config : checked; see `schema`
    on_stage : called with what is done next
    """
    tables = schema()
    options: RunOptions = build_table(config, "run", tables)
    start: StartOptions = build_table(config, "start", tables)
    data_options: DataOptions = build_table(config, "data", tables)
    fabric = open_fabric(options)
    with fabric.rank_zero_first():  # the first device decodes, the others find that done
        dataset, split = choose(data_options)
        torch.manual_seed(options.seed)
        model: TaggingModel = build_table(config, "model", tables, n_tags=len(dataset.vocabulary.tags))
        if on_stage is not None:
            on_stage(f"decoding {sum(split.sizes.values())} tracks, or finding that done")
        data = decoded(dataset, split, data_options, sample_rate=model.sample_rate)
    check_lengths(data, data_options, n_samples=model.chunk_samples, sample_rate=model.sample_rate)
    _check_pieces(data, options, fabric.world_size)
    taken = start_from(model, start, data.tags)
    loss = _loss(config, data)
    optimizer = build_table(config, "optimizer", tables, parameters=_learning(model))
    schedule = build_table(
        config, "schedule", tables, n_steps=options.epochs * n_batches(len(data.split["train"]), options)
    )
    with naming_table("augment"):
        augment = Augment(config.get("augment", {}), sample_rate=model.sample_rate)
    learner = Learner(model, augment)
    with torch.no_grad():  # an augmentation that does not fit is told before the run
        learner.eval().pictures(torch.zeros(1, model.chunk_samples), options.seed, 0)
    network, optimizer = fabric.setup(learner, optimizer)
    average: Average | None = None
    if options.ema:
        average = MovingAverage(options.ema, model)
    elif options.swa:
        average = LateAverage(options.epochs - max(round(options.swa * options.epochs), 1))
    return Run(
        options, start, build_table(config, "stages", tables), data, fabric, model, network, fabric.to_device(loss),
        optimizer, schedule, config, float(optimizer.param_groups[0]["lr"]), average, taken,
    )  # fmt: skip


def open_fabric(options: RunOptions) -> Fabric:
    """Start the devices of a run.

    Parameters
    ----------
    options : accelerator, devices, nodes and precision

    Raises
    ------
    UsageError
        If there are not so many devices, or the precision is unknown.

    Notes
    -----
    Several devices work in a process each. Under `torchrun` and Slurm they run already; otherwise the program that
    called is started once more for each of them, by Lightning Fabric.
    """
    several = options.devices * options.nodes > 1
    if options.accelerator == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "run.accelerator is 'cuda', but PyTorch sees no GPU", hint='run.accelerator = "cpu", or "auto"'
        )
    try:
        fabric = Fabric(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.nodes,
            precision=options.precision,
            strategy=DDPStrategy(timeout=TIMEOUT) if several else "auto",
        )
    except (ValueError, RuntimeError, TypeError) as error:
        raise UsageError(
            f"[run]: {error}", hint="see run.accelerator, run.devices, run.nodes and run.precision"
        ) from error
    if several:
        fabric.launch()
    return fabric


def replace_optimizer(run: Run, table: Mapping[str, Any]) -> None:
    """Give a run another optimiser.

    Parameters
    ----------
    run : changed
    table : name and options of the optimiser
    """
    optimizer = optimizer_of_stage(f"stage {run.stage + 1}", table, _learning(run.model))
    run.optimizer = run.fabric.setup_optimizers(optimizer)
    run.rate = float(run.optimizer.param_groups[0]["lr"])


def waveforms(run: Run, epoch: int) -> Iterator[Tensor]:
    """Yield the crops of an epoch in batches (B, S) on the device, as they are."""
    crops = run.data.crops("train", run.model.chunk_samples, seed=run.options.seed)
    chosen = drawn(run.data.targets("train"), run.options, epoch)
    for pieces in steps(crops, chosen, run.options):
        for piece in pieces:
            yield run.fabric.to_device(torch.from_numpy(piece.crops))


def _learning(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _loss(config: Config, data: TrainingData) -> nn.Module:
    needs_rates = config.get("loss", {}).get("name") == "weighted_bce"
    prevalence = torch.from_numpy(data.targets("train").mean(axis=0))
    loss: nn.Module = build_table(config, "loss", schema(), **({"prevalence": prevalence} if needs_rates else {}))
    if isinstance(loss, CrossEntropy) and not data.is_single_label:
        raise UsageError("cross_entropy is for one class per track, these have several tags", hint='loss.name = "bce"')
    return loss


def _check_pieces(data: TrainingData, options: RunOptions, world: int) -> None:
    n, pieces = len(data.split["train"]), world * options.accumulate
    if data.is_single_label and len(data.tags) < 2:
        raise UsageError(f"there is one class, {data.tags[0]!r}: nothing to tell apart", hint="two or more folders")
    if n < 2 * pieces:
        shared = f", which {pieces} pieces share, two in each" if pieces > 1 else ""
        raise UsageError(f"a batch takes {2 * pieces} training tracks or more{shared}; there are {n}")


def doubts(run: Run) -> list[str]:
    """Say what makes the choice of the best weights a matter of chance.

    Parameters
    ----------
    run : whose validation part is looked at
    """
    targets = run.data.targets("validation")
    n, absent = len(targets), int((~targets.any(axis=0)).sum())
    found = []
    if n < FEW:
        found.append(f"the validation part has {n} tracks: the best weights, thresholds and calibration are chance")
    elif absent:
        found.append(f"{absent} of {len(run.data.tags)} tags have no track in the validation part")
    return [f"{text}; data.validation holds more back where the split has none of its own" for text in found]
