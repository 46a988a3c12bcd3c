"""Tables of several entries side by side, for the room there is: with intervals, without, or a row per value."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from earmark.evaluate.blocks import Table, table_width
from earmark.evaluate.measuring import TITLES, Estimate
from earmark.evaluate.sections import metric_title, number, worded

MOST_COLUMNS = 4  # entries that stand side by side; more stand below each other


class Named(Protocol):
    """What is compared: see `earmark.evaluate.comparing.Entry`."""

    @property
    def name(self) -> str:
        """Unique among them."""

    @property
    def n_tracks(self) -> int:
        """How many it was judged on."""

    @property
    def estimates(self) -> Mapping[str, Estimate]:
        """Of every metric that all have."""


def table_of(
    entries: Sequence[Named],
    best: Mapping[str, Sequence[str]],
    means: Mapping[str, tuple[float, float]],
    *,
    width: int | None = None,
) -> tuple[Table, bool]:
    """Put entries side by side.

    Parameters
    ----------
    entries : with the same metrics
    best : metric to the names of those with the best value, which get a star
    means : metric to mean and standard deviation; empty if there are none
    width : columns of the terminal; None for any number

    Returns
    -------
    the table, the most telling of those that fit, and whether it has intervals, and says where lower is better
    """
    forms = _forms(entries, best, means)
    if width is None:
        return next(forms), True
    found = list(forms)
    chosen = next((i for i, table in enumerate(found) if table_width(table) <= width), len(found) - 1)
    return found[chosen], chosen in (0, 1, len(found) - 1)


def _forms(
    entries: Sequence[Named], best: Mapping[str, Sequence[str]], means: Mapping[str, tuple[float, float]]
) -> Iterator[Table]:
    """Yield metrics by entries and the reverse, with intervals and without, then a row per metric and entry."""
    are_rows = len(entries) > MOST_COLUMNS
    for with_intervals in (True, False):
        for has_entries_below in (are_rows, not are_rows):
            yield _crossed(entries, best, means, with_intervals=with_intervals, has_entries_below=has_entries_below)
    rows = []
    for metric in entries[0].estimates:
        title = metric_title(metric)
        for entry in entries:
            rows.append((title, entry.name, _cell(entry, metric, best, with_intervals=True)))
            title = ""
        if metric in means:
            rows.append(("", "mean ± deviation", _mean(means[metric])))
    yield Table(("", "", "value"), tuple(rows), left=3)


def _crossed(
    entries: Sequence[Named],
    best: Mapping[str, Sequence[str]],
    means: Mapping[str, tuple[float, float]],
    *,
    with_intervals: bool,
    has_entries_below: bool,
) -> Table:
    metrics = list(entries[0].estimates)
    titles = [metric_title(metric) if with_intervals else TITLES[metric] for metric in metrics]
    heads, names = ["tracks", *titles], [entry.name for entry in entries]
    rows = [
        [f"{one.n_tracks:,}", *(_cell(one, metric, best, with_intervals=with_intervals) for metric in metrics)]
        for one in entries
    ]
    if means:
        rows.append(["", *(_mean(means[metric]) for metric in metrics)])
        names.append("mean ± deviation")
    if not has_entries_below:
        rows, names, heads = [list(cells) for cells in zip(*rows, strict=True)], heads, names
    return Table(("", *heads), tuple((name, *cells) for name, cells in zip(names, rows, strict=True)))


def _cell(entry: Named, metric: str, best: Mapping[str, Sequence[str]], *, with_intervals: bool) -> str:
    one = entry.estimates[metric]
    text = worded(one.value, one.low, one.high) if with_intervals else number(one.value)
    return text + " *" * (entry.name in best.get(metric, ()))


def _mean(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.4f} ± {pair[1]:.4f}"
