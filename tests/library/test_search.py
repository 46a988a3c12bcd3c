"""Search by what was heard just now: the same answers as for a track of the catalogue."""

from dataclasses import replace

import numpy as np
import pytest

from earmark.errors import UnknownNameError, UsageError
from earmark.library.rows import Heard
from earmark.library.search import similar, similar_to_heard
from earmark.library.store import Store

from .conftest import track_id


def heard_in(store: Store, i: int) -> Heard:
    (track,) = store.tracks(ids=[track_id(i)], embeddings=True)
    return track.heard["standard"]


def test_what_was_heard_is_searched_for_as_a_track_is(store: Store) -> None:
    found = similar_to_heard(store, heard_in(store, 3), n=5, track=track_id(3))
    expected = similar(store, [track_id(3)], n=5)
    assert [(one.track.id, one.similarity) for one in found] == [(one.track.id, one.similarity) for one in expected]
    with_itself = similar_to_heard(store, heard_in(store, 3), n=5)
    assert with_itself[0].track.id == track_id(3)
    assert with_itself[0].similarity == pytest.approx(1.0)
    assert [one.track.id for one in with_itself[1:]] == [one.track.id for one in expected[:4]]


def test_tags_are_told_as_many_as_asked_for(store: Store) -> None:
    (match,) = similar_to_heard(store, heard_in(store, 3), n=1)
    plain = match.to_dict(tags=2)
    assert list(plain["heard"]["standard"]["tags"].items()) == match.track.heard["standard"].top(2)
    assert len(match.to_dict()["heard"]["standard"]["tags"]) == 5


def test_what_cannot_be_searched_for(store: Store) -> None:
    heard = heard_in(store, 3)
    with pytest.raises(UsageError, match="n is 0"):
        similar_to_heard(store, heard, n=0)
    with pytest.raises(UsageError, match="the embedding is none of standard, which has 8 numbers"):
        similar_to_heard(store, replace(heard, embedding=np.zeros(4, np.float32)))
    with pytest.raises(UnknownNameError, match="no model in this catalogue 'other'"):
        similar_to_heard(store, replace(heard, model="other"))
