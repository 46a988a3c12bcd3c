"""The parts of earmark's own graph that the break-down times alone.

`measured_stages` is the one place to touch when the runtime changes: it returns the parts as they run in
production (same graph, same batch, same number of threads).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CHUNK_SECONDS = 187 * 256 / 16000


@dataclass(frozen=True)
class Stage:
    """One part of the graph and what to feed it.

    Attributes
    ----------
    name : as shown in the table
    run : called with one random batch
    shape : of the batch
    audio_seconds : how much audio one batch stands for
    scale : standard deviation of the random numbers
    """

    name: str
    run: Callable[[np.ndarray], object]
    shape: tuple[int, ...]
    audio_seconds: float
    scale: float = 0.1


def session_stage(name: str, session: Any, *, n_chunks: int, seconds: float = CHUNK_SECONDS) -> Stage:
    """Wrap an `onnxruntime.InferenceSession` with one input whose first axis counts chunks.

    Parameters
    ----------
    session : its axes other than the first must have numbers
    n_chunks : chunks in one batch, as in production
    seconds : s of new audio in one chunk
    """
    (entry,) = session.get_inputs()
    shape = (n_chunks, *entry.shape[1:])
    return Stage(name, lambda batch: session.run(None, {entry.name: batch}), shape, n_chunks * seconds)


def measured_stages(threads: int) -> list[Stage]:
    """Return the parts of the musicnn.pons_msd graph to be timed, each run on `threads` threads.

    Expected: "front end" (waveform to mel), "network" (mel to scores), "front end and network" (what production
    runs). A part that is not returned is reported as not measured.
    """
    return []
