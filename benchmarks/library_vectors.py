"""What an embedding should become before it is compared: mappings on labelled audio, and the constants of the best.

    python benchmarks/library_vectors.py embed points.npz --philharmonia FOLDER --esc10 FOLDER --music FOLDER
    python benchmarks/library_vectors.py similarity points.npz
    python benchmarks/library_vectors.py fit points.npz OTHER_POINTS.npz ... -o src/earmark/data/search_vectors.npz

`embed` keeps the embedding of every chunk of every file; `--preset full` or `--model NAME` for other models than those
of "standard". `similarity` asks, for every file, whether those nearest to it are of its kind: the same instrument
(Philharmonia; files of the same pitch of the same instrument are left out, they are one session's takes), the same
sound (ESC-10; files of the same fold are left out, so no recording counts as its own neighbour), the same track
(pieces of 30 s of the music). Whatever a mapping takes from data, it takes from the two other sets.
See README.md beside this file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers_report import table

Array = NDArray[np.floating[Any]]
SETS = ("philharmonia", "esc10", "music")
N_DIRECTIONS = 64  # that are held down in what ships
PIECE = 10  # chunks of 3 s in a piece of music


@dataclass
class Points:
    """Embeddings of a set of files: of every file, shape (n, D), and of every chunk, shape (m, D).

    `n_chunks` says how many chunks each file has, `names` where it lies in its folder.
    """

    embedding: Array
    chunks: Array
    n_chunks: NDArray[np.int64]
    names: list[str]

    def of_files(self) -> list[Array]:
        """Return the chunks of every file."""
        return np.split(self.chunks, np.cumsum(self.n_chunks)[:-1])


def read_points(path: Path) -> tuple[dict[str, Points], list[tuple[str, int]]]:
    """Return what `embed` wrote: the sets, and the models with the sizes of their parts."""
    with np.load(path) as arrays:
        sets = {
            name: Points(
                arrays[f"{name}/embedding"],
                arrays[f"{name}/chunks"],
                arrays[f"{name}/n_chunks"],
                arrays[f"{name}/names"].tolist(),
            )
            for name in SETS
        }
        return sets, list(zip(arrays["models"].tolist(), arrays["sizes"].tolist(), strict=True))


# Embeddings -----------------------------------------------------------------------------------------------------------


def embed(models: Sequence[str], folders: dict[str, Path]) -> dict[str, Any]:
    """Return the embeddings of all chunks of all files that are long enough."""
    from earmark.audio.io import AUDIO_SUFFIXES
    from earmark.errors import EarmarkError
    from earmark.runtime import open_models

    opened = open_models(models)
    out: dict[str, Any] = {
        "models": [card.name for card in opened.cards],
        "sizes": [card.n_features for card in opened.cards],
    }
    for name, folder in folders.items():
        chunks, names = [], []
        for path in sorted(file for file in folder.rglob("*") if file.suffix in AUDIO_SUFFIXES):
            try:
                chunks.append(chunk_embeddings(opened, path))
            except EarmarkError as error:
                sys.stderr.write(f"{error}\n")
                continue
            names.append(str(path.relative_to(folder)))
        out[f"{name}/names"], out[f"{name}/n_chunks"] = names, [len(one) for one in chunks]
        out[f"{name}/chunks"] = np.concatenate(chunks)
        out[f"{name}/embedding"] = np.stack([one.mean(axis=0) for one in chunks])
        sys.stderr.write(f"{name}: {len(names)} files\n")
    return out


def chunk_embeddings(opened: Any, path: Path) -> Array:
    """Return the embeddings of a file's chunks, those of all models side by side."""
    from earmark.audio.chunks import ChunkPlan, stream_chunks
    from earmark.audio.io import open_audio
    from earmark.tagger import MIN_SECONDS

    parts: dict[int, Array] = {}
    rate = opened.cards[0].sample_rate
    with open_audio(path, sample_rate=rate) as reader:
        blocks = list(reader.blocks())
    for members, network in opened.networks:
        card = opened.cards[members[0]]
        plan = ChunkPlan(card.chunk_samples, card.hop_samples, card.context_samples)
        made = [
            network.run(chunk.samples[None])
            for chunk in stream_chunks(blocks, plan, min_samples=round(MIN_SECONDS * rate))
        ]
        for i, member in enumerate(members):
            parts[member] = np.concatenate([outputs[i][1] for outputs in made])
    shortest = min(len(part) for part in parts.values())
    return np.concatenate([parts[i][:shortest] for i in range(len(parts))], axis=1).astype(np.float32)


# Questions ------------------------------------------------------------------------------------------------------------


@dataclass
class Question:
    """Vectors to be found, their labels, what is left out together, and which of them ask."""

    embedding: Array
    labels: NDArray[Any]
    groups: NDArray[Any]
    asks: NDArray[np.bool_]


def questions(sets: dict[str, Points]) -> dict[str, Question]:
    stems = [Path(name).stem.split("_") for name in sets["philharmonia"].names]
    pitched = {stem[0] for stem in stems if stem[1]}
    sounds = [Path(name) for name in sets["esc10"].names]
    pieces = [
        (chunks[begin : begin + PIECE].mean(axis=0), track)
        for track, chunks in enumerate(sets["music"].of_files())
        for begin in range(0, len(chunks) - PIECE + 1, PIECE)
    ]
    return {
        "philharmonia": Question(
            sets["philharmonia"].embedding,
            np.array([stem[0] for stem in stems]),
            np.array([f"{stem[0]}_{stem[1]}" if stem[1] else "_".join(stem) for stem in stems]),
            np.array([stem[0] in pitched for stem in stems]),
        ),
        "esc10": Question(
            sets["esc10"].embedding,
            np.array([path.parent.name for path in sounds]),
            np.array([path.name.split("-")[0] for path in sounds]),
            np.ones(len(sounds), bool),
        ),
        "music": Question(
            np.stack([piece for piece, _ in pieces]),
            np.array([track for _, track in pieces]),
            np.arange(len(pieces)),
            np.ones(len(pieces), bool),
        ),
    }


def answers(question: Question, vectors: Array) -> tuple[Array, float]:
    """Return precision at 10 and average precision of every question, shape (n, 2), and how skewed the hubs are.

    Where there is nothing to be found, both are NaN. Hubs are files that are among the ten nearest of far more files
    than others; a skewness of 0 would be no tendency to them.
    """
    similarities = vectors @ vectors.T
    is_same = question.labels[:, None] == question.labels[None]
    out = question.groups[:, None] == question.groups[None]
    np.fill_diagonal(out, True)
    found, times_near = [], np.zeros(len(vectors))
    for i in np.flatnonzero(question.asks):
        others = np.flatnonzero(~out[i])
        order = others[np.argsort(-similarities[i, others], kind="stable")]
        right = is_same[i, order]
        times_near[order[:10]] += 1
        precisions = np.cumsum(right) / np.arange(1, len(right) + 1)
        found.append((right[:10].mean(), precisions[right].mean()) if right.any() else (np.nan, np.nan))
    deviation = times_near - times_near.mean()
    return np.array(found), float((deviation**3).mean() / times_near.std() ** 3)


# Mappings -------------------------------------------------------------------------------------------------------------

Block = Callable[[Array, Sequence[Array]], Array]  # one model's part, and that of the other sets' chunks


def unit(values: Array) -> Array:
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1)


def spread_of(others: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Return mean, and strengths and directions of the covariance, strongest first; every set counts the same."""
    mean = np.mean([one.mean(axis=0, dtype=np.float64) for one in others], axis=0)
    offsets = [one.mean(axis=0) - mean for one in others]
    covariance = np.mean(
        [np.cov(one.T.astype(np.float64)) + np.outer(step, step) for one, step in zip(others, offsets, strict=True)],
        axis=0,
    )
    strengths, directions = np.linalg.eigh(covariance)
    return mean, strengths[::-1], directions.T[::-1]


def held_down(others: Sequence[Array], n: int) -> tuple[Array, Array]:
    """Return mean and directions that bring the n strongest down to the next one's strength."""
    mean, strengths, directions = spread_of(others)
    kept = np.sqrt(strengths[n] / strengths[:n])
    return mean, directions[:n] * np.sqrt(1 - kept)[:, None]


def hold_down(n: int) -> Block:
    def mapping(part: Array, others: Sequence[Array]) -> Array:
        mean, directions = held_down(others, n)
        centred = part - mean
        return centred - centred @ directions.T @ directions

    return mapping


def leave_out(n: int) -> Block:
    def mapping(part: Array, others: Sequence[Array]) -> Array:
        mean, _, directions = spread_of(others)
        centred = part - mean
        return centred - centred @ directions[:n].T @ directions[:n]

    return mapping


def principal(n: int, *, whiten: bool) -> Block:
    def mapping(part: Array, others: Sequence[Array]) -> Array:
        mean, strengths, directions = spread_of(others)
        axes = (part - mean) @ directions[:n].T
        return axes / np.sqrt(strengths[:n] + 0.003 * strengths[0]) if whiten else axes

    return mapping


def power(exponent: float) -> Block:
    return lambda part, _: np.sign(part) * np.abs(part) ** exponent


BLOCKS: dict[str, Block] = {
    "as it is": lambda part, _: part,
    "square root": power(0.5),
    "power 0.75": power(0.75),
    "centred": lambda part, others: part - spread_of(others)[0],
    "principal axes, 64": principal(64, whiten=False),
    "principal axes, 64, whitened": principal(64, whiten=True),
    "all axes, whitened": principal(10**6, whiten=True),
    "strongest 8 left out": leave_out(8),
    "strongest 8 held down": hold_down(8),
    "strongest 32 held down": hold_down(32),
    f"strongest {N_DIRECTIONS} held down": hold_down(N_DIRECTIONS),
    "strongest 128 held down": hold_down(128),
}
CHOSEN = f"strongest {N_DIRECTIONS} held down"


def mapped(
    values: Array, others: Sequence[Array], sizes: Sequence[int], block: Block, weights: Sequence[float] | None = None
) -> Array:
    """Map every model's part, bring it to unit length times its weight, and join them."""
    cuts = np.cumsum(sizes)[:-1]
    parts = zip(np.split(values, cuts, axis=1), *(np.split(one, cuts, axis=1) for one in others), strict=True)
    made = [unit(block(part, rest)) for part, *rest in parts]
    weights = weights or [1.0] * len(made)
    return unit(np.concatenate([np.sqrt(w) * part for w, part in zip(weights, made, strict=True)], axis=1))


def similarity(sets: dict[str, Points], models: list[tuple[str, int]]) -> list[list[str]]:
    """Return the rows of the table: mapping, then precision, average precision and hubs of every set."""
    sizes = [size for _, size in models]
    asked = questions(sets)
    scores: dict[str, list[tuple[Array, float]]] = {}

    def measure(name: str, mapping: Callable[[Array, Sequence[Array]], Array]) -> None:
        scores[name] = [
            answers(question, mapping(question.embedding, [sets[other].chunks for other in SETS if other != key]))
            for key, question in asked.items()
        ]

    measure("one cosine over all", lambda values, _: unit(values))
    for name, block in BLOCKS.items():
        measure(name, lambda values, others, block=block: mapped(values, others, sizes, block))
    if len(sizes) == 2:
        for heavy in (2.0, 0.5):
            title = f"{CHOSEN}, {models[1][0]} counts {heavy:g} times"
            measure(title, lambda v, o, heavy=heavy: mapped(v, o, sizes, BLOCKS[CHOSEN], [1.0, heavy]))
    rows = [
        [
            name,
            *(
                cell
                for found, hubs in row
                for cell in (*(f"{x:.3f}" for x in np.nanmean(found, axis=0)), f"{hubs:.2f}")
            ),
        ]
        for name, row in scores.items()
    ]
    gain = [
        f"{low:+.3f} to {high:+.3f}" if kind < 2 else ""
        for (found, _), (plain, _), question in zip(scores[CHOSEN], scores["as it is"], asked.values(), strict=True)
        for kind, (low, high) in enumerate([*interval(found - plain, question), (0, 0)])
    ]
    return [*rows, [f"{CHOSEN} less as it is, 95 %", *gain]]


def interval(gains: Array, question: Question) -> list[tuple[float, float]]:
    """Return 95 % intervals of the mean gains; what is drawn again and again are groups, or files if those are few."""
    groups = question.groups[question.asks]
    if len(set(groups)) < 10:
        groups = np.arange(len(gains))
    members = [np.flatnonzero(groups == one) for one in np.unique(groups)]
    rng = np.random.default_rng(0)
    means = [
        np.nanmean(gains[np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])], axis=0)
        for _ in range(1000)
    ]
    return [(float(low), float(high)) for low, high in np.quantile(means, [0.025, 0.975], axis=0).T]


def similarity_table(rows: list[list[str]]) -> str:
    short = ("instrument", "sound", "track")
    header = ["each model's part", *(f"{name}: {what}" for name in short for what in ("P@10", "mAP", "hubs"))]
    return table(header, rows)


# Constants ------------------------------------------------------------------------------------------------------------


def fit(files: Sequence[Path]) -> dict[str, Any]:
    """Return mean and directions of every model in the files, from all three sets."""
    out: dict[str, Any] = {}
    for file in files:
        sets, models = read_points(file)
        begin = 0
        for name, size in models:
            mean, directions = held_down([sets[key].chunks[:, begin : begin + size] for key in SETS], N_DIRECTIONS)
            out[f"{name}/mean"], out[f"{name}/directions"] = mean.astype(np.float16), directions.astype(np.float16)
            begin += size
    return out


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("embed")
    one.add_argument("output", type=Path)
    for name in SETS:
        one.add_argument(f"--{name}", type=Path, required=True, help="folder of audio")
    one.add_argument("--preset", default="standard")
    one.add_argument("--model", action="append", default=[], help="instead of a preset; repeatable")
    one = commands.add_parser("similarity")
    one.add_argument("points", type=Path)
    one = commands.add_parser("fit")
    one.add_argument("points", type=Path, nargs="+")
    one.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    if arguments.command == "embed":
        from earmark.tagger import PRESETS

        folders = {name: getattr(arguments, name) for name in SETS}
        np.savez(arguments.output, **embed(arguments.model or PRESETS[arguments.preset], folders))
    elif arguments.command == "similarity":
        sys.stdout.write(similarity_table(similarity(*read_points(arguments.points))) + "\n")
    else:
        np.savez_compressed(arguments.output, **fit(arguments.points))


if __name__ == "__main__":
    main()
