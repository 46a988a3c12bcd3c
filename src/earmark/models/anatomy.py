"""Measure architectures: parameters and arithmetic stage by stage, and receptive fields.

`python -m earmark.models.anatomy FILE` writes `data/architectures.json` anew; the tests compare it with the code.
"""

import inspect
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from earmark.audio.frontends import Cqt, Mfcc, PowerMel, Raw
from earmark.errors import InputError
from earmark.models.architectures import Anatomy, Stage
from earmark.models.base import ARCHITECTURES, TaggingModel, build
from earmark.models.fields import Field, ThinLayers, measure_fields, measure_frame
from earmark.models.harmonic import HarmonicSpectrum
from earmark.models.mlp import MagnitudeSpectrum
from earmark.registry import parameters_of

_FRONTENDS: tuple[tuple[type[nn.Module], str], ...] = (
    (Mfcc, "mfcc"),
    (PowerMel, "mel"),
    (Cqt, "cqt"),
    (HarmonicSpectrum, "harmonics"),
    (MagnitudeSpectrum, "spectrum"),
    (Raw, "waveform"),
)

_CHOI_2016 = (
    "Choi, K., Fazekas, G. and Sandler, M. Automatic tagging using deep convolutional neural networks. ISMIR 2016."
)
_CHOI_2017 = "Choi, K. et al. Convolutional recurrent neural networks for music classification. ICASSP 2017."
_CUTAJAR = "Cutajar, M. Automatic music tagging using convolutional neural networks. University of Edinburgh, 2017."
_DIELEMAN = "Dieleman, S. and Schrauwen, B. End-to-end learning for music audio. ICASSP 2014."
_KIM = "Kim, T. et al. Sample-level CNN architectures for music auto-tagging using raw waveforms. ICASSP 2018."
_LEE = "Lee, J. et al. Sample-level deep CNNs for music auto-tagging using raw waveforms. SMC 2017."
_PONS = "Pons, J. and Serra, X. musicnn: pre-trained convolutional neural networks for music audio tagging. 2019."
_WON_2020 = "Won, M. et al. Evaluation of CNN-based automatic music tagging models. SMC 2020."

# By name, or for those of no line of their own, by family.
PAPERS: Mapping[str, str] = {
    "choi": _CHOI_2016,
    "cnn_attention": "Won, M., Chun, S. and Serra, X. Toward interpretable music tagging with self-attention. 2019.",
    "content": "Dieleman, S. Recommending music on Spotify with deep learning. 2014.",
    "crnn": _WON_2020,
    "crnn_choi": _CHOI_2017,
    "dieleman_mel": _DIELEMAN,
    "dieleman_raw": _DIELEMAN,
    "fcn": _WON_2020,
    "harmonic": "Won, M. et al. Data-driven harmonic filters for audio representation learning. ICASSP 2020.",
    "k1c2": _CHOI_2017,
    "k2c1": _CHOI_2017,
    "k2c2": _CHOI_2017,
    "music_tagging_transformer": "Won, M. et al. Semi-supervised music tagging transformer. ISMIR 2021.",
    "musicnn": _PONS,
    "musicnn_won": _WON_2020,
    "raw_crnn": _CUTAJAR,
    "raw_waveform": _CUTAJAR,
    "sample_cnn": _LEE,
    "sample_cnn_res": _KIM,
    "sample_cnn_rese": _KIM,
    "sample_cnn_rese_won": _WON_2020,
    "sample_cnn_se": _KIM,
    "short_chunk": _WON_2020,
    "vgg": _PONS,
    "windowing": _CUTAJAR,
}


def examine(architecture: str, options: Mapping[str, object] | None = None) -> Anatomy:
    """Build an architecture and measure it on one chunk.

    Parameters
    ----------
    architecture : a name out of `ARCHITECTURES`
    options : keyword options of that architecture

    Raises
    ------
    UnknownNameError, UsageError
        If the name, or an option, is not known.
    InputError
        If the network is made of something that cannot be counted or traced.

    Examples
    --------
    >>> short = examine("short_chunk_res", {"n_channels": 32})
    >>> short.n_parameters, f"{short.n_macs / 1e9:.2f} GMAC"
    (765108, '0.18 GMAC')
    """
    model = build(architecture, **(options or {})).eval()
    counter, shapes = _count(model)
    fields = _measure(model)
    heard = _clipped(fields["logits"], model.chunk_samples)
    stages = []
    for name, shape in shapes.items():
        field = fields[name]
        stage = Stage(
            name=name,
            shape=shape,
            n_parameters=counter.n_parameters.get(name, 0),
            n_macs=counter.n_macs.get(name, 0),
            field_samples=heard if field.sees_all else field.width,
            step_samples=field.step,
            sees_all=field.sees_all,
            has_time=len(shape) > 1 or name in counter.recurrent,
        )
        stages.append(stage)
    factory = ARCHITECTURES[architecture]
    family = factory.__module__.rpartition(".")[2]
    return Anatomy(
        name=architecture,
        family=family,
        summary=(inspect.getdoc(factory) or "").partition("\n")[0].removeprefix("Build ").rstrip("."),
        paper=PAPERS.get(architecture, PAPERS.get(family, "")),
        hears=_what_is_heard(model.frontend),
        sample_rate=model.sample_rate,
        chunk_samples=model.chunk_samples,
        heard_samples=heard,
        embedding=model.embedding_layer,
        n_features=model.n_features,
        n_parameters=model.n_parameters,
        options=tuple(parameters_of(factory)),
        stages=tuple(stages),
    )


def _what_is_heard(frontend: nn.Module) -> str:
    for kind, name in _FRONTENDS:
        if any(isinstance(module, kind) for module in frontend.modules()):
            return name
    return type(frontend).__name__


class _Counter(TorchFunctionMode):
    """Count parameters and arithmetic of what is called, under the name of the stage that is being computed."""

    def __init__(self) -> None:
        super().__init__()
        self.n_parameters: dict[str, int] = {}
        self.n_macs: dict[str, int] = {}
        self.recurrent: set[str] = set()
        self.pending_parameters: dict[int, int] = {}
        self.counted: set[int] = set()
        self.pending_macs, self.is_recurrent = 0, False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function and count."""
        result = func(*args, **(kwargs or {}))
        for value in (*_flattened(args), *_flattened((kwargs or {}).values())):
            if isinstance(value, nn.Parameter) and id(value) not in self.counted:
                self.pending_parameters[id(value)] = value.numel()
        name = getattr(func, "__name__", "")
        if name in _MACS:
            self.pending_macs += _MACS[name](args, result)
        elif name in _UNCOUNTED:
            raise InputError(f"the arithmetic of torch's {name} cannot be counted", hint="add it to _MACS")
        self.is_recurrent = self.is_recurrent or name in _RECURRENT
        return result

    def close(self, stage: str) -> None:
        """Put down what was counted since the last stage."""
        self.n_parameters[stage] = sum(self.pending_parameters.values())
        self.n_macs[stage] = self.pending_macs
        self.counted |= set(self.pending_parameters)
        if self.is_recurrent:
            self.recurrent.add(stage)
        self.pending_parameters, self.pending_macs, self.is_recurrent = {}, 0, False


def _flattened(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _convolution(args: tuple[Any, ...], result: Tensor) -> int:
    return result.numel() * int(args[1][0].numel())


def _dense(args: tuple[Any, ...], result: Tensor) -> int:
    return result.numel() * int(args[0].shape[-1])


def _attention(args: tuple[Any, ...], result: Tensor) -> int:
    queries, keys, values = args[:3]
    n_pairs = queries.shape[:-1].numel() * keys.shape[-2]
    return int(n_pairs * (queries.shape[-1] + values.shape[-1]))


def _recurrent(args: tuple[Any, ...], result: tuple[Tensor, ...]) -> int:
    weights = [weight for weight in _flattened(args) if isinstance(weight, nn.Parameter) and weight.ndim == 2]
    return int(result[0].shape[:-1].numel()) * sum(weight.numel() for weight in weights)


def _fourier(args: tuple[Any, ...], result: Tensor) -> int:
    n_values = args[0].shape[-1]
    return round(float(args[0].numel()) * 1.25 * math.log2(n_values))


_RECURRENT = ("gru", "lstm", "rnn_tanh", "rnn_relu")
_MACS: Mapping[str, Callable[[tuple[Any, ...], Any], int]] = {
    "conv1d": _convolution,
    "conv2d": _convolution,
    "linear": _dense,
    "matmul": _dense,
    "scaled_dot_product_attention": _attention,
    "rfft": _fourier,
    "fft_rfft": _fourier,
    **dict.fromkeys(_RECURRENT, _recurrent),
}
_UNCOUNTED = (
    "addmm", "baddbmm", "bilinear", "bmm", "conv3d", "conv_transpose1d", "conv_transpose2d", "einsum", "fft_fft",
    "fft_ifft", "fft_irfft", "istft", "mm", "multi_head_attention_forward", "mv", "stft", "tensordot",
)  # fmt: skip


def _count(model: TaggingModel) -> tuple[_Counter, dict[str, tuple[int, ...]]]:
    """Run a chunk through and count; return with the counts the shapes of all stages without the batch."""
    counter = _Counter()
    with torch.no_grad(), ThinLayers(), counter:
        spectrogram = model.represent(torch.zeros(1, model.chunk_samples))
        counter.close("frontend")
        shapes = {"frontend": tuple(spectrogram.shape[1:])}
        for name, value in model.stages(spectrogram):
            counter.close(name)
            shapes[name] = tuple(value.shape[1:])
    return counter, shapes


def _measure(model: TaggingModel) -> dict[str, Field]:
    """Measure the fields of the front end and of all stages, in samples."""
    chunk = torch.zeros(1, model.chunk_samples)
    with torch.no_grad():
        spectrogram = model.represent(chunk)
    frame = measure_frame(model.represent, chunk)
    if spectrogram.ndim > 3:  # windows that are cut out of a clip
        return {"frontend": frame, **measure_fields(lambda x: model.stages(model.represent(x)), chunk)}
    mels = [module for module in model.frontend.modules() if isinstance(module, PowerMel)]
    if frame.sees_all and mels:  # by the loudest value of the chunk, from which levels are measured
        frame = measure_frame(mels[0], chunk)
    stages = measure_fields(model.stages, spectrogram)
    return {"frontend": frame, **{name: field.within(frame) for name, field in stages.items()}}


def _clipped(field: Field, n_samples: int) -> int:
    """Count the samples of a field that lie in the chunk."""
    return min(field.first + field.width, n_samples) - max(field.first, 0)


def architectures_json() -> str:
    """Measure all architectures and return the text of `data/architectures.json`, a line for each."""
    build("fcn")  # imports the others
    lines = []
    for name in ARCHITECTURES:
        plain = examine(name).to_dict()
        del plain["name"]
        lines.append(f"{json.dumps(name)}: {json.dumps(plain, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(architectures_json(), encoding="utf-8")
