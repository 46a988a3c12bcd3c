"""Tracks of the validation part to look at and to listen to: pictures with what was heard, the worst mistakes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.audio.frontends import Cqt, LogMel, PowerMel
from earmark.crops import INT16_SCALE
from earmark.metrics.calibration import logit
from earmark.models.base import TaggingModel
from earmark.predictions import Predictions
from earmark.train.drawing import N_TAGS, Example, Floats, Heard, plain
from earmark.train.run import Run

N_EXAMPLES, N_MISTAKES = 6, 5
HEARD_SECONDS = 6.0
HERTZ = (60, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)  # that may stand beside a picture
SURE = 1e-6  # scores nearer to 0 or 1 count as so far away from it
LEAST = np.log(2)  # an error that multiplies the odds by less than this is none


@dataclass(frozen=True)
class Mistake:
    """A track to listen to.

    Parameters
    ----------
    waveform : shape (S,), from the middle of the track
    text : which track it is, what is true, what was heard; lines
    """

    waveform: Floats
    text: str


def find_examples(run: Run, predictions: Predictions) -> list[Example]:
    """Return tracks spread evenly over the validation part, the same ones every time.

    Parameters
    ----------
    run : whose front end draws; where it gives no picture, but a waveform, a log-mel spectrogram does
    predictions : of the validation part
    """
    model, rate = run.model, run.model.sample_rate
    n = len(predictions)
    chosen = np.unique(np.linspace(0, n - 1, min(n, N_EXAMPLES)).round().astype(int)).tolist()
    found = []
    for index in chosen:
        start, waveform = _middle(run, predictions.ids[index], model.chunk_samples)
        heard = run.fabric.to_device(torch.from_numpy(np.resize(waveform, model.chunk_samples))[None])
        picture, hertz = _picture(model, heard)
        seconds = (start / rate, (start + model.chunk_samples) / rate)
        found.append(Example(predictions.ids[index], picture, hertz, seconds, _heard(predictions, index)))
    return found


def find_mistakes(run: Run, predictions: Predictions) -> list[Mistake]:
    """Return the tracks with the most confident errors, worst first.

    Parameters
    ----------
    run : that has the audio
    predictions : of the validation part

    Notes
    -----
    How confident an error is, is how far the score lies on the wrong side of the share of training tracks with the tag,
    in log odds: a rare tag that is missed with the score that every track gets is none. Where a track has one tag, it
    counts if the highest score is that of another one; else odds that are off by less than a factor of two do not.
    """
    errors = confidence_of_errors(predictions)
    worst = np.argsort(-errors.max(axis=1), kind="stable")[:N_MISTAKES]
    found = []
    for index in worst.tolist():
        column = int(errors[index].argmax())
        if errors[index, column] <= 0:
            break
        n = round(HEARD_SECONDS * run.model.sample_rate)
        start, waveform = _middle(run, predictions.ids[index], n)
        seconds = (start / run.model.sample_rate, (start + len(waveform)) / run.model.sample_rate)
        found.append(Mistake(waveform, _described(predictions, index, column, seconds)))
    return found


def confidence_of_errors(predictions: Predictions) -> NDArray[np.float64]:
    """Return how confident each score is in the wrong direction, shape (n, K); not above 0 where it is no error."""
    shares = predictions.targets.mean(axis=0) if predictions.prevalence is None else predictions.prevalence
    prior, scores = np.clip(shares, 1e-4, 1 - 1e-4), np.clip(predictions.scores.astype(np.float64), SURE, 1 - SURE)
    said = logit(scores) - logit(prior)
    errors = np.where(predictions.targets, -said, said)
    if predictions.task == "single_label":
        is_right = predictions.targets[np.arange(len(scores)), scores.argmax(axis=1)]
        errors[is_right] = 0.0
        return errors
    return np.where(errors < LEAST, 0.0, errors)


def _picture(model: TaggingModel, waveform: Tensor) -> tuple[Floats, tuple[tuple[float, int], ...]]:
    """Return what the network sees of a chunk (1, S), and which frequencies are where."""
    with torch.no_grad(), _as_used(model):
        seen = model.represent(waveform)[0].float()  # (F, T), or (W, F, T)
    picture = torch.cat(list(seen.reshape(-1, *seen.shape[-2:])), dim=1)  # windows one after the other
    if min(picture.shape) > 1:
        return picture.cpu().numpy(), _hertz(model, len(picture))
    mel = LogMel(sample_rate=model.sample_rate, n_fft=1024, n_mels=64, range_db=80.0)
    return mel(waveform.float().cpu())[0].numpy(), _hertz(mel, 64)


@contextmanager
def _as_used(model: nn.Module) -> Iterator[None]:
    """Put a network into eval mode, and every part of it back into its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _hertz(network: nn.Module, n_rows: int) -> tuple[tuple[float, int], ...]:
    """Return rows of a picture, fractions included, and their frequencies; none where rows are no bands."""
    centres = np.empty(0)
    for module in network.modules():
        if isinstance(module, PowerMel):
            centres = module.bank.argmax(dim=1).cpu().numpy() * module.sample_rate / module.n_fft
        elif isinstance(module, Cqt):
            plan = module.plan
            centres = plan.f_min * 2 ** (np.arange(plan.n_bins) / plan.bins_per_octave)
    if len(centres) != n_rows:
        return ()
    rows, found = np.arange(n_rows), list[tuple[float, int]]()
    for hertz in HERTZ:
        row = float(np.interp(hertz, centres, rows))
        if centres[0] <= hertz <= centres[-1] and (not found or row - found[-1][0] > n_rows / 13):
            found.append((row, hertz))
    return tuple(found)


def _middle(run: Run, id: str, n_samples: int) -> tuple[int, Floats]:
    """Return where the middle of a track begins, and its waveform, at most `n_samples` long, at least two."""
    store = run.data.store
    length = store.entry(id).n_frames
    n = min(n_samples, length)
    start = (length - n) // 2
    return start, np.resize(store.crop(id, start, n)[:, 0] * INT16_SCALE, max(n, 2))


def _heard(predictions: Predictions, index: int) -> tuple[Heard, ...]:
    """Return the tags with the highest scores; true ones take the place of the lowest of them."""
    scores, targets = predictions.scores[index], predictions.targets[index]
    order = np.argsort(-scores, kind="stable")
    true = [k for k in order.tolist() if targets[k]][:N_TAGS]
    others = [k for k in order.tolist() if not targets[k]][: N_TAGS - len(true)]
    both = sorted(true + others, key=lambda k: -scores[k])
    return tuple(Heard(predictions.tags[k], float(scores[k]), bool(targets[k])) for k in both)


def _described(predictions: Predictions, index: int, column: int, seconds: tuple[float, float]) -> str:
    heard = _heard(predictions, index)
    truth = "true" if predictions.targets[index, column] else "not true"
    lines = {
        "track": predictions.ids[index],
        "file": predictions.audio[index] if predictions.audio else "",
        "seconds": f"{seconds[0]:.1f} to {seconds[1]:.1f}",
        "mistake": f"{predictions.tags[column]}, {truth}, scored {predictions.scores[index, column]:.3f}",
        "true": ", ".join(f"{one.tag} {one.score:.3f}" for one in heard if one.is_true) or "no tag",
        "heard": ", ".join(f"{one.tag} {one.score:.3f}" for one in heard),
    }
    return "\n".join(f"{name:<8} {plain(text)}" for name, text in lines.items() if text)
