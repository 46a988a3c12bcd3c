"""Nearest neighbours in a catalogue of 1,000 to 1,000,000 tracks: are they right, and how long do they take?

    python benchmarks/library_search.py points.npz --keep FOLDER -o benchmarks/library_search_CPU_DATE.md

`points.npz` holds real embeddings (`library_vectors.py embed`). Tables are filled with points like them: mixtures of
three of them, with noise that has the covariance of what varies within a file, cut at the real minimum and maximum of
every value. What asks are fresh points of the same making. A row holds id, vector and ten scores.

Measurements are kept in FOLDER, as are the tables; a part that was measured is not measured again unless `--again`
names it, and an index that was made is not made again unless its table's folder is removed. Each part is a process of
its own. The default sizes need 6 GB of disk and 4 GB of memory.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from library_vectors import SETS, Points, read_points, similarity, similarity_table
from numpy.typing import NDArray
from peers_report import MARKER, keep_notes, table
from tagging_vs_peers import commit, hardware

Array = NDArray[np.floating[Any]]
COLUMN = "vector__standard"
N_SCORES = 10
N = 10  # neighbours
BLOCK = 20_000  # rows that are made at a time
MIXED, CONCENTRATION, NOISE = 3, 0.3, 0.4
HARDER = (3, 1.0, 0.8)  # evener mixtures, twice the noise
N_QUERIES = 200
FILTERS = {"10 %": "score_0 < 0.1", "1 %": "score_0 < 0.01", "0.1 %": "score_0 < 0.001"}
MERGED_SHARE, N_BATCHES = 0.1, 10
N_REAL = 1152  # made points that stand beside as many real ones


# Data -----------------------------------------------------------------------------------------------------------------


class Maker:
    """Makes points like real ones."""

    def __init__(self, sets: dict[str, Points], models: list[tuple[str, int]]) -> None:
        rng = np.random.default_rng(1)
        windows, within = [], []
        for points in sets.values():
            for chunks in points.of_files():
                if len(chunks) > 1:
                    within.append((chunks - chunks.mean(axis=0)) * np.sqrt(len(chunks) / (len(chunks) - 1)))
        for chunks in sets["music"].of_files():
            for _ in range(20):
                length = min(int(rng.integers(5, 40)), len(chunks))
                begin = int(rng.integers(0, len(chunks) - length + 1))
                windows.append(chunks[begin : begin + length].mean(axis=0))
        self.base = np.concatenate([sets["philharmonia"].embedding, sets["esc10"].embedding, np.stack(windows)]).astype(
            np.float32
        )
        everything = np.concatenate([points.chunks for points in sets.values()])
        self.low, self.high = everything.min(axis=0), everything.max(axis=0)
        covariance = np.cov(np.concatenate(within).T) + 1e-4 * np.eye(self.base.shape[1])
        self.noise = np.linalg.cholesky(covariance).T.astype(np.float32)
        self.models = models

    def embeddings(self, n: int, rng: np.random.Generator, how: tuple[int, float, float]) -> Array:
        n_mixed, concentration, noise = how
        weights = rng.dirichlet([concentration] * n_mixed, size=n).astype(np.float32)
        chosen = rng.integers(len(self.base), size=(n, n_mixed))
        mixed = np.einsum("nk,nkd->nd", weights, self.base[chosen])
        mixed += noise * rng.standard_normal(mixed.shape, dtype=np.float32) @ self.noise
        return np.clip(mixed, self.low, self.high)

    def vectors(
        self, n: int, seed: int, how: tuple[int, float, float] = (MIXED, CONCENTRATION, NOISE)
    ) -> NDArray[np.float32]:
        from earmark.library.vectors import search_vector

        rng = np.random.default_rng(seed)
        blocks = [
            search_vector(self.embeddings(min(BLOCK, n - begin), rng, how), self.models) for begin in range(0, n, BLOCK)
        ]
        return np.concatenate(blocks)


def neighbourhood(vectors: Array, queries: Array | None = None) -> dict[str, Any]:
    """Return the similarity of the 1st and the 10th neighbour, and the intrinsic dimension.

    Dimension: maximum likelihood over 20 neighbours (Levina & Bickel 2004, averaged as MacKay & Ghahramani 2005 say).
    """
    if queries is None:
        near = vectors @ vectors.T
        np.fill_diagonal(near, -2)
        near = -np.sort(-near, axis=1)[:, :20]
    else:
        near = nearest_20(vectors, queries)[1]
    distances = np.sqrt(np.maximum(2 - 2 * near, 1e-12))
    logs = np.log(distances[:, -1:] / distances[:, :-1])
    return {
        "first": np.quantile(near[:, 0], [0.05, 0.5, 0.95]).round(2).tolist(),
        "tenth": np.quantile(near[:, 9], [0.05, 0.5, 0.95]).round(2).tolist(),
        "dimension": round(float(1 / logs.mean()), 1),
    }


def nearest_20(vectors: Array, queries: Array) -> tuple[NDArray[np.int64], Array]:
    """Return rows and similarities of the 20 nearest of every query, computed in blocks; row -1 where there is none."""
    best, rows = np.full((len(queries), 20), -2, np.float32), np.full((len(queries), 20), -1)
    for begin in range(0, len(vectors), 50_000):
        similarities = queries @ np.asarray(vectors[begin : begin + 50_000]).T
        here = np.broadcast_to(np.arange(begin, begin + similarities.shape[1]), similarities.shape)
        both, places = np.concatenate([best, similarities], axis=1), np.concatenate([rows, here], axis=1)
        order = np.argsort(-both, axis=1)[:, :20]
        best, rows = np.take_along_axis(both, order, axis=1), np.take_along_axis(places, order, axis=1)
    return rows, best


# Tables ---------------------------------------------------------------------------------------------------------------


class Place:
    """The folder that keeps tables and measurements."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def vectors(self) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.load(self.folder / "vectors.npy", mmap_mode="r")
        return found

    def scores(self) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.load(self.folder / "scores.npy", mmap_mode="r")
        return found

    def queries(self) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.load(self.folder / "queries.npy")
        return found

    def rows(self, begin: int, end: int) -> Any:
        """Return rows of the table, as Arrow has them."""
        import pyarrow as pa

        vectors = np.ascontiguousarray(self.vectors()[begin:end])
        columns: dict[str, Any] = {
            "id": [f"{row:032x}" for row in range(begin, end)],
            COLUMN: pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        }
        scores = np.asarray(self.scores()[begin:end])
        return pa.table(columns | {f"score_{i}": np.ascontiguousarray(scores[:, i]) for i in range(N_SCORES)})

    def open(self, name: str) -> Any:
        from earmark.library.engine import load_lancedb

        return load_lancedb().connect(str(self.folder / name)).open_table("tracks")

    def table(self, n_rows: int, name: str | None = None) -> Any:
        """Open a table of so many rows; fill it if it is not there."""
        from earmark.library.engine import load_lancedb

        name = name or f"tracks_{n_rows}"
        if not (self.folder / name / "done").exists():
            shutil.rmtree(self.folder / name, ignore_errors=True)
            database = load_lancedb().connect(str(self.folder / name))
            filled = None
            for begin in range(0, n_rows, 50_000):
                rows = self.rows(begin, min(begin + 50_000, n_rows))
                if filled is None:
                    filled = database.create_table("tracks", rows)
                else:
                    filled.add(rows)
            (self.folder / name / "done").touch()
        return self.open(name)

    def truth(self, n_rows: int) -> NDArray[np.int64]:
        """Return the rows that are nearest to every query, shape (n, 20)."""
        path = self.folder / f"truth_{n_rows}.npy"
        if not path.exists():
            np.save(path, nearest_20(self.vectors()[:n_rows], self.queries())[0])
        found: NDArray[np.int64] = np.load(path)
        return found

    def size(self, name: str) -> int:
        return sum(file.stat().st_size for file in (self.folder / name).rglob("*") if file.is_file())


# Measuring ------------------------------------------------------------------------------------------------------------

Ask = Callable[[int], list[str]]


def timed(ask: Ask, truth: Sequence[set[str]], rounds: int) -> dict[str, Any]:
    """Ask every question in every round; return recall at 10 and the times of the quietest round, in ms.

    The quietest round is the one with the lowest 95th percentile.
    """
    hits, all_times, load = 0, [], []
    for _ in range(rounds):
        hits, times = 0, []
        for i, expected in enumerate(truth):
            begun = time.perf_counter()
            ids = ask(i)
            times.append(1000 * (time.perf_counter() - begun))
            hits += len(expected & set(ids))
        all_times.append(times)
        load.append(os.getloadavg()[0])
    quietest = min(range(rounds), key=lambda i: np.quantile(all_times[i], 0.95))
    times = all_times[quietest]
    return {
        "recall": hits / sum(map(len, truth)) if any(truth) else 1.0,
        "median": float(np.median(times)),
        "p95": float(np.quantile(times, 0.95)),
        "p95_of_rounds": [float(np.quantile(one, 0.95)) for one in all_times],
        "load": load[quietest],
    }


def sets_of_ids(rows: NDArray[np.int64]) -> list[set[str]]:
    return [{f"{row:032x}" for row in one[:N] if row >= 0} for one in rows]


def filtered_truth(place: Place, n_rows: int, limit: float, n_queries: int) -> list[set[str]]:
    passing = np.flatnonzero(np.asarray(place.scores()[:n_rows, 0]) < np.float32(limit))
    rows, _ = nearest_20(np.asarray(place.vectors()[passing]), place.queries()[:n_queries])
    return sets_of_ids(np.where(rows < 0, -1, np.append(passing, -1)[rows]))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


# Parts, each in a process of its own ----------------------------------------------------------------------------------


def part_similarity(place: Place, given: argparse.Namespace) -> Any:
    return similarity(*read_points(given.points))


def part_data(place: Place, given: argparse.Namespace) -> Any:
    """Make the points, and compare them with real ones."""
    sets, models = read_points(given.points)
    maker = Maker(sets, models)
    from earmark.library.vectors import search_vector

    n_rows = round(max(given.rows) * (1 + MERGED_SHARE))
    if not (place.folder / "vectors.npy").exists() or len(place.vectors()) < n_rows:
        np.save(place.folder / "queries.npy", maker.vectors(N_QUERIES, 7))
        np.save(place.folder / "scores.npy", np.random.default_rng(3).random((n_rows, N_SCORES), dtype=np.float32))
        np.save(place.folder / "vectors.npy", maker.vectors(n_rows, 2))
    real = np.concatenate([search_vector(sets[name].embedding, models) for name in SETS])
    out = {f"real, {len(real):,} files": neighbourhood(real)}
    for name in ("philharmonia", "esc10"):
        vectors = search_vector(sets[name].embedding, models)
        out[f"of these, {name}, {len(vectors)}"] = neighbourhood(vectors)
    out[f"made, {N_REAL:,}"] = neighbourhood(maker.vectors(N_REAL, 5))
    out[f"made harder, {N_REAL:,}"] = neighbourhood(maker.vectors(N_REAL, 5, HARDER))
    for size in given.rows:
        if size > N_REAL:
            out[f"made, {size:,}"] = neighbourhood(place.vectors()[:size], place.queries())
    return out


def asking(tracks: Any, queries: Array, **options: Any) -> Ask:
    """Return what asks the i-th question through `nearest`."""
    from earmark.library.index import nearest

    return lambda i: nearest(tracks, COLUMN, queries[i], n=N, **options)[0]


def part_exact(place: Place, given: argparse.Namespace) -> Any:
    """Compare all vectors: LanceDB, and memory."""
    from earmark.library.index import EXACT_BELOW

    out = {}
    for n_rows in given.rows:
        tracks, queries = place.table(n_rows), place.queries()
        n_asked = 20 if n_rows >= 10**6 else 60 if n_rows >= 90_000 else N_QUERIES
        truth = sets_of_ids(place.truth(n_rows))[:n_asked]
        by_lancedb: dict[str, Any] = {"exact": True, "n_rows": EXACT_BELOW}  # so many are not read into memory
        one = {"LanceDB": timed(asking(tracks, queries, **by_lancedb), truth, given.rounds if n_rows < 10**6 else 1)}
        if n_rows < EXACT_BELOW:
            few = filtered_truth(place, n_rows, 0.01, n_asked)
            ask = asking(tracks, queries, where=FILTERS["1 %"], **by_lancedb)
            one["LanceDB, filter of 1 %"] = timed(ask, few, given.rounds)
            ask = asking(tracks, queries)
            ask(0)
            begun = time.perf_counter()
            ask(0)
            one["reading"] = {"ms": 1000 * (time.perf_counter() - begun), "mib": n_rows * queries.shape[1] * 4 / 2**20}
            one["memory"] = timed(ask, truth, given.rounds)
            for name, where in FILTERS.items():
                expected = filtered_truth(place, n_rows, float(where.split()[-1]), n_asked)
                one[f"memory, filter of {name}"] = timed(asking(tracks, queries, where=where), expected, given.rounds)
        out[str(n_rows)] = one
    return out


def part_index(place: Place, given: argparse.Namespace) -> Any:
    """Make the index of the larger tables, and search through it."""
    from earmark.library.index import EXACT_BELOW

    return {str(size): through_index(place, size, given.rounds) for size in given.rows if size >= EXACT_BELOW}


def through_index(place: Place, n_rows: int, rounds: int) -> dict[str, Any]:
    """Make the index of a table, and search through it, without and with filters."""
    place.table(n_rows)
    out = build(place, f"tracks_{n_rows}")
    tracks, queries = place.open(f"tracks_{n_rows}"), place.queries()  # in the version that has the index
    out["all"] = timed(asking(tracks, queries, n_rows=n_rows), sets_of_ids(place.truth(n_rows)), rounds)
    for name, where in FILTERS.items():
        truth = filtered_truth(place, n_rows, float(where.split()[-1]), 60)
        out[name] = timed(asking(tracks, queries, where=where, n_rows=n_rows), truth, rounds)
    out["resident"] = resident_mib()
    return out


def part_harder(place: Place, given: argparse.Namespace) -> Any:
    """Search among as many points that are harder to tell apart."""
    from earmark.library.index import EXACT_BELOW

    if max(given.rows) < EXACT_BELOW:
        return {}
    maker, hard = Maker(*read_points(given.points)), Place(place.folder / "harder")
    np.save(hard.folder / "vectors.npy", maker.vectors(max(given.rows), 11, HARDER))
    np.save(hard.folder / "queries.npy", maker.vectors(N_QUERIES, 12, HARDER))
    np.save(hard.folder / "scores.npy", place.scores()[: max(given.rows)])
    out = through_index(hard, max(given.rows), given.rounds)
    shutil.rmtree(hard.folder)
    return out


def build(place: Place, name: str) -> dict[str, Any]:
    """Make the index of a table in a process of its own, unless that was done before."""
    path = place.folder / name / "index.json"
    if not path.exists():
        code = (
            "import json, sys, time; sys.path.insert(0, sys.argv[1]); import library_search as b\n"
            "from pathlib import Path; from earmark.library.index import ensure_index\n"
            "place = b.Place(Path(sys.argv[2])); tracks = place.open(sys.argv[3]); before = place.size(sys.argv[3])\n"
            "begun, cpu, rss = time.perf_counter(), time.process_time(), b.resident_mib()\n"
            "state = ensure_index(tracks, b.COLUMN)\n"
            "print(json.dumps(dict(seconds=time.perf_counter() - begun, cpu=time.process_time() - cpu, before=rss,\n"
            "    peak=b.peak_mib(), kind=state.kind, n_bytes=state.n_bytes, table=before,\n"
            "    load=b.os.getloadavg()[0])))\n"
        )
        command = [sys.executable, "-c", code, str(Path(__file__).parent), str(place.folder), name]
        path.write_text(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    built: dict[str, Any] = json.loads(path.read_text())
    return {"built": built}


def part_cold(place: Place, given: argparse.Namespace) -> Any:
    """The first question of a process, as a command asks it; the file is in the system's cache."""
    code = (
        "import json, sys, time; import numpy as np; from pathlib import Path\n"
        "t = [time.perf_counter()]; mark = lambda: t.append(time.perf_counter())\n"
        "from earmark.library.engine import load_lancedb; lancedb = load_lancedb(); mark()\n"
        "tracks = lancedb.connect(sys.argv[1]).open_table('tracks'); mark()\n"
        "from earmark.library.index import nearest; q = np.load(sys.argv[2])\n"
        "for i in range(3): nearest(tracks, sys.argv[3], q[i]); mark()\n"
        "print(json.dumps([1000 * (b - a) for a, b in zip(t, t[1:])]))\n"
    )
    out = {}
    for n_rows in given.rows:
        place.table(n_rows)
        command = [
            sys.executable, "-c", code, str(place.folder / f"tracks_{n_rows}"), str(place.folder / "queries.npy"),
            COLUMN,
        ]  # fmt: skip
        runs = [
            json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            for _ in range(max(5, given.rounds))
        ]
        out[str(n_rows)] = min(runs, key=lambda run: run[1] + run[2])
    return out


def part_growth(place: Place, given: argparse.Namespace) -> Any:
    """Merge 10 % more rows in ten batches into the largest table, without making the index anew."""
    from earmark.library import index

    n_rows, name = max(given.rows), "growing"
    if n_rows < index.EXACT_BELOW:
        return []
    shutil.rmtree(place.folder / name, ignore_errors=True)
    place.table(n_rows)
    build(place, f"tracks_{n_rows}")
    shutil.copytree(place.folder / f"tracks_{n_rows}", place.folder / name)
    tracks, queries, step = place.open(name), place.queries(), round(n_rows * MERGED_SHARE / N_BATCHES)
    out = []

    def measure(event: str, end: int, **facts: Any) -> None:
        state = index.index_state(tracks, COLUMN)
        assert state is not None
        found = timed(
            asking(tracks, queries, n_rows=end),
            sets_of_ids(place.truth(end)), min(3, given.rounds),
        )  # fmt: skip
        out.append(
            {"event": event, "rows": end, "unindexed": state.n_unindexed, "segments": state.n_segments} | found | facts
        )

    measure("before", n_rows)
    for batch in range(N_BATCHES):
        begin, end = n_rows + batch * step, n_rows + (batch + 1) * step
        rows, begun = place.rows(begin, end), time.perf_counter()
        tracks.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)
        merged = time.perf_counter() - begun
        own = [
            index.nearest(tracks, COLUMN, place.vectors()[row], n=1)[0] == [f"{row:032x}"]
            for row in range(begin, end, step // 20)
        ]
        at_once = sum(own) / len(own)
        if batch in (0, N_BATCHES - 1):
            measure(f"batch {batch + 1} merged", end, seconds=merged, at_once=at_once)
        begun = time.perf_counter()
        tracks.optimize()
        if batch in (0, 1, N_BATCHES - 1):
            measure(f"batch {batch + 1} optimised", end, seconds=time.perf_counter() - begun, at_once=at_once)
    shutil.rmtree(place.folder / name)
    return out


def part_others(place: Place, given: argparse.Namespace) -> Any:
    """Other indexes of LanceDB on 100,000 rows."""
    from lancedb import index as kinds

    n_rows = min(100_000, max(given.rows))
    settings: dict[str, tuple[Any, dict[str, int]]] = {
        "IVF_RQ, 5 bits": (kinds.IvfRq(distance_type="l2", num_bits=5), {}),
        "IVF_RQ, 5 bits, dot": (kinds.IvfRq(distance_type="dot", num_bits=5), {}),
        "IVF_RQ, 3 bits": (kinds.IvfRq(distance_type="l2", num_bits=3), {}),
        "IVF_RQ, 1 bit": (kinds.IvfRq(distance_type="l2", num_bits=1), {}),
        "IVF_SQ": (kinds.IvfSq(distance_type="l2"), {}),
        "IVF_PQ, 50 of 8 values": (kinds.IvfPq(distance_type="l2", num_sub_vectors=50), {}),
        "IVF_HNSW_SQ": (kinds.HnswSq(distance_type="l2", num_partitions=1), {"ef": 100}),
    }
    place.table(n_rows, "others")
    out = [
        kind_measured(place, "others", name, config, options, given, place.queries(), place.truth(n_rows))
        for name, (config, options) in settings.items()
    ]
    shutil.rmtree(place.folder / "others")
    return out


def kind_measured(
    place: Place, name: str, title: str, config: Any, options: dict[str, int], given: argparse.Namespace,
    queries: Array, truth: NDArray[np.int64],
) -> dict[str, Any]:  # fmt: skip
    """Make one kind of index, and search through it as `nearest` does, and without comparing true vectors again."""
    from earmark.library import index

    tracks = place.open(name)
    begun, cpu = time.perf_counter(), time.process_time()
    tracks.create_index(COLUMN, config=config, replace=True)
    built, metric = (time.perf_counter() - begun, time.process_time() - cpu), config.distance_type

    def ask(i: int, refine: int, probes: int) -> list[str]:
        search = tracks.search(queries[i], vector_column_name=COLUMN).distance_type(metric).select(["id", "_distance"])
        search = search.limit(N).nprobes(probes).refine_factor(refine)
        found: list[str] = (search.ef(options["ef"]) if options else search).to_arrow()["id"].to_pylist()
        return found

    state = index.index_state(tracks, COLUMN)
    assert state is not None
    return {
        "name": title, "seconds": built[0], "cpu": built[1], "n_bytes": state.n_bytes,
        "once": timed(lambda i: ask(i, 1, index._PROBES), sets_of_ids(truth), given.rounds),
        "again": timed(lambda i: ask(i, 5, index._PROBES), sets_of_ids(truth), given.rounds),
        "few": timed(lambda i: ask(i, 5, 4), sets_of_ids(truth), given.rounds),
    }  # fmt: skip


PARTS = {
    "similarity": part_similarity, "data": part_data, "exact": part_exact, "index": part_index, "cold": part_cold,
    "growth": part_growth, "harder": part_harder, "others": part_others,
}  # fmt: skip


# Report ---------------------------------------------------------------------------------------------------------------


def ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def cells(one: dict[str, Any]) -> list[str]:
    others = one["p95_of_rounds"]
    return [f"{one['recall']:.3f}", ms(one["median"]), ms(one["p95"]), f"{ms(min(others))} to {ms(max(others))}",
            f"{one['load']:.1f}"]  # fmt: skip


HEADER = ["recall@10", "median, ms", "p95, ms", "p95 of all rounds", "load"]


def report_exact(measured: dict[str, Any]) -> str:
    rows = []
    for n_rows, one in measured["exact"].items():
        for name, found in one.items():
            if name != "reading":
                rows.append([f"{int(n_rows):,}", name, *cells(found)])
    read = "; ".join(
        f"{int(n):,} rows: {ms(one['reading']['ms'])} ms, {one['reading']['mib']:.0f} MiB"
        for n, one in measured["exact"].items()
        if "reading" in one
    )
    return table(["rows", "exact", *HEADER], rows) + (
        f"\n\nReading all vectors into memory, with the first search in them: {read}."
    )


def report_index(measured: dict[str, Any]) -> str:
    rows, built = [], []
    found = {f"{int(n_rows):,}": one for n_rows, one in measured["index"].items()}
    if measured["harder"]:
        found["as many harder points"] = measured["harder"]
    for n_rows, one in found.items():
        made = one["built"]
        built.append([
            n_rows, made["kind"], f"{made['seconds']:.0f}", f"{made['cpu']:.0f}",
            f"{made['n_bytes'] / 2**20:.0f}", f"{made['table'] / 2**20:.0f}", f"{made['peak']:.0f}",
            f"{one['resident']:.0f}", f"{made['load']:.1f}",
        ])  # fmt: skip
        rows += [
            [n_rows, "none" if name == "all" else f"keeps {name}", *cells(one[name])] for name in ("all", *FILTERS)
        ]
    head = ["rows", "kind", "s to make", "s of CPU", "MiB on disk", "MiB of the table", "peak MiB", "MiB, searching",
            "load"]  # fmt: skip
    return table(head, built) + "\n\n" + table(["rows", "filter", *HEADER], rows)


def report_cold(measured: dict[str, Any]) -> str:
    rows = [[f"{int(n):,}", *map(ms, run)] for n, run in measured["cold"].items()]
    return table(["rows", "import lancedb, ms", "open, ms", "1st search, ms", "2nd, ms", "3rd, ms"], rows)


def report_growth(measured: dict[str, Any]) -> str:
    rows = [
        [
            one["event"], f"{one['rows']:,}", f"{one['unindexed']:,}", str(one["segments"]),
            f"{one['seconds']:.1f}" if "seconds" in one else "",
            f"{one['at_once']:.0%}" if "at_once" in one else "", *cells(one),
        ]
        for one in measured["growth"]
    ]  # fmt: skip
    return table(["after", "rows", "not in the index", "segments", "s", "new rows found", *HEADER], rows)


def report_others(measured: dict[str, Any]) -> str:
    rows = [
        [
            one["name"], f"{one['seconds']:.0f}", f"{one['cpu']:.0f}", f"{one['n_bytes'] / 2**20:.0f}",
            f"{one['once']['recall']:.3f}", f"{one['few']['recall']:.3f}", *cells(one["again"])[:3],
        ]
        for one in measured["others"]
    ]  # fmt: skip
    head = ["index", "s to make", "s of CPU", "MiB", "recall, codes only", "recall, 4 partitions", *HEADER[:3]]
    return table(head, rows)


def report(measured: dict[str, Any], given: argparse.Namespace) -> str:
    def spread(values: list[float]) -> str:
        return f"{values[1]:.2f} ({values[0]:.2f} to {values[2]:.2f})"

    data = table(
        ["points", "similarity to the nearest, median (5 to 95 %)", "to the tenth", "intrinsic dimension"],
        [[name, spread(one["first"]), spread(one["tenth"]), str(one["dimension"])]
         for name, one in measured["data"].items()],
    )  # fmt: skip
    facts = hardware() | {"load now": f"{os.getloadavg()[0]:.2f}"}
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("lancedb", "pyarrow", "numpy"))
    sizes = " ".join(map(str, given.rows))
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"""# Nearest neighbours, from 1,000 to 1,000,000 tracks

{date}, commit {commit()}, {given.rounds} rounds. Times are those of the quietest round (the lowest 95th
percentile); beside them the 95th percentiles of all rounds, and the load of the machine in the quietest.

{table(["", ""], [[key, value] for key, value in facts.items()])}

Versions: {versions}.

```bash
python benchmarks/library_vectors.py embed points.npz --philharmonia PHILHARMONIA --esc10 ESC10 --music MUSIC
python benchmarks/library_search.py points.npz --keep FOLDER --rows {sizes} --rounds {given.rounds} -o OUTPUT.md
```

## What is compared

Are those nearest to a file of its kind? Instruments: {SOURCES["instrument"]}.
Sounds: {SOURCES["sound"]}. Tracks: {SOURCES["track"]}. P@10 is the share of the same kind among the
ten nearest, mAP the mean average precision, hubs the skewness of how often a file is among the ten nearest. Each
model's part is mapped, brought to unit length, and joined; what a mapping takes from data it takes from the two other
sets. A track has four pieces or so, which bounds its P@10.

{similarity_table(measured["similarity"])}

## The points that tables are filled with

Mixtures of {MIXED} real points (Dirichlet {CONCENTRATION}) and {NOISE} times the noise within a file; harder ones:
Dirichlet {HARDER[1]} and {HARDER[2]} times the noise. A row holds id, vector (400 values) and {N_SCORES} scores; a real
catalogue has about 100 scores and some texts beside them. {N_QUERIES} fresh points ask (60 with filters).

{data}

## Exact

{report_exact(measured)}

## Through the index

{report_index(measured)}

## The first question of a process

{report_cold(measured)}

## 10 % more rows

In {N_BATCHES} batches by `merge_insert`, each followed by `optimize`; the index is not made anew. "New rows found":
share of 20 rows of the batch that are their own nearest neighbour right after the merge.

{report_growth(measured)}

## Other indexes

On {min(100_000, max(given.rows)):,} rows. On the right the best 50 candidates are compared again with their true
vectors, from up to 32 partitions (all of them, at this size); before it, the recall without comparing again, and that
from 4 partitions.

{report_others(measured)}

{MARKER}"""


SOURCES = {
    "instrument": "phrases of the Philharmonia Orchestra, 13 instruments with pitch, other pitches of the instrument",
    "sound": "ESC-10, other folds",
    "track": "pieces of 30 s of 23 tracks",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("points", type=Path, help="what library_vectors.py embed wrote")
    add("--keep", type=Path, required=True, help="folder for tables and measurements, which are used again")
    add("--rows", type=int, nargs="+", default=[1_000, 10_000, 99_999, 100_000, 1_000_000], help="sizes of tables")
    add("--rounds", type=int, default=5, help="(default 5)")
    add("--again", nargs="*", default=[], choices=list(PARTS), help="parts to measure anew")
    add("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    add("-o", "--output", type=Path, help="Markdown file; its hand-written end is kept")
    return parser.parse_args()


def main() -> None:
    given = parse()
    place = Place(given.keep)
    if given.part:
        sys.stdout.write(json.dumps(PARTS[given.part](place, given)))
        return
    path = given.keep / "measured.json"
    measured: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for part in PARTS:
        if part in measured and part not in given.again:
            continue
        sys.stderr.write(f"{part}, load {os.getloadavg()[0]:.1f}\n")
        command = [
            sys.executable, __file__, str(given.points), "--keep", str(given.keep), "--rounds", str(given.rounds),
            "--part", part, "--rows", *map(str, given.rows),
        ]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        measured[part] = json.loads(done.stdout)
        path.write_text(json.dumps(measured, indent=1))
    if given.output:
        previous = given.output.read_text(encoding="utf-8") if given.output.exists() else None
        given.output.write_text(report(measured, given) + keep_notes(previous), encoding="utf-8")


if __name__ == "__main__":
    main()
