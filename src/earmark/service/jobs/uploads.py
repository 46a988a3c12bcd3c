"""Files that were sent to be heard in a job: kept under the job's id until it has ended."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from earmark.errors import InputError
from earmark.files import disk_errors
from earmark.service.errors import TooBusy

SHARE = 20
"""Uploads of the largest size that may lie here at a time."""
KEPT = 86400.0
"""Seconds that the file of a job that failed is kept, so that it can be tried again."""
ON_ITS_WAY = 3600.0
"""Seconds that a file may be without a job, which may be about to come."""
_ID = re.compile(r"[0-9a-f]{32}")


class Uploads:
    """Files that were sent.

    Parameters
    ----------
    data : folder for data of the service
    most_bytes : that may lie here in all
    """

    def __init__(self, data: Path, *, most_bytes: int) -> None:
        self._folder, self._most_bytes = data / "uploads", most_bytes
        self._data = data

    def place(self) -> str:
        """Return a name for this folder that no other machine's has: who has not its files cannot do its jobs."""
        path = self._data / "place"
        with disk_errors(path):
            try:
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    file.write(secrets.token_hex(8))
            except FileExistsError:
                pass
            for _ in range(50):  # another process may be about to write it
                if text := path.read_text("ascii", "replace").strip():
                    return text
                time.sleep(0.02)
        raise InputError(f"{path}: is empty", hint="delete it")

    def path(self, id: str) -> Path:
        """Return where the file of a job is.

        Raises
        ------
        InputError
            If it is gone.
        """
        path = self._folder / id
        if not _ID.fullmatch(id) or not path.is_file():
            raise InputError("the file that was sent is not kept any more", hint="send it again")
        return path

    def keep(self, id: str, file: BinaryIO) -> None:
        """Keep a file for a job.

        Parameters
        ----------
        id : of the job
        file : open, at its begin

        Raises
        ------
        TooBusy
            If too much lies here already.
        InputError
            If it cannot be written.
        """
        with disk_errors(self._folder):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self.n_bytes() >= self._most_bytes:
                raise TooBusy(
                    "too many files wait to be heard already", hint="wait until some jobs have ended", retry_after=60
                )
            part = self._folder / f"{id}.part"
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as kept:
                    shutil.copyfileobj(file, kept, 1 << 20)
                    kept.flush()
                    os.fsync(kept.fileno())
                part.replace(self._folder / id)
            finally:
                part.unlink(missing_ok=True)

    def n_bytes(self) -> int:
        """Return how much lies here, bytes."""
        total = 0
        for entry in self._entries():
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder) as entries:
                return list(entries)
        except FileNotFoundError:
            return []

    def drop(self, id: str) -> None:
        """Drop the file of a job, if there is one."""
        if _ID.fullmatch(id):
            (self._folder / id).unlink(missing_ok=True)

    def tidy(self, keeps: Callable[[str], float]) -> None:
        """Drop files that no job needs.

        Parameters
        ----------
        keeps : tells of the id of a job how long its file is kept, seconds
        """
        for entry in self._entries():
            try:
                age = time.time() - entry.stat().st_mtime
                if age > (keeps(entry.name) if _ID.fullmatch(entry.name) else ON_ITS_WAY):
                    Path(entry.path).unlink(missing_ok=True)
            except FileNotFoundError:
                continue
