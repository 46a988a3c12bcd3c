"""The commands on the catalogue as a user gives them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lancedb")

from earmark.library.store import ENVIRONMENT, Store

from ..library.conftest import MODEL, track_id, track_row


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A catalogue with nine made-up tracks, which the environment names."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "catalogue"))
    store = Store(create=True)
    store.keep_model(MODEL)
    store.put("tracks", [track_row(i) for i in range(9)])
    return store


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_status_in_words_and_in_json(cli) -> None:
    answer = cli("library", "status")
    assert answer.status == 0
    assert "9, 9:36 of music" in answer.out
    assert "5 tags; 9 whole" in answer.out
    (plain,) = lines(cli("library", "status", "--json").out)
    assert (plain["n_tracks"], plain["n_failures"], plain["models"][0]["name"]) == (9, 0, "standard")


def test_list_takes_filters(cli) -> None:
    listed = lines(cli("library", "list", "--json", "--filter", "bpm >= 130").out)
    assert [track["title"] for track in listed] == ["Title 7", "Title 8"]
    assert len(cli("library", "list", "-n", 2).out.splitlines()) == 2
    wrong = cli("library", "list", "--filter", "gerne:jazz")
    assert wrong.status == 2
    assert "genre" in wrong.err


def test_show_by_id_and_title(cli) -> None:
    assert "Artist 1" in cli("library", "show", track_id(4)).out
    (plain,) = lines(cli("library", "show", "title 4", "--json").out)
    assert plain["id"] == track_id(4)
    assert plain["heard"]["standard"]["listened"] == "whole"
    assert cli("library", "show", "nothing").status == 1


def test_remove_asks_first(cli, catalogue: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("library", "remove", "title 3", "--yes").status == 0
    assert catalogue.count() == 8


def test_export_and_import(cli, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    assert "9 tracks written" in cli("library", "export", target).err
    refused = cli("library", "export", target)
    assert refused.status == 2
    assert "--force" in refused.err
    assert cli("library", "export", target, "--force").status == 0
    answer = cli("library", "import", target, "--library", tmp_path / "other")
    assert "9 new tracks" in answer.err
    cli("library", "export", tmp_path / "some.csv", "--filter", "title:'Title 2'")
    with (tmp_path / "some.csv").open(encoding="utf-8") as file:
        assert [row["title"] for row in csv.DictReader(file)] == ["Title 2"]


def test_similar_and_unlike(cli) -> None:
    found = lines(cli("similar", "title 0", "-n", 3, "--json").out)
    assert len(found) == 3
    assert track_id(0) not in [match["id"] for match in found]
    scores = [match["similarity"] for match in found]
    assert scores == sorted(scores, reverse=True)
    others = lines(cli("similar", "title 0", "--no-same-artist", "-n", 8, "--json").out)
    assert {match["artist"] for match in others} == {"Artist 1", "Artist 2"}
    away = lines(cli("similar", "title 0", "--unlike", f"{found[0]['title']}^3", "-n", 8, "--json").out)
    assert found[0]["id"] not in [match["id"] for match in away]
    assert len(cli("similar", "title 0", "--blend", "embedding=0.5,tags=0.5").out.splitlines()) == 8
    assert cli("similar", "title 0", "--blend", "sound=1").status == 2


def test_search_by_tags(cli, catalogue: Store) -> None:
    found = lines(cli("search", "jazz", "-n", 9, "--json").out)
    heard = [match["heard"]["standard"]["tags"]["jazz"] for match in found]
    assert heard == sorted(heard, reverse=True)
    less = lines(cli("search", "jazz -rock", "-n", 2, "--filter", "bpm < 130", "--json").out)
    assert len(less) == 2
    wrong = cli("search", "jaz")
    assert wrong.status == 2
    assert "jazz" in wrong.err


def test_playlists_and_paths(cli, tmp_path: Path) -> None:
    made = lines(cli("playlist", "--seed", "title 0", "--length", 4, "--json").out)
    assert len(made) == 4
    assert made[0]["id"] == track_id(0)
    assert cli("playlist", "--mood", "calm:0.1..calm:0.9", "--length", 5, "-o", tmp_path / "list.m3u8").status == 0
    assert (tmp_path / "list.m3u8").read_text(encoding="utf-8").startswith("#EXTM3U")
    way = lines(cli("path", "title 0", "title 5", "-n", 4, "--json").out)
    assert [way[0]["id"], way[-1]["id"], len(way)] == [track_id(0), track_id(5), 4]
    assert cli("path", "title 0", "title 0").status == 2
    assert cli("playlist").status == 2


def test_check_judges_the_catalogue_by_own_labels(cli, tmp_path: Path, catalogue: Store) -> None:
    files = []
    for i, track in enumerate(sorted(catalogue.tracks(), key=lambda track: track.id)):
        path = tmp_path / f"{i}.wav"
        path.write_bytes(b"RIFF")
        files.append((path, track))
    from earmark.library.rows import FilePlace
    from earmark.library.schema import files_columns

    catalogue.put("tracks", [{"id": track.id, **files_columns([FilePlace(str(path), 4, 1)])} for path, track in files])
    rows = [
        (path.name, "jazz" if track.heard["standard"].scores["jazz"] > 0.5 else "shoegaze") for path, track in files
    ]
    table = tmp_path / "labels.csv"
    table.write_text("path,tags\n" + "\n".join(",".join(row) for row in rows) + "\n")
    answer = cli("check", "--labels", table, "--resamples", 20, "--json")
    assert answer.status == 0, answer.err
    (report,) = lines(answer.out)
    assert "shoegaze" in answer.err
    assert json.dumps(report).count("jazz")
    values = {line.split("\t")[0]: line.split("\t")[1] for line in
              cli("check", "--labels", table, "--resamples", 20).out.splitlines()}  # fmt: skip
    assert float(values["roc_auc"]) == 1.0


def test_what_is_not_there_is_told(cli, tmp_path: Path) -> None:
    answer = cli("library", "status", "--library", tmp_path / "none")
    assert answer.status == 1
    assert "earmark library add FOLDER" in answer.err
    assert cli("library", "add", tmp_path / "none").status == 1


@pytest.mark.parametrize("name", ["map.html", "map.png"])
def test_a_map_is_drawn(cli, tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / name
    answer = cli("library", "map", "-o", target, "--n-clusters", 2, "--colour", "piano")
    assert answer.status == 0, answer.err
    assert "9 tracks by pca" in answer.err
    assert target.stat().st_size > 5000
    assert cli("library", "map", "-o", target).status == 2  # it is there
    assert cli("library", "map", "-o", tmp_path / "map.txt").status == 2


def test_duplicates_are_grouped(cli, catalogue: Store) -> None:
    import numpy as np

    sound = np.random.default_rng(0).integers(1, 2**32, 400, dtype=np.uint32)
    for i, words in ((0, sound), (1, sound), (2, sound[100:250])):
        catalogue.put("tracks", [{"id": track_id(i), "fingerprint": words.astype("<u4").tobytes()}])
    (group,) = lines(cli("library", "duplicates", "--json").out)
    assert {group["reference"], *(each["id"] for each in group["duplicates"])} == {track_id(i) for i in range(3)}
    assert "/music/0.mp3" in cli("library", "duplicates").out


def test_tags_of_ones_own(cli, tmp_path: Path) -> None:
    few = cli("teach", "mine", "--yes", "title 0", "title 1", "--no", "title 2", "--category", "mood")
    assert few.status == 0, few.err
    assert "learned from 2 yes and 1 no" in few.err
    assert "warning" in few.err
    assert cli("apply", "mine").status == 0
    assert len(lines(cli("search", "mine", "-n", 3, "--json").out)) == 3
    assert len(lines(cli("teach", "mine", "--suggest", 2, "--json").out)) == 2
    (own,) = lines(cli("taught", "list", "--json").out)
    assert (own["name"], own["n_answers"], own["is_applied"]) == ("mine", 3, True)
    assert cli("taught", "export", "mine", tmp_path / "mine.tag.json").status == 0
    assert cli("taught", "remove", "mine", "--yes").status == 0
    assert cli("taught", "import", tmp_path / "mine.tag.json").status == 0
    assert cli("apply", "nothing").status == 2
