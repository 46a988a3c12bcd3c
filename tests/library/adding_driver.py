"""Adds folders with the stand-in for listening, in a process that a test may kill: CATALOGUE JOBS FOLDER..."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import stub_listening

from earmark.library import adding
from earmark.library.listening import Setup
from earmark.library.store import Store


def main() -> None:
    adding.SERVICE = stub_listening.SERVICE
    adding.FLUSH_ROWS, adding.FLUSH_SECONDS, adding.TIDY_EVERY = 3, 0.05, 2
    store = Store(sys.argv[1], create=True)
    with store.writing():
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        done = adding.add(store, sys.argv[3:], stub_listening.model(), setup=Setup(), jobs=int(sys.argv[2]))
    sys.stdout.write(f"{done.n_heard} {done.n_recognised} {done.n_known} {len(done.failures)}\n")


if __name__ == "__main__":
    main()
