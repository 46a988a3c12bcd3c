"""The tags of a file: every container and version, several tags in a file, several values in a field, and damage."""

import io
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.errors import InputError, MissingExtraError
from earmark.tagfile import FileTags, read_tags
from earmark.tagfile.fields import FAMILIES, FIELDS, ID3V23, names_of

pytest.importorskip("mutagen")
from mutagen import apev2, asf, flac, id3, mp4, oggopus, oggvorbis, wave

RATE = 48000
SNDFILE = {
    "a.wav": ("WAV", "PCM_16"),
    "a.aiff": ("AIFF", "PCM_16"),
    "a.flac": ("FLAC", "PCM_16"),
    "a.ogg": ("OGG", "VORBIS"),
    "a.opus": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
}
AV = {"a.m4a": "aac", "a.wma": "wmav2", "a.webm": "libopus", "a.mka": "flac", "a.oga": "flac"}
FULL = FileTags(
    artist="Björk; Ω",
    title="Jóga 音",
    album="Homogenic",
    album_artist="Björk",
    genres=("Electronic", "Art Pop"),
    moods=("Tense", "Sad"),
    year=1997,
    track_number=2,
    disc_number=1,
    bpm=86.0,
    key="Ebm",
    comment="a comment",
    isrc="GBAAN9700035",
    mb_recording_id="10ab1dcf-6ac9-4bdb-9e2f-2d2a1b9c3e1a",
    mb_artist_id="87c5dedd-371d-4a53-9f7f-80522fb7f3cb",
    mb_release_id="8f2a4c43-8b1c-4d1e-9d2b-000000000001",
)
SIMPLE = {
    "artist": ["Björk", "Ω"],
    "title": ["Jóga 音"],
    "album": ["Homogenic"],
    "album_artist": ["Björk"],
    "genre": ["Electronic", "Art Pop"],
    "mood": ["Tense", "Sad"],
    "date": ["1997-09-22"],
    "track": ["2/10"],
    "disc": ["1/1"],
    "bpm": ["86"],
    "key": ["Ebm"],
    "comment": ["a comment"],
    "isrc": ["GBAAN9700035"],
    "mb_recording": [FULL.mb_recording_id],
    "mb_artist": [FULL.mb_artist_id],
    "mb_release": [FULL.mb_release_id],
}


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Return the bytes of an untagged file of that name."""
    folder = tmp_path_factory.mktemp("bare")
    made: dict[str, bytes] = {}
    noise = (np.random.default_rng(1).standard_normal((RATE // 2, 1)) * 0.1).astype(np.float32)

    def make(name: str) -> bytes:
        if name not in made:
            path = folder / name
            if name in SNDFILE:
                container, subtype = SNDFILE[name]
                soundfile.write(path, noise, RATE, subtype=subtype, format=container)
            else:
                encode(path, noise, AV[name])
            made[name] = path.read_bytes()
        return made[name]

    return make


def encode(path, noise, codec):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        stream.bit_rate = 64000
        kind = stream.codec_context.format or stream.codec_context.codec.audio_formats[0]
        resampler = av.AudioResampler(format=kind.name, layout="mono", rate=RATE, frame_size=4096)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise.T), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for ready in [*resampler.resample(frame), None]:
            container.mux(stream.encode(ready))
        if ready is not None:
            container.mux(stream.encode(None))


@pytest.fixture
def copy(bare, tmp_path):
    """Return a path to an untagged file of that name, to be written to."""

    def make(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(bare(name))
        return path

    return make


def id3_tags(*, version=4) -> id3.ID3:
    tags = id3.ID3()
    for meaning, texts in SIMPLE.items():
        name = ID3V23.get(meaning, names_of(meaning, "id3")[0]) if version == 3 else names_of(meaning, "id3")[0]
        kind, _, description = name.partition(":")
        if kind == "TXXX":
            tags.add(id3.TXXX(encoding=3, desc=description, text=texts))
        elif kind == "COMM":
            tags.add(id3.COMM(encoding=3, lang="XXX", desc="", text=texts))
        elif kind == "UFID":
            tags.add(id3.UFID(owner=description, data=texts[0].encode()))
        else:
            tags.add(getattr(id3, kind)(encoding=3, text=texts))
    tags.add(id3.APIC(encoding=0, mime="image/png", type=3, desc="", data=bytes(range(256)) * 20))
    tags.add(id3.COMM(encoding=0, lang="eng", desc="iTunNORM", text="0000 1111"))
    return tags


def tag_fully(path):
    """Fill every field that the container has, by the names that it is to be written with."""
    import mutagen

    file = mutagen.File(path)
    if path.suffix in (".mp3", ".wav", ".aiff"):
        if path.suffix == ".mp3":
            id3_tags().save(path)
            return
        file.add_tags()
        for frame in id3_tags().values():
            file.tags.add(frame)
    elif path.suffix == ".m4a":
        for meaning, texts in SIMPLE.items():
            name = names_of(meaning, "mp4")[0]
            if meaning in ("track", "disc"):
                file.tags[name] = [tuple(map(int, texts[0].split("/")))]
            elif meaning == "bpm":
                file.tags[name] = [86]
            else:
                file.tags[name] = [text.encode() for text in texts] if name.startswith("----") else texts
        file.tags["covr"] = [mp4.MP4Cover(bytes(500), mp4.MP4Cover.FORMAT_PNG)]
    else:
        family = "asf" if path.suffix == ".wma" else "vorbis"
        for meaning, texts in SIMPLE.items():
            file.tags[names_of(meaning, family)[0]] = texts
        if family == "vorbis":
            file.tags["METADATA_BLOCK_PICTURE"] = "AAAA"
        else:
            file.tags["WM/Picture"] = asf.ASFByteArrayAttribute(bytes(500))
    file.save()


def meant(tags: FileTags) -> FileTags:
    """What the fields mean, without the fields."""
    return FileTags(
        **{name: getattr(tags, name) for name in FULL.__dict__ if name not in ("fields", "kinds", "problem")}
    )


# Every container


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp3", "ID3v2.4"),
        ("a.wav", "ID3v2.4"),
        ("a.aiff", "ID3v2.4"),
        ("a.flac", "Vorbis comments"),
        ("a.ogg", "Vorbis comments"),
        ("a.opus", "Vorbis comments"),
        ("a.oga", "Vorbis comments"),
        ("a.m4a", "MP4"),
        ("a.wma", "ASF"),
    ],
)
def test_every_field_of_every_container(copy, name, kind):
    path = copy(name)
    tag_fully(path)
    tags = read_tags(path)
    assert meant(tags) == FULL
    assert (tags.kinds, tags.problem) == ((kind,), "")
    assert not [field for field in tags.fields if "PIC" in field.upper() or field == "covr"]
    family = {"ID3v2.4": "id3", "Vorbis comments": "vorbis", "MP4": "mp4", "ASF": "asf"}[kind]
    for meaning, texts in SIMPLE.items():
        expected = ["2/10"] if meaning == "track" else texts
        assert list(tags.fields[names_of(meaning, family)[0]]) == expected


@pytest.mark.parametrize("name", [*SNDFILE, "a.m4a", "a.wma", "a.mka"])
def test_no_tags_at_all(copy, name):
    path = copy(name)
    if name == "a.m4a":
        mp4.MP4(path).delete()
    elif name == "a.wma":
        asf.ASF(path).delete()
    tags = read_tags(path)
    assert meant(tags) == FileTags()
    assert tags.problem == ""
    if name not in (
        "a.ogg",
        "a.opus",
        "a.flac",
        "a.m4a",
        "a.wma",
        "a.mka",
    ):  # an empty list is left, or the encoder signs
        assert tags == FileTags()


def test_id3_2_3(copy):
    path = copy("a.mp3")
    id3_tags(version=3).save(path, v2_version=3)
    tags = read_tags(path)
    assert meant(tags) == FileTags(**{**meant(tags).__dict__, "genres": FULL.genres, "moods": FULL.moods, "year": 1997})
    assert (tags.artist, tags.title, tags.isrc) == ("Björk/Ω", FULL.title, FULL.isrc)  # "AC/DC" is to stay whole
    assert tags.kinds == ("ID3v2.3",)
    assert tags.fields["TXXX:MOOD"] == ("Tense/Sad",)


def id3v2_2(*frames: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack(">I", len(data))[1:] + data for name, data in frames)
    return b"ID3\2\0\0" + bytes(len(body) >> 7 * i & 0x7F for i in (3, 2, 1, 0)) + body


def test_id3_2_2(copy):
    path = copy("a.mp3")
    latin = [
        (b"TT2", b"\0Title"),
        (b"TP1", b"\0Artist\0"),
        (b"TCO", b"\0(9)"),
        (b"TYE", b"\x001984"),
        (b"TRK", b"\x004/9"),
    ]
    path.write_bytes(id3v2_2(*latin, (b"COM", b"\0eng\0words"), (b"PIC", b"\0PNG\3\0xxx")) + path.read_bytes())
    tags = read_tags(path)
    expected = FileTags(artist="Artist", title="Title", genres=("Metal",), year=1984, track_number=4, comment="words")
    assert meant(tags) == expected
    assert (tags.kinds, tags.problem) == (("ID3v2.2",), "")


def test_id3v1_alone_and_behind_id3v2(copy):
    path = copy("a.mp3")
    v1 = (
        b"TAG"
        + b"Old title".ljust(30, b"\0")
        + b"Old artist".ljust(30)
        + bytes(30)
        + b"1971"
        + b"words".ljust(28, b"\0")
    )
    path.write_bytes(path.read_bytes() + v1 + b"\0\x07\x11")
    tags = read_tags(path)
    expected = FileTags(
        title="Old title", artist="Old artist", year=1971, comment="words", track_number=7, genres=("Rock",)
    )
    assert meant(tags) == expected
    assert tags.kinds == ("ID3v1",)
    enhanced = b"TAG+" + b"of the enhanced tag".ljust(223, b"\0")
    path.write_bytes(path.read_bytes()[:-128] + enhanced + v1.replace(b"Old title", b"TAG title") + b"\0\x07\x11")
    assert (read_tags(path).title, read_tags(path).artist) == ("TAG title", "Old artist")
    path.write_bytes(path.read_bytes()[: -128 - len(enhanced)] + v1 + b"\0\x07\x11")
    newer = id3.ID3()
    newer.add(id3.TIT2(encoding=3, text="New title"))
    newer.save(path, v1=1)
    path.write_bytes(path.read_bytes()[:-128] + v1 + b"\0\x07\x11")
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.kinds) == ("New title", "Old artist", ("ID3v2.4", "ID3v1"))


def test_ape_tags(copy, tmp_path):
    for name, order in (("a.mp3", ("ID3v2.4", "APEv2", "ID3v1")), ("a.ape", ("APEv2", "ID3v2.4", "ID3v1"))):
        path = tmp_path / name
        path.write_bytes(b"MAC \x96\x0f" + bytes(5000) if name == "a.ape" else copy("a.mp3").read_bytes())
        tags = apev2.APEv2()
        for meaning, texts in SIMPLE.items():
            tags[names_of(meaning, "ape")[0]] = texts
        tags["Cover Art (Front)"] = apev2.APEValue(b"a.png\0" + bytes(100), apev2.BINARY)
        tags.save(path)
        found = read_tags(path)
        assert meant(found) == FULL
        assert found.kinds == ("APEv2",)
        assert found.fields["Genre"] == ("Electronic", "Art Pop")
        other = id3.ID3()
        other.add(id3.TIT2(encoding=3, text="of ID3"))
        other.save(path, v1=2)
        found = read_tags(path)
        assert found.kinds == order
        assert found.title == ("of ID3" if order[0] == "ID3v2.4" else FULL.title)
        assert found.artist == FULL.artist


def test_riff_info(copy):
    path = copy("a.wav")
    parts = {b"INAM": "Títle", b"IART": "Artist\0", b"IPRD": "Album", b"IGNR": "Dub; Ska", b"ICRD": "2001-02-03"}
    parts |= {b"ITRK": "5", b"ICMT": "wörds"}
    body = b"INFO"
    for name, text in parts.items():
        data = text.encode("latin-1" if name == b"ICMT" else "utf-8")
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", len(body)) + body)
    tags = read_tags(path)
    expected = FileTags(
        title="Títle", artist="Artist", album="Album", genres=("Dub", "Ska"), year=2001, track_number=5, comment="wörds"
    )
    assert meant(tags) == expected
    assert (tags.kinds, tags.problem) == (("RIFF INFO",), "")
    file = wave.WAVE(path)
    if file.tags is None:
        file.add_tags()
    file.tags.add(id3.TIT2(encoding=3, text="of ID3"))
    file.save()
    assert read_tags(path).title == "of ID3"
    assert read_tags(path).artist == "Artist"


def test_aiff_chunks(copy):
    path = copy("a.aiff")
    path.write_bytes(path.read_bytes() + b"NAME\0\0\0\x05Title\0AUTH\0\0\0\x06ArtistANNO\0\0\0\x04word")
    assert meant(read_tags(path)) == FileTags(title="Title", artist="Artist", comment="word")


def element(id_: int, data: bytes) -> bytes:
    return id_.to_bytes((id_.bit_length() + 7) // 8, "big") + (len(data) | 1 << 56).to_bytes(8, "big") + data


def matroska(*tags: tuple[int | None, dict[str, str]], title: str = "") -> bytes:
    body = element(0x1549A966, element(0x7BA9, title.encode())) if title else b""
    for level, texts in tags:
        targets = element(0x63C0, element(0x68CA, bytes([level])) if level else b"")
        simple = [
            element(0x67C8, element(0x45A3, name.encode()) + element(0x4487, text.encode()))
            for name, text in texts.items()
        ]
        body += element(0x1254C367, element(0x7373, targets + b"".join(simple)))
    return element(0x1A45DFA3, b"") + element(0x18538067, body)


def test_matroska(tmp_path):
    path = tmp_path / "a.mka"
    album = {"TITLE": "Album", "ARTIST": "Band", "DATE_RELEASED": "1999", "GENRE": "Ska"}
    track = {"title": "Title", "ARTIST": "Singer", "BPM": "120", "INITIAL_KEY": "Am", "MOOD": "Sad", "PART_NUMBER": "3"}
    path.write_bytes(matroska((50, album), (30, track)))
    tags = read_tags(path)
    expected = FileTags(
        title="Title", artist="Singer", album="Album", album_artist="Band", genres=("Ska",), moods=("Sad",), year=1999,
        bpm=120.0, key="Am", track_number=3,
    )  # fmt: skip
    assert meant(tags) == expected
    assert tags.kinds == ("Matroska",)
    assert tags.fields["ALBUM:TITLE"] == ("Album",)
    path.write_bytes(matroska((None, {"ARTIST": "Band", "ALBUM": "Album"}), title="Title"))
    assert meant(read_tags(path)) == FileTags(title="Title", artist="Band", album="Album")


def test_matroska_as_ffmpeg_writes_it(copy, tmp_path):
    av = pytest.importorskip("av")
    for name in ("a.webm", "a.mka"):
        target = tmp_path / f"tagged_{name}"
        with av.open(str(copy(name))) as given_, av.open(str(target), "w") as made:
            stream = made.add_stream_from_template(given_.streams.audio[0])
            made.metadata.update(title="Títle", artist="Artist", album="Album", genre="Ska;Dub", date="2003", track="4")
            for packet in given_.demux(given_.streams.audio[0]):
                if packet.size:
                    packet.stream = stream
                    made.mux(packet)
        expected = FileTags(
            title="Títle", artist="Artist", album="Album", genres=("Ska", "Dub"), year=2003, track_number=4
        )
        assert meant(read_tags(target)) == expected


def test_dsd(tmp_path):
    tag = io.BytesIO()
    tags = id3.ID3()
    tags.add(id3.TIT2(encoding=3, text="Title"))
    tags.save(tag)
    fmt = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 2, 2, 2822400, 1, 64, 8, 0)
    head = b"DSD " + struct.pack("<QQQ", 28, 28 + 52 + 28 + len(tag.getvalue()), 28 + 52 + 28)
    dsf = head + fmt + b"data" + struct.pack("<Q", 28) + bytes(16) + tag.getvalue()
    (tmp_path / "a.dsf").write_bytes(dsf)
    chunk = b"ID3 " + struct.pack(">Q", len(tag.getvalue())) + tag.getvalue()
    (tmp_path / "a.dff").write_bytes(b"FRM8" + struct.pack(">Q", 4 + len(chunk)) + b"DSD " + chunk)
    assert read_tags(tmp_path / "a.dsf").title == read_tags(tmp_path / "a.dff").title == "Title"


# What stands in a field


@pytest.mark.parametrize(
    ("version", "texts", "genres"),
    [
        (4, ["17"], ("Rock",)),
        (4, ["(17)"], ("Rock",)),
        (4, ["(31)(39)"], ("Trance", "Noise")),
        (4, ["(4)Eurodisco"], ("Disco", "Eurodisco")),
        (4, ["(RX)", "CR", "((own)"], ("Remix", "CR", "(own)")),
        (4, ["Rock/Pop", "Rock; Metal ;", "Rock"], ("Rock/Pop", "Rock", "Metal")),
        (4, ["999", "(250)", "1984"], ("999", "(250)", "1984")),
        (3, ["Rock/Metal"], ("Rock", "Metal")),
        (3, ["Pop/Funk"], ("Pop/Funk",)),
        (3, ["(17)/Dub"], ("Rock", "Dub")),
        (3, ["A\0B"], ("A", "B")),
        (4, ["  ", "\0"], ()),
    ],
)
def test_genres(copy, version, texts, genres):
    path = copy("a.mp3")
    body = b"\3" + "\0".join(texts).encode()
    if version == 3:
        body = b"\1" + "\0".join(texts).encode("utf-16")
    frame = b"TCON" + struct.pack(">I", len(body)) + b"\0\0" + body
    path.write_bytes(b"ID3" + bytes([version]) + b"\0\0\0\0\0" + bytes([len(frame)]) + frame + path.read_bytes())
    assert read_tags(path).genres == genres


def test_odd_values(copy):
    path = copy("a.flac")
    file = flac.FLAC(path)
    file["TITLE"] = ["  padded \0", "\0"]
    file["ARTIST"] = ["same", "same", "other"]
    file["TRACKNUMBER"] = ["A1"]
    file["DISCNUMBER"] = ["0"]
    file["DATE"] = ["unknown"]
    file["ORIGINALDATE"] = ["May 1969"]
    file["BPM"] = ["fast", "127,96"]
    file["initialkey"] = ["8A"]
    file["COVERART"] = ["AAAA"]
    file["LYRICS"] = ["x" * (1 << 20) + "y"]
    file.save()
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.track_number, tags.disc_number) == ("padded", "same; other", None, None)
    assert (tags.year, tags.bpm, tags.key) == (1969, 127.96, "8A")
    assert "COVERART" not in tags.fields
    assert "LYRICS" not in tags.fields


def test_wrong_encodings_are_kept_as_they_are(copy):
    path = copy("a.flac")
    comments = b"\0\0\0\0\2\0\0\0" + b"\x0a\0\0\0TITLE=\xe9t\xe9!" + b"\x0b\0\0\0ARTIST=" + "Ω".encode() + b"ab"
    data = path.read_bytes()
    block = b"\4" + struct.pack(">I", len(comments))[1:] + comments
    path.write_bytes(data[:42] + block + data[42:])
    tags = read_tags(path)
    assert (tags.title, tags.artist) == ("été!", "Ωab")
    tags.title.encode()


def test_comments_of_programs_are_not_for_people(copy):
    path = copy("a.mp3")
    tags = id3.ID3()
    tags.add(id3.COMM(encoding=0, lang="eng", desc="iTunSMPB", text="00000000"))
    tags.add(id3.COMM(encoding=0, lang="eng", desc="liner notes", text="words"))
    tags.save(path)
    assert read_tags(path).comment == "words"
    assert set(read_tags(path).fields) == {"COMM:iTunSMPB", "COMM:liner notes"}


def test_texts_that_no_utf8_holds_do_not_come_out(copy):
    path = copy("a.mp3")
    tags = id3.ID3()
    tags.add(id3.TIT2(encoding=0, text="x"))
    tags.save(path)
    data = bytearray(path.read_bytes())
    body = b"\2\xd8\x00\x00a"  # UTF-16 with half a character
    frame = b"TIT2" + struct.pack(">I", len(body)) + b"\0\0" + body
    path.write_bytes(b"ID3\4\0\0\0\0\0" + bytes([len(frame)]) + frame + data)
    found = read_tags(path)
    found.title.encode()
    assert found.title.endswith("a")
    assert "TIT2" in found.problem


# Damage


def test_an_id3_tag_that_is_cut_off(copy):
    path = copy("a.mp3")
    id3_tags().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"APIC") + 100])
    tags = read_tags(path)
    assert meant(tags) == FULL
    assert "ID3v2.4 tag is cut off" in tags.problem


def test_one_damaged_frame_does_not_take_the_others_with_it(copy):
    path = copy("a.mp3")
    tags = id3.ID3()
    tags.add(id3.TIT2(encoding=3, text="Title"))
    tags.add(id3.TPE1(encoding=3, text="Artist"))
    tags.save(path)
    data = path.read_bytes()
    at = data.index(b"TIT2")
    path.write_bytes(data[: at + 10] + b"\x09" + data[at + 11 :])  # an encoding that there is not
    found = read_tags(path)
    assert (found.title, found.artist) == ("Title", "Artist")
    assert found.problem == "damaged frames in the ID3v2.4 tag: TIT2"


def test_vorbis_comments_that_are_cut_off(copy):
    path = copy("a.flac")
    tag_fully(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"homogenic".title()) + 4])
    tags = read_tags(path)
    assert (tags.artist, tags.title, tags.album) == ("Björk; Ω", FULL.title, "")
    assert "Vorbis comments are cut off or damaged: 3 of" in tags.problem


def test_ogg_without_its_comments(copy):
    path = copy("a.ogg")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"OggS", 4)])
    assert "missing or damaged" in read_tags(path).problem


def test_long_comments_span_pages(copy):
    for name, kind in (("a.ogg", oggvorbis.OggVorbis), ("a.opus", oggopus.OggOpus)):
        path = copy(name)
        file = kind(path)
        file["ABOUT"] = "x" * 200_000
        file["TITLE"] = "Title"
        file.save()
        assert read_tags(path).title == "Title"
        assert len(read_tags(path).fields["ABOUT"][0]) == 200_000


@pytest.mark.parametrize(("name", "mark"), [("a.m4a", b"ilst"), ("a.wma", b"\x33\x26\xb2\x75"), ("a.mp3", b"APETAGEX")])
def test_damaged_tags_are_told_of(copy, name, mark):
    path = copy(name)
    if name == "a.mp3":
        tags = apev2.APEv2()
        tags["Title"] = "Title"
        tags.save(path)
    else:
        tag_fully(path)
    data = path.read_bytes()
    at = data.index(mark) + {"a.m4a": 4, "a.wma": 16, "a.mp3": 32}[name]
    path.write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
    tags = read_tags(path)
    assert tags.problem
    assert isinstance(tags, FileTags)


@pytest.mark.parametrize("name", [*SNDFILE, "a.m4a", "a.wma", "a.oga", "a.mka"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 255)), max_size=30), end=st.integers(30, 20_000))
def test_no_damage_raises(bare, name, changes, end):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(bare(name))
        if name != "a.mka":
            tag_fully(path)
        data = bytearray(path.read_bytes())
        for at, value in changes:
            data[at % len(data)] = value
        path.write_bytes(data[:end])
        tags = read_tags(path)
        "".join([tags.title, tags.problem, *(text for texts in tags.fields.values() for text in texts)]).encode()


@settings(max_examples=60, deadline=None)
@given(
    magic=st.sampled_from(
        [b"ID3\3\0\0\0\0\0\x7f", b"ID3\4\0\x40\0\0\0\x7f", b"ID3\2\0\0\0\0\0\x7f", b"OggS\0\2", b"fLaC\4"]
    ),
    rest=st.binary(max_size=300),
)
def test_noise_behind_any_magic_does_not_raise(magic, rest):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(magic + rest)
        assert isinstance(read_tags(path), FileTags)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_tags(tmp_path / "gone.mp3")
    (tmp_path / "empty.mp3").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        read_tags(tmp_path / "empty.mp3")


def test_without_mutagen(copy, monkeypatch):
    for name in [*sys.modules]:
        if name.partition(".")[0] == "mutagen":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"\[library\]"):
        read_tags(copy("a.flac"))


# The table of fields


def test_every_field_that_is_written_is_read():
    for meaning, names in FIELDS.items():
        assert set(names) <= set(FAMILIES), meaning
        assert all(names.values()), meaning
        for family in ("id3", "vorbis", "ape", "mp4", "asf"):
            assert names[family], (meaning, family)
    for meaning, name in ID3V23.items():
        assert name in names_of(meaning, "id3")


def test_no_name_means_two_things():
    for family in FAMILIES:
        names = [name.casefold() for meaning in FIELDS for name in names_of(meaning, family)]
        names.remove("album:artist") if family == "matroska" else None  # stands for the track's where that has none
        assert len(names) == len(set(names)), family


@pytest.mark.shared
def test_real_music(shared):
    tags = read_tags(shared / "audio" / "clips" / "bensound-thejazzpiano.mp3")
    assert (tags.artist, tags.title, tags.genres) == ("Bensound", "The Jazz Piano", ("Abstract",))
    assert tags.kinds == ("ID3v2.3", "ID3v1")
    for path in sorted((shared / "audio").rglob("*.*")):
        if path.suffix != ".csv":
            assert read_tags(path).problem == "", path
