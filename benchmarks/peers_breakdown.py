"""Where the time goes, and the floors below it: decode, resample, front end, network, GEMM.

Runs in its own process (so that the number of threads is what it was told); reads a JSON list of
[path, seconds] on stdin and answers with one JSON object on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

SAMPLE_RATE = 16000
N_FRAMES = 187
N_MELS = 96


def network_macs() -> int:
    """Count the multiplications of MSD musicnn for one chunk of 187 frames; products with padding are not counted.

    Returns
    -------
    number of multiply-accumulate operations; mel spectrogram, pooling and batch norms excluded
    """

    def taps(kernel: int) -> int:
        left = (kernel - 1) // 2
        return sum(min(t - left + kernel, N_FRAMES) - max(t - left, 0) for t in range(N_FRAMES))

    timbral = sum(taps(7) * (N_MELS - height + 1) * height * 204 for height in (38, 67))
    temporal = sum(taps(width) * N_MELS * 51 for width in (128, 64, 32))
    middle = taps(7) * (561 * 64 + 2 * 64 * 64)
    head = 2 * (561 + 3 * 64) * 200 + 200 * 50
    return timbral + temporal + middle + head


def best_rate(run: Callable[[], object], operations: float, *, seconds: float = 2.0) -> float:
    """Return the highest rate, in operations/s, that `run` reaches within some seconds."""
    run()
    best, stop = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < stop:
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return operations / best


def numpy_gemm(size: int) -> float:
    """Return the float32 multiply-accumulate rate of numpy on square matrices, MAC/s."""
    import numpy as np

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    return best_rate(lambda: np.matmul(a, b, out=out), size**3)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: int | bytes | str) -> bytes:
    """Encode one protobuf field: a varint, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def matmul_model(size: int, weights: bytes) -> bytes:
    """Encode an ONNX model y = x @ W of float32 squares, without the onnx package (field numbers of onnx.proto)."""
    float32 = 1
    dim = _field(1, _field(1, size))
    kind = _field(1, _field(1, float32) + _field(2, dim + dim))

    def entry(name: str) -> bytes:
        return _field(1, name) + _field(2, kind)

    node = _field(1, "x") + _field(1, "w") + _field(2, "y") + _field(4, "MatMul")
    tensor = _field(1, size) + _field(1, size) + _field(2, float32) + _field(8, "w") + _field(9, weights)
    graph = _field(1, node) + _field(2, "matmul") + _field(5, tensor) + _field(11, entry("x")) + _field(12, entry("y"))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17))


def onnxruntime_gemm(size: int, threads: int) -> float:
    """Return the float32 multiply-accumulate rate of ONNX Runtime's MatMul, MAC/s."""
    import numpy as np
    import onnxruntime as ort

    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(matmul_model(size, w.tobytes()), options, providers=["CPUExecutionProvider"])
    return best_rate(lambda: session.run(None, {"x": x}), size**3)


def plain_blocks(path: str) -> Iterator[tuple[Any, int]]:
    """Decode with soundfile, or PyAV for what it cannot open; yield blocks (n_samples, n_channels) and their rate."""
    import soundfile

    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        yield from _av_blocks(path)
        return
    with file:
        for block in file.blocks(10 * file.samplerate, dtype="float32", always_2d=True):
            yield block, file.samplerate


def _av_blocks(path: str) -> Iterator[tuple[Any, int]]:
    import av

    with av.open(path) as container:
        stream = container.streams.audio[0]
        planar = av.AudioResampler(format="fltp")
        for frame in container.decode(stream):
            for part in planar.resample(frame):
                yield part.to_ndarray().T, part.sample_rate


def decode(path: str) -> None:
    """Decode a file and drop the samples."""
    for _ in plain_blocks(path):
        pass


def decode_and_resample(path: str) -> None:
    """Decode, mix to mono and resample to 16 kHz, by the libraries alone."""
    import soxr

    stream = None
    for block, rate in plain_blocks(path):
        mono = block.mean(axis=1)
        if rate != SAMPLE_RATE:
            stream = stream or soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
            stream.resample_chunk(mono)


def earmark_blocks(path: str) -> None:
    """Read a file as earmark does."""
    from earmark.audio.io import open_audio

    with open_audio(path, sample_rate=SAMPLE_RATE) as reader:
        for _ in reader.blocks():
            pass


def time_files(work: Callable[[str], None], paths: list[str], *, threads: int, repeats: int) -> float:
    """Return the median time, in s, that `threads` threads take over all files, longest first."""
    times = []
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, paths[:1]))
        for _ in range(repeats):
            started = time.perf_counter()
            list(pool.map(work, paths))
            times.append(time.perf_counter() - started)
    return median(times)


def time_stage(stage: Any, *, repeats: int, seconds: float = 2.0) -> float:
    """Return the time, in s, that a stage takes per second of audio: median over some rounds of at least `seconds`."""
    import numpy as np

    batch = np.random.default_rng(0).normal(0, stage.scale, stage.shape).astype(np.float32)
    stage.run(batch)
    rates: list[float] = []
    for _ in range(repeats):
        started, runs = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            stage.run(batch)
            runs += 1
        rates.append((time.perf_counter() - started) / (runs * stage.audio_seconds))
    return median(rates)


def measure(files: list[tuple[str, float]], *, threads: int, repeats: int) -> dict[str, Any]:
    """Time every part over the files; see the module's description."""
    from peers_stages import measured_stages

    total = sum(seconds for _, seconds in files)
    paths = [path for path, _ in sorted(files, key=lambda file: -file[1])]
    parts = {}
    for name, work in (
        ("decode, by soundfile/PyAV alone", decode),
        ("decode and resample, by the libraries alone", decode_and_resample),
        ("decode and resample, by earmark.audio.io", earmark_blocks),
    ):
        parts[name] = time_files(work, paths, threads=threads, repeats=repeats)
    for stage in measured_stages(threads):
        parts[stage.name] = total * time_stage(stage, repeats=repeats)
    gemm = {f"numpy {size}": numpy_gemm(size) for size in (1024, 2048)}
    gemm |= {f"onnxruntime {size}": onnxruntime_gemm(size, threads) for size in (1024, 2048)}
    return {"parts": parts, "gemm": gemm, "macs": network_macs()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(arguments.threads)
    files = [(path, seconds) for path, seconds in json.load(sys.stdin)]
    print(json.dumps(measure(files, threads=arguments.threads, repeats=arguments.repeats)))


if __name__ == "__main__":
    main()
