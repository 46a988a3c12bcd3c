"""Runs as models of the tagger: sample rates, chunks, context, windows, classes, thresholds, and without PyTorch."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

import earmark  # noqa: E402
from earmark.audio.io import read  # noqa: E402
from earmark.errors import AssetError, MissingExtraError, UsageError  # noqa: E402
from earmark.metrics import Calibration  # noqa: E402
from earmark.models.base import load  # noqa: E402
from earmark.models.card import PUBLISHED  # noqa: E402
from earmark.models.portable import export_model  # noqa: E402

Write = Callable[..., Path]
SMALL = {"n_units": 16}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "3150 Hz": ("mlp_spectrum", SMALL),
    "22050 Hz": ("sample_cnn", {"n_filters": 8}),
    "12000 Hz, 29 s": ("fcn3", {"n_channels": 4}),
    "0.5 s": ("dieleman_raw", {"chunk_samples": 8000}),
    "context": ("musicnn", {"n_mid": 8, "n_units": 16}),
    "windows": ("windowed", {"inner": "ds256b", "inner_options": {"chunk_samples": 16384}, "n_windows": 3}),
    "attention": (
        "windowed",
        {"inner": "ds256b", "inner_options": {"chunk_samples": 16384}, "n_windows": 3, "pooling": "attention"},
    ),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    time = np.arange(round(7.3 * 44100)) / 44100
    noise = np.random.default_rng(0).standard_normal(len(time))
    beats = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * time)
    soundfile.write(tmp_path / "song.wav", 0.3 * beats * np.sin(2 * np.pi * 330 * time) + 0.05 * noise, 44100)
    return tmp_path / "song.wav"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_hears_its_chunks(kind: str, write_run: Write, song: Path) -> None:
    architecture, options = KINDS[kind]
    run = write_run("mine", architecture, options=options)
    with earmark.Tagger(run, device="cpu", threads=1) as tagger:
        result = tagger.tag(song)
        assert (tagger.engine, tagger.name) == ("torch", "mine")
    assert (result.model, result.models, result.vocabulary) == ("mine", ("mine",), ("a", "b", "c"))
    model = load(run)
    length = model.chunk_samples
    waveform, _ = read(song, sample_rate=model.sample_rate)
    if len(waveform) < length:
        assert "repeated to fill" in result.warnings[0]
        waveform = np.tile(waveform, math.ceil(length / len(waveform)))[:length]
    starts = [*range(0, len(waveform) - length, length), len(waveform) - length]
    left, right = model.context
    padded = np.pad(waveform, (left, right), mode="reflect")
    chunks = torch.from_numpy(np.stack([padded[s : s + left + length + right] for s in starts]))
    with torch.no_grad():
        stages = dict(model.stages(model.represent(chunks, has_context=True)))
    np.testing.assert_allclose(result.taggram, torch.sigmoid(stages["logits"]), rtol=0, atol=1e-5)
    expected = stages[model.embedding_layer].flatten(1).mean(dim=0)
    np.testing.assert_allclose(result.embedding, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.times[:, 0], np.array(starts) / model.sample_rate, atol=1e-9)


def test_one_class_of_many(write_run: Write, song: Path) -> None:
    run = write_run("mine", "mlp_spectrum", tags=("dog", "rain", "jazz", "sea"), options=SMALL, activation="softmax")
    result = earmark.tag(song, model=run, device="cpu")
    np.testing.assert_allclose(result.taggram.sum(axis=1), 1, atol=1e-6)
    assert result.scores.sum() == pytest.approx(1, abs=1e-6)
    assert [tag.category for tag in result.tags] == ["other", "other", "genre", "other"]
    assert all(tag.lift is None for tag in result.tags)
    assert earmark.TrackTags.from_json(result.to_json(taggram=True, embedding=True)) == result


def test_base_rates_of_the_run_make_lifts(write_run: Write, song: Path) -> None:
    run = write_run("mine", "mlp_spectrum", options=SMALL, base_rates=(0.5, 0.25, 0.0), n_train=100)
    tags = earmark.tag(song, model=run, device="cpu").tags
    assert [tag.lift for tag in tags] == [tags[0].score / 0.5, tags[1].score / 0.25, None]
    published = PUBLISHED["fcn.won_mtt"]
    part = {"tags": published.tags, "vocabulary": "mtt", "n_train": 20}  # of a small part of that data set
    result = earmark.tag(song, model=write_run("part", "mlp_spectrum", options=SMALL, **part), device="cpu")
    assert result["guitar"].category == "instrument"
    assert result["guitar"].lift is None


def test_thresholds_and_calibration_of_the_card(write_run: Write, song: Path) -> None:
    calibration = Calibration("platt", ("a", "b", "c"), np.array([1.0, 2.0, 0.5]), np.array([0.5, -1.0, 1.0]))
    facts = {"thresholds": (0.0, 1.0, math.inf), "calibration": calibration.to_dict()}
    run = write_run("mine", "mlp_spectrum", options=SMALL, **facts)
    raw = earmark.tag(song, model=run, device="cpu")
    assert [tag.tag for tag in raw.top(above_threshold=True)] == ["a"]
    result = earmark.tag(song, model=run, device="cpu", calibrated=True)
    np.testing.assert_allclose(result.scores, calibration.apply(raw.scores), rtol=1e-9)
    assert [tag.tag for tag in result.top(above_threshold=True)] == ["a"]
    plain = write_run("plain", "mlp_spectrum", options=SMALL)
    with pytest.raises(UsageError, match="the card of plain holds no calibration"):
        earmark.Tagger(plain, calibrated=True)
    with (
        earmark.Tagger(plain, device="cpu") as tagger,
        pytest.raises(UsageError, match="the card of plain holds no thresholds"),
    ):
        tagger.check_thresholds()


def test_a_run_that_goes_on_is_loaded_anew(write_run: Write, song: Path) -> None:
    from earmark.models.base import save

    run = write_run("mine", "mlp_spectrum", options=SMALL)
    before = earmark.tag(song, model=run, device="cpu")
    assert earmark.tag(song, model=str(run), device="cpu") == before
    better = load(run)
    with torch.no_grad():
        for parameter in better.parameters():
            parameter.mul_(1.5)
    save(better, run / "best.safetensors")
    assert not np.array_equal(earmark.tag(song, model=run, device="cpu").scores, before.scores)


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import earmark
try:
    result = earmark.tag(sys.argv[1], model=sys.argv[2])
except earmark.errors.MissingExtraError as error:
    sys.exit(f"{error.message} | {error.hint}")
print(result.to_json())
"""


def test_an_exported_run_needs_no_pytorch(write_run: Write, song: Path, tmp_path: Path) -> None:
    run = write_run("mine", "mlp_spectrum", options=SMALL, activation="softmax", thresholds=(0.1, 0.5, math.inf))
    path = tmp_path / "mine.onnx"
    assert export_model(run, path).name == "mine"
    expected = earmark.tag(song, model=run, device="cpu")
    result = earmark.tag(song, model=path)
    np.testing.assert_allclose(result.taggram, expected.taggram, rtol=0, atol=1e-4)
    np.testing.assert_allclose(result.embedding, expected.embedding, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(result.taggram.sum(axis=1), 1, atol=1e-5)
    assert (result.model, result.vocabulary) == ("mine", expected.vocabulary)
    assert [tag.threshold for tag in result.tags] == [0.1, 0.5, math.inf]

    def without_torch(model: Path) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", WITHOUT_TORCH, str(song), str(model)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = without_torch(path)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(earmark.TrackTags.from_json(done.stdout).scores, result.scores, atol=1e-6)
    refused = without_torch(run)
    assert refused.returncode == 1
    assert "running mine in PyTorch needs the extra [torch] | pip install 'earmark[torch]'" in refused.stderr
    assert "earmark models export" in refused.stderr

    for options in ({"engine": "torch"}, {"device": "cuda"}):
        with pytest.raises(UsageError, match=r"mine\.onnx: an exported graph runs in ONNX Runtime on the CPU only"):
            earmark.Tagger(path, **options)
    with pytest.raises(UsageError, match="weights cannot be taken out"):
        load(path)


def test_files_that_are_no_exported_model(write_run: Write, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    for content in (b"junk" * 100, b""):
        (tmp_path / "junk.onnx").write_bytes(content)
        with pytest.raises(AssetError, match=r"junk\.onnx: no graph that ONNX Runtime can run"):
            earmark.Tagger(tmp_path / "junk.onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])
    opset = [onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [result]), opset_imports=opset)
    model.ir_version = 10
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(AssetError, match="holds no model card") as error:
        earmark.Tagger(tmp_path / "other.onnx")
    assert "earmark models export" in str(error.value.hint)
    entry = model.metadata_props.add()
    entry.key, entry.value = "earmark.card", PUBLISHED["fcn.won_mtt"].to_json()
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(AssetError, match="its card says"):
        earmark.Tagger(tmp_path / "wrong.onnx")


def test_an_engine_that_has_no_graph_of_it(write_run: Write) -> None:
    run = write_run("mine", "mlp_spectrum", options=SMALL)
    with pytest.raises(UsageError, match="no graph of mine comes with earmark") as error:
        earmark.Tagger(run, engine="onnx")
    assert "models export" in str(error.value.hint)


def test_a_run_of_a_shipped_graph_runs_on_it(write_run: Write, song: Path) -> None:
    run = write_run("mine", "musicnn_won", tags=[f"tag {i}" for i in range(50)])
    with earmark.Tagger(run, device="cpu") as tagger:
        assert tagger.engine == "onnx"
        result = tagger.tag(song)
    with earmark.Tagger(run, device="cpu", engine="torch") as other:
        np.testing.assert_allclose(result.taggram, other.tag(song).taggram, rtol=0, atol=1e-4)


def test_pytorch_that_is_missing(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run("mine", "mlp_spectrum", options=SMALL)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="running mine in PyTorch") as error:
        earmark.Tagger(run, device="cpu")
    assert "models export" in str(error.value.hint)
