"""Why two listeners are near or far: planted causes are found."""

import dataclasses

import numpy as np
import pytest

from earmark.library.taste import compare
from earmark.library.taste.explaining import PER_ARTIST, Explanation
from earmark.library.taste.listener import listener_of

from .conftest import Music


def explained(music: Music, a: list[int], b: list[int], n: int = 20) -> Explanation:
    return compare(
        music.listener("a", a, n, seed=1), music.listener("b", b, n, seed=2), pool=music.all, n_pairs=50
    ).explanation


def test_shared_tags_and_differences_are_those_that_were_planted(music: Music) -> None:
    found = explained(music, [0, 1], [0, 2])  # rock and happy in common; jazz and sad against techno and calm
    assert {fact.tag for fact in found.shared[:2]} == {"rock", "happy"}
    assert {fact.tag for fact in found.differences} == {"jazz", "sad", "techno", "calm"}
    jazz = next(fact for fact in found.differences if fact.tag == "jazz")
    assert jazz.usual is not None
    assert jazz.a > jazz.usual > jazz.b
    assert jazz.category == "genre"


def test_what_is_usual_can_be_told(music: Music) -> None:
    a, b = music.listener("a", [0], seed=1), music.listener("b", [0], seed=2)
    common = compare(a, b, pool=music.all, usual={"rock": 0.9, "happy": 0.01}, n_pairs=50).explanation
    assert [fact.tag for fact in common.shared] == ["happy"]
    assert common.shared[0].usual == 0.01


def test_without_other_music_shared_ground_is_what_both_have_much_of(music: Music) -> None:
    a, b = music.listener("a", [0, 1], seed=1), music.listener("b", [0, 2], seed=2)
    found = compare(a, b, n_pairs=50).explanation
    assert {fact.tag for fact in found.shared[:2]} == {"rock", "happy"}
    assert all(fact.usual is None for fact in (*found.shared, *found.differences))


def test_bridges_are_the_nearest_pairs_and_no_track_comes_twice(music: Music) -> None:
    a, b = music.listener("a", [0, 1], seed=1), music.listener("b", [1, 2], seed=2)
    twin = dataclasses.replace(a.tracks[0], id="f" * 32, name="the twin")
    found = compare(a, dataclasses.replace(b, tracks=(*b.tracks, twin)), pool=music.all, n_pairs=50).explanation
    first = found.bridges[0]
    assert (first.a.id, first.b.name) == (a.tracks[0].id, "the twin")
    assert first.similarity == pytest.approx(1, abs=1e-6)
    assert set(first.tags) <= set(a.tracks[0].tags)
    for side in ("a", "b"):
        ids = [getattr(bridge, side).id for bridge in found.bridges]
        assert len(set(ids)) == len(ids)
    similarities = [bridge.similarity for bridge in found.bridges]
    assert similarities == sorted(similarities, reverse=True)


def test_gifts_are_what_the_other_does_not_have_and_is_near_to(music: Music) -> None:
    a, b = music.listener("a", [0, 1], seed=1), music.listener("b", [1, 2], seed=2)
    found = compare(a, b, pool=music.all, n_pairs=50).explanation
    owned = {track.id for track in b.tracks}
    assert found.for_b
    assert not any(track.id in owned for track in found.for_b)
    assert all(track.id.startswith("01") for track in found.for_b)  # the style that both like
    artists = [track.artist for track in found.for_b]
    assert max(map(artists.count, artists)) <= PER_ARTIST


def test_the_playlist_is_of_both_and_neighbours_are_alike(music: Music) -> None:
    found = explained(music, [0, 1], [1, 2])
    assert len({track.id for track in found.playlist}) == len(found.playlist) == 20
    assert {track.id[:2] for track in found.playlist[:4]} <= {"00", "01", "02"}
    vectors = np.array([track.vector for track in found.playlist])
    steps = (vectors[1:] * vectors[:-1]).sum(1)
    rng = np.random.default_rng(0)
    chance = np.mean(
        [(vectors[o[1:]] * vectors[o[:-1]]).sum(1).mean() for o in (rng.permutation(20) for _ in range(50))]
    )
    assert steps.mean() > chance + 0.1


def test_same_artists_are_told_once_however_they_are_written(music: Music) -> None:
    a = listener_of("a", music.styles[0][:10])
    tracks = [dataclasses.replace(t, id=f"x{i}", artist=t.artist.upper()) for i, t in enumerate(music.styles[0][10:20])]
    found = compare(a, listener_of("b", tracks), pool=music.all, n_pairs=50).explanation
    assert len(found.same_artists) == 7
    assert not found.same_tracks
