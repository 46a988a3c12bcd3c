"""Windows around networks: what each way of joining them does."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from earmark.errors import InputError, UnknownNameError, UsageError  # noqa: E402
from earmark.models.base import build, load, save  # noqa: E402
from earmark.models.card import ModelCard  # noqa: E402
from earmark.models.export import export_graph  # noqa: E402
from earmark.models.windowing import Windowed  # noqa: E402

POOLINGS = ("whole", "stme", "spm_a", "spm_b", "spm_c", "spm_d", "spm_e", "spm_f", "attention")
SMALL = 16384  # samples of a window


def make(pooling: str, **options: Any) -> Windowed:
    """Build a small network of four windows."""
    torch.manual_seed(1)
    inner = "ds256c" if pooling in ("spm_e", "spm_f") else "ds256b"
    options = {"inner": inner, "inner_options": {"chunk_samples": SMALL}, "n_windows": 4, "n_tags": 7, **options}
    model = build("windowed", pooling=pooling, **options)
    assert isinstance(model, Windowed)
    return model


def noise(model: Windowed, n: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(n, model.chunk_samples, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_keeps_the_contract(pooling: str) -> None:
    import onnxruntime

    model = make(pooling).eval()
    waveform = noise(model)
    assert model.chunk_samples == 4 * SMALL
    with torch.no_grad():
        stages = model.intermediates(waveform)
        alone = model(waveform[1:])
        expected = model(waveform)
    assert tuple(stages) == model.layer_names
    assert stages["embedding"].shape == (2, model.n_features, 1, 1)
    assert stages["logits"].shape == (2, 7, 1, 1)
    torch.testing.assert_close(alone, expected[1:], rtol=1e-4, atol=1e-5)

    graph = export_graph([model])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    scores, embedding = session.run(None, {"waveform": waveform.numpy()})
    torch.testing.assert_close(torch.from_numpy(scores), torch.sigmoid(expected), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(torch.from_numpy(embedding), stages["embedding"].flatten(1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_is_trained_gets_a_gradient(pooling: str) -> None:
    model = make(pooling).train()
    model(noise(model)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    without_head = pooling in ("spm_e", "spm_f", "attention")
    assert ("inner.head.weight" in trained) is not without_head
    assert "inner.layers.0.branches.0.0.conv.weight" in trained


def test_averages_are_those_of_the_windows() -> None:
    model = make("stme").eval()
    waveform = noise(model)
    with torch.no_grad():
        parts = [model.inner(part) for part in waveform.split(SMALL, dim=1)]
        expected = torch.stack(parts).mean(dim=0)
        torch.testing.assert_close(model(waveform), expected)
        torch.testing.assert_close(model.intermediates(waveform)["window_logits"][..., 2].squeeze(2), parts[2])


def test_training_window_by_window_draws_one_of_each_clip() -> None:
    model = make("stme", inner="dieleman_raw").train()  # no dropout, no norm
    waveform = noise(model)
    with torch.no_grad():
        windows = torch.stack([model.inner(part) for part in waveform.split(SMALL, dim=1)], dim=1)  # (B, W, K)
        drawn = torch.stack([model(waveform) for _ in range(40)])  # (n, B, K)
    seen = (drawn[:, :, None] - windows[None]).abs().amax(dim=-1) < 1e-5  # (n, B, W)
    assert seen.sum(dim=-1).eq(1).all()
    assert seen.any(dim=0).all()  # each window has its turn
    assert not torch.equal(seen[:, 0], seen[:, 1])


def test_a_lone_window_can_be_trained_on() -> None:
    model = make("stme").train()
    assert model(noise(model)[:, :SMALL]).shape == (2, 7)


def test_a_whole_clip_is_taken_in_one_piece() -> None:
    model = make("whole").eval()
    waveform = noise(model)
    with torch.no_grad():
        torch.testing.assert_close(model(waveform), model.inner(waveform))
    assert model.inner.chunk_samples == 4 * SMALL
    whole = build("windowed", inner="sample_cnn", inner_options={"n_filters": 2}, pooling="whole", n_windows=2).eval()
    with torch.no_grad():
        assert whole(torch.zeros(1, 2 * 59049)).shape == (1, 50)
    with pytest.raises(UsageError, match="'vgg' does not take a clip of 95744 samples, only 47872"):
        build("windowed", inner="vgg", pooling="whole", n_windows=2)


def test_windows_of_a_network_with_context_see_their_true_neighbours() -> None:
    model = build("windowed", inner="musicnn", n_windows=2, n_tags=3).eval()
    waveform = noise(model, 1)
    left, right = model.context
    padded = torch.nn.functional.pad(waveform, (left, right), mode="reflect")
    length = model.inner.chunk_samples
    with torch.no_grad():
        spectrogram = model.represent(waveform)
        second = model.inner.represent(padded[:, length : length + left + length + right], has_context=True)
        torch.testing.assert_close(spectrogram[:, 1], second)
        torch.testing.assert_close(model.represent(padded, has_context=True), spectrogram)


def test_clips_of_other_lengths() -> None:
    model = make("attention").eval()
    waveform = noise(model)[:, : 2 * SMALL + 100]
    with torch.no_grad():
        weights = model.intermediates(waveform)["attention"].flatten(1)  # the third window ends where the clip ends
    assert weights.shape == (2, 3)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    with pytest.raises(InputError, match="shorter than one window of 16384"):
        model(waveform[:, :100])
    with pytest.raises(InputError, match="has 3 windows: this network takes 4, 65536 samples"):
        make("spm_a")(waveform)


def test_windows_may_overlap() -> None:
    model = make("stme", hop_samples=SMALL // 2).eval()
    assert model.chunk_samples == SMALL + 3 * SMALL // 2
    with torch.no_grad():
        assert model.intermediates(noise(model))["window_logits"].shape == (2, 7, 1, 4)


def test_attention_can_pick_one_window() -> None:
    model = make("attention").eval()
    waveform = noise(model)
    with torch.no_grad():
        stages = model.intermediates(waveform)
        weights, windows = stages["attention"].flatten(1), stages["window_embeddings"].squeeze(2)
    torch.testing.assert_close(stages["embedding"].flatten(1), (windows * weights[:, None]).sum(dim=2))


# Parameters of the combiners at the study's sizes, counted from its code (50 tags, 12 windows); the batch norm of its
# convolutions follows a bias, ours has none: 1 % at most.
@pytest.mark.parametrize(
    ("pooling", "output", "n_parameters"),
    [
        ("spm_a", "logits", 601 * 600 * 2 + 601 * 50),
        ("spm_b", "logits", 601 * 600 * 2 + 601 * 50),
        ("spm_c", "logits", 32 * 12 * 3 + 96 + (32 * 48 + 1) * 1500 + 1501 * 50),
        ("spm_c", "embedding", 32 * 12 * 3 + 96 + (32 * 198 + 1) * 1500 + 1501 * 50),
        ("spm_d", "logits", 50 * 50 * 3 + 150 + (50 * 10 + 1) * 500 + 501 * 50),
        ("spm_d", "embedding", 50 * 200 * 3 + 150 + (50 * 10 + 1) * 500 + 501 * 50),
        ("spm_e", "map", 50 * 32 * 3 + 150 + (50 * 346 + 1) * 2500 + 2501 * 50),
        ("spm_f", "map", 32 * 32 * 3 + 96 + (32 * 346 + 1) * 1500 + 1501 * 50),
    ],
)
def test_combiners_have_the_sizes_of_the_study(pooling: str, output: str, n_parameters: int) -> None:
    inner = "ds256c" if pooling in ("spm_e", "spm_f") else "ds256b"
    options = {} if inner == "ds256c" else {"window_output": output}
    model = build("windowed", inner=inner, pooling=pooling, **options)
    own = model.n_parameters - build(inner).n_parameters
    assert own == pytest.approx(n_parameters, rel=0.01)


def test_the_activation_acts_on_what_is_joined() -> None:
    plain, squashed = make("spm_c", window_output="embedding"), make("spm_c", window_output="embedding")
    squashed.activation = torch.nn.Sigmoid()
    waveform = noise(plain)
    with torch.no_grad():
        linear = plain.eval().intermediates(waveform, ["window_outputs"])["window_outputs"]
        bounded = squashed.eval().intermediates(waveform, ["window_outputs"])["window_outputs"]
    assert linear.shape == (2, 200, 1, 4)
    torch.testing.assert_close(bounded, torch.sigmoid(linear))
    assert isinstance(make("spm_c", window_activation="sigmoid").activation, torch.nn.Sigmoid)


def test_dropout_of_the_combiners_is_off_in_eval_mode() -> None:
    model = make("spm_b")
    waveform = noise(model)
    with torch.no_grad():
        assert torch.equal(model.eval()(waveform), model(waveform))
        model.inner.eval()
        model.super_pool.train()
        assert not torch.equal(model(waveform), model(waveform))


def test_a_trained_front_end_is_saved_once(tmp_path: Path) -> None:
    model = build("windowed", inner="harmonic_cnn", inner_options={"n_channels": 4}, n_windows=2, n_tags=3).eval()
    assert not any(name.startswith("frontend.") for name in model.state_dict())
    model.card = ModelCard(
        name="windowed.own_music",
        architecture="windowed",
        options={"inner": "harmonic_cnn", "inner_options": {"n_channels": 4}, "n_windows": 2, "n_tags": 3},
        sample_rate=model.sample_rate,
        chunk_samples=model.chunk_samples,
        hop_samples=model.chunk_samples,
        frontend="own",
        vocabulary="own_music",
        tags=("a", "b", "c"),
        n_parameters=model.n_parameters,
        embedding=model.embedding_layer,
        n_features=model.n_features,
    )
    save(model, tmp_path / "own.safetensors")
    loaded = load(tmp_path / "own.safetensors")
    waveform = 0.1 * torch.randn(1, model.chunk_samples)
    with torch.no_grad():
        assert torch.equal(model(waveform), loaded(waveform))


def test_bad_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no pooling of windows 'spm'"):
        make("spm")
    with pytest.raises(UnknownNameError, match="no output of a window 'map'"):
        make("spm_a", window_output="map")
    with pytest.raises(UnknownNameError, match="no activation 'tanh'"):
        make("spm_a", window_activation="tanh")
    with pytest.raises(UsageError, match="window_output='embedding' has no effect with pooling='spm_e'"):
        make("spm_e", window_output="embedding")
    with pytest.raises(UsageError, match="window_activation='elu' has no effect with pooling='stme'"):
        make("stme", window_activation="elu")
    with pytest.raises(UsageError, match="n_windows=0"):
        make("stme", n_windows=0)
    with pytest.raises(UsageError, match="convolves 2 values"):
        make("spm_d", n_windows=2)
    with pytest.raises(InputError, match="shape"):
        make("stme")(torch.zeros(SMALL))
