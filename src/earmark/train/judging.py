"""Scores of a part by the network as it is, and what they are worth."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark import metrics
from earmark.errors import InputError, UsageError
from earmark.parallel import map_ordered
from earmark.predictions import Predictions, of_part
from earmark.train.run import Run

Floats = NDArray[np.float32]
AT_ONCE = {"cpu": 1_000_000}  # samples of a batch; on other devices:
AT_ONCE_ELSEWHERE = 8_000_000


def judge(run: Run, predictions: Predictions) -> dict[str, float]:
    """Return the metrics of a part: pr_auc, roc_auc, loss, and accuracy where tracks have one tag.

    The loss is the cross-entropy of the track's scores: over classes where the network tells one of many, else the
    mean over tags.

    Parameters
    ----------
    run : says whether tracks have one tag
    predictions : of the part
    """
    targets, scores = predictions.targets, predictions.scores
    measures: dict[str, Callable[[Any, Any], float]] = {"pr_auc": metrics.pr_auc, "roc_auc": metrics.roc_auc}
    if run.data.is_single_label:
        measures["accuracy"] = metrics.accuracy
    found = {}
    for name, measure in measures.items():
        with suppress(InputError):  # of a few tracks, all with the same tags: then there is nothing to rank
            found[name] = float(measure(targets, scores))
    loss = metrics.cross_entropy if run.is_single_label else metrics.log_loss
    return found | {"loss": float(loss(targets, scores))}


def worth(run: Run, scores: dict[str, float]) -> float:
    """Return what a run is chosen by; higher is better.

    Raises
    ------
    UsageError
        If the validation part cannot tell it.
    """
    monitor = run.options.monitor
    if monitor not in scores:
        hint = f"it has {', '.join(scores)}; a larger validation part, or another split, has more"
        raise UsageError(f"run.monitor is {monitor!r}, which this validation part cannot tell", hint=hint)
    return -scores["loss"] if monitor == "loss" else scores[monitor]


def check_monitor(run: Run) -> None:
    """Raise `UsageError` if the validation part cannot tell what is to choose the best weights."""
    n, k = len(run.data.split["validation"]), len(run.data.tags)
    constant = np.full((n, k), 1 / k, np.float32)
    worth(run, judge(run, of_part(run.data.dataset, run.data.split, "validation", constant, model="", protocol="")))


def predict(run: Run, part: str, *, name: str) -> Predictions:
    """Return scores of a part: of each track the mean over evenly spaced chunks, the last at its end.

    With several devices, all judge with the statistics of batch norms that the first has: those are written.

    Parameters
    ----------
    run : whose network is asked, every device its share
    part : of the split
    name : of the run
    """
    scores = np.zeros((len(run.data.split[part]), len(run.data.tags)), np.float32)
    run.model.eval()
    if run.fabric.world_size > 1:
        for buffer in run.model.buffers():
            torch.distributed.broadcast(buffer, src=0)
    with torch.no_grad(), run.fabric.autocast():
        for index, mean in _means(run, part):
            scores[index] = mean
    if run.fabric.world_size > 1:
        total = run.fabric.all_reduce(run.fabric.to_device(torch.from_numpy(scores)), reduce_op="sum")
        assert isinstance(total, torch.Tensor)
        scores = total.cpu().numpy()
    protocol = f"mean over up to {run.options.n_chunks} evenly spaced chunks of {run.model.chunk_samples} samples"
    return of_part(run.data.dataset, run.data.split, part, scores, model=name, protocol=protocol)


def _means(run: Run, part: str) -> Iterator[tuple[int, Floats]]:
    """Yield index and mean scores of this device's tracks."""
    device = run.fabric.device.type
    room = max(AT_ONCE.get(device, AT_ONCE_ELSEWHERE) // run.model.chunk_samples, 1)
    own = list(enumerate(run.data.split[part]))[run.fabric.global_rank :: run.fabric.world_size]

    def read(one: tuple[int, str]) -> tuple[int, Floats]:
        return one[0], run.data.chunks(one[1], run.model.chunk_samples, run.options.n_chunks)

    waiting: list[tuple[int, Floats]] = []
    for index, chunks in map_ordered(read, own, jobs=run.options.readers):
        waiting.append((index, chunks))
        if sum(len(one) for _, one in waiting) >= room:
            yield from _scored(run, waiting)
            waiting = []
    if waiting:
        yield from _scored(run, waiting)


def _scored(run: Run, tracks: list[tuple[int, Floats]]) -> Iterator[tuple[int, Floats]]:
    together = np.concatenate([chunks for _, chunks in tracks])
    logits = run.model(run.fabric.to_device(torch.from_numpy(together))).float()
    scores = (torch.softmax(logits, dim=1) if run.is_single_label else torch.sigmoid(logits)).cpu().numpy()
    edges = np.cumsum([len(chunks) for _, chunks in tracks])[:-1]
    for (index, _), own in zip(tracks, np.split(scores, edges), strict=True):
        yield index, own.mean(axis=0)
