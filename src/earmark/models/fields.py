"""Receptive fields, measured: an input is NaN up to some position, and what stays a number behind it sees none of that.

NaN passes through all that these networks are made of: convolutions, max pooling, batch norm, activations, clamps,
maxima, sums, softmax. So the edges of what an output depends on are found exactly, whatever lies between.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from earmark.errors import InputError

Run = Callable[[Tensor], Iterable[tuple[str, Tensor]]]
Marks = NDArray[np.bool_]


class Field(NamedTuple):
    """What the steps of a stage see: step t sees `width` positions of the input from `first` + t * `step` on.

    Parameters
    ----------
    first : may be negative, where a step sees what an input is padded with
    step : between two steps of the stage; 0 if it has one, or if all of them see the same
    width : the gaps of dilated filters are counted in; cut off at the ends of the input if `sees_all`
    sees_all : whether one step sees all that the last stage sees
    """

    first: int
    step: int
    width: int
    sees_all: bool

    def within(self, other: "Field") -> "Field":
        """Return the field in the input of `other`, where this one is in its steps."""
        width = (self.width - 1) * other.step + other.width
        return Field(other.first + self.first * other.step, self.step * other.step, width, self.sees_all)


# What acts on every channel alike, as far as NaN goes.
_CHANNELWISE = {"add", "avg_pool1d", "batch_norm", "dropout", "elu", "gelu", "max_pool1d", "max_pool2d", "pad", "relu"}


class ThinLayers(TorchFunctionMode):
    """Let convolutions and dense layers give the mean of what they see, for every output the same.

    A NaN spreads as it does with weights, for a hundredth of the arithmetic: the channels are views of one, and stay so
    in what acts on each of them alike.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace the call if it is one of those."""
        options = dict(kwargs or {})
        if func is F.linear:
            return args[0].mean(dim=-1, keepdim=True).expand(*args[0].shape[:-1], args[1].shape[0])
        if func in (F.conv1d, F.conv2d) and args[1].shape[1] == args[0].shape[1]:  # no groups
            kernel = torch.full_like(args[1][:1, :1], 1.0 / args[1][0, 0].numel())
            options.pop("bias", None)
            y = func(one_channel(args[0]).mean(dim=1, keepdim=True), kernel, None, *args[3:], **options)
            return y.expand(y.shape[0], args[1].shape[0], *y.shape[2:])
        maps = [value for value in args if isinstance(value, Tensor) and value.ndim > 2]
        if func.__name__ in _CHANNELWISE and maps and all(map(is_thin, maps)):
            if func.__name__ == "batch_norm":
                return args[0]
            y = func(*(one_channel(a) if isinstance(a, Tensor) else a for a in args), **options)
            return y.expand(y.shape[0], args[0].shape[1], *y.shape[2:])
        return func(*args, **options)


def is_thin(x: Tensor) -> bool:
    """Say whether all channels of (B, C, ..., T) are one."""
    return x.ndim > 2 and x.stride(1) == 0


def one_channel(x: Tensor) -> Tensor:
    """Return one channel of (B, C, ..., T) if all are the same."""
    return x[:, :1] if is_thin(x) else x


def measure_fields(run: Run, blank: Tensor) -> dict[str, Field]:
    """Measure what the stages of a network see of its input.

    Parameters
    ----------
    run : takes an input and yields stages by name, each (1, ..., T), or (1, C), which counts as one step; the last one
        says what there is to see
    blank : an input without NaN, shape (1, ..., S); the fields are along its last axis

    Returns
    -------
    by the names of the stages

    Raises
    ------
    InputError
        If a stage does not depend on the input, or lets no NaN through.
    """
    with torch.no_grad(), ThinLayers():
        probe = _Probe(run, blank)
        edges = probe.edges(None)
        *_, last = edges
        start, end = edges[last].lefts[0], edges[last].rights[0]
        marks = [probe.marks(slice(position, position + 1), last) for position in (start, end)]
        fields = {}
        for name, found in edges.items():
            if bool((marks[0][name] & marks[1][name]).any()):
                fields[name] = Field(start, _step(found, start, end), end - start + 1, True)
            else:
                fields[name] = _field(found, start, end)
        unclear = [name for name, field in fields.items() if not field.sees_all and not field.step]
        if unclear:
            fields |= _on_longer_input(run, blank, unclear)
    return fields


def measure_frame(frontend: Callable[[Tensor], Tensor], blank: Tensor) -> Field:
    """Measure what a frame of a front end sees, on three in the middle, which no reflection at the ends reaches.

    Parameters
    ----------
    frontend : takes an input and returns frames, (1, ..., T)
    blank : an input without NaN, shape (1, ..., S)
    """
    with torch.no_grad():
        first = max(frontend(blank).shape[-1] // 2 - 1, 0)

    def run(x: Tensor) -> Iterator[tuple[str, Tensor]]:
        frames = frontend(x)
        yield "frames", frames[..., first : first + 3]
        yield "all", frames.flatten(1)

    field = measure_fields(run, blank)["frames"]
    return field._replace(first=field.first - first * field.step)


class _Edges(NamedTuple):
    """Last positions that the two first steps of a stage see, and first ones that the two last steps see.

    Only steps count that depend on the input at all. The two of a pair are the same where there is but one.
    """

    firsts: tuple[int, int]
    lasts: tuple[int, int]
    rights: tuple[int, int]
    lefts: tuple[int, int]


def _step(edges: _Edges, start: int, end: int) -> int:
    """Return the distance of two steps from edges that no end of the input cuts off; 0 if there are none."""
    if edges.rights[1] < end:
        return edges.rights[1] - edges.rights[0]
    return edges.lefts[1] - edges.lefts[0] if edges.lefts[0] > start else 0


def _field(edges: _Edges, start: int, end: int) -> Field:
    """Put a field together from the right edge of the first step and the left one of the last.

    Parameters
    ----------
    start, end : first and last position that the last stage sees
    """
    step = _step(edges, start, end)
    if not step:  # two steps, or one, that an end cuts off: what is seen at the most
        return Field(edges.lefts[1], 0, max(end - edges.lefts[1], edges.rights[0] - start) + 1, False)
    first = edges.lefts[1] - edges.lasts[1] * step
    return Field(first, step, edges.rights[0] - edges.firsts[0] * step - first + 1, False)


def _on_longer_input(run: Run, blank: Tensor, names: Sequence[str]) -> dict[str, Field]:
    """Measure what the ends of an input cut off on one twice as long, if the stages take it."""
    probe = _Probe(run, torch.cat([blank] * 2, dim=-1))
    try:
        edges = probe.edges(names[-1])
    except (InputError, RuntimeError):  # layers that are made for one length
        return {}
    return {name: _field(edges[name], 0, probe.n_positions - 1) for name in names}


class _Probe:
    """A network that is asked which steps become NaN."""

    def __init__(self, run: Run, blank: Tensor) -> None:
        self.run, self.blank = run, blank
        self.n_positions = blank.shape[-1]

    def marks(self, where: slice, last: str | None) -> dict[str, Marks]:
        """Make a part of the input NaN and return, for each stage up to `last`, which steps are, (T,)."""
        x = self.blank.clone()
        x[..., where] = torch.nan
        marks: dict[str, Marks] = {}
        for name, value in self.run(x):
            is_nan = one_channel(value).isnan()
            marks[name] = (is_nan.flatten(0, -2).any(dim=0) if is_nan.ndim > 2 else is_nan.any().reshape(1)).numpy()
            if name == last:
                break
        return marks

    def edges(self, last: str | None) -> dict[str, _Edges]:
        """Find the edges of all stages, or of those up to `last`."""
        steps = {name: np.flatnonzero(marks) for name, marks in self.marks(slice(None), last).items()}
        for name, dependent in steps.items():
            if not len(dependent):
                raise InputError(f"stage {name!r} does not depend on the input, or lets no NaN through")
        firsts = {name: (int(found[0]), int(found[min(1, len(found) - 1)])) for name, found in steps.items()}
        lasts = {name: (int(found[max(len(found) - 2, 0)]), int(found[-1])) for name, found in steps.items()}
        before = self._bisect(lasts, lambda n: slice(n))
        behind = self._bisect(firsts, lambda n: slice(self.n_positions - n, None))
        edges = {}
        for name in steps:
            first, second = (self.n_positions - behind[name, step] for step in firsts[name])
            left, right = (before[name, step] - 1 for step in lasts[name])
            edges[name] = _Edges(firsts[name], lasts[name], (first, second), (left, right))
        return edges

    def _bisect(
        self, targets: Mapping[str, tuple[int, ...]], where: Callable[[int], slice]
    ) -> dict[tuple[str, int], int]:
        """Find the smallest part, by its length, that reaches each target.

        Parameters
        ----------
        targets : steps by stage
        where : the part of that length
        """
        order = list(targets)
        brackets = {(name, step): (0, self.n_positions) for name in order for step in targets[name]}
        while open_ones := [key for key, (low, high) in brackets.items() if high - low > 1]:
            low, high = brackets[open_ones[-1]]  # of the deepest stage: what it takes to find it tells of the others
            n = (low + high) // 2
            marks = self.marks(where(n), open_ones[-1][0])
            for key in open_ones:
                low, high = brackets[key]
                if low < n < high:
                    brackets[key] = (low, n) if marks[key[0]][key[1]] else (n, high)
        return {key: high for key, (_, high) in brackets.items()}
