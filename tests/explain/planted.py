"""Networks of which it is known what they hear."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.audio.frontends import LogMel, Raw
from earmark.explain.geometry import band_centres
from earmark.models.base import TaggingModel
from earmark.models.card import ModelCard

RATE = 16000
BAND, SECONDS = (2000.0, 3000.0), (4.0, 6.0)
HOP = 256


class PlantedTagger(TaggingModel):
    """The logit of the first tag is the log energy in `BAND` at its time, `SECONDS`; of the second, that of all."""

    def __init__(self, *, seconds: float = 8.0, when: tuple[float, float] = SECONDS, is_softmax: bool = False) -> None:
        super().__init__()
        self.when = when
        self.frontend = LogMel(sample_rate=RATE, n_fft=512, hop_length=HOP, n_mels=96, scaling="power")
        self.sample_rate, self.chunk_samples = RATE, round(seconds * RATE)
        self.n_tags, self.n_features, self.embedding_layer = 2, 2, "energies"
        self.layer_names = ("map", "energies", "logits")
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)
        frequencies = torch.from_numpy(band_centres(self.frontend))
        inside = ((frequencies >= BAND[0]) & (frequencies <= BAND[1])).float()
        self.register_buffer("inside", inside)
        self.card = card(("beep", "noise"), self, activation="softmax" if is_softmax else "sigmoid")

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        features = self.conv(spectrogram.unsqueeze(1))  # (B, 1, F, T)
        yield "map", features
        times = torch.arange(features.shape[-1]) * HOP / RATE
        when = ((times >= self.when[0]) & (times <= self.when[1])).float()
        inside = self.get_buffer("inside")
        energies = torch.stack(
            [(features[:, 0] * inside[:, None] * when).sum(dim=(1, 2)), features[:, 0].sum(dim=(1, 2))], dim=1
        )
        yield "energies", energies
        yield "logits", torch.log(energies + 1e-6)


class RawBandTagger(TaggingModel):
    """On the waveform: a band-pass filter, its energy in time, and the log of it at its time, `SECONDS`."""

    def __init__(self, *, seconds: float = 8.0, when: tuple[float, float] = SECONDS) -> None:
        super().__init__()
        self.when = when
        self.frontend = Raw()
        self.sample_rate, self.chunk_samples = RATE, round(seconds * RATE)
        self.n_tags, self.n_features, self.embedding_layer = 1, 1, "energy"
        self.layer_names = ("band", "map", "energy", "logits")
        self.conv = nn.Conv1d(1, 1, 201, padding=100, stride=8, bias=False)
        self.conv.weight.data[0, 0] = torch.from_numpy(band_pass(*BAND, 201))
        self.card = card(("beep",), self)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        band = self.conv(spectrogram)  # (B, 1, S / 8)
        yield "band", band
        features = nn.functional.avg_pool1d(band.square(), 20)  # (B, 1, T), 10 ms
        yield "map", features
        times = (torch.arange(features.shape[-1]) + 0.5) * 160 / RATE
        when = ((times >= self.when[0]) & (times <= self.when[1])).float()
        energy = (features * when).sum(dim=-1)
        yield "energy", energy
        yield "logits", torch.log(energy + 1e-6)


def band_pass(low: float, high: float, n_taps: int) -> NDArray[np.float32]:
    """A windowed-sinc band-pass filter."""
    n = np.arange(n_taps) - n_taps // 2
    ideal = 2 * high / RATE * np.sinc(2 * high / RATE * n) - 2 * low / RATE * np.sinc(2 * low / RATE * n)
    return (ideal * np.blackman(n_taps)).astype(np.float32)


def card(tags: tuple[str, ...], model: TaggingModel, *, activation: str = "sigmoid") -> ModelCard:
    return ModelCard(
        name="planted",
        architecture="planted",
        sample_rate=model.sample_rate,
        chunk_samples=model.chunk_samples,
        hop_samples=model.chunk_samples,
        context_samples=model.context,
        frontend="own",
        vocabulary="own",
        tags=tags,
        n_parameters=model.n_parameters,
        embedding=model.embedding_layer,
        n_features=model.n_features,
        activation=activation,  # type: ignore[arg-type]
    )


def white_noise(seconds: float = 8.0, *, level: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def iou(values: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of the truth and of what lies above the best of 200 thresholds."""
    order = np.argsort(values, axis=None)
    ranked = values.ravel()[order]
    levels = np.unique(ranked[np.arange(200) * ranked.size // 200])
    n_below = np.searchsorted(ranked, levels, side="right")
    n_true = np.concatenate([[0], np.cumsum(truth.ravel()[order])])  # among the lowest n
    n_both = n_true[-1] - n_true[n_below]
    return float((n_both / np.maximum(ranked.size - n_below + n_true[n_below], 1)).max())


def truth_on(
    frequencies: NDArray[np.float64], times: NDArray[np.float64], when: tuple[float, float] = SECONDS
) -> NDArray[np.bool_]:
    rows = (frequencies >= BAND[0]) & (frequencies <= BAND[1])
    return rows[:, None] & ((times >= when[0]) & (times <= when[1]))[None]
