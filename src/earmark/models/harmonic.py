"""Harmonic CNN: a front end of learned band-pass filters at the harmonics of every pitch, then a residual CNN.

References
----------
Won, M. et al. "Data-driven harmonic filters for audio representation learning", ICASSP 2020.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020 (this layer list).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.filters import windowed_dft_basis
from earmark.audio.frontends import decibels
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.layers import ConvBlock, DenseHead, PooledResidualBlock

_SAMPLE_RATE, _N_FFT, _HOP = 16000, 512, 256
_N_HARMONICS, _N_PITCHES = 6, 128  # quarter tones from C1, 32.7 Hz, to just below E6, whose sixth harmonic is 7.7 kHz
_C1, _QUARTER_TONES = 24, 0.5  # MIDI number of the lowest pitch, semitones between two
_BANDWIDTH = (0.1079, 24.7)  # of a filter in Hz per Hz of its centre, and in Hz, before the division by Q


class HarmonicSpectrum(nn.Module):
    """Power in triangular bands at the harmonics of 128 pitches, in decibels; the sharpness Q of the bands is learned.

    Notes
    -----
    (..., S) -> (..., 6 * 128, T), harmonic by harmonic, T = 1 + S // 256. A band that lies between two bins holds
    neither and stays at -100 dB, as in the published code: one of the lowest, until training sharpens more of them.
    """

    basis: Tensor
    bins: Tensor
    centres: Tensor

    def __init__(self) -> None:
        super().__init__()
        pitches = 440.0 * 2.0 ** ((_C1 + _QUARTER_TONES * torch.arange(_N_PITCHES) - 69.0) / 12.0)  # Hz
        centres = torch.outer(torch.arange(1, _N_HARMONICS + 1), pitches).flatten()  # (6 * 128,)
        basis = torch.from_numpy(windowed_dft_basis(_N_FFT, None))
        self.register_buffer("basis", basis.unsqueeze(1), persistent=False)
        self.register_buffer("bins", torch.linspace(0, _SAMPLE_RATE / 2, _N_FFT // 2 + 1), persistent=False)
        self.register_buffer("centres", centres, persistent=False)
        self.sharpness = nn.Parameter(torch.ones(1))

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the bands in dB, (..., S) -> (..., 768, T)."""
        flat = waveform.reshape(-1, 1, waveform.shape[-1])  # (B, 1, S)
        flat = F.pad(flat, (_N_FFT // 2, _N_FFT // 2), mode="reflect")
        power = F.conv1d(flat, self.basis, stride=_HOP).square()  # (B, 2 * 257, T)
        real, imaginary = power.chunk(2, dim=1)
        bands = decibels(torch.matmul(self.filters(), real + imaginary))  # (B, 768, T)
        return bands.reshape(*waveform.shape[:-1], *bands.shape[-2:])

    def filters(self) -> Tensor:
        """Return the filters as they stand, (6 * 128, 257), of height one."""
        slope, least = _BANDWIDTH
        widths = (slope * self.centres + least) / self.sharpness  # (768,), Hz
        distances = (self.bins - self.centres[:, None]).abs()  # (768, 257), Hz
        return F.relu(1.0 - 2.0 * distances / widths[:, None])


@ARCHITECTURES.register("harmonic_cnn")
class HarmonicCnn(TaggingModel):
    """Harmonic CNN as evaluated by Won et al. 2020: 5 s, the harmonics of a pitch as channels, seven blocks.

    Parameters
    ----------
    n_tags : number of tags
    n_channels : channels of the first four blocks, half of those of the others; 128 published
    """

    def __init__(self, *, n_tags: int = 50, n_channels: int = 128) -> None:
        super().__init__()
        self.frontend = HarmonicSpectrum()
        self.sample_rate, self.chunk_samples = _SAMPLE_RATE, 5 * _SAMPLE_RATE
        self.n_tags, self.n_features, self.embedding_layer = n_tags, 2 * n_channels, "penultimate"
        self.layer_names = (*(f"block{i}" for i in range(1, 8)), "pooled", "penultimate", "logits")
        self.input_norm = nn.BatchNorm2d(_N_HARMONICS)
        narrow, wide = n_channels, 2 * n_channels
        self.blocks = nn.ModuleList(
            [
                ConvBlock(_N_HARMONICS, narrow, pool=(2, 2)),
                *(PooledResidualBlock(narrow, narrow, pool=(2, 2)) for _ in range(3)),
                ConvBlock(narrow, wide, pool=(2, 2)),
                *(PooledResidualBlock(wide, wide, pool=(2, 3)) for _ in range(2)),
            ]
        )
        self.end = DenseHead(wide, wide, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield block1 ... block7 (B, C, F, T), pooled and penultimate (B, C), logits (B, K)."""
        n_items, _, n_frames = spectrogram.shape
        x = self.input_norm(spectrogram.reshape(n_items, _N_HARMONICS, _N_PITCHES, n_frames))  # (B, 6, 128, 313)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        pooled = x.amax(dim=(-2, -1))  # (B, C)
        yield "pooled", pooled
        penultimate = self.end.penultimate(pooled)
        yield "penultimate", penultimate
        yield "logits", self.end(penultimate)
