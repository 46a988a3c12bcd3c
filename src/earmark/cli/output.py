"""What commands write: data on stdout, words on stderr."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from earmark.errors import EarmarkError, EarmarkWarning
from earmark.progress import ProgressBar

if TYPE_CHECKING:
    from rich.console import Console

_RED, _YELLOW, _BLUE = "31", "33", "34"


def prepare_streams() -> None:
    """Let no name stop the output: what an encoding cannot hold is escaped; data that is piped is UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if stream.isatty():
            reconfigure(errors="backslashreplace")
        else:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def error(problem: EarmarkError) -> None:
    """Say what was wrong and what to do."""
    _say("error", _RED, problem.message)
    if problem.hint:
        _say("hint", _BLUE, problem.hint)


def warn(message: str) -> None:
    """Say what was odd."""
    _say("warning", _YELLOW, message)


def note(message: str) -> None:
    """Say something on stderr."""
    sys.stderr.write(printable(message, lines=True) + "\n")


def _say(kind: str, colour: str, message: str) -> None:
    head = f"\x1b[1;{colour}m{kind}:\x1b[0m" if _is_colourful(sys.stderr) else f"{kind}:"
    sys.stderr.write(f"{head} {printable(message, lines=True)}\n")


def _is_colourful(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def counted(n: int, what: str) -> str:
    """Say how many there are of something.

    Examples
    --------
    >>> counted(1, "track"), counted(1200, "track")
    ('1 track', '1,200 tracks')
    """
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def printable(text: str, *, lines: bool = False) -> str:
    """Put � in place of bytes that are no text, and escape control characters: nothing plays with the terminal.

    Parameters
    ----------
    text : such as the name of a file
    lines : keep the ends of lines

    Examples
    --------
    >>> printable("caf\\udce9 \\x1b[2J")
    'caf� \\\\x1b[2J'
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c == "\n") else repr(c)[1:-1] for c in text)


@contextmanager
def worded_warnings() -> Iterator[None]:
    """Print the library's warnings as words, not as places in its code."""
    with warnings.catch_warnings():
        original = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, EarmarkWarning):
                warn(str(message))
            else:
                original(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        warnings.simplefilter("always", EarmarkWarning)
        yield


def console() -> "Console":
    """Return the terminal on stdout, for tables."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


@contextmanager
def download_progress(*, quiet: bool, label: str = "weights") -> Iterator[Callable[[int, int | None], None]]:
    """Give a function that shows how far a download is."""
    with ProgressBar(f"fetching {label}", enabled=False if quiet else None) as bar:

        def show(done: int, total: int | None) -> None:
            text = f"{done / 1e6:.1f} MB" if total is None else f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
            bar.update(done / total if total else None, text)

        yield show
