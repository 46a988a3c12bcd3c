"""Many files: which are found, in what order results come, and what a journal keeps."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from earmark.batch import STDIN, Journal, check_free, find_audio, make_folders, output_paths, tag_batch, walk
from earmark.errors import EarmarkWarning, InputError, UsageError
from earmark.tagger import TagFailure
from earmark.track_tags import Tag, TrackTags

SETTINGS = {"model": "standard", "hop_seconds": None}


def result(path: str, score: float = 0.5) -> TrackTags:
    return TrackTags(
        path=path,
        duration=3.0,
        tags=(Tag("jazz", "genre", score, 2.0, score, 1.5, {"m": score}),),
        taggram=np.full((1, 1), score, np.float32),
        times=np.array([[0.0, 3.0]]),
        embedding=np.arange(3, dtype=np.float32),
        model="m",
        models=("m",),
    )


class FakeTagger:
    """Reads the score out of the file; counts its calls."""

    threads = 2

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def tag(self, source: str, *, offset: float = 0.0, duration: float | None = None) -> TrackTags:
        with self._lock:
            self.calls.append(source)
        if "broken" in source:
            raise InputError(f"{source}: broken")
        return result(source, float(Path(source).read_text(encoding="utf-8")))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    for name in ("b.mp3", "a.WAV", "notes.txt", ".hidden.mp3", "sub/c.flac", ".git/d.mp3", "[x] 1.ogg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0.25", encoding="utf-8")
    return folder


def names(found: list[str], folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in found]


def test_a_folder_is_walked_by_suffix_sorted_without_hidden_files(music: Path) -> None:
    assert names(find_audio([str(music)]), music) == ["[x] 1.ogg", "a.WAV", "b.mp3", "sub/c.flac"]


def test_arguments_keep_their_order_and_every_file_comes_once(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(music)
    arguments = ["sub", "./b.mp3", "b.mp3", "-", "notes.txt", "*.mp3", "gone.mp3", "-", "[x] 1.ogg"]
    assert find_audio(arguments) == [
        str(Path("sub") / "c.flac"),
        "./b.mp3",
        "-",
        "notes.txt",
        "gone.mp3",
        "[x] 1.ogg",
    ]


def test_loops_of_links_end(music: Path) -> None:
    (music / "sub" / "loop").symlink_to(music, target_is_directory=True)
    (music / "alias.mp3").symlink_to(music / "b.mp3")
    once = ["[x] 1.ogg", "a.WAV", "alias.mp3", "sub/c.flac"]  # b.mp3 is alias.mp3, which comes first
    assert names(find_audio([str(music)]), music) == once
    assert len(find_audio([str(music / "**" / "*.*")])) == 5  # and notes.txt


def test_what_stands_for_nothing_is_an_error(music: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no audio file in this folder"):
        find_audio([str(tmp_path / "empty")])
    with pytest.raises(InputError, match="no file matches this pattern"):
        find_audio([str(music / "*.opus")])
    with pytest.raises(InputError, match="an empty argument"):
        find_audio([""])


def test_names_that_no_file_can_have(music: Path) -> None:
    with pytest.raises(InputError, match="no file can have this name"):
        find_audio(["a\0b"])
    with pytest.raises(InputError, match="5000 characters") as caught:
        find_audio(["x" * 5000])
    assert len(str(caught.value)) < 200
    assert find_audio([str(music / "b.mp3" / "below a file.mp3")])  # could exist: fails later, alone


def test_a_folder_that_vanishes_is_left_out_with_a_warning(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = os.stat

    def gone(path: str, **options: bool) -> os.stat_result:
        if os.path.basename(path) == "sub":  # noqa: PTH119
            raise FileNotFoundError(2, "No such file or directory", path)
        return look(path, **options)

    monkeypatch.setattr(os, "stat", gone)
    with pytest.warns(EarmarkWarning, match=r"sub: No such file"):
        assert names(list(walk(str(music))), music) == ["[x] 1.ogg", "a.WAV", "b.mp3"]


def test_results_come_in_order_and_failures_stop_nothing(music: Path) -> None:
    paths = [str(music / name) for name in ("b.mp3", "broken.mp3", "a.WAV")]
    outcomes = list(tag_batch(FakeTagger(), paths, jobs=3))
    assert [outcome.path for outcome in outcomes] == paths
    assert [isinstance(outcome, TagFailure) for outcome in outcomes] == [False, True, False]


def test_jobs_is_checked() -> None:
    with pytest.raises(UsageError, match="jobs is 0"):
        list(tag_batch(FakeTagger(), ["x"], jobs=0))


def test_a_journal_saves_what_is_done_and_leaves_the_rest(music: Path, tmp_path: Path) -> None:
    paths = [str(music / name) for name in ("a.WAV", "broken.mp3", "b.mp3")]
    state = tmp_path / "state"
    with Journal(state, SETTINGS) as journal:
        first = list(tag_batch(FakeTagger(), paths, journal=journal))
    tagger = FakeTagger()
    Path(paths[2]).write_text("0.125", encoding="utf-8")  # another size: changed since
    os.utime(paths[2], ns=(1, 1))
    with Journal(state, SETTINGS) as journal:
        assert len(journal) == 2
        second = list(tag_batch(tagger, paths, journal=journal))
    assert sorted(tagger.calls) == sorted(paths[1:])
    assert isinstance(first[0], TrackTags)
    assert isinstance(second[0], TrackTags)
    assert isinstance(second[2], TrackTags)
    assert second[0].tags == first[0].tags
    assert np.array_equal(second[0].embedding, first[0].embedding)
    assert second[2].tags[0].score == 0.125
    with Journal(state, SETTINGS) as journal:  # of two lines for one file the last counts
        kept = journal.find(paths[2])
    assert kept is not None
    assert kept.tags[0].score == 0.125


def test_a_file_to_redo_is_done_again(music: Path, tmp_path: Path) -> None:
    path, tagger = str(music / "b.mp3"), FakeTagger()
    with Journal(tmp_path / "state", SETTINGS) as journal:
        list(tag_batch(tagger, [path], journal=journal))
        list(tag_batch(tagger, [path], journal=journal))
        list(tag_batch(tagger, [path], journal=journal, redo=[path]))
    assert tagger.calls == [path, path]


def test_results_carry_the_path_that_is_asked_for(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(music)
    with Journal(tmp_path / "state", SETTINGS) as journal:
        list(tag_batch(FakeTagger(), ["b.mp3"], journal=journal))
        found = journal.find(str(music / "b.mp3"))
    assert found is not None
    assert found.path == str(music / "b.mp3")


@pytest.mark.parametrize("torn", ['{"path": "x", "sta', "\0" * 40])
def test_a_torn_last_line_goes(music: Path, tmp_path: Path, torn: str) -> None:
    state, paths = tmp_path / "state", [str(music / "a.WAV"), str(music / "b.mp3")]
    with Journal(state, SETTINGS) as journal:
        list(tag_batch(FakeTagger(), paths[:1], journal=journal))
    whole = state.read_text(encoding="ascii")
    state.write_text(whole + torn, encoding="ascii")
    with Journal(state, SETTINGS) as journal:
        list(tag_batch(FakeTagger(), paths, journal=journal))
    lines = state.read_text(encoding="ascii").splitlines()
    assert lines[:2] == whole.splitlines()
    assert [json.loads(line)["path"] for line in lines[1:]] == paths


@pytest.mark.parametrize(
    "change",
    [
        {"stamp": 3}, {"stamp": None}, {"stamp": ["1", "2"]}, {"stamp": [1]}, {"path": ["a.WAV"]}, {"path": None},
        {"result": None}, {"result": {}}, {"result": {"models": 3}}, {"result": {"models": ["m"], "tags": [None]}},
    ],
)  # fmt: skip
def test_a_line_that_is_no_result_is_as_if_it_were_not_there(music: Path, tmp_path: Path, change: object) -> None:
    state, paths, tagger = tmp_path / "state", [str(music / "a.WAV"), str(music / "b.mp3")], FakeTagger()
    with Journal(state, SETTINGS) as journal:
        list(tag_batch(FakeTagger(), paths, journal=journal))
    header, *lines = state.read_text(encoding="ascii").splitlines()
    of_a, of_b = sorted(lines, key=lambda line: json.loads(line)["path"])
    damaged = json.dumps(json.loads(of_a) | change)
    state.write_text("\n".join([header, damaged, "[1]", "[" * 100_000, of_b, ""]), encoding="ascii")
    with Journal(state, SETTINGS) as journal:
        outcomes = list(tag_batch(tagger, paths, journal=journal))
    assert tagger.calls == paths[:1]
    assert [outcome.path for outcome in outcomes] == paths
    with Journal(state, SETTINGS) as journal:
        assert journal.find(paths[0]) is not None


def test_one_run_at_a_time_writes_to_a_journal(music: Path, tmp_path: Path) -> None:
    state, path = tmp_path / "state", str(music / "b.mp3")
    with Journal(state, SETTINGS) as journal:
        with pytest.raises(UsageError, match="another run is writing to this journal") as caught:
            Journal(state, SETTINGS)
        list(tag_batch(FakeTagger(), [path], journal=journal))
    assert caught.value.hint
    with Journal(state, SETTINGS) as journal:
        assert journal.find(path) is not None


def test_another_process_is_another_run(tmp_path: Path) -> None:
    code = f"from earmark.batch import Journal; Journal({str(tmp_path / 'state')!r}, {SETTINGS!r})"
    with Journal(tmp_path / "state", SETTINGS):
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert "UsageError" in second.stderr
    assert "another run is writing" in second.stderr
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_other_settings_are_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "state", SETTINGS).close()
    with pytest.raises(UsageError, match=r"begun with hop_seconds=None, now it is hop_seconds=1\.0"):
        Journal(tmp_path / "state", SETTINGS | {"hop_seconds": 1.0})


@pytest.mark.parametrize("content", ["a letter\n", "{}\n", "[1]\n", '{"earmark_journal": 99}\n'])
def test_what_is_no_journal_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "letter.txt"
    path.write_text(content, encoding="ascii")
    with pytest.raises(InputError, match="not a journal"):
        Journal(path, SETTINGS)
    assert path.read_text(encoding="ascii") == content


def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        Journal(tmp_path / "no folder" / "state", SETTINGS)


def test_stdin_is_not_in_a_journal(tmp_path: Path) -> None:
    class Ears(FakeTagger):
        def tag(self, source: str, *, offset: float = 0.0, duration: float | None = None) -> TrackTags:
            return result("stdin")

    with Journal(tmp_path / "state", SETTINGS) as journal:
        assert len(list(tag_batch(Ears(), [STDIN], journal=journal))) == 1
        assert len(journal) == 0


def test_a_name_that_is_no_utf8_comes_back(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp3")
    try:
        Path(path).write_text("0.5", encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert find_audio([str(tmp_path)]) == [path]
    with Journal(tmp_path / "state", SETTINGS) as journal:
        list(tag_batch(FakeTagger(), [path], journal=journal))
    with Journal(tmp_path / "state", SETTINGS) as journal:
        found = journal.find(path)
    assert found is not None
    assert found.path == path


SUFFIXES = (".png", ".csv")


def test_outputs_of_several_files(tmp_path: Path) -> None:
    folder = str(tmp_path)
    chosen = output_paths(["x/a.mp3", "y/a.mp3", "-"], folder, suffixes=SUFFIXES, default=".png")
    assert [path.name for path in chosen.values()] == ["a.png", "a-2.png", "stdin.png"]
    chosen = output_paths(["S.mp3", "s.mp3", "s-2.mp3"], folder, suffixes=SUFFIXES, default=".png")
    assert [path.name for path in chosen.values()] == ["S.png", "s-2.png", "s-2-2.png"]  # the same file on some systems
    chosen = output_paths(["x/a.b.mp3"], "out/{name}-tags.csv", suffixes=SUFFIXES, default=".png")
    assert chosen == {"x/a.b.mp3": Path("out/a.b-tags.csv")}
    chosen = output_paths(["a.mp3", "b.mp3"], "new/", suffixes=SUFFIXES, default=".png")
    assert list(chosen.values()) == [Path("new/a.png"), Path("new/b.png")]
    assert output_paths(["a.mp3"], "b.csv", suffixes=SUFFIXES, default=".png") == {"a.mp3": Path("b.csv")}


def test_one_output_for_several_files_is_refused() -> None:
    with pytest.raises(UsageError, match="one file for 2 tracks") as caught:
        output_paths(["a.mp3", "b.mp3"], "out.png", suffixes=SUFFIXES, default=".png")
    assert "{name}.png" in str(caught.value.hint)
    with pytest.raises(UsageError, match=r"cannot write \.gif"):
        output_paths(["a.mp3"], "out.gif", suffixes=SUFFIXES, default=".png")


def test_folders_for_outputs(tmp_path: Path) -> None:
    make_folders([tmp_path / "a" / "b" / "x.png", tmp_path / "a" / "b" / "y.png"])
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be created"):
        make_folders([tmp_path / "file" / "b" / "x.png"])


def test_music_is_not_written_over(music: Path) -> None:
    a, b = str(music / "a.WAV"), str(music / "b.mp3")
    check_free(str(music / "new.wav"), source=a)
    check_free(b, source=a, force=True)
    with pytest.raises(UsageError, match="there is such a file already"):
        check_free(b, source=a)
    with pytest.raises(UsageError, match="is what would be read"):
        check_free(a, source=a, force=True)
