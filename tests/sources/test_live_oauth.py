"""SoundCloud and Jamendo as they answer today. With keys in the environment: pytest -m network."""

import os

import pytest

from earmark.sources.jamendo import fetch_audio, jamendo_likes, may_be_analysed, search
from earmark.sources.soundcloud import soundcloud_likes

pytestmark = pytest.mark.network

HAS_SOUNDCLOUD = all(os.environ.get(f"EARMARK_SOUNDCLOUD_{name}") for name in ("CLIENT_ID", "CLIENT_SECRET"))
needs_soundcloud = pytest.mark.skipif(not HAS_SOUNDCLOUD, reason="no key of SoundCloud in the environment")
needs_jamendo = pytest.mark.skipif(
    not os.environ.get("EARMARK_JAMENDO_CLIENT_ID"), reason="no client id of Jamendo in the environment"
)


@needs_soundcloud
def test_likes_of_soundcloud() -> None:
    user = os.environ.get("EARMARK_SOUNDCLOUD_TEST_USER", "soundcloud")
    likes = soundcloud_likes(user, limit=250)  # more than a page
    assert likes.listener
    assert all(like.source_id.startswith("soundcloud:tracks:") and like.title for like in likes.likes)
    assert len({like.source_id for like in likes.likes}) == len(likes.likes)


@needs_jamendo
def test_likes_of_jamendo() -> None:
    likes = jamendo_likes("972174", limit=60)  # the user of the documentation's examples; more than one question of ids
    assert likes.listener == "claudod"
    assert likes.likes
    assert any(like.tags for like in likes.likes)
    assert all(like.artist and like.title and like.duration for like in likes.likes)


@needs_jamendo
def test_search_and_audio_of_jamendo(tmp_path: object) -> None:
    found = search(tags=["jazz"], limit=5)
    assert len(found) == 5
    assert all("jazz" in like.tags for like in found)
    like = next(like for like in found if may_be_analysed(like))
    path = fetch_audio(like, str(tmp_path))
    assert path.stat().st_size > 100_000
