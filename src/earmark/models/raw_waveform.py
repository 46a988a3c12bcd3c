"""Networks on the raw waveform, two of them on mel bands, built from the tables in `earmark.models.raw_plans`."""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from earmark.audio.frontends import LogMel, Raw
from earmark.errors import InputError, UsageError
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.raw_layers import ConvUnit, MapPooling, Pooling, make_pool
from earmark.models.raw_plans import FRAME_HOP, FRAME_SAMPLES, PLANS, Branch, Layer, Plan, dieleman_plan


class RawNet(TaggingModel):
    """A network from the waveform to tags, layer by layer as its plan says.

    Parameters
    ----------
    plan : its layers
    n_tags : number of tags
    chunk_samples : length of the input at 16 kHz, samples; that of the plan unless given
    pooling : "max" as published, or "stochastic" in its place; where means are pooled, they stay

    Raises
    ------
    UsageError
        If nothing would be left of so short an input.
    """

    def __init__(
        self, plan: Plan, *, n_tags: int = 50, chunk_samples: int | None = None, pooling: MapPooling = "max"
    ) -> None:
        super().__init__()
        self.plan = plan
        self.frontend = _frontend(plan.n_bands)
        self.sample_rate = 16000
        self.chunk_samples = plan.chunk_samples if chunk_samples is None else chunk_samples
        n_steps = plan.length(self.chunk_samples)
        if n_steps < 1:
            raise UsageError(
                f"of chunk_samples={self.chunk_samples} nothing is left behind the {len(plan.layers)} layers",
                hint=f"take more samples; {plan.chunk_samples} are usual",
            )
        self.layers = nn.ModuleList()
        n_channels = 1
        for layer in plan.layers:
            self.layers.append(_BranchedLayer(layer, n_channels, plan, pooling))
            n_channels = layer.n_out(n_channels)
        n_flat = n_channels * n_steps * max(plan.n_bands, 1)
        sizes = [n_flat if plan.is_flat else n_channels, *plan.dense]
        self.dense = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(sizes))
        self.activation = nn.ReLU() if plan.activation == "relu" else nn.ELU()
        self.dropout = nn.Dropout(plan.dropout)
        self.head = nn.Linear(sizes[-1], n_tags)
        layers = [f"layer{i}" for i in range(1, len(plan.layers) + 1)]
        dense = [f"dense{i}" for i in range(1, len(plan.dense) + 1)]
        self.layer_names = (*layers, "flat" if plan.is_flat else "pooled", *dense, "logits")
        self.n_tags, self.n_features, self.embedding_layer = n_tags, sizes[-1], self.layer_names[-2]

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield layer1 ... (B, C, T) or (B, C, F, T), flat or pooled, dense1 ... (B, D), logits (B, K)."""
        n_bands = spectrogram.shape[1]
        bands = spectrogram.reshape(-1, 1, spectrogram.shape[2])  # (B * F, 1, T): each band alone
        value = spectrogram
        for i, layer in enumerate(self.layers, start=1):
            bands = layer(bands)
            value = bands if n_bands == 1 else bands.reshape(-1, n_bands, *bands.shape[1:]).transpose(1, 2)
            yield f"layer{i}", value
        x = value.flatten(1) if self.plan.is_flat else value.mean(dim=-1)
        yield ("flat" if self.plan.is_flat else "pooled"), x
        for i, dense in enumerate(self.dense, start=1):
            x = dense(x if i == 1 else self.dropout(x))
            if i < len(self.dense) or not self.plan.last_is_linear:
                x = self.activation(x)
            yield f"dense{i}", x
        yield "logits", self.head(self.dropout(x))

    def represent(self, waveform: Tensor, *, has_context: bool = False) -> Tensor:
        """Run the front end, (B, S) -> (B, F, T).

        Parameters
        ----------
        waveform : shape (B, S); S is `chunk_samples`, or, if the map is averaged, whatever leaves a step of it
        has_context : without effect

        Raises
        ------
        InputError
            If the waveform is too short or has another length.
        """
        if waveform.ndim == 2 and self.plan.is_flat and waveform.shape[1] != self.chunk_samples:
            raise InputError(f"a waveform of {waveform.shape[1]} samples: this network takes {self.chunk_samples}")
        if waveform.ndim == 2 and self.plan.length(waveform.shape[1]) < 1:
            raise InputError(f"a waveform of {waveform.shape[1]} samples is too short for this network")
        return super().represent(waveform, has_context=has_context)


def _frontend(n_bands: int) -> nn.Module:
    if not n_bands:
        return Raw(sample_rate=16000)
    return LogMel(
        sample_rate=16000,
        n_fft=FRAME_SAMPLES,
        win_length=400,
        hop_length=FRAME_HOP,
        n_mels=n_bands,
        mel_scale="htk",
        mel_norm=None,
        center=False,
        scaling="log",
    )


class _BranchedLayer(nn.Module):
    """Branches side by side, concatenated or added."""

    def __init__(self, layer: Layer, n_in: int, plan: Plan, pooling: MapPooling) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _branch(branch, n_in, pool=layer.pool, plan=plan, pooling=pooling) for branch in layer.branches
        )
        self.join = layer.join

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, T) -> (B, n_out, T')."""
        parts = [branch(x) for branch in self.branches]
        y: Tensor = torch.cat(parts, dim=1) if self.join == "concat" else torch.stack(parts).sum(dim=0)
        return y


def _branch(branch: Branch, n_in: int, *, pool: int, plan: Plan, pooling: MapPooling) -> nn.Sequential:
    units: list[nn.Module] = []
    for conv in branch.convs:
        unit = ConvUnit(
            n_in,
            conv.n_out,
            width=conv.width,
            stride=conv.stride,
            dilation=conv.dilation,
            padding="same" if plan.is_same else "valid",
            activation=plan.activation,
            has_norm=plan.has_norm,
        )
        units.append(unit)
        n_in = conv.n_out
    kind: Pooling = pooling if branch.pool == "max" else "average"
    return nn.Sequential(*units, make_pool(kind, pool))


def _factory(name: str, plan: Plan) -> Callable[..., RawNet]:
    def make(*, n_tags: int = 50, chunk_samples: int = plan.chunk_samples, pooling: MapPooling = "max") -> RawNet:
        return RawNet(plan, n_tags=n_tags, chunk_samples=chunk_samples, pooling=pooling)

    make.__name__ = name
    make.__doc__ = f"Build {name} of `earmark.models.raw_plans`; the options are those of `RawNet`."
    return make


for _name, _plan in PLANS.items():
    ARCHITECTURES.register(_name)(_factory(_name, _plan))


@ARCHITECTURES.register("dieleman_raw")
def dieleman_raw(
    *,
    n_tags: int = 50,
    length: int = 256,
    stride: int = 256,
    chunk_samples: int = 48_000,
    pooling: MapPooling = "max",
) -> RawNet:
    """Build the network of Dieleman and Schrauwen 2014 on the waveform.

    Parameters
    ----------
    n_tags : number of tags
    length : of the first filters, samples; 256, 512 and 1024 published
    stride : of the first filters, samples; `length`, or half of it, published
    chunk_samples : length of the input at 16 kHz, samples
    pooling : "max" as published, or "stochastic"
    """
    return RawNet(dieleman_plan(length, stride), n_tags=n_tags, chunk_samples=chunk_samples, pooling=pooling)
