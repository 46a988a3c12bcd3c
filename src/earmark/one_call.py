"""Tag or embed a track in one call: the taggers of the last calls are kept for the next ones."""

import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audio.chunks import Pad
from earmark.audio.io import Source
from earmark.models.paths import ModelName
from earmark.models.weights import file_stamp
from earmark.tagger import Tagger
from earmark.track_tags import TrackTags

_shared_lock = threading.Lock()


def _shared_tagger(
    model: ModelName | None,
    preset: str,
    engine: str,
    device: str,
    hop_seconds: float | None,
    raw: bool,
    pad: Pad,
    calibrated: bool,
) -> Tagger:
    """Return the tagger of the last calls with the same options; threads that ask at once get the same one."""
    stamp = () if model is None else file_stamp(model)
    name = model if model is None or isinstance(model, str) else Path(model)
    with _shared_lock:
        return _kept_tagger(stamp, name, preset, engine, device, hop_seconds, raw, pad, calibrated)


@lru_cache(maxsize=2)
def _kept_tagger(
    stamp: tuple[str | int, ...],  # a run may have written better weights since the last call
    model: str | Path | None,
    preset: str,
    engine: str,
    device: str,
    hop_seconds: float | None,
    raw: bool,
    pad: Pad,
    calibrated: bool,
) -> Tagger:
    return Tagger(
        model, preset=preset, engine=engine, device=device, hop_seconds=hop_seconds, raw=raw, pad=pad,
        calibrated=calibrated,
    )  # fmt: skip


def tag(
    source: Source,
    *,
    model: ModelName | None = None,
    preset: str = "standard",
    engine: str = "auto",
    device: str = "auto",
    hop_seconds: float | None = None,
    raw: bool = False,
    pad: Pad = "repeat",
    calibrated: bool = False,
    offset: float = 0.0,
    duration: float | None = None,
) -> TrackTags:
    """Tag one track; for many, make a `Tagger`.

    Parameters
    ----------
    source : a path, the bytes of a file, a binary file object, or "-" for stdin
    model, preset, engine, device, hop_seconds, raw, pad, calibrated : see `Tagger`
    offset, duration : see `Tagger.tag`

    Returns
    -------
    tags with scores, taggram and embedding

    Raises
    ------
    InputError
        If the track cannot be used; the message says why.
    """
    tagger = _shared_tagger(model, preset, engine, device, hop_seconds, raw, pad, calibrated)
    return tagger.tag(source, offset=offset, duration=duration)


def embed(
    source: Source,
    *,
    model: ModelName | None = None,
    preset: str = "standard",
    engine: str = "auto",
    device: str = "auto",
    hop_seconds: float | None = None,
    pad: Pad = "repeat",
    offset: float = 0.0,
    duration: float | None = None,
) -> NDArray[np.float32]:
    """Return the embedding of one track, shape (D,); the parameters are those of `tag`."""
    tagger = _shared_tagger(model, preset, engine, device, hop_seconds, False, pad, False)
    return tagger.embed(source, offset=offset, duration=duration)
