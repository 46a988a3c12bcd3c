"""What is changed in a file: nobody's values without being told to, and earmark's own kept up to date."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("mutagen")
from mutagen import flac, id3

from earmark.errors import InputError
from earmark.tagfile import read_tags
from earmark.tagfile.changes import FileChange
from earmark.tagfile.choosing import Choice, ScoredTag, TrackScores
from earmark.tagfile.journal import Journal
from earmark.tagfile.profiles import PROFILES, get_profile
from earmark.tagfile.proposing import Stamp, existing, is_done, propose
from earmark.tagfile.writing import apply

TODAY = datetime.date(2026, 11, 27)
HEARD = TrackScores(
    "",
    "standard",
    "abc",
    tags=(
        ScoredTag("hip hop", "genre", 0.6, 0.2),
        ScoredTag("jazz", "genre", 0.5, 0.2),
        ScoredTag("happy", "mood", 0.4, 0.2),
        ScoredTag("sad", "mood", 0.3, 0.2),
        ScoredTag("piano", "instrument", 0.5, 0.2),
        ScoredTag("choir", "voice", 0.4, 0.2),
    ),
    bpm=92.3,
    bpm_confidence=0.9,
    key="F# minor",
    key_confidence=0.9,
)
OTHER = replace(HEARD, version="def", tags=(ScoredTag("blues", "genre", 0.7, 0.2), ScoredTag("sad", "mood", 0.7, 0.2)))
NOTHING = replace(HEARD, version="ghi", tags=(), bpm=None, key=None)
CHOICE = Choice()
ALL = Choice(fields=("genre", "mood", "bpm", "key", "grouping", "comment", "raw"))


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    def made(name: str) -> Path:
        path = tmp_path / name
        noise = np.random.default_rng(1).standard_normal(8000) * 0.1
        soundfile.write(path, noise, 16000, format={".mp3": "MP3"}.get(path.suffix))
        return path

    return made


@pytest.fixture(params=["a.mp3", "a.flac", "a.ogg", "a.wav"])
def song(request: pytest.FixtureRequest, make: Callable[[str], Path]) -> Path:
    return make(request.param)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as journal:
        yield journal


def do(journal: Journal, path: Path, heard: TrackScores, choice: Choice = CHOICE, **options: object) -> FileChange:
    change = propose(path, heard, choice, today=TODAY, **options)  # type: ignore[arg-type]
    if change:
        apply(change, journal)
    return change


def names(change: FileChange) -> list[str]:
    return sorted(one.name for one in change.changes)


def test_empty_fields_are_filled_and_stamped(song: Path, journal: Journal) -> None:
    change = do(journal, song, HEARD, ALL)
    assert names(change) == [
        "EARMARK_GENRE", "EARMARK_MOOD", "EARMARK_STAMP", "bpm", "comment", "genre", "grouping", "key", "mood",
    ]  # fmt: skip
    tags = read_tags(song)
    assert (tags.genres, tags.moods, tags.bpm, tags.key) == (("Hip-Hop", "Jazz"), ("Happy", "Sad"), 92.0, "F#m")
    assert tags.comment == "[MOOD: Happy; Sad]"
    assert existing(tags, "grouping") == ("Piano", "Choir")
    stamp = Stamp.find(tags)
    assert stamp is not None
    assert (stamp.model, stamp.version, stamp.date) == ("standard", "abc", "2026-11-27")
    assert set(stamp.wrote) == {"genre", "mood", "bpm", "key", "grouping"}


def test_a_proposal_changes_nothing(song: Path) -> None:
    before = song.read_bytes()
    assert propose(song, HEARD, ALL)
    assert song.read_bytes() == before


def test_twice_is_once(song: Path, journal: Journal) -> None:
    do(journal, song, HEARD, ALL)
    before = song.read_bytes()
    assert not do(journal, song, HEARD, ALL)
    assert not propose(song, HEARD, ALL, today=TODAY + datetime.timedelta(days=9))
    assert song.read_bytes() == before


def test_own_values_are_refreshed_or_taken_away(song: Path, journal: Journal) -> None:
    do(journal, song, HEARD, ALL)
    do(journal, song, OTHER, ALL)
    tags = read_tags(song)
    assert (tags.genres, tags.moods, tags.comment) == (("Blues",), ("Sad",), "[MOOD: Sad]")
    do(journal, song, NOTHING, ALL)
    tags = read_tags(song)
    assert (tags.genres, tags.moods, tags.bpm, tags.key, tags.comment) == ((), (), None, "", "")
    assert existing(tags, "grouping") == ()
    assert not [name for name in tags.fields if name.endswith(("EARMARK_GENRE", "EARMARK_MOOD"))]


def tag_by_hand(path: Path, genre: str, comment: str = "") -> None:
    if path.suffix == ".flac":
        file = flac.FLAC(path)
        file["GENRE"] = genre
        if comment:
            file["COMMENT"] = comment
        file.save()
    else:
        try:
            tags = id3.ID3(path)
        except id3.ID3NoHeaderError:
            tags = id3.ID3()
        tags.setall("TCON", [id3.TCON(3, [genre])])
        if comment:
            tags.setall("COMM", [id3.COMM(3, "eng", "", [comment])])
        tags.save(path)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac"])
def test_values_of_others_stay_unless_forced(make: Callable[[str], Path], journal: Journal, name: str) -> None:
    path = make(name)
    tag_by_hand(path, "Krautrock")
    change = do(journal, path, HEARD)
    assert change.kept == ("genre",)
    assert (read_tags(path).genres, read_tags(path).moods) == (("Krautrock",), ("Happy", "Sad"))
    do(journal, path, OTHER)
    assert (read_tags(path).genres, read_tags(path).moods) == (("Krautrock",), ("Sad",))
    do(journal, path, OTHER, force=True)
    assert read_tags(path).genres == ("Blues",)
    do(journal, path, HEARD)  # what was forced is earmark's own
    assert read_tags(path).genres == ("Hip-Hop", "Jazz")


@pytest.mark.parametrize("name", ["a.mp3", "a.flac"])
def test_an_edit_makes_it_yours(make: Callable[[str], Path], journal: Journal, name: str) -> None:
    path = make(name)
    do(journal, path, HEARD)
    tag_by_hand(path, "Krautrock")
    assert do(journal, path, OTHER).kept == ("genre",)
    assert do(journal, path, NOTHING).kept == ()
    assert (read_tags(path).genres, read_tags(path).moods) == (("Krautrock",), ())


def test_what_other_runs_wrote_stays_known(make: Callable[[str], Path], journal: Journal) -> None:
    path = make("a.mp3")
    do(journal, path, HEARD, Choice(fields=("genre",)))
    do(journal, path, HEARD, Choice(fields=("mood", "bpm")))
    stamp = Stamp.find(read_tags(path))
    assert stamp is not None
    assert set(stamp.wrote) == {"genre", "mood", "bpm"}
    do(journal, path, OTHER, Choice(fields=("genre",)))
    assert (read_tags(path).genres, read_tags(path).moods) == (("Blues",), ("Happy", "Sad"))


def test_where_nothing_is_written_there_is_no_stamp(make: Callable[[str], Path]) -> None:
    path = make("a.mp3")
    tag_by_hand(path, "Krautrock")
    change = propose(path, HEARD, Choice(fields=("genre",)))
    assert not change
    assert change.kept == ("genre",)
    assert not propose(path, NOTHING, ALL)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac"])
def test_the_rest_of_a_comment_stays(make: Callable[[str], Path], journal: Journal, name: str) -> None:
    path = make(name)
    tag_by_hand(path, "Krautrock", "8A - Energy 7")
    profile = get_profile("rekordbox")
    choice = Choice(fields=profile.fields)
    do(journal, path, HEARD, choice, profile=profile)
    assert read_tags(path).comment == "8A - Energy 7 [MOOD: Happy; Sad]"
    do(journal, path, OTHER, choice, profile=profile)
    assert read_tags(path).comment == "8A - Energy 7 [MOOD: Sad]"
    do(journal, path, NOTHING, choice, profile=profile)
    assert read_tags(path).comment == "8A - Energy 7"


def test_an_id3_comment_with_a_description_is_no_comment(make: Callable[[str], Path], journal: Journal) -> None:
    path = make("a.mp3")
    tags = id3.ID3()
    tags.add(id3.COMM(3, "eng", "Songs-DB_Custom1", ["mine"]))
    tags.save(path)
    do(journal, path, HEARD, Choice(fields=("comment",)))
    fields = read_tags(path).fields
    assert fields["COMM"] == ("[MOOD: Happy; Sad]",)
    assert fields["COMM:Songs-DB_Custom1"] == ("mine",)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("name", ["a.mp3", "a.flac"])
def test_every_profile_is_refreshed_and_done(
    make: Callable[[str], Path], journal: Journal, profile: object, name: str
) -> None:
    path = make(name)
    choice = Choice(fields=profile.fields)  # type: ignore[attr-defined]
    do(journal, path, HEARD, choice, profile=profile)
    assert read_tags(path).genres == ("Hip-Hop", "Jazz")
    assert not do(journal, path, HEARD, choice, profile=profile)
    do(journal, path, OTHER, choice, profile=profile)
    assert read_tags(path).genres == ("Blues",)
    assert is_done(path, "standard", "def", choice, profile=profile)  # type: ignore[arg-type]


def test_one_text_for_players_that_read_one(make: Callable[[str], Path], journal: Journal) -> None:
    mp3, ogg = make("a.mp3"), make("a.ogg")
    for path in (mp3, ogg):
        do(journal, path, HEARD, profile=get_profile("plex"))
    assert read_tags(mp3).fields["TCON"] == ("Hip-Hop; Jazz",)
    assert read_tags(ogg).fields["GENRE"] == ("Hip-Hop", "Jazz")


def test_done_files_are_known_by_their_stamp(make: Callable[[str], Path], journal: Journal) -> None:
    path = make("a.mp3")
    assert not is_done(path, "standard", "abc", CHOICE)
    do(journal, path, HEARD)
    assert is_done(path, "standard", "abc", CHOICE)
    assert not is_done(path, "standard", "def", CHOICE)
    assert not is_done(path, "other", "abc", CHOICE)
    assert not is_done(path, "standard", "abc", Choice(count=3))
    assert not is_done(path, "standard", "abc", CHOICE, force=True)
    do(journal, path, OTHER, force=True)
    assert is_done(path, "standard", "def", CHOICE, force=True)
    tag_by_hand(path, "Krautrock")
    assert not is_done(path, "standard", "def", CHOICE, force=True)


def test_a_stamp_comes_back_as_it_was() -> None:
    stamp = Stamp("runs my", "abc", "123", "2026-11-27", {"genre": "aa", "mood": "bb"})
    text = str(stamp)
    read = Stamp.find(replace(read_tags_of(text)))
    assert read == replace(stamp, model="runs_my")
    assert Stamp.find(read_tags_of("somebody's")) is None


def read_tags_of(stamp: str):
    from earmark.tagfile.reading import FileTags

    return FileTags(fields={"TXXX:EARMARK_STAMP": (stamp,)})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        propose(tmp_path / "gone.mp3", HEARD, CHOICE)
