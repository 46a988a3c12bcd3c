"""The page of a network's filters and its gallery: what is on them, what is left out, and that nothing is fetched."""

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.explain.bands import compare_with_mel
from earmark.explain.filter_report import FilterReport, look_at_filters
from earmark.explain.filters import first_layer, vanished
from earmark.explain.mel_filters import MelFilters, mel_filters
from earmark.explain.pages.filters import filters_page, mel_verdict, write_filters_page
from earmark.explain.pages.gallery import band_gallery, gallery_key, waveform_gallery
from earmark.explain.shapes import Shape
from earmark.models.base import build
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet

RATE = 16000
MEL_64 = 700 * (10 ** (np.linspace(0, 2840, 66)[1:-1] / 2595) - 1)


def network(*, n_filters: int = 44) -> RawNet:
    """First filters on a mel scale, one of which has vanished; a second layer."""
    torch.manual_seed(1)
    plan = Plan(layers=(Layer((Branch((Conv(n_filters, 128, 16),)),)), Layer((Branch((Conv(4, 4, 4),)),))))
    model = RawNet(plan, n_tags=2, chunk_samples=3200).eval()
    hertz = 700 * (10 ** (np.linspace(0, 2840, n_filters + 2)[1:-1] / 2595) - 1)
    kernels = np.cos(2 * np.pi * hertz[:, None] * np.arange(128) / RATE) * np.hanning(130)[1:-1]
    kernels[7] *= 1e-9
    with torch.no_grad():
        model.layers[0].branches[0][0].conv.weight.copy_(torch.from_numpy(kernels[:, None]))
    return model


@pytest.fixture(scope="module")
def report() -> FilterReport:
    return replace(look_at_filters(network(), n_bands=16), model="<net> & co")


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", page.split("<main>")[1].split("</main>")[0]))


def test_the_page_says_what_was_found(report: FilterReport) -> None:
    page = filters_page(report)
    text = text_of(page)
    assert "<h1>What the filters of &lt;net&gt; &amp; co hear</h1>" in page
    assert re.search(r"44\s+first filters", text)
    assert re.search(r"1\s+of them never vary", text)
    assert "The centres follow a mel scale: slope" in text
    assert "128 samples (8 ms)" in text
    for layer in ("layer1", "layer2", "flat", "logits"):
        assert layer in text
    assert page.count("<audio") == 0
    assert "nan" not in text.lower().split()


def test_numbers_of_the_page_are_those_of_the_report(report: FilterReport) -> None:
    rows = re.findall(r"<tr><td>(layer\d)</td>(.*?)</tr>", filters_page(report))
    stage = {stage.layer: stage for stage in report.stages}["layer2"]
    cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", dict(rows[:2])["layer2"])]
    assert cells[0] == f"{100 * stage.n_answering:.0f}\xa0%"
    assert float(cells[2]) == pytest.approx(stage.half_power_ratio, abs=0.006)
    assert float(cells[4]) == pytest.approx(stage.time_ratio, abs=0.006)
    whole = re.findall(r'<rect class="whole" x="0" y="[\d.]+" width="([\d.]+)"', filters_page(report))
    core = re.findall(r'<rect class="core" x="0" y="[\d.]+" width="([\d.]+)"', filters_page(report))
    assert len(whole) == len(core) == len(report.fields)
    assert sorted(map(float, whole)) == [float(width) for width in whole]  # deeper layers see more
    assert all(float(a) <= float(b) for a, b in zip(core, whole, strict=True))


def test_nothing_is_fetched(report: FilterReport, tmp_path: Path) -> None:
    write_filters_page(tmp_path / "page.html", report)
    page = (tmp_path / "page.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "default-src &#x27;none&#x27;" in page


def test_sounds_have_players_and_spectra() -> None:
    report = look_at_filters(network(n_filters=8), layers="layer1", n_bands=6, preferred=1)
    page = filters_page(report)
    assert page.count("<audio") == 1
    assert 'src="data:audio/mpeg;base64,' in page
    channel = int(report.preferred[0].channels[0])
    assert f"<h3>layer1, channel {channel}</h3>" in page
    named = filters_page(replace(report, preferred=(replace(report.preferred[0], layer="logits"),), tags=("jazz",) * 8))
    assert "<h3>logits, jazz</h3>" in named


def test_networks_on_bands_have_shapes_on_the_page() -> None:
    torch.manual_seed(0)
    report = look_at_filters(build("content", n_channels=6, n_units=4, n_tags=2), layers=())
    text = text_of(filters_page(report))
    assert "slope" not in text.split("How this was measured")[0]
    assert "6 filters of 128 bands by 4 frames" in text
    assert f"A correlation of {report.bands[0].chance:.2f} is chance" in text
    empty = replace(report, bands=(), note="Net: it has none", dead={})
    assert "Net: it has none. What its layers answer" in text_of(filters_page(empty))


def test_verdicts_tell_mel_from_equal_steps_and_from_neither() -> None:
    assert mel_verdict(compare_with_mel(MEL_64, RATE)).startswith("The centres follow a mel scale: slope 1.")
    slow = mel_verdict(compare_with_mel(MEL_64 / 2, RATE))
    assert slow.startswith("The centres follow a mel scale, but climb more slowly: slope 0.5")
    quick = mel_verdict(compare_with_mel(MEL_64 * 1.5, RATE))
    assert quick.startswith("The centres follow a mel scale, but climb faster: slope 1.5")
    even = mel_verdict(compare_with_mel(np.linspace(0, 8000, 66)[1:-1], RATE))
    assert "in equal steps of Hz rather than on a mel scale" in even
    neither = mel_verdict(compare_with_mel(np.repeat([200.0, 7000.0], 32), RATE))
    assert "neither" in neither


def test_the_gallery_of_filters_on_the_waveform_leaves_out_what_has_vanished() -> None:
    first = first_layer(network())
    assert waveform_gallery(first).count("<figure") == 43
    some = waveform_gallery(first, most=5)
    assert some.count("<figure") == 5
    named = [float(hertz) for hertz in re.findall(r"<b>([\d.]+)&nbsp;", some)]
    assert len(named) == 5
    lowest, highest = first.bands.peak[~vanished(first.kernels)][[0, -1]]
    assert f"<b>{lowest:.3g}&nbsp;Hz" in some
    assert f"<b>{highest / 1000:.3g}&nbsp;kHz" in some
    assert waveform_gallery(first, which=np.array([3, 4])).count("<figure") == 2


def test_a_long_filter_keeps_its_swings() -> None:
    first = first_layer(network(n_filters=9))
    long = np.zeros((9, 5000))
    long[:, 2345] = 1.0
    drawn = waveform_gallery(replace(first, kernels=long, lengths=np.full(9, 5000)), most=1)
    heights = [float(y) for y in re.findall(r",([\d.]+)[ \"]", drawn.split('class="first"')[1])]
    assert min(heights[:600]) == pytest.approx(30.0)  # 0.97 of the box, from below


def band_filters() -> MelFilters:
    kernels = np.zeros((6, 3, 4))
    kernels[:5] = np.random.default_rng(0).standard_normal((5, 3, 4))
    shapes = [
        Shape(name, r, {"at_hz": 1440.0}) for name, r in (("band", 0.9), ("band", -0.8), ("edge", 0.7), ("edge", 0.95))
    ]
    shapes += [Shape("onset", 0.2, {"at_ms": -24.0}), Shape("level", 0.0, {})]
    return MelFilters(
        model="m", module="conv<1>", kernels=kernels, frequencies=np.array([900.0, 1000.0, 1100.0]),
        times_ms=16.0 * (np.arange(4) - 1.5), is_shifted=True, shapes=tuple(shapes), chance=0.4,
    )  # fmt: skip


def captions(gallery: str) -> list[str]:
    return [
        html.unescape(re.sub("<[^>]*>", " ", text)).replace("\xa0", " ").replace("\u2011", "-")
        for text in re.findall(r"<figcaption>(.*?)</figcaption>", gallery)
    ]


def test_the_gallery_of_filters_on_bands_is_in_the_order_of_shapes() -> None:
    found = captions(band_gallery(band_filters()))
    assert found == [
        "band at 1.44 kHz r = 0.90",
        "band at 1.44 kHz, inverted r = 0.80",
        "edge at 1.44 kHz r = 0.95",
        "edge at 1.44 kHz r = 0.70",
        "no named shape r = 0.20",
    ]
    two = captions(band_gallery(band_filters(), most=2))
    assert [text.split()[0] for text in two] == ["band", "edge"]  # one of each shape first
    own = captions(band_gallery(band_filters(), is_sorted=False, is_dead=np.arange(6) == 1))
    assert [text.split(" r =")[0] for text in own] == [
        "band at 1.44 kHz", "edge at 1.44 kHz", "edge at 1.44 kHz", "no named shape", "no named shape",
    ]  # fmt: skip
    assert "conv&lt;1&gt;" in band_gallery(band_filters())
    assert "3 bands from 900 Hz at the bottom to 1.1 kHz at the top; it is moved" in gallery_key(band_filters())


def test_filters_of_one_row_are_curves() -> None:
    one = replace(band_filters(), kernels=band_filters().kernels[:, :1], frequencies=np.array([900.0]))
    gallery = band_gallery(one)
    assert "<img" not in gallery
    assert gallery.count("<polyline") == 2 * 5
    assert gallery_key(one).startswith("Each curve is one filter over 64 ms (4 frames)")


def test_what_has_vanished_is_told_by_the_size_of_the_weights() -> None:
    assert vanished(np.array([[1.0, -1.0], [1.0, 1.0], [1e-7, 1e-7], [0.0, 0.0]])).tolist() == [
        False,
        False,
        True,
        True,
    ]


def test_musical_axes_of_published_architectures_are_named() -> None:
    keys = {one.module: gallery_key(one) for one in mel_filters(build("ds256f", n_tags=2))}
    (key,) = keys.values()
    assert key.startswith("Each curve is one filter over 80 ms (8 frames)")
