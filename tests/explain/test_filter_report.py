"""The report of a network's filters: planted bands and shapes are in it, filters that never vary are not."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from earmark.errors import UnknownNameError, UsageError
from earmark.explain.filter_report import (
    COLUMNS,
    FilterReport,
    arrays,
    look_at_filters,
    never_vary,
    shape_shares,
    spread_channels,
    write_tables,
)
from earmark.explain.mel_filters import MelFilters
from earmark.explain.shapes import nearest_shapes
from earmark.models.base import build
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet

RATE = 16000
CENTRES = np.array([250.0, 600.0, 1100.0, 1800.0, 3000.0, 5200.0])


def planted_network(*, chunk_samples: int = 4000) -> RawNet:
    """Six first filters at `CENTRES`, out of order; a seventh has vanished, an eighth never came through its norm."""
    torch.manual_seed(0)
    plan = Plan(layers=(Layer((Branch((Conv(8, 201, 4),)),)), Layer((Branch((Conv(4, 8, 4),)),))), activation="relu")
    model = RawNet(plan, n_tags=2, chunk_samples=chunk_samples).eval()
    t = (np.arange(201) - 100) / RATE
    hertz = np.concatenate([CENTRES[::-1], [700.0, 900.0]])
    kernels = np.cos(2 * np.pi * hertz[:, None] * t) * np.hanning(203)[1:-1]
    kernels[6] *= 1e-9
    unit = model.layers[0].branches[0][0]
    with torch.no_grad():
        unit.conv.weight.copy_(torch.from_numpy(kernels[:, None]))
        unit.norm.running_var[7] = 0.0
    return model


@pytest.fixture(scope="module")
def report() -> FilterReport:
    return look_at_filters(planted_network(), n_bands=48)


def test_planted_centres_are_found_and_still_filters_left_out(report: FilterReport) -> None:
    assert report.first is not None
    assert report.bands == ()
    assert report.centres == pytest.approx(CENTRES, rel=0.02)
    assert (report.n_filters, report.n_dead) == (8, 2)
    (flags,) = report.dead.values()
    assert np.flatnonzero(flags).tolist() == [6, 7]
    assert report.mel is not None
    assert report.mel.r2 > 0.95
    assert report.coverage is not None
    bands = report.first.bands
    widths = (bands.high - bands.low)[report.alive]
    assert report.coverage.covered == pytest.approx(widths.sum() / (RATE / 2), rel=0.02)  # they do not overlap


def test_every_layer_is_measured_and_set_against_the_one_before(report: FilterReport) -> None:
    assert [response.layer for response in report.responses] == ["layer1", "layer2"]
    assert [(stage.layer, stage.before) for stage in report.stages] == [("layer1", ""), ("layer2", "layer1")]
    assert [field.layer for field in report.fields] == ["layer1", "layer2", "flat", "logits"]
    assert report.fields[0].n_samples == 201
    assert report.fields[1].n_samples == 201 + 7 * 4
    assert report.fields[-1].sees_all
    peaks = report.responses[0].bands.peak[:6]
    edges = report.responses[0].edges
    where = np.searchsorted(edges, CENTRES[::-1])
    assert ((peaks > edges[where - 2]) & (peaks < edges[where + 1])).all()  # within a band of the truth


def test_without_layers_there_are_the_first_filters_only() -> None:
    told: list[tuple[float, str]] = []
    found = look_at_filters(planted_network(), layers=(), on_progress=lambda part, note: told.append((part, note)))
    assert (found.responses, found.stages, found.fields) == ((), (), ())
    assert found.centres == pytest.approx(CENTRES, rel=0.02)
    assert told[0][0] == 0.0
    assert told[-1] == (1.0, "done")
    assert [part for part, _ in told] == sorted(part for part, _ in told)


def test_sounds_are_climbed_for_channels_all_over_the_band() -> None:
    found = look_at_filters(planted_network(chunk_samples=1600), layers="layer1", n_bands=24, preferred=2)
    assert [field.layer for field in found.fields] == ["layer1"]
    (climbed,) = found.preferred
    assert climbed.channels.tolist() == [5, 0]  # the lowest and the highest
    assert (climbed.activations > climbed.starts).all()
    loudest = climbed.frequencies[climbed.spectra.argmax(axis=1)]
    assert loudest == pytest.approx(CENTRES[[0, -1]], abs=160)


def test_channels_are_spread_over_what_they_hear(report: FilterReport) -> None:
    response = report.responses[0]
    order = np.argsort(response.bands.peak)
    assert response.answers.all()
    assert spread_channels(response, 8).tolist() == order.tolist()
    assert spread_channels(response, 99).tolist() == order.tolist()
    assert spread_channels(response, 3).tolist() == [order[0], order[4], order[7]]  # the middle, 3.5, rounds to even


def test_a_filter_that_is_even_is_not_still() -> None:
    model = planted_network()
    kernels = np.ones((3, 5))
    kernels[1] = 2e-6
    kernels[2] = 5e-7
    network: Any = torch.nn.Module()
    network.conv = torch.nn.Conv1d(1, 3, 5)
    assert never_vary(network, "conv", kernels).tolist() == [False, False, True]
    name = "layers.0.branches.0.0.conv"
    assert never_vary(model, name, np.ones((8, 3))).tolist() == [False] * 7 + [True]  # the norm's


def test_shapes_are_counted_without_still_filters() -> None:
    rng = np.random.default_rng(0)
    onset = np.repeat(np.sign(np.arange(8) - 3.5)[None], 12, axis=0)
    kernels = np.stack([*[onset + 0.2 * rng.standard_normal((12, 8)) for _ in range(6)], 1e-9 * onset])
    kernels = np.concatenate([kernels, rng.standard_normal((2, 12, 8))])
    frequencies, times = np.geomspace(200, 2000, 12), 16.0 * (np.arange(8) - 3.5)
    shapes, _ = nearest_shapes(kernels, frequencies, times)
    filters = MelFilters(
        model="m", module="conv", kernels=kernels, frequencies=frequencies, times_ms=times, is_shifted=True,
        shapes=shapes, chance=0.6,
    )  # fmt: skip
    found = shape_shares(filters, np.arange(9) == 6)
    assert [(share.name, share.n) for share in found] == [("onset", 6), ("", 2)]
    assert found[0].share == 0.75
    assert found[0].by_chance < 0.05
    assert found[1].by_chance > 0.9


def test_networks_on_bands_show_their_shapes() -> None:
    torch.manual_seed(0)
    model = build("content", n_channels=8, n_units=8, n_tags=2)
    found = look_at_filters(model, layers=())
    assert found.first is None
    assert (found.n_filters, found.n_dead) == (8, 0)
    assert sum(share.n for share in found.shapes) == 8
    assert found.centres.shape == (0,)
    (row, *_) = list(csv.DictReader(_csv_lines(found)))
    assert row["shape"] == found.bands[0].shapes[0].name
    assert row["peak"] == ""


def _csv_lines(report: FilterReport) -> list[str]:
    from earmark.explain.filter_report import rows

    return [",".join(COLUMNS), *(",".join(row) for row in rows([report]))]


def test_networks_without_first_filters_say_why() -> None:
    found = look_at_filters(build("mlp_waveform", n_units=4, sample_rate=800, n_tags=2), layers=())
    assert found.first is not None
    assert found.first.kernels.shape == (4, 1600)
    other = look_at_filters(build("mlp_spectrum", n_units=4, n_tags=2), layers=())
    assert (other.first, other.bands, other.n_filters) == (None, (), 0)
    assert "do not see bands" in other.note


def test_of_windows_the_network_of_one_is_looked_at() -> None:
    options = {"length": 64, "stride": 64, "chunk_samples": 4000}
    model = build("windowed", inner="dieleman_raw", inner_options=options, n_windows=2, n_tags=2)
    found = look_at_filters(model, layers="layer1", n_bands=6)
    assert [response.layer for response in found.responses] == ["layer1"]
    assert found.n_filters == 128


def test_tables_hold_what_was_measured(report: FilterReport, tmp_path: Path) -> None:
    write_tables(tmp_path / "f.csv", [report])
    with (tmp_path / "f.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 8 + 8 + 4
    assert tuple(lines[0]) == COLUMNS
    first = [line for line in lines if line["measured"] == "weights"]
    alive = [float(line["peak"]) for line in first if line["never_varies"] == "0"]
    assert alive == pytest.approx(CENTRES, rel=0.02)
    for line in first:
        if line["peak"]:
            assert float(line["high"]) - float(line["low"]) == pytest.approx(float(line["bandwidth"]), rel=1e-3)
    write_tables(tmp_path / "f.npz", [report])
    with np.load(tmp_path / "f.npz") as held:
        assert held["layer2.sweep"].shape == (4, 48)
        assert held["first.peak"][~held["first.never_varies"]] == pytest.approx(CENTRES, rel=0.02)
        assert held["layers"].tolist() == ["layer1", "layer2"]
    assert f"{report.model}/layer1.edges" in arrays([report, report])
    with pytest.raises(UsageError, match=r"'\.txt'"):
        write_tables(tmp_path / "f.txt", [report])


def test_errors_say_what_to_do() -> None:
    with pytest.raises(UnknownNameError, match="layer 'layer9'") as unknown:
        look_at_filters(planted_network(), layers="layer9")
    assert "layer1" in str(unknown.value.hint)
    with pytest.raises(UsageError, match="preferred=-1"):
        look_at_filters(planted_network(), preferred=-1)
    with pytest.raises(UsageError, match="ONNX"):
        look_at_filters("some/model.onnx")


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_published_musicnn_has_filters_that_never_vary() -> None:
    found = look_at_filters("musicnn.pons_mtt", layers=())
    assert found.n_filters == 2 * 204 + 3 * 51
    assert 0.3 < found.n_dead / found.n_filters < 0.4  # weight decay has brought them to 1e-31
    for one in found.bands:
        assert np.abs(one.kernels[found.dead[one.module]]).max() < 1e-5 * np.abs(one.kernels).max()
    timbral = [share for share in found.shapes if share.module == "timbral.0.conv"]
    named = sum(share.share for share in timbral if share.name)
    assert named > 0.9
    assert sum(share.by_chance for share in timbral if share.name) < 0.12
