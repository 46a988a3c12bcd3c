"""Pictures of tracks: what stands where, and texts that no font or no line has room for."""

import io

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from earmark.plots.colours import LIGHT  # noqa: E402
from earmark.train.drawing import BARS, BOX, N_TAGS, ROWS, STEP, WIDTH, Example, Heard, as_png, draw, plain  # noqa: E402


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def example(*heard: Heard, id: str = "a.wav", picture: np.ndarray | None = None) -> Example:
    if picture is None:
        picture = np.zeros((10, 20), np.float32)
        picture[:2] = 1.0  # low frequencies are loud
    return Example(id, picture, ((2.0, 500), (8.0, 4000)), (1.0, 3.0), heard)


def test_low_frequencies_lie_at_the_bottom() -> None:
    left, top, right, bottom = BOX
    pixels = draw(example()).astype(int)
    assert pixels[bottom - 20 : bottom - 5, left + 5 : right - 5].mean() < 100 < 200 < pixels[top + 5, left + 50].mean()


def test_bars_are_as_long_as_scores_and_true_ones_have_their_colour() -> None:
    pixels = draw(example(Heard("rock", 0.75, False), Heard("jazz", 0.25, True)))
    for row, (score, colour) in enumerate(((0.75, LIGHT.waveform), (0.25, LIGHT.categories[2]))):
        line = pixels[ROWS + row * STEP + STEP // 2, BARS[0] : BARS[1]]
        n = int((line == rgb(colour)).all(axis=1).sum())
        assert n == pytest.approx(score * (BARS[1] - BARS[0]), abs=1.5)


@pytest.mark.parametrize("name", ["Björk", "가요", "\udcff.mp3", "two\nlines", "", "a" * 300])
def test_names_of_all_kinds_can_be_drawn(name: str) -> None:
    pixels = draw(example(Heard(name, 0.5, True), id=name))
    right = pixels[:20, BOX[2] + 4 :]
    assert (right == rgb(LIGHT.background)).all(), "it stays within its room"
    assert plain(name).isprintable()
    plain(name).encode()


def test_pictures_of_nothing_can_be_drawn() -> None:
    silence = np.full((10, 20), -100.0, np.float32)
    pixels = draw(example(picture=silence))
    left, top, right, bottom = BOX
    assert (pixels[top:bottom, left:right] == pixels[top, left]).all()


def test_every_tag_has_its_row_and_room_below() -> None:
    heard = [Heard(f"tag {k}", 0.5, False) for k in range(N_TAGS)]
    pixels = draw(example(*heard))
    assert pixels.shape == (ROWS + N_TAGS * STEP + 8, WIDTH, 3)
    drawn = (pixels[ROWS:, : BARS[0] - 10] != rgb(LIGHT.background)).any(axis=(1, 2))
    assert drawn.any()
    assert not drawn[-5:].any()
    assert len(draw(example(*heard[:2]))) == ROWS + 2 * STEP + 8


def test_png_shows_nearly_the_same_and_is_small() -> None:
    picture = np.random.default_rng(0).standard_normal((96, 400)).astype(np.float32)
    pixels = draw(example(Heard("rock", 0.75, False), Heard("jazz", 0.25, True), picture=picture))
    encoded = as_png(pixels)
    assert len(encoded) < 100_000
    with Image.open(io.BytesIO(encoded)) as opened:
        shown = np.asarray(opened.convert("RGB")).astype(int)
    assert np.abs(shown - pixels).mean() < 2
