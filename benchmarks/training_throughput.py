"""Clips per second that each architecture learns from, and the share of the time that is lost to input.

    python benchmarks/training_throughput.py FOLDER_OF_ESC10 --precision 32-true --batch 16 --seconds 5
    python benchmarks/training_throughput.py FOLDER_OF_ESC10 --precision bf16-mixed --batch 64   (where there is a GPU)

Every architecture at its published size learns 50 tags from crops of ESC-10 (clips that are too short are repeated),
once fed by the training loop's own readers from the decoded cache, and once with one batch that lies on the device
already. What the first takes longer is lost to input. On a CPU one thread computes and seconds are those of CPU time,
so that other work on the machine does not count; on a GPU they are those of the clock. "of peak" is three times the
operations of the forward pass (a usual estimate of a training step's), over the rate of a large matrix product measured
in the same run.
"""

import argparse
import json
import sys
import time
from itertools import cycle, islice
from typing import Any

import torch

from earmark.train import loop
from earmark.train.feeding import drawn, steps
from earmark.train.run import Run, set_up

NAMES = (
    "fcn", "crnn", "musicnn", "vgg", "short_chunk", "short_chunk_res", "harmonic_cnn", "cnn_attention",
    "music_tagging_transformer", "fcn_choi", "crnn_choi", "k2c2", "dieleman_mel", "content", "sample_cnn",
    "sample_cnn_se", "sample_cnn_rese_won", "dieleman_raw", "ds256b", "dm16", "dl16_8", "mul16d", "mkc", "raw_crnn",
)  # fmt: skip


def recipe(name: str, root: str, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return a recipe of one epoch."""
    return {
        "run": {
            "batch_size": given.batch, "precision": given.precision, "accelerator": given.accelerator,
            "readers": given.readers, "overfit_check": False,
        },
        "data": {"dataset": "esc10", "root": root, "split": "fold-1", "by": "track", "repeat": True},
        "model": {"name": name},
        "loss": {"name": "cross_entropy"},
    }  # fmt: skip


def measure(run: Run, seconds: float) -> tuple[float, float]:
    """Return seconds per step, fed by readers and with a batch that is there."""
    targets = torch.from_numpy(run.data.targets("train")).float()
    crops = run.data.crops("train", run.model.chunk_samples, seed=0)
    run.network.train()

    def fed() -> Any:
        for epoch in range(10**6):
            yield from steps(crops, drawn(run.data.targets("train"), run.options, epoch), run.options)

    first = next(iter(fed()))
    taken = []
    for feed in (cycle([first]), fed()):
        for pieces in islice(feed, 3 if torch.cuda.is_available() else 1):
            loop._step(run, pieces, targets, None)
        wait()
        n, begun = 0, clock()
        while clock() - begun < seconds:
            for pieces in islice(feed, 2):
                loop._step(run, pieces, targets, None)
                run.step += 1
                n += 1
            wait()
        taken.append((clock() - begun) / n)
    return taken[1], taken[0]


def clock() -> float:
    """Return seconds: of the clock where there is a GPU, else of CPU time."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def wait() -> None:
    """Wait until the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return multiply-adds per second of a large matrix product."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(n, n, device=device, dtype=dtype), torch.randn(n, n, device=device, dtype=dtype)
    for _ in range(3):
        a @ b
    wait()
    begun = clock()
    for _ in range(10):
        a @ b
    wait()
    return 10 * n**3 / (clock() - begun)


def main() -> int:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", default="", help="file for the numbers")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    device = torch.device("cuda" if torch.cuda.is_available() and given.accelerator != "cpu" else "cpu")
    torch.set_num_threads(1)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    rate = peak(device, torch.bfloat16 if "bf16" in given.precision else torch.float32)
    costs = operations()
    sys.stdout.write(
        f"{device}, {given.precision}, batch {given.batch}; a matrix product does {rate / 1e9:,.0f} GMAC/s\n\n"
    )
    sys.stdout.write("| architecture | GMAC per clip | clips/s | clips/s, input there | lost to input | of peak |\n")
    sys.stdout.write("|---|--:|--:|--:|--:|--:|\n")
    for name in NAMES if not given.only else given.only.split(","):
        try:
            fed, there = measure(set_up(recipe(name, given.root, given)), given.seconds)
        except torch.OutOfMemoryError:
            sys.stdout.write(f"| {name} | out of memory |\n")
            continue
        cost = costs.get(name, float("nan"))
        row = {"name": name, "gmac": cost, "clips_per_second": given.batch / fed, "without_input": given.batch / there}
        row |= {"lost": max(1 - there / fed, 0.0), "of_peak": 3 * cost * 1e9 * given.batch / there / rate}
        rows.append(row)
        sys.stdout.write(
            f"| {name} | {cost:.2f} | {row['clips_per_second']:,.3g} | {row['without_input']:,.3g} | {row['lost']:.0%} "
            f"| {row['of_peak']:.1%} |\n"
        )
        sys.stdout.flush()
    if given.json:
        with open(given.json, "w") as file:  # noqa: PTH123
            json.dump({"device": str(device), "rate": rate, "rows": rows}, file, indent=1)
    return 0


def operations() -> dict[str, float]:
    """Return GMAC of a forward pass per clip, as `earmark models list --architectures` has them."""
    from earmark.models.architectures import read_architectures

    return {name: one.n_macs / 1e9 for name, one in read_architectures().items()}


if __name__ == "__main__":
    sys.exit(main())
