"""`earmark tag`."""

from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options

if TYPE_CHECKING:
    from pathlib import Path

Top = Annotated[int | None, typer.Option(metavar="N", help="The N best tags of each track.")]
MinScore = Annotated[float | None, typer.Option(metavar="X", help="Tags with a score of at least X.")]
Category = Annotated[
    list[str] | None,
    typer.Option("--category", "-c", metavar="NAME", help="Tags of this category; may be repeated."),
]
AboveThreshold = Annotated[
    bool, typer.Option("--above-threshold", help="Tags whose score reaches their threshold, where the model has them.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines: one object per track, with every tag.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV: one row per track, one column per tag.")]
Parquet = Annotated[str | None, typer.Option(metavar="OUT", help="Parquet file: one row per track and tag.")]
Taggram = Annotated[
    str | None,
    typer.Option(metavar="OUT", help="Tags over time as .png .svg .pdf .npz or .csv; of several tracks a folder, "
                 "or a pattern such as 'out/{name}.png'."),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tag")(tag)


def tag(
    files: options.Files,
    top: Top = None,
    min_score: MinScore = None,
    category: Category = None,
    above_threshold: AboveThreshold = False,
    model: options.Model = None,
    preset: options.Preset = "standard",
    raw: options.Raw = False,
    calibrated: options.Calibrated = False,
    as_json: Json = False,
    as_csv: Csv = False,
    parquet: Parquet = None,
    taggram: Taggram = None,
    jobs: options.Jobs = None,
    resume: options.Resume = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    hop_seconds: options.HopSeconds = None,
    pad: options.Pad = options.PadChoice.REPEAT,
    offset: options.Offset = 0.0,
    duration: options.Duration = None,
    quiet: options.Quiet = False,
) -> int:
    """Tag music: genre, mood, instruments, voice, era.

    On a terminal a table shows what tells something about a track: up to 5 tags per category with a score of at least
    0.05 that are likelier than in the training data, and rarer ones from 0.02 that are 1.5 times as likely. --top,
    --min-score, --category and --above-threshold choose otherwise, in every format. "× usual" is the score over how
    often the tag was given in the training data; ✓ stands behind a score that reaches the tag's threshold, if the model
    has thresholds.

    In a pipe and without a format the same tags come as lines of path, category, tag, score and lift, separated by
    tabs. --json and --csv hold every tag, in the order of the taggram's columns. A name that is no UTF-8 is escaped in
    data: \\udcXX stands for the byte XX.

    Files that fail are reported at the end, and the exit status is 1.
    """
    from earmark.cli.batches import Batch
    from earmark.cli.formats import Selection, Writer
    from earmark.cli.taggram import write_picture

    selection = Selection(top, min_score, category, above_threshold)
    writer = Writer(selection, as_json=as_json, as_csv=as_csv, parquet=parquet)
    batch = Batch(files, quiet=quiet)
    pictures = _pictures(batch.paths, taggram)
    redo = [path for path, target in pictures.items() if not target.is_file()]
    with (
        batch.resumable(resume),
        writer,
        batch.tagger(
            model, preset=preset, engine=engine, device=device, hop_seconds=hop_seconds, raw=raw, pad=pad.value,
            calibrated=calibrated,
        ) as tagger,
    ):  # fmt: skip
        if above_threshold:
            tagger.check_thresholds()
        writer.begin(tagger.vocabulary.names)
        results = batch.run(tagger, jobs=jobs, offset=offset, duration=duration, resume=resume, redo=redo)
        for path, result in results:
            if path in pictures and len(result.taggram):  # the journal holds none: then the picture is there
                write_picture(pictures[path], path, result)
            with batch.bar.hidden():
                writer.write(result)
    return batch.finish()


def _pictures(paths: list[str], target: str | None) -> "dict[str, Path]":
    if target is None:
        return {}
    from earmark.batch import make_folders, output_paths
    from earmark.plots.taggram import PICTURES, TABLES

    targets = output_paths(paths, target, suffixes=PICTURES + TABLES, default=".png")
    make_folders(targets.values())
    return targets
