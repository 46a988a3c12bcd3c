"""Tempo and key: how often they are right, what their confidence says, and what they cost, against librosa.

    python benchmarks/tempo_and_key.py FOLDER [FOLDER ...] [--peer] [-o benchmarks/tempo_and_key_CPU_DATE.md]

A FOLDER holds audio and a `labels.csv` with the columns `file` and `bpm` or `key` (such as "F#m") or both; what a row
lacks is not judged. Files are decoded once, mixed down, at 16 kHz; 90 s from the middle are looked at unless said
otherwise. Key is judged on synthetic music as well: progressions in all 24 keys, in several timbres, out of tune, with
drums. `--peer` adds librosa: its beat tracker, and its chroma with the same key profiles. CPU seconds, on one thread.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from peers_report import MARKER, keep_notes, table
from tagging_vs_peers import commit, hardware

from earmark.audio import key as key_module
from earmark.audio.io import read
from earmark.audio.key import Key, estimate_key
from earmark.audio.tempo import estimate_tempo

RATE, MIDDLE = 16000, 90.0
WINDOWS = (10.0, 30.0, 60.0, 90.0, 120.0, None)
RELATED = (1, 1 / 2, 2, 1 / 3, 3)
BINS = ((0.0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0))
# Key profiles as published, major and minor. The numbers of EDMA are those of Essentia's `key.cpp`.
PROFILES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "Krumhansl & Kessler 1982": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "Temperley 1999": (
        (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
        (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
    ),
    "Temperley 2007 (Kostka-Payne)": (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
    "Bellman 2005 (Budge)": (
        (16.8, 0.86, 12.95, 1.41, 13.49, 11.93, 1.25, 20.28, 1.8, 8.04, 0.62, 10.57),
        (18.16, 0.69, 12.99, 13.34, 1.07, 11.15, 1.38, 21.07, 7.49, 1.53, 0.92, 10.21),
    ),
    "Temperley & de Clercq 2013 (rock harmony)": (
        (0.231, 0.002, 0.091, 0.004, 0.149, 0.111, 0.004, 0.193, 0.004, 0.126, 0.011, 0.076),
        (0.202, 0.006, 0.102, 0.127, 0.047, 0.113, 0.005, 0.177, 0.046, 0.051, 0.090, 0.034),
    ),
    "Faraldo et al. 2016 (EDMA)": (
        (0.1652, 0.0475, 0.0829, 0.0669, 0.0999, 0.0927, 0.0529, 0.1316, 0.0522, 0.0744, 0.0694, 0.0643),
        (0.1724, 0.0534, 0.0761, 0.1004, 0.0562, 0.0853, 0.0498, 0.1345, 0.0746, 0.0500, 0.0919, 0.0555),
    ),
    "Albrecht & Shanahan 2013 (in use)": key_module._PROFILES,
}
PROGRESSIONS = {
    "major": ("0 4 7", "9 12 16", "5 9 12", "7 11 14", "0 4 7", "5 9 12", "0 4 7", "7 11 17"),
    "minor": ("0 3 7", "8 12 15", "3 7 10", "10 14 17", "0 3 7", "5 8 12", "7 11 14", "0 3 7"),
}
TIMBRES = {
    "sines": (1.0,),
    "strings": tuple(0.7**n for n in range(10)),
    "reed": tuple(0.8**n * (n % 2 == 0) for n in range(10)),
}

Samples = NDArray[np.float32]


class Item(NamedTuple):
    """A track of known tempo or key."""

    name: str
    waveform: Samples
    bpm: float | None
    key: Key | None


def middle(waveform: Samples, seconds: float | None) -> Samples:
    n = len(waveform) if seconds is None else min(len(waveform), round(seconds * RATE))
    first = (len(waveform) - n) // 2
    return waveform[first : first + n]


def labelled(folder: Path) -> Iterator[Item]:
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            bpm, key = row.get("bpm") or None, row.get("key") or None
            if bpm or key:
                waveform, _ = read(folder / row["file"], sample_rate=RATE)
                yield Item(row["file"], waveform, float(bpm) if bpm else None, Key.parse(key) if key else None)


def rendered(key: Key, timbre: str, cents: float, drums: float, rng: np.random.Generator) -> Samples:
    """A progression of eight chords with a bass, twice; notes keep within an octave and a half."""
    t = np.arange(round(1.5 * RATE)) / RATE
    fade = np.minimum(1, t / 0.01) * np.exp(-1.2 * t)
    chords = []
    for chord in PROGRESSIONS[key.mode]:
        notes = [int(note) + key.tonic for note in chord.split()]
        total = np.zeros_like(t)
        for note in (notes[0] % 12 - 24, *(note % 12 - rng.integers(0, 2) * 12 for note in notes)):
            pitch = 523.25 * 2 ** ((note + cents / 100) / 12)
            total += sum(level * np.sin(2 * np.pi * pitch * (n + 1) * t) for n, level in enumerate(TIMBRES[timbre]))
        chords.append(total * fade)
    tones = np.tile(np.concatenate(chords), 2)
    time_ = np.arange(len(tones)) / RATE
    hits = rng.standard_normal(len(tones)) * np.exp(-30 * (time_ % 0.375))
    kick = np.sin(2 * np.pi * 55 * (time_ % 0.75)) * np.exp(-10 * (time_ % 0.75))
    return (0.4 * tones / np.abs(tones).max() + drums * (0.2 * hits + 0.5 * kick)).astype(np.float32)


def synthetic() -> Iterator[tuple[str, list[Item]]]:
    for timbre in TIMBRES:
        for title, spread, drums in (("in tune", 0.0, 0.0), ("out of tune", 45.0, 0.0), ("with drums", 0.0, 1.0)):
            rng = np.random.default_rng(7)
            items = []
            for mode in ("major", "minor"):
                for tonic in range(12):
                    key = Key(tonic, mode)  # type: ignore[arg-type]
                    waveform = rendered(key, timbre, rng.uniform(-spread, spread), drums, rng)
                    items.append(Item(f"{key} {timbre} {title}", waveform, None, key))
            yield f"synthetic, {timbre}, {title}", items


def right_tempo(bpm: float | None, truth: float, ratios: tuple[float, ...] = (1,)) -> bool:
    return bpm is not None and any(abs(bpm / truth / ratio - 1) <= 0.04 for ratio in ratios)


def mirex(key: Key | None, truth: Key) -> float:
    """The score of MIREX: 1, 0.5 for a fifth, 0.3 for the relative key, 0.2 for the parallel one."""
    if key is None:
        return 0.0
    if key == truth:
        return 1.0
    if key.mode == truth.mode:
        return 0.5 if (key.tonic - truth.tonic) % 12 in (5, 7) else 0.0
    return 0.3 if key == truth.relative else 0.2 if key.tonic == truth.tonic else 0.0


def cpu(function: Callable[[], Any], repeats: int = 3) -> float:
    """CPU milliseconds of a call, after one that is not counted."""
    function()
    started = time.process_time()
    for _ in range(repeats):
        function()
    return 1000 * (time.process_time() - started) / repeats


def fresh(code: str, cache: str | None = None) -> float:
    """CPU seconds of a process of its own beyond numpy and decoding: `code` finds `y`, 90 s of audio."""
    start = f"import time, numpy as np; y = np.random.default_rng(0).standard_normal({int(MIDDLE) * RATE})\n"
    start += "y = y.astype(np.float32); s = time.process_time()\n"
    environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    done = subprocess.run(
        [sys.executable, "-c", start + code + "\nprint(time.process_time() - s)"],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def peer_tempo(waveform: Samples) -> float:
    import librosa

    envelope = librosa.onset.onset_strength(y=waveform, sr=RATE, hop_length=256)
    bpm, _ = librosa.beat.beat_track(onset_envelope=envelope, sr=RATE, hop_length=256)
    return float(np.atleast_1d(bpm)[0])


def peer_key(waveform: Samples, kind: str) -> Key:
    import librosa

    if kind == "stft":
        chroma = librosa.feature.chroma_stft(y=waveform, sr=RATE, n_fft=4096, hop_length=2048)
    else:
        chroma = getattr(librosa.feature, f"chroma_{kind}")(y=waveform, sr=RATE, hop_length=1024)
    best = int(key_module._similarity(np.asarray(chroma, dtype=np.float64).mean(axis=1)).argmax())
    return Key(best % 12, "major" if best < 12 else "minor")


def tempo_tables(sets: dict[str, list[Item]], peer: bool) -> Iterator[str]:
    rows = []
    pooled: list[tuple[float, bool]] = []
    for title, items in sets.items():
        timed = [item for item in items if item.bpm is not None]
        if not timed:
            continue
        for seconds in WINDOWS:
            found = [estimate_tempo(middle(item.waveform, seconds), RATE) for item in timed]
            truths = [item.bpm or 0.0 for item in timed]
            exact = [right_tempo(tempo.bpm, truth) for tempo, truth in zip(found, truths, strict=True)]
            near = [right_tempo(tempo.bpm, truth, RELATED) for tempo, truth in zip(found, truths, strict=True)]
            confidence = np.array([tempo.confidence for tempo in found])
            window = "whole" if seconds is None else f"{seconds:.0f} s"
            none = sum(tempo.bpm is None for tempo in found)
            rows.append([title, len(timed), window, sum(exact), sum(near), none, area(confidence, np.array(exact))])
            if seconds == MIDDLE:
                pooled += list(zip(confidence.tolist(), exact, strict=True))
        if peer:
            guessed = [peer_tempo(middle(item.waveform, MIDDLE)) for item in timed]
            exact = [right_tempo(bpm, item.bpm or 0.0) for bpm, item in zip(guessed, timed, strict=True)]
            near = [right_tempo(bpm, item.bpm or 0.0, RELATED) for bpm, item in zip(guessed, timed, strict=True)]
            rows.append([title, len(timed), "90 s, librosa", sum(exact), sum(near), 0, ""])
    heads = ["set", "tracks", "window", "within 4 %", "or 1/3, 1/2, 2, 3 times", "none found", "ROC area of confidence"]
    yield "## Tempo\n\n" + table(heads, [[str(cell) for cell in row] for row in rows])
    yield "Confidence and truth, all sets, 90 s (within 4 %):\n\n" + bins(pooled)


def area(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> str:
    """The chance that a right one has more confidence than a wrong one."""
    right, wrong = scores[truth], scores[~truth]
    if not len(right) or not len(wrong):
        return ""
    return f"{(right[:, None] > wrong).mean() + 0.5 * (right[:, None] == wrong).mean():.2f}"


def bins(pairs: list[tuple[float, bool]]) -> str:
    rows = []
    for low, high in BINS:
        within = [right for confidence, right in pairs if low <= confidence < high or confidence == high == 1]
        rows.append([f"{low:.1f} to {high:.1f}", str(len(within)), f"{np.mean(within):.0%}" if within else ""])
    return table(["confidence", "tracks", "right"], rows)


def track_table(items: list[Item]) -> str:
    rows = []
    for item in items:
        window = middle(item.waveform, MIDDLE)
        tempo, key = estimate_tempo(window, RATE), estimate_key(window, RATE)
        bpm = "" if tempo.bpm is None else f"{tempo.bpm:.2f}"
        truth = "" if item.bpm is None else f"{item.bpm:g}"
        name = f"{key.key.initial} ({key.key.camelot})" if key.key else ""
        rows.append(
            (tempo.confidence, [item.name, truth, bpm, f"{tempo.confidence:.2f}", name, f"{key.confidence:.2f}"])
        )
    rows.sort(key=lambda row: -row[0])
    return table(["file", "bpm, composer", "bpm", "confidence", "key", "confidence"], [row for _, row in rows])


def key_tables(sets: dict[str, list[Item]], peer: bool) -> Iterator[str]:
    keyed = {title: [item for item in items if item.key] for title, items in sets.items()}
    keyed = {title: items for title, items in keyed.items() if items} | dict(synthetic())
    rows, pooled = [], []
    for title, items in keyed.items():
        for seconds in (10.0, 30.0, 60.0, 90.0) if not title.startswith("synthetic") else (None,):
            found = [estimate_key(middle(item.waveform, seconds), RATE) for item in items]
            exact = [estimate.key == item.key for estimate, item in zip(found, items, strict=True)]
            score = np.mean([mirex(e.key, item.key) for e, item in zip(found, items, strict=True) if item.key])
            confidence = np.array([estimate.confidence for estimate in found])
            window = "whole" if seconds is None else f"{seconds:.0f} s"
            rows.append(
                [title, len(items), window, f"{np.mean(exact):.1%}", f"{score:.3f}", area(confidence, np.array(exact))]
            )
            if seconds in (90.0, None):
                pooled += list(zip(confidence.tolist(), exact, strict=True))
    heads = ["set", "tracks", "window", "exact", "MIREX score", "ROC area of confidence"]
    yield "## Key\n\n" + table(heads, [[str(cell) for cell in row] for row in rows])
    yield "Confidence and truth, all sets:\n\n" + bins(pooled)
    real = {title: items for title, items in keyed.items() if not title.startswith("synthetic")}
    if real:
        yield "Profiles, 60 s, exact:\n\n" + profile_table(real)
    if real and peer:
        yield "Pitch classes, 60 s, exact, with the profiles in use:\n\n" + chroma_table(real)


def profile_table(sets: dict[str, list[Item]]) -> str:
    kept, rows = key_module._PROFILES, []
    for name, profiles in PROFILES.items():
        key_module._PROFILES = profiles  # type: ignore[assignment]
        key_module._templates.cache_clear()
        shares = [
            np.mean([estimate_key(middle(item.waveform, 60.0), RATE).key == item.key for item in items])
            for items in sets.values()
        ]
        rows.append([name, *(f"{share:.1%}" for share in shares), f"{np.mean(shares):.1%}"])
    key_module._PROFILES = kept
    key_module._templates.cache_clear()
    return table(["profile", *sets, "mean"], rows)


def chroma_table(sets: dict[str, list[Item]]) -> str:
    kinds: dict[str, Callable[[Samples], Key | None]] = {
        "earmark": lambda waveform: estimate_key(waveform, RATE).key,
        **{f"librosa, chroma_{k}": (lambda waveform, k=k: peer_key(waveform, k)) for k in ("stft", "cqt", "cens")},
    }
    some = middle(next(iter(sets.values()))[0].waveform, 60.0)
    rows = []
    for name, find in kinds.items():
        shares = [np.mean([find(middle(i.waveform, 60.0)) == i.key for i in items]) for items in sets.values()]
        cost = cpu(lambda find=find: find(some))  # type: ignore[misc]
        rows.append([name, *(f"{share:.1%}" for share in shares), f"{np.mean(shares):.1%}", f"{cost:.0f}"])
    return table(["pitch classes", *sets, "mean", "CPU ms"], rows)


def cost_table(sets: dict[str, list[Item]], peer: bool) -> str:
    longest = max((item for items in sets.values() for item in items), key=lambda item: len(item.waveform))
    rows = []
    for seconds in (60.0, 90.0, 120.0, None):
        window = middle(longest.waveform, seconds)
        row = [f"{len(window) / RATE:.0f} s", f"{cpu(lambda w=window: estimate_tempo(w, RATE)):.0f}"]  # type: ignore[misc]
        row.append(f"{cpu(lambda w=window: estimate_key(w, RATE)):.0f}")  # type: ignore[misc]
        if peer:
            row.append(f"{cpu(lambda w=window: peer_tempo(w)):.0f}")  # type: ignore[misc]
            row.append(f"{cpu(lambda w=window: peer_key(w, 'cqt')):.0f}")  # type: ignore[misc]
        rows.append(row)
    heads = ["window", "tempo, ms", "key, ms"] + ["librosa, tempo, ms", "librosa, chroma_cqt, ms"] * peer
    text = "## Cost\n\nCPU milliseconds of a call, after the first:\n\n" + table(heads, rows)
    ours = "from earmark.audio.tempo import estimate_tempo; from earmark.audio.key import estimate_key\n"
    ours += "estimate_tempo(y, 16000); estimate_key(y, 16000)"
    lines = [["earmark: imports, tempo and key of 90 s", f"{fresh(ours):.2f}"]]
    if peer:
        theirs = "import librosa; o = librosa.onset.onset_strength(y=y, sr=16000, hop_length=256)\n"
        theirs += "librosa.beat.beat_track(onset_envelope=o, sr=16000, hop_length=256)\n"
        theirs += "librosa.feature.chroma_cqt(y=y, sr=16000, hop_length=1024)"
        with tempfile.TemporaryDirectory() as cache:
            lines.append(["librosa: the same, numba's cache empty", f"{fresh(theirs, cache):.2f}"])
            lines.append(["librosa: the same, numba's cache filled", f"{fresh(theirs, cache):.2f}"])
    return text + "\n\nCPU seconds of the first track in a process:\n\n" + table(["", "s"], lines)


def report(arguments: argparse.Namespace) -> str:
    sets = {folder.name: list(labelled(folder)) for folder in arguments.folders}
    names = ("numpy", "scipy", *(("librosa", "numba") if arguments.peer else ()))
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    command = " ".join(["python benchmarks/tempo_and_key.py", *(f.name for f in arguments.folders)])
    parts = [
        "# Tempo and key",
        f"{datetime.date.today()}, commit {commit()}. Python {sys.version.split()[0]}, {versions}; one thread.",
        table(["", ""], [list(row) for row in hardware().items()]),
        f"    {command}{' --peer' if arguments.peer else ''}",
        cost_table(sets, arguments.peer),
        *tempo_tables(sets, arguments.peer),
        f"### Tracks of {arguments.folders[0].name}\n\n" + track_table(next(iter(sets.values()))),
        *key_tables(sets, arguments.peer),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="audio with a labels.csv")
    parser.add_argument("--peer", action="store_true", help="librosa as well")
    parser.add_argument("-o", "--output", type=Path, help="result page; the notes below its marker are kept")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    text = report(arguments)
    if arguments.output is None:
        print(text)
        return
    previous = arguments.output.read_text(encoding="utf-8") if arguments.output.exists() else None
    arguments.output.write_text(f"{text}\n{MARKER}{keep_notes(previous)}", encoding="utf-8")


if __name__ == "__main__":
    main()
