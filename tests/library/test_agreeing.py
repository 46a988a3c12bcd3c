"""From what was typed to the result: folders, playlists, filters, files of likes and services, heard by a stub."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import stub_listening

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library import adding, ears, fetching, listeners
from earmark.library.adding import add
from earmark.library.agreeing import compatibility
from earmark.library.ears import Ears, side_address
from earmark.library.listeners import find_listener, of_likes
from earmark.library.listening import Setup
from earmark.library.store import Store
from earmark.sources.likes import Like, Likes


@pytest.fixture(autouse=True)
def stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a stub listen; return the log of what it heard."""
    log = tmp_path / "heard.log"
    monkeypatch.setenv("EARMARK_STUB_LOG", str(log))
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_LIBRARY", str(tmp_path / "none"))
    monkeypatch.setenv("EARMARK_SECRETS", str(tmp_path / "secrets.toml"))
    monkeypatch.setattr(adding, "SERVICE", stub_listening.SERVICE)
    monkeypatch.setattr(ears, "describe", lambda *_, **__: stub_listening.model())
    return log


def songs(folder: Path, name: str, n: int = 10, first: int = 0) -> Path:
    """Make a folder of files that a stub can hear; the same number gives the same audio."""
    (folder / name).mkdir(parents=True)
    for i in range(first, first + n):
        (folder / name / f"song {i}.wav").write_bytes(b"audio %d" % i)
    return folder / name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return songs(tmp_path / "music", "anna")


@pytest.fixture
def catalogue(tmp_path: Path) -> Store:
    """A catalogue of forty songs, of which the first ten are Anna's."""
    store = Store(tmp_path / "catalogue", create=True)
    music = songs(tmp_path / "own", "all", 40)
    with store.writing():
        add(store, [str(music)], stub_listening.model(), setup=Setup(), jobs=2)
    return store


def n_heard(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_two_folders_without_a_catalogue(tmp_path: Path, folder: Path, stubbed: Path) -> None:
    other = songs(tmp_path / "music", "berta", 12, first=10)
    found = compatibility(str(folder), str(other), n_pairs=50)
    assert (found.a.name, found.b.name, found.way) == ("anna", "berta", "audio")
    assert (found.coverage_a.audio, found.coverage_b.audio, found.n_pool) == (10, 12, 22)
    assert n_heard(stubbed) == 22
    assert not Path(tmp_path / "none").exists()  # the user's catalogue was not begun
    again = compatibility(str(folder), str(other), n_pairs=50)
    assert again.to_dict() == found.to_dict()
    assert n_heard(stubbed) == 22


def test_what_the_catalogue_knows_is_not_heard_again_and_is_what_they_are_held_against(
    tmp_path: Path, folder: Path, catalogue: Store, stubbed: Path
) -> None:
    before = n_heard(stubbed)
    found = compatibility(str(tmp_path / "own" / "all"), str(folder), library=catalogue, n_pairs=50)
    assert found.coverage_a.audio == 40
    assert len(found.explanation.same_tracks) == 10  # another path, the same audio
    assert found.n_pool == 40
    assert n_heard(stubbed) - before == 10  # Anna's folder is not of the catalogue, so it is heard beside it
    assert catalogue.count() == 40


def test_a_changed_file_is_heard_anew(tmp_path: Path, catalogue: Store) -> None:
    music = tmp_path / "own" / "all"
    ear = Ears(catalogue)
    first = {track.id for track in find_listener(str(music), ear).tracks}
    (music / "song 3.wav").write_bytes(b"another song")
    second = {track.id for track in find_listener(str(music), Ears(catalogue)).tracks}
    assert len(second) == 40
    assert len(first - second) == len(second - first) == 1


def test_playlists_filters_and_their_names(tmp_path: Path, catalogue: Store) -> None:
    music = tmp_path / "own" / "all"
    listed = tmp_path / "night.m3u8"
    listed.write_text("\n".join([*(str(music / f"song {i}.wav") for i in range(9)), "gone.wav"]))
    found = compatibility(str(listed), "title:song", library=catalogue, n_pairs=50)
    assert (found.a.name, found.a.source, found.coverage_a.n, found.coverage_a.neither) == ("night", "playlist", 10, 1)
    assert (found.b.name, found.b.source, found.coverage_b.audio) == ("title:song", "catalogue", 40)


def test_a_filter_may_hold_a_path(catalogue: Store) -> None:
    assert len(find_listener("path:/own/all/", Ears(catalogue)).tracks) == 40
    assert len(find_listener("not path:/own/none", Ears(catalogue)).tracks) == 40


def test_folders_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    one, other = songs(tmp_path / "a", "music"), songs(tmp_path / "b", "music", first=5)
    found = compatibility(str(one), str(other), n_pairs=50)
    assert (found.a.name, found.b.name) == (str(one), str(other))


def test_what_cannot_be_heard_is_said_and_counted(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.wav").write_bytes(b"bad")
    found = compatibility(str(folder), str(songs(tmp_path, "b", first=3)), n_pairs=50)
    assert (found.coverage_a.n, found.coverage_a.audio, found.coverage_a.neither) == (11, 10, 1)
    assert any("broken.wav could not be heard" in note for note in found.notes)
    again = compatibility(str(folder), str(tmp_path / "b"), n_pairs=50)
    assert again.notes == found.notes  # it is not tried again, and said again


def csv(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(["artist,title,tags,plays", *lines]))
    return str(path)


def test_likes_are_found_in_the_catalogue_else_stand_for_their_tags(tmp_path: Path, catalogue: Store) -> None:
    listed = csv(
        tmp_path / "likes.csv",
        [*(f"Artist,song {i},,{i + 1}" for i in range(10)), "Nobody,Else,rock;seen live;Nobody,3", "Nobody,Silent,,1"],
    )
    listener = find_listener(listed, Ears(catalogue))
    assert len(listener.with_audio) == 10
    assert [match.by for match in listener.matched] == ["name"] * 10
    assert listener.n_without == 1
    [told] = [track for track in listener.tracks if track.vector is None]
    assert set(told.tags) == {"rock"}
    weights = {track.title: track.weight for track in listener.with_audio}
    assert weights["song 9"] == pytest.approx(1 + 2.302585)  # ten times as often as the least
    found = compatibility(listed, "title:song", library=catalogue, n_pairs=50)
    assert found.way == "audio"
    assert (found.coverage_a.audio, found.coverage_a.tags_alone, found.coverage_a.neither) == (10, 1, 1)


def test_tags_alone_need_no_catalogue(tmp_path: Path, stubbed: Path) -> None:
    one = csv(tmp_path / "a.csv", [f"A{i},T{i},rock;guitar{i % 3}," for i in range(10)])
    other = csv(tmp_path / "b.csv", [f"B{i},T{i},jazz;piano{i % 3}," for i in range(10)])
    found = compatibility(one, other, n_pairs=50)
    assert found.way == "tags"
    assert {fact.tag for fact in found.explanation.differences[:2]} == {"rock", "jazz"}
    assert n_heard(stubbed) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody", "no catalogue of which it could be a filter"),
        ("no/such/folder", "no such file or folder"),
        ("list.m3u8", "no such file or folder"),
        ("lastfm:", "whose likes"),
    ],
)
def test_who_cannot_be_found(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((InputError, UsageError), match=message):
        find_listener(text, Ears(None))


def test_wrong_files_and_filters(tmp_path: Path, catalogue: Store) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "song.mp3").write_bytes(b"")
    (tmp_path / "gone.m3u").write_text("gone.mp3\n")
    for text, message in (
        (tmp_path / "empty", "no audio files in it"),
        (tmp_path / "song.mp3", "is no folder, playlist or file of likes"),
        (tmp_path / "gone.m3u", "none of its 1 songs is here"),
        ("title:zzz", "no track of the catalogue fits"),
        ("colour:red", "it is no filter of the catalogue"),
    ):
        with pytest.raises(InputError, match=message):
            find_listener(str(text), Ears(catalogue))


def test_three_tracks_and_no_likes_give_no_number(tmp_path: Path, folder: Path, catalogue: Store) -> None:
    with pytest.raises(InputError, match=r"three: 3 of 3 tracks have .* expected 8"):
        compatibility(str(folder), str(songs(tmp_path, "three", 3)), n_pairs=50)
    with pytest.raises(InputError, match="likes"):
        compatibility(csv(tmp_path / "none.csv", []), str(folder), library=catalogue)


def test_soundcloud_is_not_mixed_with_another_service_unless_told(folder: Path) -> None:
    with pytest.raises(UsageError, match="SoundCloud's terms") as caught:
        compatibility("soundcloud:anna", "lastfm:berta")
    assert "--mix" in str(caught.value.hint)
    for pair in (("soundcloud:anna", "soundcloud:berta"), ("soundcloud:anna", str(folder))):
        with pytest.raises(UsageError, match="soundcloud needs a client id"):
            compatibility(*pair)


def jamendo_like(i: int, **facts: str) -> Like:
    plain = {"source_id": str(i), "licence": "http://creativecommons.org/licenses/by-nc/3.0/", **facts}
    return Like(f"Artist {i}", f"Title {i}", tags={"rock": 1.0}, url=f"https://www.jamendo.com/track/{i}", **plain)  # type: ignore[arg-type]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let likes of Jamendo be fetched from nowhere; return the list of what was."""
    asked: list[str] = []

    def fetch(like: Like, folder: Path) -> Path:
        asked.append(like.source_id)
        if like.source_id == "13":
            raise InputError("track 13 is gone")
        path = folder / f"{like.source_id}.wav"
        path.write_bytes(b"fetched " + like.source_id.encode())
        return path

    monkeypatch.setattr(fetching.jamendo, "fetch_audio", fetch)
    return asked


def test_licensed_audio_is_fetched_heard_and_deleted(fetched: list[str], stubbed: Path, tmp_path: Path) -> None:
    likes = Likes("anna", "jamendo", (*(jamendo_like(i) for i in range(10, 20)), jamendo_like(99, licence="")))
    ear = Ears(None)
    listener = of_likes(likes, ear)
    assert len(listener.with_audio) == 9
    assert fetched == [str(i) for i in range(10, 20)]  # not the one without a licence
    assert [name for name, _ in ear.failures] == ["Artist 13 – Title 13"]
    assert {track.licence for track in listener.with_audio} == {"CC BY-NC 3.0"}
    assert all(track.url and not track.path for track in listener.with_audio)
    assert {track.name for track in listener.tracks if track.vector is None} == {
        "Artist 13 – Title 13", "Artist 99 – Title 99"
    }  # fmt: skip
    assert not list(Path(side_address()).rglob("*.wav"))
    fetched.clear()
    again = of_likes(likes, Ears(None))
    assert fetched == ["13"]  # only what failed is tried again
    assert {track.id for track in again.tracks} == {track.id for track in listener.tracks}
    assert n_heard(stubbed) == 9
    memory = json.loads((Path(side_address()) / "jamendo.json").read_text())
    assert len(memory) == 9


@pytest.mark.parametrize("allowed", [False, True])
def test_audio_of_soundcloud_is_heard_only_by_who_has_the_right(
    allowed: bool, fetched: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fetching.soundcloud, "fetch_audio", fetching.jamendo.fetch_audio)
    if allowed:
        (tmp_path / "secrets.toml").write_text("[soundcloud]\nright_to_analyse_audio = true\n")
        (tmp_path / "secrets.toml").chmod(0o600)
    likes = Likes("anna", "soundcloud", tuple(jamendo_like(i, licence="") for i in range(3)), mixable=False)
    listener = of_likes(likes, Ears(None))
    assert len(fetched) == (3 if allowed else 0)
    assert len(listener.with_audio) == len(fetched)


def test_services_are_asked_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Callable[..., Likes]] = []

    def answer(user: str, **_: object) -> Likes:
        asked.append(user)  # type: ignore[arg-type]
        return Likes(user, "csv", (Like("A", "T", tags={"rock": 1.0}),))

    for module, name in (("listenbrainz", "listenbrainz_likes"), ("lastfm", "lastfm_likes"),
                         ("soundcloud", "soundcloud_likes"), ("jamendo", "jamendo_likes")):  # fmt: skip
        monkeypatch.setattr(getattr(listeners, module), name, answer)
        assert find_listener(f"{module}:{name}", Ears(None)).name == name
    assert len(asked) == 4


def test_wrong_options(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="audoi"):
        compatibility(str(folder), str(folder), by="audoi")
