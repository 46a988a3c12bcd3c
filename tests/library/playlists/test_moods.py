"""Trajectories of moods as people type them, and levels that compare between tags."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import UnknownNameError, UsageError
from earmark.library.playlists.moods import Trajectory, Waypoint, parse_trajectory, percentiles

TAGS = ("calm", "energetic", "easy listening", "hip-hop", "80s")


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("calm:0.2->energetic:0.8", [("calm", 0.2), ("energetic", 0.8)]),
        ("calm:0.2..energetic:0.8", [("calm", 0.2), ("energetic", 0.8)]),
        ("calm:0.2 → 0.8", [("calm", 0.2), ("calm", 0.8)]),
        ("calm:20%..80%", [("calm", 0.2), ("calm", 0.8)]),
        ("calm:.9", [("calm", 0.9)]),
        ("calm:1..0..1", [("calm", 1.0), ("calm", 0.0), ("calm", 1.0)]),
        ("calm..energetic", [("calm", 1.0), ("energetic", 1.0)]),
        (" Easy Listening : 0.5 .. hip-hop:1. ", [("easy listening", 0.5), ("hip-hop", 1.0)]),
        ("80s", [("80s", 1.0)]),
        ("80s:0.5..0.7", [("80s", 0.5), ("80s", 0.7)]),
    ],
)
def test_reads_what_people_type(text: str, points: list[tuple[str, float]]) -> None:
    assert parse_trajectory(text, tags=TAGS).points == tuple(Waypoint(*point) for point in points)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("calm:0.2-", "second point", r"'\.\.' instead, such as calm:0\.2\.\.energetic"),
        ("calm:0.2->", "second point", "quotes"),
        ("", "point is missing", "calm:0.9"),
        ("calm:0.2....0.8", "point is missing", "TAG:LEVEL"),
        ("0.2..0.8", "begins without a tag", "TAG:LEVEL"),
        (":0.2", "no tag before ':0.2'", "TAG:LEVEL"),
        ("calm:loud", "'loud' is no level", "TAG:LEVEL"),
        ("calm:-0.5", "'-0.5' is no level", "TAG:LEVEL"),
        ("calm:nan", "'nan' is no level", "TAG:LEVEL"),
        ("calm:80", "80 is above 1", "did you mean 80%"),
        ("calm:180%", "180% is above 1", "from 0 to 1"),
    ],
)
def test_says_what_is_wrong(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_trajectory(text)
    assert caught.value.hint
    assert re.search(hint, caught.value.hint)


def test_names_the_tag_that_may_be_meant() -> None:
    with pytest.raises(UnknownNameError) as caught:
        parse_trajectory("clam:0.2", tags=TAGS)
    assert caught.value.hint == "did you mean 'calm'?"


def test_a_tag_fades_into_the_next() -> None:
    asked = parse_trajectory("calm:0.2..energetic:0.8").targets(np.linspace(0, 1, 5))
    np.testing.assert_allclose(asked["calm"][1], [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(asked["energetic"][1], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(asked["calm"][0], 0.2)
    np.testing.assert_allclose(asked["energetic"][0], 0.8)


def test_a_level_moves_evenly_and_a_single_one_holds() -> None:
    levels, weights = parse_trajectory("calm:0..1..0.5").targets([0, 0.25, 0.5, 0.75, 1])["calm"]
    np.testing.assert_allclose(levels, [0, 0.5, 1, 0.75, 0.5])
    np.testing.assert_allclose(weights, 1)
    levels, weights = parse_trajectory("calm:0.3").targets([0, 0.5, 1])["calm"]
    np.testing.assert_allclose((levels, weights), ([0.3] * 3, [1] * 3))


@given(st.lists(st.tuples(st.sampled_from(TAGS), st.floats(0, 1)), min_size=1, max_size=6), st.integers(1, 40))
def test_weights_add_up_to_one(points: list[tuple[str, float]], n: int) -> None:
    asked = Trajectory(tuple(Waypoint(*point) for point in points)).targets(np.linspace(0, 1, n))
    np.testing.assert_allclose(sum(weight for _, weight in asked.values()), 1)
    assert all(((level >= 0) & (level <= 1)).all() for level, _ in asked.values())


def test_a_trajectory_needs_a_point() -> None:
    with pytest.raises(UsageError, match="at least one point"):
        Trajectory(())


def test_percentiles_count_the_others_and_halve_ties() -> None:
    np.testing.assert_allclose(percentiles([0.5, 0.1, 0.1, 0.9]), [2 / 3, 1 / 6, 1 / 6, 1])
    np.testing.assert_allclose(percentiles([0.3, np.nan, 0.1]), [1, np.nan, 0])
    assert percentiles([0.7]).tolist() == [0.5]
    assert percentiles([]).shape == (0,)


@given(st.lists(st.integers(0, 20), min_size=2, max_size=50))
def test_percentiles_do_not_depend_on_the_scale(scores: list[int]) -> None:
    found = percentiles(np.array(scores) / 20)
    assert found.mean() == pytest.approx(0.5, abs=1e-5)
    np.testing.assert_array_equal(percentiles(np.array(scores) / 20000), found)
