"""The page of two networks: its numbers are those of the comparison, and it holds all that it shows."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

import torch

from earmark.explain.comparison import Comparison, SharedTag, compare_models
from earmark.explain.pages.comparison import comparison_page, is_bright, write_comparison_page
from earmark.explain.pages.images import SPECTRUM, coloured
from earmark.models.base import build


@pytest.fixture(scope="module")
def found() -> Comparison:
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(build("ds256c", chunk_samples=16000, n_tags=2).eval())
    rng = np.random.default_rng(0)
    level = np.repeat(rng.uniform(0.02, 0.3, 60), 1600)
    song = (level * rng.standard_normal(level.size)).astype(np.float32)
    return compare_models(*models, [song], n_sounds=1, layer_a="layer1", layer_b="layer1", threshold=0.9)


def test_it_holds_what_was_found(found: Comparison) -> None:
    page = comparison_page(found)
    HTMLParser().feed(page)
    assert "Two networks on one song" in page
    assert "http" not in page.split("<body")[1]
    n_cells = len(found.likeness.layers_a) * len(found.likeness.layers_b)
    assert len(re.findall(r'<i class="(?:dark|light|none)', page)) == n_cells
    assert page.count(' chosen"') == 1
    one, other, value = found.likeness.best()
    assert f"Most alike are {one} of A and {other} of B: {value:.2f}" in page
    counts = re.findall(r"</i>(\d+) (shared|close|alone|never)", page)
    assert sum(int(count) for count, _ in counts[:4]) == len(found.matches.correlation_a)
    assert sum(int(count) for count, _ in counts[4:]) == len(found.matches.correlation_b)
    sounds = 1 + 2 * len(found.shared) + len(found.unique_a) + len(found.unique_b)
    assert page.count("<audio") == sounds > 1
    assert page.count('data-start="0.000"') >= sounds


def test_names_are_escaped_and_chance_is_told(found: Comparison) -> None:
    tags = tuple(SharedTag(name=f"<{i}>", score_a=0.9 - i / 100, score_b=0.1) for i in range(20))
    odd = replace(
        found,
        models=("<a>", "b&c"),
        songs=("<i>.mp3", "other.mp3"),
        tags=tags,
        only_a=(("x<y", 0.5),),
        matches=replace(found.matches, chance=0.95),
    )
    page = comparison_page(odd)
    assert "<a>" not in page
    assert "&lt;a&gt;" in page
    assert "b&amp;c" in page
    assert "&lt;i&gt;.mp3 and 1 more" in page
    assert "Of 20 tags that both know the 12 strongest" in page
    assert "x&lt;y 0.50" in page
    assert "says little" in page
    assert "says little" not in comparison_page(found)


def test_it_is_written_whole(found: Comparison, tmp_path: Path) -> None:
    write_comparison_page(tmp_path / "c.html", found)
    assert (tmp_path / "c.html").read_text(encoding="utf-8") == comparison_page(found)


def test_numbers_can_be_read_on_every_colour() -> None:
    for colour in coloured(np.linspace(0, 1, 256)[None], SPECTRUM)[0]:
        linear = np.where(colour / 255 <= 0.04045, colour / 255 / 12.92, ((colour / 255 + 0.055) / 1.055) ** 2.4)
        luminance = linear @ [0.2126, 0.7152, 0.0722]
        contrast = (luminance + 0.05) / 0.05 if is_bright(colour) else 1.05 / (luminance + 0.05)
        assert contrast >= 4.5  # what WCAG 2 asks of small text
