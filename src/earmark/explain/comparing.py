"""Compare networks by what they say of the same songs: how alike their layers are, which channels they share.

References
----------
Kornblith, S. et al. "Similarity of neural network representations revisited", ICML 2019 (linear CKA).
Song, L. et al. "Feature selection via dependence maximization", JMLR 13, 2012, equation 4 (HSIC without bias).
Nguyen, T., Raghu, M. and Kornblith, S. "Do wide and deep networks learn the same things?", ICLR 2021 (CKA with it).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UsageError
from earmark.explain.activations import Activations
from earmark.explain.cells import Cells, hear, shifts
from earmark.explain.opening import Model, Song, check_layers, open_model

Floats = NDArray[np.float64]

_FEWEST_MOMENTS = 4  # that have an unbiased CKA


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerLikeness:
    """How alike the layers of two networks are.

    Parameters
    ----------
    models : names of both
    layers_a, layers_b : names
    cka : linear CKA, shape (len(layers_a), len(layers_b)); NaN where a layer says the same all the time, or there are
        fewer than four moments
    chance : mean CKA where one network's answers are shifted in time against the other's, of the same shape: what
        layers have in common that change as slowly, whatever they hear
    n_moments : that the two layers were compared in, of all songs together, of the same shape
    n_cells : of the songs; fewer count where steps see padding
    cell_seconds : length of a cell
    """

    models: tuple[str, str]
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    cka: Floats
    chance: Floats
    n_moments: NDArray[np.intp]
    n_cells: int
    cell_seconds: float

    def best(self) -> tuple[str, str, float]:
        """Return the two layers that are most alike, and their CKA.

        Pairs that were compared in less than a quarter of the most moments are passed over: theirs are unsure.

        Raises
        ------
        InputError
            If no two can be compared.
        """
        if np.isnan(self.cka).all():
            raise InputError("no two layers vary in these songs", hint="other songs, or other layers")
        known = np.isfinite(self.cka)
        sure = known & (self.n_moments >= self.n_moments[known].max() / 4)
        i, j = np.unravel_index(int(np.where(sure, self.cka, -np.inf).argmax()), self.cka.shape)
        return self.layers_a[int(i)], self.layers_b[int(j)], float(self.cka[i, j])


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelMatches:
    """Which channels of two layers do the same over time.

    Parameters
    ----------
    models, layers : names, of both
    partner_a : of each channel of the first, the channel of the second that it is most correlated with, shape (C_a,)
    correlation_a : with that one, shape (C_a,); 0 where a channel says the same all the time
    partner_b, correlation_b : the other way round, shape (C_b,)
    shared : pairs of channels that are each other's best, at `threshold` or above, the most alike first, shape (N, 2)
    unique_a, unique_b : channels that no channel of the other is correlated with as much, the most unlike first
    silent_a, silent_b : channels that say the same all the time; they are neither
    threshold : correlation
    chance : correlation with its best partner that 95 of 100 channels stay below where one network's answers are
        shifted in time against the other's; a threshold below it says nothing
    n_cells : moments that were compared
    """

    models: tuple[str, str]
    layers: tuple[str, str]
    partner_a: NDArray[np.intp]
    correlation_a: Floats
    partner_b: NDArray[np.intp]
    correlation_b: Floats
    shared: NDArray[np.intp]
    unique_a: NDArray[np.intp]
    unique_b: NDArray[np.intp]
    silent_a: NDArray[np.intp]
    silent_b: NDArray[np.intp]
    threshold: float
    chance: float
    n_cells: int


def linear_cka(x: Floats, y: Floats, *, is_unbiased: bool = True) -> float:
    """Return the linear CKA of two sets of features of the same items.

    Parameters
    ----------
    x, y : shapes (n, p) and (n, q)
    is_unbiased : estimate without the bias of few items and many features, which makes anything look alike; it may fall
        a little below 0, and needs four items

    Returns
    -------
    1 for features that are a rotation, a shift and a scaling of each other, about 0 for independent ones; NaN if one
    is constant

    Raises
    ------
    InputError
        If the shapes do not fit, or there are too few items.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((100, 8))
    >>> round(linear_cka(x, 3 * x[:, ::-1] + 1), 6)
    1.0
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise InputError(f"features of shapes {x.shape} and {y.shape}", hint="(n, p) and (n, q), of the same n items")
    if len(x) < (4 if is_unbiased else 2):
        raise InputError(f"{len(x)} items are too few to compare", hint="four at least: more songs, or shorter cells")
    return _cka(_gram(x, is_unbiased), _gram(y, is_unbiased), is_unbiased)


def _gram(x: Floats, is_unbiased: bool) -> Floats:
    """Return the Gram matrix of centred features, shape (n, n); without bias, with a diagonal of zeros."""
    centred = np.asarray(x, np.float64) - x.mean(axis=0)
    gram: Floats = centred @ centred.T
    if is_unbiased:
        np.fill_diagonal(gram, 0.0)
    return gram


def _centred(gram: Floats, is_unbiased: bool) -> Floats:
    """Centre the features that a Gram matrix is of; without bias, with a diagonal of zeros."""
    rows = gram.mean(axis=0, keepdims=True)
    centred: Floats = gram - rows - rows.T + gram.mean()
    if np.abs(centred).max() <= 1e-12 * np.abs(gram).max():  # all alike, but for rounding
        return np.zeros_like(gram)
    if is_unbiased:
        np.fill_diagonal(centred, 0.0)
    return centred


def _cka(one: Floats, other: Floats, is_unbiased: bool) -> float:
    hsic = _unbiased_hsic if is_unbiased else _hsic
    own = hsic(one, one) * hsic(other, other)
    return hsic(one, other) / float(np.sqrt(own)) if own > 0 else float("nan")


def _hsic(one: Floats, other: Floats) -> float:
    return float((one * other).sum())


def _unbiased_hsic(one: Floats, other: Floats) -> float:
    n = len(one)
    rows, columns = one.sum(axis=1), other.sum(axis=1)
    middle = rows.sum() * columns.sum() / ((n - 1) * (n - 2))
    return float((one * other).sum() + middle - 2.0 / (n - 2) * (rows @ columns)) / (n * (n - 3))


def cka(
    model_a: Model,
    model_b: Model,
    songs: Sequence[Song],
    *,
    layers_a: Sequence[str] | None = None,
    layers_b: Sequence[str] | None = None,
    cell_seconds: float = 0.5,
    sample_rate: int | None = None,
    is_unbiased: bool = True,
) -> LayerLikeness:
    """Compare the layers of two networks on songs by linear CKA.

    Parameters
    ----------
    model_a, model_b : networks, or their cards, names or paths
    songs : paths, bytes, files; or samples, shape (n,) or (n_channels, n), at `sample_rate`
    layers_a, layers_b : names; all unless given
    cell_seconds : length of the moments that are compared
    sample_rate : Hz, of songs that are given as samples
    is_unbiased : see `linear_cka`

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.
    InputError
        If a song cannot be read or is silent, or all together are too short to compare any two layers.

    Notes
    -----
    A layer's features of a moment are its channels and rows, averaged over the steps that lie in it. Where the steps of
    one of two layers are farther apart than a cell, the two are compared in moments as long as such a step: a layer
    that has one step for a chunk is compared chunk by chunk. Repeating its answer in every cell would make any two such
    layers look alike. For the same reason steps that see the padding at the ends of a chunk are left out where a layer
    has others: see `Cells`.
    """
    networks = open_model(model_a), open_model(model_b)
    names = [check_layers(network, own) for network, own in zip(networks, (layers_a, layers_b), strict=True)]
    heard = [
        hear(network, songs, own, cell_seconds=cell_seconds, sample_rate=sample_rate)
        for network, own in zip(networks, names, strict=True)
    ]
    return likeness_of(heard[0], heard[1], cell_seconds=cell_seconds, is_unbiased=is_unbiased)


def likeness_of(
    a: Sequence[Activations], b: Sequence[Activations], *, cell_seconds: float = 0.5, is_unbiased: bool = True
) -> LayerLikeness:
    """Compare the layers of two networks that have heard the same songs.

    Parameters
    ----------
    a, b : of every song the maps of the first network, and those of the second
    cell_seconds, is_unbiased : as of `cka`

    Raises
    ------
    InputError
        If the songs are too short to compare any two layers.
    """
    cells = Cells(a, b, cell_seconds, has_rows=True)
    shape = len(a[0].layers), len(b[0].layers)
    values, chances, counts = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.intp)
    grams: dict[tuple[int, str, int], tuple[Floats, NDArray[np.bool_]]] = {}

    def gram(side: int, layer: str, n: int) -> tuple[Floats, NDArray[np.bool_]]:
        if (side, layer, n) not in grams:
            table, mask = cells.table(side, layer, n)
            grams[side, layer, n] = _gram(table, is_unbiased=False), mask
        return grams[side, layer, n]

    for i, one in enumerate(a[0].layers):
        for j, other in enumerate(b[0].layers):
            n = max(cells.group(0, one), cells.group(1, other))
            if cells.n_moments(n) < _FEWEST_MOMENTS:
                counts[i, j] = cells.n_moments(n)
                continue
            (x, counts_x), (y, counts_y) = gram(0, one, n), gram(1, other, n)
            both = np.flatnonzero(counts_x & counts_y)
            counts[i, j] = len(both)
            if counts[i, j] >= _FEWEST_MOMENTS:
                x, y = (_centred(whole[np.ix_(both, both)], is_unbiased) for whole in (x, y))
                values[i, j] = _cka(x, y, is_unbiased)
                chances[i, j] = np.mean([_cka(x, np.roll(y, (k, k), (0, 1)), is_unbiased) for k in shifts(len(x))])
    if counts.max() < _FEWEST_MOMENTS:
        raise InputError(f"{counts.max()} cells of {cell_seconds:g} s are too few", hint="more songs, or shorter cells")
    return LayerLikeness(
        models=(a[0].model, b[0].model),
        layers_a=tuple(a[0].layers),
        layers_b=tuple(b[0].layers),
        cka=values,
        chance=chances,
        n_moments=counts,
        n_cells=cells.n_moments(1),
        cell_seconds=cell_seconds,
    )


def match_channels(
    model_a: Model,
    model_b: Model,
    songs: Sequence[Song],
    *,
    layer_a: str,
    layer_b: str,
    threshold: float = 0.7,
    cell_seconds: float = 0.1,
    sample_rate: int | None = None,
) -> ChannelMatches:
    """Find the channels that two networks share, and those that one has alone.

    Parameters
    ----------
    model_a, model_b, songs, cell_seconds, sample_rate : as of `cka`
    layer_a, layer_b : names
    threshold : correlation from which on two channels count as the same

    Raises
    ------
    UnknownNameError
        If there is no such model or layer.
    UsageError
        If the threshold is not above 0 and at most 1.
    InputError
        As of `cka`.

    Notes
    -----
    Channels are averaged over their rows, then correlated over all moments of all songs (Pearson). A channel that does
    the opposite of another is not the same.
    """
    networks = open_model(model_a), open_model(model_b)
    for network, layer in zip(networks, (layer_a, layer_b), strict=True):
        check_layers(network, layer)
    check_threshold(threshold)
    heard = [
        hear(network, songs, [layer], cell_seconds=cell_seconds, sample_rate=sample_rate)
        for network, layer in zip(networks, (layer_a, layer_b), strict=True)
    ]
    return match_heard(
        heard[0], heard[1], layer_a=layer_a, layer_b=layer_b, threshold=threshold, cell_seconds=cell_seconds
    )


def check_threshold(threshold: float) -> None:
    """Raise `UsageError` if a correlation from which on channels are the same is not above 0 and at most 1."""
    if not 0 < threshold <= 1:
        raise UsageError(f"threshold={threshold}", hint="above 0, at most 1")


def match_heard(
    a: Sequence[Activations],
    b: Sequence[Activations],
    *,
    layer_a: str,
    layer_b: str,
    threshold: float = 0.7,
    cell_seconds: float = 0.1,
) -> ChannelMatches:
    """Match the channels of two networks that have heard the same songs.

    Parameters
    ----------
    a, b : of every song the maps of the first network, and those of the second
    layer_a, layer_b, threshold, cell_seconds : as of `match_channels`

    Raises
    ------
    InputError
        If the songs are too short.
    """
    cells = Cells(a, b, cell_seconds, has_rows=False)
    n = max(cells.group(0, layer_a), cells.group(1, layer_b))
    (x, counts_x), (y, counts_y) = cells.table(0, layer_a, n), cells.table(1, layer_b, n)
    both = counts_x & counts_y
    return matches_of(x[both], y[both], threshold=threshold, models=(a[0].model, b[0].model), layers=(layer_a, layer_b))


def matches_of(
    a: Floats,
    b: Floats,
    *,
    threshold: float = 0.7,
    models: tuple[str, str] = ("", ""),
    layers: tuple[str, str] = ("", ""),
) -> ChannelMatches:
    """Match channels by their correlation over time.

    Parameters
    ----------
    a, b : shapes (n, C_a) and (n, C_b), n moments
    threshold, models, layers : see `ChannelMatches`

    Raises
    ------
    InputError
        If the shapes do not fit, or there are fewer than four moments.
    """
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or len(a) < 4:
        raise InputError(f"channels of shapes {a.shape} and {b.shape}", hint="(n, C), of the same n moments, 4 or more")
    one, other = _standardised(a), _standardised(b)
    r = np.clip(one.T @ other, -1.0, 1.0)  # (C_a, C_b)
    lives_a, lives_b = one.any(axis=0), other.any(axis=0)
    partner_a, partner_b = r.argmax(axis=1), r.argmax(axis=0)
    best_a, best_b = r.max(axis=1), r.max(axis=0)
    index = np.arange(len(partner_a))
    mutual = np.flatnonzero((partner_b[partner_a] == index) & (best_a >= threshold))
    mutual = mutual[np.argsort(-best_a[mutual], kind="stable")]
    alone_a, alone_b = np.flatnonzero(lives_a & (best_a < threshold)), np.flatnonzero(lives_b & (best_b < threshold))
    return ChannelMatches(
        models=models,
        layers=layers,
        partner_a=partner_a,
        correlation_a=best_a,
        partner_b=partner_b,
        correlation_b=best_b,
        shared=np.stack([mutual, partner_a[mutual]], axis=1),
        unique_a=alone_a[np.argsort(best_a[alone_a], kind="stable")],
        unique_b=alone_b[np.argsort(best_b[alone_b], kind="stable")],
        silent_a=np.flatnonzero(~lives_a),
        silent_b=np.flatnonzero(~lives_b),
        threshold=threshold,
        chance=_best_by_chance(one, other),
        n_cells=len(a),
    )


def _best_by_chance(one: Floats, other: Floats) -> float:
    """Return the correlation with the best partner that 95 of 100 channels stay below, of moments that do not fit."""
    alive, partners = one[:, one.any(axis=0)], other[:, other.any(axis=0)]
    if not alive.shape[1] or not partners.shape[1]:
        return 0.0
    best = [(alive.T @ np.roll(partners, k, axis=0)).max(axis=1) for k in shifts(len(one))]
    return float(np.quantile(np.concatenate(best), 0.95))


def _standardised(x: Floats) -> Floats:
    """Centre columns and bring them to length one; those that hardly vary become zero."""
    centred = np.asarray(x, np.float64) - x.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    least = 1e-6 * np.sqrt(len(x)) * np.abs(x).max(axis=0)
    unit: Floats = np.zeros_like(centred)
    np.divide(centred, length, out=unit, where=length > np.maximum(least, 1e-30))
    return unit
