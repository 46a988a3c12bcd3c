"""What tagging a track gives: tags with scores, the taggram they come from, and the embedding.

`from_taggrams` builds a `TrackTags` from what the models gave. It holds everything as plain data: to a dict, to JSON
and back without loss.
"""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark._version import __version__
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.grids import chunk_centres, onto_grid
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
    """

    tag: str
    category: str
    score: float
    lift: float | None
    peak: float
    peak_time: float
    scores_by_model: Mapping[str, float] = field(default_factory=dict, hash=False)

    def to_dict(self, *, by_model: bool = False) -> dict[str, Any]:
        """Return plain data.

        Parameters
        ----------
        by_model : add `scores_by_model`
        """
        names = ("tag", "category", "score", "lift", "peak", "peak_time")
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
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
    """

    model: str
    taggram: NDArray[np.floating]
    times: NDArray[np.floating]
    embedding: NDArray[np.floating]
    base_rates: ArrayLike | None = None


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
    ) -> list[Tag]:
        """Choose tags, best score first.

        Parameters
        ----------
        n : at most so many; None for all
        min_score : leave out tags below
        category : keep only this one, or these

        Raises
        ------
        UsageError
            If `n` is negative.
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
        floor = -np.inf if min_score is None else min_score
        chosen = [tag for tag in self.tags if tag.category in wanted and tag.score >= floor]
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
        taggram: bool = False,
        embedding: bool = False,
    ) -> dict[str, Any]:
        """Return plain data that JSON can hold.

        Parameters
        ----------
        top, min_score, category : as in `top`. Without any of them every tag is there in column order; with one, the
            selection, best first
        taggram : add the taggram, of the selected tags in their order, and the times of its chunks
        embedding : add the embedding

        Returns
        -------
        path, duration, model, models, version, tags, warnings. A tag holds tag, category, score, lift, peak and
        peak_time, and with several models scores_by_model. Arrays are {"dtype", "shape", "base64"}, little-endian in C
        order, so that they come back bit by bit (`decode_array`).
        """
        everything = top is None and min_score is None and category is None
        chosen = list(self.tags) if everything else self.top(top, min_score=min_score, category=category)
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
        taggram: bool = False,
        embedding: bool = False,
    ) -> str:
        """Return one line of JSON; the options are those of `to_dict`."""
        plain = self.to_dict(top=top, min_score=min_score, category=category, taggram=taggram, embedding=embedding)
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
            models = _read_texts(plain, "models")
            tags = tuple(_read_tag(tag, models) for tag in plain["tags"])
            scores = _read_array(plain, "taggram", np.zeros((0, len(tags)), np.float32))
            result = cls(
                path=_read_text(plain, "path"),
                duration=_read_number(plain, "duration"),
                tags=tags,
                taggram=scores,
                times=_read_array(plain, "times", np.zeros((0, 2), np.float64)),
                embedding=_read_array(plain, "embedding", np.zeros(0, np.float32)),
                model=_read_text(plain, "model"),
                models=models,
                version=_read_text(plain, "version"),
                warnings=_read_texts(plain, "warnings"),
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
    is close to, and not always equal to, its score.
    """
    for part in parts:
        _check(part, path)
    if len({part.model for part in parts}) != len(parts):
        raise InputError("a model was given twice")
    means = [part.taggram.mean(axis=0, dtype=np.float64) for part in parts]
    scores = vocabulary.merge_scores(means)  # also refuses a wrong number of parts or of tags
    times = np.array(parts[0].times, np.float64)
    grids = [onto_grid(np.asarray(part.taggram, np.float32), part.times, times) for part in parts]
    taggram = np.ascontiguousarray(vocabulary.merge_scores(grids), np.float32)  # (n_chunks, n_tags)
    unknown = [np.full(part.taggram.shape[1], np.nan) for part in parts]
    rates = [nan if part.base_rates is None else part.base_rates for part, nan in zip(parts, unknown, strict=True)]
    lifts = _lifts(scores, vocabulary.merge_base_rates(rates))
    peaks = taggram.argmax(axis=0)
    return TrackTags(
        path=path,
        duration=float(duration),
        tags=_tags(
            vocabulary, scores, lifts, taggram.max(axis=0), chunk_centres(times, duration)[peaks].round(6), means, parts
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


def encode_array(array: NDArray[np.floating]) -> dict[str, Any]:
    """Turn an array into plain data that JSON can hold, bit by bit."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    text = base64.b64encode(little.tobytes()).decode("ascii")
    return {"dtype": little.dtype.str, "shape": list(array.shape), "base64": text}


def decode_array(plain: Mapping[str, Any]) -> NDArray[Any]:
    """Turn what `encode_array` returned into the array again.

    Examples
    --------
    >>> decode_array({"dtype": "<f4", "shape": [2], "base64": "AACAPwAAAEA="})
    array([1., 2.], dtype=float32)
    """
    if plain["dtype"] not in ("<f4", "<f8"):
        raise ValueError(f"arrays are '<f4' or '<f8', not {plain['dtype']!r}")
    dtype = np.dtype(plain["dtype"])
    data = base64.b64decode(plain["base64"], validate=True)
    return np.frombuffer(data, dtype).reshape(plain["shape"]).astype(dtype.newbyteorder("="))


def _read_array(plain: Mapping[str, Any], key: str, empty: NDArray[Any]) -> NDArray[Any]:
    return decode_array(plain[key]).astype(empty.dtype) if key in plain else empty


def _read_tag(plain: Mapping[str, Any], models: tuple[str, ...]) -> Tag:
    score = _read_number(plain, "score")
    by_model = dict(plain.get("scores_by_model") or ({models[0]: score} if len(models) == 1 else {}))
    return Tag(
        tag=_read_text(plain, "tag"),
        category=_read_text(plain, "category"),
        score=score,
        lift=None if plain["lift"] is None else _read_number(plain, "lift"),
        peak=_read_number(plain, "peak"),
        peak_time=_read_number(plain, "peak_time"),
        scores_by_model={model: _read_number(by_model, model) for model in by_model},
    )


def _read_number(plain: Mapping[str, Any], key: str) -> float:
    value = plain[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} is {value!r}, expected a number")
    return float(value)


def _read_text(plain: Mapping[str, Any], key: str) -> str:
    value = plain[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r}, expected text")
    return value


def _read_texts(plain: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = plain[key]
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{key} is {values!r}, expected a list of texts")
    return tuple(values)
