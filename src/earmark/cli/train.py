"""`earmark train`: a recipe becomes a model."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli import options

if TYPE_CHECKING:
    from earmark.train import Epoch

N_NAMED = 5  # tracks that could not be read; results.json names all

Recipe = Annotated[
    str | None,
    typer.Argument(metavar="RECIPE", help="A run file, such as those in the folder recipes; not needed with --resume."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="TABLE.KEY=VALUE", help="In place of what the recipe says; repeatable."),
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FOLDER", help="Of the run; runs/RECIPE unless given.")
]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Go on from the last epoch in the folder of a run.")
]
Init = Annotated[str | None, typer.Option("--init", metavar="MODEL", help="Begin with the weights of a model or run.")]
Frozen = Annotated[
    str | None, typer.Option("--freeze", metavar="PART", help="What does not learn: none, frontend or encoder.")
]
Devices = Annotated[int | None, typer.Option("--devices", metavar="N", help="GPUs, or processes on the CPU.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines: one object per epoch, then the results.")]


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("train")(train)


def train(
    recipe: Recipe = None,
    assignments: Set = None,
    output: Output = None,
    resume: Resume = None,
    init: Init = None,
    freeze: Frozen = None,
    devices: Devices = None,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a model as a recipe says.

    The folder of the run gets everything: the values that were used, versions, a checkpoint after every epoch, the
    weights that were best on the validation part, and what they make of the test part. An interrupted run goes on with
    --resume RUN and ends with the same weights. The run is a model: earmark tag --model RUN SONG.
    """
    from earmark.cli import output as streams
    from earmark.config import override, read_config
    from earmark.errors import MissingExtraError, UsageError
    from earmark.progress import ProgressBar

    if recipe is None and resume is None:
        raise UsageError("which recipe?", hint="earmark train RECIPE, or earmark train --resume RUN")
    if resume is not None and output is not None:
        raise UsageError("--resume and --output name a folder each", hint="a run goes on in its own: --resume RUN")
    source = Path(recipe) if recipe is not None else Path(str(resume)) / "run.toml"
    given = {"start.init": init, "start.freeze": freeze, "run.devices": devices}
    short = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = override(read_config(source), [*(assignments or ()), *short])
    folder = Path(resume or output or Path("runs") / source.stem)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)  # what it says of devices is no news
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    try:
        from earmark.train import loop
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    with ProgressBar("training", enabled=False if quiet else None) as bar:

        def on_step(step: int, n_steps: int, loss: float) -> None:
            bar.update(step / n_steps, f"loss {loss:.3f}")

        def on_epoch(epoch: "Epoch") -> None:
            with bar.hidden():
                _print_epoch(epoch, as_json=as_json)

        def on_note(text: str) -> None:
            with bar.hidden():
                streams.note(text)

        try:
            results = loop.train(
                config, folder, resume=resume is not None, on_step=on_step, on_epoch=on_epoch,
                on_stage=lambda text: bar.update(0.0, text), on_note=None if quiet else on_note,
            )  # fmt: skip
        except KeyboardInterrupt:
            if (folder / "run.toml").is_file() and not _is_further_device():
                with bar.hidden():
                    streams.note(f"to go on: earmark train --resume {folder}")
            raise
    if not _is_further_device():
        _print_results(results, folder, as_json=as_json, quiet=quiet)


def _is_further_device() -> bool:
    """Say whether this process works for another one, which prints."""
    ranks = (os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return any(rank != "0" for rank in ranks)


def _print_epoch(epoch: "Epoch", *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        sys.stdout.write(json.dumps(asdict(epoch)) + "\n")
    else:
        scores = "  ".join(f"{name} {value:.4f}" for name, value in epoch.scores.items())
        best = "  best so far" if epoch.is_best else ""
        sys.stdout.write(f"epoch {epoch.number}  training loss {epoch.train_loss:.4f}  validation: {scores}{best}\n")
    sys.stdout.flush()


def _print_results(results: dict[str, Any], folder: Path, *, as_json: bool, quiet: bool) -> None:
    from earmark.cli import output

    if unreadable := results.get("unreadable"):
        names = ", ".join(list(unreadable)[:N_NAMED]) + (", ..." if len(unreadable) > N_NAMED else "")
        output.warn(f"left out, because it cannot be read, {output.counted(len(unreadable), 'track')}: {names}")
    if as_json:
        sys.stdout.write(json.dumps(results) + "\n")
        return
    for part in ("validation", "test"):
        if part in results:
            scores = "  ".join(f"{name} {value:.4f}" for name, value in results[part].items())
            tracks, epoch = results["tracks"][part], results["epoch"]
            sys.stdout.write(f"{part} ({tracks} tracks), weights of epoch {epoch}: {scores}\n")
    if not quiet:
        output.note(f"{folder}: the run; its model is best.safetensors")
