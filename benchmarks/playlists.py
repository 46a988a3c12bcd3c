"""How well playlists and paths flow, whether they keep their promises, and how long they take.

    python benchmarks/playlists.py hear MUSIC_FOLDER PHRASES_FOLDER CACHE.npz
    python benchmarks/playlists.py copies MUSIC_FOLDER CACHE.npz
    python benchmarks/playlists.py measure CACHE.npz [--rows 10000 --rows 100000 --rows 1000000] [--output FILE.md]

`hear` tags every file of both folders with the preset "standard"; files of the first that last longer than 35 s are cut
into pieces of 10 s, whose artist is the file. The artist of a phrase is its instrument, the name up to the first "_".
`copies` measures how far copies of one recording lie apart, and how near different ones. Larger catalogues are made of
these rows: a random row, mixed with another one (0 to 50 %), and noise.

Times are CPU time, which another process on the machine does not stretch much; run it with one thread
(OMP_NUM_THREADS=1). Steps are distances of search vectors of unit length (`earmark.library.vectors`): 0 to 2. Every
list has 25 songs.
"""

import argparse
import itertools
import platform
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

import earmark
from earmark.audio import io as earmark_io
from earmark.audio.io import open_audio
from earmark.batch import find_audio
from earmark.errors import EarmarkError
from earmark.library.playlists.between import path_between
from earmark.library.playlists.candidates import Candidates
from earmark.library.playlists.making import make_playlist
from earmark.library.playlists.moods import Trajectory, Waypoint, parse_trajectory, percentiles
from earmark.library.playlists.plan import Weights, between
from earmark.library.playlists.smoothness import smoothness
from earmark.library.vectors import search_vector
from earmark.parallel import cpu_count
from earmark.tagger import PRESETS

PIECE, LEAST, LONG = 10.0, 6.0, 35.0
COPIES = (
    ("as it is", ".wav", None, 1.0),
    ("Vorbis, compression level 0.9 of 1", ".ogg", 0.9, 1.0),
    ("mp3, compression level 0.9 of 1", ".mp3", 0.9, 1.0),
    ("half as loud", ".wav", None, 0.5),
)
N_SEEDS, N_SONGS = 100, 25
PARTS = [(model, 200) for model in PRESETS["standard"]]

List = Sequence[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    hear_options = commands.add_parser("hear")
    hear_options.add_argument("music")
    hear_options.add_argument("phrases")
    hear_options.add_argument("cache", type=Path)
    copies_options = commands.add_parser("copies")
    copies_options.add_argument("music")
    copies_options.add_argument("cache", type=Path)
    measure_options = commands.add_parser("measure")
    measure_options.add_argument("cache", type=Path)
    measure_options.add_argument("--rows", type=int, action="append", default=[])
    measure_options.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.command == "hear":
        hear(options.music, options.phrases, options.cache)
        return
    lines = (
        copies(options.music, options.cache) if options.command == "copies" else measure(options.cache, options.rows)
    )
    text = "\n".join(lines) + "\n"
    print(text)
    if options.command == "measure" and options.output:
        options.output.write_text(text, encoding="utf-8")


def hear(music: str, phrases: str, cache: Path) -> None:
    jobs: list[tuple[str, float, float | None, str]] = [
        (path, 0.0, None, Path(path).name.split("_")[0]) for path in find_audio([phrases])
    ]
    for path in find_audio([music]):
        with open_audio(path) as reader:
            seconds = reader.info.duration or 0.0
        starts = np.arange(0, seconds - LEAST, PIECE) if seconds > LONG else [0.0]
        jobs += [(path, float(start), PIECE if seconds > LONG else None, Path(path).name) for start in starts]
    embeddings, scores, artists = [], [], []
    with earmark.Tagger(threads=1) as tagger:
        for path, start, seconds, artist in jobs:
            try:
                heard = tagger.tag(path, offset=start, duration=seconds)
            except EarmarkError as error:
                print(error)
                continue
            embeddings.append(heard.embedding)
            scores.append(heard.scores)
            artists.append(artist)
            tags = heard.vocabulary
    np.savez(cache, embeddings=np.array(embeddings), scores=np.array(scores), artists=artists, tags=tags)


def copies(music: str, cache: Path) -> list[str]:
    """Distances of a minute of each file from the same minute, coded and cut otherwise."""
    embeddings: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder, earmark.Tagger(threads=1) as tagger:
        for path in find_audio([music]):
            waveform, rate = earmark_io.read(path, duration=60.0)
            for name, suffix, level, gain in COPIES:
                copy = Path(folder) / f"copy{suffix}"
                write(copy, gain * np.atleast_2d(waveform).T, rate, level)
                embeddings.setdefault(name, []).append(tagger.embed(copy))
            embeddings.setdefault("begins 1.3 s later", []).append(tagger.embed(path, offset=1.3, duration=58.7))
    vectors = {name: search_vector(np.array(each), PARTS) for name, each in embeddings.items()}
    first = vectors.pop("as it is")
    lines = [f"{len(first)} recordings.\n", "| copy | nearest | median | farthest |", "|---|---:|---:|---:|"]
    for name, each in vectors.items():
        apart = np.linalg.norm(each - first, axis=1)
        lines.append(f"| {name} | {apart.min():.3f} | {np.median(apart):.3f} | {apart.max():.3f} |")
    with np.load(cache) as stored:
        heard = search_vector(stored["embeddings"], PARTS)
        n_phrases = sum("." not in artist for artist in stored["artists"].tolist())
    for name, each in (("another recording", first), ("another phrase", heard[:n_phrases])):
        apart = np.linalg.norm(each[:, None] - each[None], axis=2) + 9 * np.eye(len(each))
        nearest = apart.min(axis=1)
        lines.append(f"| {name}, nearest | {nearest.min():.3f} | {np.median(nearest):.3f} | {nearest.max():.3f} |")
    return lines


def write(path: Path, samples: np.ndarray, rate: int, level: float | None) -> None:
    """Write a file in blocks: libsndfile's Vorbis encoder overflows the stack on long ones."""
    with soundfile.SoundFile(path, "w", rate, samples.shape[1], compression_level=level) as file:
        for begin in range(0, len(samples), 8192):
            file.write(samples[begin : begin + 8192])


def measure(cache: Path, sizes: Sequence[int]) -> list[str]:
    with np.load(cache) as stored:
        vectors = search_vector(stored["embeddings"], PARTS)
        artists = [str(artist) for artist in stored["artists"]]
        scores = dict(zip(stored["tags"].tolist(), stored["scores"].T, strict=True))
    durations = np.random.default_rng(7).lognormal(np.log(220), 0.35, size=len(vectors))
    tracks = Candidates(vectors, durations, artists, scores=scores)
    lines = [heading(tracks), "## Lists\n", *lists(tracks)]
    lines += ["\n## Moods\n", *moods(tracks), "\n## Minutes\n", *minutes(tracks), "\n## Paths\n", *paths(tracks)]
    if sizes:
        lines += ["\n## Larger catalogues\n", *larger(tracks, sizes)]
    return lines


def heading(tracks: Candidates) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    apart = smoothness(tracks.vectors, np.random.default_rng(0).permutation(len(tracks)).tolist()).mean
    return (
        f"# Playlists and paths\n\n{platform.machine()}, {cpu_count()} CPUs, CPU time of one thread, Python "
        f"{platform.python_version()}, commit {commit.stdout.strip()}. {len(tracks)} rows of {tracks.vectors.shape[1]} "
        f"numbers by {len(set(tracks.artists or ()))} artists, {apart:.2f} apart on average. {N_SEEDS} seeds or pairs, "
        f"{N_SONGS} songs unless something else is said.\n"
    )


def seeds_of(tracks: Candidates, n: int = N_SEEDS) -> list[int]:
    return np.random.default_rng(1).choice(len(tracks), n, replace=False).tolist()


def lists(tracks: Candidates) -> list[str]:
    vectors = tracks.vectors
    rng = np.random.default_rng(2)

    def chance(seed: int) -> list[int]:
        return [seed, *(row for row in rng.choice(len(vectors), N_SONGS, replace=False).tolist() if row != seed)][:25]

    def by_distance(seed: int) -> list[int]:
        return np.argsort(-(vectors @ vectors[seed]))[:N_SONGS].tolist()

    def shuffled(seed: int) -> list[int]:
        return [seed, *rng.permutation([row for row in by_distance(seed) if row != seed]).tolist()]

    def walk(seed: int) -> list[int]:
        order = [seed]
        while len(order) < N_SONGS:
            similar = vectors @ vectors[order[-1]]
            similar[order] = -2
            order.append(int(similar.argmax()))
        return order

    ways: dict[str, Callable[[int], list[int]]] = {
        "songs drawn at random": chance,
        "the 25 nearest, shuffled": shuffled,
        "the 25 nearest, nearest first": by_distance,
        "always on to the nearest song left": walk,
        "`make_playlist(no_repeat_artist=0)`": lambda seed: make_playlist(tracks, [seed], no_repeat_artist=0),
        "`make_playlist()`": lambda seed: make_playlist(tracks, [seed]),
        "`make_playlist(no_repeat_artist=3)`": lambda seed: make_playlist(tracks, [seed], no_repeat_artist=3),
        "... with `Weights(smooth=0)`": lambda seed: make_playlist(
            tracks, [seed], no_repeat_artist=3, weights=Weights(smooth=0)
        ),
    }
    lines = [
        "| list | mean step | largest step | distance to the seed | artist again within 3 | ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, way in ways.items():
        begun = time.process_time()
        made = [way(seed) for seed in seeds_of(tracks)]
        seconds = time.process_time() - begun
        flow = [smoothness(vectors, order) for order in made]
        away = np.mean([np.linalg.norm(vectors[order[1:]] - vectors[order[0]], axis=1).mean() for order in made])
        again = np.mean([n_again(tracks, order) / len(order) for order in made])
        lines.append(
            f"| {name} | {np.mean([one.mean for one in flow]):.3f} | {np.mean([one.largest for one in flow]):.3f} | "
            f"{away:.3f} | {again:.0%} | {1000 * seconds / len(made):.0f} |"
        )
    return lines


def n_again(tracks: Candidates, order: List) -> int:
    artists = [(tracks.artists or ())[row] for row in order]
    return sum(artists[i] in artists[max(0, i - 3) : i] for i in range(len(artists)))


def moods(tracks: Candidates) -> list[str]:
    wanted = [
        Trajectory((Waypoint("sad", 0.2), Waypoint("sad", 0.9))),
        parse_trajectory("chillout:0.9..dance:0.9", tags=tracks.scores),
        parse_trajectory("piano:0.9..guitar:0.9..piano:0.9", tags=tracks.scores),
    ]
    lines = [
        "| mood | off, no mood asked | off | mean step | mean step, no mood asked |",
        "|---|---:|---:|---:|---:|",
    ]
    for mood in wanted:
        levels = {tag: percentiles(tracks.scores[tag]) for tag in mood.tags}
        targets = mood.targets(np.linspace(0, 1, N_SONGS))
        off, step = {}, {}
        for asked in ((), (mood,)):
            made = [make_playlist(tracks, [seed], moods=asked) for seed in seeds_of(tracks)]
            off[asked] = np.mean(
                [
                    sum(weight * np.abs(levels[tag][order] - level) for tag, (level, weight) in targets.items())[1:]
                    for order in made
                ]
            )
            step[asked] = np.mean([smoothness(tracks.vectors, order).mean for order in made])
        text = "..".join(f"{point.tag}:{point.level}" for point in mood.points)
        lines.append(f"| {text} | {off[()]:.3f} | {off[(mood,)]:.3f} | {step[(mood,)]:.3f} | {step[()]:.3f} |")
    return [*lines, "", "Off: mean distance of a song's place in the catalogue from the one asked for, 0 to 1."]


def minutes(tracks: Candidates) -> list[str]:
    assert tracks.durations is not None
    lines = ["| minutes | songs | mean seconds off | largest, in songs | ms |", "|---:|---:|---:|---:|---:|"]
    for wanted in (15, 60, 180, 480):
        begun = time.process_time()
        made = [make_playlist(tracks, [seed], minutes=wanted) for seed in seeds_of(tracks, 20)]
        seconds = (time.process_time() - begun) / len(made)
        off = np.array([abs(tracks.durations[order].sum() - 60 * wanted) for order in made])
        songs = off / [tracks.durations[order].mean() for order in made]
        n = np.mean([len(order) for order in made])
        lines.append(f"| {wanted} | {n:.0f} | {off.mean():.0f} | {songs.max():.2f} | {1000 * seconds:.0f} |")
    return [*lines, "", "Durations are drawn (log-normal, median 220 s)."]


def paths(tracks: Candidates) -> list[str]:
    vectors = tracks.vectors
    squared = np.maximum(2 - 2 * vectors @ vectors.T, 0)
    pairs = np.random.default_rng(3).choice(len(vectors), (N_SEEDS, 2), replace=False).tolist()
    lines = [
        "| songs | way | largest step | mean step | variation | ms |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for n in (5, 10, 25):
        bound = np.mean([lower_bound(squared, a, b, n) for a, b in pairs])
        for name, way in (("nearest song left to points on the arc", nearest_to_arc), ("`path_between`", path_between)):
            begun = time.process_time()
            made = [way(vectors, a, b, n) for a, b in pairs]
            seconds = time.process_time() - begun
            flow = [smoothness(vectors, path) for path in made]
            lines.append(
                f"| {n} | {name} | {np.mean([one.largest for one in flow]):.3f} | "
                f"{np.mean([one.mean for one in flow]):.3f} | {np.mean([one.variation for one in flow]):.2f} | "
                f"{1000 * seconds / len(made):.0f} |"
            )
        lines.append(f"| {n} | no path can do better | {bound:.3f} | | | |")
    return lines


def nearest_to_arc(vectors: np.ndarray, a: int, b: int, n: int) -> list[int]:
    """The usual way: points evenly on the arc, and the nearest song to each that is not taken yet."""
    taken = [a, b]
    for point in between(vectors[a], vectors[b], np.linspace(0, 1, n)[1:-1, None]):
        similar = vectors @ point
        similar[taken] = -2
        taken.append(int(similar.argmax()))
    return [a, *taken[2:], b]


def lower_bound(squared: np.ndarray, a: int, b: int, n: int) -> float:
    """The smallest largest step of any walk of n songs, repeats allowed."""
    least = np.full(len(squared), np.inf)
    least[a] = 0
    for _ in range(n - 1):
        least = np.maximum(least[:, None], squared).min(axis=0)
    return float(np.sqrt(least[b]))


def larger(tracks: Candidates, sizes: Sequence[int]) -> list[str]:
    lines = [
        "| rows | list | mean step | largest | path | largest step of a path | moods, 60 minutes, rule | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for n in sizes:
        many = grown(tracks, n)
        chosen = np.random.default_rng(5).choice(n, 6, replace=False).tolist()
        times: dict[str, list[float]] = {"list": [], "path": [], "all": []}
        flow, way = [], []
        asked = [parse_trajectory("chillout:0.9..dance:0.9")]
        for seed, other in itertools.pairwise(chosen):
            begun = time.process_time()
            flow.append(smoothness(many.vectors, make_playlist(many, [seed])))
            times["list"].append(time.process_time() - begun)
            begun = time.process_time()
            way.append(smoothness(many.vectors, path_between(many.vectors, seed, other)).largest)
            times["path"].append(time.process_time() - begun)
            begun = time.process_time()
            make_playlist(many, [seed], moods=asked, minutes=60, no_repeat_artist=3)
            times["all"].append(time.process_time() - begun)
        took = {name: np.median(each) for name, each in times.items()}
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        lines.append(
            f"| {n:,} | {took['list']:.2f} s | {np.mean([one.mean for one in flow]):.3f} | "
            f"{np.mean([one.largest for one in flow]):.3f} | {took['path']:.2f} s | {np.mean(way):.3f} | "
            f"{took['all']:.2f} s | {memory:.1f} GB |"
        )
    return [*lines, "", "Medians of five. Memory: the most that the process held, the vectors among it."]


def grown(tracks: Candidates, n: int) -> Candidates:
    """Make a catalogue of n tracks from real ones."""
    rng = np.random.default_rng(4)
    vectors = np.empty((n, tracks.vectors.shape[1]), np.float32)
    scores = {tag: np.empty(n, np.float32) for tag in ("chillout", "dance")}
    for begin in range(0, n, 50_000):
        size = min(50_000, n - begin)
        one, two = rng.integers(len(tracks), size=(2, size))
        share = rng.uniform(0, 0.5, size=(size, 1)).astype(np.float32)
        mixed = (1 - share) * tracks.vectors[one] + share * tracks.vectors[two]
        mixed += 0.015 * rng.standard_normal(mixed.shape, dtype=np.float32)
        vectors[begin : begin + size] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        for tag, values in scores.items():
            real = tracks.scores[tag]
            values[begin : begin + size] = (1 - share[:, 0]) * real[one] + share[:, 0] * real[two]
    artists = [f"Artist {i}" for i in rng.integers(max(1, n // 12), size=n).tolist()]
    return Candidates(vectors, rng.lognormal(np.log(220), 0.35, size=n), artists, scores=scores)


if __name__ == "__main__":
    main()
