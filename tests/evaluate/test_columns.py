"""Tags are matched by their names; what stands on one side only is named."""

import numpy as np
import pytest

from earmark.errors import InputError
from earmark.evaluate.columns import choose_tags, choose_tracks, common_tags


def test_tracks_and_tags_are_chosen_with_all_that_belongs_to_them(make) -> None:
    made = make(6, audio=tuple("abcdef"), shared={"artist": (True,) * 3 + (False,) * 3})
    found = choose_tags(choose_tracks(made, np.array([4, 0])), ("choir", "rock"))
    assert found.ids == ("test-4", "test-0")
    assert (found.audio, found.shared, found.groups["artist"]) == (
        ("e", "a"),
        {"artist": (False, True)},
        ("artist 1", "artist 0"),
    )
    assert found.scores.tolist() == made.scores[[4, 0]][:, [2, 0]].tolist()
    assert (found.categories, found.prevalence.tolist()) == (("instrument", "genre"), [0.2, 0.5])
    rows = np.array([True] + [False] * 5)
    assert choose_tracks(made, rows).ids == ("test-0",)


def test_the_order_is_that_of_the_other_side() -> None:
    assert common_tags("ab", "ba", who="model", whose="data", only_common=False) == ("b", "a")


def test_what_is_missing_is_listed_on_either_side() -> None:
    with pytest.raises(InputError, match=r"data lacks 1 tag \('a'\); model lacks 2 tags \('c', 'd'\)") as caught:
        common_tags("ab", "bcd", who="model", whose="data", only_common=False)
    assert "--common-tags evaluates what both have" in str(caught.value.hint)
    assert common_tags("ab", "bcd", who="model", whose="data", only_common=True) == ("b",)


def test_nothing_in_common_is_an_error_anyway() -> None:
    with pytest.raises(InputError, match="no tag in common"):
        common_tags("ab", "cd", who="model", whose="data", only_common=True)
