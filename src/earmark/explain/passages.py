"""A song as a network hears it, behind a mask over time and frequency: what every explanation of a tag starts from.

The short-time spectrum of the song is multiplied by a mask, its phase kept, and made sound again; the network hears
that. So networks on the waveform and networks on mel bands are explained on one axis in Hz and seconds, and what is
taken away is taken away from the sound itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.chunks import ChunkPlan
from earmark.audio.filters import hz_to_mel, mel_to_hz
from earmark.errors import InputError, UsageError
from earmark.explain.opening import Samples, log_odds, silent_level, stages_until, tag_index, tag_names
from earmark.models.base import TaggingModel

Quantity = Literal["logit", "score"]

_WINDOW_SECONDS = 0.064  # of a frame of the mask: 16 Hz apart
_BATCH_SAMPLES = 400_000  # heard by the network at once
_MOST_SAMPLES = 30_000_000  # of a song that is heard as a whole: its masks take about 2 GB


@dataclass(frozen=True)
class Grid:
    """The cells of a mask.

    Parameters
    ----------
    sample_rate : Hz
    n_fft : samples of a frame, Hann
    hop_length : samples between two frames; frame t is centred on sample t * hop_length of the song
    """

    sample_rate: int
    n_fft: int
    hop_length: int

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Centres of the rows, shape (F,), Hz."""
        return np.linspace(0.0, self.sample_rate / 2, self.n_fft // 2 + 1)

    def times(self, n_frames: int, *, first: int = 0) -> NDArray[np.float64]:
        """Centres of frames `first` and on, shape (n_frames,), seconds."""
        return (first + np.arange(n_frames)) * self.hop_length / self.sample_rate


def grid_for(sample_rate: int) -> Grid:
    """Choose a grid: frames of 64 ms, rounded to a power of two, four to a window.

    Examples
    --------
    >>> grid_for(16000)
    Grid(sample_rate=16000, n_fft=1024, hop_length=256)
    """
    n_fft = 2 ** max(round(float(np.log2(_WINDOW_SECONDS * sample_rate))), 4)
    return Grid(sample_rate, n_fft, n_fft // 4)


def analyse(waveform: Tensor, grid: Grid) -> Tensor:
    """Return the short-time spectrum, (..., S) -> (..., F, 1 + S // hop_length), complex; both ends are reflected."""
    window = torch.hann_window(grid.n_fft, dtype=waveform.dtype, device=waveform.device)
    spectrum: Tensor = torch.stft(
        waveform, grid.n_fft, grid.hop_length, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    return spectrum


def synthesise(spectrum: Tensor, grid: Grid, n_samples: int) -> Tensor:
    """Return the sound of a short-time spectrum, (..., F, T) -> (..., n_samples): the inverse of `analyse`."""
    window = torch.hann_window(grid.n_fft, dtype=spectrum.real.dtype, device=spectrum.device)
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    sound: Tensor = torch.istft(flat, grid.n_fft, grid.hop_length, window=window, center=True, length=n_samples)
    return sound.reshape(*spectrum.shape[:-2], n_samples)


def check_heard(samples: Samples, where: str) -> None:
    """Raise `InputError` if there is nothing to hear in samples.

    Parameters
    ----------
    samples : shape (n,)
    where : they come from, for the message, such as "the song"
    """
    level = silent_level(samples)
    if level is not None:
        raise InputError(
            f"{where} is silent: its highest peak is {level}",
            hint="there is nothing to explain; choose another moment, or check the file",
        )


@dataclass(frozen=True, eq=False)
class Passage:
    """One window of a song that the network hears.

    Parameters
    ----------
    start : where the chunk starts in the song, samples
    first_frame : of its mask, in the frames of the song
    sound : the samples of the song behind the mask, shape (n,)
    spectrum : of `sound`, shape (F, T), complex
    index : which of these samples the network hears in turn, shape (window,): context, mirrored ends and repetitions of
        a short song stand in it
    """

    start: int
    first_frame: int
    sound: Tensor
    spectrum: Tensor
    index: Tensor

    @property
    def n_frames(self) -> int:
        """Number of frames of the mask."""
        return int(self.spectrum.shape[-1])


@dataclass(eq=False)
class Hearing:
    """What a network says of one tag, at one moment of a song or in all of it, as a function of a mask.

    Parameters
    ----------
    model : the network, in eval mode
    waveform : the song, mono, at the sample rate of the model, shape (S,)
    tag : one of the tags of its card, or the position of an output
    moment : seconds; the chunk around it is heard; the whole song unless given
    quantity : "logit", the log odds of the score (of a softmax too), or "score", from 0 to 1
    floor : what a mask turns a cell down to, amplitude; 0 is silence

    Attributes
    ----------
    grid : of the mask
    passages : the windows that are heard; the quantity is the mean over them
    first_frame, n_frames : of the mask, in the frames of the song

    Raises
    ------
    UnknownNameError
        If there is no such tag.
    InputError
        If the song cannot be used, or is silent there.
    UsageError
        If the moment lies outside of the song, the song is too long to be heard as a whole (half an hour at 16 kHz), or
        an option has a value that it does not take.
    """

    model: TaggingModel
    waveform: Samples
    tag: str | int
    moment: float | None = None
    quantity: Quantity = "logit"
    floor: float = 0.0
    grid: Grid = field(init=False)
    passages: list[Passage] = field(init=False)
    first_frame: int = field(init=False)
    n_frames: int = field(init=False)

    def __post_init__(self) -> None:
        self._position = tag_index(self.model, self.tag)
        if self.quantity not in get_args(Quantity):
            raise UsageError(f"quantity={self.quantity!r}", hint=f"one of {', '.join(get_args(Quantity))}")
        if not 0 <= self.floor < 1:
            raise UsageError(f"floor={self.floor:g}, expected an amplitude from 0 to below 1")
        check_heard(self.waveform, "the song")
        if self.moment is None and self.waveform.size > _MOST_SAMPLES:
            seconds = self.waveform.size / self.model.sample_rate
            raise UsageError(
                f"{seconds / 60:.0f} min of song are too many to explain as a whole",
                hint=f"name a moment, or take {_MOST_SAMPLES / self.model.sample_rate / 60:.0f} min of it at most",
            )
        self.grid = grid_for(self.model.sample_rate)
        starts = chunk_starts(self.model, self.waveform.size, self.moment)
        self.passages = [_cut(self.model, self.waveform, start, self.grid) for start in starts]
        if self.moment is not None:
            check_heard(self.passages[0].sound.numpy(), f"the song around {self.moment:g} s")
        self.first_frame = self.passages[0].first_frame
        self.n_frames = max(p.first_frame + p.n_frames for p in self.passages) - self.first_frame

    @property
    def tag_name(self) -> str:
        """The tag by name; "tag 3" for an output that no card names."""
        return tag_names(self.model)[self._position]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and frames of the mask, (F, T)."""
        return self.grid.n_fft // 2 + 1, self.n_frames

    def frames_of(self, passage: Passage) -> slice:
        """Return which frames of the mask a passage takes."""
        first = passage.first_frame - self.first_frame
        return slice(first, first + passage.n_frames)

    def windows(self, passage: Passage, mask: Tensor) -> Tensor:
        """Return what the network hears of a passage behind masks, (B, F, T of the passage) -> (B, window)."""
        sound = synthesise(mask * passage.spectrum, self.grid, passage.sound.shape[0])
        return sound[..., passage.index]

    def passage_value(self, passage: Passage, mask: Tensor) -> Tensor:
        """Return the quantity in one passage behind masks, (B, F, T of the passage) -> (B,)."""
        return self.of_logits(stages_until(self.model, self.windows(passage, mask), ("logits",))["logits"])

    def of_logits(self, logits: Tensor) -> Tensor:
        """Return the quantity, (B, K) -> (B,)."""
        own = log_odds(self.model, logits, self._position)
        return torch.sigmoid(own) if self.quantity == "score" else own

    def batch(self, passage: Passage) -> int:
        """How many masks of a passage to hear at once."""
        return max(_BATCH_SAMPLES // passage.index.shape[0], 1)

    def values(self, masks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the quantity behind masks, without gradients.

        Parameters
        ----------
        masks : shape (B, F, T), amplitudes

        Returns
        -------
        shape (B,), the mean over the passages
        """
        total = np.zeros(len(masks))
        with torch.no_grad():
            for passage in self.passages:
                frames, size = self.frames_of(passage), self.batch(passage)
                for start in range(0, len(masks), size):
                    part = torch.from_numpy(np.ascontiguousarray(masks[start : start + size, :, frames], np.float32))
                    total[start : start + size] += self.passage_value(passage, part).double().numpy()
        return total / len(self.passages)

    def ends(self) -> tuple[float, float]:
        """Return the quantity of the song as it is, and of the song turned down to the floor."""
        masks = np.ones((2, *self.shape), np.float32)
        masks[1] = self.floor
        whole, empty = self.values(masks)
        return float(whole), float(empty)


@contextmanager
def quickly(model: TaggingModel) -> Iterator[TaggingModel]:
    """Let a model compute by its formulation with less arithmetic, where it has one.

    The gradients of musicnn take a quarter of the time and differ by rounding only (6e-6 of their norm).
    """
    parts = [part for part in model.modules() if isinstance(part, TaggingModel)]
    before = [part.is_fast for part in parts]
    try:
        for part in parts:
            part.is_fast = True
        yield model
    finally:
        for part, was_fast in zip(parts, before, strict=True):
            part.is_fast = was_fast


def chunk_starts(model: TaggingModel, n_samples: int, moment: float | None = None) -> list[int]:
    """List where the chunks start that a model hears of a song: those of the tagger, or the one around a moment.

    Parameters
    ----------
    n_samples : of the song
    moment : seconds

    Raises
    ------
    UsageError
        If the moment lies outside of the song.
    """
    length = model.chunk_samples
    if moment is None:
        hop = length if model.card is None else model.card.hop_samples
        return ChunkPlan(length, hop, model.context).starts(n_samples)
    seconds = n_samples / model.sample_rate
    if not 0 <= moment <= seconds:
        raise UsageError(f"moment {moment:g} s lies outside of the song", hint=f"it has {seconds:.2f} s")
    return [max(min(round(moment * model.sample_rate) - length // 2, n_samples - length), 0)]


def cut_windows(model: TaggingModel, samples: Samples, starts: list[int]) -> Tensor:
    """Cut the windows that a model hears, with their context, shape (len(starts), window)."""
    index = np.stack([_index(model, samples.size, start) for start in starts])
    return torch.from_numpy(samples[index])


def _index(model: TaggingModel, n_samples: int, start: int) -> NDArray[np.int64]:
    """Which samples of a song one window holds; ends are mirrored, a song that is too short is repeated."""
    left, right = model.context
    length = max(n_samples, model.chunk_samples)
    index = np.arange(start - left, start + model.chunk_samples + right)
    period = max(2 * (length - 1), 1)
    index = np.abs(index) % period
    index = np.minimum(index, period - index)
    return np.asarray(index % n_samples)


def _cut(model: TaggingModel, samples: Samples, start: int, grid: Grid) -> Passage:
    index = _index(model, samples.size, start)
    begin = int(index.min()) // grid.hop_length * grid.hop_length
    sound = samples[begin : int(index.max()) + 1]
    if sound.size <= grid.n_fft // 2:
        raise InputError(
            f"{sound.size} samples of sound are fewer than one frame of {grid.n_fft}", hint="take a longer excerpt"
        )
    tensor = torch.from_numpy(np.array(sound))
    return Passage(start, begin // grid.hop_length, tensor, analyse(tensor, grid), torch.from_numpy(index - begin))


def blocks(grid: Grid, n_frames: int, *, n_bands: int, seconds: float) -> NDArray[np.int64]:
    """Divide a mask into blocks, whole in frequency and time, equally high on the mel scale.

    Parameters
    ----------
    n_frames : frames of the mask
    n_bands : bands from 0 Hz to half the sample rate; fewer where they would hold no row
    seconds : length of a block

    Returns
    -------
    shape (F, n_frames), the number of the block of each cell, from 0, band by band

    Raises
    ------
    UsageError
        If `n_bands` or `seconds` is not positive.
    """
    if n_bands < 1 or not seconds > 0:
        raise UsageError(f"blocks of {n_bands} bands and {seconds:g} s", hint="one band and some milliseconds at least")
    top = grid.sample_rate / 2
    mels = np.linspace(0.0, float(hz_to_mel(np.array(top))), n_bands + 1)
    edges = mel_to_hz(mels)[1:-1]
    bands = np.unique(np.searchsorted(edges, grid.frequencies, side="right"), return_inverse=True)[1]
    n_parts = max(round(n_frames * grid.hop_length / grid.sample_rate / seconds), 1)
    parts = np.arange(n_frames) * n_parts // n_frames
    return np.asarray(bands[:, None] * n_parts + np.unique(parts, return_inverse=True)[1][None, :])
