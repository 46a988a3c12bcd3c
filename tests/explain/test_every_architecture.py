"""Every registered architecture has maps and receptive fields: the longest test of the package, by hand."""

from collections.abc import Mapping

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earmark.explain.activations import activations  # noqa: E402
from earmark.explain.geometry import receptive_fields  # noqa: E402
from earmark.models.base import ARCHITECTURES, build  # noqa: E402

from ..small_architectures import SMALL  # noqa: E402

build("fcn")  # imports the others
# What the contract of architectures is quick with as it is, and the search for fields is not.
SMALLER: Mapping[str, Mapping[str, int]] = {
    **SMALL,
    "mlp_waveform": {"n_units": 16},
    "musicnn": {"n_mid": 8, "n_units": 8},
    "sample_cnn": {"n_filters": 4},
    "sample_cnn_rese": {"n_filters": 4},
    "vgg": {"n_filters": 4},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_maps_and_fields(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, n_tags=3, **SMALLER.get(name, {})).eval()
    song = 0.1 * np.random.default_rng(0).standard_normal(int(1.3 * model.chunk_samples)).astype(np.float32)
    found = activations(model, song, tag=1, max_rate=20.0)
    assert tuple(found.layers) == model.layer_names
    seconds = song.size / model.sample_rate
    for maps in found.layers.values():
        assert maps.values.shape[-1] == len(maps.times)
        assert (np.diff(maps.times) > 0).all()
        assert maps.times[-1] < seconds + model.chunk_samples / model.sample_rate / 2
        assert np.isfinite(maps.values).all()
        assert maps.contributions is not None
        assert np.isfinite(maps.contributions).all()
        if maps.frequencies is not None:
            assert len(maps.frequencies) == maps.values.shape[1] > 1
            assert (np.diff(maps.frequencies) >= 0).all()
            assert maps.frequencies[0] >= 0
            assert maps.frequencies[-1] <= model.sample_rate / 2
    assert sum(bool(np.any(maps.contributions)) for maps in found.layers.values()) >= len(found.layers) - 1
    fields = receptive_fields(model, n_draws=1)
    assert [field.layer for field in fields] == list(model.layer_names)
    widths = [min(field.n_samples, fields[-1].n_samples) for field in fields]  # padding is seen beside the chunk
    assert widths == sorted(widths), "a layer sees less than the one before"
    assert 0 < widths[0] <= widths[-1] <= model.chunk_samples + 2 * max(model.context)
    for field in fields:
        assert field.effective_samples <= min(field.n_samples, model.chunk_samples)
        assert field.step_samples >= 0
