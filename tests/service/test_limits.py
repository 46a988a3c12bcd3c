"""Limits: how often, how much, how long; for clients that say so and for those that do not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from earmark.service.errors import TooOften
from earmark.service.limits import MOST_PLAIN, Limits, RateLimit, address_of

from .asgi import exchange, scope_of


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(1, 50), st.lists(st.floats(0, 10), min_size=1, max_size=60))
def test_no_client_gets_more_than_its_rate(rate: int, waits: list[float]) -> None:
    clock = Clock()
    limit = RateLimit(rate, clock=clock)
    answered = 0
    for wait in waits:
        clock.now += wait
        answered += limit.take("a") == 0
    assert answered <= rate + rate * clock.now / 60 + 1e-6
    clock.now += 60
    assert limit.take("a") == 0


def test_waiting_as_long_as_was_said_is_enough() -> None:
    clock = Clock()
    limit = RateLimit(7, clock=clock)
    while not (wait := limit.take("a")):
        pass
    clock.now += wait
    assert limit.take("a") == 0
    with pytest.raises(TooOften, match="too many requests") as caught:
        limit.check("a")
    assert caught.value.headers()["Retry-After"] == str(caught.value.retry_after)


def test_clients_that_are_many_are_forgotten() -> None:
    limit = RateLimit(1)
    for i in range(10_050):
        limit.take(str(i))
    assert len(limit._buckets) == 10_000
    assert RateLimit(0).take("a") == 0


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3::7", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("testclient", 1), "testclient"),
        (None, "unknown"),
    ],
)
def test_a_client_is_its_address(client: Any, name: str) -> None:
    assert address_of({"client": client}) == name


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """Read the request to its end, then answer."""
    n = 0
    while True:
        message = await receive()
        n += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(n).encode()})


async def swallowing(scope: Any, receive: Any, send: Any) -> None:
    """Make a wrong answer of whatever reading raises, as frameworks do."""
    try:
        await reading(scope, receive, send)
    except Exception:  # noqa: BLE001
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


async def endless(sent: list[int]) -> AsyncIterator[bytes]:
    while True:
        sent[0] += 65536
        yield b"x" * 65536


@pytest.mark.parametrize("app", [reading, swallowing])
@pytest.mark.parametrize(
    ("kind", "most"), [("application/json", MOST_PLAIN), ("multipart/form-data; boundary=x", 200_000)]
)
def test_what_never_ends_is_cut_off(app: Any, kind: str, most: int) -> None:
    sent = [0]
    limits = Limits(app, most_upload=200_000, timeout=5)
    answer = exchange(limits, scope_of(method="POST", content_type=kind), endless(sent))
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
    assert "too large" in answer.plain["error"]
    assert most <= sent[0] < most + 200_000


def test_what_is_announced_as_too_large_is_not_read() -> None:
    sent = [0]
    limits = Limits(reading, most_upload=200_000, timeout=5)
    scope = scope_of(method="POST", content_type="multipart/form-data", content_length="900000")
    assert exchange(limits, scope, endless(sent)).status == 413
    assert sent[0] == 0


def test_a_request_has_one_end() -> None:
    sent = [0]
    scope = scope_of(method="POST", content_length="5", transfer_encoding="chunked")
    answer = exchange(Limits(reading, most_upload=200_000, timeout=5), scope, endless(sent))
    assert (answer.status, answer.headers["connection"], sent[0]) == (400, "close", 0)


def test_what_fits_goes_through() -> None:
    limits = Limits(reading, most_upload=200_000, timeout=5)
    scope = scope_of(method="POST", content_type="multipart/form-data")
    assert exchange(limits, scope, [b"x" * 100_000] * 2).plain == 200_000


def test_slow_answers_are_given_up() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    answer = exchange(Limits(slow, most_upload=1, timeout=0.02), scope_of())
    assert answer.status == 504
    assert answer.plain["error"] == "no answer within 0.02 s"


def test_requests_that_hardly_move_are_given_up() -> None:
    async def drops() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    answer = exchange(Limits(reading, most_upload=10_000, timeout=0.05), scope_of(method="POST"), drops())
    assert (answer.status, answer.headers["content-type"]) == (408, "application/json")


def test_uploads_that_move_get_the_time_they_need() -> None:
    async def steps() -> AsyncIterator[bytes]:
        for _ in range(10):
            await asyncio.sleep(0.01)
            yield b"x" * 65536  # a second's worth

    scope = scope_of(method="POST", content_type="multipart/form-data")
    assert exchange(Limits(reading, most_upload=10**7, timeout=0.05), scope, steps()).plain == 655_360


def test_an_answer_that_has_begun_may_take_its_time() -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.06)
        await send({"type": "http.response.body", "body": b"1"})

    assert exchange(Limits(stream, most_upload=1, timeout=0.02), scope_of()).plain == 1


def test_a_timeout_of_the_app_is_its_own() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise TimeoutError("of a socket")

    with pytest.raises(TimeoutError, match="of a socket"):
        exchange(Limits(broken, most_upload=1, timeout=5), scope_of())


def test_clients_are_told_to_wait(make_client: Callable[..., TestClient]) -> None:
    client = make_client(rate=3)
    answers = [client.get("/v1/models") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert answers[-1].json()["error"] == "too many requests"
    assert client.get("/healthz").status_code == 200


def test_bodies_are_limited_where_the_framework_reads_them(client: TestClient) -> None:
    def parts() -> Any:
        for _ in range(40):
            yield b" " * 65536

    answer = client.post("/v1/playlist", content=parts(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["hint"] == "split it, or send less"
