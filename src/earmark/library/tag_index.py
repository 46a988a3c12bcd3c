"""The tags of a catalogue by name: how a user may call them, where their scores lie, what to say of a misspelt one.

A name is looked up as it stands, then by its synonyms ("female" is "female vocals"), then in singular and plural. Some
everyday words have no tag and come near several (`TagIndex.nearby`): queries use those, filters only name them.
"""

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol

from earmark.errors import UnknownNameError
from earmark.library.folding import fold
from earmark.vocabulary import CATEGORIES, display_name, merged_name

TAUGHT = "taught"  # stands for a category, and for a model, of the tags that the user taught


@dataclass(frozen=True)
class TagColumn:
    """A tag of the catalogue, and where its scores lie.

    Parameters
    ----------
    tag : its name
    category : genre, mood, instrument, voice, era or other
    column : that holds its scores, in [0, 1]; null in tracks that were not heard
    threshold : score from which on a track has the tag
    model : that hears it; "taught" for tags of the user
    """

    tag: str
    category: str
    column: str
    threshold: float
    model: str = ""


class Hearer(Protocol):
    """What hears tags: a model of the catalogue, or all that the user taught."""

    @property
    def name(self) -> str:
        """Name of the model, or "taught"."""

    @property
    def tags(self) -> Sequence[str]:
        """K names."""

    @property
    def categories(self) -> Sequence[str]:
        """K categories."""

    @property
    def thresholds(self) -> Sequence[float]:
        """K scores from which on a track has the tag."""

    @property
    def score_columns(self) -> Sequence[str]:
        """K columns of the catalogue."""


class TagIndex:
    """Tags by name.

    Parameters
    ----------
    tags : if two have one name, that of the user goes before that of a model, and then the first
    file_genres : returns the folded genres that stand in the files; called only when a genre is no tag
    """

    def __init__(
        self, tags: Iterable[TagColumn], *, file_genres: Callable[[], Collection[str]] = frozenset[str]
    ) -> None:
        self.tags = tuple(sorted(tags, key=lambda tag: tag.model != TAUGHT))
        self.file_genres = file_genres
        self._by_name: dict[str, list[TagColumn]] = {}
        self._by_meaning: dict[str, list[TagColumn]] = {}
        for tag in self.tags:
            self._by_name.setdefault(plain(tag.tag), []).append(tag)
            self._by_meaning.setdefault(merged_name(plain(tag.tag)), []).append(tag)

    @classmethod
    def of(
        cls, hearers: Iterable[Hearer], *, file_genres: Callable[[], Collection[str]] = frozenset[str]
    ) -> "TagIndex":
        """Make an index of all that some models hear."""
        tags = [
            TagColumn(*values, model=one.name)
            for one in hearers
            for values in zip(one.tags, one.categories, one.score_columns, one.thresholds, strict=True)
        ]
        return cls(tags, file_genres=file_genres)

    def names(self, category: str | None = None) -> list[str]:
        """List the names of the tags of a category, or of all."""
        return sorted({tag.tag for tag in self.tags if _is_of(tag, category)})

    def find(self, name: str, category: str | None = None) -> TagColumn | None:
        """Look up a tag; None if there is none.

        Parameters
        ----------
        name : in any spelling: "Hip-Hop", "hip_hop", "hip hop"; a synonym; singular or plural
        category : one of `earmark.vocabulary.CATEGORIES`, or "taught"; None for any
        """
        asked = plain(name)
        forms = [asked, f"{asked}s", *([asked[:-1]] if asked.endswith("s") and len(asked) > 3 else [])]
        tables = (self._by_name, self._by_meaning)
        for form, table in ((form, table) for form in forms for table in tables):
            key = form if table is self._by_name else merged_name(form)
            for tag in table.get(key, ()):
                if _is_of(tag, category):
                    return tag
        return None

    def tag_column(self, tag: str, category: str | None = None) -> TagColumn:
        """Look up a tag as `find` does.

        Raises
        ------
        UnknownNameError
            If there is none; the hint names what comes near, or the category that it belongs to.
        """
        found = self.find(tag, category)
        if found is None:
            raise self.unknown(tag, category)
        return found

    def nearby(self, word: str, category: str | None = None) -> tuple[TagColumn, ...]:
        """Return the tags that come near a word; empty if none does, or the catalogue has none of them."""
        known = _nearby_words()
        asked = plain(word)
        forms = {asked: None, asked.removesuffix("s"): None, f"{asked}s": None}
        kind, tags = next((known[form] for form in forms if form in known), ("", ()))
        found = [self.find(tag) for tag in tags] if category in (None, kind) else []
        return tuple(dict.fromkeys(tag for tag in found if tag is not None))

    def unknown(self, name: str, category: str | None = None, *, also: Iterable[str] = ()) -> UnknownNameError:
        """Return the error for a name that no tag has.

        Parameters
        ----------
        name, category : as in `find`
        also : other names that would have done
        """
        kind = {None: "tag", "other": "tag", TAUGHT: "taught tag"}.get(category, category)
        error = UnknownNameError(str(kind), plain(name), {*map(plain, self.names(category)), *also})
        elsewhere = self.find(name)
        near = self.nearby(name)
        if elsewhere is not None:
            right = f"{elsewhere.category}:{quoted(elsewhere.tag)}"
            error.hint = f"write {right}: {elsewhere.tag!r} is of another category"
        elif near:
            error.hint = f"near it: {', '.join(f'{tag.category}:{quoted(tag.tag)}' for tag in near)}"
        elif not self.tags:
            error.hint = "nothing was heard yet: earmark library add FOLDER"
        return error


def plain(name: str) -> str:
    """Write the name of a tag in the one way in which names are compared.

    Examples
    --------
    >>> plain("Hip-Hop"), plain("new_age"), plain("mood/theme---happy")
    ('hip hop', 'new age', 'happy')
    """
    shown = display_name(fold(name))
    return " ".join(shown.replace("_", " ").replace("-", " ").split())


def quoted(name: str) -> str:
    """Write a name as filters and queries take it."""
    return f'"{name}"' if not name.isalnum() else name


def spellings(name: str) -> tuple[str, ...]:
    """List how a genre may be spelt in a file, folded: "hip hop", "hip-hop", "hiphop"."""
    shown = fold(name)
    found = [shown]
    for one in (plain(name), merged_name(plain(name))):
        found += [one, one.replace(" ", "-"), one.replace(" ", "")]
    return tuple(dict.fromkeys(found))


def _is_of(tag: TagColumn, category: str | None) -> bool:
    return category is None or category in (tag.category, tag.model if category == TAUGHT else None)


@cache
def _nearby_words() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Word to its category and the tags that come near it."""
    text = resources.files("earmark").joinpath("data", "nearby_words.toml").read_text(encoding="utf-8")
    table: dict[str, dict[str, list[str]]] = tomllib.loads(text)
    return {plain(word): (kind, tuple(tags)) for kind in CATEGORIES for word, tags in table.get(kind, {}).items()}
