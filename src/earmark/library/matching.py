"""Find likes in a catalogue: by identifiers, by artist and title, and by artist and title that are nearly the same."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from earmark.library.folding import fold
from earmark.library.schema import TRACKS
from earmark.library.store import Store
from earmark.sources.likes import Like

LEAST_SIMILAR = 0.85  # of names that may be one name in two spellings
MOST_SECONDS, MOST_OF_LENGTH = 7.0, 0.04  # that two lengths of one recording may differ by
_BRACKETS = re.compile(r"[(\[{][^)\]}]*[)\]}]")
_FEATURING = re.compile(r"\b(feat|ft|featuring|with)\b\.?.*$")
_EDITION = re.compile(
    r"\s[-–—]\s.*\b(remaster(ed)?|version|edit|mono|stereo|single|album|live|mix|deluxe|bonus|demo|acoustic|\d{4})\b.*$"
)
_DIGITS = re.compile(r"\d+")
_NO_LETTER = re.compile(r"[^\w]+")
_ARTICLE = re.compile(r"^(the|a|an|les|los|las|die|der|das)\s+(?=\w)")
_JOINED = re.compile(r"\s*(?:,|;|/|&|\+|\band\b|\bx\b|\bvs\b\.?|\bfeat\b\.?|\bft\b\.?)\s*")
_OTHER_TAKES = ("live", "remix", "acoustic", "instrumental", "karaoke", "cover", "demo")


@dataclass(frozen=True)
class LibraryMatch:
    """A like that was found.

    Parameters
    ----------
    like : its place among those that were looked for
    id : of the track
    by : "isrc", "mbid", "name", or "similar name"
    similarity : of the names, in [0, 1]; 1 for identifiers
    """

    like: int
    id: str
    by: str
    similarity: float


@dataclass(frozen=True)
class _Known:
    """A track of the catalogue, as far as it takes to find it."""

    id: str
    artists: tuple[str, ...]  # the whole text first
    title: str
    takes: frozenset[str]
    duration: float


def match_likes(store: Store, likes: Sequence[Like]) -> list[LibraryMatch]:
    """Find likes in a catalogue.

    Parameters
    ----------
    store : the catalogue
    likes : to be found

    Returns
    -------
    for each like that was found the best match, in order

    Notes
    -----
    An ISRC or a MusicBrainz recording id decides. Else artist and title have to be the same, without case, accents,
    punctuation, brackets, guests and editions; or nearly the same, if lengths are known and agree or names are nearly
    equal. A live take, a remix or a cover is another track than the one without that word.
    """
    index = _Index(store)
    found = ((i, index.find(like)) for i, like in enumerate(likes))
    return [LibraryMatch(i, *match) for i, match in found if match is not None]


class _Index:
    """The names and identifiers of a catalogue."""

    def __init__(self, store: Store) -> None:
        self.by_isrc: dict[str, str] = {}
        self.by_recording: dict[str, str] = {}
        self.by_artist: defaultdict[str, list[_Known]] = defaultdict(list)
        self.by_title: defaultdict[str, list[_Known]] = defaultdict(list)
        columns = ["id", "artist", "title", "isrc", "mb_recording_id", "duration"]
        for batch in store.scan(TRACKS, columns):
            for row in batch.to_pylist():
                self._keep(**row)

    def _keep(
        self, id: str, artist: str | None, title: str | None, isrc: str | None, mb_recording_id: str | None,
        duration: float | None,
    ) -> None:  # fmt: skip
        if isrc:
            self.by_isrc.setdefault(_code(isrc), id)
        if mb_recording_id:
            self.by_recording.setdefault(mb_recording_id.lower(), id)
        if title and artist:
            known = _Known(id, artists_of(artist), plain_title(title), takes_of(title), duration or 0.0)
            self.by_title[known.title].append(known)
            for name in known.artists:
                self.by_artist[name].append(known)

    def find(self, like: Like) -> tuple[str, str, float] | None:
        """Return id, way and similarity of the track that a like means."""
        if like.isrc and (found := self.by_isrc.get(_code(like.isrc))):
            return found, "isrc", 1.0
        if like.mb_recording_id and (found := self.by_recording.get(like.mb_recording_id.lower())):
            return found, "mbid", 1.0
        if not like.artist or not like.title:
            return None
        title, takes, names = plain_title(like.title), takes_of(like.title), artists_of(like.artist)
        candidates = {
            known.id: known
            for known in (*self.by_title.get(title, ()), *(k for name in names for k in self.by_artist.get(name, ())))
            if known.takes == takes and _same_length(known.duration, like.duration)
        }
        best = max(
            ((_likeness(known, title, names), known) for known in candidates.values()),
            key=lambda pair: (pair[0], pair[1].id),
            default=None,
        )
        if best is None or best[0] < LEAST_SIMILAR:
            return None
        return best[1].id, "name" if best[0] == 1 else "similar name", best[0]


def _likeness(known: _Known, title: str, names: Sequence[str]) -> float:
    """Return how alike artist and title are: the lesser of the two."""
    same = not set(known.artists).isdisjoint(names)
    artists = 1.0 if same else _ratio(known.artists[0], names[0])
    return min(artists, _ratio(known.title, title))


def _ratio(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if min(len(one), len(other)) < 4 or _DIGITS.findall(one) != _DIGITS.findall(other):  # two names, or two parts
        return 0.0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= LEAST_SIMILAR else 0.0


def _same_length(one: float, other: float | None) -> bool:
    if not one or not other:
        return True
    return abs(one - other) <= max(MOST_SECONDS, MOST_OF_LENGTH * max(one, other))


def _code(isrc: str) -> str:
    return isrc.replace("-", "").strip().upper()


def plain_title(title: str) -> str:
    """Write a title without brackets, guests, editions and punctuation.

    Examples
    --------
    >>> plain_title("Don't Stop (feat. B) - Remastered 2011"), plain_title("(I Can't Get No) Satisfaction")
    ('dont stop', 'satisfaction')
    """
    folded = fold(title)
    shorter = _EDITION.sub("", _FEATURING.sub("", _BRACKETS.sub(" ", folded)))
    return _letters(shorter) or _letters(folded) or folded


def plain_artist(artist: str) -> str:
    """Write an artist's name without article and punctuation.

    Examples
    --------
    >>> plain_artist("The Beatles"), plain_artist("AC/DC"), plain_artist("Beyoncé")
    ('beatles', 'acdc', 'beyonce')
    """
    folded = fold(artist)
    return _letters(_ARTICLE.sub("", folded)) or folded


def artists_of(text: str) -> tuple[str, ...]:
    """Return the names that a text of one or several artists may hold, the whole first.

    Examples
    --------
    >>> artists_of("Simon & Garfunkel")
    ('simon garfunkel', 'simon', 'garfunkel')
    """
    parts = [plain_artist(part) for part in _JOINED.split(fold(text)) if part.strip()]
    return tuple(dict.fromkeys([plain_artist(text), *parts]))


def takes_of(title: str) -> frozenset[str]:
    """Return the words of a title that make it another recording than the one without them."""
    words = set(_NO_LETTER.split(fold(title)))
    return frozenset(word for word in _OTHER_TAKES if word in words)


def _letters(text: str) -> str:
    return " ".join(part for part in _NO_LETTER.split(text.replace("'", "").replace("’", "").replace("/", "")) if part)
