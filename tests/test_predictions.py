"""Files of predictions: they hold what was put in, and a damaged one is told."""

from pathlib import Path

import numpy as np
import pytest

from earmark import predictions
from earmark.errors import InputError
from earmark.predictions import Predictions, load_predictions


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    made = Predictions(
        targets=generator.random((40, 3)) < 0.3, scores=generator.random((40, 3)).astype(np.float32),
        ids=tuple(f"track {i}" for i in range(40)), tags=("a", "b", "c"), model="run",
    )  # fmt: skip
    made.save(tmp_path / "test.npz")
    return tmp_path / "test.npz"


def test_damage_anywhere_is_told_or_harmless(stored: Path) -> None:
    whole, original = load_predictions(stored), stored.read_bytes()
    n_told = 0
    for place in range(0, len(original), 7):
        stored.write_bytes(original[:place] + bytes([original[place] ^ 0xFF]) + original[place + 1 :])
        try:
            found = load_predictions(stored)
        except InputError:
            n_told += 1
        else:
            assert np.array_equal(found.scores, whole.scores)
            assert found.ids == whole.ids
    assert n_told > len(original) // 7 // 2


def test_a_file_of_another_version_says_so(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "FORMAT", 2)
    with pytest.raises(InputError, match="written by another version"):
        load_predictions(stored)


@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_a_file_that_was_cut_is_told(stored: Path, size: int) -> None:
    stored.write_bytes(stored.read_bytes()[:size])
    with pytest.raises(InputError, match="holds no predictions"):
        load_predictions(stored)
