"""What is measured of architectures: parameters, arithmetic, receptive fields; and that what is shipped is measured."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from earmark.errors import InputError, UnknownNameError  # noqa: E402
from earmark.models import anatomy  # noqa: E402
from earmark.models.anatomy import PAPERS, examine  # noqa: E402
from earmark.models.architectures import get_architecture, read_architectures  # noqa: E402
from earmark.models.base import ARCHITECTURES, TaggingModel, build  # noqa: E402
from earmark.models.fields import Field, measure_fields  # noqa: E402
from earmark.models.raw_layers import StochasticPool  # noqa: E402
from earmark.registry import parameters_of  # noqa: E402

build("fcn")  # imports the others
# One of each family or more, whose fields are measured in a second.
QUICK = {"crnn", "dieleman_mel", "dieleman_raw", "ds256c", "ds256f", "harmonic_cnn", "k2c1", "mkc", "mlp_spectrum",
         "mlp_waveform", "music_tagging_transformer", "musicnn_won", "sample_cnn_se", "short_chunk", "vgg"}  # fmt: skip
AGAIN = "run: python -m earmark.models.anatomy src/earmark/data/architectures.json"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES]
)
def test_what_is_shipped_is_what_the_code_measures(name: str) -> None:
    assert get_architecture(name) == examine(name), AGAIN


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shipped_sizes_are_those_of_the_code(name: str) -> None:
    shipped, model = get_architecture(name), build(name).eval()
    counter, shapes = anatomy._count(model)
    assert shapes == {stage.name: stage.shape for stage in shipped.stages}, AGAIN
    assert counter.n_parameters == {stage.name: stage.n_parameters for stage in shipped.stages}, AGAIN
    assert counter.n_macs == {stage.name: stage.n_macs for stage in shipped.stages}, AGAIN
    assert tuple(parameters_of(ARCHITECTURES[name])) == shipped.options, AGAIN
    assert (model.sample_rate, model.chunk_samples) == (shipped.sample_rate, shipped.chunk_samples), AGAIN


def test_every_architecture_is_shipped_with_its_paper() -> None:
    known = read_architectures()
    assert list(known) == list(ARCHITECTURES)
    assert {name for name, one in known.items() if not one.paper} == {"mlp_spectrum", "mlp_waveform"}
    families = {one.family for one in known.values()}
    assert {name for name in PAPERS if name not in known and name not in families} == set()
    with pytest.raises(UnknownNameError, match="there is no architecture 'fnc'") as caught:
        get_architecture("fnc")
    assert "'fcn'" in str(caught.value.hint)


def test_parameters_belong_to_one_stage_each() -> None:
    for one in read_architectures().values():
        assert sum(stage.n_parameters for stage in one.stages) == one.n_parameters, one.name
        assert one.stages[0].name == "frontend"
        assert one.stages[-1].shape == (50,)
        assert {stage.name: stage.shape for stage in one.stages}[one.embedding] == (one.n_features,), one.name
    of = {stage.name: stage.n_parameters for stage in get_architecture("harmonic_cnn").stages}
    assert of["frontend"] == 1
    assert of["pooled"] == 0
    assert of["logits"] == 257 * 50


# Multiplications with addition of a chunk in billions, front end left out, counted for the layer lists of these papers.
REFERENCE = {
    "fcn": 2.15,
    "crnn": 4.06,
    "musicnn_won": 1.20,
    "sample_cnn": 1.73,
    "sample_cnn_rese_won": 4.86,
    "short_chunk": 2.01,
    "short_chunk_res": 2.77,
    "harmonic_cnn": 4.24,
}


@pytest.mark.parametrize("name", REFERENCE)
def test_arithmetic_is_that_of_the_layer_lists(name: str) -> None:
    assert get_architecture(name).n_macs / 1e9 == pytest.approx(REFERENCE[name], abs=0.0051)


def test_arithmetic_of_attention_is_counted_as_well() -> None:
    of = {stage.name: stage.n_macs for stage in get_architecture("cnn_attention").stages}
    # The reference of 13.2 has the convolutions only.
    assert sum(of[f"block{i}"] for i in range(1, 8)) / 1e9 == pytest.approx(13.2, abs=0.05)
    n_tokens, size = 119, 256
    dense, products = 12 * size * size * n_tokens, 2 * n_tokens * n_tokens * size
    assert of["layer1"] == of["layer2"] == dense + products


def test_arithmetic_of_recurrent_layers_is_counted_as_well() -> None:
    recurrent = 3 * 32 * (128 + 32) + 3 * 32 * (32 + 32)
    of = {stage.name: stage.n_macs for stage in get_architecture("crnn").stages}
    assert of["recurrent"] == 18 * recurrent
    of = {stage.name: stage.n_macs for stage in get_architecture("crnn_choi").stages}
    assert of["recurrent1"] + of["recurrent2"] == 15 * recurrent


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("short_chunk_res", {"n_channels": 8}),
        ("harmonic_cnn", {"n_channels": 4}),
        ("musicnn", {}),
        ("ds256f", {}),
        ("mul16e", {}),
    ],
)
def test_arithmetic_is_what_torch_counts(name: str, options: dict[str, int]) -> None:
    model = build(name, **options).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, model.chunk_samples))
    one = examine(name, options)
    assert 2 * (one.n_macs + one.frontend_macs) == counter.get_total_flops()


def test_arithmetic_that_is_not_known_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def stages(self: TaggingModel, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield "logits", torch.einsum("bft,bgt->bfg", spectrogram, spectrogram).flatten(1)

    monkeypatch.setattr(type(build("mlp_waveform")), "stages", stages)
    with pytest.raises(InputError, match="einsum cannot be counted"):
        examine("mlp_waveform")


LAYERS: dict[str, Callable[[Tensor], Tensor]] = {
    "convolution": nn.Conv1d(4, 4, 3, padding=1),
    "batch norm": nn.BatchNorm1d(4).eval(),
    "max pooling": nn.MaxPool1d(2),
    "max pooling in two": nn.MaxPool2d((2, 2)),
    "mean pooling": nn.AvgPool1d(2),
    "stochastic pooling": StochasticPool(2).eval(),
    "relu": F.relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "hard sigmoid": lambda x: torch.clamp(0.2 * x + 0.5, 0.0, 1.0),
    "floor of decibels": lambda x: torch.log10(torch.clamp(x, min=1e-10)),
    "range of decibels": lambda x: torch.maximum(x, torch.zeros(())),
    "half": lambda x: x.half().float(),
    "maximum": lambda x: x.amax(dim=1, keepdim=True),
    "norm": lambda x: F.layer_norm(x, (8,)),
    "unit length": lambda x: F.normalize(x, dim=2),
    "softmax": lambda x: torch.softmax(x, dim=2),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "spectrum": lambda x: torch.view_as_real(torch.fft.rfft(x)).square().sum(dim=-1),
    "recurrent": lambda x: nn.GRU(8, 8, batch_first=True)(x)[0],
}


@pytest.mark.parametrize("name", LAYERS)
def test_nan_passes_through(name: str) -> None:
    x = torch.ones(1, 4, 8)
    x[..., 5] = torch.nan
    assert LAYERS[name](x).isnan().any(dim=1).any()


def test_what_stops_nan_is_an_error() -> None:
    def run(x: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield "cleaned", torch.nan_to_num(x)

    with pytest.raises(InputError, match="stage 'cleaned' does not depend on the input, or lets no NaN through"):
        measure_fields(run, torch.zeros(1, 1, 10))


@pytest.mark.parametrize("seed", range(6))
def test_fields_of_stacked_convolutions_are_those_of_the_formula(seed: int) -> None:
    """width += (reach - 1) * step, step *= stride, first -= padding * step, from layer to layer."""
    draw = np.random.default_rng(seed)
    layers, expected = [], []
    first, width, step = 0, 1, 1
    for _ in range(4):
        size, stride, dilation = (int(n) for n in draw.integers(1, [6, 4, 4]))
        padding = int(draw.integers(0, size))
        layers.append(nn.Conv1d(1, 1, size, stride=stride, dilation=dilation, padding=padding))
        first, width = first - padding * step, width + dilation * (size - 1) * step
        step *= stride
        expected.append(Field(first, step, width, sees_all=False))
        layers.append(nn.MaxPool1d(2))
        width, step = width + step, 2 * step
        expected.append(Field(first, step, width, sees_all=False))

    def run(x: Tensor) -> Iterator[tuple[str, Tensor]]:
        for i, layer in enumerate(layers):
            x = layer(x)
            yield str(i), x
        yield "end", x.mean(dim=2)

    fields = measure_fields(run, torch.zeros(1, 1, 6000 + 40 * step))
    assert [fields[str(i)] for i in range(len(layers))] == expected
    assert fields["end"].sees_all


@pytest.mark.parametrize(
    ("name", "options", "stage"),
    [
        ("dl16_8", {}, "layer4"),
        ("mul16c", {}, "layer3"),
        ("sample_cnn", {"n_filters": 4}, "block5"),
        ("short_chunk_res", {"n_channels": 4}, "block3"),
        ("musicnn_won", {}, "cnn2"),
    ],
)
def test_a_step_of_the_network_itself_sees_its_field_and_no_more(
    name: str, options: dict[str, int], stage: str
) -> None:
    model = build(name, **options).eval()
    with torch.no_grad():
        spectrogram = model.represent(torch.rand(1, model.chunk_samples))
        field = measure_fields(model.stages, spectrogram)[stage]
        n_steps = next(value for found, value in model.stages(spectrogram) if found == stage).shape[-1]
        t = n_steps // 2
        first = field.first + t * field.step
        for position, sees in ((-1, False), (0, True), (field.width - 1, True), (field.width, False)):
            x = spectrogram.clone()
            x[..., first + position] = torch.nan
            value = next(value for found, value in model.stages(x) if found == stage)
            assert bool(value[..., t].isnan().any()) == sees, position


def test_fields_that_are_known() -> None:
    def seen(name: str) -> dict[str, int]:
        return {stage.name: stage.field_samples for stage in get_architecture(name).stages}

    sample_cnn = seen("sample_cnn")
    for i in range(9):  # three samples, then 2 steps of the convolution and 2 of the pooling from block to block
        stage = "strided" if i == 0 else f"block{i}"
        assert sample_cnn[stage] == 3 + 4 * sum(3**j for j in range(1, i + 1))
    assert sample_cnn["block9"] == 3**10
    assert seen("musicnn")["cnn3"] == 512 + 256 * (128 - 1 + 3 * 6)
    assert seen("fcn")["block1"] == 512 + 256 * (6 - 1)
    assert seen("vgg")["pool5"] == 512 + 256 * (128 - 1)
    for name, length in {"dm8": 8, "dm16": 16, "dm64": 64, "dm128": 128, "ds256a": 256, "mul16d": 64, "dl16_4": 16,
                         "dieleman_raw": 256}.items():  # fmt: skip
        assert seen(name)["layer1"] == length
    assert seen("dl16_16")["layer2"] == 16 * (1 + 16 * 3 + 3)  # four taps sixteen steps apart, four steps pooled
    assert seen("windowed")["window_logits"] == get_architecture("dm16").heard_samples


def test_the_field_of_a_network_is_that_of_its_deepest_stage_along_time() -> None:
    known = read_architectures()
    whole = {name for name, one in known.items() if one.field.sees_all}
    assert {"crnn", "crnn_choi", "raw_crnn", "cnn_attention", "music_tagging_transformer", "mlp_spectrum"} <= whole
    assert not whole & {"musicnn", "musicnn_won", "vgg", "dm16", "ds256a", "content", "dieleman_mel"}
    assert (known["crnn"].field.name, known["dm16"].field.name) == ("recurrent", "layer7")
    assert known["content"].field.field_samples == 2048 + 1024 * (55 - 1)  # though levels are relative to the loudest


def test_poolings_drop_what_does_not_fill_them() -> None:
    one = get_architecture("fcn")
    frames_heard = 4 * 4 * 4 * 5 * 4 + (1 + 4 + 16 + 64 + 320)  # what is pooled, and one frame to the right per layer
    assert one.heard_samples == 256 * frames_heard
    assert one.heard_samples < 0.94 * one.chunk_samples


def test_unknown_front_ends_keep_their_class_name() -> None:
    assert anatomy._what_is_heard(nn.Identity()) == "Identity"
