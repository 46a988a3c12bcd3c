"""Write fields into the tags of a file: first what would change, then the change, all else left as it is."""

import os
from typing import Literal

from earmark.audio.sources import reason
from earmark.errors import InputError
from earmark.files import disk_errors
from earmark.tagfile.changes import FileChange, FileState
from earmark.tagfile.journal import Entry, Journal
from earmark.tagfile.planning import plan
from earmark.tagfile.swapping import digest_spliced, holding, inverted, replace, take_over, write_spliced
from earmark.tagfile.verifying import check_written

__all__ = ["Times", "apply", "plan"]
Times = Literal["keep", "step", "new"]
_SECOND = 10**9


def apply(change: FileChange, journal: Journal, *, times: Times = "keep") -> None:
    """Change a file as planned: a new one is written beside it, verified, and put in its place.

    Parameters
    ----------
    change : from `plan`
    journal : what is needed to undo the change is in there, on the disk, before the file is replaced
    times : of the new file: "keep" keeps them, so that lists sorted by date stay as they are, though programs which
        look at times alone do not notice the change; "step" adds one second to the time of change, which they notice;
        "new" is now

    Raises
    ------
    InputError
        If the file has changed since the plan, is being written to by somebody else, cannot be replaced with owner and
        rights kept, or the new one fails the verification. Then the file is what it was.
    """
    if not change:
        return
    with holding(change.target) as source:
        _expect(change)
        entry = os.fstat(source.fileno())
        with journal.temporary(change.target) as temporary, disk_errors(change.target):
            before, after = write_spliced(source, change.splices, temporary)
            check_written(change, temporary)
            inverse = inverted(source, change.splices)
            if digest_spliced(temporary, inverse) != before:
                raise InputError(f"{change.path}: not written: the copy could not be turned back into the file")
            stamps = (entry.st_atime_ns, entry.st_mtime_ns)
            take_over(source, temporary, stamps if times == "keep" else _stamps(stamps, times))
            number = journal.intend(Entry(change.target, before, after, stamps, tuple(inverse)))
            _expect(change)
            replace(source, temporary, change.target)
        journal.settle(number)


def _stamps(stamps: tuple[int, int], times: Times) -> tuple[int, int] | None:
    return (stamps[0], stamps[1] + _SECOND) if times == "step" else None


def _expect(change: FileChange) -> None:
    """Raise an error if the file is not the one any more that the change was planned for."""
    try:
        is_same = FileState.of(change.target) == change.before
    except OSError as error:
        raise InputError(f"{change.path}: not written: {reason(error)}") from None
    if not is_same:
        hint = "give the same command again: what would change is worked out anew"
        raise InputError(f"{change.path}: not written: it has changed since what would change was shown", hint=hint)
