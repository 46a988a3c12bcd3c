"""A catalogue with made-up tracks, whose scores and embeddings are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lancedb")

from earmark.library.listening import Hearing
from earmark.library.models import StoredModel
from earmark.library.rows import FilePlace
from earmark.library.schema import files_columns, now, text_columns
from earmark.library.store import Store
from earmark.library.vectors import search_vector
from earmark.library.writing import heard_row
from earmark.track_tags import Tag, TrackTags

TAGS = ("rock", "jazz", "calm", "female vocals", "piano")
CATEGORIES = ("genre", "genre", "mood", "voice", "instrument")
MODEL = StoredModel(
    name="standard",
    version="1",
    tags=TAGS,
    slugs=("rock", "jazz", "calm", "female_vocals", "piano"),
    categories=CATEGORIES,
    base_rates=(0.2, 0.1, 0.05, 0.1, 0.1),
    thresholds=(0.3, 0.3, 0.2, 0.3, 0.3),
    parts=(("a", 4), ("b", 4)),
)


def track_id(i: int) -> str:
    """The id of made-up track i."""
    return f"{i:032x}"


def track_row(i: int, folder: str = "/music", **facts: Any) -> dict[str, Any]:
    """The row of made-up track i: artist i // 3, title, album; scores and embedding drawn with seed i."""
    rng = np.random.default_rng(i)
    scores = rng.random(len(TAGS)).tolist()
    tags = tuple(
        Tag(tag, category, score, None, (1 + score) / 2, 0.0)
        for tag, category, score in zip(TAGS, CATEGORIES, scores, strict=True)
    )
    embedding = rng.random(8).astype(np.float32)
    none = np.zeros((0, len(TAGS)), np.float32)
    heard = TrackTags("", 60.0 + i, tags, none, np.zeros((0, 2)), embedding, "standard", ("a", "b"))
    vector = search_vector(embedding, MODEL.parts)
    hearing = Hearing(heard, vector, 60.0 + 10 * i, 0.9, "A minor", 0.5, rng.integers(0, 2**32, 16, dtype=np.uint32))
    plain = {"artist": f"Artist {i // 3}", "title": f"Title {i}", "album": f"Album {i // 3}", "genres": ["Own"]} | facts
    return {
        "id": track_id(i),
        **files_columns([FilePlace(f"{folder}/{i}.mp3", 1000 + i, 5)]),
        **text_columns(plain),
        "container": "mp3",
        "sample_rate": 44100,
        "n_channels": 2,
        "added_at": now(),
        **heard_row(hearing, MODEL, "whole"),
    }


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    """Make a catalogue with so many made-up tracks."""

    def make(n: int = 12, name: str = "catalogue") -> Store:
        store = Store(tmp_path / name, create=True)
        store.keep_model(MODEL)
        store.put("tracks", [track_row(i) for i in range(n)])
        return store

    return make


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """A catalogue with twelve made-up tracks."""
    return make_store()
