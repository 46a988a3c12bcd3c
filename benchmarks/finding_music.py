"""How well tracks are found by tags: rules for thresholds, rules that combine the tags of a query, words near tags.

    python benchmarks/finding_music.py SCORES.csv.gz TARGETS.csv.gz --order ORDER.txt [--clips magnatagatune.json.gz]
        [--moods MOOD_SCORES.npy MOOD_TARGETS.npy]

The files are stored predictions of musicnn on the test split of MagnaTagATune (Won et al. 2020,
github.com/minzwon/sota-music-tagging-models, with the order of its columns, a tag a line), the list of clips with all
188 tags (github.com/p-lambda/jukemir), and the predictions of MediaEval 2019's baseline for moods. Prints Markdown.
"""

import argparse
import gzip
import json
import tomllib
from collections.abc import Callable, Sequence
from importlib import resources
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate.stored import read_stored
from earmark.library.query import Query, Term, rank
from earmark.library.thresholds import default_threshold, threshold_from_scores
from earmark.metrics import best_thresholds, f1
from earmark.metrics.decisions import compare
from earmark.vocabulary import get_vocabulary, merged_name, union

Floats = NDArray[np.float64]
Rule = Callable[[Sequence[int], Sequence[int]], Floats]  # columns that are wanted, columns that are not -> relevance
N_TRAIN = 15_247  # clips that Won's models were trained on
MIN_POSITIVES, MAX_QUERIES = 20, 400
TINY = 1e-6


class Clips:
    """Scores, targets and base rates of the 50 tags, and of the 36 that remain when synonyms are merged."""

    def __init__(self, scores: Path, targets: Path, order: Path) -> None:
        found = read_stored(scores, targets, tags=order)
        vocabulary = get_vocabulary("mtt")
        columns = [found.tags.index(tag) for tag in vocabulary.tags]
        self.ids = found.ids
        self.targets, self.scores = found.targets[:, columns], found.scores[:, columns].astype(np.float64)
        self.rates = vocabulary.base_rates(N_TRAIN)
        merged = union([vocabulary])
        self.names = merged.names
        self.merged_scores = merged.merge_scores([self.scores])
        members = [[tag for _, tag in column.members] for column in merged.columns]
        self.merged_targets = np.stack([self.targets[:, tags].any(axis=1) for tags in members], axis=1)
        self.merged_rates = merged.merge_base_rates([self.rates])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path)
    parser.add_argument("targets", type=Path)
    parser.add_argument("--order", type=Path, required=True)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--moods", type=Path, nargs=2)
    options = parser.parse_args()
    clips = Clips(options.scores, options.targets, options.order)
    materials = {"50 tags": (clips.targets, clips.scores, clips.rates)}
    materials["36 tags, synonyms merged"] = (clips.merged_targets, clips.merged_scores, clips.merged_rates)
    if options.moods:
        moods = read_stored(*options.moods)
        materials["56 moods, vggish"] = (moods.targets, moods.scores.astype(np.float64), moods.targets.mean(axis=0))
    print(thresholds(materials), rules(clips), sep="\n\n")
    if options.clips:
        print(nearby(clips, options.clips), sep="\n\n")


# Thresholds -----------------------------------------------------------------------------------------------------------


def thresholds(materials: dict[str, tuple[NDArray[np.bool_], Floats, Floats]]) -> str:
    lines = ["| threshold | " + " | ".join(materials) + " |", "|---" * (len(materials) + 1) + "|"]
    kinds: dict[str, Callable[[NDArray[np.bool_], Floats, Floats], float]] = {
        "0.5": lambda targets, scores, rates: f1(targets, scores, 0.5),
        "0.2": lambda targets, scores, rates: f1(targets, scores, 0.2),
        "best single one": lambda targets, scores, rates: max(
            f1(targets, scores, t) for t in np.arange(0.02, 0.6, 0.01)
        ),
        "`default_threshold(base_rate)`": lambda targets, scores, rates: f1(
            targets, scores, [default_threshold(rate) for rate in rates]
        ),
        "factor and power, chosen on other tags": cross_validated,
        "`threshold_from_scores`": lambda targets, scores, rates: f1(
            targets, scores, [threshold_from_scores(s, base_rate=r) for s, r in zip(scores.T, rates, strict=True)]
        ),
        "chosen on the answers of the other half": on_halves,
        "best, known from the answers": lambda targets, scores, rates: f1(
            targets, scores, best_thresholds(targets, scores)
        ),
    }
    for name, kind in kinds.items():
        lines.append(f"| {name} | " + " | ".join(f"{kind(*material):.3f}" for material in materials.values()) + " |")
    return "\n".join(lines)


def cross_validated(targets: NDArray[np.bool_], scores: Floats, rates: Floats) -> float:
    """Choose ``factor * rate ** power`` on five sixths of the tags, judge it on the others."""
    grid = [(factor, power) for factor in np.arange(0.2, 1.5, 0.05) for power in np.arange(0, 1.01, 0.1)]
    f1s = np.stack([compare(targets, scores, np.clip(a * rates**b, 0, 1)).f1() for a, b in grid])  # (n_grid, n_tags)
    parts = np.array_split(np.random.default_rng(0).permutation(len(rates)), 6)
    judged = np.empty(len(rates))
    for part in parts:
        others = np.setdiff1d(np.arange(len(rates)), part)
        judged[part] = f1s[f1s[:, others].mean(axis=1).argmax(), part]
    return float(judged.mean())


def on_halves(targets: NDArray[np.bool_], scores: Floats, rates: Floats) -> float:
    even = np.arange(len(targets)) % 2 == 0
    return float(np.mean([f1(targets[~h], scores[~h], best_thresholds(targets[h], scores[h])) for h in (even, ~even)]))


# Queries --------------------------------------------------------------------------------------------------------------


def rules(clips: Clips) -> str:
    queries = {
        kind: draw(clips, *shape)
        for kind, shape in {"a b": (2, 0), "a b c": (3, 0), "a -b": (1, 1), "a b -c": (2, 1)}.items()
    }
    heads = " | ".join(f"{kind} ({len(drawn)})" for kind, drawn in queries.items())
    lines = [f"| rule | {heads} |", "|---" * (len(queries) + 1) + "|"]
    for name, rule in combinations_of(clips).items():
        cells = []
        for drawn in queries.values():
            judged = np.array([judge(clips, rule, wanted, unwanted) for wanted, unwanted in drawn]).mean(axis=0)
            cells.append(f"{judged[0]:.3f}, {judged[1]:.3f}" + (f", {judged[2]:.3f}" if drawn[0][1] else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(clips: Clips, n_wanted: int, n_unwanted: int) -> list[tuple[list[int], list[int]]]:
    """Draw queries that at least 20 clips answer, and whose unwanted tag at least 20 clips would get wrong."""
    found = []
    for columns in combinations(range(len(clips.names)), n_wanted + n_unwanted):
        for unwanted in combinations(columns, n_unwanted):
            wanted = [c for c in columns if c not in unwanted]
            has = clips.merged_targets[:, wanted].all(axis=1)
            without = clips.merged_targets[:, list(unwanted)].any(axis=1)
            enough = np.count_nonzero(has & ~without) >= MIN_POSITIVES
            if enough and (not unwanted or np.count_nonzero(has & without) >= MIN_POSITIVES):
                found.append((wanted, list(unwanted)))
    chosen = np.random.default_rng(0).permutation(len(found))[:MAX_QUERIES]
    return [found[i] for i in chosen]


def judge(clips: Clips, rule: Rule, wanted: Sequence[int], unwanted: Sequence[int]) -> tuple[float, float, float]:
    """Average precision, precision among the first ten, and the share of these that have an unwanted tag."""
    without = clips.merged_targets[:, list(unwanted)].any(axis=1)
    right = clips.merged_targets[:, list(wanted)].all(axis=1) & ~without
    order = np.argsort(-rule(wanted, unwanted), kind="stable")
    return average_precision(right[order]), float(right[order[:10]].mean()), float(without[order[:10]].mean())


def average_precision(right: NDArray[np.bool_]) -> float:
    places = np.flatnonzero(right)
    return float((np.arange(1, len(places) + 1) / (places + 1)).mean())


def combinations_of(clips: Clips) -> dict[str, Rule]:
    scores = np.clip(clips.merged_scores, TINY, 1 - TINY)
    limits = np.array([default_threshold(rate) for rate in clips.merged_rates])
    logits = np.log(scores / (1 - scores))
    standard = (logits - logits.mean(axis=0)) / logits.std(axis=0)
    shares = (np.argsort(np.argsort(scores, axis=0), axis=0) + 0.5) / len(scores)
    lifts = scores / clips.merged_rates

    def summed(values: Floats) -> Rule:
        return lambda wanted, unwanted: values[:, wanted].sum(axis=1) - values[:, unwanted].sum(axis=1)

    def product(values: Floats, against: Floats | None = None) -> Rule:
        left = 1 - values if against is None else against
        return lambda wanted, unwanted: np.log(values[:, wanted]).sum(axis=1) + np.log(left[:, unwanted]).sum(axis=1)

    def ours(wanted: Sequence[int], unwanted: Sequence[int]) -> Floats:
        terms = [Term(clips.names[c], -1.0 if c in unwanted else 1.0, "", limits[c]) for c in [*wanted, *unwanted]]
        return rank(Query(tuple(terms)), scores[:, [*wanted, *unwanted]])

    saturated = scores / (scores + limits)
    return {
        "**`rank`**: product of s; of t / (s + t) for unwanted": ours,
        "product of s; of 1 - s for unwanted": product(scores),
        "product of s; of (t / (s + t))² for unwanted": product(scores, (1 - saturated) ** 2),
        "product of s; unwanted left out": product(scores, np.ones_like(scores)),
        "product of s / (s + t); of t / (s + t) for unwanted": product(saturated),
        "mean of s, minus unwanted": summed(scores),
        "mean of lift, minus unwanted": summed(lifts),
        "sum of log lift, minus unwanted": summed(np.log(lifts)),
        "sum of logits, minus unwanted": summed(logits),
        "sum of logits in standard deviations": summed(standard),
        "mean of percentiles, minus unwanted": summed(shares),
        "product of percentiles": product(shares),
        "smallest percentile": lambda wanted, unwanted: np.concatenate(
            [shares[:, wanted], 1 - shares[:, unwanted]], axis=1
        ).min(axis=1),
    }


# Words near tags ------------------------------------------------------------------------------------------------------


def nearby(clips: Clips, path: Path) -> str:
    entries = json.loads(gzip.decompress(path.read_bytes())).values()
    tags = {entry["extra"]["mp3_path"]: set(entry["y_all"] or ()) for entry in entries}
    words = tomllib.loads(resources.files("earmark").joinpath("data", "nearby_words.toml").read_text("utf-8"))
    lines = ["| word | clips | searched by | average precision | of chance |", "|---|---:|---|---:|---:|"]
    for word, meant in ((word, meant) for table in words.values() for word, meant in table.items()):
        right = np.array([word in tags[one] for one in clips.ids])
        known = [clips.names.index(merged_name(tag)) for tag in meant if merged_name(tag) in clips.names]
        if right.sum() < 10 or not known or word in clips.names:
            continue
        terms = [Term(clips.names[c], 1.0, "", default_threshold(clips.merged_rates[c])) for c in known]
        order = np.argsort(-rank(Query(tuple(terms)), clips.merged_scores[:, known]), kind="stable")
        found = average_precision(right[order])
        names = ", ".join(clips.names[c] for c in known)
        lines.append(f"| {word} | {right.sum()} | {names} | {found:.3f} | {found / right.mean():.0f} times |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
