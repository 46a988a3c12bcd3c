"""Work in processes of their own, each fed by a thread of the caller. Knows nothing of music.

The processes are plain children that talk over pipes: they never run the caller's main module, as those of
`multiprocessing` do, they end when the caller does however it ends, and one that a damaged file kills is replaced.
"""

import contextlib
import importlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from earmark.errors import EarmarkError, InputError

_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from earmark.processes import serve; serve()"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Processes:
    """Children that answer requests; each starts when it is needed first.

    Parameters
    ----------
    service : "package.module:function": called once in every child with `setup`, it returns what answers a request
    setup : what the service is made with; can be pickled
    n : how many children

    Notes
    -----
    The libraries that compute have one thread in each child.
    """

    def __init__(self, service: str, setup: Any, n: int) -> None:
        self._setup = (service, setup)
        self._closed = threading.Event()
        self._busy: set[_Child] = set()
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(n):
            self._idle.put(None)

    @property
    def n_busy(self) -> int:
        """How many are at work."""
        return len(self._busy)

    def call(self, name: str, request: Any) -> Any:
        """Let a child answer a request; waits until one is free. May be called from several threads.

        Parameters
        ----------
        name : what the request is about, for errors
        request : can be pickled

        Raises
        ------
        InputError
            If answering brought the child down, or this was closed.
        EarmarkError
            What the service raised.
        """
        child = self._idle.get()
        if self._closed.is_set():
            if child is not None:
                child.close()
            self._idle.put(None)  # the next that waits wakes, too
            raise InputError(f"{name}: interrupted")
        again: _Child | None = None
        try:
            child = child or _Child(self._setup)
            self._busy.add(child)
            answer = child.call(request)
            again = child
        except EarmarkError:
            again = child
            raise
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if child is None:
                raise InputError(f"{name}: no process could be started: {error}") from error
            status = child.close()
            if self._closed.is_set():
                raise InputError(f"{name}: interrupted") from None
            raise InputError(f"{name}: the process that decoded it ended with status {status}") from None
        finally:
            if child is not None:
                self._busy.discard(child)
            self._idle.put(again)
            if self._closed.is_set():
                self.close()
        return answer

    def close(self) -> None:
        """End the children, those at work, too: who closes this waits for no answer any more."""
        self._closed.set()
        for busy in list(self._busy):
            busy.kill()
        with contextlib.suppress(queue.Empty):
            while True:
                child = self._idle.get_nowait()
                if child is not None:
                    child.close()
        self._idle.put(None)  # a thread that waits, or comes later, finds that this is closed

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class _Child:
    """A process that runs `serve`."""

    def __init__(self, setup: tuple[str, Any]) -> None:
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

    def call(self, request: Any) -> Any:
        self._send(request)
        answer = pickle.load(self._back)  # from a process that was started here
        if isinstance(answer, EarmarkError):
            raise answer
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
    """Answer the parent: the service, then requests, come on stdin; answers go to stdout."""
    requests, answers = sys.stdin.buffer, _private_stdout()
    with contextlib.suppress(EOFError, BrokenPipeError):
        service, setup = pickle.load(requests)
        answer_one = _answer(lambda setup: _find(service)(setup), setup)  # an error is told to who asks first
        while True:
            request = pickle.load(requests)
            pickle.dump(answer_one if isinstance(answer_one, EarmarkError) else _answer(answer_one, request), answers)
            answers.flush()
    os._exit(0)  # the pipes may be gone: nothing is left to flush


def _answer(function: Callable[[Any], Any], request: Any) -> Any:
    """Call a function; what it raises is the answer, too."""
    try:
        return function(request)
    except EarmarkError as error:
        return error
    except Exception as error:  # noqa: BLE001 (kept and reported: one request never stops the others)
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})"
        return EarmarkError(what, hint="a defect of earmark or of a decoder: please report it")


def _find(service: str) -> Callable[[Any], Callable[[Any], Any]]:
    module, name = service.split(":")
    found: Callable[[Any], Callable[[Any], Any]] = getattr(importlib.import_module(module), name)
    return found


def _private_stdout() -> BinaryIO:
    """Keep stdout for answers; what else writes to it goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers
