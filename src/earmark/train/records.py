"""Records of a run for TensorBoard, in the folder `tensorboard` of the run.

===========================  =============================================  ============================================
name                         what                                           when
===========================  =============================================  ============================================
loss/step                    loss of a step                                 every step
loss/train, loss/validation  mean over the steps; log loss                  every epoch
learning_rate                of the first group of weights                  every step
gradient_norm/all            of the whole gradient, before it is clipped    some steps, see `norms_every`
gradient_norm/MODULE         of a part of the network                       the same
validation/METRIC            metrics of the validation part                 every epoch
average_precision/TAG        of every tag that the validation part has      every epoch
pr_curve/TAG                 precision over recall, of the frequent tags    epochs that are the best so far
examples/ID                  spectrogram, scores and truth of tracks        such epochs, once in `LOOK_EVERY`
mistakes/RANK                tracks with the most confident errors, heard   the same
                             and described
recipe                       what the run was given                         at the begin
===========================  =============================================  ============================================

Everything stands at the number of steps that were done: an epoch at that of its last one.

Reading what is recorded changes nothing of the run: no random number is drawn, nothing learns, modes stay.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from earmark.config import to_toml
from earmark.metrics import pr_auc_per_tag
from earmark.predictions import Predictions
from earmark.train.drawing import Example, Pixels, as_png, draw, plain
from earmark.train.event_file import EventFile, need_tensorboard
from earmark.train.examples import Mistake, find_examples, find_mistakes
from earmark.train.feeding import n_batches
from earmark.train.run import Epoch, Run

FOLDER = "tensorboard"
FETCH_EVERY = 20  # steps after which losses and norms are fetched from the device: that means waiting for it
N_CURVES, N_THRESHOLDS = 50, 101  # tags with a curve; TensorBoard takes at most 127 thresholds
LOOK_EVERY = 5  # epochs
CHART = "training (what is minimised) and validation (log loss)"
LAYOUT = {"loss": {CHART: ["Multiline", ["loss/train", "loss/validation"]]}}


class Recorder(Protocol):
    """Who is told how a run goes."""

    def step(self, run: Run, loss: Tensor, norm: Tensor | None) -> None:
        """Learn of a step: gradients are there, the weights are still the old ones."""
        ...

    def epoch(self, run: Run, epoch: Epoch, predictions: Predictions) -> None:
        """Learn of an epoch, with the weights that were judged."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def open_recorder(folder: Path) -> Recorder:
    """Open the records of a run.

    Parameters
    ----------
    folder : of the run; they lie in `tensorboard` there

    Raises
    ------
    MissingExtraError
        If TensorBoard is not installed.

    Warns
    -----
    EarmarkWarning
        Later, once, if they cannot be written. The run goes on without them.
    """
    need_tensorboard()
    return TensorBoardRecorder(folder / FOLDER)


@dataclass(frozen=True)
class _Step:
    """What is still on the device."""

    number: int
    when: float
    rate: float
    loss: Tensor
    norms: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Look:
    """What there is to see and to hear of an epoch."""

    number: int
    when: float
    sample_rate: int
    examples: Sequence[Example]
    mistakes: Sequence[Mistake]


class TensorBoardRecorder:
    """Write records for TensorBoard.

    Parameters
    ----------
    folder : where they lie; a file is begun with the first record
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: EventFile | None = None
        self._steps: list[_Step] = []
        self._look: _Look | None = None

    def step(self, run: Run, loss: Tensor, norm: Tensor | None) -> None:
        """Record loss and learning rate of a step, and at some steps the norms of the gradient.

        Parameters
        ----------
        run : before the step
        loss : of the step
        norm : of the gradient before it was clipped; None if it was not
        """
        if not self._opened(run, run.step + 1).is_open:
            return
        norms = gradient_norms(run, norm) if run.step % norms_every(run) == 0 else {}
        rate = float(run.optimizer.param_groups[0]["lr"])
        self._steps.append(_Step(run.step + 1, time.time(), rate, loss.detach(), norms))
        if len(self._steps) >= FETCH_EVERY:
            self._write_steps()

    def epoch(self, run: Run, epoch: Epoch, predictions: Predictions) -> None:
        """Record an epoch.

        Parameters
        ----------
        run : with the weights that were judged; its history ends with the epoch
        epoch : what came of it
        predictions : of the validation part
        """
        if not self._opened(run, run.step + 1).is_open:
            return
        self._write_steps()
        values = {"loss/train": epoch.train_loss}
        for name, value in epoch.scores.items():
            values["loss/validation" if name == "loss" else f"validation/{name}"] = value
        for tag, value in zip(predictions.tags, pr_auc_per_tag(predictions.targets, predictions.scores), strict=True):
            if math.isfinite(value):
                values[f"average_precision/{plain(tag)}"] = float(value)
        for name, value in values.items():
            self._scalar(name, value, run.step)
        if epoch.is_best:
            self._write_curves(predictions, run.step)
            self._look = _Look(
                run.step, time.time(), run.model.sample_rate,
                find_examples(run, predictions), find_mistakes(run, predictions),
            )  # fmt: skip
        if is_due(run.history):
            self._write_look()
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Write what is left, also pictures and sounds of the best epoch."""
        self._write_steps()
        self._write_look()
        if self._file is not None:
            self._file.close()

    def _opened(self, run: Run, first_step: int) -> EventFile:
        if self._file is None:
            from torch.utils.tensorboard import summary

            self._file = EventFile(self.folder, first_step=first_step)
            if run.step == 0:
                self._file.add(summary.custom_scalars(LAYOUT), 0)
                self._file.add(summary.text("recipe", _verbatim(to_toml(run.config))), 0)
        return self._file

    def _add(self, summary: Any, step: int, when: float | None = None) -> None:
        if self._file is not None:
            self._file.add(summary, step, when=when)

    def _scalar(self, name: str, value: float, step: int, when: float | None = None) -> None:
        from torch.utils.tensorboard import summary

        self._add(summary.scalar(name, value), step, when)

    def _write_steps(self) -> None:
        waiting, self._steps = self._steps, []
        if not waiting:
            return
        flat = [step.loss for step in waiting] + [norm for step in waiting for norm in step.norms.values()]
        values = iter(torch.stack([value.float() for value in flat]).tolist())
        for step in waiting:
            self._scalar("loss/step", next(values), step.number, step.when)
            self._scalar("learning_rate", step.rate, step.number, step.when)
        for step in waiting:
            for name in step.norms:
                self._scalar(f"gradient_norm/{name}", next(values), step.number, step.when)

    def _write_curves(self, predictions: Predictions, step: int) -> None:
        from torch.utils.tensorboard import summary

        counts = predictions.targets.sum(axis=0)
        scores = np.clip(predictions.scores, 0, 1)  # a mean of ones may be a little more than one
        for k in np.argsort(-counts, kind="stable")[:N_CURVES].tolist():
            if counts[k]:
                name = f"pr_curve/{plain(predictions.tags[k])}"
                self._add(summary.pr_curve(name, predictions.targets[:, k], scores[:, k], N_THRESHOLDS), step)

    def _write_look(self) -> None:
        from torch.utils.tensorboard import summary

        look, self._look = self._look, None
        if look is None or self._file is None or not self._file.is_open:
            return
        for example in look.examples:
            self._add(_image(f"examples/{plain(example.id)}", draw(example)), look.number, look.when)
        for rank, mistake in enumerate(look.mistakes, start=1):
            sound = torch.from_numpy(np.clip(mistake.waveform, -1, 1))
            self._add(summary.audio(f"mistakes/{rank}", sound, look.sample_rate), look.number, look.when)
            self._add(summary.text(f"mistakes/{rank}", _verbatim(mistake.text)), look.number, look.when)


def norms_every(run: Run) -> int:
    """Return the steps from one record of gradient norms to the next: `FETCH_EVERY`, or four times in a short epoch."""
    return max(min(FETCH_EVERY, n_batches(len(run.data.split["train"]), run.options) // 4), 1)


def gradient_norms(run: Run, norm: Tensor | None) -> dict[str, Tensor]:
    """Return the norms of the gradient and its parts, as they were before the gradient was clipped.

    Parameters
    ----------
    run : after the backward pass
    norm : of the whole gradient before it was clipped; None if it was not

    Returns
    -------
    "all" and the names of parts, see `part_of`, to norms
    """
    parts: dict[str, list[Tensor]] = {}
    for name, parameter in run.model.named_parameters():
        if parameter.grad is not None:
            parts.setdefault(part_of(name), []).append(parameter.grad)
    found = {part: torch.nn.utils.get_total_norm(gradients) for part, gradients in parts.items()}
    total = torch.stack(list(found.values())).norm()
    if norm is not None:
        scale = norm / total.clamp(min=torch.finfo(total.dtype).tiny)
    else:
        scaler = getattr(run.fabric.strategy.precision, "scaler", None)  # of float16: gradients are still multiplied
        scale = torch.as_tensor(1.0 if scaler is None else 1 / scaler.get_scale())
    return {"all": total * scale} | {part: value * scale for part, value in found.items()}


def part_of(name: str) -> str:
    """Return the part of a network that a parameter belongs to: a submodule, or one of a list of them.

    Parameters
    ----------
    name : of the parameter; of a network behind windows, the submodules count

    Examples
    --------
    >>> part_of("blocks.0.conv.weight"), part_of("inner.head.bias")
    ('blocks.0', 'head')
    """
    pieces = name.split(".")
    while len(pieces) > 2 and pieces[0] == "inner":
        pieces = pieces[1:]
    is_of_list = len(pieces) > 2 and pieces[1].isdigit()
    return ".".join(pieces[: 2 if is_of_list else 1])


def is_due(history: Sequence[Epoch]) -> bool:
    """Say whether the last epoch of a history is one to look at: the best so far, `LOOK_EVERY` after the one before."""
    last = -LOOK_EVERY
    for epoch in history:
        if epoch.is_best and epoch.number - last >= LOOK_EVERY:
            last = epoch.number
    return bool(history) and last == history[-1].number


def _image(name: str, pixels: Pixels) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    height, width, _ = pixels.shape
    picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=as_png(pixels))
    return Summary(value=[Summary.Value(tag=name, image=picture)])


def _verbatim(text: str) -> str:
    """Return a text as Markdown shows it as it is."""
    return "\n".join(f"    {line}" for line in text.splitlines())
