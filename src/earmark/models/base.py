"""What every tagging model is: a waveform goes in, logits, an embedding and named intermediates come out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import AssetError, InputError, UnknownNameError, UsageError
from earmark.models.card import ModelCard
from earmark.models.paths import ModelName
from earmark.models.weights import load_weights, write_weights
from earmark.registry import Registry

ARCHITECTURES: Registry["TaggingModel"] = Registry("architecture")


class TaggingModel(nn.Module):
    """A network from waveform to tags. A subclass sets the attributes and writes `stages`.

    Attributes
    ----------
    frontend : waveform (B, S) -> time-frequency (B, F, T)
    sample_rate : Hz
    chunk_samples : length of the chunk that the model was trained on, samples
    context : samples of true signal that the front end needs before and after a chunk; (0, 0) if it pads by itself
    n_tags : number of tags K
    n_features : size D of the embedding
    embedding_layer : name of the stage that is the embedding
    layer_names : names of all stages, in order; the last one is "logits"
    card : what the weights are; None while they are untrained
    is_fast : in eval mode, compute by a formulation with less arithmetic where the architecture has one; exported
        graphs do, the outputs differ by rounding only
    """

    card: ModelCard | None = None
    is_fast: bool = False
    frontend: nn.Module
    sample_rate: int
    chunk_samples: int
    context: tuple[int, int] = (0, 0)
    n_tags: int
    n_features: int
    embedding_layer: str
    layer_names: tuple[str, ...]

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield every named stage in order, from the front end's output to the logits.

        Parameters
        ----------
        spectrogram : shape (B, F, T)
        """
        raise NotImplementedError

    def represent(self, waveform: Tensor, *, has_context: bool = False) -> Tensor:
        """Run the front end, (B, S) -> (B, F, T), in float32 also where the caller computes in half precision.

        Parameters
        ----------
        waveform : shape (B, S); with `has_context`, S counts `context` on both sides
        has_context : whether the context stands in `waveform`; if not, both ends are reflected
        """
        if waveform.ndim != 2:
            raise InputError(f"a waveform of shape (batch, samples) was expected, not {tuple(waveform.shape)}")
        if not has_context and any(self.context):
            waveform = F.pad(waveform, self.context, mode="reflect")
        kind = waveform.device.type
        if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):  # half precision is for networks: sums of squares need more
                features = self.frontend(waveform.float())
        else:
            features = self.frontend(waveform)
        assert isinstance(features, Tensor)
        return features

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the logits, (B, S) -> (B, K)."""
        return self._stage(waveform, "logits")

    def embed(self, waveform: Tensor) -> Tensor:
        """Return the embedding, (B, S) -> (B, D)."""
        return self._stage(waveform, self.embedding_layer)

    def intermediates(self, waveform: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return the named stages, each as (B, C, F, T); an axis that a stage lacks has length one.

        Parameters
        ----------
        waveform : shape (B, S)
        names : names out of `layer_names`; all unless given

        Raises
        ------
        UnknownNameError
            If a name is not in `layer_names`.
        """
        wanted = self.layer_names if names is None else tuple(names)
        for name in wanted:
            if name not in self.layer_names:
                raise UnknownNameError("layer", name, self.layer_names)
        found = {name: four_axes(value) for name, value in self.stages(self.represent(waveform)) if name in wanted}
        return {name: found[name] for name in wanted}

    def _stage(self, waveform: Tensor, wanted: str) -> Tensor:
        for name, value in self.stages(self.represent(waveform)):
            if name == wanted:
                return value
        raise UnknownNameError("layer", wanted, self.layer_names)

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers; batch-norm statistics are not counted."""
        return sum(p.numel() for p in self.parameters())


class Networks(nn.Module):
    """Several networks on one front end, as they are deployed: waveform with context in, scores and embeddings out.

    Parameters
    ----------
    models : networks with equal front ends; the front end of the first is used
    """

    def __init__(self, models: Sequence[TaggingModel]) -> None:
        super().__init__()
        self.frontend = models[0].frontend
        self.models = nn.ModuleList(models)
        self.window = models[0].chunk_samples + sum(models[0].context)

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """(B, window) -> scores (B, K) and embedding (B, D) of each network in turn."""
        outputs: list[Tensor] = []
        first = self.models[0]
        assert isinstance(first, TaggingModel)
        spectrogram = first.represent(waveform, has_context=True)
        for model in self.models:
            assert isinstance(model, TaggingModel)
            stages = dict(model.stages(spectrogram))
            outputs += [activated(stages["logits"], model.card), stages[model.embedding_layer]]
        return tuple(outputs)


def activated(logits: Tensor, card: ModelCard | None) -> Tensor:
    """Make logits into scores as the card says: softmax over the classes, or sigmoid, also without a card.

    Parameters
    ----------
    logits : shape (B, K)
    card : of the model
    """
    is_one_of_many = card is not None and card.activation == "softmax"
    return torch.softmax(logits, dim=1) if is_one_of_many else torch.sigmoid(logits)


def four_axes(value: Tensor) -> Tensor:
    """Bring a stage to (B, C, F, T): (B, C) and (B, C, T) get axes of length one."""
    if value.ndim == 2:
        return value[:, :, None, None]
    if value.ndim == 3:
        return value[:, :, None, :]
    return value


def build(architecture: str, /, **options: object) -> TaggingModel:
    """Build a model by the name of its architecture.

    Parameters
    ----------
    architecture : a name out of `ARCHITECTURES`
    options : keyword options of that architecture

    Raises
    ------
    UnknownNameError, UsageError
        If the name, or an option, is not known.

    Examples
    --------
    >>> build("fcn", n_tags=50).n_parameters
    447732
    """
    from earmark.models import (  # noqa: F401  (importing registers them)
        attention,
        choi,
        content,
        crnn,
        fcn,
        harmonic,
        mlp,
        musicnn,
        raw_crnn,
        raw_waveform,
        sample_cnn,
        short_chunk,
        windowing,
    )

    return ARCHITECTURES.build(architecture, **options)


def load(model: ModelName) -> TaggingModel:
    """Load a model with its weights, in eval mode.

    Parameters
    ----------
    model : name of a published or imported model, fetched on first use; or the path of the folder of a run, or of a
        file that `save` wrote

    Returns
    -------
    the model; its attribute `card` says what it is

    Raises
    ------
    UnknownNameError, AssetError
        If there is no such model, or its weights cannot be had.
    """
    return from_arrays(*load_weights(model))


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], card: ModelCard) -> TaggingModel:
    """Build the model of a card and fill in its weights, in eval mode.

    Parameters
    ----------
    arrays : by the names of the model's parameters and statistics
    card : what they are

    Raises
    ------
    AssetError
        If the arrays do not fit the architecture.
    """
    network = build(card.architecture, **dict(card.options))
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    result = network.load_state_dict(state, strict=False)
    missing = [name for name in result.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise AssetError(
            f"the weights of {card.name!r} do not fit {card.architecture!r}: missing {missing}, "
            f"unexpected {result.unexpected_keys}"
        )
    network.card = card
    return network.eval()


def save(model: TaggingModel, path: Path) -> None:
    """Write a model's weights and its card to a safetensors file, atomically.

    Raises
    ------
    UsageError
        If the model has no card: weights travel with one.
    """
    if model.card is None:
        raise UsageError("this model has no card", hint="set model.card = ModelCard(...) first")
    arrays = {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    write_weights(path, arrays, model.card, is_converted=False)
