"""Writes into the files of a folder, and undoes it, in child processes that a test may kill: JOURNAL FOLDER.

Reads "write VALUE" or "undo" from its input; for each it starts a child, says its process id, and then how it ended.
"""

import os
import sys
from pathlib import Path

from earmark.tagfile.changes import NewTags
from earmark.tagfile.journal import Journal
from earmark.tagfile.writing import apply, plan


def work(command: list[str], journal: Journal, folder: Path) -> None:
    if command[0] == "undo":
        for run in journal.runs():
            if run.n_undone < run.n_files:
                journal.undo(run.id)
        return
    with journal:
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("."):
                new = NewTags({"genre": (command[1], "Jazz")}, {"EARMARK_STAMP": (command[1],)})
                apply(plan(path, new, keep_existing=False), journal)


def main() -> None:
    import mutagen  # noqa: F401  (once, not in each child)

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(line.split(), Journal(sys.argv[1]), Path(sys.argv[2]))
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
