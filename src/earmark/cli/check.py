"""`earmark check`: how right the tags are, by labels of your own."""

from typing import Annotated

import typer

from earmark.cli import options, output
from earmark.cli.catalogue import Address
from earmark.cli.evaluate import print_report, progress

Labels = Annotated[
    str, typer.Option("--labels", metavar="TABLE", help="CSV, TSV or Parquet with the columns path and tags.")
]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="How to read the table, such as tags=genre,mood; repeatable."),
]
Floors = Annotated[str, typer.Option("--floors", metavar="NAMES", help="Baselines, with commas.")]
Resamples = Annotated[int, typer.Option("--resamples", metavar="N", help="For intervals.")]
Output = Annotated[str | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write the report there.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object with everything.")]


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("check")(check)


def check(
    labels: Labels,
    model: options.Model = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Listen with this preset.")] = None,
    option: Option = None,
    floors: Floors = "prior",
    resamples: Resamples = 1000,
    report_folder: Output = None,
    address: Address = None,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Judge the tags by labels of your own: every metric with its interval, beside a baseline.

    The scores are those of the catalogue, of models and of your own tags. With --model or --preset the files are heard
    instead, whether the catalogue knows them or not.
    """
    from earmark.cli.catalogue import open_library
    from earmark.cli.settings import settings
    from earmark.evaluate import write_report
    from earmark.library.checking import check as check_labels

    store = None if model is not None or preset is not None else open_library(address).store
    with progress("checking", quiet=quiet) as on_progress:
        found = check_labels(
            labels, store=store, model=model, preset=preset or "standard", options=settings("--option", option or ()),
            floors=[name.strip() for name in floors.split(",") if name.strip()], resamples=resamples,
            on_progress=on_progress,
        )  # fmt: skip
    if found.left_out:
        output.warn(f"nothing hears these tags of the table: {', '.join(found.left_out)}")
    for name, reason in found.missing[:5]:
        output.warn(f"left out: {name}: {reason}")
    if len(found.missing) > 5:
        output.warn(f"and {len(found.missing) - 5} more tracks left out")
    written = write_report(found.report, report_folder) if report_folder else ()
    print_report(found.report, as_json=as_json, quiet=quiet)
    if written and not quiet:
        output.note(f"{written[2]}: the report")
