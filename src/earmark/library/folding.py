"""Text as searches compare it: upper case, accents and runs of spaces make no difference.

The catalogue keeps folded twins of its text columns, and a pattern is folded before it is compared, both by `fold`. So
"beyonce" finds "Beyoncé", in whichever of Unicode's two ways the accent was written.
"""

import re
import unicodedata
from collections.abc import Iterable

LINE = "\n"  # between the paths of a track: no folded text holds one
_MARKS = re.compile("[\u0300-\u036f]")  # accents of Latin, Greek and Cyrillic; the marks of other scripts are letters
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_SURROGATES = re.compile("[\ud800-\udfff]")  # bytes of a path that are no text


def fold(text: str) -> str:
    """Write a text in the form in which texts are compared.

    Examples
    --------
    >>> fold("  Sigur  Rós "), fold("STRAẞE"), fold("ＡＢＢＡ")
    ('sigur ros', 'strasse', 'abba')
    """
    return fold_part(text).strip()


def fold_part(text: str) -> str:
    """Fold a part of a text: a space at its beginning or end counts."""
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
        for _ in range(2):  # taking apart may bring up upper case, folding that may bring up accents
            text = unicodedata.normalize("NFKD", text).casefold()
        text = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", text)))
    return _SPACES.sub(" ", text.lower())


def path_text(paths: Iterable[str]) -> str:
    """Fold the paths of a track into one text, a line each; the catalogue keeps it in the column of that name."""
    return LINE.join(fold(path) for path in paths)
