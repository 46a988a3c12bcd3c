"""Options that several commands share; names and defaults are those of the library."""

from enum import StrEnum
from typing import Annotated

import typer


class PadChoice(StrEnum):
    """What fills a track shorter than one chunk."""

    REPEAT = "repeat"
    ZEROS = "zeros"
    NONE = "none"


Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE|FOLDER|PATTERN|-", help="Music: files, folders, patterns in quotes; - is stdin."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="NAME", help="One model, its tags as they are (earmark models): a name, the "
                 "folder of a run, or a .safetensors or .onnx file that earmark wrote."),
]  # fmt: skip
Preset = Annotated[str, typer.Option(metavar="NAME", help="Models and merging: standard, or full (one model more).")]
Engine = Annotated[str, typer.Option(metavar="NAME", help="auto, onnx or torch.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, or a device of PyTorch such as cuda.")]
Offset = Annotated[float, typer.Option(metavar="SECONDS", help="Skip so much at the beginning of every track.")]
Duration = Annotated[float | None, typer.Option(metavar="SECONDS", help="Listen to so much of every track.")]
HopSeconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Distance between chunks; as published unless given.")
]
Pad = Annotated[PadChoice, typer.Option(help="What fills a track shorter than one chunk; none makes it an error.")]
Calibrated = Annotated[
    bool, typer.Option("--calibrated", help="Scores as probabilities, with what the model's card holds for it.")
]
Raw = Annotated[bool, typer.Option("--raw", help="Keep each model's own tags; do not merge synonyms.")]
Jobs = Annotated[int | None, typer.Option(metavar="N", help="Files open at a time; CPUs + 1 unless given.")]
Resume = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Journal of results: an interrupted batch goes on with the same command."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no summary.")]
