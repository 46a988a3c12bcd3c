"""Inference graphs: ONNX skeletons without weights, shipped as package data, and what fills them. No torch here.

A skeleton has the architecture, mel included, and names for its weights, but no values. ONNX Runtime takes the values
by name when a session starts. `earmark.models.export` writes the skeletons from the PyTorch models.

Every graph takes "waveform" (B, window): chunks with their context. For each network i (one, or several on one front
end) it returns "scores_i" (B, K) and "embedding_i" (B, D). Weights are named "i.NAME OF THE PYTORCH PARAMETER".

The graphs of `LAYER_SKELETONS` hold one network in its plain form and return "scores" and every stage by its name.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import frontend_constants
from earmark.errors import AssetError, MissingExtraError, UnknownNameError
from earmark.models.card import PUBLISHED, ModelCard

Arrays = Mapping[str, NDArray[np.generic]]

# Which networks may share one graph: those of one front end, in the combinations that presets need.
SKELETONS: Mapping[str, tuple[str, ...]] = {
    "musicnn": ("musicnn",),
    "musicnn+musicnn": ("musicnn", "musicnn"),
    "vgg": ("vgg",),
    "musicnn_won": ("musicnn_won",),
    "fcn": ("fcn",),
    "crnn": ("crnn",),
    "crnn_choi": ("crnn_choi",),
}

# Graphs that return every layer, by the architecture that they hold; musicnn's take a waveform of any length.
LAYER_SKELETONS: Mapping[str, str] = {"musicnn.layers": "musicnn", "vgg.layers": "vgg"}


def read_skeleton(name: str) -> bytes:
    """Return the bytes of a skeleton.

    Raises
    ------
    UnknownNameError
        If earmark ships none of that name.
    """
    if name not in SKELETONS and name not in LAYER_SKELETONS:
        raise UnknownNameError("graph", name, (*SKELETONS, *LAYER_SKELETONS))
    return (_folder() / f"{name}.onnx").read_bytes()


def _folder() -> Traversable:
    return resources.files("earmark") / "data" / "skeletons"


PUBLISHED_SIZES = {"n_tags": 50, "n_mid": 64, "n_units": 200, "n_filters": 128}
_FRONTENDS = {card.architecture: card.frontend for card in PUBLISHED.values()}  # what the skeletons have inside


def is_shipped(card: ModelCard) -> bool:
    """Say whether a shipped graph is that of a model: architecture, sizes and activation; others run in PyTorch."""
    has_sizes = all(PUBLISHED_SIZES.get(name) == value for name, value in card.options.items())
    return has_skeleton([card.architecture]) and has_sizes and card.activation == "sigmoid"


def check_weights(arrays: Arrays, architecture: str, options: Mapping[str, int]) -> None:
    """Make sure that arrays are the weights of an architecture of these sizes.

    Raises
    ------
    AssetError
        If an array is missing, is one too many, has another shape, or holds a value that is not finite.
    """
    described = json.loads((_folder() / "shapes.json").read_text())[architecture]
    growth = {option: size - PUBLISHED_SIZES.get(option, size) for option, size in options.items()}
    expected = {
        name: tuple(axis.pop("length") + sum(growth.get(o, 0) * by for o, by in axis.items()) for axis in axes)
        for name, axes in described.items()
    }
    found = {name: array.shape for name, array in arrays.items() if not name.endswith("num_batches_tracked")}
    odd = [name for name in sorted({*expected, *found}) if expected.get(name) != found.get(name)]
    if odd:
        what = ", ".join(
            f"{name} is {found.get(name, 'missing')}, not {expected.get(name, 'there')}" for name in odd[:3]
        )
        raise AssetError(
            f"the file does not hold a checkpoint of the architecture {architecture!r}: {what}",
            hint="name the architecture that it was made with: --architecture NAME",
        )
    broken = [name for name in found if not np.isfinite(arrays[name]).all()]
    if broken:
        raise AssetError(f"the checkpoint is damaged: {broken[0]} holds values that are not finite")


def has_skeleton(architectures: Sequence[str]) -> bool:
    """Say whether one graph runs these networks together."""
    return tuple(architectures) in SKELETONS.values()


def skeleton_for(cards: Sequence[ModelCard]) -> bytes:
    """Return the skeleton that runs these models on one front end.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    return read_skeleton("+".join(card.architecture for card in cards))


def values_for(models: Sequence[tuple[Arrays, ModelCard]]) -> dict[str, NDArray[np.generic]]:
    """Return the values of all names in a skeleton.

    Parameters
    ----------
    models : arrays and card of each network, in order
    """
    values: dict[str, NDArray[np.generic]] = {}
    for i, (arrays, _) in enumerate(models):
        values |= {f"{i}.{name}": array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}
    card = models[0][1]
    constants = frontend_constants(_FRONTENDS.get(card.architecture, card.frontend))
    return values | {f"frontend.{name}": array for name, array in constants.items()}


def filled(skeleton: bytes, values: Arrays) -> "onnx.ModelProto":  # type: ignore[name-defined] # noqa: F821
    """Return the graph with its weights inside.

    Raises
    ------
    MissingExtraError
        If the onnx package is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError("writing ONNX files", "onnx") from error
    model = onnx.ModelProto.FromString(skeleton)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values[tensor.name]), tensor.name))
    return model
