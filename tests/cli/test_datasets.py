"""`earmark datasets`: every verb, on a terminal and in a pipe, and what it refuses."""

import csv
import importlib.util
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earmark.cli.datasets import parse_parts
from earmark.datasets import DATASETS, downloading, magnatagatune, open_dataset
from earmark.datasets.base import Remote
from earmark.errors import UsageError

Cli = Callable[..., Any]
MAKER = Path(__file__).parents[1] / "datasets" / "makers" / "magnatagatune.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small MagnaTagATune: six clips, three of them with audio."""
    folder = tmp_path / "größer"
    folder.mkdir()
    runpy.run_path(str(MAKER))["make"](folder)
    return folder


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let stdout be a terminal of 100 columns, once output is captured."""

    def use() -> None:
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)

    return use


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


# list and info --------------------------------------------------------------------------------------------------------


def test_list(cli: Cli, terminal: Callable[[], None]) -> None:
    answer = cli("datasets")
    assert answer.status == 0
    assert answer == cli("datasets", "list")
    assert [row[0] for row in rows(answer.out)] == list(DATASETS)
    assert {len(row) for row in rows(answer.out)} == {7}
    lines = [json.loads(line) for line in cli("datasets", "list", "--json").out.splitlines()]
    assert [line["name"] for line in lines] == list(DATASETS)
    assert cli("datasets", "--json").out == cli("datasets", "list", "--json").out
    terminal()
    shown = cli("datasets", "list")
    assert "25,863" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    assert "mirdata:NAME" in shown.err


def test_info(cli: Cli, terminal: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DATASETS:
        answer = cli("datasets", "info", name)
        assert answer.status == 0
        assert answer.out.startswith(f"name:        {name}\n")
    shown = cli("datasets", "info", "magnatagatune").out
    for words in ("on disk:", "options:", "'top50' unless given", "mp3.zip.003  (audio", "18,706", "no checksum"):
        assert words in shown
    plain = json.loads(cli("datasets", "info", "magnatagatune", "--json").out)
    assert plain["defaults"] == {"vocabulary": "top50"}
    assert plain["remotes"][0]["file_name"] == "annotations_final.csv"
    terminal()
    assert "… and" in cli("datasets", "info", "mtg_jamendo").out
    monkeypatch.setenv("COLUMNS", "80")
    for name in DATASETS:
        shown = cli("datasets", "info", name).out
        assert max(map(len, shown.splitlines())) <= 80
    shown = cli("datasets", "info", "magnatagatune").out
    assert "may also lie\n                           in the root itself)\n" in shown
    assert "Used by Dieleman & Schrauwen 2014,\n            Pons, jukemir, MARBLE and others.\n  clean " in shown
    answer = cli("datasets", "info", "magnatagatunes")
    assert answer.status == 2
    assert "did you mean 'magnatagatune'?" in answer.err


# download -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the dataset toy have two files, which a mirror holds."""
    mirror = tmp_path / "mirror" / "toy"
    mirror.mkdir(parents=True)
    remotes = tuple(
        Remote(name, f"https://nowhere.example/{name}", kind=kind)  # type: ignore[arg-type]
        for name, kind in (("a.csv", "labels"), ("b.mp3", "audio"))
    )
    for remote in remotes:
        (mirror / remote.file_name).write_bytes(b"content")
    monkeypatch.setenv("EARMARK_MIRROR", str(mirror.parent))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")

    def use(**facts: Any) -> None:
        info = replace(magnatagatune.INFO, **({"name": "toy", "title": "Toy", "remotes": remotes} | facts))
        monkeypatch.setattr(downloading, "dataset_info", lambda _: info)

    use()
    return use


def test_download(cli: Cli, toy: Callable[..., None], tmp_path: Path) -> None:
    answer = cli("datasets", "download", "toy", tmp_path / "root")
    assert answer.status == 0
    found = rows(answer.out)
    assert [row[:3] for row in found] == [["a.csv", "fetched", "7"], ["b.mp3", "fetched", "7"]]
    assert [len(row[3]) for row in found] == [64, 64]
    assert Path(found[0][4]).read_bytes() == b"content"
    assert "without a published checksum" in answer.err
    again = cli("datasets", "download", "toy", tmp_path / "root", "--quiet")
    assert [row[1] for row in rows(again.out)] == ["kept", "kept"]
    assert again.err == ""
    assert "fetched" in cli("datasets", "download", "toy", tmp_path / "root", "--again").out
    for option, name in (("--labels-only", "a.csv"), ("--audio-only", "b.mp3"), ("--only=b*", "b.mp3")):
        assert [row[0] for row in rows(cli("datasets", "download", "toy", tmp_path / "x", option).out)] == [name]


def test_what_download_refuses(cli: Cli, toy: Callable[..., None], tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert cli("datasets", "download", "toy", root, "--labels-only", "--audio-only").status == 2
    answer = cli("datasets", "download", "toy", root, "--only", "c.csv")
    assert (answer.status, "there are a.csv, b.mp3" in answer.err) == (2, True)
    toy(consent="only for research")
    answer = cli("datasets", "download", "toy", root)
    assert answer.status == 2
    assert "only for research" in answer.err
    assert "--accept" in answer.err
    assert cli("datasets", "download", "toy", root, "--accept").status == 0
    toy(remotes=(), no_download="the label forbids it")
    answer = cli("datasets", "download", "toy", root)
    assert (answer.status, "the label forbids it" in answer.err) == (1, True)
    toy(remotes=(Remote("gone.csv", "https://nowhere.example/gone.csv"),))
    answer = cli("datasets", "download", "toy", root)
    assert answer.status == 1
    assert "EARMARK_OFFLINE is set" in answer.err


# verify ---------------------------------------------------------------------------------------------------------------


def test_verify(cli: Cli, root: Path, tmp_path: Path, terminal: Callable[[], None]) -> None:
    answer = cli("datasets", "verify", "magnatagatune", root)
    assert answer.status == 1
    found = rows(answer.out)
    assert [(row[0], row[1]) for row in found] == [("missing", "11"), ("missing", "20"), ("missing", "35644")]
    assert found[-1][4] == "the published mp3 holds no audio"
    assert "audio: 3 of 6 files are here (not decoded; --deep does)" in answer.err
    assert "not good" in answer.err
    labels = cli("datasets", "verify", "magnatagatune", root, "--labels-only")
    assert (labels.status, labels.out) == (0, "")
    assert "labels: 6 tracks can be read" in labels.err
    (root / "mp3" / "0" / "stray.ogg").write_bytes(b"x")
    plain = json.loads(cli("datasets", "verify", "magnatagatune", root, "--json").out)
    assert plain["is_good"] is False
    assert plain["unexpected"] == ["mp3/0/stray.ogg"]
    (root / "mp3" / "f" / "ana_b-first_album-01-a_song-30-59.mp3").write_bytes(b"no song")
    journal = tmp_path / "journal"
    deep = cli("datasets", "verify", "magnatagatune", root, "--deep", "--jobs", 1, "--resume", journal)
    assert deep.out.startswith("unreadable\t2\t")  # what is damaged before the long list of what is not there
    assert journal.exists()
    assert cli("datasets", "verify", "magnatagatune", root, "--resume", journal).status == 2
    terminal()
    shown = cli("datasets", "verify", "magnatagatune", root).out
    assert shown.splitlines()[0].startswith("missing     11")


def test_verify_where_there_is_no_audio(cli: Cli, root: Path, terminal: Callable[[], None]) -> None:
    for path in root.rglob("*.mp3"):
        path.unlink()
    terminal()
    answer = cli("datasets", "verify", "magnatagatune", root)
    assert (answer.status, answer.out) == (1, "")
    assert "audio: none is here; --labels-only" in answer.err
    (root / "annotations_final.csv").unlink()
    answer = cli("datasets", "verify", "magnatagatune", root, "--quiet")
    assert (answer.status, answer.out) == (1, "")
    assert "none of annotations_final.csv" in answer.err
    assert "earmark datasets download magnatagatune" in answer.err
    assert cli("datasets", "verify", "magnatagatune", root / "gone").status == 1


# stats ----------------------------------------------------------------------------------------------------------------


def test_stats(cli: Cli, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli("datasets", "stats", "magnatagatune", root)
    assert answer.status == 0
    found = rows(answer.out)
    assert ["tracks", "6"] in found
    assert ["tag", "guitar", "3", "0.500000"] in found
    assert ["without_tag", "11"] in found
    assert ["audio", "present", "3"] in found
    assert any(row[:2] == ["duration", "audio"] for row in found)
    assert any(row[:5] == ["leak", "full", "test", "train", "artist"] for row in found)
    folder = tmp_path / "magnatagatune-stats"
    assert (folder / "audio.journal").exists()
    plain = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert plain["n_tracks"] == 6
    if importlib.util.find_spec("matplotlib"):
        assert (folder / "tags.png").exists()
        assert "tags.png" in answer.err


def test_options_of_stats(cli: Cli, root: Path, tmp_path: Path) -> None:
    def stats(*options: object) -> Any:
        return cli("datasets", "stats", "magnatagatune", root, "-o", tmp_path / "out", *options)

    plain = json.loads(stats("--json", "--no-audio", "--no-pictures", "--set", "vocabulary=2", "--split", "clean").out)
    assert len(plain["vocabulary"]) == 2
    assert plain["audio"] is None
    assert {part["split"] for part in plain["parts"]} == {"clean"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["statistics.json"]
    if importlib.util.find_spec("matplotlib"):
        assert stats("--picture", "svg", "--dark", "--jobs", 1, "--quiet").err == ""
        assert (tmp_path / "out" / "tags.svg").exists()
    assert stats("--split", "none").status == 2
    answer = stats("--set", "vocabluary=2")
    assert (answer.status, "did you mean 'vocabulary'?" in answer.err) == (2, True)
    assert stats("--set", "vocabulary").status == 2


def test_stats_on_a_terminal(cli: Cli, root: Path, tmp_path: Path, terminal: Callable[[], None]) -> None:
    next(root.rglob("*.mp3")).write_bytes(b"no song")
    terminal()
    shown = cli("datasets", "stats", "magnatagatune", root, "-o", tmp_path / "out", "--no-pictures").out
    for words in (
        "MagnaTagATune (magnatagatune)\n",
        "6 tracks, 4 artists, 4 albums, 4 recordings",
        "4 tags, 1.00 on a track; 1 tracks without any",
        "tags by frequency",
        "full leaves out 1: the published mp3 holds no audio",
        "unreadable audio",
        "known faults: 1 unreadable",
        "no artist or album or recording is in two parts",
    ):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_stats_without_matplotlib(cli: Cli, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    answer = cli("datasets", "stats", "magnatagatune", root, "-o", tmp_path / "out")
    assert answer.status == 0
    assert "no pictures: drawing statistics needs the extra [plots]" in answer.err
    assert "tracks\t6" in answer.out


@pytest.mark.shared
def test_stats_of_the_real_labels(cli: Cli, shared: Path, tmp_path: Path, terminal: Callable[[], None]) -> None:
    source = shared / "datasets" / "magnatagatune"
    answer = cli("datasets", "stats", "magnatagatune", source, "-o", tmp_path / "out", "--no-pictures")
    assert "leak\tfull\ttest\ttrain\tartist\t45\t75\t3284\t0.6163" in answer.out
    terminal()
    shown = cli("datasets", "stats", "magnatagatune", source, "-o", tmp_path / "out", "--no-pictures").out
    assert "45 of 75 artists     3,284  61.6 %" in shown
    assert "audio: none is here" in shown


# split and export -----------------------------------------------------------------------------------------------------


def test_split(cli: Cli, root: Path, tmp_path: Path) -> None:
    answer = cli("datasets", "split", "magnatagatune", root, "--name", "full")
    assert answer.status == 0
    assert rows(answer.out) == [
        ["id", "part"], ["2", "test"], ["6", "test"], ["10", "train"], ["11", "train"], ["20", "validation"],
    ]  # fmt: skip
    assert "train 2, validation 1, test 2, left out 1" in answer.err
    made = cli("datasets", "split", "magnatagatune", root, "--by", "artist", "--parts", "1:1:1", "--seed", 3)
    part = dict(rows(made.out)[1:])
    assert part["2"] == part["6"]
    assert part["10"] == part["11"]
    assert "35644" not in part
    assert "seed 3" in made.err
    again = cli("datasets", "split", "magnatagatune", root, "--by", "artist", "--parts", "1:1:1", "--seed", 3)
    assert again.out == made.out
    lines = cli("datasets", "split", "magnatagatune", root, "--by", "id", "--parts", "1:1", "--json").out.splitlines()
    assert {json.loads(line)["part"] for line in lines} == {"train", "test"}
    target = tmp_path / "split.tsv"
    quiet = cli("datasets", "split", "magnatagatune", root, "--name", "full", "-o", target)
    assert quiet.out == ""
    with target.open(newline="") as file:
        assert [list(row) for row in csv.reader(file, delimiter="\t")] == rows(answer.out)


def test_what_split_refuses(cli: Cli, root: Path) -> None:
    def status(*options: object) -> int:
        answer = cli("datasets", "split", "magnatagatune", root, *options)
        assert answer.out == ""
        return int(answer.status)

    assert status() == 2
    assert status("--by", "artist", "--name", "full") == 2
    assert status("--name", "fool") == 2
    assert status("--by", "year") == 2
    for parts in ("12", "1:2:3:4", "1:x", "1:0:1", "1:-1", "1:nan", "inf:1", ""):
        assert status("--by", "id", "--parts", parts) == 2
    assert status("--by", "artist", "--parts", "1:1:1", "--set", "vocabulary=9999") == 2


def test_no_split_by_artists_of_whom_none_is_known(cli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("path,tags,artist\n" + "".join(f"{i}.mp3,x,\n" for i in range(9)))
    answer = cli("datasets", "split", "table", table, "--by", "artist")
    assert (answer.status, answer.out) == (2, "")
    assert "table: no artist of any track is known" in answer.err
    table.write_text("path,tags,artist\n" + "".join(f"{i}.mp3,x,{'Ana' * (i < 2)}\n" for i in range(9)))
    answer = cli("datasets", "split", "table", table, "--by", "artist")
    assert answer.status == 0
    assert answer.err.startswith("of 7 of 9 tracks no artist is known: each stands for itself")


def test_root_is_no_option(cli: Cli, tmp_path: Path) -> None:
    for name in ("root", "name"):
        answer = cli("datasets", "stats", "esc10", tmp_path, "--set", f"{name}=x")
        assert answer.status == 2
        assert f"dataset 'esc10' takes no option '{name}'\nhint: it takes: none" in answer.err


def test_long_names_give_way_to_numbers(cli: Cli, tmp_path: Path, terminal: Callable[[], None]) -> None:
    table = tmp_path / "t.csv"
    table.write_text("path,tags\n" + "".join(f"{i}.mp3,{'a' * 60};{'b' * 60}\n" for i in range(9)))
    terminal()
    answer = cli("datasets", "stats", "table", table, "--no-audio", "--no-pictures", "-o", tmp_path / "out")
    (line,) = [line for line in answer.out.splitlines() if "a…" in line and "b…" in line]
    assert line.split()[-5:] == ["9", "100.0", "%", "100.0", "%"]
    assert len(line) <= 100


def test_parts() -> None:
    assert parse_parts("8:1:1") == {"train": 8.0, "validation": 1.0, "test": 1.0}
    with pytest.raises(UsageError, match="two or three numbers"):
        parse_parts("8;1;1")


@pytest.mark.shared
def test_the_split_by_artists_is_the_published_one(cli: Cli, shared: Path) -> None:
    source = shared / "datasets" / "magnatagatune"
    by = cli("datasets", "split", "magnatagatune", source, "--by", "artist", "--parts", "12:1:3", "--seed", 0)
    assert by.out == cli("datasets", "split", "magnatagatune", source, "--name", "artist").out


def test_export(cli: Cli, root: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.tsv"
    answer = cli("datasets", "export", "magnatagatune", root, "--to", "table", "-o", target, "--split", "full")
    assert answer.status == 0
    assert "6 tracks of magnatagatune" in answer.err
    back = open_dataset("table", target)
    assert [track.tags for track in back] == [track.tags for track in open_dataset("magnatagatune", root)]
    assert cli("datasets", "export", "magnatagatune", root, "--to", "table", "-o", target).status != 0
    assert cli("datasets", "export", "magnatagatune", root, "--to", "table", "-o", target, "--force").status == 0
    assert cli("datasets", "export", "magnatagatune", root, "--to", "book", "-o", target).status == 2


def test_looking_is_quick_and_heavy_modules_stay_out(program: Callable[..., Any]) -> None:
    heavy = "{'torch', 'matplotlib', 'scipy'} & {*sys.modules}"
    code = f"import sys; from earmark.cli.app import run; run(['datasets']); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "set()"
    assert program("datasets", "list").returncode == 0
