"""Make splits that keep groups whole and the tags in balance: iterative stratification over groups.

The greedy rule of Sechidis et al. (2011), with groups of tracks in place of single examples: take the tag that has the
fewest tracks left to place, give its largest group to the part that still wants most of the tag, and so on until every
group is placed. Ties are broken by which part wants most tracks in all, then by a seeded random order. Groups as large
as an artist's work leave the parts uneven, so the result is then improved by moving and swapping groups. The same
tracks, tags and seed give the same split, whatever order the tracks come in.

References
----------
Sechidis, K., Tsoumakas, G. and Vlahavas, I. "On the stratification of multi-label data", ECML PKDD 2011.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.datasets.base import Split, Track, by_frequency, count_tags
from earmark.errors import UsageError
from earmark.vocabulary import SPLITS

By = Literal["artist", "album", "track", "id"]
PARTS = {"train": 12.0, "validation": 1.0, "test": 3.0}
"""12 : 1 : 3, the proportions of the published MagnaTagATune split."""
MOST_PASSES = 20
MOST_SWAPPED = 1000
MOST_CELLS = 1 << 25  # of groups times tags
BLOCK_CELLS = 1 << 15  # of groups times parts times tags, looked at together


def split_by_group(
    tracks: Iterable[Track],
    *,
    by: By = "artist",
    parts: Mapping[str, float] = PARTS,
    seed: int = 0,
    tags: Sequence[str] | None = None,
    name: str = "",
    left_out: Mapping[str, str] | None = None,
) -> Split:
    """Split tracks so that no group stands in two parts and every part has its share of every tag.

    Parameters
    ----------
    tracks : to split
    by : which group stays whole: all tracks of an artist, of an album, all clips of one recording ("track"), or "id",
        every track for itself. A track without such a key is a group of its own.
    parts : part to its share, in any unit
    seed : another one gives another split
    tags : that are balanced, all unless given; of more than there is memory for (`MOST_CELLS`) the most frequent
    name : of the split
    left_out : id to the reason of tracks that go into no part

    Returns
    -------
    a split of all tracks

    Raises
    ------
    UsageError
        If there are fewer groups than parts, or a share is not positive.
    """
    _check(by, parts)
    reasons = dict(left_out or {})
    everyone = list(tracks)
    usable = [track for track in everyone if track.id not in reasons]
    groups = sorted({group_key(track, by) for track in usable})
    if len(groups) < len(parts):
        what = ("track" if by == "id" else "group") + ("s" if len(groups) != 1 else "")
        what += "" if by == "id" else f" by {by}"
        hint = "it takes more tracks" if by == "id" else "split by id, or by track"
        raise UsageError(f"{len(groups)} {what} cannot fill {len(parts)} parts, one in each", hint=hint)
    shares = np.array(list(parts.values()), np.float64)
    chosen = stratify(_group_counts(usable, groups, by, tags), shares / shares.sum(), _order(groups, seed))
    part_of = dict(zip(groups, chosen.tolist(), strict=True))
    ids: list[list[str]] = [[] for _ in parts]
    for track in usable:
        ids[part_of[group_key(track, by)]].append(track.id)
    what = "tracks" if by == "id" else f"tracks, every {'recording' if by == 'track' else by} in one part"
    proportions = ":".join(f"{share:g}" for share in parts.values())
    return Split(
        name or f"{by}-{seed}",
        f"earmark's: {proportions}, iterative stratification of {what}, seed {seed}",
        {part: tuple(listed) for part, listed in zip(parts, ids, strict=True)},
        {track.id: reasons[track.id] for track in everyone if track.id in reasons},
    )


def folds(
    tracks: Iterable[Track], n_folds: int, *, by: By = "id", seed: int = 0, tags: Sequence[str] | None = None
) -> list[tuple[str, ...]]:
    """Deal tracks into folds of equal size and equal tags.

    Parameters
    ----------
    tracks, by, seed, tags : see `split_by_group`
    n_folds : at least 2

    Returns
    -------
    the ids of each fold

    Raises
    ------
    UsageError
        If there are fewer groups than folds.
    """
    everyone = list(tracks)
    groups = sorted({group_key(track, by) for track in everyone})
    if not 2 <= n_folds <= len(groups):
        raise UsageError(f"{n_folds} folds of {len(groups)} groups by {by}", hint="2 or more, and no more than groups")
    counts = _group_counts(everyone, groups, by, tags)
    chosen = stratify(counts, np.full(n_folds, 1 / n_folds), _order(groups, seed))
    fold_of = dict(zip(groups, chosen.tolist(), strict=True))
    return [tuple(t.id for t in everyone if fold_of[group_key(t, by)] == fold) for fold in range(n_folds)]


def fold_split(
    name: str, description: str, listed: Sequence[Sequence[str]], fold: int, tracks: Sequence[Track]
) -> Split:
    """Make the split that tests on one fold and trains on the others.

    Parameters
    ----------
    name, description : see `Split`
    listed : ids of each fold
    fold : which one is the test, from 0
    tracks : all there are; those in no fold are left out
    """
    train = {id for i, ids in enumerate(listed) if i != fold for id in ids}
    test = set(listed[fold])
    parts = {
        "train": tuple(track.id for track in tracks if track.id in train),
        "test": tuple(track.id for track in tracks if track.id in test),
    }
    return Split(name, description, parts, {t.id: "in no fold" for t in tracks if t.id not in train | test})


def group_key(track: Track, by: By) -> tuple[int, str]:
    """Return what stands for the group of a track; one without such a key is a group of its own."""
    key = "" if by == "id" else track.groups.get(by, "")
    return (1, key) if key else (0, track.id)


def stratify(counts: NDArray[np.int64], shares: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place groups into parts.

    Parameters
    ----------
    counts : shape (n_groups, 1 + K); the tracks of each group, then those with each tag
    shares : shape (n_parts,), of sum 1
    order : shape (n_groups,), a permutation that breaks ties

    Returns
    -------
    shape (n_groups,), the part of each group; no part is empty
    """
    sizes, tagged = counts[order, 0], counts[order, 1:]
    wanted = np.outer(shares, counts.sum(axis=0)).astype(np.float64)  # (n_parts, 1 + K)
    left = tagged.sum(axis=0)
    part = np.full(len(order), -1)
    queues: dict[int, Iterator[int]] = {}  # tag to the groups that have it, the largest first

    def place(group: int, demand: NDArray[np.float64]) -> None:
        best = np.flatnonzero(demand >= demand.max() - 1e-9)
        target = int(best[wanted[best, 0].argmax()])
        part[group] = target
        wanted[target, 0] -= sizes[group]
        wanted[target, 1:] -= tagged[group]

    while left.any():
        tag = int(np.where(left > 0, left, left.max() + 1).argmin())
        if tag not in queues:
            queues[tag] = _largest_first(tagged[:, tag])
        group = next(group for group in queues[tag] if part[group] < 0)
        place(group, wanted[:, 1 + tag])
        left = left - tagged[group]
    for group in _largest_first(sizes):  # what is left has no tag
        if part[group] < 0:
            place(group, wanted[:, 0])
    placed = np.empty(len(order), dtype=np.int64)
    placed[order] = part
    for empty in np.setdiff1d(np.arange(len(shares)), placed):  # the smallest group of a part that has several
        movable = order[np.bincount(placed, minlength=len(shares))[placed[order]] > 1]
        placed[movable[counts[movable, 0].argmin()]] = empty
    return refine(counts, shares, placed, order)


def refine(
    counts: NDArray[np.int64], shares: NDArray[np.float64], part: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Move groups to other parts, and swap pairs of them, as long as that brings the tags nearer to their shares.

    Parameters
    ----------
    counts, shares, order : see `stratify`
    part : shape (n_groups,), where to begin

    Returns
    -------
    shape (n_groups,), the part of each group

    Notes
    -----
    What is made small is the sum over parts and tags of (tracks - wanted)² / wanted, the number of tracks in all
    counting as much as a fifth of the tags. Swaps are tried for up to `MOST_SWAPPED` groups.
    """
    part, values = part.copy(), counts.astype(np.float64)
    values[:, 0] *= np.sqrt(max(counts.shape[1] / 5, 1.0))
    wanted = np.outer(shares, values.sum(axis=0))
    inverse = 1 / np.maximum(wanted, 1.0)
    have = np.zeros_like(wanted)
    np.add.at(have, part, values)
    for _ in range(MOST_PASSES):
        changed = _move(values, wanted, inverse, have, part, order)
        if len(order) <= MOST_SWAPPED:
            changed |= _swap(values, wanted, inverse, have, part, order)
        if not changed:
            break
    return part


def _move(
    values: NDArray[np.float64],
    wanted: NDArray[np.float64],
    inverse: NDArray[np.float64],
    have: NDArray[np.float64],
    part: NDArray[np.int64],
    order: NDArray[np.int64],
) -> bool:
    """Move every group in turn to where it helps most; changes `have` and `part`.

    Notes
    -----
    Gains are computed for a block of groups at a time and hold until one of them moves, which most do not.
    """
    members = np.bincount(part, minlength=len(have))
    largest = max(BLOCK_CELLS // have.size, 1)
    changed, first, n = False, 0, 1
    while first < len(order):
        block = order[first : first + n]
        gains = _gains(have - wanted, inverse, values[block], part[block])
        targets = gains.argmax(axis=1)
        helps = (gains[np.arange(len(block)), targets] > 1e-9) & (members[part[block]] > 1)
        i = int(helps.argmax())
        if not helps[i]:
            first, n = first + len(block), min(2 * n, largest)
            continue
        group, here, target = block[i], part[block[i]], targets[i]
        have[here] -= values[group]
        have[target] += values[group]
        members[here] -= 1
        members[target] += 1
        part[group], changed = target, True
        first, n = first + i + 1, max(n // 4, 1)
    return changed


def _gains(
    over: NDArray[np.float64], inverse: NDArray[np.float64], values: NDArray[np.float64], here: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return by how much the sum falls if a group moves from its part into each of the parts, shape (n, n_parts)."""
    square = values * values
    leaving = ((2 * over[here] * values - square) * inverse[here]).sum(axis=1)
    entering = ((2 * over * values[:, None] + square[:, None]) * inverse).sum(axis=2)  # (n, n_parts)
    gains: NDArray[np.float64] = leaving[:, None] - entering
    gains[np.arange(len(here)), here] = 0
    return gains


def _swap(
    values: NDArray[np.float64],
    wanted: NDArray[np.float64],
    inverse: NDArray[np.float64],
    have: NDArray[np.float64],
    part: NDArray[np.int64],
    order: NDArray[np.int64],
) -> bool:
    """Swap every group with the best partner in another part, where that helps; changes `have` and `part`."""
    changed = False
    for group in order:
        here = part[group]
        others = order[part[order] != here]
        there = part[others]
        change = values[others] - values[group]  # what this group's part gains, (n_others, 1 + K)
        over = have - wanted
        cost = ((2 * over[here] * change + change * change) * inverse[here]).sum(axis=1)
        cost += ((change * change - 2 * over[there] * change) * inverse[there]).sum(axis=1)
        best = int(cost.argmin())
        if cost[best] < -1e-9:
            have[here] += change[best]
            have[there[best]] -= change[best]
            part[group], part[others[best]] = there[best], here
            changed = True
    return changed


def _group_counts(
    tracks: Sequence[Track], groups: Sequence[tuple[int, str]], by: By, tags: Sequence[str] | None
) -> NDArray[np.int64]:
    chosen = sorted({tag for track in tracks for tag in track.tags}) if tags is None else list(tags)
    most = max(MOST_CELLS // max(len(groups), 1), 1)
    if len(chosen) > most:
        frequencies = count_tags(tracks)
        kept = set(by_frequency({tag: frequencies[tag] for tag in chosen})[:most])
        chosen = [tag for tag in chosen if tag in kept]
    row, column = {key: i for i, key in enumerate(groups)}, {tag: 1 + k for k, tag in enumerate(chosen)}
    counts = np.zeros((len(groups), 1 + len(chosen)), dtype=np.int64)
    for track in tracks:
        i = row[group_key(track, by)]
        counts[i, 0] += 1
        for tag in track.tags:
            if tag in column:
                counts[i, column[tag]] += 1
    return counts


def _largest_first(weights: NDArray[np.int64]) -> Iterator[int]:
    """Yield the places of weights above 0, the largest first, those of equal weight in their order."""
    yield from (int(i) for i in np.argsort(-weights, kind="stable")[: np.count_nonzero(weights)])


def _order(groups: Sequence[tuple[int, str]], seed: int) -> NDArray[np.int64]:
    """Return a random order that depends on the names and the seed alone, not on a generator's version."""
    digests = [
        hashlib.sha256(f"{seed}\0{kind}\0{key}".encode("utf-8", "surrogatepass")).digest() for kind, key in groups
    ]
    return np.array(sorted(range(len(groups)), key=digests.__getitem__), dtype=np.int64)


def _check(by: str, parts: Mapping[str, float]) -> None:
    if by not in get_args(By):
        raise UsageError(f"split by {by!r}", hint=f"one of {', '.join(get_args(By))}")
    if not parts or not all(0 < share < np.inf for share in parts.values()):
        raise UsageError(f"parts {dict(parts)}", hint="every part needs a share above 0, and no infinite one")
    for part in parts:
        if part not in SPLITS:
            raise UsageError(f"there is no part {part!r}", hint=f"one of {', '.join(SPLITS)}")
