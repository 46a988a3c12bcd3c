"""Playlists: what they begin with, what they keep to, how they flow, where their moods go."""

import numpy as np
import pytest
from playlist_tracks import CLOSE, catalogue, points, unit

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.playlists.candidates import Candidates
from earmark.library.playlists.making import make_playlist
from earmark.library.playlists.moods import parse_trajectory, percentiles
from earmark.library.playlists.plan import Weights
from earmark.library.playlists.smoothness import smoothness

TRACKS = catalogue(600)


def test_begins_with_the_seed_and_stays_near_it() -> None:
    order = make_playlist(TRACKS, [17])
    assert order[0] == 17
    assert len(set(order)) == len(order) == 25
    similar = TRACKS.vectors @ TRACKS.vectors[17]
    assert similar[order].mean() > 0.9 * np.sort(similar)[-25:].mean()
    assert make_playlist(TRACKS, [17]) == order


def test_flows_better_than_the_nearest_songs_in_order_of_distance() -> None:
    rng = np.random.default_rng(4)
    ours, by_distance, chance = [], [], []
    for seed in rng.choice(600, 6, replace=False).tolist():
        ours.append(smoothness(TRACKS.vectors, make_playlist(TRACKS, [seed], no_repeat_artist=0)).mean)
        nearest = np.argsort(-TRACKS.vectors @ TRACKS.vectors[seed])[:25]
        by_distance.append(smoothness(TRACKS.vectors, nearest.tolist()).mean)
        chance.append(smoothness(TRACKS.vectors, rng.choice(600, 25, replace=False).tolist()).mean)
    assert np.mean(ours) < 0.85 * np.mean(by_distance)
    assert np.mean(ours) < 0.6 * np.mean(chance)


def test_several_seeds_around_their_mean() -> None:
    order = make_playlist(TRACKS, [3, 40, 99], length=30)
    assert (order[0], order[10], order[20]) == (3, 40, 99)
    mean = unit(TRACKS.vectors[[3, 40, 99]].mean(axis=0, keepdims=True))[0]
    assert (TRACKS.vectors[order] @ mean).mean() > np.percentile(TRACKS.vectors @ mean, 90)
    assert make_playlist(TRACKS, [3, 3, 40], length=2) == [3, 40]


def test_weights_of_seeds_pull_and_push() -> None:
    def closeness(weights: list[float], to: int) -> float:
        order = make_playlist(TRACKS, [3, 40], seed_weights=weights, length=20)
        return float((TRACKS.vectors[order] @ TRACKS.vectors[to]).mean())

    assert closeness([1, 1], 40) < closeness([1, 4], 40)
    assert closeness([1, -1], 40) < closeness([1, 1], 40)
    assert 40 not in make_playlist(TRACKS, [3, 40], seed_weights=[1, -0.1], length=20)


def test_through_visits_the_seeds_and_ends_with_the_last() -> None:
    order = make_playlist(TRACKS, [3, 40, 99], route="through", length=21)
    assert (order[0], order[10], order[20]) == (3, 40, 99)
    apart = smoothness(TRACKS.vectors, [3, 40, 99]).mean
    assert smoothness(TRACKS.vectors, order).largest < apart
    assert make_playlist(TRACKS, [3], route="through", length=5)[0] == 3


def test_moods_move_along_the_list() -> None:
    calm, energetic = (percentiles(TRACKS.scores[tag]) for tag in ("calm", "energetic"))
    order = make_playlist(TRACKS, [17], moods=[parse_trajectory("calm:0.9..0.1")], length=20)
    np.testing.assert_allclose(calm[order[1:]], np.linspace(0.9, 0.1, 20)[1:], atol=0.15)
    order = make_playlist(TRACKS, moods=[parse_trajectory("calm:0.95..energetic:0.95")], length=20)
    assert abs(calm[order[:4]] - 0.95).mean() < 0.1
    assert abs(energetic[order[-4:]] - 0.95).mean() < 0.1
    both = [parse_trajectory("calm:0.8"), parse_trajectory("energetic:0.2..0.9")]
    order = make_playlist(TRACKS, moods=both, length=15)
    assert abs(calm[order] - 0.8).mean() < 0.1
    assert abs(energetic[order] - np.linspace(0.2, 0.9, 15)).mean() < 0.1


def test_tracks_without_a_score_come_last() -> None:
    scores = TRACKS.scores["calm"].copy()
    scores[::2] = np.nan
    tracks = Candidates(TRACKS.vectors, scores={"calm": scores}, same_below=CLOSE)
    assert all(row % 2 for row in make_playlist(tracks, moods=[parse_trajectory("calm:0.5..0.9")]))


@pytest.mark.parametrize("minutes", [20, 61.5, 120])
def test_minutes_are_met_within_half_a_song(minutes: float) -> None:
    assert TRACKS.durations is not None
    for seed in (5, 300):
        order = make_playlist(TRACKS, [seed], minutes=minutes, no_repeat_artist=3)
        lasts = TRACKS.durations[order]
        assert abs(lasts.sum() - 60 * minutes) <= lasts.mean() / 2


def test_tracks_of_unknown_duration_are_left_out_where_minutes_are_asked_for() -> None:
    assert TRACKS.durations is not None
    durations = TRACKS.durations.copy()
    durations[::2] = [np.nan, 0.0, np.inf] * 100
    order = make_playlist(Candidates(TRACKS.vectors, durations, same_below=CLOSE), [4], minutes=60)
    assert order[0] == 4
    assert all(row % 2 for row in order[1:])
    assert abs(durations[order[1:]].sum() - 3600) <= 150
    assert 4 in make_playlist(Candidates(TRACKS.vectors, np.zeros(600), same_below=CLOSE), [4], minutes=60)


def test_minutes_of_songs_of_all_lengths() -> None:
    durations = np.random.default_rng(0).lognormal(5, 1.2, size=600)
    tracks = Candidates(TRACKS.vectors, durations, same_below=CLOSE)
    lasts = durations[make_playlist(tracks, [17], minutes=90)]
    assert abs(lasts.sum() - 5400) <= lasts.mean() / 2
    assert sorted(make_playlist(catalogue(6), [0], minutes=600)) == list(range(6))


@pytest.mark.parametrize("gap", [1, 3, 8])
def test_an_artist_keeps_the_distance(gap: int) -> None:
    assert TRACKS.artists is not None
    for route, seeds in (("around", [17]), ("through", [3, 40])):
        order = make_playlist(TRACKS, seeds, route=route, length=40, no_repeat_artist=gap)  # type: ignore[arg-type]
        artists = [TRACKS.artists[row] for row in order]
        assert len(order) == 40
        assert all(artists[i] not in artists[max(0, i - gap) : i] for i in range(len(artists)))


def test_an_artist_is_avoided_unless_told_otherwise() -> None:
    tracks = catalogue(600, n_artists=30)
    assert tracks.artists is not None

    def n_again(gap: int | None) -> int:
        artists = [tracks.artists[row] for row in make_playlist(tracks, [17], length=40, no_repeat_artist=gap)]  # type: ignore[index]
        return sum(artists[i] in artists[max(0, i - 3) : i] for i in range(len(artists)))

    assert n_again(3) == 0
    assert n_again(None) <= n_again(0)
    assert n_again(None) <= 2


def test_one_prolific_artist_does_not_end_the_list() -> None:
    vectors = unit(np.concatenate([points(5000, spread=0.05)[:1] + 0.02 * points(5000), points(100, seed=9)]))
    artists = ["Bach"] * 5000 + [f"Artist {i}" for i in range(100)]
    order = make_playlist(Candidates(vectors, artists=artists, same_below=CLOSE), [0], length=20, no_repeat_artist=3)
    assert len(order) == 20


def test_a_recording_comes_once() -> None:
    copies = np.concatenate([TRACKS.vectors] * 3)
    order = make_playlist(Candidates(copies, same_below=CLOSE), [17], length=50)
    assert len({row % 600 for row in order}) == len(order) == 50
    keys = [row // 4 for row in range(600)]
    order = make_playlist(Candidates(TRACKS.vectors, recordings=keys, same_below=CLOSE), [17], length=50)
    assert len({row // 4 for row in order}) == 50


def test_a_filter_is_kept_to_except_by_seeds() -> None:
    allowed = np.arange(600) % 3 == 0
    order = make_playlist(TRACKS, [17], allowed=allowed)
    assert order[0] == 17
    assert all(row % 3 == 0 for row in order[1:])
    assert len(order) == 25
    assert make_playlist(TRACKS, [17], allowed=np.zeros(600, bool)) == [17]
    assert make_playlist(TRACKS, moods=[parse_trajectory("calm:0.5")], allowed=np.zeros(600, bool)) == []


def test_small_catalogues_give_what_they_have() -> None:
    assert make_playlist(catalogue(1), [0]) == [0]
    assert sorted(make_playlist(catalogue(7), [4])) == list(range(7))
    order = make_playlist(catalogue(7), [4, 2], route="through")
    assert (order[0], order[-1], len(order)) == (4, 2, 7)


def test_liking_counts() -> None:
    liking = np.zeros(600)
    liking[::2] = 1
    order = make_playlist(Candidates(TRACKS.vectors, liking=liking, same_below=CLOSE), [17], weights=Weights(liking=5))
    assert all(row % 2 == 0 for row in order[1:])


def test_variety_draws_another_list_for_each_number() -> None:
    lists = [make_playlist(TRACKS, [17], variety=0.3, random_seed=number) for number in (0, 0, 1)]
    assert lists[0] == lists[1] != lists[2]
    assert all(order[0] == 17 for order in lists)
    assert make_playlist(TRACKS, [17], random_seed=3) == make_playlist(TRACKS, [17])


def test_long_lists() -> None:
    order = make_playlist(TRACKS, [17], length=250)
    assert len(set(order)) == 250


def test_says_what_does_not_go_together() -> None:
    calm = parse_trajectory("calm")
    with pytest.raises(UsageError, match="a track to start from, or a mood"):
        make_playlist(TRACKS)
    with pytest.raises(UsageError, match="length and minutes"):
        make_playlist(TRACKS, [1], length=3, minutes=3)
    with pytest.raises(UsageError, match="length is 0"):
        make_playlist(TRACKS, [1], length=0)
    with pytest.raises(UsageError, match="minutes is -1"):
        make_playlist(TRACKS, [1], minutes=-1)
    with pytest.raises(UsageError, match="minutes need the durations"):
        make_playlist(Candidates(TRACKS.vectors, same_below=CLOSE), [1], minutes=30)
    with pytest.raises(UsageError, match="3 seeds do not fit into 2 songs"):
        make_playlist(TRACKS, [1, 2, 3], length=2)
    with pytest.raises(UsageError, match="1 weights for 2 seeds"):
        make_playlist(TRACKS, [1, 2], seed_weights=[1])
    with pytest.raises(UsageError, match="a weight above 0"):
        make_playlist(TRACKS, [1, 2], seed_weights=[0, -1])
    with pytest.raises(UsageError, match="only around"):
        make_playlist(TRACKS, [1, 2], seed_weights=[1, 2], route="through")
    with pytest.raises(UnknownNameError, match="no route 'straight'"):
        make_playlist(TRACKS, [1], route="straight")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no_repeat_artist is -1"):
        make_playlist(TRACKS, [1], no_repeat_artist=-1)
    with pytest.raises(UsageError, match="variety is -1"):
        make_playlist(TRACKS, [1], variety=-1)
    with pytest.raises(InputError, match="seed 600"):
        make_playlist(TRACKS, [600])
    with pytest.raises(InputError, match=r"allowed has the shape \(3,\)"):
        make_playlist(TRACKS, [1], allowed=np.ones(3, bool))
    with pytest.raises(UnknownNameError, match="no tag 'calm'"):
        make_playlist(Candidates(TRACKS.vectors, same_below=CLOSE), moods=[calm])
