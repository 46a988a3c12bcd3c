"""What is known of the architectures, without building them: sizes, arithmetic, receptive fields. No torch here.

`earmark.models.anatomy` measures all of it and writes `data/architectures.json`, which this module reads.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from earmark.errors import UnknownNameError
from earmark.registry import Parameter


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a network on one chunk, or its front end.

    Parameters
    ----------
    name : as in `TaggingModel.layer_names`, or "frontend"
    shape : of the output, without the batch; of two axes or more, the last one is time
    n_parameters : that it is the first to use
    n_macs : multiplications with addition
    field_samples : what one step of it sees, samples
    step_samples : between two steps, samples; 0 if there is one step, or if all of them see the same
    sees_all : whether a step sees all of the chunk that the network sees
    has_time : whether it has an axis of time, or runs along one, as recurrent layers do
    """

    name: str
    shape: tuple[int, ...]
    n_parameters: int
    n_macs: int
    field_samples: int
    step_samples: int
    sees_all: bool
    has_time: bool


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """An architecture, measured on one chunk in eval mode.

    Parameters
    ----------
    name : in the registry
    family : module that it stands in
    summary : what it is, one line
    paper : that it comes from; empty if none is known
    hears : what the front end gives: "waveform", "mel", "harmonics", "spectrum"
    sample_rate : Hz
    chunk_samples : length of the input, samples
    heard_samples : what the logits depend on; less than the chunk where poolings drop what does not fill them
    embedding, n_features : stage that is the embedding, and its size
    n_parameters : trained numbers
    options : of the architecture, with their defaults
    stages : the front end first, the logits last

    Notes
    -----
    Multiplications with addition (MAC) are counted in convolutions, dense, recurrent and attention layers, matrix
    products and Fourier transforms (5/4 N log2 N of N real values); norms, activations and poolings are not. Front ends
    compute the short-time spectrum by convolution with a Fourier basis, which takes more than a fast transform.

    A receptive field reaches from the first sample that a step depends on to the last, gaps of dilated filters
    included, and so do the samples at which a window is zero. Where a front end measures levels from the loudest of the
    chunk, that is left out.
    """

    name: str
    family: str
    summary: str
    paper: str
    hears: str
    sample_rate: int
    chunk_samples: int
    heard_samples: int
    embedding: str
    n_features: int
    n_parameters: int
    options: tuple[Parameter, ...]
    stages: tuple[Stage, ...]

    @property
    def n_macs(self) -> int:
        """Multiplications with addition for a chunk, without the front end, as published counts have it."""
        return sum(stage.n_macs for stage in self.stages[1:])

    @property
    def frontend_macs(self) -> int:
        """Multiplications with addition of the front end."""
        return self.stages[0].n_macs

    @property
    def field(self) -> Stage:
        """The deepest stage along time: its field is called that of the network. If there is none, the last stage."""
        deep = [stage for stage in self.stages[1:] if stage.has_time]
        return (deep or self.stages)[-1]

    @property
    def chunk_seconds(self) -> float:
        """Length of a chunk, seconds."""
        return self.chunk_samples / self.sample_rate

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = dict(vars(self))
        plain["options"] = [parameter._asdict() for parameter in self.options]
        plain["stages"] = [vars(stage) | {"shape": list(stage.shape)} for stage in self.stages]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Anatomy":
        """Read what `to_dict` gave."""
        options = tuple(Parameter(**parameter) for parameter in plain["options"])
        stages = tuple(Stage(**{**stage, "shape": tuple(stage["shape"])}) for stage in plain["stages"])
        return cls(**{**plain, "options": options, "stages": stages})


@functools.cache
def read_architectures() -> Mapping[str, Anatomy]:
    """Return all architectures that earmark ships, by name.

    Examples
    --------
    >>> read_architectures()["fcn"].n_parameters
    447732
    """
    text = (resources.files("earmark") / "data" / "architectures.json").read_text(encoding="utf-8")
    return {name: Anatomy.from_dict({"name": name, **plain}) for name, plain in json.loads(text).items()}


def get_architecture(name: str) -> Anatomy:
    """Return an architecture by its name.

    Raises
    ------
    UnknownNameError
        If earmark ships none of that name.
    """
    known = read_architectures()
    if name not in known:
        raise UnknownNameError("architecture", name, known)
    return known[name]
