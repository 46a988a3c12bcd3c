"""`earmark train`: a recipe becomes a model."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli import options

if TYPE_CHECKING:
    from earmark.train import Epoch

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A run file, such as those in the folder recipes.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="TABLE.KEY=VALUE", help="In place of what the recipe says; repeatable."),
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FOLDER", help="Of the run; runs/RECIPE unless given.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last epoch that is in the folder.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines: one object per epoch, then the results.")]


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("train")(train)


def train(
    recipe: Recipe,
    assignments: Set = None,
    output: Output = None,
    resume: Resume = False,
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a model as a recipe says.

    The folder of the run gets everything: the values that were used, versions, a checkpoint after every epoch, the
    weights that were best on the validation part, and what they make of the test part. An interrupted run goes on with
    --resume and ends with the same weights.
    """
    from earmark.config import override, read_config
    from earmark.errors import MissingExtraError
    from earmark.progress import ProgressBar

    config = override(read_config(Path(recipe)), assignments or ())
    folder = Path(output) if output else Path("runs") / Path(recipe).stem
    try:
        from earmark import train as training
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    with ProgressBar("training", enabled=False if quiet else None) as bar:

        def on_step(step: int, n_steps: int, loss: float) -> None:
            bar.update(step / n_steps, f"loss {loss:.3f}")

        def on_epoch(epoch: "Epoch") -> None:
            with bar.hidden():
                _print_epoch(epoch, as_json=as_json)

        results = training.train(config, folder, resume=resume, on_step=on_step, on_epoch=on_epoch)
    _print_results(results, folder, as_json=as_json)


def _print_epoch(epoch: "Epoch", *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        sys.stdout.write(json.dumps(asdict(epoch)) + "\n")
    else:
        scores = "  ".join(f"{name} {value:.4f}" for name, value in epoch.scores.items())
        best = "  best so far" if epoch.is_best else ""
        sys.stdout.write(f"epoch {epoch.number}  training loss {epoch.train_loss:.4f}  validation: {scores}{best}\n")
    sys.stdout.flush()


def _print_results(results: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    from earmark.cli import output

    if as_json:
        sys.stdout.write(json.dumps(results) + "\n")
        return
    for part in ("validation", "test"):
        if part in results:
            scores = "  ".join(f"{name} {value:.4f}" for name, value in results[part].items())
            tracks, epoch = results["tracks"][part], results["epoch"]
            sys.stdout.write(f"{part} ({tracks} tracks), weights of epoch {epoch}: {scores}\n")
    output.note(f"{folder}: the run; its model is best.safetensors")
