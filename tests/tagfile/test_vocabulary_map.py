"""The user's own names: renaming, whitelists, the tree, casing, and what a map may not hold."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import InputError, UsageError
from earmark.tagfile.vocabulary_map import Casing, VocabularyMap, cased, load, plain_name, read_map, read_whitelist
from earmark.vocabulary import FORBIDDEN, get_vocabulary, merged_name, vocabulary_names

MAP = """
casing = "title"
drop = ["weird"]

[names]
electronica = "Electronic"
"classic rock" = "Rock"

[genre]
whitelist = ["Rock", "Hard Rock", "Jazz", "Electronic", "Hip-Hop"]
drop = ["oldies"]
prefer_specific = true

[genre.tree]
Rock = ["Hard Rock", "Indie Rock"]
"Hard Rock" = ["Metal"]
Metal = ["Heavy Metal"]
"""


@pytest.fixture
def own(tmp_path: Path) -> VocabularyMap:
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    return read_map(tmp_path / "map.toml")


def names(own: VocabularyMap, target: str, *heard: str) -> list[str]:
    return [name for name, _ in own.apply(target, [(one, 0.9 - 0.1 * i) for i, one in enumerate(heard)])]


def test_renamed_dropped_and_cased(own: VocabularyMap) -> None:
    assert names(own, "genre", "electronica", "weird", "hip hop", "Oldies") == ["Electronic", "Hip-Hop"]
    assert names(own, "mood", "happy", "weird") == ["Happy"]


def test_what_is_not_in_the_whitelist_becomes_the_nearest_that_is(own: VocabularyMap) -> None:
    assert names(own, "genre", "heavy metal") == ["Hard Rock"]
    assert names(own, "genre", "indie rock") == ["Rock"]
    assert names(own, "genre", "blues") == []


def test_the_specific_one_stands_alone(own: VocabularyMap) -> None:
    assert names(own, "genre", "rock", "metal", "jazz") == ["Hard Rock", "Jazz"]


def test_names_that_become_one_keep_the_best_score(own: VocabularyMap) -> None:
    assert own.apply("genre", [("classic rock", 0.3), ("rock", 0.7), ("indie rock", 0.5)]) == [("Rock", 0.7)]


@pytest.mark.parametrize(
    ("name", "written"),
    [("hip hop", "Hip-Hop"), ("rnb", "R&B"), ("female vocals", "Female Vocals"), ("80s", "80s"), ("my EDM", "My EDM")],
)
def test_casing(name: str, written: str) -> None:
    assert cased(name, "title") == written


@pytest.mark.parametrize("name", ["Folk, World, & Country", "Rock/Pop", "Rock---Indie Rock", "a;b\nc\x00d"])
def test_no_name_is_left_that_players_would_split(name: str) -> None:
    plain = plain_name(name)
    assert plain
    assert plain.isprintable()
    assert not set(plain) & set(FORBIDDEN)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=20), st.sampled_from(["title", "lower", "keep"]))
def test_whatever_a_model_calls_it_players_do_not_split_it(name: str, casing: Casing) -> None:
    for written, _ in VocabularyMap(casing=casing).apply("genre", [(name, 1.0)]):
        assert written
        assert written.isprintable()
        assert written == written.strip()
        assert not set(written) & set(FORBIDDEN)


def test_every_published_tag_can_be_written() -> None:
    for vocabulary in map(get_vocabulary, vocabulary_names()):
        for tag in vocabulary.tags:
            for name in (tag, merged_name(tag)):
                ((written, _),) = VocabularyMap().apply("genre", [(name, 1.0)])
                assert written
                assert not set(written) & set(FORBIDDEN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[names]\nfolk = "Folk, World"', "holds ','"),
        ('[names]\nfolk = ""', "is no name"),
        ("[names]\nfolk = 3", "is no name"),
        ('[genre]\nwhitelist = ["Rock/Pop"]', "holds '/'"),
        ('[genre]\nwhitelist = "Rock"', "expected a list"),
        ('[gerne]\nwhitelist = ["Rock"]', "no key 'gerne'"),
        ("[genre]\nprefer_specific = 1", "prefer_specific"),
        ('[genre.tree]\nRock = ["Metal"]\nMetal = ["rock"]', "goes in a circle"),
        ('[genre.tree]\nRock = ["Metal"]\nJazz = ["Metal"]', "below 'Rock' and below 'Jazz'"),
        ('casing = "loud"', "casing is 'loud'"),
        ("genre = 3", "expected a table"),
        ("casing = ", "no TOML"),
    ],
)
def test_a_wrong_map_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_map(tmp_path / "map.toml")


def test_a_whitelist_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "genres.txt").write_text("# mine\nJazz\n\nHip-Hop # loud\n", encoding="utf-8")
    assert read_whitelist(tmp_path / "genres.txt") == ("Jazz", "Hip-Hop")
    assert names(load(None, tmp_path / "genres.txt"), "genre", "rock", "hip hop") == ["Hip-Hop"]
    assert names(load(None, tmp_path / "genres.txt"), "mood", "happy") == ["Happy"]
    (tmp_path / "map.toml").write_text('[genre]\nwhitelist_file = "genres.txt"\n', encoding="utf-8")
    assert names(read_map(tmp_path / "map.toml"), "genre", "rock", "jazz") == ["Jazz"]
    with pytest.raises(UsageError, match="whitelist of genres already"):
        load(tmp_path / "map.toml", tmp_path / "genres.txt")
    (tmp_path / "genres.txt").write_text("# none\n", encoding="utf-8")
    with pytest.raises(InputError, match="no name"):
        read_whitelist(tmp_path / "genres.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_whitelist(tmp_path / "gone.txt")
