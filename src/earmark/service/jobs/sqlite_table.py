"""The table of jobs in a file, for all workers of one machine: SQLite with a write-ahead log."""

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from earmark.errors import EarmarkError, InputError
from earmark.service.jobs.job import ENDED, OPEN, STATES, Job, State, from_json
from earmark.service.jobs.table import Step

VERSION = 1
_PATIENCE = 15.0  # seconds to wait for another process that writes
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    place TEXT NOT NULL,
    due REAL NOT NULL,
    plain TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, due);
CREATE INDEX IF NOT EXISTS jobs_by_number ON jobs (state, number);
"""


class SqliteTable:
    """Jobs in a file; may be used by several threads, and processes, at a time.

    Parameters
    ----------
    path : of the file; made if it is not there. Not on a network drive: write-ahead logs need shared memory
    clock : seconds since 1970

    Raises
    ------
    InputError
        If it cannot be made or opened.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.RLock()
        self._is_closed = False
        with self._worded():
            self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            with self._worded():
                self._set_up()
        except EarmarkError:
            self._connection.close()
            raise

    def _set_up(self) -> None:
        self._path.chmod(0o600)
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise InputError(f"{self._path}: a newer version of earmark wrote it", hint="pip install --upgrade earmark")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # in a log, NORMAL may lose the last steps with the power
        if version < VERSION:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "") or ""
            hint = None
            if name.startswith("SQLITE_FULL"):
                hint = "free some space; nothing that was in it is lost"
            elif name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
                hint = "move it away: a new one is begun, without the jobs that were in it"
            raise InputError(f"{self._path}: the table of jobs cannot be used: {error}", hint=hint) from error
        except OSError as error:
            if isinstance(error, EarmarkError):
                raise
            raise InputError(f"{self._path}: cannot be used: {error.strerror or error}") from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._worded():
            if self._is_closed:
                raise InputError(f"{self._path}: the table of jobs is closed")
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Write in one go: all of it or nothing."""
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def now(self) -> float:
        """Return the time of this machine."""
        return self._clock()

    def insert(self, job: Job, *, most_open: int) -> Job | None:
        """See `JobTable`."""
        with self._writing() as connection:
            n = connection.execute(f"SELECT COUNT(*) FROM jobs WHERE state IN {OPEN}").fetchone()[0]
            if n >= most_open:
                return None
            number = connection.execute(
                "INSERT INTO jobs (id, state, place, due, plain) VALUES (?, ?, ?, ?, ?)",
                (job.id, job.state, job.place, job.due, job.to_json()),
            ).lastrowid
        return replace(job, number=number or 0)

    def get(self, id: str) -> Job | None:
        """See `JobTable`."""
        with self._reading() as connection:
            row = connection.execute("SELECT plain, number FROM jobs WHERE id = ?", (id,)).fetchone()
        return _numbered(*row) if row else None

    def change(self, id: str, step: Step) -> Job | None:
        """See `JobTable`."""
        with self._writing() as connection:
            row = connection.execute("SELECT plain, number FROM jobs WHERE id = ?", (id,)).fetchone()
            after = step(_numbered(*row)) if row else None
            if after is not None:
                connection.execute(
                    "UPDATE jobs SET state = ?, place = ?, due = ?, plain = ? WHERE number = ?",
                    (after.state, after.place, after.due, after.to_json(), after.number),
                )
        return after

    def waiting(self, *, now: float, places: Collection[str], limit: int) -> Sequence[str]:
        """See `JobTable`."""
        marks = ", ".join("?" * len(places))
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT id FROM jobs WHERE state = 'waiting' AND due <= ? AND place IN ({marks}) "
                "ORDER BY due, number LIMIT ?",
                (now, *places, limit),
            ).fetchall()
        return [row[0] for row in rows]

    def expired(self, *, now: float, limit: int) -> Sequence[str]:
        """See `JobTable`."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT id FROM jobs WHERE state = 'running' AND due <= ? ORDER BY due LIMIT ?", (now, limit)
            ).fetchall()
        return [row[0] for row in rows]

    def page(self, *, state: State | None, before: int | None, limit: int) -> Sequence[Job]:
        """See `JobTable`."""
        conditions = ["number < ?"] if before is not None else []
        conditions += ["state = ?"] if state is not None else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        values = [value for value in (before, state) if value is not None]
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT plain, number FROM jobs {where} ORDER BY number DESC LIMIT ?", (*values, limit)
            ).fetchall()
        return [_numbered(*row) for row in rows]

    def counts(self) -> dict[State, int]:
        """See `JobTable`."""
        with self._reading() as connection:
            found = dict(connection.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in STATES}

    def forget(self, *, ended_before: float, most_ended: int) -> Sequence[str]:
        """See `JobTable`."""
        with self._writing() as connection:
            rows = connection.execute(
                f"SELECT number, id FROM jobs WHERE state IN {ENDED} AND (due < ? OR number NOT IN "
                f"(SELECT number FROM jobs WHERE state IN {ENDED} ORDER BY due DESC, number DESC LIMIT ?))",
                (ended_before, most_ended),
            ).fetchall()
            connection.executemany("DELETE FROM jobs WHERE number = ?", [(row[0],) for row in rows])
        return [row[1] for row in rows]

    def close(self) -> None:
        """See `JobTable`."""
        with self._lock:
            self._is_closed = True
            self._connection.close()


def _numbered(plain: str, number: int) -> Job:
    return replace(from_json(plain), number=number)
