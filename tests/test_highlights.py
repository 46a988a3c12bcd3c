"""Which tags are shown unless told otherwise."""

import numpy as np

from earmark.highlights import highlights, scores_between
from earmark.track_tags import Tag, TrackTags


def track(*tags: tuple[str, str, float, float | None]) -> TrackTags:
    made = tuple(Tag(name, category, score, lift, score, 0.0) for name, category, score, lift in tags)
    taggram = np.array([[score, 2 * score] for *_, score, _ in tags], np.float32).T
    times = np.array([[0.0, 3.0], [3.0, 6.0]])
    return TrackTags("x.mp3", 6.0, made, taggram, times, np.zeros(1, np.float32), "m", ("m",))


def test_frequent_tags_at_their_usual_score_and_tiny_scores_are_left_out() -> None:
    result = track(
        ("rock", "genre", 0.3, 0.9), ("jazz", "genre", 0.2, 4.0), ("harp", "instrument", 0.019, 9.0),
        ("mine", "other", 0.11, None), ("yours", "other", 0.09, None), ("folk", "genre", 0.4, 1.1),
    )  # fmt: skip
    assert [tag.tag for tag in highlights(result)] == ["folk", "jazz", "mine"]
    assert [tag.tag for tag in highlights(result, per_category=1)] == ["folk", "mine"]


def test_rarer_tags_need_less_of_a_score_and_more_of_a_lift() -> None:
    result = track(("party", "mood", 0.026, 5.1), ("sad", "mood", 0.03, 1.4), ("oldies", "era", 0.046, 1.7))
    assert [tag.tag for tag in highlights(result)] == ["party", "oldies"]


def test_there_is_always_something_to_show() -> None:
    result = track(("slow", "other", 0.03, 1.0), ("jazz", "genre", 0.01, 0.1), ("sad", "mood", 0.018, 2.0))
    assert [tag.tag for tag in highlights(result)] == ["jazz", "sad", "slow"]


def test_scores_of_a_part() -> None:
    result = track(("jazz", "genre", 0.25, 1.0))
    assert scores_between(result, 0, 3) == {"jazz": 0.25}
    assert scores_between(result, 0, 6) == {"jazz": 0.375}
    assert scores_between(result, 6, 9) == {}
