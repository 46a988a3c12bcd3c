"""`earmark tag`: formats, choices, batches, failures."""

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import earmark

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("published_weights")]

Cli = Callable[..., Any]


def test_json_holds_every_tag_as_python_does(cli: Cli, music: Path) -> None:
    answer = cli("tag", music / "a.wav", "--json")
    assert (answer.status, answer.err) == (0, "")
    plain = json.loads(answer.out)
    expected = earmark.tag(music / "a.wav").to_dict()
    assert plain == expected
    assert {"path", "duration", "model", "tags"} <= plain.keys()
    assert {"tag", "category", "score", "lift", "peak", "peak_time"} <= plain["tags"][0].keys()
    assert plain["path"] == str(music / "a.wav")


def test_choices_hold_in_every_format(cli: Cli, music: Path) -> None:
    song = music / "a.wav"
    tags = json.loads(cli("tag", song, "--json", "--top", 3, "-c", "genre", "--category", "mood").out)["tags"]
    assert len(tags) == 3
    assert {tag["category"] for tag in tags} <= {"genre", "mood"}
    lines = [line.split("\t") for line in cli("tag", song, "--top", 3, "-c", "genre", "-c", "mood").out.splitlines()]
    assert {line[2] for line in lines} == {tag["tag"] for tag in tags}
    row = next(csv.DictReader(io.StringIO(cli("tag", song, "--csv", "--top", 3, "-c", "genre", "-c", "mood").out)))
    assert {name for name, value in row.items() if value} - {"path", "duration", "model"} == {t["tag"] for t in tags}
    scores = [tag["score"] for tag in json.loads(cli("tag", song, "--json", "--min-score", 0.1).out)["tags"]]
    assert scores
    assert min(scores) >= 0.1


def test_csv_is_one_row_per_track(cli: Cli, music: Path) -> None:
    answer = cli("tag", music / "a.wav", music / "more", "--csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["path"] for row in rows] == [str(music / "a.wav"), str(music / "more" / "c.flac")]
    assert rows[0]["duration"] == "4.000"
    assert len(rows[0]) == 3 + 73
    assert all(0 <= float(value) <= 1 for value in list(rows[0].values())[3:])


def test_a_pipe_without_a_format_gets_lines(cli: Cli, music: Path) -> None:
    answer = cli("tag", music / "a.wav")
    assert answer.out
    for line in answer.out.splitlines():
        path, category, tag, score, lift = line.split("\t")
        assert path == str(music / "a.wav")
        assert category in ("genre", "mood", "instrument", "voice", "era", "other")
        assert tag
        assert re.fullmatch(r"[01]\.\d{4}", score)
        assert float(lift) > 0


def test_parquet(cli: Cli, music: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    answer = cli("tag", music / "a.wav", music / "b.wav", "--parquet", tmp_path / "tags.parquet")
    assert (answer.status, answer.out) == (0, "")
    table = parquet.read_table(tmp_path / "tags.parquet")
    assert table.num_rows == 2 * 73
    refused = cli("tag", music / "a.wav", "--parquet", tmp_path / "tags.csv")
    assert refused.status == 2
    assert "this would become a Parquet file" in refused.err
    song = (music / "a.wav").read_bytes()
    assert cli("tag", "--parquet", music / "a.wav", music / "b.wav").status == 2
    assert (music / "a.wav").read_bytes() == song
    assert set(table["path"].to_pylist()) == {str(music / "a.wav"), str(music / "b.wav")}


def test_one_broken_file_is_reported_and_the_rest_done(cli: Cli, music: Path) -> None:
    answer = cli("tag", music, "--json")
    assert answer.status == 1
    assert [Path(json.loads(line)["path"]).name for line in answer.out.splitlines()] == ["a.wav", "b.wav", "c.flac"]
    assert "1 of 4 files failed:\nerror: " in answer.err
    assert "broken.mp3: " in answer.err
    assert cli("tag", music / "gone.wav").err.count("error: ") == 1


def test_one_model_keeps_its_vocabulary(cli: Cli, music: Path) -> None:
    plain = json.loads(cli("tag", music / "a.wav", "--json", "--model", "musicnn.pons_mtt").out)
    assert [tag["tag"] for tag in plain["tags"]] == list(earmark.Tagger("musicnn.pons_mtt").cards[0].tags)
    raw = json.loads(cli("tag", music / "a.wav", "--json", "--raw").out)
    assert len(raw["tags"]) == 100


def test_offset_duration_and_hop(cli: Cli, music: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    cli("tag", music / "more/c.flac", "--taggram", table, "--hop-seconds", 0.5, "--offset", 1, "--duration", 4)
    starts = [float(line.split(",")[0]) for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    assert starts[:2] == pytest.approx([1.0, 1.496])


def test_taggrams_of_several_tracks(cli: Cli, music: Path, tmp_path: Path) -> None:
    files = (music / "a.wav", music / "b.wav")
    answer = cli("tag", *files, "-q", "--taggram", tmp_path / "new" / "{name}-tags.npz")
    assert answer.status == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a-tags.npz", "b-tags.npz"]
    refused = cli("tag", *files, "--taggram", tmp_path / "one.png")
    assert refused.status == 2
    assert "one file for 2 tracks" in refused.err


def test_a_batch_goes_on_where_it_stopped(
    cli: Cli, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, pictures = tmp_path / "state", tmp_path / "{name}.csv"
    whole = cli("tag", music / "a.wav", music / "b.wav", "--json")
    first = cli("tag", music / "a.wav", "--json", "--resume", state, "--taggram", pictures)
    assert first.status == 0
    heard: list[str] = []
    listen = earmark.Tagger.tag

    def counted(self: earmark.Tagger, source: str, **options: float) -> earmark.TrackTags:
        heard.append(Path(source).name)
        return listen(self, source, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(earmark.Tagger, "tag", counted)
    second = cli("tag", music / "a.wav", music / "b.wav", "--json", "--resume", state, "--taggram", pictures)
    assert heard == ["b.wav"]
    assert second.out == whole.out
    (tmp_path / "a.csv").unlink()
    cli("tag", music / "a.wav", music / "b.wav", "--resume", state, "--taggram", pictures)
    assert heard == ["b.wav", "a.wav"]
    assert (tmp_path / "a.csv").is_file()
    other = cli("tag", music / "a.wav", "--resume", state, "--pad", "zeros")
    assert other.status == 2
    assert "begun with pad=repeat, now it is pad=zeros" in other.err


def test_a_journal_belongs_to_the_weights(
    cli: Cli, music: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    tag = ("tag", music / "a.wav", "--model", "my.fcn", "--resume", tmp_path / "state")
    add = ("models", "import", "--architecture", "fcn", "--vocabulary", "mtt", "--name", "my.fcn")
    for file, status in (("won_mtat_fcn.pth", 0), ("won_mtat_fcn.pth", 0), ("won_msd_fcn.pth", 2)):
        assert cli(*add, "--force", shared / "weights" / file).status == 0
        answer = cli(*tag)
        assert answer.status == status
    assert "begun with weights of my.fcn=" in answer.err


def test_short_tracks_are_padded_with_a_word_or_refused(cli: Cli, tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "short.wav", np.sin(np.arange(16000) / 8) * 0.3, 16000)
    answer = cli("tag", tmp_path / "short.wav", "--json")
    assert answer.status == 0
    assert f"warning: {tmp_path / 'short.wav'}: 1.00 s of audio, repeated" in answer.err
    answer = cli("tag", tmp_path / "short.wav", "--pad", "none")
    assert answer.status == 1
    assert "hint: pad with --pad repeat" in answer.err


def test_names_that_are_no_utf8(cli: Cli, music: Path) -> None:
    strange = os.fsdecode(os.fsencode(music) + b"/caf\xe9.wav")
    try:
        (music / "a.wav").rename(strange)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    plain = json.loads(cli("tag", strange, "--json").out)
    assert plain["path"] == strange
    assert "caf\\udce9.wav," in cli("tag", strange, "--csv").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--category", "gnre"], "did you mean 'genre'"),
        (["--model", "musicnn.pons"], "did you mean 'musicnn.pons"),
        (["--preset", "all"], "there is no preset 'all'"),
        (["--engine", "tflite"], "there is no engine 'tflite'"),
        (["--json", "--csv"], "--json and --csv both write to stdout"),
        (["--top", "0"], "--top is 0"),
        (["--jobs", "0"], "jobs is 0"),
        (["--pad", "wrap"], "'wrap' is not one of"),
    ],
)
def test_wrong_options_are_usage_errors(cli: Cli, music: Path, arguments: list[str], words: str) -> None:
    answer = cli("tag", music / "a.wav", *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert words in answer.err


def test_arguments_that_stand_for_nothing(cli: Cli, tmp_path: Path) -> None:
    answer = cli("tag", tmp_path)
    assert answer.status == 1
    assert "no audio file in this folder" in answer.err
    assert "hint: " in answer.err
    assert cli("tag", tmp_path / "*.mp3").status == 1
