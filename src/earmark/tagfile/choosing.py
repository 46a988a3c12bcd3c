"""From what was heard in a track to what its fields say: which tags, how many, from which score on, how spelled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from earmark.audio.key import Key
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.tagfile.vocabulary_map import VocabularyMap

FIELDS = ("genre", "mood", "bpm", "key", "grouping", "comment", "raw")
"""What can be written. "comment" is the moods as a block in the comment; "raw" is EARMARK_GENRE and EARMARK_MOOD."""
KeyNotation = Literal["initial", "camelot", "open", "name"]
COUNT = 2
MIN_CONFIDENCE = 0.5
"""Chance that tempo or key is right, below which it is not written."""
RAW_COUNT, RAW_LEAST = 10, 0.005  # of each category, "raw" keeps so many tags, with such a score: 0.01 when rounded
RAW_NAMES = {"genre": "EARMARK_GENRE", "mood": "EARMARK_MOOD"}

_CATEGORIES = {"genre": ("genre",), "mood": ("mood",), "grouping": ("instrument", "voice")}
_BPM = (10, 999)


@dataclass(frozen=True)
class ScoredTag:
    """One tag of a track, as far as writing it goes.

    Parameters
    ----------
    name : as the model calls it
    category : one of `earmark.vocabulary.CATEGORIES`
    score : in [0, 1]
    threshold : score from which on a track has the tag
    taught : whether the user taught it
    """

    name: str
    category: str
    score: float
    threshold: float
    taught: bool = False


@dataclass(frozen=True)
class TrackScores:
    """What is known of a track by its sound.

    Parameters
    ----------
    path : of the file
    model : who heard it
    version : tells weights, or scores, from others of the same model; "" where that is not known
    tags : in any order
    bpm, bpm_confidence : beats per minute, chance that it is right; None where there is none
    key, key_confidence : in any notation that `Key.parse` reads; None where there is none
    """

    path: str
    model: str
    version: str = ""
    tags: tuple[ScoredTag, ...] = ()
    bpm: float | None = None
    bpm_confidence: float | None = None
    key: str | None = None
    key_confidence: float | None = None


@dataclass(frozen=True)
class Choice:
    """What to write of what was heard.

    Parameters
    ----------
    fields : out of `FIELDS`
    count : values per field at most
    min_score : score from which on a tag counts, in [0, 1]; each tag's own threshold unless given
    min_confidence : of tempo and key, in [0, 1]
    key_notation : "initial" (F#m), "camelot" (11A), "open" (4m) or "name" (F# minor)
    vocabulary : how names become those that are written

    Raises
    ------
    UnknownNameError, UsageError
        If there is no such field or notation, or a number is out of range.
    """

    fields: tuple[str, ...] = ("genre", "mood")
    count: int = COUNT
    min_score: float | None = None
    min_confidence: float = MIN_CONFIDENCE
    key_notation: KeyNotation = "initial"
    vocabulary: VocabularyMap = field(default_factory=VocabularyMap)

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELDS:
                raise UnknownNameError("field to write", name, FIELDS)
        if not self.fields:
            raise UsageError("no field to write", hint=f"some of {', '.join(FIELDS)}")
        if self.count < 1:
            raise UsageError(f"count is {self.count}, expected 1 or more")
        for name, value in (("min_score", self.min_score), ("min_confidence", self.min_confidence)):
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{name} is {value}, expected a number from 0 to 1")
        if self.key_notation not in get_args(KeyNotation):
            raise UnknownNameError("notation of keys", self.key_notation, get_args(KeyNotation))

    def describe(self) -> str:
        """Return a text that is the same for the same choice."""
        plain = (sorted(self.fields), self.count, self.min_score, self.min_confidence, self.key_notation)
        return f"{plain!r} {self.vocabulary.describe()}"


def choose(heard: TrackScores, choice: Choice) -> dict[str, tuple[str, ...]]:
    """Choose the values of each field.

    Parameters
    ----------
    heard : of the track
    choice : what to write

    Returns
    -------
    field to values, best first; fields for which nothing is sure enough are left out. Those of "comment" are the moods

    Notes
    -----
    Tags rank by score after `VocabularyMap.apply`. Genres are the tags of that category, moods likewise; the grouping
    takes instruments and voices, and what the user taught without a category. A tempo is written as a whole number:
    ID3v2's TBPM and MP4's tmpo hold no other.

    Examples
    --------
    >>> heard = TrackScores("a.mp3", "standard", tags=(ScoredTag("hip hop", "genre", 0.6, 0.2),), bpm=92.4,
    ...                     bpm_confidence=0.9)
    >>> choose(heard, Choice(fields=("genre", "bpm", "key")))
    {'genre': ('Hip-Hop',), 'bpm': ('92',)}
    """
    values: dict[str, tuple[str, ...]] = {}
    for name in choice.fields:
        if name in ("genre", "mood", "grouping"):
            values[name] = _names(heard.tags, name, choice)
        elif name == "comment":
            values[name] = _names(heard.tags, "mood", choice)
        elif name == "bpm":
            values[name] = _tempo(heard, choice.min_confidence)
        elif name == "key":
            values[name] = _key(heard, choice)
    return {name: texts for name, texts in values.items() if texts}


def raw_scores(heard: TrackScores) -> dict[str, tuple[str, ...]]:
    """Return the scores of the best genres and moods, by the name of the field for them, such as "jazz: 0.84".

    They are those of the model, with its names: no threshold, no map.
    """
    found: dict[str, tuple[str, ...]] = {}
    for category, name in RAW_NAMES.items():
        known = (tag for tag in heard.tags if tag.category == category and tag.score >= RAW_LEAST)
        best = sorted(known, key=lambda tag: -tag.score)[:RAW_COUNT]
        found[name] = tuple(f"{_one_line(tag.name)}: {tag.score:.2f}" for tag in best)
    return {name: texts for name, texts in found.items() if texts}


def _names(tags: Iterable[ScoredTag], target: str, choice: Choice) -> tuple[str, ...]:
    sure = [
        (tag.name, tag.score)
        for tag in tags
        if _belongs(tag, target) and tag.score >= (tag.threshold if choice.min_score is None else choice.min_score)
    ]
    return tuple(name for name, _ in choice.vocabulary.apply(target, sure)[: choice.count])


def _belongs(tag: ScoredTag, target: str) -> bool:
    return tag.category in _CATEGORIES[target] or (target == "grouping" and tag.taught and tag.category == "other")


def _tempo(heard: TrackScores, least: float) -> tuple[str, ...]:
    if heard.bpm is None or (heard.bpm_confidence or 0.0) < least:
        return ()
    whole = round(heard.bpm)
    return (str(whole),) if _BPM[0] <= whole <= _BPM[1] else ()


def _key(heard: TrackScores, choice: Choice) -> tuple[str, ...]:
    if heard.key is None or (heard.key_confidence or 0.0) < choice.min_confidence:
        return ()
    try:
        key = Key.parse(heard.key)
    except InputError as error:
        raise InputError(f"{heard.path}: {error.message}", hint=error.hint) from error
    written: Mapping[str, str] = {
        "initial": key.initial, "camelot": key.camelot, "open": key.open_key, "name": key.name,
    }  # fmt: skip
    return (written[choice.key_notation],)


def _one_line(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())
