"""Fetching files: each source's ways to fail, the mirror, the package index, offline, and many at a time."""

import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from earmark.assets import Asset, PackageSource, UrlSource, cache_dir, fetch, fetch_first, package_index
from earmark.assets.download import Network, Transfer, TransferError, forget_unreachable, open_url
from earmark.assets.package_config import PYPI, IndexConfig, index_config
from earmark.errors import AssetError, EarmarkWarning, UsageError

CONTENT = bytes(range(256)) * 2000
SHA = hashlib.sha256(CONTENT).hexdigest()
WHEEL = "tiny_net-1.0-py3-none-any.whl"

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and none of the settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith(("PIP_", "UV_", "EARMARK_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    forget_unreachable()
    yield tmp_path / "cache"
    forget_unreachable()


class Server:
    """A web server on the loopback address: answers by path, and a list of the requests that came."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
                with contextlib.suppress(ConnectionError):
                    server.answers.get(self.path, missing)(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.host = f"127.0.0.1:{self.httpd.server_address[1]}"
        self.url = f"http://{self.host}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.released.set()
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()

    def add(self, path: str, body: bytes, content_type: str = "application/octet-stream") -> str:
        self.answers[path] = lambda handler: send(handler, body, content_type=content_type)
        return self.url + path


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    *,
    status: int = 200,
    length: int | None = -1,
    content_type: str = "application/octet-stream",
    **headers: str,
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    if length is not None:
        handler.send_header("Content-Length", str(len(body) if length < 0 else length))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def missing(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"no such page", status=404)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """A host that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def failed(*sources: Any, timeout: float = 3.0) -> str:
    """Return the message of the error that fetching from these sources ends in."""
    with pytest.raises(AssetError, match=r"weights\.bin could not be fetched") as caught:
        fetch("weights.bin", sha256=SHA, sources=sources, timeout=timeout)
    return caught.value.message


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


# One address.


def test_fetch_keeps_the_file(server: Server, cache: Path) -> None:
    source, steps = UrlSource(server.add("/w", CONTENT)), []
    path = fetch("weights.bin", sha256=SHA, sources=[source], progress=lambda done, total: steps.append((done, total)))
    assert path == cache / "downloads" / "weights.bin"
    assert path.read_bytes() == CONTENT
    assert leftovers(cache) == ["weights.bin"]
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert fetch("weights.bin", sha256=SHA, sources=[source]) == path
    assert len(server.requests) == 1  # the second time nothing is asked


def test_fetch_into_a_folder(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    path = fetch("weights.bin", sha256=SHA, sources=[UrlSource(server.add("/w", CONTENT))], dest=folder)
    assert path == folder / "weights.bin"


def test_fetch_from_a_file_url(tmp_path: Path) -> None:
    stored = tmp_path / "a file.bin"
    stored.write_bytes(CONTENT)
    assert fetch("weights.bin", sha256=SHA, sources=[UrlSource(stored.as_uri())]).read_bytes() == CONTENT


def test_length_unknown(server: Server) -> None:
    server.answers["/w"] = lambda handler: send(handler, CONTENT, length=None)
    totals: set[int | None] = set()
    fetch(
        "weights.bin", sha256=SHA, sources=[UrlSource(f"{server.url}/w")], progress=lambda _, total: totals.add(total)
    )
    assert totals == {None}


def test_redirect(server: Server) -> None:
    server.add("/there", CONTENT)
    server.answers["/w"] = lambda handler: send(handler, b"", status=302, Location="/there")
    assert fetch("weights.bin", sha256=SHA, sources=[UrlSource(f"{server.url}/w")]).is_file()
    server.answers["/loop"] = lambda handler: send(handler, b"", status=302, Location="/loop")
    assert "HTTP status 302" in failed_of_new_file(f"{server.url}/loop")


def failed_of_new_file(url: str) -> str:
    with pytest.raises(AssetError) as caught:
        fetch("other.bin", sha256=SHA, sources=[UrlSource(url)])
    return caught.value.message


def test_next_source_after_each_way_to_fail(server: Server, closed: str, silent: str, cache: Path) -> None:
    def stall(handler: BaseHTTPRequestHandler) -> None:
        send(handler, CONTENT[:100], length=len(CONTENT))
        handler.wfile.flush()
        server.released.wait(10)

    server.answers["/broken"] = lambda handler: send(handler, CONTENT[:300_000], length=len(CONTENT))
    server.answers["/stall"] = stall
    server.add("/other", b"other")
    server.add("/short", CONTENT[:-1])
    sources: list[Any] = [UrlSource(f"{server.url}/{name}") for name in ("absent", "other", "short", "broken")]
    sources += [UrlSource(f"{closed}/w"), UrlSource(f"{silent}/w"), UrlSource("ftp://127.0.0.1/w")]
    lines = failed(*sources, timeout=1.0).splitlines()[1:]
    assert [line.partition(": ")[0] for line in lines] == [f"  - {source.url}" for source in sources]
    reasons = [line.partition(": ")[2] for line in lines]
    assert reasons[0] == "HTTP status 404 (Not Found)"
    assert reasons[1] == f"wrong content: sha256 {hashlib.sha256(b'other').hexdigest()}, {SHA} expected"
    assert reasons[2].startswith("wrong content")
    assert reasons[3] == f"the connection broke after 300000 of {len(CONTENT)} bytes"
    assert reasons[4].startswith("the host cannot be reached")
    assert reasons[5] == "no answer within 1 s"
    assert reasons[6] == "not an http, https or file URL"
    assert leftovers(cache) == []  # nothing partial stays
    path = fetch("weights.bin", sha256=SHA, sources=[*sources, UrlSource(server.add("/w", CONTENT))], timeout=1.0)
    assert path.read_bytes() == CONTENT

    with pytest.raises(TransferError, match=r"the transfer stalled for 0\.2 s"):
        UrlSource(f"{server.url}/stall").save(cache / "part", "w", SHA, Transfer(stall_timeout=0.2))


def test_slow_transfer_may_go_on(server: Server) -> None:
    """Only the answer has a limit: the body takes longer than `timeout` here."""

    def slow(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"", length=len(CONTENT))
        for start in range(0, len(CONTENT), 128_000):
            time.sleep(0.4)
            handler.wfile.write(CONTENT[start : start + 128_000])

    server.answers["/w"] = slow
    assert fetch("weights.bin", sha256=SHA, sources=[UrlSource(f"{server.url}/w")], timeout=1.0).is_file()


def test_unreachable_host_is_asked_once(silent: str, closed: str) -> None:
    for host in (silent, closed):
        first, second = failed(UrlSource(f"{host}/a"), UrlSource(f"{host}/b"), timeout=0.2).splitlines()[1:]
        assert "did not answer" not in first
        assert second.endswith("did not answer just before")
        assert failed(UrlSource(f"{host}/c")).endswith("did not answer just before")  # without waiting 3 s


def test_redirect_to_an_unreachable_host(server: Server, silent: str) -> None:
    server.answers["/w"] = lambda handler: send(handler, b"", status=302, Location=f"{silent}/w")
    assert "no answer within" in failed(UrlSource(f"{server.url}/w"), timeout=0.2)
    assert "404" in failed(UrlSource(f"{server.url}/absent"))  # the host that redirected is not blamed


def test_name_look_up_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def look_up(*_: object, **__: object) -> list[Any]:
        released.wait(10)
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert "no answer within 0.2 s" in failed(UrlSource("http://hangs.invalid/w"), timeout=0.2)
    released.set()
    assert "the host name is not known" in failed(UrlSource("http://unknown.invalid/w"))


def test_answer_that_comes_too_late_is_closed(server: Server) -> None:
    def late(handler: BaseHTTPRequestHandler) -> None:
        server.released.wait(10)
        send(handler, CONTENT)

    server.answers["/w"] = late
    assert "no answer within" in failed(UrlSource(f"{server.url}/w"), timeout=0.1)
    server.released.set()
    for thread in threading.enumerate():
        if thread.name == "earmark-open-url":
            thread.join()


def test_passwords_go_to_their_host_alone_and_into_no_message(server: Server) -> None:
    login = f"Basic {base64.b64encode(b'me:s/cret').decode()}"
    other = Server()
    try:
        other.add("/w", CONTENT)
        server.answers["/far"] = lambda handler: send(handler, b"", status=302, Location=f"{other.url}/w")
        server.answers["/near"] = lambda handler: send(handler, b"", status=302, Location=f"{server.url}/absent")
        message = failed(UrlSource(f"http://me:s%2Fcret@{server.host}/near"))
        fetch("weights.bin", sha256=SHA, sources=[UrlSource(f"http://me:s%2Fcret@{server.host}/far")])
    finally:
        other.close()
    assert f"http://***@{server.host}/near: HTTP status 404" in message
    assert "cret" not in message
    assert [headers.get("authorization") for _, headers in server.requests] == [login, login, login]
    assert "authorization" not in other.requests[0][1]


# The cache.


def test_damaged_file_in_the_cache_is_replaced(server: Server, cache: Path) -> None:
    stored = cache / "downloads" / "weights.bin"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(CONTENT[:-1])
    assert f"{stored}: another content than expected" in failed()
    fetch("weights.bin", sha256=SHA, sources=[UrlSource(server.add("/w", CONTENT))])
    assert stored.read_bytes() == CONTENT


def test_error_says_how_to_place_the_file(closed: str, cache: Path) -> None:
    with pytest.raises(AssetError) as caught:
        fetch("weights.bin", sha256=SHA, sources=[UrlSource(f"{closed}/w")])
    hint = str(caught.value.hint)
    assert hint.startswith(f"place weights.bin (sha256 {SHA}) in {cache / 'downloads'}, or set EARMARK_MIRROR")
    (cache / "downloads" / "weights.bin").write_bytes(CONTENT)  # the folder is there already
    assert fetch("weights.bin", sha256=SHA, sources=[]).read_bytes() == CONTENT


def test_partial_files_of_killed_processes_are_removed(server: Server, cache: Path) -> None:
    folder = cache / "downloads"
    folder.mkdir(parents=True)
    old, young = folder / ".weights.bin.1.part", folder / ".weights.bin.2.part"
    for part in (old, young):
        part.write_bytes(b"x")
    os.utime(old, (time.time() - 100_000,) * 2)
    fetch("weights.bin", sha256=SHA, sources=[UrlSource(server.add("/w", CONTENT))])
    assert leftovers(cache) == [young.name, "weights.bin"]


def test_cache_that_cannot_be_written(server: Server, cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(AssetError, match="cannot be written to") as caught:
        fetch("weights.bin", sha256=SHA, sources=[UrlSource(server.add("/w", CONTENT))])
    assert "EARMARK_CACHE" in str(caught.value.hint)


def test_cache_dir_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARMARK_CACHE")
    assert "earmark" in cache_dir().parts


def test_asset_checks_its_fields() -> None:
    with pytest.raises(UsageError, match="holds a folder"):
        Asset("../weights.bin", SHA)
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        Asset("weights.bin", SHA.upper())


# Mirror and offline.


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "my mirror"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(CONTENT)
    return folder


@pytest.mark.parametrize("kind", ["folder", "file url", "http url"])
def test_mirror_comes_first(
    kind: str, mirror: Path, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("/mirror/weights.bin", CONTENT)
    places = {"folder": str(mirror), "file url": mirror.as_uri(), "http url": f"{server.url}/mirror/"}
    monkeypatch.setenv("EARMARK_MIRROR", places[kind])
    path = fetch("weights.bin", sha256=SHA, sources=[UrlSource(f"{server.url}/never")])
    assert path == cache / "downloads" / "weights.bin"
    assert "/never" not in [path for path, _ in server.requests]


def test_mirror_that_lacks_the_file(mirror: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_MIRROR", str(mirror))
    (mirror / "weights.bin").write_bytes(b"other")
    assert f"{mirror.as_uri()}/weights.bin: wrong content" in failed()
    (mirror / "weights.bin").unlink()
    assert f"{mirror.as_uri()}/weights.bin: No such file or directory" in failed()
    with pytest.warns(EarmarkWarning, match="EARMARK_MIRROR did not deliver .*No such file"):
        assert fetch("weights.bin", sha256=SHA, sources=[UrlSource(server.add("/w", CONTENT))]).is_file()


def test_offline_uses_no_network(mirror: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    monkeypatch.setenv("EARMARK_MIRROR", f"{server.url}/mirror")
    message = failed(UrlSource(server.add("/w", CONTENT)), PackageSource("tiny-net", "1.0"))
    assert message.count("not tried, EARMARK_OFFLINE is set") == 3
    monkeypatch.setenv("EARMARK_MIRROR", str(mirror))
    assert fetch("weights.bin", sha256=SHA, sources=[]).is_file()
    monkeypatch.setenv("EARMARK_MIRROR", "")
    assert fetch("weights.bin", sha256=SHA, sources=[]).is_file()  # from the cache
    assert server.requests == []


def test_fetch_first(mirror: Path, server: Server, closed: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = Asset("best.bin", "0" * 64, [UrlSource(f"{closed}/best")])
    good = Asset("weights.bin", SHA, [UrlSource(server.add("/w", CONTENT))])
    assert fetch_first([best, good]) == (good, cache / "downloads" / "weights.bin")
    assert fetch_first([best, good])[0] == good  # kept already: no host is asked for the better one
    assert len(server.requests) == 1
    monkeypatch.setenv("EARMARK_MIRROR", str(mirror))
    (cache / "downloads" / "weights.bin").unlink()
    assert fetch_first([best, good])[0] == good  # the mirror is asked for both before any other source
    assert len(server.requests) == 1
    with pytest.raises(AssetError, match=r"best\.bin or other\.bin could not be fetched") as caught:
        fetch_first([best, Asset("other.bin", SHA, [UrlSource(f"{server.url}/absent")])])
    assert len(caught.value.message.splitlines()) == 5
    monkeypatch.setenv("EARMARK_MIRROR", "")
    with pytest.raises(AssetError, match="no source is known"):
        fetch_first([Asset("third.bin", SHA)])


# The package index.


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("wheel") / WHEEL
    info = "tiny_net-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_net/weights", CONTENT)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-net\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path.read_bytes()


def fetch_wheel(wheel: bytes, *, timeout: float = 3.0) -> Path:
    sha256 = hashlib.sha256(wheel).hexdigest()
    return fetch(WHEEL, sha256=sha256, sources=[PackageSource("Tiny.Net", "1.0")], timeout=timeout)


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index, "find_spec", lambda name: None)


def html(*links: str, base: str = "") -> bytes:
    anchors = "".join(f'<a href="{link}" data-requires-python="&gt;=3.7">a file</a><br/>' for link in links)
    return f"<!DOCTYPE html><html><head>{base}<title>Links</title></head><body>{anchors}</body></html>".encode()


@pytest.mark.usefixtures("no_pip")
@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL"])
@pytest.mark.parametrize("kind", ["relative", "absolute", "base", "json", "plain"])
def test_index(kind: str, variable: str, wheel: bytes, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(wheel).hexdigest()
    server.add(f"/files/{WHEEL}", wheel)
    older = f"../../files/tiny_net-0.9-py3-none-any.whl#sha256={SHA}"
    named = f"{WHEEL}#sha256={digest}"
    files = [{"filename": WHEEL, "url": f"../../files/{WHEEL}", "hashes": {"sha256": digest}}]
    pages = {
        "relative": html(older, f"../../files/{named}"),
        "absolute": html(older, f"{server.url}/files/{named}"),
        "base": html(named, base=f'<base href="{server.url}/files/">'),
        "json": json.dumps({"meta": {"api-version": "1.0"}, "name": "tiny-net", "files": files}).encode(),
        "plain": html(older, f"../../files/{WHEEL}"),
    }
    content_type = "application/vnd.pypi.simple.v1+json" if kind == "json" else "text/html"
    server.add("/simple/tiny-net/", pages[kind], content_type)
    monkeypatch.setenv(variable, f"{server.url}/simple")
    if variable == "PIP_EXTRA_INDEX_URL":
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/empty/")
    assert fetch_wheel(wheel).read_bytes() == wheel
    assert "application/vnd.pypi.simple.v1+json" in server.requests[0][1]["accept"]


@pytest.mark.usefixtures("no_pip")
def test_index_with_password(wheel: bytes, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    login = f"Basic {base64.b64encode(b'me:secret').decode()}"

    def guarded(body: bytes) -> Answer:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            if handler.headers.get("Authorization") == login:
                send(handler, body, content_type="text/html")
            else:
                send(handler, b"", status=401)

        return answer

    server.answers["/simple/tiny-net/"] = guarded(html(f"{server.url}/{WHEEL}"))
    server.answers[f"/{WHEEL}"] = guarded(wheel)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    with pytest.raises(AssetError, match="HTTP status 401"):
        fetch_wheel(wheel)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:wrong@{server.host}/simple")
    with pytest.raises(AssetError, match=r"http://\*\*\*@127.*: HTTP status 401"):
        fetch_wheel(wheel)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{server.host}/simple")
    path = fetch_wheel(wheel)
    path.unlink()
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    assert fetch_wheel(wheel) == path


@pytest.mark.usefixtures("no_pip")
@pytest.mark.parametrize("kind", ["index with page", "index without page", "find-links folder", "find-links page"])
def test_index_on_disk(kind: str, wheel: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    package = tmp_path / "index" / "simple" / "tiny-net"
    files = tmp_path / "index" / "files"
    for folder in (package, files):
        folder.mkdir(parents=True)
    page = html(f"../../files/{WHEEL}#sha256={hashlib.sha256(wheel).hexdigest()}")
    (package / "index.html").write_bytes(page)
    (files / WHEEL).write_bytes(wheel)
    if kind == "index without page":
        (package / "index.html").unlink()
        (package / WHEEL).write_bytes(wheel)
    monkeypatch.setenv("PIP_INDEX_URL", f"{closed}/simple")
    if kind.startswith("index"):
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", package.parent.as_uri())
    else:
        monkeypatch.setenv("PIP_FIND_LINKS", str(files if kind.endswith("folder") else package / "index.html"))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert fetch_wheel(wheel).read_bytes() == wheel


@pytest.mark.usefixtures("no_pip")
def test_index_that_does_not_deliver(
    wheel: bytes, server: Server, silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("/a/tiny-net/", html("tiny_net-0.9-py3-none-any.whl"), "text/html")
    server.add("/b/tiny-net/", html(f"{WHEEL}#sha256={SHA}"), "text/html")
    server.add("/c/tiny-net/", html(f"../{WHEEL}"), "text/html")
    server.add(f"/c/{WHEEL}", b"other")
    server.add("/d/tiny-net/", b'{"files": [1]}', "application/json")
    bases = " ".join(f"{server.url}/{name}" for name in "abcde")
    monkeypatch.setenv("PIP_INDEX_URL", f"{silent}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{bases} {tmp_path.as_uri()}/absent")
    with pytest.raises(AssetError) as caught:
        fetch_wheel(wheel, timeout=1.5)
    reasons = caught.value.message.partition("Python package Tiny.Net==1.0: ")[2].split("; ")
    expected = {
        f"{server.url}/a/tiny-net/: it has no {WHEEL}",
        f"{server.url}/b/tiny-net/: it has another {WHEEL} (sha256 {SHA})",
        f"{server.url}/c/tiny-net/: wrong content: sha256 {hashlib.sha256(b'other').hexdigest()}, "
        f"{hashlib.sha256(wheel).hexdigest()} expected",
        f"{server.url}/d/tiny-net/: its page is no valid JSON of PEP 691 ('int' object is not subscriptable)",
        f"{server.url}/e/tiny-net/: HTTP status 404 (Not Found)",
        f"{tmp_path.as_uri()}/absent/tiny-net/: No such file or directory",
        f"{silent}/simple/tiny-net/: no answer within 1.5 s",
    }
    assert set(reasons) == expected


@pytest.mark.usefixtures("no_pip")
def test_index_does_not_wait_for_the_slowest(
    wheel: bytes, server: Server, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("/simple/tiny-net/", html(WHEEL), "text/html")
    server.add(f"/simple/tiny-net/{WHEEL}", wheel)
    monkeypatch.setenv("PIP_INDEX_URL", f"{silent}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{server.url}/simple")
    assert fetch_wheel(wheel, timeout=30).is_file()


def test_pip_where_the_index_alone_does_not_do(
    wheel: bytes, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index shows its page to pip alone, as one does whose password a keyring holds."""

    def page(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("User-Agent", "").startswith("pip"):
            send(handler, html(f"../{WHEEL}"), content_type="text/html")
        else:
            send(handler, b"", status=401)

    server.answers["/simple/tiny-net/"] = page
    server.add(f"/simple/{WHEEL}", wheel)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    assert fetch_wheel(wheel).read_bytes() == wheel
    assert leftovers(cache) == [WHEEL]
    del server.answers["/simple/tiny-net/"]
    (cache / "downloads" / WHEEL).unlink()
    with pytest.raises(AssetError, match=r"HTTP status 404.*; pip: No matching distribution found for Tiny\.Net==1\.0"):
        fetch_wheel(wheel)


def test_pip_is_not_started_for_an_unreachable_index(
    wheel: bytes, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{closed}/simple")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("pip was started"))
    with pytest.raises(AssetError, match="the host cannot be reached"):
        fetch_wheel(wheel)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script")
def test_pip_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(TransferError, match=r"no progress for 0\.2 s"):
        package_index._save_by_pip("tiny-net==1.0", tmp_path / "part", WHEEL, Transfer(stall_timeout=0.2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["python"]
    with pytest.raises(TransferError, match="would run the package's setup"):
        package_index._save_by_pip("tiny-net==1.0", tmp_path / "part", "tiny_net-1.0.tar.gz", Transfer())


# Configuration of pip and uv.


def config(environ: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch) -> IndexConfig:
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(sys, "prefix", str(home / "venv"))
    return index_config({"XDG_CONFIG_DIRS": str(home / "etc"), **environ})


@pytest.mark.skipif(sys.platform == "win32", reason="the places of Windows differ")
def test_pip_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda path: path.exists() and path.is_relative_to(tmp_path))
    assert config({}, tmp_path, monkeypatch) == IndexConfig((PYPI,), (), Network(use_netrc=True))
    texts = {
        "etc/pip/pip.conf": "[global]\nindex-url = https://machine/simple\ncert = /machine.pem\n",
        ".config/pip/pip.conf": "[global]\nindex_url = https://user/simple\nextra-index-url =\n  https://a/\n  https://b/\n",
        "venv/pip.conf": "[global]\ntrusted-host = Intern:80\n[download]\nproxy = http://proxy:1\n",
        "own.conf": "[global]\nindex-url = https://own/simple\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = config({}, tmp_path, monkeypatch)
    assert found.indexes == ("https://user/simple", "https://a/", "https://b/")
    assert found.network == Network("/machine.pem", "http://proxy:1", frozenset({"intern:80"}), use_netrc=True)
    found = config({"PIP_CONFIG_FILE": str(tmp_path / "own.conf")}, tmp_path, monkeypatch)
    assert found.indexes == ("https://own/simple",)  # in place of the user's file
    assert found.network.proxy == "http://proxy:1"
    assert config({"PIP_CONFIG_FILE": os.devnull}, tmp_path, monkeypatch).indexes == (PYPI,)
    found = config({"PIP_INDEX_URL": "https://env", "PIP_FIND_LINKS": "/a /b"}, tmp_path, monkeypatch)
    assert found.indexes[0] == "https://env"
    assert found.find_links == ("/a", "/b")
    assert config({"PIP_NO_INDEX": "true"}, tmp_path, monkeypatch).indexes == ()
    (tmp_path / "own.conf").write_text("no section")
    with pytest.raises(TransferError, match=r"own\.conf cannot be read"):
        config({"PIP_CONFIG_FILE": str(tmp_path / "own.conf")}, tmp_path, monkeypatch)


def test_uv_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "uv.toml"
    environ = {"PIP_CONFIG_FILE": os.devnull, "UV_CONFIG_FILE": str(file)}
    file.write_text('extra-index-url = ["https://extra"]\nfind-links = ["/links"]\n[[index]]\nurl = "https://more"\n')
    found = config(environ, tmp_path, monkeypatch)
    assert found.indexes == (PYPI, "https://extra", "https://more")
    assert found.find_links == ("/links",)
    file.write_text('[[index]]\nname = "a"\nurl = "https://a"\ndefault = true\n')
    assert config(environ, tmp_path, monkeypatch).indexes == ("https://a",)
    file.write_text('index-url = "https://old"\n')
    assert config(environ, tmp_path, monkeypatch).indexes == ("https://old",)
    variables = {"UV_DEFAULT_INDEX": "main=https://env/?a=b", "UV_INDEX": "https://x/?a=b y=https://y"}
    found = config(environ | variables | {"UV_FIND_LINKS": "/a,/b"}, tmp_path, monkeypatch)
    assert found.indexes == ("https://env/?a=b", "https://x/?a=b", "https://y")
    assert found.find_links == ("/a", "/b")
    file.write_text("not toml")
    with pytest.raises(TransferError, match=r"uv\.toml cannot be read"):
        config(environ, tmp_path, monkeypatch)


def test_proxy_of_the_package_configuration(server: Server) -> None:
    server.add("http://elsewhere.invalid/w", CONTENT)  # a proxy is asked for the whole address
    with open_url("http://elsewhere.invalid/w", Transfer(network=Network(proxy=server.url))) as response:
        assert response.read() == CONTENT


# Many at a time.


def test_many_threads_and_processes(server: Server, cache: Path) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"", length=len(CONTENT))
        for start in range(0, len(CONTENT), 100_000):
            handler.wfile.write(CONTENT[start : start + 100_000])
            time.sleep(0.01)

    server.answers["/w"] = slow
    sources = [UrlSource(f"{server.url}/w")]
    code = (
        "from earmark.assets import UrlSource, fetch\n"
        f"fetch('weights.bin', sha256={SHA!r}, sources=[UrlSource({server.url + '/w'!r})], timeout=30)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(fetch, "weights.bin", sha256=SHA, sources=sources, timeout=30) for _ in range(8)]
        assert {task.result().read_bytes() for task in tasks} == {CONTENT}
    assert [process.wait() for process in processes] == [0, 0]
    assert leftovers(cache) == ["weights.bin"]
