"""`earmark library`: add folders to the catalogue, look at what is in it, look after it."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, output
from earmark.cli.catalogue import Address, Filter, Json, open_library, seconds_text

if TYPE_CHECKING:
    from earmark.library.adding import Added, AddProgress
    from earmark.library.duplicates import DuplicateGroup

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FOLDER]...", help="Folders, or single files; those that were added before if none."),
]
Whole = Annotated[bool, typer.Option("--whole", help="Listen to all of every track, not to a chunk of every 12 s.")]
Jobs = Annotated[int | None, typer.Option(metavar="N", help="Files at a time, each in a process; CPUs unless given.")]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Try files again that failed before.")]
Prune = Annotated[bool, typer.Option("--prune", help="Forget files that are gone; asks first.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Tracks = Annotated[list[str], typer.Argument(metavar="TRACK...", help="Files, ids or titles.")]
Track = Annotated[str, typer.Argument(metavar="TRACK", help="A file, an id (or its beginning) or a title.")]
Target = Annotated[str, typer.Argument(metavar="FILE", help=".parquet, .csv or .jsonl.")]
Origin = Annotated[str, typer.Argument(metavar="FILE", help=".parquet or .jsonl, written by earmark library export.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="At most so many.")]
Failures = Annotated[bool, typer.Option("--failures", help="List the files that could not be analysed, and why.")]
MinSeconds = Annotated[float, typer.Option("--min-seconds", metavar="N", help="What two tracks must have in common.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


class MethodChoice(StrEnum):
    """How tracks get their places."""

    AUTO = "auto"
    UMAP = "umap"
    TSNE = "tsne"
    PCA = "pca"


class LinksChoice(StrEnum):
    """How a page leads to the music."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    NONE = "none"


MapTarget = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help=".html, .png, .svg or .pdf.")]
Colour = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A tag, or group, artist, genre, key, bpm, year, duration."),
]
MapMethod = Annotated[MethodChoice, typer.Option("--method", help="auto is umap from 30 tracks on, pca below.")]
Dark = Annotated[bool, typer.Option("--dark", help="A picture on black.")]
Clusters = Annotated[bool, typer.Option("--clusters", help="Group by style, each named by what sets it apart.")]
NClusters = Annotated[int | None, typer.Option("--n-clusters", metavar="N", help="The same, with so many groups.")]
LinksOption = Annotated[LinksChoice, typer.Option("--links", help="How the page leads to the music.")]
Seed = Annotated[int, typer.Option(metavar="N", help="What chance draws from.")]
Heading = Annotated[str, typer.Option(metavar="TEXT", help="Over the map.")]


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="library", help="Your music library: a catalogue of what was heard.")


@app.callback()
def library() -> None:
    """Your music library: a catalogue of what was heard in every track, to search and to build on.

    It lies in your folder for data, unless EARMARK_LIBRARY or --library names another place.
    """


@app.command("add")
def add(
    sources: Sources = None,
    model: options.Model = None,
    preset: options.Preset = "standard",
    engine: options.Engine = "auto",
    device: options.Device = "auto",
    whole: Whole = False,
    jobs: Jobs = None,
    retry_failed: Retry = False,
    prune: Prune = False,
    yes: Yes = False,
    address: Address = None,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Hear what is new or changed in folders.

    A track is known by its audio: files that were moved, renamed, copied or got other tags are recognised and not heard
    again. The same command goes on where it was interrupted. Files that fail are kept with the reason, and left alone
    until they change or --retry-failed asks for them.
    """
    from earmark.progress import ProgressBar

    library = open_library(address, create=True)
    with ProgressBar("listening", enabled=False if quiet or as_json else None) as bar:

        def show(progress: "AddProgress") -> None:
            rate = progress.n_done / max(bar.elapsed, 1e-3)
            note = f"{progress.n_done:,}/{progress.n_total:,} files"
            note += f", {progress.n_failed} failed" if progress.n_failed else ""
            note += f"  {60 * rate:,.0f} a minute, {progress.seconds / max(bar.elapsed, 1e-3):,.0f}× real time"
            bar.update(progress.n_bytes_done / max(progress.n_bytes, 1), note)

        with output.download_progress(quiet=quiet or as_json) as on_download:
            added = library.add(
                *(sources or ()), model=model, preset=preset, engine=engine, device=device, whole=whole, jobs=jobs,
                retry_failed=retry_failed, on_progress=show, on_download=on_download,
            )  # fmt: skip
    n_pruned = _prune(library.prune, added.missing, yes=yes) if prune else 0
    if as_json:
        _print_added(added, n_pruned)
    elif not quiet:
        _report(added, pruned=prune)
    for path, error in added.failures:
        if not as_json and path not in error.message:
            output.note(path)
        if not as_json:
            output.error(error)
    return 1 if added.failures else 0


def _prune(prune: object, missing: list[str], *, yes: bool) -> int:
    assert callable(prune)
    if not missing:
        return 0
    for path in missing[:10]:
        output.note(f"gone: {path}")
    if len(missing) > 10:
        output.note(f"and {len(missing) - 10} more")
    if not yes:
        typer.confirm(f"forget {output.counted(len(missing), 'file')}?", abort=True, err=True)
    n: int = prune(missing)
    output.note(f"{output.counted(n, 'track')} forgotten")
    return n


def _print_added(added: "Added", n_pruned: int) -> None:
    plain = {name: value for name, value in vars(added).items() if name != "failures"}
    failures = [{"path": path, "error": error.message, "hint": error.hint} for path, error in added.failures]
    print_json(plain | {"n_pruned": n_pruned, "failures": failures})


def _report(added: "Added", *, pruned: bool) -> None:
    parts = [f"{output.counted(added.n_heard, 'track')} heard"]
    parts += [f"{added.n_recognised:,} recognised"] if added.n_recognised else []
    parts += [f"{added.n_known:,} as before"] if added.n_known else []
    parts += [f"{len(added.failures):,} failed"] if added.failures else []
    rate = f", {added.seconds / added.elapsed:,.0f}× real time" if added.n_heard and added.elapsed else ""
    output.note(f"{output.counted(added.n_files, 'file')}: {', '.join(parts)}, in {added.elapsed:.1f} s{rate}")
    if added.n_known_failures:
        n = output.counted(added.n_known_failures, "file")
        output.note(f"{n} failed before (earmark library status --failures); --retry-failed tries again")
    if added.missing and not pruned:
        output.note(f"{output.counted(len(added.missing), 'file')} gone; --prune forgets them")


@app.command("status")
def status(address: Address = None, failures: Failures = False, as_json: Json = False) -> None:
    """Tell what is in the catalogue."""
    library = open_library(address)
    if failures:
        for failure in library.failures():
            if as_json:
                print_json(failure.to_dict())
            else:
                reason = failure.reason.removeprefix(f"{failure.path}: ")
                sys.stdout.write(output.printable(f"{failure.path}: {reason}") + "\n")
        return
    state = library.status()
    if as_json:
        print_json(state.to_dict())
        return
    lines = [
        ("catalogue", state.address),
        ("tracks", f"{state.n_tracks:,}, {seconds_text(state.seconds)} of music"),
        ("files", f"{state.n_files:,}, {state.n_bytes / 1e9:,.2f} GB"),
    ]
    lines += [("without a file", f"{state.n_lost:,}")] if state.n_lost else []
    for model in state.models:
        heard = ", ".join(f"{n:,} {how}" for how, n in model.listened.items()) or "nothing heard yet"
        lines.append((model.name, f"{model.n_tags} tags; {heard}"))
    lines += [("your own tags", f"{state.n_taught:,}")] if state.n_taught else []
    lines += [("failed files", f"{state.n_failures:,} (--failures lists them)")] if state.n_failures else []
    lines += [("folder", folder) for folder in state.folders]
    lines += [("size", f"{state.size / 1e6:,.1f} MB")] if state.size is not None else []
    lines += [("last heard", f"{state.newest:%Y-%m-%d %H:%M} UTC")] if state.newest is not None else []
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        sys.stdout.write(output.printable(f"{name:<{width}}  {value}") + "\n")


@app.command("list")
def list_tracks(filter: Filter = None, limit: Limit = None, address: Address = None, as_json: Json = False) -> None:
    """List tracks."""
    from itertools import islice

    from earmark.cli.catalogue import track_table

    tracks = islice(open_library(address).list(filter=filter), limit)
    if as_json:
        for track in tracks:
            print_json(track.to_dict())
    else:
        track_table(tracks)


@app.command("show")
def show(track: Track, address: Address = None, as_json: Json = False) -> None:
    """Show all that is known of a track."""
    from earmark.cli.catalogue import track_card

    found = open_library(address).show(track)
    if as_json:
        print_json(found.to_dict())
    else:
        track_card(found)


@app.command("remove")
def remove(tracks: Tracks, yes: Yes = False, address: Address = None) -> None:
    """Take tracks out of the catalogue; the files stay where they are."""
    library = open_library(address)
    found = {track.id: track for track in (library.show(text) for text in tracks)}
    for track in found.values():
        output.note(f"{track.id[:12]}  {track.name}")
    if not yes:
        typer.confirm(f"take {output.counted(len(found), 'track')} out of the catalogue?", abort=True, err=True)
    n = library.remove(*found)
    output.note(f"{output.counted(n, 'track')} taken out")


@app.command("duplicates")
def duplicates(
    filter: Filter = None,
    min_seconds: MinSeconds = 5.0,
    address: Address = None,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the same recording in several files: other encodings, excerpts, longer versions.

    What is compared is the sound, not the tags. Files with exactly the same audio are one track with several files
    (earmark library show). Nothing is deleted.
    """
    from dataclasses import asdict

    from earmark.progress import ProgressBar

    library = open_library(address)
    with ProgressBar("comparing", enabled=False if quiet or as_json else None) as bar:
        groups = library.duplicates(
            filter=filter, min_seconds=min_seconds, on_progress=lambda step, done: bar.update(done, step)
        )
    ids = [one for group in groups for one in (group.reference, *(each.id for each in group.duplicates))]
    tracks = {track.id: track for track in library.store.tracks(ids=list(dict.fromkeys(ids)), models=[])}
    for group in groups:
        if as_json:
            paths = {one: [file.path for file in tracks[one].files] for one in ids if one in _members(group)}
            print_json(asdict(group) | {"paths": paths})
            continue
        sys.stdout.write(output.printable(tracks[group.reference].path or tracks[group.reference].name) + "\n")
        for each in group.duplicates:
            track = tracks[each.id]
            of = "" if each.of == group.reference else f" of {tracks[each.of].name}"
            detail = (
                f"{each.relation}{of}, {each.matched_seconds:.0f} s in common, {each.bit_error_rate:.0%} of bits differ"
            )
            sys.stdout.write(output.printable(f"    {track.path or track.name}: {detail}") + "\n")
    if not quiet and not as_json:
        output.note(f"{output.counted(len(groups), 'recording')} in more than one file")


def _members(group: "DuplicateGroup") -> set[str]:
    return {group.reference, *(each.id for each in group.duplicates)}


@app.command("map")
def map_(
    target: MapTarget,
    colour: Colour = None,
    method: MapMethod = MethodChoice.AUTO,
    clusters: Clusters = False,
    n_clusters: NClusters = None,
    filter: Filter = None,
    links: LinksOption = LinksChoice.RELATIVE,
    dark: Dark = False,
    seed: Seed = 0,
    heading: Heading = "Your music",
    force: Force = False,
    address: Address = None,
    quiet: options.Quiet = False,
) -> None:
    """Draw every track as a dot, alike near alike: a page to explore, or a picture.

    What is near sounds alike; how far two groups lie apart means little. The page needs no network.
    """
    from earmark.batch import STDIN, check_free

    library = open_library(address)
    check_free(target, source=STDIN, force=force)
    groups: int | bool = n_clusters if n_clusters is not None else clusters
    drawn = library.map(
        target, colour=colour, method=method.value, groups=groups, filter=filter, links=links.value, dark=dark,
        seed=seed, heading=heading,
    )  # fmt: skip
    if not quiet:
        output.note(f"{output.counted(len(drawn.points), 'track')} by {drawn.method}, drawn in {target}")


@app.command("export")
def export(path: Target, filter: Filter = None, force: Force = False, address: Address = None) -> None:
    """Write the catalogue to a file: Parquet or JSON lines with everything, CSV for a spreadsheet."""
    from earmark.batch import STDIN, check_free

    library = open_library(address)
    check_free(path, source=STDIN, force=force)
    n = library.export(path, filter=filter)
    output.note(f"{output.counted(n, 'track')} written to {path}")


@app.command("import")
def import_(path: Origin, address: Address = None) -> None:
    """Read a catalogue that was exported; what is here stays as it is."""
    done = open_library(address, create=True).import_from(path)
    output.note(
        f"{output.counted(done.n_new, 'new track')}, {done.n_filled:,} completed, {done.n_known:,} known already"
    )


def print_json(plain: object) -> None:
    """Write one line of JSON."""
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        text = json.dumps(plain, allow_nan=False)  # a name that is no valid text can be written only when escaped
    sys.stdout.write(text + "\n")
