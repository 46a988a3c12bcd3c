"""Sizes of musicnn; those of the published weights stand in the cards."""

import pytest

pytest.importorskip("torch")

from earmark.models.base import build


def test_the_big_version_counts_its_parameters() -> None:
    assert build("musicnn_won", n_mid=512, n_units=500).n_parameters == 7_972_000
    big = build("musicnn", n_mid=512, n_units=500)
    assert big.n_parameters == pytest.approx(7_972_000, rel=0.01)
    assert big.n_features == 500
