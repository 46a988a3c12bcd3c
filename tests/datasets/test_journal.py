"""A journal of lines: begun, gone on with, and refused where it is another's."""

from pathlib import Path

import pytest

from earmark.datasets.journal import open_journal
from earmark.errors import InputError

HEADER = {"journal": "test"}
REFUSED = ("not a journal of tests", "name another")


def test_what_was_written_is_there_again_and_cut_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with open_journal(path, HEADER, refused=REFUSED) as journal:
        assert journal.entries == []
        journal.add({"a": 1})
        journal.add([2])
    with path.open("ab") as file:
        file.write(b'{"b": ')
    with open_journal(path, HEADER, refused=REFUSED) as journal:
        assert journal.entries == [{"a": 1}, [2]]
        journal.add("c")
    with open_journal(path, HEADER, refused=REFUSED) as journal:
        assert journal.entries == [{"a": 1}, [2], "c"]


def test_another_file_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for content in (b"a song\n", b'{"journal": "other"}\n', b"\xff\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a journal of tests"), open_journal(path, HEADER, refused=REFUSED):
            pass
        assert path.read_bytes() == content


def test_one_at_a_time_writes(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with (
        open_journal(path, HEADER, refused=REFUSED),
        pytest.raises(InputError, match="another process writes"),
        open_journal(path, HEADER, refused=REFUSED),
    ):
        pass
