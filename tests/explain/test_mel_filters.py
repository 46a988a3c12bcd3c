"""First filters of networks on spectrograms, in Hz and milliseconds."""

import numpy as np
import pytest
import torch

from earmark.errors import UsageError
from earmark.explain.geometry import band_centres
from earmark.explain.mel_filters import mel_filters
from earmark.models.base import build


def test_filters_of_musicnn_are_drawn_in_hz_and_ms() -> None:
    model = build("musicnn")
    with torch.no_grad():
        model.timbral[0].conv.weight.zero_()
        model.timbral[0].conv.weight[:, :, :, 3:] = 1.0
        model.timbral[0].conv.weight[:, :, :, :3] = -4.0 / 3  # an onset of mean zero
    found = {one.module: one for one in mel_filters(model, lowest_hz=0.0)}
    assert [one.kernels.shape for one in found.values()] == [
        (204, 38, 7),
        (204, 67, 7),
        (51, 1, 128),
        (51, 1, 64),
        (51, 1, 32),
    ]
    timbral = found["timbral.0.conv"]
    bands = band_centres(model.frontend)
    assert timbral.frequencies == pytest.approx(bands[:38])
    assert timbral.times_ms == pytest.approx(16.0 * (np.arange(7) - 3))
    assert timbral.is_shifted
    assert {shape.name for shape in timbral.shapes} == {"onset"}
    assert min(shape.correlation for shape in timbral.shapes) > 0.99
    assert timbral.chance < 0.4


@pytest.mark.parametrize(
    ("architecture", "options", "shape", "is_shifted"),
    [
        ("musicnn_won", {}, (204, 67, 7), True),
        ("fcn", {}, (64, 3, 3), True),
        ("content", {"n_channels": 8, "n_units": 8}, (8, 128, 4), False),
        ("harmonic_cnn", {"n_channels": 8}, (8, 3, 3), True),
        ("windowed", {"inner": "musicnn", "n_windows": 2}, (204, 38, 7), True),
    ],
)
def test_every_front_end_of_bands_is_taken(
    architecture: str, options: dict[str, object], shape: tuple[int, ...], is_shifted: bool
) -> None:
    first = mel_filters(build(architecture, **options))[0]
    assert first.kernels.shape == shape
    assert first.is_shifted is is_shifted
    assert first.frequencies.shape == shape[1:2]
    assert (np.diff(first.frequencies) >= 0).all()
    assert first.times_ms == pytest.approx(-first.times_ms[::-1])


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_published_filters_have_names_beyond_chance() -> None:
    found = mel_filters("musicnn.pons_mtt")
    for one in found[:2]:
        above = np.mean([abs(shape.correlation) > one.chance for shape in one.shapes])
        assert above > 0.5
        assert len({shape.name for shape in one.shapes}) > 2


def test_networks_on_the_waveform_are_refused() -> None:
    with pytest.raises(UsageError, match="do not see bands") as error:
        mel_filters(build("dm16"))
    assert "first_layer" in str(error.value.hint)
