"""The graphs that return every layer: as shipped, and against PyTorch."""

import numpy as np
import pytest

from earmark.errors import UnknownNameError
from earmark.models.card import PUBLISHED
from earmark.models.graphs import LAYER_SKELETONS, read_skeleton
from earmark.models.weights import load_weights
from earmark.runtime import OnnxLayers, open_network

PONS = [name for name in PUBLISHED if ".pons_" in name]


def music_like(n: int, n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(n_samples) / 16000
    tones = sum(np.sin(2 * np.pi * f * time) for f in (110, 220, 277.2, 329.6, 880))
    return (0.05 * tones + 0.02 * rng.standard_normal((n, n_samples))).astype(np.float32)


@pytest.mark.parametrize("name", LAYER_SKELETONS)
def test_shipped_skeletons_are_what_the_code_exports(name: str) -> None:
    pytest.importorskip("torch")
    from earmark.models.export import skeleton

    assert skeleton(name) == read_skeleton(name), "run: python -m earmark.models.export src/earmark/data/skeletons"


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
@pytest.mark.parametrize("name", PONS)
def test_layers_agree_with_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    from earmark.models.base import from_arrays

    arrays, card = load_weights(name)
    model = from_arrays(arrays, card)
    network = OnnxLayers((arrays, card))
    assert network.names == ("scores", *model.layer_names[:-1])
    n_frames = (187,) if card.architecture == "vgg" else (187, 50, 300)
    for n in n_frames:
        batch = music_like(2, 256 + n * 256)
        found = network.run(batch)
        with torch.no_grad():
            stages = dict(model.stages(model.represent(torch.from_numpy(batch), has_context=True)))
        stages["scores"] = torch.sigmoid(stages.pop("logits"))
        for layer, value in found.items():
            expected = stages[layer].numpy()
            assert value.shape == expected.shape
            error, scale = np.abs(value - expected), max(np.abs(expected).max(), 1)
            assert error.mean() < 1e-5 * scale, layer
            # The mel is rounded to float16: here and there a value falls to the other side.
            assert error.max() < 2e-3 * scale, layer


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
@pytest.mark.parametrize("name", PONS)
def test_scores_and_embedding_are_those_of_the_network(name: str) -> None:
    model = load_weights(name)
    batch = music_like(2, 256 + 187 * 256)
    found = OnnxLayers(model).run(batch)
    ((scores, embedding),) = open_network([model]).run(batch)
    np.testing.assert_allclose(found["scores"], scores, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found[model[1].embedding], embedding, rtol=1e-3, atol=1e-3)


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_an_architecture_without_such_a_graph_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"fcn\.layers"):
        OnnxLayers(load_weights("fcn.won_mtt"))
