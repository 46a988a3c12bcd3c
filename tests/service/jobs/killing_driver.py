"""Starts workers, or servers, and kills them at any moment: JSON of `Plan` as its argument.

Everything is imported once; what is killed is forked from this process, so that a kill costs no second of imports. The
last ones are left alive until stdin ends.
"""

import json
import os
import random
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "library"))

import stub_listening
from fast import FAST

from earmark.library import adding, facade
from earmark.library.engine import load_lancedb
from earmark.service import serving
from earmark.service.jobs import kinds, managing
from earmark.service.jobs.job import Job, Rules
from earmark.service.jobs.managing import Jobs
from earmark.service.jobs.watching import Watch
from earmark.service.settings import Settings
from earmark.service.state import Service


@dataclass
class Plan:
    """What is killed.

    Parameters
    ----------
    what : "steps": two workers that do jobs of steps; "server": one server whose workers add to the catalogue
    folder : with "catalogue", "music", "data", "steps"
    kills : how many
    shortest, longest : seconds that one lives
    lease : seconds
    port : of the server
    redis_url : of the table, if it is not in SQLite
    """

    what: str
    folder: str
    kills: int
    shortest: float
    longest: float
    lease: float
    port: int = 0
    redis_url: str | None = None

    @property
    def rules(self) -> Rules:
        return Rules(**vars(FAST) | {"lease": self.lease})

    @property
    def settings(self) -> Settings:
        root = Path(self.folder)
        return Settings(
            str(root / "catalogue"), (root / "music",), root / "data", workers=1, port=self.port,
            redis_url=self.redis_url,
        )  # fmt: skip


def do_steps(folder: Path, job: Job, watch: Watch) -> Any:
    """Do steps, each once, however often this is begun; say who was at which."""
    owner = f"{os.getpid()}.{threading.get_ident()}"
    for step in range(job.parameters["steps"]):
        watch.report(step, job.parameters["steps"])
        note(folder, f"{job.id} {owner} begin")
        try:
            os.close(os.open(folder / f"{job.id}.{step}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        time.sleep(0.01)
        note(folder, f"{job.id} {owner} end")
    return job.parameters["steps"]


def note(folder: Path, line: str) -> None:
    with (folder / "log").open("a") as log:
        log.write(f"{line}\n")


def run_workers(plan: Plan) -> None:
    jobs = Jobs(Service(plan.settings), n_workers=1, rules=plan.rules)
    jobs.start()
    threading.Event().wait()


def run_server(plan: Plan) -> None:
    serving.serve(plan.settings, on_ready=lambda address: None)


def fork(plan: Plan) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LanceDB's fork support is experimental; one that hangs is killed, too
        child = os.fork()
    if child:
        return child
    run: Any = run_workers if plan.what == "steps" else run_server
    try:
        run(plan)
    finally:
        leave()


def leave() -> NoReturn:
    os._exit(1)


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    adding.SERVICE, adding.FLUSH_ROWS = stub_listening.SERVICE, 1
    facade.describe = lambda *arguments, **options: stub_listening.model()
    managing.Rules = lambda: plan.rules  # type: ignore[assignment, misc]
    if plan.what == "steps":
        folder = Path(plan.folder) / "steps"
        kinds.Doing.__call__ = lambda self, job, watch: do_steps(folder, job, watch)  # type: ignore[method-assign]
    else:
        load_lancedb()
    dice = random.Random(0)
    alive = [fork(plan) for _ in range(2 if plan.what == "steps" else 1)]
    for _ in range(plan.kills):
        time.sleep(dice.uniform(plan.shortest, plan.longest) / len(alive))
        one = alive.pop(0)
        os.kill(one, signal.SIGKILL)
        os.waitpid(one, 0)
        alive.append(fork(plan))
    sys.stdout.write("last\n")
    sys.stdout.flush()
    sys.stdin.read()
    for one in alive:
        os.kill(one, signal.SIGKILL)
        os.waitpid(one, 0)


if __name__ == "__main__":
    main()
