"""Invert a layer: the sound that makes a network show the same there, all that the layer has kept of the song.

Two ways. In the waveform's own spectrum: the sound is changed until the layer agrees, for any network. For networks on
mel bands also the power of a spectrum alone is changed, which is the easier task, and Griffin and Lim's iteration finds
phases for it.

References
----------
Mahendran, A. and Vedaldi, A. "Understanding deep image representations by inverting them", CVPR 2015.
Griffin, D. and Lim, J. "Signal estimation from modified short-time Fourier transform", IEEE TASSP 32, 1984.
Perraudin, N., Balazs, P. and Søndergaard, P. L. "A fast Griffin-Lim algorithm", WASPAA 2013.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.audio.filters import COMPRESSION
from earmark.audio.frontends import ChoiMel, LogMel, MusicnnMel, PowerMel, WonMel, decibels
from earmark.audio.loudness import TARGET
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.explain.auralize import Sound, make_sound
from earmark.explain.opening import Model, Samples, Song, at_rest, check_layers, open_model, read_song, stages_until
from earmark.explain.passages import (
    Grid,
    analyse,
    check_heard,
    chunk_starts,
    cut_windows,
    grid_for,
    quickly,
    synthesise,
)
from earmark.models.base import TaggingModel

Path = Literal["waveform", "griffin_lim"]

_RATE = 0.2  # of Adam, on logarithms of power
_HISTORY = 10  # steps that L-BFGS remembers
_MOMENTUM = 0.99  # of the fast Griffin-Lim iteration
_FLOOR = 1e-10


@dataclass(frozen=True, eq=False)
class Inversion:
    """A sound that a layer takes for the song.

    Parameters
    ----------
    sound : of one chunk
    layer : that was inverted
    path : "waveform" or "griffin_lim"
    start : of the chunk in the song, seconds
    errors : distance of the layer from that of the song, relative to the latter's norm, at every trial of the descent
    error : the same of the sound itself, before its loudness was matched; after Griffin-Lim it is larger than the last
        step's, as no sound has quite that spectrum
    """

    sound: Sound
    layer: str
    path: Path
    start: float
    errors: NDArray[np.float64]
    error: float


def invert_layer(
    model: Model,
    song: Song,
    *,
    layer: str,
    moment: float = 0.0,
    path: Path = "waveform",
    n_steps: int = 200,
    n_phases: int = 60,
    seed: int = 0,
    sample_rate: int | None = None,
    target: float = TARGET,
) -> Inversion:
    """Make a sound that a layer of a network cannot tell from the song.

    Parameters
    ----------
    model : a network, or the name or path of one
    song : a file, or samples
    layer : of the network
    moment : seconds; the chunk around it is inverted
    path : "waveform" for any network; "griffin_lim" for those on mel bands
    n_steps : of L-BFGS through the waveform, of Adam on the power
    n_phases : iterations of Griffin and Lim
    seed : of the noise from which the sound is made; the same seed gives the same sound
    sample_rate : Hz, of samples that are given, if it is not that of the model
    target : loudness of the sound, LUFS

    Raises
    ------
    UnknownNameError
        If there is no such model, layer or path.
    UsageError
        If the moment lies outside of the song, an option is out of its range, or the network has no mel bands for
        Griffin and Lim's path.
    InputError
        If the song is silent there, or the layer gives nothing that could be matched.

    Notes
    -----
    Nothing of the song but the layer and its loudness goes in: the beginning is noise with the spectrum of pink noise.
    """
    if path not in get_args(Path):
        raise UnknownNameError("path", path, get_args(Path))
    if n_steps < 1 or n_phases < 1:
        raise UsageError(f"n_steps={n_steps}, n_phases={n_phases}", hint="one at least")
    network = open_model(model)
    (name,) = check_layers(network, layer)
    samples = read_song(song, to_rate=network.sample_rate, sample_rate=sample_rate)
    start = chunk_starts(network, samples.size, moment)[0]
    window = cut_windows(network, samples, [start])  # (1, window)
    check_heard(window[0].numpy(), f"the song around {moment:g} s")
    with at_rest(network), quickly(network):
        with torch.no_grad():
            wanted = stages_until(network, window, (name,))[name]
        if not float(wanted.norm()) > 0:
            raise InputError(f"layer {name!r} is zero for this chunk", hint="choose another moment or layer")
        run = _by_waveform if path == "waveform" else _by_griffin_lim
        found, errors = run(network, name, wanted, window, n_steps, n_phases, seed)
        with torch.no_grad():
            error = _distance(stages_until(network, found, (name,))[name], wanted)
    left, right = network.context
    chunk = found[0, left : found.shape[1] - right].numpy()
    sound = make_sound(chunk, network.sample_rate, target=target)
    return Inversion(sound, name, path, start / network.sample_rate, errors, float(error))


def _distance(value: Tensor, wanted: Tensor) -> Tensor:
    """Norm of the difference, relative to that of what is wanted."""
    distance: Tensor = (value - wanted).norm() / wanted.norm()
    return distance


def _descend(parameter: Tensor, loss: Callable[[], Tensor], n_steps: int, rate: float) -> NDArray[np.float64]:
    """Change a parameter by Adam, its steps growing smaller by a cosine; return the loss at every step."""
    optimizer = torch.optim.Adam([parameter], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    errors = []
    for _ in range(n_steps):
        value = loss()
        (parameter.grad,) = torch.autograd.grad(value, [parameter])
        optimizer.step()
        schedule.step()
        errors.append(float(value.detach()))
    return np.array(errors)


def _by_waveform(
    model: TaggingModel, layer: str, wanted: Tensor, window: Tensor, n_steps: int, n_phases: int, seed: int
) -> tuple[Tensor, NDArray[np.float64]]:
    grid, n_samples = grid_for(model.sample_rate), window.shape[1]
    level = float(window.square().mean().sqrt())
    spectrum = analyse(torch.from_numpy(_pink_noise(n_samples, level, seed)), grid)
    scale = spectrum.abs().square().mean().sqrt()
    parameter = torch.view_as_real(spectrum / scale).contiguous().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [parameter], max_iter=n_steps, history_size=_HISTORY, line_search_fn="strong_wolfe", tolerance_change=1e-12
    )
    errors: list[float] = []

    def sound() -> Tensor:
        return synthesise(torch.view_as_complex(parameter) * scale, grid, n_samples)[None]

    def error() -> Tensor:
        distance = _distance(stages_until(model, sound(), (layer,))[layer], wanted)
        errors.append(float(distance.detach()))
        loss = distance.square()
        (parameter.grad,) = torch.autograd.grad(loss, [parameter])
        return loss

    optimizer.step(error)  # type: ignore[no-untyped-call]
    return sound().detach(), np.array(errors)


def _pink_noise(n_samples: int, level: float, seed: int) -> Samples:
    """Noise with as much power in every octave, of a root mean square."""
    white = np.random.default_rng(seed).standard_normal(n_samples)
    spectrum = np.fft.rfft(white) / np.sqrt(np.maximum(np.arange(n_samples // 2 + 1), 1.0))
    noise = np.fft.irfft(spectrum, n_samples)
    return np.asarray(noise * level / np.sqrt(np.mean(noise**2)), np.float32)


def _by_griffin_lim(
    model: TaggingModel, layer: str, wanted: Tensor, window: Tensor, n_steps: int, n_phases: int, seed: int
) -> tuple[Tensor, NDArray[np.float64]]:
    mel, scaled = mel_parts(model.frontend)
    own = Grid(model.sample_rate, mel.n_fft, mel.hop_length)
    with torch.no_grad():
        n_frames = mel(window).shape[-1]
    noise = torch.from_numpy(_pink_noise(n_frames * own.hop_length, float(window.square().mean().sqrt()), seed))
    power = analyse(noise, own)[..., :n_frames].abs().square()
    parameter = torch.log(power.mean(dim=-1, keepdim=True).expand(-1, n_frames) + _FLOOR).contiguous().requires_grad_()

    def error() -> Tensor:
        spectrogram = scaled(torch.matmul(mel.bank, parameter.exp()))[None]
        value = next(value for name, value in model.stages(spectrogram) if name == layer)
        return _distance(value, wanted)

    errors = _descend(parameter, error, n_steps, _RATE)
    magnitude = (parameter.detach() / 2).exp()  # (F, T)
    sound = griffin_lim(magnitude, own, n_iterations=n_phases, seed=seed)  # ((T - 1) * hop,)
    # Frames that are not centred begin where they are heard: frame 0 is in the middle of its window.
    before = 0 if mel.center else mel.n_fft // 2
    after = window.shape[1] - before - sound.shape[0]
    whole = nn.functional.pad(sound[None], (before, max(after, 0)))[:, : window.shape[1]]
    return whole, errors


def griffin_lim(magnitude: Tensor, grid: Grid, *, n_iterations: int = 60, seed: int = 0) -> Tensor:
    """Find a sound with the magnitudes of a short-time spectrum, by the fast iteration.

    Parameters
    ----------
    magnitude : shape (F, T), frame t centred on sample t * hop_length
    grid : of the spectrum, Hann
    n_iterations : more come nearer
    seed : of the phases at the beginning

    Returns
    -------
    shape ((T - 1) * hop_length,)
    """
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(magnitude.shape, generator=generator)
    n_samples = (magnitude.shape[1] - 1) * grid.hop_length
    guess, before = torch.polar(magnitude, angle), torch.zeros_like(magnitude, dtype=torch.complex64)
    for _ in range(n_iterations):
        real = analyse(synthesise(guess, grid, n_samples), grid)
        ahead = real + _MOMENTUM * (real - before)
        guess, before = magnitude * ahead / ahead.abs().clamp(min=_FLOOR), real
    return synthesise(guess, grid, n_samples)


def mel_parts(frontend: nn.Module) -> tuple[PowerMel, Callable[[Tensor], Tensor]]:
    """Return the mel power of a front end, and what it makes of that.

    Raises
    ------
    UsageError
        If the front end is no scaled mel power.
    """
    if isinstance(frontend, MusicnnMel):
        return frontend.power, lambda power: torch.log10(1.0 + COMPRESSION * power)
    if isinstance(frontend, WonMel):
        return frontend.power, decibels
    if isinstance(frontend, ChoiMel):
        return frontend.power, lambda power: decibels(power.square(), range_db=80.0)
    if isinstance(frontend, LogMel):
        return frontend.power, frontend.scale
    if isinstance(frontend, nn.Sequential) and len(frontend) and isinstance(frontend[0], PowerMel):
        return frontend[0], frontend[1:]
    raise UsageError(
        f"the front end {type(frontend).__name__} has no mel bands whose power could be found",
        hint='choose path="waveform", which takes any network',
    )
