"""Front ends: from the waveform to what a network sees, as `nn.Module`s.

Every front end takes a waveform of shape (..., S) in [-1, 1] and returns (..., F, T). They are differentiable, run on
any device, and export to ONNX: the short-time spectrum is a strided convolution with a windowed Fourier basis. In
float32 that is nearer to the exact spectrum than `torch.stft`, and three times as fast in ONNX Runtime (`docs/log.md`).

=============  ==============================================================================================
name           what it computes
=============  ==============================================================================================
musicnn        log10(1 + 10000 x) of Slaney mel power rounded to float16 (Pons & Serra 2019)
won            decibels, floor -100 dB, of HTK mel power (Won et al. 2020)
choi           decibels, 80 dB range, of Slaney mel power squared once more (Choi et al. 2017)
log_mel        decibels of Slaney mel power: plain, every parameter free
mfcc           mel-frequency cepstral coefficients of `log_mel`
raw            the waveform itself, one row
=============  ==============================================================================================

References
----------
Pons, J. and Serra, X. "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019.
Won, M. et al. "Evaluation of CNN-based automatic music tagging models", SMC 2020.
Choi, K. et al. "Convolutional recurrent neural networks for music classification", ICASSP 2017.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.filters import MelScale, dct_basis, mel_filter_bank, windowed_dft_basis
from earmark.errors import InputError
from earmark.registry import Registry

FRONTENDS: Registry[nn.Module] = Registry("front end")


class PowerMel(nn.Module):
    """Compute the mel power spectrogram with a Hann window.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, hop_length : samples
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
        self.register_buffer("basis", torch.from_numpy(windowed_dft_basis(n_fft)).unsqueeze(1), persistent=False)
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
    """Plain log-mel: decibels of the mel power.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, hop_length : samples
    f_min, f_max : Hz
    mel_scale, mel_norm : see `PowerMel`
    range_db : dB below the loudest value at which to clip, or None
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        mel_scale: MelScale = "slaney",
        mel_norm: Literal["slaney"] | None = "slaney",
        range_db: float | None = None,
    ) -> None:
        super().__init__()
        self.range_db = range_db
        self.power = PowerMel(
            sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            f_min=f_min,
            f_max=f_max,
            mel_scale=mel_scale,
            mel_norm=mel_norm,
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the mel in dB, (..., S) -> (..., n_mels, T)."""
        return decibels(self.power(waveform), range_db=self.range_db)


@FRONTENDS.register("mfcc")
class Mfcc(nn.Module):
    """Mel-frequency cepstral coefficients: the orthonormal DCT-II of the log-mel with a range of 80 dB.

    Parameters
    ----------
    sample_rate : Hz
    n_fft, hop_length : samples
    """

    basis: Tensor

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        n_coefficients: int = 20,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 128,
    ) -> None:
        super().__init__()
        self.log_mel = LogMel(sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, range_db=80.0)
        self.register_buffer("basis", torch.from_numpy(dct_basis(n_coefficients, n_mels)), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the coefficients, (..., S) -> (..., n_coefficients, T)."""
        return torch.matmul(self.basis, self.log_mel(waveform))


@FRONTENDS.register("raw")
class Raw(nn.Module):
    """The waveform itself as one row."""

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the waveform with a frequency axis of one, (..., S) -> (..., 1, S)."""
        return waveform.unsqueeze(-2)
