"""Architectures at small widths, where the published ones are slow."""

from collections.abc import Mapping

# Options that keep the tests quick; the published sizes are counted in tests/models.
SMALL: Mapping[str, Mapping[str, int]] = {
    "cnn_attention": {"n_channels": 8, "n_seconds": 5},
    "content": {"n_channels": 8, "n_units": 16},
    "fcn3": {"n_channels": 8},
    "fcn4": {"n_channels": 8},
    "fcn5": {"n_channels": 8},
    "harmonic_cnn": {"n_channels": 8},
    "k1c2": {"budget": 100},
    "k2c1": {"budget": 100},
    "k2c2": {"budget": 100},
    "mlp_spectrum": {"n_units": 16},
    "music_tagging_transformer": {"n_channels": 8, "n_units": 16, "n_seconds": 5},
    "short_chunk": {"n_channels": 16},
    "short_chunk_res": {"n_channels": 16},
}
