"""Songs in every container that takes tags, and with all that taggers leave in files: made here, none recorded."""

import functools
import io
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100
_SNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
_AV = {"m4a": "aac", "wma": "wmav2", "opus": "libopus", "oga": "flac", "wv": "wavpack", "tta": "tta"}
_AV |= {"webm": "libopus", "mka": "flac", "aac": "aac"}
PICTURE = bytes(range(256)) * 20
_PICTURE_FRAME = b"\0image/png\0\3\0" + PICTURE
HUGE = np.random.default_rng(3).bytes(1_500_000)


@functools.cache
def plain(kind: str, *, options: tuple[tuple[str, str], ...] = (), seconds: float = 0.4) -> bytes:
    """Return a file of this kind with noise in it, as the encoder leaves it."""
    noise = (np.random.default_rng(1).standard_normal((int(RATE * seconds), 1)) * 0.1).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        if kind in _SNDFILE:
            container, subtype = _SNDFILE[kind]
            soundfile.write(path, noise, RATE, subtype=subtype, format=container)
        else:
            _encode(path, noise, _AV[kind], dict(options))
        return path.read_bytes()


def _encode(path: Path, noise: np.ndarray, codec: str, options: dict[str, str]) -> None:
    import av

    rate = 48000 if codec == "libopus" else RATE
    container_format = {"oga": "ogg", "aac": "adts", "m4a": "ipod"}.get(path.suffix[1:])
    with av.open(str(path), "w", format=container_format, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 64000
        kind = stream.codec_context.format or stream.codec_context.codec.audio_formats[0]
        resampler = av.AudioResampler(format=kind.name, layout="mono", rate=rate, frame_size=4096)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise.T), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for ready in [*resampler.resample(frame), None]:
            container.mux(stream.encode(ready))


# ID3


def syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(name: bytes, content: bytes, *, version: int = 4, flags: bytes = b"\0\0", plain_size: bool = False) -> bytes:
    if version == 2:
        return name + len(content).to_bytes(3, "big") + content
    size = len(content).to_bytes(4, "big") if version == 3 or plain_size else syncsafe(len(content))
    return name + size + flags + content


def tag(*frames: bytes, version: int = 4, flags: int = 0, padding: int = 0, extended: bytes = b"") -> bytes:
    body = extended + b"".join(frames) + bytes(padding)
    head = bytes([version, 0, flags]) + syncsafe(len(body))
    return b"ID3" + head + body + (b"3DI" + head if flags & 0x10 else b"")


def spelled(*frames: bytes) -> bytes:
    """An ID3v2.3 tag in which zeros after 0xFF are spelled out."""
    import re

    body = re.sub(rb"\xff(?=[\x00\xe0-\xff])", b"\xff\0", b"".join(frames) + bytes(50))
    return b"ID3\3\0\x80" + syncsafe(len(body)) + body


def frames_of(version: int) -> list[bytes]:
    """Frames that are to survive, among them some that no reader knows, and damaged ones."""
    make = functools.partial(frame, version=version)
    return [
        make(b"TIT2", b"\0A title"),
        make(b"TPE1", b"\0Bj\xf6rk"),
        make(b"APIC", _PICTURE_FRAME),
        make(b"XYZQ", b"\0what is this\xff\xfe\0"),
        make(b"PRIV", b"com.example\0\1\2\3\xff\xe0"),
        make(b"USLT", b"\0engwords\0la la la"),
        make(b"TCON", b"\0Polka"),
        make(b"COMM", b"\0deu\0an old comment"),
        make(b"COMM", b"\0engiTunNORM\0 0000 1111"),
        make(b"TXXX", b"\0REPLAYGAIN_TRACK_GAIN\0-3.0 dB"),
        make(b"TKEY", b"\x07not a text"),
        make(b"CHAP", b"c1\0" + struct.pack(">IIII", 0, 200, 0xFFFFFFFF, 0xFFFFFFFF) + make(b"TIT2", b"\0Chapter")),
        make(b"CTOC", b"toc\0\3\1c1\0"),
        make(b"POPM", b"me@example.com\0\xc4\0\0\0\7"),
    ]


def old_frames() -> list[bytes]:
    make = functools.partial(frame, version=2)
    return [
        make(b"TT2", b"\0A title"),
        make(b"PIC", b"\0PNG\3\0" + PICTURE),
        make(b"TCO", b"\0(17)"),
        make(b"XYZ", b"unknown"),
        make(b"COM", b"\0eng\0old words"),
    ]


def id3v1(genre: int = 17) -> bytes:
    fields = (b"TAG", b"v1 title", b"v1 artist", b"v1 album", b"1999", b"v1 comment", 3, genre)
    return struct.pack("3s30s30s30s4s28sxBB", *fields)


def ape(items: dict[str, bytes]) -> bytes:
    data = b"".join(struct.pack("<II", len(v), 0) + k.encode() + b"\0" + v for k, v in items.items())
    data += struct.pack("<II", len(PICTURE), 2) + b"Cover Art (Front)\0" + PICTURE
    ends = [struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(data) + 32, len(items) + 1, f) for f in (5 << 29, 1 << 31)]
    return ends[0] + data + ends[1]


_APE = {"Genre": b"Polka", "Title": b"A title", "REPLAYGAIN_TRACK_GAIN": b"-3 dB"}


def _mp3(front: bytes = b"", back: bytes = b"") -> bytes:
    return front + plain("mp3") + back


# Other containers


def _with_mutagen(kind: str, data: bytes, change: Callable[[object], None]) -> bytes:
    import mutagen

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        path.write_bytes(data)
        file = mutagen.File(path)
        change(file)
        return path.read_bytes()


def _comments(file: object) -> None:
    from mutagen.flac import FLAC, Picture

    file["TITLE"], file["GENRE"], file["comment"] = "A title", ["Polka", "Waltz"], "an old comment"
    file["lyrics"] = "la\nla"
    if isinstance(file, FLAC):
        picture = Picture()
        picture.data, picture.mime, picture.type = PICTURE, "image/png", 3
        file.add_picture(picture)
    file.save()


def _huge_comments(file: object) -> None:
    file["TITLE"], file["METADATA_BLOCK_PICTURE"] = "A title", HUGE.hex()[:600_000]
    file.save(padding=lambda info: 0)


_TRACKS = struct.pack(">QB12sB13xB", 0, 1, b"", 0, 1) + struct.pack(">QB3x", 0, 1)
_TRACKS += struct.pack(">QB12sB13xB", 44100, 170, b"", 0, 0)
_CUE_SHEET = bytes(128) + (88200).to_bytes(8, "big") + b"\x80" + bytes(258) + b"\2" + _TRACKS


def _flac_blocks(*, padding: int | None = 64, comments: bool = True) -> bytes:
    """A FLAC file with every kind of block."""
    data = plain("flac")
    at, kept = 4, []
    while True:
        kind, size = data[at] & 0x7F, int.from_bytes(data[at + 1 : at + 4], "big")
        last, body = data[at] & 0x80, data[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == 0 or (kind == 4 and comments):
            kept.append((kind, body))
        if last:
            break
    kept += [(3, bytes(18)), (2, b"test" + b"application"), (5, _CUE_SHEET), (127 - 1, b"unknown")] if comments else []
    kept += [(1, bytes(padding))] if padding is not None else []
    heads = [
        bytes([kind | 0x80 * (i == len(kept) - 1)]) + len(body).to_bytes(3, "big")
        for i, (kind, body) in enumerate(kept)
    ]
    return b"fLaC" + b"".join(head + body for head, (_, body) in zip(heads, kept, strict=True)) + data[at:]


def _opus_tail() -> bytes:
    """An Opus file with data behind its comments that are to be kept."""
    from earmark.audio.identity.view import View
    from earmark.tagfile.ogg_pages import pages_of, paginated

    data = plain("opus")
    view = View(io.BytesIO(data))
    page = list(pages_of(view, 0))[1]
    packet = data[page.body : page.end] + b"\x01binary data" + bytes(20)
    return data[: page.begin] + b"".join(paginated([packet], [page])) + data[page.end :]


def _mp4_tags(file: object) -> None:
    from mutagen.mp4 import AtomDataType, MP4Cover, MP4FreeForm

    file.add_tags() if file.tags is None else None
    file["©nam"], file["trkn"], file["covr"] = ["A title"], [(2, 10)], [MP4Cover(PICTURE, MP4Cover.FORMAT_PNG)]
    file["----:com.apple.iTunes:iTunSMPB"] = [MP4FreeForm(b" 00000000 00000840", AtomDataType.UTF8)]
    file["©cmt"], file["tmpo"] = ["an old comment"], [90]
    file.save()


def _box(name: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + name + content


def _mp4_without_free(data: bytes) -> bytes:
    """Take the free space behind the list away: what is written must move the packets."""

    def no_padding(file: object) -> None:
        _mp4_tags(file)
        file.save(padding=lambda info: 0)

    return _with_mutagen("m4a", data, no_padding)


def _mp4_gnre() -> bytes:
    """An m4a file with a genre by its number, and free space behind the index."""
    data = plain("m4a", options=(("movflags", "faststart"),))
    at = data.index(b"ilst") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    extra = _box(b"gnre", _box(b"data", bytes(8) + b"\0\x12")) + _box(b"zzzz", _box(b"data", bytes(8) + b"odd"))
    made = bytearray(data)
    made[at + size : at + size] = extra
    for name in (b"ilst", b"meta", b"udta", b"moov"):
        begin = data.index(name) - 4
        grown = int.from_bytes(data[begin : begin + 4], "big") + len(extra)
        made[begin : begin + 4] = grown.to_bytes(4, "big")
    at = made.index(b"stco") + 12
    n_chunks = int.from_bytes(made[at - 4 : at], "big")
    moov_end = data.index(b"moov") - 4 + int.from_bytes(made[data.index(b"moov") - 4 :][:4], "big")
    for i in range(at, at + 4 * n_chunks, 4):
        made[i : i + 4] = (int.from_bytes(made[i : i + 4], "big") + len(extra) + 3000).to_bytes(4, "big")
    made[moov_end:moov_end] = _box(b"free", bytes(2992))
    return bytes(made)


def _m4b() -> bytes:
    """An m4a file with chapters as Nero wrote them."""
    data = _mp4_without_free(plain("m4a"))
    chapters = _box(b"chpl", b"\1\0\0\0\0\0\0\0\1" + bytes(8) + b"\7Chapter")
    made = bytearray(data)
    at = data.index(b"udta") + 4
    made[at:at] = chapters
    for name in (b"udta", b"moov"):
        begin = data.index(name) - 4
        made[begin : begin + 4] = (int.from_bytes(data[begin : begin + 4], "big") + len(chapters)).to_bytes(4, "big")
    return bytes(made)


def _asf_tags(file: object) -> None:
    from mutagen.asf import ASFByteArrayAttribute, ASFUnicodeAttribute

    file["Title"], file["WM/Genre"], file["Description"] = "A title", ["Polka"], "an old comment"
    file["WM/Picture"] = ASFByteArrayAttribute(PICTURE)
    file["WM/Mood"] = [ASFUnicodeAttribute("in the library", language=1), ASFUnicodeAttribute("of a stream", stream=1)]
    file["Other"] = [ASFUnicodeAttribute("stays", language=1), ASFUnicodeAttribute("too", stream=1)]
    file.save()


def _form(data: bytes, *chunks: bytes, first: bool = False) -> bytes:
    order = "big" if data[:4] == b"FORM" else "little"
    extra = b"".join(chunks)
    made = data[:12] + extra + data[12:] if first else data + b"\0" * (len(data) % 2) + extra
    return made[:4] + (len(made) - 8).to_bytes(4, order) + made[8:]


def chunk(name: bytes, content: bytes, order: str = "little") -> bytes:
    return name + len(content).to_bytes(4, order) + content + b"\0" * (len(content) % 2)


def _id3_chunk(version: int) -> bytes:
    return chunk(b"id3 ", tag(*frames_of(version), version=version))


def _info() -> bytes:
    return chunk(
        b"LIST", b"INFO" + chunk(b"INAM", b"A title\0") + chunk(b"IGNR", b"Polka\0") + chunk(b"ICMT", b"old\0")
    )


SONGS: dict[str, Callable[[], bytes]] = {
    "bare.mp3": lambda: _mp3(),
    "v24.mp3": lambda: _mp3(tag(*frames_of(4), padding=300)),
    "v23.mp3": lambda: _mp3(tag(*frames_of(3), version=3, padding=3000)),
    "v22.mp3": lambda: _mp3(tag(*old_frames(), version=2, padding=100)),
    "v23 unsynchronised.mp3": lambda: _mp3(spelled(*frames_of(3))),
    "v24 unsynchronised.mp3": lambda: _mp3(tag(*frames_of(4)[:3], flags=0x80, padding=9)),
    "v24 no padding.mp3": lambda: _mp3(tag(*frames_of(4))),
    "v23 no padding.mp3": lambda: _mp3(tag(*frames_of(3), version=3)),
    "v24 itunes.mp3": lambda: _mp3(tag(*frames_of(4)[:2], frame(b"APIC", _PICTURE_FRAME, plain_size=True))),
    "v24 extended.mp3": lambda: _mp3(tag(*frames_of(4), flags=0x40, padding=40, extended=syncsafe(6) + b"\1\0")),
    "v23 extended.mp3": lambda: _mp3(
        tag(*frames_of(3), version=3, flags=0x40, padding=40, extended=struct.pack(">IHI", 6, 0, 40))
    ),
    "v24 footer.mp3": lambda: _mp3(tag(*frames_of(4), flags=0x10)),
    "v24 huge.mp3": lambda: _mp3(tag(*frames_of(4), frame(b"APIC", b"\0image/png\0\4\0" + HUGE))),
    "both.mp3": lambda: _mp3(tag(*frames_of(3), version=3, padding=10), id3v1()),
    "v1.mp3": lambda: _mp3(b"", id3v1()),
    "ape.mp3": lambda: _mp3(b"", ape(_APE)),
    "ape and v1.mp3": lambda: _mp3(tag(*frames_of(4), padding=100), ape(_APE) + id3v1()),
    "ape after v1.mp3": lambda: _mp3(tag(*frames_of(3), version=3), id3v1() + ape(_APE)),
    "two tags.mp3": lambda: _mp3(tag(*frames_of(4)) + tag(*frames_of(3), version=3, padding=5)),
    "bare.flac": lambda: plain("flac"),
    "full.flac": lambda: _with_mutagen("flac", plain("flac"), _comments),
    "blocks.flac": lambda: _flac_blocks(),
    "no padding.flac": lambda: _flac_blocks(padding=None),
    "no comments.flac": lambda: _flac_blocks(padding=None, comments=False),
    "id3 around.flac": lambda: tag(*frames_of(3), version=3) + plain("flac") + id3v1(),
    "bare.ogg": lambda: plain("ogg"),
    "full.ogg": lambda: _with_mutagen("ogg", plain("ogg"), _comments),
    "huge.ogg": lambda: _with_mutagen("ogg", plain("ogg"), _huge_comments),
    "bare.opus": lambda: plain("opus"),
    "full.opus": lambda: _with_mutagen("opus", plain("opus"), _comments),
    "tail.opus": lambda: _opus_tail(),
    "bare.oga": lambda: plain("oga"),
    "full.oga": lambda: _with_mutagen("oga", plain("oga"), _comments),
    "bare.m4a": lambda: plain("m4a"),
    "full.m4a": lambda: _with_mutagen("m4a", plain("m4a"), _mp4_tags),
    "index first.m4a": lambda: plain("m4a", options=(("movflags", "faststart"),)),
    "index first full.m4a": lambda: _mp4_without_free(plain("m4a", options=(("movflags", "faststart"),))),
    "index first free.m4a": lambda: _with_mutagen("m4a", plain("m4a", options=(("movflags", "faststart"),)), _mp4_tags),
    "genre number.m4a": lambda: _mp4_gnre(),
    "fragments.m4a": lambda: plain("m4a", options=(("movflags", "frag_keyframe+empty_moov"),)),
    "chapters.m4b": lambda: _m4b(),
    "bare.wma": lambda: plain("wma"),
    "full.wma": lambda: _with_mutagen("wma", plain("wma"), _asf_tags),
    "bare.wav": lambda: plain("wav"),
    "info.wav": lambda: _form(plain("wav"), _info(), first=True),
    "id3.wav": lambda: _form(plain("wav"), chunk(b"bext", bytes(602)), _info(), _id3_chunk(3)),
    "id3 first.wav": lambda: _form(plain("wav"), chunk(b"id3 ", tag(*frames_of(4), padding=1)), first=True),
    "long.wav": lambda: plain("rf64"),
    "bare.aiff": lambda: plain("aiff"),
    "texts.aiff": lambda: _form(plain("aiff"), chunk(b"NAME", b"A title", "big"), chunk(b"ANNO", b"old", "big")),
    "id3.aiff": lambda: _form(plain("aiff"), chunk(b"ID3 ", tag(*frames_of(4), padding=2000), "big")),
    "bare.wv": lambda: plain("wv"),
    "full.wv": lambda: _bare_wv() + ape(_APE),
    "id3v1.wv": lambda: _bare_wv() + ape(_APE) + id3v1(),
    "bare.tta": lambda: plain("tta"),
    "fake.ape": lambda: b"MAC \x96\x0f" + HUGE[:5000] + ape(_APE),
    "fake.mpc": lambda: b"MPCK" + HUGE[:5000],
}  # fmt: skip


def _bare_wv() -> bytes:
    data = plain("wv")
    return data[: data.index(b"APETAGEX")] if b"APETAGEX" in data else data


@functools.cache
def song(name: str) -> bytes:
    """Return the bytes of one of `SONGS`."""
    return SONGS[name]()
