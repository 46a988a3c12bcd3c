"""JAMS files with tags of two namespaces, intervals, weights, what is no tag, and names that are no ASCII."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

OPTIONS = [{}, {"pieces": True}, {"namespace": "tag_open"}, {"vocabulary": 2}]


def annotation(namespace: str, *rows: tuple[float, float, Any, Any]) -> dict[str, Any]:
    keys = ("time", "duration", "value", "confidence")
    data = [dict(zip(keys, row, strict=True)) for row in rows]
    return {"annotation_metadata": {}, "namespace": namespace, "data": data, "sandbox": {}, "time": 0, "duration": None}


FILES = {
    "a": (
        {"title": "One", "artist": "Ana B", "release": "First", "duration": 30.0, "identifiers": {"mbid": "x-1"}},
        [annotation("tag_open", (0, 30, "rock", 0.5), (0, 30, "größer", 1), (0, 30, " rock ", 0.75))],
    ),
    "deep/ü": (
        {"title": "", "artist": "", "release": "", "duration": 60, "identifiers": {}},
        [
            annotation("tag_open", (0, 20, "rock", None), (20, 40, "calm", 1.0), (20, 40, " ", 1.0)),
            annotation("mood_thayer", (0, 60, [0.1, 0.2], None)),
            annotation("tag_gtzan", (0, 60, "rock", None)),
        ],
    ),
    "gone": ({"duration": 1.5}, [annotation("tag_open", (0, 0, "a, b; c", 1))]),
    "untagged": ({"duration": 9}, []),
}


def make(root: Path) -> None:
    (root / "deep").mkdir()
    for name, (about, annotations) in FILES.items():
        content = {"annotations": annotations, "file_metadata": about, "sandbox": {}}
        (root / f"{name}.jams").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    soundfile.write(root / "deep" / "ü.wav", 0.1 * np.sin(np.arange(800) / 7), 8000)
