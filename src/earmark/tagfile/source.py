"""What one tag of a file holds, before anybody says what it means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from earmark.tagfile.fields import names_of
from earmark.tagfile.values import clean

_MAX_CHARACTERS = 1 << 20  # longer values are no text: pictures in base64, and the like
_PICTURES = {"METADATA_BLOCK_PICTURE", "COVERART"}


@dataclass(frozen=True)
class Source:
    """One tag.

    Parameters
    ----------
    family : one of `fields.FAMILIES`
    kind : of the tag, such as "ID3v2.3"
    fields : texts by the tag's own names
    problem : what could not be read; "" if all could
    slash : whether "/" joins values, as in ID3v2.3
    """

    family: str
    kind: str
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""
    slash: bool = False

    def find(self, meaning: str) -> tuple[str, ...]:
        """Return the values of the first of a meaning's fields that has any; capitals do not matter."""
        folded: dict[str, tuple[str, ...]] = {}
        for name, values in self.fields.items():
            folded[name.casefold()] = folded.get(name.casefold(), ()) + values
        for name in names_of(meaning, self.family):
            if values := folded.get(name.casefold(), ()):
                return values
        return ()


class Gathering:
    """Fields as they are found.

    Attributes
    ----------
    fields : texts by name
    """

    def __init__(self) -> None:
        self.fields: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, texts: Iterable[str]) -> None:
        """Add values to a field; empty ones, and those that are no text, are left out."""
        values = clean(text for text in texts if len(text) <= _MAX_CHARACTERS)
        (name,) = clean([name.replace("\0", " ")]) or ("",)
        if values and name and name.upper() not in _PICTURES:
            self.fields[name] = self.fields.get(name, ()) + values


def failure(error: Exception) -> str:
    """Say in words what a parser raised."""
    return str(error).strip() or type(error).__name__
