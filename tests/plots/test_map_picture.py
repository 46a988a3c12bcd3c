"""Maps as pictures: what is drawn where, in which colour, with which words."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.errors import InputError, MissingExtraError, UnknownNameError, UsageError
from earmark.plots.map_data import MapData
from earmark.plots.map_picture import map_picture, plot_map

pytest.importorskip("matplotlib")


def some(n: int = 61, **facts: Any) -> MapData:
    random = np.random.default_rng(0)
    labels = np.arange(n) % 3
    given: dict[str, Any] = {
        "points": random.normal(size=(n, 2)) + np.array([[0, 0], [30, 0], [0, 20]])[labels],
        "titles": ["x"] * n,
        "artists": [f"Artist {i % 12}" if i % 5 else "" for i in range(n)],
        "genres": [("Rock", "$x_{", "日本")[i % 3] for i in range(n)],
        "keys": [("C major", "F# minor", "")[i % 3] for i in range(n)],
        "durations": random.uniform(60, 400, n),
        "bpm": np.where(np.arange(n) % 4 == 0, np.nan, random.uniform(70, 170, n)),
        "scores": random.beta(0.4, 2, (n, 2)),
        "tags": ["piano", "year"],
        "groups": labels,
        "group_names": ["piano, slow", "rock $", "techno"],
    }
    return MapData(**(given | facts))


def dots(figure: Any) -> tuple[np.ndarray, np.ndarray]:
    """Places and colours of all dots."""
    drawn = [collection for collection in figure.axes[0].collections if len(collection.get_offsets())]
    for collection in drawn:
        collection.update_scalarmappable()
    colours = [np.broadcast_to(c.get_facecolors(), (len(c.get_offsets()), 4)) for c in drawn]
    return np.concatenate([c.get_offsets() for c in drawn]), np.concatenate(colours)


def words(figure: Any) -> list[str]:
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    ticks = [text.get_text() for axes in figure.axes[1:] for text in axes.get_xticklabels()]
    return [text.get_text() for text in (*figure.texts, *figure.axes[0].texts)] + legends + ticks


def test_groups_have_their_colours_and_names_where_they_lie() -> None:
    data = some()
    figure = plot_map(data)
    places, colours = dots(figure)
    np.testing.assert_array_equal(places, data.points)
    assert all(len(np.unique(colours[data.groups == label], axis=0)) == 1 for label in range(3))
    assert len(np.unique(colours, axis=0)) == 3
    texts = {text.get_text(): text for text in figure.axes[0].texts}
    assert set(texts) == {"piano, slow", "rock $", "techno"}
    assert np.linalg.norm(np.array(texts["techno"].xy) - [0, 20]) < 2
    assert not figure.legends


def test_names_that_would_cover_each_other_are_left_out() -> None:
    figure = plot_map(some(points=np.random.default_rng(0).normal(size=(61, 2)) * 1e-3 + np.eye(61, 2)))
    assert 1 <= len(figure.axes[0].texts) < 3


@pytest.mark.parametrize("colour", ["piano", "bpm", "duration"])
def test_a_scale_goes_from_low_to_high_with_the_highest_on_top(colour: str) -> None:
    data = some(groups=None)
    figure = plot_map(data, colour_by=colour)
    values = {"piano": data.scores[:, 0], "bpm": data.bpm, "duration": data.durations}[colour]
    assert values is not None
    places, colours = dots(figure)
    assert len(places) == 61
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    np.testing.assert_array_equal(places[-len(known) :], data.points[order])
    assert colours[-1, :3].sum() < colours[-len(known), :3].sum()  # on white, high is dark
    ticks = words(figure)[-3:]
    pattern = {"piano": r"0\.00", "bpm": r"\d\d", "duration": r"\d:\d\d"}[colour]
    assert re.fullmatch(pattern, ticks[0])


def test_a_legend_counts_names_and_the_others() -> None:
    figure = plot_map(some(), colour_by="artist")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == 10
    assert texts[0] == "Artist 1  4"
    assert texts[-1].startswith("other  ")
    assert sum(int(text.rsplit("  ", 1)[1]) for text in texts) == 48


def test_keys_of_one_signature_share_a_colour() -> None:
    figure = plot_map(some(keys=["A minor", "C major", "E minor"] * 20 + [""]), colour_by="key")
    colours = [handle.get_color() for handle in figure.legends[0].legend_handles]
    assert colours[0] == colours[1] != colours[2]


def test_a_tag_may_have_the_name_of_a_fact_that_is_not_known() -> None:
    figure = plot_map(some(), colour_by="year")
    assert "0.00" in words(figure)


def test_dark_is_light_on_dark() -> None:
    light, dark = plot_map(some()), plot_map(some(), dark=True)
    assert sum(light.get_facecolor()[:3]) > 2.9
    assert sum(dark.get_facecolor()[:3]) < 0.5


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_it_is_written_in_every_format(tmp_path: Path, suffix: str) -> None:
    heading = "</text> $\\frac{ \udce9 日本語 \x00"
    map_picture(some(heading=heading), tmp_path / f"map{suffix}", colour_by="genre")
    begin = (tmp_path / f"map{suffix}").read_bytes()[:8]
    assert begin.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    assert [path.name for path in tmp_path.iterdir()] == [f"map{suffix}"]


def test_few_tracks_have_their_titles_where_there_is_room() -> None:
    points = np.array([[0, 0], [0, 1e-3], [3, 3]])
    figure = plot_map(MapData(points, ["first", "hidden", "$last_{"], method="pca"))
    assert [text.get_text() for text in figure.axes[0].texts] == ["first", "$last_{"]
    assert not plot_map(some(groups=None)).axes[0].texts


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_tracks_are_drawn(n: int) -> None:
    figure = plot_map(MapData(np.zeros((n, 2)), ["x"] * n, method="pca"))
    assert len(dots(figure)[0]) == n
    assert f"{n} track" in words(figure)[1]


def test_what_cannot_be_drawn_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no picture ends in '\.gif'"):
        map_picture(some(), tmp_path / "map.gif")
    with pytest.raises(InputError, match="there is no folder"):
        map_picture(some(), tmp_path / "no" / "map.png")
    with pytest.raises(UnknownNameError, match="no colouring 'violn'"):
        plot_map(some(), colour_by="violn")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"\[plots\]"):
        plot_map(some())
