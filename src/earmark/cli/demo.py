"""`earmark demo`."""

import os
from typing import Annotated

import typer

from earmark.cli import options

DEFAULT = "earmark-demo.wav"

Output = Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="Where to keep the piece.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    output: Output = DEFAULT,
    model: options.Model = None,
    preset: options.Preset = "standard",
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    quiet: options.Quiet = False,
) -> int:
    """Render half a minute of piano that drums join, and tag it."""
    from earmark.audio.io import write
    from earmark.cli.batches import Batch
    from earmark.cli.formats import Selection, Writer
    from earmark.cli.output import note
    from earmark.demo import DEMO_PARTS, render
    from earmark.errors import UsageError
    from earmark.highlights import scores_between
    from earmark.progress import clock_text

    if output != DEFAULT and os.path.lexists(output):
        raise UsageError(f"{output}: there is such a file already", hint="name a file that does not exist yet")
    write(output, *render())
    batch = Batch([output], quiet=quiet)
    writer = Writer(Selection())
    with batch.tagger(model, preset=preset, engine=engine, device=device) as tagger, writer:
        for _, result in batch.run(tagger):
            writer.write(result)
            first, second = (scores_between(result, part.start, part.end) for part in DEMO_PARTS)
            heard = [f"{tag} {first[tag]:.2f}, then {second[tag]:.2f}" for tag in ("piano", "drums") if tag in first]
            if heard and not quiet:
                joined = clock_text(DEMO_PARTS[1].start)
                note(f"Piano alone, and drums join at {joined}. Heard in the two parts: {'; '.join(heard)}.")
    return batch.finish()
