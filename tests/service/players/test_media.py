"""Songs and pictures: what lies in the folders of music, whole or in parts; nothing else."""

import base64
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.library.store import Store
from earmark.service.players.covers import as_cover, embedded, resized
from earmark.service.players.tree import album_id, artist_id

from ...library.conftest import track_id, track_row

Image = pytest.importorskip("PIL.Image")
mutagen = pytest.importorskip("mutagen")
BYTES = bytes(range(256)) * 4


def picture(colour: str, *, kind: str = "JPEG", size: tuple[int, int] = (60, 40)) -> bytes:
    made = io.BytesIO()
    Image.new("RGB" if kind == "JPEG" else "RGBA", size, colour).save(made, kind)
    return made.getvalue()


@pytest.fixture
def get(client: Any, key: str) -> Any:
    def get(method: str, *, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
        return client.get(f"/rest/{method}", params={"f": "json", "apiKey": key, **parameters}, headers=headers)

    return get


def code(answer: Any) -> int:
    assert answer.headers["content-type"] == "application/json"
    number: int = answer.json()["subsonic-response"]["error"]["code"]
    return number


def test_a_song_whole_and_in_parts(get: Any, music: Path) -> None:
    (music / "3.mp3").write_bytes(BYTES)
    answer = get("stream", id=track_id(3))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, BYTES, "audio/mpeg")
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-disposition" not in answer.headers
    part = get("stream", id=track_id(3), headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, BYTES[100:200])
    assert part.headers["content-range"] == "bytes 100-199/1024"
    assert get("stream", id=track_id(3), headers={"Range": "bytes=-24"}).content == BYTES[-24:]
    assert get("stream", id=track_id(3), headers={"Range": "bytes=5000-"}).status_code == 416
    as_it_is = get("stream", id=track_id(3), format="opus", maxBitRate=64)  # nothing is transcoded
    assert (as_it_is.content, as_it_is.headers["content-type"]) == (BYTES, "audio/mpeg")
    kept = get("download", id=track_id(3))
    assert (kept.content, kept.headers["content-disposition"]) == (BYTES, 'attachment; filename="3.mp3"')


def test_another_file_stands_in_for_one_that_is_gone(get: Any, store: Store, music: Path) -> None:
    (music / "copy.flac").write_bytes(BYTES)
    files = [{"path": os.fsencode(music / name), "size": 1, "mtime_ns": 1} for name in ("3.mp3", "copy.flac")]
    store.put("tracks", [{"id": track_id(3), "files": files}])
    assert get("stream", id=track_id(3)).content == BYTES


def test_nothing_else_is_given_away(get: Any, store: Store, music: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp3"
    secret.write_bytes(b"secret")
    (music / "0.mp3").symlink_to(secret)  # leads out of the folders of music
    os.mkfifo(music / "1.mp3")
    (music / "2.mp3").mkdir()
    for i in range(4):
        assert code(get("stream", id=track_id(i))) == 70
    for text in (str(secret), "../secret.mp3", f"{music}/../secret.mp3", "/etc/passwd"):
        for name in ("id", "path"):
            assert code(get("stream", **{name: text})) == 70
        assert code(get("getCoverArt", id=text)) == 70
    assert b"secret" not in get("stream", id=track_id(0)).content


def test_names_that_are_no_text(get: Any, store: Store, music: Path) -> None:
    name = os.fsencode(music) + b'/caf\xe9 "1".mp3'
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(BYTES)
    row = track_row(20, title="") | {"files": [{"path": name, "size": 1024, "mtime_ns": 1}]}
    store.put("tracks", [row])
    assert get("getSong", id=track_id(20)).json()["subsonic-response"]["song"]["title"] == 'caf\ufffd "1"'
    answer = get("download", id=track_id(20))
    assert answer.content == BYTES
    assert "filename*=utf-8''caf%EF%BF%BD" in answer.headers["content-disposition"]


def test_pictures_beside_songs(get: Any, music: Path) -> None:
    (music / "Best").mkdir()
    for name in ("9.mp3", "10.mp3"):
        (music / "Best" / name).write_bytes(BYTES)
    assert code(get("getCoverArt", id=track_id(9))) == 70
    (music / "Best" / "notes.jpg").write_bytes(picture("green"))
    assert code(get("getCoverArt", id=track_id(9))) == 70
    (music / "Best" / "Folder.JPG").write_bytes(picture("red"))
    (music / "Best" / "cover.png").write_bytes(b"<svg onload=alert(1)>")  # is passed over
    for key in (track_id(9), album_id("The Éclairs", "Best of"), artist_id("The Éclairs")):
        answer = get("getCoverArt", id=key)
        assert (answer.content, answer.headers["content-type"]) == (picture("red"), "image/jpeg")
    small = get("getCoverArt", id=track_id(9), size=30)
    assert Image.open(io.BytesIO(small.content)).size == (30, 20)
    assert get("getCoverArt", id=track_id(9), size=300).content == picture("red")  # not enlarged
    (music / "Best" / "Folder.JPG").unlink()
    (music / "Best" / "cover.png").unlink()
    (music.parent / "elsewhere.png").write_bytes(picture("blue", kind="PNG"))
    (music / "Best" / "cover.png").symlink_to(music.parent / "elsewhere.png")
    assert code(get("getCoverArt", id=track_id(9))) == 70


def tagged(path: Path, kind: str, front: bytes, back: bytes) -> Path:
    """Write a short song with a picture of its front and, where it can, of its back."""
    from mutagen.flac import FLAC, Picture
    from mutagen.id3 import APIC, ID3
    from mutagen.oggvorbis import OggVorbis

    audio = np.zeros(8000, np.float32)
    pictures = []
    for number, data in ((4, back), (3, front)):
        one = Picture()
        one.type, one.mime, one.data = number, "image/jpeg", data
        pictures.append(one)
    if kind == "flac":
        soundfile.write(path, audio, 8000)
        opened = FLAC(path)
        for one in pictures:
            opened.add_picture(one)
        opened.save()
    elif kind == "ogg":
        soundfile.write(path, audio, 8000)
        vorbis = OggVorbis(path)
        vorbis["metadata_block_picture"] = [base64.b64encode(one.write()).decode() for one in pictures]
        vorbis.save()
    else:
        soundfile.write(path, audio, 8000, format="MP3")
        tags = ID3()
        for one in pictures:
            tags.add(APIC(encoding=3, mime="image/jpeg", type=one.type, desc=str(one.type), data=one.data))
        tags.save(path)
    return path


@pytest.mark.parametrize("kind", ["flac", "ogg", "mp3"])
def test_pictures_in_files(kind: str, tmp_path: Path) -> None:
    path = tagged(tmp_path / f"song.{kind}", kind, picture("red"), picture("blue"))
    found = embedded(str(path))
    assert found is not None
    assert (found.data, found.media_type) == (picture("red"), "image/jpeg")
    path.write_bytes(path.read_bytes()[:200])  # a file that ends too early
    assert embedded(str(path)) is None
    assert embedded(str(tmp_path / "nobody.mp3")) is None


def test_pictures_of_other_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """mutagen's own shapes of MP4, ASF and APE, as it gives them for an opened file."""
    red = picture("red")

    class Value:
        def __init__(self, value: bytes) -> None:
            self.value = value

    windows = b"\x03" + len(red).to_bytes(4, "little") + "image/jpeg\0".encode("utf-16-le") + b"d\0\0\0" + red
    for tags in (
        {"covr": [red]},
        {"WM/Picture": [Value(windows)]},
        {"Cover Art (Front)": Value(b"cover.jpg\0" + red), "Cover Art (Back)": Value(b"b\0" + picture("blue"))},
    ):
        opened = type("Opened", (), {"tags": tags})()
        monkeypatch.setattr(mutagen, "File", lambda path, opened=opened: opened)
        found = embedded("x")
        assert found is not None
        assert found.data == red
    for tags in ({"WM/Picture": [Value(b"\x03")]}, {"metadata_block_picture": ["!"]}, {"covr": [b"text"]}, None):
        opened = type("Opened", (), {"tags": tags})()
        monkeypatch.setattr(mutagen, "File", lambda path, opened=opened: opened)
        assert embedded("x") is None


def test_clear_pictures_stay_clear_and_broken_ones_as_they_are() -> None:
    clear = as_cover(picture("red", kind="PNG"))
    assert clear is not None
    small = resized(clear, 10)
    assert small.media_type == "image/png"
    assert Image.open(io.BytesIO(small.data)).size == (10, 7)
    broken = as_cover(picture("red")[:100])
    assert broken is not None
    assert resized(broken, 10) is broken
    huge = as_cover(picture("red", size=(9000, 9000)))
    assert huge is not None
    assert resized(huge, 10) is huge
