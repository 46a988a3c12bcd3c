"""How many random crops per second files and feature stores give, against the time that decoding the crop alone takes.

    python benchmarks/crops.py MUSIC.wav-or-mp3 [--output FILE.md]

The floor of a format is the time that libsndfile takes for as many seconds of it, read one after the other from a file
that is open: no opening, no seeking, no resampling. One thread; then all CPUs.
"""

import argparse
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from earmark.audio import io
from earmark.crops import AudioCrops, Crops, StoreCrops, batches
from earmark.datasets.base import Track
from earmark.features.extract import extract
from earmark.features.store import FeatureStore, Item
from earmark.parallel import cpu_count

SAMPLE_RATE, N_SAMPLES = 16000, 59049  # the crop of the short-chunk networks: 3.69 s
FORMATS = (("wav", 16000), ("flac", 16000), ("mp3", 16000), ("ogg", 16000), ("wav", 44100), ("flac", 44100),
           ("mp3", 44100), ("ogg", 44100), ("opus", 48000))  # fmt: skip
N_TRACKS, SECONDS, ROUNDS = 16, 30.0, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("music", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    waveform, rate = io.read(options.music, duration=N_TRACKS * 5 + SECONDS)
    lines = [
        heading(options.music),
        "| source | crops/s, 1 thread | crops/s, all CPUs | decode floor, crops/s | of it |",
    ]
    lines.append("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for suffix, written in FORMATS:
            tracks = write_tracks(folder, waveform, rate, suffix, written)
            crops = AudioCrops(tracks, sample_rate=SAMPLE_RATE, n_samples=N_SAMPLES)
            one, every = rates(crops)
            least = 1 / floor(tracks, written)
            lines.append(f"| {suffix}, {written} Hz | {one:,.0f} | {every:,.0f} | {least:,.0f} | {one / least:.0%} |")
        lines += stores(folder, tracks)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def heading(music: Path) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return (
        f"# Random crops per second\n\n{platform.machine()}, {cpu_count()} CPUs, Python {platform.python_version()}, "
        f"commit {commit.stdout.strip()}. Crops of {N_SAMPLES} samples at {SAMPLE_RATE} Hz from {N_TRACKS} tracks of "
        f"{SECONDS:.0f} s made of {music.name}; best of {ROUNDS} rounds of all tracks. Again: "
        f"`python benchmarks/crops.py {music.name}`.\n"
    )


def write_tracks(folder: Path, waveform: np.ndarray, rate: int, suffix: str, written: int) -> list[Track]:
    tracks = []
    for i in range(N_TRACKS):
        piece = waveform[i * 5 * rate : round((i * 5 + SECONDS) * rate)]
        path = folder / f"{i}-{written}.{suffix}"
        io.write(path, soxr.resample(piece, rate, written), written)
        tracks.append(Track(str(i), audio=path))
    return tracks


def rates(crops: Crops) -> tuple[float, float]:
    found = []
    for jobs in (1, cpu_count()):
        times = []
        for epoch in range(ROUNDS):
            begun = time.perf_counter()
            for batch in batches(crops, batch_size=16, epoch=epoch, jobs=jobs):
                assert not batch.failures
            times.append(time.perf_counter() - begun)
        found.append(len(crops) / min(times))
    return found[0], found[1]


def floor(tracks: list[Track], written: int) -> float:
    """Return the seconds that decoding as much as a crop takes."""
    n = round(N_SAMPLES / SAMPLE_RATE * written)

    def decode() -> float:
        spent, count = 0.0, 0
        for track in tracks:
            with soundfile.SoundFile(str(track.audio)) as file:
                buffer = np.empty((n, 1), dtype=np.float32)
                file.read(out=buffer)
                begun = time.perf_counter()
                while len(file.read(out=buffer)) == n:
                    count += 1
                spent += time.perf_counter() - begun
        return spent / count

    return best(decode)


def best(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(ROUNDS))


def stores(folder: Path, tracks: list[Track]) -> list[str]:
    lines = []
    items = [Item(track.id, str(track.audio)) for track in tracks]
    for what, frontend, parameters, dtype, n_frames in (
        ("store of int16 waveforms", "raw", {"sample_rate": SAMPLE_RATE}, "int16", N_SAMPLES),
        ("store of log-mel, 96 bands, float16", "log_mel", {"n_mels": 96}, "float16", N_SAMPLES // 256),
    ):
        path = folder / frontend
        extract(items, path, frontend=frontend, parameters=parameters, dtype=dtype)
        store = FeatureStore.open(path)
        one, every = rates(StoreCrops(store, n_frames=n_frames))
        n_bytes = n_frames * store.info.frame_bytes
        lines.append(f"| {what} | {one:,.0f} | {every:,.0f} | copying its bytes: {1 / copying(n_bytes):,.0f} | |")
    return lines


def copying(n_bytes: int) -> float:
    """Return the seconds that copying the bytes of a crop takes, from memory that is not in the processor's caches."""
    source = np.zeros(1 << 28, dtype=np.uint8)
    starts = np.random.default_rng(0).integers(0, len(source) - n_bytes, 200)

    def copy() -> float:
        begun = time.perf_counter()
        for start in starts:
            source[start : start + n_bytes].copy()
        return (time.perf_counter() - begun) / len(starts)

    return best(copy)


if __name__ == "__main__":
    main()
