"""Odd answers: whatever a service or a table holds, nothing crashes and nothing is invented."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.errors import InputError, UsageError
from earmark.sources.answers import (
    as_list,
    as_mapping,
    as_mbid,
    as_number,
    as_seconds,
    as_text,
    as_url,
    check_limit,
    check_user,
    kept_likes,
    tag_weights,
    take,
    united,
)
from earmark.sources.cache import DAY, Cache
from earmark.sources.lastfm import read_track
from earmark.sources.likes import Like, Likes
from earmark.sources.likes_csv import read_likes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("name", "artist", "playcount", "mbid", "duration", "url")


@given(JSON)
def test_any_value_is_made_plain(value: Any) -> None:
    assert as_text(value) == as_text(value).strip()
    as_text(value).encode("utf-8")
    assert isinstance(as_list(value), list)
    assert all(isinstance(name, str) for name in as_mapping(value))
    number = as_number(value)
    assert number is None or abs(number) < float("inf")
    seconds = as_seconds(value)
    assert seconds is None or seconds > 0
    assert as_mbid(value) == ""
    assert as_url(value) == "" or as_url(value).startswith("http")


@given(st.lists(st.tuples(JSON, JSON), max_size=6))
def test_weights_lie_where_they_should(pairs: list[tuple[Any, Any]]) -> None:
    weights = tag_weights(pairs)
    assert all(0 < weight <= 1 for weight in weights.values())
    assert list(weights.values()) == sorted(weights.values(), reverse=True)
    assert not weights or max(weights.values()) == 1


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_any_entry_of_lastfm_is_read_or_left_out(entry: Any) -> None:
    like = read_track(entry)
    if like is not None:
        assert like.title
        assert like.weight > 0
        json.dumps(like.to_dict(), allow_nan=False).encode("utf-8")


@given(st.binary(max_size=60) | st.text(alphabet='artist,tle;\t"\n\r\0x1é', max_size=60).map(str.encode))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_file_is_a_table_or_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    for head in (b"", b"artist,title,plays\n"):
        path.write_bytes(head + content)
        try:
            likes = read_likes(path).likes
        except InputError:
            continue
        assert all(like.title or like.isrc or like.mb_recording_id for like in likes)


def test_the_first_of_a_recording_gets_what_it_lacks() -> None:
    first = Like("Cher", "Believe", weight=2.0, tags={"pop": 1.0})
    other = Like("CHER", "believe", album="Believe", isrc="GBAYE0601477", weight=3.0, tags={"dance": 1.0})
    assert united([first, other]) == [
        Like("Cher", "Believe", album="Believe", isrc="GBAYE0601477", weight=5.0, tags={"pop": 1.0})
    ]
    assert len(united([Like("", "", isrc="GBAYE0601477"), other])) == 1
    assert len(united([Like("A", "x"), Like("B", "x")])) == 2
    assert [like.weight for like in take([first, other], 1, by_weight=True)] == [3.0]


def test_kept_likes_are_the_same_and_damaged_ones_are_made_again() -> None:
    cache, made = Cache("test", DAY), []

    def make() -> Likes:
        made.append(1)
        return Likes("anna", "test", (Like("Cher", "Believe", tags={"pop": 1.0}, duration=3.5),), notice="n")

    first = kept_likes(cache, "anna", "k", make, None)
    assert kept_likes(cache, "anna", "k", make, None) == first
    assert len(made) == 1
    for damaged in ([], {"likes": 3}, {"likes": [{"odd": 1}]}, {"likes": [], "odd": 1}, None):
        cache.put("anna", "k", damaged)
        assert kept_likes(cache, "anna", "k", make, None) == first
    assert len(made) == 6


def test_names_and_numbers_are_checked() -> None:
    assert check_user(" anna ") == "anna"
    with pytest.raises(UsageError, match="is empty"):
        check_user(" ")
    with pytest.raises(UsageError, match="limit=0: expected at least 1"):
        check_limit(0)
