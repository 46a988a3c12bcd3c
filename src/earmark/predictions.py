"""What a model said of the tracks of a part, beside what is true of them: all that judging it takes, in one file.

A run leaves such a file per part, and `earmark evaluate` one per evaluation; two models are compared from theirs. The
file is an npz: arrays, and a text of JSON for the rest.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.datasets.base import GROUPS, Dataset, Split
from earmark.errors import InputError
from earmark.files import replacing
from earmark.metrics import validate

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Scores of n tracks on K tags.

    Parameters
    ----------
    targets : shape (n, K)
    scores : shape (n, K), in [0, 1] if they are probabilities
    ids : of the tracks
    tags : names of the columns
    categories : of the tags; empty if there are none
    task : whether a track has any number of tags or exactly one
    model : name of the model, or of the run
    dataset, split, part : where the tracks come from
    protocol : how a track becomes scores, in words
    audio : path of each track, empty where it has none; may be empty altogether
    groups : "artist", "album" or "track" to the key of each track in it, empty where unknown
    shared : the same, to whether that key occurs in the training part too
    prevalence : shape (K,), share of the training tracks with each tag; None if there is no training part
    """

    targets: NDArray[np.bool_]
    scores: NDArray[np.float32]
    ids: tuple[str, ...]
    tags: tuple[str, ...]
    categories: tuple[str, ...] = ()
    task: Literal["multi_label", "single_label"] = "multi_label"
    model: str = ""
    dataset: str = ""
    split: str = ""
    part: str = "test"
    protocol: str = ""
    audio: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shared: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    prevalence: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        validate(self.targets, self.scores)
        n, k = self.targets.shape
        lengths = {"ids": (len(self.ids), n), "tags": (len(self.tags), k)}
        lengths |= {f"groups of {kind}": (len(keys), n) for kind, keys in self.groups.items()}
        lengths |= {"audio": (len(self.audio), n)} if self.audio else {}
        for name, (found, expected) in lengths.items():
            if found != expected:
                raise InputError(f"there are {found} {name}, expected {expected}")

    def __len__(self) -> int:
        return len(self.ids)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        plain = asdict(self)
        arrays = {name: plain.pop(name) for name in ("targets", "scores", "prevalence")}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        text = json.dumps(plain | {"format": FORMAT}, ensure_ascii=False)
        with replacing(path) as file:
            np.savez_compressed(file, **arrays, about=np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))


def load_predictions(path: Path) -> Predictions:
    """Read a file that `Predictions.save` wrote.

    Raises
    ------
    InputError
        If it cannot be read, or is something else.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            plain: dict[str, Any] = json.loads(bytes(file["about"]).decode("utf-8", "surrogatepass"))
            arrays = {name: file[name] for name in file.files if name != "about"}
        if plain.pop("format") != FORMAT:
            raise InputError(f"{path}: written by another version of earmark", hint="evaluate the model again")
        for name in ("ids", "tags", "categories", "audio"):
            plain[name] = tuple(plain[name])
        for name in ("groups", "shared"):
            plain[name] = {kind: tuple(values) for kind, values in plain[name].items()}
        return Predictions(**arrays, **plain)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: holds no predictions", hint="expected a file such as RUN/predictions/test.npz"
        ) from error


def of_part(
    dataset: Dataset,
    split: Split,
    part: str,
    scores: NDArray[np.float32],
    *,
    model: str,
    protocol: str,
    ids: Sequence[str] | None = None,
) -> Predictions:
    """Put scores beside what a dataset knows of the tracks.

    Parameters
    ----------
    dataset, split, part : the tracks
    scores : shape (n, K), in the order of `ids`
    model : its name
    protocol : how a track became scores
    ids : the tracks that were scored; all of the part unless given
    """
    chosen = tuple(split[part] if ids is None else ids)
    train = [dataset[id] for id in split.parts.get("train", ())]
    groups, shared = {}, {}
    for kind in GROUPS:
        keys = tuple(dataset[id].groups.get(kind, "") for id in chosen)
        if any(keys):
            known = {track.groups.get(kind) for track in train}
            groups[kind], shared[kind] = keys, tuple(bool(key) and key in known for key in keys)
    audio = tuple("" if dataset[id].audio is None else str(dataset[id].audio) for id in chosen)
    return Predictions(
        targets=dataset.targets(chosen),
        scores=np.asarray(scores, np.float32),
        ids=chosen,
        tags=dataset.vocabulary.tags,
        categories=tuple(dataset.vocabulary.categories),
        task=dataset.task,
        model=model,
        dataset=dataset.info.name,
        split=split.name,
        part=part,
        protocol=protocol,
        audio=audio if any(audio) else (),
        groups=groups,
        shared=shared if train and part != "train" else {},
        prevalence=dataset.targets(split["train"]).mean(axis=0) if train else None,
    )
