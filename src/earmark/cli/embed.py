"""`earmark embed`."""

from typing import Annotated

import typer

from earmark.cli import options

Output = Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="Where to: .npz or .parquet.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("embed")(embed)


def embed(
    files: options.Files,
    output: Output,
    model: options.Model = None,
    preset: options.Preset = "standard",
    jobs: options.Jobs = None,
    resume: options.Resume = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    offset: options.Offset = 0.0,
    duration: options.Duration = None,
    quiet: options.Quiet = False,
) -> int:
    """Write the embeddings of music.

    An embedding is what the networks know of a track before they name tags: a list of D numbers, of a preset those of
    its models one after the other.

    .npz holds paths (n), durations (n), embeddings (n, D), model, models and layer; .parquet one row per track: path,
    duration, model and embedding. Files that fail are left out and reported, and the exit status is 1.
    """
    from earmark.cli.batches import Batch
    from earmark.cli.output import note
    from earmark.tables import check_embeddings, embedding_only, write_embeddings

    target = check_embeddings(output)
    batch = Batch(files, quiet=quiet)
    with batch.resumable(resume), batch.tagger(model, preset=preset, engine=engine, device=device) as tagger:
        ran = batch.run(tagger, jobs=jobs, offset=offset, duration=duration, resume=resume)
        results = [embedding_only(result) for _, result in ran]
        layers = [card.embedding for card in tagger.cards]
    if results:
        write_embeddings(target, results, layers)
    status = batch.finish()
    if results and not quiet:
        note(f"{target}: {len(results)} embeddings of {results[0].embedding.size} numbers")
    return status
