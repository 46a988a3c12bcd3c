"""What a model has to beat: the constant prior always, and classic baselines where they can be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.errors import InputError, UsageError
from earmark.evaluate.sources import Material, OnProgress, beside
from earmark.metrics.checks import Floats
from earmark.predictions import Predictions, load_predictions

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


def floor_predictions(names: Sequence[str], material: Material, on_progress: OnProgress) -> list[FloorScores]:
    """Return the scores of floors besides the prior.

    Parameters
    ----------
    names : "prior" and "none" are no more than that; files of predictions; names of `earmark.floors`
    material : what is evaluated
    on_progress : called before one is trained

    Raises
    ------
    InputError
        If predictions are not of the same tracks and tags.
    UsageError
        If a floor has to be trained and the dataset is not there.
    """
    found = []
    for name in names:
        if name in (PRIOR, NONE):
            continue
        if Path(name).suffix == ".npz":
            found.append(_of_file(Path(name), material))
        else:
            found.append(_trained(name, material, on_progress))
    return found


def _of_file(path: Path, material: Material) -> FloorScores:
    found = load_predictions(path)
    validation = beside(path)
    return _aligned(found, validation, material, name=found.model or path.stem, source=str(path))


def _trained(name: str, material: Material, on_progress: OnProgress) -> FloorScores:
    from earmark.floors import FLOORS, floor_data, run_floor

    FLOORS[name]  # an error that names the floors there are
    if material.dataset is None or material.split is None:
        raise UsageError(
            f"floor {name!r} has to be trained, which takes a dataset with audio",
            hint="add --dataset NAME --root FOLDER, or give a file of its predictions: --floors FILE.npz",
        )
    own = material.predictions
    on_progress(None, f"floor {name}: training")
    parts = tuple(dict.fromkeys(("validation", own.part)))
    found = run_floor(name, floor_data(material.dataset, material.split), parts=parts)
    validation = found["validation"] if own.part != "validation" else None
    return _aligned(found[own.part], validation, material, name=name, source=f"floor {name!r}")


def _aligned(
    floor: Predictions, validation: Predictions | None, material: Material, *, name: str, source: str
) -> FloorScores:
    """Bring scores into the order of what is evaluated; those of a validation part that is another are left out."""
    scores = _scores_like(floor, material.predictions)
    if scores is None:
        raise InputError(
            f"{source}: does not have all tracks and tags of what is evaluated",
            hint="a floor is judged on the very same tracks; evaluate it on its own and compare: earmark compare",
        )
    own = None
    if validation is not None and material.validation is not None:
        own = _scores_like(validation, material.validation)
    return FloorScores(name=name, detail=floor.protocol, scores=scores, validation=own)


def _scores_like(floor: Predictions, own: Predictions) -> Floats | None:
    place = {id: i for i, id in enumerate(floor.ids)}
    column = {tag: k for k, tag in enumerate(floor.tags)}
    if not set(own.ids) <= set(place) or not set(own.tags) <= set(column):
        return None
    return floor.scores[np.ix_([place[id] for id in own.ids], [column[tag] for tag in own.tags])]
