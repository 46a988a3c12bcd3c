"""Every method finds a tag that was planted: 2 to 3 kHz, seconds 4 to 6, in white noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("captum")

import torch

from earmark.audio.chunks import ChunkPlan, stream_chunks
from earmark.errors import EarmarkWarning, InputError, UnknownNameError, UsageError
from earmark.explain.passages import Hearing, blocks, grid_for
from earmark.explain.saliency import Saliency, explain_tag
from earmark.models.base import TaggingModel, build, load

from .planted import (
    BAND,
    RATE,
    SECONDS,
    PlantedTagger,
    RawBandTagger,
    band_pass,
    card,
    iou,
    truth_on,
    white_noise,
)

WHEN = (1.0, 2.0)  # of the tags that are planted into a short song
SHORT = white_noise(2.5)
SHORTLY: dict[str, Any] = {"seconds": 2.5, "when": WHEN}


def found(model: TaggingModel, **options: Any) -> Saliency:
    return explain_tag(model, SHORT, tag="beep", **options)


# Reached: integrated gradients 0.875 and 0.850, occlusion 0.917 and 0.917, Grad-CAM 0.924.
@pytest.mark.parametrize("kind", [PlantedTagger, RawBandTagger])
@pytest.mark.parametrize(
    ("seconds", "options", "least"),
    [
        (6.5, {"method": "integrated_gradients", "n_steps": 16}, 0.84),
        (8.0, {"method": "occlusion", "n_bands": 16, "block_seconds": 2.0}, 0.85),
    ],
)
def test_a_planted_tag_is_found_where_it_is(kind: Any, seconds: float, options: dict[str, Any], least: float) -> None:
    saliency = explain_tag(kind(seconds=seconds), white_noise(seconds), tag="beep", **options)
    assert saliency.values.shape == (saliency.frequencies.size, saliency.times.size)
    assert saliency.frequencies[-1] == RATE / 2
    assert saliency.times[-1] == pytest.approx(seconds, abs=0.02)
    assert iou(saliency.values, truth_on(saliency.frequencies, saliency.times)) > least
    inside = saliency.over(*BAND, *SECONDS)
    assert inside > 0.75 * saliency.over()


def test_grad_cam_finds_it_in_the_maps_of_a_mel_network() -> None:
    saliency = found(PlantedTagger(**SHORTLY), method="grad_cam")
    assert saliency.layer == "map"
    assert saliency.values.min() >= 0
    assert iou(saliency.values, truth_on(saliency.frequencies, saliency.times, WHEN)) > 0.9


def test_grad_cam_of_a_waveform_network_tells_times_and_with_responses_frequencies() -> None:
    model = RawBandTagger(**SHORTLY)
    plain = found(model, method="grad_cam", layer="map")
    assert np.ptp(plain.values, axis=0).max() == 0
    truth = truth_on(plain.frequencies, plain.times, WHEN)
    assert iou(plain.values[100], truth.any(axis=0)) > 0.95
    response = np.abs(np.fft.rfft(band_pass(*BAND, 201), 2048))[None]
    sharp = found(model, method="grad_cam", layer="map", responses=response)
    assert iou(sharp.values, truth) > 0.9
    with pytest.raises(UsageError, match="1 channels"):
        found(model, method="grad_cam", layer="map", responses=np.ones((3, 10)))


@pytest.mark.parametrize(("quantity", "floor_db"), [("logit", 30.0), ("score", None)])
def test_integrated_gradients_share_out_the_whole_difference(quantity: str, floor_db: float | None) -> None:
    saliency = found(PlantedTagger(**SHORTLY), n_steps=16, quantity=quantity, floor_db=floor_db)
    difference = saliency.score - saliency.baseline_score
    assert saliency.over() == pytest.approx(difference, rel=0.002)
    assert abs(saliency.residual) < 0.002 * difference
    assert np.abs(saliency.normalised).max() == 1.0


def test_integrated_gradients_are_those_of_the_formula() -> None:
    """The logit is ln(E + e): of silence to song, a cell's share is its share of the energy times ln((E + e) / e)."""
    saliency = found(RawBandTagger(**SHORTLY), n_steps=16)
    halves = saliency.over(t_min=1.0, t_max=1.5), saliency.over(t_min=1.5, t_max=2.0)
    band = np.convolve(SHORT.astype(np.float64), band_pass(*BAND, 201), mode="same")[::8] ** 2
    energies = [band[2000 + i * 1000 : 3000 + i * 1000].sum() for i in range(2)]
    assert halves[0] / halves[1] == pytest.approx(energies[0] / energies[1], rel=0.05)


def test_steps_are_added_where_they_are_too_few_and_it_is_told_if_that_does_not_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, song = RawBandTagger(seconds=6.5), white_noise(6.5)
    saliency = explain_tag(model, song, tag="beep", n_steps=3)
    assert abs(saliency.residual) < 0.05 * (saliency.score - saliency.baseline_score)
    monkeypatch.setattr("earmark.explain.saliency._ROUNDS", 1)  # one round of three is off by 10 %
    with pytest.warns(EarmarkWarning, match="take more n_steps"):
        explain_tag(model, song, tag="beep", n_steps=3)


def test_what_occlusion_says_of_a_block_is_what_the_score_loses() -> None:
    model = PlantedTagger(**SHORTLY)
    saliency = found(model, method="occlusion", n_bands=4, block_seconds=1.25)
    labels = blocks(saliency.grid, saliency.times.size, n_bands=4, seconds=1.25)
    assert labels.max() == 7
    hearing = Hearing(model, SHORT, "beep")
    masks = np.ones((1, *labels.shape), np.float32)
    masks[0, labels == 5] = 0.0
    lost = saliency.score - hearing.values(masks)[0]
    assert saliency.values[labels == 5].sum() == pytest.approx(lost, rel=1e-4)


def test_a_moment_is_explained_by_the_chunk_around_it() -> None:
    song = np.concatenate([white_noise(3.0, seed=1), SHORT, white_noise(3.0, seed=2)])
    saliency = explain_tag(PlantedTagger(**SHORTLY), song, tag="beep", moment=4.25, n_steps=16)
    assert saliency.times[0] == pytest.approx(3.0, abs=0.02)
    assert saliency.times[-1] == pytest.approx(5.5, abs=0.02)
    assert saliency.over(*BAND, 4.0, 5.0) > 0.75 * saliency.over()


def test_of_a_whole_song_the_chunks_are_joined() -> None:
    song = white_noise(3 * 48000 / RATE - 0.4)
    torch.manual_seed(0)
    model = build("musicnn", n_tags=2, n_mid=8, n_units=8).eval()
    model.card = card(("a", "b"), model)
    hearing = Hearing(model, song, "b")
    assert len(hearing.passages) == 3
    assert hearing.grid.times(hearing.n_frames)[-1] == pytest.approx(song.size / RATE, abs=0.017)
    chunks = stream_chunks([song], ChunkPlan(model.chunk_samples, model.chunk_samples, model.context))
    with torch.no_grad():
        windows = torch.from_numpy(np.stack([chunk.samples for chunk in chunks]))
        logits = dict(model.stages(model.represent(windows, has_context=True)))["logits"]
    assert hearing.ends()[0] == pytest.approx(float(logits[:, 1].mean()), abs=2e-4)
    chunkwise = [Hearing(model, song, "b", moment=(start + 1.5)).ends()[0] for start in (0.0, 2.992)]
    assert chunkwise == pytest.approx(logits[:2, 1].tolist(), abs=0.05)


def test_a_song_shorter_than_a_chunk_is_repeated_as_the_tagger_does() -> None:
    model = PlantedTagger(**SHORTLY)
    short = white_noise(1.0)
    hearing = Hearing(model, short, "beep")
    heard = hearing.windows(hearing.passages[0], torch.ones(1, *hearing.shape))
    np.testing.assert_allclose(heard[0].numpy(), np.resize(short, round(2.5 * RATE)), rtol=0, atol=1e-5)


def test_of_one_out_of_many_the_log_odds_are_explained() -> None:
    model = PlantedTagger(**SHORTLY, is_softmax=True)
    logit, score = (Hearing(model, SHORT, "beep", quantity=q).ends()[0] for q in ("logit", "score"))  # type: ignore[arg-type]
    with torch.no_grad():
        logits = model(torch.from_numpy(SHORT)[None])
    assert score == pytest.approx(float(torch.softmax(logits, dim=1)[0, 0]), rel=1e-3)
    assert logit == pytest.approx(np.log(score / (1 - score)), rel=1e-3)


def test_the_mask_of_ones_gives_the_song_back() -> None:
    grid = grid_for(RATE)
    hearing = Hearing(PlantedTagger(**SHORTLY), SHORT, "beep")
    heard = hearing.windows(hearing.passages[0], torch.ones(1, *hearing.shape))
    np.testing.assert_allclose(heard[0].numpy(), SHORT, rtol=0, atol=1e-5)
    assert grid.n_fft == 1024


def test_errors_tell_what_to_do(tmp_path: Path) -> None:
    model = PlantedTagger(**SHORTLY)
    with pytest.raises(UnknownNameError, match="tag 'bep'") as caught:
        explain_tag(model, SHORT, tag="bep")
    assert caught.value.hint == "did you mean 'beep'?"
    with pytest.raises(UnknownNameError, match="method 'gradcam'") as caught:
        found(model, method="gradcam")
    assert "grad_cam" in str(caught.value.hint)
    with pytest.raises(UnknownNameError, match="layer 'mop'") as caught:
        found(model, method="grad_cam", layer="mop")
    assert "map" in str(caught.value.hint)
    with pytest.raises(UsageError, match="no axis of time"):
        found(model, method="grad_cam", layer="energies")
    with pytest.raises(InputError, match="silent"):
        explain_tag(model, np.zeros(SHORT.size, np.float32), tag="beep")
    half = np.concatenate([SHORT, np.zeros(13 * RATE, np.float32)])
    with pytest.raises(InputError, match="around 12 s is silent"):
        explain_tag(model, half, tag="beep", moment=12.0)
    with pytest.raises(UsageError, match="outside of the song") as wrong:
        explain_tag(model, SHORT, tag="beep", moment=60.0)
    assert "2.50 s" in str(wrong.value.hint)
    with pytest.raises(UsageError, match="quantity"):
        found(model, quantity="odds")
    (tmp_path / "model.onnx").write_bytes(b"graph")
    with pytest.raises(UsageError, match="exported") as wrong:
        explain_tag(tmp_path / "model.onnx", SHORT, tag="beep")
    assert "exported from" in str(wrong.value.hint)


def test_songs_too_long_to_explain_as_a_whole_need_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.explain.passages._MOST_SAMPLES", RATE)
    network = PlantedTagger(seconds=0.5, when=(0.1, 0.3))
    with pytest.raises(UsageError, match="too many to explain as a whole") as caught:
        explain_tag(network, white_noise(2.0), tag="beep", method="occlusion")
    assert "name a moment" in str(caught.value.hint)
    assert explain_tag(network, white_noise(2.0), tag="beep", method="occlusion", moment=1.0).moment == 1.0


def test_networks_without_convolutions_have_no_grad_cam() -> None:
    model = build("mlp_waveform", n_tags=2)
    model.card = card(("a", "b"), model)
    with pytest.raises(UsageError, match="no convolutions"):
        explain_tag(model, white_noise(30.0), tag="a", method="grad_cam", moment=1.0)


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
@pytest.mark.parametrize(
    "options",
    [
        {"method": "occlusion", "n_bands": 4, "block_seconds": 1.0},
        pytest.param({"method": "integrated_gradients"}, marks=pytest.mark.slow),
    ],
)
def test_why_a_jazz_piano_is_a_piano(shared: Path, options: dict[str, Any]) -> None:
    model = load("musicnn.pons_mtt")
    song = shared / "audio" / "clips" / "bensound-thejazzpiano.mp3"
    saliency = explain_tag(model, song, tag="piano", moment=15.0, **options)
    assert saliency.score == pytest.approx(1.268, abs=0.01)
    if saliency.method == "integrated_gradients":
        assert abs(saliency.residual) < 0.05 * (saliency.score - saliency.baseline_score)
    assert saliency.over(50.0, 2000.0) > saliency.over(2000.0)
