"""Requests to an ASGI app message by message: what a client does that sends without end, or slowly, or lies."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any


def scope_of(path: str = "/", *, method: str = "GET", host: str = "127.0.0.1:8337", **headers: str) -> dict[str, Any]:
    """A request; headers are written with underscores."""
    pairs = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs.items()],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8337),
    }


class Answer:
    """What came back."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {key.decode().lower(): value.decode() for key, value in self.messages[0]["headers"]}

    @property
    def plain(self) -> Any:
        return json.loads(b"".join(one.get("body", b"") for one in self.messages[1:]))


def exchange(app: Any, scope: dict[str, Any], parts: AsyncIterator[bytes] | list[bytes] | None = None) -> Answer:
    """Send a request in parts, and return what the app answers."""
    answer = Answer()
    given = _all(parts or []) if not hasattr(parts, "__anext__") else parts

    async def receive() -> dict[str, Any]:
        try:
            return {"type": "http.request", "body": await anext(given), "more_body": True}  # type: ignore[arg-type]
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answer.messages.append(message)

    asyncio.run(app(scope, receive, send))
    return answer


async def _all(parts: Any) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
