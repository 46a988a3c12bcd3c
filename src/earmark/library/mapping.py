"""A map of a library: a place on a plane for every track, groups of what lies together, and names for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.library.layout import belonging, join, place
from earmark.library.neighbours import Metric, mean_rank, nearest, prepare, principal

Method = Literal["auto", "umap", "tsne", "pca"]
METHODS = ("auto", "umap", "tsne", "pca")

N_NEIGHBOURS = 15  # of UMAP, as in the paper's program
FEWEST = 12  # tracks; below, UMAP and t-SNE have no neighbourhoods to keep
# Below, UMAP keeps neighbourhoods hardly better than the principal axes (mean rank of 20 tracks: 0.38, of axes 0.40; of
# 50: 0.27, 0.36; benchmarks/library_maps.py), and these have a meaning.
AUTO_FEWEST = 30  # tracks
PERPLEXITY = 30.0  # of t-SNE
MOST_GROUPS = 24
DOUBT = 20.0  # tracks; means of small groups are drawn towards the rest by so many


@dataclass(frozen=True, eq=False)
class Projection:
    """A map.

    Parameters
    ----------
    points : shape (n, 2), centred, the longer extent along the first axis
    method : "umap", "tsne" or "pca", whichever was used
    neighbours : shape (n, k), the nearest by sound of every track, the nearest first; k is 15, or n - 1 where that is
        less
    mean_rank : rank by sound of the ten nearest dots as a part of the library, mean over tracks: 0 is a true map, 0.5
        a blind one; None of 11 tracks or less
    explained : of "pca", the part of the variance that the two axes hold
    note : why it is another method than was asked for, or ""
    """

    points: NDArray[np.float32]
    method: str
    neighbours: NDArray[np.int32]
    mean_rank: float | None
    explained: float | None = None
    note: str = ""


@dataclass(frozen=True)
class ClusterName:
    """What sets a group of tracks apart.

    Parameters
    ----------
    label : of the group, as `cluster` gives it
    name : such as "piano, classical, slow"; no two groups have the same
    tags : those of the name
    lifts : of each tag, its mean score in the group over that in the other groups
    size : tracks
    """

    label: int
    name: str
    tags: tuple[str, ...]
    lifts: tuple[float, ...]
    size: int


def project(
    vectors: ArrayLike,
    *,
    method: Method = "auto",
    metric: Metric = "cosine",
    seed: int = 0,
    n_rounds: int | None = None,
) -> Projection:
    """Give every track a place on a plane, alike near alike.

    Parameters
    ----------
    vectors : shape (n, D), embeddings of the tracks
    method : "umap" keeps neighbourhoods; "tsne" too, a little better and slower (scikit-learn); "pca" keeps the two
        longest axes and nothing else; "auto" is UMAP from 30 tracks on, and below the principal axes
    metric : "cosine" or "euclidean", as in `earmark.library.neighbours.prepare`
    seed : the same seed gives the same map on the same machine
    n_rounds : of UMAP; 500 up to 10,000 tracks and 200 beyond unless given

    Raises
    ------
    InputError
        If there is no vector, or one holds NaN.
    UsageError
        If there is no such method or metric.
    MissingExtraError
        If t-SNE is asked for and scikit-learn is not installed.

    Notes
    -----
    The time grows with the square of n. Of UMAP, what is near on the map sounds alike; how far two groups lie apart,
    and how large a group is, means little (see also `Projection.mean_rank`).
    """
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r} for a map", hint=f"choose one of {', '.join(METHODS)}")
    table = prepare(vectors, metric=metric)
    neighbours, distances = nearest(table, N_NEIGHBOURS)
    axes, explained = principal(table, min(2, table.shape[1]))
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    used, note = method, ""
    if len(table) < FEWEST:
        used = "pca"
        if method not in ("auto", "pca"):
            note = f"{len(table)} tracks are too few for {method}: these are the principal axes"
    elif method == "auto":
        used = "umap" if len(table) >= AUTO_FEWEST else "pca"
    if used == "umap":
        k = min(N_NEIGHBOURS, max(3, len(table) // 4))
        graph = join(neighbours[:, :k], belonging(distances[:, :k]))
        points = _upright(place(graph, axes, seed=seed, n_rounds=n_rounds))
    elif used == "tsne":
        points = _upright(_tsne(table, axes, seed))
    else:
        points = axes
    return Projection(
        points=points.astype(np.float32),
        method=used,
        neighbours=neighbours,
        mean_rank=mean_rank(table, points, seed=seed),
        explained=explained if used == "pca" else None,
        note=note,
    )


def _tsne(table: NDArray[np.float32], axes: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtraError("a map by t-SNE", "library") from error
    perplexity = min(PERPLEXITY, (len(table) - 1) / 3)
    start = axes * np.float32(1e-4 / max(float(axes[:, 0].std()), 1e-12))
    tsne = TSNE(perplexity=perplexity, init=start, random_state=seed, n_jobs=1)
    return np.asarray(tsne.fit_transform(table), np.float32)


def _upright(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn a map so that its longer side lies along the first axis."""
    return principal(points, 2)[0]


def cluster(
    vectors: ArrayLike,
    projection: Projection,
    *,
    n: int | None = None,
    metric: Metric = "cosine",
    seed: int = 0,
) -> NDArray[np.int32]:
    """Put tracks that lie together into groups.

    Parameters
    ----------
    vectors : shape (n_tracks, D), embeddings
    projection : their map
    n : how many groups; 0.7 times the root of the number of tracks, at most 24, unless given
    metric : as it was of the map
    seed : of the first guess

    Returns
    -------
    shape (n_tracks,): labels from 0 up, the largest group first; every track has one

    Raises
    ------
    InputError
        If vectors and map are not of the same tracks.
    UsageError
        If `n` is not from 1 to the number of tracks.

    Notes
    -----
    k-means on the map where that keeps neighbourhoods (UMAP, t-SNE), and on the vectors where it is made of principal
    axes. On a map the groups are regions, which can be named where they lie, and they are truer as well: of 42 kinds of
    instruments and noises, 24 groups on a UMAP map tell more (adjusted mutual information 0.69) than 24 on the vectors
    (0.62). HDBSCAN tells as much on the map (0.68), but leaves tracks out, and how many groups it finds cannot be
    chosen; on the vectors it leaves half of them out. Figures: ``benchmarks/library_maps_*.md``.
    """
    table = prepare(vectors, metric=metric)
    if len(table) != len(projection.points):
        raise InputError(f"{len(table)} vectors, and a map of {len(projection.points)} tracks")
    n_groups = n if n is not None else max(1, min(MOST_GROUPS, round(0.7 * len(table) ** 0.5)))
    if not 1 <= n_groups <= len(table):
        raise UsageError(f"{n_groups} groups of {len(table)} tracks", hint=f"choose a number from 1 to {len(table)}")
    where = principal(table, min(50, table.shape[1]))[0] if projection.method == "pca" else projection.points
    labels = _k_means(where.astype(np.float64), n_groups, seed)
    sizes = np.bincount(labels, minlength=n_groups)
    order = np.argsort(-sizes, kind="stable")
    return np.argsort(order).astype(np.int32)[labels]


def _k_means(where: NDArray[np.float64], k: int, seed: int) -> NDArray[np.intp]:
    """Choose the best of four runs of Lloyd's algorithm, begun with k-means++."""
    best, least = np.zeros(len(where), np.intp), np.inf
    for run in range(4):
        random = np.random.default_rng([seed, run])
        centres = _first_centres(where, k, random)
        labels = np.full(len(where), -1, np.intp)
        for _ in range(100):
            squares = (centres**2).sum(axis=1) - 2 * where @ centres.T  # (n, k), less the square of each point
            new = squares.argmin(axis=1)
            sizes = np.bincount(new, minlength=k)
            for empty in np.flatnonzero(sizes == 0):  # gets the point that fits worst where it is
                worth = squares[np.arange(len(where)), new] + (where**2).sum(axis=1)
                worst = int(np.where(sizes[new] > 1, worth, -np.inf).argmax())
                new[worst] = empty
                sizes = np.bincount(new, minlength=k)
            if (new == labels).all():
                break
            labels = new
            centres = np.stack([np.bincount(labels, axis, minlength=k) for axis in where.T], axis=1) / sizes[:, None]
        spread = float(((where - centres[labels]) ** 2).sum())
        if spread < least:
            best, least = labels, spread
    return best


def _first_centres(where: NDArray[np.float64], k: int, random: np.random.Generator) -> NDArray[np.float64]:
    chosen = [int(random.integers(len(where)))]
    squares = ((where - where[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(k - 1):
        total = squares.sum()
        pick = random.choice(len(where), p=squares / total) if total > 0 else random.integers(len(where))
        chosen.append(int(pick))
        squares = np.minimum(squares, ((where - where[chosen[-1]]) ** 2).sum(axis=1))
    return where[chosen]


def name_clusters(
    labels: ArrayLike,
    scores: ArrayLike,
    tags: Sequence[str],
    *,
    base_rates: ArrayLike | None = None,
    n_tags: int = 3,
) -> list[ClusterName]:
    """Name groups by the tags that set them apart from the others.

    Parameters
    ----------
    labels : shape (n,), one group per track; tracks with -1 are in none
    scores : shape (n, K), in [0, 1]
    tags : K names
    base_rates : K means that a single group is compared with; without them it is named by its highest means
    n_tags : at most so many tags per name

    Returns
    -------
    one per group, by label

    Raises
    ------
    InputError
        If the shapes do not go together, or a score is no number from 0 to 1.

    Notes
    -----
    What a tag tells about a group is ``m log2(m / r)``, the bits per track that its mean score in the group, m, says
    beyond its mean in the rest, r; so neither the commonest tag wins nor a rare one at a tiny score. Means of small
    groups are drawn towards the rest by 20 tracks' worth of it. A tag that goes along with one already chosen counts
    less by the square of their correlation: "female vocals, vocals, singing" is one thing to know. Two groups with the
    same tags get one more each, the one that tells them apart; at last a number.
    """
    groups, table = np.asarray(labels), np.asarray(scores, np.float64)
    if table.ndim != 2 or groups.shape != table.shape[:1] or table.shape[1] != len(tags):
        raise InputError(f"{groups.shape} labels, {table.shape} scores and {len(tags)} tags do not go together")
    if table.size and not (table.min() >= 0 and table.max() <= 1):
        raise InputError("the scores are not all numbers from 0 to 1")
    present = np.unique(groups[groups >= 0])
    if not len(present):
        return []
    inside = np.array([groups == label for label in present], np.float64)  # (groups, n)
    sizes = inside.sum(axis=1)
    sums = inside @ table  # (groups, K)
    if len(present) > 1:
        rest = (sums.sum(axis=0) - sums) / (sizes.sum() - sizes)[:, None]
    else:
        rest = np.asarray(base_rates, np.float64)[None] if base_rates is not None else np.full_like(sums, 1e-3)
    means = (sums + DOUBT * rest) / (sizes + DOUBT)[:, None]
    worth = _worth(means, rest)
    alike = _correlations(table)
    picked = [_telling(worth[g], alike, n_tags) for g in range(len(present))]
    picked = _told_apart(picked, means)
    return _named([int(label) for label in present], picked, sums, sizes, rest, tags)


def _worth(means: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    low = 1e-4
    return np.asarray(means * np.log2(np.maximum(means, low) / np.maximum(rest, low)))


def _correlations(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate tags over tracks, 0 where one never changes."""
    centred = table - table.mean(axis=0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    centred /= np.where(lengths > 1e-9, lengths, np.inf)
    return np.asarray(centred.T @ centred)


def _telling(worth: NDArray[np.float64], alike: NDArray[np.float64], n: int) -> list[int]:
    """Choose tags one after the other; those that say what a chosen one said count less."""
    left = worth.copy()
    chosen: list[int] = []
    while len(chosen) < min(n, len(worth)):
        best = int(left.argmax())
        if left[best] <= 0 or (chosen and left[best] < 0.1 * worth[chosen[0]]):
            break
        chosen.append(best)
        left *= 1 - np.maximum(alike[best], 0) ** 2
        left[chosen] = -np.inf
    return chosen


def _told_apart(picked: list[list[int]], means: NDArray[np.float64]) -> list[list[int]]:
    """Give groups with the same tags one more, in which they stand above those that they are mistaken for."""
    by_tags: dict[frozenset[int], list[int]] = {}
    for g, chosen in enumerate(picked):
        by_tags.setdefault(frozenset(chosen), []).append(g)
    told = [list(chosen) for chosen in picked]
    for common, same in by_tags.items():
        for g in same if len(same) > 1 else ():
            others = means[[h for h in same if h != g]].mean(axis=0)
            worth = _worth(means[g], others)
            worth[list(common)] = -np.inf
            if len(common) < means.shape[1] and worth.max() > 0:
                told[g].append(int(worth.argmax()))
    return told


def _named(
    labels: list[int],
    picked: list[list[int]],
    sums: NDArray[np.float64],
    sizes: NDArray[np.float64],
    rest: NDArray[np.float64],
    tags: Sequence[str],
) -> list[ClusterName]:
    taken: set[frozenset[str]] = set()
    names = []
    for g, (label, chosen) in enumerate(zip(labels, picked, strict=True)):
        words = tuple(tags[k] for k in chosen)
        name, number = ", ".join(words) or "unnamed", 2
        key = frozenset(words)
        while key in taken:
            name, key = f"{', '.join(words) or 'unnamed'} ({number})", frozenset((*words, f"({number})"))
            number += 1
        taken.add(key)
        lifts = tuple(float(sums[g, k] / sizes[g] / max(rest[g, k], 1e-4)) for k in chosen)
        names.append(ClusterName(label, name, words, lifts, int(sizes[g])))
    return names
