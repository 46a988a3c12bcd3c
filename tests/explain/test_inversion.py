"""A layer that keeps the song gives it back; one that does not gives a sound with the same activations."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.explain.inversion import griffin_lim, invert_layer, mel_parts
from earmark.explain.passages import Grid, analyse
from earmark.models.base import build

from .planted import RATE, PlantedTagger, RawBandTagger, white_noise

TONES = (0.1 * np.sin(2 * np.pi * np.outer([440.0, 1200.0, 2500.0], np.arange(2 * RATE) / RATE)).sum(axis=0)).astype(
    np.float32
)


def test_inverted_through_the_waveform_the_layer_is_matched() -> None:
    model = RawBandTagger(seconds=2.0)
    found = invert_layer(model, TONES, layer="band", n_steps=40)
    assert found.error < 0.1 < found.errors[0]
    assert found.errors[-1] == pytest.approx(found.error, abs=0.05)
    spectrum = np.abs(np.fft.rfft(found.sound.waveform))
    assert spectrum.argmax() / 2.0 == pytest.approx(2500.0, abs=2.0)  # the one tone that the layer passes
    again = invert_layer(model, TONES, layer="band", n_steps=40)
    assert again.sound.waveform.tolist() == found.sound.waveform.tolist()


def test_inverted_through_griffin_and_lim_the_tones_are_back() -> None:
    found = invert_layer(PlantedTagger(seconds=2.0), TONES, layer="map", path="griffin_lim", n_steps=150, n_phases=30)
    assert found.errors[-1] < 0.1
    assert found.error < 0.5
    power = np.abs(np.fft.rfft(found.sound.waveform)) ** 2
    frequencies = np.fft.rfftfreq(found.sound.waveform.size, 1 / RATE)
    near = np.min(np.abs(frequencies[:, None] - [440.0, 1200.0, 2500.0]), axis=1) < 150
    assert power[near].sum() > 0.8 * power.sum()


def test_griffin_lim_comes_as_near_as_that_of_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    grid = Grid(RATE, 512, 128)
    magnitude = analyse(torch.from_numpy(TONES[:RATE]), grid).abs()

    def distance(sound: np.ndarray) -> float:
        own = analyse(torch.from_numpy(np.ascontiguousarray(sound, np.float32)), grid).abs()
        return float((own - magnitude).norm() / magnitude.norm())

    ours = griffin_lim(magnitude, grid, n_iterations=12).numpy()
    theirs = librosa.griffinlim(magnitude.numpy(), n_iter=12, hop_length=128, n_fft=512, random_state=0)
    assert ours.shape == theirs.shape
    assert distance(ours) < 1.2 * distance(theirs) + 0.01


@pytest.mark.parametrize("name", ["musicnn", "fcn", "crnn_choi", "dieleman_mel"])
def test_the_parts_of_a_front_end_make_the_whole(name: str) -> None:
    frontend = build(name).frontend
    sound = torch.from_numpy(TONES)[None]
    mel, scaled = mel_parts(frontend)
    with torch.no_grad():
        torch.testing.assert_close(scaled(mel(sound)), frontend(sound), rtol=0, atol=2e-2)


def test_errors_tell_what_to_do() -> None:
    model = RawBandTagger(seconds=2.0)
    with pytest.raises(UnknownNameError, match="path 'griffin'") as caught:
        invert_layer(model, TONES, layer="band", path="griffin")  # type: ignore[arg-type]
    assert "griffin_lim" in str(caught.value.hint)
    with pytest.raises(UsageError, match="no mel bands") as wrong:
        invert_layer(model, TONES, layer="band", path="griffin_lim")
    assert "waveform" in str(wrong.value.hint)
    with pytest.raises(UnknownNameError, match="layer 'bond'"):
        invert_layer(model, TONES, layer="bond")
    with pytest.raises(InputError, match="silent"):
        invert_layer(model, np.concatenate([white_noise(2.0), np.zeros(8 * RATE)]), layer="band", moment=8.0)
    with pytest.raises(UsageError, match="n_steps=0"):
        invert_layer(model, TONES, layer="band", n_steps=0)
