"""How fast a folder of whole tracks is added to a catalogue, and how near listening to a part comes to the whole.

    python benchmarks/library_add.py MUSIC_FOLDER [--tracks 40] [--keep FOLDER] [--output FILE.md]

Agreement: every track of the folder is tagged whole, and with one chunk of every 6 to 36 s. Throughput: tracks of four
minutes, 44.1 kHz stereo mp3, are made of the folder's music, each another four minutes, and added by `earmark library
add` as a user would; then each stage is timed alone in one process.
"""

import argparse
import datetime
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from earmark import Tagger
from earmark.audio.fingerprint import fingerprint
from earmark.audio.identity import content_id
from earmark.audio.io import open_audio, read
from earmark.audio.key import estimate_key
from earmark.audio.tempo import estimate_tempo
from earmark.batch import walk
from earmark.library.listening import FAST_HOP_SECONDS, WINDOW_SECONDS
from earmark.parallel import cpu_count
from earmark.tagfile.reading import read_tags

HOPS = (6.0, 9.0, 12.0, 18.0, 24.0, 36.0)
MINUTES, RATE = 4, 44100
TOP = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("music", type=Path)
    parser.add_argument("--tracks", type=int, default=40)
    parser.add_argument("--keep", type=Path, help="where the made tracks stay, or are from before")
    parser.add_argument("--skip-agreement", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    lines = [*heading(options.music), ""]
    if not options.skip_agreement:
        lines += agreement(list(walk(str(options.music))))
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        make_tracks(list(walk(str(options.music))), folder, options.tracks)
        lines += throughput(folder, options.tracks, Path(name))
        lines += stages(sorted(folder.glob("*.mp3"))[:8])
    text = "\n".join(lines) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def heading(music: Path) -> list[str]:
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True)
    machine = f"{platform.machine()}, {cpu_count()} CPUs, Python {platform.python_version()}"
    today = datetime.date.today().isoformat()
    return [
        "# Adding music to a catalogue",
        "",
        f"{today}, {machine}, commit {commit.stdout.strip()}. Again: `python benchmarks/library_add.py {music.name}`.",
    ]


def agreement(paths: list[str]) -> list[str]:
    """Compare what a part tells with what the whole tells."""
    scores, embeddings = {}, {}
    for hop in (None, *HOPS):
        with Tagger(hop_seconds=hop) as tagger:
            results = [result for result in tagger.tag_many(paths) if hasattr(result, "taggram")]
        scores[hop] = np.stack([result.scores for result in results])
        embeddings[hop] = np.stack([result.embedding for result in results])
    seconds = sum(result.duration for result in results)
    lines = [
        "## A part against the whole",
        "",
        f"{len(results)} tracks, {seconds / 60:.0f} minutes; preset standard, chunks of 3 s.",
        "",
        f"| a chunk of every | mean difference of scores | 99th percentile | correlation | same top {TOP} tags "
        "| cosine of embeddings, mean (lowest) | same 3 nearest tracks |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    whole, base = scores[None], embeddings[None]
    for hop in HOPS:
        gap = np.abs(scores[hop] - whole)
        same = np.mean([shared(a, b, TOP) for a, b in zip(scores[hop], whole, strict=True)])
        cosine = (unit(embeddings[hop]) * unit(base)).sum(axis=1)
        near = np.mean([shared(a, b, 3) for a, b in zip(others(embeddings[hop]), others(base), strict=True)])
        lines.append(
            f"| {hop:g} s | {gap.mean():.4f} | {np.quantile(gap, 0.99):.3f} "
            f"| {np.corrcoef(scores[hop].ravel(), whole.ravel())[0, 1]:.4f} | {same:.0%} "
            f"| {cosine.mean():.4f} ({cosine.min():.4f}) | {near:.0%} |"
        )
    return [*lines, ""]


def shared(a: np.ndarray, b: np.ndarray, n: int) -> float:
    return len(set(np.argsort(-a)[:n]) & set(np.argsort(-b)[:n])) / n


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def others(x: np.ndarray) -> np.ndarray:
    similarity = unit(x) @ unit(x).T
    np.fill_diagonal(similarity, -1)
    return similarity


def make_tracks(paths: list[str], folder: Path, n: int) -> None:
    """Make tracks of four minutes: each begins elsewhere in the music."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = MINUTES * 60 * RATE
    for i in range(n):
        target = folder / f"{i:03d}.mp3"
        if target.exists():
            continue
        waveform, _ = read(paths[i % len(paths)], sample_rate=RATE, mono=False)
        stereo = np.broadcast_to(waveform, (2, waveform.shape[1])) if len(waveform) == 1 else waveform[:2]
        stereo = np.roll(stereo, -(i // len(paths) + 1) * 7 * RATE, axis=1)
        repeated = np.tile(stereo, (1, -(-wanted // stereo.shape[1])))[:, :wanted]
        soundfile.write(target, repeated.T, RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.5)


def throughput(folder: Path, n: int, scratch: Path) -> list[str]:
    """Add the folder as a user would."""
    lines = [
        "## Adding whole tracks",
        "",
        f"{n} mp3 files of {MINUTES} minutes, 44.1 kHz stereo, by `earmark library add`, {cpu_count()} processes; the "
        "time is that of the whole command.",
        "",
        "| setting | seconds | seconds a track | times real time | 100,000 tracks of 4 minutes |",
        "|---|---:|---:|---:|---:|",
    ]
    for setting in ("", "--whole"):
        catalogue = scratch / f"catalogue{setting}"
        command = [sys.executable, "-m", "earmark", "library", "add", str(folder), "--library", str(catalogue), "-q"]
        begun = time.perf_counter()
        subprocess.run([*command, *setting.split()], check=True)
        elapsed = time.perf_counter() - begun
        name = "whole" if setting else f"a chunk of every {FAST_HOP_SECONDS:g} s (default)"
        lines.append(
            f"| {name} | {elapsed:.1f} | {elapsed / n:.2f} | {n * MINUTES * 60 / elapsed:,.0f} "
            f"| {100_000 * elapsed / n / 3600:.1f} h |"
        )
        begun = time.perf_counter()
        subprocess.run(command, check=True)
        again = time.perf_counter() - begun
        shutil.rmtree(catalogue)
    return [*lines, "", f"The same command again, with nothing new: {again:.1f} s.", ""]


def stages(paths: list[Path]) -> list[str]:
    """Time each stage alone, in this process and one thread."""
    waveforms = [read(path, sample_rate=16000)[0] for path in paths]
    half = round(WINDOW_SECONDS * 8000)
    windows = [waveform[len(waveform) // 2 - half : len(waveform) // 2 + half] for waveform in waveforms]
    rows = {
        "identity (hash of the audio stream)": lambda i: content_id(str(paths[i])),
        "tags of the file": lambda i: read_tags(str(paths[i])),
        "decode, mix, resample to 16 kHz": lambda i: decode(paths[i]),
        f"tempo ({WINDOW_SECONDS:g} s)": lambda i: estimate_tempo(windows[i], 16000),
        f"key ({WINDOW_SECONDS:g} s)": lambda i: estimate_key(windows[i], 16000),
        "fingerprint": lambda i: fingerprint(waveforms[i], 16000),
    }
    lines = [
        "## Where the time goes",
        "",
        "One process, seconds of CPU a track.",
        "",
        "| stage | seconds |",
        "|---|---:|",
    ]
    for name, work in rows.items():
        lines.append(f"| {name} | {per_track(work, len(paths)):.3f} |")
    for hop, name in ((FAST_HOP_SECONDS, "default"), (None, "whole")):
        with Tagger(hop_seconds=hop, threads=1) as tagger:
            spent = per_track(lambda i: tagger.tag(paths[i]), len(paths))
        lines.append(f"| decode and network, {name} | {spent:.3f} |")
    return lines


def decode(path: Path) -> None:
    with open_audio(path, sample_rate=16000) as reader:
        for _ in reader.blocks():
            pass


def per_track(work, n: int) -> float:
    work(0)  # warm
    begun = time.process_time()
    for i in range(n):
        work(i)
    return (time.process_time() - begun) / n


if __name__ == "__main__":
    main()
