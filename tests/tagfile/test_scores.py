"""Scores from a table, from a catalogue and from listening are the same kind of thing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("lancedb")

from earmark.audio.identity import content_id
from earmark.errors import InputError
from earmark.library.models import TAUGHT, StoredModel
from earmark.library.rows import FilePlace
from earmark.library.schema import files_columns
from earmark.library.store import Store
from earmark.tagfile.choosing import TrackScores
from earmark.tagfile.scores import (
    FreshSource,
    LaterSource,
    LibrarySource,
    NotHeard,
    TableSource,
    from_track_tags,
    threshold_of,
)
from earmark.track_tags import Tag, TrackTags

from ..library.conftest import MODEL, track_id, track_row

TAGS = TrackTags(
    "a.mp3",
    60.0,
    (
        Tag("jazz", "genre", 0.5, 5.0, 0.6, 1.0, threshold=0.4),
        Tag("happy", "mood", 0.04, 4.0, 0.1, 1.0),
        Tag("own", "other", 0.3, None, 0.4, 1.0),
    ),
    np.zeros((0, 3), np.float32),
    np.zeros((0, 2)),
    np.zeros(0, np.float32),
    "standard",
    ("standard",),
)


def table(folder: Path, *rows: dict[str, Any]) -> TableSource:
    path = folder / "scores.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return TableSource(path)


def one(source: Any, path: str) -> TrackScores:
    (found,) = source.scores([path])
    assert isinstance(found, TrackScores), found
    return found


def test_thresholds_are_the_cards_or_follow_from_the_base_rate() -> None:
    jazz, happy, own = TAGS.tags
    assert threshold_of(jazz) == 0.4
    assert threshold_of(happy) == pytest.approx(0.7 * 0.01**0.5)
    assert threshold_of(own) == 0.2
    assert [tag.name for tag in from_track_tags(TAGS).tags] == ["jazz", "happy", "own"]


def test_a_table_as_earmark_tag_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = table(tmp_path, TAGS.to_dict(), TAGS.to_dict() | {"path": str(tmp_path / "b.mp3"), "bpm": 90, "key": "8A"})
    plain = one(source, str(tmp_path / "a.mp3"))
    assert plain.path == str(tmp_path / "a.mp3")
    assert [(tag.name, tag.score) for tag in plain.tags] == [("jazz", 0.5), ("happy", 0.04), ("own", 0.3)]
    more = one(source, "b.mp3")
    assert (more.bpm, more.bpm_confidence, more.key, more.key_confidence) == (90.0, 1.0, "8A", 1.0)
    assert more.version != plain.version
    (missing,) = source.scores(["c.mp3"])
    assert isinstance(missing, NotHeard)
    assert "c.mp3: not in" in missing.error.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: no JSON"),
        ("[]\n", "line 1: no JSON object"),
        ('{"path": "a"}\n', "line 1: not the tags of a track"),
        ('{"file": "a"}\n', "line 1: no JSON object with a path"),
        (b"\xff\n", "line 1: no JSON"),
        ("\n\n", "no row"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str | bytes, message: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        TableSource(tmp_path / "t.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        TableSource(tmp_path / "gone.jsonl")


def test_a_tempo_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bpm is 'fast'"):
        table(tmp_path, TAGS.to_dict() | {"bpm": "fast"})


def test_a_row_that_is_none_fails_for_its_file_alone(tmp_path: Path) -> None:
    source = table(tmp_path, TAGS.to_dict(), {"path": "b.mp3"}, TAGS.to_dict() | {"path": "c.mp3"})
    first, second, third = source.scores(["a.mp3", "b.mp3", "c.mp3"])
    assert isinstance(second, NotHeard)
    assert "line 2: not the tags of a track" in second.error.message
    assert isinstance(first, TrackScores)
    assert isinstance(third, TrackScores)


def test_a_mark_at_the_beginning_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text("\n" + json.dumps(TAGS.to_dict()) + "\r\n\n", encoding="utf-8-sig")
    assert one(TableSource(path), "a.mp3").model == "standard"


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.sin(np.arange(16000) / 20) * 0.3, 16000)
    return path


@pytest.fixture
def catalogue(tmp_path: Path, song: Path) -> Store:
    """Four made-up tracks; number 3 is the song, and has a taught tag."""
    store = Store(tmp_path / "catalogue", create=True)
    store.keep_model(MODEL)
    store.put("tracks", [track_row(i) for i in range(3)])
    taught = StoredModel(TAUGHT, "1", ("gym", "calm"), ("gym", "calm"), ("other", "mood"), (None, None), (0.5, 0.6))
    store.keep_model(taught)
    entry = song.stat()
    row = track_row(3) | files_columns([FilePlace(str(song), entry.st_size, entry.st_mtime_ns)])
    scores = dict(zip(taught.score_columns, (0.7, 0.8), strict=True))
    store.put("tracks", [row | {"id": content_id(song)} | scores])
    return store


def test_what_the_catalogue_knows(catalogue: Store, song: Path) -> None:
    heard = one(LibrarySource(catalogue), str(song))
    assert (heard.path, heard.model, heard.bpm, heard.key) == (str(song), "standard", 90.0, "A minor")
    tags = {tag.name: tag for tag in heard.tags}
    assert set(tags) == {*MODEL.tags, "gym"}
    assert (tags["gym"].taught, tags["gym"].threshold, tags["gym"].category) == (True, 0.5, "other")
    assert (tags["calm"].taught, tags["calm"].score) == (True, pytest.approx(0.8))
    assert (tags["rock"].taught, tags["rock"].threshold) == (False, 0.3)


def test_a_file_that_was_moved_is_found_by_its_audio(catalogue: Store, song: Path) -> None:
    moved = song.rename(song.with_name("0.wav"))
    assert one(LibrarySource(catalogue), str(moved)).bpm == 90.0


def test_a_file_that_was_replaced_is_not_what_was_heard(catalogue: Store, song: Path) -> None:
    soundfile.write(song, np.zeros(16000), 16000)
    (missing,) = LibrarySource(catalogue).scores([str(song)])
    assert isinstance(missing, NotHeard)
    assert "not in the catalogue" in missing.error.message
    assert "earmark library add" in (missing.error.hint or "")


def test_others_are_asked_of_what_the_catalogue_does_not_know(catalogue: Store, song: Path, tmp_path: Path) -> None:
    other = tmp_path / "a.mp3"
    other.write_bytes(b"\xff\xfb\x90\x00" + bytes(500))
    made = []

    def make() -> TableSource:
        made.append(1)
        return table(tmp_path, TAGS.to_dict() | {"path": str(other)})

    source = LibrarySource(catalogue, otherwise=LaterSource(make))
    assert one(source, str(song)).bpm == 90.0
    assert not made
    found = list(source.scores([str(other), str(song), str(other), str(tmp_path / "gone.mp3")]))
    assert [getattr(heard, "bpm", "failed") for heard in found] == [None, 90.0, None, "failed"]
    assert made == [1]


def test_the_same_scores_have_the_same_version(catalogue: Store, song: Path) -> None:
    first = one(LibrarySource(catalogue), str(song))
    assert first == one(LibrarySource(catalogue), str(song))
    catalogue.put("tracks", [{"id": content_id(song), "bpm": 91.0}])
    assert one(LibrarySource(catalogue), str(song)).version != first.version
    assert track_id(3) != content_id(song)


class StubTagger:
    """Hears the same in everything, and hands the audio on."""

    threads, sample_rate, name = 1, 16000, "stub"

    class _Card:
        name = "stub"

    cards = (_Card,)

    def tag(self, source: str, *, on_block: Any = None) -> TrackTags:
        if "broken" in source:
            raise InputError(f"{source}: no audio")
        if on_block is not None:
            clicks = np.zeros(20 * 16000, np.float32)
            clicks[::8000] = 1.0
            on_block(type("Info", (), {"duration": 20.0})(), clicks)
        return replace(TAGS, path=source, model="stub")


def test_listening_gives_tempo_and_key_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.tagfile.scores.fingerprint", lambda name: f"weights of {name}")
    source = FreshSource(StubTagger(), tempo=True, key=True)  # type: ignore[arg-type]
    heard, failed = source.scores(["a.mp3", "broken.mp3"])
    assert isinstance(heard, TrackScores)
    assert isinstance(failed, NotHeard)
    assert heard.bpm == pytest.approx(120, abs=0.2)
    assert heard.key is None
    assert (heard.model, heard.version) == source.heard_by
    plain = one(FreshSource(StubTagger()), "a.mp3")  # type: ignore[arg-type]
    assert (plain.bpm, plain.key) == (None, None)
