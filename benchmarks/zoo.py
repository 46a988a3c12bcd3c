"""Train many networks on many splits, several at a time, and print a table: architectures side by side.

    python benchmarks/zoo.py esc10 FOLDER_OF_ESC10 --runs runs/zoo --workers 2
    python benchmarks/zoo.py philharmonia FOLDER --only short_chunk_res32,dm16 --set run.epochs=40
    python benchmarks/zoo.py windowing FOLDER_OF_PHILHARMONIA

A run that is done is not done again, so the command can be interrupted and given once more. The table counts every
track of the dataset once, as part of the test part of one fold; its interval is that of the mean over folds
(Student's t, 95 %).
"""

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FOLDS = tuple(f"fold-{number}" for number in range(1, 6))
T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # of Student, 95 %, by the number of folds

Settings = dict[str, Any]

# Networks and what differs from the recipe of the table.
SPECTROGRAM: dict[str, Settings] = {
    "short_chunk_res32": {},
    "short_chunk_res16": {"model": {"n_channels": 16}},
    "short_chunk_res64": {"model": {"n_channels": 64}},
    "short_chunk32": {"model": {"name": "short_chunk", "n_channels": 32}},
    "harmonic_cnn64": {"model": {"name": "harmonic_cnn", "n_channels": 64}},
    "musicnn": {"model": {"name": "musicnn"}},
    "vgg": {"model": {"name": "vgg"}},
    "cnn_attention64": {
        "model": {"name": "cnn_attention", "n_channels": 64, "n_seconds": 5},
        "optimizer": {"lr": 3e-4},
    },
    "transformer": {"model": {"name": "music_tagging_transformer", "n_seconds": 5}, "optimizer": {"lr": 3e-4}},
    "dieleman_mel": {"model": {"name": "dieleman_mel"}},
    "mlp_spectrum": {"model": {"name": "mlp_spectrum"}},
}
WAVEFORM: dict[str, Settings] = {
    "sample_cnn": {"model": {"name": "sample_cnn"}},
    "sample_cnn_rese": {"model": {"name": "sample_cnn_rese_won"}},
    "dieleman_raw": {"model": {"name": "dieleman_raw"}},
    "ds256a": {"model": {"name": "ds256a"}},
    "ds256b": {"model": {"name": "ds256b"}},
    "dm8": {"model": {"name": "dm8"}},
    "dm16": {"model": {"name": "dm16"}},
    "dm64": {"model": {"name": "dm64"}},
    "dm128": {"model": {"name": "dm128"}},
    "dl16_16": {"model": {"name": "dl16_16"}},
    "dl16_8": {"model": {"name": "dl16_8"}},
    "mul16a": {"model": {"name": "mul16a"}},
    "mul16d": {"model": {"name": "mul16d"}},
    "mkc": {"model": {"name": "mkc"}},
    "raw_crnn": {"model": {"name": "raw_crnn", "chunk_samples": 77_648}},
    "mlp_waveform": {"model": {"name": "mlp_waveform"}},
}
# Linear probes: another model's encoder as it is, and a last layer that learns. Nothing is augmented or mixed.
PROBES: dict[str, Settings] = {
    "probe musicnn.pons_msd": {
        "start": {"init": "musicnn.pons_msd", "freeze": "encoder"},
        "run": {"epochs": 6, "n_chunks": 2, "mixup": 0.0, "ema": 0.0},
        "loss": {"smoothing": 0.0},
        "optimizer": {"lr": 1e-2},
    },
}
WINDOWED = ("ds256a", "ds256b", "dieleman_raw")
POOLINGS = ("whole", "stme", "spm_a", "spm_c", "spm_d", "attention")
WITHOUT_BANDS = ("mlp_spectrum", *WAVEFORM)  # networks whose front end is no picture to mask


def experiments(table: str) -> tuple[Path, dict[str, Settings]]:
    """Return the recipe of a table, and its networks with what differs from it."""
    if table == "windowing":
        found = {}
        for inner in WINDOWED:
            for pooling in POOLINGS:
                model = {"name": "windowed", "inner": inner, "pooling": pooling, "n_windows": 3}
                found[f"{inner} {pooling}"] = {"model": model}
        return ROOT / "recipes" / "philharmonia_short_chunk_res32.toml", found
    return ROOT / "recipes" / f"{table}_short_chunk_res32.toml", SPECTROGRAM | WAVEFORM | PROBES


def settings(table: str, name: str, different: Settings, fold: str, root: str, changes: list[str]) -> Any:
    """Return the whole recipe of one run."""
    from earmark.config import override, read_config

    recipe, _ = experiments(table)
    config = override(read_config(recipe), [])
    for section, values in different.items():
        keep = {} if section == "model" and "name" in values else config.get(section, {})
        config[section] = {**keep, **values}
    if "start" in different:
        del config["model"], config["augment"]
    elif name.split(" ")[0] in WITHOUT_BANDS:
        config.get("augment", {}).pop("spec_augment", None)
    config["data"] |= {"root": root, "split": fold, "repeat": True}
    return override(config, changes)


def work(job: tuple[str, str, Settings, str, str, list[str], str]) -> tuple[str, float, str]:
    """Do one run; say its folder, its seconds and what went wrong."""
    import torch

    from earmark.errors import EarmarkError
    from earmark.train import train

    table, name, different, fold, root, changes, folder = job
    torch.set_num_threads(1)
    begun = time.monotonic()
    try:
        path = Path(folder)
        config = settings(table, name, different, fold, root, changes)
        train(config, path, resume=(path / "run.toml").is_file())
    except EarmarkError as error:
        return folder, time.monotonic() - begun, f"{error} ({error.hint})"
    return folder, time.monotonic() - begun, ""


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("esc10", "philharmonia", "windowing"))
    parser.add_argument("root")
    parser.add_argument("--runs", default="runs/zoo")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="networks, separated by commas")
    parser.add_argument("--folds", default=",".join(FOLDS))
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run after so long")
    given = parser.parse_args()
    _, networks = experiments(given.table)
    chosen = [name for name in networks if not given.only or name in given.only.split(",")]
    runs = Path(given.runs) / given.table
    jobs = [
        (given.table, name, networks[name], fold, given.root, given.changes, str(runs / folder_name(name) / fold))
        for name in chosen
        for fold in given.folds.split(",")
        if not (runs / folder_name(name) / fold / "results.json").is_file()
    ]
    for name in chosen:
        for fold in given.folds.split(","):
            run = runs / folder_name(name) / fold
            check_same(run, settings(given.table, name, networks[name], fold, given.root, given.changes))
    run_all(jobs, given.workers, given.seconds)
    sys.stdout.write(table_of(runs, chosen, given.folds.split(",")))
    return 0


def check_same(run: Path, wanted: Any) -> None:
    """End the program if a run that is there was made with other settings: a table shows one kind."""
    from earmark.config import read_config
    from earmark.train.options import resolved

    if not (run / "run.toml").is_file():
        return
    if json.dumps(read_config(run / "run.toml"), sort_keys=True) != json.dumps(resolved(wanted), sort_keys=True):
        sys.exit(f"{run}: was made with other settings; name another folder with --runs")


def folder_name(name: str) -> str:
    """Return the folder of a network's runs."""
    return name.replace(" ", "-")


def run_all(jobs: list[Any], workers: int, seconds: float) -> None:
    """Do the runs, several at a time."""
    context = multiprocessing.get_context("spawn")
    begun, waiting = time.monotonic(), list(jobs)
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        under_way: set[Any] = set()
        while waiting or under_way:
            while waiting and len(under_way) < workers and time.monotonic() - begun < seconds:
                under_way.add(pool.submit(work, waiting.pop(0)))
            if not under_way:
                break
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for one in done:
                folder, took, problem = one.result()
                sys.stderr.write(f"{folder}: {took:.0f} s {problem}\n")


def table_of(runs: Path, names: list[str], folds: list[str]) -> str:
    """Return a Markdown table of what is done."""
    lines = [
        "| network | parameters | " + " | ".join(folds) + " | mean | ± | s per epoch |",
        "|---|---" + "|--:" * (len(folds) + 3) + "|",
    ]
    for name in names:
        found = [runs / folder_name(name) / fold for fold in folds]
        results = [
            json.loads((one / "results.json").read_text()) if (one / "results.json").is_file() else None
            for one in found
        ]
        values = [None if one is None else one["test"]["accuracy"] for one in results]
        done = [value for value in values if value is not None]
        if not done:
            continue
        half = f"{T[len(done)] * np.std(done, ddof=1) / len(done) ** 0.5:.3f}" if len(done) in T else "-"
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        first = next(one for one, result in zip(found, results, strict=True) if result is not None)
        lines.append(
            f"| {name} | {parameters_of(first):,} | {' | '.join(cells)} | **{np.mean(done):.3f}** | {half} "
            f"| {seconds_of(first):.2f} |"
        )
    return "\n".join(lines) + "\n"


def parameters_of(run: Path) -> int:
    """Return the number of trained numbers of a run's model."""
    from earmark.models.weights import read_card

    return read_card(run / "best.safetensors").n_parameters


def seconds_of(run: Path) -> float:
    """Return the median seconds of an epoch."""
    return float(np.median([json.loads(line)["seconds"] for line in (run / "history.jsonl").read_text().splitlines()]))


if __name__ == "__main__":
    sys.exit(main())
