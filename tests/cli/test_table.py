"""The table for people: readable without colour, in narrow terminals, with any name."""

import io

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from earmark.cli.table import print_table
from earmark.track_tags import Tag, TrackTags

TAGS = (
    Tag("jazz", "genre", 0.8373, 12.25, 0.98, 10.4),
    Tag("piano", "instrument", 0.715, 9.0, 0.84, 13.4),
    Tag("easy listening", "genre", 0.25, 1.4, 0.5, 3605.0),
    Tag("slow", "other", 0.05, None, 0.25, 7.5),
)


def drawn(width: int, *, path: str = "music/song.mp3", tags: tuple[Tag, ...] = TAGS, encoding: str = "utf-8") -> str:
    empty = np.zeros((0, len(tags)), np.float32)
    result = TrackTags(path, 83.0, tags, empty, np.zeros((0, 2)), np.zeros(0, np.float32), "standard", ("m",))
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, highlight=False, markup=False, soft_wrap=True)
    print_table(console, result, tags)
    file.seek(0)
    return file.read()


def test_the_whole_table() -> None:
    assert drawn(74).splitlines() == [
        "music/song.mp3",
        "1:23 · standard                              score  × usual        peak at",
        "genre       jazz            ━━━━━━━━━━━━━╸──  0.84     12.2  0.98     0:10",
        "            easy listening  ━━━━────────────  0.25      1.4  0.50  1:00:05",
        "instrument  piano           ━━━━━━━━━━━╸────  0.71      9.0  0.84     0:13",
        "other       slow            ━───────────────  0.05           0.25     0:08",
    ]


@pytest.mark.parametrize("width", [20, 30, 38, 45, 52, 60, 70, 80, 120, 300])
@pytest.mark.parametrize("path", ["music/song.mp3", "音楽/" * 40 + "曲.mp3", "x" * 300])
def test_no_line_is_wider_than_the_terminal(width: int, path: str) -> None:
    lines = drawn(width, path=path).splitlines()
    assert all(cell_len(line) <= width for line in lines), lines
    assert all(f"{tag.score:.2f}" in "".join(lines) for tag in TAGS)
    assert any(line.endswith((".mp3", "x" * 5)) for line in lines[:1])


def test_names_cannot_play_with_the_terminal() -> None:
    text = drawn(80, path="a\n\x1b[2Jcaf\udce9.mp3")
    assert text.startswith("a\\n\\x1b[2Jcaf\ufffd.mp3\n")


def test_without_unicode_bars_are_ascii() -> None:
    text = drawn(80, path="song.mp3", encoding="latin-1")
    assert "##################----  0.84" in text


def test_a_track_without_a_tag_to_show() -> None:
    assert drawn(80, tags=()) == "music/song.mp3\n1:23 · standard · no tag to show\n"
