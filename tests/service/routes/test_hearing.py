"""Tagging and embedding of files that are sent, and of files in the folders of music."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from earmark.audio.io import write
from earmark.plain_data import decode_array
from earmark.service.forms import plain_name
from earmark.tagger import PRESETS
from earmark.vocabulary import CATEGORIES

from ..listener import FakeTagger, put

ROUTES = ("/v1/tag", "/v1/embeddings")
TONE = np.sin(np.arange(16000) / 9).astype(np.float32) / 2


@pytest.fixture
def client(still: TestClient) -> TestClient:
    """Nothing here changes the service: one serves all tests."""
    return still


@pytest.fixture
def music(still: TestClient) -> Path:
    folder: Path = still.app.state.service.settings.music[0]  # type: ignore[attr-defined]
    return folder


@pytest.fixture
def fake(client: TestClient) -> FakeTagger:
    return put(client.app.state.hearing)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def still_secret(still: TestClient) -> Path:
    """A file outside the music of a service, to which links in it lead."""
    music: Path = still.app.state.service.settings.music[0]  # type: ignore[attr-defined]
    secret = music.parent / "secret.wav"
    write(secret, TONE, 16000)
    (music / "album").mkdir(exist_ok=True)
    (music / "link.wav").symlink_to(secret)
    (music / "links").symlink_to(music.parent)
    return secret


@pytest.fixture
def tone(music: Path) -> Path:
    path = music / "album" / "tone.wav"
    path.parent.mkdir(exist_ok=True)
    write(path, TONE, 16000)
    return path


def test_a_file_that_is_sent(client: TestClient, fake: FakeTagger, tone: Path) -> None:
    answer = client.post("/v1/tag", files={"file": ("my song.wav", tone.read_bytes())})
    assert answer.status_code == 200, answer.text
    heard = answer.json()
    assert (heard["path"], heard["duration"], heard["model"]) == ("my song.wav", 1.0, "standard")
    assert [tag["tag"] for tag in heard["tags"]] == ["piano", "rock"]
    assert "taggram" not in heard


def test_a_large_file_that_is_sent(client: TestClient, fake: FakeTagger, tmp_path: Path) -> None:
    """More than what is kept in memory."""
    write(tmp_path / "long.wav", np.tile(TONE, 120), 16000)
    with (tmp_path / "long.wav").open("rb") as file:
        assert client.post("/v1/tag", files={"file": ("long.wav", file)}).json()["duration"] == 120.0


def test_a_selection_of_tags(client: TestClient, fake: FakeTagger, tone: Path) -> None:
    files = {"file": ("a.wav", tone.read_bytes())}
    one = client.post("/v1/tag?n=1&taggram=true", files=files).json()
    assert [tag["tag"] for tag in one["tags"]] == ["piano"]
    assert decode_array(one["taggram"]).tolist() == [[np.float32(0.9)]]
    assert decode_array(one["times"]).tolist() == [[0.0, 3.0]]
    assert client.post("/v1/tag?category=genre", files=files).json()["tags"][0]["tag"] == "rock"
    assert len(client.post("/v1/tag?min_score=0.5", files=files).json()["tags"]) == 1
    wrong = client.post("/v1/tag?category=taste", files=files)
    assert wrong.status_code == 422
    assert "category is 'taste': input should be 'genre'" in wrong.json()["error"]


def test_a_file_of_the_music(client: TestClient, fake: FakeTagger, tone: Path) -> None:
    for name in ("album/tone.wav", str(tone), "album/../album/tone.wav"):
        answer = client.post("/v1/tag", json={"path": name})
        assert answer.status_code == 200, answer.text
        assert answer.json()["path"] == name


def test_embeddings(client: TestClient, fake: FakeTagger, tone: Path) -> None:
    answer = client.post("/v1/embeddings", json={"path": "album/tone.wav"}).json()
    assert answer["embedding"] == [0.0, 1.0, 2.0, 3.0]
    assert "tags" not in answer
    files = {"file": ("a.wav", tone.read_bytes())}
    packed = client.post("/v1/embeddings?form=base64", files=files).json()
    assert decode_array(packed["embedding"]).tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "path",
    [
        "../secret.wav", "../../../../../../etc/passwd", "/etc/passwd", "album/../../secret.wav", "link.wav",
        "links/secret.wav", "tone.wav\0.mp3", "", ".", "album", "%2e%2e/secret.wav", "..%2fsecret.wav",
        "..\\secret.wav", "file:///etc/passwd", "http://127.0.0.1/song.mp3", "-", "/dev/zero", "/proc/self/environ",
        "~/secret.wav", "\ud800", "a" * 2000,
    ],
)  # fmt: skip
def test_no_file_outside_the_music(
    still: TestClient, fake: FakeTagger, still_secret: Path, route: str, path: str
) -> None:
    import json

    body = json.dumps({"path": path})
    answer = still.post(route, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert set(answer.json()) == {"error", "hint"}
    assert fake.n_blocks == 0


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({}, "the request holds no file"),
        ({"content": b"RIFF", "headers": {"content-type": "audio/wav"}}, "the request holds no file"),
        ({"json": {"file": "a"}}, "path: field required; file is 'a': extra inputs are not permitted"),
        ({"json": {"path": 1}}, "path is 1: input should be a valid string"),
        ({"json": ["a"]}, "input should be a valid dictionary"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, "the request is no JSON"),
        ({"content": b"[" * 99999, "headers": {"content-type": "application/json"}}, "the request is no JSON"),
        ({"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, "the request is no JSON"),
        ({"files": {"other": ("a.wav", b"x")}}, 'the form has no file in a field "file"'),
        ({"files": {"file": (None, b"x")}}, 'the form has no file in a field "file"'),
        ({"files": [("file", ("a", b"x")), ("file", ("b", b"y"))]}, "the form cannot be read: Too many files"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "the form cannot be read"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=y"}}, "the form cannot be read"),
        ({"files": {"file": ("a.wav", b"no audio at all")}}, "a.wav: "),
        ({"files": {"file": ("a.wav", b"")}}, "a.wav: "),
    ],
)
def test_requests_that_hold_no_audio(
    still: TestClient, fake: FakeTagger, route: str, request_: dict[str, Any], error: str
) -> None:
    answer = still.post(route, **request_)
    assert answer.status_code == 400, answer.text
    assert error in answer.json()["error"]


def test_too_large_and_too_long(make_client: Callable[..., TestClient], tone: Path) -> None:
    small = make_client(most_upload=10_000, most_seconds=0.5)
    put(small.app.state.hearing)  # type: ignore[attr-defined]
    large = small.post("/v1/tag", files={"file": ("a.wav", b"x" * 200_000)})
    assert (large.status_code, large.headers["connection"]) == (413, "close")
    long = small.post("/v1/tag", files={"file": ("a.wav", tone.read_bytes())})
    assert long.status_code == 413
    assert long.json()["error"] == "a.wav: more than 0.5 s of audio, which is not taken here"


def test_a_full_queue(client: TestClient, fake: FakeTagger, tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.service.hearing.N_WAITING", -2)
    answer = client.post("/v1/tag", json={"path": "album/tone.wav"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


def test_a_request_that_takes_too_long(make_client: Callable[..., TestClient], tone: Path) -> None:
    client = make_client(timeout=0.05, music=(tone.parents[1].resolve(),))
    fake = put(client.app.state.hearing)  # type: ignore[attr-defined]
    fake.may_go.clear()
    answer = client.post("/v1/tag", json={"path": "album/tone.wav"})
    assert answer.status_code == 504
    assert "POST /v1/jobs" in answer.json()["hint"]


def test_no_model_by_path(client: TestClient, fake: FakeTagger, tone: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.onnx").write_bytes(b"")
    for query in (f"model={tmp_path}/evil.onnx", "model=nothing", "preset=nothing", "model=a&preset=standard"):
        answer = client.post(f"/v1/tag?{query}", json={"path": "album/tone.wav"})
        assert answer.status_code in (400, 422)
    assert fake.n_blocks == 0


@pytest.mark.parametrize(
    ("given", "name"),
    [("a.mp3", "a.mp3"), ("../../a.mp3", "a.mp3"), ("C:\\x\\a.mp3", "a.mp3"), ("a\r\nb: c", "ab: c"), ("..", ".."),
     ("", "upload"), (None, "upload"), ("a" * 500, "a" * 200), ("\x00", "upload")],
)  # fmt: skip
def test_names_are_only_names(given: str | None, name: str) -> None:
    assert plain_name(given) == name


def test_categories_and_presets_are_those_of_earmark(client: TestClient) -> None:
    parameters = client.get("/openapi.json").json()["paths"]["/v1/tag"]["post"]["parameters"]
    told = {one["name"]: set(one["schema"].get("anyOf", [{}])[0].get("enum", ())) for one in parameters}
    assert told["category"] == set(CATEGORIES)
    assert told["preset"] == set(PRESETS)


@pytest.mark.shared
def test_real_music_by_real_models(
    make_client: Callable[..., TestClient], shared: Path, published_weights: None
) -> None:
    song = shared / "audio" / "clips" / "joram-moments_of_clarity-08-solipsism-59-88.mp3"
    client = make_client()
    with song.open("rb") as file:
        heard = client.post("/v1/tag?n=3", files={"file": (song.name, file)}).json()
    assert "techno" in [tag["tag"] for tag in heard["tags"]]
    assert heard["models"] == ["musicnn.pons_msd", "musicnn.pons_mtt"]
    assert "earmark_audio_seconds_total 29." in client.get("/metrics").text
