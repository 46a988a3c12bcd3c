"""Axes are where they say, and a page fetches nothing."""

import re
from pathlib import Path

import numpy as np
import pytest

from earmark.audio.filters import mel_to_hz
from earmark.explain.pages.parts import (
    Axis,
    curves,
    figure,
    mark,
    mel_axis,
    outline,
    page,
    panel,
    player,
    table,
    time_axis,
    write_page,
)
from earmark.plots.templates import digest


def test_times_stand_where_they_are() -> None:
    assert time_axis(10.0, 40.0).ticks == (
        (0.0, "0:10"),
        *((pytest.approx(i / 6), f"0:{10 + 5 * i}") for i in range(1, 7)),
    )
    assert len(time_axis(0.0, 7200.0).ticks) <= 9
    assert time_axis(0.2, 0.9).ticks[0] == (pytest.approx(0.0), "0.2 s")


def test_frequencies_stand_at_their_mel() -> None:
    for at, text in mel_axis(0.0, 8000.0).ticks:
        hertz = float(text.split()[0]) * (1000 if "k" in text else 1)
        assert mel_to_hz(np.array(at * 45.2460115))[()] == pytest.approx(hertz, rel=0.01)  # 8 kHz are 45.2 mel (Slaney)


def test_what_is_no_number_is_left_out_of_a_curve() -> None:
    drawn = curves([(np.array([0.0, 0.5, 1.0]), np.array([0.0, np.nan, 1.0]), "first")])
    assert 'points="0.0,1000.0 1000.0,0.0"' in drawn


def test_an_outline_goes_round_the_waveform() -> None:
    assert outline(np.array([[-1.0, -1.0], [1.0, 1.0]])).count(",") == 4
    assert "nan" not in outline(np.zeros((2, 3)))


def test_names_are_never_read_as_html(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>'
    text = page(evil, [panel("", label=evil, x=time_axis(0, 3)), player("data:,", label=evil)], end=3.0)
    assert "<script>alert" not in text
    write_page(tmp_path / "page.html", text)
    assert (tmp_path / "page.html").read_text() == text


def test_a_page_allows_its_own_style_and_script_alone() -> None:
    text = page("x", [figure(table(["a", "b"], [["c", "1"]]), "d")])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert inside is not None
        assert digest(inside[1]) in policy[1].replace("&#x27;", "'")
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "http" not in text.replace("http-equiv", "")


def test_panels_of_a_part_of_the_song_say_which() -> None:
    assert 'class="panel timed" role="img" aria-label="a" data-start="1.500" data-end="4.000"' in panel(
        "", label="a", span=(1.5, 4.0)
    )
    assert "data-start" not in panel("", label="a", is_timed=True)
    assert mark(0.25, 0.5) == '<i class="mark" style="left:25.00%;width:25.00%"></i>'


def test_ticks_are_never_written_over_one_another() -> None:
    ticks = Axis(((0.0, "a"), (0.05, "b"), (0.5, "c"), (1.0, "d")))
    assert [text in panel("", label="", y=ticks, height=100) for text in (">a<", ">b<", ">c<", ">d<")] == [
        False, True, True, True,
    ]  # fmt: skip
    assert panel("", label="", y=ticks, height=400).count("<span") == 4


def test_moments_late_in_a_song_are_told_in_minutes() -> None:
    assert [text for _, text in time_axis(62.0, 63.0).ticks][:2] == ["1:02.0", "1:02.2"]
