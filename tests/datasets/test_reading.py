"""Text files of datasets: tables with all their oddities, gzip, encodings, and what is missing."""

import gzip
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.datasets import dataset_info
from earmark.datasets.reading import (
    check_root,
    inside,
    list_folder,
    locate,
    number,
    open_text,
    read_json,
    read_lines,
    read_table,
    whole_number,
)
from earmark.errors import InputError

INFO = dataset_info("magnatagatune")


def table(text: str, **options: object) -> list[dict[str, str]]:
    return read_table(io.StringIO(text, newline=""), **options)  # type: ignore[arg-type]


def test_cells_may_hold_separators_quotes_and_line_ends() -> None:
    text = 'id\ttitle\r\n1\t"a\tb"\r\n2\t"say ""yes""\nor no"\r\n\r\n3\t\r\n'
    assert table(text, key="id", columns=("title",)) == [
        {"id": "1", "title": "a\tb"},
        {"id": "2", "title": 'say "yes"\nor no'},
        {"id": "3", "title": ""},
    ]


def test_other_separators_orders_and_short_rows() -> None:
    assert table("b,a,c\n1,2\n", delimiter=",", columns=("a", "b")) == [{"b": "1", "a": "2", "c": ""}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the table is empty"),
        ("a\tb\n1\t2\n", "has no column 'id'; it has 'a', 'b'"),
        ("id\tid\n1\t2\n", "two columns are called 'id'"),
        ("id\tb\n1\t2\t3\n", "line 2: 3 cells, the header has 2"),
        ("id\tb\n1\t2\n\n1\t3\n", "line 4: id '1' stands in line 2 already"),
        ("id\tb\n\t2\n", "line 2: id is empty"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(text: str, problem: str) -> None:
    with pytest.raises(InputError) as error:
        table(text, columns=("id",), key="id")
    assert problem in error.value.message


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2, max_size=6))
def test_any_text_survives_a_table(cells: list[str]) -> None:
    import csv

    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
    writer.writerow([f"c{i}" for i in range(len(cells))])
    writer.writerow(cells)
    file.seek(0)
    rows = read_table(file)
    assert [list(row.values()) for row in rows] == ([cells] if any(cells) else [])


def test_plain_and_compressed_with_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfid\n\xc3\xa9\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfid\n\xc3\xa9\n"))
    for name in ("a.csv", "b.csv"):
        with open_text(locate(INFO, tmp_path, name)) as file:
            assert read_table(file, key="id") == [{"id": "é"}]


def test_damage_is_an_error_with_the_name_of_the_file(tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"id\n" + bytes(range(65, 91)) * 2000)[:-20])
    latin = tmp_path / "latin.csv"
    latin.write_bytes("id\nCafé\n".encode("latin-1"))
    for path, problem in ((cut, "damaged or cut off"), (latin, "no UTF-8"), (tmp_path / "no.csv", "cannot be read")):
        with pytest.raises(InputError, match=rf"{path.name}: .*{problem}"):
            read_file(path)
    with pytest.raises(InputError, match=r"latin.json: no JSON"):
        read_file_as_json(tmp_path / "latin.json")


def read_file(path: Path) -> None:
    with open_text(path) as file:
        read_lines(file)


def read_file_as_json(path: Path) -> None:
    path.write_text("{")
    with open_text(path) as file:
        read_json(file)


def test_what_is_missing_comes_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv is missing, magnatagatune needs it") as error:
        locate(INFO, tmp_path, "a.csv")
    assert "earmark datasets download magnatagatune" in (error.value.hint or "")
    with pytest.raises(InputError, match=r"none of a\.csv, b\.csv is there"):
        locate(INFO, tmp_path, "a.csv", "b.csv")
    with pytest.raises(InputError, match="no such folder"):
        check_root(INFO, tmp_path / "gone")


def test_json_that_only_looks_like_json(tmp_path: Path) -> None:
    for name, text in (("deep", "[" * 100_000), ("digits", "1" * 6000)):
        path = tmp_path / f"{name}.json"
        path.write_text(text)
        with pytest.raises(InputError, match=rf"{name}.json: no JSON"), open_text(path) as file:
            read_json(file)


def test_a_large_cell_is_read_and_nothing_happens_at_import() -> None:
    assert table("id\n" + "x" * 200_000 + "\n")[0]["id"] == "x" * 200_000
    code = "import csv, earmark.datasets.reading; assert csv.field_size_limit() == 131072"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_paths_that_leave_the_folder() -> None:
    for path in ("a.mp3", "0/a b.mp3", "./a..mp3", "..a/b"):
        assert inside(path, "it") == path
    for path in ("", ".", "..", "/a", "../a", "a/../../b"):
        with pytest.raises(InputError, match=r"it is .*, which leads out of the folder"):
            inside(path, "it")


def test_folders_are_listed_sorted(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "c"):
        (tmp_path / name).touch()
    assert [path.name for path in list_folder(tmp_path)] == ["a", "b", "c"]
    assert list_folder(tmp_path / "gone") == list_folder(tmp_path / "a") == []


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        list_folder(tmp_path)


def test_numbers() -> None:
    assert whole_number(" 12", "x") == 12
    for text in ("", "-1", "1.5", "\N{SUPERSCRIPT TWO}", "9" * 5000):
        with pytest.raises(InputError, match=r"x is .*, expected a whole number"):
            whole_number(text, "x")
    for text in ("nan", "inf", "-Infinity"):
        with pytest.raises(InputError, match="expected a number"):
            number(text, "x")
    assert number("1.5", "x") == 1.5
    assert number(" ", "x") is None
    assert number(None, "x") is None
    with pytest.raises(InputError, match="duration is 'long', expected a number"):
        number("long", "duration")
