"""Short pieces of audio, and a store of their features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.features.store import Item

RATE = 8000
SMALL = {"sample_rate": RATE, "n_mels": 8, "n_fft": 256, "hop_length": 128}


def sound(seconds: float, seed: int) -> np.ndarray:
    """Noise that swells, 16 bit exactly."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    samples = rng.normal(0, 0.1, n) * np.linspace(0.1, 1, n)
    return (np.rint(samples * 32768) / 32768).astype(np.float32)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Five tracks of different lengths; one has a name that is not ASCII, two hold the same."""
    folder = tmp_path / "müsik"
    (folder / "täg").mkdir(parents=True)
    found = []
    for i, name in enumerate(("a.wav", "b.flac", "täg/ç 音.wav", "d.wav", "e.wav")):
        path = folder / name
        soundfile.write(path, sound(0.5 + 0.1 * i, seed=i), RATE)
        if name == "d.wav":
            path.write_bytes((folder / "a.wav").read_bytes())
        found.append(Item(name, str(path), tags=("noise", f"seed {i}")))
    return found


Files = dict[str, bytes]


@pytest.fixture
def content() -> Callable[[Path], Files]:
    """Read all files of a store, but for the lock."""

    def read(folder: Path) -> Files:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"}

    return read
