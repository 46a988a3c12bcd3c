"""The parameters of a player's request: in the address, in a form that is posted, or in both."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from earmark.service.players.failures import GENERIC, MISSING, Failure

_MOST = 100_000  # parameters of one request: a playlist sends its songs one by one
_BIGGEST = 1 << 53


class Parameters:
    """Names and values; a name may come several times.

    Parameters
    ----------
    pairs : in the order in which they came

    Examples
    --------
    >>> given = read_parameters(b"id=1&id=2&size=7", b"name=a+b")
    >>> given.all("id"), given.number("size", 10, most=5), given.need("name"), given.get("x")
    (['1', '2'], 5, 'a b', None)
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str | None:
        """Return the first value of a name; None if there is none."""
        values = self._values.get(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Return every value of a name."""
        return list(self._values.get(name, ()))

    def need(self, name: str) -> str:
        """Return the first value of a name.

        Raises
        ------
        Failure
            If there is none.
        """
        value = self.get(name)
        if not value:
            raise Failure(MISSING, f"required parameter is missing: {name}")
        return value

    def number(self, name: str, default: int, *, least: int = 0, most: int = _BIGGEST) -> int:
        """Return a whole number.

        Parameters
        ----------
        name : of the parameter
        default : where it is not given
        least : less than this is a mistake
        most : more than this counts as this, as Subsonic has it

        Raises
        ------
        Failure
            If it is no whole number, or less than `least`.
        """
        text = self.get(name)
        if text is None or text == "":
            return default
        number = whole(name, text)
        if number < least:
            raise Failure(GENERIC, f"{name} is {number}, expected {least} or more")
        return min(number, most)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether a parameter says yes."""
        text = (self.get(name) or "").strip().lower()
        if text in ("true", "1", "yes"):
            return True
        return False if text in ("false", "0", "no") else default


def whole(name: str, text: str) -> int:
    """Read a whole number.

    Raises
    ------
    Failure
        If it is none.
    """
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
        raise Failure(GENERIC, f"{name} is {text[:40]!r}, expected a whole number")
    return int(text)


def read_parameters(*texts: bytes) -> Parameters:
    """Read parameters that are written as in an address.

    Raises
    ------
    Failure
        If there are too many.
    """
    pairs: list[tuple[str, str]] = []
    for text in texts:
        try:
            pairs += parse_qsl(
                text.decode("ascii", "replace"), keep_blank_values=True, errors="replace", max_num_fields=_MOST
            )
        except ValueError as error:
            raise Failure(GENERIC, f"more than {_MOST} parameters, which are not taken here") from error
    return Parameters([(name, value.replace("\0", "")) for name, value in pairs])


def described(**fields: str) -> dict[str, Any]:
    """Describe parameters in an address for the OpenAPI document; each may be left out."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "description": what, "schema": {"type": "string"}}
            for name, what in fields.items()
        ]
    }
