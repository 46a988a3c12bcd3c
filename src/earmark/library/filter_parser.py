"""From the text of a filter to its tree.

    filter     = all {"or" all}
    all        = one {["and"] one}
    one        = ("not" | "-") one | "(" filter ")" | condition
    condition  = FIELD operator value {"," value}          several values: any of them
               | FIELD "in" value {"," value}              the same as ":"
               | TAGFIELD ":" tag {"," tag} [comparison NUMBER]
    operator   = ":" | "=" | "!=" | "~" | "<" | "<=" | ">" | ">="
    value      = text in quotes, or a word; outside quotes, * is any text
               | number, also with a unit | number ".." number, each end may be left out

Fields and units are in `earmark.library.filter_nodes`; what it all means, with examples, in
``docs/concepts/finding-music.md``.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import cast

from earmark.errors import UsageError
from earmark.library.filter_nodes import (
    CODES,
    NUMBERS,
    TAG_FIELDS,
    TEXTS,
    And,
    Comparison,
    HasTag,
    Known,
    Node,
    Not,
    Or,
    Place,
    TextMatch,
    field_named,
)
from earmark.library.filter_values import between, compared, key_in
from earmark.library.folding import fold_part
from earmark.library.tag_index import spellings
from earmark.vocabulary import category

MAX_LENGTH, MAX_DEPTH, MAX_CONDITIONS = 10_000, 20, 200

_SPACE = re.compile(r"\s*")
_KEYWORD = re.compile(r"(and|or|not)(?=[\s()\"-]|$)", re.IGNORECASE)
_FIELD = re.compile(r"([^\W\d][\w-]*)\s*(?=:|==?|!=|~|<|>|≤|≥)|([^\W\d][\w-]*)(?=\s+in(?:\s|$))", re.IGNORECASE)
_OPERATOR = re.compile(r":?\s*(==?|!=|<=|>=|<|>|~|≤|≥)|(:)|\s+(in)(?=\s|$)", re.IGNORECASE)
_COMPARISON = re.compile(r"\s*(<=|>=|<|>|≤|≥|==?)\s*")
_LEVEL = re.compile(r"\d{1,3}(?:\.\d{1,9})?|\.\d{1,9}")
_WORD = re.compile(r'[^\s()",]+')
_NAMES = {"==": "=", "≤": "<=", "≥": ">=", ":": ":", "in": ":"}
_ENDS = frozenset(' \t\n\r\f\v(),"<>=~')  # of a bare value


def parse_filter(text: str) -> Node:
    """Read a filter.

    Parameters
    ----------
    text : such as ``genre:jazz and not voice:female and bpm < 100``

    Returns
    -------
    its tree; names of tags are looked up when it is used, for catalogues differ

    Raises
    ------
    UsageError
        If the text is no filter; the message points at the place.
    UnknownNameError
        If a field or a key does not exist.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(f"the filter has {len(text):,} characters, more than {MAX_LENGTH:,}")
    return _Reader(text).read()


class _Reader:
    """Reads a text from left to right; `at` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.n_conditions = 0
        self.last: tuple[str, str, int] | None = None  # field, value, end: of the condition just read

    def read(self) -> Node:
        self.skip()
        if self.at == len(self.text):
            raise UsageError("the filter is empty", hint="such as: genre:jazz and bpm < 100")
        found = self.any_of()
        if self.at < len(self.text):
            raise self.here(1).error("there is no ( for this )")
        return found

    # Places in the text -----------------------------------------------------------------------------------------------

    def skip(self) -> None:
        self.at = self.match(_SPACE).end()

    def match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Match a pattern that always matches."""
        return cast(re.Match[str], pattern.match(self.text, self.at))

    def here(self, length: int = 0) -> Place:
        return Place(self.text, self.at, min(self.at + length, len(self.text)))

    def since(self, start: int) -> Place:
        return Place(self.text, start, self.at)

    def word(self) -> str:
        """Return the word that stands here, for messages."""
        found = _WORD.match(self.text, self.at)
        return found[0] if found else self.text[self.at : self.at + 1]

    def keyword(self, *names: str) -> bool:
        """Whether one of these words stands here; it is passed."""
        found = _KEYWORD.match(self.text, self.at)
        if found is None or found[1].lower() not in names:
            return False
        self.at = found.end()
        self.skip()
        return True

    # And, or, not -----------------------------------------------------------------------------------------------------

    def any_of(self) -> Node:
        parts = [self.all_of()]
        while self.keyword("or"):
            parts.append(self.all_of())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all_of(self) -> Node:
        parts = [self.one()]
        while self.keyword("and") or not self.at_end():
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def at_end(self) -> bool:
        """Whether here ends what "and" joins."""
        found = _KEYWORD.match(self.text, self.at)
        return (
            self.at == len(self.text) or self.text[self.at] == ")" or (found is not None and found[1].lower() == "or")
        )

    def one(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.here(1).error(f"more than {MAX_DEPTH} things lie one in the other")
        try:
            if self.keyword("not") or self.minus():
                return Not(self.one())
            if self.text[self.at : self.at + 1] == "(":
                return self.group()
            return self.condition()
        finally:
            self.depth -= 1

    def minus(self) -> bool:
        if self.text[self.at : self.at + 1] != "-":
            return False
        self.at += 1
        self.skip()
        return True

    def group(self) -> Node:
        start = self.at
        self.at += 1
        self.skip()
        found = self.any_of()
        if self.text[self.at : self.at + 1] != ")":
            raise Place(self.text, start, start + 1).error("there is no ) for this (")
        self.at += 1
        self.skip()
        return found

    # Conditions -------------------------------------------------------------------------------------------------------

    def condition(self) -> Node:
        start = self.at
        self.n_conditions += 1
        if self.n_conditions > MAX_CONDITIONS:
            raise self.here(1).error(f"the filter has more than {MAX_CONDITIONS} conditions")
        found = _FIELD.match(self.text, self.at)
        if found is None:
            raise self.no_condition()
        self.at = found.end()
        said = found[1] or found[2]
        name = field_named(said, Place(self.text, start, start + len(said)))
        operator = self.operator(name)
        kinds: tuple[tuple[object, Callable[[str, str], Node]], ...] = (
            (NUMBERS, self.numbers), (TEXTS, self.texts), (TAG_FIELDS, self.tags), (("key",), self.keys),
        )  # fmt: skip
        read = next(kind for names, kind in kinds if name in cast(tuple[str, ...], names))
        negated = operator == "!="
        node = read(name, "=" if negated else operator)
        self.last = (name, self.text[found.end() : self.at], self.at)
        self.skip()
        return Not(node) if negated else node

    def no_condition(self) -> UsageError:
        """Return the error for what is no condition."""
        word = self.word()
        if not word or self.text[self.at : self.at + 1] == ")":
            return self.here(1).error("a condition is missing here", hint="such as genre:jazz or bpm < 100")
        place = self.here(len(word))
        if word.lower() in ("and", "or"):
            return place.error(f"a condition is missing before {word!r}")
        if self.last is not None and not self.text[self.last[2] : self.at].strip():
            before = self.last[1].strip(' :=~"')
            hint = f'words that belong together stand in quotes: {self.last[0]}:"{before} {word}"'
            return place.error(f"{word!r} is no condition", hint=hint)
        kind = category(word, default="")
        example = f"{kind}:{word}" if kind else f"heard:{word}, artist:{word} or title:{word}"
        return place.error(f"{word!r} is no condition: it names no field", hint=f"such as {example}")

    def operator(self, name: str) -> str:
        found = self.match(_OPERATOR)
        sign = found[1] or found[2] or found[3].lower()
        place = Place(self.text, found.start(), found.end())
        self.at = found.end()
        sign = _NAMES.get(sign, sign)
        if name not in NUMBERS and sign in ("<", "<=", ">", ">="):
            if name in TAG_FIELDS:
                raise place.error(f"which {name}?", hint=f"such as {name}:NAME {sign} 0.3")
            raise place.error(f"{name} is not a number", hint=f'such as {name}:"…" or {name} = "…"')
        if name not in TEXTS and sign == "~":
            raise place.error(f"~ is for text, {name} is none", hint=f"{name}:…")
        return sign

    def several(self, read: Callable[[], Node]) -> Node:
        """Read values with commas between them: any of them."""
        found = [read()]
        while self.text[self.match(_SPACE).end() :][:1] == ",":
            self.skip()
            self.at += 1
            found.append(read())
        return found[0] if len(found) == 1 else Or(tuple(found))

    def numbers(self, name: str, operator: str) -> Node:
        if operator in (":", "="):
            return self.several(lambda: self.number(name, "="))
        found = self.number(name, cast(Comparison, operator))
        if self.text[self.match(_SPACE).end() :][:1] == ",":
            raise self.here(1).error(f"{operator} takes one number")
        return found

    def number(self, name: str, operator: Comparison) -> Node:
        self.skip()
        start = self.at
        found = _number_pattern(name).match(self.text, self.at)
        if found is None or not found[0] or self.text[found.end() : found.end() + 1].strip(" \t\n),") != "":
            word = self.word()
            place = self.here(len(word))
            unit = NUMBERS[name].unit
            raise place.error(f"{name} takes a number ({unit}), not {word!r}" if word else f"{name}: which number?")
        self.at = found.end()
        place = self.since(start)
        if found[0] != "*" and found["dots"] is None:
            return compared(name, operator, found["number"], place)
        if operator != "=":
            raise place.error(f"{operator} takes one number", hint=f"{name} in 1..2")
        return Known(name) if found[0] == "*" else between(name, found["low"] or "", found["high"] or "", place)

    def texts(self, name: str, operator: str) -> Node:
        whole = operator == "=" or (operator == ":" and name in ("file_genre", *CODES))
        return self.several(lambda: self.text_match(name, operator, whole=whole))

    def text_match(self, name: str, operator: str, *, whole: bool) -> Node:
        pieces, place = self.value(name)
        if pieces in (["", ""], ["", "", ""]):
            return Known(name)
        folded = [fold_part(piece) for piece in pieces]
        if whole:
            folded[0] = folded[0].lstrip()
            folded[-1] = folded[-1].rstrip()
        elif not any(folded):
            raise place.error("the text is empty", hint=f"not {name}:* finds tracks without {name}")
        if name == "file_genre" and operator == ":" and len(folded) == 1:
            ways = [TextMatch(name, (spelling,), True) for spelling in spellings(folded[0])]
            return ways[0] if len(ways) == 1 else Or(tuple(ways))
        return TextMatch(name, tuple(folded), whole)

    def keys(self, name: str, operator: str) -> Node:
        return self.several(self.key)

    def key(self) -> Node:
        pieces, place = self.value("key")
        if len(pieces) > 1:
            return Known("key")
        if pieces[0].lower() != "compatible" or self.text[self.at : self.at + 1] != "(":
            return key_in(self._with_mode(pieces[0]), self.since(place.start))
        end = self.text.find(")", self.at)
        if end < 0:
            raise self.here(1).error("there is no ) for this (")
        inner = Place(self.text, self.at + 1, end)
        self.at = end + 1
        return key_in(self.text[inner.start : inner.end].strip(' "'), inner, compatible=True)

    def _with_mode(self, tonic: str) -> str:
        """Pass "minor" or "major" behind a tonic."""
        found = re.compile(r"\s+(minor|major|min|maj)(?![\w:])", re.IGNORECASE).match(self.text, self.at)
        if found is None:
            return tonic
        self.at = found.end()
        return f"{tonic} {found[1]}"

    def tags(self, name: str, operator: str) -> Node:
        kind = None if name == "heard" else name
        found: list[tuple[str, Place]] = []

        def read() -> Node:
            pieces, place = self.value(name)
            if len(pieces) > 1:
                raise place.error("* is for text, not for tags", hint="file_genre:*jazz* is about genres in the files")
            found.append((pieces[0], place))
            return Not(Or(()))

        self.several(read)
        sign, level = self.level()
        nodes: list[Node] = [HasTag(kind, tag, sign, level, place) for tag, place in found]
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def level(self) -> tuple[Comparison, float | None]:
        """Read what the score of a tag is compared with, if that stands here."""
        found = _COMPARISON.match(self.text, self.at)
        if found is None:
            return ">=", None
        sign = _NAMES.get(found[1], found[1])
        start = self.at = found.end()
        number = _LEVEL.match(self.text, self.at)
        self.at += len(self.word())
        place = self.since(start)
        if number is None or number.end() != self.at or float(number[0]) > 1:
            raise place.error("a score is a number from 0 to 1", hint="such as mood:happy > 0.3")
        if sign == "=":
            raise place.error("a score is hardly ever just that", hint="compare with <, <=, > or >=")
        return cast(Comparison, sign), float(number[0])

    def value(self, name: str) -> tuple[list[str], Place]:
        """Read a text: its pieces between wildcards."""
        self.skip()
        start = self.at
        pieces = [""]
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == '"' or (c == "'" and self.at == start):
                pieces[-1] += self.quotation()
            elif c in _ENDS or self.text.startswith("!=", self.at):
                break
            else:
                pieces[-1:] = [pieces[-1], ""] if c == "*" else [pieces[-1] + c]
                self.at += 1
        if self.at == start:
            raise self.here(1).error(f"{name}: which one?", hint=f'such as {name}:NAME or {name}:"TWO WORDS"')
        for piece in pieces:
            if "\0" in piece or any("\ud800" <= c <= "\udfff" for c in piece):
                raise self.since(start).error("the text holds a character that no text can hold")
        return pieces, self.since(start)

    def quotation(self) -> str:
        """Read a text in quotes; a backslash lets a quote or a backslash be part of it."""
        start, mark = self.at, self.text[self.at]
        found = ""
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != mark:
            self.at += self.text[self.at] == "\\" and self.text[self.at + 1 : self.at + 2] in (mark, "\\")
            found += self.text[self.at]
            self.at += 1
        if self.at == len(self.text):
            hint = None if mark == '"' else 'a text that begins with \' stands in ": "\'Round Midnight"'
            raise Place(self.text, start, start + 1).error("these quotes are not closed", hint=hint)
        self.at += 1
        return found


@cache
def _number_pattern(name: str) -> re.Pattern[str]:
    """Return what a number, or a range of numbers, of a field looks like."""
    units = "|".join(re.escape(unit) for unit, _ in NUMBERS[name].units)
    unit = rf"(?:\s*(?:{units})(?![^\W\d]|\s*[:=<>~!≤≥]|\s+in\s))?" if units else ""  # "1 bpm", not "1 bpm < 2"
    # Digits once taken are not given back (++): else there are 2**n ways to take n of them apart.
    one = rf"(?:\d++(?:\.\d++)?(?::\d++(?:\.\d++)?)*{unit})+"
    return re.compile(rf"(?P<low>{one})?\s*(?P<dots>\.\.)(?:\s*(?P<high>{one}))?|(?P<number>{one})|\*", re.IGNORECASE)
