"""Maps of a library: any number of tracks, the same every time, groups, and names that set them apart."""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.library.mapping import cluster, name_clusters, project
from earmark.library.neighbours import nearest

TAGS = ("rock", "piano", "female vocals", "vocals", "harp")


def clusters(n: int, k: int = 5, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, k, n)
    centres = np.abs(random.normal(size=(k, 20))) * 4
    return (centres[labels] + random.normal(size=(n, 20))).astype(np.float32), labels


@pytest.mark.parametrize("n", [1, 2, 3, 11, 12, 20, 31])
@pytest.mark.parametrize("method", ["auto", "umap", "pca"])
def test_any_number_of_tracks_has_a_map(n: int, method: str) -> None:
    table, _ = clusters(n)
    found = project(table, method=method, n_rounds=20)  # type: ignore[arg-type]
    assert found.points.shape == (n, 2)
    assert np.isfinite(found.points).all()
    assert found.neighbours.shape == (n, min(15, n - 1))
    assert found.method == ("umap" if (n > 30 and method == "auto") or (n > 11 and method == "umap") else "pca")
    assert ("too few for umap" in found.note) == (method == "umap" and n < 12)
    assert cluster(table, found).shape == (n,)


def test_equal_tracks_have_a_map() -> None:
    for method in ("umap", "pca"):
        found = project(np.ones((20, 4)), method=method, n_rounds=20)  # type: ignore[arg-type]
        assert np.isfinite(found.points).all()
        assert cluster(np.ones((20, 4)), found, n=3).max() == 2
    assert project(np.ones((3, 1))).points.shape == (3, 2)


def test_the_map_is_the_same_every_time_and_lies_on_its_long_side() -> None:
    table, _ = clusters(200)
    first, second = project(table, n_rounds=50), project(table, n_rounds=50)
    assert first.method == "umap"
    assert (first.points == second.points).all()
    assert first.points[:, 0].std() > first.points[:, 1].std()
    np.testing.assert_allclose(first.points.mean(axis=0), 0, atol=1e-3)


def test_neighbourhoods_are_kept_better_by_umap_than_by_axes() -> None:
    table, labels = clusters(400, k=8)
    by_umap, by_axes = project(table, n_rounds=200), project(table, method="pca")
    assert by_umap.mean_rank is not None
    assert by_axes.mean_rank is not None
    assert by_umap.mean_rank < 0.5 * by_axes.mean_rank
    assert by_axes.explained is not None
    assert 0.2 < by_axes.explained < 1
    near = nearest(by_umap.points, 10)[0]
    assert (labels[near] == labels[:, None]).mean() > 0.95


def test_t_sne_keeps_groups_too() -> None:
    pytest.importorskip("sklearn")
    table, labels = clusters(80, k=4)
    found = project(table, method="tsne")
    assert found.method == "tsne"
    assert (labels[nearest(found.points, 5)[0]] == labels[:, None]).mean() > 0.95


def test_t_sne_without_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(MissingExtraError, match=r"\[library\]"):
        project(clusters(40)[0], method="tsne")


def test_what_cannot_be_mapped_is_refused() -> None:
    with pytest.raises(UsageError, match="no method 'isomap'"):
        project(np.ones((3, 2)), method="isomap")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="vector 1 holds NaN"):
        project([[1.0], [np.nan]])
    found = project(np.ones((3, 2)))
    with pytest.raises(UsageError, match="4 groups of 3 tracks"):
        cluster(np.ones((3, 2)), found, n=4)
    with pytest.raises(InputError, match="2 vectors, and a map of 3 tracks"):
        cluster(np.ones((2, 2)), found)


@pytest.mark.parametrize("method", ["umap", "pca"])
def test_groups_are_those_that_are_there_the_largest_first(method: str) -> None:
    table, labels = clusters(300, k=4)
    found = cluster(table, project(table, method=method, n_rounds=200), n=4)  # type: ignore[arg-type]
    sizes = np.bincount(found)
    assert (np.diff(sizes) <= 0).all()
    for label in range(4):
        assert np.bincount(labels[found == label]).max() / sizes[label] > 0.97


def test_every_group_that_is_asked_for_has_a_track() -> None:
    table = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    found = cluster(table, project(table, n_rounds=5), n=12)
    assert (np.bincount(found, minlength=12) > 0).all()


def test_the_number_of_groups_grows_with_the_library() -> None:
    sizes = {
        n: int(cluster(clusters(n)[0], project(clusters(n)[0], method="pca")).max()) + 1 for n in (1, 20, 100, 1500)
    }
    assert sizes == {1: 1, 20: 3, 100: 7, 1500: 24}


def scores(n: int = 60, seed: int = 0) -> NDArray[np.float64]:
    """Rock everywhere, piano in the first third, voices in the second, which come together, and a little harp."""
    random = np.random.default_rng(seed)
    table = random.uniform(0.0, 0.02, (n, len(TAGS)))
    third = n // 3
    table[:, 0] += 0.6
    table[:third, 1] += 0.5
    voices = random.uniform(0.3, 0.6, third)
    table[third : 2 * third, 2] += voices
    table[third : 2 * third, 3] += voices + 0.1
    table[2 * third :, 4] += 0.1
    return table


def test_names_are_what_sets_apart_and_not_the_commonest() -> None:
    labels = np.repeat([0, 1, 2], 20)
    first, second, third = name_clusters(labels, scores(), TAGS)
    assert first.tags[0] == "piano"
    assert second.tags[0] == "vocals"
    assert third.tags == ("harp",)
    assert all("rock" not in name.tags for name in (first, second, third))
    assert "female vocals" not in second.tags  # the same thing again
    assert (first.name, first.size) == (", ".join(first.tags), 20)
    assert first.lifts[0] > 20


def test_lifts_are_means_over_means_of_the_rest() -> None:
    table = scores()
    harp = name_clusters(np.repeat([0, 1, 2], 20), table, TAGS)[2]
    assert harp.lifts[0] == pytest.approx(table[40:, 4].mean() / table[:40, 4].mean())


def test_names_are_distinct_even_where_groups_are_not() -> None:
    table = np.tile(scores()[:20], (3, 1))
    labels = np.concatenate([np.repeat([0, 1, 2], 20)])
    table[20:40, 4] += 0.2
    names = [name.name for name in name_clusters(labels, table, TAGS)]
    assert len(set(names)) == 3
    same = name_clusters([0, 1], np.full((2, 2), 0.5), ["a", "b"])
    assert [name.name for name in same] == ["unnamed", "unnamed (2)"]


def test_groups_of_the_same_kind_get_the_tag_that_tells_them_apart() -> None:
    table = np.full((90, 4), 0.01)
    table[:60, 0] = 0.8
    table[:30, 1] = 0.04
    table[30:60, 2] = 0.04
    first, second, _ = name_clusters(np.repeat([0, 1, 2], 30), table, ["piano", "slow", "fast", "x"], n_tags=1)
    assert (first.name, second.name) == ("piano, slow", "piano, fast")


def test_tracks_without_a_group_and_libraries_of_one_group() -> None:
    assert name_clusters([-1, -1], np.zeros((2, 1)), ["a"]) == []
    alone = name_clusters(np.zeros(20, int), scores()[:20], TAGS, base_rates=[0.6, 0.1, 0.1, 0.1, 0.1])
    assert alone[0].tags[0] == "piano"
    assert name_clusters(np.zeros(20, int), scores()[:20], TAGS)[0].tags[0] == "rock"


def test_scores_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="do not go together"):
        name_clusters([0, 1], np.zeros((3, 1)), ["a"])
    with pytest.raises(InputError, match="from 0 to 1"):
        name_clusters([0], [[1.5]], ["a"])
