"""Folded text: what makes no difference, and that folding twice changes nothing."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.library.folding import fold, fold_part, path_text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Beyoncé", "beyonce"),
        ("Beyonce\u0301", "BEYONCÉ"),
        ("Straße", "STRASSE"),
        ("ＡＢＢＡ", "abba"),
        ("İstanbul", "istanbul"),
        ("Ёлка", "елка"),
        ("  So\tWhat\n", "so what"),
        ("ﬁne", "FINE"),
    ],
)
def test_what_makes_no_difference(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("が", "か"), ("AC/DC", "ACDC"), ("naïve", "nave"), ("한", "하")])
def test_what_makes_one(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text)
    assert fold(once) == once
    assert "\n" not in once
    assert "\0" not in once


@given(st.text(max_size=20))
def test_a_part_keeps_its_edges(text: str) -> None:
    assert fold_part(text).strip() == fold(text)
    assert fold_part(f"a {text} b").startswith("a ")


def test_paths_stand_in_lines_whatever_their_bytes() -> None:
    odd = os.fsdecode(b"/Music/\xe9t\xe9\n.MP3")
    assert path_text(["/Music/A.mp3", odd]) == "/music/a.mp3\n/music/\ufffdt\ufffd .mp3"
    assert path_text([]) == ""
