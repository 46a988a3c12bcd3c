"""Pictures of an evaluation: well-formed, escaped, and true to the numbers."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from earmark.plots.evaluation import (
    MOST_POINTS,
    Bar,
    draw_bars,
    draw_confusion,
    draw_curves,
    draw_reliability,
    precision_recall,
)

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<b>&'\"rock"


def parse(text: str) -> ET.Element:
    element = ET.fromstring(text)
    assert element.tag == f"{SVG}svg"
    return element


def words(element: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bar(NASTY, 0.8, 0.7, 0.9, 0.1), Bar("piano", 0.4, math.nan, math.nan, math.nan)]
    element = parse(draw_bars(bars, label="PR-AUC"))
    first, second = (float(rect.get("width")) for rect in element.iter(f"{SVG}rect"))
    assert first == pytest.approx(2 * second, abs=0.2)
    assert any(NASTY in text for text in words(element))
    assert next(title.text for title in element.iter(f"{SVG}title")) == f"{NASTY}: 0.800 (0.700 to 0.900)"


def test_a_tag_without_tracks_has_no_bar() -> None:
    element = parse(draw_bars([Bar("choir", math.nan, math.nan, math.nan, math.nan)], label="PR-AUC"))
    assert list(element.iter(f"{SVG}rect")) == []
    assert "no track has it" in words(element)


def test_colours_follow_the_page_and_stand_alone() -> None:
    text = draw_bars([Bar("choir", 0.5, 0.4, 0.6, 0.1)], label="PR-AUC")
    assert "var(--first, #" in text
    assert "var(--text, #" in text


def test_curve_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random(100) < 0.3
    scores = (targets + rng.normal(size=100)).round(1)  # with ties
    precision, recall, _ = precision_recall_curve(targets, scores)
    expected = {(round(r, 9), round(p, 9)) for r, p in zip(recall, precision, strict=True) if r > 0}
    assert {(round(r, 9), round(p, 9)) for r, p in precision_recall(targets, scores)} == expected


def test_long_curves_keep_their_ends() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random(5000) < 0.3
    points = precision_recall(targets, targets + rng.normal(size=5000))
    assert len(points) <= MOST_POINTS
    assert points[-1].tolist() == pytest.approx([1.0, targets.mean()], abs=0.3)
    assert points[-1][0] == 1.0
    assert (np.diff(points[:, 0]) >= 0).all()


def test_every_tag_that_a_track_has_gets_a_curve() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((30, 3)) < 0.5
    targets[:, 2] = False
    element = parse(draw_curves(targets, rng.random((30, 3)), [NASTY, "piano", "never"]))
    titles = [title.text for title in element.iter(f"{SVG}title")]
    assert titles == [NASTY, "piano", "all tags together"]


def test_reliability_has_a_dot_per_bin_that_holds_something() -> None:
    score, rate, counts = np.array([0.1, np.nan, 0.9]), np.array([0.2, np.nan, 0.7]), np.array([10.0, 0.0, 30.0])
    element = parse(draw_reliability((score, rate, counts), (score, score, counts)))
    dots = list(element.iter(f"{SVG}circle"))
    assert len(dots) == 4
    assert float(dots[0].get("r")) < float(dots[1].get("r"))
    about = [dot[0].text for dot in dots]
    assert "as they are: 10 scores of 0.10 on average, 0.20 of them true" in about
    legend = [word for word in words(element) if word in ("as they are", "calibrated")]
    assert list(dict.fromkeys(text.partition(":")[0] for text in about)) == legend


def test_confusion_says_what_every_cell_holds() -> None:
    element = parse(draw_confusion(np.array([[5, 1], [0, 9]]), [NASTY, "piano"]))
    titles = {title.text for rect in element.iter(f"{SVG}rect") for title in rect}
    assert f"{NASTY} taken for piano: 1" in titles
    assert {"5", "1", "9"} <= set(words(element))
    assert "0" not in words(element)
    many = parse(draw_confusion(np.eye(60, dtype=int), [f"class {i}" for i in range(60)]))
    assert "1" not in words(many)
