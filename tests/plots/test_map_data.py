"""What a map shows: what goes together, names made safe, colours that tell apart."""

from typing import Any

import numpy as np
import pytest

from earmark.errors import InputError, UnknownNameError
from earmark.plots.map_data import (
    N_COLOURS,
    MapData,
    clean,
    common,
    fifths,
    group_centres,
    group_colours,
    limitations,
    limits,
)


def three(**facts: Any) -> MapData:
    return MapData(**{"points": np.eye(3, 2), "titles": ["a", "b", "c"], **facts})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"points": np.zeros((0, 2)), "titles": []}, "at least one track"),
        ({"points": np.zeros((3, 3))}, "shape .3, 3."),
        ({"points": np.full((3, 2), np.nan)}, "NaN or infinite"),
        ({"titles": ["a"]}, "3 points and 1 titles"),
        ({"artists": ["a", "b"]}, "3 points and 2 artists"),
        ({"bpm": np.zeros(0)}, "3 points and 0 bpm"),
        ({"tags": ["x"]}, "expected .3, 1.: tracks and tags"),
        ({"tags": ["x"], "scores": np.full((3, 1), np.nan)}, "numbers from 0 to 1"),
        ({"tags": ["x"], "scores": np.zeros((3, 1)), "categories": ["a", "b"]}, "1 tags and 2 categories"),
        ({"tags": ["x"], "scores": np.zeros((3, 1)), "base_rates": [0.1, 0.1]}, "1 tags and 2 base rates"),
        ({"groups": np.array([0, 1, 2]), "group_names": ["a", "b"]}, "not from -1 to 1"),
        ({"neighbours": np.array([[1], [2], [3]])}, "not from 0 to 2"),
    ],
)
def test_what_does_not_go_together_is_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        three(**facts)


def test_colours_are_offered_for_what_is_known_of_some_track() -> None:
    data = three(
        artists=["", "", ""], genres=["", "Rock", ""], keys=["", "?", ""], bpm=np.full(3, np.nan),
        years=np.array([np.nan, 1999, np.nan]), groups=np.array([-1, 0, 0]), group_names=["x"],
        tags=["piano"], scores=np.zeros((3, 1)),
    )  # fmt: skip
    assert data.fields() == ["group", "genre", "year"]
    assert data.colour_names() == ["group", "genre", "year", "piano"]
    assert data.find_colour("year") == ("year", 0)
    assert data.find_colour("piano") == ("tag", 0)
    with pytest.raises(UnknownNameError, match="no colouring 'paino'") as caught:
        data.find_colour("paino")
    assert caught.value.hint == "did you mean 'piano'?"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("</script><b>", "</script><b>"),
        ("caf\udce9", "caf�"),
        ("a\x00b\x1b[31mc\n\td", "a b [31mc d"),
        ("evil\u202egpj.exe", "evil gpj.exe"),
        ("\ufeffhead\u2028line", "head line"),
        ("日本語 ♯", "日本語 ♯"),
        ("x" * 300, "x" * 199 + "…"),
        ("", ""),
    ],
)
def test_any_name_becomes_a_text(text: str, shown: str) -> None:
    assert clean(text) == shown
    clean(text).encode("utf-8")


@pytest.mark.parametrize(
    ("key", "place"),
    [("C major", 0), ("A minor", 0), ("G major", 1), ("F major", 11), ("F# major", 6), ("Gb major", 6), ("Eb minor", 6),
     ("C# minor", 4), ("Am", 0), ("B♭ maj", 10), ("", None), ("H dur", None)],
)  # fmt: skip
def test_keys_have_a_place_on_the_circle_of_fifths(key: str, place: int | None) -> None:
    assert fifths(key) == place


def test_common_texts_come_first() -> None:
    names, numbers = common(["b", "a", "", "b", "c"], 2)
    assert names == ["b", "a"]
    assert numbers.tolist() == [0, 1, -1, 0, -1]


def test_groups_have_their_names_in_the_middle() -> None:
    points = np.array([[0.0, 0], [2, 4], [1, 5], [9, 9]])
    centres = group_centres(points, np.array([0, 0, 0, -1]), 2)
    assert centres[0].tolist() == [1, 4]
    assert np.isnan(centres[1]).all()


def test_groups_beside_each_other_differ_in_colour() -> None:
    side = np.arange(6)
    centres = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2).astype(float)
    colours = np.array(group_colours(centres))
    assert set(colours.tolist()) == set(range(N_COLOURS))
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    beside = (distances > 0) & (distances <= 1)
    assert (colours[:, None] != colours[None])[beside].all()


def test_scales_leave_out_the_outermost() -> None:
    values = np.concatenate([np.linspace(60, 180, 200), [2000, np.nan]])
    low, high = limits(values)
    assert 60 < low < 65
    assert 175 < high < 181
    assert limits(np.array([120.0])) == (119.5, 120.5)


def test_every_method_says_what_it_does_not_show() -> None:
    assert "Distances between far groups mean little" in limitations(three())[0]
    assert "t-SNE" in limitations(three(method="tsne"))[0]
    said = limitations(three(method="pca", explained=0.485, mean_rank=0.042, model="standard"))
    assert "as standard hears it" in said[0]
    assert said[1] == "The two axes hold 48 % of what differs."
    assert "a mean rank of 4.2 % of the library" in said[2]
