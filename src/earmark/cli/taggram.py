"""`earmark taggram`: the tags of one song over time, as a picture or a table."""

from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from earmark.track_tags import TrackTags

Song = Annotated[str, typer.Argument(metavar="SONG", help="A music file; - is stdin.")]
Output = Annotated[
    str, typer.Option("--output", "-o", metavar="OUT", help="Where to: .png .svg .pdf a picture, .npz .csv numbers.")
]
Top = Annotated[int, typer.Option(metavar="N", help="Tags in the picture at most.")]
Dark = Annotated[bool, typer.Option("--dark", help="Light on dark.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("taggram")(taggram)


def taggram(
    song: Song,
    output: Output,
    top: Top = 20,
    dark: Dark = False,
    model: options.Model = None,
    preset: options.Preset = "standard",
    raw: options.Raw = False,
    calibrated: options.Calibrated = False,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    hop_seconds: options.HopSeconds = None,
    pad: options.Pad = options.PadChoice.REPEAT,
    offset: options.Offset = 0.0,
    duration: options.Duration = None,
    quiet: options.Quiet = False,
) -> int:
    """Draw the tags of a song over time, below its waveform.

    Numbers come as .csv, one line per chunk of the song, or .npz with taggram, times, tags, categories, scores and
    embedding. The waveform is left out of what comes from stdin.
    """
    from earmark.batch import make_folders, output_paths
    from earmark.cli.batches import Batch
    from earmark.plots.taggram import PICTURES, TABLES

    batch = Batch([song], quiet=quiet)
    targets = output_paths(batch.paths, output, suffixes=PICTURES + TABLES, default=".png")
    make_folders(targets.values())
    with batch.tagger(
        model, preset=preset, engine=engine, device=device, hop_seconds=hop_seconds, raw=raw, pad=pad.value,
        calibrated=calibrated,
    ) as tagger:  # fmt: skip
        for path, result in batch.run(tagger, offset=offset, duration=duration):
            write_picture(targets[path], path, result, top=top, dark=dark)
    return batch.finish()


def write_picture(target: "Path", path: str, result: "TrackTags", *, top: int = 20, dark: bool = False) -> None:
    """Write the taggram of a track, a picture with the waveform above unless the track came from stdin."""
    from earmark.audio.io import open_audio
    from earmark.batch import STDIN
    from earmark.plots.envelope import waveform_envelope
    from earmark.plots.taggram import PICTURES, write_taggram

    envelope = None
    if target.suffix.lower() in PICTURES and path != STDIN:
        with open_audio(path, duration=result.duration) as reader:  # which the axis shows
            envelope = waveform_envelope(reader.blocks())
    write_taggram(target, result, waveform_envelope=envelope, top=top, dark=dark)
