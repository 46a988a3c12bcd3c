"""One progress bar for all long work: a line on stderr, silent when that is not a terminal."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

INTERVAL = 0.1  # seconds between two drawings
WARM_UP = 0.5  # seconds before a time left is given


class ProgressBar:
    """A bar with what is done, a note, and the time left.

    Parameters
    ----------
    label : what is being done
    enabled : False draws nothing; by default whether `stream` is a terminal
    stream : where to; stderr unless given
    clock : tells the time in seconds
    """

    def __init__(
        self,
        label: str,
        *,
        enabled: bool | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.enabled = self._stream.isatty() if enabled is None else enabled
        self.label = label
        self._clock = clock
        self._begun = clock()
        self._drawn = float("-inf")
        self._line: tuple[float | None, str] = (0.0, "")
        self._visible = False

    def restart(self) -> None:
        """Count the time from now on: what came before was no part of the work."""
        self._begun = self._clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self._clock() - self._begun

    def update(self, fraction: float | None, note: str = "", *, force: bool = False) -> None:
        """Show how far the work is.

        Parameters
        ----------
        fraction : in [0, 1]; None where that is not known
        note : what else there is to say
        force : draw even if the last drawing was just before
        """
        self._line = (fraction, note)
        if self.enabled and (force or self._clock() - self._drawn >= INTERVAL):
            self._draw()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away while something else is written to the terminal."""
        was_visible = self._visible
        self.clear()
        yield
        if was_visible:
            self._draw()

    def clear(self) -> None:
        """Take the bar away."""
        if self._visible:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._visible = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _draw(self) -> None:
        self._drawn = self._clock()
        fraction, note = self._line
        width = max(shutil.get_terminal_size().columns - 1, 10)
        parts = [self.label]
        if fraction is not None:
            length = min(24, max(0, width - 60))
            if length >= 8:
                parts.append(bar(fraction, length, ascii_only=not _is_unicode(self._stream)))
        parts += [note] if note else []
        left = self._left(fraction)
        parts += [f"{clock_text(left)} left"] if left is not None else []
        self._stream.write("\r\x1b[2K" + "  ".join(parts)[:width])
        self._stream.flush()
        self._visible = True

    def _left(self, fraction: float | None) -> float | None:
        if not fraction or fraction < 0.005 or self.elapsed < WARM_UP:
            return None
        return self.elapsed * (1 - min(fraction, 1.0)) / fraction


def bar(fraction: float, length: int, *, ascii_only: bool = False) -> str:
    """Draw a bar in half characters: heavy what is there, light what is not.

    Examples
    --------
    >>> bar(0.55, 10), bar(0.5, 4, ascii_only=True)
    ('━━━━━╸────', '##--')
    """
    full, half, rest = ("#", "", "-") if ascii_only else ("━", "╸", "─")
    halves = round(2 * length * min(max(fraction, 0.0), 1.0))
    text = full * (halves // 2) + half * (halves % 2)
    return text + rest * (length - len(text))


def clock_text(seconds: float) -> str:
    """Write a time as minutes and seconds, or hours, minutes and seconds.

    Examples
    --------
    >>> clock_text(83.4), clock_text(36_000)
    ('1:23', '10:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _is_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().startswith("utf")
