"""MTG-Jamendo: the published numbers on the real tables of split 0, both layouts, both qualities, awkward cases."""

import csv
import gzip
import io
import runpy
import shutil
from pathlib import Path

import pytest

from earmark.datasets import dataset_info, open_dataset
from earmark.datasets.base import count_tags
from earmark.datasets.mtg_jamendo import SUBSETS, read_names, read_tracks
from earmark.errors import InputError, UsageError
from earmark.vocabulary import display_name, get_vocabulary

MAKE = runpy.run_path(str(Path(__file__).parent / "makers" / "mtg_jamendo.py"))["make"]
HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
PUBLISHED = {
    "top50tags": (32_136, 10_888, 11_356, 50),
    "genre": (32_572, 11_043, 11_479, 87),
    "instrument": (14_395, 5_466, 5_115, 40),
    "moodtheme": (9_949, 3_802, 4_231, 56),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    MAKE(tmp_path)
    return tmp_path


@pytest.mark.shared
@pytest.mark.parametrize("subset", PUBLISHED)
def test_published_counts_and_no_artist_in_two_parts(subset: str, shared: Path) -> None:
    dataset = open_dataset("mtg_jamendo", shared / "datasets" / "mtg_jamendo", subset=subset)
    assert dataset.split_names == ("split-0",)
    split = dataset.split()
    *sizes, n_tags = PUBLISHED[subset]
    assert list(split.sizes.values()) == sizes
    assert not split.left_out
    assert len(dataset) == sum(sizes)
    assert len(dataset.vocabulary) == n_tags
    assert all(track.tags and track.audio is not None for track in dataset)
    for group in ("artist", "album"):
        held = [{dataset[id].groups[group] for id in ids} for ids in split.parts.values()]
        assert sum(map(len, held)) == len(set.union(*held)), f"no {group} in two parts"


@pytest.mark.shared
@pytest.mark.parametrize("subset", PUBLISHED)
def test_every_row_is_read_as_it_stands(subset: str, shared: Path) -> None:
    dataset = open_dataset("mtg_jamendo", shared / "datasets" / "mtg_jamendo", subset=subset)
    for part, ids in dataset.split().parts.items():
        path = shared / f"datasets/mtg_jamendo/split-0/{SUBSETS[subset]}-{part}.tsv.gz"
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
        assert list(ids) == [line.split("\t")[0] for line in lines]
        for line in lines[::7]:
            id, artist, album, file, duration, *tags = line.split("\t")
            track = dataset[id]
            assert track.tags == tuple(tags)
            assert track.groups == {"artist": artist, "album": album}
            assert track.audio == dataset.root / "audio" / file
            assert track.duration == float(duration)


@pytest.mark.shared
def test_positives_of_the_top_50(shared: Path) -> None:
    """Another project's counts, tag by tag, and the order in which published models give their scores."""
    dataset = open_dataset("mtg_jamendo", shared / "datasets" / "mtg_jamendo")
    with (shared / "datasets/mtg_jamendo/top50_counts.csv").open() as file:
        counts = {row[""]: row for row in csv.DictReader(file)}
    names = [tag.rpartition("---")[2] for tag in dataset.vocabulary.tags]
    for part, ids in dataset.split().parts.items():
        positives = dict(zip(names, dataset.targets(ids).sum(axis=0).tolist(), strict=True))
        assert positives == {tag: int(row[part]) for tag, row in counts.items()}
    published = get_vocabulary("jamendo")
    assert (dataset.vocabulary.tags, dataset.vocabulary.categories) == (published.tags, published.categories)


@pytest.mark.shared
def test_the_centre_is_30_s_in_the_middle(shared: Path) -> None:
    dataset = open_dataset("mtg_jamendo", shared / "datasets" / "mtg_jamendo", subset="moodtheme", audio="centre")
    track = dataset["track_0000948"]  # 212.7 s
    assert track.segment == (91.35, 121.35)
    assert track.duration == 30.0
    for track in dataset:
        assert track.segment is None or track.segment[1] - track.segment[0] == pytest.approx(30.0)


@pytest.mark.shared
def test_categories_come_from_what_is_known_and_from_the_prefix(shared: Path) -> None:
    root = shared / "datasets" / "mtg_jamendo"
    for subset, kind in (("genre", "genre"), ("instrument", "instrument"), ("moodtheme", "mood")):
        vocabulary = open_dataset("mtg_jamendo", root, subset=subset).vocabulary
        assert vocabulary.categories.count(kind) > 0.9 * len(vocabulary)
        assert list(vocabulary.tags) == sorted(vocabulary.tags)
        assert len(set(map(display_name, vocabulary.tags))) == len(vocabulary)


def test_all_splits_that_are_there_and_the_union_of_their_tracks(root: Path) -> None:
    dataset = open_dataset("mtg_jamendo", root)
    assert dataset.split_names == ("split-0", "split-3")
    assert len(dataset) == 5
    assert dataset.split("split-0").part_of()["track_0000773"] == "validation"
    other = dataset.split("split-3")
    assert other.part_of() == {"track_1056334": "train", "track_0000241": "validation", "track_0000773": "test"}
    assert set(other.left_out) == {"track_0000242", "track_0000774"}
    assert [fault.track for fault in dataset.faults] == ["track_1056334"]


def test_rows_names_and_awkward_cells(root: Path) -> None:
    dataset = open_dataset("mtg_jamendo", root)
    assert dataset["track_0000242"].tags == ("genre---rock",), "once, and no empty tag"
    assert dict(dataset["track_0000774"].groups) == {"artist": "artist_000104"}, "no empty key"
    named = dataset["track_0000241"]
    assert (named.title, named.artist, named.album) == ('"Où es-tu', 'Jo "X" Y', "Été")
    assert dataset["track_0000773"].artist == "The Band", "behind an empty cell too many"
    assert dataset["track_0000242"].title == ""
    kinds = dict(zip(dataset.vocabulary.tags, dataset.vocabulary.categories, strict=True))
    assert kinds["instrument---voice"] == "voice"
    assert kinds["mood/theme---calm"] == "mood"
    assert kinds["instrument---piano"] == "instrument"
    (root / "data/raw.meta.tsv").unlink()
    assert open_dataset("mtg_jamendo", root)["track_0000241"].title == ""


def test_the_better_quality_that_is_there(root: Path) -> None:
    def names() -> dict[str, str]:
        dataset = open_dataset("mtg_jamendo", root)
        return {t.id[-3:]: t.audio.relative_to(root).as_posix() for t in dataset if t.audio is not None}

    assert names() == {
        "241": "audio/41/241.mp3",
        "242": "audio/42/242.low.mp3",
        "773": "audio/73/773.mp3",
        "774": "audio/74/774.mp3",
        "334": "audio/34/1056334.mp3",
    }
    (root / "audio/41/241.low.mp3").touch()
    assert names()["241"] == "audio/41/241.mp3"
    (root / "audio/41/241.mp3").unlink()
    assert names()["241"] == "audio/41/241.low.mp3"
    (root / "raw_30s").mkdir()
    (root / "audio").rename(root / "raw_30s/audio-low")
    assert names()["242"] == "raw_30s/audio-low/42/242.low.mp3"
    for folder in ("41", "42"):
        (root / "raw_30s/audio-low" / folder).rename(root / folder)
    shutil.rmtree(root / "raw_30s")
    assert names()["242"] == "42/242.low.mp3"
    shutil.rmtree(root / "41")
    shutil.rmtree(root / "42")
    assert names()["242"] == "audio/42/242.mp3"


def test_tracks_of_30_s_are_whole_in_the_centre(root: Path) -> None:
    dataset = open_dataset("mtg_jamendo", root, audio="centre")
    assert dataset["track_0000242"].segment is None
    assert dataset["track_0000774"].segment == (0.75, 30.75)


def test_layouts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The repository, its folder `data`, and folders of splits in the root, gzipped or not, hold the same."""
    whole = open_dataset("mtg_jamendo", root)
    inside = open_dataset("mtg_jamendo", root / "data")
    flat = tmp_path_factory.mktemp("flat")
    for path in (root / "data/splits").rglob("*.tsv"):
        target = flat / path.parent.name / f"{path.name}.gz"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(gzip.compress(path.read_bytes()))
    packed = open_dataset("mtg_jamendo", flat)
    for other in (inside, packed):
        assert [(t.id, t.tags) for t in other] == [(t.id, t.tags) for t in whole]
        assert [other.split(name) for name in other.split_names] == [whole.split(name) for name in whole.split_names]
    assert inside["track_0000241"].title == '"Où es-tu'


def test_without_splits_the_table_of_a_subset(tmp_path: Path) -> None:
    rows = [f"track_{i:07d}\tartist_{i // 2}\ta\t00/{i}.mp3\t40.0\tgenre---{'ab'[i % 2]}\n" for i in range(20)]
    (tmp_path / "autotagging_genre.tsv").write_text(HEADER + "".join(rows))
    dataset = open_dataset("mtg_jamendo", tmp_path, subset="genre")
    assert count_tags(dataset) == {"genre---a": 10, "genre---b": 10}
    assert dataset.split_names == ("artist",)
    assert dataset.split().sizes == {"train": 12, "validation": 4, "test": 4}
    with pytest.raises(InputError, match=r"none of data/splits/split-0/autotagging_moodtheme-train\.tsv, .* is there"):
        open_dataset("mtg_jamendo", tmp_path, subset="moodtheme")


def test_an_incomplete_split_names_the_part(root: Path) -> None:
    (root / "data/splits/split-3/autotagging_top50tags-test.tsv").unlink()
    with pytest.raises(InputError, match=r"data/splits/split-3/autotagging_top50tags-test\.tsv is missing") as error:
        open_dataset("mtg_jamendo", root)
    assert "earmark datasets download mtg_jamendo" in str(error.value.hint)


def test_a_track_in_two_parts_is_refused(root: Path) -> None:
    part = root / "data/splits/split-0/autotagging_top50tags-test.tsv"
    shutil.copy(root / "data/splits/split-0/autotagging_top50tags-train.tsv", part)
    dataset = open_dataset("mtg_jamendo", root)
    with pytest.raises(InputError, match="split 'split-0': track 'track_0000241' stands in it 2 times"):
        dataset.split("split-0")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no column TRACK_ID"),
        ("TRACK_ID\tPATH\tDURATION\tTAGS\n", "no column ARTIST_ID, ALBUM_ID; it has TRACK_ID, PATH"),
        (HEADER + "a\tb\tc\td\n", "line 2: 4 cells, expected 6 or more"),
        (HEADER + "a\tb\tc\td\t1\te\n" * 2, "line 3: track 'a' stands in the table already"),
        (HEADER + "\tb\tc\td\t1\te\n", "line 2: no id"),
        (HEADER + "a\tb\tc\td\tlong\te\n", "line 2: duration is 'long', expected a number"),
        (HEADER + "a\tb\tc\td\t0\te\n", "line 2: duration is '0', expected seconds"),
        (HEADER + "a\tb\tc\td\tnan\te\n", "line 2: duration is 'nan', expected a number"),
        (HEADER + "a\tb\tc\td\tinf\te\n", "line 2: duration is 'inf', expected a number"),
        (HEADER + "a\tb\tc\t../d\t1\te\n", "leads out of the folder"),
        (HEADER + "a\tb\tc\t/d\t1\te\n", "leads out of the folder"),
    ],
)
def test_what_is_no_table_of_tracks(text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_tracks(io.StringIO(text, newline=""))


def test_names_need_their_columns() -> None:
    with pytest.raises(InputError, match="no column TRACK_NAME, ARTIST_NAME, ALBUM_NAME"):
        read_names(io.StringIO("TRACK_ID\n"))


def test_unknown_choices(root: Path) -> None:
    with pytest.raises(UsageError, match="subset='genres', expected one of top50tags, genre") as error:
        open_dataset("mtg_jamendo", root, subset="genres")
    assert error.value.hint == "did you mean 'genre'?"
    with pytest.raises(UsageError, match="audio='middle'"):
        open_dataset("mtg_jamendo", root, audio="middle")


def test_remotes() -> None:
    info = dataset_info("mtg_jamendo")
    audio = [remote for remote in info.remotes if remote.kind == "audio"]
    assert len(audio) == len({remote.checksum for remote in audio}) == 100
    assert all(remote.unpack and remote.into == "audio" for remote in audio)
    places = {(remote.into, remote.file_name) for remote in info.remotes}
    assert len(places) == len(info.remotes) == 75 + 2 + 100
    assert ("data/splits/split-4", "autotagging_moodtheme-test.tsv") in places
