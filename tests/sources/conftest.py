"""A service on this machine that answers as it is told, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from earmark.sources.http import Api


@dataclass
class Asked:
    """A request that came: names of headers in lower case."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]


@dataclass
class Reply:
    """What is answered: plain data as JSON, or bytes as they are.

    `seconds` pass before the answer; `cut` sends that many bytes of it only, and breaks the connection.
    """

    data: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cut: int | None = None


class Server:
    """A service. `answers` maps paths to a reply, to a list of replies of which the last stays, or to a function."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Reply | list[Reply] | Callable[[Asked], Reply]] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, parts.path, dict(parse_qsl(parts.query)), dict(parse_qsl(body)), headers)
        self.asked.append(asked)
        reply = self.reply_to(asked)
        content = reply.data if isinstance(reply.data, bytes) else json.dumps(reply.data).encode()
        time.sleep(reply.seconds)
        try:
            handler.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content if reply.cut is None else content[: reply.cut])
        except (BrokenPipeError, ConnectionResetError):
            pass
        handler.close_connection = handler.close_connection or reply.cut is not None

    def reply_to(self, asked: Asked) -> Reply:
        wanted = self.answers.get(asked.path)
        if wanted is None:
            return Reply({"error": "not found"}, status=404)
        if isinstance(wanted, list):
            return wanted.pop(0) if len(wanted) > 1 else wanted[0]
        return wanted if isinstance(wanted, Reply) else wanted(asked)

    def close(self) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


class Time:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def passing() -> Time:
    return Time()


@pytest.fixture
def api(server: Server, passing: Time) -> Api:
    """A client of the service above that waits for nobody."""
    return Api("Test", server.url, sleep=passing.sleep, clock=passing.clock, draw=lambda: 0.0)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep answers and secrets of the user out of the tests, and the other way round."""
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_SECRETS", str(tmp_path / "secrets.toml"))
