"""Fields written into every container: what is read back, that nothing else changed, and what is refused."""

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutagen")
pytest.importorskip("av")
sys.path.insert(0, str(Path(__file__).parent))

from songs import SONGS, frames_of, plain, song, tag

from earmark.errors import InputError, UsageError
from earmark.tagfile import read_tags
from earmark.tagfile.changes import NewTags
from earmark.tagfile.journal import Journal
from earmark.tagfile.verifying import _kind, _others
from earmark.tagfile.writing import apply, plan

VALUES = {
    "genre": ("Jazz", "Düb 音"),
    "mood": ("Sad", "Tense"),
    "bpm": ("127",),
    "key": ("F#m",),
    "comment": ("[MOOD: sad] Ω",),
    "grouping": ("night",),
}
RAW = {"EARMARK_GENRE": ("jazz: 0.84", "dub: 0.32"), "EARMARK_STAMP": ("earmark 1; 2026-01-01",)}
NEW = NewTags(VALUES, RAW)
# libavformat takes the sizes of frames wrongly where zeros are spelled out, reads no APE tag before ID3v1, and needs
# more of a file than a header.
NOT_READ = ("v23 unsynchronised.mp3", "id3v1.wv", "fake.ape", "fake.mpc")
JOINED = ("ID3v2.2", "ID3v2.3")


@pytest.fixture
def file(tmp_path):
    def make(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(song(name))
        os.utime(path, ns=(10**18, 10**18 + 123456789))
        return path

    return make


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal") as opened:
        yield opened


def packets(path) -> list[tuple[bytes, int | None]]:
    """The audio as libavformat takes it out of the file; none where it knows no such file."""
    import av

    try:
        with av.open(str(path)) as container:
            found = [(bytes(packet), packet.pts) for packet in container.demux(audio=0) if packet.size]
        if path.name == "id3 around.flac":  # it takes the ID3v1 tag for a part of the last packet
            found[-1] = (found[-1][0].removesuffix(path.read_bytes()[-128:]), found[-1][1])
        return found
    except (av.error.InvalidDataError, av.error.ArgumentError):
        return []


def metadata(path) -> dict[str, str]:
    """The tags as libavformat reads them."""
    import av

    with av.open(str(path)) as container:
        return {key.casefold(): text for key, text in (container.metadata | container.streams[0].metadata).items()}


@pytest.mark.parametrize("name", SONGS)
def test_written_read_back_and_undone(file, journal, name):
    path = file(name)
    before, kind = path.read_bytes(), _kind(str(path))
    old_packets, old_times = packets(path), path.stat()
    change = plan(path, NEW, keep_existing=False)
    assert path.read_bytes() == before
    others = _others(kind, path, change.changes)
    apply(change, journal)

    tags = read_tags(path)
    assert (tags.genres, tags.moods, tags.bpm, tags.key) == (VALUES["genre"], VALUES["mood"], 127.0, "F#m")
    assert tags.comment == VALUES["comment"][0]
    raw = [texts for field, texts in tags.fields.items() if field.endswith("EARMARK_GENRE")]
    assert raw == [("; ".join(RAW["EARMARK_GENRE"]),) if tags.kinds[0] in JOINED else RAW["EARMARK_GENRE"]]
    assert not plan(path, NEW, keep_existing=False)

    assert packets(path) == old_packets
    assert bool(old_packets) == (name not in ("fake.ape", "fake.mpc", "id3v1.wv"))
    assert _others(kind, path, change.changes) == others
    assert (others is None) == (name in ("long.wav", "fake.mpc"))  # which mutagen does not read
    times = path.stat()
    assert (times.st_mtime_ns, times.st_mode) == (old_times.st_mtime_ns, old_times.st_mode)

    (undone,) = journal.undo()
    assert undone.is_restored, undone.reason
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == old_times.st_mtime_ns
    assert sorted(p.name for p in path.parent.iterdir()) == sorted([name, "journal"])


@pytest.mark.parametrize("name", [name for name in SONGS if name not in NOT_READ])
def test_an_independent_reader_finds_every_field(file, journal, name):
    path = file(name)
    before = metadata(path)
    apply(plan(path, NEW, keep_existing=False), journal)
    found = metadata(path)
    keys = {
        "genre": ("genre",),
        "mood": ("mood", "tmoo", "wm/mood"),
        "bpm": ("tbpm", "bpm", "wm/beatsperminute", "tmpo"),
        "key": ("tkey", "key", "initialkey", "wm/initialkey"),
        "grouping": ("grouping", "wm/contentgroupdescription", "tit1"),
        "comment": ("comment",),
        "EARMARK_GENRE": ("earmark_genre",),
    }
    for meaning, names in keys.items():
        if name == "v22.mp3":
            names = {"bpm": ("tbp",), "key": ("tke",), "grouping": ("tt1", "grouping")}.get(meaning, names)
        texts = [found[key] for key in names if key in found]
        if meaning == "bpm" and path.suffix in (".m4a", ".m4b"):  # libavformat does not show it
            continue
        values = (VALUES | RAW)[meaning]
        assert texts, (meaning, found)
        assert all(text in (*values, ";".join(values), "; ".join(values)) for text in texts), (meaning, texts)
    changed = {key for names in keys.values() for key in names} | {"earmark_stamp", "tbp", "tke", "tt1"}
    if name == "id3 around.flac":  # libavformat drops them all, as soon as there are comments
        changed |= {key for key in before if key not in ("title", "artist")}
    lost = {key: text for key, text in before.items() if key not in changed and found.get(key) != text}
    assert not lost


# What is kept, deleted, named otherwise


def test_a_field_with_a_value_is_kept_wherever_it_stands(file):
    kept = {name: plan(file(name), NEW).kept for name in ("v23.mp3", "v1.mp3", "ape.mp3", "info.wav", "bare.flac")}
    assert kept == {
        "v23.mp3": ("genre", "key", "comment"),
        "v1.mp3": ("genre", "comment"),
        "ape.mp3": ("genre",),
        "info.wav": ("genre", "comment"),
        "bare.flac": (),
    }
    change = plan(file("v23.mp3"), NEW, keep_existing=("genre",))
    assert change.kept == ("genre",)
    assert {field.name for field in change.changes} == {*VALUES, *RAW} - {"genre"}


def test_a_change_is_shown_field_by_field(file):
    change = plan(file("ape and v1.mp3"), NewTags({"genre": ("Jazz", "Dub"), "mood": ("Sad",)}), keep_existing=False)
    genre, mood = change.changes
    assert (genre.fields, genre.before, genre.after) == (
        ("TCON", "ID3v1:TCON", "APEv2:Genre"),
        ("Polka",),
        ("Jazz", "Dub"),
    )
    assert (mood.fields, mood.before, mood.after) == (("TMOO",), (), ("Sad",))
    assert change.kinds == ("ID3v2.4", "ID3v1", "APEv2")
    assert change
    old = plan(file("v23.mp3"), NewTags({"genre": ("Jazz", "Dub"), "mood": ("Sad", "Calm")}), keep_existing=False)
    assert [(field.fields, field.after) for field in old.changes] == [
        (("TCON",), ("Jazz; Dub",)), (("TXXX:MOOD",), ("Sad; Calm",)),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["v23.mp3", "full.flac", "full.opus", "full.m4a", "full.wma", "full.wv", "info.wav"])
def test_a_field_is_taken_away(file, journal, name):
    path = file(name)
    change = plan(path, NewTags({"genre": (), "comment": ()}), keep_existing=False)
    assert [field.after for field in change.changes] == [()] * len(change.changes)
    assert change
    apply(change, journal)
    assert read_tags(path).genres == ()
    assert "old" not in read_tags(path).comment
    assert read_tags(path).title == "A title" or name == "full.wv"
    assert packets(path)


def test_what_other_tags_say_goes_into_a_new_one(file, journal):
    path = file("v1.mp3")
    apply(plan(path, NewTags({"mood": ("Sad",)})), journal)
    assert {name: read_tags(path).fields[name] for name in ("TIT2", "TPE1", "TALB", "TDRC", "TRCK")} == {
        "TIT2": ("v1 title",), "TPE1": ("v1 artist",), "TALB": ("v1 album",), "TDRC": ("1999",), "TRCK": ("3",),
    }  # fmt: skip
    assert metadata(path)["title"] == "v1 title"  # libavformat reads ID3v1 only where there is nothing else


def test_id3v1_follows(file, journal):
    path = file("both.mp3")
    long = NewTags({"genre": ("Night drive", "Rock", "Dub"), "comment": ("x" * 40,)})
    apply(plan(path, long, keep_existing=False), journal)
    tail = path.read_bytes()[-128:]
    assert (tail[97:125], tail[126], tail[127]) == (b"x" * 28, 3, 17)
    assert not plan(path, long, keep_existing=False)
    apply(plan(path, NewTags({"genre": ("Unheard of",), "comment": ()}), keep_existing=False), journal)
    tail = path.read_bytes()[-128:]
    assert (tail[:33], tail[97:125], tail[127]) == (song("both.mp3")[-128:][:33], bytes(28), 255)


def test_names_of_fields_may_be_others(file, journal):
    path = file("bare.flac")
    names = {"key": {"vorbis": ("KEY", "INITIALKEY")}}
    apply(plan(path, NewTags({"key": ("Am",)}), names=names), journal)
    fields = read_tags(path).fields
    assert (fields["KEY"], fields["INITIALKEY"]) == (("Am",), ("Am",))
    apply(plan(path, NewTags({"key": ("Em",)}), keep_existing=False), journal)
    assert {read_tags(path).fields[name] for name in ("KEY", "INITIALKEY")} == {("Em",)}


def test_tempo_is_whole_where_the_format_wants_it(file, journal):
    for name, field, text in (("bare.mp3", "TBPM", "128"), ("bare.m4a", "tmpo", "128"), ("bare.flac", "BPM", "127.6")):
        path = file(name)
        apply(plan(path, NewTags({"bpm": ("127.6",)})), journal)
        assert read_tags(path).fields[field] == (text,)
    for text in ("fast", "-3", "nan", "1e9"):
        with pytest.raises(UsageError, match="tempo"):
            plan(file("bare.mp3"), NewTags({"bpm": (text,)}))


def test_padding_takes_up_the_change(file, journal):
    for name in (
        "v23.mp3",
        "id3.aiff",
        "blocks.flac",
        "full.flac",
        "full.ogg",
        "full.opus",
        "full.m4a",
        "genre number.m4a",
    ):
        path = file(name)
        small = NewTags({"mood": ("Sad",)})
        apply(plan(path, small), journal)
        assert path.stat().st_size == len(song(name)), name
        apply(plan(path, NewTags({"mood": ()}), keep_existing=False), journal)
        assert path.stat().st_size == len(song(name)), name


def test_ogg_pages_are_numbered_anew_where_headers_need_more(file, journal):
    path = file("bare.ogg")
    apply(plan(path, NewTags({}, {"EARMARK_LONG": ("x" * 200_000,)})), journal)
    assert packets(path) == packets_of("bare.ogg", path)
    assert metadata(path)["earmark_long"] == "x" * 200_000
    apply(plan(path, NewTags({}, {"EARMARK_LONG": ()})), journal)
    assert packets(path) == packets_of("bare.ogg", path)
    from mutagen.ogg import OggPage

    with path.open("rb") as opened:
        numbers = []
        while opened.tell() < path.stat().st_size:
            numbers.append(OggPage(opened).sequence)  # which checks the sum, too
    assert numbers == list(range(len(numbers)))


def packets_of(name: str, beside: Path) -> list[tuple[bytes, int | None]]:
    path = beside.with_name(f"original {name}")
    path.write_bytes(song(name))
    return packets(path)


# What is refused


def broken(name: str) -> bytes:
    data = song(name)
    if name == "v24.mp3":
        return tag(*frames_of(4), b"\xee\xeejunk that is no frame") + plain("mp3")
    if name == "v23.mp3":
        return tag(*frames_of(3), version=3, padding=10**5)[:3000]
    if name == "full.m4a":
        return data.replace(b"moov", b"moof")
    return {
        "full.flac": data[:300],
        "info.wav": data[:-100],
        "full.wma": data[:300],
        "full.ogg": data[:100],
        "full.wv": data.replace(b"\5\0\0\0\0\0\0\0Genre", b"\xff\xff\0\0\0\0\0\0Genre"),
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v24.mp3", "the ID3v2.4 tag is damaged"),
        ("v23.mp3", "the ID3v2.3 tag is cut off"),
        ("full.flac", "a FLAC block is cut off|the Vorbis comments are cut off"),
        ("info.wav", "the file is cut off"),
        ("full.wma", "the header of the ASF file is cut off"),
        ("full.m4a", "no index"),
        ("full.ogg", "known|missing or damaged|do not end"),
        ("full.wv", "the APEv2 tag is damaged"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, name, message):
    path = tmp_path / name
    path.write_bytes(broken(name))
    with pytest.raises(InputError, match=message) as caught:
        plan(path, NEW)
    assert caught.value.hint == "the file stays as it is"


@pytest.mark.parametrize("kind", ["webm", "mka", "aac"])
def test_containers_that_take_no_tags_say_so(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(plain(kind))
    with pytest.raises(InputError, match=r"not written: .*tags go into mp3, FLAC"):
        plan(path, NEW)
    (tmp_path / "empty.mp3").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        plan(tmp_path / "empty.mp3", NEW)


def test_new_tags_are_checked():
    for values, message in (
        ({"title": ("x",)}, "'title' cannot be written"),
        ({"genre": "Jazz"}, "is one text"),
        ({"genre": ("",)}, "is empty"),
        ({"genre": ("a\0b",)}, "null character"),
        ({"genre": ("\ud800",)}, "half a character"),
    ):
        with pytest.raises(UsageError, match=message):
            NewTags(values)
    with pytest.raises(UsageError, match="no field of earmark's own"):
        NewTags({}, {"TITLE": ("x",)})


@pytest.mark.parametrize("genre", ["17", "(17)Rock", "RX"])
def test_a_genre_that_id3_takes_for_a_number_is_refused(file, genre):
    with pytest.raises(UsageError, match="the number of another one"):
        plan(file("bare.mp3"), NewTags({"genre": (genre,)}))
    assert plan(file("bare.flac"), NewTags({"genre": (genre,)}))


def test_less_than_a_header_is_refused(tmp_path):
    for name in ("full.wma", "full.m4a", "full.ogg", "full.flac", "v24.mp3", "info.wav", "id3.aiff"):
        path = tmp_path / name
        for n in range(1, 40, 3):
            path.write_bytes(song(name)[:n])
            with pytest.raises(InputError, match="not written"):
                plan(path, NEW)
