"""Likes out of tables, as people and programs write them."""

from pathlib import Path

import pytest

from earmark.errors import InputError
from earmark.sources.likes import Like, Likes
from earmark.sources.likes_csv import MOST_BYTES, read_likes

MBID = "0ef2f43e-51d4-4930-9052-3820358044d5"


def read(tmp_path: Path, content: str | bytes, name: str = "mine.csv") -> Likes:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_likes(path)


def test_all_columns_are_read(tmp_path: Path) -> None:
    content = (
        "Artist,Title,Album,ISRC,MBID,Plays,URL,Duration,Tags,ID\n"
        f"Nirvana,Come as You Are,Nevermind,US-GF1-99-00046,{MBID.upper()},12,"
        "https://example.org/1,3:39,rock; grunge ;,abc\n"
    )
    likes = read(tmp_path, content)
    assert (likes.listener, likes.service, likes.n_unusable) == ("mine", "csv", 0)
    assert likes.likes == (
        Like(
            "Nirvana",
            "Come as You Are",
            album="Nevermind",
            duration=219.0,
            isrc="USGF19900046",
            mb_recording_id=MBID,
            tags={"rock": 1.0, "grunge": 1.0},
            weight=12.0,
            url="https://example.org/1",
            source_id="abc",
        ),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (  # Exportify
            '"Track URI","Track Name","Album Name","Artist Name(s)","Release Date","Duration (ms)","Genres"\n'
            '"spotify:track:1","Help!","Help!","The Beatles","1965","138000","merseybeat,british invasion"\n',
            Like("The Beatles", "Help!", album="Help!", duration=138.0, source_id="spotify:track:1",
                 tags={"merseybeat": 1.0, "british invasion": 1.0}),
        ),
        (  # TuneMyMusic
            "Track name,Artist name,Album,Playlist name,Type,ISRC,Spotify - id\n"
            "Help!,The Beatles,Help!,Mine,Favorite,GBAYE0601477,1\n",
            Like("The Beatles", "Help!", album="Help!", isrc="GBAYE0601477", source_id="1"),
        ),
        (  # Soundiiz
            "title;artist;album;isrc\nHelp!;The Beatles;Help!;GBAYE0601477\n",
            Like("The Beatles", "Help!", album="Help!", isrc="GBAYE0601477"),
        ),
        (  # what `earmark datasets fetch-tags` writes
            "id,artist,title,album,tags,weights,tags_from\n1,The Beatles,Help!,,rock;60s,100;40,track\n",
            Like("The Beatles", "Help!", source_id="1", tags={"rock": 1.0, "60s": 0.4}),
        ),
        ("sep=;\r\nArtist;Song\r\nThe Beatles;Help!\r\n", Like("The Beatles", "Help!")),
        ("artist,title\rThe Beatles,Help!\r", Like("The Beatles", "Help!")),
        ("\n\nARTIST\tTrack\n\nThe Beatles\tHelp!\n", Like("The Beatles", "Help!")),
        (f"recording_mbid\nhttps://musicbrainz.org/recording/{MBID}\n", Like("", "", mb_recording_id=MBID)),
        ('title,artist\r\n"Help,\nI need ""you""",The Beatles\r\n', Like("The Beatles", 'Help, I need "you"')),
        ('title,tags,weights\nHelp!,"[""a;b"", ""c""]",1;0.5\n', Like("", "Help!", tags={"a;b": 1.0, "c": 0.5})),
    ],
)  # fmt: skip
def test_exports_of_others_are_read(tmp_path: Path, content: str, expected: Like) -> None:
    likes = read(tmp_path, content)
    assert likes.likes == (expected,)
    assert likes.n_unusable == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    likes = read(tmp_path, "Artist,Title\nSigur Rós,Hoppípolla\nMotörhead,Über\n".encode(encoding))
    assert [like.name for like in likes.likes] == ["Sigur Rós – Hoppípolla", "Motörhead – Über"]


def test_weights_order_the_likes_and_those_of_one_track_add_up(tmp_path: Path) -> None:
    content = 'artist,title,playcount\nA,x,2\nB,y,"1,234"\na,X,3\nC,z,\n'
    assert [(like.name, like.weight) for like in read(tmp_path, content).likes] == [
        ("B – y", 1234.0),
        ("A – x", 5.0),
        ("C – z", 1.0),
    ]
    without = read(tmp_path, "artist,title\nA,x\nB,y\nA,x\n").likes
    assert [(like.name, like.weight) for like in without] == [("A – x", 2.0), ("B – y", 1.0)]


def test_versions_with_identifiers_of_their_own_stay_apart(tmp_path: Path) -> None:
    other = MBID.replace("0", "1")
    content = f"artist,title,mbid,isrc\nA,x,{MBID},\nA,x,{other},\nA,x,,GBAYE0601477\nA,x,,\n"
    likes = read(tmp_path, content).likes
    assert [(like.mb_recording_id, like.isrc, like.weight) for like in likes] == [
        (MBID, "GBAYE0601477", 3.0),
        (other, "", 1.0),
    ]


def test_bad_rows_are_counted(tmp_path: Path) -> None:
    content = "artist,title,plays\nA,x,1\nA,,1\nA,y,many\nA,z,0\nA,v,-3\nA,w,1,more\nA,u\n,,\n"
    likes = read(tmp_path, content)
    assert [like.title for like in likes.likes] == ["x", "u"]
    assert likes.n_unusable == 5


def test_what_is_no_identifier_or_address_is_left_out(tmp_path: Path) -> None:
    [like] = read(tmp_path, "title,isrc,mbid,url,duration\nx,none,12,javascript:alert(1),soon\n").likes
    assert (like.isrc, like.mb_recording_id, like.url, like.duration) == ("", "", "", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b";;\n;\n", "is empty"),
        (b"sep=;\n", "is empty"),
        (b"Nirvana,Nevermind,Lithium,12 Jan 2020\n", "no column of titles"),
        (b"artist,album\nA,B\n", "the first line is 'artist', 'album'"),
        (b"PK\x03\x04....", "is a workbook"),
        (b"\xff\xfea", "is no table of text"),
    ],
)
def test_what_is_no_table_of_likes(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "mine.csv"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_likes(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_likes(tmp_path)
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="larger than 256 MiB"):
        read_likes(large)
