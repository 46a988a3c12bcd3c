"""The highest response of tall filters over all positions in frequency, with a quarter of the arithmetic.

musicnn slides filters 7 frames wide and 38 or 67 mel bands high over 96 bands and keeps the highest response only. Done
as a convolution that is 80 % of the whole network. Here the correlation along frequency is done in the Fourier domain:

- With F bands and half-integer frequencies (m + 1/2) 2 pi / F the transform has F / 2 complex bins and no special ones.
  Positions that would wrap around are never asked for, so no padding is needed.
- Per bin there remains a small matrix product over 7 frames x (real, imaginary).
- Seen from the middle position c, the responses at c + u and c - u are E(u) - O(u) and E(u) + O(u), with E a sum of
  cosines and O a sum of sines. The higher of the two is E + |O|: half of the inverse transform is never computed.

Everything that depends on the weights alone is folded by ONNX Runtime when a session starts.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def _angles(n_bands: int) -> NDArray[np.float64]:
    """Return the half-integer frequencies, shape (n_bands // 2,), radians per band."""
    return 2 * np.pi * (np.arange(n_bands // 2) + 0.5) / n_bands


def _tensor(array: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(array.astype(np.float32)).to(like.device)


def _spectrum(x: Tensor, n_frames: int) -> Tensor:
    """Transform along frequency and lay out what a filter sees, (B, F, T) -> (B, F / 2, 2 n_frames, T)."""
    n_bands, n_times = x.shape[1], x.shape[2]
    phase = np.outer(_angles(n_bands), np.arange(n_bands))
    basis = np.stack([np.cos(phase), -np.sin(phase)], axis=1).reshape(n_bands, n_bands)  # (bin, part) x band
    spectrum = torch.matmul(_tensor(basis, x), x)  # (B, F, T)
    margin = n_frames // 2
    spectrum = F.pad(spectrum, (margin, margin)).reshape(x.shape[0], n_bands // 2, 2, n_times + 2 * margin)
    return torch.cat([spectrum[..., i : i + n_times] for i in range(n_frames)], dim=2)


def _filter_spectra(weight: Tensor, n_bands: int, centre: float) -> tuple[Tensor, Tensor]:
    """Transform filters, (N, height, n_frames) -> real and imaginary part of the product, (F / 2, N, 2 n_frames)."""
    n_filters, height, n_frames = weight.shape
    phase = np.outer(_angles(n_bands), np.arange(height) + centre)
    columns = weight.permute(1, 0, 2).reshape(height, n_filters * n_frames)
    real = torch.matmul(_tensor(np.cos(phase), weight), columns).reshape(-1, n_filters, n_frames)
    imaginary = torch.matmul(_tensor(np.sin(phase), weight), columns).reshape(-1, n_filters, n_frames)
    to_real = torch.stack([real, -imaginary], dim=3).flatten(2)  # by frame, then part: the order of `_spectrum`
    to_imaginary = torch.stack([imaginary, real], dim=3).flatten(2)
    return to_real, to_imaginary


def peaks_over_frequency(x: Tensor, weights: list[Tensor], *, filters_at_once: int = 34) -> list[Tensor]:
    """Correlate with filters at every position in frequency and keep the highest response.

    Parameters
    ----------
    x : shape (B, F, T), F even
    weights : sets of filters, each of shape (N, height, n_frames), one odd n_frames for all; height <= F
    filters_at_once : filters whose responses are held at a time; few enough to stay in the cache

    Returns
    -------
    one per set, shape (B, N, T): max over p of sum over i, j of weight[n, i, j] * x[p + i, t + j - n_frames // 2]
    """
    n_batch, n_bands, n_times = x.shape
    spectrum = _spectrum(x, weights[0].shape[2])
    return [_peaks(spectrum, weight, n_batch, n_bands, n_times, filters_at_once) for weight in weights]


def _peaks(spectrum: Tensor, weight: Tensor, n_batch: int, n_bands: int, n_times: int, filters_at_once: int) -> Tensor:
    n_positions = n_bands - weight.shape[1] + 1
    centre = (n_positions - 1) / 2
    offsets = np.arange((n_positions + 1) // 2) + centre % 1  # 0, 1, ... or 1/2, 3/2, ...
    phase = np.outer(offsets, _angles(n_bands))
    even = _tensor(np.cos(phase) * 2 / n_bands, weight)  # (n_offsets, F / 2)
    odd = _tensor(np.sin(phase) * 2 / n_bands, weight)
    to_real, to_imaginary = _filter_spectra(weight, n_bands, centre)
    found = []
    for start in range(0, weight.shape[0], filters_at_once):
        block = slice(start, min(start + filters_at_once, weight.shape[0]))
        n = block.stop - block.start
        real = torch.matmul(to_real[:, block], spectrum).reshape(n_batch, n_bands // 2, n * n_times)
        imaginary = torch.matmul(to_imaginary[:, block], spectrum).reshape(n_batch, n_bands // 2, n * n_times)
        highest = (torch.matmul(even, real) + torch.matmul(odd, imaginary).abs()).amax(dim=1)
        found.append(highest.reshape(n_batch, n, n_times))
    return torch.cat(found, dim=1)
