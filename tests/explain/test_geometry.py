"""Where steps and rows lie, against the arithmetic of kernels and strides."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from earmark.audio.filters import mel_to_hz
from earmark.errors import UnknownNameError
from earmark.explain.geometry import band_centres, first_convolutions, receptive_fields, row_centres, row_fields
from earmark.explain.passages import quickly
from earmark.models.base import build
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet


def field_of(layers: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Width and step after each layer of (width, stride) along time: r += (k - 1) j, j *= s."""
    width, step, found = 1, 1, []
    for layer in layers:
        for kernel, stride in layer:
            width += (kernel - 1) * step
            step *= stride
        found.append((width, step))
    return found


DM16 = [[(16, 16)], [(4, 1), (4, 4)], [(4, 1), (4, 4)]]
DL16_8 = [[(16, 16)], [(8 * 3 + 1, 1), (4, 4)]]
SAMPLE = [[(3, 3)], *3 * [[(3, 1), (3, 3)]]]
DS256 = [[(256, 256)], [(8, 1), (4, 4)], [(8, 1), (4, 4)]]
MUSICNN = [[(512, 256), (7, 1)]]  # frames of 512 samples, filters of 7 frames


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [("dm16", DM16), ("dl16_8", DL16_8), ("sample_cnn", SAMPLE), ("ds256a", DS256), ("musicnn", MUSICNN)],
)
def test_fields_equal_the_arithmetic(architecture: str, layers: Sequence[Sequence[tuple[int, int]]]) -> None:
    options = {"n_filters": 4} if architecture == "sample_cnn" else {}
    model = build(architecture, **options)
    found = receptive_fields(model, model.layer_names[: len(layers)], is_effective=False)
    assert [(one.n_samples, one.step_samples) for one in found] == field_of(layers)
    assert found[0].seconds == found[0].n_samples / model.sample_rate
    assert found[0].effective_samples == 0


def test_fields_do_not_depend_on_how_a_network_saves_arithmetic() -> None:
    model = build("musicnn", n_mid=8, n_units=8)
    with quickly(model):
        (found,) = receptive_fields(model, "temporal", is_effective=False)
        assert model.is_fast
    assert (found.n_samples, found.sees_all) == (512 + 127 * 256, False)


def test_effective_fields_are_those_of_the_weights() -> None:
    plan = Plan(layers=(Layer((Branch((Conv(1, 101),)),)),), has_norm=False, activation="relu")
    model = RawNet(plan, n_tags=1, chunk_samples=2000)
    conv = model.layers[0].branches[0][0].conv
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 40:61] = 1.0  # 21 of 101 samples do all the work
        conv.bias.fill_(1.0)
    (found,) = receptive_fields(model, "layer1")
    assert (found.n_samples, found.effective_samples) == (101, 20)  # 95 % of 21
    with torch.no_grad():
        conv.weight[0, 0] = torch.exp(-0.5 * ((torch.arange(101) - 50.0) / 10) ** 2)
    (gaussian,) = receptive_fields(model, "layer1")
    assert gaussian.effective_samples == pytest.approx(2 * 1.96 * 10 / np.sqrt(2), abs=2)


def test_what_sees_all_says_so() -> None:
    model = build("ds256a", chunk_samples=16384)
    flat, logits = receptive_fields(model, ["flat", "logits"], n_draws=1)
    assert flat.sees_all
    assert logits.sees_all
    assert logits.step_samples == 0
    assert 0 < logits.effective_samples < logits.n_samples <= model.chunk_samples
    with pytest.raises(UnknownNameError, match="no layer 'layr1'"):
        receptive_fields(model, "layr1")


def test_rows_are_at_the_bands_that_they_see() -> None:
    model = build("vgg", n_filters=4)
    bands = band_centres(model.frontend)
    fields = row_fields(model, "pool2")
    assert (fields["pool1"].step, fields["pool1"].width) == (2, 3)  # 3 high, every second one kept
    assert (fields["pool2"].step, fields["pool2"].width) == (4, 9)
    centres = row_centres(fields["pool1"], 48, bands)
    assert centres[10] == pytest.approx(bands[20])
    assert (np.diff(centres) > 0).all()
    assert row_centres(None, 2, np.arange(8.0)).tolist() == [1.5, 5.5]


def test_mel_bands_are_at_the_centres_of_their_filters() -> None:
    model = build("fcn")
    bands = band_centres(model.frontend)
    corners = mel_to_hz(np.linspace(0.0, 2595.0 * np.log10(1 + 8000 / 700), 98), "htk")
    assert bands[40:] == pytest.approx(corners[41:97], rel=0.02)
    assert len(band_centres(build("dm16").frontend)) == 0
    pitches = band_centres(build("harmonic_cnn", n_channels=8).frontend)
    assert (len(pitches), pitches[0]) == (128, pytest.approx(32.7, abs=0.01))


def test_first_convolutions_are_those_that_see_the_front_end() -> None:
    names = {name for name, _ in first_convolutions(build("musicnn"))}
    assert names == {"timbral.0.conv", "timbral.1.conv", "temporal.0.conv", "temporal.1.conv", "temporal.2.conv"}
    assert [name for name, _ in first_convolutions(build("fcn"))] == ["blocks.0.conv"]
    assert len(first_convolutions(build("mul16d"))) == 2
    model = build("dm16").train()
    first_convolutions(model)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
