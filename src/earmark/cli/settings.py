"""Options of the form NAME=VALUE."""

import json
import re
from collections.abc import Iterable

from earmark.errors import UsageError

_WORDS = {"none": None, "null": None, "true": True, "false": False}

Plain = int | float | bool | str | None


def settings(option: str, texts: Iterable[str]) -> dict[str, Plain]:
    """Read values that were given as NAME=VALUE.

    Parameters
    ----------
    option : under which, for messages
    texts : as they were given

    Raises
    ------
    UsageError
        If one is not of this form, or a name comes twice with different values.
    """
    found: dict[str, Plain] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UsageError(f"{option} {text}: expected NAME=VALUE", hint=f"for instance {option} n_mels=96")
        if name in found and found[name] != literal(value):
            raise UsageError(f"{option}: {name} is given twice, {found[name]} and {value}")
        found[name] = literal(value)
    return found


def literal(text: str) -> Plain:
    """Read a number, true, false, none, or else text; text in double quotes is text whatever it says.

    Examples
    --------
    >>> [literal(text) for text in ("96", "1e-3", "true", "none", "slaney", '"96"')]
    [96, 0.001, True, None, 'slaney', '96']
    """
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text
