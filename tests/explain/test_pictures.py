"""Pictures of filters: they show the data, name the networks, and refuse what has no centres."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.audio.filters import hz_to_mel
from earmark.errors import MissingExtraError, UsageError
from earmark.explain.filter_report import FilterReport, look_at_filters
from earmark.explain.pictures import (
    FLOOR_DB,
    onto_mel,
    plot_centres,
    plot_responses,
    plot_stages,
    relative_db,
    write_picture,
)
from earmark.models.base import build

from .test_filter_report import CENTRES, planted_network

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def report() -> FilterReport:
    return look_at_filters(planted_network(), n_bands=16)


@pytest.fixture(scope="module")
def on_bands() -> FilterReport:
    return look_at_filters(build("content", n_channels=6, n_units=4, n_tags=2), layers=())


def test_centres_are_drawn_over_their_rank(report: FilterReport) -> None:
    other = replace(report, model="b$_2$ <音楽>")
    axes = plot_centres([report, other]).axes[0]
    mel, linear, *own = axes.lines
    assert len(own) == 2
    x, y = own[0].get_data()
    assert np.asarray(x) == pytest.approx(np.arange(1, 7) / 7)
    assert np.asarray(y) == pytest.approx(hz_to_mel(CENTRES), rel=0.02)
    assert np.asarray(mel.get_ydata()) == pytest.approx(np.linspace(0, float(hz_to_mel(np.array(8000.0))), 200))
    assert np.diff(np.asarray(linear.get_ydata()), 2).max() < 1e-9  # equal steps in Hz bend down on a mel scale
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names[0].startswith("RawNet\n  6 filters, slope ")
    assert names[1].startswith("b$_2$ <")
    assert own[0].get_color() != own[1].get_color()


def test_many_networks_are_told_apart(report: FilterReport) -> None:
    lines = plot_centres([replace(report, model=str(i)) for i in range(9)]).axes[0].lines[2:]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in lines}) == 9  # type: ignore[attr-defined]


def test_networks_on_bands_have_no_centres(report: FilterReport, on_bands: FilterReport) -> None:
    with pytest.raises(UsageError, match="no centre frequency") as error:
        plot_centres([report, on_bands])
    assert "responses" in str(error.value.hint)
    still = {name: np.ones_like(flags) for name, flags in report.dead.items()}
    with pytest.raises(UsageError, match="none of its first filters varies"):
        plot_centres([replace(report, dead=still)])
    with pytest.raises(UsageError, match="nothing of it was measured"):
        plot_responses([on_bands])
    with pytest.raises(UsageError, match="none of its layers was measured"):
        plot_stages([on_bands])
    with pytest.raises(UsageError, match="no networks"):
        plot_centres([])


def test_responses_are_sorted_and_in_db(report: FilterReport) -> None:
    figure = plot_responses([report])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["first filters", "layer1", "layer2"]
    values = np.asarray(figure.axes[0].collections[0].get_array()).reshape(6, -1)
    assert (values.max(axis=1) == 0).all()
    assert values.min() == FLOOR_DB
    assert (np.diff(values.argmax(axis=1)) > 0).all()
    two = plot_responses([report, replace(report, model="other")])
    assert [axes.get_title(loc="left") for axes in two.axes] == ["RawNet", "other"]


def test_stages_are_drawn_for_several_networks(report: FilterReport) -> None:
    figure = plot_stages([report, replace(report, model="other")])
    bandwidth, time = figure.axes
    assert np.asarray(bandwidth.lines[0].get_ydata()) == pytest.approx([stage.half_power for stage in report.stages])
    assert np.asarray(time.lines[1].get_ydata()) == pytest.approx(
        [1000 * stage.time_resolution for stage in report.stages]
    )
    assert [text.get_text() for text in time.get_legend().get_texts()] == ["RawNet", "other"]
    alone = plot_stages([report]).axes[0]
    assert [label.get_text() for label in alone.get_xticklabels()] == ["layer1", "layer2"]


def test_levels_and_mel_cells() -> None:
    assert relative_db(np.array([[0.1, 1.0, -1.0], [0.0, 0.0, 0.0]])) == pytest.approx(
        np.array([[-20.0, 0.0, FLOOR_DB], [FLOOR_DB] * 3])
    )
    frequencies = np.linspace(0, 8000, 4097)
    values = np.zeros((1, 4097))
    values[0, 3000] = 1.0  # narrower than a cell
    edges, cells = onto_mel(frequencies, values, 64)
    (where,) = np.flatnonzero(cells[0] == 1.0)
    assert edges[where] <= frequencies[3000] <= edges[where + 1]
    assert np.diff(hz_to_mel(edges)) == pytest.approx(np.full(64, hz_to_mel(np.array(8000.0)) / 64))


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_files_are_what_their_suffix_says(report: FilterReport, tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"f{suffix}"
    write_picture(path, [report], figure="centres", dark=True)
    assert path.read_bytes().startswith(start)


def test_errors_say_what_to_do(report: FilterReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"cannot be written as '\.gif'"):
        write_picture(tmp_path / "f.gif", [report])
    with pytest.raises(UsageError, match="figure='curves'"):
        write_picture(tmp_path / "f.png", [report], figure="curves")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"\[plots\]"):
        plot_centres([report])
    assert not list(tmp_path.iterdir())
