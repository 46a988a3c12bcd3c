"""A folder of short sounds of three classes, in parts."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000
CLASSES = {"low": 300.0, "mid": 1200.0, "noise": 0.0}
SIZES = {"train": 8, "test": 3}


def sound(name: str, *, seed: int) -> np.ndarray:
    """Half a second: a tone that wavers, or noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 2) / RATE
    frequency = CLASSES[name] * rng.uniform(0.8, 1.25)
    tone = 0.3 * np.sin(2 * np.pi * frequency * t) if frequency else 0.1 * rng.standard_normal(len(t))
    return (tone + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Return the folder, without a validation part."""
    root = tmp_path / "music"
    for part, n in SIZES.items():
        for number, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for i in range(n):
                seed = 1000 * number + i + (500 if part == "test" else 0)
                soundfile.write(root / part / name / f"{i}.wav", sound(name, seed=seed), RATE)
    return root
