"""UMAP in numpy: its parts against their definitions, the whole against what it is for."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.library.layout import belonging, join, place
from earmark.library.neighbours import nearest, principal


def clusters(n: int, k: int = 5, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, k, n)
    centres = random.normal(size=(k, 10)) * 4
    return (centres[labels] + random.normal(size=(n, 10))).astype(np.float32), labels


def test_neighbours_belong_as_the_paper_says() -> None:
    distances = np.sort(np.random.default_rng(0).uniform(1, 5, (50, 15)), axis=1)
    belongs = belonging(distances)
    assert (belongs[:, 0] == 1).all()
    assert (np.diff(belongs, axis=1) <= 0).all()
    np.testing.assert_allclose(belongs.sum(axis=1), np.log2(16), rtol=1e-6)


def test_equal_tracks_belong_together_wholly() -> None:
    assert (belonging(np.zeros((3, 4))) == 1).all()


def test_edges_join_what_both_sides_say() -> None:
    graph = join(np.array([[1], [0], [0]]), np.array([[0.5], [0.4], [1.0]]))
    edges = dict(zip(zip(graph.heads.tolist(), graph.tails.tolist(), strict=True), graph.weights.tolist(), strict=True))
    assert edges == pytest.approx({(0, 1): 0.7, (1, 0): 0.7, (0, 2): 1.0, (2, 0): 1.0})
    assert graph.starts.tolist() == [0, 2, 3]


def test_groups_stay_whole_and_apart() -> None:
    table, labels = clusters(400)
    which, far = nearest(table, 15)
    points = place(join(which, belonging(far)), principal(table, 2)[0], n_rounds=200)
    near = nearest(points, 10)[0]
    assert (labels[near] == labels[:, None]).mean() > 0.98
    by_axes = nearest(principal(table, 2)[0], 10)[0]
    assert (labels[near] == labels[:, None]).mean() > (labels[by_axes] == labels[:, None]).mean()


def test_one_seed_one_map() -> None:
    table, _ = clusters(60)
    which, far = nearest(table, 5)
    graph, start = join(which, belonging(far)), principal(table, 2)[0]
    first = place(graph, start, n_rounds=30)
    assert (first == place(graph, start, n_rounds=30)).all()
    assert (first != place(graph, start, seed=1, n_rounds=30)).any()


@pytest.mark.slow
def test_it_keeps_neighbourhoods_as_well_as_the_authors_program() -> None:
    umap = pytest.importorskip("umap")
    manifold = pytest.importorskip("sklearn.manifold")
    table, _ = clusters(1000, k=20)
    which, far = nearest(table, 15)
    own = place(join(which, belonging(far)), principal(table, 2)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = umap.UMAP(random_state=0, n_jobs=1).fit_transform(table)
    ours, reference = (manifold.trustworthiness(table, points, n_neighbors=10) for points in (own, theirs))
    assert ours > reference - 0.005
