"""A model as one ONNX file for other programs: from raw audio to scores, with everything that using it takes inside.

The graph takes "waveform" (B, n_samples), float32 in [-1, 1], mono at `sample_rate`: a chunk of `chunk_samples` with
the `context_samples` before and after it, true audio where there is some, else the chunk's own audio mirrored at its
edge (the edge sample not doubled). It returns "scores" (B, K) in [0, 1], in the order of the labels, and "embedding"
(B, D). The score of a track is the mean over chunks that begin `hop_samples` apart.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

from earmark.errors import AssetError, InputError, MissingExtraError, UsageError
from earmark.files import replacing
from earmark.models.card import ModelCard
from earmark.models.graphs import filled, is_shipped, skeleton_for, values_for
from earmark.models.paths import ModelName
from earmark.models.weights import Arrays, Progress, load_weights

METADATA_KEYS = (
    "earmark.card",
    "labels",
    "sample_rate",
    "chunk_samples",
    "hop_samples",
    "context_samples",
    "licence",
)


def export_model(model: ModelName, path: str | os.PathLike[str], *, progress: Progress | None = None) -> ModelCard:
    """Write a model as an ONNX file that any ONNX runtime can use; earmark takes its path as that of a model.

    Parameters
    ----------
    model : name of a model, or the path of a run or of its weights
    path : ends in .onnx; written beside and renamed
    progress : called with the bytes done and the bytes in all while weights are fetched

    Returns
    -------
    the card of the model

    Raises
    ------
    UsageError
        If `path` does not end in .onnx.
    UnknownNameError, AssetError
        If there is no such model.
    MissingExtraError
        If the onnx package is not installed; PyTorch, if earmark ships no graph of the model: it is of an architecture
        without one, has other sizes than the published ones, or tells one class of many.
    InputError
        If the file cannot be written.

    Notes
    -----
    The file's metadata hold the keys of `METADATA_KEYS`: the card and the labels as JSON, numbers as decimals, the
    samples of context before and after a chunk with a comma between them.
    """
    target = Path(path)
    if target.suffix.lower() != ".onnx":
        raise UsageError(f"{target}: a model is written as .onnx", hint=f"{target.with_suffix('.onnx')}")
    arrays, card = load_weights(model, progress=progress)
    content = model_bytes(arrays, card)
    with replacing(target) as file:
        file.write(content)
    return card


def model_bytes(arrays: Arrays, card: ModelCard) -> bytes:
    """Return the content of the ONNX file of a model.

    Parameters
    ----------
    arrays : weights by the names of the PyTorch model
    card : of the model

    Raises
    ------
    AssetError
        If the weights do not fit the graph.
    MissingExtraError
        As `export_model` does.
    """
    graph = _graph(arrays, card)
    _rename(graph.graph)
    sizes = {"scores": len(card.tags), "embedding": card.n_features}
    for output in graph.graph.output:
        output.type.tensor_type.shape.dim[1].dim_value = sizes[output.name]
    graph.producer_name = "earmark"
    graph.doc_string = f"{card.name}: {__doc__.partition('inside.')[2].strip()}"
    for key, value in metadata(card).items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    return bytes(graph.SerializeToString(deterministic=True))


def _graph(arrays: Arrays, card: ModelCard) -> "onnx.ModelProto":  # type: ignore[name-defined] # noqa: F821
    """Fill the skeleton; without one, and for other sizes, which are constants in it, the graph comes from PyTorch."""
    sizes = {name: size for name, size in card.options.items() if name != "n_tags"}  # of the last layer only
    if is_shipped(replace(card, options=sizes)):
        try:
            return filled(skeleton_for([card]), values_for([(arrays, card)]))
        except KeyError as error:
            raise AssetError(f"the weights of {card.name} do not fit the graph: {error} is missing") from error
    try:
        from earmark.models.base import from_arrays
        from earmark.models.export import export_graph
    except ImportError as error:
        raise MissingExtraError(f"writing {card.name}, of which earmark ships no graph,", "torch") from error
    return export_graph([from_arrays(arrays, card)])


def _rename(graph: "onnx.GraphProto") -> None:  # type: ignore[name-defined] # noqa: F821
    """Drop the number of the network, of which there is one here, from the names of the outputs."""
    names = {"scores_0": "scores", "embedding_0": "embedding"}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for output in graph.output:
        output.name = names.get(output.name, output.name)


def metadata(card: ModelCard) -> dict[str, str]:
    """Return what goes into the metadata of a model's ONNX file."""
    values = (
        card.to_json(),
        json.dumps(list(card.tags), ensure_ascii=False),
        str(card.sample_rate),
        str(card.chunk_samples),
        str(card.hop_samples),
        ",".join(map(str, card.context_samples)),
        card.licence,
    )
    return dict(zip(METADATA_KEYS, values, strict=True))


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read the tags of a model from a text file, one per line, in the order of its outputs.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"{path}: {reason or error}", hint="a text file with one tag per line") from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())
