"""The text files of the Computer Audition Lab of UC San Diego: CAL500's matrices, CAL10K's tables and folds.

CAL500 is a list of songs, a list of tags, and matrices without headers, a row per song and a column per tag. CAL10K is
a table of songs and a table of tags, each followed by the songs that carry it; corrected labels are lists of pairs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from earmark.datasets.base import by_frequency, most_frequent
from earmark.datasets.reading import csv_rows, number, read_lines
from earmark.errors import InputError
from earmark.vocabulary import Vocabulary, category

# Artists of CAL500 with a hyphen in their name, as B. McFee found; the name of a song is "artist-title".
HYPHENATED = ("chi-lites", "go-gos", "sir_mix-a-lot")
PREFIXES = {"Genre": "genre", "Emotion": "mood", "Instrument": "instrument", "Vocals": "voice"}


def read_names(file: Iterable[str]) -> list[str]:
    """Read a list of songs or tags, one a line.

    Raises
    ------
    InputError
        If it is empty or a name stands there twice.
    """
    names = read_lines(file)
    if not names:
        raise InputError("the list is empty", hint="get it again")
    if len(set(names)) != len(names):
        raise InputError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return names


def read_matrix(file: Iterable[str], n_rows: int, n_columns: int, *, binary: bool = False) -> list[list[float]]:
    """Read a matrix of numbers from 0 to 1, cells separated by commas.

    Parameters
    ----------
    file : its lines
    n_rows, n_columns : how many songs and tags there are
    binary : whether only 0 and 1 may be there

    Returns
    -------
    n_rows lists of n_columns numbers

    Raises
    ------
    InputError
        If the matrix has another size, or a cell is something else.
    """
    rows: list[list[float]] = []
    for line, cells in csv_rows(file, ","):
        if len(cells) != n_columns:
            raise InputError(f"line {line}: {len(cells)} cells, expected {n_columns}, one per tag")
        rows.append([_share(cell, line, binary) for cell in cells])
    if len(rows) != n_rows:
        raise InputError(f"{len(rows)} rows, expected {n_rows}, one per song")
    return rows


def read_songs(file: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Read `songList.tab` of CAL10K: number of a song to its artist, title and name of the file.

    Raises
    ------
    InputError
        If a line has other cells, or a number stands there twice.
    """
    songs: dict[str, tuple[str, str, str]] = {}
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        cells = [cell.strip() for cell in text.rstrip("\r\n").split("\t")]
        if len(cells) != 4 or not _is_number(cells[0]):
            raise InputError(f"line {line}: {text.strip()[:60]!r}, expected number, artist, title, file by tabs")
        if cells[0] in songs:
            raise InputError(f"line {line}: song {cells[0]} stands there twice")
        songs[cells[0]] = (cells[1], cells[2], cells[3])
    if not songs:
        raise InputError("the table is empty", hint="get it again")
    return songs


def read_tag_songs(file: Iterable[str], songs: Mapping[str, object]) -> dict[str, list[tuple[str, float]]]:
    """Read `PandoraTagSong.tab` of CAL10K: a tag, then number and weight of every song that carries it.

    Parameters
    ----------
    file : its lines
    songs : the numbers there are

    Returns
    -------
    tag to pairs of song and weight

    Raises
    ------
    InputError
        If a line holds something else, a tag stands there twice, or a song is not known.
    """
    tags: dict[str, list[tuple[str, float]]] = {}
    for line, text in enumerate(file, start=1):
        tag, *cells = (cell.strip() for cell in text.rstrip("\r\n\t ").split("\t"))
        if not tag and not cells:
            continue
        if not tag or tag in tags or len(cells) % 2:
            raise InputError(f"line {line}: {text.strip()[:60]!r}, expected a new tag, then pairs of song and weight")
        unknown = next((song for song in cells[::2] if song not in songs), None)
        if unknown is not None:
            raise InputError(f"line {line}: tag {tag!r} is of song {unknown!r}, which the list of songs does not have")
        tags[tag] = [(song, _number(weight, line)) for song, weight in zip(cells[::2], cells[1::2], strict=True)]
    if not tags:
        raise InputError("the table is empty", hint="get it again")
    return tags


def read_song_tags(file: Iterable[str]) -> dict[str, list[str]]:
    """Read a fold of the corrected CAL10K, a pair of song and tag per line: song to its tags.

    Raises
    ------
    InputError
        If a line holds something else, or there is none.
    """
    songs: dict[str, list[str]] = {}
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        cells = [cell.strip() for cell in text.rstrip("\r\n").split("\t")]
        if len(cells) != 2 or not all(cells):
            raise InputError(f"line {line}: {text.strip()[:60]!r}, expected a song and a tag by a tab")
        tags = songs.setdefault(cells[0], [])
        if cells[1] not in tags:
            tags.append(cells[1])
    if not songs:
        raise InputError("the list is empty", hint="get it again")
    return songs


def split_name(song: str) -> tuple[str, str]:
    """Split the name of a song of CAL500 into artist and title, with spaces for underscores.

    Examples
    --------
    >>> split_name("go-gos-vacation"), split_name("ray_charles-hit_the_road_jack")
    (('go-gos', 'vacation'), ('ray charles', 'hit the road jack'))
    """
    known = next((artist for artist in HYPHENATED if song.startswith(f"{artist}-")), None)
    artist, _, title = song.partition("-") if known is None else (known, "", song[len(known) + 1 :])
    return artist.replace("_", " ").strip(), title.replace("_", " ").strip()


def choose(name: str, tags: Sequence[str], counts: Mapping[str, int], chosen: str | int) -> Vocabulary:
    """Make the vocabulary of all tags in the published order, or of the most frequent ones.

    Raises
    ------
    UsageError
        If it is neither "all" nor a number of tags.
    """
    if chosen == "all":
        return _vocabulary(f"{name}-all", tags)
    ranked = by_frequency({tag: counts.get(tag, 0) for tag in tags})
    return _vocabulary(f"{name}-top{chosen}", most_frequent(ranked, chosen, names="all"))


def _vocabulary(name: str, tags: Sequence[str]) -> Vocabulary:
    """Make a vocabulary; the tags of CAL500 begin with their category."""
    prefixes = [next((key for key in PREFIXES if re.match(f"(NOT-)?{key}[-_]", tag)), "") for tag in tags]
    categories = [PREFIXES.get(key) or category(tag, default="other") for key, tag in zip(prefixes, tags, strict=True)]
    return Vocabulary(name, tuple(tags), tuple(categories))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(text: str, line: int) -> float:
    value = number(text, f"line {line}: a weight")
    if value is None or value < 0:
        raise InputError(f"line {line}: {text!r} is no weight")
    return value


def _share(text: str, line: int, binary: bool) -> float:
    value = _number(text, line)
    if value > 1 or (binary and value not in (0, 1)):
        raise InputError(f"line {line}: {text.strip()} is there, expected {'0 or 1' if binary else '0 to 1'}")
    return value
