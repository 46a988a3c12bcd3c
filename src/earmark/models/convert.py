"""From the names and layouts of published checkpoints to those of earmark's models, without any framework.

A published file is read into {name: array} by `earmark.models.readers`; the functions here rename and transpose.
The layouts:

- TensorFlow 1 and Keras 2 (Pons): convolutions (time, frequency, in, out), dense layers (in, out);
- PyTorch (Won): as here, other names;
- Keras 1 with Theano (Choi): convolutions flipped in both axes, dense layers (in, out), one matrix per gate.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AssetError, UnknownNameError

Arrays = dict[str, NDArray[np.float32]]
Source = Mapping[str, NDArray[np.generic]]

# The layers of the TensorFlow checkpoints by the names that the Keras files give them.
_MUSICNN_LAYERS = {
    "conv2d_5": "midend_conv1",
    "conv2d_6": "midend_conv2",
    "conv2d_7": "midend_conv3",
    "batch_normalization_6": "bn_midend_conv1",
    "batch_normalization_7": "bn_midend_conv2",
    "batch_normalization_8": "bn_midend_conv3",
    "batch_normalization_9": "bn_flatpool",
    "batch_normalization_10": "bn_dense",
}
_VGG_LAYERS = {
    "batch_normalization": "bn_input",
    **{f"batch_normalization_{i}": f"bn_conv{i}" for i in range(1, 6)},
    "dense": "output",
}


def convert(arrays: Source, architecture: str) -> Arrays:
    """Bring the arrays of a published checkpoint into the names and layout of an architecture.

    Parameters
    ----------
    arrays : name -> array, as read from the file
    architecture : name of the architecture, such as "musicnn"

    Returns
    -------
    name -> float32 array, as in the state of the PyTorch model

    Raises
    ------
    UnknownNameError
        If no converter exists for the architecture.
    AssetError
        If an array is missing: the file is not of this architecture.
    """
    if architecture not in _CONVERTERS:
        raise UnknownNameError("converter for the architecture", architecture, _CONVERTERS)
    try:
        converted = _CONVERTERS[architecture](arrays)
    except (KeyError, ValueError, IndexError) as error:
        raise AssetError(
            f"the file does not hold a checkpoint of the architecture {architecture!r}: {error}",
            hint="name the architecture that it was made with: --architecture NAME",
        ) from error
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in converted.items()}


def _plain_names(arrays: Source, aliases: Mapping[str, str]) -> Source:
    """Reduce TensorFlow and Keras names to "layer/array", the layer by the name of the Keras files."""
    plain = {}
    for name, array in arrays.items():
        parts = name.split("/")
        layer, last = parts[0], re.sub(r"(_\d+)?(:\d+)?$", "", parts[-1])
        plain[f"{aliases.get(layer, layer)}/{last}"] = array
    return plain


def _norm(source: Source, layer: str, target: str) -> dict[str, NDArray[np.generic]]:
    return {
        f"{target}.weight": source[f"{layer}/gamma"],
        f"{target}.bias": source[f"{layer}/beta"],
        f"{target}.running_mean": source[f"{layer}/moving_mean"],
        f"{target}.running_var": source[f"{layer}/moving_variance"],
    }


def _conv(source: Source, layer: str, target: str) -> dict[str, NDArray[np.generic]]:
    """(time, frequency, in, out) -> (out, in, frequency, time)."""
    return {
        f"{target}.weight": source[f"{layer}/kernel"].transpose(3, 2, 1, 0),
        f"{target}.bias": source[f"{layer}/bias"],
    }


def _dense(source: Source, layer: str, target: str) -> dict[str, NDArray[np.generic]]:
    return {f"{target}.weight": source[f"{layer}/kernel"].T, f"{target}.bias": source[f"{layer}/bias"]}


def _pons_musicnn(arrays: Source) -> Source:
    is_tensorflow = "conv2d_5/kernel" in arrays
    source = _plain_names(_without_slots(arrays), _MUSICNN_LAYERS if is_tensorflow else {})
    out = dict(_norm(source, "batch_normalization", "input_norm"))
    front = ["timbral.0", "timbral.1", "temporal.0", "temporal.1", "temporal.2"]
    for i, target in enumerate(front):
        out |= _conv(source, "conv2d" + (f"_{i}" if i else ""), f"{target}.conv")
        out |= _norm(source, f"batch_normalization_{i + 1}", f"{target}.norm")
    for i in range(3):
        kernel = source[f"midend_conv{i + 1}/kernel"]  # (7, in, 1, out)
        out[f"mid.{i}.conv.weight"] = kernel[:, :, 0, :].transpose(2, 1, 0)
        out[f"mid.{i}.conv.bias"] = source[f"midend_conv{i + 1}/bias"]
        out |= _norm(source, f"bn_midend_conv{i + 1}", f"mid.{i}.norm")
    out |= _norm(source, "bn_flatpool", "end.input_norm") | _dense(source, "dense", "end.dense")
    return out | _norm(source, "bn_dense", "end.norm") | _dense(source, "dense_1", "end.head")


def _pons_vgg(arrays: Source) -> Source:
    is_tensorflow = "batch_normalization/gamma" in arrays
    source = _plain_names(_without_slots(arrays), _VGG_LAYERS if is_tensorflow else {})
    out = dict(_norm(source, "bn_input", "input_norm"))
    for i in range(5):
        out |= _conv(source, f"{i + 1}CNN", f"blocks.{i}.conv") | _norm(source, f"bn_conv{i + 1}", f"blocks.{i}.norm")
    return out | _dense(source, "output", "head")


def _without_slots(arrays: Source) -> Source:
    """Leave out the state of the optimiser."""
    return {name: array for name, array in arrays.items() if "Adam" not in name and "/" in name}


def _renamed(arrays: Source, rules: Mapping[str, str]) -> Source:
    """Rename by prefix; what no rule names (constants of the front end, counters) is left out."""
    out: dict[str, NDArray[np.generic]] = {}
    for old, new in rules.items():
        found = {new + name.removeprefix(old): array for name, array in arrays.items() if name.startswith(old + ".")}
        if not found:
            raise KeyError(f"there is no {old}.*")
        out |= {name: array for name, array in found.items() if not name.endswith("num_batches_tracked")}
    return out


def _won_musicnn(arrays: Source) -> Source:
    rules = {"spec_bn": "input_norm", "layers.0": "timbral.0", "layers.1": "timbral.1"}
    rules |= {f"layers.{i + 2}": f"temporal.{i}" for i in range(3)}
    rules |= {f"layer{i + 1}.{part}": f"mid.{i}.{new}" for i in range(3) for part, new in _CONV_BN}
    rules |= {"dense1": "end.dense", "bn": "end.norm", "dense2": "end.head"}
    out = _renamed(arrays, rules)
    return {name.replace(".bn.", ".norm."): array for name, array in out.items()}


def _won_fcn(arrays: Source) -> Source:
    rules = {f"layer{i + 1}.{part}": f"blocks.{i}.{new}" for i in range(5) for part, new in _CONV_BN}
    return _renamed(arrays, {"spec_bn": "input_norm", "dense": "head"} | rules)


def _won_crnn(arrays: Source) -> Source:
    rules = {f"layer{i + 1}.{part}": f"blocks.{i}.{new}" for i in range(4) for part, new in _CONV_BN}
    return _renamed(arrays, {"spec_bn": "input_norm", "dense": "head", "layer5": "recurrent"} | rules)


_CONV_BN = (("conv", "conv"), ("bn", "norm"))


def _choi_crnn(arrays: Source) -> Source:
    def norm(layer: str, target: str) -> dict[str, NDArray[np.generic]]:
        # Keras 1 calls it running_std, yet the variance is what it holds.
        parts = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_std": "running_var"}
        return {f"{target}.{new}": arrays[f"{layer}/{layer}_{old}"] for old, new in parts.items()}

    out = norm("bn_0_freq", "time_norm")
    for i in range(4):
        layer = f"conv{i + 1}"
        out[f"blocks.{i}.conv.weight"] = arrays[f"{layer}/{layer}_W"][:, :, ::-1, ::-1]
        out[f"blocks.{i}.conv.bias"] = arrays[f"{layer}/{layer}_b"]
        out |= norm(f"bn{i + 1}", f"blocks.{i}.norm")
    for layer, target in (("gru1", "recurrent1"), ("gru2", "recurrent2")):
        for kind, new in (("W", "input_weight"), ("U", "state_weight")):
            gates = [arrays[f"{layer}/{layer}_{kind}_{gate}"].T for gate in "zrh"]
            out[f"{target}.{new}"] = np.concatenate(gates)
        out[f"{target}.bias"] = np.concatenate([arrays[f"{layer}/{layer}_b_{gate}"] for gate in "zrh"])
    return out | {"head.weight": arrays["output/output_W"].T, "head.bias": arrays["output/output_b"]}


_CONVERTERS: dict[str, Callable[[Source], Source]] = {
    "musicnn": _pons_musicnn,
    "vgg": _pons_vgg,
    "musicnn_won": _won_musicnn,
    "fcn": _won_fcn,
    "crnn": _won_crnn,
    "crnn_choi": _choi_crnn,
}
