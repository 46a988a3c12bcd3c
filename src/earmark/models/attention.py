"""Taggers that summarise time by self-attention: the CNN with self-attention, and the Music Tagging Transformer.

References
----------
Won, M., Chun, S. and Serra, X. "Toward interpretable music tagging with self-attention", 2019.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020 (the layers of the first).
Won, M., Choi, K. and Serra, X. "Semi-supervised music tagging transformer", ISMIR 2021.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.frontends import LogMel, WonMel
from earmark.errors import InputError, UsageError
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.layers import PooledResidualBlock, ResidualBlock

_N_HEADS = 8
_MOST_TOKENS = 512  # that the positions of the transformer are learned for
_N_MELS = 128


class SelfAttention(nn.Module):
    """Multi-head self-attention with eight heads, (B, T, D) -> (B, T, D).

    Parameters
    ----------
    n_features : size D, a multiple of eight
    bias : whether the projections to queries, keys and values have one
    dropout : share of the attention weights that is dropped
    """

    def __init__(self, n_features: int, *, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        if n_features % _N_HEADS:
            raise UsageError(f"{n_features} features cannot be shared among {_N_HEADS} heads", hint="a multiple of 8")
        self.dropout = dropout
        self.project = nn.Linear(n_features, 3 * n_features, bias=bias)
        self.join = nn.Linear(n_features, n_features)

    def forward(self, x: Tensor) -> Tensor:
        """Let every token take from all."""
        n_items, n_tokens, n_features = x.shape
        parts = self.project(x).reshape(n_items, n_tokens, 3, _N_HEADS, n_features // _N_HEADS)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (B, 8, T, D / 8)
        taken = F.scaled_dot_product_attention(queries, keys, values, dropout_p=self.dropout if self.training else 0.0)
        joined: Tensor = self.join(taken.transpose(1, 2).reshape(n_items, n_tokens, n_features))
        return joined


class _NormLastLayer(nn.Module):
    """Layer of a transformer as in BERT: norms behind the sums, dropout 0.4, and 0.5 of the attention weights."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.attention = SelfAttention(n_features, dropout=0.5)
        self.norm1 = nn.LayerNorm(n_features, eps=1e-12)
        self.wide, self.narrow = nn.Linear(n_features, 4 * n_features), nn.Linear(4 * n_features, n_features)
        self.norm2 = nn.LayerNorm(n_features, eps=1e-12)
        self.dropout = nn.Dropout(0.4)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = self.norm1(x + self.dropout(self.attention(x)))
        y: Tensor = self.norm2(x + self.dropout(self.narrow(F.gelu(self.wide(x)))))
        return y


class _NormFirstLayer(nn.Module):
    """Layer of a transformer with the norms before the sums, dropout 0.1."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(n_features)
        self.attention = SelfAttention(n_features, bias=False)
        self.norm2 = nn.LayerNorm(n_features)
        self.wide, self.narrow = nn.Linear(n_features, 4 * n_features), nn.Linear(4 * n_features, n_features)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = x + self.dropout(self.attention(self.norm1(x)))
        inner = self.dropout(F.gelu(self.wide(self.norm2(x))))
        y: Tensor = x + self.dropout(self.narrow(inner))
        return y


@ARCHITECTURES.register("cnn_attention")
class CnnAttention(TaggingModel):
    """CNN with self-attention as evaluated by Won et al. 2020: seven residual blocks, two layers of BERT on 15 s.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the first two blocks, half of those of the others; 128 published
    n_seconds : length of the chunk; 15 published

    Notes
    -----
    As in the published code, the tokens have no position, and the token that gathers the answer is not learned: it
    holds fixed random numbers.
    """

    gatherer: Tensor

    def __init__(self, *, n_tags: int = 50, n_channels: int = 128, n_seconds: int = 15) -> None:
        super().__init__()
        n_features = 2 * n_channels
        self.frontend = WonMel(n_mels=_N_MELS)
        self.sample_rate, self.chunk_samples = 16000, n_seconds * 16000
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_features, "penultimate"
        self.layer_names = (*(f"block{i}" for i in range(1, 8)), "layer1", "layer2", "penultimate", "logits")
        self.input_norm = nn.BatchNorm2d(1)
        sizes = (1, n_channels, n_channels, *5 * [n_features])
        strides = (*3 * [(2, 2)], *4 * [(2, 1)])
        self.blocks = nn.ModuleList(
            ResidualBlock(n_in, n_out, stride=stride)
            for (n_in, n_out), stride in zip(pairwise(sizes), strides, strict=True)
        )
        fixed = np.random.RandomState(0).random_sample((1, 1, n_features)).astype(np.float32)
        self.register_buffer("gatherer", torch.from_numpy(fixed), persistent=False)
        self.layers = nn.ModuleList(_NormLastLayer(n_features) for _ in range(2))
        self.pooler = nn.Linear(n_features, n_features)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(n_features, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block7 (B, C, F, T), layer1 and layer2 (B, D, 1 + T), penultimate (B, D), logits (B, K)."""
        x = self.input_norm(spectrogram.unsqueeze(1))  # (B, 1, 128, 938)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        tokens = x.squeeze(2).transpose(1, 2)  # (B, 118, D)
        tokens = torch.cat([self.gatherer.expand(x.shape[0], -1, -1), tokens], dim=1)
        for i, layer in enumerate(self.layers, start=1):
            tokens = layer(tokens)
            yield f"layer{i}", tokens.transpose(1, 2)
        penultimate = torch.tanh(self.pooler(tokens[:, 0]))
        yield "penultimate", penultimate
        yield "logits", self.head(self.dropout(penultimate))


@ARCHITECTURES.register("music_tagging_transformer")
class MusicTaggingTransformer(TaggingModel):
    """Music Tagging Transformer of Won et al. 2021: three residual blocks, then four layers of a transformer.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the convolutions; 128 published
    n_units : size of the tokens; 256 published, 64 in the compact version
    n_layers : layers of the transformer; 4 published
    n_seconds : length of the chunk; 10 published
    """

    def __init__(
        self,
        *,
        n_tags: int = 50,
        n_channels: int = 128,
        n_units: int = 256,
        n_layers: int = 4,
        n_seconds: int = 10,
    ) -> None:
        super().__init__()
        self.frontend = LogMel(
            sample_rate=22050, n_fft=1024, hop_length=512, n_mels=_N_MELS, mel_scale="htk", mel_norm=None
        )
        self.sample_rate, self.chunk_samples = 22050, n_seconds * 22050
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_units, "penultimate"
        names = (*(f"block{i}" for i in range(1, 4)), "tokens", *(f"layer{i}" for i in range(1, n_layers + 1)))
        self.layer_names = (*names, "penultimate", "logits")
        self.input_norm = nn.BatchNorm2d(1)
        pools = ((2, 2), (2, 2), (2, 1))
        self.blocks = nn.ModuleList(
            PooledResidualBlock(n_in, n_channels, pool=pool)
            for n_in, pool in zip((1, n_channels, n_channels), pools, strict=True)
        )
        self.to_tokens = nn.Linear(n_channels * (_N_MELS // 8), n_units)
        self.gatherer = nn.Parameter(torch.randn(n_units))
        self.positions = nn.Parameter(torch.randn(1, _MOST_TOKENS + 1, n_units))
        self.dropout = nn.Dropout(0.1)
        self.layers = nn.ModuleList(_NormFirstLayer(n_units) for _ in range(n_layers))
        self.norm = nn.LayerNorm(n_units)
        self.head = nn.Linear(n_units, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block3 (B, C, F, T), tokens (B, D, T), the layers (B, D, 1 + T), penultimate, logits.

        Raises
        ------
        InputError
            If the spectrogram is longer than the learned positions reach (47 s).
        """
        x = self.input_norm(spectrogram.unsqueeze(1))  # (B, 1, 128, 431)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        tokens = self.to_tokens(x.permute(0, 3, 1, 2).flatten(2))  # (B, 107, D)
        yield "tokens", tokens.transpose(1, 2)
        n_tokens = tokens.shape[1]
        if n_tokens > _MOST_TOKENS:
            raise InputError(f"{n_tokens} tokens, but positions are learned for {_MOST_TOKENS}", hint="shorter chunks")
        tokens = torch.cat([self.gatherer.expand(tokens.shape[0], 1, -1), tokens], dim=1)
        tokens = self.dropout(tokens + self.positions[:, : n_tokens + 1])
        for i, layer in enumerate(self.layers, start=1):
            tokens = layer(tokens)
            yield f"layer{i}", tokens.transpose(1, 2)
        penultimate = self.norm(tokens[:, 0])
        yield "penultimate", penultimate
        yield "logits", self.head(penultimate)
