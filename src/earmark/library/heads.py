"""Taught tags as data: what a head is, how it answers, and the small file that it travels in.

A head is one linear function of an embedding, and what makes its value into a probability and an answer. Applying it
needs numpy alone. The file is JSON, about 10 kB: no code, no path and no track of the library it was taught from is in
it, only the mean and deviation of that library's embeddings.
"""

import base64
import binascii
import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.files import replacing
from earmark.library.fitting import Array64, Floats, Scaling, as_embeddings
from earmark.metrics.calibration import logit, sigmoid
from earmark.vocabulary import CATEGORIES, FORBIDDEN

SUFFIX = ".tag.json"
FORMAT, VERSION = "earmark taught tag", 1
MOST_BYTES = 1_000_000  # of a file that is worth reading
LONGEST_NAME = 100
_BLOCK = 8192  # tracks at a time: a large library does not have to fit into memory twice
Verdict = Literal["not tested", "too few to say", "no better than chance", "better than chance"]
ENOUGH_TO_SAY = 20  # examples on either side, of their own albums: then a score like chance is one


@dataclass(frozen=True)
class Measured:
    """A score of examples that were held back, and where it may lie.

    Parameters
    ----------
    value : in [0, 1]
    low, high : ends of the 95 % interval
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """What a head was taught with, and how well it answers about examples that it had not learned from.

    Parameters
    ----------
    n_yes, n_no : examples
    n_yes_groups, n_no_groups : albums that they come from
    n_background : unlabelled tracks beside them
    roc_auc : how probable it is that an example of "yes" scores above one of "no"; None if it could not be tested
    balanced_accuracy : mean of the shares of either side that are answered right, without "unsure"
    decided : share of the examples that are answered with yes or no
    right : share of those that are right
    share : of tracks such as the background that are expected to have the tag
    warnings : for people
    doubtful : numbers of examples whose answer may be wrong: held back, they are answered otherwise with 9 in 10
    conflicts : pairs of examples (yes, no) that sound the same
    """

    n_yes: int
    n_no: int
    n_yes_groups: int
    n_no_groups: int
    n_background: int
    roc_auc: Measured | None = None
    balanced_accuracy: Measured | None = None
    decided: float | None = None
    right: Measured | None = None
    share: float = 0.5
    warnings: tuple[str, ...] = ()
    doubtful: tuple[int, ...] = ()
    conflicts: tuple[tuple[int, int], ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What the score amounts to."""
        if self.roc_auc is None:
            return "not tested"
        if self.roc_auc.low > 0.5:
            return "better than chance"
        enough = min(self.n_yes_groups, self.n_no_groups) >= ENOUGH_TO_SAY
        return "no better than chance" if enough else "too few to say"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Report":
        """Read what `to_dict` returned; a KeyError, TypeError or ValueError says that it is something else."""
        return cls(
            int(stored["n_yes"]),
            int(stored["n_no"]),
            int(stored["n_yes_groups"]),
            int(stored["n_no_groups"]),
            int(stored["n_background"]),
            roc_auc=_measured(stored["roc_auc"]),
            balanced_accuracy=_measured(stored["balanced_accuracy"]),
            decided=None if stored["decided"] is None else float(stored["decided"]),
            right=_measured(stored["right"]),
            share=float(stored["share"]),
            warnings=tuple(map(str, stored["warnings"])),
            doubtful=tuple(map(int, stored["doubtful"])),
            conflicts=tuple((int(yes), int(no)) for yes, no in stored["conflicts"]),
        )


def _measured(stored: Mapping[str, Any] | None) -> Measured | None:
    return None if stored is None else Measured(*(float(stored[key]) for key in ("value", "low", "high")))


@dataclass(frozen=True, eq=False)
class Head:
    """A tag that was taught: from an embedding to a probability and an answer.

    Parameters
    ----------
    name : of the tag
    category : one of `earmark.vocabulary.CATEGORIES`
    model, model_version : whose embeddings it works with
    scaling : how embeddings are made comparable first
    weights : shape (D,), of the scaled embedding
    slope, offset : what makes the weighted sum into the logarithm of the odds, if yes and no are as frequent
    share : of tracks that have the tag, among those that it is asked about; in (0, 1)
    threshold : probability from which on a track has the tag, where there has to be an answer
    low, high : a probability up to `low` is a no, one of `high` or more a yes, and "unsure" is between them
    report : what it was taught with and how good it is
    created : date and time, ISO 8601

    Raises
    ------
    UsageError
        If the name cannot be one of a tag.
    UnknownNameError
        If the category is none.
    InputError
        If sizes do not fit, or a number is not finite or not where it has to be.
    """

    name: str
    category: str
    model: str
    model_version: str
    scaling: Scaling
    weights: Floats
    slope: float
    offset: float
    share: float
    threshold: float
    low: float
    high: float
    report: Report
    created: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.category not in CATEGORIES:
            raise UnknownNameError("category", self.category, CATEGORIES)
        arrays = (self.scaling.mean, self.scaling.gain, self.weights)
        if len({array.shape for array in arrays}) != 1 or self.weights.ndim != 1 or not len(self.weights):
            raise InputError(f"{self.name!r}: mean, gain and weights differ in size, expected one number per feature")
        numbers = (self.slope, self.offset, self.share, self.threshold, self.low, self.high)
        if not all(np.isfinite(array).all() for array in arrays) or not all(map(math.isfinite, numbers)):
            raise InputError(f"{self.name!r}: a number is not finite")
        if not (0 < self.share < 1 and 0 <= self.low <= self.threshold <= self.high <= 1 and self.slope >= 0):
            raise InputError(f"{self.name!r}: expected 0 <= low <= threshold <= high <= 1 and a share in (0, 1)")

    @property
    def n_features(self) -> int:
        """Size of the embeddings it takes."""
        return len(self.weights)

    def evidence(self, embeddings: ArrayLike) -> Array64:
        """Compute how much each track speaks for the tag: the logarithm of the odds if yes and no are as frequent.

        Parameters
        ----------
        embeddings : shape (n, D)

        Returns
        -------
        shape (n,), nats
        """
        rows = as_embeddings(embeddings)
        blocks = [self.scaling.apply(rows[i : i + _BLOCK]) @ self.weights for i in range(0, max(len(rows), 1), _BLOCK)]
        return np.asarray(self.slope * np.concatenate(blocks) + self.offset)

    def probabilities(self, embeddings: ArrayLike, *, share: float | None = None) -> Array64:
        """Compute the probability that each track has the tag.

        Parameters
        ----------
        embeddings : shape (n, D), of the model that the tag was taught with
        share : of tracks that have the tag among those that these come from, in (0, 1); as it was taught unless given

        Returns
        -------
        shape (n,)

        Raises
        ------
        InputError
            If the embeddings do not fit or are not finite.
        UsageError
            If `share` is not in (0, 1).

        Notes
        -----
        The evidence for a tag is the same wherever a track comes from; how probable the tag is depends on how frequent
        it is there, as Bayes' rule says.
        """
        if share is not None and not 0 < share < 1:
            raise UsageError(f"share is {share}, expected more than 0 and less than 1")
        prior = logit(np.array(self.share if share is None else share))
        return sigmoid(self.evidence(embeddings) + prior)

    def decide(self, embeddings: ArrayLike) -> NDArray[np.str_]:
        """Answer "yes", "no" or "unsure" about every track, see `probabilities`."""
        return self.answers(self.probabilities(embeddings))

    def answers(self, probabilities: Array64) -> NDArray[np.str_]:
        """Turn probabilities into "yes", "no" and "unsure"."""
        return np.where(probabilities >= self.high, "yes", np.where(probabilities <= self.low, "no", "unsure"))


def check_name(name: str) -> str:
    """Return the name of a tag, or raise `UsageError` if it cannot be one.

    Examples
    --------
    >>> check_name("late night")
    'late night'
    """
    if not name or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"{name!r} cannot be the name of a tag", hint=f"1 to {LONGEST_NAME} printable characters, no space around"
        )
    if any(mark in name for mark in FORBIDDEN):
        raise UsageError(
            f"{name!r} cannot be the name of a tag: players split tags at {' '.join(FORBIDDEN)}",
            hint="use another character, such as '-'",
        )
    return name


def save_head(head: Head, path: str | os.PathLike[str]) -> None:
    """Write a head to a file of about 10 kB, by convention named NAME.tag.json.

    Parameters
    ----------
    path : a file there is replaced, whole or not at all

    Raises
    ------
    InputError
        If it cannot be written.
    """
    stored = _to_dict(head)
    with replacing(path) as file:
        file.write(json.dumps({**stored, "sha256": _digest(stored)}, ensure_ascii=False, indent=1).encode())


def load_head(path: str | os.PathLike[str]) -> Head:
    """Read a head that `save_head` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, is something else, was made by a newer earmark, or is damaged.
    """
    name = os.fspath(path)
    stored = _read(name)
    if stored.get("format") != FORMAT:
        raise InputError(
            f"{name}: this is no taught tag", hint=f"`earmark teach` writes such files, named NAME{SUFFIX}"
        )
    if stored.get("version") != VERSION:
        raise InputError(
            f"{name}: version {stored.get('version')!r} of the format, this earmark reads {VERSION}",
            hint="install a newer earmark",
        )
    found = stored.pop("sha256", None)
    if found != _digest(stored):
        raise InputError(f"{name}: the file is damaged or was changed by hand", hint="get it again, or teach it again")
    try:
        return _from_dict(stored)
    except (KeyError, TypeError, ValueError, UnknownNameError) as error:
        raise InputError(f"{name}: the file is no taught tag that makes sense: {error}") from error


def _read(name: str) -> dict[str, Any]:
    try:
        with Path(name).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: over {MOST_BYTES // 1_000_000} MB, a taught tag has about 10 kB")
    try:
        stored = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: this is no taught tag, or only a part of one: {error}") from error
    if not isinstance(stored, dict):
        raise InputError(f"{name}: this is no taught tag")
    return stored


def _digest(stored: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()


_NUMBERS = ("slope", "offset", "share", "threshold", "low", "high")
_TEXTS = ("name", "category", "model", "model_version", "created")


def _to_dict(head: Head) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(head, name) for name in _TEXTS},
        **{name: float(getattr(head, name)) for name in _NUMBERS},
        "report": json.loads(json.dumps(head.report.to_dict())),
        "preprocessing": "standardise, length 1",
        "n_features": head.n_features,
        "mean": _packed(head.scaling.mean),
        "gain": _packed(head.scaling.gain),
        "weights": _packed(head.weights),
    }


def _from_dict(stored: Mapping[str, Any]) -> Head:
    size = int(stored["n_features"])
    mean, gain, weights = (_unpacked(stored[key], size, key) for key in ("mean", "gain", "weights"))
    texts = {name: str(stored[name]) for name in _TEXTS}
    numbers = {name: float(stored[name]) for name in _NUMBERS}
    parts: dict[str, Any] = {**texts, **numbers}
    return Head(**parts, scaling=Scaling(mean, gain), weights=weights, report=Report.from_dict(stored["report"]))


def _packed(values: Floats) -> str:
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def _unpacked(text: str, size: int, key: str) -> Floats:
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    except binascii.Error as error:
        raise ValueError(f"{key} is not base64") from error
    if len(values) != size:
        raise ValueError(f"{key} has {len(values)} numbers, expected {size}")
    return values.astype(np.float32)
