"""`earmark teach`, `earmark apply`, `earmark taught`: tags of your own."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, output
from earmark.cli.catalogue import Address, Json, open_library, track_table
from earmark.cli.library import print_json

if TYPE_CHECKING:
    from earmark.library.heads import Head, Measured

LISTS = ("--yes", "--no", "--forget")
"""Options of `teach` that take any number of files, as a shell gives them for *.mp3."""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the tag.")]
Yes = Annotated[list[str] | None, typer.Option("--yes", metavar="FILE...", help="Tracks that have it.")]
No = Annotated[list[str] | None, typer.Option("--no", metavar="FILE...", help="Tracks that do not.")]
Forget = Annotated[list[str] | None, typer.Option("--forget", metavar="FILE...", help="Withdraw these answers.")]
FromCsv = Annotated[
    str | None, typer.Option("--from-csv", metavar="TABLE", help="Answers as a table with the columns path and answer.")
]
Suggest = Annotated[
    int | None, typer.Option("--suggest", metavar="N", help="Name the tracks whose answer would help most.")
]
Category = Annotated[str | None, typer.Option(metavar="NAME", help="genre, mood, instrument, voice, era or other.")]
Model = Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="Whose embeddings to learn from.")]
Target = Annotated[str, typer.Argument(metavar="FILE", help="Such as NAME.tag.json.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.command("teach")(teach)
    parent.command("apply")(apply)
    parent.add_typer(app, name="taught", help="Tags that you taught: list, show, share, remove.")


def spread(arguments: Sequence[str]) -> list[str]:
    """Let options of `teach` take any number of files: "--yes a b" becomes "--yes a --yes b".

    Examples
    --------
    >>> spread(["teach", "dinner", "--yes", "a", "b", "--no", "c", "--category", "mood"])
    ['teach', 'dinner', '--yes', 'a', '--yes', 'b', '--no', 'c', '--category', 'mood']
    """
    if not arguments or arguments[0] != "teach":
        return list(arguments)
    spreaded: list[str] = []
    current, n_taken = "", 0
    for argument in arguments:
        if argument.startswith("-"):
            current, n_taken = argument if argument in LISTS else "", 0
        elif current:
            n_taken += 1
            if n_taken > 1:
                spreaded.append(current)
        spreaded.append(argument)
    return spreaded


def teach(
    name: Name,
    yes: Yes = None,
    no: No = None,
    forget: Forget = None,
    from_csv: FromCsv = None,
    suggest: Suggest = None,
    category: Category = None,
    model: Model = None,
    address: Address = None,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Teach a tag of your own from a few examples, or teach it further: answers add up.

    Tracks are named as in earmark library show, or are any audio files. What is learned is judged on examples that were
    held back, an album at a time. With --suggest, you are told which tracks to answer next. earmark apply gives the tag
    to every track.
    """
    from earmark.library.answers import read_answers

    library = open_library(address)
    with_it, without = list(yes or ()), list(no or ())
    if from_csv is not None:
        more_yes, more_no = read_answers(from_csv)
        with_it, without = with_it + more_yes, without + more_no
    if with_it or without or forget or category or suggest is None:
        head = library.teach(name, yes=with_it, no=without, forget=forget or (), category=category, model=model)
        if as_json and suggest is None:
            print_json(next(one for one in library.taught() if one.head.name == name).to_dict())
        elif not quiet:
            _report(head)
    if suggest is not None:
        found = library.suggest(name, n=suggest)
        if as_json:
            for track, probability in found:
                print_json({"probability": probability, **track.to_dict()})
        else:
            column = {"probability": [f"{probability:.2f}" for _, probability in found]}
            track_table([track for track, _ in found], extra=column)


def _report(head: "Head") -> None:
    """Say in words what was learned, and how good it is."""
    found = head.report
    output.note(
        f"{head.name}: learned from {found.n_yes} yes and {found.n_no} no, {found.n_background:,} tracks beside them"
    )
    if found.roc_auc is None:
        output.note("how good it is could not be tested: too few examples")
    else:
        output.note(f"on examples held back: ROC-AUC {_interval(found.roc_auc)}: {found.verdict}")
    if found.right is not None and found.decided is not None:
        rightly = f"{_interval(found.right)} of those rightly"
        output.note(f"it decides {found.decided:.0%} of them, {rightly}; of the others it is unsure")
    for text in found.warnings:
        output.warn(text)


def _interval(measured: "Measured") -> str:
    return f"{measured.value:.2f} ({measured.low:.2f} to {measured.high:.2f})"


def apply(name: Name, address: Address = None, as_json: Json = False) -> None:
    """Give a tag that you taught to every track; tracks that are added later get it, too."""
    done = open_library(address).apply(name)
    if as_json:
        print_json(vars(done))
    else:
        output.note(f"{name}: yes {done.n_yes:,}, unsure {done.n_unsure:,}, no {done.n_no:,}")


@app.callback()
def taught() -> None:
    """Tags that you taught: list, show, share, remove."""


@app.command("list")
def list_taught(address: Address = None, as_json: Json = False) -> None:
    """List the tags that you taught."""
    for own in open_library(address).taught():
        if as_json:
            print_json(own.to_dict())
            continue
        found = own.head.report
        score = "not tested" if found.roc_auc is None else f"ROC-AUC {_interval(found.roc_auc)}"
        state = "applied" if own.is_applied else "not applied"
        fields = (own.head.name, own.head.category, f"{own.n_answers} answers", score, state)
        sys.stdout.write("\t".join(map(output.printable, fields)) + "\n")


@app.command("export")
def export(name: Name, path: Target, force: Force = False, address: Address = None) -> None:
    """Write a tag that you taught to a small file, to share it."""
    from earmark.batch import STDIN, check_free

    library = open_library(address)
    check_free(path, source=STDIN, force=force)
    library.export_tag(name, path)
    output.note(f"{name} written to {path}")


@app.command("import")
def import_(path: Target, force: Force = False, address: Address = None) -> None:
    """Take in a tag that somebody taught; earmark apply gives it to your tracks."""
    head = open_library(address).import_tag(path, force=force)
    output.note(f"{head.name} taken in; earmark apply '{head.name}' gives it to every track")


@app.command("remove")
def remove(name: Name, yes: Sure = False, address: Address = None) -> None:
    """Take out a tag that you taught, its answers and its scores."""
    library = open_library(address)
    if not yes:
        typer.confirm(f"take out {name!r}, its answers and its scores?", abort=True, err=True)
    library.remove_tag(name)
    output.note(f"{name} taken out")
