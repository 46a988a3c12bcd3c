"""`earmark write`, `earmark undo`, `earmark read`: tags in files."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli import options, output
from earmark.cli.catalogue import Json
from earmark.cli.library import print_json
from earmark.errors import UsageError

if TYPE_CHECKING:
    from earmark.tagfile.changes import FieldChange
    from earmark.tagfile.choosing import Choice
    from earmark.tagfile.filling import Outcome
    from earmark.tagfile.journal import Journal
    from earmark.tagfile.profiles import Profile
    from earmark.tagfile.reading import FileTags
    from earmark.tagfile.scores import ScoreSource

Files = Annotated[list[str], typer.Argument(metavar="FILE|FOLDER|PATTERN", help="Music: files, folders, patterns.")]
Fields = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="With commas: genre, mood, bpm, key, grouping, comment, raw; those of the "
                 "profile unless given."),
]  # fmt: skip
ProfileName = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="standard, picard, navidrome, rekordbox, plex or musicbee.")
]
Count = Annotated[int, typer.Option(metavar="N", help="Values per field at most.")]
MinScore = Annotated[
    float | None, typer.Option(metavar="X", help="Score from which on a tag counts; its own threshold unless given.")
]
MinConfidence = Annotated[float, typer.Option(metavar="X", help="Tempo and key that are at least so sure, 0 to 1.")]
KeyNotation = Annotated[
    str | None, typer.Option(metavar="NAME", help="initial (F#m), camelot (11A), open (4m) or name (F# minor).")
]
Whitelist = Annotated[str | None, typer.Option(metavar="FILE", help="The genres that may be written, one per line.")]
MapFile = Annotated[str | None, typer.Option("--map", metavar="FILE", help="Your own names and genre tree, as TOML.")]
Force = Annotated[
    bool, typer.Option("--force/--keep-existing", help="Replace values that somebody else wrote; or keep them.")
]
Table = Annotated[
    str | None, typer.Option("--from", metavar="FILE", help="Scores from a table, as earmark tag --json writes it.")
]
Address = Annotated[
    str | None, typer.Option("--library", "-l", metavar="ADDRESS", help="Scores from this catalogue, and none other.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Listen now, whatever the catalogue knows.")]
Write = Annotated[bool, typer.Option("--write", help="Do it; without this, nothing is changed.")]


class TimesChoice(StrEnum):
    """The time of change of a file that is written."""

    KEEP = "keep"
    STEP = "step"
    NEW = "new"


class HardLinksChoice(StrEnum):
    """What becomes of a file with several names."""

    REFUSE = "refuse"
    SPLIT = "split"


TimesOption = Annotated[
    TimesChoice,
    typer.Option("--times", help="Time of change of the files: keep it, step it by a second so that servers notice, "
                 "or new."),
]  # fmt: skip
HardLinksOption = Annotated[
    HardLinksChoice,
    typer.Option("--hard-links", help="Files with several names: refuse them, or split this name off."),
]
JournalFolder = Annotated[
    str | None,
    typer.Option("--journal", metavar="FOLDER", help="Where what undoes a run is kept; EARMARK_JOURNAL, or your own "
                 "folder for data, unless given."),
]  # fmt: skip
Run = Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run that --list names; the last one unless given.")]
ListRuns = Annotated[bool, typer.Option("--list", help="List the runs that can be undone.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("write")(write)
    app.command("undo")(undo)
    app.command("read")(read)


def write(
    files: Files,
    fields: Fields = None,
    profile: ProfileName = "standard",
    count: Count = 2,
    min_score: MinScore = None,
    min_confidence: MinConfidence = 0.5,
    key_notation: KeyNotation = None,
    whitelist: Whitelist = None,
    map_file: MapFile = None,
    force: Force = False,
    table: Table = None,
    address: Address = None,
    fresh: Fresh = False,
    model: options.Model = None,
    preset: options.Preset = "standard",
    engine: options.Engine = "auto",
    device: options.Device = "auto",
    jobs: options.Jobs = None,
    write_: Write = False,
    times: TimesOption = TimesChoice.KEEP,
    hard_links: HardLinksOption = HardLinksChoice.REFUSE,
    journal: JournalFolder = None,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Write genre, mood, tempo and key into the files, in the field that each player reads.

    It shows what would change, and changes nothing; --write does it. Values that somebody else wrote are kept unless
    --force is given; those that earmark wrote before are refreshed. What is written can be taken back: earmark undo.

    Scores come from your catalogue, and files that it does not know are listened to; --library, --from or --fresh say
    otherwise. --model and --preset listen, too, or with --library choose whose scores are taken.
    """
    from earmark.batch import find_audio
    from earmark.tagfile.filling import fill
    from earmark.tagfile.profiles import get_profile

    player = get_profile(profile)
    choice = _choice(player, fields, count, min_score, min_confidence, key_notation, map_file, whitelist)
    _check_sources(table, address, fresh)
    paths = find_audio(files)
    _refuse_stdin(paths)

    def listen() -> "ScoreSource":
        return _listening(choice, model, preset, engine, device, jobs, quiet=quiet or as_json)

    heard_by = model or (None if preset == "standard" else preset)
    source = _source(table, address, fresh or heard_by is not None, heard_by, listen)
    with ExitStack() as stack:
        kept = stack.enter_context(_journal(journal)) if write_ else None
        outcomes = fill(
            paths, source, choice, profile=player, force=force, journal=kept, hard_links=hard_links.value,
            times=times.value,
        )  # fmt: skip
        return _report(outcomes, len(paths), kept, as_json=as_json, quiet=quiet)


def _choice(
    player: "Profile",
    fields: str | None,
    count: int,
    min_score: float | None,
    min_confidence: float,
    key_notation: str | None,
    map_file: str | None,
    whitelist: str | None,
) -> "Choice":
    from earmark.tagfile.choosing import Choice
    from earmark.tagfile.vocabulary_map import load

    names = player.fields if fields is None else tuple(dict.fromkeys(filter(None, map(str.strip, fields.split(",")))))
    notation: Any = key_notation or player.key_notation
    return Choice(names, count, min_score, min_confidence, notation, load(map_file, whitelist))


def _check_sources(table: str | None, address: str | None, fresh: bool) -> None:
    given = [name for name, value in (("--from", table), ("--library", address), ("--fresh", fresh)) if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", hint="say once where scores come from")


def _refuse_stdin(paths: list[str]) -> None:
    from earmark.batch import STDIN

    if STDIN in paths:
        raise UsageError("- is stdin, which has no tags", hint="name files or folders")


def _source(
    table: str | None, address: str | None, fresh: bool, model: str | None, listen: "Callable[[], ScoreSource]"
) -> "ScoreSource":
    from earmark.tagfile.scores import LibrarySource, TableSource, known_or_heard

    if table is not None:
        return TableSource(table)
    if address is not None:
        from earmark.library.store import Store

        return LibrarySource(Store(address), model=model)
    return listen() if fresh else known_or_heard(listen)


def _listening(
    choice: "Choice",
    model: str | None,
    preset: str,
    engine: str,
    device: str,
    jobs: int | None,
    *,
    quiet: bool,
) -> "ScoreSource":
    from earmark.tagfile.scores import FreshSource
    from earmark.tagger import Tagger

    with output.download_progress(quiet=quiet) as progress:
        tagger = Tagger(model, preset=preset, engine=engine, device=device, progress=progress)
    return FreshSource(tagger, model=model, tempo="bpm" in choice.fields, key="key" in choice.fields, jobs=jobs)


def _journal(folder: str | None) -> "Journal":
    from earmark.tagfile.filling import default_journal
    from earmark.tagfile.journal import Journal

    return Journal(folder or default_journal())


def _report(
    outcomes: "Iterator[Outcome]", n_files: int, journal: "Journal | None", *, as_json: bool, quiet: bool
) -> int:
    from earmark.progress import ProgressBar

    counts: Counter[str] = Counter()
    failures: list[Outcome] = []
    label = "looking" if journal is None else "writing"
    with (
        ProgressBar(label, enabled=False if quiet or n_files < 2 else None) as bar,
        _told_if_interrupted(counts, journal, quiet=quiet),
    ):
        for i, outcome in enumerate(outcomes, 1):
            counts[outcome.status] += 1
            failures += [outcome] if outcome.error is not None else []
            with bar.hidden():
                if as_json:
                    _print_outcome(outcome)
                else:
                    _print_change(outcome)
            failed = f", {len(failures)} failed" if failures else ""
            bar.update(i / n_files, f"{i:,}/{n_files:,} files{failed}")
    for outcome in failures:
        if outcome.error is not None and not as_json:
            output.error(outcome.error)
    if not quiet:
        _summarise(counts, journal)
    return 1 if failures else 0


@contextmanager
def _told_if_interrupted(counts: "Counter[str]", journal: "Journal | None", *, quiet: bool) -> Iterator[None]:
    """When a block is interrupted, say what was done until then."""
    try:
        yield
    except KeyboardInterrupt:
        if not quiet:
            sys.stderr.write("\n" * sys.stderr.isatty())
            _summarise(counts, journal)
        raise


def _summarise(counts: "Counter[str]", journal: "Journal | None") -> None:
    n_changed = counts["proposed"] + counts["written"]
    parts = [f"{counts['same']:,} as they are"] if counts["same"] else []
    parts += [f"{counts['done']:,} done before"] if counts["done"] else []
    parts += [f"{counts['failed']:,} failed"] if counts["failed"] else []
    rest = f" ({', '.join(parts)})" if parts else ""
    files = output.counted(n_changed, "file")
    if journal is None:
        output.note(f"{files} would change{rest}" + ("; nothing was written: add --write" if n_changed else ""))
    else:
        back = f"; take it back with: earmark undo {journal.run}" if journal.run is not None else ""
        output.note(f"{files} written{rest}{back}")


def _print_outcome(outcome: "Outcome") -> None:
    plain: dict[str, Any] = {"path": outcome.path, "status": outcome.status}
    if outcome.change is not None:
        plain["changes"] = [
            {"name": one.name, "fields": list(one.fields), "before": list(one.before), "after": list(one.after)}
            for one in outcome.change.changes
        ]
        plain["kept"] = list(outcome.change.kept)
    if outcome.error is not None:
        plain |= {"error": outcome.error.message, "hint": outcome.error.hint}
    print_json(plain)


def _print_change(outcome: "Outcome") -> None:
    """Write what changes in a file, field by field."""
    if outcome.status not in ("proposed", "written") or outcome.change is None:
        return
    from rich.text import Text

    changes = outcome.change.changes
    width = max(len(one.name) for one in changes)
    lines = [Text(output.printable(outcome.path), style="bold")]
    lines += [_change_line(one, width) for one in changes]
    if outcome.change.kept:
        lines.append(Text(f"  kept as they are: {', '.join(outcome.change.kept)}", style="dim"))
    if not sys.stdout.isatty():
        sys.stdout.write("".join(f"{line.plain}\n" for line in lines))
        return
    console = output.console()
    for line in lines:
        console.print(line)


def _change_line(one: "FieldChange", width: int) -> Any:
    from rich.text import Text

    is_own = one.name.startswith("EARMARK_")
    line = Text(f"  {one.name:<{width}}  ", style="dim" if is_own else "")
    before, after = ("; ".join(map(output.printable, texts)) for texts in (one.before, one.after))
    if before:
        line.append(before, style="dim" if is_own else "red")
    line.append(" → " if before else "→ ")
    line.append(after or "(taken away)", style="dim" if is_own or not after else "green")
    return line


def undo(
    run: Run = None,
    list_runs: ListRuns = False,
    yes: Yes = False,
    journal: JournalFolder = None,
    as_json: Json = False,
) -> int:
    """Take back what earmark write --write did: every file as it was, byte for byte.

    A file that was changed since by somebody else is left alone, and told.
    """
    with _journal(journal) as kept:
        if list_runs:
            _list_runs(kept, as_json=as_json)
            return 0
        if run is None:
            run = _last_run(kept, yes=yes)
        undone = kept.undo(run)
    failed = [one for one in undone if not one.is_restored]
    for one in undone if as_json else failed:
        if as_json:
            print_json({"path": one.path, "is_restored": one.is_restored, "reason": one.reason})
        else:
            output.note(f"left as it is: {one.path}: {one.reason}")
    output.note(
        f"{output.counted(len(undone) - len(failed), 'file')} restored" + (f", {len(failed)} not" * bool(failed))
    )
    return 1 if failed else 0


def _last_run(journal: "Journal", *, yes: bool) -> str:
    left = [run for run in journal.runs() if run.n_undone < run.n_files]
    if not left:
        raise UsageError(f"{journal.folder}: there is no run that could be undone", hint="earmark undo --list")
    last = left[-1]
    if not yes:
        files = output.counted(last.n_files - last.n_undone, "file")
        question = f"restore {files} that the run {last.id} wrote, begun {last.begun.astimezone():%Y-%m-%d %H:%M}?"
        typer.confirm(question, abort=True, err=True)
    return last.id


def _list_runs(journal: "Journal", *, as_json: bool) -> None:
    for run in journal.runs():
        if as_json:
            print_json(
                {"run": run.id, "begun": run.begun.isoformat(), "n_files": run.n_files, "n_undone": run.n_undone,
                 "is_running": run.is_running}
            )  # fmt: skip
            continue
        state = "running" if run.is_running else f"{run.n_undone:,} undone" if run.n_undone else ""
        files = output.counted(run.n_files, "file")
        sys.stdout.write(f"{run.id}  {run.begun.astimezone():%Y-%m-%d %H:%M}  {files}  {state}".rstrip() + "\n")


def read(files: Files, as_json: Json = False) -> int:
    """Print what the tags of files say, field by field."""
    from earmark.batch import find_audio
    from earmark.errors import EarmarkError
    from earmark.tagfile.reading import read_tags

    paths = find_audio(files)
    _refuse_stdin(paths)
    n_failed = 0
    for i, path in enumerate(paths):
        try:
            tags = read_tags(path)
        except EarmarkError as error:
            output.error(error)
            n_failed += 1
            continue
        if as_json:
            _print_tags(path, tags)
        else:
            sys.stdout.write("\n" * (i > 0))
            _show_tags(path, tags)
    return 1 if n_failed else 0


def _print_tags(path: str, tags: "FileTags") -> None:
    from dataclasses import asdict

    plain = asdict(tags)
    fields, kinds, problem = (plain.pop(name) for name in ("fields", "kinds", "problem"))
    print_json({"path": path, "kinds": kinds, "tags": plain, "fields": fields, "problem": problem})


def _show_tags(path: str, tags: "FileTags") -> None:
    from rich.text import Text

    rows = list(_rows(tags))
    first = max((len(meaning) for meaning, _, _ in rows), default=0)
    second = max((len(name) for _, name, _ in rows), default=0)
    kinds = ", ".join(tags.kinds) or "no tags"
    lines = [Text.assemble((output.printable(path), "bold"), (f"  {kinds}", "dim"))]
    lines += [
        Text.assemble((f"  {meaning:<{first}}", "cyan"), (f"  {name:<{second}}", "dim"), f"  {value}")
        for meaning, name, value in rows
    ]
    if sys.stdout.isatty():
        console = output.console()
        for line in lines:
            console.print(line)
    else:
        sys.stdout.write("".join(f"{line.plain}\n" for line in lines))
    if tags.problem:
        output.warn(f"{path}: {tags.problem}")


def _rows(tags: "FileTags") -> Iterator[tuple[str, str, str]]:
    """Yield meaning, name in the file and value of every field; those that mean something come first."""
    from earmark.tagfile.fields import FIELDS

    meanings = {
        name.casefold(): (i, meaning)
        for i, (meaning, families) in enumerate(FIELDS.items())
        for names in families.values()
        for name in names
    }
    last = (len(FIELDS), "")
    fields = sorted(tags.fields.items(), key=lambda item: (meanings.get(item[0].casefold(), last)[0], item[0]))
    for name, values in fields:
        meaning = meanings.get(name.casefold(), last)[1]
        text = "; ".join(map(output.printable, values))
        if meaning == "genre" and any(value.strip("()").isdecimal() for value in values):
            text += f" ({'; '.join(map(output.printable, tags.genres))})"
        yield meaning, output.printable(name), text
