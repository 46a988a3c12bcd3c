"""Made music: tracks around the centres of made styles, and listeners who like some of them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from earmark.library.taste.listener import Listener, TasteTrack, listener_of

SIZE = 24
GENRES = ("rock", "jazz", "techno", "classical", "folk", "hip hop")
MOODS = ("happy", "sad", "calm", "energetic")


class Music:
    """Styles, each a direction, a genre and a mood; tracks lie around them."""

    def __init__(self, n_styles: int = 6, n_each: int = 40, *, seed: int = 0, spread: float = 0.6) -> None:
        rng = np.random.default_rng(seed)
        self.styles: list[list[TasteTrack]] = []
        for k in range(n_styles):
            centre = rng.standard_normal(SIZE)
            centre /= np.linalg.norm(centre)
            self.styles.append([self._track(rng, k, i, centre, spread) for i in range(n_each)])

    def _track(self, rng: np.random.Generator, k: int, i: int, centre: np.ndarray, spread: float) -> TasteTrack:
        vector = centre + spread * rng.standard_normal(SIZE) / np.sqrt(SIZE)
        genre, mood = GENRES[k % len(GENRES)], MOODS[k % len(MOODS)]
        scores = {tag: 0.05 + 0.05 * rng.random() for tag in (*GENRES, *MOODS)}
        scores |= {genre: 0.6 + 0.3 * rng.random(), mood: 0.5 + 0.3 * rng.random()}
        return TasteTrack(
            id=f"{k:02d}{i:030x}",
            name=f"Band {k}.{i % 7} – Song {i}",
            artist=f"Band {k}.{i % 7}",
            title=f"Song {i}",
            vector=(vector / np.linalg.norm(vector)).astype(np.float32),
            tags={tag: score for tag, score in scores.items() if score > 0.4},
            scores=scores,
            duration=180.0,
            path=f"/music/{k}/{i}.mp3",
        )

    @property
    def all(self) -> list[TasteTrack]:
        return [track for style in self.styles for track in style]

    def listener(self, name: str, styles: Sequence[int], n: int = 20, *, seed: int = 0) -> Listener:
        """Somebody who likes n tracks, as many of each of some styles."""
        rng = np.random.default_rng(seed)
        each = n // len(styles)
        tracks = [t for k in styles for t in rng.permutation(np.array(self.styles[k], object))[:each]]
        return listener_of(name, tracks, source="folder")


@pytest.fixture(scope="session")
def music() -> Music:
    return Music()


@pytest.fixture
def make_music() -> Callable[..., Music]:
    return Music
