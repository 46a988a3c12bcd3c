"""A planted song is explained as it was planted; names are found; what cannot be explained is said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("captum")

import torch

from earmark.audio.loudness import TARGET
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.explain.activations import activations
from earmark.explain.channels import choose_layers, contributions, timed_layers
from earmark.explain.marking import mark_out
from earmark.explain.naming import position_of
from earmark.explain.report import SongReport, explain_song, find_tag
from earmark.explain.report_arrays import to_arrays, write_arrays
from earmark.explain.saliency import explain_tag
from earmark.models.base import build, load

from .planted import BAND, RATE, PlantedTagger, RawBandTagger, white_noise

WHEN = (0.6, 1.2)
SECONDS = 1.5


def planted() -> PlantedTagger:
    torch.manual_seed(0)
    return PlantedTagger(seconds=SECONDS, when=WHEN)


def song() -> np.ndarray:
    """Faint noise, and in the third chunk the band of the tag at its time."""
    samples = white_noise(4 * SECONDS, level=0.01)
    spectrum = np.fft.rfft(white_noise(WHEN[1] - WHEN[0], level=0.3, seed=1))
    hertz = np.fft.rfftfreq(round((WHEN[1] - WHEN[0]) * RATE), 1 / RATE)
    beep = np.fft.irfft(spectrum * ((hertz > BAND[0]) & (hertz < BAND[1])))
    start = round((2 * SECONDS + WHEN[0]) * RATE)
    samples[start : start + beep.size] += beep.astype(np.float32)
    return samples


@pytest.fixture(scope="module")
def report() -> SongReport:
    calls: list[tuple[float, str]] = []
    found = explain_song(
        planted(), song(), tags=["beep"], seconds=3.0,
        library=[("a", song()), ("short", white_noise(0.3)), ("b", white_noise(2.0, level=0.01))],
        name="a song", on_progress=lambda part, what: calls.append((part, what)),
    )  # fmt: skip
    parts = [part for part, _ in calls]
    assert parts == sorted(parts)
    assert parts[0] == 0.0
    assert parts[-1] == pytest.approx(1.0)
    assert {"listening", "why beep", "is that why beep", "channels for beep", "looking in b"} <= {w for _, w in calls}
    return found


def test_the_moment_is_where_the_tag_is_strongest(report: SongReport) -> None:
    (tag,) = report.explained
    assert (report.song, report.model, report.tags) == ("a song", "planted", ("beep", "noise"))
    assert report.taggram.shape == (4, 2)
    assert report.times[2].tolist() == [3.0, 4.5]
    assert (tag.start, tag.end) == (3.0, 4.5)
    assert tag.score == pytest.approx(float(report.taggram[:, 0].mean()), abs=1e-6)
    assert report.taggram[:, 0].argmax() == 2


def test_what_was_planted_is_marked_and_heard(report: SongReport) -> None:
    (tag,) = report.explained
    start = 3.0 + WHEN[0]
    inside = tag.saliency.over(*BAND, start - 0.05, start + 0.65)
    assert inside > 0.9 * tag.saliency.values.clip(min=0).sum()
    assert tag.deletion.n_random_beaten == len(tag.deletion.random) == 9
    assert tag.sanity is None
    marked = tag.marked
    assert marked.cells.shape == tag.saliency.values.shape == marked.level_db.shape
    assert marked.level_db.max() == 0.0
    assert marked.score_only > 0.9 * marked.score_whole
    assert marked.score_without < 0.5 * marked.score_whole
    assert marked.only is not None
    hertz = np.fft.rfftfreq(marked.only.waveform.size, 1 / RATE)
    power = np.abs(np.fft.rfft(marked.only.waveform)) ** 2
    near = (hertz > BAND[0] - 300) & (hertz < BAND[1] + 300)
    assert power[near].sum() > 0.95 * power.sum()


def test_channels_have_maps_sounds_and_excerpts(report: SongReport) -> None:
    (layer,) = report.explained[0].layers
    assert (layer.layer, layer.n_channels, layer.n_still) == ("map", 1, 0)
    assert layer.start <= 3.0 < 4.5 <= layer.end == layer.start + 3.0
    (one,) = layer.channels
    assert one.contribution > 0
    assert one.excited.values.min() >= 0
    assert one.excited.values.max() == 1.0
    assert layer.start - 0.001 <= one.excited.times[0] < one.excited.times[-1] <= layer.end
    at = one.excited.times[one.excited.values.max(axis=0).argmax()]
    assert 3.0 + WHEN[0] - 0.05 <= at <= 3.0 + WHEN[1] + 0.05
    assert one.heard is not None
    assert not one.heard.is_measured
    assert BAND[0] - 200 < one.heard.band[0] < BAND[1] + 200
    assert one.sound is not None
    assert one.sound.loudness == pytest.approx(TARGET, abs=0.2)
    assert one.excerpts is not None
    assert [e.song for e in one.excerpts.found] == ["a", "b"]
    assert abs(one.excerpts.found[0].start - (3.0 + WHEN[0])) < 3.0


def test_all_of_it_is_written_as_arrays(report: SongReport, tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", report)
    with np.load(tmp_path / "a.npz") as stored:
        assert set(stored) == set(to_arrays(report))
        np.testing.assert_array_equal(stored["beep/saliency"], report.explained[0].saliency.values)
        assert stored["explained"].tolist() == ["beep"]
        assert stored["beep/map/channels"].tolist() == [0]
        assert stored["beep/map/0/sound"].dtype == np.float32


def test_a_network_on_the_waveform_is_heard_with_its_measured_response() -> None:
    network = RawBandTagger(seconds=SECONDS, when=WHEN)
    found = explain_song(network, song(), moment=3.5, method="occlusion", layers=["map"], seconds=1.5)
    (layer,) = found.explained[0].layers
    (one,) = layer.channels
    assert one.heard is not None
    assert one.heard.is_measured
    assert BAND[0] < one.heard.band[0] < BAND[1]
    assert one.sound is not None
    power = np.abs(np.fft.rfft(one.sound.waveform)) ** 2
    hertz = np.fft.rfftfreq(one.sound.waveform.size, 1 / RATE)
    outside = (hertz < BAND[0] - 500) | (hertz > BAND[1] + 500)
    assert power[outside].sum() < 0.01 * power.sum()
    assert found.filters.first is not None


def test_layers_are_chosen_for_every_kind_of_network() -> None:
    assert choose_layers(build("musicnn", n_tags=2)) == ("timbral", "cnn3")
    assert choose_layers(build("mlp_spectrum", n_tags=2, n_units=8)) == ()
    network = RawBandTagger(seconds=SECONDS, when=WHEN)
    assert timed_layers(network) == choose_layers(network) == ("band", "map")
    assert choose_layers(network, ["map"]) == ("map",)
    with pytest.raises(UnknownNameError, match="no layer 'mapp'"):
        choose_layers(network, ["mapp"])
    with pytest.raises(UsageError, match="no axis of time") as caught:
        choose_layers(network, ["logits"])
    assert "band, map" in str(caught.value.hint)


def test_contributions_are_what_the_logit_would_lose() -> None:
    network = planted()
    shares = contributions(network, song(), ["energies"], position=0, start=0)["energies"]
    with torch.no_grad():
        energies = network.intermediates(torch.from_numpy(song()[None, : network.chunk_samples]))["energies"]
    first = float(energies[0, 0, 0, 0])
    assert shares[0] == pytest.approx(first / (first + 1e-6), rel=1e-3)
    assert shares[1] == 0.0


def test_contributions_to_one_of_several_classes_are_to_its_log_odds() -> None:
    network = PlantedTagger(seconds=SECONDS, when=WHEN, is_softmax=True)
    shares = contributions(network, song(), ["energies"], position=0, start=0)["energies"]
    assert shares[0] == pytest.approx(1.0, rel=1e-2)  # the log odds are log(first) - log(second)
    assert shares[1] == pytest.approx(-1.0, rel=1e-2)
    first = activations(network, song()[: network.chunk_samples], "energies", tag="beep")["energies"].contributions
    assert first == pytest.approx(shares, abs=1e-6)


def test_a_saliency_of_a_whole_song_is_not_marked_out() -> None:
    network, samples = planted(), white_noise(3.0)
    whole = explain_tag(network, samples, tag="beep", method="occlusion")
    with pytest.raises(InputError, match="whole song") as caught:
        mark_out(network, samples, whole)
    assert "moment" in str(caught.value.hint)


def test_tags_are_found_by_other_names(write_run: Callable[..., Path]) -> None:
    assert position_of("Hip Hop", ("rock", "hip-hop")) == 1
    with pytest.raises(UnknownNameError) as caught:
        position_of("roc", ("rock", "jazz"))
    assert "rock" in str(caught.value.hint)
    network = load(write_run("one", "mlp_spectrum", tags=("rock", "woman"), options={"n_units": 8}))
    assert find_tag(network, "female vocals") == 1
    assert find_tag(network, 1) == 1
    network.card = None
    with pytest.raises(UsageError, match="without a card"):
        find_tag(network, "rock")


def test_a_network_without_steps_has_its_tags_explained(write_run: Callable[..., Path]) -> None:
    run = write_run("flat", "mlp_spectrum", options={"n_units": 8})
    found = explain_song(str(run), white_noise(3.0), n_tags=1, method="occlusion", is_checked=True)
    assert len(found.explained) == 1
    assert found.explained[0].sanity is not None
    assert found.explained[0].sanity.repeated == 1.0
    assert to_arrays(found)[f"{found.explained[0].tag}/sanity"].shape == (3,)
    assert found.explained[0].layers == ()


def test_what_cannot_be_explained_is_said(tmp_path: Path) -> None:
    network = planted()
    with pytest.raises(InputError, match="silent"):
        explain_song(network, np.zeros(RATE * 2, np.float32))
    with pytest.raises(InputError, match=r"0\.30 s of audio are too short"):
        explain_song(network, white_noise(0.3))
    with pytest.raises(UsageError, match="lies outside"):
        explain_song(network, white_noise(2.0), moment=2.5)
    with pytest.raises(UnknownNameError, match="no tag 'bep'"):
        explain_song(network, white_noise(2.0), tags=["bep"])
    with pytest.raises(UsageError, match="n_tags=0"):
        explain_song(network, white_noise(2.0), n_tags=0)
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match="neither layers nor gradients"):
        explain_song(str(tmp_path / "a.onnx"), white_noise(2.0))


def test_a_short_song_is_explained_as_it_is() -> None:
    found = explain_song(planted(), white_noise(1.0), tags=["noise"], method="occlusion", n_channels=0)
    (tag,) = found.explained
    assert (tag.start, tag.end) == (0.0, 1.0)
    assert tag.layers == ()


def test_layers_are_inverted_without_channels_and_once_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def invert(*given: object, layer: str, **_: object) -> str:
        calls.append(layer)
        return f"inverted {layer}"

    monkeypatch.setattr("earmark.explain.report.invert_layer", invert)
    found = explain_song(
        planted(), white_noise(3.0), tags=["beep", "noise"], moment=1.0, method="occlusion", n_channels=0,
        is_inverted=True,
    )  # fmt: skip
    assert [layer.inversion for tag in found.explained for layer in tag.layers] == ["inverted map"] * 2
    assert calls == ["map"]


def test_songs_that_are_too_long_for_a_page_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.explain.report.MOST_SECONDS", 2.0)
    with pytest.raises(InputError, match=r"more than 0\.0333 min") as caught:
        explain_song(planted(), white_noise(3.0))
    assert "cut" in str(caught.value.hint)


def test_a_stretch_that_is_too_long_to_hear_channels_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.explain.activations.MAX_BYTES", 1000)
    with pytest.raises(UsageError, match="layer 'map' on 3 s: the maps would take") as caught:
        explain_song(planted(), white_noise(3.0), tags=["beep"], method="occlusion")
    assert "--seconds" in str(caught.value.hint)


def test_silent_chunks_are_not_explained() -> None:
    samples = white_noise(3 * SECONDS, level=0.05)
    samples[round(SECONDS * RATE) :] = 0.0
    network = planted()
    network.card = replace(network.card, tags=("noise", "beep"))  # type: ignore[type-var]
    found = explain_song(network, samples, tags=[1], method="occlusion", n_channels=0)
    assert found.explained[0].start == 0.0
