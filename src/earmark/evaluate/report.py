"""A report: what was evaluated, how good it is, how sure that is, and what it is better than."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from earmark.evaluate.measuring import Contender, Estimate, Resampling
from earmark.evaluate.mistakes import Mistake, Taggram
from earmark.evaluate.origins import Kind
from earmark.metrics import Calibration, Interval, Reliability
from earmark.predictions import Predictions

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Tracks that share something with the training part, and what the model scores without them.

    Parameters
    ----------
    by : "artist", "album" or "track", a recording that clips were cut from
    n_shared : tracks whose artist, album or recording the training part has too
    n_known : tracks of which it is known
    estimates : of the part without the shared tracks; empty if too little is left, or the model did not learn from that
        training part
    n_left : tracks that are left
    """

    by: str
    n_shared: int
    n_known: int
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    n_left: int = 0


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Scores as probabilities, before and after calibration, on tracks that had no part in fitting it.

    Parameters
    ----------
    n_tracks : that it is judged on
    before, after : how often what got a score is true, all tags together
    log_loss, calibration_error : before and after
    """

    n_tracks: int
    before: Reliability
    after: Reliability
    log_loss: tuple[float, float]
    calibration_error: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TagRow:
    """A tag.

    Parameters
    ----------
    tag, category : its name and kind
    n_positives : tracks that have it
    roc_auc, pr_auc : intervals; NaN where they are not defined
    threshold : chosen for the best F1 on other tracks; None without, infinite if the tag is never given
    f1 : at the threshold; None without, NaN if no track to judge has the tag
    """

    tag: str
    category: str
    n_positives: int
    roc_auc: Interval
    pr_auc: Interval
    threshold: float | None
    f1: float | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """An evaluation.

    Parameters
    ----------
    predictions : that were judged
    model : what they score
    floors : what must be beaten, the constant prior first
    resampling : how intervals were made
    chosen_on : where thresholds and calibration come from, in words
    thresholds : one per tag; None if there was nothing to choose them on
    calibration : fitted; None if there was nothing to fit it on, or scores are no probabilities
    calibrated : what it does; None without
    leaks : what the part shares with the training part
    learned_from : whether that is the training part of the model: "split", it is; "dataset", it learned from the same
        dataset, by another split or one that is only described; "elsewhere", it did not as far as is known; "unsaid"
    warnings : what the model may have heard of the part beyond that
    mistakes : the worst
    taggrams : id of a track among them to its picture
    prior_of : which part the constant prior was taken from
    sizes : part to how many tracks it has
    failures : part to the id of every track that could not be scored, and why
    notes : what there is to know
    versions : of what can change the numbers
    """

    predictions: Predictions
    model: Contender
    floors: tuple[Contender, ...]
    resampling: Resampling
    chosen_on: str = ""
    thresholds: tuple[float, ...] | None = None
    calibration: Calibration | None = None
    calibrated: Calibrated | None = None
    leaks: tuple[Leak, ...] = ()
    learned_from: Kind = "unsaid"
    warnings: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    taggrams: Mapping[str, Taggram] = field(default_factory=dict)
    prior_of: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> tuple[TagRow, ...]:
        """Every tag, in the order of the columns."""
        found, decisions = self.model.evaluation, self.model.decisions
        f1 = None if decisions is None else decisions.f1().tolist()
        rows = []
        for k, tag in enumerate(found.tags):
            roc = self.model.roc_auc[k] if self.model.roc_auc else _bare(found.roc_auc_per_tag[k])
            pr = self.model.pr_auc[k] if self.model.pr_auc else _bare(found.pr_auc_per_tag[k])
            rows.append(
                TagRow(
                    tag=tag,
                    category=self.predictions.categories[k] if self.predictions.categories else "",
                    n_positives=int(found.n_positives[k]),
                    roc_auc=roc,
                    pr_auc=pr,
                    threshold=None if self.thresholds is None else self.thresholds[k],
                    f1=None if f1 is None else f1[k],
                )
            )
        return tuple(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: what is not defined, and a threshold that is never reached, is None."""
        about, found = self.predictions, self.model.evaluation
        plain = {
            "format": FORMAT,
            "model": about.model,
            "dataset": about.dataset,
            "split": about.split,
            "part": about.part,
            "task": about.task,
            "protocol": about.protocol,
            "n_tracks": len(about),
            "n_without_tag": found.n_without_tag,
            "sizes": dict(self.sizes),
            "resampling": {
                "unit": self.resampling.unit,
                "n_groups": self.resampling.n_groups,
                "resamples": self.resampling.resamples,
                "level": self.resampling.level,
                "seed": self.resampling.seed,
            },
            "scores": _estimates(self.model.estimates),
            "floors": {
                floor.name: {"detail": floor.detail, "scores": _estimates(floor.estimates)} for floor in self.floors
            },
            "prior_of": self.prior_of,
            "categories": {key: dict(value) for key, value in found.by_category.items()},
            "tags": [_tag(row) for row in self.tags],
            "without_positives": list(found.without_positives),
            "without_negatives": list(found.without_negatives),
            "chosen_on": self.chosen_on,
            "thresholds": None if self.thresholds is None else dict(zip(found.tags, self.thresholds, strict=True)),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "calibrated": None if self.calibrated is None else _calibrated(self.calibrated),
            "confusion": None if found.confusion is None else found.confusion.tolist(),
            "leaks": [{**asdict(leak), "estimates": _estimates(leak.estimates)} for leak in self.leaks],
            "learned_from": self.learned_from,
            "warnings": list(self.warnings),
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "failures": {part: dict(ids) for part, ids in self.failures.items() if ids},
            "notes": list(self.notes),
            "versions": dict(self.versions),
        }
        return finite(plain)  # type: ignore[no-any-return]

    def to_markdown(self) -> str:
        """Return the report as text with tables."""
        from earmark.evaluate.sections import sections, title
        from earmark.evaluate.writing import to_markdown

        return to_markdown(sections(self, pictures=False), title(self))


def _bare(value: float) -> Interval:
    return Interval(float(value), math.nan, math.nan, math.nan, math.nan)


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in estimates.items()}


def _tag(row: TagRow) -> dict[str, Any]:
    plain = asdict(row)
    for area in ("roc_auc", "pr_auc"):
        plain[area] = {key: plain[area][key] for key in ("value", "low", "high")}
    return plain


def _calibrated(found: Calibrated) -> dict[str, Any]:
    def of(one: Reliability) -> dict[str, Any]:
        return {"counts": one.counts[0].tolist(), "score": one.score[0].tolist(), "rate": one.rate[0].tolist()}

    return {
        "n_tracks": found.n_tracks,
        "edges": found.before.edges.tolist(),
        "before": {**of(found.before), "log_loss": found.log_loss[0], "calibration_error": found.calibration_error[0]},
        "after": {**of(found.after), "log_loss": found.log_loss[1], "calibration_error": found.calibration_error[1]},
    }


def finite(value: Any) -> Any:
    """Return plain values with None in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
