"""The page of a song says what was found, and says so when an explanation does not hold."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")
pytest.importorskip("captum")
pytest.importorskip("PIL")

import torch

from earmark.audio.loudness import TARGET, loudness
from earmark.explain.faithfulness import Deletion, SanityCheck
from earmark.explain.inversion import Inversion
from earmark.explain.pages.channel import frequencies_text
from earmark.explain.pages.explained import why
from earmark.explain.pages.song import song_page, write_song_page
from earmark.explain.report import SongReport, explain_song

from ..planted import PlantedTagger, RawBandTagger, white_noise

WHEN = (0.4, 0.8)


@pytest.fixture(scope="module")
def report() -> SongReport:
    torch.manual_seed(0)
    samples = white_noise(3.0, level=0.1)
    network = PlantedTagger(seconds=1.0, when=WHEN)
    return explain_song(
        network, samples, tags=["beep"], moment=1.5, seconds=2.0, method="occlusion", name="<b>evil</b>.mp3",
        library=[("x & y.mp3", white_noise(1.0))],
    )  # fmt: skip


def test_the_page_has_all_parts_and_fetches_nothing(report: SongReport, tmp_path: Path) -> None:
    write_song_page(tmp_path / "a.html", report)
    page = (tmp_path / "a.html").read_text()
    for heading in ("The song", "Why beep", "Does this explanation hold?", "Channels behind beep", "Filter gallery"):
        assert f">{heading}<" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "<b>evil" not in page
    assert "&lt;b&gt;evil&lt;/b&gt;.mp3" in page
    assert "x &amp; y.mp3 at 0:00" in page
    assert f"<b>beep</b> {report.scores[0]:.2f}" in page
    assert f"over the whole song {report.explained[0].score:.2f}" in page


def test_every_sound_plays_and_says_when_it_is(report: SongReport) -> None:
    found = re.findall(
        r'<audio[^>]*src="data:audio/mpeg;base64,([^"]+)"[^>]*?(?:data-start="([\d.]+)")?>', song_page(report)
    )
    assert len(found) == 6  # the song, the moment, what is marked and the rest, a channel, its excerpts
    sounds = [soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32") for data, _ in found]
    assert len(sounds[0][0]) / sounds[0][1] == pytest.approx(3.0, abs=0.1)
    assert len(sounds[1][0]) / sounds[1][1] == pytest.approx(1.0, abs=0.1)
    assert loudness(*sounds[0]) == pytest.approx(TARGET, abs=1.0)
    assert [at for _, at in found][:2] == ["0.000", "1.000"]
    assert [at for _, at in found][-1] == ""


def test_zoomed_panels_have_their_own_time(report: SongReport) -> None:
    spans = re.findall(r'class="panel timed"[^>]*data-start="([\d.]+)" data-end="([\d.]+)"', song_page(report))
    tag = report.explained[0]
    assert {(float(a), float(b)) for a, b in spans[2:]} == {(tag.layers[0].start, tag.layers[0].end)}
    assert all(tag.start <= float(a) < float(b) <= tag.end for a, b in spans[:2])


def curves(beaten: int, *, n: int = 9) -> Deletion:
    """Deletion whose salient curve falls faster than so many of the random ones."""
    fractions = np.linspace(0, 1, 5)
    salient = np.array([2.0, 0.0, -1.0, -1.5, -2.0])
    random = np.stack([salient + (1 if i < beaten else -1) * np.array([0, 0.5, 0.5, 0.2, 0]) for i in range(n)])
    return Deletion(fractions, salient, salient, random, 0)


@pytest.mark.parametrize(("beaten", "verdict"), [(9, "Yes, for this moment"), (6, "In part"), (2, "No, not for")])
def test_the_page_says_whether_an_explanation_holds(report: SongReport, beaten: int, verdict: str) -> None:
    text = why(report, replace(report.explained[0], deletion=curves(beaten)))
    assert verdict in text
    assert all(other not in text for other in {"Yes, for", "In part", "No, not"} if other not in verdict)
    expected = "each of 9 random orders" if beaten == 9 else f"{beaten} of 9 random orders"
    assert expected in text
    assert f"{curves(beaten).area:+.2f}" in text


def test_a_tag_that_silence_has_too_is_told(report: SongReport) -> None:
    tag = report.explained[0]
    usual = replace(tag.marked, score_whole=0.6, score_silence=0.1)
    assert "to silence, too" not in why(report, replace(tag, marked=usual))
    assert "of what lies between" in why(report, replace(tag, marked=usual))
    holes = replace(usual, score_only=0.05)
    assert "sound with such holes" in why(report, replace(tag, marked=holes))
    assert "sound with such holes" not in why(report, replace(tag, marked=usual))
    unseen = replace(usual, score_only=0.001, score_silence=0.002)  # both are written as less than 0.01
    assert "sound with such holes" not in why(report, replace(tag, marked=unseen))
    always = replace(tag.marked, score_whole=0.6, score_silence=0.5)
    text = why(report, replace(tag, marked=always))
    assert "to silence, too: 0.50, and 0.60 here" in text
    assert "of what lies between" not in text


@pytest.mark.parametrize(("mean", "words"), [(0.9, "rather than what"), (0.5, "in part."), (0.1, "it depends on what")])
def test_the_check_with_shuffled_weights_is_told(report: SongReport, mean: float, words: str) -> None:
    sanity = SanityCheck((mean, mean), 1.0, (0, 1))
    text = why(report, replace(report.explained[0], sanity=sanity))
    assert f"(2 times) the picture has a rank correlation of {mean:.2f}" in text
    assert words in text


def test_what_does_not_add_up_is_told(report: SongReport) -> None:
    tag = report.explained[0]
    saliency = replace(tag.saliency, method="integrated_gradients", score=1.0, baseline_score=0.0)
    whole = float(saliency.values.sum())
    exact = replace(saliency, score=whole)
    assert "add up to" not in why(report, replace(tag, saliency=exact))
    assert f"{whole:+.2f}: compare" in why(report, replace(tag, saliency=replace(saliency, score=2 * whole)))


def test_nothing_that_speaks_for_a_tag_is_told(report: SongReport) -> None:
    tag = report.explained[0]
    against = replace(tag.saliency, values=-np.abs(tag.saliency.values))
    assert "speaks against it" in why(report, replace(tag, saliency=against))
    nothing = replace(tag.saliency, values=np.zeros_like(tag.saliency.values))
    assert "Nothing in this moment speaks for beep or against it" in why(report, replace(tag, saliency=nothing))


def test_where_and_when_a_tag_is_spoken_for_is_told(report: SongReport) -> None:
    tag = report.explained[0]
    values = np.zeros_like(tag.saliency.values)
    values[(tag.saliency.frequencies > 2200) & (tag.saliency.frequencies < 2300), -1] = 1.0
    for method in ("occlusion", "grad_cam"):
        text = why(report, replace(tag, saliency=replace(tag.saliency, values=values, method=method)))
        ((low, high),) = re.findall(r"strongest from ([\d.]+) kHz to ([\d.]+) kHz \(100 %\), and in time around", text)
        assert float(low) <= 2.2 < 2.3 <= float(high)


def test_a_layer_without_frequencies_is_not_said_to_tell_them(report: SongReport) -> None:
    tag = report.explained[0]
    values = np.zeros_like(tag.saliency.values)
    values[:, -1] = 1.0
    alike = replace(tag.saliency, values=values, method="grad_cam", layer="map")
    text = why(report, replace(tag, saliency=alike))
    assert "The layer map has no axis of frequency" in text
    assert "kHz (" not in text


def test_channels_that_all_speak_against_a_tag_are_not_said_to_add_to_it(report: SongReport) -> None:
    tag = report.explained[0]
    (layer,) = tag.layers
    (one,) = layer.channels
    assert "None that varies adds to beep" not in song_page(report)
    worse = replace(layer, channels=(replace(one, contribution=-0.5),))
    page = song_page(replace(report, explained=(replace(tag, layers=(worse,)),)))
    assert "None that varies adds to beep" in page
    assert "Channel 0, −0.50" in page


def test_resting_channels_and_inversions_are_shown(report: SongReport) -> None:
    tag = report.explained[0]
    (layer,) = tag.layers
    (one,) = layer.channels
    times_only = replace(one.excited, frequencies=None, values=one.excited.values[:1])
    rest = replace(one, excited=times_only, sound=None, heard=None, excerpts=None)
    assert one.sound is not None
    inversion = Inversion(one.sound, "map", "waveform", 1.0, np.array([0.1]), 0.125)
    changed = replace(layer, channels=(rest,), n_still=3, inversion=inversion)
    page = song_page(replace(report, explained=(replace(tag, layers=(changed,)),)))
    assert "Nothing to hear" in page
    assert "No single tone makes it answer" in page
    assert "3 of them never vary here" in page
    two_rows = replace(one.excited, frequencies=np.array([200.0, 900.0]), values=one.excited.values[:2])
    assert "2 rows of frequency" in frequencies_text(replace(rest, excited=two_rows))
    assert "differs by 12 %" in page
    assert "Channels behind" not in song_page(replace(report, explained=(replace(tag, layers=()),)))


def test_filters_on_the_waveform_stand_against_mel() -> None:
    network = RawBandTagger(seconds=1.0, when=WHEN)
    found = explain_song(network, white_noise(1.0), method="occlusion", layers=["map"], seconds=1.0)
    page = song_page(found)
    assert "Each column is one of 1 filters" in page
    assert "Answers tones most at" in page
    assert 'class="gallery"' in page
