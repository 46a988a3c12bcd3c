"""Let a model score every track of a part: once each, the mean over the chunks that tile it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.datasets.base import Dataset, Split, Track
from earmark.errors import EarmarkError, InputError
from earmark.parallel import map_ordered
from earmark.predictions import Predictions, of_part
from earmark.tagger import Listener, TagFailure, tag_or_fail
from earmark.track_tags import TrackTags

OnTrack = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Scored:
    """A part, scored.

    Parameters
    ----------
    predictions : of the tracks that could be scored
    failures : id of every other track to the reason
    """

    predictions: Predictions
    failures: Mapping[str, EarmarkError] = field(default_factory=dict)


def score_part(
    tagger: Listener,
    dataset: Dataset,
    split: Split,
    part: str,
    *,
    tags: Sequence[str],
    model: str,
    chunks: int | None = None,
    on_track: OnTrack = lambda done, total, failed: None,
) -> Scored:
    """Score every track of a part; what cannot be read stops nothing.

    Parameters
    ----------
    tagger : listens
    dataset, split, part : the tracks; of one with a segment only that is heard
    tags : of the tagger, in the order of the dataset's vocabulary
    model : name, for the record
    chunks : take the mean over so many of the chunks, evenly spaced; over all unless given
    on_track : called with the tracks done, those in all, and those that failed

    Raises
    ------
    UnknownNameError
        If the split has no such part.
    InputError
        If the part is empty, or no track of it could be scored.
    """
    ids = split[part]
    if not ids:
        raise InputError(f"the {part} part of split {split.name!r} has no tracks")
    tracks = [dataset[id] for id in ids]
    column = {tag: k for k, tag in enumerate(dataset.vocabulary.tags)}
    if set(column) != set(tags):
        raise InputError(f"model {model!r} and {dataset.info.name} have different tags")
    kept, rows, failures = [], [], {}
    for done, (track, result) in enumerate(
        zip(tracks, map_ordered(lambda track: _listen(tagger, track), tracks, jobs=tagger.threads + 1), strict=True), 1
    ):
        if isinstance(result, TagFailure):
            failures[track.id] = result.error
        else:
            kept.append(track.id)
            rows.append(_scores(result, tags, chunks))
        on_track(done, len(tracks), len(failures))
    if not kept:
        first = next(iter(failures.values()))
        hint = "is the audio in the folder? earmark datasets verify says what is missing"
        raise InputError(f"none of the {len(ids)} tracks of the {part} part could be scored: {first}", hint=hint)
    over = "all chunks that tile the track" if chunks is None else f"{chunks} chunks of the track, evenly spaced"
    predictions = of_part(dataset, split, part, np.stack(rows), model=model, protocol=f"mean over {over}", ids=kept)
    return Scored(predictions, failures)


def _listen(tagger: Listener, track: Track) -> TrackTags | TagFailure:
    if track.audio is None:
        return TagFailure(track.id, InputError(f"{track.id}: has no audio"))
    start, end = track.segment or (0.0, None)
    return tag_or_fail(tagger, track.audio, offset=start, duration=None if end is None else end - start)


def _scores(result: TrackTags, tags: Sequence[str], chunks: int | None) -> NDArray[np.float32]:
    """Return the scores of a track in the order of `tags`."""
    column = {tag: k for k, tag in enumerate(result.vocabulary)}
    scores = result.scores
    if chunks is not None and chunks < len(result.taggram):
        chosen = np.linspace(0, len(result.taggram) - 1, chunks).round().astype(int)
        scores = result.taggram[chosen].mean(axis=0, dtype=np.float64)
    return np.array([scores[column[tag]] for tag in tags], np.float32)
