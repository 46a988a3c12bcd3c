"""Time features and pictures of many clips against the obvious way, and against decoding and resampling alone.

The obvious way is librosa for each file and matplotlib for each picture, in one process. Each measurement is a process
of its own; rounds take turns. Imports and two clips come before the clock. The processes that earmark starts for every
run are in its time, but for the row "started". Peers get some of the clips: their time is proportional.
See README.md beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from peers_report import MARKER, keep_notes, spread, table
from tagging_vs_peers import commit, hardware

RATE, N_FFT, HOP, N_MELS = 16000, 512, 256, 96
CLIP_SECONDS = 30
EARMARK = ("floor, threads", "floor, processes", "earmark, features", "earmark, features, started", "earmark, pictures")
PEERS = ("librosa.load alone", "librosa, features", "librosa + matplotlib", "librosa + imsave")
PARAMETERS = {"sample_rate": RATE, "n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS}

Task = Callable[[list[str], Path, int], float | None]


# Tasks, each in a process of its own ----------------------------------------------------------------------------------


def decode(path: str) -> int:
    from earmark.audio.io import read

    return len(read(path, sample_rate=RATE)[0])


def floor_threads(paths: list[str], folder: Path, jobs: int) -> None:
    from earmark.parallel import map_ordered

    for _ in map_ordered(decode, paths, jobs=jobs):
        pass


def floor_processes(paths: list[str], folder: Path, jobs: int) -> None:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(jobs) as pool:
        for _ in pool.map(decode, paths, chunksize=2):
            pass


def earmark_features(paths: list[str], folder: Path, jobs: int) -> None:
    from earmark.features.extract import extract
    from earmark.features.store import Item

    items = [Item(f"{i}", path) for i, path in enumerate(paths)]
    done = extract(items, folder / "store", parameters=PARAMETERS, jobs=jobs)
    assert not done.failures
    assert done.n_computed == len(paths), "two clips have the same content"


def earmark_started(paths: list[str], folder: Path, jobs: int) -> float:
    """Return the time from the first clips, when all processes have started, to the last, as if it were that of all."""
    from earmark.features.extract import extract
    from earmark.features.store import Item

    moments: list[float] = []
    items = [Item(f"{i}", path) for i, path in enumerate(paths)]
    extract(
        items, folder / "store", parameters=PARAMETERS, jobs=jobs,
        on_outcome=lambda outcome: moments.append(time.perf_counter()),
    )  # fmt: skip
    n_first = min(4 * jobs, len(paths) - 1)
    return (moments[-1] - moments[n_first - 1]) * len(paths) / (len(paths) - n_first)


def earmark_pictures(paths: list[str], folder: Path, jobs: int) -> None:
    from earmark.features.pictures import draw_pictures
    from earmark.features.store import FeatureStore

    earmark_features(paths, folder, jobs)
    draw_pictures(FeatureStore.open(folder / "store"), folder / "png", jobs=jobs)


def librosa_mel(path: str) -> Any:
    import librosa

    waveform, _ = librosa.load(path, sr=RATE)
    options = {"n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS, "pad_mode": "reflect"}
    power = librosa.feature.melspectrogram(y=waveform, sr=RATE, **options)
    return librosa.power_to_db(power, top_db=None)


def librosa_load(paths: list[str], folder: Path, jobs: int) -> None:
    import librosa

    for path in paths:
        librosa.load(path, sr=RATE)


def librosa_features(paths: list[str], folder: Path, jobs: int) -> None:
    import numpy as np

    for i, path in enumerate(paths):
        np.save(folder / f"{i}.npy", librosa_mel(path).astype(np.float16))


def librosa_matplotlib(paths: list[str], folder: Path, jobs: int) -> None:
    import librosa
    import matplotlib.pyplot as plt

    for i, path in enumerate(paths):
        figure = plt.figure()
        librosa.display.specshow(librosa_mel(path), sr=RATE, hop_length=HOP)
        plt.axis("off")
        plt.savefig(folder / f"{i}.png", bbox_inches="tight", pad_inches=0)
        plt.close(figure)


def librosa_imsave(paths: list[str], folder: Path, jobs: int) -> None:
    import matplotlib.pyplot as plt

    for i, path in enumerate(paths):
        plt.imsave(folder / f"{i}.png", librosa_mel(path)[::-1], cmap="gray", vmin=-63, vmax=27)


def make_task(name: str, jobs: int) -> Task:
    if name in PEERS:
        import matplotlib

        matplotlib.use("Agg")
    return {
        "floor, threads": floor_threads,
        "floor, processes": floor_processes,
        "earmark, features": earmark_features,
        "earmark, features, started": earmark_started,
        "earmark, pictures": earmark_pictures,
        "librosa.load alone": librosa_load,
        "librosa, features": librosa_features,
        "librosa + matplotlib": librosa_matplotlib,
        "librosa + imsave": librosa_imsave,
    }[name]


def run_task(name: str, paths: list[str], jobs: int) -> None:
    """Warm up with two clips, then time all; print seconds per clip, and seconds of CPU, those of children included."""
    task = make_task(name, jobs)
    with tempfile.TemporaryDirectory() as warm, tempfile.TemporaryDirectory() as folder:
        task(paths[-2:], Path(warm), jobs)
        started, cpu = time.perf_counter(), cpu_seconds()
        seconds = task(paths, Path(folder), jobs) or time.perf_counter() - started
        print(json.dumps([seconds / len(paths), (cpu_seconds() - cpu) / len(paths)]))


def cpu_seconds() -> float:
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def compare(paths: list[str]) -> None:
    """Print the largest and the mean difference from librosa, dB, of values within 80 dB of the loudest."""
    import numpy as np

    from earmark.audio.io import read
    from earmark.audio.spectra import SPECTRA

    spectrum = SPECTRA.build("log_mel", **PARAMETERS)
    gaps = []
    for path in paths:
        mine, theirs = spectrum(read(path, sample_rate=RATE)[0]), librosa_mel(path)
        n = min(mine.shape[1], theirs.shape[1])
        heard = theirs[:, :n] > theirs.max() - 80
        gaps.append(np.abs(mine[:, :n] - theirs[:, :n])[heard])
    print(json.dumps([max(float(gap.max()) for gap in gaps), float(np.mean([gap.mean() for gap in gaps]))]))


# The run --------------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ask(python: str, words: list[str], clips: list[str]) -> Any:
    command = [python, "-W", "ignore", __file__, "--worker", *words]
    done = subprocess.run(command, input=json.dumps(clips), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def cut_clips(python: str, music: Path, folder: Path, n_clips: int) -> dict[str, list[str]]:
    """Cut clips of 30 s out of music, as mp3 at 16 kHz mono and at 44.1 kHz stereo."""
    out: dict[str, list[str]] = {}
    for title, rate in (("mp3, 16 kHz mono", 16000), ("mp3, 44.1 kHz stereo", 44100)):
        target = folder / str(rate)
        target.mkdir()
        out[title] = ask(python, ["cut", str(music), str(target), str(rate), str(n_clips)], [])
    return out


def cut(music: str, target: str, rate: int, n_clips: int) -> None:
    from earmark.audio import io

    files = sorted(path for path in Path(music).rglob("*") if path.suffix.lower() in io.AUDIO_SUFFIXES)
    clips: list[str] = []
    offset = 0.0
    while len(clips) < n_clips:
        before = len(clips)
        for path in files:
            if (io.probe(path).duration or 0) < offset + CLIP_SECONDS or len(clips) == n_clips:
                continue
            waveform, _ = io.read(path, sample_rate=rate, mono=rate == 16000, offset=offset, duration=CLIP_SECONDS)
            clips.append(str(Path(target) / f"{len(clips):04d}.mp3"))
            io.write(clips[-1], waveform * 0.9, rate)
        offset += 10
        if len(clips) == before:
            break
    print(json.dumps(clips))


def measure(arguments: argparse.Namespace, sets: dict[str, list[str]]) -> dict[str, dict[str, list[list[float]]]]:
    """Time every task on every set, in turn: seconds per clip by the clock, and of the CPUs."""
    names = EARMARK + (PEERS if arguments.peer_python else ())
    times: dict[str, dict[str, list[list[float]]]] = {title: {name: [] for name in names} for title in sets}
    for title, clips in sets.items():
        for i in range(arguments.repeats):
            for name in names if i % 2 == 0 else names[::-1]:
                python = arguments.peer_python if name in PEERS else arguments.earmark_python
                some = clips[:: max(len(clips) // arguments.n_peer, 1)] if name in PEERS else clips
                seconds, cpu = ask(python, ["task", name, str(arguments.jobs)], some)
                times[title][name].append([seconds, cpu])
                say(f"{title}, round {i + 1}: {name}: {1 / seconds:.1f} clips/s, {1e3 * cpu:.2f} ms of CPU each")
    return times


def report(arguments: argparse.Namespace, sets: dict[str, list[str]], facts: dict[str, Any]) -> str:
    lines = [
        "# Features and pictures against librosa and matplotlib",
        f"{facts['date']}, commit {facts['commit']}, {arguments.repeats} rounds, {arguments.jobs} jobs for earmark "
        "and the floors, one process for the peers.",
        table(["", ""], [[key, value] for key, value in facts["hardware"].items()]),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in facts["versions"].items()) + ".",
        f"```bash\n{facts['command']}\n```",
        f"Log-mel in dB: {RATE} Hz, n_fft {N_FFT}, hop {HOP}, {N_MELS} bands, stored as float16. The floor is decoding "
        "and resampling alone with as many jobs.",
    ]
    for title, clips in sets.items():
        times = facts["times"][title]
        rows = [
            [
                name,
                spread([1 / seconds for seconds, _ in runs]),
                *(f"{1e3 * median(values):.2f}" for values in zip(*runs, strict=True)),
            ]
            for name, runs in times.items()
        ]
        header = ["", "clips/s, median (range)", "ms per clip", "ms of CPU per clip"]
        lines += [f"## {title}: {len(clips)} clips", table(header, rows)]
        header = ["ratio, round by round", "by the clock, median (range)", "of CPU time, median (range)"]
        lines.append(table(header, ratios(times)))
        if title in facts["gaps"]:
            largest, mean = facts["gaps"][title]
            gap = f"at most {largest:.4f} dB, mean {mean:.6f} dB"
            lines.append(f"Difference from librosa's values within 80 dB of a clip's loudest: {gap}.")
    return "\n\n".join(lines) + f"\n\n{MARKER}"


def ratios(times: dict[str, list[list[float]]]) -> list[list[str]]:
    pairs = [
        ("features over the floor of threads", "floor, threads", "earmark, features"),
        ("features over the floor of processes", "floor, processes", "earmark, features"),
        ("features, started, over the floor of processes", "floor, processes", "earmark, features, started"),
        ("features over librosa", "librosa, features", "earmark, features"),
        ("pictures over librosa + matplotlib", "librosa + matplotlib", "earmark, pictures"),
        ("pictures over librosa + imsave", "librosa + imsave", "earmark, pictures"),
    ]
    return [
        [what, *(spread([a[i] / b[i] for a, b in zip(times[slow], times[fast], strict=True)], 2) for i in (0, 1))]
        for what, slow, fast in pairs
        if times.get(slow)
    ]


def versions(python: str, names: tuple[str, ...]) -> dict[str, str]:
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names}}}))"
    done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--music", type=Path, help="folder of music, to cut clips of 30 s out of")
    add("--clips", type=Path, action="append", default=[], help="folder of clips, taken as they are; repeatable")
    add("-n", "--n-clips", type=int, default=300, help="to cut (default 300)")
    add("--n-peer", type=int, default=60, help="clips for the peers, about (default 60)")
    add("-o", "--output", type=Path, required=True, help="Markdown file; its hand-written end is kept")
    add("--earmark-python", default=sys.executable, help="interpreter with earmark[features] (default: this one)")
    add("--peer-python", help="interpreter with librosa, matplotlib and earmark; without it only the floors")
    add("--repeats", type=int, default=3, help="rounds (default 3)")
    add("--jobs", type=int, default=os.cpu_count(), help="for earmark and the floors (default: CPUs)")
    return parser.parse_args()


def command_line(arguments: argparse.Namespace) -> str:
    words = ["python", "benchmarks/features_vs_librosa.py"]
    words += ["--music", "MUSIC"] if arguments.music else []
    words += [word for folder in arguments.clips for word in ("--clips", folder.name.upper())]
    words += [
        "--n-clips",
        str(arguments.n_clips),
        "--n-peer",
        str(arguments.n_peer),
        "--repeats",
        str(arguments.repeats),
        "--jobs",
        str(arguments.jobs),
    ]
    return shlex.join([*words, *(["--peer-python", "PEER_PYTHON"] if arguments.peer_python else []), "-o", "OUTPUT.md"])


def main() -> None:
    arguments = parse()
    scratch = Path(tempfile.mkdtemp())
    try:
        sets = {} if arguments.music is None else cut_clips(
            arguments.earmark_python, arguments.music, scratch, arguments.n_clips
        )  # fmt: skip
        for folder in arguments.clips:
            files = sorted(str(path) for path in folder.resolve().rglob("*") if path.suffix in (".ogg", ".wav", ".mp3"))
            sets[folder.name] = files
        facts: dict[str, Any] = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "commit": commit(),
            "hardware": hardware() | {"load before": f"{os.getloadavg()[0]:.2f}"},
            "versions": versions(arguments.earmark_python, ("numpy", "scipy", "soundfile", "soxr")),
            "command": command_line(arguments),
            "times": measure(arguments, sets),
            "gaps": {},
        }
        if arguments.peer_python:
            facts["versions"] |= versions(arguments.peer_python, ("librosa", "matplotlib"))
            facts["gaps"] = {
                title: ask(arguments.peer_python, ["compare"], clips[:40]) for title, clips in sets.items()
            }
        previous = arguments.output.read_text(encoding="utf-8") if arguments.output.exists() else None
        arguments.output.write_text(report(arguments, sets, facts) + keep_notes(previous), encoding="utf-8")
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        clips = json.load(sys.stdin)
        match sys.argv[2:]:
            case ["task", name, jobs]:
                run_task(name, clips, int(jobs))
            case ["cut", music, target, rate, n]:
                cut(music, target, int(rate), int(n))
            case ["compare"]:
                compare(clips)
    else:
        main()
