"""From PyTorch models to ONNX graphs with the front end inside, and to the weightless skeletons that earmark ships.

`python -m earmark.models.export FOLDER` writes the skeletons anew; the tests compare them with the shipped ones.
"""

import copy
import inspect
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from earmark.models.base import ARCHITECTURES, Networks, TaggingModel, activated, build
from earmark.models.graphs import LAYER_SKELETONS, PUBLISHED_SIZES, SKELETONS

OPSET = 20


def export_graph(models: Sequence[TaggingModel]) -> onnx.ModelProto:
    """Export networks that share a front end as one graph.

    Parameters
    ----------
    models : networks with equal front ends

    Returns
    -------
    a graph from "waveform" (B, window) to "scores_0" (B, K), "embedding_0" (B, D), "scores_1", ...; its initializers
    have the names that `earmark.models.graphs` describes
    """
    networks = Networks(copy.deepcopy(list(models))).eval()
    for model in networks.models:
        assert isinstance(model, TaggingModel)
        model.is_fast = True
    example = torch.zeros(2, networks.window)
    example[:, ::100] = 0.1
    names = [f"{kind}_{i}" for i in range(len(models)) for kind in ("scores", "embedding")]
    return _to_onnx(networks, example, names, {0: torch.export.Dim("batch")})


def export_layers(model: TaggingModel) -> onnx.ModelProto:
    """Export a network in its plain form as a graph that returns every stage.

    Parameters
    ----------
    model : a network

    Returns
    -------
    a graph from "waveform" (B, S) with context to "scores" (B, K) and to every stage but the logits, by name; S may
    vary where the stages keep a time axis of any length, as those of musicnn do
    """
    layers = _Layers(copy.deepcopy(model)).eval()
    example = torch.zeros(2, model.chunk_samples + sum(model.context))
    example[:, ::100] = 0.1
    dynamic = {0: torch.export.Dim("batch")}
    if "flat" not in model.layer_names:
        dynamic[1] = torch.export.Dim("samples")
    return _to_onnx(layers, example, ["scores", *model.layer_names[:-1]], dynamic)


class _Layers(nn.Module):
    """One network that returns its scores and all its stages."""

    def __init__(self, model: TaggingModel) -> None:
        super().__init__()
        model.is_fast = False
        self.models = nn.ModuleList([model])  # so that the weights are named as in `Networks`

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """(B, S) -> scores (B, K), then the stages."""
        (model,) = self.models
        assert isinstance(model, TaggingModel)
        stages = dict(model.stages(model.represent(waveform, has_context=True)))
        return activated(stages.pop("logits"), model.card), *stages.values()


def _to_onnx(
    module: nn.Module, example: Tensor, output_names: Sequence[str], dynamic: dict[int, torch.export.Dim]
) -> onnx.ModelProto:
    with warnings.catch_warnings(), _quiet("torch.onnx"), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter, about packages that are not installed
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            optimize=False,
            opset_version=OPSET,
            input_names=["waveform"],
            output_names=list(output_names),
            dynamic_shapes=(dynamic,),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _tidy(model)
    return model


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let a logger pass on errors only."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _tidy(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about its own work, and give the weights their names."""
    names = {}
    for tensor in model.graph.initializer:
        names[tensor.name] = tensor.name.removeprefix("models.").replace("0.frontend.", "frontend.", 1)
        tensor.name = names[tensor.name]
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.input[:] = [names.get(name, name) for name in node.input]
    model.graph.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    model.graph.ClearField("doc_string")
    model.graph.name = "earmark"
    for value in (*model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    model.ClearField("metadata_props")
    model.producer_name, model.producer_version = "earmark", ""


def skeleton(name: str) -> bytes:
    """Export one of `SKELETONS` or `LAYER_SKELETONS` without its weights.

    Parameters
    ----------
    name : a name out of either
    """
    if name in LAYER_SKELETONS:
        model = export_layers(build(LAYER_SKELETONS[name]))
    else:
        model = export_graph([build(architecture) for architecture in SKELETONS[name]])
    for tensor in model.graph.initializer:
        if tensor.name.startswith("frontend.") or tensor.name[0].isdigit():
            for kind in ("raw_data", "float_data", "int64_data"):
                tensor.ClearField(kind)
            del tensor.external_data[:]
            tensor.data_location = onnx.TensorProto.EXTERNAL
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", "weights"
    return bytes(model.SerializeToString(deterministic=True))


def write_skeletons(folder: Path) -> None:
    """Write all skeletons into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*SKELETONS, *LAYER_SKELETONS):
        (folder / f"{name}.onnx").write_bytes(skeleton(name))
    (folder / "shapes.json").write_text(json.dumps(weight_shapes()) + "\n")


def weight_shapes() -> dict[str, dict[str, list[dict[str, int]]]]:
    """Describe the weights of every architecture in `SKELETONS`, by architecture and name.

    Returns
    -------
    for every axis its length at the published sizes as "length", and by how much it grows with each option that
    governs it, such as {"length": 1506, "n_mid": 6}
    """
    architectures = sorted({architecture for names in SKELETONS.values() for architecture in names})
    return {architecture: _described(architecture) for architecture in architectures}


def _described(architecture: str) -> dict[str, list[dict[str, int]]]:
    def shapes(**options: int) -> dict[str, list[int]]:
        state = build(architecture, **options).state_dict()
        return {name: list(a.shape) for name, a in state.items() if not name.endswith("num_batches_tracked")}

    published = shapes()
    described = {name: [{"length": n} for n in shape] for name, shape in published.items()}
    for option in inspect.signature(ARCHITECTURES[architecture]).parameters:
        for name, shape in shapes(**{option: PUBLISHED_SIZES[option] + 1}).items():
            for axis, n, now in zip(described[name], published[name], shape, strict=True):
                if now != n:
                    axis[option] = now - n
    return described


if __name__ == "__main__":
    write_skeletons(Path(sys.argv[1]))
