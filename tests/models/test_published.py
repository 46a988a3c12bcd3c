"""The published weights give what the published code gave."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from earmark.audio.io import read  # noqa: E402
from earmark.models.base import TaggingModel, load  # noqa: E402
from earmark.models.card import PUBLISHED  # noqa: E402

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("published_weights")]

CLIPS = ("bensound-cute", "bensound-thejazzpiano", "joram-moments_of_clarity-08-solipsism-59-88")
PONS = [name for name in PUBLISHED if ".pons_" in name]
WON = [name for name in PUBLISHED if ".won_" in name]


def reference(shared: Path, name: str) -> Any:
    return json.loads((shared / "references" / name).read_text())


def clip_16k(shared: Path, clip: str) -> torch.Tensor:
    """The exact input of the published code, 16 kHz."""
    path = shared / "references" / "audio" / f"{clip}_16k.wav"
    if not path.exists():
        path = shared / "audio" / "clips" / f"{clip}.mp3"
    waveform, sample_rate = soundfile.read(path, dtype="float32")
    assert sample_rate == 16000
    return torch.from_numpy(waveform)


def run_stages(model: TaggingModel, chunks: torch.Tensor, *, has_context: bool) -> dict[str, np.ndarray]:
    with torch.no_grad():
        stages = model.stages(model.represent(chunks, has_context=has_context))
        return {name: value.numpy() for name, value in stages}


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", PONS)
def test_pons(name: str, clip: str, shared: Path) -> None:
    golden = reference(shared, "pons_musicnn.json")
    kind, dataset = name.split(".pons_")
    published = f"{dataset.upper()}_{kind}"
    model = load(name)
    assert model.card is not None
    assert list(model.card.tags) == golden["vocabularies"][published]
    taggram = np.array(golden["taggram"][f"{published}/{clip}"])
    waveform = clip_16k(shared, clip)
    padded = torch.nn.functional.pad(waveform[None], model.context, mode="reflect")[0]
    n, window = model.chunk_samples, model.chunk_samples + model.context[0]
    chunks = torch.stack([padded[k * n : k * n + window] for k in range(len(taggram))])
    stages = run_stages(model, chunks, has_context=True)
    np.testing.assert_allclose(sigmoid(stages["logits"]), taggram, rtol=0, atol=1e-4)
    if kind == "musicnn":
        penultimate = np.array(golden["penultimate_first_patch"][f"{published}/{clip}"])
        np.testing.assert_allclose(stages["penultimate"][0], penultimate, rtol=1e-4, atol=3e-5)
        mean_pool = np.array(golden["mean_pool_first_patch_first8"][f"{published}/{clip}"])
        np.testing.assert_allclose(stages["mean_pool"][0, :8], mean_pool, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", WON)
def test_won(name: str, shared: Path) -> None:
    golden = reference(shared, "won2020.json")
    kind, dataset = name.split(".won_")
    dataset = {"mtt": "mtat"}.get(dataset, dataset)
    model = load(name)
    assert model.card is not None
    assert list(model.card.tags) == golden["vocabularies"][dataset]
    for clip in CLIPS:
        waveform = clip_16k(shared, clip)
        expected = golden["outputs"][f"{dataset}_{kind}/{clip}"]
        first = run_stages(model, waveform[None, : model.chunk_samples], has_context=False)
        np.testing.assert_allclose(sigmoid(first["logits"])[0], expected["first_chunk"], rtol=0, atol=1e-4)
        if kind == "musicnn":
            hop = (len(waveform) - model.chunk_samples) // 16
            chunks = torch.stack([waveform[i * hop : i * hop + model.chunk_samples] for i in range(16)])
            mean = sigmoid(run_stages(model, chunks, has_context=False)["logits"]).mean(axis=0)
            np.testing.assert_allclose(mean, expected["mean_of_16"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("clip", CLIPS[:2])
def test_choi_prints_the_published_table(clip: str, shared: Path) -> None:
    golden = reference(shared, "choi_crnn.json")
    model = load("crnn.choi_msd")
    assert model.card is not None
    assert list(model.card.tags) == golden["vocabulary"]
    mel = np.load(shared / "references" / f"choi_input_{clip}.npy")[0].astype(np.float32)
    with torch.no_grad():
        scores = torch.sigmoid(dict(model.stages(torch.from_numpy(mel)))["logits"])[0].numpy()
    np.testing.assert_allclose(scores, golden["scores"][clip], rtol=0, atol=1e-6)
    best = [[golden["vocabulary"][i], round(float(scores[i]), 3)] for i in np.argsort(-scores)[:10]]
    assert best == golden["published_top10"][clip]


@pytest.mark.parametrize("clip", CLIPS[:2])
def test_choi_hears_the_same_five_in_the_mp3(clip: str, shared: Path) -> None:
    golden = reference(shared, "choi_crnn.json")
    model = load("crnn.choi_msd")
    # The authors' decoder left out the 1105 samples that MPEG layer 3 is late by; the code then took the centre.
    waveform, _ = read(shared / "audio" / "clips" / f"{clip}.mp3", sample_rate=12000, offset=1105 / 44100)
    start = (len(waveform) - model.chunk_samples) // 2
    with torch.no_grad():
        centre = torch.from_numpy(waveform[None, start : start + model.chunk_samples])
        scores = torch.sigmoid(model(centre))[0].numpy()
    best = [golden["vocabulary"][i] for i in np.argsort(-scores)[:5]]
    assert best == [tag for tag, _ in golden["published_top10"][clip][:5]]
