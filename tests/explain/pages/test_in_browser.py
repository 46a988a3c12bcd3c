"""The pages in a real browser: nothing is fetched, everybody can read them, and sounds lead the pictures."""

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("captum")
pytest.importorskip("PIL")

import torch

from earmark.explain.comparison import compare_models
from earmark.explain.filter_report import look_at_filters
from earmark.explain.pages.comparison import write_comparison_page
from earmark.explain.pages.filters import write_filters_page
from earmark.explain.pages.song import write_song_page
from earmark.explain.report import explain_song
from earmark.models.base import build

from ..planted import PlantedTagger, white_noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One page of each kind."""
    torch.manual_seed(0)
    found = tmp_path_factory.mktemp("pages")
    tagger = PlantedTagger(seconds=1.0, when=(0.4, 0.8))
    report = explain_song(tagger, white_noise(3.0), tags=["beep"], moment=1.5, seconds=2.0, method="occlusion")
    write_song_page(found / "song.html", report)
    network = build("dieleman_raw", n_tags=2, chunk_samples=16000, length=64, stride=64).eval()
    write_filters_page(found / "filters.html", look_at_filters(network, n_bands=8))
    write_comparison_page(found / "comparison.html", compare_models(network, network, [white_noise(4.0)], n_sounds=1))
    return found


@pytest.mark.parametrize("name", ["song", "filters", "comparison"])
def test_everybody_can_read_a_page_and_it_fetches_nothing(chromium: Any, folder: Path, name: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for scheme in ("light", "dark"):
        strict = chromium.new_page(color_scheme=scheme, viewport={"width": 360, "height": 740})
        told: list[str] = []
        strict.on("console", lambda message, told=told: told.append(message.text))
        strict.on("request", lambda request, told=told: told.append(request.url[:80]))
        strict.goto(f"file://{folder}/{name}.html")
        assert [one for one in told if not one.startswith(("data:", "file:"))] == []
        assert strict.evaluate("document.documentElement.scrollWidth") <= 360
        strict.close()
        page = chromium.new_page(color_scheme=scheme, bypass_csp=True)
        page.goto(f"file://{folder}/{name}.html")
        found = axe.run(page, options={"iframes": False}).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
        page.close()


def test_a_click_goes_there_and_one_sound_plays_at_a_time(chromium: Any, folder: Path) -> None:
    page = chromium.new_page()
    page.goto(f"file://{folder}/song.html")
    wave = page.get_by_role("img", name=re.compile("waveform")).locator(".box")
    size = wave.bounding_box()
    wave.click(position={"x": size["width"] * 2 / 3, "y": 5})
    song = page.locator("audio").first
    song.evaluate("one => new Promise(done => { if (!one.paused) done(); one.onplay = done; })")
    assert song.evaluate("one => one.currentTime") == pytest.approx(2.0, abs=0.3)  # of three seconds
    cursor = wave.locator(".cursor").evaluate("one => parseFloat(one.style.left)")
    assert cursor == pytest.approx(66, abs=10)
    page.locator("audio").nth(1).evaluate("one => one.play()")
    assert song.evaluate("one => one.paused")
    page.close()
