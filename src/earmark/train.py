"""Train a model: one visible loop. Set up, check, then per epoch: learn, judge, write a checkpoint.

A run is a folder: `run.toml` (every value that was used), `provenance.json`, `checkpoint.pt` (all that going on takes),
`best.safetensors` (the weights that were best on the validation part, with their card), `history.jsonl` (a line per
epoch), `results.json` (the test part, judged once, at the end).

What is random in a step follows from the seed and the number of the step: crops, mixtures and dropout. A run that was
killed goes on from its last epoch and ends with the same weights, bit for bit on one CPU.
"""

import io
import json
import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark import metrics
from earmark.audio.frontends import FRONTENDS
from earmark.config import Config, Section, build_table, check_config, provenance, to_toml
from earmark.crops import Batch, batches, place
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.files import replacing
from earmark.losses import LOSSES, CrossEntropy
from earmark.models.base import ARCHITECTURES, TaggingModel, build, from_arrays, save
from earmark.models.card import ModelCard
from earmark.models.weights import read_weights
from earmark.optimizers import OPTIMIZERS, SCHEDULES, Schedule
from earmark.training_data import DataOptions, TrainingData, prepare

Floats = NDArray[np.float32]
FORMAT = 1
CHECK_STEPS, CHECK_ITEMS, CHECK_FALL = 40, 8, 0.7


@dataclass(frozen=True)
class RunOptions:
    """What the table [run] of a recipe says.

    Parameters
    ----------
    seed : of weights, crops, order, mixtures and dropout
    epochs : how often every training track is heard
    batch_size : B
    n_chunks : of each track when it is judged; scores are averaged over them
    monitor : metric of the validation part that chooses the best weights
    patience : epochs without a better value after which the run ends; 0 never
    clip : largest norm of the gradient; 0 for none
    mixup : parameter of the Beta distribution that mixes pairs of items; 0 for none
    ema : weight of the past in the moving average of the weights that is judged; 0 for none
    overfit_check : whether a copy must first learn one batch by heart
    precision : of Lightning Fabric, such as "32-true" or "bf16-mixed"
    accelerator : "auto", "cpu" or "cuda"
    """

    seed: int = 0
    epochs: int = 50
    batch_size: int = 16
    n_chunks: int = 8
    monitor: Literal["pr_auc", "roc_auc", "accuracy", "loss"] = "pr_auc"
    patience: int = 0
    clip: float = 0.0
    mixup: float = 0.0
    ema: float = 0.0
    overfit_check: bool = True
    precision: str = "32-true"
    accelerator: str = "auto"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.n_chunks < 1:
            raise UsageError("[run] needs epochs and n_chunks of 1 or more, and a batch_size of 2 or more")
        if not 0 <= self.ema < 1 or self.mixup < 0 or self.clip < 0 or self.patience < 0:
            raise UsageError("[run] needs ema from 0 to below 1, and no negative mixup, clip or patience")
        if self.monitor not in ("pr_auc", "roc_auc", "accuracy", "loss"):
            raise UsageError(f"run.monitor is {self.monitor!r}", hint="pr_auc, roc_auc, accuracy or loss")


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
    """

    number: int
    train_loss: float
    scores: Mapping[str, float]
    learning_rate: float
    seconds: float
    is_best: bool


@dataclass
class Run:
    """A run in progress: what the loop works with."""

    options: RunOptions
    data: TrainingData
    fabric: Fabric
    model: TaggingModel
    network: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    rate: float
    made_of: tuple[str, dict[str, Any]]
    step: int = 0
    average: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)


Listener = Callable[[int, int, float], None]


def schema() -> dict[str, Section]:
    """Return what a recipe may hold."""
    build("fcn")  # importing the families registers them
    return {
        "run": Section(RunOptions),
        "data": Section(DataOptions, required=True),
        "model": Section(ARCHITECTURES, required=True, reserved=("n_tags",)),
        "loss": Section(LOSSES, default="bce", reserved=("prevalence",)),
        "optimizer": Section(OPTIMIZERS, default="adamw", reserved=("parameters",)),
        "schedule": Section(SCHEDULES, default="constant", reserved=("n_steps",)),
    }


def train(
    config: Config,
    folder: Path,
    *,
    resume: bool = False,
    on_step: Listener | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> dict[str, Any]:
    """Train as a recipe says.

    Parameters
    ----------
    config : the tables of the recipe; see `schema`
    folder : of the run; new, unless `resume`
    resume : go on from the checkpoint in the folder
    on_step : called with the step, the number of steps in all, and the loss
    on_epoch : called after every epoch

    Returns
    -------
    what `results.json` holds: scores of the validation and the test part with the best weights

    Raises
    ------
    UsageError
        If the recipe has a key that nobody takes, the folder is not empty, or the checkpoint is of another recipe.
    InputError
        If there is no data, the disk is full, or the network cannot learn one batch by heart.
    EarmarkError
        If the loss is no number any more. Earlier checkpoints stay as they are.
    """
    check_config(config, schema())
    _check_folder(folder, resume=resume)
    run = set_up(config)
    if resume:
        _load(run, folder / "checkpoint.pt", config)
    else:
        if run.options.overfit_check:
            check_that_it_learns(run)
        _begin_folder(folder, config)
    for number in range(len(run.history) + 1, run.options.epochs + 1):
        if _is_finished(run):
            break
        begun = time.monotonic()
        loss = learn(run, number - 1, on_step)
        with _averaged(run):
            scores = judge(run, "validation")
            epoch = _concluded(run, number, loss, scores, time.monotonic() - begun)
            if epoch.is_best:
                save_model(run, folder / "best.safetensors", folder.name, scores)
        _write_checkpoint(run, folder, config)
        if on_epoch is not None:
            on_epoch(epoch)
    return _finish(run, folder)


def set_up(config: Config) -> Run:
    """Build everything that a run works with."""
    tables = schema()
    options: RunOptions = build_table(config, "run", tables)
    fabric = Fabric(accelerator=options.accelerator, devices=1, precision=options.precision)
    torch.manual_seed(options.seed)
    sample_rate = build_table(config, "model", tables).sample_rate
    data = prepare(build_table(config, "data", tables), sample_rate=sample_rate)
    torch.manual_seed(options.seed)
    model: TaggingModel = build_table(config, "model", tables, n_tags=len(data.tags))
    needs_rates = config.get("loss", {}).get("name") == "weighted_bce"
    prevalence = torch.from_numpy(data.targets("train").mean(axis=0))
    loss: nn.Module = build_table(config, "loss", tables, **({"prevalence": prevalence} if needs_rates else {}))
    if isinstance(loss, CrossEntropy) and not data.is_single_label:
        raise UsageError("cross_entropy is for one class per track, these have several tags", hint='loss.name = "bce"')
    optimizer = build_table(config, "optimizer", tables, parameters=[p for p in model.parameters() if p.requires_grad])
    n_steps = options.epochs * _n_batches(data, options)
    schedule = build_table(config, "schedule", tables, n_steps=n_steps)
    network, optimizer = fabric.setup(model, optimizer)
    rate = float(optimizer.param_groups[0]["lr"])
    made_of = (config["model"]["name"], {key: value for key, value in config["model"].items() if key != "name"})
    run = Run(options, data, fabric, model, network, fabric.to_device(loss), optimizer, schedule, rate, made_of)
    if options.ema:
        run.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return run


def learn(run: Run, epoch: int, on_step: Listener | None) -> float:
    """Let the network learn from one crop of every training track; return the mean loss."""
    run.network.train()
    targets = torch.from_numpy(run.data.targets("train")).float()
    n_steps = run.options.epochs * _n_batches(run.data, run.options)
    losses = []
    for batch in _train_batches(run, epoch):
        torch.manual_seed(_seed_of(run.options.seed, run.step))
        for group in run.optimizer.param_groups:
            group["lr"] = run.rate * run.schedule.factor(run.step)
        waveform, wanted = _mixed(run, batch, targets)
        loss = run.loss(run.network(waveform), wanted)
        value = float(loss.detach())
        if not math.isfinite(value):
            hint = "lower optimizer.lr or set run.clip; earlier checkpoints are intact"
            raise EarmarkError(f"the loss became {value} in step {run.step + 1}, epoch {epoch + 1}", hint=hint)
        run.optimizer.zero_grad()
        run.fabric.backward(loss)
        if run.options.clip:
            run.fabric.clip_gradients(run.network, run.optimizer, max_norm=run.options.clip)
        run.optimizer.step()
        _update_average(run)
        run.step += 1
        losses.append(value)
        if on_step is not None:
            on_step(run.step, n_steps, value)
    return float(np.mean(losses))


def judge(run: Run, part: str) -> dict[str, float]:
    """Return the metrics of a part: scores of a track are the mean over evenly spaced chunks, the last at its end."""
    targets, scores = run.data.targets(part), predict(run, part)
    measures: dict[str, Callable[[Any, Any], float]] = {"pr_auc": metrics.pr_auc, "roc_auc": metrics.roc_auc}
    if run.data.is_single_label:
        measures["accuracy"] = metrics.accuracy
    found = {}
    for name, measure in measures.items():
        with suppress(InputError):  # of a few tracks, all with the same tags: then there is nothing to rank
            found[name] = float(measure(targets, scores))
    return found | {"loss": float(metrics.log_loss(targets, scores))}


@torch.no_grad()
def predict(run: Run, part: str) -> Floats:
    """Return the scores of a part, shape (n, K), in [0, 1]."""
    run.network.eval()
    scores = np.zeros((len(run.data.split[part]), len(run.data.tags)), np.float32)
    is_one_of_many = isinstance(run.loss, CrossEntropy)
    for index, chunks in run.data.chunks(part, run.model.chunk_samples, run.options.n_chunks):
        logits = run.network(run.fabric.to_device(torch.from_numpy(chunks))).float()
        given = torch.softmax(logits, dim=1) if is_one_of_many else torch.sigmoid(logits)
        scores[index] = given.mean(dim=0).cpu().numpy()
    return scores


def check_that_it_learns(run: Run) -> None:
    """Let a copy learn one small batch by heart; a set-up that cannot do that is broken.

    Raises
    ------
    InputError
        If the loss does not fall below `CHECK_FALL` of what it was.
    """
    torch.manual_seed(run.options.seed)
    before = {name: value.detach().clone() for name, value in run.model.state_dict().items()}
    batch = next(iter(_train_batches(run, 0)))
    crops = run.fabric.to_device(torch.from_numpy(batch.crops[:CHECK_ITEMS]))
    wanted = run.fabric.to_device(torch.from_numpy(run.data.targets("train")[batch.indices[:CHECK_ITEMS]]).float())
    optimizer = torch.optim.Adam(run.model.parameters(), lr=1e-3)
    run.model.train()
    losses = []
    for _ in range(CHECK_STEPS):
        loss = run.loss(run.model(crops), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    run.model.load_state_dict(before)
    run.optimizer.zero_grad()
    end = float(np.mean(losses[-5:]))
    if not end < CHECK_FALL * losses[0]:
        raise InputError(
            f"the network does not learn one batch by heart: the loss went from {losses[0]:.3g} to {end:.3g} in "
            f"{CHECK_STEPS} steps",
            hint="is the audio silent, are the labels right? run.overfit_check = false leaves this check out",
        )


def save_model(run: Run, path: Path, name: str, scores: Mapping[str, float]) -> None:
    """Write the weights as they are now, with their card."""
    model, data = run.model, run.data
    architecture, options = run.made_of
    model.card = ModelCard(
        name=name,
        architecture=architecture,
        options=options | {"n_tags": model.n_tags},
        sample_rate=model.sample_rate,
        chunk_samples=model.chunk_samples,
        hop_samples=model.chunk_samples,
        context_samples=model.context,
        frontend=next((key for key in FRONTENDS if type(model.frontend) is FRONTENDS[key]), "own"),
        vocabulary=data.dataset.vocabulary.name,
        tags=data.tags,
        n_parameters=model.n_parameters,
        embedding=model.embedding_layer,
        n_features=model.n_features,
        dataset=data.dataset.info.title,
        split=data.split.name,
        n_train=len(data.split["train"]),
        scores={f"validation_{key}": value for key, value in scores.items()},
        licence="not stated",
        notes=f"trained with earmark; chosen by the validation part of {len(data.split['validation'])} tracks",
    )
    save(model, path)


def _check_folder(folder: Path, *, resume: bool) -> None:
    if resume and not (folder / "checkpoint.pt").is_file():
        raise InputError(f"{folder}: there is no checkpoint to go on from", hint="begin the run without resume")
    if not resume and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not empty", hint="name a new folder, or go on with resume")


def _begin_folder(folder: Path, config: Config) -> None:
    """Make the folder of a run that is known to work, and say in it what the run is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be created: {error.strerror or error}") from error
    _write(folder / "run.toml", to_toml(config))
    _write(folder / "provenance.json", json.dumps(provenance(), indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def _n_batches(data: TrainingData, options: RunOptions) -> int:
    """Return the steps of an epoch; a last batch that is not full is left out, unless it is the only one."""
    return max(len(data.split["train"]) // options.batch_size, 1)


def _train_batches(run: Run, epoch: int) -> Iterator[Batch]:
    options = run.options
    crops = run.data.crops("train", run.model.chunk_samples, seed=options.seed)
    full = len(crops) >= options.batch_size
    return batches(crops, batch_size=options.batch_size, epoch=epoch, seed=options.seed, drop_last=full, jobs=1)


def _seed_of(seed: int, step: int) -> int:
    return int(place(seed, step, 0) * 2**53)


def _mixed(run: Run, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return waveforms and targets of a batch on the device, mixed in pairs if the run mixes."""
    waveform = run.fabric.to_device(torch.from_numpy(batch.crops))
    wanted = run.fabric.to_device(targets[torch.from_numpy(batch.indices)])
    if not run.options.mixup:
        return waveform, wanted
    generator = np.random.default_rng([run.options.seed, run.step])
    share = float(generator.beta(run.options.mixup, run.options.mixup))
    other = torch.from_numpy(generator.permutation(len(waveform))).to(waveform.device)
    return share * waveform + (1 - share) * waveform[other], share * wanted + (1 - share) * wanted[other]


def _update_average(run: Run) -> None:
    """Let the average of the weights follow them; what counts, and statistics of batches, is taken as it is."""
    for name, value in run.model.state_dict().items():
        if run.average and value.is_floating_point() and "running_" not in name:
            run.average[name].lerp_(value.detach(), 1 - run.options.ema)
        elif run.average:
            run.average[name].copy_(value)


@contextmanager
def _averaged(run: Run) -> Iterator[None]:
    """Put the averaged weights in place of the network's, if the run has them."""
    if not run.average:
        yield
        return
    own = {name: value.detach().clone() for name, value in run.model.state_dict().items()}
    run.model.load_state_dict(run.average)
    try:
        yield
    finally:
        run.model.load_state_dict(own)


def _worth(options: RunOptions, scores: Mapping[str, float]) -> float:
    if options.monitor not in scores:
        hint = f"it has {', '.join(scores)}; a larger validation part, or another split, has more"
        raise UsageError(f"run.monitor is {options.monitor!r}, which this validation part cannot tell", hint=hint)
    return -scores["loss"] if options.monitor == "loss" else scores[options.monitor]


def _concluded(run: Run, number: int, loss: float, scores: Mapping[str, float], seconds: float) -> Epoch:
    worth = _worth(run.options, scores)
    is_best = all(worth > _worth(run.options, epoch.scores) for epoch in run.history)
    rate = float(run.optimizer.param_groups[0]["lr"])
    epoch = Epoch(number, loss, dict(scores), rate, round(seconds, 3), is_best)
    run.schedule.measured(worth)
    run.history.append(epoch)
    return epoch


def _is_finished(run: Run) -> bool:
    """Say whether the last epochs brought nothing better for as long as the run waits."""
    best = max((epoch.number for epoch in run.history if epoch.is_best), default=0)
    return bool(run.options.patience) and len(run.history) - best >= run.options.patience


def _write_checkpoint(run: Run, folder: Path, config: Config) -> None:
    content = {
        "format": FORMAT,
        "config": config,
        "step": run.step,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "average": run.average,
        "history": [asdict(epoch) for epoch in run.history],
    }
    memory = io.BytesIO()
    torch.save(content, memory)
    with replacing(folder / "checkpoint.pt") as file:
        file.write(memory.getbuffer())
    _write(folder / "history.jsonl", "".join(json.dumps(asdict(epoch)) + "\n" for epoch in run.history))


def _load(run: Run, path: Path, config: Config) -> None:
    """Go to where a checkpoint was written."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: cannot be read: {error}", hint="begin the run anew in another folder") from error
    if content.get("format") != FORMAT or _comparable(content["config"]) != _comparable(config):
        hint = "go on with the recipe in run.toml; only run.epochs and run.patience may change"
        raise UsageError(f"{path}: was written by a run of another recipe", hint=hint)
    run.model.load_state_dict(content["model"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.average, run.step = content["average"], content["step"]
    run.history = [Epoch(**plain) for plain in content["history"]]
    for epoch in run.history:
        run.schedule.measured(_worth(run.options, epoch.scores))


def _comparable(config: Config) -> Config:
    plain: Config = json.loads(json.dumps(config))
    plain["run"] = {key: value for key, value in plain.get("run", {}).items() if key not in ("epochs", "patience")}
    return plain


def _finish(run: Run, folder: Path) -> dict[str, Any]:
    """Judge every part with the best weights, and write that down."""
    arrays, card = read_weights(folder / "best.safetensors")
    run.model.load_state_dict(from_arrays(arrays, card).state_dict())
    parts = [part for part in ("validation", "test") if run.data.split.parts.get(part)]
    best = max(epoch.number for epoch in run.history if epoch.is_best)
    results = {
        "epoch": best,
        "epochs": len(run.history),
        "tracks": run.data.split.sizes,
        "unreadable": sorted(run.data.unreadable),
        **{part: judge(run, part) for part in parts},
    }
    _write(folder / "results.json", json.dumps(results, indent=1) + "\n")
    return results
