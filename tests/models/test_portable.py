"""Exported models: a bare ONNX runtime gives the scores that earmark gives, from what the file itself says."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import save_file

import earmark
from earmark.audio.io import read
from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.models.importing import import_checkpoint
from earmark.models.portable import METADATA_KEYS, export_model, model_bytes, read_labels
from earmark.models.readers import read_arrays
from earmark.models.weights import load_weights

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("published_weights")]


@pytest.mark.parametrize("name", ["musicnn.pons_mtt", "fcn.won_jamendo"])
def test_an_exported_model_needs_nothing_else(name: str, tmp_path: Path, shared: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    card = export_model(name, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(str(path), full_check=True)

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert set(facts) == set(METADATA_KEYS)
    assert json.loads(facts["earmark.card"])["name"] == name
    assert tuple(json.loads(facts["labels"])) == card.tags
    length, hop = int(facts["chunk_samples"]), int(facts["hop_samples"])
    left, right = map(int, facts["context_samples"].split(","))

    song = shared / "audio/clips/bensound-thejazzpiano.mp3"
    waveform, _ = read(song, sample_rate=int(facts["sample_rate"]))
    starts = [*range(0, len(waveform) - length, hop), len(waveform) - length]
    padded = np.pad(waveform, (left, right), mode="reflect")
    chunks = np.stack([padded[start : start + left + length + right] for start in starts])
    scores, embedding = session.run(["scores", "embedding"], {"waveform": chunks})

    result = earmark.tag(song, model=name)
    assert scores.shape == (len(starts), len(card.tags))
    np.testing.assert_allclose(scores.mean(axis=0), result.scores, atol=1e-5)
    np.testing.assert_allclose(embedding.mean(axis=0), result.embedding, rtol=1e-4, atol=1e-5)

    again = earmark.tag(song, model=path)  # the file is a model of earmark's own, too
    np.testing.assert_allclose(again.taggram, result.taggram, rtol=0, atol=1e-5)
    assert [tag.lift for tag in again.tags] == pytest.approx([tag.lift for tag in result.tags], rel=1e-3)
    assert (again.model, again.models) == (name, (name,))


def smaller_musicnn(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """32 channels in the middle, 100 units, 3 tags."""
    n_pooled = 2 * (561 + 3 * 32)
    for name, array in arrays.items():
        layer, kind = name.split("/")[0], name.split("/")[-1]
        if "midend_conv" in layer:
            inputs = 561 if layer == "midend_conv1" else 32
            arrays[name] = array[:, :inputs, :, :32] if kind.startswith("kernel") else array[:32]
        elif layer == "bn_flatpool":
            arrays[name] = array[:n_pooled]
        elif layer in ("dense", "bn_dense"):
            arrays[name] = array[:n_pooled, :100] if array.ndim == 2 else array[:100]
        elif layer == "dense_1":
            arrays[name] = array[:100, :3] if array.ndim == 2 else array[:3]
    return arrays


def smaller_vgg(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """64 filters, 3 tags."""
    for name, array in arrays.items():
        layer = name.split("/")[0]
        if "CNN" in layer and array.ndim == 4:
            arrays[name] = array[:, :, :64, :64]
        elif "CNN" in layer or "bn_conv" in layer:
            arrays[name] = array[:64]
        elif layer == "output":
            arrays[name] = array[:128, :3] if array.ndim == 2 else array[:3]
    return arrays


def fewer_tags(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return arrays | {name: array[..., :3] for name, array in arrays.items() if name.startswith("dense_1/")}


CUTS = {
    "same": ("musicnn", fewer_tags, {"n_tags": 3, "n_mid": 64, "n_units": 200}, 200),
    "musicnn": ("musicnn", smaller_musicnn, {"n_tags": 3, "n_mid": 32, "n_units": 100}, 100),
    "vgg": ("vgg", smaller_vgg, {"n_tags": 3, "n_filters": 64}, 128),
}


@pytest.mark.parametrize("cut", CUTS)
def test_an_imported_model_of_other_sizes(
    cut: str, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx, torch = pytest.importorskip("onnx"), pytest.importorskip("torch")
    from earmark.models.base import load

    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    architecture, shrink, sizes, n_features = CUTS[cut]
    arrays = shrink(dict(read_arrays(shared / "weights" / f"pons_MTT_{architecture}.h5")))
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, tmp_path / "small.safetensors")
    imported = import_checkpoint(
        tmp_path / "small.safetensors", architecture=architecture, name="my.small", tags=("a", "b", "c")
    )
    assert imported.options == sizes
    export_model("my.small", tmp_path / "small.onnx")
    onnx.checker.check_model(str(tmp_path / "small.onnx"), full_check=True)

    session = onnxruntime.InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    assert [(o.name, o.shape[1:]) for o in session.get_outputs()] == [("scores", [3]), ("embedding", [n_features])]
    assert set(session.get_modelmeta().custom_metadata_map) == set(METADATA_KEYS)
    window = imported.chunk_samples + sum(imported.context_samples)
    waveform, _ = read(shared / "audio/clips/bensound-thejazzpiano.mp3", sample_rate=16000, duration=10)
    chunks = waveform[: 3 * window].reshape(3, window)
    scores, embedding = session.run(["scores", "embedding"], {"waveform": chunks})
    network = load("my.small")
    with torch.no_grad():
        stages = dict(network.stages(network.represent(torch.from_numpy(chunks), has_context=True)))
    np.testing.assert_allclose(scores, torch.sigmoid(stages["logits"]), rtol=0, atol=1e-5)
    np.testing.assert_allclose(embedding, stages[network.embedding_layer], rtol=1e-3, atol=1e-4)


def test_other_sizes_need_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, published = load_weights("musicnn.pons_mtt")
    monkeypatch.setitem(sys.modules, "earmark.models.export", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra \[torch\]"):
        model_bytes(arrays, replace(published, options={"n_mid": 512}))


def test_where_a_model_cannot_go(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(UsageError, match=r"written as \.onnx"):
        export_model("musicnn.pons_mtt", tmp_path / "model.pb")
    with pytest.raises(InputError, match="cannot be written"):
        export_model("musicnn.pons_mtt", tmp_path / "no" / "model.onnx")


def test_labels_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffrock\r\n\r\n pop \n".encode())
    assert read_labels(path) == ("rock", "pop")
    path.write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        read_labels(path)
    with pytest.raises(InputError, match="No such file"):
        read_labels(tmp_path / "gone")
