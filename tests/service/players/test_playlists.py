import json
import os
from pathlib import Path
from typing import Any

import pytest

from earmark.service.players import playlists as made
from earmark.service.players.failures import Failure
from earmark.service.players.playlists import FILE, Playlists
from earmark.service.settings import Settings

from ...library.conftest import track_id


def songs(ask: Any, key: str) -> list[str]:
    return [one["id"] for one in ask("getPlaylist", id=key)["playlist"].get("entry", [])]


def test_made_changed_and_deleted(ask: Any) -> None:
    one = ask("createPlaylist", name="Évening", songId=[track_id(3), track_id(1), track_id(3)])["playlist"]
    assert (one["name"], one["owner"], one["songCount"], one["duration"]) == (
        "Évening",
        "kitchen radio",
        3,
        63 + 61 + 63,
    )
    key = one["id"]
    assert songs(ask, key) == [track_id(3), track_id(1), track_id(3)]
    ask("updatePlaylist", playlistId=key, name="Night", comment="slow", public="false",
        songIdToAdd=[track_id(5)], songIndexToRemove=[0, 1])  # fmt: skip
    listed = ask("getPlaylists")["playlists"]["playlist"]
    assert [(p["id"], p["name"], p["comment"], p["public"], p["songCount"]) for p in listed] == [
        (key, "Night", "slow", False, 2)
    ]
    assert songs(ask, key) == [track_id(3), track_id(5)]
    ask("createPlaylist", playlistId=key, songId=[track_id(7)])
    assert songs(ask, key) == [track_id(7)]
    ask("updatePlaylist", playlistId=key, comment="")
    assert ask("getPlaylist", id=key)["playlist"]["comment"] == ""
    assert ask("getPlaylist", id=key)["playlist"]["name"] == "Night"
    assert ask("deletePlaylist", id=key)["status"] == "ok"
    assert ask("getPlaylists")["playlists"]["playlist"] == []
    for method in ("deletePlaylist", "getPlaylist"):
        assert ask(method, id=key)["error"]["code"] == 70
    assert ask("updatePlaylist", playlistId=key, name="x")["error"]["code"] == 70


def test_mistakes_change_nothing(ask: Any) -> None:
    key = ask("createPlaylist", name="a", songId=track_id(1))["playlist"]["id"]
    assert ask("createPlaylist", songId=track_id(1))["error"]["code"] == 10
    assert ask("createPlaylist", name="b", songId=[track_id(1), "nobody"])["error"]["code"] == 70
    assert ask("updatePlaylist", playlistId=key, songIdToAdd="nobody")["error"]["code"] == 70
    assert ask("updatePlaylist", playlistId=key, songIndexToRemove=1)["error"]["code"] == 0
    assert ask("updatePlaylist", playlistId=key, songIndexToRemove=-1)["error"]["code"] == 0
    assert ask("updatePlaylist", playlistId=key, songIndexToRemove="x")["error"]["code"] == 0
    assert ask("createPlaylist", name="b" * 3000)["error"]["code"] == 0
    assert len(ask("getPlaylists")["playlists"]["playlist"]) == 1
    assert songs(ask, key) == [track_id(1)]


def test_songs_that_are_gone_are_kept_but_not_shown(ask: Any, players: Any) -> None:
    key = players.playlists.create("a", "anna", [track_id(1), "0" * 31 + "f", track_id(3)]).id
    assert songs(ask, key) == [track_id(1), track_id(3)]
    ask("updatePlaylist", playlistId=key, songIndexToRemove=1)
    assert players.playlists.get(key).songs == (track_id(1), "0" * 31 + "f")


def test_a_file_that_is_whole_and_private(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Playlists(settings.data)
    first = kept.create("a", "anna", ["x"])
    path = settings.data / FILE
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["playlists"][0]["songs"] == ["x"]
    assert Playlists(settings.data).list() == (first,)  # another process sees it
    before = path.read_bytes()

    def fails(self: Path, target: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    from earmark.errors import InputError

    with pytest.raises(InputError, match="cannot be written"):
        kept.create("b", "anna", [])
    assert path.read_bytes() == before
    assert not list(settings.data.glob("*.part"))


def test_there_are_limits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "MOST_PLAYLISTS", 1)
    monkeypatch.setattr(made, "MOST_SONGS", 2)
    kept = Playlists(settings.data)
    with pytest.raises(Failure, match="3 songs"):
        kept.create("a", "anna", ["x", "y", "z"])
    kept.create("a", "anna", ["x", "y"])
    with pytest.raises(Failure, match="already"):
        kept.create("b", "anna", [])
