"""What each player gets, and the block with the moods in a comment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import UnknownNameError
from earmark.tagfile.choosing import FIELDS
from earmark.tagfile.profiles import PROFILES, get_profile, with_mood_block


def test_profiles_say_what_they_rest_on() -> None:
    assert {"picard", "navidrome", "rekordbox", "plex", "musicbee"} <= set(PROFILES)
    for profile in PROFILES.values():
        assert profile.reads
        assert profile.source.startswith("https://")
        assert set(profile.fields) <= set(FIELDS)
        assert profile.joined <= {"genre", "mood", "grouping"}
    with pytest.raises(UnknownNameError, match="no profile 'itunes'"):
        get_profile("itunes")


@pytest.mark.parametrize(
    ("comment", "moods", "result"),
    [
        ("", ["Dark", "Sad"], "[MOOD: Dark; Sad]"),
        ("", [], ""),
        ("bought 2019", ["Dark"], "bought 2019 [MOOD: Dark]"),
        ("bought 2019 [MOOD: Dark]", ["Sad"], "bought 2019 [MOOD: Sad]"),
        ("[mood: Dark] bought 2019", ["Sad"], "[MOOD: Sad] bought 2019"),
        ("8A - Energy 7 [MOOD: a] end [MOOD: b]", ["Sad"], "8A - Energy 7 [MOOD: Sad] end"),
        ("bought 2019 [MOOD: Dark]", [], "bought 2019"),
        ("[MOOD: Dark] bought 2019", [], "bought 2019"),
        ("a\nb", ["Sad"], "a\nb [MOOD: Sad]"),
        ("[MOOD: unclosed", ["Sad"], "[MOOD: unclosed [MOOD: Sad]"),
        ("x", ["a]b; c"], "x [MOOD: a b c]"),
        ("x", ["[]"], "x"),
    ],
)
def test_the_block_and_the_rest(comment: str, moods: list[str], result: str) -> None:
    assert with_mood_block(comment, moods) == result


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_characters="[]"), max_size=30), st.lists(st.sampled_from(["Dark", "Sad", "a b"])))
def test_the_rest_of_a_comment_stays(comment: str, moods: list[str]) -> None:
    once = with_mood_block(comment, moods)
    assert once.startswith(comment)
    assert with_mood_block(once, moods) == once
    assert with_mood_block(once, []).strip() == comment.strip()
