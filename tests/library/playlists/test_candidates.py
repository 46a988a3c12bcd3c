"""What a playlist is chosen from."""

import numpy as np
import pytest
from playlist_tracks import catalogue, points

from earmark.errors import InputError
from earmark.library.playlists.candidates import Candidates, artist_key, check_rows, codes_of, far_apart


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Daft Punk", "daft punk"),
        ("DAFT  PUNK (feat. Pharrell Williams)", "daft punk"),
        ("Daft Punk ft. Pharrell", "daft punk"),
        ("Daft Punk featuring Nile Rodgers & Others", "daft punk"),
        ("Ｄａｆｔ Ｐｕｎｋ", "daft punk"),
        ("Straße", "strasse"),
        ("Feat. of Clay", "feat. of clay"),
        ("Little Feat", "little feat"),
        ("Craft", "craft"),
        ("Various Artists", ""),
        ("  ", ""),
    ],
)
def test_artists_are_compared_folded_and_without_guests(name: str, key: str) -> None:
    assert artist_key(name) == key


def test_unknown_artists_are_all_different() -> None:
    tracks = Candidates(points(5), artists=["", "A", "VA", "a feat. B", "B"])
    codes = tracks.artist_codes(np.arange(5)).tolist()
    assert codes[1] == codes[3] >= 0
    assert codes[4] >= 0
    assert codes[4] != codes[1]
    assert codes[0] < 0
    assert codes[2] < 0
    assert codes[0] != codes[2]
    assert len(set(Candidates(points(5)).artist_codes(np.arange(5)).tolist())) == 5
    assert codes_of([None, "x", None, "x"]).tolist() == [-1, 0, -3, 0]


def test_the_same_recording_stays_once() -> None:
    vectors = points(1200)
    vectors[900] = vectors[3]
    keep = far_apart(vectors, 0.01)
    assert not keep[900]
    assert keep.sum() == 1199
    assert far_apart(vectors, 0).all()
    tracks = Candidates(vectors, recordings=["a", None, "a", None] + [None] * 1196, same_below=0.01)
    keep = tracks.distinct(np.array([2, 0, 1, 3, 900]), vectors[[2, 0, 1, 3, 900]])
    assert keep.tolist() == [True, False, True, True, False]


def test_a_chain_of_near_duplicates_keeps_what_is_far_from_what_stays() -> None:
    angle = np.array([0.0, 0.08, 0.16, 0.24])
    vectors = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    assert far_apart(vectors, 0.1).tolist() == [True, False, True, False]


def test_says_which_rows_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"shape \(3,\), expected \(n, D\)"):
        Candidates(np.zeros(3, np.float32))
    with pytest.raises(InputError, match="artists: 2 rows, but there are 3 vectors"):
        Candidates(points(3), artists=["a", "b"])
    with pytest.raises(InputError, match="scores of 'calm': 4 rows"):
        Candidates(points(3), scores={"calm": np.zeros(4)})
    tracks = Candidates(points(3) * np.array([[1], [2], [1]], np.float32))
    assert tracks.take(np.array([0, 2])).dtype == np.float32
    with pytest.raises(InputError, match="vector 1 has the length 2, expected 1"):
        tracks.take(np.array([0, 1]))
    with pytest.raises(InputError, match="vector 0 has the length nan"):
        Candidates(np.full((1, 4), np.nan, np.float32)).take(np.array([0]))
    with pytest.raises(InputError, match="seed 7: there are 7 tracks, numbered from 0"):
        check_rows([0, 7], len(catalogue(7)), "seed")
