"""CAL500 and CAL10K in the layouts of the lab: matrices, tables, folds, and what is wrong with them."""

import gzip
import io
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.datasets import calab, open_dataset
from earmark.errors import InputError, UsageError

MAKERS = Path(__file__).parent / "makers"


@pytest.fixture(params=["cal500", "cal10k"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    runpy.run_path(str(MAKERS / f"{request.param}.py"))["make"](tmp_path)
    return request.param, tmp_path


@pytest.fixture
def cal500(tmp_path: Path) -> Path:
    runpy.run_path(str(MAKERS / "cal500.py"))["make"](tmp_path)
    return tmp_path


@pytest.fixture
def cal10k(tmp_path: Path) -> Path:
    runpy.run_path(str(MAKERS / "cal10k.py"))["make"](tmp_path)
    return tmp_path


def test_cal500(cal500: Path) -> None:
    dataset = open_dataset("cal500", cal500)
    track = dataset["go-gos-vacation"]
    assert list(track.tags) == ["Emotion-Angry_/_Agressive", "Genre--_R&B"]
    assert list(track.tag_weights) == [1, 0.75]
    assert (track.artist, track.title) == ("go-gos", "vacation")
    assert track.audio == cal500 / "mp3" / "go-gos-vacation.mp3"
    assert dataset["zoë-für_alle"].title == "für alle"
    assert dataset["sir_mix-a-lot-baby_got_back"].tags == ()
    assert dataset.vocabulary.categories == ("mood", "mood", "genre", "instrument", "voice")
    for name in ("artist", "fold-3"):
        part_of = dataset.split(name).part_of()
        assert part_of["zoë-für_alle"] == part_of["zoë-second"], "one artist, one part"


def test_cal500_soft(cal500: Path) -> None:
    track = open_dataset("cal500", cal500, annotations="soft")["go-gos-vacation"]
    assert track.tags == ("Emotion-Angry_/_Agressive", "Genre--_R&B", "Vocals-Falsetto")
    assert list(track.tag_weights) == [1, 0.75, 0.25]


def test_cal500_without_soft_annotations(cal500: Path) -> None:
    (cal500 / "CAL500_noAudioFeatures" / "softAnnotations.txt").unlink()
    assert open_dataset("cal500", cal500)["go-gos-vacation"].tag_weights == ()
    with pytest.raises(InputError, match=r"none of softAnnotations.txt, .* is there"):
        open_dataset("cal500", cal500, annotations="soft")


def test_cal500_of_another_size(cal500: Path) -> None:
    folder = cal500 / "CAL500_noAudioFeatures"
    with (folder / "songNames.txt").open("a") as file:
        file.write("one-more\n")
    with pytest.raises(InputError, match=r"Annotations.txt: 16 rows, expected 17, one per song"):
        open_dataset("cal500", cal500)
    with (folder / "vocab.txt").open("a") as file:
        file.write("one more\n")
    with pytest.raises(InputError, match=r"line 1: 5 cells, expected 6, one per tag"):
        open_dataset("cal500", cal500)


def test_a_song_of_cal500_stays_in_its_folder_and_an_artist_is_one_however_written(cal500: Path) -> None:
    names = cal500 / "CAL500_noAudioFeatures" / "songNames.txt"
    listed = names.read_text(encoding="utf-8").splitlines()
    names.write_text("\n".join(["ANN-one", "ann-two", *listed[2:]]), encoding="utf-8")
    dataset = open_dataset("cal500", cal500)
    assert dataset["ANN-one"].groups == dataset["ann-two"].groups == {"artist": "ann"}
    names.write_text("\n".join(["../../a-b", *listed[1:]]), encoding="utf-8")
    with pytest.raises(InputError, match="leads out of the folder"):
        open_dataset("cal500", cal500)


def test_folds_of_cal10k_may_be_compressed(tmp_path: Path) -> None:
    for fold in (1, 2, 4):
        for part in ("train", "test"):
            (tmp_path / f"fold_{fold}_{part}.tab.gz").write_bytes(gzip.compress(f"song {part}\trock\n".encode()))
    assert open_dataset("cal10k", tmp_path).split_names == ("fold-1", "fold-2", "fold-4")


def test_cal10k(cal10k: Path) -> None:
    dataset = open_dataset("cal10k", cal10k)
    track = dataset["1"]
    assert (track.artist, track.title) == ("Zoë", 'A "Song"')
    assert track.tags == ("a dub production", "boomin' kick drum")
    assert track.audio == cal10k / "audio" / "zoë - a song.mp3"
    assert dataset["17"].tag_weights == (0.5,)
    assert dataset.vocabulary.tags == ("a dub production", "boomin' kick drum", "rock & roll ? roots", "nobody")
    part_of = dataset.split("artist").part_of()
    assert part_of["1"] == part_of["2"], "one artist, whatever the case"
    assert open_dataset("cal10k", cal10k, vocabulary=1).vocabulary.tags == ("boomin' kick drum",)


def test_cal10k_corrected(cal10k: Path) -> None:
    dataset = open_dataset("cal10k", cal10k, annotations="corrected")
    assert dataset.split_names == tuple(f"fold-{n}" for n in range(1, 6))
    assert dataset.split("fold-1").sizes == {"train": 8, "test": 2}
    assert dataset['Zoë-A "Song"'].tags == ("rock", "tag of Z")
    for name in ("songList.tab", "fold_5_train.tab"):
        (cal10k / name).unlink()
    assert open_dataset("cal10k", cal10k).split_names == tuple(f"fold-{n}" for n in range(1, 5))
    (cal10k / "fold_2_test.tab").unlink()
    with pytest.raises(InputError, match=r"fold_2_test.tab is missing"):
        open_dataset("cal10k", cal10k)


def test_cal10k_folds_that_overlap(cal10k: Path) -> None:
    (cal10k / "fold_1_test.tab").write_bytes((cal10k / "fold_1_train.tab").read_bytes())
    with pytest.raises(InputError, match=r"fold_1_test.tab: .* is in the training part"):
        open_dataset("cal10k", cal10k, annotations="corrected")


def test_files_outside_are_not_named(cal10k: Path) -> None:
    (cal10k / "songList.tab").write_text("1\tA\tB\t../../secret.mp3\n2\tC\tD\t/etc/passwd\n17\tE\tF\t\n")
    (cal10k / "PandoraTagSong.tab").write_text("tag\t1\t1\n")
    assert [track.audio for track in open_dataset("cal10k", cal10k)] == [None, None, None]


@pytest.mark.parametrize(
    "options", [{"vocabulary": 0}, {"vocabulary": True}, {"vocabulary": "top"}, {"annotations": "none"}]
)
def test_unknown_options(made: tuple[str, Path], options: dict[str, Any]) -> None:
    name, root = made
    with pytest.raises(UsageError, match=f"{next(iter(options))}=.*, expected "):
        open_dataset(name, root, **options)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (calab.read_names, "\n", "empty"),
        (calab.read_names, "a\nb\na\n", "'a' stands there twice"),
        (lambda f: calab.read_matrix(f, 1, 2), "0.5,1.5\n", "line 1: 1.5 is there, expected 0 to 1"),
        (lambda f: calab.read_matrix(f, 1, 2), "-1,1\n", "no weight"),
        (lambda f: calab.read_matrix(f, 1, 2, binary=True), "1,0.5\n", "expected 0 or 1"),
        (lambda f: calab.read_matrix(f, 1, 2), "x,1\n", "a weight is 'x', expected a number"),
        (calab.read_songs, "", "empty"),
        (calab.read_songs, "1\tArtist\tTitle\n", "expected number, artist, title, file"),
        (calab.read_songs, "1\ta\tb\tc\n1\ta\tb\tc\n", "line 2: song 1 stands there twice"),
        (lambda f: calab.read_tag_songs(f, {"1": 0}), "", "empty"),
        (lambda f: calab.read_tag_songs(f, {"1": 0}), "tag\t2\t1\n", "song '2', which the list of songs does not have"),
        (lambda f: calab.read_tag_songs(f, {"1": 0}), "tag\t1\n", "expected a new tag, then pairs"),
        (lambda f: calab.read_tag_songs(f, {"1": 0}), "tag\t1\t1\ntag\t1\t1\n", "line 2: .* expected a new tag"),
        (calab.read_song_tags, "", "empty"),
        (calab.read_song_tags, "song, tag\n", "expected a song and a tag by a tab"),
    ],
)
def test_damage(read: Callable[[io.StringIO], object], text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(io.StringIO(text))
