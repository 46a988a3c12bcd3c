"""How good the floors are on datasets with one or several splits, and how fast their features are computed.

    python benchmarks/floors.py DATASET ROOT [--split NAME ...] [--floor NAME ...] [--by artist|album|track|id]
                                [--option NAME=VALUE ...] [--cache FOLDER] [--output FILE.md]

A row for every floor: the metric of every split on its test part, their mean, and what the validation part chose. The
metric is accuracy where a track has one tag, else macro ROC-AUC and macro PR-AUC. Where a split has no validation part,
15 % of the training tracks are held back as training runs do, seed 0.
"""

import argparse
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from earmark.datasets import open_dataset
from earmark.datasets.base import Dataset
from earmark.floors import FLOORS, floor_data, run_floor, track_features
from earmark.metrics import accuracy, pr_auc, roc_auc
from earmark.parallel import cpu_count
from earmark.predictions import Predictions
from earmark.training_data import TrainingData


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("root")
    parser.add_argument("--split", action="append", help="all of the dataset's unless given")
    parser.add_argument("--floor", action="append", help=f"of {', '.join(FLOORS)}; all unless given")
    parser.add_argument("--by", default="artist", help="what is kept whole when a validation part is held back")
    parser.add_argument("--option", action="append", default=[], help="of the dataset, NAME=VALUE")
    parser.add_argument("--cache", type=Path, help="folder for decoded audio and statistics; made anew unless given")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    dataset = open_dataset(options.dataset, options.root, **dict(option.split("=", 1) for option in options.option))
    splits = options.split or list(dataset.split_names)
    with tempfile.TemporaryDirectory() as fresh:
        cache = options.cache or Path(fresh)
        data = {split: floor_data(dataset, split, by=options.by, cache=cache) for split in splits}
        lines = [heading(dataset, data, options.by), speed(data, options.cache is None)]
        lines += table(dataset, data, options.floor or list(FLOORS))
    text = "\n".join(lines) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def heading(dataset: Dataset, data: dict[str, TrainingData], by: str) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    sizes = "; ".join(f"{name} {'/'.join(map(str, each.split.sizes.values()))}" for name, each in data.items())
    first = next(iter(data.values()))
    return (
        f"# Floors on {dataset.info.title}\n\n{platform.machine()}, {cpu_count()} CPUs, Python "
        f"{platform.python_version()}, commit {commit.stdout.strip()}. {len(dataset.vocabulary.tags)} tags, tracks per "
        f"part ({', '.join(first.split.sizes)}): {sizes}. Validation parts that had to be held back: by {by}. "
    )


def speed(data: dict[str, TrainingData], is_fresh: bool) -> str:
    """Time the statistics of all tracks; the first time they are computed, the second time read."""
    store = next(iter(data.values())).store
    ids = sorted({id for each in data.values() for ids in each.split.parts.values() for id in ids})
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        track_features(store, ids)
        seconds.append(time.perf_counter() - begun)
    if not is_fresh:
        return f"Statistics of {len(ids)} tracks came in {seconds[0]:.1f} s, of which some may have been there.\n"
    audio = sum(store.entry(id).duration for id in ids)
    return (
        f"Statistics of {len(ids)} tracks, {audio / 60:.0f} min, took {seconds[0]:.1f} s from decoded audio: "
        f"{len(ids) / seconds[0]:.0f} tracks/s, {audio / seconds[0]:,.0f} times real time; {seconds[1]:.2f} s to read "
        "them again.\n"
    )


def table(dataset: Dataset, data: dict[str, TrainingData], floors: list[str]) -> list[str]:
    metrics = ["accuracy"] if dataset.task == "single_label" else ["ROC-AUC", "PR-AUC"]
    columns = ["floor", "metric", *data, "mean", "standard deviation", "fit and score, s", "chosen"]
    lines = [f"| {' | '.join(columns)} |", "|---|---|" + "---:|" * (len(data) + 3) + "---|"]
    for name in floors:
        begun = time.perf_counter()
        found = [run_floor(name, each)["test"] for each in data.values()]
        seconds = (time.perf_counter() - begun) / len(found)
        chosen = "; ".join(p.protocol.split(", ", 2)[-1] if name != "prior" else "-" for p in found)
        for metric in metrics:
            values = np.array([measure(metric, p) for p in found])
            cells = [f"{value:.4f}" for value in (*values, values.mean())]
            spread = f"{values.std(ddof=1):.4f}" if len(values) > 1 else ""
            lines.append(f"| {' | '.join([name, metric, *cells, spread, f'{seconds:.1f}', chosen])} |")
    return lines


def measure(metric: str, predictions: Predictions) -> float:
    functions = {"accuracy": accuracy, "ROC-AUC": roc_auc, "PR-AUC": pr_auc}
    return functions[metric](predictions.targets, predictions.scores)


if __name__ == "__main__":
    main()
