"""Hearing for requests: a queue with an end, audio with an end, and a stop when nobody waits."""

import asyncio
import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio.io import write
from earmark.errors import InputError
from earmark.service import hearing as module
from earmark.service.errors import TooBusy, TooLarge
from earmark.service.hearing import Hearing, check_audio
from earmark.service.metrics import Metrics
from earmark.service.settings import Settings

from .listener import FakeTagger, put

QUIET = np.zeros(8000 * 600, np.float32)  # ten minutes


@pytest.fixture(scope="module")
def long_flac(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Ten minutes in a few kilobytes."""
    file = io.BytesIO()
    soundfile.write(file, QUIET, 8000, format="FLAC")
    return file.getvalue()


def announcing(flac: bytes, n_samples: int) -> bytes:
    """A FLAC file that says of itself that it holds so many samples; 0 for not known."""
    field = int.from_bytes(flac[18:26], "big") >> 36 << 36 | n_samples
    return flac[:18] + field.to_bytes(8, "big") + flac[26:]


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    write(path, np.sin(np.arange(32000) / 9).astype(np.float32) / 2, 16000)
    return path


def make(settings: Settings, **options: object) -> tuple[Hearing, FakeTagger, Metrics]:
    metrics = Metrics()
    hearing = Hearing(replace(settings, **options), metrics)  # type: ignore[arg-type]
    return hearing, put(hearing), metrics


async def hear(hearing: Hearing, source: object) -> object:
    async with hearing.seat() as seat:
        return await hearing.tag(seat, source)  # type: ignore[arg-type]


def test_a_file_is_heard_and_counted(settings: Settings, tone: Path) -> None:
    hearing, _, metrics = make(settings)
    tags = asyncio.run(hear(hearing, tone))
    assert tags.duration == 2.0  # type: ignore[attr-defined]
    assert "earmark_audio_seconds_total 2.0" in metrics.text().decode()
    assert "earmark_queue_length 0.0" in metrics.text().decode()
    hearing.close()


def test_too_long_by_its_own_word(settings: Settings, long_flac: bytes) -> None:
    hearing, fake, _ = make(settings, most_seconds=60.0)
    assert len(long_flac) < 100_000
    with pytest.raises(TooLarge, match="more than 60 s of audio"):
        asyncio.run(hear(hearing, io.BytesIO(long_flac)))
    assert fake.n_blocks == 0
    hearing.close()


@pytest.mark.parametrize("announced", [0, 8000])
def test_too_long_whatever_it_says(settings: Settings, long_flac: bytes, announced: int) -> None:
    """A tiny file decodes to more than it tells of: what comes out decides."""
    hearing, fake, metrics = make(settings, most_seconds=60.0)
    source = io.BytesIO(announcing(long_flac, announced))
    if announced:
        try:
            tags = asyncio.run(hear(hearing, source))
            assert tags.duration <= 60  # type: ignore[attr-defined]
        except (TooLarge, InputError):
            pass
    else:
        with pytest.raises(TooLarge, match="more than 60 s of audio"):
            asyncio.run(hear(hearing, source))
    assert fake.n_blocks <= 8
    assert metrics.speed() < 1e6
    hearing.close()


def test_headers_that_claim_what_no_music_has(tmp_path: Path) -> None:
    wide, fast, slow = (tmp_path / f"{name}.wav" for name in ("wide", "fast", "slow"))
    soundfile.write(wide, np.zeros((100, 500), np.float32), 48000)
    soundfile.write(fast, np.zeros(100, np.float32), 2_000_000_000)
    soundfile.write(slow, np.zeros(50, np.float32), 1)
    for path in (wide, fast, slow):
        with pytest.raises(InputError, match="which no music has"):
            check_audio(path, 60)


def test_what_is_no_audio(settings: Settings) -> None:
    hearing, _, _ = make(settings)
    for data in (b"", b"%PDF-1.7", b"\0" * 1000, b"RIFF\xff\xff\xff\xffWAVEfmt ", b"OggS" + b"\xff" * 100):
        with pytest.raises(InputError):
            asyncio.run(hear(hearing, io.BytesIO(data)))
    hearing.close()


def test_the_queue_ends(settings: Settings, tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "N_WAITING", 1)
    hearing, fake, metrics = make(settings, workers=1)
    fake.may_go.clear()

    async def crowd() -> list[object]:
        two = [asyncio.ensure_future(hear(hearing, tone)) for _ in range(2)]
        await asyncio.sleep(0.02)
        assert len(hearing._seats) == 2
        with pytest.raises(TooBusy, match="2 requests wait to be heard already") as caught:
            await hear(hearing, tone)
        assert caught.value.headers()["Retry-After"] == "4"
        fake.may_go.set()
        return await asyncio.gather(*two)

    assert len(asyncio.run(crowd())) == 2
    assert "earmark_queue_refused_total 1.0" in metrics.text().decode()
    assert not hearing._seats
    hearing.close()


def test_nobody_waits_any_more(settings: Settings, tone: Path) -> None:
    hearing, fake, _ = make(settings, workers=1)
    fake.may_go.clear()

    async def leave() -> None:
        gone, waiting = (asyncio.ensure_future(hear(hearing, tone)) for _ in range(2))
        await asyncio.sleep(0.02)
        gone.cancel()
        waiting.cancel()
        await asyncio.gather(gone, waiting, return_exceptions=True)

    asyncio.run(leave())
    deadline = time.monotonic() + 5
    while hearing._seats and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not hearing._seats
    assert fake.n_blocks == 0
    hearing.close()


def test_closing_ends_what_is_heard(settings: Settings, tone: Path) -> None:
    hearing, fake, _ = make(settings, workers=1)
    fake.may_go.clear()

    async def close() -> None:
        task = asyncio.ensure_future(hear(hearing, tone))
        await asyncio.sleep(0.02)
        hearing.close()
        with pytest.raises(Exception, match="nobody waits for it any more"):
            await task

    asyncio.run(close())


def test_models_are_loaded_once_and_forgotten(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def build(model: object, *, preset: str) -> object:
        made.append((model, preset))
        return object()

    monkeypatch.setattr(module, "Tagger", build)
    monkeypatch.setattr(module, "find_ears", lambda settings, model, preset: (model, preset or "standard"))
    hearing = Hearing(settings, Metrics())
    for model in (None, "a", None, "b", None, "a"):
        hearing.tagger(model)
    assert made == [(None, "standard"), ("a", "standard"), ("b", "standard"), ("a", "standard")]
    assert hearing.tagger("a") is hearing.tagger("a")
    hearing.close()
