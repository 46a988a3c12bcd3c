"""What was heard, written into files: shown first, then done, then undone byte for byte; never outside the music."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from earmark.audio.identity import content_id
from earmark.library.store import Store
from earmark.service.routes import writing
from earmark.service.settings import Settings
from earmark.tagfile import read_tags

from ...library.conftest import track_id, track_row

Song = tuple[str, Path]


def make_song(store: Store, path: Path, i: int) -> str:
    """Make a file with noise, and its track in the catalogue; return its id."""
    soundfile.write(path, np.random.default_rng(i).uniform(-0.1, 0.1, 4000), 8000, format="FLAC")
    one = content_id(path)
    files = [{"path": os.fsencode(path), "size": 1, "mtime_ns": 1}]
    store.put("tracks", [track_row(i) | {"id": one, "files": files}])
    return one


@pytest.fixture
def song(library_address: str, music: Path) -> Song:
    """A track whose scores say rock, and calm."""
    path = music / "song.flac"
    return make_song(Store(library_address), path, 40), path


def ask(client: TestClient, *tracks: str, **wish: Any) -> Any:
    answer = client.post("/v1/write", json={"tracks": list(tracks), **wish})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_is_shown_then_done_then_undone(client: TestClient, song: Song, settings: Settings) -> None:
    one, path = song
    before = path.read_bytes()
    shown = ask(client, one, count=1)
    assert (shown["run"], shown["left"], path.read_bytes()) == (None, [], before)
    (file,) = shown["files"]
    assert (file["track"], file["path"], file["status"], file["problem"]) == (one, str(path), "proposed", None)
    changes = {change["field"]: change for change in file["changes"]}
    scores = Store(settings.library).tracks(ids=[one])
    best = max(("rock", "jazz"), key=next(scores).heard["standard"].scores.__getitem__)
    assert changes["genre"]["before"] == []
    assert changes["genre"]["after"] == [best.title()]
    assert changes["genre"]["names"] == ["GENRE"]

    done = ask(client, one, count=1, apply=True)
    assert [file["status"] for file in done["files"]] == ["written"]
    assert done["files"][0]["changes"][0] == file["changes"][0]
    assert read_tags(path).genres == (best.title(),)
    (run,) = client.get("/v1/write/runs").json()["runs"]
    assert (run["run"], run["n_files"], run["n_undone"], run["is_running"]) == (done["run"], 1, 0, False)
    assert ask(client, one, count=1)["files"][0]["status"] == "same"  # found by its audio, though its bytes changed

    undone = client.post("/v1/write/undo", json={"run": done["run"]}).json()
    assert undone == {"run": done["run"], "files": [{"path": str(path), "is_restored": True, "reason": ""}]}
    assert path.read_bytes() == before
    nothing = client.post("/v1/write/undo", json={})
    assert (nothing.status_code, nothing.json()["error"]) == (404, "there is no run that could be undone")


def test_values_of_others_are_kept_unless_forced(client: TestClient, song: Song) -> None:
    mutagen = pytest.importorskip("mutagen.flac")
    one, path = song
    opened = mutagen.FLAC(path)
    opened["genre"] = ["Polka"]
    opened.save()
    (file,) = ask(client, one, fields=["genre"])["files"]
    assert (file["status"], file["changes"], file["kept"]) == ("same", [], ["genre"])
    (file,) = ask(client, one, fields=["genre"], force=True, apply=True)["files"]
    change = next(change for change in file["changes"] if change["field"] == "genre")
    assert change["before"] == ["Polka"]
    assert read_tags(path).genres == tuple(change["after"])


def test_several_files_and_failures_in_one_request(
    client: TestClient, song: Song, library_address: str, music: Path, tmp_path: Path
) -> None:
    store = Store(library_address)
    outside = make_song(store, tmp_path / "outside.flac", 41)
    changed = make_song(store, music / "changed.flac", 42)
    make_song(Store(tmp_path / "other", create=True), music / "changed.flac", 43)
    linked = make_song(store, music / "linked.flac", 44)
    (music / "linked.flac").rename(tmp_path / "linked.flac")
    (music / "linked.flac").symlink_to(tmp_path / "linked.flac")
    kept = {path: path.read_bytes() for path in tmp_path.glob("*.flac")}
    names = [song[0], song[0], outside, changed, linked, track_id(1), "f" * 32, "/etc/passwd", song[0].upper()]
    answer = ask(client, *names, apply=True)
    found = {file["track"]: file for file in answer["files"]}
    assert len(found) == len(answer["files"]) == 7
    assert found[song[0]]["status"] == "written"
    for one, words in (
        (outside, "outside the folders of music"), (linked, "outside the folders of music"), (track_id(1), "is gone"),
        (changed, "holds other audio"), ("f" * 32, "there is no track"), ("/etc/passwd", "there is no track"),
    ):  # fmt: skip
        assert found[one]["status"] == "failed"
        assert words in found[one]["problem"]["error"]
    assert {path: path.read_bytes() for path in tmp_path.glob("*.flac")} == kept
    run = client.get("/v1/write/runs").json()["runs"][0]
    assert (run["run"], run["n_files"]) == (answer["run"], 1)


def test_all_files_of_a_track(client: TestClient, song: Song, library_address: str, music: Path) -> None:
    one, path = song
    copy = music / "copy.flac"
    copy.write_bytes(path.read_bytes())
    files = [{"path": os.fsencode(name), "size": 1, "mtime_ns": 1} for name in (path, copy, music / "gone.flac")]
    Store(library_address).put("tracks", [{"id": one, "files": files}])
    answer = ask(client, one, apply=True)
    assert [(file["path"], file["status"]) for file in answer["files"]] == [
        (str(path), "written"),
        (str(copy), "written"),
        (str(music / "gone.flac"), "failed"),
    ]


def test_tracks_that_there_is_no_time_for_are_told(
    client: TestClient, library_address: str, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(library_address)
    ids = [make_song(store, music / f"{i}.flac", i) for i in range(50, 53)]
    monkeypatch.setattr(writing, "MOST_SECONDS", 0.0)
    answer = ask(client, *ids, apply=True)
    assert answer["left"] == ids
    assert answer["run"] is None
    assert not (music.parent / "service" / "journal").exists()


def test_who_may_not_write(make_client: Callable[..., TestClient], song: Song) -> None:
    client = make_client(may_write=False)
    one, path = song
    before = path.read_bytes()
    assert ask(client, one)["files"][0]["status"] == "proposed"
    for url, body in (("/v1/write", {"tracks": [one], "apply": True}), ("/v1/write/undo", {})):
        answer = client.post(url, json=body)
        assert answer.status_code == 403
        assert "--may-write" in answer.json()["hint"]
    assert path.read_bytes() == before
    assert client.get("/v1/write/profiles").json()["may_write"] is False


def test_pages_of_other_sites_write_nothing(client: TestClient, song: Song) -> None:
    body = {"tracks": [song[0]], "apply": True}
    assert client.post("/v1/write", json=body, headers={"origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"tracks": []}, 422, "tracks"),
        ({"tracks": ["a"] * 501}, 422, "tracks"),
        ({"tracks": ["a"], "profile": "winamp"}, 400, "no profile 'winamp'"),
        ({"tracks": ["a"], "fields": ["lyrics"]}, 400, "no field to write 'lyrics'"),
        ({"tracks": ["a"], "fields": []}, 422, "fields"),
        ({"tracks": ["a"], "count": 0}, 422, "count"),
        ({"tracks": ["a"], "write": True}, 422, "write"),
    ],
)
def test_what_cannot_be_written(still: TestClient, wish: Any, status: int, words: str) -> None:
    answer = still.post("/v1/write", json=wish)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_nothing_is_written_without_music_or_a_catalogue(
    make_client: Callable[..., TestClient], song: Song, tmp_path: Path
) -> None:
    answer = make_client(music=()).post("/v1/write", json={"tracks": [song[0]]})
    assert (answer.status_code, "--music" in answer.json()["hint"]) == (400, True)
    empty = make_client(library=str(tmp_path / "empty")).post("/v1/write", json={"tracks": [song[0]]})
    assert (empty.status_code, "nothing was heard yet" in empty.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("run", "status"),
    [("20200101-000000-000000-abcd", 404), ("../tokens", 422), ("/etc/passwd", 422), ("", 422)],
)
def test_runs_that_are_none(still: TestClient, run: str, status: int) -> None:
    assert still.post("/v1/write/undo", json={"run": run}).status_code == status


def test_runs_outside_the_music_are_left_alone(client: TestClient, song: Song, settings: Settings) -> None:
    from earmark.service.errors import Refused

    run = ask(client, song[0], apply=True)["run"]
    written = song[1].read_bytes()
    with pytest.raises(Refused, match="outside the folders of music"):
        writing.undo(replace(settings, music=(settings.data,)), run)
    assert song[1].read_bytes() == written


def test_one_writes_at_a_time(client: TestClient, song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    begun, may_go = threading.Event(), threading.Event()
    true = writing.write_files

    def slow(*given: Any) -> Any:
        begun.set()
        assert may_go.wait(5)
        return true(*given)

    monkeypatch.setattr(writing, "write_files", slow)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(client, song[0], apply=True)))
    thread.start()
    assert begun.wait(5)
    busy = client.post("/v1/write", json={"tracks": [song[0]], "apply": True})
    also = client.post("/v1/write/undo", json={})
    may_go.set()
    thread.join(5)
    assert (busy.status_code, also.status_code, busy.headers["retry-after"]) == (503, 503, "10")
    assert answers[0]["files"][0]["status"] == "written"


def test_profiles(still: TestClient) -> None:
    answer = still.get("/v1/write/profiles").json()
    names = [profile["name"] for profile in answer["profiles"]]
    assert names[0] == "standard"
    assert {"picard", "navidrome", "rekordbox", "plex", "musicbee"} <= set(names)
    assert answer["profiles"][0]["fields"] == ["genre", "mood"]
    assert set(answer["profiles"][0]["fields"]) <= set(answer["fields"])
    assert answer["may_write"] is True
