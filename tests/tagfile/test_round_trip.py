"""Any text, in any field of any container, is read back as it was written, and undone byte for byte."""

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("mutagen")
pytest.importorskip("av")
sys.path.insert(0, str(Path(__file__).parent))

from songs import song

from earmark.tagfile import read_tags
from earmark.tagfile.changes import MEANINGS, NewTags
from earmark.tagfile.fields import ID3V23, names_of
from earmark.tagfile.journal import Journal
from earmark.tagfile.planning import _NUMBERED, _RAW
from earmark.tagfile.writing import apply, plan

FILES = {
    "bare.mp3": "id3", "v24 no padding.mp3": "id3", "v23.mp3": "id3", "v22.mp3": "id3", "v23 unsynchronised.mp3": "id3",
    "v24 unsynchronised.mp3": "id3", "both.mp3": "id3", "ape and v1.mp3": "id3", "blocks.flac": "vorbis",
    "no comments.flac": "vorbis", "full.ogg": "vorbis", "tail.opus": "vorbis", "bare.oga": "vorbis", "bare.m4a": "mp4",
    "index first full.m4a": "mp4", "genre number.m4a": "mp4", "full.wma": "asf", "bare.wma": "asf", "info.wav": "id3",
    "bare.aiff": "id3", "full.wv": "ape", "bare.wv": "ape",
}  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
LONG = st.builds(lambda text, n: text * n, TEXT, st.integers(1, 60))
VALUES = st.lists(TEXT | LONG, min_size=1, max_size=4).map(lambda texts: tuple(t for t in texts if t.strip()) or ("x",))
GENRES = VALUES.filter(lambda texts: not any(_NUMBERED.match(text.strip()) for text in texts))
FIELDS = st.fixed_dictionaries(
    {meaning: GENRES if meaning == "genre" else VALUES for meaning in MEANINGS if meaning != "bpm"},
    optional={"bpm": st.integers(1, 999).map(lambda n: (str(n),))},
)
QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
RAW = st.dictionaries(st.from_regex(r"EARMARK_[A-Z0-9_]{1,12}", fullmatch=True), VALUES, min_size=1, max_size=3)


def names(family: str, meaning: str, kind: str) -> str:
    if meaning in ID3V23 and kind in ("ID3v2.2", "ID3v2.3"):
        return ID3V23[meaning]
    return names_of(meaning, family)[0]


def read_as(field: str, kind: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader finds for values; a frame of ID3v2.2 and 2.3, and a comment of ID3 or ASF, is one text."""
    is_one = kind in ("ID3v2.2", "ID3v2.3") or field in ("COMM", "Description")
    return ("; ".join(values),) if is_one else values


@pytest.mark.parametrize("name", FILES)
@given(fields=FIELDS, raw=RAW)
@settings(max_examples=3, phases=[Phase.generate], derandomize=True, **QUIET)
def test_any_text_is_read_back(name, fields, raw):
    check(name, FILES[name], fields, raw)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@given(fields=FIELDS, raw=RAW)
@settings(max_examples=200, phases=[Phase.generate], **QUIET)
def test_any_text_is_read_back_many_times(name, fields, raw):
    check(name, FILES[name], fields, raw)


def check(name, family, fields, raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(song(name))
        new = NewTags(fields, raw)
        with Journal(Path(folder) / "journal") as journal:
            change = plan(path, new, keep_existing=False)
            apply(change, journal)
            found = read_tags(path)
            kind = found.kinds[0]
            for meaning, values in new.values.items():
                field = names(family, meaning, kind)
                assert found.fields[field] == read_as(field, kind, values)
            for raw_name, values in new.raw.items():
                field = _RAW[family] + raw_name
                assert found.fields[field] == read_as(field, kind, values)
            assert not plan(path, new, keep_existing=False)
            taken = NewTags(dict.fromkeys(new.values, ()), dict.fromkeys(new.raw, ()))
            apply(plan(path, taken, keep_existing=False), journal)
            left = read_tags(path).fields
            assert not {names(family, m, kind) for m in new.values} & set(left)
            assert not [field for field in left if "EARMARK_" in field]
            assert all(undone.is_restored for undone in journal.undo())
        assert path.read_bytes() == song(name)
