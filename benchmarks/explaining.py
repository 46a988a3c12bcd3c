"""Measure on real songs whether explanations hold, and how long they take: one line for each song and method.

    python benchmarks/explaining.py SONG... [--model musicnn.pons_msd] [--tags 1]

Each song's strongest tags are explained at their strongest moment. "area" is the area between the curve of deleting at
random and that of deleting what the explanation marks, as a part of what there is to lose between the moment and
silence (`earmark.explain.faithfulness`); "beats" counts the random orders that are slower; "shuffled" is the rank
correlation with the explanation of networks with shuffled weights, with --check only. Seconds are those of listening
to the song, explaining and deleting.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

METHODS = ("integrated_gradients", "occlusion", "grad_cam")


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", nargs="+")
    parser.add_argument("--model", default="musicnn.pons_msd")
    parser.add_argument("--tags", type=int, default=1)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    from earmark.explain.opening import open_model
    from earmark.explain.report import explain_song

    model = open_model(given.model)
    sys.stdout.write("| song | tag | at | method | area | beats | shuffled | s |\n|---|---|--:|---|--:|--:|--:|--:|\n")
    areas: dict[str, list[float]] = {method: [] for method in METHODS}
    beaten: dict[str, list[int]] = {method: [] for method in METHODS}
    for song in given.songs:
        for method in METHODS:
            begun = time.perf_counter()
            report = explain_song(model, song, method=method, n_tags=given.tags, n_channels=0, is_checked=given.check)
            took = (time.perf_counter() - begun) / given.tags
            for one in report.explained:
                area, n_beaten = one.deletion.relative_area, one.deletion.n_random_beaten
                areas[method].append(area)
                beaten[method].append(n_beaten)
                shuffled = "" if one.sanity is None else f"{one.sanity.mean:.2f}"
                sys.stdout.write(
                    f"| {Path(song).stem} | {one.tag} | {one.start:.0f} s | {method} | {area:+.2f} | {n_beaten} of 9 | "
                    f"{shuffled} | {took:.1f} |\n"
                )
                sys.stdout.flush()
    for method in METHODS:
        some = np.array(areas[method])
        sys.stdout.write(
            f"| {len(some)} moments | | | {method} | {np.median(some):+.2f} | "
            f"all 9 in {sum(n == 9 for n in beaten[method])} | | |\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
