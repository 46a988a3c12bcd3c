"""Does the score of compatibility tell tastes apart? On listeners made of real music, and of real tags.

    python benchmarks/taste.py sound CATALOGUE
    python benchmarks/taste.py tags MAGNATAGATUNE
    python benchmarks/taste.py split CATALOGUE FOLDER
    python benchmarks/taste.py cost

"sound" takes a catalogue whose files lie in folders by kind (instruments, sounds, pieces of one song): a made listener
likes some kinds, in shares of his or her own. "tags" takes MagnaTagATune's annotations: a made listener likes some
artists, and only the tags that people gave are looked at. "split" deals a folder into halves. "cost" times the
comparison of long lists. Everything is printed as Markdown.

For "sound" and "tags": listeners are split into halves without a common track. The halves of one listener should be
nearer to each other than to those of others: the area under the ROC curve over all pairs of a first and a second half,
and how often the right half comes first. Against it stand the cosine of mean embeddings, the cosine of histograms of
tags, and the Jaccard index of kinds (of artists, with tags): no real list tells so plainly what it was drawn from. Then
two listeners share a known part of their kinds; then the score of many independent pairs tells whether it is a
percentile; then how often the score of long lists lies in the interval that short lists gave.
"""

import argparse
import gzip
import json
import platform
import resource
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.library.ears import Ears
from earmark.library.store import Store
from earmark.library.taste import compare
from earmark.library.taste.comparing import MOST_POOL, Ground, Way
from earmark.library.taste.distance import Means, mean_similarities
from earmark.library.taste.listener import TasteTrack, listener_of
from earmark.metrics import roc_auc
from earmark.vocabulary import display_name, merged_name

Kinds = dict[str, list[TasteTrack]]
Array = NDArray[np.float64]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SIZES = (10, 20, 40, 80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    one = parts.add_parser("sound")
    one.add_argument("catalogue", type=Path)
    one.add_argument("--least", type=int, default=20, help="files that a kind must have")
    one = parts.add_parser("tags")
    one.add_argument("folder", type=Path)
    one = parts.add_parser("split")
    one.add_argument("catalogue", type=Path)
    one.add_argument("folder", type=Path)
    parts.add_parser("cost")
    options = parser.parse_args()
    print(heading())
    if options.part == "sound":
        study(kinds_of_catalogue(options.catalogue, options.least), "audio")
    elif options.part == "tags":
        study(kinds_of_magnatagatune(options.folder), "tags")
    elif options.part == "split":
        split(options.catalogue, options.folder)
    else:
        cost()


def heading() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, commit {commit.stdout}"


def kinds_of_catalogue(address: Path, least: int) -> Kinds:
    """Read the tracks of a catalogue by the folder that they lie in."""
    kinds: defaultdict[str, list[TasteTrack]] = defaultdict(list)
    for track in Ears(Store(address)).catalogue():
        kinds[Path(track.path).parent.name].append(track)
    return {name: tracks for name, tracks in sorted(kinds.items()) if len(tracks) >= least}


def kinds_of_magnatagatune(folder: Path, least: int = 40) -> Kinds:
    """Read the clips of MagnaTagATune by artist, with the tags that people gave."""
    kinds: defaultdict[str, list[TasteTrack]] = defaultdict(list)
    with gzip.open(folder / "magnatagatune.json.gz") as file:
        clips = json.load(file)
    for number, clip in clips.items():
        tags = {merged_name(display_name(tag)): 1.0 for tag in clip["y_all"] or clip["y"] or ()}
        if tags:
            artist = clip["extra"]["artist"]
            kinds[artist].append(TasteTrack(number, f"{artist} – {clip['extra']['title']}", artist, tags=tags))
    return {name: tracks for name, tracks in sorted(kinds.items()) if len(tracks) >= least}


# Made listeners -------------------------------------------------------------------------------------------------------


def draw(kinds: Kinds, names: Sequence[str], shares: Array, n: int, rng: np.random.Generator) -> list[TasteTrack]:
    """Draw n tracks of some kinds, each once, in such shares as far as there are enough."""
    found: list[TasteTrack] = []
    for name, k in zip(names, rng.multinomial(n, shares), strict=True):
        tracks = kinds[name]
        found += [tracks[i] for i in rng.permutation(len(tracks))[:k]]
    return [found[i] for i in rng.permutation(len(found))]


def some_kinds(kinds: Kinds, rng: np.random.Generator) -> tuple[list[str], Array]:
    """Draw two to five kinds and their shares."""
    k = int(rng.integers(2, 6))
    return [str(name) for name in rng.permutation(list(kinds))[:k]], rng.dirichlet(np.full(k, 1.5))


# Measures -------------------------------------------------------------------------------------------------------------


def means(a: Sequence[TasteTrack], b: Sequence[TasteTrack], way: Way) -> Means:
    ground = Ground(a, b, (), way)
    return mean_similarities(ground.kernel(), ground.weights_a, ground.weights_b)


def beside_chance(found: Means) -> float:
    """Hold the distance against how alike the tracks of each list are: what a score does with made listeners."""
    floor = np.exp(-1)  # the kernel at right angles
    return -found.distance / max(0.5 * (found.within_a + found.within_b) - floor, 1e-9)


def of_sound(a: Sequence[TasteTrack], b: Sequence[TasteTrack]) -> float:
    """Compare mean search vectors."""
    return cosine(*(np.mean([track.vector for track in one], axis=0) for one in (a, b)))


def of_tags(a: Sequence[TasteTrack], b: Sequence[TasteTrack]) -> float:
    """Compare histograms of tags."""
    names = sorted({tag for track in (*a, *b) for tag in track.tags})
    return cosine(*(np.array([sum(t.tags.get(name, 0.0) for t in one) for name in names]) for one in (a, b)))


def of_kinds(a: Sequence[TasteTrack], b: Sequence[TasteTrack]) -> float:
    """Compare sets of artists, by the Jaccard index."""
    one, other = ({kind_of(track) for track in tracks} for tracks in (a, b))
    return len(one & other) / len(one | other)


def kind_of(track: TasteTrack) -> str:
    return Path(track.path).parent.name if track.path else track.artist


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def measures(way: Way) -> dict[str, Callable[[Sequence[TasteTrack], Sequence[TasteTrack]], float]]:
    own = {
        "maximum mean discrepancy": lambda a, b: -means(a, b, way).distance,
        "the same, over how alike tracks within a list are": lambda a, b: beside_chance(means(a, b, way)),
    }
    others = {"cosine of histograms of tags": of_tags, "Jaccard index of kinds, which made the listeners": of_kinds}
    return own | ({"cosine of mean embeddings": of_sound} if way == "audio" else {}) | others


# Studies --------------------------------------------------------------------------------------------------------------


def study(kinds: Kinds, way: Way) -> None:
    print(f"{len(kinds)} kinds, {sum(map(len, kinds.values()))} tracks.\n")
    halves(kinds, way)
    overlap(kinds, way)
    percentile(kinds, way)
    intervals(kinds, way)


def halves(kinds: Kinds, way: Way, n_listeners: int = 60) -> None:
    """Tell the halves of one listener from those of others."""
    print("## Halves of one listener, among those of others\n")
    print("| tracks in a half | measure | ROC-AUC | the right half comes first |\n|--:|---|--:|--:|")
    for n in SIZES:
        rng = np.random.default_rng(n)
        pairs = []
        while len(pairs) < n_listeners:
            names, shares = some_kinds(kinds, rng)
            tracks = draw(kinds, names, shares, 2 * n, rng)
            if len(tracks) >= 1.5 * n:
                pairs.append((tracks[: len(tracks) // 2], tracks[len(tracks) // 2 :]))
        for name, measure in measures(way).items():
            table = np.array([[measure(a, b) for _, b in pairs] for a, _ in pairs])
            same = np.eye(len(pairs), dtype=bool).ravel()
            area = roc_auc(same[:, None], table.ravel()[:, None])
            first = np.mean(table.argmax(axis=1) == np.arange(len(pairs)))
            print(f"| {n} | {name} | {area:.4f} | {first:.0%} |", flush=True)
    print()


def pool_of(kinds: Kinds) -> list[TasteTrack]:
    return [track for tracks in kinds.values() for track in tracks]


def overlap(kinds: Kinds, way: Way, n_pairs: int = 24) -> None:
    """Let two listeners share a known part of their kinds."""
    print("## Two listeners who share a part of their kinds (of four each)\n")
    print("| tracks | " + " | ".join(f"{share:.0%} shared" for share in SHARES) + " | Spearman's rho |")
    print("|--:|" + "--:|" * (len(SHARES) + 1))
    pool = some_of(pool_of(kinds))
    for n in (20, 60):
        rng = np.random.default_rng(n)
        scores, distances = [], []
        for share in SHARES:
            for _ in range(n_pairs):
                names = [str(name) for name in rng.permutation(list(kinds))]
                k = round(4 * share)
                equal = np.full(4, 0.25)
                a = draw(kinds, names[:4], equal, n, rng)
                b = draw(kinds, names[:k] + names[4 : 8 - k], equal, n, rng)
                found = compare(listener_of("a", a), listener_of("b", b), pool=pool, by=way, n_pairs=200)
                scores.append(found.agreement.score)
                distances.append(found.agreement.distance)
        table = np.array(scores).reshape(len(SHARES), -1)
        cells = [f"{row.mean():.0f} ± {row.std(ddof=1) / np.sqrt(n_pairs):.0f}" for row in table]
        print(f"| {n} | " + " | ".join(cells) + f" | {spearman(np.repeat(SHARES, n_pairs), np.array(scores)):.2f} |")
    print()


def percentile(kinds: Kinds, way: Way, n_pairs: int = 120) -> None:
    """Compare pairs of listeners who have nothing to do with each other: scores should be spread from 0 to 100."""
    rng = np.random.default_rng(0)
    pool, scores = some_of(pool_of(kinds)), []
    while len(scores) < n_pairs:
        a, b = (draw(kinds, *some_kinds(kinds, rng), 30, rng) for _ in range(2))
        if min(len(a), len(b)) >= 20:
            found = compare(listener_of("a", a), listener_of("b", b), pool=pool, by=way, n_pairs=200)
            scores.append(found.agreement.score)
    print(f"## {n_pairs} pairs of listeners drawn independently\n")
    print("| below | " + " | ".join(f"{q}" for q in (10, 25, 50, 75, 90)) + " |\n|---|--:|--:|--:|--:|--:|")
    print("| share of the scores | " + " | ".join(f"{np.mean(np.array(scores) < q):.0%}" for q in (10, 25, 50, 75, 90))
          + " |\n")  # fmt: skip


def intervals(kinds: Kinds, way: Way, n_pairs: int = 30) -> None:
    """Look whether the score of long lists lies in the interval that short lists of the same two tastes gave."""
    print("## Short lists against long ones of the same two tastes\n")
    print("| tracks | of the long lists | in the interval (90 % expected) | its width, median | difference, mean |")
    print("|--:|--:|--:|--:|--:|")
    pool, large = some_of(pool_of(kinds)), {name: tracks for name, tracks in kinds.items() if len(tracks) >= 36}
    for n in (10, 20, 40):
        rng = np.random.default_rng(n)
        inside, widths, differences = [], [], []
        for _ in range(n_pairs):
            names = [str(name) for name in rng.permutation(list(large))]
            k = int(rng.integers(5))
            equal, sides = np.full(4, 0.25), (names[:4], names[:k] + names[4 : 8 - k])
            short, long = (
                compare(
                    *(listener_of("ab"[i], draw(kinds, side, equal, size, rng)) for i, side in enumerate(sides)),
                    pool=pool, by=way, n_pairs=200,
                ).agreement
                for size in (n, 120)
            )  # fmt: skip
            inside.append(short.low <= long.score <= short.high)
            widths.append(short.high - short.low)
            differences.append(short.score - long.score)
        print(
            f"| {n} | 120 | {np.mean(inside):.0%} | {np.median(widths):.0f} | {np.mean(differences):+.1f} |", flush=True
        )
    print()


def split(catalogue: Path, folder: Path, n: int = 20) -> None:
    """Deal the files of a folder into two lists, and compare them; then with lists of what else is in the catalogue."""
    store = Store(catalogue)
    every = list(Ears(store).catalogue())
    inside = [track for track in every if Path(track.path).is_relative_to(folder.resolve())]
    others = [track for track in every if not Path(track.path).is_relative_to(folder.resolve())]
    pool = some_of(every)
    rng = np.random.default_rng(0)
    print(f"{folder.name}: {len(inside)} tracks, dealt {n} times into halves; {len(others)} other tracks.\n")
    print("| compared with | score, mean (5 to 95 %) | as one listener, mean (5 to 95 %) | width of the interval |")
    print("|---|--:|--:|--:|")
    for name in ("the other half", "as many of the others, at random", "as many of one other folder"):
        scores, ones, widths = [], [], []
        for _ in range(n):
            dealt = [inside[i] for i in rng.permutation(len(inside))]
            half = len(dealt) // 2
            b = (
                dealt[half:]
                if name == "the other half"
                else draw_others(others, half, rng, of_one=name.endswith("folder"))
            )
            found = compare(listener_of("a", dealt[:half]), listener_of("b", b), pool=pool, n_pairs=300)
            scores.append(found.agreement.score)
            ones.append(found.as_one)
            widths.append(found.agreement.high - found.agreement.low)
        print(f"| {name} | {spread(scores)} | {spread(ones)} | {np.mean(widths):.0f} |", flush=True)


def draw_others(others: Sequence[TasteTrack], n: int, rng: np.random.Generator, *, of_one: bool) -> list[TasteTrack]:
    if of_one:
        kinds: defaultdict[str, list[TasteTrack]] = defaultdict(list)
        for track in others:
            kinds[kind_of(track)].append(track)
        large = [tracks for tracks in kinds.values() if len(tracks) >= n]
        others = large[int(rng.integers(len(large)))]
    return [others[i] for i in rng.permutation(len(others))[:n]]


def spread(values: Sequence[float]) -> str:
    low, high = np.quantile(values, [0.05, 0.95])
    return f"{np.mean(values):.0f} ({low:.0f} to {high:.0f})"


def some_of(tracks: Sequence[TasteTrack]) -> list[TasteTrack]:
    rng = np.random.default_rng(0)
    return [tracks[i] for i in rng.permutation(len(tracks))[:MOST_POOL]]


def spearman(a: Array, b: Array) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def cost() -> None:
    """Time the comparison of long lists, and the memory it takes."""
    print("| tracks of each | pool | seconds | of CPU | most memory, MB |\n|--:|--:|--:|--:|--:|")
    for n in (10, 100, 1000, 5000):
        rng = np.random.default_rng(0)
        tracks = [made(i, rng) for i in range(2 * n + MOST_POOL)]
        a, b = listener_of("a", tracks[:n]), listener_of("b", tracks[n : 2 * n])
        begun, cpu = time.perf_counter(), time.process_time()
        compare(a, b, pool=tracks[2 * n :])
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds, own = time.perf_counter() - begun, time.process_time() - cpu
        print(f"| {n:,} | {MOST_POOL:,} | {seconds:.1f} | {own:.1f} | {most:,.0f} |", flush=True)


def made(i: int, rng: np.random.Generator, size: int = 400, n_tags: int = 88) -> TasteTrack:
    vector = rng.standard_normal(size).astype(np.float32)
    scores = {f"tag {k}": float(score) for k, score in enumerate(rng.random(n_tags) ** 4)}
    tags = {tag: score for tag, score in scores.items() if score > 0.3}
    return TasteTrack(f"{i:032x}", f"{i}", vector=vector / np.linalg.norm(vector), tags=tags, scores=scores)


if __name__ == "__main__":
    main()
