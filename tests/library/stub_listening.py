"""Stands in for listening, so that tests of what can go wrong do not wait for networks.

A file "NAME.wav" holds any bytes; its content identity is their hash, as long as they do not begin with "bad". What is
"heard" follows from the bytes. Every time that a file is heard, a line is added to the file of EARMARK_STUB_LOG.
"""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from earmark.errors import InputError
from earmark.library.listening import Hearing, Identity, Request, Setup, _check_unchanged, place_of
from earmark.library.models import StoredModel
from earmark.library.schema import text_columns
from earmark.track_tags import Tag, TrackTags

TAGS = ("rock", "jazz", "calm", "female vocals")
CATEGORIES = ("genre", "genre", "mood", "voice")
SERVICE = "stub_listening:listener"
N_FEATURES = 8


def model(version: str = "1") -> StoredModel:
    slugs = tuple(tag.replace(" ", "_") for tag in TAGS)
    return StoredModel(
        "standard", version, TAGS, slugs, CATEGORIES, (0.1,) * 4, (0.3,) * 4, (("a", N_FEATURES // 2), ("b", 4))
    )


def listener(setup: Setup) -> Callable[[Request], Identity | Hearing]:
    def answer(request: Request) -> Identity | Hearing:
        return identify(request) if isinstance(request, str) else hear(request)

    return answer


def identify(path: str) -> Identity:
    place = place_of(path)
    content = _read(path)
    if content.startswith(b"bad"):
        raise InputError(f"{path}: no audio", hint="none")
    if content.startswith(b"crash"):
        os.kill(os.getpid(), 9)
    _check_unchanged(place)
    facts = text_columns({"artist": "Artist", "title": Path(path).stem.encode("utf-8", "replace").decode(), "album": "",
                          "genres": ["Stub"]})  # fmt: skip
    return Identity(hashlib.sha256(content).hexdigest()[:32], place, facts)


def hear(identity: Identity) -> Hearing:
    content = _read(identity.place.path)
    if content.startswith(b"deaf"):
        raise InputError(f"{identity.place.path}: silent")
    if log := os.environ.get("EARMARK_STUB_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{identity.id}\n")
    time.sleep(float(os.environ.get("EARMARK_STUB_SECONDS", "0")))
    _check_unchanged(identity.place)
    rng = np.random.default_rng(int(identity.id[:8], 16))
    scores = rng.random(len(TAGS)).tolist()
    tags = tuple(
        Tag(tag, category, score, None, min(1.0, score + 0.1), 0.0)
        for tag, category, score in zip(TAGS, CATEGORIES, scores, strict=True)
    )
    embedding = rng.random(N_FEATURES).astype(np.float32)
    none = np.zeros((0, 4), np.float32)
    heard = TrackTags(identity.place.path, 60.0, tags, none, np.zeros((0, 2)), embedding, "standard", ("a", "b"))
    return Hearing(
        heard,
        embedding / np.linalg.norm(embedding),
        120.0,
        0.9,
        "A minor",
        0.5,
        rng.integers(0, 2**32, 16, dtype=np.uint32),
    )


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
