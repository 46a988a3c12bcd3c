"""A whole floor on a dataset: decode, compute statistics, learn, and say what it says of a part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from earmark.datasets.base import Dataset, Split
from earmark.datasets.splitting import By
from earmark.errors import UsageError
from earmark.floors.base import FLOORS
from earmark.floors.caching import track_features
from earmark.floors.statistics import TrackStatistics
from earmark.predictions import Predictions, of_part
from earmark.training_data import DataOptions, TrainingData, decoded, with_validation

SAMPLE_RATE = 16000


def floor_data(
    dataset: Dataset,
    split: str | Split | None = None,
    *,
    cache: str | Path | None = None,
    sample_rate: int = SAMPLE_RATE,
    validation: float = 0.15,
    by: By = "artist",
    seed: int = 0,
    jobs: int | None = None,
) -> TrainingData:
    """Make what floors need of a dataset: a split with a validation part, and decoded audio.

    Unlike the data of a training run it may hold tags that no training track has.

    Parameters
    ----------
    dataset : as `open_dataset` returns it
    split : of it; the default one unless given
    cache : folder that keeps decoded audio and statistics; one in the user's cache unless given
    sample_rate : Hz
    validation, by, seed : how many training tracks are held back, what is kept whole, and which, where the split has no
        validation part; see `earmark.training_data.DataOptions`
    jobs : tracks decoded at a time

    Raises
    ------
    UsageError
        If the split has no training part, or nothing can be held back.
    InputError
        If there is no audio, or none of the training or the validation part can be read.
    """
    options = DataOptions(
        dataset.info.name, str(dataset.root), validation=validation, by=by, seed=seed,
        cache=None if cache is None else str(cache),
    )  # fmt: skip
    chosen = with_validation(dataset, split if isinstance(split, Split) else dataset.split(split), options)
    return decoded(dataset, chosen, options, sample_rate=sample_rate, jobs=jobs, needs_every_tag=False)


def run_floor(
    name: str,
    data: TrainingData,
    *,
    parts: Sequence[str] = ("validation", "test"),
    options: Mapping[str, object] | None = None,
    statistics: TrackStatistics | None = None,
    jobs: int | None = None,
    show_progress: bool | None = False,
) -> dict[str, Predictions]:
    """Let a floor learn from the training part of a dataset, and score others.

    Parameters
    ----------
    name : in `FLOORS`
    data : as `floor_data`, or `earmark.training_data.prepare` for a training run, makes it
    parts : that are scored
    options : of the floor, such as its grids
    statistics : features of a track; the defaults at the sample rate of the decoded audio unless given
    jobs : tracks at a time; as many as there are CPUs unless given
    show_progress : draw a bar; None draws it if stderr is a terminal

    Returns
    -------
    part to what was predicted of its tracks

    Raises
    ------
    UnknownNameError
        If there is no such floor, or the split has no such part.
    UsageError
        If the floor takes no such option, or a part is empty.
    InputError
        If a track cannot be used.
    MissingExtraError
        If scikit-learn or scipy is not installed.
    """
    floor = FLOORS.build(name, **(options or {}))
    fitted_on = ("train", "validation")
    needed = tuple(dict.fromkeys((*fitted_on, *parts)))
    for part in needed:
        if not data.split[part]:
            raise UsageError(f"the {part} part of split {data.split.name!r} has no track whose audio can be read")
    features = {part: np.zeros((len(data.split[part]), 0), np.float32) for part in needed}
    if floor.needs_features:
        ids = [id for part in needed for id in data.split[part]]
        found = track_features(data.store, ids, statistics=statistics, jobs=jobs, show_progress=show_progress)
        ends = np.cumsum([len(data.split[part]) for part in needed])[:-1]
        features = dict(zip(needed, np.split(found, ends), strict=True))
    train, validation = fitted_on
    floor.fit(
        features[train], data.targets(train), features[validation], data.targets(validation), task=data.dataset.task
    )
    return {
        part: of_part(data.dataset, data.split, part, floor.scores(features[part]), model=name, protocol=floor.protocol)
        for part in parts
    }
