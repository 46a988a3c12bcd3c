"""Feature maps on the time of a song, and what channels contribute."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.audio.io import write
from earmark.errors import AssetError, InputError, UnknownNameError, UsageError
from earmark.explain.activations import activations, gradients_of
from earmark.models.base import TaggingModel, build
from earmark.models.card import PUBLISHED
from earmark.models.raw_plans import Branch, Conv, Layer, Plan
from earmark.models.raw_waveform import RawNet

RATE = 16000


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


@pytest.fixture(scope="module", name="model")
def small() -> TaggingModel:
    torch.manual_seed(0)
    return build("ds256c", chunk_samples=20000, n_tags=3).eval()


def test_one_chunk_is_what_intermediates_gives(model: TaggingModel) -> None:
    song = noise(model.chunk_samples)
    found = activations(model, song, max_rate=None)
    expected = model.intermediates(torch.from_numpy(song)[None])
    assert tuple(found.layers) == model.layer_names
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].values, value[0].detach().numpy(), rtol=0, atol=1e-6)
    assert found["layer1"].times[:2] == pytest.approx([127.5 / RATE, (256 + 127.5) / RATE])
    assert found["layer1"].step_seconds == 256 / RATE
    assert found["layer2"].field_seconds == (256 + 7 * 256 + 3 * 256) / RATE
    assert found["pooled"].times.tolist() == [model.chunk_samples / 2 / RATE]
    assert found["layer1"].frequencies is None


def test_a_click_is_where_it_is_in_the_song() -> None:
    plan = Plan(layers=(Layer((Branch((Conv(1, 16, 16),)),)),), has_norm=False, activation="relu", is_flat=False)
    model = RawNet(plan, n_tags=1, chunk_samples=4000)
    with torch.no_grad():
        model.layers[0].branches[0][0].conv.weight.fill_(1.0)
    song = np.zeros(4000 * 3 + 1500, np.float32)
    clicks = np.array([100, 3999, 4000, 9000, 12100, 13499])
    song[clicks] = 1.0
    found = activations(model, song, ["layer1"], max_rate=None)["layer1"]
    assert (np.diff(found.times) > 0).all()
    heard = found.times[found.values[0, 0] > 0.5] * RATE
    assert heard == pytest.approx(clicks, abs=16)
    assert found.times[-1] < len(song) / RATE
    later = activations(model, song, "layer1", max_rate=None, offset=0.5)["layer1"]
    assert later.times[later.values[0, 0] > 0.5] * RATE == pytest.approx(clicks[3:], abs=16)


def test_contributions_are_exact_where_the_output_is_linear(model: TaggingModel) -> None:
    song = noise(2 * model.chunk_samples)
    found = activations(model, song, tag=1)
    weights = model.head.weight[1].detach().double().numpy()
    pooled = found["pooled"]
    expected = (pooled.values[:, 0] * weights[:, None]).mean(axis=1)
    assert pooled.contributions == pytest.approx(expected, abs=1e-6)
    assert pooled.order.tolist() == np.argsort(-expected).tolist()
    assert found["layer3"].contributions == pytest.approx(expected, abs=1e-6)  # its mean is what is pooled
    assert np.array_equal(found["layer3"].ordered(2), found["layer3"].values[pooled.order[:2]])
    assert found.tag == "1"


def test_a_channel_that_does_all_the_work_comes_first(model: TaggingModel) -> None:
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.layers[2].branches[0][0].conv.weight[:, [i for i in range(32) if i != 7]] = 0.0
    found = activations(model, noise(20000), ["layer2"])["layer2"]
    assert found.contributions is not None
    assert np.flatnonzero(found.contributions).tolist() == [7]
    assert 7 in (found.order[0], found.order[-1])


def test_without_ranking_the_order_is_that_of_the_network(model: TaggingModel) -> None:
    found = activations(model, noise(20000), "layer1", is_ranked=False)["layer1"]
    assert found.contributions is None
    assert found.order.tolist() == list(range(128))


def test_fast_maps_are_averaged() -> None:
    model = build("sample_cnn", n_filters=2).eval()
    song = noise(model.chunk_samples)
    whole = activations(model, song, "strided", max_rate=None, is_ranked=False)["strided"]
    few = activations(model, song, "strided", max_rate=100.0, is_ranked=False)["strided"]
    group = int(np.ceil(22050 / 3 / 100))
    assert few.values[0, 0, 3] == pytest.approx(whole.values[0, 0, 3 * group : 4 * group].mean(), abs=1e-6)
    assert few.times[3] == pytest.approx(whole.times[3 * group : 4 * group].mean())
    assert few.step_seconds == pytest.approx(group * 3 / 22050)
    assert few.values.shape[-1] == len(few.times)


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("ds256f", {}),
        ("vgg", {"n_filters": 4}),
        ("music_tagging_transformer", {"n_channels": 8, "n_units": 16, "n_seconds": 2}),
        ("cnn_attention", {"n_channels": 8, "n_seconds": 2}),
        ("windowed", {"inner": "ds256c", "inner_options": {"chunk_samples": 20000}, "n_windows": 3}),
    ],
)
def test_every_kind_of_network_has_maps_in_time(architecture: str, options: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = build(architecture, **options).eval()
    n_samples = int(1.5 * model.chunk_samples)
    found = activations(model, noise(n_samples))
    for maps in found.layers.values():
        assert maps.values.shape[-1] == len(maps.times)
        assert (np.diff(maps.times) > 0).all()
        assert np.isfinite(maps.values).all()
        assert maps.contributions is not None
        assert np.isfinite(maps.contributions).all()
        if maps.values.shape[1] > 1:
            assert maps.frequencies is not None
            assert (np.diff(maps.frequencies) >= 0).all()  # the lowest mel bands share a bin
            assert len(maps.frequencies) == maps.values.shape[1]
    deep = [name for name in found.layers if name not in ("embedding", "penultimate")]
    assert all(np.any(found[name].contributions) for name in deep)


def test_a_view_has_the_gradient_of_what_is_viewed() -> None:
    x = torch.arange(6.0, requires_grad=True)
    base = x * 2
    view = base.reshape(2, 3).T
    (gradient,) = gradients_of((base * torch.arange(6.0)).sum(), [view])
    assert gradient.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    other = x + 1
    assert gradients_of(base.sum(), [other])[0].tolist() == [0.0] * 6


def test_a_path_and_a_rate_are_taken(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    run = write_run("mine", "ds256c", tags=("loud", "soft"), options={"chunk_samples": 20000})
    song = noise(48000)
    write(tmp_path / "song.wav", song, 32000, subtype="FLOAT")
    one = activations(run, tmp_path / "song.wav", "layer1", tag="loud")
    two = activations(run, np.stack([song, song]), "layer1", tag="loud", sample_rate=32000)
    assert one.model == "mine"
    assert (one.tag, one.n_seconds) == ("loud", 1.5)
    np.testing.assert_allclose(one["layer1"].values, two["layer1"].values, rtol=0, atol=1e-4)
    with pytest.raises(UnknownNameError, match="no tag 'lout'") as error:
        activations(run, song, tag="lout")
    assert "loud" in str(error.value.hint)


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_a_card_is_taken_and_real_music_too(shared: Path) -> None:
    song = sorted(path for path in (shared / "audio").rglob("*") if path.suffix in (".mp3", ".ogg", ".flac", ".wav"))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = activations(PUBLISHED["musicnn.pons_mtt"], song, ["timbral", "cnn3"], tag="guitar", duration=4.0)
    timbral = found["timbral"]
    assert timbral.values.shape[0] == 408
    assert np.diff(timbral.times).max() < 0.0321  # the last chunk is not on the grid of the others
    assert timbral.contributions is not None
    assert (np.diff(timbral.contributions[timbral.order]) <= 0).all()


def test_errors_say_what_to_do(model: TaggingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="no layer 'layer9'") as error:
        activations(model, noise(20000), ["layer9"])
    assert "layer1" in str(error.value.hint)
    with pytest.raises(UnknownNameError, match="no layer 'layer1'"):
        activations(model, noise(20000), ["layer2"])["layer1"]
    with pytest.raises(InputError, match="silent") as silent:
        activations(model, np.zeros(20000, np.float32))
    assert silent.value.hint
    with pytest.raises(InputError, match="NaN"):
        activations(model, np.full(20000, np.nan, np.float32))
    with pytest.raises(UsageError, match="without a card"):
        activations(model, noise(20000), tag="jazz")
    with pytest.raises(UsageError, match="tag 7 of 3"):
        activations(model, noise(20000), tag=7)
    with pytest.raises(UsageError, match="ONNX"):
        activations("a/model.onnx", noise(20000))
    with pytest.raises(AssetError):
        activations("no/such/run", noise(20000))
    with pytest.raises(UsageError, match="which has its own"):
        activations(model, "song.wav", sample_rate=44100)
    monkeypatch.setattr("earmark.explain.activations.MAX_BYTES", 1000)
    with pytest.raises(UsageError, match="GiB") as large:
        activations(model, noise(20000))
    assert "max_rate" in str(large.value.hint)
