"""Text in pictures: times, long names, and characters that no font has."""

from collections.abc import Sequence

# Tried in turn for a character; whichever of them the machine has. DejaVu Sans comes with matplotlib.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "PingFang SC",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)


def clock(seconds: float, *, like: float | None = None) -> str:
    """Write a time as minutes and seconds, or hours, minutes and seconds.

    Parameters
    ----------
    seconds : a time
    like : write hours if this time has them; `seconds` itself when None

    Examples
    --------
    >>> clock(83.4), clock(36_000), clock(60, like=36_000)
    ('1:23', '10:00:00', '0:01:00')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if max(whole, round(like or 0)) < 3600:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def shorten(text: str, length: int) -> str:
    """Cut a long text in its middle, so that its end stays."""
    return text if len(text) <= length else f"{text[: length - 9]}…{text[-8:]}"


def fonts() -> list[str]:
    """List those of `FONTS` that the machine has."""
    from matplotlib.font_manager import fontManager

    present = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in present]


def printable(text: str, families: Sequence[str]) -> str:
    """Put a box in the place of every character that no font has, so that drawing never warns."""
    if text.isascii() and text.isprintable():
        return text
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known: set[int] = set()
    for family in families:
        known.update(get_font(findfont(FontProperties(family=[family], weight="bold"))).get_charmap())
    return "".join(character if character.isprintable() and ord(character) in known else "□" for character in text)
