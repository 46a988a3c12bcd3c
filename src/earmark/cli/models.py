"""`earmark models`: the models there are, and what can be done with their files."""

import json
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import architectures

if TYPE_CHECKING:
    from earmark.models.card import ModelCard

MinSeconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Only models whose chunk fits into so much audio.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines: one object per model.")]
Architectures = Annotated[
    bool, typer.Option("--architectures", help="The networks instead: sizes, arithmetic, what they see of the music.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of a model; or the folder of a run, or a file of weights.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Of models.")]
All = Annotated[bool, typer.Option("--all", help="All published models.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
File = Annotated[
    str, typer.Argument(metavar="FILE|RUN", help="A checkpoint, .pth, .h5 or .safetensors; or the folder of a run.")
]
Architecture = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What a checkpoint was made with: fcn, crnn, musicnn, musicnn_won, vgg, "
                 "crnn_choi."),
]  # fmt: skip
NewName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="ARCHITECTURE.FILE, of a run its own name, unless given.")
]
VocabularyName = Annotated[
    str | None, typer.Option("--vocabulary", metavar="NAME", help="Published tags: mtt, msd or jamendo.")
]
Tags = Annotated[str | None, typer.Option(metavar="FILE", help="Own tags, one per line, in the order of the outputs.")]
Licence = Annotated[str, typer.Option(metavar="NAME", help="Of the weights.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an imported model of that name.")]
Output = Annotated[str, typer.Option("--output", "-o", metavar="OUT.onnx", help="Where to.")]

# Columns of the list, each with the width of the terminal from which on it is shown.
COLUMNS = {
    "name": 0,
    "dataset": 80,
    "tags": 100,
    "licence": 100,
    "ROC-AUC": 46,
    "PR-AUC": 46,
    "parameters": 110,
    "chunk": 60,
    "local": 0,
}
NUMBERS = ("tags", "ROC-AUC", "PR-AUC", "parameters", "chunk")

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="models", help="List, show, fetch, import and export models.")


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context, min_seconds: MinSeconds = None, networks: Architectures = False, as_json: Json = False
) -> None:
    """List, show, fetch, import and export models; without a command, list them."""
    if context.invoked_subcommand is None:
        list_models(min_seconds, networks, as_json)


@app.command("list")
def list_models(min_seconds: MinSeconds = None, networks: Architectures = False, as_json: Json = False) -> None:
    """List the models, published and imported ones. This works offline.

    ROC-AUC and PR-AUC are as published; the chunk is what a model hears at once. In a pipe the columns are separated
    by tabs: name, dataset, tags, licence, ROC-AUC, PR-AUC, parameters, seconds of a chunk, whether its weights are on
    this machine.

    --architectures lists what can be built and trained. In a pipe: name, family, what it hears, parameters, GMAC for a
    chunk, receptive field (s, or whole), seconds of a chunk, Hz, size of the embedding, paper.
    """
    if networks:
        architectures.list_architectures(min_seconds, as_json=as_json)
        return
    from earmark.cli import output
    from earmark.models.weights import is_local, iter_cards

    cards = [card for card in iter_cards() if min_seconds is None or card.chunk_seconds <= min_seconds]
    if as_json:
        for card in cards:
            _print_json(_with_local(card))
    elif sys.stdout.isatty():
        _print_table(cards)
    else:
        for card in cards:
            row = (*_row(card), f"{card.chunk_seconds:.2f}", "yes" if is_local(card.name) else "no")
            sys.stdout.write("\t".join(row) + "\n")
    if not cards:
        output.note(f"no model hears {min_seconds:g} s at once; shorter tracks are repeated to fill a chunk (--pad)")


def _row(card: "ModelCard") -> tuple[str, ...]:
    scores = [f"{card.scores[name]:.4f}" if name in card.scores else "" for name in ("roc_auc", "pr_auc")]
    return (card.name, card.dataset, str(len(card.tags)), card.licence, *scores, str(card.n_parameters))


def _with_local(card: "ModelCard") -> dict[str, object]:
    from earmark.models.weights import is_local

    return card.to_dict() | {"chunk_seconds": card.chunk_seconds, "local": is_local(card.name)}


def _print_json(plain: object) -> None:
    sys.stdout.write(json.dumps(plain, ensure_ascii=False) + "\n")


def _print_table(cards: "list[ModelCard]") -> None:
    from earmark.models.weights import is_local

    width = shutil.get_terminal_size().columns
    shown = [name for name, least in COLUMNS.items() if width >= least]
    rows = [dict(zip(COLUMNS, COLUMNS, strict=True))]
    for card in cards:
        local = "yes" if is_local(card.name) else "-"
        cells = (*_row(card)[:6], f"{card.n_parameters:,}", f"{card.chunk_seconds:.1f} s", local)
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    widths = {name: max(len(row[name]) for row in rows) for name in shown}
    if "dataset" in widths:  # takes what the others leave
        rest = width - sum(widths.values()) - 2 * (len(shown) - 1) + widths["dataset"]
        widths["dataset"] = min(widths["dataset"], max(rest, 12))
    for row in rows:
        cells = tuple(_fit(row[name], widths[name], right=name in NUMBERS) for name in shown)
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _fit(text: str, width: int, *, right: bool) -> str:
    text = text if len(text) <= width else f"{text[: width - 1]}…"
    return text.rjust(width) if right else text.ljust(width)


app.command("architecture")(architectures.architecture)


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show a model: what it is, where it comes from, what using it takes."""
    from earmark.models.weights import get_card, is_local, path_of, weights_path

    card, file = get_card(name), path_of(name)
    if file is None and is_local(name):
        file = weights_path(name)
    if as_json:
        _print_json(card.to_dict() | {"chunk_seconds": card.chunk_seconds, "local": file is not None})
        return
    is_single = card.activation == "softmax"
    decisions = ("calibration", card.calibration), ("thresholds", card.thresholds)
    lines = {
        "name": card.name,
        "architecture": card.architecture,
        "trained on": ", ".join(filter(None, (card.dataset, card.split))),
        "published" if card.home else "scores": ", ".join(f"{key} {value:.4f}" for key, value in card.scores.items()),
        "hears": f"chunks of {card.chunk_seconds:.2f} s at {card.sample_rate} Hz",
        "tells": f"one of {len(card.tags)} classes" if is_single else f"any of {len(card.tags)} tags",
        "has": ", ".join(what for what, there in decisions if there),
        "embedding": f"{card.embedding}, {card.n_features} numbers",
        "parameters": f"{card.n_parameters:,}",
        "licence": card.licence,
        "paper": card.paper,
        "home": card.home,
        "notes": card.notes,
        "on this machine": str(file or "not yet"),
        "tags": f"{len(card.tags)}: {', '.join(card.tags)}",
    }
    for key, value in lines.items():
        if value:
            sys.stdout.write(f"{key + ':':<17}{value}\n")


@app.command("pull")
def pull_models(names: Names = None, everything: All = False, quiet: Quiet = False) -> int:
    """Fetch the weights of models or presets, for when the network is not there."""
    from earmark.cli import output
    from earmark.errors import AssetError, UsageError
    from earmark.models.card import PUBLISHED
    from earmark.models.weights import get_card, pull
    from earmark.tagger import PRESETS

    if bool(names) == everything:
        raise UsageError("name the models to fetch, or say --all", hint="earmark models list")
    wanted = PUBLISHED if everything else [model for name in names or [] for model in PRESETS.get(name, (name,))]
    chosen = list(dict.fromkeys(wanted))
    for name in chosen:
        get_card(name)
    n_failed = 0
    for name in chosen:
        try:
            with output.download_progress(quiet=quiet, label=name) as progress:
                path = pull(name, progress=progress)
        except AssetError as problem:
            output.error(problem)
            n_failed += 1
        else:
            sys.stdout.write(f"{name}\t{path}\n")
    if n_failed:
        output.note(f"{n_failed} of {len(chosen)} models could not be fetched")
    return 1 if n_failed else 0


@app.command("import")
def import_model(
    file: File,
    architecture: Architecture = None,
    name: NewName = None,
    vocabulary: VocabularyName = None,
    tags: Tags = None,
    licence: Licence = "",
    force: Force = False,
) -> None:
    """Add a model: a run of earmark train, or a checkpoint of a known architecture.

    A run, or a file that earmark wrote, says itself what it is. Of a checkpoint say --architecture, and --vocabulary or
    --tags. Code in it, as pickles may hold, is never run. The new model is named like the others: earmark tag --model
    NAME.
    """
    from earmark.errors import UsageError
    from earmark.models.importing import import_checkpoint, import_run, is_run
    from earmark.models.portable import read_labels

    if is_run(file):
        if architecture or vocabulary or tags:
            raise UsageError(
                f"{file}: says itself what it is", hint="leave out --architecture, --vocabulary and --tags"
            )
        card = import_run(file, name=name, licence=licence, force=force)
    elif architecture is None:
        hint = "--architecture NAME, one of fcn, crnn, musicnn, musicnn_won, vgg, crnn_choi"
        raise UsageError(f"{file}: say what it was made with", hint=hint)
    else:
        card = import_checkpoint(
            file, architecture=architecture, name=name, vocabulary=vocabulary,
            tags=None if tags is None else read_labels(tags), licence=licence, force=force,
        )  # fmt: skip
    sys.stdout.write(f"{card.name}\n")


@app.command("export")
def export(name: Name, output: Output, quiet: Quiet = False) -> None:
    """Write a model as an ONNX file for other programs, and for earmark where PyTorch is not: tag --model OUT.onnx.

    It leads from raw audio to scores and embedding: the mel spectrogram is in the graph. The file's metadata hold the
    card (earmark.card), labels, sample_rate, chunk_samples, hop_samples, context_samples and licence.
    """
    from earmark.cli import output as streams
    from earmark.models.portable import export_model

    with streams.download_progress(quiet=quiet) as progress:
        export_model(name, output, progress=progress)
    if not quiet:
        streams.note(f"{output}: the model; earmark tag --model {output} SONG")
