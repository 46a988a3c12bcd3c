"""What all networks share: how logits become scores, and what half precision is kept away from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from earmark.models.base import Networks, TaggingModel, activated, build, load  # noqa: E402

Write = Callable[..., Path]
SMALL = {"mlp_spectrum": {"n_units": 16}, "short_chunk": {"n_channels": 16}, "harmonic_cnn": {"n_channels": 8}}
WINDOWED = {"inner": "ds256b", "inner_options": {"chunk_samples": 16384}, "n_windows": 3}


def noise(model: TaggingModel, n: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(n, model.chunk_samples, generator=torch.Generator().manual_seed(0))


def test_scores_are_what_the_card_says(write_run: Write) -> None:
    model = load(write_run("classes", "mlp_spectrum", options=SMALL["mlp_spectrum"], activation="softmax"))
    with torch.no_grad():
        logits = model(noise(model))
        scores, _ = Networks([model])(noise(model))
        assert torch.equal(scores, torch.softmax(logits, dim=1))
        assert torch.equal(activated(logits, None), torch.sigmoid(logits))
        assert model.card is not None
        model.card = replace(model.card, activation="sigmoid")
        assert torch.equal(Networks([model])(noise(model))[0], torch.sigmoid(logits))


@pytest.mark.parametrize("name", ["short_chunk", "harmonic_cnn", "mlp_spectrum", "windowed"])
def test_half_precision_stops_at_the_front_end(name: str) -> None:
    torch.manual_seed(3)
    model = build(name, n_tags=7, **(WINDOWED if name == "windowed" else SMALL[name])).eval()
    waveform = noise(model)
    with torch.no_grad():
        features, logits = model.represent(waveform), model(waveform)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half_features, half_logits = model.represent(waveform), model(waveform)
    assert torch.equal(features, half_features)
    assert half_features.dtype == torch.float32
    difference = (half_logits.float() - logits).abs().max()
    assert 0 < difference < 0.02, difference  # bfloat16 has 8 bits: 0.004 of each product
