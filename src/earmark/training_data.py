"""The data of a training run: a dataset, its split, decoded audio, crops to learn from and chunks to judge by."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.assets import cache_dir
from earmark.crops import INT16_SCALE, StoreCrops
from earmark.datasets import changed_options, open_dataset
from earmark.datasets.base import Dataset, Split, Track
from earmark.datasets.splitting import By, split_by_group
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.features.extract import extract
from earmark.features.store import FeatureStore, Item

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class DataOptions:
    """What the table [data] of a recipe says.

    Parameters
    ----------
    dataset : name of a dataset
    root : its folder
    split : name of a split; the dataset's default unless given
    options : of the dataset
    validation : share of the training tracks that is held back where the split has no validation part
    by : what is kept whole when they are held back
    seed : of holding them back
    cache : folder that keeps decoded audio of any dataset; one in the user's cache unless given
    repeat : whether clips that are shorter than what the network hears at once may be repeated to fill it
    """

    dataset: str
    root: str
    split: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    validation: float = 0.15
    by: By = "artist"
    seed: int = 0
    cache: str | None = None
    repeat: bool = False


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from and is judged by.

    Parameters
    ----------
    dataset : as it was opened
    split : that has a training, a validation and perhaps a test part, of tracks whose audio could be read
    store : decoded audio, int16
    unreadable : id to the error of tracks whose audio could not be read
    """

    dataset: Dataset
    split: Split
    store: FeatureStore
    unreadable: Mapping[str, EarmarkError]

    @property
    def tags(self) -> tuple[str, ...]:
        """The K tags to learn, in the order of the columns of targets."""
        return self.dataset.vocabulary.tags

    @property
    def is_single_label(self) -> bool:
        """Whether every track has exactly one tag."""
        return self.dataset.task == "single_label"

    def targets(self, part: str) -> NDArray[np.bool_]:
        """Return the targets of a part, shape (n, K)."""
        return self.dataset.targets(self.split[part])

    def crops(self, part: str, n_samples: int, *, seed: int) -> StoreCrops:
        """Return random crops of a part, in the order of its tracks."""
        return StoreCrops(self.store, n_frames=n_samples, ids=self.split[part], seed=seed)

    def chunks(self, id: str, n_samples: int, n_chunks: int) -> Samples:
        """Return evenly spaced chunks of a track.

        Parameters
        ----------
        id : of the track
        n_samples : S, of a chunk
        n_chunks : the first at the track's begin, the last at its end, the others evenly between; fewer where the track
            has no room for different ones

        Returns
        -------
        shape (C, S), in [-1, 1]
        """
        length = self.store.entry(id).n_frames
        if length <= n_samples:
            return np.resize(self.store[id][:, 0] * INT16_SCALE, (1, n_samples))
        room = length - n_samples
        starts = np.unique(np.linspace(0, room, min(n_chunks, room + 1)).round().astype(int))
        return np.stack([self.store.crop(id, int(start), n_samples)[:, 0] for start in starts]) * INT16_SCALE


def prepare(options: DataOptions, *, sample_rate: int, jobs: int | None = None) -> TrainingData:
    """Open a dataset for training: choose the split, decode the audio once, hold back a validation part.

    Parameters
    ----------
    options : see `DataOptions`
    sample_rate : Hz, of the model
    jobs : tracks decoded at a time

    Raises
    ------
    UsageError
        If the split has no training part, or a tag has no track in it.
    InputError
        If the dataset or its audio is not there.
    """
    return decoded(*choose(options), options, sample_rate=sample_rate, jobs=jobs)


def choose(options: DataOptions) -> tuple[Dataset, Split]:
    """Open a dataset and choose the split, without looking at any audio.

    Raises
    ------
    UsageError
        If the split has no training part.
    InputError
        If the dataset is not there.
    """
    dataset = open_dataset(options.dataset, options.root, **options.options)
    return dataset, with_validation(dataset, dataset.split(options.split), options)


def decoded(
    dataset: Dataset,
    split: Split,
    options: DataOptions,
    *,
    sample_rate: int,
    jobs: int | None = None,
    needs_every_tag: bool = True,
) -> TrainingData:
    """Decode what a split names, once: what was decoded before is taken as it is.

    Parameters
    ----------
    dataset, split : as `choose` returned them
    options : the same
    sample_rate : Hz, of the model
    jobs : tracks decoded at a time
    needs_every_tag : whether a tag without a track in the training part is an error

    Raises
    ------
    UsageError
        If a tag has no track in the training part.
    InputError
        If there is no audio, or none of the training or the validation part can be read.
    """
    used = {id for ids in split.parts.values() for id in ids}
    items = [Item(t.id, str(t.audio), t.segment) for t in dataset if t.id in used and t.audio is not None]
    if not items:
        raise InputError(f"{dataset.root}: {dataset.info.name} has no audio there", hint=dataset.info.how_to_get)
    folder = cache_folder(dataset, sample_rate, options.cache)
    done = extract(items, folder, frontend="raw", parameters={"sample_rate": sample_rate},
                   dtype="int16", jobs=jobs, wait=True)  # fmt: skip
    store = FeatureStore.open(folder)
    unreadable = {outcome.item.id: outcome.error for outcome in done.failures if outcome.error is not None}
    missing = {t.id: InputError(f"{t.id}: no audio") for t in dataset if t.id in used and t.audio is None}
    data = TrainingData(dataset, _without(split, unreadable | missing), store, unreadable | missing)
    _check(data, needs_every_tag=needs_every_tag)
    return data


def check_lengths(data: TrainingData, options: DataOptions, *, n_samples: int, sample_rate: int) -> None:
    """Raise `UsageError` if most training clips are shorter than what a network hears at once.

    Parameters
    ----------
    data, options : of the run
    n_samples : of a chunk of the network
    sample_rate : Hz
    """
    lengths = np.array([data.store.entry(id).n_frames for id in data.split["train"]])
    longest, short = int(lengths.max()), int((lengths < n_samples).sum())
    if options.repeat or 2 * short <= len(lengths):
        return
    raise UsageError(
        f"the network hears {n_samples / sample_rate:.2f} s at once; {short} of {len(lengths)} training clips are "
        f"shorter, the longest has {longest / sample_rate:.2f} s",
        hint="choose a model that hears less (earmark models list --architectures), or repeat clips: "
        "data.repeat = true",
    )


def with_validation(dataset: Dataset, split: Split, options: DataOptions) -> Split:
    """Return a split that has a validation part: its own, or one held back from its training part.

    Raises
    ------
    UsageError
        If there is no training part, or nothing can be held back.
    """
    if not split.parts.get("train"):
        raise UsageError(f"split {split.name!r} of {dataset.info.name} has no training part")
    if split.parts.get("validation"):
        return split
    if not 0 < options.validation < 1:
        hint = "a share between 0 and 1 of the training tracks is held back"
        raise UsageError(
            f"split {split.name!r} has no validation part, and data.validation is {options.validation}", hint=hint
        )
    tracks: list[Track] = [dataset[id] for id in split["train"]]
    shares = {"train": 1 - options.validation, "validation": options.validation}
    held = split_by_group(tracks, by=options.by, parts=shares, seed=options.seed)
    description = f"{split.description}; validation held back from training: {held.description}"
    return Split(split.name, description, {**held.parts, **_others(split)}, split.left_out)


def _others(split: Split) -> dict[str, tuple[str, ...]]:
    return {part: ids for part, ids in split.parts.items() if part not in ("train", "validation")}


def _without(split: Split, unreadable: Mapping[str, EarmarkError]) -> Split:
    parts = {part: tuple(id for id in ids if id not in unreadable) for part, ids in split.parts.items()}
    return Split(
        split.name, split.description, parts, {**split.left_out, **{id: str(e) for id, e in unreadable.items()}}
    )


def _check(data: TrainingData, *, needs_every_tag: bool) -> None:
    for part in ("train", "validation"):
        if not data.split.parts.get(part):
            raise InputError(f"no track of the {part} part could be read", hint="earmark datasets verify says why")
    absent = _absent(data.targets("train"), data.tags)
    if absent and needs_every_tag:
        shown = ", ".join(map(repr, absent[:5])) + (", ..." if len(absent) > 5 else "")
        raise UsageError(
            f"{len(absent)} of {len(data.tags)} tags have no track in the training part: {shown}",
            hint="choose a smaller vocabulary, or another split: such a tag cannot be learned",
        )


def _absent(targets: NDArray[np.bool_], tags: Sequence[str]) -> list[str]:
    return [tag for k, tag in enumerate(tags) if not targets[:, k].any()]


def cache_folder(dataset: Dataset, sample_rate: int, parent: str | Path | None = None) -> Path:
    """Return where decoded audio is kept; what it is of is in the name, what it was made from in the store itself.

    Parameters
    ----------
    dataset : its name, folder and options tell
    sample_rate : Hz
    parent : folder of such folders; one in the user's cache unless given
    """
    name, root = dataset.info.name, str(Path(dataset.root).resolve())
    known = json.dumps([root, changed_options(name, dataset.options)], sort_keys=True)
    digest = hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    above = cache_dir() / "decoded" if parent is None else Path(parent)
    return above / f"{name.replace(':', '-')}-{sample_rate}-{digest}"
