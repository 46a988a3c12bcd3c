"""What all requests of a service share: its settings, the catalogue, and threads for work that takes its time."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from earmark.library.facade import Library
from earmark.service.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
N_THREADS = 16


class Service:
    """A running service.

    Parameters
    ----------
    settings : what it was told
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._library: Library | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="earmark-serve")

    def library(self) -> Library:
        """Return the catalogue; an empty one is begun if there is none."""
        with self._lock:
            if self._library is None:
                self._library = Library(self.settings.library, create=True)
            return self._library

    async def run(self, work: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Do work that takes its time in a thread, so that other requests go on."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **options))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
