"""Tags by name: spellings, synonyms, whose tag goes first, and what a misspelt name is told."""

import tomllib
from dataclasses import dataclass
from importlib import resources

import pytest

from earmark.errors import UnknownNameError
from earmark.library.tag_index import TagColumn, TagIndex, plain, spellings
from earmark.vocabulary import CATEGORIES, get_vocabulary, merged_name, union

STANDARD = union([get_vocabulary("msd"), get_vocabulary("mtt")])
FULL = union([get_vocabulary("msd"), get_vocabulary("mtt"), get_vocabulary("jamendo")])


@dataclass(frozen=True)
class Model:
    name: str
    tags: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def score_columns(self) -> tuple[str, ...]:
        return tuple(f"score__{self.name}__{i}" for i in range(len(self.tags)))

    @property
    def thresholds(self) -> tuple[float, ...]:
        return (0.2,) * len(self.tags)


INDEX = TagIndex.of([Model("standard", STANDARD.names, STANDARD.categories)])


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("Hip-Hop", "hip hop"),
        ("hip_hop", "hip hop"),
        ("HIPHOP", "hip hop"),
        ("female", "female vocals"),
        ("woman", "female vocals"),
        ("no vocals", "instrumental"),
        ("singing", "vocals"),
        ("drum", "drums"),
        ("pianos", "piano"),
        ("string", "strings"),
        ("80s", "80s"),
        ("chill", "chillout"),
    ],
)
def test_a_tag_under_many_names(name: str, tag: str) -> None:
    assert INDEX.tag_column(name).tag == tag


@pytest.mark.parametrize("vocabulary", ["mtt", "msd", "jamendo"])
def test_every_published_name_is_found_as_itself(vocabulary: str) -> None:
    own = get_vocabulary(vocabulary)
    index = TagIndex.of([Model("one", own.tags, own.categories)])
    for tag, category in zip(own.tags, own.categories, strict=True):
        assert index.tag_column(tag, category).tag == tag


def test_what_the_user_taught_goes_first() -> None:
    mine = TagColumn("jazz", "genre", "score__taught__jazz", 0.5, "taught")
    index = TagIndex([*INDEX.tags, mine])
    assert index.tag_column("jazz") == index.tag_column("jazz", "genre") == index.tag_column("jazz", "taught") == mine
    assert index.names("taught") == ["jazz"]
    with pytest.raises(UnknownNameError, match="there is no taught tag 'piano'"):
        index.tag_column("piano", "taught")


def test_errors_know_what_comes_near() -> None:
    with pytest.raises(UnknownNameError, match="there is no tag 'jaz'") as caught:
        INDEX.tag_column("jaz")
    assert caught.value.hint == "did you mean 'jazz'?"
    with pytest.raises(UnknownNameError, match="there is no mood 'jazz'") as caught:
        INDEX.tag_column("jazz", "mood")
    assert caught.value.hint == "write genre:jazz: 'jazz' is of another category"
    with pytest.raises(UnknownNameError, match="there is no mood 'calm'") as caught:
        INDEX.tag_column("calm", "mood")
    assert caught.value.hint == "near it: mood:mellow, mood:soft, other:quiet, other:slow, genre:ambient"


def test_words_near_tags() -> None:
    assert [tag.tag for tag in INDEX.nearby("orchestra")] == ["classical", "strings"]
    assert [tag.tag for tag in INDEX.nearby("R&B")] == ["rnb"]
    assert INDEX.nearby("trumpet") == ()
    assert INDEX.nearby("calm", "genre") == ()
    assert TagIndex([]).nearby("calm") == ()


def test_the_list_of_words_holds_together() -> None:
    table = tomllib.loads(resources.files("earmark").joinpath("data", "nearby_words.toml").read_text("utf-8"))
    full = TagIndex.of([Model("full", FULL.names, FULL.categories)])
    assert set(table) <= set(CATEGORIES)
    words = [word for kind in table.values() for word in kind]
    assert len(set(words)) == len(words)
    for kind in table.values():
        for word, tags in kind.items():
            assert tags
            assert len(set(tags)) == len(tags)
            assert {merged_name(tag) for tag in tags} <= set(FULL.names), word
            assert plain(word) not in tags
            assert INDEX.find(word) is None
            assert full.find(word) is not None or full.nearby(word)


def test_spellings_of_a_genre() -> None:
    assert set(spellings("Hip-Hop")) == {"hip-hop", "hip hop", "hiphop"}
    assert spellings("jazz") == ("jazz",)
