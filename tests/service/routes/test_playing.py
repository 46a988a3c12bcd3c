"""What players need of a track: its file whole and in parts, how loud it is, its picture; nothing of other files."""

import asyncio
import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from earmark.library.store import Store
from earmark.service.errors import TookTooLong, TooLarge
from earmark.service.routes import waveforms
from earmark.service.state import Service

from ...library.conftest import track_id

BYTES = bytes(range(256)) * 4


def url(i: int, what: str = "audio") -> str:
    return f"/v1/tracks/{track_id(i)}/{what}"


def test_a_file_whole_and_in_parts(client: TestClient, music: Path) -> None:
    (music / "3.mp3").write_bytes(BYTES)
    answer = client.get(url(3))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, BYTES, "audio/mpeg")
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/v1/tracks/Title 3/audio").content == BYTES
    for given, first, last in (("bytes=100-199", 100, 199), ("bytes=1000-", 1000, 1023), ("bytes=-24", 1000, 1023),
                               ("bytes=1000-9999", 1000, 1023), ("bytes=-9999", 0, 1023)):  # fmt: skip
        part = client.get(url(3), headers={"Range": given})
        assert (part.status_code, part.content) == (206, BYTES[first : last + 1]), given
        assert part.headers["content-range"] == f"bytes {first}-{last}/1024"
    for given in ("bytes=5-2", "bytes=-", "bytes", "lines=1-2", "bytes=0-1,5-6", f"bytes={'9' * 30}-", "x" * 1000):
        whole = client.get(url(3), headers={"Range": given})
        assert (whole.status_code, whole.content) == (200, BYTES), given
    for given in ("bytes=1024-", "bytes=5000-6000", "bytes=-0"):
        behind = client.get(url(3), headers={"Range": given})
        assert (behind.status_code, behind.headers["content-range"]) == (416, "bytes */1024"), given
        assert set(behind.json()) == {"error", "hint"}


def test_what_the_client_has_is_not_sent_again(client: TestClient, music: Path) -> None:
    (music / "3.mp3").write_bytes(BYTES)
    tag = client.get(url(3)).headers["etag"]
    again = client.get(url(3), headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    head = client.head(url(3))
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "1024")
    os.utime(music / "3.mp3", (1, 1))
    changed = client.get(url(3), headers={"if-none-match": tag, "range": "bytes=0-1", "if-range": tag})
    assert (changed.status_code, changed.content) == (200, BYTES)


def test_another_file_stands_in_with_its_own_type(client: TestClient, music: Path, library_address: str) -> None:
    (music / "copy.flac").write_bytes(BYTES)
    files = [{"path": os.fsencode(music / name), "size": 1, "mtime_ns": 1} for name in ("3.mp3", "copy.flac")]
    Store(library_address).put("tracks", [{"id": track_id(3), "files": files}])
    answer = client.get(url(3))
    assert (answer.content, answer.headers["content-type"]) == (BYTES, "audio/flac")


def test_nothing_else_is_given_away(client: TestClient, music: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp3"
    secret.write_bytes(b"secret")
    (music / "0.mp3").symlink_to(secret)  # leads out of the folders of music
    os.mkfifo(music / "1.mp3")
    (music / "2.mp3").mkdir()
    for what in ("audio", "waveform", "cover"):
        for i in range(4):
            answer = client.get(url(i, what))
            assert answer.status_code == 404
            assert answer.json()["hint"]
            assert "secret" not in answer.text
        for name in ("nothing", "%2e%2e%2fsecret.mp3", str(secret).replace("/", "%2f"), "f" * 32):
            assert client.get(f"/v1/tracks/{name}/{what}").status_code == 404


def song(path: Path, samples: NDArray[np.float32], rate: int = 8000) -> Path:
    soundfile.write(path, samples, rate, format="WAV", subtype="FLOAT")
    return path


def test_peaks_are_the_highest_samples_of_any_channel(client: TestClient, music: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (80_000, 2)).astype(np.float32)
    samples[1234] = (0.1, -1.5)  # beyond what can be played
    song(music / "5.mp3", samples)
    answer = client.get(url(5, "waveform"), params={"n": 50})
    assert answer.json()["duration"] == 10.0
    expected = np.abs(samples).max(axis=1).reshape(50, -1).max(axis=1)
    assert np.allclose(answer.json()["peaks"], np.minimum(expected, 1.0), atol=6e-5)
    assert answer.json()["peaks"][0] == 1.0
    assert len(client.get(url(5, "waveform")).json()["peaks"]) == 800
    tag = answer.headers["etag"]
    again = client.get(url(5, "waveform"), params={"n": 50}, headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    song(music / "5.mp3", samples[:8000])
    changed = client.get(url(5, "waveform"), params={"n": 50}, headers={"if-none-match": tag})
    assert changed.json()["duration"] == 1.0


@pytest.mark.parametrize("n_samples", [1, 3, 799, 65_536, 65_537, 131_073, 300_001])
@pytest.mark.parametrize("n", [1, 800, 4000])
def test_every_sample_counts_once(n_samples: int, n: int) -> None:
    folding = waveforms.Folding()
    values = np.random.default_rng(n_samples).random(n_samples).astype(np.float32)
    for start in range(0, n_samples, 10_007):
        folding.add(values[start : start + 10_007])
    found = waveforms.Envelope(1.0, folding.bins(), folding.n_bins).peaks(n)
    assert len(found) == n
    assert max(found) == round(float(values.max()), 4)
    if n_samples > 65_536:
        assert len(folding.bins()) > 32_768
        edges = np.linspace(0, n_samples, n + 1)
        bin_length = n_samples / folding.n_bins
        for i in range(0, n, 37):  # right but for a bin on either side
            inner = values[int(edges[i] + bin_length) : int(edges[i + 1] - bin_length)].max()
            outer = values[max(int(edges[i] - bin_length), 0) : int(edges[i + 1] + bin_length) + 1].max()
            assert inner - 1e-4 <= found[i] <= outer + 1e-4


@pytest.mark.parametrize("n", [0, 4001, "x"])
def test_numbers_of_peaks_that_cannot_be(still: TestClient, n: object) -> None:
    assert still.get(url(5, "waveform"), params={"n": n}).status_code == 422


def test_what_cannot_be_drawn(make_client: Callable[..., TestClient], music: Path) -> None:
    client = make_client(most_seconds=2.0)
    song(music / "1.mp3", np.zeros(24_000, np.float32))
    (music / "2.mp3").write_bytes(b"no audio at all")
    assert client.get(url(1, "waveform")).status_code == 413
    assert client.get(url(2, "waveform")).status_code == 400
    song(music / "1.mp3", np.zeros(16_000, np.float32))
    assert client.get(url(1, "waveform"), params={"n": 2}).json() == {"duration": 2.0, "peaks": [0.0, 0.0]}


def test_files_that_claim_less_than_they_hold_are_given_up(
    service: Service, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = song(music / "1.wav", np.zeros(24_000, np.float32))
    monkeypatch.setattr(waveforms, "check_audio", lambda path, most: None)  # as if the header had lied
    with pytest.raises(TooLarge, match="more than"):
        waveforms.read_envelope(str(path), "song", 2.0, threading.Event())
    stop = threading.Event()
    stop.set()
    with pytest.raises(TookTooLong, match="nobody waits"):
        waveforms.read_envelope(str(path), "song", 20.0, stop)


def test_two_at_a_time_and_each_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, calls = 0, 0, []
    lock = threading.Lock()

    def read(path: str, name: str, most_seconds: float, stop: threading.Event) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            calls.append(path)
        time.sleep(0.02)
        with lock:
            running -= 1
        return waveforms.Envelope(1.0, np.ones(1, np.float32), 1.0)

    monkeypatch.setattr(waveforms, "read_envelope", read)

    async def ask() -> int:
        made = waveforms.Waveforms(service)
        names = [str(i) for i in range(5)] * 2
        await asyncio.gather(*(made.envelope(name, (name, 1, 1), name) for name in names))
        await made.envelope("0", ("0", 1, 1), "0")
        return len(made._running)

    assert asyncio.run(ask()) == 0
    assert most == 2
    assert sorted(calls) == ["0", "1", "2", "3", "4"]


def test_work_ends_when_nobody_waits(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Event] = []

    def read(path: str, name: str, most_seconds: float, stop: threading.Event) -> Any:
        begun.append(stop)
        if len(begun) == 1:
            assert stop.wait(5)
            raise TookTooLong("nobody waits for it any more")
        return waveforms.Envelope(1.0, np.ones(1, np.float32), 1.0)

    monkeypatch.setattr(waveforms, "read_envelope", read)

    async def ask() -> float:
        made = waveforms.Waveforms(service)
        one, other = (asyncio.create_task(made.envelope("a", ("a", 1, 1), "a")) for _ in range(2))
        while not begun:
            await asyncio.sleep(0.001)
        one.cancel()
        await asyncio.sleep(0.01)
        assert not begun[0].is_set()  # another waits still
        other.cancel()
        await asyncio.sleep(0.01)
        assert begun[0].is_set()
        return (await made.envelope("a", ("a", 1, 1), "a")).duration  # begun anew, not with what was given up

    assert asyncio.run(ask()) == 1.0


def test_pictures(client: TestClient, music: Path) -> None:
    image = pytest.importorskip("PIL.Image")

    made = io.BytesIO()
    image.new("RGB", (60, 40), "red").save(made, "JPEG")
    (music / "4.mp3").write_bytes(BYTES)
    assert client.get(url(4, "cover")).status_code == 404
    (music / "cover.jpg").write_bytes(made.getvalue())
    answer = client.get(url(4, "cover"))
    assert (answer.content, answer.headers["content-type"]) == (made.getvalue(), "image/jpeg")
    tag = answer.headers["etag"]
    assert client.get(url(4, "cover"), headers={"if-none-match": tag}).status_code == 304
    small = client.get(url(4, "cover"), params={"size": 30})
    assert image.open(io.BytesIO(small.content)).size == (30, 20)
    assert client.get(url(4, "cover"), params={"size": 0}).status_code == 422
