"""What tagging a track gives: tags with scores, the taggram they come from, and the embedding.

`from_taggrams` builds a `TrackTags` from what the models gave. It holds everything as plain data: to a dict, to JSON
and back without loss.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark._version import __version__
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.grids import chunk_centres, onto_grid
from earmark.metrics.calibration import Calibration
from earmark.plain_data import decode_array, encode_array, read_number, read_text, read_texts
from earmark.vocabulary import CATEGORIES, MergedVocabulary

Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]


@dataclass(frozen=True)
class Tag:
    """One tag of a track.

    Parameters
    ----------
    tag : its name
    category : genre, mood, instrument, voice, era or other
    score : in [0, 1]; the mean over the chunks
    lift : `score` over the rate of the tag in the training data; None where that rate is not known
    peak : in [0, 1]; the highest value in the taggram
    peak_time : seconds; the centre of the first chunk where the peak holds
    scores_by_model : the score of each model that knows the tag, by model id
    threshold : score from which on a track has the tag; None where none was chosen, infinity for never
    """

    tag: str
    category: str
    score: float
    lift: float | None
    peak: float
    peak_time: float
    scores_by_model: Mapping[str, float] = field(default_factory=dict, hash=False)
    threshold: float | None = None

    @property
    def is_above_threshold(self) -> bool:
        """Whether the score reaches the tag's threshold; False where there is none."""
        return self.threshold is not None and self.score >= self.threshold

    def to_dict(self, *, by_model: bool = False) -> dict[str, Any]:
        """Return plain data.

        Parameters
        ----------
        by_model : add `scores_by_model`
        """
        names = ("tag", "category", "score", "lift", "peak", "peak_time")
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.threshold is not None:
            plain["threshold"] = self.threshold if self.threshold < np.inf else None
        return plain | {"scores_by_model": dict(self.scores_by_model)} if by_model else plain


@dataclass(frozen=True)
class ModelTaggram:
    """What one model gave for one track, before vocabularies are merged.

    Parameters
    ----------
    model : its id, such as "musicnn.pons_msd"
    taggram : shape (n_chunks, K), in [0, 1]
    times : shape (n_chunks, 2), seconds; start and end of each chunk
    embedding : shape (D,)
    base_rates : shape (K,), in (0, 1]; None, or NaN for a tag, where they are not known
    thresholds : shape (K,), scores from which on a track has the tag; None where none were chosen
    calibration : makes scores into probabilities; None leaves them, and the thresholds, as they are
    """

    model: str
    taggram: NDArray[np.floating]
    times: NDArray[np.floating]
    embedding: NDArray[np.floating]
    base_rates: ArrayLike | None = None
    thresholds: ArrayLike | None = None
    calibration: Calibration | None = None

    def calibrated(self, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """Calibrate scores, shape (..., K), of this model, if there is a calibration."""
        return scores if self.calibration is None else self.calibration.apply(scores)


@dataclass(frozen=True, eq=False, repr=False)
class TrackTags:
    """The tags of one track.

    Parameters
    ----------
    path : the file, or the name that it was given
    duration : seconds
    tags : one per column of the taggram, in its order
    taggram : shape (n_chunks, n_tags), in [0, 1]
    times : shape (n_chunks, 2), seconds; start and end of each chunk
    embedding : shape (D,); of several models, one after the other in the order of `models`
    model : the preset or the model that was asked for
    models : ids of the models that were run
    version : of earmark
    warnings : what was odd about the audio

    Notes
    -----
    Read back from a dict or JSON that was written without them, taggram, times and embedding are empty.
    """

    path: str
    duration: float
    tags: tuple[Tag, ...]
    taggram: Array32
    times: Array64
    embedding: Array32
    model: str
    models: tuple[str, ...]
    version: str = __version__
    warnings: tuple[str, ...] = ()

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The names of the tags, in the order of the taggram's columns."""
        return tuple(tag.tag for tag in self.tags)

    @property
    def scores(self) -> Array64:
        """The scores in the order of the taggram's columns, shape (n_tags,)."""
        return np.array([tag.score for tag in self.tags], np.float64)

    @property
    def centres(self) -> Array64:
        """The centre of each chunk, as far as it holds music, shape (n_chunks,), seconds."""
        return chunk_centres(self.times, self.duration)

    def __getitem__(self, name: str) -> Tag:
        """Return a tag by its name."""
        for tag in self.tags:
            if tag.tag == name:
                return tag
        raise UnknownNameError("tag", name, self.vocabulary)

    def top(
        self,
        n: int | None = None,
        *,
        min_score: float | None = None,
        category: str | Collection[str] | None = None,
        above_threshold: bool = False,
    ) -> list[Tag]:
        """Choose tags, best score first.

        Parameters
        ----------
        n : at most so many; None for all
        min_score : leave out tags below
        category : keep only this one, or these
        above_threshold : leave out tags whose score does not reach the threshold that was chosen for them

        Raises
        ------
        UsageError
            If `n` is negative, or `above_threshold` is asked of models that have no thresholds.
        UnknownNameError
            If there is no such category.
        """
        if n is not None and n < 0:
            raise UsageError(f"top is {n}, expected 0 or more")
        wanted = CATEGORIES if category is None else (category,) if isinstance(category, str) else tuple(category)
        for name in wanted:
            if name not in CATEGORIES:
                raise UnknownNameError("category", name, CATEGORIES)
        if min_score is not None and not min_score <= 1:
            raise UsageError(f"min_score is {min_score}, but no score is above 1")
        if above_threshold and all(tag.threshold is None for tag in self.tags):
            hint = "min_score keeps what is above one number for all tags"
            raise UsageError(f"{self.model} has no thresholds: none were chosen when it was trained", hint=hint)
        floor = -np.inf if min_score is None else min_score
        chosen = [tag for tag in self.tags if tag.category in wanted and tag.score >= floor]
        if above_threshold:
            chosen = [tag for tag in chosen if tag.is_above_threshold]
        return sorted(chosen, key=lambda tag: -tag.score)[:n]

    def by_category(self) -> dict[str, list[Tag]]:
        """Group the tags by category, each group best first; categories without a tag are left out."""
        groups = {name: self.top(category=name) for name in CATEGORIES}
        return {name: tags for name, tags in groups.items() if tags}

    def to_dict(
        self,
        *,
        top: int | None = None,
        min_score: float | None = None,
        category: str | Collection[str] | None = None,
        above_threshold: bool = False,
        taggram: bool = False,
        embedding: bool = False,
    ) -> dict[str, Any]:
        """Return plain data that JSON can hold.

        Parameters
        ----------
        top, min_score, category, above_threshold : as in `top`. Without any of them every tag is there in column
            order; with one, the selection, best first
        taggram : add the taggram, of the selected tags in their order, and the times of its chunks
        embedding : add the embedding

        Returns
        -------
        path, duration, model, models, version, tags, warnings. A tag holds tag, category, score, lift, peak and
        peak_time, where it has one its threshold (null if it is never reached), and with several models
        scores_by_model. Arrays are {"dtype", "shape", "base64"}, little-endian in C
        order, so that they come back bit by bit (`decode_array`).
        """
        everything = top is None and min_score is None and category is None and not above_threshold
        chosen = (
            list(self.tags)
            if everything
            else self.top(top, min_score=min_score, category=category, above_threshold=above_threshold)
        )
        plain: dict[str, Any] = {
            "path": self.path,
            "duration": self.duration,
            "model": self.model,
            "models": list(self.models),
            "version": self.version,
            "tags": [tag.to_dict(by_model=len(self.models) > 1) for tag in chosen],
            "warnings": list(self.warnings),
        }
        if taggram:
            columns = {name: k for k, name in enumerate(self.vocabulary)}
            scores = self.taggram[:, [columns[tag.tag] for tag in chosen]]
            plain |= {"times": encode_array(self.times), "taggram": encode_array(scores)}
        if embedding:
            plain["embedding"] = encode_array(self.embedding)
        return plain

    def to_json(
        self,
        *,
        top: int | None = None,
        min_score: float | None = None,
        category: str | Collection[str] | None = None,
        above_threshold: bool = False,
        taggram: bool = False,
        embedding: bool = False,
    ) -> str:
        """Return one line of JSON; the options are those of `to_dict`."""
        plain = self.to_dict(
            top=top, min_score=min_score, category=category, above_threshold=above_threshold, taggram=taggram,
            embedding=embedding,
        )  # fmt: skip
        # A file name that is no valid text (surrogates) can be written only when escaped.
        escape = any("\ud800" <= character <= "\udfff" for character in self.path)
        return json.dumps(plain, ensure_ascii=escape, allow_nan=False)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "TrackTags":
        """Build from what `to_dict` returned.

        Raises
        ------
        InputError
            If something is missing or has the wrong shape.
        """
        try:
            models = read_texts(plain, "models")
            tags = tuple(_read_tag(tag, models) for tag in plain["tags"])
            scores = _read_array(plain, "taggram", np.zeros((0, len(tags)), np.float32))
            result = cls(
                path=read_text(plain, "path"),
                duration=read_number(plain, "duration"),
                tags=tags,
                taggram=scores,
                times=_read_array(plain, "times", np.zeros((0, 2), np.float64)),
                embedding=_read_array(plain, "embedding", np.zeros(0, np.float32)),
                model=read_text(plain, "model"),
                models=models,
                version=read_text(plain, "version"),
                warnings=read_texts(plain, "warnings"),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"not the tags of a track: {type(error).__name__}: {error}") from error
        if result.times.ndim != 2 or result.times.shape[1] != 2 or result.embedding.ndim != 1:
            shapes = f"times of shape {result.times.shape} and an embedding of shape {result.embedding.shape}"
            raise InputError(f"{shapes}, expected (n_chunks, 2) and (D,)")
        if scores.shape != (len(result.times), len(tags)):
            raise InputError(f"a taggram of shape {scores.shape} for {len(result.times)} chunks and {len(tags)} tags")
        return result

    @classmethod
    def from_json(cls, text: str) -> "TrackTags":
        """Build from what `to_json` returned.

        Raises
        ------
        InputError
            If it is no JSON, or something is missing or has the wrong shape.
        """
        try:
            plain = json.loads(text)
        except ValueError as error:
            raise InputError(f"not the tags of a track: {error}") from error
        if not isinstance(plain, dict):
            raise InputError(f"not the tags of a track: a JSON {type(plain).__name__}, expected an object")
        return cls.from_dict(plain)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrackTags):
            return NotImplemented
        names = ("path", "duration", "tags", "model", "models", "version", "warnings")
        arrays = ("taggram", "times", "embedding")
        return all(getattr(self, name) == getattr(other, name) for name in names) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in arrays
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        best = ", ".join(f"{tag.tag} {tag.score:.2f}" for tag in self.top(3))
        return f"<TrackTags {self.path!r}, {self.duration:.1f} s, {self.model}, {len(self.tags)} tags: {best}>"


def from_taggrams(
    parts: Sequence[ModelTaggram],
    vocabulary: MergedVocabulary,
    *,
    path: str,
    duration: float,
    model: str,
    warnings: Sequence[str] = (),
) -> TrackTags:
    """Merge what the models gave for one track.

    Parameters
    ----------
    parts : one per vocabulary of `vocabulary`, in its order
    vocabulary : how their tags become columns
    path : the file, or the name that it was given
    duration : seconds
    model : the preset or the model that was asked for
    warnings : what was odd about the audio

    Raises
    ------
    InputError
        If shapes do not agree, a taggram has no chunk, or a score is not finite.

    Notes
    -----
    The score of a model is the mean over its own chunks; these are merged, so that a score does not depend on
    the grid of another model. For the taggram all models are brought onto the chunks of the first one (`onto_grid`) and
    merged there chunk by chunk; peaks are read from it. As merging is not linear, the mean of a column of the taggram
    is close to, and not always equal to, its score. A calibration, which is fitted to scores of whole tracks, is
    applied to the mean, and for the taggram to every chunk. Thresholds are there only if all models have them; they are
    calibrated and merged as scores are.
    """
    for part in parts:
        _check(part, path)
    if len({part.model for part in parts}) != len(parts):
        raise InputError("a model was given twice")
    means = [np.asarray(part.calibrated(part.taggram.mean(axis=0, dtype=np.float64)), np.float64) for part in parts]
    scores = vocabulary.merge_scores(means)  # also refuses a wrong number of parts or of tags
    times = np.array(parts[0].times, np.float64)
    grids = [onto_grid(np.asarray(part.calibrated(part.taggram), np.float32), part.times, times) for part in parts]
    taggram = np.ascontiguousarray(vocabulary.merge_scores(grids), np.float32)  # (n_chunks, n_tags)
    unknown = [np.full(part.taggram.shape[1], np.nan) for part in parts]
    rates = [nan if part.base_rates is None else part.base_rates for part, nan in zip(parts, unknown, strict=True)]
    lifts = _lifts(scores, vocabulary.merge_base_rates(rates))
    peak_times = chunk_centres(times, duration)[taggram.argmax(axis=0)].round(6)
    return TrackTags(
        path=path,
        duration=float(duration),
        tags=_with_thresholds(
            _tags(vocabulary, scores, lifts, taggram.max(axis=0), peak_times, means, parts), vocabulary, parts
        ),
        taggram=taggram,
        times=times,
        embedding=np.concatenate([np.asarray(part.embedding, np.float32).ravel() for part in parts]),
        model=model,
        models=tuple(part.model for part in parts),
        warnings=tuple(warnings),
    )


def _tags(
    vocabulary: MergedVocabulary,
    scores: NDArray[np.floating],
    lifts: list[float | None],
    peaks: Array32,
    peak_times: Array64,
    means: Sequence[Array64],
    parts: Sequence[ModelTaggram],
) -> tuple[Tag, ...]:
    spread = [array.tolist() for array in vocabulary.scores_by_vocabulary(means)]
    columns = zip(vocabulary.columns, scores.tolist(), lifts, peaks.tolist(), peak_times.tolist(), strict=True)
    return tuple(
        Tag(
            tag=column.name,
            category=column.category,
            score=score,
            lift=lift,
            peak=peak,
            peak_time=peak_time,
            scores_by_model={parts[v].model: spread[v][c] for v in column.vocabularies},
        )
        for c, (column, score, lift, peak, peak_time) in enumerate(columns)
    )


def _with_thresholds(
    tags: tuple[Tag, ...], vocabulary: MergedVocabulary, parts: Sequence[ModelTaggram]
) -> tuple[Tag, ...]:
    limits = [np.asarray(part.thresholds, np.float64) for part in parts if part.thresholds is not None]
    if len(limits) < len(parts):
        return tags
    own = [np.where(limit < np.inf, part.calibrated(limit), np.inf) for part, limit in zip(parts, limits, strict=True)]
    merged = vocabulary.merge_scores(own).tolist()
    return tuple(replace(tag, threshold=limit) for tag, limit in zip(tags, merged, strict=True))


def _lifts(scores: NDArray[np.floating], rates: Array64) -> list[float | None]:
    known = np.isfinite(rates) & (rates > 0)
    lifts = np.divide(scores, rates, out=np.zeros(len(rates)), where=known)
    return [float(lift) if k else None for lift, k in zip(lifts, known, strict=True)]


def _check(part: ModelTaggram, path: str) -> None:
    if part.taggram.ndim != 2 or part.times.shape != (len(part.taggram), 2):
        shapes = f"{part.taggram.shape} and times {part.times.shape}"
        raise InputError(f"{part.model}: taggram {shapes}, expected (n_chunks, K) and (n_chunks, 2)")
    if not len(part.taggram):
        raise InputError(f"{path}: {part.model}: no chunk was scored")
    if not np.isfinite(part.taggram).all() or not np.isfinite(part.embedding).all():
        raise InputError(f"{path}: {part.model} gave values that are not finite", hint="is there NaN in the audio?")


def _read_array(plain: Mapping[str, Any], key: str, empty: NDArray[Any]) -> NDArray[Any]:
    return decode_array(plain[key]).astype(empty.dtype) if key in plain else empty


def _read_tag(plain: Mapping[str, Any], models: tuple[str, ...]) -> Tag:
    score = read_number(plain, "score")
    by_model = dict(plain.get("scores_by_model") or ({models[0]: score} if len(models) == 1 else {}))
    return Tag(
        tag=read_text(plain, "tag"),
        category=read_text(plain, "category"),
        score=score,
        lift=None if plain["lift"] is None else read_number(plain, "lift"),
        peak=read_number(plain, "peak"),
        peak_time=read_number(plain, "peak_time"),
        scores_by_model={model: read_number(by_model, model) for model in by_model},
        threshold=_read_threshold(plain),
    )


def _read_threshold(plain: Mapping[str, Any]) -> float | None:
    if "threshold" not in plain:
        return None
    return np.inf if plain["threshold"] is None else read_number(plain, "threshold")
