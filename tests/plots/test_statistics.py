"""Pictures of statistics: they say what they show, depend on the data, and are left out where there is nothing."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.datasets import magnatagatune
from earmark.datasets.base import Dataset, Split, Track
from earmark.datasets.statistics import Statistics, compute, describe_durations
from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.plots.statistics import (
    neighbours,
    plot_durations,
    plot_leaks,
    plot_parts,
    plot_tags,
    plot_tags_per_track,
    plot_together,
    write_pictures,
)
from earmark.vocabulary import from_tags

pytest.importorskip("matplotlib")
TAGS = ["rock $x^2$", "音楽", "a tag with a very long name that nobody can read", "piano", "never"]


def statistics(n_tags: int = 0, seed: int = 0) -> Statistics:
    rng = np.random.default_rng(seed)
    tags = [f"tag {k}" for k in range(n_tags)] or TAGS
    rare = np.linspace(0.5, 0.02, len(tags)) * np.array([tag != "never" for tag in tags])
    tracks = tuple(
        Track(
            str(i), None, tuple(tag for tag, share in zip(tags, rare, strict=True) if rng.random() < share),
            groups={"artist": str(rng.integers(30)), "track": str(i)}, duration=float(rng.lognormal(5, 0.4)),
        )
        for i in range(300)
    )  # fmt: skip
    ids = [track.id for track in tracks]
    split = Split("ours", "by hand", {"train": tuple(ids[:200]), "test": tuple(ids[200:])})
    return compute(
        Dataset(
            magnatagatune.INFO, Path("root"), {"vocabulary": "all"}, tracks, from_tags("v", tags),
            split_makers={"ours": lambda: split},
        )
    )  # fmt: skip


def texts(figure) -> set[str]:
    figure.canvas.draw()
    labels = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    ticks = [text for axes in figure.axes for text in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return {text.get_text() for text in labels + ticks}


def overlapping(figure) -> list[tuple[str, str]]:
    """Texts that lie upon each other, and those that the picture cuts off (paired with "")."""
    figure.canvas.draw()
    shown = [text for axes in figure.axes for text in axes.texts if text.get_text()] + list(figure.texts)
    boxes = [text.get_window_extent().shrunk(0.9, 0.7) for text in shown]
    page = figure.bbox
    cut = [
        (text.get_text(), "")
        for text, box in zip(shown, boxes, strict=True)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > page.width or box.y1 > page.height
    ]
    return cut + [
        (shown[i].get_text(), shown[j].get_text())
        for i in range(len(shown))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


def test_tags():
    found = statistics()
    shown = texts(plot_tags(found))
    assert {"MagnaTagATune  ·  vocabulary=all", "rock $x^2$", "piano"} <= shown
    assert "never" not in shown
    assert any(f"{found.tags[0]:,}" in text for text in shown)
    assert "the 4 most frequent of 5 tags: tracks, and their share of 300" in shown
    bars = plot_tags(found).axes[0].patches
    assert [bar.get_width() for bar in bars] == sorted((n for n in found.tags if n), reverse=True)


@pytest.mark.parametrize("n_tags", [2, 50, 188, 400])
@pytest.mark.parametrize("draw", [plot_tags, plot_together, plot_parts])
def test_labels_neither_overlap_nor_are_cut(n_tags, draw):
    figure = draw(statistics(n_tags))
    assert overlapping(figure) == []
    width, height = figure.get_size_inches()
    assert max(width, height) < 20


def test_the_table_of_tags():
    found = statistics()
    figure = plot_together(found)
    assert {"piano", "0", "25 %", "100 %"} <= texts(figure)
    mesh = figure.axes[0].collections[0].get_array()
    shares = np.ma.compressed(mesh)
    expected = found.conditional()[:4, :4]
    assert sorted(shares) == pytest.approx(sorted(expected[~np.eye(4, dtype=bool)]))


def test_neighbours_bring_together_what_comes_together():
    blocks = np.zeros((6, 6), dtype=int)
    for block in ([0, 3, 5], [1, 2, 4]):
        blocks[np.ix_(block, block)] = 50
    blocks[0, 1] = blocks[1, 0] = 1
    np.fill_diagonal(blocks, 100)
    order = neighbours(blocks)
    assert sorted(order) == list(range(6))
    assert {frozenset(order[:3]), frozenset(order[3:])} == {frozenset({0, 3, 5}), frozenset({1, 2, 4})}
    assert neighbours(np.array([[3]])) == [0]
    assert neighbours(blocks) == order


def test_tags_per_track_and_durations():
    found = statistics()
    figure = plot_tags_per_track(found)
    assert [bar.get_height() for bar in figure.axes[0].patches] == [
        found.tags_per_track.get(n, 0) for n in range(max(found.tags_per_track) + 1)
    ]
    assert any(f"none on {found.tags_per_track[0]}" in text for text in texts(figure))
    assert any("as published" in text and "300 tracks" in text for text in texts(plot_durations(found)))
    skewed = replace(found, durations=describe_durations([10.0] * 5000 + [600.0]))
    assert plot_durations(skewed).axes[0].get_yscale() == "log"
    assert plot_durations(found).axes[0].get_yscale() == "linear"


def test_parts():
    found = statistics()
    figure = plot_parts(found)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert [line.get_label() for line in lines] == ["train", "test"]
    assert lines[0].get_xdata()[0] == pytest.approx(max(found.parts[0].tags) / 200)
    assert any("“ours” (train 200, test 100)" in text for text in texts(figure))
    without = replace(found.parts[1], tags=(0, *found.parts[1].tags[1:]))
    hollow = plot_parts(replace(found, parts=(found.parts[0], without)))
    assert "hollow: none" in hollow.axes[0].get_xlabel()


def test_leaks():
    found = statistics()
    shown = texts(plot_leaks(found))
    leak = next(leak for leak in found.leaks if leak.by == "artist")
    assert "ours: test, by artist" in shown
    assert f"{100 * leak.share:.1f} %   {leak.n_shared} of {leak.n_groups} artists" in shown
    assert not any("by recording" in text for text in shown), "no recording is in two parts"
    assert overlapping(plot_leaks(found)) == []


def test_what_would_show_nothing_is_left_out():
    found = statistics()
    nothing = replace(
        found, tags=(0,) * 5, tags_per_track={1: 300}, together_counts=np.diag([5] * 5), parts=(), leaks=(),
        durations=describe_durations([29.1] * 9), splits={},
    )  # fmt: skip
    for draw in (plot_tags, plot_together, plot_tags_per_track, plot_durations, plot_parts, plot_leaks):
        assert draw(nothing) is None
    assert plot_durations(replace(found, durations=None)) is None
    assert plot_leaks(replace(found, leaks=tuple(replace(leak, n_shared=0) for leak in found.leaks))) is None
    assert plot_parts(replace(found, parts=found.parts[:1])) is None


def test_pictures_are_written_whole(tmp_path, monkeypatch):
    written = write_pictures(statistics(), tmp_path)
    assert [path.name for path in written] == [
        "tags.png", "together.png", "tags_per_track.png", "durations.png", "parts.png", "leaks.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    dark = write_pictures(statistics(), tmp_path, suffix=".svg", dark=True)
    assert all(path.read_bytes().startswith(b"<?xml") for path in dark)
    assert len(list(tmp_path.iterdir())) == 12
    with pytest.raises(UsageError, match=r"'\.gif'"):
        write_pictures(statistics(), tmp_path, suffix=".gif")
    with pytest.raises(InputError, match="no folder"):
        write_pictures(statistics(), tmp_path / "gone")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"\[plots\]"):
        write_pictures(statistics(), tmp_path)


def test_titles_say_what_was_chosen_only() -> None:
    found = statistics()
    assert f"{found.title}  ·  vocabulary=all" in texts(plot_tags(found))
    assert found.title in texts(plot_tags(replace(found, options={"vocabulary": "top50"})))
    assert f"{found.title}  ·  n=3" in texts(plot_tags(replace(found, name="theirs", options={"n": 3})))


def test_equal_shares_of_parts_are_all_seen() -> None:
    figure = plot_parts(statistics())
    sizes = [line.get_markersize() for line in figure.axes[0].lines if line.get_label() in ("train", "test")]
    assert len(sizes) == 2
    assert sizes[0] > 2 * sizes[1], "the later one is drawn upon the earlier one"
