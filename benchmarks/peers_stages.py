"""The parts of earmark's own graph that the break-down times alone.

`measured_stages` is the one place to touch when the runtime changes: it returns the parts as they run in
production (same graph, same batch, same number of threads).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

CHUNK_SECONDS = 187 * 256 / 16000
N_CHUNKS = 2  # in one batch, as in production


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


def measured_stages(threads: int) -> list[Stage]:
    """Return the parts of the musicnn.pons_msd graph to be timed, each run on `threads` threads.

    As in production, every thread calls a session that computes on one thread, with a batch of its own. The part
    before and the part behind the mel are exported apart for this; the whole is the graph that earmark ships.
    Needs the extra [torch].
    """
    import torch

    from earmark.models.base import TaggingModel, load
    from earmark.models.weights import load_weights
    from earmark.runtime import OnnxNetwork

    class Behind(torch.nn.Module):
        def __init__(self, model: TaggingModel) -> None:
            super().__init__()
            self.model = model

        def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(dict(self.model.stages(spectrogram))["logits"])

    model = load("musicnn.pons_msd")
    model.is_fast = True
    window = model.chunk_samples + sum(model.context)
    whole = OnnxNetwork([load_weights("musicnn.pons_msd")]).session
    front = _session(model.frontend, (N_CHUNKS, window))
    behind = _session(Behind(model), (N_CHUNKS, 96, 187))
    return [
        _stage("front end", front, (N_CHUNKS, window), threads),
        _stage("network", behind, (N_CHUNKS, 96, 187), threads, scale=1.0),
        _stage("front end and network", whole, (N_CHUNKS, window), threads),
    ]


def _session(module: Any, shape: tuple[int, ...]) -> Any:
    """Export a module for one shape and open it as earmark opens its graphs."""
    import warnings

    import onnxruntime
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        example = torch.full(shape, 0.1)
        program = torch.onnx.export(module.eval(), (example,), dynamo=True, optimize=False, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)


def _stage(name: str, session: Any, shape: tuple[int, ...], threads: int, *, scale: float = 0.1) -> Stage:
    """Wrap a session that several threads call at once."""
    (entry,) = session.get_inputs()
    pool = ThreadPoolExecutor(threads)

    def run(batch: np.ndarray) -> None:
        list(pool.map(lambda _: session.run(None, {entry.name: batch}), range(threads)))

    return Stage(name, run, shape, threads * shape[0] * CHUNK_SECONDS, scale)
