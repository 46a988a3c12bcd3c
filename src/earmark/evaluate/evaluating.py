"""From predictions to a report: thresholds, intervals, floors, leaks, calibration, mistakes."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from earmark._version import __version__
from earmark.errors import InputError, UsageError
from earmark.evaluate.columns import choose_tracks
from earmark.evaluate.floors import Floors, prior_scores
from earmark.evaluate.measuring import Contender, Decided, Estimate, Resampling, measure
from earmark.evaluate.mistakes import Taggram, draw_taggrams, worst_mistakes
from earmark.evaluate.report import Calibrated, Leak, Report
from earmark.evaluate.sections import leak_note
from earmark.evaluate.sources import Data, Material, OnProgress, first_half, gather, matched
from earmark.evaluate.stored import read_stored
from earmark.metrics import (
    Calibration,
    best_thresholds,
    calibration_error,
    fit_calibration,
    log_loss,
    reliability,
)
from earmark.metrics.checks import are_probabilities
from earmark.predictions import Predictions, load_predictions

Group = Literal["artist", "album", "track", "none"]
UNITS = ("artist", "album", "track")
DEFAULT_UNITS = ("artist", "track")  # in this order, if the part knows them
RANKING = ("accuracy", "macro_recall", "roc_auc", "pr_auc")
PRIOR, HALF = "prior", "one half"


def evaluate(
    what: str | Path | Predictions | None = None,
    *,
    dataset: str | None = None,
    root: str | Path | None = None,
    split: str | None = None,
    part: str = "test",
    options: Mapping[str, Any] | None = None,
    scores: str | Path | None = None,
    targets: str | Path | None = None,
    tags: str | Path | None = None,
    validation: str | Path | Predictions | None = None,
    halves: bool = False,
    chunks: int | None = None,
    group: Group | None = None,
    floors: Sequence[str] | None = None,
    common_tags: bool = False,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    mistakes: int = 6,
    on_progress: OnProgress = lambda fraction, note: None,
) -> Report:
    """Judge a model, or scores that are there already.

    Parameters
    ----------
    what : the folder of a run or of a report, a file of predictions, predictions, or the name of a model or file of
        weights, which needs a dataset
    dataset, root, split, options : what to evaluate on; a run is judged by its stored predictions unless it is given
    part : of the split
    scores, targets, tags : stored predictions of other software, instead of `what`; see `read_stored`
    validation : predictions to choose thresholds and to calibrate by, if those that belong to `what` are not known
    halves : choose thresholds and calibrate on one half of the part, and judge decisions on the other
    chunks : mean over so many chunks of a track; over all that tile it unless given
    group : what intervals are drawn over: "artist", "album", "track" (the recordings that tracks were cut from) or
        "none" (tracks); artists if they are known, else recordings, else tracks
    floors : baselines beside the model: "prior", names of `earmark.floors`, or files of predictions of the same tracks;
        the constant prior is always there. Those that have to be trained need the dataset and its audio, and are
        trained first; one that cannot be had is left out, and a note of the report says why
    common_tags : whether tags that only the model or only the dataset has may be left out
    resamples, level, seed : of the bootstrap
    mistakes : how many of the worst to show of each kind
    on_progress : called with the share that is done, None where that is not known, and a note

    Raises
    ------
    UsageError
        If options do not go together.
    InputError
        If there is nothing to judge, or it cannot be read.
    """
    _check(what, dataset, root, split, options, scores, targets, tags, validation, halves, resamples, mistakes)
    beside = Floors(floors or (), part, on_progress)
    if scores is not None and targets is not None:
        material = Material(predictions=read_stored(Path(scores), Path(targets), tags=tags, part=part))
    else:
        data = None
        if dataset is not None and root is not None:
            data = Data(dataset=dataset, root=root, split=split, options=options or {})
        material = gather(what or "", data=data, part=part, chunks=chunks, only_common=common_tags,
                          before_scoring=beside.train, on_progress=on_progress)  # fmt: skip
    beside.train(material.dataset, material.split)
    if validation is not None:
        given = validation if isinstance(validation, Predictions) else load_predictions(Path(validation))
        material = matched(material, given, only_common=common_tags)
    resampling = resampling_of(material.predictions, group, resamples=resamples, level=level, seed=seed)
    return _Evaluation(material, resampling, halves=halves, on_progress=on_progress).report(beside, mistakes)


def _check(
    what: object, dataset: object, root: object, split: object, options: object, scores: object, targets: object,
    tags: object, validation: object, halves: bool, resamples: int, mistakes: int,
) -> None:  # fmt: skip
    if (scores is None) != (targets is None):
        raise UsageError("stored predictions are two files: scores and targets", hint="give both")
    if (what is None) == (scores is None):
        hint = "a run, a report, predictions.npz or a model; or --scores FILE --targets FILE"
        problem = "nothing to evaluate is named" if what is None else "there are two things to evaluate, expected one"
        raise UsageError(problem, hint=hint)
    if tags is not None and scores is None:
        raise UsageError("names of tags are for stored scores; other predictions have theirs")
    if (dataset is None) != (root is None):
        raise UsageError("a dataset needs its folder, and a folder its dataset", hint="--dataset NAME --root FOLDER")
    if dataset is None and (split is not None or options):
        hint = "--dataset NAME --root FOLDER names it; without, a run is judged by the predictions that it stored"
        raise UsageError(f"{'a split' if split is not None else 'an option'} is of a dataset to score", hint=hint)
    if dataset is not None and scores is not None:
        raise UsageError("stored scores are of tracks of their own: a dataset does not go with them")
    if halves and validation is not None:
        raise UsageError("thresholds come from the validation part or from one half, not from both")
    if resamples < 2:
        raise UsageError(f"resamples is {resamples}, expected at least 2", hint="1000 is usual")
    if mistakes < 0:
        raise UsageError(f"mistakes is {mistakes}, expected 0 or more")


def resampling_of(
    predictions: Predictions, group: Group | None, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Resampling:
    """Choose what intervals are drawn over.

    Raises
    ------
    UsageError
        If the group is none of those there are.
    InputError
        If it was asked for, and the tracks do not know it.
    """
    if group not in (None, *UNITS, "none"):
        raise UsageError(f"group is {group!r}, expected artist, album, track or none")
    known = {unit: keys for unit, keys in predictions.groups.items() if len({key for key in keys if key}) > 1}
    if group in UNITS and group not in known:
        hint = f"known: {', '.join([*known, 'none'])}"
        raise InputError(f"the {predictions.part} part does not have several known {group}s to draw over", hint=hint)
    unit = group if group is not None else next((one for one in DEFAULT_UNITS if one in known), "none")
    groups: list[Hashable] | None = None
    if unit in known:
        groups = [key or None for key in known[unit]]
    return Resampling(groups=groups, unit=unit, n_tracks=len(predictions), resamples=resamples, level=level, seed=seed)


class _Evaluation:
    """The steps of an evaluation, on one material."""

    def __init__(self, material: Material, resampling: Resampling, *, halves: bool, on_progress: OnProgress) -> None:
        self.material, self.resampling, self.on_progress = material, resampling, on_progress
        self.predictions = material.predictions
        self.notes = list(material.notes)
        if not self.predictions.targets.any():
            raise InputError(
                f"no track of the {self.predictions.part} part has any of the {len(self.predictions.tags)} tags",
                hint="there is nothing to find: are these the labels of another vocabulary, or of hidden ones?",
            )
        self.judged: Any = None  # rows that decisions are judged on; None for all
        self.validation, self.chosen_on = self._validation(halves)

    def _validation(self, is_halved: bool) -> tuple[Predictions | None, str]:
        if is_halved:
            first = first_half(len(self.predictions), self.resampling.groups)
            if first.all() or not self.predictions.targets[first].any() or not self.predictions.targets[~first].any():
                raise InputError("the part cannot be halved: one half would have no tag", hint="leave halves out")
            self.judged = ~first
            unit = "track" if self.resampling.unit in ("none", "track") else self.resampling.unit
            words = f"{HALF} of the part (every other {unit}: {np.count_nonzero(first):,} tracks)"
            return choose_tracks(self.predictions, first), words
        found = self.material.validation
        if found is None:
            self.notes.append(
                "there are no predictions of a validation part, so thresholds could not be chosen: F1 and calibration "
                "are left out"
            )
            return None, ""
        if not found.targets.any():
            self.notes.append("no track of the validation part has any tag: F1 and calibration are left out")
            return None, ""
        return found, f"the validation part, {len(found):,} tracks"

    def report(self, floors: Floors, n_mistakes: int) -> Report:
        """Do all of it."""
        of = "the validation part" if self.judged is None else "the other half"
        scores, prior_of = prior_scores(self.predictions, self.validation, of=of)
        decided, thresholds = self._decided(None if self.validation is None else self.validation.scores)
        model = self._measured("model", self.predictions.scores, decided, self.predictions.model, "")
        contenders = [self._prior(scores, prior_of)]
        for floor in floors.scores(self.material):
            own, _ = self._decided(floor.validation if self.judged is None else floor.scores[~self.judged])
            contenders.append(self._measured(floor.name, floor.scores, own, floor.name, floor.detail))
        self.notes += floors.notes
        calibration, calibrated = self._calibration()
        leaks = self._leaks()
        worst = worst_mistakes(self.predictions, n_mistakes, calibration=calibration) if n_mistakes else ()
        taggrams: dict[str, Taggram] = {}
        if worst and self.material.weights is not None:
            self.on_progress(None, "hearing the worst mistakes again")
            taggrams, problem = draw_taggrams(worst, self.material.weights, segments=self._segments())
            self.notes += [problem] if problem else []
        return Report(
            predictions=self.predictions,
            model=model,
            floors=tuple(contenders),
            resampling=self.resampling,
            chosen_on=self.chosen_on,
            thresholds=thresholds,
            calibration=calibration,
            calibrated=calibrated,
            leaks=leaks,
            learned_from=self.material.origin.kind,
            warnings=self.material.origin.warnings,
            mistakes=worst,
            taggrams=taggrams,
            prior_of=prior_of,
            sizes=self.material.sizes,
            failures=self.material.failures,
            notes=tuple(self.notes),
            versions=versions(),
        )

    def _measured(self, step: str, scores: Any, decided: Decided | None, name: str, detail: str) -> Contender:
        def on_metric(metric: str) -> None:
            self.on_progress(None, f"{step}: {metric}, {self.resampling.resamples:,} resamples")

        return measure(
            self.predictions.targets,
            scores,
            name=name or "model",
            detail=detail,
            resampling=self.resampling,
            tags=self.predictions.tags,
            categories=self.predictions.categories,
            task=self.predictions.task,
            decided=decided,
            per_tag=step == "model",
            on_metric=on_metric,
        )

    def _decided(self, scores: Any) -> tuple[Decided | None, tuple[float, ...] | None]:
        """Choose thresholds on the validation part by scores of its own; none without them."""
        if self.validation is None or scores is None:
            return None, None
        found = best_thresholds(self.validation.targets, scores)
        return Decided(thresholds=found, rows=self.judged), tuple(found.tolist())

    def _prior(self, scores: Any, prior_of: str) -> Contender:
        own = None if self.validation is None else np.repeat(scores[:1], len(self.validation), axis=0)
        decided, _ = self._decided(own)
        detail = f"every track gets the share of tracks of {prior_of} that have the tag"
        return self._measured(PRIOR, scores, decided, "constant prior", detail)

    def _calibration(self) -> tuple[Calibration | None, Calibrated | None]:
        found = self.validation
        if found is None:
            return None, None
        if not are_probabilities(self.predictions.scores) or not are_probabilities(found.scores):
            self.notes.append("scores are no probabilities: log loss and calibration are left out")
            return None, None
        calibration = fit_calibration(found.targets, found.scores, tags=found.tags)
        judged = self.predictions if self.judged is None else choose_tracks(self.predictions, self.judged)
        after = calibration.apply(judged.scores)
        both = (judged.scores, after)
        losses, errors = ([float(of(judged.targets, one)) for one in both] for of in (log_loss, calibration_error))
        return calibration, Calibrated(
            n_tracks=len(judged),
            before=reliability(judged.targets, judged.scores),
            after=reliability(judged.targets, after),
            log_loss=(losses[0], losses[1]),
            calibration_error=(errors[0], errors[1]),
        )

    def _leaks(self) -> tuple[Leak, ...]:
        leaks = [self._leak(by, np.array(flags, bool)) for by, flags in self.predictions.shared.items() if any(flags)]
        if self.material.origin.kind == "elsewhere":
            self.notes += [leak_note(leak, len(self.predictions)) for leak in leaks]
        return tuple(leaks)

    def _leak(self, by: str, is_shared: Any) -> Leak:
        targets, scores = self.predictions.targets[~is_shared], self.predictions.scores[~is_shared]
        estimates: Mapping[str, Estimate] = {}
        is_flattered = self.material.origin.kind != "elsewhere"
        if is_flattered and (targets.any(axis=0) & ~targets.all(axis=0)).any():
            self.on_progress(None, f"without {np.count_nonzero(is_shared):,} tracks whose {by} is in training too")
            estimates = measure(targets, scores, name="rest", resampling=self.resampling.only(~is_shared),
                                only=RANKING, per_tag=False, task=self.predictions.task).estimates  # fmt: skip
        n_known = sum(bool(key) for key in self.predictions.groups.get(by, ()))
        return Leak(
            by=by, n_shared=int(np.count_nonzero(is_shared)), n_known=n_known, estimates=estimates, n_left=len(targets)
        )

    def _segments(self) -> dict[str, tuple[float, float]]:
        dataset = self.material.dataset
        if dataset is None:
            return {}
        tracks = [dataset[id] for id in self.predictions.ids if id in dataset]
        return {track.id: track.segment for track in tracks if track.segment is not None}


def versions(package: Callable[[str], str] = metadata.version) -> dict[str, str]:
    """Return the versions of what can change the numbers."""
    return {"earmark": __version__, "numpy": package("numpy")}
