"""What looking into a network starts from: a model ready to be asked, names of layers and tags, a song's samples."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.io import read
from earmark.audio.sources import Source, source_name
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.models.base import TaggingModel, load
from earmark.models.card import ModelCard
from earmark.models.paths import ModelName, is_graph, is_path
from earmark.tagger import SILENCE

Samples = NDArray[np.float32]
Model = TaggingModel | ModelCard | ModelName
Song = Source | NDArray[np.floating[Any]]


def open_model(model: Model) -> TaggingModel:
    """Return a model that can be asked for its layers and gradients.

    Parameters
    ----------
    model : a network; or the card, the name or the path of a published, imported or trained one

    Raises
    ------
    UnknownNameError, AssetError
        If there is no such model, or its weights cannot be had.
    UsageError
        If it is an exported ONNX file, which has neither layers nor gradients.
    """
    if isinstance(model, TaggingModel):
        return model
    name = model.name if isinstance(model, ModelCard) else model
    if is_path(name) and is_graph(name):
        raise UsageError(
            f"{name}: an exported ONNX graph has neither layers nor gradients to explain it with",
            hint="name what it was exported from: a published model, a .safetensors file or the folder of a run",
        )
    return load(name)


def name_of(model: TaggingModel) -> str:
    """Return the name on a model's card, or that of its class."""
    return model.card.name if model.card is not None else type(model).__name__


@contextmanager
def at_rest(model: TaggingModel) -> Iterator[TaggingModel]:
    """Hold a model in eval mode, so that neither dropout nor batch statistics have a say."""
    was_training = model.training
    model.eval()
    try:
        yield model
    finally:
        model.train(was_training)


def check_layers(model: TaggingModel, layers: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the layers that are asked for, in the order of the network; all of them for None.

    Raises
    ------
    UnknownNameError
        If the model has no such layer.
    UsageError
        If there are none.
    """
    if layers is None:
        return model.layer_names
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    for name in names:
        if name not in model.layer_names:
            raise UnknownNameError("layer", name, model.layer_names)
    if not names:
        raise UsageError("no layers", hint=f"name some: {', '.join(model.layer_names)}")
    return tuple(name for name in model.layer_names if name in names)


def tag_names(model: TaggingModel) -> tuple[str, ...]:
    """Return the tags of a model by name; "tag 0", "tag 1", ... for outputs that no card names."""
    return tuple(f"tag {i}" for i in range(model.n_tags)) if model.card is None else model.card.tags


def tag_index(model: TaggingModel, tag: str | int) -> int:
    """Return the position of a tag among the outputs.

    Parameters
    ----------
    tag : its name on the card; or the position itself, which networks without a card need

    Raises
    ------
    UnknownNameError
        If the model has no such tag.
    UsageError
        If the position is out of range, or the model has no card that names tags.
    """
    if isinstance(tag, int):
        if not 0 <= tag < model.n_tags:
            raise UsageError(f"tag {tag} of {model.n_tags}", hint=f"0 to {model.n_tags - 1}, or a name")
        return tag
    if model.card is None:
        raise UsageError(f"the tag {tag!r} of a model without a card", hint="give its position among the outputs")
    if tag not in model.card.tags:
        raise UnknownNameError("tag", tag, model.card.tags)
    return model.card.tags.index(tag)


def read_song(
    song: Song, *, to_rate: int, sample_rate: int | None = None, offset: float = 0.0, duration: float | None = None
) -> Samples:
    """Return a song's samples at a model's rate.

    Parameters
    ----------
    song : a path, bytes, a file; or samples, shape (n,) or (n_channels, n)
    to_rate : Hz, that of the model
    sample_rate : Hz, of samples that are given; `to_rate` unless given
    offset, duration : the part to take, seconds

    Returns
    -------
    shape (n,), mono

    Raises
    ------
    InputError
        If it cannot be read, is silent, or holds what is not a number.
    UsageError
        If `sample_rate` comes with a file, which has its own.
    """
    if isinstance(song, np.ndarray):
        name = "the waveform"
        waveform = _taken(song, to_rate if sample_rate is None else sample_rate, to_rate, offset, duration)
    else:
        if sample_rate is not None:
            raise UsageError(f"sample_rate={sample_rate} with a file, which has its own", hint="leave it out")
        name = source_name(song)
        waveform, _ = read(song, sample_rate=to_rate, offset=offset, duration=duration)
    level = silent_level(waveform)
    if level is not None:
        seconds = waveform.size / to_rate
        raise InputError(
            f"{name}: silent: the highest peak in {seconds:.1f} s is {level}",
            hint="there is nothing to explain; choose a part with sound, or check the file",
        )
    return waveform


def silent_level(samples: Samples) -> str | None:
    """Return the level of the highest peak in words if there is nothing to hear, else None.

    Examples
    --------
    >>> silent_level(np.zeros(3, np.float32)), silent_level(np.ones(3, np.float32))
    ('-inf dB', None)
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak >= SILENCE:
        return None
    return f"{20 * np.log10(peak):.0f} dB" if peak else "-inf dB"


def _taken(
    song: NDArray[np.floating[Any]], sample_rate: int, to_rate: int, offset: float, duration: float | None
) -> Samples:
    import soxr

    if song.ndim not in (1, 2) or not song.size:
        raise InputError(f"a waveform of shape {song.shape}", hint="samples of shape (n,) or (n_channels, n)")
    if sample_rate < 1 or offset < 0 or (duration is not None and duration <= 0):
        raise UsageError(f"sample_rate={sample_rate}, offset={offset}, duration={duration}")
    if not np.isfinite(song).all():
        raise InputError("the waveform holds NaN or infinity", hint="clean it: numpy.nan_to_num")
    mono = np.asarray(song.mean(axis=0) if song.ndim == 2 else song, np.float32)
    start = round(offset * sample_rate)
    mono = mono[start : None if duration is None else start + max(round(duration * sample_rate), 1)]
    if not mono.size:
        raise InputError(f"the waveform ends before {offset} s", hint="lower the offset")
    resampled = mono if sample_rate == to_rate else soxr.resample(mono, sample_rate, to_rate)
    return np.ascontiguousarray(resampled, np.float32)


def log_odds(model: TaggingModel, logits: Tensor, position: int) -> Tensor:
    """Return the log odds of one tag, (B, K) -> (B,): its logit; under a softmax, that tag against all others.

    Parameters
    ----------
    model : whose card tells which of both
    logits : shape (B, K)
    position : of the tag
    """
    own = logits[:, position]
    if model.card is None or model.card.activation != "softmax" or logits.shape[1] < 2:
        return own
    others = torch.cat([logits[:, :position], logits[:, position + 1 :]], dim=1)
    return own - torch.logsumexp(others, dim=1)


def stages_until(model: TaggingModel, waveform: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Run a model as far as the deepest of some layers, and return these.

    Parameters
    ----------
    waveform : shape (B, S) with the model's context, S as the layers take it

    Returns
    -------
    by the names of the layers, as `TaggingModel.stages` yields them
    """
    found: dict[str, Tensor] = {}
    for name, value in model.stages(model.represent(waveform, has_context=True)):
        if name in layers:
            found[name] = value
        if len(found) == len(layers):
            break
    return found
