"""Windows around any network: a clip is cut, the network sees each window, and something joins what it says.

Four ways, all but the last after a study of raw waveforms (Cutajar 2017):

=================  =====================================================================================================
pooling            what happens
=================  =====================================================================================================
whole              no windows: the network takes the clip in one piece
stme               separate training, merged evaluation: trained window by window, logits averaged in eval mode
spm_a ... spm_f    super-pooling: a trained combiner sees the outputs of all windows at once, see `SuperPool`
attention          the mean of the windows' embeddings, weighed by a small trained network
=================  =====================================================================================================

References
----------
Cutajar, M. "Automatic music tagging using convolutional neural networks", MSc project, University of Edinburgh, 2017.
Ilse, M., Tomczak, J. and Welling, M. "Attention-based deep multiple instance learning", ICML 2018 (the attention).
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import InputError, UsageError
from earmark.models.base import ARCHITECTURES, TaggingModel, build
from earmark.models.raw_layers import check_choice

WindowPooling = Literal["whole", "stme", "spm_a", "spm_b", "spm_c", "spm_d", "spm_e", "spm_f", "attention"]
WindowActivation = Literal["identity", "sigmoid", "elu"]

# Variant of super-pooling -> filters of its convolution (0: none), units of its dense layers.
_SUPER_POOLS: dict[str, tuple[int, tuple[int, ...]]] = {
    "spm_a": (0, (600, 600)),
    "spm_b": (0, (600, 600)),
    "spm_c": (32, (1500,)),
    "spm_d": (50, (500,)),
    "spm_e": (50, (2500,)),
    "spm_f": (32, (1500,)),
}
_ACTIVATIONS = {"identity": nn.Identity, "sigmoid": nn.Sigmoid, "elu": nn.ELU}


class SuperPool(nn.Module):
    """Join what a network says of all windows of a clip, (B, W, N) or (B, W, C, T) -> (B, D).

    ==============  ================================================================================================
    variant         layers
    ==============  ================================================================================================
    spm_a, spm_b    dense 600, dense 600; b drops half behind each
    spm_c           convolution of 32 filters over the outputs, windows as channels; dense 1500, drops half
    spm_d           convolution of 50 filters over the windows, outputs as channels; dense 500, drops half
    spm_e, spm_f    the maps of all windows behind one another; convolution of 50 (e) or 32 (f) filters over time;
                    dense 2500 (e) or 1500 (f), drops half
    ==============  ================================================================================================

    Parameters
    ----------
    variant : "spm_a" ... "spm_f"
    n_windows : windows W of a clip
    shape : of what a window gives, (N,) or (C, T)

    Notes
    -----
    Convolutions are three wide, without padding, with batch norm; activations are ELU. In the study dropout and batch
    norm stayed in training mode when it evaluated; here they do not.

    Raises
    ------
    UsageError
        If there is too little for a convolution of width three.
    """

    def __init__(self, variant: str, *, n_windows: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.variant = variant
        n_filters, units = _SUPER_POOLS[variant]
        n_channels, n_steps = _joined_shape(variant, n_windows, shape)
        self.conv: nn.Module = nn.Identity()
        n_in = n_channels * n_steps
        if n_filters:
            if n_steps < 3:
                raise UsageError(f"{variant!r} convolves {n_steps} values with filters of width 3")
            self.conv = nn.Sequential(
                nn.Conv1d(n_channels, n_filters, 3, bias=False), nn.BatchNorm1d(n_filters, eps=1e-3), nn.ELU()
            )
            n_in = n_filters * (n_steps - 2)
        layers: list[nn.Module] = []
        for n_out in units:
            layers += [nn.Linear(n_in, n_out), nn.ELU(), nn.Dropout(0.0 if variant == "spm_a" else 0.5)]
            n_in = n_out
        self.dense = nn.Sequential(*layers)
        self.n_features = n_in

    def forward(self, outputs: Tensor) -> Tensor:
        """Join the windows."""
        if self.variant == "spm_d":
            outputs = outputs.transpose(1, 2)  # (B, N, W)
        elif self.variant in ("spm_e", "spm_f"):
            outputs = outputs.transpose(1, 2).flatten(2)  # (B, C, W * T)
        y: Tensor = self.dense(self.conv(outputs).flatten(1))
        return y


def _joined_shape(variant: str, n_windows: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and steps of what the convolution of a variant runs over."""
    if variant in ("spm_e", "spm_f"):
        return shape[0], n_windows * shape[1]
    return (shape[0], n_windows) if variant == "spm_d" else (n_windows, shape[0])


class AttentionPool(nn.Module):
    """Weigh the windows of a clip: softmax over them of dense, tanh, dense.

    Parameters
    ----------
    n_in : size D of what a window gives
    n_units : of the hidden layer
    """

    def __init__(self, n_in: int, *, n_units: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_in, n_units)
        self.score = nn.Linear(n_units, 1, bias=False)

    def forward(self, outputs: Tensor) -> Tensor:
        """(B, W, D) -> weights (B, W), sum 1."""
        return torch.softmax(self.score(torch.tanh(self.hidden(outputs))).squeeze(2), dim=1)


@ARCHITECTURES.register("windowed")
class Windowed(TaggingModel):
    """A network that sees a clip window by window.

    Parameters
    ----------
    inner : architecture of the network; its chunk is the window
    inner_options : keyword options of that architecture
    pooling : how the windows are joined, see the top of this module
    n_windows : windows of a clip
    hop_samples : distance between the starts of two windows, samples; the length of a window unless given
    window_output : "logits" (unless given) or "embedding" of a window, for "spm_a" to "spm_d"; "spm_e" and "spm_f" take
        its last map, "attention" its embedding
    window_activation : "identity" (unless given), "sigmoid" or "elu", applied to what these take
    n_attention_units : of the hidden layer of the attention
    n_tags : number of tags

    Raises
    ------
    UnknownNameError, UsageError
        If a name is not known, the network cannot take a whole clip, or a combiner cannot be built on so little.

    Notes
    -----
    With "stme", training draws one window of each clip in each pass, so that the loss is that of windows with the tags
    of their clip; the study trained on all windows of a clip in one batch. Averages and attention take clips of any
    length, the last window ending where the clip ends; super-pooling takes `n_windows` exactly. The study's variants
    C1 and D1 are `window_output="logits"`; C2, C3 and C4, its best being C3, are "embedding" of ds256b (200 values)
    with the activation identity, sigmoid and ELU. Layers of the network behind what is taken of it are not trained.
    """

    def __init__(
        self,
        *,
        inner: str = "dm16",
        inner_options: Mapping[str, object] | None = None,
        pooling: WindowPooling = "stme",
        n_windows: int = 12,
        hop_samples: int | None = None,
        window_output: Literal["logits", "embedding"] | None = None,
        window_activation: WindowActivation | None = None,
        n_attention_units: int = 128,
        n_tags: int = 50,
    ) -> None:
        super().__init__()
        _check_options(pooling, window_output, window_activation)
        if n_windows < 1 or (hop_samples is not None and hop_samples < 1):
            raise UsageError(f"n_windows={n_windows} and hop_samples={hop_samples} have to be at least 1")
        options = {**(inner_options or {}), "n_tags": n_tags}
        network = build(inner, **options)
        hop = hop_samples or network.chunk_samples
        clip_samples = (n_windows - 1) * hop + network.chunk_samples
        if pooling == "whole":
            network, n_windows = _for_clips(inner, network, options, clip_samples), 1
        self.inner = network
        # Named twice, but part of one module only: the weights of a trained front end are saved once.
        object.__setattr__(self, "frontend", network.frontend)
        self.sample_rate, self.context = network.sample_rate, network.context
        self.chunk_samples, self.n_tags = clip_samples, n_tags
        self.window_samples = clip_samples if pooling == "whole" else network.chunk_samples
        self.hop_samples, self.n_windows, self.pooling = hop, n_windows, pooling
        self.attention: AttentionPool | None = None
        self.super_pool: SuperPool | None = None
        self.taken: tuple[str, ...] = (network.embedding_layer, "logits")
        self.activation = _ACTIVATIONS[window_activation or "identity"]()
        if pooling in ("whole", "stme"):
            self._name_stages("window_embeddings", "window_logits", n_features=network.n_features)
            return
        self._build_combiner(window_output or "logits", n_attention_units)
        self.dropout = nn.Dropout(0.5 if pooling == "attention" else 0.0)
        self.head = nn.Linear(self.n_features, n_tags)

    def _build_combiner(self, window_output: str, n_attention_units: int) -> None:
        maps = self.pooling in ("spm_e", "spm_f")
        with torch.enable_grad():
            probe = _stages_of_silence(self.inner, self.window_samples)
        if maps:
            taken = [name for name, value in probe.items() if value.ndim > 2][-1]
        else:
            is_logits = window_output == "logits" and self.pooling != "attention"
            taken = "logits" if is_logits else self.inner.embedding_layer
        _freeze_behind(self.inner, probe[taken])
        self.taken = (taken,)
        shape = probe[taken].flatten(1, -2).shape[1:] if maps else probe[taken].flatten(1).shape[1:]
        if self.pooling == "attention":
            self.attention = AttentionPool(shape[0], n_units=n_attention_units)
            self._name_stages("window_embeddings", "attention", n_features=shape[0])
        else:
            self.super_pool = SuperPool(self.pooling, n_windows=self.n_windows, shape=tuple(shape))
            self._name_stages("window_outputs", n_features=self.super_pool.n_features)

    def _name_stages(self, *names: str, n_features: int) -> None:
        self.layer_names = (*names, "embedding", "logits")
        self.n_features, self.embedding_layer = n_features, "embedding"

    def represent(self, waveform: Tensor, *, has_context: bool = False) -> Tensor:
        """Cut the clip and run the front end on each window, (B, S) -> (B, W, F, T).

        Parameters
        ----------
        waveform : shape (B, S); with `has_context`, S counts `context` on both sides
        has_context : whether the context stands in `waveform`; if not, both ends are reflected
        """
        if waveform.ndim != 2:
            raise InputError(f"a waveform of shape (batch, samples) was expected, not {tuple(waveform.shape)}")
        if not has_context and any(self.context):
            waveform = F.pad(waveform, self.context, mode="reflect")
        windows = self._cut(waveform)  # (B, W, S')
        n_windows = windows.shape[1]
        features = self.inner.represent(windows.flatten(0, 1), has_context=True)  # (B * W, F, T)
        return features.reshape(-1, n_windows, *features.shape[1:])

    def _cut(self, waveform: Tensor) -> Tensor:
        size = self.window_samples + sum(self.context)
        last = waveform.shape[1] - size
        if last < 0:
            raise InputError(f"a waveform of {waveform.shape[1]} samples is shorter than one window of {size}")
        if self.pooling == "whole":
            return waveform.unsqueeze(1)
        starts = [*range(0, last, self.hop_samples), last]
        if self.super_pool is not None and len(starts) != self.n_windows:
            raise InputError(
                f"a waveform of {waveform.shape[1]} samples has {len(starts)} windows: this network takes "
                f"{self.n_windows}, {self.chunk_samples + sum(self.context)} samples"
            )
        windows = torch.stack([waveform[:, start : start + size] for start in starts], dim=1)
        if self.training and self.pooling == "stme":
            drawn = torch.randint(len(starts), (len(windows),), device=windows.device)
            windows = windows[torch.arange(len(windows), device=windows.device), drawn].unsqueeze(1)
        return windows

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield what the windows give (B, N, W), what joins them, embedding (B, D), logits (B, K).

        Parameters
        ----------
        spectrogram : shape (B, W, F, T)
        """
        n_windows = spectrogram.shape[1]
        self.inner.is_fast = self.is_fast
        found: dict[str, Tensor] = {}
        for name, value in self.inner.stages(spectrogram.flatten(0, 1)):
            if name in self.taken:
                found[name] = value.reshape(-1, n_windows, *value.shape[1:])
            if len(found) == len(self.taken):
                break
        outputs = found[self.taken[0]]
        if self.super_pool is not None:
            yield from self._super_pooled(outputs)
        elif self.attention is not None:
            yield from self._attended(self.attention, outputs.flatten(2))
        else:
            embeddings, logits = outputs.flatten(2), found["logits"]  # (B, W, D), (B, W, K)
            yield "window_embeddings", embeddings.transpose(1, 2)
            yield "window_logits", logits.transpose(1, 2)
            yield "embedding", embeddings.mean(dim=1)
            yield "logits", logits.mean(dim=1)

    def _super_pooled(self, outputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        is_map = self.pooling in ("spm_e", "spm_f")
        outputs = self.activation(outputs.flatten(2, -2) if is_map else outputs.flatten(2))  # (B, W, C, T) or (B, W, N)
        yield "window_outputs", outputs.flatten(2).transpose(1, 2)
        assert self.super_pool is not None
        joined = self.super_pool(outputs)
        yield "embedding", joined
        yield "logits", self.head(self.dropout(joined))

    def _attended(self, attention: AttentionPool, outputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        outputs = self.activation(outputs)
        yield "window_embeddings", outputs.transpose(1, 2)
        weights = attention(outputs)  # (B, W)
        yield "attention", weights.unsqueeze(1)
        joined = (weights.unsqueeze(2) * outputs).sum(dim=1)
        yield "embedding", joined
        yield "logits", self.head(self.dropout(joined))


def _check_options(pooling: str, output: str | None, activation: str | None) -> None:
    """Check the names, and that none of them is without effect."""
    check_choice("pooling of windows", pooling, get_args(WindowPooling))
    if output is not None:
        check_choice("output of a window", output, ("logits", "embedding"))
        if pooling not in ("spm_a", "spm_b", "spm_c", "spm_d"):
            raise UsageError(f"window_output={output!r} has no effect with pooling={pooling!r}", hint="leave it out")
    if activation is not None:
        check_choice("activation", activation, _ACTIVATIONS)
        if pooling in ("whole", "stme"):
            raise UsageError(
                f"window_activation={activation!r} has no effect with pooling={pooling!r}", hint="leave it out"
            )


def _for_clips(name: str, network: TaggingModel, options: Mapping[str, object], clip_samples: int) -> TaggingModel:
    """Build the network for clips of that length, if its length is an option; try whether it takes them if not."""
    if "chunk_samples" in inspect.signature(ARCHITECTURES[name]).parameters:
        return build(name, **{**options, "chunk_samples": clip_samples})
    if clip_samples != network.chunk_samples:
        try:
            with torch.no_grad():
                _stages_of_silence(network, clip_samples)
        except (InputError, RuntimeError) as error:
            raise UsageError(
                f"{name!r} does not take a clip of {clip_samples} samples, only {network.chunk_samples}: {error}",
                hint='choose another pooling, such as "stme"',
            ) from error
    return network


def _stages_of_silence(network: TaggingModel, n_samples: int) -> dict[str, Tensor]:
    """Run a network on zeros, in eval mode."""
    was_training = network.training
    network.eval()
    silence = torch.zeros(1, n_samples + sum(network.context))
    stages = dict(network.stages(network.represent(silence, has_context=True)))
    network.train(was_training)
    return stages


def _freeze_behind(network: TaggingModel, value: Tensor) -> None:
    """Exclude from training what `value` does not depend on."""
    parameters = list(network.parameters())
    gradients: Sequence[Tensor | None] = torch.autograd.grad(value.sum(), parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            parameter.requires_grad_(False)
