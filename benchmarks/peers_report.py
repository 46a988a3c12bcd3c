"""Pure functions that turn the measurements of tagging_vs_peers.py into Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

CHUNK_SECONDS = 187 * 256 / 16000
MARKER = "<!-- Written by hand from here on; kept when the file is written again. -->"
EMPTY_NOTES = "\n\n## What did not help\n\n"


def ratios(times: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Return time over reference time, round by round."""
    return [time / base for time, base in zip(times, reference, strict=True)]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Show a median with its range."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, padded so that it reads well as text too."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def share(durations: dict[str, float], n: int) -> list[list[str]]:
    """Split files into n lists of about the same length in seconds: longest first, each to the shortest list."""
    lists: list[list[str]] = [[] for _ in range(n)]
    loads = [0.0] * n
    for path in sorted(durations, key=lambda path: -durations[path]):
        shortest = loads.index(min(loads))
        lists[shortest].append(path)
        loads[shortest] += durations[path]
    return lists


def difference(mine: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Compare two taggrams over the chunks that both have.

    Returns
    -------
    largest absolute difference of the mean scores, and of single scores
    """
    n_chunks = min(len(mine), len(theirs))
    gaps = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(mine[:n_chunks], theirs[:n_chunks], strict=True)]
    means = [abs(sum(column)) / n_chunks for column in zip(*gaps, strict=True)]
    return max(means), max(abs(gap) for row in gaps for gap in row)


def keep_notes(previous: str | None) -> str:
    """Return the hand-written end of an earlier file, or an empty one."""
    if previous is None or MARKER not in previous:
        return EMPTY_NOTES
    return previous.split(MARKER, 1)[1]


def _steady(run: dict[str, Any]) -> str:
    total, times, reference = run["total_seconds"], run["times"], run["reference"]
    rows = [
        [
            name,
            spread(rounds, 2),
            f"{median([total / time for time in rounds]):.0f} x",
            "1" if name == reference else spread(ratios(rounds, times[reference]), 2),
        ]
        for name, rounds in times.items()
    ]
    return table(["system", "s per round, median (range)", "real time", f"time / {reference}'s, median (range)"], rows)


def _cold(run: dict[str, Any]) -> str:
    rows = [[name, spread(times, 2)] for name, times in run["cold"].items()]
    return table(["system", "s from starting the process to the scores, median (range)"], rows)


def _agreement(run: dict[str, Any]) -> str:
    rows = [[name, f"{gap[0]:.1e}", f"{gap[1]:.1e}", gap[2]] for name, gap in run["agreement"].items()]
    return table(["pair", "mean scores of a file", "scores of a chunk", "file where the mean differs most"], rows)


def _breakdown(run: dict[str, Any]) -> str:
    total, breakdown = run["total_seconds"], run["breakdown"]
    mine = median(run["times"][run["reference"]])
    rows = [[f"{run['reference']}, end to end", f"{mine:.2f}", f"{total / mine:.0f} x", "100 %"]]
    parts = dict(breakdown["parts"])
    for name in ("front end", "network", "front end and network"):
        parts.setdefault(name, None)
    peak = max(breakdown["gemm"].values())
    parts["floor: decode (first line)"] = next(iter(breakdown["parts"].values()))
    parts["floor: network operations at the peak GEMM rate"] = total / CHUNK_SECONDS * breakdown["macs"] / peak
    for name, seconds in parts.items():
        if seconds is None:
            rows.append([name, "not measured", "", ""])
        else:
            rows.append([name, f"{seconds:.2f}", f"{total / seconds:.0f} x", f"{100 * seconds / mine:.0f} %"])
    gemm = ", ".join(f"{name}: {rate / 1e9:.0f}" for name, rate in breakdown["gemm"].items())
    return (
        table([f"part, alone, on {run['threads']} threads", "s", "real time", "of end to end"], rows)
        + f"\n\nThe network takes {breakdown['macs'] / 1e9:.2f} GMAC per chunk of {CHUNK_SECONDS:.3f} s, products with"
        + f" padding not counted. Measured float32 GEMM, GMAC/s (square matrices): {gemm}."
    )


def _files(run: dict[str, Any]) -> str:
    kinds: dict[str, int] = {}
    for info in run["files"].values():
        kind = f"{info['codec']} {info['sample_rate']} Hz x {info['n_channels']}"
        kinds[kind] = kinds.get(kind, 0) + 1
    lines = [
        f"{len(run['files'])} files, {run['total_seconds']:.0f} s of audio: "
        + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
        + "."
    ]
    for path, reasons in run["left_out"].items():
        lines.append(f"- left out: {path}: " + "; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
    return "\n".join(lines)


def markdown(run: dict[str, Any], *, notes: str = EMPTY_NOTES) -> str:
    """Write the whole result file.

    Parameters
    ----------
    run : the measurements, as tagging_vs_peers.py gathers them
    notes : what stands after the marker
    """
    versions = table(
        ["system", "versions"],
        [[name, ", ".join(f"{k} {v}" for k, v in found.items())] for name, found in run["versions"].items()],
    )
    names = list(run["times"])
    rounds = table(
        ["round", *names],
        [
            [str(i + 1), *(f"{run['times'][name][i]:.2f}" for name in names)]
            for i in range(len(run["times"][run["reference"]]))
        ],
    )
    sections = {
        "Steady state": "Models loaded, one warm-up file each; files to scores.\n\n" + _steady(run),
        "Cold start": f"A fresh process, one clip of {run['clip_seconds']:.0f} s, files in the page cache.\n\n"
        + _cold(run),
        "Agreement": "Largest absolute difference, over the chunks that both have.\n\n" + _agreement(run),
        "Break-down": _breakdown(run) if run["breakdown"] else "not run",
        "Files": _files(run),
        "Versions": versions,
        "Rounds, s": rounds,
    }
    head = [
        "# Tagging: earmark against its peers",
        "",
        f"- date: {run['date']}",
        f"- commit: {run['commit']}",
        *(f"- {name}: {value}" for name, value in run["hardware"].items()),
        f"- load of the machine before: {run['load']}",
        f"- command: `{run['command']}`",
        "",
        "The same weights (MSD musicnn) everywhere, the same files, end to end, in one run; every system is kept to"
        f" {run['threads']} cores. The systems take turns (in reverse order every second round); a ratio is the median"
        " of the rounds' ratios.",
    ]
    body = "\n".join(head) + "".join(f"\n\n## {title}\n\n{text}" for title, text in sections.items())
    return body + f"\n\n{MARKER}" + notes.rstrip() + "\n"
