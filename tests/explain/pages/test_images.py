"""Arrays become pictures and sounds that are what they were."""

import base64
import io

import numpy as np
import pytest
import soundfile

from earmark.audio.filters import hz_to_mel
from earmark.errors import InputError
from earmark.explain.pages.images import coloured, fewer_columns, mel_rows, png, signed, sound

Image = pytest.importorskip("PIL.Image")


def test_rows_are_equally_far_apart_on_the_mel_scale() -> None:
    frequencies = np.linspace(0, 8000, 513)
    rows, edges = mel_rows(frequencies[:, None] * np.ones((1, 3)), frequencies, n_rows=64)
    assert rows.shape == (64, 3)
    np.testing.assert_allclose(np.diff(hz_to_mel(edges)), hz_to_mel(np.array(8000.0)) / 64)
    centres = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(rows[:, 0], centres, atol=12)  # a row holds the frequencies that lie in it


def test_one_row_fills_the_picture() -> None:
    rows, _ = mel_rows(np.array([[1.0, 2.0]]), np.array([1000.0]), n_rows=4, f_max=8000)
    np.testing.assert_array_equal(rows, [[1.0, 2.0]] * 4)


def test_colours_run_from_the_first_to_the_last() -> None:
    ends = coloured(np.array([[-1.0, 0.0, 1.0, 9.0, np.nan]]), ("#000000", "#ffffff"))
    np.testing.assert_array_equal(ends[0, :, 0], [0, 0, 255, 255, 0])


def test_signed_numbers_of_one_size_differ_in_colour() -> None:
    pixels = signed(np.array([[0.8, -0.8, 0.0, 1.0]])).astype(int)
    assert np.abs(pixels[0, 0] - pixels[0, 1]).max() > 60
    assert pixels[0, 2].sum() < pixels[0, 0].sum() < pixels[0, 3].sum()


def test_columns_are_averaged() -> None:
    values = np.arange(12.0).reshape(1, 12)
    np.testing.assert_allclose(fewer_columns(values, 4), [[1.0, 4.0, 7.0, 10.0]])
    assert fewer_columns(values, 100) is values


def test_a_picture_comes_back_as_it_was() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    head, data = png(pixels).split(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)


@pytest.mark.parametrize("rate", [16_000, 12_345])
def test_a_sound_comes_back_at_its_length_and_level(rate: int) -> None:
    wave = (0.4 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32)
    head, data = sound(wave, rate).split(",")
    assert head == "data:audio/mpeg;base64"
    heard, heard_rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert heard.size / heard_rate == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(heard[heard_rate // 4 : heard_rate // 2] ** 2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("hertz", [440, 7300])
def test_high_sounds_are_as_loud_as_low_ones(hertz: int) -> None:
    wave = (0.1 * np.sin(2 * np.pi * hertz * np.arange(32_000) / 16_000)).astype(np.float32)
    heard, _ = soundfile.read(io.BytesIO(base64.b64decode(sound(wave, 16_000).split(",")[1])))
    middle = heard[len(heard) // 4 : len(heard) // 2]
    assert 20 * np.log10(np.sqrt(2) * middle.std() / 0.1) == pytest.approx(0.0, abs=0.5)


def test_no_sound_is_told() -> None:
    with pytest.raises(InputError, match="empty"):
        sound(np.zeros(0, np.float32), 16_000)
