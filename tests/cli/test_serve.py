"""`earmark serve`: it says where it listens, answers, ends when told to; tokens are shown once."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import typer

pytest.importorskip("fastapi")
pytest.importorskip("lancedb")

from earmark.cli import serve
from earmark.errors import InputError, MissingExtraError, UnknownNameError, UsageError
from earmark.service.settings import Settings

Call = Callable[..., tuple[str, str]]
PROGRAM = "import typer; from earmark.cli import serve; p = typer.Typer(); serve.register(p); p(standalone_mode=False)"
OPENER = build_opener(ProxyHandler({}))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the group as a program of its own; return what stands on stdout and stderr."""
    program = typer.Typer()
    serve.register(program)

    @program.command("other")
    def other() -> None: ...

    def run(*arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        typer.main.get_command(program).main(["serve", *arguments], standalone_mode=False)
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


def test_tokens(call: Call, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    shown, words = call("token", "add", "kitchen radio", "--data", data)
    token = shown.strip()
    assert token.startswith("earmark_")
    assert "not shown again" in words
    assert token not in (tmp_path / "data" / "tokens.json").read_text()
    listed, _ = call("token", "list", "--data", data)
    assert listed.startswith("kitchen radio\t20")
    assert token not in listed
    assert json.loads(call("token", "list", "--data", data, "--json")[0])["name"] == "kitchen radio"
    with pytest.raises(UsageError, match="there is a token"):
        call("token", "add", "kitchen radio", "--data", data)
    with pytest.raises(UnknownNameError, match="no token 'kitchen'"):
        call("token", "remove", "kitchen", "--data", data)
    call("token", "remove", "kitchen radio", "--data", data)
    assert call("token", "list", "--data", data) == ("", "")


def test_a_worker_is_told_what_the_service_is(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.service.jobs import worker

    told: list[object] = []

    def work(settings: Settings, *, on_ready: Callable[[str], None], n_workers: int) -> None:
        told.extend([settings.music, settings.workers, settings.preset, n_workers])
        on_ready("a table")

    monkeypatch.setattr(worker, "work", work)
    options = ["--music", str(tmp_path), "--data", str(tmp_path / "data"), "--workers", "3", "--jobs", "1"]
    _, words = call("worker", *options)
    assert told == [(tmp_path.resolve(),), 3, "standard", 1]
    assert words == "waiting for jobs in a table\n"


@pytest.mark.parametrize(
    ("options", "may"),
    [
        ((), True),
        (("--read-only",), False),
        (("--host", "::1"), True),
        (("--host", "0.0.0.0"), False),
        (("--host", "0.0.0.0", "--may-write"), True),
        (("--host", "example.org"), False),
    ],
)
def test_who_may_write(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], may: bool
) -> None:
    from earmark.service import serving

    told: list[bool] = []

    def run(settings: Settings, *, on_ready: Callable[[str], None], access_log: bool) -> None:
        told.append(settings.may_write)

    monkeypatch.setattr(serving, "serve", run)
    call(*options, "--data", str(tmp_path / "data"))
    assert told == [may]


def test_app_passwords(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    data = str(tmp_path / "data")
    shown, words = call("password", "add", "anna", "--data", data)
    assert "not shown again" in words
    assert call("password", "list", "--data", data)[0] == "anna\n"
    assert call("password", "list", "--data", data, "--json")[0] == '{"name": "anna"}\n'
    kept = "".join(one.read_text() for one in (tmp_path / "data").iterdir())
    assert shown.strip() not in kept
    call("password", "remove", "anna", "--data", data)
    assert call("password", "list", "--data", data) == ("", "")
    with pytest.raises(UsageError):
        call("password", "remove", "anna", "--data", data)


def test_tokens_lie_where_the_environment_says(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_SERVICE", str(tmp_path / "own"))
    call("token", "add", "radio")
    assert (tmp_path / "own" / "tokens.json").is_file()


def test_what_cannot_be(call: Call, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    with pytest.raises(InputError, match="there is no such folder of music"):
        call("--music", str(tmp_path / "nothing"), *data)
    with pytest.raises(UnknownNameError, match="there is no preset 'ful'"):
        call("--preset", "ful", *data)
    with pytest.raises(typer.BadParameter):
        call("--port", "99999", *data)


def test_a_missing_extra_is_named(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "earmark.service.serving", None)
    monkeypatch.setattr(serve, "_missing", lambda error: MissingExtraError("the service", "serve"))
    with pytest.raises(MissingExtraError, match=r"needs the extra \[serve\]"):
        call("--data", str(tmp_path))


def test_whose_fault_a_failed_import_is() -> None:
    assert isinstance(serve._missing(ImportError("no", name="uvicorn.config")), MissingExtraError)
    own = ImportError("a defect", name="earmark.service.gone")
    assert serve._missing(own) is own
    said = MissingExtraError("the catalogue", "library")
    assert serve._missing(said) is said


def _sent(where: str, data: bytes) -> bytes:
    """Send bytes as they are, and return what comes back until the connection ends."""
    host, port = where.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):  # it may be cut off while data is under way
            connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
        return answer


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_it_listens_answers_and_ends(call: Call, tmp_path: Path) -> None:
    data, library = str(tmp_path / "data"), str(tmp_path / "library")
    arguments = ["serve", "--host", "0.0.0.0", "--port", "0", "--data", data, "--library", library, "--access-log"]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        where = process.stdout.readline().strip().replace("0.0.0.0", "127.0.0.1")
        assert json.load(OPENER.open(f"{where}/healthz", timeout=10)) == {"status": "ok"}
        with pytest.raises(HTTPError, match="401"):
            OPENER.open(f"{where}/v1/tracks", timeout=10)
        headers = {"Authorization": f"Bearer {call('token', 'add', 'radio', '--data', data)[0].strip()}"}
        answer = OPENER.open(Request(f"{where}/v1/tracks?secret=hunter2", headers=headers), timeout=10)
        assert json.load(answer) == {"tracks": [], "total": 0, "next": None}
        endless = _sent(where, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 200_000)
        assert endless[:10] in (b"", b"HTTP/1.1 4")  # nothing, where the answer came while more was sent
        process.send_signal(signal.SIGTERM)
        output, words = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output) == (0, "")
    assert "GET /v1/tracks 200" in words
    assert "hunter2" not in words
    assert "Traceback" not in words
    assert "earmark serve token add NAME" in words
