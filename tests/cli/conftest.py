"""A small library of music, made here, and two ways to call the program: in this process, and as a user does."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
import soundfile

from earmark.cli.app import run


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process."""

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        return Answer(status, *capsys.readouterr())

    return call


@pytest.fixture
def program() -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """Run the program as a process of its own."""

    def call(*arguments: object, **options: object) -> "subprocess.CompletedProcess[bytes]":
        command = [
            sys.executable,
            "-m",
            "earmark",
            *(os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments),
        ]
        return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)  # type: ignore[call-overload,no-any-return]

    return call


@contextmanager
def json_service(answer: Callable[[str, dict[str, str]], tuple[int, Any]]) -> Iterator[str]:
    """Let a service on this machine answer in JSON; gives its address.

    `answer` makes status and data of the path and the query of a request; None is an empty answer.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, data = answer(parts.path, dict(parse_qsl(parts.query)))
            content = b"" if data is None else json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def tone(seconds: float, pitch: float) -> np.ndarray:
    time = np.arange(round(seconds * 16000)) / 16000
    beats = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * time)
    return (0.3 * beats * (np.sin(2 * np.pi * pitch * time) + 0.3 * np.sin(4 * np.pi * pitch * time))).astype("float32")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Three tracks, two of them in a folder, and one that is none."""
    folder = tmp_path / "music"
    (folder / "more").mkdir(parents=True)
    for i, name in enumerate(("a.wav", "b.wav", "more/c.flac")):
        soundfile.write(folder / name, tone(4 + i, 220 * (i + 1)), 16000)
    (folder / "broken.mp3").write_text("this is a letter, not a song", encoding="utf-8")
    return folder
