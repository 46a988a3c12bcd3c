"""Likes are found in a catalogue, and others are not taken for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.library.matching import artists_of, match_likes, plain_artist, plain_title, takes_of
from earmark.library.schema import TRACKS
from earmark.library.store import Store
from earmark.sources.likes import Like

from .conftest import track_id, track_row

SONGS = [
    ("The Beatles", "Don't Let Me Down", 213.0),
    ("Beyoncé", "Halo", 261.0),
    ("Simon & Garfunkel", "The Boxer", 308.0),
    ("AC/DC", "Back in Black (2003 Remaster)", 255.0),
    ("Nirvana", "Polly", 177.0),
    ("Nirvana", "Polly (Live)", 180.0),
    ("Vivaldi", "Concerto No. 1 in E major", 210.0),
    ("Vivaldi", "Concerto No. 2 in G minor", 213.0),
    ("王菲", "红豆", 255.0),
    ("Yes", "Sign", 100.0),
]


@pytest.fixture
def songs(store: Store) -> Store:
    rows = []
    for i, (artist, title, seconds) in enumerate(SONGS):
        mbid = f"{i:08d}-0000-4000-8000-000000000000"
        row = track_row(i, artist=artist, title=title, isrc=f"GBAYE690000{i}", mb_recording_id=mbid)
        rows.append({**row, "duration": seconds})
    store.put(TRACKS, rows)
    return store


def found(store: Store, artist: str, title: str, **facts: object) -> tuple[int, str] | None:
    matches = match_likes(store, [Like(artist, title, **facts)])  # type: ignore[arg-type]
    return (int(matches[0].id, 16), matches[0].by) if matches else None


def test_identifiers_decide(songs: Store) -> None:
    assert found(songs, "anybody", "anything", isrc="gb-aye-69-00004") == (4, "isrc")
    mbid = "00000002-0000-4000-8000-000000000000"
    assert found(songs, "", "", mb_recording_id=mbid.upper()) == (2, "mbid")
    assert found(songs, "Nirvana", "Polly", isrc="USXXX0000000") == (4, "name")


@pytest.mark.parametrize(
    ("artist", "title", "expected"),
    [
        ("beatles", "dont let me down", 0),
        ("The Beatles feat. Billy Preston", "Don't Let Me Down - Remastered 2009", 0),
        ("BEYONCE", "Halo", 1),
        ("Simon and Garfunkel", "The Boxer", 2),
        ("Paul Simon, Garfunkel", "The Boxer", 2),
        ("ACDC", "Back In Black", 3),
        ("Nirvana", "Polly", 4),
        ("Nirvana", "Polly - Live", 5),
        ("Vivaldi", "Concerto no 2 in g minor", 7),
        ("王菲", "红豆", 8),
    ],
)
def test_the_same_names_in_other_spellings(songs: Store, artist: str, title: str, expected: int) -> None:
    assert found(songs, artist, title) == (expected, "name")


def test_nearly_the_same_names(songs: Store) -> None:
    assert found(songs, "The Beatels", "Don't Let Me Down") == (0, "similar name")
    assert found(songs, "Simon & Garfunkel", "The Boxerr", duration=310.0) == (2, "similar name")
    [match] = match_likes(songs, [Like("The Beatels", "Don't Let Me Down")])
    assert 0.85 <= match.similarity < 1


@pytest.mark.parametrize(
    ("artist", "title", "facts"),
    [
        ("The Beatles", "Let It Be", {}),
        ("Beyoncé", "Halo", {"duration": 180.0}),  # another recording
        ("Nirvana", "Polly (Acoustic)", {}),
        ("Vivaldi", "Concerto No. 3 in E major", {}),
        ("Yet", "Sign", {}),
        ("Yes", "Sigh", {}),
        ("Somebody", "The Boxer", {}),
        ("", "The Boxer", {}),
        ("Simon & Garfunkel", "", {}),
    ],
)
def test_other_songs_are_not_taken_for_them(songs: Store, artist: str, title: str, facts: dict[str, float]) -> None:
    assert found(songs, artist, title, **facts) is None


def test_matches_come_in_order_with_the_place_of_the_like(songs: Store) -> None:
    matches = match_likes(songs, [Like("x", "y"), Like("Yes", "Sign"), Like("Beyoncé", "Halo")])
    assert [(match.like, match.id) for match in matches] == [(1, track_id(9)), (2, track_id(1))]


@given(st.text(max_size=30))
def test_any_text_is_a_name(text: str) -> None:
    assert plain_title(plain_title(text)) is not None
    assert plain_artist(text) == plain_artist(text.upper().lower()) or not text.isascii()
    assert plain_artist(text) in artists_of(text)
    assert takes_of(text) <= {"live", "remix", "acoustic", "instrumental", "karaoke", "cover", "demo"}
