"""Queries: a few words that describe music, and how well each track of a catalogue fits them.

    calm piano -vocals

`parse_query` finds the tags of the catalogue in the words, `rank` turns the scores of these tags into one relevance.

How scores combine
------------------
A score is close to the probability that a listener gives the tag, and tags are given one by one; so the probability
that all of them are given is close to the product of the scores. A product does not mind how often a tag is given: a
tag whose scores are ten times lower than those of another moves the ranking just as much. An unwanted tag enters with
``t / (score + t)``, where t is the score from which on a track has the tag: half of the relevance is left at the
threshold, whatever the tag's scores are like. ``1 - score``, the probability that it is not given, hardly moves for
tags that are rarely given, as moods are.

On 4,332 clips of MagnaTagATune this ranks better than means of scores or of percentiles, sums of logits, minima and
lifts; the figures are in ``docs/concepts/finding-music.md``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.filter_nodes import ALIASES, TAG_FIELDS, Place
from earmark.library.tag_index import TagColumn, TagIndex

MAX_LENGTH, MAX_WORDS, MAX_WEIGHT = 1000, 4, 100.0
LOWEST = 1e-6  # below, a score says no less
WITHOUT = frozenset({"no", "not", "without"})
FILLERS = frozenset({"a", "an", "and", "but", "music", "some", "song", "songs", "the", "track", "tracks", "with"})

_ITEM = re.compile(
    r"""\s*(?P<comma>,)?\s*(?P<sign>[-+])?(?:(?P<category>[^\W\d]\w*):\s*)?
    (?:"(?P<quoted>[^"]*)"|(?P<word>[^\s",:^]+))
    (?:\^(?P<weight>[^\s",]*))?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Term:
    """One tag of a query.

    Parameters
    ----------
    tag : its name
    weight : how much it counts; below 0 for a tag that is not wanted
    column : that holds its scores
    threshold : score from which on a track has it
    word : what the user wrote
    is_nearby : the catalogue has no tag of that word, and this one comes near it
    """

    tag: str
    weight: float
    column: str
    threshold: float
    word: str = ""
    is_nearby: bool = False


@dataclass(frozen=True)
class Query:
    """Tags that are wanted, or not.

    Parameters
    ----------
    terms : at least one, each column once
    notes : what the user should know: which tags stand in for a word that is none
    """

    terms: tuple[Term, ...]
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `rank` takes, in its order."""
        return tuple(term.column for term in self.terms)


@dataclass(frozen=True)
class _Item:
    """A word of the query, or several in quotes, with what stands before and behind it."""

    text: str
    place: Place
    negative: bool
    category: str | None
    weight: float | None
    is_plain: bool  # may belong to the word before
    is_quoted: bool


def parse_query(text: str, vocabulary: TagIndex) -> Query:
    """Find the tags that a few words name.

    Parameters
    ----------
    text : words; ``-`` before one that is not wanted, ``^2`` behind one that counts double, a category before one that
        has two meanings (``mood:soft``), quotes around words that are one tag
    vocabulary : the tags of the catalogue

    Raises
    ------
    UsageError
        If there are no words, a weight is no number, or a tag is both wanted and not.
    UnknownNameError
        If a word names no tag; the message points at it.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(f"the query has {len(text):,} characters, more than {MAX_LENGTH:,}")
    items = list(_items(text))
    found: dict[str, Term] = {}
    notes: list[str] = []
    at, without = 0, False
    while at < len(items):
        n, tags, is_nearby = _longest(items, at, vocabulary)
        first = items[at]
        if not n and first.text.lower() in WITHOUT and not first.is_quoted:
            without, at = not first.negative, at + 1
            continue
        if not n and first.text.lower() in FILLERS and not first.is_quoted:
            at += 1
            continue
        if not n:
            raise first.place.point(vocabulary.unknown(first.text, first.category))
        weight = next((item.weight for item in items[at : at + n] if item.weight is not None), 1.0)
        sign = -1.0 if first.negative != without else 1.0
        whole = Place(text, first.place.start, items[at + n - 1].place.end)
        _put(found, tags, sign * weight, whole, is_nearby=is_nearby)
        if is_nearby:
            word = whole.text[whole.start : whole.end]
            notes.append(f"{word!r} is no tag here: searching by {', '.join(tag.tag for tag in tags)}")
        at, without = at + n, False
    if without:
        raise items[-1].place.error(f"{items[-1].text!r}: without what?")
    terms = tuple(term for term in found.values() if term.weight)
    if not terms:
        names = ", ".join(vocabulary.names()[:5])
        raise UsageError("the query names no tag", hint=f"such as {names}" if names else "nothing was heard yet")
    return Query(terms, tuple(dict.fromkeys(notes)))


def _items(text: str) -> Iterator[_Item]:
    at = 0
    while text[at:].strip(" \t\r\n,"):
        found = _ITEM.match(text, at)
        if found is None or (found["quoted"] is not None and not found["quoted"].strip()):
            start = at + len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
            raise Place(text, start, start + 1).error("no tag can be read here", hint='such as calm "hip hop" -vocals')
        name = "quoted" if found["quoted"] is not None else "word"
        place = Place(text, *found.span(name))
        category = found["category"] and _category(found["category"], Place(text, *found.span("category")))
        weight = None if found["weight"] is None else _weight(found["weight"], Place(text, *found.span("weight")))
        yield _Item(
            text=found[name],
            place=place,
            negative=found["sign"] == "-",
            category=None if category == "heard" else category,
            weight=weight,
            is_plain=not (found["comma"] or found["sign"] or found["category"] or name == "quoted"),
            is_quoted=name == "quoted",
        )
        at = found.end()


def _category(name: str, place: Place) -> str:
    folded = ALIASES.get(name.lower(), name.lower())
    if folded not in TAG_FIELDS:
        raise place.point(UnknownNameError("category", name, TAG_FIELDS))
    return folded


def _weight(text: str, place: Place) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?|\.\d{1,6}", text) or not 0 < float(text) <= MAX_WEIGHT:
        raise place.error(f"a weight is a number above 0, up to {MAX_WEIGHT:g}", hint="such as piano^2")
    return float(text)


def _longest(items: list[_Item], at: int, vocabulary: TagIndex) -> tuple[int, tuple[TagColumn, ...], bool]:
    """Return the most words from here that name one tag, or a thing that tags come near; 0 words if none do."""
    longest = 1
    while (
        longest < MAX_WORDS
        and at + longest < len(items)
        and items[at + longest].is_plain
        and items[at + longest - 1].weight is None
        and not items[at].is_quoted
    ):
        longest += 1
    category = items[at].category
    for n in range(longest, 0, -1):
        phrase = " ".join(item.text for item in items[at : at + n])
        tag = vocabulary.find(phrase, category)
        found = (tag,) if tag is not None else vocabulary.nearby(phrase, category)
        if found:
            return n, found, tag is None
    return 0, (), False


def _put(terms: dict[str, Term], tags: tuple[TagColumn, ...], weight: float, place: Place, *, is_nearby: bool) -> None:
    """Add tags that one word names: they share its weight. What the user names counts before what comes near."""
    word = place.text[place.start : place.end]
    for tag in tags:
        new = Term(tag.tag, weight / len(tags), tag.column, tag.threshold, word, is_nearby)
        old = terms.get(tag.column)
        if old is None or (old.is_nearby and not is_nearby and old.weight * weight < 0):
            terms[tag.column] = new
        elif old.weight * weight > 0:
            terms[tag.column] = replace(old, weight=old.weight + new.weight)
        elif not is_nearby:
            raise place.error(f"{tag.tag!r} is both wanted and not")


def rank(query: Query, scores: ArrayLike) -> NDArray[np.float64]:
    """Tell how well tracks fit a query.

    Parameters
    ----------
    query : K terms
    scores : shape (n, K), in [0, 1], in the order of `Query.columns`; NaN where a track was not heard

    Returns
    -------
    shape (n,), in [0, 1]; NaN where a score is not known. 0.5 where the wanted tags are at their thresholds, on the
    geometric mean, and the unwanted ones are not to be heard. Without wanted tags, 1 where the unwanted ones are not to
    be heard.

    Raises
    ------
    InputError
        If there is not one column per term.

    Examples
    --------
    >>> query = Query((Term("piano", 1.0, "piano", 0.2), Term("vocals", -1.0, "vocals", 0.2)))
    >>> rank(query, [[0.2, 0.0], [0.8, 0.0], [0.8, 0.6]]).round(3).tolist()
    [0.5, 0.8, 0.5]
    """
    values = np.asarray(scores)
    if values.ndim != 2 or values.shape[1] != len(query.terms):
        raise InputError(f"scores have shape {values.shape}, expected (n, {len(query.terms)}), one column per term")
    total = np.zeros(len(values), np.float32)
    for k, term in enumerate(query.terms):
        ratio = np.maximum(values[:, k], LOWEST, dtype=np.float32)
        ratio /= np.float32(max(term.threshold, LOWEST))
        total += np.float32(term.weight) * (np.log(ratio) if term.weight > 0 else np.log1p(ratio))
    wanted = sum(term.weight for term in query.terms if term.weight > 0)
    if not wanted:
        total /= np.float32(-sum(term.weight for term in query.terms))
        return np.asarray(np.exp(total), np.float64)
    odds = np.clip(total.astype(np.float64) / wanted, -500, 500)
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)
