"""Filters: what they say, what is wrong with wrong ones, and that the catalogue and memory agree on every one."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import EarmarkError, InputError, UnknownNameError, UsageError
from earmark.library.filter_nodes import CODES, NUMBERS, TEXTS
from earmark.library.filter_parser import MAX_CONDITIONS, MAX_DEPTH, MAX_LENGTH
from earmark.library.filter_sql import identifier, literal
from earmark.library.filter_values import TONICS, key_spellings
from earmark.library.filters import (
    And,
    Compare,
    HasTag,
    KeyIn,
    Known,
    Node,
    Not,
    Or,
    TagColumn,
    TagIndex,
    TextMatch,
    matches,
    parse_filter,
    to_sql,
)
from earmark.library.folding import fold, path_text
from earmark.library.rows import FilePlace, Heard, LibraryTrack

TAGS = {
    "jazz": "genre", "hip hop": "genre", "happy": "mood", "mellow": "mood", "piano": "instrument",
    "drums": "instrument", "female vocals": "voice", "80s": "era", "slow": "other",
}  # fmt: skip
INDEX = TagIndex(
    [TagColumn(tag, kind, f"score__standard__{tag.replace(' ', '_')}", 0.3, "standard") for tag, kind in TAGS.items()]
    + [TagColumn("road trip", "other", "score__taught__road_trip", 0.5, "taught")],
    file_genres=lambda: {"acid jazz", "jazz", "hip-hop"},
)


def track(**facts: Any) -> LibraryTrack:
    facts = {"id": "0" * 32, "files": (), "duration": 200.0, **facts}
    scores = facts.pop("scores", {})
    taught = {tag: scores.pop(tag) for tag in [*scores] if tag not in TAGS}
    heard = {name: Heard(name, of) for name, of in (("standard", scores), ("taught", taught)) if of}
    return LibraryTrack(heard=heard, **facts)


def holds(text: str, **facts: Any) -> bool:
    return matches(parse_filter(text), track(**facts), INDEX)


def message(text: str) -> str:
    with pytest.raises(EarmarkError) as caught:
        to_sql(parse_filter(text), INDEX)
    assert isinstance(caught.value, UsageError | UnknownNameError)
    assert str(caught.value) == caught.value.message
    return caught.value.message


def hint(text: str) -> str:
    with pytest.raises(EarmarkError) as caught:
        to_sql(parse_filter(text), INDEX)
    assert caught.value.hint is not None
    return caught.value.hint


# What a filter says ---------------------------------------------------------------------------------------------------


def test_the_tree_of_a_filter() -> None:
    assert parse_filter("genre:jazz and not voice:female and bpm < 100 or duration >= 2:00") == Or(
        (
            And((HasTag("genre", "jazz"), Not(HasTag("voice", "female")), Compare("bpm", "<", 100.0))),
            Compare("duration", ">=", 120.0),
        )
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("genre:jazz bpm<100", "genre:jazz and bpm < 100"),
        ("-genre:jazz", "not genre:jazz"),
        ("not (genre:jazz)", "NOT genre:jazz"),
        ("genre:jazz,mellow", "genre:jazz or genre:mellow"),
        ("genre in jazz, mellow", "genre:jazz,mellow"),
        ("genre:jazz,mellow > 0.2", "genre:jazz > 0.2 or genre:mellow > 0.2"),
        ("mood:happy>=.3", "mood:happy ≥ 0.3"),
        ("genre != jazz", "not genre:jazz"),
        ("tempo > 100", "bpm > 100"),
        ("bpm:>100", "bpm > 100"),
        ("length < 3min", "duration < 180"),
        ("duration < 3 min", "duration < 180"),
        ("duration < 1h2m3s", "duration < 1:02:03"),
        ("duration in 2:30..3min", "duration >= 150 and duration <= 180"),
        ("year in 1990..", "year >= 1990"),
        ("year:..1999", "year <= 1999"),
        ("(year:1990.. (bpm < 100))", "year >= 1990 and bpm < 100"),
        ("bit_rate < 192", "bitrate < 192k"),
        ("bit_rate < 192kbps", "bit_rate < 192000"),
        ("sample_rate < 44.1", "sample_rate < 44100"),
        ("key:Am", "key:8A"),
        ("key:1m", 'key:"a minor"'),
        ("key:A♭", "key:4B"),
        ("key:G# minor", "key:abm"),
        ("artist:miles", "artist~MILES"),
        ("title:'a \"b\"'", r'title:"a \"b\""'),
        ("artist:O'Brien", 'artist:"o\'brien"'),
    ],
)
def test_two_ways_to_say_one_thing(one: str, other: str) -> None:
    left, right = parse_filter(one), parse_filter(other)
    assert left == right or to_sql(_flat(left), WIDE) == to_sql(_flat(right), WIDE)


WIDE = TagIndex([*INDEX.tags, TagColumn("mellow", "genre", "score__standard__mellow_genre", 0.3, "standard")])


def _flat(node: Node) -> Node:
    """Take an "and" within an "and" apart; it is the same in other words."""
    if not isinstance(node, And):
        return node
    parts = [_flat(part) for part in node.parts]
    return And(tuple(inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))))


def test_text() -> None:
    assert holds('artist:"miles davis"', artist="The MILES  Davis Quintet")
    assert holds("artist:beyonce", artist="Beyoncé")
    assert holds("artist:BEYONCÉ", artist="Beyonce\u0301")
    assert not holds('artist="miles davis"', artist="Miles Davis Quintet")
    assert holds('artist="miles davis"*', artist="Miles Davis Quintet")
    assert holds("title=love*song", title="Love Me, a Song")
    assert not holds('title="love*song"', title="Love Me, a Song")
    assert holds("not album:*", album="")
    assert holds("album:*", album="Blue")
    assert holds('album=""', album="")
    assert holds("path:/music/jazz/", files=(FilePlace("/Music/Jazz/a.flac", 1, 1),))
    assert not holds("path:/a*y.mp3", files=(FilePlace("/a/x.mp3", 1, 1), FilePlace("/b/y.mp3", 1, 1)))
    assert holds("container:MP3", container="mp3")


def test_genres_and_tags() -> None:
    assert holds("genre:jazz", scores={"jazz": 0.3})
    assert not holds("genre:jazz", scores={"jazz": 0.29})
    assert holds("genre:jazz", genres=("Rock", "Jazz"))
    assert not holds("heard:jazz", genres=("Jazz",))
    assert holds("file_genre:jazz", genres=("Jazz",))
    assert not holds("file_genre:jazz", genres=("Acid Jazz",))
    assert holds("file_genre~jazz", genres=("Acid Jazz",))
    assert holds("file_genre:acid*", genres=("Pop", "Acid Jazz"))
    assert holds('genre:"acid jazz"', genres=("Acid Jazz",))
    assert holds('genre:"hip hop"', genres=("HipHop",))
    assert holds("genre:hip-hop", scores={"hip hop": 0.4})
    assert not holds("genre:jazz > 0.2", genres=("Jazz",))
    assert holds("voice:female", scores={"female vocals": 0.9})
    assert holds("instrument:drum", scores={"drums": 0.9})
    assert holds('taught:"road trip"', scores={"road trip": 0.5})
    assert holds("heard:road-trip", scores={"road trip": 0.5})


def test_numbers_and_keys() -> None:
    assert holds("bpm:120", bpm=119.6)
    assert not holds("bpm:120.0", bpm=119.6)
    assert holds("duration:3:20", duration=199.7)
    assert holds("bit_rate:320k", bit_rate=320_012)
    assert holds("year:1999", year=1999)
    assert not holds("bpm < 100")
    assert holds("not bpm < 100")
    assert holds("not bpm:*")
    assert not holds("sample_rate < 44100", sample_rate=0)
    assert holds("key:F#m", key="Gb minor")
    assert holds("key:compatible(Am)", key="C major")
    assert not holds("key:compatible(Am)", key="A major")
    assert holds("key:minor", key="F# minor")
    assert not holds("key:major")


def test_the_wheel_of_keys() -> None:
    # The published wheel of Mixed In Key: 8B is C major and 8A A minor; a fifth up is one hour on.
    major = ["B", "F#", "C#", "G#", "D#", "A#", "F", "C", "G", "D", "A", "E"]
    minor = ["G#", "D#", "A#", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
    for hour in range(12):
        assert parse_filter(f"key:{hour + 1}B") == KeyIn((f"{major[hour]} major",))
        assert parse_filter(f"key:{hour + 1}A") == KeyIn((f"{minor[hour]} minor",))
        assert parse_filter(f"key:{(hour + 5) % 12 + 1}d") == KeyIn((f"{major[hour]} major",))
        found = parse_filter(f"key:compatible({hour + 1}A)")
        assert isinstance(found, KeyIn)
        beside = {f"{minor[(hour + step) % 12]} minor" for step in (-1, 0, 1)}
        assert set(found.keys) == beside | {f"{major[hour]} major"}


# What is wrong with wrong ones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said", "pointed"),
    [
        ("bmp < 100", "there is no field 'bmp'", "bmp"),
        ("genre:jaz", "there is no genre 'jaz'", "jaz"),
        ("bpm < 100 and mood:jazz", "there is no mood 'jazz'", "jazz"),
        ("bpm < fast", "bpm takes a number", "fast"),
        ("bpm < 12x", "bpm takes a number", "12x"),
        ("bpm <", "bpm: which number", " "),
        ("duration < 3m2h", "duration takes a number", "3m2h"),
        ("year > 99999999999", "year takes a number", "99999999999"),
        ("year > 99.5", "whole numbers", "99.5"),
        ("bpm > 1..2", "takes one number", "1..2"),
        ("bpm in 2..1", "ends before it begins", "2..1"),
        ("bpm:..", "at least one end", ".."),
        ("bpm > 1,2", "takes one number", ","),
        ("bpm ~ 3", "~ is for text", "~"),
        ("artist > 3", "artist is not a number", ">"),
        ("mood > 0.3", "which mood?", ">"),
        ("mood:happy > 3", "from 0 to 1", "3"),
        ("mood:happy > x", "from 0 to 1", "x"),
        ("mood:happy = 0.3", "hardly ever", "0.3"),
        ("mood:h*", "* is for text", "h*"),
        ("artist:", "artist: which one?", " "),
        ('artist:""', "the text is empty", '""'),
        ('artist:"Miles', "quotes are not closed", '"'),
        ("artist:'Til", "quotes are not closed", "'"),
        ("artist:a\0b", "no text can hold", "a b"),
        ("key:H", "there is no key 'H'", "H"),
        ("key:13A", "there is no key '13A'", "13A"),
        ("key:compatible(8A", "there is no )", "("),
        ("(bpm < 100", "there is no )", "("),
        ("bpm < 100)", "there is no (", ")"),
        ("bpm < 100 and", "a condition is missing", " "),
        ("and bpm < 100", "missing before 'and'", "and"),
        ("()", "a condition is missing", ")"),
        ("jazz", "'jazz' is no condition", "jazz"),
        ("genre:hip hop", "'hop' is no condition", "hop"),
        ("(" * (MAX_DEPTH + 1) + "bpm<1", "one in the other", "("),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, said: str, pointed: str) -> None:
    first, shown, carets = message(text).split("\n")
    assert said in first
    at = carets.index("^")
    assert set(carets.strip()) == {"^"}
    assert (shown + " ")[at : at + len(carets.strip())] == pointed


def test_hints() -> None:
    assert hint("genre:jaz") == "did you mean 'jazz' or 'acid jazz'?"
    assert hint("mood:calm") == "near it: mood:mellow, other:slow"
    assert hint("mood:jazz") == "write genre:jazz: 'jazz' is of another category"
    assert hint("genre:hip hop") == 'words that belong together stand in quotes: genre:"hip hop"'
    assert hint("jazz") == "such as genre:jazz"
    assert "'bpm'" in hint("bmp<1")
    assert "Camelot" in hint("key:H")
    with pytest.raises(UnknownNameError) as caught:
        to_sql(parse_filter("mood:happy"), TagIndex([]))
    assert "earmark library add" in str(caught.value.hint)


def test_carets_stand_below_wide_letters_and_within_long_texts() -> None:
    shown, carets = message("title:日本 and bpm<x").split("\n")[1:]
    assert carets.index("^") == shown.index("x") + 2
    shown, carets = message("title:a " * 100 + "bmp<1 " + "title:a " * 50).split("\n")[1:]
    assert len(shown) < 150
    assert shown[carets.index("^") :].startswith("bmp")


@pytest.mark.parametrize("text", ["", "  ", "title:" + "a" * MAX_LENGTH, "bpm<1 " * (MAX_CONDITIONS + 1)])
def test_too_little_and_too_much(text: str) -> None:
    with pytest.raises(UsageError, match=r"empty|more than"):
        parse_filter(text)


@given(st.text(alphabet="abm:<>=~!-,.*()\"' 0129andorti\\é\0\n", max_size=40))
def test_any_text_is_a_filter_or_a_mistake_that_is_explained(text: str) -> None:
    try:
        node = parse_filter(text)
    except (UsageError, UnknownNameError):
        return
    try:
        to_sql(node, INDEX)
    except UnknownNameError:
        return


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "text", ["9" * 1990, "9" * 1980 + "x", "1.5" * 600, "1:" * 900, "1m" * 900, "9" * 900 + ".." + "9" * 900]
)
def test_long_numbers_have_an_end(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="takes a number"):
        parse_filter(f"{name}:{text}!")


def test_literals_hold_nothing_but_the_value() -> None:
    assert literal("'; drop table tracks --") == "'''; drop table tracks --'"
    for wrong in ("a\0b", "\ud800", float("nan"), float("inf"), True):
        with pytest.raises(InputError):
            literal(wrong)
    for column in ("a`b", "A", "", "a b", "é", "a\n"):
        with pytest.raises(InputError, match="no name of a column"):
            identifier(column)


# The catalogue and memory agree ---------------------------------------------------------------------------------------

NASTY = [
    "'", "''", '"', "\\", "\\\\", "%", "_", "%_%", "*", "?", ".", "--", ";", "`", "$", "^", "[a]", "(?i)", "{1}", "|",
    "ß", "ẞ", "é", "e\u0301", "İ", "ﬁ", "日本", "가", "🎷", "Ω", "ς", "\u200b", " ", "  ", "\t", "\n", "\r\n", "a", "B",
    "jazz", "Love", "\\x41", "\\'", "' or 1=1 --", "&", "#", "~", "-",
]  # fmt: skip
N_ROWS = 60


def nasty_text(rng: random.Random) -> str:
    return "".join(rng.choice(NASTY) for _ in range(rng.randint(0, 4)))


def random_track(rng: random.Random, number: int) -> LibraryTrack:
    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.2 else value

    paths = [f"/{nasty_text(rng)}/{nasty_text(rng)}.mp3" for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    if rng.random() < 0.1:
        paths.append("/b\udce9t\udcff/x")
    scores = {tag: rng.choice([0.0, 0.1, 0.3, 0.30000001, 0.29999998, 0.7, 1.0]) for tag in TAGS if rng.random() < 0.8}
    return track(
        id=f"{number:032x}",
        files=tuple(FilePlace(path, 1, 1) for path in paths),
        duration=rng.choice([0.0, 119.5, 120.0, 120.4999, 180.0, 1e4]),
        artist=nasty_text(rng),
        title=nasty_text(rng),
        album=nasty_text(rng),
        genres=tuple(
            rng.choice(["Jazz", "HIP-HOP", "Acid Jazz", nasty_text(rng)]) for _ in range(rng.choice([0, 1, 1, 2]))
        ),
        year=maybe(rng.choice([1959, 1990, 2005])),
        track_number=maybe(rng.randint(1, 3)),
        isrc=rng.choice(["", "USQX91300108", "usqx91300108"]),
        mb_recording_id=rng.choice(["", "b1a9c0e9-d987-4042-ae91-78d6a3267d69"]),
        container=rng.choice(["mp3", "FLAC", "m4a", ""]),
        sample_rate=rng.choice([0, 44100, 48000]),
        n_channels=rng.choice([0, 1, 2]),
        bit_rate=maybe(rng.choice([128_000, 319_499, 320_000])),
        bpm=maybe(rng.choice([99.9, 99.5, 100.0, 119.49999, 120.5])),
        bpm_confidence=maybe(rng.random()),
        key=maybe(rng.choice([name for tonic in TONICS for name in key_spellings(f"{tonic} minor")])),
        key_confidence=maybe(rng.random()),
        scores=scores | ({"road trip": rng.choice([0.4, 0.5])} if rng.random() < 0.5 else {}),
    )


def as_row(one: LibraryTrack) -> dict[str, Any]:
    """A row as the catalogue keeps it."""
    row: dict[str, Any] = {name: getattr(one, name) for name in (*NUMBERS, *CODES, "key")}
    row |= {f"{name}_folded": fold(getattr(one, name)) for name in ("artist", "title", "album")}
    row["genres_folded"] = [fold(genre) for genre in one.genres]
    row["path_text"] = path_text(file.path for file in one.files)
    for tag in INDEX.tags:
        heard = one.heard.get(tag.model)
        row[tag.column] = None if heard is None else heard.scores.get(tag.tag)
    return row


class Catalogue:
    def __init__(self, table: Any, tracks: list[LibraryTrack]) -> None:
        self.table, self.tracks = table, tracks

    def by_sql(self, node: Node) -> set[str]:
        answer = self.table.search().where(to_sql(node, INDEX)).select(["id"]).limit(N_ROWS).to_arrow()
        return set(answer["id"].to_pylist())

    def in_memory(self, node: Node) -> set[str]:
        return {one.id for one in self.tracks if matches(node, one, INDEX)}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    lancedb = pytest.importorskip("lancedb")
    import pyarrow as pa

    rng = random.Random(4)
    tracks = [random_track(rng, number) for number in range(N_ROWS)]
    whole = {name for name, about in NUMBERS.items() if about.is_whole}
    types: dict[str, Any] = {name: pa.int32() if name in whole else pa.float32() for name in NUMBERS}
    types["duration"] = pa.float64()
    types |= dict.fromkeys([*TEXTS.values(), "key"], pa.string()) | {"genres_folded": pa.list_(pa.string())}
    types |= dict.fromkeys([tag.column for tag in INDEX.tags], pa.float32())
    rows = [as_row(one) for one in tracks]
    for row in rows[::7]:  # what an older earmark may have left empty
        row |= {name: None for name in ("artist_folded", "genres_folded", "path_text") if not row[name]}
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))
    database = lancedb.connect(str(tmp_path_factory.mktemp("catalogue")))
    return Catalogue(database.create_table("tracks", table), tracks)


def leaves() -> st.SearchStrategy[Node]:
    pieces = st.lists(st.lists(st.sampled_from(NASTY), max_size=2).map("".join).map(fold), min_size=1, max_size=3)
    operators = st.sampled_from(["=", "<", "<=", ">", ">="])
    levels = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]), st.floats(0, 1))
    whole = [name for name, about in NUMBERS.items() if about.is_whole]
    broken = [name for name in NUMBERS if name not in whole]
    values = st.one_of(st.sampled_from([0.0, 0.5, 99.9, 100.0, 119.5, 120.0, 120.4999, 180.0]), st.floats(0, 1e9))
    counts = st.one_of(st.sampled_from([0, 1, 2, 1959, 1990, 44100, 128_000, 320_000]), st.integers(0, 2**31 - 1))
    keys = st.sampled_from([f"{tonic} {mode}" for tonic in TONICS for mode in ("minor", "major")])
    return st.one_of(
        st.builds(Compare, st.sampled_from(broken), operators, values),
        st.builds(Compare, st.sampled_from(whole), operators, counts),
        st.builds(Known, st.sampled_from([*NUMBERS, *TEXTS, "key"])),
        st.builds(TextMatch, st.sampled_from([*TEXTS]), pieces.map(tuple), st.booleans()),
        st.builds(KeyIn, st.lists(keys, min_size=1, max_size=4).map(tuple)),
        st.builds(HasTag, st.none(), st.sampled_from([*TAGS, "road trip"]), operators, levels),
        st.builds(
            HasTag, st.just("genre"), st.sampled_from(["jazz", "hip hop", "acid jazz"]), st.just(">="), st.none()
        ),
    )


def trees() -> st.SearchStrategy[Node]:
    def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.one_of(st.builds(And, parts), st.builds(Or, parts), st.builds(Not, inner))

    return st.recursive(leaves(), grow, max_leaves=6)


@settings(max_examples=120, deadline=None)
@given(tree=trees())
def test_the_catalogue_and_memory_agree(tree: Node, catalogue: Catalogue) -> None:
    assert catalogue.by_sql(tree) == catalogue.in_memory(tree)


def test_every_text_of_a_track_finds_it(catalogue: Catalogue) -> None:
    for one in catalogue.tracks[:25]:
        for name in ("artist", "title", "album"):
            quoted = getattr(one, name).replace("\\", "\\\\").replace('"', '\\"')
            node = parse_filter(f'{name}="{quoted}"')
            assert one.id in catalogue.by_sql(node)
            assert matches(node, one, INDEX)


def test_the_largest_filter_is_taken(catalogue: Catalogue) -> None:
    wide = parse_filter(" or ".join(["(bpm < 100 title:a* -genre:jazz)"] * (MAX_CONDITIONS // 3)))
    deep = parse_filter("not (" * (MAX_DEPTH // 2 - 1) + "bpm:100" + ")" * (MAX_DEPTH // 2 - 1))
    for node in (wide, deep):
        assert catalogue.by_sql(node) == catalogue.in_memory(node)


def test_filters_of_a_file(tmp_path: Path) -> None:
    """A line break is a space like others: a long filter may stand in a file."""
    (tmp_path / "quiet.txt").write_text("genre:jazz\n  and bpm < 100\n")
    assert parse_filter((tmp_path / "quiet.txt").read_text()) == parse_filter("genre:jazz bpm<100")
