"""Tell how the first filters of trained networks on the waveform lie, beside those of the same network untrained.

    python benchmarks/first_filters.py runs/hearing      # what benchmarks/zoo.py left there: DATASET/NETWORK/fold-1

One line for each network and dataset: test accuracy, slope and R² of the centre frequencies against a mel bank, R²
against equal steps in Hz, median centre and median width at half the power. Untrained is the mean of three seeds.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

SEEDS = range(3)
HEAD = "| network | samples | learned | accuracy | slope | R², mel | R², Hz | median centre | median width |\n"


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs")
    parser.add_argument("--fold", default="fold-1")
    given = parser.parse_args()
    import torch

    from earmark.explain.filters import FirstLayer, first_layer
    from earmark.models.base import build, load

    def facts(first: FirstLayer) -> tuple[float, ...]:
        assert first.mel is not None
        centre, width = np.nanmedian(first.bands.peak), np.nanmedian(first.bands.half_power)
        return first.mel.slope, first.mel.r2, first.mel.linear_r2, float(centre), float(width)

    def line(name: str, samples: str, learned: str, accuracy: str, numbers: tuple[float, ...]) -> None:
        slope, r2, linear_r2, centre, width = numbers
        sys.stdout.write(
            f"| {name} | {samples} | {learned} | {accuracy} | {slope:.2f} | {r2:.2f} | {linear_r2:.2f} | "
            f"{centre:.0f} Hz | {width:.0f} Hz |\n"
        )

    sys.stdout.write(HEAD + "|---|--:|---|" + "--:|" * 6 + "\n")
    root = Path(given.runs)
    for name in sorted(
        {folder.name for folder in root.glob("*/*") if (folder / given.fold / "results.json").is_file()}
    ):
        trained = {folder.parent.parent.name: folder for folder in sorted(root.glob(f"*/{name}/{given.fold}"))}
        model = load(next(iter(trained.values())))
        assert model.card is not None
        untrained = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            untrained.append(first_layer(build(model.card.architecture, **model.card.options)))
        lengths = ", ".join(str(length) for length in sorted(set(untrained[0].lengths.tolist())))
        line(name, lengths, "nothing", "", tuple(np.mean([facts(one) for one in untrained], axis=0)))
        for dataset, folder in trained.items():
            accuracy = json.loads((folder / "results.json").read_text())["test"]["accuracy"]
            line("", "", dataset, f"{accuracy:.3f}", facts(first_layer(folder)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
