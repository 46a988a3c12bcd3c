"""Two networks on a song: what they share is found, also where rates and front ends differ; errors say what to do."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.explain.comparison import Comparison, compare_models
from earmark.explain.comparison_arrays import to_arrays, write_comparison
from earmark.models.base import TaggingModel, build

from .planted import RATE, card

RNG = np.random.default_rng(0)


def song(seconds: float = 6.0, *, rate: int = RATE) -> np.ndarray:
    """Noise whose level and colour change all the time."""
    n = round(seconds * rate)
    level = np.repeat(RNG.uniform(0.02, 0.3, n // (rate // 10) + 1), rate // 10)[:n]
    white = RNG.standard_normal(n)
    mix = np.repeat(RNG.uniform(0, 1, n // (rate // 4) + 1), rate // 4)[:n]
    return (level * (mix * white + (1 - mix) * np.convolve(white, np.ones(8) / 3, mode="same"))).astype(np.float32)


SONG = song()


def raw(seed: int = 0, *, tags: tuple[str, ...] = ("woman", "rock", "hum")) -> TaggingModel:
    torch.manual_seed(seed)
    model = build("ds256c", chunk_samples=20000, n_tags=len(tags)).eval()
    model.card = card(tags, model)
    return model


@pytest.fixture(scope="module")
def own() -> Comparison:
    """A network and a copy of it with its second layer in another order, and other tags."""
    model = raw()
    other = copy.deepcopy(model)
    order = torch.arange(31, -1, -1)
    with torch.no_grad():
        other.layers[1].branches[0][0].conv.weight.copy_(model.layers[1].branches[0][0].conv.weight[order])
    other.card = card(("female vocal", "jazz", "metal"), other)
    calls: list[float] = []
    found = compare_models(
        model, other, [SONG], layer_a="layer2", layer_b="layer2", n_sounds=2, seconds=None,
        on_progress=lambda part, what: calls.append(part),
    )  # fmt: skip
    assert calls == sorted(calls)
    assert (calls[0], calls[-1]) == (0.0, 1.0)
    return found


def test_a_network_shares_all_with_itself(own: Comparison) -> None:
    assert own.models == ("planted (A)", "planted (B)")
    assert own.likeness.models == own.models
    assert own.likeness.cka[0, 0] == pytest.approx(1.0)
    assert own.pair_cka == pytest.approx(1.0)
    assert len(own.matches.shared) == 32
    assert {31 - one for one, _ in own.matches.shared.tolist()} == set(range(32))
    assert all(one + other == 31 for one, other in own.matches.shared.tolist())
    assert own.matches.chance < 0.7
    assert (own.unique_a, own.unique_b) == ((), ())
    assert len(own.shared) == 2
    for one in own.shared:
        assert one.correlation == pytest.approx(1.0)
        assert one.a.sound is not None
        assert one.b.sound is not None
        np.testing.assert_allclose(one.a.sound.waveform, one.b.sound.waveform, atol=1e-3)
        assert one.a.sound.loudness == pytest.approx(-23.0, abs=0.1)
    assert (own.start, own.end, own.sample_rate) == (0.0, 6.0, RATE)


def test_tags_meet_by_any_of_their_names(own: Comparison) -> None:
    assert [tag.name for tag in own.tags] == ["female vocals"]
    starts = (0, 20000, 40000, 60000, SONG.size - 20000)  # the last chunk ends with the song
    with torch.no_grad():
        logits = raw()(torch.from_numpy(np.stack([SONG[start : start + 20000] for start in starts])))
    assert own.tags[0].score_a == pytest.approx(float(torch.sigmoid(logits[:, 0]).mean()), abs=1e-4)
    assert {name for name, _ in own.only_a} == {"rock", "hum"}
    assert {name for name, _ in own.only_b} == {"jazz", "metal"}
    assert own.only_a[0][1] >= own.only_a[1][1]


def test_networks_of_other_rates_and_front_ends_are_compared() -> None:
    torch.manual_seed(1)
    waves, bands = build("sample_cnn", n_filters=2).eval(), build("ds256f", n_tags=2).eval()
    found = compare_models(waves, bands, [song(8.0, rate=RATE)], n_sounds=1, seconds=6.0, sample_rate=RATE)
    assert found.models == ("SampleCnn", "RawNet")
    assert found.sample_rate == 22050
    assert (found.start, found.end) == (1.0, pytest.approx(7.0, abs=1e-3))
    assert found.layers[0] in waves.layer_names
    assert found.layers[1] in bands.layer_names
    assert found.tags == ()
    assert np.isfinite(found.pair_cka)
    kinds = found.matches
    n = len(kinds.shared) + len(kinds.unique_b) + len(kinds.silent_b)
    assert n <= len(kinds.correlation_b)
    heard = [one.heard for one in found.unique_b] + [one.b for one in found.shared]
    assert heard
    assert all(one.sound is not None and one.sound.sample_rate == 16000 for one in heard)
    assert all(one.excited.times[0] >= 1.0 for one in heard)


def test_the_pair_of_layers_is_the_most_alike_of_those_the_deepest() -> None:
    model = raw()
    found = compare_models(model, model, [SONG], n_sounds=0, seconds=None, layers=["layer1", "layer2", "layer3"])
    assert found.layers == ("layer3", "layer3")  # the diagonal is 1
    assert found.likeness.layers_a == ("layer1", "layer2", "layer3")
    given = compare_models(model, raw(1), [SONG], n_sounds=0, seconds=None, layer_a="layer1", layers=["layer2"])
    assert given.layers[0] == "layer1"
    assert np.isnan(given.pair_cka)


def test_all_numbers_are_written(own: Comparison, tmp_path: Path) -> None:
    write_comparison(tmp_path / "c.csv", own)
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[0] == "layer," + ",".join(own.likeness.layers_b)
    assert float(lines[1].split(",")[1]) == pytest.approx(1.0)
    write_comparison(tmp_path / "c.npz", own)
    with np.load(tmp_path / "c.npz") as arrays:
        assert set(arrays) == set(to_arrays(own))
        assert arrays["cka"] == pytest.approx(own.likeness.cka, nan_ok=True)
        channel = own.shared[0].a.channel
        assert arrays[f"a/{channel}/sound"].shape == SONG.shape
    with pytest.raises(UsageError, match="numbers are written"):
        write_comparison(tmp_path / "c.txt", own)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"songs": []}, UsageError, "no song"),
        ({"layer_a": "layer8"}, UnknownNameError, "layer 'layer8'"),
        ({"layer_b": "pooled"}, UsageError, "no axis of time"),
        ({"layers": ["conv1"]}, UnknownNameError, "layer 'conv1'"),
        ({"threshold": 1.5}, UsageError, "threshold"),
        ({"seconds": 0.1}, UsageError, "seconds"),
        ({"songs": [np.zeros(40000, np.float32)]}, InputError, "silent"),
        ({"songs": [SONG[:20000]]}, InputError, "too few"),
        ({"model_b": "exported/model.onnx"}, UsageError, "ONNX"),
    ],
)
def test_errors_say_what_to_do(options: dict[str, Any], error: type[Exception], match: str) -> None:
    given: dict[str, Any] = {"model_a": raw(), "model_b": raw(1), "songs": [SONG], **options}
    with pytest.raises(error, match=match) as caught:
        compare_models(**given)
    assert getattr(caught.value, "hint", None)
