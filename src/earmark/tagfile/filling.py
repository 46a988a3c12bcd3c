"""Write what was heard into many files, or only say what would change; one that fails stops nothing."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from earmark.errors import EarmarkError
from earmark.tagfile.changes import FileChange
from earmark.tagfile.choosing import Choice, TrackScores
from earmark.tagfile.journal import Journal
from earmark.tagfile.profiles import STANDARD, Profile
from earmark.tagfile.proposing import HardLinks, is_done, propose
from earmark.tagfile.scores import NotHeard, ScoreSource
from earmark.tagfile.writing import Times, apply

ENVIRONMENT = "EARMARK_JOURNAL"
Status = Literal["proposed", "written", "same", "done", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Parameters
    ----------
    path : of the file
    status : "proposed", or "written"; "same" where there is nothing to change; "done" where the stamp says so already,
        so that it was not heard again; "failed"
    change : what changes; None where that was not worked out
    error : why it failed
    """

    path: str
    status: Status
    change: FileChange | None = None
    error: EarmarkError | None = None


def default_journal() -> str:
    """Return the folder of the journal unless told otherwise: EARMARK_JOURNAL, or one in the user's folder for data."""
    from platformdirs import user_data_dir

    return os.environ.get(ENVIRONMENT) or str(Path(user_data_dir("earmark", appauthor=False)) / "journal")


def fill(
    paths: Sequence[str],
    source: ScoreSource,
    choice: Choice,
    *,
    profile: Profile = STANDARD,
    force: bool = False,
    journal: Journal | None = None,
    hard_links: HardLinks = "refuse",
    times: Times = "keep",
) -> Iterator[Outcome]:
    """Fill the tags of files.

    Parameters
    ----------
    paths : of the files
    source : of the scores
    choice, profile, force : as `propose` takes them
    journal : of the run, which can be undone; without one nothing is written
    hard_links : as `writing.plan` takes it
    times : as `writing.apply` takes it

    Yields
    ------
    for every file what became of it; files that are done come first, the others in order
    """
    waiting = []
    work = partial(_fill_one, choice=choice, profile=profile, force=force, journal=journal, hard_links=hard_links,
                   times=times)  # fmt: skip
    for path in paths:
        if source.heard_by is not None and _done(path, *source.heard_by, choice, profile, force=force):
            yield Outcome(path, "done")
        else:
            waiting.append(path)
    for heard in source.scores(waiting):
        if isinstance(heard, NotHeard):
            yield Outcome(heard.path, "failed", error=heard.error)
        else:
            yield work(heard)


def _done(path: str, model: str, version: str, choice: Choice, profile: Profile, *, force: bool) -> bool:
    try:
        return is_done(path, model, version, choice, profile=profile, force=force)
    except EarmarkError:
        return False  # what is wrong with it is told when its turn comes


def _fill_one(
    heard: TrackScores,
    *,
    choice: Choice,
    profile: Profile,
    force: bool,
    journal: Journal | None,
    hard_links: HardLinks,
    times: Times,
) -> Outcome:
    change = None
    try:
        change = propose(heard.path, heard, choice, profile=profile, force=force, hard_links=hard_links)
        if change and journal is not None:
            apply(change, journal, times=times)
    except EarmarkError as error:
        return Outcome(heard.path, "failed", change, error)
    if not change:
        return Outcome(heard.path, "same", change)
    return Outcome(heard.path, "proposed" if journal is None else "written", change)
