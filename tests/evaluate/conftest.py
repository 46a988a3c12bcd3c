"""Predictions made here: scores that know something of the targets, artists with several tracks each."""

from collections.abc import Callable

import numpy as np
import pytest

from earmark.predictions import Predictions

Make = Callable[..., Predictions]
TAGS = ("rock", "piano", "choir", "quiet")


@pytest.fixture
def make() -> Make:
    """Make predictions of n tracks on four tags; `skill` is how much the scores know."""

    def predictions(
        n: int = 120,
        *,
        seed: int = 0,
        skill: float = 2.0,
        part: str = "test",
        task: str = "multi_label",
        **more: object,
    ) -> Predictions:
        rng = np.random.default_rng(seed)
        if task == "single_label":
            targets = np.eye(len(TAGS), dtype=bool)[rng.integers(0, len(TAGS), n)]
            raw = np.exp(skill * targets + rng.normal(size=targets.shape))
            scores = raw / raw.sum(axis=1, keepdims=True)
        else:
            targets = rng.random((n, len(TAGS))) < [0.5, 0.3, 0.2, 0.1]
            scores = 1 / (1 + np.exp(-(skill * (targets - 0.5) - 1 + rng.normal(size=targets.shape))))
        plain = {
            "ids": tuple(f"{part}-{i}" for i in range(n)),
            "tags": TAGS,
            "categories": ("genre", "instrument", "instrument", "mood"),
            "task": task,
            "model": "net",
            "dataset": "ours",
            "split": "published",
            "part": part,
            "protocol": "mean over all chunks",
            "groups": {"artist": tuple(f"artist {i // 4}" for i in range(n))},
            "prevalence": np.array([0.5, 0.3, 0.2, 0.1]),
        }
        return Predictions(targets=targets, scores=scores.astype(np.float32), **(plain | more))

    return predictions
