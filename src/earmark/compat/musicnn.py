"""The two functions of musicnn 0.1.0, so that old code runs after changing one import.

`from musicnn.tagger import top_tags` becomes `from earmark.compat.musicnn import top_tags`, and so for `extractor`.
Names, defaults, model names, order of the tags, keys and shapes of the features are those of that package; TensorFlow
and librosa are not needed. New code has more from `earmark.Tagger`.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from earmark.audio.chunks import ChunkPlan, stream_chunks
from earmark.audio.io import open_audio
from earmark.errors import AudioWarning, InputError, UnknownNameError, UsageError
from earmark.models.weights import load_weights
from earmark.parallel import cpu_count
from earmark.runtime import OnnxLayers, open_network

Array = NDArray[np.float32]
FileName = str | os.PathLike[str]
Features = dict[str, Array]

MODELS: dict[str, str] = {
    "MTT_musicnn": "musicnn.pons_mtt",
    "MTT_vgg": "vgg.pons_mtt",
    "MSD_musicnn": "musicnn.pons_msd",
    "MSD_vgg": "vgg.pons_msd",
}
"""Names of earmark's models by the names that musicnn gave them."""

_SAMPLE_RATE = 16000  # Hz
_HOP = 256  # samples from one frame of the mel spectrogram to the next
_N_FFT = 512  # samples
_TRAINED_FRAMES = 187  # of a patch of 3 s, which the models were trained on
_BATCH_SAMPLES = 4 * 48000  # what is computed at once: layers of more than that would not stay in the cache


def top_tags(
    file_name: FileName,
    model: str = "MTT_musicnn",
    topN: int = 3,
    input_length: float = 3,
    input_overlap: float = False,
    print_tags: bool = True,
    save_tags: FileName | Literal[False] = False,
) -> list[str]:
    """Return the tags with the highest mean scores, as musicnn.tagger.top_tags did.

    Parameters
    ----------
    file_name : an audio file
    model : "MTT_musicnn", "MTT_vgg", "MSD_musicnn" or "MSD_vgg"
    topN : number of tags
    input_length, input_overlap : see `extractor`
    print_tags : print the tags to stdout, as the old function did
    save_tags : a file to which a line with the file, the model, the lengths and the tags is appended

    Returns
    -------
    `topN` tags, the most likely one first

    Raises
    ------
    UnknownNameError, UsageError, InputError
        As `extractor` does; an InputError too if `save_tags` cannot be written.
    """
    taggram, tags = extractor(file_name, model, input_length, input_overlap, extract_features=False)
    best = [tags[i] for i in taggram.mean(axis=0).argsort()[-topN:][::-1]]
    if print_tags:  # the contract of the old function; nothing else in the library prints
        print(f"[{os.fspath(file_name)}] Top{topN} tags: ")  # noqa: T201
        for tag in best:
            print(f" - {tag}")  # noqa: T201
    if save_tags:
        settings = f"input_length={input_length},input_overlap={input_overlap}"
        try:
            with Path(save_tags).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(",".join([os.fspath(file_name), model, settings, *best]) + "\n")
        except OSError as error:
            raise InputError(f"{save_tags}: cannot be written: {error.strerror or error}") from error
    return best


@overload
def extractor(
    file_name: FileName,
    model: str = "MTT_musicnn",
    input_length: float = 3,
    input_overlap: float = False,
    extract_features: Literal[True] = True,
) -> tuple[Array, list[str], Features]: ...


@overload
def extractor(
    file_name: FileName,
    model: str = "MTT_musicnn",
    input_length: float = 3,
    input_overlap: float = False,
    *,
    extract_features: Literal[False],
) -> tuple[Array, list[str]]: ...


@overload
def extractor(
    file_name: FileName,
    model: str = "MTT_musicnn",
    input_length: float = 3,
    input_overlap: float = False,
    extract_features: bool = True,
) -> tuple[Array, list[str]] | tuple[Array, list[str], Features]: ...


def extractor(
    file_name: FileName,
    model: str = "MTT_musicnn",
    input_length: float = 3,
    input_overlap: float = False,
    extract_features: bool = True,
) -> tuple[Array, list[str]] | tuple[Array, list[str], Features]:
    """Return the taggram, the tags and the layers of a track, as musicnn.extractor.extractor did.

    Parameters
    ----------
    file_name : an audio file
    model : "MTT_musicnn", "MTT_vgg", "MSD_musicnn" or "MSD_vgg"
    input_length : seconds of a patch; the vgg models take 3 only
    input_overlap : seconds from the start of one patch to that of the next, for which musicnn used this word; as many
        as a patch has if False or 0
    extract_features : whether to return the layers too

    Returns
    -------
    taggram : shape (n_patches, 50), in [0, 1]
    tags : 50 names, those of the taggram's columns
    features : only with `extract_features`; of musicnn "timbral" (n, 408), "temporal" (n, 153), "cnn1", "cnn2", "cnn3"
        (n, 64) with n = n_patches * n_frames, the patches one after the other; "mean_pool", "max_pool" (n_patches, 753)
        and "penultimate" (n_patches, 200). Of vgg "pool1" (92 n_patches, 48, 128), "pool2" (46 n_patches, 24, 128),
        "pool3" (23 n_patches, 12, 128), "pool4" (11 n_patches, 6, 128), "pool5" (2 n_patches, 128): time, mel, channel

    Raises
    ------
    UnknownNameError
        If there is no such model.
    UsageError
        If the model does not take this `input_length`, or it or `input_overlap` is too short; a ValueError too.
    InputError
        If the track cannot be read, or is shorter than a patch; a ValueError too.

    Notes
    -----
    As there, patches lie on frames of 16 ms of one mel spectrogram of the whole track, a patch of 3 s has 187 frames
    (2.992 s), and what is left at the end for less than a patch is dropped (`earmark.Tagger` listens to it).

    Three things differ. musicnn 0.1.0 put the first patch's "cnn1", "cnn2", "cnn3" and "penultimate" in the place of
    all later patches' (a slip in its loop); here every patch has its own. It printed that it was computing; this does
    not. And files that are not at 16 kHz are resampled by soxr instead of resampy: on two songs at 44.1 kHz that moved
    the score of a patch by up to 0.03, the mean of a song by up to 0.011. At 16 kHz, taggrams agree within 1.2e-5.
    """
    if model == "MSD_musicnn_big":
        raise UsageError(
            "the weights of 'MSD_musicnn_big' were never part of the published package",
            hint=f"choose another: {', '.join(MODELS)}",
        )
    if model not in MODELS:
        raise UnknownNameError("model", model, MODELS)
    if "vgg" in model and input_length != 3:
        raise UsageError(f"input_length={input_length}: the vgg models take 3 s", hint="set input_length=3")
    n_frames, hop_frames = _frames(input_length, input_overlap)
    run, labels = _open(MODELS[model], layers=extract_features or n_frames != _TRAINED_FRAMES)
    layers: dict[str, list[Array]] = {}
    for batch in _patches(file_name, n_frames, hop_frames):
        for name, value in run(batch).items():
            if name == "scores" or (extract_features and name != "flat"):
                layers.setdefault(name, []).append(_old_layout(value))
    joined = {name: np.concatenate(layers.pop(name)) for name in list(layers)}
    taggram = joined.pop("scores")
    return (taggram, list(labels), joined) if extract_features else (taggram, list(labels))


def _frames(input_length: float, input_overlap: float) -> tuple[int, int]:
    """Return frames of a patch, and frames from one patch to the next, by the formulas of librosa 0.7."""

    def to_frames(seconds: float) -> int:
        return (int(seconds * _SAMPLE_RATE) - _N_FFT // 2) // _HOP

    if not 0.032 <= input_length < float("inf"):
        raise UsageError(f"input_length={input_length}", hint="a patch has at least 0.032 s")
    n_frames = to_frames(input_length) + 1
    if not input_overlap:
        return n_frames, n_frames
    if not 0.032 <= input_overlap < float("inf"):
        raise UsageError(f"input_overlap={input_overlap}", hint="from patch to patch it takes at least 0.032 s")
    return n_frames, to_frames(input_overlap)


@lru_cache(maxsize=2)
def _open(name: str, *, layers: bool) -> tuple[Callable[[Array], Features], tuple[str, ...]]:
    """Load a model once for many calls: with all its layers, or the graph that gives the scores sooner."""
    model = load_weights(name)
    if layers:
        return OnnxLayers(model, threads=cpu_count()).run, model[1].tags
    network = open_network([model], threads=cpu_count())
    return lambda batch: {"scores": network.run(batch)[0][0]}, model[1].tags


def _patches(file_name: FileName, n_frames: int, hop_frames: int) -> Iterator[Array]:
    """Yield batches of patches with the samples around them, shapes (B, 256 + 256 n_frames).

    Frame t is centred on sample 256 t, so a patch reaches from 256 samples before its first frame's centre to 256
    samples behind its last one's; the track counts 1 + n_samples // 256 frames, and is mirrored at its ends.
    """
    plan = ChunkPlan((n_frames - 1) * _HOP, hop_frames * _HOP, (_HOP, _HOP))
    size = max(1, _BATCH_SAMPLES // plan.window)
    pending: list[Array] = []
    with open_audio(file_name, sample_rate=_SAMPLE_RATE) as reader:
        blocks = _long_enough(reader.blocks(), plan.length, reader.name)
        for i, chunk in enumerate(stream_chunks(blocks, plan)):
            if chunk.start != i * plan.hop:
                continue  # aligned to the end of the track; musicnn drops what is left there
            pending.append(chunk.samples)
            if len(pending) == size:
                yield np.stack(pending)
                pending.clear()
        if pending:
            yield np.stack(pending)
        for note in reader.notes:
            warnings.warn(f"{reader.name}: {note}", AudioWarning, stacklevel=3)


def _long_enough(blocks: Iterable[Array], n_needed: int, name: str) -> Iterator[Array]:
    """Pass the blocks on; raise at the end if they were fewer samples than needed."""
    n_samples = 0
    for block in blocks:
        n_samples += block.size
        yield block
    if n_samples < n_needed:
        seconds, needed = n_samples / _SAMPLE_RATE, n_needed / _SAMPLE_RATE
        raise InputError(
            f"{name}: {seconds:.2f} s of audio, a patch needs at least {needed:.2f} s",
            hint="set a smaller input_length (musicnn only), or use earmark.Tagger, which pads",
        )


def _old_layout(value: Array) -> Array:
    """Bring a layer to the old order: the patches one after the other along time, the channels last."""
    if value.ndim == 4:
        value = value.transpose(0, 3, 2, 1)  # (B, C, F, T) -> (B, T, F, C)
    elif value.ndim == 3:
        value = value.transpose(0, 2, 1)[:, :, None]  # (B, C, T) -> (B, T, 1, C)
    else:
        return value
    n_patches, n_steps, n_bands, n_channels = value.shape
    shape = (n_patches * n_steps, n_bands, n_channels) if n_bands > 1 else (n_patches * n_steps, n_channels)
    return np.reshape(value, shape)
