"""Models by path: the folder of a run, a .safetensors file with a card, an exported .onnx file. No torch here.

What holds a separator, ends in .safetensors or .onnx, or is the folder of a run, is a path; everything else is a name.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import AssetError, InputError
from earmark.models.card import ModelCard

if TYPE_CHECKING:
    import onnxruntime as ort

BEST, RECIPE = "best.safetensors", "run.toml"  # in the folder of a run: its weights, and what it was told to do
WEIGHTS, GRAPH = ".safetensors", ".onnx"

ModelName = str | os.PathLike[str]


def is_path(model: ModelName) -> bool:
    """Say whether a model is given by path.

    Parameters
    ----------
    model : as the user gave it

    Examples
    --------
    >>> is_path("musicnn.pons_mtt"), is_path("runs/esc10"), is_path("mine.onnx")
    (False, True, True)
    """
    if not isinstance(model, str):
        return True
    has_separator = "/" in model or os.sep in model or (os.altsep or "/") in model
    if has_separator or model.lower().endswith((WEIGHTS, GRAPH)):
        return True
    return bool(model) and any(_is_file(Path(model) / name) for name in (BEST, RECIPE))


def _is_file(path: Path) -> bool:
    """Say whether there is such a file; what could not be the name of one is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or it holds a zero byte
        return False


def is_graph(model: ModelName) -> bool:
    """Say whether a model is an exported ONNX file."""
    return os.fspath(model).lower().endswith(GRAPH)


def model_file(model: ModelName) -> Path:
    """Return the file of a model that is given by path: of a run its best weights.

    Parameters
    ----------
    model : folder of a run, or a file

    Raises
    ------
    AssetError
        If there is no such file, the run has no weights yet, or the file could not hold a model.
    """
    path = Path(model)
    if _is_file(path / BEST):
        return path / BEST
    if not _is_file(path):
        if _is_file(path / RECIPE):
            raise AssetError(
                f"{path}: the run has not finished its first epoch: there is no {BEST} yet",
                hint=f"wait for it, or let the run go on: earmark train --resume {path}",
            )
        raise AssetError(
            f"{path}: there is no such model: no file, and no folder with a {BEST}",
            hint="earmark train writes such folders; models that have a name: earmark models list",
        )
    if path.suffix.lower() not in (WEIGHTS, GRAPH):
        raise AssetError(
            f"{path}: neither a {WEIGHTS} nor an {GRAPH} file that earmark wrote",
            hint=f"import it: earmark models import {path} --architecture NAME",
        )
    return path


def open_graph(path: Path, *, threads: int = 1, is_run: bool = False) -> "ort.InferenceSession":
    """Start ONNX Runtime on an exported file.

    Parameters
    ----------
    path : of the file
    threads : threads of one call
    is_run : whether it is to be run, and worth optimising, or only looked at

    Raises
    ------
    AssetError
        If it is no ONNX file, or damaged.
    """
    from earmark.onnx_runtime import ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what is wrong is said below
    if not is_run:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    kinds = ort.capi.onnxruntime_pybind11_state
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (
        kinds.Fail,
        kinds.InvalidArgument,
        kinds.InvalidGraph,
        kinds.InvalidProtobuf,
        kinds.NotImplemented,
    ) as error:
        raise AssetError(f"{path}: no graph that ONNX Runtime can run: {error}", hint=_EXPORT_AGAIN) from error


def card_of_graph(session: "ort.InferenceSession", path: Path) -> ModelCard:
    """Read the card out of an exported file, and hold the graph to it.

    Parameters
    ----------
    session : as `open_graph` returns it
    path : of the file, for messages

    Raises
    ------
    AssetError
        If there is no card in it, or inputs and outputs are not those of the card.
    """
    text = session.get_modelmeta().custom_metadata_map.get("earmark.card")
    if text is None:
        raise AssetError(f"{path}: the file holds no model card: earmark did not export it", hint=_EXPORT_AGAIN)
    try:
        card = ModelCard.from_json(text)
    except InputError as error:
        raise AssetError(f"{path}: {error}", hint=_EXPORT_AGAIN) from error
    window = card.chunk_samples + sum(card.context_samples)
    expected = [("waveform", window), ("scores", len(card.tags)), ("embedding", card.n_features)]
    found = [(one.name, one.shape[1]) for one in (*session.get_inputs(), *session.get_outputs()) if len(one.shape) == 2]
    if found != expected:
        raise AssetError(f"{path}: the graph has {found}, its card says {expected}", hint=_EXPORT_AGAIN)
    return card


_EXPORT_AGAIN = "earmark models export writes such files"
