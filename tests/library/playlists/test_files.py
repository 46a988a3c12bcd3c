"""Playlist files: what is written, what is read back, names of every kind, and files of other programs."""

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.playlists.entries import PlaylistEntry, from_uri, one_line, to_line, to_uri
from earmark.library.playlists.reading import read_entries, read_playlist
from earmark.library.playlists.writing import render_playlist, write_playlist
from earmark.library.rows import FilePlace, LibraryTrack

posix = pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
MBID = "e8f9b188-f819-4e43-ab0f-4bd26ce9ff56"
FORMATS = ("m3u8", "pls", "jspf")
SONG = PlaylistEntry("/music/A/song.mp3", "Ann", "Song", "Album", 61.4, MBID)

ODD_NAMES = (
    "plain.mp3",
    " leading space.mp3",
    "trailing space ",
    "#1 hit.mp3",
    "#EXTM3U",
    "100%.mp3",
    "100%25 of %41.mp3",
    "question? and #hash & amp; = [x].mp3",
    "C:\\Music\\song.mp3",
    "back\\slash.mp3",
    "C:",
    "file:song.mp3",
    "http:",
    "ключ Ω 音楽 🎵.mp3",
    "nfd e\u0301.mp3",
    "new\nline.mp3",
    "carriage\rreturn.mp3",
    "tab\tand bell\a.mp3",
    "separator\u2028and\x85next.mp3",
    "\ufeffmark.mp3",
    "nbsp\u00a0",
    "latin1 \udce9\udcff.mp3",
    "\udce9",
    "...",
    "{brace}.mp3",
    "<tag>.mp3",
    "quote'\".mp3",
    "File1=x",
)

names = st.one_of(
    st.sampled_from(ODD_NAMES),
    st.binary(min_size=1, max_size=12).map(os.fsdecode),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12),
).filter(lambda name: "/" not in name and "\0" not in name and name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@posix
@given(st.lists(paths, min_size=1, max_size=4), st.sampled_from(FORMATS), st.booleans(), st.sampled_from(["/", "/a/b"]))
@settings(max_examples=40, deadline=None)
@example([f"/a/b/{name}" for name in ODD_NAMES], "m3u8", True, "/a/b")
@example([f"/a/b/{name}" for name in ODD_NAMES], "pls", True, "/a/b")
@example([f"/a/b/{name}" for name in ODD_NAMES], "jspf", True, "/a/b")
@example([f"/a/{name}/x" for name in ODD_NAMES], "m3u8", True, "/a/b")
@example([f"/a/{name}/x" for name in ODD_NAMES], "jspf", True, "/a/b")
def test_every_name_comes_back(
    tmp_path_factory: pytest.TempPathFactory, given_paths: list[str], format: str, relative: bool, folder: str
) -> None:
    home = tmp_path_factory.getbasetemp() / "lists"
    home.mkdir(exist_ok=True)
    moved = [str(home) + path if folder != "/" else path for path in given_paths]
    file = home / f"list.{format}"
    write_playlist([PlaylistEntry(path) for path in moved], file, relative=relative, force=True)
    assert read_playlist(file) == moved
    file.read_bytes().decode()


@posix
@pytest.mark.parametrize("format", FORMATS)
def test_files_are_found_under_every_name(tmp_path: Path, format: str) -> None:
    folder = tmp_path / "lists"
    music = tmp_path / "music"
    folder.mkdir()
    music.mkdir()
    songs = [f"{music}/{name}" for name in ODD_NAMES]
    for song in songs:
        Path(song).write_bytes(b"")
    for relative in (False, True):
        file = folder / f"{relative}.{format}"
        write_playlist([PlaylistEntry(song) for song in songs], file, relative=relative)
        assert [os.path.realpath(path) for path in read_playlist(file)] == songs
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    folder.rename(moved / "lists")
    music.rename(moved / "music")
    found = read_playlist(moved / "lists" / f"True.{format}")
    stayed = [] if format == "jspf" else [song for song in songs if to_line(song, str(folder)).startswith("file:")]
    assert len(stayed) in (0, 9)  # names that no line can hold are named from the root
    assert [path for path in found if not Path(path).exists()] == stayed


def test_m3u8_as_players_know_it(tmp_path: Path) -> None:
    file = tmp_path / "evening.m3u8"
    inside = str(tmp_path / "A" / "song.mp3")
    write_playlist([PlaylistEntry(inside, "Ann", "A\nSong", duration=61.6), PlaylistEntry(inside)], file, relative=True)
    assert file.read_bytes() == (
        b"#EXTM3U\n#PLAYLIST:evening\n#EXTINF:62,Ann - A Song\nA/song.mp3\n#EXTINF:-1,song\nA/song.mp3\n"
    )


@posix
def test_pls_as_players_know_it() -> None:
    assert render_playlist([SONG, PlaylistEntry("/b/ c \n")], format="pls").decode() == (
        "[playlist]\nFile1=/music/A/song.mp3\nTitle1=Ann - Song\nLength1=61\n"
        "File2=file:///b/%20c%20%0A\nTitle2=c\nLength2=-1\nNumberOfEntries=2\nVersion=2\n"
    )


@posix
def test_jspf_as_listenbrainz_knows_it() -> None:
    plain = json.loads(render_playlist([SONG, PlaylistEntry("/x y.mp3")], format="jspf", title="Evening"))
    extension = plain["playlist"].pop("extension")
    assert extension["urn:earmark:playlist"]["generator"].startswith("earmark ")
    assert plain == {
        "playlist": {
            "title": "Evening",
            "track": [
                {
                    "title": "Song",
                    "creator": "Ann",
                    "album": "Album",
                    "duration": 61400,
                    "identifier": [f"https://musicbrainz.org/recording/{MBID}"],
                    "location": ["file:///music/A/song.mp3"],
                },
                {"title": "x y", "location": ["file:///x%20y.mp3"]},
            ],
        }
    }


@posix
def test_what_is_said_of_a_song_comes_back(tmp_path: Path) -> None:
    write_playlist([SONG], tmp_path / "a.jspf")
    assert read_entries(tmp_path / "a.jspf") == [SONG]
    for format in ("m3u8", "pls"):
        write_playlist([SONG], tmp_path / f"a.{format}")
        assert read_entries(tmp_path / f"a.{format}") == [PlaylistEntry(SONG.path, "Ann", "Song", duration=61)]


@posix
def test_lines_that_look_like_something_else() -> None:
    assert to_line("/a/#1.mp3", None) == "/a/#1.mp3"
    assert to_line("/a/#1.mp3", "/a") == "./#1.mp3"
    assert to_line("/a/ b.mp3", "/a") == "./ b.mp3"
    assert to_line("/a/http:/b.mp3", "/a") == "./http:/b.mp3"
    assert to_line("/a/b.mp3 ", "/a") == "file:///a/b.mp3%20"
    assert to_line("/a/\udce9.mp3", "/a") == "file:///a/%E9.mp3"
    assert to_line("/c/b.mp3", "/a/d") == "../../c/b.mp3"
    assert to_line("/ab/c.mp3", "/a") == "../ab/c.mp3"


@posix
def test_links_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "disk" / "lists").mkdir(parents=True)
    (tmp_path / "disk" / "song.mp3").write_bytes(b"")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "lists").symlink_to(tmp_path / "disk" / "lists")
    file = tmp_path / "home" / "lists" / "a.m3u8"
    write_playlist([PlaylistEntry(str(tmp_path / "disk" / "song.mp3"))], file, relative=True)
    assert file.read_text().splitlines()[-1] == "../song.mp3"
    assert Path(read_playlist(file)[0]).exists()


def test_uris_of_other_machines_and_of_the_web() -> None:
    assert from_uri("https://radio.example/a.mp3") is None
    assert from_uri("file:///a%00b") is None
    if sys.platform != "win32":
        assert from_uri("FILE://localhost/a%20b") == "/a b"
        assert from_uri("file:/a") == "/a"
        assert from_uri("file://server/share/a") == "//server/share/a"
        assert to_uri("/a:b/;c") == "file:///a:b/;c"


def test_a_track_of_the_catalogue() -> None:
    place = FilePlace("/music/a.mp3", 1, 2)
    track = LibraryTrack("0" * 32, (place,), 10.0, artist="Ann", title="Song", mb_recording_id=MBID)
    assert PlaylistEntry.of(track) == PlaylistEntry("/music/a.mp3", "Ann", "Song", "", 10.0, MBID)


def test_labels_are_one_line_of_text() -> None:
    assert PlaylistEntry("/a/x.mp3", "A\r\nB", " C\u2028D ").label == "A B - C D"
    assert PlaylistEntry("/a/x\udce9y.mp3").label == "x\ufffdy"
    assert PlaylistEntry("/a/x.mp3", "Ann").label == "x"
    assert one_line("\ud800") == "\ufffd"


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    file = tmp_path / "a.m3u8"
    file.write_text("mine")
    with pytest.raises(UsageError, match="such a file already"):
        write_playlist([SONG], file)
    assert file.read_text() == "mine"
    write_playlist([SONG], file, force=True)
    assert file.read_text().startswith("#EXTM3U")
    song = tmp_path / "song.mp3"
    song.write_text("music")
    with pytest.raises(UsageError, match="name of an audio file") as caught:
        write_playlist([SONG], song, format="m3u8", force=True)
    assert caught.value.hint == "give the playlist a name such as song.m3u8"
    assert song.read_text() == "music"


def test_says_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot tell the format from no suffix") as caught:
        write_playlist([SONG], tmp_path / "list")
    assert caught.value.hint == "choose one of .m3u8 .m3u .pls .jspf"
    with pytest.raises(UnknownNameError, match="no format of playlists 'm3u9'"):
        write_playlist([SONG], tmp_path / "list.m3u9", format="m3u9")
    with pytest.raises(InputError, match="song 2, Ann - Song, has no file"):
        write_playlist([SONG, PlaylistEntry("", "Ann", "Song")], tmp_path / "list.pls")
    with pytest.raises(InputError, match="song 1, without a name, has no file and no recording"):
        render_playlist([PlaylistEntry()], format="jspf")
    with pytest.raises(InputError, match="no folder"):
        write_playlist([SONG], tmp_path / "no" / "list.pls")
    assert list(tmp_path.iterdir()) == []
    write_playlist([PlaylistEntry(title="Song", mb_recording_id=MBID)], tmp_path / "known.jspf")
    assert read_playlist(tmp_path / "known.jspf") == []
    assert read_entries(tmp_path / "known.jspf")[0].mb_recording_id == MBID


@posix
@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b"", []),
        (b"a.mp3\r\n\r\n  b.mp3  \r\n# a remark\rc.mp3", ["{}/a.mp3", "{}/b.mp3", "{}/c.mp3"]),
        (b"\xef\xbb\xbf#EXTM3U\n\xc3\xa9.mp3\n", ["{}/é.mp3"]),
        ("#EXTM3U\r\né.mp3\r\n".encode("utf-16"), ["{}/é.mp3"]),
        (b"#EXTINF:3,x\n\xe9.mp3\n", ["{}/\udce9.mp3"]),
        (b"http://radio.example/stream\nmms://x\n/a.mp3\n", ["/a.mp3"]),
        (b"D:\\Music\\a.mp3\n", ["D:\\Music\\a.mp3"]),
        (b"FILE:///a%20b.mp3\nfile://localhost/c\n", ["/a b.mp3", "/c"]),
    ],
)
def test_reads_m3u_of_every_kind(tmp_path: Path, data: bytes, paths: list[str]) -> None:
    (tmp_path / "a.m3u").write_bytes(data)
    assert read_playlist(tmp_path / "a.m3u") == [path.format(tmp_path) for path in paths]


@posix
def test_finds_files_that_were_named_in_other_ways(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/a b.mp3", "é.mp3", "sub/100%.mp3"):
        (tmp_path / name).write_bytes(b"")
    lines = [b"sub\\a b.mp3", b"sub/a%20b.mp3", b"\xe9.mp3", b"sub/100%.mp3", b"sub\\none.mp3"]
    (tmp_path / "a.m3u").write_bytes(b"\n".join(lines))
    expected = ["sub/a b.mp3", "sub/a b.mp3", "é.mp3", "sub/100%.mp3", "sub\\none.mp3"]
    assert read_playlist(tmp_path / "a.m3u") == [str(tmp_path / name) for name in expected]


def test_reads_what_m3u_and_pls_say_of_songs(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('#EXTINF:-1 tvg-id="x",Ann - Song - Live\na\n#EXTINF:62.5,Only\nb\n#EXTINF:\nc\nd\n')
    found = [(entry.artist, entry.title, entry.duration) for entry in read_entries(tmp_path / "a")]
    assert found == [("Ann", "Song - Live", None), ("", "Only", 62.5), ("", "", None), ("", "", None)]
    (tmp_path / "b").write_text("; x\n[Playlist]\nlength2=-1\nfile10=c\nFILE2 = b\nTitle2=B\nFile1=a\nTitle3=lost\n")
    found_pls = [(Path(entry.path).name, entry.title) for entry in read_entries(tmp_path / "b") if entry.path]
    assert found_pls == [("a", ""), ("b", "B"), ("c", "")]


def test_reads_xspf(tmp_path: Path) -> None:
    text = f"""<?xml version="1.0" encoding="{{}}"?>
    <playlist version="1" xmlns="http://xspf.org/ns/0/"><title>x</title><trackList>
      <track><location>https://example.org/a.ogg</location><location>sub/a%20b.mp3</location><title>T &amp; U</title>
        <creator>Ann</creator><duration>1500</duration>
        <identifier>https://musicbrainz.org/recording/{MBID.upper()}</identifier></track>
      <track><identifier>https://musicbrainz.org/release/{MBID}</identifier></track>
    </trackList></playlist>"""
    for encoding in ("utf-8", "utf-16"):
        (tmp_path / "a").write_bytes(text.format(encoding).encode(encoding))
        (tmp_path / "a").rename(tmp_path / "a.xspf")
        first, second = read_entries(tmp_path / "a.xspf")
        assert first == PlaylistEntry(str(tmp_path / "sub" / "a b.mp3"), "Ann", "T & U", "", 1.5, MBID)
        assert second == PlaylistEntry()


def test_reads_jspf_of_others(tmp_path: Path) -> None:
    tracks = [
        {"identifier": f"https://musicbrainz.org/recording/{MBID}", "title": "T", "creator": "C"},
        {"location": "sub/a%20b.mp3", "duration": "2000"},
        {"location": ["https://x/y.mp3"], "duration": True, "title": 5},
        {"location": "\ud800.mp3", "duration": 1e999, "identifier": {"a": 1}},
    ]
    (tmp_path / "a.jspf").write_text(json.dumps({"playlist": {"track": tracks}}))
    first, second, third, fourth = read_entries(tmp_path / "a.jspf")
    assert first == PlaylistEntry(artist="C", title="T", mb_recording_id=MBID)
    assert second == PlaylistEntry(str(tmp_path / "sub" / "a b.mp3"), duration=2.0)
    assert third == PlaylistEntry()
    assert Path(fourth.path).name == "?.mp3"
    assert fourth.duration is None


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.mp3", b"ID3\0\0", "is no playlist but binary data"),
        ("a.pls", b"File1=x", r"the line \[playlist\] is missing"),
        ("a.jspf", b"[1]", "no list of objects at playlist.track"),
        ("a.jspf", b'{"playlist": {"track": [1]}}', "no list of objects"),
        ("a.jspf", b"{", "is no JSPF playlist: "),
        ("a.jspf", b"\xff{", "is no JSPF playlist: "),
        ("a.xspf", b"<playlist>", "is no XSPF playlist: "),
        ("a.xspf", b"<html></html>", "begins with <html>"),
        ("a.xspf", b'<!DOCTYPE x [<!ENTITY a "b">]><playlist/>', "declares a document type"),
        ("a.xspf", b'<?xml version="1.0" encoding="nonsense"?><playlist/>', "is no XSPF playlist"),
    ],
)
def test_says_what_is_no_playlist(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_playlist(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message


@given(st.binary(max_size=60), st.sampled_from(["", "<?xml ", "[playlist]\nFile1=", '{"playlist": {"track": [']))
@settings(max_examples=40, deadline=None)
def test_any_bytes_are_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, begin: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(begin.encode() + data)
    message = str(file)
    found = []
    try:
        found = read_playlist(file)
    except InputError as error:
        message = error.message
    assert str(file) in message
    assert all(path and "\0" not in path for path in found)


def test_says_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_playlist(tmp_path / "none.m3u")
    with pytest.raises(InputError, match="cannot be read"):
        read_playlist(tmp_path)
    with pytest.raises(InputError, match="no file can have such a name"):
        read_playlist("a\0b")
