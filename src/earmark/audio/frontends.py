"""Front ends: from the waveform to what a network sees, as `nn.Module`s.

Every front end takes a waveform of shape (..., S) in [-1, 1] and returns (..., F, T). `earmark.audio.spectra` has the
same ones in numpy. A NaN in the waveform passes through. They are differentiable, run on
any device, and export to ONNX: the short-time spectrum is a strided convolution with a windowed Fourier basis. In
float32 that is nearer to the exact spectrum than `torch.stft`, and three times as fast in ONNX Runtime (`docs/log.md`).

=============  ==============================================================================================
name           what it computes
=============  ==============================================================================================
musicnn        log10(1 + 10000 x) of Slaney mel power rounded to float16 (Pons & Serra 2019)
won            decibels, floor -100 dB, of HTK mel power (Won et al. 2020)
choi           decibels, 80 dB range, of Slaney mel power squared once more (Choi et al. 2017)
log_mel        Slaney mel power, in decibels or scaled otherwise: plain, every parameter free
mfcc           mel-frequency cepstral coefficients of `log_mel`
cqt            constant-Q transform, in decibels or scaled otherwise (Brown 1991)
raw            the waveform itself, one row
=============  ==============================================================================================

References
----------
Pons, J. and Serra, X. "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020.
Choi, K. et al. "Convolutional recurrent neural networks for music classification", ICASSP 2017.
Brown, J. C. "Calculation of a constant Q spectral transform", JASA 89, 1991.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.constant_q import C1, ConstantQ, half_band_filter
from earmark.audio.filters import (
    COMPRESSION,
    POWER_FLOOR,
    UNIT_RANGE_DB,
    MelScale,
    Scaling,
    check_scaling,
    dct_basis,
    mel_filter_bank,
    warn_of_empty_bands,
    windowed_dft_basis,
)
from earmark.errors import InputError
from earmark.registry import Registry

FRONTENDS: Registry[nn.Module] = Registry("front end")


class PowerMel(nn.Module):
    """Compute the mel power spectrogram with a Hann window.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, win_length, hop_length : samples; `win_length` is `n_fft` unless given
    f_min, f_max : Hz; `f_max` is half the sample rate unless given
    mel_scale : "slaney" or "htk"
    mel_norm : "slaney" (area 1) or None (height 1)
    center : pad n_fft // 2 samples on both sides by reflection, so that frame t is centred on sample t * hop_length

    Notes
    -----
    Input (..., S); output (..., n_mels, T), T = 1 + S // hop_length if centred, else 1 + (S - n_fft) // hop_length.
    """

    basis: Tensor
    bank: Tensor

    def __init__(
        self,
        sample_rate: int,
        *,
        n_fft: int = 512,
        win_length: int | None = None,
        hop_length: int = 256,
        n_mels: int = 96,
        f_min: float = 0.0,
        f_max: float | None = None,
        mel_scale: MelScale = "slaney",
        mel_norm: Literal["slaney"] | None = "slaney",
        center: bool = True,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop_length, self.n_mels = sample_rate, n_fft, hop_length, n_mels
        self.center = center
        bank = mel_filter_bank(
            sample_rate, n_fft=n_fft, n_mels=n_mels, f_min=f_min, f_max=f_max, scale=mel_scale, norm=mel_norm
        )
        basis = windowed_dft_basis(n_fft, win_length)
        self.register_buffer("basis", torch.from_numpy(basis).unsqueeze(1), persistent=False)
        self.register_buffer("bank", torch.from_numpy(bank), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the mel power of `waveform`, (..., S) -> (..., n_mels, T)."""
        n_samples = waveform.shape[-1]
        if n_samples < self.n_fft:
            raise InputError(f"{n_samples} samples are fewer than one frame of {self.n_fft}")
        flat = waveform.reshape(-1, 1, n_samples)  # (B, 1, S)
        if self.center:
            flat = F.pad(flat, (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        power = F.conv1d(flat, self.basis, stride=self.hop_length).square()  # (B, 2 F, T)
        n_bins = self.n_fft // 2 + 1
        mel = torch.matmul(self.bank, power[:, :n_bins] + power[:, n_bins:])  # (B, n_mels, T)
        return mel.reshape(*waveform.shape[:-1], self.n_mels, mel.shape[-1])


def decibels(power: Tensor, *, floor: float = 1e-10, range_db: float | None = None) -> Tensor:
    """Convert power to decibels.

    Parameters
    ----------
    power : shape (..., F, T)
    floor : smallest power
    range_db : dB below the loudest value of each item at which to clip, or None

    Returns
    -------
    same shape, dB re 1
    """
    level = 10.0 * torch.log10(torch.clamp(power, min=floor))
    if range_db is None:
        return level
    return torch.maximum(level, level.amax(dim=(-2, -1), keepdim=True) - range_db)


class Scale(nn.Module):
    """Scale a power (..., F, T), see `earmark.audio.filters.Scaling`.

    Parameters
    ----------
    range_db : for "db" and "unit", dB below the loudest value of each item at which to clip; "unit" has 80 unless given

    Notes
    -----
    "magnitude" has no gradient where the power is zero.
    """

    def __init__(self, scaling: Scaling, range_db: float | None = None) -> None:
        super().__init__()
        check_scaling(scaling, range_db)
        self.scaling = scaling
        self.range_db = UNIT_RANGE_DB if scaling == "unit" and range_db is None else range_db

    def forward(self, power: Tensor) -> Tensor:
        """Return the scaled power, of the same shape."""
        if self.scaling == "power":
            return power
        if self.scaling == "magnitude":
            return torch.sqrt(torch.clamp(power, min=torch.finfo(torch.float32).tiny))
        if self.scaling == "compressed":
            return torch.log10(1.0 + COMPRESSION * power)
        if self.scaling == "log":
            return torch.log(torch.clamp(power, min=POWER_FLOOR))
        level = decibels(power, floor=POWER_FLOOR, range_db=self.range_db)
        if self.scaling == "db" or self.range_db is None:
            return level
        return (level - level.amax(dim=(-2, -1), keepdim=True)) / self.range_db + 1.0


@FRONTENDS.register("musicnn")
class MusicnnMel(nn.Module):
    """The front end of musicnn: log10(1 + 10000 x) of the mel power, rounded to float16 first.

    Parameters
    ----------
    center : pad both ends by reflection; off where the caller supplies the true samples around a chunk

    Notes
    -----
    The published code stores the power as float16; the rounding is kept because the weights expect it (it passes
    gradients unchanged).
    """

    def __init__(self, *, center: bool = True) -> None:
        super().__init__()
        self.power = PowerMel(16000, n_fft=512, hop_length=256, n_mels=96, center=center)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the scaled mel, (..., S) -> (..., 96, T)."""
        power = self.power(waveform)
        return torch.log10(1.0 + 10000.0 * power.half().float())


@FRONTENDS.register("won")
class WonMel(nn.Module):
    """The front end of Won et al. 2020: decibels of the HTK mel power at 16 kHz."""

    def __init__(self, *, n_mels: int = 96) -> None:
        super().__init__()
        self.power = PowerMel(16000, n_fft=512, hop_length=256, n_mels=n_mels, mel_scale="htk", mel_norm=None)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the mel in dB, (..., S) -> (..., n_mels, T)."""
        return decibels(self.power(waveform))


@FRONTENDS.register("choi")
class ChoiMel(nn.Module):
    """The front end of Choi et al. 2017 at 12 kHz: decibels of the mel power squared once more, 80 dB range.

    Notes
    -----
    The second squaring is a slip of the published code. It is kept for the published weights only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.power = PowerMel(12000, n_fft=512, hop_length=256, n_mels=96)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the mel in dB, (..., S) -> (..., 96, T)."""
        return decibels(self.power(waveform).square(), range_db=80.0)


@FRONTENDS.register("log_mel")
class LogMel(nn.Module):
    """Plain log-mel: the mel power in decibels, or scaled otherwise.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, win_length, hop_length : samples
    f_min, f_max : Hz
    mel_scale, mel_norm, center : see `PowerMel`
    scaling, range_db : see `Scale`

    Warns
    -----
    EarmarkWarning
        If bands are empty.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        n_fft: int = 512,
        win_length: int | None = None,
        hop_length: int = 256,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        mel_scale: MelScale = "slaney",
        mel_norm: Literal["slaney"] | None = "slaney",
        center: bool = True,
        scaling: Scaling = "db",
        range_db: float | None = None,
    ) -> None:
        super().__init__()
        self.scale = Scale(scaling, range_db)
        self.power = PowerMel(
            sample_rate,
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            n_mels=n_mels,
            f_min=f_min,
            f_max=f_max,
            mel_scale=mel_scale,
            mel_norm=mel_norm,
            center=center,
        )
        n_empty = int((self.power.bank == 0).all(dim=1).sum())
        warn_of_empty_bands(n_empty, n_mels=n_mels, n_fft=n_fft)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the scaled mel, (..., S) -> (..., n_mels, T)."""
        scaled: Tensor = self.scale(self.power(waveform))
        return scaled


@FRONTENDS.register("mfcc")
class Mfcc(nn.Module):
    """Mel-frequency cepstral coefficients: the orthonormal DCT-II of the log-mel in decibels.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, win_length, hop_length : samples
    f_min, f_max : Hz
    mel_scale, mel_norm, center : see `PowerMel`
    range_db : dB below the loudest value at which the log-mel is clipped, or None
    """

    basis: Tensor

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        n_coefficients: int = 20,
        n_fft: int = 2048,
        win_length: int | None = None,
        hop_length: int = 512,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        mel_scale: MelScale = "slaney",
        mel_norm: Literal["slaney"] | None = "slaney",
        center: bool = True,
        range_db: float | None = 80.0,
    ) -> None:
        super().__init__()
        self.log_mel = LogMel(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            n_mels=n_mels,
            f_min=f_min,
            f_max=f_max,
            mel_scale=mel_scale,
            mel_norm=mel_norm,
            center=center,
            range_db=range_db,
        )
        self.register_buffer("basis", torch.from_numpy(dct_basis(n_coefficients, n_mels)), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the coefficients, (..., S) -> (..., n_coefficients, T)."""
        return torch.matmul(self.basis, self.log_mel(waveform))


@FRONTENDS.register("cqt")
class Cqt(nn.Module):
    """The constant-Q transform, scaled; `earmark.audio.constant_q` has the definition.

    Parameters
    ----------
    sample_rate : Hz
    hop_length : samples; the more often it can be halved, the faster
    f_min : Hz; C1 unless given
    scaling, range_db : see `Scale`; the power is the squared magnitude

    Notes
    -----
    Input (..., S); output (..., n_bins, T), T = 1 + S // hop_length: frame t is centred on sample t * hop_length, with
    zeros beyond both ends.
    """

    half_band: Tensor

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        hop_length: int = 256,
        f_min: float = C1,
        n_bins: int = 84,
        bins_per_octave: int = 12,
        scaling: Scaling = "db",
        range_db: float | None = None,
    ) -> None:
        super().__init__()
        self.plan = ConstantQ(
            sample_rate=sample_rate, hop_length=hop_length, f_min=f_min, n_bins=n_bins, bins_per_octave=bins_per_octave
        )
        self.scale = Scale(scaling, range_db)
        half_band = torch.from_numpy(half_band_filter()).float()[None, None]  # (1, 1, taps)
        self.register_buffer("half_band", half_band, persistent=False)
        for i, octave in enumerate(self.plan.octaves):
            self.register_buffer(f"kernels_{i}", torch.from_numpy(octave.kernels).unsqueeze(1), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the scaled transform, (..., S) -> (..., n_bins, T)."""
        n_samples, hop = waveform.shape[-1], self.plan.hop_length
        if n_samples < hop:
            raise InputError(f"{n_samples} samples are fewer than one hop of {hop}")
        n_frames, margins = self.plan.n_frames(n_samples), self.plan.margins
        after = margins[0] + (n_frames - 1) * hop + 1 - n_samples
        signal = F.pad(waveform.reshape(-1, 1, n_samples), (margins[0], after))  # (B, 1, S)
        level = 0
        powers = []
        for i, octave in enumerate(self.plan.octaves):
            while level < octave.level:
                skipped = margins[level] - 2 * margins[level + 1] - self.half_band.shape[-1] // 2
                signal = F.conv1d(signal[..., skipped:], self.half_band, stride=2)
                level += 1
            kernels = self.get_buffer(f"kernels_{i}")
            parts = F.conv1d(signal[..., margins[level] - octave.reach :], kernels, stride=hop >> level)
            real, imaginary = parts[..., :n_frames].square().chunk(2, dim=1)
            powers.append(real + imaginary)  # (B, bins, T)
        power = torch.cat(powers[::-1], dim=1)
        scaled: Tensor = self.scale(power.reshape(*waveform.shape[:-1], *power.shape[1:]))
        return scaled


@FRONTENDS.register("raw")
class Raw(nn.Module):
    """The waveform itself as one row.

    Parameters
    ----------
    sample_rate : Hz
    """

    def __init__(self, *, sample_rate: int = 16000) -> None:
        super().__init__()
        self.sample_rate = sample_rate

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the waveform with a frequency axis of one, (..., S) -> (..., 1, S)."""
        return waveform.unsqueeze(-2)
