"""Many clients at once: how many requests a second `earmark serve` answers, and how long each client waits.

    python benchmarks/service_load.py --keep FOLDER -o benchmarks/service_load_CPU_DATE.md

The service is a process of its own, as `earmark serve --rate 0` starts it on a free port of this machine, with the
models of the standard preset. Its catalogue holds 10,000 made-up tracks with scores and embeddings of the real sizes;
FOLDER keeps it. Each client has one connection, asks, reads the whole answer, and asks again: for tracks that sound
like one of the catalogue, for tracks that two tags describe, or to hear a clip of 10 s that it sends. Tracks and tags
are drawn anew each time.

Clients share the machine with the service. They are coroutines of one process that write and read bytes, and nothing
more; the seconds of CPU that both took stand beside the result. What the HTTP of the service alone can do is measured
in the same run: the same clients ask /healthz.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import importlib.metadata
import io
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from peers_report import MARKER, keep_notes, table
from tagging_vs_peers import commit, hardware

N_TRACKS, N_CLIENTS, SECONDS, WARM_SECONDS = 10_000, 64, 60.0, 3.0
CLIP_SECONDS, RATE = 10, 44_100
MIX = {"similar": 0.45, "search": 0.45, "tag": 0.10}
"""How often each question is asked."""
BOUNDARY = "earmark-load"
PATIENCE = 120.0  # seconds until an answer is missed
BLOCK = 1000  # rows that are made at a time

Ask = Callable[[random.Random], bytes]


# What is asked --------------------------------------------------------------------------------------------------------


def clip() -> bytes:
    """Make an MP3 file of 10 s: a chord that moves, and some noise."""
    import soundfile

    rng, t = np.random.default_rng(0), np.arange(CLIP_SECONDS * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * t + 3 * np.sin(t)) for pitch in (220.0, 277.2, 329.6)) / 8
    samples = np.stack([chord, chord]).T + 0.02 * rng.standard_normal((len(t), 2))
    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.float32), RATE, format="MP3")
    return file.getvalue()


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


def post_file(target: str, data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="clip.mp3"\r\n\r\n'.encode()
    body = head + data + f"\r\n--{BOUNDARY}--\r\n".encode()
    about = f"content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {len(body)}"
    return f"POST {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n{about}\r\n\r\n".encode() + body


def questions(ids: Sequence[str], tags: Sequence[str]) -> dict[str, Ask]:
    """Return what asks by its name: makes the bytes of a request.

    Parameters
    ----------
    ids : of tracks of the catalogue
    tags : of the model that heard it
    """
    sent, words = post_file("/v1/tag?n=10", clip()), [f'"{a}" "{b}"' for a, b in combinations(tags, 2)]
    return {
        "similar": lambda rng: get(f"/v1/similar?track={rng.choice(ids)}"),
        "search": lambda rng: get(f"/v1/search?q={quote(rng.choice(words))}"),
        "tag": lambda rng: sent,
    }


# Clients --------------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was answered.

    Parameters
    ----------
    times : seconds until each answer was there, by question
    errors : how many answers were none, by what they were
    """

    times: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request, read its whole answer, and return the status."""
    writer.write(request)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().find(b"content-length:")
    await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
    return int(head[9:12])


async def client(
    port: int, asks: dict[str, Ask], mix: dict[str, float], until: float, rng: random.Random, tally: Tally
) -> None:
    """Ask until a time has come; a connection that is lost is opened again."""
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    names, weights = list(mix), list(mix.values())
    while time.perf_counter() < until:
        name = rng.choices(names, weights)[0]
        begun = time.perf_counter()
        try:
            if streams is None:
                streams = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            status = await asyncio.wait_for(exchange(*streams, asks[name](rng)), PATIENCE)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            tally.errors[f"{name}: {type(error).__name__}"] += 1
            if streams is not None:
                streams[1].close()
            streams = None
            continue
        if status == 200:
            tally.times.setdefault(name, []).append(time.perf_counter() - begun)
        else:
            tally.errors[f"{name}: status {status}"] += 1
    if streams is not None:
        streams[1].close()


def load(port: int, asks: dict[str, Ask], *, mix: dict[str, float], n_clients: int, seconds: float, seed: int) -> Tally:
    """Let clients ask for so many seconds; what is under way then is waited for."""
    tally = Tally()

    async def run() -> None:
        begun = time.perf_counter()
        until = begun + seconds
        await asyncio.gather(
            *(client(port, asks, mix, until, random.Random(f"{seed} {i}"), tally) for i in range(n_clients))
        )
        tally.seconds = time.perf_counter() - begun

    asyncio.run(run())
    return tally


# The service ----------------------------------------------------------------------------------------------------------


def make_catalogue(folder: Path, n_tracks: int) -> tuple[str, list[str], tuple[str, ...]]:
    """Make a catalogue of made-up tracks, unless it is there; return its address, the ids and the tags.

    Scores are like those of music: most are low, a few are high.
    """
    from earmark.library.models import describe
    from earmark.library.rows import FilePlace
    from earmark.library.schema import files_columns, now, text_columns
    from earmark.library.store import Store
    from earmark.library.vectors import search_vector

    model = describe()
    ids = [f"{i:032x}" for i in range(n_tracks)]
    place = folder / f"catalogue_{n_tracks}"
    done = place.with_suffix(".done")
    store = Store(place, create=True)
    if done.exists():
        return store.address, ids, model.tags
    store.keep_model(model)
    rng = np.random.default_rng(0)
    size = sum(n for _, n in model.parts)
    for begin in range(0, n_tracks, BLOCK):
        block = ids[begin : begin + BLOCK]
        scores = rng.beta(0.3, 4.0, (len(block), len(model.tags)))
        embeddings = np.maximum(rng.standard_normal((len(block), size)), 0).astype(np.float32)
        vectors = search_vector(embeddings, model.parts)
        rows = []
        for i, one in enumerate(block):
            facts = {"artist": f"Artist {(begin + i) // 12}", "title": f"Title {begin + i}", "album": "", "genres": []}
            rows.append(
                {
                    "id": one, **files_columns([FilePlace(f"/music/{one}.mp3", 1, 1)]), **text_columns(facts),
                    "container": "mp3", "sample_rate": 44100, "n_channels": 2, "added_at": now(), "duration": 200.0,
                    "bpm": float(rng.uniform(60, 180)), "key": "A minor", "analysed_at": now(),
                    **dict(zip(model.score_columns, scores[i].tolist(), strict=True)),
                    model.column("peaks"): np.sqrt(scores[i]).tolist(), model.column("embedding"): embeddings[i],
                    model.column("vector"): vectors[i], model.column("listened"): "whole",
                    model.column("version"): model.version,
                }
            )  # fmt: skip
        store.put("tracks", rows)
    store.tidy()
    done.touch()
    return store.address, ids, model.tags


@contextmanager
def serving(library: str, folder: Path, *, workers: int) -> Iterator[tuple[int, int]]:
    """Start a service in a ``with`` block; gives its port and the number of its process."""
    (folder / "music").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "earmark", "serve", "--rate", "0", "--port", "0", "--library", library,
               "--music", str(folder / "music"), "--data", str(folder / "data"), "--workers", str(workers)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "http://127.0.0.1:" in line:
                yield int("".join(c for c in line.rpartition(":")[2] if c.isdigit())), process.pid
                return
        raise SystemExit("the service did not start:\n" + "".join(said))
    finally:
        process.terminate()
        process.wait(20)


def memory(pid: int) -> dict[str, float]:
    """Return the resident memory of a process and its peak, MiB; both 0 where /proc does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {"VmRSS": 0.0, "VmHWM": 0.0}
    told = dict(line.split(":", 1) for line in lines)
    return {name: int(told[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}


def cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU that a process took; 0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    port: int, pid: int, asks: dict[str, Ask], *, mix: dict[str, float], n_clients: int, seconds: float
) -> dict[str, Any]:
    """Ask each question once, then measure the floor, then the load."""
    for name in mix:
        first = load(port, asks, mix={name: 1.0}, n_clients=1, seconds=0.001, seed=0)
        if first.errors:
            raise SystemExit(f"the first request was not answered: {dict(first.errors)}")
    warm = min(WARM_SECONDS, seconds)
    floor = load(port, {"health": lambda rng: get("/healthz")}, mix={"health": 1.0}, n_clients=n_clients, seconds=warm,
                 seed=1)  # fmt: skip
    load(port, asks, mix=mix, n_clients=n_clients, seconds=warm, seed=2)
    before, cpu, own = memory(pid), cpu_seconds(pid), time.process_time()
    tally = load(port, asks, mix=mix, n_clients=n_clients, seconds=seconds, seed=3)
    own, cpu, after = time.process_time() - own, cpu_seconds(pid) - cpu, memory(pid)
    return {"tally": tally, "floor": floor, "before": before, "after": after, "cpu": cpu, "own": own}


# The result -----------------------------------------------------------------------------------------------------------


def rows_of(tally: Tally) -> list[list[str]]:
    """Return a row for each question, and one for all."""
    rows = []
    everything = [one for times in tally.times.values() for one in times]
    for name, times in [*sorted(tally.times.items()), ("all", everything)]:
        ms = 1000 * np.quantile(times, [0.5, 0.95, 0.99, 1.0]) if times else [float("nan")] * 4
        n_errors = sum(n for what, n in tally.errors.items() if name == "all" or what.startswith(f"{name}: "))
        rows.append([name, f"{len(times):,}", f"{len(times) / tally.seconds:,.1f}", *(f"{one:,.0f}" for one in ms),
                     str(n_errors)])  # fmt: skip
    return rows


def report(found: dict[str, Any], given: argparse.Namespace) -> str:
    """Write the result as Markdown."""
    tally, floor = found["tally"], found["floor"]
    header = ["question", "answered", "a second", "p50 ms", "p95 ms", "p99 ms", "longest ms", "errors"]
    facts = hardware()
    packages = ("fastapi", "starlette", "uvicorn", "lancedb", "onnxruntime", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    heard = CLIP_SECONDS * len(tally.times.get("tag", ())) / tally.seconds
    alone, before, after = len(floor.times.get("health", ())) / floor.seconds, found["before"], found["after"]
    errors = ", ".join(f"{what} ({n})" for what, n in tally.errors.items()) or "none"
    mix = ", ".join(f"{name} {share:.0%}" for name, share in given.mix.items())
    lines = [
        f"# {given.clients} clients for {given.seconds:g} s\n",
        f"{datetime.date.today()}, commit {commit()}, Python {platform.python_version()}, {versions}.\n",
        f"{facts.get('Model name', facts.get('processor', ''))}, {facts.get('CPU(s)', '?')} CPUs, "
        f"{facts.get('memory', '?')}; clients on the same CPUs.\n",
        f"`earmark serve --rate 0 --workers {given.workers}`, a catalogue of {given.tracks:,} tracks. Asked: {mix}.\n",
        table(header, rows_of(tally)) + "\n",
        f"- Errors: {errors}.",
        f"- Audio heard: {heard:,.0f} s a second.",
        f"- HTTP alone (/healthz, the same clients): {alone:,.0f} a second.",
        f"- Memory of the service: {before['VmRSS']:,.0f} MiB before, {after['VmRSS']:,.0f} MiB after, "
        f"{after['VmHWM']:,.0f} MiB at most.",
        f"- CPU: the service {found['cpu']:.1f} s, the clients {found['own']:.1f} s, of {tally.seconds:.1f} s.",
    ]
    return "\n".join(lines)


def parse_mix(text: str) -> dict[str, float]:
    """Read such as "similar=4,search=4,tag=1"."""
    parts = dict(part.split("=") for part in text.split(","))
    unknown = set(parts) - set(MIX)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected {', '.join(MIX)}")
    total = sum(map(float, parts.values()))
    return {name: float(share) / total for name, share in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True, help="folder for the catalogue and the data of the service")
    parser.add_argument("--tracks", type=int, default=N_TRACKS)
    parser.add_argument("--clients", type=int, default=N_CLIENTS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--workers", type=int, default=2, help="files that the service hears at a time")
    parser.add_argument("--mix", type=parse_mix, default=MIX, help="such as similar=4,search=4,tag=1")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    address, ids, tags = make_catalogue(given.keep, given.tracks)
    with serving(address, given.keep, workers=given.workers) as (port, pid):
        found = measure(port, pid, questions(ids, tags), mix=given.mix, n_clients=given.clients, seconds=given.seconds)
    text = report(found, given)
    print(text)
    if given.output is not None:
        notes = keep_notes(given.output.read_text() if given.output.exists() else None)
        given.output.write_text(f"{text}\n\n{MARKER}{notes.rstrip()}\n")
    if found["tally"].errors:
        raise SystemExit(json.dumps(found["tally"].errors))


if __name__ == "__main__":
    main()
