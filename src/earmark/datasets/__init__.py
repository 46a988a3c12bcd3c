"""Published datasets with their canonical splits: `open_dataset("magnatagatune", "folder")`."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from earmark.datasets.base import Dataset, DatasetInfo, Fault, Remote, Split, Track
from earmark.errors import MissingExtraError, UnknownNameError
from earmark.registry import check_options, check_values

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetInfo",
    "Fault",
    "Remote",
    "Split",
    "Track",
    "changed_options",
    "dataset_info",
    "dataset_options",
    "open_dataset",
]

DATASETS: Mapping[str, str] = {
    name: f"earmark.datasets.{name}"
    for name in (
        "magnatagatune",
        "mtg_jamendo",
        "fma",
        "gtzan",
        "gtzan_music_speech",
        "cal500",
        "cal10k",
        "esc10",
        "esc50",
        "philharmonia",
        "msd",
        "folder",
        "table",
        "jams",
    )
}
"""Name of every dataset to the module that knows it."""

MIRDATA = "mirdata:"
"""Before the name of a loader of mirdata."""


def dataset_info(name: str) -> DatasetInfo:
    """Return what is known about a dataset before it is on disk.

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    """
    info: DatasetInfo = _module(name).INFO
    return info


def dataset_options(name: str) -> dict[str, Any]:
    """Return what can be chosen of a dataset, and what is taken unless one does."""
    parameters = inspect.signature(_load(name)).parameters
    return {key: value.default for key, value in parameters.items() if key != "root"}


def changed_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options of a dataset that are not as they are unless one chooses.

    Parameters
    ----------
    name : of the dataset; one that is not known here keeps all options
    options : all of them

    Examples
    --------
    >>> changed_options("mtg_jamendo", {"subset": "genre", "audio": "full"})
    {'subset': 'genre'}
    """
    try:
        defaults = dataset_options(name)
    except (UnknownNameError, MissingExtraError):
        return dict(options)
    return {key: value for key, value in options.items() if key not in defaults or value != defaults[key]}


def open_dataset(name: str, root: str | Path, /, **options: object) -> Dataset:
    """Read the labels of a dataset from its published files.

    Parameters
    ----------
    name : of the dataset; "mirdata:NAME" takes a loader of mirdata (extra [mirdata])
    root : the folder that its files lie in as they are after unpacking; the audio may be absent
    options : what the dataset's `info.options` describes

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    UsageError
        If it takes no such option, or an option has a value that it does not take.
    InputError
        If a file is missing or damaged.
    """
    load = _load(name)
    check_options(f"dataset {name!r}", load, options, given=["root"])
    check_values(f"dataset {name!r}", load, options)
    return load(Path(root), **options)


def _load(name: str) -> Callable[..., Dataset]:
    load: Callable[..., Dataset] = _module(name).load
    return load


def _module(name: str) -> ModuleType | SimpleNamespace:
    if name.startswith(MIRDATA):
        from earmark.datasets.mirdata_adapter import adapt

        return adapt(name.removeprefix(MIRDATA))
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return import_module(DATASETS[name])
