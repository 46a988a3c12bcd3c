"""Time tagging, from file to scores, against essentia-tensorflow and the original musicnn.

The same weights (MSD musicnn) and the same files for all, in one run, each system in a process of its own kept to
the same cores. See README.md beside this file for how to install the peers.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers_report import difference, keep_notes, markdown, share

HERE = Path(__file__).resolve().parent
SUFFIXES = {".mp3", ".m4a", ".aac", ".webm", ".opus", ".ogg", ".flac", ".wav", ".wma", ".aiff", ".aif", ".au", ".mp4"}
MODEL = "musicnn.pons_msd"
REFERENCE = "earmark"


@dataclass(frozen=True)
class System:
    """One column of the comparison: a backend of peers_worker.py, its interpreter and its options."""

    name: str
    backend: str
    python: str
    options: dict[str, Any] = field(default_factory=dict)
    n_processes: int = 1


class Worker:
    """A running peers_worker.py."""

    def __init__(self, system: System, cpus: list[int], log: Path) -> None:
        command = [system.python, str(HERE / "peers_worker.py"), system.backend]
        command += ["--cpus", ",".join(map(str, cpus))]
        self.log = log
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )

    def send(self, command: str, **values: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command, **values}) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            raise ChildProcessError(f"died with status {self.process.wait()}: {' '.join(tail)[:200]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, command: str, **values: Any) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):  # receive says why
            self.send(command, **values)
        return self.receive()

    def close(self) -> None:
        try:
            self.process.communicate('{"command": "quit"}\n', timeout=20)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.wait()


class Team:
    """The processes of one system, which share the files of a round and the cores."""

    def __init__(self, system: System, cpus: list[int], log: Path) -> None:
        n = system.n_processes
        self.system = system
        self.workers = [Worker(system, cpus[i::n], log) for i in range(n)]
        for worker in self.workers:
            worker.ask("load", options=system.options)

    def tag(self, durations: dict[str, float]) -> float:
        """Tag files; return the wall-clock time, s."""
        shares = share(durations, len(self.workers)) if len(self.workers) > 1 else [list(durations)]
        started = time.perf_counter()
        for worker, paths in zip(self.workers, shares, strict=True):
            worker.send("tag", paths=paths)
        failed = {path: reason for worker in self.workers for path, reason in worker.receive()["failed"].items()}
        seconds = time.perf_counter() - started
        if failed:
            raise SystemExit(f"{self.system.name} failed on files that it tagged before: {failed}")
        return seconds

    def close(self) -> None:
        for worker in self.workers:
            worker.close()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def systems(arguments: argparse.Namespace) -> list[System]:
    """List what is to be compared, earmark first."""
    mine, threads = arguments.earmark_python, arguments.threads
    out = [
        System(REFERENCE, "earmark", mine, {"model": MODEL, "mode": "many"}),
        System("earmark, file by file", "earmark", mine, {"model": MODEL, "mode": "one"}),
    ]
    for variant in arguments.variant:
        name, _, settings = variant.partition(":")
        options = dict(setting.split("=", 1) for setting in settings.split(",") if setting)
        out.append(System(f"earmark, {name}", "earmark", mine, {"model": MODEL, "mode": "many", **options}))
    if arguments.essentia_python:
        if not arguments.essentia_graph:
            raise SystemExit("--essentia-python needs --essentia-graph")
        for quality, note in ((1, ""), (4, ", linear resampling")):
            options = {"graph": str(Path(arguments.essentia_graph).resolve()), "resample_quality": quality}
            out.append(System(f"essentia{note}", "essentia", arguments.essentia_python, options))
        out.append(System(f"essentia, {threads} processes", "essentia", arguments.essentia_python, options, threads))
    if arguments.musicnn_python:
        python = arguments.musicnn_python
        out.append(System("musicnn", "musicnn", python, {"mode": "published"}))
        out.append(System("musicnn, graph kept", "musicnn", python, {"mode": "session"}))
    return [system for system in out if system.name == REFERENCE or system.name not in arguments.skip]


def audio_files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.resolve().rglob("*") if path.suffix.lower() in SUFFIXES)


def describe(worker: Worker, paths: list[str]) -> dict[str, dict[str, Any]]:
    """Return sample rate, channels, codec and duration of every file."""
    return {path: worker.ask("probe", path=path) for path in paths}


def openable(system: System, paths: list[str], cpus: list[int], log: Path) -> dict[str, str]:
    """Tag every file once; return those that cannot be tagged, with the reason.

    After a failure the next file gets a fresh process: essentia may crash some time after an error.
    """
    reasons: dict[str, str] = {}
    worker = None
    for path in paths:
        if worker is None:
            worker = Worker(system, cpus, log)
            worker.ask("load", options=system.options)
        try:
            failed = worker.ask("tag", paths=[path])["failed"]
        except ChildProcessError as error:
            failed = {path: str(error)}
        if failed:
            reasons |= failed
            worker.close()
            worker = None
    if worker is not None:
        worker.close()
    return reasons


def choose_files(
    compared: list[System], infos: dict[str, dict[str, Any]], cpus: list[int], log: Path
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Keep the files that every system can tag; one system stands for all with its backend."""
    left_out: dict[str, dict[str, str]] = {}
    for backend in dict.fromkeys(system.backend for system in compared):
        system = [system for system in compared if system.backend == backend][-1]
        say(f"trying every file with {backend}")
        for path, reason in openable(system, list(infos), cpus, log).items():
            last_line = (reason.strip().splitlines() or ["no reason given"])[-1]
            left_out.setdefault(path, {})[backend] = last_line.replace(str(Path(path).parent) + os.sep, "")
    return [path for path in infos if path not in left_out], left_out


def steady_state(
    compared: list[System], durations: dict[str, float], *, cpus: list[int], repeats: int, log: Path
) -> tuple[dict[str, list[float]], dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Time rounds over all files, the systems in turn; also return taggrams and versions by system."""
    teams = [Team(system, cpus, log) for system in compared]
    times: dict[str, list[float]] = {system.name: [] for system in compared}
    taggrams: dict[str, dict[str, Any]] = {}
    first = dict(list(durations.items())[:1])
    for team in teams:
        for worker in team.workers:
            worker.ask("tag", paths=list(first))
    for i in range(repeats):
        for team in teams if i % 2 == 0 else teams[::-1]:
            times[team.system.name].append(team.tag(durations))
            say(f"round {i + 1}: {team.system.name}: {times[team.system.name][-1]:.2f} s")
    for team in teams:
        if len(team.workers) == 1:
            ask = team.workers[0].ask
            taggrams[team.system.name] = {path: ask("scores", path=path)["taggram"] for path in durations}
    versions = {team.system.backend: team.workers[0].ask("versions") for team in teams}
    for team in teams:
        team.close()
    return times, taggrams, versions


def cold_start(
    compared: list[System], clip: str, *, cpus: list[int], repeats: int, log: Path
) -> dict[str, list[float]]:
    """Time fresh processes up to the scores of one clip, and the whole command line of earmark."""
    times: dict[str, list[float]] = {}
    single = [system for system in compared if system.n_processes == 1]
    reference = next(system for system in compared if system.name == REFERENCE)
    for _ in range(repeats):
        for system in single:
            started = time.perf_counter()
            worker = Worker(system, cpus, log)
            worker.ask("load", options=system.options)
            worker.ask("tag", paths=[clip])
            times.setdefault(system.name, []).append(time.perf_counter() - started)
            worker.close()
        command = [reference.python, "-m", "earmark", "tag", clip, "--model", MODEL, "--json"]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.setdefault("`earmark tag --json`, whole process", []).append(time.perf_counter() - started)
    return times


def agreement(taggrams: dict[str, dict[str, Any]]) -> dict[str, tuple[float, float, str]]:
    """Compare every system with earmark, and the peers with each other."""
    names = list(taggrams)
    pairs = [(REFERENCE, name) for name in names[1:]]
    among_peers = [
        ("essentia", "musicnn"),
        ("essentia", "essentia, linear resampling"),
        ("musicnn", "musicnn, graph kept"),
    ]
    pairs += [(a, b) for a, b in among_peers if a in names and b in names]
    out = {}
    for a, b in pairs:
        gaps = [(*difference(taggrams[a][path], taggrams[b][path]), Path(path).name) for path in taggrams[a]]
        out[f"{a} / {b}"] = (max(gap[0] for gap in gaps), max(gap[1] for gap in gaps), max(gaps)[2])
    return out


def break_down(arguments: argparse.Namespace, durations: dict[str, float]) -> dict[str, Any]:
    """Run peers_breakdown.py over the files."""
    command = [arguments.earmark_python, str(HERE / "peers_breakdown.py"), "--threads", str(arguments.threads)]
    command += ["--repeats", str(arguments.repeats)]
    done = subprocess.run(
        command, input=json.dumps(list(durations.items())), stdout=subprocess.PIPE, text=True, check=True
    )
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def hardware() -> dict[str, str]:
    """Return what lscpu says about the processor, and the memory."""
    facts = {"system": f"{platform.system()} {platform.release()} {platform.machine()}"}
    try:
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return facts | {"processor": platform.processor()}
    cpu = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    keys = ("Model name", "CPU family", "CPU(s)", "Thread(s) per core", "Hypervisor vendor", "L2 cache", "L3 cache")
    facts |= {key: cpu[key] for key in keys if key in cpu}
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    facts["instructions"] = " ".join(flag for flag in wanted if flag in cpu.get("Flags", "").split())
    facts["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return facts


def commit() -> str:
    """Return the commit of the checkout, marked where files in it are changed."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../src", ".")
    return git("rev-parse", "--short=12", "HEAD") + (" with uncommitted changes" if changed else "")


def command_line(arguments: argparse.Namespace) -> str:
    """Return the command of this run, with names in place of this machine's paths."""
    words = ["python", "benchmarks/tagging_vs_peers.py", "--audio", "AUDIO"]
    for key in ("essentia_python", "essentia_graph", "musicnn_python"):
        if getattr(arguments, key):
            words += ["--" + key.replace("_", "-"), key.upper()]
    for key in ("repeats", "threads", "sample_rate"):
        if getattr(arguments, key) is not None:
            words += ["--" + key.replace("_", "-"), str(getattr(arguments, key))]
    if arguments.max_seconds < float("inf"):
        words += ["--max-seconds", f"{arguments.max_seconds:g}"]
    words += [word for name in arguments.skip for word in ("--skip", name)]
    words += [word for name in arguments.variant for word in ("--variant", name)]
    return shlex.join([*words, *(["--no-breakdown"] if arguments.no_breakdown else []), "-o", "OUTPUT.md"])


def within(infos: dict[str, dict[str, Any]], arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Keep the files of the wanted sample rate, up to the wanted length in all."""
    kept, total = {}, 0.0
    for path, info in infos.items():
        right = arguments.sample_rate in (None, info["sample_rate"])
        if right and info["duration"] and total < arguments.max_seconds:
            kept[path] = info
            total += info["duration"]
    return kept


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--audio", type=Path, required=True, help="folder of music, searched to the bottom")
    add("-o", "--output", type=Path, required=True, help="Markdown file; its hand-written end is kept")
    add("--earmark-python", default=sys.executable, help="interpreter with earmark (default: this one)")
    add("--essentia-python", help="interpreter with essentia-tensorflow")
    add("--essentia-graph", help="MSD musicnn as a frozen TensorFlow graph")
    add("--musicnn-python", help="interpreter with musicnn 0.1.0")
    add("--repeats", type=int, default=5, help="rounds (default 5)")
    add("--threads", type=int, default=2, help="cores that every system may use (default 2)")
    add("--sample-rate", type=int, help="only files of this rate, Hz")
    add("--max-seconds", type=float, default=float("inf"), help="take files until they last this long")
    add("--skip", action="append", default=[], metavar="SYSTEM", help="leave a system out; repeatable")
    add("--variant", action="append", default=[], metavar="NAME:KEY=VALUE,...", help="one more earmark, with options")
    add("--no-breakdown", action="store_true")
    arguments = parser.parse_args(argv)
    cores = len(os.sched_getaffinity(0))
    if arguments.threads > cores:
        parser.error(f"--threads {arguments.threads}: this process may use {cores} cores")
    return arguments


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    cpus = sorted(os.sched_getaffinity(0))[: arguments.threads]
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    os.sched_setaffinity(0, cpus)  # inherited by everything started below
    compared = systems(arguments)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        worker = Worker(compared[0], cpus, log)
        infos = within(describe(worker, audio_files(arguments.audio)), arguments)
        worker.close()
        paths, left_out = choose_files(compared, infos, cpus, log)
        if not paths:
            raise SystemExit(f"no file that every system can tag: {left_out}")
        durations = {path: infos[path]["duration"] for path in paths}
        times, taggrams, versions = steady_state(compared, durations, cpus=cpus, repeats=arguments.repeats, log=log)
        clip = min(paths, key=lambda path: (infos[path]["sample_rate"] != 44100, abs(durations[path] - 30)))
        cold = cold_start(compared, clip, cpus=cpus, repeats=min(arguments.repeats, 5), log=log)
    run = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": hardware(),
        "load": load,
        "command": command_line(arguments),
        "threads": arguments.threads,
        "reference": REFERENCE,
        "files": {path: infos[path] for path in paths},
        "left_out": {Path(path).name: reasons for path, reasons in left_out.items()},
        "total_seconds": sum(durations.values()),
        "clip_seconds": durations[clip],
        "times": times,
        "cold": cold,
        "agreement": agreement(taggrams),
        "versions": versions,
        "breakdown": None if arguments.no_breakdown else break_down(arguments, durations),
    }
    previous = arguments.output.read_text() if arguments.output.exists() else None
    arguments.output.write_text(markdown(run, notes=keep_notes(previous)))
    say(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
