"""Downloads of datasets: resumed, verified, unpacked safely, refused in words."""

import contextlib
import errno
import hashlib
import http.client
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from earmark.assets import resuming
from earmark.assets.download import Transfer, TransferError, forget_unreachable
from earmark.assets.resuming import part_path, receive
from earmark.datasets import downloading, magnatagatune
from earmark.datasets.base import DatasetInfo, Remote
from earmark.datasets.downloading import LOCK, RECORD, download, read_record
from earmark.datasets.unpacking import unpack
from earmark.errors import AssetError, InputError, UsageError
from earmark.files import lock_for_writing

CONTENT = bytes(range(256)) * 4000


class File:
    """What the server has under a path, and how it misbehaves."""

    def __init__(self, content: bytes, *, etag: str | None = '"one"', modified: str | None = None) -> None:
        self.content, self.etag, self.modified = content, etag, modified
        self.ranges = True
        self.redirect: str | None = None
        self.statuses: list[int] = []  # answered first
        self.breaks: list[int] = []  # after so many bytes of the body, one per answer
        self.length = True


class Server:
    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.requests: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                server.requests.append((self.path, self.headers.get("Range")))
                with contextlib.suppress(ConnectionError):
                    server.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        file = self.files.get(handler.path)
        if file is None:
            handler.send_error(404)
            return
        if file.statuses:
            handler.send_error(file.statuses.pop(0))
            return
        if file.redirect:
            handler.send_response(302)
            handler.send_header("Location", file.redirect)
            handler.end_headers()
            return
        asked, begin = handler.headers.get("Range"), 0
        same = handler.headers.get("If-Range") in (None, file.etag, file.modified)
        if asked and file.ranges and same:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(file.content):
                handler.send_error(416)
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {begin}-{len(file.content) - 1}/{len(file.content)}")
        else:
            handler.send_response(200)
        if file.etag:
            handler.send_header("ETag", file.etag)
        if file.modified:
            handler.send_header("Last-Modified", file.modified)
        body = file.content[begin:]
        if file.length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: file.breaks.pop(0)] if file.breaks else body)

    def close(self) -> None:
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("EARMARK_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(resuming, "WAIT", 0.0)
    forget_unreachable()
    yield
    forget_unreachable()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


class Catalogue:
    """Lets `download("toy", ...)` find a dataset with these remotes."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.monkeypatch = server, monkeypatch

    def __call__(self, *remotes: Remote, **facts: str) -> DatasetInfo:
        info = replace(magnatagatune.INFO, name="toy", title="Toy", remotes=remotes, **facts)
        self.monkeypatch.setattr(downloading, "dataset_info", lambda name: info)
        return info

    def remote(self, name: str, content: bytes, **facts: object) -> Remote:
        self.server.files[f"/{name}"] = File(content)
        return Remote(name, f"{self.server.url}/{name}", **facts)  # type: ignore[arg-type]


@pytest.fixture
def toy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    return Catalogue(server, monkeypatch)


# One file -------------------------------------------------------------------------------------------------------------


def fetch(server: Server, part: Path) -> resuming.Received:
    return receive(f"{server.url}/f", part, Transfer(), algorithms=("sha256", "md5"))


def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files["/f"] = File(CONTENT)
    server.files["/f"].breaks = [400_000, 300_000]
    done: list[tuple[int, int | None]] = []
    transfer = Transfer(progress=lambda n, total: done.append((n, total)))
    received = receive(f"{server.url}/f", tmp_path / "f.part", transfer)
    assert (tmp_path / "f.part").read_bytes() == CONTENT
    assert received.digests == {"sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert [asked for _, asked in server.requests] == [None, "bytes=400000-", "bytes=700000-"]
    assert done[-1] == (len(CONTENT), len(CONTENT))
    assert [n for n, _ in done] == sorted(n for n, _ in done)
    assert not list(tmp_path.glob("*.json"))


def interrupted(server: Server, part: Path) -> None:
    """Leave half a file, as a killed process does."""
    file = server.files["/f"]
    later = 0 if file.etag or file.modified else 400_000  # without either every attempt begins anew
    file.breaks = [400_000] + [later] * resuming.ATTEMPTS
    with pytest.raises(TransferError, match="400000 of 1024000 bytes"):
        fetch(server, part)
    server.files["/f"].breaks = []
    assert part.stat().st_size == 400_000
    server.requests.clear()


@pytest.mark.parametrize(("etag", "modified"), [('"v"', None), (None, "Tue, 01 Feb 2022 10:00:00 GMT")])
def test_another_process_goes_on(server: Server, tmp_path: Path, etag: str | None, modified: str | None) -> None:
    part = tmp_path / "f.part"
    server.files["/f"] = File(CONTENT, etag=etag, modified=modified)
    interrupted(server, part)
    received = fetch(server, part)
    assert server.requests == [("/f", "bytes=400000-")]
    assert (received.n_bytes, received.n_resumed) == (len(CONTENT), 400_000)
    assert received.digests["md5"] == hashlib.md5(CONTENT).hexdigest()


@pytest.mark.parametrize("change", ["no ranges", "changed", "changed, no if-range", "shorter", "no validator"])
def test_what_cannot_go_on_begins_anew(server: Server, tmp_path: Path, change: str) -> None:
    part, file = tmp_path / "f.part", File(CONTENT)
    server.files["/f"] = file
    file.etag = None if change == "no validator" else file.etag
    interrupted(server, part)
    if change == "no ranges":
        file.ranges = False
    elif change.startswith("changed"):
        file.content, file.etag = CONTENT[::-1], '"two"'
        if change.endswith("if-range"):  # a server that ignores it, and sends the rest of another file
            file.modified = '"one"'
    elif change == "shorter":
        file.content, file.modified = b"short", '"one"'
    received = fetch(server, part)
    assert part.read_bytes() == file.content
    assert received.n_resumed == 0
    assert received.digests["sha256"] == hashlib.sha256(file.content).hexdigest()


def test_a_complete_part_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "f.part"
    server.files["/f"] = File(CONTENT)
    interrupted(server, part)
    part.write_bytes(CONTENT)
    assert fetch(server, part).n_bytes == len(CONTENT)
    assert not server.requests


def test_a_part_of_another_address_is_not_taken(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "f.part"
    server.files["/f"] = server.files["/g"] = File(CONTENT)
    interrupted(server, part)
    receive(f"{server.url}/g", part, Transfer())
    assert server.requests == [("/g", None)]
    part.write_bytes(b"who knows what this is")
    fetch(server, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1, "validator": "", "n_bytes": null}'])
def test_a_damaged_note_is_no_note(server: Server, tmp_path: Path, note: str) -> None:
    part = tmp_path / "f.part"
    server.files["/f"] = File(CONTENT)
    interrupted(server, part)
    (tmp_path / "f.part.json").write_text(note)
    fetch(server, part)
    assert server.requests == [("/f", None)]
    assert part.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(server: Server, tmp_path: Path) -> None:
    server.files["/f"] = File(CONTENT)
    server.files["/f"].statuses = [503, 429]
    assert fetch(server, tmp_path / "f.part").n_bytes == len(CONTENT)
    assert len(server.requests) == 3
    server.files["/f"].statuses = [403]
    with pytest.raises(TransferError, match="HTTP status 403"):
        fetch(server, tmp_path / "g.part")
    assert len(server.requests) == 4
    server.files["/f"].statuses = [503] * 20
    with pytest.raises(TransferError, match="HTTP status 503"):
        fetch(server, tmp_path / "h.part")
    assert len(server.requests) == 4 + resuming.ATTEMPTS


def test_redirections_keep_the_range(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "f.part"
    server.files["/f"] = File(CONTENT)
    server.files["/f"].redirect = f"{server.url}/real"
    server.files["/real"] = File(CONTENT)
    server.files["/real"].breaks = [100_000]
    fetch(server, part)
    assert server.requests[-1] == ("/real", "bytes=100000-")
    assert part.read_bytes() == CONTENT


def test_a_server_that_does_not_say_how_long(server: Server, tmp_path: Path) -> None:
    server.files["/f"] = File(CONTENT)
    server.files["/f"].length = False
    assert fetch(server, tmp_path / "f.part").n_bytes == len(CONTENT)


def test_no_space(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/f"] = File(CONTENT)
    monkeypatch.setattr(resuming.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"1\.0 MB are to come, 0\.0 MB are free"):
        fetch(server, tmp_path / "f.part")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_keeps_what_came(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/f"] = File(CONTENT)

    def full(done: int, total: int | None) -> None:
        if done > 300_000:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"f\.part: cannot be written: No space left"):
        receive(f"{server.url}/f", tmp_path / "f.part", Transfer(progress=full))
    assert fetch(server, tmp_path / "f.part").n_resumed > 300_000
    assert (tmp_path / "f.part").read_bytes() == CONTENT


# A dataset ------------------------------------------------------------------------------------------------------------


def test_files_come_to_their_places(toy: Catalogue, tmp_path: Path) -> None:
    archive = zipped({"0/a.mp3": b"aaa", "1/b c.mp3": b"bb"})
    labels = toy.remote("labels.csv", b"id\ttag\n", into="meta/deep")
    toy(labels, toy.remote("audio.zip", archive, checksum=md5(archive), kind="audio", unpack=True, into="mp3"))
    told: list[str] = []
    done = download("toy", tmp_path / "new" / "root", progress=lambda label, *_: told.append(label))
    root = tmp_path / "new" / "root"
    assert (root / "meta/deep/labels.csv").read_bytes() == b"id\ttag\n"
    assert (root / "mp3/0/a.mp3").read_bytes() == b"aaa"
    assert (root / "mp3/1/b c.mp3").read_bytes() == b"bb"
    assert not (root / "audio.zip").exists()
    assert [file.outcome for file in done.files] == ["fetched", "fetched"]
    assert [file.verified for file in done.files] == [None, True]
    assert "no published checksum" in done.files[0].note
    assert done.unpacked == {"audio.zip": 2}
    assert list(dict.fromkeys(told)) == [
        "fetching meta/deep/labels.csv", "fetching audio.zip", "unpacking audio.zip",
    ]  # fmt: skip
    record = json.loads((root / RECORD).read_text())
    assert record["files"]["meta/deep/labels.csv"]["sha256"] == hashlib.sha256(b"id\ttag\n").hexdigest()
    assert not list(root.rglob("*.part*"))
    assert not (root / LOCK).exists()


def test_what_is_there_is_not_fetched_again(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    archive = zipped({"a.mp3": b"aaa"})
    toy(
        toy.remote("one.csv", b"one", checksum=md5(b"one")),
        toy.remote("two.csv", b"two"),
        toy.remote("a.zip", archive, unpack=True),
    )
    download("toy", tmp_path)
    server.requests.clear()
    done = download("toy", tmp_path)
    assert not server.requests
    assert [file.outcome for file in done.files] == ["kept", "kept", "unpacked before"]
    assert [file.verified for file in done.files[:2]] == [True, None]
    (tmp_path / "one.csv").write_bytes(b"damaged")
    (tmp_path / "two.csv").write_bytes(b"changed")
    assert [file.outcome for file in download("toy", tmp_path).files] == ["fetched", "fetched", "unpacked before"]
    assert (tmp_path / "two.csv").read_bytes() == b"two"
    (tmp_path / "a.mp3").unlink()
    server.requests.clear()
    download("toy", tmp_path, again=True, keep_archives=True)
    assert [path for path, _ in server.requests] == ["/one.csv", "/two.csv", "/a.zip"]
    assert (tmp_path / "a.mp3").exists()
    assert (tmp_path / "a.zip").exists()


def test_a_file_put_there_by_hand(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    """It is used and stays, and its content is compared if it can be."""
    archive = zipped({"a.mp3": b"aaa"})
    toy(toy.remote("a.zip", archive, checksum=md5(archive), unpack=True), toy.remote("b.csv", b"b", n_bytes=1))
    (tmp_path / "a.zip").write_bytes(archive)
    (tmp_path / "b.csv").write_bytes(b"x")
    done = download("toy", tmp_path)
    assert [file.outcome for file in done.files] == ["kept", "kept"]
    assert "no published checksum" in done.files[1].note
    assert (tmp_path / "a.zip").exists()
    assert (tmp_path / "a.mp3").exists()
    (tmp_path / "b.csv").write_bytes(b"another length")
    assert download("toy", tmp_path).files[1].outcome == "fetched"


def test_kinds(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    toy(toy.remote("a.csv", b"a"), toy.remote("b.mp3", b"b", kind="audio"))
    download("toy", tmp_path, kind="labels")
    assert [path for path, _ in server.requests] == ["/a.csv"]
    download("toy", tmp_path, kind="audio")
    assert [path for path, _ in server.requests] == ["/a.csv", "/b.mp3"]
    with pytest.raises(UsageError, match="kind='label'"):
        download("toy", tmp_path, kind="label")  # type: ignore[arg-type]


def test_files_are_chosen_by_name_or_pattern(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    pieces = [toy.remote(f"x.zip.{i}", b"", unpack=True, joins="x.zip", kind="audio") for i in (1, 2)]
    toy(toy.remote("a_small.csv", b"a"), toy.remote("a_large.csv", b"b"), toy.remote("b.csv", b"b", into="b"), *pieces)
    download("toy", tmp_path, only=("*_small*", "b/b.csv"))
    assert [path for path, _ in server.requests] == ["/a_small.csv", "/b.csv"]
    server.requests.clear()
    with pytest.raises(InputError, match=r"x\.zip: the archive is damaged"):
        download("toy", tmp_path, only=["x.zip.2"])
    assert [path for path, _ in server.requests] == ["/x.zip.1", "/x.zip.2"]
    with pytest.raises(UsageError, match="has no file 'c'") as error:
        download("toy", tmp_path, only=["c"])
    assert error.value.hint == "there are a_small.csv, a_large.csv, b/b.csv, x.zip.1, x.zip.2"


def test_files_of_one_name_in_two_folders(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    server.files |= {"/0/train.tsv": File(b"zero"), "/1/train.tsv": File(b"one")}
    toy(*(Remote("train.tsv", f"{server.url}/{i}/train.tsv", into=f"split-{i}") for i in (0, 1)))
    for _ in range(2):
        done = download("toy", tmp_path)
        assert [file.name for file in done.files] == ["split-0/train.tsv", "split-1/train.tsv"]
    assert [file.outcome for file in done.files] == ["kept", "kept"]
    assert [file.note for file in done.files] == ["as it came"] * 2
    assert (tmp_path / "split-0" / "train.tsv").read_bytes() == b"zero"
    assert (tmp_path / "split-1" / "train.tsv").read_bytes() == b"one"


def test_wrong_content_does_not_take_the_name(toy: Catalogue, tmp_path: Path) -> None:
    toy(
        toy.remote("a.csv", b"evil", checksum=md5(b"good")), toy.remote("b.csv", b"b"), toy.remote("c", b"c", n_bytes=9)
    )
    with pytest.raises(AssetError, match="2 of 3 files") as error:
        download("toy", tmp_path)
    assert f"wrong content: {md5(b'evil').replace(':', ' ')}, {md5(b'good')[4:]} expected" in error.value.message
    assert "1 bytes, 9 expected" in error.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECORD, "b.csv"]


def test_halves_that_do_not_belong_together_are_fetched_anew(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    toy(toy.remote("f", CONTENT, checksum=md5(CONTENT)))
    server.files["/f"].breaks = [400_000] + [0] * resuming.ATTEMPTS
    with pytest.raises(AssetError):
        download("toy", tmp_path)
    server.files["/f"].breaks = []
    part = part_path(tmp_path / "f")
    part.write_bytes(b"x" * 400_000)
    assert download("toy", tmp_path).files[0].verified
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_killed_download_goes_on(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    toy(toy.remote("f", CONTENT))

    def stop(label: str, done: int, total: int | None) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("toy", tmp_path, progress=stop)
    assert not (tmp_path / "f").exists()
    [file] = download("toy", tmp_path).files
    assert file.n_resumed > 300_000
    assert server.requests[-1][1] == f"bytes={file.n_resumed}-"
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_missing_file_is_named_and_the_others_come(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    toy(toy.remote("a.csv", b"a"), toy.remote("b.csv", b"b"))
    del server.files["/a.csv"]
    with pytest.raises(AssetError, match=r"1 of 2 files of toy(.|\n)*a\.csv: .*HTTP status 404") as error:
        download("toy", tmp_path)
    assert "EARMARK_MIRROR" in (error.value.hint or "")
    assert (tmp_path / "b.csv").exists()


def test_mirrors_come_first(toy: Catalogue, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(toy.remote("a.csv", b"a", checksum=md5(b"a")), toy.remote("b.csv", b"b"), toy.remote("c.csv", b"c"))
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "a.csv").write_bytes(b"wrong")
    (tmp_path / "mirror" / "a.csv").write_bytes(b"a")
    (tmp_path / "mirror" / "toy" / "b.csv").write_bytes(b"b")
    monkeypatch.setenv("EARMARK_MIRROR", str(tmp_path / "mirror"))
    download("toy", tmp_path / "root")
    assert [path for path, _ in server.requests] == ["/c.csv"]
    assert (tmp_path / "root" / "a.csv").read_bytes() == b"a"
    server.requests.clear()
    server.files["/mirror/toy/a.csv"] = File(b"a")
    monkeypatch.setenv("EARMARK_MIRROR", f"{server.url}/mirror")
    download("toy", tmp_path / "other", kind="labels")
    assert [path for path, _ in server.requests][:4] == [
        "/mirror/toy/a.csv", "/mirror/toy/b.csv", "/mirror/b.csv", "/b.csv",
    ]  # fmt: skip


def test_offline_asks_nobody(toy: Catalogue, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(toy.remote("a.csv", b"a"))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    with pytest.raises(AssetError, match="EARMARK_OFFLINE is set"):
        download("toy", tmp_path / "root")
    assert not server.requests
    (tmp_path / "a.csv").write_bytes(b"a")
    monkeypatch.setenv("EARMARK_MIRROR", str(tmp_path))
    assert download("toy", tmp_path / "root").files[0].outcome == "fetched"


def test_no_legal_download(toy: Catalogue, tmp_path: Path) -> None:
    toy(no_download="the label forbids it", how_to_get="ask the authors")
    with pytest.raises(InputError, match="toy: there is no download: the label forbids it") as error:
        download("toy", tmp_path / "root")
    assert error.value.hint == "ask the authors"
    assert not (tmp_path / "root").exists()
    toy(toy.remote("a.csv", b"a"), no_download="the label forbids it")
    with pytest.raises(InputError, match="audio of toy: there is no download"):
        download("toy", tmp_path, kind="audio")
    assert download("toy", tmp_path).notes == ("no download of the audio: the label forbids it",)
    assert download("toy", tmp_path, kind="labels").notes == ()


def test_consent(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    toy(toy.remote("a.csv", b"a"), consent="for research only")
    with pytest.raises(UsageError, match="Toy: for research only") as error:
        download("toy", tmp_path)
    assert "--accept" in (error.value.hint or "")
    assert not server.requests
    assert download("toy", tmp_path, accept=True).files


def test_space_is_looked_at_before(
    toy: Catalogue, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy(toy.remote("a.csv", b"a", n_bytes=3_000_000_000_000_000))
    with pytest.raises(InputError, match=r"3,000,000\.00 GB are to come"):
        download("toy", tmp_path)
    assert not server.requests


def test_one_process_at_a_time(toy: Catalogue, tmp_path: Path) -> None:
    toy(toy.remote("a.csv", b"a"))
    with (tmp_path / LOCK).open("ab") as file:
        assert lock_for_writing(file)
        with pytest.raises(InputError, match="another process"):
            download("toy", tmp_path)
    assert download("toy", tmp_path).files


def test_a_root_that_cannot_be(toy: Catalogue, tmp_path: Path) -> None:
    toy(toy.remote("a.csv", b"a"))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        download("toy", tmp_path / "file")


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    for text in ("", "[]", '{"files": 1}', '{"files": {"a": 1}}'):
        (tmp_path / RECORD).write_text(text)
        assert read_record(tmp_path) == {}


# Archives -------------------------------------------------------------------------------------------------------------


def test_pieces_are_joined(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    whole = zipped({f"{i}/{i}.mp3": bytes([i]) * 5000 for i in range(10)})
    cuts = [0, 7, 20_000, len(whole) - 5, len(whole)]
    remotes = [
        toy.remote(f"mp3.zip.00{i + 1}", whole[a:b], unpack=True, joins="mp3.zip", into="mp3", kind="audio")
        for i, (a, b) in enumerate(pairwise(cuts))
    ]
    toy(*remotes)
    last = server.files.pop("/mp3.zip.004")
    with pytest.raises(AssetError):
        download("toy", tmp_path)
    assert not (tmp_path / "mp3").exists()
    server.files["/mp3.zip.004"] = last
    assert download("toy", tmp_path).unpacked == {"mp3.zip": 10}
    assert (tmp_path / "mp3/7/7.mp3").read_bytes() == b"\7" * 5000
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECORD, "mp3"]


def test_unpacking_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"one": b"1", "two": b"22", "three": b"333"}))
    out = tmp_path / "out"
    out.mkdir()
    (out / "one").write_bytes(b"x")  # complete, as far as its size tells
    (out / "two").write_bytes(b"2")
    assert unpack([tmp_path / "a.zip"], out) == (3, 2)
    assert (out / "one").read_bytes() == b"x"
    assert (out / "two").read_bytes() == b"22"


def tarred(mode: str, entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(tmp_path: Path, mode: str) -> None:
    name = f"a.tar.{mode[2:]}".rstrip(".")
    entries = [(entry("./d/ä.txt"), b"text"), (entry("d/copy", tarfile.LNKTYPE, "./d/ä.txt"), b"")]
    (tmp_path / name).write_bytes(tarred(mode, entries))
    assert unpack([tmp_path / name], tmp_path / "out") == (2, 2)
    assert (tmp_path / "out/d/ä.txt").read_bytes() == b"text"
    assert (tmp_path / "out/d/copy").read_bytes() == b"text"
    assert not (tmp_path / "out/d/copy").is_symlink()
    assert unpack([tmp_path / name], tmp_path / "out") == (2, 0)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil", "a/..\\..\\evil"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_path_leaves_the_folder(tmp_path: Path, name: str, kind: str) -> None:
    content = zipped({name: b"x"}) if kind == "zip" else tarred("w", [(entry(name), b"x")])
    (tmp_path / f"a.{kind}").write_bytes(content)
    with pytest.raises(InputError, match="leads out of the folder"):
        unpack([tmp_path / f"a.{kind}"], tmp_path / "out")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / f"a.{kind}"]


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    for kind, link in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "../x"), (tarfile.FIFOTYPE, "")):
        (tmp_path / "a.tar").write_bytes(tarred("w", [(entry("evil", kind, link), b"")]))
        with pytest.raises(InputError, match=r"link out of the archive|is no file"):
            unpack([tmp_path / "a.tar"], tmp_path / "out")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link_entry = zipfile.ZipInfo("evil")
        link_entry.external_attr = 0o120777 << 16
        archive.writestr(link_entry, "/etc/passwd")
    (tmp_path / "a.zip").write_bytes(made.getvalue())
    with pytest.raises(InputError, match="link or device"):
        unpack([tmp_path / "a.zip"], tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_damaged_archives(tmp_path: Path, kind: str) -> None:
    files = {"good": b"g" * 1000, "bad": bytes(range(256)) * 40}
    mode = "w:gz" if kind == "tar.gz" else "w"
    whole = zipped(files) if kind == "zip" else tarred(mode, [(entry(n), c) for n, c in files.items()])
    target = tmp_path / f"a.{kind}"
    for damaged in (b"", b"rubbish", whole[: len(whole) // 2]):
        target.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            unpack([target], tmp_path / "out")
    assert not (tmp_path / "out" / "bad").exists()
    if kind == "zip":
        at = whole.index(bytes(range(256))) + 5
        target.write_bytes(whole[:at] + b"?" + whole[at + 1 :])
        with pytest.raises(InputError, match="CRC"):
            unpack([target], tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]
    (tmp_path / "a.rar").write_bytes(whole)
    with pytest.raises(InputError, match="not an archive"):
        unpack([tmp_path / "a.rar"], tmp_path / "out")


def test_a_damaged_archive_of_a_dataset_stays_for_another_try(toy: Catalogue, tmp_path: Path) -> None:
    toy(toy.remote("a.zip", b"rubbish", unpack=True))
    with pytest.raises(InputError, match=r"a\.zip: the archive is damaged"):
        download("toy", tmp_path)
    assert (tmp_path / "a.zip").exists()


def test_no_space_to_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a": b"x" * 5000}))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(InputError, match="are free"):
        unpack([tmp_path / "a.zip"], tmp_path / "out")


def test_http_is_what_the_server_speaks(server: Server) -> None:
    """The server of these tests honours If-Range: else the tests above would show nothing."""
    server.files["/f"] = File(b"0123456789")
    for validator, status in (('"one"', 206), ('"other"', 200)):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        connection.request("GET", "/f", headers={"Range": "bytes=5-", "If-Range": validator})
        assert connection.getresponse().status == status
        connection.close()


def test_archives_within_an_archive(toy: Catalogue, server: Server, tmp_path: Path) -> None:
    """As a collection has one archive per instrument; other archives of the user's are left alone."""
    inner = {"flute.zip": zipped({"flute/a.mp3": b"a", "flute/b.mp3": b"b"}), "horn.zip": zipped({"horn/c.mp3": b"c"})}
    content = zipped({f"all/{name}": data for name, data in inner.items()} | {"all/read me.txt": b"x"})
    info = toy(toy.remote("all.zip", content, kind="audio", unpack=True, inner="*.zip"))
    (tmp_path / "mine.zip").write_bytes(b"mine")
    done = download(info.name, tmp_path)
    assert dict(done.unpacked) == {"all.zip": 4}
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"all/flute/a.mp3", "all/flute/b.mp3", "all/horn/c.mp3", "all/read me.txt", "mine.zip"} <= found
    assert not {"all/flute.zip", "all/horn.zip", "all.zip"} & found
    n_requests = len(server.requests)
    download(info.name, tmp_path)
    assert len(server.requests) == n_requests, "unpacked before"


def test_a_damaged_archive_within_an_archive_is_named(toy: Catalogue, tmp_path: Path) -> None:
    info = toy(toy.remote("all.zip", zipped({"all/flute.zip": b"PK no zip"}), kind="audio", unpack=True, inner="*.zip"))
    with pytest.raises(InputError, match=r"all/flute\.zip: the archive is damaged"):
        download(info.name, tmp_path)
