"""The highest response of filters over all positions in frequency, with a fraction of the arithmetic.

Tall filters, `peaks_over_frequency`. musicnn slides filters 7 frames wide and 38 or 67 mel bands high over 96 bands and
keeps the highest response only. Done as a convolution that is 80 % of the whole network. Here the correlation along
frequency is done in the Fourier domain:

- With F bands and half-integer frequencies (m + 1/2) 2 pi / F the transform has F / 2 complex bins and no special ones.
  Positions that would wrap around are never asked for, so no padding is needed.
- Per bin there remains a small matrix product over 7 frames x (real, imaginary).
- Seen from the middle position c, the responses at c + u and c - u are E(u) - O(u) and E(u) + O(u), with E a sum of
  cosines and O a sum of sines. The higher of the two is E + |O|: half of the inverse transform is never computed.

Long filters, `peaks_of_long_filters`. On every band musicnn slides filters of up to 128 frames over time. Here time is
split into D blocks of 9 frames; along the blocks the correlation is done in the Fourier domain, again at half-integer
frequencies, within a block as a small matrix product. What wraps around falls on the zeros before the first frame.

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


_STEP = 9  # frames of a block of time; of 2 to 16 the fastest for 187 frames


def peaks_of_long_filters(x: Tensor, weight: Tensor, *, filters_at_once: int = 17) -> Tensor:
    """Correlate every band with long filters over time and keep the highest response of all bands.

    Parameters
    ----------
    x : shape (B, F, T)
    weight : shape (N, n_frames), n_frames even
    filters_at_once : filters whose responses are held at a time; few enough to stay in the cache

    Returns
    -------
    shape (B, N, T): max over f of sum over j of weight[n, j] * x[f, t + j - (n_frames - 1) // 2], zeros outside
    """
    n_batch, n_bands, n_times = x.shape
    n_filters, n_frames = weight.shape
    n_blocks = -(-(n_times + n_frames // 2) // _STEP)
    n_blocks += n_blocks % 2
    before = (n_frames - 1) // 2
    padded = F.pad(x.transpose(1, 2), (0, 0, before, n_blocks * _STEP - n_times - before))
    angles = _angles(n_blocks)
    phase = np.outer(angles, np.arange(n_blocks))
    basis = np.stack([np.cos(phase), -np.sin(phase)], axis=1).reshape(n_blocks, n_blocks)  # (bin, part) x block
    spectrum = torch.matmul(_tensor(basis, x), padded.reshape(n_batch, n_blocks, _STEP * n_bands))
    spectrum = spectrum.reshape(n_batch, n_blocks // 2, 2 * _STEP, n_bands)  # part, then frame in the block
    n_out = -(-n_times // _STEP)
    inverse = np.outer(np.arange(n_out), angles)
    inverse = np.stack([np.cos(inverse), -np.sin(inverse)], axis=2).reshape(n_out, n_blocks) * 2 / n_blocks
    spectra = _long_filter_spectra(weight, n_blocks)  # (bin, N, part, frame, part, frame)
    found = []
    for start in range(0, n_filters, filters_at_once):
        block = slice(start, min(start + filters_at_once, n_filters))
        n = block.stop - block.start
        columns = spectra[:, block].permute(0, 2, 1, 3, 4, 5).reshape(n_blocks // 2, 2 * n * _STEP, 2 * _STEP)
        product = torch.matmul(columns, spectrum).reshape(n_batch, n_blocks, n * _STEP * n_bands)
        response = torch.matmul(_tensor(inverse, x), product).reshape(n_batch * n_out * n * _STEP, n_bands)
        highest = response.amax(dim=1).reshape(n_batch, n_out, n, _STEP).transpose(1, 2)
        found.append(highest.reshape(n_batch, n, n_out * _STEP)[..., :n_times])
    return torch.cat(found, dim=1)


def _long_filter_spectra(weight: Tensor, n_blocks: int) -> Tensor:
    """Transform long filters, (N, n_frames) -> (bin, N, part out, frame out, part in, frame in).

    Tap j of the response at frame s of a block meets frame r of the block q further on, with j = 9 q + r - s.
    """
    n_frames = weight.shape[1]
    shift = np.arange(_STEP)
    tap = _STEP * np.arange(n_blocks) + shift[None, :, None] - shift[:, None, None]  # (s, r, q)
    tap = np.where((tap >= 0) & (tap < n_frames), tap, n_frames)  # no such tap: the zero behind the last one
    index = torch.from_numpy(tap.ravel()).to(weight.device)
    taps = F.pad(weight, (0, 1)).index_select(1, index).reshape(-1, n_blocks)
    phase = np.outer(np.arange(n_blocks), _angles(n_blocks))
    shape = (weight.shape[0], _STEP, _STEP, n_blocks // 2)
    real = torch.matmul(taps, _tensor(np.cos(phase), weight)).reshape(shape)
    imaginary = torch.matmul(taps, _tensor(np.sin(phase), weight)).reshape(shape)
    to_real = torch.stack([real, -imaginary], dim=2)  # (N, s, part in, r, bin)
    to_imaginary = torch.stack([imaginary, real], dim=2)
    return torch.stack([to_real, to_imaginary], dim=1).permute(5, 0, 1, 2, 3, 4)
