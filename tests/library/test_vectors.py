"""Search vectors: of unit length, every model counts the same, and what all sounds share says nothing."""

import numpy as np
import pytest

from earmark.errors import InputError
from earmark.library.vectors import Background, backgrounds, search_vector
from earmark.models.weights import get_card
from earmark.tagger import PRESETS

STANDARD = tuple((name, 200) for name in PRESETS["standard"])


@pytest.fixture
def embeddings() -> np.ndarray:
    return np.random.default_rng(0).normal(0.2, 0.6, (5, 400)).astype(np.float32)


def test_length_is_one_and_rows_do_not_mix(embeddings: np.ndarray) -> None:
    together = search_vector(embeddings, STANDARD)
    assert together.shape == (5, 400)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for row, one in zip(together, embeddings, strict=True):
        np.testing.assert_allclose(search_vector(one, STANDARD), row, atol=1e-6)


def test_every_model_counts_the_same(embeddings: np.ndarray) -> None:
    halves = search_vector(embeddings, STANDARD).reshape(5, 2, 200)
    np.testing.assert_allclose(np.linalg.norm(halves, axis=2), np.sqrt(0.5), atol=1e-6)
    alone = search_vector(embeddings[:, :200], STANDARD[:1])
    np.testing.assert_allclose(alone, halves[:, 0] * np.sqrt(2), atol=1e-6)


def test_what_all_sounds_share_says_nothing(embeddings: np.ndarray) -> None:
    known = backgrounds()["musicnn.pons_msd"]
    along = 5 * known.directions[0] / np.linalg.norm(known.directions[0])
    across = np.zeros(200, np.float32)
    across[0] = 5
    across -= (across @ known.directions.T) @ known.directions
    strong, weak = (np.linalg.norm(known.remove(known.mean + step)) for step in (along, across))
    assert strong < 0.1 * np.linalg.norm(along)
    assert weak > 0.5 * np.linalg.norm(across)


@pytest.mark.parametrize("name", PRESETS["full"])
def test_models_of_the_presets_have_constants(name: str) -> None:
    known = backgrounds()[name]
    size = get_card(name).n_features
    assert known.mean.shape == (size,)
    assert known.directions.shape[1:] == (size,)
    shares = np.linalg.norm(known.directions, axis=1) ** 2
    assert np.all((shares > 0) & (shares < 1))
    assert np.all(np.diff(shares) < 1e-3), "the strongest directions are held down the most"
    cosines = (known.directions @ known.directions.T) / np.sqrt(np.outer(shares, shares))
    np.testing.assert_allclose(cosines, np.eye(len(shares)), atol=0.02)


def test_a_model_without_constants_keeps_its_direction() -> None:
    vector = search_vector([0.0, 3.0, 4.0], [("somebody.elses", 3)])
    np.testing.assert_allclose(vector, [0, 0.6, 0.8], atol=1e-6)
    np.testing.assert_allclose(search_vector([0.0, 3.0, 4.0]), vector)


def test_constants_are_not_applied_to_another_size() -> None:
    vector = search_vector([3.0, 4.0], [("musicnn.pons_msd", 2)])
    np.testing.assert_allclose(vector, [0.6, 0.8], atol=1e-6)


def test_background_holds_a_direction_down_by_its_share() -> None:
    background = Background(np.array([1, 1], np.float32), np.array([[np.sqrt(0.75), 0]], np.float32))
    np.testing.assert_allclose(background.remove(np.array([5, 3], np.float32)), [1, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("embedding", "parts", "match"),
    [
        ([1.0, 2.0], [("a", 3)], "parts of the sizes 3"),
        ([], (), "shape"),
        (1.0, (), "shape"),
        ([1.0, np.nan], (), "NaN or infinity"),
        ([1.0, np.inf], (), "NaN or infinity"),
        ([0.0, 0.0], (), "zeros"),
        ([[1.0, 0.0], [0.0, 0.0]], (), "zeros"),
    ],
)
def test_what_cannot_be_compared_is_an_error(embedding: object, parts: list[tuple[str, int]], match: str) -> None:
    with pytest.raises(InputError, match=match):
        search_vector(embedding, parts)  # type: ignore[arg-type]


def test_huge_and_tiny_values_keep_their_direction() -> None:
    for scale in (1e-30, 1e30):
        np.testing.assert_allclose(search_vector(np.array([3.0, 4.0]) * scale), [0.6, 0.8], atol=1e-6)
