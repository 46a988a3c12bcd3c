"""The demo holds what it says: in samples, and to the ears of the published models."""

import numpy as np
import pytest

from earmark.audio.io import write
from earmark.demo import DEMO_PARTS, DEMO_SECONDS, render
from earmark.errors import UsageError
from earmark.tagger import Tagger


@pytest.mark.parametrize("sample_rate", [44100, 16000])
def test_the_waveform_is_stereo_within_range_and_as_long_as_the_parts(sample_rate):
    waveform, rate = render(sample_rate=sample_rate)
    assert rate == sample_rate
    assert waveform.shape == (2, round(DEMO_SECONDS * sample_rate))
    assert waveform.dtype == np.float32
    assert 0.5 < np.abs(waveform).max() < 1
    assert not np.array_equal(waveform[0], waveform[1])
    assert np.abs(waveform[:, -1]).max() < 1e-3


def test_two_renderings_are_equal():
    assert np.array_equal(render(sample_rate=8000)[0], render(sample_rate=8000)[0])


def test_the_parts_cover_the_demo():
    assert 24 <= DEMO_SECONDS <= 30
    assert DEMO_PARTS[0].start == 0
    assert DEMO_PARTS[0].end == DEMO_PARTS[1].start
    assert DEMO_PARTS[1].end == DEMO_SECONDS


def test_the_cymbals_sound_in_the_second_part_only():
    waveform, rate = render()
    split = round(DEMO_PARTS[1].start * rate)

    def treble(part):
        spectrum = np.abs(np.fft.rfft(part)) ** 2
        return spectrum[np.fft.rfftfreq(part.size, 1 / rate) > 8000].sum() / part.size

    assert treble(waveform[0, split:]) > 1000 * treble(waveform[0, :split])


def test_a_sample_rate_too_low_for_music_is_refused():
    with pytest.raises(UsageError, match="sample_rate=4000"):
        render(sample_rate=4000)


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_the_models_hear_piano_then_drums(tmp_path):
    waveform, sample_rate = render()
    path = tmp_path / "demo.wav"
    write(path, waveform, sample_rate)
    with Tagger() as tagger:
        result = tagger.tag(path)

    instruments = [i for i, tag in enumerate(result.tags) if tag.category == "instrument"]
    piano, drums = (result.vocabulary.index(name) for name in ("piano", "drums"))
    join = DEMO_PARTS[1].start
    first = result.taggram[result.times[:, 1] <= join].mean(axis=0)
    second = result.taggram[result.times[:, 0] >= join].mean(axis=0)
    assert max(instruments, key=lambda i: result.scores[i]) == piano
    assert max(instruments, key=lambda i: first[i]) == piano
    assert first[piano] > 0.5
    assert second[drums] > 3 * first[drums]
    assert second[drums] > 0.03
