"""Files appear whole or not at all."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.errors import AssetError, InputError
from earmark.files import disk_errors, lock_for_writing, replacing


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with replacing(target) as file:
        file.write(b"new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_changes_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    for error, shown in ((OSError(errno.ENOSPC, "no space"), InputError), (KeyError("x"), KeyError)):
        with pytest.raises(shown, match=r"a\.json: cannot be written: no space|x") as raised:
            fail_halfway(target, error)
        assert shown is KeyError or raised.value.hint == "free some space, then give the same command again"
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_and_the_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "a.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "link.json"]


def fail_halfway(target: Path, error: Exception) -> None:
    with replacing(target) as file:
        file.write(b"half")
        raise error


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*gone") as error, replacing(tmp_path / "gone" / "a"):
        pass
    assert error.value.hint == "create it first"


def test_errors_of_ours_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"^of its own$"), disk_errors(tmp_path):
        raise AssetError("of its own")


def test_two_processes_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    code = (
        "import sys; from earmark.files import lock_for_writing; "
        "file = open(sys.argv[1], 'ab'); sys.exit(0 if lock_for_writing(file) else 7)"
    )
    with path.open("ab") as file:
        assert lock_for_writing(file)
        assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 7
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_a_private_file_is_its_owners_whatever_it_was(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with replacing(path, private=True) as file:
        assert Path(file.name).stat().st_mode & 0o777 == 0o600  # before anything stands in it
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
