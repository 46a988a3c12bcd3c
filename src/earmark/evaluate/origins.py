"""What a model learned from, as far as that is known: whether the training part of a split is that of the model."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from earmark.config import read_config
from earmark.datasets import dataset_info
from earmark.datasets.base import Dataset, DatasetInfo, Split
from earmark.errors import EarmarkError
from earmark.models.card import PUBLISHED, ModelCard
from earmark.predictions import Predictions

Kind = Literal["split", "dataset", "elsewhere", "unsaid"]
OWN = ("table", "folder", "jams")
"""Datasets of one's own files: what one user calls so is not what another does."""


@dataclass(frozen=True)
class Origin:
    """What a model learned from, seen from the tracks that it is judged by.

    Parameters
    ----------
    kind : "split", the training part of the same split; "dataset", the same dataset by another split, or by one that is
        only described; "elsewhere", something else or nothing that is known; "unsaid", nobody says which model it is
    warnings : what it may have heard of the judged tracks beyond what the split tells
    """

    kind: Kind = "unsaid"
    warnings: tuple[str, ...] = ()


def origin_of_card(card: ModelCard, weights: str, dataset: Dataset, split: Split, part: str) -> Origin:
    """Tell from the card of a model, and from the recipe of its run if there is one, what it learned from.

    Parameters
    ----------
    card : of the model
    weights : its name, or its file, which may lie in the folder of a run
    dataset, split, part : that it is judged on
    """
    table = _data_of_run(Path(weights).parent) if Path(weights).is_file() else {}
    own = dataset.info.name
    is_same = table["dataset"] == own if "dataset" in table else is_named(card.dataset, dataset.info)
    if is_same and own in OWN and not _is_same_folder(table.get("root"), dataset.root):
        return Origin("unsaid" if set(card.tags) == set(dataset.vocabulary.tags) else "elsewhere")
    if not is_same:
        return Origin("elsewhere")
    if card.split == split.name:
        return Origin("split")
    if card.split in dataset.split_names:
        heard = set(dataset.split(card.split).parts.get("train", ())) & set(split[part])
        text = (
            f"the model was trained on split {card.split!r} of this dataset, and {len(heard):,} of the "
            f"{len(split[part]):,} tracks of the {part} part are in its training part: scores are flattered"
        )
        return Origin("dataset", (text,) if heard else ())
    text = (
        f"the model was trained on this dataset, by a split that its card calls {card.split or 'nothing'!r}: if split "
        f"{split.name!r} is another, it has heard some of the judged tracks, and scores are flattered"
    )
    return Origin("dataset", () if split.name == dataset.split_names[0] else (text,))


def origin_of_stored(predictions: Predictions, path: Path | None = None) -> Origin:
    """Tell from where predictions lie, or from the name of their model, what it learned from.

    Parameters
    ----------
    predictions : of some model
    path : of their file; None if there is none
    """
    if path is not None and path.parent.name == "predictions" and (path.parent.parent / "run.toml").is_file():
        return Origin("split")
    if path is not None:
        with suppress(OSError, ValueError, AttributeError, TypeError):
            report = json.loads((path.parent / "report.json").read_text(encoding="utf-8"))
            if report.get("learned_from") in get_args(Kind) and report["model"] == predictions.model:
                return Origin(report["learned_from"], tuple(map(str, report.get("warnings", ()))))
    card = PUBLISHED.get(predictions.model)
    if card is None:
        return Origin("unsaid")
    info: DatasetInfo | None = None
    with suppress(EarmarkError):
        info = dataset_info(predictions.dataset)
    return Origin("dataset" if info is not None and is_named(card.dataset, info) else "elsewhere")


def is_named(words: str, info: DatasetInfo) -> bool:
    """Say whether a card means a dataset: by its name, by its title, or by some words of that.

    Parameters
    ----------
    words : such as "MTG-Jamendo, top 50 tags"; what stands behind a comma is left aside unless it is in the title
    info : of the dataset

    Examples
    --------
    >>> is_named("MTG-Jamendo, top 50 tags", dataset_info("mtg_jamendo")), is_named("", dataset_info("msd"))
    (True, False)
    """
    title, name = _words(info.title), _words(info.name)
    for wanted in (_words(words), _words(words.partition(",")[0])):
        if wanted and wanted in (title, name):
            return True
        several = len(wanted) > 1
        if several and any(title[i : i + len(wanted)] == wanted for i in range(len(title))):
            return True
    return False


def _words(text: str) -> Sequence[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _data_of_run(folder: Path) -> Mapping[str, Any]:
    with suppress(EarmarkError):
        table = read_config(folder / "run.toml").get("data", {})
        return table if isinstance(table, Mapping) else {}
    return {}


def _is_same_folder(one: object, other: Path) -> bool:
    return isinstance(one, str) and Path(one).expanduser().resolve() == Path(other).expanduser().resolve()
