"""Which copies of a recording are found, which other recordings are taken for copies, and how it scales.

    python benchmarks/duplicates.py found MUSIC_FOLDER
    python benchmarks/duplicates.py false FOLDER [FOLDER ...]
    python benchmarks/duplicates.py cost SONG
    python benchmarks/duplicates.py scale MUSIC_FOLDER --tracks 10000 --tracks 100000

`found` changes every track in many ways, and looks for the changed ones among all originals. `false` compares every
pair of tracks. `scale` makes libraries of pieces of real fingerprints. Each prints a table in Markdown.
"""

import argparse
import io
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from earmark.audio.fingerprint import FRAME_SECONDS, Fingerprint, compare, fingerprint
from earmark.audio.io import AUDIO_SUFFIXES, read
from earmark.library import duplicates
from earmark.library.duplicates import find_duplicates
from earmark.parallel import cpu_count

Samples = NDArray[np.float32]
RATE = 44100  # Hz, at which tracks are changed
HEARD_AT = 16000  # Hz, of the decode that fingerprints share with the tagger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("found").add_argument("folder", type=Path)
    parts.add_parser("false").add_argument("folders", type=Path, nargs="+")
    parts.add_parser("cost").add_argument("song", type=Path)
    scale = parts.add_parser("scale")
    scale.add_argument("folder", type=Path)
    scale.add_argument("--tracks", type=int, action="append", required=True)
    options = parser.parse_args()
    print(heading())
    if options.part == "found":
        found(files_in(options.folder))
    elif options.part == "false":
        false_matches([path for folder in options.folders for path in files_in(folder)])
    elif options.part == "cost":
        cost(options.song)
    else:
        pool = [of_file(path) for path in files_in(options.folder)]
        print("| tracks | hours | seconds | of CPU | memory, MB | " + " | ".join(KINDS) + " | false |")
        print("|--:|--:|--:|--:|--:|" + "--:|" * (len(KINDS) + 1))
        for n_tracks in options.tracks:
            scaled(pool, n_tracks)


def heading() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    return (
        f"{platform.machine()}, {cpu_count()} CPUs, Python {platform.python_version()}, numpy {np.__version__}, "
        f"commit {commit.stdout.strip()}.\n"
    )


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)


def of_file(path: Path) -> Fingerprint:
    return fingerprint(*read(path, sample_rate=HEARD_AT))


# Changes: each takes a waveform at RATE, and returns one with its rate.


def through_av(codec: str, container: str, bit_rate: int, rate: int = RATE) -> Callable[[Samples], tuple[Samples, int]]:
    def change(samples: Samples) -> tuple[Samples, int]:
        import av

        file = io.BytesIO()
        with av.open(file, "w", format=container) as output:
            stream = output.add_stream(codec, rate=rate, layout="mono", bit_rate=bit_rate)
            resampler = av.AudioResampler(
                format=stream.format, layout="mono", rate=rate, frame_size=stream.codec_context.frame_size or 1024
            )
            pcm = (np.clip(soxr.resample(samples, RATE, rate), -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
            frame.rate = rate
            position = 0
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                piece.pts = position
                position += piece.samples
                output.mux(stream.encode(piece))
            output.mux(stream.encode(None))
        return read(file.getvalue(), sample_rate=HEARD_AT)

    return change


def through_soundfile(container: str, subtype: str, level: float) -> Callable[[Samples], tuple[Samples, int]]:
    def change(samples: Samples) -> tuple[Samples, int]:
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", RATE, 1, subtype, format=container, compression_level=level) as sound:
            for start in range(0, len(samples), 1 << 16):
                sound.write(samples[start : start + (1 << 16)])
        return read(file.getvalue(), sample_rate=HEARD_AT)

    return change


def plain(change: Callable[[Samples], Samples]) -> Callable[[Samples], tuple[Samples, int]]:
    return lambda samples: (change(samples).astype(np.float32), RATE)


def from_second(start: float, seconds: float | None = None) -> Callable[[Samples], tuple[Samples, int]]:
    stop = None if seconds is None else round((start + seconds) * RATE)
    return plain(lambda samples: samples[round(start * RATE) : stop])


def middle(seconds: float) -> Callable[[Samples], tuple[Samples, int]]:
    lossy = through_av("libmp3lame", "mp3", 128000)

    def change(samples: Samples) -> tuple[Samples, int]:
        start = max(len(samples) // 2 - round(seconds / 2 * RATE), 0)
        return lossy(samples[start : start + round(seconds * RATE)])

    return change


def equalised(samples: Samples, bass: float, treble: float) -> Samples:
    """Gain in dB below about 200 Hz and above about 4 kHz, smooth in between."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    low = 1 / (1 + (frequency / 200) ** 2)
    high = 1 / (1 + (4000 / np.maximum(frequency, 1)) ** 2)
    return np.fft.irfft(spectrum * 10 ** ((bass * low + treble * high) / 20), len(samples)).astype(np.float32)


def compressed(samples: Samples) -> Samples:
    """Level above 6 dB below the mean brought to a quarter, attack and release 50 ms, and up to full scale."""
    power = np.convolve(samples.astype(float) ** 2, np.hanning(4410) / np.hanning(4410).sum(), "same")
    over = np.maximum(10 * np.log10((power + 1e-9) / (np.mean(power) + 1e-9)) + 6, 0)
    out = samples * 10 ** (-0.75 * over / 20)
    return (0.99 * out / np.abs(out).max()).astype(np.float32)


def with_noise(samples: Samples, snr: float) -> Samples:
    noise = np.random.default_rng(1).standard_normal(len(samples))
    return (samples + noise * np.sqrt(np.mean(samples**2)) * 10 ** (-snr / 20)).astype(np.float32)


def faded(samples: Samples) -> Samples:
    curve = np.ones(len(samples))
    curve[: 3 * RATE] = np.linspace(0, 1, 3 * RATE)
    curve[-6 * RATE :] *= np.linspace(1, 0, 6 * RATE)
    return (samples * curve).astype(np.float32)


def in_a_room(samples: Samples) -> Samples:
    n = round(0.6 * RATE)
    tail = 0.02 * np.random.default_rng(3).standard_normal(n) * np.exp(-6 * np.arange(n) / n)
    tail[0] = 1
    size = len(samples) + n
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)].astype(np.float32)


def with_drums(samples: Samples) -> Samples:
    out = samples.copy()
    t = np.arange(round(0.15 * RATE)) / RATE
    noise = np.random.default_rng(2).standard_normal(len(t))
    hit = 0.5 * np.sin(2 * np.pi * 70 * t) * np.exp(-20 * t) + 0.25 * noise * np.exp(-40 * t)
    for start in range(0, len(out) - len(hit), RATE // 2):
        out[start : start + len(hit)] += hit.astype(np.float32)
    return out


def faster(percent: float) -> Callable[[Samples], tuple[Samples, int]]:
    return plain(lambda samples: soxr.resample(samples, 1 + percent / 100, 1.0))


CHANGES: dict[str, Callable[[Samples], tuple[Samples, int]]] = {
    "mp3, 320 kbit/s": through_av("libmp3lame", "mp3", 320000),
    "mp3, 128 kbit/s": through_av("libmp3lame", "mp3", 128000),
    "mp3, 64 kbit/s": through_av("libmp3lame", "mp3", 64000),
    "mp3, 32 kbit/s, 22.05 kHz": through_av("libmp3lame", "mp3", 32000, 22050),
    "mp3, libsndfile, level 0.9": through_soundfile("MP3", "MPEG_LAYER_III", 0.9),
    "vorbis, libsndfile, level 0.5": through_soundfile("OGG", "VORBIS", 0.5),
    "vorbis, libsndfile, level 1": through_soundfile("OGG", "VORBIS", 1.0),
    "aac, 96 kbit/s": through_av("aac", "adts", 96000),
    "aac, 48 kbit/s": through_av("aac", "adts", 48000),
    "opus, 64 kbit/s": through_av("libopus", "ogg", 64000, 48000),
    "opus, 24 kbit/s": through_av("libopus", "ogg", 24000, 48000),
    "wma, 64 kbit/s": through_av("wmav2", "asf", 64000),
    "8 kHz": lambda samples: (soxr.resample(samples, RATE, 8000), 8000),
    "20 dB less, 16 bits": plain(lambda samples: np.round(samples * 3276.8) / 32768),
    "9 dB too loud, clipped": plain(lambda samples: np.clip(2.8 * samples / np.abs(samples).max(), -1, 1)),
    "bass + 6 dB": plain(lambda samples: equalised(samples, 6, 0)),
    "bass - 6 dB, treble + 6 dB": plain(lambda samples: equalised(samples, -6, 6)),
    "31 ms cut off": from_second(0.031),
    "64 ms cut off (half a frame)": from_second(0.064),
    "1.23 s cut off": from_second(1.2345),
    "faded in and out": plain(faded),
    "30 s of the middle, mp3, 128 kbit/s": middle(30),
    "10 s of the middle, mp3, 128 kbit/s": middle(10),
    "noise 20 dB below": plain(lambda samples: with_noise(samples, 20)),
    "noise 10 dB below": plain(lambda samples: with_noise(samples, 10)),
    "another mastering: 4:1 compressor": plain(compressed),
    "another mastering: compressor, + 3 dB, + 4 dB": plain(lambda samples: compressed(equalised(samples, 3, 4))),
    "a room": plain(in_a_room),
    "drums added": plain(with_drums),
    "0.05 % faster": faster(0.05),
    "0.2 % faster": faster(0.2),
    "0.5 % faster": faster(0.5),
    "1 % faster": faster(1),
    "3 % faster": faster(3),
}
VOICES = (-20, -12, -9, -6, -3, 0)  # dB, of another track that is added


def found(files: Sequence[Path]) -> None:
    changed: dict[str, list[Fingerprint]] = {}
    before = read(files[-1], sample_rate=RATE)[0]
    for path in files:
        samples = read(path, sample_rate=RATE)[0]
        for name, words in changes_of(samples, before):
            changed.setdefault(name, []).append(words)
        before = samples
    report(changed)


def changes_of(samples: Samples, other: Samples) -> Iterator[tuple[str, Fingerprint]]:
    """Yield the fingerprint as it is, named "", and after every change."""
    yield "", fingerprint(*heard(samples, RATE))
    for name, change in CHANGES.items():
        yield name, fingerprint(*heard(*change(samples)))
    for level in VOICES:
        both = mixed(samples, other, level)[round(0.064 * RATE) :]
        yield f"another track added, {level} dB", fingerprint(*heard(both, RATE))


def report(changed: dict[str, list[Fingerprint]]) -> None:
    originals = changed.pop("")
    n = len(originals)
    print(f"{n} tracks, {sum(map(len, originals)) * FRAME_SECONDS / 60:.0f} min.\n")
    print("| change | found | wrongly | settled bits that differ, median | highest | all bits, median | same words |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, prints in changed.items():
        ids = [*(f"{i} original" for i in range(n)), *(f"{i} changed" for i in range(n))]
        groups = find_duplicates(ids, [*originals, *prints])
        pairs = {
            tuple(sorted((int(each.id.split()[0]), int(each.of.split()[0]))))
            for group in groups
            for each in group.duplicates
        }
        n_found = sum(i == j for i, j in pairs)
        matches = [compare(*both) for both in zip(originals, prints, strict=True)]
        rates = [match.bit_error_rate for match in matches]
        raw = [plain_errors(a, b, match.offset_seconds) for a, b, match in zip(originals, prints, matches, strict=True)]
        print(
            f"| {name} | {n_found} of {n} | {len(pairs) - n_found} | {np.median(rates):.4f} | {max(rates):.4f} | "
            f"{np.median([rate for rate, _ in raw]):.3f} | {np.median([same for _, same in raw]):.0%} |"
        )


def heard(samples: Samples, rate: int) -> tuple[Samples, int]:
    return soxr.resample(samples, rate, HEARD_AT), HEARD_AT


def mixed(samples: Samples, other: Samples, level: float) -> Samples:
    """Both at the same mean level, the other one `level` dB louder."""
    other = np.resize(other, len(samples))
    parts = [each / np.sqrt(np.mean(each**2)) for each in (samples, other)]
    return (0.1 * (parts[0] + 10 ** (level / 20) * parts[1])).astype(np.float32)


def plain_errors(a: Fingerprint, b: Fingerprint, offset_seconds: float) -> tuple[float, float]:
    """Return the share of all bits that differ, and of words that are the same."""
    offset = round(offset_seconds / FRAME_SECONDS)
    first, second = a[max(offset, 0) :], b[max(-offset, 0) :]
    n = min(len(first), len(second))
    first, second = first[:n], second[:n]
    is_heard = (first != 0) & (second != 0)
    differing = np.unpackbits((first ^ second)[is_heard].view(np.uint8)).mean()
    return float(differing), float((first == second)[is_heard].mean())


def false_matches(files: Sequence[Path]) -> None:
    prints = [of_file(path) for path in files]
    least = round(3 / FRAME_SECONDS)
    heard_frames = [int(np.count_nonzero(each)) for each in prints]
    usable = [i for i, n in enumerate(heard_frames) if n >= least]
    minutes = sum(heard_frames) * FRAME_SECONDS / 60
    print(f"{len(files)} files, {minutes:.0f} min of words; {len(usable)} with 3 s of words or more.\n")
    loose = duplicates._Limits(least, 1.0)
    near = []
    for k, i in enumerate(usable):
        for j in usable[:k]:
            evidence = duplicates._relate(prints[i], prints[j], loose)
            if evidence is not None:
                common = evidence.n_frames * FRAME_SECONDS
                near.append((evidence.bit_error_rate, common, evidence.relation, files[i].name, files[j].name))
    near.sort()
    print("| settled bits that differ | pairs with less than 10 s in common | with more |")
    print("|--:|--:|--:|")
    for limit in (0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.15):
        short = sum(rate <= limit and common < 10 for rate, common, *_ in near)
        print(f"| {limit} or less | {short} | {sum(rate <= limit for rate, *_ in near) - short} |")
    taken = sum(rate <= 0.03 * min(common / 10, 1) for rate, common, *_ in near)
    n_pairs = len(usable) * (len(usable) - 1) // 2
    print(f"\n{n_pairs:,} pairs, of which {taken} are taken for copies. The nearest:\n")
    for rate, common, relation, one, other in near[:25]:
        print(f"- {rate:.4f} of {common:.1f} s, {relation}: {one}, {other}")


def cost(song: Path) -> None:
    samples, rate = read(song, sample_rate=HEARD_AT)
    rng = np.random.default_rng(0)
    long = rng.integers(1, 1 << 32, round(36000 / FRAME_SECONDS), dtype=np.uint32)
    short = long[100000:102000].copy()
    print("| | seconds of CPU |\n|---|--:|")
    per_minute = seconds(lambda: fingerprint(samples, rate)) / (len(samples) / rate / 240)
    print(f"| fingerprint of four minutes | {per_minute:.4f} |")
    print(f"| two of 2,000 frames laid over each other | {seconds(lambda: compare(short, long[:2000])):.4f} |")
    print(f"| four minutes in a mix of ten hours | {seconds(lambda: compare(long, short)):.4f} |")
    print(f"| two mixes of ten hours | {seconds(lambda: compare(long, np.roll(long, 99)), rounds=1):.4f} |")


def seconds(work: Callable[[], object], rounds: int = 7) -> float:
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent)


KINDS = ("copies found", "excerpts of 30 s found", "longer versions found")
PIECE = 8  # frames, of real fingerprints from which libraries are made: 1 s
MASK = 12  # bits of a word that are turned, the same ones in a piece


def scaled(pool: Sequence[Fingerprint], n_tracks: int) -> None:
    """Print how a library of `n_tracks` fares; a tenth are copies, of which a fifth are excerpts and a fifth longer.

    A track is made of pieces of real fingerprints, each with a pattern of twelve bits turned: so many pieces differ,
    and yet two tracks have a word in common about as often as real ones do.
    """
    rng = np.random.default_rng(0)
    real = np.concatenate([each[each != 0] for each in pool])
    lengths = np.clip(rng.lognormal(np.log(1875), 0.35, n_tracks), 230, 20000).astype(int)
    n_copies = n_tracks // 10
    is_copy = np.zeros(n_tracks, dtype=bool)
    is_copy[rng.choice(np.arange(1, n_tracks), n_copies, replace=False)] = True
    lengths[is_copy] = 0
    starts = np.concatenate([[0], np.cumsum(lengths)])
    originals = np.empty(starts[-1], dtype=np.uint32)
    for i in np.flatnonzero(~is_copy):
        originals[starts[i] : starts[i + 1]] = made(real, int(lengths[i]), rng)
    copies: dict[int, Fingerprint] = {}
    truth: dict[tuple[int, int], str] = {}
    chosen = rng.permutation(np.flatnonzero(~is_copy))[:n_copies]
    for i, of in zip(np.flatnonzero(is_copy).tolist(), chosen.tolist(), strict=True):
        track = changed_words(originals[starts[of] : starts[of + 1]], rng)
        kind = rng.choice(KINDS, p=[0.6, 0.2, 0.2])
        if kind == KINDS[1]:
            begin = int(rng.integers(0, max(len(track) - 235, 1)))
            track = track[begin : begin + 234]
        elif kind == KINDS[2]:
            track = np.concatenate([made(real, 300, rng), track, made(real, 200, rng)])
        copies[i], truth[min(i, of), max(i, of)] = track, str(kind)

    def reader(names: Sequence[str]) -> list[Fingerprint]:
        numbers = map(int, names)
        return [copies[i] if i in copies else originals[starts[i] : starts[i + 1]] for i in numbers]

    n_bytes = originals.nbytes + sum(each.nbytes for each in copies.values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, begun_cpu = time.perf_counter(), time.process_time()
    groups = find_duplicates([str(i) for i in range(n_tracks)], reader)
    wall, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    pairs = {tuple(sorted((int(each.id), int(each.of)))) for group in groups for each in group.duplicates}
    counts = [
        f"{sum(pair in pairs for pair, kind in truth.items() if kind == name)} of {list(truth.values()).count(name)}"
        for name in KINDS
    ]
    hours = n_bytes / 4 * FRAME_SECONDS / 3600
    print(
        f"| {n_tracks:,} | {hours:,.0f} | {wall:.0f} | {cpu:.0f} | {memory:.0f} | {' | '.join(counts)} | "
        f"{len(pairs - truth.keys())} |"
    )


def made(real: Fingerprint, n_frames: int, rng: np.random.Generator) -> Fingerprint:
    n_pieces = -(-n_frames // PIECE)
    begins = rng.integers(0, len(real) - PIECE, n_pieces)
    masks = rng.integers(0, 1 << MASK, (n_pieces, 1), dtype=np.uint32)
    return (real[begins[:, np.newaxis] + np.arange(PIECE)] ^ masks).ravel()[:n_frames]


def changed_words(words: Fingerprint, rng: np.random.Generator) -> Fingerprint:
    """A copy that begins half a frame later, with 1 % of its bits wrong for half a dozen frames each."""
    late = rng.integers(0, 1 << 32, len(words), dtype=np.uint32)
    out = (words & ~late) | (np.roll(words, -1) & late)
    n_errors = rng.binomial(32 * len(words), 0.01 / 6)
    begins, bits = rng.integers(0, len(words), n_errors), rng.integers(0, 32, n_errors, dtype=np.uint32)
    for ahead in range(6):
        np.bitwise_xor.at(out, np.minimum(begins + ahead, len(words) - 1), np.uint32(1) << bits)
    return out


if __name__ == "__main__":
    main()
