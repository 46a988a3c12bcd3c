"""Processes that compute features: closing them leaves no thread behind."""

import threading
from pathlib import Path

from earmark.errors import EarmarkError
from earmark.features.store import Item
from earmark.features.workers import Workers


def _compute_in_threads(workers: Workers, path: Path, n: int) -> tuple[list[threading.Thread], list[str]]:
    ends: list[str] = []

    def run() -> None:
        try:
            workers.compute(str(path), None)
            ends.append("computed")
        except EarmarkError as error:
            ends.append(error.message)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    return threads, ends


def _all_end(threads: list[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(timeout=30)
    return not any(thread.is_alive() for thread in threads)


def test_who_comes_after_the_end_does_not_wait_for_ever(items: list[Item]) -> None:
    path = Path(items[0].path)
    workers = Workers("log_mel", {}, "float16", 2)
    workers.close()
    threads, ends = _compute_in_threads(workers, path, 3)
    assert _all_end(threads)
    assert ends == [f"{path}: interrupted"] * 3


def test_who_waits_for_a_process_when_the_end_comes_is_let_go(items: list[Item]) -> None:
    path = Path(items[0].path)
    workers = Workers("log_mel", {}, "float16", 1)
    threads, ends = _compute_in_threads(workers, path, 4)
    workers.close()
    assert _all_end(threads)
    assert len(ends) == 4
    assert set(ends) <= {"computed", f"{path}: interrupted"}
