"""Writing, undoing and reading tags as a user does; scores come from a table, and no network runs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("mutagen")
from mutagen import id3

from earmark.tagfile import read_tags
from earmark.track_tags import Tag, TrackTags


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's own is read or written."""
    monkeypatch.setenv("EARMARK_JOURNAL", str(tmp_path / "journals"))
    monkeypatch.setenv("EARMARK_LIBRARY", str(tmp_path / "catalogue"))
    monkeypatch.chdir(tmp_path)


def row(path: Path, **scores: float) -> str:
    categories = {"hip hop": "genre", "jazz": "genre", "rock": "genre", "happy": "mood", "piano": "instrument"}
    tags = tuple(Tag(name, categories[name], score, None, score, 0.0, threshold=0.2) for name, score in scores.items())
    none = np.zeros((0, len(tags)), np.float32)
    heard = TrackTags(str(path), 1.0, tags, none, np.zeros((0, 2)), np.zeros(0, np.float32), "stub", ("stub",))
    return json.dumps(heard.to_dict() | {"bpm": 120.4, "key": "F# minor", "bpm_confidence": 0.9}) + "\n"


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Three songs, one of them with a genre, and a table of scores for two."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for name in ("a.mp3", "b.flac", "c.mp3"):
        soundfile.write(folder / name, np.random.default_rng(1).standard_normal(8000) * 0.1, 16000)
    tags = id3.ID3()
    tags.add(id3.TCON(3, ["Krautrock"]))
    tags.save(folder / "a.mp3")
    table = row(folder / "a.mp3", **{"hip hop": 0.7, "happy": 0.4}) + row(
        folder / "b.flac", jazz=0.6, rock=0.5, piano=0.1
    )
    (tmp_path / "scores.jsonl").write_text(table, encoding="utf-8")
    return folder


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_shows_what_would_change_and_changes_nothing(cli, songs: Path) -> None:
    before = contents(songs)
    answer = cli("write", songs / "a.mp3", songs / "b.flac", "--from", "scores.jsonl")
    assert answer.status == 0
    assert "  mood           → Happy\n" in answer.out
    assert "  genre          → Jazz; Rock\n" in answer.out
    assert "kept as they are: genre" in answer.out
    assert "2 files would change; nothing was written: add --write" in answer.err
    assert contents(songs) == before
    assert not Path("journals").exists()


def test_it_writes_and_takes_back(cli, songs: Path) -> None:
    before = contents(songs)
    answer = cli("write", songs / "a.mp3", songs / "b.flac", "--from", "scores.jsonl", "--write", "--force")
    assert answer.status == 0
    assert "2 files written; take it back with: earmark undo " in answer.err
    assert read_tags(songs / "a.mp3").genres == ("Hip-Hop",)
    assert read_tags(songs / "b.flac").genres == ("Jazz", "Rock")
    again = cli("write", songs / "a.mp3", songs / "b.flac", "--from", "scores.jsonl", "--write")
    assert (again.status, again.out) == (0, "")
    assert "0 files written (2 as they are)" in again.err
    run = answer.err.strip().rpartition(" ")[2]
    assert run in cli("undo", "--list").out
    (listed,) = lines(cli("undo", "--list", "--json").out)
    assert (listed["run"], listed["n_files"], listed["n_undone"]) == (run, 2, 0)
    undone = cli("undo", run)
    assert undone.status == 0
    assert "2 files" in undone.err
    assert contents(songs) == before


def test_the_last_run_is_taken_back_after_asking(cli, songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(songs)
    cli("write", songs / "b.flac", "--from", "scores.jsonl", "--write")
    monkeypatch.setattr("typer.confirm", lambda *_, **__: None)
    assert cli("undo").status == 0
    assert contents(songs) == before
    assert cli("undo", "--yes").status in (1, 2)  # nothing is left to take back


def test_a_file_that_changed_since_is_left_alone(cli, songs: Path) -> None:
    cli("write", songs / "a.mp3", songs / "b.flac", "--from", "scores.jsonl", "--write")
    tags = id3.ID3(songs / "a.mp3")
    tags.add(id3.TIT2(3, ["Mine"]))
    tags.save(songs / "a.mp3")
    edited = (songs / "a.mp3").read_bytes()
    answer = cli("undo", "--yes")
    assert answer.status == 1
    assert "a.mp3" in answer.err
    assert (songs / "a.mp3").read_bytes() == edited
    assert read_tags(songs / "b.flac").genres == ()


def test_json_lines(cli, songs: Path) -> None:
    answer = cli(
        "write", songs, "--from", "scores.jsonl", "--json", "--fields", "genre,bpm,key", "--key-notation", "camelot"
    )
    assert answer.status == 1
    found = {Path(one["path"]).name: one for one in lines(answer.out)}
    assert [found[name]["status"] for name in ("a.mp3", "b.flac", "c.mp3")] == ["proposed", "proposed", "failed"]
    after = {one["name"]: one["after"] for one in found["b.flac"]["changes"]}
    assert (after["genre"], after["bpm"], after["key"]) == (["Jazz", "Rock"], ["120"], ["11A"])
    assert found["a.mp3"]["kept"] == ["genre"]
    assert "not in scores.jsonl" in found["c.mp3"]["error"]


def test_failures_stop_nothing_and_are_counted(cli, songs: Path) -> None:
    answer = cli("write", songs, "--from", "scores.jsonl", "--write")
    assert answer.status == 1
    assert "2 files written (1 failed)" in answer.err
    assert "c.mp3: not in scores.jsonl" in answer.err
    assert read_tags(songs / "b.flac").genres == ("Jazz", "Rock")


def test_own_names_and_players(cli, songs: Path) -> None:
    Path("map.toml").write_text('[names]\njazz = "Jazz Music"\n[genre]\ndrop = ["rock"]\n', encoding="utf-8")
    answer = cli("write", songs / "b.flac", "--from", "scores.jsonl", "--map", "map.toml", "--profile", "navidrome")
    assert "→ Jazz Music\n" in answer.out
    assert "→ F#m\n" in answer.out
    Path("genres.txt").write_text("Rock\n", encoding="utf-8")
    assert "→ Rock\n" in cli("write", songs / "b.flac", "--from", "scores.jsonl", "--whitelist", "genres.txt").out
    assert "→ Jazz\n" in cli("write", songs / "b.flac", "--from", "scores.jsonl", "--count", 1).out
    assert "0 files would change" in cli("write", songs / "b.flac", "--from", "scores.jsonl", "--min-score", 0.9).err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "scores.jsonl", "--fresh"], "--from and --fresh exclude each other"),
        (["--from", "scores.jsonl", "--fields", "gerne"], "did you mean 'genre'"),
        (["--from", "scores.jsonl", "--profile", "navidrom"], "did you mean 'navidrome'"),
        (["--from", "scores.jsonl", "--count", "0"], "count is 0"),
        (["--from", "scores.jsonl", "--key-notation", "x"], "notation of keys"),
    ],
)
def test_wrong_arguments(cli, songs: Path, arguments: list[str], message: str) -> None:
    answer = cli("write", songs / "a.mp3", *arguments)
    assert answer.status == 2
    assert message in answer.err


def test_stdin_has_no_tags(cli, songs: Path) -> None:
    for command in ("write", "read"):
        answer = cli(command, "-")
        assert answer.status == 2
        assert "stdin, which has no tags" in answer.err


class StubTagger:
    """Hears jazz in everything."""

    threads, sample_rate, name = 1, 16000, "stub"
    heard: list[str] = []  # noqa: RUF012

    class _Card:
        name = "stub"

    cards = (_Card,)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def tag(self, source: str, *, on_block: Callable[..., None] | None = None) -> TrackTags:
        StubTagger.heard.append(Path(source).name)
        plain = json.loads(row(Path(source), jazz=0.9))
        return replace(TrackTags.from_dict(plain), model="stub")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instead of listening; returns the names of the files that were heard."""
    monkeypatch.setattr("earmark.tagger.Tagger", StubTagger)
    monkeypatch.setattr("earmark.tagfile.scores.fingerprint", lambda name: f"weights of {name}")
    monkeypatch.setattr(StubTagger, "heard", [])
    return StubTagger.heard


def test_without_a_catalogue_it_listens_and_not_twice(cli, songs: Path, stub: list[str]) -> None:
    assert cli("write", songs, "--write").status == 0
    assert sorted(stub) == ["a.mp3", "b.flac", "c.mp3"]
    assert read_tags(songs / "c.mp3").genres == ("Jazz",)
    stub.clear()
    answer = cli("write", songs, "--write", "--fresh")
    assert answer.status == 0
    assert stub == ["a.mp3"]  # its genre was kept, so that nothing was written and it has no stamp
    assert "0 files written (1 as they are, 2 done before)" in answer.err


@pytest.fixture
def catalogue(songs: Path, tmp_path: Path) -> None:
    """A catalogue that knows b.flac."""
    pytest.importorskip("lancedb")
    from earmark.audio.identity import content_id
    from earmark.library.store import Store

    from ..library.conftest import MODEL, track_row

    store = Store(tmp_path / "catalogue", create=True)
    store.keep_model(MODEL)
    store.put("tracks", [track_row(3) | {"id": content_id(songs / "b.flac")}])


@pytest.mark.usefixtures("catalogue")
def test_what_the_catalogue_knows_is_not_heard_again(cli, songs: Path, stub: list[str]) -> None:
    answer = cli("write", songs, "--fields", "genre,bpm,key", "--write")
    assert answer.status == 0
    assert sorted(stub) == ["a.mp3", "c.mp3"]
    tags = read_tags(songs / "b.flac")
    assert (tags.bpm, tags.key) == (90.0, "Am")
    stub.clear()
    only = cli("write", songs, "--library", Path("catalogue"), "--json")
    assert [one["status"] for one in lines(only.out)].count("failed") == 2
    assert "not in the catalogue" in only.out
    assert not stub
    assert cli("write", songs, "--library", Path("catalogue"), "--model", "nobody").status == 2


def test_an_empty_catalogue_is_none(cli, songs: Path, stub: list[str]) -> None:
    Path("catalogue").mkdir()
    answer = cli("write", songs / "c.mp3")
    assert answer.status == 1
    assert "there is no catalogue here" in answer.err
    pytest.importorskip("lancedb")
    from earmark.library.store import Store

    Store("catalogue", create=True).table("tracks")
    assert cli("write", songs / "c.mp3").status == 0
    assert stub == ["c.mp3"]


def test_when_interrupted_it_says_what_was_done(cli, songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.tagfile.scores import TableSource

    whole = TableSource.scores

    def scores(source: TableSource, paths: list[str]) -> Any:
        yield next(whole(source, paths))
        raise KeyboardInterrupt

    monkeypatch.setattr(TableSource, "scores", scores)
    answer = cli("write", songs, "--from", "scores.jsonl", "--write")
    assert answer.status == 130
    assert "1 file written; take it back with: earmark undo " in answer.err
    assert read_tags(songs / "a.mp3").moods == ("Happy",)


def test_files_with_several_names(cli, songs: Path) -> None:
    (songs / "d.flac").hardlink_to(songs / "b.flac")
    refused = cli("write", songs / "b.flac", "--from", "scores.jsonl", "--write")
    assert refused.status == 1
    assert "hard links" in refused.err
    split = cli(
        "write", songs / "b.flac", "--from", "scores.jsonl", "--write", "--hard-links", "split", "--times", "step"
    )
    assert split.status == 0
    assert read_tags(songs / "b.flac").genres == ("Jazz", "Rock")
    assert read_tags(songs / "d.flac").genres == ()
    assert (songs / "b.flac").stat().st_mtime_ns == (songs / "d.flac").stat().st_mtime_ns + 10**9


def test_read_prints_every_field(cli, songs: Path) -> None:
    cli("write", songs / "b.flac", "--from", "scores.jsonl", "--write")
    answer = cli("read", songs / "a.mp3", songs / "b.flac")
    assert answer.status == 0
    assert "  genre  TCON" in answer.out
    assert "Krautrock" in answer.out
    assert "Jazz; Rock" in answer.out
    assert "EARMARK_STAMP" in answer.out
    first, second = lines(cli("read", songs / "a.mp3", songs / "b.flac", "--json").out)
    assert first["kinds"][0].startswith("ID3v2")
    assert first["tags"]["genres"] == ["Krautrock"]
    assert second["fields"]["GENRE"] == ["Jazz", "Rock"]


def test_read_tells_failures(cli, songs: Path) -> None:
    (songs / "empty.mp3").write_bytes(b"")
    answer = cli("read", songs)
    assert answer.status == 1
    assert "empty.mp3" in answer.err
    assert "Krautrock" in answer.out
