"""What a model has to beat: the constant prior always, and classic baselines where they can be had."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.datasets.base import Dataset, Split
from earmark.datasets.splitting import By
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.evaluate.sources import VALIDATION, Material, OnProgress, beside
from earmark.metrics.checks import Floats
from earmark.predictions import Predictions, load_predictions
from earmark.training_data import DataOptions, with_validation

PRIOR, NONE = "prior", "none"


@dataclass(frozen=True, kw_only=True)
class FloorScores:
    """Scores of a floor on the evaluated tracks.

    Parameters
    ----------
    name, detail : what it is
    scores : shape (n, K), of the evaluated tracks in their order
    validation : shape (m, K), of the validation tracks in theirs; None if there are none
    """

    name: str
    detail: str
    scores: Floats
    validation: Floats | None = None


def prior_scores(predictions: Predictions, validation: Predictions | None, *, of: str) -> tuple[Floats, str]:
    """Return the scores of the constant prior, shape (n, K), and which tracks its rates are of.

    The training part's, if they are known; else those of the validation part; else those of the evaluated part itself,
    which flatters it a little in all metrics but macro ROC-AUC and PR-AUC. `of` says what the validation part is.
    """
    if predictions.prevalence is not None:
        rates, of = predictions.prevalence, "the training part"
    elif validation is not None:
        rates = validation.targets.mean(axis=0)
    else:
        rates, of = predictions.targets.mean(axis=0), "the evaluated part itself, as no other is known"
    return np.repeat(rates[None].astype(np.float64), len(predictions), axis=0), of


class Floors:
    """Floors besides the prior: checked at once, trained before the model hears anything, lined up with it at last.

    Parameters
    ----------
    names : "prior" and "none" are no more than that; files of predictions; names of `earmark.floors`
    part : of the split, that is evaluated
    on_progress : called before one is trained

    Raises
    ------
    UnknownNameError
        If there is no such floor.
    InputError
        If a file of predictions cannot be read.

    Notes
    -----
    What goes wrong with one later ends nothing: `notes` says which is missing, and why.
    """

    def __init__(self, names: Sequence[str], part: str, on_progress: OnProgress) -> None:
        self.part, self.on_progress = part, on_progress
        self.notes: list[str] = []
        self.names = tuple(dict.fromkeys(name for name in names if name not in (PRIOR, NONE)))
        self._found: dict[str, _Floor] = {}
        self._is_trained = False
        for name in self.names:
            if Path(name).suffix == ".npz":
                found = load_predictions(Path(name))
                title = found.model or Path(name).stem
                self._found[name] = _Floor(title, found.protocol, found, beside(Path(name)))
            else:
                from earmark.floors import FLOORS

                FLOORS[name]  # an error that names the floors there are

    def train(self, dataset: Dataset | None, split: Split | None) -> None:
        """Train those that have to be, unless that was done.

        Raises
        ------
        UsageError
            If one has to be trained and the dataset is not there.
        """
        if self._is_trained:
            return
        for name in self.names:
            if name in self._found:
                continue
            if dataset is None or split is None:
                raise UsageError(
                    f"floor {name!r} has to be trained, which takes a dataset with audio",
                    hint="add --dataset NAME --root FOLDER, or give a file of its predictions: --floors FILE.npz",
                )
            self.on_progress(None, f"floor {name}: training")
            try:
                self._found[name] = _trained(name, dataset, split, self.part)
            except EarmarkError as error:
                self._leave_out(name, error)
        self._is_trained = True

    def scores(self, material: Material) -> list[FloorScores]:
        """Return the scores of the evaluated tracks; a floor that does not have them is left out, with a note."""
        found = []
        for name, floor in self._found.items():
            try:
                found.append(_aligned(floor, material))
            except InputError as error:
                self._leave_out(name, error)
        return found

    def _leave_out(self, name: str, error: EarmarkError) -> None:
        hint = f" ({error.hint})" if error.hint else ""
        self.notes.append(f"the floor {name!r} is left out: {error.message}{hint}")


@dataclass(frozen=True)
class _Floor:
    """A floor whose scores are there: of its tracks in its order."""

    name: str
    detail: str
    scores: Predictions
    validation: Predictions | None


def _trained(name: str, dataset: Dataset, split: Split, part: str) -> _Floor:
    from earmark.floors import floor_data, run_floor

    split, held_by = _with_validation(dataset, split)
    found = run_floor(name, floor_data(dataset, split), parts=tuple(dict.fromkeys((VALIDATION, part))))
    detail = found[part].protocol + (f"; validation held back {held_by}" if held_by else "")
    return _Floor(name, detail, found[part], found[VALIDATION] if part != VALIDATION else None)


def _with_validation(dataset: Dataset, split: Split) -> tuple[Split, str]:
    """Hold a validation part back where there is none: whole artists, else whole recordings, else tracks.

    Returns
    -------
    the split, and what was kept whole in words, empty if nothing was held back
    """
    if split.parts.get(VALIDATION):
        return split, ""
    words: dict[By, str] = {"artist": "by artist", "track": "by recording", "id": "track by track"}
    for by, text in words.items():
        with suppress(UsageError):
            return with_validation(dataset, split, DataOptions(dataset.info.name, str(dataset.root), by=by)), text
    n = len(split.parts.get("train", ()))
    raise InputError(
        f"split {split.name!r} has no validation part, and {n} training tracks are too few to hold some back"
    )


def _aligned(floor: _Floor, material: Material) -> FloorScores:
    """Bring scores into the order of what is evaluated; those of a validation part that is another are left out."""
    scores = _scores_like(floor.scores, material.predictions)
    if scores is None:
        raise InputError(
            "it does not have all tracks and tags of what is evaluated",
            hint="a floor is judged on the very same tracks; evaluate it on its own and compare: earmark compare",
        )
    own = None
    if floor.validation is not None and material.validation is not None:
        own = _scores_like(floor.validation, material.validation)
    return FloorScores(name=floor.name, detail=floor.detail, scores=scores, validation=own)


def _scores_like(floor: Predictions, own: Predictions) -> Floats | None:
    place = {id: i for i, id in enumerate(floor.ids)}
    column = {tag: k for k, tag in enumerate(floor.tags)}
    if not set(own.ids) <= set(place) or not set(own.tags) <= set(column):
        return None
    return floor.scores[np.ix_([place[id] for id in own.ids], [column[tag] for tag in own.tags])]
