"""What `earmark datasets` shows: tables for people on a terminal, lines with tabs in a pipe."""

import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from earmark.cli import output
from earmark.datasets import MIRDATA, changed_options
from earmark.datasets.base import DatasetInfo
from earmark.datasets.downloading import remote_name
from earmark.datasets.statistics import Durations, Leak, Statistics
from earmark.datasets.verification import Verification
from earmark.errors import InputError
from earmark.progress import bar

MOST = 20  # lines of a list on a terminal
PAIRS = 8
NARROWEST = 12  # columns that a name keeps
GROUP_WORDS = {"artist": "artists", "album": "albums", "track": "recordings"}


def print_list(infos: Sequence[DatasetInfo]) -> None:
    """Print the datasets there are."""
    if not sys.stdout.isatty():
        for info in infos:
            hours = "" if info.hours is None else f"{info.hours:g}"
            _line(info.name, info.title, info.n_tracks, hours, _downloads(info), info.licence, info.home)
        return
    rows = [("name", "tracks", "hours", "download", "what it is")]
    for info in infos:
        hours = "" if info.hours is None else f"{info.hours:,.0f}"
        rows.append((info.name, f"{info.n_tracks:,}" if info.n_tracks else "", hours, _downloads(info), info.title))
    _table(rows, right=(1, 2))
    output.note(f"and any loader of mirdata: {MIRDATA}NAME (extra [mirdata])")


def _downloads(info: DatasetInfo) -> str:
    """Say what can be downloaded."""
    kinds = {remote.kind for remote in info.remotes}
    if not kinds:
        return "none"
    return "labels" if kinds == {"labels"} else "all"


def print_info(info: DatasetInfo, defaults: Mapping[str, Any]) -> None:
    """Print what a dataset is."""
    n_bytes = [remote.n_bytes for remote in info.remotes]
    size = f", {sum(filter(None, n_bytes)) / 1e9:.1f} GB" if info.remotes and None not in n_bytes else ""
    facts = {
        "name": info.name,
        "title": info.title,
        "what it is": info.description,
        "size": ", ".join(
            ([f"{info.n_tracks:,} tracks"] if info.n_tracks else [])
            + ([] if info.hours is None else [f"about {info.hours:,.4g} h"])
        ),
        "licence": info.licence,
        "home": info.home,
        "to get it": info.how_to_get,
        "download": output.counted(len(info.remotes), "file") + size if info.remotes else "none",
        "no download": info.no_download,
        "consent": info.consent,
        "paper": info.citation,
    }
    for key, value in facts.items():
        if value:
            _fact(key, value)
    _listed("on disk", info.layout)
    known = {key: f"{text}; {defaults[key]!r} unless given" for key, text in info.options.items()}
    _listed("options", [line for key, text in known.items() for line in _wrapped(f"{key}: {text}", "  ")])
    _listed("files", _files(info))
    _listed("notes", paragraphs(_notes(info.name)) if sys.stdout.isatty() else _notes(info.name))


def _files(info: DatasetInfo) -> list[str]:
    """Return a line per file that can be downloaded, the first of them."""
    lines = []
    for remote in info.remotes[:MOST]:
        size = "" if remote.n_bytes is None else f", {remote.n_bytes / 1e6:,.1f} MB"
        checksum = remote.checksum.partition(":")[0] if remote.checksum else "no checksum"
        lines.append(f"{remote_name(remote)}  ({remote.kind}{size}, {checksum})")
    if len(info.remotes) > MOST:
        lines.append(f"… and {len(info.remotes) - MOST:,} more; all of them: --json")
    return lines


def _notes(name: str) -> list[str]:
    """Return what the module of a dataset says about its splits, variants and the like."""
    from importlib import import_module

    from earmark.datasets import DATASETS

    text = import_module(DATASETS[name]).__doc__ if name in DATASETS else None
    return (text or "").strip().splitlines()


def paragraphs(lines: Sequence[str]) -> list[str]:
    """Join the lines of every paragraph of a docstring, and of every entry of a list, so that they can be wrapped.

    Parameters
    ----------
    lines : as they stand; an entry begins with a name and two spaces, and goes on below its second column

    Examples
    --------
    >>> paragraphs(["One", "sentence.", "", "Splits", "------", "a  the", "   first", "b  the second"])
    ['One sentence.', '', 'Splits', '------', 'a  the first', 'b  the second']
    """
    joined: list[str] = []
    goes_on, in_references = False, False
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        is_rule, is_title = _is_rule(line), _is_rule(after)
        hang = second_column(joined[-1]) if goes_on else 0
        indent = len(line) - len(line.lstrip())
        if is_title:
            in_references = line.strip() == "References"
        begins = is_rule or is_title or not line.strip() or (second_column(line) > 0 and indent < max(hang, 1))
        begins |= hang > indent or (in_references and goes_on and joined[-1].endswith("."))
        if goes_on and not begins:
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line.rstrip())
        goes_on = bool(line.strip()) and not is_rule and not is_title
    return joined


def _is_rule(line: str) -> bool:
    return bool(line.strip()) and not line.strip(" -=")


def second_column(line: str) -> int:
    """Return where the text begins behind a name and two spaces, or 0."""
    found = re.match(r" *\S+(?: \S+)* {2,}(?=\S)", line)
    return found.end() if found else 0


def print_verification(found: Verification, *, quiet: bool) -> None:
    """Print what a verification found: the findings on stdout, the summary in words on stderr."""
    rows = list(_findings(found))
    if found.labels_problem:
        output.error(InputError(found.labels_problem, hint=found.labels_hint or None))
    if sys.stdout.isatty():
        rows = [row for row in rows if row[0] != "labels"]
        if not found.n_present:  # the summary says so
            rows = [row for row in rows if row[0] != "missing"]
        if rows:
            _table([(kind, what, detail, known, path) for kind, what, path, detail, known in rows[:MOST]], right=())
        if len(rows) > MOST:
            output.note(f"… and {len(rows) - MOST:,} more; all of them: | cat, or --json")
    else:
        for row in rows:
            _line(*row)
    if quiet:
        return
    for text in _summary(found):
        output.note(text)


def _findings(found: Verification) -> Iterator[tuple[str, ...]]:
    if found.labels_problem:
        yield "labels", found.name, str(found.root), found.labels_problem, ""
    for file in found.files:
        if file.outcome == "wrong":
            yield "wrong", file.name, str(found.root / file.name), file.detail, ""
    for problem in sorted(found.problems, key=lambda problem: (bool(problem.known), problem.kind == "missing")):
        yield problem.kind, problem.track, problem.path, problem.detail, problem.known
    for path in found.unexpected:
        yield "unexpected", "", str(found.root / path), "belongs to no track", ""


def _summary(found: Verification) -> Iterator[str]:
    outcomes = Counter[str](file.outcome for file in found.files)
    words = {"right": "as published", "as it came": "as they came", "unchecked": "without a checksum", "wrong": "wrong"}
    files = [f"{outcomes[outcome]:,} {text}" for outcome, text in words.items() if outcomes[outcome]]
    if files:
        yield f"published files: {', '.join(files)}"
    if found.labels_problem:
        yield "not good: the labels cannot be read"
        return
    yield f"labels: {output.counted(found.n_tracks, 'track')} can be read"
    if found.n_audio and not found.n_present:
        yield "audio: none is here; --labels-only verifies the labels alone"
    elif found.n_audio:
        kinds = Counter(problem.kind for problem in found.problems)
        bad = "".join(
            f", {kinds[kind]:,} {kind}" for kind in ("empty", "unreadable", "damaged", "short") if kinds[kind]
        )
        checked = "decoded to the end" if found.is_deep else "not decoded; --deep does"
        yield f"audio: {found.n_present:,} of {found.n_audio:,} files are here ({checked}){bad}"
    n_known = sum(bool(problem.known) for problem in found.problems)
    if n_known:
        yield f"{n_known:,} of these the dataset is known for"
    if found.unexpected:
        yield f"{len(found.unexpected):,} audio files belong to no track"
    yield "good" if found.is_good else "not good: something is missing or damaged"


# Statistics.


def print_statistics(found: Statistics) -> None:
    """Print statistics."""
    if not sys.stdout.isatty():
        for row in statistics_lines(found):
            _line(*row)
        return
    options = "".join(f", {key}={value}" for key, value in changed_options(found.name, found.options).items())
    groups = [f"{n:,} {GROUP_WORDS[by]}" for by, n in found.n_groups.items()]
    _say(f"{found.title} ({found.name}{options})")
    _say(", ".join([output.counted(found.n_tracks, "track"), *groups]))
    n_zero = len(found.without_tag)
    _say(f"{len(found.vocabulary):,} tags, {found.mean_tags:.2f} on a track; {n_zero:,} tracks without any")
    _print_durations(found)
    _print_tags(found)
    _print_pairs(found)
    _print_parts(found)
    _print_leaks(found)
    _print_faults(found)


def statistics_lines(found: Statistics) -> Iterator[tuple[object, ...]]:
    """Yield every figure as a row; the first cell says of what."""
    yield "tracks", found.n_tracks
    for by, n in found.n_groups.items():
        yield "groups", by, n
    for tag, n in zip(found.vocabulary, found.tags, strict=True):
        yield "tag", tag, n, _fraction(n, found.n_tracks)
    for n_tags, n in found.tags_per_track.items():
        yield "tags_per_track", n_tags, n
    counts = found.together_counts
    for i, first in enumerate(found.together):
        for j in range(i + 1, len(found.together)):
            if counts[i, j]:
                yield "together", first, found.together[j], counts[i, j]
    heard = found.audio.durations if found.audio is not None else None
    for source, lengths in (("published", found.durations), ("audio", heard)):
        if lengths is not None:
            names = ("n", "total", "shortest", "median", "mean", "longest")
            for name in names:
                yield "duration", source, name, f"{getattr(lengths, name):.10g}"
    for part in found.parts:
        yield "part", part.split, part.part, "tracks", part.n_tracks
        yield "part", part.split, part.part, "without_tag", part.n_without_tag
        for by, n in part.n_groups.items():
            yield "part", part.split, part.part, by, n
        for tag, n in zip(found.vocabulary, part.tags, strict=True):
            yield "part_tag", part.split, part.part, tag, n, _fraction(n, part.n_tracks)
    for leak in found.leaks:
        share = f"{leak.share:.4f}"
        yield (
            "leak",
            leak.split,
            leak.part,
            leak.other,
            leak.by,
            leak.n_shared,
            leak.n_groups,
            leak.n_shared_tracks,
            share,
        )
    for split, reasons in found.left_out.items():
        for reason, n in reasons.items():
            yield "left_out", split, reason, n
    for id in found.without_tag:
        yield "without_tag", id
    if found.audio is not None:
        yield "audio", "expected", found.audio.n_expected
        yield "audio", "present", found.audio.n_present
        for what in ("sample_rates", "n_channels", "codecs"):
            for value, n in getattr(found.audio, what).items():
                yield "audio", what, value, n
        for id, reason in found.audio.unreadable:
            yield "unreadable", id, reason
    for fault in found.faults:
        yield "fault", fault.track, fault.kind, fault.detail, fault.source


def _print_durations(found: Statistics) -> None:
    def said(lengths: Durations, source: str) -> str:
        return (
            f"{lengths.total / 3600:,.1f} h in {lengths.n:,} tracks, median {lengths.median:.1f} s, "
            f"from {lengths.shortest:.1f} to {lengths.longest:.1f} s ({source})"
        )

    if found.durations is not None:
        _say(said(found.durations, "as published"))
    audio = found.audio
    if audio is None or not audio.n_expected:
        return
    if not audio.n_present:
        _say("audio: none is here")
        return
    rates = ", ".join(f"{rate:,} Hz" for rate in audio.sample_rates)
    _say(f"audio: {audio.n_present:,} of {audio.n_expected:,} files are here; {rates}; {', '.join(audio.codecs)}")
    if audio.durations is not None:
        _say(said(audio.durations, "as the audio says"))


def _print_tags(found: Statistics) -> None:
    order = sorted(range(len(found.tags)), key=lambda k: -found.tags[k])
    most = max(found.tags, default=0)
    rows = [("tag", "tracks", "", "")]
    for k in order[:MOST]:
        n = found.tags[k]
        rows.append((found.vocabulary[k], f"{n:,}", f"{_share(n, found.n_tracks)}", bar(n / most if most else 0, 16)))
    _section("tags by frequency", rows, right=(1, 2))
    if len(order) > MOST:
        _say(f"… and {len(order) - MOST:,} more")


def _print_pairs(found: Statistics) -> None:
    """Print which tags come together most: by the tracks with both, of those with either and one more.

    The one more puts pairs of which much is known before those that one track carries.
    """
    counts, pairs = found.together_counts, []
    for i in range(len(found.together)):
        for j in range(i):
            either = counts[i, i] + counts[j, j] - counts[i, j]
            if counts[i, j]:
                pairs.append((counts[i, j] / (either + 1), i, j))
    rows = [("one tag", "another", "both", "of the one", "of the other")]
    for _, i, j in sorted(pairs, reverse=True)[:PAIRS]:
        both = int(counts[i, j])
        names = (found.together[i], found.together[j])
        rows.append((*names, f"{both:,}", _share(both, int(counts[i, i])), _share(both, int(counts[j, j]))))
    if len(rows) > 1:
        _section("together most often", rows, right=(2, 3, 4))


def _print_parts(found: Statistics) -> None:
    bys = list(found.n_groups)
    rows = [("split", "part", "tracks", "without tag", *(GROUP_WORDS[by] for by in bys))]
    for part in found.parts:
        groups = [f"{part.n_groups[by]:,}" for by in bys]
        rows.append((part.split, part.part, f"{part.n_tracks:,}", f"{part.n_without_tag:,}", *groups))
    if len(rows) > 1:
        _section("splits", rows, right=range(2, 4 + len(bys)))
    for split, reasons in found.left_out.items():
        for reason, n in list(reasons.items())[:3]:
            _say(f"{split} leaves out {n:,}: {reason}")


def _print_leaks(found: Statistics) -> None:
    leaking = [leak for leak in found.leaks if leak.n_shared]
    rows = [("split", "of", "also in", "shared", "tracks concerned")]
    for leak in leaking:
        shared = f"{leak.n_shared:,} of {leak.n_groups:,} {GROUP_WORDS[leak.by]}"
        rows.append((leak.split, leak.part, leak.other, shared, f"{leak.n_shared_tracks:,}  {_percent(leak)}"))
    if leaking:
        _section("what the parts share", rows, right=(3, 4))
    for text in _clean(found.leaks):
        _say(text)


def _clean(leaks: Iterable[Leak]) -> Iterator[str]:
    """Say which splits share nothing."""
    by_split: dict[str, dict[str, bool]] = {}
    for leak in leaks:
        clean = by_split.setdefault(leak.split, {})
        clean[leak.by] = clean.get(leak.by, True) and not leak.n_shared
    splits: dict[str, list[str]] = {}  # what is in no two parts -> of which splits
    for split, clean in by_split.items():
        words = [GROUP_WORDS[by].removesuffix("s") for by, is_clean in clean.items() if is_clean]
        if words:
            splits.setdefault(" or ".join(words), []).append(split)
    for what, names in splits.items():
        shown = ", ".join(names) if len(names) <= 4 else f"{names[0]} to {names[-1]}"
        yield f"{shown}: no {what} is in two parts"


def _print_faults(found: Statistics) -> None:
    if found.faults:
        kinds = Counter(fault.kind for fault in found.faults)
        _say("")
        _say("known faults: " + ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common()))
    if found.audio is not None and found.audio.unreadable:
        known = {fault.track for fault in found.faults}
        rows = [("unreadable audio", "why", "")]
        for id, reason in found.audio.unreadable[:MOST]:
            rows.append((id, reason, "known" if id in known else ""))
        _section("", rows)
        if len(found.audio.unreadable) > MOST:
            _say(f"… and {len(found.audio.unreadable) - MOST:,} more")


def _percent(leak: Leak) -> str:
    return f"{100 * leak.share:.1f} %"


def _share(n: int, total: int) -> str:
    return f"{100 * n / total:.1f} %" if total else ""


def _fraction(n: int, total: int) -> str:
    return f"{n / total:.6f}" if total else ""


# Lines.


def _say(text: str) -> None:
    sys.stdout.write(output.printable(text) + "\n")


def _line(*cells: object) -> None:
    _say_raw("\t".join(output.printable(str(cell)) for cell in cells))


def _say_raw(text: str) -> None:
    sys.stdout.write(text + "\n")


def _section(title: str, rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> None:
    _say("")
    if title:
        _say(title)
    _table(rows, right=tuple(right))


def _table(rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> None:
    """Print cells in columns, within the terminal: the last one is cut, or, if that holds numbers, names are."""
    from rich.cells import cell_len, set_cell_size

    width = shutil.get_terminal_size().columns
    shown = [[output.printable(cell) for cell in row] for row in rows]
    widths = [max(cell_len(row[k]) for row in shown) for k in range(len(shown[0]))]
    widths = [min(w, 48) for w in widths]
    names = [k for k in range(len(widths)) if k not in right]
    while len(widths) - 1 in right and sum(widths) + 2 * len(widths) - 2 > width:
        widest = max(names, key=lambda k: widths[k])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    for row in shown:
        cells = []
        for k, (cell, room) in enumerate(zip(row, widths, strict=True)):
            cell = cell if cell_len(cell) <= room else set_cell_size(cell, room - 1).rstrip() + "…"
            space = " " * (room - cell_len(cell))
            cells.append(space + cell if k in right else cell + space)
        line = "  ".join(cells).rstrip()
        _say_raw(line if cell_len(line) <= width else set_cell_size(line, width - 1).rstrip() + "…")


def _fact(key: str, value: str) -> None:
    """Print a fact, wrapped behind its name."""
    for line in _wrapped(f"{key + ':':<13}{value}", " " * 13):
        _say_raw(line)


def _wrapped(text: str, indent: str) -> list[str]:
    """Break a text where the terminal ends; further lines begin with `indent`."""
    return _broken(output.printable(text), _columns() - 2, indent)


def _broken(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _columns() -> int:
    return max(shutil.get_terminal_size().columns if sys.stdout.isatty() else 120, 40)


def _listed(title: str, lines: Sequence[str]) -> None:
    if lines:
        _say_raw(f"\n{title}:")
        width = _columns()
        for line in lines:
            shown = f"  {output.printable(line)}".rstrip()
            if len(shown) > width and sys.stdout.isatty():
                indent = min(second_column(shown), width // 2) or len(shown) - len(shown.lstrip())
                shown = "\n".join(_broken(shown, width, " " * indent))
            _say_raw(shown)
