"""Splits that test on one fold of a dataset and train on the others: `fold-1`, `fold-2` and so on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from earmark.datasets.base import Split, Track
from earmark.datasets.splitting import By, fold_split, folds

Makers = dict[str, Callable[[], Split]]


def given_folds(listed: Mapping[int, Sequence[str]], tracks: Sequence[Track], whose: str) -> Makers:
    """Return the makers of splits by published folds.

    Parameters
    ----------
    listed : number of a fold to the ids of its tracks
    tracks : all there are
    whose : who published them

    Returns
    -------
    name of a split to what makes it
    """
    ids = tuple(listed.values())
    return {
        f"fold-{number}": _maker(
            number, f"test on fold {number}, train on the others ({whose})", lambda: ids, i, tracks
        )
        for i, number in enumerate(listed)
    }


def own_folds(tracks: Sequence[Track], n_folds: int, note: str, *, by: By = "id") -> Makers:
    """Return the makers of splits by earmark's folds, which are dealt when the first is asked for.

    Parameters
    ----------
    tracks : all there are
    n_folds : how many
    note : what must be known of them
    by : see `folds`

    Returns
    -------
    name of a split to what makes it
    """

    @cache
    def dealt() -> tuple[tuple[str, ...], ...]:
        return tuple(folds(tracks, n_folds, by=by))

    what = f"the others; earmark's {n_folds} stratified folds, seed 0; {note}"
    return {
        f"fold-{i + 1}": _maker(i + 1, f"test on fold {i + 1}, train on {what}", dealt, i, tracks)
        for i in range(n_folds)
    }


def _maker(
    number: int, description: str, listed: Callable[[], Sequence[Sequence[str]]], fold: int, tracks: Iterable[Track]
) -> Callable[[], Split]:
    return lambda: fold_split(f"fold-{number}", description, listed(), fold, tuple(tracks))
