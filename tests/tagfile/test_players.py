"""Each player finds what its profile writes, by the names that the player documents: read without earmark's tables.

Navidrome's names are those of its resources/mappings.yaml, in its order, and its values are split as it splits them;
Picard's are those of its tag mapping (Appendix B). Rekordbox and Plex document none: what is tested is what users
report, as the profiles say.
"""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("mutagen")
pytest.importorskip("av")
import av
import mutagen

from earmark.tagfile.choosing import Choice, ScoredTag, TrackScores
from earmark.tagfile.journal import Journal
from earmark.tagfile.profiles import get_profile
from earmark.tagfile.proposing import propose
from earmark.tagfile.writing import apply

NAVIDROME = {
    "genre": ("TCON", "GENRE", "©gen", "WM/Genre"),
    "mood": ("TMOO", "MOOD", "----:com.apple.iTunes:MOOD", "WM/Mood"),
    "bpm": ("TBPM", "BPM", "tmpo", "WM/BeatsPerMinute"),
    "key": ("TKEY", "KEY", "----:com.apple.iTunes:initialkey", "WM/InitialKey"),
    "grouping": ("GRP1", "GROUPING", "©grp", "WM/ContentGroupDescription"),
}
PICARD = {
    "id3": {"genre": "TCON", "mood": "TMOO", "bpm": "TBPM", "key": "TKEY"},
    "vorbis": {"genre": "GENRE", "mood": "MOOD", "bpm": "BPM", "key": "KEY"},
    "mp4": {
        "genre": "©gen",
        "mood": "----:com.apple.iTunes:MOOD",
        "bpm": "tmpo",
        "key": "----:com.apple.iTunes:initialkey",
    },
    "asf": {"genre": "WM/Genre", "mood": "WM/Mood", "bpm": "WM/BeatsPerMinute", "key": "WM/InitialKey"},
}
FAMILY = {".mp3": "id3", ".wav": "id3", ".flac": "vorbis", ".ogg": "vorbis", ".m4a": "mp4", ".wma": "asf"}
HEARD = TrackScores(
    "",
    "standard",
    tags=(
        ScoredTag("Folk, World, & Country", "genre", 0.9, 0.2),
        ScoredTag("Rock/Pop", "genre", 0.8, 0.2),
        ScoredTag("happy; glad", "mood", 0.7, 0.2),
        ScoredTag("sad", "mood", 0.6, 0.2),
        ScoredTag("piano", "instrument", 0.5, 0.2),
    ),
    bpm=127.6,
    bpm_confidence=1.0,
    key="Gb minor",
    key_confidence=1.0,
)
WANTED = {
    "genre": ["Folk World & Country", "Rock Pop"],
    "mood": ["Happy Glad", "Sad"],
    "bpm": ["128"],
    "key": ["F#m"],
    "grouping": ["Piano"],
}


@pytest.fixture(params=FAMILY)
def song(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"song{request.param}"
    noise = (np.random.default_rng(1).standard_normal(16000) * 0.1).astype(np.float32)
    if path.suffix in (".m4a", ".wma"):
        with av.open(str(path), "w") as out:
            stream = out.add_stream("aac" if path.suffix == ".m4a" else "wmav2", rate=48000, layout="mono")
            stream.bit_rate = 96000
            frame = av.AudioFrame.from_ndarray(noise[None], format="fltp", layout="mono")
            frame.sample_rate = 48000
            for one in (frame, None):
                out.mux(stream.encode(one))
    else:
        soundfile.write(path, noise, 48000)
    return path


@pytest.fixture
def write(song: Path, tmp_path: Path) -> Iterator[Callable[..., dict[str, list[str]]]]:
    """Write for a player; return what mutagen finds in the file."""
    with Journal(tmp_path / "journal") as journal:

        def run(profile: str, *more: str) -> dict[str, list[str]]:
            player = get_profile(profile)
            choice = Choice(fields=(*player.fields, *more), key_notation=player.key_notation)
            apply(propose(song, HEARD, choice, profile=player), journal)
            return found(song)

        yield run


def found(path: Path) -> dict[str, list[str]]:
    """Read a file with mutagen: names in capitals for Vorbis, texts as a list."""
    texts: dict[str, list[str]] = {}
    for name, value in mutagen.File(io.BytesIO(path.read_bytes()), options=None).tags.items():
        values: list[Any] = list(getattr(value, "text", value if isinstance(value, list) else [value]))
        plain = [one.decode() if isinstance(one, bytes) else str(one) for one in values]
        key = name.upper() if FAMILY[path.suffix] == "vorbis" else name
        texts[re.sub(r"^COMM:.*", "COMM", key)] = plain
    return texts


def test_navidrome(write: Callable[..., dict[str, list[str]]]) -> None:
    tags = write("navidrome", "grouping")
    for field, wanted in WANTED.items():
        values = next(tags[name] for name in NAVIDROME[field] if name in tags)
        split = [part.strip() for value in values for part in re.split("[;/,]", value)]
        assert split == wanted, field


def test_picard(write: Callable[..., dict[str, list[str]]], song: Path) -> None:
    tags = write("picard")
    for field, name in PICARD[FAMILY[song.suffix]].items():
        assert tags[name] == WANTED[field]


def test_rekordbox(write: Callable[..., dict[str, list[str]]], song: Path) -> None:
    tags = write("rekordbox")
    family = FAMILY[song.suffix]
    comment = {"id3": "COMM", "vorbis": "COMMENT", "mp4": "©cmt", "asf": "Description"}[family]
    assert tags[comment] == ["[MOOD: Happy Glad; Sad]"]
    assert not set(tags) & {"TMOO", "MOOD", "----:com.apple.iTunes:MOOD", "WM/Mood"}
    if family != "vorbis":
        assert tags[PICARD[family]["genre"]] == ["Folk World & Country; Rock Pop"]


def test_plex(write: Callable[..., dict[str, list[str]]], song: Path) -> None:
    write("plex")
    with av.open(str(song)) as container:  # Plex reads tags with FFmpeg
        tags = {**container.metadata, **container.streams.audio[0].metadata}
    genre = next(value for name, value in tags.items() if name.lower() == "genre")
    assert [part.strip() for part in genre.split(";")] == WANTED["genre"]


def test_musicbee(write: Callable[..., dict[str, list[str]]], song: Path) -> None:
    tags = write("musicbee")
    assert tags[PICARD[FAMILY[song.suffix]]["mood"]] == WANTED["mood"]
