"""Files that were sent: kept under an id, never elsewhere, until nobody needs them."""

import io
import os
import time
from pathlib import Path

import pytest

from earmark.errors import InputError
from earmark.service.errors import TooBusy
from earmark.service.jobs.job import new_id
from earmark.service.jobs.uploads import KEPT, ON_ITS_WAY, Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path, most_bytes=100)


def test_a_file_is_kept_until_it_is_dropped(uploads: Uploads, tmp_path: Path) -> None:
    id = new_id()
    uploads.keep(id, io.BytesIO(b"music"))
    assert uploads.path(id).read_bytes() == b"music"
    assert uploads.path(id).stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == [id]
    uploads.drop(id)
    uploads.drop(id)
    with pytest.raises(InputError, match="not kept any more") as caught:
        uploads.path(id)
    assert caught.value.hint == "send it again"


@pytest.mark.parametrize("id", ["../jobs.sqlite3", "", "A" * 32, "/etc/passwd", "0" * 31])
def test_no_id_leads_elsewhere(uploads: Uploads, tmp_path: Path, id: str) -> None:
    (tmp_path / "jobs.sqlite3").write_bytes(b"table")
    with pytest.raises(InputError, match="not kept"):
        uploads.path(id)
    uploads.drop(id)
    assert (tmp_path / "jobs.sqlite3").exists()


def test_there_is_an_end_to_what_is_kept(uploads: Uploads) -> None:
    uploads.keep(new_id(), io.BytesIO(b"x" * 99))
    uploads.keep(new_id(), io.BytesIO(b"x" * 99))
    with pytest.raises(TooBusy, match="too many files wait"):
        uploads.keep(new_id(), io.BytesIO(b"x"))


def test_nothing_is_left_of_a_file_that_could_not_be_read(uploads: Uploads) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(InputError, match="the disk is gone"):
        uploads.keep(new_id(), Broken())
    assert uploads.n_bytes() == 0


def test_tidying(uploads: Uploads, tmp_path: Path) -> None:
    ages = {"waits": 10 * KEPT, "failed": KEPT / 2, "failed long ago": 2 * KEPT, "done": 1.0,
            "no job": ON_ITS_WAY / 2, "no job for long": 2 * ON_ITS_WAY}  # fmt: skip
    keeps = {"waits": float("inf"), "failed": KEPT, "failed long ago": KEPT, "done": 0.0,
             "no job": ON_ITS_WAY, "no job for long": ON_ITS_WAY}  # fmt: skip
    ids = {name: new_id() for name in ages}
    for name, age in ages.items():
        uploads.keep(ids[name], io.BytesIO(b"1"))
        os.utime(uploads.path(ids[name]), (time.time() - age,) * 2)
    part = tmp_path / "uploads" / "left.part"
    part.touch()
    os.utime(part, (time.time() - 2 * ON_ITS_WAY,) * 2)
    names = {id: name for name, id in ids.items()}
    uploads.tidy(lambda id: keeps[names[id]])
    assert {path.name for path in (tmp_path / "uploads").iterdir()} == {ids[n] for n in ("waits", "failed", "no job")}


def test_each_folder_has_a_name_of_its_own_that_stays(tmp_path: Path) -> None:
    one, same = Uploads(tmp_path, most_bytes=1), Uploads(tmp_path, most_bytes=1)
    (tmp_path / "b").mkdir()
    assert one.place() == same.place() != Uploads(tmp_path / "b", most_bytes=1).place()
