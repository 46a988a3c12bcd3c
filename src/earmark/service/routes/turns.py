"""Work that is done a few at a time: whoever comes next waits, and nobody who leaves lets another begin too early."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from earmark.service.state import Service

P = ParamSpec("P")
R = TypeVar("R")


class Turns:
    """Does work in threads, so much of it at a time.

    Parameters
    ----------
    service : whose threads
    most : at a time
    """

    def __init__(self, service: Service, most: int = 1) -> None:
        self._service = service
        self._seats = asyncio.Semaphore(most)

    async def run(self, work: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Do work when its turn has come; it goes on to its end although whoever asked has left."""

        async def in_turn() -> R:
            async with self._seats:
                return await self._service.run(work, *args, **options)

        task = asyncio.create_task(in_turn())
        task.add_done_callback(_seen)
        return await asyncio.shield(task)


def _seen(task: "asyncio.Task[R]") -> None:
    """Take an error note that nobody waited for; whoever waited was told."""
    if not task.cancelled():
        task.exception()
