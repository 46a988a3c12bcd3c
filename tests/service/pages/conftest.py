"""A real service over a little real music, and a real browser: what the page is tried with."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.audio.io import open_audio
from earmark.library.facade import Library

RATE = 32000
SECONDS = 12
SONGS = {
    "piano": ("batty_mcfaddlin.mp3", "if_i_had_a_chicken.mp3"),
    "band": ("hustle.mp3", "four_beers_polka.mp3"),
}
NASTY = '<img src=x onerror="document.title=1">'


@dataclass(frozen=True)
class Served:
    """A service that runs, its address and its music."""

    address: str
    music: Path
    data: Path


@pytest.fixture(scope="session")
def excerpts(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """Two folders of music, eight excerpts each."""
    mutagen = pytest.importorskip("mutagen")
    folder = tmp_path_factory.mktemp("page") / "music"
    for name, songs in SONGS.items():
        (folder / name).mkdir(parents=True)
        for song in songs:
            with open_audio(shared / "audio" / "kevin_macleod" / song, sample_rate=RATE) as reader:
                whole = np.concatenate(list(reader.blocks()))
            for i in range(4):
                path = folder / name / f"{Path(song).stem}_{i}.flac"
                soundfile.write(path, whole[(5 + i * SECONDS) * RATE : (5 + (i + 1) * SECONDS) * RATE], RATE)
                tagged = mutagen.File(path, easy=True)
                tagged["title"] = NASTY if song == "hustle.mp3" and i == 3 else f"{Path(song).stem} {i}"
                tagged["artist"] = name
                tagged.save()
    return folder


@contextmanager
def serving(music: Path, data: Path, library: Path, *options: str) -> Iterator[Served]:
    """Let a service run, as a user starts it."""
    command = [sys.executable, "-m", "earmark", "serve", "-l", str(library), "--music", str(music), "--data", str(data)]
    process = subprocess.Popen(
        [*command, "--port", "0", *options], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "EARMARK_JOURNAL": str(data / "journal")},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+:(\d+)", process.stdout.readline())
        assert found is not None
        yield Served(f"http://127.0.0.1:{found[1]}", music, data)
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="session")
def library(excerpts: Path, published_weights: None) -> Path:
    """A catalogue that has heard the excerpts."""
    address = excerpts.parent / "catalogue"
    added = Library(address, create=True).add(excerpts, jobs=2)
    assert not added.failures
    return address


@pytest.fixture(scope="session")
def served(excerpts: Path, library: Path) -> Iterator[Served]:
    """A service over the excerpts, for this machine alone."""
    with serving(excerpts, excerpts.parent / "data", library, "--rate", "0") as one:
        yield one


def until(page: Any, script: str, seconds: float = 30.0) -> None:
    """Wait until something is true in a page; Playwright's own way needs `eval`, which the page does not allow."""
    end = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < end, script
        page.wait_for_timeout(50)


def settled(page: Any) -> None:
    """Wait until nothing in a page is on its way any more."""
    until(page, "!document.querySelector('main .waiting, main .progress')")


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open pages; whatever goes wrong in one, or is asked of another machine, fails the test in the end."""
    contexts, wrong = [], []

    def note(message: Any) -> None:
        if message.type == "error" and "/cover" not in message.location["url"]:
            wrong.append(f"{message.text} {message.location['url']}")

    def make(address: str, *, expected: str = "", **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 900}} | options)
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("console", lambda message: None if expected and re.search(expected, message.text) else note(message))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        origin = re.match(r"https?://[^/]+", address)
        assert origin is not None
        own = (origin[0], "blob:", "data:")
        page.on("request", lambda one: None if one.url.startswith(own) else wrong.append(one.url))
        page.goto(address)
        return page

    yield make
    for context in contexts:
        context.close()
    assert wrong == []
