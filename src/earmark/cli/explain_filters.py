"""`earmark explain filters`: what a network's filters hear, as a page, a picture or numbers."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, output
from earmark.cli.networks import load_network
from earmark.errors import MissingExtraError, UsageError
from earmark.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earmark.explain.filter_report import FilterReport
    from earmark.models.base import TaggingModel

PAGES = (".html", ".htm")
SUFFIXES = (".html", ".png", ".svg", ".pdf", ".npz", ".csv")


class FigureChoice(StrEnum):
    """What a picture shows."""

    CENTRES = "centres"
    RESPONSES = "responses"
    STAGES = "stages"


Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="Names of models, folders of runs, or .safetensors files that earmark "
                   "wrote; several for a picture or a table."),
]  # fmt: skip
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="OUT", help="Where to: .html a page of one model, .png .svg .pdf a picture, "
                 ".npz .csv numbers."),
]  # fmt: skip
Layers = Annotated[
    list[str] | None,
    typer.Option("--layer", metavar="NAME", help="Measure this layer; repeatable. All with several steps in a "
                 "chunk unless given."),
]  # fmt: skip
Figure = Annotated[
    FigureChoice | None,
    typer.Option("--figure", help="Of a picture: centre frequencies against mel, responses as heat maps, or bandwidth "
                 "and time resolution layer by layer. Centres for networks on the waveform, else responses."),
]  # fmt: skip
Bands = Annotated[int, typer.Option("--bands", metavar="N", help="Bands that layers are measured in.", min=3)]
Preferred = Annotated[
    int,
    typer.Option("--preferred", metavar="N", help="Make the sounds that excite N channels of each layer most; slow for "
                 "deep layers: name them with --layer.", min=0),
]  # fmt: skip
Dark = Annotated[bool, typer.Option("--dark", help="A picture that is light on dark.")]
Seed = Annotated[int, typer.Option("--random-seed", metavar="N", help="What noises are drawn from.")]


def filters(
    models: Models,
    output_path: Output,
    layers: Layers = None,
    figure: Figure = None,
    bands: Bands = 96,
    preferred: Preferred = 0,
    dark: Dark = False,
    random_seed: Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Show what a network's filters hear.

    The page has the first filters against a mel scale (networks on the waveform) or with the names of their shapes
    (networks on a spectrogram), and for every layer which frequencies its channels answer, how finely they tell
    frequencies and times apart, and how much of the sound they see.
    """
    target = Path(output_path)
    suffix = target.suffix.lower()
    _check(target, len(models), has_figure=figure is not None)
    from earmark.batch import make_folders

    try:
        from earmark.explain import filter_report, pictures
        from earmark.explain.pages.filters import write_filters_page
    except ImportError as error:
        raise MissingExtraError("looking at filters", "explain") from error
    networks = [load_network(name, quiet=quiet) for name in models]
    kind = _kind(networks, models, figure) if suffix in pictures.SUFFIXES else None
    make_folders([target])
    with ProgressBar("listening to filters", enabled=False if quiet else None) as bar:
        reports = []
        for i, network in enumerate(networks):

            def tell(part: float, note: str, i: int = i) -> None:
                bar.update((i + part) / len(models), f"{models[i]}: {note}")

            report = filter_report.look_at_filters(
                network,
                layers=_needed(network, layers, kind, n_models=len(models)),
                n_bands=bands,
                preferred=preferred,
                seed=random_seed,
                on_progress=tell,
            )
            reports.append(report)
        bar.update(1.0, f"writing {target.name}", force=True)
        reports = _told_apart(reports, models)
        if suffix in PAGES:
            write_filters_page(target, reports[0])
        elif kind is not None:
            pictures.write_picture(target, reports, figure=kind.value, dark=dark)
        else:
            filter_report.write_tables(target, reports)
    if not quiet:
        for report in reports:
            output.note(summary(report))
        output.note(f"written to {target}")


def _check(target: Path, n_models: int, *, has_figure: bool) -> None:
    """Refuse what cannot be written, before any work."""
    suffix = target.suffix.lower()
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint=f"name a file in it: -o {target / 'filters.html'}")
    if suffix not in (*SUFFIXES, *PAGES):
        raise UsageError(
            f"{target.name}: filters cannot be written as {suffix or 'a file without a suffix'}",
            hint=f"choose one of {' '.join(SUFFIXES)}",
        )
    if suffix in PAGES and n_models > 1:
        raise UsageError(
            f"{n_models} models, but one page is about one model",
            hint="a page for each; or all of them in one picture, -o filters.png, or one table, -o filters.csv",
        )
    if has_figure and suffix in (*PAGES, ".npz", ".csv"):
        raise UsageError(
            f"--figure goes with a picture, not with {target.name}", hint="leave it out, or write .png, .svg or .pdf"
        )


def _kind(networks: "Sequence[TaggingModel]", models: "Sequence[str]", figure: FigureChoice | None) -> FigureChoice:
    """Return what is drawn; refuse centres of networks that have none, before any work."""
    from earmark.explain.filter_report import hears_waveform

    others = [name for name, network in zip(models, networks, strict=True) if not hears_waveform(network)]
    if figure is None:
        return FigureChoice.RESPONSES if others else FigureChoice.CENTRES
    if figure is FigureChoice.CENTRES and others:
        raise UsageError(
            f"{', '.join(others)}: on a spectrogram first filters have no centre frequency of their own",
            hint="leave out --figure centres, or name networks on the waveform only; a page (-o filters.html) shows "
            "the shapes of such filters",
        )
    return figure


def _needed(
    network: "TaggingModel", layers: list[str] | None, kind: FigureChoice | None, *, n_models: int
) -> "Sequence[str] | None":
    """Return the layers that have to be measured: none where the picture shows the first filters only."""
    from earmark.explain.filter_report import heard_network, hears_waveform

    is_of_first = kind is FigureChoice.CENTRES or (kind is FigureChoice.RESPONSES and n_models > 1)
    if layers or not is_of_first:
        return layers or None
    return () if hears_waveform(network) else heard_network(network).layer_names[:1]


def _told_apart(reports: "list[FilterReport]", models: "Sequence[str]") -> "list[FilterReport]":
    """Call networks by that part of what they were asked for as in which they differ, where names are the same."""
    if len({report.model for report in reports}) == len(reports):
        return reports
    return [replace(report, model=name) for report, name in zip(reports, differing_parts(models), strict=True)]


def differing_parts(paths: "Sequence[str]") -> list[str]:
    """Leave out the folders that paths begin and end with in common; all stays of what would be nothing then.

    Examples
    --------
    >>> differing_parts(["runs/dm8/fold-1", "runs/dm16/fold-1"])
    ['dm8', 'dm16']
    """
    parts = [Path(path).parts for path in paths]
    shortest = min(len(one) for one in parts)
    first = next((i for i in range(shortest) if len({one[i] for one in parts}) > 1), 0)
    last = next((i for i in range(shortest) if len({one[-1 - i] for one in parts}) > 1), 0)
    found = ["/".join(one[first : len(one) - last]) for one in parts]
    return list(paths) if len(set(found)) < len(found) or not all(found) else found


def summary(report: "FilterReport") -> str:
    """Say in a line what was found."""
    from earmark.explain.pages.filters import mel_verdict

    words = [output.counted(report.n_filters, "first filter")] if report.n_filters else []
    if report.n_dead:
        words.append(f"{report.n_dead} never vary")
    if report.responses:
        words.append(f"{output.counted(len(report.responses), 'layer')} measured")
    line = f"{report.model}: {', '.join(words)}"
    return line if report.mel is None else f"{line}. {mel_verdict(report.mel)}"
