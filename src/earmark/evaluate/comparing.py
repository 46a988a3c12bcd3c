"""Several sets of scores side by side: metrics with intervals, and whether one is better than the first."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import InputError, UsageError
from earmark.evaluate.blocks import Block, Heading, Items, Table, Text
from earmark.evaluate.columns import choose_tags, choose_tracks, named
from earmark.evaluate.evaluating import Group, resampling_of
from earmark.evaluate.measuring import LOW_IS_BETTER, TITLES, Decided, Estimate, Resampling, measure
from earmark.evaluate.report import finite
from earmark.evaluate.sections import UNITS, percent
from earmark.evaluate.side_by_side import table_of
from earmark.evaluate.sources import REPORT, OnProgress, gather
from earmark.metrics import Interval, accuracy, best_thresholds, paired_bootstrap
from earmark.predictions import Predictions

MOST_TAGS = 5  # with the largest differences, up and down
MOST_DIFFERENCES = ("accuracy", "roc_auc", "pr_auc")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One of those compared.

    Parameters
    ----------
    name : unique among them
    what : as it was given
    n_tracks : that it was judged on
    estimates : of every metric that all have
    """

    name: str
    what: str
    n_tracks: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much one is above the first, on the same draws of the same tracks.

    Parameters
    ----------
    name : of the one
    metric : that is meant
    interval : of the difference; its p is not corrected for several comparisons
    tags : those with the largest differences to their intervals, empty if the metric has none
    """

    name: str
    metric: str
    interval: Interval
    tags: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def is_sure(self) -> bool:
        """Whether the interval excludes zero."""
        return excludes_zero(self.interval)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several sets of scores side by side.

    Parameters
    ----------
    entries : in the order given
    differences : of every other one to the first; empty where the tracks are not the same
    means : metric to mean and standard deviation over entries (n - 1 in the denominator); empty unless asked for
    resampling : how intervals were made
    notes : what there is to know
    """

    entries: tuple[Entry, ...]
    differences: tuple[Difference, ...] = ()
    means: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    resampling: Resampling
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> dict[str, tuple[str, ...]]:
        """Metric to the names of the entries with the best value: one, or several that are equal."""
        found = {}
        for metric in self.entries[0].estimates:
            values = [entry.estimates[metric].value for entry in self.entries]
            best = min(values) if metric in LOW_IS_BETTER else max(values)
            found[metric] = tuple(entry.name for entry in self.entries if entry.estimates[metric].value == best)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        plain = {
            "entries": [asdict(entry) for entry in self.entries],
            "best": self.best,
            "differences": [{**asdict(one), "is_sure": one.is_sure} for one in self.differences],
            "means": {name: {"mean": mean, "deviation": deviation} for name, (mean, deviation) in self.means.items()},
            "notes": list(self.notes),
        }
        return finite(plain)  # type: ignore[no-any-return]

    def blocks(self, *, width: int | None = None) -> list[Block]:
        """Return the comparison, from above.

        Parameters
        ----------
        width : columns that there is room for; where it takes more, intervals are left out, or rows and columns change
            places. None for any number
        """
        best = self.best if len(self.entries) > 1 else {}
        table, has_intervals = table_of(self.entries, best, self.means, width=width)
        about = self.resampling
        texts = ["* is the best value."]
        if has_intervals:
            of = f"{about.resamples:,} resamples of {UNITS[about.unit]}"
            texts.append(f"{percent(about.level)} intervals from {of}.")
        else:
            low = " and ".join(TITLES[metric] for metric in LOW_IS_BETTER if metric in self.entries[0].estimates)
            texts += [f"Lower is better of {low}."] if low else []
            texts.append("Intervals are left out for want of room: a wider terminal, --markdown or --json has them.")
        found: list[Block] = [table, Text(" ".join(texts))]
        if self.differences:
            found += [Heading(f"Difference to {self.entries[0].name}, on the same tracks"), self._differences()]
            found += [block for one in self.differences if one.tags for block in _tags(one)]
        return found + ([Items(self.notes)] if self.notes else [])

    def rows(self) -> list[tuple[str, str, float, float | None, float | None]]:
        """Return every number on a row: metric, name, value, and the ends of its interval, None if there is none.

        Differences have the name "B - A", means the names "mean" and "deviation"; neither of these two has an interval.
        """
        found: list[tuple[str, str, float, float | None, float | None]] = []
        for metric in self.entries[0].estimates:
            estimates = [(entry.name, entry.estimates[metric]) for entry in self.entries]
            found += [(metric, name, one.value, one.low, one.high) for name, one in estimates]
            if metric in self.means:
                mean, deviation = self.means[metric]
                found += [(metric, "mean", mean, None, None), (metric, "deviation", deviation, None, None)]
        for one in self.differences:
            at = one.interval
            found.append((one.metric, f"{one.name} - {self.entries[0].name}", at.value, at.low, at.high))
        return found

    def _differences(self) -> Table:
        rows = tuple(
            (
                one.name,
                TITLES[one.metric],
                f"{one.interval.value:+.4f} [{one.interval.low:+.4f}, {one.interval.high:+.4f}]",
                "" if one.interval.p is None else f"{one.interval.p:.3f}",
                _verdict(one.interval),
            )
            for one in self.differences
        )
        return Table(("", "metric", "difference", "p", "zero is excluded"), rows, left=2)

    def to_markdown(self) -> str:
        """Return the comparison as text with tables."""
        from earmark.evaluate.writing import to_markdown

        return to_markdown(self.blocks())


def compare(
    whats: Sequence[str | Path | Predictions],
    *,
    part: str = "test",
    group: Group | None = None,
    mean: bool = False,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    on_progress: OnProgress = lambda fraction, note: None,
) -> Comparison:
    """Put several sets of scores side by side, and each beside the first.

    Parameters
    ----------
    whats : runs, reports, files of predictions, or predictions
    part : of runs
    group : what intervals are drawn over; see `evaluate`
    mean : also give mean and standard deviation over all of them, such as runs with several seeds or folds
    resamples, level, seed : of the bootstrap
    on_progress : called with the share that is done and a note

    Raises
    ------
    UsageError
        If there are fewer than two, or one is no run, report or file of predictions.
    InputError
        If one cannot be read, they have no tag in common, or what is true of a track differs.
    """
    for what in whats:
        _check(what)
    if len(whats) < 2:
        raise UsageError("there is nothing to compare with", hint="give two or more runs, reports or predictions")
    loaded = [_load(what, part) for what in whats]
    names = _names([one.predictions.model for one in loaded], [str(what) for what in whats])
    loaded, notes = _with_common_tags(loaded, names)
    is_same = all(set(one.predictions.ids) == set(loaded[0].predictions.ids) for one in loaded)
    if is_same:
        loaded = [one.like(loaded[0].predictions) for one in loaded]
        _check_targets([one.predictions for one in loaded], names)
    else:
        notes.append("the tracks differ: each is judged on its own, and differences are not those of the models alone")
    entries = []
    first = resampling_of(loaded[0].predictions, group, resamples=resamples, level=level, seed=seed)
    for i, (one, name) in enumerate(zip(loaded, names, strict=True)):
        on_progress(i / len(loaded), name)
        resampling = resampling_of(one.predictions, group, resamples=resamples, level=level, seed=seed)
        entries.append(_entry(one, name, str(whats[i]) if not isinstance(whats[i], Predictions) else "", resampling))
    shared = [metric for metric in TITLES if all(metric in entry.estimates for entry in entries)]
    entries = [replace(entry, estimates={key: entry.estimates[key] for key in shared}) for entry in entries]
    on_progress(None, "differences")
    return Comparison(
        entries=tuple(entries),
        differences=_differences_to_first(loaded, names, first) if is_same and first.n_groups > 1 else (),
        means=_means(entries) if mean else {},
        resampling=first,
        notes=tuple(notes),
    )


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """Predictions, and thresholds by tag if any were chosen on other tracks."""

    predictions: Predictions
    thresholds: Mapping[str, float]

    def like(self, other: Predictions) -> "_Loaded":
        """Return the same tracks in the order of others."""
        if self.predictions.ids == other.ids:
            return self
        place = {id: i for i, id in enumerate(self.predictions.ids)}
        rows = np.array([place[id] for id in other.ids])
        return replace(self, predictions=choose_tracks(self.predictions, rows))


def _check(what: str | Path | Predictions) -> None:
    """Raise `UsageError` for what would have to be scored first, or belongs to another file."""
    if isinstance(what, Predictions):
        return
    path = Path(what)
    if path.suffix in (".csv", ".npy", ".tsv", ".gz"):
        hint = f"earmark evaluate --scores {what} --targets FILE -o FOLDER makes a report to compare"
    elif not path.is_dir() and path.suffix != ".npz":
        hint = f"of a model, earmark evaluate {what} --dataset NAME --root FOLDER -o FOLDER makes a report to compare"
    else:
        return
    raise UsageError(f"{what}: is no run, no report and no file of predictions", hint=hint)


def _load(what: str | Path | Predictions, part: str) -> _Loaded:
    material = gather(what, part=part)
    thresholds: dict[str, float] = {}
    if material.validation is not None and material.validation.targets.any():
        found = best_thresholds(material.validation.targets, material.validation.scores)
        thresholds = dict(zip(material.validation.tags, found.tolist(), strict=True))
    elif not isinstance(what, Predictions):
        folder = Path(what) if Path(what).is_dir() else Path(what).parent
        with suppress(OSError, ValueError, AttributeError):
            stored = json.loads((folder / REPORT).read_text(encoding="utf-8"))
            if "half" not in stored.get("chosen_on", ""):  # those were judged on the other half only
                thresholds = {
                    tag: np.inf if one is None else float(one) for tag, one in (stored["thresholds"] or {}).items()
                }
    return _Loaded(predictions=material.predictions, thresholds=thresholds)


def _names(models: Sequence[str], whats: Sequence[str]) -> list[str]:
    """Name the entries by their models, or by where they lie if two models have one name."""
    if len(set(models)) == len(models) and all(models):
        return list(models)
    paths = [Path(what).name or what for what in whats]
    names = paths if len(set(paths)) == len(paths) else list(whats)
    return names if len(set(names)) == len(names) else [f"{name} ({i + 1})" for i, name in enumerate(names)]


def _with_common_tags(loaded: Sequence[_Loaded], names: Sequence[str]) -> tuple[list[_Loaded], list[str]]:
    first = loaded[0].predictions.tags
    tasks = {one.predictions.task for one in loaded}
    if len(tasks) > 1:
        raise InputError("some have one class per track and some any number of tags: that cannot be compared")
    common = tuple(tag for tag in first if all(tag in one.predictions.tags for one in loaded))
    if not common:
        raise InputError(f"{' and '.join(names)} have no tag in common", hint="tags are matched by their names")
    longest = max(len(one.predictions.tags) for one in loaded)
    notes = []
    if len(common) < longest:
        if tasks == {"single_label"}:
            raise InputError("the classes differ, so what is right for one may not exist for another")
        every = [tag for one in loaded for tag in one.predictions.tags if tag not in common]
        lacking = list(dict.fromkeys(every))
        notes.append(f"the tags differ: only the {len(common)} that all have are compared, without {named(lacking)}")
    chosen = [replace(one, predictions=choose_tags(one.predictions, common)) for one in loaded]
    return chosen, notes


def _check_targets(all_of_them: Sequence[Predictions], names: Sequence[str]) -> None:
    for one, name in zip(all_of_them[1:], names[1:], strict=True):
        differs = one.targets != all_of_them[0].targets
        if differs.any():
            row, column = np.argwhere(differs)[0]
            raise InputError(
                f"{names[0]} and {name} disagree on what is true: {np.count_nonzero(differs):,} labels differ, the "
                f"first is tag {one.tags[column]!r} of track {one.ids[row]!r}",
                hint="evaluate both on the same version of the labels",
            )


def _entry(one: _Loaded, name: str, what: str, resampling: Resampling) -> Entry:
    own, decided = one.predictions, None
    if set(own.tags) <= set(one.thresholds):
        decided = Decided(thresholds=np.array([one.thresholds[tag] for tag in own.tags]))
    found = measure(own.targets, own.scores, name=name, resampling=resampling, task=own.task, decided=decided,
                    per_tag=False)  # fmt: skip
    return Entry(name=name, what=what, n_tracks=len(own), estimates=found.estimates)


def _differences_to_first(
    loaded: Sequence[_Loaded], names: Sequence[str], resampling: Resampling
) -> tuple[Difference, ...]:
    first = loaded[0].predictions
    plain: dict[str, Any] = {
        "groups": resampling.groups,
        "n_resamples": resampling.resamples,
        "level": resampling.level,
        "seed": resampling.seed,
    }
    found = []
    for one, name in zip(loaded[1:], names[1:], strict=True):
        for metric in MOST_DIFFERENCES:
            if metric == "accuracy" and first.task != "single_label":
                continue
            of: Any = accuracy if metric == "accuracy" else metric
            draws = paired_bootstrap(of, first.targets, one.predictions.scores, first.scores, **plain)
            tags = _largest(first.tags, draws.per_tag) if metric == "pr_auc" else {}
            found.append(Difference(name=name, metric=metric, interval=draws.interval, tags=tags))
    return tuple(found)


def _largest(tags: Sequence[str], intervals: Sequence[Interval]) -> dict[str, Interval]:
    """Return the tags that gained most and those that lost most, from the highest difference to the lowest."""
    pairs = [(tag, one) for tag, one in zip(tags, intervals, strict=True) if not np.isnan(one.value)]
    pairs.sort(key=lambda pair: -pair[1].value)
    up = [pair for pair in pairs[:MOST_TAGS] if pair[1].value > 0]
    down = [pair for pair in pairs[-MOST_TAGS:] if pair[1].value < 0]
    return dict([*up, *down])


def _tags(one: Difference) -> tuple[Block, Block]:
    rows = tuple(
        (tag, f"{at.value:+.4f} [{at.low:+.4f}, {at.high:+.4f}]", _verdict(at)) for tag, at in one.tags.items()
    )
    heading = Heading(f"{one.name}: tags with the largest differences in PR-AUC", 3)
    return heading, Table(("tag", "difference", "zero is excluded"), rows)


def excludes_zero(interval: Interval) -> bool:
    """Say whether an interval lies on one side of zero."""
    return interval.low > 0 or interval.high < 0


def _verdict(interval: Interval) -> str:
    return "yes" if excludes_zero(interval) else "no"


def _means(entries: Sequence[Entry]) -> dict[str, tuple[float, float]]:
    found = {}
    for metric in entries[0].estimates:
        values = [entry.estimates[metric].value for entry in entries]
        found[metric] = (float(np.mean(values)), float(np.std(values, ddof=1)))
    return found
