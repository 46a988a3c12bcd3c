"""Several devices: processes on the CPU that learn together what one learns alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from earmark.config import to_toml  # noqa: E402
from earmark.train import train  # noqa: E402


@pytest.fixture
def together(quick: dict[str, Any], tmp_path: Path) -> Path:
    """A recipe in a file: a network without batch norm, so that sharing a batch changes nothing but rounding."""
    quick["run"] |= {"batch_size": 8, "epochs": 2}
    quick["optimizer"] = {"name": "sgd", "lr": 0.1}
    path = tmp_path / "tones.toml"
    path.write_text(to_toml(quick))
    return path


def environment() -> dict[str, str]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    return {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}


def command(recipe: Path, folder: Path, *more: str) -> list[str]:
    return ["-m", "earmark", "train", str(recipe), "-o", str(folder), "--quiet", "--devices", "2", *more]


@pytest.mark.parametrize(
    "launcher", [[], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]],
    ids=["by itself", "torchrun"],
)  # fmt: skip
def test_two_devices_learn_what_one_learns(
    together: Path, quick: dict[str, Any], launcher: list[str], tmp_path: Path
) -> None:
    alone = train(quick, tmp_path / "alone")
    done = subprocess.run(
        [sys.executable, *launcher, *command(together, tmp_path / "both", "--json")],
        capture_output=True, text=True, env=environment(), timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line.get("number") for line in lines] == [1, 2, None], "the first device alone prints"
    history = [json.loads(line) for line in (tmp_path / "alone" / "history.jsonl").read_text().splitlines()]
    losses = [[epoch["train_loss"] for epoch in epochs] for epochs in (lines[:2], history)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4), "of the items of both devices"
    assert lines[-1]["test"] == pytest.approx(alone["test"], abs=1e-4)
    one, two = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["model"] for run in ("alone", "both"))
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-3, atol=1e-5)


def test_devices_judge_with_the_statistics_that_are_kept(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["run"] |= {"batch_size": 8, "epochs": 1, "overfit_check": False}
    (tmp_path / "tones.toml").write_text(to_toml(recipe))
    done = subprocess.run(
        [sys.executable, *command(tmp_path / "tones.toml", tmp_path / "run", "--json")],
        capture_output=True, text=True, env=environment(), timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    epoch, results = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert epoch["scores"] == pytest.approx(results["validation"], rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "folder", "problem"),
    [
        (["--set", "data.root=nowhere"], "run", "error: nowhere: there is no such folder"),
        ([], "tones.toml/run", "tones.toml/run: cannot be created: Not a directory"),
    ],
    ids=["a recipe that all refuse", "a folder that the first cannot make"],
)
def test_no_device_waits_for_one_that_ends_with_an_error(
    together: Path, tmp_path: Path, changes: list[str], folder: str, problem: str
) -> None:
    done = subprocess.run(
        [sys.executable, *command(together, tmp_path / folder, *changes)],
        capture_output=True, text=True, env=environment(), timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert problem in done.stderr
    assert "defect" not in done.stderr


ENDING = """
import glob, sys
from pathlib import Path
from earmark.errors import EarmarkError
from earmark.config import read_config
from earmark.train import train
config = read_config(Path("tones.toml"))
config["run"]["devices"] = 2
try:
    train(config, Path(sys.argv[1]))
except EarmarkError as error:
    print(error, file=sys.stderr)
print(*(Path(name).read_text() for name in glob.glob("/proc/self/task/*/comm")), file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not list threads of a process")
@pytest.mark.parametrize("folder", ["run", "tones.toml/run"], ids=["a run", "an error"])
def test_no_thread_of_a_connection_outlives_a_run(together: Path, tmp_path: Path, folder: str) -> None:
    # one that does can end the process with SIGABRT when the interpreter ends
    (tmp_path / "ending.py").write_text(ENDING)
    done = subprocess.run(
        [sys.executable, "ending.py", folder], capture_output=True, text=True, cwd=tmp_path, env=environment(),
        timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("cannot be created" in done.stderr) == (folder != "run")
    assert "python" in done.stderr
    assert "gloo_" not in done.stderr, "the names of threads"


def test_a_lost_device_is_told_and_the_run_goes_on_later(together: Path, quick: dict[str, Any], tmp_path: Path) -> None:
    quick["run"]["epochs"] = 400
    together.write_text(to_toml(quick))
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, *command(together, folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=environment(),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (folder / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("this system does not list children of a process")
    second = next(pid for pid in map(int, children.read_text().split()) if "--devices" in _command_line(pid))
    os.kill(second, signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "gone" in said or "terminated" in said
    done = train({**quick, "run": quick["run"] | {"epochs": 3}}, folder, resume=True)
    assert done["epochs"] >= 3


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
