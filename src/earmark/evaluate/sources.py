"""What is evaluated: a run, a report, a file of predictions, or a model on a dataset."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.config import read_config
from earmark.datasets import open_dataset
from earmark.datasets.base import Dataset, Split
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.evaluate.columns import choose_tags, choose_tracks, common_tags
from earmark.evaluate.origins import Origin, origin_of_card, origin_of_stored
from earmark.evaluate.scoring import score_part
from earmark.metrics.checks import Bools
from earmark.predictions import Predictions, load_predictions
from earmark.tagger import Tagger
from earmark.training_data import DataOptions, with_validation
from earmark.vocabulary import Vocabulary

OnProgress = Callable[[float | None, str], None]
BeforeScoring = Callable[[Dataset, Split], None]
BEST, PREDICTIONS, REPORT, VALIDATION = "best.safetensors", "predictions.npz", "report.json", "validation"


@dataclass(frozen=True, kw_only=True)
class Data:
    """A dataset that was asked for.

    Parameters
    ----------
    dataset : its name
    root : its folder
    split : name of a split; the default one unless given
    options : of the dataset
    """

    dataset: str
    root: str | Path
    split: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> tuple[Dataset, Split]:
        """Read it."""
        dataset = open_dataset(self.dataset, self.root, **self.options)
        return dataset, dataset.split(self.split)


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a report is made of.

    Parameters
    ----------
    predictions : to judge
    validation : to choose thresholds and to calibrate by; None if there are none
    weights : what a `Tagger` takes to hear a track again; None if that is not known
    dataset, split : that the tracks come from, where they could be read
    origin : what the model learned from
    failures : part to the id of every track that could not be scored, and why
    sizes : part to how many tracks it has
    notes : what the reader of the report has to know
    """

    predictions: Predictions
    validation: Predictions | None = None
    weights: str | None = None
    dataset: Dataset | None = None
    split: Split | None = None
    origin: Origin = field(default_factory=Origin)
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def gather(
    what: str | Path | Predictions,
    *,
    data: Data | None = None,
    part: str = "test",
    chunks: int | None = None,
    only_common: bool = False,
    before_scoring: BeforeScoring = lambda dataset, split: None,
    on_progress: OnProgress = lambda fraction, note: None,
) -> Material:
    """Find or make the predictions that a report is of.

    Parameters
    ----------
    what : predictions, a file of them, a folder of a run or of a report, the name of a model or a file of weights
    data : the dataset to evaluate on, which a model needs; a run is scored anew on it
    part : of the split
    chunks : mean over so many chunks of a track; over all that tile it unless given
    only_common : whether tags that only the model or only the dataset has may be left out
    before_scoring : called with the dataset, its vocabulary the tags that are evaluated, and the split before the model
        hears a track; not at all if the scores are there already
    on_progress : called with the share that is done and a note

    Raises
    ------
    InputError
        If there are no such predictions, or they cannot be read.
    UsageError
        If a model is given without a dataset.
    """
    if isinstance(what, Predictions):
        return Material(predictions=what, origin=origin_of_stored(what))
    path = Path(what)
    if data is not None:
        return _score(_weights(path, str(what)), data, part, chunks, only_common, before_scoring, on_progress)
    if chunks is not None:
        raise UsageError("chunks are of a model that scores a dataset; these scores are there already")
    if path.is_dir():
        return _of_folder(path, part)
    if path.suffix == ".npz":
        return _of_file(path)
    if path.suffix in (".csv", ".npy", ".tsv", ".gz"):
        raise UsageError(f"{path}: scores alone say nothing", hint="--scores FILE --targets FILE takes stored ones")
    if path.suffix != ".safetensors" and (path.exists() or len(path.parts) > 1):
        found = "is no file of predictions" if path.exists() else "is not there"
        raise InputError(f"{path}: {found}", hint="a run, a report, predictions.npz, or the name of a model")
    raise UsageError(f"{what}: a model needs tracks to be judged by", hint="add --dataset NAME --root FOLDER")


def _of_file(path: Path) -> Material:
    found = load_predictions(path)
    return Material(predictions=found, validation=beside(path), origin=origin_of_stored(found, path))


def _of_folder(folder: Path, part: str) -> Material:
    if (folder / PREDICTIONS).is_file():
        return _of_file(folder / PREDICTIONS)
    stored = folder / "predictions" / f"{part}.npz"
    if stored.is_file():
        return _of_run(folder, stored, part)
    if not (folder / "run.toml").is_file():
        raise InputError(f"{folder}: is neither a run nor a report", hint=f"there is no run.toml and no {PREDICTIONS}")
    others = sorted(file.stem for file in (folder / "predictions").glob("*.npz"))
    if others:
        raise InputError(f"{folder}: has no predictions of the {part} part", hint=f"--part {' or '.join(others)}")
    hint = f"earmark train --resume {folder} ends it"
    if (folder / BEST).is_file():
        hint += f"; earmark evaluate {folder} --dataset NAME --root FOLDER judges its best weights so far"
    raise InputError(f"{folder}: has no predictions: the run did not come to its end", hint=hint)


def _of_run(folder: Path, stored: Path, part: str) -> Material:
    predictions = load_predictions(stored)
    beside = folder / "predictions" / f"{VALIDATION}.npz"
    validation = load_predictions(beside) if part != VALIDATION and beside.is_file() else None
    weights = folder / BEST
    dataset, split, notes = _data_of_run(folder)
    sizes = split.sizes if split is not None else _sizes_of_run(folder)
    return Material(
        predictions=predictions,
        validation=validation,
        weights=str(weights) if weights.is_file() else None,
        dataset=dataset,
        split=split,
        origin=Origin("split"),
        sizes=sizes,
        notes=notes,
    )


def _data_of_run(folder: Path) -> tuple[Dataset | None, Split | None, tuple[str, ...]]:
    """Open what the run was trained on; without it there are no floors and no pictures of segments, and no more."""
    try:
        table = read_config(folder / "run.toml").get("data", {})
        known = DataOptions.__dataclass_fields__
        options = DataOptions(**{key: value for key, value in table.items() if key in known})
        dataset = open_dataset(options.dataset, options.root, **options.options)
        return dataset, with_validation(dataset, dataset.split(options.split), options), ()
    except (EarmarkError, TypeError) as error:
        return None, None, (f"the dataset of the run could not be opened, so it is told from its predictions: {error}",)


def _sizes_of_run(folder: Path) -> dict[str, int]:
    with suppress(OSError, ValueError, AttributeError):
        tracks = json.loads((folder / "results.json").read_text(encoding="utf-8")).get("tracks", {})
        return {str(part): int(n) for part, n in tracks.items()}
    return {}


def beside(path: Path) -> Predictions | None:
    """Return the validation part that lies beside a file of predictions, if it is of the same model and split."""
    other = path.parent / f"{VALIDATION}.npz"
    if path.name == other.name or not other.is_file():
        return None
    found, own = load_predictions(other), load_predictions(path)
    same = ("model", "dataset", "split", "tags")
    return found if all(getattr(found, name) == getattr(own, name) for name in same) else None


def _weights(path: Path, what: str) -> str:
    if not path.is_dir():
        if path.suffix == ".safetensors" and not path.is_file():
            raise InputError(f"{path}: is not there", hint="a run leaves its weights in best.safetensors")
        return what
    if not (path / BEST).is_file():
        raise InputError(f"{path}: has no {BEST}", hint="the run did not come to the end of its first epoch")
    return str(path / BEST)


def _score(
    weights: str, data: Data, part: str, chunks: int | None, only_common: bool, before_scoring: BeforeScoring,
    on_progress: OnProgress,
) -> Material:  # fmt: skip
    if chunks is not None and chunks < 1:
        raise UsageError(f"chunks is {chunks}, expected 1 or more")
    dataset, split = data.open()
    split[part]  # an error that names the parts there are comes before the model is loaded
    with Tagger(model=weights) as tagger:
        card = tagger.cards[0]
        tags = common_tags(card.tags, dataset.vocabulary.tags, who=f"model {card.name!r}", whose=dataset.info.name,
                           only_common=only_common)  # fmt: skip
        notes = _narrowing(card.tags, dataset.vocabulary.tags, tags)
        dataset = narrowed(dataset, tags)
        before_scoring(dataset, split)
        parts = [one for one in (VALIDATION, part) if split.parts.get(one)]
        scored = {}
        for one in dict.fromkeys(parts):

            def on_track(done: int, total: int, failed: int, one: str = one) -> None:
                on_progress(done / total, f"{one}: track {done:,} of {total:,}" + f", {failed} failed" * bool(failed))

            scored[one] = score_part(
                tagger, dataset, split, one, tags=tags, model=card.name, chunks=chunks, on_track=on_track
            )
    kept = {one: _with_a_class(found.predictions) for one, found in scored.items()}
    return Material(
        predictions=kept[part],
        validation=kept.get(VALIDATION) if part != VALIDATION else None,
        weights=weights,
        dataset=dataset,
        split=split,
        origin=origin_of_card(card, weights, dataset, split, part),
        failures={one: {id: str(error) for id, error in found.failures.items()} for one, found in scored.items()},
        sizes=split.sizes,
        notes=notes,
    )


def narrowed(dataset: Dataset, tags: Sequence[str]) -> Dataset:
    """Return a dataset whose vocabulary is some of its tags, in the order wanted."""
    known = dataset.vocabulary
    if tuple(tags) == known.tags:
        return dataset
    numbers = [known.tags.index(tag) for tag in tags]
    vocabulary = Vocabulary(known.name, tuple(tags), tuple(known.categories[k] for k in numbers))
    return replace(dataset, vocabulary=vocabulary)


def _narrowing(ours: Sequence[str], theirs: Sequence[str], common: Sequence[str]) -> tuple[str, ...]:
    if len(common) == len(ours) == len(theirs):
        return ()
    return (
        f"only the {len(common)} tags that model and dataset have in common are evaluated: the model has {len(ours)}, "
        f"the dataset {len(theirs)}",
    )


def _with_a_class(predictions: Predictions) -> Predictions:
    """Leave out tracks of a single-label dataset whose one class is not evaluated."""
    has_tag: Bools = np.asarray(predictions.targets.any(axis=1))
    if predictions.task != "single_label" or has_tag.all():
        return predictions
    return choose_tracks(predictions, has_tag)


def matched(material: Material, validation: Predictions, *, only_common: bool) -> Material:
    """Take other predictions as the validation part; their tags are matched by name."""
    own = material.predictions
    if validation.tags == own.tags:
        return replace(material, validation=validation)
    tags = common_tags(validation.tags, own.tags, who="the validation part", whose="the evaluated part",
                       only_common=only_common)  # fmt: skip
    notes = (*material.notes, *_narrowing(validation.tags, own.tags, tags))
    return replace(material, predictions=choose_tags(own, tags), validation=choose_tags(validation, tags), notes=notes)


def first_half(n_tracks: int, keys: Sequence[Hashable] | None) -> Bools:
    """Say which tracks are in the first half: every other one, or every other group of them in order of appearance."""
    if keys is None:
        return np.array([i % 2 == 0 for i in range(n_tracks)], np.bool_)
    full = [(i, None) if key is None else key for i, key in enumerate(keys)]
    number = {key: place for place, key in enumerate(dict.fromkeys(full))}
    return np.array([number[key] % 2 == 0 for key in full], np.bool_)
