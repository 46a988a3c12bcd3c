"""Which tags are written, how many, from which score on, and how tempo and key are spelled."""

from dataclasses import replace

import pytest

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.tagfile.choosing import Choice, ScoredTag, TrackScores, choose, raw_scores
from earmark.tagfile.vocabulary_map import FieldMap, VocabularyMap

HEARD = TrackScores(
    "a.mp3",
    "standard",
    tags=(
        ScoredTag("rock", "genre", 0.30, 0.31),
        ScoredTag("hip hop", "genre", 0.60, 0.20),
        ScoredTag("jazz", "genre", 0.50, 0.20),
        ScoredTag("blues", "genre", 0.40, 0.20),
        ScoredTag("happy", "mood", 0.06, 0.04),
        ScoredTag("sad", "mood", 0.02, 0.04),
        ScoredTag("piano", "instrument", 0.7, 0.2),
        ScoredTag("female vocals", "voice", 0.8, 0.2),
        ScoredTag("slow", "other", 0.9, 0.2),
        ScoredTag("for the gym", "other", 0.75, 0.5, taught=True),
    ),
    bpm=127.6,
    bpm_confidence=0.8,
    key="F# minor",
    key_confidence=0.6,
)
ALL = ("genre", "mood", "bpm", "key", "grouping", "comment")


def test_each_tag_has_its_own_threshold() -> None:
    found = choose(HEARD, Choice(fields=("genre", "mood"), count=9))
    assert found == {"genre": ("Hip-Hop", "Jazz", "Blues"), "mood": ("Happy",)}


def test_one_number_for_all_instead() -> None:
    found = choose(HEARD, Choice(fields=("genre", "mood"), count=9, min_score=0.3))
    assert found == {"genre": ("Hip-Hop", "Jazz", "Blues", "Rock")}


def test_no_more_than_asked_for() -> None:
    assert choose(HEARD, Choice(fields=("genre",)))["genre"] == ("Hip-Hop", "Jazz")


def test_the_count_is_taken_after_the_map() -> None:
    own = VocabularyMap(fields={"genre": FieldMap(whitelist=("Jazz", "Blues"))})
    assert choose(HEARD, Choice(fields=("genre",), vocabulary=own))["genre"] == ("Jazz", "Blues")


def test_grouping_and_comment() -> None:
    found = choose(HEARD, Choice(fields=ALL, count=3))
    assert found["grouping"] == ("Female Vocals", "For the Gym", "Piano")
    assert found["comment"] == ("Happy",)


@pytest.mark.parametrize(
    ("notation", "written"), [("initial", "F#m"), ("camelot", "11A"), ("open", "4m"), ("name", "F# minor")]
)
def test_tempo_is_whole_and_keys_have_notations(notation: str, written: str) -> None:
    found = choose(HEARD, Choice(fields=("bpm", "key"), key_notation=notation))
    assert found == {"bpm": ("128",), "key": (written,)}


def test_what_is_not_sure_is_not_written() -> None:
    assert choose(HEARD, Choice(fields=("bpm", "key"), min_confidence=0.7)) == {"bpm": ("128",)}
    unknown = replace(HEARD, bpm=None, key_confidence=None)
    assert choose(unknown, Choice(fields=("bpm", "key"))) == {}
    assert choose(replace(HEARD, bpm=0.4), Choice(fields=("bpm",))) == {}


def test_a_key_that_is_none_is_told_with_its_file() -> None:
    with pytest.raises(InputError, match=r"a\.mp3: 'H7' is no key"):
        choose(replace(HEARD, key="H7"), Choice(fields=("key",)))


def test_raw_scores_are_those_of_the_model() -> None:
    assert raw_scores(HEARD) == {
        "EARMARK_GENRE": ("hip hop: 0.60", "jazz: 0.50", "blues: 0.40", "rock: 0.30"),
        "EARMARK_MOOD": ("happy: 0.06", "sad: 0.02"),
    }
    assert raw_scores(replace(HEARD, tags=(ScoredTag("sad", "mood", 0.004, 0.1),))) == {}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fields": ("gerne",)}, UnknownNameError, "no field to write 'gerne'"),
        ({"fields": ()}, UsageError, "no field"),
        ({"count": 0}, UsageError, "count is 0"),
        ({"min_score": 1.2}, UsageError, "min_score is 1.2"),
        ({"min_confidence": -1.0}, UsageError, "min_confidence"),
        ({"key_notation": "solfege"}, UnknownNameError, "solfege"),
    ],
)
def test_wrong_choices(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Choice(**options)  # type: ignore[arg-type]


def test_another_choice_has_another_description() -> None:
    choices = [
        Choice(),
        Choice(count=3),
        Choice(min_score=0.5),
        Choice(fields=("genre",)),
        Choice(vocabulary=VocabularyMap(names={"a": "B"})),
        Choice(vocabulary=VocabularyMap(fields={"genre": FieldMap(drop=frozenset(["rock"]))})),
    ]
    assert len({choice.describe() for choice in choices}) == len(choices)
    assert Choice(fields=("mood", "genre")).describe() == Choice().describe()
