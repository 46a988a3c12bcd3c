"""Compute features in processes of their own, each fed by a thread.

Threads alone lose a quarter on two cores: libsndfile reads its file through callbacks into Python, which one thread at
a time may run. The processes are plain children that talk over pipes: they never run the caller's main module, as those
of `multiprocessing` do, they end when the caller does however it ends, and one that a damaged file kills is replaced.
"""

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping
from typing import Any, BinaryIO

from earmark.audio.spectra import SPECTRA, Spectrum
from earmark.errors import EarmarkError, EarmarkWarning, InputError
from earmark.features.computing import Block, compute
from earmark.features.layout import Segment

_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from earmark.features.workers import serve; serve()"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Workers:
    """Processes that compute features; each starts when it is needed first.

    Parameters
    ----------
    frontend, parameters, dtype : what is computed
    n : how many; with 0 `compute` works in the calling thread
    """

    def __init__(self, frontend: str, parameters: Mapping[str, Any], dtype: str, n: int) -> None:
        self._setup = (frontend, dict(parameters), dtype)
        self._spectrum = _build(frontend, parameters)
        self._closed = threading.Event()
        self._busy: set[_Worker] = set()
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._n = n
        for _ in range(n):
            self._idle.put(None)

    def compute(self, path: str, segment: Segment) -> Block:
        """Compute the features of a file; see `earmark.features.computing.compute`.

        Raises
        ------
        InputError
            If decoding it brought the process down, or this was closed, besides what `compute` raises.
        """
        if not self._n:
            return compute(path, segment, self._spectrum, self._setup[2])
        worker = self._idle.get()
        if self._closed.is_set():
            if worker is not None:
                worker.close()
            self._idle.put(None)  # the next that waits wakes, too
            raise InputError(f"{path}: interrupted")
        again: _Worker | None = None
        try:
            worker = worker or _Worker(self._setup)
            self._busy.add(worker)
            block = worker.compute(path, segment)
            again = worker
        except EarmarkError:
            again = worker
            raise
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if worker is None:
                raise InputError(f"{path}: no process could be started: {error}") from error
            status = worker.close()
            if self._closed.is_set():
                raise InputError(f"{path}: interrupted") from None
            raise InputError(f"{path}: the process that decoded it ended with status {status}") from None
        finally:
            if worker is not None:
                self._busy.discard(worker)
            self._idle.put(again)
            if self._closed.is_set():
                self.close()
        return block

    def close(self) -> None:
        """End the processes, those at work, too: who closes this waits for no result any more."""
        self._closed.set()
        for busy in list(self._busy):
            busy.kill()
        with contextlib.suppress(queue.Empty):
            while True:
                worker = self._idle.get_nowait()
                if worker is not None:
                    worker.close()
        self._idle.put(None)  # a thread that waits, or comes later, finds that this is closed

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class _Worker:
    """A child that runs `serve`."""

    def __init__(self, setup: tuple[str, dict[str, Any], str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
            start_new_session=True,  # an interrupt at the terminal is for the parent
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._back = self._process.stdin, self._process.stdout
        self._send(setup)

    def _send(self, message: object) -> None:
        pickle.dump(message, self._to)
        self._to.flush()

    def compute(self, path: str, segment: Segment) -> Block:
        self._send((path, segment))
        answer = pickle.load(self._back)  # from a process that was started here
        if isinstance(answer, EarmarkError):
            raise answer
        assert isinstance(answer, Block)
        return answer

    def kill(self) -> None:
        """End it at once; the thread that waits for it comes to know."""
        self._process.kill()

    def close(self) -> int:
        """End it; return its status."""
        for pipe in (self._to, self._back):
            with contextlib.suppress(OSError):
                pipe.close()
        return self._process.wait()


def serve() -> None:
    """Compute features for the parent: setup, then requests, come on stdin; answers go to stdout."""
    requests, answers = sys.stdin.buffer, _private_stdout()
    frontend, parameters, dtype = pickle.load(requests)
    spectrum = _build(frontend, parameters)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            path, segment = pickle.load(requests)
            try:
                answer: Block | EarmarkError = compute(path, segment, spectrum, dtype)
            except EarmarkError as error:
                answer = error
            pickle.dump(answer, answers)
            answers.flush()
    os._exit(0)  # the pipes may be gone: nothing is left to flush


def _build(frontend: str, parameters: Mapping[str, Any]) -> Spectrum:
    """Build a front end without the warnings that `earmark.features.extract.describe` has given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EarmarkWarning)
        return SPECTRA.build(frontend, **parameters)


def _private_stdout() -> BinaryIO:
    """Keep stdout for answers; what else writes to it goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers
