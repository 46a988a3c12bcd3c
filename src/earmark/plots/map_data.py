"""What a map of a library shows: dots with names, scores and facts; and the colours that they take."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UnknownNameError

# Colours that people with any kind of colour vision tell apart: P. Tol, "Colour Schemes", SRON/EPS/TN/09-002, 2021, the
# schemes "muted" (on white) and "light" (on black), in an order in which neighbours differ most.
LIGHT_CATEGORIES = ("#332288", "#cc6677", "#117733", "#88ccee", "#882255", "#ddcc77", "#44aa99", "#aa4499", "#999933")
DARK_CATEGORIES = ("#77aadd", "#ee8866", "#44bb99", "#eedd88", "#ffaabb", "#99ddff", "#bbcc33", "#dddddd", "#aaaa00")
N_COLOURS = len(LIGHT_CATEGORIES)
# Around the circle of fifths and back to the beginning; the first colour follows the last.
LIGHT_CIRCLE = ("#b5432f", "#a9820a", "#2f8a55", "#2476ad", "#8549ab", "#b5432f")
DARK_CIRCLE = ("#f08a78", "#e3bd55", "#6bcf95", "#79b8ee", "#c79aee", "#f08a78")

NOTES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
LONGEST = 200  # characters of a title
# Characters that are no text: controls, and those that turn the direction of writing for all that follows.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, eq=False)
class MapData:
    """The dots of a map, and all that is known of the tracks behind them.

    Parameters
    ----------
    points : shape (n, 2)
    titles : n names; surrogates and control characters are allowed, and shown as what they are: no text
    artists, genres, keys : n texts, "" where there is none; a key is such as "F# minor". Nothing, if not known at all
    paths : n paths as the system gives them (`os.fsdecode`), "" where there is none
    ids : n ids of the catalogue; nothing, if the tracks are of none
    durations, bpm, years : shape (n,), NaN where there is none; seconds, beats per minute
    scores : shape (n, K), in [0, 1]
    tags, categories : K names, and what they are: genre, mood, instrument, ...
    base_rates : how often each tag holds in the data that the model learned from; NaN or nothing, if not known
    groups : shape (n,), labels from 0 to one less than there are `group_names`; -1 for none
    group_names : what the groups are called
    neighbours : shape (n, k), the nearest tracks by sound, the nearest first
    method : "umap", "tsne" or "pca"
    mean_rank, explained : how far it can be trusted (`earmark.library.mapping.Projection`)
    model : by what model or preset the tracks were heard
    heading : of the page or picture

    Raises
    ------
    InputError
        If there is no track, or the lengths do not go together, or a point or a score is no number.
    """

    points: NDArray[np.floating]
    titles: Sequence[str]
    artists: Sequence[str] = ()
    genres: Sequence[str] = ()
    keys: Sequence[str] = ()
    paths: Sequence[str] = ()
    ids: Sequence[str] = ()
    durations: NDArray[np.floating] | None = None
    bpm: NDArray[np.floating] | None = None
    years: NDArray[np.floating] | None = None
    scores: NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    tags: Sequence[str] = ()
    categories: Sequence[str] = ()
    base_rates: Sequence[float] = ()
    groups: NDArray[np.integer] | None = None
    group_names: Sequence[str] = ()
    neighbours: NDArray[np.integer] | None = None
    method: str = "umap"
    mean_rank: float | None = None
    explained: float | None = None
    model: str = ""
    heading: str = "Your music"

    def __post_init__(self) -> None:
        n = len(self.points)
        if not n or self.points.shape != (n, 2):
            raise InputError(f"the points have shape {self.points.shape}, expected (tracks, 2), at least one track")
        if not np.isfinite(self.points).all():
            raise InputError("a point of the map is NaN or infinite")
        if len(self.titles) != n:
            raise InputError(f"{n} points and {len(self.titles)} titles")
        for name in ("artists", "genres", "keys", "paths", "ids", "durations", "bpm", "years", "groups", "neighbours"):
            values = getattr(self, name)
            if values is not None and len(values) not in ((n,) if isinstance(values, np.ndarray) else (0, n)):
                raise InputError(f"{n} points and {len(values)} {name}")
        if self.tags and self.scores.shape != (n, len(self.tags)):
            shape = (n, len(self.tags))
            raise InputError(f"the scores have shape {self.scores.shape}, expected {shape}: tracks and tags")
        if self.tags and not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise InputError("the scores are not all numbers from 0 to 1")
        for name in ("categories", "base_rates"):
            if len(getattr(self, name)) not in (0, len(self.tags)):
                raise InputError(f"{len(self.tags)} tags and {len(getattr(self, name))} {name.replace('_', ' ')}")
        if self.groups is not None and not -1 <= self.groups.min() <= self.groups.max() < len(self.group_names):
            raise InputError(f"a group is not from -1 to {len(self.group_names) - 1}: there are no more names")
        if (
            self.neighbours is not None
            and self.neighbours.size
            and not 0 <= self.neighbours.min() <= (self.neighbours.max()) < n
        ):
            raise InputError(f"a neighbour is not from 0 to {n - 1}")

    def fields(self) -> list[str]:
        """List what dots can be coloured by, apart from tags; only what is known of some track."""
        known = {
            "group": self.groups is not None,
            "artist": any(self.artists),
            "genre": any(self.genres),
            "key": any(fifths(key) is not None for key in self.keys),
            "bpm": _some(self.bpm),
            "year": _some(self.years),
            "duration": _some(self.durations),
        }
        return [name for name, is_known in known.items() if is_known]

    def colour_names(self) -> list[str]:
        """List all that dots can be coloured by: `fields`, then tags."""
        return [*self.fields(), *self.tags]

    def find_colour(self, name: str) -> tuple[str, int]:
        """Find what is meant by a name: ("tag", its number), or (a field, 0).

        Raises
        ------
        UnknownNameError
            If it is neither a tag nor known of any track.
        """
        if name in self.fields():
            return name, 0
        if name in self.tags:
            return "tag", list(self.tags).index(name)
        raise UnknownNameError("colouring", name, self.colour_names())


def _some(values: NDArray[np.floating] | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())


def clean(text: str, length: int = LONGEST) -> str:
    """Make any name a text: � for each byte that is none, no control characters, and not endless.

    Examples
    --------
    >>> clean("caf\\udce9 \\x1b[31mred\\n")
    'caf� [31mred'
    """
    plain = " ".join(_NO_TEXT.sub(" ", _HALVES.sub("�", text[: 4 * length])).split())
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def fifths(key: str) -> int | None:
    """Give the place of a key on the circle of fifths: 0 for C major and A minor, 1 for G major and E minor, to 11.

    Examples
    --------
    >>> fifths("C major"), fifths("F# minor"), fifths("Bb major"), fifths("unknown")
    (0, 3, 10, None)
    """
    found = re.fullmatch(r"([A-G])([#♯b♭]?)\s*(major|minor|maj|min|m|)", key.strip())
    if found is None:
        return None
    semitone = NOTES[found[1]] + {"#": 1, "♯": 1, "b": -1, "♭": -1, "": 0}[found[2]]
    if found[3] in ("minor", "min", "m"):
        semitone += 3  # the relative major
    return semitone * 7 % 12


def common(texts: Sequence[str], n: int = N_COLOURS) -> tuple[list[str], NDArray[np.int32]]:
    """Find the commonest of some texts.

    Parameters
    ----------
    texts : any; "" is none
    n : how many

    Returns
    -------
    at most `n` of them, the commonest first; and for each text its number among these, or -1
    """
    names = [name for name, _ in Counter(text for text in texts if text).most_common(n)]
    numbers = {name: i for i, name in enumerate(names)}
    return names, np.array([numbers.get(text, -1) for text in texts], np.int32)


def group_centres(points: NDArray[np.floating], groups: NDArray[np.integer], n: int) -> NDArray[np.float64]:
    """Find where the names of groups stand: the medians of their coordinates, shape (n, 2); NaN of an empty group."""
    centres = np.full((n, 2), np.nan)
    for label in range(n):
        inside = points[groups == label]
        if len(inside):
            centres[label] = np.median(inside, axis=0)
    return centres


def group_colours(centres: NDArray[np.float64]) -> list[int]:
    """Choose a colour for every group, such that groups that lie near each other differ.

    Parameters
    ----------
    centres : shape (n, 2)

    Returns
    -------
    n numbers below `N_COLOURS`: the first ones for the first groups; then, for each, the colour whose nearest use is
    farthest away
    """
    chosen: list[int] = []
    for i, centre in enumerate(centres):
        if i < N_COLOURS:
            chosen.append(i)
            continue
        squares = np.nan_to_num(((centres[:i] - centre) ** 2).sum(axis=1), nan=np.inf)
        chosen.append(max(range(N_COLOURS), key=lambda c: min(squares[j] for j in range(i) if chosen[j] == c)))
    return chosen


def limits(values: NDArray[np.floating]) -> tuple[float, float]:
    """Find where a scale of colours begins and ends: without the outermost 2 % on either side, and never a point."""
    known = values[np.isfinite(values)]
    low, high = (float(x) for x in np.quantile(known, (0.02, 0.98)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def limitations(data: MapData) -> list[str]:
    """Say in plain words what a map shows and what it does not."""
    heard = f" as {data.model} hears it" if data.model else ""
    first = {
        "umap": f"Every dot is a track. UMAP has laid them out so that what sounds alike lies together{heard}. "
        "Near means alike. Distances between far groups mean little, and so does the size of a group.",
        "tsne": f"Every dot is a track. t-SNE has laid them out so that what sounds alike lies together{heard}. "
        "Near means alike. Distances between far groups mean little, and so does the size of a group.",
        "pca": f"Every dot is a track, and the two axes are those along which the library differs most{heard} "
        "(principal components). Far apart means different, but what is near can differ in ways that two axes "
        "do not show.",
    }[data.method]
    said = [first]
    if data.explained is not None:
        said.append(f"The two axes hold {100 * data.explained:.0f} % of what differs.")
    if data.mean_rank is not None:
        share = f"{100 * data.mean_rank:.{1 if data.mean_rank < 0.095 else 0}f} %"
        said.append(
            f"How true it is: the ten dots nearest to a track have, by sound, a mean rank of {share} of the library "
            "(0 % would be perfect, 50 % a map drawn blindly)."
        )
    return said
