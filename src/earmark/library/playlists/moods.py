"""Moods along a playlist: what "calm:0.2..energetic:0.8" asks of each song, and levels that compare between tags."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import UnknownNameError, UsageError

Array64 = NDArray[np.float64]

_BETWEEN = re.compile(r"->|→|\.\.")
_LEVEL = re.compile(r"(?P<number>\d+(\.\d*)?|\.\d+)(?P<percent>%?)")
_HOW = "write TAG:LEVEL or TAG:FROM..TO with levels from 0 to 1, such as calm:0.9 or calm:0.2..energetic:0.8"


@dataclass(frozen=True)
class Waypoint:
    """One point that a playlist passes.

    Parameters
    ----------
    tag : its name
    level : in [0, 1]; how many of the catalogue's tracks have a lower score, as a share
    """

    tag: str
    level: float


@dataclass(frozen=True)
class Trajectory:
    """Points spread evenly from the first song to the last.

    Parameters
    ----------
    points : at least one; a single one holds throughout

    Examples
    --------
    >>> Trajectory((Waypoint("calm", 0.9), Waypoint("calm", 0.1))).targets([0.0, 0.5, 1.0])["calm"][0].tolist()
    [0.9, 0.5, 0.1]
    """

    points: tuple[Waypoint, ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise UsageError("a trajectory needs at least one point", hint=_HOW)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, each once, in order."""
        return tuple(dict.fromkeys(point.tag for point in self.points))

    def targets(self, at: ArrayLike) -> dict[str, tuple[Array64, Array64]]:
        """Say what is asked at places of the playlist.

        Parameters
        ----------
        at : shape (L,), in [0, 1] from the first song to the last

        Returns
        -------
        by tag the levels and their weights, each of shape (L,), in [0, 1]. Between two points of one tag the level
        moves evenly; between points of two tags the first fades out while the second fades in. The weights of all tags
        add up to 1.
        """
        where = np.asarray(at, np.float64)
        places = np.linspace(0.0, 1.0, len(self.points)) if len(self.points) > 1 else np.zeros(1)
        asked = {}
        for tag in self.tags:
            own = np.array([point.tag == tag for point in self.points])
            levels = np.array([point.level for point in self.points])
            level = np.interp(where, places[own], levels[own])
            weight = np.interp(where, places, own.astype(np.float64))
            asked[tag] = (level, weight)
        return asked


def parse_trajectory(text: str, *, tags: Collection[str] | None = None) -> Trajectory:
    """Read a trajectory as people type it.

    Parameters
    ----------
    text : points with ".." between them (or "->", which a shell needs in quotes). A point is a tag and a level, such as
        "calm:0.2" or "calm:20%", a tag alone, which means the level 1, or a level alone, which keeps the tag
    tags : the tags there are; whatever is given unless they are named

    Raises
    ------
    UsageError
        If it cannot be read.
    UnknownNameError
        If there is no such tag.

    Examples
    --------
    >>> parse_trajectory("calm:0.2..energetic:0.8").points
    (Waypoint(tag='calm', level=0.2), Waypoint(tag='energetic', level=0.8))
    >>> parse_trajectory("calm:20% -> 80%").points
    (Waypoint(tag='calm', level=0.2), Waypoint(tag='calm', level=0.8))
    """
    if text.rstrip().endswith(("-", ">")):
        hint = f"a shell takes '>' for itself: put it in quotes, or write '..' instead, such as {_example(text)}"
        raise UsageError(f"mood {text!r}: ends where a second point should come", hint=hint)
    points: list[Waypoint] = []
    for part in _BETWEEN.split(text):
        tag, level = _read_point(part.strip(), text)
        if not tag and not points:
            raise UsageError(f"mood {text!r}: begins without a tag", hint=_HOW)
        points.append(Waypoint(_known_tag(tag, tags) if tag else points[-1].tag, level))
    return Trajectory(tuple(points))


def percentiles(scores: ArrayLike) -> NDArray[np.float32]:
    """Turn scores of a catalogue into levels that compare between tags.

    Parameters
    ----------
    scores : shape (n,); NaN where a track has none

    Returns
    -------
    shape (n,), in [0, 1]: the share of the other tracks with a lower score, half of those with the same one counted;
    0.5 for a single track, NaN where there is no score

    Notes
    -----
    A score says how sure a network is, and networks are sure of rock and never of calm: 0.2 is a little for one tag
    and the most there is for another. Places in the catalogue mean the same for all of them.

    Examples
    --------
    >>> percentiles([0.1, 0.3, 0.2]).tolist()
    [0.0, 1.0, 0.5]
    """
    values = np.asarray(scores, np.float64)
    known = ~np.isnan(values)
    found = values[known]
    ranked = np.sort(found)
    lower = np.searchsorted(ranked, found, side="left")
    upper = np.searchsorted(ranked, found, side="right")
    out = np.full(values.shape, np.nan, np.float32)
    out[known] = 0.5 if found.size < 2 else (lower + upper - 1) / 2 / (found.size - 1)
    return out


def _read_point(part: str, text: str) -> tuple[str, float]:
    """Split "calm:0.2" into tag and level; the tag is empty where only a level stands."""
    if not part:
        raise UsageError(f"mood {text!r}: a point is missing", hint=_HOW)
    tag, colon, level = part.rpartition(":")
    if not colon:
        return ("", _read_level(part, text)) if _LEVEL.fullmatch(part) else (part, 1.0)
    if not tag.strip():
        raise UsageError(f"mood {text!r}: no tag before {':' + level!r}", hint=_HOW)
    return tag.strip(), _read_level(level.strip(), text)


def _read_level(level: str, text: str) -> float:
    read = _LEVEL.fullmatch(level)
    if read is None:
        raise UsageError(f"mood {text!r}: {level!r} is no level", hint=_HOW)
    number = float(read["number"]) / (100 if read["percent"] else 1)
    if number > 1:
        hint = f"levels go from 0 to 1; did you mean {level}%?" if number <= 100 and not read["percent"] else _HOW
        raise UsageError(f"mood {text!r}: the level {level} is above 1", hint=hint)
    return number


def _known_tag(tag: str, tags: Collection[str] | None) -> str:
    if tags is None or tag in tags:
        return tag
    by_folded = {name.casefold(): name for name in tags}
    if tag.casefold() not in by_folded:
        raise UnknownNameError("tag", tag, tags)
    return by_folded[tag.casefold()]


def _example(text: str) -> str:
    """Complete what a shell cut off."""
    return f"{text.strip().rstrip('->').strip() or 'calm:0.2'}..energetic:0.8"
