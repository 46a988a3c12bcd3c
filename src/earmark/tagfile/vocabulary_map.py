"""From the names of models to the names that you want in your files: renamed, in your genres, dropped, in one casing.

    casing = "title"                   # or "lower", or "keep": as the model or you wrote it
    drop = ["weird", "catchy"]         # in every field

    [names]                            # what a model calls it = what you call it
    electronica = "Electronic"
    "classic rock" = "Rock"

    [genre]                            # or [mood], or [grouping]
    whitelist = ["Rock", "Jazz"]       # or whitelist_file = "genres.txt", a name per line
    drop = ["Oldies"]
    prefer_specific = true             # "Hard Rock" and not "Rock" beside it

    [genre.tree]                       # a genre not in the whitelist becomes the nearest one above it that is
    Rock = ["Hard Rock", "Indie Rock"]
    "Hard Rock" = ["Metal"]

Names are compared without regard to case, hyphens and spaces. None may hold ``;`` ``/`` or ``,``: players split values
there.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast, get_args

from earmark.errors import InputError, UsageError
from earmark.vocabulary import FORBIDDEN

Casing = Literal["title", "lower", "keep"]
MAPPED = ("genre", "mood", "grouping")
"""Fields whose values are names."""

_SPELLED = {
    "hip hop": "Hip-Hop", "trip hop": "Trip-Hop", "rnb": "R&B", "r&b": "R&B", "edm": "EDM", "idm": "IDM",
    "lo fi": "Lo-Fi", "lofi": "Lo-Fi", "dj": "DJ", "ebm": "EBM", "k pop": "K-Pop", "j pop": "J-Pop",
}  # fmt: skip
_SMALL = frozenset(("and", "or", "of", "the", "in", "on", "for", "a", "an", "n", "with"))
_TOP_KEYS = frozenset(("casing", "drop", "names", *MAPPED))
_FIELD_KEYS = frozenset(("whitelist", "whitelist_file", "drop", "prefer_specific", "tree"))


@dataclass(frozen=True)
class FieldMap:
    """What is allowed in one field.

    Parameters
    ----------
    whitelist : the names that may stand there, as they are written; empty allows all
    drop : names that never stand there
    parents : child to parent, both as they are written
    prefer_specific : leave out a name where one below it in the tree stands, too
    """

    whitelist: tuple[str, ...] = ()
    drop: frozenset[str] = frozenset()
    parents: Mapping[str, str] = field(default_factory=dict, hash=False)
    prefer_specific: bool = False

    def ancestors(self, name: str) -> list[str]:
        """Return what stands above a name, the nearest first."""
        above = {fold_name(child): parent for child, parent in self.parents.items()}
        found: list[str] = []
        while (parent := above.get(fold_name(name))) is not None:
            found.append(parent)
            name = parent
        return found


@dataclass(frozen=True)
class VocabularyMap:
    """How names become those that are written.

    Parameters
    ----------
    names : what a model calls it (folded) to what is written
    drop : folded names that stand in no field
    casing : of names that `names` and the whitelist leave as they are
    fields : for "genre", "mood", "grouping", what is allowed in it

    Examples
    --------
    >>> own = VocabularyMap({"electronica": "Electronic"})
    >>> own.apply("genre", [("hip hop", 0.7), ("electronica", 0.5), ("Electronic", 0.4)])
    [('Hip-Hop', 0.7), ('Electronic', 0.5)]
    """

    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    drop: frozenset[str] = frozenset()
    casing: Casing = "title"
    fields: Mapping[str, FieldMap] = field(default_factory=dict, hash=False)

    def apply(self, target: str, scored: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
        """Turn names into those that are written in a field, best score first.

        Parameters
        ----------
        target : "genre", "mood" or "grouping"
        scored : names and their scores

        Returns
        -------
        each name once, with the best of the scores that came to it
        """
        rules = self.fields.get(target, FieldMap())
        best: dict[str, tuple[str, float]] = {}
        for heard, score in scored:
            name = self._name(heard, rules)
            if name and (fold_name(name) not in best or best[fold_name(name)][1] < score):
                best[fold_name(name)] = (name, score)
        chosen = sorted(best.values(), key=lambda item: -item[1])
        if rules.prefer_specific:
            above = {fold_name(one) for name, _ in chosen for one in rules.ancestors(name)}
            chosen = [item for item in chosen if fold_name(item[0]) not in above]
        return chosen

    def _name(self, heard: str, rules: FieldMap) -> str:
        """Return what one name becomes; "" if it is not to be written."""
        plain = plain_name(heard)
        own = self.names.get(fold_name(plain))
        name = own if own is not None else cased(plain, self.casing)
        dropped = self.drop | rules.drop
        if not name or {fold_name(plain), fold_name(name)} & dropped:
            return ""
        if not rules.whitelist:
            return name
        allowed = {fold_name(one): one for one in rules.whitelist}
        for candidate in (name, *rules.ancestors(name)):
            if (folded := fold_name(candidate)) in allowed and folded not in dropped:
                return allowed[folded]
        return ""

    def with_whitelist(self, names: Sequence[str]) -> "VocabularyMap":
        """Return the same with other genres allowed."""
        old = self.fields.get("genre", FieldMap())
        new = FieldMap(tuple(names), old.drop, old.parents, old.prefer_specific)
        return VocabularyMap(self.names, self.drop, self.casing, {**self.fields, "genre": new})

    def describe(self) -> str:
        """Return a text that is the same for the same map: what a stamp keeps of it."""
        rules = {
            name: (one.whitelist, sorted(one.drop), sorted(one.parents.items()), one.prefer_specific)
            for name, one in sorted(self.fields.items())
        }
        return repr((sorted(self.names.items()), sorted(self.drop), self.casing, rules))


def fold_name(name: str) -> str:
    """Return a name as names are compared: without case, hyphens and repeated spaces.

    Examples
    --------
    >>> fold_name("Hip-Hop") == fold_name("hip  hop")
    True
    """
    return " ".join(re.sub(r"[-_]+", " ", name).casefold().split())


def plain_name(name: str) -> str:
    """Take out of a name what no value may hold: separators, a parent in front, characters that do not print.

    Examples
    --------
    >>> plain_name("Folk, World, & Country"), plain_name("Rock---Indie Rock"), plain_name("Rock/Pop")
    ('Folk World & Country', 'Indie Rock', 'Rock Pop')
    """
    text = name.rpartition("---")[2]
    return " ".join("".join(" " if c in FORBIDDEN or not c.isprintable() else c for c in text).split())


def cased(name: str, casing: Casing) -> str:
    """Write a name as people do.

    Examples
    --------
    >>> [cased(name, "title") for name in ("hip hop", "rnb", "drum and bass", "80s", "Neo-soul", "IDM")]
    ['Hip-Hop', 'R&B', 'Drum and Bass', '80s', 'Neo-Soul', 'IDM']
    """
    if casing == "lower":
        return name.lower()
    if casing == "keep":
        return name
    spelled = _SPELLED.get(fold_name(name))
    if spelled is not None:
        return spelled
    words = name.split()
    return " ".join(word if i and word in _SMALL else _capital(word) for i, word in enumerate(words))


def _capital(word: str) -> str:
    """Begin every part of a word with a capital; a word that has one keeps its own."""
    return "-".join(part if part != part.lower() else part[:1].upper() + part[1:] for part in word.split("-"))


def read_whitelist(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read names, one per line; empty lines, and what follows "#", are left out.

    Raises
    ------
    InputError
        If it cannot be read, holds no name, or one that players would split.
    """
    lines = (line.split("#", 1)[0].strip() for line in _text(path).splitlines())
    names = tuple(dict.fromkeys(_checked(line, f"{os.fspath(path)}") for line in lines if line))
    if not names:
        raise InputError(f"{os.fspath(path)}: no name in this whitelist", hint="write one genre per line")
    return names


def read_map(path: str | os.PathLike[str]) -> VocabularyMap:
    """Read a map from a TOML file; the module's docstring shows one.

    Raises
    ------
    InputError
        If it cannot be read, is no TOML, or holds what no map holds.
    """
    file = Path(path)
    try:
        content = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: no TOML: {error}") from error
    _check_keys(content, _TOP_KEYS, f"{file}")
    casing = content.get("casing", "title")
    if casing not in get_args(Casing):
        raise InputError(f"{file}: casing is {casing!r}", hint=f"one of {', '.join(get_args(Casing))}")
    names = {
        fold_name(plain_name(old)): _checked(new, f"{file}: [names]")
        for old, new in _table(content, "names", f"{file}").items()
    }
    fields = {name: _field_map(content[name], file, name) for name in MAPPED if name in content}
    return VocabularyMap(names, _folded(content.get("drop", []), f"{file}: drop"), cast(Casing, casing), fields)


def _field_map(table: Any, file: Path, name: str) -> FieldMap:
    where = f"{file}: [{name}]"
    if not isinstance(table, dict):
        raise InputError(f"{where}: expected a table", hint=f"write [{name}] above whitelist, drop and tree")
    _check_keys(table, _FIELD_KEYS, where)
    whitelist = [_checked(one, f"{where} whitelist") for one in _list(table.get("whitelist", []), f"{where} whitelist")]
    if "whitelist_file" in table:
        whitelist += read_whitelist(file.parent / str(table["whitelist_file"]))
    specific = table.get("prefer_specific", False)
    if not isinstance(specific, bool):
        raise InputError(f"{where}: prefer_specific is {specific!r}", hint="true or false")
    parents: dict[str, str] = {}
    for parent, children in _table(table, "tree", where).items():
        for child in _list(children, f"{where} tree, {parent}"):
            known = parents.setdefault(_checked(child, where), _checked(parent, where))
            if known != parent:
                raise InputError(f"{where}: {child!r} stands below {known!r} and below {parent!r}", hint="keep one")
    _check_tree(parents, where)
    return FieldMap(tuple(dict.fromkeys(whitelist)), _folded(table.get("drop", []), f"{where} drop"), parents, specific)


def _check_tree(parents: Mapping[str, str], where: str) -> None:
    above = {fold_name(child): fold_name(parent) for child, parent in parents.items()}
    for start in above:
        seen, name = {start}, start
        while (name := above.get(name, "")) != "":
            if name in seen:
                raise InputError(
                    f"{where}: the tree goes in a circle at {name!r}", hint="a genre cannot stand below itself"
                )
            seen.add(name)


def _check_keys(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for key in table:
        if key not in known:
            close = get_close_matches(key, sorted(known), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
            raise InputError(f"{where}: there is no key {key!r}", hint=hint)


def _checked(name: Any, where: str) -> str:
    """Return a name that may be written."""
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{where}: {name!r} is no name", hint="drop = [...] leaves names out")
    wrong = [c for c in name if c in FORBIDDEN or not c.isprintable()]
    if wrong:
        hint = f"players split or break values there: write {plain_name(name)!r}"
        raise InputError(f"{where}: {name!r} holds {wrong[0]!r}", hint=hint)
    return name.strip()


def _folded(names: Any, where: str) -> frozenset[str]:
    return frozenset(fold_name(plain_name(str(name))) for name in _list(names, where))


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"{where}: expected a list of names", hint='such as ["Rock", "Jazz"]')
    return value


def _table(content: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{where}: {key} is no table")
    return value


def _text(path: str | os.PathLike[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{os.fspath(path)}: no UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be read: {error.strerror or error}") from error


def load(
    map_file: str | os.PathLike[str] | None = None, whitelist_file: str | os.PathLike[str] | None = None
) -> VocabularyMap:
    """Read a map, and genres that are allowed; what is not given is as if all were allowed.

    Parameters
    ----------
    map_file : as `read_map` takes it
    whitelist_file : as `read_whitelist` takes it

    Raises
    ------
    UsageError
        If both say which genres are allowed.
    """
    own = VocabularyMap() if map_file is None else read_map(map_file)
    if whitelist_file is None:
        return own
    if own.fields.get("genre", FieldMap()).whitelist:
        hint = "leave out one of the two"
        raise UsageError(f"{os.fspath(whitelist_file)}: the map has a whitelist of genres already", hint=hint)
    return own.with_whitelist(read_whitelist(whitelist_file))
