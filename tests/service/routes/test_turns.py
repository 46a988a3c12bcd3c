"""Work in turns: so much at a time, errors told, and no seat given away while work goes on."""

import asyncio
import threading

import pytest

from earmark.errors import InputError
from earmark.service.routes.turns import Turns
from earmark.service.state import Service


def test_one_at_a_time_also_when_somebody_leaves(service: Service) -> None:
    begun: list[int] = []
    may_end = [threading.Event(), threading.Event()]

    def work(i: int) -> int:
        begun.append(i)
        assert may_end[i].wait(5)
        return i

    async def ask() -> int:
        turns = Turns(service)
        first, second = asyncio.create_task(turns.run(work, 0)), asyncio.create_task(turns.run(work, 1))
        while not begun:
            await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.sleep(0.02)
        assert first.cancelled()
        assert begun == [0]  # though nobody waits for it, it goes on
        may_end[0].set()
        may_end[1].set()
        return await second

    assert asyncio.run(ask()) == 1
    assert begun == [0, 1]


def test_errors_are_told(service: Service) -> None:
    def work() -> None:
        raise InputError("no")

    async def ask() -> None:
        turns = Turns(service, 2)
        for _ in range(3):
            with pytest.raises(InputError, match="no"):
                await turns.run(work)

    asyncio.run(ask())
