"""Exported models: a bare ONNX runtime gives the scores that earmark gives, from what the file itself says."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import earmark
from earmark.audio.io import read
from earmark.errors import InputError, UsageError
from earmark.models.portable import METADATA_KEYS, export_model, read_labels

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
