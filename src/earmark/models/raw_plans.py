"""The networks of a study of raw waveforms (Cutajar 2017) and of the paper it started from, as tables. No torch.

The study trained on MagnaTagATune at 16 kHz and asked for the length of the first filter, dilation, parallel filters
and ways of joining windows. Its clips have 465,984 samples (29.124 s), cut into 12 windows of 38,832 (2.427 s).

========  ==============================================================================================================
family    what is varied
========  ==============================================================================================================
ds256     after Dieleman and Schrauwen 2014 with a first filter of 256: wide dense layer (a), 200 outputs for
          super-pooling (b), convolutions only (c); on mel bands instead (f)
mkc       a small network of three convolutions and three dense layers; on mel bands instead (mkc_f)
dm        after Lee et al. 2017 with a first filter and stride of 8, 16, 64 or 128; dm16c takes whole clips
dl16      dm16 with dilated filters, 16, 8 or 4 in the second layer, halved layer by layer
mul16     parallel branches: long filters (a), dilated ones (b), both (c), two first filters as well (d) or alone (ds),
          residual branches (e, f)
========  ==============================================================================================================

Notes
-----
Deviations from the study, for all its networks: the outputs are logits (most of its networks ended in a sigmoid, and
the loss applied another); batch norms learn a scale (those of dm, dl16 and mul16 had none), convolutions before them
have no bias (those of ds256 and mkc had one), and in eval mode they use what training has averaged, as dropout is off
there (both stayed in training mode in the study's evaluation); the waveform is taken as it is (it was divided by the
largest sample of its batch). The mel bands (40, of 25 ms each 10 ms) have a Hann window and no pre-emphasis, and no
frame is filled up with zeros: 240 of a window (242 in the study), 2910 of a clip (2911).

`mul16ds`, `mul16e` and `mul16f` are built from their descriptions: the sizes of their layers are ours, see `PLANS`.
ds256c has no layer of its own that gives tags: here it has one on the mean over time.

References
----------
Cutajar, M. "Automatic music tagging using convolutional neural networks", MSc project, University of Edinburgh, 2017.
Dieleman, S. and Schrauwen, B. "End-to-end learning for music audio", ICASSP 2014.
Lee, J. et al. "Sample-level deep convolutional neural networks for music auto-tagging using raw waveforms", SMC 2017.
"""

from dataclasses import dataclass, replace
from typing import Literal

WINDOW_SAMPLES = 38_832  # a twelfth of a clip
CLIP_SAMPLES = 465_984
FRAME_SAMPLES, FRAME_HOP = 512, 160  # of the mel bands: 25 ms within 32, each 10 ms


@dataclass(frozen=True)
class Conv:
    """A convolution over time: channels, and steps of filter, stride and dilation."""

    n_out: int
    width: int
    stride: int = 1
    dilation: int = 1

    def length(self, n_steps: int, *, is_same: bool) -> int:
        """Count the steps behind it."""
        if is_same:
            return -(-n_steps // self.stride)
        return (n_steps - self.dilation * (self.width - 1) - 1) // self.stride + 1


@dataclass(frozen=True)
class Branch:
    """Convolutions behind one another, then pooling; without convolutions the input itself is pooled."""

    convs: tuple[Conv, ...] = ()
    pool: Literal["max", "average"] = "max"

    def n_out(self, n_in: int) -> int:
        """Count the channels behind it."""
        return self.convs[-1].n_out if self.convs else n_in


@dataclass(frozen=True)
class Layer:
    """Branches side by side, pooled by the same factor, joined along the channels or added."""

    branches: tuple[Branch, ...]
    pool: int = 1
    join: Literal["concat", "add"] = "concat"

    def n_out(self, n_in: int) -> int:
        """Count the channels behind it."""
        sizes = [branch.n_out(n_in) for branch in self.branches]
        return sum(sizes) if self.join == "concat" else sizes[0]

    def length(self, n_steps: int, *, is_same: bool) -> int:
        """Count the steps behind it; zero or less if the input is too short."""
        for conv in self.branches[0].convs:
            n_steps = conv.length(n_steps, is_same=is_same)
        return n_steps // self.pool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A network on the waveform or on mel bands: layers of convolutions, then dense layers on all that is left.

    Parameters
    ----------
    layers : of convolutions
    dense : units of the dense layers between the last map and the logits
    chunk_samples : length of the input, samples
    is_same : whether convolutions are padded so that no step is lost; if not, they have no padding
    has_norm : whether batch norms follow the convolutions
    activation : behind convolutions and dense layers
    last_is_linear : whether the last dense layer has no activation
    dropout : share dropped behind each dense layer, or behind the map if there is none
    is_flat : whether the map goes flat into what follows; if not, its mean over time does
    n_bands : mel bands that the convolutions run over, each band alone, with the same filters; 0 for the waveform
    """

    layers: tuple[Layer, ...]
    dense: tuple[int, ...] = ()
    chunk_samples: int = WINDOW_SAMPLES
    is_same: bool = True
    has_norm: bool = True
    activation: Literal["relu", "elu"] = "elu"
    last_is_linear: bool = False
    dropout: float = 0.0
    is_flat: bool = True
    n_bands: int = 0

    @property
    def n_channels(self) -> int:
        """Channels of the last map."""
        n = 1
        for layer in self.layers:
            n = layer.n_out(n)
        return n

    def length(self, n_samples: int) -> int:
        """Count the steps of the last map; zero if there are none."""
        n_steps = max(1 + (n_samples - FRAME_SAMPLES) // FRAME_HOP, 0) if self.n_bands else n_samples
        for layer in self.layers:
            n_steps = max(layer.length(n_steps, is_same=self.is_same), 0)
        return n_steps


def dieleman_plan(length: int, stride: int) -> Plan:
    """Build the network of Dieleman and Schrauwen 2014 on 3 s of waveform.

    Parameters
    ----------
    length, stride : of the first filters, samples

    Notes
    -----
    128 first filters, as many as the mel bands that they replace. The convolutions keep the length, as in the network
    on mel here, so that 3 s are enough at every stride.
    """
    layers = (_layer(128, length, stride=stride), _layer(32, 8, pool=4), _layer(32, 8, pool=4))
    return Plan(layers=layers, dense=(100,), chunk_samples=48_000, has_norm=False, activation="relu")


def _layer(n_out: int, width: int, *, pool: int = 1, stride: int = 1, dilation: int = 1) -> Layer:
    return Layer((Branch((Conv(n_out, width, stride, dilation),)),), pool)


_DEEP_CHANNELS = (64, 128, 128, 256, 256, 512)


def _deep(first: int, pools: tuple[int, ...], dilations: tuple[int, ...] = (), *, chunk: int = WINDOW_SAMPLES) -> Plan:
    """Build a network of the dm or dl family: where there is no sixth pooling, the last convolution has stride 4."""
    layers = [_layer(64, first, stride=first)]
    for i, n_out in enumerate(_DEEP_CHANNELS):
        if i < len(pools):
            layers.append(_layer(n_out, 4, pool=pools[i], dilation=dilations[i] if i < len(dilations) else 1))
        else:
            layers.append(_layer(n_out, 4, stride=4))
    return Plan(layers=tuple(layers), dropout=0.5, chunk_samples=chunk)


def _short(n_out: int) -> Branch:
    """Filters of width 4, strongest response."""
    return Branch((Conv(n_out, 4),))


def _long(n_out: int) -> Branch:
    """Filters of width 16, mean response."""
    return Branch((Conv(n_out, 16),), "average")


def _dilated(n_out: int) -> Branch:
    """Three convolutions of width 8 that reach less and less far, mean response."""
    return Branch((Conv(n_out, 8, 1, 8), Conv(n_out, 8, 1, 4), Conv(n_out, 8, 1, 2)), "average")


def _twice(n_out: int) -> Branch:
    """Two convolutions of width 4, strongest response."""
    return Branch((Conv(n_out, 4), Conv(n_out, 4)))


_ONE_FIRST = _layer(32, 16, stride=16)
_TWO_FIRST = Layer((Branch((Conv(32, 16, 16),)), Branch((Conv(64, 64, 16),))))
_LAST = _layer(512, 4, pool=2)
_PLAIN_REST = (_layer(128, 4, pool=4), _layer(256, 4, pool=4), _layer(256, 4, pool=4), _LAST)


def _parallel(second: tuple[Branch, ...], third: tuple[Branch, ...], *, first: Layer = _ONE_FIRST) -> Plan:
    """Build a network of the mul16 family from the branches of its second and third layer."""
    return Plan(layers=(first, Layer(second, 4), Layer(third, 4), *_PLAIN_REST), dropout=0.5)


def _residual(n_out: int) -> Layer:
    """Two convolutions, added to the mean of the input brought to as many channels."""
    return Layer((_twice(n_out), Branch((Conv(n_out, 1),), "average")), 4, "add")


def _beside_input(n_out: int) -> Layer:
    """Two convolutions beside the mean of the input."""
    return Layer((_twice(n_out), Branch((), "average")), 4)


_DS256 = Plan(
    layers=(_layer(128, 256, stride=256), _layer(32, 8, pool=4), _layer(32, 8, pool=4)), dense=(1000,), is_same=False
)

PLANS: dict[str, Plan] = {
    "mkc": Plan(
        layers=(_layer(4, 16, stride=16), _layer(8, 8, stride=4, pool=2), _layer(12, 4, pool=2)),
        dense=(1000, 300),
        is_same=False,
    ),
    "mkc_f": Plan(
        layers=(_layer(4, 16, stride=16), _layer(8, 8, stride=4, pool=2), _layer(12, 4, pool=2)),
        dense=(3000, 1000),
        chunk_samples=CLIP_SAMPLES,
        is_same=False,
        n_bands=40,
    ),
    "ds256a": _DS256,
    "ds256b": replace(_DS256, dense=(1000, 200), last_is_linear=True, dropout=0.5),
    "ds256c": replace(
        _DS256, layers=(_layer(128, 256, stride=256), _layer(32, 8, pool=4), _layer(32, 8)), dense=(), is_flat=False
    ),
    "ds256f": replace(_DS256, layers=(_layer(32, 8, pool=4), _layer(32, 8, pool=4)), n_bands=40),
    "dm8": _deep(8, (4, 4, 4, 4, 2, 2)),
    "dm16": _deep(16, (4, 4, 4, 2, 2, 2)),
    "dm16c": _deep(16, (8, 8, 4, 4, 4), chunk=CLIP_SAMPLES),
    "dm64": _deep(64, (4, 2, 2, 2, 2)),
    "dm128": _deep(128, (2, 2, 2, 2, 2)),
    "dl16_16": _deep(16, (4, 4, 4, 2, 2, 2), (16, 8, 4, 2)),
    "dl16_8": _deep(16, (4, 4, 4, 2, 2, 2), (8, 4, 2)),
    "dl16_4": _deep(16, (4, 4, 4, 2, 2, 2), (4, 2)),
    "mul16a": _parallel((_short(32), _long(32)), (_short(64), _long(64))),
    "mul16b": _parallel((_short(32), _dilated(32)), (_short(64), _dilated(32))),
    "mul16c": _parallel((_short(32), _dilated(32), _long(32)), (_short(64), _dilated(32), _long(64))),
    "mul16d": _parallel((_short(32), _long(32)), (_short(64), _long(64)), first=_TWO_FIRST),
    # Described as "several first filters only": those of mul16d before the layers of dm16, pooled as in mul16.
    "mul16ds": _parallel((_short(64),), (_short(128),), first=_TWO_FIRST),
    # Described as "a residual branch in layers 2 and 3": two convolutions, added to the input.
    "mul16e": Plan(layers=(_ONE_FIRST, _residual(64), _residual(128), *_PLAIN_REST), dropout=0.5),
    # Described as "two convolutions beside the averaged input in layers 2 to 6": channels double from layer to layer.
    "mul16f": Plan(layers=(_ONE_FIRST, *(_beside_input(n) for n in (32, 64, 128, 256, 256)), _LAST), dropout=0.5),
}
