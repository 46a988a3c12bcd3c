"""Musically motivated taggers: musicnn, the re-implementation of Won et al., and the VGG baseline.

References
----------
Pons, J. et al. "End-to-end learning for music audio tagging at scale", ISMIR 2018.
Pons, J. and Serra, X. "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.frontends import MusicnnMel, WonMel
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.peaks import peaks_of_long_filters, peaks_over_frequency

_TF_EPS = 1e-3  # the epsilon of TensorFlow's batch norm
_TIMBRAL_HEIGHTS = (38, 67)  # 0.4 and 0.7 of 96 mel bands
_TIMBRAL_FILTERS = 204
_TEMPORAL_WIDTHS = (128, 64, 32)  # frames
_TEMPORAL_FILTERS = 51
_FRONT_CHANNELS = 2 * _TIMBRAL_FILTERS + 3 * _TEMPORAL_FILTERS
_LAYERS = ("timbral", "temporal", "cnn1", "cnn2", "cnn3", "mean_pool", "max_pool", "penultimate", "logits")


class _TimbralBlock(nn.Module):
    """Filters 7 frames wide and `height` mel bands high; the strongest response over frequency is kept."""

    def __init__(self, height: int, *, norm_first: bool, eps: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, _TIMBRAL_FILTERS, (height, 7), padding=(0, 3))
        self.norm = nn.BatchNorm2d(_TIMBRAL_FILTERS, eps=eps)
        self.norm_first = norm_first

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, F, T) -> (B, 204, T)."""
        y: Tensor = self.conv(x)
        y = F.relu(self.norm(y)) if self.norm_first else self.norm(F.relu(y))
        return y.amax(dim=2)

    def fast(self, x: Tensor) -> Tensor:
        """Do the same in eval mode with less arithmetic."""
        signs = torch.sign(self.norm.weight)
        (peak,) = peaks_over_frequency(x.squeeze(1), [self.conv.weight.squeeze(1) * signs[:, None, None]])
        return _after_peak(peak, signs, self.conv.bias, self.norm, norm_first=self.norm_first)


class _TemporalBlock(nn.Module):
    """Filters `width` frames wide on every mel band; the strongest response over frequency is kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, _TEMPORAL_FILTERS, (1, width))
        self.norm = nn.BatchNorm2d(_TEMPORAL_FILTERS, eps=_TF_EPS)
        # TensorFlow pads an even width with one frame more behind than before.
        self.padding = ((width - 1) // 2, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, F, T) -> (B, 51, T)."""
        y: Tensor = self.norm(F.relu(self.conv(F.pad(x, self.padding))))
        return y.amax(dim=2)


def _fast_temporal(blocks: list[_TemporalBlock], x: Tensor) -> Tensor:
    """Run all temporal blocks in eval mode with less arithmetic, (B, 1, F, T) -> (B, 3 * 51, T)."""
    longest = max(_TEMPORAL_WIDTHS)
    signs = [torch.sign(block.norm.weight) for block in blocks]
    rows = []
    for block, sign in zip(blocks, signs, strict=True):
        weight = block.conv.weight[:, 0, 0] * sign[:, None]  # (51, width)
        before = (longest - 1) // 2 - block.padding[0]  # so that all filters are centred alike
        rows.append(F.pad(weight, (before, longest - weight.shape[1] - before)))
    peaks = torch.split(peaks_of_long_filters(x.squeeze(1), torch.cat(rows)), _TEMPORAL_FILTERS, dim=1)
    parts = [
        _after_peak(peak, sign, block.conv.bias, block.norm, norm_first=False)
        for peak, sign, block in zip(peaks, signs, blocks, strict=True)
    ]
    return torch.cat(parts, dim=1)


def _after_peak(peak: Tensor, signs: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d, *, norm_first: bool) -> Tensor:
    """Apply bias, ReLU and batch norm behind the maximum over frequency instead of before it.

    Where the scale of the norm is negative the highest output belongs to the lowest response: `signs` has turned those
    filters round, so that the maximum was taken of what is right.

    Parameters
    ----------
    peak : shape (B, N, T), maximum of signs * response, bias not added
    signs : shape (N,), of the scale of the norm
    """
    assert bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    if norm_first:
        return F.relu(peak * (scale * signs)[:, None] + (bias * scale + shift)[:, None])
    return F.relu(peak * signs[:, None] + bias[:, None]) * scale[:, None] + shift[:, None]


class _WonTemporalBlock(nn.Module):
    """Filters over the mean of all mel bands."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, _TEMPORAL_FILTERS, width, padding=width // 2)
        self.norm = nn.BatchNorm1d(_TEMPORAL_FILTERS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, F, T) -> (B, 51, T)."""
        return F.relu(self.norm(self.conv(x.mean(dim=2))))


class _MidBlock(nn.Module):
    """Convolution over time, 7 frames wide."""

    def __init__(self, n_in: int, n_out: int, *, norm_first: bool, eps: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, 7, padding=3)
        self.norm = nn.BatchNorm1d(n_out, eps=eps)
        self.norm_first = norm_first

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, T) -> (B, n_out, T)."""
        y: Tensor = F.relu(self.norm(self.conv(x))) if self.norm_first else self.norm(F.relu(self.conv(x)))
        return y


class _DenseEnd(nn.Module):
    """From the pooled features to logits, through one dense layer."""

    def __init__(self, n_in: int, n_units: int, n_tags: int, *, published_by: str) -> None:
        super().__init__()
        is_pons = published_by == "pons"
        self.is_pons = is_pons
        self.input_norm = nn.BatchNorm1d(n_in, eps=_TF_EPS) if is_pons else nn.Identity()
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(n_in, n_units)
        self.norm = nn.BatchNorm1d(n_units, eps=_TF_EPS if is_pons else 1e-5)
        self.head = nn.Linear(n_units, n_tags)

    def penultimate(self, mean: Tensor, peak: Tensor) -> Tensor:
        """Join the pooled features, (B, C) and (B, C) -> (B, n_units)."""
        if self.is_pons:
            joined = torch.stack([peak, mean], dim=2).flatten(1)  # the two stand channel by channel
            y: Tensor = self.norm(F.relu(self.dense(self.dropout(self.input_norm(joined)))))
        else:
            y = F.relu(self.norm(self.dense(torch.cat([peak, mean], dim=1))))
        return y

    def forward(self, penultimate: Tensor) -> Tensor:
        """(B, n_units) -> (B, K)."""
        y: Tensor = self.head(self.dropout(penultimate))
        return y


class _MusicnnBody(TaggingModel):
    """What both versions of musicnn share: the stages."""

    input_norm: nn.BatchNorm2d
    timbral: nn.ModuleList
    temporal: nn.ModuleList
    mid: nn.ModuleList
    end: _DenseEnd

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield timbral ... cnn3 (B, C, T), mean_pool, max_pool, penultimate (B, C), logits (B, K)."""
        x = self.input_norm(spectrogram.unsqueeze(1))  # (B, 1, 96, T)
        timbral = self._timbral(x)
        yield "timbral", timbral
        temporal = self._temporal(x)
        yield "temporal", temporal
        front = torch.cat([timbral, temporal], dim=1)  # (B, 561, T)
        cnn1 = self.mid[0](front)
        yield "cnn1", cnn1
        cnn2 = self.mid[1](cnn1) + cnn1
        yield "cnn2", cnn2
        cnn3 = self.mid[2](cnn2) + cnn2
        yield "cnn3", cnn3
        dense = torch.cat([front, cnn1, cnn2, cnn3], dim=1)  # (B, 753, T)
        mean, peak = dense.mean(dim=2), dense.amax(dim=2)
        yield "mean_pool", mean
        yield "max_pool", peak
        penultimate = self.end.penultimate(mean, peak)
        yield "penultimate", penultimate
        yield "logits", self.end(penultimate)

    def _timbral(self, x: Tensor) -> Tensor:
        blocks = [block for block in self.timbral if isinstance(block, _TimbralBlock)]
        return torch.cat([block.fast(x) if self.is_fast else block(x) for block in blocks], dim=1)

    def _temporal(self, x: Tensor) -> Tensor:
        blocks = [block for block in self.temporal if isinstance(block, _TemporalBlock)]
        if self.is_fast and blocks:
            return _fast_temporal(blocks, x)
        return torch.cat([block(x) for block in self.temporal], dim=1)


@ARCHITECTURES.register("musicnn")
class Musicnn(_MusicnnBody):
    """musicnn of Pons & Serra 2019: timbral and temporal filters, three dense convolutions, global pooling.

    Parameters
    ----------
    n_tags : number of tags
    n_mid : channels of the middle convolutions; 64 published, 512 in the "big" version
    n_units : units of the dense layer; 200 published, 500 in the "big" version

    Notes
    -----
    Takes patches of 187 frames (2.992 s) of a mel spectrogram that spans the whole track, so `context` holds the true
    samples before a patch. Batch norms follow the ReLU, as published.
    """

    def __init__(self, *, n_tags: int = 50, n_mid: int = 64, n_units: int = 200) -> None:
        super().__init__()
        self.frontend = MusicnnMel(center=False)
        self.sample_rate, self.chunk_samples, self.context = 16000, 187 * 256, (256, 0)
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_units, "penultimate"
        self.layer_names = _LAYERS
        self.input_norm = nn.BatchNorm2d(1, eps=_TF_EPS)
        self.timbral = nn.ModuleList(_TimbralBlock(h, norm_first=False, eps=_TF_EPS) for h in _TIMBRAL_HEIGHTS)
        self.temporal = nn.ModuleList(_TemporalBlock(w) for w in _TEMPORAL_WIDTHS)
        sizes = (_FRONT_CHANNELS, n_mid, n_mid)
        self.mid = nn.ModuleList(_MidBlock(n_in, n_mid, norm_first=False, eps=_TF_EPS) for n_in in sizes)
        self.end = _DenseEnd(2 * (_FRONT_CHANNELS + 3 * n_mid), n_units, n_tags, published_by="pons")


@ARCHITECTURES.register("musicnn_won")
class WonMusicnn(_MusicnnBody):
    """musicnn as re-implemented by Won et al. 2020.

    Parameters
    ----------
    n_tags : number of tags
    n_mid : channels of the middle convolutions
    n_units : units of the dense layer

    Notes
    -----
    Against Pons' version: decibel mel, padded chunk by chunk; batch norms before the ReLU; temporal filters on the mean
    of all bands, 129, 65 and 33 frames wide; no batch norm before the dense layer.
    """

    def __init__(self, *, n_tags: int = 50, n_mid: int = 64, n_units: int = 200) -> None:
        super().__init__()
        self.frontend = WonMel(n_mels=96)
        self.sample_rate, self.chunk_samples = 16000, 3 * 16000
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_units, "penultimate"
        self.layer_names = _LAYERS
        self.input_norm = nn.BatchNorm2d(1)
        heights = reversed(_TIMBRAL_HEIGHTS)
        self.timbral = nn.ModuleList(_TimbralBlock(h, norm_first=True, eps=1e-5) for h in heights)
        self.temporal = nn.ModuleList(_WonTemporalBlock(w + 1) for w in _TEMPORAL_WIDTHS)
        sizes = (_FRONT_CHANNELS, n_mid, n_mid)
        self.mid = nn.ModuleList(_MidBlock(n_in, n_mid, norm_first=True, eps=1e-5) for n_in in sizes)
        self.end = _DenseEnd(2 * (_FRONT_CHANNELS + 3 * n_mid), n_units, n_tags, published_by="won")


class _VggBlock(nn.Module):
    """3 x 3 convolution, ReLU, batch norm, max pooling; the sizes are those of (frequency, time)."""

    def __init__(self, n_in: int, n_out: int, *, pool: tuple[int, int], stride: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm = nn.BatchNorm2d(n_out, eps=_TF_EPS)
        self.pool = nn.MaxPool2d(pool, stride=stride)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, F, T) -> (B, n_out, F', T')."""
        y: Tensor = self.pool(self.norm(F.relu(self.conv(x))))
        return y


@ARCHITECTURES.register("vgg")
class Vgg(TaggingModel):
    """The VGG baseline of Pons & Serra 2019: five 3 x 3 convolutions on 187 frames of mel.

    Parameters
    ----------
    n_tags : number of tags
    n_filters : channels of every convolution

    Notes
    -----
    Takes 187 frames only: the last map (1 x 2 positions) goes flat into the head, frame by frame.
    """

    def __init__(self, *, n_tags: int = 50, n_filters: int = 128) -> None:
        super().__init__()
        self.frontend = MusicnnMel(center=False)
        self.sample_rate, self.chunk_samples, self.context = 16000, 187 * 256, (256, 0)
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 2 * n_filters, "flat"
        self.layer_names = ("pool1", "pool2", "pool3", "pool4", "pool5", "flat", "logits")
        self.input_norm = nn.BatchNorm2d(1, eps=_TF_EPS)
        pools = (((1, 4), 2, 0.25), ((2, 2), 2, 0.25), ((2, 2), 2, 0.25), ((2, 2), 2, 0.25), ((4, 4), 4, 0.5))
        self.blocks = nn.ModuleList(
            _VggBlock(1 if i == 0 else n_filters, n_filters, pool=pool, stride=stride, dropout=dropout)
            for i, (pool, stride, dropout) in enumerate(pools)
        )
        self.head = nn.Linear(2 * n_filters, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield pool1 ... pool5 (B, C, F, T), flat (B, D), logits (B, K)."""
        x = self.input_norm(spectrogram.unsqueeze(1))  # (B, 1, 96, 187)
        for i, block in enumerate(self.blocks, start=1):
            assert isinstance(block, _VggBlock)
            pooled = block(x)
            yield f"pool{i}", pooled
            x = block.dropout(pooled)
        flat = x.permute(0, 3, 2, 1).flatten(1)  # position by position, as time x frequency x channel
        yield "flat", flat
        yield "logits", self.head(flat)
