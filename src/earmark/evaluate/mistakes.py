"""Where scores were most wrong: tags that were given with confidence and are not there, and tags that were missed."""

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkError, MissingExtraError
from earmark.metrics import Calibration
from earmark.metrics.checks import Array64, Bools, are_probabilities
from earmark.predictions import Predictions
from earmark.track_tags import TrackTags

Kind = Literal["wrong", "missed"]
MOST_PER_TAG = 2  # of one kind, or of one pair of classes: else a badly labelled tag fills the list
N_GIVEN = 3
PICTURE_DPI, PICTURE_TAGS = 80, 8


@dataclass(frozen=True)
class Mistake:
    """A track whose score for a tag is far from what is true.

    Parameters
    ----------
    kind : "wrong", a tag that the track has not; "missed", one that it has
    track : its id
    tag : that is meant
    score : of the model
    probability : the same after calibration; None without
    truth : tags of the track
    given : its best tags, with scores
    audio : path, empty if unknown
    """

    kind: Kind
    track: str
    tag: str
    score: float
    probability: float | None
    truth: tuple[str, ...]
    given: tuple[tuple[str, float], ...]
    audio: str


def worst_mistakes(predictions: Predictions, n: int, *, calibration: Calibration | None = None) -> tuple[Mistake, ...]:
    """Find the most confident wrong tags and the most surely missed ones.

    Parameters
    ----------
    predictions : of tracks
    n : at most so many of each kind; each track comes once in a kind, each tag twice. Of single labels a missed class
        is the other side of a wrong one, so there are wrong ones only: tracks whose best class is not theirs. Two of
        each pair of the true and the given class come first, and others after them if the list is not full
    calibration : makes scores of different tags comparable; scores as they are without
    """
    scores = predictions.scores.astype(np.float64)
    values = calibration.apply(scores) if calibration is not None and are_probabilities(scores) else scores
    if predictions.task == "single_label":
        best = scores.argmax(axis=1)
        is_wrong = np.zeros_like(predictions.targets)
        is_wrong[np.arange(len(best)), best] = ~predictions.targets[np.arange(len(best)), best]
        values = scores
        wrong, missed = is_wrong, np.zeros_like(is_wrong)
    else:
        wrong, missed = ~predictions.targets, predictions.targets
    is_calibrated = values is not scores
    return (
        *_listed(predictions, "wrong", wrong, -values, values if is_calibrated else None, n),
        *_listed(predictions, "missed", missed, values, values if is_calibrated else None, n),
    )


def _listed(
    predictions: Predictions,
    kind: Kind,
    candidates: Bools,
    order: Array64,
    probabilities: Array64 | None,
    n: int,
) -> Iterable[Mistake]:
    rows, columns = np.nonzero(candidates)
    for i in _chosen(predictions, rows, columns, np.argsort(order[rows, columns], kind="stable"), n):
        row, column = int(rows[i]), int(columns[i])
        given = np.argsort(-predictions.scores[row], kind="stable")[:N_GIVEN]
        yield Mistake(
            kind=kind,
            track=predictions.ids[row],
            tag=predictions.tags[column],
            score=float(predictions.scores[row, column]),
            probability=None if probabilities is None else float(probabilities[row, column]),
            truth=tuple(predictions.tags[k] for k in np.flatnonzero(predictions.targets[row])),
            given=tuple((predictions.tags[k], float(predictions.scores[row, k])) for k in given),
            audio=predictions.audio[row] if predictions.audio else "",
        )


def _chosen(
    predictions: Predictions, rows: NDArray[np.intp], columns: NDArray[np.intp], order: NDArray[np.intp], n: int
) -> list[int]:
    """Choose places of `rows` and `columns`, the worst first: few of one kind, then whatever fills the list.

    Notes
    -----
    Of tags a kind is the tag, and only as many as are few come; of classes it is the true one with the given one.
    """
    is_single = predictions.task == "single_label"
    tracks: set[int] = set()
    kinds: Counter[tuple[int, int]] = Counter()
    found: list[int] = []
    left: list[int] = []
    for place, i in enumerate(order.tolist()):
        if len(found) == n:
            break
        row, column = int(rows[i]), int(columns[i])
        kind = (int(predictions.targets[row].argmax()) if is_single else 0, column)
        if row in tracks or kinds[kind] == MOST_PER_TAG:
            left.append(place)
            continue
        tracks.add(row)
        kinds[kind] += 1
        found.append(place)
    if is_single:  # there is one mistake per track
        found = sorted([*found, *left[: n - len(found)]])
    return [int(order[place]) for place in found]


@dataclass(frozen=True)
class Taggram:
    """A picture of a track.

    Parameters
    ----------
    light, dark : PNG
    """

    light: bytes
    dark: bytes


def draw_taggrams(
    mistakes: Iterable[Mistake],
    weights: str,
    *,
    segments: Mapping[str, tuple[float, float]],
) -> tuple[dict[str, Taggram], str]:
    """Let the model hear the tracks of mistakes again, as far as their audio is there.

    Parameters
    ----------
    mistakes : tracks
    weights : what a `Tagger` takes
    segments : id to start and end of what is meant of the audio, seconds; all of it unless given

    Returns
    -------
    id to its picture, and why pictures are missing, if some are
    """
    from earmark.tagger import Tagger

    paths = {one.track: one.audio for one in mistakes if one.audio and Path(one.audio).is_file()}
    pictures: dict[str, Taggram] = {}
    problem = ""
    if not paths:
        return pictures, problem
    try:
        with Tagger(model=weights) as tagger:
            for track, path in paths.items():
                start, end = segments.get(track, (0.0, None))
                with suppress(EarmarkError):  # of audio that can no longer be read: the list is right without a picture
                    found = tagger.tag(path, offset=start, duration=None if end is None else end - start)
                    pictures[track] = Taggram(_png(found, dark=False), _png(found, dark=True))
    except MissingExtraError as error:
        problem = f"no taggrams: {error.message} ({error.hint})"
    except EarmarkError as error:
        problem = f"no taggrams: the model cannot be run: {error.message}"
    return pictures, problem


def _png(found: TrackTags, *, dark: bool) -> bytes:
    from earmark.plots.taggram import plot_taggram

    figure = plot_taggram(found, top=PICTURE_TAGS, dark=dark)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PICTURE_DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return file.getvalue()
