"""Compute features in processes of their own, each fed by a thread.

Threads alone lose a quarter on two cores: libsndfile reads its file through callbacks into Python, which one thread at
a time may run.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from earmark.audio.spectra import SPECTRA, Spectrum
from earmark.errors import EarmarkWarning
from earmark.features.computing import Block, compute
from earmark.features.layout import Segment
from earmark.processes import Processes

_Setup = tuple[str, dict[str, Any], str]


class Workers:
    """Processes that compute features; each starts when it is needed first.

    Parameters
    ----------
    frontend, parameters, dtype : what is computed
    n : how many; with 0 `compute` works in the calling thread
    """

    def __init__(self, frontend: str, parameters: Mapping[str, Any], dtype: str, n: int) -> None:
        setup: _Setup = (frontend, dict(parameters), dtype)
        self._here = computer(setup) if not n else None
        self._processes = Processes("earmark.features.workers:computer", setup, n)

    @property
    def n_busy(self) -> int:
        """How many processes are at work."""
        return self._processes.n_busy

    def compute(self, path: str, segment: Segment) -> Block:
        """Compute the features of a file; see `earmark.features.computing.compute`.

        Raises
        ------
        InputError
            If decoding it brought the process down, or this was closed, besides what `compute` raises.
        """
        if self._here is not None:
            return self._here((path, segment))
        block = self._processes.call(path, (path, segment))
        assert isinstance(block, Block)
        return block

    def close(self) -> None:
        """End the processes, those at work, too: who closes this waits for no result any more."""
        self._processes.close()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def computer(setup: _Setup) -> Callable[[tuple[str, Segment]], Block]:
    """Return what computes the features of one path and segment; runs in a process of its own."""
    frontend, parameters, dtype = setup
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EarmarkWarning)  # `earmark.features.extract.describe` has given them
        spectrum: Spectrum = SPECTRA.build(frontend, **parameters)
    return lambda request: compute(request[0], request[1], spectrum, dtype)
