"""Run networks: ONNX Runtime on the CPU (no torch), PyTorch on a GPU.

A `Network` runs one or several models that share a front end. It takes batches of chunks with their context and may be
called from several threads at once.
"""

import ctypes.util
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkError, MissingExtraError, UsageError
from earmark.models.card import ModelCard
from earmark.models.graphs import has_skeleton, is_shipped, read_skeleton, skeleton_for, values_for
from earmark.models.paths import ModelName, card_of_graph, is_graph, open_graph
from earmark.models.weights import Progress, load_weights, path_of
from earmark.onnx_runtime import ort

Batch = NDArray[np.float32]
Engine = Literal["auto", "onnx", "torch"]
Model = tuple[Mapping[str, NDArray[np.generic]], ModelCard]

ENGINES: tuple[Engine, ...] = ("auto", "onnx", "torch")


class Network(Protocol):
    """One or several models on one front end, ready to run."""

    def run(self, waveform: Batch) -> list[tuple[Batch, Batch]]:
        """Run a batch.

        Parameters
        ----------
        waveform : shape (B, window): chunks with their context

        Returns
        -------
        scores (B, K) and embedding (B, D) of each model
        """
        ...


@dataclass(frozen=True)
class OpenModels:
    """Models that are ready to run.

    Parameters
    ----------
    cards : of the models
    networks : each with the positions in `cards` of the models that it runs
    engine, device : that they run on, neither "auto"
    """

    cards: tuple[ModelCard, ...]
    networks: list[tuple[list[int], Network]]
    engine: str
    device: str


def open_models(
    models: Sequence[ModelName], *, engine: str = "auto", device: str = "auto", progress: Progress | None = None
) -> OpenModels:
    """Load models and make them ready to run; those that share a front end run as one.

    Parameters
    ----------
    models : names or paths; the path of an exported ONNX file stands alone
    engine, device : see `choose`
    progress : called with the bytes done and the bytes in all while weights are fetched

    Raises
    ------
    UnknownNameError, AssetError
        If there is no such model, or its weights cannot be had.
    UsageError
        If the engine is unknown, or does not run on that device, or does not run that model.
    MissingExtraError
        If the engine is not installed.
    """
    choose(engine, device)  # a wrong name is told before anything is fetched
    files = [path_of(model) for model in models]
    if len(files) == 1 and files[0] is not None and is_graph(files[0]):
        return _open_exported(files[0], engine, device)
    loaded = [load_weights(model, progress=progress) for model in models]
    cards = tuple(card for _, card in loaded)
    engine, device = choose(engine, device, cards=cards)
    networks = [
        (members, open_network([loaded[i] for i in members], engine=engine, device=device))
        for members in group(cards, engine=engine)
    ]
    return OpenModels(cards, networks, engine, device)


def _open_exported(path: Path, engine: str, device: str) -> OpenModels:
    if engine == "torch" or device not in ("auto", "cpu"):
        hint = "name the model that it was exported from, or leave out engine and device"
        raise UsageError(f"{path}: an exported graph runs in ONNX Runtime on the CPU only", hint=hint)
    network = ExportedNetwork(path)
    return OpenModels((network.card,), [([0], network)], "onnx", "cpu")


def choose(engine: str, device: str, *, cards: Sequence[ModelCard] = ()) -> tuple[str, str]:
    """Settle what "auto" stands for; torch is imported only where there is an NVIDIA driver, or it was asked for.

    Parameters
    ----------
    engine : "auto", "onnx" or "torch"
    device : "auto", "cpu", or a device of PyTorch such as "cuda" or "cuda:1"
    cards : of the models to run; those for which earmark ships no graph need PyTorch

    Returns
    -------
    engine and device, neither "auto"

    Raises
    ------
    UsageError
        If the engine is unknown, or does not run on that device, or does not run one of the models.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}", hint=f"one of {', '.join(ENGINES)}")
    if device == "auto":
        device = "cuda" if engine in ("auto", "torch") and _has_cuda() else "cpu"
    if engine == "auto":
        engine = "onnx" if device == "cpu" and all(map(is_shipped, cards)) else "torch"
    if engine != "torch" and device != "cpu":
        raise UsageError(f"engine {engine!r} runs on the CPU, not on {device!r}", hint="choose --engine torch")
    for card in cards:
        if engine == "onnx" and not is_shipped(card):
            raise UsageError(
                f"no graph of {card.name} comes with earmark: PyTorch runs it",
                hint="--engine torch, or export it (earmark models export) and give that file as the model",
            )
    return engine, device


def _has_cuda() -> bool:
    """Tell whether torch can use an NVIDIA GPU; it is asked only if it is installed and there is a driver."""
    has_driver = any(ctypes.util.find_library(name) for name in ("cuda", "nvcuda"))
    if not has_driver or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def group(cards: Sequence[ModelCard], *, engine: str = "onnx") -> list[list[int]]:
    """Find which models can share one network: those with the same front end and chunks.

    Parameters
    ----------
    cards : of the models
    engine : "onnx" is limited to the graphs that earmark ships

    Returns
    -------
    positions in `cards`, group by group; each position once, in order of first appearance

    Examples
    --------
    >>> from earmark.models.card import PUBLISHED
    >>> names = ("musicnn.pons_msd", "musicnn.won_jamendo", "musicnn.pons_mtt")
    >>> group([PUBLISHED[name] for name in names])
    [[0, 2], [1]]
    """
    groups: list[list[int]] = []
    for i, card in enumerate(cards):
        for members in groups:
            first = cards[members[0]]
            alike = (first.frontend, first.sample_rate, first.chunk_samples, first.context_samples) == (
                (card.frontend, card.sample_rate, card.chunk_samples, card.context_samples)
            )
            together = [*(cards[m].architecture for m in members), card.architecture]
            is_known = all(
                has_skeleton([architecture]) for architecture in together
            )  # front ends have no options there
            if alike and (has_skeleton(together) or (engine == "torch" and is_known)):
                members.append(i)
                break
        else:
            groups.append([i])
    return groups


def open_network(models: Sequence[Model], *, engine: str = "onnx", device: str = "cpu", threads: int = 1) -> Network:
    """Make one or several models that share a front end ready to run.

    Parameters
    ----------
    models : arrays and card of each
    engine, device : as `choose` returns them
    threads : threads of one call; calls from several threads add up

    Raises
    ------
    MissingExtraError
        If the engine is not installed.
    """
    if engine == "torch":
        return TorchNetwork(models, device=device)
    return OnnxNetwork(models, threads=threads)


class OnnxNetwork:
    """Networks on ONNX Runtime's CPU provider: a shipped skeleton, filled with the models' weights.

    Parameters
    ----------
    models : arrays and card of each
    threads : threads of one call
    """

    def __init__(self, models: Sequence[Model], *, threads: int = 1) -> None:
        self.session = _open_session(skeleton_for([card for _, card in models]), models, threads)

    def run(self, waveform: Batch) -> list[tuple[Batch, Batch]]:
        """Run a batch; see `Network`."""
        return _pairs(self.session.run(None, {"waveform": waveform}))


class ExportedNetwork:
    """A model on ONNX Runtime's CPU provider, from a file that `earmark.models.portable.export_model` wrote.

    Parameters
    ----------
    path : of the file
    threads : threads of one call

    Attributes
    ----------
    card : of the model

    Raises
    ------
    AssetError
        If the file is damaged, or earmark did not write it.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.session = open_graph(path, threads=threads, is_run=True)
        self.card = card_of_graph(self.session, path)

    def run(self, waveform: Batch) -> list[tuple[Batch, Batch]]:
        """Run a batch; see `Network`."""
        return _pairs(self.session.run(["scores", "embedding"], {"waveform": waveform}))


class OnnxLayers:
    """One network on ONNX Runtime's CPU provider that returns every layer.

    Parameters
    ----------
    model : arrays and card of a model whose architecture is in `graphs.LAYER_SKELETONS`
    threads : threads of one call

    Attributes
    ----------
    names : what `run` returns: "scores", then the stages in order

    Raises
    ------
    UnknownNameError
        If earmark ships no such graph of the architecture.
    """

    def __init__(self, model: Model, *, threads: int = 1) -> None:
        self.session = _open_session(read_skeleton(f"{model[1].architecture}.layers"), [model], threads)
        self.names: tuple[str, ...] = tuple(output.name for output in self.session.get_outputs())

    def run(self, waveform: Batch) -> dict[str, Batch]:
        """Run a batch.

        Parameters
        ----------
        waveform : shape (B, S): chunks with their context; musicnn takes any length

        Returns
        -------
        "scores" (B, K), and the stages by name: (B, C, F, T), (B, C, T) or (B, C)
        """
        return dict(zip(self.names, self.session.run(None, {"waveform": waveform}), strict=True))


def _open_session(skeleton: bytes, models: Sequence[Model], threads: int) -> ort.InferenceSession:
    """Start ONNX Runtime on a skeleton, filled with the models' weights."""
    values = {name: np.ascontiguousarray(value) for name, value in values_for(models).items()}
    # ONNX Runtime reads the arrays when it optimises the graph: they have to outlive the session's start.
    tensors = [ort.OrtValue.ortvalue_from_numpy(value) for value in values.values()]
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_external_initializers(list(values), tensors)
    try:
        return ort.InferenceSession(skeleton, options, providers=["CPUExecutionProvider"])
    except (ort.capi.onnxruntime_pybind11_state.Fail, ort.capi.onnxruntime_pybind11_state.InvalidArgument) as error:
        names = ", ".join(card.name for _, card in models)
        raise EarmarkError(
            f"the weights of {names} do not fit the graph: {error}",
            hint="models of other sizes than the published ones need PyTorch: --engine torch",
        ) from error


class TorchNetwork:
    """Networks in PyTorch.

    Parameters
    ----------
    models : arrays and card of each
    device : such as "cpu", "cuda" or "mps"
    """

    def __init__(self, models: Sequence[Model], *, device: str = "cpu") -> None:
        try:
            import torch

            from earmark.models.base import Networks, from_arrays
        except ImportError as error:
            missing = MissingExtraError(f"running {', '.join(card.name for _, card in models)} in PyTorch", "torch")
            missing.hint = f"{missing.hint}; or, where PyTorch is, write it with earmark models export: {_GRAPH_DOES}"
            raise missing from error
        networks = Networks([from_arrays(*model) for model in models]).eval()
        try:
            self.device = torch.device(device)
            self.networks = networks.to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise UsageError(f"PyTorch cannot use the device {device!r}: {error}", hint="--device cpu") from error
        self.torch: Any = torch

    def run(self, waveform: Batch) -> list[tuple[Batch, Batch]]:
        """Run a batch; see `Network`."""
        with self.torch.inference_mode():
            outputs = self.networks(self.torch.from_numpy(waveform).to(self.device))
        return _pairs([output.float().cpu().numpy() for output in outputs])


_GRAPH_DOES = "as an .onnx file a model runs without"


def _pairs(outputs: Sequence[Batch]) -> list[tuple[Batch, Batch]]:
    return list(zip(outputs[0::2], outputs[1::2], strict=True))
