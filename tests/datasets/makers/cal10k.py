"""A small CAL10K in both published forms: the tables of songs and tags, and the corrected labels in five folds."""

from pathlib import Path

OPTIONS = [{}, {"annotations": "corrected"}, {"vocabulary": 1}]
SONGS = [
    ("1", "Zoë", 'A "Song"', "zoë - a song.mp3"),
    ("2", "zoë", "Other", "2.mp3"),
    ("17", "The X", "Say, what?", "17.mp3"),
]
SONGS += [(str(100 + i), f"Artist {i}", f"Song {i}", f"{100 + i}.mp3") for i in range(7)]


def make(root: Path) -> None:
    (root / "songList.tab").write_text(
        "".join("\t".join(song) + "\r\n" for song in SONGS), encoding="utf-8", newline=""
    )
    (root / "PandoraTagSong.tab").write_text(
        "a dub production\t1\t1.0\t17\t0.5\n"
        "boomin' kick drum\t100\t1\t101\t1\t1\t1\t\n"
        "rock & roll ? roots\t2\t1\n\nnobody\n"
    )
    names = [f"{artist}-{title}" for _, artist, title, _ in SONGS]
    for fold in range(1, 6):
        for part in ("train", "test"):
            chosen = [name for i, name in enumerate(names) if (i % 5 == fold - 1) == (part == "test")]
            lines = [f"{name}\t{tag}\r\n" for name in chosen for tag in ("rock", f"tag of {name[:1]}")]
            (root / f"fold_{fold}_{part}.tab").write_text("".join(lines), encoding="utf-8", newline="")
