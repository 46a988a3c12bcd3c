"""From PyTorch models to ONNX graphs with the front end inside, and to the weightless skeletons that earmark ships.

`python -m earmark.models.export FOLDER` writes the skeletons anew; the tests compare them with the shipped ones.
"""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch

from earmark.models.base import Networks, TaggingModel, build
from earmark.models.graphs import SKELETONS

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
    networks = Networks(models).eval()
    example = torch.zeros(2, networks.window)
    example[:, ::100] = 0.1
    names = [f"{kind}_{i}" for i in range(len(models)) for kind in ("scores", "embedding")]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter, about packages that are not installed
        program = torch.onnx.export(
            networks,
            (example,),
            dynamo=True,
            optimize=False,
            opset_version=OPSET,
            input_names=["waveform"],
            output_names=names,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _tidy(model)
    return model


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
    """Export one of `SKELETONS` without its weights.

    Parameters
    ----------
    name : a name out of `SKELETONS`
    """
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
    for name in SKELETONS:
        (folder / f"{name}.onnx").write_bytes(skeleton(name))


if __name__ == "__main__":
    write_skeletons(Path(sys.argv[1]))
