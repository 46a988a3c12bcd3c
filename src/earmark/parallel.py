"""Run a function over many items, several at a time, results in order. Knows nothing of music."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import TypeVar

from earmark.errors import UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cpu_count() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep products on the thread that asks for them, if threadpoolctl is there, which comes with scikit-learn."""
    try:
        limits = import_module("threadpoolctl").threadpool_limits
    except ImportError:
        yield
        return
    with limits(limits=1, user_api="blas"):
        yield


def map_ordered(function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int) -> Iterator[Result]:
    """Yield function(item) for every item in order, computed by `jobs` threads.

    Parameters
    ----------
    function : called from several threads; what it raises is raised here
    items : taken as they are needed, at most 2 * jobs ahead of what was yielded
    jobs : number of threads, at least 1

    Raises
    ------
    UsageError
        If `jobs` is less than 1.

    Notes
    -----
    When the iterator is closed early, items that wait are dropped; those under way end in the background.

    Examples
    --------
    >>> list(map_ordered(abs, [-3, 2, -1], jobs=2))
    [3, 2, 1]
    """
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}, expected 1 or more")
    return _map(function, items, jobs)


def _map(function: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="earmark-job")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            while waiting and (len(waiting) >= 2 * jobs or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
