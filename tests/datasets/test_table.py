"""Tables of one's own: columns, separators, lists in cells, pieces, parts, and what is wrong with them."""

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from earmark.datasets import open_dataset
from earmark.datasets.table import read_rows
from earmark.errors import InputError, MissingExtraError, UsageError


def write(folder: Path, content: str, name: str = "tracks.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.shared
def test_labels_of_kevin_macleod(shared: Path) -> None:
    """Three columns of tags separated by commas inside of cells; 18 of 20 files are labelled."""
    table = shared / "audio" / "kevin_macleod" / "labels.csv"
    dataset = open_dataset("table", table, path="file", tags="genre,instruments,feel", separator=",", duration="length")
    assert len(dataset) == 20
    assert sum(bool(track.tags) for track in dataset) == 18
    assert all(track.audio is not None and track.audio.is_file() for track in dataset)
    polka = dataset["four_beers_polka.mp3"]
    assert (polka.title, polka.duration, polka.tags[:3]) == ("Four Beers' Polka", 140.0, ("Polka", "Kit", "Trumpet"))
    counts = dict(zip(dataset.vocabulary.tags, dataset.targets().sum(axis=0).tolist(), strict=True))
    with table.open(newline="") as file:
        feels = [row["feel"] for row in csv.DictReader(file)]
    assert counts["Bouncy"] == sum("Bouncy" in feel for feel in feels) == 16
    assert dataset.split_names == ("random",)
    assert sum(dataset.split().sizes.values()) == 20


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_header_tells_what_separates_cells(tmp_path: Path, delimiter: str) -> None:
    with (tmp_path / "tracks.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["path", "tags", "artist"])
        writer.writerow(["a,b;c|d.mp3", "rock;jazz", "A, B; C|D\tE"])
    (track,) = open_dataset("table", tmp_path)
    assert (track.id, track.tags, track.artist) == ("a,b;c|d.mp3", ("rock", "jazz"), "A, B; C|D\tE")
    assert track.audio == tmp_path / "a,b;c|d.mp3"


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("rock;jazz", ("rock", "jazz")),
        (" rock ;; rock; ", ("rock",)),
        ('["rock", "a;b", 80]', ("rock", "a;b", "80")),
        ("['rock', \"don't\"]", ("rock", "don't")),
        ("[live]; rock", ("[live]", "rock")),
        ("[live]", ("[live]",)),
    ],
)
def test_lists_in_cells(tmp_path: Path, cell: str, tags: tuple[str, ...]) -> None:
    with (tmp_path / "tracks.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "tags"], ["a.mp3", cell], ["b.mp3", "other"]])
    assert open_dataset("table", tmp_path)["a.mp3"].tags == tags


def test_a_cell_may_be_one_tag(tmp_path: Path) -> None:
    write(tmp_path, "path\ttags\na.mp3\trock; hard\n")
    assert open_dataset("table", tmp_path, separator="").vocabulary.tags == ("rock; hard",)


def test_pieces_of_a_recording(tmp_path: Path) -> None:
    content = "path,tags,start,end,duration\nmix.mp3,a,0,30,\nmix.mp3,b,30,,20\nmix.mp3,a,,10,\nb.mp3,a,,,1:02:03\n"
    dataset = open_dataset("table", write(tmp_path, content))
    assert {track.id: (track.segment, track.duration) for track in dataset} == {
        "mix.mp3@0-30": ((0.0, 30.0), 30.0),
        "mix.mp3@30-50": ((30.0, 50.0), 20.0),
        "mix.mp3@0-10": ((0.0, 10.0), 10.0),
        "b.mp3": (None, 3723.0),
    }
    assert dataset["mix.mp3@0-30"].groups == {"track": "mix.mp3"}
    assert dataset.split_names == ("track",)


def test_the_parts_of_a_table_are_the_published_split(tmp_path: Path) -> None:
    content = "path,tags,split\n" + "".join(
        f"{i}.mp3,a,{part}\n" for i, part in enumerate(["train", "Training", "val", "dev", "test", "", "train"])
    )
    split = open_dataset("table", write(tmp_path, content)).split()
    assert split.name == "published"
    assert split.parts == {
        "train": ("0.mp3", "1.mp3", "6.mp3"),
        "validation": ("2.mp3", "3.mp3"),
        "test": ("4.mp3",),
    }
    assert split.left_out == {"5.mp3": "the table gives it no part"}


def test_no_artist_in_two_parts(tmp_path: Path) -> None:
    rows = "".join(f"{i}.mp3,{'ab'[i % 2]},{'Ärtist' if i % 4 else 'ÄRTIST'} {i // 5}\n" for i in range(60))
    dataset = open_dataset("table", write(tmp_path, "path,tags,artist\n" + rows))
    assert dataset.split_names == ("artist",)
    parts = dataset.split().part_of()
    for key in {track.groups["artist"] for track in dataset}:
        assert len({parts[track.id] for track in dataset if track.groups["artist"] == key}) == 1


def test_audio_lies_elsewhere(tmp_path: Path) -> None:
    content = f"path,tags\n{tmp_path}/x.mp3,a\nü/y.mp3,a\n"
    dataset = open_dataset("table", write(tmp_path, content), audio_root="../music")
    assert [track.audio for track in dataset] == [tmp_path / "x.mp3", tmp_path / "../music/ü/y.mp3"]


def test_a_column_that_is_not_meant(tmp_path: Path) -> None:
    table = write(tmp_path, "path,tags,start\na.mp3,rock,in 1999\n")
    with pytest.raises(InputError, match=r"tracks\.csv: a\.mp3: start is 'in 1999', expected a number"):
        open_dataset("table", table)
    assert open_dataset("table", table, start="")["a.mp3"].segment is None


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("file,genre\na,b\n", {}, "no column 'path', 'tags'; it has 'file', 'genre'"),
        ("path,tags\na,b\n", {"tags": "tags,mood"}, "no column 'mood'"),
        ("path,tags\na,b\n", {"artist": "singer"}, "no column 'singer'"),
        ("path,tags\na,b\na,c\n", {}, "row 2: id 'a' stands in row 1 already"),
        ("path,tags\n,b\n", {}, "a row has neither id nor path"),
        ("path,tags\na,\n", {}, "no track has a tag"),
        ("path,tags,split\na,b,trian\n", {}, "a: split is 'trian', which is no part"),
        ("path,tags,start,end\na,b,5,3\n", {}, "a: starts at 5 s and ends at 3"),
        ("path,tags,start\na,b,5\n", {}, "a: starts at 5 s and ends at no time"),
        ("path,tags,duration\na,b,-1\n", {}, "a: duration is '-1', expected seconds"),
        ("path,tags,weights\na,b;c,1\n", {}, "a: 1 weights for 2 tags"),
        ("path,tags\na,b,c\n", {}, "line 2: 3 cells, the header has 2"),
        ("path,tags,tags\na,b,c\n", {}, "two columns are called 'tags'"),
        ("", {}, "the table is empty"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path: Path, content: str, options: dict[str, Any], message: str) -> None:
    table = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        open_dataset("table", table, **options)
    assert error.value.message.startswith(str(table))


def test_which_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table is there"):
        open_dataset("table", tmp_path)
    write(tmp_path, "path,tags\na.mp3,one\n", "b.csv")
    assert open_dataset("table", tmp_path).vocabulary.tags == ("one",)
    write(tmp_path, "path,tags\na.mp3,two\n", "c.tsv")
    with pytest.raises(InputError, match=r"more than one table: b\.csv, c\.tsv"):
        open_dataset("table", tmp_path)
    write(tmp_path, "path,tags\na.mp3,three\n", "tracks.tsv")
    assert open_dataset("table", tmp_path).vocabulary.tags == ("three",)
    assert open_dataset("table", tmp_path / "b.csv").root == tmp_path


def test_numbers_of_tags(tmp_path: Path) -> None:
    write(tmp_path, "path,tags\na.mp3,x;y\nb.mp3,y\n")
    assert open_dataset("table", tmp_path, vocabulary=1).vocabulary.tags == ("y",)
    for wrong in (0, 3, True, "most"):
        with pytest.raises(UsageError, match="vocabulary="):
            open_dataset("table", tmp_path, vocabulary=wrong)


def test_a_table_of_classes(tmp_path: Path) -> None:
    """Where every track has one tag the task is to tell which; not if the vocabulary leaves some without."""
    write(tmp_path, "path,tags\na.mp3,x\nb.mp3,y\nc.mp3,y\n")
    assert open_dataset("table", tmp_path).task == "single_label"
    assert open_dataset("table", tmp_path, vocabulary=1).task == "multi_label"
    write(tmp_path, "path,tags\na.mp3,x;y\nb.mp3,y\n")
    assert open_dataset("table", tmp_path).task == "multi_label"


def test_parsing_needs_no_disk() -> None:
    import io

    assert read_rows(io.StringIO('path\ttags\r\na\t"b\tc"\r\n', newline="")) == [{"path": "a", "tags": "b\tc"}]


def test_parquet(tmp_path: Path) -> None:
    """Lists, missing values and numbers keep their types in Parquet."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "path": ["a.mp3", "ü.mp3", "c.mp3"],
        "tags": [["rock", "a;b"], None, []],
        "id": [7, 8, 9],
        "artist": ["A", None, None],
        "duration": [29.5, float("nan"), None],
        "split": ["train", "test", None],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "any.parquet")
    dataset = open_dataset("table", tmp_path)
    assert [(t.id, t.tags, t.artist, t.duration) for t in dataset] == [
        ("7", ("rock", "a;b"), "A", 29.5),
        ("8", (), "", None),
        ("9", (), "", None),
    ]
    assert dataset.split().sizes == {"train": 1, "test": 1}
    whole = (tmp_path / "any.parquet").read_bytes()
    for damaged in (whole[:100], whole[:-20], b""):
        (tmp_path / "any.parquet").write_bytes(damaged)
        with pytest.raises(InputError, match=r"any\.parquet: no Parquet file"):
            open_dataset("table", tmp_path)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"\[parquet\]"):
        open_dataset("table", tmp_path)


@pytest.mark.parametrize("time", ["9" * 5000 + ":01", "9" * 400 + ":00:01", "1e400", "-1", "1:2:3:4"])
def test_times_that_are_none(tmp_path: Path, time: str) -> None:
    (tmp_path / "t.csv").write_text(f"path,tags,duration\na.mp3,rock,{time}\n")
    with pytest.raises(InputError, match=r"t\.csv: a\.mp3: duration is .*, expected"):
        open_dataset("table", tmp_path)


def test_a_tag_that_stands_there_twice_keeps_its_first_weight(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,tags,weights\na.mp3,rock;pop;rock,1;2;3\n")
    (track,) = open_dataset("table", tmp_path)
    assert (track.tags, track.tag_weights) == (("rock", "pop"), (1.0, 2.0))


def test_artists_stay_together_before_pieces_of_recordings(tmp_path: Path) -> None:
    rows = [f"{i}.mp3,rock,artist {i % 9},{start},{start + 1}" for i in range(40) for start in (0, 5)]
    (tmp_path / "t.csv").write_text("\n".join(["path,tags,artist,start,end", *rows]))
    assert open_dataset("table", tmp_path).split_names == ("artist",)
