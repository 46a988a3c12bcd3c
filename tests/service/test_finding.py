"""Names that clients say: each leads to the catalogue, to a card, or into the folders of music, and nowhere else."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from earmark.audio.io import write
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.store import Store
from earmark.service.errors import NotFound
from earmark.service.finding import find_ears, find_id, find_listener_text
from earmark.service.settings import Settings
from earmark.service.state import Service

from ..library.conftest import track_id, track_row

SEVEN = track_id(7)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the music, in which the service runs."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_tracks_by_id_and_name(service: Service, music: Path) -> None:
    (music / "7.mp3").write_bytes(b"not read")
    for text in (SEVEN, SEVEN.upper(), "Title 7", "title 7", "Artist 2 - Title 7", "7.mp3", str(music / "7.mp3")):
        assert find_id(service, text) == SEVEN


def test_a_beginning_of_an_id(service: Service) -> None:
    store = service.library().store
    store.put("tracks", [track_row(3) | {"id": "abcdef" + "0" * 26}])
    assert find_id(service, "abcdef0") == "abcdef" + "0" * 26
    with pytest.raises(InputError, match="12 tracks answer to this"):
        find_id(service, "000000")


@pytest.mark.parametrize(
    "text",
    ["", "f" * 32, "abcdef", "no such title", "a\0b", "\ud800", "' OR 1=1 --", "../7.mp3", "/etc/passwd", ".", "/"],
)
def test_tracks_that_are_not_there(still: TestClient, text: str) -> None:
    with pytest.raises(NotFound, match="there is no track"):
        find_id(still.app.state.service, text)  # type: ignore[attr-defined]


def test_no_file_outside_is_looked_at(service: Service, music: Path, elsewhere: Path) -> None:
    sound = np.sin(np.arange(8000) / 5).astype(np.float32)
    for folder in (elsewhere, music):
        write(folder / "song.wav", sound, 8000)
    (music / "link.wav").symlink_to(elsewhere / "song.wav")
    from earmark.audio.identity import content_id

    known = content_id(str(music / "song.wav"))
    service.library().store.put("tracks", [track_row(3) | {"id": known}])
    assert find_id(service, "song.wav") == known  # by its audio, in the folder of music
    (music / "song.wav").unlink()
    for text in ("song.wav", "link.wav", str(elsewhere / "song.wav"), "../elsewhere/song.wav"):
        with pytest.raises(NotFound, match="there is no track"):
            find_id(service, text)


def test_ears(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    assert find_ears(settings, None, None) == (None, "standard")
    assert find_ears(settings, None, "standard") == (None, "standard")
    with pytest.raises(UsageError, match="exclude each other"):
        find_ears(settings, "musicnn.pons_mtt", "full")
    with pytest.raises(UsageError, match="weights of preset full are not on this machine"):
        find_ears(settings, None, "full")
    with pytest.raises(UsageError, match=r"weights of musicnn.pons_mtt are not on this machine"):
        find_ears(settings, "musicnn.pons_mtt", None)
    with pytest.raises(UnknownNameError, match="no preset 'ful'"):
        find_ears(settings, None, "ful")
    model = tmp_path / "evil.onnx"
    model.write_bytes(b"")
    for name in (str(model), "../evil.onnx", "https://evil.example/model.onnx", ""):
        with pytest.raises(UnknownNameError, match="there is no model"):
            find_ears(settings, name, None)
    (tmp_path / "cache" / "models").mkdir(parents=True)
    (tmp_path / "cache" / "models" / "musicnn.pons_mtt.safetensors").write_bytes(b"")
    assert find_ears(settings, "musicnn.pons_mtt", None) == ("musicnn.pons_mtt", "standard")


def test_listeners(service: Service, music: Path, elsewhere: Path) -> None:
    (music / "a.mp3").write_bytes(b"")
    (music / "sub").mkdir()
    playlist = music / "mine.m3u8"
    playlist.write_text("a.mp3\nhttp://radio.example/stream\ngone.mp3\n")
    assert find_listener_text(service, "sub") == str(music / "sub")
    assert find_listener_text(service, str(music)) == find_listener_text(service, ".") == str(music)
    assert find_listener_text(service, "mine.m3u8") == str(playlist)
    assert find_listener_text(service, "artist:'Artist 1'") == "artist:'Artist 1'"
    assert find_listener_text(service, "LastFM: anna ") == "lastfm:anna"
    assert find_listener_text(service, "soundcloud:me") == "soundcloud:me"


@pytest.mark.parametrize(
    "text", ["..", "/", "/etc", "~", "nothing", "", "\0", "\ud800", "lastfm:", "lastfm:../../etc", "lastfm:a\nb"]
)
def test_listeners_that_are_none(still: TestClient, text: str) -> None:
    with pytest.raises((InputError, UsageError)):
        find_listener_text(still.app.state.service, text)  # type: ignore[attr-defined]


def test_listeners_lead_to_no_file_outside(service: Service, music: Path, elsewhere: Path) -> None:
    (elsewhere / "secret.mp3").write_bytes(b"")
    (elsewhere / "bpm>1").mkdir()
    assert find_listener_text(service, "bpm>1") == "(bpm>1)"  # a filter, whatever lies where the service runs
    for text in (str(elsewhere), "../elsewhere", "secret.mp3"):
        with pytest.raises((InputError, UsageError)):
            find_listener_text(service, text)
    (music / "out.m3u8").write_text(f"{elsewhere}/secret.mp3\n")
    (music / "album").mkdir()
    (music / "album" / "link").symlink_to(elsewhere)
    for text in ("out.m3u8", "album"):
        with pytest.raises(InputError, match="leads to files outside the folders of music"):
            find_listener_text(service, text)


def test_who_runs_the_service_is_nobody_elses_business(settings: Settings) -> None:
    from dataclasses import replace

    outside = Service(replace(settings, host="0.0.0.0"))
    with pytest.raises(UsageError, match="is whoever runs the service"):
        find_listener_text(outside, "soundcloud:Me")
    outside.close()


def test_a_catalogue_that_is_filled_meanwhile_is_seen(settings: Settings, tmp_path: Path) -> None:
    from dataclasses import replace

    from ..library.conftest import MODEL

    service = Service(replace(settings, library=str(tmp_path / "new")))
    assert len(service.library()) == 0
    other = Store(tmp_path / "new", create=True)
    other.keep_model(MODEL)
    other.put("tracks", [track_row(7)])
    assert find_id(service, "Title 7") == SEVEN
    assert service.library() is service.library()
    service.close()
    assert os.path.isdir(tmp_path / "new")  # noqa: PTH112
