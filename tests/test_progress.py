"""The progress bar: what it draws, when, and that it leaves nothing behind."""

import io

import pytest

from earmark.progress import ProgressBar, bar, clock_text


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_nothing_is_drawn_where_nobody_looks() -> None:
    stream = io.StringIO()
    with ProgressBar("tagging", stream=stream) as progress:
        progress.update(0.5, "half")
    assert stream.getvalue() == ""


def test_time_left_follows_from_what_is_done() -> None:
    stream, clock = Terminal(), Clock()
    progress = ProgressBar("tagging", stream=stream, clock=clock)
    clock.now = 30
    progress.update(0.25, "1/4 files")
    last = stream.getvalue().split("\r\x1b[2K")[-1]
    assert last.startswith("tagging  ━")
    assert last.endswith("1/4 files  1:30 left")
    progress.restart()
    clock.now = 31
    progress.update(0.5, force=True)
    assert stream.getvalue().endswith("0:01 left")


def test_drawing_is_rare_and_ends_clean() -> None:
    stream, clock = Terminal(), Clock()
    with ProgressBar("tagging", stream=stream, clock=clock) as progress:
        for i in range(50):
            clock.now += 0.01
            progress.update(i / 50)
        n_drawn = stream.getvalue().count("tagging")
        with progress.hidden():
            assert stream.getvalue().endswith("\r\x1b[2K")
        assert stream.getvalue().count("tagging") == n_drawn + 1
    assert n_drawn <= 6
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_a_narrow_terminal_is_not_overrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    ProgressBar("tagging", stream=stream).update(0.5, "a note that is much too long for this terminal")
    assert len(stream.getvalue().removeprefix("\r\x1b[2K")) <= 29


@pytest.mark.parametrize(
    ("fraction", "drawn"), [(0, "────"), (0.06, "────"), (0.13, "╸───"), (0.5, "━━──"), (1, "━━━━"), (7, "━━━━")]
)
def test_bars_have_half_steps(fraction: float, drawn: str) -> None:
    assert bar(fraction, 4) == drawn


def test_clock() -> None:
    assert [clock_text(s) for s in (0, 59.6, 3599, 3600)] == ["0:00", "1:00", "59:59", "1:00:00"]
