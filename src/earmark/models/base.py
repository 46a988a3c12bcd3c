"""What every tagging model is: a waveform goes in, logits, an embedding and named intermediates come out."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import InputError, UnknownNameError
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
    """

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
        """Run the front end, (B, S) -> (B, F, T).

        Parameters
        ----------
        waveform : shape (B, S); with `has_context`, S counts `context` on both sides
        has_context : whether the context stands in `waveform`; if not, both ends are reflected
        """
        if waveform.ndim != 2:
            raise InputError(f"a waveform of shape (batch, samples) was expected, not {tuple(waveform.shape)}")
        if not has_context and any(self.context):
            waveform = F.pad(waveform, self.context, mode="reflect")
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
        found = {name: _four_axes(value) for name, value in self.stages(self.represent(waveform)) if name in wanted}
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


def _four_axes(value: Tensor) -> Tensor:
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
    from earmark.models import crnn, fcn, musicnn  # noqa: F401  (importing registers them)

    return ARCHITECTURES.build(architecture, **options)


def reset_seed(seed: int) -> None:
    """Seed every generator that initialises weights."""
    torch.manual_seed(seed)
