"""Run networks: ONNX Runtime on the CPU (no torch), PyTorch on a GPU.

A `Network` runs one or several models that share a front end. It takes batches of chunks with their context and may be
called from several threads at once.
"""

import ctypes.util
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from earmark.errors import EarmarkError, MissingExtraError, UsageError
from earmark.models.card import ModelCard
from earmark.models.graphs import has_skeleton, is_shipped, read_skeleton, skeleton_for, values_for

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


def choose(engine: str, device: str, *, cards: Sequence[ModelCard] = ()) -> tuple[str, str]:
    """Settle what "auto" stands for; torch is imported only where there is an NVIDIA driver, or it was asked for.

    Parameters
    ----------
    engine : "auto", "onnx" or "torch"
    device : "auto", "cpu", or a device of PyTorch such as "cuda" or "cuda:1"
    cards : of the models to run; imported ones of unusual sizes need PyTorch

    Returns
    -------
    engine and device, neither "auto"

    Raises
    ------
    UsageError
        If the engine is unknown, or does not run on that device.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}", hint=f"one of {', '.join(ENGINES)}")
    if device == "auto":
        device = "cuda" if engine in ("auto", "torch") and _has_cuda() else "cpu"
    if engine == "auto":
        engine = "onnx" if device == "cpu" and all(map(is_shipped, cards)) else "torch"
    if engine != "torch" and device != "cpu":
        raise UsageError(f"engine {engine!r} runs on the CPU, not on {device!r}", hint="choose --engine torch")
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
            if alike and (engine == "torch" or has_skeleton(together)):
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
            raise MissingExtraError("running models in PyTorch", "torch") from error
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


def _pairs(outputs: Sequence[Batch]) -> list[tuple[Batch, Batch]]:
    return list(zip(outputs[0::2], outputs[1::2], strict=True))
