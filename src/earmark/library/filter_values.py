"""The values that a filter compares with: numbers in their units, and musical keys in several notations."""

import math
import re
from fractions import Fraction

from earmark.errors import UnknownNameError
from earmark.library.filter_nodes import NUMBERS, And, Compare, Comparison, KeyIn, Node, Place

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:\.\d{1,6})?)")
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([a-z/]*)")
HIGHEST = 2**31 - 1  # that a column of whole numbers holds

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_KEY = re.compile(r"([A-Ga-g])\s*([#♯b♭]?)[\s_-]*(m|M|(?i:minor|min|major|maj)|)")
_WHEEL = re.compile(r"(\d{1,2})\s*([ABabdmDM])")
_KEY_HINT = "such as Am, A minor, F#m, Bb, 8A (Camelot), 1m (Open Key), minor, or compatible(8A)"


def read_number(name: str, text: str, place: Place) -> tuple[Fraction, Fraction]:
    """Read a number of a field.

    Returns
    -------
    the number in the unit of the field, and half of the unit of its last digit
    """
    about = NUMBERS[name]
    folded = text.strip().lower()
    clock = _CLOCK.fullmatch(folded) if name == "duration" else None
    if clock is not None:
        hours, minutes, seconds = (Fraction(part or 0) for part in clock.groups())
        return hours * 3600 + minutes * 60 + seconds, _half(clock[3])
    units = dict(about.units)
    total = half = Fraction(0)
    smallest = math.inf
    at = 0
    while at < len(folded):
        part = _PART.match(folded, at)
        if part is None or (part[2] and part[2] not in units) or (at and not part[2]):
            raise place.error(f"{name} takes a number ({about.unit}), not {text!r}")
        scale = Fraction(units[part[2]] if part[2] else 1000 if Fraction(part[1]) < about.small else 1)
        if scale >= smallest:
            raise place.error(f"{name} takes a number ({about.unit}), not {text!r}", hint="larger units come first")
        smallest, half = float(scale), scale * _half(part[1])
        total += scale * Fraction(part[1])
        at = part.end()
        while at < len(folded) and folded[at] == " ":
            at += 1
    if not folded or total > HIGHEST:
        raise place.error(f"{name} takes a number ({about.unit}) up to {HIGHEST}, not {text!r}")
    return total, half


def compared(name: str, operator: Comparison, text: str, place: Place) -> Node:
    """Return a comparison with the number that a text tells. Equal means: to the digits that were written."""
    value, half = read_number(name, text, place)
    whole = NUMBERS[name].is_whole
    if operator == "=":
        if whole and value.denominator == 1 and half <= Fraction(1, 2):
            return Compare(name, "=", int(value))
        return And((_compare(name, ">=", value - half), _compare(name, "<", value + half)))
    if whole and value.denominator != 1:
        raise place.error(f"{name} takes whole numbers, not {text!r}")
    return _compare(name, operator, value)


def between(name: str, low: str, high: str, place: Place) -> Node:
    """Return a range with both of its ends; an end that is left out is open."""
    ends: tuple[tuple[Comparison, str], ...] = ((">=", low), ("<=", high))
    parts = [compared(name, operator, end, place) for operator, end in ends if end.strip()]
    if not parts:
        raise place.error("a range has at least one end", hint=f"{name} in 1..2, {name} in 1.. or {name} in ..2")
    if low.strip() and high.strip() and read_number(name, low, place)[0] > read_number(name, high, place)[0]:
        raise place.error("the range ends before it begins", hint=f"{name} in {high.strip()}..{low.strip()}")
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _compare(name: str, operator: Comparison, value: Fraction) -> Compare:
    return Compare(name, operator, math.ceil(value) if NUMBERS[name].is_whole else float(value))


def _half(digits: str) -> Fraction:
    return Fraction(1, 2 * 10 ** len(digits.partition(".")[2]))


# Keys -----------------------------------------------------------------------------------------------------------------


def key_in(text: str, place: Place, *, compatible: bool = False) -> KeyIn:
    """Read a key, in any of the usual notations.

    Parameters
    ----------
    text : "Am", "A minor", "8A" (Camelot), "1m" (Open Key); "minor" and "major" are all keys of that kind
    place : for errors
    compatible : take also the keys that a DJ mixes it with: its relative, and its neighbours on the circle of fifths

    Raises
    ------
    UnknownNameError
        If it is no key.
    """
    folded = text.strip().lower()
    if folded in ("minor", "major") and not compatible:
        return KeyIn(tuple(f"{tonic} {folded}" for tonic in TONICS))
    found = _read_key(text.strip())
    if found is None:
        error = UnknownNameError("key", text, ())
        error.hint = _KEY_HINT
        raise place.point(error)
    tonic, minor = found
    keys = [(tonic, minor)]
    if compatible:
        relative = (tonic + 3) % 12 if minor else (tonic - 3) % 12
        keys += [((tonic - 7) % 12, minor), ((tonic + 7) % 12, minor), (relative, not minor)]
    return KeyIn(tuple(f"{TONICS[step]} {'minor' if kind else 'major'}" for step, kind in keys))


def key_spellings(key: str) -> tuple[str, ...]:
    """Return the names of a key: those with black keys have two."""
    tonic, _, mode = key.partition(" ")
    return (key, f"{FLATS[tonic]} {mode}") if tonic in FLATS else (key,)


def _read_key(text: str) -> tuple[int, bool] | None:
    """Return the tonic, semitones above C, and whether the key is minor; None if it is no key."""
    wheel = _WHEEL.fullmatch(text)
    if wheel is not None and 1 <= int(wheel[1]) <= 12:
        letter = wheel[2].lower()
        fifths = int(wheel[1]) - (8 if letter in "ab" else 1)  # 8B and 1d are C major
        minor = letter in "am"
        return (fifths * 7 - 3 * minor) % 12, minor
    name = _KEY.fullmatch(text)
    if name is None:
        return None
    sign = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[name[2]]
    return (_STEPS[name[1].upper()] + sign) % 12, name[3] == "m" or name[3].lower() in ("min", "minor")
