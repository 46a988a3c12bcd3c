"""A small made-up dataset that anything which hears can learn, and a recipe for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.audio import io

RATE = 16000
CLASSES = {"low": 200.0, "middle": 900.0, "high": 3000.0}


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones in noise, three classes of twelve tracks of four seconds."""
    folder = tmp_path_factory.mktemp("tones")
    generator = np.random.default_rng(0)
    times = np.arange(4 * RATE) / RATE
    for name, frequency in CLASSES.items():
        (folder / name).mkdir()
        for i in range(12):
            tone = 0.2 * np.sin(2 * np.pi * frequency * generator.uniform(0.9, 1.1) * times)
            io.write(folder / name / f"{i}.wav", tone + 0.02 * generator.standard_normal(len(times)), RATE)
    return folder


@pytest.fixture
def recipe(root: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {
        "run": {"epochs": 3, "batch_size": 4, "n_chunks": 2, "accelerator": "cpu", "monitor": "accuracy"},
        "data": {"dataset": "folder", "root": str(root), "by": "id", "cache": str(tmp_path / "decoded")},
        "model": {"name": "short_chunk_res", "n_channels": 4},
        "loss": {"name": "cross_entropy"},
        "optimizer": {"name": "adamw", "lr": 0.01},
        "schedule": {"name": "cosine"},
    }


@pytest.fixture
def quick(recipe: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same without the check before the run, one epoch, and a network that costs nothing."""
    recipe["run"] |= {"epochs": 1, "overfit_check": False}
    recipe["model"] = {"name": "mlp_spectrum", "n_units": 8}
    return recipe
