"""Add folders: hear what is new or changed, follow what was moved, keep what fails with its reason.

Files are read in processes of their own; only the calling process writes, a batch at a time. A batch is one commit, so
that a run that is killed loses what it heard since the last one, a few seconds of work, and nothing that was there.
"""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from earmark.batch import walk
from earmark.errors import EarmarkError, EarmarkWarning, InputError, UsageError
from earmark.library.ledger import Ledger, is_gone
from earmark.library.listening import FileChangedError, Hearing, Identity, Setup, place_of
from earmark.library.models import StoredModel
from earmark.library.rows import FilePlace
from earmark.library.schema import FAILURES, FOLDERS, TRACKS, files_columns, now
from earmark.library.store import Store
from earmark.library.writing import failure_row, heard_row
from earmark.parallel import cpu_count
from earmark.processes import Processes

FLUSH_SECONDS, FLUSH_ROWS = 5.0, 64
TIDY_EVERY = 256  # commits
SERVICE = "earmark.library.listening:listener"
TRIES = 3  # of a file that is written to while it is read


@dataclass
class Added:
    """What adding did.

    Parameters
    ----------
    n_files : audio files found
    n_heard : tracks that were heard
    n_known : files that were as before
    n_recognised : files whose track was known: moved, copied, or with other tags
    n_known_failures : files that failed before and have not changed since
    missing : files of the catalogue in these folders that are no longer there
    failures : files that could not be analysed, and why
    seconds : of audio that was heard
    elapsed : seconds that it took
    """

    n_files: int = 0
    n_heard: int = 0
    n_known: int = 0
    n_recognised: int = 0
    n_known_failures: int = 0
    missing: list[str] = field(default_factory=list)
    failures: list[tuple[str, EarmarkError]] = field(default_factory=list)
    seconds: float = 0.0
    elapsed: float = 0.0


@dataclass(frozen=True)
class AddProgress:
    """How far adding is.

    Parameters
    ----------
    n_done, n_total : files that need work
    n_bytes_done, n_bytes : of them
    n_failed : files
    seconds : of audio that was heard
    """

    n_done: int
    n_total: int
    n_bytes_done: int
    n_bytes: int
    n_failed: int
    seconds: float


@dataclass(frozen=True)
class _Outcome:
    """What came of one file: who it is, and what was heard if that was not known; or why nothing came."""

    place: FilePlace
    identity: Identity | None = None
    hearing: Hearing | None = None
    error: EarmarkError | None = None
    waits_for: str | None = None  # a track that another file of this run is heard for


def add(
    store: Store,
    sources: Sequence[str],
    model: StoredModel,
    *,
    setup: Setup,
    jobs: int | None = None,
    retry_failed: bool = False,
    on_progress: Callable[[AddProgress], None] | None = None,
) -> Added:
    """Add the audio files in folders; the caller holds the lock of the catalogue.

    Parameters
    ----------
    store : the catalogue
    sources : folders, or single files; those that were added before if there is none
    model : what `setup` listens with, as `describe` describes it
    setup : how files are heard
    jobs : files at a time, each in a process; CPUs unless given
    retry_failed : try files again that failed before
    on_progress : called after every file

    Raises
    ------
    InputError
        If a source is not there, or the catalogue cannot be written.
    UsageError
        If there is nothing to add.
    """
    begun = time.monotonic()
    folders = _absolute(sources) if sources else remembered(store)
    if not folders:
        raise UsageError("no folder was added yet", hint="earmark library add FOLDER")
    n_jobs = cpu_count() if jobs is None else jobs
    if n_jobs < 1:
        raise UsageError(f"jobs is {jobs}, expected 1 or more")
    store.upgrade()
    store.keep_model(model)
    store.put(FOLDERS, [{"path": os.fsencode(folder), "added_at": now()} for folder in folders])
    with Processes(SERVICE, setup, n_jobs) as processes:
        run = _Run(store, Ledger(store, model, whole=setup.whole), model, setup, processes, n_jobs)
        run.on_progress = on_progress
        run.go(folders, retry_failed=retry_failed)
    run.added.elapsed = time.monotonic() - begun
    return run.added


def remembered(store: Store) -> list[str]:
    """Return the folders and files that were added before."""
    return sorted(os.fsdecode(row["path"]) for batch in store.scan(FOLDERS) for row in batch.to_pylist())


def _absolute(sources: Sequence[str]) -> list[str]:
    for source in sources:
        if not source or "\0" in source or is_gone(source):
            raise InputError(f"{source or 'an empty name'}: there is no such file or folder")
    return [os.path.abspath(source) for source in sources]  # noqa: PTH100 (keeps links)


class _Run:
    """One run of `add`."""

    def __init__(
        self, store: Store, ledger: Ledger, model: StoredModel, setup: Setup, processes: Processes, jobs: int
    ) -> None:
        self.added = Added()
        self.on_progress: Callable[[AddProgress], None] | None = None
        self._store, self._ledger, self._model, self._setup = store, ledger, model, setup
        self._processes, self._jobs = processes, jobs
        self._claims, self._claimed = threading.Lock(), set[str]()
        self._batch: list[_Outcome] = []
        self._flushed, self._n_commits = time.monotonic(), 0
        self._seen: set[str] = set()  # real paths: however many links lead to a file, it is looked at once
        self._n_done = self._n_total = self._n_bytes = self._n_bytes_done = 0

    def go(self, folders: Sequence[str], *, retry_failed: bool) -> None:
        """Walk until nothing new is found: files may appear while others are heard."""
        todo = list(self._find(folders, retry_failed=retry_failed))
        while todo:
            self._n_total += len(todo)
            self._n_bytes += sum(place.size for place in todo)
            again: list[FilePlace] = []
            try:
                for outcome in self._outcomes(todo):
                    again += self._take(outcome)
                    self._report(outcome)
            finally:
                self._flush()
            with warnings.catch_warnings(action="ignore", category=EarmarkWarning):  # the first walk gave them
                todo = [*self._find(folders, retry_failed=retry_failed), *again]
        self.added.missing = self._ledger.missing(self._ledger.below(folders))
        if self._n_commits:
            self._store.tidy()

    def _find(self, folders: Sequence[str], *, retry_failed: bool) -> Iterator[FilePlace]:
        """Yield the files that need work and were not seen before in this run."""
        for folder in folders:
            for path in walk(folder) if os.path.isdir(folder) else [folder]:  # noqa: PTH112
                real = os.path.realpath(path)
                if real in self._seen:
                    continue
                self._seen.add(real)
                try:
                    place = place_of(path)
                except InputError:
                    continue  # gone since, or a link that leads nowhere
                self.added.n_files += 1
                if self._ledger.is_current(place):
                    self.added.n_known += 1
                elif self._ledger.has_failed(place) and not retry_failed:
                    self.added.n_known_failures += 1
                else:
                    yield place

    def _outcomes(self, todo: Sequence[FilePlace]) -> Iterator[_Outcome]:
        """Yield what came of files, in the order in which they are done."""
        waiting: set[Future[_Outcome]] = set()
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="earmark-add")
        try:
            for place in todo:
                waiting.add(pool.submit(self._work, place))
                while len(waiting) >= 2 * self._jobs:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            if waiting:  # interrupted: what is under way is given up
                self._processes.close()
            pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, place: FilePlace) -> _Outcome:
        """Identify a file and, if its track was not heard yet, listen to it. Runs in a thread."""
        for attempt in range(TRIES):
            try:
                return self._try(place)
            except FileChangedError as error:
                if attempt == TRIES - 1:
                    return _Outcome(place, error=error)
                time.sleep(0.2 * (attempt + 1))
            except EarmarkError as error:
                return _Outcome(place, error=error)
        raise AssertionError("unreachable")

    def _try(self, place: FilePlace) -> _Outcome:
        identity = self._processes.call(place.path, place.path)
        assert isinstance(identity, Identity)
        with self._claims:
            if self._ledger.is_heard(identity.id):
                return _Outcome(identity.place, identity)
            if identity.id in self._claimed:
                return _Outcome(identity.place, identity, waits_for=identity.id)
            self._claimed.add(identity.id)
        try:
            hearing = self._processes.call(place.path, identity)
        except EarmarkError:
            with self._claims:
                self._claimed.discard(identity.id)
            raise
        assert isinstance(hearing, Hearing)
        return _Outcome(identity.place, identity, hearing)

    def _take(self, outcome: _Outcome) -> list[FilePlace]:
        """Note what came of a file; return what has to be looked at again."""
        if outcome.waits_for is not None and not self._ledger.is_heard(outcome.waits_for):
            return [outcome.place]  # once the file with the same audio is heard, or has failed
        if outcome.error is not None and is_gone(outcome.place.path):
            return []  # it went while others were heard
        if outcome.error is not None:
            self.added.failures.append((outcome.place.path, outcome.error))
        elif outcome.identity is not None and outcome.hearing is not None:
            self.added.n_heard += 1
            self.added.seconds += outcome.hearing.tags.duration
            with self._claims:
                self._ledger.set_heard(outcome.identity.id)
        else:
            self.added.n_recognised += 1
        self._batch.append(outcome)
        if len(self._batch) >= FLUSH_ROWS or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._flush()
        return []

    def _flush(self) -> None:
        """Write what is there in one commit for each kind of row."""
        if not self._batch:
            self._flushed = time.monotonic()
            return
        batch, self._batch = self._batch, []
        failed = [outcome for outcome in batch if outcome.identity is None]
        rows: dict[str, dict[str, Any]] = {}
        for outcome in batch:
            if outcome.identity is not None:
                self._add_rows(rows, outcome, outcome.identity)
        self._store.put(TRACKS, rows.values())
        self._store.put(FAILURES, [failure_row(one.place, one.error) for one in failed if one.error is not None])
        paths = [one.place.path for one in batch if one.identity is not None]
        mended = [os.fsencode(path) for path in paths if self._ledger.failures.pop(path, None) is not None]
        if mended:
            self._store.delete(FAILURES, mended)
        self._n_commits += 1
        self._flushed = time.monotonic()
        if self._n_commits % TIDY_EVERY == 0:
            self._store.tidy()

    def _add_rows(self, rows: dict[str, dict[str, Any]], outcome: _Outcome, identity: Identity) -> None:
        """Add the rows that a file changes: its track's, and that of the track which it held before."""
        ledger = self._ledger
        is_new = identity.id not in ledger
        before = ledger.attach(identity.id, outcome.place)
        for place in ledger.places(identity.id):
            if place.path != outcome.place.path and is_gone(place.path):
                ledger.detach(place.path)  # it was moved here
        places = ledger.places(identity.id)
        row = rows.setdefault(identity.id, {"id": identity.id})
        row |= files_columns(places)
        if is_new or places[0].path == outcome.place.path:
            row |= identity.facts
        if is_new:
            row["added_at"] = now()
        if outcome.hearing is not None:
            row |= heard_row(outcome.hearing, self._model, self._setup.listened)
        if before is not None:
            rows.setdefault(before, {"id": before}).update(files_columns(ledger.places(before)))

    def _report(self, outcome: _Outcome) -> None:
        if outcome.waits_for is not None and not self._ledger.is_heard(outcome.waits_for):
            self._n_total -= 1
            self._n_bytes -= outcome.place.size
        else:
            self._n_done += 1
            self._n_bytes_done += outcome.place.size
        if self.on_progress is not None:
            self.on_progress(
                AddProgress(
                    self._n_done, self._n_total, self._n_bytes_done, self._n_bytes, len(self.added.failures),
                    self.added.seconds,
                )
            )  # fmt: skip
