"""The index over words: every word once, whatever the parts; and pairs with the offset that most speaks for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark.errors import InputError
from earmark.library import word_index
from earmark.library.word_index import Prints, candidates, laid_down

Words = NDArray[np.uint32]


@contextmanager
def prints_of(tracks: Sequence[Words]) -> Iterator[Prints]:
    with laid_down([str(i) for i in range(len(tracks))], tracks, None, lambda step, done: None) as prints:
        yield prints


def found(tracks: Sequence[Words], least: float = 0.8) -> dict[tuple[int, int], int]:
    with prints_of(tracks) as prints:
        pairs, offsets = candidates(prints, least, lambda step, done: None)
    return {(i, j): offset for (i, j), offset in zip(pairs.tolist(), offsets.tolist(), strict=True)}


def words(seed: int, n: int) -> Words:
    return np.random.default_rng(seed).integers(1, 1 << 32, n, dtype=np.uint32)


def test_fingerprints_lie_one_behind_the_other(tmp_path: Path) -> None:
    tracks = [words(1, 5), np.zeros(0, dtype=np.uint32), np.array([0, 7, 0], dtype=np.uint32)]
    told: list[tuple[str, float]] = []
    with laid_down(["a", "b", "c"], tracks, tmp_path, lambda *step: told.append(step)) as prints:
        assert len(prints) == 3
        for i, track in enumerate(tracks):
            np.testing.assert_array_equal(prints[i], track)
        assert prints.heard.tolist() == [5, 0, 1]
        assert prints.tracks_of(np.array([0, 4, 5, 7])).tolist() == [0, 0, 2, 2]
    assert told == [("reading", 1.0)]
    assert list(tmp_path.iterdir()) == []


def test_more_words_than_can_be_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "cumsum", lambda *_, **__: np.array([0, 1 << 32]))
    with pytest.raises(InputError, match="152,710 hours"), prints_of([words(1, 5)]):
        pass


small = st.lists(
    st.lists(st.integers(0, 12), max_size=30).map(lambda values: np.array(values, dtype=np.uint32)), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(tracks=small, n_parts=st.integers(1, 4))
def test_every_word_of_a_track_is_sorted_once(tracks: list[Words], n_parts: int) -> None:
    expected = {
        (int(word), int(np.flatnonzero(track == word)[0]) + sum(map(len, tracks[:i])))
        for i, track in enumerate(tracks)
        for word in set(track.tolist()) - {0}
    }
    with prints_of(tracks) as prints:
        parts = [word_index._sorted_entries(prints, part, n_parts) for part in range(n_parts)]
    for entries in parts:
        assert (np.diff(entries.astype(object)) > 0).all()
    entries = [(int(entry) >> 32, int(entry) & 0xFFFFFFFF) for part in parts for entry in part]
    assert sorted(entries) == sorted(expected)


@settings(max_examples=40, deadline=None)
@given(tracks=small, slab=st.integers(1, 20))
def test_every_two_tracks_with_a_word_in_common_are_paired(tracks: list[Words], slab: int) -> None:
    expected = {
        (i, j, word)
        for j in range(len(tracks))
        for i in range(j)
        for word in (set(tracks[i].tolist()) & set(tracks[j].tolist())) - {0}
    }
    with pytest.MonkeyPatch.context() as patch, prints_of(tracks) as prints:
        patch.setattr(word_index, "_SLAB", slab)
        patch.setattr(word_index, "_alike", lambda words, first, second: np.ones(len(first), dtype=bool))
        pairs = list(word_index._common_words(prints, 0, 1))
        seen = [
            (int(prints.tracks_of(a)), int(prints.tracks_of(b)), int(prints.words[a]))
            for first, second in pairs
            for a, b in zip(first, second, strict=True)
        ]
    assert len(seen) == len(set(seen))
    assert set(seen) == expected


def test_of_very_many_words_fewer_are_looked_up_but_all_of_short_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    long = [words(seed, 4000) for seed in (1, 2)]
    tracks = [*long, long[0].copy(), long[1][1000:1100]]
    n_pairs = {}
    for thorough in (1 << 26, 2000):
        monkeypatch.setattr(word_index, "_THOROUGH", thorough)
        with prints_of(tracks) as prints:
            pairs = [prints.tracks_of(second) for _, second in word_index._common_words(prints, 0, 1)]
        n_pairs[thorough] = np.bincount(np.concatenate(pairs), minlength=4)
    assert n_pairs[1 << 26].tolist() == [0, 0, 4000, 100]
    assert n_pairs[2000][2] == pytest.approx(4000 * 2000 / 12100, rel=0.2)
    assert n_pairs[2000][3] == 100
    assert found(tracks) == {(0, 2): 0, (1, 3): 1000}


def test_a_pair_comes_with_the_offset_of_most_words() -> None:
    song = words(1, 400)
    part = np.concatenate([song[100:140], song[200:380]])
    assert found([words(2, 300), song, words(3, 300), part]) == {(1, 3): 160}


def test_a_short_common_piece_is_not_looked_into() -> None:
    piece = words(9, 60)
    tracks = [np.concatenate([words(seed, 200), piece, words(seed + 10, 200)]) for seed in (1, 2)]
    assert found(tracks) == {}
    assert found(tracks, least=0.1) == {(0, 1): 0}


def test_words_in_common_without_what_is_around_them_are_chance() -> None:
    one, other = words(1, 400), words(2, 400)
    other[::7] = one[::7]
    assert found([one, other], least=0.01) == {}


@pytest.mark.parametrize("where", ["the beginning", "the end"])
def test_the_ends_of_tracks_count(where: str) -> None:
    song = words(1, 17)
    track = np.concatenate([song, words(2, 5)]) if where == "the beginning" else np.concatenate([words(2, 5), song])
    assert found([song, track]) == {(0, 1): 0 if where == "the beginning" else -5}


@pytest.mark.parametrize(("begin", "end"), [(0, 300), (50, 250), (250, 300)])
def test_a_sample_says_how_much_agrees(begin: int, end: int) -> None:
    one, other = words(1, 300), words(2, 300)
    other[begin:end] = one[begin:end]
    rows = np.zeros(1, dtype=word_index._HIT)
    rows["j"] = 1
    with prints_of([one, other]) as prints:
        assert word_index._sampled(prints, rows)[0] == pytest.approx((end - begin) / 300, abs=0.05)
