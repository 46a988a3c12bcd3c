"""Stored predictions of other software: published shapes are read, damage is named."""

import gzip

import numpy as np
import pytest

from earmark.errors import InputError, UsageError
from earmark.evaluate.stored import read_matrix, read_stored, read_tags
from earmark.vocabulary import get_vocabulary

TARGETS = "id,rock,piano\na,1,0\nb,0,1\nc,1,1\n"
SCORES = "id,rock,piano\na,0.9,0.2\nb,0.1,0.7\nc,0.8,0.6\n"


@pytest.fixture
def pair(tmp_path):
    def write(scores: str = SCORES, targets: str = TARGETS):
        for name, text in (("scores.csv", scores), ("targets.csv", targets)):
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / "scores.csv", tmp_path / "targets.csv"

    return write


def test_names_come_from_the_header_and_the_first_column(pair) -> None:
    found = read_stored(*pair())
    assert (found.ids, found.tags) == (("a", "b", "c"), ("rock", "piano"))
    assert found.categories == ("genre", "instrument")
    assert found.scores.tolist() == pytest.approx(np.array([[0.9, 0.2], [0.1, 0.7], [0.8, 0.6]], np.float32))
    assert found.model == "scores"


def test_rows_and_columns_are_matched_by_name(pair) -> None:
    turned = "id,piano,rock\nc,0.6,0.8\na,0.2,0.9\nb,0.7,0.1\n"
    assert read_stored(*pair(turned)).scores.tolist() == read_stored(*pair()).scores.tolist()


def test_a_number_before_the_path_is_no_part_of_it(tmp_path) -> None:
    with gzip.open(tmp_path / "s.csv.gz", "wt") as file:
        file.write("0\tf/a.mp3,0.5,0.1\n1\tf/b.mp3,0.2,1e-3\n")
    found = read_matrix(tmp_path / "s.csv.gz")
    assert found.ids == ("f/a.mp3", "f/b.mp3")
    assert found.values.tolist() == [[0.5, 0.1], [0.2, 0.001]]
    assert found.tags == ()


def test_arrays_have_names_that_count(tmp_path) -> None:
    np.save(tmp_path / "s.npy", np.random.default_rng(0).random((5, 3)))
    np.save(tmp_path / "t.npy", np.eye(5, 3, dtype=bool))
    found = read_stored(tmp_path / "s.npy", tmp_path / "t.npy")
    assert (found.ids[0], found.tags, found.categories) == ("row 1", ("tag 1", "tag 2", "tag 3"), ())


def test_tags_from_a_file_or_a_vocabulary(tmp_path) -> None:
    (tmp_path / "tags.txt").write_text("rock\n\npiano\n", encoding="utf-8")
    (tmp_path / "tags.json").write_text('["rock", "piano"]', encoding="utf-8")
    assert read_tags(tmp_path / "tags.txt") == read_tags(tmp_path / "tags.json") == ("rock", "piano")
    assert read_tags("mtt") == get_vocabulary("mtt").tags
    with pytest.raises(InputError, match="neither a file nor a vocabulary"):
        read_tags("mtx")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ("id,rock\na,0.9\nb,0.1\nc,0.8\n", r"shape \(3, 1\) and .* \(3, 2\)"),
        (SCORES.replace("0.7", "nan"), r"1 scores are NaN or infinite, the first in row 2, column 2"),
        (SCORES.replace("b,", "x,"), "track 'b' stands in one of them only"),
        (SCORES.replace("b,0.1,0.7", "a,0.1,0.7"), "track 'b' stands in one of them only"),
        (SCORES.replace("0.1,0.7", "0.1"), "line 3 has 2 columns"),
        (SCORES.replace("0.1", "loud"), "line 3: could not convert"),
        ("", "is empty"),
        ("id,rock\na,b\n", "line 2 has no numbers"),
    ],
)
def test_damage_is_named(pair, scores, message) -> None:
    with pytest.raises(InputError, match=message):
        read_stored(*pair(scores))


def test_ratings_are_no_targets(pair) -> None:
    with pytest.raises(InputError, match=r"targets.csv: targets\[0, 0\] is 3, expected 0 or 1"):
        read_stored(*pair(targets=TARGETS.replace("a,1", "a,3")))


def test_names_that_do_not_fit(pair, tmp_path) -> None:
    (tmp_path / "tags.txt").write_text("rock\n", encoding="utf-8")
    with pytest.raises(InputError, match="1 names for 2 tags"):
        read_stored(*pair(), tags=tmp_path / "tags.txt")


def test_what_is_no_file_of_numbers(tmp_path) -> None:
    (tmp_path / "a.npy").write_bytes(b"letter")
    np.save(tmp_path / "b.npy", np.zeros(4))
    (tmp_path / "c.csv.gz").write_bytes(b"letter")
    for name, message in (("a.npy", "holds no array"), ("b.npy", r"holds \(4,\)"), ("c.csv.gz", "cannot be read"),
                          ("d.csv", "cannot be read: No such file")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            read_matrix(tmp_path / name)
    with pytest.raises(UsageError, match=r"cannot be read from '\.mat'"):
        read_matrix(tmp_path / "e.mat")
