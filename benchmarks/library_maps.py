"""Maps of a library: how long they take, how true they are, and what groups on them are worth.

    python benchmarks/library_maps.py points.npz -o benchmarks/library_maps_CPU_DATE.md

`points.npz` holds real embeddings (`library_vectors.py embed`). Compared are earmark's UMAP in numpy, the authors'
program (`pip install umap-learn`), t-SNE of scikit-learn, and principal axes.

*True* is measured three ways: the mean rank by sound of the ten nearest dots as a part of all (0 is perfect, 0.5
blind), trustworthiness (Venna & Kaski 2001, as scikit-learn computes it, 10 neighbours; 1 is perfect), and how many of
the ten nearest dots are of the same kind (instruments of the Philharmonia, sounds of ESC-10). *Times* are of one
thread's processor, with points like real ones: mixtures of two with 10 % noise. Groups are judged by the adjusted
mutual information with the kinds, and by the part of the ten nearest dots in the same group.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import datetime
import importlib.metadata
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from library_vectors import read_points
from numpy.typing import NDArray
from peers_report import MARKER, keep_notes, table
from tagging_vs_peers import commit, hardware

from earmark.library.mapping import AUTO_FEWEST, cluster, project
from earmark.library.neighbours import mean_rank, nearest, prepare
from earmark.library.vectors import search_vector
from earmark.plots.map_data import MapData
from earmark.plots.map_page import map_page

Array = NDArray[np.floating[Any]]
SIZES = (1_000, 10_000, 50_000)
SMALL = (12, 20, 30, 50, 100)
N_TAGS = 88
GROUPS = (8, 16, 24, 44)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    arguments = parser.parse_args()
    sets, models = read_points(arguments.points)
    real = np.concatenate([sets[name].embedding for name in ("philharmonia", "esc10")]).astype(np.float32)
    kinds = [Path(file).parts[0] for name in ("philharmonia", "esc10") for file in sets[name].names]
    vectors = search_vector(real, models)
    names, labels = np.unique(kinds, return_inverse=True)
    parts = [
        f"# Maps of a library\n\n{facts()}",
        f"## How true\n\n{len(vectors):,} files of {len(names)} kinds.\n\n{truth(vectors, labels)}",
        f"## Few tracks\n\nMean rank, mean of ten drawings; the principal axes are used below {AUTO_FEWEST}.\n\n"
        f"{few(vectors)}",
        f"## Groups\n\n{groups(vectors, labels)}",
        f"## Times\n\nSeconds of one thread. A page holds {N_TAGS} tags.\n\n{times(real, models, arguments.sizes)}",
    ]
    text = "\n\n".join(parts)
    if arguments.output is None:
        print(text)
        return
    before = arguments.output.read_text("utf-8") if arguments.output.exists() else None
    arguments.output.write_text(f"{text}\n\n{MARKER}{keep_notes(before)}", "utf-8")


def facts() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "umap-learn", "scikit-learn")]
    cpu = hardware()
    lines = [
        f"* date: {datetime.date.today().isoformat()}, commit {commit()}",
        f"* hardware: {cpu.get('Model name', cpu.get('processor', '?'))}, {cpu.get('CPU(s)', '?')} CPUs",
        f"* Python {sys.version.split()[0]}, {', '.join(versions)}",
    ]
    return "\n".join(lines)


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    result = act()
    return result, time.process_time() - begin


def authors_umap(vectors: Array) -> Array:
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(umap.UMAP(metric="cosine", random_state=0, n_jobs=1).fit_transform(vectors))


def same(values: NDArray[Any], points: Array) -> float:
    near = nearest(points.astype(np.float32), 10)[0]
    return float((values[near] == values[:, None]).mean())


def truth(vectors: Array, labels: NDArray[np.int64]) -> str:
    from sklearn.manifold import trustworthiness

    table_of = prepare(vectors)
    rows = [["(all dimensions)", "", "", f"{same(labels, table_of):.3f}", ""]]
    ways: dict[str, Callable[[], Array]] = {
        "earmark, UMAP": lambda: project(vectors, method="umap").points,
        "umap-learn, first run": lambda: authors_umap(vectors),
        "umap-learn, compiled": lambda: authors_umap(vectors),
        "earmark, t-SNE": lambda: project(vectors, method="tsne").points,
        "earmark, principal axes": lambda: project(vectors, method="pca").points,
    }
    for name, way in ways.items():
        points, seconds = timed(way)
        rank, trust = mean_rank(table_of, points), trustworthiness(table_of, points, n_neighbors=10)
        rows.append([name, f"{rank:.3f}", f"{trust:.3f}", f"{same(labels, points):.3f}", f"{seconds:.1f}"])
    return table(["map", "mean rank", "trustworthiness", "of the same kind", "seconds"], rows)


def few(vectors: Array) -> str:
    rows = []
    for n in SMALL:
        row = [str(n)]
        for method in ("umap", "pca"):
            ranks = []
            for seed in range(10):
                drawn = vectors[np.random.default_rng(seed).choice(len(vectors), n, replace=False)]
                ranks.append(project(drawn, method=method).mean_rank or np.nan)  # type: ignore[arg-type]
            row.append(f"{np.mean(ranks):.3f}")
        rows.append(row)
    return table(["tracks", "UMAP", "principal axes"], rows)


def groups(vectors: Array, labels: NDArray[np.int64]) -> str:
    from sklearn.cluster import HDBSCAN, KMeans
    from sklearn.metrics import adjusted_mutual_info_score

    projection = project(vectors, method="umap")
    points, rows = projection.points, []
    ways: list[tuple[str, NDArray[Any]]] = []
    for k in GROUPS:
        ways.append((f"k-means on the map, {k} (earmark)", cluster(vectors, projection, n=k)))
        ways.append((f"k-means on the vectors, {k}", KMeans(k, n_init=4, random_state=0).fit_predict(vectors)))
    for n in (5, 10, 20):
        ways.append((f"HDBSCAN on the map, at least {n}", HDBSCAN(min_cluster_size=n, copy=True).fit_predict(points)))
        ways.append(
            (f"HDBSCAN on the vectors, at least {n}", HDBSCAN(min_cluster_size=n, copy=True).fit_predict(vectors))
        )
    for name, found in ways:
        information = adjusted_mutual_info_score(labels, found)
        outside = float((found < 0).mean())
        n_groups = str(int(found.max()) + 1)
        rows.append([name, n_groups, f"{information:.3f}", f"{same(found, points):.2f}", f"{outside:.2f}"])
    return table(["groups", "number", "information", "same group nearby", "without a group"], rows)


def times(real: Array, models: list[tuple[str, int]], sizes: tuple[int, ...]) -> str:
    rows = []
    for n in sizes:
        random = np.random.default_rng(n)
        pairs, parts = random.integers(len(real), size=(n, 2)), random.beta(0.4, 0.4, (n, 1)).astype(np.float32)
        made = real[pairs[:, 0]] * parts + real[pairs[:, 1]] * (1 - parts)
        vectors = search_vector(made * (1 + 0.1 * random.normal(size=made.shape).astype(np.float32)), models)
        projection, own = timed(lambda vectors=vectors: project(vectors, method="umap"))
        _, axes = timed(lambda vectors=vectors: project(vectors, method="pca"))
        found, grouped = timed(lambda vectors=vectors, projection=projection: cluster(vectors, projection))
        theirs, authors = timed(lambda vectors=vectors: authors_umap(vectors))
        data = MapData(
            points=projection.points, titles=[f"Title {i} of some length" for i in range(n)],
            artists=[f"Artist {i % (n // 10 + 1)}" for i in range(n)],
            paths=[f"/music/Artist {i % (n // 10 + 1)}/Album/{i:05d} Title.mp3" for i in range(n)],
            scores=random.beta(0.3, 4, (n, N_TAGS)), tags=[f"tag {k}" for k in range(N_TAGS)], groups=found,
            group_names=[f"group {k}" for k in range(int(found.max()) + 1)], neighbours=projection.neighbours,
        )  # fmt: skip
        page, writing = timed(lambda data=data: map_page(data, links="absolute"))
        ranks = [f"{mean_rank(prepare(vectors), points):.4f}" for points in (projection.points, theirs)]
        seconds = [f"{value:.1f}" for value in (own, authors, axes, grouped, writing)]
        rows.append([f"{n:,}", *seconds[:2], *ranks, *seconds[2:], f"{len(page.encode()) / 1e6:.1f} MB"])
    header = ["tracks", "UMAP", "umap-learn", "mean rank", "of umap-learn", "axes", "groups", "page", "its size"]
    return table(header, rows)


if __name__ == "__main__":
    main()
