"""ListenBrainz and Last.fm as they answer today: pytest -m network tests/sources/test_live.py."""

import os

import pytest

from earmark.errors import InputError
from earmark.sources.lastfm import LastFm, lastfm_likes
from earmark.sources.listenbrainz import listenbrainz_likes

pytestmark = pytest.mark.network
needs_key = pytest.mark.skipif(not os.environ.get("EARMARK_LASTFM_KEY"), reason="EARMARK_LASTFM_KEY is not set")
LISTENER = os.environ.get("EARMARK_TEST_LISTENBRAINZ_USER", "rob")
LASTFM_LISTENER = os.environ.get("EARMARK_TEST_LASTFM_USER", "RJ")
NOBODY = "nobody-is-called-this-0b1c2d3e4f"


def test_listenbrainz_tells_loves_and_listens() -> None:
    listens = listenbrainz_likes(LISTENER, what="listens", limit=60)
    assert len(listens.likes) == 60
    assert listens.likes[0].weight >= listens.likes[-1].weight >= 1
    assert any(like.mb_recording_id for like in listens.likes)
    assert any(like.tags for like in listens.likes)
    loves = listenbrainz_likes(LISTENER, limit=5)
    assert all(like.title or like.mb_recording_id for like in loves.likes)


def test_listenbrainz_knows_who_it_does_not_know() -> None:
    for what in ("loves", "listens"):
        with pytest.raises(InputError, match="knows no listener"):
            listenbrainz_likes(NOBODY, what=what)  # type: ignore[arg-type]


@needs_key
def test_lastfm_tells_likes_with_tags() -> None:
    likes = lastfm_likes(LASTFM_LISTENER, what="top", limit=3)
    assert len(likes.likes) == 3
    assert likes.likes[0].weight >= likes.likes[2].weight > 1
    assert all(like.tags for like in likes.likes)


@needs_key
def test_lastfm_knows_tags_and_who_it_does_not_know() -> None:
    found = LastFm().best_tags("AC/DC", "Hells Bells")
    assert found.level == "track"
    assert found.weights["hard rock"] > 0.3
    assert not LastFm().best_tags(NOBODY, NOBODY).weights
    with pytest.raises(InputError, match="knows no listener"):
        lastfm_likes(NOBODY)
