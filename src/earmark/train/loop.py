"""The loop: set up, check, then per epoch: learn, judge, write a checkpoint."""

import gc
import json
import math
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from earmark.config import Config, check_config
from earmark.crops import place
from earmark.errors import EarmarkError
from earmark.models.base import from_arrays
from earmark.models.weights import read_weights
from earmark.train.averaging import averaged
from earmark.train.checkpoints import (
    begin_folder,
    check_folder,
    load_checkpoint,
    save_model,
    write_checkpoint,
    write_text,
)
from earmark.train.event_file import need_tensorboard
from earmark.train.feeding import Piece, drawn, steps
from earmark.train.judging import check_monitor, judge, predict, worth
from earmark.train.options import resolved, schema
from earmark.train.overfitting import check_that_it_learns
from earmark.train.records import Recorder, open_recorder
from earmark.train.run import Epoch, Run, doubts, replace_optimizer, set_up, waveforms
from earmark.train.starting import set_training

Listener = Callable[[int, int, float], None]
LOOK_EVERY = {"cpu": 1}  # steps after which losses are looked at; elsewhere that means waiting for the device:
LOOK_EVERY_ELSEWHERE = 20


def train(
    config: Config,
    folder: Path,
    *,
    resume: bool = False,
    on_step: Listener | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train as a recipe says.

    Parameters
    ----------
    config : the tables of the recipe; see `schema`
    folder : of the run; new, unless `resume`
    resume : go on from the checkpoint in the folder; from the begin if the run was cut off before its first one
    on_step : called with the step, the number of steps in all, and the loss
    on_epoch : called after every epoch
    on_stage : called with what is done before the first step
    on_note : called with what the user ought to know before it

    Returns
    -------
    what `results.json` holds: scores of the validation and the test part with the best weights

    Raises
    ------
    UsageError
        If the recipe has a key that nobody takes, the folder is not empty, or the checkpoint is of another recipe or of
        other tracks.
    InputError
        If there is no data, the disk is full, or the network cannot learn one batch by heart.
    EarmarkError
        If the loss is no number any more, a device was lost, or has too little memory. Earlier checkpoints stay as they
        are.

    Notes
    -----
    With several devices every one of them runs this; the first writes, and its callbacks alone are called.
    """
    config = resolved(json.loads(json.dumps(config, default=os.fspath)))
    check_config(config, schema())
    check_folder(folder, resume=resume)
    if config.get("run", {}).get("tensorboard"):
        need_tensorboard()
    with _worded_errors(), _closing_connections():
        return _train(config, folder, resume, on_step, on_epoch, on_stage, on_note)


def _train(
    config: Config,
    folder: Path,
    resume: bool,
    on_step: Listener | None,
    on_epoch: Callable[[Epoch], None] | None,
    on_stage: Callable[[str], None] | None,
    on_note: Callable[[str], None] | None,
) -> dict[str, Any]:
    run = set_up(config, on_stage=on_stage)
    check_monitor(run)
    is_first = run.fabric.is_global_zero
    if resume and (folder / "checkpoint.pt").is_file():
        load_checkpoint(run, folder / "checkpoint.pt")
    elif run.options.overfit_check and run.start.freeze != "encoder":
        if on_stage is not None:
            on_stage("checking that the network can learn one batch by heart")
        check_that_it_learns(run)
    if is_first and on_note is not None:
        _tell(run, on_note)
    _by_the_first(run, partial(begin_folder, run, folder, config))
    recorder = open_recorder(folder) if is_first and run.options.tensorboard else None
    try:
        _epochs(run, folder, recorder, on_step if is_first else None, on_epoch if is_first else None)
        return _finish(run, folder)
    finally:
        if recorder is not None:
            recorder.close()


def _tell(run: Run, on_note: Callable[[str], None]) -> None:
    for text in doubts(run):
        on_note(text)
    if len(run.history) >= run.options.epochs or _is_finished(run):
        on_note(f"this run is finished after {len(run.history)} epochs; for more: --set run.epochs=N")


def _epochs(
    run: Run,
    folder: Path,
    recorder: Recorder | None,
    on_step: Listener | None,
    on_epoch: Callable[[Epoch], None] | None,
) -> None:
    for number in range(len(run.history) + 1, run.options.epochs + 1):
        if _is_finished(run) or not _enter_stage(run, folder):
            break
        if run.fabric.is_global_zero:
            (folder / "results.json").unlink(missing_ok=True)  # of the shorter run that this one goes on from
        begun = time.monotonic()
        loss = learn(run, number - 1, on_step, recorder)
        if run.average is not None:
            run.average.after_epoch(run.model, number - 1)
        with averaged(run.model, run.average, lambda: waveforms(run, 0)):
            predictions = predict(run, "validation", name=folder.name)
            epoch = _concluded(run, number, loss, judge(run, predictions), time.monotonic() - begun)
            if epoch.is_best:
                _by_the_first(run, partial(save_model, run, folder, epoch.scores, predictions))
            if recorder is not None:
                recorder.epoch(run, epoch, predictions)
        _by_the_first(run, partial(write_checkpoint, run, folder))
        if on_epoch is not None:
            on_epoch(epoch)


def learn(run: Run, epoch: int, on_step: Listener | None = None, recorder: Recorder | None = None) -> float:
    """Let the network learn for an epoch; return the mean loss, over all devices.

    Parameters
    ----------
    run : goes on
    epoch : from 0
    on_step : called with the step, the number of steps in all, and the loss
    recorder : gets losses and norms of gradients
    """
    run.network.train()
    set_training(run.model, run.start)
    targets = torch.from_numpy(run.data.targets("train")).float()
    crops = run.data.crops("train", run.model.chunk_samples, seed=run.options.seed)
    chosen = drawn(run.data.targets("train"), run.options, epoch)
    rank, world = run.fabric.global_rank, run.fabric.world_size
    every = LOOK_EVERY.get(run.fabric.device.type, LOOK_EVERY_ELSEWHERE)
    losses: list[float] = []
    unseen: list[Tensor] = []
    for pieces in steps(crops, chosen, run.options, rank=rank, world=world):
        for group in run.optimizer.param_groups:
            group["lr"] = run.rate * run.schedule.factor(run.step)
        unseen.append(_step(run, pieces, targets, recorder))
        run.step += 1
        if len(unseen) == every:
            losses += _looked_at(run, unseen, epoch, on_step)
            unseen = []
    losses += _looked_at(run, unseen, epoch, on_step) if unseen else []
    mean = run.fabric.all_reduce(run.fabric.to_device(torch.tensor(np.mean(losses))), reduce_op="mean")
    return float(mean)


def _step(run: Run, pieces: list[Piece], targets: Tensor, recorder: Recorder | None) -> Tensor:
    """Learn from the pieces of one batch; return the loss of this device's items."""
    rank, world = run.fabric.global_rank, run.fabric.world_size
    run.optimizer.zero_grad()
    total = torch.zeros((), device=run.fabric.device)
    for i, piece in enumerate(pieces):
        number = (run.step * world + rank) * run.options.accumulate + i
        torch.manual_seed(_seed_of(run.options.seed, number))
        waveform, wanted = _mixed(run, piece, targets, number)
        with run.fabric.no_backward_sync(run.network, enabled=world > 1 and i + 1 < len(pieces)):
            loss = run.loss(run.network(waveform, run.options.seed, number).float(), wanted) * piece.share * world
            run.fabric.backward(loss)
        total += loss.detach()
    norm = None
    if run.options.clip:
        norm = run.fabric.clip_gradients(
            run.network, run.optimizer, max_norm=run.options.clip, error_if_nonfinite=False
        )  # an error would be raised at once, and the device waited for: `_looked_at` sees the loss
    if recorder is not None:
        recorder.step(run, total, norm)
    run.optimizer.step()
    if run.average is not None:
        run.average.after_step(run.model)
    return total


def _looked_at(run: Run, losses: list[Tensor], epoch: int, on_step: Listener | None) -> list[float]:
    """Return losses as numbers.

    Raises
    ------
    EarmarkError
        If one is none.
    """
    values: list[float] = torch.stack(losses).tolist()
    for i, value in enumerate(values):
        step = run.step - len(values) + i + 1
        if not math.isfinite(value):
            hint = "lower optimizer.lr or set run.clip; earlier checkpoints are intact"
            raise EarmarkError(f"the loss became {value} in step {step}, epoch {epoch + 1}", hint=hint)
        if on_step is not None:
            on_step(step, run.n_steps, value)
    return values


def _seed_of(seed: int, number: int) -> int:
    return int(place(seed, number, 0) * 2**53)


def _mixed(run: Run, piece: Piece, targets: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Return waveforms and targets of a piece on the device, mixed in pairs if the run mixes."""
    waveform = run.fabric.to_device(torch.from_numpy(piece.crops))
    wanted = run.fabric.to_device(targets[torch.from_numpy(piece.indices)])
    if not run.options.mixup:
        return waveform, wanted
    generator = np.random.default_rng([run.options.seed, number])
    drawn_shares = generator.beta(run.options.mixup, run.options.mixup, (len(waveform), 1))
    share = run.fabric.to_device(torch.from_numpy(drawn_shares.astype(np.float32)))
    other = run.fabric.to_device(torch.from_numpy(generator.permutation(len(waveform))))
    return share * waveform + (1 - share) * waveform[other], share * wanted + (1 - share) * wanted[other]


def _concluded(run: Run, number: int, loss: float, scores: dict[str, float], seconds: float) -> Epoch:
    value = worth(run, scores)
    is_best = all(value > worth(run, dict(epoch.scores)) for epoch in run.history)
    rate = float(run.optimizer.param_groups[0]["lr"])
    epoch = Epoch(number, loss, scores, rate, round(seconds, 3), is_best, run.stage)
    run.schedule.measured(value)
    run.history.append(epoch)
    return epoch


def _is_finished(run: Run) -> bool:
    """Say whether the last epochs brought nothing better for as long as the run waits."""
    return bool(run.options.patience) and len(run.history) - run.best_epoch() >= run.options.patience


def _enter_stage(run: Run, folder: Path) -> bool:
    """Go to the next stage if this one is over; say whether there is anything left to do."""
    ends: Mapping[str, Any] = {"epochs": run.stages.epochs, "patience": run.stages.patience}
    if run.stage:
        ends = run.stages.next[run.stage - 1]
    own = [worth(run, dict(epoch.scores)) for epoch in run.history[run.stage_began :]]
    done, since_best = len(own), len(own) - own.index(max(own)) - 1 if own else 0
    epochs, patience = ends.get("epochs", 0), ends.get("patience", 0)
    if not (epochs and done >= epochs) and not (patience and since_best >= patience):
        return True
    if run.stage == len(run.stages.next):
        return False
    run.stage, run.stage_began = run.stage + 1, len(run.history)
    load_best(run, folder)
    if run.average is not None:
        run.average.begin_stage(run.model)
    replace_optimizer(run, run.stages.next[run.stage - 1])
    return True


def load_best(run: Run, folder: Path) -> None:
    """Put the best weights so far into a run's network.

    Parameters
    ----------
    run : changed
    folder : that holds them
    """
    arrays, card = read_weights(folder / "best.safetensors")
    run.model.load_state_dict(from_arrays(arrays, card).state_dict())


def _finish(run: Run, folder: Path) -> dict[str, Any]:
    """Judge every part with the best weights, and write that down."""
    load_best(run, folder)
    parts = [part for part in ("validation", "test") if run.data.split.parts.get(part)]
    predictions = {part: predict(run, part, name=folder.name) for part in parts}
    results = {
        "epoch": run.best_epoch(),
        "epochs": len(run.history),
        "tracks": run.data.split.sizes,
        "unreadable": {id: str(run.data.unreadable[id]) for id in sorted(run.data.unreadable)},
        **{part: judge(run, one) for part, one in predictions.items()},
    }

    def write() -> None:
        for part, one in predictions.items():
            one.save(folder / "predictions" / f"{part}.npz")
        write_text(folder / "results.json", json.dumps(results, indent=1) + "\n")

    _by_the_first(run, write)
    return results


def _by_the_first(run: Run, write: Callable[[], None]) -> None:
    """Let the first device write while the others wait; what goes wrong there is raised on all, so that none waits."""
    problem: EarmarkError | None = None
    if run.fabric.is_global_zero:
        try:
            write()
        except EarmarkError as error:
            problem = error
    problem = run.fabric.broadcast(problem)
    if problem is not None:
        raise problem


@contextmanager
def _closing_connections() -> Iterator[None]:
    """Close the connections between devices that a run opened, also on the way out of an error.

    Their threads let go of the last tensors sent a little after the run goes on. One that does so when the interpreter
    ends is ended in the middle of it, and the process with it: SIGABRT, and the exit status is lost. The threads end
    with the connections, and those only when nothing refers to them any more: the network does, and so does the
    traceback of an error. Where another device was lost they stay: closing waits for what was sent through them.
    """
    are_others = _are_several()
    try:
        yield
    except EarmarkError as error:
        if _are_several() and not are_others:
            traceback.clear_frames(error.__traceback__)
            _close_connections()
        raise
    if _are_several() and not are_others:
        _close_connections()


def _are_several() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _close_connections() -> None:
    gc.collect()  # the network and its wrapper refer to each other
    torch.distributed.destroy_process_group()


@contextmanager
def _worded_errors() -> Iterator[None]:
    """Say in words that memory is short, or that a device was lost: what waits for it learns that from its connection.

    Where devices wait for each other on the way out of an error, it is that error which counts.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        hint = "lower run.batch_size, or raise run.accumulate, which changes no more than rounding without batch norms"
        raise EarmarkError(f"out of memory: {str(error).splitlines()[0]}", hint=hint) from error
    except RuntimeError as error:
        if isinstance(error.__context__, EarmarkError):
            raise error.__context__ from None
        if not _are_several() or not any(word in str(error) for word in ("onnection", "peer", "NCCL", "imed out")):
            raise
        raise EarmarkError(
            f"another device of this run is gone: {str(error).splitlines()[0]}",
            hint="what it said tells why; where there is a checkpoint, it is intact: go on with resume",
        ) from error
