"""`earmark convert`."""

from typing import Annotated

import typer

from earmark.cli import options

Source = Annotated[str, typer.Argument(metavar="IN", help="Any audio file, or video with sound; - is stdin.")]
Target = Annotated[str, typer.Argument(metavar="OUT", help="Where to; the suffix chooses: wav, flac, ogg, ...")]
SampleRate = Annotated[int | None, typer.Option(metavar="HZ", help="Resample; the file's own unless given.")]
Mono = Annotated[bool, typer.Option("--mono", help="Mix the channels down to one.")]
Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert")(convert)


def convert(
    source: Source,
    target: Target,
    sample_rate: SampleRate = None,
    mono: Mono = False,
    offset: options.Offset = 0.0,
    duration: options.Duration = None,
    force: Force = False,
) -> None:
    """Convert audio to another format or sample rate, or cut it."""
    from earmark.audio.io import open_audio, write
    from earmark.batch import check_free
    from earmark.cli import output

    check_free(target, source=source, force=force)
    with open_audio(source, sample_rate=sample_rate, mono=mono, offset=offset, duration=duration) as reader:
        write(target, reader.blocks(), reader.sample_rate)
    for text in reader.notes:
        output.warn(f"{reader.name}: {text}")
