"""Floors for the other networks: two dense layers on the waveform itself, or on its magnitude spectrum.

What a network of convolutions gains is what it has above these.

References
----------
https://github.com/aioli-ffm/music-projects (the waveform at 3150 Hz in chunks of 2 s, 256 and 128 units).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.frontends import Raw
from earmark.models.base import ARCHITECTURES, TaggingModel


class MagnitudeSpectrum(nn.Module):
    """Magnitudes of the Fourier transform of a whole chunk, (..., S) -> (..., 1 + S // 2, 1)."""

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the magnitudes."""
        spectrum = torch.view_as_real(torch.fft.rfft(waveform))  # (..., F, 2)
        power = spectrum.square().sum(dim=-1, keepdim=True)
        return torch.sqrt(torch.clamp(power, min=torch.finfo(torch.float32).tiny))


class _MlpBody(TaggingModel):
    """Two dense layers on an input of unit length."""

    def __init__(self, n_inputs: int, *, n_tags: int, n_units: int, sample_rate: int, chunk_samples: int) -> None:
        super().__init__()
        self.sample_rate, self.chunk_samples = sample_rate, chunk_samples
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_units // 2, "dense2"
        self.layer_names = ("flat", "dense1", "dense2", "logits")
        self.dense1, self.dense2 = nn.Linear(n_inputs, n_units), nn.Linear(n_units, n_units // 2)
        self.head = nn.Linear(n_units // 2, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield flat, dense1 and dense2 (B, C), logits (B, K)."""
        flat = spectrogram.flatten(1)  # (B, C)
        flat = F.normalize(flat) * flat.shape[1] ** 0.5  # so that loudness has no say
        yield "flat", flat
        dense1 = F.relu(self.dense1(flat))
        yield "dense1", dense1
        dense2 = F.relu(self.dense2(dense1))
        yield "dense2", dense2
        yield "logits", self.head(dense2)


@ARCHITECTURES.register("mlp_waveform")
class WaveformMlp(_MlpBody):
    """Two dense layers on the waveform.

    Parameters
    ----------
    n_tags : number of tags
    n_units : units of the first layer, twice those of the second
    sample_rate : Hz
    n_seconds : length of the chunk
    """

    def __init__(self, *, n_tags: int = 50, n_units: int = 256, sample_rate: int = 3150, n_seconds: int = 2) -> None:
        n_samples = n_seconds * sample_rate
        super().__init__(n_samples, n_tags=n_tags, n_units=n_units, sample_rate=sample_rate, chunk_samples=n_samples)
        self.frontend = Raw(sample_rate=sample_rate)


@ARCHITECTURES.register("mlp_spectrum")
class SpectrumMlp(_MlpBody):
    """Two dense layers on the magnitude spectrum of the chunk.

    Parameters
    ----------
    n_tags : number of tags
    n_units : units of the first layer, twice those of the second
    sample_rate : Hz
    n_seconds : length of the chunk
    """

    def __init__(self, *, n_tags: int = 50, n_units: int = 256, sample_rate: int = 3150, n_seconds: int = 2) -> None:
        n_samples = n_seconds * sample_rate
        super().__init__(
            1 + n_samples // 2, n_tags=n_tags, n_units=n_units, sample_rate=sample_rate, chunk_samples=n_samples
        )
        self.frontend = MagnitudeSpectrum()
