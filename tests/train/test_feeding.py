"""Which tracks an epoch hears, and that pieces of a batch are the batch."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from earmark.train.feeding import REPEAT, drawn, n_batches, steps
from earmark.train.options import RunOptions


class Counted:
    """Crops that say which track and epoch they are of."""

    shape = (2,)

    def at(self, index: int, epoch: int) -> np.ndarray:
        return np.array([index, epoch], np.float32)


def targets(counts: list[int], untagged: int = 0) -> np.ndarray:
    rows = [[k == column for column in range(len(counts))] for k, count in enumerate(counts) for _ in range(count)]
    return np.array(rows + [[False] * len(counts)] * untagged)


def test_every_track_once_in_another_order_each_epoch() -> None:
    options = RunOptions(seed=3)
    first, second = drawn(targets([5, 95]), options, 0), drawn(targets([5, 95]), options, 1)
    assert sorted(index for index, _ in first) == list(range(100))
    assert {epoch for _, epoch in first} == {0}
    assert [index for index, _ in first] != [index for index, _ in second]


def test_balanced_epochs_hear_rare_tags_as_often_as_frequent_ones() -> None:
    chosen = [one for epoch in range(40) for one in drawn(targets([5, 95]), RunOptions(balance="tags"), epoch)]
    share = np.mean([index < 5 for index, _ in chosen])
    assert share == pytest.approx(0.5, abs=0.03)
    everyone = {index for index, _ in chosen}
    assert len(everyone) > 95, "frequent tags keep their variety over the epochs"


def test_a_track_that_is_drawn_twice_has_two_crops() -> None:
    chosen = drawn(targets([1, 30]), RunOptions(balance="tags"), 2)
    epochs = [epoch for index, epoch in chosen if index == 0]
    assert epochs == [2 + REPEAT * i for i in range(len(epochs))]
    assert len(epochs) > 5


def test_tracks_without_a_tag_count_as_a_tag_of_their_own() -> None:
    chosen = drawn(targets([40], untagged=4), RunOptions(balance="tags", seed=1), 0)
    many = [one for epoch in range(30) for one in drawn(targets([40], untagged=4), RunOptions(balance="tags"), epoch)]
    assert len(chosen) == 44
    assert np.mean([index >= 40 for index, _ in many]) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (1, 3), (2, 1), (2, 2)])
def test_the_pieces_of_all_devices_are_the_batches(world: int, accumulate: int) -> None:
    options = RunOptions(batch_size=12, accumulate=accumulate)
    chosen = [(i, 0) for i in range(50)]
    of_rank = [list(steps(Counted(), chosen, options, rank=rank, world=world)) for rank in range(world)]
    assert {len(batches) for batches in of_rank} == {n_batches(50, options)} == {4}
    for number in range(4):
        pieces = [piece for batches in of_rank for piece in batches[number]]
        assert len(pieces) == world * accumulate
        assert np.concatenate([piece.indices for piece in pieces]).tolist() == list(
            range(12 * number, 12 * number + 12)
        )
        assert sum(piece.share for piece in pieces) == pytest.approx(1)
        assert all(piece.crops[:, 0].tolist() == piece.indices.tolist() for piece in pieces)


def test_a_part_smaller_than_a_batch_is_one_batch() -> None:
    options = RunOptions(batch_size=16)
    [[piece]] = steps(Counted(), [(i, 0) for i in range(5)], options)
    assert (n_batches(5, options), len(piece.indices), piece.share) == (1, 5, 1.0)
