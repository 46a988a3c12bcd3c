"""Sizes, maps and options of the networks that are built from tables, and of the recurrent one."""

import pytest

torch = pytest.importorskip("torch")

from earmark.errors import InputError, UnknownNameError, UsageError  # noqa: E402
from earmark.models.base import build  # noqa: E402
from earmark.models.raw_plans import CLIP_SAMPLES, PLANS, WINDOW_SAMPLES, Conv, dieleman_plan  # noqa: E402

# Parameters of the layers as the study's code builds them (50 tags), counted by hand: a norm without a scale in dm, dl
# and mul, one with a scale and a bias before it in mkc and ds256. Ours has a scale and no bias: 1 % at most.
STUDY = {
    "mkc": 4 * 16 + 8 * 4 * 8 + 12 * 8 * 4 + 3 * 24 + 1789 * 1000 + 1001 * 300 + 301 * 50,
    "mkc_f": 4 * 16 + 8 * 4 * 8 + 12 * 8 * 4 + 3 * 24 + (12 * 9 * 40 + 1) * 3000 + 3001 * 1000 + 1001 * 50,
    "ds256f": 32 * 8 + 32 * 32 * 8 + 2 * 96 + (32 * 12 * 40 + 1) * 1000 + 1001 * 50,
    "ds256a": 128 * 256 + 32 * 128 * 8 + 32 * 32 * 8 + 3 * 192 + 225 * 1000 + 1001 * 50,
    "ds256c": 128 * 256 + 32 * 128 * 8 + 32 * 32 * 8 + 3 * 192 + 33 * 50,
    "ds256b": 128 * 256 + 32 * 128 * 8 + 32 * 32 * 8 + 3 * 192 + 225 * 1000 + 1001 * 200 + 201 * 50,
    "dm8": 64 * 8 + 1_032_192 + 1472 + 2049 * 50,
    "dm16": 64 * 16 + 1_032_192 + 1472 + 2049 * 50,
    "dm16c": 64 * 16 + 1_032_192 + 1472 + 1025 * 50,
    "dm64": 64 * 64 + 1_032_192 + 1472 + 1537 * 50,
    "dm128": 64 * 128 + 1_032_192 + 1472 + 1537 * 50,
    "dl16_16": 64 * 16 + 1_032_192 + 1472 + 2049 * 50,
    "dl16_8": 64 * 16 + 1_032_192 + 1472 + 2049 * 50,
    "dl16_4": 64 * 16 + 1_032_192 + 1472 + 2049 * 50,
}
# Filters x width x inputs of layers 4 to 7 of mul16 behind 128 channels, their norms, and the head.
MUL_REST = 4 * (128 * 128 + 128 * 256 + 256 * 256 + 256 * 512) + 1152 + 513 * 50
STUDY["mul16a"] = 32 * 16 + 32 * 32 * 20 + 64 * 64 * 20 + 32 + 64 + 128 + MUL_REST
STUDY["mul16d"] = 32 * 16 + 64 * 64 + 96 * 32 * 20 + 64 * 64 * 20 + 96 + 64 + 128 + MUL_REST
STUDY["mul16b"] = (
    32 * 16 + 32 * 32 * (4 + 24) + 64 * 64 * 4 + 64 * 32 * 8 + 32 * 32 * 16 + 32 + 128 + 160
    + MUL_REST - 4 * 32 * 128
)  # fmt: skip
STUDY["mul16c"] = (
    32 * 16 + 32 * 32 * (4 + 24 + 16) + 96 * 64 * 20 + 96 * 32 * 8 + 32 * 32 * 16 + 32 + 160 + 224
    + MUL_REST + 4 * 32 * 128
)  # fmt: skip

# Steps behind each layer in the study's windows (its own notes where they are right, else counted from its code).
STEPS = {
    "mkc": (2427, 302, 149),
    "mkc_f": (181, 22, 9),
    "ds256a": (151, 36, 7),
    "ds256f": (58, 12),
    "dm8": (4854, 1213, 303, 75, 18, 9, 4),
    "dm16": (2427, 606, 151, 37, 18, 9, 4),
    "dm16c": (29124, 3640, 455, 113, 28, 7, 2),
    "dm64": (607, 151, 75, 37, 18, 9, 3),
    "dm128": (304, 152, 76, 38, 19, 9, 3),
    "dl16_16": (2427, 606, 151, 37, 18, 9, 4),
    "mul16a": (2427, 606, 151, 37, 9, 2, 1),
    "mul16c": (2427, 606, 151, 37, 9, 2, 1),
    "mul16d": (2427, 606, 151, 37, 9, 2, 1),
}


def test_the_windows_are_twelfths_of_the_clips() -> None:
    assert 12 * WINDOW_SAMPLES == CLIP_SAMPLES
    assert CLIP_SAMPLES == 16 * 29124


@pytest.mark.parametrize("name", STUDY)
def test_parameters_are_those_of_the_study(name: str) -> None:
    assert build(name).n_parameters == pytest.approx(STUDY[name], rel=0.01)


@pytest.mark.parametrize("name", STEPS)
def test_maps_have_the_steps_of_the_study(name: str) -> None:
    model = build(name).eval()
    with torch.no_grad():
        stages = model.intermediates(torch.zeros(1, model.chunk_samples))
    steps = [value.shape[-1] for stage, value in stages.items() if stage.startswith("layer")]
    assert tuple(steps) == STEPS[name]
    assert steps[-1] == PLANS[name].length(model.chunk_samples)


@pytest.mark.parametrize("name", PLANS)
def test_plans_count_what_their_networks_give(name: str) -> None:
    plan = PLANS[name]
    model = build(name).eval()
    for n_samples in (plan.chunk_samples, plan.chunk_samples + 1, plan.chunk_samples - 777):
        with torch.no_grad():
            x = model.frontend(torch.zeros(1, n_samples)).transpose(0, 1)  # (F, 1, T)
            for layer in model.layers:
                x = layer(x)
        assert x.shape == (plan.n_bands or 1, plan.n_channels, plan.length(n_samples))


@pytest.mark.parametrize(("stride", "n_steps"), [(256, (188, 47, 11)), (512, (94, 23, 5)), (1024, (47, 11, 2))])
def test_dieleman_takes_three_seconds_at_every_published_stride(stride: int, n_steps: tuple[int, ...]) -> None:
    model = build("dieleman_raw", length=stride, stride=stride).eval()
    with torch.no_grad():
        stages = model.intermediates(torch.zeros(1, 48_000))
    assert tuple(stages[f"layer{i}"].shape[-1] for i in (1, 2, 3)) == n_steps
    convolutions = 128 * (stride + 1) + 32 * (128 * 8 + 1) + 32 * (32 * 8 + 1)
    assert model.n_parameters == convolutions + (32 * n_steps[-1] + 1) * 100 + 101 * 50
    assert dieleman_plan(stride, stride).length(48_000) == n_steps[-1]
    on_mel = build("dieleman_mel", length=stride, stride=stride)
    assert model.n_parameters - on_mel.n_parameters == 128 * (stride + 1)  # the first filters are all that differs


@pytest.mark.parametrize("name", ["dm8", "dl16_8", "mul16c", "mkc", "ds256b", "dieleman_raw"])
def test_whole_clips_are_an_option(name: str) -> None:
    model = build(name, chunk_samples=CLIP_SAMPLES).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, CLIP_SAMPLES)).shape == (1, 50)
    with pytest.raises(InputError, match=f"this network takes {CLIP_SAMPLES}"):
        model(torch.zeros(1, WINDOW_SAMPLES))


def test_the_fully_convolutional_one_takes_any_length() -> None:
    model = build("ds256c").eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 2 * WINDOW_SAMPLES + 5)).shape == (1, 50)
    with pytest.raises(InputError, match="1000 samples is too short"):
        model(torch.zeros(1, 1000))


def test_a_chunk_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(UsageError, match="chunk_samples=1600 nothing is left"):
        build("ds256a", chunk_samples=1600)


def test_the_embedding_for_super_pooling_is_linear() -> None:
    torch.manual_seed(0)
    model = build("ds256b").eval()
    with torch.no_grad():
        embedding = model.embed(torch.randn(4, WINDOW_SAMPLES))
    assert model.n_features == 200
    assert embedding.min() < -1e-3


def test_networks_on_mel_bands_treat_every_band_alike() -> None:
    torch.manual_seed(0)
    model = build("ds256f").eval()
    spectrogram = torch.randn(2, 40, 240)
    with torch.no_grad():
        stages = dict(model.stages(spectrogram))
        swapped = dict(model.stages(spectrogram.flip(1)))
    assert stages["layer1"].shape == (2, 32, 40, 58)
    torch.testing.assert_close(stages["layer2"], swapped["layer2"].flip(2))
    assert not torch.allclose(stages["logits"], swapped["logits"])


def test_dilation_reaches_further() -> None:
    def reach(name: str) -> int:
        model = build(name).eval()
        x = torch.zeros(1, 1, WINDOW_SAMPLES, requires_grad=True)
        y = model.layers[2](model.layers[1](model.layers[0](x)))
        y[0, :, 75].sum().backward()
        assert x.grad is not None
        heard = x.grad.flatten().nonzero().flatten()
        return int(heard[-1] - heard[0]) + 1

    assert reach("dm16") < reach("dl16_4") < reach("dl16_8") < reach("dl16_16")
    dilated = Conv(1, 4, 1, 16)
    assert dilated.length(100, is_same=False) == 100 - 48


def test_residual_branches_are_added_and_inputs_stand_beside() -> None:
    torch.manual_seed(0)
    added = build("mul16e").eval().layers[1]
    x = torch.randn(1, 32, 64)
    with torch.no_grad():
        torch.testing.assert_close(added(x), added.branches[0](x) + added.branches[1](x))
        beside = build("mul16f").eval().layers[1](x)
    torch.testing.assert_close(beside[:, 32:], torch.nn.functional.avg_pool1d(x, 4))


@pytest.mark.parametrize("name", ["dm16", "mul16a", "dieleman_raw", "raw_crnn", "sample_cnn"])
def test_stochastic_pooling_is_drawn_in_training_only(name: str) -> None:
    small = {"n_filters": 4} if name == "sample_cnn" else {}
    model = build(name, pooling="stochastic", **small)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    waveform = 0.1 * torch.randn(2, model.chunk_samples)
    with torch.no_grad():
        assert not torch.equal(model.train()(waveform), model(waveform))
        assert torch.equal(model.eval()(waveform), model(waveform))


def test_unknown_options_are_named() -> None:
    with pytest.raises(UnknownNameError, match="no pooling 'stochastics'"):
        build("dm16", pooling="stochastics")
    with pytest.raises(UnknownNameError, match="no front 'sample'"):
        build("raw_crnn", front="sample")


@pytest.mark.parametrize(("front", "n_steps"), [("strided", 28), ("sample_level", 23)])
def test_the_recurrent_network_steps_about_once_a_second(front: str, n_steps: int) -> None:
    model = build("raw_crnn", front=front).eval()
    last = "block4" if front == "strided" else "block8"
    with torch.no_grad():
        stages = model.intermediates(torch.zeros(1, CLIP_SAMPLES), [last, "recurrent"])
        assert model(torch.zeros(1, 50_000)).shape == (1, 50)
    assert stages[last].shape[1:] == (128, 1, n_steps)
    assert stages["recurrent"].shape == (1, 32, 1, 1)
    with pytest.raises(InputError, match="shorter than one step"):
        model(torch.zeros(1, 1000))


def test_parameters_of_the_recurrent_network() -> None:
    convolutions = 64 * 16 + 4 * (64 * 64 + 64 * 128 + 2 * 128 * 128) + 2 * (2 * 64 + 3 * 128)
    recurrent = 3 * 32 * (128 + 32 + 2) + 3 * 32 * (32 + 32 + 2)
    assert build("raw_crnn").n_parameters == convolutions + recurrent + 33 * 50
