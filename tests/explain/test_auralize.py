"""A channel is heard as what it passes, no more, as loud as asked; what excites it most is found and joined."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray

from earmark.audio.io import read, write
from earmark.audio.loudness import loudness
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.explain.auralize import (
    ChannelMap,
    channel_map,
    excitation,
    hear_channel,
    hear_map,
    joined,
    resting_levels,
)
from earmark.explain.excerpts import exciting_excerpts
from earmark.models.base import build

from .planted import BAND, RATE, PlantedTagger, RawBandTagger, band_pass, white_noise

SONG = white_noise(2.0)
RAW = RawBandTagger(seconds=2.0)
RESPONSE = np.abs(np.fft.rfft(band_pass(*BAND, 201), 2048))


def outside_db(sound: NDArray[np.float32], low: float, high: float) -> float:
    """Energy outside of a band, dB relative to that inside."""
    power = np.abs(np.fft.rfft(sound.astype(np.float64))) ** 2
    frequencies = np.fft.rfftfreq(sound.size, 1 / RATE)
    inside = (frequencies >= low) & (frequencies <= high)
    return float(10 * np.log10(power[~inside].sum() / power[inside].sum()))


def test_a_channel_on_the_waveform_is_heard_as_the_band_that_it_passes() -> None:
    sound = hear_channel(RAW, SONG, layer="band", channel=0, response=RESPONSE)
    assert outside_db(sound.waveform, BAND[0] - 150, BAND[1] + 150) < -30
    assert outside_db(sound.waveform, *BAND) < -10  # the edges of the filter itself
    assert sound.loudness == pytest.approx(-23.0, abs=0.1)
    assert sound.sample_rate == RATE


def test_a_response_may_be_measured_at_frequencies_of_its_own() -> None:
    frequencies = np.linspace(0.0, RATE / 2, RESPONSE.size)[::4]
    options = {"layer": "map", "channel": 0}
    model = RAW
    plain = hear_channel(model, SONG, response=RESPONSE, **options)  # type: ignore[arg-type]
    given = hear_channel(model, SONG, response=RESPONSE[::4], response_frequencies=frequencies, **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(given.waveform, plain.waveform, rtol=0, atol=2e-3)
    with pytest.raises(UsageError, match="response of shape"):
        hear_channel(model, SONG, response=RESPONSE, response_frequencies=frequencies, **options)  # type: ignore[arg-type]


def test_a_channel_of_a_mel_network_is_heard_in_its_rows_and_when_it_is_high() -> None:
    model = PlantedTagger(seconds=2.0)
    with torch.no_grad():
        model.conv.weight.fill_(2.0)
    tone = 0.1 * np.sin(2 * np.pi * 2500 * np.arange(SONG.size) / RATE)
    song = (0.001 * SONG + tone * (np.arange(SONG.size) > RATE)).astype(np.float32)
    sound = hear_channel(model, song, layer="map", channel=0)
    assert outside_db(sound.waveform, 2200, 2800) < -20
    first, second = sound.waveform[: 4 * RATE // 5], sound.waveform[6 * RATE // 5 :]
    assert np.square(first).mean() < 1e-4 * np.square(second).mean()


def test_the_phase_of_the_song_is_kept() -> None:
    everything = ChannelMap(np.ones((1, 10), np.float32), np.linspace(0.0, 2.0, 10), None)
    sound = hear_map(SONG, everything, sample_rate=RATE)
    scale = 10 ** (sound.gain_db / 20)
    np.testing.assert_allclose(sound.waveform, SONG * scale, rtol=0, atol=1e-4)


def test_loudness_is_that_of_the_target_and_survives_the_file(tmp_path: Path) -> None:
    sound = hear_channel(RAW, SONG, layer="map", channel=0, response=RESPONSE, target=-18.0)
    write(tmp_path / "channel.flac", sound.waveform, sound.sample_rate)
    heard, rate = read(tmp_path / "channel.flac")
    assert loudness(heard, rate) == pytest.approx(-18.0, abs=0.1)


def test_excitation_counts_from_rest_on_the_side_that_has_the_energy() -> None:
    values = np.array([1.0, 1.0, 0.5, -3.0])
    assert excitation(values, resting=1.0) == pytest.approx([0.0, 0.0, 0.125, 1.0], abs=0.02)
    assert excitation(-values, resting=-1.0) == pytest.approx([0.0, 0.0, 0.125, 1.0], abs=0.02)
    with pytest.raises(InputError, match="at rest"):
        excitation(np.ones(9), resting=1.0)


def test_rest_is_what_silence_gives() -> None:
    torch.manual_seed(0)
    model = build("ds256f", n_tags=2).eval()
    with torch.no_grad():
        silent = model.intermediates(torch.zeros(1, model.chunk_samples), ["layer1"])["layer1"]
    rests = resting_levels(model, ["layer1"])["layer1"]
    assert rests.shape == silent.shape[1:3]
    assert rests[3] == pytest.approx(silent[0, 3].median(dim=-1).values.numpy(), abs=1e-5)
    found = channel_map(model, white_noise(4.0), "layer1", 3)
    assert found.values.shape == (40, found.times.size)
    assert found.times[-1] == pytest.approx(4.0, abs=0.1)


def test_joined_pieces_begin_and_end_in_silence() -> None:
    whole = joined([np.ones(1000), np.ones(500)], 1000, fade_seconds=0.05)
    assert whole.size == 1500
    assert whole[[0, 999, 1000, 1499]] == pytest.approx(0.0, abs=1e-3)
    assert whole[500] == 1.0
    with pytest.raises(InputError, match="no sounds"):
        joined([], 1000)


def test_the_moments_that_excite_a_channel_are_found_and_joined() -> None:
    model = RAW
    burst = np.convolve(white_noise(1.0, level=1.0, seed=3), band_pass(*BAND, 201), mode="same")
    songs = []
    for i, level in enumerate((0.1, 1.0, 0.4)):
        song = white_noise(5.0, level=0.01, seed=i)
        song[2 * RATE : 3 * RATE] += level * burst
        songs.append((f"song {i}", song))
    found = exciting_excerpts(model, iter(songs), layer="map", channel=0, n_excerpts=2, seconds=1.0)
    assert [one.song for one in found.found] == ["song 1", "song 2"]
    assert found.found[0].start == pytest.approx(2.0, abs=0.11)
    assert found.found[0].end - found.found[0].start == pytest.approx(1.0)
    assert found.sound.waveform.size == 2 * RATE
    assert found.sound.loudness == pytest.approx(-23.0, abs=0.1)
    both = exciting_excerpts(model, songs[:1], layer="map", channel=0, per_song=2, seconds=1.0).found
    assert abs(both[0].start - both[1].start) >= 1.0


def test_errors_tell_what_to_do(tmp_path: Path) -> None:
    model = RAW
    with pytest.raises(UnknownNameError, match="layer 'bands'") as caught:
        hear_channel(model, SONG, layer="bands", channel=0)
    assert "'band'" in str(caught.value.hint)
    with pytest.raises(UsageError, match="no channel 4"):
        hear_channel(model, SONG, layer="map", channel=4)
    with pytest.raises(UsageError, match="no axis of time"):
        hear_channel(model, SONG, layer="energy", channel=0)
    with pytest.raises(InputError, match="silent"):
        hear_channel(model, np.zeros(2 * RATE, np.float32), layer="map", channel=0)
    with pytest.raises(UsageError, match="sharpness"):
        hear_channel(model, SONG, layer="map", channel=0, sharpness=0.0)
    (tmp_path / "model.onnx").write_bytes(b"graph")
    with pytest.raises(UsageError, match="exported"):
        hear_channel(tmp_path / "model.onnx", SONG, layer="map", channel=0)
    with pytest.raises(UsageError, match="n_excerpts=0"):
        exciting_excerpts(model, [("a", SONG)], layer="map", channel=0, n_excerpts=0)
