"""From what stands in a tag to what it means: several values in one, numbers of genres, years, "3/12"."""

import re
from collections.abc import Iterable, Sequence

_NUMBERED = re.compile(r"((?:\((?:\d{1,3}|RX|CR)\))+)(.*)", re.DOTALL)
_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|2[0-9]{3})(?!\d)")
_NUMBER = re.compile(r"\s*(\d{1,6})\s*(?:[/.]|$)")
_DECIMAL = re.compile(r"\s*(\d{1,4}(?:[.,]\d+)?)")
_SPECIAL = {"RX": "Remix", "CR": "Cover"}
_BPM = (10.0, 1000.0)  # what is taken for a tempo


def clean(texts: Iterable[str]) -> tuple[str, ...]:
    """Split at null characters, strip, leave out what is empty; what no text can hold becomes "?"."""
    parts = (part.strip() for text in texts for part in text.split("\0"))
    return tuple(part.encode("utf-8", "replace").decode() for part in parts if part)


def split_names(texts: Iterable[str], genres: Sequence[str], *, slash: bool = False) -> tuple[str, ...]:
    """Split genres or moods into single ones, without repetitions.

    Parameters
    ----------
    texts : values of the field; split at ";", and numbers of ID3 genres are replaced
    genres : the names of ID3's genres, by number
    slash : split at "/" too, as ID3v2.3 joins values; but for ID3's own names, such as "Pop/Funk"

    Examples
    --------
    >>> split_names(["(1)(0)Swing", "Dub; Ska"], ["Blues", "Classic Rock"])
    ('Classic Rock', 'Blues', 'Swing', 'Dub', 'Ska')
    >>> split_names(["Rock/Pop", "Pop/Funk"], ["Pop/Funk"], slash=True)
    ('Rock', 'Pop', 'Pop/Funk')
    """
    names: dict[str, None] = {}
    for text in texts:
        for part in text.split(";"):
            for name in _numbered(part.strip(), genres):
                pieces = name.split("/") if slash and name not in genres else [name]
                names.update(dict.fromkeys(piece.strip() for piece in pieces if piece.strip()))
    return tuple(names)


def _numbered(text: str, genres: Sequence[str]) -> list[str]:
    """Replace the numbers of genres in "17", "(17)", "(17)(3)Own" and "((Own)"."""
    if text.startswith("(("):
        return [text[1:]]
    if text.isdecimal():
        return [_genre(text, genres) or text]
    match = _NUMBERED.fullmatch(text)
    if match is None:
        return [text]
    found = [_genre(number, genres) or f"({number})" for number in match[1][1:-1].split(")(")]
    return [*found, match[2].strip().removeprefix("(" if match[2].startswith("((") else "")]


def _genre(number: str, genres: Sequence[str]) -> str:
    if number in _SPECIAL:
        return _SPECIAL[number]
    return genres[int(number)] if int(number) < len(genres) else ""


def year(texts: Iterable[str]) -> int | None:
    """Return the first year from 1000 to 2999 that stands in the texts.

    Examples
    --------
    >>> year(["0000"]), year(["12/05/1997"]), year(["2004-05-01T10:00"])
    (None, 1997, 2004)
    """
    return next((int(match[1]) for text in texts if (match := _YEAR.search(text))), None)


def number(texts: Iterable[str]) -> int | None:
    """Return the number of a track or disc, without how many there are; None for 0 and for what is none.

    Examples
    --------
    >>> number(["3/12"]), number(["007"]), number(["A1"]), number(["0"])
    (3, 7, None, None)
    """
    return next((int(match[1]) for text in texts if (match := _NUMBER.match(text)) and int(match[1])), None)


def tempo(texts: Iterable[str]) -> float | None:
    """Return beats per minute; None for what cannot be a tempo.

    Examples
    --------
    >>> tempo(["128,5"]), tempo(["0"]), tempo(["fast"])
    (128.5, None, None)
    """
    for text in texts:
        if (match := _DECIMAL.match(text)) and _BPM[0] <= (value := float(match[1].replace(",", "."))) <= _BPM[1]:
            return value
    return None
