"""Comparing two listeners: what the score has to fulfil, and when there is none."""

import dataclasses
import json

import numpy as np
import pytest

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.taste import Compatibility, Listener, TasteTrack, compare
from earmark.library.taste.comparing import MIN_TRACKS
from earmark.library.taste.listener import listener_of

from .conftest import Music


def of(music: Music, a: Listener, b: Listener, **options: object) -> Compatibility:
    return compare(a, b, pool=music.all, n_pairs=200, **options)  # type: ignore[arg-type]


def scores(found: Compatibility) -> tuple[float, ...]:
    one = found.agreement
    return one.score, one.low, one.high, one.distance, found.as_one, *(x.score for x in found.by_category.values())


def test_the_same_taste_is_near_and_another_far(music: Music) -> None:
    near = of(music, music.listener("a", [0, 1], seed=1), music.listener("b", [0, 1], seed=2))
    far = of(music, music.listener("a", [0, 1], seed=1), music.listener("b", [3, 4], seed=2))
    assert near.agreement.score > 90 > 60 > far.agreement.score
    assert near.as_one > 10 > 1 > far.as_one
    assert near.agreement.low <= near.agreement.score <= near.agreement.high
    assert near.way == "audio"


def test_the_score_rises_with_what_is_shared(music: Music) -> None:
    shared = [0, 1, 2, 3]
    found = []
    for n_shared in range(5):
        others = [*shared[:n_shared], *([4, 5, 4, 5][n_shared:])]
        pairs = [
            of(music, music.listener("a", shared, 24, seed=s), music.listener("b", others, 24, seed=90 + s))
            for s in range(3)
        ]
        found.append(np.mean([one.agreement.distance for one in pairs]))
    assert found == sorted(found, reverse=True)


def test_identical_listeners(music: Music) -> None:
    a = music.listener("a", [0, 2], seed=1)
    found = of(music, a, dataclasses.replace(a, name="b"))
    assert found.agreement.distance == pytest.approx(0, abs=1e-12)
    assert found.agreement.score > 95
    assert len(found.explanation.same_tracks) == 20
    assert not found.explanation.bridges
    assert not found.explanation.for_b


def test_neither_order_nor_direction_matters(music: Music) -> None:
    a, b = music.listener("a", [0, 1], 24, seed=1), music.listener("b", [1, 2, 3], 18, seed=2)
    expected = scores(of(music, a, b))
    shuffled = dataclasses.replace(a, tracks=tuple(np.random.default_rng(0).permutation(np.array(a.tracks, object))))
    assert scores(of(music, shuffled, b)) == expected
    other = of(music, b, a)
    assert scores(other) == expected
    assert (other.agreement.n_a, other.agreement.n_b) == (18, 24)
    one = of(music, a, b)
    assert [t.id for t in one.explanation.for_b] == [t.id for t in other.explanation.for_a]
    assert {f.tag: (f.a, f.b) for f in one.explanation.differences} == {
        f.tag: (f.b, f.a) for f in other.explanation.differences
    }


def test_a_track_that_comes_twice_counts_once_with_twice_the_weight(music: Music) -> None:
    a, b = music.listener("a", [0], seed=1), music.listener("b", [1], seed=2)
    twice = dataclasses.replace(a, tracks=(*a.tracks, a.tracks[0]))
    weighted = dataclasses.replace(a, tracks=(dataclasses.replace(a.tracks[0], weight=2.0), *a.tracks[1:]))
    assert scores(of(music, twice, b)) == scores(of(music, weighted, b))


def test_more_tracks_of_the_same_taste_move_the_score_within_its_interval(make_music: type[Music]) -> None:
    music = make_music(n_styles=4, n_each=60)
    inside = 0
    for seed in range(6):
        few = [music.listener(n, k, 20, seed=seed + s) for n, k, s in (("a", [0, 1], 0), ("b", [1, 2], 500))]
        many = [music.listener(n, k, 100, seed=seed + s) for n, k, s in (("a", [0, 1], 50), ("b", [1, 2], 600))]
        one = compare(*few, pool=music.all, n_pairs=100).agreement
        inside += one.low - 1 <= compare(*many, pool=music.all, n_pairs=100).agreement.score <= one.high + 1
    assert inside >= 5


def test_genre_and_mood_apart(make_music: type[Music]) -> None:
    music = make_music(n_styles=9)
    found = of(music, music.listener("a", [0], seed=1), music.listener("b", [4, 8], seed=2))  # one mood, three genres
    assert set(found.by_category) == {"genre", "mood"}
    assert found.by_category["mood"].score > 80
    assert found.by_category["genre"].score < 60


@pytest.mark.parametrize("n", [0, 1, 3, MIN_TRACKS - 1])
def test_too_few_tracks_give_no_number(music: Music, n: int) -> None:
    a, b = music.listener("anna", [0], 20), listener_of("berta", music.styles[1][:n])
    for pair in ((a, b), (b, a)):
        with pytest.raises(InputError, match=f"berta: {n} of {n} tracks have .* expected {MIN_TRACKS} or more"):
            compare(*pair, pool=music.all)
    compare(a, listener_of("berta", music.styles[1][:MIN_TRACKS]), n_pairs=50)


def without_audio(listener: Listener) -> Listener:
    tracks = tuple(dataclasses.replace(track, vector=None, scores={}) for track in listener.tracks)
    return dataclasses.replace(listener, tracks=tracks)


def test_tags_alone(music: Music) -> None:
    tracks = [dataclasses.replace(track, vector=None, scores={}) for track in music.all]
    a = without_audio(music.listener("a", [0, 1], seed=1))
    near, far = (without_audio(music.listener("b", styles, seed=2)) for styles in ([0, 1], [3, 4]))
    one = compare(a, near, pool=tracks, n_pairs=200)
    other = compare(a, far, pool=tracks, n_pairs=200)
    assert one.way == other.way == "tags"
    assert one.agreement.score > 80 > other.agreement.score
    assert (one.coverage_a.audio, one.coverage_a.tags_alone) == (0, 20)
    with pytest.raises(InputError, match="a: 0 of 20 tracks have audio"):
        compare(a, near, by="audio")


def test_few_heard_among_many_with_tags_are_compared_by_tags(music: Music) -> None:
    whole = music.listener("a", [0, 1], 80, seed=1)
    tracks = tuple(t if i < 9 else dataclasses.replace(t, vector=None) for i, t in enumerate(whole.tracks))
    a, b = dataclasses.replace(whole, tracks=tracks), music.listener("b", [1], 20, seed=2)
    assert of(music, a, b).way == "tags"
    found = of(music, a, b, by="audio")
    assert (found.way, found.agreement.n_a) == ("audio", 9)
    assert any("a: 9 of 80 tracks could be compared" in note for note in found.notes)


def test_what_different_models_heard_is_not_compared(music: Music) -> None:
    a = dataclasses.replace(music.listener("a", [0]), model="standard", version="1")
    b = dataclasses.replace(music.listener("b", [1]), model="standard", version="2")
    with pytest.raises(InputError, match="heard by standard 1, b by standard 2"):
        compare(a, b)


def test_wrong_options(music: Music) -> None:
    a, b = music.listener("a", [0]), music.listener("b", [1])
    with pytest.raises(UnknownNameError, match="audoi"):
        compare(a, b, by="audoi")
    with pytest.raises(UsageError, match="n_pairs is 3"):
        compare(a, b, n_pairs=3)


def test_without_a_catalogue_the_two_are_the_pool_and_it_is_said(music: Music) -> None:
    found = compare(music.listener("a", [0], 12), music.listener("b", [1], 12, seed=2), n_pairs=100)
    assert found.n_pool == 24
    assert any("24 tracks only" in note for note in found.notes)


def test_thousands_of_tracks(make_music: type[Music]) -> None:
    music = make_music(n_styles=3, n_each=1500)
    found = compare(listener_of("a", music.all[:2600]), listener_of("b", music.all[1900:]), n_pairs=50)
    assert (found.agreement.n_a, found.agreement.n_b) == (2000, 2000)
    assert any("2000 of 2600 tracks, chosen at random" in note for note in found.notes)
    assert found.agreement.high - found.agreement.low < 30


def test_tracks_without_any_tag_are_compared_by_sound(music: Music) -> None:
    bare = [dataclasses.replace(track, tags={}, scores={}) for track in music.all]
    found = compare(listener_of("a", bare[:20]), listener_of("b", bare[40:60]), pool=bare, n_pairs=100)
    assert found.way == "audio"
    assert not found.by_category
    assert not found.explanation.shared


def test_it_is_plain_data(music: Music) -> None:
    found = of(music, music.listener("a", [0, 1]), music.listener("b", [1, 2], seed=3))
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["score"] == found.agreement.score
    assert plain["a"]["tracks"] == {"n": 20, "audio": 20, "tags_alone": 0, "neither": 0}
    assert len(plain["playlist"]) == len(found.explanation.playlist)
    assert isinstance(found.a.tracks[0], TasteTrack)
