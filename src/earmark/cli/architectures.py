"""`earmark models list --architectures` and `earmark models architecture`: the networks, measured. No torch needed."""

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.models.architectures import Anatomy

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of an architecture: earmark models list --architectures.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Measure it with another option than usual; needs PyTorch."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]

# Columns of the list, each with the width of the terminal from which on it is shown.
COLUMNS = {
    "name": 0,
    "family": 124,
    "hears": 64,
    "parameters": 74,
    "GMAC": 54,
    "field": 0,
    "chunk": 84,
    "embedding": 96,
    "paper": 110,
}
STAGE_COLUMNS = {"stage": 0, "output": 0, "parameters": 50, "GMAC": 60, "field": 0, "step": 70}
NUMBERS = ("parameters", "GMAC", "field", "chunk", "embedding", "step")
WHOLE = "whole chunk"


def list_architectures(min_seconds: float | None, *, as_json: bool) -> None:
    """Print all architectures: a table on a terminal, else lines with tabs, or JSON lines.

    Parameters
    ----------
    min_seconds : only those whose chunk fits into so much audio
    as_json : JSON lines
    """
    from earmark.cli import output
    from earmark.models.architectures import read_architectures

    known = sorted(read_architectures().values(), key=_order)
    chosen = [one for one in known if min_seconds is None or one.chunk_seconds <= min_seconds]
    if as_json:
        for one in chosen:
            sys.stdout.write(json.dumps(_plain(one), ensure_ascii=False) + "\n")
    elif sys.stdout.isatty():
        _print_columns([_row(one) for one in chosen], COLUMNS)
    else:
        for one in chosen:
            seconds = "whole" if one.field.sees_all else f"{one.field.field_samples / one.sample_rate:.4f}"
            cells = (
                one.name, one.family, one.hears, one.n_parameters, f"{one.n_macs / 1e9:.4f}", seconds,
                f"{one.chunk_seconds:.4f}", one.sample_rate, one.n_features, one.paper,
            )  # fmt: skip
            sys.stdout.write("\t".join(map(str, cells)) + "\n")
    if not chosen:
        output.note(f"no architecture hears {min_seconds:g} s at once")


def _order(one: "Anatomy") -> tuple[str, list[tuple[int, str]]]:
    """Order by family, then by name, numbers by their size."""
    return one.family, [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", one.name)]


def _plain(one: "Anatomy") -> dict[str, Any]:
    field = one.field
    return one.to_dict() | {
        "n_macs": one.n_macs,
        "frontend_macs": one.frontend_macs,
        "chunk_seconds": one.chunk_seconds,
        "field_stage": field.name,
        "field_samples": field.field_samples,
        "field_seconds": field.field_samples / one.sample_rate,
        "field_is_whole_chunk": field.sees_all,
    }


def _row(one: "Anatomy") -> dict[str, str]:
    field = one.field
    return {
        "name": one.name,
        "family": one.family,
        "hears": one.hears,
        "parameters": f"{one.n_parameters:,}",
        "GMAC": _giga(one.n_macs),
        "field": WHOLE if field.sees_all else _seconds(field.field_samples, one.sample_rate),
        "chunk": _seconds(one.chunk_samples, one.sample_rate),
        "embedding": str(one.n_features),
        "paper": _author_and_year(one.paper),
    }


def _author_and_year(paper: str) -> str:
    """Shorten a reference.

    Examples
    --------
    >>> _author_and_year("Lee, J. et al. Sample-level deep CNNs. SMC 2017.")
    'Lee 2017'
    """
    return f"{paper.partition(',')[0]} {paper[-5:-1]}" if paper else ""


def _giga(n_macs: int) -> str:
    return f"{n_macs / 1e9:.3f}" if n_macs >= 500_000 or not n_macs else "<0.001"


def _seconds(n_samples: int, sample_rate: int) -> str:
    seconds = n_samples / sample_rate
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def _print_columns(rows: Sequence[Mapping[str, str]], columns: Mapping[str, int]) -> None:
    """Print the columns that there is room for.

    Parameters
    ----------
    rows : texts by column
    columns : with the width of the terminal from which on each is shown
    """
    width = shutil.get_terminal_size().columns
    shown = [name for name, least in columns.items() if width >= least]
    lines = [dict(zip(columns, columns, strict=True)), *rows]
    widths = {name: max(len(line[name]) for line in lines) for name in shown}
    for line in lines:
        cells = [
            line[name].rjust(widths[name]) if name in NUMBERS else line[name].ljust(widths[name]) for name in shown
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def architecture(name: Name, sets: Sets = None, as_json: Json = False) -> None:
    """Show an architecture: what it hears and sees, its options, its stages on one chunk.

    The field is what one step of a stage depends on, the step how often there is one. GMAC are billions of
    multiplications with addition.
    """
    one = _measured(name, sets or [])
    if as_json:
        sys.stdout.write(json.dumps(_plain(one), ensure_ascii=False) + "\n")
        return
    for key, value in _facts(one).items():
        if value:
            sys.stdout.write(f"{key + ':':<13}{value}\n")
    for i, option in enumerate(one.options):
        takes = f"  ({option.takes})" if option.takes else ""
        head = "" if i else "options:"
        sys.stdout.write(f"{head:<13}{option.name}={_as_set(option.default)}{takes}\n")
    sys.stdout.write("\n")
    rows = [
        {
            "stage": stage.name,
            "output": " x ".join(map(str, stage.shape)),
            "parameters": f"{stage.n_parameters:,}",
            "GMAC": _giga(stage.n_macs),
            "field": WHOLE if stage.sees_all else _seconds(stage.field_samples, one.sample_rate),
            "step": _seconds(stage.step_samples, one.sample_rate) if stage.step_samples else "",
        }
        for stage in one.stages
    ]
    _print_columns(rows, STAGE_COLUMNS)


def _measured(name: str, sets: Sequence[str]) -> "Anatomy":
    """Return what is known of an architecture, or measure it with other options."""
    from earmark.cli.settings import settings
    from earmark.errors import MissingExtraError
    from earmark.models.architectures import get_architecture

    usual = get_architecture(name)
    options = settings("--set", sets)
    if not options:
        return usual
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("measuring an architecture with other options", "torch") from error
    from earmark.models.anatomy import examine
    from earmark.models.base import ARCHITECTURES, build
    from earmark.registry import check_options, check_values

    build("mlp_waveform")  # registers the others
    factory = ARCHITECTURES[name]
    check_options(f"architecture {name!r}", factory, options)
    check_values(f"architecture {name!r}", factory, options)
    return examine(name, options)


def _facts(one: "Anatomy") -> dict[str, str]:
    from earmark.models.weights import iter_cards

    field, rate = one.field, one.sample_rate
    front = f", {_giga(one.frontend_macs)} more in the front end" if one.frontend_macs else ""
    sees = WHOLE if field.sees_all else f"{_seconds(field.field_samples, rate)} of it, {field.field_samples:,} samples"
    unheard = one.chunk_samples - one.heard_samples
    lost = f"; {_seconds(unheard, rate)} of it do not reach the tags" if 100 * unheard >= one.chunk_samples else ""
    return {
        "name": one.name,
        "what": one.summary,
        "family": one.family,
        "paper": one.paper,
        "hears": f"{one.hears} of a chunk of {_seconds(one.chunk_samples, rate)}, "
        f"{one.chunk_samples:,} samples at {rate} Hz{lost}",
        "sees": f"{sees} ({field.name})",
        "parameters": f"{one.n_parameters:,}",
        "arithmetic": f"{_giga(one.n_macs)} GMAC for a chunk{front}",
        "embedding": f"{one.embedding}, {one.n_features} numbers",
        "weights": ", ".join(card.name for card in iter_cards() if card.architecture == one.name),
    }


def _as_set(value: object) -> str:
    """Write a value as --set takes it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
